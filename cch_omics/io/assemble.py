"""Join the tables of a source into one cohort, and count what was joined, left out and unknown."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.audit import Notes, TableNotes
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import IngestConfig, SheetRow
from cch_omics.errors import InputError
from cch_omics.io import barcodes
from cch_omics.io.source import MISSING, Matrix, Source, near, repeated, some

SITE_COLUMN = "tissue_source_site"
# Modalities name files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FEWEST_PER_CLASS = 5
_DEFAULTS = IngestConfig()


@dataclass(frozen=True)
class _Part:
    """What is used of a table.

    Attributes
    ----------
    keys, rows
        Samples, sorted, and their rows in the table.
    columns
        Positions of the features that are kept.
    left_out
        Reasons by id of a row.
    features_left_out
        Features by reason.
    """

    keys: NDArray[np.str_]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    left_out: dict[str, str]
    features_left_out: dict[str, int]


def requested(row: SheetRow) -> tuple[str, ...]:
    """Return the modalities that a row names, in its order; none named means all."""
    return _comma_list(row.modalities)


def assemble(source: Source, row: SheetRow, settings: IngestConfig = _DEFAULTS) -> tuple[Cohort, Notes]:
    """Join tables by sample id, and labels to samples.

    Ids are compared without what tells aliquots of one sample apart; patients' ids serve where a table has only those.
    Of several rows that are then one, the first in the order of ids is taken (among TCGA barcodes: primary tumour,
    first vial). Normal tissue is left out. A sample of the clinical table that no modality has is left out; a sample
    without a label stays. Features and samples of which more is missing than `settings` say are left out, and counted.

    Raises
    ------
    InputError
        When modalities, target or labels are not as the row says, or a table has nothing to give.
    """
    names = _modality_names(source, row)
    scheme = barcodes.Scheme(settings.patient_pattern)
    remarks = [*source.remarks, *_unmatched(source, names, scheme), *_survival_times(source)]
    level = _level([source.matrices[name] for name in names], scheme)
    parts = {name: _part(source.matrices[name], level, scheme, settings) for name in names}
    samples = np.unique(np.concatenate([part.keys for part in parts.values()]))
    clinical_rows = _clinical_rows(samples, source, names, scheme)
    labels, classes, left_out = _labels(source, row, clinical_rows)
    modalities, tables = {}, {}
    in_clinical = dict(zip(samples.tolist(), (clinical_rows >= 0).tolist(), strict=True))
    for name, part in parts.items():
        matrix = source.matrices[name]
        modalities[name] = Modality(
            _selected(matrix.values, part.rows, part.columns),
            matrix.features[part.columns],
            np.searchsorted(samples, part.keys).astype(np.int64),
        )
        matched = sum(in_clinical[key] for key in part.keys.tolist())
        tables[name] = TableNotes(
            matrix.where,
            len(matrix.ids),
            matched,
            len(part.keys) - matched,
            matrix.turned,
            dict(Counter(part.left_out.values())),
            part.features_left_out,
            part.left_out,
        )
    cohort = Cohort(
        name=row.cohort,
        target=row.target,
        samples=samples,
        groups=_groups(samples, source, row, clinical_rows, scheme),
        sites=_sites(samples, source, clinical_rows, scheme),
        labels=labels,
        classes=classes,
        modalities=modalities,
        label_budget=row.label_budget,
        derived_from=row.derived_from,
    )
    used = np.zeros(len(source.clinical), dtype=bool)
    used[clinical_rows[clinical_rows >= 0]] = True
    notes = Notes(
        source=source.where,
        level=level,
        clinical_ids=len(used),
        clinical_only=int((~used).sum()),
        tables=tables,
        values_treated_as_missing=left_out,
        origin=source.origin,
        remarks=tuple(remarks),
        in_clinical=clinical_rows >= 0,
        clinical_left_out=tuple(str(name) for name in source.clinical.index[~used]),
    )
    return cohort, notes


def _survival_times(source: Source) -> list[str]:
    """Say how many survival times (columns PREFIX_time beside PREFIX_event) are zero or negative."""
    remarks = []
    for column in source.clinical.columns:
        prefix, is_time, rest = str(column).rpartition("_time")
        if not is_time or rest or f"{prefix}_event" not in source.clinical.columns:
            continue
        times = pd.to_numeric(source.clinical[column], errors="coerce")
        if count := int((times <= 0).sum()):
            remarks.append(
                f"{column} is zero or negative for {count} of {int(times.notna().sum())} rows of "
                f"{source.clinical_where}: such times cannot be analysed as survival."
            )
    return remarks


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


def _unmatched(source: Source, names: list[str], scheme: barcodes.Scheme) -> list[str]:
    """Remarks on ids that a pattern of the configuration does not match; it has to match some."""
    if not scheme.pattern:
        return []
    said = []
    for name in names:
        ids = source.matrices[name].ids.tolist()
        unmatched = [sample for sample in ids if scheme.parts(sample) is None]
        if len(unmatched) == len(ids):
            raise InputError(
                f"{source.matrices[name].where}, config key ingest.patient_pattern",
                f"{scheme.pattern!r}, which matches none of its ids, such as {some(ids, 3)}",
                "a regular expression of whole sample ids",
                "Correct the pattern, or leave it empty for TCGA barcodes.",
            )
        if unmatched:
            said.append(
                f"{name}: {len(unmatched)} ids do not match ingest.patient_pattern, such as {some(unmatched, 3)}: each "
                "counts as a patient of its own."
            )
    return said


def _level(matrices: list[Matrix], scheme: barcodes.Scheme) -> barcodes.Level:
    """Join by patient when some ids stop there: nothing finer joins these to the others."""
    stop = any(scheme.is_patient(name) for matrix in matrices for name in matrix.ids.tolist())
    return "patient" if stop else "sample"


def _part(matrix: Matrix, level: barcodes.Level, scheme: barcodes.Scheme, settings: IngestConfig) -> _Part:
    """Choose the rows and the columns of a table."""
    missing = np.isnan(matrix.values)
    empty = np.asarray(missing.all(axis=1))
    if empty.all():
        raise InputError(matrix.where, "no value at all", "numbers", "Remove the table, or write it again.")
    chosen: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for position in np.argsort(matrix.ids, kind="stable").tolist():
        name = str(matrix.ids[position])
        if scheme.is_normal(name):
            left_out[name] = "normal tissue"
        elif empty[position]:
            left_out[name] = "no value"
        elif chosen.setdefault(scheme.key(name, level), position) != position:
            # Barcodes sort primary tumours first, then first vials.
            left_out[name] = f"further aliquot of a {level}"
    if not chosen:
        counts = dict(Counter(left_out.values()))
        raise InputError(matrix.where, f"only rows left out ({counts})", "tumour samples", "Check the sample types.")
    keys = np.array(sorted(chosen), dtype=np.str_)
    rows = np.array([chosen[key] for key in keys.tolist()], dtype=np.int64)
    if len(rows) < len(missing):
        missing = missing[rows]
    by_feature = missing.mean(axis=0)
    if by_feature.mean() > settings.max_missing_modality:
        raise InputError(
            matrix.where,
            f"{by_feature.mean():.0%} of the values missing",
            f"at most {settings.max_missing_modality:.0%} (config key ingest.max_missing_modality)",
            "Remove the table, impute it with its own tools, or allow more.",
        )
    columns = np.flatnonzero(by_feature <= settings.max_missing_feature)
    hollow = int((by_feature == 1).sum())
    sparse = len(by_feature) - len(columns) - hollow
    limit = f"more than {settings.max_missing_feature:.0%} missing"
    features_left_out = {why: count for why, count in (("no value", hollow), (limit, sparse)) if count}
    if not len(columns):
        raise InputError(
            matrix.where,
            f"no feature that is left ({features_left_out})",
            f"features with at most {settings.max_missing_feature:.0%} missing (config key ingest.max_missing_feature)",
            "Remove the table, or allow more.",
        )
    by_sample = missing.sum(axis=1) if len(columns) == len(by_feature) else missing[:, columns].sum(axis=1)
    enough = by_sample <= settings.max_missing_sample * len(columns)
    for position in rows[~enough].tolist():
        left_out[str(matrix.ids[position])] = f"more than {settings.max_missing_sample:.0%} missing"
    if not enough.any():
        raise InputError(
            matrix.where,
            f"no sample with at most {settings.max_missing_sample:.0%} missing",
            "samples with values (config key ingest.max_missing_sample)",
            "Remove the table, or allow more.",
        )
    return _Part(keys[enough], rows[enough], columns, left_out, features_left_out)


def _selected(values: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows and columns of a table, without a copy where that is all of it in its order."""
    if len(columns) < values.shape[1]:
        return np.ascontiguousarray(values[np.ix_(rows, columns)])
    return values if np.array_equal(rows, np.arange(len(values))) else values[rows]


def _clinical_rows(
    samples: NDArray[np.str_], source: Source, names: list[str], scheme: barcodes.Scheme
) -> NDArray[np.int64]:
    """Return each sample's row in the clinical table, -1 where it has none."""
    exact: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    ids = [str(name) for name in source.clinical.index]
    if double := repeated(ids):
        raise InputError(
            source.clinical_where, f"id {some(double)} more than once", "unique ids", "Keep one row of each."
        )
    for position in sorted(range(len(ids)), key=ids.__getitem__):
        exact.setdefault(scheme.key(ids[position]), position)
        if not scheme.is_normal(ids[position]):
            by_patient.setdefault(scheme.patient(ids[position]), position)

    def row_of(sample: str) -> int:
        if sample in exact:
            return exact[sample]
        person = scheme.patient(sample)
        return exact.get(person, by_patient.get(sample, -1) if sample == person else -1)

    rows = np.array([row_of(sample) for sample in samples.tolist()], dtype=np.int64)
    found = dict(zip(samples.tolist(), (rows >= 0).tolist(), strict=True))
    for name in names:
        matrix = source.matrices[name]
        if not any(found.get(scheme.key(i), False) or found.get(scheme.patient(i), False) for i in matrix.ids.tolist()):
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


def _groups(
    samples: NDArray[np.str_], source: Source, row: SheetRow, rows: NDArray[np.int64], scheme: barcodes.Scheme
) -> NDArray[np.str_]:
    patients = [scheme.patient(sample) for sample in samples.tolist()]
    name = row.group or ("" if scheme.pattern else source.patient_column)
    if not name:
        return np.array(patients, dtype=np.str_)
    given = _at(_column(source, name, "group"), rows)
    return np.array([group or own for group, own in zip(given, patients, strict=True)], dtype=np.str_)


def _sites(
    samples: NDArray[np.str_], source: Source, rows: NDArray[np.int64], scheme: barcodes.Scheme
) -> NDArray[np.str_]:
    own = [scheme.site(sample) for sample in samples.tolist()]
    name = next((str(name) for name in source.clinical.columns if str(name).lower() == SITE_COLUMN), "")
    if not name:
        return np.array(own, dtype=np.str_)
    given = _at(_column(source, name, "a known column"), rows)
    return np.array([site or barcode for site, barcode in zip(given, own, strict=True)], dtype=np.str_)
