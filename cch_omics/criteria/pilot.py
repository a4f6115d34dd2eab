"""The pilot student: distil on the inner folds, and look.

The students of the inner folds are compared with the student trained alone on the fold that neither saw, nor did the
teachers of either (`Encoding.teaching_logits`). With teachers that were trained on the fold's labels a pilot is several
times too optimistic where labels are few: the teacher passes them on.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.criteria.accuracy import decided_accuracy
from cch_omics.criteria.log_loss import fit_pool, pool_design
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
    teacher: NDArray[np.floating],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    offsets: bool = True,
) -> tuple[float, float]:
    """Balanced accuracy of taught minus alone on all samples, and its standard error.

    Where labels are few, most of what is known of the difference is in samples without one: the two students decide
    otherwise there, and teacher and students together have an opinion on who is right. So samples without a label count
    for each class by its posterior probability, that of the logarithmic opinion pool (`log_loss.fit_pool`) of alone,
    taught and teacher which is fitted to the labels (performance from unlabelled data: Ji, Logan, Smyth, Steyvers 2020,
    arXiv 2010.09851). With p_ic that, or 1 for the label and 0 else, d_ic = [taught says c] - [alone says c] and
    P_c = sum_i p_ic,

        gain = 1/C sum_c g_c,   g_c = sum_i p_ic d_ic / P_c.

    The variance has two parts. Other patients: s^2 / C^2 sum_c sum_j P_jc^2 / P_c^2, over patients j, as d is taken to
    have one variance s^2 within all classes, of which one may have a single sample. Other labels: the posterior's
    covariance of the pool's parameters, by the delta method.

    Parameters
    ----------
    alone, taught, teacher
        (n, C) held-out logits of the same samples.
    labels
        (n,) classes, -1 where none may be used.
    groups
        (n,) patients.
    offsets
        Whether decisions are made with class offsets; else the most probable class is called.

    Returns
    -------
    tuple
        NaN without labels; the error also with no more samples than classes.
    """
    labelled = labels >= 0
    if not labelled.any():
        return float("nan"), float("nan")
    logp = np.stack([log_softmax(np.asarray(each, dtype=np.float64), axis=1) for each in (alone, taught, teacher)], 2)
    pool = fit_pool(logp[labelled], labels[labelled])
    one_hot = np.eye(alone.shape[1])
    p = np.where(labelled[:, None], one_hot[labels], np.exp(pool.log_probabilities(logp)))
    nothing = np.zeros(alone.shape[1])
    said = [
        one_hot[decide(logits, class_offsets(logits, labels, labelled) if offsets else nothing)]
        for logits in (alone, taught)
    ]
    present = p.sum(0) > 0
    p, difference = p[:, present], (said[1] - said[0])[:, present]
    mass, n_classes = p.sum(0), int(present.sum())
    of_class = (p * difference).sum(0) / mass
    gain, freedom = float(of_class.mean()), len(labels) - n_classes
    if freedom < 1:
        return gain, float("nan")
    off = difference - of_class
    spread = (p**2 * off**2).sum() / (p**2).sum() * len(labels) / freedom
    patient = np.unique(groups, return_inverse=True)[1]
    of_patient = np.stack([np.bincount(patient, weights=each) for each in p.T], axis=1)
    of_patients = spread * ((of_patient / mass) ** 2).sum() / n_classes**2
    # d p_ic / d theta = p_ic (x_ic - sum_k p_ik x_ik), with x the pool's design; labels do not depend on theta.
    design = pool_design(logp[~labelled])[:, present]
    soft = p[~labelled]
    slope = soft[:, :, None] * (design - (soft[:, :, None] * design).sum(1, keepdims=True))
    gradient = ((off[~labelled] / mass)[:, :, None] * slope).sum((0, 1)) / n_classes
    return gain, float(np.sqrt(of_patients + gradient @ pool.covariance @ gradient))
