"""Join the tables of a source into one cohort."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import (
    NAME_PATTERN,
    IngestConfig,
    SheetRow,
    SplitsConfig,
    check_transform,
    comma_list,
    scales_of_row,
    teachers_of_row,
)
from cch_omics.data.barcodes import read_id
from cch_omics.data.clinical import check_ids, clinical_rows, groups_of, sites_of, texts_at
from cch_omics.data.left_out import modalities_left_out, shortcoming, teachers_left_out
from cch_omics.data.numbers import dates_as_names, without_versions
from cch_omics.data.parts import part_of
from cch_omics.data.scale import on_working_scale
from cch_omics.data.source import Matrix, Notes, Source
from cch_omics.errors import InputError, near, repeated, some
from cch_omics.tasks import TASKS, task_class
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.missing import known_texts
from cch_omics.tasks.reading import guess_task, is_number

_DEFAULTS = IngestConfig()
_DEFAULT_SPLITS = SplitsConfig()


def assemble(
    source: Source, row: SheetRow, settings: IngestConfig = _DEFAULTS, splits: SplitsConfig = _DEFAULT_SPLITS
) -> tuple[Cohort, Notes]:
    """Join tables by sample id, and labels to samples.

    Ids are compared without what tells aliquots of one sample apart; patients' ids serve where a table has only those.
    Of several rows that are then one, the first in the order of ids is taken (among TCGA barcodes: primary tumour,
    first vial). Normal tissue is left out. A sample of the clinical table that no modality has is left out; a sample
    without a label stays. Features and samples of which more is missing than `settings` say are left out, and counted.
    A modality, a view or a pair that leaves the folds nothing to learn is left out with a reason (`Cohort.left_out`):
    the cohort is then the one that the sheet would give without it.

    Parameters
    ----------
    splits
        Folds that the cohort will be cut into: the labelled patients of a view and of a pair have to suffice for them.

    Raises
    ------
    InputError
        When modalities, teachers, target or labels are not as the row says, a table has nothing to give, or there is no
        modality that can learn.
    """
    names = _modality_names(source, row)
    teachers = teachers_of_row(row, names)
    source, scales = _on_working_scale(source, row, names)
    left_out: dict[tuple[str, ...], str] = {}
    while True:
        cohort, notes = _join(source, row, names, scales, settings, splits)
        gone = modalities_left_out(cohort, splits)
        left_out |= gone
        names = [name for name in names if (name,) not in gone]
        if not names:
            raise InputError(
                f"cohort {cohort.name}, target {cohort.target.name}",
                shortcoming(cohort, [], splits) or " ".join(left_out.values()),
                "at least one modality that can learn",
                "Leave a class out with `classes`, merge it with another, or use fewer folds.",
            )
        # Without the samples that only they had, a number has other strata.
        if not gone:
            break
    left_out |= teachers_left_out(cohort, [view for view in teachers if (view,) not in left_out], splits)
    may_teach = tuple(view for view in teachers if (view,) not in left_out)
    return replace(cohort, teachers=may_teach, left_out=left_out), notes


def _on_working_scale(source: Source, row: SheetRow, names: Sequence[str]) -> tuple[Source, dict[str, dict[str, Any]]]:
    """The tables as models learn from them, with remarks on how they were read, and what is known of their scales."""
    asked = scales_of_row(row, source.available)
    matrices, scales, remarks = dict(source.matrices), {}, list(source.remarks)
    for name in names:
        matrix, said = without_versions(matrices[name])
        remarks += [f"{name}: {sentence}" for sentence in (*matrix.remarks, *said)]
        matrices[name], scales[name] = on_working_scale(matrix, name, asked.get(name, ""))
    return replace(source, matrices=matrices, remarks=tuple(remarks)), scales


def _join(
    source: Source,
    row: SheetRow,
    names: Sequence[str],
    scales: Mapping[str, Mapping[str, Any]],
    settings: IngestConfig,
    splits: SplitsConfig,
) -> tuple[Cohort, Notes]:
    """The cohort of some modalities, on their working scale, whose teachers are not known yet."""
    pattern = settings.patient_pattern
    used = {name: source.matrices[name] for name in names}
    remarks = [*source.remarks, *_unmatched(used, pattern), *dates_as_names(used)]
    listed = {matrix.where: matrix.ids.tolist() for matrix in used.values()}
    remarks += check_ids(listed | {source.clinical_where: map(str, source.clinical.index)}, pattern)
    # Where some ids stop at the patient, nothing finer joins these to the others.
    ids = [read_id(name, pattern) for matrix in used.values() for name in matrix.ids.tolist()]
    by_patient = any(said.known and said.sample == said.patient for said in ids)
    parts = {name: part_of(matrix, by_patient=by_patient, settings=settings) for name, matrix in used.items()}
    samples = np.unique(np.concatenate([part.samples for part in parts.values()]))
    rows = clinical_rows(samples, source, used.values(), pattern)
    groups = groups_of(samples, source, row.group, rows, pattern)
    if row.group:
        remarks += check_ids({f"{source.clinical_where}, column {row.group!r}": groups.tolist()}, pattern)
    target, left_out, guessed = _target(source, row, samples, rows, splits)
    cohort = Cohort(
        name=row.cohort,
        samples=samples,
        groups=groups,
        sites=sites_of(samples, source, rows, pattern),
        target=target,
        modalities={
            name: Modality(
                part.values,
                part.features,
                np.searchsorted(samples, part.samples).astype(np.int64),
                scales[name]["name"],
                bool(scales[name]["made"]),
            )
            for name, part in parts.items()
        },
        teachers=(),
        label_budget=row.label_budget,
        derived_from=row.derived_from,
    )
    notes = Notes(
        source=source.where,
        level="patient" if by_patient else "sample",
        tables={name: replace(part.notes, scale=scales[name]) for name, part in parts.items()},
        in_clinical=rows >= 0,
        clinical_ids=len(source.clinical),
        clinical_left_out=tuple(str(name) for name in source.clinical.index.delete(rows[rows >= 0])),
        values_treated_as_missing=left_out,
        task_guessed=not row.task,
        group=row.group,
        origin=source.origin,
        remarks=(*remarks, *guessed),
    )
    return cohort, notes


def _target(
    source: Source, row: SheetRow, samples: NDArray[np.str_], rows: NDArray[np.int64], splits: SplitsConfig
) -> tuple[Target, dict[str, int], list[str]]:
    """The target of each sample, samples by text that counts as missing, and remarks, also if the task was guessed.

    From text there is nothing to guess, so that there is nothing to remark on.
    """
    classes = comma_list(row.classes)
    target = row.target_column
    # Of a target that is no column itself the names of columns tell the task.
    of_names = [name for name in TASKS if _columns(source, target, name)]
    name = row.task or (of_names[0] if of_names and target not in source.clinical.columns else "")
    texts = [] if name or classes else known_texts(texts_at(source, target, "target", rows))
    name = name or ("classification" if classes else guess_task(texts))
    check_transform(row.transform, name, f"{source.clinical_where}, column {target!r}, `transform`")
    names = label_columns(source, target, name)
    columns = [_column(source, column, samples, rows, classes, row.transform, splits) for column in names]
    task, values, left_out = task_class(name).read(*columns)
    missing = sum((Counter(column.missing) for column in columns), Counter())
    remarks = [] if classes else task.remarks(row.target_name, values)
    if not (row.task or classes):
        remarks += _of_guess(source, target, name, names, len({text for text in texts if is_number(text)}))
    if row.target_name != target:
        remarks = [f"{row.target_name} is the column {target!r} of {source.clinical_where}.", *remarks]
    return Target(row.target_name, task, values), dict(sorted((missing | left_out).items())), remarks


def _column(
    source: Source,
    name: str,
    samples: NDArray[np.str_],
    rows: NDArray[np.int64],
    classes: Sequence[str],
    transform: str,
    splits: SplitsConfig,
) -> LabelColumn:
    """What a column says of each sample, without texts that stand for a missing label."""
    said = texts_at(source, name, "target", rows)
    texts = known_texts(said, classes)
    return LabelColumn(
        where=f"{source.clinical_where}, column {name!r}",
        samples=samples.tolist(),
        texts=texts,
        classes=classes,
        fewest=splits.fewest_patients,
        missing=Counter(other for other, text in zip(said, texts, strict=True) if other != text),
        name=name,
        transform=transform,
    )


def _of_guess(source: Source, target: str, task: str, columns: Sequence[str], numbers: int) -> list[str]:
    """Say that a column of so many numbers, or columns, were taken for a task, and that it may be part of another."""
    said = [
        f"{target} is one of the columns of a {other}: for that, set `target` to {whole!r} and `task` to {other!r}."
        for other in TASKS
        for whole in _wholes(source, target, other)
        if other != task
    ]
    if numbers:
        guess = f"{target} has {numbers} different numbers and was taken for a {task}; `task` can say otherwise."
        said.insert(0, guess)
    if len(columns) > 1:
        said.insert(
            0,
            f"{target} was taken for a {task} because the columns {' and '.join(map(repr, columns))} are there; "
            "`target` and `task` can say otherwise.",
        )
    return said


def _ways(target: str, task: str) -> list[list[str]]:
    """The ways in which the columns of a target may be called."""
    return [[f"{target}{ending}" for ending in endings] for endings in task_class(task).columns]


def label_columns(source: Source, target: str, task: str) -> list[str]:
    """The columns of a target in the clinical table.

    Raises
    ------
    InputError
        If the target needs several columns, and one of them is not there.
    """
    return _columns(source, target, task) or _expected(source, target, task)


def _columns(source: Source, target: str, task: str) -> list[str]:
    """The columns of a target in the clinical table; none if it lacks one of them."""
    found = [way for way in _ways(target, task) if set(way) <= set(source.clinical.columns)]
    return found[0] if found else []


def _wholes(source: Source, column: str, task: str) -> list[str]:
    """Targets that have a column of the clinical table among several."""
    endings = {ending for way in task_class(task).columns if len(way) > 1 for ending in way}
    names = {column.removesuffix(ending) for ending in endings if column.endswith(ending)}
    return sorted(name for name in names if column in _columns(source, name, task))


def _expected(source: Source, target: str, task: str) -> list[str]:
    """The columns of a target of which one is not there; if it needs several, it is said which.

    Raises
    ------
    InputError
        If a target of several columns lacks one.
    """
    ways = _ways(target, task)
    if len(ways[0]) == 1:
        return ways[0]
    said = [" and ".join(map(repr, way)) for way in ways]
    meant = _wholes(source, target, task)
    raise InputError(
        f"{source.clinical_where}, target {target!r} of the task {task}",
        f"no column {' or '.join(repr(name) for name in ways[0] if name not in source.clinical.columns)}",
        f"columns {said[0]}, or {', or '.join(said[1:])}",
        f"Write the target as {meant[0]!r}." if meant else near(ways[0][0], source.clinical.columns),
    )


def _modality_names(source: Source, row: SheetRow) -> list[str]:
    names = comma_list(row.modalities) or sorted(source.available)
    where = f"{source.where}, `modalities`"
    if not names:
        raise InputError(source.where, "no modality", "at least one", "Check the file.")
    if double := repeated(names):
        raise InputError(where, f"{some(double)} more than once", "each modality once", "Remove the repetition.")
    for name in names:
        if name not in source.available:
            raise InputError(
                where,
                f"no modality {name!r}",
                f"some of {some(sorted(source.available), 20)}",
                near(name, source.available),
            )
        if not re.fullmatch(NAME_PATTERN, name):
            raise InputError(
                source.where,
                f"a modality called {name!r}",
                "letters, digits, '_', '.' and '-': modalities name files",
                "Rename it.",
            )
    if row.derived_from and row.derived_from not in source.available:
        raise InputError(
            f"{source.where}, `derived_from`",
            f"no modality {row.derived_from!r}",
            f"one of {some(sorted(source.available), 20)}, or nothing",
            near(row.derived_from, source.available),
        )
    return names


def _unmatched(matrices: Mapping[str, Matrix], pattern: str) -> list[str]:
    """Remarks on ids that a pattern of the configuration does not match; it has to match some."""
    said = []
    for name, matrix in matrices.items():
        unmatched = [sample for sample in matrix.ids.tolist() if not read_id(sample, pattern).known]
        if not (pattern and unmatched):
            continue
        if len(unmatched) == len(matrix.ids):
            raise InputError(
                f"{matrix.where}, config key ingest.patient_pattern",
                f"{pattern!r}, which matches none of its ids, such as {some(unmatched, 3)}",
                "a regular expression of whole sample ids",
                "Correct the pattern, or leave it empty for TCGA barcodes.",
            )
        said.append(
            f"{name}: {len(unmatched)} ids do not match ingest.patient_pattern, such as {some(unmatched, 3)}: each "
            "counts as a patient of its own."
        )
    return said
