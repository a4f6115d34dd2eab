"""Mutual information of variables that are partly continuous and partly discrete, from nearest neighbours.

Gao, Kannan, Oh, Viswanath (2017), Estimating mutual information for discrete-continuous mixtures, NeurIPS 30,
algorithm 1.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.estimators import Estimator
from cch_omics.information.neighbours import TINY, chebyshev, coincide, digamma_table, mean_over, select, smallest
from cch_omics.information.result import Estimates


def mixed(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """Gao's estimator on B items of points (B, n, dx) and (B, n, dy), `valid` (B, n); as `mixed_from_distances`."""
    return mixed_from_distances(chebyshev(x, valid), chebyshev(y, valid), valid, neighbours=neighbours)


def mixed_from_distances(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """I(X;Y) = log N + < psi(k_i) - psi(n_x) - psi(n_y) >.

    rho_i is the distance of sample i to its k-th neighbour in the joint space with the maximum norm; n_x and n_y
    count the samples strictly nearer to i than rho_i in x, in y, i included; k_i = k. Where rho_i = 0, all three
    count the samples at i's point, i included: of discrete variables this is the plug-in estimate with psi for log.

    This is the authors' program (github.com/wgao9/mixed_KSG). The paper writes log(n + 1), with the samples at rho_i
    counted, for psi(n), which is the same for large k; with k = 3 it gives a constant and a continuous variable
    psi(3) - log(4) = -0.46 nats.

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
        NaN where N <= k. Flag `ties`: samples that coincide in x or in y. They are what the estimator is made for.
    """
    n, size = valid.sum(-1), valid.shape[-1]
    flags = {"ties": coincide(x) | coincide(y)}
    if size <= neighbours:
        return Estimates(torch.full(n.shape, math.nan, dtype=torch.float64, device=x.device), n, flags)
    joint = torch.maximum(x, y)
    radius = smallest(joint, neighbours)[..., -1:]
    k_i = torch.where(radius[..., 0] == 0, (joint == 0).sum(-1) + 1, neighbours)
    within = radius.clamp(min=TINY)
    n_x, n_y = (x < within).sum(-1) + 1, (y < within).sum(-1) + 1
    psi = digamma_table(size, x.device)
    value = n.double().log() + mean_over(psi[k_i] - psi[n_x] - psi[n_y], valid)
    return Estimates(torch.where(n > neighbours, value, math.nan), n, flags)


MIXED = Estimator(prepare=chebyshev, select=select, estimate=mixed_from_distances)
