"""A student judged on other patients: metrics, calibration, what it gained, and how far off these patients are.

Metrics are those of the task, and where they are relative to something, to the other patients: R2 to their own mean,
weights for censoring to their own follow-up.
Errors are those of the jackknife over patients, of calibration by influence functions, and speak of other patients of
the new population: the models are given. A difference of two models is one statistic of the same patients, so that it
is paired. A metric that is biased in small samples has none.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import BaselinesConfig, IngestConfig, SheetRow
from cch_omics.data.external import OtherPatients, check_number, other_patients, read_tables
from cch_omics.data.numbers import without_versions
from cch_omics.data.source import Matrix, Source
from cch_omics.data.working_scale import SCALES
from cch_omics.errors import InputError, some
from cch_omics.evaluation.intervals import CONFIDENCE, jackknife, within_bounds
from cch_omics.models.baselines import predict_others
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.models.recipes import ALONE
from cch_omics.runtime.formats import read_json, write_json, write_table
from cch_omics.splits import Splits
from cch_omics.student.about import ALONE_FOLDER, TAUGHT_FOLDER, Validated
from cch_omics.student.bundle import Student, read_student
from cch_omics.student.make import Records, full_cohort_student, rows_of
from cch_omics.student.predict import LARGE_SHIFT, MIN_COVERAGE, align, feature_shift, outputs_of, places
from cch_omics.tasks.base import Floats, Task
from cch_omics.tasks.influence import variance_over_patients
from cch_omics.vocabulary import model_of

# Training standard deviations by which the mean of a feature is off that counts as shifted.
SHIFTED = 0.5
# Patients of a class, or of a range, with fewer of which it is said.
_FEW = 10

Outputs = tuple[Floats, Floats]
# What `cch validate` writes.
FILES = ("validation.tsv", "validation.json", "features.tsv", "predictions.tsv", "validation.html")


@dataclass(frozen=True)
class Validation:
    """What was found on other patients with one omics.

    Attributes
    ----------
    student, target, source
        The omics, what is predicted of whom.
    task
        Of the students.
    said
        Sentences on who was judged, features and labels.
    scores, features, predictions
        Tables: `keys.VALIDATION_COLUMNS`; `keys.SHIFT_COLUMNS`; `keys.VALIDATED_COLUMNS` and those of `Task.on_test`.
    """

    student: str
    target: str
    source: str
    task: Task
    said: tuple[str, ...]
    scores: pd.DataFrame
    features: pd.DataFrame
    predictions: pd.DataFrame


def validate(
    students: Mapping[str, Student],
    other: OtherPatients,
    references: Callable[[OtherPatients], Mapping[str, Outputs]] = lambda other: {},
) -> Validation:
    """Judge students of one omics, and other models of it, on patients who were in no training.

    Parameters
    ----------
    students
        By the name of the model; the first, a taught one if there is one, is compared with all others.
    other
        Their omics and labels.
    references
        Patients -> (n, C) outputs and (A,) decision of further models by name.

    Raises
    ------
    InputError
        If the table has no feature of the students, or spells them otherwise, or too few patients are left.
    """
    first = next(iter(students.values()))
    task, modality = first.task, first.about.modality
    # Of a sample with few of the features that the table has next to nothing is known.
    measured = ~np.isnan(aligned(first, other))
    covered = measured.sum(axis=1) >= MIN_COVERAGE * max(measured.any(axis=0).sum(), 1)
    if not covered.all():
        little = f"{np.count_nonzero(~covered)} samples lack more than {1 - MIN_COVERAGE:.0%} of the features."
        other = other.part(covered, little)
        check_number(other, other.where)
    models: dict[str, Outputs] = {}
    for name, student in students.items():
        outputs = outputs_of(student, aligned(student, other), other.where)
        models[name] = outputs.astype(np.float64), student.decision
    models |= references(other)
    every = np.ones(len(other.samples), dtype=bool)
    tables = {
        name: task.on_test(outputs, other.labels, decision, every, every)
        for name, (outputs, decision) in models.items()
    }
    predictions = [
        pd.DataFrame({"student": modality, "model": name, "sample": other.samples} | dict(table))
        for name, table in tables.items()
    ]
    features = _features(first, other)
    return Validation(
        student=modality,
        target=first.about.training.target,
        source=other.where,
        task=task,
        said=(
            f"{len(other.samples)} samples of {len(np.unique(other.groups))} patients were judged.",
            *_of_features(first, features, other.where),
            *_of_labels(task, other),
            *other.said,
        ),
        scores=_scores(task, modality, models, tables, other),
        features=features,
        predictions=pd.concat(predictions, ignore_index=True),
    )


def validate_file(
    folder: str | os.PathLike[str],
    table: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    target: str = "",
    group: str = "",
) -> Validation:
    """Judge a student, and the model that lies beside it in its folder, on tables of other patients, as `cch validate`.

    Parameters
    ----------
    folder
        Of a student, `results/COHORT/TARGET/students/MODALITY`.
    table
        Its omics: `.h5mu` with the student's modality, or (n, q) samples x features, `.h5ad`, `.csv[.gz]`, `.tsv[.gz]`,
        `.parquet`. A table that has the student's features in its rows is turned. Values on the scale of the training
        table, of counts all that were counted; features are matched by name.
    labels
        A clinical table, sample or patient id first, `.csv[.gz]`, `.tsv[.gz]`; or `.h5mu` or `.h5ad`, whose `.obs` is
        read. Classes are spelled, numbers and times in the unit, as in the training.
    target
        The column of the label; of a survival time what comes before `_time` and `_event`. By default that of the
        training.
    group
        The column of patients' ids; by default patients are told by TCGA barcode, or are the samples.

    Returns
    -------
    Validation
        Of m samples with a label, `scores`, a table of `student`, `model`, `minus`, `metric`, `value`, `se`, `ci_low`,
        `ci_high` and `n_patients`: a row per model and metric, in the unit of the metric, and where `minus` names a
        second model, what the first has more than it. `features`, one row per feature of the student: `measured`, the
        share of samples with a value; `training_mean`, `training_sd` and `mean`, on the scale that models learn from;
        `shift`, in `training_sd`. `predictions`, m rows per model: `model`, `sample`, what was predicted and what was
        observed. `said`, sentences on who was judged and what was left out.

    Raises
    ------
    InputError
        If a file cannot be read, the folder is no student's, a column is not there, features or classes are spelled
        otherwise, values cannot be on the scale of the training, times are in another unit, or fewer than two patients
        have a label.

    Examples
    --------
    >>> from cch_omics.student.validate import validate_file
    >>> found = validate_file("results/our-brca/er_status/students/cnv", "their_cnv.csv", "their_clinical.csv")
    >>> found.scores[["model", "minus", "metric", "value", "ci_low", "ci_high"]]
    """
    places = [Path(folder), *(Path(folder) / name for name in (ALONE_FOLDER, TAUGHT_FOLDER))]
    students = [read_student(place) for place in places if place == places[0] or place.is_dir()]
    students.sort(key=lambda student: not student.about.teacher)
    first, about = students[0], students[0].about
    source = read_tables(table, labels, about.modality, first.features)
    other = other_patients(source, about.modality, target or about.training.target, first.task, group=group)
    return validate({model_of(each.about.recipe, each.about.teacher): each for each in students}, other)


def validate_cohort(
    cohort: Cohort,
    splits: Splits,
    trained: Mapping[str, OutOfFold],
    teachers: pd.DataFrame,
    source: Source,
    row: SheetRow,
    ingest: IngestConfig,
    baselines: BaselinesConfig,
    *,
    seed: int,
) -> list[Validation]:
    """Validate students of a cohort whose omics a source has: the one that the rule chose, and the one trained alone.

    Baselines are fitted to the full cohort and stand beside them. Patients of the cohort itself are left out.

    Parameters
    ----------
    trained
        By student.
    teachers
        teachers.tsv.
    row
        Of the sheet, which names target and group.

    Raises
    ------
    InputError
        As `other_patients` and `validate`, and if the source has none of the omics, or no other patients.
    """
    found = []
    for name in (name for name in trained if name in source.matrices):
        chosen = [each for each in rows_of(teachers, name) if each["teacher"]]
        models = [*(Model(str(each["recipe"]), str(each["teacher"])) for each in chosen), Model(ALONE.name)]
        students = {
            model_of(model.recipe, model.teacher): full_cohort_student(
                cohort, splits, name, trained[name], model, Records(chosen[0] if chosen else {"teacher": ""})
            )
            for model in models
        }
        task = next(iter(students.values())).task
        other = other_patients(source, name, row.target_column, task, group=row.group, settings=ingest)
        known = np.isin(other.groups, cohort.groups)
        if known.all():
            raise InputError(
                other.where, "patients of the training only", "other patients", "Correct the sheet's column `validate`."
            )
        if known.any():
            other = other.part(~known, f"{known.sum()} samples of patients of the training were left out.")
            check_number(other, other.where)

        def references(other: OtherPatients, name: str = name) -> dict[str, Outputs]:
            values = in_order(other, cohort.modalities[name])
            return predict_others(cohort, splits, name, values, baselines, seed=seed)

        found.append(validate(students, other, references))
    if not found:
        raise InputError(
            source.where,
            f"none of the students' modalities ({some(trained)})",
            "at least one",
            "Check the sheet's `validate`.",
        )
    return found


def write_validation(found: Sequence[Validation], scores: Path, about: Path, features: Path, predictions: Path) -> None:
    """Write what was found on other patients: three tables, and JSON with what cards and pages say of it."""
    write_table(pd.concat([each.scores for each in found], ignore_index=True), scores)
    write_table(pd.concat([each.features for each in found], ignore_index=True), features)
    write_table(pd.concat([each.predictions for each in found], ignore_index=True), predictions)
    said = {
        each.student: Validated(source=each.source, said=each.said, scores=tuple(rows_of(each.scores, each.student)))
        for each in found
    }
    write_json({name: each.model_dump(mode="json") for name, each in said.items()}, about)


def read_validated(path: Path) -> dict[str, Validated]:
    """Read the JSON of `write_validation`, by student."""
    return {name: Validated.model_validate(content) for name, content in read_json(path).items()}


def in_order(other: OtherPatients, modality: Modality) -> NDArray[np.float32]:
    """(n, p) values of the features of a modality as models of it take them, NaN where the table has none."""
    table, scale = without_versions(_matrix(other))[0], SCALES[modality.scale]
    given = scale.apply(table.values, scale.constants) if modality.made else table.values
    known, columns = places(modality.features.tolist(), table.features.tolist())
    values = np.full((len(other.samples), len(modality.features)), np.nan, dtype=np.float32)
    values[:, known] = given[:, columns]
    return values


def aligned(student: Student, other: OtherPatients) -> NDArray[np.float32]:
    """(n, p) values of the student's features as it takes them, NaN where the table has none."""
    return align(student, _matrix(other), partial=True)


def _matrix(other: OtherPatients) -> Matrix:
    return Matrix(other.samples, other.features, other.values, other.where)


def _scores(
    task: Task,
    modality: str,
    models: Mapping[str, Outputs],
    tables: Mapping[str, pd.DataFrame],
    other: OtherPatients,
) -> pd.DataFrame:
    """Every metric of every model, those of the first less those of the others, and calibration, with intervals."""
    names = list(models)
    outputs, decisions = (np.stack([each[part] for each in models.values()]) for part in (0, 1))

    def statistic(rows: NDArray[np.int64]) -> Floats:
        """(metrics, V + V - 1): of each model, and of the first less each of the others."""
        labels = other.labels[rows]
        metrics = np.stack(list(task.evaluate(outputs[:, rows], labels, decisions, labels).values()))
        return np.hstack([metrics, metrics[:, :1] - metrics[:, 1:]])

    value, se, n_blocks = jackknife(statistic, other.groups)
    quantile = float(stdtrit(n_blocks - 1, (1 + CONFIDENCE) / 2))
    of = [*((name, "") for name in names), *((names[0], name) for name in names[1:])]
    found = [
        (model, minus, name, metric, value[m, v], np.nan if metric.biased else se[m, v])
        for m, (name, metric) in enumerate(task.metrics.items())
        for v, (model, minus) in enumerate(of)
    ]
    for model, table in tables.items():
        for name, (number, influence) in task.calibration(table).items():
            error = np.sqrt(variance_over_patients(influence, other.groups))
            found.append((model, "", name, task.calibrations[name], number, error))
    n, rows = len(np.unique(other.groups)), []
    for model, minus, name, metric, number, error in found:
        bounds = (-np.inf, np.inf) if minus else (metric.low, metric.high)
        ends = (np.nan, np.nan)
        # Where no patient changes a value, as where all are in a prediction interval, nothing says how sure it is.
        if error > 0 and np.isfinite(number + error):
            ends = within_bounds(float(number), quantile * float(error), *bounds)
        rows.append((modality, model, minus, name, number, error, *ends, n))
    return pd.DataFrame(rows, columns=list(keys.VALIDATION_COLUMNS))


def _features(student: Student, other: OtherPatients) -> pd.DataFrame:
    """How far each feature of a student is from the training, the farthest first."""
    values = aligned(student, other)
    shift, measured = feature_shift(student, values), (~np.isnan(values)).mean(axis=0)
    sd = student.sd.astype(np.float64)
    columns = (student.about.modality, student.features, measured, student.mean, sd, student.mean + shift * sd, shift)
    frame = pd.DataFrame(dict(zip(keys.SHIFT_COLUMNS, columns, strict=True)))
    return frame.iloc[np.argsort(-np.nan_to_num(np.abs(shift)), kind="stable")].reset_index(drop=True)


def _of_features(student: Student, features: pd.DataFrame, where: str) -> list[str]:
    """Say how many of the features there are, and how many of them are shifted."""
    n, there = len(features), features[features["measured"] > 0]
    said = [f"{len(there)} of the student's {n} features ({len(there) / n:.0%}) are in {where}."]
    if len(there) < n:
        said[0] += " The means of the training stand in for the others."
    if len(there) < MIN_COVERAGE * n:
        said.append(
            f"With fewer than {MIN_COVERAGE:.0%} of them cch predict gives no prediction; it is judged all the same."
        )
    known = features.dropna(subset="shift")
    shifted = known[known["shift"].abs() > SHIFTED]
    largest = ", ".join(f"{row['feature']} ({row['shift']:+.1f})" for row in shifted.head(3).to_dict("records"))
    said.append(
        f"{len(shifted)} of {len(known)} features have a mean more than {SHIFTED:g} training standard deviations "
        f"off{f'; the farthest: {largest}' if largest else ''}."
    )
    if len(known) and (median := float(known["shift"].abs().median())) > LARGE_SHIFT:
        said.append(
            f"Half of the features lie more than {median:.1f} standard deviations off: the table looks to be on "
            "another scale (unit, logarithm, normalisation)."
        )
    return said


def _of_labels(task: Task, other: OtherPatients) -> list[str]:
    """Say how many there are, and of which few."""
    strata = task.strata(other.labels)
    counts = {name: int((strata == position).sum()) for position, name in enumerate(task.strata_names)}
    few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < _FEW]
    listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return [f"Labels: {listed}."] + (
        [f"Fewer than {_FEW} samples: {', '.join(few)}; intervals are rough."] if few else []
    )
