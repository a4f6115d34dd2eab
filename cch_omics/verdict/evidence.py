"""The evidence about every pair and recipe, inside every outer training set and of the full cohort: evidence.tsv.

It joins what `information` estimated, what the pilots gained, and what held-out outputs say of the label. Criteria read
their scores from its rows.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.models.recipes import TAUGHT
from cch_omics.splits import Splits
from cch_omics.tasks.base import Floats, Task
from cch_omics.verdict.label_information import label_information
from cch_omics.verdict.margin import margin
from cch_omics.verdict.pilot import COLUMNS, pilots

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
        - `margin` and its `_se`, of `margin.margin`, on the same samples;
        - `teacher_information` and its `_se`: a lower bound of I(T;Y) in nats, `label_information`; of the full cohort
          the mean of the outer training sets;
        - `shared_information` and its `_se`: I(T;S); of the full cohort the mean of the outer training sets;
        - `pilot_gain` and its `_se`, and `taught_information`, of `pilot.pilots`;
        - `p_gap_positive` and `cross_check_p_gap_positive`, corrected by simulations where there are some;
          `p_gap_output_positive` and `p_margin_positive`; and `p_gain_positive`, with a normal prior of standard
          deviation `Task.gain_sd` around zero.
    """
    if information.empty:  # nothing tells the types of its columns
        numbers = information.columns.difference([*PAIR, "estimator", "cross_check_estimator", "flags"])
        information = information.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(SPLIT, "int64"))
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
    for name in ("gap_output", "margin"):
        found[f"p_{name}_positive"] = _probability_positive(found[name], found[f"{name}_se"])
    gained = pilots(cohort, splits, encodings, students or {})
    found = with_pilots(found, gained, cohort.target.task)
    return found[[*SPLIT, *keys.PAIR_COLUMNS, *(name for name in found if name not in {*SPLIT, *keys.PAIR_COLUMNS})]]


def with_pilots(evidence: pd.DataFrame, gained: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Add what pilots gained, of `pilot.pilots`, and P(gain > 0) to rows of evidence; NaN where there is no pilot."""
    by = [*SPLIT, *keys.PAIR_COLUMNS]
    numbers = [name for name in COLUMNS if name not in by]
    types = dict.fromkeys(SPLIT, "int64") | dict.fromkeys(numbers, "float64")
    found = evidence.drop(columns=[*numbers, "p_gain_positive"], errors="ignore")
    found = found.astype(dict.fromkeys(SPLIT, "int64")).merge(gained.astype(types), on=by, how="left")
    # With prior variance s^2 the posterior has mean gain s^2 / (s^2 + se^2) and variance s^2 se^2 / (s^2 + se^2).
    error = found["pilot_gain_se"]
    posterior_sd = error * np.hypot(1, error / task.gain_sd)
    return found.assign(p_gain_positive=_probability_positive(found["pilot_gain"], posterior_sd))


def _held_out(
    cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], information: pd.DataFrame
) -> pd.DataFrame:
    """What held-out outputs of teacher and student say of the label, on labelled samples that have both."""
    target, tasks = cohort.target, [splits.task(cohort.target, s) for s in range(splits.full + 1)]
    split_of = {key: s for s, key in enumerate(zip(splits.repeat.tolist(), splits.fold.tolist(), strict=True))}
    rows = []
    for repeat, fold, teacher, student in information[[*SPLIT, *PAIR]].itertuples(index=False):
        s = split_of[repeat, fold]
        both = splits.labelled[s] & cohort.profiled(teacher) & cohort.profiled(student)
        outputs = np.stack([encodings[name].outputs[s, both] for name in (teacher, student)])
        values, usable = target.values[both], np.ones(int(both.sum()), dtype=bool)
        difference = float("nan")
        if len(values):
            decisions = np.stack([tasks[s].decision(each, values, usable) for each in outputs])
            ahead, behind = tasks[s].evaluate(outputs, values, decisions, values)[tasks[s].primary]
            difference = float(ahead - behind)
        ahead_of_noise = margin(tasks[s], outputs[0], outputs[1], values, cohort.groups[both])
        known = label_information(cohort, tasks[s], outputs[0], both, splits.inner[s, both])
        rows.append((repeat, fold, teacher, student, difference, *ahead_of_noise, *known))
    measures = ["accuracy_difference", "margin", "margin_se", "teacher_information", "teacher_information_se"]
    columns = [*SPLIT, *PAIR, *measures]
    return pd.DataFrame(rows, columns=columns)


def _of_outer_sets(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns in which the full cohort has the means of the outer training sets."""
    full = found["repeat"] == -1
    means = found[~full].groupby(PAIR)[names].mean()
    of_full = means.reindex(pd.MultiIndex.from_frame(found[PAIR])).set_index(found.index)
    return found[names].where(~full, of_full)


def _probability_positive(mean: "pd.Series[float]", sd: "pd.Series[float]") -> Floats:
    """P(truth > 0) of a normal; NaN without an estimate or an error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(ndtr(mean.to_numpy(float) / sd.to_numpy(float)))
