"""Points of one space, shared by the estimators that need no distances."""

import torch
from torch import Tensor


def as_float64(points: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) points, (B, n) valid -> the same in float64; padding is left to the estimators, which mask it."""
    return points.to(torch.float64)


def select_points(points: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Points of selected samples.

    Parameters
    ----------
    points
        (B, n, d).
    index
        (B, S, b) positions of the samples of S selections.
    valid
        (B, S, b) False on padding of `index`, which is left to the estimators.

    Returns
    -------
    Tensor
        (B * S, b, d), anything on padding.
    """
    items, _, columns = points.shape
    flat = index.reshape(items, -1, 1).expand(-1, -1, columns)
    return points.gather(1, flat).view(-1, index.shape[-1], columns)
