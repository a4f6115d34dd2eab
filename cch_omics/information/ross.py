"""Mutual information of a continuous variable and a label from nearest neighbours.

Ross (2014), Mutual information between discrete and continuous data sets, PLoS ONE 9, e87357, equation 6.
"""

import math

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.masked import mean_over
from cch_omics.information.neighbours import chebyshev, coincide, digamma_table, select, smallest
from cch_omics.information.selections import members, within_nearest

# A label that nobody has: padding belongs to no class.
NO_LABEL = torch.iinfo(torch.int64).min


def ross(x: Tensor, labels: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """I(X;Y) = psi(N) + < psi(k_i) > - < psi(N_y) > - < psi(m_i) >.

    d_i is the distance of sample i to its k_i-th neighbour of the same class, m_i the number of samples of any
    class within d_i (that neighbour included, i not), N_y the size of i's class, and k_i = min(k, N_y - 1). A
    sample alone in its class has no such neighbour: it is left out of every count, N included.

    With duplicates, more than k_i samples of the class can lie within d_i: k_i is then their number. Without them
    this is Ross's formula; with them a constant variable has about no information. No noise is added; they are
    flagged (`ties`).

    Returns
    -------
    Estimates
        NaN where fewer than two classes have two samples. Flags: `ties`, samples that coincide; `class_left_out`, a
        class has one sample; `neighbours_lowered`, a class that counts has at most k samples.
    """
    same = labels[:, :, None] == labels.masked_fill(~valid, NO_LABEL)[:, None, :]
    others = same.sum(-1) - 1
    counted = valid & (others > 0)
    n = counted.sum(-1)

    nearest = smallest(x.masked_fill(~same, math.inf), neighbours)
    position = others.clamp(min=1, max=nearest.shape[-1]) - 1
    # A sample that is left out is within reach of nobody; its own row does not enter the means.
    within = (x <= nearest.gather(-1, position[..., None])) & counted[:, None, :]
    k_i, m_i = (within & same).sum(-1), within.sum(-1)

    psi = digamma_table(valid.shape[-1], x.device)
    value = psi[n] + mean_over(psi[k_i] - psi[others + 1] - psi[m_i], counted)
    two_classes = (counted & (others + 1 < n[:, None])).any(-1)
    flags = {
        "ties": coincide(x),
        "class_left_out": (valid & ~counted).any(-1),
        "neighbours_lowered": (counted & (others < neighbours)).any(-1),
    }
    return Estimates(torch.where(two_classes, value, math.nan), n, flags)


def ross_of_selections(x: Tensor, labels: Tensor, index: Tensor, valid: Tensor, *, neighbours: int) -> Estimates | None:
    """`ross` of S selections of the same samples, on a CPU.

    Arguments are those of `estimators.run`, with distances. None where samples coincide: their case is left to the
    other function.
    """
    items, n = x.shape[:2]
    keep = members(index, valid, n)  # (B, n, S)
    codes = np.unique(labels.numpy(), return_inverse=True)[1].reshape(items, n)
    in_class = np.stack([(keep & (codes == c)[..., None]).sum(1) for c in range(codes.max() + 1)], 1)
    others = np.take_along_axis(in_class, codes[..., None], 1) - 1  # (B, n, S)
    counted = keep & (others > 0)
    size = counted.sum(1)

    same = x.masked_fill(labels[:, :, None] != labels[:, None, :], math.inf).view(items * n, n).numpy()
    counts = within_nearest(
        same.__getitem__,
        [x.reshape(items * n, n).numpy(), same],
        keep,
        [counted, keep],
        np.where(counted, np.minimum(others, neighbours), 0),
        strictly=False,
    )
    if counts is None:
        return None
    m_i, k_i = counts
    psi = digamma_table(n, x.device).numpy()
    terms = psi.take(np.maximum(others, 0) + 1) + psi.take(m_i) - psi.take(k_i)
    total = np.where(counted, terms, 0.0).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = psi[size] - total / size
    two_classes = (counted & (others + 1 < size[:, None])).any(1)
    flags = {
        "ties": np.zeros_like(two_classes),
        "class_left_out": (keep & ~counted).any(1),
        "neighbours_lowered": (counted & (others < neighbours)).any(1),
    }
    return Estimates(
        torch.from_numpy(np.where(two_classes, value, math.nan)),
        torch.from_numpy(size),
        {flag: torch.from_numpy(found) for flag, found in flags.items()},
    )


ROSS = Estimator(ross, chebyshev, select, of_selections=ross_of_selections)
