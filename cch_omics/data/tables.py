"""Tables of numbers and clinical tables from files.

A table of numbers has one sample a row and its id in the first column; features in rows are recognised and turned.
"""

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data import barcodes
from cch_omics.data.numbers import checked_ids, is_missing, numbers
from cch_omics.data.source import MISSING, Matrix, Source
from cch_omics.data.text import read_text, read_text_matrix
from cch_omics.errors import InputError, some
from cch_omics.planning.layout import TABLE_SUFFIXES, layout_of, table_suffix


def read_matrix(
    path: str | os.PathLike[str],
    *,
    modality: str = "",
    samples: Collection[str] = (),
    features: Collection[str] = (),
    scheme: barcodes.Scheme = barcodes.TCGA,
) -> Matrix:
    """Read a table of numbers.

    Parameters
    ----------
    path
        `.csv`, `.tsv` (either may be gzipped), `.parquet`, `.h5ad`, or `.h5mu`.
    modality
        The modality of a `.h5mu` file that is wanted.
    samples, features
        Known sample ids (of any level of a barcode) and feature names: the table is turned when its rows and columns
        match them better that way. Without them samples are taken to be in rows.
    scheme
        Of the sample ids.

    Raises
    ------
    InputError
        When the table cannot be read as numbers.
    """
    where = os.fspath(path)
    if not Path(path).is_file():
        raise InputError(
            where, "no such file", "a table", "Check the path; a relative one starts at the working directory."
        )
    if where.lower().endswith((".h5mu", ".h5ad")):
        from cch_omics.data.mudata import read_anndata_matrix

        matrix = read_anndata_matrix(path, modality)
    elif table_suffix(path) == ".parquet":
        matrix = _read_parquet(path)
    elif table_suffix(path):
        matrix = read_text_matrix(path)
    else:
        raise InputError(
            where,
            f"a file of an unknown format ({Path(path).suffix or 'no ending'})",
            f"one of {', '.join((*TABLE_SUFFIXES, '.h5mu'))}",
            "Rename or convert it.",
        )
    return turn(matrix, samples, features, scheme=scheme)


def turn(
    matrix: Matrix,
    samples: Collection[str],
    features: Collection[str] = (),
    *,
    scheme: barcodes.Scheme = barcodes.TCGA,
    in_columns: bool = False,
) -> Matrix:
    """Turn a matrix whose columns are the samples, judged by known sample ids and feature names.

    `in_columns` says where samples are when nothing known is in rows or columns, or equally much. The values of the
    result are contiguous.
    """
    known = {form for sample in samples for form in (sample, scheme.key(sample), scheme.patient(sample))}
    known_features = set(features)

    def matches(ids: NDArray[np.str_], names: NDArray[np.str_]) -> int:
        found = sum(not known.isdisjoint((name, scheme.key(name), scheme.patient(name))) for name in ids.tolist())
        return found + sum(name in known_features for name in names.tolist())

    advantage = matches(matrix.features, matrix.ids) - matches(matrix.ids, matrix.features)
    if advantage > 0 or (in_columns and advantage == 0):
        return Matrix(matrix.features, matrix.ids, np.ascontiguousarray(matrix.values.T), matrix.where, turned=True)
    return Matrix(matrix.ids, matrix.features, np.ascontiguousarray(matrix.values), matrix.where)


def read_xena_matrix(path: str | os.PathLike[str], samples: Collection[str], scheme: barcodes.Scheme) -> Matrix:
    """Read a matrix of UCSC Xena: tab-separated whatever its name, gzipped or not, features in rows."""
    matrix = turn(read_text_matrix(path, "\t"), samples, scheme=scheme, in_columns=True)
    # As they all are: nothing to remark on.
    return replace(matrix, turned=False)


def read_clinical(
    path: str | os.PathLike[str], *, delimiter: str = "", comments: bool = False, missing: Collection[str] = MISSING
) -> pd.DataFrame:
    """Read a clinical table as text, indexed by its first column; missing values are NaN.

    The other parameters are those of `read_text`.
    """
    frame = read_text(path, delimiter=delimiter, comments=comments, missing=missing)
    ids = checked_ids(os.fspath(path), frame.iloc[:, 0].fillna("").tolist())
    return frame.iloc[:, 1:].set_axis(pd.Index(ids, name="sample"), axis=0)


def read_folder(
    path: str | os.PathLike[str], modalities: Collection[str] = (), scheme: barcodes.Scheme = barcodes.TCGA
) -> Source:
    """Read a folder of one `MODALITY.csv[.gz]|tsv[.gz]|parquet|h5ad` a modality and `clinical.csv|tsv[.gz]`."""
    folder = Path(path)
    layout = layout_of(folder)
    if not layout.clinical:
        raise InputError(
            str(folder),
            f"no clinical table (tables: {some(layout.tables)})",
            "clinical.csv or clinical.tsv beside one table per modality",
            "Write one: first column the sample id, then the target.",
        )
    if not layout.tables:
        raise InputError(
            str(folder),
            "no table of a modality",
            f"MODALITY with one of {', '.join(TABLE_SUFFIXES)}",
            "Check the folder.",
        )
    clinical = read_clinical(layout.clinical[0])
    wanted = [name for name in layout.tables if not modalities or name in modalities]
    matrices = {name: read_matrix(layout.tables[name], samples=clinical.index, scheme=scheme) for name in wanted}
    remarks = tuple(f"{name} was not read: {why}." for name, why in layout.unused.items())
    return Source(str(folder), clinical, str(layout.clinical[0]), matrices, tuple(layout.tables), remarks=remarks)


def _read_parquet(path: str | os.PathLike[str]) -> Matrix:
    from pyarrow import parquet

    where = os.fspath(path)
    try:
        table = parquet.read_table(path, use_threads=False)
        metadata = table.schema.pandas_metadata or {}
    except Exception as error:  # the library raises anything on content that is damaged
        raise InputError(
            where, f"a damaged Parquet file ({error})", "a Parquet file", "Copy or write the file again."
        ) from error
    named = [name for name in metadata.get("index_columns", []) if name in table.column_names]
    first = table.column_names.index(named[0]) if named else 0
    if not table.num_rows or table.num_columns < 2:
        raise InputError(where, "no values", "sample ids and at least one feature", "Write the table again.")
    ids = ["" if is_missing(name) else str(name) for name in table.column(first).to_pylist()]
    others = [position for position in range(table.num_columns) if position != first]
    columns = ((table.column_names[position], _from_arrow(table.column(position))) for position in others)
    return numbers(where, ids, columns, len(others))


def _from_arrow(column: Any) -> Any:
    """Return an array of numbers, or a Series of whatever else is in the column."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not column.null_count):
        return column.to_numpy()
    return column.to_pandas()
