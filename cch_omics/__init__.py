"""Should a model on a weak omics be distilled from another omics, from which one, and how sure are we?"""

from importlib import import_module
from types import ModuleType

__version__ = "0.2.0"

# The faces for notebooks. Imported when they are asked for: planning a workflow must not wait for torch.
_FACES = ("pl", "pp", "tl")


def __getattr__(name: str) -> ModuleType:
    if name in _FACES:
        return import_module(f"cch_omics.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
