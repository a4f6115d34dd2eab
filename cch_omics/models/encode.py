"""Encode one view: held-out representations and outputs of every training sample, outputs of every test sample."""

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig
from cch_omics.models.ensemble import deployed, fit_ensembles
from cch_omics.models.fit import over_splits, splits_at_once
from cch_omics.models.out_of_fold import NO_ENCODING, Encoding, network_arrays, network_of
from cch_omics.models.training_sets import TrainingSets, training_sets
from cch_omics.runtime.resume import Arrays, State
from cch_omics.splits import Splits
from cch_omics.views import is_left_out, members


def encode(
    cohort: Cohort,
    splits: Splits,
    view: str,
    settings: EncoderConfig,
    *,
    seed: int,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    state: State | None = None,
) -> Encoding:
    """Train the encoders of one view and represent every sample by an encoder that did not see it.

    The encoder of a split's training samples is also the student that is trained alone, the baseline of every gain.
    Students that go without an inner fold must not learn of it from their teacher: encoders without each pair of inner
    folds give what these are taught. `state` keeps the result of each split until all are done. A view that was left
    out has no encoding.
    """
    if is_left_out(cohort, view):
        return NO_ENCODING
    n_splits, n_samples = splits.inner.shape
    n_outputs = cohort.target.task.n_outputs
    rows = np.flatnonzero(cohort.profiled(view))
    n_sets = splits.n_inner + comb(splits.n_inner, 2) + 1

    def encode_splits(batch: Sequence[int]) -> list[Arrays]:
        sets = [
            training_sets(cohort, splits, s, view, settings, seed=seed, device=device, without_pairs=True)
            for s in batch
        ]
        results: list[Arrays] = []
        for s, of_split, ensemble in zip(batch, sets, fit_ensembles(sets, settings), strict=True):
            trained = ensemble.networks
            hidden, predicted = trained.represent(of_split.inputs)[:, 0], ensemble.predicted[:, 0]
            representation = np.full((n_samples, settings.units), np.nan, dtype=np.float32)
            outputs = np.full((n_samples, n_outputs), np.nan, dtype=np.float32)
            soft_targets = np.full((splits.n_inner + 1, n_samples, n_outputs), np.nan, dtype=np.float32)
            soft_targets[:, rows] = out_of_fold_soft_targets(of_split, predicted)
            for g in of_split.singles:
                held_out = of_split.predicted[g]
                outputs[rows[held_out]] = predicted[g, held_out]
                if g < splits.n_inner:
                    representation[rows[held_out]] = hidden[g, held_out]
            arrays: dict[str, NDArray[Any]] = {
                "representation": representation,
                "outputs": outputs,
                "soft_targets": soft_targets,
                "epochs": trained.epochs[-1, 0].cpu().numpy(),
                "weights": ensemble.weights[-1, 0],
                "inputs": of_split.inputs[of_split.singles].cpu().numpy(),
            }
            if s == splits.full and len(members(view)) == 1:
                (network,) = deployed(ensemble, of_split, cohort.modalities[view].values, settings)
                arrays |= network_arrays(network, "network")
            results.append(arrays)
        return results

    at_once = splits_at_once(device, len(rows), n_sets, 1, n_outputs, settings)
    done = over_splits(
        encode_splits, n_splits, threads=threads, device=device, progress=progress, at_once=at_once, state=state
    )
    last = done[splits.full]
    inputs = [arrays["inputs"] for arrays in done]
    return Encoding(
        representation=np.stack([arrays["representation"] for arrays in done]),
        outputs=np.stack([arrays["outputs"] for arrays in done]),
        soft_targets=np.stack([arrays["soft_targets"] for arrays in done]),
        epochs=np.stack([arrays["epochs"] for arrays in done]),
        weights=np.stack([arrays["weights"] for arrays in done]),
        network=network_of(last, "network") if "network.weight" in last else None,
        # Some training sets may be so small that they have fewer components.
        inputs=np.stack(inputs) if len({each.shape for each in inputs}) == 1 else None,
    )


def out_of_fold_soft_targets(sets: TrainingSets, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
    """What may teach the students of each training set without a fold, and of all samples, on the set's own samples.

    A labelled sample is predicted by the encoder that went without its inner fold as well. Unlabelled samples cannot
    leak labels, so the outputs of all eligible encoders are averaged: that of the set, and all those without one more
    fold. Unlabelled patients are thus taught by more labels and several networks.

    Parameters
    ----------
    predicted
        (G, n, C) outputs for all samples by the encoder of each training set.

    Returns
    -------
    (K + 1, n, C), NaN for samples outside the set.
    """
    folds = range(sets.n_inner)
    soft_targets = np.full((sets.n_inner + 1, *predicted.shape[1:]), np.nan, dtype=np.float32)
    for g, taught in enumerate(soft_targets):
        if g < sets.n_inner:
            own, others = g, {h: sets.n_inner + sets.pairs.index((min(g, h), max(g, h))) for h in folds if h != g}
        else:
            own, others = len(predicted) - 1, {h: h for h in folds}
        for h, encoder in others.items():
            held_out = sets.predicted[h] & sets.labelled
            taught[held_out] = predicted[encoder, held_out]
        unlabelled = sets.train[own] & ~sets.labelled
        taught[unlabelled] = predicted[[own, *others.values()]][:, unlabelled].mean(0)
    return soft_targets
