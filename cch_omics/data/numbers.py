"""From columns of a table to a matrix of numbers, or a message about the cell that is none."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.source import Matrix, is_missing
from cch_omics.errors import InputError, repeated, some
from cch_omics.tasks.reading import no_number


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
    samples = checked_ids(where, ids)
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
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        column = column.astype(object).map(lambda value: np.nan if is_missing(value) else value)
        parsed = pd.to_numeric(column, errors="coerce")
        bad = np.flatnonzero((parsed.isna() & column.notna()).to_numpy())
        if len(bad):
            raise no_number(
                f"{where}, column {name!r}, row {samples[bad[0]]!r}",
                str(column.iloc[bad[0]]),
                len(bad),
                "Move columns of text to the clinical table; leave missing values empty.",
            )
        column = parsed
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def checked_ids(where: str, ids: list[str]) -> list[str]:
    """Return ids without blanks around them; none may be empty or occur twice."""
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
    if double := repeated(clean):
        raise InputError(
            where,
            f"id {some(double)} more than once",
            "unique ids in the first column",
            "Keep one row of each, or give the samples of one patient different ids.",
        )
    return clean


def checked_features(where: str, names: list[str]) -> NDArray[np.str_]:
    """Return feature names; none may be empty or occur twice."""
    if not names:
        raise InputError(where, "one column", "sample ids and at least one feature", "Check the delimiter.")
    if "" in names:
        raise InputError(
            f"{where}, column {names.index('') + 2}",
            "no name in the header",
            "a name for every feature",
            "Name the column, or remove delimiters at the ends of lines.",
        )
    if double := repeated(names):
        raise InputError(
            where, f"feature {some(double)} more than once", "unique feature names", "Rename, remove or average them."
        )
    return np.array(names, dtype=np.str_)
