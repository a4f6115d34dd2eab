"""Estimators of mutual information against plain loops, known values, scikit-learn and their invariances."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from information_oracle import Array, slow_ksg, slow_ross
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from cch_omics.errors import InputError
from cch_omics.information.half_samples import half_samples, half_to_whole
from cch_omics.information.ksg import ksg
from cch_omics.information.registry import BETWEEN_VIEWS, ESTIMATORS, WITH_LABEL
from cch_omics.information.ross import ross
from research.information.single import mutual_information


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


# mutual_information


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_a_gaussian_pair_has_its_known_value_within_the_interval(correlation: float) -> None:
    truth = -0.5 * math.log(1 - correlation**2)
    found = [
        mutual_information(*gaussian_pair(np.random.default_rng(seed), 300, correlation), seed=seed)
        for seed in range(20)
    ]
    covered = sum(abs(estimate.value - truth) < 1.96 * estimate.se for estimate in found)
    # 95% intervals: fewer than 16 of 20 has a probability of 0.003.
    assert covered >= 16


def test_the_standard_error_is_the_spread_over_samples() -> None:
    pairs = [gaussian_pair(np.random.default_rng(seed), 200, 0.7) for seed in range(100)]
    found = [mutual_information(x, y, seed=seed) for seed, (x, y) in enumerate(pairs)]
    spread = np.std([estimate.value for estimate in found])
    assert np.mean([estimate.se for estimate in found]) == pytest.approx(spread, rel=0.25)


def test_a_label_of_any_type_is_given_to_ross() -> None:
    rng = np.random.default_rng(15)
    codes = rng.integers(0, 3, size=90)
    x = rng.normal(size=(90, 2)) + codes[:, None]
    names = np.array(["LumA", "Basal", "Her2"])[codes]
    expected = mutual_information(x, codes)
    assert expected.estimator == "ross"
    assert expected.dim == (2, 0)
    assert expected.n == 90
    series = pd.Series(pd.Categorical(names))
    for label in (names, series.array, series, names.astype(object), codes.astype(np.uint8), codes[:, None]):
        assert mutual_information(x, label).value == pytest.approx(expected.value, abs=1e-12)
    assert mutual_information(x, codes.astype(float)).estimator == "ksg"


def test_the_scale_of_either_variable_does_not_matter() -> None:
    x, y = gaussian_pair(np.random.default_rng(16), 100, 0.7)
    expected = mutual_information(x, y)
    found = mutual_information(1000 * x - 5, y / 64)
    assert found.value == pytest.approx(expected.value, abs=1e-9)
    assert found.se == pytest.approx(expected.se, abs=1e-9)


def test_the_same_seed_gives_the_same_half_samples() -> None:
    x, y = gaussian_pair(np.random.default_rng(17), 60, 0.5)
    assert mutual_information(x, y, seed=3) == mutual_information(x, y, seed=3)
    assert mutual_information(x, y, seed=3).se != mutual_information(x, y, seed=4).se
    assert math.isnan(mutual_information(x, y, subsamples=0).se)


def test_samples_of_one_patient_widen_the_interval() -> None:
    # Ten nearby samples per patient carry little more than one does.
    rng = np.random.default_rng(18)
    x, y = gaussian_pair(rng, 40, 0.8)
    x, y = (np.repeat(values, 10, axis=0) + 0.05 * rng.normal(size=(400, 1)) for values in (x, y))
    patients = np.repeat([f"p{i}" for i in range(40)], 10)
    assert mutual_information(x, y, groups=patients).se > 1.5 * mutual_information(x, y).se


def test_too_small_a_half_is_said() -> None:
    x = np.random.default_rng(19).normal(size=(5, 1))
    found = mutual_information(x, x**2)
    assert "half_samples_without_estimate" in found.flags
    assert math.isnan(found.se)


NAN = np.array([1.0, math.nan, 3.0, 4.0, 5.0, 6.0])
SIX = np.arange(6.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": NAN, "y": SIX}, "x: found 1 samples with NaN"),
        ({"x": SIX, "y": NAN}, "y: found 1 samples with NaN"),
        ({"x": SIX, "y": SIX[:5]}, "6 samples in x and 5 in y"),
        ({"x": SIX, "y": np.arange(5)}, "6 samples in x and 5 in y"),
        ({"x": SIX, "y": SIX, "neighbours": 6}, "neighbours = 6 with 6 samples"),
        ({"x": SIX, "y": SIX, "neighbours": 0}, "neighbours = 0"),
        ({"x": SIX, "y": SIX, "estimator": "magic"}, "'magic', while y is continuous; expected one of auto, ksg, "),
        ({"x": SIX, "y": SIX, "estimator": "ross"}, "'ross', while y is continuous; expected one of auto, ksg, "),
        ({"x": SIX, "y": np.arange(6), "estimator": "ksg"}, "while y is classes .*; expected one of auto, ross"),
        ({"x": SIX, "y": np.zeros((6, 2), dtype=int)}, "one class per sample"),
        ({"x": SIX, "y": np.zeros(6, dtype=int)}, "of which fewer than two have two samples"),
        ({"x": SIX, "y": np.arange(6)}, "of which fewer than two have two samples"),
        ({"x": SIX, "y": pd.Categorical(["a", "b", None, "a", "b", "a"])}, "1 missing labels"),
        ({"x": SIX, "y": np.array(["a", "b", None, "a", "b", "a"], dtype=object)}, "missing labels"),
        ({"x": np.array(list("abcdef")), "y": SIX}, "x: found ndarray that holds no numbers"),
        ({"x": np.zeros((6, 2, 2)), "y": SIX}, r"x: found shape \(6, 2, 2\)"),
        ({"x": SIX, "y": SIX, "groups": ["a"]}, "groups: found 1 groups; expected 6"),
        ({"x": SIX, "y": np.arange(6), "estimator": "crossentropy"}, "expected one of auto, ross"),
    ],
)
def test_wrong_input_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mutual_information(arguments.pop("x"), arguments.pop("y"), **arguments)  # type: ignore[arg-type]


def test_the_registry_says_what_each_estimator_is_and_where() -> None:
    for name, entry in ESTIMATORS.items():
        assert entry.name == name
        assert all((entry.estimates, entry.needs, entry.limits, entry.reference))
        assert entry.load().prepare
    assert "ross" not in BETWEEN_VIEWS and "ksg" in BETWEEN_VIEWS
    assert WITH_LABEL[0] == "auto" and {"ross", "crossentropy", "ksg"} < set(WITH_LABEL)


def test_the_registry_costs_nothing_to_import() -> None:
    code = (
        "import sys; from cch_omics.information.registry import ESTIMATORS; "
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Half-samples


def draw(
    strata: NDArray[np.int64], groups: NDArray[np.int64], valid: NDArray[np.bool_], draws: int
) -> NDArray[np.bool_]:
    rng = np.random.default_rng(20)
    keep = half_samples(
        torch.as_tensor(rng.random((1, draws, len(strata)))),
        torch.as_tensor(rng.integers(0, 2, (1, draws))),
        *(torch.as_tensor(array)[None] for array in (strata, groups, valid)),
    )
    return keep[0].numpy()


def test_half_samples_halve_every_stratum_and_take_everyone_equally_often() -> None:
    strata, valid = (
        np.random.default_rng(21).permutation(np.repeat([-1, 0, 1, 2], [11, 20, 7, 1])),
        np.ones(39, dtype=bool),
    )
    valid[:5] = False
    keep = draw(strata, np.arange(39), valid, 2000)
    assert not keep[:, ~valid].any()
    assert set(keep.sum(1)) == {17}
    for stratum in (-1, 0, 1, 2):
        size = (valid & (strata == stratum)).sum()
        assert np.abs(keep[:, strata == stratum].sum(1) - size / 2).max() <= 1
    # Standard deviation of a frequency: 0.011.
    assert np.abs(keep[:, valid].mean(0) - 0.5).max() < 0.05


def test_half_samples_keep_a_patient_together() -> None:
    groups = np.repeat(np.arange(10), [1, 3, 2, 2, 1, 4, 1, 2, 2, 2])
    valid = np.ones(20, dtype=bool)
    valid[[1, 9]] = False
    keep = draw(np.zeros(20, dtype=np.int64), groups, valid, 100)
    for group in range(10):
        members = keep[:, valid & (groups == group)]
        assert (members.all(1) == members.any(1)).all()
    assert set(np.unique([len(np.unique(groups[row])) for row in keep])) == {5}


def test_the_variance_of_a_half_is_scaled_to_that_of_the_whole() -> None:
    # Of a mean: var(half) = s^2 (1/b - 1/n) without replacement, var(whole) = s^2 / n.
    valid = torch.tensor([[True] * 9 + [False]])
    keep = torch.zeros(1, 2, 10, dtype=torch.bool)
    keep[0, 0, :3], keep[0, 1, 4:7] = True, True
    assert half_to_whole(keep, valid).tolist() == pytest.approx([(1 / 9) / (1 / 3 - 1 / 9)])
