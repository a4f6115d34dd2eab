"""Baselines of classification: penalised logistic regression and gradient boosting."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.tasks.base import Baseline, Floats
from cch_omics.tasks.boosting import LIBRARY, ROUNDS, boosted
from cch_omics.tasks.linear import row_space, standardise

# Inverse penalties, from strong to weak. Features are scaled so that a sample has a squared norm of about one: the grid
# then means the same for 200 features as for 3000.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
# Largest gradient at which a fit is done. The weakest penalties are below it, so that they are in part early stopping:
# held-out log-loss was the same with a closer fit, which took up to twice the time.
TOLERANCE = 1e-4

Path = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], int], Iterator[Floats]]


def baselines(n_classes: int) -> dict[str, Baseline]:
    """Baselines of a target of so many classes."""
    return {
        "linear": Baseline(
            "penalised logistic regression",
            _path(logistic_path, n_classes, len(INVERSE_PENALTIES)),
            len(INVERSE_PENALTIES),
            "sklearn.linear_model",
        ),
        "boosting": Baseline("gradient boosting", _path(boosting_path, n_classes, len(ROUNDS)), len(ROUNDS), LIBRARY),
    }


def _path(path: Path, n_classes: int, steps: int) -> Callable[..., Iterable[Floats]]:
    """Give a path a floor for classes that are absent from its training samples.

    Each absent class has probability 1 / (n + C), as if one of n + C samples had been of it (rule of succession): it is
    hardly ever predicted, and costs a finite log-loss where it occurs. `path` is called with (n,) classes 0..K-1,
    K > 1, of which each occurs, and yields (m, K) logits of each step.
    """

    def fit(
        values: NDArray[np.float32], labels: NDArray[np.float64], predicted: NDArray[np.float32], seed: int
    ) -> Iterable[Floats]:
        n, m = len(labels), len(predicted)
        seen, codes = np.unique(labels.astype(np.int64), return_inverse=True)
        floor = np.full((m, n_classes), -np.log(n + n_classes))
        if m == 0 or len(seen) == 0:
            return repeat(floor, steps)  # without any training sample all classes are alike
        rest = np.log1p(-(n_classes - len(seen)) / (n + n_classes))
        if len(seen) == 1:
            floor[:, seen[0]] = rest
            return repeat(floor, steps)

        def floored(logits: Floats) -> Floats:
            logp = floor.copy()
            logp[:, seen] = log_softmax(logits, axis=-1) + rest
            return logp

        return map(floored, path(values, codes, predicted, seed))

    return fit


def logistic_path(
    values: NDArray[np.float32], labels: NDArray[np.int64], predicted: NDArray[np.float32], seed: int
) -> Iterator[Floats]:
    """Multinomial logistic regression with a ridge penalty, each penalty started from the solution of a stronger one.

    Missing values are replaced by the feature's mean and features are standardised, both over the training samples.
    """
    train, test = row_space(*standardise(values, predicted))
    del values, predicted  # other folds have theirs at the same time
    if train.shape[1] == 0:
        yield from repeat(np.tile(np.log(np.bincount(labels)), (len(test), 1)), len(INVERSE_PENALTIES))
        return
    from sklearn.linear_model import LogisticRegression  # here: see `Baseline.library`

    model = LogisticRegression(warm_start=True, tol=TOLERANCE, max_iter=5000)
    for inverse_penalty in INVERSE_PENALTIES:
        model.set_params(C=inverse_penalty).fit(train, labels)
        score = test @ model.coef_.T + model.intercept_
        yield np.hstack([np.zeros_like(score), score]) if score.shape[1] == 1 else score


def boosting_path(
    values: NDArray[np.float32], labels: NDArray[np.int64], predicted: NDArray[np.float32], seed: int
) -> Iterator[Floats]:
    """Gradient boosting of trees, scored after each number of `ROUNDS`; missing values are a branch of their own."""
    objective = {"objective": "multiclass", "num_class": int(labels.max()) + 1}
    return boosted(values, labels, predicted, objective, seed=seed)
