"""Tables of numbers and clinical tables from files.

A table of numbers has one sample a row and its id in the first column; features in rows are recognised and turned.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.barcodes import read_id
from cch_omics.data.numbers import checked_ids, without_version
from cch_omics.data.source import Matrix, is_missing
from cch_omics.data.text import read_text, read_text_matrix, refuse_header
from cch_omics.errors import InputError
from cch_omics.planning.layout import TABLE_SUFFIXES, table_suffix
from cch_omics.runtime.files import check_file


def read_matrix(
    path: str | os.PathLike[str],
    *,
    modality: str = "",
    samples: Collection[str] = (),
    features: Collection[str] = (),
    pattern: str = "",
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
    pattern
        Of the sample ids (`read_id`).

    Raises
    ------
    InputError
        When the table cannot be read as numbers.
    """
    where = os.fspath(path)
    check_file(path, "a table")
    if where.lower().endswith((".h5mu", ".h5ad")):
        from cch_omics.data.mudata import read_anndata_matrix

        matrix = read_anndata_matrix(path, modality)
    elif table_suffix(path) == ".parquet":
        from cch_omics.data.parquet import read_parquet_matrix

        matrix = read_parquet_matrix(path)
    elif table_suffix(path):
        matrix = read_text_matrix(path)
    else:
        raise unknown_format(path, (*TABLE_SUFFIXES, ".h5mu"), "Rename or convert it.")
    return turn(matrix, samples, features, pattern=pattern)


def unknown_format(path: str | os.PathLike[str], known: Iterable[str], advice: str) -> InputError:
    """What is said of a file whose name has none of the known endings."""
    found = f"a file of an unknown format ({Path(path).suffix or 'no ending'})"
    return InputError(os.fspath(path), found, f"one of {', '.join(known)}", advice)


def turn(
    matrix: Matrix,
    samples: Collection[str],
    features: Collection[str] = (),
    *,
    pattern: str = "",
    in_columns: bool = False,
) -> Matrix:
    """Turn a matrix whose columns are the samples, judged by known sample ids and feature names.

    `in_columns` says where samples are when nothing known is in rows or columns, or equally much. The values of the
    result are contiguous, its ids unique.
    """

    def forms(name: str) -> tuple[str, str, str]:
        said = read_id(name, pattern)
        return name, said.sample, said.patient

    known, known_features = {form for sample in samples for form in forms(sample)}, set(features)

    def matches(ids: NDArray[np.str_], names: NDArray[np.str_]) -> int:
        found = sum(not known.isdisjoint(forms(name)) for name in ids.tolist())
        return found + sum(without_version(name) in known_features for name in names.tolist())

    advantage = matches(matrix.features, matrix.ids) - matches(matrix.ids, matrix.features)
    if advantage > 0 or (in_columns and advantage == 0):
        values = np.ascontiguousarray(matrix.values.T)
        matrix = replace(matrix, ids=matrix.features, features=matrix.ids, values=values, turned=True)
    else:
        matrix = replace(matrix, values=np.ascontiguousarray(matrix.values))
    checked_ids(matrix.where, matrix.ids.tolist())
    return matrix


def read_xena_matrix(path: str | os.PathLike[str], samples: Collection[str], pattern: str) -> Matrix:
    """Read a matrix of UCSC Xena: tab-separated whatever its name, gzipped or not, features in rows."""
    matrix = turn(read_text_matrix(path, "\t"), samples, pattern=pattern, in_columns=True)
    # As they all are: nothing to remark on.
    return replace(matrix, turned=False)


def read_clinical(path: str | os.PathLike[str], delimiter: str = "") -> pd.DataFrame:
    """Read a clinical table as text by its first column; empty cells are NaN, codes for missing values stay."""
    where = os.fspath(path)
    frame = read_text(path, delimiter=delimiter, even=True)
    ids = checked_ids(where, ["" if is_missing(name) else name for name in frame.iloc[:, 0].tolist()])
    refuse_header(where, ids, str(frame.columns[0]))
    return frame.iloc[:, 1:].set_axis(pd.Index(ids, name="sample"), axis=0)
