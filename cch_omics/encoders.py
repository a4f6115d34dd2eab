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
from cch_omics.training import fit, fold_in, over_splits, predict_chosen, splits_at_once, training_sets


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
    folds give what these are taught (`Encoding.nested_logits`). `state` keeps the result of each split until all are
    done.
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
            nested = np.full((splits.n_inner, n_samples, n_classes), np.nan, dtype=np.float32)
            singles = [*range(splits.n_inner), len(of_split.train) - 1]
            for g in singles:
                members = of_split.predicted[g]
                rows = of_split.rows[members]
                logits[rows] = predicted[g, members].cpu().numpy()
                if g < splits.n_inner:
                    representation[rows] = hidden[g, members].cpu().numpy()
            for number, (g, h) in enumerate(of_split.pairs, start=splits.n_inner):
                for without, own in ((g, h), (h, g)):
                    members = of_split.predicted[own]
                    nested[without, of_split.rows[members]] = predicted[number, members].cpu().numpy()
            arrays: dict[str, NDArray[Any]] = {
                "representation": representation,
                "logits": logits,
                "nested_logits": nested,
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
        nested_logits=np.stack([arrays["nested_logits"] for arrays in done]),
        network=network_of(done[splits.whole], "network"),
        epochs=np.stack([arrays["epochs"] for arrays in done]),
        inputs=_stacked([arrays["inputs"] for arrays in done]),
    )


def _stacked(inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """(S, K + 1, n, k), unless some training sets are so small that they have fewer components."""
    return np.stack(inputs) if len({each.shape for each in inputs}) == 1 else None
