"""Pilots: gains with their errors against plain computations and simulated cohorts, and means over training sets."""

import dataclasses
from collections.abc import Sequence
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort
from outputs import encoding_of, students_of, with_controls
from scipy.special import log_softmax

from cch_omics.config import SplitsConfig
from cch_omics.models.out_of_fold import Model
from cch_omics.splits import make_splits
from cch_omics.tasks.base import Gain
from cch_omics.tasks.classification import gain as of_classes
from cch_omics.tasks.classification.gain import accuracy_gain
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.tasks.classification.pool import fit_pool
from cch_omics.tasks.regression import gain as of_numbers
from cch_omics.tasks.regression.gain import r2_gain
from cch_omics.tasks.regression.pool import fit_pool as fit_linear_pool
from cch_omics.verdict.pilot import COLUMNS, mean_gain, pilots

C = 3
FEW = 0.15


# The gain in balanced accuracy


def answers(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sure outputs, of the label or of the next class."""
    said = np.where(right, labels, (labels + 1) % C)
    return 20.0 * np.eye(C)[said]


def gain_of(sides: Sequence[np.ndarray], labels: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Of labelled samples alone: what the teacher says of them does not matter."""
    gain = accuracy_gain(*sides, np.zeros((len(labels), C)), labels, groups)
    return gain.value, gain.se


def test_gain_is_the_difference_of_balanced_accuracies() -> None:
    labels = np.repeat(np.arange(C), (30, 12, 3))
    random = np.random.default_rng(0)
    alone, taught = random.random((2, len(labels))) < np.array([[0.6], [0.8]])
    gain, se = gain_of([answers(alone, labels), answers(taught, labels)], labels, np.arange(len(labels)))
    balanced = [np.mean([right[labels == c].mean() for c in range(C)]) for right in (alone, taught)]
    assert gain == pytest.approx(balanced[1] - balanced[0])
    assert se > 0


def test_error_of_a_gain_is_its_spread_over_cohorts() -> None:
    labels = np.repeat(np.arange(C), (40, 20, 10))
    random = np.random.default_rng(0)
    found = []
    for _ in range(200):
        first = random.random(len(labels))
        # Both are right or wrong together, mostly.
        second = np.where(random.random(len(labels)) < 0.7, first, random.random(len(labels)))
        sides = [answers(each < share, labels) for each, share in ((first, 0.6), (second, 0.7))]
        found.append(gain_of(sides, labels, np.arange(len(labels))))
    gains, errors = np.array(found).T
    assert gains.mean() == pytest.approx(0.1, abs=0.01)
    assert errors.mean() == pytest.approx(gains.std(ddof=1), rel=0.12)


def test_two_samples_of_a_patient_count_once() -> None:
    labels = np.repeat(np.arange(C), 20)
    random = np.random.default_rng(3)
    sides = [answers(random.random(60) < 0.7, labels) for _ in range(2)]
    one = gain_of(sides, labels, np.arange(60))
    two = gain_of(sides, labels, np.arange(60) // 2)
    assert two[0] == one[0] and two[1] == pytest.approx(np.sqrt(2) * one[1])


def test_the_same_student_gains_nothing_for_sure_and_no_label_no_gain() -> None:
    labels = np.repeat(np.arange(C), 5)
    same = answers(labels > 0, labels)
    assert gain_of([same, same], labels, np.arange(15)) == (0.0, 0.0)
    assert np.isnan(gain_of([same[:0]] * 2, labels[:0], labels[:0])).all()
    assert np.isnan(gain_of([same[::5]] * 2, labels[::5], np.arange(3))[1])


def students(seed: int, n: int = 300) -> tuple[np.ndarray, ...]:
    """Labels, and outputs of a student alone, a better one and a teacher, each the label's with noise of its own."""
    random = np.random.default_rng(seed)
    labels = random.choice(C, n, p=[0.5, 0.3, 0.2])
    shared = random.standard_normal((n, C))
    alone, taught, teacher = (
        strength * np.eye(C)[labels] + 0.6 * shared + 0.8 * random.standard_normal((n, C))
        for strength in (1.0, 1.6, 2.2)
    )
    return labels, alone, taught, teacher


def test_what_samples_without_a_label_say_is_the_pools_posterior() -> None:
    labels, *outputs = students(0, n=60)
    few = np.where(np.arange(60) < 30, labels, -1)
    found = accuracy_gain(*outputs, few, np.arange(60))
    gain, error = found.value, found.se
    logp = log_softmax(np.stack(outputs, axis=2), axis=1)
    pool = fit_pool(logp[:30], labels[:30])
    posterior = np.exp(log_softmax(logp @ pool.weights + pool.offsets, axis=1))
    posterior[:30] = np.eye(C)[labels[:30]]
    known = np.arange(60) < 30
    says = [(each + logit_adjustment(each, labels, known)).argmax(1) for each in outputs[:2]]
    recalls = [[posterior[said == c, c].sum() / posterior[:, c].sum() for c in range(C)] for said in says]
    assert gain == pytest.approx(np.mean(recalls[1]) - np.mean(recalls[0]))

    # Of the error, what comes of the labels: by numbers.
    def at(theta: np.ndarray) -> float:
        moved = np.exp(log_softmax(logp @ theta[:3] + theta[3:], axis=1))
        moved[:30] = posterior[:30]
        recalls = [[moved[said == c, c].sum() / moved[:, c].sum() for c in range(C)] for said in says]
        return float(np.mean(recalls[1]) - np.mean(recalls[0]))

    theta = np.concatenate([pool.weights, pool.offsets])
    slope = np.array([(at(theta + 1e-5 * e) - at(theta - 1e-5 * e)) / 2e-5 for e in np.eye(6)])
    with mock.patch.object(of_classes, "fit_pool", lambda *_: dataclasses.replace(pool, covariance=np.zeros((6, 6)))):
        of_patients = accuracy_gain(*outputs, few, np.arange(60)).se
    assert error**2 - of_patients**2 == pytest.approx(slope @ pool.covariance @ slope, rel=1e-3)


# The gain in R2


def numbers(seed: int, n: int = 300) -> tuple[np.ndarray, ...]:
    """A number, and predictions of a student alone, a better one and a teacher, with some noise in common."""
    random = np.random.default_rng(seed)
    y = 20 + 5 * random.standard_normal(n)
    shared = random.standard_normal(n)
    predicted = []
    for noise in (1.5, 1.0, 0.6):
        heard = (y - 20) / 5 + noise * (0.6 * shared + 0.8 * random.standard_normal(n))
        predicted.append(20 + 5 * heard / (1 + noise**2))
    return y, *predicted


def test_gain_is_the_difference_of_r2() -> None:
    y, alone, taught, teacher = numbers(0)
    gain = r2_gain(alone, taught, teacher, y, np.arange(300))
    r2 = [1 - ((y - each) ** 2).sum() / ((y - y.mean()) ** 2).sum() for each in (alone, taught)]
    assert gain.value == pytest.approx(r2[1] - r2[0])
    assert gain.se > 0 and len(gain.influence) == 300
    # Not in the unit of the target.
    rescaled = r2_gain(*(3 * each - 100 for each in (alone, taught, teacher, y)), np.arange(300))
    assert (rescaled.value, rescaled.se) == pytest.approx((gain.value, gain.se))


def test_a_constant_target_or_none_has_no_gain_and_the_same_number_gains_nothing() -> None:
    y, alone, taught, teacher = numbers(0, n=20)
    for values in (np.full(20, np.nan), np.full(20, 3.0), np.where(np.arange(20) == 0, y, np.nan)):
        assert np.isnan(r2_gain(alone, taught, teacher, values, np.arange(20)).value)
    assert np.isnan(r2_gain(alone, taught, teacher, y, np.zeros(20, dtype=int)).se)
    same = r2_gain(alone, alone, teacher, np.where(np.arange(20) < 9, y, np.nan), np.arange(20))
    assert (same.value, same.se) == (0.0, 0.0)


def test_numbers_of_samples_without_a_label_are_the_pools_mean() -> None:
    y, *predicted = numbers(0, n=60)
    few = np.where(np.arange(60) < 30, y, np.nan)
    found = r2_gain(*predicted, few, np.arange(60))
    pool = fit_linear_pool(np.column_stack(predicted)[:30], y[:30])

    def at(coefficients: np.ndarray) -> float:
        filled = y.copy()
        filled[30:] = dataclasses.replace(pool, coefficients=coefficients).mean(np.column_stack(predicted))[30:]
        alone, taught = (((filled - each) ** 2).mean() / y[:30].var() for each in predicted[:2])
        return float(alone - taught)

    assert found.value == pytest.approx(at(pool.coefficients))
    slope = np.array([(at(pool.coefficients + e) - at(pool.coefficients - e)) / 2e-5 for e in 1e-5 * np.eye(4)])
    with mock.patch.object(of_numbers, "fit_pool", lambda *_: dataclasses.replace(pool, covariance=np.zeros((4, 4)))):
        of_patients = r2_gain(*predicted, few, np.arange(60)).se
    assert found.se**2 - of_patients**2 == pytest.approx(slope @ pool.covariance @ slope, rel=1e-3)


# Both


DRAWS = {"classes": students, "numbers": numbers}
MISSING = {"classes": -1, "numbers": np.nan}
EITHER = pytest.mark.parametrize("kind", DRAWS)


def gain(kind: str, outputs: Sequence[np.ndarray], labels: np.ndarray, groups: np.ndarray) -> Gain:
    return (accuracy_gain if kind == "classes" else r2_gain)(*outputs, labels, groups)


@EITHER
def test_unlabelled_samples_narrow_a_gain_and_its_error_says_by_how_much(kind: str) -> None:
    """With 15% of the labels: over many cohorts, the gain on average that of all labels, its error its spread."""
    found, labelled_only, all_labels = [], [], []
    everyone = np.arange(300)
    for seed in range(120):
        labels, *outputs = DRAWS[kind](seed)
        kept = np.random.default_rng(1000 + seed).random(300) < FEW
        found.append(gain(kind, outputs, np.where(kept, labels, MISSING[kind]), everyone))
        labelled_only.append(gain(kind, [each[kept] for each in outputs], labels[kept], everyone[kept]))
        all_labels.append(gain(kind, outputs, labels, everyone))
    gains, gains_of_few, truth = (np.array([each.value for each in of]) for of in (found, labelled_only, all_labels))
    errors = np.array([each.se for each in found])
    assert truth.mean() > 0.08
    assert gains.mean() == pytest.approx(truth.mean(), abs=0.02)
    assert gains.std(ddof=1) < {"classes": 0.65, "numbers": 0.9}[kind] * gains_of_few.std(ddof=1)
    assert np.sqrt((errors**2).mean()) == pytest.approx(gains.std(ddof=1), rel=0.25)
    of_all = np.sqrt(np.mean([each.se**2 for each in all_labels]))
    assert of_all == pytest.approx(truth.std(ddof=1), rel=0.15)


@EITHER
def test_an_influence_is_what_a_little_more_of_a_patient_does(kind: str) -> None:
    """Of a labelled patient and one without a label, by weighing samples: three times one is two more of it."""
    labels, *outputs = DRAWS[kind](4, n=400)
    few = np.where(np.arange(400) < 100, labels, MISSING[kind])
    fixed = np.zeros(C)
    with mock.patch.object(of_classes, "logit_adjustment", lambda *_: fixed):
        found = gain(kind, outputs, few, np.arange(400))
        for i in [*range(0, 100, 20), *range(100, 400, 60)]:
            rows = np.append(np.arange(400), [i])
            more = gain(kind, [each[rows] for each in outputs], few[rows], rows)
            assert more.value - found.value == pytest.approx(found.influence[i], rel=0.15, abs=1e-4)


# The mean over training sets


def training_sets(kind: str, seed: int, n: int = 240, number: int = 6, of_networks: float = 0.8) -> list[Gain]:
    """Gains in training sets of one cohort: of its patients in each, what they look like, and a network's own noise."""
    random = np.random.default_rng(seed)
    labels, *outputs = DRAWS[kind](seed, n=n)
    scale = 1.0 if kind == "classes" else 1.5
    gains = []
    for _ in range(number):
        members = np.flatnonzero(random.random(n) < 0.8)
        sides = [each[members] + of_networks * scale * random.standard_normal(each[members].shape) for each in outputs]
        found = gain(kind, sides, labels[members], members)
        influence = np.bincount(members, weights=found.influence, minlength=n)
        gains.append(dataclasses.replace(found, influence=influence))
    return gains


@EITHER
def test_error_of_a_mean_gain_holds_what_networks_gain_on_everyone(kind: str) -> None:
    """Noise of networks that is of single patients averages out over everyone: there is one true gain.

    The error has room for students that differ, but less than the error of one pilot.
    """
    cohorts = [training_sets(kind, seed) for seed in range(120)]
    means, errors = np.array([mean_gain(gains, 1.0) for gains in cohorts]).T
    assert 1.0 < np.sqrt((errors**2).mean()) / means.std() < 1.8
    of_one = np.sqrt([np.mean([gain.se**2 for gain in gains]) for gains in cohorts])
    assert np.sqrt((errors**2).mean()) < np.sqrt((of_one**2).mean())
    assert np.mean(np.abs(means - means.mean()) < 1.96 * errors) > 0.93


def test_what_patients_and_training_add_to_the_error_of_a_mean_gain() -> None:
    """All of what training sets share; of the rest a quarter, all of it with labels of a quarter of the patients."""
    random = np.random.default_rng(0)
    common = random.standard_normal(40_000)
    alike = [Gain(value, 0.04, common) for value in (0.2, 0.2, 0.2)]
    assert mean_gain(alike, 1.0) == pytest.approx((0.2, 0.04))
    by_chance = [Gain(0.1, 0.04, random.standard_normal(40_000)) for _ in range(4)]
    for labelled, rest in ((1.0, 0.25), (0.5, 0.5), (0.25, 1.0), (0.15, 1.0)):
        expected = 0.04 * np.sqrt(1 / 4 + 3 / 4 * rest)
        assert mean_gain(by_chance, labelled) == pytest.approx((0.1, expected), rel=0.01)
        assert mean_gain(by_chance[:1], labelled) == pytest.approx((0.1, 0.04))


def test_a_mean_of_gains_that_training_moves() -> None:
    """Networks that are better or worse as a whole move no patient's influence; the one that is used is one of them."""
    random = np.random.default_rng(0)
    common = random.standard_normal(400) / 400
    apart = [Gain(value, 0.04, common) for value in (0.1, 0.2, 0.3)]
    assert mean_gain(apart, 1.0) == pytest.approx((0.2, np.hypot(0.04, 0.1)))
    # The error is that of the mean as an estimate of one more: a chance of all patients, one of each training.
    found = []
    for _ in range(400):
        of_patients, (one, *of_sets) = 0.02 * random.standard_normal(), 0.05 * random.standard_normal(21)
        gain, error = mean_gain([Gain(0.1 + of_patients + each, 0.02, common) for each in of_sets], 1.0)
        found.append((gain - (0.1 + one), error))
    off, errors = np.array(found).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.sqrt((off**2).mean()), rel=0.1)
    # What influences explain of the spread counts once.
    by_chance = [Gain(0.1 + 0.04 * each, 0.04, random.standard_normal(4000)) for each in (-1.1, 0.4, 0.9, -0.2)]
    assert mean_gain(by_chance, 0.25)[1] == pytest.approx(0.04, rel=0.05)


def test_a_gain_without_an_error_is_left_out() -> None:
    known, unknown = Gain(0.2, 0.05, np.ones(9)), Gain(0.5, float("nan"), np.zeros(9))
    assert mean_gain([known, known, unknown], 1.0) == pytest.approx((0.2, 0.05))
    assert np.isnan(mean_gain([unknown], 1.0)).all() and np.isnan(mean_gain([], 1.0)).all()
    nothing = Gain(0.0, 0.0, np.zeros(9))
    assert mean_gain([nothing, nothing], 1.0) == (0.0, 0.0)


# The table


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_pilots_are_of_training_samples_with_both_omics(task: str) -> None:
    cohort = make_cohort(n=300, task=task, n_classes=2, label_budget=0.6)
    # Two samples of some patients.
    cohort = dataclasses.replace(cohort, groups=np.array([f"P{i - i % 2 * (i < 40)}" for i in range(300)]))
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    encodings = {
        name: encoding_of(cohort, splits, name, seed=seed, signal=2.0) for seed, name in enumerate(cohort.modalities)
    }
    taught = students_of(cohort, splits, "cnv", with_controls("cnv", {"rna": 3.0, "mutation": 0.0}))
    table = pilots(cohort, splits, encodings, {"cnv": taught})
    assert tuple(table.columns) == COLUMNS
    # Neither self nor shuffled controls; every split, and the full cohort.
    assert len(table) == 2 * 3 and set(table["teacher"]) == {"rna", "mutation"}
    assert set(table["student"]) == {"cnv"} and set(table["recipe"]) == {"soft_targets"}

    found, labelled = [], []
    patient = np.unique(cohort.groups, return_inverse=True)[1]
    for s in range(2):
        both = splits.train[s] & cohort.profiled("cnv") & cohort.profiled("mutation")
        of = (taught.alone[s], taught.of(Model("soft_targets", "mutation"))[s], encodings["mutation"].outputs[s])
        expected = splits.task(cohort.target, s).gain(
            *(each[both] for each in (*of, cohort.target.values, splits.labelled[s], patient, splits.inner[s]))
        )
        row = table[(table["teacher"] == "mutation") & (table["fold"] == splits.fold[s])].iloc[0]
        assert (row["pilot_gain"], row["pilot_gain_se"]) == (expected.value, expected.se)
        influence = np.bincount(patient[both], weights=expected.influence, minlength=len(patient))
        found.append(dataclasses.replace(expected, influence=influence))
        labelled.append(splits.labelled[s, both].mean())
    full = table[(table["teacher"] == "mutation") & (table["repeat"] == -1)].iloc[0]
    assert (full["pilot_gain"], full["pilot_gain_se"]) == pytest.approx(mean_gain(found, np.mean(labelled)))
    gains = table.groupby("teacher")["pilot_gain"].mean()
    assert gains["rna"] > 0.05 and abs(gains["mutation"]) < gains["rna"]


def test_without_students_or_labels_there_are_no_pilots() -> None:
    cohort = make_cohort(n=90)
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    encodings = {name: encoding_of(cohort, splits, name, seed=0, signal=2.0) for name in cohort.modalities}
    assert pilots(cohort, splits, encodings, {}).empty
    alone = students_of(cohort, splits, "cnv", {Model("alone"): 1.0})
    assert pilots(cohort, splits, encodings, {"cnv": alone}).empty
    nobody = dataclasses.replace(splits, labelled=np.zeros_like(splits.labelled))
    taught = students_of(cohort, splits, "cnv", with_controls("cnv", {"rna": 1.0}))
    table = pilots(cohort, nobody, encodings, {"cnv": taught})
    assert len(table) == 3 and table[["pilot_gain", "pilot_gain_se"]].isna().all(None)
    assert isinstance(table, pd.DataFrame)
