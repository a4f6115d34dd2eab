"""Pilots: what the students of the inner folds gained, inside every outer training set.

The students of the inner folds are compared with the student trained alone on the fold that neither saw, nor did the
teachers of either (`models.out_of_fold.Encoding.soft_targets`). With teachers that were trained on the fold's labels a
pilot is several times too optimistic where labels are few: the teacher passes them on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.splits import Splits
from cch_omics.tasks.base import Gain
from cch_omics.verdict.label_information import label_information

COLUMNS = (*keys.SPLIT_COLUMNS, *keys.PAIR_COLUMNS, "pilot_gain", "pilot_gain_se", "taught_information")


def pilots(
    cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], students: Mapping[str, OutOfFold]
) -> pd.DataFrame:
    """Gain of every taught student over the one trained alone, on training samples that have both omics.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row per split, pair and recipe: the gain in the primary metric and its error; and what the taught
        student knows of the label, in nats (`label_information`). NaN without a usable label. The full cohort has the
        mean of the outer training sets: each pilot is a small experiment with a chance of its own.
    """
    patient = np.unique(cohort.groups, return_inverse=True)[1]
    tasks = [splits.task(cohort.target, s) for s in range(splits.full)]
    where = list(zip(splits.repeat.tolist(), splits.fold.tolist(), strict=True))
    rows = []
    for student, predicted in students.items():
        for model in predicted.taught:
            found, known = [], []
            for s, task in enumerate(tasks):
                outputs = (predicted.alone[s], predicted.of(model)[s], encodings[model.teacher].outputs[s])
                usable = splits.train[s] & np.logical_and.reduce([np.isfinite(each).all(-1) for each in outputs])
                of_samples = (*outputs, cohort.target.values, splits.labelled[s], patient, splits.inner[s])
                gain = task.gain(*(each[usable] for each in of_samples))
                of_patients = np.zeros(len(patient))
                np.add.at(of_patients, patient[usable], gain.influence)
                found.append(replace(gain, influence=of_patients))
                judged = usable & splits.labelled[s]
                fold = splits.inner[s, judged]
                known.append(label_information(cohort, task, outputs[1][judged], judged, fold)[0])
            each = [(gain.value, gain.se, nats) for gain, nats in zip(found, known, strict=True)]
            each.append((*mean_gain(found), float(np.mean(known))))
            pair = model.teacher, student, model.recipe
            rows += [(*split, *pair, *gain) for split, gain in zip(where, each, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def mean_gain(gains: Sequence[Gain]) -> tuple[float, float]:
    """Mean of the gains in training sets that share patients, and its error as an estimate of one student's gain.

    A student that will be used is trained once. The mean over J training sets is no surer of what that one gains than
    a single pilot is: what averaging removes, the chance of one training set and its networks, the student has again.
    So the error is that of one pilot. With v the mean of the squared standard errors and s^2 the variance between the
    J gains,

        error^2 = v + max(s^2 - (1 - left) v J / (J - 1), 0),   left = |mean influence|^2 / mean |influence|^2.

    Influences take trained models as given: the second term is what they leave unexplained of the spread. The share
    `left` of v is common to all training sets, the others differ by the rest of it anyhow. `docs/decisions.md` has the
    coverage on simulated cohorts; the error of the mean itself, left v + (second term) / J, covers far too little.

    Parameters
    ----------
    gains
        With influences of the same patients; those without a standard error are left out.

    Returns
    -------
    tuple
        NaN if none is left.
    """
    known = [gain for gain in gains if np.isfinite(gain.se)]
    if not known:
        return float("nan"), float("nan")
    influence = np.stack([gain.influence for gain in known])
    each = (influence**2).sum(1).mean()
    left = (influence.mean(0) ** 2).sum() / each if each > 0 else 1.0
    values, n = np.array([gain.value for gain in known]), len(known)
    variance = np.mean([gain.se**2 for gain in known])
    of_training = max(values.var(ddof=1) - (1 - left) * variance * n / (n - 1), 0.0) if n > 1 else 0.0
    return float(values.mean()), float(np.sqrt(variance + of_training))
