"""Metrics of classification.

Metrics take outputs of shape (..., n, C), finite, and labels of shape (n,) in 0..C-1, and return an array of shape
(...,): one value for each set of predictions of the same n samples. With no samples they are NaN. A class that is
absent among the labels has no recall, no F1 and no ROC curve, and is left out of their means; which classes these are
depends on the labels alone, so that two models compared on the same samples are averaged over the same classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.tasks.ranks import rankdata

# Bins of the expected calibration error: with about 100 test samples, more would hold one or two each.
CALIBRATION_BINS = 10


def one_hot(values: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """(..., n) classes -> (..., n, C) of zeros and ones."""
    return np.asarray(values[..., None] == np.arange(n_classes), dtype=np.float64)


def _present(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.bool_]:
    """(C,) whether a class occurs among the labels."""
    return np.bincount(labels, minlength=n_classes) > 0


def _no_samples(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.full(logits.shape[:-2], np.nan)


def balanced_accuracy(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean recall of the classes that occur among the labels; decisions are the largest logit."""
    if len(labels) == 0:
        return _no_samples(logits)
    n_classes = logits.shape[-1]
    truth = one_hot(labels, n_classes)[:, _present(labels, n_classes)]  # (n, K)
    correct = (logits.argmax(-1) == labels).astype(np.float64)  # (..., n)
    return np.asarray((correct @ (truth / truth.sum(0))).mean(-1))


def macro_f1(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean F1 of the classes that occur among the labels; decisions are the largest logit.

    A sample that is put into an absent class is a miss of its own class, and counts as nothing else.
    """
    if len(labels) == 0:
        return _no_samples(logits)
    n_classes = logits.shape[-1]
    present = _present(labels, n_classes)
    truth = one_hot(labels, n_classes)[:, present]  # (n, K)
    called = one_hot(logits.argmax(-1), n_classes)[..., present]  # (..., n, K)
    hits = (called * truth).sum(-2)  # (..., K)
    return np.asarray((2 * hits / (called.sum(-2) + truth.sum(0))).mean(-1))


def auroc(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Area under the ROC curve of each class against the rest, averaged over the classes that occur among the labels.

    A class is ranked by its probability; ties count one half. NaN where all labels are of one class.
    """
    n, n_classes = len(labels), logits.shape[-1]
    present = _present(labels, n_classes)
    if present.sum() < 2:
        return _no_samples(logits)
    truth = one_hot(labels, n_classes)[:, present]  # (n, K)
    # The log keeps the order where a probability rounds to one: rank the log-odds, not the probability.
    ranks = rankdata(_log_odds(logits)[..., present], axis=-2)  # (..., n, K)
    positive = truth.sum(0)  # (K,)
    above = (ranks * truth).sum(-2) - positive * (positive + 1) / 2  # pairs in the right order
    return np.asarray((above / (positive * (n - positive))).mean(-1))


def _log_odds(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., n, C) log p_c - log(1 - p_c), where 1 - p_c is summed over the other classes."""
    logp: NDArray[np.float64] = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    n_classes = logp.shape[-1]
    odds = np.empty_like(logp)
    for c in range(n_classes):
        others = np.delete(logp, c, axis=-1)
        odds[..., c] = logp[..., c] - np.logaddexp.reduce(others, axis=-1)
    return odds


def log_loss(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of -log p(label), in nats."""
    if len(labels) == 0:
        return _no_samples(logits)
    logp = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    return np.asarray(-logp[..., np.arange(len(labels)), labels].mean(-1))


def expected_calibration_error(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean distance of confidence and accuracy over `CALIBRATION_BINS` equal bins of the largest probability.

    sum_b (n_b / n) |accuracy_b - confidence_b|; Guo et al. 2017, equation 3. It is biased upwards in small samples:
    compare it between models on the same samples, not with zero.
    """
    if len(labels) == 0:
        return _no_samples(logits)
    logp = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    confidence = np.exp(logp.max(-1))  # (..., n)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    excess = (logits.argmax(-1) == labels) - confidence  # (..., n)
    # sum_b |sum of excess in b| / n
    return np.asarray(np.abs((one_hot(bins, CALIBRATION_BINS) * excess[..., None]).sum(-2)).sum(-1) / len(labels))
