"""Two halves of the patients, one to choose a feature and one to measure it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CHUNK = 2048


def halves(strata: NDArray[np.int64], groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give patients to two sides, alternately within each stratum (of a patient's first sample): (n,) 0 or 1."""
    first, inverse = np.unique(groups, return_index=True, return_inverse=True)[1:]
    order = np.random.default_rng(0).permutation(len(first))
    side = np.empty(len(first), dtype=np.int64)
    for stratum in np.unique(strata[first]):
        members = order[strata[first][order] == stratum]
        side[members] = np.arange(len(members)) % 2
    return side[inverse]


def chunks(features: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Parts (rows, c) of the features of some rows, missing values replaced by the median of these rows."""
    for start in range(0, features.shape[1], _CHUNK):
        columns = slice(start, start + _CHUNK)
        chunk = features[rows, columns].astype(np.float64)
        missing = np.isnan(chunk)
        if missing.any():
            median = np.nanmedian(np.where(missing.all(axis=0), 0, chunk), axis=0)
            chunk = np.where(missing, median, chunk)
        yield columns, chunk
