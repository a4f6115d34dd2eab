"""Part 5: two cohorts of breast cancer, in all ordered pairs of their omics."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from research.paper.analysis import Claim
from research.paper.cohorts import all_pairs, cases_of, claims_of, draw_of, tables_of

PAIRS = {
    "brca-paired": all_pairs(("rna", "cnv", "mutation", "rppa")),
    "tcga-brca": all_pairs(("rna", "methylation", "mirna", "cnv", "rppa", "mutation")),
}
WHY: dict[str, str] = {}


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    return cases_of(data, PAIRS, quick=quick)


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims of cancer omics."""
    return claims_of(rows, "Cancer omics: the gain has the order and the sign of the gap", WHY)


def tables(rows: pd.DataFrame) -> str:
    """Gaps and gains of each pair."""
    return tables_of(rows)


def draw(rows: pd.DataFrame) -> Figure:
    """Gaps against gains, by cohort."""
    return draw_of(rows, rows["cohort"] + ", " + rows["target"])
