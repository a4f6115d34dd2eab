"""Classification: metrics of logits, and the class offsets behind every class decision.

Metrics take logits of shape (..., n, C), finite, and labels of shape (n,) in 0..C-1, and return an array of shape
(...,): one value for each set of predictions of the same n samples. With no samples they are NaN. A class that is
absent among the labels has no recall, no F1 and no ROC curve, and is left out of their means; which classes these are
depends on the labels alone, so that two models compared on the same samples are averaged over the same classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import rankdata

# Bins of the expected calibration error: with about 100 test samples, more would hold one or two each.
CALIBRATION_BINS = 10

# Grid of tau, and where it stays unless the data speak clearly (see `class_offsets`).
TAUS = np.round(np.arange(0.0, 1.51, 0.1), 1)
DEFAULT_TAU = 1.0
# Fewest samples of every class with which tau is chosen at all.
MIN_PER_CLASS = 10


def _one_hot(values: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
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
    truth = _one_hot(labels, n_classes)[:, _present(labels, n_classes)]  # (n, K)
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
    truth = _one_hot(labels, n_classes)[:, present]  # (n, K)
    called = _one_hot(logits.argmax(-1), n_classes)[..., present]  # (..., n, K)
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
    truth = _one_hot(labels, n_classes)[:, present]  # (n, K)
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
    return np.asarray(np.abs((_one_hot(bins, CALIBRATION_BINS) * excess[..., None]).sum(-2)).sum(-1) / len(labels))


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it.

    Attributes
    ----------
    function
        (..., n, C) logits and (n,) labels -> (...,).
    higher_is_better
        Whether a larger value is a better model.
    decides
        Whether it scores class decisions: those are made with class offsets. The others read plain probabilities.
    """

    function: Callable[[NDArray[np.floating], NDArray[np.int64]], NDArray[np.float64]]
    higher_is_better: bool
    decides: bool


METRICS = {
    "balanced_accuracy": Metric(balanced_accuracy, higher_is_better=True, decides=True),
    "macro_f1": Metric(macro_f1, higher_is_better=True, decides=True),
    "auroc": Metric(auroc, higher_is_better=True, decides=False),
    "log_loss": Metric(log_loss, higher_is_better=False, decides=False),
    "expected_calibration_error": Metric(expected_calibration_error, higher_is_better=False, decides=False),
}


def class_offsets(
    logits: NDArray[np.floating], labels: NDArray[np.int64], usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Offsets to add to log-probabilities before the largest is taken, for decisions that serve rare classes too.

    The decision that maximises balanced accuracy is argmax_c p(c|x) / p(c) (Menon et al. 2021, section 3): with
    calibrated probabilities the offset is -log p(c). Here

        offset_c = -tau log(mean predicted probability of c),

    where tau = 1 is that optimum, tau = 0 is plain argmax, and other values answer probabilities that are too timid or
    too bold. The *predicted* prior is used rather than the class frequencies: it follows a model that soft targets have
    made to predict a class more or less often, which is what would otherwise look like harm. One parameter, not one a
    class: offsets that are free for each class overfit a class of which a handful was seen.

    tau leaves 1 only for the value of `TAUS` with the best balanced accuracy of the given predictions, and only if it
    is better than tau = 1 by more than the standard error of that paired difference: in small samples neighbouring
    values differ by the decision on one or two samples. Among equals the middle of the tied values is taken. With fewer
    than `MIN_PER_CLASS` usable samples of a class (15% of the labels of a small cohort leave three) nothing can be
    chosen, and tau = 1.

    Parameters
    ----------
    logits
        (n, C) of models that did not see the sample; NaN rows are left out.
    labels
        (n,) class, -1 where missing: left out.
    usable
        (n,) labelled training samples of the split.

    Returns
    -------
    NDArray
        (C,). A class that occurs in no usable sample gets the smallest offset of the others: nothing speaks for it.
        Zeros where no sample is usable.
    """
    n_classes = logits.shape[-1]
    use = usable & (labels >= 0) & np.isfinite(logits).all(-1)
    if not use.any():
        return np.zeros(n_classes)
    logp = log_softmax(np.asarray(logits[use], dtype=np.float64), axis=-1)
    truth = labels[use]
    counts = np.bincount(truth, minlength=n_classes)
    present = counts > 0
    # A class that is expected in less than one of the samples counts as expected in one: log has no floor of its own.
    prior = np.maximum(np.exp(logp).mean(0), 1 / len(truth))
    unit = -np.log(prior)
    unit[~present] = unit[present].min()
    tau = DEFAULT_TAU if counts[present].min() < MIN_PER_CLASS else _choose_tau(logp, truth, unit)
    return np.asarray(tau * unit)


def _choose_tau(logp: NDArray[np.float64], labels: NDArray[np.int64], unit: NDArray[np.float64]) -> float:
    correct = (logp + TAUS[:, None, None] * unit).argmax(-1) == labels  # (tau, n)
    truth = _one_hot(labels, logp.shape[-1])
    truth = truth[:, truth.any(0)]  # (n, K)
    counts = truth.sum(0)
    score = (correct @ (truth / counts)).mean(-1)  # (tau,)
    tied = np.flatnonzero(score >= score.max() - 1e-12)
    best = tied[len(tied) // 2]
    default = int(np.flatnonzero(TAUS == DEFAULT_TAU)[0])
    # Paired: a sample that both get right, or both wrong, adds nothing to the variance.
    change = correct[best].astype(np.float64) - correct[default]  # (n,)
    mean = (change @ truth) / counts  # (K,)
    variance = (change**2 @ truth) / counts - mean**2
    error = np.sqrt((variance / counts).sum()) / len(counts)
    return float(TAUS[best] if score[best] - score[default] > error else DEFAULT_TAU)


def decide(logits: NDArray[np.floating], offsets: NDArray[np.float64]) -> NDArray[np.int64]:
    """(..., n, C) logits and (C,) offsets -> (..., n) classes."""
    return np.asarray((logits + offsets).argmax(-1), dtype=np.int64)


def evaluate(
    logits: NDArray[np.floating], labels: NDArray[np.int64], offsets: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """All metrics of `METRICS`: decisions with the offsets, probabilities without.

    Parameters
    ----------
    logits
        (..., n, C), finite.
    labels
        (n,) in 0..C-1.
    offsets
        (..., C) of `class_offsets`, one set for each set of predictions.
    """
    shifted = logits + np.asarray(offsets)[..., None, :]
    return {name: metric.function(shifted if metric.decides else logits, labels) for name, metric in METRICS.items()}
