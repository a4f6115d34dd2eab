"""Mutual information of learned low-dimensional representations (latent MI).

Gowri, Lun, Klein, Yin (2024), Approximating mutual information of high-dimensional variables using learned
representations, NeurIPS 37, arXiv 2409.02732.
"""

import math

import torch
from torch import Tensor, nn

from cch_omics.information.cross_fit import Part, bytes_of_one, constant_columns, cross_fit
from cch_omics.information.estimators import Estimator
from cch_omics.information.ksg import ksg
from cch_omics.information.networks import Fitting, Perceptrons, fit
from cch_omics.information.points import as_float64, select_points
from cch_omics.information.result import Estimates

# What of a variable is reconstructed from its own latent counts for so much: with two dimensions to a latent, what
# X and Y do not share would else take them.
OWN = 0.3
UNITS = 16
DIMENSION = 2
# Fewer samples leave less than two to stop by.
FEWEST = 20
FITTING = Fitting(epochs=200, patience=15, learning_rate=0.04, weight_decay=1.0)
# Relative to the largest variance of a latent: a direction with less is constant.
FLAT = 1e-9


class Latents(nn.Module):
    """Encoders f of X and g of Y, and decoders of both variables from each latent."""

    def __init__(self, columns: tuple[int, int], models: int, items: int, seed: int, device: torch.device) -> None:
        super().__init__()
        both = (DIMENSION, UNITS, sum(columns))
        sizes = [*((d, UNITS, DIMENSION) for d in columns), both, both]
        networks = [
            Perceptrons(size, [1 + seed + models * place + m for m in range(models)], items, device)
            for place, size in enumerate(sizes)
        ]
        self.encoders, self.decoders = nn.ModuleList(networks[:2]), nn.ModuleList(networks[2:])

    def loss(self, part: Part) -> Tensor:
        """(M,) errors of both reconstructions of both variables."""
        both, p, share = torch.cat([part.x, part.y], -1), part.x.shape[-1], part.weights[:, None]
        total = part.x.new_zeros(len(part.x))
        for side, (own_x, own_y) in enumerate(((OWN, 1.0), (1.0, OWN))):
            error = self.decoders[side](self.encoders[side](part[side])) - both
            per_column = (share @ error.square())[:, 0]
            total = total + own_x * per_column[:, :p].mean(-1) + own_y * per_column[:, p:].mean(-1)
        return total


def latent(
    x: Tensor,
    y: Tensor,
    valid: Tensor,
    *,
    neighbours: int = 3,
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
    items, n = len(valid), valid.sum(-1)
    enough = (n >= FEWEST) & (n // 2 > neighbours)
    parts = cross_fit(x, y, valid, repeats=repeats, seed=seed)
    networks = Latents((x.shape[-1], y.shape[-1]), 2 * repeats, items, seed, x.device)
    converged = fit(networks, networks.loss, parts.train, parts.stop, fitting)
    with torch.no_grad():
        latents = [
            whitened(encoder(parts.train[side]), encoder(parts.held_out[side]), parts.train)
            for side, encoder in enumerate(networks.encoders)
        ]
    found = ksg(latents[0], latents[1], parts.held_out.members, neighbours=neighbours)
    flags = {
        "too_few_samples": ~enough,
        "not_converged": enough & ~converged.view(items, -1).all(-1),
        "columns_left_out": (n > 0) & (constant_columns(x, valid) | constant_columns(y, valid)),
        "ties": enough & found.flags["ties"].view(items, -1).any(-1),
    }
    return Estimates(torch.where(enough, found.value.view(items, -1).mean(-1), math.nan), n, flags)


def whitened(train: Tensor, held_out: Tensor, part: Part) -> Tensor:
    """(M, b, l) held-out latents, in units of the training latents' principal components."""
    share = part.weights.double()[..., None]
    train, held_out = train.double(), held_out.double()
    mean = (train * share).sum(1, keepdim=True)
    variances, axes = torch.linalg.eigh((train - mean).mT @ ((train - mean) * share))
    kept = variances > FLAT * variances[:, -1:]
    scale = torch.where(kept, variances, math.inf).rsqrt()
    white: Tensor = (held_out - mean) @ (axes * scale[:, None])
    return white


LATENT = Estimator(prepare=as_float64, select=select_points, estimate=latent, memory=bytes_of_one)
