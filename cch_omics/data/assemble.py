"""Join the tables of a source into one cohort."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import NAME_PATTERN, IngestConfig, SheetRow, SplitsConfig, comma_list, teachers_of_row
from cch_omics.data.barcodes import read_id
from cch_omics.data.clinical import clinical_rows, groups_of, sites_of, texts_at
from cch_omics.data.parts import part_of
from cch_omics.data.source import Matrix, Notes, Source
from cch_omics.errors import InputError, near, repeated, some
from cch_omics.tasks import TASKS, task_class
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.reading import guess_task, is_number
from cch_omics.views import members

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

    Parameters
    ----------
    splits
        Folds that the cohort will be cut into: labels and common patients of a view have to suffice for them.

    Raises
    ------
    InputError
        When modalities, teachers, target or labels are not as the row says, or a table has nothing to give.
    """
    names = _modality_names(source, row)
    pattern = settings.patient_pattern
    used = {name: source.matrices[name] for name in names}
    remarks = [*source.remarks, *_unmatched(used, pattern)]
    # Where some ids stop at the patient, nothing finer joins these to the others.
    ids = [read_id(name, pattern) for matrix in used.values() for name in matrix.ids.tolist()]
    by_patient = any(said.known and said.sample == said.patient for said in ids)
    parts = {name: part_of(matrix, by_patient=by_patient, settings=settings) for name, matrix in used.items()}
    samples = np.unique(np.concatenate([part.samples for part in parts.values()]))
    rows = clinical_rows(samples, source, used.values(), pattern)
    target, left_out, guessed = _target(source, row, samples, rows, splits)
    cohort = Cohort(
        name=row.cohort,
        samples=samples,
        groups=groups_of(samples, source, row.group, rows, pattern),
        sites=sites_of(samples, source, rows, pattern),
        target=target,
        modalities={
            name: Modality(part.values, part.features, np.searchsorted(samples, part.samples).astype(np.int64))
            for name, part in parts.items()
        },
        teachers=teachers_of_row(row, names),
        label_budget=row.label_budget,
        derived_from=row.derived_from,
    )
    _check_views(cohort, splits)
    notes = Notes(
        source=source.where,
        level="patient" if by_patient else "sample",
        tables={name: part.notes for name, part in parts.items()},
        in_clinical=rows >= 0,
        clinical_ids=len(source.clinical),
        clinical_left_out=tuple(str(name) for name in source.clinical.index.delete(rows[rows >= 0])),
        values_treated_as_missing=left_out,
        task_guessed=not row.task,
        origin=source.origin,
        remarks=(*remarks, *guessed),
    )
    return cohort, notes


def _target(
    source: Source, row: SheetRow, samples: NDArray[np.str_], rows: NDArray[np.int64], splits: SplitsConfig
) -> tuple[Target, dict[str, int], list[str]]:
    """The target of each sample, samples by label that was not asked for, and a remark if the task was guessed.

    From text there is nothing to guess, so that there is nothing to remark on.
    """
    classes = comma_list(row.classes)
    # Of a target that is no column itself the names of columns tell the task.
    of_names = [name for name in TASKS if _columns(source, row.target, name)]
    name = row.task or (of_names[0] if of_names and row.target not in source.clinical.columns else "")
    texts = [] if name else texts_at(source, row.target, "target", rows)
    name = name or ("classification" if classes else guess_task(texts))
    columns = [
        LabelColumn(
            where=f"{source.clinical_where}, column {column!r}",
            samples=samples.tolist(),
            texts=texts_at(source, column, "target", rows),
            classes=classes,
            fewest=splits.fewest_patients,
            name=column,
        )
        for column in _columns(source, row.target, name) or _expected(source, row.target, name)
    ]
    task, values, left_out = task_class(name).read(*columns)
    numbers = {text for text in texts if is_number(text)}
    if row.task or classes:
        return Target(row.target, task, values), left_out, []
    remarks = [
        f"{row.target} is one of the columns of a {other}: for that, write {whole!r} and {other!r} into the sheet's "
        "columns 'target' and 'task'."
        for other in TASKS
        for whole in _wholes(source, row.target, other)
        if other != name
    ]
    if numbers:
        said = f"{row.target} has {len(numbers)} different numbers and was taken for a {name}; the sheet's column"
        remarks.insert(0, f"{said} 'task' can say otherwise.")
    return Target(row.target, task, values), left_out, remarks


def _ways(target: str, task: str) -> list[list[str]]:
    """The ways in which the columns of a target may be called."""
    return [[f"{target}{ending}" for ending in endings] for endings in task_class(task).columns]


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


def _check_views(cohort: Cohort, splits: SplitsConfig) -> None:
    """Refuse a view of several modalities that too few labelled patients have in common: its encoders could not train.

    It is not left out instead, because the jobs of a workflow are planned from the sheet.
    """
    strata = cohort.target.strata
    for view in cohort.teachers:
        if len(members(view)) == 1:
            continue
        has = cohort.profiled(view)
        for position, stratum in enumerate(cohort.target.task.strata_names):
            found = len(np.unique(cohort.groups[has & (strata == position)]))
            if found < splits.fewest_patients:
                raise InputError(
                    f"cohort {cohort.name}, view {view!r} of the sheet's column 'teachers'",
                    f"{found} patients with {cohort.target.name} {stratum!r} who have {' and '.join(members(view))}",
                    f"at least {splits.fewest_patients} for splits.folds = {splits.folds} and splits.inner_folds = "
                    f"{splits.inner_folds}",
                    "Leave the view out, or use fewer folds.",
                )


def _modality_names(source: Source, row: SheetRow) -> list[str]:
    names = comma_list(row.modalities) or sorted(source.available)
    where = f"{source.where}, column 'modalities' of the sheet"
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
            f"{source.where}, column 'derived_from' of the sheet",
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
