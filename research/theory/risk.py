"""Excess risk of linear students that are fitted to a mixture of labels and soft targets.

A student is fitted to the target (y + lambda h) / (1 + lambda) = (1 - a) y + a h, a = lambda / (1 + lambda). Its excess
risk is E (w - b)' S (w - b): its squared error on new patients minus s_y. Each function says what is exact and what is
not; `docs/theory.md` has the derivations.
"""

import numpy as np
from numpy.typing import ArrayLike

from cch_omics.errors import InputError
from research.theory.model import Floats, Problem, problem


def share(weight: ArrayLike) -> Floats:
    """Share of the teacher in the target, lambda / (1 + lambda); of an infinite weight, 1."""
    weights = np.asarray(weight, dtype=np.float64)
    return np.asarray(1 - 1 / (1 + weights))


def least_squares_risk(p: Problem, weight: ArrayLike, n: int, unlabelled: int = 0) -> Floats:
    """Expected excess risk of the least-squares student, exact for every n > d + 1 and any covariance of x.

        E(a) = a^2 B + (1 - a)^2 s_y V_n + (2 a (1 - a) c + a^2 s_h) V_N,   V_n = d / (n - d - 1),  N = n + unlabelled

    from E (X'X)^-1 = S^-1 / (n - d - 1). The student is w = (1 - a) w_y + a w_h: least squares of y on the n labelled
    patients, of h on all N. Without unlabelled patients that is least squares on the mixed target.

    Parameters
    ----------
    weight
        lambda >= 0, any shape.
    n, unlabelled
        Labelled patients, and those with x and h only.

    Returns
    -------
    ndarray
        Of the shape of `weight`.

    Raises
    ------
    InputError
        If n <= d + 1, where the expectation is infinite.
    """
    a = share(weight)
    of_label, of_all = _variance(p.dimension, n), _variance(p.dimension, n + unlabelled)
    return np.asarray(
        a**2 * p.misfit
        + (1 - a) ** 2 * p.noise * of_label
        + (2 * a * (1 - a) * p.shared_noise + a**2 * p.teacher_noise) * of_all
    )


def least_squares_slope(p: Problem, n: int, unlabelled: int = 0) -> float:
    """Slope of `least_squares_risk` in lambda at 0, exact: 2 (c V_N - s_y V_n)."""
    of_label, of_all = _variance(p.dimension, n), _variance(p.dimension, n + unlabelled)
    return 2 * (p.shared_noise * of_all - p.noise * of_label)


def best_share(p: Problem, n: int, unlabelled: int = 0) -> float:
    """Share of the teacher, between 0 and 1, with the least `least_squares_risk`.

    The risk is a convex parabola in a, so that it is below that of the student alone up to twice its vertex,

        a* = (s_y V_n - c V_N) / (B + s_y V_n - 2 c V_N + s_h V_N)
    """
    of_label, of_all = _variance(p.dimension, n), _variance(p.dimension, n + unlabelled)
    curvature = p.misfit + p.noise * of_label - 2 * p.shared_noise * of_all + p.teacher_noise * of_all
    return float(np.clip((p.noise * of_label - p.shared_noise * of_all) / curvature, 0, 1))


def joint_loss_risk(p: Problem, weight: ArrayLike, n: int, unlabelled: int) -> Floats:
    """Approximate excess risk of the student that minimises one loss over labelled and unlabelled patients.

        (1 - a) / n sum_labelled (y - w'x)^2 + a / N sum_all (h - w'x)^2

    An expansion in 1/n around two covariances of x that differ, with D = d + 1 and p = 1 - a:

        E(a) ~ a^2 B (1 + 3 p^2 D (1/n - 1/N)) + p^2 s_y d / (n - n D r_y) + 2 a p c d / (N - N D r_y)
               + a^2 s_h d / (N - N D r_h)
        r_y = (3 p^2 - 2 p) / n + (1 + 2 p - 3 p^2) / N,  r_h = 3 p^2 / n + (1 - 3 p^2) / N

    Terms of the order of 1/n^2 are left out; exact at a = 0, at a = 1 and without unlabelled patients. The bias, its
    first term, is more than that of `least_squares_risk` where teacher and label want different students.
    """
    a = share(weight)
    own, wide, everyone = 1 - a, p.dimension + 1, n + unlabelled
    _variance(p.dimension, n)  # refuses too few patients
    of_label = (3 * own**2 - 2 * own) / n + (1 + 2 * own - 3 * own**2) / everyone
    of_teacher = 3 * own**2 / n + (1 - 3 * own**2) / everyone
    noise = (
        own**2 * p.noise / (n - n * wide * of_label)
        + 2 * a * own * p.shared_noise / (everyone - everyone * wide * of_label)
        + a**2 * p.teacher_noise / (everyone - everyone * wide * of_teacher)
    )
    return np.asarray(a**2 * p.misfit * (1 + 3 * own**2 * wide * (1 / n - 1 / everyone)) + p.dimension * noise)


def _variance(d: int, n: int) -> float:
    """V_n = d / (n - d - 1)."""
    if n <= d + 1:
        raise InputError(
            "least-squares student",
            f"n = {n}, d = {d}",
            "n > d + 1",
            "With fewer labelled patients its expected risk is infinite; use the ridge student.",
        )
    return d / (n - d - 1)


def tuned_penalty(p: Problem) -> float:
    """The penalty d s_y / b'b that is best for the ridge student alone, whatever n; features white."""
    return p.dimension * p.noise / p.signal


def white_spectra(n: int, d: int, *, draws: int = 400, seed: int = 0) -> Floats:
    """(draws, d) eigenvalues of X'X, the rows of X (n, d) white; n may be less than d.

    For n >= d from Bartlett's triangle: its squared diagonal is chi-squared of n, ..., n - d + 1 degrees of freedom.
    """
    rng = np.random.default_rng([seed, n, d])
    if n < d:
        x = rng.normal(size=(draws, n, d))
        return np.asarray(np.linalg.eigvalsh(np.swapaxes(x, 1, 2) @ x)).clip(min=0)
    triangle = np.tril(rng.normal(size=(draws, d, d)), -1)
    triangle[:, range(d), range(d)] = np.sqrt(rng.chisquare(n - np.arange(d), size=(draws, d)))
    return np.asarray(np.linalg.eigvalsh(triangle @ np.swapaxes(triangle, 1, 2)))


def ridge_risk(p: Problem, weight: ArrayLike, spectra: Floats, penalty: float) -> Floats:
    """Expected excess risk of the ridge student on the mixed target; features white, no unlabelled patients.

    With the student's w = (X'X + penalty)^-1 X' target, k the eigenvalues of X'X, t = b + a (g - b), by rotation

        E(a) = m_2 |t|^2 - 2 m_1 t'b + |b|^2 + d q ((1 - a)^2 s_y + 2 a (1 - a) c + a^2 s_h)
        m_1 = E k / (k + penalty),  m_2 = E k^2 / (k + penalty)^2,  q = E k / (k + penalty)^2

    Exact but for m_1, m_2 and q, which depend on n, d and penalty only and are means over `spectra`.
    """
    a = share(weight)
    kept = spectra / (spectra + penalty)
    m_1, m_2 = float(kept.mean()), float(np.square(kept).mean())
    q = float((kept / (spectra + penalty)).mean())
    with_label = p.signal + a * (p.shared_signal - p.signal)
    length = p.signal + 2 * a * (p.shared_signal - p.signal) + a**2 * p.misfit
    noise = (1 - a) ** 2 * p.noise + 2 * a * (1 - a) * p.shared_noise + a**2 * p.teacher_noise
    return np.asarray(m_2 * length - 2 * m_1 * with_label + p.signal + p.dimension * q * noise)


def tuned_slope(p: Problem) -> float:
    """The sign of the slope in lambda at 0 of `ridge_risk` at `tuned_penalty`: exact, whatever n and d.

        c / s_y - g'b / b'b   (the slope is this times 2 q d s_y, which is positive)

    It is negative, small weights help, where the teacher carries the student's signal more faithfully than the label's
    noise. A permuted teacher has slope 0 and can only harm.
    """
    return p.shared_noise / p.noise - p.shared_signal / p.signal


def margin(p: Problem) -> float:
    """What the gap would have to be compared with for the tuned student: positive where small weights help.

        1/2 log((exp(2 I(T;S)) - 1) / (exp(2 I(S;Y)) - 1)) - log(rho_e / rho_x)

    The first term has the sign of the gap. Infinite where rho_e <= 0 < rho_x; minus infinity where rho_x <= 0 < rho_e.
    NaN where both are at most 0 and the ratio says nothing: use `tuned_slope`.
    """
    ratio = 0.5 * (np.log(p.teacher_signal / p.teacher_noise) - np.log(p.signal / p.noise))
    signal, noise = p.signal_correlation, p.noise_correlation
    if signal <= 0 and noise <= 0:
        return float("nan")
    if noise <= 0:
        return float("inf")
    return float(ratio + np.log(signal / noise)) if signal > 0 else float("-inf")


def simulated_risk(
    covariance: ArrayLike,
    weights: ArrayLike,
    n: int,
    unlabelled: int = 0,
    *,
    joint: bool = False,
    penalty: float = 0.0,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Fit students to simulated cohorts: mean excess risk and its standard error.

    Parameters
    ----------
    covariance
        (d + 2, d + 2) of (x, h, y).
    weights
        (L,) lambda; all students of a cohort see the same patients.
    n, unlabelled
        Labelled patients, and those with x and h only.
    joint
        Minimise one loss (`joint_loss_risk`) and do not average two students (`least_squares_risk`).
    penalty
        Of the ridge student; without unlabelled patients only.
    draws
        Cohorts.

    Returns
    -------
    tuple of ndarray
        Each (L,).
    """
    k = np.asarray(covariance, dtype=np.float64)
    d = problem(k).dimension
    if penalty and (unlabelled or joint):
        raise InputError("simulated student", "a penalty beside unlabelled patients", "one of them", "Leave one out.")
    z = np.random.default_rng(seed).normal(size=(draws, n + unlabelled, d + 2)) @ np.linalg.cholesky(k).T
    x, h, y = z[..., :d], z[..., d:-1], z[..., -1:]
    of_label = _moments(x[:, :n], y[:, :n])
    of_teacher = _moments(x, h)
    ridge = penalty * np.eye(d)
    alone = np.linalg.solve(of_label[0] * n + ridge, of_label[1] * n)
    taught = np.linalg.solve(of_teacher[0] * (n + unlabelled) + ridge, of_teacher[1] * (n + unlabelled))
    best = np.linalg.solve(k[:d, :d], k[:d, -1:])
    risks = []
    for a in share(weights):
        if joint:
            left, right = ((1 - a) * label + a * teacher for label, teacher in zip(of_label, of_teacher, strict=True))
            student = np.linalg.solve(left, right)
        else:
            student = (1 - a) * alone + a * taught
        error = student - best
        risks.append(np.einsum("rik,ij,rjk->r", error, k[:d, :d], error))
    risk = np.stack(risks, axis=1)
    return risk.mean(0), risk.std(0, ddof=1) / np.sqrt(draws)


def _moments(x: Floats, target: Floats) -> tuple[Floats, Floats]:
    """(R, n, d), (R, n, 1) -> (R, d, d), (R, d, 1) means of xx' and of x times target."""
    transposed = np.swapaxes(x, 1, 2) / x.shape[1]
    return transposed @ x, transposed @ target
