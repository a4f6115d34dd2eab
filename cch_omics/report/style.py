"""The look of figures: colours, markers, style, and SVG text that is the same for the same content.

Colours are of Okabe & Ito (2008), told apart by colour-blind readers too, and a marker's shape always says the same as
its colour.
"""

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.errors import visible
from cch_omics.runtime.formats import table_text
from cch_omics.vocabulary import with_minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILLION, GREY, INK = "#0072b2", "#d55e00", "#6b6b6b", "#222222"
VERDICT_COLOURS = {keys.DISTIL: BLUE, keys.DO_NOT_DISTIL: VERMILLION, keys.UNDECIDED: GREY}
VERDICT_MARKERS = {keys.DISTIL: "^", keys.DO_NOT_DISTIL: "v", keys.UNDECIDED: "D"}
VERDICT_SYMBOLS = {keys.DISTIL: "▲", keys.DO_NOT_DISTIL: "▼", keys.UNDECIDED: "◆"}
# As many as can be told apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5c00")
DIVERGING = LinearSegmentedColormap.from_list("gap", ["#c65102", "#f3b98b", "#f8f8f6", "#9cc4de", "#0b66a3"])

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


def plain(name: str, width: int = 22) -> str:
    """Shorten a name, show what is not seen in it, and keep matplotlib from reading dollars as mathematics."""
    text = visible(name)
    text = text if len(text) <= width else text[: width - 1] + "…"
    return text.replace("$", r"\$")


def figure(width: float, height: float, *, columns: int = 1) -> tuple[Figure, "list[Axes]"]:
    """Make a figure (inches) of Axes side by side that no global state knows of, and so nobody has to close."""
    made = Figure(figsize=(width, height), layout="constrained")
    return made, list(made.subplots(1, columns, squeeze=False)[0])


# What a reader's pointer is told at places of Axes: x and y in data, the text, and a radius in points.
_HOVER: "WeakKeyDictionary[Axes, list[tuple[float, float, str, float]]]" = WeakKeyDictionary()


def hover(ax: "Axes", x: float, y: float, text: str, radius: float = 7.0) -> None:
    """Let a page say a text where the pointer is on a place of Axes; nothing where x or y is missing."""
    if np.isfinite(x) and np.isfinite(y):
        _HOVER.setdefault(ax, []).append((x, y, with_minus(text), radius))


def svg(drawn: Figure, *, name: str, alt: str, data: pd.DataFrame, wide: bool = False) -> Markup:
    """Turn a figure into an inline `<svg>`: without date, with ids that start with `name`, text as text.

    Parameters
    ----------
    name
        Unique on the page.
    alt
        What a reader who does not see the figure is told.
    data
        What is drawn, for a reader who wants to draw it otherwise.
    wide
        Whether it scrolls on a phone, instead of shrinking until nothing can be read.
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
    inches = drawn.get_size_inches()
    text = text.replace("</svg>", f"{_hovers(drawn, *(72 * inches))}</svg>")
    width, height = inches * 96
    short = data.apply(
        lambda column: column.map("{:.5g}".format).where(column.notna()) if column.dtype == float else column
    )
    csv = html.escape(visible(table_text(short, ","), keep="\n"))
    opening = (
        f'<svg class="figure{" wide" if wide else ""}" role="img" aria-label="{html.escape(alt)}" '
        f'viewBox="0 0 {width * 0.75:g} {height * 0.75:g}" width="{width:g}" height="{height:g}" '
        f'data-name="{html.escape(name)}" data-csv="{csv}">'
    )
    # matplotlib has escaped what it wrote.
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1).strip())


def _hovers(drawn: Figure, width: float, height: float) -> str:
    """Circles that are not seen, with their texts, for a figure of a size in points that has been drawn."""
    circles = []
    for ax in drawn.axes:
        to_fraction = ax.transData - drawn.transFigure
        for x, y, said, radius in _HOVER.get(ax, ()):
            across, up = to_fraction.transform((x, y))
            title = f"<title>{html.escape(visible(said))}</title>"
            circles.append(
                f'<circle cx="{across * width:.1f}" cy="{(1 - up) * height:.1f}" r="{radius:g}">{title}</circle>'
            )
    return f'<g fill="none" pointer-events="all">{"".join(circles)}</g>' if circles else ""


def axes(ax: "Axes | None") -> "Axes":
    """Return the Axes given, or new ones as in a notebook."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # only here: it starts the notebook's drawing machinery

    return plt.subplots(layout="constrained")[1]


def arms(part: pd.DataFrame, mean: str) -> NDArray[np.float64]:
    """(2, n) lengths of the intervals `ci_low` to `ci_high` below and above the means; a missing one has no length."""
    low = part[mean] - part["ci_low"]
    high = part["ci_high"] - part[mean]
    return np.asarray(np.nan_to_num(np.array([low, high], dtype=float).clip(min=0)))
