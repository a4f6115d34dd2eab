"""The pilot student: distil on the inner folds, and look.

The students of the inner folds are compared with the student trained alone on the fold that neither saw, nor did the
teachers of either (`Encoding.teaching_logits`). With teachers that were trained on the fold's labels a pilot is several
times too optimistic where labels are few: the teacher passes them on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.criteria.accuracy import decided_accuracy
from cch_omics.criteria.log_loss import Pool, fit_pool, pool_design
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


@dataclass(frozen=True)
class Gain:
    """What a pilot gained in one training set.

    Attributes
    ----------
    value, se
        The gain in balanced accuracy and its standard error.
    influence
        (n,) of each sample, or of each patient: how the gain answers to a little more weight of it (the influence curve
        of a held-out measure: LeDell, Petersen, van der Laan 2015, Electronic Journal of Statistics 9:1583).
    """

    value: float
    se: float
    influence: NDArray[np.float64]


def mean_gain(gains: Sequence[Gain]) -> tuple[float, float]:
    """Mean of the gains in training sets that share patients, and its standard error.

    The influences of a patient on several gains average to that on their mean, and those of different patients are
    independent. So of the variance of one gain, the share |mean influence|^2 / mean |influence|^2 is left: all of it if
    each patient moves all gains alike, 1 / J of it in J training sets if it is another chance in each.

    Parameters
    ----------
    gains
        With influences of the same patients; those without a standard error are left out.

    Returns
    -------
    tuple
        NaN if none is left.
    """
    known = [gain for gain in gains if np.isfinite(gain.se)]
    if not known:
        return float("nan"), float("nan")
    influence = np.stack([gain.influence for gain in known])
    each = (influence**2).sum(1).mean()
    left = (influence.mean(0) ** 2).sum() / each if each > 0 else 1.0
    variance = np.mean([gain.se**2 for gain in known])
    return float(np.mean([gain.value for gain in known])), float(np.sqrt(left * variance))


def answers(logits: NDArray[np.floating], labels: NDArray[np.int64], *, offsets: bool = True) -> NDArray[np.float64]:
    """(n, C) one-hot decisions, with class offsets by the labels that are not -1."""
    shift = class_offsets(logits, labels, labels >= 0) if offsets else np.zeros(logits.shape[1])
    return np.asarray(np.eye(logits.shape[1])[decide(logits, shift)])


def posterior(
    alone: NDArray[np.floating], taught: NDArray[np.floating], teacher: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], Pool]:
    """Of which class each sample is: its label, or where that is -1 the probabilities of the pool.

    Returns
    -------
    tuple
        (n, C) probabilities; (n, C, 3) log-probabilities of the three, and the pool that is fitted to the labels.
    """
    labelled = labels >= 0
    logp = np.stack([log_softmax(np.asarray(each, dtype=np.float64), axis=1) for each in (alone, taught, teacher)], 2)
    pool = fit_pool(logp[labelled], labels[labelled])
    one_hot = np.eye(alone.shape[1])
    return np.where(labelled[:, None], one_hot[labels], np.exp(pool.log_probabilities(logp))), logp, pool


def accuracy_gain(
    alone: NDArray[np.floating],
    taught: NDArray[np.floating],
    teacher: NDArray[np.floating],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    offsets: bool = True,
) -> Gain:
    """Balanced accuracy of taught minus alone on all samples.

    Where labels are few, most of what is known of the difference is in samples without one: the two students decide
    otherwise there, and teacher and students together have an opinion on who is right. So samples without a label count
    for each class by its posterior probability, that of the logarithmic opinion pool (`log_loss.fit_pool`) of alone,
    taught and teacher which is fitted to the labels (performance from unlabelled data: Ji, Logan, Smyth, Steyvers 2020,
    arXiv 2010.09851). With p_ic that, or 1 for the label and 0 else, d_ic = [taught says c] - [alone says c] and
    P_c = sum_i p_ic,

        gain = 1/C sum_c g_c,   g_c = sum_i p_ic d_ic / P_c.

    The variance has two parts. Other patients: s^2 / C^2 sum_c sum_j P_jc^2 / P_c^2, over patients j, as d is taken to
    have one variance s^2 within all classes, of which one may have a single sample. Other labels: the posterior's
    covariance of the pool's parameters, by the delta method. Influences have the same two parts, that of a label on the
    posterior going by way of the pool's parameters.

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
    Gain
        With the influence of each sample. NaN without labels; the error also with no more samples than classes.
    """
    labelled = labels >= 0
    if not labelled.any():
        return Gain(float("nan"), float("nan"), np.zeros(len(labels)))
    p, logp, pool = posterior(alone, taught, teacher, labels)
    difference = answers(taught, labels, offsets=offsets) - answers(alone, labels, offsets=offsets)
    present = p.sum(0) > 0
    p, difference = p[:, present], difference[:, present]
    mass, n_classes = p.sum(0), int(present.sum())
    of_class = (p * difference).sum(0) / mass
    off = difference - of_class
    # d p_ic / d theta = p_ic (x_ic - sum_k p_ik x_ik), with x the pool's design; labels do not depend on theta.
    design = pool_design(logp)
    varied, soft = design[~labelled][:, present], p[~labelled]
    slope = soft[:, :, None] * (varied - (soft[:, :, None] * varied).sum(1, keepdims=True))
    gradient = ((off[~labelled] / mass)[:, :, None] * slope).sum((0, 1)) / n_classes
    influence = (p * off / mass).sum(1) / n_classes
    # One more of a label moves the parameters by their covariance times the slope of its log-probability.
    surprise = np.eye(alone.shape[1])[labels[labelled]] - np.exp(pool.log_probabilities(logp[labelled]))
    influence[labelled] += (surprise[:, :, None] * design[labelled]).sum(1) @ pool.covariance @ gradient

    gain, freedom = float(of_class.mean()), len(labels) - n_classes
    if freedom < 1:
        return Gain(gain, float("nan"), influence)
    spread = (p**2 * off**2).sum() / (p**2).sum() * len(labels) / freedom
    patient = np.unique(groups, return_inverse=True)[1]
    of_patient = np.stack([np.bincount(patient, weights=each) for each in p.T], axis=1)
    of_patients = spread * ((of_patient / mass) ** 2).sum() / n_classes**2
    return Gain(gain, float(np.sqrt(of_patients + gradient @ pool.covariance @ gradient)), influence)
