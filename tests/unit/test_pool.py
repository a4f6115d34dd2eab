"""The logarithmic opinion pool of class probabilities."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from cch_omics.tasks.classification.pool import fit_pool

Floats = NDArray[np.float64]
C = 3


def test_the_pool_is_the_optimum() -> None:
    random = np.random.default_rng(0)
    logp = log_softmax(3 * random.normal(size=(50, C, 2)), axis=1)
    labels = random.integers(C, size=50)

    def objective(theta: Floats) -> float:
        fitted = log_softmax(logp @ theta[:2] + theta[2:], axis=1)
        return float(
            -fitted[np.arange(50), labels].sum() + ((theta[:2] - 0.5) ** 2).sum() / 2 + (theta[2:] ** 2).sum() / 2
        )

    pool = fit_pool(logp, labels)
    weights, offsets = pool.weights, pool.offsets
    optimum = minimize(objective, np.zeros(5))
    np.testing.assert_allclose(np.concatenate([weights, offsets]), optimum.x, atol=1e-4)
    # BFGS has an approximation of its own of the inverse curvature.
    np.testing.assert_allclose(pool.covariance, optimum.hess_inv, atol=0.1)


def test_the_pool_is_finite_where_classes_separate() -> None:
    logp = log_softmax(50.0 * np.eye(C)[np.arange(9) % C], axis=1)[:, :, None]
    pool = fit_pool(logp, np.arange(9) % C)
    assert np.isfinite(pool.weights).all() and np.isfinite(pool.offsets).all()
    nothing = fit_pool(logp[:0], np.array([], dtype=int))
    assert nothing.weights == [1.0] and (nothing.offsets == 0).all()
    # What is known of the parameters is then the prior.
    np.testing.assert_allclose(nothing.covariance, np.eye(1 + C))
