"""The verdict on a pair: the Cross-modal Complementarity Hypothesis, and what its gap does not see.

The paper's plain rule (Xie, Xu, Sanguinetti 2025, arXiv 2510.13182) is the sign of the gap I(H_T;H_S) - I(H_S;Y):
distil when teacher and student share more than the student knows of the label. By the chain rule of mutual information

    gap       = I(T;S|Y) - I(S;Y|T)
    advantage = I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)

so the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the gap is
positive, and the plain rule says "distil". Our verdict therefore asks first whether the teacher knows more than the
student. That is a paired difference of held-out log-losses (`criteria.log_loss`): with few labels it is known far
better than the difference of two mutual informations by nearest neighbours, and foretells the gain better.

The gap has a veto. At cohort size the sign of an estimated gap is mostly the estimators' bias, so it counts only where
two estimators of different kinds, each corrected by simulated twins of the cohort, agree on it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig


def decide(pairs: pd.DataFrame, settings: CriterionConfig, *, target: str) -> pd.DataFrame:
    """Judge every pair in every split.

    P(advantage > 0) is that of a normal around the difference of held-out log-losses. P(gap > 0) is that of a normal
    around what the estimator says beyond what it says where the truth is zero, learnt from simulated twins of the
    cohort (`information.twin`); its standard deviation is the twins' or the estimate's own standard error, whichever
    is wider.
    Let c be `settings.confidence`. The gap is *shown* to have a sign if P(gap > 0) is at least c, or at most 1 - c, by
    both estimators of I(T;S), and it does not drift across zero with fewer samples, more neighbours or fewer components
    (flags `drift_*`). A pair is

    - `do_not_distil` if P(advantage > 0) <= 1 - c, or if the gap is shown to be negative and the advantage is not shown
      to be positive;
    - `distil` if P(advantage > 0) >= c and, by log-loss as well, P(I(T;Y) > 0) >= c, and neither is the gap shown to be
      negative nor do the two estimators contradict each other (one at least c, the other at most 1 - c);
    - `undecided` otherwise.

    Parameters
    ----------
    pairs
        As `information.pairs.estimate_pairs` returns it.
    target
        Name of the label, for the reasons.

    Returns
    -------
    DataFrame
        `repeat, fold` and `keys.VERDICT_COLUMNS`, a row for each of `pairs`; `cch_verdict` is the plain rule's.
    """
    rows = [_decide_pair(row, settings, target) for row in pairs.to_dict("records")]
    return pd.DataFrame(rows, columns=["repeat", "fold", *keys.VERDICT_COLUMNS])


def choose_teachers(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Choose for each student, among the teachers that the verdict allows, the one most surely ahead of it.

    That is the largest advantage by log-loss in units of its standard error (`score`). Without an allowed teacher the
    student is to be trained alone: `do_not_distil` if no teacher is in doubt, else `undecided`; its `p_gap_positive` is
    then that of the teacher of the largest score.

    Parameters
    ----------
    verdicts
        One row per pair, of one split.

    Returns
    -------
    DataFrame
        `keys.TEACHER_COLUMNS`, one row per student.
    """
    rows = []
    scored = verdicts.assign(score=score(verdicts).fillna(-np.inf))
    for student, candidates in scored.groupby("student", sort=True):
        allowed = candidates[candidates["verdict"] == keys.DISTIL]
        best = (candidates if allowed.empty else allowed).sort_values("score", ascending=False, kind="stable").iloc[0]
        if not allowed.empty:
            verdict = keys.DISTIL
        elif (candidates["verdict"] == keys.DO_NOT_DISTIL).all():
            verdict = keys.DO_NOT_DISTIL
        else:
            verdict = keys.UNDECIDED
        rows.append((student, "" if allowed.empty else best["teacher"], verdict, best["p_gap_positive"]))
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def score(verdicts: pd.DataFrame) -> "pd.Series[float]":
    """Order pairs: the advantage by log-loss over its standard error, NaN without one."""
    error = verdicts["log_loss_advantage_se"]
    return verdicts["log_loss_advantage"] / error.where(error > 0)


@dataclass(frozen=True)
class Evidence:
    """P(truth > 0) of what a verdict rests on; NaN without an estimate.

    Attributes
    ----------
    gap, cross_check
        Of the gap, by two estimators.
    advantage, teacher
        Of the advantage and of I(T;Y), by held-out log-loss.
    drifts
        Whether the gap depends on choices that should not matter.
    """

    gap: float
    cross_check: float
    advantage: float
    teacher: float
    drifts: bool

    def gap_is(self, sign: int, confidence: float) -> bool:
        """Whether the gap is shown to be positive (1) or negative (-1). Without an estimate it is not."""
        if self.drifts:
            return False
        each = (self.gap, self.cross_check)
        return all(p >= confidence for p in each) if sign > 0 else all(p <= 1 - confidence for p in each)

    def contradicts(self, confidence: float) -> bool:
        """Whether one estimator shows a positive gap and the other a negative one."""
        each = (self.gap, self.cross_check)
        return any(p >= confidence for p in each) and any(p <= 1 - confidence for p in each)


def evidence_of(row: Mapping[Hashable, Any]) -> Evidence:
    """Weigh a row of `information.pairs.estimate_pairs`."""
    return Evidence(
        gap=_probability_positive(row, "gap"),
        cross_check=_probability_positive(row, "cross_check_gap"),
        advantage=_probability_positive(row, "log_loss_advantage"),
        teacher=_probability_positive(row, "log_loss_teacher_label"),
        drifts=any(flag in row["flags"] for flag in keys.DRIFTS),
    )


def _decide_pair(row: Mapping[Hashable, Any], settings: CriterionConfig, target: str) -> dict[Hashable, Any]:
    evidence = evidence_of(row)
    plain = "" if np.isnan(row["gap"]) else keys.DISTIL if row["gap"] > 0 else keys.DO_NOT_DISTIL
    judged: dict[Hashable, Any] = {
        "p_gap_positive": evidence.gap,
        "p_advantage_positive": evidence.advantage,
        "cross_check_p_gap_positive": evidence.cross_check,
        "cch_verdict": plain,
        "verdict": _verdict(evidence, settings.confidence),
        "reason": _reason(row, evidence, settings.confidence, target),
    }
    return dict(row) | judged


def _probability_positive(row: Mapping[Hashable, Any], quantity: str) -> float:
    """P(truth > 0) of a quantity; without twins, of a normal around the estimate."""
    estimate, se = row[quantity], row[f"{quantity}_se"]
    if np.isnan(estimate) or np.isnan(se):
        return float("nan")
    at_zero, sd = row.get(f"{quantity}_at_zero", np.nan), row.get(f"{quantity}_twin_sd", np.nan)
    if np.isnan(at_zero):
        at_zero, sd = 0.0, 0.0
    spread = max(se, sd)
    if spread == 0:
        return 0.5 if estimate == at_zero else float(estimate > at_zero)
    return float(norm.cdf((estimate - at_zero) / spread))


def _verdict(evidence: Evidence, confidence: float) -> str:
    if np.isnan(evidence.advantage):
        return keys.UNDECIDED
    negative = evidence.gap_is(-1, confidence)
    if evidence.advantage <= 1 - confidence or (negative and evidence.advantage < confidence):
        return keys.DO_NOT_DISTIL
    knows = min(evidence.advantage, evidence.teacher) >= confidence
    if knows and not negative and not evidence.contradicts(confidence):
        return keys.DISTIL
    return keys.UNDECIDED


def _reason(row: Mapping[Hashable, Any], evidence: Evidence, confidence: float, target: str) -> str:
    """The verdict in words, what speaks loudest first."""
    teacher, student = row["teacher"], row["student"]
    if np.isnan(evidence.advantage):
        return (
            f"What {teacher} and {student} know of {target} could not be compared: too few patients have both omics "
            f"and a label ({row.get('n_labelled', 0)} could be used)."
        )

    def nats(name: str) -> str:
        return f"{row[name]:.2f} ± {row[f'{name}_se']:.2f} nats"

    ahead = "more" if row["log_loss_advantage"] > 0 else "not more"
    knows = (
        f"{teacher} knows {ahead} of {target} than {student}: {nats('log_loss_advantage')} "
        f"(it knows more with P = {evidence.advantage:.2f})"
    )
    if np.isnan(evidence.gap):
        shares = f"what {teacher} and {student} share could not be estimated with so few labels"
    else:
        more = "more than" if row["gap"] > 0 else "less than"
        second = (
            "" if np.isnan(evidence.cross_check) else f", by the second estimator with P = {evidence.cross_check:.2f}"
        )
        shares = (
            f"they share {nats('mi_teacher_student')}, {more} the {nats('mi_student_label')} that {student} knows of "
            f"{target} (the gap is positive with P = {evidence.gap:.2f}{second})"
        )
    if evidence.advantage >= confidence and evidence.teacher < confidence:
        return (
            f"{teacher} has not been shown to know anything of {target} ({nats('log_loss_teacher_label')}; "
            f"P(it does) = {evidence.teacher:.2f}); {knows}."
        )
    negative = evidence.gap_is(-1, confidence)
    if negative and evidence.advantage > 1 - confidence:
        return f"The gap is negative: {shares}; {knows}."
    if evidence.advantage >= confidence and evidence.contradicts(confidence):
        return f"The two estimators of the gap contradict each other: {shares}; {knows}."
    if evidence.drifts:
        what = ", ".join(words for flag, words in keys.DRIFTS.items() if flag in row["flags"])
        shares += f", which changes its sign with {what} and decides nothing"
    if evidence.advantage >= confidence or evidence.advantage <= 1 - confidence:
        return f"{knows}; {shares}."
    return f"Too close to call: {knows}; {shares}."
