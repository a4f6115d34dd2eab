"""What an estimator is, what it returns, and the one way in which all are run on selections of samples."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Bytes of what is estimated from at once: about a processor's cache, and enough to keep a GPU busy.
CHUNK = {"cpu": 2**22, "cuda": 2**28}
# Selections from which on their samples are looked up together.
MANY = 8


@dataclass(frozen=True)
class Estimates:
    """Mutual information of B items.

    Attributes
    ----------
    value
        (B,) nats, float64; NaN where no estimate is possible. Never clipped: a small negative value is how an estimator
        says "about none".
    n
        (B,) samples that entered.
    flags
        What was not as the estimator assumes, by name, (B,) each.
    """

    value: Tensor
    n: Tensor
    flags: dict[str, Tensor]


def points_themselves(points: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) points, for an estimator that needs no distances; padding is left to it."""
    return points


def select_points(points: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) points, (B, S, b) positions -> (B * S, b, d), anything where not `valid`, which is padding."""
    items, _, columns = points.shape
    flat = index.reshape(items, -1, 1).expand(-1, -1, columns)
    return points.gather(1, flat).view(-1, index.shape[-1], columns)


@dataclass(frozen=True)
class Estimator:
    """An estimator of I(X;Y), in nats; `registry.Entry` says what it is.

    Attributes
    ----------
    estimate
        (x, y, valid, neighbours=k) -> Estimates. x and y are what was prepared, y may be (B, n) integer classes; where
        (B, n) valid is False is padding, and anything may be there. Some have no use for k.
    prepare
        (B, n, d) float64 points and (B, n) valid -> what the estimator needs of a space: the points themselves, or
        (B, n, n) distances. Computed once, used by all selections.
    select
        What was prepared, (B, S, b) positions and (B, S, b) valid -> the same of B * S selections.
    of_gains
        Whether X is not the representation, but each sample's gain of log-likelihood (`tasks.likelihood`).
    of_selections
        (x, y, index, valid, neighbours=k) as of `run` -> its Estimates, by what many selections of the same samples
        share; None where that has no answer.
    """

    estimate: Callable[..., Estimates]
    prepare: Callable[[Tensor, Tensor], Tensor] = points_themselves
    select: Callable[[Tensor, Tensor, Tensor], Tensor] = select_points
    of_selections: Callable[..., Estimates | None] | None = None
    of_gains: bool = False


def run(estimator: Estimator, x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """Estimate from S selections of the samples of each of B items, in chunks that fit memory.

    Parameters
    ----------
    x
        What `estimator.prepare` made of X.
    y
        The same of Y, or (B, n) classes.
    index, valid
        (B, S, b) positions of the samples, and which of them are not padding.
    neighbours
        k.

    Returns
    -------
    Estimates
        Arrays (B, S). Whatever the estimator, flag `too_few_samples` where no estimate was possible.
    """
    items, selections, size = index.shape
    found = None
    if estimator.of_selections is not None and index.device.type == "cpu" and selections >= MANY:
        found = estimator.of_selections(x, y, index, valid, neighbours=neighbours)
    if found is None:
        # A selection's largest array, or about that: its distances in float64.
        step = max(1, CHUNK[index.device.type] // (items * 8 * size**2))
        parts = []
        for start in range(0, selections, step):
            chosen, kept = index[:, start : start + step], valid[:, start : start + step]
            selected_x = estimator.select(x, chosen, kept)
            if y.ndim == 2:
                selected_y = y[:, None].expand(-1, chosen.shape[1], -1).gather(-1, chosen).flatten(0, 1)
            else:
                selected_y = estimator.select(y, chosen, kept)
            parts.append(estimator.estimate(selected_x, selected_y, kept.flatten(0, 1), neighbours=neighbours))
        found = Estimates(
            value=torch.cat([part.value.view(items, -1) for part in parts], 1),
            n=torch.cat([part.n.view(items, -1) for part in parts], 1),
            flags={flag: torch.cat([part.flags[flag].view(items, -1) for part in parts], 1) for flag in parts[0].flags},
        )
    return Estimates(found.value, found.n, found.flags | {"too_few_samples": found.value.isnan()})
