"""Gradient boosting of trees by LightGBM, for the baselines of all tasks."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIBRARY = "lightgbm"
# Rounds of boosting. Trees of four leaves on the square root of the number of features, as in a random forest, but on
# `FEATURES_PER_TREE` at least: with some hundred samples larger ones were no better on held-out folds, and slower.
ROUNDS = (20, 50, 100)
FEATURES_PER_TREE = 50
PARAMETERS = {
    "num_leaves": 4,
    "learning_rate": 0.1,
    "min_data_in_leaf": 5,
    "max_bin": 31,
    "deterministic": True,
    "force_col_wise": True,
    # Bundles of features that are never nonzero together: looking for them takes longer than they save.
    "enable_bundle": False,
    "feature_pre_filter": False,
    "num_threads": 1,
    "verbosity": -1,
}


def boosted(
    values: NDArray[np.float32],
    target: NDArray[Any],
    predicted: NDArray[np.float32],
    objective: Mapping[str, Any],
    *,
    seed: int,
    derivatives: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None,
) -> Iterator[NDArray[np.float64]]:
    """Fit on (n, p) values and (n,) targets, and predict (m, p) values.

    Parameters
    ----------
    objective
        Parameters of LightGBM that say what is learnt.
    derivatives
        Of an objective that LightGBM does not have (`none`): scores, training data -> first and second derivatives.

    Yields
    ------
    NDArray
        (m, outputs) raw scores after each number of `ROUNDS`, which are boosted when they are asked for.
    """
    import lightgbm  # here: see `Baseline.library`

    n_features = values.shape[1]
    parameters = {
        **PARAMETERS,
        **objective,
        "feature_fraction": min(1.0, max(n_features**0.5, FEATURES_PER_TREE) / n_features),
        "seed": seed,
    }
    booster = lightgbm.Booster(parameters, lightgbm.Dataset(values, target, params=parameters))
    del values  # the booster has what it needs of them
    for before, rounds in pairwise((0, *ROUNDS)):
        for _ in range(rounds - before):
            booster.update(fobj=derivatives)
        raw = booster.predict(predicted, raw_score=True, num_threads=1)
        yield np.asarray(raw, dtype=np.float64).reshape(len(predicted), -1)
