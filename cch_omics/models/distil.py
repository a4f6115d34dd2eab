"""Train the students of one modality: from every teacher, from their own omics, and from permuted soft targets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig
from cch_omics.models.ensemble import Ensemble, deployed, fit_ensembles
from cch_omics.models.fit import over_splits, splits_at_once
from cch_omics.models.out_of_fold import NO_MODELS, Encoding, Model, OutOfFold, network_arrays, network_of
from cch_omics.models.recipes import ALONE, TAUGHT
from cch_omics.models.training_sets import Teaching, TrainingSets, name_code, training_sets
from cch_omics.runtime.resume import Arrays, State
from cch_omics.splits import Splits
from cch_omics.views import is_left_out


def models_of(student: str, teachers: Sequence[str], *, shuffled_controls: bool = True) -> tuple[Model, ...]:
    """The students of one modality: the one trained alone; of each recipe those of all teachers, and their controls."""
    models = [Model(ALONE.name)]
    for recipe in TAUGHT if teachers else ():
        models += [Model(recipe.name, teacher) for teacher in teachers]
        models.append(Model(recipe.name, student, "self"))
        if shuffled_controls:
            models += [Model(recipe.name, teacher, "shuffled") for teacher in teachers]
    return tuple(models)


def distil(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    student: str,
    teachers: Sequence[str],
    settings: DistillationConfig,
    encoder: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    shuffled_controls: bool = True,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    state: State | None = None,
) -> OutOfFold:
    """Train the students of one modality.

    Soft targets exist for every training sample that has the teacher's view, labelled or not (`Encoding.soft_targets`).
    Students stop when their own loss, of labels and soft targets, is the smallest on inner folds, where the teacher is
    its encoder without the fold. The student that is trained alone is the encoder of its modality. A modality that was
    left out has no student.

    Parameters
    ----------
    encodings
        By view, those of the student and of the teachers.
    teachers
        Views that teach.
    shuffled_controls
        Whether students are trained from permuted soft targets as well: they are almost half of the work.
    state
        Keeps the result of each split until all are done.
    """
    if is_left_out(cohort, student):
        return NO_MODELS
    models = models_of(student, teachers, shuffled_controls=shuffled_controls)
    taught_by = models[1:]
    own = encodings[student]
    if not taught_by:
        return _with_alone(own, models, [], splits)
    n_splits, n_samples = splits.inner.shape
    n_outputs = cohort.target.task.n_outputs
    data = cohort.modalities[student]
    rows = data.rows

    def distil_splits(batch: Sequence[int]) -> list[Arrays]:
        sets = [
            training_sets(
                cohort,
                splits,
                s,
                student,
                encoder,
                seed=seed,
                device=device,
                inputs=None if own.inputs is None else own.inputs[s],
            )
            for s in batch
        ]
        fitted = fit_ensembles(
            sets,
            encoder,
            [
                teaching(encodings, taught_by, splits, s, of_split, settings, seed=seed)
                for s, of_split in zip(batch, sets, strict=True)
            ],
            weight=settings.weight,
            temperature=settings.temperature,
        )
        return [result(*of_split) for of_split in zip(batch, sets, fitted, strict=True)]

    def result(s: int, sets: TrainingSets, ensemble: Ensemble) -> Arrays:
        outputs = np.full((len(taught_by), n_samples, n_outputs), np.nan, dtype=np.float32)
        for g, members in enumerate(sets.predicted):
            outputs[:, rows[members]] = ensemble.predicted[g][:, members]
        arrays: dict[str, NDArray[Any]] = {
            "outputs": outputs,
            "epochs": ensemble.networks.epochs[-1].cpu().numpy(),
            "weights": ensemble.weights[-1],
        }
        if s == splits.full:
            for m, network in enumerate(deployed(ensemble, sets, data.values, encoder)):
                arrays |= network_arrays(network, f"network{m}")
        return arrays

    at_once = splits_at_once(device, len(rows), splits.n_inner + 1, len(taught_by), n_outputs, encoder)
    done = over_splits(
        distil_splits, n_splits, threads=threads, device=device, progress=progress, at_once=at_once, state=state
    )
    return _with_alone(own, models, done, splits)


def teaching(
    encodings: Mapping[str, Encoding],
    taught_by: Sequence[Model],
    splits: Splits,
    split: int,
    sets: TrainingSets,
    settings: DistillationConfig,
    *,
    seed: int,
) -> Teaching:
    """What some students of a split are taught: outputs of their teachers' encoders, permuted for shuffled controls.

    Parameters
    ----------
    encodings
        By view, those of the teachers.
    taught_by
        (M,) what the students are.
    """
    outputs = np.stack([encodings[model.teacher].soft_targets[split][:, sets.rows] for model in taught_by])
    held_out = np.stack([encodings[model.teacher].outputs[split, sets.rows] for model in taught_by])
    for g, members in enumerate(sets.predicted[:-1]):
        outputs[:, g, members] = held_out[:, members]
    usable = sets.train[-1] & (sets.labelled | settings.unlabelled)
    samples = usable & np.isfinite(outputs[:, -1]).all(-1)
    for m, model in enumerate(taught_by):
        if model.control == "shuffled":
            # Of the teacher's name, so that it is the same whichever other teachers there are.
            random = np.random.default_rng((seed, *splits.entropy(split), name_code(model.teacher)))
            for kind in (sets.train, sets.predicted):
                for g, members in enumerate(samples[m] & kind):
                    outputs[m, g, members] = random.permutation(outputs[m, g, members])
    return Teaching(outputs, samples)


def _with_alone(own: Encoding, models: tuple[Model, ...], done: Sequence[Arrays], splits: Splits) -> OutOfFold:
    """The students that were taught in each split, after the one that was trained alone."""
    if own.network is None:
        raise ValueError("a student is of one modality")
    outputs, epochs, weights, networks = own.outputs[None], own.epochs[None], own.weights[None], [own.network]
    if done:
        outputs = np.concatenate([outputs, np.stack([arrays["outputs"] for arrays in done], axis=1)])
        epochs = np.concatenate([epochs, np.stack([arrays["epochs"] for arrays in done], axis=1)])
        weights = np.concatenate([weights, np.stack([arrays["weights"] for arrays in done], axis=1)])
        last = done[splits.full]
        networks += [network_of(last, f"network{m}") for m in range(len(models) - 1)]
    return OutOfFold(models, outputs, tuple(networks), epochs, weights)
