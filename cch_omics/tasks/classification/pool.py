"""Logarithmic opinion pools of held-out class probabilities (Genest & Zidek 1986, Statistical Science 1:114).

    log p(c) = sum_k w_k log p_k(c) + beta_c + constant

for experts k. They have one weight per expert and one offset per class, far fewer parameters than a regression on all
log-probabilities, because with 15% of the labels a training set has a few dozen. Normal priors of unit variance around
"trust the experts equally", w_k = 1 / K, beta = 0, keep the fit finite where classes separate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Floats = NDArray[np.float64]

STEPS = 50
TOLERANCE = 1e-8


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

    def pooled(theta: Floats) -> tuple[float, Floats]:
        """The objective, and the log-probabilities that it is made of."""
        logp = log_softmax(design @ theta, axis=1)
        return float(-(logp * truth).sum() + 0.5 * ((theta - centre) ** 2).sum()), logp

    theta = centre
    value, logp = pooled(theta)
    for _ in range(STEPS):
        p = np.exp(logp)
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
        while (tried := pooled(theta - size * step))[0] > value - 1e-4 * size * decrease and size > 1e-6:
            size /= 2
        theta, (value, logp) = theta - size * step, tried
    return Pool(theta[:n_experts], theta[n_experts:], np.linalg.inv(hessian))


def pool_design(logp: Floats) -> Floats:
    """(n, C, K + C) what a pool's weights and offsets are multiplied with."""
    n, n_classes, _ = logp.shape
    return np.concatenate([logp, np.broadcast_to(np.eye(n_classes), (n, n_classes, n_classes))], axis=2)
