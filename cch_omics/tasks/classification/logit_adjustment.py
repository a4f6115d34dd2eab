"""Logit adjustment: the offsets behind every class decision."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.tasks.classification.metrics import one_hot

# Grid of tau, and where it stays unless the data speak clearly (see `logit_adjustment`).
TAUS = np.round(np.arange(0.0, 1.51, 0.1), 1)
DEFAULT_TAU = 1.0
# Fewest samples of every class with which tau is chosen at all.
MIN_PER_CLASS = 10


def logit_adjustment(
    logits: NDArray[np.floating], labels: NDArray[np.int64], usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Logit adjustment: what is added to log-probabilities before the largest is taken, so that rare classes are found.

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
    truth = one_hot(labels, logp.shape[-1])
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
