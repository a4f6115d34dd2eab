"""What one modality knows of the label beyond the other, as a paired difference of held-out log-losses.

With well-specified models log-loss is conditional entropy, H(Y|S) = E[-log p(Y|S)], so that

    I(T;Y|S) = H(Y|S) - H(Y|S,T),   I(S;Y|T) = H(Y|T) - H(Y|S,T),   I(T;Y) - I(S;Y) = H(Y|S) - H(Y|T).

The models are logarithmic opinion pools of the held-out predictions, `criteria.log_loss`. Differences are paired by
sample and can be negative: an expert that adds nothing costs what its weight costs to fit.
"""

import numpy as np
from scipy.special import log_softmax

from cch_omics.criteria.log_loss import MISFIT_WEIGHT, pooled_losses
from cch_omics.criteria.pair import Floats, Pair


def teacher_given_student(pair: Pair) -> float:
    """I(T;Y|S), nats: what the teacher could add."""
    return float(np.mean(_losses(pair, "S") - _losses(pair, "ST"))) if pair.labelled.any() else float("nan")


def minus_student_given_teacher(pair: Pair) -> float:
    """-I(S;Y|T), nats: what the teacher does not know of what the student knows, the bias of its targets."""
    return float(np.mean(_losses(pair, "ST") - _losses(pair, "T"))) if pair.labelled.any() else float("nan")


def benefit(pair: Pair) -> float:
    """I(T;Y|S) - w I(S;Y|T), nats, w = `log_loss.MISFIT_WEIGHT`: what the teacher could add, less some of its bias."""
    return teacher_given_student(pair) + MISFIT_WEIGHT * minus_student_given_teacher(pair)


def advantage_log_loss(pair: Pair) -> float:
    """I(T;Y) - I(S;Y), nats."""
    return float(np.mean(_losses(pair, "S") - _losses(pair, "T"))) if pair.labelled.any() else float("nan")


def _losses(pair: Pair, experts: str) -> Floats:
    """Held-out -log p(label) of the pool of these experts, for each labelled sample."""
    logits = {"S": pair.student_logits, "T": pair.teacher_logits}
    labelled = pair.labelled
    logp = np.stack([log_softmax(logits[name][labelled], axis=-1) for name in experts], axis=-1)
    return pooled_losses(logp, pair.labels[labelled], pair.fold[labelled])
