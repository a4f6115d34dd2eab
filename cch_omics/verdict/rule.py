"""The rule in force: a verdict on every pair, and a teacher, or none, for every student.

`criterion.rule` names the criterion that decides (`verdict.criteria`). The paper's rule is shown beside it.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Target
from cch_omics.config import CriterionConfig
from cch_omics.models.recipes import ALONE
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.power import POWER, WORTHWHILE, decidable_gain, patients_needed


def decide(evidence: pd.DataFrame, criterion: CriterionConfig, target: Target) -> pd.DataFrame:
    """Judge every pair and recipe of the full cohort.

    Parameters
    ----------
    evidence
        Of `evidence.gather`.

    Returns
    -------
    DataFrame
        `keys.VERDICT_COLUMNS`. The reason is two sentences, what decided first.
    """
    rule, paper = CRITERIA[criterion.rule], CRITERIA["cch"]
    rows = []
    for row in _rows(evidence, criterion, target):
        verdict = rule.decide(row, criterion.confidence)
        beside = CRITERIA["pilot"] if rule.name == "cch" else paper
        reasons = [rule.reason(row, verdict)]
        if not (beside.needs_distillation and np.isnan(beside.score(row))):
            reasons.append(beside.reason(row, beside.decide(row, criterion.confidence)))
        cch_verdict = "" if np.isnan(row["gap"]) else paper.decide(row, criterion.confidence)
        rows.append(row | {"cch_verdict": cch_verdict, "verdict": verdict, "reason": " ".join(reasons)})
    return pd.DataFrame(rows, columns=list(keys.VERDICT_COLUMNS))


def choose_teachers(
    evidence: pd.DataFrame, criterion: CriterionConfig, target: Target, students: Iterable[str]
) -> pd.DataFrame:
    """Choose a teacher and a recipe for each student: of those that may teach it, the one of the largest score.

    The student's verdict is `distil` if it has a teacher of that verdict, `do_not_distil` if no teacher is in doubt,
    and else `undecided`: it then has a teacher all the same if one is more likely ahead of it than not (`may_teach`).
    Without a teacher the student is to be trained alone; its probabilities are those of the best candidate.

    Parameters
    ----------
    students
        Modalities, each of which gets a row, also where no view may teach it.

    Returns
    -------
    DataFrame
        `keys.TEACHER_COLUMNS`, one row per student.
    """
    rule = CRITERIA[criterion.rule]
    candidates: dict[str, list[dict[str, Any]]] = {student: [] for student in students}
    for row in _rows(evidence, criterion, target):
        score = rule.score(row)
        row["verdict"], row["score"] = rule.decide(row, criterion.confidence), -np.inf if np.isnan(score) else score
        candidates[row["student"]].append(row)
    rows = []
    for student, judged in candidates.items():
        verdicts = np.array([row["verdict"] for row in judged])
        allowed = may_teach(verdicts, np.array([row["score"] for row in judged]))
        chosen = [row for row, may in zip(judged, allowed, strict=True) if may]
        best = max(chosen or judged, key=lambda row: float(row["score"]), default={"student": student})
        if (verdicts == keys.DISTIL).any():
            verdict = keys.DISTIL
        elif (verdicts == keys.DO_NOT_DISTIL).all():
            verdict = keys.DO_NOT_DISTIL
        else:
            verdict = keys.UNDECIDED
        alone = {} if chosen else {"teacher": "", "recipe": ALONE.name}
        rows.append(best | alone | {"rule": rule.name, "verdict": verdict})
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def may_teach(verdict: NDArray[Any], score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of a student's candidates may teach it: those called `distil`, and if there are none, the best guesses.

    A guess is an undecided candidate with a score above zero: on the cohorts of docs/decisions.md training alone until
    one is sure cost more than it saved.

    Parameters
    ----------
    verdict, score
        (n,) of the candidates of one student.
    """
    allowed = verdict == keys.DISTIL
    return np.asarray(allowed if allowed.any() else (verdict == keys.UNDECIDED) & (score > 0))


def _rows(evidence: pd.DataFrame, criterion: CriterionConfig, target: Target) -> list[dict[str, Any]]:
    """Rows of the full cohort, with what the reasons say besides."""
    metric = target.task.metrics[target.task.primary]

    def digits(value: float, sign: str = "") -> str:
        """As it is shown; "" for what is zero then."""
        text = f"{metric.scale * value:{sign}.{metric.digits}f}"
        return text if float(text) else ""

    unit = f"{metric.unit} of {metric.title}".lstrip()

    def gained(value: float, se: float) -> str:
        error = f"± {digits(se) or 0} {unit}"
        return f"{digits(value, '+')} {error}" if digits(value) else f"nothing ({error})"

    def seen(se: float, patients: float) -> str:
        """What such pilots could decide, and how many patients it would take to decide what is worth while."""
        gain_sd, confidence = target.task.gain_sd, criterion.confidence
        enough = decidable_gain(se, gain_sd, confidence)
        said = f"such pilots see a gain of {digits(enough) or 0} with probability {POWER:.0%}"
        if not (enough > WORTHWHILE and patients > 0):
            return said
        needed = patients_needed(WORTHWHILE, se, patients, gain_sd, confidence)
        return f"{said}, and one of {digits(WORTHWHILE)} with some {float(f'{needed:.2g}'):,.0f} patients like these"

    def ahead(value: float) -> str:
        return f"{digits(abs(value))} {unit} {'ahead of' if value > 0 else 'behind'}" if digits(value) else "as good as"

    rows = []
    for row in evidence[evidence["repeat"] == -1].to_dict("records"):
        said: dict[str, Any] = {
            "target": target.name,
            "confidence": criterion.confidence,
            "pilot_gain_shown": gained(row["pilot_gain"], row["pilot_gain_se"]),
            "pilot_power_shown": seen(row["pilot_gain_se"], row.get("n_paired", np.nan)),
            "accuracy_difference_shown": ahead(row["accuracy_difference"]),
        }
        rows.append({str(name): value for name, value in row.items()} | said)
    return rows
