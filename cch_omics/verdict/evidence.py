"""The evidence about every pair and recipe, inside every outer training set and of the full cohort: evidence.tsv.

It joins what `information` estimated, what the pilots gained, and what held-out outputs say of the label. Criteria read
their scores from its rows.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.information.likelihood import likelihood_gains
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.models.recipes import TAUGHT
from cch_omics.splits import Splits
from cch_omics.tasks.base import Floats, Outputs, Task
from cch_omics.verdict.pilot import pilots

PAIR = ["teacher", "student"]
SPLIT = list(keys.SPLIT_COLUMNS)


def gather(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    students: Mapping[str, OutOfFold] | None,
    information: pd.DataFrame,
) -> pd.DataFrame:
    """Gather the evidence.

    Parameters
    ----------
    students
        By modality; None where verdicts do not wait for distillation: there are then no pilots.
    information
        Of `information.pairs.estimate_pairs`.

    Returns
    -------
    DataFrame
        A row per split (-1, -1: the full cohort), teacher, student and recipe: the columns of `information`, and

        - `accuracy_difference`: the primary metric of the teacher minus that of the student, on labelled samples that
          have both;
        - `teacher_information` and its `_se`: a lower bound of I(T;Y) in nats, `label_information`; of the full cohort
          the mean of the outer training sets;
        - `shared_information` and its `_se`: I(T;S); of the full cohort the mean of the outer training sets;
        - `pilot_gain` and its `_se`, of `pilot.pilots`;
        - `p_gap_positive` and `cross_check_p_gap_positive`, corrected by simulations where there are some; and
          `p_gain_positive`, with a normal prior of standard deviation `Task.gain_sd` around zero.
    """
    found = information.merge(_held_out(cohort, splits, encodings, information), on=[*SPLIT, *PAIR], how="left")
    found = found.assign(
        shared_information=found["mi_teacher_student"], shared_information_se=found["mi_teacher_student_se"]
    )
    of_sets = [f"{name}{of}" for name in ("teacher_information", "shared_information") for of in ("", "_se")]
    found[of_sets] = _of_outer_sets(found, of_sets)
    found = found.merge(pd.DataFrame({"recipe": [recipe.name for recipe in TAUGHT]}), how="cross")
    for name in ("gap", "cross_check_gap"):
        centre = found[name] - found[f"{name}_at_zero"].fillna(0.0)
        sd = found[[f"{name}_se", f"{name}_simulated_sd"]].max(axis=1)
        column = "p_gap_positive" if name == "gap" else "cross_check_p_gap_positive"
        found[column] = _probability_positive(centre, sd)
    gained = pilots(cohort, splits, encodings, students or {})
    found = with_pilots(found, gained, cohort.target.task)
    return found[[*SPLIT, *keys.PAIR_COLUMNS, *(name for name in found if name not in {*SPLIT, *keys.PAIR_COLUMNS})]]


def with_pilots(evidence: pd.DataFrame, gained: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Add what pilots gained, of `pilot.pilots`, and P(gain > 0) to rows of evidence; NaN where there is no pilot."""
    types = {"repeat": "int64", "fold": "int64", "pilot_gain": "float64", "pilot_gain_se": "float64"}
    found = evidence.drop(columns=["pilot_gain", "pilot_gain_se", "p_gain_positive"], errors="ignore")
    found = found.merge(gained.astype(types), on=[*SPLIT, *keys.PAIR_COLUMNS], how="left")
    # With prior variance s^2 the posterior has mean gain s^2 / (s^2 + se^2) and variance s^2 se^2 / (s^2 + se^2).
    error = found["pilot_gain_se"]
    posterior_sd = error * np.hypot(1, error / task.gain_sd)
    return found.assign(p_gain_positive=_probability_positive(found["pilot_gain"], posterior_sd))


def _held_out(
    cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], information: pd.DataFrame
) -> pd.DataFrame:
    """What held-out outputs of teacher and student say of the label, on labelled samples that have both."""
    target, task = cohort.target, cohort.target.task
    split_of = {key: s for s, key in enumerate(zip(splits.repeat.tolist(), splits.fold.tolist(), strict=True))}
    rows = []
    for repeat, fold, teacher, student in information[[*SPLIT, *PAIR]].itertuples(index=False):
        s = split_of[repeat, fold]
        both = splits.labelled[s] & cohort.profiled(teacher) & cohort.profiled(student)
        outputs = np.stack([encodings[name].outputs[s, both] for name in (teacher, student)])
        values, usable = target.values[both], np.ones(int(both.sum()), dtype=bool)
        difference = float("nan")
        if len(values):
            decisions = np.stack([task.decision(each, values, usable) for each in outputs])
            ahead, behind = task.evaluate(outputs, values, decisions, values)[task.primary]
            difference = float(ahead - behind)
        known = label_information(cohort, outputs[0], both, splits.inner[s, both])
        rows.append((repeat, fold, teacher, student, difference, *known))
    columns = [*SPLIT, *PAIR, "accuracy_difference", "teacher_information", "teacher_information_se"]
    return pd.DataFrame(rows, columns=columns)


def label_information(
    cohort: Cohort, outputs: Outputs, samples: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[float, float]:
    """I(T;Y) by held-out likelihood: mean log p(y | outputs) - log p(y), and its standard error over patients.

    As `information.likelihood`, but pooled over the folds.

    Parameters
    ----------
    outputs
        (m, C) held-out outputs of the labelled samples.
    samples
        (n,) which samples of the cohort these are.
    fold
        (m,) their inner fold.

    Returns
    -------
    tuple
        Nats; NaN without samples, the error also with one patient.
    """
    values, task = cohort.target.values[samples], cohort.target.task
    if not len(values):
        return float("nan"), float("nan")
    gained = likelihood_gains(task, outputs, values, fold)
    mean = float(gained.mean())
    sums = np.bincount(np.unique(cohort.groups[samples], return_inverse=True)[1], weights=gained - mean)
    n = len(sums)
    return mean, float(np.sqrt(n / (n - 1) * (sums @ sums)) / len(values)) if n > 1 else float("nan")


def _of_outer_sets(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns in which the full cohort has the means of the outer training sets."""
    full = found["repeat"] == -1
    means = found[~full].groupby(PAIR)[names].mean()
    of_full = means.reindex(pd.MultiIndex.from_frame(found[PAIR])).set_index(found.index)
    return found[names].where(~full, of_full)


def _probability_positive(mean: "pd.Series[float]", sd: "pd.Series[float]") -> Floats:
    """P(truth > 0) of a normal; NaN without an estimate or an error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(norm.cdf(mean.to_numpy(float) / sd.to_numpy(float)))
