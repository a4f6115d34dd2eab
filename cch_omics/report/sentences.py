"""What the tables say, in sentences that a clinician can read. Plain text: the template escapes it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.information.registry import ESTIMATORS
from cch_omics.report.answers import Answer, absent_strata, behind_baselines
from cch_omics.report.material import LabelCounts
from cch_omics.report.results import Results
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.vocabulary import QUANTITIES, VERDICTS, deciding, model_name

TERMS = {"teacher_student": "I(T;S)", "student_label": "I(S;Y)", "teacher_label": "I(T;Y)"}


def headline(given: Sequence[Answer]) -> str:
    """Sum up the answers in one to four sentences."""
    if not given:
        return "No omics was evaluated."
    parts = []
    taught = [f"{answer.student} (teacher: {answer.teacher})" for answer in given if answer.verdict == keys.DISTIL]
    if taught:
        parts.append(f"Distil the model{plural(taught)} on {listed(taught)}.")
    alone = [answer.student for answer in given if answer.verdict == keys.DO_NOT_DISTIL]
    if alone:
        parts.append(f"Train the model{plural(alone)} on {listed(alone)} alone.")
    open_ = [answer for answer in given if answer.verdict == keys.UNDECIDED]
    guessed = [f"{answer.student} (teacher: {answer.teacher})" for answer in open_ if answer.teacher]
    if guessed:
        parts.append(f"For {listed(guessed)} the evidence is undecided; distilling is the better guess.")
    rest = [answer.student for answer in open_ if not answer.teacher]
    if rest:
        parts.append(f"For {listed(rest)} the evidence is undecided: train alone until there is more.")
    return " ".join(parts)


def rule_sentences(rules: Sequence[str]) -> list[str]:
    """Say which rule decided, and by what."""
    said = []
    for rule in rules:
        if rule in CRITERIA:
            column = deciding(rule)
            by = f" It decides by {'the gap' if column == 'gap' else QUANTITIES[column]}." if column else ""
            said.append(f"The rule in force is “{CRITERIA[rule].title}”: {_lower(CRITERIA[rule].meaning)}{by}")
        else:
            said.append(f"The rule in force is {rule}.")
    return said


def cohort_warnings(results: Results, counts: Mapping[str, LabelCounts]) -> list[str]:
    """Say what every student of the cohort suffers from."""
    said = []
    budget = results.audit.get("label_budget", 1)
    if isinstance(budget, int | float) and budget < 1:
        said.append(
            f"Training was allowed {100 * budget:.0f}% of the labels, to measure what few labels cost. Test patients "
            "are judged by all of theirs."
        )
    absent = sorted({name for count in counts.values() for name in absent_strata(count)})
    if absent:
        said.append(f"Some omics have no labelled patient with {results.target} {listed(absent)}.")
    return said


def evidence_sentences(verdicts: pd.DataFrame) -> list[str]:
    """Say what the figure of the evidence shows, as far as it was computed."""
    known = {name: bool(verdicts[name].notna().any()) for name in ("cross_check_gap", "gap_at_zero", "pilot_gain")}
    said = ["At this number of patients an estimator's bias can turn the sign of a gap."]
    if known["cross_check_gap"]:
        said.append("So the gap is estimated in two ways.")
    if known["gap_at_zero"]:
        said.append(
            "Each estimate is corrected by what its estimator says in parametric simulations: cohorts of the same size "
            "and labels, drawn from a model of this one, whose gap is zero."
        )
    else:
        said.append("No parametric simulations were made, so that nothing is corrected.")
    if known["pilot_gain"]:
        said.append(
            "A pilot is a student of the inner folds: its gain is measured on patients that neither it nor its teacher "
            "has seen."
        )
    return said


def verdict_counts(verdicts: pd.DataFrame) -> str:
    """Count the pairs of each verdict, in a sentence."""
    parts = [f"{int((verdicts['verdict'] == verdict).sum())} {words}" for verdict, words in VERDICTS.items()]
    return f"Verdicts: {', '.join(parts)}."


def outcome_sentences(pairs: pd.DataFrame) -> list[str]:
    """Say how often the verdicts and the sign of the gap were right, counting only clear outcomes."""
    measured = pairs[pairs["outcome"] != "not measured"]
    if measured.empty:
        return ["No pair has a measured gain."]
    parts = []
    for verdict, words in VERDICTS.items():
        part = measured[measured["verdict"] == verdict]
        if len(part):
            gained, harmed = int((part["outcome"] == "gained").sum()), int((part["outcome"] == "harmed").sum())
            parts.append(
                f"Of {len(part)} called “{words}”, {gained} gained over the self control and {harmed} did harm."
            )
    known = measured[np.isfinite(measured["gap"])]
    agree = int(((known["gap"] > 0) == (known["gain"] > 0)).sum())
    return [
        f"{len(measured)} pair{'s' if len(measured) > 1 else ''} of teacher and student have a measured gain.",
        *parts,
        f"The sign of the gap, which is the paper's rule, agrees with the sign of the mean gain in {agree} of "
        f"{len(known)}.",
    ]


def models_sentence(results: Results, chosen: Mapping[str, str]) -> str:
    """Say how many students hold their own against the baselines."""
    compared = set(zip(results.comparisons["student"], results.comparisons["model"], strict=True))
    told = [student for student, model in chosen.items() if (student, model) in compared]
    if not told:
        return "No baseline was fitted."
    behind = [student for student in told if behind_baselines(student, chosen[student], results)]
    title = results.metric.title
    if not behind:
        return f"No advised student ({listed(told)}) falls behind a baseline on its omics in {title}."
    text = f"The advised student loses to a baseline in {title} on {listed(behind)}"
    better = [student for student in told if student not in behind]
    return f"{text}; on {listed(better)} it does not." if better else f"{text}: on every omics."


def losing(results: Results, chosen: Mapping[str, str]) -> list[str]:
    """Say of each advised student that loses to a baseline by how much it does."""
    return [
        f"{student}, {model_name(model, results.task)}. {caveat.text}"
        for student, model in chosen.items()
        for caveat in behind_baselines(student, model, results)
    ]


def estimators(information: pd.DataFrame) -> str:
    """Say by which estimators, and of how many dimensions, the information was estimated."""
    told = []
    for quantity, symbol in TERMS.items():
        used = information.loc[information["quantity"] == quantity, "estimator"].drop_duplicates()
        if len(used):
            told.append(f"{symbol} by {listed([_estimator(str(name)) for name in used])}")
    dimensions = sorted({int(value) for value in information["dim"].dropna()})
    text = f"{'; '.join(told)}." if told else ""
    if dimensions:
        text += f" Representations enter with {listed([str(value) for value in dimensions])} principal components."
    return text


def _estimator(name: str) -> str:
    return f"{name} ({ESTIMATORS[name].reference})" if name in ESTIMATORS else name


def plural(things: Sequence[str]) -> str:
    """Return the ending of a noun that counts `things`."""
    return "" if len(things) == 1 else "s"


def listed(names: Sequence[str]) -> str:
    """Join names by commas and "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
