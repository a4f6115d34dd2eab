"""A critic: a score of how much a pair looks like a joint sample rather than two unrelated ones; shared by the
variational bounds `infonce` and `mine`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cch_omics.information.cross_fit import Part, constant_columns, cross_fit
from cch_omics.information.neighbours import chebyshev, coincide
from cch_omics.information.networks import Fitting, Perceptrons, fit
from cch_omics.information.result import Estimates

UNITS = 16
EMBEDDING = 8
FITTING = Fitting(epochs=400, patience=30, learning_rate=0.01, weight_decay=1.0)
# Fewer samples leave less than five to stop by, and estimates of any size below zero.
FEWEST = 50

# (M, b, b) scores, (M, b) members -> (M,) nats.
Bound = Callable[[Tensor, Tensor], Tensor]


class Critics(nn.Module):
    """M critics f(x, y) = g(x) . h(y), of the items' samples: all pairs of samples cost one matrix product.

    h starts at zero, and with it every score.
    """

    def __init__(self, columns: tuple[int, int], models: int, items: int, seed: int, device: torch.device) -> None:
        super().__init__()
        self.g, self.h = (
            Perceptrons((d, UNITS, EMBEDDING), [1 + seed + models * side + m for m in range(models)], items, device)
            for side, d in enumerate(columns)
        )
        nn.init.zeros_(self.h.output)

    def forward(self, part: Part) -> Tensor:
        """(M, b, b) g(x_i) . h(y_j)."""
        scores: Tensor = self.g(part.x) @ self.h(part.y).mT
        return scores


def held_out_bound(
    x: Tensor, y: Tensor, valid: Tensor, *, bound: Bound, repeats: int, seed: int, fitting: Fitting
) -> tuple[Estimates, Tensor]:
    """Fit critics to halves of the samples so that the bound is largest, and take the bound on the other halves.

    Where no step makes the bound larger on the samples that say when to stop, the estimate is that of a constant score,
    0.

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
    critics = Critics((x.shape[-1], y.shape[-1]), 2 * repeats, items, seed, x.device)
    converged = fit(critics, lambda part: -bound(critics(part), part.members), parts.train, parts.stop, fitting)
    with torch.no_grad():
        found = bound(critics(parts.held_out).double(), parts.held_out.members)
    value = found.view(items, -1).mean(-1)
    flags = {
        "too_few_samples": ~enough,
        "not_converged": enough & ~converged.view(items, -1).all(-1),
        "columns_left_out": (n > 0) & (constant_columns(x, valid) | constant_columns(y, valid)),
        "ties": coincide(chebyshev(x, valid)) | coincide(chebyshev(y, valid)),
    }
    return Estimates(torch.where(enough, value, math.nan), n, flags), n // 2


def joint(scores: Tensor, members: Tensor) -> Tensor:
    """(M,) mean score of the joint samples, the diagonal."""
    diagonal = scores.diagonal(dim1=-2, dim2=-1).masked_fill(~members, 0.0)
    return diagonal.sum(-1) / members.sum(-1)
