"""The verdict on a pair: the Cross-modal Complementarity Hypothesis, and what its gap does not see.

The paper's plain rule (Xie, Xu, Sanguinetti 2025, arXiv 2510.13182) is the sign of the gap I(H_T;H_S) - I(H_S;Y):
distil when teacher and student share more than the student knows of the label. By the chain rule of mutual information

    gap       = I(T;S|Y) - I(S;Y|T)
    advantage = I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)

so the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the gap is
positive, and the plain rule says "distil". Our verdict therefore asks for three things: the teacher knows something of
the label, the gap is positive, and the teacher knows more than the student.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig


def decide(pairs: pd.DataFrame, settings: CriterionConfig, *, target: str) -> pd.DataFrame:
    """Judge every pair in every split.

    With c = `settings.confidence` and normal errors of the estimates, a pair is `do_not_distil` if P(I(T;Y) > 0) < c
    (the burden of proof is the teacher's), or P(gap > 0) <= 1 - c, or P(advantage > 0) <= 1 - c; `distil` if
    P(gap > 0) >= c and P(advantage > 0) >= c; otherwise, or without an estimate, `undecided`.

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


def _decide_pair(row: Mapping[Hashable, Any], settings: CriterionConfig, target: str) -> dict[Hashable, Any]:
    p_gap, p_advantage, p_teacher = (
        _probability_positive(row[name], row[f"{name}_se"]) for name in ("gap", "advantage", "mi_teacher_label")
    )
    verdict = _verdict(p_gap, p_advantage, p_teacher, settings.confidence)
    plain = "" if np.isnan(row["gap"]) else keys.DISTIL if row["gap"] > 0 else keys.DO_NOT_DISTIL
    judged: dict[Hashable, Any] = {
        "p_gap_positive": p_gap,
        "cch_verdict": plain,
        "verdict": verdict,
        "reason": _reason(row, p_gap, p_advantage, p_teacher, settings.confidence, target),
    }
    return dict(row) | judged


def _probability_positive(estimate: float, se: float) -> float:
    """P(truth > 0) for a normal error; NaN without an estimate."""
    if np.isnan(estimate) or np.isnan(se):
        return float("nan")
    if se == 0:
        return 0.5 if estimate == 0 else float(estimate > 0)
    return float(norm.cdf(estimate / se))


def _verdict(p_gap: float, p_advantage: float, p_teacher: float, confidence: float) -> str:
    if np.isnan([p_gap, p_advantage, p_teacher]).any():
        return keys.UNDECIDED
    if p_teacher < confidence or min(p_gap, p_advantage) <= 1 - confidence:
        return keys.DO_NOT_DISTIL
    return keys.DISTIL if min(p_gap, p_advantage) >= confidence else keys.UNDECIDED


def _reason(
    row: Mapping[Hashable, Any], p_gap: float, p_advantage: float, p_teacher: float, confidence: float, target: str
) -> str:
    """The verdict in words, what speaks loudest first."""
    teacher, student = row["teacher"], row["student"]
    if np.isnan([p_gap, p_advantage, p_teacher]).any():
        return (
            f"The mutual information of {teacher}, {student} and {target} could not be estimated: too few patients "
            f"have both omics and a label ({row.get('n_labelled', 0)} could be used)."
        )

    def nats(name: str) -> str:
        return f"{row[name]:.2f} ± {row[f'{name}_se']:.2f} nats"

    def how_sure(p: float) -> str:
        return f"P = {p:.2f}"

    shares = (
        f"{teacher} and {student} share {nats('mi_teacher_student')}, {{}} the {nats('mi_student_label')} "
        f"that {student} knows of {target}"
    )
    knows = f"{teacher} knows {nats('mi_teacher_label')} of {target}, {{}} {student}"
    if p_teacher < confidence:
        return (
            f"{teacher} has not been shown to know anything of {target} ({nats('mi_teacher_label')}; "
            f"P(it does) = {p_teacher:.2f})."
        )
    against = []
    if p_gap <= 1 - confidence:
        against.append(shares.format("less than") + f" (the gap is positive with {how_sure(p_gap)})")
    if p_advantage <= 1 - confidence:
        against.append(knows.format("less than") + f" (it knows more with {how_sure(p_advantage)})")
    if against:
        return "; ".join(against) + "."
    comparison = [
        shares.format("more than" if row["gap"] > 0 else "not more than")
        + f" (the gap is positive with {how_sure(p_gap)})",
        knows.format("more than" if row["advantage"] > 0 else "not more than")
        + f" (it knows more with {how_sure(p_advantage)})",
    ]
    if min(p_gap, p_advantage) >= confidence:
        return "; ".join(comparison) + "."
    return "Too close to call: " + "; ".join(comparison) + "."
