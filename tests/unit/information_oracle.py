"""Slow, readable estimators: the formulas as plain loops."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

Array = NDArray[np.float64]


def distance(a: Array, b: Array) -> float:
    return float(max(abs(p - q) for p, q in zip(a, b, strict=True)))


def slow_ksg(x: Array, y: Array, k: int) -> float:
    """Kraskov 2004, equation 8, as it is written there."""
    n, total = len(x), 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        radius = sorted(max(distance(x[i], x[j]), distance(y[i], y[j])) for j in others)[k - 1]
        if radius > 0:
            k_i = k
            n_x = sum(distance(x[i], x[j]) < radius for j in others)
            n_y = sum(distance(y[i], y[j]) < radius for j in others)
        else:
            n_x = sum(distance(x[i], x[j]) == 0 for j in others)
            n_y = sum(distance(y[i], y[j]) == 0 for j in others)
            k_i = sum(distance(x[i], x[j]) == 0 and distance(y[i], y[j]) == 0 for j in others)
        total += digamma(k_i) - digamma(n_x + 1) - digamma(n_y + 1)
    return float(digamma(n) + total / n)


def slow_ross(x: Array, labels: NDArray[np.int64], k: int) -> float:
    """Ross 2014, equation 6, without the samples that are alone in their class."""
    sizes = {label: int(np.sum(labels == label)) for label in labels.tolist()}
    kept = [i for i in range(len(x)) if sizes[int(labels[i])] > 1]
    total = 0.0
    for i in kept:
        mates = [j for j in kept if j != i and labels[j] == labels[i]]
        radius = sorted(distance(x[i], x[j]) for j in mates)[min(k, len(mates)) - 1]
        k_i = sum(distance(x[i], x[j]) <= radius for j in mates)
        m_i = sum(distance(x[i], x[j]) <= radius for j in kept if j != i)
        total += digamma(k_i) - digamma(len(mates) + 1) - digamma(m_i)
    return float(digamma(len(kept)) + total / len(kept))


def slow_mixed(x: Array, y: Array, k: int) -> float:
    """Gao 2017, algorithm 1, as in the authors' program."""
    n, total = len(x), 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        joint = [max(distance(x[i], x[j]), distance(y[i], y[j])) for j in others]
        radius = sorted(joint)[k - 1]
        if radius > 0:
            k_i = k
            n_x = 1 + sum(distance(x[i], x[j]) < radius for j in others)
            n_y = 1 + sum(distance(y[i], y[j]) < radius for j in others)
        else:
            k_i = 1 + sum(r == 0 for r in joint)
            n_x = 1 + sum(distance(x[i], x[j]) == 0 for j in others)
            n_y = 1 + sum(distance(y[i], y[j]) == 0 for j in others)
        total += digamma(k_i) + np.log(n) - digamma(n_x) - digamma(n_y)
    return float(total / n)


def slow_gaussian(x: Array, y: Array) -> float:
    """Log-determinants of covariance matrices, corrected; full rank only."""
    n, p, q = len(x), x.shape[1], y.shape[1]

    def log_determinant(points: Array) -> float:
        return float(np.linalg.slogdet(np.atleast_2d(np.cov(points, rowvar=False)))[1])

    def f(d: int) -> float:
        return float(sum(digamma((n - i) / 2) for i in range(1, d + 1)))

    plug_in = log_determinant(x) + log_determinant(y) - log_determinant(np.hstack([x, y]))
    return 0.5 * (plug_in - (f(p) + f(q) - f(p + q)))


def slow_infonce(scores: Array) -> float:
    """Joint samples on the diagonal; the mean of both directions."""
    m = len(scores)
    both = (scores, scores.T)
    bounds = [f[i, i] - np.log(np.mean([np.exp(f[i, j]) for j in range(m)])) for f in both for i in range(m)]
    return float(np.mean(bounds))


def slow_mine(scores: Array) -> float:
    """Donsker and Varadhan: the mean over the diagonal, minus the logarithm of the mean exponential off it."""
    m = len(scores)
    others = [np.exp(scores[i, j]) for i in range(m) for j in range(m) if i != j]
    return float(np.mean([scores[i, i] for i in range(m)]) - np.log(np.mean(others)))
