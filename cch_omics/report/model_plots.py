"""Figures of models and of representations.

Each function draws on one matplotlib Axes, by default a new one, and returns it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.report.style import BLUE, GREY, INK, VERMILLION, arms, axes, plain, say, stratum_style
from cch_omics.tasks.base import Task
from cch_omics.vocabulary import heading, model_kind, model_name

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
    chosen: str = "",
    limits: tuple[float, float] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
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
    ax = axes(ax)
    metric = task.metrics[task.primary]
    ordered = order_models(models)
    for y, row in enumerate(ordered.to_dict("records")):
        if np.isfinite(row["mean"]):
            look = MODEL_STYLES[model_kind(row["model"])]
            widths = metric.scale * arms(pd.DataFrame([row]), "mean")
            ax.errorbar(
                [metric.scale * row["mean"]], [y], xerr=widths, markersize=7, elinewidth=1.4, linestyle="none", **look
            )
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
    if ordered.empty:
        say(ax, "no model was evaluated")
    return ax


def representation(
    points: NDArray[np.floating],
    strata: NDArray[np.int64],
    n_strata: int,
    *,
    usable: NDArray[np.bool_] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw samples in two dimensions, coloured by stratum of their label.

    Parameters
    ----------
    points
        (n, 2).
    strata
        (n,) stratum, -1 where unknown: small and grey.
    usable
        (n,) whether a model was allowed to see the label; where it was not the marker is hollow.
    """
    ax = axes(ax)
    usable = np.ones(len(strata), dtype=bool) if usable is None else usable
    unknown = strata < 0
    ax.plot(*points[unknown].T, linestyle="none", marker="o", color="#b9b9b9", markersize=3.5, markeredgewidth=0)
    for code in range(n_strata):
        colour, marker = stratum_style(code)
        common: dict[str, Any] = {"linestyle": "none", "marker": marker, "color": colour, "markersize": 5}
        seen = (strata == code) & usable
        hidden = (strata == code) & ~usable
        ax.plot(*points[seen].T, markeredgecolor="white", markeredgewidth=0.4, zorder=3, **common)
        ax.plot(*points[hidden].T, markerfacecolor="none", markeredgewidth=0.9, zorder=2, **common)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("first principal component")
    ax.set_ylabel("second")
    if len(points) == 0:
        say(ax, "no held-out sample")
    return ax


def order_models(models: pd.DataFrame) -> pd.DataFrame:
    """Order models: alone, self, the taught ones from best to worst, baselines."""
    kinds = list(MODEL_STYLES)
    rank = models["model"].map(lambda model: kinds.index(model_kind(model)))
    return (
        models.assign(rank=rank, height=-models["mean"])
        .sort_values(["rank", "height", "model"], kind="stable")
        .drop(columns=["rank", "height"])
    )
