"""Pilot students judged by labels alone.

The package's pilot is judged by samples without a label as well (`cch_omics.verdict.pilot`). These look at the labelled
samples only: at the log-loss, and at the balanced accuracy.
"""

import numpy as np

from cch_omics.tasks.classification.metrics import log_loss
from research.rivals.accuracy import decided_accuracy
from research.rivals.pair import Pair


def pilot_log_loss(pair: Pair) -> float:
    """Held-out log-loss of the student alone minus that of the taught one, nats; NaN without a pilot."""
    if pair.taught_logits is None or not pair.labelled.any():
        return float("nan")
    both = np.stack([pair.student_logits, pair.taught_logits])[:, pair.labelled]
    alone, taught = log_loss(both, pair.labels[pair.labelled])
    return float(alone - taught)


def pilot_accuracy(pair: Pair) -> float:
    """Balanced accuracy of the taught student minus that of the student alone; NaN without a pilot."""
    if pair.taught_logits is None:
        return float("nan")
    return decided_accuracy(pair, pair.taught_logits) - decided_accuracy(pair, pair.student_logits)
