"""What distillation gained on test patients.

Every comparison is paired: the same test patients of the same outer split, all of them that have the student's modality
and a label. How outputs become decisions is learnt for each model and split on its held-out outputs of the labelled
training samples.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.evaluation.intervals import corrected_interval, intervals
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.models.recipes import ALONE, MEMBERS
from cch_omics.splits import Splits
from cch_omics.tasks.base import Metric


def model_name(model: Model) -> str:
    """How a model is called in intermediate tables: `alone`, `soft_targets:rna`, `self:soft_targets`, `linear`."""
    if model.control == "self":
        return f"self:{model.recipe}"
    return f"{model.recipe}:{model.teacher}" if model.teacher else model.recipe


def score_models(
    cohort: Cohort, splits: Splits, modality: str, outputs: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score models of one modality on the test samples of every outer split.

    Parameters
    ----------
    outputs
        (V, S, n, C), as in `OutOfFold`.

    Returns
    -------
    scores
        (V, J, Q) for J outer splits and the Q metrics of the task; NaN where a model has no prediction for one of the
        test samples, or a metric is not defined on them.
    n_test
        (J,) test samples with the modality and a label.
    """
    values, metrics = cohort.target.values, cohort.target.task.metrics
    scores = np.full((len(outputs), splits.full, len(metrics)), np.nan)
    tested = splits.test[: splits.full] & cohort.profiled(modality) & cohort.target.observed  # (J, n)
    for j, test in enumerate(tested):
        complete = np.flatnonzero(np.isfinite(outputs[:, j, test]).all((-2, -1)))
        if not len(complete):
            continue
        usable, task = splits.labelled[j], splits.task(cohort.target, j)
        decisions = np.stack([task.decision(outputs[v, j], values, usable) for v in complete])
        trained = usable & cohort.profiled(modality)
        found = task.evaluate(outputs[complete, j][:, test], values[test], decisions, values[trained])
        scores[complete, j] = np.stack([found[name] for name in metrics], axis=-1)
    return scores, tested.sum(1)


def gains(cohort: Cohort, splits: Splits, students: Mapping[str, OutOfFold]) -> pd.DataFrame:
    """Gain of every taught student over every control, per outer split and metric.

    `distilled` is the student of the real teacher; `baseline` is the student trained alone (control `none`), taught by
    its own modality (`self`) or by permuted soft targets (`shuffled`). `gain` is distilled - baseline, also where lower
    is better.

    Returns
    -------
    DataFrame
        `keys.GAIN_COLUMNS`.
    """
    tables = []
    metrics = list(cohort.target.task.metrics)
    outer = np.repeat(np.arange(splits.full), len(metrics))
    for student, predicted in students.items():
        scores, n_test = score_models(cohort, splits, student, predicted.outputs)
        place = {model: v for v, model in enumerate(predicted.models)}
        for model in predicted.taught:
            baselines = {
                "none": Model(ALONE.name),
                "self": Model(model.recipe, student, "self"),
                "shuffled": Model(model.recipe, model.teacher, "shuffled"),
            }
            distilled = scores[place[model]]
            for control in keys.CONTROLS:
                if baselines[control] not in place:
                    continue
                baseline = scores[place[baselines[control]]]
                columns = {
                    "teacher": model.teacher,
                    "student": student,
                    "recipe": model.recipe,
                    "control": control,
                    "repeat": splits.repeat[outer],
                    "fold": splits.fold[outer],
                    "metric": np.tile(metrics, splits.full),
                    "baseline": baseline.ravel(),
                    "distilled": distilled.ravel(),
                    "gain": (distilled - baseline).ravel(),
                    "n_test": n_test[outer],
                }
                tables.append(pd.DataFrame(columns, columns=list(keys.GAIN_COLUMNS)))
    return concatenated(tables, keys.GAIN_COLUMNS)


def scores_of_models(
    cohort: Cohort, splits: Splits, predicted: Mapping[str, OutOfFold], *, column: str
) -> pd.DataFrame:
    """Score of every model that is not a shuffled control, per student modality, outer split and metric.

    Returns
    -------
    DataFrame
        `student`, the name of the model in `column`, `repeat, fold, metric, value, n_test`.
    """
    tables = []
    metrics = list(cohort.target.task.metrics)
    outer = np.repeat(np.arange(splits.full), len(metrics))
    names = ("student", column, *keys.SPLIT_COLUMNS, "metric", "value", "n_test")
    for student, each in predicted.items():
        scores, n_test = score_models(cohort, splits, student, each.outputs)
        for model, of_model in zip(each.models, scores, strict=True):
            if model.control == "shuffled":
                continue
            columns = {
                "student": student,
                column: model_name(model),
                "repeat": splits.repeat[outer],
                "fold": splits.fold[outer],
                "metric": np.tile(metrics, splits.full),
                "value": of_model.ravel(),
                "n_test": n_test[outer],
            }
            tables.append(pd.DataFrame(columns, columns=list(names)))
    return concatenated(tables, names)


def members(students: Mapping[str, OutOfFold]) -> pd.DataFrame:
    """Weights of the members of each model of the full cohort, but for shuffled controls: `keys.MEMBER_COLUMNS`."""
    rows = [
        (student, model_name(model), member.name, weight)
        for student, predicted in students.items()
        for model, weights in zip(predicted.models, predicted.weights[:, -1], strict=True)
        if model.control != "shuffled"
        for member, weight in zip(MEMBERS, weights, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(keys.MEMBER_COLUMNS))


def summarise(gains: pd.DataFrame) -> pd.DataFrame:
    """Mean gain and its 95% interval for each pair, recipe, control and metric: `keys.SUMMARY_COLUMNS`."""
    return intervals(gains, [*keys.PAIR_COLUMNS, "control", "metric"], "gain", keys.SUMMARY_COLUMNS)


def performance(students: pd.DataFrame, references: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Mean score and its 95% interval, within the bounds of the metric, of every model: `keys.PERFORMANCE_COLUMNS`.

    Parameters
    ----------
    students
        Of `scores_of_models`, with the column `model`.
    references
        `keys.REFERENCE_COLUMNS`.
    metrics
        Of the task.
    """
    both = concatenated([students, references.rename(columns={"baseline": "model"})], tuple(students.columns))
    return intervals(both, ["student", "model", "metric"], "value", keys.PERFORMANCE_COLUMNS, metrics)


def comparisons(students: pd.DataFrame, references: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare each student with each baseline on the test patients of the same splits: `keys.COMPARISON_COLUMNS`."""
    where = ["student", *keys.SPLIT_COLUMNS]
    both = students[students["metric"] == metric].merge(
        references[references["metric"] == metric], on=where, suffixes=("", "_of_baseline")
    )
    rows = []
    for key, part in both.groupby(["student", "model", "baseline"], sort=False):
        difference = (part["value"] - part["value_of_baseline"]).to_numpy(dtype=np.float64)
        rows.append((*key, *corrected_interval(difference, int(part["fold"].nunique()))))
    return pd.DataFrame(rows, columns=list(keys.COMPARISON_COLUMNS))


def concatenated(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Rows of all tables; with none, a table with these columns."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))
