"""The figures of the pages, as inline SVG with a text that says what they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cch_omics import plotting
from cch_omics.report.results import METRIC, View
from cch_omics.report.words import verdict_counts

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
    names = plotting.modality_order(verdicts)
    n, room = len(names), 0.9 if plotting.slants(names) else 0.0
    # On a phone a small matrix shrinks, a large one scrolls.
    fit = _wide if n > 4 else str
    cell = 1.15 if n <= 6 else max(8.0 / n, 0.62)
    with plotting.style():
        figure, ax = plotting.figure(1.9 + room + cell * n, 0.9 + room + max(0.62, 0.55 * cell) * n)
        plotting.gap_matrix(verdicts, ax=ax)
        alt = f"Heat map of the gaps of {len(verdicts)} pairs. {verdict_counts(verdicts)}"
        return fit(plotting.svg(figure, name="gaps", alt=alt))


def gap_evidence(verdicts: pd.DataFrame) -> str:
    """What speaks for the sign of each gap, the `MAX_NUMBERED` largest; "" if there is none."""
    estimated = verdicts[verdicts["gap"].notna()]
    if estimated.empty:
        return ""
    shown = estimated.sort_values("gap", ascending=False, kind="stable").head(MAX_NUMBERED)
    apart = int((np.sign(shown["gap"]) != np.sign(shown["cross_check_gap"])).sum())
    alt = f"Two estimates of the gap of each of {len(shown)} pairs; their signs differ in {apart}. "
    alt += verdict_counts(shown)
    with plotting.style():
        figure, ax = plotting.figure(8.6, 1.3 + 0.36 * len(shown))
        plotting.gap_evidence(shown, ax=ax)
        return _wide(plotting.svg(figure, name="evidence", alt=alt))


def gap_against_gain(pairs: pd.DataFrame) -> str:
    """Gap and realised gain of all pairs; numbers are the rows of the table beside it."""
    if len(pairs) <= MAX_NAMED:
        labels = [
            f"{plotting.shorten(row['teacher'], 14)} → {plotting.shorten(row['student'], 14)}"
            for row in pairs.to_dict("records")
        ]
    else:
        labels = [str(k + 1) if len(pairs) <= MAX_NUMBERED else "" for k in range(len(pairs))]
    both = pairs[np.isfinite(pairs["gap"]) & np.isfinite(pairs["gain"])]
    agree = int((np.sign(both["gap"]) == np.sign(both["gain"])).sum())
    alt = (
        f"Scatter plot of gap against realised gain for {len(both)} pairs; in {agree} of them both have the same sign. "
        "The table below lists the values."
    )
    with plotting.style():
        figure, ax = plotting.figure(8.2, 5.0)
        plotting.gap_against_gain(pairs, labels=labels, ax=ax)
        return _wide(plotting.svg(figure, name="gains", alt=alt))


def model_panels(performance: pd.DataFrame, modalities: Sequence[str], chosen: dict[str, str]) -> list[Panel]:
    """One panel per student modality, all on the same scale."""
    table = performance[performance["metric"] == METRIC]
    ends = 100 * table[["mean", "ci_low", "ci_high"]].to_numpy(float)
    finite = ends[np.isfinite(ends)]
    limits = (float(finite.min()) - 2, float(finite.max()) + 2) if len(finite) else (0.0, 100.0)
    longest = max((len(plotting.model_name(model)) for model in table["model"]), default=0)
    panels = []
    for number, modality in enumerate(modalities):
        models = table[table["modality"] == modality]
        best = models.sort_values("mean", ascending=False).head(1)
        alt = f"Balanced accuracy of {len(models)} models on {modality}."
        for row in best.to_dict("records"):
            alt += f" The best is {plotting.model_name(row['model'])} with {100 * row['mean']:.1f}%."
        with plotting.style():
            figure, ax = plotting.figure(4.1 if longest <= 22 else 4.6, 0.75 + 0.27 * max(len(models), 2))
            plotting.model_performance(models, chosen=chosen.get(modality, "alone"), limits=limits, ax=ax)
            panels.append(Panel(modality, plotting.svg(figure, name=f"models-{number}", alt=alt)))
    return panels


def view_panels(views: Sequence[View], classes: Sequence[str]) -> list[Panel]:
    """One panel per modality: held-out representations of one inner fold."""
    panels = []
    for number, view in enumerate(views):
        counts = [f"{int((view.labels == code).sum())} {name}" for code, name in enumerate(classes)]
        unknown = int((view.labels < 0).sum())
        listed = ", ".join(counts)
        alt = f"{len(view.labels)} patients by two principal components: {listed}, {unknown} without label."
        with plotting.style():
            figure, ax = plotting.figure(3.4, 2.9)
            plotting.representation(view.points, view.labels, len(classes), usable=view.usable, ax=ax)
            drawn = plotting.svg(figure, name=f"view-{number}", alt=alt)
        panels.append(Panel(view.modality, drawn, f"{len(view.labels)} held-out patients, {unknown} without label"))
    return panels


def score_panels(scorecard: pd.DataFrame) -> list[Panel]:
    """How well each criterion foretold harm, gain and the order of gains."""
    shown = [
        ("auroc_harmed", 0.5, "Harmed", "AUROC, harmed"),
        ("auroc_gained", 0.5, "Gained over the self control", "AUROC, gained"),
        ("spearman", 0.0, "Order of the gains", "Spearman correlation with the gain"),
    ]
    panels = []
    n = scorecard["criterion"].nunique()
    for column, chance, heading, title in shown:
        with plotting.style():
            figure, ax = plotting.figure(4.1, 0.8 + 0.3 * max(n, 2))
            plotting.criterion_scores(scorecard, column, chance=chance, title=title, ax=ax)
            alt = f"{title} of {n} criteria; the table below lists the values."
            panels.append(Panel(heading, plotting.svg(figure, name=column, alt=alt)))
    return panels


def _wide(drawn: str) -> str:
    """On a phone: scroll instead of shrinking until nothing can be read."""
    return drawn.replace('class="figure"', 'class="figure wide"', 1)
