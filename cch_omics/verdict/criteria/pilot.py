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
    return DISTIL if p >= confidence and not _luck(row, confidence) else UNDECIDED


def reason(row: Row, verdict: str) -> str:
    """What the pilots gained, or why that was luck."""
    teacher, student = row["teacher"], row["student"]
    p = row["p_gain_positive"]
    if p != p:
        return "No pilot could be compared: too few patients have both omics and a label."
    if verdict == UNDECIDED and p >= row["confidence"]:
        return _luck(row, row["confidence"])
    gained = f"pilots of {student}, taught by {teacher}, gained {row['pilot_gain_shown']}."
    return f"Too close to call: {gained}" if verdict == UNDECIDED else f"P{gained[1:]}"


def _luck(row: Row, confidence: float) -> str:
    """Why a gain would be luck; "" if it would not."""
    if row["teacher_information"] != row["teacher_information"]:
        return f"What {row['teacher']} knows of {row['target']} could not be estimated, so that a gain would be luck."
    if not row["teacher_information"] > 0:
        return (
            f"{row['teacher']} predicts {row['target']} no better than no omics at all "
            f"({row['teacher_information']:+.2f} nats), so that a gain would be luck."
        )
    shared, se = row["shared_information"], row["shared_information_se"]
    if shared + se != shared + se:
        return (
            f"What {row['student']} shares with {row['teacher']} could not be estimated, so that a gain would be luck."
        )
    if not _probability_positive(shared, se) >= confidence:
        return (
            f"{row['student']} is not shown to share information with {row['teacher']} ({shared:.2f} ± {se:.2f} nats), "
            "so that a gain would be luck."
        )
    return ""


def _probability_positive(mean: float, sd: float) -> float:
    return NormalDist().cdf(mean / sd) if sd > 0 else float("nan")


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
