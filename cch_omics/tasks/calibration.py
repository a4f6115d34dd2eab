"""Whether what is predicted happens as often, or is as large, as predicted: what tasks share in judging it.

Of a prediction on the scale of a model's linear predictor s, calibration in the large is the intercept a of

    y ~ a + s     (0 if the mean is right),

and the slope is b of y ~ a + b s (1 is right; below 1, predictions are too extreme, as those of overfitted models are).
Cox 1958, Biometrika 45:562; Van Calster et al. 2019, BMC Medicine 17:230.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cch_omics.tasks.base import Floats

# A number, and how it answers to a little more weight of each of (n,) samples (`base.Gain.influence`).
Measured = tuple[float, Floats]
# A step of Newton's is no longer than this; where so many lead nowhere, as where classes are parted, there is no fit.
_LONGEST_STEP, _STEPS, _DONE = 1.0, 100, 1e-9
# Most bins of predictions, and fewest samples of each.
BINS = 10
MIN_PER_BIN = 10


def intercept_and_slope(score: Floats, offset: Floats, outcome: Floats, *, events: bool) -> tuple[Measured, Measured]:
    """Calibration in the large, and slope; NaN where there is no fit.

    Parameters
    ----------
    score
        (n,) s, whose slope is asked for.
    offset
        (n,) what is added to s, with the slope 1.
    outcome
        (n,) whether it happened: with a probability whose logit is s + offset; or, if `events`, as a number of events
        with the expectation exp(s + offset) (Crowson, Atkinson, Therneau 2016, Stat. Methods Med. Res. 25:1692).
    """
    ones = np.ones((len(score), 1))
    large, of_large = fit(ones, score + offset, outcome, np.zeros(1), events=events)
    both, of_both = fit(np.column_stack([ones, score]), offset, outcome, np.array([0.0, 1.0]), events=events)
    return (float(large[0]), of_large[:, 0]), (float(both[1]), of_both[:, 1])


def mean_and_slope(predicted: Floats, observed: Floats) -> tuple[Measured, Measured]:
    """Mean of (n,) observed minus predicted numbers, and slope of the least-squares line of observed on predicted."""
    off, centred = observed - predicted, predicted - predicted.mean()
    mean = float(off.mean()), (off - off.mean()) / len(off)
    if not (total := float(centred @ centred)) > 0:
        return mean, (float("nan"), np.zeros(len(off)))
    slope = float(centred @ observed) / total
    residual = observed - observed.mean() - slope * centred
    return mean, (slope, centred * residual / total)


def fit(design: Floats, offset: Floats, outcome: Floats, start: Floats, *, events: bool) -> tuple[Floats, Floats]:
    """Coefficients (k,) of a logistic or a Poisson regression, by Newton's method, and (n, k) influences of samples.

    NaN where the likelihood has no maximum.
    """
    coefficients, none = start, (np.full(len(start), np.nan), np.zeros(design.shape))
    if not len(outcome) or np.ptp(outcome) == 0 or any(np.ptp(column) == 0 for column in design.T[1:]):
        return none
    for _ in range(_STEPS):
        with np.errstate(over="ignore", invalid="ignore"):
            mean = (np.exp if events else expit)(design @ coefficients + offset)
            information = design.T @ (design * (mean if events else mean * (1 - mean))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1 / np.finfo(float).eps:
            return none
        influence = np.linalg.solve(information, (design * (outcome - mean)[:, None]).T).T
        step = influence.sum(0)
        coefficients = coefficients + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < _DONE:
            return coefficients, influence
    return none


def means_of_bins(
    order: Floats, predicted: Floats, observed: Floats, most: int = BINS, fewest: int = MIN_PER_BIN
) -> tuple[Floats, Floats]:
    """Means of (n,) predictions and observations in bins of equal size, in increasing order of some numbers."""
    sorted_: NDArray[np.int64] = np.argsort(order, kind="stable")
    bins = np.array_split(sorted_, max(1, min(most, len(order) // fewest)))
    means = np.array([[each[members].mean() for members in bins] for each in (predicted, observed)])
    return means[0], means[1]
