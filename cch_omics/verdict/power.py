"""Which gain pilots can decide, and how many patients would decide a given one.

A pilot's gain is its truth g with an error of standard deviation se, and is called positive where P(gain > 0), with the
normal prior of standard deviation s (`Task.gain_sd`) around zero, is at least the confidence c. That is where the pilot
gained z_c se sqrt(1 + (se / s)^2) or more, z the quantiles of a standard normal. So it is called with probability p if

    g = z_c se sqrt(1 + (se / s)^2) + z_p se.

A gain is a mean difference of paired answers, so that the square of se goes with 1 / n, for n patients of a kind. What
is left is how often two students disagree, which nobody knows before they are trained: of real cohorts it is the range
of `Task.pilot_variance`. With v that number, b the imbalance of the labels and l those that are known,

    se^2 = v b / n (n / l)^q,

where q is between 0, labels that are missing do not matter, and about 1, patients without a label do not count; above
that, students with fewer labels disagree more as well.
"""

from collections.abc import Sequence
from math import hypot
from statistics import NormalDist

import numpy as np

from cch_omics.tasks.base import Floats, Task

# With which probability a gain is to be called positive.
POWER = 0.8
# A gain that most would care for, in the unit of every primary metric: 2 points of balanced accuracy.
WORTHWHILE = 0.02


def expected_errors(task: Task, patients: float, labels: float, shares: Sequence[float]) -> Floats:
    """Standard error of a pilot's gain before anyone trains; see the formula above.

    Parameters
    ----------
    patients, labels
        Patients that have both omics, and those of them whose label may be used.
    shares
        As `Task.imbalance` takes them.

    Returns
    -------
    NDArray
        (3,) of a tenth, half and nine tenths of the pairs of real cohorts: low, typical, high.
    """
    of_size = task.imbalance(shares) / patients * (patients / labels) ** task.pilot_label_power
    return np.asarray(np.sqrt(np.array(task.pilot_variance) * of_size))


def decidable_gain(se: float, gain_sd: float, confidence: float) -> float:
    """The true gain that pilots call positive with probability `POWER`; see the formula above.

    Parameters
    ----------
    se
        Standard error of the pilots' gain, in the unit of the metric.
    gain_sd
        Of the prior, `Task.gain_sd`.
    confidence
        The configuration's `criterion.confidence`.
    """
    certain, often = (NormalDist().inv_cdf(p) for p in (confidence, POWER))
    return se * (certain * hypot(1, se / gain_sd) + often)


def patients_needed(gain: float, se: float, patients: float, gain_sd: float, confidence: float) -> float:
    """How many patients like these would decide a gain (`decidable_gain`).

    Parameters
    ----------
    gain
        Above 0.
    se, patients
        The standard error that so many patients have.
    """
    low, high = 0.0, gain / NormalDist().inv_cdf(POWER)
    # The gain grows with the error, and is beyond `gain` at `high`.
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if decidable_gain(middle, gain_sd, confidence) < gain else (low, middle)
    return patients * (se / high) ** 2
