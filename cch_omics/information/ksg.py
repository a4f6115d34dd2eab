"""Mutual information from nearest neighbours: of two continuous variables (KSG), and of partly discrete ones (mixed).

Kraskov, Stoegbauer, Grassberger (2004), Estimating mutual information, Phys. Rev. E 69, 066138, equation 8.

Gao, Kannan, Oh, Viswanath (2017), Estimating mutual information for discrete-continuous mixtures, NeurIPS 30,
algorithm 1.
"""

import math

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.masked import mean_over
from cch_omics.information.neighbours import TINY, chebyshev, coincide, digamma_table, select, smallest
from cch_omics.information.selections import members, within_nearest


def ksg(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """I(X;Y) = psi(k) + psi(N) - < psi(n_x + 1) + psi(n_y + 1) >.

    eps_i is the distance of sample i to its k-th neighbour in the joint space with the maximum norm; n_x and n_y
    count the other samples whose distance to i in x, in y, is *strictly* less than eps_i.

    Duplicates break the assumption of a density, and are flagged (`ties`). No noise is added. Only where eps_i = 0
    has the formula no meaning: there k is the number of duplicates of i in the joint space, and n_x and n_y those
    in x and in y, as in Gao et al. (2017). So a constant variable has about no information.

    Returns
    -------
    Estimates
        NaN where N <= k. Flag `ties`: samples that coincide in x or in y.
    """
    k_i, n_x, n_y = _counts(x, y, neighbours)
    psi, n = digamma_table(max(valid.shape[-1], neighbours), x.device), valid.sum(-1)
    value = psi[n] + mean_over(psi[k_i] - psi[n_x + 1] - psi[n_y + 1], valid)
    return Estimates(value.masked_fill(n <= neighbours, math.nan), n, {"ties": coincide(x) | coincide(y)})


def mixed(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """I(X;Y) = log N + < psi(k_i) - psi(n_x) - psi(n_y) >.

    rho_i is the distance of sample i to its k-th neighbour in the joint space with the maximum norm; n_x and n_y
    count the samples strictly nearer to i than rho_i in x, in y, i included; k_i = k. Where rho_i = 0, all three
    count the samples at i's point, i included: of discrete variables this is the plug-in estimate with psi for log.

    This is the authors' program (github.com/wgao9/mixed_KSG). The paper writes log(n + 1), with the samples at rho_i
    counted, for psi(n), which is the same for large k; with k = 3 it gives a constant and a continuous variable
    psi(3) - log(4) = -0.46 nats.

    NaN and flags are those of `ksg`; ties are what the estimator is made for.
    """
    k_i, n_x, n_y = _counts(x, y, neighbours, oneself=1)
    psi, n = digamma_table(max(valid.shape[-1], neighbours), x.device), valid.sum(-1)
    value = n.double().log() + mean_over(psi[k_i] - psi[n_x + 1] - psi[n_y + 1], valid)
    return Estimates(value.masked_fill(n <= neighbours, math.nan), n, {"ties": coincide(x) | coincide(y)})


def _counts(x: Tensor, y: Tensor, k: int, *, oneself: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """(B, n, n) distances -> (B, n) k or, of a sample whose radius is 0, its duplicates; and who else is within it.

    `oneself` is added to the duplicates. The radius is the distance to the k-th neighbour in the joint space; others in
    x and in y are counted that are strictly nearer or, where it is 0, coincide.
    """
    joint = torch.maximum(x, y)
    radius = smallest(joint, k)[..., -1:]
    k_i = torch.full(radius.shape[:-1], k, device=x.device)
    if bool((radius == 0).any()):
        k_i = torch.where(radius[..., 0] == 0, (joint == 0).sum(-1) + oneself, k_i)
    within = radius.clamp(min=TINY)
    return k_i, (x < within).sum(-1), (y < within).sum(-1)


def ksg_of_selections(x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int) -> Estimates | None:
    """`ksg` of S selections of the same samples, on a CPU.

    Arguments are those of `estimators.run`, with distances. None where samples coincide, in x or in y: their case is
    left to the other function.
    """
    items, n = x.shape[:2]
    size = valid.sum(-1)
    if n <= neighbours:
        return None
    keep = members(index, valid, n)
    # In a selection of k samples or fewer nobody has a k-th neighbour.
    asked = keep & (size > neighbours).numpy()[:, None]
    spaces = [space.reshape(items * n, n).numpy() for space in (x, y)]
    counts = within_nearest(
        lambda rows: np.maximum(spaces[0][rows], spaces[1][rows]),
        spaces,
        keep,
        [keep, keep],
        asked * np.uint8(neighbours),
        strictly=True,
    )
    if counts is None:
        return None
    table = digamma_table(n + 1, x.device)
    psi = table[1:].numpy()
    terms = psi.take(counts[0]) + psi.take(counts[1])
    terms *= asked
    value = table[neighbours] + table[size] - torch.from_numpy(terms.sum(1)) / size
    return Estimates(
        torch.where(size > neighbours, value, math.nan), size, {"ties": torch.zeros_like(size, dtype=torch.bool)}
    )


KSG = Estimator(ksg, chebyshev, select, of_selections=ksg_of_selections)
MIXED = Estimator(mixed, chebyshev, select)
