"""A pool of several experts' numbers: Bayesian linear regression of the target on their predictions.

In units of the labels' standard deviation, y = b + sum_k w_k p_k + noise, with normal priors of unit variance around
"trust the experts equally", w_k = 1 / K, b = 0, as the pool of classification has them. The variance of the noise is
the residual one, with as many degrees of freedom as the fit has left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Outputs, Values
from cch_omics.tasks.regression.transform import Transform

Floats = NDArray[np.float64]

STEPS = 20


@dataclass(frozen=True)
class GaussianPool:
    """A fitted pool of K experts.

    Attributes
    ----------
    centre, scale
        Of the labels: inside, all is in these units.
    coefficients
        (K + 1,) weights of the experts and the intercept.
    covariance
        (K + 1, K + 1) of the coefficients, given the noise.
    noise
        Variance of the target around the pool.
    """

    centre: float
    scale: float
    coefficients: Floats
    covariance: Floats
    noise: float

    def design(self, outputs: Floats) -> Floats:
        """(n, K) numbers of the experts -> (n, K + 1)."""
        standard = (outputs - self.centre) / self.scale
        return np.column_stack([standard, np.ones(len(outputs))])

    def mean(self, outputs: Floats) -> Floats:
        """(n, K) -> (n,) in the unit of the target."""
        return np.asarray(self.centre + self.scale * self.design(outputs) @ self.coefficients)

    def log_likelihood(self, outputs: Floats, values: Floats) -> Floats:
        """(n, 1, K) outputs and (n,) numbers -> (n,) log-density of the predictive normal, in nats."""
        design = self.design(np.asarray(outputs[:, 0], dtype=np.float64))
        variance = self.noise + ((design @ self.covariance) * design).sum(1)
        residual = (values - self.centre) / self.scale - design @ self.coefficients
        return np.asarray(-0.5 * (np.log(2 * np.pi * variance) + residual**2 / variance) - np.log(self.scale))


@dataclass(frozen=True)
class TransformedPool:
    """A pool of experts that predict a transform f of the target.

    Densities are those of f(y). Those of y are f'(y) times these, whatever the experts say: differences of
    log-likelihoods, which are all that is asked for, are the same.
    """

    pool: GaussianPool
    transform: Transform

    def log_likelihood(self, outputs: Outputs, values: Values) -> Floats:
        """(n, 1, K) outputs and (n,) numbers in the unit of the target -> (n,) in nats."""
        return self.pool.log_likelihood(np.asarray(outputs, dtype=np.float64), self.transform.forward(values))


def fit_pool(outputs: Floats, values: Floats) -> GaussianPool:
    """Fit to (n, K) held-out numbers of K experts and (n,) labels; with no labels, the prior with unit noise."""
    n, n_experts = outputs.shape
    centre = float(values.mean()) if n else 0.0
    scale = float(values.std()) if n and values.std() > 0 else 1.0
    prior = np.append(np.full(n_experts, 1 / max(n_experts, 1)), 0.0)
    pool = GaussianPool(centre, scale, prior, np.eye(n_experts + 1), 1.0)
    if n == 0:
        return pool
    design, target = pool.design(outputs), (values - centre) / scale
    gram = design.T @ design
    noise = 1.0
    for _ in range(STEPS):
        covariance = np.asarray(np.linalg.inv(gram / noise + np.eye(len(prior))), dtype=np.float64)
        coefficients = covariance @ (design.T @ target / noise + prior)
        used = np.trace(covariance @ gram) / noise
        residual = target - design @ coefficients
        # A floor far below what any prediction reaches keeps a perfect fit finite.
        noise = max(float(residual @ residual) / max(n - used, 1.0), 1e-6)
    return GaussianPool(centre, scale, coefficients, covariance, noise)
