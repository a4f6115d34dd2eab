"""What one modality knows of the label beyond the other, as a paired difference of held-out log-losses.

With well-specified models log-loss is conditional entropy, H(Y|S) = E[-log p(Y|S)], so that

    I(T;Y|S) = H(Y|S) - H(Y|S,T),   I(S;Y|T) = H(Y|T) - H(Y|S,T),   I(T;Y) - I(S;Y) = H(Y|S) - H(Y|T).

Class probabilities of different encoders have the same axes, the classes: unlike representations, predictions of
different inner folds can be put together, and a few dozen labels are enough. The models are logarithmic opinion pools
of the held-out predictions (`cch_omics.tasks.classification.pool`); a pool is fitted on the other inner folds and
scored on the one that it did not see. Differences are paired by sample and can be negative: an expert that adds nothing
costs what its weight costs to fit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.config import DistillationConfig
from cch_omics.tasks.classification.pool import fit_pool
from research.rivals.pair import Floats, Pair

# Of what only the student knows, in `benefit`: the misfit of a mixed target goes with the square of the soft targets'
# weight (docs/theory.md, result 1).
MISFIT_WEIGHT = DistillationConfig().weight ** 2


def teacher_given_student(pair: Pair) -> float:
    """I(T;Y|S), nats: what the teacher could add."""
    return _mean(_losses(pair, "S") - _losses(pair, "ST"))


def minus_student_given_teacher(pair: Pair) -> float:
    """-I(S;Y|T), nats: what the teacher does not know of what the student knows, the bias of its targets."""
    return _mean(_losses(pair, "ST") - _losses(pair, "T"))


def benefit(pair: Pair) -> float:
    """I(T;Y|S) - w I(S;Y|T), nats, w = `MISFIT_WEIGHT`: what the teacher could add, less a part of its bias."""
    return teacher_given_student(pair) + MISFIT_WEIGHT * minus_student_given_teacher(pair)


def advantage(pair: Pair) -> float:
    """I(T;Y) - I(S;Y), nats."""
    return _mean(_losses(pair, "S") - _losses(pair, "T"))


def held_out_losses(logp: Floats, labels: NDArray[np.int64], fold: NDArray[np.int64]) -> Floats:
    """Held-out -log p(label) of the pool of K experts; of none, of the class frequencies.

    Parameters
    ----------
    logp
        (n, C, K) held-out log-probabilities.
    labels, fold
        (n,) classes and inner folds.

    Returns
    -------
    (n,) nats.
    """
    losses = np.empty(len(labels))
    for held_out in np.unique(fold):
        test = fold == held_out
        pooled = fit_pool(logp[~test], labels[~test]).log_probabilities(logp[test])
        losses[test] = -pooled[np.arange(test.sum()), labels[test]]
    return losses


def _losses(pair: Pair, experts: str) -> Floats:
    """Held-out -log p(label) of the pool of these experts, for each labelled sample."""
    logits = {"S": pair.student_logits, "T": pair.teacher_logits}
    labelled = pair.labelled
    logp = np.stack([log_softmax(logits[name][labelled], axis=-1) for name in experts], axis=-1)
    return held_out_losses(logp, pair.labels[labelled], pair.fold[labelled])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
