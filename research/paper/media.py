"""Part 4: what is said, heard and seen of a speaker, in all six ordered pairs."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from research.paper.analysis import Claim
from research.paper.cohorts import all_pairs, cases_of, claims_of, draw_of, tables_of
from research.paper.sheet import MOSI

WHY: dict[str, str] = {}


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    return cases_of(data, {"cmu-mosi": all_pairs(MOSI)}, quick=quick)


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims of text, audio and video."""
    return claims_of(rows, "Text, audio and video: the gain has the order and the sign of the gap", WHY)


def tables(rows: pd.DataFrame) -> str:
    """Gaps and gains of each pair."""
    return tables_of(rows)


def draw(rows: pd.DataFrame) -> Figure:
    """Gaps against gains, by student."""
    return draw_of(rows, "to " + rows["student"])
