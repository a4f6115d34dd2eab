"""The verdict on a pair: the Cross-modal Complementarity Hypothesis, and what its gap does not see.

The paper's plain rule (Xie, Xu, Sanguinetti 2025, arXiv 2510.13182) is the sign of the gap I(H_T;H_S) - I(H_S;Y):
distil when teacher and student share more than the student knows of the label. By the chain rule of mutual information

    gap       = I(T;S|Y) - I(S;Y|T)
    advantage = I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)

so the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the gap is
positive, and the plain rule says "distil". Our verdict therefore asks for three things: the teacher knows something of
the label, the gap is positive, and the teacher knows more than the student.

At cohort size the sign of an estimated gap is mostly the estimators' bias. So the gap must have its sign by two
estimators of different kinds, each corrected by simulated twins of the cohort.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig

DRIFTS = {
    "drift_samples": "the number of samples",
    "drift_neighbours": "the number of neighbours",
    "drift_dimension": "the number of components",
}


def decide(pairs: pd.DataFrame, settings: CriterionConfig, *, target: str) -> pd.DataFrame:
    """Judge every pair in every split.

    P(truth > 0) of an estimate is that of a normal around what the estimator says where the truth is zero, both learnt
    from simulated twins of the cohort (`information.twin`); its standard deviation is the twins' or the estimate's own
    standard error, whichever is wider. Let c be `settings.confidence`, and P(gap > 0) be had from two estimators of
    I(T;S). A pair is

    - `do_not_distil` if P(I(T;Y) > 0) < c (the burden of proof is the teacher's), or both P(gap > 0) <= 1 - c, or
      P(advantage > 0) <= 1 - c;
    - `distil` if both P(gap > 0) >= c and P(advantage > 0) >= c;
    - `undecided` otherwise, without an estimate, and where the gap would decide but drifts across zero with fewer
      samples, more neighbours or fewer components (flags `drift_*`).

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
    """Choose for each student the teacher of the largest gap + advantage among those that the verdict allows.

    Without one the student is to be trained alone: `do_not_distil` if no teacher is in doubt, else `undecided`; its
    `p_gap_positive` is then that of the teacher of the largest gap + advantage.

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
    scored = verdicts.assign(score=(verdicts["gap"] + verdicts["advantage"]).fillna(-np.inf))
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


@dataclass(frozen=True)
class Evidence:
    """P(truth > 0) of what a verdict rests on; NaN without an estimate.

    Attributes
    ----------
    teacher
        Of I(T;Y).
    gap, cross_check
        Of the gap, by two estimators.
    advantage
        Of the advantage.
    drifts
        Whether the gap depends on choices that should not matter.
    """

    teacher: float
    gap: float
    cross_check: float
    advantage: float
    drifts: bool

    @property
    def complete(self) -> bool:
        """Whether all estimates are there."""
        return bool(np.isfinite([self.teacher, self.gap, self.cross_check, self.advantage]).all())

    def gap_is(self, sign: int, confidence: float) -> bool:
        """Whether the gap is shown to be positive (1) or negative (-1)."""
        if self.drifts:
            return False
        each = (self.gap, self.cross_check)
        return min(each) >= confidence if sign > 0 else max(each) <= 1 - confidence


def evidence_of(row: Mapping[Hashable, Any]) -> Evidence:
    """Weigh a row of `information.pairs.estimate_pairs`."""
    return Evidence(
        teacher=_probability_positive(row, "mi_teacher_label"),
        gap=_probability_positive(row, "gap"),
        cross_check=_probability_positive(row, "cross_check_gap"),
        advantage=_probability_positive(row, "advantage"),
        drifts="drift_" in row["flags"],
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
    at_zero, sd = row[f"{quantity}_at_zero"], row[f"{quantity}_twin_sd"]
    if np.isnan(at_zero):
        at_zero, sd = 0.0, 0.0
    spread = max(se, sd)
    if spread == 0:
        return 0.5 if estimate == at_zero else float(estimate > at_zero)
    return float(norm.cdf((estimate - at_zero) / spread))


def _verdict(evidence: Evidence, confidence: float) -> str:
    if not evidence.complete:
        return keys.UNDECIDED
    if evidence.teacher < confidence or evidence.gap_is(-1, confidence) or evidence.advantage <= 1 - confidence:
        return keys.DO_NOT_DISTIL
    if evidence.gap_is(1, confidence) and evidence.advantage >= confidence:
        return keys.DISTIL
    return keys.UNDECIDED


def _reason(row: Mapping[Hashable, Any], evidence: Evidence, confidence: float, target: str) -> str:
    """The verdict in words, what speaks loudest first."""
    teacher, student = row["teacher"], row["student"]
    if not evidence.complete:
        return (
            f"The mutual information of {teacher}, {student} and {target} could not be estimated: too few patients "
            f"have both omics and a label ({row.get('n_labelled', 0)} could be used)."
        )

    def nats(name: str) -> str:
        return f"{row[name]:.2f} ± {row[f'{name}_se']:.2f} nats"

    shares = (
        f"{teacher} and {student} share {nats('mi_teacher_student')}, {{}} the {nats('mi_student_label')} "
        f"that {student} knows of {target} (the gap is positive with P = {evidence.gap:.2f}, by the second estimator "
        f"with P = {evidence.cross_check:.2f})"
    )
    knows = (
        f"{teacher} knows {nats('mi_teacher_label')} of {target}, {{}} {student} "
        f"(it knows more with P = {evidence.advantage:.2f})"
    )
    if evidence.teacher < confidence:
        return (
            f"{teacher} has not been shown to know anything of {target} ({nats('mi_teacher_label')}; "
            f"P(it does) = {evidence.teacher:.2f})."
        )
    against = []
    if evidence.gap_is(-1, confidence):
        against.append(shares.format("less than"))
    if evidence.advantage <= 1 - confidence:
        against.append(knows.format("less than"))
    if against:
        return "; ".join(against) + "."
    comparison = "; ".join(
        (
            shares.format("more than" if row["gap"] > 0 else "not more than"),
            knows.format("more than" if row["advantage"] > 0 else "not more than"),
        )
    )
    if evidence.gap_is(1, confidence) and evidence.advantage >= confidence:
        return comparison + "."
    if evidence.drifts:
        what = ", ".join(DRIFTS[flag] for flag in DRIFTS if flag in row["flags"])
        return f"The gap changes its sign with {what}; {comparison}."
    if (evidence.gap - 0.5) * (evidence.cross_check - 0.5) < 0:
        return f"The two estimators disagree: {comparison}."
    return f"Too close to call: {comparison}."
