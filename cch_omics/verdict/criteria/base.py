"""What a criterion is: a score of the evidence about one pair, and a decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[Any, Any]

DISTIL, DO_NOT_DISTIL, UNDECIDED = "distil", "do_not_distil", "undecided"


@dataclass(frozen=True)
class Criterion:
    """A criterion of who should teach whom; the configuration's `criterion.rule` names the one that decides.

    Attributes
    ----------
    name, title, meaning
        In the configuration and in tables; in reports; in one sentence.
    needs_distillation
        Whether verdicts have to wait for the students.
    score
        A row of evidence.tsv -> a number, larger for a better teacher; NaN where it cannot tell. The best teacher of a
        student is the one of the largest score.
    decide
        A row of evidence.tsv and the confidence that is asked for -> a verdict.
    reason
        A row of evidence.tsv and the verdict -> one sentence that says why. The row has `target` and `confidence`
        besides, and `pilot_gain_shown` and `accuracy_difference_shown` in words of the metric: "+1.2 ± 0.8 points of
        balanced accuracy", or "nothing"; "1.2 points of balanced accuracy ahead of", or "as good as";
        and `pilot_power_shown`, what pilots with such an error could decide.
    probability
        The column of evidence.tsv with the probability that decides; "" if none does.
    reference
        Where it is from.
    """

    name: str
    title: str
    meaning: str
    needs_distillation: bool
    score: Callable[[Row], float]
    decide: Callable[[Row, float], str]
    reason: Callable[[Row, str], str]
    probability: str = ""
    reference: str = ""


def by_sign(score: Callable[[Row], float]) -> Callable[[Row, float], str]:
    """Decide by the sign of a score, without a doubt."""

    def decide(row: Row, confidence: float) -> str:
        value = score(row)
        if value != value:
            return UNDECIDED
        return DISTIL if value > 0 else DO_NOT_DISTIL

    return decide


def by_probability(column: str) -> Callable[[Row, float], str]:
    """Decide by the probability in a column of evidence.tsv; undecided where it is missing."""

    def decide(row: Row, confidence: float) -> str:
        p = row[column]
        return DISTIL if p >= confidence else DO_NOT_DISTIL if p <= 1 - confidence else UNDECIDED

    return decide


TOO_FEW = "could not be estimated: too few patients have both modalities and a label."


def nats_of(row: Row, name: str) -> str:
    """Say the estimate of information in a column of evidence.tsv."""
    return in_nats(row[name], row.get(f"{name}_se", float("nan")))


def in_nats(estimate: float, se: float = float("nan")) -> str:
    """Say an estimate of information; one that is not clear of zero is no amount."""
    if estimate < max(0.005, 1.96 * (se if se == se else 0.0)):
        return "no information that the estimator sees"
    return f"{estimate:.2f} nats"
