"""Outer splits and the inner folds of each outer training set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Splits:
    """S splits of n samples: repeats x folds outer splits, then the *whole* split, which has no test samples.

    The whole split is the cohort as its owner will use it: the verdict and the deployable students come from it, the gains
    from the others.

    Attributes
    ----------
    repeat, fold
        (S,) of each outer split; -1 for the whole split.
    inner
        (S, n) inner fold of a training sample, -1 for a test sample.
    labelled
        (S, n) training samples whose label may be used (all labelled ones at a label budget of 1).
    """

    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    inner: NDArray[np.int64]
    labelled: NDArray[np.bool_]

    @property
    def train(self) -> NDArray[np.bool_]:
        """(S, n)."""
        return self.inner >= 0

    @property
    def test(self) -> NDArray[np.bool_]:
        """(S, n)."""
        return self.inner < 0

    @property
    def n_inner(self) -> int:
        """Number of inner folds."""
        return int(self.inner.max()) + 1

    @property
    def whole(self) -> int:
        """Position of the whole split."""
        return len(self.fold) - 1
