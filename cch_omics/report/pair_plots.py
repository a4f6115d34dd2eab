"""Figures of pairs of teacher and student: gaps, what pilots gained, realised gains.

Each function draws on one matplotlib Axes, by default a new one, and returns it. Tables have the columns of `keys`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from cch_omics import keys
from cch_omics.report.labels import place_labels
from cch_omics.report.style import (
    BLUE,
    DIVERGING,
    GREY,
    INK,
    STRATUM_COLOURS,
    VERDICT_COLOURS,
    VERDICT_MARKERS,
    VERDICT_SYMBOLS,
    arms,
    axes,
    plain,
    readable_on,
    say,
)
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import VERDICTS, difference_heading, pair_names, signed

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
    students, teachers = list(dict.fromkeys(verdicts["student"])), teacher_order(verdicts)
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
            ink = readable_on(DIVERGING(norm(cell["gap"])))
            text = f"{signed(cell['gap'])} {VERDICT_SYMBOLS.get(cell['verdict'], '')}"
            ax.text(x, y - 0.08, text, ha="center", va="center", color=ink, size=size)
            if np.isfinite(cell["gap_se"]):
                error = f"± {cell['gap_se']:.2f}"
                ax.text(x, y + 0.18, error, ha="center", va="center", color=ink, size=size - 1.5)
        else:
            ax.text(x, y, "not estimated", ha="center", va="center", color=GREY, size=size - 2)
    for name in set(students) & set(teachers):
        ax.text(column[name] + 0.5, row[name] + 0.5, "·", ha="center", va="center", color="#b0b0b0", size=size)
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


def corrected_gaps(evidence: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair by two estimators, corrected by parametric simulations, one row a pair.

    Parameters
    ----------
    evidence
        Columns `estimator`, `cross_check_estimator`, and of `gap` and `cross_check_gap` also `_se`, `_at_zero` and
        `_simulated_sd`, in nats. An estimate is drawn less what its estimator says in simulations whose gap is zero,
        with 95% of the wider of its own and the simulations' error; without simulations, as it is.
    """
    ax = axes(ax)
    rows = np.arange(len(evidence), dtype=np.float64)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    shown = (("gap", "estimator", -0.14, "o", INK), ("cross_check_gap", "cross_check_estimator", 0.14, "s", BLUE))
    for quantity, estimator, offset, marker, colour in shown:
        spread = np.fmax(evidence[f"{quantity}_se"], evidence[f"{quantity}_simulated_sd"])
        ax.errorbar(
            evidence[quantity] - evidence[f"{quantity}_at_zero"].fillna(0.0),
            rows + offset,
            xerr=1.96 * spread,
            fmt=marker,
            color=colour,
            markersize=4.5,
            linewidth=1.2,
            label=str(evidence[estimator].iloc[0]) if len(evidence) else estimator,
            zorder=3,
        )
    _one_row_a_pair(ax, evidence)
    ax.set_xlabel("corrected gap, nats")
    if len(evidence):
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=8)
    return ax


def pilot_gains(evidence: pd.DataFrame, metric: Metric, *, ax: "Axes | None" = None) -> "Axes":
    """Draw what the pilots of each pair gained, with 95% intervals, one row a pair.

    Parameters
    ----------
    evidence
        Columns `pilot_gain` and `pilot_gain_se`, of the metric.
    metric
        What the gains are in.
    """
    ax = axes(ax)
    rows = np.arange(len(evidence), dtype=np.float64)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    ax.errorbar(
        metric.scale * evidence["pilot_gain"],
        rows,
        xerr=1.96 * metric.scale * evidence["pilot_gain_se"],
        fmt="D",
        color=STRATUM_COLOURS[2],
        markersize=4.5,
        linewidth=1.2,
        zorder=3,
    )
    _one_row_a_pair(ax, evidence)
    ax.set_xlabel(f"pilot's gain, {difference_heading(metric)}")
    return ax


def verdict_symbols(evidence: pd.DataFrame, ax: "Axes") -> None:
    """Write the symbol of each verdict at the right end of its row."""
    for row, verdict in enumerate(evidence["verdict"]):
        symbol, colour = VERDICT_SYMBOLS.get(verdict, ""), VERDICT_COLOURS.get(verdict, GREY)
        ax.text(1.03, row, symbol, color=colour, transform=ax.get_yaxis_transform(), va="center")


def gap_against_gain(
    pairs: pd.DataFrame, metric: Metric, *, labels: Sequence[str] | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draw one point per pair: the gap with its 95% interval and the realised gain with its own, marked by verdict.

    Parameters
    ----------
    pairs
        Columns `gap`, `gap_se` (nats), `gain`, `ci_low`, `ci_high` (of the metric), `verdict`. Pairs without a gap or
        a gain are left out.
    metric
        What the gains are in.
    labels
        What to write beside each point; nothing by default.
    """
    ax = axes(ax)
    labels = ["" for _ in range(len(pairs))] if labels is None else labels
    shown = pairs.assign(label=list(labels))
    shown = shown[np.isfinite(shown["gap"]) & np.isfinite(shown["gain"])]
    ax.axhline(0, color="#8a8a8a", linewidth=1, zorder=1)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    faint = len(shown) > 40
    for verdict in keys.VERDICTS:
        part = shown[shown["verdict"] == verdict]
        if part.empty:
            continue
        colour = VERDICT_COLOURS[verdict]
        ax.errorbar(
            part["gap"],
            metric.scale * part["gain"],
            xerr=1.96 * part["gap_se"],
            yerr=metric.scale * arms(part, "gain"),
            fmt="none",
            ecolor=colour,
            elinewidth=1,
            alpha=0.25 if faint else 0.55,
            zorder=2,
        )
        ax.plot(
            part["gap"],
            metric.scale * part["gain"],
            linestyle="none",
            marker=VERDICT_MARKERS[verdict],
            color=colour,
            markersize=6 if faint else 8,
            markeredgecolor="white",
            label=f"{VERDICTS[verdict]} ({len(part)})",
            zorder=3,
        )
    ax.margins(0.12)
    ax.set_xlabel("gap  I(teacher; student) − I(student; label), nats")
    ax.set_ylabel(f"realised gain over training alone,\n{difference_heading(metric)}")
    if len(shown):
        # Outside, so that it never hides a pair.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.3)
        intervals = np.vstack(
            [np.tile(1.96 * np.nan_to_num(shown["gap_se"]), (2, 1)), metric.scale * arms(shown, "gain")]
        )
        gains = metric.scale * shown["gain"].to_numpy()
        place_labels(ax, shown["gap"].to_numpy(), gains, intervals, list(shown["label"]))
    else:
        say(ax, "no pair has both a gap and a gain")
    return ax


def slants(names: Sequence[str]) -> bool:
    """Whether names above the columns of a gap matrix are slanted, and need room."""
    return len(names) > 6 or max(map(len, names), default=0) > 11


def teacher_order(verdicts: pd.DataFrame) -> list[str]:
    """List teachers: those that are students too in the order of the students, then the others."""
    teachers = list(dict.fromkeys(verdicts["teacher"]))
    both = [name for name in dict.fromkeys(verdicts["student"]) if name in teachers]
    return [*both, *(name for name in teachers if name not in both)]


def _one_row_a_pair(ax: "Axes", pairs: pd.DataFrame) -> None:
    ax.set_yticks(np.arange(len(pairs)), [plain(name, 34) for name in pair_names(pairs)])
    ax.set_ylim(len(pairs) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
