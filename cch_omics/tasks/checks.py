"""What tasks share in reading and auditing: ranges of numbers, halves of the patients, values permuted over them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Floats, SiteDependence

_CHUNK = 2048
PERMUTATIONS = 199


def quantile_edges(values: Floats, *, most: int, fewest: int) -> tuple[float, ...]:
    """Increasing numbers that part (n,) values into at most so many ranges of equal size, none with less than `fewest`.

    Where many values are equal, as counts are, ranges are joined.
    """
    known = np.sort(values)
    parts = max(1, min(most, len(known) // fewest))
    edges, below = [], 0
    for edge in np.quantile(known, np.arange(1, parts) / parts) if parts > 1 else ():
        position = int(np.searchsorted(known, edge))
        if position - below >= fewest <= len(known) - position:
            edges.append(float(edge))
            below = position
    return tuple(edges)


def halves(strata: NDArray[np.int64], groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give patients to two sides, alternately within each stratum (of a patient's first sample): (n,) 0 or 1."""
    first, inverse = np.unique(groups, return_index=True, return_inverse=True)[1:]
    order = np.random.default_rng(0).permutation(len(first))
    side = np.empty(len(first), dtype=np.int64)
    for stratum in np.unique(strata[first]):
        members = order[strata[first][order] == stratum]
        side[members] = np.arange(len(members)) % 2
    return side[inverse]


def best_feature(scores: Floats) -> tuple[int, float]:
    """The feature whose score is farthest from zero, and how far a feature that one half chooses is in the other.

    Parameters
    ----------
    scores
        (2, p) of p features in each half of the patients; signs say the direction.
    """
    chosen = np.abs(scores).argmax(axis=1)
    measured = [np.sign(scores[side, chosen[side]]) * scores[1 - side, chosen[side]] for side in (0, 1)]
    return int(np.abs(scores.sum(axis=0)).argmax()), float(np.mean(measured))


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


def beyond_chance(
    measure: str,
    statistic: Callable[[Any], float],
    values: NDArray[Any],
    random: np.random.Generator,
    permutations: int,
) -> SiteDependence:
    """Compare a statistic of (n,) values, one per patient, with those of values permuted over patients."""
    observed = statistic(values)
    null = np.array([statistic(random.permutation(values)) for _ in range(permutations)])
    p_value = float((1 + (null >= observed).sum()) / (1 + permutations))
    return SiteDependence(measure, observed, float(null.mean()), p_value)
