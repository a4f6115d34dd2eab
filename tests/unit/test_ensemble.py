"""Averages of members, against plain loops, and the file that they become."""

import dataclasses

import numpy as np
import pytest
from cohorts import make_cohort
from outputs import screening
from test_linear import ENCODER, WEIGHT, make_sets, make_teaching

from cch_omics.models import ensemble
from cch_omics.models.ensemble import average, fit_ensembles
from cch_omics.models.training_sets import TrainingSets


def plain_average(sets: TrainingSets, predicted: np.ndarray, clearly: float) -> tuple[np.ndarray, np.ndarray]:
    """`average`, one training set, model and sample after the other."""
    n_members, n_sets, n_models, n, _ = predicted.shape
    fold_of = [[*np.flatnonzero(sets.predicted[: sets.n_inner, i]), -1][0] for i in range(n)]
    averaged, weights = np.zeros(predicted.shape[1:]), np.zeros((n_sets, n_models, n_members))
    # The first sets go without one inner fold each, the last one without none.
    for g in range(n_sets):
        judged = [i for i in range(n) if sets.labelled[i] and fold_of[i] not in {-1, g}]
        for m in range(n_models):
            losses = np.array(
                [
                    [sets.task.loss(predicted[e, fold_of[i], m, [i]], sets.values[[i]])[0] for i in judged]
                    for e in range(n_members)
                ]
            )
            best = losses[losses.mean(1).argmin()]
            kept = [
                e
                for e in range(n_members)
                if (losses[e] - best).mean() <= clearly * (losses[e] - best).std(ddof=1) / len(judged) ** 0.5
            ]
            weights[g, m, kept] = 1 / len(kept)
            averaged[g, m] = sum(predicted[e, g, m] for e in kept) / len(kept)
    return averaged, weights


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
@pytest.mark.parametrize("clearly", [0, 2])
def test_members_that_are_not_clearly_worse_are_averaged(task: str, clearly: float) -> None:
    sets = make_sets(task)
    random = np.random.default_rng(0)
    shape = (2, len(sets.train), 2, len(sets.rows), sets.task.n_outputs)
    predicted = random.standard_normal(shape).astype(np.float32)
    predicted += np.where(task == "regression", np.nanmean(sets.values), 0).astype(np.float32)
    # A little worse than the first, and very much.
    worse = predicted[:1] + np.array([0.2, 30], np.float32)[:, None, None, None, None] * random.standard_normal(shape)
    members = np.concatenate([predicted, worse.astype(np.float32)])
    found, weights = average(sets, members, clearly)
    expected, plain = plain_average(sets, members, clearly)
    np.testing.assert_allclose(weights, plain)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert (weights[..., 3] == 0).all()
    assert (weights > 0).sum(2).max() == (1 if clearly == 0 else 3)


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
@pytest.mark.parametrize("taught", [False, True])
def test_each_member_and_each_average_is_deployed_as_it_predicted(task: str, taught: bool) -> None:
    """From raw features, whatever the members' weights, of patients of the test set."""
    sets = make_sets(task)
    teachings = [make_teaching(sets)] if taught else None
    with screening(3):
        (fitted,) = fit_ensembles([sets], ENCODER, teachings, weight=WEIGHT)
    of_members = np.stack([fitted.networks.predict(sets.inputs), *(each.predicted for each in fitted.linear)])
    raw = make_cohort(n=72, task=task).modalities["rna"].values
    for weights in (*np.eye(3), np.array([0.5, 0.2, 0.3])):
        given = dataclasses.replace(fitted, weights=np.broadcast_to(weights, fitted.weights.shape))
        networks = ensemble.deployed(given, sets, raw, ENCODER)
        expected = np.einsum("e,emnc->mnc", weights, of_members[:, -1])
        for network, outputs in zip(networks, expected, strict=True):
            np.testing.assert_allclose(network.outputs(raw), outputs, atol=2e-3)
