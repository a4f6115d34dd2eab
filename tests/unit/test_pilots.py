"""Pilot students: against plain computations, and what they must not see."""

import numpy as np
import pytest
from scipy.special import log_softmax

from cch_omics.criteria.linear_pilot import PENALTIES, linear_students, ridge
from cch_omics.criteria.pilot import accuracy_gain

C = 3


def problem(seed: int = 0, n: int = 60, k: int = 5, teachers: int = 3):
    """(K + 1, n, k) inputs, (n,) inner folds with test samples, (V, K, n, C) logits, some of them missing."""
    random = np.random.default_rng(seed)
    inner = random.integers(-1, 3, n)
    inputs = random.standard_normal((4, n, k)) * np.array([3, 2, 1, 0.5, 0.1])
    logits = inputs[0] @ random.standard_normal((teachers, 1, k, C)) + random.standard_normal((teachers, 3, n, C))
    logits[0, :, :10] = np.nan
    return inputs, inner, logits


def test_ridge_is_that_of_normal_equations_with_the_penalty_of_the_least_gcv():
    random = np.random.default_rng(1)
    x, at = random.standard_normal((40, 6)) * np.arange(1, 7), random.standard_normal((9, 6))
    y = np.stack([x @ random.standard_normal((6, 2)), np.zeros((40, 2))]) + random.standard_normal((2, 40, 2))
    found = ridge(x, y, at)
    centred = x - x.mean(0)
    mean = np.trace(centred.T @ centred) / 6
    chosen = []
    for v in range(2):
        scores, predictions = [], []
        for penalty in PENALTIES * mean:
            hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(6), centred.T)
            rest = (y[v] - y[v].mean(0)) - hat @ (y[v] - y[v].mean(0))
            scores.append((rest**2).sum() / (1 - (np.trace(hat) + 1) / 40) ** 2)
            weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(6), centred.T @ (y[v] - y[v].mean(0)))
            predictions.append((at - x.mean(0)) @ weights + y[v].mean(0))
        chosen.append(int(np.argmin(scores)))
        np.testing.assert_allclose(found[v], predictions[chosen[v]], atol=1e-9)
    # Each problem has its own: a large one where there is nothing to learn.
    assert chosen[0] < chosen[1]


def test_a_constant_input_predicts_the_mean():
    y = np.random.default_rng(0).standard_normal((1, 12, 2))
    np.testing.assert_allclose(ridge(np.ones((12, 3)), y, np.ones((4, 3))), np.tile(y.mean(1), (1, 4, 1)))


def test_linear_students_learn_from_the_other_folds_of_the_samples_that_a_teacher_has():
    inputs, inner, logits = problem()
    found = linear_students(inputs, inner, logits)
    assert np.isnan(found[:, inner < 0]).all() and np.isfinite(found[:, inner >= 0]).all()
    for v in range(len(logits)):
        for fold in range(3):
            logp = log_softmax(logits[v, fold], axis=1)
            targets = logp - logp.mean(1, keepdims=True)
            train = (inner >= 0) & (inner != fold) & np.isfinite(logits[v, fold]).all(1)
            expected = ridge(inputs[fold][train], targets[None, train], inputs[fold][inner == fold])[0]
            np.testing.assert_allclose(found[v, inner == fold], expected, atol=1e-10)


def test_a_linear_student_sees_neither_its_fold_nor_test_samples_of_the_teacher():
    inputs, inner, logits = problem()
    other = logits.copy()
    # What its teacher said of its fold and of test samples, and what the teachers of other students said of anyone.
    changed = np.ones_like(logits[0, ..., 0], dtype=bool)
    changed[0, inner > 0] = False
    other[:, changed] = 7 * np.random.default_rng(9).standard_normal(other[:, changed].shape)
    other[0, :, :10] = np.nan
    here = inner == 0
    np.testing.assert_array_equal(
        linear_students(inputs, inner, logits)[:, here], linear_students(inputs, inner, other)[:, here]
    )
    elsewhere = inner > 0
    assert (
        linear_students(inputs, inner, other)[1, elsewhere] != linear_students(inputs, inner, logits)[1, elsewhere]
    ).any()


def test_a_teacher_without_a_sample_teaches_nothing():
    inputs, inner, logits = problem()
    logits[1] = np.nan
    found = linear_students(inputs, inner, logits)
    assert np.isnan(found[1]).all() and np.isfinite(found[2][inner >= 0]).all()


def answers(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sure logits, of the label or of the next class."""
    said = np.where(right, labels, (labels + 1) % C)
    return 20.0 * np.eye(C)[said]


def test_gain_is_the_difference_of_balanced_accuracies():
    labels = np.repeat(np.arange(C), (30, 12, 3))
    random = np.random.default_rng(0)
    alone, taught = random.random((2, len(labels))) < np.array([[0.6], [0.8]])
    gain, se = accuracy_gain(answers(alone, labels), answers(taught, labels), labels, np.arange(len(labels)))
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
        found.append(accuracy_gain(*sides, labels, np.arange(len(labels))))
    gains, errors = np.array(found).T
    assert gains.mean() == pytest.approx(0.1, abs=0.01)
    assert errors.mean() == pytest.approx(gains.std(ddof=1), rel=0.12)


def test_two_samples_of_a_patient_count_once():
    labels = np.repeat(np.arange(C), 20)
    random = np.random.default_rng(3)
    sides = [answers(random.random(60) < 0.7, labels) for _ in range(2)]
    one = accuracy_gain(*sides, labels, np.arange(60))
    two = accuracy_gain(*sides, labels, np.arange(60) // 2)
    assert two[0] == one[0] and two[1] == pytest.approx(np.sqrt(2) * one[1])


def test_the_same_student_gains_nothing_for_sure_and_no_label_no_gain():
    labels = np.repeat(np.arange(C), 5)
    same = answers(labels > 0, labels)
    assert accuracy_gain(same, same, labels, np.arange(15)) == (0.0, 0.0)
    assert np.isnan(accuracy_gain(same[:0], same[:0], labels[:0], labels[:0])).all()
    assert np.isnan(accuracy_gain(same[::5], same[::5], labels[::5], np.arange(3))[1])
