"""What held-out outputs gain in likelihood over no outputs at all."""

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Floats, Outputs, Task, Values


def likelihood_gains(task: Task, outputs: Outputs, values: Values, fold: NDArray[np.int64]) -> Floats:
    """(m, C) held-out outputs, (m, ...) labels and (m,) inner folds -> (m,) log p(y | outputs) - log p(y), in nats."""
    experts = np.asarray(outputs, dtype=np.float64)[..., None]
    gained = np.empty(len(values))
    for held_out in np.unique(fold):
        test = fold == held_out
        each = [
            task.fit_pool(some[~test], values[~test]).log_likelihood(some[test], values[test])
            for some in (experts, experts[..., :0])
        ]
        gained[test] = each[0] - each[1]
    return gained
