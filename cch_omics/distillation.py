"""Teach the students of one modality: from every other omics, from their own, and from permuted logits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig
from cch_omics.ensemble import Trained
from cch_omics.predictions import Distillation, Encoding, network_arrays, network_of
from cch_omics.resume import Arrays, State
from cch_omics.splits import Splits
from cch_omics.training import (
    Teaching,
    TrainingSets,
    fit,
    fold_in,
    over_splits,
    predict_chosen,
    splits_at_once,
    training_sets,
)


def distil(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    student: str,
    settings: DistillationConfig,
    encoder: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    shuffled_controls: bool = True,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    state: State | None = None,
) -> Distillation:
    """Train the students of one modality.

    A teacher's soft targets are its teaching logits (`Encoding.teaching_logits`), so they exist for every training
    sample that it has profiled, labelled or not. Students stop when their own loss, of labels and soft targets, is the
    smallest on inner folds, where the teacher is its encoder without the fold. Lambda and temperature, if there are
    several to choose from, are chosen by the label log-loss there, for each teacher and control on its own.
    Students take the inputs that the encoding of their modality kept, if it did: principal components of the same
    training sets. Without `shuffled_controls` no students are trained from permuted logits. `state` keeps the result of
    each split until all are done.
    """
    (distillation,) = distil_grids(
        cohort,
        splits,
        encodings,
        student,
        [settings],
        encoder,
        seed=seed,
        device=device,
        shuffled_controls=shuffled_controls,
        threads=threads,
        progress=progress,
        state=state,
    )
    return distillation


def distil_grids(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    student: str,
    settings: Sequence[DistillationConfig],
    encoder: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    shuffled_controls: bool = True,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    state: State | None = None,
) -> list[Distillation]:
    """`distil` with several grids of lambda and temperature: a point that several have is trained once.

    Parameters
    ----------
    settings
        Of each result; all with the same `unlabelled`.
    shuffled_controls
        Whether students are trained from permuted logits as well: they are almost half of the work.
    """
    others = [name for name in encodings if name != student]
    permuted = others if shuffled_controls else []
    teachers = (*others, student, *permuted)
    shuffled = np.array([False] * (len(others) + 1) + [True] * len(permuted))
    n_splits, n_samples = splits.inner.shape
    n_classes = len(cohort.classes)
    data, inputs = cohort.modalities[student], encodings[student].inputs
    rows = data.rows
    grids = [[(weight, t) for weight in each.lambdas for t in each.temperatures] for each in settings]
    grid = list(dict.fromkeys(point for each in grids for point in each))
    allowed = [np.array([grid.index(point) for point in each]) for each in grids]
    lambdas = torch.tensor([weight for weight, _ in grid] * len(teachers), device=device)
    temperatures = torch.tensor([temperature for _, temperature in grid] * len(teachers), device=device)

    def teaching(s: int, sets: TrainingSets) -> Teaching:
        teacher_logits = np.stack([encodings[name].teaching(s)[:, rows] for name in teachers])  # (V, G, n, C)
        held_out = np.stack([encodings[name].logits[s, rows] for name in teachers])
        for g, members in enumerate(sets.predicted[:-1]):
            teacher_logits[:, g, members] = held_out[:, members]
        taught = _taught(teacher_logits[:, -1], sets, labelled_only=not settings[0].unlabelled)
        for v in np.flatnonzero(shuffled).tolist():
            random = np.random.default_rng((seed, *splits.entropy(s), v))
            for kind in (sets.train, sets.predicted):
                for g, members in enumerate(taught[v] & kind):
                    teacher_logits[v, g, members] = random.permutation(teacher_logits[v, g, members])
        return Teaching(
            soft=_soft_targets(teacher_logits, temperatures.view(len(teachers), -1)),
            samples=np.repeat(taught, len(grid), axis=0),
            lambdas=lambdas,
            temperatures=temperatures,
        )

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
                inputs=None if inputs is None else inputs[s],
            )
            for s in batch
        ]
        teachings = [teaching(s, of_split) for s, of_split in zip(batch, sets, strict=True)]
        fitted = fit(sets, cohort.labels[rows], n_classes, encoder, teachings)
        return [result(*of_split) for of_split in zip(batch, sets, fitted, strict=True)]

    def result(s: int, sets: TrainingSets, trained: Trained) -> Arrays:
        score = trained.score.view(len(sets.train), len(teachers), len(grid)).cpu().numpy()
        arrays: dict[str, NDArray[Any]] = {}
        for number, points in enumerate(allowed):
            # The best point of this grid for each training set and teacher: (K + 1, V).
            best = points[score[..., points].argmin(2)]
            arrays |= {f"{number}.{name}": array for name, array in chosen(s, sets, trained, best).items()}
        return arrays

    def chosen(s: int, sets: TrainingSets, trained: Trained, points: NDArray[np.int64]) -> Arrays:
        logits = np.full((len(teachers), n_samples, n_classes), np.nan, dtype=np.float32)
        networks: dict[str, NDArray[np.float32]] = {}
        models = points + np.arange(len(teachers)) * len(grid)
        for v in range(len(teachers)):
            _, predicted = predict_chosen(trained, sets.inputs, models[:, v])
            for g, members in enumerate(sets.predicted):
                logits[v, sets.rows[members]] = predicted[g, members].cpu().numpy()
        if s == splits.whole:
            for v, network in enumerate(fold_in(trained, sets, models[-1].tolist(), data.values, encoder)):
                networks |= network_arrays(network, f"network{v}")
        epochs = trained.epochs[-1].cpu().numpy()[models[-1]]
        return {"logits": logits, "chosen": points[-1], "epochs": epochs, **networks}

    at_once = splits_at_once(device, len(rows), splits.n_inner + 1, len(lambdas), n_classes, encoder)
    done = over_splits(
        distil_splits, n_splits, threads=threads, device=device, progress=progress, at_once=at_once, state=state
    )

    def distillation(number: int) -> Distillation:
        point = np.stack([arrays[f"{number}.chosen"] for arrays in done], axis=1)
        return Distillation(
            teachers=teachers,
            shuffled=shuffled,
            logits=np.stack([arrays[f"{number}.logits"] for arrays in done], axis=1),
            lambdas=np.array([weight for weight, _ in grid])[point],
            temperatures=np.array([temperature for _, temperature in grid])[point],
            epochs=np.stack([arrays[f"{number}.epochs"] for arrays in done], axis=1),
            networks=tuple(network_of(done[splits.whole], f"{number}.network{v}") for v in range(len(teachers))),
        )

    return [distillation(number) for number in range(len(settings))]


def _taught(teacher_logits: NDArray[np.float32], sets: TrainingSets, *, labelled_only: bool) -> NDArray[np.bool_]:
    """(V, n) the training samples of the split for which a teacher has logits."""
    training = sets.train[-1] & (sets.labelled if labelled_only else True)
    return np.asarray(training & np.isfinite(teacher_logits).all(-1))


def _soft_targets(teacher_logits: NDArray[np.float32], temperatures: Tensor) -> Tensor:
    """(V, G, n, C) logits, (V, P) temperatures -> (G, V * P, C, n) probabilities; without a teacher, uniform."""
    logits = torch.as_tensor(np.nan_to_num(teacher_logits), device=temperatures.device).permute(1, 0, 3, 2)
    return (logits[:, :, None] / temperatures[:, :, None, None]).softmax(3).flatten(1, 2)
