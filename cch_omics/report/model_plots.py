"""The figures of the models of a student."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.report.style import BLUE, COLOURS, GREY, INK, VERMILLION, arms, hover, plain
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import difference, difference_heading, heading, model_kind, model_name, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# By `vocabulary.model_kind`, in the order drawn.
MODEL_STYLES: dict[str, dict[str, Any]] = {
    "alone": {"color": INK, "marker": "o", "markerfacecolor": "white"},
    "self": {"color": GREY, "marker": "o"},
    "taught": {"color": BLUE, "marker": "^"},
    "baseline": {"color": VERMILLION, "marker": "s"},
}


def model_performance(
    models: pd.DataFrame,
    task: Task,
    *,
    chosen: str,
    limits: tuple[float, float] | None,
    ax: "Axes",
) -> None:
    """Draw the models of one student as points with intervals in the primary metric, one row each.

    Parameters
    ----------
    models
        Columns `model`, `mean`, `ci_low`, `ci_high`, in the primary metric.
    task
        Names the baselines and the metric.
    chosen
        Model to set in bold: the one that the verdict recommends.
    limits
        Of the horizontal axis, so that several students can be compared.
    """
    metric = task.metrics[task.primary]
    ordered = order_models(models)
    for y, row in enumerate(ordered.to_dict("records")):
        if np.isfinite(row["mean"]):
            look = MODEL_STYLES[model_kind(row["model"])]
            widths = metric.scale * arms(pd.DataFrame([row]), "mean")
            ax.errorbar(
                [metric.scale * row["mean"]], [y], xerr=widths, markersize=7, elinewidth=1.4, linestyle="none", **look
            )
            mean, *ends = (shown(metric, row[name]) for name in ("mean", "ci_low", "ci_high"))
            interval = f" ({' to '.join(ends)})" if np.isfinite(row["ci_low"]) else ""
            hover(ax, metric.scale * row["mean"], y, f"{model_name(row['model'], task)}: {mean}{interval}")
    alone = ordered.loc[ordered["model"] == "alone", "mean"]
    if len(alone) and np.isfinite(alone.iloc[0]):
        ax.axvline(metric.scale * alone.iloc[0], color=INK, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
    ax.set_yticks(np.arange(len(ordered)), [plain(model_name(model, task), 32) for model in ordered["model"]])
    for tick, model in zip(ax.get_yticklabels(), ordered["model"], strict=True):
        if model == chosen:
            tick.set_fontweight("bold")
    ax.set_ylim(len(ordered) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    if limits is not None:
        ax.set_xlim(*limits)
    ax.set_xlabel(heading(metric))


def budget_curve(advised: pd.DataFrame, metric: Metric, *, ax: "Axes") -> None:
    """Draw what following the advice gained against how many labels there were, a line for each student.

    Parameters
    ----------
    advised
        Columns `student`, `labels`, `advised_gain`, `ci_low`, `ci_high` (of the metric).
    """
    ax.axhline(0, color="#8a8a8a", linewidth=1, zorder=1)
    for position, (student, part) in enumerate(advised.groupby("student", sort=False)):
        each, colour = part.sort_values("labels"), COLOURS[position % len(COLOURS)]
        ax.errorbar(
            each["labels"],
            metric.scale * each["advised_gain"],
            yerr=metric.scale * arms(each, "advised_gain"),
            fmt="o-",
            color=colour,
            ecolor=(colour, 0.4),
            elinewidth=1,
            markersize=6,
            label=plain(str(student)),
        )
        for row in each.to_dict("records"):
            said = f"{student}, {row['labels']:.0f} labels: {difference(metric, row['advised_gain'])}"
            hover(ax, row["labels"], metric.scale * row["advised_gain"], said)
    ax.legend(loc="best", fontsize=9)
    ax.set_xlabel("labels that training may use, test folds included")
    ax.set_ylabel(f"what following the advice gained,\n{difference_heading(metric)}")


def order_models(models: pd.DataFrame) -> pd.DataFrame:
    """Order models: alone, self, the taught ones from best to worst, baselines."""
    kinds = list(MODEL_STYLES)
    rank = models["model"].map(lambda model: kinds.index(model_kind(model)))
    return (
        models.assign(rank=rank, height=-models["mean"])
        .sort_values(["rank", "height", "model"], kind="stable")
        .drop(columns=["rank", "height"])
    )


def features(table: pd.DataFrame, *, ax: "Axes") -> None:
    """Draw what features weigh in the taught student and in the one trained alone, one row each.

    Parameters
    ----------
    table
        `keys.FEATURE_COLUMNS`, in the order drawn.
    """
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    rows = np.arange(len(table))
    ax.hlines(rows, table[keys.WEIGHT_ALONE], table[keys.WEIGHT_TAUGHT], color=GREY, linewidth=1, zorder=2)
    for kind, column, name in (("alone", keys.WEIGHT_ALONE, "alone"), ("taught", keys.WEIGHT_TAUGHT, "taught")):
        if table[column].notna().any():
            ax.plot(table[column], rows, markersize=7, linestyle="none", label=name, **MODEL_STYLES[kind])
            for row, value in enumerate(table[column]):
                hover(ax, value, row, f"{table['feature'].iloc[row]}, {name}: {value:+.3f}")
    ax.legend(loc="best", fontsize=9)
    named = [" for ".join(filter(None, each)) for each in zip(table["feature"], table["class"], strict=True)]
    ax.set_yticks(rows, [plain(name, 32) for name in named])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("weight")
