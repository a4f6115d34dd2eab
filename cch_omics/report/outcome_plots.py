"""The figure of what was predicted for test samples and what was observed of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cch_omics.report.style import BLUE, COLOURS, GREY, INK, VERMILLION, hover, plain
from cch_omics.tasks.picture import Picture, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the steps, from first to last: told apart without colour too.
STEPS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-"},
    {"color": GREY, "linestyle": (0, (5, 2))},
    {"color": VERMILLION, "linestyle": (0, (1, 1.2))},
)
# Of several lines, beside their colours.
MARKERS = "os^vDPX"
# Points of a model that are drawn: more say no more, and make the page large.
MAX_POINTS = 400
# Places of a line that say their values.
MAX_PLACES = 25
_WIDTH, _HEIGHT, _ROW = 4.4, 3.1, 0.2
Pictures = Mapping[str, Picture]


def outcome(pictures: Pictures) -> Figure:
    """Draw the pictures of models, by their names, side by side and on the same scale, counts below."""
    first = next(iter(pictures.values()))
    rows = max(len(picture.series) for picture in pictures.values()) if first.ticks else 0
    heights = [_HEIGHT, _ROW * rows] if rows else [_HEIGHT]
    made = Figure(figsize=(_WIDTH * len(pictures), sum(heights) + 0.7), layout="constrained")
    axes = made.subplots(len(heights), len(pictures), squeeze=False, height_ratios=heights)
    for ax, (name, picture) in zip(axes[0], pictures.items(), strict=True):
        _draw(picture, ax)
        ax.set_title(plain(name, 34))
    _same_scale(list(axes[0]), diagonal=first.identity)
    if rows:
        for ax, below, picture in zip(*axes, pictures.values(), strict=True):
            _counts(picture, below, ax)
    return made


def drawn_data(pictures: Pictures) -> pd.DataFrame:
    """What `outcome` draws."""
    parts = [
        pd.DataFrame({"model": name, "series": series.name, "x": series.x[chosen], "y": series.y[chosen]})
        for name, picture in pictures.items()
        for series, chosen in zip(picture.series, map(drawn_points, picture.series), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def drawn_points(series: Series) -> NDArray[np.intp]:
    """Places of the points that are drawn: of lines all, of others at most `MAX_POINTS`."""
    return _evenly(series, MAX_POINTS if series.kind == "points" else len(series.x))


def _evenly(series: Series, most: int) -> NDArray[np.intp]:
    """Some of the points of a series, evenly."""
    n = len(series.x)
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int)


def _draw(picture: Picture, ax: "Axes") -> None:
    """The series of a picture, and the diagonal."""
    for look, series in zip(_looks(picture), picture.series, strict=True):
        chosen = drawn_points(series)
        ax.plot(series.x[chosen], series.y[chosen], label=plain(series.name), **look)
        if series.kind != "points":
            for place in _evenly(series, MAX_PLACES):
                x, y = series.x[place], series.y[place]
                hover(ax, x, y, f"{series.name}: {x:.3g}, {y:.3g}".removeprefix(": "), 5)
    ax.set_xlabel(plain(picture.x_title, 60))
    ax.set_ylabel(plain(picture.y_title, 60))
    if picture.ticks:
        ax.set_xticks(picture.ticks)
        ax.set_xlim(0, max(float(series.x[-1]) for series in picture.series))
        ax.set_ylim(0, 1.02)
        ax.legend(loc="lower left", handlelength=2.6)
    elif sum(series.kind == "line" for series in picture.series) > 1:
        ax.legend(fontsize=8, handlelength=2.6)


def _looks(picture: Picture) -> list[dict[str, Any]]:
    def look(number: int, series: Series) -> dict[str, Any]:
        match series.kind:
            case "steps":
                # The first and the last look stay with two groups.
                return {"drawstyle": "steps-post", "linewidth": 1.8, **STEPS[number if number == 0 else number - steps]}
            case "points":
                return {"color": BLUE, "marker": "o", "markersize": 3.6, "linestyle": "none", "alpha": 0.4, "mew": 0}
        if lines == 1:
            return {"color": INK, "marker": "s", "markersize": 5, "linewidth": 1.6}
        # Of long lines, a few of the points are marked.
        every = max(1, len(series.x) // 8)
        of_line = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        return {**of_line, "markersize": 4.5, "markevery": every, "linewidth": 1.4}

    steps, lines = len(picture.series), sum(series.kind == "line" for series in picture.series)
    return [look(number, series) for number, series in enumerate(picture.series)]


def _counts(picture: Picture, below: "Axes", ax: "Axes") -> None:
    """Numbers below the axis, a row for each series."""
    for row, series in enumerate(picture.series):
        for tick, count in zip(picture.ticks, series.counts, strict=True):
            below.text(tick, row, str(count), ha="center", va="center", fontsize=9)
    below.set_xlim(*ax.get_xlim())
    below.set_ylim(len(picture.series) - 0.5, -0.5)
    below.set_yticks(range(len(picture.series)), [plain(series.name) for series in picture.series], fontsize=9)
    below.set_xticks([])
    below.tick_params(length=0, pad=14)  # beside the counts at the first tick, which are centred
    below.grid(False)
    below.set_title(picture.counts_title, fontsize=9, fontweight="normal", loc="left", pad=2)
    for spine in below.spines.values():
        spine.set_visible(False)


def _same_scale(axes: "list[Axes]", *, diagonal: bool) -> None:
    """Give Axes the same limits; those with a `diagonal` have the same on both sides."""
    sides = [np.array([ax.get_xlim() for ax in axes]), np.array([ax.get_ylim() for ax in axes])]
    x, y = ((float(side[:, 0].min()), float(side[:, 1].max())) for side in sides)
    if diagonal:
        x = y = (min(x[0], y[0]), max(x[1], y[1]))
    for ax in axes:
        if diagonal:
            ax.plot(x, y, color=INK, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
            ax.set_aspect("equal")
        ax.set_xlim(*x)
        ax.set_ylim(*y)
