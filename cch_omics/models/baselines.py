"""Baselines of each modality, fitted in the same folds: what a student has to beat.

They are fitted on the labelled training samples of a split only, and each along a path of complexity (penalties, rounds
of boosting) on which the inner folds choose, as they do for the networks.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.runtime.parallel import each_part
from cch_omics.splits import Splits
from cch_omics.tasks.base import Floats, Task, Values


def fit_baselines(
    cohort: Cohort,
    splits: Splits,
    settings: BaselinesConfig,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, OutOfFold]:
    """Fit the baselines that the settings ask for, for every modality and outer split.

    The result does not depend on the number of threads.

    Returns
    -------
    dict
        By student modality; outputs of the full cohort are NaN, since no baseline is deployed.
    """
    task = cohort.target.task
    names = [name for name in task.baselines if getattr(settings, name)]
    shape = (len(names), *splits.inner.shape, task.n_outputs)
    outputs = {modality: np.full(shape, np.nan, dtype=np.float32) for modality in cohort.modalities}
    # Dearest first, so that no worker is left with them in the end.
    jobs = sorted(
        ((modality, b, s) for modality in cohort.modalities for b in range(len(names)) for s in range(splits.full)),
        key=lambda job: -cohort.modalities[job[0]].values.size,
    )

    def work(job: tuple[str, int, int]) -> Floats:
        modality, b, s = job
        data = cohort.modalities[modality]
        rows = data.rows
        of_split = cohort.target.values[rows], splits.inner[s, rows], splits.labelled[s, rows]
        # The matrices are small, and the order of summation is fixed with one thread.
        with threadpool_limits(1):
            return fit_fold(splits.task(cohort.target, s), names[b], data.values, *of_split, seed)

    # Here, and not in every process anew.
    for name in names:
        import_module(task.baselines[name].library)
    # Processes rather than threads: LightGBM keeps its number of threads in a global variable, and crashes now and then
    # when it is used from two of them.
    fitted = each_part(work, jobs, threads=threads, device="cpu")
    for done, ((modality, b, s), predicted) in enumerate(fitted, start=1):
        outputs[modality][b, s, cohort.modalities[modality].rows] = predicted
        progress(done, len(jobs))
    models = tuple(Model(name) for name in names)
    epochs = np.zeros(shape[:2], dtype=np.int64)
    weights = np.zeros((*shape[:2], 0))
    return {modality: OutOfFold(models, each, (), epochs, weights) for modality, each in outputs.items()}


def predict_others(
    cohort: Cohort,
    splits: Splits,
    modality: str,
    values: NDArray[np.float32],
    settings: BaselinesConfig,
    *,
    seed: int,
) -> dict[str, tuple[Floats, Floats]]:
    """Fit the baselines that the settings ask for to the full cohort, and predict patients who are not in it.

    Parameters
    ----------
    values
        (m, p) features of the modality, in its order; NaN where missing.

    Returns
    -------
    dict
        (m, C) outputs and (A,) decision, which held-out outputs of the inner folds give as in every split.
    """
    data, task = cohort.modalities[modality], splits.task(cohort.target, splits.full)
    rows, n, m = data.rows, len(data.rows), len(values)
    target, labelled = cohort.target.values[rows], splits.labelled[splits.full, rows]
    # The others are the test samples of a split in which everybody else is trained on.
    none = np.full((m, *target.shape[1:]), np.nan)
    stacked = (
        np.vstack([data.values, values]),
        np.concatenate([target, none]),
        np.concatenate([splits.inner[splits.full, rows], np.full(m, -1)]),
        np.concatenate([labelled, np.zeros(m, dtype=bool)]),
    )
    found = {}
    for name in task.baselines:
        if getattr(settings, name):
            with threadpool_limits(1):
                outputs = fit_fold(task, name, *stacked, seed)
            found[name] = outputs[n:], task.decision(outputs[:n], target, labelled)
    return found


def fit_fold(
    task: Task,
    baseline: str,
    values: NDArray[np.float32],
    target: Values,
    inner: NDArray[np.int64],
    usable: NDArray[np.bool_],
    seed: int,
) -> Floats:
    """Fit one baseline in one split; its path is followed as long as the held-out loss of the inner folds falls.

    The steps that are left out, of weak penalties and many rounds, are those that take longest.

    Parameters
    ----------
    values, target
        (n, p) and (n, ...) of the samples that have the modality.
    inner, usable
        (n,) inner fold, -1 for test samples; and whether the label may be used.

    Returns
    -------
    NDArray
        (n, C) outputs: training samples by the model that did not see their inner fold, test samples by that of all.
    """
    model = task.baselines[baseline]
    folds = [(usable & (inner != k), inner == k) for k in range(inner.max(initial=-1) + 1)]
    folds.append((usable, inner < 0))

    def path(train: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Iterator[Floats]:
        yield from model.path(values[train], target[train], values[predicted], seed)

    result, least, steps = np.empty((len(target), task.n_outputs)), np.inf, 0
    for outputs in zip(*(path(*fold) for fold in folds[:-1]), strict=True):
        held_out = np.empty_like(result)
        for (_, predicted), each in zip(folds[:-1], outputs, strict=True):
            held_out[predicted] = each
        scored = usable & (inner >= 0)
        loss = task.loss(held_out[scored], target[scored]).sum()
        if steps and not loss < least:
            break
        result, least, steps = held_out, loss, steps + 1
    train, predicted = folds[-1]
    result[predicted] = next(islice(path(train, predicted), max(steps - 1, 0), None))
    return result
