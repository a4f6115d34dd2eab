"""The paper's rule: the Cross-modal Complementarity Hypothesis.

Distil when teacher and student representations share more information than the student representation shares with the
label: the sign of the gap I(H_T;H_S) - I(H_S;Y). By the chain rule of mutual information

    gap = I(T;S|Y) - I(S;Y|T),

so that the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the
gap is positive, and the rule says "distil".
"""

from cch_omics.verdict.criteria.base import TOO_FEW, Criterion, Row, by_sign, nats_of


def score(row: Row) -> float:
    """The gap, in nats."""
    return float(row["gap"])


def reason(row: Row, verdict: str) -> str:
    """What the gap is made of."""
    if row["gap"] != row["gap"]:
        return f"The gap {TOO_FEW}"
    teacher, student, error = row["teacher"], row["student"], row["gap_se"]
    size = "zero" if abs(row["gap"]) < 0.005 else f"{row['gap']:+.2f}"
    size += f" ± {error:.2f} nats" if error == error else " nats"
    size += ", not clear of zero" if abs(row["gap"]) <= 1.96 * error else ""
    shared, known = nats_of(row, "mi_teacher_student"), nats_of(row, "mi_student_label")
    return f"The gap is {size}: {teacher} and {student} share {shared}, {student} and {row['target']} {known}."


CCH = Criterion(
    name="cch",
    title="the paper's rule (sign of the gap)",
    meaning="Distil where the gap I(T;S) - I(S;Y) is positive.",
    needs_distillation=False,
    score=score,
    decide=by_sign(score),
    reason=reason,
    reference="Xie, Xu, Sanguinetti 2025, arXiv 2510.13182",
)
