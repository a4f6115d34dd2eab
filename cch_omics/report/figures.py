"""The figures of the pages, as inline SVG with a text that says what they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cch_omics.report import model_plots, pair_plots
from cch_omics.report.material import View
from cch_omics.report.results import by_gap
from cch_omics.report.sentences import verdict_counts
from cch_omics.report.style import figure, shorten, style, svg
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import model_name, pair_names, shown

# Pairs beyond which points carry the number of their row in the table instead of names.
MAX_NAMED = 12
MAX_NUMBERED = 60


@dataclass(frozen=True)
class Panel:
    """A small figure with its heading."""

    name: str
    svg: str
    caption: str = ""


def gap_matrix(verdicts: pd.DataFrame) -> str:
    """Gaps of all pairs, "" if there is none."""
    if verdicts.empty:
        return ""
    students, teachers = verdicts["student"].unique(), verdicts["teacher"].unique()
    room = 0.9 if pair_plots.slants(list(students)) else 0.0
    n = max(len(students), len(teachers))
    # On a phone a small matrix shrinks, a large one scrolls.
    fit = _wide if n > 4 else str
    cell = 1.15 if n <= 6 else max(8.0 / n, 0.62)
    with style():
        drawn, (ax,) = figure(1.9 + room + cell * len(students), 0.9 + room + max(0.62, 0.55 * cell) * len(teachers))
        pair_plots.gap_matrix(verdicts, ax=ax)
        alt = f"Heat map of the gaps of {len(verdicts)} pairs. {verdict_counts(verdicts)}"
        return fit(svg(drawn, name="gaps", alt=alt))


def evidence(verdicts: pd.DataFrame, metric: Metric) -> str:
    """The `MAX_NUMBERED` largest gaps and, where there are pilots, their gains beside them; "" if there is none."""
    known = verdicts[verdicts["gap"].notna() | verdicts["pilot_gain"].notna()]
    if known.empty:
        return ""
    rows = by_gap(known).head(MAX_NUMBERED)
    piloted = bool(rows["pilot_gain"].notna().any())
    apart = int((np.sign(rows["gap"]) * np.sign(rows["cross_check_gap"]) < 0).sum())
    alt = f"Two estimates of the gap of each of {len(rows)} pairs; their signs differ in {apart}. "
    alt += ("Beside them what the pilots gained. " if piloted else "") + verdict_counts(rows)
    with style():
        drawn, (left, *right) = figure(9.4 if piloted else 5.6, 1.4 + 0.32 * len(rows), columns=2 if piloted else 1)
        pair_plots.corrected_gaps(rows, ax=left)
        for ax in right:
            pair_plots.pilot_gains(rows, metric, ax=ax)
            ax.tick_params(labelleft=False)
        pair_plots.verdict_symbols(rows, ax=[left, *right][-1])
        return _wide(svg(drawn, name="evidence", alt=alt))


def gap_against_gain(pairs: pd.DataFrame, metric: Metric, *, name: str = "gains") -> str:
    """Gap and realised gain of all pairs; numbers are the rows of the table beside it."""
    if len(pairs) <= MAX_NAMED:
        labels = [shorten(text, 32) for text in pair_names(pairs)]
    else:
        labels = [str(k + 1) if len(pairs) <= MAX_NUMBERED else "" for k in range(len(pairs))]
    both = pairs[np.isfinite(pairs["gap"]) & np.isfinite(pairs["gain"])]
    agree = int((np.sign(both["gap"]) == np.sign(both["gain"])).sum())
    alt = (
        f"Scatter plot of gap against realised gain for {len(both)} pairs; in {agree} of them both have the same sign. "
        "The table below lists the values."
    )
    with style():
        drawn, (ax,) = figure(8.2, 5.0)
        pair_plots.gap_against_gain(pairs, metric, labels=labels, ax=ax)
        return _wide(svg(drawn, name=name, alt=alt))


def model_panels(
    performance: pd.DataFrame, task: Task, students: Sequence[str], chosen: Mapping[str, str]
) -> list[Panel]:
    """One panel per student, all on the same scale."""
    metric = task.metrics[task.primary]
    table = performance[performance["metric"] == task.primary]
    ends = metric.scale * table[["mean", "ci_low", "ci_high"]].to_numpy(float)
    finite = ends[np.isfinite(ends)]
    margin = 0.04 * float(np.ptp(finite)) if len(finite) else 0.0
    limits = (float(finite.min()) - margin, float(finite.max()) + margin) if margin else None
    panels = []
    for number, student in enumerate(students):
        models = table[table["student"] == student]
        alt = f"{metric.title} of {len(models)} models on {student}."
        for row in models.sort_values("mean", ascending=not metric.higher_is_better).head(1).to_dict("records"):
            alt += f" The best is {model_name(row['model'], task)} with {shown(metric, row['mean'])}."
        with style():
            drawn, (ax,) = figure(4.6, 0.75 + 0.27 * max(len(models), 2))
            model_plots.model_performance(models, task, chosen=chosen.get(student, "alone"), limits=limits, ax=ax)
            panels.append(Panel(student, svg(drawn, name=f"models-{number}", alt=alt)))
    return panels


def view_panels(views: Sequence[View], strata: Sequence[str]) -> list[Panel]:
    """One panel per view: held-out representations of one inner fold."""
    panels = []
    for number, view in enumerate(views):
        counts = [f"{int((view.strata == code).sum())} {name}" for code, name in enumerate(strata)]
        unknown = int((view.strata < 0).sum())
        alt = f"{len(view.strata)} patients by two principal components: {', '.join(counts)}, {unknown} without label."
        with style():
            drawn, (ax,) = figure(3.4, 2.9)
            model_plots.representation(view.points, view.strata, len(strata), usable=view.usable, ax=ax)
            text = svg(drawn, name=f"view-{number}", alt=alt)
        panels.append(Panel(view.name, text, f"{len(view.strata)} held-out patients, {unknown} without label"))
    return panels


def _wide(drawn: str) -> str:
    """On a phone: scroll instead of shrinking until nothing can be read."""
    return drawn.replace('class="figure"', 'class="figure wide"', 1)
