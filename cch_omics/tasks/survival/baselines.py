"""Baselines of survival: Cox regression with an elastic net, and gradient boosting of the discrete-time likelihood."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cch_omics.tasks.base import Baseline, Floats, Values
from cch_omics.tasks.boosting import LIBRARY, ROUNDS, boosted
from cch_omics.tasks.linear import standardise
from cch_omics.tasks.survival.hazards import baseline, encode, life_table

# Penalties from the one that leaves no feature to a hundredth of it.
STEPS = 12
WEAKEST = 0.01
# Share of the lasso in the penalty: little, as features of an omics come in groups.
LASSO = 0.1
# A fit that wants more is cut short: it is that of a penalty too weak for the samples.
_ITERATIONS = 2000


def baselines(edges: Floats) -> dict[str, Baseline]:
    """Baselines of hazards in intervals with these ends."""

    def of(path: Callable[..., Iterator[Floats]], steps: int) -> Callable[..., Iterable[Floats]]:
        def fit(
            values: NDArray[np.float32], target: Values, predicted: NDArray[np.float32], seed: int
        ) -> Iterable[Floats]:
            d, x = encode(edges, target)
            # Without an event there is nothing to tell patients apart by.
            if len(predicted) == 0 or not d.any() or len(np.unique(target[:, 0])) < 2:
                return repeat(np.tile(life_table(d, x), (len(predicted), 1)), steps)
            return path(values, target, predicted, d, x, seed)

        return fit

    return {
        "linear": Baseline("penalised Cox regression", of(cox_path, STEPS), STEPS, "sksurv.linear_model"),
        "boosting": Baseline("gradient boosting", of(boosting_path, len(ROUNDS)), len(ROUNDS), LIBRARY),
    }


def cox_path(
    values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], d: Floats, x: Floats, seed: int
) -> Iterator[Floats]:
    """Cox regression with an elastic net (Simon, Friedman, Hastie, Tibshirani 2011, J. Stat. Softw. 39:5).

    Missing values are replaced by the feature's mean and features are standardised, both over the training samples. The
    hazards that go with a score are those of `hazards.baseline`.
    """
    train, test = (each * np.sqrt(each.shape[1]) for each in standardise(values, predicted))
    del values, predicted  # other folds have theirs at the same time
    if train.shape[1] == 0:
        yield from repeat(np.tile(life_table(d, x), (len(test), 1)), STEPS)
        return
    from sksurv.linear_model import CoxnetSurvivalAnalysis  # here: see `Baseline.library`
    from sksurv.util import Surv

    model = CoxnetSurvivalAnalysis(
        n_alphas=STEPS, alpha_min_ratio=WEAKEST, l1_ratio=LASSO, tol=1e-5, max_iter=_ITERATIONS
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimization terminated early")
        model.fit(train, Surv.from_arrays(target[:, 1] == 1, target[:, 0]))
    # The path ends where the model explains all.
    step = np.minimum(np.arange(STEPS), model.coef_.shape[1] - 1)
    for weight in model.coef_[:, step].T:
        yield baseline(train @ weight, d, x) + (test @ weight)[:, None]


def boosting_path(
    values: NDArray[np.float32], target: Floats, predicted: NDArray[np.float32], d: Floats, x: Floats, seed: int
) -> Iterator[Floats]:
    """Gradient boosting of trees by the discrete-time likelihood, after each number of `ROUNDS`.

    Trees add to the score; the baseline is that of all patients together, and is fitted again to the scores at the end.
    """
    marginal = life_table(d, x)

    def derivatives(score: Floats, _: Any) -> tuple[Floats, Floats]:
        hazard = expit(marginal + score[:, None])
        return (x * hazard - d).sum(1), (x * hazard * (1 - hazard)).sum(1)

    both, n = np.concatenate([values, predicted]), len(values)
    for scores in boosted(values, np.zeros(n), both, {"objective": "none"}, seed=seed, derivatives=derivatives):
        yield baseline(scores[:n, 0], d, x) + scores[n:]
