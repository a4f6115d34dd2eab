"""Neighbours within many selections, from bits: the same numbers as the dense computation, to the last count."""

import math

import numpy as np
import pytest
import torch

from cch_omics.information import estimators, selections
from cch_omics.information.estimators import ESTIMATORS, run

B, S = 3, 70


def drawn(n, *, seed=0, smallest=0.3, largest=0.7):
    """Selections of different sizes of n samples, padded."""
    random = np.random.default_rng(seed)
    index, valid = np.zeros((B, S, n), dtype=np.int64), np.zeros((B, S, n), dtype=bool)
    for b in range(B):
        for s in range(S):
            chosen = np.sort(random.permutation(n)[: int(random.uniform(smallest, largest) * n)])
            index[b, s, : len(chosen)], valid[b, s, : len(chosen)] = chosen, True
    return torch.tensor(index), torch.tensor(valid)


def spaces(n, *, seed=0):
    random = np.random.default_rng(seed)
    common = random.standard_normal((B, n, 2))
    x, y = (
        np.concatenate([common + random.standard_normal((B, n, 2)), random.standard_normal((B, n, d))], 2)
        for d in (1, 3)
    )
    labels = np.searchsorted([-1.5, 0.0, 1.0], common[..., 0])
    return torch.tensor(x), torch.tensor(y), torch.tensor(labels)


def both_ways(name, x, y, index, valid, monkeypatch, *, neighbours=3):
    entry = ESTIMATORS[name]
    exists = torch.ones(x.shape[:2], dtype=torch.bool)
    prepared = entry.prepare(x, exists), y if entry.second == "label" else entry.prepare(y, exists)
    fast = run(entry, *prepared, index, valid, neighbours=neighbours)
    assert entry.of_selections(*prepared, index, valid, neighbours=neighbours) is not None
    monkeypatch.setattr(estimators, "MANY", math.inf)
    dense = run(entry, *prepared, index, valid, neighbours=neighbours)
    return fast, dense


def assert_same(fast, dense):
    torch.testing.assert_close(fast.value, dense.value, atol=1e-12, rtol=0, equal_nan=True)
    assert torch.equal(fast.n, dense.n)
    assert fast.flags.keys() == dense.flags.keys()
    for flag, found in fast.flags.items():
        assert torch.equal(found, dense.flags[flag]), flag


@pytest.mark.parametrize("name", ["ksg", "ross"])
@pytest.mark.parametrize("n", [9, 40, 130])
@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_bits_and_distances_agree(name, n, neighbours, monkeypatch):
    x, y, labels = spaces(n)
    fast, dense = both_ways(name, x, labels if name == "ross" else y, *drawn(n), monkeypatch, neighbours=neighbours)
    assert_same(fast, dense)
    # With nine samples, selections are too small for an estimate; with 40, one has no second class of two.
    assert fast.value.isfinite().any() or neighbours == 5
    assert fast.value.isfinite().all() or n < 130


@pytest.mark.parametrize("name", ["ksg", "ross"])
def test_samples_whose_neighbours_are_far_down_are_looked_up(name, monkeypatch):
    x, y, labels = spaces(90)
    monkeypatch.setattr(selections, "MORE_LEVELS", 0)
    monkeypatch.setattr(selections, "LEVELS_PER_NEIGHBOUR", 1)
    monkeypatch.setattr(selections, "ROWS", 7 * 90)
    assert_same(
        *both_ways(name, x, labels if name == "ross" else y, *drawn(90, smallest=0.1, largest=0.2), monkeypatch)
    )


def test_classes_of_few_are_counted_as_without_selections(monkeypatch):
    """A class of one in some selections, of at most k in others."""
    x, _, labels = spaces(60)
    labels = torch.where(labels == 0, 0, torch.arange(60) % 12)
    fast, dense = both_ways("ross", x, labels, *drawn(60), monkeypatch)
    assert_same(fast, dense)
    assert fast.flags["class_left_out"].any() and fast.flags["neighbours_lowered"].any()
    assert not fast.flags["class_left_out"].all()


def test_samples_that_coincide_are_left_to_the_dense_computation():
    x, y, labels = spaces(40)
    x[0, 5] = x[0, 9]
    exists = torch.ones(x.shape[:2], dtype=torch.bool)
    near, other = (ESTIMATORS["ksg"].prepare(points, exists) for points in (x, y))
    assert ESTIMATORS["ksg"].of_selections(near, other, *drawn(40), neighbours=3) is None
    assert ESTIMATORS["ross"].of_selections(near, labels, *drawn(40), neighbours=3) is None
    assert run(ESTIMATORS["ksg"], near, other, *drawn(40), neighbours=3).flags["ties"].any()
