"""Points of one space, shared by the estimators that need no distances."""

import torch
from torch import Tensor


def hold_points(points: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) points, (B, n) valid -> (B, n, d) float64, zero on padding, which may hold NaN."""
    return points.to(torch.float64).masked_fill(~valid[..., None], 0.0)


def select_points(points: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Points of selected samples.

    Parameters
    ----------
    points
        (B, n, d) of `hold_points`.
    index
        (B, S, b) positions of the samples of S selections.
    valid
        (B, S, b) False on padding of `index`.

    Returns
    -------
    Tensor
        (B * S, b, d), zero on padding.
    """
    items, _, columns = points.shape
    flat = index.reshape(items, -1, 1).expand(-1, -1, columns)
    selected = points.gather(1, flat).view(-1, index.shape[-1], columns)
    return selected.masked_fill(~valid.reshape(-1, index.shape[-1], 1), 0.0)
