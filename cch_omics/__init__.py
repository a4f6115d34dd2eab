"""Should a model on a weak omics be distilled from another omics, from which one, and how sure are we?"""

import subprocess
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

# The faces for notebooks. Imported when they are asked for: planning a workflow must not wait for torch.
_FACES = ("pl", "pp", "tl")


def __getattr__(name: str) -> Any:
    if name in _FACES:
        return import_module(f"cch_omics.{name}")
    if name == "__version__":
        globals()[name] = _version()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    """What git calls the commit of a clone, such as 0.2.0-12-g6c2e4f8-dirty; elsewhere the version of the installation.

    The version of an editable installation is that of the day it was installed, and the code has moved on since.
    """
    root = Path(__file__).parents[1]
    # Not the repository around an environment. No lock: someone may be committing there.
    if (root / ".git").exists():
        clone = ["git", "--no-optional-locks", f"--git-dir={root / '.git'}", f"--work-tree={root}"]
        describe = [*clone, "describe", "--tags", "--always", "--dirty"]
        with suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run(describe, cwd=root, capture_output=True, text=True, check=True, timeout=10)
            return said.stdout.strip().removeprefix("v")
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("cch_omics")
    return "unknown"
