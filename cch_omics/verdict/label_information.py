"""What held-out outputs say of the label."""

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.tasks.base import Outputs, Task
from cch_omics.tasks.influence import variance_over_patients
from cch_omics.tasks.likelihood import likelihood_gains


def label_information(
    cohort: Cohort, task: Task, outputs: Outputs, samples: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[float, float]:
    """Information about the label: mean held-out log p(y | outputs) - log p(y), and its standard error over patients.

    Both are likelihoods of pools (`Task.fit_pool`) of the other inner folds: of the outputs, and of nothing. Outputs of
    different inner folds have the same axes, unlike representations, so that a few dozen labels are enough.

    Parameters
    ----------
    task
        As it is used in the split.
    outputs
        (m, C) held-out outputs of the labelled samples.
    samples
        (n,) which samples of the cohort these are.
    fold
        (m,) their inner fold.

    Returns
    -------
    tuple
        Nats; NaN without samples, the error also with one patient.
    """
    values = cohort.target.values[samples]
    if not len(values):
        return float("nan"), float("nan")
    gained = likelihood_gains(task, outputs, values, fold)
    mean = float(gained.mean())
    return mean, float(np.sqrt(variance_over_patients((gained - mean) / len(values), cohort.groups[samples])))
