"""The model of two representations and a number: they are jointly normal.

Given the number, in units of its standard deviation, the representations are

    (a, b) | y  ~  N(y * slope, W),    y  ~  N(0, 1).

In a simulated cohort the covariance of a with b given y is multiplied by u, the covariance of a with y by v and that
of b with y by w. Its true mutual information has a closed form. The numbers are drawn as well; those of samples without
a label are not used.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.masked import centred
from cch_omics.information.simulations.base import Floats, Simulated, across, with_variance


@dataclass(frozen=True)
class ContinuousModel:
    """Joint normal model of B items.

    Attributes
    ----------
    slope
        (B, p + q) covariance of the representations with the standardised number.
    covariance
        (B, p + q, p + q) of the representations given the number.
    first
        p, columns of a.
    """

    slope: Tensor
    covariance: Tensor
    first: int

    def noise(self, random: np.random.Generator, count: int, size: int) -> Floats:
        """Standard normal numbers, the last one for y."""
        return random.normal(size=(count, size, self.slope.shape[-1] + 1))

    def simulate(self, strengths: Floats, noise: Floats) -> Simulated:
        """As `base.Model`."""
        z, scale = (
            torch.as_tensor(array, dtype=torch.float64, device=self.slope.device) for array in (noise, strengths)
        )
        p, (u, v, w) = self.first, scale.T
        leading = torch.arange(self.slope.shape[-1], device=z.device) < p
        slope = self.slope[:, None] * torch.where(leading, v[:, None], w[:, None])  # (B, R, d)
        given = across(self.covariance, u, p)  # (B, R, d, d)
        root: Tensor = torch.linalg.cholesky(given)
        y = z[..., -1]
        points = (slope[:, :, None] * y[..., None] + z[..., :-1] @ root.mT).flatten(0, 1)
        total = given + slope[..., :, None] * slope[..., None, :]

        def volume(matrix: Tensor, columns: slice) -> Tensor:
            return 0.5 * torch.logdet(matrix[..., columns, columns])

        a, b, both = slice(0, p), slice(p, None), slice(None)
        truth = torch.stack(
            [
                volume(total, a) + volume(total, b) - volume(total, both),
                volume(total, a) - volume(given, a),
                volume(total, b) - volume(given, b),
            ],
            -1,
        )
        return Simulated(points[..., :p], points[..., p:], y.flatten(0, 1), truth)


def fit(a: Tensor, b: Tensor, label: Tensor, labelled: Tensor, valid: Tensor) -> ContinuousModel:
    """Fit the model to B items.

    The slope is that of the regression on y. W = (scatter of its residuals + m * covariance of all samples) / (n - 2 +
    m), m = p + q + 1 pseudo-samples: with few labels, W tends to the covariance of all.

    Parameters
    ----------
    a, b
        (B, n, p) and (B, n, q), anything on padding.
    label
        (B, n) numbers, anything where missing.
    labelled, valid
        (B, n) samples with a label; False on padding.
    """
    points, _ = centred(torch.cat([a, b], -1).double(), valid)
    known = valid & labelled
    (x, _), (y, _) = centred(points, known), centred(label.double()[..., None], known)
    count = known.sum(-1).clamp(min=1)[:, None, None]
    sd = (y.square().sum(1, keepdim=True) / count).sqrt()
    y = y / torch.where(sd > 0, sd, 1.0)
    slope = y.mT @ x / count  # (B, 1, d)
    residual = x - y * slope
    everyone = points.mT @ points / valid.sum(-1).clamp(min=2)[:, None, None]
    freedom = (known.sum(-1) - 2).clamp(min=0)
    weight = points.shape[-1] + 1.0
    covariance = (residual.mT @ residual + weight * everyone) / (freedom + weight)[:, None, None]
    return ContinuousModel(slope[:, 0], with_variance(covariance), a.shape[-1])
