"""The verdict on a pair: the Cross-modal Complementarity Hypothesis, and what its gap does not see.

The paper's plain rule (Xie, Xu, Sanguinetti 2025, arXiv 2510.13182) is the sign of the gap I(H_T;H_S) - I(H_S;Y):
distil when teacher and student share more than the student knows of the label. By the chain rule of mutual information

    gap       = I(T;S|Y) - I(S;Y|T)
    advantage = I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)

so the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the gap is
positive, and the plain rule says "distil". Our verdict therefore asks first what the teacher would add,

    benefit   = I(T;Y|S) - w I(S;Y|T),

what it knows of the label beyond the student, less a part of what only the student knows: a teacher that lacks much
is given a small weight. That is a paired difference of held-out log-losses (`criteria.log_loss`): with few labels it is
known far better than a difference of mutual informations by nearest neighbours, and foretells the gain better.

What a teacher adds must be something that the student's omics can express. So the verdict asks a pilot as well
(`pilots`): a student that was taught on inner folds, by default a linear one in closed form, and what it gained there.
And where teacher and student share nothing, I(T;S) = 0, there is nothing to be taught, however much the teacher knows.
All three are needed, so that a pair is as good as the weakest of them.

The gap has a veto. At cohort size the sign of an estimated gap is mostly the estimators' bias, so it counts only where
two estimators of different kinds, each corrected by simulated twins of the cohort, agree on it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig


def decide(pairs: pd.DataFrame, settings: CriterionConfig, *, target: str) -> pd.DataFrame:
    """Judge every pair in every split.

    P(benefit > 0) is that of a normal around the difference of held-out log-losses, P(pilot > 0) around the pilot's
    gain; P(gain > 0) is the smaller of the two (the first, where there is no pilot), as both are needed. P(gap > 0) is
    that of a normal around what the estimator says beyond what it says where the truth is zero, learnt from simulated
    twins of the cohort (`information.twin`); its standard deviation is the twins' or the estimate's own standard error,
    whichever is wider.

    Let c be `settings.confidence`. The gap is *shown* to have a sign if P(gap > 0) is at least c, or at most 1 - c, by
    both estimators of I(T;S), and it does not drift across zero with fewer samples, more neighbours or fewer components
    (flags `drift_*`). A pair is

    - `do_not_distil` if P(gain > 0) <= 1 - c, or if the gap is shown to be negative and the gain is not shown to be
      positive;
    - `distil` if P(gain > 0), P(I(T;Y) > 0) (by log-loss as well) and P(I(T;S) > 0) are all at least c, and
      neither is the gap shown to be negative nor do the two estimators contradict each other (one at least c, the other
      at most 1 - c);
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


def ask_pilots(pairs: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Rows of `information.pairs.estimate_pairs` with the gains of other pilots; NaN where these have none.

    Parameters
    ----------
    gains
        As `pilots.network_pilots` returns them.
    """
    held = pairs.drop(columns=["pilot_gain", "pilot_gain_se"])
    return held.merge(gains, on=["repeat", "fold", "teacher", "student"], how="left", validate="one_to_one")


def choose_teachers(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Choose for each student, among the teachers that may teach it, the one of the largest `score`.

    The student's verdict is `distil` if it has a teacher of that verdict, `do_not_distil` if no teacher is in doubt,
    and else `undecided`: it then has a teacher all the same if one is more likely ahead of it than not (`may_teach`).
    Without a teacher the student is to be trained alone; its `p_gap_positive` is that of the teacher of the largest
    score.

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
        allowed = candidates[may_teach(candidates["verdict"].to_numpy(), candidates["score"].to_numpy())]
        best = (candidates if allowed.empty else allowed).sort_values("score", ascending=False, kind="stable").iloc[0]
        if (candidates["verdict"] == keys.DISTIL).any():
            verdict = keys.DISTIL
        elif (candidates["verdict"] == keys.DO_NOT_DISTIL).all():
            verdict = keys.DO_NOT_DISTIL
        else:
            verdict = keys.UNDECIDED
        rows.append((student, "" if allowed.empty else best["teacher"], verdict, best["p_gap_positive"]))
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def may_teach(verdict: NDArray[Any], score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of a student's candidates may teach it: those called `distil`, and if there are none, the best guesses.

    A guess is an undecided candidate with a score above zero. Weight and temperature of the soft targets are chosen on
    inner folds, which leaves little harm to be done by a bad teacher and a gain to be had from a good one: on the
    cohorts of `docs/decisions.md` training alone until one is sure cost more than it saved.

    Parameters
    ----------
    verdict, score
        (n,) of the candidates of one student.
    """
    allowed = verdict == keys.DISTIL
    return np.asarray(allowed if allowed.any() else (verdict == keys.UNDECIDED) & (score > 0))


def score(verdicts: pd.DataFrame) -> "pd.Series[float]":
    """Order pairs by the least of benefit, pilot's gain and I(T;S), each over its standard error.

    NaN without a benefit.
    """

    def in_errors(name: str) -> "pd.Series[float]":
        value, error = verdicts[name], verdicts[f"{name}_se"]
        return (value / error.where(error > 0)).mask((value == 0) & (error == 0), 0.0)

    benefit, *others = (in_errors(name) for name in ("log_loss_benefit", "pilot_gain", "mi_teacher_student"))
    for other in others:
        benefit = benefit.where(~(other < benefit), other)
    return benefit


@dataclass(frozen=True)
class Evidence:
    """P(truth > 0) of what a verdict rests on; NaN without an estimate.

    Attributes
    ----------
    gap, cross_check
        Of the gap, by two estimators.
    shared
        Of I(T;S).
    advantage, benefit, teacher
        Of the advantage, the benefit and I(T;Y), by held-out log-loss.
    pilot
        Of the pilot's gain.
    drifts
        Whether the gap depends on choices that should not matter.
    """

    gap: float
    cross_check: float
    shared: float
    advantage: float
    benefit: float
    teacher: float
    pilot: float
    drifts: bool

    @property
    def gain(self) -> float:
        """What is needed for a gain and least sure; NaN without a benefit."""
        return self.benefit if np.isnan(self.pilot) else min(self.benefit, self.pilot)

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
        shared=_probability_positive(row, "mi_teacher_student"),
        advantage=_probability_positive(row, "log_loss_advantage"),
        benefit=_probability_positive(row, "log_loss_benefit"),
        teacher=_probability_positive(row, "log_loss_teacher_label"),
        pilot=_probability_positive(row, "pilot_gain"),
        drifts=any(flag in row["flags"] for flag in keys.DRIFTS),
    )


def _decide_pair(row: Mapping[Hashable, Any], settings: CriterionConfig, target: str) -> dict[Hashable, Any]:
    evidence = evidence_of(row)
    plain = "" if np.isnan(row["gap"]) else keys.DISTIL if row["gap"] > 0 else keys.DO_NOT_DISTIL
    judged: dict[Hashable, Any] = {
        "p_gap_positive": evidence.gap,
        "p_advantage_positive": evidence.advantage,
        "p_benefit_positive": evidence.benefit,
        "p_gain_positive": evidence.gain,
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
    if np.isnan(evidence.gain):
        return keys.UNDECIDED
    negative = evidence.gap_is(-1, confidence)
    if evidence.gain <= 1 - confidence or (negative and evidence.gain < confidence):
        return keys.DO_NOT_DISTIL
    # A missing I(T;S) is not a shown one.
    shown = all(p >= confidence for p in (evidence.gain, evidence.teacher, evidence.shared))
    if shown and not negative and not evidence.contradicts(confidence):
        return keys.DISTIL
    return keys.UNDECIDED


def _reason(row: Mapping[Hashable, Any], evidence: Evidence, confidence: float, target: str) -> str:
    """The verdict in words, what speaks loudest first."""
    teacher, student = row["teacher"], row["student"]
    if np.isnan(evidence.gain):
        return (
            f"What {teacher} and {student} know of {target} could not be compared: too few patients have both omics "
            f"and a label ({row.get('n_labelled', 0)} could be used)."
        )

    def nats(name: str) -> str:
        return f"{row[name]:.2f} ± {row[f'{name}_se']:.2f} nats"

    adds = "adds to" if row["log_loss_benefit"] > 0 else "adds nothing to"
    knows = f"{teacher} {adds} what {student} knows of {target}: {nats('log_loss_benefit')}"
    if not np.isnan(row["pilot_gain"]):
        points, error = 100 * row["pilot_gain"], 100 * row["pilot_gain_se"]
        knows += f"; a pilot of {student}, taught by {teacher} alone, gained {points:+.1f} ± {error:.1f} points"
    knows += f" (a gain has P = {evidence.gain:.2f})"
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
    if evidence.gain >= confidence and evidence.teacher < confidence:
        return (
            f"{teacher} has not been shown to know anything of {target} ({nats('log_loss_teacher_label')}; "
            f"P(it does) = {evidence.teacher:.2f}); {knows}."
        )
    if evidence.gain >= confidence and not evidence.shared >= confidence:
        shared = (
            "not be estimated"
            if np.isnan(row["mi_teacher_student"])
            else f"not be shown ({nats('mi_teacher_student')})"
        )
        return f"That {student} shares anything with {teacher} that could be taught could {shared}; {knows}."
    negative = evidence.gap_is(-1, confidence)
    if negative and evidence.gain > 1 - confidence:
        return f"The gap is negative: {shares}; {knows}."
    if evidence.gain >= confidence and evidence.contradicts(confidence):
        return f"The two estimators of the gap contradict each other: {shares}; {knows}."
    if evidence.drifts:
        what = ", ".join(words for flag, words in keys.DRIFTS.items() if flag in row["flags"])
        shares += f", which changes its sign with {what} and decides nothing"
    if evidence.gain >= confidence or evidence.gain <= 1 - confidence:
        return f"{knows}; {shares}."
    return f"Too close to call: {knows}; {shares}."
