"""What was found on other patients: a section of the cohort's page, and a page of its own for `cch validate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from cch_omics import keys
from cch_omics.config import ReportConfig
from cch_omics.report import outcome_plots
from cch_omics.report.figures import Outcome, Panel
from cch_omics.report.render import render, write
from cch_omics.report.results import checked_table
from cch_omics.report.style import style, svg
from cch_omics.report.tables import Column, Row, Table
from cch_omics.runtime.files import atomic
from cch_omics.student.about import Record
from cch_omics.student.make import rows_of
from cch_omics.student.validate import FILES, Validation, read_validated, write_validation
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import difference, heading, model_name, number, shown, unsigned

# Features that a page shows, the farthest from the training first.
MAX_FEATURES = 10


@dataclass(frozen=True)
class External:
    """What a page says of one omics.

    Attributes
    ----------
    source
        Who the patients are.
    decision_caption, decisions
        Of the decision curves, one for each class; none for other tasks.
    """

    student: str
    source: str
    said: Sequence[str]
    scores: Table
    calibration: Table
    picture: Outcome
    decision_caption: str
    decisions: Sequence[Panel]
    features: Table


def read_external(about: Path, task: Task) -> list[External]:
    """Read what `cch validation` wrote: the JSON, and the tables beside it."""
    features, predictions = (
        checked_table(about.with_name(f"{about.stem}_{name}.tsv"), columns)
        for name, columns in (("features", keys.SHIFT_COLUMNS), ("predictions", keys.VALIDATED_COLUMNS))
    )
    return [
        _external(student, each.source, each.said, each.scores, _of(features, student), _of(predictions, student), task)
        for student, each in read_validated(about).items()
    ]


def write_validation_folder(found: Validation, folder: Path) -> str:
    """Write the folder of `cch validate`, tables and page, whole or not at all; return what a terminal shows."""
    records = rows_of(found.scores, found.student)
    content = found.student, found.source, found.said, records, found.features, found.predictions, found.task
    external = _external(*content)
    with atomic(folder) as draft:
        draft.mkdir()
        *tables, page = (draft / name for name in FILES)
        write_validation([found], *tables)
        written = render("validation.html", ReportConfig(), target=found.target, each=external)
        write(written, page)
    without = "Baselines are not part of a student's folder: a run whose sheet names these patients has them."
    head = f"{found.target} from {found.student}, on {found.source}"
    return "\n".join([head, *external.said, "", *_lines(external), "", without])


def _of(table: pd.DataFrame, student: str) -> pd.DataFrame:
    return table[table["student"] == student]


def _external(
    student: str,
    source: str,
    said: Sequence[str],
    scores: Sequence[Record],
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    task: Task,
) -> External:
    tables = {
        model_name(str(model), task): part.reset_index(drop=True)
        for model, part in predictions.groupby("model", sort=False)
    }
    curves = task.decision_curves(tables)
    return External(
        student=student,
        source=source,
        said=said,
        scores=_scores(scores, task),
        calibration=_calibration(scores, task),
        picture=_calibration_figure(student, tables, task),
        decision_caption=next((picture.caption for picture in curves.values()), ""),
        decisions=[
            Panel(
                name,
                _drawn(
                    {name: picture},
                    f"decisions-{student}-{position}",
                    f"Net benefit of {', '.join(tables)} for {name}, by threshold.",
                ),
            )
            for position, (name, picture) in enumerate(curves.items())
        ],
        features=_features(features),
    )


def _calibration_figure(student: str, tables: Mapping[str, pd.DataFrame], task: Task) -> Outcome:
    """The students side by side: the first, and the one trained alone."""
    alone = model_name("alone", task)
    students = list(dict.fromkeys([next(iter(tables)), *([alone] if alone in tables else [])]))
    pictures = {name: task.calibration_picture(tables[name]) for name in students}
    first = pictures[students[0]]
    alt = f"{first.title} of {' and '.join(pictures)}, on other patients; the table has the numbers."
    drawn = _drawn(pictures, f"calibration-{student}", alt)
    return Outcome(student, first, drawn, {name: picture.said for name, picture in pictures.items()})


def _drawn(pictures: outcome_plots.Pictures, name: str, alt: str) -> Markup:
    with style():
        data = outcome_plots.drawn_data(pictures)
        return svg(outcome_plots.outcome(pictures), name=name, alt=alt, data=data, wide=len(pictures) > 1)


def _value(metric: Metric, row: Record, *, minus: bool = False) -> str:
    """A value, and on a line of its own its interval."""
    show = difference if minus else shown
    value, low, high = (show(metric, number(row[name])) for name in ("value", "ci_low", "ci_high"))
    return f"{value}\n{low} to {high}" if np.isfinite(number(row["ci_low"])) else value


def _rows(
    scores: Sequence[Record], metrics: Mapping[str, Metric], task: Task, *, minus: bool = False
) -> list[tuple[str, ...]]:
    """A name, and the cells of the metrics of each model, or of the first model less each of the others."""
    cells: dict[str, dict[str, str]] = {}
    for row in scores:
        if bool(row["minus"]) == minus and row["metric"] in metrics:
            metric = str(row["metric"])
            of = cells.setdefault(str(row["minus"] if minus else row["model"]), {})
            of[metric] = _value(metrics[metric], row, minus=minus)
    before = "minus " if minus else ""
    return [(before + model_name(name, task), *(of[metric] for metric in metrics)) for name, of in cells.items()]


def _scores(scores: Sequence[Record], task: Task) -> Table:
    """Metrics of all models, and those of the first less those of the others."""
    first = str(scores[0]["model"])
    rows = [Row(cells, chosen=position == 0) for position, cells in enumerate(_rows(scores, task.metrics, task))]
    if differences := _rows(scores, task.metrics, task, minus=True):
        rows += [Row(group=model_name(first, task)), *map(Row, differences)]
    columns = [Column("Model"), *(Column(heading(metric), number=True) for metric in task.metrics.values())]
    caption = (
        "With 95% intervals by the jackknife over patients; below, the first model minus the others, "
        "on the same patients."
    )
    return Table(caption, columns, rows, "validation.tsv")


def _calibration(scores: Sequence[Record], task: Task) -> Table:
    """Intercepts and slopes of all models."""
    columns = [Column("Model"), *(Column(metric.title, number=True) for metric in task.calibrations.values())]
    caption = (
        "Calibration, with 95% intervals: in the large (intercept, or what is observed against what is predicted on "
        "the whole), 0 is right; slope, 1 is right, below 1 predictions differ more than they should."
    )
    return Table(caption, columns, [*map(Row, _rows(scores, task.calibrations, task))], "validation.tsv")


def _features(features: pd.DataFrame) -> Table:
    """The features that are farthest from the training."""
    known = features.dropna(subset="shift").head(MAX_FEATURES)
    rows = [
        Row(
            (
                str(row["feature"]),
                f"{100 * row['measured']:.0f}%",
                f"{row['training_mean']:.3g} ± {row['training_sd']:.3g}",
                f"{row['mean']:.3g}",
                unsigned(row["shift"], 2),
            )
        )
        for row in known.to_dict("records")
    ]
    names = ("Measured in", "Training, mean ± SD", "Here, mean", "Shift, training SD")
    caption = f"The {len(rows)} features that are farthest from the training."
    return Table(
        caption, (Column("Feature"), *(Column(name, number=True) for name in names)), rows, "the feature table"
    )


def _lines(external: External) -> list[str]:
    """The tables of scores and calibration as lines of text."""
    lines = []
    for table in (external.scores, external.calibration):
        cells = [[column.name for column in table.columns]]
        for row in table.rows:
            spread = ([row.group] + [""] * (len(table.columns) - 1)) if row.group else row.cells
            cells.append([cell.replace("\n", " (") + (")" if "\n" in cell else "") for cell in spread])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["  ".join(map(str.ljust, each, widths)).rstrip() for each in cells] + [""]
    return lines[:-1]
