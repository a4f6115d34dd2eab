"""The gap from a class-conditional Gaussian model: loops, a known truth, invariances and what it cannot do."""

import math

import numpy as np
import pytest
import torch
from information_oracle import Array
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from cch_omics.errors import InputError
from research.information.class_mixture import Gaps, class_mixture, class_mixture_gap, stratified

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


def known_gap() -> float:
    t, s, y = clustered(np.random.default_rng(0), 100_000)
    joint = np.kron(WITHIN, np.eye(2))
    both = [multivariate_normal(np.r_[c, c], joint).logpdf(np.hstack([t, s])) for c in CENTRES]
    teacher = [multivariate_normal(c).logpdf(t) for c in CENTRES]
    student = np.array([multivariate_normal(c).logpdf(s) for c in CENTRES])
    return float(np.mean(logsumexp(both, 0) - logsumexp(teacher, 0) - student[y, np.arange(len(y))]))


def fitted(t: Array, s: Array, y: Labels, keys: Array, folds: int = 5) -> Gaps:
    everyone = torch.ones(1, len(t), dtype=torch.bool)
    return class_mixture(*(torch.as_tensor(a)[None] for a in (t, s, y)), everyone, torch.as_tensor(keys), folds=folds)


def slow_terms(t: Array, s: Array, y: Labels, fold: Labels) -> Array:
    """(n,) log p(s|t) - log p(s|y), each by the model of the other folds."""
    p, d, z = t.shape[1], t.shape[1] + s.shape[1], np.hstack([t, s])
    found = np.zeros(len(y))
    for j in set(fold.tolist()):
        train, classes = fold != j, sorted(set(y[fold != j].tolist()))
        scatter = {c: (sum(train & (y == c)) - 1) * np.cov(z[train & (y == c)].T) for c in classes}
        pooled = sum(scatter.values()) / (sum(train) - len(classes))
        given = {}
        for c in classes:
            size, mean = sum(train & (y == c)), z[train & (y == c)].mean(0)
            covariance = (scatter[c] + (d + 1) * pooled) / (size - 1 + d + 1)
            given[c] = (size / sum(train), mean, covariance)
        for i in np.flatnonzero(fold == j):
            both = [np.log(w) + multivariate_normal(m, v).logpdf(z[i]) for w, m, v in given.values()]
            teacher = [np.log(w) + multivariate_normal(m[:p], v[:p, :p]).logpdf(t[i]) for w, m, v in given.values()]
            _, m, v = given[int(y[i])]
            student = multivariate_normal(m[p:], v[p:, p:]).logpdf(s[i])
            found[i] = logsumexp(both) - logsumexp(teacher) - student
    return found


def test_it_is_the_formula_whatever_it_is_batched_with() -> None:
    rng = np.random.default_rng(1)
    sizes, size = (60, 45), 64
    t, s = np.full((2, size, 2), math.nan), np.full((2, size, 2), math.nan)
    y, valid, keys = np.full((2, size), -1), np.zeros((2, size), dtype=bool), rng.random((2, 2, size))
    expected = []
    for row, n in enumerate(sizes):
        where = np.sort(rng.permutation(size)[:n])
        t[row, where], s[row, where], y[row, where] = clustered(rng, n)
        valid[row, where] = True
        terms = {}
        for k in (2, 5):
            folds = [
                stratified(*(torch.as_tensor(a)[None] for a in (y[row, where], valid[row, where], key[where])), k)
                for key in keys[row]
            ]
            drawn = [slow_terms(t[row, where], s[row, where], y[row, where], fold[0].numpy()) for fold in folds]
            terms[k] = np.mean(drawn, 0)
        # Errors fall as 1/m, with m = 4/5 and 1/2 of the samples.
        limit = terms[5] + (terms[5] - terms[2]) * 0.5 / 0.3
        values = (terms[5], limit)
        expected.append([v.mean() for v in values] + [v.std(ddof=1) / math.sqrt(n) for v in values])
    found = class_mixture(*map(torch.as_tensor, (t, s, y, valid, keys)), folds=5)
    columns = (found.cross_fitted, found.extrapolated, found.cross_fitted_se, found.extrapolated_se)
    np.testing.assert_allclose(torch.stack(columns, 1), expected, atol=1e-6)
    assert found.n.tolist() == list(sizes)
    assert not any(flag.any() for flag in found.flags.values())


def test_folds_spread_every_class() -> None:
    rng = np.random.default_rng(2)
    y, counted = rng.permutation(np.repeat([0, 1, 2], [23, 11, 2])), np.ones(36, dtype=bool)
    counted[:4] = False
    arrays = (y, counted, rng.random(36))
    fold = stratified(*(torch.as_tensor(a)[None] for a in arrays), 5)[0].numpy()
    assert (fold[~counted] == -1).all()
    for c in range(3):
        counts = np.bincount(fold[counted & (y == c)], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_the_ends_bracket_a_known_gap_and_the_limit_has_its_standard_error() -> None:
    truth = known_gap()
    found = [class_mixture_gap(*clustered(np.random.default_rng(seed), 150), seed=seed) for seed in range(80)]
    low, limit = (np.array([getattr(gap, name) for gap in found]) for name in ("cross_fitted", "extrapolated"))
    assert low.mean() < truth - 0.01
    assert abs(limit.mean() - truth) < 3 * limit.std() / math.sqrt(80) + 0.01
    assert np.mean([gap.extrapolated_se for gap in found]) == pytest.approx(limit.std(), rel=0.3)
    assert np.mean([gap.cross_fitted_se for gap in found]) == pytest.approx(low.std(), rel=0.3)


def test_with_permuted_labels_the_gap_is_what_teacher_and_student_share() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(60, 200, 2)) @ np.linalg.cholesky(WITHIN).T
    t, s, y = noise[..., :1], noise[..., 1:], rng.integers(0, 2, size=(60, 200))
    valid = torch.ones(60, 200, dtype=torch.bool)
    keys = torch.as_tensor(rng.random((60, 3, 200)))
    found = class_mixture(*map(torch.as_tensor, (t, s, y)), valid, keys).extrapolated.numpy()
    assert abs(found.mean() + 0.5 * math.log(1 - 0.36)) < 3 * found.std() / math.sqrt(60) + 0.01


def test_a_student_that_knows_the_class_and_a_teacher_that_knows_nothing_have_a_negative_gap() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, size=400)
    # Nothing of the class is missing from the student: I(S;Y) = H(Y).
    gap = class_mixture_gap(rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 20 * y[:, None], y)
    assert gap.extrapolated == pytest.approx(-math.log(2), abs=3 * gap.extrapolated_se + 0.02)
    # Neither does a constant.
    constant = class_mixture_gap(np.ones((400, 2)), rng.normal(size=(400, 2)) + 20 * y[:, None], y)
    assert constant.extrapolated == pytest.approx(-math.log(2), abs=0.02)


def test_invariances() -> None:
    rng = np.random.default_rng(5)
    t, s, y = clustered(rng, 80)
    keys, order = rng.random((1, 3, 80)), rng.permutation(80)
    expected = fitted(t, s, y, keys)
    for found in (
        fitted(t[order], s[order], y[order], keys[..., order]),
        fitted(t @ rng.normal(size=(2, 2)) + 5, s * [1e3, 1e-3], y, keys),
    ):
        np.testing.assert_allclose(found.cross_fitted, expected.cross_fitted, atol=1e-6)
        np.testing.assert_allclose(found.extrapolated, expected.extrapolated, atol=1e-6)
    assert class_mixture_gap(t, s, 7 * y - 3) == class_mixture_gap(t, s, y)
    assert class_mixture_gap(t, s, y, seed=1) != class_mixture_gap(t, s, y)


def test_a_class_of_one_is_left_out_and_flagged() -> None:
    rng = np.random.default_rng(6)
    t, s, y = clustered(rng, 61)
    y[:] = rng.integers(0, 2, size=61)
    y[7] = 2
    keys, others = rng.random((1, 2, 61)), np.arange(61) != 7
    found, without = fitted(t, s, y, keys), fitted(t[others], s[others], y[others], keys[..., others])
    assert float(found.extrapolated) == pytest.approx(float(without.extrapolated), abs=1e-10)
    assert found.flags["class_left_out"].all()
    assert not without.flags["class_left_out"].any()
    assert int(found.n) == 60


def test_what_cannot_be_estimated_is_not_a_number() -> None:
    rng = np.random.default_rng(7)
    t, s, y = clustered(rng, 60)
    one = class_mixture_gap(t, s, np.zeros(60, dtype=int))
    assert math.isnan(one.cross_fitted) and math.isnan(one.extrapolated)
    # Half of 14 samples is no more than four columns and three classes.
    y = np.arange(60) % 3
    assert class_mixture_gap(t[:14], s[:14], y[:14]).flags == ("too_few_samples",)
    assert math.isnan(class_mixture_gap(t[:14], s[:14], y[:14]).extrapolated)
    assert math.isfinite(class_mixture_gap(t[:16], s[:16], y[:16]).extrapolated)


def test_wrong_input_is_named() -> None:
    t, s, y = clustered(np.random.default_rng(8), 30)
    with pytest.raises(InputError, match="found 30, 29 and 30 samples"):
        class_mixture_gap(t, s[1:], y)
    with pytest.raises(InputError, match="folds = 2"):
        class_mixture_gap(t, s, y, folds=2)
    s[3] = math.nan
    with pytest.raises(InputError, match="student: found 1 samples with NaN"):
        class_mixture_gap(t, s, y)
