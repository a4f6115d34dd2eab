"""Students on other patients: what is measured, how sure it is, and what is said or refused of tables that differ."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from cch_omics import keys
from cch_omics.cli import main
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import BaselinesConfig, IngestConfig, SheetRow, SplitsConfig
from cch_omics.data.external import OtherPatients, other_patients, read_tables
from cch_omics.data.source import Matrix, Source
from cch_omics.errors import InputError
from cch_omics.evaluation.intervals import jackknife
from cch_omics.models.out_of_fold import Model, Network, OutOfFold
from cch_omics.models.recipes import ALONE
from cch_omics.report.external import read_external
from cch_omics.runtime.formats import read_table
from cch_omics.splits import make_splits
from cch_omics.student.bundle import Student, read_student, write_student
from cch_omics.student.make import Records, make_student
from cch_omics.student.validate import FILES, validate, validate_cohort, validate_file, write_validation
from cch_omics.tasks.base import Task
from cch_omics.tasks.calibration import intercept_and_slope, mean_and_slope
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.influence import variance_over_patients
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival

pytestmark = pytest.mark.usefixtures("restored_logging")

P = 6
FEATURES = np.array([f"GENE{j}" for j in range(P)])
TRUE = np.array([1.0, -1.0, 0.5, 0.5, 0.0, 0.0])
STATUS = Classification(("Negative", "Positive"))
DOSE = Regression((-1.0, 0.0, 1.0))
OS = Survival((300.0, 900.0, 2000.0), unit="days")
BOLD = {"alone": 1.0, "bold": 2.0}
TASKS = pytest.mark.parametrize("task", [STATUS, DOSE, OS], ids=lambda task: task.name)


def labels_of(task: Task, score: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Labels that follow a score as the task's model says."""
    if task.name == "classification":
        return (random.random(len(score)) < expit(score)).astype(float)
    if task.name == "regression":
        return score + random.normal(size=len(score))
    event, last = random.exponential(1000 * np.exp(-score)), random.exponential(1500, size=len(score))
    return np.column_stack([np.minimum(event, last), event <= last])


def network_of(task: Task, weights: np.ndarray) -> Network:
    """A network whose score is that of weights, but for the curve of tanh."""
    head = {"classification": [[-50.0, 50.0]], "regression": [[100.0]], "survival": [[100.0] * 3]}[task.name]
    bias = [-1.0] * 3 if task.name == "survival" else [0.0] * task.n_outputs
    arrays = (np.zeros(P), np.full(P, 100.0), weights[:, None] / 100, np.zeros(1), np.array(head), np.array(bias))
    skip = np.zeros((P, task.n_outputs))
    return Network(*(each.astype(np.float32) for each in (*arrays, skip)))


def student_of(task: Task, weights: np.ndarray, model: Model) -> Student:
    """A student of features that are standard normal in the training."""
    random = np.random.default_rng(0)
    values = random.normal(size=(200, P)).astype(np.float32)
    ids, cnv = np.array([f"T{i}" for i in range(200)]), Modality(values, FEATURES, np.arange(200))
    target = Target("er_status", task, labels_of(task, values @ TRUE, random))
    cohort = Cohort("made", ids, ids, ids, target, {"cnv": cnv, "rna": cnv}, ())
    decision = {"classification": np.array([0.1, -0.1]), "regression": np.array([2.0]), "survival": np.zeros(0)}
    return make_student(
        *(cohort, "cnv", network_of(task, weights), model),
        decision=decision[task.name],
        labelled=target.observed,
        epochs=1,
        members={"network": 1.0, "linear": 0.0, "screened": 0.0},
        records=Records({"verdict": keys.DISTIL, "teacher": "rna", "recipe": "soft_targets"}),
    )


def students_of(task: Task) -> dict[str, Student]:
    """One that is right, and one that is less so; both use every feature."""
    off = np.array([0.3, -0.2, 0.1, 0.3, 0.6, -0.4])
    return {
        "soft_targets:rna": student_of(task, TRUE + 0.01, Model("soft_targets", "rna")),
        "alone": student_of(task, off, Model(ALONE.name)),
    }


def others_of(task: Task, n: int = 120, *, seed: int = 1, shift: float = 0.0) -> OtherPatients:
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, P)).astype(np.float32)
    labels = labels_of(task, values @ TRUE, random)
    values[:, 4] += shift
    ids = np.array([f"N{i:03d}" for i in range(n)])
    return OtherPatients("new.csv", ids, ids, FEATURES, values, labels)


def of(scores: pd.DataFrame, model: str, metric: str, minus: str = "") -> pd.Series:
    found = scores[(scores["model"] == model) & (scores["minus"] == minus) & (scores["metric"] == metric)]
    (row,) = found.to_dict("records")
    return pd.Series(row)


# --- What is measured -------------------------------------------------------------------------------------------------


@TASKS
def test_metrics_are_those_of_the_task_and_differences_are_paired(task: Task) -> None:
    students, other = students_of(task), others_of(task)
    found = validate(students, other)
    scores = found.scores
    assert tuple(scores.columns) == keys.VALIDATION_COLUMNS
    for name, student in students.items():
        outputs = student.network.outputs(other.values)[None].astype(float)
        expected = task.evaluate(outputs, other.labels, student.decision[None], other.labels)
        for metric in task.metrics:
            row = of(scores, name, metric)
            assert row["value"] == pytest.approx(expected[metric][0])
            if task.metrics[metric].biased:
                assert np.isnan(row["ci_low"])
            else:
                assert task.metrics[metric].low <= row["ci_low"] <= row["value"] <= row["ci_high"]
                assert row["ci_high"] <= task.metrics[metric].high
    metric = task.primary
    taught, alone = (of(scores, name, metric) for name in students)
    gain = of(scores, "soft_targets:rna", metric, "alone")
    assert gain["value"] == pytest.approx(taught["value"] - alone["value"]) and gain["value"] > 0
    # Errors of the two are not independent: that of the difference is smaller.
    assert gain["se"] < np.hypot(taught["se"], alone["se"])
    assert set(found.predictions["model"]) == set(students)
    assert len(found.predictions) == 2 * len(other.samples)


def test_where_no_patient_changes_a_difference_it_has_no_interval() -> None:
    students, other = students_of(DOSE), others_of(DOSE)
    # All of these are within the prediction intervals of both.
    near = np.abs(student_outputs(students["alone"], other) - other.labels) < 1.5
    scores = validate(students, other.part(near & (np.abs(other.values @ TRUE - other.labels) < 1.5))).scores
    row = of(scores, "soft_targets:rna", "coverage_95", "alone")
    assert row["value"] == 0 and row["se"] == 0 and np.isnan(row["ci_low"]) and np.isnan(row["ci_high"])
    assert np.isfinite(of(scores, "soft_targets:rna", "r2", "alone")["ci_low"])


def student_outputs(student: Student, other: OtherPatients) -> np.ndarray:
    return student.network.outputs(other.values)[:, 0]


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=60)
    ids = np.arange(60).astype(str)
    value, se, blocks = jackknife(lambda rows: np.array([values[rows].mean()]), ids)
    assert blocks == 60
    assert value[0] == pytest.approx(values.mean()) and se[0] == pytest.approx(values.std(ddof=1) / 60**0.5)
    # Two samples of a patient that are alike are one.
    _, of_pairs, blocks = jackknife(lambda rows: np.array([np.repeat(values, 2)[rows].mean()]), np.repeat(ids, 2))
    assert blocks == 60 and of_pairs[0] == pytest.approx(se[0])
    # Blocks of patients have the same error, but for chance.
    many = np.random.default_rng(1).normal(size=3000)
    _, of_blocks, blocks = jackknife(lambda rows: np.array([many[rows].mean()]), np.arange(3000).astype(str))
    assert blocks == 100 and of_blocks[0] == pytest.approx(3000**-0.5, rel=0.25)


@pytest.mark.slow
@TASKS
def test_intervals_of_the_difference_hold_the_truth_under_a_shift(task: Task) -> None:
    """research/benchmarks/validation.md has the whole, with trained students."""
    students, population, held = students_of(task), others_of(task, 2000, seed=2, shift=1.0), 0
    halves = (np.arange(2000) % 2).astype(str)
    metric = task.primary
    truth = of(validate(students, replace(population, groups=halves)).scores, "soft_targets:rna", metric, "alone")[
        "value"
    ]
    random, draws = np.random.default_rng(3), 100
    ids = np.array([f"N{i}" for i in range(150)])
    for _ in range(draws):
        drawn = replace(population.part(random.integers(2000, size=150)), samples=ids, groups=ids)
        row = of(validate(students, drawn).scores, "soft_targets:rna", metric, "alone")
        held += row["ci_low"] <= truth <= row["ci_high"]
    # With a coverage of 0.95, 1 in 2000 has fewer.
    assert held / draws >= 0.87


# --- Calibration, and benefit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [False, True])
def test_intercept_and_slope_are_found_and_their_errors_are_those_of_the_jackknife(events: bool) -> None:
    random = np.random.default_rng(0)
    score = random.normal(-0.5, 1, size=4000)
    right = 0.5 + 0.6 * score
    outcome = random.poisson(np.exp(right)) if events else random.random(4000) < expit(right)
    outcome, zero, ids = outcome.astype(float), np.zeros(4000), np.arange(4000).astype(str)
    (large, of_large), (slope, of_slope) = intercept_and_slope(score, zero, outcome, events=events)
    error = variance_over_patients(of_slope, ids) ** 0.5
    assert slope == pytest.approx(0.6, abs=4 * error)
    # With the slope 1 the mean is right: the sum of what is predicted is that of what happened.
    predicted = (np.exp if events else expit)(large + score)
    assert predicted.sum() == pytest.approx(outcome.sum())

    def again(rows: np.ndarray) -> np.ndarray:
        return np.array(
            [each for each, _ in intercept_and_slope(score[rows], zero[rows], outcome[rows], events=events)]
        )

    _, se, _ = jackknife(again, ids)
    assert se == pytest.approx([variance_over_patients(each, ids) ** 0.5 for each in (of_large, of_slope)], rel=0.3)


def test_there_is_no_slope_where_there_is_none() -> None:
    score, zero = np.linspace(-2, 2, 40), np.zeros(40)
    parted, everybody = (score > 0).astype(float), np.ones(40)
    for outcome, x in ((parted, score), (everybody, score), (parted, np.ones(40))):
        _, (slope, influence) = intercept_and_slope(x, zero, outcome, events=False)
        assert np.isnan(slope) and not influence.any()


def test_calibration_of_numbers_is_that_of_least_squares() -> None:
    random = np.random.default_rng(0)
    predicted = random.normal(size=500)
    observed = 1 + 0.5 * predicted + random.normal(size=500)
    (mean, of_mean), (slope, of_slope) = mean_and_slope(predicted, observed)
    assert mean == pytest.approx((observed - predicted).mean()) and slope == pytest.approx(
        np.polyfit(predicted, observed, 1)[0]
    )
    ids = np.arange(500).astype(str)
    again = lambda rows: np.array([each for each, _ in mean_and_slope(predicted[rows], observed[rows])])  # noqa: E731
    _, se, _ = jackknife(again, ids)
    assert se == pytest.approx([variance_over_patients(each, ids) ** 0.5 for each in (of_mean, of_slope)], rel=0.3)
    assert np.isnan(mean_and_slope(np.ones(9), observed[:9])[1][0])


@TASKS
def test_a_model_that_is_right_has_a_slope_of_one_and_one_that_is_twice_as_bold_of_a_half(task: Task) -> None:
    other = others_of(task, 400)
    scores = validate({name: student_of(task, TRUE * by, Model("alone")) for name, by in BOLD.items()}, other).scores
    (number,) = (name for name in task.calibrations if "slope" in name)
    row, bold = (of(scores, name, number) for name in BOLD)
    assert bold["value"] == pytest.approx(row["value"] / 2, rel=0.1) and bold["ci_high"] < 1
    # A score that moves logits of hazards moves the cumulative hazard by less.
    assert row["ci_low"] < (1.05 if task is OS else 1) < row["ci_high"]


def test_net_benefit_is_that_of_the_formula() -> None:
    table = pd.DataFrame({
        "probability_Negative": [0.9, 0.4, 0.6, 0.2], "probability_Positive": [0.1, 0.6, 0.4, 0.8],
        "observed": ["Negative", "Positive", "Positive", "Negative"],
    })  # fmt: skip
    curves = STATUS.decision_curves({"alone": table})
    assert list(curves) == ["Negative", "Positive"]
    model, everybody, nobody = curves["Positive"].series
    assert [each.name for each in curves["Positive"].series] == ["alone", "everybody", "nobody"]
    at_half = model.y[np.isclose(model.x, 0.5)]
    # Acts on the second, rightly, and on the fourth, needlessly.
    assert at_half == pytest.approx([1 / 4 - 1 / 4])
    assert everybody.y[np.isclose(everybody.x, 0.2)] == pytest.approx([0.5 - 0.5 * 0.25]) and not nobody.y.any()
    assert DOSE.decision_curves({}) == OS.decision_curves({}) == {}


# --- Features ---------------------------------------------------------------------------------------------------------


def test_partial_overlap_is_said_and_judged() -> None:
    students, other = students_of(STATUS), others_of(STATUS)
    part = replace(other, features=FEATURES[:2], values=other.values[:, :2])
    found = validate(students, part)
    said = " ".join(found.said)
    assert "2 of the student's 6 features (33%) are in new.csv" in said and "cch predict gives no prediction" in said
    filled = np.where(np.arange(P) < 2, other.values, 0).astype(np.float32)
    outputs = students["alone"].network.outputs(filled)[None].astype(float)
    expected = STATUS.evaluate(outputs, other.labels, students["alone"].decision[None], other.labels)
    assert of(found.scores, "alone", "auroc")["value"] == pytest.approx(expected["auroc"][0])
    for names, words in (
        (np.char.lower(FEATURES), "upper and lower case"),
        (np.where(np.arange(P) < 1, FEATURES, np.char.lower(FEATURES)), "upper and lower case"),
        (np.char.add("X", FEATURES), "0 of the student's 6 features"),
    ):
        with pytest.raises(InputError, match=words):
            validate(students, replace(other, features=names))


def test_a_shifted_feature_comes_first() -> None:
    found = validate(students_of(STATUS), others_of(STATUS, shift=2.0))
    first = found.features.iloc[0]
    assert tuple(found.features.columns) == keys.SHIFT_COLUMNS and first["feature"] == "GENE4"
    assert first["shift"] == pytest.approx(2.0, abs=0.35)
    assert any("1 of 6 features" in said and "GENE4 (+" in said for said in found.said)


def test_a_sample_with_hardly_a_feature_is_left_out() -> None:
    other = others_of(STATUS)
    other.values[3, :4] = np.nan
    found = validate(students_of(STATUS), other)
    assert "N003" not in set(found.predictions["sample"]) and "119 samples of 119 patients were judged." in found.said


# --- Labels -----------------------------------------------------------------------------------------------------------


def joined(task: Task, columns: dict[str, list[str]], **given: str) -> OtherPatients:
    n = len(next(iter(columns.values())))
    ids = np.array([f"S{i}" for i in range(n)])
    values = np.random.default_rng(0).normal(size=(n, P)).astype(np.float32)
    source = Source(
        "new", pd.DataFrame(columns, index=ids), "labels.csv", {"cnv": Matrix(ids, FEATURES, values, "new")}, ("cnv",)
    )
    return other_patients(source, "cnv", given.pop("target", "y"), task, **given)


def test_other_classes_are_counted_and_absent_ones_said() -> None:
    task = Classification(("A", "B", "C"))
    found = joined(task, {"y": ["A", "B", "D", "A", "NA", "B", "Unknown"]})
    assert joined(task, {"y": ["A", "B", "D"]}).said[-1].endswith("the student knows: 'D' (1).")
    assert found.labels.tolist() == [0, 1, 0, 1] and found.samples.tolist() == ["S0", "S1", "S3", "S5"]
    said = " ".join(found.said)
    assert "3 samples have no label that the student knows: 'D' (1), 'Unknown' (1)" in said and "Nobody has 'C'" in said


@pytest.mark.parametrize(
    ("task", "columns", "words"),
    [
        (STATUS, {"y": ["positive", "Negative", "Negative"]}, "'positive', which looks like the class 'Positive'"),
        (STATUS, {"y": ["1", "0", "1"]}, "no label that the student knows: '1' .2., '0' .1."),
        (STATUS, {"y": ["Positive", "", ""]}, "one patient with a label"),
        (STATUS, {"z": ["Positive", "Negative"]}, "no such column"),
        (OS, {"y_time": ["10", "20", "35"], "y_event": ["1", "0", "1"]}, "seem to be months"),
        (OS, {"y_months_time": ["500", "600", "900"], "y_months_event": ["1", "0", "1"]}, "seem to be months"),
        (OS, {"y_time": ["1000", "2000"]}, "y_event"),
        (DOSE, {"y": ["low", "high"]}, "text: 'low'"),
    ],
)
def test_labels_of_another_kind_are_refused(task: Task, columns: dict[str, list[str]], words: str) -> None:
    target = "y_months" if "y_months_time" in columns else "y"
    with pytest.raises(InputError, match=words):
        joined(task, columns, target=target)


def test_a_unit_may_be_said_by_the_columns_name() -> None:
    columns = {"y_days_time": ["10", "20", "35"], "y_days_event": ["1", "0", "1"]}
    assert joined(OS, columns, target="y_days").labels.tolist() == [[10, 1], [20, 0], [35, 1]]


def test_numbers_beyond_those_of_the_training_are_said() -> None:
    (said,) = joined(DOSE, {"y": [str(100 + i) for i in range(12)]}).said
    assert "in another unit?" in said
    assert not joined(DOSE, {"y": [str(i / 4 - 1.5) for i in range(12)]}).said


def test_patients_may_have_several_samples() -> None:
    columns = {"y": ["Positive", "Negative"] * 10, "patient": [f"P{i // 2}" for i in range(20)]}
    found = joined(STATUS, columns, group="patient")
    assert len(np.unique(found.groups)) == 10
    scores = validate(students_of(STATUS), found).scores
    assert set(scores["n_patients"]) == {10}


# --- Files and commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A taught student, and the one trained alone in its folder."""
    taught, alone = students_of(STATUS).values()
    write_student(tmp_path / "cnv", taught)
    write_student(tmp_path / "cnv" / "alone", alone)
    return tmp_path / "cnv"


def tables(folder: Path, other: OtherPatients) -> list[str]:
    pd.DataFrame(other.values, index=other.samples, columns=other.features).to_csv(folder / "new.csv")
    names = np.array(["Negative", "Positive"])[other.labels.astype(int)]
    pd.DataFrame({"er_status": names, "er": names}, index=other.samples).to_csv(folder / "labels.csv")
    return ["--input", str(folder / "new.csv"), "--labels", str(folder / "labels.csv")]


def test_the_command_writes_a_folder_and_says_what_it_found(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tables(tmp_path, others_of(STATUS))
    command = ["validate", "--student", str(bundle), *files, "--output", str(tmp_path / "out")]
    for target in ([], ["--target", "er"]):  # the second time in the place of the first
        assert main([*command, *target]) == 0
        said = capsys.readouterr()
        assert said.err == f"Wrote {tmp_path / 'out'}\n"
        assert "120 samples of 120 patients" in said.out and "minus trained alone" in said.out
        assert "Baselines are not part of a student's folder" in said.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    scores = read_table(tmp_path / "out" / "validation.tsv", keys.VALIDATION_COLUMNS)
    assert set(scores["model"]) == {"soft_targets:rna", "alone"}
    page = (tmp_path / "out" / "validation.html").read_text()
    assert page.count("<svg") == 3 and "://" not in page and page.count("<script") == 1
    # A folder of somebody else is not touched, and a refusal writes nothing.
    (tmp_path / "out" / "mine.txt").touch()
    assert main(command) == 2 and "a folder with other content" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "no"), "--target", "gone"]) == 2
    assert "gone" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_a_student_trained_alone_is_judged_alone(bundle: Path, tmp_path: Path) -> None:
    files = tables(tmp_path, others_of(STATUS))
    found = validate_file(bundle / "alone", files[1], files[3])
    assert set(found.scores["model"]) == {"alone"} and not found.scores["minus"].any()


def test_labels_may_lie_in_the_same_mudata_or_anndata(bundle: Path, tmp_path: Path) -> None:
    import anndata
    import mudata

    other = others_of(STATUS)
    said: list[object] = list(np.array(["Negative", "Positive"])[other.labels.astype(int)])
    said[2:4] = None, "Unknown"
    obs = pd.DataFrame({"er_status": pd.Categorical(said)}, index=pd.Index(other.samples.astype(object)))
    adata = anndata.AnnData(other.values, obs=obs, var=pd.DataFrame(index=other.features.astype(object)))
    adata.write_h5ad(tmp_path / "new.h5ad")
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"cnv": adata}).write(tmp_path / "new.h5mu")
    expected = np.delete(other.labels, [2, 3]).tolist()
    for labels in ("new.h5mu", "new.h5ad"):
        for table in ("new.h5mu", "new.h5ad"):
            source = read_tables(tmp_path / table, tmp_path / labels, "cnv", tuple(FEATURES))
            found = other_patients(source, "cnv", "er_status", STATUS)
            assert found.labels.tolist() == expected
            assert "2 samples have no label that the student knows: 'Unknown' (1), the others none." in found.said
        with pytest.raises(InputError, match=rf"{labels}, \.obs.*'ER'.*er_status"):
            validate_file(bundle, tmp_path / "new.h5ad", tmp_path / labels, target="ER")
    adata.obs_names = ["N000", *adata.obs_names[:-1]]
    adata.write_h5ad(tmp_path / "twice.h5ad")
    with pytest.raises(InputError, match=r"twice\.h5ad, \.obs: found id 'N000' more than once"):
        validate_file(bundle, tmp_path / "new.h5ad", tmp_path / "twice.h5ad")


@pytest.mark.parametrize("name", ["labels.parquet", "data_clinical_sample.txt", "labels", "labels.xlsx"])
def test_labels_in_another_kind_of_file_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    files = tables(tmp_path, others_of(STATUS))
    (tmp_path / "labels.csv").rename(tmp_path / name)
    with pytest.raises(InputError, match=r"unknown format \((\.\w+|no ending)\); expected one of \.csv.*\.h5mu"):
        validate_file(bundle, files[1], tmp_path / name)
    with pytest.raises(InputError, match="a folder"):
        validate_file(bundle, files[1], tmp_path)


# --- A run ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """What the step of the workflow finds and writes for a cohort, of whose patients some are among the others."""
    random, n = np.random.default_rng(0), 90
    values = random.normal(size=(n, P)).astype(np.float32)
    ids = np.array([f"T{i:02d}" for i in range(n)])
    target = Target("er_status", STATUS, labels_of(STATUS, values @ TRUE, random))
    cohort = Cohort("made", ids, ids, np.full(n, ""), target, {"cnv": Modality(values, FEATURES, np.arange(n))}, ())
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    models = Model("soft_targets", "rna"), Model(ALONE.name)
    networks = tuple(network_of(STATUS, weights) for weights in (TRUE + 0.01, TRUE[::-1] + 0.01))
    outputs = np.stack([np.tile(each.outputs(values), (3, 1, 1)) for each in networks])
    trained = {"cnv": OutOfFold(models, outputs, networks, np.ones((2, 3), dtype=np.int64), np.full((2, 3, 3), 1 / 3))}
    # The teacher's own omics is not in the cohort: the record of its patients is not asked for.
    cohort = replace(cohort, modalities=cohort.modalities | {"rna": cohort.modalities["cnv"]})
    teachers = pd.DataFrame(
        [("cnv", "rna", "soft_targets", "pilot", keys.DISTIL, 0.99, 0.5)], columns=keys.TEACHER_COLUMNS
    )
    other = others_of(STATUS, 100)
    samples = np.concatenate([ids[:10], other.samples[10:]])
    clinical = pd.DataFrame({"er_status": np.array(STATUS.classes)[other.labels.astype(int)]}, index=samples)
    source = Source(
        "elsewhere", clinical, "labels", {"cnv": Matrix(samples, FEATURES, other.values, "elsewhere")}, ("cnv",)
    )
    row = SheetRow(cohort="made", source="elsewhere", target="er_status")
    settings = IngestConfig(), BaselinesConfig(boosting=False)
    found = validate_cohort(cohort, splits, trained, teachers, source, row, *settings, seed=0)
    folder = tmp_path_factory.mktemp("run")
    names = ("validation.tsv", "validation.json", "validation_features.tsv", "validation_predictions.tsv")
    write_validation(found, *(folder / name for name in names))
    return folder, found


def test_patients_of_the_training_are_left_out(run: tuple[Path, list]) -> None:
    (found,) = run[1]
    assert "10 samples of patients of the training were left out." in found.said
    assert set(found.scores["n_patients"]) == {90} and not found.predictions["sample"].str.startswith("T").any()


def test_a_student_that_did_harm_comes_first_all_the_same(tmp_path: Path) -> None:
    """It lies in the folder of the one trained alone, which is delivered."""
    taught, alone = students_of(STATUS).values()
    write_student(tmp_path / "cnv", alone)
    write_student(tmp_path / "cnv" / "taught", taught)
    files = tables(tmp_path, others_of(STATUS))
    scores = validate_file(tmp_path / "cnv", files[1], files[3]).scores
    assert of(scores, "soft_targets:rna", "auroc", "alone")["value"] > 0


def test_baselines_are_fitted_to_the_full_cohort(run: tuple[Path, list]) -> None:
    scores = read_table(run[0] / "validation.tsv", keys.VALIDATION_COLUMNS)
    # All know the same features, and the labels follow them.
    assert list(dict.fromkeys(scores["model"])) == ["soft_targets:rna", "alone", "linear"]
    assert of(scores.fillna({"minus": ""}), "linear", "auroc")["value"] > 0.7
    assert set(scores["minus"].dropna()) == {"alone", "linear"}


def test_card_and_page_tell_of_the_other_patients(run: tuple[Path, list], tmp_path: Path) -> None:
    from cch_omics.student.validate import read_validated

    validated = read_validated(run[0] / "validation.json")["cnv"]
    student = students_of(STATUS)["soft_targets:rna"]
    write_student(tmp_path / "cnv", replace(student, about=student.about.model_copy(update={"validation": validated})))
    assert read_student(tmp_path / "cnv").about.validation == validated
    card = (tmp_path / "cnv" / "MODEL_CARD.md").read_text()
    assert (
        "## On other patients" in card and "soft targets from rna minus trained alone" in card and "elsewhere" in card
    )
    assert (
        "On other patients"
        not in (write_student(tmp_path / "x", student) or (tmp_path / "x" / "MODEL_CARD.md")).read_text()
    )
    (each,) = read_external(run[0] / "validation.json", STATUS)
    assert len(each.decisions) == 2 and len(each.scores.rows) == 3 + 1 + 2 and len(each.calibration.rows) == 3


# --- Real patients ----------------------------------------------------------------------------------------------------

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "metabric-mutation").is_dir(), reason=f"no cohorts in {DATA}")
def test_a_mutation_student_of_tcga_brca_on_metabric() -> None:
    """42 of its genes are there; what rna taught it holds in Europe."""
    from research.benchmarks.validation import TRANSFERS

    transfer = next(each for each in TRANSFERS if (each.target, each.shared) == ("er_status", False))
    _, _, students, other = transfer.trained(DATA)
    found = validate(students, other)
    assert len(other.samples) == 1829 and any("42 of the student's" in said for said in found.said)
    taught, gain = of(found.scores, "taught", "auroc"), of(found.scores, "taught", "auroc", "alone")
    assert taught["ci_low"] > 0.7 and gain["se"] < taught["se"]
    _, _, _, later = replace(transfer, target="os", classes="").trained(DATA)
    assert later.labels.shape == (1858, 2)
