"""What linear baselines of all tasks share: standardised features, and their row space."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Floats = NDArray[np.float64]


def standardise(values: NDArray[np.float32], predicted: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Centre, scale and impute (n, p) and (m, p) values by the first.

    Features that are constant or never observed there are dropped. Features are divided by the square root of their
    number as well, so that a sample has a squared norm of about one, whatever the number of features.
    """
    observed = ~np.isnan(values)
    count = np.maximum(observed.sum(0), 1)
    centre = np.where(observed, values, 0).sum(0, dtype=np.float64) / count
    centred = np.where(observed, values - centre, 0.0)
    scale = np.sqrt((centred**2).sum(0) / count)
    # Rounding leaves a constant feature with a scale of about 1e-16 of its value.
    kept = scale > 1e-9 * np.maximum(np.abs(centre), 1e-9)
    divisor = scale[kept] * np.sqrt(kept.sum())
    test = predicted[:, kept] - centre[kept]
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
