"""Mutual information of two jointly Gaussian variables, without the bias of estimated covariances.

The expectation of the log-determinant of a Wishart matrix is Goodman (1963), Ann. Math. Stat. 34, 152; its use for
entropies is Misra, Singh, Demchuk (2005), J. Multivariate Anal. 92, 324.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.masked import centred

# Relative to the largest eigenvalue of a correlation matrix: below it, a direction counts as constant.
FLAT = 1e-12
# Canonical correlations nearer to one than rounding tells apart.
CERTAIN = 1e-12


def gaussian(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """I(X;Y) = [log|S_x| + log|S_y| - log|S_xy|] / 2 - [f(p) + f(q) - f(p + q)] / 2,  f(d) = sum_i psi((n - i) / 2).

    S are scatter matrices of n samples around their mean, i runs from 1 to d. Of Gaussian data with covariance
    Sigma, E log|S| = log|Sigma| + d log 2 + f(d): the difference is unbiased. The first bracket is computed as
    -sum log(1 - r^2) over canonical correlations r, which no invertible linear map of X or of Y changes.

    Directions without variance (constant or collinear columns) carry nothing and are left out: p and q are ranks.

    Returns
    -------
    Estimates
        NaN where p + q >= n - 1; infinite where a direction of Y is a linear function of X (flag `deterministic`).
        Flag `columns_left_out`: p < dx or q < dy.
    """
    n = valid.sum(-1)
    plug_in, p, q = by_canonical_correlations(x, y, valid)
    value = plug_in - bias(n, p, q)
    flags = {
        "deterministic": value.isposinf(),
        "columns_left_out": (n > 0) & ((p < x.shape[-1]) | (q < y.shape[-1])),
    }
    return Estimates(value, n, flags)


def by_canonical_correlations(x: Tensor, y: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, n, dx) and (B, n, dy) -> (B,) -sum log(1 - r^2) / 2, infinite where an r is one; (B,) ranks p and q."""
    white_x, p = _whitened(x, valid)
    white_y, q = _whitened(y, valid)
    squared = torch.linalg.svdvals(white_x.mT @ white_y).square()
    return -0.5 * torch.log1p(-squared.masked_fill(squared > 1 - CERTAIN, 1.0)).sum(-1), p, q


def bias(n: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """(B,) -> (B,) [f(p) + f(q) - f(p + q)] / 2; NaN where p + q >= n - 1."""
    index = torch.arange(1, int((p + q).max()) + 1, device=n.device)
    terms = torch.digamma((n[:, None] - index).clamp(min=1).double() / 2)
    f = torch.nn.functional.pad(terms.cumsum(-1), (1, 0))

    def at(position: Tensor) -> Tensor:
        return f.gather(-1, position[:, None])[:, 0]

    return (0.5 * (at(p) + at(q) - at(p + q))).masked_fill(p + q >= n - 1, math.nan)


def _whitened(points: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(B, n, d) -> (B, n, d) orthonormal columns, zero where there is no direction left, and (B,) how many are."""
    around, mean = centred(points, valid)
    scale = around.square().sum(1, keepdim=True).sqrt()
    # A constant far from zero is constant up to rounding.
    constant = scale <= FLAT * valid.sum(-1).clamp(min=1)[:, None, None].sqrt() * mean.abs()
    unit = torch.where(constant, 0.0, around / torch.where(constant, 1.0, scale))
    eigenvalues, axes = torch.linalg.eigh(unit.mT @ unit)
    kept = eigenvalues > FLAT * eigenvalues[:, -1:].clamp(min=FLAT)
    white = unit @ (axes * torch.where(kept, eigenvalues, math.inf).rsqrt()[:, None])
    return white, kept.sum(-1)


GAUSSIAN = Estimator(gaussian)
