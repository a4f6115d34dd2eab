"""What a student learnt: the weight of each feature in its outputs, and how much of it came with the teacher.

The weight of a feature is what one standard deviation of it adds to a score of the model, in standard deviations of the
score over the training samples, so that weights of a bold and of a cautious model compare:

    weight_j = sd_j / sd(score) sum_i a_ij d_ij / sum_i d_ij^2,

where d_ij is the value of training sample i less the mean, and a_ij the attribution by integrated gradients along the
straight line from the mean sample to sample i (Sundararajan, Taly & Yan 2017, ICML): the slope of a feature's
attributions on the feature. The attributions of a sample add up to its score less that of the mean sample. In a linear
model the weight is the standardised coefficient.

No integral is approximated. Along the line the input of a tanh unit goes straight from b to b + t, so that the mean of
its slope is (tanh(b + t) - tanh(b)) / t.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.cohort import Modality
from cch_omics.errors import InputError, visible
from cch_omics.keys import FEATURE_COLUMNS, WEIGHT_ALONE, WEIGHT_TAUGHT
from cch_omics.models.out_of_fold import Network
from cch_omics.runtime.files import check_file
from cch_omics.runtime.formats import read_table
from cch_omics.student.about import ALONE_FOLDER, TAUGHT_FOLDER
from cch_omics.student.bundle import Student, read_student
from cch_omics.vocabulary import signed

FEATURES_FILE = "features.tsv"


def slopes(network: Network, values: NDArray[np.float32], sd: NDArray[np.float32]) -> NDArray[np.float64]:
    """What one standard deviation of each of p features adds to C outputs, by n training samples.

    Parameters
    ----------
    values
        (n, p), NaN where missing: such a value counts as the mean, and says nothing of its feature.
    sd
        (p,) of the training data; a feature with 0 adds nothing.

    Returns
    -------
    NDArray
        (p, C), in the unit of the outputs.
    """
    z = (network.bounded(values) - network.fill) / np.where(sd > 0, sd, np.float32(np.inf))
    weight = sd[:, None] * network.weight
    start = network.fill.astype(np.float64) @ network.weight + network.bias
    line = (z @ weight).astype(np.float64)
    short = np.abs(line) < 1e-6
    rise = np.tanh(start + line) - np.tanh(start)
    slope = np.where(short, 1 - np.tanh(start) ** 2, rise / np.where(short, 1, line))  # (n, r) of the units
    squared = z**2
    of_units = squared.T @ slope.astype(np.float32) / np.maximum(squared.sum(0), 1e-30)[:, None]
    found = sd[:, None] * network.skip_weight + (weight * of_units) @ network.head_weight
    return np.asarray(found, dtype=np.float64)


def feature_table(students: Mapping[str, Student], source: Modality) -> pd.DataFrame:
    """Weigh the features of students of one omics in the scores of their task (`Task.scores`).

    Parameters
    ----------
    students
        By the column of their weights: `keys.WEIGHT_ALONE`, and `keys.WEIGHT_TAUGHT` where there is one.
    source
        The omics of their training samples.

    Returns
    -------
    DataFrame
        `keys.FEATURE_COLUMNS`, the row of the largest weight in either student first; 0 where a student does not use a
        feature.
    """
    place = {str(name): position for position, name in enumerate(source.features)}
    columns = {}
    for column, student in students.items():
        values = source.values[:, [place[name] for name in student.features]]
        shares = np.column_stack(list(student.task.scores.values()))
        spread = (student.network.outputs(values) @ shares).std(axis=0)
        # Nothing has a weight in a score that does not vary.
        weights = slopes(student.network, values, student.sd) @ shares / np.where(spread > 0, spread, np.inf)
        rows = pd.MultiIndex.from_product([student.features, student.task.scores], names=FEATURE_COLUMNS[:2])
        columns[column] = pd.Series(weights.ravel(), index=rows)
    table = pd.DataFrame(columns).fillna(0.0).reindex(columns=[WEIGHT_TAUGHT, WEIGHT_ALONE])
    table["change"] = table[WEIGHT_TAUGHT] - table[WEIGHT_ALONE]
    return by_size(table.reset_index(), WEIGHT_TAUGHT, WEIGHT_ALONE)


def by_size(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Order rows of features by the largest absolute value in some columns."""
    size = table[list(columns)].abs().max(axis=1)
    return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def by_growth(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of features of a taught student, those first whose absolute weight its teacher raised most."""
    taught = table[table[WEIGHT_TAUGHT].notna()]
    grown = taught[WEIGHT_TAUGHT].abs() - taught[WEIGHT_ALONE].abs()
    return taught.loc[grown.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def explained(student_folder: str | os.PathLike[str], n: int) -> str:
    """Say which n features a student uses most, and which n its teacher raised and lowered most.

    Raises
    ------
    InputError
        As `read_student` and `read_features`.
    """
    about, table = (student := read_student(student_folder)).about, read_features(student_folder)
    grown = by_growth(table)
    # Nothing is said of classes where there are none, nor of teaching where there was none.
    columns = [name for name in FEATURE_COLUMNS if table[name].notna().any() and (table[name] != "").any()]
    said = [
        f"What one standard deviation of a feature adds to {student.task.score_is}, in standard deviations of that.",
        f"Most weight, of {len(set(table['feature']))} features of {about.modality}:",
        _as_text(table[columns].head(n)),
    ]
    if len(grown):
        said += [f"Raised most by its teacher, {about.verdict.get('teacher')}:", _as_text(grown[columns].head(n))]
        said += ["Lowered most by its teacher:", _as_text(grown[columns][::-1].head(n))]
    return visible("\n\n".join(said), keep="\n")


def _as_text(table: pd.DataFrame) -> str:
    text = table.map(lambda cell: cell if isinstance(cell, str) else signed(cell, 3))
    return text.to_string(index=False)


def read_features(student_folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what the features of a student weigh.

    Parameters
    ----------
    student_folder
        `results/COHORT/TARGET/students/MODALITY`.

    Returns
    -------
    DataFrame
        `keys.FEATURE_COLUMNS`, the largest weight first.

    Raises
    ------
    InputError
        If there is no such table, such as in the folder of one of two models, or it cannot be read.
    """
    path = Path(student_folder) / FEATURES_FILE
    if not path.exists() and Path(os.path.abspath(student_folder)).name in (ALONE_FOLDER, TAUGHT_FOLDER):
        raise InputError(
            os.fspath(student_folder),
            "the folder of one model",
            f"the folder of a student, students/MODALITY, whose {FEATURES_FILE} speaks of both models",
            f"Give {os.path.normpath(os.path.join(student_folder, '..'))}.",
        )
    check_file(path, "a table in the folder of a student, students/MODALITY")
    table = read_table(path, FEATURE_COLUMNS)[list(FEATURE_COLUMNS)]
    names, numbers = list(FEATURE_COLUMNS[:2]), list(FEATURE_COLUMNS[2:])
    try:
        table[numbers] = table[numbers].astype(np.float64)
    except ValueError as error:
        raise InputError(
            os.fspath(path), f"a weight that is no number ({error})", "what `cch evaluate` writes", "Run it again."
        ) from None
    return table.assign(**{name: table[name].fillna("").astype(str) for name in names})
