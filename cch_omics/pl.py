"""Plots for notebooks, of what `cch_omics.tl` stored in a MuData."""

from typing import TYPE_CHECKING

import pandas as pd

from cch_omics import keys
from cch_omics.errors import InputError
from cch_omics.report import pair_plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData


def gap_matrix(mdata: "MuData", *, key: str = "cch", ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair, teachers in rows and students in columns, with standard error and verdict.

    Parameters
    ----------
    mdata
        After `tl.cch`; reads the verdict table in `mdata.uns[key]`.
    key
        Where the table is.
    ax
        Where to draw; a new Axes by default.

    Raises
    ------
    InputError
        If there is no verdict table.
    """
    where = f"mdata.uns[{key!r}]"
    found = mdata.uns.get(key)
    if found is None:
        raise InputError(where, "nothing", "the table of verdicts", "Run cch_omics.tl.cch(mdata, target=...) first.")
    # A table that was written to a file and read again may have come back as a mapping of columns.
    verdicts = found if isinstance(found, pd.DataFrame) else pd.DataFrame(dict(found))
    missing = [column for column in keys.VERDICT_COLUMNS if column not in verdicts]
    if missing:
        raise InputError(
            where, f"no column {', '.join(missing)}", "the table of verdicts", "Run cch_omics.tl.cch again."
        )
    return pair_plots.gap_matrix(verdicts, ax=ax)
