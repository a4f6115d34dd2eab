"""Small networks fitted as one batched computation, each stopped by itself; shared by the estimators that learn.

Parameters and data have the network as their first axis. A loss is summed over networks, so that no network's gradient
knows of another's. The optimiser is AdamW (Loshchilov, Hutter 2019, Decoupled weight decay regularization, ICLR).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from cch_omics.information.points import select_points
from cch_omics.information.subsampling import compress

# Of a training half, one sample in so many says when to stop.
STOP_EVERY = 5
# Steps between looks at the stopping loss, and the fraction of finished networks at which they leave the batch.
CHECK_EVERY = 5
FINISHED = 0.25
# Gradients far below this are rounding, which AdamW would else blow up to steps of full length: a result would depend
# on what a network is batched with.
SMALLEST = 1e-4
# Relative to the mean: a column that varies less is constant up to rounding.
FLAT = 1e-12

Parameters = tuple[Tensor, ...]


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


def initial(sizes: Sequence[int], seeds: Sequence[int], items: int, device: torch.device) -> Parameters:
    """Weights (M, in, out) and biases (M, 1, out) of perceptrons, one of each seed for every item."""
    parameters = []
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for n_in, n_out in pairwise(sizes):
        drawn = torch.stack([torch.randn(n_in, n_out, generator=generator) for generator in generators])
        parameters += [drawn.to(device).repeat(items, 1, 1) / n_in**0.5]
        parameters += [torch.zeros(items * len(seeds), 1, n_out, device=device)]
    return tuple(parameters)


def perceptron(points: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """(M, n, d) -> (M, n, out): tanh between layers, none after the last."""
    weights, biases = parameters[::2], parameters[1::2]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        points = torch.baddbmm(bias, points, weight).tanh()
    return torch.baddbmm(biases[-1], points, weights[-1])


class Fitted(NamedTuple):
    """M networks as they were where their own stopping loss was lowest.

    Attributes
    ----------
    parameters
        (M, ...) each.
    loss
        (M,) that lowest loss.
    epochs
        (M,) steps taken until then.
    converged
        (M,) whether it had stopped falling when the last step was taken.
    """

    parameters: Parameters
    loss: Tensor
    epochs: Tensor
    converged: Tensor


@dataclass(frozen=True)
class Fitting:
    """Full-batch AdamW: at most `epochs` steps; `patience` steps without a lower stopping loss end it."""

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float


def fit(
    start: Parameters, loss: Callable[[Parameters, Part], Tensor], train: Part, stop: Part, settings: Fitting
) -> Fitted:
    """Fit M networks, each until its own stopping loss has not fallen for a while; take each where that was lowest.

    Parameters
    ----------
    start
        (M, ...) each; not changed.
    loss
        (M,) of the networks, each on its own samples.
    train, stop
        Gradients come from the one, when to stop from the other.
    settings
        Of the optimiser.

    Returns
    -------
    Fitted
        Copies of the best parameters.
    """
    best = tuple(parameter.clone() for parameter in start)
    best_loss = loss(best, stop)
    best_epoch = torch.zeros_like(best_loss, dtype=torch.int64)
    converged = torch.zeros_like(best_loss, dtype=torch.bool)

    # Which network each place of the shrinking batch holds.
    network = torch.arange(len(best_loss), device=best_loss.device)
    parameters = [parameter.clone().requires_grad_() for parameter in start]
    moments = [(torch.zeros_like(parameter), torch.zeros_like(parameter)) for parameter in start]
    for epoch in range(1, settings.epochs + 1):
        gradients = torch.autograd.grad(loss(tuple(parameters), train).sum(), parameters)
        with torch.no_grad():
            _step(parameters, gradients, moments, epoch, settings)
            if epoch % CHECK_EVERY and epoch < settings.epochs:
                continue
            found = loss(tuple(parameters), stop)
            # A finished network may still be in the batch, as others are; it is not looked at again.
            better = (found < best_loss[network]) & ~converged[network]
            where = network[better]
            best_loss[where], best_epoch[where] = found[better], epoch
            for kept, parameter in zip(best, parameters, strict=True):
                kept[where] = parameter[better]
            finished = epoch - best_epoch[network] >= settings.patience
            converged[network[finished]] = True
            if finished.all():
                break
            if finished.double().mean() >= FINISHED:
                left = ~finished
                network = network[left]
                parameters = [parameter[left].clone().requires_grad_() for parameter in parameters]
                moments = [(first[left], second[left]) for first, second in moments]
                train, stop = (Part(*(array[left] for array in part)) for part in (train, stop))
    return Fitted(best, best_loss, best_epoch, converged)


def _step(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    moments: Sequence[tuple[Tensor, Tensor]],
    epoch: int,
    settings: Fitting,
) -> None:
    """One step of AdamW, in place."""
    for parameter, gradient, (first, second) in zip(parameters, gradients, moments, strict=True):
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        spread = (second / (1 - 0.999**epoch)).sqrt_().add_(SMALLEST)
        parameter.mul_(1 - settings.learning_rate * settings.weight_decay)
        parameter.addcdiv_(first, spread, value=-settings.learning_rate / (1 - 0.9**epoch))
