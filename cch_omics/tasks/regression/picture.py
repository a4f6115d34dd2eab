"""Predicted against observed numbers."""

import numpy as np
import pandas as pd

from cch_omics.tasks.calibration import means_of_bins
from cch_omics.tasks.picture import Picture, Series

# Most bins of predictions, and fewest samples of each.
BINS = 5
MIN_PER_BIN = 5


def picture(
    table: pd.DataFrame, whom: str = "Test samples, each once, in the first repeat of the folds."
) -> Picture | None:
    """Points on which those that are right lie on a diagonal, the means of bins, and the line of calibration.

    Parameters
    ----------
    table
        Columns `prediction` and `observed`.
    whom
        Whose these are.
    """
    known = table.sort_values("prediction", kind="stable")
    predicted, observed = (known[name].to_numpy(dtype=np.float64) for name in ("prediction", "observed"))
    if not len(known):
        return None
    means = means_of_bins(predicted, predicted, observed, BINS, MIN_PER_BIN)
    said: tuple[str, ...] = ("All predictions are the same number.",)
    if np.ptp(predicted) > 0:
        slope, intercept = np.polyfit(predicted, observed, 1)
        said = (
            f"Calibration: observed = {intercept:.3g} + {slope:.3g} × predicted by least squares (0 and 1 are ideal); "
            "a slope below 1 says that predictions differ more than they should.",
        )
    return Picture(
        title="Predicted against observed",
        caption=f"{whom} Line: means of {len(means[0])} bins of equal "
        "size of the predictions. Dotted: predictions that are right.",
        x_title="predicted",
        y_title="observed",
        series=[Series("points", "samples", predicted, observed), Series("line", "means", *means)],
        said=said,
        identity=True,
    )
