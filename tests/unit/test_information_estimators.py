"""The other estimators of mutual information: loops, closed forms, invariances and what they cannot do."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from information_oracle import Array, slow_crossentropy, slow_gaussian, slow_mixed
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.information.crossentropy import crossentropy, label_entropy, log_probabilities
from cch_omics.information.estimators import run
from cch_omics.information.gaussian import gaussian
from cch_omics.information.half_samples import compress
from cch_omics.information.mixed import mixed
from cch_omics.information.registry import ESTIMATORS
from cch_omics.information.result import Estimates
from research.information.single import mutual_information

Continuous = Callable[..., Estimates]
CONTINUOUS: dict[str, Continuous] = {"mixed": mixed, "gaussian": gaussian}
LOOPS: dict[str, Callable[[Array, Array], float]] = {
    "mixed": lambda x, y: slow_mixed(x, y, 3),
    "gaussian": slow_gaussian,
}
every = pytest.mark.parametrize("name", list(CONTINUOUS))


def of(name: str, x: Array, y: Array, k: int = 3) -> Estimates:
    valid = torch.ones(1, len(x), dtype=torch.bool)
    return CONTINUOUS[name](torch.as_tensor(x)[None], torch.as_tensor(y)[None], valid, neighbours=k)


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
    found = CONTINUOUS[name](*map(torch.as_tensor, (x, y, valid)), neighbours=3)
    np.testing.assert_allclose(found.value, [LOOPS[name](a, b) for a, b in pairs], atol=1e-10)
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
    expected = [[LOOPS[name](x[i][rows], y[i][rows]) for rows in keep[i].numpy()] for i in range(2)]
    np.testing.assert_allclose(found.value, expected, atol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_neighbours_are_used(k: int) -> None:
    x, y = related(np.random.default_rng(3), 25)
    assert value_of("mixed", x, y, k) == pytest.approx(slow_mixed(x, y, k), abs=1e-10)


@every
def test_ties_are_flagged_and_treated_as_the_loops_treat_them(name: str) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 3, size=(40, 2)).astype(float), rng.integers(0, 3, size=(40, 1)).astype(float)
    assert value_of(name, x, y) == pytest.approx(LOOPS[name](x, y), abs=1e-10)
    # The Gaussian estimator has no trouble with ties.
    assert flags_of(name, x, y) == (set() if name == "gaussian" else {"ties"})


# Known values


@every
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_gaussian_pairs_have_their_closed_form(name: str, correlation: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, 200, 1))
    y = correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=x.shape)
    valid = torch.ones(100, 200, dtype=torch.bool)
    found = CONTINUOUS[name](torch.as_tensor(x), torch.as_tensor(y), valid, neighbours=3).value.numpy()
    truth = -0.5 * math.log(1 - correlation**2)
    # Without bias for the Gaussian estimator; the others within their bias at n = 200.
    allowed = 3 * found.std() / 10 if name == "gaussian" else 0.04
    assert abs(found.mean() - truth) < allowed
    if correlation == 0:
        # Nothing is clipped.
        assert 0.2 < (found < 0).mean() < 0.9


def test_the_correction_removes_the_bias_of_many_columns() -> None:
    rng = np.random.default_rng(6)
    x, valid = rng.normal(size=(200, 60, 10)), torch.ones(200, 60, dtype=torch.bool)
    y = 0.6 * x + 0.8 * rng.normal(size=x.shape)
    found = gaussian(torch.as_tensor(x), torch.as_tensor(y), valid).value.numpy()
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


def test_at_most_k_samples_give_no_estimate() -> None:
    x, y = related(np.random.default_rng(16), 4)
    assert math.isfinite(value_of("mixed", x, y, 3))
    assert math.isnan(value_of("mixed", x, y, 4))
    assert math.isnan(value_of("mixed", x, y, 5))
    # In a batch with a larger item.
    valid = torch.ones(2, 9, dtype=torch.bool)
    valid[0, 4:] = False
    a, b = related(np.random.default_rng(17), 18)
    points = (torch.as_tensor(a).view(2, 9, 3), torch.as_tensor(b).view(2, 9, 2))
    assert mixed(*points, valid, neighbours=4).value.isnan().tolist() == [True, False]


def test_too_many_columns_for_the_samples_give_no_estimate() -> None:
    rng = np.random.default_rng(18)
    for n, p, q, possible in ((9, 4, 3, True), (8, 4, 3, False), (8, 20, 3, False), (1, 1, 1, False)):
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
        assert math.isfinite(value_of("gaussian", x, y)) == possible
        assert ("too_few_samples" in flags_of("gaussian", x, y)) != possible
    with pytest.raises(InputError, match=r"found 8 samples of 4 \+ 3 columns; expected p \+ q < n - 1"):
        mutual_information(rng.normal(size=(8, 4)), rng.normal(size=(8, 3)), estimator="gaussian")


@every
def test_a_missing_value_is_an_error(name: str) -> None:
    x, y = related(np.random.default_rng(19), 20)
    x[3, 1] = math.nan
    with pytest.raises(InputError, match="x: found 1 samples with NaN"):
        mutual_information(x, y, estimator=name)
    with pytest.raises(InputError, match="while y is classes"):
        mutual_information(y, np.arange(20) % 2, estimator=name)


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


# The bound from class probabilities


def logits_and_labels(rng: np.random.Generator, n: int, classes: int = 3) -> tuple[Array, NDArray[np.int64]]:
    """Logits that are the true log-probabilities of the labels, up to a constant per sample."""
    logits = 1.5 * rng.normal(size=(n, classes))
    gumbel = rng.gumbel(size=(n, classes))
    return logits, (logits + gumbel).argmax(1)


def bound(logits: Array, labels: NDArray[np.int64]) -> Estimates:
    """Of (B, n, C) or (n, C) logits and as many labels."""
    a, y = torch.as_tensor(logits), torch.as_tensor(labels)
    a, y = (a, y) if a.ndim == 3 else (a[None], y[None])
    everyone = torch.ones(y.shape, dtype=torch.bool)
    return crossentropy(log_probabilities(a, everyone), y, everyone)


def test_the_bound_is_the_formula_whatever_it_is_batched_with() -> None:
    rng = np.random.default_rng(20)
    sizes = (20, 12)
    logits, labels, valid = np.full((2, 20, 3), math.nan), np.full((2, 20), -1), np.zeros((2, 20), dtype=bool)
    expected = []
    for row, n in enumerate(sizes):
        a, b = logits_and_labels(rng, n)
        where = np.sort(rng.permutation(20)[:n])
        logits[row, where], labels[row, where], valid[row, where] = a, b, True
        expected.append(slow_crossentropy(a - np.log(np.exp(a).sum(1, keepdims=True)), b))
    mask = torch.as_tensor(valid)
    found = crossentropy(log_probabilities(torch.as_tensor(logits), mask), torch.as_tensor(labels), mask)
    np.testing.assert_allclose(found.value, expected, atol=1e-12)
    assert found.n.tolist() == list(sizes)


def test_the_bound_of_the_true_probabilities_is_the_information() -> None:
    rng = np.random.default_rng(21)
    logits, _ = logits_and_labels(rng, 200_000)
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    marginal = probability.mean(0)
    truth = float((probability * np.log(probability / marginal)).sum(1).mean())
    drawn = [logits_and_labels(rng, 200) for _ in range(100)]
    values = bound(np.stack([a for a, _ in drawn]), np.stack([y for _, y in drawn])).value
    assert abs(float(values.mean()) - truth) < 3 * float(values.std()) / 10
    # Any other probabilities give less.
    a, y = logits_and_labels(rng, 2000)
    assert float(bound(3 * a, y).value) < truth - 0.1


def test_probabilities_that_know_nothing_give_about_zero_and_worse_ones_less() -> None:
    rng = np.random.default_rng(22)
    labels = rng.choice(3, size=(300, 80), p=[0.5, 0.3, 0.2])
    log_q = torch.log(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)).expand(300, 80, 3)
    valid = torch.ones(300, 80, dtype=torch.bool)
    found = crossentropy(log_q, torch.as_tensor(labels), valid).value
    assert abs(float(found.mean())) < 3 * float(found.std()) / math.sqrt(300) + 0.002
    backwards = crossentropy(log_q.flip(-1), torch.as_tensor(labels), valid).value
    assert float(backwards.mean()) < -0.2


def test_a_perfect_prediction_gives_the_entropy_of_the_label() -> None:
    labels = np.repeat([0, 1], 50)
    assert float(bound(100.0 * np.eye(2)[labels], labels).value) == pytest.approx(math.log(2) + 1 / 200, abs=1e-12)
    entropy, counts = label_entropy(torch.as_tensor(labels)[None], torch.ones(1, 100, dtype=torch.bool), classes=4)
    assert float(entropy) == pytest.approx(math.log(2) + 1 / 200)
    assert counts.tolist() == [[50, 50, 0, 0]]


def test_the_bound_does_not_depend_on_order_or_on_a_constant_of_a_sample() -> None:
    rng = np.random.default_rng(23)
    logits, labels = logits_and_labels(rng, 60)
    expected, order = float(bound(logits, labels).value), rng.permutation(60)
    assert float(bound(logits[order], labels[order]).value) == pytest.approx(expected, abs=1e-12)
    assert float(bound(logits + rng.normal(size=(60, 1)), labels).value) == pytest.approx(expected)


def test_a_class_of_one_is_flagged_and_one_class_gives_no_bound() -> None:
    rng = np.random.default_rng(24)
    logits, labels = rng.normal(size=(21, 3)), np.r_[np.repeat([0, 1], 10), 2]
    assert bound(logits, labels).flags["class_of_one"].all()
    assert not bound(logits[:-1], labels[:-1]).flags["class_of_one"].any()
    assert bound(logits, np.zeros(21, dtype=np.int64)).value.isnan().all()


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if ESTIMATORS[name].x == "representation"])
def test_every_estimator_says_where_it_had_too_few_samples(name: str) -> None:
    x, y = (torch.as_tensor(points)[None] for points in related(np.random.default_rng(25), 60))
    estimator, everyone = ESTIMATORS[name].load(), torch.ones(1, 60, dtype=torch.bool)
    second = torch.arange(60)[None] % 2 if ESTIMATORS[name].y == "discrete" else estimator.prepare(y, everyone)
    keep = torch.ones(1, 2, 60, dtype=torch.bool)
    keep[0, 1, 1:] = False
    found = run(estimator, estimator.prepare(x, everyone), second, *compress(keep), neighbours=3)
    assert found.value.isnan().tolist() == [[False, True]]
    assert found.flags["too_few_samples"].tolist() == [[False, True]]
