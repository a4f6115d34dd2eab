"""Features are filtered chunk by chunk: the same result, and no copy of all features."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cch_omics.config import EncoderConfig
from cch_omics.models import preprocess
from cch_omics.models.preprocess import as_tensor, fit_projection, fit_scaling

SETTINGS = EncoderConfig(max_features=40, components=10)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(60, 500, generator=generator) * torch.rand(500, generator=generator) + 3
    values[torch.rand(60, 500, generator=generator) < 0.05] = torch.nan
    values[:, ::9] = (values[:, ::9] > 3).float()
    return values, torch.rand(60, generator=generator) < 0.8


class Largest(TorchDispatchMode):
    """The most numbers that any operation wrote to new memory."""

    found = 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **(options or {}))
        if isinstance(result, torch.Tensor) and not result._is_view():
            self.found = max(self.found, result.numel())
        return result


def test_chunks_change_nothing(data, monkeypatch):
    whole = fit_projection(*data, SETTINGS)
    monkeypatch.setattr(preprocess, "_CHUNK", 37 * 60)
    chunked = fit_projection(*data, SETTINGS)
    assert torch.equal(whole.scaling.kept, chunked.scaling.kept)
    torch.testing.assert_close(whole.scaling.fill, chunked.scaling.fill)
    torch.testing.assert_close(whole.loadings, chunked.loadings)


def test_what_is_kept_varies_most_among_the_observed_values_of_training_samples(data):
    values, train = data
    observed = values[train].numpy()
    variance = np.nanvar(observed, axis=0)
    expected = np.sort(np.argsort(-variance, kind="stable")[:40])
    projection = fit_projection(values, train, SETTINGS)
    np.testing.assert_array_equal(projection.scaling.kept.numpy(), expected)
    np.testing.assert_allclose(projection.scaling.fill.numpy(), np.nanmean(observed, axis=0), rtol=1e-5)


def test_no_operation_copies_all_features(data, monkeypatch):
    values, train = data
    monkeypatch.setattr(preprocess, "_CHUNK", 10 * 60)
    with Largest() as largest:
        fit_projection(values, train, SETTINGS).apply(values)
    # What is kept is copied, of all samples; the rest is not.
    assert largest.found <= 60 * SETTINGS.max_features
    monkeypatch.setattr(preprocess, "_CHUNK", 1 << 24)
    with Largest() as largest:
        fit_projection(values, train, SETTINGS)
    assert largest.found == int(train.sum()) * 500


@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_axes_by_iteration_are_those_of_the_full_decomposition(shape, monkeypatch):
    """To float32: signs and order too, of noise around a few directions."""
    generator = torch.Generator().manual_seed(0)
    low_rank = torch.randn(shape[0], 5, generator=generator) @ torch.randn(5, shape[1], generator=generator)
    data = torch.randn(shape, generator=generator) + low_rank
    data = data - data.mean(0)
    full = preprocess._principal_axes(data, 12)
    monkeypatch.setattr(preprocess, "_ITERATE_FROM", 1)
    called = []
    monkeypatch.setattr(preprocess, "eigsh", lambda *a, real=preprocess.eigsh, **k: called.append(1) or real(*a, **k))
    torch.testing.assert_close(preprocess._principal_axes(data, 12), full, atol=2e-5, rtol=0)
    assert called


def test_binary_features_are_told_from_others_whatever_their_first_values():
    values = torch.tensor(
        [[0.0, 0, 1, torch.nan, 2], [1, 0, 1, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [1, 0.5, 1, 0, 1]]
    )
    assert preprocess._binary(values).tolist() == [True, False, True, True, False]


def test_components_are_weighted_by_their_standard_deviation() -> None:
    random = np.random.default_rng(4)
    values = (random.standard_normal((80, 6)) @ random.standard_normal((6, 6))).astype(np.float32)
    train = np.arange(80) < 60
    settings = EncoderConfig(components=4)
    inputs = fit_projection(torch.tensor(values), torch.tensor(train), settings).apply(torch.tensor(values)).numpy()
    mean, deviation = values[train].mean(0), values[train].std(0)
    scaled = (values - mean) / deviation
    _, sizes, axes = np.linalg.svd(scaled[train], full_matrices=False)
    expected = (scaled @ axes[:4].T) * sizes[:4]
    expected /= np.sqrt((expected[train] ** 2).mean())
    # The signs of axes are arbitrary.
    np.testing.assert_allclose(np.abs(inputs), np.abs(expected), atol=1e-4)
    assert (inputs[train] ** 2).mean() == pytest.approx(1, abs=1e-4)


def test_a_value_further_away_than_any_in_training_counts_as_the_furthest_possible() -> None:
    """No training value is changed (Samuelson's inequality), also that of the only sample that has another one."""
    random = np.random.default_rng(0)
    values = random.standard_normal((30, 4)).astype(np.float32)
    values[:20, 1] = np.eye(20)[3] + 1e-3 * values[:20, 1]
    train = torch.arange(30) < 20
    features = as_tensor(values, torch.device("cpu"))
    scaling = fit_scaling(features, train, EncoderConfig())
    expected = (values[:20] - values[:20].mean(0)) / values[:20].std(0)
    np.testing.assert_allclose(scaling.apply(features)[train].numpy(), expected, rtol=1e-3, atol=1e-4)
    features[25, 0], features[26, 1] = 1e6, -1e6
    found = scaling.apply(features).numpy()
    np.testing.assert_allclose([found[25, 0], found[26, 1]], [np.sqrt(19), -np.sqrt(19)], rtol=1e-3)
    projection = fit_projection(features, train, EncoderConfig(components=2))
    assert projection.apply(features).abs().max() < 100
