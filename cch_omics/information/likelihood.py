"""I(X;Y) from below by held-out likelihoods: E[log p(y | x)] - E[log p(y)].

The difference is I(X;Y) less the mean divergence of the true p(y | x) from the model's (Barber & Agakov 2003, NeurIPS
16; the baseline p(y) is estimated as well, so that without information it is about zero, on either side). The model is
that of the view: p(y | x) is the pool of its held-out outputs, fitted on the other inner folds (`Task.fit_pool`), p(y)
the pool of nothing. Outputs of the encoders of different folds mean the same, as representations do not: few labels in
a fold are enough.
"""

import math

from torch import Tensor

from cch_omics.information.estimators import Estimates, Estimator
from cch_omics.information.masked import mean_over


def gains_themselves(gains: Tensor, valid: Tensor) -> Tensor:
    """(B, n, 1) gains of log-likelihood: there is nothing to prepare."""
    return gains


def mean_gain(x: Tensor, y: Tensor, valid: Tensor, *, neighbours: int = 0) -> Estimates:
    """Mean of (B, n, 1) `likelihood_gains` over valid samples; what was observed, y, is in them already."""
    n = valid.sum(-1)
    return Estimates(mean_over(x[..., 0], valid).masked_fill(n < 1, math.nan), n, {})


LIKELIHOOD = Estimator(mean_gain, gains_themselves, of_gains=True)
