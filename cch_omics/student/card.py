"""The model card of a student: what an analyst should know before using it."""

import re
from collections.abc import Iterable, Mapping, Sequence

from cch_omics import keys
from cch_omics.student.about import About, Record
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import (
    CONTROLS,
    QUANTITIES,
    VERDICTS,
    deciding,
    difference,
    difference_heading,
    heading,
    model_kind,
    model_name,
    model_of,
    number,
    probability,
    quantity_value,
    recipe_title,
    rule_title,
    shown,
    signed,
    with_unit,
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
    values = ", ".join(escape(name) for name in task.strata_names)
    sections = (
        f"# {target} from {modality}: a student of the cohort {cohort}",
        f"Format {about.format_version}, written by cch_omics {about.versions['cch_omics']}. `student.json` has all "
        "of this for a program.",
        "## What it is for",
        f"It predicts {target} ({task.name}: {values}) for samples of which only {modality} was measured, from "
        f"{len(about.features)} features, in research on samples like those of {cohort}: same tissue, same assay, "
        "values on the same scale.",
        "```\ncch predict --student THIS_FOLDER --input TABLE --output PREDICTIONS.tsv\n```",
        "## How it predicts",
        "\n".join(f"- {step}" for step in about.transforms),
        "## How it was trained",
        _training(about),
        "## Why",
        _why(about),
        "## How good it is",
        _performance(about, task),
        "## Limits",
        _circular(about) + _LIMITS,
        "## Data",
        about.data,
    )
    return "\n\n".join(sections) + "\n"


def escape(text: object) -> str:
    """Keep Markdown and HTML from reading a user's text as anything but text, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(str(text).split())).replace("&", "&amp;")


def _circular(about: About) -> str:
    training = about.training
    if training.derived_from != about.modality:
        return ""
    return (
        f"- {escape(training.target)} was itself defined from {escape(about.modality)}: how well it is predicted says "
        "little about a label found independently.\n"
    )


def _training(about: About) -> str:
    training = about.training
    text = (
        f"On {training.samples} samples of {escape(training.cohort)} with {escape(about.modality)}, "
        f"{training.labelled_samples} of them with a label that could be used, in {training.epochs} full-batch steps."
    )
    if training.label_budget < 1:
        text += f" Only {training.label_budget:.0%} of the labels were used, on purpose (`label_budget`)."
    if not about.teacher:
        return f"{text} It had no teacher: it learnt from the labels alone."
    return (
        f"{text} Its recipe is `{about.recipe}`: it was {recipe_title(about.recipe)} of a model of "
        f"{escape(about.teacher)}, which had not seen the label of the sample it taught. {training.paired_samples} "
        "samples were measured with both."
    )


def _why(about: About) -> str:
    verdict, rule = str(about.verdict.get("verdict")), about.rule
    quantity = deciding(rule)
    text = f"Verdict: **{VERDICTS.get(verdict, escape(verdict))}**"
    text += f", by the rule `{rule}` ({escape(rule_title(rule))})" if rule else ""
    text += f": {QUANTITIES[quantity]} {quantity_value(quantity, _gap_of(about) | about.verdict)}." if quantity else "."
    if verdict == keys.UNDECIDED and about.teacher:
        text += f" To learn from {escape(about.teacher)} was the better guess."
    elif not about.teacher:
        text += " So it was trained alone."
    if not about.candidates:
        return f"{text} There was no other omics that could have taught it."
    rows = (
        (
            row.get("teacher"),
            recipe_title(str(row.get("recipe"))),
            VERDICTS.get(str(row.get("verdict")), row.get("verdict")),
            probability(row.get("p_gain_positive")),
            signed(number(row.get("gap"))),
            probability(row.get("p_gap_positive")),
            row.get("reason"),
        )
        for row in about.candidates
    )
    head = ("teacher", "student", "verdict", "P(gain > 0)", "gap, nats", "P(gap > 0)", "reason")
    return f"{text} The candidates:\n\n{_table(head, rows)}"


def _gap_of(about: About) -> Record:
    """The gap of the chosen pair; of the largest, where none was chosen."""
    known = [row for row in about.candidates if isinstance(row.get("gap"), int | float)]
    mine = [row for row in known if (row.get("teacher"), row.get("recipe")) == (about.teacher, about.recipe)]
    return {"gap": max((number(row["gap"]) for row in mine or known), default=None)}


def _performance(about: About, task: Task) -> str:
    mine = model_of(about.recipe, about.teacher)
    measured = {(str(row["model"]), str(row["metric"])): row for row in about.performance}
    # The student first; students of other teachers are in the report.
    others = [name for name, _ in measured if name != mine and model_kind(name) != "taught"]
    models = list(dict.fromkeys([mine, *others]))
    metrics = {name: metric for name, metric in task.metrics.items() if (mine, name) in measured}
    if not metrics:
        return "It was not measured on test patients."
    table = _table(
        ("model", *(heading(metric) for metric in metrics.values())),
        (
            (
                "this student" if name == mine else model_name(name, task),
                *(_interval(measured.get((name, key)), "mean", metric) for key, metric in metrics.items()),
            )
            for name in models
        ),
    )
    parts = [
        _losses(mine, models, measured, task),
        "Mean over the outer test folds, with 95% interval. These are of students made in the same way without the "
        "test patients; this one was then trained on all patients.",
        table,
    ]
    primary = task.metrics[task.primary]
    gains = [
        row
        for row in about.gains
        if (row.get("teacher"), row.get("recipe"), row.get("metric")) == (about.teacher, about.recipe, task.primary)
    ]
    if about.teacher and gains:
        rows = (
            (CONTROLS.get(str(row["control"]), row["control"]), _interval(row, "gain", primary, signed_=True))
            for row in gains
        )
        parts += [
            f"Gain in {difference_heading(primary)} on the same test patients. Only a gain over the self control comes "
            "from the other omics.",
            _table(("over", "gain (95% interval)"), rows),
        ]
    return "\n\n".join(parts)


def _losses(mine: str, models: Sequence[str], measured: Mapping[tuple[str, str], Record], task: Task) -> str:
    """Say first which models do better: a reader should not have to find out from the table."""
    metric = task.metrics[task.primary]
    own = _value(measured.get((mine, task.primary)), "mean")
    if own is None:
        return f"Its {metric.title} was not measured."
    better = {
        name: value - own
        for name in models
        if model_kind(name) in ("alone", "baseline")
        and (value := _value(measured.get((name, task.primary)), "mean")) is not None
        and value > own
    }
    if not better:
        alone = "" if mine == "alone" else ", and neither does the same network trained alone"
        return f"In mean {metric.title} no baseline does better{alone}."
    listed = "; ".join(
        f"{'the same network ' if model_kind(name) == 'alone' else ''}{escape(model_name(name, task))} by "
        f"{with_unit(metric, value).lstrip('+')}"
        for name, value in better.items()
    )
    instead = "that" if len(better) == 1 else "one of them"
    return f"**It loses** in mean {metric.title} to: {listed}. Consider using {instead} instead."


def _interval(row: Record | None, key: str, metric: Metric, *, signed_: bool = False) -> str:
    value = _value(row, key)
    if row is None or value is None:
        return "not measured"
    show = difference if signed_ else shown
    low, high = (_value(row, end) for end in ("ci_low", "ci_high"))
    text = show(metric, value)
    return text if low is None or high is None else f"{text} ({show(metric, low)} to {show(metric, high)})"


def _value(row: Record | None, key: str) -> float | None:
    value = row.get(key) if row else None
    return float(value) if isinstance(value, int | float) else None


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Markdown table."""
    cells = [[escape(cell) for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
