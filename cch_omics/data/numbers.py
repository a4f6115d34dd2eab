"""From columns of a table to a matrix of numbers, or a message about the cell that is none."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.source import Matrix, is_missing
from cch_omics.errors import InputError, repeated, some
from cch_omics.tasks.reading import is_infinite, is_number, no_number

# A long table has no more columns; one with a column per feature mostly has.
_FEW_COLUMNS = 8
_BOOLS = {"true": 1.0, "false": 0.0}
# What pandas calls a column without a name, such as that of row numbers.
_NAMELESS = re.compile(r"Unnamed: \d+")
_MONTH = "(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|(oct|nov|dec)(ember|ober)?)"
# Ensembl's stable id of anything of any species, and a version.
_VERSIONED = re.compile(r"^(ENS[A-Z]*\d{11})\.\d+")
# What spreadsheets make of MARCH1, SEPT2 and DEC1.
_DATE = re.compile(
    rf"\d{{1,4}}[-. /]{_MONTH}|{_MONTH}[-. /]\d{{1,4}}|\d{{4}}-\d\d-\d\d.*|\d\d?(?P<mark>[/.])\d\d?(?P=mark)\d{{2,4}}",
    re.IGNORECASE,
)


def numbers(where: str, ids: list[str], names: list[str], columns: Iterable[Any]) -> Matrix:
    """Make a matrix of named columns, refusing text and infinite numbers by row and column.

    Parameters
    ----------
    ids
        n sample ids.
    names
        p names of features.
    columns
        The n values of each feature, an array or a Series.
    """
    if len(names) <= _FEW_COLUMNS:
        columns = list(columns)
        _refuse_long(where, ids, names, columns)
    # Whose rows are samples is not known yet: names of features may occur twice.
    samples = checked_ids(where, ids, unique=False)
    features = checked_features(where, [str(name).strip() for name in names])
    values = np.empty((len(features), len(samples)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for position, column in enumerate(columns):
            plain = isinstance(column, np.ndarray) and column.dtype.kind in "fiub"
            values[position] = column if plain else _column(where, str(features[position]), samples, pd.Series(column))
    # Not contiguous: whoever turns it has then no copy to make.
    matrix = Matrix(np.array(samples, dtype=np.str_), features, values.T, where)
    check_finite(where, matrix.ids, matrix.features, matrix.values)
    return matrix


def _refuse_long(where: str, ids: list[str], names: list[str], columns: list[Any]) -> None:
    """Refuse a table with a row per sample and feature: two columns that repeat themselves, but not as a pair."""
    series = (pd.Series(column).reset_index(drop=True) for column in (ids, *columns))
    table = pd.DataFrame(dict(enumerate(series)))
    keys = [key for key in range(table.shape[1]) if 0 < 2 * table[key].nunique() <= len(table)]
    text = [key for key in keys if not key or not pd.api.types.is_numeric_dtype(table[key])]
    pairs = [[one, two] for one in text for two in keys if one < two and (not one or two in text)]
    if any(not table.duplicated(pair).any() for pair in pairs):
        raise InputError(
            where,
            f"a long table: {len(ids)} rows with the columns {some(names)}, one per sample and feature",
            "one row per sample and one column per feature",
            "Turn it into a matrix, in pandas by DataFrame.pivot, in R by tidyr::pivot_wider.",
        )


def check_finite(where: str, ids: NDArray[np.str_], features: NDArray[np.str_], values: NDArray[np.float32]) -> None:
    """Raise an InputError that names the first infinite value."""
    with np.errstate(invalid="ignore"):
        # Extremes need no array of answers as large as the table.
        finite = not np.isinf(np.fmin.reduce(values, axis=None)) and not np.isinf(np.fmax.reduce(values, axis=None))
    if not finite:
        row, column = np.argwhere(np.isinf(values))[0]
        raise InputError(
            f"{where}, column {str(features[column])!r}, row {str(ids[row])!r}",
            "an infinite number (or one that 32 bits cannot hold)",
            "a finite number",
            "Was a logarithm of zero taken? Add a pseudo-count, or leave the value empty.",
        )


def _column(where: str, name: str, samples: list[str], column: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return numbers of a column whose type does not promise them."""
    if pd.api.types.is_any_real_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    parsed = [_number(value) for value in column.tolist()]
    bad = [row for row, value in enumerate(parsed) if value is None]
    if bad:
        raise no_number(
            f"{where}, column {name!r}, row {samples[bad[0]]!r}",
            str(column.iloc[bad[0]]),
            len(bad),
            "The first column has to hold the sample ids, the others plain numbers without dates, units or percent "
            "signs: move columns of text to the clinical table, and leave missing values empty.",
        )
    return np.array(parsed, dtype=np.float64)


def _number(value: Any) -> float | None:
    """Read a cell of any type; NaN where it is missing, None where it is no number."""
    text = str(value).strip()
    if is_number(text) or is_infinite(text):
        return float(text)
    return np.nan if is_missing(value) else _BOOLS.get(text.lower())


def dates_as_names(matrices: Mapping[str, Matrix]) -> list[str]:
    """Remarks on features that are called like dates: genes that went through a spreadsheet."""
    found = {
        name: [feature for feature in matrix.features.tolist() if _DATE.fullmatch(feature)]
        for name, matrix in matrices.items()
    }
    return [
        f"{name}: {len(dates)} features are called like dates, such as {some(dates, 3)}: a spreadsheet makes these of "
        "MARCHF1, SEPTIN2 and their like. Export the table again without one, or students will not find these genes."
        for name, dates in found.items()
        if dates
    ]


def without_version(name: str) -> str:
    """A feature's name without a version of Ensembl."""
    return _VERSIONED.sub(r"\1", name)


def without_versions(matrix: Matrix) -> tuple[Matrix, list[str]]:
    """Take the versions off Ensembl's names of genes, which differ from release to release, and say so."""
    names = [without_version(name) for name in matrix.features.tolist()]
    changed = [old for old, new in zip(matrix.features.tolist(), names, strict=True) if old != new]
    if not changed:
        return matrix, []
    said = f"{len(changed)} names of features had versions, such as {some(changed, 1)}, that were taken off."
    return replace(matrix, features=np.array(names, dtype=np.str_)), [said]


def checked_ids(where: str, ids: list[str], *, unique: bool = True) -> list[str]:
    """Return ids without blanks around them; none may be empty, or occur twice if they are to be unique."""
    clean = [str(name).strip() for name in ids]
    if not clean:
        raise InputError(where, "no rows", "one row per sample", "Write the table again.")
    if "" in clean:
        raise InputError(
            f"{where}, row {clean.index('') + 1}",
            "no sample id",
            "an id in the first column of every row",
            "Fill it in.",
        )
    if unique and (double := repeated(clean)):
        raise InputError(
            where,
            f"id {some(double)} more than once",
            "unique ids in the first column",
            "Keep one row of each, or give the samples of one patient different ids.",
        )
    return clean


def checked_features(where: str, names: list[str]) -> NDArray[np.str_]:
    """Return feature names; none may be empty."""
    if not names:
        raise InputError(where, "one column", "sample ids and at least one feature", "Check the delimiter.")
    nameless = [position for position, name in enumerate(names) if not name or _NAMELESS.fullmatch(name)]
    if nameless:
        raise InputError(
            f"{where}, column {nameless[0] + 2}",
            f"no name in the header ({names[nameless[0]]!r})",
            "a name for every feature",
            "Name the column, or remove it if it holds row numbers, and delimiters at the ends of lines.",
        )
    return np.array(names, dtype=np.str_)
