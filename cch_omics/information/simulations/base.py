"""What the models of discrete and continuous labels have in common, and the calibration of an estimator."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """R simulated cohorts of each of B items, those of an item side by side.

    Attributes
    ----------
    a, b
        (B * R, n, p) and (B * R, n, q) representations.
    label
        (B * R, n) classes, -1 where the cohort has none; or numbers.
    truth
        (B, R, 3) I(A;B), I(A;Y) and I(B;Y), in nats.
    """

    a: Tensor
    b: Tensor
    label: Tensor
    truth: Tensor


class Model(Protocol):
    """A joint distribution of two representations a and b and the label y, fitted to B items."""

    def noise(self, random: np.random.Generator, count: int, size: int) -> Floats:
        """(count, size, columns) what is random in so many simulated cohorts of so many samples."""

    def simulate(self, strengths: Floats, noise: Floats) -> Simulated:
        """Draw R cohorts of each item.

        Parameters
        ----------
        strengths
            (R, 3) factors u, v and w between 0 and 1: of the dependence between a and b given y, between a and y, and
            between b and y.
        noise
            (B, R, n, columns), as `noise` draws it.
        """


def strengths(simulations: int) -> Floats:
    """(R, 3) u, v and w of each simulated cohort, spread evenly over the unit cube (Sobol 1967).

    So mutual information runs from none to about that of the fitted model, which overfits, and gaps lie on both sides
    of zero.
    """
    return np.asarray(qmc.Sobol(3, seed=0).random(2 ** math.ceil(math.log2(simulations)))[:simulations])


def across(matrix: Tensor, factor: Tensor, first: int) -> Tensor:
    """(B, d, d) covariances and (R,) factors -> (B, R, d, d), the block of the first columns with the others scaled."""
    leading = torch.arange(matrix.shape[-1], device=matrix.device) < first
    return matrix[:, None] * torch.where(leading[:, None] != leading[None], factor[:, None, None], 1.0)


def with_variance(covariance: Tensor) -> Tensor:
    """(B, d, d) -> the same; a column without variance gets one of its own, independent of all else."""
    diagonal = covariance.diagonal(dim1=-2, dim2=-1)
    return covariance + torch.diag_embed(torch.where(diagonal > 0, 1e-9 * diagonal, 1.0))


def calibrate(estimates: Floats, truths: Floats) -> tuple[float, float]:
    """Compare an estimator with the truth on simulated cohorts.

    Least squares of estimate on truth: with a + c * truth + error, P(truth > 0 | estimate) of classical calibration
    (no prior on the truth; Osborne 1991, Int. Stat. Rev. 59, 309) is that of a normal with mean estimate - a and the
    error's standard deviation, where c > 0.

    Parameters
    ----------
    estimates, truths
        (R,) of the simulated cohorts, nats.

    Returns
    -------
    tuple
        What the estimator says, on average, where the truth is zero; and the standard deviation of its estimates around
        their regression on the truth. NaN if a cohort has no estimate or all have one truth.
    """
    spread = truths - truths.mean()
    # Truths that rounding alone tells apart say nothing of a slope.
    if len(truths) < 3 or not np.isfinite(estimates).all() or not np.ptp(truths) > 1e-9:
        return math.nan, math.nan
    slope = (spread @ estimates) / (spread @ spread)
    at_zero = estimates.mean() - slope * truths.mean()
    residual = estimates - at_zero - slope * truths
    # The intercept is an estimate as well.
    variance = (residual @ residual) / (len(truths) - 2)
    variance *= 1 + 1 / len(truths) + truths.mean() ** 2 / (spread @ spread)
    return float(at_zero), float(np.sqrt(variance))
