"""Linear students, taught by a teacher alone: a pilot in closed form, of all teachers at once.

A ridge regression of the teacher's held-out log-probabilities on the components that the student's network takes, from
all paired training samples, labelled or not. What it says of the inner fold that neither it nor its teacher saw is what
the student's omics can say of what the teacher knows. It costs a few products, where a pilot of networks costs a
training.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Floats = NDArray[np.float64]

# Ridge penalties, in mean eigenvalues of the components' covariance.
PENALTIES = np.geomspace(0.01, 100, 9)


def linear_students(
    inputs: NDArray[np.floating], inner: NDArray[np.int64], teacher_logits: NDArray[np.floating]
) -> Floats:
    """Log-odds of linear students on the inner folds that they did not see, in one outer training set.

    Parameters
    ----------
    inputs
        (K + 1, n, k) components, those of row g fitted without inner fold g.
    inner
        (n,) inner fold, -1 for test samples.
    teacher_logits
        (V, K, n, C) held-out logits of V teachers that did not see inner fold g either (`Encoding.nested_logits`), NaN
        where a sample lacks the teacher's omics.

    Returns
    -------
    (V, n, C), NaN on test samples and where no sample is left to learn from.
    """
    n_teachers, _, n, n_classes = teacher_logits.shape
    found = np.full((n_teachers, n, n_classes), np.nan)
    for fold in np.unique(inner[inner >= 0]):
        logp = log_softmax(np.asarray(teacher_logits[:, fold], dtype=np.float64), axis=-1)
        targets = logp - logp.mean(-1, keepdims=True)
        here = np.asarray(inputs[fold], dtype=np.float64)
        held_out = np.flatnonzero(inner == fold)
        taught = np.isfinite(targets).all(-1) & (inner >= 0) & (inner != fold)
        # Teachers with the same patients share a decomposition.
        patterns, pattern = np.unique(taught, axis=0, return_inverse=True)
        for number, train in enumerate(patterns):
            same = np.flatnonzero(pattern.ravel() == number)
            if train.any():
                found[np.ix_(same, held_out)] = ridge(here[train], targets[same][:, train], here[held_out])
    return found


def ridge(x: Floats, y: Floats, at: Floats) -> Floats:
    """Predict by ridge regression, its penalty by generalised cross-validation (Golub, Heath, Wahba 1979).

    Parameters
    ----------
    x
        (m, k).
    y
        (V, m, q): V problems, each with a penalty of its own.
    at
        (p, k).

    Returns
    -------
    (V, p, q).
    """
    n_problems, m, q = y.shape
    center_x, center_y = x.mean(0), y.mean(1, keepdims=True)
    centred_x, centred_y = x - center_x, y - center_y
    values, axes = np.linalg.eigh(centred_x.T @ centred_x)
    values = np.maximum(values, 0)
    mean = values.mean()
    if mean == 0:
        return np.broadcast_to(center_y, (n_problems, len(at), q)).copy()
    along = (centred_x @ axes).T @ centred_y.transpose(1, 0, 2).reshape(m, -1)  # (k, V q)
    along = along.reshape(len(values), n_problems, q)
    shrunk = values / (values + PENALTIES[:, None] * mean)  # (P, k)
    explained = (along**2).sum(2) / np.where(values > 1e-12 * mean, values, np.inf)[:, None]  # (k, V)
    residual = (centred_y**2).sum((1, 2)) - (2 * shrunk - shrunk**2) @ explained  # (P, V)
    freedom = 1 - (shrunk.sum(1) + 1) / m
    criterion = np.where(freedom[:, None] > 0, residual / np.where(freedom > 0, freedom, 1)[:, None] ** 2, np.inf)
    penalty = PENALTIES[criterion.argmin(0)] * mean  # (V,)
    coefficients = along / (values[:, None] + penalty)[..., None]  # (k, V, q)
    predicted = (at - center_x) @ axes @ coefficients.reshape(len(values), -1)
    return np.asarray(predicted.reshape(len(at), n_problems, q).transpose(1, 0, 2) + center_y)
