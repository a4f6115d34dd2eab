"""The sign of the gap, where it is shown.

At cohort size the sign of an estimated gap is mostly the bias of the estimators. So two estimators of I(T;S) of
different kinds are asked, and each is corrected by what it says on parametric simulations of the cohort whose gap is
zero (`information.simulations`).
"""

from cch_omics.verdict.criteria import cch
from cch_omics.verdict.criteria.base import DISTIL, DO_NOT_DISTIL, UNDECIDED, Criterion, Row


def score(row: Row) -> float:
    """The gap less what the estimator says where the gap is zero, in nats."""
    return float(row["gap"] - row["gap_at_zero"])


def decide(row: Row, confidence: float) -> str:
    """Decide by P(gap > 0) of both estimators; undecided where they do not agree, and without simulations."""
    if score(row) != score(row):
        return UNDECIDED
    both = row["p_gap_positive"], row["cross_check_p_gap_positive"]
    if all(p >= confidence for p in both):
        return DISTIL
    return DO_NOT_DISTIL if all(p <= 1 - confidence for p in both) else UNDECIDED


def reason(row: Row, verdict: str) -> str:
    """What both estimators say."""
    if row["gap"] != row["gap"]:
        return cch.reason(row, verdict)
    if row["gap_at_zero"] != row["gap_at_zero"]:
        return "The gap could not be calibrated: its estimators say nothing of simulations of the cohort."
    first, second = row["p_gap_positive"], row["cross_check_p_gap_positive"]
    return (
        f"The probability that the gap is positive is {_percent(first)} by one estimator and {_percent(second)} by "
        "another, both corrected by simulations of the cohort."
    )


def _percent(p: float) -> str:
    if p != p:
        return "not known"
    return "more than 99%" if p > 0.99 else "less than 1%" if p < 0.01 else f"{100 * p:.0f}%"


CCH_CALIBRATED = Criterion(
    name="cch_calibrated",
    title="the gap, calibrated by simulations",
    meaning="Distil where two estimators, corrected by parametric simulations, show that the gap is positive.",
    needs_distillation=False,
    score=score,
    decide=decide,
    reason=reason,
    probability="p_gap_positive",
    reference="Xie, Xu, Sanguinetti 2025, arXiv 2510.13182; docs/theory.md",
)
