"""Figures of pairs of teacher and student: gaps, what pilots gained, realised gains.

Each function draws on one matplotlib Axes. Tables have the columns of `keys`.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from cch_omics import keys
from cch_omics.report.style import (
    BLUE,
    COLOURS,
    DIVERGING,
    GREY,
    INK,
    VERDICT_COLOURS,
    VERDICT_MARKERS,
    VERDICT_SYMBOLS,
    arms,
    axes,
    hover,
    plain,
)
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import VERDICTS, difference, difference_heading, interval, pair_names, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gap_matrix(verdicts: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair, teachers in rows and students in columns, with standard error and verdict.

    Parameters
    ----------
    verdicts
        `keys.VERDICT_COLUMNS`; gaps in nats. A missing pair is left blank; of several recipes of a pair the one whose
        pilots gained most is shown.
    """
    ax = axes(ax)
    students = sorted(set(verdicts["student"]))
    teachers = sorted(set(verdicts["teacher"]), key=lambda name: (name not in students, name))
    column, row = ({name: k for k, name in enumerate(names)} for names in (students, teachers))
    shown = verdicts.sort_values("pilot_gain", ascending=False, kind="stable", na_position="last")
    cells = shown.drop_duplicates(["teacher", "student"]).to_dict("records")
    gap = np.full((len(teachers), len(students)), np.nan)
    for cell in cells:
        gap[row[cell["teacher"]], column[cell["student"]]] = cell["gap"]
    finite = np.abs(gap[np.isfinite(gap)])
    limit = max(float(finite.max()), 0.05) if len(finite) else 1.0
    norm = TwoSlopeNorm(0.0, -limit, limit)
    # Cells as patches: a picture embedded in the page would neither scale nor print well.
    ax.pcolormesh(np.ma.masked_invalid(gap), cmap=DIVERGING, norm=norm, edgecolors="white", linewidth=2)
    size = 9.5 if len(students) <= 8 else 7.5
    for cell in cells:
        x, y = column[cell["student"]] + 0.5, row[cell["teacher"]] + 0.5
        if np.isfinite(cell["gap"]):
            verdict = VERDICTS.get(cell["verdict"], cell["verdict"])
            hover(ax, x, y, f"{_pair(cell)}: gap {_estimate(cell['gap'], cell['gap_se'])} nats; {verdict}", 15)
            ink = "white" if abs(cell["gap"]) > 0.9 * limit else INK
            text = f"{signed(cell['gap'])} {VERDICT_SYMBOLS.get(cell['verdict'], '')}"
            ax.text(x, y - 0.08, text, ha="center", va="center", color=ink, size=size)
            if np.isfinite(cell["gap_se"]):
                error = f"± {cell['gap_se']:.2f}"
                ax.text(x, y + 0.18, error, ha="center", va="center", color=ink, size=size - 1.5)
        else:
            ax.text(x, y, "not estimated", ha="center", va="center", color=GREY, size=size - 2)
    slanted = slants(students)
    ax.set_xticks(
        np.arange(len(students)) + 0.5,
        [plain(name, 16) for name in students],
        rotation=35 if slanted else 0,
        ha="left" if slanted else "center",
    )
    ax.set_yticks(np.arange(len(teachers)) + 0.5, [plain(name, 16) for name in teachers])
    ax.set_xlabel("student")
    ax.set_ylabel("teacher")
    ax.xaxis.labelpad = 8
    ax.xaxis.set_label_position("top")
    ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    ax.set_xlim(0, max(len(students), 1))
    ax.set_ylim(max(len(teachers), 1), 0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def estimated_gaps(evidence: pd.DataFrame, *, ax: "Axes") -> None:
    """Draw the gap of each pair as two estimators say it, one row a pair, and what they say where the gap is zero.

    Parameters
    ----------
    evidence
        Columns `estimator`, `cross_check_estimator`, and of `gap` and `cross_check_gap` also `_se`, `_at_zero` and
        `_simulated_sd`, in nats. An estimate is drawn with 95% of its own error; what its estimator says in simulations
        whose gap is zero, if there are some, as a pale bar of 95% of theirs with a tick.
    """
    rows = np.arange(len(evidence), dtype=np.float64)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    shown = (("gap", "estimator", -0.14, "o", INK), ("cross_check_gap", "cross_check_estimator", 0.14, "s", BLUE))
    for quantity, estimator, offset, marker, colour in shown:
        ax.errorbar(
            evidence[f"{quantity}_at_zero"],
            rows + offset,
            xerr=1.96 * evidence[f"{quantity}_simulated_sd"],
            fmt="|",
            color=(colour, 0.35),
            markersize=9,
            linewidth=4,
            zorder=2,
        )
        ax.errorbar(
            evidence[quantity],
            rows + offset,
            xerr=1.96 * evidence[f"{quantity}_se"],
            fmt=marker,
            color=colour,
            markersize=4.5,
            linewidth=1.2,
            label=evidence[estimator].iloc[0],
            zorder=3,
        )
        for row, pair in zip(rows, evidence.to_dict("records"), strict=True):
            said = f"gap {_estimate(pair[quantity], pair[f'{quantity}_se'])} nats by {pair[estimator]}"
            hover(ax, pair[quantity], row + offset, f"{_pair(pair)}: {said}", 4)
    _one_row_a_pair(ax, evidence)
    ax.set_xlabel("gap as estimated, nats")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=8)


def pilot_gains(evidence: pd.DataFrame, metric: Metric, *, ax: "Axes") -> None:
    """Draw what the pilots of each pair gained, with 95% intervals, one row a pair.

    Parameters
    ----------
    evidence
        Columns `pilot_gain` and `pilot_gain_se`, of the metric.
    metric
        What the gains are in.
    """
    rows = np.arange(len(evidence), dtype=np.float64)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    ax.errorbar(
        metric.scale * evidence["pilot_gain"],
        rows,
        xerr=1.96 * metric.scale * evidence["pilot_gain_se"],
        fmt="D",
        color=COLOURS[2],
        markersize=4.5,
        linewidth=1.2,
        zorder=3,
    )
    for row, pair in zip(rows, evidence.to_dict("records"), strict=True):
        gain, error = (metric.scale * pair[name] for name in ("pilot_gain", "pilot_gain_se"))
        hover(ax, gain, row, f"{_pair(pair)}: pilots gained {_estimate(gain, error)} {difference_heading(metric)}")
    _one_row_a_pair(ax, evidence)
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(f"pilot's gain, {difference_heading(metric)}")


def verdict_symbols(evidence: pd.DataFrame, ax: "Axes") -> None:
    """Write the symbol of each verdict at the right end of its row."""
    for row, verdict in enumerate(evidence["verdict"]):
        symbol, colour = VERDICT_SYMBOLS.get(verdict, ""), VERDICT_COLOURS.get(verdict, GREY)
        ax.text(1.03, row, symbol, color=colour, transform=ax.get_yaxis_transform(), va="center")


def gap_against_gain(pairs: pd.DataFrame, metric: Metric, *, numbers: bool, ax: "Axes") -> None:
    """Draw one point per pair: the gap with its 95% interval and the realised gain with its own, marked by verdict.

    Parameters
    ----------
    pairs
        Columns `teacher`, `student`, `gap`, `gap_se` (nats), `gain`, `ci_low`, `ci_high` (of the metric), `verdict`.
        Pairs without a gap or a gain are left out.
    metric
        What the gains are in.
    numbers
        Whether each point carries the number of its row, from 1.
    """
    shown = pairs.assign(number=np.arange(1, len(pairs) + 1)).dropna(subset=["gap", "gain"])
    ax.axhline(0, color="#8a8a8a", linewidth=1, zorder=1)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    for verdict in keys.VERDICTS:
        part = shown[shown["verdict"] == verdict]
        if part.empty:
            continue
        gain, colour = metric.scale * part["gain"], VERDICT_COLOURS[verdict]
        ax.errorbar(
            part["gap"],
            gain,
            xerr=1.96 * part["gap_se"],
            yerr=metric.scale * arms(part, "gain"),
            fmt=VERDICT_MARKERS[verdict],
            color=colour,
            ecolor=(colour, 0.4),
            elinewidth=1,
            markersize=8,
            markeredgecolor="white",
            label=f"{VERDICTS[verdict]} ({len(part)})",
            zorder=3,
        )
        for x, y, number in zip(part["gap"], gain, part["number"] if numbers else (), strict=False):
            ax.annotate(str(number), (x, y), (5, 4), textcoords="offset points", size=9, color=INK, zorder=4)
        for y, pair in zip(gain, part.to_dict("records"), strict=True):
            said = f"gap {_estimate(pair['gap'], pair['gap_se'])} nats, gain {difference(metric, pair['gain'])}"
            said += interval(partial(difference, metric), pair["ci_low"], pair["ci_high"])
            hover(ax, pair["gap"], y, f"{pair['number']}. {_pair(pair)}: {said}")
    ax.margins(0.12)
    ax.set_xlabel("gap as estimated,  I(teacher; student) − I(student; label), nats")
    ax.set_ylabel(f"realised gain over training alone,\n{difference_heading(metric)}")
    if len(shown):
        # Outside, so that it never hides a pair.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.3)


def slants(names: Sequence[str]) -> bool:
    """Whether names above the columns of a gap matrix are slanted, and need room."""
    return len(names) > 6 or max(map(len, names), default=0) > 11


def _pair(row: Mapping[Hashable, Any]) -> str:
    """How a pair is named, with its cohort and target where there are several."""
    of = [f"{row['cohort']}, {row['target']}, "] if "cohort" in row else []
    return "".join([*of, f"{row['teacher']} → {row['student']}"])


def _estimate(value: float, error: float) -> str:
    return f"{value:+.3g} ± {error:.2g}" if np.isfinite(error) else f"{value:+.3g}"


def _one_row_a_pair(ax: "Axes", pairs: pd.DataFrame) -> None:
    ax.set_yticks(np.arange(len(pairs)), [plain(name, 34) for name in pair_names(pairs)])
    ax.set_ylim(len(pairs) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
