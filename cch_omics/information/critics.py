"""A critic: a score of how much a pair looks like a joint sample rather than two unrelated ones; shared by the
variational bounds `infonce` and `mine`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cch_omics.information.neighbours import chebyshev, coincide
from cch_omics.information.networks import (
    Fitting,
    Parameters,
    Part,
    constant_columns,
    cross_fit,
    fit,
    initial,
    perceptron,
)
from cch_omics.information.result import Estimates

UNITS = 16
EMBEDDING = 8
FITTING = Fitting(epochs=400, patience=30, learning_rate=0.01, weight_decay=1.0)
# Fewer samples leave less than five to stop by, and estimates of any size below zero.
FEWEST = 50

# (M, b, b) scores, (M, b) members -> (M,) nats.
Bound = Callable[[Tensor, Tensor], Tensor]


def held_out_bound(
    x: Tensor, y: Tensor, valid: Tensor, *, bound: Bound, repeats: int, seed: int, fitting: Fitting
) -> tuple[Estimates, Tensor]:
    """Fit critics to halves of the samples so that the bound is largest, and take the bound on the other halves.

    Critics are f(x, y) = g(x) . h(y), perceptrons g and h with one hidden layer each: all pairs of samples cost one
    matrix product. h starts at zero, and with it every score: where no step makes the bound larger on the samples that
    say when to stop, the estimate is that of a constant score, 0.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, anything on padding.
    valid
        (B, n) False on padding.
    bound
        Of the scores of all pairs, on whose diagonal are the joint samples.
    repeats, seed, fitting
        Random halvings; what they and the first weights are drawn by; the optimiser.

    Returns
    -------
    tuple
        Estimates: the mean over halves and repeats, NaN where n < 50 (flag `too_few_samples`); flags `not_converged`: a
        critic was still improving at the last step; `columns_left_out`: a column is constant; `ties`: samples coincide
        in x or in y. And (B,) samples of the smallest half on which the bound was taken.
    """
    items, n = len(valid), valid.sum(-1)
    enough = n >= FEWEST
    parts = cross_fit(x, y, valid, repeats=repeats, seed=seed)
    models = 2 * repeats
    start: Parameters = ()
    for network, columns in enumerate((x.shape[-1], y.shape[-1])):
        seeds = [1 + seed + models * network + model for model in range(models)]
        start += initial((columns, UNITS, EMBEDDING), seeds, items, x.device)
    start = (*start[:6], torch.zeros_like(start[6]), start[7])

    def loss(parameters: Parameters, part: Part) -> Tensor:
        return -bound(_scores(parameters, part), part.members)

    fitted = fit(start, loss, parts.train, parts.stop, fitting)
    with torch.no_grad():
        found = bound(_scores(fitted.parameters, parts.held_out).double(), parts.held_out.members)
    value = found.view(items, models).mean(-1)
    flags = {
        "too_few_samples": ~enough,
        "not_converged": enough & ~fitted.converged.view(items, models).all(-1),
        "columns_left_out": (n > 0) & (constant_columns(x, valid) | constant_columns(y, valid)),
        "ties": coincide(chebyshev(x, valid)) | coincide(chebyshev(y, valid)),
    }
    return Estimates(torch.where(enough, value, math.nan), n, flags), n // 2


def _scores(parameters: Parameters, part: Part) -> Tensor:
    """(M, b, b) g(x_i) . h(y_j)."""
    return perceptron(part.x, parameters[:4]) @ perceptron(part.y, parameters[4:]).mT


def joint(scores: Tensor, members: Tensor) -> Tensor:
    """(M,) mean score of the joint samples, the diagonal."""
    diagonal = scores.diagonal(dim1=-2, dim2=-1).masked_fill(~members, 0.0)
    return diagonal.sum(-1) / members.sum(-1)
