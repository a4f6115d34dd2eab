"""What one modality knows of the label beyond the other, as a paired difference of held-out log-losses.

With well-specified models log-loss is conditional entropy, H(Y|S) = E[-log p(Y|S)], so that

    I(T;Y|S) = H(Y|S) - H(Y|S,T),   I(S;Y|T) = H(Y|T) - H(Y|S,T),   I(T;Y) - I(S;Y) = H(Y|S) - H(Y|T).

The models are logarithmic opinion pools (Genest & Zidek 1986, Statistical Science 1:114) of the held-out predictions:

    log p(c) = sum_k w_k log p_k(c) + beta_c + constant

for the experts k in {S}, {T} or {S, T}. They have one weight per expert and one offset per class, far fewer parameters
than a regression on 2C logits, because with 15% of the labels a training set has a few dozen. Normal priors of unit
variance around "trust the experts equally", w_k = 1 / K, beta = 0, keep the fit finite where classes separate. A pool
is fitted on the other inner folds and scored on the one it did not see. Differences are paired by sample and can be
negative: an expert that adds nothing costs what its weight costs to fit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.criteria.pair import Floats, Pair

STEPS = 50
TOLERANCE = 1e-8


def teacher_given_student(pair: Pair) -> float:
    """I(T;Y|S), nats: what the teacher could add."""
    return float(np.mean(_losses(pair, "S") - _losses(pair, "ST"))) if pair.labelled.any() else float("nan")


def minus_student_given_teacher(pair: Pair) -> float:
    """-I(S;Y|T), nats: what the teacher does not know of what the student knows, the bias of its targets."""
    return float(np.mean(_losses(pair, "ST") - _losses(pair, "T"))) if pair.labelled.any() else float("nan")


def advantage_log_loss(pair: Pair) -> float:
    """I(T;Y) - I(S;Y), nats."""
    return float(np.mean(_losses(pair, "S") - _losses(pair, "T"))) if pair.labelled.any() else float("nan")


def _losses(pair: Pair, experts: str) -> Floats:
    """Held-out -log p(label) of the pool of these experts, for each labelled sample."""
    logits = {"S": pair.student_logits, "T": pair.teacher_logits}
    labelled = pair.labelled
    logp = np.stack([log_softmax(logits[name][labelled], axis=-1) for name in experts], axis=-1)  # (n, C, K)
    labels, fold = pair.labels[labelled], pair.fold[labelled]
    losses = np.empty(len(labels))
    for held_out in np.unique(fold):
        test = fold == held_out
        weights, offsets = fit_pool(logp[~test], labels[~test])
        pooled = log_softmax(logp[test] @ weights + offsets, axis=-1)
        losses[test] = -pooled[np.arange(test.sum()), labels[test]]
    return losses


def fit_pool(logp: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
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
    tuple
        (K,) weights and (C,) offsets; the centre of the prior without samples.
    """
    n, n_classes, n_experts = logp.shape
    design = np.concatenate([logp, np.broadcast_to(np.eye(n_classes), (n, n_classes, n_classes))], axis=2)
    truth = np.eye(n_classes)[labels]
    centre = np.concatenate([np.full(n_experts, 1 / n_experts), np.zeros(n_classes)])

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
    return theta[:n_experts], theta[n_experts:]
