"""The Modality Focusing Hypothesis: the share of what decides in the teacher that the student's modality has as well.

Xue, Gao, Ren, Zhao (2023, ICLR, arXiv 2206.06487): cross-modal distillation works as far as the features that decide
the label are *modality-general*; gamma is their share. From held-out representations we take, for every unit u of the
teacher,

    decisive(u) = the share of its variance that lies between the classes (eta squared),
    general(u)  = R^2 of its prediction from the student's units, by least squares, leaving one sample out,
    gamma       = sum_u decisive(u) general(u) / sum_u decisive(u),

within each inner fold, and average the folds. This is our reading of their gamma, not their algorithm, which trains
networks for it. A prediction worse than the mean has a negative R^2, and gamma can be negative.
With a handful of labelled samples in a fold eta squared is near 1 for all units, and gamma is plain predictability.
"""

import numpy as np
from numpy.typing import NDArray

from research.rivals.pair import Floats, Pair, fold_mean


def modality_focusing(pair: Pair) -> float:
    """Share of modality-general decisive features; NaN where no fold has enough samples."""
    values, sizes = [], []
    for members in pair.folds():
        decisive = between_class_share(pair.teacher_representation, pair.labels, members & pair.labelled)
        general = left_out_r2(pair.student_representation[members], pair.teacher_representation[members])
        with np.errstate(invalid="ignore"):
            values.append(float((decisive * general).sum() / decisive.sum()))
        sizes.append(int(members.sum()))
    return fold_mean(values, sizes)


def between_class_share(units: Floats, labels: NDArray[np.int64], members: NDArray[np.bool_]) -> Floats:
    """(r,) eta squared of each unit; NaN with fewer than two classes, or for a constant unit."""
    x, y = units[members], labels[members]
    present = np.unique(y)
    if len(present) < 2:
        return np.full(units.shape[1], np.nan)
    truth = (y[:, None] == present).astype(np.float64)
    means = truth.T @ x / truth.sum(0)[:, None]
    between = (truth.sum(0)[:, None] * (means - x.mean(0)) ** 2).sum(0)
    total = ((x - x.mean(0)) ** 2).sum(0)
    return np.asarray(np.divide(between, total, out=np.full_like(total, np.nan), where=total > 0))


def left_out_r2(predictors: Floats, outcomes: Floats) -> Floats:
    """(r,) R^2 of each outcome by least squares with intercept, each sample predicted without itself.

    1 - PRESS / sum of squares around the mean of the others. A residual without sample i is e_i / (1 - H_ii), H the
    projection on predictors and intercept. NaN with fewer samples than parameters plus two.
    """
    n, q = predictors.shape
    if n < q + 3:
        return np.full(outcomes.shape[1], np.nan)
    basis, singular, _ = np.linalg.svd(np.column_stack([np.ones(n), predictors]), full_matrices=False)
    basis = basis[:, singular > singular[0] * 1e-10]
    leverage = (basis**2).sum(1)
    residual = (outcomes - basis @ (basis.T @ outcomes)) / (1 - leverage)[:, None]
    around_mean = (outcomes - outcomes.mean(0)) * n / (n - 1)
    total = (around_mean**2).sum(0)
    explained = np.divide((residual**2).sum(0), total, out=np.full_like(total, np.nan), where=total > 0)
    return np.asarray(1 - explained)
