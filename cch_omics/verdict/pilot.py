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

# Of the chance of training, with all labels. Chosen on 144 simulated cohorts; docs/decisions.md has the coverage on
# others, and on halves of real cohorts.
OF_TRAINING = 0.25

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
            found, known, labelled = [], [], []
            for s, task in enumerate(tasks):
                outputs = (predicted.alone[s], predicted.of(model)[s], encodings[model.teacher].outputs[s])
                usable = splits.train[s] & np.logical_and.reduce([np.isfinite(each).all(-1) for each in outputs])
                of_samples = (*outputs, cohort.target.values, splits.labelled[s], patient, splits.inner[s])
                gain = task.gain(*(each[usable] for each in of_samples))
                of_patients = np.zeros(len(patient))
                np.add.at(of_patients, patient[usable], gain.influence)
                found.append(replace(gain, influence=of_patients))
                judged = usable & splits.labelled[s]
                labelled.append(judged.sum() / max(usable.sum(), 1))
                fold = splits.inner[s, judged]
                known.append(label_information(cohort, task, outputs[1][judged], judged, fold)[0])
            each = [(gain.value, gain.se, nats) for gain, nats in zip(found, known, strict=True)]
            each.append((*mean_gain(found, float(np.mean(labelled))), float(np.mean(known))))
            pair = model.teacher, student, model.recipe
            rows += [(*split, *pair, *gain) for split, gain in zip(where, each, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def mean_gain(gains: Sequence[Gain], labelled: float) -> tuple[float, float]:
    """Mean of the gains in training sets that share patients, and its error as an estimate of one student's gain.

    With v the mean of the squared standard errors of the J gains, s^2 their variance, and l the share of patients with
    a label,

        error^2 = left v + min(1, 1 / (4 l)) (1 - left) v + max(s^2 - (1 - left) v J / (J - 1), 0),
        left = |mean influence|^2 / mean |influence|^2.

    The first term is the chance of the patients, which all training sets share. The rest of v is the chance of
    training: models of other training sets are right about other patients. The mean over J averages that out, and the
    student that will be used, which is trained once, has it again, as a student that is better or worse for everyone.
    By how much is not seen in J training sets of one cohort. Answers to single patients vary in proportion to
    1 / labels, and (1 - left) v with 1 / (labels patients). Near its best a student's gain on everyone is a quadratic
    function of the same variation, so that its variance goes with 1 / labels^2: their ratio is proportional to 1 / l,
    and `OF_TRAINING` is the factor. It is bounded, since the error is no more than that of one pilot. The third term
    is what influences, which take trained models as given, leave unexplained of the spread.

    Parameters
    ----------
    gains
        With influences of the same patients; those without a standard error are left out.
    labelled
        Share of the patients on whom gains were measured whose label may be used.

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
    of_patients, of_training = left * variance, (1 - left) * variance
    unexplained = max(values.var(ddof=1) - of_training * n / (n - 1), 0.0) if n > 1 else 0.0
    error = np.sqrt(of_patients + min(1.0, OF_TRAINING / labelled) * of_training + unexplained)
    return float(values.mean()), float(error)
