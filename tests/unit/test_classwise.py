"""Terms and gap where classes are Gaussians of one covariance: loops, a known truth, invariances and what cannot be."""

import math

import numpy as np
import pytest
import torch
from information_oracle import Array
from numpy.typing import NDArray
from scipy.special import digamma, logsumexp
from scipy.stats import multivariate_normal, multivariate_t

from cch_omics.errors import InputError
from research.information.class_mixture import stratified
from research.information.classwise import (
    QUANTITIES,
    Terms,
    classwise,
    classwise_information,
    classwise_selections,
    label_entropy,
)
from research.information.gap_estimators import GAP_ESTIMATORS

# Code of `research`, which the package does not use.
pytestmark = pytest.mark.slow

Labels = NDArray[np.int64]
CENTRES = np.array([[1.5, 0.0], [-1.0, 1.0], [-1.0, -1.0]])
WITHIN = np.array([[1.0, 0.6], [0.6, 1.0]])


def clustered(rng: np.random.Generator, n: int) -> tuple[Array, Array, Labels]:
    """Three classes; given the class, each dimension of teacher and student correlates by 0.6."""
    y = rng.integers(0, 3, size=n)
    noise = rng.normal(size=(n, 2, 2)) @ np.linalg.cholesky(WITHIN).T
    return CENTRES[y] + noise[..., 0], CENTRES[y] + noise[..., 1], y


def known() -> dict[str, float]:
    t, s, y = clustered(np.random.default_rng(0), 100_000)
    both = np.array(
        [multivariate_normal(np.r_[c, c], np.kron(WITHIN, np.eye(2))).logpdf(np.hstack([t, s])) for c in CENTRES]
    )
    teacher = np.array([multivariate_normal(c).logpdf(t) for c in CENTRES])
    student = np.array([multivariate_normal(c).logpdf(s) for c in CENTRES])
    own, third = np.arange(len(y)), math.log(3)
    p_t, p_s, p_both = (logsumexp(each, 0) - third for each in (teacher, student, both))
    return {
        "teacher_student": float(np.mean(p_both - p_t - p_s)),
        "teacher_label": float(np.mean(teacher[y, own] - p_t)),
        "student_label": float(np.mean(student[y, own] - p_s)),
        "gap": float(np.mean(p_both - p_t - student[y, own])),
    }


def fitted(t: Array, s: Array, y: Labels, keys: Array, folds: int = 5) -> Terms:
    everyone = torch.ones(1, len(t), dtype=torch.bool)
    return classwise(*(torch.as_tensor(a)[None] for a in (t, s, y)), everyone, torch.as_tensor(keys), folds=folds)


def slow_log_probabilities(x: Array, y: Labels, fold: Labels) -> Array:
    """(n,) of each sample's own class, by the predictive densities of the other folds."""
    d, found = x.shape[1], np.zeros(len(y))
    for j in set(fold.tolist()):
        train = fold != j
        classes = sorted(set(y[train].tolist()))
        means = {c: x[train & (y == c)].mean(0) for c in classes}
        scatter = sum((x[i] - means[y[i]])[:, None] * (x[i] - means[y[i]]) for i in np.flatnonzero(train))
        freedom = sum(train) - len(classes) - d + 1
        for i in np.flatnonzero(fold == j):
            logs = {}
            for c in classes:
                size = sum(train & (y == c))
                shape = scatter * (1 + 1 / size) / freedom
                logs[c] = np.log(size / sum(train)) + multivariate_t(means[c], shape, freedom).logpdf(x[i])
            found[i] = logs[y[i]] - logsumexp(list(logs.values()))
    return found


def slow_terms(t: Array, s: Array, y: Labels, fold: Labels) -> list[float]:
    n, p, q = len(y), t.shape[1], s.shape[1]
    classes = sorted(set(y.tolist()))
    frequencies = np.array([np.mean(y == c) for c in classes])
    entropy = -np.sum(frequencies * np.log(frequencies)) + (len(classes) - 1) / (2 * n)
    x_t, x_s, x_ts = (entropy + slow_log_probabilities(x, y, fold).mean() for x in (t, s, np.hstack([t, s])))
    around = np.hstack([t, s]).astype(float)
    for c in classes:
        around[y == c] -= around[y == c].mean(0)

    def volume(points: Array) -> float:
        return float(np.linalg.slogdet(points.T @ points)[1])

    def f(d: int) -> float:
        return float(sum(digamma((n - len(classes) + 1 - i) / 2) for i in range(1, d + 1)))

    within = 0.5 * (volume(around[:, :p]) + volume(around[:, p:]) - volume(around) - (f(p) + f(q) - f(p + q)))
    return [within + x_t + x_s - x_ts, x_t, x_s, within + x_t - x_ts]


def test_it_is_the_formula_whatever_it_is_batched_with() -> None:
    rng = np.random.default_rng(1)
    sizes, size = (40, 31), 44
    t, s = np.full((2, size, 2), math.nan), np.full((2, size, 2), math.nan)
    y, valid, keys = np.full((2, size), -1), np.zeros((2, size), dtype=bool), rng.random((2, 2, size))
    expected = []
    for row, n in enumerate(sizes):
        where = np.sort(rng.permutation(size)[:n])
        t[row, where], s[row, where], y[row, where] = clustered(rng, n)
        valid[row, where] = True
        folds = [
            stratified(*(torch.as_tensor(a)[None] for a in (y[row, where], valid[row, where], key[where])), 4)[
                0
            ].numpy()
            for key in keys[row]
        ]
        expected.append(np.mean([slow_terms(t[row, where], s[row, where], y[row, where], fold) for fold in folds], 0))
    found = classwise(*map(torch.as_tensor, (t, s, y, valid, keys)), folds=4)
    columns = [getattr(found, name) for name in QUANTITIES]
    np.testing.assert_allclose(torch.stack(columns, 1), expected, atol=1e-6)
    assert found.n.tolist() == list(sizes)
    assert not any(flag.any() for flag in found.flags.values())


def test_the_entropy_of_labels_has_its_correction() -> None:
    member = torch.eye(4, dtype=torch.float64)[torch.arange(100) % 2][None]
    assert float(label_entropy(member)) == pytest.approx(math.log(2) + 1 / 200)


def test_known_terms_are_found_without_bias_and_covered() -> None:
    truth = known()
    draws = [classwise_information(*clustered(np.random.default_rng(seed), 150), seed=seed) for seed in range(60)]
    for name in QUANTITIES:
        values, errors = (np.array([getattr(draw[name], field) for draw in draws]) for field in ("value", "se"))
        assert abs(values.mean() - truth[name]) < 3 * values.std() / math.sqrt(60) + 0.01
        assert np.mean(np.abs(values - truth[name]) < 1.96 * errors) >= 0.85


def test_independent_teachers_and_useless_labels() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, size=400)
    # Nothing of the class is missing from the student: I(S;Y) = H(Y), and the teacher knows nothing.
    apart = classwise_information(
        rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 20 * y[:, None], y, subsamples=0
    )
    assert apart["student_label"].value == pytest.approx(math.log(2), abs=0.01)
    assert apart["gap"].value == pytest.approx(-math.log(2), abs=0.05)
    assert math.isnan(apart["gap"].se)
    # Labels that say nothing: the gap is what both share.
    t = rng.normal(size=(2000, 1))
    shared = classwise_information(
        t, 0.6 * t + 0.8 * rng.normal(size=(2000, 1)), rng.integers(0, 3, 2000), subsamples=0
    )
    assert shared["gap"].value == pytest.approx(-0.5 * math.log(1 - 0.36), abs=0.06)
    assert shared["teacher_student"].value == pytest.approx(shared["gap"].value, abs=0.01)


def test_invariances() -> None:
    rng = np.random.default_rng(4)
    t, s, y = clustered(rng, 80)
    keys, order = rng.random((1, 3, 80)), rng.permutation(80)
    expected = fitted(t, s, y, keys)
    for found in (
        fitted(t[order], s[order], y[order], keys[..., order]),
        fitted(t @ rng.normal(size=(2, 2)) + 5, s * [1e3, 1e-3], y, keys),
    ):
        for name in QUANTITIES:
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-6)
    assert classwise_information(t, s, 7 * y - 3) == classwise_information(t, s, y)
    assert classwise_information(t, s, y, seed=1) != classwise_information(t, s, y)


def test_selections_are_the_estimates_of_their_samples() -> None:
    rng = np.random.default_rng(5)
    t, s, y = clustered(rng, 90)
    keys, keep = rng.random((1, 2, 90)), rng.random((1, 4, 90)) < 0.7
    found = classwise_selections(*(torch.as_tensor(a)[None] for a in (t, s, y)), *map(torch.as_tensor, (keep, keys)))
    for selection, rows in enumerate(keep[0]):
        alone = fitted(t[rows], s[rows], y[rows], keys[..., rows], folds=10)
        for name in (*QUANTITIES, "n"):
            assert float(getattr(found, name)[0, selection]) == pytest.approx(float(getattr(alone, name)), abs=1e-9)


def test_a_class_of_one_is_left_out_and_a_constant_column_counts_for_nothing() -> None:
    rng = np.random.default_rng(6)
    t, s, y = clustered(rng, 61)
    y[:] = rng.integers(0, 2, size=61)
    y[7] = 2
    keys, others = rng.random((1, 2, 61)), np.arange(61) != 7
    found, without = fitted(t, s, y, keys), fitted(t[others], s[others], y[others], keys[..., others])
    for name in QUANTITIES:
        assert float(getattr(found, name)) == pytest.approx(float(getattr(without, name)), abs=1e-10)
    assert found.flags["class_left_out"].all()
    assert not without.flags["class_left_out"].any()
    assert int(found.n) == 60
    t, s, y = clustered(rng, 80)
    keys = rng.random((1, 2, 80))
    wide = fitted(np.hstack([t, np.full((80, 1), 0.1)]), s, y, keys)
    assert float(wide.gap) == pytest.approx(float(fitted(t, s, y, keys).gap), abs=0.01)
    assert wide.flags["columns_left_out"].all()


def test_what_cannot_be_estimated_is_not_a_number() -> None:
    rng = np.random.default_rng(7)
    t, s, y = clustered(rng, 60)
    one = classwise_information(t, s, np.zeros(60, dtype=int))
    assert all(math.isnan(one[name].value) for name in QUANTITIES)
    y = np.arange(60) % 3
    assert "too_few_samples" in classwise_information(t[:9], s[:9], y[:9])["gap"].flags
    assert math.isnan(classwise_information(t[:9], s[:9], y[:9])["gap"].value)
    small = classwise_information(t[:12], s[:12], y[:12])
    assert math.isfinite(small["gap"].value) and math.isnan(small["gap"].se)
    assert "half_samples_without_estimate" in small["gap"].flags


def test_wrong_input_is_named() -> None:
    t, s, y = clustered(np.random.default_rng(8), 30)
    with pytest.raises(InputError, match="found 30, 29 and 30 samples"):
        classwise_information(t, s[1:], y)
    s[3] = math.nan
    with pytest.raises(InputError, match="student: found 1 samples with NaN"):
        classwise_information(t, s, y)


def test_the_table_of_gap_estimators_says_what_each_is() -> None:
    t, s, y = clustered(np.random.default_rng(9), 60)
    assert set(GAP_ESTIMATORS) == {"class_mixture", "classwise"}
    for name, estimator in GAP_ESTIMATORS.items():
        assert estimator.name == name
        assert all((estimator.estimates, estimator.needs, estimator.limits, estimator.reference))
        assert estimator.estimate(t, s, y)
