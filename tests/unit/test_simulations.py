"""Parametric simulations: their truth against densities, their likeness to the cohort, and the calibration."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from cch_omics.information.simulations import continuous, discrete
from cch_omics.information.simulations.base import Model, Simulated, calibrate, strengths
from cch_omics.information.simulations.continuous import ContinuousModel
from cch_omics.information.simulations.discrete import DiscreteModel

PRIOR = np.array([0.5, 0.3, 0.2])
P, Q = 2, 3
D = P + Q


def covariance_of(rng: np.random.Generator) -> Tensor:
    mixing = rng.normal(size=(D, D))
    return torch.tensor(mixing @ mixing.T / D + 0.3 * np.eye(D))[None]


def classes(label: Tensor | None = None, *, draws: int = 40_000, seed: int = 0) -> DiscreteModel:
    rng = np.random.default_rng(seed)
    covariance = covariance_of(rng)
    return DiscreteModel(
        prior=torch.tensor(PRIOR)[None],
        mean=torch.tensor(1.2 * rng.normal(size=(len(PRIOR), D)))[None],
        covariance=covariance,
        first=P,
        label=torch.zeros(1, 5, dtype=torch.int64) if label is None else label,
        draws=draws * len(PRIOR),
    )


def numbers(seed: int = 0) -> ContinuousModel:
    rng = np.random.default_rng(seed)
    return ContinuousModel(torch.tensor(rng.normal(size=(1, D))), covariance_of(rng), P)


def simulate(model: Model, strength: object, *, n: int = 5, seed: int = 1) -> Simulated:
    strength = np.atleast_2d(np.asarray(strength, dtype=float))
    return model.simulate(strength, model.noise(np.random.default_rng(seed), len(strength), n)[None])


EVERY_STRENGTH = pytest.mark.parametrize("strength", [(1, 1, 1), (0.5, 1, 0.3), (0, 1, 1), (1, 0, 0)])


# A class as label


@EVERY_STRENGTH
def test_truth_is_the_mean_log_ratio_of_densities(strength: tuple[float, float, float]) -> None:
    of = classes()
    u, v, w = strength
    covariance, mean = of.covariance[0].numpy().copy(), of.mean[0].numpy().copy()
    covariance[:P, P:] *= u
    covariance[P:, :P] *= u
    mean[:, :P] *= v
    mean[:, P:] *= w
    rng = np.random.default_rng(2)
    y = rng.choice(3, size=40_000, p=PRIOR)
    x = mean[y] + rng.multivariate_normal(np.zeros(D), covariance, size=len(y))

    def densities(columns: slice) -> np.ndarray:
        return np.stack(
            [multivariate_normal(m[columns], covariance[columns, columns]).pdf(x[:, columns]) for m in mean], 1
        )

    both, a, b = densities(slice(None)), densities(slice(0, P)), densities(slice(P, None))
    own = np.arange(len(y)), y
    expected = [
        np.log(both @ PRIOR / (a @ PRIOR) / (b @ PRIOR)).mean(),
        np.log(a[own] / (a @ PRIOR)).mean(),
        np.log(b[own] / (b @ PRIOR)).mean(),
    ]
    assert simulate(of, strength).truth[0, 0].numpy() == pytest.approx(expected, abs=0.015)


def test_truth_without_classes_is_that_of_the_normal_distribution() -> None:
    of = classes(draws=3)
    covariance = of.covariance[0].numpy()
    logs = [np.linalg.slogdet(part)[1] for part in (covariance[:P, :P], covariance[P:, P:], covariance)]
    # Exact: no draw enters.
    expected = 0.5 * (logs[0] + logs[1] - logs[2])
    assert simulate(of, (1, 0, 0)).truth[0, 0].numpy() == pytest.approx([expected, 0, 0], abs=1e-12)


def test_a_fit_to_a_large_simulation_finds_the_model() -> None:
    labels = torch.as_tensor(np.random.default_rng(3).choice(3, size=(1, 30_000), p=PRIOR))
    of = classes(labels, draws=5)
    drawn = simulate(of, (1, 1, 1), n=30_000)
    found = discrete.fit(drawn.a, drawn.b, labels, torch.ones_like(labels, dtype=torch.bool), 3)
    centre = (torch.tensor(PRIOR)[:, None] * of.mean[0]).sum(0)
    assert found.prior[0].numpy() == pytest.approx(PRIOR, abs=0.02)
    assert found.mean[0].numpy() == pytest.approx((of.mean[0] - centre).numpy(), abs=0.06)
    assert found.covariance[0].numpy() == pytest.approx(of.covariance[0].numpy(), abs=0.06)


def test_padding_and_missing_labels_are_not_what_is_fitted() -> None:
    rng = np.random.default_rng(4)
    a, b = torch.as_tensor(rng.normal(size=(2, 40, P))), torch.as_tensor(rng.normal(size=(2, 40, Q)))
    labels = torch.as_tensor(rng.integers(-1, 3, size=(2, 40)))
    valid = torch.ones(2, 40, dtype=torch.bool)
    valid[1, 25:] = False
    spoilt = a.clone()
    spoilt[1, 25:] = torch.nan
    together = discrete.fit(spoilt, b, labels, valid, 3)
    alone = discrete.fit(a[1:, :25], b[1:, :25], labels[1:, :25], valid[1:, :25], 3)
    for name in ("prior", "mean", "covariance"):
        assert torch.allclose(getattr(together, name)[1], getattr(alone, name)[0], atol=1e-12), name
    known = labels[0] >= 0
    first = labels[0][known].bincount(minlength=3) / known.sum()
    assert torch.allclose(together.prior[0], first.double())


def test_a_constant_column_and_a_class_without_samples_do_no_harm() -> None:
    a, b = torch.zeros(1, 30, P, dtype=torch.float64), torch.randn(1, 30, Q, dtype=torch.float64)
    labels = torch.arange(30)[None] % 2
    of = discrete.fit(a, b, labels, torch.ones_like(labels, dtype=torch.bool), 3)
    drawn = simulate(of, strengths(8), n=30)
    assert drawn.truth.isfinite().all()
    assert drawn.a.isfinite().all()


def test_samples_without_a_label_are_drawn_from_the_prior() -> None:
    labels = torch.full((1, 4000), -1)
    labels[0, :1000] = 1
    far = DiscreteModel(
        torch.tensor([[0.75, 0.25]]),
        torch.tensor([[[-100.0] * D, [100.0] * D]], dtype=torch.float64),
        torch.eye(D, dtype=torch.float64)[None],
        P,
        labels,
    )
    drawn = simulate(far, (1, 1, 1), n=4000)
    second = drawn.a[0, :, 0] > 0
    assert second[:1000].all()
    assert float(second[1000:].double().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(drawn.label, labels)


# A number as label


@EVERY_STRENGTH
def test_truth_is_that_of_the_joint_normal_distribution_that_is_drawn(strength: tuple[float, float, float]) -> None:
    drawn = simulate(numbers(), strength, n=200_000)
    joint = torch.cat([drawn.a[0], drawn.b[0], drawn.label[0][:, None]], 1).numpy()
    covariance = np.cov(joint, rowvar=False)
    assert covariance[-1, -1] == pytest.approx(1, abs=0.02)

    def volume(*columns: int) -> float:
        return 0.5 * float(np.linalg.slogdet(covariance[np.ix_(columns, columns)])[1])

    a, b, y = tuple(range(P)), tuple(range(P, D)), (D,)
    expected = [
        volume(*a) + volume(*b) - volume(*a, *b),
        volume(*a) + volume(*y) - volume(*a, *y),
        volume(*b) + volume(*y) - volume(*b, *y),
    ]
    found = drawn.truth[0, 0].numpy()
    assert found == pytest.approx(expected, abs=0.01)
    if strength == (1, 0, 0):
        assert found[1:] == pytest.approx([0, 0], abs=1e-12)


def test_a_fit_to_a_large_simulation_of_numbers_finds_the_model() -> None:
    of = numbers()
    drawn = simulate(of, (1, 1, 1), n=30_000)
    everyone = torch.ones(1, 30_000, dtype=torch.bool)
    # Whatever the unit of the number; a third of them is missing.
    labelled = torch.arange(30_000)[None] % 3 > 0
    label = torch.where(labelled, 50 - 7 * drawn.label, torch.nan)
    found = continuous.fit(drawn.a, drawn.b, label, labelled, everyone)
    assert (-found.slope[0]).numpy() == pytest.approx(of.slope[0].numpy(), abs=0.03)
    assert found.covariance[0].numpy() == pytest.approx(of.covariance[0].numpy(), abs=0.06)
    assert found.first == P


def test_padding_and_missing_numbers_are_not_what_is_fitted() -> None:
    rng = np.random.default_rng(4)
    a, b, y = (torch.as_tensor(rng.normal(size=(2, 40, d))) for d in (P, Q, 1))
    y = y[..., 0]
    labelled, valid = torch.as_tensor(rng.random((2, 40)) < 0.7), torch.ones(2, 40, dtype=torch.bool)
    valid[1, 25:] = False
    spoilt = torch.where(labelled, y, torch.nan)
    spoilt_a = a.clone()
    spoilt_a[1, 25:] = torch.nan
    together = continuous.fit(spoilt_a, b, spoilt, labelled, valid)
    alone = continuous.fit(a[1:, :25], b[1:, :25], y[1:, :25], labelled[1:, :25], valid[1:, :25])
    for name in ("slope", "covariance"):
        assert torch.allclose(getattr(together, name)[1], getattr(alone, name)[0], atol=1e-12), name


def test_a_constant_number_and_a_constant_column_do_no_harm() -> None:
    a, b = torch.zeros(1, 30, P, dtype=torch.float64), torch.randn(1, 30, Q, dtype=torch.float64)
    everyone = torch.ones(1, 30, dtype=torch.bool)
    of = continuous.fit(a, b, torch.full((1, 30), 3.0), everyone, everyone)
    drawn = simulate(of, strengths(8), n=30)
    assert drawn.truth.isfinite().all() and drawn.a.isfinite().all()
    assert drawn.truth[..., 1:].abs().max() < 1e-9
    none = continuous.fit(a, b, torch.full((1, 30), torch.nan), ~everyone, everyone)
    assert none.slope.abs().max() == 0 and none.covariance.isfinite().all()


# Calibration


def test_strengths_cover_the_cube() -> None:
    found = strengths(32)
    assert found.shape == (32, 3)
    assert ((found >= 0) & (found < 1)).all()
    for axis in found.T:
        assert np.bincount((4 * axis).astype(int)).tolist() == [8, 8, 8, 8]
    assert strengths(20).shape == (20, 3)


def test_calibration_takes_off_what_the_estimator_says_at_zero() -> None:
    rng = np.random.default_rng(5)
    truths = np.linspace(-0.5, 1, 400)
    at_zero, sd = calibrate(0.2 + 0.7 * truths + 0.1 * rng.normal(size=400), truths)
    assert at_zero == pytest.approx(0.2, abs=0.02)
    assert sd == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("estimates", "truths"), [([0.1, np.nan, 0.3], [0, 0.1, 0.2]), ([0.1, 0.2, 0.3], [0.1, 0.1, 0.1]), ([1], [1])]
)
def test_without_an_estimate_or_a_range_there_is_no_calibration(estimates: list[float], truths: list[float]) -> None:
    assert np.isnan(calibrate(np.array(estimates, dtype=float), np.array(truths, dtype=float))).all()
