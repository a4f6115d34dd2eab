"""The table of estimators of the gap itself, I(T;S) - I(S;Y), from teacher, student and label at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from research.information.class_mixture import class_mixture_gap
from research.information.classwise import classwise_information


@dataclass(frozen=True)
class GapEstimator:
    """An estimator of the gap, in nats.

    Attributes
    ----------
    name
        As in the benchmark.
    estimates, needs, limits, reference
        What it estimates, the least it takes, where it fails, where it is from.
    estimate
        (teacher, student, labels, ...) -> what it returns, see there.
    """

    name: str
    estimates: str
    needs: str
    limits: str
    reference: str
    estimate: Callable[..., Any]


TABLE = (
    GapEstimator(
        name="class_mixture",
        estimates="E[log p(s|t) - log p(s|y)], cross-fitted, and its limit in 1/n: two ends of a bracket",
        needs="half of the samples more than p + q + C, two classes of two",
        limits=(
            "Classes are Gaussians of unlike covariances, shrunk. The cross-fitted end is too low, the limit "
            "too high with few samples for p + q columns: by 0.6 to 0.8 nats with p = q = 8, n = 100."
        ),
        reference="Friedman 1989, J. Am. Stat. Assoc. 84, 165, for the model",
        estimate=class_mixture_gap,
    ),
    GapEstimator(
        name="classwise",
        estimates="I(T;S|Y) - [I(T,S;Y) - I(T;Y)], and I(T;S), I(T;Y), I(S;Y)",
        needs="nine in ten samples more than p + q + C + 1, two classes of two",
        limits=(
            "Each class a Gaussian of the same covariance: where covariances differ, or teacher and student share what "
            "is not linear within a class, I(T;S|Y) is that of the nearest such model. Label terms are too low by up "
            "to 0.1 nats with p = q = 8, n = 100. Standard errors are too large with few samples for p + q columns."
        ),
        reference="Misra, Singh, Demchuk 2005, J. Multivariate Anal. 92, 324; Geisser 1964, J. R. Stat. Soc. B 26, 69",
        estimate=classwise_information,
    ),
)
GAP_ESTIMATORS = {entry.name: entry for entry in TABLE}
