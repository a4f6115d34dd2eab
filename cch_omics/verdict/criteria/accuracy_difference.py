"""What an analyst looks at first: how much better the teacher predicts than the student, on held-out samples."""

from cch_omics.verdict.criteria.base import Criterion, Row, by_sign


def score(row: Row) -> float:
    """The primary metric of the teacher minus that of the student."""
    return float(row["accuracy_difference"])


def reason(row: Row, verdict: str) -> str:
    """Say by how much."""
    if row["accuracy_difference"] != row["accuracy_difference"]:
        return "Teacher and student could not be compared: too few patients have both modalities and a label."
    return f"On held-out patients {row['teacher']} is {row['accuracy_difference_shown']} {row['student']}."


ACCURACY_DIFFERENCE = Criterion(
    name="accuracy_difference",
    title="difference of accuracies",
    meaning="Distil where the teacher predicts held-out labels better than the student, in the primary metric.",
    needs_distillation=False,
    score=score,
    decide=by_sign(score),
    reason=reason,
)
