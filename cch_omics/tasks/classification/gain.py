"""The gain in balanced accuracy of one held-out student over another, with its error.

Where labels are few, most of what is known of the difference is in samples without one: the two students decide
otherwise there, and teacher and students together have an opinion on who is right. So a sample without a label counts
for each class by its posterior probability, that of the logarithmic opinion pool of alone, taught and teacher which is
fitted to the labels (performance from unlabelled data: Ji, Logan, Smyth, Steyvers 2020, arXiv 2010.09851). With p_ic
that, or 1 for the label and 0 else, d_ic = [taught says c] - [alone says c] and P_c = sum_i p_ic,

    gain = 1/C sum_c g_c,   g_c = sum_i p_ic d_ic / P_c.

The variance has two parts. Other patients: s^2 / C^2 sum_c sum_j P_jc^2 / P_c^2, over patients j, as d is taken to have
one variance s^2 within all classes, of which one may have a single sample. Other labels: the posterior's covariance of
the pool's parameters, by the delta method. Influences have the same two parts; a label acts on the posterior through
the pool's parameters.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.tasks.base import Floats, Gain, Outputs
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.tasks.classification.pool import Pool, fit_pool, pool_design


def accuracy_gain(
    alone: Outputs, taught: Outputs, teacher: Outputs, labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> Gain:
    """Balanced accuracy of taught minus alone on all samples; see the formulas above.

    Parameters
    ----------
    alone, taught, teacher
        (n, C) held-out outputs of the same samples.
    labels
        (n,) classes, -1 where none may be used.
    groups
        (n,) patients.
    """
    labelled = labels >= 0
    if not labelled.any():
        return Gain(float("nan"), float("nan"), np.zeros(len(labels)))
    p, logp, pool = posterior(alone, taught, teacher, labels)
    difference = answers(taught, labels) - answers(alone, labels)
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


def posterior(
    alone: Outputs, taught: Outputs, teacher: Outputs, labels: NDArray[np.int64]
) -> tuple[Floats, Floats, Pool]:
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


def answers(outputs: Outputs, labels: NDArray[np.int64]) -> Floats:
    """(n, C) one-hot decisions, with the logit adjustment learnt from the labels that are not -1."""
    adjusted = outputs + logit_adjustment(outputs, labels, labels >= 0)
    return np.asarray(np.eye(outputs.shape[1])[adjusted.argmax(1)])
