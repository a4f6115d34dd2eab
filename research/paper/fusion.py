"""Part 6: the teacher is a fusion of several modalities, beside each of them alone."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from research.paper.analysis import Claim
from research.paper.cohorts import all_pairs, cases_of, claims_of, draw_of, tables_of
from research.paper.sheet import MOSI

PAIRS = {
    "cmu-mosi": [
        *all_pairs(MOSI),
        *(("+".join(name for name in MOSI if name != student), student) for student in MOSI),
    ],
    "tcga-brca": list(
        product(
            ("rna", "methylation", "mirna", "rna+methylation", "rna+methylation+mirna"), ("cnv", "rppa", "mutation")
        )
    ),
}
WHY = {
    "cmu-mosi": "As without fusions. To text, audio and video together do half the harm of each, at the same gap.",
    "tcga-brca": "Gaps are positive everywhere, fused or not, and no gain is clear: fusions of rna with methylation "
    "and mirna teach no better than rna.",
}


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    return cases_of(data, PAIRS, quick=quick)


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims where teachers are fusions."""
    return claims_of(rows, "On top of fusion: the gain has the order and the sign of the gap", WHY)


def tables(rows: pd.DataFrame) -> str:
    """Gaps and gains of each pair."""
    return tables_of(rows)


def draw(rows: pd.DataFrame) -> Figure:
    """Gaps against gains, of fusions and of single modalities."""
    kinds = rows["teacher"].map(lambda teacher: "a fusion teaches" if "+" in teacher else "one modality teaches")
    return draw_of(rows, rows["cohort"] + ": " + kinds)
