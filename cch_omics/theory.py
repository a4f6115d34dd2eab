"""The rule in a model where everything is known: features, teacher and label jointly Gaussian, students linear.

The student sees x in R^d (covariance S), the teacher puts out h, the label is y; all have mean zero:

    y = b'x + e_y,   h = g'x + e_h,   (e_y, e_h) independent of x, Var e_y = s_y, Var e_h = s_h, Cov(e_y, e_h) = c

A student is fitted to the target (y + lambda h) / (1 + lambda) = (1 - a) y + a h, a = lambda / (1 + lambda). Its excess
risk is E (w - b)' S (w - b): its squared error on new patients minus s_y. Each function says what is exact and what is
not; `docs/theory.md` has the derivations. Information is in nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cch_omics.errors import InputError

if TYPE_CHECKING:
    pass

Floats = NDArray[np.float64]


def gaussian_information(
    covariance: Floats, first: Sequence[int], second: Sequence[int], given: Sequence[int] = ()
) -> float:
    """Mutual information of blocks of a Gaussian vector, I(A;B|C) = 1/2 log(|K_AC| |K_BC| / (|K_C| |K_ABC|)).

    Parameters
    ----------
    covariance
        (p, p) K.
    first, second, given
        Indices of A, B and C, without overlap.

    Returns
    -------
    float
        Nats.
    """

    def log_volume(*blocks: Sequence[int]) -> float:
        rows = [row for block in blocks for row in block]
        return float(np.linalg.slogdet(covariance[np.ix_(rows, rows)])[1])

    return 0.5 * (
        log_volume(first, given) + log_volume(second, given) - log_volume(given) - log_volume(first, second, given)
    )


@dataclass(frozen=True)
class Problem:
    """All that information and risk depend on.

    Attributes
    ----------
    dimension
        d.
    signal, noise
        b'Sb and s_y: what of the label's variance the student could explain, and what it could not.
    teacher_signal, teacher_noise
        g'Sg and s_h, the same of the teacher's output.
    shared_signal, shared_noise
        g'Sb and c.
    """

    dimension: int
    signal: float
    noise: float
    teacher_signal: float
    teacher_noise: float
    shared_signal: float
    shared_noise: float

    @property
    def misfit(self) -> float:
        """B = (g - b)' S (g - b): how far the two best linear students are apart."""
        return self.teacher_signal - 2 * self.shared_signal + self.signal

    @property
    def signal_correlation(self) -> float:
        """rho_x = Corr(g'x, b'x); 0 for a teacher without any signal."""
        scale = np.sqrt(self.teacher_signal * self.signal)
        return float(self.shared_signal / scale) if scale > 0 else 0.0

    @property
    def noise_correlation(self) -> float:
        """rho_e = Corr(e_h, e_y): the partial correlation of teacher and label given x."""
        return float(self.shared_noise / np.sqrt(self.teacher_noise * self.noise))


def problem(covariance: ArrayLike) -> Problem:
    """Reduce the covariance of (x, h, y).

    Parameters
    ----------
    covariance
        (d + 2, d + 2), in the order x, h, y.

    Raises
    ------
    InputError
        If it is not symmetric and positive definite, or has no room for x, h and y.
    """
    k = np.asarray(covariance, dtype=np.float64)
    square = k.ndim == 2 and k.shape[0] == k.shape[1] >= 3
    if not square or not np.allclose(k, k.T) or np.linalg.eigvalsh(k)[0] <= 0:
        raise InputError(
            "covariance of (x, h, y)",
            f"shape {k.shape}" if not square else "a matrix that is not symmetric and positive definite",
            "a symmetric positive definite matrix of three or more rows",
            "Give features first, then the teacher's output, then the label.",
        )
    d = len(k) - 2
    # Columns: coefficients g of h and b of y.
    coefficients = np.linalg.solve(k[:d, :d], k[:d, d:])
    explained = coefficients.T @ k[:d, d:]
    residual = k[d:, d:] - explained
    return Problem(
        dimension=d,
        signal=float(explained[1, 1]),
        noise=float(residual[1, 1]),
        teacher_signal=float(explained[0, 0]),
        teacher_noise=float(residual[0, 0]),
        shared_signal=float(explained[0, 1]),
        shared_noise=float(residual[0, 1]),
    )


def make_problem(
    dimension: int, signal: float, noise: float, *, aligned: float, astray: float, leaked: float, private: float
) -> Problem:
    """A problem by what its teacher's output is made of.

        h = aligned * b'x + astray * u + leaked * e_y + private * v

    u is a direction of x of the variance of b'x, uncorrelated with it, and v has the variance of e_y and nothing to do
    with the rest.
    """
    return Problem(
        dimension=dimension,
        signal=signal,
        noise=noise,
        teacher_signal=(aligned**2 + astray**2) * signal,
        teacher_noise=(leaked**2 + private**2) * noise,
        shared_signal=aligned * signal,
        shared_noise=leaked * noise,
    )


def covariance_of(p: Problem) -> Floats:
    """(d + 2, d + 2) covariance of (x, h, y), one of those that reduce to the problem: x is white, d at least 2."""
    d = p.dimension
    b, g = np.zeros(d), np.zeros(d)
    b[0] = np.sqrt(p.signal)
    g[0] = p.shared_signal / b[0]
    g[1] = np.sqrt(max(p.teacher_signal - g[0] ** 2, 0.0))
    k = np.eye(d + 2)
    k[:d, d], k[:d, d + 1] = g, b
    k[d, d] = p.teacher_signal + p.teacher_noise
    k[d + 1, d + 1] = p.signal + p.noise
    k[d, d + 1] = p.shared_signal + p.shared_noise
    k[d:, :d], k[d + 1, d] = k[:d, d:].T, k[d, d + 1]
    return k


@dataclass(frozen=True)
class Information:
    """Mutual information in nats of teacher's output, features and label."""

    teacher_student: float
    student_label: float
    teacher_label: float
    teacher_label_given_student: float

    @property
    def student_label_given_teacher(self) -> float:
        """I(S;Y|T) = I(S;Y) + I(T;Y|S) - I(T;Y), the chain rule of I(S,T;Y)."""
        return self.student_label + self.teacher_label_given_student - self.teacher_label

    @property
    def teacher_student_given_label(self) -> float:
        """I(T;S|Y) = I(T;S) + I(T;Y|S) - I(T;Y), the chain rule of I(T;S,Y)."""
        return self.teacher_student + self.teacher_label_given_student - self.teacher_label

    @property
    def gap(self) -> float:
        """I(T;S) - I(S;Y) = I(T;S|Y) - I(S;Y|T)."""
        return self.teacher_student - self.student_label

    @property
    def advantage(self) -> float:
        """I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)."""
        return self.teacher_label - self.student_label


def information(p: Problem) -> Information:
    """The informations of a problem, exactly.

    I(T;S) = 1/2 log(1 + g'Sg / s_h),  I(S;Y) = 1/2 log(1 + b'Sb / s_y),
    I(T;Y) = -1/2 log(1 - Corr(h, y)^2),  I(T;Y|S) = -1/2 log(1 - rho_e^2)
    """
    covariance = p.shared_signal + p.shared_noise
    correlation = covariance**2 / ((p.teacher_signal + p.teacher_noise) * (p.signal + p.noise))
    return Information(
        teacher_student=float(0.5 * np.log1p(p.teacher_signal / p.teacher_noise)),
        student_label=float(0.5 * np.log1p(p.signal / p.noise)),
        teacher_label=float(-0.5 * np.log1p(-correlation)),
        teacher_label_given_student=float(-0.5 * np.log1p(-(p.noise_correlation**2))),
    )


def calibrated(p: Problem) -> Problem:
    """Scale the teacher's output so that h = E[y|h], which information does not notice: by Cov(h, y) / Var(h)."""
    scale = (p.shared_signal + p.shared_noise) / (p.teacher_signal + p.teacher_noise)
    return Problem(
        dimension=p.dimension,
        signal=p.signal,
        noise=p.noise,
        teacher_signal=scale**2 * p.teacher_signal,
        teacher_noise=scale**2 * p.teacher_noise,
        shared_signal=scale * p.shared_signal,
        shared_noise=scale * p.shared_noise,
    )


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

    is `least_squares_risk` plus 3 a^2 (1 - a)^2 B (d + 1) (1/n - 1/N), up to terms of order 1/n^2: the two sums see
    different covariances of x, which matters only where teacher and label want different students.
    """
    a = share(weight)
    excess = (p.dimension + 1) * (1 / n - 1 / (n + unlabelled))
    return np.asarray(least_squares_risk(p, weight, n, unlabelled) + 3 * a**2 * (1 - a) ** 2 * p.misfit * excess)


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
