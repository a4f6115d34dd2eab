"""Mutual information of two jointly Gaussian variables, without the bias of estimated covariances.

The expectation of the log-determinant of a Wishart matrix is Goodman (1963), Ann. Math. Stat. 34, 152; its use for
entropies is Misra, Singh, Demchuk (2005), J. Multivariate Anal. 92, 324.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.estimators import Estimator
from cch_omics.information.points import as_float64, select_points
from cch_omics.information.result import Estimates

# Relative to the largest eigenvalue of a correlation matrix: below it, a direction counts as constant.
FLAT = 1e-12
# Canonical correlations nearer to one than rounding tells apart.
CERTAIN = 1e-12


def gaussian(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0, means: Tensor | int = 1) -> Estimates:
    """I(X;Y) = [log|S_x| + log|S_y| - log|S_xy|] / 2 - [f(p) + f(q) - f(p + q)] / 2,  f(d) = sum_i psi((n - i) / 2).

    S are scatter matrices of n samples around their mean, i runs from 1 to d. Of Gaussian data with covariance
    Sigma, E log|S| = log|Sigma| + d log 2 + f(d): the difference is unbiased. The first bracket is computed as
    -sum log(1 - r^2) over canonical correlations r, which no invertible linear map of X or of Y changes.

    Directions without variance (constant or collinear columns) carry nothing and are left out: p and q are ranks.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, float64, anything on padding.
    valid
        (B, n) False on padding.
    neighbours
        Not used; here so that estimators can be exchanged.
    means
        (B,) means that were subtracted, if it was not one: points around M class means have n - M degrees of freedom,
        and n - M + 1 takes the place of n above.

    Returns
    -------
    Estimates
        NaN where p + q >= n - 1 (flag `too_few_samples`); infinite where a direction of Y is a linear function of X
        (flag `deterministic`). Flag `columns_left_out`: p < dx or q < dy.
    """
    n = valid.sum(-1)
    effective = n + 1 - means
    white_x, p = _whitened(x, valid)
    white_y, q = _whitened(y, valid)
    squared = torch.linalg.svdvals(white_x.mT @ white_y).square()
    certain = squared > 1 - CERTAIN
    plug_in = -0.5 * torch.log1p(-squared.masked_fill(certain, 1.0)).sum(-1)

    index = torch.arange(1, x.shape[-1] + y.shape[-1] + 1, device=n.device)
    terms = torch.digamma((effective[:, None] - index).clamp(min=1).double() / 2)
    f = torch.nn.functional.pad(terms.cumsum(-1), (1, 0))
    correction = 0.5 * (_at(f, p) + _at(f, q) - _at(f, p + q))

    enough = p + q < effective - 1
    flags = {
        "too_few_samples": ~enough,
        "deterministic": enough & certain.any(-1),
        "columns_left_out": (n > 0) & ((p < x.shape[-1]) | (q < y.shape[-1])),
    }
    return Estimates(torch.where(enough, plug_in - correction, math.nan), n, flags)


def _whitened(points: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(B, n, d) -> (B, n, d) orthonormal columns, zero where there is no direction left, and (B,) how many are."""
    count = valid.sum(-1).clamp(min=1)[:, None, None]
    held = points.masked_fill(~valid[..., None], 0.0)
    mean = held.sum(1, keepdim=True) / count
    centred = (held - mean).masked_fill(~valid[..., None], 0.0)
    scale = centred.square().sum(1, keepdim=True).sqrt()
    # A constant far from zero is constant up to rounding.
    constant = scale <= FLAT * count.sqrt() * mean.abs()
    unit = torch.where(constant, 0.0, centred / torch.where(constant, 1.0, scale))
    eigenvalues, axes = torch.linalg.eigh(unit.mT @ unit)
    kept = eigenvalues > FLAT * eigenvalues[:, -1:].clamp(min=FLAT)
    white = unit @ (axes * torch.where(kept, eigenvalues, math.inf).rsqrt()[:, None])
    return white, kept.sum(-1)


def _at(table: Tensor, position: Tensor) -> Tensor:
    """(B, m) and (B,) -> (B,)."""
    return table.gather(-1, position[:, None])[:, 0]


GAUSSIAN = Estimator(prepare=as_float64, select=select_points, estimate=gaussian)
