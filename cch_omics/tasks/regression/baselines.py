"""Baselines of regression: ridge regression and gradient boosting."""

from collections.abc import Iterator
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Baseline, Floats
from cch_omics.tasks.boosting import LIBRARY, ROUNDS, boosted
from cch_omics.tasks.linear import row_space, standardise

# From strong to weak. Features are scaled so that a sample has a squared norm of about one.
PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)


def ridge_path(
    values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], seed: int
) -> Iterator[Floats]:
    """Ridge regression on standardised features with each of `PENALTIES`; without samples, 0."""
    if len(target) == 0 or len(predicted) == 0:
        yield from repeat(np.zeros((len(predicted), 1)), len(PENALTIES))
        return
    train, test = row_space(*standardise(values, predicted))
    del values, predicted  # other folds have theirs at the same time
    if train.shape[1] == 0:
        yield from repeat(np.full((len(test), 1), target.mean()), len(PENALTIES))
        return
    from sklearn.linear_model import Ridge  # here: see `Baseline.library`

    for penalty in PENALTIES:
        yield Ridge(alpha=penalty).fit(train, target).predict(test)[:, None]


def boosting_path(
    values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], seed: int
) -> Iterator[Floats]:
    """Gradient boosting of trees by squared error, after each number of `ROUNDS`; without samples, 0."""
    if len(target) == 0 or len(predicted) == 0:
        yield from repeat(np.zeros((len(predicted), 1)), len(ROUNDS))
        return
    centre, scale = target.mean(), target.std() or 1.0
    for step in boosted(values, (target - centre) / scale, predicted, {"objective": "regression"}, seed=seed):
        yield centre + scale * step


BASELINES = {
    "linear": Baseline("ridge regression", ridge_path, len(PENALTIES), "sklearn.linear_model"),
    "boosting": Baseline("gradient boosting", boosting_path, len(ROUNDS), LIBRARY),
}
