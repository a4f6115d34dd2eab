"""Students of a cohort: the model for each omics that the evidence prefers, with the record of how it was made."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cch_omics
from cch_omics import keys
from cch_omics.cohort import Cohort, Modality
from cch_omics.data.working_scale import SCALES
from cch_omics.errors import InputError
from cch_omics.models.out_of_fold import Model, Network, OutOfFold
from cch_omics.models.recipes import ALONE, MEMBERS
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import write_table
from cch_omics.splits import Splits
from cch_omics.student.about import (
    ALONE_FOLDER,
    FORMAT,
    FORMAT_VERSION,
    TAUGHT_FOLDER,
    About,
    Cell,
    Record,
    TaskRecord,
    Training,
    Validated,
    did_harm,
)
from cch_omics.student.bundle import Student, write_student
from cch_omics.student.explain import FEATURES_FILE, by_size, feature_table
from cch_omics.tasks.base import Task
from cch_omics.vocabulary import model_of

logger = logging.getLogger(__name__)

# Beside what is made of the values first.
TRANSFORMS = (
    "A missing value is replaced by the feature's `fill`, its mean in training. A value further from it than `bound`, "
    "as none in training was, counts as if it were there.",
    "Standardisation and principal components are folded into the weights: give values as in the training table.",
    "outputs = tanh(values @ weight + bias) @ head_weight + values @ skip_weight + head_bias",
)
DATA_NOTE = (
    "The weights, and the mean, standard deviation and fill value of each feature, derive from the training cohort's "
    "data; no sample's own values are stored, but some labels, without their samples, where a number is transformed to "
    "normal scores. The terms of those data (licence, consent, data use agreement) may cover what is derived from "
    "them: check them before passing this folder on."
)
FEATURES_AT_ONCE = 4096
# Features that `student.json` and the model card name.
MOST_USED = 10


@dataclass(frozen=True)
class Records:
    """What the steps before found out about a student: rows of tables, for `student.json` and the model card.

    Attributes
    ----------
    verdict
        Its row of teachers.tsv.
    candidates, performance, gains
        Its rows of verdicts.tsv, performance.tsv and summary.tsv.
    followed
        Its row of advised.tsv for the rule in force.
    on_test
        Sentences on what was observed of test samples (`Picture.said`).
    validation
        What was found on other patients.
    """

    verdict: Record
    candidates: Sequence[Record] = ()
    performance: Sequence[Record] = ()
    gains: Sequence[Record] = ()
    followed: Record = field(default_factory=dict)
    on_test: Sequence[str] = ()
    validation: Validated | None = None


def write_students(
    cohort: Cohort,
    splits: Splits,
    students: Mapping[str, OutOfFold],
    teachers: pd.DataFrame,
    verdicts: pd.DataFrame,
    performance: pd.DataFrame,
    summary: pd.DataFrame,
    advised: pd.DataFrame,
    on_test: pd.DataFrame,
    folder: str | os.PathLike[str],
    validated: Mapping[str, Validated] | None = None,
) -> None:
    """Write the folder of bundles, one for each student: all of them or nothing.

    A student that has a teacher lies beside the one trained alone. On top is the taught one, in whose folder `alone`
    is the other; or, where the teacher did harm on test patients, the one trained alone, with the other in `taught`.

    Parameters
    ----------
    students
        By modality.
    teachers, verdicts
        teachers.tsv and verdicts.tsv; an empty or missing teacher, or no row at all, means that the student is trained
        alone.
    performance, summary, advised
        What the evaluation measured, for the record and the model card.
    on_test
        predictions.tsv: what the students predicted for test samples, for the record as well.
    folder
        Gets a folder for each student, and takes the place of one that is there.
    validated
        What was found on other patients, by student.

    Raises
    ------
    InputError
        If teachers.tsv names a model that was not trained.
    """
    task = splits.task(cohort.target, splits.full)
    with atomic(folder) as draft:
        draft.mkdir()
        for name, models in students.items():
            # A student that nothing could teach has no row.
            alone: Record = {"student": name, "teacher": "", "recipe": ALONE.name, "verdict": keys.DO_NOT_DISTIL}
            verdict = next(iter(rows_of(teachers, name)), alone)
            candidates, measured, gained = (rows_of(table, name) for table in (verdicts, performance, summary))
            followed = next(iter(rows_of(advised[advised["criterion"] == verdict.get("rule")], name)), {})
            validation = (validated or {}).get(name)
            records = Records(verdict, candidates, measured, gained, followed, validation=validation)
            made = {}
            for place, model in delivered(records, task).items():
                of_model = (on_test["student"] == name) & (on_test["model"] == model_of(model.recipe, model.teacher))
                picture = task.picture(on_test[of_model])
                found = replace(records, on_test=picture.said if picture else ())
                made[place] = full_cohort_student(cohort, splits, name, models, model, found)
                taught = f"taught by {model.teacher}" if model.teacher else "trained alone"
                logger.debug("%s: student of %s, %s", Path(folder) / name / place, name, taught)
            _write_explained(made, cohort.modalities[name], draft / name)


def _write_explained(made: Mapping[str, Student], source: Modality, folder: Path) -> None:
    """Write the students of one omics, by their place in the folder, and what their features weigh."""
    column = {place: keys.WEIGHT_TAUGHT if each.about.teacher else keys.WEIGHT_ALONE for place, each in made.items()}
    weights = feature_table({column[place]: each for place, each in made.items()}, source)
    for place, student in made.items():
        most_used = tuple(_records(by_size(weights, column[place]).head(MOST_USED)))
        write_student(folder / place, replace(student, about=student.about.model_copy(update={"most_used": most_used})))
    write_table(weights, folder / FEATURES_FILE)


def full_cohort_student(
    cohort: Cohort, splits: Splits, name: str, models: OutOfFold, model: Model, records: Records
) -> Student:
    """Put together the student of an omics that was trained on the full cohort, of those that were trained.

    Raises
    ------
    InputError
        If the model was not trained.
    """
    full, v = splits.full, _find(models, name, model)
    labelled, task = splits.labelled[full], splits.task(cohort.target, full)
    return make_student(
        replace(cohort, target=replace(cohort.target, task=task)),
        name,
        models.networks[v],
        model,
        decision=task.decision(models.outputs[v, full], cohort.target.values, labelled),
        labelled=labelled,
        epochs=int(models.epochs[v, full]),
        members={member.name: float(w) for member, w in zip(MEMBERS, models.weights[v, full], strict=True)},
        records=records,
    )


def make_student(
    cohort: Cohort,
    modality: str,
    network: Network,
    model: Model,
    *,
    decision: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    epochs: int,
    members: dict[str, float],
    records: Records,
) -> Student:
    """Put together what a trained network needs in order to be used and judged elsewhere.

    Features that the network does not use (weights all zero, such as those dropped by variance) are left out, so that a
    new table need not have them.

    Parameters
    ----------
    network
        Trained on all samples of `cohort` that have `modality`, on its features in their order.
    model
        Its recipe and its teacher.
    decision
        (A,) of `Task.decision`.
    labelled
        (n,) samples whose label was used.
    epochs
        Steps of its network's training.
    members
        Weights of what it is the average of.
    records
        For the reader.
    """
    source, task = cohort.modalities[modality], cohort.target.task
    kept, used = network.lean()
    mean, sd = _moments(source, used, network.fill)
    profiled = cohort.profiled(modality)
    labels = task.summary(cohort.target.values[profiled & labelled])
    scale = SCALES[source.scale]
    constants = dict(scale.constants) if source.made else None
    first = () if constants is None else (f"x is {scale.what}. It becomes {scale.formula(constants)}.",)
    about = About(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        modality=modality,
        scale=source.scale,
        constants=constants,
        features=tuple(str(name) for name in source.features[used]),
        task=TaskRecord(name=task.name, parameters=task.parameters),
        decision=tuple(_cell(number) for number in decision),
        transforms=(*first, *TRANSFORMS, *task.transforms),
        recipe=model.recipe,
        teacher=model.teacher,
        members=members,
        rule=str(records.verdict.get("rule") or ""),
        training=Training(
            cohort=cohort.name,
            target=cohort.target.name,
            samples=int(profiled.sum()),
            labelled_samples=int((profiled & labelled).sum()),
            paired_samples=int((profiled & cohort.profiled(model.teacher)).sum()) if model.teacher else None,
            label_budget=cohort.label_budget,
            derived_from=cohort.derived_from,
            epochs=epochs,
            labels={key: _cell(value) for key, value in labels.items()},
        ),
        verdict=records.verdict,
        candidates=tuple(records.candidates),
        performance=tuple(records.performance),
        gains=tuple(records.gains),
        followed=records.followed,
        on_test=tuple(records.on_test),
        validation=records.validation,
        data=DATA_NOTE,
        versions={"cch_omics": cch_omics.__version__, "numpy": np.__version__, "torch": metadata.version("torch")},
    )
    return Student(about, task, kept, mean, sd)


def delivered(records: Records, task: Task) -> dict[str, Model]:
    """The models of a student by their place in its folder, "" for the folder itself, which comes first."""
    verdict, alone = records.verdict, Model(ALONE.name)
    if not verdict["teacher"]:
        return {"": alone}
    taught = Model(str(verdict["recipe"]), str(verdict["teacher"]))
    if did_harm(verdict, records.gains, task):
        return {"": alone, TAUGHT_FOLDER: taught}
    return {"": taught, ALONE_FOLDER: alone}


def _find(trained: OutOfFold, name: str, model: Model) -> int:
    """Position of a model among those of a student."""
    if model not in trained.models:
        others = sorted(f"{other.recipe} from {other.teacher}" for other in trained.models if other.teacher)
        raise InputError(
            f"teachers.tsv, student {name!r}",
            f"the teacher {model.teacher!r} with the recipe {model.recipe!r}",
            f"a student that was trained: {', '.join(others) or 'none has a teacher'}",
            "Run the steps `distil` and `verdict` on the same cohort.",
        )
    return trained.models.index(model)


def rows_of(frame: pd.DataFrame, student: str) -> list[Record]:
    """Rows of a student as JSON has them."""
    return _records(frame[frame["student"] == student])


def _records(frame: pd.DataFrame) -> list[Record]:
    """Rows as JSON has them."""
    return [{str(key): _cell(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _moments(
    source: Modality, used: NDArray[np.int64], fill: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and SD of each used feature over its measured values; `fill` and 0 where nothing was measured."""
    mean, sd = fill[used].astype(np.float32), np.zeros(len(used), dtype=np.float32)
    # In blocks: a double-precision copy of a whole methylation array would take gigabytes.
    for start in range(0, len(used), FEATURES_AT_ONCE):
        block = source.values[:, used[start : start + FEATURES_AT_ONCE]].astype(np.float64)
        measured = np.flatnonzero(~np.isnan(block).all(axis=0))
        mean[start + measured] = np.nanmean(block[:, measured], axis=0)
        sd[start + measured] = np.nanstd(block[:, measured], axis=0)
    return mean, sd


def _cell(value: Any) -> Cell:
    """A plain value; None for a missing or infinite one."""
    plain: Cell = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
