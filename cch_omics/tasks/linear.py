"""What linear baselines of all tasks share: standardised features, and their row space."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Floats = NDArray[np.float64]


def standardise(values: NDArray[np.float32], predicted: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Centre, scale and impute (n, p) and (m, p) values by the first.

    Features that are constant or never observed there are dropped. Features are divided by the square root of their
    number as well, so that a sample has a squared norm of about one, whatever the number of features.

    No one of n values is more than sqrt(n - 1) standard deviations from their mean (Samuelson 1968, J. Am. Stat. Assoc.
    63:1522). A value to be predicted that is further away is moved to there: a gene that only one patient expresses is
    all but constant without that patient, and would outweigh all others in the patient's prediction.
    """
    observed = ~np.isnan(values)
    count = np.maximum(observed.sum(0), 1)
    centre = np.where(observed, values, 0).sum(0, dtype=np.float64) / count
    centred = np.where(observed, values - centre, 0.0)
    scale = np.sqrt((centred**2).sum(0) / count)
    # Rounding leaves a constant feature with a scale of about 1e-16 of its value.
    kept = scale > 1e-9 * np.maximum(np.abs(centre), 1e-9)
    divisor = scale[kept] * np.sqrt(kept.sum())
    furthest = scale[kept] * np.sqrt(count[kept] - 1)
    test = np.clip(predicted[:, kept] - centre[kept], -furthest, furthest)
    return centred[:, kept] / divisor, np.where(np.isnan(test), 0.0, test) / divisor


def row_space(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Rotate features into the row space of the training samples, where these are fewer than the features.

    A ridge solution lies there, and its penalty is the same after a rotation (Hastie & Tibshirani 2004, theorem 1).
    """
    if train.shape[1] <= len(train):
        return train, test
    eigenvalues, vectors = eigh(train @ train.T)
    kept = eigenvalues > eigenvalues[-1] * 1e-10
    basis = vectors[:, kept] / np.sqrt(eigenvalues[kept])  # (n, r): train' basis is orthonormal
    return vectors[:, kept] * np.sqrt(eigenvalues[kept]), (test @ train.T) @ basis
