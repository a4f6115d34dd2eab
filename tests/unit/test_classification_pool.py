"""The logarithmic opinion pool of class probabilities."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from cch_omics.tasks.classification import Classification
from cch_omics.tasks.classification.pool import fit_pool

Floats = NDArray[np.float64]
C = 3
TASK = Classification(("a", "b", "c"))


def experts(seed: int = 0, n: int = 50, n_experts: int = 2) -> tuple[Floats, NDArray[np.int64]]:
    """(n, C, K) outputs that say something of the (n,) labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(C, size=n)
    return 2 * np.eye(C)[labels][:, :, None] + 2 * random.normal(size=(n, C, n_experts)), labels


def test_the_pool_is_the_optimum() -> None:
    outputs, labels = experts()
    logp = log_softmax(outputs, axis=1)

    def objective(theta: Floats) -> float:
        fitted = log_softmax(logp @ theta[:2] + theta[2:], axis=1)
        return float(
            -fitted[np.arange(50), labels].sum() + ((theta[:2] - 0.5) ** 2).sum() / 2 + (theta[2:] ** 2).sum() / 2
        )

    pool = fit_pool(logp, labels)
    optimum = minimize(objective, np.zeros(5))
    theta = np.concatenate([pool.weights, pool.offsets])
    np.testing.assert_allclose(theta, optimum.x, atol=1e-4)

    def slope(at: Floats) -> Floats:
        return np.array([objective(at + step) - objective(at - step) for step in 1e-4 * np.eye(5)]) / 2e-4

    curvature = np.array([slope(theta + step) - slope(theta - step) for step in 1e-4 * np.eye(5)]) / 2e-4
    np.testing.assert_allclose(pool.covariance, np.linalg.inv(curvature), atol=1e-4)


def test_the_pool_is_finite_where_classes_separate() -> None:
    logp = log_softmax(50.0 * np.eye(C)[np.arange(9) % C], axis=1)[:, :, None]
    pool = fit_pool(logp, np.arange(9) % C)
    assert np.isfinite(pool.weights).all() and np.isfinite(pool.offsets).all()
    nothing = fit_pool(logp[:0], np.array([], dtype=int))
    assert nothing.weights == [1.0] and (nothing.offsets == 0).all()
    # What is known of the parameters is then the prior.
    np.testing.assert_allclose(nothing.covariance, np.eye(1 + C))


def test_the_likelihood_of_a_class_is_its_probability() -> None:
    outputs, labels = experts(1)
    pool = TASK.fit_pool(outputs.astype(np.float32), labels.astype(float))
    fitted = fit_pool(log_softmax(outputs, axis=1), labels)
    logits = log_softmax(outputs, axis=1) @ fitted.weights + fitted.offsets
    found = pool.log_likelihood(outputs, labels.astype(float))
    np.testing.assert_allclose(found, log_softmax(logits, axis=1)[np.arange(50), labels], atol=1e-4)
    every = [pool.log_likelihood(outputs, np.full(50, c, dtype=float)) for c in range(C)]
    np.testing.assert_allclose(np.exp(every).sum(0), 1)


def test_the_pool_of_no_expert_knows_how_often_a_class_occurs() -> None:
    labels = np.repeat([0.0, 1.0, 2.0], [600, 300, 100])
    pool = TASK.fit_pool(np.zeros((1000, C, 0)), labels)
    found = np.exp(pool.log_likelihood(np.zeros((3, C, 0)), np.arange(3.0)))
    assert found == pytest.approx([0.6, 0.3, 0.1], abs=0.01)


def test_outputs_on_another_scale_are_brought_to_the_same() -> None:
    outputs, labels = experts(2, n=2000, n_experts=1)
    values = labels.astype(float)
    plain, bold = (TASK.fit_pool(each, values).log_likelihood(each, values).mean() for each in (outputs, 3 * outputs))
    assert bold == pytest.approx(plain, abs=0.01)
