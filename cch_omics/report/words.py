"""What the numbers say, in sentences that a clinician can read. Plain text: the template escapes it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.plotting import VERDICT_WORDS, model_name, signed
from cch_omics.report.results import METRIC, Results

# Fewest labelled samples of the smallest class with which a class-wise result is worth much: one test fold then holds four.
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
    caveats: tuple[str, ...]


def answers(results: Results, counts: Mapping[str, LabelCounts]) -> list[Answer]:
    """Answer for each student, in the order of teachers.tsv.

    Parameters
    ----------
    counts
        By modality; a modality may be missing.
    """
    pairs = results.pairs
    return [
        _answer(row, pairs[pairs["student"] == row["student"]], results, counts.get(row["student"]))
        for row in results.teachers.to_dict("records")
    ]


def headline(given: list[Answer]) -> str:
    """Sum up the answers in one or two sentences."""
    if not given:
        return "No modality was evaluated."
    parts = []
    taught = [f"{answer.student} (from {answer.teacher})" for answer in given if answer.verdict == keys.DISTIL]
    if taught:
        parts.append(f"Distil {_listed(taught)}.")
    alone = [answer.student for answer in given if answer.verdict == keys.DO_NOT_DISTIL]
    if alone:
        parts.append(f"Train {_listed(alone)} alone.")
    open_ = [answer.student for answer in given if answer.verdict == keys.UNDECIDED]
    if open_:
        parts.append(f"For {_listed(open_)} the evidence is undecided: train alone until there is more.")
    return " ".join(parts)


def _answer(row: Mapping[str, object], pairs: pd.DataFrame, results: Results, counts: LabelCounts | None) -> Answer:
    student, teacher, verdict = str(row["student"]), str(row["teacher"]), str(row["verdict"])
    if verdict == keys.DISTIL and teacher:
        advice = f"Train the {student} model with soft targets from {teacher}."
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
    elif verdict == keys.DISTIL:
        certainty = (f"Probability that the gap is positive: {probability(row['p_gap_positive'])}.", *_reasons(chosen))
        realised = _realised("Gained on test patients", chosen)
    else:
        best = pairs.sort_values("p_gap_positive", ascending=False, kind="stable", na_position="last").iloc[:1]
        candidate = str(best["teacher"].iloc[0])
        certainty = (
            f"Nearest candidate: {candidate}, with a probability of {probability(best['p_gap_positive'].iloc[0])} that the gap "
            "is positive.",
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
            *_disagreements(verdict, chosen, pairs),
            *_beyond_self(verdict, chosen),
            *_against_references(student, model, results.deficits, results.performance),
            *_labels(student, results, counts),
        ),
    )


def probability(value: object) -> str:
    """Say a probability without claiming more than the half-samples can tell."""
    number = _number(value)
    if not np.isfinite(number):
        return "not estimated"
    if number > 0.99:
        return "more than 99%"
    return "less than 1%" if number < 0.01 else f"{100 * number:.0f}%"


def interval(mean: object, low: object, high: object, *, metric: str = METRIC, unit: bool = True) -> str:
    """Format a gain with its 95% interval, in points where the metric is a share."""
    scale, digits, words = (100, 1, " points") if metric in PERCENT else (1, 3, " nats")
    if not np.isfinite(_number(mean)):
        return "not measured"
    text = signed(scale * _number(mean), digits) + (words if unit else "")
    if not np.isfinite([_number(low), _number(high)]).all():
        return f"{text} (no interval)"
    ends = f"{signed(scale * _number(low), digits)} to {signed(scale * _number(high), digits)}"
    return f"{text} (95% interval {ends})" if unit else f"{text} ({ends})"


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


def _disagreements(verdict: str, chosen: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Say where the verdict and the realised gain disagree."""
    said = []
    if verdict == keys.DISTIL:
        for row in chosen[np.isfinite(chosen["gain"])].to_dict("records"):
            if row["ci_high"] < 0:
                said.append(
                    f"Verdict and realised gain disagree: distilling from {row['teacher']} did harm on test patients "
                    f"({interval(row['gain'], row['ci_low'], row['ci_high'])})."
                )
            elif row["gain"] <= 0:
                said.append(
                    f"Verdict and realised gain point in opposite directions: distilling from {row['teacher']} did not "
                    "raise balanced accuracy on test patients, though its interval includes 0."
                )
            elif row["ci_low"] <= 0:
                said.append("The interval of the gain over training alone includes 0: the gain itself is not established.")
    else:
        better = pairs[(pairs["ci_low"] > 0) & (pairs["verdict"] != keys.UNDECIDED)]
        for row in better.sort_values("gain", ascending=False).head(1).to_dict("records"):
            said.append(
                f"Verdict and realised gain disagree: distilling from {row['teacher']} gained "
                f"{interval(row['gain'], row['ci_low'], row['ci_high'])} over training alone."
            )
        open_ = pairs[(pairs["ci_low"] > 0) & (pairs["verdict"] == keys.UNDECIDED)]
        for row in open_.sort_values("gain", ascending=False).head(1).to_dict("records"):
            said.append(
                f"{row['teacher']}, about which the verdict is undecided, did gain "
                f"{interval(row['gain'], row['ci_low'], row['ci_high'])} over training alone."
            )
    return said


def _beyond_self(verdict: str, chosen: pd.DataFrame) -> list[str]:
    """Say whether a gain is more than soft labels alone give."""
    if verdict != keys.DISTIL or chosen.empty or not np.isfinite(chosen["self_gain"].iloc[0]):
        return []
    if chosen["self_ci_low"].iloc[0] > 0:
        return []
    return [
        "The gain over the self control is not distinguishable from 0: what was gained may come from soft labels as such, and "
        "not from the other omics."
    ]


def _against_references(student: str, model: str, deficits: pd.DataFrame, performance: pd.DataFrame) -> list[str]:
    """Say so if the recommended model does worse than a reference model."""
    mine = deficits[(deficits["modality"] == student) & (deficits["model"] == model) & (deficits["mean"] < 0)]
    said = []
    for row in mine.sort_values("mean", kind="stable").to_dict("records"):
        name = REFERENCE_NAMES.get(row["reference"], row["reference"])
        # The interval is of student minus reference; the sentence tells the shortfall.
        points = f"{-100 * row['mean']:.1f} points"
        clear = np.isfinite(row["ci_high"]) and row["ci_high"] < 0
        ends = f"95% interval of the difference {signed(100 * row['ci_low'], 1)} to {signed(100 * row['ci_high'], 1)}"
        if clear:
            said.append(f"It loses to {name} on the same omics by {points} ({ends}): consider that model instead.")
        else:
            said.append(f"It loses to {name} on the same omics by {points} on average; the difference may be chance ({ends}).")
    if said or not deficits.empty:
        return said
    # Without the comparison by split, the means alone.
    table = performance[(performance["modality"] == student) & (performance["metric"] == METRIC)].set_index("model")["mean"]
    return [
        f"It loses to {REFERENCE_NAMES[name]} on the same omics by {100 * (table[name] - table[model]):.1f} points."
        for name in REFERENCE_NAMES
        if {name, model} <= set(table.index) and table[name] > table[model]
    ]


def _labels(student: str, results: Results, counts: LabelCounts | None) -> list[str]:
    """Say what is doubtful about the labels."""
    said = []
    if results.audit.get("derived_from") == student:
        said.append(
            f"{results.target} was defined from {student}: how well a model on {student} predicts it says little about a label "
            "that was found independently."
        )
    if counts is None or not counts.classes:
        return said
    absent = [name for name, n in zip(counts.classes, counts.known, strict=True) if n == 0]
    if absent:
        said.append(f"No labelled patient with {student} has class {_listed(absent)}: the model cannot learn it.")
    present = [(n, name) for n, name in zip(counts.usable, counts.classes, strict=True) if name not in absent]
    if present and min(present)[0] < FEW_LABELS:
        n, name = min(present)
        said.append(
            f"Few labels: {sum(counts.usable)} samples to train on, of which {n} in the smallest class ({name}). Intervals are "
            "wide, and rare classes are learnt badly."
        )
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
                f"of {len(part)} called “{VERDICT_WORDS[verdict]}”, {gained} gained over the self control and {harmed} did harm"
            )
    rule = measured[np.isfinite(measured["gap"])]
    agree = int(((rule["gap"] > 0) == (rule["gain"] > 0)).sum())
    return (
        f"Of {len(measured)} ordered pairs: {'; '.join(parts)}. The sign of the gap alone (the paper's plain rule) agreed with the "
        f"sign of the mean gain over training alone in {agree} of {len(rule)}."
    )


def cohort_warnings(results: Results, counts: Mapping[str, LabelCounts]) -> list[str]:
    """Say what every student of the cohort suffers from."""
    said = []
    budget = results.audit.get("label_budget", 1)
    if isinstance(budget, int | float) and budget < 1:
        said.append(
            f"Training was allowed {100 * budget:.0f}% of the labels, to measure what few labels cost. Test patients are judged by all "
            "of theirs."
        )
    absent = sorted({name for count in counts.values() for name, n in zip(count.classes, count.known, strict=True) if n == 0})
    if absent:
        said.append(f"Some omics have no labelled patient of class {_listed(absent)}.")
    return said


def models_sentence(results: Results, chosen: Mapping[str, str]) -> str:
    """Say how many students hold their own against the reference models."""
    told = [student for student, model in chosen.items() if _compared(results, student, model)]
    if not told:
        return "No reference model was fitted."
    behind = [
        student
        for student in told
        if _against_references(student, chosen[student], results.deficits, results.performance)
    ]
    if not behind:
        return f"Every advised student ({_listed(told)}) has at least the balanced accuracy of the reference models on its omics."
    text = f"The advised student loses to a reference model on {_listed(behind)}"
    better = [student for student in told if student not in behind]
    return text + (f"; on {_listed(better)} it does not." if better else ": on none of the omics does it match both.")


def losing(results: Results, chosen: Mapping[str, str]) -> list[str]:
    """Say of each advised student that loses to a reference model by how much it does."""
    return [
        f"{student}, {model_words(model)}. {sentence}"
        for student, model in chosen.items()
        for sentence in _against_references(student, model, results.deficits, results.performance)
    ]


def _compared(results: Results, student: str, model: str) -> bool:
    deficits = results.deficits
    return bool(((deficits["modality"] == student) & (deficits["model"] == model)).any())


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


@dataclass(frozen=True)
class Method:
    """A paragraph of the methods."""

    name: str
    text: str


def methods(results: Results, design: str) -> list[Method]:
    """Describe how the numbers were made, with what the tables tell of it."""
    return [
        Method("Splits", design or "The splits were not read."),
        Method(
            "Representations",
            "For each omics, inner fold and outer training set a small network (principal components, one hidden layer of tanh "
            "units, classes) is trained without that fold; its hidden layer represents the patients of the fold. In-sample "
            "representations have memorised the label and are never used for mutual information.",
        ),
        Method("Mutual information", _estimators(results.information)),
        Method(
            "Gap and advantage",
            "Gap = I(T;S) − I(S;Y): what the representations of teacher and student share, minus what the student's representation "
            "tells of the label. Advantage = I(T;Y) − I(S;Y): what the teacher knows of the label more than the student. "
            "The paper's plain rule distils where the gap is positive; our verdict asks that both be positive with the "
            "probability configured, says “do not distil” where either is improbable, and “undecided” in between.",
        ),
        Method(
            "Standard errors of the gap",
            "From half-samples without replacement, the same patients for both terms, stratified by class and grouped by patient, "
            "plus the spread over encoders. The bootstrap is not used: duplicated points break nearest-neighbour estimators.",
        ),
        Method(
            "Distillation",
            "The student's loss is (1 − λ) × the loss of the labels, over labelled patients, plus λ T² × the Kullback-Leibler "
            "divergence from the teacher's soft targets at temperature T, over all patients who have both omics, labelled or not. "
            "Soft targets are out-of-fold predictions of the teacher. λ and T are chosen on inner folds.",
        ),
        *_shared_methods(),
        Method(
            "A limit",
            "The verdict that is shown for a student is made from all patients, and the gain beside it is the mean over outer test "
            "folds of the same patients. Verdicts made inside each outer training set alone are what the scorecard judges.",
        ),
    ]


def methods_in_short() -> list[Method]:
    """Describe what a reader of the pooled page needs."""
    return [
        Method(
            "Gap and advantage",
            "Gap = I(T;S) − I(S;Y), advantage = I(T;Y) − I(S;Y), in nats, of held-out representations of teacher T and student S, "
            "and label Y. The page of each cohort has the rest.",
        ),
        *_shared_methods(),
        Method(
            "Pooling",
            "Pairs of one cohort share patients and models, and cohorts may share patients: the pooled rows are a summary, and no "
            "interval is given for them.",
        ),
    ]


def _shared_methods() -> list[Method]:
    return [
        Method(
            "Controls",
            "Trained alone: the same network without a teacher. Self control: taught with out-of-fold soft labels of its own "
            "omics, which is what soft labels alone give. Shuffled: taught with the teacher's soft targets permuted over patients, "
            "which is what a teacher that knows nothing of the patient gives. A gain counts as cross-omics only over the self "
            "control.",
        ),
        Method(
            "Gains and their intervals",
            "Metric of the distilled student minus that of the control, on the same test patients of the same outer split. Training sets of "
            "outer splits overlap, so the splits' gains are not independent: the 95% intervals use the variance of Nadeau & Bengio "
            "(2003), s² (1/J + n_test/n_train) with J splits, and Student's t with J − 1 degrees of freedom. Harmed: the interval "
            "over training alone lies below 0. Gained: that over the self control lies above 0. No correction is made for the "
            "number of pairs.",
        ),
        Method(
            "Decisions",
            "A class is decided after class offsets were added to the log-probabilities. They are fitted for each split and model on held-out "
            "predictions of labelled training patients, for baseline, controls, students and reference models alike.",
        ),
        Method(
            "Reference models",
            "Penalised logistic regression and gradient boosting on the student's omics, fitted in the same folds to the same labels.",
        ),
    ]


def _estimators(information: pd.DataFrame) -> str:
    names = {"ksg": "Kraskov, Stögbauer & Grassberger (2004)", "ross": "Ross (2014)"}
    told = []
    quantities = {"teacher_student": "I(T;S)", "student_label": "I(S;Y)", "teacher_label": "I(T;Y)"}
    for quantity, symbol in quantities.items():
        used = information.loc[information["quantity"] == quantity, "estimator"].drop_duplicates()
        if len(used):
            told.append(f"{symbol} by {_listed([names.get(str(name), str(name)) for name in used])}")
    dimensions = sorted({int(value) for value in information["dim"].dropna()})
    text = f"{'; '.join(told)}. " if told else ""
    if dimensions:
        text += f"Representations enter with {_listed([str(value) for value in dimensions])} principal components. "
    return text + (
        "Estimated in each inner fold from held-out patients who have both omics, then averaged, because encoders of different folds "
        "have unaligned axes. Nothing is clipped: an estimate may be negative. Units are nats. Such estimators are biased at cohort "
        "sizes, so a gap near 0 should not be read by its sign alone."
    )
