"""A pool of several experts' hazards: a discrete-time model whose logits are a weighted mean of theirs.

    o_k = m_k + sum_e w_e (o_ek - m_k) + b

with the logits m_k of all patients together (`hazards.life_table`). Normal priors of unit variance around "trust the
experts equally", w_e = 1 / E, b = 0, as the pools of the other tasks have them. Without experts it is the life table.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cch_omics.tasks.base import Floats, Outputs, Values
from cch_omics.tasks.survival.hazards import encode, life_table, log_likelihood

_STEPS = 30
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class HazardPool:
    """A fitted pool of E experts (`base.Pool`).

    Attributes
    ----------
    edges
        (K,) ends of the intervals.
    marginal
        (K,) m.
    coefficients
        (E + 1,) weights of the experts, and b.
    """

    edges: Floats
    marginal: Floats
    coefficients: Floats

    def logits(self, outputs: Outputs) -> Floats:
        """(n, K, E) logits of the experts -> (n, K)."""
        return np.asarray(self.marginal + _design(outputs, self.marginal) @ self.coefficients)

    def log_likelihood(self, outputs: Outputs, values: Values) -> Floats:
        """(n, K, E) outputs and (n, 2) follow-ups -> (n,) log p(follow-up), in nats."""
        return log_likelihood(self.logits(outputs), *encode(self.edges, values))


def fit_pool(outputs: Outputs, values: Floats, edges: Floats) -> HazardPool:
    """Fit to (n, K, E) held-out logits of E experts and (n, 2) follow-ups, by Newton's method."""
    d, x = encode(edges, values)
    marginal = life_table(d, x)
    design = _design(outputs, marginal)
    n_experts = design.shape[-1] - 1
    prior = np.append(np.full(n_experts, 1 / max(n_experts, 1)), 0.0)
    coefficients = prior.copy()

    def objective(at: Floats) -> float:
        return float(log_likelihood(marginal + design @ at, d, x).sum() - 0.5 * ((at - prior) ** 2).sum())

    value = objective(coefficients)
    for _ in range(_STEPS):
        hazard = expit(marginal + design @ coefficients)
        gradient = np.einsum("nk,nke->e", d - x * hazard, design) - (coefficients - prior)
        curvature = np.einsum("nk,nke,nkf->ef", x * hazard * (1 - hazard), design, design) + np.eye(len(prior))
        step = np.linalg.solve(curvature, gradient)
        # The objective is concave: half of a step that went too far, or less, is uphill.
        while np.abs(step).max() > _TOLERANCE and not (after := objective(coefficients + step)) >= value:
            step = step / 2
        if np.abs(step).max() <= _TOLERANCE:
            break
        coefficients, value = coefficients + step, after
    return HazardPool(edges, marginal, coefficients)


def _design(outputs: Outputs, marginal: Floats) -> Floats:
    """(n, K, E + 1) what the coefficients multiply."""
    beyond = np.asarray(outputs, dtype=np.float64) - marginal[:, None]
    return np.concatenate([beyond, np.ones((*beyond.shape[:2], 1))], -1)
