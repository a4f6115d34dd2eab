"""Mutual information of learned low-dimensional representations (latent MI).

Gowri, Lun, Klein, Yin (2024), Approximating mutual information of high-dimensional variables using learned
representations, NeurIPS 37, arXiv 2409.02732.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.ksg import ksg
from cch_omics.information.learning import Fitting, Part, cross_fit, estimates, fit, perceptrons
from cch_omics.information.neighbours import chebyshev

# What of a variable is reconstructed from its own latent counts for so much: with two dimensions to a latent, what
# X and Y do not share would else take them.
OWN = 0.3
DIMENSION = 2
# Fewer samples leave less than two to stop by.
FEWEST = 20
FITTING = Fitting(epochs=200, patience=15, learning_rate=0.04)
# Relative to the largest variance of a latent: a direction with less is constant.
FLAT = 1e-9


def latent(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """I(X;Y) >= I(f(X);g(Y)), by KSG, with encoders f and g from which X and Y can both be reconstructed.

    Encoders f, g and decoders a, b, perceptrons with one hidden layer each, minimise

        w |X - a_x(f(X))|^2 + |Y - a_y(f(X))|^2 + |X - b_x(g(Y))|^2 + w |Y - b_y(g(Y))|^2

    (means over columns) on a part of one half of the samples, as long as that falls on the rest of this
    half. KSG is given the latents of the other half, whitened by the training samples. The estimate is the mean over
    both halves and over repeated halvings. Nothing held out touches a network, so that in the limit of many samples no
    estimate is above I(X;Y).

    All items, halves and repeats are one computation, in float32 but for KSG.

    Returns
    -------
    Estimates
        NaN where n < 20 or half of n is no more than k; flags as `learning.estimates`.
    """
    n, columns = valid.sum(-1), (x.shape[-1], y.shape[-1])
    train, stop, held_out = cross_fit(x, y, valid)
    encoders = [(d, DIMENSION) for d in columns]
    networks = perceptrons([*encoders, *2 * [(DIMENSION, sum(columns))]], train, len(valid))

    def loss(part: Part) -> Tensor:
        """(M,) errors of both reconstructions of both variables."""
        both, share = torch.cat([part.x, part.y], -1), part.weights[:, None]
        total = part.x.new_zeros(len(part.x))
        for side, (own_x, own_y) in enumerate(((OWN, 1.0), (1.0, OWN))):
            encoder, decoder = networks[side], networks[2 + side]
            per_column = (share @ (decoder(encoder(part[side])) - both).square())[:, 0]
            of_x, of_y = per_column.split(columns, -1)
            total = total + own_x * of_x.mean(-1) + own_y * of_y.mean(-1)
        return total

    converged = fit(networks, loss, train, stop, FITTING)
    with torch.no_grad():
        of_x, of_y = (
            chebyshev(
                whitened(networks[side](train[side]), networks[side](held_out[side]), train.weights), held_out.members
            )
            for side in (0, 1)
        )
    found = ksg(of_x, of_y, held_out.members, neighbours=neighbours).value
    return estimates(x, y, valid, found, converged, (n >= FEWEST) & (n // 2 > neighbours))


def whitened(train: Tensor, held_out: Tensor, weights: Tensor) -> Tensor:
    """(M, b, l) held-out latents, in units of the principal components of training latents of (M, b) weights."""
    share = weights.double()[..., None]
    train, held_out = train.double(), held_out.double()
    mean = (train * share).sum(1, keepdim=True)
    variances, axes = torch.linalg.eigh((train - mean).mT @ ((train - mean) * share))
    kept = variances > FLAT * variances[:, -1:]
    scale = torch.where(kept, variances, math.inf).rsqrt()
    white: Tensor = (held_out - mean) @ (axes * scale[:, None])
    return white


LATENT = Estimator(latent)
