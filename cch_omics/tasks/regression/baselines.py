"""Baselines of regression: ridge regression and gradient boosting."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from cch_omics.tasks.base import Baseline, Floats
from cch_omics.tasks.boosting import ROUNDS, boosted
from cch_omics.tasks.linear import row_space, standardise

# From strong to weak. Features are scaled so that a sample has a squared norm of about one.
PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)


def ridge_path(values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], seed: int) -> Floats:
    """Ridge regression on standardised features with each of `PENALTIES`; without samples, 0."""
    if len(target) == 0 or len(predicted) == 0:
        return np.zeros((len(PENALTIES), len(predicted), 1))
    train, test = row_space(*standardise(values, predicted))
    if train.shape[1] == 0:
        return np.full((len(PENALTIES), len(predicted), 1), target.mean())
    fitted = [Ridge(alpha=penalty).fit(train, target).predict(test) for penalty in PENALTIES]
    return np.stack(fitted)[..., None]


def boosting_path(values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], seed: int) -> Floats:
    """Gradient boosting of trees by squared error, after each number of `ROUNDS`; without samples, 0."""
    if len(target) == 0 or len(predicted) == 0:
        return np.zeros((len(ROUNDS), len(predicted), 1))
    centre, scale = target.mean(), target.std() or 1.0
    steps = boosted(values, (target - centre) / scale, predicted, {"objective": "regression"}, seed=seed)
    return np.asarray(centre + scale * steps)


BASELINES = {
    "linear": Baseline("ridge regression", ridge_path, len(PENALTIES)),
    "boosting": Baseline("gradient boosting", boosting_path, len(ROUNDS)),
}
