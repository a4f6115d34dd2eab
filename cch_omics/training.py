"""Training on every fold of every split of one modality.

A split has K + 1 training sets: its training samples without each of its K inner folds, and all of them. The networks
of one training set share their inputs and are one group of `ensemble`. The networks without an inner fold predict that
fold; the networks of all training samples predict the test samples. The number of epochs (and whatever else is chosen)
for the prediction of an inner fold is chosen on the other inner folds; for the test samples on all of them. An inner
fold thus never touches the weights of the networks that predict it; it has a share in one number of theirs, their
epochs, by way of the networks that predict the other folds. Teachers would pass on the labels that they were trained
on: students without an inner fold are taught by networks that went without it as well, on samples of a second fold that
these did not see either, so that there are training sets without pairs of folds.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics import ensemble
from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.parallel import each_part
from cch_omics.predictions import Network
from cch_omics.preprocessing import as_tensor, fit_projection
from cch_omics.resume import Arrays, State
from cch_omics.splits import Splits

# A loss curve is smooth at this scale.
CHECKPOINT_EVERY = 5
# Networks without a new best held-out loss for so many epochs are finished. On TCGA-BRCA this saves a third of the
# epochs, and one choice in two hundred is not the one of a full run, by 0.002 nats of held-out loss.
PATIENCE = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSets:
    """The G training sets of one split, for the n samples that have the modality.

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
        (G, n, k). Those without a pair of folds are the ones without its first, labels being what must not be seen of
        the second.
    seeds
        (G,).
    pairs
        The pairs of inner folds, if there are training sets without them.
    """

    rows: NDArray[np.int64]
    train: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    inputs: Tensor
    seeds: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def n_inner(self) -> int:
        """K."""
        return len(self.train) - len(self.pairs) - 1

    @property
    def n_held_out(self) -> NDArray[np.float64]:
        """(K,) labelled samples of each inner fold."""
        return np.asarray((self.predicted & self.labelled).sum(1)[: self.n_inner], dtype=np.float64)


def training_sets(
    cohort: Cohort,
    splits: Splits,
    split: int,
    modality: str,
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
    data = cohort.modalities[modality]
    inner = splits.inner[split, data.rows]
    n_inner = splits.n_inner
    pairs = tuple(combinations(range(n_inner), 2)) if without_pairs else ()
    left_out = [inner == g for g in range(n_inner)]
    left_out += [(inner == g) | (inner == h) for g, h in pairs]
    predicted = np.stack([*left_out, inner < 0])
    train = (inner >= 0) & ~predicted
    name_code = int.from_bytes(modality.encode(), "little") % 2**32
    sequence = np.random.SeedSequence((seed, name_code, *splits.entropy(split)))
    # Those of pairs come last, so that the others are the same with and without them.
    seeds = [int(each) for each in sequence.generate_state(len(train))]
    seeds = seeds[:n_inner] + seeds[n_inner + 1 :] + seeds[n_inner : n_inner + 1]
    singles = [*range(n_inner), -1]
    projected = _project(data.values, train[singles], settings, device) if inputs is None else as_tensor(inputs, device)
    return TrainingSets(
        rows=data.rows,
        train=train,
        predicted=predicted,
        labelled=splits.labelled[split, data.rows],
        inputs=projected[[*range(n_inner), *(g for g, _ in pairs), n_inner]] if pairs else projected,
        seeds=tuple(seeds),
        pairs=pairs,
    )


def _project(
    values: NDArray[np.float32], train: NDArray[np.bool_], settings: EncoderConfig, device: torch.device
) -> Tensor:
    """(n, p) features and (G, n) members of training sets -> (G, n, k)."""
    features = as_tensor(values, device)
    projected = [
        fit_projection(features, torch.as_tensor(members, device=device), settings).apply(features) for members in train
    ]
    # Training sets of a few samples may have fewer components than others: the rest of their inputs is zero.
    width = max(inputs.shape[1] for inputs in projected)
    return torch.stack([torch.nn.functional.pad(each, (0, width - each.shape[1])) for each in projected])


@dataclass(frozen=True)
class Teaching:
    """What the M networks of a split are taught.

    Attributes
    ----------
    soft
        (G, M, C, n) the teachers' probabilities, for each training set, of its own samples and of those it predicts.
    samples
        (M, n) the training samples of the split that have them.
    lambdas, temperatures
        (M,).
    """

    soft: Tensor
    samples: NDArray[np.bool_]
    lambdas: Tensor
    temperatures: Tensor

    def models(self, chosen: slice) -> "Teaching":
        return Teaching(self.soft[:, chosen], self.samples[chosen], self.lambdas[chosen], self.temperatures[chosen])


def fit(
    sets: Sequence[TrainingSets],
    labels: NDArray[np.int64],
    n_classes: int,
    settings: EncoderConfig,
    teachings: Sequence[Teaching] | None = None,
) -> list[ensemble.Trained]:
    """Train M networks on each training set of some splits, as one batch if memory holds it.

    Parameters
    ----------
    sets
        Of each split.
    labels
        (n,) classes of the samples that have the modality; -1 where missing.
    teachings
        Of each split, all of M networks; None for one network without a teacher.

    Returns
    -------
    list
        Of each split, G groups of M networks.
    """
    device = sets[0].inputs.device
    codes = torch.as_tensor(labels, device=device).clamp(min=0)
    one_hot = torch.nn.functional.one_hot(codes, n_classes).T.float()
    of_splits: Sequence[Teaching | None] = [None] * len(sets) if teachings is None else teachings

    def train(splits: slice, models: slice) -> list[ensemble.Trained]:
        batch = sets[splits]
        taught = [teaching and teaching.models(models) for teaching in of_splits[splits]]
        n_models = models.stop - models.start
        starts = [
            ensemble.initialise(list(each.seeds), n_models, each.inputs.shape[2], settings.units, n_classes)
            for each in batch
        ]

        def gathered(members: str) -> ensemble.Samples:
            of_batch = zip(batch, taught, strict=True)
            return ensemble.stack_samples([_gather(each, getattr(each, members), one_hot, by) for each, by in of_batch])

        trained = ensemble.train(
            ensemble.stack_networks(starts).to(device),
            gathered("train"),
            gathered("predicted"),
            torch.stack([torch.as_tensor(judges(each.n_held_out, each.pairs), device=device) for each in batch]),
            [seed for each in batch for seed in each.seeds],
            epochs=settings.max_epochs,
            patience=PATIENCE,
            checkpoint_every=CHECKPOINT_EVERY,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            dropout=settings.dropout,
        )
        n_sets = len(batch[0].train)
        return [
            trained.groups(slice(i * n_sets, (i + 1) * n_sets), each.inputs.shape[2]) for i, each in enumerate(batch)
        ]

    return _within_memory(train, slice(0, len(sets)), slice(0, 1 if teachings is None else len(teachings[0].lambdas)))


def _within_memory(
    train: Callable[[slice, slice], list[ensemble.Trained]], splits: slice, models: slice
) -> list[ensemble.Trained]:
    """Train some splits and networks as one batch, or as two halves where a GPU has no memory for it."""
    n_splits, n_models = splits.stop - splits.start, models.stop - models.start
    try:
        return train(splits, models)
    except torch.cuda.OutOfMemoryError:
        if n_splits == n_models == 1:
            raise
    # Here, where the exception no longer holds on to what did not fit.
    logger.warning(
        "out of memory with %d networks on the training sets of %d splits at once: going on with half of them",
        n_models,
        n_splits,
    )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if n_splits > 1:
        middle = splits.start + n_splits // 2
        halves = [slice(splits.start, middle), slice(middle, splits.stop)]
        return [trained for half in halves for trained in _within_memory(train, half, models)]
    middle = models.start + n_models // 2
    parts = [_within_memory(train, splits, slice(*ends)) for ends in ((models.start, middle), (middle, models.stop))]
    return [ensemble.join_models(list(of_split)) for of_split in zip(*parts, strict=True)]


def _gather(
    sets: TrainingSets, members: NDArray[np.bool_], one_hot: Tensor, teaching: Teaching | None = None
) -> ensemble.Samples:
    """The members (G, n) of each group, side by side: those that have a weight in the loss."""
    device = sets.inputs.device
    useful = sets.labelled if teaching is None else sets.labelled | teaching.samples.any(0)
    index, exists = _side_by_side(members & useful)
    position = torch.as_tensor(index, device=device)
    samples = ensemble.Samples(
        inputs=sets.inputs.gather(1, position[:, :, None].expand(-1, -1, sets.inputs.shape[2])),
        labels=one_hot[:, position].transpose(0, 1),
        label_weight=_mean_weights(exists & sets.labelled[index], device),
        numbers=position.int(),
    )
    if teaching is None:
        return samples
    return replace(
        samples,
        soft=teaching.soft.gather(3, position[:, None, None].expand(-1, *teaching.soft.shape[1:3], -1)),
        soft_weight=_mean_weights(exists[:, None] & teaching.samples[:, index].swapaxes(0, 1), device),
        lambdas=teaching.lambdas,
        temperatures=teaching.temperatures,
    )


def judges(n_held_out: NDArray[np.float64], pairs: Sequence[tuple[int, int]] = ()) -> NDArray[np.float64]:
    """How the choice for each training set weighs the loss on each inner fold: not at all on those it predicts.

    Parameters
    ----------
    n_held_out
        (K,) labelled samples of each inner fold.
    pairs
        Pairs of inner folds that P training sets go without.

    Returns
    -------
    (K + P + 1, K + P + 1) a row for each training set, last that of all samples. The loss is that of the networks
    without one fold: the last P + 1 columns are 0.
    """
    left_out = [*((g,) for g in range(len(n_held_out))), *pairs, ()]
    weights = np.tile(n_held_out, (len(left_out), 1))
    for row, folds in zip(weights, left_out, strict=True):
        row[list(folds)] = 0
    return np.pad(weights, ((0, 0), (0, len(pairs) + 1)))


def over_splits(
    work: Callable[[Sequence[int]], Sequence[Arrays]],
    n_splits: int,
    *,
    threads: int,
    device: torch.device,
    progress: Callable[[int, int], None],
    at_once: int = 1,
    state: State | None = None,
) -> list[Arrays]:
    """Do the work of all splits, a batch of them at once in each process, and collect the arrays that it returns.

    A batch whose arrays `state` still has from an interrupted run is not done again. Batches are the same after an
    interruption as without one, because the last bits of a result depend on what it was computed with.
    """
    arrays = {split: kept for split in range(n_splits) if state and (kept := state.load(split)) is not None}
    batches = [range(first, min(first + at_once, n_splits)) for first in range(0, n_splits, at_once)]
    left = [batch for batch in batches if not arrays.keys() >= set(batch)]
    for batch, results in each_part(work, left, threads=threads, device=device):
        for split, done in zip(batch, results, strict=True):
            arrays[split] = done
            if state:
                state.save(split, done)
        progress(len(arrays), n_splits)
    return [arrays[split] for split in range(n_splits)]


def splits_at_once(
    device: torch.device, n_samples: int, n_sets: int, n_models: int, n_classes: int, settings: EncoderConfig
) -> int:
    """How many splits are trained as one batch: on a CPU a few if they are small, on a GPU as many as it holds.

    On a CPU the batches are the same whatever the number of processes, and so many that these have some each.
    """
    if device.type == "cpu":
        return max(1, min(3, ensemble.CPU_ACTIVATIONS // (n_sets * n_models * settings.units * n_samples)))
    free, _ = torch.cuda.mem_get_info(device)
    # Of each group: inputs and their masks; activations and their gradients; what is made of logits; parameters, their
    # gradients, two moments and the best so far, and all of them once more while the batch shrinks.
    inputs = 6 * n_samples * settings.components
    activations = 2 * n_models * settings.units * n_samples
    logits = 8 * n_models * n_classes * n_samples
    parameters = 10 * n_models * settings.units * (settings.components + n_classes)
    return max(1, int(0.7 * free) // (4 * n_sets * (inputs + activations + logits + parameters)))


def predict_chosen(trained: ensemble.Trained, inputs: Tensor, model: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Representation (G, n, r) and logits (G, n, C) of one network of each group: number (G,) `model`."""
    group, chosen = torch.arange(len(inputs)), torch.as_tensor(model)
    networks = ensemble.Networks(*(parameter[group, chosen][:, None] for parameter in trained.networks.parameters()))
    hidden = networks.represent(inputs)
    return hidden[:, 0].transpose(1, 2), networks.logits(hidden)[:, 0].transpose(1, 2)


def fold_in(
    trained: ensemble.Trained,
    sets: TrainingSets,
    models: Sequence[int],
    values: NDArray[np.float32],
    settings: EncoderConfig,
) -> list[Network]:
    """Some of the networks of all training samples, on raw features (n, p).

    Their projection, fitted once more, is folded into the first layer.
    """
    device = trained.score.device
    members = torch.as_tensor(sets.train[-1], device=device)
    projection = fit_projection(as_tensor(values, device), members, settings)
    folded = []
    for model in models:
        first, bias, head_weight, head_bias = (parameter[-1, model] for parameter in trained.networks.parameters())
        kept_weight = projection.loadings @ first[:, : projection.loadings.shape[1]].T
        weight = torch.zeros(len(projection.fill), kept_weight.shape[1], device=device)
        weight[projection.kept] = kept_weight
        folded.append(
            Network(
                fill=projection.fill.cpu().numpy(),
                weight=weight.cpu().numpy(),
                bias=(bias[:, 0] - projection.fill @ weight).cpu().numpy(),
                head_weight=head_weight.T.contiguous().cpu().numpy(),
                head_bias=head_bias[:, 0].cpu().numpy(),
            )
        )
    return folded


def _side_by_side(members: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(G, n) membership -> (G, m) positions of the members, and where these exist: m is the largest number of them."""
    order = np.argsort(~members, axis=1, kind="stable")[:, : max(1, members.sum(1).max())]
    return order, np.take_along_axis(members, order, axis=1)


def _mean_weights(members: NDArray[np.bool_], device: torch.device) -> Tensor:
    """Equal weights that sum to one over the members of the last axis; zero where there are none."""
    weights = members / np.maximum(members.sum(-1, keepdims=True), 1)
    return torch.as_tensor(weights.astype(np.float32), device=device)
