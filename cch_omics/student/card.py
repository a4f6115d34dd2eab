"""The model card of a student: what an analyst should know before using it."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import isfinite

from cch_omics import keys
from cch_omics.errors import visible
from cch_omics.student.about import ALONE_FOLDER, TAUGHT_FOLDER, About, Cell, Record, Validated, did_harm
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import (
    CONTROLS,
    QUANTITIES,
    VERDICTS,
    averaged,
    better_than_chance,
    compared,
    deciding,
    difference,
    difference_heading,
    heading,
    interval,
    model_kind,
    model_name,
    model_of,
    number,
    probability,
    quantity_value,
    recipe_title,
    rule_title,
    score,
    shown,
    shows,
    signed,
)

_LIMITS = """\
- Not a medical device. Not for decisions about a patient without validation on independent patients, at your own site
  and with your own assay.
- The figures above come from one cohort: another population, platform or normalisation can be much worse. Batch effects
  are not corrected.
- Values must be on the scale of the training table; `cch predict` warns when they look far off, and cannot notice a
  small shift.
- `feature_coverage` is the share of this student's features that were measured in a sample. What is missing is filled
  with the training mean, which pulls predictions towards the average patient: trust a sample less, the lower its
  coverage. Below one half there is no prediction.
- The model always predicts, also for a sample that is unlike all that it was trained on."""


def model_card(about: About, task: Task) -> str:
    """Markdown for a reader; everything in it is in `student.json` too."""
    training = about.training
    target, modality, cohort = (escape(name) for name in (training.target, about.modality, training.cohort))
    values = escape(task.labels_are)
    limits = _LIMITS
    if training.derived_from == about.modality:
        limits += (
            f"\n- {target} was itself defined from {modality}: how well it is predicted says little about a label that "
            "was found independently."
        )
    sections = (
        f"# {target} from {modality}: a student of the cohort {cohort}",
        f"Format {about.format_version}, written by cch_omics {about.versions['cch_omics']}. `student.json` has all "
        "of this for a program.",
        "## What it is for",
        f"It predicts {target} ({task.name}: {values}) for samples of which only {modality} was measured, from "
        f"{len(about.features)} features, in research on samples like those of {cohort}: same kind, same assay, "
        "values on the same scale.",
        "```\ncch predict --student THIS_FOLDER --input TABLE --output PREDICTIONS.tsv\n```",
        *_which(about, task),
        "## How it predicts",
        "\n".join(f"- {step}" for step in about.transforms),
        "## How it was trained",
        _training(about),
        "## Why",
        _why(about),
        *(["## What it uses", _used(about, task)] if about.most_used else []),
        "## How good it is",
        _performance(about, task),
        *([f"On test samples: {' '.join(map(escape, about.on_test))}"] if about.on_test else []),
        *(["## On other patients", _on_others(about.validation, task)] if about.validation else []),
        "## Limits",
        limits,
        "## Data",
        about.data,
    )
    return "\n\n".join(sections) + "\n"


def escape(text: object) -> str:
    """Keep Markdown and HTML from reading a user's text as anything but text, on one line.

    Not every renderer knows a backslash before the signs of HTML and of its own extensions.
    """
    line = re.sub(r"([\\`*_{}\[\]#|>])", r"\\\1", visible(" ".join(str(text).split())))
    return re.sub("[&<~$]", lambda found: f"&#{ord(found[0])};", line)


def _training(about: About) -> str:
    training = about.training
    text = (
        f"On {training.samples} samples of {escape(training.cohort)} with {escape(about.modality)}, "
        f"{training.labelled_samples} of them with a label that could be used. Its network "
        f"took {training.epochs} full-batch steps."
    )
    # The number of labels is said already.
    if known := {name: value for name, value in training.labels.items() if name != "n"}:
        said = (f"{name.replace('_', ' ')} {_plain(value)}" for name, value in known.items())
        text += f" Its labels: {', '.join(said)}."
    if training.label_budget < 1:
        text += f" Other labels were left out on purpose (`label_budget` {training.label_budget:.0%})."
    text += f" {averaged(about.members)}"
    if not about.teacher:
        return f"{text} It had no teacher: it learnt from the labels alone."
    return (
        f"{text} Its recipe is `{about.recipe}`: it was {recipe_title(about.recipe)} of a model of "
        f"{escape(about.teacher)}, which had not seen the label of the sample it taught. {training.paired_samples} "
        "samples were measured with both."
    )


def _used(about: About, task: Task) -> str:
    """The features of the largest weight, and what they weigh in the other of two students."""
    columns = (keys.WEIGHT_TAUGHT, keys.WEIGHT_ALONE)
    mine, other = columns if about.teacher else columns[::-1]
    named = []
    for row in about.most_used:
        name = " for ".join(escape(each) for each in (row["feature"], row["class"]) if each)
        in_other = "" if row[other] is None else f" ({signed(number(row[other]))})"
        named.append(f"{name} {signed(number(row[mine]))}{in_other}")
    how = "trained alone" if about.teacher else f"taught by {escape(about.verdict['teacher'])}"
    beside = f"; in brackets, in the student {how}" if about.most_used[0][other] is not None else ""
    return (
        f"Most weight have {', '.join(named)}. A weight is what one standard deviation of the feature adds to "
        f"{task.score_is}, in standard deviations of that, by integrated gradients over the training samples{beside}. "
        "Features that go together share it. `features.tsv` has all."
    )


def _which(about: About, task: Task) -> list[str]:
    """Say which of two students this is, and where the other lies; nothing if it is the only one."""
    if not (chosen := about.verdict["teacher"]):
        return []
    taught, other = f"the student taught by {escape(chosen)}", _other(about, task)
    if not did_harm(about.verdict, about.gains, task):
        if about.teacher:
            return [f"The rule chose {taught}, and this is it. The same network trained alone lies in {other}."]
        return [f"This one was trained alone, for comparison. The rule chose {taught}, which lies in {other}."]
    harm = f"The rule chose {taught}; on test patients it did harm, so that the one trained alone is delivered."
    which = "This is the one that did harm, kept for comparison" if about.teacher else "This is the one trained alone"
    return [
        f"{harm} {which}; the other lies in {other}. The test patients that decided this are those of the scores below."
    ]


def _other(about: About, task: Task) -> str:
    """Where the other one of two students lies."""
    if bool(about.teacher) == did_harm(about.verdict, about.gains, task):
        return "the folder above"
    return f"the folder `{ALONE_FOLDER if about.teacher else TAUGHT_FOLDER}` beside this file"


def _why(about: About) -> str:
    verdict, rule = str(about.verdict["verdict"]), about.rule
    quantity = deciding(rule)
    text = f"Verdict: **{VERDICTS[verdict]}**"
    text += f", by the rule `{rule}` ({escape(rule_title(rule))})" if rule else ""
    # The gap is in the table below.
    if quantity in about.verdict:
        text += f": {QUANTITIES[quantity]} {quantity_value(quantity, about.verdict)}"
    if not (chosen := about.verdict["teacher"]):
        text += ". So it was trained alone."
    elif verdict == keys.UNDECIDED:
        text += f". To learn from {escape(chosen)} was the better guess."
    else:
        text += "."
    if not about.candidates:
        return f"{text} There was no other modality that could have taught it."
    rows = (
        (
            row["teacher"],
            recipe_title(str(row["recipe"])),
            VERDICTS[str(row["verdict"])],
            probability(row["p_gain_positive"]),
            signed(number(row["gap"])),
            probability(row["p_gap_positive"]),
            row["reason"],
        )
        for row in about.candidates
    )
    head = ("teacher", "student", "verdict", "P(gain > 0)", "gap, nats", "P(gap > 0)", "reason")
    return f"{text} The candidates:\n\n{_table(head, rows)}"


def _performance(about: About, task: Task) -> str:
    mine = model_of(about.recipe, about.teacher)
    measured = {(str(row["model"]), str(row["metric"])): row for row in about.performance}
    if (mine, task.primary) not in measured:
        return "It was not measured on test patients."
    # The student first; students of teachers that were not chosen are in the report.
    chosen = model_of(str(about.verdict["recipe"]), str(about.verdict["teacher"] or ""))
    others = [name for name, _ in measured if name == chosen or model_kind(name) != "taught"]
    models = list(dict.fromkeys([mine, *others]))
    rows = (
        (
            "this student" if name == mine else model_name(name, task),
            *(_interval(measured[name, key], "mean", partial(shown, metric)) for key, metric in task.metrics.items()),
        )
        for name in models
    )
    means = {name: number(measured[name, task.primary]["mean"]) for name in models}
    primary = task.metrics[task.primary]
    low = number(measured[mine, task.primary]["ci_low"])
    above = better_than_chance(task, means[mine], low)
    chance = (
        f"**It is not shown to be better than chance**, which has {heading(primary)}: {shown(primary, task.chance)}."
    )
    parts = [
        *([] if above else [chance]),
        _losses(about, mine, means, task),
        _reached(mine, means, primary),
        "Mean over the outer test folds, with 95% interval. These are of students made in the same way without the "
        "test patients; this one was then trained on all patients.",
        _table(("model", *(heading(metric) for metric in task.metrics.values())), rows),
    ]
    gains = [
        (CONTROLS[str(row["control"])], _interval(row, "gain", partial(difference, primary)))
        for row in about.gains
        if (row["teacher"], row["recipe"], row["metric"]) == (about.teacher, about.recipe, task.primary)
    ]
    if about.followed:
        parts.append(_followed(about.followed, primary))
    if gains:
        parts += [
            f"Gain in {difference_heading(primary)} on the same test patients. Only a gain over the self control comes "
            "from the other modality.",
            _table(("over", "gain (95% interval)"), gains),
        ]
    return "\n\n".join(parts)


def _on_others(found: Validated, task: Task) -> str:
    """What models of the full cohort reached on other patients, and the first of them less the others."""
    metrics, first = task.metrics, str(found.scores[0]["model"])
    cells: dict[str, list[str]] = {}
    for row in found.scores:
        if (name := str(row["metric"])) in metrics:
            minus = model_name(str(row["minus"]), task) if row["minus"] else ""
            of = f"{model_name(first, task)} minus {minus}" if minus else model_name(str(row["model"]), task)
            cells.setdefault(of, []).append(
                _interval(row, "value", partial(difference if minus else shown, metrics[name]))
            )
    rows = ((name, *of) for name, of in cells.items())
    return "\n\n".join(
        (
            f"Models of the full cohort on patients who were in no training: {escape(found.source)}.",
            "\n".join(f"- {escape(sentence)}" for sentence in found.said),
            _table(("model, with 95% interval", *(heading(metric) for metric in metrics.values())), rows),
        )
    )


def _followed(row: Record, metric: Metric) -> str:
    """What following the rule gained, with the choice of the teacher among what is judged."""
    gained = _interval(row, "advised_gain", partial(difference, metric))
    return (
        f"The gain of following the rule over training alone, in {difference_heading(metric)}: {gained} (with 95% "
        f"interval). Inside each of {row['n_splits']} training sets it chose a teacher or none, and a teacher in "
        f"{100 * number(row['taught']):.0f}% of them."
    )


def _reached(mine: str, means: Mapping[str, float], metric: Metric) -> str:
    """The score in words, beside that of the same network without a teacher."""
    said = f"On test patients it reached {score(metric, means[mine])}"
    if mine == "alone" or not isfinite(means.get("alone", float("nan"))):
        return f"{said}."
    than = compared(metric, means[mine] - means["alone"])
    return f"{said}: {than}{' as' if than == 'the same' else ' than'} the same network trained alone."


def _losses(about: About, mine: str, means: Mapping[str, float], task: Task) -> str:
    """Say first which models do better: a reader should not have to find out from the table."""
    metric = task.metrics[task.primary]
    better = {
        name: f"{'' if model_kind(name) == 'baseline' else 'the same network '}{escape(model_name(name, task))} by "
        f"{difference(metric, mean - means[mine]).lstrip('+')} {metric.unit}".strip()
        for name, mean in means.items()
        if model_kind(name) != "self" and mean > means[mine] and shows(metric, mean - means[mine])
    }
    if not better:
        alone = "" if mine == "alone" else ", and neither does the same network trained alone"
        return f"In mean {metric.title} no baseline does better{alone}."
    said = f"**It loses** in mean {metric.title} to: {'; '.join(better.values())}."
    if any(model_kind(name) != "baseline" for name in better):
        said += f" The same network {'' if about.teacher else 'not '}trained alone lies in {_other(about, task)}."
    if any(model_kind(name) == "baseline" for name in better):
        said += " Baselines are not delivered: `references.tsv` of the run has their scores."
    return said


def _plain(value: Cell) -> str:
    """Format a number that describes the labels."""
    found = number(value)
    return f"{found:.4g}" if isfinite(found) else "not reached"


def _interval(row: Record, key: str, show: Callable[[float], str]) -> str:
    value, low, high = (number(row[name]) for name in (key, "ci_low", "ci_high"))
    return show(value) + interval(show, low, high)


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Markdown table."""
    cells = [[escape(cell) for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
