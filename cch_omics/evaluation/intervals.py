"""Intervals: of quantities that are measured once on each outer split, and of statistics of one set of patients."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cch_omics.tasks.base import Floats, Metric

CONFIDENCE = 0.95
# Most blocks of patients of the jackknife: each is one more evaluation of the statistic.
BLOCKS = 100


def corrected_interval(
    values: NDArray[np.float64], folds: int, low: float = -np.inf, high: float = np.inf
) -> tuple[float, float, float]:
    """Mean and 95% interval of a quantity measured once on each outer split: the corrected resampled t.

    The training sets of the splits overlap, so the J values are not independent and their variance over J is far too
    small for the variance of the mean. Nadeau & Bengio (2003, Machine Learning 52:239, section 3) put

        var(mean) = (1/J + n_test / n_train) * variance of the values,

    with J - 1 degrees of freedom; n_test / n_train is 1 / (folds - 1) in cross-validation, and J = repeats * folds
    (Bouckaert & Frank 2004). The ends are NaN with fewer than two values or folds.

    The interval of a quantity with bounds has all the truths x from which the mean m is at most t standard errors away,
    with an error that follows the truth: error(x)^2 / error(m)^2 = v(x) / v(m), where v is the product of the distances
    to the finite bounds. Between two bounds this is the score interval of a share (Wilson 1927, Journal of the American
    Statistical Association 22:209); without any, mean -+ t errors. It never reaches a bound. A mean on a bound, which
    all values then share, has no error to make one of: the ends are NaN.

    Parameters
    ----------
    values
        (J,); NaN where the quantity is not defined on a split, which is left out.
    folds
        Outer folds of a repeat.
    low, high
        Bounds of the quantity.

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
    arm = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * error)
    return mean, *within_bounds(mean, arm, low, high)


def within_bounds(mean: float, arm: float, low: float, high: float) -> tuple[float, float]:
    """Interval of a quantity with bounds, as `corrected_interval` says, of its mean and t errors.

    Ends x of |x - mean|^2 v(mean) <= arm^2 v(x), which rounding pushes neither over a bound nor the mean.
    """
    below, above = mean - low, high - mean
    if np.isinf(below) and np.isinf(above):
        return mean - arm, mean + arm
    if min(below, above) <= 0:
        return float("nan"), float("nan")
    if np.isinf(above) or np.isinf(below):
        distance = min(below, above)
        excess = arm**2 / distance / 2
        far = distance + excess + float(np.sqrt(excess * (2 * distance + excess)))
        near = distance**2 / far
        start, end = (low + near, low + far) if np.isinf(above) else (high - far, high - near)
        return min(start, mean), max(end, mean)
    width = high - low
    p, q = below / width, above / width
    excess = (arm / width) ** 2 / (p * q) / 2
    root = float(np.sqrt(excess * (2 * p * q + excess)))
    start, end = low + width * p**2 / (p + excess + root), high - width * q**2 / (q + excess + root)
    return min(start, mean), max(end, mean)


def jackknife(statistic: Callable[[NDArray[np.int64]], Floats], groups: NDArray[np.str_]) -> tuple[Floats, Floats, int]:
    """Value and standard error of (k,) statistics of some rows, and the number m of blocks of patients.

    All samples of a patient are in one block; with t_b the statistic without block b,

        se^2 = (m - 1) / m sum_b (t_b - mean of t)^2

    (Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11; Wu 1986, Annals of Statistics 14:1261).

    Parameters
    ----------
    statistic
        Positions of rows -> (k,).
    groups
        (n,) patients.
    """
    patients, patient = np.unique(groups, return_inverse=True)
    n_blocks = min(BLOCKS, len(patients))
    block = (np.random.default_rng(0).permutation(len(patients)) % n_blocks)[patient]
    value = statistic(np.arange(len(groups)))
    without = np.array([statistic(np.flatnonzero(block != b)) for b in range(n_blocks)])
    squares = np.square(without - without.mean(0)).sum(0)
    return value, np.sqrt((n_blocks - 1) / n_blocks * squares), n_blocks


def intervals(
    table: pd.DataFrame,
    by: list[str],
    value: str,
    columns: tuple[str, ...],
    metrics: Mapping[str, Metric] | None = None,
) -> pd.DataFrame:
    """`corrected_interval` of a column, which rows have per `fold`, for each group: `by`, mean, low, high, number.

    Parameters
    ----------
    metrics
        By what the column `metric` says, where values have the bounds of their metric; differences have none.
    """
    rows = []
    for key, part in table.groupby(by, sort=False):
        values = part[value].to_numpy(dtype=np.float64)
        metric = metrics[part["metric"].iloc[0]] if metrics else None
        bounds = (metric.low, metric.high) if metric else ()
        mean = corrected_interval(values, int(part["fold"].nunique()), *bounds)
        rows.append((*key, *mean, int(np.isfinite(values).sum())))
    return pd.DataFrame(rows, columns=list(columns))
