"""Held-out balanced accuracy of the teacher: what an analyst looks at first."""

import numpy as np

from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.tasks.classification.metrics import balanced_accuracy
from research.rivals.pair import Floats, Pair


def teacher_accuracy(pair: Pair) -> float:
    """Balanced accuracy of the teacher's held-out decisions above chance (1 / classes)."""
    classes = np.unique(pair.labels[pair.labelled])
    return decided_accuracy(pair, pair.teacher_logits) - 1 / max(len(classes), 1)


def decided_accuracy(pair: Pair, logits: Floats) -> float:
    """Balanced accuracy over the classes that occur; the logit adjustment is fitted to the same held-out logits.

    NaN without a labelled sample.
    """
    adjusted = logits + logit_adjustment(logits, pair.labels, pair.labelled)
    return float(np.asarray(balanced_accuracy(adjusted[pair.labelled], pair.labels[pair.labelled])))
