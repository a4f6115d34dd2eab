"""Tables of models, answers and criteria."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.report.answers import Answer
from cch_omics.report.model_plots import order_models
from cch_omics.report.pair_tables import gain_cell
from cch_omics.report.results import Results
from cch_omics.report.tables import Column, Row, Table
from cch_omics.student.explain import by_growth
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import (
    difference,
    difference_heading,
    heading,
    interval,
    model_name,
    rule_title,
    shown,
    shows,
    signed,
    unsigned,
)

# Features of a student whose weights teaching raised most.
MOST_RAISED = 5


def comparisons_table(results: Results, chosen: Mapping[str, str]) -> Table:
    """The advised student and the one trained alone against each baseline; `chosen` is the model by student."""
    rows = []
    for row in results.comparisons.to_dict("records"):
        mine = chosen[row["student"]] == row["model"]
        if mine or row["model"] == "alone":
            reading = "behind" if row["ci_high"] < 0 else "ahead" if row["ci_low"] > 0 else "no clear difference"
            reading = reading if shows(results.metric, row["difference"]) else "no clear difference"
            cells = (
                row["student"],
                model_name(row["model"], results.task),
                model_name(row["baseline"], results.task),
                gain_cell(results.metric, row["difference"], row["ci_low"], row["ci_high"]),
                reading,
            )
            rows.append(Row(cells, chosen=mine))
    columns = (
        Column("Student"),
        Column("Network"),
        Column("Baseline"),
        Column("Difference", number=True),
        Column("The network is"),
    )
    caption = (
        f"The network minus the baseline on the same test patients, in {difference_heading(results.metric)}, with 95% "
        "interval; shaded: recommended."
    )
    return Table(caption, columns, rows, "intermediate/comparisons.tsv")


def features_table(learnt: Mapping[str, pd.DataFrame]) -> Table:
    """The features whose weight teaching raised most, of the students that have a teacher."""
    rows = []
    for student, table in learnt.items():
        raised = by_growth(table).head(MOST_RAISED)
        rows += [Row(group=student)] if len(raised) else []
        for row in raised.to_dict("records"):
            weights = (signed(row[name], 3) for name in (keys.WEIGHT_TAUGHT, keys.WEIGHT_ALONE, "change"))
            rows.append(Row((row["feature"], row["class"] or "–", *weights)))
    columns = (
        Column("Feature"),
        Column("Class"),
        Column("Taught", number=True),
        Column("Alone", number=True),
        Column("Change", number=True),
    )
    caption = f"The {MOST_RAISED} weights of each taught student that its teacher raised most, in absolute value."
    return Table(caption, columns, rows, "students/STUDENT/features.tsv")


def metrics_table(results: Results, chosen: Mapping[str, str]) -> Table:
    """Every metric of every model."""
    task, performance = results.task, results.performance
    values = {(row["student"], row["model"], row["metric"]): row for row in performance.to_dict("records")}
    rows = []
    for student in results.students:
        mine = performance[(performance["student"] == student) & (performance["metric"] == task.primary)]
        rows.append(Row(group=student))
        for model in order_models(mine)["model"]:
            cells = [model_name(model, task)]
            for name, metric in task.metrics.items():
                row = values[student, model, name]
                text = shown(metric, row["mean"])
                if name == task.primary:
                    text += interval(partial(shown, metric), row["ci_low"], row["ci_high"])
                cells.append(text)
            rows.append(Row(tuple(cells), chosen=chosen[student] == model))
    columns = [Column("Model"), *(Column(heading(metric), number=True) for metric in task.metrics.values())]
    caption = (
        f"Means over outer test folds; {results.metric.title} with its 95% interval, of which there is none "
        f"where all folds have the best or the worst value there is; shaded: recommended.{_lower_is_better(task)}"
    )
    return Table(caption, columns, rows, "intermediate/performance.tsv")


def _lower_is_better(task: Task) -> str:
    names = [metric.title for metric in task.metrics.values() if not metric.higher_is_better]
    return f" Lower is better for {' and '.join(names)}." if names else ""


def answers_table(given: Sequence[tuple[Results, Sequence[Answer], str]], metric: Metric) -> Table:
    """One row per student of several cohorts, with the link to the page of each."""
    rows = []
    for results, answers, link in given:
        for answer in answers:
            cells = (
                f"{results.cohort}, {results.target}",
                answer.student,
                answer.verdict,
                answer.teacher or (f"–\nnearest: {answer.candidate}" if answer.candidate else "–"),
                answer.score or "not measured",
                *([f"{gain.mean}\n{gain.interval}".strip() for gain in answer.gains] or ["–", "–"]),
                str(len(answer.caveats)),
                link,
            )
            rows.append(Row(cells))
    columns = (
        Column("Cohort, target", long=True),
        Column("Student"),
        Column("Verdict", verdict=True),
        Column("Teacher"),
        Column("The advised model on test patients", long=True),
        Column("Gain over alone", number=True),
        Column("Gain over self", number=True),
        Column("Caveats", number=True),
        Column("Page", link=True),
    )
    caption = (
        "One row per student. Where no teacher is advised, the gains are those of the nearest candidate, had it been "
        f"used all the same. Gains are in {difference_heading(metric)}, on test patients, with 95% intervals. The page "
        "has the caveats."
    )
    return Table(caption, columns, rows, "teachers.tsv")


def scorecard_table(scorecard: pd.DataFrame, metric: Metric) -> Table:
    """How well each criterion foretold the gains."""
    rows = []
    for row in scorecard.to_dict("records"):
        cells = (
            # Rows of several cohorts are called "all" in the scorecard.
            "all cohorts" if row["cohort"] == row["target"] == "all" else f"{row['cohort']}, {row['target']}",
            rule_title(row["criterion"]),
            unsigned(row["n_pairs"], 0),
            signed(row["spearman"]),
            _percent(row["sign_accuracy"]),
            _percent(row["abstention"]),
            difference(metric, row["advised_gain"]),
        )
        rows.append(Row(cells))
    columns = (
        Column("Cohort, target", long=True),
        Column("Criterion"),
        Column("Pairs", number=True),
        Column("Spearman", number=True),
        Column("Sign right", number=True),
        Column("Abstained", number=True),
        Column("Gain of following it", number=True),
    )
    caption = (
        "Spearman: rank correlation of score and gain; a criterion that knows nothing has 0. Sign right: of the pairs "
        "that it decided. Gain of following it: what the students that it chose in each outer training set gained over "
        f"training alone on the test patients of that split, in {difference_heading(metric)}, mean over students."
    )
    return Table(caption, columns, rows, "scorecard.tsv")


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if np.isfinite(value) else "–"
