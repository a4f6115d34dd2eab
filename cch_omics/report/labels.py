"""Labels beside the points of a scatter plot, placed where they hide least."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.report.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]


def place_labels(
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


def _overlap(a: Box, b: Box) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)


def _outside(box: Box, frame: Any) -> float:
    inside = _overlap(box, (frame.x0, frame.y0, frame.x1, frame.y1))
    return (box[2] - box[0]) * (box[3] - box[1]) - inside
