"""Simulated twins: their truth against densities, their likeness to the cohort, and the calibration."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from cch_omics.information import twin

PRIOR = np.array([0.5, 0.3, 0.2])
P, Q = 2, 3
D = P + Q


def model(seed: int = 0) -> twin.Model:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(D, D))
    return twin.Model(
        prior=torch.tensor(PRIOR)[None],
        mean=torch.tensor(1.2 * rng.normal(size=(len(PRIOR), D)))[None],
        covariance=torch.tensor(mixing @ mixing.T / D + 0.3 * np.eye(D))[None],
        first=P,
    )


def simulate(of: twin.Model, strengths, *, n: int = 5, draws: int = 40_000, labels=None, seed: int = 1) -> twin.Twins:
    rng = np.random.default_rng(seed)
    strengths = np.atleast_2d(strengths).astype(float)
    labels = torch.zeros(1, n, dtype=torch.int64) if labels is None else labels
    shape = (1, len(strengths), labels.shape[1])
    return twin.simulate(
        of, labels, strengths, rng.normal(size=(*shape, D)), rng.random(shape), rng.normal(size=(draws, D))
    )


@pytest.mark.parametrize("strength", [(1, 1, 1), (0.5, 1, 0.3), (0, 1, 1), (1, 0, 0)])
def test_truth_is_the_mean_log_ratio_of_densities(strength):
    of = model()
    u, v, w = strength
    covariance, mean = of.covariance[0].numpy().copy(), of.mean[0].numpy().copy()
    covariance[:P, P:] *= u
    covariance[P:, :P] *= u
    mean[:, :P] *= v
    mean[:, P:] *= w
    rng = np.random.default_rng(2)
    y = rng.choice(3, size=40_000, p=PRIOR)
    x = mean[y] + rng.multivariate_normal(np.zeros(D), covariance, size=len(y))

    def densities(columns):
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


def test_truth_without_classes_is_that_of_the_normal_distribution():
    of = model()
    covariance = of.covariance[0].numpy()
    logs = [np.linalg.slogdet(part)[1] for part in (covariance[:P, :P], covariance[P:, P:], covariance)]
    # Exact: no draw enters.
    expected = 0.5 * (logs[0] + logs[1] - logs[2])
    assert simulate(of, (1, 0, 0), draws=3).truth[0, 0].numpy() == pytest.approx([expected, 0, 0], abs=1e-12)


def test_a_fit_to_a_large_twin_finds_the_model():
    of = model()
    labels = torch.as_tensor(np.random.default_rng(3).choice(3, size=(1, 30_000), p=PRIOR))
    drawn = simulate(of, (1, 1, 1), labels=labels, draws=5)
    found = twin.fit(drawn.a, drawn.b, labels, torch.ones_like(labels, dtype=torch.bool), n_classes=3)
    centre = (torch.tensor(PRIOR)[:, None] * of.mean[0]).sum(0)
    assert found.prior[0].numpy() == pytest.approx(PRIOR, abs=0.02)
    assert found.mean[0].numpy() == pytest.approx((of.mean[0] - centre).numpy(), abs=0.06)
    assert found.covariance[0].numpy() == pytest.approx(of.covariance[0].numpy(), abs=0.06)


def test_padding_and_missing_labels_are_not_what_is_fitted():
    rng = np.random.default_rng(4)
    a, b = torch.as_tensor(rng.normal(size=(2, 40, P))), torch.as_tensor(rng.normal(size=(2, 40, Q)))
    labels = torch.as_tensor(rng.integers(-1, 3, size=(2, 40)))
    valid = torch.ones(2, 40, dtype=torch.bool)
    valid[1, 25:] = False
    spoilt = a.clone()
    spoilt[1, 25:] = torch.nan
    together = twin.fit(spoilt, b, labels, valid, n_classes=3)
    alone = twin.fit(a[1:, :25], b[1:, :25], labels[1:, :25], valid[1:, :25], n_classes=3)
    for name in ("prior", "mean", "covariance"):
        assert torch.allclose(getattr(together, name)[1], getattr(alone, name)[0], atol=1e-12), name
    known = labels[0] >= 0
    first = labels[0][known].bincount(minlength=3) / known.sum()
    assert torch.allclose(together.prior[0], first.double())


def test_a_constant_column_and_a_class_without_samples_do_no_harm():
    a, b = torch.zeros(1, 30, P, dtype=torch.float64), torch.randn(1, 30, Q, dtype=torch.float64)
    labels = torch.arange(30)[None] % 2
    of = twin.fit(a, b, labels, torch.ones_like(labels, dtype=torch.bool), n_classes=3)
    drawn = simulate(of, twin.strengths(8), labels=labels)
    assert drawn.truth.isfinite().all()
    assert drawn.a.isfinite().all()


def test_samples_without_a_label_are_drawn_from_the_prior():
    far = twin.Model(
        torch.tensor([[0.75, 0.25]]),
        torch.tensor([[[-100.0] * D, [100.0] * D]], dtype=torch.float64),
        torch.eye(D, dtype=torch.float64)[None],
        P,
    )
    labels = torch.full((1, 4000), -1)
    labels[0, :1000] = 1
    drawn = simulate(far, (1, 1, 1), labels=labels, draws=5)
    second = drawn.a[0, :, 0] > 0
    assert second[:1000].all()
    assert float(second[1000:].double().mean()) == pytest.approx(0.25, abs=0.03)


def test_strengths_cover_the_cube():
    found = twin.strengths(32)
    assert found.shape == (32, 3)
    assert ((found >= 0) & (found < 1)).all()
    for axis in found.T:
        assert np.bincount((4 * axis).astype(int)).tolist() == [8, 8, 8, 8]
    assert twin.strengths(20).shape == (20, 3)


def test_calibration_takes_off_what_the_estimator_says_at_zero():
    rng = np.random.default_rng(5)
    truths = np.linspace(-0.5, 1, 400)
    estimates = 0.2 + 0.7 * truths + 0.1 * rng.normal(size=400)
    found = twin.calibrate(estimates, truths, se=0.1)
    assert found.at_zero == pytest.approx(0.2, abs=0.02)
    assert found.sd == pytest.approx(0.1, abs=0.01)
    assert found.bias == pytest.approx((estimates - truths).mean())
    assert found.sign_errors == pytest.approx(((estimates > 0) != (truths > 0)).mean())
    assert found.coverage == pytest.approx((np.abs(estimates - truths) <= 1.959964 * 0.1).mean())


@pytest.mark.parametrize(
    ("estimates", "truths"), [([0.1, np.nan, 0.3], [0, 0.1, 0.2]), ([0.1, 0.2, 0.3], [0.1, 0.1, 0.1]), ([1], [1])]
)
def test_without_an_estimate_or_a_range_there_is_no_calibration(estimates, truths):
    found = twin.calibrate(np.array(estimates, dtype=float), np.array(truths, dtype=float), se=0.1)
    assert np.isnan([found.at_zero, found.sd, found.bias, found.coverage, found.sign_errors]).all()
