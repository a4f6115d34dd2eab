"""Mutual information of two continuous variables from nearest neighbours (KSG).

Kraskov, Stoegbauer, Grassberger (2004), Estimating mutual information, Phys. Rev. E 69, 066138, equation 8.
"""

import math

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.estimators import Estimator
from cch_omics.information.neighbours import TINY, chebyshev, coincide, digamma_table, mean_over, select, smallest
from cch_omics.information.result import Estimates
from cch_omics.information.selections import members, within_nearest


def ksg(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """KSG's algorithm 1 on B items at once.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points.
    valid
        (B, n) False on padding: items may differ in size.
    neighbours
        k.

    Returns
    -------
    Estimates
        As `ksg_from_distances`.
    """
    return ksg_from_distances(chebyshev(x, valid), chebyshev(y, valid), valid, neighbours=neighbours)


def ksg_from_distances(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates:
    """I(X;Y) = psi(k) + psi(N) - < psi(n_x + 1) + psi(n_y + 1) >.

    eps_i is the distance of sample i to its k-th neighbour in the joint space with the maximum norm; n_x and n_y
    count the other samples whose distance to i in x, in y, is *strictly* less than eps_i.

    Duplicates break the assumption of a density, and are flagged (`ties`). No noise is added. Only where eps_i = 0
    has the formula no meaning: there k is the number of duplicates of i in the joint space, and n_x and n_y those
    in x and in y, as in Gao et al. (2017). So a constant variable has about no information.

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
    k, n, size = neighbours, valid.sum(-1), valid.shape[-1]
    flags = {"ties": coincide(x) | coincide(y)}
    if size <= k:
        return Estimates(torch.full(n.shape, math.nan, dtype=torch.float64, device=x.device), n, flags)
    joint = torch.maximum(x, y)
    radius = smallest(joint, k)[..., -1:]
    duplicates = (joint == 0).sum(-1) if bool((radius == 0).any()) else k
    k_i = torch.where(radius[..., 0] == 0, duplicates, k)
    # Strictly less than the radius; where that is 0, the duplicates.
    within = radius.clamp(min=TINY)
    n_x, n_y = (x < within).sum(-1), (y < within).sum(-1)

    psi = digamma_table(size, x.device)
    value = psi[n] + mean_over(psi[k_i] - psi[n_x + 1] - psi[n_y + 1], valid)
    return Estimates(torch.where(n > k, value, math.nan), n, flags)


def ksg_of_selections(x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int = 3) -> Estimates | None:
    """`ksg_from_distances` of S selections of the same samples, on a CPU.

    Parameters
    ----------
    x, y
        (B, n, n) distances of each space.
    index, valid
        (B, S, b) positions of the samples, and which of them are not padding.
    neighbours
        k.

    Returns
    -------
    Estimates
        Arrays (B, S). None where samples coincide, in x or in y: their case is left to the other function.
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


KSG = Estimator(prepare=chebyshev, select=select, estimate=ksg_from_distances, of_selections=ksg_of_selections)
