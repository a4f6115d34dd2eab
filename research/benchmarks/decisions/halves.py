"""Is a pair's gain foretold for other patients? Scores of one half of the patients against the gain on the other half.

A pilot's mean gain over outer training sets and the gain on their test patients are measured on the same patients, in
other splits. Here no patient is judged on both sides: what pilots gained on one half of a cohort's patients is set
against what distilling gained on the other half. As in every split, nobody is judged by a model that saw them.
"""

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.tasks.classification.gain import answers, posterior
from research.benchmarks.decisions.predictions import Stored

DRAWS = 20
# What is asked of the first half: what distilling gained on it, what pilots did, and an analyst's first look.
SCORES = ("gain", "pilot_gain", "accuracy_difference")

Floats = NDArray[np.float64]


def halves(stored: Stored) -> pd.DataFrame:
    """`draw, first, teacher, student`, `SCORES` of a half of the patients, and `gain_of_others`."""
    patient = np.unique(stored.cohort.groups, return_inverse=True)[1]
    random = np.random.default_rng(0)
    drawn = [random.permutation(patient.max() + 1)[patient] % 2 == 0 for _ in range(DRAWS)]
    rows = []
    for student, predicted in stored.students.items():
        for model in predicted.taught:
            sums = sums_of(stored, predicted.alone, predicted.of(model), stored.encodings[model.teacher].outputs)
            for (draw, half), first in product(enumerate(drawn), (0, 1)):
                members = half if first == 0 else ~half
                scores = {name: of_half(*sums[name], members) for name in SCORES}
                row = {"draw": draw, "first": first, "teacher": model.teacher, "student": student}
                rows.append(row | scores | {"gain_of_others": of_half(*sums["gain"], ~members)})
    return pd.DataFrame(rows)


def of_half(difference: Floats, weight: Floats, members: NDArray[np.bool_]) -> float:
    """Mean over classes of the weighted mean difference of the members."""
    of_class = weight[members].sum(0)
    present = of_class > 0
    return float((difference[members].sum(0)[present] / of_class[present]).mean())


def sums_of(
    stored: Stored, alone: NDArray[np.floating], taught: NDArray[np.floating], teacher: NDArray[np.floating]
) -> dict[str, tuple[Floats, Floats]]:
    """By score, (n, C) sums over outer splits: difference of right answers, and how often a sample counted."""
    splits, classes = stored.splits, stored.cohort.target.strata
    one_hot = np.eye(alone.shape[2])
    shape = len(classes), len(one_hot)
    sums = {name: (np.zeros(shape), np.zeros(shape)) for name in SCORES}

    def add(name: str, samples: NDArray[np.bool_], difference: Floats, weight: Floats) -> None:
        sums[name][0][samples] += weight * difference
        sums[name][1][samples] += weight

    for s in range(splits.full):
        known = np.isfinite(alone[s] + taught[s]).all(1)
        labels = np.where(splits.labelled[s], classes, -1)
        # The logit adjustment of test samples is learnt from the labels of the training set.
        said = [np.full(shape, np.nan) for _ in range(2)]
        for each, outputs in zip(said, (alone[s], taught[s]), strict=True):
            each[known] = answers(outputs[known], labels[known])
        tested = splits.test[s] & known & (classes >= 0)
        add("gain", tested, said[1][tested] - said[0][tested], one_hot[classes[tested]])

        trained = splits.train[s] & known & np.isfinite(teacher[s]).all(1)
        of, outputs = labels[trained], [each[s, trained] for each in (alone, taught, teacher)]
        by_alone, by_taught, by_teacher = (answers(each, of) for each in outputs)
        add("pilot_gain", trained, by_taught - by_alone, posterior(*outputs, of)[0])
        add("accuracy_difference", trained, by_teacher - by_alone, (of >= 0)[:, None] * one_hot[of])
    return sums
