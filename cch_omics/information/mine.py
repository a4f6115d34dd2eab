"""Mutual information by the Donsker-Varadhan representation with a learned critic (MINE).

Belghazi, Baratin, Rajeshwar, Ozair, Bengio, Courville, Hjelm (2018), Mutual information neural estimation, ICML. Its
limits: McAllester, Stratos (2020), Formal limitations on the measurement of mutual information, AISTATS; Song, Ermon
(2020), Understanding the limitations of variational mutual information estimators, ICLR.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.critics import FITTING, held_out_bound, joint
from cch_omics.information.cross_fit import bytes_of_one
from cch_omics.information.estimators import Estimator
from cch_omics.information.networks import Fitting
from cch_omics.information.points import as_float64, select_points
from cch_omics.information.result import Estimates


def mine(
    x: Tensor,
    y: Tensor,
    valid: Tensor,
    *,
    neighbours: int = 0,
    repeats: int = 2,
    seed: int = 0,
    fitting: Fitting = FITTING,
) -> Estimates:
    """I(X;Y) >= < f(x_i, y_i) > - log[ 1/(m (m - 1)) sum_{i != j} exp f(x_i, y_j) ], over m held-out samples.

    A lower bound for any critic f in the limit of large m only: the logarithm of a mean of few samples is too small,
    and where information is much the mean is carried by samples that are rarer than 1/m^2 (Song & Ermon). All
    m (m - 1) other pairs are used, so no gradient of a minibatch needs a correction.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, anything on padding.
    valid
        (B, n) False on padding.
    neighbours
        Not used; here so that estimators can be exchanged.
    repeats, seed, fitting
        As in `critics.held_out_bound`.

    Returns
    -------
    Estimates
        As `critics.held_out_bound`.
    """
    return held_out_bound(x, y, valid, bound=donsker_varadhan, repeats=repeats, seed=seed, fitting=fitting)[0]


def donsker_varadhan(scores: Tensor, members: Tensor) -> Tensor:
    """(M, m, m) scores, (M, m) members -> (M,) the bound."""
    count = members.sum(-1)
    others = members[:, :, None] & members[:, None, :]
    others = others & ~torch.eye(members.shape[-1], dtype=torch.bool, device=members.device)
    unrelated = scores.masked_fill(~others, -math.inf).flatten(1).logsumexp(-1)
    return joint(scores, members) - unrelated + torch.log((count * (count - 1)).to(scores.dtype))


MINE = Estimator(prepare=as_float64, select=select_points, estimate=mine, memory=bytes_of_one)
