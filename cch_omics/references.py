"""Reference models of each modality, fitted in the same folds: what a distilled student has to beat.

Both are fitted on the labelled training samples of a split only, and each along a path of complexity (penalties, rounds
of boosting) on which the inner folds choose, as they do for the networks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cch_omics.cohort import Cohort
from cch_omics.config import ReferencesConfig
from cch_omics.io.files import atomic
from cch_omics.splits import Splits

# Inverse penalties, from strong to weak. Features are scaled so that a sample has a squared norm of about one: the grid
# then means the same for 200 features as for 3000.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
# Largest gradient at which a fit is done. The weakest penalties are below it, so that they are in part early stopping:
# held-out log-loss was the same with a closer fit, which took up to twice the time.
TOLERANCE = 1e-4

# Rounds of boosting. Trees of four leaves on the square root of the number of features, as in a random forest, but on
# `FEATURES_PER_TREE` at least: with some hundred samples larger ones were no better on held-out folds, and slower.
ROUNDS = (20, 50, 100)
FEATURES_PER_TREE = 50
BOOSTING = {
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


@dataclass(frozen=True)
class References:
    """R reference models of M modalities, S splits of n samples and C classes.

    Attributes
    ----------
    models, modalities
        Names, (R,) and (M,).
    logits
        (R, M, S, n, C) log-probabilities, as in `Encoding`: training samples by the model that did not see their inner
        fold, test samples by the model of the whole training set; NaN where a sample lacks the modality, and throughout
        the whole split, of which no reference model is asked.
    """

    models: tuple[str, ...]
    modalities: tuple[str, ...]
    logits: NDArray[np.float32]


def fit_references(
    cohort: Cohort,
    splits: Splits,
    settings: ReferencesConfig,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> References:
    """Fit the reference models that the settings ask for, for every modality and outer split.

    The result does not depend on the number of threads.
    """
    models = tuple(name for name in MODELS if getattr(settings, name))
    modalities = tuple(cohort.modalities)
    shape = (len(models), len(modalities), *splits.inner.shape, len(cohort.classes))
    logits = np.full(shape, np.nan, dtype=np.float32)
    # Dearest first, so that no worker is left with them in the end.
    tasks = sorted(
        ((r, m, s) for r in range(len(models)) for m in range(len(modalities)) for s in range(splits.whole)),
        key=lambda task: -cohort.modalities[modalities[task[1]]].values.size,
    )

    def arguments(r: int, m: int, s: int) -> tuple[tuple[int, int, int], Model, Fold, int, int]:
        modality = cohort.modalities[modalities[m]]
        rows = modality.rows
        fold = Fold(modality.values, cohort.labels[rows], splits.inner[s, rows], splits.labelled[s, rows])
        return (r, m, s), MODELS[models[r]], fold, len(cohort.classes), seed

    # Processes rather than threads: LightGBM keeps its number of threads in a global variable, and crashes now and then
    # when it is used from two of them.
    pool = joblib.Parallel(n_jobs=threads, return_as="generator_unordered")
    fitted = pool(joblib.delayed(_fit_task)(*arguments(*task)) for task in tasks)
    for done, ((r, m, s), predicted) in enumerate(fitted, start=1):
        logits[r, m, s, cohort.modalities[modalities[m]].rows] = predicted
        progress(done, len(tasks))
    return References(models=models, modalities=modalities, logits=logits)


@dataclass(frozen=True)
class Fold:
    """The profiled samples of one modality in one outer split.

    Attributes
    ----------
    values
        (n_profiled, p) float32, NaN where missing.
    labels
        (n_profiled,).
    inner, usable
        (n_profiled,) of `Splits.inner` and `Splits.labelled`.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    inner: NDArray[np.int64]
    usable: NDArray[np.bool_]


def _fit_task(
    task: tuple[int, int, int], model: "Model", fold: Fold, n_classes: int, seed: int
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    # The matrices are small, and the order of summation is fixed with one thread.
    with threadpool_limits(1):
        return task, fit_fold(model, fold, n_classes=n_classes, seed=seed)


def fit_fold(model: "Model", fold: Fold, *, n_classes: int, seed: int) -> NDArray[np.float64]:
    """(n_profiled, C) log-probabilities; the step of the path is the one with the best held-out log-loss.

    Training samples are predicted by the model that did not see their inner fold, test samples by that of all.
    """
    values, labels, inner, usable = fold.values, fold.labels, fold.inner, fold.usable
    folds = [(usable & (inner != k), inner == k) for k in range(inner.max(initial=-1) + 1)]
    folds.append((usable, inner < 0))
    paths = [
        predict_path(model, values[train], labels[train], values[predicted], n_classes=n_classes, seed=seed)
        for train, predicted in folds
    ]
    loss = np.zeros(model.steps)
    for (_, predicted), logp in zip(folds[:-1], paths[:-1], strict=True):
        scored = usable[predicted]
        loss -= logp[:, scored, labels[predicted][scored]].sum(-1)
    step = int(loss.argmin())
    result = np.empty((len(labels), n_classes))
    for (_, predicted), logp in zip(folds, paths, strict=True):
        result[predicted] = logp[step]
    return result


@dataclass(frozen=True)
class Model:
    """A model that is fitted along a path of complexity.

    Attributes
    ----------
    path
        (n, p) training values, (n,) their classes 0..K-1 (K > 1), of which each occurs, (m, p) values to predict
        (m > 0), seed -> (steps, m, K) logits, one set for each step of the path. NaN marks a missing value.
    steps
        Length of the path.
    """

    path: Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], int], NDArray[np.float64]]
    steps: int


def predict_path(
    model: Model,
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    predicted: NDArray[np.float32],
    *,
    n_classes: int,
    seed: int,
) -> NDArray[np.float64]:
    """Fit a model and predict, with a floor for classes that are absent from the training samples.

    Each absent class has probability 1 / (n + C), as if one of n + C samples had been of it (rule of succession): it is
    hardly ever predicted, and costs a finite log-loss where it occurs.

    Parameters
    ----------
    values, labels
        (n, p) and (n,) training samples.
    predicted
        (m, p).

    Returns
    -------
    NDArray
        (steps, m, C) log-probabilities.
    """
    n, m = len(labels), len(predicted)
    seen, codes = np.unique(labels, return_inverse=True)
    logp = np.full((model.steps, m, n_classes), -np.log(n + n_classes))
    rest = np.log1p(-(n_classes - len(seen)) / (n + n_classes)) if len(seen) else 0.0
    if m == 0 or len(seen) == 0:
        return logp  # without any training sample all classes are alike
    if len(seen) == 1:
        logp[..., seen[0]] = rest
    else:
        logp[..., seen] = log_softmax(model.path(values, codes, predicted, seed), axis=-1) + rest
    return logp


def logistic_path(
    values: NDArray[np.float32], labels: NDArray[np.int64], predicted: NDArray[np.float32], seed: int
) -> NDArray[np.float64]:
    """Multinomial logistic regression with a ridge penalty, each penalty started from the solution of a stronger one.

    Missing values are replaced by the feature's mean and features are standardised, both over the training samples.
    With more features than samples the fit is done in the coordinates of the samples in their own row space: a ridge
    solution lies there, and the penalty is the same after a rotation (Hastie & Tibshirani 2004, theorem 1).
    """
    train, test = _standardise(values, predicted)
    if train.shape[1] > len(train):
        eigenvalues, vectors = eigh(train @ train.T)
        kept = eigenvalues > eigenvalues[-1] * 1e-10
        basis = vectors[:, kept] / np.sqrt(eigenvalues[kept])  # (n, r): train' basis is orthonormal
        test = (test @ train.T) @ basis
        train = vectors[:, kept] * np.sqrt(eigenvalues[kept])
    model = LogisticRegression(warm_start=True, tol=TOLERANCE, max_iter=5000)
    scores = []
    for inverse_penalty in INVERSE_PENALTIES:
        model.set_params(C=inverse_penalty).fit(train, labels)
        score = test @ model.coef_.T + model.intercept_
        scores.append(np.hstack([np.zeros_like(score), score]) if score.shape[1] == 1 else score)
    return np.stack(scores)


def _standardise(
    values: NDArray[np.float32], predicted: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre, scale and impute both by the first; features that are constant or never observed there are dropped."""
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


def boosting_path(
    values: NDArray[np.float32], labels: NDArray[np.int64], predicted: NDArray[np.float32], seed: int
) -> NDArray[np.float64]:
    """Gradient boosting of trees, scored after each number of `ROUNDS`; missing values are a branch of their own."""
    import lightgbm  # here: only the fit needs it, not a reader of its result

    n_features = values.shape[1]
    parameters = {
        **BOOSTING,
        "objective": "multiclass",
        "num_class": int(labels.max()) + 1,
        "feature_fraction": min(1.0, max(n_features**0.5, FEATURES_PER_TREE) / n_features),
        "seed": seed,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, labels, params=parameters), max(ROUNDS))
    return np.stack(
        [np.asarray(booster.predict(predicted, raw_score=True, num_iteration=r, num_threads=1)) for r in ROUNDS]
    )


MODELS = {
    "logistic": Model(logistic_path, steps=len(INVERSE_PENALTIES)),
    "boosting": Model(boosting_path, steps=len(ROUNDS)),
}


def save_references(references: References, path: Path) -> None:
    """Write reference predictions as `.npz`."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            models=np.array(references.models, dtype=np.str_),
            modalities=np.array(references.modalities, dtype=np.str_),
            logits=references.logits,
        )


def load_references(path: Path) -> References:
    """Read what `save_references` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return References(
            models=tuple(map(str, arrays["models"])),
            modalities=tuple(map(str, arrays["modalities"])),
            logits=arrays["logits"],
        )
