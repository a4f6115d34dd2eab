"""Survival: discrete-time hazards of intervals, of which one score moves all; Uno's C is the primary metric.

Outputs are K logits of hazards, o_k = b_k + score in a network: its outputs share their weights. `hazards` has the
likelihood. A teacher's soft targets are its hazards, weighted by the probability that it gives a patient to reach the
interval: the loss is the cross-entropy of the teacher's distribution of the time of the event and the student's. So a
patient without follow-up is taught too, and one who was censored is taught about the time after it.

Intervals end at quantiles of event times, and at the horizon, beyond which one patient in ten is followed. The cohort
decides how many there are; where they end is fitted to the training patients of each split (`Survival.trained_on`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

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
from cch_omics.tasks.calibration import intercept_and_slope
from cch_omics.tasks.checks import quantile_edges
from cch_omics.tasks.survival import metrics, reading
from cch_omics.tasks.survival.gain import c_gain
from cch_omics.tasks.survival.hazards import (
    baseline,
    encode,
    interval_ends,
    life_table,
    lived,
    log_likelihood,
    risk,
    softplus,
    survival,
)
from cch_omics.tasks.survival.pool import HazardPool, fit_pool

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cch_omics.tasks.picture import Picture

# Most intervals, and fewest events of each.
INTERVALS = 10
MIN_PER_INTERVAL = 10
# Most strata of those with an event, and of those without; fewest samples of each.
STRATA = 3
MIN_PER_STRATUM = 10
# Part of the cohort that is followed beyond the horizon. Later events are few, and their weights in metrics large: with
# 0.05 differences of C between two models varied 1.4 times as much over the folds of TCGA-LGG.
BEYOND = 0.1


@dataclass(frozen=True)
class Survival:
    """A time to an event; values are (n, 2) float64, time and event (1, or 0 if censored), NaN without a label.

    Attributes
    ----------
    edges
        (K,) increasing ends of the intervals, the last one the horizon.
    event_from, followed_from
        Lower ends of the strata: ranges of the times of patients with an event, and of those without. With none of the
        second, ranges are of all patients.
    unit
        Of time, as guessed: `days`, `months` or `years`.
    event
        What an event was written as, if it was not 1.
    beyond
        Part of the patients that is followed beyond the horizon.
    auroc_at
        Time at which events are told from none; if not given, the one of `times` nearest to the median event time.
    """

    edges: tuple[float, ...]
    event_from: tuple[float, ...] = (0.0,)
    followed_from: tuple[float, ...] = (0.0,)
    unit: str = "days"
    event: str = ""
    beyond: float = BEYOND
    auroc_at: float = 0.0

    name: ClassVar[str] = "survival"
    primary: ClassVar[str] = "uno_c"
    # That of classification: no number has been chosen on cohorts with survival times yet.
    gain_sd: ClassVar[float] = 0.03
    pilot_variance: ClassVar[tuple[float, float, float]] = (0.024, 0.046, 0.082)
    pilot_label_power: ClassVar[float] = 1.7
    label_estimator: ClassVar[str] = "likelihood"
    # The second is cBioPortal's, the third Xena's.
    columns: ClassVar[tuple[tuple[str, ...], ...]] = (("_time", "_event"), ("_MONTHS", "_STATUS"), (".time", ""))
    shared_head: ClassVar[bool] = True
    score_is: ClassVar[str] = "the log-odds of the event in an interval"

    def __post_init__(self) -> None:
        if not self.edges or self.edges[0] <= 0 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError(f"ends of intervals that do not increase from zero: {self.edges}")
        if not self.auroc_at:
            # About half of the events have happened by the end of the middle interval.
            median = self.edges[(len(self.edges) - 1) // 2]
            object.__setattr__(self, "auroc_at", min(self.times, key=lambda time: abs(time - median)))

    @classmethod
    def of(cls, values: Values, fewest: int = MIN_PER_STRATUM, unit: str = "days", event: str = "") -> "Survival":
        """Choose intervals and strata for the observed ones of (n, 2) values; no stratum has less than `fewest`."""
        known, beyond = values[np.isfinite(values).all(1)], BEYOND
        horizon = float(np.quantile(known[:, 0], 1 - beyond))
        of_event = known[(known[:, 1] == 1) & (known[:, 0] <= horizon), 0]
        if len(of_event) < fewest:  # they come late: all of time is looked at
            beyond, horizon = 0.0, float(known[:, 0].max())
            of_event = known[known[:, 1] == 1, 0]
        parts = quantile_edges(of_event, most=INTERVALS, fewest=MIN_PER_INTERVAL)
        without = known[~((known[:, 1] == 1) & (known[:, 0] <= horizon)), 0]
        apart = len(without) >= fewest
        return cls(
            interval_ends(of_event, horizon, len(parts) + 1),
            (0.0, *quantile_edges(of_event if apart else known[:, 0], most=STRATA, fewest=fewest)),
            (0.0, *quantile_edges(without, most=STRATA, fewest=fewest)) if apart else (),
            unit,
            event,
            beyond,
        )

    def trained_on(self, values: Values) -> "Survival":
        """As many intervals, of the event times and the follow-up of the training patients."""
        known = values[self.observed(values)]
        if not len(known):
            return self
        horizon = float(np.quantile(known[:, 0], 1 - self.beyond))
        return replace(self, edges=interval_ends(known[known[:, 1] == 1, 0], horizon, self.n_outputs))

    @property
    def ends(self) -> Floats:
        """(K,) ends of the intervals."""
        return np.array(self.edges)

    @property
    def horizon(self) -> float:
        """Until when survival is predicted and judged."""
        return self.edges[-1]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        return {
            "uno_c": Metric("Uno's C", True, low=0, high=1),
            "integrated_brier": Metric("integrated Brier score", False, low=0),
            "auroc": Metric(f"AUROC at {self.auroc_at:.4g} {self.unit}", True, low=0, high=1),
            "log_likelihood": Metric("log-likelihood", True, unit="nats", high=0),
            "d_calibration": Metric(
                "error of D-calibration", False, 100, 1, "points", low=0, high=metrics.WORST_SHARES, biased=True
            ),
        }

    @property
    def times(self) -> tuple[float, ...]:
        """Times at which the probability to live is told."""
        return reading.times_of(self.unit, self.horizon)

    @property
    def n_outputs(self) -> int:
        return len(self.edges)

    @property
    def chance(self) -> float:
        """A risk that knows nothing is above that of another patient half of the time."""
        return 0.5

    @property
    def baselines(self) -> Mapping[str, Baseline]:
        from cch_omics.tasks.survival.baselines import baselines

        return baselines(self.ends)

    @property
    def parameters(self) -> dict[str, list[str]]:
        numbers = {"edges": self.edges, "event_from": self.event_from, "followed_from": self.followed_from}
        numbers |= {"beyond": (self.beyond,), "auroc_at": (self.auroc_at,)}
        said = {name: [repr(float(number)) for number in each] for name, each in numbers.items()}
        return {**said, "unit": [self.unit], "event": [self.event]}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Sequence[str]]) -> "Survival":
        edges, events, followed, (beyond,), (auroc_at,) = (
            tuple(float(number) for number in parameters[name])
            for name in ("edges", "event_from", "followed_from", "beyond", "auroc_at")
        )
        (unit,), (event,) = parameters["unit"], parameters["event"]
        return cls(edges, events, followed, unit, event, beyond, auroc_at)

    def observed(self, values: Values) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(values).all(-1))

    @property
    def labels_are(self) -> str:
        return f"the time to an event, in {self.unit}, until {self.horizon:.4g}"

    @property
    def strata_names(self) -> tuple[str, ...]:
        if not self.followed_from:
            return _ranges("time", self.event_from) if len(self.event_from) > 1 else ("all",)
        return (*_ranges("event", self.event_from), *_ranges("censored", self.followed_from))

    def strata(self, values: Values) -> NDArray[np.int64]:
        time, event = np.nan_to_num(values).T
        position = np.searchsorted(np.array(self.event_from), time, side="right") - 1
        if self.followed_from:
            censored = np.searchsorted(np.array(self.followed_from), time, side="right") - 1 + len(self.event_from)
            position = np.where((event == 1) & (time <= self.horizon), position, censored)
        return np.where(self.observed(values), position, -1).astype(np.int64)

    def label_points(self, values: Values) -> NDArray[np.int64]:
        return self.strata(values)

    # --- Learning -----------------------------------------------------------------------------------------------------

    def group_targets(self, values: Values, members: NDArray[np.bool_]) -> GroupTargets:
        """Events and exposures of the intervals; hazards start at those of each group's own labelled samples."""
        d, x = encode(self.ends, values)
        of_samples = np.concatenate([d, x], 1).T.astype(np.float32)
        return GroupTargets(
            values=np.broadcast_to(of_samples, (len(members), *of_samples.shape)),
            centre=np.zeros(len(members), dtype=np.float32),
            scale=np.ones(len(members), dtype=np.float32),
            start=np.stack([life_table(d[each], x[each]) for each in members]).astype(np.float32),
        )

    def label_loss(self, output: "Tensor", target: "Tensor", weight: "Tensor") -> "Tensor":
        """Minus the log-likelihood of the follow-up."""
        return _cross_entropy(output, target[:, None], weight[:, None])

    def soften(self, output: "Tensor", temperature: float) -> "Tensor":
        """The teacher's hazards at a temperature, times its probability to reach the interval; and the latter."""
        import torch

        left = torch.nn.functional.softplus(output).cumsum(-2)
        reached = torch.cat([torch.ones_like(left[..., :1, :]), (-left[..., :-1, :]).exp()], -2)
        return torch.cat([reached * (output / temperature).sigmoid(), reached], -2)

    def soft_loss(self, output: "Tensor", soft: "Tensor", weight: "Tensor", temperature: float) -> "Tensor":
        """T^2 times the cross-entropy of the hazards at temperature T, summed over the intervals that are reached."""
        scaled = output if temperature == 1 else output / temperature
        return _cross_entropy(scaled, soft, weight) * temperature**2

    def responses(self, values: Values, members: NDArray[np.bool_]) -> Responses:
        """The score that one step of Newton's method gives each patient, from the hazards of all together.

        With hazards h_k the log-likelihood has the slope sum_k d_k - x_k h_k, the martingale residual, and the
        curvature sum_k x_k h_k (1 - h_k), the weight: the response is their ratio.
        """
        d, x = encode(self.ends, values)
        marginal = life_table(d[members], x[members])
        return Responses(*_score(d, x, marginal), np.ones((1, len(marginal))), marginal)

    def soft_responses(self, outputs: Outputs, responses: Responses) -> tuple[Floats, Floats]:
        """The same of the follow-up that the teacher expects: it reaches interval k, and has an event in it."""
        logits = np.asarray(outputs, dtype=np.float64)
        left = np.cumsum(softplus(logits), 1)
        reached = np.exp(-np.column_stack([np.zeros(len(left)), left[:, :-1]]))
        return _score(reached * expit(logits), reached, responses.intercept)

    def intercept(self, predicted: Floats, values: Values, responses: Responses) -> Floats:
        """Logits of hazards that are most likely given the scores.

        The hazard of all together falls with time below that of each patient: those of high risk leave first.
        """
        return baseline(predicted[:, 0], *encode(self.ends, values))

    # --- Judging ------------------------------------------------------------------------------------------------------

    def loss(self, outputs: Outputs, values: Values) -> Floats:
        """Minus the log-likelihood of the follow-up, in nats."""
        return -log_likelihood(np.asarray(outputs, dtype=np.float64), *encode(self.ends, values))

    def expected(self, outputs: Outputs, values: Values) -> tuple[Floats, Floats, Floats]:
        """Hazards of the intervals, beside the events in them; weights are exposures."""
        events, exposure = encode(self.ends, values)
        hazards = np.asarray(expit(np.asarray(outputs, dtype=np.float64)))
        return hazards, np.divide(events, exposure, out=np.zeros_like(hazards), where=exposure > 0), exposure

    def decision(self, outputs: Outputs, values: Values, usable: NDArray[np.bool_]) -> Floats:
        """Nothing to learn: hazards are the prediction."""
        return np.zeros(0)

    def evaluate(self, outputs: Outputs, values: Values, decisions: Floats, train: Values) -> dict[str, Floats]:
        """All is truncated at the horizon, or the last time of the training samples; they give the censoring."""
        logits = np.asarray(outputs, dtype=np.float64)
        tau = metrics.last_time(train, self.horizon)
        if not len(values) or not tau > 0:
            return dict.fromkeys(self.metrics, np.full(len(logits), np.nan))
        (time, event), risks, times = values.T, risk(logits), metrics.grid(tau)
        until = np.minimum(time, tau)
        of_time = metrics.brier(survival(logits, self.ends, times), values, train, times)
        return {
            "uno_c": metrics.uno_c(risks, values, train, tau),
            "integrated_brier": metrics.integrated(of_time, times),
            "auroc": metrics.auroc(risks, values, train, min(self.auroc_at, tau)),
            "log_likelihood": -self.loss(logits, values).mean(-1),
            "d_calibration": metrics.d_calibration(lived(logits, self.ends, until), (time <= tau) & (event == 1)),
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
        """In Uno's C: `c_gain`. Samples without a usable label do not count."""
        one, other = (risk(np.asarray(outputs, dtype=np.float64)) for outputs in (alone, taught))
        return c_gain(one, other, np.where(usable[:, None], values, np.nan), groups, fold, self.horizon)

    def imbalance(self, shares: Sequence[float]) -> float:
        """Patients with an event are what C is made of."""
        return 1 / shares[0]

    def fit_pool(self, outputs: Outputs, values: Values) -> HazardPool:
        return fit_pool(outputs, values, self.ends)

    # --- Test samples, for a reader -----------------------------------------------------------------------------------

    def on_test(
        self,
        outputs: Outputs,
        values: Values,
        decision: Floats,
        train: NDArray[np.bool_],
        test: NDArray[np.bool_],
    ) -> "pd.DataFrame":
        """Follow-ups until the horizon, risk and its place among training patients, and events that are expected."""
        from cch_omics.tasks.survival.picture import on_test

        return on_test(np.asarray(outputs, dtype=np.float64), values, self.ends, train, test)

    def picture(self, table: "pd.DataFrame") -> "Picture | None":
        """Survival of risk groups."""
        from cch_omics.tasks.survival.picture import picture

        return picture(table, self.unit, self.times)

    # --- Other patients -----------------------------------------------------------------------------------------------

    def reread(self, *columns: LabelColumn) -> tuple[Floats, dict[str, int], list[str]]:
        """Times in the same unit, and events."""
        times, events = columns
        values, left_out, _ = reading.read_follow_up(times, events)
        reading.check_unit(times, values[:, 0], self.unit)
        return values, left_out, []

    calibrations: ClassVar[Mapping[str, Metric]] = {
        "calibration_in_the_large": Metric("log of observed over expected events", True, digits=2),
        "calibration_slope": Metric("calibration slope", True, digits=2),
    }

    def calibration(self, table: "pd.DataFrame") -> dict[str, tuple[float, Floats]]:
        """Of the number of events until the horizon, given the follow-up; the slope is that of the risk score."""
        risk_, expected_, event = (
            table[each].to_numpy(dtype=np.float64) for each in ("prediction", "expected", "event")
        )
        offset = np.log(np.maximum(expected_, 1e-300)) - risk_
        found = intercept_and_slope(risk_, offset, event, events=True)
        return dict(zip(self.calibrations, found, strict=True))

    def calibration_picture(self, table: "pd.DataFrame") -> "Picture":
        """Events that happened against those expected, in bins of risk."""
        from cch_omics.tasks.survival.picture import calibration_picture

        return calibration_picture(table, self.horizon, self.unit)

    def decision_curves(self, tables: "Mapping[str, pd.DataFrame]") -> "dict[str, Picture]":
        """None: patients are censored."""
        return {}

    # --- The deployed student -----------------------------------------------------------------------------------------

    def predictions(self, outputs: Outputs, decision: Floats) -> "pd.DataFrame":
        """Column `prediction`, the risk score, and `survival_at_TIME` for each of `times`."""
        import pandas as pd

        logits = np.asarray(outputs, dtype=np.float64)
        columns: dict[str, Any] = {"prediction": risk(logits).astype(np.float32)}
        lives = survival(logits, self.ends, np.array(self.times)).astype(np.float32)
        columns |= {f"survival_at_{time:g}": lives[:, t] for t, time in enumerate(self.times)}
        return pd.DataFrame(columns)

    @property
    def transforms(self) -> tuple[str, ...]:
        at = ", ".join(f"{time:g}" for time in self.times)
        return (
            "outputs are logits of the hazards of the intervals that end at `edges`",
            "prediction = the risk score: log of the sum, over the ends of intervals, of the cumulative hazard "
            "-log(survival); higher is worse",
            f"survival_at_TIME = the probability to live beyond that time without the event: product of (1 - hazard) "
            f"over the intervals until then, at {at} (the table's own unit of time, probably {self.unit})",
        )

    @property
    def scores(self) -> Mapping[str, Floats]:
        """The mean of the intervals, which differ by constants."""
        return {"": np.full(self.n_outputs, 1 / self.n_outputs)}

    # --- Reading and auditing -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, *columns: LabelColumn) -> tuple["Survival", Floats, dict[str, int]]:
        """Times above zero and events, as many of these as there are folds, or more."""
        times, events = columns
        values, left_out, written = reading.read_follow_up(times, events)
        unit = reading.guess_unit(times.name, values[:, 0])
        return cls.of(values, max(MIN_PER_STRATUM, times.fewest), unit, written), values, left_out

    def remarks(self, target: str, values: Values) -> list[str]:
        """The unit of time, and what counts as an event."""
        said = [
            f"Times of {target} seem to be {self.unit}: survival is told at {', '.join(f'{t:g}' for t in self.times)}, "
            f"and nothing after {self.horizon:.4g}, the horizon, counts. If the unit is another one, only these times "
            "are odd."
        ]
        said += reading.remarks(target, self.unit, values[:, 0])
        return [*said, f"An event of {target} is written {self.event!r}."] if self.event else said

    def at_sites(self, target: str, values: Values, sites: NDArray[np.str_]) -> list[str]:
        """Sites that have all events, or none."""
        return reading.at_sites(target, values, sites)

    def summary(self, values: Values) -> dict[str, float]:
        """`n`, `events`, `median_follow_up` (reverse Kaplan-Meier), `median_survival`, `horizon`."""
        known = values[self.observed(values)]
        return {
            "n": len(known),
            "events": int(known[:, 1].sum()),
            "median_follow_up": reading.median_follow_up(known),
            "median_survival": reading.median_survival(known),
            "horizon": self.horizon,
        }

    def single_feature(
        self, features: NDArray[np.float32], values: Values, groups: NDArray[np.str_]
    ) -> Association | None:
        """Harrell's C, unless the event or the time itself is among the features."""
        return reading.single_feature(features, values, self.strata(values), groups)

    def site_dependence(self, values: Values, sites: NDArray[np.str_]) -> SiteDependence | None:
        """R2 of martingale residuals by site."""
        return reading.site_dependence(values, sites)


def _ranges(what: str, lower: tuple[float, ...]) -> tuple[str, ...]:
    """Names of ranges of time, of which (k,) lower ends are given, the first of them 0."""
    if len(lower) == 1:
        return (what,)
    edges = [f"{edge:.4g}" for edge in lower[1:]]
    between = [f"{what} {low} to {high}" for low, high in pairwise(edges)]
    return (f"{what} before {edges[0]}", *between, f"{what} from {edges[-1]}")


def _cross_entropy(output: "Tensor", target: "Tensor", weight: "Tensor") -> "Tensor":
    """(G, M, K, n) logits, (G, M or 1, 2 K, n) parts of events and of exposure, (G, M or 1, n) weights -> (G, M)."""
    from torch.nn.functional import softplus

    events, exposure = target.chunk(2, -2)
    return ((exposure * softplus(output) - events * output) * weight[:, :, None]).sum((2, 3))


def _score(d: Floats, x: Floats, marginal: Floats) -> tuple[Floats, Floats]:
    """(n, K) events and exposures, (K,) logits of hazards -> (n, 1) Newton's step of each score, (n,) its curvature."""
    hazard = expit(marginal)
    curvature = x @ (hazard * (1 - hazard))
    return ((d - x * hazard).sum(1) / np.maximum(curvature, 1e-9))[:, None], curvature
