"""Should a model on a weak omics be distilled from another omics, from which one, and how sure are we?"""

import subprocess
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
    """Version of the installation; of a clone that is used without one, the nearest tag or the commit."""
    try:
        return metadata.version("cch_omics")
    except metadata.PackageNotFoundError:
        pass
    describe = ["git", "describe", "--tags", "--always", "--dirty"]
    try:
        said = subprocess.run(describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip().removeprefix("v")
