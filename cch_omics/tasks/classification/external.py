"""Probabilities of classes against what other patients have: calibration, and the benefit of acting on them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import logit

from cch_omics.tasks.base import Floats, Metric
from cch_omics.tasks.calibration import Measured, intercept_and_slope, means_of_bins
from cch_omics.tasks.picture import Picture, Series

# Probabilities nearer to 0 or 1 have no logit in the 32 bits that tables hold them in.
_NEAREST = 1e-7
THRESHOLDS: Floats = np.arange(1, 100) / 100
# Net benefits that are drawn: to act on everybody costs without bound as the threshold goes to 1.
_LEAST_DRAWN = -0.05


def _looked_at(classes: Sequence[str]) -> Sequence[str]:
    """Of two classes the first is the mirror of the second."""
    return classes[-1:] if len(classes) == 2 else classes


def _of_class(table: pd.DataFrame, name: str) -> tuple[Floats, Floats]:
    """(n,) probability of a class, and 1 for those who have it."""
    probability = table[f"probability_{name}"].to_numpy(dtype=np.float64)
    return probability, (table["observed"] == name).to_numpy().astype(np.float64)


def calibrations(classes: Sequence[str]) -> dict[str, Metric]:
    """Names of the numbers of `calibration`, and how they are shown."""
    return {
        f"{key}_{name}": Metric(f"{title}, {name}", True, digits=2)
        for name in _looked_at(classes)
        for key, title in (("calibration_in_the_large", "intercept"), ("calibration_slope", "slope"))
    }


def calibration(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Measured]:
    """Intercept and slope of each class against the rest, by logistic regression on the logit of its probability."""
    numbers: list[Measured] = []
    for name in _looked_at(classes):
        probability, has = _of_class(table, name)
        score = logit(np.clip(probability, _NEAREST, 1 - _NEAREST))
        numbers += intercept_and_slope(score, np.zeros_like(score), has, events=False)
    return dict(zip(calibrations(classes), numbers, strict=True))


def calibration_picture(table: pd.DataFrame, classes: Sequence[str]) -> Picture:
    """Share of a class against its predicted probability, in bins of equal size of the latter."""
    series = []
    for name in _looked_at(classes):
        probability, has = _of_class(table, name)
        series.append(Series("line", name, *means_of_bins(probability, probability, has)))
    return Picture(
        title="Calibration of probabilities",
        caption=f"Share of the patients who have a class against its predicted probability, in "
        f"{max(len(each.x) for each in series)} bins of equal size. Dotted: probabilities that are right.",
        x_title=f"predicted probability{f' of {series[0].name}' if len(series) == 1 else ''}",
        y_title="share of patients",
        series=series,
        said=(),
        identity=True,
    )


def decision_curves(tables: Mapping[str, pd.DataFrame], classes: Sequence[str]) -> dict[str, Picture]:
    """Net benefit, at each threshold t, of acting on those whose probability of a class is t or more.

    It is TP / n - FP / n * t / (1 - t), as the odds of the threshold say what a needless action costs, in units of what
    a rightful one is worth (Vickers & Elkin 2006, Medical Decision Making 26:565). Beside it stands that of acting on
    everybody, and on nobody.
    """
    drawn = {}
    for name in classes:
        of_model = {model: _of_class(table, name) for model, table in tables.items()}
        share = float(next(iter(of_model.values()))[1].mean())
        if not 0 < share < 1:
            continue
        everybody = np.ones(len(next(iter(of_model.values()))[0]))
        curves = {model: _net_benefit(*each) for model, each in of_model.items()}
        curves["everybody"] = _net_benefit(everybody, next(iter(of_model.values()))[1])
        curves["nobody"] = np.zeros(len(THRESHOLDS))
        series = [
            Series("line", model, THRESHOLDS[curve >= _LEAST_DRAWN], curve[curve >= _LEAST_DRAWN])
            for model, curve in curves.items()
        ]
        drawn[name] = Picture(
            title="Decision curves",
            caption="Net benefit of acting on the patients whose probability of a class reaches a threshold: those who "
            "have the class, less the others times the odds of the threshold, per patient. A model is of use where it "
            "lies above acting on everybody and on nobody.",
            x_title=f"threshold for {name}",
            y_title="net benefit",
            series=series,
            said=(),
        )
    return drawn


def _net_benefit(probability: Floats, has: Floats) -> Floats:
    """(n,) probabilities, and 1 for those who have it -> net benefit at each of `THRESHOLDS`."""
    acted = probability >= THRESHOLDS[:, None]
    odds = THRESHOLDS / (1 - THRESHOLDS)
    return np.asarray((acted @ has - odds * (acted @ (1 - has))) / len(has))
