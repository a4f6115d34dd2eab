"""The protocol of a task: all that depends on what kind of target is predicted.

Nothing outside `cch_omics.tasks` asks which task it has. Axes: n samples, V models, G groups of networks that share
their inputs, M networks of a group, C outputs of a network, E experts.

Outputs of models are arrays (..., n, C) outside the engine. Inside it, samples are the last axis, (..., C, n): sums
over samples are then contiguous.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cch_omics.tasks.picture import Picture

Floats = NDArray[np.float64]
Outputs = NDArray[np.floating]
Values = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A metric and how people read it.

    Attributes
    ----------
    title
        In sentences: "balanced accuracy".
    higher_is_better
        Whether a larger value is a better model.
    scale, digits
        Factor and digits with which a value is shown: 100 and 1 for points of a share.
    unit
        Of a difference of shown values: "points", "nats", "".
    low, high
        Bounds of its values, infinite where it has none.
    biased
        Whether it is larger in smaller samples: then it compares models on the same samples, and on one set of them it
        has no interval that means anything.
    """

    title: str
    higher_is_better: bool
    scale: float = 1.0
    digits: int = 3
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    biased: bool = False


@dataclass(frozen=True)
class GroupTargets:
    """Targets of n samples for G groups of networks, in the units of each group's networks.

    Attributes
    ----------
    values
        (G, T, n) float32 with T numbers a sample; anything where a sample has no label.
    centre, scale
        (G,) outputs of the task are centre + scale * outputs of the network.
    start
        (G, C) outputs that networks start from, in their own units.
    """

    values: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    start: NDArray[np.float32]


@dataclass(frozen=True)
class Responses:
    """What a linear student is fitted to by least squares, and how its predictions become outputs.

    They are those of one step of Newton's method that starts from what is known without the omics, the intercept.
    Outputs are responses @ slope, and an intercept that may be fitted again (`Task.intercept`).

    Attributes
    ----------
    values, weight
        (n, R) and (n,) of the labels: the response of each sample, and how much its label says of it. Anything where a
        sample has no label.
    slope, intercept
        (R, C) and (C,).
    """

    values: Floats
    weight: Floats
    slope: Floats
    intercept: Floats


@dataclass(frozen=True)
class Gain:
    """What one model gained over another on samples that neither had seen.

    Attributes
    ----------
    value, se
        The gain in the primary metric and its standard error.
    influence
        (n,) of each sample: how the gain answers to a little more weight of it (the influence function of a held-out
        measure: LeDell, Petersen, van der Laan 2015, Electronic Journal of Statistics 9:1583).
    """

    value: float
    se: float
    influence: Floats


@dataclass(frozen=True)
class LabelColumn:
    """A column of a clinical table that holds the labels of n samples, or a part of them.

    Attributes
    ----------
    where
        The file and the column, for messages.
    samples
        (n,) ids, for messages.
    texts
        (n,) labels as text, "" where missing.
    classes
        Values that the sheet's column `classes` names; none = all.
    fewest
        Labels that the folds need.
    missing
        Samples by text that stands for a missing label.
    name
        Of the column.
    transform
        What the sheet's column `transform` names; "" = nothing.
    """

    where: str
    samples: Sequence[str]
    texts: Sequence[str]
    classes: Sequence[str] = ()
    fewest: int = 1
    missing: Mapping[str, int] = field(default_factory=dict)
    name: str = ""
    transform: str = ""


@dataclass(frozen=True)
class Association:
    """How well the best single feature predicts a target on patients that did not choose it.

    Attributes
    ----------
    feature
        Position.
    stratum
        The stratum that it tells from the rest, "" where it predicts the target as a whole.
    measure, value
        What `value` is, and how much of it.
    suspicious
        Whether so much of it is more likely a leak than biology.
    """

    feature: int
    stratum: str
    measure: str
    value: float
    suspicious: bool


@dataclass(frozen=True)
class SiteDependence:
    """How well the tissue source site alone predicts a target.

    Attributes
    ----------
    measure, value
        What `value` is, and how much of it.
    chance
        The same with labels permuted over patients.
    p_value
        (1 + permutations that do as well) / (1 + permutations).
    """

    measure: str
    value: float
    chance: float
    p_value: float


class Pool(Protocol):
    """Several experts' outputs on the same samples, combined into one predictive distribution of the target."""

    def log_likelihood(self, outputs: Outputs, values: Values) -> Floats:
        """(n, C, E) outputs and (n, ...) values -> (n,) log p(value), in nats."""


@dataclass(frozen=True)
class Baseline:
    """A model without a teacher that is fitted along a path of complexity, on which inner folds choose.

    Attributes
    ----------
    title
        In sentences: "penalised logistic regression".
    path
        (n, p) training values, NaN where missing; (n, ...) their targets; (m, p) values to predict; seed -> (m, C)
        outputs of each step, fitted when it is asked for.
    steps
        Length of the path.
    library
        Module that a path imports when it is used, because it takes long: whoever reads results does not need it.
    """

    title: str
    path: Callable[[NDArray[np.float32], Values, NDArray[np.float32], int], Iterable[Floats]]
    steps: int
    library: str


class Task(Protocol):
    """A kind of target."""

    name: ClassVar[str]
    # The metric that gains and verdicts are in.
    primary: ClassVar[str]
    # Standard deviation of what distilling truly gains in the primary metric, over pairs: the prior of a pilot's gain.
    gain_sd: ClassVar[float]
    # Variance of a pilot's gain as it is to be expected before anyone trains, for one patient (`verdict.power`): what a
    # tenth, half and nine tenths of the pairs of real cohorts had at most; and with which power of patients over labels
    # it grows (research/benchmarks/power.md).
    pilot_variance: ClassVar[tuple[float, float, float]]
    pilot_label_power: ClassVar[float]
    # Estimator of I(S;Y) where the configuration says `auto`, a name in the registry of estimators.
    label_estimator: ClassVar[str]
    # What follows the target's name in the names of its columns, in each way in which tables name them. Values of one
    # column are (n,), those of k columns (n, k).
    columns: ClassVar[tuple[tuple[str, ...], ...]]
    # Whether the outputs of a network share their weights, and differ by their biases alone.
    shared_head: ClassVar[bool]
    # What `scores` are, in sentences.
    score_is: ClassVar[str]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What models are judged by."""

    @property
    def n_outputs(self) -> int:
        """C."""

    @property
    def chance(self) -> float:
        """The primary metric of a model that knows nothing of the sample."""

    @property
    def baselines(self) -> Mapping[str, Baseline]:
        """Models without a teacher, `linear` and `boosting` in every task."""

    # --- The target ---------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, list[str]]:
        """What the task is made of, as JSON has it."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Sequence[str]]) -> "Task":
        """Make the task again."""

    def trained_on(self, values: Values) -> "Task":
        """Return the task as it is used in one outer split: what of it is fitted to labels is fitted to these.

        Splits and their strata are those of the task itself. Numbers of outputs, of decisions and of metrics do not
        depend on the labels, so that outputs of all splits stack; neither do `label_loss`, `soften` and `soft_loss`, so
        that networks of several splits are trained side by side. Outputs of two splits may mean different things: they
        are compared, pooled and judged within a split.

        Parameters
        ----------
        values
            (n, ...) labels of the training samples, missing where there is none or where it may not be used.
        """

    def observed(self, values: Values) -> NDArray[np.bool_]:
        """(n, ...) -> (n,) whether a sample has a label."""

    @property
    def labels_are(self) -> str:
        """What a label is, in sentences: the names of the classes, or "a number"."""

    @property
    def strata_names(self) -> tuple[str, ...]:
        """Names of the strata: the classes, or ranges of a number."""

    def strata(self, values: Values) -> NDArray[np.int64]:
        """(n,) position in `strata_names`, -1 without a label."""

    def label_points(self, values: Values) -> NDArray[Any]:
        """(n,) labels as estimators of I(S;Y) take them: int64 classes, -1 where missing; or numbers, NaN.

        Strata where the label estimator takes likelihoods instead.
        """

    # --- Learning, in the engine --------------------------------------------------------------------------------------

    def group_targets(self, values: Values, members: NDArray[np.bool_]) -> GroupTargets:
        """Encode targets for networks.

        Parameters
        ----------
        values
            (n, ...).
        members
            (G, n) labelled training samples of each group: units come from no others.
        """

    def label_loss(self, output: "Tensor", target: "Tensor", weight: "Tensor") -> "Tensor":
        """(G, M, C, n) outputs, (G, T, n) targets, (G, n) weights that sum to one over samples -> (G, M)."""

    def soften(self, output: "Tensor", temperature: float) -> "Tensor":
        """(..., C, n) outputs of a teacher in the student's units -> (..., S, n) soft targets, S numbers a sample."""

    def soft_loss(self, output: "Tensor", soft: "Tensor", weight: "Tensor", temperature: float) -> "Tensor":
        """(G, M, C, n) outputs, (G, M, S, n) soft targets, (G, M, n) weights that sum to one over samples -> (G, M)."""

    # --- Learning, in closed form -------------------------------------------------------------------------------------

    def responses(self, values: Values, members: NDArray[np.bool_]) -> Responses:
        """Responses of (n, ...) labels; all that is fitted is fitted to the (n,) labelled training samples."""

    def soft_responses(self, outputs: Outputs, responses: Responses) -> tuple[Floats, Floats]:
        """(n, C) outputs of a teacher -> (n, R) responses, and (n,) how much they say."""

    def intercept(self, predicted: Floats, values: Values, responses: Responses) -> Floats:
        """(n, R) predicted responses of n labelled training samples and their labels -> (C,) intercept of outputs."""

    # --- Judging ------------------------------------------------------------------------------------------------------

    def loss(self, outputs: Outputs, values: Values) -> Floats:
        """(..., n, C) and (n, ...) -> (..., n) loss of each sample, by which baselines are chosen on inner folds."""

    def expected(self, outputs: Outputs, values: Values) -> tuple[Floats, Floats, Floats]:
        """What outputs expect of labels, beside the labels.

        Parameters
        ----------
        outputs, values
            (n, C), and (n, ...) observed labels.

        Returns
        -------
        tuple
            (n, C) means of the label given the outputs, (n, C) the label in the same numbers, and (n, C) the weight of
            each: 0 where nothing was observed.
        """

    def decision(self, outputs: Outputs, values: Values, usable: NDArray[np.bool_]) -> Floats:
        """Learn how outputs become decisions.

        Parameters
        ----------
        outputs
            (n, C) of models that did not see the sample; rows with NaN are left out.
        values
            (n, ...).
        usable
            (n,) samples whose label may be used.

        Returns
        -------
        NDArray
            (A,) numbers, of the same length for all models; A may be 0.
        """

    def evaluate(self, outputs: Outputs, values: Values, decisions: Floats, train: Values) -> dict[str, Floats]:
        """Score models on test samples.

        Parameters
        ----------
        outputs
            (V, n, C), finite.
        values
            (n, ...) of labelled test samples.
        decisions
            (V, A) of `decision`.
        train
            (m, ...) labels of the training samples, which some metrics are relative to.

        Returns
        -------
        dict
            (V,) for each of `metrics`; NaN where a metric is not defined on the samples.
        """

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
        """Gain of the taught student over the one trained alone in the primary metric, on held-out samples.

        Samples without a usable label count by what teacher and students together predict of it.

        Parameters
        ----------
        alone, taught, teacher
            (n, C) held-out outputs of the same samples.
        values
            (n, ...).
        usable
            (n,) whether the label may be used.
        groups
            (n,) patients.
        fold
            (n,) inner folds: each has networks of its own, whose outputs need not be comparable with those of others.

        Returns
        -------
        Gain
            NaN without a usable label; the error also with too few samples for one.
        """

    def imbalance(self, shares: Sequence[float]) -> float:
        """By how much uneven labels raise the variance of a gain.

        Parameters
        ----------
        shares
            Of each class; of a survival time, of the patients with an event; of a number, nothing.
        """

    def fit_pool(self, outputs: Outputs, values: Values) -> Pool:
        """Fit the pool of E experts, of none too, to (n, C, E) held-out outputs of labelled samples."""

    # --- Test samples, for a reader -----------------------------------------------------------------------------------

    def on_test(
        self,
        outputs: Outputs,
        values: Values,
        decision: Floats,
        train: NDArray[np.bool_],
        test: NDArray[np.bool_],
    ) -> "pd.DataFrame":
        """What was predicted of test samples, and what was observed of them.

        Parameters
        ----------
        outputs
            (n, C) of models that did not see the sample.
        values
            (n, ...).
        decision
            (A,) of `decision`.
        train, test
            (n,) samples with outputs; those of the test have labels.

        Returns
        -------
        DataFrame
            A row for each test sample. What depends on all the samples of a split is computed here.
        """

    def picture(self, table: "pd.DataFrame") -> "Picture | None":
        """Rows of `on_test` of all splits, of one model -> what a reader would like to see; None if nothing is."""

    # --- Other patients, who were in no training ----------------------------------------------------------------------

    def reread(self, *columns: LabelColumn) -> tuple[Values, dict[str, int], list[str]]:
        """Read labels of samples of another cohort, as this task has them.

        Returns
        -------
        tuple
            (n, ...) values; samples by text that is no label of this task and counts as missing; and sentences on what
            is otherwise than in the training.

        Raises
        ------
        InputError
            If no label is one of this task, or labels are spelled otherwise or in another unit.
        """

    @property
    def calibrations(self) -> Mapping[str, Metric]:
        """What the numbers of `calibration` are called and how they are shown."""

    def calibration(self, table: "pd.DataFrame") -> dict[str, tuple[float, Floats]]:
        """Rows of `on_test` of one model -> calibration in the large (0 is right) and slopes (1), by `calibrations`.

        Each with the (n,) influences of the samples (`Gain`); NaN without a fit.
        """

    def calibration_picture(self, table: "pd.DataFrame") -> "Picture":
        """Rows of `on_test` of one model -> what was observed against what was predicted."""

    def decision_curves(self, tables: "Mapping[str, pd.DataFrame]") -> "dict[str, Picture]":
        """Rows of `on_test` by the name of a model -> net benefit of acting on predictions, by what is acted on.

        Empty where a prediction is no probability to act on.
        """

    # --- The deployed student -----------------------------------------------------------------------------------------

    def predictions(self, outputs: Outputs, decision: Floats) -> "pd.DataFrame":
        """(n, C) outputs -> the columns that `cch predict` adds to a table, `prediction` among them."""

    @property
    def transforms(self) -> tuple[str, ...]:
        """How outputs become predictions, for a reader of student.json."""

    @property
    def scores(self) -> Mapping[str, Floats]:
        """What features are weighed for (`student.explain`): the (C,) shares of the outputs, by class or ""."""

    # --- Reading and auditing -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, *columns: LabelColumn) -> tuple["Task", Values, dict[str, int]]:
        """Make the task and the values of n samples from the columns of a clinical table, in the order of `columns`.

        Returns
        -------
        tuple
            The task, its (n, ...) values, and samples by text that was not asked for and counts as missing.

        Raises
        ------
        InputError
            If the columns cannot be a target of the task, or have too few labels.
        """

    def remarks(self, target: str, values: Values) -> list[str]:
        """Sentences about a target and its (n, ...) values for its owner, where the sheet lists no classes."""

    def at_sites(self, target: str, values: Values, sites: NDArray[np.str_]) -> list[str]:
        """Sentences about what single sites have alone, of (n, ...) observed values of one sample per patient."""

    def summary(self, values: Values) -> dict[str, float]:
        """Numbers that describe the observed of (n, ...) values beside the counts of strata; empty if none do."""

    def single_feature(
        self, features: NDArray[np.float32], values: Values, groups: NDArray[np.str_]
    ) -> Association | None:
        """Find the best single feature, without the luck of the choice.

        Half of the patients choose a feature and its direction, the other half measure it, and the other way round. The
        mean of both measurements is returned, and the feature that is best over all samples.

        Parameters
        ----------
        features
            (n, p); a missing value counts as the feature's median.
        values
            (n, ...).
        groups
            (n,) patients, kept on one side.

        Returns
        -------
        Association or None
            None with too few labels.
        """

    def site_dependence(self, values: Values, sites: NDArray[np.str_]) -> SiteDependence | None:
        """How well sites predict the target, of (n, ...) observed values and (n,) sites of one sample per patient.

        None with too few labels.
        """
