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
WHY = {
    "brca-paired": "With all labels no teacher helps; gaps tell how much it harms. KSG calls two losses positive, by "
    "0.01 and 0.02 nats, which are within its error; the other estimators and the gap of outputs do not. Gaps of 0.1 "
    "to 0.3 nats come with no gain.",
    "tcga-brca": "As above, and part of each loss is that of soft targets as such: students that teach themselves lose "
    "up to 7 points. rna shares 0.2 nats more with methylation and mirna than it knows of PAM50, and loses 11 to 13 "
    "points by them: shared is not what it lacks. How far the teacher is ahead orders the gains better (0.96). MINE "
    "fails: some 110 patients a fold, rare classes, values of -9 nats for I(S;Y).",
}


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
