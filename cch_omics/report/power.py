"""Which gain a cohort can decide, in words: before anyone trains, and where a verdict is undecided."""

from collections.abc import Sequence

from cch_omics.config import CriterionConfig, SplitsConfig
from cch_omics.errors import InputError
from cch_omics.tasks.base import Metric, Task
from cch_omics.verdict.power import POWER, WORTHWHILE, decidable_gain, expected_errors, patients_needed
from cch_omics.vocabulary import unsigned


def plan(
    task: Task,
    shares: Sequence[float],
    rarest: float,
    patients: int,
    labels: float,
    gain: float = WORTHWHILE,
    confidence: float = CriterionConfig().confidence,
) -> str:
    """Say what pilots of a cohort could decide; see `Task.imbalance` for `shares`.

    Parameters
    ----------
    rarest
        Share of the rarest kind of labels.
    labels
        Share of the patients with a label.

    Raises
    ------
    InputError
        If a number cannot be, or there are fewer labels than the folds need.
    """
    if not 0 < labels <= 1:
        advice = "For example 0.15 if 15% of them have a label."
        raise InputError("--labels", f"{labels:g}", "a share of the patients, above 0 and at most 1", advice)
    if not 0 < gain < 1:
        raise InputError("--gain", f"{gain:g}", "a gain between 0 and 1", "0.02 is 2 points of balanced accuracy.")
    fewest = SplitsConfig().fewest_patients
    if patients * labels * rarest < fewest:
        raise InputError(
            "--patients",
            f"{patients * labels * rarest:.3g} labels of the rarest kind",
            f"at least {fewest}, which the default folds need",
            "Plan for more patients, for more of their labels, or leave a rare class out.",
        )
    metric = task.metrics[task.primary]
    errors = expected_errors(task, patients, labels * patients, shares)
    gains = [decidable_gain(se, task.gain_sd, confidence) for se in errors]
    needed = [patients_needed(gain, se, patients, task.gain_sd, confidence) for se in errors]

    lines = {
        "standard error of a pilot's gain": [_amount(metric, se) for se in errors],
        f"gain that is seen with probability {POWER:.0%}": [_amount(metric, value) for value in gains],
        f"patients for a gain of {_amount(metric, gain)}": [_patients(count) for count in needed],
    }
    return "\n".join(
        [
            f"{patients:,} patients with both modalities, {patients * labels:,.0f} of them with a label; "
            f"{metric.title}.",
            "Of a typical pair of omics (of the best and the worst tenth of real pairs):",
            *(f"  {name:<39} {typical} ({low} to {high})" for name, (low, typical, high) in lines.items()),
            f"A gain is seen where P(gain > 0) is {confidence:g} or more. "
            "Patients are like these, with as large a share of labels.",
        ]
    )


def _amount(metric: Metric, value: float) -> str:
    """A gain in the unit in which it is shown: "2.1 points"."""
    return f"{unsigned(metric.scale * value, metric.digits)} {metric.unit}".strip()


def _patients(count: float) -> str:
    """A number of patients, to two digits."""
    return f"{float(f'{count:.2g}'):,.0f}"
