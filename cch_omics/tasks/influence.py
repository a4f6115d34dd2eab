"""Errors from influence functions."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def variance_over_patients(influence: Floats, groups: NDArray[np.generic]) -> float:
    """Variance of a measure by the (n,) influences of its samples, those of one of (n,) patients taken together.

    Patients are independent, their samples are not. NaN with fewer than two patients.
    """
    of_patients = np.bincount(np.unique(groups, return_inverse=True)[1], weights=influence)
    n = len(of_patients)
    return n / (n - 1) * float(of_patients @ of_patients) if n > 1 else float("nan")
