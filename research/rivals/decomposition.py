"""Partial information decomposition of what teacher and student predict of the label.

Distillation can hand on what both know of the label, the redundant information, and what only the teacher knows,
its unique information, is what it would have to hand on (Dissanayake, Hamman, Halder, Sucholutsky, Zhang, Dutta 2024,
arXiv 2411.07483). Redundancy here is I_min of Williams & Beer (2010, arXiv 1004.2515):

    R = sum_y p(y) min_M I(Y=y; M),   I(Y=y; M) = sum_m p(m|y) log(p(y|m) / p(y)),   unique = I(T;Y) - R

of the *predicted classes* of held-out samples, with counted frequencies. Frequencies of few samples are biased upwards.
The criticism of I_min (it calls equal amounts redundant, whatever they are about) applies.
"""

import numpy as np
from numpy.typing import NDArray

from research.rivals.pair import Floats, Pair


def redundancy(pair: Pair) -> float:
    """I_min redundancy of the predicted classes about the label, nats; NaN without a labelled sample."""
    teacher, student = _specific(pair)
    return float(_frequency(pair) @ np.minimum(teacher, student)) if pair.labelled.any() else float("nan")


def unique_information(pair: Pair) -> float:
    """What only the teacher's predicted class tells of the label, nats; NaN without a labelled sample."""
    teacher, student = _specific(pair)
    return float(_frequency(pair) @ (teacher - np.minimum(teacher, student))) if pair.labelled.any() else float("nan")


def _specific(pair: Pair) -> tuple[Floats, Floats]:
    labels = pair.labels[pair.labelled]
    n_classes = pair.teacher_logits.shape[1]
    return (
        specific_information(pair.teacher_logits.argmax(1)[pair.labelled], labels, n_classes),
        specific_information(pair.student_logits.argmax(1)[pair.labelled], labels, n_classes),
    )


def _frequency(pair: Pair) -> Floats:
    counts = np.bincount(pair.labels[pair.labelled], minlength=pair.teacher_logits.shape[1])
    return np.asarray(counts / counts.sum())


def specific_information(predicted: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int) -> Floats:
    """(C,) I(Y=y; M), nats, of each label with a prediction M; 0 for a label that does not occur."""
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (labels, predicted), 1)
    of_label, of_prediction = joint.sum(1, keepdims=True), joint.sum(0)
    ratio = np.ones_like(joint)
    np.divide(joint * len(labels), of_label * of_prediction, out=ratio, where=joint > 0)
    share = np.divide(joint, of_label, out=np.zeros_like(joint), where=of_label > 0)
    return np.asarray((share * np.log(ratio)).sum(1))
