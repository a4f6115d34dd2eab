"""LogME, the evidence of the labels given a representation (You, Liu, Wang, Long 2021, ICML, arXiv 2102.11005).

Both are centred first: else a representation is credited with the frequencies of the classes for having a mean. Each
class's indicator y is a linear function of the representation F with weights N(0, 1/alpha) and noise N(0, 1/beta);
LogME is the largest log p(y|F, alpha, beta) over alpha and beta, per sample, averaged over classes. In the n - 1
dimensions that centring leaves, with the eigenvalues s_i of F F', x = U'y and l = alpha / beta,

    1/beta = mean_i x_i^2 / (1 + s_i / l),   log p = -(n-1)/2 (log(2 pi / beta) + 1) - 1/2 sum_i log(1 + s_i / l)

so that one number is left to search, which is done on a grid: the evidence is flat there.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from research.rivals.pair import Floats, Pair, fold_mean

# alpha / beta, relative to the mean eigenvalue.
GRID = np.logspace(-6, 6, 241)


def logme(pair: Pair) -> float:
    """LogME of the teacher's representation minus that of the student's, within inner folds, nats per sample.

    As a score of teachers LogME is used without a student; the difference makes pairs of different students, and of
    targets with different classes, comparable. NaN where no fold has two classes.
    """
    values, sizes = [], []
    for members in pair.folds():
        used = members & pair.labelled
        labels = pair.labels[used]
        values.append(
            evidence(pair.teacher_representation[used], labels) - evidence(pair.student_representation[used], labels)
        )
        sizes.append(int(used.sum()))
    return fold_mean(values, sizes)


def evidence(representation: Floats, labels: NDArray[np.int64]) -> float:
    """LogME of labels given a (n, r) representation; NaN with fewer than two classes or a constant representation."""
    present = np.unique(labels)
    if len(present) < 2:
        return float("nan")
    contrasts = helmert(len(labels))  # (n - 1, n), orthonormal and orthogonal to the mean
    basis, singular, _ = np.linalg.svd(contrasts @ representation, full_matrices=True)
    eigenvalues = np.zeros(len(contrasts))
    eigenvalues[: len(singular)] = singular**2
    if eigenvalues.sum() == 0:
        return float("nan")
    x2 = (basis.T @ contrasts @ (labels[:, None] == present)) ** 2  # (n - 1, K)
    spread = 1 + eigenvalues / (GRID[:, None] * eigenvalues.mean())  # (grid, n - 1)
    noise = (1 / spread) @ x2 / len(contrasts)  # (grid, K)
    log_p = -0.5 * (np.log(2 * np.pi * noise) + 1) - 0.5 * np.log(spread).mean(1)[:, None]
    return float(log_p.max(0).mean())
