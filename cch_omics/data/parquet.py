"""Tables of numbers from Parquet files."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet, types

from cch_omics.data.numbers import numbers
from cch_omics.data.source import Matrix, is_missing
from cch_omics.errors import InputError, some
from cch_omics.runtime.apart import read_apart


def read_parquet_matrix(path: str | os.PathLike[str]) -> Matrix:
    """Read the index as sample ids, or the first column where the file has none."""
    return read_apart(path, lambda: _read(path), "a Parquet file")


def _read(path: str | os.PathLike[str]) -> Matrix:
    where = os.fspath(path)
    # Not `pandas.read_parquet`: it takes a folder called `a=b` for a column.
    file = parquet.ParquetFile(path)
    for column in file.schema_arrow:
        if not _known(column.type):
            raise InputError(
                f"{where}, column {column.name!r}",
                f"values of type {column.type}",
                "sample ids and numbers",
                "Convert the column to numbers, or move it to the clinical table.",
            )
    index = [
        name for name in (file.schema_arrow.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)
    ]
    if lost := sorted(set(index) - set(file.schema_arrow.names)):
        advice = "Write the table with its index."
        raise InputError(where, f"no column {some(lost)}, which the file says is its index", "sample ids", advice)
    frame = file.read(use_threads=False).to_pandas()
    for axis in (frame.index, frame.columns):
        if axis.nlevels > 1:
            raise InputError(where, f"names of {axis.nlevels} levels", "names of one level", "Keep that level only.")
    if isinstance(frame.index, pd.RangeIndex) and len(frame.columns):
        frame = frame.iloc[:, 1:].set_axis(pd.Index(frame.iloc[:, 0]), axis=0)
    if frame.empty:
        raise InputError(where, "no values", "sample ids and at least one feature", "Write the table again.")
    ids = ["" if is_missing(name) else name for name in frame.index]
    if other := [name for name in ids if not isinstance(name, str | int | np.integer) or isinstance(name, bool)]:
        raise InputError(
            f"{where}, index or first column",
            f"{other[0]!r}, which is no sample id",
            "sample ids: text, or whole numbers",
            "Write the table with its ids as index, or in the first column.",
        )
    return numbers(where, [str(name) for name in ids], list(frame.columns), (column for _, column in frame.items()))


def _known(kind: pa.DataType) -> bool:
    """Whether values of a type can be numbers, the text of numbers, or sample ids."""
    if types.is_dictionary(kind):
        return _known(kind.value_type)
    number = (types.is_primitive(kind) and not types.is_temporal(kind)) or types.is_decimal(kind) or types.is_null(kind)
    return number or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
