"""What the numbers say, in sentences that a clinician can read. Plain text: the template escapes it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.criteria.cch import score
from cch_omics.plotting import VERDICT_WORDS, model_name, signed
from cch_omics.report.results import Results

# Fewest labelled samples of the smallest class with which its recall is worth much: a test fold then holds four.
FEW_LABELS = 20
METRIC_NAMES = {
    "balanced_accuracy": "balanced accuracy, %",
    "macro_f1": "macro F1, %",
    "auroc": "AUROC, %",
    "log_loss": "log-loss, nats",
    "expected_calibration_error": "calibration error, %",
}
PERCENT = frozenset(name for name, words in METRIC_NAMES.items() if words.endswith("%"))
REFERENCE_NAMES = {"logistic": "penalised logistic regression", "boosting": "gradient boosting"}
DECISIONS = {keys.DISTIL: "Distil", keys.DO_NOT_DISTIL: "Train alone", keys.UNDECIDED: "Undecided"}


@dataclass(frozen=True)
class LabelCounts:
    """Labels of the samples of one modality.

    Attributes
    ----------
    usable
        (C,) labels of each class that a model could be trained on.
    known
        (C,) labels of each class, within the label budget or not.
    profiled
        Samples that have the modality.
    """

    classes: tuple[str, ...]
    usable: tuple[int, ...]
    known: tuple[int, ...]
    profiled: int


@dataclass(frozen=True)
class Gain:
    """A gain on test patients: its mean, over what, and its 95% interval, "" if there is none."""

    mean: str
    over: str
    interval: str


@dataclass(frozen=True)
class Realised:
    """Gains on test patients, and what was done to get them."""

    what: str
    gains: tuple[Gain, ...]


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
        The model advised, as `Results.performance` names it.
    candidate
        The teacher that `certainty` and `realised` speak of; "" if there is none.
    advice
        One sentence: what to do.
    certainty
        How sure, and why.
    realised
        What was seen on test patients; None if there is no teacher.
    caveats
        What a reader must know before acting.
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
    """Answer for each student, in the order of `Results.modalities`.

    A cohort with one omics has no pairs and so no row in teachers.tsv; its answer is to train alone.

    Parameters
    ----------
    counts
        By modality; a modality may be missing.
    """
    pairs = results.pairs
    rows = {row["student"]: row for row in results.teachers.to_dict("records")}
    alone: dict[Hashable, Any] = {"teacher": "", "verdict": keys.DO_NOT_DISTIL, "p_gap_positive": float("nan")}
    return [
        _answer(
            rows.get(student, {"student": student, **alone}),
            pairs[pairs["student"] == student],
            results,
            counts.get(student),
        )
        for student in results.modalities
    ]


def headline(given: list[Answer]) -> str:
    """Sum up the answers in one or two sentences."""
    if not given:
        return "No modality was evaluated."
    parts = []
    taught = [f"{answer.student} (teacher: {answer.teacher})" for answer in given if answer.verdict == keys.DISTIL]
    if taught:
        parts.append(f"Distil the model{plural(taught)} on {_listed(taught)}.")
    alone = [answer.student for answer in given if answer.verdict == keys.DO_NOT_DISTIL]
    if alone:
        parts.append(f"Train the model{plural(alone)} on {_listed(alone)} alone.")
    open_ = [answer for answer in given if answer.verdict == keys.UNDECIDED]
    guessed = [f"{answer.student} (teacher: {answer.teacher})" for answer in open_ if answer.teacher]
    if guessed:
        parts.append(f"For {_listed(guessed)} the evidence is undecided; distilling is the better guess.")
    rest = [answer.student for answer in open_ if not answer.teacher]
    if rest:
        parts.append(f"For {_listed(rest)} the evidence is undecided: train alone until there is more.")
    return " ".join(parts)


def _answer(row: Mapping[Hashable, Any], pairs: pd.DataFrame, results: Results, counts: LabelCounts | None) -> Answer:
    student, teacher, verdict = str(row["student"]), str(row["teacher"]), str(row["verdict"])
    if verdict == keys.DISTIL and teacher:
        advice = f"Train the {student} model with soft targets from {teacher}."
        model = f"distilled:{teacher}"
    elif teacher:
        advice = (
            f"It is not settled whether a model on {student} should be distilled. The better guess is to train "
            f"it with soft targets from {teacher}."
        )
        model = f"distilled:{teacher}"
    elif verdict == keys.UNDECIDED:
        advice = f"It is not settled whether a model on {student} should be distilled. Train it alone until it is."
        model = "alone"
    else:
        advice = f"Train the {student} model alone."
        model = "alone"
    chosen = pairs[pairs["teacher"] == teacher] if teacher else pairs.iloc[:0]
    candidate = teacher
    if pairs.empty:
        certainty: tuple[str, ...] = ("There is no other omics that could teach it.",)
        realised = None
    elif teacher:
        likely = probability(chosen["p_gain_positive"].iloc[0]) if len(chosen) else "not estimated"
        certainty = (f"Probability that {student} gains from {teacher}: {likely}.", *_reasons(chosen))
        realised = _realised("Gained on test patients", chosen)
    else:
        # The order in which teachers are chosen.
        best = pairs.loc[score(pairs).sort_values(ascending=False, kind="stable", na_position="last").index[:1]]
        candidate = str(best["teacher"].iloc[0])
        likely = probability(best["p_gain_positive"].iloc[0])
        certainty = (
            f"Nearest candidate: {candidate}, with a probability of {likely} that {student} gains from it.",
            *_reasons(best),
        )
        realised = _realised(f"Had it been distilled from {candidate} all the same", best)
    return Answer(
        student,
        teacher,
        verdict,
        model,
        candidate,
        advice,
        certainty,
        realised,
        (
            *_disagreements(chosen, pairs),
            *_beyond_self(chosen),
            *_against_references(student, model, results.deficits),
            *_labels(student, results, counts),
        ),
    )


def probability(value: object, *, short: bool = False) -> str:
    """Say a probability without claiming more than the half-samples can tell."""
    number = _number(value)
    if not np.isfinite(number):
        return "–" if short else "not estimated"
    if number > 0.99:
        return "> 99%" if short else "more than 99%"
    if number < 0.01:
        return "< 1%" if short else "less than 1%"
    return f"{100 * number:.0f}%"


def _realised(what: str, rows: pd.DataFrame) -> Realised | None:
    """Gains of the first pair over training alone and over the self control."""
    for row in rows.to_dict("records"):
        return Realised(
            what,
            (
                _gain("over training alone", row["gain"], row["ci_low"], row["ci_high"]),
                _gain("over the self control", row["self_gain"], row["self_ci_low"], row["self_ci_high"]),
            ),
        )
    return None


def _gain(over: str, mean: float, low: float, high: float) -> Gain:
    if not np.isfinite(mean):
        return Gain("–", f"{over}: not measured", "")
    ends = f"95%: {signed(100 * low, 1)} to {signed(100 * high, 1)}" if np.isfinite([low, high]).all() else ""
    return Gain(signed(100 * mean, 1), over, ends)


def _disagreements(chosen: pd.DataFrame, pairs: pd.DataFrame) -> list[Caveat]:
    """Say where the verdict and the realised gain disagree."""
    if not chosen.empty:
        return [caveat for row in chosen.to_dict("records") for caveat in _disappointment(row)]
    said = []
    better = pairs[pairs["ci_low"] > 0].sort_values("gain", ascending=False, kind="stable")
    for row in better[better["verdict"] != keys.UNDECIDED].head(1).to_dict("records"):
        text = f"distilling from {row['teacher']} gained {_in_brackets(row)} over training alone."
        said.append(Caveat("verdict and realised gain disagree", f"Verdict and realised gain disagree: {text}"))
    for row in better[better["verdict"] == keys.UNDECIDED].head(1).to_dict("records"):
        text = (
            f"{row['teacher']}, about which the verdict is undecided, did gain {_in_brackets(row)} over training alone."
        )
        said.append(Caveat(f"{row['teacher']} did gain", text))
    return said


def _disappointment(row: Mapping[Hashable, Any]) -> list[Caveat]:
    """Say how the gain of an advised teacher falls short."""
    if not np.isfinite(row["gain"]):
        return []
    if row["ci_high"] < 0:
        text = f"distilling from {row['teacher']} did harm on test patients, {_in_brackets(row)}."
        return [Caveat("advice and realised gain disagree", f"Advice and realised gain disagree: {text}")]
    if row["gain"] <= 0:
        text = (
            f"Advice and realised gain point in opposite directions: distilling from {row['teacher']} did not raise "
            "balanced accuracy on test patients, though its interval includes 0."
        )
        return [Caveat("advice and mean gain differ in sign", text)]
    if not row["ci_low"] > 0:
        text = "The interval of the gain over training alone includes 0: the gain itself is not established."
        return [Caveat("gain not established", text)]
    return []


def _in_brackets(row: Mapping[Hashable, Any]) -> str:
    """A gain in balanced accuracy with its interval."""
    text = f"{signed(100 * row['gain'], 1)} points"
    if not np.isfinite([row["ci_low"], row["ci_high"]]).all():
        return text
    return f"{text} (95% interval {signed(100 * row['ci_low'], 1)} to {signed(100 * row['ci_high'], 1)})"


def _beyond_self(chosen: pd.DataFrame) -> list[Caveat]:
    """Say whether a gain is more than soft labels alone give."""
    if chosen.empty or not np.isfinite(chosen["self_gain"].iloc[0]):
        return []
    if chosen["self_ci_low"].iloc[0] > 0:
        return []
    text = (
        "The gain over the self control is not distinguishable from 0: what was gained may come from soft labels as "
        "such, and not from the other omics."
    )
    return [Caveat("gain not beyond the self control", text)]


def _against_references(student: str, model: str, deficits: pd.DataFrame) -> list[Caveat]:
    """Say so if the recommended model does worse than a reference model."""
    mine = deficits[(deficits["modality"] == student) & (deficits["model"] == model) & (deficits["mean"] < 0)]
    said = []
    for row in mine.sort_values("mean", kind="stable").to_dict("records"):
        name = REFERENCE_NAMES.get(row["reference"], row["reference"])
        text = f"It loses to {name} on the same omics by {-100 * row['mean']:.1f} points"
        if np.isfinite([row["ci_low"], row["ci_high"]]).all():
            low, high = signed(100 * row["ci_low"], 1), signed(100 * row["ci_high"], 1)
            ends = f"(95% interval of the difference {low} to {high})"
            clear = row["ci_high"] < 0
            text += f" {ends}: consider that model instead." if clear else f" on average, which may be chance {ends}."
        else:
            text += " on average."
        said.append(Caveat(f"loses to {name}", text))
    return said


def _labels(student: str, results: Results, counts: LabelCounts | None) -> list[Caveat]:
    """Say what is doubtful about the labels."""
    said = []
    if results.audit.get("derived_from") == student:
        text = (
            f"The target {results.target} was defined from {student}: how well a model on {student} predicts it says "
            "little about a label that was found independently."
        )
        said.append(Caveat("target defined from this omics", text))
    if counts is None or not counts.classes:
        return said
    absent = [name for name, n in zip(counts.classes, counts.known, strict=True) if n == 0]
    if absent:
        text = f"No labelled patient with {student} has class {_listed(absent)}: the model cannot learn it."
        said.append(Caveat(f"no patient of class {_listed(absent)}", text))
    present = [(n, name) for n, name in zip(counts.usable, counts.classes, strict=True) if name not in absent]
    if present and min(present)[0] < FEW_LABELS:
        n, name = min(present)
        text = (
            f"Few labels: {sum(counts.usable)} samples to train on, of which {n} in the smallest class ({name}). "
            "Intervals are wide, and rare classes are learnt badly."
        )
        said.append(Caveat(f"few labels ({n} of {name})", text))
    return said


def _reasons(rows: pd.DataFrame) -> list[str]:
    return [str(reason) for reason in rows["reason"] if str(reason)]


def verdict_counts(verdicts: pd.DataFrame) -> str:
    """Count the pairs of each verdict, in a sentence."""
    parts = [f"{int((verdicts['verdict'] == verdict).sum())} {VERDICT_WORDS[verdict]}" for verdict in keys.VERDICTS]
    return f"Verdicts: {', '.join(parts)}."


def outcome_sentence(pairs: pd.DataFrame) -> str:
    """Say how often the verdicts and the plain rule were right, counting only clear outcomes."""
    measured = pairs[pairs["outcome"] != "not measured"]
    if measured.empty:
        return "No pair has a measured gain."
    parts = []
    for verdict in keys.VERDICTS:
        part = measured[measured["verdict"] == verdict]
        if len(part):
            gained, harmed = int((part["outcome"] == "gained").sum()), int((part["outcome"] == "harmed").sum())
            parts.append(
                f"of {len(part)} called “{VERDICT_WORDS[verdict]}”, {gained} gained over the self control and "
                f"{harmed} did harm"
            )
    rule = measured[np.isfinite(measured["gap"])]
    agree = int(((rule["gap"] > 0) == (rule["gain"] > 0)).sum())
    return (
        f"Of {len(measured)} ordered pairs: {'; '.join(parts)}. The sign of the gap alone (the paper's plain rule) "
        f"agreed with the sign of the mean gain over training alone in {agree} of {len(rule)}."
    )


def cohort_warnings(results: Results, counts: Mapping[str, LabelCounts]) -> list[str]:
    """Say what every student of the cohort suffers from."""
    said = []
    budget = results.audit.get("label_budget", 1)
    if isinstance(budget, int | float) and budget < 1:
        said.append(
            f"Training was allowed {100 * budget:.0f}% of the labels, to measure what few labels cost. Test patients "
            "are judged by all of theirs."
        )
    absent = sorted(
        {name for count in counts.values() for name, n in zip(count.classes, count.known, strict=True) if n == 0}
    )
    if absent:
        said.append(f"Some omics have no labelled patient of class {_listed(absent)}.")
    return said


def models_sentence(results: Results, chosen: Mapping[str, str]) -> str:
    """Say how many students hold their own against the reference models."""
    told = [student for student, model in chosen.items() if _compared(results, student, model)]
    if not told:
        return "No reference model was fitted."
    behind = [student for student in told if _against_references(student, chosen[student], results.deficits)]
    if not behind:
        return f"No advised student ({_listed(told)}) falls behind a reference model on its omics in balanced accuracy."
    text = f"The advised student loses to a reference model on {_listed(behind)}"
    better = [student for student in told if student not in behind]
    return text + (f"; on {_listed(better)} it does not." if better else ": on none of the omics does it match both.")


def losing(results: Results, chosen: Mapping[str, str]) -> list[str]:
    """Say of each advised student that loses to a reference model by how much it does."""
    return [
        f"{student}, {model_words(model)}. {caveat.text}"
        for student, model in chosen.items()
        for caveat in _against_references(student, model, results.deficits)
    ]


def _compared(results: Results, student: str, model: str) -> bool:
    deficits = results.deficits
    return bool(((deficits["modality"] == student) & (deficits["model"] == model)).any())


def plural(things: list[str]) -> str:
    """Return the ending of a noun that counts `things`."""
    return "" if len(things) == 1 else "s"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def model_words(model: str) -> str:
    """Name a model in a table."""
    name = model_name(model)
    return f"distilled {name}" if model.startswith("distilled:") else name


def estimators(information: pd.DataFrame) -> str:
    """Say by which estimators, and of how many dimensions, the information was estimated."""
    names = {
        "ksg": "Kraskov, Stögbauer & Grassberger (2004)",
        "ksg2": "Kraskov, Stögbauer & Grassberger (2004), second algorithm",
        "mixed": "Gao et al. (2017)",
        "gaussian": "the Gaussian formula, corrected for the number of samples",
        "copula": "the Gaussian copula",
        "latent": "Gowri et al. (2024), a lower bound",
        "infonce": "InfoNCE, a lower bound",
        "mine": "Donsker & Varadhan with a learned critic",
        "ross": "Ross (2014)",
        "crossentropy": "the cross-entropy of held-out predictions, a lower bound",
    }
    told = []
    quantities = {"teacher_student": "I(T;S)", "student_label": "I(S;Y)", "teacher_label": "I(T;Y)"}
    for quantity, symbol in quantities.items():
        used = information.loc[information["quantity"] == quantity, "estimator"].drop_duplicates()
        if len(used):
            told.append(f"{symbol} by {_listed([names.get(str(name), str(name)) for name in used])}")
    dimensions = sorted({int(value) for value in information["dim"].dropna()})
    text = f"{'; '.join(told)}." if told else ""
    if dimensions:
        text += f" Representations enter with {_listed([str(value) for value in dimensions])} principal components."
    return text
