"""Tables of numbers and clinical tables from files.

A table of numbers has one sample a row and its id in the first column; features in rows are recognised and turned.
"""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.io import barcodes
from cch_omics.io.source import MISSING, Matrix, Source, repeated, some
from cch_omics.layout import TABLE_SUFFIXES, layout_of, table_suffix

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Labelled(NamedTuple):
    """A table with several columns of text before its numbers.

    Attributes
    ----------
    labels
        Columns of text by name, "" where missing.
    columns
        (n,) names of the columns of numbers.
    values
        (p, n) float32, rows as in the file.
    """

    labels: dict[str, list[str]]
    columns: list[str]
    values: NDArray[np.float32]


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
        from cch_omics.io.mudata import read_anndata_matrix

        matrix = read_anndata_matrix(path, modality)
    elif table_suffix(path) == ".parquet":
        matrix = _read_parquet(path)
    elif table_suffix(path):
        matrix = _read_text(path)
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


def read_clinical(
    path: str | os.PathLike[str], *, delimiter: str = "", comments: bool = False, missing: Collection[str] = MISSING
) -> pd.DataFrame:
    """Read a clinical table as text, indexed by its first column; missing values are NaN.

    The other parameters are those of `read_text`.
    """
    frame = read_text(path, delimiter=delimiter, comments=comments, missing=missing)
    ids = _checked_ids(os.fspath(path), frame.iloc[:, 0].fillna("").tolist())
    return frame.iloc[:, 1:].set_axis(pd.Index(ids, name="sample"), axis=0)


def read_text(
    path: str | os.PathLike[str],
    *,
    delimiter: str = "",
    comments: bool = False,
    missing: Collection[str] = MISSING,
    columns: Collection[str] = (),
) -> pd.DataFrame:
    """Read a table of text.

    Parameters
    ----------
    delimiter
        Between columns; "" = as the file's ending says.
    comments
        Whether lines that start with # come before the header.
    missing
        Texts that stand for a missing value, NaN in the result.
    columns
        Those that are wanted, of tables with many; none = all.
    """
    where = os.fspath(path)
    names, data, delimiter = _open_text(path, delimiter, comments=comments)
    if double := repeated(names[1:]):
        raise InputError(where, f"column {some(double)} more than once", "unique column names", "Rename or remove one.")
    try:
        frame = pd.read_csv(
            io.BytesIO(data),
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            na_values=list(missing),
            names=[f"column {position}" for position in range(len(names))],
            usecols=[position for position, name in enumerate(names) if name in columns] if columns else None,
            header=None,
            skiprows=1,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _ragged(where, str(error)) from error
    frame = frame.set_axis([name for name in names if not columns or name in columns], axis=1)
    if not len(frame):
        raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.")
    return frame


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


def numbers(where: str, ids: list[str], columns: Iterable[tuple[str, Any]], n_columns: int) -> Matrix:
    """Make a matrix of named columns, refusing text and infinite numbers by row and column.

    Parameters
    ----------
    ids
        n sample ids.
    columns
        p pairs of a feature's name and its n values, an array or a Series.
    """
    samples = _checked_ids(where, ids)
    names = []
    values = np.empty((n_columns, len(samples)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for position, (name, column) in enumerate(columns):
            names.append(str(name).strip())
            plain = isinstance(column, np.ndarray) and column.dtype.kind in "fiub"
            values[position] = column if plain else _column(where, names[-1], samples, pd.Series(column))
    # Not contiguous: whoever turns it has then no copy to make.
    matrix = Matrix(np.array(samples, dtype=np.str_), _checked_features(where, names), values.T, where)
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
        column = column.astype(object).map(lambda value: np.nan if _is_missing(value) else value)
        parsed = pd.to_numeric(column, errors="coerce")
        bad = np.flatnonzero((parsed.isna() & column.notna()).to_numpy())
        if len(bad):
            text = str(column.iloc[bad[0]])
            comma = text.count(",") == 1 and text.replace(",", "").strip("-+ ").isdigit()
            raise InputError(
                f"{where}, column {name!r}, row {samples[bad[0]]!r}",
                f"{'a decimal comma' if comma else 'text'}: {text[:60]!r} ({len(bad)} such in the column)",
                "numbers, or nothing where a value is missing",
                "Write numbers with a decimal point."
                if comma
                else "Move columns of text to the clinical table; leave missing values empty.",
            )
        column = parsed
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _is_missing(value: object) -> bool:
    return (
        value is None
        or value is pd.NA
        or (isinstance(value, float) and np.isnan(value))
        or str(value).strip() in MISSING
    )


def _checked_ids(where: str, ids: list[str]) -> list[str]:
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


def _checked_features(where: str, names: list[str]) -> NDArray[np.str_]:
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


def _plain_suffix(path: str | os.PathLike[str]) -> str:
    return table_suffix(path).removesuffix(".gz")


class _Text(NamedTuple):
    names: list[str]
    data: bytes
    delimiter: str


def _open_text(path: str | os.PathLike[str], delimiter: str = "", *, comments: bool = False) -> _Text:
    """Return a text table's column names and its bytes, uncompressed, header included, once it looks like a table."""
    where = os.fspath(path)
    delimiter = delimiter or DELIMITERS[_plain_suffix(path)]
    try:
        data = Path(path).read_bytes()
        if where.lower().endswith(".gz") and data:
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            where, f"a damaged gzip file ({error})", "a whole gzip file", "Copy or download the file again."
        ) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    while comments and data[:1] == b"#":
        data = data.partition(b"\n")[2]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    start = data[:4096].lstrip()
    if data[:1].isspace():
        data = data.lstrip(b"\n")
    if not start:
        raise InputError(where, "an empty file", "a table with a header", "Write or download the file again.")
    if start[:1] == b"<" and (b"<html" in start.lower() or start[:9].lower() == b"<!doctype"):
        raise InputError(where, "a web page (HTML)", "a table", "Download the file itself, not the page that shows it.")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(
            where,
            "a pointer of Git LFS, not the file",
            "a table",
            "Fetch it with `git lfs pull`, or download the file.",
        )
    lines = list(islice(io.BytesIO(data), 2))
    try:
        first, *rest = [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError as error:
        raise InputError(
            where,
            "bytes that are not text in UTF-8",
            "a text file in UTF-8",
            "Export the table as CSV or TSV in UTF-8; a renamed spreadsheet will not do.",
        ) from error
    if b"\0" in start:
        raise InputError(where, "binary content", "a text file in UTF-8", "Export the table as CSV or TSV.")
    names = _fields(where, first, delimiter)
    counts = {word: first.count(mark) for mark, word in ((",", "commas"), (";", "semicolons"), ("\t", "tabs"))}
    if len(names) == 1 and max(counts.values()):
        raise InputError(
            where,
            f"columns separated by {max(counts, key=lambda word: counts[word])}",
            f"{'commas' if delimiter == ',' else 'tabs'}, as the file's ending says",
            "Rename the file (.csv for commas, .tsv for tabs) or write it again with that delimiter.",
        )
    # R writes no name for the column of row names.
    if rest and len(_fields(where, rest[0], delimiter)) == len(names) + 1:
        names = ["", *names]
    return _Text(names, data, delimiter)


def _fields(where: str, line: str, delimiter: str) -> list[str]:
    """Fields of the header, or of the line after it."""
    try:
        fields = next(csv.reader([line.rstrip("\n")], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise InputError(
            where,
            f"quotes that do not close on the first lines ({error})",
            "a header on one line",
            "Remove line breaks and single quotation marks from the names of columns.",
        ) from error
    return [field.strip() for field in fields]


def _read_text(path: str | os.PathLike[str], delimiter: str = "") -> Matrix:
    where = os.fspath(path)
    text = _open_text(path, delimiter)
    _checked_features(where, text.names[1:])
    table = _parse(where, text, {0}, MISSING)
    ids = [name or "" for name in table.column(0).to_pylist()]
    columns = (column.to_numpy() for column in table.columns[1:])
    return numbers(where, ids, zip(text.names[1:], columns, strict=True), len(text.names) - 1)


def read_xena_matrix(path: str | os.PathLike[str], samples: Collection[str], scheme: barcodes.Scheme) -> Matrix:
    """Read a matrix of UCSC Xena: tab-separated whatever its name, gzipped or not, features in rows."""
    matrix = turn(_read_text(path, "\t"), samples, scheme=scheme, in_columns=True)
    # As they all are: nothing to remark on.
    return replace(matrix, turned=False)


def read_labelled(path: str | os.PathLike[str], labels: Collection[str], missing: Collection[str]) -> Labelled:
    """Read a tab-separated table of features x samples that begins with columns of text.

    Parameters
    ----------
    labels
        Names that columns of text have, in lower case.
    missing
        Texts that stand for a missing number.
    """
    where = os.fspath(path)
    text = _open_text(path, "\t", comments=True)
    of_text = {position for position, name in enumerate(text.names) if name.lower() in labels}
    names = [name for position, name in enumerate(text.names) if position not in of_text]
    if not of_text:
        raise InputError(
            where,
            f"columns {some(text.names, 3)}",
            "a column that names the feature, such as Hugo_Symbol",
            "Check that the file is what its name says.",
        )
    _checked_ids(where, names)
    table = _parse(where, text, of_text, missing)
    columns = [
        (text.names[position], column.to_numpy())
        for position, column in enumerate(table.columns)
        if position not in of_text
    ]
    rows = [f"line {number + 2}" for number in range(table.num_rows)]
    matrix = numbers(where, rows, columns, len(names))
    found = {
        text.names[position].lower(): [value or "" for value in table.column(position).to_pylist()]
        for position in sorted(of_text)
    }
    return Labelled(found, names, matrix.values)


def _parse(where: str, text: _Text, of_text: Collection[int], missing: Collection[str]) -> Any:
    """Return an Arrow table whose columns are called by their positions: features may be called like the id column."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    positions = [str(position) for position in range(len(text.names))]

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        return arrow_csv.read_csv(
            io.BytesIO(text.data),
            # A row has to fit into a block.
            arrow_csv.ReadOptions(column_names=positions, skip_rows=1, block_size=max(1 << 20, 64 * len(text.names))),
            arrow_csv.ParseOptions(delimiter=text.delimiter),
            arrow_csv.ConvertOptions(
                column_types={str(position): pa.string() for position in of_text} | types,
                null_values=list(missing),
                strings_can_be_null=True,
                timestamp_parsers=[],
            ),
        )

    try:
        try:
            return parse({name: pa.float32() for name in positions if int(name) not in of_text})
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            # Let types be guessed, which is slower: true and false are numbers too, and text has to be found and named.
            return parse({})
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.") from error
        raise _ragged(where, str(error)) from error


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
    ids = ["" if _is_missing(name) else str(name) for name in table.column(first).to_pylist()]
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


def _ragged(where: str, problem: str) -> InputError:
    return InputError(
        where,
        f"rows of different lengths ({problem.strip()[:200]})",
        "the same number of fields in every row",
        "Check delimiters, quotes and decimal commas, and whether the file is complete.",
    )
