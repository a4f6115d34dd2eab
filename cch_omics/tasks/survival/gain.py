"""The gain in Uno's C of one held-out student over another, with its error.

C = sum_ij w_i c_ij q_ij / sum_ij w_i c_ij, with c_ij = 1 where j of the same fold is known to have lived longer
than i had an event, q_ij = 1 where i has the higher risk, and w_i = 1 / G(T_i)^2. It is a ratio of U-statistics: a
patient moves it as an i, as a j, and through the estimate of G, by the influence function of Kaplan and Meier's
estimator. In folds of 40 patients errors by influence are a sixth too large: few partners make influences uncertain. A
label that may not be used counts as missing: unlike a class, a time is not filled in by what teacher and students
expect.
Risks of different folds are not compared: a student that soft targets hold back differs less between folds than one
trained alone, and would gain by that without knowing more of the patients of one fold.
"""

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Floats, Gain
from cch_omics.tasks.influence import variance_over_patients
from cch_omics.tasks.survival.metrics import ahead, counted_events, later


def c_gain(
    alone: Floats, taught: Floats, values: Floats, groups: NDArray[np.int64], fold: NDArray[np.int64], tau: float
) -> Gain:
    """Gain in C of taught over alone.

    Parameters
    ----------
    alone, taught
        (n,) held-out risks of the same samples.
    values
        (n, 2) follow-ups, NaN where the label may not be used.
    groups
        (n,) patients.
    fold
        (n,) whose risks are comparable: those that one network predicted.
    tau
        Later events do not count.
    """
    n, known = len(values), np.isfinite(values).all(1)
    influence = np.zeros(n)
    (before, of_before), (after, of_after) = (
        concordance(each[known], values[known], fold[known], tau) for each in (alone, taught)
    )
    influence[known] = of_after - of_before
    if not np.isfinite(after - before):
        return Gain(float("nan"), float("nan"), np.zeros(n))
    variance = variance_over_patients(influence[known], groups[known])
    return Gain(after - before, float(np.sqrt(variance)), influence)


def concordance(risk: Floats, values: Floats, fold: NDArray[np.int64], tau: float) -> tuple[float, Floats]:
    """Uno's C of (n,) risks in (n,) folds, with G of the same samples, and the influence of each sample on it."""
    events, weight = counted_events(values, values, tau)
    pairs = later(values, events) * (fold == fold[events, None]) * (weight**2)[:, None]
    total = pairs.sum()
    if not total > 0:
        return float("nan"), np.zeros(len(risk))
    right = pairs * ahead(risk, events)
    c = float(right.sum() / total)
    beyond = (right - c * pairs) / total  # (E, n), sums to 0
    influence = beyond.sum(0)
    np.add.at(influence, events, beyond.sum(1))
    # A weight is G^-2.
    influence += -2 * beyond.sum(1) @ _of_log_censoring(values, values[events, 0])
    return c, influence


def _of_log_censoring(values: Floats, times: Floats) -> Floats:
    """(E, n) how log G at (E,) times answers to a little more weight of each sample."""
    time, event = values.T
    at = np.unique(time[event == 0])
    censored = (time == at[:, None]) & (event == 0)  # (U, n)
    at_risk = (time > at[:, None]) | censored
    y, c = at_risk.sum(1)[:, None], censored.sum(1)[:, None]
    # Where all at risk are censored G is 0, and no event after it counts.
    each = np.where(y > c, (c * at_risk - y * censored) / (y * np.maximum(y - c, 1)), 0.0)
    summed = np.vstack([np.zeros(len(values)), np.cumsum(each, axis=0)])
    return np.asarray(summed[np.searchsorted(at, times, side="right")])
