"""What the tables say, in sentences that a clinician can read. Plain text: the template escapes it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.information.registry import ESTIMATORS
from cch_omics.report.answers import Answer, behind_baselines
from cch_omics.report.results import Results
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.vocabulary import QUANTITIES, VERDICTS, deciding, heading, shown

TERMS = {"teacher_student": "I(T;S)", "student_label": "I(S;Y)", "teacher_label": "I(T;Y)"}


def headline(results: Results, given: Sequence[Answer]) -> str:
    """Sum up the answers in a few sentences, the first of which says so if nothing predicts the target."""
    at_chance, metric = results.at_chance, results.metric
    chance = f"better than chance ({heading(metric)}: {shown(metric, results.task.chance)})"
    everywhere = bool(at_chance) and len(at_chance) == len(given)
    parts = []
    if everywhere:
        parts.append(
            f"No model, with or without a teacher, baselines included, is shown to predict {results.target} {chance} "
            "on test patients: no verdict below is worth acting on."
        )
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
    if at_chance and not everywhere:
        parts.append(f"On {listed(at_chance)} no model is shown to predict {results.target} {chance} on test patients.")
    return " ".join(parts)


def rule_sentence(rule: str) -> str:
    """Say which rule decided, and by what; "" if there was nothing to decide."""
    if not rule:
        return ""
    column, meaning = deciding(rule), CRITERIA[rule].meaning
    by = f" It decides by {'the gap' if column == 'gap' else QUANTITIES[column]}." if column else ""
    return f"The rule in force is “{CRITERIA[rule].title}”: {meaning[:1].lower()}{meaning[1:]}{by}"


def facts(results: Results) -> str:
    """Say what the cohort is."""
    audit, task = results.audit, results.task
    patients, samples = audit["patients"], audit["samples"]
    # What counts as a patient is for the sheet to say: in a cohort of videos, a video.
    which = [f"column {audit['group']}"] if audit["group"] else []
    which += [f"{samples} samples"] if samples != patients else []
    text = f"{patients} patients" + (f" ({'; '.join(which)})" if which else "")
    text += f", {len(audit['modalities'])} modalities, {audit['labelled']} labelled samples"
    text += f"; {task.name} ({task.labels_are})"
    if audit["label_budget"]["asked"] < 1:
        share = f"{100 * audit['label_budget']['used']:.0f}%"
        text += f"; training may use {share} of the labels, so that the others stand in for unlabelled patients"
    return text + "."


def outcome_sentences(pairs: pd.DataFrame) -> str:
    """Say how often the verdicts and the sign of the gap were right, counting only clear outcomes."""
    measured = pairs[pairs["outcome"] != "not measured"]
    if measured.empty:
        return "No pair has a measured gain."
    said = [f"{len(measured)} pair{'s' if len(measured) > 1 else ''} of teacher and student have a measured gain."]
    for verdict, words in VERDICTS.items():
        part = measured[measured["verdict"] == verdict]
        if len(part):
            gained, harmed = int((part["outcome"] == "gained").sum()), int((part["outcome"] == "harmed").sum())
            said.append(
                f"Of {len(part)} called “{words}”, {gained} gained over the self control and {harmed} did harm."
            )
    known = measured[np.isfinite(measured["gap"]) & measured["clear"]]
    agree = int(((known["gap"] > 0) == (known["gain"] > 0)).sum())
    if len(known):
        said.append(
            f"The gain over training alone is clear of 0 in {len(known)}: the sign of the gap as estimated, which is "
            f"the paper's rule, agrees with its sign in {agree}."
        )
    else:
        said.append(
            "No gain over training alone is clear of 0, so that none says whether the sign of the gap is right."
        )
    return " ".join(said)


def models_sentence(results: Results, given: Sequence[Answer]) -> str:
    """Say which students lose to a baseline: those that are advised, and those that are trained alone."""
    if results.comparisons.empty:
        return "No baseline was fitted."
    title, said = results.metric.title, []
    for what, of in (("advised student", ""), ("student trained alone", "alone")):
        behind = [each.student for each in given if behind_baselines(each.student, of or each.model, results)]
        if behind:
            said.append(f"The {what} loses to a baseline in mean {title} on {listed(behind)}.")
        else:
            said.append(f"No {what} falls behind a baseline on its modality in mean {title}.")
    return " ".join(said)


def estimators(information: pd.DataFrame) -> str:
    """Say by which estimators, and of how many dimensions, the information was estimated."""
    said = []
    for quantity, symbol in TERMS.items():
        used = information.loc[information["quantity"] == quantity, "estimator"].unique()
        if len(used):
            said.append(f"{symbol} by {listed([f'{name} ({ESTIMATORS[name].reference})' for name in used])}")
    dimensions = [f"{value:.0f}" for value in sorted(information["dim"].dropna().unique())]
    text = f"{'; '.join(said)}." if said else ""
    return f"{text} Representations enter with {listed(dimensions)} principal components." if dimensions else text


def plural(things: Sequence[str]) -> str:
    """Return the ending of a noun that counts `things`."""
    return "" if len(things) == 1 else "s"


def listed(names: Sequence[str]) -> str:
    """Join names by commas and "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
