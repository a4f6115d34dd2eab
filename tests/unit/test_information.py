"""The estimator of a class, mutual information of one pair of variables, the registry, half-samples."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from information_oracle import Array, slow_ross
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_classif

from cch_omics.errors import InputError
from cch_omics.information.estimators import Estimates
from cch_omics.information.half_samples import half_samples, half_to_whole
from cch_omics.information.neighbours import chebyshev
from cch_omics.information.registry import BETWEEN_VIEWS, ESTIMATORS, WITH_LABEL
from cch_omics.information.ross import ross
from research.information.single import mutual_information


def estimate(x: Array, labels: NDArray[np.int64], k: int = 3) -> Estimates:
    """Of (n, d) points."""
    valid = torch.ones(1, len(x), dtype=torch.bool)
    return ross(chebyshev(torch.as_tensor(x)[None], valid), torch.as_tensor(labels)[None], valid, neighbours=k)


def ross_of(x: Array, labels: NDArray[np.int64]) -> float:
    return float(estimate(x, labels).value)


def gaussian_pair(rng: np.random.Generator, n: int, correlation: float) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 1))
    return x, correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=(n, 1))


# Ross's estimator


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ross_is_the_formula_whatever_it_is_batched_with(k: int) -> None:
    rng = np.random.default_rng(2)
    x, y, valid = np.full((4, 43, 2), math.nan), np.ones((4, 43), dtype=np.int64), np.zeros((4, 43), dtype=bool)
    expected = []
    for row, n in enumerate((40, 25, 31, 9)):
        # Classes of few members, some of one; padding is scattered among the samples.
        labels = rng.choice(4, size=n, p=[0.5, 0.3, 0.14, 0.06])
        points = rng.normal(size=(n, 2)) + labels[:, None]
        where = np.sort(rng.permutation(43)[:n])
        x[row, where], y[row, where], valid[row, where] = points, labels, True
        expected.append(slow_ross(points, labels, k))
    members = torch.as_tensor(valid)
    found = ross(chebyshev(torch.as_tensor(x), members), torch.as_tensor(y), members, neighbours=k)
    np.testing.assert_allclose(found.value, expected, atol=1e-10)


def test_ties_are_flagged_and_treated_as_the_loops_treat_them() -> None:
    rng = np.random.default_rng(3)
    x, labels = rng.integers(0, 3, size=(40, 2)).astype(float), rng.integers(0, 3, size=40)
    found = estimate(x, labels)
    assert found.flags["ties"].all()
    assert float(found.value) == pytest.approx(slow_ross(x, labels, 3), abs=1e-10)
    assert ross_of(np.ones((100, 2)), rng.integers(0, 3, size=100)) == pytest.approx(0, abs=0.03)


def test_a_class_of_one_is_left_out_and_flagged() -> None:
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(30, 2)), np.r_[np.repeat([0, 1], [18, 11]), 2]
    found = estimate(x, labels)
    assert float(found.value) == pytest.approx(ross_of(x[:-1], labels[:-1]), abs=1e-12)
    assert found.flags["class_left_out"].all()
    assert int(found.n) == 29
    assert not found.flags["neighbours_lowered"].any()


def test_a_class_of_at_most_k_lowers_k_for_its_members_and_is_flagged() -> None:
    x, labels = np.random.default_rng(6).normal(size=(30, 2)), np.repeat([0, 1], [27, 3])
    assert estimate(x, labels, 3).flags["neighbours_lowered"].all()
    assert not estimate(x, labels, 2).flags["neighbours_lowered"].any()


def test_without_two_classes_of_two_there_is_no_estimate() -> None:
    x = np.random.default_rng(7).normal(size=(9, 2))
    assert math.isnan(ross_of(x, np.zeros(9, dtype=np.int64)))
    assert math.isnan(ross_of(x, np.arange(9)))


def test_ross_agrees_with_scikit_learn() -> None:
    # Which scales, adds noise of 1e-10 and clips at zero.
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 3, size=200)
    x = rng.normal(size=(200, 1)) + labels[:, None]
    theirs = mutual_info_classif(x, labels, n_neighbors=3, random_state=0)[0]
    assert ross_of(x, labels) == pytest.approx(theirs, abs=1e-6)


def test_order_scale_and_names_of_classes_do_not_matter() -> None:
    rng = np.random.default_rng(10)
    x, labels, order = rng.normal(size=(80, 1)), rng.integers(0, 3, size=80), rng.permutation(80)
    expected = pytest.approx(ross_of(x, labels), abs=1e-12)
    assert ross_of(x[order], labels[order]) == expected
    # Powers of two scale without rounding.
    assert ross_of(4 * x, labels) == expected
    assert ross_of(x, 7 - 3 * labels) == expected


def test_known_values_and_none_is_clipped() -> None:
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 3, size=(200, 100))
    values = np.array([ross_of(rng.normal(size=(100, 2)), each) for each in labels])
    assert abs(values.mean()) < 0.02
    assert 0.2 < (values < 0).mean() < 0.8
    separate = np.repeat([0, 1], 200)
    x = rng.normal(size=(400, 2)) + 100 * separate[:, None]
    assert ross_of(x, separate) == pytest.approx(math.log(2), abs=0.01)


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
    assert WITH_LABEL[0] == "auto" and {"ross", "ksg"} < set(WITH_LABEL)


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
