"""`cch summary`: verdicts beside gains."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.cli import main
from cch_omics.runtime.files import write_table

pytestmark = pytest.mark.usefixtures("restored_logging")


def rows(columns: tuple[str, ...], *given: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(given), columns=list(columns))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two targets of one cohort, a class and a number."""
    pair = {"teacher": "rna", "student": "cnv", "recipe": "soft_targets"}
    back = {"teacher": "cnv", "student": "rna", "recipe": "soft_targets"}
    for target, task, metric in (
        ("er", "classification", "balanced_accuracy"),
        ("score", "regression", "r2"),
    ):
        folder = tmp_path / "brca" / target
        folder.mkdir(parents=True)
        (folder / "audit.json").write_text(json.dumps({"task": task}))
        verdicts = rows(
            keys.VERDICT_COLUMNS,
            {**pair, "verdict": "distil", "p_gap_positive": 0.003, "p_gain_positive": 0.97},
            {**back, "verdict": "do_not_distil", "p_gap_positive": 0.08},
        )
        write_table(verdicts, folder / "verdicts.tsv")
        teachers = rows(keys.TEACHER_COLUMNS, {**pair, "rule": "pilot"}, {"student": "rna", "rule": "pilot"})
        write_table(teachers, folder / "teachers.tsv")
        summary = rows(
            keys.SUMMARY_COLUMNS,
            {**pair, "control": "none", "metric": metric, "gain": 0.03},
            {**pair, "control": "self", "metric": metric, "gain": 0.9},
            {**pair, "control": "none", "metric": "other", "gain": 0.9},
        )
        write_table(summary, folder / "intermediate" / "summary.tsv")
    return tmp_path


def test_verdicts_beside_gains_and_no_probability_is_a_certainty(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "report.html").touch()
    assert main(["summary", str(results)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert "verdict" in header and header.endswith("chosen")
    assert [part.strip() for part in lines[0].split("  ") if part.strip()] == [
        "brca", "er", "rna → cnv", "distil", "97%", "< 1%", "+3.0", "yes",
    ]  # fmt: skip
    assert [part.strip() for part in lines[1].split("  ") if part.strip()] == [
        "brca", "er", "cnv → rna", "do not distil", "not estimated", "8%", "–",
    ]  # fmt: skip
    assert "score" in lines[2] and "+0.030" in lines[2]
    assert "verdict: by pilot students" in lines
    assert any(line.startswith("gain, classification: points of balanced accuracy") for line in lines)
    assert any(line.startswith("gain, regression: R") for line in lines)
    assert lines[-1] == f"report: {results / 'report.html'}"


def test_before_the_evaluation_there_is_no_gain(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for table in results.rglob("summary.tsv"):
        table.unlink()
    assert main(["summary", str(results)]) == 0
    assert "distil" in capsys.readouterr().out


def test_summary_of_nothing_names_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
