"""Predictions from a bundle: the network's own, whatever the table looks like, or a clear refusal."""

from collections.abc import Callable
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax

from cch_omics.cli import main
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.errors import InputError
from cch_omics.models.out_of_fold import Model, Network
from cch_omics.runtime.formats import read_table
from cch_omics.student.bundle import Student, write_student
from cch_omics.student.make import Records, make_student
from cch_omics.student.predict import predict, predict_file
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival

N, P, UNITS, CLASSES = 20, 30, 4, ("Basal", "LumA", "LumB")
FEATURES = [f"GENE-{j}" for j in range(P)]
IDS = [f"TCGA-{i:02d}" for i in range(N)]
OFFSETS = np.array([0.0, 1.5, -0.5])


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """(N, P) with some values missing."""
    random = np.random.default_rng(4)
    table = random.normal(8, 2, (N, P)).astype(np.float32)
    table[random.random((N, P)) < 0.1] = np.nan
    return table


def make_one(values: np.ndarray, task: Task, labels: np.ndarray, decision: np.ndarray) -> Student:
    random = np.random.default_rng(5)
    network = Network(
        fill=np.nanmean(values, axis=0),
        bound=2 * np.nanstd(values, axis=0),
        weight=random.normal(0, 0.2, (P, UNITS)).astype(np.float32),
        bias=random.normal(0, 1, UNITS).astype(np.float32),
        head_weight=random.normal(0, 2, (UNITS, task.n_outputs)).astype(np.float32),
        head_bias=random.normal(0, 1, task.n_outputs).astype(np.float32),
        skip_weight=random.normal(0, 0.003, (P, task.n_outputs)).astype(np.float32),
    )
    ids, target = np.array(IDS), Target("pam50", task, labels.astype(np.float64))
    rna = Modality(values, np.array(FEATURES), np.arange(N))
    cohort = Cohort("sim", ids, ids, ids, target, {"rna": rna}, ())
    return make_student(
        cohort,
        "rna",
        network,
        Model("alone", "", "none"),
        decision=decision,
        labelled=cohort.target.observed,
        epochs=1,
        members={"network": 1.0, "linear": 0.0, "screened": 0.0},
        records=Records({"verdict": "do_not_distil", "teacher": ""}),
    )


@pytest.fixture(scope="module")
def student(values: np.ndarray) -> Student:
    return make_one(values, Classification(CLASSES), np.arange(N) % 3, OFFSETS)


@pytest.fixture(scope="module")
def bundle(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "rna"
    write_student(folder, student)
    return folder


def expected(student: Student, values: np.ndarray) -> pd.DataFrame:
    """The documented formulas, written out."""
    network = student.network
    low, high = network.fill - network.bound, network.fill + network.bound
    filled = np.clip(np.where(np.isnan(values), network.fill, values), low, high)
    units = np.tanh(filled @ network.weight + network.bias)
    logits = units @ network.head_weight + filled @ network.skip_weight + network.head_bias
    probabilities = softmax(logits.astype(np.float64), axis=1).astype(np.float32)
    decided = np.argmax(log_softmax(logits.astype(np.float64), axis=1) + OFFSETS, axis=1)
    frame = pd.DataFrame({"sample": IDS})
    for c, name in enumerate(CLASSES):
        frame[f"probability_{name}"] = probabilities[:, c]
    frame["prediction"] = [CLASSES[c] for c in decided]
    frame["feature_coverage"] = (~np.isnan(values)).mean(axis=1)
    return frame


def write_csv(frame: pd.DataFrame, file: Path) -> None:
    frame.to_csv(file, sep="\t" if ".tsv" in file.name else ",")


def write_h5mu(frame: pd.DataFrame, file: Path) -> None:
    other = anndata.AnnData(pd.DataFrame(np.zeros((3, 2)), index=["a", "b", "c"], columns=["x", "y"]))
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"cnv": other, "rna": anndata.AnnData(frame)}).write(file)


FORMATS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": write_csv,
    "csv.gz": write_csv,
    "tsv": write_csv,
    "tsv.gz": write_csv,
    "parquet": lambda frame, file: frame.rename_axis("sample").reset_index().to_parquet(file, index=False),
    "h5ad": lambda frame, file: anndata.AnnData(frame).write_h5ad(file),
    "h5mu": write_h5mu,
}


def table(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, index=IDS, columns=FEATURES)


# --- What is predicted ------------------------------------------------------------------------------------------------


def test_probabilities_and_decisions_follow_their_formulas(student: Student, values: np.ndarray) -> None:
    frame = predict(student, IDS, FEATURES, values)
    pd.testing.assert_frame_equal(frame, expected(student, values), check_exact=True)
    np.testing.assert_allclose(frame.filter(like="probability_").sum(axis=1), 1, rtol=1e-6)
    # The offsets matter here: otherwise the test could not tell whether they are used.
    most_probable = np.argmax(frame.filter(like="probability_").to_numpy(), axis=1)
    assert (frame["prediction"] != np.array(CLASSES)[most_probable]).any()


def test_a_number_is_predicted_as_it_is(values: np.ndarray, tmp_path: Path) -> None:
    made = make_one(values, Regression((0.0,)), np.linspace(-1, 1, N), np.array([0.5]))
    write_student(tmp_path / "rna", made)
    table(values).to_csv(tmp_path / "new.csv")
    frame = predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.tsv")
    assert list(frame) == ["sample", "prediction", "prediction_low_95", "prediction_high_95", "feature_coverage"]
    np.testing.assert_array_equal(frame["prediction"], made.network.outputs(values)[:, 0])
    np.testing.assert_allclose(frame["prediction_high_95"] - frame["prediction_low_95"], 1, atol=1e-5)
    written = read_table(tmp_path / "out.tsv")
    np.testing.assert_array_equal(written["prediction"].to_numpy(np.float32), frame["prediction"])
    sparse = np.where(np.arange(N)[:, None] == 3, np.nan, values)
    blank = predict(made, IDS, FEATURES, sparse).drop(columns=["sample", "feature_coverage"]).isna()
    assert blank.loc[3].all() and not blank.drop(index=3).any(axis=None)


def test_too_few_residuals_give_a_number_without_an_interval(values: np.ndarray, tmp_path: Path) -> None:
    write_student(tmp_path / "rna", make_one(values, Regression((0.0,)), np.linspace(-1, 1, N), np.array([np.nan])))
    table(values).to_csv(tmp_path / "new.csv")
    frame = predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.tsv")
    assert frame["prediction"].notna().all()
    assert frame[["prediction_low_95", "prediction_high_95"]].isna().all(axis=None)


def test_a_transformed_number_is_predicted_in_its_own_unit(values: np.ndarray, tmp_path: Path) -> None:
    labels = np.exp(np.linspace(-1, 1, N))
    task = Regression.of(labels, transform="rank_normal").trained_on(labels)
    made = make_one(values, task, labels, np.array([0.5]))
    write_student(tmp_path / "rna", made)
    table(values).to_csv(tmp_path / "new.csv")
    frame = predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.tsv")
    output = made.network.outputs(values)[:, 0].astype(np.float64)
    for column, shift in (("prediction", 0), ("prediction_low_95", -0.5), ("prediction_high_95", 0.5)):
        np.testing.assert_array_equal(frame[column], task.transform.inverse(output + shift).astype(np.float32))


def test_a_risk_is_predicted_with_probabilities_to_live(values: np.ndarray, tmp_path: Path) -> None:
    follow_up = np.column_stack([np.linspace(10, 900, N), np.arange(N) % 2])
    task = Survival((100.0, 400.0, 800.0))
    made = make_one(values, task, follow_up, np.zeros(0))
    write_student(tmp_path / "rna", made)
    table(values).to_csv(tmp_path / "new.csv")
    frame = predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.tsv")
    assert list(frame) == ["sample", "prediction", "survival_at_365", "survival_at_730", "feature_coverage"]
    expected = task.predictions(made.network.outputs(values), np.zeros(0))
    pd.testing.assert_frame_equal(frame[list(expected)], expected, check_exact=True)
    assert "pam50 (survival: the time to an event, in days, until 800" in (tmp_path / "rna/MODEL_CARD.md").read_text()
    sparse = np.where(np.arange(N)[:, None] == 3, np.nan, values)
    blank = predict(made, IDS, FEATURES, sparse)[list(expected)].isna()
    assert blank.iloc[3].all() and blank.to_numpy().sum() == 3


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_networks_own_prediction_to_the_last_bit(
    student: Student, bundle: Path, values: np.ndarray, tmp_path: Path, ending: str
) -> None:
    file, output = tmp_path / f"new.{ending}", tmp_path / "out" / "predictions.tsv"
    FORMATS[ending](table(values), file)
    returned = predict_file(bundle, file, output)
    pd.testing.assert_frame_equal(returned, expected(student, values), check_exact=True)
    written = read_table(output)
    assert list(written) == ["sample", *(f"probability_{name}" for name in CLASSES), "prediction", "feature_coverage"]
    for name in CLASSES:
        np.testing.assert_array_equal(
            written[f"probability_{name}"].to_numpy(np.float32), returned[f"probability_{name}"].to_numpy()
        )
    assert list(written["sample"]) == IDS
    assert list(written["prediction"]) == list(returned["prediction"])
    np.testing.assert_allclose(written["feature_coverage"], returned["feature_coverage"], rtol=1e-9)


def test_the_order_of_features_and_further_features_do_not_matter(student: Student, values: np.ndarray) -> None:
    order = np.random.default_rng(6).permutation(P)
    names = [*(FEATURES[j] for j in order), "extra", "more"]
    wider = np.hstack([values[:, order], np.full((N, 2), 1e6)])
    wider[0, -1] = np.inf  # what is not used is not judged
    pd.testing.assert_frame_equal(
        predict(student, IDS, names, wider), predict(student, IDS, FEATURES, values), check_exact=True
    )


def test_a_missing_feature_is_one_whose_values_are_all_missing(student: Student, values: np.ndarray) -> None:
    blank = values.copy()
    blank[:, [3, 9]] = np.nan
    kept = [j for j in range(P) if j not in (3, 9)]
    frame = predict(student, IDS, [FEATURES[j] for j in kept], values[:, kept])
    pd.testing.assert_frame_equal(frame, predict(student, IDS, FEATURES, blank), check_exact=True)
    assert (frame["feature_coverage"] <= (P - 2) / P).all()


def test_a_sample_that_was_hardly_measured_keeps_its_row_without_a_prediction(
    student: Student, values: np.ndarray, tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sparse = values.copy()
    sparse[2, : P // 2 + 1] = np.nan
    sparse[3] = np.nan
    frame = predict(student, IDS, FEATURES, sparse)
    blank = frame["prediction"].isna()
    assert list(np.flatnonzero(blank)) == [2, 3]
    assert frame.loc[blank].filter(like="probability_").isna().all(axis=None)
    assert frame.loc[3, "feature_coverage"] == 0
    assert "2 of 20 samples have fewer than 50%" in caplog.text
    others = ~blank.to_numpy()
    pd.testing.assert_frame_equal(frame[others], predict(student, IDS, FEATURES, values)[others], check_exact=True)
    table(sparse).to_csv(tmp_path / "new.csv")
    predict_file(bundle, tmp_path / "new.csv", tmp_path / "out.tsv")
    line = (tmp_path / "out.tsv").read_text().splitlines()[4]
    assert line == f"{IDS[3]}\t\t\t\t\t0"


def test_coverage_at_the_limit_is_enough(student: Student, values: np.ndarray) -> None:
    half = np.nan_to_num(values, nan=8.0)[:, : P // 2]
    frame = predict(student, IDS, FEATURES[: P // 2], half)
    assert (frame["feature_coverage"] == 0.5).all()
    assert frame["prediction"].notna().all()
    with pytest.raises(InputError, match="14 of the student's 30 features"):
        predict(student, IDS, FEATURES[: P // 2 - 1], half[:, :-1])


def test_an_empty_table_has_no_predictions(student: Student) -> None:
    frame = predict(student, [], FEATURES, np.empty((0, P)))
    assert len(frame) == 0
    assert list(frame) == ["sample", *(f"probability_{name}" for name in CLASSES), "prediction", "feature_coverage"]


# --- Where it is written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".CSV", ".parquet"])
def test_the_ending_of_the_output_means_what_it_says(
    bundle: Path, values: np.ndarray, tmp_path: Path, ending: str
) -> None:
    table(values).to_csv(tmp_path / "new.csv")
    frame = predict_file(bundle, tmp_path / "new.csv", tmp_path / f"out{ending}")
    if ending == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), frame, check_exact=True)
    else:
        written = pd.read_csv(tmp_path / f"out{ending}", sep="\t" if ending == ".tsv" else ",")
        pd.testing.assert_frame_equal(written, frame, check_dtype=False, rtol=1e-6)


@pytest.mark.parametrize("name", ["out", "out.txt", "out.csv.gz", "out.xlsx", ".tsv"])
def test_another_ending_is_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"expected \.tsv, \.csv or \.parquet"):
        predict_file(tmp_path / "no student", tmp_path / "no table", tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_from_python_no_folder_is_replaced_by_a_table(bundle: Path, values: np.ndarray, tmp_path: Path) -> None:
    table(values).to_csv(tmp_path / "new.csv")
    (tmp_path / "mine.tsv").mkdir()
    (tmp_path / "mine.tsv" / "precious").touch()
    with pytest.raises(IsADirectoryError):
        predict_file(bundle, tmp_path / "new.csv", tmp_path / "mine.tsv")
    assert (tmp_path / "mine.tsv" / "precious").is_file()


@pytest.mark.usefixtures("restored_logging")
def test_a_dash_writes_the_table_to_standard_output_and_nothing_else(
    bundle: Path, values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(2**values).to_csv("new.csv")
    options = ["predict", "--student", str(bundle), "--input", "new.csv"]
    assert main([*options, "--output", "-"]) == 0
    printed = capfd.readouterr()
    assert "another scale" in printed.err and printed.err.endswith("\nWrote to standard output\n")
    assert [file.name for file in tmp_path.iterdir()] == ["new.csv"]
    assert main([*options, "--output", "out.tsv"]) == 0
    assert printed.out == Path("out.tsv").read_text()
    said = capfd.readouterr()
    assert said.out == "" and said.err.endswith("\nWrote out.tsv\n")


def test_names_that_a_spreadsheet_would_run_are_written_as_text_and_said(
    values: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_one(values, Classification(("+", "-", "@x")), np.arange(N) % 3, np.array([-99.0, -99.0, 99.0]))
    write_student(tmp_path / "rna", made)
    ids = ["=1+1", "+2", "-3", "@a", "+", *IDS[5:]]
    table(values).set_axis(ids, axis=0).to_csv(tmp_path / "new.csv")
    frame = predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.csv")
    assert list(frame["sample"]) == ids
    written = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert list(written["sample"]) == ["'=1+1", "'+2", "-3", "'@a", "+", *IDS[5:]]
    assert set(written["prediction"]) == {"'@x"}
    assert "column sample: 3 names" in caplog.text and "column prediction: 1 names" in caplog.text
    caplog.clear()
    predict_file(tmp_path / "rna", tmp_path / "new.csv", tmp_path / "out.parquet")
    assert list(pd.read_parquet(tmp_path / "out.parquet")["sample"]) == ids
    assert "apostrophe" not in caplog.text


# --- Another scale ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        (lambda x: x, False),
        (lambda x: x[:1], False),
        (lambda x: x + 1, False),
        (lambda x: 2**x, True),
        (lambda x: (x - 8) / 2, True),
    ],
    ids=["as training", "one sample", "small shift", "counts for logs", "standardised"],
)
def test_another_scale_is_noticed(
    student: Student,
    values: np.ndarray,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[np.ndarray], np.ndarray],
    warned: bool,
) -> None:
    changed = change(values)
    frame = predict(student, IDS[: len(changed)], FEATURES, changed)
    assert ("another scale" in caplog.text) == warned
    assert frame["prediction"].notna().all()


# --- Refusals ---------------------------------------------------------------------------------------------------------


def refused(student: Student, ids: list[str], features: list[str], values: np.ndarray) -> str:
    with pytest.raises(InputError) as caught:
        predict(student, ids, features, values, where="new.csv")
    assert "new.csv" in caught.value.where
    return str(caught.value)


def test_a_table_with_three_percent_of_the_features_is_refused(
    bundle: Path, values: np.ndarray, tmp_path: Path
) -> None:
    table(values)[FEATURES[:1]].to_csv(tmp_path / "new.csv")
    with pytest.raises(InputError) as caught:
        predict_file(bundle, tmp_path / "new.csv", tmp_path / "out.tsv")
    message = str(caught.value)
    assert "1 of the student's 30 features; missing for example 'GENE-1', 'GENE-2'" in message
    assert "at least 50% of them" in message
    assert "'rna'" in message
    assert not (tmp_path / "out.tsv").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.parametrize(
    ("spell", "hint"),
    [
        (str.lower, "only by upper and lower case: 'gene-0' in the table, 'GENE-0' in the student"),
        (lambda name: name.replace("-", "."), "only by punctuation .*: 'GENE.0' in the table, 'GENE-0' in the student"),
        (lambda name: "rna:" + name, "only by a prefix: 'rna:GENE-0' in the table, 'GENE-0' in the student"),
        (lambda name: name + ".12", "only by a suffix, .*: 'GENE-0.12' in the table, 'GENE-0' in the student"),
    ],
    ids=["case", "punctuation", "prefix", "suffix"],
)
def test_a_small_difference_of_names_is_told(
    student: Student, values: np.ndarray, spell: Callable[[str], str], hint: str
) -> None:
    with pytest.raises(InputError, match=hint):
        predict(student, IDS, [spell(name) for name in FEATURES], values)


def test_other_names_get_no_hint_of_a_small_difference(student: Student, values: np.ndarray) -> None:
    message = refused(student, IDS, [f"cg{j}" for j in range(P)], values)
    assert "only by" not in message
    assert "'cg0'" in message


def test_features_in_rows_are_told_and_turned_when_read(
    student: Student, bundle: Path, values: np.ndarray, tmp_path: Path
) -> None:
    assert "transpose it" in refused(student, FEATURES, IDS, values.T)
    table(values).T.to_csv(tmp_path / "turned.csv")
    frame = predict_file(bundle, tmp_path / "turned.csv", tmp_path / "out.tsv")
    pd.testing.assert_frame_equal(frame, predict(student, IDS, FEATURES, values), check_exact=True)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_an_infinite_value_is_refused_where_it_is(student: Student, values: np.ndarray, bad: float) -> None:
    spoilt = values.astype(np.float64)
    spoilt[4, 7] = bad
    assert "sample 'TCGA-04', feature 'GENE-7': found an infinite value" in refused(student, IDS, FEATURES, spoilt)


@pytest.mark.parametrize("code", [-9999, 1e30])
def test_a_number_that_stands_for_a_missing_value_is_refused(student: Student, values: np.ndarray, code: float) -> None:
    spoilt = values.copy()
    spoilt[4:8, 7] = code
    said = refused(student, IDS, FEATURES, spoilt)
    assert f"sample 'TCGA-04', feature 'GENE-7': found the number {code:g} (4 such)" in said


def test_a_sample_that_occurs_twice_is_refused_and_the_first_of_features_with_one_name_counts(
    student: Student, values: np.ndarray
) -> None:
    assert "the sample id 'TCGA-01' more than once" in refused(student, [IDS[1], *IDS[1:]], FEATURES, values)
    frame = predict(student, IDS, [*FEATURES, *FEATURES[::-1]], np.hstack([values, 99 + values]))
    pd.testing.assert_frame_equal(frame, predict(student, IDS, FEATURES, values), check_exact=True)


def test_values_that_do_not_fit_the_names_are_refused(student: Student, values: np.ndarray) -> None:
    assert "20 samples x 30 features" in refused(student, IDS, FEATURES, values[:, 1:])
