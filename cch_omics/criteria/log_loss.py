"""What one modality knows of the label more than another, as a paired difference of held-out log-losses.

With well-specified models log-loss is conditional entropy, so H(Y|S) - H(Y|T) = I(T;Y) - I(S;Y). Class probabilities of
different encoders have the same axes, the classes: unlike representations, predictions of different inner folds can be
put together, and a few dozen labels are enough.

The models are logarithmic opinion pools (Genest & Zidek 1986, Statistical Science 1:114) of the held-out predictions:

    log p(c) = sum_k w_k log p_k(c) + beta_c + constant

for the experts k in {S}, {T} or {S, T}. They have one weight per expert and one offset per class, far fewer parameters
than a regression on 2C logits, because with 15% of the labels a training set has a few dozen. Normal priors of unit
variance around "trust the experts equally", w_k = 1 / K, beta = 0, keep the fit finite where classes separate. A pool
is fitted on the other inner folds and scored on the one it did not see.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.config import LAMBDA

Floats = NDArray[np.float64]

# Of what only the student knows, in `Losses.benefit`: the misfit of a mixed target goes with the square of its weight
# (docs/theory.md, result 1).
MISFIT_WEIGHT = LAMBDA**2

STEPS = 50
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Losses:
    """Held-out -log p(label) of the pools of a teacher and a student, in nats: what each knows of the label.

    The quantities come with the standard error of a mean of patients, given encoders and pools; both are NaN without
    samples, the error also with one patient.

    Attributes
    ----------
    teacher, student, both, neither
        (n,) of the pools of {T}, {S}, {S, T} and of none: the class frequencies of the other inner folds.
    groups
        (n,) patients.
    """

    teacher: Floats
    student: Floats
    both: Floats
    neither: Floats
    groups: NDArray[np.int64]

    @property
    def swapped(self) -> "Losses":
        """Teacher and student exchanged."""
        return replace(self, teacher=self.student, student=self.teacher)

    def advantage(self) -> tuple[float, float]:
        """I(T;Y) - I(S;Y): the mean over samples of log p_T(label) - log p_S(label)."""
        return _mean(self.student - self.teacher, self.groups)

    def benefit(self) -> tuple[float, float]:
        """What the teacher would add: I(T;Y|S) - w I(S;Y|T), w = `MISFIT_WEIGHT`.

        The mean over samples of (1 - w) log p_ST(label) + w log p_T(label) - log p_S(label). With w = 1 it is the
        advantage.
        """
        return _mean(self.student - (1 - MISFIT_WEIGHT) * self.both - MISFIT_WEIGHT * self.teacher, self.groups)

    def teacher_label(self) -> tuple[float, float]:
        """I(T;Y)."""
        return _mean(self.neither - self.teacher, self.groups)


def held_out_losses(
    teacher: Floats, student: Floats, labels: NDArray[np.int64], fold: NDArray[np.int64], groups: NDArray[np.int64]
) -> Losses:
    """Fit the four pools and score them.

    Parameters
    ----------
    teacher, student
        (n, C) held-out logits of the same samples.
    labels
        (n,) classes.
    fold
        (n,) inner fold, whose samples no encoder and no pool behind their predictions saw.
    groups
        (n,) patients.
    """
    logp = log_softmax(np.stack([student, teacher], axis=-1), axis=1)
    experts = {"teacher": [1], "student": [0], "both": [0, 1], "neither": []}
    pools = {name: pooled_losses(logp[..., each], labels, fold) for name, each in experts.items()}
    return Losses(**pools, groups=groups)


def _mean(values: Floats, groups: NDArray[np.int64]) -> tuple[float, float]:
    """Mean, and its standard error from the sums of patients."""
    if not len(values):
        return float("nan"), float("nan")
    mean = float(values.mean())
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=values - mean)
    n = len(sums)
    if n < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(n / (n - 1) * (sums @ sums)) / len(values))


def pooled_losses(logp: Floats, labels: NDArray[np.int64], fold: NDArray[np.int64]) -> Floats:
    """Held-out -log p(label) of the pool of K experts; of none, of the class frequencies.

    Parameters
    ----------
    logp
        (n, C, K) held-out log-probabilities.
    labels, fold
        (n,) classes and inner folds.

    Returns
    -------
    (n,) nats.
    """
    losses = np.empty(len(labels))
    for held_out in np.unique(fold):
        test = fold == held_out
        pooled = fit_pool(logp[~test], labels[~test]).log_probabilities(logp[test])
        losses[test] = -pooled[np.arange(test.sum()), labels[test]]
    return losses


@dataclass(frozen=True)
class Pool:
    """A logarithmic opinion pool of K experts.

    Attributes
    ----------
    weights, offsets
        (K,) and (C,).
    covariance
        (K + C, K + C) of both, by the curvature of the objective: Laplace's approximation of their posterior.
    """

    weights: Floats
    offsets: Floats
    covariance: Floats

    def log_probabilities(self, logp: Floats) -> Floats:
        """(n, C, K) log-probabilities of the experts -> (n, C)."""
        return np.asarray(log_softmax(logp @ self.weights + self.offsets, axis=-1))


def fit_pool(logp: Floats, labels: NDArray[np.int64]) -> Pool:
    """Fit a logarithmic opinion pool, by Newton's method.

    Minimises sum_i -log p(label_i) + 1/2 sum_k (w_k - 1/K)^2 + 1/2 sum_c beta_c^2, which is convex.

    Parameters
    ----------
    logp
        (n, C, K) log-probabilities of K experts.
    labels
        (n,).

    Returns
    -------
    Pool
        Without samples the centre of the prior.
    """
    _, n_classes, n_experts = logp.shape
    design = pool_design(logp)
    truth = np.eye(n_classes)[labels]
    centre = np.concatenate([np.full(n_experts, 1 / max(n_experts, 1)), np.zeros(n_classes)])

    def objective(theta: Floats) -> float:
        return float(-(log_softmax(design @ theta, axis=1) * truth).sum() + 0.5 * ((theta - centre) ** 2).sum())

    theta = centre
    value = objective(theta)
    for _ in range(STEPS):
        p = np.exp(log_softmax(design @ theta, axis=1))
        gradient = np.einsum("ncd,nc->d", design, p - truth) + theta - centre
        mean = np.einsum("ncd,nc->nd", design, p)
        weighted = (design * p[:, :, None]).reshape(-1, len(theta))
        hessian = weighted.T @ design.reshape(-1, len(theta)) - mean.T @ mean + np.eye(len(theta))
        step = np.linalg.solve(hessian, gradient)
        decrease = float(gradient @ step)
        if decrease < TOLERANCE:
            break
        # Far from the optimum a full step can overshoot.
        size = 1.0
        while (tried := objective(theta - size * step)) > value - 1e-4 * size * decrease and size > 1e-6:
            size /= 2
        theta, value = theta - size * step, tried
    return Pool(theta[:n_experts], theta[n_experts:], np.linalg.inv(hessian))


def pool_design(logp: Floats) -> Floats:
    """(n, C, K + C) what a pool's weights and offsets are multiplied with."""
    n, n_classes, _ = logp.shape
    return np.concatenate([logp, np.broadcast_to(np.eye(n_classes), (n, n_classes, n_classes))], axis=2)
