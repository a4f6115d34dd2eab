"""Means over samples of which some are padding."""

import torch
from torch import Tensor


def centred(points: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """(B, n, d) points around the mean of the (B, n) members, zero on what is no member; and (B, 1, d) this mean."""
    held = points.masked_fill(~members[..., None], 0.0)
    mean = held.sum(1, keepdim=True) / members.sum(-1).clamp(min=1)[:, None, None]
    return (held - mean).masked_fill(~members[..., None], 0.0), mean


def mean_over(values: Tensor, members: Tensor) -> Tensor:
    """(B, n) -> (B,) mean over the members of each item; NaN where there is none."""
    return torch.where(members, values, 0.0).sum(-1) / members.sum(-1)
