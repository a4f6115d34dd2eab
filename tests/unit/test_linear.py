"""Linear members: closed forms against plain ones, and what they are fitted to."""

import dataclasses

import numpy as np
import pytest
import torch
from cohorts import make_cohort

from cch_omics.config import EncoderConfig, SplitsConfig
from cch_omics.models import linear
from cch_omics.models.linear import fit_linear
from cch_omics.models.training_sets import Teaching, TrainingSets, training_sets
from cch_omics.splits import make_splits
from cch_omics.tasks.base import Responses

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=4, components=8, max_epochs=5)
WEIGHT = 0.6
SCREENED = 3


def make_sets(task: str, view: str = "rna", *, more_features: int = 0) -> TrainingSets:
    cohort = make_cohort(n=72, task=task)
    if more_features:
        own = cohort.modalities[view]
        noise = np.random.default_rng(0).standard_normal((len(own.rows), more_features)).astype(np.float32)
        names = np.array([f"noise{j}" for j in range(more_features)])
        wide = dataclasses.replace(
            own, values=np.hstack([own.values, noise]), features=np.concatenate([own.features, names])
        )
        cohort = dataclasses.replace(cohort, modalities=cohort.modalities | {view: wide})
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=0)
    # A third of the samples has no label.
    splits = dataclasses.replace(splits, labelled=splits.labelled & (np.arange(72) % 3 > 0))
    return training_sets(cohort, splits, 0, view, ENCODER, seed=0, device=CPU)


def make_teaching(sets: TrainingSets) -> Teaching:
    """Two teachers, the second of half of the samples."""
    random = np.random.default_rng(0)
    n = len(sets.rows)
    outputs = random.standard_normal((2, len(sets.train), n, sets.task.n_outputs)).astype(np.float32) - 1
    outputs += np.where(sets.task.name == "regression", np.nanmean(sets.values), 0).astype(np.float32)
    samples = np.stack([sets.train[-1], sets.train[-1] & (np.arange(n) % 2 == 0)])
    return Teaching(outputs, samples)


def rows_of(sets: TrainingSets, g: int, m: int, teaching: Teaching | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and soft targets as rows of their own: features, responses and weights."""
    scaled, units = sets.scaled.double().numpy(), responses_of(sets, g)
    known = sets.train[g] & sets.labelled
    parts = [(scaled[known], units.values[known], units.weight[known] / units.weight[known].sum())]
    if teaching is None:
        return parts[0]
    values, trust = sets.task.soft_responses(teaching.outputs[m, g], units)
    taught = sets.train[g] & teaching.samples[m]
    parts.append((scaled[taught], values[taught], WEIGHT * trust[taught] / trust[taught].sum()))
    parts[0] = (*parts[0][:2], (1 - WEIGHT) * parts[0][2])
    x, y, w = zip(*parts, strict=True)
    return np.concatenate(x), np.concatenate(y), np.concatenate(w)


def responses_of(sets: TrainingSets, g: int) -> Responses:
    return sets.task.responses(sets.values, sets.train[g] & sets.labelled)


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize(("screened", "more_features"), [(None, 0), (None, 30), (None, 100), (SCREENED, 0)])
def test_closed_forms_are_the_least_squares_of_labels_and_soft_targets(
    task: str, taught: bool, screened: int | None, more_features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one penalty, against a plain ridge regression in which a sample with both stands twice."""
    monkeypatch.setattr(linear, "PENALTIES", (0.05,))
    # Systems have the size of the features; with more of these that of the samples that are used, and of all samples.
    sets = make_sets(task, more_features=more_features)
    teaching = make_teaching(sets) if taught else None
    (found,) = fit_linear(sets, teaching, soft_weight=WEIGHT, screened=[screened])
    scaled = sets.scaled.double().numpy()
    for g in range(len(sets.train)):
        units = responses_of(sets, g)
        for m in range(2 if taught else 1):
            x, y, w = rows_of(sets, g, m, teaching)
            chosen = np.arange(scaled.shape[1])
            unit = (scaled[sets.train[-1]] ** 2).sum(1).mean()
            centred = x - w @ x
            if screened:
                only_soft = slice((sets.train[g] & sets.labelled).sum() if taught else 0, None)
                xs, ys, ws = x[only_soft], y[only_soft], w[only_soft] / w[only_soft].sum()
                xs, ys = xs - ws @ xs, ys - ws @ ys
                r = np.abs((xs * ws[:, None]).T @ ys) / np.sqrt(ws @ xs**2)[:, None] / np.sqrt(ws @ ys**2)
                chosen = np.argsort(-r.max(1))[:screened]
                unit = (w @ centred[:, chosen] ** 2).sum()
            gram = (centred[:, chosen] * w[:, None]).T @ centred[:, chosen]
            slope = np.linalg.solve(gram + 0.05 * unit * np.eye(len(chosen)), (centred[:, chosen] * w[:, None]).T @ y)
            predicted = (scaled - w @ x)[:, chosen] @ slope + w @ y
            known = sets.train[g] & sets.labelled
            intercept = sets.task.intercept(predicted[known], sets.values[known], units)
            expected = predicted @ units.slope + intercept
            np.testing.assert_allclose(found.predicted[g, m], expected, atol=1e-3)
    for m in range(2 if taught else 1):
        # The model of all training samples on its features is what predicted.
        np.testing.assert_allclose(scaled @ found.weight[m] + found.intercept[m], found.predicted[-1, m], atol=1e-3)
        assert screened is None or ((found.weight[m] != 0).any(1).sum()) == screened


def test_penalties_are_chosen_on_folds_that_the_set_goes_without() -> None:
    """By hand, for the model that predicts the test samples and one that predicts an inner fold."""
    sets = make_sets("regression")
    (chosen,) = fit_linear(sets, None, soft_weight=0.0, screened=[None])
    paths = []
    for penalty in linear.PENALTIES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear, "PENALTIES", (penalty,))
            paths.append(fit_linear(sets, None, soft_weight=0.0, screened=[None])[0].predicted[:, 0])
    error = np.zeros((len(paths), 3))
    for h in range(3):
        judged, units = sets.predicted[h] & sets.labelled, responses_of(sets, h)
        for p, path in enumerate(paths):
            off = (path[h, judged] - sets.values[judged, None]) / units.slope[0, 0]
            error[p, h] = judged.sum() * (off**2).mean()
    for g, folds in ((3, [0, 1, 2]), (0, [1, 2])):
        best = int(error[:, folds].sum(1).argmin())
        np.testing.assert_allclose(chosen.predicted[g, 0], paths[best][g], rtol=1e-6)
    assert len(set(error.sum(1))) == len(paths)


@pytest.mark.parametrize("task", ["classification", "survival"])
def test_responses_are_a_step_of_newtons_method(task: str) -> None:
    """With one feature and no penalty, outputs are those after one step from the outputs without features."""
    sets = make_sets(task)
    known = sets.train[-1] & sets.labelled
    units = responses_of(sets, -1)
    x = sets.scaled[:, 0].double().numpy()[known]
    start = np.tile(units.intercept + (1 if task == "classification" else 0), (known.sum(), 1))

    def loss(slope: np.ndarray) -> float:
        return float(sets.task.loss(start + x[:, None] * slope, sets.values[known]).sum())

    # A small slope of every output: the loss falls along the responses, to first order.
    n_outputs, step = units.slope.shape[1], 1e-4
    of_response = (
        units.weight[known][:, None]
        * (units.values[known] - (units.weight[known] @ units.values[known]) / units.weight[known].sum())
        * x[:, None]
    ).sum(0)
    direction = of_response @ units.slope if task == "survival" else of_response
    gradient = np.array(
        [
            (loss(step * np.eye(n_outputs)[c]) - loss(-step * np.eye(n_outputs)[c])) / (2 * step)
            for c in range(n_outputs)
        ]
    )
    if task == "survival":
        np.testing.assert_allclose(-gradient.sum(), of_response[0], rtol=0.05)
    else:
        np.testing.assert_allclose(-gradient, direction, rtol=0.05, atol=0.3)


def test_hazards_of_a_linear_member_add_up_to_the_events_of_each_interval() -> None:
    """Of its own samples; those of all together are too high for early intervals once scores tell samples apart."""
    sets = make_sets("survival")
    (member,) = fit_linear(sets, None, soft_weight=0.0, screened=[None])
    for g, members in enumerate(sets.train):
        known = members & sets.labelled
        hazards, events, exposure = sets.task.expected(member.predicted[g, 0, known], sets.values[known])
        off = ((hazards - events) * exposure).sum(0)
        # A pseudo-patient of the mean hazard keeps each interval finite.
        assert np.abs(off).max() < 0.4, off
