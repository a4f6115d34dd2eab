"""What following a criterion's advice gained, where the choice of the teacher is part of what is judged."""

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.cohort import Target
from cch_omics.config import CriterionConfig
from cch_omics.evaluation.intervals import intervals
from cch_omics.evaluation.scorecard import judged
from cch_omics.verdict.rule import may_teach

SPLIT = list(keys.SPLIT_COLUMNS)


def advised_gains(
    cohort: str, target: Target, evidence: pd.DataFrame, criterion: CriterionConfig, gains: pd.DataFrame
) -> pd.DataFrame:
    """Mean gain over training alone of the student that each criterion advises, and its 95% interval.

    A criterion chooses teacher and recipe inside each outer training set, from the evidence of that set alone, and the
    choice is judged on the set's test patients: the best of several candidates in hindsight gains more than who has to
    choose among them (the winner's curse). Training alone, where that is the choice, gains 0.

    Parameters
    ----------
    evidence
        Of `verdict.evidence.gather`.
    gains
        Of `gains.gains`.

    Returns
    -------
    DataFrame
        `keys.ADVISED_COLUMNS`, one row per criterion and student that some view may teach: `taught` is the share of the
        training sets in which a teacher was chosen. The gain is NaN where that of a choice was not measured.
    """
    realised = gains[(gains["metric"] == target.task.primary) & (gains["control"] == "none")]
    outer = evidence[evidence["repeat"] >= 0].merge(
        realised[[*SPLIT, *keys.PAIR_COLUMNS, "gain"]], on=[*SPLIT, *keys.PAIR_COLUMNS], how="left"
    )
    rows = [
        (name, student, fold, *choice(part))
        for name, scored in judged(outer, criterion)
        for (_, fold, student), part in scored.groupby([*SPLIT, "student"], sort=False)
    ]
    found = pd.DataFrame(rows, columns=["criterion", "student", "fold", "taught", "gain"])
    by = ["criterion", "student"]
    taught = found.groupby(by, sort=False)["taught"].mean()
    # Without those of some choices, the mean would be of others than the criterion made.
    measured = found.groupby(by, sort=False)["gain"].transform(lambda gain: gain.notna().all())
    each = intervals(found.assign(gain=found["gain"].where(measured)), by, "gain", (*by, *keys.ADVISED_INTERVAL))
    about = {"cohort": cohort, "target": target.name, "metric": target.task.primary}
    return each.assign(**about, taught=taught.to_numpy(dtype=np.float64))[list(keys.ADVISED_COLUMNS)]


def choice(candidates: pd.DataFrame) -> tuple[bool, float]:
    """Whether one of a student's candidates is to teach it, and what it gained; equally good ones are averaged.

    Parameters
    ----------
    candidates
        `score, decision, gain` of each.
    """
    score = candidates["score"].to_numpy(dtype=np.float64)
    allowed = may_teach(candidates["decision"].to_numpy(dtype=str), score)
    if not allowed.any():
        return False, 0.0
    best = allowed & (score == np.max(score, where=allowed, initial=-np.inf))
    return True, float(candidates["gain"].to_numpy(dtype=np.float64)[best].mean())
