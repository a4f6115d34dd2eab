"""The answer for each student: what to do, how sure that is, what it gained, and what to know before acting.

Plain text: the template escapes it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.report.results import Results
from cch_omics.student.about import TAUGHT_FOLDER
from cch_omics.tasks.base import Metric
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.vocabulary import (
    averaged,
    compared,
    deciding,
    difference,
    model_name,
    model_of,
    number,
    quantity_value,
    recipe_name,
    score,
    shows,
    with_unit,
)

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
class Answer:
    """The answer for one student.

    Attributes
    ----------
    teacher
        The teacher advised, "" for none.
    verdict
        One of `keys.VERDICTS`.
    model
        The model advised, as performance.tsv names it.
    candidate
        The teacher that `certainty` and `gains` speak of: the advised one, or the one that came nearest to it; "" if
        nothing could teach.
    advice
        One sentence: what to do.
    made
        What the advised model is made of; "" if it was not trained.
    certainty
        How sure, and why.
    score
        What the advised model reached on test patients, in the metric's own unit; "" if that was not measured.
    followed
        What following the rule gained on test patients, with the choice of the teacher among what is judged; None where
        no view may teach.
    gains
        What the candidate's student gained on test patients.
    caveats
        Sentences that a reader must know before acting.
    """

    student: str
    teacher: str
    verdict: str
    model: str
    candidate: str
    advice: str
    made: str
    certainty: str
    score: str
    followed: ShownGain | None
    gains: tuple[ShownGain, ...]
    caveats: tuple[str, ...]


def answers(results: Results) -> list[Answer]:
    """Answer for each student, in the order of `Results.students`."""
    pairs = results.pairs
    rows = {row["student"]: row for row in results.teachers.to_dict("records")}
    # A student that nothing could teach has no row.
    alone: Row = {"teacher": "", "recipe": "", "verdict": keys.DO_NOT_DISTIL}
    return [
        _answer(student, rows.get(student, alone), pairs[pairs["student"] == student], results)
        for student in results.students
    ]


def _answer(student: str, row: Row, pairs: pd.DataFrame, results: Results) -> Answer:
    teacher, recipe, verdict = (str(row[name]) for name in ("teacher", "recipe", "verdict"))
    model = model_of(recipe, teacher)
    if teacher:
        of_advice = pairs[(pairs["teacher"] == teacher) & (pairs["recipe"] == recipe)]
    else:
        of_advice = _nearest(pairs, results.rule)
    pair: Row = next(iter(of_advice.to_dict("records")), {})
    about_gains = _of_advised(pair, results.metric) if teacher else _missed(pairs, results.metric)
    return Answer(
        student,
        teacher,
        verdict,
        model,
        str(pair.get("teacher", "")),
        _advice(student, teacher, recipe, verdict),
        _made(student, model, results),
        _certainty(student, teacher, pair, results.rule),
        _score(student, model, results),
        _followed(student, results),
        _gains(pair, results.metric) if pair else (),
        (
            *_chance(student, results),
            *about_gains,
            *behind_baselines(student, model, results),
            *_labels(student, results),
        ),
    )


def _nearest(pairs: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The candidate that came nearest to being chosen: that of the largest score of the rule."""
    scores = pd.Series([CRITERIA[rule].score(row) for row in pairs.to_dict("records")], index=pairs.index, dtype=float)
    return pairs.loc[scores.sort_values(ascending=False, kind="stable", na_position="last").index[:1]]


def _advice(student: str, teacher: str, recipe: str, verdict: str) -> str:
    if teacher and verdict == keys.DISTIL:
        return f"Train the {student} model with {recipe_name(recipe)} from {teacher}."
    if teacher:
        return (
            f"It is not settled whether a teacher helps a model on {student}. The better guess is to train it with "
            f"{recipe_name(recipe)} from {teacher}."
        )
    if verdict == keys.UNDECIDED:
        return f"It is not settled whether a teacher helps a model on {student}. Train it alone until it is."
    return f"Train the {student} model alone."


def _made(student: str, model: str, results: Results) -> str:
    table = results.members
    mine = table[(table["student"] == student) & (table["model"] == model)]
    return averaged(dict(zip(mine["member"], mine["weight"], strict=True))) if len(mine) else ""


def _certainty(student: str, teacher: str, pair: Row, rule: str) -> str:
    """What the rule decided by, and its reason."""
    if not pair:
        return "There is no other modality that could teach it."
    of = pair["teacher"]
    titles = {
        "p_gain_positive": f"Probability that {student} gains from {of}",
        "gap": f"Gap of {of} and {student}",
        "p_gap_positive": f"Probability that the gap of {of} and {student} is positive",
    }
    said = [] if teacher else [f"The nearest candidate is {of}."]
    if column := deciding(rule):
        said.append(f"{titles[column]}: {quantity_value(column, pair)}.")
    return " ".join([*said, str(pair["reason"])])


def _score(student: str, model: str, results: Results) -> str:
    """The mean score of the advised model beside others: "Uno's C 0.621: 0.030 higher than trained alone, ..."."""
    metric, table = results.metric, results.performance
    mine = table[(table["student"] == student) & (table["metric"] == results.task.primary)].set_index("model")["mean"]
    reached = number(mine.get(model))
    if not np.isfinite(reached):
        return ""
    others = ["alone"] * (model != "alone") + [name for name in results.task.baselines if name in mine]
    compares = [
        f"{compared(metric, reached - mine[name])} {'as' if same else 'than'} {model_name(name, results.task)}"
        for name in others
        if np.isfinite(number(mine.get(name)))
        for same in [not shows(metric, reached - mine[name])]
    ]
    return f"{score(metric, reached)}{': ' if compares else ''}{', '.join(compares)}."


def _followed(student: str, results: Results) -> ShownGain | None:
    for row in results.advised[results.advised["student"] == student].to_dict("records"):
        over = (
            f"over training alone, with a teacher or none chosen inside each of {row['n_splits']} training sets "
            f"(a teacher in {100 * row['taught']:.0f}%)"
        )
        return _shown_gain(over, row["advised_gain"], row["ci_low"], row["ci_high"], results.metric)
    return None


def _gains(pair: Row, metric: Metric) -> tuple[ShownGain, ...]:
    return tuple(
        _shown_gain(over, pair[f"{prefix}gain"], pair[f"{prefix}ci_low"], pair[f"{prefix}ci_high"], metric)
        for over, prefix in (("over training alone", ""), ("over the self control", "self_"))
    )


def _shown_gain(over: str, mean: float, low: float, high: float, metric: Metric) -> ShownGain:
    interval = f"{difference(metric, low)} to {difference(metric, high)}" if np.isfinite(low) else ""
    return ShownGain(difference(metric, mean), over if np.isfinite(mean) else f"{over}: not measured", interval)


# --- Caveats ----------------------------------------------------------------------------------------------------------


def _chance(student: str, results: Results) -> list[str]:
    """Say so if nothing predicts the target from the student's omics."""
    if student not in results.at_chance:
        return []
    return [f"No model on {student}, baselines included, is shown to predict {results.target} better than chance."]


def _of_advised(pair: Row, metric: Metric) -> list[str]:
    """Say how the gain of an advised teacher falls short, and whether it is more than soft targets alone give."""
    said = []
    if pair["outcome"] == "harmed":
        disagree = "Advice and realised gain disagree: the" if pair["verdict"] == keys.DISTIL else "The"
        said.append(
            f"{disagree} teacher {pair['teacher']} did harm on test patients. So the student trained alone is "
            f"delivered, and the taught one beside it, in its folder {TAUGHT_FOLDER}."
        )
    elif np.isfinite(pair["ci_low"]) and not pair["clear"]:
        said.append("The gain over training alone is not distinguishable from 0: the gain itself is not established.")
    if pair["self_ci_low"] <= 0 or (np.isfinite(pair["self_gain"]) and not shows(metric, pair["self_gain"])):
        said.append(
            "The gain over the self control is not distinguishable from 0: what was gained may come from soft targets "
            "as such, and not from the other modality."
        )
    return said


def _missed(pairs: pd.DataFrame, metric: Metric) -> list[str]:
    """Say which teacher was not advised and did help."""
    helped = pairs[pairs["clear"] & (pairs["gain"] > 0)].sort_values("gain", ascending=False, kind="stable")
    if helped.empty:
        return []
    best = helped.iloc[0]
    teacher, gained = best["teacher"], with_unit(metric, best["gain"])
    if best["verdict"] == keys.DO_NOT_DISTIL:
        with_it = f"Verdict and realised gain disagree: with the teacher {teacher}"
    else:
        with_it = f"With the teacher {teacher}, which the evidence leaves undecided,"
    return [f"{with_it} it gained {gained} over training alone on test patients."]


def behind_baselines(student: str, model: str, results: Results) -> list[str]:
    """Say so if the advised model does worse than a baseline."""
    table, metric = results.comparisons, results.metric
    mine = table[(table["student"] == student) & (table["model"] == model) & (table["difference"] < 0)]
    mine = mine[mine["difference"].map(lambda difference: shows(metric, difference)).astype(bool)]
    said = []
    for row in mine.sort_values("difference", kind="stable").to_dict("records"):
        loss = with_unit(metric, -row["difference"]).lstrip("+")
        reading = "consider that model instead" if row["ci_high"] < 0 else "the interval of the difference includes 0"
        baseline = model_name(row["baseline"], results.task)
        said.append(f"It loses to {baseline} on the same modality by {loss}: {reading}.")
    return said


def _labels(student: str, results: Results) -> list[str]:
    """Say what is doubtful about the labels."""
    said, target = [], results.target
    if results.audit["derived_from"] == student:
        said.append(
            f"The target {target} was defined from {student}: how well a model on {student} predicts it says little "
            "about a label that was found independently."
        )
    known = results.audit["modalities"][student]["strata"]
    usable = {name: round(results.audit["label_budget"]["strata"][name] * count) for name, count in known.items()}
    rarest = min(usable, key=lambda name: usable[name])
    if usable[rarest] < FEW_LABELS:
        said.append(
            f"There are few labels: some {sum(usable.values())} samples to train on, of which {usable[rarest]} have "
            f"{target} {rarest}. Intervals are wide, and what is rare is learnt badly."
        )
    return said
