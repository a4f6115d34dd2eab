"""Simulated twins of a cohort: the only check that sees the bias of an estimator at this cohort's size.

The model is that of linear discriminant analysis: given the class, the representations of two modalities are jointly
normal, with a mean for each class and one covariance,

    (a, b) | y  ~  N(mean_y, W).

A twin has as many samples as the cohort, with the same labels and the same ones missing. In twin r the covariance of a
with b within classes is multiplied by u_r, the class means of a by v_r and those of b by w_r, all between 0 and 1: so
the twins' mutual information runs from none to about that of the fitted model, which overfits, and their gaps lie on
both sides of zero. Their true values are means of log-ratios of the densities, which are known.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm, qmc
from torch import Tensor

Floats = NDArray[np.float64]

# Draws behind a true value, over all classes. The mean over five folds is then known to about 0.02 nats.
DRAWS = 600
# Numbers held at once.
HELD = {"cpu": 2**22, "cuda": 2**28}


@dataclass(frozen=True)
class Model:
    """Class-conditional normal model of B items.

    Attributes
    ----------
    prior
        (B, C) of the classes, by labelled samples.
    mean
        (B, C, p + q) around the mean of all samples; zero for a class without samples.
    covariance
        (B, p + q, p + q) within classes.
    first
        p, columns of a.
    """

    prior: Tensor
    mean: Tensor
    covariance: Tensor
    first: int


@dataclass(frozen=True)
class Twins:
    """R twins of each of B items.

    Attributes
    ----------
    a, b
        (B * R, n, p) and (B * R, n, q), twins of an item side by side.
    truth
        (B, R, 3) I(A;B), I(A;Y) and I(B;Y), in nats.
    """

    a: Tensor
    b: Tensor
    truth: Tensor


@dataclass(frozen=True)
class Calibration:
    """What twins say about an estimate.

    Attributes
    ----------
    at_zero
        What the estimator says, on average, where the truth is zero.
    sd
        Standard deviation of its estimates around their regression on the truth.
    bias
        Mean of estimate - truth over the twins.
    coverage
        Share of twins whose truth lies within 1.96 of the cohort's standard errors around the estimate.
    sign_errors
        Share of twins in which estimate and truth differ in sign.
    """

    at_zero: float
    sd: float
    bias: float
    coverage: float
    sign_errors: float


def strengths(simulations: int) -> Floats:
    """(R, 3) u, v and w of each twin, spread evenly over the unit cube (Sobol 1967)."""
    return np.asarray(qmc.Sobol(3, seed=0).random(2 ** math.ceil(math.log2(simulations)))[:simulations])


def fit(a: Tensor, b: Tensor, labels: Tensor, valid: Tensor, *, n_classes: int) -> Model:
    """Fit the model to B items.

    W = (scatter within classes + m * covariance of all samples) / (n - C + m), m = p + q + 1 pseudo-samples: with few
    labels, of which the scatter within classes is made, W tends to the covariance of all.

    Parameters
    ----------
    a, b
        (B, n, p) and (B, n, q), anything on padding.
    labels
        (B, n) classes 0 .. C - 1; -1 where missing.
    valid
        (B, n) False on padding.
    """
    points = torch.cat([a, b], -1).double().masked_fill(~valid[..., None], 0.0)
    points = points - points.sum(1, keepdim=True) / valid.sum(-1).clamp(min=1)[:, None, None]
    points = points.masked_fill(~valid[..., None], 0.0)
    known = valid & (labels >= 0)
    member = torch.nn.functional.one_hot(labels.clamp(min=0), n_classes).double() * known[..., None]
    size = member.sum(1)
    mean = member.mT @ points / size.clamp(min=1)[..., None]
    residual = (points - member @ mean) * known[..., None]
    everyone = points.mT @ points / valid.sum(-1).clamp(min=2)[:, None, None]
    freedom = (size.sum(-1) - (size > 0).sum(-1)).clamp(min=0)
    weight = points.shape[-1] + 1.0
    covariance = (residual.mT @ residual + weight * everyone) / (freedom + weight)[:, None, None]
    # A column without variance gets a little of its own, independent of all else.
    diagonal = covariance.diagonal(dim1=-2, dim2=-1)
    covariance = covariance + torch.diag_embed(torch.where(diagonal > 0, 1e-9 * diagonal, 1.0))
    return Model(size / size.sum(-1, keepdim=True).clamp(min=1), mean, covariance, a.shape[-1])


def simulate(
    model: Model, labels: Tensor, strengths: Floats, normals: Floats, uniforms: Floats, draws: Floats
) -> Twins:
    """Draw R twins of each item.

    Parameters
    ----------
    labels
        (B, n) classes; a missing one, -1, is drawn from the prior.
    strengths
        (R, 3) u, v and w.
    normals, uniforms
        (B, R, n, p + q) and (B, R, n): what is random in the twins.
    draws
        (N, p + q) standard normal: with each class's mean, the points at which densities are compared.
    """
    device, (items, n), count = labels.device, labels.shape, len(strengths)

    def tensor(array: Floats) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=device)

    p, n_classes = model.first, model.prior.shape[1]
    u, v, w = tensor(strengths).T
    columns = torch.arange(model.mean.shape[-1], device=device) < p
    means = model.mean[:, None] * torch.where(columns, v[:, None], w[:, None])[:, None]  # (B, R, C, d)
    across = columns[:, None] != columns[None]
    covariance = model.covariance[:, None] * torch.where(across, u[:, None, None], 1.0)  # (B, R, d, d)
    root: Tensor = torch.linalg.cholesky(covariance)

    drawn = (tensor(uniforms)[..., None] > model.prior.cumsum(-1)[:, None, None]).sum(-1).clamp(max=n_classes - 1)
    classes = torch.where(labels[:, None] >= 0, labels[:, None], drawn)  # (B, R, n)
    points = means.gather(2, classes[..., None].expand(-1, -1, -1, len(columns))) + tensor(normals) @ root.mT
    points = points.view(items * count, n, -1)

    z = tensor(draws)
    step = max(1, HELD[device.type] // (items * n_classes**2 * z.numel()))
    truth = torch.cat(
        [
            _truth(model.prior, means[:, start : start + step], root[:, start : start + step], z, p)
            for start in range(0, count, step)
        ],
        1,
    )
    return Twins(points[..., :p], points[..., p:], truth)


def calibrate(estimates: Floats, truths: Floats, *, se: float) -> Calibration:
    """Compare a cohort's estimator with the truth on its twins.

    Least squares of estimate on truth: with a + c * truth + error, P(truth > 0 | estimate) of classical calibration
    (no prior on the truth; Osborne 1991, Int. Stat. Rev. 59, 309) is that of a normal with mean estimate - a and the
    error's standard deviation, where c > 0.

    Parameters
    ----------
    estimates, truths
        (R,) of the twins, nats.
    se
        Standard error of the cohort's own estimate, nats.

    Returns
    -------
    Calibration
        NaN if a twin has no estimate or all have one truth.
    """
    nan = float("nan")
    spread = truths - truths.mean()
    # Truths that rounding alone tells apart say nothing of a slope.
    if len(truths) < 3 or not np.isfinite(estimates).all() or not np.ptp(truths) > 1e-9:
        return Calibration(nan, nan, nan, nan, nan)
    slope = (spread @ estimates) / (spread @ spread)
    at_zero = estimates.mean() - slope * truths.mean()
    residual = estimates - at_zero - slope * truths
    # The intercept is an estimate as well.
    variance = (residual @ residual) / (len(truths) - 2)
    variance *= 1 + 1 / len(truths) + truths.mean() ** 2 / (spread @ spread)
    error = estimates - truths
    return Calibration(
        at_zero=float(at_zero),
        sd=float(np.sqrt(variance)),
        bias=float(error.mean()),
        coverage=float((np.abs(error) <= norm.ppf(0.975) * se).mean()) if np.isfinite(se) else nan,
        sign_errors=float((np.sign(estimates) != np.sign(truths)).mean()),
    )


def _truth(prior: Tensor, means: Tensor, root: Tensor, z: Tensor, p: int) -> Tensor:
    """(B, C), (B, R, C, d), (B, R, d, d) Cholesky factors and (N, d) -> (B, R, 3) I(A;B), I(A;Y), I(B;Y)."""
    log_prior = prior.log()[:, None, None, None]  # (B, 1, 1, 1, C)
    of_b = (root @ root.mT)[..., p:, p:]
    root_b: Tensor = torch.linalg.cholesky(of_b)
    noise_b = torch.linalg.solve_triangular(root_b, root[..., p:, :] @ z.T, upper=False).mT  # (B, R, N, q)

    def apart(factor: Tensor, columns: slice) -> Tensor:
        """(B, R, C, C, k): mean of the sample's class minus mean of another, in units of the noise."""
        difference = (means[:, :, :, None] - means[:, :, None])[..., columns]
        white: Tensor = torch.linalg.solve_triangular(factor[:, :, None], difference.mT, upper=False).mT
        return white

    def log_densities(noise: Tensor, shift: Tensor) -> Tensor:
        """(.., N, k), (B, R, C, C, k) -> (B, R, C, N, C) log-densities under every class, up to a common constant."""
        # |noise + shift|^2 - |noise|^2: the constant cancels in every ratio below but I(A;B)'s, where it is added.
        cross = noise[:, :, None] @ shift.mT
        return -cross - 0.5 * shift.square().sum(-1)[:, :, :, None]

    everyone = z.expand(*root.shape[:2], -1, -1)
    joint = log_densities(everyone, apart(root, slice(None)))
    # The leading block of a Cholesky factor is the factor of the leading block.
    of_a_noise = everyone[..., :p]
    a = log_densities(of_a_noise, apart(root[..., :p, :p], slice(0, p)))
    b = log_densities(noise_b, apart(root_b, slice(p, None)))

    def mean(values: Tensor) -> Tensor:
        """(B, R, C, N) -> (B, R) over the classes and draws."""
        return (values.mean(-1) * prior[:, None]).sum(-1)

    mixed_a, mixed_b, mixed = (torch.logsumexp(log + log_prior, -1) for log in (a, b, joint))
    own_a, own_b, _ = (log.diagonal(dim1=-3, dim2=-1).mT for log in (a, b, joint))

    def volume(factor: Tensor) -> Tensor:
        return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    # The noise's own terms, in expectation: -|z|^2 / 2 has mean -k / 2, of the joint as of a and b together.
    within = volume(root[..., :p, :p]) + volume(root_b) - volume(root)
    between = mean(mixed - mixed_a - mixed_b) + within
    return torch.stack([between, mean(own_a - mixed_a), mean(own_b - mixed_b)], -1)
