"""Tables of the pages: text that is ready to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from cch_omics.config import ReportConfig


@dataclass(frozen=True)
class Column:
    """A heading, and how the cells below it are shown."""

    name: str
    number: bool = False
    long: bool = False
    verdict: bool = False
    link: bool = False


@dataclass(frozen=True)
class Row:
    """Cells, or the heading of a group of rows; `chosen` rows are shaded."""

    cells: tuple[str, ...] = ()
    group: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption, and what is said below it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""


def capped(caption: str, columns: Sequence[Column], rows: Sequence[Row], settings: ReportConfig, file: str) -> Table:
    """Show the first `report.max_rows` rows, and say where the others are."""
    if len(rows) <= settings.max_rows:
        return Table(caption, columns, rows)
    note = f"The first {settings.max_rows} of {len(rows)} rows; all are in {file}."
    return Table(caption, columns, rows[: settings.max_rows], note)
