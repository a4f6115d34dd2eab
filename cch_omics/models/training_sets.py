"""The training sets of every split of one view, and training on all of them at once.

A split has K + 1 training sets: its training samples without each of its K inner folds, and all of them. The networks
of one training set share their inputs and are one group of `network.Networks`. The networks without an inner fold
predict that fold; the networks of all training samples predict the test samples. The number of epochs for the
prediction of an inner fold is chosen on the other inner folds; for the test samples on all of them. An inner fold thus
never touches the weights of the networks that predict it; it has a share in one number of theirs, their epochs, by way
of the networks that predict the other folds. Teachers would pass on the labels that they were trained on: students
without an inner fold are taught by networks that went without it as well, on samples of a second fold that these did
not see either, so that there are training sets without pairs of folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.models.preprocess import Scaling, as_tensor, fit_projection, fit_scaling
from cch_omics.splits import Splits
from cch_omics.tasks.base import Task, Values
from cch_omics.views import members


@dataclass(frozen=True)
class TrainingSets:
    """The G training sets of one split, for the n samples that have the view.

    They are the split's training samples without each of its K inner folds; where asked for, without each pair of them;
    and, last, all.

    Attributes
    ----------
    rows
        (n,) positions among the cohort's samples.
    train
        (G, n) the training samples.
    predicted
        (G, n) the samples that are predicted.
    labelled
        (n,) training samples of the split whose label may be used.
    inputs
        (G, n, k). Those without a pair of folds are the ones without its first: what must not be seen of the second are
        labels.
    scaled
        (n, q) scaled features of the view, by `scalings` of its modalities: those of all training samples. They tell
        nothing of labels, so that training sets share them.
    seeds
        (G,).
    task, values
        The task as it is used in the split; (n, ...) values of its target.
    pairs
        The pairs of inner folds, if there are training sets without them.
    """

    rows: NDArray[np.int64]
    train: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    inputs: Tensor
    scaled: Tensor
    scalings: tuple[Scaling, ...]
    seeds: tuple[int, ...]
    task: Task
    values: Values
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def n_inner(self) -> int:
        """K."""
        return len(self.train) - len(self.pairs) - 1

    @property
    def singles(self) -> list[int]:
        """Positions of the training sets without one fold, and of that of all samples."""
        return [*range(self.n_inner), len(self.train) - 1]

    def judges(self) -> NDArray[np.float64]:
        """(G, G) how the choice of epochs for each training set weighs the held-out loss on each inner fold.

        A fold counts by its labelled samples, and not at all for the sets that go without it. The losses are those of
        the networks without one fold: other columns are 0.
        """
        left_out = [*((g,) for g in range(self.n_inner)), *self.pairs, ()]
        weights = np.zeros((len(left_out), len(left_out)))
        weights[:, : self.n_inner] = (self.predicted & self.labelled).sum(1)[: self.n_inner]
        for row, folds in zip(weights, left_out, strict=True):
            row[list(folds)] = 0
        return weights


@dataclass(frozen=True)
class Teaching:
    """What the M networks of a split are taught.

    Attributes
    ----------
    outputs
        (M, G, n, C) out-of-fold outputs of the teachers, for each training set, of its own samples and of those that it
        predicts; anything where there are none.
    samples
        (M, n) the training samples of the split that have them.
    """

    outputs: NDArray[np.float32]
    samples: NDArray[np.bool_]

    def models(self, chosen: slice) -> "Teaching":
        return Teaching(self.outputs[chosen], self.samples[chosen])


def training_sets(
    cohort: Cohort,
    splits: Splits,
    split: int,
    view: str,
    settings: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    inputs: NDArray[np.float32] | None = None,
    without_pairs: bool = False,
) -> TrainingSets:
    """The training sets of a split, with their projections fitted and applied.

    Parameters
    ----------
    inputs
        (K + 1, n, k) what that gave before, without pairs of folds; it is then not done again.
    without_pairs
        Whether there are training sets without each pair of inner folds.
    """
    rows = np.flatnonzero(cohort.profiled(view))
    inner = splits.inner[split, rows]
    n_inner = splits.n_inner
    pairs = tuple(combinations(range(n_inner), 2)) if without_pairs else ()
    left_out = [inner == g for g in range(n_inner)]
    left_out += [(inner == g) | (inner == h) for g, h in pairs]
    predicted = np.stack([*left_out, inner < 0])
    train = (inner >= 0) & ~predicted
    sequence = np.random.SeedSequence((seed, name_code(view), *splits.entropy(split)))
    # Those of pairs come last, so that the others are the same with and without them.
    seeds = [int(each) for each in sequence.generate_state(len(train))]
    seeds = seeds[:n_inner] + seeds[n_inner + 1 :] + seeds[n_inner : n_inner + 1]
    features, training = _features(cohort, view, rows, device), torch.as_tensor(train, device=device)
    scalings = tuple(fit_scaling(values, training[-1], settings) for values in features)
    if inputs is None:
        projected = _project(features, scalings, training[[*range(n_inner), -1]], settings)
    else:
        projected = as_tensor(inputs, device)
    return TrainingSets(
        rows=rows,
        train=train,
        predicted=predicted,
        labelled=splits.labelled[split, rows],
        inputs=projected[[*range(n_inner), *(g for g, _ in pairs), n_inner]] if pairs else projected,
        scaled=_scale(features, scalings, training[-1]),
        scalings=scalings,
        seeds=tuple(seeds),
        task=splits.task(cohort.target, split),
        values=cohort.target.values[rows],
        pairs=pairs,
    )


def name_code(name: str) -> int:
    """A number for a name, for seeds."""
    return int.from_bytes(name.encode(), "little") % 2**32


def _features(cohort: Cohort, view: str, rows: NDArray[np.int64], device: torch.device) -> list[Tensor]:
    """(n, p) of each modality of the view, for its n samples."""
    of_view = (cohort.modalities[name] for name in members(view))
    return [as_tensor(each.values[np.searchsorted(each.rows, rows)], device) for each in of_view]


def _scale(features: Sequence[Tensor], scalings: Sequence[Scaling], train: Tensor) -> Tensor:
    """(n, p) features of each modality, and (n,) training samples -> (n, q) scaled features of all.

    Each of several modalities has the same mean squared norm.
    """
    parts = [scaling.apply(each) for each, scaling in zip(features, scalings, strict=True)]
    if len(parts) > 1:
        parts = [part / part[train].square().sum(1).mean().clamp(min=1e-12).sqrt() for part in parts]
    return torch.cat(parts, 1)


def _project(features: Sequence[Tensor], scalings: Sequence[Scaling], train: Tensor, settings: EncoderConfig) -> Tensor:
    """(n, p) features of each modality, (G, n) members -> (G, n, k): components of each modality, side by side.

    The scalings are those of the last training set.
    """
    parts = []
    for values, of_all in zip(features, scalings, strict=True):
        projections = [fit_projection(values, one, settings) for one in train[:-1]]
        projections.append(fit_projection(values, train[-1], settings, of_all))
        projected = [each.apply(values) for each in projections]
        # Training sets of a few samples may have fewer components than others: the rest of their inputs is zero.
        width = max(inputs.shape[1] for inputs in projected)
        parts.append(torch.stack([torch.nn.functional.pad(each, (0, width - each.shape[1])) for each in projected]))
    return torch.cat(parts, 2)


def side_by_side(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(G, n) membership -> (G, m) positions of the members, and where these exist: m is the largest number of them."""
    order = np.argsort(~chosen, axis=1, kind="stable")[:, : max(1, chosen.sum(1).max())]
    return order, np.take_along_axis(chosen, order, axis=1)


def mean_weights(chosen: NDArray[np.bool_], device: torch.device) -> Tensor:
    """Equal weights that sum to one over the members of the last axis; zero where there are none."""
    weights = chosen / np.maximum(chosen.sum(-1, keepdims=True), 1)
    return torch.as_tensor(weights.astype(np.float32), device=device)


def stack_padded(tensors: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """Concatenate along the first axis; along the others named, shorter ones are padded with zeros at the end."""
    sizes = {axis: max(tensor.shape[axis] for tensor in tensors) for axis in axes}
    padded = []
    for tensor in tensors:
        more = [0] * (2 * tensor.ndim)
        for axis, size in sizes.items():
            more[2 * (tensor.ndim - 1 - axis) + 1] = size - tensor.shape[axis]
        padded.append(torch.nn.functional.pad(tensor, more))
    return torch.cat(padded)
