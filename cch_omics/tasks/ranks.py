"""Ranks, by scipy: its statistics take half a second to import, and most steps rank nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rankdata(values: NDArray[Any], axis: int | None = None) -> NDArray[np.float64]:
    """`scipy.stats.rankdata`: equal values share the mean of their ranks."""
    from scipy import stats

    return np.asarray(stats.rankdata(values, axis=axis))
