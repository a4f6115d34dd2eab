"""What a task shows of predictions beside what was observed: plain data, which the report draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cch_omics.tasks.base import Floats


@dataclass(frozen=True)
class Series:
    """One thing that is drawn.

    Attributes
    ----------
    kind
        How: steps that hold their value until the next one, points, or points that are joined.
    name
        In the legend.
    x, y
        (m,) where.
    counts
        What stands below the axis at each of the ticks of the picture; none = nothing.
    """

    kind: Literal["steps", "points", "line"]
    name: str
    x: Floats
    y: Floats
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Predictions of one model for test samples, and what was observed of these.

    Attributes
    ----------
    title, caption
        What is drawn, the same for all models of a target.
    x_title, y_title
        Of the axes.
    series
        What is drawn, in the order of the legend.
    said
        Sentences with the numbers that a reader would read off.
    ticks
        Of the horizontal axis; none = as it comes.
    counts_title
        What the counts below the axis are.
    identity
        Whether both axes have one unit, so that predictions that are right lie on a diagonal.
    """

    title: str
    caption: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    said: tuple[str, ...]
    ticks: tuple[float, ...] = ()
    counts_title: str = ""
    identity: bool = False
