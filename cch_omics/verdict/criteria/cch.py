"""The paper's rule: the Cross-modal Complementarity Hypothesis.

Distil when teacher and student representations share more information than the student representation shares with the
label: the sign of the gap I(H_T;H_S) - I(H_S;Y). By the chain rule of mutual information

    gap = I(T;S|Y) - I(S;Y|T),

so that the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the
gap is positive, and the rule says "distil".
"""

from cch_omics.verdict.criteria.base import Criterion, Row, by_sign


def score(row: Row) -> float:
    """The gap, in nats."""
    return float(row["gap"])


def reason(row: Row, verdict: str) -> str:
    """What the gap is made of."""
    if row["gap"] != row["gap"]:
        return "The gap could not be estimated: too few patients have both omics and a label."
    teacher, student = row["teacher"], row["student"]
    return (
        f"The gap is {row['gap']:+.2f} ± {row['gap_se']:.2f} nats: {teacher} and {student} share "
        f"{row['mi_teacher_student']:.2f} nats, {student} and {row['target']} {row['mi_student_label']:.2f} nats."
    )


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
