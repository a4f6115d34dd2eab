"""The rule in a model where everything is known: features, teacher and label jointly Gaussian, students linear.

The student sees x in R^d (covariance S), the teacher puts out h, the label is y; all have mean zero:

    y = b'x + e_y,   h = g'x + e_h,   (e_y, e_h) independent of x, Var e_y = s_y, Var e_h = s_h, Cov(e_y, e_h) = c

A student is fitted to the target (y + lambda h) / (1 + lambda) = (1 - a) y + a h, a = lambda / (1 + lambda). Its excess
risk is E (w - b)' S (w - b): its squared error on new patients minus s_y. Each function says what is exact and what is
not; `docs/theory.md` has the derivations. Information is in nats.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cch_omics.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    return replace(
        p,
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


# The cohort of the tables and figures: 40 labelled patients, 8 features, which explain a third of the label's variance.
DIMENSION, LABELLED, UNLABELLED = 8, 40, 160
SIGNAL, NOISE = 0.5, 1.0


def _teacher(
    *, aligned: float = 0.0, astray: float = 0.0, leaked: float = 0.0, private: float, scale: float | None = None
) -> Problem:
    """A teacher in the cohort of the tables; calibrated, unless `scale` says what else to multiply it by."""
    made = make_problem(DIMENSION, SIGNAL, NOISE, aligned=aligned, astray=astray, leaked=leaked, private=private)
    if scale is None:
        return calibrated(made)
    parts = {"aligned": aligned, "astray": astray, "leaked": leaked, "private": private}
    return make_problem(DIMENSION, SIGNAL, NOISE, **{name: scale * part for name, part in parts.items()})


TEACHERS: dict[str, Problem] = {
    # The label depends on the student's features only through the teacher's output.
    "knows all the student knows": _teacher(aligned=1, leaked=0.5, private=0.5),
    # Little but E[y|x], which the student could know with more patients.
    "denoiser": _teacher(aligned=1, private=0.2),
    # The student's signal under much noise of its own.
    "noisy view": _teacher(aligned=1, private=2**0.5),
    # Shares with the student what has little to do with the label.
    "misaligned": _teacher(aligned=0.2, astray=1, leaked=0.5, private=0.3),
    # Knows the label from what the student cannot see.
    "out of the student's sight": _teacher(leaked=0.95, private=(0.95 * 0.05) ** 0.5),
    # Was trained on the patients it now teaches.
    "remembers the labels": _teacher(aligned=1, leaked=1, private=0.05),
    # The first one, three times too large.
    "overconfident": _teacher(aligned=1, leaked=0.5, private=0.5, scale=3),
    # The first one, of other patients: the control `shuffled`.
    "permuted": _teacher(private=1, scale=1),
}


def teachers_table() -> "pd.DataFrame":
    """What the rules say of each of `TEACHERS`, and what is true.

    Returns
    -------
    DataFrame
        A row per teacher: `teacher`; `gap, advantage, gap_plus_advantage`, nats; `signal_correlation,
        noise_correlation`; `least_squares_slope` and `tuned_slope`, negative where small weights help. Then the change
        of excess risk against the student alone, in per cent, with `LABELLED` patients: of the ridge student with the
        penalty that is best alone (`ridge`, lambda = 1), of least squares (`least_squares`, lambda = 1; `best`, at the
        best lambda) and of least squares with `UNLABELLED` more (`unlabelled`, `best_unlabelled`).
    """
    import pandas as pd

    spectra = white_spectra(LABELLED, DIMENSION)
    rows = []
    for name, p in TEACHERS.items():
        known = information(p)
        ridge = ridge_risk(p, [0, 1], spectra, tuned_penalty(p))
        rows.append(
            {
                "teacher": name,
                "gap": known.gap,
                "advantage": known.advantage,
                "gap_plus_advantage": known.gap + known.advantage,
                "signal_correlation": p.signal_correlation,
                "noise_correlation": p.noise_correlation,
                "least_squares_slope": least_squares_slope(p, LABELLED),
                "tuned_slope": tuned_slope(p),
                "ridge": _change(ridge),
                "least_squares": _change(least_squares_risk(p, [0, 1], LABELLED)),
                "best": _change(_risk_at_shares(p, [0, best_share(p, LABELLED)], 0)),
                "unlabelled": _change(least_squares_risk(p, [0, 1], LABELLED, UNLABELLED)),
                "best_unlabelled": _change(_risk_at_shares(p, [0, best_share(p, LABELLED, UNLABELLED)], UNLABELLED)),
            }
        )
    return pd.DataFrame(rows)


def _change(risks: Floats) -> float:
    """(2,) risks alone and taught -> change in per cent."""
    return float(100 * (risks[1] / risks[0] - 1))


def _risk_at_shares(p: Problem, shares: ArrayLike, unlabelled: int) -> Floats:
    a = np.asarray(shares, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return least_squares_risk(p, a / (1 - a), LABELLED, unlabelled)


def simulation_table(*, draws: int = 2000, seed: int = 0) -> "pd.DataFrame":
    """Closed forms beside simulated students of `TEACHERS`.

    Returns
    -------
    DataFrame
        A row per teacher, student (`least squares`, `unlabelled`, `joint loss`, `tuned ridge`) and lambda: `expected`
        excess risk, and the `simulated` one with its standard error `se`. Only `joint loss` is an approximation.
    """
    import pandas as pd

    weights = np.array([0.0, 0.5, 1.0, 4.0])
    spectra = white_spectra(LABELLED, DIMENSION, draws=5000)
    rows = []
    for name, p in TEACHERS.items():
        penalty = tuned_penalty(p)
        students: dict[str, tuple[Floats, dict[str, Any]]] = {
            "least squares": (least_squares_risk(p, weights, LABELLED), {}),
            "unlabelled": (least_squares_risk(p, weights, LABELLED, UNLABELLED), {"unlabelled": UNLABELLED}),
            "joint loss": (
                joint_loss_risk(p, weights, LABELLED, UNLABELLED),
                {"unlabelled": UNLABELLED, "joint": True},
            ),
            "tuned ridge": (ridge_risk(p, weights, spectra, penalty), {"penalty": penalty}),
        }
        for student, (expected, settings) in students.items():
            mean, error = simulated_risk(covariance_of(p), weights, LABELLED, **settings, draws=draws, seed=seed)
            rows += [
                {"teacher": name, "student": student, "lambda": weight, "expected": e, "simulated": m, "se": s}
                for weight, e, m, s in zip(weights, expected, mean, error, strict=True)
            ]
    return pd.DataFrame(rows)


def agreement_table(simulation: "pd.DataFrame") -> "pd.DataFrame":
    """Summarise `simulation_table`: a row per student, the largest difference in standard errors and in per cent.

    Returns
    -------
    DataFrame
        `student, comparisons, largest_in_se, largest_in_percent`.
    """
    import pandas as pd

    difference = (simulation["simulated"] - simulation["expected"]).abs()
    found = pd.DataFrame(
        {
            "student": simulation["student"],
            "largest_in_se": difference / simulation["se"],
            "largest_in_percent": 100 * difference / simulation["expected"],
        }
    )
    by_student = found.groupby("student", sort=False)
    return by_student.max().assign(comparisons=by_student.size()).reset_index()


@dataclass(frozen=True)
class Drawn:
    """A random problem whose teacher is the best predictor from a representation.

    Attributes
    ----------
    problem
        Of the teacher's output h = E[y|t].
    representation
        I(t;x), nats: what teacher and student share altogether, the label's business or not.
    """

    problem: Problem
    representation: float


def random_problem(rng: np.random.Generator, *, dimension: int = DIMENSION, latents: int = 4) -> Drawn:
    """Draw loadings of features x, teacher's representation t (both of `dimension`) and label y on latents.

    x sees each latent with probability 0.6, and so does t; one at least they both see. Their strengths of signal are
    log-uniform in 0.3 to 3; all latents together explain 20 to 90% of the label.
    """
    weights = rng.normal(size=latents)
    explained = rng.uniform(0.2, 0.9)
    label = np.sqrt(explained) * weights / np.linalg.norm(weights)
    seen = np.zeros((2, latents), dtype=np.bool_)
    while not seen.all(0).any():
        seen = rng.random((2, latents)) < 0.6
    strengths = np.exp(rng.uniform(np.log(0.3), np.log(3), size=2)) / np.sqrt(dimension)
    views = [
        strength * rng.normal(size=(dimension, latents)) * columns
        for strength, columns in zip(strengths, seen, strict=True)
    ]
    loadings = np.vstack([*views, label])
    k = loadings @ loadings.T + np.diag([*np.ones(2 * dimension), 1 - explained])
    x, t, y = list(range(dimension)), list(range(dimension, 2 * dimension)), 2 * dimension
    readout = np.zeros((dimension + 2, len(k)))
    readout[x, x] = 1
    readout[-2, t] = np.linalg.solve(k[np.ix_(t, t)], k[t, y])
    readout[-1, y] = 1
    reduced = readout @ k @ readout.T
    return Drawn(problem(reduced), gaussian_information(k, t, x))


def permuted(p: Problem) -> Problem:
    """The teacher's outputs of other patients: the control `shuffled`, Var(h) as it was and nothing else left."""
    return replace(
        p,
        teacher_signal=0.0,
        teacher_noise=p.teacher_signal + p.teacher_noise,
        shared_signal=0.0,
        shared_noise=0.0,
    )


OUTCOMES = (
    "ridge, small weight",
    "ridge",
    "ridge, tuned again",
    "ridge, many patients",
    "least squares",
    "least squares, over permuted",
    "unlabelled",
    "unlabelled, over permuted",
)
# What the penalty that is best alone is multiplied by where it is tuned again.
FACTORS = np.geomspace(1 / 16, 16, 17)


def criteria_table(*, count: int = 2000, seed: int = 0) -> "pd.DataFrame":
    """How well each criterion, known without error, foretells harm in random problems.

    Outcomes: whether the excess risk is less than that of the student alone (or of the permuted teacher's student), at
    lambda = 1 unless said otherwise, with `LABELLED` patients. Ridge students have the penalty that is best alone, or
    for `tuned again` the best of `FACTORS` of it; `many patients` are ten times as many; `unlabelled` is least squares
    with `UNLABELLED` patients more.

    Returns
    -------
    DataFrame
        A row per criterion and outcome: `criterion, outcome, helped` (fraction of problems), `auroc`, and of the sign
        of the criterion `wrongly_distil` (fraction of the harmed that it would have distilled) and `missed` (of the
        helped that it would not).
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    drawn = [random_problem(rng) for _ in range(count)]
    few, many = (white_spectra(n, DIMENSION) for n in (LABELLED, 10 * LABELLED))
    truth, scores = [], []
    for candidate in drawn:
        p = candidate.problem
        known, penalty = information(p), tuned_penalty(p)
        control = permuted(p)
        labelled, with_unlabelled = (
            [float(least_squares_risk(q, weight, LABELLED, m)) for q, weight in ((p, 1), (p, 0), (control, 1))]
            for m in (0, UNLABELLED)
        )
        again = min(float(ridge_risk(p, 1, few, penalty * factor)) for factor in FACTORS)
        truth.append(
            (
                tuned_slope(p) < 0,
                ridge_risk(p, 1, few, penalty) < ridge_risk(p, 0, few, penalty),
                again < ridge_risk(p, 0, few, penalty),
                ridge_risk(p, 1, many, penalty) < ridge_risk(p, 0, many, penalty),
                labelled[0] < labelled[1],
                labelled[0] < labelled[2],
                with_unlabelled[0] < with_unlabelled[1],
                with_unlabelled[0] < with_unlabelled[2],
            )
        )
        gap_of_representation = candidate.representation - known.student_label
        scores.append(
            {
                "gap": known.gap,
                "gap of representations": gap_of_representation,
                "advantage": known.advantage,
                "gap + advantage": known.gap + known.advantage,
                "gap + advantage of representations": gap_of_representation + known.advantage,
                "both positive": min(known.gap, known.advantage),
                "both positive, representations": min(gap_of_representation, known.advantage),
                "-I(S;Y given T)": -known.student_label_given_teacher,
                "-I(T;Y given S)": -known.teacher_label_given_student,
                "margin": _finite_margin(p),
            }
        )
    helped = np.array(truth, dtype=np.bool_)
    rows = []
    for criterion in scores[0]:
        score = np.array([row[criterion] for row in scores])
        for column, outcome in enumerate(OUTCOMES):
            yes = helped[:, column]
            rows.append(
                {
                    "criterion": criterion,
                    "outcome": outcome,
                    "helped": yes.mean(),
                    "auroc": _auroc(score, yes),
                    "wrongly_distil": float(np.mean(score[~yes] > 0)),
                    "missed": float(np.mean(score[yes] <= 0)),
                }
            )
    return pd.DataFrame(rows)


def _finite_margin(p: Problem) -> float:
    """`margin`, or where it is not a number the tuned student's gain per weight, which has its sign."""
    value = margin(p)
    return float(np.clip(-tuned_slope(p) if np.isnan(value) else value, -1e6, 1e6))


def _auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Probability that a random positive scores higher than a random negative, ties counting half."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    n_positive, n_negative = positive.sum(), (~positive).sum()
    u = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(u / (n_positive * n_negative)) if n_positive and n_negative else float("nan")


def teacher_at(gap: float, *, signal_correlation: float, noise_correlation: float) -> Problem:
    """The calibrated teacher of that gap and those correlations, in the cohort of the tables.

    Raises
    ------
    InputError
        If the gap is not above -I(S;Y), where the teacher shares nothing with the student.
    """
    ratio = (1 + SIGNAL / NOISE) * np.exp(2 * gap) - 1
    if ratio <= 0:
        raise InputError("gap", f"{gap:g}", "more than -I(S;Y)", "Information is not negative.")
    return calibrated(
        Problem(
            dimension=DIMENSION,
            signal=SIGNAL,
            noise=NOISE,
            teacher_signal=float(ratio),
            teacher_noise=1.0,
            shared_signal=float(signal_correlation * np.sqrt(ratio * SIGNAL)),
            shared_noise=float(noise_correlation * np.sqrt(NOISE)),
        )
    )


def gain_map(
    gaps: Floats, ratios: Floats, *, signal_correlation: float, noise_correlation: float, weight: float = 1.0
) -> Floats:
    """(R, G) fall of the tuned ridge student's excess risk in per cent, at gaps (G,) and n / d (R,)."""
    spectra = [white_spectra(round(ratio * DIMENSION), DIMENSION, draws=200) for ratio in ratios]
    teachers = [
        teacher_at(gap, signal_correlation=signal_correlation, noise_correlation=noise_correlation) for gap in gaps
    ]
    return np.array(
        [[-_change(ridge_risk(p, [0, weight], drawn, tuned_penalty(p))) for p in teachers] for drawn in spectra]
    )


def draw() -> "Figure":
    """Draw risk against weight, and where the rule and the truth part."""
    from matplotlib.figure import Figure

    from cch_omics import plotting

    with plotting.style():
        figure = Figure(figsize=(10, 8.4), layout="constrained", facecolor="white")
        axes = figure.subplots(2, 2)
        _draw_risks(axes[0, 0])
        _draw_small_weights(axes[0, 1])
        _draw_gains(axes[1, 0], "C  λ = 1, ρₓ = 1, ρₑ = 0.5: student's signal", 1.0)
        _draw_gains(axes[1, 1], "D  λ = 1, ρₓ = 0.8, ρₑ = 0.5: misaligned", 0.8)
    return figure


DRAWN = (
    ("denoiser", "#009e73", "^"),
    ("knows all the student knows", "#0072b2", "o"),
    ("noisy view", "#56b4e9", "s"),
    ("misaligned", "#e69f00", "D"),
    ("permuted", "#6b6b6b", "X"),
    ("out of the student's sight", "#d55e00", "v"),
)


def _draw_risks(ax: "Axes") -> None:
    shares, points = np.linspace(0, 0.95, 60), np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    spectra = white_spectra(LABELLED, DIMENSION, draws=2000)
    for name, colour, marker in DRAWN:
        p = TEACHERS[name]
        penalty = tuned_penalty(p)
        alone = float(ridge_risk(p, 0, spectra, penalty))
        weights = points / (1 - points)
        mean, error = simulated_risk(covariance_of(p), weights, LABELLED, penalty=penalty, draws=4000)
        ax.plot(shares, ridge_risk(p, shares / (1 - shares), spectra, penalty) / alone, color=colour)
        ax.plot([], [], color=colour, marker=marker, label=name)
        ax.errorbar(
            points, mean / alone, 2 * error / alone, color=colour, marker=marker, linestyle="none", markersize=5
        )
    ax.axhline(1, color="#222222", linewidth=0.8)
    ax.set(
        title="A  Closed form (lines) and simulation",
        xlabel="share of the teacher in the target, λ / (1 + λ)",
        ylabel="excess risk, student alone = 1",
        ylim=(0.3, 3.4),
    )
    ax.legend(loc="upper left", fontsize=8)


def _draw_small_weights(ax: "Axes") -> None:
    student_label = 0.5 * np.log1p(SIGNAL / NOISE)
    gaps, low, high = np.linspace(-student_label + 1e-4, 1.2, 400), 0.12, 8.0
    border = np.sqrt(((1 + SIGNAL / NOISE) * np.exp(2 * gaps) - 1) / (SIGNAL / NOISE))
    negative, positive = gaps <= 0, gaps >= 0
    inside = np.clip(border, low, high)
    ax.fill_between(gaps[positive], low, inside[positive], color="#9cc4de", linewidth=0)
    ax.fill_between(gaps[positive], inside[positive], high, color="#f3b98b", linewidth=0)
    ax.fill_between(gaps[negative], low, inside[negative], color="#dcecf5", linewidth=0)
    ax.fill_between(gaps[negative], inside[negative], high, color="#fbe6d6", linewidth=0)
    ax.plot(gaps, border, color="#222222")
    ax.axvline(0, color="#222222", linestyle="--")
    for name, colour, marker in DRAWN[:4]:
        p = TEACHERS[name]
        height = max(p.noise_correlation / p.signal_correlation, low * 1.15)
        ax.plot(information(p).gap, height, color=colour, marker=marker, markeredgecolor="white", markersize=9)
    for x, y, text in (
        (0.6, 0.45, "gap > 0, helps"),
        (0.35, 5.4, "gap > 0, harms"),
        (-0.195, 0.2, "gap < 0\nhelps"),
        (-0.195, 3.2, "gap < 0\nharms"),
    ):
        ax.text(x, y, text, fontsize=9 if x > 0 else 7.5)
    ax.set(
        title="B  Small λ, tuned student: rule and truth",
        xlabel="gap I(T;S) - I(S;Y) (nats)",
        ylabel="ρₑ / ρₓ: label's noise against student's signal",
        yscale="log",
        ylim=(low, high),
        xlim=(gaps[0], gaps[-1]),
    )
    ax.set_yticks([0.125, 0.25, 0.5, 1, 2, 4, 8], labels=["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.grid(False)


def _draw_gains(ax: "Axes", title: str, signal_correlation: float) -> None:
    from cch_omics.plotting import DIVERGING

    gaps, ratios = np.linspace(-0.19, 1.2, 40), np.geomspace(1.5, 100, 25)
    gains = gain_map(gaps, ratios, signal_correlation=signal_correlation, noise_correlation=0.5)
    levels = np.array([-100, -50, -25, -10, 0, 10, 25, 50, 100])
    drawn = ax.contourf(gaps, ratios, np.clip(gains, -100, 100), levels, cmap=DIVERGING, vmin=-60, vmax=60)
    if gains.min() < 0 < gains.max():
        ax.contour(gaps, ratios, gains, [0], colors="#222222")
    ax.axvline(0, color="#222222", linestyle="--")
    ax.set(
        title=title, xlabel="gap I(T;S) - I(S;Y) (nats)", ylabel="labelled patients per feature, n / d", yscale="log"
    )
    ax.set_yticks([2, 5, 10, 20, 50, 100], labels=["2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.grid(False)
    ax.figure.colorbar(drawn, ax=ax, label="fall of the excess risk (%)")


def write_theory(output: str | os.PathLike[str]) -> None:
    """Write `theory.png`, `teachers.tsv`, `simulation.tsv`, `agreement.tsv` and `criteria.tsv` into a folder."""
    from cch_omics.io.files import atomic, write_table

    folder = Path(output)
    simulation = simulation_table()
    write_table(teachers_table(), folder / "teachers.tsv")
    write_table(simulation, folder / "simulation.tsv")
    write_table(agreement_table(simulation), folder / "agreement.tsv")
    write_table(criteria_table(), folder / "criteria.tsv")
    figure = draw()
    with atomic(folder / "theory.png") as draft:
        figure.savefig(draft, format="png", dpi=110, metadata={"Software": None})


def markdown(folder: str | os.PathLike[str]) -> str:
    """The tables of `docs/theory.md`, from the folder that `write_theory` wrote.

    Rounded to what does not depend on the last bits of a processor.
    """
    from cch_omics.io.files import read_table

    teachers, criteria = (read_table(Path(folder) / f"{name}.tsv") for name in ("teachers", "criteria"))
    percents = ("ridge", "least_squares", "best", "unlabelled", "best_unlabelled")
    nats = ("gap", "advantage", "gap_plus_advantage")
    slopes = ("least_squares_slope", "tuned_slope")
    percents = ("ridge", "least_squares", "best", "unlabelled", "best_unlabelled")
    head = ["teacher", "gap", "advantage", "sum", "ρₓ", "ρₑ", "slope", "tuned slope"]
    lines = [_row([*head, "ridge", "OLS", "OLS, best", "unlabelled", "unlabelled, best"]), _row(["---"] * 13)]
    for row in teachers.to_dict("records"):
        cells = [_signed(row[name], 2) for name in nats]
        cells += [f"{row[name]:.2f}" for name in ("signal_correlation", "noise_correlation")]
        cells += [_signed(row[name], 2) for name in slopes] + [_signed(row[name], 0) for name in percents]
        lines.append(_row([str(row["teacher"]), *cells]))
    named = {"auroc": "AUROC", "wrongly_distil": "harmed, yet above 0", "missed": "helped, yet not above 0"}
    order = list(dict.fromkeys(criteria["criterion"]))
    helped = criteria.drop_duplicates("outcome").set_index("outcome")["helped"]
    for value, name in named.items():
        table = criteria.pivot(index="criterion", columns="outcome", values=value)
        lines += ["", _row([name, *OUTCOMES]), _row(["---"] * (len(OUTCOMES) + 1))]
        if value == "auroc":
            lines.append(
                _row(["share of problems that are helped", *(f"{helped[outcome]:.2f}" for outcome in OUTCOMES)])
            )
        for criterion in order:
            # The sign of what is never positive says nothing.
            if value == "auroc" or not criterion.startswith("-"):
                lines.append(_row([criterion, *(f"{table.loc[criterion, outcome]:.2f}" for outcome in OUTCOMES)]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"
