"""The gain that a bias-variance account of the mixed target expects, its terms estimated from held-out predictions.

In the linear model of docs/theory.md (result 1) the student of the target (1 - a) y + a h has the excess risk

    E(a) = a^2 B + (1 - a)^2 s_y V_n + (2 a (1 - a) c + a^2 s_h) V_N,        V_n = d / n, V_N = d / N

with B = E((g - b)'x)^2 the misfit of what x tells of the teacher and of the label, s_y and s_h the residual variances
given x, c their covariance, n labelled and N paired samples. The score is E(0) - E(a) at one weight.

y is the indicator of the label, h the teacher's held-out probabilities, and x is known by the student's held-out
log-probabilities: b'x and g'x are ridge regressions of y and of h on these, each predicted without its inner fold. B is
estimated as E[2 r q - q^2], r = h - y, q = (g - b)'x, which is free of the upward bias of E[q^2] and can be negative.
d is the number of the student's units, n - d - 1 is replaced by n: a network is regularised, and no count of
parameters is right for it. Sums over classes; the unit is that of the Brier score.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from research.rivals.pair import Floats, Pair

WEIGHT = 0.5
PENALTY = 1.0


def expected_gain(pair: Pair) -> float:
    """E(0) - E(`WEIGHT`), Brier score; NaN with fewer than two labelled samples."""
    labelled = pair.labelled
    if labelled.sum() < 2:
        return float("nan")
    n_classes = pair.teacher_logits.shape[1]
    x = log_softmax(pair.student_logits, axis=1)
    x = x - x.mean(1, keepdims=True)
    h = softmax(pair.teacher_logits, axis=1)
    y = np.eye(n_classes)[pair.labels[labelled]]
    of_h = left_out_ridge(x, h, pair.fold)
    of_y = left_out_ridge(x[labelled], y, pair.fold[labelled])
    e_h, e_y = h - of_h, y - of_y
    difference = of_h[labelled] - of_y
    misfit = float((2 * (h[labelled] - y) * difference - difference**2).sum(1).mean())
    s_y, s_h = float((e_y**2).sum(1).mean()), float((e_h**2).sum(1).mean())
    covariance = float((e_y * e_h[labelled]).sum(1).mean())
    d, n = pair.student_representation.shape[1], pair.n_student
    per_sample = d / n, d / (n + int((~labelled).sum()))
    alone = excess_risk(0.0, misfit, s_y, s_h, covariance, *per_sample)
    return alone - excess_risk(WEIGHT, misfit, s_y, s_h, covariance, *per_sample)


def excess_risk(
    weight: float, misfit: float, s_y: float, s_h: float, covariance: float, v_n: float, v_all: float
) -> float:
    """E(a) above."""
    own = (1 - weight) ** 2 * s_y * v_n
    taught = (2 * weight * (1 - weight) * covariance + weight**2 * s_h) * v_all
    return weight**2 * misfit + own + taught


def left_out_ridge(x: Floats, y: Floats, fold: NDArray[np.int64]) -> Floats:
    """(n, C) predictions of y from x, each without its fold.

    Ridge regression with an intercept that is not penalised, on predictors of unit variance; with no other fold, 0.
    """
    predicted = np.zeros_like(y)
    for held_out in np.unique(fold):
        test = fold == held_out
        if test.all():
            continue
        centre, scale = x[~test].mean(0), x[~test].std(0)
        z = (x - centre) / np.where(scale > 0, scale, 1.0)
        mean = y[~test].mean(0)
        gram = z[~test].T @ z[~test] + PENALTY * np.eye(x.shape[1])
        predicted[test] = z[test] @ np.linalg.solve(gram, z[~test].T @ (y[~test] - mean)) + mean
    return predicted
