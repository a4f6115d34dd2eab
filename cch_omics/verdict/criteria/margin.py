"""The margin of result 2 of docs/theory.md: the rule that is exact for small weights in the joint Gaussian model."""

from cch_omics.verdict.criteria.base import TOO_FEW, Criterion, Row, by_probability


def score(row: Row) -> float:
    """By how much the teacher follows the student's signal more than the label's noise."""
    return float(row["margin"])


def reason(row: Row, verdict: str) -> str:
    """Say which of both the teacher follows."""
    margin, error, teacher = row["margin"], row["margin_se"], row["teacher"]
    if margin + error != margin + error:
        return f"The margin {TOO_FEW}"
    return (
        f"The margin is {margin:+.2f} ± {error:.2f}: so much more does the output of {teacher} answer to what "
        f"{row['student']} predicts of {row['target']} than to what {row['student']} misses of it."
    )


MARGIN = Criterion(
    name="margin",
    title="margin of the Gaussian model",
    meaning="Distil where the teacher is shown to follow the student's signal more closely than the label's noise.",
    needs_distillation=False,
    score=score,
    decide=by_probability("p_margin_positive"),
    reason=reason,
    reference="docs/theory.md, result 2",
)
