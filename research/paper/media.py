"""Part 4: what is said, heard and seen of a speaker, in all six ordered pairs."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cch_omics.evaluation.intervals import corrected_interval
from research.paper.analysis import Claim, markdown
from research.paper.cohorts import FOLDS, all_pairs, cases_of, claims_of, draw_of, draws_of_repeat, tables_of
from research.paper.experiment import Setting, encode, information
from research.paper.sheet import MOSI

WHY = {
    "cmu-mosi": "Text loses by what audio and video teach, as its negative gaps say. Audio and video have the largest "
    "gaps, and gain nothing from each other: 0.39 of the 0.45 nats that they share are shared by any two utterances of "
    "a video, whoever speaks there; of outputs the gap is 0.03. Text, 18 to 23 points ahead, is no help either, and "
    "its gaps of about 0 say so."
}
COHORT = "cmu-mosi"
SHARED = "mi_teacher_student_ksg"


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    yield from cases_of(data, {COHORT: all_pairs(MOSI)}, quick=quick)
    if not quick:
        yield "of-the-video", partial(of_the_video, data)


def of_the_video(data: Path) -> pd.DataFrame:
    """I(T;S) of representations of one utterance, and of two of a video, which share who speaks and where."""
    draws, setting, found = draws_of_repeat(data, COHORT, 0), Setting(), []
    encoded = {name: encode(draws, name, setting.student, setting) for name in MOSI}
    other = another_of_the_group(draws[0].cohort.groups, np.random.default_rng(0))
    for teacher, student in combinations(MOSI, 2):
        for kind, rows in (("one", np.arange(len(other))), ("another", other)):
            of = [replace(each, representation=each.representation[:, rows]) for each in encoded[teacher]]
            told = information(draws, {teacher: of}, encoded[student], setting)
            found.append(told[["draw", "teacher", SHARED]].assign(student=student, utterance=kind))
    return pd.concat(found, ignore_index=True)


def another_of_the_group(groups: NDArray[np.str_], random: np.random.Generator) -> NDArray[np.int64]:
    """(n,) For each sample another of its group: the next one in a random order."""
    found = np.empty(len(groups), dtype=np.int64)
    for group in np.unique(groups):
        members = random.permutation(np.flatnonzero(groups == group))
        found[members] = np.roll(members, 1)
    return found


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims of text, audio and video."""
    of_pairs = rows[rows["cohort"].notna()]
    return claims_of(of_pairs, "Text, audio and video: the gain has the order and the sign of the gap", WHY)


def tables(rows: pd.DataFrame) -> str:
    """Gaps and gains of each pair; and what two utterances of a video share."""
    text = tables_of(rows[rows["cohort"].notna()])
    if "utterance" not in rows:
        return text
    shared = []
    for (teacher, student), part in rows[rows["cohort"].isna()].groupby(["teacher", "student"], sort=False):
        row: dict[str, object] = {"modalities": f"{teacher}, {student}"}
        for kind, title in (("one", "of one utterance"), ("another", "of two utterances of a video")):
            values = part.loc[part["utterance"] == kind, SHARED].to_numpy(dtype=np.float64)
            mean, _, high = corrected_interval(values, FOLDS)
            row[f"I, nats, {title}"] = f"{mean:.2f} ± {high - mean:.2f}"
        shared.append(row)
    return f"{text}\n\n{markdown(shared)}"


def draw(rows: pd.DataFrame) -> Figure:
    """Gaps against gains, by student."""
    of_pairs = rows[rows["cohort"].notna()]
    return draw_of(of_pairs, "to " + of_pairs["student"])
