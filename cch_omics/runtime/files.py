"""Results on disk: whole or not at all, and the same bytes for the same content."""

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cch_omics.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` when the block succeeds, and vanishes when it fails.

    The block creates a file or a folder there. It has the name (hence the suffix) of `path` and lies on the same file
    system, so that the last step is a rename. Folders above `path` are made; a file takes no folder's place.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}.") as room:
        draft = Path(room) / final.name
        yield draft
        if draft.is_dir() and final.is_dir() and not final.is_symlink():
            # A folder cannot be replaced in one step; the old one goes when the room is removed.
            final.rename(Path(room) / f"{final.name}.old")
        draft.replace(final)


def write_table(frame: "pd.DataFrame", path: str | os.PathLike[str]) -> None:
    """Write a table as TSV without its index: floats with ten significant digits, nothing for a missing value."""
    with atomic(path) as draft:
        draft.write_text(table_text(frame), encoding="utf-8", newline="")


def table_text(frame: "pd.DataFrame", separator: str = "\t") -> str:
    """What `write_table` writes, or the same with another separator."""
    return frame.to_csv(sep=separator, index=False, na_rep="", float_format="%.10g", lineterminator="\n")


def read_table(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read what `write_table` wrote; only an empty field is missing (so "NA" and "none" stay text)."""
    import pandas as pd  # here, so that `atomic` serves where pandas is not installed

    _must_exist(path)
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""], float_precision="round_trip")


def write_json(content: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write JSON, indented, keys in the order given; numpy values are turned into plain ones, NaN into null.

    Raises
    ------
    ValueError
        On infinite numbers, which JSON does not have.
    """
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object."""
    _must_exist(path)
    content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return content


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


def _must_exist(path: str | os.PathLike[str]) -> None:
    if not Path(path).is_file():
        raise InputError(os.fspath(path), "no such file", "a file that an earlier step wrote", "Run that step first.")
