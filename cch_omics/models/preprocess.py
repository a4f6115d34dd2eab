"""From raw features to the inputs of a network, fitted on training samples only."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from cch_omics.config import EncoderConfig

# Values of a chunk: 64 MB.
_CHUNK = 1 << 24
# Size of a matrix from which the few eigenvectors that are wanted are found faster than all: 5 s against 72 s at 5000.
_ITERATE_FROM = 1000


@dataclass(frozen=True)
class Scaling:
    """The map from features to the scaled ones: within bounds of the mean, centred, times a scale.

    Attributes
    ----------
    kept
        (q,) positions of the features kept.
    fill
        (p,) training mean of every feature, which stands in for a missing value.
    bound
        (p,) how far from `fill` a value counts at most.
    scale
        (q,).
    """

    kept: Tensor
    fill: Tensor
    bound: Tensor
    scale: Tensor

    def centred(self, values: Tensor) -> Tensor:
        """(n, p) features, NaN where missing -> (n, q) differences from the mean."""
        bound = self.bound[self.kept]
        off = torch.nan_to_num(values[:, self.kept] - self.fill[self.kept], nan=0.0)
        return torch.minimum(torch.maximum(off, -bound), bound)

    def apply(self, values: Tensor) -> Tensor:
        """(n, p) features, NaN where missing -> (n, q)."""
        return self.centred(values) * self.scale


@dataclass(frozen=True)
class Projection:
    """The map from features to the k inputs of a network: `scaling.centred(x)` @ loadings.

    Attributes
    ----------
    scaling
        Of the features.
    loadings
        (q, k).
    """

    scaling: Scaling
    loadings: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """(n, p) features, NaN where missing -> (n, k)."""
        return self.scaling.centred(values) @ self.loadings


def fit_scaling(values: Tensor, train: Tensor, settings: EncoderConfig) -> Scaling:
    """Fit mean imputation, a variance filter and the scale of features on training samples.

    Features are brought to unit variance, except 0/1 features, which are only centred: a rare event divided by its
    standard deviation would outweigh every common one.

    None of n values is more than sqrt(n - 1) standard deviations from their mean (Samuelson 1968, J. Am. Stat. Assoc.
    63:1522). A new value that is further away counts as if it were there: a gene that one training patient alone
    expresses, or nobody, would outweigh all others in the prediction for a new one.

    Parameters
    ----------
    values
        (n, p), NaN where missing.
    train
        (n,) bool.
    """
    rows = torch.nonzero(train).squeeze(1)
    fill, variance, binary = _feature_statistics(values, rows)
    # A little more, so that rounding moves no training value.
    bound = (max(len(rows) - 1, 0) * variance).sqrt() * (1 + 1e-4)
    # A constant feature of large values has a variance of rounding errors, not of zero.
    varying = torch.nonzero(variance > 1e-10 * (1 + fill.square())).squeeze(1)
    # Stable, so that the choice among equal variances does not depend on the machine.
    order = torch.argsort(variance[varying], descending=True, stable=True)[: settings.max_features]
    kept = varying[order].sort().values
    return Scaling(kept, fill, bound, torch.where(binary[kept], 1.0, variance[kept].rsqrt()))


def fit_projection(
    values: Tensor, train: Tensor, settings: EncoderConfig, scaling: Scaling | None = None
) -> Projection:
    """Fit the scaling of features, unless it is given, and their principal components on training samples.

    Each principal component is multiplied by its standard deviation, and all by one number, so that their mean variance
    is 1.

    Gradient descent learns from a component at a rate that goes with its variance: stopped early, it shrinks the small
    ones as a ridge penalty does (Ali, Kolter, Tibshirani 2019, AISTATS, arXiv 1810.10082). Adam's steps are of one size
    for all. The multiplication gives them that rate again, without which networks were worse than ridge regression on
    the same components (`docs/decisions.md`).

    Parameters
    ----------
    values
        (n, p), NaN where missing.
    train
        (n,) bool.
    """
    scaling = scaling or fit_scaling(values, train, settings)
    if not len(scaling.kept):
        # A feature of few values may be constant in one training set of many: its network has the same input for all.
        return Projection(scaling, scaling.fill.new_zeros((0, 1)))

    centered = scaling.apply(values)[train]
    axes = _principal_axes(centered, settings.components)
    deviation = (centered @ axes).square().mean(0).sqrt()
    norm = deviation.square().square().mean().clamp(min=1e-12)
    loadings = scaling.scale[:, None] * axes * deviation / torch.sqrt(norm)
    return Projection(scaling, loadings)


def _feature_statistics(values: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(p,) mean, variance, and whether all values are 0 or 1, of the observed values in some rows.

    Features are taken chunk by chunk: a copy of all of them for every training set is what a methylation array has no
    memory for.
    """
    parts = []
    for chunk in torch.split(values, max(1, _CHUNK // max(len(rows), 1)), dim=1):
        training = chunk[rows]
        missing = torch.isnan(training)
        if missing.any():
            observed = (~missing).sum(0).clamp(min=1)
            fill = torch.nan_to_num(training).sum(0) / observed
            variance = torch.where(missing, 0.0, training - fill).square().sum(0) / observed
        else:
            fill = training.sum(0) / len(rows)
            variance = (training - fill).square_().sum(0) / len(rows)
        parts.append((fill, variance, _binary(training)))
    fills, variances, binaries = zip(*parts, strict=True)
    return torch.cat(fills), torch.cat(variances), torch.cat(binaries)


def _binary(values: Tensor) -> Tensor:
    """(n, p) -> (p,) whether all values are 0, 1 or missing."""
    binary = torch.ones(values.shape[1], dtype=torch.bool, device=values.device)
    # Most features that are not show it in the first rows.
    for rows in (values[:3], values[3:]):
        candidates = rows[:, binary]
        binary[binary.clone()] = ((candidates == 0) | (candidates == 1) | candidates.isnan()).all(0)
    return binary


def _principal_axes(centered: Tensor, components: int) -> Tensor:
    """(q, k) principal axes of centred data (n, q), by the smaller of its two Gram matrices; k <= min(n - 1, q)."""
    n, q = centered.shape
    k = min(components, q, max(n - 1, 1))
    if q <= n:
        axes = _leading_eigenvectors(centered.T @ centered, k)
    else:
        axes = centered.T @ _leading_eigenvectors(centered @ centered.T, k)
        axes = axes / axes.norm(dim=0).clamp(min=1e-12)
    # The sign of an axis is arbitrary: its largest loading is made positive.
    largest = axes.abs().argmax(0)
    signs = torch.sign(axes.gather(0, largest[None]))
    return torch.mul(axes, signs)


def _leading_eigenvectors(gram: Tensor, k: int) -> Tensor:
    """(m, m) symmetric -> (m, k) of the largest eigenvalues, these first; in double precision inside."""
    m, device = len(gram), gram.device
    if device.type != "cpu" or m < _ITERATE_FROM or k > m // 10:
        every: Tensor = torch.linalg.eigh(gram.double()).eigenvectors
        return every[:, -k:].flip(1).float()
    # Lanczos: some hundred products with a vector, while a full decomposition costs m of them ten times over.
    matrix = gram.double()
    start = np.random.default_rng(0).standard_normal(m)
    operator = LinearOperator((m, m), dtype=np.float64, matvec=lambda v: (matrix @ torch.from_numpy(v)).numpy())
    _, vectors = eigsh(operator, k=k, v0=start, tol=1e-9)
    leading: Tensor = torch.from_numpy(vectors[:, ::-1].copy())
    return leading.float()


def as_tensor(values: NDArray[np.float32], device: torch.device) -> Tensor:
    """A float32 tensor on the device."""
    return torch.as_tensor(np.asarray(values, dtype=np.float32), device=device)
