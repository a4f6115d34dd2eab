"""Training on every fold of every split of one modality.

A split has K + 1 training sets: its training samples without each of its K inner folds, and all of them. The networks
of one training set share their inputs and are one group of `ensemble`. The networks without an inner fold predict that
fold; the networks of all training samples predict the test samples. The number of epochs (and whatever else is chosen)
for the prediction of an inner fold is chosen on the other inner folds; for the test samples on all of them. An inner
fold thus never touches the weights of the networks that predict it; it has a share in one number of theirs, their
epochs, by way of the networks that predict the other folds.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics import ensemble
from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.predictions import Network
from cch_omics.preprocessing import Projection, as_tensor, fit_projection
from cch_omics.resume import Arrays, State
from cch_omics.splits import Splits

# A loss curve is smooth at this scale.
CHECKPOINT_EVERY = 5


@dataclass(frozen=True)
class TrainingSets:
    """The K + 1 training sets of one split, for the n samples that have the modality.

    Attributes
    ----------
    rows
        (n,) positions among the cohort's samples.
    train
        (K + 1, n) the training samples.
    predicted
        (K + 1, n) the samples that are predicted.
    labelled
        (n,) training samples of the split whose label may be used.
    inputs
        (K + 1, n, k).
    projections
        (K + 1,).
    seeds
        (K + 1,).
    """

    rows: NDArray[np.int64]
    train: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    inputs: Tensor
    projections: tuple[Projection, ...]
    seeds: tuple[int, ...]


def training_sets(
    cohort: Cohort,
    splits: Splits,
    split: int,
    modality: str,
    settings: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
) -> TrainingSets:
    """Fit the projections of a split and apply them."""
    data = cohort.modalities[modality]
    inner = splits.inner[split, data.rows]
    folds = np.arange(splits.n_inner)[:, None]
    train = np.concatenate([(inner >= 0) & (inner != folds), (inner >= 0)[None]])
    predicted = np.concatenate([inner == folds, (inner < 0)[None]])
    values = as_tensor(data.values, device)
    projections = tuple(fit_projection(values, torch.as_tensor(members, device=device), settings) for members in train)
    projected = [projection.apply(values) for projection in projections]
    # Training sets of a few samples may have fewer components than others: the rest of their inputs is zero.
    width = max(inputs.shape[1] for inputs in projected)
    inputs = torch.stack([torch.nn.functional.pad(each, (0, width - each.shape[1])) for each in projected])
    name_code = int.from_bytes(modality.encode(), "little") % 2**32
    seeds = np.random.SeedSequence((seed, name_code, *splits.entropy(split))).generate_state(len(train))
    return TrainingSets(
        rows=data.rows,
        train=train,
        predicted=predicted,
        labelled=splits.labelled[split, data.rows],
        inputs=inputs,
        projections=projections,
        seeds=tuple(int(each) for each in seeds),
    )


def fit(
    sets: TrainingSets,
    labels: NDArray[np.int64],
    n_classes: int,
    settings: EncoderConfig,
    *,
    soft: Tensor | None = None,
    soft_samples: NDArray[np.bool_] | None = None,
    lambdas: Tensor | None = None,
    temperatures: Tensor | None = None,
) -> ensemble.Trained:
    """Train M networks on each training set of a split.

    Parameters
    ----------
    labels
        (n,) classes of the samples that have the modality; -1 where missing.
    soft
        (M, C, n) teachers' probabilities, None for networks without a teacher.
    soft_samples
        (M, n) the samples that have them; those outside a training set are not used in it.
    lambdas, temperatures
        (M,).
    """
    device = sets.inputs.device
    n_models = 1 if soft is None else len(soft)
    codes = torch.as_tensor(labels, device=device).clamp(min=0)
    one_hot = torch.nn.functional.one_hot(codes, n_classes).T.float()

    def gather(groups: slice, members: NDArray[np.bool_], *, taught: bool) -> ensemble.Samples:
        """The members (G, n) of each group, side by side."""
        index, exists = _side_by_side(members[groups])
        position = torch.as_tensor(index, device=device)
        samples = ensemble.Samples(
            inputs=sets.inputs[groups].gather(1, position[:, :, None].expand(-1, -1, sets.inputs.shape[2])),
            labels=one_hot[:, position].transpose(0, 1),
            label_weight=_mean_weights(exists & sets.labelled[index], device),
        )
        if not taught or soft is None or soft_samples is None:
            return samples
        return replace(
            samples,
            soft=soft[:, :, position].permute(2, 0, 1, 3),
            soft_weight=_mean_weights(exists[:, None] & soft_samples[:, index].swapaxes(0, 1), device),
            lambdas=lambdas,
            temperatures=temperatures,
        )

    def train(groups: slice) -> ensemble.Trained:
        seeds = list(sets.seeds[groups])
        start = ensemble.initialise(seeds, n_models, sets.inputs.shape[2], settings.units, n_classes)
        return ensemble.train(
            ensemble.Networks(*(parameter.to(device) for parameter in start.parameters())),
            gather(groups, sets.train, taught=True),
            gather(groups, sets.predicted & sets.labelled, taught=False),
            seeds,
            epochs=settings.max_epochs,
            checkpoint_every=CHECKPOINT_EVERY,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            dropout=settings.dropout,
        )

    n_groups = len(sets.train)
    step = _groups_at_once(n_models * settings.units * len(sets.rows), device)
    return ensemble.join([train(slice(first, first + step)) for first in range(0, n_groups, step)])


def over_splits(
    work: Callable[[int], Arrays],
    n_splits: int,
    *,
    threads: int,
    progress: Callable[[int, int], None],
    state: State | None = None,
) -> list[Arrays]:
    """Do the work of every split, each on one thread, and collect the arrays that it returns.

    The operations are too small to be shared among threads with profit, and leave Python's lock while they run. A split
    whose arrays `state` still has from an interrupted run is not done again.
    """

    def done_or_do(split: int) -> Arrays:
        kept = state.load(split) if state else None
        if kept is not None:
            return kept
        arrays = work(split)
        if state:
            state.save(split, arrays)
        return arrays

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(done_or_do, split) for split in range(n_splits)]
        for done, future in enumerate(as_completed(futures), start=1):
            if future.exception() is not None:
                pool.shutdown(cancel_futures=True)
            future.result()
            progress(done, n_splits)
    return [future.result() for future in futures]


def choose(held_out_loss: Tensor, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose among candidates for each training set, without the fold that it predicts.

    Parameters
    ----------
    held_out_loss
        (candidates, K) mean loss on each inner fold.
    weights
        (K,) labelled samples of each inner fold.

    Returns
    -------
    (K + 1,) the candidate of the lowest mean loss over the other inner folds; last, over all of them.
    """
    n_folds = held_out_loss.shape[1]
    others = np.concatenate([1 - np.eye(n_folds), np.ones((1, n_folds))]) * weights
    losses = held_out_loss.double().cpu().numpy() @ others.T
    return np.asarray(np.argmin(losses, axis=0), dtype=np.int64)


def predict_chosen(
    trained: ensemble.Trained, inputs: Tensor, checkpoint: NDArray[np.int64], model: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Representation (G, n, r) and logits (G, n, C) of one network of each group, as it was at a checkpoint.

    Parameters
    ----------
    checkpoint, model
        (G,) the network of each group.
    """
    chosen = [
        _one_network(trained.snapshots[c], g, m, len(inputs))
        for g, (c, m) in enumerate(zip(checkpoint, model, strict=True))
    ]
    networks = ensemble.Networks(
        *(torch.cat(parameters) for parameters in zip(*(each.parameters() for each in chosen), strict=True))
    )
    hidden = networks.represent(inputs)
    return hidden.transpose(1, 2), networks.logits(hidden).transpose(1, 2)


def fold_in(trained: ensemble.Trained, sets: TrainingSets, checkpoint: int, model: int) -> Network:
    """The network of all training samples, on raw features: its projection is folded into the first layer."""
    last = len(sets.train) - 1
    network = _one_network(trained.snapshots[checkpoint], last, model, len(sets.train))
    projection = sets.projections[last]
    kept_weight = projection.loadings @ network.weight[0, :, : projection.loadings.shape[1]].T
    weight = torch.zeros(len(projection.fill), kept_weight.shape[1], device=kept_weight.device)
    weight[projection.kept] = kept_weight
    bias = network.bias[0, :, 0] - projection.fill @ weight
    return Network(
        fill=projection.fill.cpu().numpy(),
        weight=weight.cpu().numpy(),
        bias=bias.cpu().numpy(),
        head_weight=network.head_weight[0].T.contiguous().cpu().numpy(),
        head_bias=network.head_bias[0, :, 0].cpu().numpy(),
    )


def _one_network(networks: ensemble.Networks, group: int, model: int, n_groups: int) -> ensemble.Networks:
    n_models = len(networks.head_bias) // n_groups
    n_units = networks.weight.shape[1] // n_models
    units = slice(model * n_units, (model + 1) * n_units)
    head = group * n_models + model
    return ensemble.Networks(
        weight=networks.weight[group : group + 1, units],
        bias=networks.bias[group : group + 1, units],
        head_weight=networks.head_weight[head : head + 1],
        head_bias=networks.head_bias[head : head + 1],
    )


def _side_by_side(members: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(G, n) membership -> (G, m) positions of the members, and where these exist: m is the largest number of them."""
    order = np.argsort(~members, axis=1, kind="stable")[:, : max(1, members.sum(1).max())]
    return order, np.take_along_axis(members, order, axis=1)


def _groups_at_once(activations: int, device: torch.device) -> int:
    """How many groups of so many activations to train at once: a CPU's cache holds few, a GPU wants many."""
    return max(1, (2**19 if device.type == "cpu" else 2**30) // activations)


def _mean_weights(members: NDArray[np.bool_], device: torch.device) -> Tensor:
    """Equal weights that sum to one over the members of the last axis; zero where there are none."""
    weights = members / np.maximum(members.sum(-1, keepdims=True), 1)
    return torch.as_tensor(weights.astype(np.float32), device=device)
