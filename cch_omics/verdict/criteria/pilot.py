"""The pilot: what the students of the inner folds gained from the teacher.

Neither information about the label nor shared information says whether the student's omics can express what the teacher
knows. A pilot does: a student that was taught on inner folds, by teachers that have not seen the labels that it is
judged by. What it says of a gain was right on patients that it had not seen (docs/decisions.md). Two things are asked
for besides, because a gain without them is luck: the teacher and the student that it taught more likely than not know
something of the label, and the teacher is shown to share information with the student.
"""

from statistics import NormalDist

from cch_omics.verdict.criteria.base import DISTIL, DO_NOT_DISTIL, UNDECIDED, Criterion, Row


def score(row: Row) -> float:
    """The gain in the primary metric, of which only a loss counts where it is luck; NaN without an error."""
    if row["pilot_gain_se"] != row["pilot_gain_se"]:
        return float("nan")
    return float(row["pilot_gain"]) if _knows(row) else min(float(row["pilot_gain"]), 0.0)


def decide(row: Row, confidence: float) -> str:
    """Decide by P(gain > 0)."""
    p = row["p_gain_positive"]
    if p <= 1 - confidence:
        return DO_NOT_DISTIL
    return DISTIL if p >= confidence and _knows(row) and _shares(row, confidence) else UNDECIDED


def reason(row: Row, verdict: str) -> str:
    """What the pilots gained, or why that was luck."""
    teacher, student = row["teacher"], row["student"]
    p = row["p_gain_positive"]
    if p != p:
        return "No pilot could be compared: too few patients have both modalities and a label."
    if verdict == UNDECIDED and (p >= row["confidence"] or row["pilot_gain"] > score(row)):
        return _luck(row)
    gained = f"ilots of {student}, taught by {teacher}, gained {row['pilot_gain_shown']}"
    return f"Too close to call: p{gained}; {row['pilot_power_shown']}." if verdict == UNDECIDED else f"P{gained}."


def _knows(row: Row) -> bool:
    """Whether teacher and taught student more likely than not know something of the label; what is not estimated is
    not known.
    """
    return bool(row["teacher_information"] > 0 and row["taught_information"] > 0)


def _shares(row: Row, confidence: float) -> bool:
    """Whether teacher and student are shown to share information; what is not estimated is not shown."""
    shared, se = row["shared_information"], row["shared_information_se"]
    return bool(se > 0) and NormalDist().cdf(shared / se) >= confidence


def _luck(row: Row) -> str:
    """Why a gain would be luck."""
    teacher, student, target = row["teacher"], row["student"], row["target"]
    shared, se = row["shared_information"], row["shared_information_se"]
    for name, known in ((teacher, row["teacher_information"]), (student, row["taught_information"])):
        if known != known:
            return f"What {name} knows of {target} could not be estimated, so that a gain would be luck."
        if known <= 0:
            return f"{name} predicts {target} no better than no data at all, so that a gain would be luck."
    if shared + se != shared + se:
        return f"What {student} shares with {teacher} could not be estimated, so that a gain would be luck."
    size = f" ({shared:.2f} ± {se:.2f} nats)" if shared >= 0.005 else ""
    return f"{student} is not shown to share information with {teacher}{size}, so that a gain would be luck."


PILOT = Criterion(
    name="pilot",
    title="pilot students",
    meaning="Distil where students of the inner folds gained over the student alone by more than their error allows, "
    "from a teacher that knows the label and shares information with a student that knows it too.",
    needs_distillation=True,
    score=score,
    decide=decide,
    reason=reason,
    probability="p_gain_positive",
    reference="docs/decisions.md",
)
