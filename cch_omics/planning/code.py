"""Which code made a result: a hash of the layers of this package that a step uses.

Snakemake runs a step again when its inputs, its parameters or its shell command change, but does not look into the
program that the command calls. So every rule carries `code_hash(step)` as a parameter.
"""

import hashlib
from pathlib import Path

from cch_omics.planning.steps import STEPS

ROOT = Path(__file__).resolve().parents[1]
# A file or folder of a layer imports its own layer and those before it. `cli` calls all of them.
LAYERS = (
    ("base", ("cli", "errors.py", "keys.py", "runtime", "config", "planning")),
    ("data", ("tasks", "cohort.py", "views.py", "data")),
    ("splits", ("splits.py",)),
    ("models", ("models",)),
    ("information", ("information",)),
    ("verdict", ("verdict",)),
    ("evaluation", ("evaluation",)),
    ("student", ("vocabulary.py", "student")),
    ("report", ("report",)),
)


def code_hash(step: str, root: Path = ROOT) -> str:
    """Hash of the code in the layer of a step and in those below it; "" for a step without a layer.

    Comments and layout count, and so do the files beside the code, such as templates of pages.

    Parameters
    ----------
    step
        Name in `steps.STEPS`.
    root
        Folder of the package.
    """
    last = STEPS[step].layer
    if not last:
        return ""
    digest = hashlib.sha256()
    for layer, names in LAYERS:
        for file in (file for name in names for file in _files(root / name)):
            digest.update(b"\0" + file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
        if layer == last:
            break
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    """A file, or those of a folder, but for what Python and editors leave there."""
    if path.is_file():
        return [path]
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts))
