"""Regression: one output in the unit of the target; squared error of the standardised target; R2 is the primary metric.

This is the case that the joint Gaussian theory solves exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import (
    Association,
    Baseline,
    Floats,
    Gain,
    GroupTargets,
    LabelColumn,
    Metric,
    Outputs,
    SiteDependence,
    Values,
)
from cch_omics.tasks.checks import quantile_edges
from cch_omics.tasks.regression import reading
from cch_omics.tasks.regression.gain import r2_gain
from cch_omics.tasks.regression.metrics import r2, rmse, spearman
from cch_omics.tasks.regression.pool import GaussianPool, fit_pool

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

# Most strata of a number, and fewest samples of each.
STRATA = 5
MIN_PER_STRATUM = 10


@dataclass(frozen=True)
class Regression:
    """A target that is a number; values are (n,) float64, NaN where missing.

    Attributes
    ----------
    edges
        Increasing numbers that part the strata: splits are stratified by ranges of the target.
    """

    edges: tuple[float, ...] = ()

    name: ClassVar[str] = "regression"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "r2": Metric("R²", True, high=1),
        "rmse": Metric("RMSE", False, low=0),
        "spearman": Metric("Spearman correlation", True, low=-1, high=1),
    }
    primary: ClassVar[str] = "r2"
    # That of classification: no number has been chosen on cohorts with numbers yet.
    gain_sd: ClassVar[float] = 0.03
    label_estimator: ClassVar[str] = "ksg"
    columns: ClassVar[tuple[tuple[str, ...], ...]] = (("",),)
    shared_head: ClassVar[bool] = False

    @classmethod
    def of(cls, values: Values, fewest: int = MIN_PER_STRATUM) -> "Regression":
        """Part the observed ones of (n,) values into strata of equal size, none with less than `fewest`.

        Where many values are equal, as counts are, strata are joined.
        """
        return cls(quantile_edges(np.asarray(values)[np.isfinite(values)], most=STRATA, fewest=fewest))

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def chance(self) -> float:
        """The R2 of the mean of the training labels."""
        return 0.0

    @property
    def baselines(self) -> Mapping[str, Baseline]:
        from cch_omics.tasks.regression.baselines import BASELINES

        return BASELINES

    @property
    def parameters(self) -> dict[str, list[str]]:
        return {"edges": [repr(edge) for edge in self.edges]}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Sequence[str]]) -> "Regression":
        return cls(tuple(float(edge) for edge in parameters["edges"]))

    def observed(self, values: Values) -> NDArray[np.bool_]:
        return np.isfinite(values)

    @property
    def labels_are(self) -> str:
        return "a number"

    @property
    def strata_names(self) -> tuple[str, ...]:
        shown = [f"{edge:.3g}" for edge in self.edges]
        if not shown:
            return ("all",)
        between = [f"{low} to {high}" for low, high in pairwise(shown)]
        return (f"below {shown[0]}", *between, f"from {shown[-1]}")

    def strata(self, values: Values) -> NDArray[np.int64]:
        position = np.searchsorted(np.array(self.edges), np.nan_to_num(values), side="right")
        return np.where(np.isfinite(values), position, -1).astype(np.int64)

    def label_points(self, values: Values) -> Floats:
        return np.asarray(values, dtype=np.float64)

    # --- Learning -----------------------------------------------------------------------------------------------------

    def group_targets(self, values: Values, members: NDArray[np.bool_]) -> GroupTargets:
        """Standardised by the mean and the standard deviation of each group's own labelled samples."""
        known = np.nan_to_num(values)
        count = np.maximum(members.sum(1), 1)
        centre = (members * known).sum(1) / count
        scale = np.sqrt((members * (known - centre[:, None]) ** 2).sum(1) / count)
        scale = np.where(scale > 1e-9 * np.maximum(np.abs(centre), 1e-9), scale, 1.0)
        standardised = (known - centre[:, None]) / scale[:, None]
        return GroupTargets(
            values=standardised[:, None].astype(np.float32),
            centre=centre.astype(np.float32),
            scale=scale.astype(np.float32),
            start=np.zeros((len(members), 1), dtype=np.float32),
        )

    def label_loss(self, output: "Tensor", target: "Tensor", weight: "Tensor") -> "Tensor":
        """Squared error."""
        return ((output - target[:, None]).square() * weight[:, None, None]).sum((2, 3))

    def soften(self, output: "Tensor", temperature: float) -> "Tensor":
        """The teacher's numbers as they are: a temperature has no meaning for them."""
        return output

    def soft_loss(self, output: "Tensor", soft: "Tensor", weight: "Tensor", temperature: float) -> "Tensor":
        """Squared error."""
        return ((output - soft).square() * weight[:, :, None]).sum((2, 3))

    # --- Judging ------------------------------------------------------------------------------------------------------

    def loss(self, outputs: Outputs, values: Values) -> Floats:
        """Squared error."""
        return np.asarray((outputs[..., 0] - values) ** 2, dtype=np.float64)

    def decision(self, outputs: Outputs, values: Values, usable: NDArray[np.bool_]) -> Floats:
        """Nothing to learn: the output is the prediction."""
        return np.zeros(0)

    def evaluate(self, outputs: Outputs, values: Values, decisions: Floats, train: Values) -> dict[str, Floats]:
        """R2 is relative to the mean of the training labels, so that a model that knows nothing has 0."""
        predicted = np.asarray(outputs[..., 0], dtype=np.float64)
        centre = float(np.mean(train)) if len(train) else float("nan")
        return {
            "r2": r2(predicted, values, centre),
            "rmse": rmse(predicted, values),
            "spearman": spearman(predicted, values),
        }

    def gain(
        self,
        alone: Outputs,
        taught: Outputs,
        teacher: Outputs,
        values: Values,
        usable: NDArray[np.bool_],
        groups: NDArray[np.int64],
    ) -> Gain:
        """In R2: `r2_gain`."""
        one, other, third = (np.asarray(outputs[:, 0], dtype=np.float64) for outputs in (alone, taught, teacher))
        return r2_gain(one, other, third, np.where(usable, values, np.nan), groups)

    def fit_pool(self, outputs: Outputs, values: Values) -> GaussianPool:
        return fit_pool(np.asarray(outputs[:, 0], dtype=np.float64), np.asarray(values, dtype=np.float64))

    # --- The deployed student -----------------------------------------------------------------------------------------

    def predictions(self, outputs: Outputs, decision: Floats) -> "pd.DataFrame":
        """Column `prediction`, in the unit of the target."""
        import pandas as pd

        columns: dict[str, Any] = {"prediction": np.asarray(outputs[:, 0], dtype=np.float32)}
        return pd.DataFrame(columns)

    @property
    def transforms(self) -> tuple[str, ...]:
        return ("prediction = outputs[:, 0], in the unit of the target",)

    # --- Reading and auditing -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, *columns: LabelColumn) -> tuple["Regression", Floats, dict[str, int]]:
        """Finite numbers that differ, two or more for each fold."""
        (column,) = columns
        values = reading.read_numbers(column)
        return cls.of(values, max(MIN_PER_STRATUM, column.fewest)), values, {}

    def remarks(self, target: str) -> list[str]:
        """Nothing to remark on."""
        return []

    def summary(self, values: Values) -> dict[str, float]:
        """`n`, `mean`, `sd`, `min`, `max`."""
        return reading.summary(values)

    def single_feature(
        self, features: NDArray[np.float32], values: Values, groups: NDArray[np.str_]
    ) -> Association | None:
        """Absolute Spearman correlation."""
        return reading.single_feature(features, values, self.strata(values), groups)

    def site_dependence(self, values: Values, sites: NDArray[np.str_]) -> SiteDependence | None:
        """R2 of the means of sites."""
        return reading.site_dependence(values, sites)
