"""The pilot student: distil on the inner folds, and look. The rival that a criterion must save the cost of.

The students of the inner folds are compared with the students trained alone on the fold that neither saw. Soft targets
of the other folds come from teachers that saw the labels of the left-out fold, so that a little of these reaches the
pilot by way of its teacher: it is optimistic by that little.
"""

import numpy as np

from cch_omics.criteria.accuracy import decided_accuracy
from cch_omics.criteria.pair import Pair
from cch_omics.tasks.classification import log_loss


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
