"""Two simulated cohorts from the sheet to the report, as a user runs it: classes, and a number with a fused teacher."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.cli import main
from cch_omics.data.simulate.cohorts import SIMULATED
from cch_omics.runtime.formats import read_table

pytestmark = pytest.mark.usefixtures("restored_logging")

TARGETS = {"classes": "subtype", "numbers": "score"}
SOURCES = {"classes": "misleading", "numbers": "number"}
STUDENTS = {"classes": ["mutation", "rna"], "numbers": ["cnv", "rna"]}
PAIRS = {
    "classes": {("rna", "mutation"), ("mutation", "rna")},
    "numbers": {("rna", "cnv"), ("rna+cnv", "cnv"), ("rna+cnv", "rna")},
}
METRICS = {
    "classes": {"balanced_accuracy"},
    "numbers": {"r2"},
}
TABLES = {
    "information.tsv": keys.INFORMATION_COLUMNS,
    "verdicts.tsv": keys.VERDICT_COLUMNS,
    "teachers.tsv": keys.TEACHER_COLUMNS,
    "gains.tsv": keys.GAIN_COLUMNS,
    "references.tsv": keys.REFERENCE_COLUMNS,
    "scorecard.tsv": keys.SCORECARD_COLUMNS,
    "intermediate/summary.tsv": keys.SUMMARY_COLUMNS,
    "intermediate/performance.tsv": keys.PERFORMANCE_COLUMNS,
    "intermediate/comparisons.tsv": keys.COMPARISON_COLUMNS,
    "intermediate/criteria.tsv": keys.CRITERIA_COLUMNS,
    "intermediate/members.tsv": keys.MEMBER_COLUMNS,
    "intermediate/advised.tsv": keys.ADVISED_COLUMNS,
    "intermediate/predictions.tsv": keys.PREDICTION_COLUMNS,
}
# Three simulations; of the small cohort `ingest`, `analyse` and `report`; of the validated one, which has two
# modalities, a job for each step; and the pool.
N_JOBS = 3 + 3 + (2 * 2 + 7) + 1


@pytest.fixture
def run(small_run: tuple[Path, str]) -> Path:
    return small_run[0]


@pytest.fixture(params=TARGETS)
def cohort(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(run: Path, cohort: str) -> Path:
    return run / cohort / TARGETS[cohort]


def pairs_of(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(table["teacher"], table["student"], strict=True))


def test_the_terminal_says_one_line_when_a_job_starts_and_one_when_it_ends(small_run: tuple[Path, str]) -> None:
    said = small_run[1]
    lines = [line for line in said.splitlines() if line]
    for word in ("started", "finished"):
        found = [line for line in lines if re.match(rf"\d\d:\d\d:\d\d {word} ", line)]
        assert len(found) == N_JOBS, said
    assert any(
        re.fullmatch(r"[\d:]{8} finished numbers score analyse in \d+ s \(\d+ of 18 jobs\)", line) for line in lines
    )
    others = [line for line in lines if not re.match(r"\d\d:\d\d:\d\d (started|finished|running|warning) ", line)]
    assert len(others) <= 6, others
    assert any(line.startswith("Report: ") and line.endswith("results/report.html") for line in others)


def test_every_table_of_the_contract_is_there_with_its_columns(folder: Path) -> None:
    for name, columns in TABLES.items():
        table = read_table(folder / name)
        # What is predicted depends on the task.
        found = table.columns[: len(columns)] if name.endswith("predictions.tsv") else table.columns
        assert tuple(found) == columns, name
        assert len(table), name
    evidence = read_table(folder / "evidence.tsv")
    assert {*keys.SPLIT_COLUMNS, *keys.PAIR_COLUMNS, "pilot_gain"} <= set(evidence.columns)


def test_every_pair_has_its_rows(folder: Path, cohort: str) -> None:
    students, pairs = STUDENTS[cohort], PAIRS[cohort]
    verdicts = read_table(folder / "verdicts.tsv")
    assert pairs_of(verdicts) == pairs and len(verdicts) == len(pairs)
    assert set(verdicts["verdict"]) <= set(keys.VERDICTS)
    assert verdicts["reason"].str.len().gt(20).all()
    assert verdicts["p_gap_positive"].between(0, 1).all() and verdicts["p_gain_positive"].between(0, 1).all()
    gap = verdicts["mi_teacher_student"] - verdicts["mi_student_label"]
    assert (verdicts["gap"] - gap).abs().max() < 1e-6

    information = read_table(folder / "information.tsv")
    # I(T;S) of the teacher's representation and of its output.
    quantities = ["teacher_student", "teacher_student", "student_label", "teacher_label"]
    assert sorted(information["quantity"]) == sorted(len(pairs) * quantities)
    assert information[["teacher", "student", "quantity", "of"]].drop_duplicates().shape[0] == len(information)
    assert set(information["unit"]) == {"nats"}

    teachers = read_table(folder / "teachers.tsv")
    assert sorted(teachers["student"]) == students
    assert pairs_of(teachers.dropna(subset="teacher")) <= pairs
    assert set(teachers["rule"]) == {"pilot"}

    gains = read_table(folder / "gains.tsv")
    assert pairs_of(gains) == pairs
    assert set(gains["control"]) == set(keys.CONTROLS)
    assert set(gains["fold"]) == {0, 1, 2}
    assert METRICS[cohort] <= set(gains["metric"])
    assert (gains["gain"] - (gains["distilled"] - gains["baseline"])).abs().max() < 1e-6
    assert (gains.groupby("metric").size() == len(pairs) * len(keys.CONTROLS) * 3).all()

    references = read_table(folder / "references.tsv")
    assert set(references["student"]) == set(students)
    assert set(references["baseline"]) == {"linear", "boosting"}
    assert set(references["metric"]) == set(gains["metric"])


def test_students_are_validated_on_other_patients_where_the_sheet_names_some(run: Path) -> None:
    """`rna` is there and `mutation` is not; labels have nothing to do with it."""
    assert not (run / "numbers" / "score" / "validation.tsv").exists()
    folder = run / "classes" / "subtype"
    scores = read_table(folder / "validation.tsv", keys.VALIDATION_COLUMNS)
    assert set(scores["student"]) == {"rna"} and {"alone", "linear", "boosting"} <= set(scores["model"])
    auroc = scores[(scores["metric"] == "auroc") & scores["minus"].isna()]
    assert auroc["value"].between(0.35, 0.65).all()
    about = json.loads((folder / "students" / "rna" / "student.json").read_text())
    assert any("are in" in said for said in about["validation"]["said"])
    assert "## On other patients" in (folder / "students" / "rna" / "MODEL_CARD.md").read_text()
    assert json.loads((folder / "students" / "mutation" / "student.json").read_text())["validation"] is None
    assert 'id="external"' in (folder / "report.html").read_text()
    assert 'id="external"' not in (run / "numbers" / "score" / "report.html").read_text()


def test_audit_counts_the_patients(folder: Path, cohort: str) -> None:
    audit = json.loads((folder / "audit.json").read_text())
    assert audit["patients"] <= SIMULATED[SOURCES[cohort]].n
    assert audit["task"] == {"classes": "classification", "numbers": "regression"}[cohort]
    assert sorted(audit["modalities"]) == STUDENTS[cohort]
    assert sum(audit["strata"].values()) == audit["labelled"] < audit["patients"]


def test_pooled_scorecard_has_every_cohort(run: Path) -> None:
    pooled = read_table(run / "scorecard.tsv")
    assert tuple(pooled.columns) == keys.SCORECARD_COLUMNS
    assert set(TARGETS) < set(pooled["cohort"])


def test_every_student_predicts_from_its_omics_alone(run: Path, folder: Path, cohort: str, tmp_path: Path) -> None:
    from cch_omics.data.mudata import read_mudata

    source = read_mudata(run.parent / "resources" / "simulated" / f"{SOURCES[cohort]}.h5mu")
    for student in STUDENTS[cohort]:
        bundle = folder / "students" / student
        assert {"model.safetensors", "student.json", "MODEL_CARD.md", "features.tsv"} == {
            path.name for path in bundle.iterdir() if path.name not in {"alone", "taught"}
        }
        table = source[student].to_df().iloc[:20]
        table.to_csv(tmp_path / "new.csv")
        output = tmp_path / f"{student}.tsv"
        options = ["--student", str(bundle), "--input", str(tmp_path / "new.csv"), "--output", str(output)]
        assert main(["predict", *options]) == 0
        predicted = pd.read_csv(output, sep="\t")
        assert list(predicted["sample"]) == list(table.index)
        assert predicted["feature_coverage"].between(0.9, 1).all()
        if cohort == "numbers":
            assert predicted["prediction"].notna().all() and predicted["prediction"].nunique() > 10
        else:
            assert set(predicted["prediction"]) <= {"A", "B", "C"}
            probabilities = predicted.drop(columns=["sample", "prediction", "feature_coverage"])
            assert probabilities.sum(axis=1).sub(1).abs().max() < 1e-4


def test_every_step_has_a_log_and_a_benchmark(run: Path) -> None:
    logs = sorted((run.parent / "logs").rglob("*.log"))
    benchmarks = sorted((run.parent / "logs" / "benchmarks").rglob("*.tsv"))
    assert len(benchmarks) == N_JOBS
    # Steps of `analyse`, with two modalities and a fused view.
    assert len(logs) == N_JOBS + 2 * 2 + 4 + 1
    for log in logs:
        text = log.read_text()
        assert "host " in text.splitlines()[0], log
        assert text.rstrip().endswith("done"), log


def test_no_pickle_and_no_parquet_anywhere(run: Path) -> None:
    for path in run.rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".parquet"}


def test_second_run_has_nothing_to_do(run: Path, snakemake) -> None:
    done = snakemake("-n", "--configfile", "small.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_pages_hold_all_that_they_show(run: Path, folder: Path) -> None:
    for page in (run / "report.html", folder / "report.html"):
        text = page.read_text()
        assert text.rstrip().endswith("</html>")
        assert "<svg" in text or "data:image" in text
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//[^"']+\.(?:js|css|png)""", text)


def test_summary_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(run)]) == 0
    text = capsys.readouterr().out
    assert str(run / "report.html") in text
    assert len([line for line in text.splitlines() if "→" in line]) == sum(map(len, PAIRS.values()))
