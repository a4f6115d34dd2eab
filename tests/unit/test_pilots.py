"""Pilot students: against plain computations, and what they must not see."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from cch_omics.config import LAMBDA
from cch_omics.criteria import linear_pilot, pilot
from cch_omics.criteria.linear_pilot import PENALTIES, SHARPNESS, linear_students, ridge
from cch_omics.criteria.log_loss import fit_pool
from cch_omics.criteria.pilot import accuracy_gain, mean_gain
from cch_omics.tasks.classification import class_offsets, decide

C = 3


def problem(seed: int = 0, n: int = 90, k: int = 5, teachers: int = 3):
    """(K + 1, n, k) inputs, (n,) inner folds and labels, (V, K, n, C) logits; with test samples, and some missing."""
    random = np.random.default_rng(seed)
    inner = random.integers(-1, 3, n)
    inputs = random.standard_normal((4, n, k)) * np.array([3, 2, 1, 0.5, 0.1])
    labels = np.where(random.random(n) < 0.4, (inputs[0] @ random.standard_normal((k, C))).argmax(1), -1)
    logits = inputs[0] @ random.standard_normal((teachers, 1, k, C)) + random.standard_normal((teachers, 3, n, C))
    logits[0, :, :10] = np.nan
    return inputs, inner, labels, logits


def solved(x, weight, target, penalty, at):
    """Weighted ridge regression by normal equations with an intercept; the target is (m, q), not yet weighted."""
    centred = x - weight @ x / weight.sum()
    mean = weight @ target / weight.sum()
    covariance = centred.T @ (weight[:, None] * centred)
    ridge = penalty * np.trace(covariance) / x.shape[1] * np.eye(x.shape[1])
    slope = np.linalg.solve(covariance + ridge, centred.T @ (weight[:, None] * (target - mean)))
    return (at - weight @ x / weight.sum()) @ slope + mean


def test_ridge_solves_the_weighted_normal_equations_for_each_penalty():
    random = np.random.default_rng(1)
    x, at, weight = random.standard_normal((40, 6)), random.standard_normal((9, 6)), random.random(40)
    y = random.standard_normal((2, 40, 4))
    found = ridge(x, weight, weight[:, None] * y, at)
    assert found.shape == (2, len(PENALTIES), 9, 4)
    for v in range(2):
        for number, penalty in enumerate(PENALTIES):
            np.testing.assert_allclose(found[v, number], solved(x, weight, y[v], penalty, at), atol=1e-9)


def test_a_constant_input_predicts_the_weighted_mean():
    y, weight = np.random.default_rng(0).random((1, 12, 2)), np.arange(1.0, 13)
    found = ridge(np.ones((12, 3)), weight, weight[:, None] * y, np.ones((4, 3)))
    np.testing.assert_allclose(found, np.broadcast_to(weight @ y[0] / weight.sum(), found.shape))


def test_linear_students_learn_labels_and_soft_targets_as_networks_do():
    """One fold by hand: the grid's point that is best on the other folds, of students without their own."""
    inputs, inner, labels, logits = problem()
    found = linear_students(inputs, inner, labels, logits)
    labelled = (inner >= 0) & (labels >= 0)
    assert np.isnan(found[:, inner < 0]).all() and np.isfinite(found[:, inner >= 0]).all()
    for v in range(len(logits)):
        grid = np.full((len(PENALTIES), len(SHARPNESS), len(inner), C), np.nan)
        for fold in range(3):
            paired = (inner >= 0) & (inner != fold) & np.isfinite(logits[v, fold]).all(1)
            known = labelled & (inner != fold)
            soft = softmax(np.nan_to_num(logits[v, fold]), axis=1)
            held_out = inner == fold
            hard_weight, soft_weight = (1 - LAMBDA) * known / known.sum(), LAMBDA * paired / paired.sum()
            weight = hard_weight + soft_weight
            used = weight > 0
            target = hard_weight[:, None] * np.eye(C)[labels] + soft_weight[:, None] * soft
            target = target[used] / weight[used, None]
            for number, penalty in enumerate(PENALTIES):
                x = inputs[fold]
                scores = solved(x[used], weight[used], target, penalty, x[held_out])
                grid[number][:, held_out] = log_softmax(scores * SHARPNESS[:, None, None], axis=2)
        students = grid.reshape(-1, len(inner), C)
        for fold in range(3):
            others, here = labelled & (inner != fold), inner == fold
            loss = -students[:, others, labels[others]].sum(1)
            np.testing.assert_allclose(found[v, here], students[loss.argmin(), here], atol=1e-8)


def test_a_linear_student_sees_neither_its_fold_nor_test_samples_of_the_teacher():
    """With nothing to choose: the point is chosen on the other folds, by students that learnt from this one."""
    inputs, inner, labels, logits = problem()
    other = logits.copy()
    # What its teacher said of its fold and of test samples, and what the teachers of other students said of anyone.
    changed = np.ones_like(logits[0, ..., 0], dtype=bool)
    changed[0, inner > 0] = False
    other[:, changed] = 7 * np.random.default_rng(9).standard_normal(other[:, changed].shape)
    other[0, :, :10] = np.nan
    relabelled = np.where((labels >= 0) & (inner <= 0), (labels + 1) % C, labels)
    here = inner == 0
    with (
        mock.patch.object(linear_pilot, "PENALTIES", np.array([1.0])),
        mock.patch.object(linear_pilot, "SHARPNESS", np.array([4.0])),
    ):
        before = linear_students(inputs, inner, labels, logits)
        after = linear_students(inputs, inner, relabelled, other)
    np.testing.assert_array_equal(before[:, here], after[:, here])
    elsewhere = inner > 0
    assert (before[1, elsewhere] != after[1, elsewhere]).any()


def test_a_teacher_without_a_sample_teaches_nothing():
    inputs, inner, labels, logits = problem()
    logits[1] = np.nan
    found = linear_students(inputs, inner, labels, logits)
    assert np.isnan(found[1]).all() and np.isfinite(found[2, inner >= 0]).all()


def answers(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sure logits, of the label or of the next class."""
    said = np.where(right, labels, (labels + 1) % C)
    return 20.0 * np.eye(C)[said]


def gain_of(sides, labels, groups):
    """Of labelled samples alone: what the teacher says of them does not matter."""
    gain = accuracy_gain(*sides, np.zeros((len(labels), C)), labels, groups)
    return gain.value, gain.se


def test_gain_is_the_difference_of_balanced_accuracies():
    labels = np.repeat(np.arange(C), (30, 12, 3))
    random = np.random.default_rng(0)
    alone, taught = random.random((2, len(labels))) < np.array([[0.6], [0.8]])
    gain, se = gain_of([answers(alone, labels), answers(taught, labels)], labels, np.arange(len(labels)))
    balanced = [np.mean([right[labels == c].mean() for c in range(C)]) for right in (alone, taught)]
    assert gain == pytest.approx(balanced[1] - balanced[0])
    assert se > 0


def test_error_of_a_gain_is_its_spread_over_cohorts():
    labels = np.repeat(np.arange(C), (40, 20, 10))
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        first = random.random(len(labels))
        # Both are right or wrong together, mostly.
        second = np.where(random.random(len(labels)) < 0.7, first, random.random(len(labels)))
        sides = [answers(each < share, labels) for each, share in ((first, 0.6), (second, 0.7))]
        found.append(gain_of(sides, labels, np.arange(len(labels))))
    gains, errors = np.array(found).T
    assert gains.mean() == pytest.approx(0.1, abs=0.01)
    assert errors.mean() == pytest.approx(gains.std(ddof=1), rel=0.12)


def test_two_samples_of_a_patient_count_once():
    labels = np.repeat(np.arange(C), 20)
    random = np.random.default_rng(3)
    sides = [answers(random.random(60) < 0.7, labels) for _ in range(2)]
    one = gain_of(sides, labels, np.arange(60))
    two = gain_of(sides, labels, np.arange(60) // 2)
    assert two[0] == one[0] and two[1] == pytest.approx(np.sqrt(2) * one[1])


def test_the_same_student_gains_nothing_for_sure_and_no_label_no_gain():
    labels = np.repeat(np.arange(C), 5)
    same = answers(labels > 0, labels)
    assert gain_of([same, same], labels, np.arange(15)) == (0.0, 0.0)
    assert np.isnan(gain_of([same[:0]] * 2, labels[:0], labels[:0])).all()
    assert np.isnan(gain_of([same[::5]] * 2, labels[::5], np.arange(3))[1])


def students(seed: int, n: int = 300):
    """Labels, and logits of a student alone, a better one and a teacher, each the label's with noise of its own."""
    random = np.random.default_rng(seed)
    labels = random.choice(C, n, p=[0.5, 0.3, 0.2])
    shared = random.standard_normal((n, C))
    alone, taught, teacher = (
        strength * np.eye(C)[labels] + 0.6 * shared + 0.8 * random.standard_normal((n, C))
        for strength in (1.0, 1.6, 2.2)
    )
    return labels, alone, taught, teacher


def test_unlabelled_samples_narrow_a_gain_and_its_error_says_by_how_much():
    """With 15% of the labels: over many cohorts, the gain on average that of all labels, its error its spread."""
    found, labelled_only, all_labels = [], [], []
    for seed in range(200):
        labels, *logits = students(seed)
        kept = np.random.default_rng(1000 + seed).random(len(labels)) < 0.15
        few, groups = np.where(kept, labels, -1), np.arange(len(labels))
        found.append(accuracy_gain(*logits, few, groups))
        labelled_only.append(accuracy_gain(*(each[kept] for each in (*logits, labels, groups))))
        all_labels.append(accuracy_gain(*logits, labels, groups))
    gain, gain_of_few, truth = (np.array([each.value for each in of]) for of in (found, labelled_only, all_labels))
    error = np.array([each.se for each in found])
    assert truth.mean() > 0.08
    assert gain.mean() == pytest.approx(truth.mean(), abs=0.02)
    assert gain.std(ddof=1) < 0.65 * gain_of_few.std(ddof=1)
    assert np.sqrt((error**2).mean()) == pytest.approx(gain.std(ddof=1), rel=0.25)


def test_what_samples_without_a_label_say_is_the_pools_posterior():
    labels, *logits = students(0, n=60)
    few = np.where(np.arange(60) < 30, labels, -1)
    found = accuracy_gain(*logits, few, np.arange(60))
    gain, error = found.value, found.se
    logp = log_softmax(np.stack(logits, axis=2), axis=1)
    pool = fit_pool(logp[:30], labels[:30])
    posterior = np.exp(log_softmax(logp @ pool.weights + pool.offsets, axis=1))
    posterior[:30] = np.eye(C)[labels[:30]]
    everyone = np.arange(60) < 30
    says = [decide(each, class_offsets(each, labels, everyone)) for each in logits[:2]]
    recalls = [[posterior[said == c, c].sum() / posterior[:, c].sum() for c in range(C)] for said in says]
    assert gain == pytest.approx(np.mean(recalls[1]) - np.mean(recalls[0]))

    # Of the error, what comes of the labels: by numbers.
    def at(theta):
        moved = np.exp(log_softmax(logp @ theta[:3] + theta[3:], axis=1))
        moved[:30] = posterior[:30]
        return np.mean([moved[says[1] == c, c].sum() / moved[:, c].sum() for c in range(C)]) - np.mean(
            [moved[says[0] == c, c].sum() / moved[:, c].sum() for c in range(C)]
        )

    theta = np.concatenate([pool.weights, pool.offsets])
    slope = np.array([(at(theta + 1e-5 * e) - at(theta - 1e-5 * e)) / 2e-5 for e in np.eye(6)])
    with mock.patch.object(pilot, "fit_pool", lambda *_: dataclasses.replace(pool, covariance=np.zeros((6, 6)))):
        of_patients = accuracy_gain(*logits, few, np.arange(60)).se
    assert error**2 - of_patients**2 == pytest.approx(slope @ pool.covariance @ slope, rel=1e-3)


def test_without_offsets_the_most_probable_class_is_called():
    labels, alone, taught, teacher = students(1)
    gain = accuracy_gain(alone, taught, teacher, labels, np.arange(len(labels)), offsets=False).value
    right = [each.argmax(1) == labels for each in (alone, taught)]
    recalls = [np.mean([each[labels == c].mean() for c in range(C)]) for each in right]
    assert gain == pytest.approx(recalls[1] - recalls[0])
    assert gain != accuracy_gain(alone, taught, teacher, labels, np.arange(len(labels))).value


def training_sets(seed: int, n: int = 240, number: int = 8, of_networks: float = 0.8):
    """Gains in training sets of one cohort: of its patients in each, what they look like, and a network's own noise."""
    random = np.random.default_rng(seed)
    labels, *logits = students(seed, n=n)
    gains = []
    for _ in range(number):
        members = np.flatnonzero(random.random(n) < 0.8)
        alone, taught, teacher = (
            each[members] + of_networks * random.standard_normal((len(members), C)) for each in logits
        )
        gain = accuracy_gain(alone, taught, teacher, labels[members], members)
        influence = np.bincount(members, weights=gain.influence, minlength=n)
        gains.append(dataclasses.replace(gain, influence=influence))
    return gains


def test_error_of_a_mean_gain_is_its_spread_over_cohorts():
    """Less than that of one gain, more than if training sets shared no patients."""
    cohorts = [training_sets(seed) for seed in range(150)]
    means, errors = np.array([mean_gain(gains) for gains in cohorts]).T
    spread = means.std(ddof=1)
    assert np.sqrt((errors**2).mean()) == pytest.approx(spread, rel=0.2)
    of_one = np.sqrt(np.mean([gains[0].se ** 2 for gains in cohorts]))
    assert of_one / np.sqrt(8) < 0.8 * spread < 0.8 * 0.9 * of_one


def test_an_influence_is_what_a_little_more_of_a_patient_does():
    """Of a labelled patient and one without a label, by weighing samples: three times one is two more of it."""
    labels, *logits = students(4, n=400)
    few = np.where(np.arange(400) < 100, labels, -1)
    fixed = np.zeros(C)
    with mock.patch.object(pilot, "class_offsets", lambda *_: fixed):
        gain = accuracy_gain(*logits, few, np.arange(400))
        for i in [*range(0, 100, 20), *range(100, 400, 60)]:
            rows = np.append(np.arange(400), [i])
            more = accuracy_gain(*(each[rows] for each in logits), few[rows], rows)
            assert more.value - gain.value == pytest.approx(gain.influence[i], rel=0.15, abs=2e-5)


def test_a_mean_gain_of_the_same_gain_is_as_sure_as_one_and_one_without_an_error_is_left_out():
    (gain,) = training_sets(0, number=1)
    unknown = pilot.Gain(0.5, float("nan"), np.zeros(240))
    assert mean_gain([gain, gain, unknown]) == pytest.approx((gain.value, gain.se))
    assert np.isnan(mean_gain([unknown])).all()
    nothing = pilot.Gain(0.0, 0.0, np.zeros(240))
    assert mean_gain([nothing, nothing]) == (0.0, 0.0)
