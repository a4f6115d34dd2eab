"""Survival of risk groups: what happened to test patients whom a model called at high, medium and low risk."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.tasks.base import Floats
from cch_omics.tasks.calibration import means_of_bins
from cch_omics.tasks.picture import Picture, Series
from cch_omics.tasks.survival.hazards import expected, risk

# Most risk groups; events for each, with fewer of which there are two groups.
GROUPS = 3
MIN_PER_GROUP = 10
NAMES = {2: ("low risk", "high risk"), 3: ("low risk", "medium risk", "high risk")}
# Fewest patients at risk in each group at the time at which survival is told.
_AT_RISK = 5


def on_test(
    logits: Floats, values: Floats, edges: Floats, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> pd.DataFrame:
    """Follow-ups of test samples until the horizon, and what was predicted (`Task.on_test`).

    Columns `time`, `event`, both truncated at the horizon; `prediction`, the risk score; `risk_quantile`, the part of
    the training samples with a lower one; `expected`, the cumulative hazard until `time`: the events to be expected.
    """
    risks, (time, event) = risk(logits[test]), values[test].T
    lived = np.minimum(time, edges[-1])
    lower = np.searchsorted(np.sort(risk(logits[train])), risks, side="left")
    return pd.DataFrame(
        {
            "time": lived,
            "event": ((event == 1) & (time <= edges[-1])).astype(int),
            "prediction": risks,
            "risk_quantile": lower / max(train.sum(), 1),
            "expected": expected(logits[test], edges, lived),
        }
    )


def picture(table: pd.DataFrame, unit: str, times: tuple[float, ...]) -> Picture | None:
    """Kaplan-Meier curves of the risk groups, numbers at risk, and events beside those expected.

    Parameters
    ----------
    table
        `on_test` of all splits of one model.
    times
        At one of which survival is told.
    """
    if table.empty:
        return None
    n_groups = GROUPS if table["event"].sum() >= GROUPS * MIN_PER_GROUP else 2
    place = np.minimum((table["risk_quantile"] * n_groups).astype(int), n_groups - 1)
    groups = {name: table[place == group] for group, name in enumerate(NAMES[n_groups]) if (place == group).any()}
    ticks = _ticks(float(table["time"].max()))
    curves = {name: _kaplan_meier(part) for name, part in groups.items()}
    return Picture(
        title="Survival of risk groups",
        caption=f"Kaplan-Meier curves of test patients in {n_groups} groups of risk, which are cut at quantiles of the "
        "risk of the training patients of each split, and the number of patients at risk below. Each patient is there "
        "once, in the first repeat of the folds.",
        x_title=f"time, {unit}",
        y_title="without the event",
        series=[
            Series("steps", name, *curves[name], tuple(int((part["time"] >= tick).sum()) for tick in ticks))
            for name, part in groups.items()
        ],
        said=_said(groups, curves, unit, times),
        ticks=ticks,
        counts_title="at risk",
    )


def calibration_picture(table: pd.DataFrame, horizon: float, unit: str) -> Picture:
    """Events that happened against those expected, per patient, in bins of equal size of the risk.

    Parameters
    ----------
    table
        `on_test` of one model.
    """
    risk_, expected_, event = (table[name].to_numpy(dtype=np.float64) for name in ("prediction", "expected", "event"))
    means = means_of_bins(risk_, expected_, event)
    return Picture(
        title="Events that happened against those expected",
        caption=f"Means per patient, in {len(means[0])} bins of equal size of the risk. What is expected is the "
        f"cumulative hazard until the end of a patient's own follow-up, at {horizon:.4g} {unit} at the latest. Dotted: "
        "as many as expected.",
        x_title="events expected per patient",
        y_title="events observed per patient",
        series=[Series("line", "bins of risk", *means)],
        said=(f"{event.sum():.0f} events happened, and {expected_.sum():.1f} were expected.",),
        identity=True,
    )


def _kaplan_meier(part: pd.DataFrame) -> tuple[Floats, Floats]:
    """Times from 0 and the probability to live beyond each without the event."""
    from sksurv.nonparametric import kaplan_meier_estimator

    time, left = kaplan_meier_estimator(part["event"].to_numpy() == 1, part["time"].to_numpy())
    return np.append(0.0, time), np.append(1.0, left)


def _said(
    groups: dict[str, pd.DataFrame], curves: dict[str, tuple[Floats, Floats]], unit: str, times: tuple[float, ...]
) -> tuple[str, ...]:
    followed = [t for t in times if all((part["time"] >= t).sum() >= _AT_RISK for part in groups.values())]
    said = []
    if followed:
        at = followed[-1]
        lives = {name: left[np.searchsorted(time, at, side="right") - 1] for name, (time, left) in curves.items()}
        shares = [f"{100 * share:.0f}% at {name}" for name, share in lives.items()]
        said.append(f"Beyond {at:g} {unit} live without the event: {', '.join(shares)}.")
    counts = [f"{part['event'].sum()} ({part['expected'].sum():.1f}) at {name}" for name, part in groups.items()]
    return (*said, f"Events (in brackets: those that the model expects): {', '.join(counts)}.")


def _ticks(last: float) -> tuple[float, ...]:
    """Round numbers from 0 to a time, at most seven."""
    power = 10.0 ** math.floor(math.log10(last / 6))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= last / 6)
    return tuple(float(tick) for tick in np.arange(0.0, last * (1 + 1e-9), step))
