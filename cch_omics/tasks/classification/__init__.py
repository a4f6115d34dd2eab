"""Classification: outputs are logits, the primary metric is balanced accuracy of decisions with logit adjustment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

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
from cch_omics.tasks.classification import external, reading
from cch_omics.tasks.classification.gain import accuracy_gain
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.tasks.classification.metrics import (
    auroc,
    balanced_accuracy,
    expected_calibration_error,
    log_loss,
    macro_f1,
)
from cch_omics.tasks.classification.pool import Pool, fit_pool

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cch_omics.tasks.picture import Picture


@dataclass(frozen=True)
class ClassPool:
    """A logarithmic opinion pool that takes outputs of experts (`base.Pool`)."""

    pool: Pool

    def log_likelihood(self, outputs: Outputs, values: Values) -> Floats:
        """(n, C, E) outputs and (n,) classes -> (n,) log p(class), in nats."""
        logp = self.pool.log_probabilities(log_softmax(np.asarray(outputs, dtype=np.float64), axis=1))
        return np.asarray(logp[np.arange(len(values)), values.astype(np.int64)])


@dataclass(frozen=True)
class Classification:
    """A target of C classes; values are (n,) float64 positions among them, NaN where missing.

    Attributes
    ----------
    classes
        Names, in the order of the outputs.
    """

    classes: tuple[str, ...]

    name: ClassVar[str] = "classification"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "balanced_accuracy": Metric("balanced accuracy", True, 100, 1, "points", 0, 1),
        "macro_f1": Metric("macro F1", True, 100, 1, "points", 0, 1),
        "auroc": Metric("AUROC", True, 100, 1, "points", 0, 1),
        "log_loss": Metric("log-loss", False, 1, 3, "nats", low=0),
        "expected_calibration_error": Metric("calibration error", False, 100, 1, "points", 0, 1, biased=True),
    }
    primary: ClassVar[str] = "balanced_accuracy"
    # 0.035, 0.028 and 0.022 at the three label budgets of docs/decisions.md, 0.015 to 0.037 with any group left out.
    gain_sd: ClassVar[float] = 0.03
    pilot_variance: ClassVar[tuple[float, float, float]] = (0.030, 0.063, 0.15)
    pilot_label_power: ClassVar[float] = 0.71
    label_estimator: ClassVar[str] = "ross"
    columns: ClassVar[tuple[tuple[str, ...], ...]] = (("",),)
    shared_head: ClassVar[bool] = False
    score_is: ClassVar[str] = "the log-probability of the class, over the mean of all classes"

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    @property
    def chance(self) -> float:
        return 1 / len(self.classes)

    @property
    def baselines(self) -> Mapping[str, Baseline]:
        from cch_omics.tasks.classification.baselines import baselines

        return baselines(len(self.classes))

    @property
    def parameters(self) -> dict[str, list[str]]:
        return {"classes": list(self.classes)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Sequence[str]]) -> "Classification":
        return cls(tuple(str(name) for name in parameters["classes"]))

    def trained_on(self, values: Values) -> "Classification":
        """Nothing is fitted to labels."""
        return self

    def observed(self, values: Values) -> NDArray[np.bool_]:
        return np.isfinite(values)

    @property
    def labels_are(self) -> str:
        return ", ".join(self.classes)

    @property
    def strata_names(self) -> tuple[str, ...]:
        return self.classes

    def strata(self, values: Values) -> NDArray[np.int64]:
        return np.where(np.isfinite(values), values, -1).astype(np.int64)

    def label_points(self, values: Values) -> NDArray[np.int64]:
        return self.strata(values)

    # --- Learning -----------------------------------------------------------------------------------------------------

    def group_targets(self, values: Values, members: NDArray[np.bool_]) -> GroupTargets:
        n_groups = len(members)
        one_hot = (self.strata(values) == np.arange(len(self.classes))[:, None]).astype(np.float32)
        return GroupTargets(
            values=np.broadcast_to(one_hot, (n_groups, *one_hot.shape)),
            centre=np.zeros(n_groups, dtype=np.float32),
            scale=np.ones(n_groups, dtype=np.float32),
            start=np.zeros((n_groups, len(self.classes)), dtype=np.float32),
        )

    def label_loss(self, output: "Tensor", target: "Tensor", weight: "Tensor") -> "Tensor":
        """Cross-entropy."""
        return -(output.log_softmax(2) * (target * weight[:, None])[:, None]).sum((2, 3))

    def soften(self, output: "Tensor", temperature: float) -> "Tensor":
        """Softmax at a temperature (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2)."""
        return (output / temperature).softmax(-2)

    def soft_loss(self, output: "Tensor", soft: "Tensor", weight: "Tensor", temperature: float) -> "Tensor":
        """T^2 times the cross-entropy at temperature T: the divergence from the teacher, up to a constant."""
        scaled = output if temperature == 1 else output / temperature
        return -(scaled.log_softmax(2) * (soft * weight[:, :, None])).sum((2, 3)) * temperature**2

    def responses(self, values: Values, members: NDArray[np.bool_]) -> Responses:
        """Indicators of the classes; each class has one more pseudo-sample, so that an absent one has a frequency.

        With frequencies p, the step of multinomial logistic regression from log p is (indicator - p) / p.
        """
        indicators = (self.strata(values)[:, None] == np.arange(len(self.classes))).astype(np.float64)
        frequency = (indicators[members].sum(0) + 1) / (members.sum() + len(self.classes))
        return Responses(indicators, np.ones(len(values)), np.diag(1 / frequency), np.log(frequency) - 1)

    def soft_responses(self, outputs: Outputs, responses: Responses) -> tuple[Floats, Floats]:
        """The teacher's probabilities."""
        return softmax(np.asarray(outputs, dtype=np.float64), axis=1), np.ones(len(outputs))

    def intercept(self, predicted: Floats, values: Values, responses: Responses) -> Floats:
        """That of the responses."""
        return responses.intercept

    # --- Judging ------------------------------------------------------------------------------------------------------

    def loss(self, outputs: Outputs, values: Values) -> Floats:
        """Log-loss, in nats."""
        logp = log_softmax(np.asarray(outputs, dtype=np.float64), axis=-1)
        return np.asarray(-logp[..., np.arange(len(values)), values.astype(np.int64)])

    def expected(self, outputs: Outputs, values: Values) -> tuple[Floats, Floats, Floats]:
        """Probabilities, beside one-hot classes."""
        p = np.asarray(softmax(np.asarray(outputs, dtype=np.float64), axis=1))
        return p, np.eye(len(self.classes))[values.astype(np.int64)], np.ones_like(p)

    def decision(self, outputs: Outputs, values: Values, usable: NDArray[np.bool_]) -> Floats:
        """(C,) logit adjustment."""
        return logit_adjustment(outputs, self.strata(values), usable)

    def evaluate(self, outputs: Outputs, values: Values, decisions: Floats, train: Values) -> dict[str, Floats]:
        """Decisions are made with the logit adjustment; metrics of probabilities read plain ones."""
        labels = self.strata(values)
        adjusted = outputs + decisions[:, None]
        return {
            "balanced_accuracy": balanced_accuracy(adjusted, labels),
            "macro_f1": macro_f1(adjusted, labels),
            "auroc": auroc(outputs, labels),
            "log_loss": log_loss(outputs, labels),
            "expected_calibration_error": expected_calibration_error(outputs, labels),
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
        """In balanced accuracy: `accuracy_gain`."""
        return accuracy_gain(alone, taught, teacher, np.where(usable, self.strata(values), -1), groups)

    def imbalance(self, shares: Sequence[float]) -> float:
        """The variance of a mean over classes, each of its own patients: mean of 1 / share, over their number."""
        return float(np.mean(1 / np.asarray(shares)) / len(shares))

    def fit_pool(self, outputs: Outputs, values: Values) -> ClassPool:
        logp = log_softmax(np.asarray(outputs, dtype=np.float64), axis=1)
        return ClassPool(fit_pool(logp, values.astype(np.int64)))

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
        names = np.asarray(self.classes, dtype=object)[values[test].astype(np.int64)]
        return self.predictions(outputs[test], decision).assign(observed=names)

    def picture(self, table: "pd.DataFrame") -> None:
        """Nothing that the metrics do not say."""
        return None

    # --- Other patients -----------------------------------------------------------------------------------------------

    def reread(self, *columns: LabelColumn) -> tuple[Floats, dict[str, int], list[str]]:
        """These classes; others count as missing."""
        (column,) = columns
        return reading.reread_classes(column, self.classes)

    @property
    def calibrations(self) -> Mapping[str, Metric]:
        return external.calibrations(self.classes)

    def calibration(self, table: "pd.DataFrame") -> dict[str, tuple[float, Floats]]:
        """Of each class against the rest; with two classes those of the second."""
        return external.calibration(table, self.classes)

    def calibration_picture(self, table: "pd.DataFrame") -> "Picture":
        """Share of a class against its predicted probability."""
        return external.calibration_picture(table, self.classes)

    def decision_curves(self, tables: "Mapping[str, pd.DataFrame]") -> "dict[str, Picture]":
        """Of each class."""
        return external.decision_curves(tables, self.classes)

    # --- The deployed student -----------------------------------------------------------------------------------------

    def predictions(self, outputs: Outputs, decision: Floats) -> "pd.DataFrame":
        """Columns `probability_CLASS` that add up to 1, and `prediction`, which need not be the most probable class."""
        import pandas as pd

        if not np.isfinite(decision).all():
            raise ValueError("a class is decided for by finite numbers")
        logits = np.asarray(outputs, dtype=np.float64)
        # float32, as the outputs: it survives a table with ten digits to the last bit.
        probabilities = softmax(logits, axis=1).astype(np.float32)
        columns: dict[str, Any] = {f"probability_{name}": probabilities[:, c] for c, name in enumerate(self.classes)}
        columns["prediction"] = np.asarray(self.classes, dtype=object)[(logits + decision).argmax(1)]
        return pd.DataFrame(columns)

    @property
    def transforms(self) -> tuple[str, ...]:
        return (
            "probabilities = softmax(outputs)",
            "prediction = argmax(log(probabilities) + decision): `decision` is the logit adjustment, which weighs "
            "classes so that rare ones are found",
        )

    @property
    def scores(self) -> Mapping[str, Floats]:
        """Of each class, less the mean of all; of two the second alone, whose mirror image the first is."""
        centred = np.eye(len(self.classes)) - 1 / len(self.classes)
        return dict(list(zip(self.classes, centred, strict=True))[len(self.classes) == 2 :])

    # --- Reading and auditing -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, *columns: LabelColumn) -> tuple["Classification", Floats, dict[str, int]]:
        """Classes that the sheet lists, or all texts in alphabetical order."""
        classes, values, left_out = reading.read_classes(*columns)
        return cls(classes), values, left_out

    def remarks(self, target: str, values: Values) -> list[str]:
        """Classes that sound like missing values."""
        return reading.remarks(self.classes, target)

    def at_sites(self, target: str, values: Values, sites: NDArray[np.str_]) -> list[str]:
        """Classes of one site alone."""
        return reading.at_sites(self.classes, target, values.astype(np.int64), sites)

    def summary(self, values: Values) -> dict[str, float]:
        """Nothing: the counts of classes say it all."""
        return {}

    def single_feature(
        self, features: NDArray[np.float32], values: Values, groups: NDArray[np.str_]
    ) -> Association | None:
        """AUROC of one class against the rest."""
        return reading.single_feature(features, self.strata(values), groups, self.classes)

    def site_dependence(self, values: Values, sites: NDArray[np.str_]) -> SiteDependence | None:
        """Balanced accuracy."""
        return reading.site_dependence(self.strata(values), sites)
