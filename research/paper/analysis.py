"""From the rows of experiments to what the page says: means over draws, orders, and where a gain changes its sign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.isotonic import isotonic_regression

from cch_omics.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
BOOTSTRAPS = 1000
NORMAL_95 = 1.959963984540054
GAP = "gap_ksg"
AS_GAP = "gains have the order and the sign of the gap"


@dataclass(frozen=True)
class Claim:
    """A row of the table at the top of the page."""

    claim: str
    here: str
    agrees: str
    why: str


def with_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `experiment` with `gain`, over the student alone, `over_self` and `over_shuffled`, and `gain_loss`."""
    return rows.assign(
        gain=rows["taught"] - rows["alone"],
        over_self=rows["taught"] - rows["self"],
        over_shuffled=rows["taught"] - rows["shuffled"],
        gain_loss=rows["loss_alone"] - rows["loss_taught"],
        teacher_ahead=rows["teacher_score"] - rows["alone"],
    )


def over_draws(rows: pd.DataFrame, by: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Mean of each column over draws, and its standard error, `COLUMN_se`, in the order in which points first come."""
    grouped = rows.groupby(list(by), sort=False)[list(columns)]
    return grouped.mean().join(grouped.sem(), rsuffix="_se").reset_index()


def by_draw(rows: pd.DataFrame, column: str) -> Floats:
    """(D, P) values of the draws at the points of a sweep, which are the different (teacher, student)."""
    table = rows.pivot_table(index="draw", columns=["teacher", "student"], values=column, sort=False)
    return np.asarray(table.to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Agreement:
    """How a gap and the gain go together over the points of a sweep, with errors over draws.

    Attributes
    ----------
    spearman, low, high
        Of the mean gap and the mean gain, and its 95% interval.
    crossing, error
        The gap where the gain changes its sign, and its standard error; NaN where it does not, or where that is so in
        most of the resampled sweeps.
    """

    spearman: float
    low: float
    high: float
    crossing: float
    error: float

    @property
    def ordered(self) -> bool:
        return self.spearman > 0.8

    @property
    def crosses_at_zero(self) -> bool:
        """Whether the gain changes its sign within one standard error of the gap's zero."""
        return abs(self.crossing) <= self.error

    def __str__(self) -> str:
        if np.isnan(self.spearman):
            return "no order"
        sign = "no crossing" if np.isnan(self.crossing) else f"0 at {self.crossing:+.2f} ± {self.error:.2f}"
        return f"{self.spearman:+.2f} ({self.low:+.1f} to {self.high:+.1f}), {sign}"


def sweeps_claim(claim: str, sweeps: Mapping[str, pd.DataFrame], why: str, gap: str = GAP) -> Claim:
    """Whether gains have the order of the gap (Spearman above 0.8), and its sign, in each of some sweeps."""
    found = {name: agreement(rows, gap) for name, rows in sweeps.items()}
    here = "; ".join(f"{name} {each}" for name, each in found.items())
    return Claim(
        claim,
        here,
        f"order {_count([each.ordered for each in found.values()])}, sign "
        f"{_count([each.crosses_at_zero for each in found.values()])}",
        why,
    )


def _count(agree: Sequence[bool]) -> str:
    if len(agree) == 1:
        return yes(agree[0])
    return f"{sum(agree)} of {len(agree)}"


def agreement(rows: pd.DataFrame, gap: str = GAP, gain: str = "gain") -> Agreement:
    """Compare a gap with the gain over a sweep, with draws resampled for the errors."""
    gaps, gains = by_draw(rows, gap), by_draw(rows, gain)
    random = np.random.default_rng(0)
    draws = random.integers(0, len(gaps), (BOOTSTRAPS, len(gaps)))
    again = [(gaps[each].mean(0), gains[each].mean(0)) for each in draws]
    ordered = [order for each in again if np.isfinite(order := spearman(*each))]
    low, high = np.quantile(ordered, [0.025, 0.975]) if ordered else (np.nan, np.nan)
    crossed = np.array([crossing(*each) for each in again])
    known = np.isfinite(crossed)
    at = crossing(gaps.mean(0), gains.mean(0))
    error = float(crossed[known].std()) if known.mean() > 0.5 else np.nan
    return Agreement(
        spearman(gaps.mean(0), gains.mean(0)), float(low), float(high), at if error >= 0 else np.nan, error
    )


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation of two vectors; NaN where one is constant."""
    ranks = rankdata(first), rankdata(second)
    if min(each.std() for each in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def crossing(gaps: Floats, gains: Floats) -> float:
    """The gap where gains change from negative to positive: of the increasing function of the gap that fits them best.

    NaN where that has one sign.
    """
    order = np.argsort(gaps)
    gaps, fitted = gaps[order], isotonic_regression(gains[order])
    if not fitted[0] < 0 < fitted[-1]:
        return float("nan")
    after = int(np.argmax(fitted > 0))
    share = -fitted[after - 1] / (fitted[after] - fitted[after - 1])
    return float(gaps[after - 1] + share * (gaps[after] - gaps[after - 1]))


def draw_points(
    ax: "Axes", rows: pd.DataFrame, *, label: str, number: int, gap: str = GAP, gain: str = "gain", line: bool = True
) -> None:
    """Mean gap against mean gain of each point of a sweep, with two standard errors over draws."""
    points = over_draws(rows, ["teacher", "student"], [gap, gain])
    ax.errorbar(
        points[gap],
        points[gain],
        xerr=2 * points[f"{gap}_se"],
        yerr=2 * points[f"{gain}_se"],
        color=style.COLOURS[number],
        marker="osD^vXP"[number],
        markersize=5,
        linewidth=0.8,
        linestyle="-" if line else "none",
        label=label,
    )


def finish(ax: "Axes", title: str, gain: str, *, gap: str = "gap I(T;S) - I(S;Y), nats") -> None:
    """Mark the zeros, where the rule and the truth change their signs."""
    ax.axvline(0, color=style.INK, linestyle="--", linewidth=0.8)
    ax.axhline(0, color=style.INK, linewidth=0.8)
    ax.set(title=title, xlabel=gap, ylabel=gain)
    ax.locator_params(axis="x", nbins=6)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8)


def mark(ax: "Axes", found: Agreement, number: int) -> None:
    """Mark where the gain changes its sign, with one standard error."""
    if np.isfinite(found.crossing):
        ax.errorbar(
            [found.crossing],
            [0],
            xerr=[found.error],
            color=style.COLOURS[number],
            marker="|",
            markersize=16,
            capsize=4,
            linewidth=2.5,
            zorder=3,
        )


def bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """The 95% interval of the mean over draws."""
    numbers = values.to_numpy(dtype=np.float64)
    mean, arm = float(numbers.mean()), float(NORMAL_95 * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return mean - arm, mean + arm


def interval(values: "pd.Series[float]", digits: int = 3) -> str:
    """Mean over draws with half its 95% interval, in words."""
    low, high = bounds(values)
    return f"{(low + high) / 2:+.{digits}f} ± {(high - low) / 2:.{digits}f}"


def along(rows: pd.DataFrame, column: str, digits: int = 3) -> str:
    """Means over draws at the points of a sweep, in its order, and the largest half of a 95% interval."""
    points = over_draws(rows, ["teacher", "student"], [column])
    arm = NORMAL_95 * points[f"{column}_se"].max()
    return f"{', '.join(f'{mean:+.{digits}f}' for mean in points[column])} (± {arm:.{digits}f})"


def yes(agrees: bool) -> str:
    return "yes" if agrees else "no"


def markdown(rows: Sequence[dict[str, object]]) -> str:
    return str(pd.DataFrame(rows).fillna("").to_markdown(index=False, disable_numparse=True))
