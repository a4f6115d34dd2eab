"""Mutual information of two continuous variables from nearest neighbours, in rectangles (KSG's second algorithm).

Kraskov, Stoegbauer, Grassberger (2004), Estimating mutual information, Phys. Rev. E 69, 066138, equation 9.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.neighbours import chebyshev, coincide, digamma_table, mean_over, smallest
from cch_omics.information.result import Estimates


def ksg2(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """KSG's algorithm 2 on B items of points (B, n, dx) and (B, n, dy), `valid` (B, n); as `ksg2_from_distances`."""
    return ksg2_from_distances(chebyshev(x, valid), chebyshev(y, valid), valid, neighbours=neighbours)


def ksg2_from_distances(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """I(X;Y) = psi(k) - 1/k + psi(N) - < psi(n_x) + psi(n_y) >.

    Of the k nearest neighbours of sample i in the joint space with the maximum norm, the farthest in x is at eps_x,
    the farthest in y at eps_y; n_x counts the other samples *within* eps_x in x, n_y those within eps_y in y.

    Where several samples are as far as the k-th neighbour, all are neighbours of i, and k is their number for i.
    The term 1/k is there because a neighbour lies on each of two borders of the rectangle: where it has no extent
    in x or in y (duplicates), the term is left out, so that a constant variable has about no information.

    Parameters
    ----------
    x, y
        (B, n, n) distances of each space, infinite on the diagonal and on padding (`neighbours.chebyshev`).
    valid
        (B, n) False on padding.
    neighbours
        k.

    Returns
    -------
    Estimates
        NaN where N <= k. Flag `ties`: samples that coincide in x or in y.
    """
    n, size = valid.sum(-1), valid.shape[-1]
    flags = {"ties": coincide(x) | coincide(y)}
    if size <= neighbours:
        return Estimates(torch.full(n.shape, math.nan, dtype=torch.float64, device=x.device), n, flags)
    joint = torch.maximum(x, y)
    others = joint > smallest(joint, neighbours)[..., -1:]
    k_i = size - others.sum(-1)
    reach_x, reach_y = x.masked_fill(others, 0.0).amax(-1), y.masked_fill(others, 0.0).amax(-1)
    n_x, n_y = (x <= reach_x[..., None]).sum(-1), (y <= reach_y[..., None]).sum(-1)

    psi = digamma_table(size, x.device)
    borders = torch.where((reach_x > 0) & (reach_y > 0), 1 / k_i.double(), 0.0)
    value = psi[n] + mean_over(psi[k_i] - borders - psi[n_x] - psi[n_y], valid)
    return Estimates(torch.where(n > neighbours, value, math.nan), n, flags)
