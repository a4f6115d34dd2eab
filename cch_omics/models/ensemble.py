"""Every model, encoder or student, is the average of its members, without those that are clearly worse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cch_omics.config import EncoderConfig
from cch_omics.models.fit import Fitted, fit, fold_in
from cch_omics.models.linear import Linear, fit_linear
from cch_omics.models.out_of_fold import Network
from cch_omics.models.recipes import MEMBERS
from cch_omics.models.training_sets import Teaching, TrainingSets

# Features of the linear members.
LINEAR = [member.screened for member in MEMBERS if member.model == "linear"]
# Standard errors by which the held-out loss of a member is larger than the smallest one when it is left out.
CLEARLY = 2.0


@dataclass(frozen=True)
class Ensemble:
    """The M models of one split, each of E members.

    Attributes
    ----------
    networks, linear
        The members, in the order of `MEMBERS`.
    predicted
        (G, M, n, C) outputs of the averages.
    weights
        (G, M, E) of the members in them.
    """

    networks: Fitted
    linear: list[Linear]
    predicted: NDArray[np.float32]
    weights: NDArray[np.float64]


def fit_ensembles(
    sets: Sequence[TrainingSets],
    settings: EncoderConfig,
    teachings: Sequence[Teaching] | None = None,
    *,
    weight: float = 0.0,
    temperature: float = 1.0,
) -> list[Ensemble]:
    """Fit all members of M models on each training set of some splits; parameters as in `fit.fit`."""
    networks = fit(sets, settings, teachings, weight=weight, temperature=temperature)
    ensembles = []
    for s, (of_split, trained) in enumerate(zip(sets, networks, strict=True)):
        teaching = None if teachings is None else teachings[s]
        linear = fit_linear(of_split, teaching, soft_weight=weight, screened=LINEAR)
        of_members = np.stack([trained.predict(of_split.inputs), *(each.predicted for each in linear)])
        ensembles.append(Ensemble(trained, linear, *average(of_split, of_members, CLEARLY)))
    return ensembles


def average(
    sets: TrainingSets, predicted: NDArray[np.float32], clearly: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average the members of M models of a split.

    Few labels do not tell which member is best, and the average of all is then better than most choices. Where labels
    do tell that a member is worse, it would only do harm. So of each training set those members are averaged whose
    loss, on the inner folds that the set may look at (`TrainingSets.judges`), is at most some standard errors above
    that of the best.

    Parameters
    ----------
    predicted
        (E, G, M, n, C) outputs of the members.
    clearly
        How many standard errors; with 0 it is a choice of one.

    Returns
    -------
    tuple
        (G, M, n, C) outputs, and (G, M, E) weights of the members.
    """
    n_members, n_sets, n_models, n, _ = predicted.shape
    may_look = sets.judges()[:, : sets.n_inner] > 0
    loss, fold = np.full((n_members, n_models, n), np.nan), np.full(n, -1)
    for g in range(sets.n_inner):
        judged = np.flatnonzero(sets.predicted[g] & sets.labelled)
        loss[:, :, judged] = sets.task.loss(predicted[:, g][:, :, judged], sets.values[judged])
        fold[judged] = g
    weights = np.empty((n_sets, n_models, n_members))
    for g, look in enumerate(may_look):
        weights[g] = _weights(loss[..., np.isin(fold, np.flatnonzero(look))], clearly)
    averaged = np.einsum("gme,egmnc->gmnc", weights.astype(np.float32), predicted)
    return averaged, weights


def _weights(loss: NDArray[np.float64], clearly: float) -> NDArray[np.float64]:
    """(E, M, m) losses of held-out samples -> (M, E)."""
    n_members, n_models, n = loss.shape
    if n < 2:
        return np.full((n_models, n_members), 1 / n_members)
    best = np.take_along_axis(loss, loss.mean(2).argmin(0)[None, :, None], 0)
    behind = loss - best
    kept = behind.mean(2) <= clearly * behind.std(2, ddof=1) / np.sqrt(n)
    return np.asarray((kept / kept.sum(0)).T)


def deployed(
    ensemble: Ensemble, sets: TrainingSets, values: NDArray[np.float32], settings: EncoderConfig
) -> tuple[Network, ...]:
    """The M models of all training samples, on raw features (n, p) of the one modality of the view."""
    (scaling,) = sets.scalings
    kept, scale = (each.cpu().numpy() for each in (scaling.kept, scaling.scale))
    models = []
    for m, network in enumerate(fold_in(ensemble.networks, sets, values, settings)):
        share, *shares = ensemble.weights[-1, m].astype(np.float32)
        skip, shift = np.zeros_like(network.skip_weight), share * network.head_bias
        for of_member, each in zip(shares, ensemble.linear, strict=True):
            of_features = scale[:, None] * each.weight[m]
            skip[kept] += of_member * of_features
            shift = shift + of_member * (each.intercept[m] - network.fill[kept] @ of_features)
        models.append(replace(network, head_weight=share * network.head_weight, head_bias=shift, skip_weight=skip))
    return tuple(models)
