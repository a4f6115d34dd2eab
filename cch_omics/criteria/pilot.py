"""The pilot student: distil on the inner folds, and look.

The students of the inner folds are compared with the student trained alone on the fold that neither saw, nor did the
teachers of either (`Encoding.nested_logits`). With teachers that were trained on the fold's labels a pilot is several
times too optimistic where labels are few: the teacher passes them on.
"""

import numpy as np
from numpy.typing import NDArray

from cch_omics.criteria.accuracy import decided_accuracy
from cch_omics.criteria.pair import Pair
from cch_omics.tasks.classification import class_offsets, decide, log_loss


def pilot(pair: Pair) -> float:
    """Held-out log-loss of the student alone minus that of the taught one, nats; NaN without a pilot."""
    if pair.taught_logits is None or not pair.labelled.any():
        return float("nan")
    both = np.stack([pair.student_logits, pair.taught_logits])[:, pair.labelled]
    alone, taught = log_loss(both, pair.labels[pair.labelled])
    return float(alone - taught)


def pilot_accuracy(pair: Pair) -> float:
    """Balanced accuracy of the taught student minus that of the student alone, with class offsets."""
    if pair.taught_logits is None:
        return float("nan")
    return decided_accuracy(pair, pair.taught_logits) - decided_accuracy(pair, pair.student_logits)


def accuracy_gain(
    alone: NDArray[np.floating],
    taught: NDArray[np.floating],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> tuple[float, float]:
    """Balanced accuracy of taught minus alone, with class offsets, and its standard error given both.

    With d = 1, 0, -1 for samples that only the taught one, both or neither, or only the other gets right, the gain is
    the mean over classes of the mean of d. Its error takes d to have one variance within all C classes, as a class may
    have a single sample: s^2 / C^2 sum_c 1 / m_c, m_c the patients of class c.

    Parameters
    ----------
    alone, taught
        (n, C) held-out logits of the same samples.
    labels
        (n,) classes.
    groups
        (n,) patients.

    Returns
    -------
    tuple
        NaN without samples; the error also with no more samples than classes.
    """
    if not len(labels):
        return float("nan"), float("nan")
    everyone = np.ones(len(labels), dtype=bool)
    right = [decide(logits, class_offsets(logits, labels, everyone)) == labels for logits in (alone, taught)]
    difference = right[1].astype(np.float64) - right[0]
    classes, code = np.unique(labels, return_inverse=True)
    means = np.bincount(code, weights=difference) / np.bincount(code)
    freedom = len(labels) - len(classes)
    if freedom < 1:
        return float(means.mean()), float("nan")
    variance = ((difference - means[code]) ** 2).sum() / freedom
    patients = np.array([len(np.unique(groups[code == c])) for c in range(len(classes))])
    return float(means.mean()), float(np.sqrt(variance * (1 / patients).sum()) / len(classes))
