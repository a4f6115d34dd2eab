"""What students that may be delivered predict for test samples, beside what was observed of these."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.evaluation.gains import concatenated, model_name
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.models.recipes import ALONE
from cch_omics.splits import Splits


def predictions_on_test(
    cohort: Cohort, splits: Splits, students: Mapping[str, OutOfFold], teachers: pd.DataFrame
) -> pd.DataFrame:
    """Predictions of each student trained alone, and of the one that the rule chose, for labelled test samples.

    They are those of the first repeat: each sample stands once, predicted by one model.

    Parameters
    ----------
    teachers
        teachers.tsv.

    Returns
    -------
    DataFrame
        `keys.PREDICTION_COLUMNS`, and the columns of `Task.on_test`.
    """
    values, tables = cohort.target.values, []
    chosen = teachers[teachers["teacher"].fillna("") != ""].astype(str).to_dict("records")
    for student, predicted in students.items():
        advised = [Model(row["recipe"], row["teacher"]) for row in chosen if row["student"] == student]
        for model in [Model(ALONE.name), *advised]:
            if model not in predicted.models:
                continue
            for j in np.flatnonzero(splits.repeat[: splits.full] == 0):
                outputs, task = predicted.of(model)[j], splits.task(cohort.target, int(j))
                there = np.isfinite(outputs).all(1)
                train, test = splits.train[j] & there, splits.test[j] & there & cohort.target.observed
                decision = task.decision(outputs, values, splits.labelled[j])
                found = task.on_test(outputs, values, decision, train, test)
                of = (student, model_name(model), int(splits.repeat[j]), int(splits.fold[j]), cohort.samples[test])
                tables.append(pd.DataFrame(dict(zip(keys.PREDICTION_COLUMNS, of, strict=True)) | dict(found)))
    return concatenated(tables, keys.PREDICTION_COLUMNS)
