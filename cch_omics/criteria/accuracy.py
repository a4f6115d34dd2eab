"""Held-out balanced accuracy of the teacher, alone and against the student's: what an analyst looks at first."""

import numpy as np

from cch_omics.criteria.pair import Floats, Pair
from cch_omics.tasks.classification import balanced_accuracy, class_offsets


def teacher_accuracy(pair: Pair) -> float:
    """Balanced accuracy of the teacher's held-out decisions, with class offsets, above chance (1 / classes)."""
    classes = np.unique(pair.labels[pair.labelled])
    return decided_accuracy(pair, pair.teacher_logits) - 1 / max(len(classes), 1)


def teacher_minus_student_accuracy(pair: Pair) -> float:
    """Balanced accuracy of the teacher minus that of the student, on the same samples."""
    return decided_accuracy(pair, pair.teacher_logits) - decided_accuracy(pair, pair.student_logits)


def decided_accuracy(pair: Pair, logits: Floats) -> float:
    """Balanced accuracy, over the classes that occur, of decisions with offsets fitted on the same held-out logits.

    NaN without a labelled sample.
    """
    offsets = class_offsets(logits, pair.labels, pair.labelled)
    return float(np.asarray(balanced_accuracy((logits + offsets)[pair.labelled], pair.labels[pair.labelled])))
