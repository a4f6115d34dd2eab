"""What a long training has done so far, kept on disk until all of it is done.

A file that Snakemake knows as an output is deleted before a job is tried again. So the results of finished splits lie
in a folder of their own beside the output, named by a fingerprint of all that they depend on: files, settings and code.
"""

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cch_omics.runtime.files import atomic

Arrays = Mapping[str, NDArray[Any]]

logger = logging.getLogger(__name__)


class State(Protocol):
    """Where the arrays of finished splits are kept."""

    def load(self, split: int) -> Arrays | None:
        """The arrays of a split; None where it is still to be done."""

    def save(self, split: int, arrays: Arrays) -> None:
        """Keep the arrays of a split."""


class Folder:
    """One `.npz` file per finished split, in the hidden folder `.OUTPUT.FINGERPRINT.state` beside the output.

    Parameters
    ----------
    output
        The file that is being made.
    inputs
        Files that it is made from: their content counts.
    depends
        Whatever else it depends on, as text.
    """

    def __init__(self, output: Path, inputs: Iterable[Path], depends: Iterable[str]) -> None:
        self.output = output
        self.path = output.with_name(f".{output.name}.{_fingerprint(inputs, depends)}.state")

    def load(self, split: int) -> Arrays | None:
        """Read the arrays of a split. A file that cannot be read counts as missing: the split is done again."""
        file = self._file(split)
        try:
            with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            logger.warning("%s is damaged (%s): split %d is done again", file, error, split)
            return None

    def save(self, split: int, arrays: Arrays) -> None:
        """Write the arrays of a split, whole or not at all."""
        with atomic(self._file(split)) as draft, draft.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def finished(self) -> int:
        """How many splits are there."""
        return len(list(self.path.glob("split-*.npz")))

    def remove(self) -> None:
        """Forget the splits, and those of earlier fingerprints, once the output is there."""
        for folder in self.output.parent.glob(f".{self.output.name}.*.state"):
            shutil.rmtree(folder, ignore_errors=True)

    def _file(self, split: int) -> Path:
        return self.path / f"split-{split:04d}.npz"


class Made:
    """What the steps of one process have made, so that the next such process goes on after them.

    Parameters
    ----------
    notes
        A JSON file: of each step a fingerprint of all that it read, wrote and depends on.
    """

    def __init__(self, notes: Path) -> None:
        self.notes = notes
        try:
            self.known = dict(json.loads(notes.read_bytes()))
        except (OSError, ValueError, TypeError):
            self.known = {}

    def is_current(self, step: str, paths: Iterable[Path], depends: Iterable[str]) -> bool:
        """Whether a step has read and written just these files and folders, and depends on the same as then."""
        try:
            return bool(self.known.get(step) == _fingerprint(_files(paths), depends))
        except OSError:
            return False

    def note(self, step: str, paths: Iterable[Path], depends: Iterable[str]) -> None:
        """Note that a step is done."""
        self.known[step] = _fingerprint(_files(paths), depends)
        with atomic(self.notes) as draft:
            draft.write_text(json.dumps(self.known, indent=1))


def _files(paths: Iterable[Path]) -> list[Path]:
    """Files, and those of folders."""
    each = ([path] if not path.is_dir() else sorted(path.rglob("*")) for path in paths)
    return [file for files in each for file in files if not file.is_dir()]


def _fingerprint(inputs: Iterable[Path], depends: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in inputs:
        with path.open("rb") as file:
            digest.update(b"\0file" + hashlib.file_digest(file, "sha256").digest())
    for text in depends:
        digest.update(b"\0text" + text.encode())
    return digest.hexdigest()[:16]
