"""The answer for each student: what to do, how sure that is, what it gained, and what to know before acting.

Plain text: the template escapes it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.report.material import LabelCounts
from cch_omics.report.results import Results
from cch_omics.tasks.base import Metric
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.vocabulary import deciding, difference, model_of, quantity_value, recipe_name, with_unit

# Fewest labelled samples of the smallest stratum with which its results are worth much: a test fold then holds four.
FEW_LABELS = 20

Row = Mapping[Hashable, Any]


@dataclass(frozen=True)
class ShownGain:
    """A gain on test patients: its mean, over what, and its 95% interval, "" if there is none."""

    mean: str
    over: str
    interval: str


@dataclass(frozen=True)
class Realised:
    """Gains on test patients, and what was done to get them."""

    what: str
    gains: tuple[ShownGain, ...]


@dataclass(frozen=True)
class Caveat:
    """What a reader must know before acting: in a few words, and in full."""

    short: str
    text: str


@dataclass(frozen=True)
class Answer:
    """The answer for one student.

    Attributes
    ----------
    verdict
        One of `keys.VERDICTS`.
    model
        The model advised, as performance.tsv names it.
    candidate
        The teacher that `certainty` and `realised` speak of; "" if there is none.
    advice
        One sentence: what to do.
    certainty
        How sure, and why.
    realised
        What was seen on test patients; None if there is no teacher.
    """

    student: str
    teacher: str
    verdict: str
    model: str
    candidate: str
    advice: str
    certainty: tuple[str, ...]
    realised: Realised | None
    caveats: tuple[Caveat, ...]


def answers(results: Results, counts: Mapping[str, LabelCounts]) -> list[Answer]:
    """Answer for each student, in the order of `Results.students`.

    A student without a row in teachers.tsv has no candidate; its answer is to train alone.

    Parameters
    ----------
    counts
        By modality; a modality may be missing.
    """
    pairs = results.pairs
    rows = {row["student"]: row for row in results.teachers.to_dict("records")}
    alone: Row = {"teacher": "", "recipe": "", "rule": "", "verdict": keys.DO_NOT_DISTIL}
    return [
        _answer({"student": student, **rows.get(student, alone)}, pairs[pairs["student"] == student], results, counts)
        for student in results.students
    ]


def _answer(row: Row, pairs: pd.DataFrame, results: Results, counts: Mapping[str, LabelCounts]) -> Answer:
    student, teacher, recipe, rule = (str(row[name]) for name in ("student", "teacher", "recipe", "rule"))
    verdict, model = str(row["verdict"]), model_of(recipe, teacher)
    if teacher:
        of_advice = pairs[(pairs["teacher"] == teacher) & (pairs["recipe"] == recipe)]
        what = "Gained on test patients"
    else:
        of_advice = nearest(pairs, rule)
        what = "Had the nearest candidate taught it all the same"
    spoken_of: Row = next(iter(of_advice.to_dict("records")), {})
    return Answer(
        student,
        teacher,
        verdict,
        model,
        str(spoken_of.get("teacher", teacher)),
        _advice(student, teacher, recipe, verdict),
        _certainty(student, teacher, spoken_of, rule),
        Realised(what, _gains(spoken_of, results.metric)) if spoken_of else None,
        (
            *(_of_advised(spoken_of, results.metric) if teacher and spoken_of else _missed(pairs, results.metric)),
            *behind_baselines(student, model, results),
            *_labels(student, results, counts.get(student)),
        ),
    )


def nearest(pairs: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The candidate that came nearest to being chosen: that of the largest score of the rule."""
    if pairs.empty:
        return pairs
    score = (CRITERIA[rule] if rule in CRITERIA else CRITERIA["pilot"]).score
    scores = pd.Series(
        [score({str(name): value for name, value in row.items()}) for row in pairs.to_dict("records")],
        index=pairs.index,
    )
    return pairs.loc[scores.sort_values(ascending=False, kind="stable", na_position="last").index[:1]]


def _advice(student: str, teacher: str, recipe: str, verdict: str) -> str:
    if verdict == keys.DISTIL and teacher:
        return f"Train the {student} model with {recipe_name(recipe)} from {teacher}."
    if teacher:
        return (
            f"It is not settled whether a teacher helps a model on {student}. The better guess is to train it with "
            f"{recipe_name(recipe)} from {teacher}."
        )
    if verdict == keys.UNDECIDED:
        return f"It is not settled whether a teacher helps a model on {student}. Train it alone until it is."
    return f"Train the {student} model alone."


def _certainty(student: str, teacher: str, pair: Row, rule: str) -> tuple[str, ...]:
    """What the rule decided by, and its reason."""
    if not pair:
        return () if teacher else ("There is no other omics that could teach it.",)
    of = pair["teacher"]
    said = [] if teacher else [f"The nearest candidate is {of}."]
    titles = {
        "p_gain_positive": f"Probability that {student} gains from {of}",
        "gap": f"Gap of {of} and {student}",
        "p_gap_positive": f"Probability that the gap of {of} and {student} is positive",
    }
    column = deciding(rule)
    said += [f"{titles[column]}: {quantity_value(column, pair)}."] if column else []
    said += [str(pair["reason"])] if pair["reason"] else []
    return tuple(said)


def _gains(pair: Row, metric: Metric) -> tuple[ShownGain, ...]:
    return tuple(
        _shown_gain(over, metric, *(pair[prefix + name] for name in ("gain", "ci_low", "ci_high")))
        for over, prefix in (("over training alone", ""), ("over the self control", "self_"))
    )


def _shown_gain(over: str, metric: Metric, mean: float, low: float, high: float) -> ShownGain:
    if not np.isfinite(mean):
        return ShownGain("–", f"{over}: not measured", "")
    ends = f"95%: {difference(metric, low)} to {difference(metric, high)}" if np.isfinite([low, high]).all() else ""
    return ShownGain(difference(metric, mean), over, ends)


# --- Caveats ----------------------------------------------------------------------------------------------------------


def _of_advised(pair: Row, metric: Metric) -> list[Caveat]:
    """Say how the gain of an advised teacher falls short, and whether it is more than soft targets alone give."""
    said = []
    teacher, gained = pair["teacher"], _with_interval(pair, metric)
    if pair["ci_high"] < 0:
        text = f"Advice and realised gain disagree: the teacher {teacher} did harm on test patients, {gained}."
        said.append(Caveat("advice and realised gain disagree", text))
    elif pair["gain"] <= 0:
        text = f"The student of {teacher} did not gain on test patients ({gained}), though the interval includes 0."
        said.append(Caveat("no gain on test patients", text))
    elif np.isfinite(pair["gain"]) and not pair["ci_low"] > 0:
        text = "The interval of the gain over training alone includes 0: the gain itself is not established."
        said.append(Caveat("gain not established", text))
    if np.isfinite(pair["self_gain"]) and not pair["self_ci_low"] > 0:
        text = (
            "The gain over the self control is not distinguishable from 0: what was gained may come from soft targets "
            "as such, and not from the other omics."
        )
        said.append(Caveat("gain not beyond the self control", text))
    return said


def _missed(pairs: pd.DataFrame, metric: Metric) -> list[Caveat]:
    """Say which teacher was not advised and did help."""
    better = pairs[pairs["ci_low"] > 0].sort_values("gain", ascending=False, kind="stable")
    return [
        Caveat(
            f"{row['teacher']} did gain",
            f"Verdict and realised gain disagree: with the teacher {row['teacher']} it gained "
            f"{_with_interval(row, metric)} over training alone.",
        )
        for row in better.head(1).to_dict("records")
    ]


def behind_baselines(student: str, model: str, results: Results) -> list[Caveat]:
    """Say so if the advised model does worse than a baseline."""
    table, metric = results.comparisons, results.metric
    mine = table[(table["student"] == student) & (table["model"] == model) & (table["difference"] < 0)]
    said = []
    for row in mine.sort_values("difference", kind="stable").to_dict("records"):
        baselines = results.task.baselines
        name = baselines[row["baseline"]].title if row["baseline"] in baselines else row["baseline"]
        text = f"It loses to {name} on the same omics by {with_unit(metric, -row['difference']).lstrip('+')}"
        if np.isfinite([row["ci_low"], row["ci_high"]]).all():
            ends = f"95% interval of the difference {difference(metric, row['ci_low'])} to "
            text += f" ({ends}{difference(metric, row['ci_high'])})"
        text += ": consider that model instead." if row["ci_high"] < 0 else " on average, which may be chance."
        said.append(Caveat(f"loses to {name}", text))
    return said


def _labels(student: str, results: Results, counts: LabelCounts | None) -> list[Caveat]:
    """Say what is doubtful about the labels."""
    said, target = [], results.target
    if results.audit.get("derived_from") == student:
        text = (
            f"The target {target} was defined from {student}: how well a model on {student} predicts it says little "
            "about a label that was found independently."
        )
        said.append(Caveat("target defined from this omics", text))
    if counts is None or not counts.strata:
        return said
    for name in absent_strata(counts):
        text = f"No labelled patient with {student} has {target} {name}: the model cannot learn it."
        said.append(Caveat(f"no patient with {target} {name}", text))
    present = [(n, name) for n, name, known in zip(counts.usable, counts.strata, counts.known, strict=True) if known]
    if present and min(present)[0] < FEW_LABELS:
        n, name = min(present)
        text = (
            f"Few labels: {sum(counts.usable)} samples to train on, of which {n} have {target} {name}. Intervals are "
            "wide, and what is rare is learnt badly."
        )
        said.append(Caveat(f"few labels ({n} with {name})", text))
    return said


def absent_strata(counts: LabelCounts) -> list[str]:
    """List strata without any known label."""
    return [name for name, known in zip(counts.strata, counts.known, strict=True) if not known]


def _with_interval(pair: Row, metric: Metric) -> str:
    """A gain with its unit and its interval."""
    mean, low, high = (pair[name] for name in ("gain", "ci_low", "ci_high"))
    text = with_unit(metric, mean)
    if not np.isfinite([low, high]).all():
        return text
    return f"{text} (95% interval {difference(metric, low)} to {difference(metric, high)})"
