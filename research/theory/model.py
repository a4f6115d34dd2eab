"""Features, teacher and label jointly Gaussian: what describes the model, and its information, exactly.

The student sees x in R^d (covariance S), the teacher puts out h, the label is y; all have mean zero:

    y = b'x + e_y,   h = g'x + e_h,   (e_y, e_h) independent of x, Var e_y = s_y, Var e_h = s_h, Cov(e_y, e_h) = c

Information is in nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cch_omics.errors import InputError

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


def permuted(p: Problem) -> Problem:
    """The teacher's outputs of other patients: the control `shuffled`, Var(h) as it was and nothing else left."""
    return replace(
        p,
        teacher_signal=0.0,
        teacher_noise=p.teacher_signal + p.teacher_noise,
        shared_signal=0.0,
        shared_noise=0.0,
    )
