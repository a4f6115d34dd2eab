"""Inner folds in batches: whose representations enter, their labels, and what is drawn for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.cohort import Cohort
from cch_omics.information.masked import centred
from cch_omics.splits import Splits

Floats = NDArray[np.float64]
# (split, inner fold) of each item.
Batch = list[tuple[int, int]]

# Bytes of the distances of all views, or simulated cohorts, that are held at once.
HELD = {"cpu": 2**28, "cuda": 2**33}


def batches(splits: Splits, n_views: int, device: str) -> Iterator[Batch]:
    """Inner folds in order, a split's at a time if memory holds them."""
    items = [(s, j) for s in range(len(splits.fold)) for j in range(splits.n_inner)]
    largest = max(int((splits.inner[s] == j).sum()) for s, j in items)
    step = min(splits.n_inner, max(1, HELD[device] // (8 * n_views * largest**2)))
    for start in range(0, len(items), step):
        yield items[start : start + step]


@dataclass(frozen=True)
class Members:
    """Samples of B inner folds, padded to n.

    Attributes
    ----------
    sample
        (B, n) positions in the cohort.
    exists, labelled
        (B, n) False on padding; whether the label may be used.
    label
        (B, n) classes or numbers, as the task gives them to estimators; anything where not `labelled`.
    stratum
        (B, n) of the label, -1 without one.
    patient
        (B, n) in 0 .. n - 1.
    keys, starts
        (B, S, n) and (B, S), see `half_samples`.
    """

    sample: NDArray[np.int64]
    exists: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    label: NDArray[Any]
    stratum: NDArray[np.int64]
    patient: NDArray[np.int64]
    keys: Floats
    starts: NDArray[np.int64]


def members_of(cohort: Cohort, splits: Splits, batch: Batch, *, subsamples: int, seed: int) -> Members:
    """Samples of the inner folds of a batch, with the random numbers behind S half-samples of each."""
    held_out = [np.flatnonzero(splits.inner[s] == j) for s, j in batch]
    shape = (len(batch), max(1, max(map(len, held_out))))
    values, strata = cohort.target.values, cohort.target.strata
    points = {s: splits.task(cohort.target, s).label_points(values) for s in {s for s, _ in batch}}
    members = Members(
        sample=np.zeros(shape, dtype=np.int64),
        exists=np.zeros(shape, dtype=bool),
        labelled=np.zeros(shape, dtype=bool),
        label=np.zeros(shape, dtype=points[batch[0][0]].dtype),
        stratum=np.full(shape, -1),
        patient=np.zeros(shape, dtype=np.int64),
        keys=np.ones((shape[0], subsamples, shape[1])),
        starts=np.zeros((shape[0], subsamples), dtype=np.int64),
    )
    for item, ((s, j), samples) in enumerate(zip(batch, held_out, strict=True)):
        n, labelled = len(samples), splits.labelled[s, samples]
        members.sample[item, :n] = samples
        members.exists[item, :n] = True
        members.labelled[item, :n] = labelled
        members.label[item, :n] = points[s][samples]
        members.stratum[item, :n] = np.where(labelled, strata[samples], -1)
        members.patient[item, :n] = np.unique(cohort.groups[samples], return_inverse=True)[1]
        # Each fold has a generator of its own, so that it is the same whatever it is batched with.
        random = np.random.default_rng([seed, *splits.entropy(s), j])
        members.keys[item, :, :n] = random.random((subsamples, n))
        members.starts[item] = random.integers(0, 2, subsamples)
    return members


def principal_components(points: Tensor, valid: Tensor, dimension: int) -> Tensor:
    """Leading principal components of the valid samples of each item, divided by their root mean variance.

    Parameters
    ----------
    points
        (B, n, r) float64, anything on padding.
    valid
        (B, n).
    dimension
        Components kept; with r or more, all.

    Returns
    -------
    Tensor
        (B, n, min(dimension, r)), zero on padding. Their signs are arbitrary: no distance depends on them.
    """
    count = valid.sum(-1).clamp(min=1)[:, None, None]
    around, _ = centred(points, valid)
    # Eigenvalues increase.
    axes = torch.linalg.eigh(around.mT @ around / count).eigenvectors[..., -dimension:]
    scores = around @ axes
    scale = (scores.square().sum((1, 2), keepdim=True) / (count * scores.shape[-1])).sqrt()
    standardised: Tensor = scores / torch.where(scale > 0, scale, 1.0)
    return standardised
