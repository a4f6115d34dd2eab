"""The gap of the teacher's output: a student is taught by outputs, not by representations.

In the joint Gaussian model I(output of T;S) - I(S;Y) orders teachers better than the gap of representations does, which
counts whatever two views share (docs/theory.md). It has no correction by simulations: outputs have few dimensions, in
which the estimators' bias is small.
"""

from cch_omics.verdict.criteria.base import TOO_FEW, Criterion, Row, by_probability, nats_of


def score(row: Row) -> float:
    """The gap, in nats."""
    return float(row["gap_output"])


def reason(row: Row, verdict: str) -> str:
    """What the gap is made of."""
    gap, error = row["gap_output"], row["gap_output_se"]
    if gap + error != gap + error:
        return f"The gap of outputs {TOO_FEW}"
    size = "zero" if abs(gap) < 0.005 else f"{gap:+.2f}"
    shared, known = nats_of(row, "mi_output_student"), nats_of(row, "mi_student_label")
    return (
        f"The gap of outputs is {size} ± {error:.2f} nats: the output of {row['teacher']} and {row['student']} share "
        f"{shared}, {row['student']} and {row['target']} {known}."
    )


GAP_OUTPUT = Criterion(
    name="gap_output",
    title="gap of the teacher's output",
    meaning="Distil where I(T's output; S) - I(S;Y) is shown to be positive.",
    needs_distillation=False,
    score=score,
    decide=by_probability("p_gap_output_positive"),
    reason=reason,
    reference="docs/theory.md",
)
