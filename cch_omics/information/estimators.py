"""The one way in which all estimators are run on selections of samples."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cch_omics.information.result import Estimates

# Bytes of what is estimated from at once: about a processor's cache, and enough to keep a GPU busy.
CHUNK = {"cpu": 2**22, "cuda": 2**28}
# Selections from which on their samples are looked up together.
MANY = 8


def bytes_of_distances(x: Tensor, y: Tensor, size: int) -> int:
    """Of one selection of so many samples: its distances in float64."""
    return 8 * size * size


@dataclass(frozen=True)
class Estimator:
    """An estimator of I(X;Y), in nats; `registry.Entry` says what it is.

    Attributes
    ----------
    prepare
        (B, n, d) points and (B, n) valid -> what the estimator needs of a space. Computed once, used by all selections.
    select
        What was prepared, (B, S, b) positions and (B, S, b) valid -> the same of B * S selections.
    estimate
        (x, y, valid, neighbours=k) of prepared spaces, or a space and (B, n) classes -> Estimates.
    memory
        (prepared x, prepared y, b) -> bytes of the largest array that a selection of b samples takes.
    of_selections
        (x, y, index, valid, neighbours=k) as of `run` -> its Estimates, by what many selections of the same samples
        share; None where that has no answer.
    """

    prepare: Callable[[Tensor, Tensor], Tensor]
    select: Callable[[Tensor, Tensor, Tensor], Tensor]
    estimate: Callable[..., Estimates]
    memory: Callable[[Tensor, Tensor, int], int] = bytes_of_distances
    of_selections: Callable[..., Estimates | None] | None = None


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
    found = _estimates(estimator, x, y, index, valid, neighbours=neighbours)
    return Estimates(found.value, found.n, {"too_few_samples": found.value.isnan()} | found.flags)


def _estimates(
    estimator: Estimator, x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int
) -> Estimates:
    """As `run`, with the estimator's own flags."""
    items, selections, size = index.shape
    if estimator.of_selections is not None and index.device.type == "cpu" and selections >= MANY:
        estimates = estimator.of_selections(x, y, index, valid, neighbours=neighbours)
        if estimates is not None:
            return estimates
    step = max(1, CHUNK[index.device.type] // (items * max(1, estimator.memory(x, y, size))))
    parts = []
    for start in range(0, selections, step):
        chosen, kept = index[:, start : start + step], valid[:, start : start + step]
        selected_x = estimator.select(x, chosen, kept)
        if y.ndim == 2:
            selected_y = y[:, None].expand(-1, chosen.shape[1], -1).gather(-1, chosen).flatten(0, 1)
        else:
            selected_y = estimator.select(y, chosen, kept)
        parts.append(estimator.estimate(selected_x, selected_y, kept.flatten(0, 1), neighbours=neighbours))
    return Estimates(
        value=torch.cat([part.value.view(items, -1) for part in parts], 1),
        n=torch.cat([part.n.view(items, -1) for part in parts], 1),
        flags={flag: torch.cat([part.flags[flag].view(items, -1) for part in parts], 1) for flag in parts[0].flags},
    )
