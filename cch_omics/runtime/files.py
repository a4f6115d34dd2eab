"""Files: written whole or not at all, and read only where there is something to read.

The planning of a workflow imports this file: nothing heavy.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cch_omics.errors import InputError, refused_by_system


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


def check_file(path: str | os.PathLike[str], expected: str = "a file with content that can be read") -> None:
    """Refuse what is no file with content that can be read.

    Raises
    ------
    InputError
        For links to nowhere or in circles, folders, pipes, sockets, devices, empty and protected files.
    """
    if found := in_the_way(path):
        raise InputError(
            os.fspath(path),
            found,
            expected,
            "Copy or link it again, or remove it. A relative path starts at the working directory.",
        )


def in_the_way(path: str | os.PathLike[str]) -> str:
    """What keeps a file from being read, told without opening it: a pipe would wait for ever."""
    try:
        found = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            return f"a link to {os.readlink(path)!r} that leads nowhere ({error.strerror})"
        return "no such file" if isinstance(error, FileNotFoundError) else f"{error.strerror}".lower()
    if stat.S_ISDIR(found.st_mode):
        return "a folder"
    if not stat.S_ISREG(found.st_mode):
        return "a pipe, a socket or a device"
    if not os.access(path, os.R_OK):
        return "a file without permission to read it"
    return "" if found.st_size else "an empty file"


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make a message of what the system says while a file or a folder is read: it may vanish meanwhile."""
    try:
        yield
    except OSError as error:
        # What a library says about the content has no number.
        if refused := refused_by_system(error, os.fspath(path)):
            raise refused from error
        raise
