"""Is a pair's gain foretold for other patients? Scores of one half of the patients against the gain on the other half.

A pilot's mean gain over outer training sets and the gain on their test patients are measured on the same patients, in
other splits. Here no patient is judged on both sides: what pilots gained on one half of a cohort's patients is set
against what distilling gained on the other half. As in every split, nobody is judged by a model that saw them.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from decisions_predictions import Stored, Task, load
from decisions_scores import UNDECIDED, kept, rooms, spearman
from numpy.typing import NDArray

from cch_omics.criteria.pilot import answers, posterior
from cch_omics.provenance import code_hash
from cch_omics.tasks.classification import class_offsets, decide

DRAWS = 20
# What is asked of the first half: what distilling gained on it, what pilots did, and an analyst's first look.
SCORES = ("gain", "pilot_gain", "teacher_minus_student_accuracy")

Floats = NDArray[np.float64]


def halves_table(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """How well each of `SCORES` of one half of the patients foretells the gain on the other, means over draws.

    Columns: `budget, score, spearman, sign_right`, the latter with the quarter of pairs nearest to zero left undecided.
    """
    tables = []
    for task, budget, room in rooms(output, tasks, budgets):
        path = room / "scores" / f"halves-{code_hash('pilots')}-{code_hash('evaluate')}.parquet"
        tables.append(kept(path, lambda room=room: _halves(load(room))).assign(budget=budget, task=str(task)))
    rows = []
    for budget, table in pd.concat(tables).groupby("budget"):
        for score in SCORES:
            found = []
            for _, draw in table.groupby(["draw", "first"]):
                foretold, gain = draw[score].to_numpy(), draw["gain_of_others"].to_numpy()
                decided = np.abs(foretold) >= np.quantile(np.abs(foretold), UNDECIDED)
                found.append((spearman(foretold, gain), ((foretold > 0) == (gain > 0))[decided].mean()))
            rank, sign = np.mean(found, axis=0)
            rows.append({"budget": budget, "score": score, "spearman": rank, "sign_right": sign})
    return pd.DataFrame(rows)


def _halves(stored: Stored) -> pd.DataFrame:
    """`draw, first, teacher, student`, `SCORES` of a half of the patients, and `gain_of_others`."""
    patient = np.unique(stored.cohort.groups, return_inverse=True)[1]
    random = np.random.default_rng(0)
    drawn = [random.permutation(patient.max() + 1)[patient] % 2 == 0 for _ in range(DRAWS)]
    rows = []
    for student, taught in stored.taught["default"].items():
        for teacher, logits in zip(taught.teachers, taught.logits, strict=True):
            if teacher == student:
                continue
            sums = _sums(stored, stored.encodings[student].logits, logits, stored.encodings[teacher].logits)
            for draw, half in enumerate(drawn):
                for first, members in enumerate((half, ~half)):
                    scores = {name: _of_half(*sums[name], members) for name in SCORES}
                    other = _of_half(*sums["gain"], ~members)
                    row = {"draw": draw, "first": first, "teacher": teacher, "student": student}
                    rows.append(row | scores | {"gain_of_others": other})
    return pd.DataFrame(rows)


def _of_half(difference: Floats, weight: Floats, members: NDArray[np.bool_]) -> float:
    """Mean over classes of the weighted mean difference of the members."""
    of_class = weight[members].sum(0)
    present = of_class > 0
    return float((difference[members].sum(0)[present] / of_class[present]).mean())


def _sums(stored: Stored, alone: Floats, taught: Floats, teacher: Floats) -> dict[str, tuple[Floats, Floats]]:
    """By score, (n, C) sums over outer splits: difference of right answers, and how often a sample counted."""
    cohort, splits = stored.cohort, stored.splits
    one_hot = np.eye(len(cohort.classes))
    shape = len(cohort.labels), len(one_hot)
    sums = {name: (np.zeros(shape), np.zeros(shape)) for name in SCORES}

    def add(name: str, samples: NDArray[np.bool_], difference: Floats, weight: Floats) -> None:
        sums[name][0][samples] += weight * difference
        sums[name][1][samples] += weight

    for s in range(splits.whole):
        known = np.logical_and.reduce([np.isfinite(each[s]).all(1) for each in (alone, taught, teacher)])
        labels = np.where(splits.labelled[s], cohort.labels, -1)

        tested = splits.test[s] & cohort.labelled & np.isfinite(alone[s] + taught[s]).all(1)
        right = [
            one_hot[decide(each[s, tested], class_offsets(each[s], cohort.labels, splits.labelled[s]))]
            for each in (taught, alone)
        ]
        add("gain", tested, right[0] - right[1], one_hot[cohort.labels[tested]])

        trained = splits.train[s] & known
        of = labels[trained]
        logits = [each[s, trained] for each in (alone, taught, teacher)]
        said = [answers(each, of) for each in logits]
        add("pilot_gain", trained, said[1] - said[0], posterior(*logits, of)[0])
        add("teacher_minus_student_accuracy", trained, said[2] - said[0], (of >= 0)[:, None] * one_hot[of])
    return sums
