"""Distributions whose mutual information is known, for the benchmark `information`.

Families after Czyz et al. 2023 (Beyond Normal), X and Y of d columns each; and clustered representations: a class, a
state that teacher and student share, and noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, logsumexp, ndtr

Array = NDArray[np.float64]


# Normal, and invertible maps of it


def correlated(d: int, *, dense: bool) -> Array:
    """(2d, 2d) correlations: 0.5 everywhere, or 0.8 between the first two columns of X and of Y only."""
    if dense:
        return np.full((2 * d, 2 * d), 0.5) + 0.5 * np.eye(2 * d)
    matrix = np.eye(2 * d)
    for column in range(min(2, d)):
        matrix[column, d + column] = matrix[d + column, column] = 0.8
    return matrix


def of_gaussian(matrix: Array) -> float:
    d = len(matrix) // 2
    parts = (matrix[:d, :d], matrix[d:, d:], matrix)
    x, y, both = (np.linalg.slogdet(part)[1] for part in parts)
    return float(0.5 * (x + y - both))


def sparse(d: int) -> float:
    return of_gaussian(correlated(d, dense=False))


def student_excess(freedom: float, d: int) -> float:
    """How much more a Student-t's columns share than the Gaussian's of the same dispersion: its common scale."""

    def entropy(k: int) -> float:
        half, total = freedom / 2, (freedom + k) / 2
        shape = gammaln(half) - gammaln(total) + k / 2 * np.log(freedom * np.pi)
        return float(shape + total * (digamma(total) - digamma(half)))

    return 2 * entropy(d) - entropy(2 * d)


@dataclass(frozen=True)
class Family:
    """(rng, n, d) -> 2d columns; d -> nats."""

    draw: Callable[[np.random.Generator, int, int], Array]
    truth: Callable[[int], float]


def normal(rng: np.random.Generator, n: int, d: int, *, dense: bool = False) -> Array:
    return rng.normal(size=(n, 2 * d)) @ np.linalg.cholesky(correlated(d, dense=dense)).T


def student(rng: np.random.Generator, n: int, d: int) -> Array:
    return normal(rng, n, d) / np.sqrt(rng.chisquare(5, size=(n, 1)) / 5)


def half_cube(rng: np.random.Generator, n: int, d: int) -> Array:
    z = normal(rng, n, d)
    return np.sign(z) * np.abs(z) ** 1.5


def wiggly(rng: np.random.Generator, n: int, d: int) -> Array:
    """Increasing, with a slope between 0.2 and 1.8."""
    z = normal(rng, n, d)
    return z + 0.4 * np.sin(z) + 0.2 * np.sin(1.7 * z + 1) + 0.03 * np.sin(3.3 * z - 2.5)


def spiral(rng: np.random.Generator, n: int, d: int) -> Array:
    """X, and Y, turned in two planes by an angle that grows with the squared distance from the origin."""
    z = normal(rng, n, d)
    planes = [(0, 1)] if d == 2 else [(0, d - 1), (1, d - 2)]
    for part in (z[:, :d], z[:, d:]):
        angle = np.square(part).sum(1) * 2 / (3 * d)
        cos, sin = np.cos(angle), np.sin(angle)
        for a, b in planes:
            part[:, a], part[:, b] = cos * part[:, a] - sin * part[:, b], sin * part[:, a] + cos * part[:, b]
    return z


def swiss_roll(rng: np.random.Generator, n: int, d: int) -> Array:
    """Of X, one normal column rolled up in two; of Y, one uniform column; the others are noise."""
    z = rng.normal(size=(n, 2 * d))
    pair = rng.normal(size=(n, 2)) @ np.linalg.cholesky(np.array([[1, 0.8], [0.8, 1]])).T
    turn = 1.5 * np.pi * (1 + 2 * ndtr(pair[:, 0]))
    z[:, 0], z[:, 1] = turn * np.cos(turn) / 8, turn * np.sin(turn) / 8
    z[:, d] = np.sqrt(12) * (ndtr(pair[:, 1]) - 0.5)
    return z


def additive_noise(rng: np.random.Generator, n: int, d: int) -> Array:
    """X uniform on (0, 1), Y = X + uniform on (-0.2, 0.2), in one column each; the others are noise."""
    z = rng.normal(size=(n, 2 * d))
    x = rng.random(n)
    # In units of their standard deviation, about.
    z[:, 0], z[:, d] = x / 0.29, (x + rng.uniform(-0.2, 0.2, size=n)) / 0.31
    return z


def counts(rng: np.random.Generator, n: int, d: int) -> Array:
    """Gao 2017: X uniform on 0 .. 4, Y uniform on [X, X + 2], in one column; the others are noise."""
    x, y = rng.normal(size=(2, n, d))
    x[:, 0] = rng.integers(0, 5, size=n)
    y[:, 0] = x[:, 0] + 2 * rng.random(n)
    return np.hstack([x, y])


FAMILIES = {
    "normal, dense": Family(
        lambda r, n, d: normal(r, n, d, dense=True), lambda d: of_gaussian(correlated(d, dense=True))
    ),
    "normal, sparse": Family(normal, sparse),
    "Student-t(5), sparse": Family(student, lambda d: sparse(d) + student_excess(5, d)),
    "half-cube, sparse": Family(half_cube, sparse),
    "asinh, sparse": Family(lambda r, n, d: np.arcsinh(3 * normal(r, n, d)), sparse),
    "wiggly, sparse": Family(wiggly, sparse),
    "spiral, sparse": Family(spiral, sparse),
    "Swiss roll": Family(swiss_roll, lambda d: sparse(1)),
    # H(Y) - H(Y|X): a trapezoid's entropy is noise - log(2 noise) above that of the noise, if noise <= 1/2.
    "additive noise": Family(additive_noise, lambda d: float(0.2 - np.log(0.4))),
    "counts": Family(counts, lambda d: float(np.log(5) - 4 * np.log(2) / 5)),
}


# Clustered representations


@dataclass(frozen=True)
class Clusters:
    """t = a_t c_y + h + e, s = a_s c_y + h + e': corners c_y of a triangle, h ~ N(0, shared^2), e ~ N(0, noise^2)."""

    teacher: float
    student: float
    shared: float
    noise: float


CORNERS = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
CLUSTERS = {
    "both know, share little": Clusters(2.0, 2.0, 0.3, 0.6),
    "both know, share much": Clusters(1.5, 1.5, 0.8, 0.5),
    "teacher weak": Clusters(0.7, 2.0, 0.4, 0.7),
    "student weak": Clusters(2.0, 0.7, 0.5, 0.6),
}


def clustered(setting: Clusters, rng: np.random.Generator, n: int, d: int) -> tuple[Array, Array, NDArray[np.int64]]:
    y = rng.integers(0, 3, size=n)
    corner = np.pad(CORNERS[y], ((0, 0), (0, d - 2)))
    state = setting.shared * rng.normal(size=(n, d))
    t, s = (a * corner + state + setting.noise * rng.normal(size=(n, d)) for a in (setting.teacher, setting.student))
    return t, s, y


def truth_of(setting: Clusters, d: int, draws: int = 100_000) -> dict[str, float]:
    """I(T;S), I(S;Y) and the gap by the mean of log-ratios of the known densities: exact to about 0.005 nats."""
    t, s, y = clustered(setting, np.random.default_rng(0), draws, d)
    total, common = setting.shared**2 + setting.noise**2, setting.shared**2
    determinant = total**2 - common**2
    log_t, log_s, log_both = [], [], []
    for corner in np.pad(CORNERS, ((0, 0), (0, d - 2))):
        a, b = t - setting.teacher * corner, s - setting.student * corner
        squares = (total * (a * a + b * b) - 2 * common * a * b).sum(1) / determinant
        log_t.append(-0.5 * (a * a).sum(1) / total - 0.5 * d * np.log(total))
        log_s.append(-0.5 * (b * b).sum(1) / total - 0.5 * d * np.log(total))
        log_both.append(-0.5 * squares - 0.5 * d * np.log(determinant))
    p_t, p_s, p_both = (logsumexp(log, axis=0) - np.log(3) for log in (log_t, log_s, log_both))
    between, label = np.mean(p_both - p_t - p_s), np.mean(np.array(log_s)[y, np.arange(draws)] - p_s)
    return {"I(T;S)": float(between), "I(S;Y)": float(label), "gap": float(between - label)}
