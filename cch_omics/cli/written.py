"""Where a command may write: over nothing that it did not make, and never over what it reads.

A parameter that is written is declared by `Written`, once; the rest follows from that, before anything is read.
"""

import inspect
import json
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typer.models import OptionInfo

from cch_omics.errors import InputError

# What no command reads, though it lies in a folder that one reads.
NO_INPUTS = {"HTML": ".html", "LOG": ".log"}
# What Snakemake and Finder leave in folders.
_LEFT = {".snakemake_timestamp", ".DS_Store"}
_FILE = "nothing there, or a regular file that the command neither reads nor writes otherwise"
_FOLDER = "nothing there, an empty folder, or one with nothing but what this command wrote"
# Names of drafts and states are longer than that of the output by this, and by eight letters.
_ROOM = "." * 17


class Written(OptionInfo):
    """Option that is a file to be written; a folder if `ours` tells one that the command made. `dash`: `-` may stand
    for standard output.
    """

    def __init__(self, kind: str, text: str, *, ours: Callable[[Path], bool] | None = None, dash: bool = False) -> None:
        said = f"{text}: a {'folder' if ours else 'file'}, written{'; - is standard output' if dash else ''}"
        super().__init__(default=..., param_decls=(), metavar=kind, help=said)
        self.ours, self.dash, self.no_input = ours, dash, NO_INPUTS.get(kind)


def declared(function: Callable[..., None]) -> dict[str, Written]:
    """Parameters of a command that are written."""
    parameters = inspect.signature(function).parameters.items()
    marks = ((name, mark) for name, each in parameters for mark in getattr(each.annotation, "__metadata__", ()))
    return {name: mark for name, mark in marks if isinstance(mark, Written)}


def outputs(written: Mapping[str, Written], given: Mapping[str, Any]) -> dict[str, Path]:
    """Paths that are written, by parameter."""
    paths = {name: given[name] for name in written if given.get(name) is not None}
    return {name: path for name, path in paths.items() if not (written[name].dash and str(path) == "-")}


def refusals(written: Mapping[str, Written], given: Mapping[str, Any]) -> dict[str, InputError]:
    """Why what was given cannot be written, by parameter; empty if all can."""
    each = [(name, item) for name, value in given.items() for item in (value if isinstance(value, list) else [value])]
    paths = [(name, path, _chain(path)) for name, path in [*each, *_source(given)] if isinstance(path, Path)]
    refused = {}
    for name, path in outputs(written, given).items():
        how = written[name]
        try:
            found = _in_the_way(path, how)
            for other, there, chain in paths:
                if not found and other != name:
                    may_lie_in = other in written or not _mode(path) or path.suffix == how.no_input
                    relation = _relation(_chain(path), chain, may_lie_in=may_lie_in)
                    found = f"{relation} --{other} {str(there)!r}" if relation else ""
            found = found or _not_ours(path, how)
            if not found:
                _try(path)
        except OSError as error:
            found = f"which cannot be written ({error.strerror})"
        if found:
            expected, advice = _FOLDER if how.ours else _FILE, "Give another path, or move away what is there."
            refused[name] = InputError(f"--{name}", f"{str(path)!r}, {found}", expected, advice)
    return refused


def _in_the_way(path: Path, how: Written) -> str:
    """What is there and is nothing to be replaced."""
    mode = _mode(path)
    if stat.S_ISLNK(mode):
        return f"a symbolic link to {os.readlink(path)!r}"
    return "" if not mode or stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a device, a pipe or a socket"


def _relation(mine: list[object], other: list[object], *, may_lie_in: bool) -> str:
    """How a path conflicts with another one."""
    if mine[0] in other:
        return "the same as" if mine[0] == other[0] else "which holds"
    return "which lies in" if other[0] in mine and not may_lie_in else ""


def _not_ours(path: Path, how: Written) -> str:
    """What file or folder is there, if it is of the other kind, of somebody else or protected."""
    mode = _mode(path)
    if mode and stat.S_ISDIR(mode) != bool(how.ours):
        return "a file" if how.ours else "a folder"
    if mode and how.ours:
        content = entries(path)
        if path.name in {"", ".."} or path.is_mount():
            return "a folder that cannot be replaced"
        if content and not how.ours(path):
            return f"a folder with other content, such as {content[0].name!r}"
    return "which is write-protected" if mode and not os.access(path, os.W_OK) else ""


def _try(path: Path) -> None:
    """Raise the OSError that would come when the results are written: missing permission, a name too long."""
    names, parent = [path.name], path.parent
    while not os.path.lexists(parent):
        names.append(parent.name)
        parent = parent.parent
    longest = max(names, key=lambda name: len(os.fsencode(name)))
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{longest}{_ROOM}"):
        pass


def _mode(path: Path) -> int:
    """Kind and permissions of what is there; 0 if nothing is."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _chain(path: Path) -> list[object]:
    """What tells a path, and the folders above it, from others, whatever they are called."""

    def identity(each: Path) -> object:
        try:
            found = each.stat()
        except OSError:
            return each
        return found.st_dev, found.st_ino

    try:
        real = Path(os.path.realpath(path))
    except OSError:
        real = Path(os.path.abspath(path))
    return [identity(each) for each in (real, *real.parents)]


def _source(given: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """What a row of the sheet is read from: a file, or those of a folder (results may lie deeper in it)."""
    try:
        source = Path(json.loads(given["row"])["source"])
    except (LookupError, TypeError, ValueError, RecursionError):
        return []
    if "\0" in str(source):
        return []
    if not os.path.isdir(source) or not os.access(source, os.R_OK):
        return [("row", source)]
    return [("row", each) for each in source.iterdir() if each.name == "case_lists" or not os.path.isdir(each)]


def entries(folder: Path) -> list[Path]:
    """What is in a folder, in order."""
    return sorted(each for each in folder.iterdir() if each.name not in _LEFT)


def is_students(folder: Path) -> bool:
    """Whether a folder holds bundles of students and nothing else."""
    from cch_omics.student.about import ALONE_FOLDER, FORMAT, TAUGHT_FOLDER
    from cch_omics.student.bundle import ABOUT_FILE, CARD_FILE, WEIGHTS_FILE
    from cch_omics.student.explain import FEATURES_FILE

    own = {ABOUT_FILE, CARD_FILE, WEIGHTS_FILE, FEATURES_FILE}

    def is_bundle(each: Path) -> bool:
        if not stat.S_ISDIR(_mode(each)) or _json(each / ABOUT_FILE).get("format") != FORMAT:
            return False
        others = [file for file in entries(each) if file.name not in own]
        return all(file.name in {ALONE_FOLDER, TAUGHT_FOLDER} and is_bundle(file) for file in others)

    return all(map(is_bundle, entries(folder)))


def is_validation(folder: Path) -> bool:
    """Whether a folder holds what `cch validate` wrote and nothing else."""
    from cch_omics.student.validate import FILES

    names = {each.name for each in entries(folder)}
    return "validation.json" in names and names <= set(FILES)


def is_download(folder: Path) -> bool:
    """Whether a folder is a download to which nobody has added: its record is written last."""
    from cch_omics.data.download import RECORD

    record = folder / RECORD
    dates = [each.lstat().st_mtime for each in folder.rglob("*") if each.name not in _LEFT and not each.is_dir()]
    return {"source", "files"} <= _json(record).keys() and max(dates) <= record.lstat().st_mtime


def is_schemas(folder: Path) -> bool:
    """Whether a folder holds schemas and nothing else."""
    return all(each.name.endswith(".schema.json") and stat.S_ISREG(_mode(each)) for each in entries(folder))


def _json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
