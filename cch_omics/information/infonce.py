"""A lower bound of mutual information by telling joint samples from others (InfoNCE).

van den Oord, Li, Vinyals (2018), Representation learning with contrastive predictive coding, arXiv 1807.03748; as a
bound: Poole, Ozair, van den Oord, Alemi, Tucker (2019), On variational bounds of mutual information, ICML.
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

# Nearer to log m than this, the bound says more of m than of the data.
NEAR = 1.5


def infonce(
    x: Tensor,
    y: Tensor,
    valid: Tensor,
    *,
    neighbours: int = 0,
    repeats: int = 2,
    seed: int = 0,
    fitting: Fitting = FITTING,
) -> Estimates:
    """I(X;Y) >= < f(x_i, y_i) - log[ (1/m) sum_j exp f(x_i, y_j) ] >, over m held-out samples.

    The mean of this and of the same with the roles of X and Y exchanged. In expectation a lower bound for any critic f
    (`critics.held_out_bound`) that has not seen the m samples. **Never above log m**, m being half of n.

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
        As `critics.held_out_bound`; flag `near_limit`: the estimate is within 1.5 nats of log m.
    """
    found, m = held_out_bound(x, y, valid, bound=infonce_bound, repeats=repeats, seed=seed, fitting=fitting)
    near = found.value > m.clamp(min=1).double().log() - NEAR
    return Estimates(found.value, found.n, found.flags | {"near_limit": near})


def infonce_bound(scores: Tensor, members: Tensor) -> Tensor:
    """(M, m, m) scores, (M, m) members -> (M,) the bound, the mean of both directions."""
    share = members.to(scores.dtype) / members.sum(-1, keepdim=True)
    among_y = scores.masked_fill(~members[:, None, :], -math.inf).logsumexp(2)
    among_x = scores.masked_fill(~members[:, :, None], -math.inf).logsumexp(1)
    total = (0.5 * (among_x + among_y)).masked_fill(~members, 0.0)
    return joint(scores, members) - (share * total).sum(-1) + torch.log(members.sum(-1).to(scores.dtype))


INFONCE = Estimator(prepare=as_float64, select=select_points, estimate=infonce, memory=bytes_of_one)
