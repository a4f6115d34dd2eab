"""The figures of the pages, as inline SVG with a text that says what they show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from cch_omics import keys
from cch_omics.report import model_plots, outcome_plots, pair_plots
from cch_omics.report.results import Results, by_gap
from cch_omics.report.style import figure, style, svg
from cch_omics.tasks.base import Metric, Task
from cch_omics.tasks.picture import Picture
from cch_omics.vocabulary import model_name

# Features that the figure of a student shows.
MOST_FEATURES = 12
# Pairs beyond which the figure of the evidence shows the largest gaps only, and points carry no numbers.
MAX_PAIRS = 60
# What the figure of the evidence is drawn from.
EVIDENCE = (
    *keys.PAIR_COLUMNS,
    *("estimator", "gap", "gap_se", "gap_at_zero", "gap_simulated_sd"),
    *("cross_check_estimator", "cross_check_gap", "cross_check_gap_se"),
    *("cross_check_gap_at_zero", "cross_check_gap_simulated_sd", "pilot_gain", "pilot_gain_se", "verdict"),
)


@dataclass(frozen=True)
class Panel:
    """A small figure with its heading."""

    name: str
    svg: Markup


@dataclass(frozen=True)
class Outcome:
    """What the students of one omics predicted for test samples, and what was observed.

    Attributes
    ----------
    said
        Sentences by the name of the student.
    """

    student: str
    picture: Picture
    svg: Markup
    said: Mapping[str, tuple[str, ...]]


def gap_matrix(verdicts: pd.DataFrame) -> Markup:
    """Gaps of all pairs, empty if there is none."""
    if verdicts.empty:
        return Markup()
    students, teachers = verdicts["student"].unique(), verdicts["teacher"].unique()
    room = 0.9 if pair_plots.slants(list(students)) else 0.0
    n = max(len(students), len(teachers))
    data = verdicts[[*keys.PAIR_COLUMNS, "gap", "gap_se", "verdict"]]
    cell = 1.15 if n <= 6 else max(8.0 / n, 0.62)
    with style():
        drawn, (ax,) = figure(1.9 + room + cell * len(students), 0.9 + room + max(0.62, 0.55 * cell) * len(teachers))
        pair_plots.gap_matrix(verdicts, ax=ax)
        # On a phone a small matrix shrinks, a large one scrolls.
        return svg(drawn, name="gaps", alt=f"Heat map of the gaps of {len(verdicts)} pairs.", data=data, wide=n > 4)


def evidence(verdicts: pd.DataFrame, metric: Metric) -> Markup:
    """The `MAX_PAIRS` largest gaps and, where there are pilots, their gains beside them; empty if there is none."""
    known = verdicts[verdicts["gap"].notna() | verdicts["pilot_gain"].notna()]
    if known.empty:
        return Markup()
    rows = by_gap(known).head(MAX_PAIRS)
    piloted = bool(rows["pilot_gain"].notna().any())
    alt = f"Two estimates of the gap of each of {len(rows)} pairs, beside those of a gap of zero"
    alt += ", and its pilots' gain." if piloted else "."
    with style():
        drawn, (left, *right) = figure(9.4 if piloted else 5.6, 1.4 + 0.32 * len(rows), columns=2 if piloted else 1)
        pair_plots.estimated_gaps(rows, ax=left)
        for ax in right:
            pair_plots.pilot_gains(rows, metric, ax=ax)
            ax.tick_params(labelleft=False)
        pair_plots.verdict_symbols(rows, ax=[left, *right][-1])
        columns = [name for name in EVIDENCE if name in rows]
        return svg(drawn, name="evidence", alt=alt, data=rows[columns], wide=True)


def gap_against_gain(pairs: pd.DataFrame, metric: Metric, *, name: str = "gains") -> Markup:
    """Gap and realised gain of all pairs, empty if there is none; numbers are the rows of the table beside it."""
    if pairs.empty:
        return Markup()
    alt = f"Scatter plot of gap against realised gain for {len(pairs)} pairs; the table below lists the values."
    with style():
        drawn, (ax,) = figure(6.8, 4.6)
        pair_plots.gap_against_gain(pairs, metric, numbers=len(pairs) <= MAX_PAIRS, ax=ax)
        of = [name for name in ("cohort", "target") if name in pairs]
        data = pairs[[*of, *keys.PAIR_COLUMNS, "gap", "gap_se", "gain", "ci_low", "ci_high", "verdict"]]
        return svg(drawn, name=name, alt=alt, data=data)


def model_panels(performance: pd.DataFrame, task: Task, chosen: Mapping[str, str]) -> list[Panel]:
    """One panel per student, all on the same scale; `chosen` is the advised model by student."""
    metric = task.metrics[task.primary]
    table = performance[performance["metric"] == task.primary]
    ends = metric.scale * table[["mean", "ci_low", "ci_high"]].to_numpy(float)
    finite = ends[np.isfinite(ends)]
    margin = 0.04 * float(np.ptp(finite)) if len(finite) else 0.0
    limits = (float(finite.min()) - margin, float(finite.max()) + margin) if margin else None
    panels = []
    for number, (student, model) in enumerate(chosen.items()):
        models = table[table["student"] == student]
        alt = f"{metric.title} of {len(models)} models on {student}; the table below lists the values."
        with style():
            drawn, (ax,) = figure(4.6, 0.75 + 0.27 * max(len(models), 2))
            model_plots.model_performance(models, task, chosen=model, limits=limits, ax=ax)
            panels.append(Panel(student, svg(drawn, name=f"models-{number}", alt=alt, data=models)))
    return panels


def feature_panels(learnt: Mapping[str, pd.DataFrame]) -> list[Panel]:
    """One panel per student: the features of the largest weight, of `keys.FEATURE_COLUMNS` by student."""
    panels = []
    for number, (student, table) in enumerate(learnt.items()):
        most = table.head(MOST_FEATURES)
        alt = f"Weights of {len(most)} features in the student of {student}; its features.tsv has the values."
        with style():
            drawn, (ax,) = figure(4.6, 0.75 + 0.27 * max(len(most), 2))
            model_plots.features(most, ax=ax)
            panels.append(Panel(student, svg(drawn, name=f"features-{number}", alt=alt, data=most)))
    return panels


def outcomes(results: Results) -> list[Outcome]:
    """One figure per student: the one that the rule chose beside the one trained alone; none if a task has no picture.

    Both are drawn on the same scale.
    """
    drawn_of = []
    for number, student in enumerate(results.students):
        mine = results.predictions[results.predictions["student"] == student]
        made = {str(model): results.task.picture(part) for model, part in mine.groupby("model", sort=False)}
        pictures = {model_name(model, results.task): picture for model, picture in made.items() if picture}
        if not pictures:
            continue
        first = next(iter(pictures.values()))
        alt = f"{first.title} by the student of {student}, {' and '.join(pictures)}; the text below has the numbers."
        with style():
            made_of, data = outcome_plots.outcome(pictures), outcome_plots.drawn_data(pictures)
            svg_of = svg(made_of, name=f"outcome-{number}", alt=alt, data=data, wide=len(pictures) > 1)
        said = {name: picture.said for name, picture in pictures.items()}
        drawn_of.append(Outcome(student, first, svg_of, said))
    return drawn_of
