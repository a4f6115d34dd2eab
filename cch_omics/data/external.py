"""Other patients than those of the training: one omics of them, and labels as the task of the training has them."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.config import IngestConfig
from cch_omics.data.assemble import label_columns
from cch_omics.data.barcodes import read_id
from cch_omics.data.clinical import check_ids, clinical_rows, groups_of, texts_at
from cch_omics.data.numbers import without_versions
from cch_omics.data.parts import part_of
from cch_omics.data.source import Source
from cch_omics.data.tables import read_clinical, read_matrix, unknown_format
from cch_omics.errors import InputError
from cch_omics.planning.layout import table_suffix
from cch_omics.runtime.files import check_file
from cch_omics.tasks.base import LabelColumn, Task
from cch_omics.tasks.missing import known_texts

_TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_DEFAULTS = IngestConfig()
# Whoever is to be judged decides what is too much: a student's features are not those of the table.
_ALL = {"max_missing_sample": 1.0, "max_missing_modality": 1.0}


@dataclass(frozen=True)
class OtherPatients:
    """One omics of n labelled samples.

    Attributes
    ----------
    where
        The table, for messages and pages.
    samples, groups
        (n,) ids of samples and of patients.
    features
        (p,) names; of those with one name the first counts.
    values
        (n, p); NaN marks a missing value.
    labels
        (n, ...) as the task has them, all observed.
    said
        Sentences on who and what was left out.
    """

    where: str
    samples: NDArray[np.str_]
    groups: NDArray[np.str_]
    features: NDArray[np.str_]
    values: NDArray[np.float32]
    labels: NDArray[Any]
    said: tuple[str, ...] = ()

    def part(self, rows: NDArray[Any], *said: str) -> "OtherPatients":
        """Some of the samples, by position or by (n,) whether they are kept, and why."""
        return OtherPatients(
            self.where, self.samples[rows], self.groups[rows], self.features, self.values[rows], self.labels[rows],
            (*self.said, *said),
        )  # fmt: skip


def read_tables(
    table: str | os.PathLike[str], labels: str | os.PathLike[str], modality: str, features: tuple[str, ...]
) -> Source:
    """Read a table of one omics, of any kind that `cch predict` takes, and a clinical table.

    Parameters
    ----------
    labels
        `.csv`, `.tsv` (either may be gzipped), or `.h5mu` or `.h5ad`, whose `.obs` is read.
    modality
        Its name, and the modality of a `.h5mu` file that is wanted.
    features
        Names of some of them, by which a table with features in its rows is told.
    """
    where = os.fspath(labels)
    if where.lower().endswith(".h5mu"):
        from cch_omics.data.mudata import read_h5mu

        source = read_h5mu(labels, where, [modality])
    elif where.lower().endswith(".h5ad"):
        from cch_omics.data.mudata import read_obs

        source = Source(where, read_obs(labels), f"{where}, .obs", {}, (modality,))
    else:
        check_file(labels, "a clinical table")
        if table_suffix(labels) not in _TEXT_SUFFIXES:
            advice = "Write the table as one of these, the sample id in its first column."
            raise unknown_format(labels, (*_TEXT_SUFFIXES, ".h5ad", ".h5mu"), advice)
        source = Source(where, read_clinical(labels), where, {}, (modality,))
    known = list(map(str, source.clinical.index))
    matrix = read_matrix(table, modality=modality, samples=known, features=features)
    return replace(source, matrices={modality: matrix})


def other_patients(
    source: Source, modality: str, target: str, task: Task, *, group: str = "", settings: IngestConfig = _DEFAULTS
) -> OtherPatients:
    """Join one omics of a source to labels: samples by id, one of each, without normal tissue, as in `assemble`.

    Parameters
    ----------
    target
        Column of the label; of a task with several columns what comes before their endings.
    task
        Of the training: classes, units and spellings are its own.
    group
        Column of patients' ids; "" = as the source or the ids say.

    Raises
    ------
    InputError
        If table, ids or labels cannot be used, or fewer than two patients have a label.
    """
    matrix, pattern = source.matrices[modality], settings.patient_pattern
    of_table = [f"{matrix.where}: {text}" for text in (*matrix.remarks, *without_versions(matrix)[1])]
    said = [*source.remarks, *of_table, *check_ids({matrix.where: matrix.ids.tolist()}, pattern)]
    ids = [read_id(name, pattern) for name in matrix.ids.tolist()]
    by_patient = any(each.known and each.sample == each.patient for each in ids)
    part = part_of(matrix, by_patient=by_patient, settings=settings.model_copy(update=_ALL), every_feature=True)
    rows = clinical_rows(part.samples, source, [matrix], pattern)
    columns = []
    for name in label_columns(source, target, task.name):
        texts = texts_at(source, name, "target", rows)
        where = f"{source.clinical_where}, column {name!r}"
        columns.append(LabelColumn(where, part.samples.tolist(), known_texts(texts, task.strata_names), name=name))
    values, left_out, remarks = task.reread(*columns)
    everyone = OtherPatients(
        where=matrix.where,
        samples=part.samples,
        groups=groups_of(part.samples, source, group, rows, pattern),
        features=part.features,
        values=part.values,
        labels=values,
        said=(*said, *_dropped(part.notes.left_out.values()), *remarks),
    )
    labelled = task.observed(values)
    found = everyone.part(labelled, *_unlabelled(len(labelled) - int(labelled.sum()), left_out))
    check_number(found, f"{source.clinical_where}, target {target!r}")
    return found


def check_number(found: OtherPatients, where: str) -> None:
    """Refuse a single patient, of whom there is nothing to say how sure one is."""
    if (n := len(np.unique(found.groups))) < 2:
        there = f"{'one' if n else 'no'} patient with a label and a profile"
        raise InputError(where, there, "at least two", "Check the ids, or fill in labels.")


def _dropped(reasons: Any) -> list[str]:
    counts = Counter(reasons)
    return [f"Left out: {', '.join(f'{n} ({why})' for why, n in sorted(counts.items()))}."] if counts else []


def _unlabelled(count: int, others: dict[str, int]) -> list[str]:
    """Say how many samples have no label that can be used, and which labels are none."""
    if not count:
        return []
    listed = ", ".join(f"{text!r} ({n})" for text, n in others.items())
    rest = ", the others none" if sum(others.values()) < count else ""
    return [f"{count} samples have no label that the student knows{f': {listed}{rest}' if others else ''}."]
