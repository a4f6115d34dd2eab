"""Encode one modality: held-out representations and logits of every training sample, logits of every test sample."""

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.predictions import Encoding, network_arrays, network_of
from cch_omics.resume import Arrays, State
from cch_omics.splits import Splits
from cch_omics.training import (
    TrainingSets,
    fit,
    fold_in,
    over_splits,
    predict_chosen,
    splits_at_once,
    training_sets,
)


def encode(
    cohort: Cohort,
    splits: Splits,
    modality: str,
    settings: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    state: State | None = None,
) -> Encoding:
    """Train the encoders of one modality and represent every sample by an encoder that did not see it.

    The encoder of a split's training samples is also the student that is trained alone, the baseline of every gain.
    Students that go without an inner fold must not learn of it from their teacher: encoders without each pair of inner
    folds give what these are taught. `state` keeps the result of each split until all are done.
    """
    n_splits, n_samples = splits.inner.shape
    n_classes = len(cohort.classes)
    data = cohort.modalities[modality]
    labels = cohort.labels[data.rows]

    def encode_splits(batch: Sequence[int]) -> list[Arrays]:
        sets = [
            training_sets(cohort, splits, s, modality, settings, seed=seed, device=device, without_pairs=True)
            for s in batch
        ]
        results: list[Arrays] = []
        for s, of_split, trained in zip(batch, sets, fit(sets, labels, n_classes, settings), strict=True):
            hidden, predicted = predict_chosen(trained, of_split.inputs, np.zeros(len(of_split.train), dtype=np.int64))
            representation = np.full((n_samples, settings.units), np.nan, dtype=np.float32)
            logits = np.full((n_samples, n_classes), np.nan, dtype=np.float32)
            teaching = np.full((splits.n_inner + 1, n_samples, n_classes), np.nan, dtype=np.float32)
            teaching[:, of_split.rows] = _teaching_logits(of_split, predicted.cpu().numpy())
            singles = [*range(splits.n_inner), len(of_split.train) - 1]
            for g in singles:
                members = of_split.predicted[g]
                rows = of_split.rows[members]
                logits[rows] = predicted[g, members].cpu().numpy()
                if g < splits.n_inner:
                    representation[rows] = hidden[g, members].cpu().numpy()
            arrays: dict[str, NDArray[Any]] = {
                "representation": representation,
                "logits": logits,
                "teaching_logits": teaching,
                "epochs": trained.epochs[-1, 0].cpu().numpy(),
                "inputs": of_split.inputs[singles].cpu().numpy(),
            }
            if s == splits.whole:
                arrays |= network_arrays(fold_in(trained, of_split, [0], data.values, settings)[0], "network")
            results.append(arrays)
        return results

    n_sets = splits.n_inner + comb(splits.n_inner, 2) + 1
    at_once = splits_at_once(device, len(labels), n_sets, 1, n_classes, settings)
    done = over_splits(
        encode_splits, n_splits, threads=threads, device=device, progress=progress, at_once=at_once, state=state
    )
    return Encoding(
        representation=np.stack([arrays["representation"] for arrays in done]),
        logits=np.stack([arrays["logits"] for arrays in done]),
        teaching_logits=np.stack([arrays["teaching_logits"] for arrays in done]),
        network=network_of(done[splits.whole], "network"),
        epochs=np.stack([arrays["epochs"] for arrays in done]),
        inputs=_stacked([arrays["inputs"] for arrays in done]),
    )


def _teaching_logits(sets: TrainingSets, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
    """What may teach the students of each training set without a fold, and of all samples, on the set's own samples.

    A sample with a label is predicted by the encoder that went without its inner fold as well. One without a label has
    none that an encoder could have learnt by heart: it is predicted by the encoder of the set and all those without one
    more fold, and their logits are averaged. So unlabelled patients are taught by more labels and several networks.

    Parameters
    ----------
    predicted
        (G, n, C) logits of all samples by the encoder of each training set.

    Returns
    -------
    (K + 1, n, C), NaN for samples outside the set.
    """
    folds = range(sets.n_inner)
    teaching = np.full((sets.n_inner + 1, *predicted.shape[1:]), np.nan, dtype=np.float32)
    for g, taught in enumerate(teaching):
        if g < sets.n_inner:
            own, others = g, {h: sets.n_inner + sets.pairs.index((min(g, h), max(g, h))) for h in folds if h != g}
        else:
            own, others = len(predicted) - 1, {h: h for h in folds}
        for h, encoder in others.items():
            held_out = sets.predicted[h] & sets.labelled
            taught[held_out] = predicted[encoder, held_out]
        unlabelled = sets.train[own] & ~sets.labelled
        taught[unlabelled] = predicted[[own, *others.values()]][:, unlabelled].mean(0)
    return teaching


def _stacked(inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """(S, K + 1, n, k), unless some training sets are so small that they have fewer components."""
    return np.stack(inputs) if len({each.shape for each in inputs}) == 1 else None
