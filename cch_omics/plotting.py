"""Figures on plain arrays and tables. Each function draws on one matplotlib Axes, by default a new one, and returns it.

Colours are of Okabe & Ito (2008), told apart by colour-blind readers too, and a marker's shape always says the same as
its colour. `svg` turns a figure into text that is the same for the same content.
"""

import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cch_omics import keys

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILLION, GREY, INK = "#0072b2", "#d55e00", "#6b6b6b", "#222222"
VERDICT_COLOURS = {keys.DISTIL: BLUE, keys.DO_NOT_DISTIL: VERMILLION, keys.UNDECIDED: GREY}
VERDICT_MARKERS = {keys.DISTIL: "^", keys.DO_NOT_DISTIL: "v", keys.UNDECIDED: "D"}
VERDICT_SYMBOLS = {keys.DISTIL: "▲", keys.DO_NOT_DISTIL: "▼", keys.UNDECIDED: "◆"}
VERDICT_WORDS = {keys.DISTIL: "distil", keys.DO_NOT_DISTIL: "do not distil", keys.UNDECIDED: "undecided"}
# Classes: as many colours as can be told apart, then the same ones again with another marker.
CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5c00")
CLASS_MARKERS = ("o", "s", "^", "D", "P", "X")
DIVERGING = LinearSegmentedColormap.from_list("gap", ["#c65102", "#f3b98b", "#f8f8f6", "#9cc4de", "#0b66a3"])

# What a row of `performance` may be, in the order drawn; distilled students come between self and logistic.
MODEL_NAMES = {
    "alone": "trained alone",
    "self": "self control",
    "logistic": "logistic regression",
    "boosting": "gradient boosting",
}
MODEL_STYLES: dict[str, dict[str, Any]] = {
    "alone": {"color": INK, "marker": "o", "markerfacecolor": "white"},
    "self": {"color": GREY, "marker": "o"},
    "distilled": {"color": BLUE, "marker": "^"},
    "reference": {"color": VERMILLION, "marker": "s"},
}

# Any: matplotlib names every key in a type of its own, and the names differ between its versions.
STYLE: Any = {
    "axes.edgecolor": "#8a8a8a",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e4e4e0",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "cch_omics",
    "text.color": INK,
    "xtick.color": "#8a8a8a",
    "ytick.color": "#8a8a8a",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with the style of the report, starting from matplotlib's own defaults and not from the user's."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def shorten(name: object, width: int) -> str:
    """Cut a name that is longer than `width`."""
    text = str(name)
    return text if len(text) <= width else text[: width - 1] + "…"


def plain(name: object, width: int = 22) -> str:
    """Shorten a name and keep matplotlib from reading dollars in it as mathematics."""
    return shorten(name, width).replace("$", r"\$")


def figure(width: float, height: float) -> tuple[Figure, "Axes"]:
    """Make a figure (inches) of one Axes that no global state knows of, and so nobody has to close."""
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots()


def svg(drawn: Figure, *, name: str, alt: str) -> str:
    """Turn a figure into an inline `<svg>`: without date, with ids that start with `name`, text as text.

    Parameters
    ----------
    name
        Unique on the page.
    alt
        What a reader who does not see the figure is told.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The reader's browser has fonts that matplotlib lacks; only its estimate of the text's width suffers.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("xlink:href", "href")
    # One line a tag says nothing to a reader and costs a tenth of the bytes.
    text = re.sub(r"\n\s*", " ", text)
    width, height = drawn.get_size_inches() * 96
    opening = (
        f'<svg class="figure" role="img" aria-label="{html.escape(alt)}" '
        f'viewBox="0 0 {width * 0.75:g} {height * 0.75:g}" width="{width:g}" height="{height:g}">'
    )
    return re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1).strip()


def gap_matrix(verdicts: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair, teachers in rows and students in columns, with standard error and verdict.

    Parameters
    ----------
    verdicts
        `keys.VERDICT_COLUMNS`: one row per pair; gaps in nats. A missing pair is left blank.
    """
    ax = _axes(ax)
    names = modality_order(verdicts)
    gap = np.full((len(names), len(names)), np.nan)
    place = {name: k for k, name in enumerate(names)}
    for row in verdicts.to_dict("records"):
        gap[place[row["teacher"]], place[row["student"]]] = row["gap"]
    finite = np.abs(gap[np.isfinite(gap)])
    limit = max(float(finite.max()), 0.05) if len(finite) else 1.0
    norm = TwoSlopeNorm(0.0, -limit, limit)
    # Cells as patches: a picture embedded in the page would neither scale nor print well.
    ax.pcolormesh(np.ma.masked_invalid(gap), cmap=DIVERGING, norm=norm, edgecolors="white", linewidth=2)
    size = 9.5 if len(names) <= 8 else 7.5
    for row in verdicts.to_dict("records"):
        y, x = place[row["teacher"]], place[row["student"]]
        if np.isfinite(row["gap"]):
            ink = _readable_on(DIVERGING(norm(row["gap"])))
            symbol = VERDICT_SYMBOLS.get(row["verdict"], "")
            ax.text(x + 0.5, y + 0.42, f"{signed(row['gap'])} {symbol}", ha="center", va="center", color=ink, size=size)
            if np.isfinite(row["gap_se"]):
                label = f"± {row['gap_se']:.2f}"
                ax.text(x + 0.5, y + 0.68, label, ha="center", va="center", color=ink, size=size - 1.5)
        else:
            ax.text(x + 0.5, y + 0.5, "not estimated", ha="center", va="center", color=GREY, size=size - 2)
    for k in range(len(names)):
        ax.text(k + 0.5, k + 0.5, "·", ha="center", va="center", color="#b0b0b0", size=size)
    labels = [plain(name, 16) for name in names]
    slanted = slants(names)
    ax.set_xticks(
        np.arange(len(names)) + 0.5, labels, rotation=35 if slanted else 0, ha="left" if slanted else "center"
    )
    ax.set_yticks(np.arange(len(names)) + 0.5, labels)
    ax.set_xlabel("student")
    ax.set_ylabel("teacher")
    ax.xaxis.labelpad = 8
    ax.xaxis.set_label_position("top")
    ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    ax.set_xlim(0, max(len(names), 1))
    ax.set_ylim(max(len(names), 1), 0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def gap_evidence(verdicts: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw what a verdict rests on: the benefit, the gap by two estimators, corrected by twins, and its bracket.

    Parameters
    ----------
    verdicts
        `keys.VERDICT_COLUMNS`: one row per pair, drawn from the largest gap down; gaps in nats. An estimate is drawn
        less what the estimator says on twins whose gap is zero, with 95% of the wider of its own and the twins' error.
    """
    ax = _axes(ax)
    shown = verdicts[verdicts["gap"].notna()].sort_values("gap", ascending=False, kind="stable")
    rows = np.arange(len(shown), dtype=np.float64)
    ax.axvline(0, color="#8a8a8a", linewidth=1, zorder=1)
    width = shown["bracket_high"] - shown["bracket_low"]
    ax.barh(rows, width, left=shown["bracket_low"], height=0.62, color="#dfe7ee", zorder=0, label="gap, bracket")
    for offset, quantity, marker, colour in ((-0.22, "gap", "o", INK), (0.0, "cross_check_gap", "s", BLUE)):
        at_zero = shown[f"{quantity}_at_zero"].fillna(0.0)
        spread = np.fmax(shown[f"{quantity}_se"], shown[f"{quantity}_twin_sd"])
        column = "estimator" if quantity == "gap" else "cross_check_estimator"
        name = f"gap, {shown[column].iloc[0]}" if len(shown) else column
        ax.errorbar(
            shown[quantity] - at_zero,
            rows + offset,
            xerr=1.96 * spread,
            fmt=marker,
            color=colour,
            markersize=4.5,
            linewidth=1.2,
            label=name,
            zorder=3,
        )
    ax.errorbar(
        shown["log_loss_benefit"],
        rows + 0.22,
        xerr=1.96 * shown["log_loss_benefit_se"],
        fmt="D",
        color=CLASS_COLOURS[2],
        markersize=4,
        linewidth=1.2,
        label="benefit, log-loss",
        zorder=3,
    )
    right = ax.get_yaxis_transform()
    for row, record in zip(rows, shown.to_dict("records"), strict=True):
        verdict = record["verdict"]
        ax.text(1.02, row, VERDICT_SYMBOLS[verdict], color=VERDICT_COLOURS[verdict], transform=right, va="center")
        wrong = record["twin_sign_errors"]
        said = "no twins" if np.isnan(wrong) else f"sign wrong in {100 * wrong:.0f}% of twins"
        ax.text(1.07, row, said, color=GREY, transform=right, va="center", size=7.5)
    ax.set_yticks(rows, [f"{plain(r['teacher'], 14)} → {plain(r['student'], 14)}" for r in shown.to_dict("records")])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlabel("nats")
    ax.grid(axis="y", visible=False)
    if len(shown):
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8)
    return ax


def gap_against_gain(
    pairs: pd.DataFrame, *, labels: Sequence[str] | None = None, scale: float = 100.0, ax: "Axes | None" = None
) -> "Axes":
    """Draw one point per pair: the gap with its 95% interval and the realised gain with its own, marked by verdict.

    Parameters
    ----------
    pairs
        Columns `gap`, `gap_se` (nats), `gain`, `ci_low`, `ci_high` (of the metric), `verdict`. Pairs without a gap or
        a gain are left out.
    labels
        What to write beside each point; nothing by default.
    scale
        Factor of the gains drawn: 100 for points of a metric between 0 and 1.
    """
    ax = _axes(ax)
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
            scale * part["gain"],
            xerr=1.96 * part["gap_se"],
            yerr=scale * _arms(part),
            fmt="none",
            ecolor=colour,
            elinewidth=1,
            alpha=0.25 if faint else 0.55,
            zorder=2,
        )
        ax.plot(
            part["gap"],
            scale * part["gain"],
            linestyle="none",
            marker=VERDICT_MARKERS[verdict],
            color=colour,
            markersize=6 if faint else 8,
            markeredgecolor="white",
            label=f"{VERDICT_WORDS[verdict]} ({len(part)})",
            zorder=3,
        )
    ax.margins(0.12)
    ax.set_xlabel("gap  I(teacher; student) − I(student; label), nats")
    ax.set_ylabel("realised gain over training alone, points")
    if len(shown):
        # Outside, so that it never hides a pair.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.3)
        arms = np.vstack([np.tile(1.96 * np.nan_to_num(shown["gap_se"]), (2, 1)), scale * _arms(shown)])
        _place_labels(ax, shown["gap"].to_numpy(), scale * shown["gain"].to_numpy(), arms, list(shown["label"]))
    else:
        _say(ax, "no pair has both a gap and a gain")
    return ax


def model_performance(
    models: pd.DataFrame,
    *,
    chosen: str = "",
    limits: tuple[float, float] | None = None,
    scale: float = 100.0,
    unit: str = "balanced accuracy, %",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the models of one student modality as points with intervals, one row each.

    Parameters
    ----------
    models
        Columns `model` (a name of `MODEL_NAMES`, or `distilled:TEACHER`), `mean`, `ci_low`, `ci_high`.
    chosen
        Model to set in bold: the one that the verdict recommends.
    limits
        Of the horizontal axis, so that several students can be compared.
    """
    ax = _axes(ax)
    ordered = order_models(models)
    for y, row in enumerate(ordered.to_dict("records")):
        if np.isfinite(row["mean"]):
            arms = _arms(pd.DataFrame([{**row, "gain": row["mean"]}]))
            look = MODEL_STYLES[model_kind(row["model"])]
            ax.errorbar(
                [scale * row["mean"]], [y], xerr=scale * arms, markersize=7, elinewidth=1.4, linestyle="none", **look
            )
    alone = ordered.loc[ordered["model"] == "alone", "mean"]
    if len(alone) and np.isfinite(alone.iloc[0]):
        ax.axvline(scale * alone.iloc[0], color=INK, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
    ax.set_yticks(np.arange(len(ordered)), [plain(model_name(model), 28) for model in ordered["model"]])
    for tick, model in zip(ax.get_yticklabels(), ordered["model"], strict=True):
        if model == chosen:
            tick.set_fontweight("bold")
    ax.set_ylim(len(ordered) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    if limits is not None:
        ax.set_xlim(*limits)
    ax.set_xlabel(unit)
    if ordered.empty:
        _say(ax, "no model was evaluated")
    return ax


def representation(
    points: NDArray[np.floating],
    labels: NDArray[np.int64],
    n_classes: int,
    *,
    usable: NDArray[np.bool_] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw samples in two dimensions, coloured by class.

    Parameters
    ----------
    points
        (n, 2).
    labels
        (n,) class, -1 where unknown: small and grey.
    usable
        (n,) whether a model was allowed to see the label; where it was not the marker is hollow.
    """
    ax = _axes(ax)
    usable = np.ones(len(labels), dtype=bool) if usable is None else usable
    unknown = labels < 0
    ax.plot(*points[unknown].T, linestyle="none", marker="o", color="#b9b9b9", markersize=3.5, markeredgewidth=0)
    for code in range(n_classes):
        colour, marker = class_style(code)
        common: dict[str, Any] = {"linestyle": "none", "marker": marker, "color": colour, "markersize": 5}
        seen = (labels == code) & usable
        hidden = (labels == code) & ~usable
        ax.plot(*points[seen].T, markeredgecolor="white", markeredgewidth=0.4, zorder=3, **common)
        ax.plot(*points[hidden].T, markerfacecolor="none", markeredgewidth=0.9, zorder=2, **common)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("first principal component")
    ax.set_ylabel("second")
    if len(points) == 0:
        _say(ax, "no held-out sample")
    return ax


def criterion_scores(
    scores: pd.DataFrame, column: str, *, chance: float, title: str, ax: "Axes | None" = None
) -> "Axes":
    """Draw how well each criterion foretold the gains: one small point per cohort and target, the mean as a bar.

    Parameters
    ----------
    scores
        `keys.SCORECARD_COLUMNS`.
    column
        The score drawn.
    chance
        Its value for a criterion that knows nothing.
    """
    ax = _axes(ax)
    names = list(dict.fromkeys(scores["criterion"]))
    for y, name in enumerate(names):
        values = scores.loc[scores["criterion"] == name, column].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            ax.plot(values, np.full(len(values), y), "o", color=BLUE, alpha=0.45, markersize=5.5, markeredgewidth=0)
            ax.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=2, solid_capstyle="butt")
    ax.axvline(chance, color="#8a8a8a", linewidth=1, linestyle=(0, (2, 3)), zorder=1)
    ax.set_yticks(np.arange(len(names)), [plain(name, 28) for name in names])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_xlim((-0.05, 1.05) if chance else (-1.05, 1.05))
    ax.set_xlabel(title)
    return ax


def slants(names: Sequence[str]) -> bool:
    """Whether names above the columns of a gap matrix are slanted, and need room."""
    return len(names) > 6 or max(map(len, names), default=0) > 11


def modality_order(verdicts: pd.DataFrame) -> list[str]:
    """List modalities, students first in the order of the table, then those that are only teachers."""
    return list(dict.fromkeys([*verdicts["student"], *verdicts["teacher"]]))


def model_kind(model: str) -> str:
    """Key of `MODEL_STYLES` for a model."""
    if model.startswith("distilled:"):
        return "distilled"
    return model if model in ("alone", "self") else "reference"


def model_name(model: str) -> str:
    """Name a model as a reader would."""
    if model.startswith("distilled:"):
        return f"from {model.removeprefix('distilled:')}"
    return MODEL_NAMES.get(model, model)


def order_models(models: pd.DataFrame) -> pd.DataFrame:
    """Order models: alone, self, the distilled ones from best to worst, references."""
    kinds = ["alone", "self", "distilled", "reference"]
    rank = models["model"].map(lambda model: kinds.index(model_kind(model)))
    return (
        models.assign(rank=rank, height=-models["mean"])
        .sort_values(["rank", "height", "model"], kind="stable")
        .drop(columns=["rank", "height"])
    )


def class_style(code: int) -> tuple[str, str]:
    """Colour and marker of a class."""
    n = len(CLASS_COLOURS)
    return CLASS_COLOURS[code % n], CLASS_MARKERS[(code + code // n) % len(CLASS_MARKERS)]


def signed(value: float, digits: int = 2) -> str:
    """Format a number with a sign, a true minus among them; an en dash if it is missing."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    # "-0.00" has no sign that means anything.
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # only here: it starts the notebook's drawing machinery

    return plt.subplots(layout="constrained")[1]


def _arms(part: pd.DataFrame) -> NDArray[np.float64]:
    """(2, n) lengths of the intervals below and above the means; a missing one has no length."""
    low = part["gain"] - part["ci_low"]
    high = part["ci_high"] - part["gain"]
    return np.asarray(np.nan_to_num(np.array([low, high], dtype=float).clip(min=0)))


def _readable_on(colour: Sequence[float]) -> str:
    """Black or white, whichever has the higher contrast (relative luminance of WCAG 2) on a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.065 else INK


def _say(ax: "Axes", text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)


def _place_labels(
    ax: "Axes", x: NDArray[np.float64], y: NDArray[np.float64], arms: NDArray[np.float64], labels: Sequence[str]
) -> None:
    """Write each label on that side of its point where it covers least of points, intervals and earlier labels.

    `arms` is (4, n): the intervals' lengths to the left, right, down and up.
    """
    fig = ax.get_figure(root=True)
    if fig is None:  # an Axes that was removed from its figure
        return
    fig.draw_without_rendering()
    points = ax.transData.transform(np.column_stack([x, y]))
    boxes = [(px - 5, py - 5, px + 5, py + 5) for px, py in points]
    ends = ax.transData.transform(np.column_stack([x - arms[0], y - arms[2]]))
    tops = ax.transData.transform(np.column_stack([x + arms[1], y + arms[3]]))
    for (px, py), (left, low), (right, high) in zip(points, ends, tops, strict=True):
        boxes += [(left, py - 1.5, right, py + 1.5), (px - 1.5, low, px + 1.5, high)]
    frame = ax.get_window_extent()
    unit = fig.dpi / 72
    for (px, py), label in zip(points, labels, strict=True):
        if not label:
            continue
        width, height = (5.6 * len(label) + 2) * unit, 11 * unit
        near, far = 7 * unit, 14 * unit
        candidates = [
            (px + dx + (0 if dx > 0 else -width if dx < 0 else -width / 2), py + dy - height / 2)
            for dx, dy in [
                (near, near), (near, -near), (-near, near), (-near, -near),
                (near, 0), (-near, 0), (0, far), (0, -far),
                (near, far), (near, -far), (-near, far), (-near, -far),
            ]
        ]  # fmt: skip
        drawn = [(left, low, left + width, low + height) for left, low in candidates]
        best = min(drawn, key=lambda box: sum(_overlap(box, other) for other in boxes) + 4 * _outside(box, frame))
        boxes.append(best)
        where = ax.transData.inverted().transform((best[0], (best[1] + best[3]) / 2))
        text = ax.text(where[0], where[1], plain(label, 40), size=9, va="center", color="#444444", zorder=4)
        # It was placed for the axes as they are: they must not make room for it.
        text.set_in_layout(False)


Box = tuple[float, float, float, float]


def _overlap(a: Box, b: Box) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)


def _outside(box: Box, frame: Any) -> float:
    inside = _overlap(box, (frame.x0, frame.y0, frame.x1, frame.y1))
    return (box[2] - box[0]) * (box[3] - box[1]) - inside


def legend_marks(classes: Sequence[str]) -> list[Mapping[str, str]]:
    """Describe the marks of classes for a legend outside matplotlib: `name`, `colour`, `symbol`."""
    symbols = {"o": "●", "s": "■", "^": "▲", "D": "◆", "P": "✚", "X": "✖"}
    return [
        {"name": name, "colour": class_style(code)[0], "symbol": symbols[class_style(code)[1]]}
        for code, name in enumerate(classes)
    ]
