"""Estimators of mutual information against plain loops, known values, scikit-learn and their invariances."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from cch_omics.information.ksg import ksg
from cch_omics.information.ross import ross

Array = NDArray[np.float64]


def distance(a: Array, b: Array) -> float:
    return float(max(abs(p - q) for p, q in zip(a, b, strict=True)))


def slow_ksg(x: Array, y: Array, k: int) -> float:
    """Kraskov 2004, equation 8, as it is written there."""
    n, total = len(x), 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        radius = sorted(max(distance(x[i], x[j]), distance(y[i], y[j])) for j in others)[k - 1]
        if radius > 0:
            k_i = k
            n_x = sum(distance(x[i], x[j]) < radius for j in others)
            n_y = sum(distance(y[i], y[j]) < radius for j in others)
        else:
            n_x = sum(distance(x[i], x[j]) == 0 for j in others)
            n_y = sum(distance(y[i], y[j]) == 0 for j in others)
            k_i = sum(distance(x[i], x[j]) == 0 and distance(y[i], y[j]) == 0 for j in others)
        total += digamma(k_i) - digamma(n_x + 1) - digamma(n_y + 1)
    return float(digamma(n) + total / n)


def slow_ross(x: Array, labels: NDArray[np.int64], k: int) -> float:
    """Ross 2014, equation 6, without the samples that are alone in their class."""
    sizes = {label: int(np.sum(labels == label)) for label in labels.tolist()}
    kept = [i for i in range(len(x)) if sizes[int(labels[i])] > 1]
    total = 0.0
    for i in kept:
        mates = [j for j in kept if j != i and labels[j] == labels[i]]
        radius = sorted(distance(x[i], x[j]) for j in mates)[min(k, len(mates)) - 1]
        k_i = sum(distance(x[i], x[j]) <= radius for j in mates)
        m_i = sum(distance(x[i], x[j]) <= radius for j in kept if j != i)
        total += digamma(k_i) - digamma(len(mates) + 1) - digamma(m_i)
    return float(digamma(len(kept)) + total / len(kept))


def batch(items: list[Array], size: int, padding: float = math.nan) -> tuple[torch.Tensor, torch.Tensor]:
    """Items of different sizes as one padded tensor, padding scattered among the samples, and the mask."""
    held = np.full((len(items), size, *items[0].shape[1:]), padding)
    valid = np.zeros((len(items), size), dtype=bool)
    rng = np.random.default_rng(0)
    for row, item in enumerate(items):
        where = np.sort(rng.permutation(size)[: len(item)])
        held[row, where] = item
        valid[row, where] = True
    return torch.as_tensor(held), torch.as_tensor(valid)


def alone(x: Array) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.as_tensor(x)[None], torch.ones(1, len(x), dtype=torch.bool)


def ksg_of(x: Array, y: Array, k: int = 3) -> float:
    points, valid = alone(x)
    return float(ksg(points, torch.as_tensor(y)[None], valid, neighbours=k).value)


def ross_of(x: Array, labels: NDArray[np.int64], k: int = 3) -> float:
    points, valid = alone(x)
    return float(ross(points, torch.as_tensor(labels)[None], valid, neighbours=k).value)


def gaussian_pair(rng: np.random.Generator, n: int, correlation: float) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 1))
    return x, correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=(n, 1))


# Kernels against plain loops


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ksg_is_the_formula_whatever_it_is_batched_with(k: int) -> None:
    rng = np.random.default_rng(1)
    sizes = (30, 17, 24, 6)
    xs = [rng.normal(size=(n, 3)) for n in sizes]
    ys = [x[:, :2] + rng.normal(size=(len(x), 2)) for x in xs]
    x, valid = batch(xs, 33)
    y, _ = batch(ys, 33)
    found = ksg(x, y, valid, neighbours=k)
    np.testing.assert_allclose(found.value, [slow_ksg(a, b, k) for a, b in zip(xs, ys, strict=True)], atol=1e-10)
    assert found.n.tolist() == list(sizes)
    assert not found.flags["ties"].any()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ross_is_the_formula_whatever_it_is_batched_with(k: int) -> None:
    rng = np.random.default_rng(2)
    sizes = (40, 25, 31, 9)
    # Classes of few members, some of one.
    labels = [rng.choice(4, size=n, p=[0.5, 0.3, 0.14, 0.06]) for n in sizes]
    xs = [rng.normal(size=(n, 2)) + y[:, None] for n, y in zip(sizes, labels, strict=True)]
    x, valid = batch(xs, 43)
    y, _ = batch([label.astype(float) for label in labels], 43, padding=1.0)
    found = ross(x, y.long(), valid, neighbours=k)
    np.testing.assert_allclose(found.value, [slow_ross(a, b, k) for a, b in zip(xs, labels, strict=True)], atol=1e-10)


def test_ties_are_flagged_and_treated_as_the_loops_treat_them() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 3, size=(40, 2)).astype(float)
    y = rng.integers(0, 3, size=(40, 1)).astype(float)
    labels = rng.integers(0, 3, size=40)
    points, valid = alone(x)
    continuous = ksg(points, torch.as_tensor(y)[None], valid)
    discrete = ross(points, torch.as_tensor(labels)[None], valid)
    assert continuous.flags["ties"].all()
    assert discrete.flags["ties"].all()
    assert float(continuous.value) == pytest.approx(slow_ksg(x, y, 3), abs=1e-10)
    assert float(discrete.value) == pytest.approx(slow_ross(x, labels, 3), abs=1e-10)


def test_a_constant_has_about_no_information() -> None:
    rng = np.random.default_rng(4)
    constant, y = np.ones((100, 2)), rng.normal(size=(100, 1))
    assert ksg_of(constant, y) == pytest.approx(0, abs=1e-10)
    assert ksg_of(constant, constant) == pytest.approx(0, abs=0.02)
    assert ross_of(constant, rng.integers(0, 3, size=100)) == pytest.approx(0, abs=0.03)


def test_a_class_of_one_is_left_out_and_flagged() -> None:
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(30, 2)), np.r_[np.repeat([0, 1], [18, 11]), 2]
    points, valid = alone(x)
    found = ross(points, torch.as_tensor(labels)[None], valid)
    assert float(found.value) == pytest.approx(ross_of(x[:-1], labels[:-1]), abs=1e-12)
    assert found.flags["class_left_out"].all()
    assert int(found.n) == 29
    assert not found.flags["neighbours_lowered"].any()


def test_a_class_of_at_most_k_lowers_k_for_its_members_and_is_flagged() -> None:
    rng = np.random.default_rng(6)
    x, labels = rng.normal(size=(30, 2)), np.repeat([0, 1], [27, 3])
    points, valid = alone(x)
    assert ross(points, torch.as_tensor(labels)[None], valid, neighbours=3).flags["neighbours_lowered"].all()
    assert not ross(points, torch.as_tensor(labels)[None], valid, neighbours=2).flags["neighbours_lowered"].any()


def test_what_cannot_be_estimated_is_not_a_number() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(3, 2))
    assert math.isnan(ksg_of(x, x, 3))
    assert math.isnan(ross_of(rng.normal(size=(9, 2)), np.zeros(9, dtype=np.int64)))
    assert math.isnan(ross_of(rng.normal(size=(9, 2)), np.arange(9)))
    # In a batch, the others are untouched.
    xs = [rng.normal(size=(3, 2)), rng.normal(size=(20, 2))]
    points, valid = batch(xs, 20)
    found = ksg(points, points.flip(-1), valid).value
    assert math.isnan(found[0])
    assert float(found[1]) == pytest.approx(slow_ksg(xs[1], xs[1][:, ::-1], 3), abs=1e-10)


# Against scikit-learn, which scales, adds noise of 1e-10 and clips at zero


def test_ksg_agrees_with_scikit_learn() -> None:
    x, y = gaussian_pair(np.random.default_rng(8), 200, 0.8)
    theirs = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    assert ksg_of(x / x.std(), y / y.std()) == pytest.approx(theirs, abs=1e-6)


def test_ross_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 3, size=200)
    x = rng.normal(size=(200, 1)) + labels[:, None]
    theirs = mutual_info_classif(x, labels, n_neighbors=3, random_state=0)[0]
    assert ross_of(x, labels) == pytest.approx(theirs, abs=1e-6)


# Invariances and known values


def test_the_order_of_samples_and_a_common_scale_do_not_matter() -> None:
    rng = np.random.default_rng(10)
    x, y = gaussian_pair(rng, 80, 0.6)
    labels, order = rng.integers(0, 3, size=80), rng.permutation(80)
    assert ksg_of(x[order], y[order]) == pytest.approx(ksg_of(x, y), abs=1e-12)
    assert ksg_of(y, x) == pytest.approx(ksg_of(x, y), abs=1e-12)
    # Powers of two scale without rounding.
    assert ksg_of(4 * x, 4 * y) == pytest.approx(ksg_of(x, y), abs=1e-12)
    assert ross_of(x[order], labels[order]) == pytest.approx(ross_of(x, labels), abs=1e-12)
    assert ross_of(4 * x, labels) == pytest.approx(ross_of(x, labels), abs=1e-12)
    # Names of classes carry nothing.
    assert ross_of(x, 7 - 3 * labels) == pytest.approx(ross_of(x, labels), abs=1e-12)


def test_independent_variables_give_about_zero_and_are_not_clipped() -> None:
    rng = np.random.default_rng(11)
    x, y = torch.as_tensor(rng.normal(size=(200, 100, 2))), torch.as_tensor(rng.normal(size=(200, 100, 2)))
    labels, valid = torch.as_tensor(rng.integers(0, 3, size=(200, 100))), torch.ones(200, 100, dtype=torch.bool)
    for value in (ksg(x, y, valid).value, ross(x, labels, valid).value):
        assert abs(float(value.mean())) < 0.02
        assert 0.2 < float((value < 0).double().mean()) < 0.8


def test_information_grows_with_coupling() -> None:
    rng = np.random.default_rng(12)
    labels, noise = rng.integers(0, 3, size=300), rng.normal(size=(300, 2))
    assert np.all(np.diff([ksg_of(*gaussian_pair(np.random.default_rng(13), 300, r)) for r in (0, 0.5, 0.8, 0.95)]) > 0)
    assert np.all(np.diff([ross_of(noise + a * labels[:, None], labels) for a in (0, 1, 2, 4)]) > 0)


def test_ross_of_separate_classes_is_the_entropy_of_the_label() -> None:
    labels = np.repeat([0, 1], 200)
    x = np.random.default_rng(14).normal(size=(400, 2)) + 100 * labels[:, None]
    assert ross_of(x, labels) == pytest.approx(math.log(2), abs=0.01)
