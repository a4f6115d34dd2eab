"""What a student learnt: weights of its features against plain ones, and on cohorts where it is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_student import SUBTYPE, TASKS, make_network

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Network
from cch_omics.splits import make_splits
from cch_omics.student.explain import feature_weights, read_features
from cch_omics.student.make import write_students
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification

CPU = torch.device("cpu")
N, P = 30, 6


def values_of(network: Network) -> np.ndarray:
    """Training values around the network's means, one of them missing, one beyond its bound."""
    random = np.random.default_rng(1)
    values = network.fill + random.normal(size=(N, P)).astype(np.float32)
    values[0, 0] = np.nan
    values[1, 1] += 1e4
    return values.astype(np.float32)


def attributions(network: Network, values: np.ndarray) -> np.ndarray:
    """(n, p, C) integrated gradients by autograd and the midpoint rule, of outputs written down once more."""
    parameters = {
        field.name: torch.tensor(getattr(network, field.name), dtype=torch.float64)
        for field in dataclasses.fields(Network)
    }

    def outputs(x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(x @ parameters["weight"] + parameters["bias"])
        return hidden @ parameters["head_weight"] + x @ parameters["skip_weight"] + parameters["head_bias"]

    moved = torch.tensor(network.bounded(values), dtype=torch.float64) - parameters["fill"]
    steps = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    found = np.zeros((*values.shape, network.head_bias.size))
    for i, row in enumerate(moved):
        x = (parameters["fill"] + steps[:, None] * row).requires_grad_()
        for c in range(found.shape[2]):
            (slope,) = torch.autograd.grad(outputs(x)[:, c].sum(), x)
            found[i, :, c] = (slope.mean(0) * row).numpy()
    return found


def small_network(seed: int = 0) -> Network:
    """One whose units are neither linear nor all saturated."""
    made = make_network(seed, P)
    return dataclasses.replace(made, weight=0.4 * made.weight, bias=made.bias - 0.4 * made.fill @ made.weight)


def test_weights_are_slopes_of_integrated_gradients() -> None:
    network, sd = small_network(), np.linspace(0.5, 2, P).astype(np.float32)
    values = values_of(network)
    a, d = attributions(network, values), network.bounded(values) - network.fill
    expected = sd[:, None] * np.einsum("ipc,ip->pc", a, d) / (d**2).sum(0)[:, None]
    np.testing.assert_allclose(feature_weights(network, values, sd), expected, rtol=1e-3, atol=1e-4)


def test_the_attributions_of_a_sample_add_up_to_its_outputs_less_those_of_the_mean_sample() -> None:
    """Of one sample the slope of the attribution is the attribution itself, over the distance from the mean."""
    network, sd = small_network(), np.full(P, 0.7, dtype=np.float32)
    for values in values_of(network)[:, None]:
        d = network.bounded(values) - network.fill
        added = (d / 0.7) @ feature_weights(network, values, sd)
        between = network.outputs(values) - network.outputs(network.fill[None])
        np.testing.assert_allclose(added, between, rtol=1e-3, atol=2e-4)


def test_the_weight_in_a_linear_model_is_the_coefficient_times_the_deviation() -> None:
    network, sd = small_network(), np.linspace(0, 2, P).astype(np.float32)
    network.head_weight[:] = 0
    expected = sd[:, None] * network.skip_weight
    np.testing.assert_array_equal(feature_weights(network, values_of(network), sd), expected)


def test_features_that_do_not_vary_and_units_that_do_not_move_have_plain_weights() -> None:
    network, sd = small_network(), np.array([0, *[1.0] * (P - 1)], dtype=np.float32)
    # Nothing varies: the slope of each unit is that at the mean.
    values = np.repeat(network.fill[None], N, axis=0)
    values[:, 1] += 1e-4
    found = feature_weights(network, values, sd)
    at_mean = 1 - np.tanh(network.fill @ network.weight + network.bias) ** 2
    expected = network.skip_weight[1] + (network.weight[1] * at_mean) @ network.head_weight
    np.testing.assert_allclose(found[1], expected, rtol=1e-3)
    assert (found[0] == 0).all() and np.isfinite(found).all()


@TASKS
def test_what_is_explained_is_the_same_whatever_does_not_change_a_prediction(task: Task) -> None:
    """A constant in the log-probabilities of all classes; a number and a risk answer to every output alike."""
    shares = np.column_stack(list(task.scores.values()))
    assert shares.shape == (task.n_outputs, 3 if task is SUBTYPE else 1)
    assert list(task.scores) == (["A", "B", "C"] if task is SUBTYPE else [""])
    np.testing.assert_allclose(np.ones(task.n_outputs) @ shares, 0 if task is SUBTYPE else 1, atol=1e-12)
    (name,) = Classification(("no", "yes")).scores
    assert name == "yes"
    np.testing.assert_allclose(Classification(("no", "yes")).scores["yes"], [-0.5, 0.5])
