"""The clinical table of a source: which of its rows a sample has, and what a column says of each sample."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.config import SheetRow
from cch_omics.data import barcodes
from cch_omics.data.source import MISSING, Source
from cch_omics.errors import InputError, near, repeated, some

SITE_COLUMN = "tissue_source_site"


def clinical_rows(
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


def clinical_column(source: Source, name: str, key: str) -> pd.Series:
    """Return a column that the sheet names by a key, or say that it is not there or contradicts itself."""
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


def texts_at(column: pd.Series, rows: NDArray[np.int64]) -> list[str]:
    """Return a clinical column's text for each sample, "" where the sample has no row."""
    texts = [_text(value) for value in column.tolist()]
    return [texts[row] if row >= 0 else "" for row in rows.tolist()]


def groups_of(
    samples: NDArray[np.str_], source: Source, row: SheetRow, rows: NDArray[np.int64], scheme: barcodes.Scheme
) -> NDArray[np.str_]:
    """(n,) patients: of the column `group`, of the source's own column, or as the ids say."""
    patients = [scheme.patient(sample) for sample in samples.tolist()]
    name = row.group or ("" if scheme.pattern else source.patient_column)
    if not name:
        return np.array(patients, dtype=np.str_)
    given = texts_at(clinical_column(source, name, "group"), rows)
    return np.array([group or own for group, own in zip(given, patients, strict=True)], dtype=np.str_)


def sites_of(
    samples: NDArray[np.str_], source: Source, rows: NDArray[np.int64], scheme: barcodes.Scheme
) -> NDArray[np.str_]:
    """(n,) tissue source sites: of a column of that name, or as the ids say; "" where unknown."""
    own = [scheme.site(sample) for sample in samples.tolist()]
    name = next((str(name) for name in source.clinical.columns if str(name).lower() == SITE_COLUMN), "")
    if not name:
        return np.array(own, dtype=np.str_)
    given = texts_at(clinical_column(source, name, "a known column"), rows)
    return np.array([site or barcode for site, barcode in zip(given, own, strict=True)], dtype=np.str_)
