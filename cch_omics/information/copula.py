"""Mutual information of two variables whose dependence is Gaussian, whatever the distribution of each column.

Ince, Giordano, Kayser, Rousselet, Gross, Schyns (2017), A statistical framework for neuroimaging data analysis based
on mutual information estimated via a Gaussian copula, Human Brain Mapping 38, 1541.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.gaussian import gaussian
from cch_omics.information.result import Estimates


def copula(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """`gaussian` of normal scores Phi^-1(rank / (n + 1)), column by column.

    No increasing map of a column changes it. Where the copula is not Gaussian it is an approximation; Ince et al.'s
    lower bound holds for one-dimensional x and y in the limit of many samples only.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, float64, anything on padding.
    valid
        (B, n) False on padding.
    neighbours
        Not used; here so that estimators can be exchanged.

    Returns
    -------
    Estimates
        As `gaussian`; flag `ties`: equal values in a column, which share their mean rank.
    """
    scores_x, ties_x = normal_scores(x, valid)
    scores_y, ties_y = normal_scores(y, valid)
    found = gaussian(scores_x, scores_y, valid)
    return Estimates(found.value, found.n, found.flags | {"ties": ties_x | ties_y})


def normal_scores(points: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(B, n, d) -> (B, n, d) Phi^-1(rank / (n + 1)) within each column, zero on padding; (B,) whether values tie."""
    n = valid.sum(-1)[:, None, None]
    columns = points.masked_fill(~valid[..., None], math.inf).mT.contiguous()
    ordered = columns.sort(-1).values
    below = torch.searchsorted(ordered, columns)
    up_to = torch.searchsorted(ordered, columns, right=True)
    # With m equal values after b smaller ones, ranks b + 1 .. b + m: their mean.
    rank = (below + up_to + 1).double() / 2
    scores = torch.special.ndtri(rank / (n + 1)).mT.masked_fill(~valid[..., None], 0.0)
    ties = ((up_to - below > 1) & valid[:, None]).flatten(1).any(-1)
    return scores, ties
