"""Fit networks on the training sets of many splits, predict with them, and fold them into networks on raw features."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.config import EncoderConfig
from cch_omics.models.network import Drawn, InputDropout, Networks, initialise
from cch_omics.models.out_of_fold import Network
from cch_omics.models.preprocess import as_tensor, fit_projection
from cch_omics.models.train import Samples, Schedule, train
from cch_omics.models.training_sets import Teaching, TrainingSets, mean_weights, side_by_side, stack_padded
from cch_omics.runtime.parallel import each_part
from cch_omics.runtime.resume import Arrays, State
from cch_omics.tasks.base import GroupTargets

# A loss curve is smooth at this scale.
CHECK_EVERY = 5
# Networks without a new best held-out loss for so many epochs are finished. On TCGA-BRCA this saves a third of the
# epochs, and one choice in two hundred is not the one of a full run, by 0.002 nats of held-out loss.
PATIENCE = 50
# Activations, in numbers of four bytes, of the groups that are one batch on a CPU: they stay in a core's cache.
CPU_ACTIVATIONS = 2**19

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """The networks of one split: G groups of M.

    Attributes
    ----------
    networks
        Their parameters.
    epochs
        (G, M) steps taken until their best.
    centre, scale
        (G,) units of the networks' outputs, see `tasks.base.GroupTargets`.
    """

    networks: Networks
    epochs: Tensor
    centre: Tensor
    scale: Tensor

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> NDArray[np.float32]:
        """(G, n, k) -> (G, M, n, C) outputs in the unit of the task."""
        outputs = self.networks(inputs) * self.scale[:, None, None, None] + self.centre[:, None, None, None]
        predicted: NDArray[np.float32] = outputs.transpose(2, 3).cpu().numpy()
        return predicted

    @torch.no_grad()
    def represent(self, inputs: Tensor) -> NDArray[np.float32]:
        """(G, n, k) -> (G, M, n, r)."""
        hidden: NDArray[np.float32] = self.networks.represent(inputs).transpose(2, 3).cpu().numpy()
        return hidden


def fit(
    sets: Sequence[TrainingSets],
    settings: EncoderConfig,
    teachings: Sequence[Teaching] | None = None,
    *,
    weight: float = 0.0,
    temperature: float = 1.0,
    initial: Callable[..., Networks] = initialise,
) -> list[Fitted]:
    """Train M networks on each training set of some splits, as one batch if memory holds it.

    Parameters
    ----------
    sets
        Of each split.
    teachings
        Of each split, all of M networks; None for one network without a teacher.
    weight, temperature
        Of the soft targets.
    initial
        Makes the untrained networks, with the arguments of `network.initialise`. A subclass of `Networks` takes its
        parameters in their order; all splits then have as many inputs, and `fold_in` is not for it.
    """
    schedule = Schedule(
        epochs=settings.max_epochs,
        patience=PATIENCE,
        check_every=CHECK_EVERY,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        dropout=settings.dropout,
    )
    device = sets[0].inputs.device

    def train_part(splits: slice, models: slice) -> list[Fitted]:
        batch = sets[splits]
        taught = [None] * len(batch) if teachings is None else [each.models(models) for each in teachings[splits]]
        targets = [each.task.group_targets(each.values, each.train & each.labelled) for each in batch]
        n_models, width = models.stop - models.start, max(each.inputs.shape[2] for each in batch)
        padding = [width - each.inputs.shape[2] for each in batch]
        starts = [
            initial(
                each.seeds, n_models, each.inputs.shape[2], settings.units, target.start, shared=each.task.shared_head
            )
            for each, target in zip(batch, targets, strict=True)
        ]

        def gathered(members: Literal["train", "predicted"]) -> tuple[Samples, list[Drawn]]:
            of_splits = [
                _gather(each, getattr(each, members), target, by, temperature)
                for each, target, by in zip(batch, targets, taught, strict=True)
            ]
            return _stacked([samples for samples, _ in of_splits]), [drawn for _, each in of_splits for drawn in each]

        samples, drawn = gathered("train")
        networks, epochs = train(
            _joined(starts, padding).to(device),
            # The losses of the others are the same: what was fitted in a split is in its targets.
            batch[0].task,
            samples,
            gathered("predicted")[0],
            torch.stack([torch.as_tensor(each.judges(), device=device) for each in batch]),
            InputDropout(samples.inputs, drawn, [seed for each in batch for seed in each.seeds], schedule.dropout),
            schedule,
            weight=weight,
            temperature=temperature,
        )
        n_sets = len(batch[0].train)
        fitted = []
        for i, target in enumerate(targets):
            groups = slice(i * n_sets, (i + 1) * n_sets)
            own = [parameter.detach()[groups] for parameter in networks.parameters()]
            own[0] = own[0][..., : own[0].shape[-1] - padding[i]]
            units = (torch.as_tensor(unit, device=device) for unit in (target.centre, target.scale))
            fitted.append(Fitted(type(networks)(*own), epochs[groups], *units))
        return fitted

    n_models = 1 if teachings is None else len(teachings[0].samples)
    return _within_memory(train_part, slice(0, len(sets)), slice(0, n_models))


def _gather(
    sets: TrainingSets,
    members: NDArray[np.bool_],
    target: GroupTargets,
    teaching: Teaching | None,
    temperature: float,
) -> tuple[Samples, list[Drawn]]:
    """The members (G, n) of each group that have a weight in the loss, side by side; and which of them these are."""
    device = sets.inputs.device
    useful: NDArray[np.bool_] = sets.labelled if teaching is None else sets.labelled | teaching.samples.any(0)
    index, exists = side_by_side(members & useful)
    position = torch.as_tensor(index, device=device)
    group = np.arange(len(index))[:, None]
    samples = Samples(
        inputs=sets.inputs.gather(1, position[:, :, None].expand(-1, -1, sets.inputs.shape[2])),
        target=torch.as_tensor(np.ascontiguousarray(target.values[group, :, index].transpose(0, 2, 1)), device=device),
        label_weight=mean_weights(exists & sets.labelled[index], device),
    )
    drawn = [Drawn(int(each.sum()), sets.inputs.shape[2], np.flatnonzero(useful[each])) for each in members]
    if teaching is None:
        return samples, drawn
    # (G, m, M, C) -> (G, M, C, m), in the units of the students' networks.
    outputs = np.nan_to_num(teaching.outputs[:, group, index]).transpose(1, 0, 3, 2)
    units = target.centre[:, None, None, None], target.scale[:, None, None, None]
    soft = torch.as_tensor(np.ascontiguousarray((outputs - units[0]) / units[1]), device=device)
    return Samples(
        inputs=samples.inputs,
        target=samples.target,
        label_weight=samples.label_weight,
        soft=sets.task.soften(soft, temperature),
        soft_weight=mean_weights(exists[:, None] & teaching.samples[:, index].swapaxes(0, 1), device),
    ), drawn


def _stacked(parts: list[Samples]) -> Samples:
    """Groups of several splits one after the other; where some have fewer samples or inputs, the rest is zero."""
    if len(parts) == 1:
        return parts[0]
    soft = [part.soft for part in parts if part.soft is not None]
    soft_weight = [part.soft_weight for part in parts if part.soft_weight is not None]
    return Samples(
        inputs=stack_padded([part.inputs for part in parts], (1, 2)),
        target=stack_padded([part.target for part in parts], (2,)),
        label_weight=stack_padded([part.label_weight for part in parts], (1,)),
        soft=stack_padded(soft, (3,)) if soft else None,
        soft_weight=stack_padded(soft_weight, (2,)) if soft_weight else None,
    )


def _joined(parts: list[Networks], padding: list[int]) -> Networks:
    """Groups of several splits one after the other; where some have fewer inputs, the rest of their weights is zero."""
    weight = torch.cat(
        [torch.nn.functional.pad(part.weight, (0, more)) for part, more in zip(parts, padding, strict=True)]
    )
    others = zip(*(list(part.parameters())[1:] for part in parts), strict=True)
    return type(parts[0])(weight.detach(), *(torch.cat(parameters).detach() for parameters in others))


def _within_memory(train_part: Callable[[slice, slice], list[Fitted]], splits: slice, models: slice) -> list[Fitted]:
    """Train some splits and networks as one batch, or as two halves where a GPU has no memory for it."""
    n_splits, n_models = splits.stop - splits.start, models.stop - models.start
    try:
        return train_part(splits, models)
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
        return [fitted for half in halves for fitted in _within_memory(train_part, half, models)]
    middle = models.start + n_models // 2
    parts = [
        _within_memory(train_part, splits, slice(*ends)) for ends in ((models.start, middle), (middle, models.stop))
    ]
    return [_join_models(list(of_split)) for of_split in zip(*parts, strict=True)]


def _join_models(parts: list[Fitted]) -> Fitted:
    """The networks of the same groups that were trained in several batches."""
    of_one_kind = zip(*(part.networks.parameters() for part in parts), strict=True)
    networks = type(parts[0].networks)(*(torch.cat(parameters, 1).detach() for parameters in of_one_kind))
    return Fitted(networks, torch.cat([part.epochs for part in parts], 1), parts[0].centre, parts[0].scale)


def fold_in(
    fitted: Fitted, sets: TrainingSets, values: NDArray[np.float32], settings: EncoderConfig
) -> tuple[Network, ...]:
    """The M networks of all training samples, on raw features (n, p) of the one modality of the view.

    Their components, fitted once more, are folded into the first layer, the unit of the target into the head.
    """
    (scaling,) = sets.scalings
    device = fitted.centre.device
    members = torch.as_tensor(sets.train[-1], device=device)
    projection = fit_projection(as_tensor(values, device), members, settings, scaling)
    networks = []
    for first, bias, head_weight, head_bias in zip(
        *(parameter.detach()[-1] for parameter in fitted.networks.parameters()), strict=True
    ):
        kept_weight = projection.loadings @ first[:, : projection.loadings.shape[1]].T
        weight = torch.zeros(len(scaling.fill), kept_weight.shape[1], device=device)
        weight[scaling.kept] = kept_weight
        networks.append(
            Network(
                fill=scaling.fill.cpu().numpy(),
                bound=scaling.bound.cpu().numpy(),
                weight=weight.cpu().numpy(),
                bias=(bias[:, 0] - scaling.fill @ weight).cpu().numpy(),
                head_weight=(head_weight.T.expand(-1, len(head_bias)) * fitted.scale[-1]).contiguous().cpu().numpy(),
                head_bias=(head_bias[:, 0] * fitted.scale[-1] + fitted.centre[-1]).cpu().numpy(),
                skip_weight=np.zeros((len(scaling.fill), len(head_bias)), dtype=np.float32),
            )
        )
    return tuple(networks)


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
    device: torch.device, n_samples: int, n_sets: int, n_models: int, n_outputs: int, settings: EncoderConfig
) -> int:
    """How many splits are trained as one batch: on a CPU a few if they are small, on a GPU as many as it holds.

    On a CPU the batches are the same whatever the number of processes, and so many that these have some each.
    """
    if device.type == "cpu":
        return max(1, min(3, CPU_ACTIVATIONS // (n_sets * n_models * settings.units * n_samples)))
    free, _ = torch.cuda.mem_get_info(device)
    # Of each group: inputs and their masks; activations and their gradients; what is made of outputs; parameters, their
    # gradients, two moments and the best so far, and all of them once more while the batch shrinks.
    inputs = 6 * n_samples * settings.components
    activations = 4 * n_models * settings.units * n_samples
    outputs = 8 * n_models * n_outputs * n_samples
    parameters = 10 * n_models * settings.units * (settings.components + n_outputs)
    return max(1, int(0.7 * free) // (4 * n_sets * (inputs + activations + outputs + parameters)))
