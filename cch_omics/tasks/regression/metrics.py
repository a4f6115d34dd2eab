"""Metrics of regression.

They take predictions of shape (..., n) and numbers of shape (n,), and return an array of shape (...,). With no samples
they are NaN.
"""

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.ranks import rankdata

Floats = NDArray[np.float64]


def r2(predicted: Floats, values: Floats, centre: float) -> Floats:
    """1 - sum (y - prediction)^2 / sum (y - centre)^2, with the mean of the training labels as centre.

    NaN where all values are the centre.
    """
    total = ((values - centre) ** 2).sum()
    if not total > 0:
        return np.full(predicted.shape[:-1], np.nan)
    return np.asarray(1 - ((predicted - values) ** 2).sum(-1) / total)


def rmse(predicted: Floats, values: Floats) -> Floats:
    """Root of the mean squared error, in the unit of the target."""
    if len(values) == 0:
        return np.full(predicted.shape[:-1], np.nan)
    return np.asarray(np.sqrt(((predicted - values) ** 2).mean(-1)))


def coverage(low: Floats, high: Floats, values: Floats) -> Floats:
    """Share of the numbers that lie within their (..., n) intervals; NaN where there are no intervals."""
    if len(values) == 0:
        return np.full(low.shape[:-1], np.nan)
    within = (low <= values) & (values <= high)
    return np.asarray(np.where(np.isfinite(high - low), within, np.nan).mean(-1))


def spearman(predicted: Floats, values: Floats) -> Floats:
    """Correlation of ranks; NaN with fewer than two different values or predictions."""
    if len(values) < 2:
        return np.full(predicted.shape[:-1], np.nan)
    a, b = rankdata(predicted, axis=-1), rankdata(values)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean()
    norm = np.sqrt((a**2).sum(-1) * (b**2).sum())
    return np.asarray(np.divide(a @ b, norm, out=np.full(norm.shape, np.nan), where=norm > 0))
