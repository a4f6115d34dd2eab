"""Tables of models, answers and criteria, and of the versions with which a page was made."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import cch_omics
from cch_omics.config import ReportConfig
from cch_omics.report.answers import Answer
from cch_omics.report.model_plots import order_models
from cch_omics.report.pair_tables import gain_cell
from cch_omics.report.results import Results
from cch_omics.report.tables import Column, Row, Table, capped
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import difference_heading, heading, model_name, rule_title, shown, signed, unsigned

# What computes the results.
PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "pandas", "anndata", "mudata", "matplotlib")


def comparisons_table(results: Results, chosen: Mapping[str, str], settings: ReportConfig) -> Table | None:
    """The advised student and the one trained alone against each baseline; None if there is no baseline."""
    task, rows = results.task, []
    order = {student: place for place, student in enumerate(chosen)}
    for row in sorted(results.comparisons.to_dict("records"), key=lambda row: order.get(row["student"], len(order))):
        mine = chosen.get(row["student"]) == row["model"]
        if mine or row["model"] == "alone":
            reading = "behind" if row["ci_high"] < 0 else "ahead" if row["ci_low"] > 0 else "no clear difference"
            cells = (
                row["student"],
                model_name(row["model"], task) + (" (recommended)" if mine else ""),
                model_name(row["baseline"], task),
                gain_cell(results.metric, row["difference"], row["ci_low"], row["ci_high"]),
                reading,
            )
            rows.append(Row(cells, chosen=mine))
    if not rows:
        return None
    columns = (
        Column("Student"),
        Column("Network"),
        Column("Baseline"),
        Column(f"Difference, {results.metric.unit}".rstrip(", "), number=True),
        Column("The network is"),
    )
    caption = (
        f"The {results.metric.title} of the network minus that of the baseline on the same test patients, with 95% "
        "interval; shaded: recommended."
    )
    return capped(caption, columns, rows, settings, "intermediate/comparisons.tsv")


def metrics_table(results: Results, chosen: Mapping[str, str], settings: ReportConfig) -> Table:
    """Every metric of every model."""
    task, performance = results.task, results.performance
    metrics = {name: metric for name, metric in task.metrics.items() if name in set(performance["metric"])}
    values = {(row["student"], row["model"], row["metric"]): row for row in performance.to_dict("records")}
    rows = []
    for student in results.students:
        mine = performance[(performance["student"] == student) & (performance["metric"] == task.primary)]
        rows.append(Row(group=student))
        for model in order_models(mine)["model"]:
            cells = [model_name(model, task)]
            for name, metric in metrics.items():
                row = values.get((student, model, name))
                text = "–" if row is None else shown(metric, row["mean"])
                if row is not None and name == task.primary and np.isfinite([row["ci_low"], row["ci_high"]]).all():
                    text += f" ({shown(metric, row['ci_low'])} to {shown(metric, row['ci_high'])})"
                cells.append(text)
            rows.append(Row(tuple(cells), chosen=chosen.get(student) == model))
    columns = [Column("Model"), *(Column(heading(metric), number=True) for metric in metrics.values())]
    caption = (
        f"Means over outer test folds; {results.metric.title} with its 95% interval; shaded: the model that the "
        f"verdict recommends.{_lower_is_better(task)}"
    )
    return capped(caption, columns, rows, settings, "intermediate/performance.tsv")


def _lower_is_better(task: Task) -> str:
    names = [metric.title for metric in task.metrics.values() if not metric.higher_is_better]
    return f" Lower is better for {' and '.join(names)}." if names else ""


def answers_table(
    given: Sequence[tuple[Results, Sequence[Answer], str]], metric: Metric, settings: ReportConfig
) -> Table:
    """One row per student of several cohorts, with the link to the page of each."""
    rows = []
    for results, answers, link in given:
        for answer in answers:
            gains = answer.realised.gains if answer.realised else ()
            cells = [f"{gain.mean}\n{gain.interval}".strip() for gain in gains] or ["–", "–"]
            rows.append(
                Row(
                    (
                        f"{results.cohort}, {results.target}",
                        answer.student,
                        answer.verdict,
                        answer.teacher or "–",
                        answer.candidate or "–",
                        *cells,
                        "; ".join(caveat.short for caveat in answer.caveats),
                        link,
                    )
                )
            )
    columns = (
        Column("Cohort, target"),
        Column("Student"),
        Column("Verdict", verdict=True),
        Column("Teacher"),
        Column("Gains are from"),
        Column("Gain over alone", number=True),
        Column("Gain over self", number=True),
        Column("Before you act on it", long=True),
        Column("Page", link=True),
    )
    caption = (
        "One row per student. Where no teacher is advised, the gains are those of the nearest candidate, had it been "
        f"used all the same. Gains are in {difference_heading(metric)}, on test patients."
    )
    return capped(caption, columns, rows, settings, "teachers.tsv")


def scorecard_table(scorecard: pd.DataFrame, metric: Metric, settings: ReportConfig, *, name: bool) -> Table | None:
    """How well each criterion foretold the gains; `name` adds cohort and target. None if nothing was scored."""
    if scorecard.empty:
        return None
    rows = []
    for row in scorecard.to_dict("records"):
        cells = (
            rule_title(str(row["criterion"])),
            unsigned(row["n_pairs"], 0),
            signed(row["spearman"]),
            _percent(row["sign_accuracy"]),
            _percent(row["abstention"]),
            shown(metric, row["regret"]),
        )
        rows.append(Row((f"{row['cohort']}, {row['target']}", *cells) if name else cells))
    columns = [
        Column("Criterion"),
        Column("Pairs", number=True),
        Column("Spearman", number=True),
        Column("Sign right", number=True),
        Column("Abstained", number=True),
        Column(f"Regret, {metric.unit}".rstrip(", "), number=True),
    ]
    if name:
        columns.insert(0, Column("Cohort, target"))
    caption = (
        "Spearman: rank correlation of score and gain; a criterion that knows nothing has 0. Sign right: of the pairs "
        "that it decided. Regret: what its teachers gained less than the best ones."
    )
    return capped(caption, columns, rows, settings, "scorecard.tsv")


def versions_table() -> Table:
    """Versions of what computes the results."""
    versions = {"Python": platform.python_version(), "cch_omics": cch_omics.__version__}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    rows = tuple(Row(item) for item in versions.items())
    return Table("Versions with which this page was written", (Column("Package"), Column("Version")), rows)


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if np.isfinite(value) else "–"
