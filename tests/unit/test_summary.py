"""`cch summary`: verdicts beside gains, and what became of each cohort and target."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.cli import main
from cch_omics.runtime.formats import read_table, write_table
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression

pytestmark = pytest.mark.usefixtures("restored_logging")


def rows(columns: tuple[str, ...], *given: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(given), columns=list(columns))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two targets of one cohort, a class and a number."""
    pair = {"teacher": "rna", "student": "cnv", "recipe": "soft_targets"}
    back = {"teacher": "cnv", "student": "rna", "recipe": "soft_targets"}
    for target, task in (("er", Classification(("neg", "pos"))), ("score", Regression())):
        folder = tmp_path / "brca" / target
        folder.mkdir(parents=True)
        (folder / "audit.json").write_text(json.dumps({"task": task.name, "parameters": task.parameters}))
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
            {**pair, "control": "none", "metric": task.primary, "gain": 0.03, "ci_low": -0.915, "ci_high": 1.016},
            {**pair, "control": "self", "metric": task.primary, "gain": 0.9},
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
        "brca", "er", "rna → cnv", "distil", "97%", "< 1%", "+3.0 points (−91.5 to +101.6)", "yes",
    ]  # fmt: skip
    assert [part.strip() for part in lines[1].split("  ") if part.strip()] == [
        "brca", "er", "cnv → rna", "do not distil", "not estimated", "8%", "–",
    ]  # fmt: skip
    assert "score" in lines[2] and "+0.030 of R² (−0.915 to +1.016)" in lines[2]
    assert "verdict: by pilot students" in lines
    assert any(line.startswith("gain, classification: points of balanced accuracy") for line in lines)
    assert any(line.startswith("gain, regression: R") for line in lines)
    assert lines[-2].startswith(
        "brca, score: unfinished: there is audit.json, intermediate, verdicts.tsv, teachers.tsv"
    )
    assert lines[-1] == f"report: {results / 'report.html'}"


def test_what_other_patients_show_is_said(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metric, interval = Classification(("a", "b")).primary, {"ci_low": 0.701, "ci_high": 0.78}
    scores = rows(
        keys.VALIDATION_COLUMNS,
        {"student": "cnv", "model": "softkd:rna", "minus": "", "metric": metric, "value": 0.744, **interval},
        {"student": "cnv", "model": "alone", "minus": "", "metric": metric, "value": 0.696},
        {"student": "cnv", "model": "softkd:rna", "minus": "alone", "metric": metric, "value": 0.048, "ci_low": -0.012}
        | {"ci_high": 0.097},
        {"student": "cnv", "model": "softkd:rna", "minus": "linear", "metric": metric, "value": 0.3},
        {"student": "cnv", "model": "softkd:rna", "minus": "alone", "metric": "other", "value": 0.9},
        {"student": "rna", "model": "alone", "minus": "", "metric": metric, "value": 0.8},
    )
    write_table(scores, results / "brca" / "er" / "validation.tsv")
    assert main(["summary", str(results)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "other patients" in line] == [
        "brca, er: cnv on other patients: balanced accuracy 74.4% (70.1 to 78.0); over training alone +4.8 points "
        "(−1.2 to +9.7)",
        "brca, er: rna on other patients: balanced accuracy 80.0%",
    ]


def test_before_the_evaluation_there_is_no_gain(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for table in results.rglob("summary.tsv"):
        table.unlink()
    assert main(["summary", str(results)]) == 0
    assert "distil" in capsys.readouterr().out


DONE = "2026-01-01 00:00:00,000 DEBUG host a\n2026-01-01 00:00:01,000 DEBUG done\n"


def summary(results: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Exit status and lines; there is never a traceback."""
    status = main(["summary", str(results)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, (said.out + said.err).splitlines()


def write_log(results: Path, name: str, text: str) -> Path:
    log = results.parent / "logs" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    return log


def test_what_is_finished_failed_or_left_out_is_said(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = results.rename(results.parent / "my results")
    (results / "brca" / "er" / "report.html").touch()
    left_out = [{"views": ["cnv"], "reason": "cnv is left out: it has one class."}]
    audit = {"task": "regression", "parameters": Regression().parameters, "left_out": left_out}
    (results / "brca" / "score" / "audit.json").write_text(json.dumps(audit))
    (results / "more" / "of mine").mkdir(parents=True)
    for name in ("brca/er/ingest.log", "brca/er/encode/rna.log", "brca/score/ingest.log", "download_demo/a.log"):
        write_log(results, name, DONE)
    status, lines = summary(results, capsys)
    assert status == 0
    assert "brca, er: finished" in lines and "brca, score: cnv is left out: it has one class." in lines
    assert not [line for line in lines if "mine" in line or "failed" in line]
    # A step of one cohort, two of another that has no results, and one of none.
    step = write_log(
        results, "brca/er/distil/cnv.log", "t ERROR failed\nTraceback (most recent call last):\nOSError: full\n"
    )
    first = write_log(results, "luad/os/ingest.log", "t ERROR c.csv: found x; expected y. Mend it.\n")
    killed = write_log(results, "luad/os/encode/rna.log", "t DEBUG host a\n")
    download = write_log(results, "download/xena/LUAD.log", "t ERROR xena: found no answer\n")
    status, lines = summary(results, capsys)
    assert status == 1
    for line in (
        f"brca, er: distil/cnv failed: OSError: full (see {step})",
        f"luad, os: ingest failed: c.csv: found x; expected y. Mend it. (see {first})",
        f"luad, os: encode/rna has not ended: it still runs, or it was killed (see {killed})",
        f"download/xena/LUAD failed: xena: found no answer (see {download})",
    ):
        assert lines.count(line) == 1, line
    assert "brca, er: finished" not in lines
    assert len([line for line in lines if "→" in line]) == 4


def test_logs_may_lie_elsewhere(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path / "x" / "results", "brca/er/ingest.log", "t ERROR oh\n")
    assert main(["summary", str(results), str(tmp_path / "x" / "logs")]) == 1
    assert "brca, er: ingest failed: oh" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("verdicts.tsv", b""),
        ("verdicts.tsv", b"\x00\xff\xfe"),
        ("verdicts.tsv", b"teacher\tstudent\na\tb\tc\td\n"),
        ("verdicts.tsv", b"<html>"),
        ("teachers.tsv", b"a\n1\n"),
        ("intermediate/summary.tsv", b"a\tb\n\xff\t1\n"),
        ("audit.json", b"{"),
        ("audit.json", b"[]"),
        ("audit.json", b"{}"),
        ("audit.json", b'{"task": "other"}'),
        ("audit.json", b'{"task": 3}'),
        ("audit.json", b'{"task": "regression", "left_out": 3}'),
        ("audit.json", b"\xff" + b"[" * 100),
    ],
)
def test_damaged_files_are_named_and_the_others_told(
    results: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes
) -> None:
    (results / "brca" / "er" / file).write_bytes(content)
    status, lines = summary(results, capsys)
    assert status == 1
    assert [line for line in lines if line.startswith("brca, er: its tables cannot be read: ")]
    assert len([line for line in lines if "score" in line and "→" in line]) == 2


def test_a_verdict_that_is_none_is_said(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = results / "brca" / "er" / "verdicts.tsv"
    write_table(read_table(file).assign(verdict="what?"), file)
    status, lines = summary(results, capsys)
    assert status == 1 and any(line.endswith("something that no step writes ('what?')") for line in lines)


def test_a_half_finished_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results" / "a" / "t" / "intermediate").mkdir(parents=True)
    assert summary(tmp_path / "results", capsys) == (
        0,
        ["a, t: unfinished: there is intermediate yet, and no report.html"],
    )


@pytest.mark.parametrize("kind", ["missing", "empty", "foreign", "file", "link to nothing", "circle", "protected"])
def test_summary_of_nothing_names_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "place" / "results"
    if kind == "foreign":
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / "verdicts.csv").touch()
    elif kind in {"empty", "protected"}:
        folder.mkdir(parents=True)
    elif kind != "missing":
        folder.parent.mkdir()
        if kind == "file":
            folder.write_text("mine")
        else:
            folder.symlink_to(folder if kind == "circle" else tmp_path / "nowhere")
    if kind == "protected":  # root may do anything

        def closed(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", closed)
    status, lines = summary(folder, capsys)
    assert status == 2 and len(lines) == 1
    assert lines[0].startswith(f"error: {folder}: found ") and "expected a folder of results" in lines[0]
