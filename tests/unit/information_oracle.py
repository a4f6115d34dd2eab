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
