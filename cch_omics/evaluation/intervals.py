"""Intervals of quantities that are measured once on each outer split."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

CONFIDENCE = 0.95


def corrected_interval(values: NDArray[np.float64], folds: int) -> tuple[float, float, float]:
    """Mean and 95% interval of a quantity measured once on each outer split: the corrected resampled t.

    The training sets of the splits overlap, so the J values are not independent and their variance over J is far too
    small for the variance of the mean. Nadeau & Bengio (2003, Machine Learning 52:239, section 3) put

        var(mean) = (1/J + n_test / n_train) * variance of the values,

    with J - 1 degrees of freedom; n_test / n_train is 1 / (folds - 1) in cross-validation, and J = repeats * folds
    (Bouckaert & Frank 2004). Bounds are NaN with fewer than two values or folds.

    Parameters
    ----------
    values
        (J,); NaN where the quantity is not defined on a split, which is left out.
    folds
        Outer folds of a repeat.

    Returns
    -------
    tuple
        mean, low, high.
    """
    known = values[np.isfinite(values)]
    n = len(known)
    mean = float(known.mean()) if n else float("nan")
    if n < 2 or folds < 2:
        return mean, float("nan"), float("nan")
    error = np.sqrt((1 / n + 1 / (folds - 1)) * known.var(ddof=1))
    arm = float(t.ppf((1 + CONFIDENCE) / 2, n - 1) * error)
    return mean, mean - arm, mean + arm


def intervals(table: pd.DataFrame, by: list[str], value: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """`corrected_interval` of a column, which rows have per `fold`, for each group: `by`, mean, low, high, number."""
    rows = []
    for key, part in table.groupby(by, sort=False):
        values = part[value].to_numpy(dtype=np.float64)
        mean = corrected_interval(values, int(part["fold"].nunique()))
        rows.append((*key, *mean, int(np.isfinite(values).sum())))
    return pd.DataFrame(rows, columns=list(columns))
