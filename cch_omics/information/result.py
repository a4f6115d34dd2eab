"""What estimators return."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Estimates:
    """Mutual information of B items.

    Attributes
    ----------
    value
        (B,) nats, float64; NaN where no estimate is possible. Never clipped: a small negative value is how an estimator
        says "about none".
    n
        (B,) samples that entered.
    flags
        What was not as the estimator assumes, by name, (B,) each.
    """

    value: Tensor
    n: Tensor
    flags: dict[str, Tensor]


@dataclass(frozen=True)
class Estimate:
    """Mutual information of one pair of variables.

    Attributes
    ----------
    value
        Nats, never clipped at zero.
    se
        Standard error from half-samples, nats; NaN if none was asked for or too few half-samples allow an estimate.
    n
        Samples that entered.
    dim
        Columns of x and of y (0 for a label).
    flags
        What was not as the estimator assumes.
    estimator
        Name of the estimator.
    """

    value: float
    se: float
    n: int
    dim: tuple[int, int]
    flags: tuple[str, ...] = field(default=())
    estimator: str = ""
