"""Linear students in closed form: a pilot of all teachers at once.

Ridge regression of class probabilities on the components that the student's network takes, with the objective of the
networks: (1 - lambda) times the mean squared error over labelled samples plus lambda times that over all paired
samples, of the teacher's probabilities, with the weight lambda that networks have by default. It costs a few products,
where a pilot of networks costs a training.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from cch_omics.config import DistillationConfig
from cch_omics.tasks.classification.gain import accuracy_gain
from research.rivals.pair import Floats, Pair

WEIGHT = DistillationConfig().weight

# The grid of a linear student. Penalties are in mean eigenvalues of the components' covariance; a sharpness turns the
# regression's scores, which are too near to one another for probabilities, into logits.
PENALTIES = np.geomspace(0.01, 100, 9)
SHARPNESS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def linear_pilot(pair: Pair) -> float:
    """Gain in balanced accuracy of the linear student over the network trained alone; NaN without linear students.

    Samples without a label count as they do for pilots of networks (`accuracy_gain`).
    """
    if pair.linear_logits is None:
        return float("nan")
    logits = pair.student_logits, pair.linear_logits, pair.teacher_logits
    return accuracy_gain(*logits, pair.labels, np.arange(len(pair.labels))).value


def linear_students(
    inputs: NDArray[np.floating],
    inner: NDArray[np.int64],
    labels: NDArray[np.int64],
    soft_targets: NDArray[np.floating],
) -> Floats:
    """Logits of linear students for the samples of the inner fold that they did not see, in one training set.

    Penalty and sharpness are chosen by label log-loss on the other folds.

    Parameters
    ----------
    inputs
        (K + 1, n, k) components, those of row g fitted without inner fold g.
    inner
        (n,) inner fold, -1 for test samples.
    labels
        (n,) classes, -1 for samples whose label may not be used.
    soft_targets
        (V, K, n, C) outputs of V teachers that may teach without inner fold g (`Encoding.soft_targets`), NaN where a
        sample lacks the teacher's omics.

    Returns
    -------
    (V, n, C), NaN for test samples, and of a teacher without samples.
    """
    n_teachers, _, n, n_classes = soft_targets.shape
    labelled = (inner >= 0) & (labels >= 0)
    one_hot = np.eye(n_classes)[labels]
    scores = np.full((n_teachers, len(PENALTIES), n, n_classes), np.nan)
    for fold in np.unique(inner[inner >= 0]):
        here = np.asarray(inputs[fold], dtype=np.float64)
        probabilities = softmax(np.asarray(soft_targets[:, fold], dtype=np.float64), axis=-1)
        train, held_out = (inner >= 0) & (inner != fold), inner == fold
        taught = train & np.isfinite(probabilities).all(-1)
        # Teachers with the same patients share a decomposition.
        sharing: dict[bytes, list[int]] = {}
        for v in np.flatnonzero(taught.any(1)).tolist():
            sharing.setdefault(taught[v].tobytes(), []).append(v)
        for same in map(np.array, sharing.values()):
            members = taught[same[0]]
            of_label, of_teacher = (each / max(1, each.sum()) for each in (train & labelled, members))
            hard, soft = of_label[:, None] * one_hot, of_teacher[:, None] * np.nan_to_num(probabilities[same])
            used = members | (train & labelled)
            scores[np.ix_(same, np.arange(len(PENALTIES)), np.flatnonzero(held_out))] = ridge(
                here[used],
                ((1 - WEIGHT) * of_label + WEIGHT * of_teacher)[used],
                ((1 - WEIGHT) * hard + WEIGHT * soft)[:, used],
                here[held_out],
            )
    students = np.full((n_teachers, n, n_classes), np.nan)
    for v, each in enumerate(scores):
        known = np.isfinite(each[0]).all(-1)
        if known.any():
            students[v, known] = _chosen(each[:, known], np.where(labelled, labels, -1)[known], inner[known])
    return students


def ridge(x: Floats, weight: Floats, target: Floats, at: Floats) -> Floats:
    """Predict by weighted ridge regression, for each of `PENALTIES`.

    Parameters
    ----------
    x
        (m, k).
    weight
        (m,) of the squared errors.
    target
        (V, m, q) of V problems, times the weights.
    at
        (p, k).

    Returns
    -------
    (V, P, p, q).
    """
    total = weight.sum()
    center_x, center_y = weight @ x / total, target.sum(1, keepdims=True) / total
    centred = x - center_x
    values, axes = np.linalg.eigh(centred.T @ (centred * weight[:, None]))
    values = np.maximum(values, 0)
    mean = values.mean()
    # Inputs that do not vary tell nothing: any penalty will do.
    inverse = 1 / (values + PENALTIES[:, None] * (mean if mean > 0 else 1.0))  # (P, k)
    along = (centred @ axes).T @ target  # (V, k, q)
    return np.asarray(((at - center_x) @ axes * inverse[:, None]) @ along[:, None] + center_y[:, None])


def _chosen(scores: Floats, labels: NDArray[np.int64], fold: NDArray[np.int64]) -> Floats:
    """(P, n, C) scores -> (n, C) logits, for each fold those of the penalty and sharpness that suit the others best."""
    known = labels >= 0
    sharpened = scores[:, None, known] * SHARPNESS[:, None, None]
    loss = -log_softmax(sharpened, axis=-1)[..., np.arange(known.sum()), labels[known]]  # (P, sharpness, labelled)
    chosen = np.empty(scores.shape[1:])
    for each in np.unique(fold):
        others = loss[..., fold[known] != each].sum(-1)
        penalty, sharpness = np.unravel_index(others.argmin(), others.shape)
        chosen[fold == each] = SHARPNESS[sharpness] * scores[penalty, fold == each]
    return np.asarray(log_softmax(chosen, axis=-1))
