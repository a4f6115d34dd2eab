"""Estimators of two continuous variables: loops, closed forms, invariances and what they cannot do."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from information_oracle import Array, slow_gaussian, slow_ksg, slow_mixed
from sklearn.feature_selection import mutual_info_regression

from cch_omics.errors import InputError
from cch_omics.information.estimators import Estimates, run
from cch_omics.information.half_samples import compress
from cch_omics.information.registry import ESTIMATORS
from research.information.single import mutual_information

LOOPS: dict[str, Callable[[Array, Array, int], float]] = {
    "ksg": slow_ksg,
    "mixed": slow_mixed,
    "gaussian": lambda x, y, _: slow_gaussian(x, y),
}
every = pytest.mark.parametrize("name", list(LOOPS))
by_neighbours = pytest.mark.parametrize("name", ["ksg", "mixed"])


def estimate(name: str, x: Array, y: Array, valid: torch.Tensor | None = None, k: int = 3) -> Estimates:
    """Of (B, n, d) points."""
    estimator = ESTIMATORS[name].load()
    members = torch.ones(x.shape[:2], dtype=torch.bool) if valid is None else valid
    spaces = (estimator.prepare(torch.as_tensor(points), members) for points in (x, y))
    return estimator.estimate(*spaces, members, neighbours=k)


def of(name: str, x: Array, y: Array, k: int = 3) -> Estimates:
    return estimate(name, x[None], y[None], k=k)


def value_of(name: str, x: Array, y: Array, k: int = 3) -> float:
    return float(of(name, x, y, k).value)


def flags_of(name: str, x: Array, y: Array) -> set[str]:
    return {flag for flag, found in of(name, x, y).flags.items() if found}


def related(rng: np.random.Generator, n: int, p: int = 3, q: int = 2) -> tuple[Array, Array]:
    x = rng.normal(size=(n, p))
    return x, x[:, :q] + rng.normal(size=(n, q))


# Against loops, in padded batches and through selections


@every
def test_it_is_the_formula_whatever_it_is_batched_with(name: str) -> None:
    rng = np.random.default_rng(1)
    sizes, size = (30, 17, 24, 9), 33
    pairs = [related(rng, n) for n in sizes]
    # Padding holds NaN, and is scattered among the samples.
    x, y, valid = np.full((4, size, 3), math.nan), np.full((4, size, 2), math.nan), np.zeros((4, size), dtype=bool)
    for row, (a, b) in enumerate(pairs):
        where = np.sort(rng.permutation(size)[: len(a)])
        x[row, where], y[row, where], valid[row, where] = a, b, True
    found = estimate(name, x, y, torch.as_tensor(valid))
    np.testing.assert_allclose(found.value, [LOOPS[name](a, b, 3) for a, b in pairs], atol=1e-10)
    assert found.n.tolist() == list(sizes)
    assert not any(flag.any() for flag in found.flags.values())


@every
def test_selections_are_the_estimates_of_their_samples(name: str) -> None:
    rng = np.random.default_rng(2)
    x, y = related(rng, 2 * 30)
    x, y = x.reshape(2, 30, 3), y.reshape(2, 30, 2)
    keep = torch.as_tensor(rng.random((2, 5, 30)) < 0.6)
    estimator, everyone = ESTIMATORS[name].load(), torch.ones(2, 30, dtype=torch.bool)
    prepared = (estimator.prepare(torch.as_tensor(points), everyone) for points in (x, y))
    found = run(estimator, *prepared, *compress(keep), neighbours=3)
    expected = [[LOOPS[name](x[i][rows], y[i][rows], 3) for rows in keep[i].numpy()] for i in range(2)]
    np.testing.assert_allclose(found.value, expected, atol=1e-10)


@by_neighbours
@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_neighbours_are_used(name: str, k: int) -> None:
    x, y = related(np.random.default_rng(3), 25)
    assert value_of(name, x, y, k) == pytest.approx(LOOPS[name](x, y, k), abs=1e-10)


def test_ksg_agrees_with_scikit_learn() -> None:
    # Which scales, adds noise of 1e-10 and clips at zero.
    x, y = related(np.random.default_rng(26), 200, 1, 1)
    theirs = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    assert value_of("ksg", x / x.std(), y / y.std()) == pytest.approx(theirs, abs=1e-6)


@every
def test_ties_are_flagged_and_treated_as_the_loops_treat_them(name: str) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 3, size=(40, 2)).astype(float), rng.integers(0, 3, size=(40, 1)).astype(float)
    assert value_of(name, x, y) == pytest.approx(LOOPS[name](x, y, 3), abs=1e-10)
    # The Gaussian estimator has no trouble with ties.
    assert flags_of(name, x, y) == (set() if name == "gaussian" else {"ties"})


# Known values


@every
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_gaussian_pairs_have_their_closed_form(name: str, correlation: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, 200, 1))
    y = correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=x.shape)
    found = estimate(name, x, y).value.numpy()
    truth = -0.5 * math.log(1 - correlation**2)
    # Without bias for the Gaussian estimator; the others within their bias at n = 200.
    allowed = 3 * found.std() / 10 if name == "gaussian" else 0.04
    assert abs(found.mean() - truth) < allowed
    if correlation == 0:
        # Nothing is clipped.
        assert 0.2 < (found < 0).mean() < 0.9


def test_the_correction_removes_the_bias_of_many_columns() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(200, 60, 10))
    y = 0.6 * x + 0.8 * rng.normal(size=x.shape)
    found = estimate("gaussian", x, y).value.numpy()
    truth = -5 * math.log(1 - 0.36)
    assert abs(found.mean() - truth) < 3 * found.std() / math.sqrt(200)
    plug_in = [slow_gaussian(a, b) + correction(60, 10, 10) for a, b in zip(x, y, strict=True)]
    assert np.mean(plug_in) > truth + 0.5


def correction(n: int, p: int, q: int) -> float:
    def f(d: int) -> float:
        return float(torch.digamma(torch.tensor([(n - i) / 2 for i in range(1, d + 1)])).sum())

    return 0.5 * (f(p) + f(q) - f(p + q))


def test_mixed_of_two_labels_is_about_the_plug_in_estimate() -> None:
    rng = np.random.default_rng(7)
    a = rng.integers(0, 3, size=600)
    b = np.where(rng.random(600) < 0.7, a, rng.integers(0, 3, size=600))
    table = np.histogram2d(a, b, bins=3)[0] / 600
    independent = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    truth = float((table * np.log(table / independent)).sum())
    assert value_of("mixed", a[:, None].astype(float), b[:, None].astype(float)) == pytest.approx(truth, abs=0.02)


def test_mixed_of_a_count_and_a_continuous_variable() -> None:
    # Gao 2017, section 4, example II: X uniform on 0 .. m - 1, Y uniform on [X, X + 2].
    rng = np.random.default_rng(8)
    x = rng.integers(0, 5, size=1000).astype(float)
    y = x + 2 * rng.random(1000)
    truth = math.log(5) - 4 * math.log(2) / 5
    assert value_of("mixed", x[:, None], y[:, None]) == pytest.approx(truth, abs=0.06)


# Invariances


@every
def test_order_and_swapping_do_not_matter(name: str) -> None:
    rng = np.random.default_rng(9)
    x, y = related(rng, 60)
    order = rng.permutation(60)
    assert value_of(name, x[order], y[order]) == pytest.approx(value_of(name, x, y), abs=1e-9)
    assert value_of(name, y, x) == pytest.approx(value_of(name, x, y), abs=1e-9)


@every
def test_a_common_scale_and_a_shift_do_not_matter(name: str) -> None:
    x, y = related(np.random.default_rng(10), 60)
    # Powers of two scale without rounding.
    assert value_of(name, 1024 * x, 1024 * y) == pytest.approx(value_of(name, x, y), abs=1e-9)
    assert value_of(name, x + 3, y - 7) == pytest.approx(value_of(name, x, y), abs=1e-9)


def test_no_invertible_linear_map_changes_the_gaussian_estimate() -> None:
    rng = np.random.default_rng(11)
    x, y = related(rng, 60)
    mapped = value_of("gaussian", x @ rng.normal(size=(3, 3)), y * [1e6, 1e-6])
    assert mapped == pytest.approx(value_of("gaussian", x, y), abs=1e-9)


# What cannot be done


@every
def test_a_constant_has_about_no_information(name: str) -> None:
    rng = np.random.default_rng(13)
    constant, y = np.full((100, 2), 0.1), rng.normal(size=(100, 1))
    assert value_of(name, constant, y) == pytest.approx(0, abs=0.02)
    assert value_of(name, constant, constant) == pytest.approx(0, abs=0.02)
    assert flags_of(name, constant, y) & {"ties", "columns_left_out"}


def test_constant_and_collinear_columns_are_left_out_and_flagged() -> None:
    x, y = related(np.random.default_rng(14), 60)
    wide = np.hstack([x, np.full((60, 1), 1e6), 2 * x[:, :1]])
    assert value_of("gaussian", wide, y) == pytest.approx(value_of("gaussian", x, y), abs=1e-8)
    assert "columns_left_out" in flags_of("gaussian", wide, y)
    assert "columns_left_out" not in flags_of("gaussian", x, y)


def test_a_copy_has_infinite_information_and_is_flagged() -> None:
    x, y = related(np.random.default_rng(15), 60)
    assert value_of("gaussian", x, x[:, :1]) == math.inf
    assert flags_of("gaussian", x, x[:, :1]) == {"deterministic"}
    # Nearly so is neither.
    near = x[:, :1] + 1e-3 * y[:, :1]
    assert math.isfinite(value_of("gaussian", x[:, :1], near))
    assert flags_of("gaussian", x[:, :1], near) == set()


@by_neighbours
def test_at_most_k_samples_give_no_estimate(name: str) -> None:
    x, y = related(np.random.default_rng(16), 4)
    assert math.isfinite(value_of(name, x, y, 3))
    assert math.isnan(value_of(name, x, y, 4))
    assert math.isnan(value_of(name, x, y, 5))
    # In a batch with a larger item.
    valid = torch.ones(2, 9, dtype=torch.bool)
    valid[0, 4:] = False
    a, b = related(np.random.default_rng(17), 18)
    found = estimate(name, a.reshape(2, 9, 3), b.reshape(2, 9, 2), valid, k=4).value
    assert found.isnan().tolist() == [True, False]


def test_too_many_columns_for_the_samples_give_no_estimate() -> None:
    rng = np.random.default_rng(18)
    for n, p, q, possible in ((9, 4, 3, True), (8, 4, 3, False), (8, 20, 3, False), (1, 1, 1, False)):
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
        assert math.isfinite(value_of("gaussian", x, y)) == possible
    with pytest.raises(InputError, match=r"found 8 samples of 4 \+ 3 columns; expected p \+ q < n - 1"):
        mutual_information(rng.normal(size=(8, 4)), rng.normal(size=(8, 3)), estimator="gaussian")


@every
def test_the_standard_error_is_the_spread_over_samples(name: str) -> None:
    found = [
        mutual_information(*related(np.random.default_rng(seed), 150, 2, 2), estimator=name, subsamples=30)
        for seed in range(60)
    ]
    assert {estimate.estimator for estimate in found} == {name}
    spread = np.std([estimate.value for estimate in found])
    # The standard deviation of 60 is known to 9%.
    assert np.mean([estimate.se for estimate in found]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_every_estimator_says_where_it_had_too_few_samples(name: str) -> None:
    x, y = (torch.as_tensor(points)[None] for points in related(np.random.default_rng(25), 60))
    estimator, everyone = ESTIMATORS[name].load(), torch.ones(1, 60, dtype=torch.bool)
    second = torch.arange(60)[None] % 2 if ESTIMATORS[name].y == "discrete" else estimator.prepare(y, everyone)
    keep = torch.ones(1, 2, 60, dtype=torch.bool)
    # A mean of gains is one of a single sample too.
    keep[0, 1, 0 if estimator.of_gains else 1 :] = False
    found = run(estimator, estimator.prepare(x, everyone), second, *compress(keep), neighbours=3)
    assert found.value.isnan().tolist() == [[False, True]]
    assert found.flags["too_few_samples"].tolist() == [[False, True]]
