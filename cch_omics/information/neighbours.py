"""Distances of one space, shared by the nearest-neighbour estimators.

A distance matrix is computed once per space and item; every half-sample is a selection of its rows and columns. An
infinite distance means *not a neighbour*: a sample to itself, or anything to padding. So the estimators need no
further masks.
"""

import math

import torch
from torch import Tensor

# Counting distances strictly below the smallest normal number counts the zeros, that is the duplicates.
TINY = torch.finfo(torch.float64).tiny


def chebyshev(points: Tensor, valid: Tensor) -> Tensor:
    """Distances in the maximum norm.

    Parameters
    ----------
    points
        (B, n, d) points of B items, any floating type.
    valid
        (B, n) False on padding.

    Returns
    -------
    Tensor
        (B, n, n) float64, infinite on the diagonal and wherever a sample is not valid.
    """
    # Padding may hold NaN.
    held = points.to(torch.float64).masked_fill(~valid[..., None], 0.0)
    if points.is_cuda:
        # Coordinate by coordinate; there, torch.cdist has a block of threads for each distance.
        distances = torch.zeros(*valid.shape, valid.shape[1], dtype=torch.float64, device=points.device)
        for here in held.unbind(-1):
            torch.maximum(distances, (here[:, :, None] - here[:, None, :]).abs_(), out=distances)
    else:
        distances = torch.cdist(held, held, p=math.inf)
    if not bool(valid.all()):
        distances.masked_fill_(~(valid[:, :, None] & valid[:, None, :]), math.inf)
    distances.diagonal(dim1=-2, dim2=-1).fill_(math.inf)
    return distances


def select(distances: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Distances among selected samples.

    Parameters
    ----------
    distances
        (B, n, n) of `chebyshev`.
    index
        (B, S, b) positions of the samples of S selections, none twice.
    valid
        (B, S, b) False on padding of `index`.

    Returns
    -------
    Tensor
        (B * S, b, b), infinite on the diagonal and on padding. `distances` themselves if each item has one selection,
        of everything.
    """
    items, n = distances.shape[0], distances.shape[1]
    selections, size = index.shape[1:]
    if (
        selections == 1
        and size == n
        and bool(valid.all())
        and bool((index == torch.arange(n, device=index.device)).all())
    ):
        return distances
    flat = (index[..., :, None] * n + index[..., None, :]).view(items, -1)
    selected = distances.view(items, n * n).gather(1, flat).view(items * selections, size, size)
    valid = valid.reshape(items * selections, size)
    return selected.masked_fill_(~(valid[:, :, None] & valid[:, None, :]), math.inf)


def smallest(distances: Tensor, neighbours: int) -> Tensor:
    """(B, n, min(k, n)) distances to the nearest neighbours, increasing; infinite where there are too few."""
    k = min(neighbours, distances.shape[-1])
    return torch.topk(distances, k, dim=-1, largest=False, sorted=True).values


def digamma_table(largest: int, device: torch.device) -> Tensor:
    """(largest + 1,) float64: psi(0) .. psi(largest), with 0 for psi(0), which no sample that counts needs."""
    table = torch.digamma(torch.arange(largest + 1, dtype=torch.float64, device=device))
    table[0] = 0.0
    return table


def coincide(distances: Tensor) -> Tensor:
    """(B, n, n) -> (B,) whether samples coincide."""
    return distances.amin((-2, -1)) == 0
