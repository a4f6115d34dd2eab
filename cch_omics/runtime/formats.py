"""Tables, JSON and arrays that steps hand on: the same bytes for the same content."""

import csv
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.runtime.files import atomic

# Text that a spreadsheet would run, with or without apostrophes that keep it from that: no number, and no sign alone.
_FORMULA = re.compile(r"['\s]*([=+@＝＋－＠].|-(?!\d*\.?\d*(e[+-]?\d+)?$).)|'*[\t\r\n].", re.DOTALL | re.IGNORECASE)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as TSV without its index: floats with ten significant digits, nothing for a missing value.

    Text that a spreadsheet would run gets an apostrophe in front (`is_formula`), which `read_table` takes off.
    """
    with atomic(path) as draft:
        draft.write_text(table_text(frame), encoding="utf-8", newline="")


def table_text(frame: pd.DataFrame, separator: str = "\t") -> str:
    """What `write_table` writes, or the same with another separator."""
    safe = _with_text(frame, lambda text: f"'{text}" if is_formula(text) else text)
    written = partial(safe.to_csv, sep=separator, index=False, na_rep="", float_format="%.10g", lineterminator="\n")
    text = str(written())
    # Readers take a carriage return without quotes for the end of a line.
    return str(written(quoting=csv.QUOTE_ALL)) if "\r" in text else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a text."""
    return _FORMULA.match(text) is not None


def read_table(path: str | os.PathLike[str], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read what `write_table` wrote; only an empty field is missing (so "NA" and "none" stay text).

    Raises
    ------
    InputError
        If there is no such file, none that can be read as a table, or one that lacks some of the columns.
    """
    _must_exist(path)
    try:
        frame = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""], float_precision="round_trip")
    except ValueError as error:
        raise _damaged(path, error) from None
    if missing := [column for column in columns if column not in frame]:
        raise _damaged(path, ValueError(f"no column {', '.join(missing)}"))
    return _with_text(frame, lambda text: text[1:] if text.startswith("'") and is_formula(text[1:]) else text)


def write_json(content: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write JSON, indented, keys in the order given; numpy values are turned into plain ones, NaN into null.

    Raises
    ------
    ValueError
        On infinite numbers, which JSON does not have.
    """
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as draft:
        # A path may have bytes that are no text: they stay the escapes that they are in JSON.
        draft.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If there is no such file, or none that can be read as a JSON object.
    """
    _must_exist(path)
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from None
    if not isinstance(content, dict):
        raise _damaged(path, TypeError("no JSON object"))
    return content


@contextmanager
def read_arrays(path: str | os.PathLike[str]) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Open an `.npz` file for the block that reads its arrays.

    Raises
    ------
    InputError
        If there is no such file, none that can be read as `.npz`, or one that lacks an array that the block asks for.
    """
    _must_exist(path)
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no .npz file")
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from None


def _with_text(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """A table whose headings and texts are changed."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    made = frame.set_axis([changed(name) for name in frame.columns], axis=1)
    for position, dtype in enumerate(made.dtypes):
        if dtype.kind not in "biuf":
            made.isetitem(position, made.iloc[:, position].map(changed).array)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _damaged(path: str | os.PathLike[str], error: Exception) -> InputError:
    found = f"content that cannot be read ({error})"
    return InputError(os.fspath(path), found, "a file that an earlier step wrote", "Remove it and run that step again.")


def _must_exist(path: str | os.PathLike[str]) -> None:
    if not Path(path).is_file():
        raise InputError(os.fspath(path), "no such file", "a file that an earlier step wrote", "Run that step first.")
