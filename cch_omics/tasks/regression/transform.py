"""Transforms of a number: what models learn, f(y), is more nearly normal than y, and predictions are turned back.

- `none`: f(y) = y.
- `log`: f(y) = log y, of numbers above zero.
- `rank_normal`: f takes the training label of rank i among n to the normal quantile of (i - 1/2) / n (rankits: Beasley,
  Erickson, Allison 2009, Behavior Genetics 39:580), and is linear between labels. Beyond the smallest and the largest
  it goes on along the line from the median through that label.

The inverse of a prediction of f(y) is a median of y where errors of f(y) are symmetric, not a mean: nothing is added
for the curvature of f (Duan 1983, Journal of the American Statistical Association 78:605, has a correction).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.special import ndtri

from cch_omics.tasks import LOG, NO_TRANSFORM, RANK_NORMAL, TRANSFORMS
from cch_omics.tasks.base import Floats

# Labels behind each point of the line beside its ends, and most such points. More would not be seen of a large cohort,
# and would write all labels of a small one into its students.
LABELS_PER_POINT, MOST_POINTS = 5, 100
# Larger logarithms are of numbers that 32 bits do not hold.
LARGEST_LOG = float(np.log(np.finfo(np.float32).max)) - 1e-6


@dataclass(frozen=True)
class Transform:
    """A transform, fitted if it has something to be fitted.

    Attributes
    ----------
    name
        One of `tasks.TRANSFORMS`.
    labels, scores
        Of `rank_normal`: increasing training labels, some of them, and what they become.
    """

    name: str = NO_TRANSFORM
    labels: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        increasing = all(low < high for ends in (self.labels, self.scores) for low, high in pairwise(ends))
        finite = np.isfinite([*self.labels, *self.scores]).all()
        known = self.name in TRANSFORMS["regression"]
        if not (known and finite and increasing and len(self.labels) == len(self.scores)):
            raise ValueError(f"no transform: {self.name} from {self.labels} to {self.scores}")

    def fitted(self, labels: Floats) -> "Transform":
        """Fit to the training labels (n,), NaN where there is none."""
        if self.name != RANK_NORMAL:
            return self
        known = labels[np.isfinite(labels)]
        if not (n := len(known)):
            return replace(self, labels=(0.0,), scores=(0.0,))
        values, place = np.unique(np.sort(known), return_inverse=True)
        # Equal labels share the mean of their scores.
        scores = np.bincount(place, ndtri((np.arange(n) + 0.5) / n)) / np.bincount(place)
        points = min(n // LABELS_PER_POINT, MOST_POINTS) + 2
        kept = np.unique(np.linspace(0, len(values) - 1, points).round().astype(int))
        return replace(self, labels=tuple(values[kept].tolist()), scores=tuple(scores[kept].tolist()))

    def forward(self, values: Floats) -> Floats:
        """Numbers in the unit of the target, NaN where missing, as models learn them; any shape."""
        if self.name == LOG:
            return np.asarray(np.log(values))
        return self._piecewise(values, self.labels, self.scores) if self.name == RANK_NORMAL else values

    def inverse(self, values: Floats) -> Floats:
        """What models predict, in the unit of the target; any shape."""
        if self.name == LOG:
            return np.asarray(np.exp(np.minimum(values, LARGEST_LOG)))
        return self._piecewise(values, self.scores, self.labels) if self.name == RANK_NORMAL else values

    def _piecewise(self, values: Floats, source: tuple[float, ...], target: tuple[float, ...]) -> Floats:
        """From source to target along the lines between their points, and beyond them along those from the median."""
        if not source:
            raise ValueError("the transform has to be fitted to training labels first")
        x, y = np.array(source), np.array(target)
        if len(x) == 1:
            return np.asarray(values - x[0] + y[0])
        result = np.interp(values, x, y)
        x_0, y_0 = (np.interp(0.0, self.scores, ends) for ends in (x, y))
        for end, beyond in ((0, values < x[0]), (-1, values > x[-1])):
            slope = (y[end] - y_0) / (x[end] - x_0)
            result = np.where(beyond, y[end] + slope * (values - x[end]), result)
        return np.asarray(result)
