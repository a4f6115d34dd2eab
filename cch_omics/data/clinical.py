"""The clinical table of a source: which of its rows a sample has, and what a column says of each sample."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.barcodes import read_id
from cch_omics.data.source import Matrix, Source
from cch_omics.errors import InputError, near, repeated, some
from cch_omics.tasks.looks import difference, look_of, unusual
from cch_omics.tasks.missing import known_texts

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
            by_case = {name.casefold(): name for name in ids}
            twins = [(name, by_case[name.casefold()]) for name in matrix.ids.tolist() if name.casefold() in by_case]
            here, there = zip(*twins, strict=True) if twins else (matrix.ids.tolist(), ids)
            raise InputError(
                matrix.where,
                f"no id in common with {source.clinical_where}{', but for their case' if twins else ''}: "
                f"{some(here, 3)} here, {some(there, 3)} there{unusual([*here[:3], *there[:3]])}",
                "ids of the same scheme (samples in rows or in columns)",
                "Rename the samples in one of them.",
            )
    return np.array(list(found.values()), dtype=np.int64)


def check_ids(lists: Mapping[str, Iterable[str]], pattern: str) -> list[str]:
    """Refuse ids that look the same as others and are not; return remarks on those that differ by their case only.

    Parameters
    ----------
    lists
        Ids by where they stand.
    pattern
        Of ids (`read_id`).
    """
    seen: dict[str, tuple[str, str]] = {}
    by_case: dict[str, str] = {}
    twins: dict[str, str] = {}
    for where, names in lists.items():
        for name in dict.fromkeys(names):
            other, there = seen.setdefault(look_of(name), (name, where))
            if other != name:
                raise InputError(
                    where,
                    f"id {name!r}, which looks like {other!r} ({there}) and differs: {difference(name, other)}",
                    "an id written in one way everywhere",
                    "Write it with the same characters in all tables, without invisible ones.",
                )
            sample = read_id(name, pattern).sample
            if (first := by_case.setdefault(sample.casefold(), sample)) != sample:
                twins[sample] = first
    if not twins:
        return []
    examples = "; ".join(f"{one!r} and {other!r}" for other, one in list(twins.items())[:3])
    return [f"{len(twins)} ids differ from another by their case only ({examples}): they count as different."]


def texts_at(source: Source, name: str, key: str, rows: NDArray[np.int64]) -> list[str]:
    """Return what a clinical column says of each sample, "" where it says nothing or the sample has no row.

    Codes for missing values stay.

    Parameters
    ----------
    key
        Column of the sheet that names the column.

    Raises
    ------
    InputError
        When there is no such column, or it contradicts itself.
    """
    if name not in source.clinical.columns:
        raise InputError(
            f"{source.clinical_where}, column {name!r} (`{key}`)",
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
    texts = ["" if pd.isna(value) else str(value).strip() for value in source.clinical[name].tolist()]
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
    given = known_texts(texts_at(source, column, key, rows)) if column else own
    return np.array([text or other for text, other in zip(given, own, strict=True)], dtype=np.str_)
