"""Lower bounds of mutual information from a critic, a score of how much a pair looks like a joint sample.

InfoNCE: van den Oord, Li, Vinyals (2018), Representation learning with contrastive predictive coding, arXiv 1807.03748;
as a bound: Poole, Ozair, van den Oord, Alemi, Tucker (2019), On variational bounds of mutual information, ICML.

MINE: Belghazi, Baratin, Rajeshwar, Ozair, Bengio, Courville, Hjelm (2018), Mutual information neural estimation, ICML.
Its limits: McAllester, Stratos (2020), Formal limitations on the measurement of mutual information, AISTATS; Song,
Ermon (2020), Understanding the limitations of variational mutual information estimators, ICLR.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.learning import Fitting, Part, cross_fit, estimates, fit, perceptrons

EMBEDDING = 8
FITTING = Fitting(epochs=400, patience=30, learning_rate=0.01)
# Fewer samples leave less than five to stop by, and estimates of any size below zero.
FEWEST = 50
# Nearer to log m than this, InfoNCE says more of m than of the data.
NEAR = 1.5


def infonce(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """I(X;Y) >= < f(x_i, y_i) - log[ (1/m) sum_j exp f(x_i, y_j) ] >, over m held-out samples.

    The mean of this and of the same with the roles of X and Y exchanged. In expectation a lower bound for any critic f
    that has not seen the m samples. **Never above log m**, m being half of n: flag `near_limit` where the estimate is
    within 1.5 nats of it. All else as `held_out_bound`.
    """
    found = held_out_bound(x, y, valid, infonce_bound)
    near = found.value > (found.n // 2).clamp(min=1).double().log() - NEAR
    return Estimates(found.value, found.n, found.flags | {"near_limit": near})


def mine(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """I(X;Y) >= < f(x_i, y_i) > - log[ 1/(m (m - 1)) sum_{i != j} exp f(x_i, y_j) ], over m held-out samples.

    A lower bound for any critic f in the limit of large m only: the logarithm of a mean of few samples is too small,
    and where information is much the mean is carried by samples that are rarer than 1/m^2 (Song & Ermon). All
    m (m - 1) other pairs are used, so no gradient of a minibatch needs a correction. All else as `held_out_bound`.
    """
    return held_out_bound(x, y, valid, donsker_varadhan)


def held_out_bound(x: Tensor, y: Tensor, valid: Tensor, bound: Callable[[Tensor, Tensor], Tensor]) -> Estimates:
    """Fit critics to halves of the samples so that the bound is largest, and take the bound on the other halves.

    Critics are f(x, y) = g(x) . h(y): all pairs of samples cost one matrix product. h starts at zero, and with it every
    score: where no step makes the bound larger on the samples that say when to stop, the estimate is 0.

    Parameters
    ----------
    x, y, valid
        As of `estimators.Estimator.estimate`.
    bound
        (M, b, b) scores of all pairs, with the joint samples on the diagonal, and (M, b) members -> (M,) nats.

    Returns
    -------
    Estimates
        The mean over halves and repeats, NaN where n < 50; flags as `learning.estimates`.
    """
    train, stop, held_out = cross_fit(x, y, valid)
    networks = perceptrons([(points.shape[-1], EMBEDDING) for points in (x, y)], train, len(valid))
    g, h = networks
    nn.init.zeros_(h.output)

    def scores(part: Part) -> Tensor:
        found: Tensor = g(part.x) @ h(part.y).mT
        return found

    converged = fit(networks, lambda part: -bound(scores(part), part.members), train, stop, FITTING)
    with torch.no_grad():
        found = bound(scores(held_out).double(), held_out.members)
    return estimates(x, y, valid, found, converged, valid.sum(-1) >= FEWEST)


def infonce_bound(scores: Tensor, members: Tensor) -> Tensor:
    """(M, m, m) scores, (M, m) members -> (M,) the bound, the mean of both directions."""
    share = members.to(scores.dtype) / members.sum(-1, keepdim=True)
    among_y = scores.masked_fill(~members[:, None, :], -math.inf).logsumexp(2)
    among_x = scores.masked_fill(~members[:, :, None], -math.inf).logsumexp(1)
    total = (0.5 * (among_x + among_y)).masked_fill(~members, 0.0)
    return _joint(scores, members) - (share * total).sum(-1) + torch.log(members.sum(-1).to(scores.dtype))


def donsker_varadhan(scores: Tensor, members: Tensor) -> Tensor:
    """(M, m, m) scores, (M, m) members -> (M,) the bound."""
    count = members.sum(-1)
    others = members[:, :, None] & members[:, None, :]
    others = others & ~torch.eye(members.shape[-1], dtype=torch.bool, device=members.device)
    unrelated = scores.masked_fill(~others, -math.inf).flatten(1).logsumexp(-1)
    return _joint(scores, members) - unrelated + torch.log((count * (count - 1)).to(scores.dtype))


def _joint(scores: Tensor, members: Tensor) -> Tensor:
    """(M,) mean score of the joint samples, the diagonal."""
    diagonal = scores.diagonal(dim1=-2, dim2=-1).masked_fill(~members, 0.0)
    return diagonal.sum(-1) / members.sum(-1)


INFONCE = Estimator(infonce)
MINE = Estimator(mine)
