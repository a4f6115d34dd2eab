"""The benchmark of decisions: its smallest run, that its halves are apart, and its statistics by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.splits import make_splits
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.verdict.criteria import CRITERIA
from research.benchmarks import power
from research.benchmarks.cases import SEED, splits_of_some
from research.benchmarks.decisions import measure, page
from research.benchmarks.decisions.__main__ import SUBSET_SETTINGS
from research.rivals import RIVALS

SPLITS = SplitsConfig(repeats=1, folds=2, inner_folds=3)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return replace(measure.SUBSET[0].case, budget=0.5).read(None)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest run: one simulated cohort, both halves."""
    folder = tmp_path_factory.mktemp("decisions")
    for half in (0, 1):
        measure.measure_once(measure.SUBSET[0], 0, half, None, folder, SUBSET_SETTINGS)
    return folder


def test_what_is_there_is_not_measured_again(output: Path) -> None:
    made = {path: path.stat().st_mtime_ns for path in output.glob("*.json")}
    measure.measure_once(measure.SUBSET[0], 0, 1, None, output, SUBSET_SETTINGS)
    assert len(made) == 2 and made == {path: path.stat().st_mtime_ns for path in output.glob("*.json")}


def test_the_page_has_every_criterion_and_keeps_what_a_person_wrote(output: Path, tmp_path: Path) -> None:
    text = tmp_path / "page.md"
    text.write_text("Mine.\n<!-- begin rivals -->\nold\n<!-- end rivals -->\nMine too.\n")
    page.write_page(output, [text])
    found = text.read_text()
    assert found.startswith("Mine.\n") and found.endswith("Mine too.\n") and "old" not in found
    assert all(f"| {name} " in found for name in RIVALS)
    assert all((tmp_path / f"decisions-{name}.png").stat().st_size > 1000 for name in ("gain", "advice", "calibration"))
    # Without a page, one with all tables is made.
    page.write_page(output, [tmp_path / "new.md"])
    new = (tmp_path / "new.md").read_text()
    assert all(f"| {name} " in new for name in CRITERIA) and "<!-- begin calibration -->" in new


def test_errors_of_pilots_are_compared_with_those_foretold(output: Path) -> None:
    table = pd.concat([power.errors(path) for path in output.glob("*.json")], ignore_index=True)
    compared = power.compared(table)
    assert len(compared) == 2 and (compared["ratio"] > 0).all() and (compared["pairs"] == 6).all()


def test_halves_share_no_patient_and_leave_nothing_of_the_other_in_the_first(cohort: Cohort) -> None:
    first, second = (measure.half_of(cohort, 3, half) for half in (0, 1))
    assert (first ^ second).all()
    assert not set(cohort.groups[first]) & set(cohort.groups[second])
    splits = splits_of_some(cohort, first, SPLITS, seed=SEED)
    assert not (splits.train | splits.labelled)[:, second].any() and splits.test[splits.full, second].all()
    # The half is split, and its labels are drawn, as a cohort of its own would be.
    labels = (cohort.target.observed & first).sum()
    assert splits.labelled[splits.full].sum() == pytest.approx(0.5 * labels, abs=len(cohort.target.task.strata_names))
    whole = splits_of_some(cohort, np.ones(len(first), dtype=bool), SPLITS, seed=SEED)
    for name, array in vars(make_splits(cohort, SPLITS, seed=SEED)).items():
        np.testing.assert_array_equal(array, getattr(whole, name))


def test_nothing_of_the_other_half_enters_what_is_said_of_the_first(
    monkeypatch: pytest.MonkeyPatch, cohort: Cohort
) -> None:
    half, case = measure.half_of(cohort, 0, 0), measure.SUBSET[0]
    random = np.random.default_rng(0)
    values = cohort.target.values.copy()
    values[~half] = random.permutation(values[~half])
    modalities = {}
    for name, modality in cohort.modalities.items():
        features = modality.values.copy()
        features[~half[modality.rows]] *= 7
        modalities[name] = replace(modality, values=features)
    other = replace(cohort, target=replace(cohort.target, values=values), modalities=modalities)
    found = []
    for each in (cohort, other):
        monkeypatch.setattr(measure.Case, "read", lambda self, data, each=each: each)
        monkeypatch.setattr(measure, "half_of", lambda *of: half)
        found.append(pd.DataFrame(measure.measure(case, 0, 0, None, SUBSET_SETTINGS)["pairs"]))
    said = ["pilot_gain", "pilot_gain_se", "p_gain_positive", "gap", "gap_se"]
    pd.testing.assert_frame_equal(found[0][said], found[1][said], check_exact=True)
    assert (found[0]["gain"] != found[1]["gain"]).any()


def test_a_gain_is_that_of_the_students_of_one_half_on_the_other(cohort: Cohort) -> None:
    """By hand: balanced accuracy of the decisions that the first half's held-out outputs give."""
    half = measure.half_of(cohort, 0, 0)
    splits, target = splits_of_some(cohort, half, SPLITS, seed=SEED), cohort.target
    truth = np.eye(target.task.n_outputs)[np.maximum(target.strata, 0)]
    random = np.random.default_rng(0)
    shape = (3, *splits.inner.shape, truth.shape[1])
    outputs = random.standard_normal(shape) + np.array([0.5, 1.5, 0.6])[:, None, None, None] * truth
    models = (Model("alone"), Model("soft_targets", "cnv"), Model("soft_targets", "rna", "self"))
    nothing = np.zeros((3, len(splits.inner)), dtype=np.int64), np.zeros((3, len(splits.inner), 0))
    predicted = OutOfFold(models, outputs.astype(np.float32), (), *nothing)
    (row,) = measure.outcomes(cohort, splits, "rna", predicted).to_dict("records")
    new, scores = ~half & target.observed & cohort.profiled("rna"), []
    for each in predicted.outputs[:, splits.full]:
        adjusted = each + logit_adjustment(each, target.strata, splits.labelled[splits.full])
        scores.append(balanced_accuracy_score(target.strata[new], adjusted[new].argmax(1)))
    assert row["alone"] == pytest.approx(scores[0])
    assert row["gain"] == pytest.approx(scores[1] - scores[0])
    assert row["self_gain"] == pytest.approx(scores[2] - scores[0])
    assert 0.01 < row["gain_se"] < 0.15


def test_statistics_by_hand() -> None:
    rows = [
        ("a", 0, "s", "t1", 0.9, keys.DISTIL, 0.04),
        ("a", 0, "s", "t2", -0.5, keys.DO_NOT_DISTIL, 0.06),
        ("b", 0, "s", "t1", 0.3, keys.DISTIL, 0.02),
        ("b", 0, "s", "t2", 0.1, keys.UNDECIDED, -0.02),
    ]
    table = pd.DataFrame(rows, columns=["cluster", "half", "student", "teacher", "score", "decision", "gain"])
    table = table.assign(cohort=table["cluster"], target="y", budget=1.0, draw=0, recipe="soft_targets", gain_se=0.02)
    judged = pd.concat([table.assign(criterion="pilot"), table.assign(criterion="always", score=1.0)])
    (row,) = page.verdicts(judged).to_dict("records")
    assert (row[keys.DISTIL], row[keys.UNDECIDED]) == ("2, gained +3.0", "1, gained -2.0")
    assert row["decided, sign right"].startswith("2 of 3 (") and row["wrong beyond the error"] == 1
    chosen = measure.choices(table.assign(criterion="pilot"))
    assert chosen["advised_gain"].tolist() == [0.04, 0.02][: len(chosen)]
    chosen = pd.DataFrame({"cluster": ["a", "b"], "cohort": ["a", "b"], "advised_gain": [0.04, 0.02]})
    chosen = chosen.assign(target="y", budget=1.0, draw=0, half=0, student="s", criterion="pilot")
    advised = page.by_criterion(judged, chosen, ("pilot",)).set_index("criterion")
    # Two groups of patients: t of one degree of freedom, 12.71, times the error of their mean, 1.
    assert advised.loc["pilot", "advised gain, 100%"] == "+3.00 ± 12.71"
    # In one group the order is wrong, in the other right.
    assert advised.loc["pilot", "Spearman, 100%"] == "0.00"


def test_a_cohort_with_too_few_labels_is_said_to_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = replace(measure.SUBSET[0], case=replace(measure.SUBSET[0].case, budget=0.01))
    measure.measure_once(judged, 0, 0, None, tmp_path, SUBSET_SETTINGS)
    assert "is left out" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_measured_files_are_plain(output: Path) -> None:
    (first, _) = sorted(output.glob("*.json"))
    found = json.loads(first.read_text())
    assert {"about", "pairs", "criteria", "choices"} == set(found)
    scores = pd.DataFrame(found["criteria"]).groupby("criterion").size()
    assert set(scores.index) == {*CRITERIA, *RIVALS} and (scores == 6).all()
