"""Always and never: what every other criterion has to beat."""

from cch_omics.verdict.criteria.base import Criterion, Row, by_sign


def one(row: Row) -> float:
    """Every teacher is as good as another."""
    return 1.0


def zero(row: Row) -> float:
    """No teacher is better than none."""
    return 0.0


ALWAYS = Criterion(
    name="always",
    title="always distil",
    meaning="Distil from every teacher, the first one of the list.",
    needs_distillation=False,
    score=one,
    decide=by_sign(one),
    reason=lambda row, verdict: "The rule says so of every pair.",
)
NEVER = Criterion(
    name="never",
    title="never distil",
    meaning="Train every student alone.",
    needs_distillation=False,
    score=zero,
    decide=by_sign(zero),
    reason=lambda row, verdict: "The rule says so of every pair.",
)
