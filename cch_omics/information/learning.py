"""Small networks fitted side by side to one half of the samples, to be used on the other.

Parameters and data have the network as their first axis. A loss is summed over networks, so that no network's gradient
knows of another's, and AdamW (Loshchilov, Hutter 2019, Decoupled weight decay regularization, ICLR) treats every number
alone: what a network becomes does not depend on what it is fitted beside. Each is stopped by itself.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cch_omics.information.estimators import Estimates, select_points
from cch_omics.information.half_samples import compress
from cch_omics.information.masked import centred
from cch_omics.information.neighbours import chebyshev, coincide

# Random halvings; each has two networks. Halvings and first weights are the same for all items.
REPEATS = 2
SEED = 0
# Hidden units of a network.
UNITS = 16
# Of a training half, one sample in so many says when to stop.
STOP_EVERY = 5
# Steps between looks at the stopping loss.
CHECK_EVERY = 5
# Gradients far below this are rounding, which AdamW would else blow up to steps of full length: a result would depend
# on what a network is batched with.
SMALLEST = 1e-4
# Relative to the mean: a column that varies less is constant up to rounding.
FLAT = 1e-12


class Fitting(NamedTuple):
    """Full-batch AdamW: at most `epochs` steps; `patience` steps without a lower stopping loss end it."""

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float = 1.0


class Part(NamedTuple):
    """Samples of M networks: x (M, b, dx) and y (M, b, dy), float32, zero on padding; members (M, b)."""

    x: Tensor
    y: Tensor
    members: Tensor

    @property
    def weights(self) -> Tensor:
        """(M, b) equal weights that sum to one over the members."""
        return self.members.float() / self.members.sum(-1, keepdim=True).clamp(min=1)


class Perceptrons(nn.Module):
    """M perceptrons of one hidden layer of tanh units.

    Each of the `items` has a network for every seed of first weights, side by side: M = items * len(seeds).
    """

    def __init__(self, columns: int, out: int, seeds: Sequence[int], items: int, device: torch.device) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def weight(n_in: int, n_out: int) -> nn.Parameter:
            drawn = torch.stack([torch.randn(n_in, n_out, generator=generator) for generator in generators])
            return nn.Parameter(drawn.to(device).repeat(items, 1, 1) / n_in**0.5)

        def bias(n_out: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(items * len(seeds), 1, n_out, device=device))

        self.hidden, self.output = weight(columns, UNITS), weight(UNITS, out)
        self.hidden_bias, self.output_bias = bias(UNITS), bias(out)

    def forward(self, points: Tensor) -> Tensor:
        """(M, n, columns) -> (M, n, out)."""
        hidden = torch.baddbmm(self.hidden_bias, points, self.hidden).tanh()
        return torch.baddbmm(self.output_bias, hidden, self.output)


def perceptrons(sizes: Sequence[tuple[int, int]], parts: Part, items: int) -> list[Perceptrons]:
    """Perceptrons for each pair of (input columns, output columns), one for each network of the parts."""
    models, device = len(parts.x) // items, parts.x.device
    return [
        Perceptrons(*size, range(seed := 1 + SEED + models * place, seed + models), items, device)
        for place, size in enumerate(sizes)
    ]


def cross_fit(x: Tensor, y: Tensor, valid: Tensor) -> list[Part]:
    """Halve the samples of each of B items at random, R times; each half is the held-out one of one network.

    Samples are drawn by their rank in the sum of x's columns, not by their place in the table: the order of the table
    and the scale of x do not matter. x and y are each centred and divided by one number, the root mean variance of
    their columns, in the training samples. As elsewhere, the relative scale of columns is left as it is and matters.

    Returns
    -------
    list of Part
        What the B * 2 R networks, the ones of an item side by side, learn from, are stopped by, and are used on.
    """
    n = valid.shape[-1]
    order = x.sum(-1).masked_fill(~valid, math.inf)
    place = order.argsort(dim=-1, stable=True).argsort(-1)
    # A generator each: the first numbers are the same whatever the padding.
    keys = [torch.rand(n, generator=torch.Generator().manual_seed(SEED + repeat)) for repeat in range(REPEATS)]
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
        around, mean = centred(selected[0], members[0])
        variance = around.square().sum(1, keepdim=True) / members[0].sum(-1).clamp(min=1)[:, None, None]
        varies = variance.sqrt() > FLAT * mean.abs()
        spread = torch.where(varies, variance, 0.0).mean(-1, keepdim=True).sqrt()
        scale = torch.where(spread > 0, spread, math.inf)
        scaled.append(
            [
                ((values - mean) / scale).float().masked_fill(~kept[..., None], 0.0)
                for values, kept in zip(selected, members, strict=True)
            ]
        )
    return [Part(*arrays) for arrays in zip(*scaled, members, strict=True)]


def fit(
    networks: Sequence[nn.Module], loss: Callable[[Part], Tensor], train: Part, stop: Part, settings: Fitting
) -> Tensor:
    """Fit M networks, each until its own stopping loss has not fallen for a while; leave each where that was lowest.

    Parameters
    ----------
    networks
        Modules with parameters (M, ...), which the loss uses.
    loss
        (M,) of the networks, each on its own samples.
    train, stop
        Gradients come from the one, when to stop from the other.

    Returns
    -------
    Tensor
        (M,) whether the stopping loss of a network had ceased to fall when the last step was taken.
    """
    parameters = [parameter for module in networks for parameter in module.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, eps=SMALLEST
    )
    with torch.no_grad():
        best_loss = loss(stop)
    best = [parameter.detach().clone() for parameter in parameters]
    best_epoch = torch.zeros_like(best_loss, dtype=torch.int64)
    converged = torch.zeros_like(best_loss, dtype=torch.bool)
    for epoch in range(1, settings.epochs + 1):
        optimiser.zero_grad()
        loss(train).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if epoch % CHECK_EVERY and epoch < settings.epochs:
            continue
        with torch.no_grad():
            found = loss(stop)
            # A network that has converged goes on beside the others, and is not looked at again.
            better = (found < best_loss) & ~converged
            best_loss[better], best_epoch[better] = found[better], epoch
            for kept, parameter in zip(best, parameters, strict=True):
                kept[better] = parameter[better]
        converged |= epoch - best_epoch >= settings.patience
        if converged.all():
            break
    with torch.no_grad():
        for kept, parameter in zip(best, parameters, strict=True):
            parameter.copy_(kept)
    return converged


def estimates(x: Tensor, y: Tensor, valid: Tensor, found: Tensor, converged: Tensor, enough: Tensor) -> Estimates:
    """Mean of (M,) values of the networks of each item, and flags.

    NaN where there are not `enough` samples. `not_converged`: a network was still improving at the last step;
    `columns_left_out`: a column is constant; `ties`: samples coincide in x or in y.
    """
    items, n = len(valid), valid.sum(-1)
    constant = _constant_columns(x, valid) | _constant_columns(y, valid)
    flags = {
        "not_converged": enough & ~converged.view(items, -1).all(-1),
        "columns_left_out": (n > 0) & constant,
        "ties": coincide(chebyshev(x, valid)) | coincide(chebyshev(y, valid)),
    }
    return Estimates(found.view(items, -1).mean(-1).masked_fill(~enough, math.nan), n, flags)


def _constant_columns(points: Tensor, valid: Tensor) -> Tensor:
    """(B, n, d) -> (B,) whether a column has one value."""
    lowest = points.masked_fill(~valid[..., None], math.inf).amin(1)
    highest = points.masked_fill(~valid[..., None], -math.inf).amax(1)
    return (lowest == highest).any(-1)
