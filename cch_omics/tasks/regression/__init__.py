"""Regression: one output, the number or a transform of it; squared error; R2 is the primary metric.

Models learn f(y), standardised, and put out f(y); f is nothing, the logarithm or a transform to normal scores that is
fitted on training labels (`transform`). Metrics, gains and predictions are in the unit of the target, of students and
baselines alike. Untransformed, this is the case that the joint Gaussian theory solves exactly.

The interval around an output is o +- h, turned back; h is a quantile of the absolute residuals of models that had not
seen the sample, nor had their teachers (`Regression.decision`). `docs/regression.md` has the formulas.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

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
    Responses,
    SiteDependence,
    Values,
)
from cch_omics.tasks.calibration import mean_and_slope
from cch_omics.tasks.checks import quantile_edges
from cch_omics.tasks.regression import reading
from cch_omics.tasks.regression.gain import r2_gain
from cch_omics.tasks.regression.metrics import coverage, r2, rmse, spearman
from cch_omics.tasks.regression.pool import TransformedPool, fit_pool
from cch_omics.tasks.regression.transform import Transform

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cch_omics.tasks.picture import Picture

# Most strata of a number, and fewest samples of each.
STRATA = 5
MIN_PER_STRATUM = 10
NOTHING = Transform()
# Of prediction intervals, and their names.
LEVEL = 0.95
LOW, HIGH, COVERAGE = (f"{name}_{100 * LEVEL:.0f}" for name in ("prediction_low", "prediction_high", "coverage"))


@dataclass(frozen=True)
class Regression:
    """A target that is a number; values are (n,) float64, NaN where missing.

    Attributes
    ----------
    edges
        Increasing numbers that part the strata: splits are stratified by ranges of the target.
    transform
        What models learn of the target; before `trained_on` it is not fitted.
    """

    edges: tuple[float, ...] = ()
    transform: Transform = NOTHING

    name: ClassVar[str] = "regression"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "r2": Metric("R²", True, high=1),
        "rmse": Metric("RMSE", False, low=0),
        "spearman": Metric("Spearman correlation", True, low=-1, high=1),
        COVERAGE: Metric(f"coverage of {LEVEL:.0%} intervals", True, 100, 1, "points", low=0, high=1),
    }
    primary: ClassVar[str] = "r2"
    # That of classification: no number has been chosen on cohorts with numbers yet.
    gain_sd: ClassVar[float] = 0.03
    pilot_variance: ClassVar[tuple[float, float, float]] = (0.026, 0.14, 0.36)
    pilot_label_power: ClassVar[float] = 1.1
    label_estimator: ClassVar[str] = "ksg"
    columns: ClassVar[tuple[tuple[str, ...], ...]] = (("",),)
    shared_head: ClassVar[bool] = False
    score_is: ClassVar[str] = "the number, as the model learns it"

    @classmethod
    def of(cls, values: Values, fewest: int = MIN_PER_STRATUM, transform: str = "") -> "Regression":
        """Part the observed ones of (n,) values into strata of equal size, none with less than `fewest`.

        Where many values are equal, as counts are, strata are joined.
        """
        edges = quantile_edges(np.asarray(values)[np.isfinite(values)], most=STRATA, fewest=fewest)
        return cls(edges, Transform(transform) if transform else NOTHING)

    def trained_on(self, values: Values) -> "Regression":
        """Fit the transform to the labels (n,) of the training samples."""
        return replace(self, transform=self.transform.fitted(values))

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

        return {
            name: replace(each, path=partial(_transformed_path, each, self.transform))
            for name, each in BASELINES.items()
        }

    @property
    def parameters(self) -> dict[str, list[str]]:
        numbers = {"edges": self.edges, "labels": self.transform.labels, "scores": self.transform.scores}
        return {"transform": [self.transform.name]} | {name: list(map(repr, each)) for name, each in numbers.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Sequence[str]]) -> "Regression":
        (name,) = parameters["transform"]
        edges, labels, scores = (tuple(map(float, parameters[each])) for each in ("edges", "labels", "scores"))
        return cls(edges, Transform(name, labels, scores))

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
        return np.asarray(self.transform.forward(values), dtype=np.float64)

    # --- Learning -----------------------------------------------------------------------------------------------------

    def group_targets(self, values: Values, members: NDArray[np.bool_]) -> GroupTargets:
        """Transformed, and standardised by the mean and the standard deviation of each group's own labelled samples."""
        known = np.nan_to_num(self.transform.forward(values))
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

    def responses(self, values: Values, members: NDArray[np.bool_]) -> Responses:
        """The standardised number: least squares are the loss itself."""
        target = self.group_targets(values, members[None])
        numbers = target.values[0].T.astype(np.float64)
        scale, centre = target.scale.astype(np.float64), target.centre.astype(np.float64)
        return Responses(numbers, np.ones(len(values)), scale[:, None], centre)

    def soft_responses(self, outputs: Outputs, responses: Responses) -> tuple[Floats, Floats]:
        """The teacher's numbers, in the same units."""
        numbers = (np.asarray(outputs, dtype=np.float64) - responses.intercept) / responses.slope[0]
        return numbers, np.ones(len(outputs))

    def intercept(self, predicted: Floats, values: Values, responses: Responses) -> Floats:
        """That of the responses."""
        return responses.intercept

    # --- Judging ------------------------------------------------------------------------------------------------------

    def loss(self, outputs: Outputs, values: Values) -> Floats:
        """Squared error of the transformed target."""
        return np.asarray((outputs[..., 0] - self.transform.forward(values)) ** 2, dtype=np.float64)

    def expected(self, outputs: Outputs, values: Values) -> tuple[Floats, Floats, Floats]:
        """The transformed number is what outputs are."""
        mean = np.asarray(outputs, dtype=np.float64)
        return mean, np.asarray(self.transform.forward(values), dtype=np.float64)[:, None], np.ones_like(mean)

    def decision(self, outputs: Outputs, values: Values, usable: NDArray[np.bool_]) -> Floats:
        """Half the width of the interval, in the unit of the outputs; NaN with fewer residuals than the level needs.

        A new residual and those of n samples are equally likely to be in any order where all are exchangeable: with
        probability `LEVEL` or more it is at most the ceil((n + 1) LEVEL)-th smallest (Vovk et al. 2005, Algorithmic
        Learning in a Random World, proposition 2.3).
        """
        known = usable & self.observed(values) & np.isfinite(outputs).all(-1)
        residuals = np.sort(np.abs(outputs[known, 0] - self.transform.forward(values[known])))
        place = math.ceil((len(residuals) + 1) * LEVEL)
        return np.array([residuals[place - 1] if place <= len(residuals) else np.nan], dtype=np.float64)

    def evaluate(self, outputs: Outputs, values: Values, decisions: Floats, train: Values) -> dict[str, Floats]:
        """R2 is relative to the mean of the training labels, so that a model that knows nothing has 0."""
        predicted, low, high = self._turned_back(outputs, decisions)
        centre = float(np.mean(train)) if len(train) else float("nan")
        return {
            "r2": r2(predicted, values, centre),
            "rmse": rmse(predicted, values),
            "spearman": spearman(predicted, values),
            COVERAGE: coverage(low, high, values),
        }

    def gain(
        self,
        alone: Outputs,
        taught: Outputs,
        teacher: Outputs,
        values: Values,
        usable: NDArray[np.bool_],
        groups: NDArray[np.int64],
        fold: NDArray[np.int64],
    ) -> Gain:
        """In R2 of the target, not of its transform: `r2_gain`."""
        one, other, third = (
            self.transform.inverse(np.asarray(outputs[:, 0], dtype=np.float64)) for outputs in (alone, taught, teacher)
        )
        return r2_gain(one, other, third, np.where(usable, values, np.nan), groups)

    def imbalance(self, shares: Sequence[float]) -> float:
        """A number has one kind of labels."""
        return 1.0

    def fit_pool(self, outputs: Outputs, values: Values) -> TransformedPool:
        known = self.transform.forward(np.asarray(values, dtype=np.float64))
        return TransformedPool(fit_pool(np.asarray(outputs[:, 0], dtype=np.float64), known), self.transform)

    # --- Test samples, for a reader -----------------------------------------------------------------------------------

    def on_test(
        self,
        outputs: Outputs,
        values: Values,
        decision: Floats,
        train: NDArray[np.bool_],
        test: NDArray[np.bool_],
    ) -> "pd.DataFrame":
        """Columns of `predictions`, and `observed`."""
        return self.predictions(outputs[test], decision).assign(observed=values[test])

    def picture(self, table: "pd.DataFrame") -> "Picture | None":
        """Predicted against observed."""
        from cch_omics.tasks.regression.picture import picture

        return picture(table)

    # --- Other patients -----------------------------------------------------------------------------------------------

    def reread(self, *columns: LabelColumn) -> tuple[Floats, dict[str, int], list[str]]:
        """Finite numbers that differ; it is said where all lie beyond those of the training."""
        (column,) = columns
        values = reading.read_numbers(column)
        strata = self.strata(values[self.observed(values)])
        if not self.edges or len(strata) < MIN_PER_STRATUM or np.ptp(strata):
            return values, {}, []
        where = f"All numbers of {column.where} lie in one range of those of the training"
        return values, {}, [f"{where}, {self.strata_names[strata[0]]}: are they in another unit?"]

    calibrations: ClassVar[Mapping[str, Metric]] = {
        "calibration_in_the_large": Metric("observed minus predicted, mean", True),
        "calibration_slope": Metric("calibration slope", True, digits=2),
    }

    def calibration(self, table: "pd.DataFrame") -> dict[str, tuple[float, Floats]]:
        """Mean of observed minus predicted, and slope of the least-squares line of observed on predicted."""
        predicted, observed = (table[name].to_numpy(dtype=np.float64) for name in ("prediction", "observed"))
        return dict(zip(self.calibrations, mean_and_slope(predicted, observed), strict=True))

    def calibration_picture(self, table: "pd.DataFrame") -> "Picture":
        """Predicted against observed."""
        from cch_omics.tasks.regression.picture import picture

        drawn = picture(table, "Samples of other patients.")
        assert drawn is not None  # there are samples
        return drawn

    def decision_curves(self, tables: "Mapping[str, pd.DataFrame]") -> "dict[str, Picture]":
        """None: a number is no probability."""
        return {}

    # --- The deployed student -----------------------------------------------------------------------------------------

    def predictions(self, outputs: Outputs, decision: Floats) -> "pd.DataFrame":
        """Columns `prediction`, and the ends of its interval, in the unit of the target.

        With the outputs and the decision of an outer split, this is what is to be drawn against the observed numbers of
        its test samples, or of its training samples, whose outputs are out of fold as well.
        """
        import pandas as pd

        columns = zip(("prediction", LOW, HIGH), self._turned_back(outputs, decision), strict=True)
        with np.errstate(over="ignore"):
            return pd.DataFrame({name: values.astype(np.float32) for name, values in columns})

    @property
    def transforms(self) -> tuple[str, ...]:
        learnt = {
            "none": "",
            "log": "outputs[:, 0] is the natural logarithm of the number",
            "rank_normal": "outputs[:, 0] is a normal score: the training labels `labels` have the `scores`, straight "
            "lines lie between them, and beyond them those from the median through the outermost",
        }[self.transform.name]
        back = ", turned back into the unit of the target: a median rather than a mean" if learnt else ""
        return (
            *([learnt] if learnt else []),
            f"prediction = outputs[:, 0]{back}",
            f"{LOW}, {HIGH} = outputs[:, 0] - h and + h{', turned back' if learnt else ''}; h = `decision`, a quantile "
            "of the absolute residuals of the training samples under models that had not seen them (nothing with too "
            f"few of them). The coverage is marginal: the interval is to hold the number of {LEVEL:.0%} of all new "
            "samples like the training ones, taken together, and may hold that of fewer in some group of them",
        )

    @property
    def scores(self) -> Mapping[str, Floats]:
        return {"": np.ones(1)}

    def _turned_back(self, outputs: Outputs, decision: Floats) -> tuple[Floats, Floats, Floats]:
        """(..., n, 1) outputs and (..., 1) decisions -> (..., n) predictions and ends of intervals, as the target."""
        output, half = np.asarray(outputs[..., 0], dtype=np.float64), np.asarray(decision, dtype=np.float64)
        if half.shape[-1:] != (1,):
            raise ValueError("a regression has one number to make intervals of")
        prediction, low, high = (self.transform.inverse(each) for each in (output, output - half, output + half))
        return prediction, low, high

    # --- Reading and auditing -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, *columns: LabelColumn) -> tuple["Regression", Floats, dict[str, int]]:
        """Finite numbers that differ, two or more for each fold."""
        (column,) = columns
        values = reading.read_numbers(column)
        return cls.of(values, max(MIN_PER_STRATUM, column.fewest), column.transform), values, {}

    def remarks(self, target: str, values: Values) -> list[str]:
        """Few different numbers, skew, and numbers far from the others."""
        return reading.remarks(target, values, self.transform.name)

    def at_sites(self, target: str, values: Values, sites: NDArray[np.str_]) -> list[str]:
        """Nothing to remark on: `site_dependence` says it."""
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


def _transformed_path(
    baseline: Baseline,
    transform: Transform,
    values: NDArray[np.float32],
    target: Values,
    predicted: NDArray[np.float32],
    seed: int,
) -> Iterable[Floats]:
    """The path of a baseline that learns what the networks learn."""
    return baseline.path(values, transform.forward(target), predicted, seed)
