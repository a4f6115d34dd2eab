"""The gain in R2 of one held-out student over another, with its error.

With a, t the numbers of the student alone and of the taught one, d_i = (y_i - a_i)^2 - (y_i - t_i)^2
= (a_i - t_i)(a_i + t_i - 2 y_i), and v the variance of the labels,

    gain = mean_i d_i / v.

That is the difference of two R2: the samples of a pilot are training samples, whose mean R2 is relative to.

For a sample without a label y_i is the mean of a pool of alone, taught and teacher that is fitted to the labels, as in
classification. The variance has two parts: other patients, by the influences of all samples on the mean and on v; and
other labels, which act on the pool's coefficients theta, by the delta method.
"""

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Floats, Gain
from cch_omics.tasks.influence import variance_over_patients
from cch_omics.tasks.regression.pool import fit_pool


def r2_gain(alone: Floats, taught: Floats, teacher: Floats, values: Floats, groups: NDArray[np.int64]) -> Gain:
    """Gain in R2 of taught over alone on all samples; see the formulas above.

    Parameters
    ----------
    alone, taught, teacher
        (n,) held-out predictions of the same samples.
    values
        (n,) numbers, NaN where the label may not be used.
    groups
        (n,) patients.
    """
    n, labelled = len(values), np.isfinite(values)
    known = values[labelled]
    variance = float(known.var()) if len(known) else 0.0
    if not variance > 0:
        return Gain(float("nan"), float("nan"), np.zeros(n))
    experts = np.column_stack([alone, taught, teacher])
    pool = fit_pool(experts[labelled], known)
    expected = np.where(labelled, np.nan_to_num(values), pool.mean(experts))
    each = (alone - taught) * (alone + taught - 2 * expected)
    gain = float(each.mean() / variance)

    influence = (each / variance - gain) / n
    spread = (known - known.mean()) ** 2 / variance - 1
    influence[labelled] -= gain * spread / len(known)
    # d gain / d theta, by way of the pool's mean of the samples without a label.
    design = pool.design(experts)
    slope = -2 * (alone - taught)[~labelled] * pool.scale / (n * variance)
    gradient = slope @ design[~labelled]
    sampled = variance_over_patients(influence, groups)
    # One more of a label moves theta by its covariance times the slope of its log-density.
    residual = (known - pool.mean(experts[labelled])) / pool.scale
    influence[labelled] += (design[labelled] * residual[:, None] / pool.noise) @ pool.covariance @ gradient
    return Gain(gain, float(np.sqrt(sampled + gradient @ pool.covariance @ gradient)), influence)
