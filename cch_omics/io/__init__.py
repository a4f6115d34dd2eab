"""Reading cohorts and writing results.

What needs pandas, anndata or mudata is imported when it is asked for: `atomic` serves on machines without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cch_omics.io.files import atomic, read_json, read_table, write_json, write_table

if TYPE_CHECKING:
    from cch_omics.io.mudata import read_cohort, write_cohort
    from cch_omics.io.sources import ingest, read_source
    from cch_omics.io.tables import read_matrix

__all__ = [
    "atomic",
    "ingest",
    "read_cohort",
    "read_json",
    "read_matrix",
    "read_source",
    "read_table",
    "write_cohort",
    "write_json",
    "write_table",
]

_HOMES = {
    "ingest": "sources",
    "read_cohort": "mudata",
    "read_matrix": "tables",
    "read_source": "sources",
    "write_cohort": "mudata",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"cch_omics.io.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
