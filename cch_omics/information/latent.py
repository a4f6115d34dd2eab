"""Mutual information of learned low-dimensional representations (latent MI).

Gowri, Lun, Klein, Yin (2024), Approximating mutual information of high-dimensional variables using learned
representations, NeurIPS 37, arXiv 2409.02732.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.ksg import ksg
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

# What of a variable is reconstructed from its own latent counts for so much: with two dimensions to a latent, what
# X and Y do not share would else take them.
OWN = 0.3
# Fewer samples leave less than two to stop by.
FEWEST = 20
FITTING = Fitting(epochs=200, patience=15, learning_rate=0.04, weight_decay=1.0)
# Relative to the largest variance of a latent: a direction with less is constant.
FLAT = 1e-9


def latent(
    x: Tensor,
    y: Tensor,
    valid: Tensor,
    *,
    neighbours: int = 3,
    dimension: int = 2,
    units: int = 16,
    repeats: int = 2,
    seed: int = 0,
    fitting: Fitting = FITTING,
) -> Estimates:
    """I(X;Y) >= I(f(X);g(Y)), by KSG, with encoders f and g from which X and Y can both be reconstructed.

    Encoders f, g and decoders a, b, perceptrons with one hidden layer each, minimise

        w |X - a_x(f(X))|^2 + |Y - a_y(f(X))|^2 + |X - b_x(g(Y))|^2 + w |Y - b_y(g(Y))|^2

    (means over columns) on a part of one half of the samples, as long as that falls on the rest of this
    half. KSG is given the latents of the other half, whitened by the training samples. The estimate is the mean over
    both halves and over repeated halvings. Nothing held out touches a network, so that in the limit of many samples no
    estimate is above I(X;Y).

    All items, halves and repeats are one computation, in float32 but for KSG.

    Parameters
    ----------
    x, y
        (B, n, dx) and (B, n, dy) points, anything on padding.
    valid
        (B, n) False on padding.
    neighbours
        k of KSG.
    dimension
        Of a latent.
    units
        Of each hidden layer.
    repeats
        Random halvings.
    seed
        Of halvings and of first weights, which are the same for all items.
    fitting
        Of the optimiser.

    Returns
    -------
    Estimates
        NaN where n < 20 or half of n is no more than k (flag `too_few_samples`). Flags `not_converged`: a network was
        still improving at the last step; `columns_left_out`: a column is constant; `ties`: latents coincide.
    """
    items, device, n = len(valid), x.device, valid.sum(-1)
    enough = (n >= FEWEST) & (n // 2 > neighbours)
    flags = {
        "too_few_samples": ~enough,
        "columns_left_out": (n > 0) & (constant_columns(x, valid) | constant_columns(y, valid)),
    }
    parts = cross_fit(x, y, valid, repeats=repeats, seed=seed)
    models = 2 * repeats
    columns = (x.shape[-1], y.shape[-1])
    sizes = [(d, units, dimension) for d in columns] + 2 * [(dimension, units, sum(columns))]
    start: Parameters = ()
    for network, layers in enumerate(sizes):
        seeds = [1 + seed + models * network + model for model in range(models)]
        start += initial(layers, seeds, items, device)
    fitted = fit(start, _loss, parts.train, parts.stop, fitting)

    with torch.no_grad():
        encoders = fitted.parameters[:4], fitted.parameters[4:8]
        latents = [
            _whitened(perceptron(parts.train[side], f), perceptron(parts.held_out[side], f), parts.train)
            for side, f in enumerate(encoders)
        ]
    found = ksg(latents[0], latents[1], parts.held_out.members, neighbours=neighbours)
    value = found.value.view(items, models).mean(-1)
    flags["not_converged"] = enough & ~fitted.converged.view(items, models).all(-1)
    flags["ties"] = enough & found.flags["ties"].view(items, models).any(-1)
    return Estimates(torch.where(enough, value, math.nan), n, flags)


def _loss(parameters: Parameters, part: Part) -> Tensor:
    """(M,) of the networks f, g, a, b, four parameters each."""
    encoders, decoders = (parameters[:4], parameters[4:8]), (parameters[8:12], parameters[12:])
    both, p = torch.cat([part.x, part.y], -1), part.x.shape[-1]
    share, total = part.weights[:, None], part.x.new_zeros(len(part.x))
    for side in (0, 1):
        error = perceptron(perceptron(part[side], encoders[side]), decoders[side]) - both
        per_column = (share @ (error * error))[:, 0]
        own_x, own_y = (OWN, 1.0) if side == 0 else (1.0, OWN)
        total = total + own_x * per_column[:, :p].mean(-1) + own_y * per_column[:, p:].mean(-1)
    return total


def _whitened(train: Tensor, held_out: Tensor, part: Part) -> Tensor:
    """(M, b, l) held-out latents, in units of the training latents' principal components."""
    share = part.weights.double()[..., None]
    train, held_out = train.double(), held_out.double()
    mean = (train * share).sum(1, keepdim=True)
    variances, axes = torch.linalg.eigh((train - mean).mT @ ((train - mean) * share))
    kept = variances > FLAT * variances[:, -1:]
    scale = torch.where(kept, variances, math.inf).rsqrt()
    white: Tensor = (held_out - mean) @ (axes * scale[:, None])
    return white
