"""Encode one modality: held-out representations and logits of every training sample, logits of every test sample."""

from collections.abc import Callable

import numpy as np
import torch

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.predictions import Encoding, Network
from cch_omics.splits import Splits
from cch_omics.training import choose, fit, fold_in, over_splits, predict_chosen, training_sets


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
) -> Encoding:
    """Train the encoders of one modality and represent every sample by an encoder that did not see it.

    The encoder of a split's training samples is also the student that is trained alone, the baseline of every gain.
    """
    n_splits, n_samples = splits.inner.shape
    n_classes = len(cohort.classes)
    labels = cohort.labels[cohort.modalities[modality].rows]
    representation = np.full((n_splits, n_samples, settings.units), np.nan, dtype=np.float32)
    logits = np.full((n_splits, n_samples, n_classes), np.nan, dtype=np.float32)
    epochs = np.zeros(n_splits, dtype=np.int64)
    networks: dict[int, Network] = {}

    def encode_split(s: int) -> None:
        sets = training_sets(cohort, splits, s, modality, settings, seed=seed, device=device)
        trained = fit(sets, labels, n_classes, settings)
        n_held_out = (sets.predicted & sets.labelled).sum(1)[:-1].astype(float)
        checkpoint = choose(trained.held_out_loss[:, :-1, 0], n_held_out)
        hidden, predicted = predict_chosen(trained, sets.inputs, checkpoint, np.zeros_like(checkpoint))
        for g, members in enumerate(sets.predicted):
            rows = sets.rows[members]
            logits[s, rows] = predicted[g, members].cpu().numpy()
            if g < splits.n_inner:
                representation[s, rows] = hidden[g, members].cpu().numpy()
        epochs[s] = trained.epochs[checkpoint[-1]]
        if s == splits.whole:
            networks[s] = fold_in(trained, sets, int(checkpoint[-1]), 0)

    over_splits(encode_split, n_splits, threads=threads, progress=progress)
    return Encoding(representation=representation, logits=logits, network=networks[splits.whole], epochs=epochs)
