"""Join the tables of a source into one cohort, and count what was joined, left out and unknown."""

import re
from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.audit import Notes, TableNotes
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import SheetRow
from cch_omics.errors import InputError
from cch_omics.io import barcodes
from cch_omics.io.source import MISSING, Matrix, Source, near, repeated, some

SITE_COLUMN = "tissue_source_site"
# Modalities name files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FEWEST_PER_CLASS = 5


def requested(row: SheetRow) -> tuple[str, ...]:
    """Return the modalities that a row names, in its order; none named means all."""
    return _comma_list(row.modalities)


def assemble(source: Source, row: SheetRow) -> tuple[Cohort, Notes]:
    """Join tables by sample id, and labels to samples.

    Ids are compared without what tells aliquots of one sample apart; patients' ids serve where a table has only those.
    Normal tissue is left out. A sample of the clinical table that no modality has is left out; a sample without a label
    stays.

    Raises
    ------
    InputError
        When modalities, target or labels are not as the row says, or a table has nothing to give.
    """
    names = _modality_names(source, row)
    level = _level([source.matrices[name] for name in names])
    parts = {name: _samples(source.matrices[name], level) for name in names}
    samples = np.unique(np.concatenate([keys for keys, _, _ in parts.values()]))
    clinical_rows = _clinical_rows(samples, source, names)
    labels, classes, left_out = _labels(source, row, clinical_rows)
    modalities, tables = {}, {}
    in_clinical = dict(zip(samples.tolist(), (clinical_rows >= 0).tolist(), strict=True))
    for name, (keys, rows, dropped) in parts.items():
        matrix = source.matrices[name]
        modalities[name] = Modality(
            matrix.values[rows], matrix.features, np.searchsorted(samples, keys).astype(np.int64)
        )
        matched = sum(in_clinical[key] for key in keys.tolist())
        tables[name] = TableNotes(matrix.where, len(matrix.ids), matched, len(keys) - matched, matrix.turned, dropped)
    cohort = Cohort(
        name=row.cohort,
        target=row.target,
        samples=samples,
        groups=_groups(samples, source, row, clinical_rows),
        sites=_sites(samples, source, clinical_rows),
        labels=labels,
        classes=classes,
        modalities=modalities,
        label_budget=row.label_budget,
        derived_from=row.derived_from,
    )
    n_used = len(np.unique(clinical_rows[clinical_rows >= 0]))
    notes = Notes(
        source.where, level, len(source.clinical), len(source.clinical) - n_used, tables, left_out, source.origin
    )
    return cohort, notes


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _modality_names(source: Source, row: SheetRow) -> list[str]:
    names = list(requested(row)) or sorted(source.available)
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
        if not _NAME.fullmatch(name):
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


def _level(matrices: list[Matrix]) -> barcodes.Level:
    """Join by patient when some barcodes stop there: nothing finer joins these to the others."""
    return (
        "patient" if any(barcodes.is_patient(name) for matrix in matrices for name in matrix.ids.tolist()) else "sample"
    )


def _samples(matrix: Matrix, level: barcodes.Level) -> tuple[NDArray[np.str_], NDArray[np.int64], dict[str, int]]:
    """Return the samples of a table (sorted), their rows in it, and how many rows were left out and why."""
    empty = np.asarray(np.isnan(matrix.values).all(axis=1))
    if empty.all():
        raise InputError(matrix.where, "no value at all", "numbers", "Remove the table, or write it again.")
    hollow = matrix.features[np.asarray(np.isnan(matrix.values).all(axis=0))]
    if len(hollow):
        raise InputError(
            matrix.where,
            f"no value in feature {some(hollow)}",
            "at least one value per feature",
            "Remove these features.",
        )
    chosen: dict[str, int] = {}
    dropped: Counter[str] = Counter()
    for position in np.argsort(matrix.ids, kind="stable").tolist():
        name = str(matrix.ids[position])
        if barcodes.is_normal(name):
            dropped["normal tissue"] += 1
        elif empty[position]:
            dropped["no value"] += 1
        elif chosen.setdefault(barcodes.key(name, level), position) != position:
            # Barcodes sort primary tumours first, then first vials.
            dropped[f"further aliquot of a {level}"] += 1
    if not chosen:
        raise InputError(
            matrix.where, f"only rows left out ({dict(dropped)})", "tumour samples", "Check the sample types."
        )
    keys = np.array(sorted(chosen), dtype=np.str_)
    return keys, np.array([chosen[key] for key in keys.tolist()], dtype=np.int64), dict(dropped)


def _clinical_rows(samples: NDArray[np.str_], source: Source, names: list[str]) -> NDArray[np.int64]:
    """Return each sample's row in the clinical table, -1 where it has none."""
    exact: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    ids = [str(name) for name in source.clinical.index]
    if double := repeated(ids):
        raise InputError(
            source.clinical_where, f"id {some(double)} more than once", "unique ids", "Keep one row of each."
        )
    for position in sorted(range(len(ids)), key=ids.__getitem__):
        exact.setdefault(barcodes.key(ids[position]), position)
        if not barcodes.is_normal(ids[position]):
            by_patient.setdefault(barcodes.patient(ids[position]), position)

    def row_of(sample: str) -> int:
        if sample in exact:
            return exact[sample]
        person = barcodes.patient(sample)
        return exact.get(person, by_patient.get(sample, -1) if sample == person else -1)

    rows = np.array([row_of(sample) for sample in samples.tolist()], dtype=np.int64)
    found = dict(zip(samples.tolist(), (rows >= 0).tolist(), strict=True))
    for name in names:
        matrix = source.matrices[name]
        if not any(
            found.get(barcodes.key(i), False) or found.get(barcodes.patient(i), False) for i in matrix.ids.tolist()
        ):
            raise InputError(
                matrix.where,
                f"no id in common with {source.clinical_where}: {some(matrix.ids, 3)} here, {some(ids, 3)} there",
                "ids of the same scheme (samples in rows or in columns)",
                "Rename the samples in one of them.",
            )
    return rows


def _column(source: Source, name: str, key: str) -> pd.Series:
    if name not in source.clinical.columns:
        raise InputError(
            f"{source.clinical_where}, column {name!r} ({key} of the sheet)",
            "no such column",
            "a column of that name",
            near(name, source.clinical.columns),
        )
    if name in source.conflicts:
        raise InputError(
            f"{source.where}, .obs column {name!r}",
            f"contradicting values: {source.conflicts[name]}",
            "one value per sample",
            "Correct one, or put the right values into MuData's own .obs.",
        )
    return source.clinical[name]


def _text(value: object) -> str:
    """Return a label or an id as text, "" where missing."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    text = str(value).strip()
    return "" if text in MISSING else text


def _label_text(value: object) -> str:
    """Return a label as text, whole numbers without decimals: tables with gaps hold codes as 1.0."""
    text = _text(value)
    return text.partition(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def _at(column: pd.Series, rows: NDArray[np.int64], *, label: bool = False) -> list[str]:
    """Return a clinical column's text for each sample, "" where the sample has no row."""
    texts = [_label_text(value) if label else _text(value) for value in column.tolist()]
    return [texts[row] if row >= 0 else "" for row in rows.tolist()]


def _labels(
    source: Source, row: SheetRow, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[str, ...], dict[str, int]]:
    """Return class positions (-1 missing), class names, and counts of the values that were not among the classes."""
    where = f"{source.clinical_where}, column {row.target!r}"
    texts = _at(_column(source, row.target, "target"), rows, label=True)
    counts = Counter(text for text in texts if text)
    wanted = tuple(_label_text(name) for name in _comma_list(row.classes))
    if double := repeated(wanted):
        raise InputError(
            f"{where}, 'classes' of the sheet", f"{some(double)} more than once", "each class once", "Remove it."
        )
    for name in wanted:
        if name not in counts:
            raise InputError(
                f"{where}, 'classes' of the sheet",
                f"no sample of class {name!r}",
                f"values that occur: {some(sorted(counts), 20)}",
                near(name, counts),
            )
    classes = wanted or tuple(sorted(counts))
    if len(classes) < 2:
        raise InputError(
            where,
            f"one class only ({classes[0]!r})" if classes else "no label of any sample in the tables",
            "at least two classes among the samples",
            "Choose another target, or correct the column.",
        )
    if not wanted and sum(counts.values()) < _FEWEST_PER_CLASS * len(classes):
        raise InputError(
            where,
            f"{len(classes)} different values among {sum(counts.values())} labels, such as {some(classes, 3)}",
            "a few classes",
            "Choose a column of classes, or list them in the sheet's column 'classes'.",
        )
    position = {name: index for index, name in enumerate(classes)}
    labels = np.array([position.get(text, -1) for text in texts], dtype=np.int64)
    return labels, classes, {name: count for name, count in sorted(counts.items()) if name not in position}


def _groups(samples: NDArray[np.str_], source: Source, row: SheetRow, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    patients = [barcodes.patient(sample) for sample in samples.tolist()]
    if not row.group:
        return np.array(patients, dtype=np.str_)
    given = _at(_column(source, row.group, "group"), rows)
    return np.array([group or own for group, own in zip(given, patients, strict=True)], dtype=np.str_)


def _sites(samples: NDArray[np.str_], source: Source, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    own = [barcodes.site(sample) for sample in samples.tolist()]
    if SITE_COLUMN not in source.clinical.columns:
        return np.array(own, dtype=np.str_)
    given = _at(_column(source, SITE_COLUMN, "a known column"), rows)
    return np.array([site or barcode for site, barcode in zip(given, own, strict=True)], dtype=np.str_)
