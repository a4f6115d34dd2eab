"""The pilot: what the students of the inner folds gained from the teacher.

Neither information about the label nor shared information says whether the student's omics can express what the teacher
knows. A pilot does: a student that was taught on inner folds, by teachers that have not seen the labels that it is
judged by. On real cohorts that foretells the gain better than the gap (docs/decisions.md). Two things are asked for
besides, because a gain without them is luck: the teacher more likely than not knows something of the label, and is
shown to share information with the student.
"""

from statistics import NormalDist

from cch_omics.verdict.criteria.base import DISTIL, DO_NOT_DISTIL, UNDECIDED, Criterion, Row


def score(row: Row) -> float:
    """The gain in the primary metric; NaN without an error."""
    return float(row["pilot_gain"]) if row["pilot_gain_se"] == row["pilot_gain_se"] else float("nan")


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
        return "No pilot could be compared: too few patients have both omics and a label."
    if verdict == UNDECIDED and p >= row["confidence"]:
        return _luck(row)
    gained = f"pilots of {student}, taught by {teacher}, gained {row['pilot_gain_shown']}."
    return f"Too close to call: {gained}" if verdict == UNDECIDED else f"P{gained[1:]}"


def _knows(row: Row) -> bool:
    """Whether the teacher more likely than not knows something of the label; what is not estimated is not known."""
    return bool(row["teacher_information"] > 0)


def _shares(row: Row, confidence: float) -> bool:
    """Whether teacher and student are shown to share information; what is not estimated is not shown."""
    shared, se = row["shared_information"], row["shared_information_se"]
    return bool(se > 0) and NormalDist().cdf(shared / se) >= confidence


def _luck(row: Row) -> str:
    """Why a gain would be luck."""
    teacher, student, known = row["teacher"], row["student"], row["teacher_information"]
    shared, se = row["shared_information"], row["shared_information_se"]
    if known != known:
        why = f"What {teacher} knows of {row['target']} could not be estimated"
    elif not _knows(row):
        why = f"{teacher} predicts {row['target']} no better than no omics at all ({known:+.2f} nats)"
    elif shared + se != shared + se:
        why = f"What {student} shares with {teacher} could not be estimated"
    else:
        why = f"{student} is not shown to share information with {teacher} ({shared:.2f} ± {se:.2f} nats)"
    return f"{why}, so that a gain would be luck."


PILOT = Criterion(
    name="pilot",
    title="pilot students",
    meaning="Distil where students of the inner folds gained over the student alone by more than their error allows, "
    "from a teacher that knows the label and shares information with the student.",
    needs_distillation=True,
    score=score,
    decide=decide,
    reason=reason,
    probability="p_gain_positive",
    reference="docs/decisions.md",
)
