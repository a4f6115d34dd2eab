"""What estimators return."""

from dataclasses import dataclass

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
