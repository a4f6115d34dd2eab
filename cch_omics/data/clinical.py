"""The clinical table of a source: which of its rows a sample has, and what a column says of each sample."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cch_omics.data.barcodes import read_id
from cch_omics.data.source import Matrix, Source, is_missing
from cch_omics.errors import InputError, near, repeated, some

SITE_COLUMN = "tissue_source_site"


def clinical_rows(
    samples: NDArray[np.str_], source: Source, matrices: Iterable[Matrix], pattern: str
) -> NDArray[np.int64]:
    """Return each sample's row in the clinical table, -1 where it has none.

    Parameters
    ----------
    matrices
        Tables that must each have an id in common with the clinical table.
    pattern
        Of ids (`read_id`).
    """
    exact: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    ids = [str(name) for name in source.clinical.index]
    if double := repeated(ids):
        raise InputError(
            source.clinical_where, f"id {some(double)} more than once", "unique ids", "Keep one row of each."
        )
    for position in sorted(range(len(ids)), key=ids.__getitem__):
        said = read_id(ids[position], pattern)
        exact.setdefault(said.sample, position)
        if not said.normal:
            by_patient.setdefault(said.patient, position)

    found = {}
    for sample in samples.tolist():
        person = read_id(sample, pattern).patient
        of_patient = exact.get(person, by_patient.get(sample, -1) if sample == person else -1)
        found[sample] = exact.get(sample, of_patient)
    matched = {sample for sample, row in found.items() if row >= 0}
    for matrix in matrices:
        said_ids = (read_id(name, pattern) for name in matrix.ids.tolist())
        if not any(said.sample in matched or said.patient in matched for said in said_ids):
            raise InputError(
                matrix.where,
                f"no id in common with {source.clinical_where}: {some(matrix.ids, 3)} here, {some(ids, 3)} there",
                "ids of the same scheme (samples in rows or in columns)",
                "Rename the samples in one of them.",
            )
    return np.array(list(found.values()), dtype=np.int64)


def texts_at(source: Source, name: str, key: str, rows: NDArray[np.int64]) -> list[str]:
    """Return what a clinical column says of each sample, "" where that is missing or the sample has no row.

    Parameters
    ----------
    key
        Of the sheet, that names the column.

    Raises
    ------
    InputError
        When there is no such column, or it contradicts itself.
    """
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
    texts = ["" if is_missing(value) else str(value).strip() for value in source.clinical[name].tolist()]
    return [texts[row] if row >= 0 else "" for row in rows.tolist()]


def groups_of(
    samples: NDArray[np.str_], source: Source, column: str, rows: NDArray[np.int64], pattern: str
) -> NDArray[np.str_]:
    """(n,) patients: of the column that the sheet names, of the source's own column, or as the ids say."""
    own = [read_id(sample, pattern).patient for sample in samples.tolist()]
    return _given_or_own(source, column or ("" if pattern else source.patient_column), "group", rows, own)


def sites_of(samples: NDArray[np.str_], source: Source, rows: NDArray[np.int64], pattern: str) -> NDArray[np.str_]:
    """(n,) tissue source sites: of a column of that name, or as the ids say; "" where unknown."""
    own = [read_id(sample, pattern).site for sample in samples.tolist()]
    column = next((str(name) for name in source.clinical.columns if str(name).lower() == SITE_COLUMN), "")
    return _given_or_own(source, column, "a known column", rows, own)


def _given_or_own(source: Source, column: str, key: str, rows: NDArray[np.int64], own: list[str]) -> NDArray[np.str_]:
    given = texts_at(source, column, key, rows) if column else own
    return np.array([text or other for text, other in zip(given, own, strict=True)], dtype=np.str_)
