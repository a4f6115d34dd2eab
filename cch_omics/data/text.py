"""Text tables: what they look like, and their content as text or as numbers."""

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cch_omics.data.numbers import checked_ids, numbers
from cch_omics.data.source import Matrix
from cch_omics.errors import InputError, repeated, some
from cch_omics.planning.layout import table_suffix
from cch_omics.runtime.files import check_file, reading
from cch_omics.tasks.missing import SPELLINGS, says_missing

DELIMITERS = {".csv": ",", ".tsv": "\t"}
# Each further spelling of a missing value costs the parser another start.
_MOST_SPELLINGS = len(SPELLINGS) + 8
_GZIP = b"\x1f\x8b"
# What files begin with that are no text in UTF-8, whatever their names.
_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook (xlsx)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (xls)",
    b"\x89HDF": "an HDF5 file (h5ad, h5mu, h5)",
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text of a word processor (RTF)",
    b"SQLite format": "a database (SQLite)",
    b"\x93NUMPY": "an array of numpy (npy)",
    b"RDX": "data of R (RData)",
    b"X\n\0": "data of R (rds)",
    b"BZh": "a file compressed by bzip2",
    b"\xfd7zXZ": "a file compressed by xz",
    b"\x28\xb5\x2f\xfd": "a file compressed by zstd",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x89PNG": "an image (PNG)",
    b"\xff\xd8\xff": "an image (JPEG)",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


class _Text(NamedTuple):
    """A table's names of columns, its text with the header, what separates fields, and blank lines left out above."""

    names: list[str]
    data: bytes
    delimiter: str
    above: int


def read_text(
    path: str | os.PathLike[str],
    *,
    delimiter: str = "",
    comments: bool = False,
    missing: Collection[str] = ("",),
    columns: Collection[str] = (),
    even: bool = False,
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
    even
        Whether a row that is shorter than the header is refused, not filled up.
    """
    where = os.fspath(path)
    text = _open_text(path, delimiter, comments=comments)
    names = text.names
    if double := repeated(names[1:]):
        raise InputError(where, f"column {some(double)} more than once", "unique column names", "Rename or remove one.")
    if even and (error := _fault(where, text)):
        raise error
    try:
        frame = pd.read_csv(
            io.BytesIO(text.data),
            sep=text.delimiter,
            dtype=str,
            keep_default_na=False,
            na_values=list(missing),
            names=[f"column {position}" for position in range(len(names))],
            usecols=[position for position, name in enumerate(names) if name in columns] if columns else None,
            header=None,
            skiprows=1,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise _fault(where, text) or _ragged(where, str(error)) from error
    frame = frame.set_axis([name for name in names if not columns or name in columns], axis=1)
    if not len(frame):
        raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.")
    return frame


def read_text_matrix(path: str | os.PathLike[str], delimiter: str = "") -> Matrix:
    """Read a table of numbers whose first column holds the ids."""
    where = os.fspath(path)
    text = _open_text(path, delimiter)
    table = _parse(where, text, {0})
    ids = [name or "" for name in table.column(0).to_pylist()]
    refuse_header(where, ids, text.names[0])
    return numbers(where, ids, text.names[1:], (column.to_numpy() for column in table.columns[1:]))


def refuse_header(where: str, ids: list[str], name: str) -> None:
    """Refuse a table whose header stands once more among its rows, `name` being that of the column of ids."""
    if name and name in ids:
        raise InputError(
            f"{where}, row {ids.index(name) + 1}",
            f"the header once more ({name!r} among the ids)",
            "one header, in the first line",
            "Were tables put one below the other? Remove the headers between them.",
        )


def read_labelled(path: str | os.PathLike[str], labels: Collection[str]) -> tuple[dict[str, list[str]], Matrix]:
    """Read a tab-separated table of features x samples that begins with columns of text.

    Parameters
    ----------
    labels
        Names that columns of text have, in lower case.

    Returns
    -------
    tuple
        Columns of text by name, "" where missing; the numbers, rows and columns as in the file.
    """
    where = os.fspath(path)
    text = _open_text(path, "\t", comments=True)
    of_text = [position for position, name in enumerate(text.names) if name.lower() in labels]
    if not of_text:
        raise InputError(
            where,
            f"columns {some(text.names, 3)}",
            "a column that names the feature, such as Hugo_Symbol",
            "Check that the file is what its name says.",
        )
    of_numbers = [position for position in range(len(text.names)) if position not in of_text]
    names = checked_ids(where, [text.names[position] for position in of_numbers])
    table = _parse(where, text, of_text)
    rows = [f"line {number + 2}" for number in range(table.num_rows)]
    found = {
        text.names[position].lower(): [value or "" for value in table.column(position).to_pylist()]
        for position in of_text
    }
    return found, numbers(where, rows, names, (table.column(position).to_numpy() for position in of_numbers))


def _parse(where: str, text: _Text, of_text: Collection[int]) -> Any:
    """Return an Arrow table whose columns are called by their positions: features may be called like the id column."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    positions = [str(position) for position in range(len(text.names))]

    spellings = set(SPELLINGS)

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        return arrow_csv.read_csv(
            io.BytesIO(text.data),
            arrow_csv.ReadOptions(
                use_threads=False,
                column_names=positions,
                skip_rows=1,
                # A row has to fit into a block.
                block_size=max(1 << 20, 64 * len(text.names)),
            ),
            arrow_csv.ParseOptions(delimiter=text.delimiter),
            arrow_csv.ConvertOptions(
                column_types={str(position): pa.string() for position in of_text} | types,
                null_values=sorted(spellings),
                strings_can_be_null=True,
                timestamp_parsers=[],
            ),
        )

    def parse_numbers() -> pa.Table:
        try:
            return parse({name: pa.float32() for name in positions if int(name) not in of_text})
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            odd = re.search("invalid value '(.*)'", str(error), re.DOTALL)
            if odd and says_missing(odd[1]) and odd[1] not in spellings and len(spellings) < _MOST_SPELLINGS:
                spellings.add(odd[1])
                return parse_numbers()
            # Let types be guessed, which is slower: true and false are numbers too, and text has to be found and named.
            return parse({})

    try:
        return parse_numbers()
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise InputError(where, "a header and no rows", "one row per sample", "Write the table again.") from error
        raise _fault(where, text) or _ragged(where, str(error)) from error


def _open_text(path: str | os.PathLike[str], delimiter: str = "", *, comments: bool = False) -> _Text:
    """Return a text table's column names and its bytes, uncompressed, header included, once it looks like a table."""
    where = os.fspath(path)
    delimiter = delimiter or DELIMITERS[table_suffix(path).removesuffix(".gz")]
    try:
        check_file(path, "a table")
        with reading(path):
            data = Path(path).read_bytes()
        # Whatever the name says: downloads lose it, or are unpacked on the way.
        while data.startswith(_GZIP):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            where, f"a damaged gzip file ({error})", "a whole gzip file", "Copy or download the file again."
        ) from error
    found = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), "")
    if found:
        raise InputError(where, found, "a text file in UTF-8", "Export the table as CSV or TSV.")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    above = data.count(b"\n")
    while comments and data[:1] == b"#":
        data = data.partition(b"\n")[2]
    start = data[:4096].lstrip()
    if data[:1].isspace():
        data = data.lstrip(b"\n")
    above -= data.count(b"\n")
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
    if b"\0" in data:
        line = above + data.count(b"\n", 0, data.index(b"\0")) + 1
        advice = "Export the table as CSV or TSV."
        raise InputError(f"{where}, line {line}", "binary content", "a text file in UTF-8", advice)
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = above + data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}, line {line}",
            "bytes that are not text in UTF-8",
            "a text file in UTF-8",
            "Export the table as CSV or TSV in UTF-8, not in Latin-1 or another encoding.",
        ) from error
    first, *rest = [line.decode("utf-8") for line in islice(io.BytesIO(data), 2)]
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
    if rest and rest[0].count('"') % 2 == 0 and len(_fields(where, rest[0], delimiter)) == len(names) + 1:
        names = ["", *names]
    return _Text(names, data, delimiter, above)


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


def _fault(where: str, text: _Text) -> InputError | None:
    """Find the first line at fault, by Python's own parser: an unclosed quote, or a row of another length."""
    rows = csv.reader(
        io.TextIOWrapper(io.BytesIO(text.data), "utf-8", newline=""), delimiter=text.delimiter, strict=True
    )
    line = 1
    try:
        for number, row in enumerate(rows):
            if number and row and len(row) != len(text.names):
                return _ragged(
                    f"{where}, line {text.above + line}", f"{len(row)} fields, {len(text.names)} in the header"
                )
            line = rows.line_num + 1
    except csv.Error as error:
        return InputError(
            f"{where}, line {text.above + line}",
            f"a quotation mark that does not close ({error})",
            "quotation marks in pairs, around whole fields",
            "Close it or remove it.",
        )
    return None


def _ragged(where: str, problem: str) -> InputError:
    return InputError(
        where,
        f"rows of different lengths ({problem.strip()[:200]})",
        "the same number of fields in every row",
        "Check delimiters, quotes and decimal commas, and whether the file is complete.",
    )
