"""A lower bound of the information about a label, from held-out class probabilities.

Barber, Agakov (2003), The IM algorithm, NeurIPS 16: H(Y) - E[-log q(y|x)] <= I(X;Y) for any q. The correction of the
entropy is Miller (1955), Note on the bias of information estimates.
"""

import math

import torch
from torch import Tensor

from cch_omics.information.estimators import Estimator
from cch_omics.information.neighbours import mean_over
from cch_omics.information.points import select_points
from cch_omics.information.result import Estimates


def log_probabilities(logits: Tensor, valid: Tensor) -> Tensor:
    """(B, n, C) logits, (B, n) valid -> (B, n, C) float64 log-probabilities, anything on padding."""
    return torch.log_softmax(logits.to(torch.float64), -1)


def crossentropy(log_q: Tensor, labels: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """I(X;Y) >= H(Y) - < -log q(y_i | x_i) >.

    q are class probabilities of a model that saw none of the samples: of one that saw them, it is no bound. The
    bound is loose by E KL(p(y|x) || q(y|x)), so also by poor calibration, and negative where q is worse than the
    class frequencies.

    Parameters
    ----------
    log_q
        (B, n, C) log-probabilities.
    labels
        (B, n) classes 0 .. C - 1, anything on padding.
    valid
        (B, n) False on padding.
    neighbours
        Not used; here so that estimators can be exchanged.

    Returns
    -------
    Estimates
        NaN where fewer than two classes occur; minus infinity where q rules out what happened. Flag `class_of_one`: a
        class has one sample, on which H(Y) depends.
    """
    codes = labels.masked_fill(~valid, 0)
    entropy, counts = label_entropy(codes, valid, classes=log_q.shape[-1])
    loss = -mean_over(log_q.gather(-1, codes[..., None])[..., 0], valid)
    value = torch.where((counts > 0).sum(-1) >= 2, entropy - loss, math.nan)
    return Estimates(value, valid.sum(-1), {"class_of_one": (counts == 1).any(-1)})


def label_entropy(labels: Tensor, valid: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
    """H(Y) = -sum_c f_c log f_c + (K - 1) / (2 n): frequencies f_c = n_c / n, K classes that occur (Miller 1955).

    Parameters
    ----------
    labels
        (B, n) classes 0 .. classes - 1, also on padding.
    valid
        (B, n) False on padding.
    classes
        Their number.

    Returns
    -------
    tuple
        (B,) nats and (B, classes) samples of each class.
    """
    counts = torch.zeros(len(labels), classes, dtype=torch.float64, device=labels.device)
    counts.scatter_add_(1, labels, valid.double())
    n = counts.sum(-1)
    frequency = counts / n[:, None]
    plug_in = -torch.special.xlogy(frequency, frequency).sum(-1)
    return plug_in + ((counts > 0).sum(-1) - 1) / (2 * n), counts


CROSSENTROPY = Estimator(prepare=log_probabilities, select=select_points, estimate=crossentropy)
