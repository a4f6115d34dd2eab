"""Halves of samples, one to learn from and one to estimate from; shared by the estimators that learn."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cch_omics.information.half_samples import compress
from cch_omics.information.points import select_points

# Of a training half, one sample in so many says when to stop.
STOP_EVERY = 5
# Relative to the mean: a column that varies less is constant up to rounding.
FLAT = 1e-12


class Part(NamedTuple):
    """Samples of M networks: x (M, b, dx) and y (M, b, dy), float32, zero on padding; members (M, b)."""

    x: Tensor
    y: Tensor
    members: Tensor

    @property
    def weights(self) -> Tensor:
        """(M, b) equal weights that sum to one over the members."""
        return self.members.float() / self.members.sum(-1, keepdim=True).clamp(min=1)


class CrossFit(NamedTuple):
    """What each network learns from, is stopped by, and is used on."""

    train: Part
    stop: Part
    held_out: Part


def cross_fit(x: Tensor, y: Tensor, valid: Tensor, *, repeats: int, seed: int) -> CrossFit:
    """Halve the samples of each item at random, R times; each half is the held-out one of one network.

    Samples are drawn by their rank in the sum of x's columns, not by their place in the table: the order of the table
    and the scale of x do not matter. x and y are each centred and divided by one number, the root mean variance of
    their columns, in the training samples. As elsewhere, the relative scale of columns is left as it is and matters.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, anything on padding.
    valid
        (B, n) False on padding.

    Returns
    -------
    CrossFit
        Of B * 2 R networks, the ones of an item side by side.
    """
    n = valid.shape[-1]
    order = x.sum(-1).masked_fill(~valid, math.inf)
    place = order.argsort(dim=-1, stable=True).argsort(-1)
    # A generator each: the first numbers are the same whatever the padding.
    keys = [torch.rand(n, generator=torch.Generator().manual_seed(seed + repeat)) for repeat in range(repeats)]
    drawn = torch.stack([key.to(x.device)[place] for key in keys], 1).masked_fill(~valid[:, None], math.inf)
    rank = drawn.argsort(-1).argsort(-1)[:, :, None]

    half = torch.arange(2, device=x.device)[:, None]
    held_out = valid[:, None, None] & (rank % 2 == half)
    learns = valid[:, None, None] & ~held_out
    stop = learns & (rank // 2 % STOP_EVERY == STOP_EVERY - 1)
    chosen = [compress(part.flatten(1, 2)) for part in (learns & ~stop, stop, held_out)]

    members = [kept.flatten(0, 1) for _, kept in chosen]
    scaled = []
    for points in (x, y):
        selected = [select_points(points, *selection) for selection in chosen]
        mean, scale = _moments(selected[0], members[0])
        scaled.append(
            [
                ((values - mean) / scale).float().masked_fill(~kept[..., None], 0.0)
                for values, kept in zip(selected, members, strict=True)
            ]
        )
    return CrossFit(*(Part(*arrays) for arrays in zip(*scaled, members, strict=True)))


def _moments(points: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """(M, 1, d) mean over the members and (M, 1, 1) root mean variance of the columns; infinite if all are constant."""
    count = members.sum(-1).clamp(min=1)[:, None, None]
    held = points.masked_fill(~members[..., None], 0.0)
    mean = held.sum(1, keepdim=True) / count
    variance = (held - mean).masked_fill(~members[..., None], 0.0).square().sum(1, keepdim=True) / count
    varies = variance.sqrt() > FLAT * mean.abs()
    spread = torch.where(varies, variance, 0.0).mean(-1, keepdim=True).sqrt()
    return mean, torch.where(spread > 0, spread, math.inf)


def constant_columns(points: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) -> (B,) whether a column has one value."""
    lowest = points.masked_fill(~valid[..., None], math.inf).amin(1)
    highest = points.masked_fill(~valid[..., None], -math.inf).amax(1)
    return (lowest == highest).any(-1)


def bytes_of_one(x: Tensor, y: Tensor, size: int) -> int:
    """Of one selection of so many samples of (..., dx) and (..., dy): float32 activations of four networks."""
    return 4 * 4 * size * (x.shape[-1] + y.shape[-1] + 16)
