"""Tables of the pages: text that is ready to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass


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
    """Cells, of which further lines are set small, or the heading of a group of rows; `chosen` rows are shaded."""

    cells: tuple[str, ...] = ()
    group: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Table:
    """A table; a page shows its first `report.max_rows` rows and says that `file` has all."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    file: str
