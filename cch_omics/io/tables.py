"""Tables of numbers and clinical tables from files.

A table of numbers has one sample a row and its id in the first column; features in rows are recognised and turned.
"""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.io import barcodes
from cch_omics.io.source import MISSING, Matrix, Source, repeated, some

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".h5ad")


def table_suffix(path: str | os.PathLike[str]) -> str:
    """Return the ending of a file's name that tells its format, ".gz" included; "" for names of no known format."""
    name = Path(path).name.lower()
    return next((suffix for suffix in sorted(TABLES, key=len, reverse=True) if name.endswith(suffix)), "")


def read_matrix(
    path: str | os.PathLike[str], *, modality: str = "", samples: Collection[str] = (), features: Collection[str] = ()
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
            f"one of {', '.join((*TABLES, '.h5mu'))}",
            "Rename or convert it.",
        )
    return turn(matrix, samples, features)


def turn(matrix: Matrix, samples: Collection[str], features: Collection[str] = ()) -> Matrix:
    """Turn a matrix whose columns are the samples, judged by known sample ids and feature names."""
    known = {form for sample in samples for form in (sample, barcodes.key(sample), barcodes.patient(sample))}
    known_features = set(features)

    def matches(ids: NDArray[np.str_], names: NDArray[np.str_]) -> int:
        found = sum(not known.isdisjoint((name, barcodes.key(name), barcodes.patient(name))) for name in ids.tolist())
        return found + sum(name in known_features for name in names.tolist())

    if matches(matrix.features, matrix.ids) <= matches(matrix.ids, matrix.features):
        return matrix
    return Matrix(matrix.features, matrix.ids, np.ascontiguousarray(matrix.values.T), matrix.where, turned=True)


def read_clinical(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a clinical table as text, indexed by its first column; missing values are NaN."""
    where = os.fspath(path)
    names, data, delimiter = _open_text(path)
    if double := repeated(names[1:]):
        raise InputError(where, f"column {some(double)} more than once", "unique column names", "Rename or remove one.")
    try:
        frame = pd.read_csv(
            io.BytesIO(data),
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            na_values=list(MISSING),
            names=[f"column {position}" for position in range(len(names))],
            header=None,
            skiprows=1,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _ragged(where, str(error)) from error
    frame = frame.set_axis(names, axis=1)
    if frame.empty:
        raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.")
    ids = _checked_ids(where, frame.iloc[:, 0].fillna("").tolist())
    return frame.iloc[:, 1:].set_axis(pd.Index(ids, name="sample"), axis=0)


def read_folder(path: str | os.PathLike[str], modalities: Collection[str] = ()) -> Source:
    """Read a folder of one `MODALITY.csv[.gz]|tsv[.gz]|parquet|h5ad` a modality and `clinical.csv|tsv[.gz]`."""
    folder = Path(path)
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        suffix = table_suffix(file)
        if not suffix or file.name.startswith("."):
            continue
        name = file.name[: -len(suffix)]
        if name in files:
            raise InputError(
                str(folder), f"{files[name].name} and {file.name}", "one table per modality", "Remove one of them."
            )
        files[name] = file
    clinical_file = files.pop("clinical", None)
    if clinical_file is None or _plain_suffix(clinical_file) not in DELIMITERS:
        study = (folder / "meta_study.txt").exists()
        raise InputError(
            str(folder),
            "a cBioPortal study" if study else f"no clinical table (tables: {some(files)})",
            "clinical.csv or clinical.tsv beside one table per modality",
            "Write one: first column the sample id, then the target."
            if not study
            else "Studies are not read as they are: convert it to a folder of tables or to .h5mu.",
        )
    if not files:
        raise InputError(
            str(folder), "no table of a modality", f"MODALITY with one of {', '.join(TABLES)}", "Check the folder."
        )
    clinical = read_clinical(clinical_file)
    wanted = [name for name in files if not modalities or name in modalities]
    matrices = {name: read_matrix(files[name], samples=clinical.index) for name in wanted}
    return Source(str(folder), clinical, str(clinical_file), matrices, tuple(files))


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
    matrix = Matrix(
        np.array(samples, dtype=np.str_), _checked_features(where, names), np.ascontiguousarray(values.T), where
    )
    check_finite(where, matrix.ids, matrix.features, matrix.values)
    return matrix


def check_finite(where: str, ids: NDArray[np.str_], features: NDArray[np.str_], values: NDArray[np.float32]) -> None:
    """Raise an InputError that names the first infinite value."""
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
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


def _open_text(path: str | os.PathLike[str]) -> _Text:
    """Return a text table's column names and its bytes, uncompressed, header included, once it looks like a table."""
    where = os.fspath(path)
    delimiter = DELIMITERS[_plain_suffix(path)]
    try:
        data = Path(path).read_bytes()
        if where.lower().endswith(".gz") and data:
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            where, f"a damaged gzip file ({error})", "a whole gzip file", "Copy or download the file again."
        ) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    start = data[:4096].lstrip()
    if not start:
        raise InputError(where, "an empty file", "a table with a header", "Write or download the file again.")
    if start[:1] == b"<" and (b"<html" in start.lower() or start[:9].lower() == b"<!doctype"):
        raise InputError(where, "a web page (HTML)", "a table", "Download the file itself, not the page that shows it.")
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
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    counts = {word: first.count(mark) for mark, word in ((",", "commas"), (";", "semicolons"), ("\t", "tabs"))}
    if len(names) == 1 and max(counts.values()):
        raise InputError(
            where,
            f"columns separated by {max(counts, key=lambda word: counts[word])}",
            f"{'commas' if delimiter == ',' else 'tabs'}, as the file's ending says",
            "Rename the file (.csv for commas, .tsv for tabs) or write it again with that delimiter.",
        )
    # R writes no name for the column of row names.
    if rest and len(next(csv.reader(rest, delimiter=delimiter))) == len(names) + 1:
        names = ["", *names]
    return _Text(names, data, delimiter)


def _read_text(path: str | os.PathLike[str]) -> Matrix:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    where = os.fspath(path)
    names, data, delimiter = _open_text(path)
    _checked_features(where, names[1:])
    # Positions stand for names: a feature may be called like the id column.
    positions = [str(position) for position in range(len(names))]

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        return arrow_csv.read_csv(
            io.BytesIO(data),
            # A row has to fit into a block.
            arrow_csv.ReadOptions(column_names=positions, skip_rows=1, block_size=max(1 << 20, 64 * len(names))),
            arrow_csv.ParseOptions(delimiter=delimiter),
            arrow_csv.ConvertOptions(
                column_types={"0": pa.string(), **types},
                null_values=list(MISSING),
                strings_can_be_null=True,
                timestamp_parsers=[],
            ),
        )

    try:
        try:
            table = parse(dict.fromkeys(positions[1:], pa.float64()))
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            # Let types be guessed, which is slower: true and false are numbers too, and text has to be found and named.
            table = parse({})
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.") from error
        raise _ragged(where, str(error)) from error
    ids = [name or "" for name in table.column(0).to_pylist()]
    columns = (column.to_numpy() for column in table.columns[1:])
    return numbers(where, ids, zip(names[1:], columns, strict=True), len(names) - 1)


def _read_parquet(path: str | os.PathLike[str]) -> Matrix:
    import pyarrow as pa

    where = os.fspath(path)
    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            where, f"a damaged Parquet file ({error})", "a Parquet file", "Copy or write the file again."
        ) from error
    if isinstance(frame.index, pd.RangeIndex) and frame.shape[1]:
        frame = frame.set_index(frame.columns[0])
    if frame.empty:
        raise InputError(where, "no values", "sample ids and at least one feature", "Write the table again.")
    ids = ["" if _is_missing(name) else str(name) for name in frame.index]
    columns = ((str(name), frame.iloc[:, position]) for position, name in enumerate(frame.columns))
    return numbers(where, ids, columns, frame.shape[1])


def _ragged(where: str, problem: str) -> InputError:
    return InputError(
        where,
        f"rows of different lengths ({problem.strip()[:200]})",
        "the same number of fields in every row",
        "Check delimiters, quotes and decimal commas, and whether the file is complete.",
    )
