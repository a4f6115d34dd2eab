"""What a pilot student gains from each teacher, inside every outer training set.

Two kinds: linear ones, in closed form, which every cohort has (`criteria.linear_pilot`), and the networks that were
distilled on the inner folds, where they have been trained.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.criteria.linear_pilot import linear_students
from cch_omics.criteria.pilot import accuracy_gain, mean_gain
from cch_omics.predictions import Distillation, Encoding
from cch_omics.splits import Splits

COLUMNS = ("repeat", "fold", "teacher", "student", "pilot_gain", "pilot_gain_se")


def linear_pilots(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    student: str,
    inputs: NDArray[np.float32] | None,
) -> pd.DataFrame:
    """Gains of linear students of one modality, by `criteria.linear_pilot`.

    Parameters
    ----------
    inputs
        (S, K + 1, n, k) components of the student's samples (`Encoding.inputs`); None: gains are NaN.

    Returns
    -------
    DataFrame
        `COLUMNS`, see `pilot_gains`.
    """
    rows = cohort.modalities[student].rows
    teachers = [name for name in encodings if name != student]
    found = np.full((len(teachers), *encodings[student].logits.shape), np.nan)
    for s, components in enumerate(() if inputs is None else inputs):
        labels = np.where(splits.labelled[s, rows], cohort.labels[rows], -1)
        of_teachers = np.stack([encodings[name].teaching(s)[:-1, rows] for name in teachers])
        found[:, s, rows] = linear_students(components, splits.inner[s, rows], labels, of_teachers)
    taught = dict(zip(teachers, found, strict=True))
    return pilot_gains(cohort, splits, encodings, student, taught)


def network_pilots(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    *,
    offsets: bool = True,
) -> pd.DataFrame:
    """Gains of the students that were distilled on the inner folds, by `distillation.distil`: as `pilot_gains`."""
    tables = []
    for student, distillation in distillations.items():
        named = zip(distillation.teachers, distillation.shuffled, distillation.logits, strict=True)
        taught = {name: logits for name, shuffled, logits in named if not shuffled and name != student}
        tables.append(pilot_gains(cohort, splits, encodings, student, taught, offsets=offsets))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def pilot_gains(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    student: str,
    taught: Mapping[str, NDArray[Any]],
    *,
    offsets: bool = True,
) -> pd.DataFrame:
    """Gain in balanced accuracy over the student trained alone, on training samples that have both omics.

    Parameters
    ----------
    taught
        By teacher, (S, n, C) logits of students that did not see the sample's inner fold.
    offsets
        Whether decisions are made with class offsets, as they are everywhere else.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per split and teacher: `accuracy_gain` and its error, NaN without a labelled sample. The
        whole split has the mean of the outer training sets, if there are any, by `mean_gain`: each pilot is a small
        experiment with a chance of its own.
    """
    patient = np.unique(cohort.groups, return_inverse=True)[1]
    where = list(zip(splits.repeat.tolist(), splits.fold.tolist(), strict=True))
    rows = []
    for teacher, logits in taught.items():
        found = []
        # The whole split has a pilot of its own only where it is alone.
        for s in range(splits.whole or 1):
            of_all = (encodings[student].logits[s], logits[s], encodings[teacher].logits[s])
            usable = splits.train[s] & np.logical_and.reduce([np.isfinite(each).all(-1) for each in of_all])
            labels = np.where(splits.labelled[s], cohort.labels, -1)
            gain = accuracy_gain(*(each[usable] for each in (*of_all, labels, patient)), offsets=offsets)
            of_patients = np.zeros(len(patient))
            np.add.at(of_patients, patient[usable], gain.influence)
            found.append(replace(gain, influence=of_patients))
        each = [(gain.value, gain.se) for gain in found]
        if splits.whole > 0:
            each.append(mean_gain(found))
        rows += [(*split, teacher, student, *gain) for split, gain in zip(where, each, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))
