"""Neighbours within many selections, from what they share: the same as the dense computation, to the last count."""

import math

import numpy as np
import pytest
import torch

from cch_omics.information import estimators, selections
from cch_omics.information.estimators import run
from cch_omics.information.neighbours import chebyshev, select
from cch_omics.information.registry import ESTIMATORS

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


def both_ways(name, x, y, index, valid, monkeypatch, *, neighbours=3, exists=None):
    entry = ESTIMATORS[name].load()
    if exists is None:
        exists = torch.ones(x.shape[:2], dtype=torch.bool)
    prepared = entry.prepare(x, exists), y if name == "ross" else entry.prepare(y, exists)
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
def test_both_ways_agree(name, n, neighbours, monkeypatch):
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
    monkeypatch.setattr(selections, "DISTANCES", 7 * 90)
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
    near, other = (ESTIMATORS["ksg"].load().prepare(points, exists) for points in (x, y))
    assert ESTIMATORS["ksg"].load().of_selections(near, other, *drawn(40), neighbours=3) is None
    assert ESTIMATORS["ross"].load().of_selections(near, labels, *drawn(40), neighbours=3) is None
    assert run(ESTIMATORS["ksg"].load(), near, other, *drawn(40), neighbours=3).flags["ties"].any()


@pytest.mark.parametrize("name", ["ksg", "ross"])
def test_equal_distances_count_as_in_the_dense_computation(name, monkeypatch):
    """Whole numbers: nobody coincides, and most have several neighbours at the same distance."""
    random = np.random.default_rng(3)
    x, y = (torch.tensor(np.array([random.permutation(60) for _ in range(B)], dtype=float)[..., None]) for _ in "xy")
    labels = torch.tensor(random.integers(0, 3, (B, 60)))
    fast, dense = both_ways(name, x, labels if name == "ross" else y, *drawn(60), monkeypatch)
    assert_same(fast, dense)
    assert fast.value.isfinite().all()


@pytest.mark.parametrize("name", ["ksg", "ross"])
def test_items_of_different_size_and_blocks_across_them(name, monkeypatch):
    x, y, labels = spaces(50)
    index, valid = drawn(50)
    exists = torch.arange(50) < torch.tensor([50, 31, 40])[:, None]
    valid &= exists.gather(1, index.flatten(1)).view_as(index)
    x, y = (torch.where(exists[..., None], points, math.nan) for points in (x, y))
    monkeypatch.setattr(selections, "SUMS", 16 * S * 20)
    fast, dense = both_ways(name, x, labels if name == "ross" else y, index, valid, monkeypatch, exists=exists)
    assert_same(fast, dense)
    assert fast.value.isfinite().any(1).all()


@pytest.mark.parametrize("sizes", [[0, 2, 3, 4, 5, 30], [0, 1, 2, 3]])
def test_selections_of_at_most_k_have_no_estimate(sizes, monkeypatch):
    x, y, _ = spaces(40)
    index = torch.tensor(np.random.default_rng(4).permuted(np.tile(np.arange(40), (B, S, 1)), axis=2))
    valid = torch.arange(40) < torch.tensor(sizes).repeat(S)[:S, None].expand(B, S, 1)
    fast, dense = both_ways("ksg", x, y, index, valid, monkeypatch)
    assert_same(fast, dense)
    assert torch.equal(fast.value.isnan(), fast.n <= 3)


@pytest.mark.parametrize("name", ["ksg", "ross"])
def test_more_levels_than_a_byte_counts(name, monkeypatch):
    x, y, labels = spaces(320)
    index, valid = drawn(320, smallest=0.6, largest=0.9)
    some = index[:, :8], valid[:, :8]
    fast, dense = both_ways(name, x, labels if name == "ross" else y, *some, monkeypatch, neighbours=90)
    assert_same(fast, dense)
    assert fast.value.isfinite().all()


@pytest.mark.parametrize("name", ["ksg", "mixed", "ross"])
def test_a_selection_of_everything_is_not_copied_and_changes_nothing(name, monkeypatch):
    x, y, labels = spaces(30)
    everything = torch.arange(30).expand(B, 1, -1)
    exists = torch.ones(B, 30, dtype=torch.bool)
    near = chebyshev(x, exists)
    assert select(near, everything, exists[:, None]) is near
    second = labels if name == "ross" else chebyshev(y, exists)
    before = near.clone(), second.clone()
    found = run(ESTIMATORS[name].load(), near, second, everything, exists[:, None], neighbours=3)
    assert torch.equal(near, before[0]) and torch.equal(second, before[1])
    order = torch.arange(29, -1, -1).expand(B, 1, -1)
    torch.testing.assert_close(
        found.value,
        run(ESTIMATORS[name].load(), near, second, order, exists[:, None], neighbours=3).value,
        atol=1e-12,
        rtol=0,
    )


def test_a_selection_of_fewer_or_in_another_order_is_made():
    x, _, _ = spaces(30)
    exists = torch.ones(B, 30, dtype=torch.bool)
    near = chebyshev(x, exists)
    order = torch.arange(29, -1, -1).expand(B, 1, -1)
    assert torch.equal(select(near, order, exists[:, None]), near.flip(1, 2))
    some = exists[:, None].clone()
    some[1, 0, 7] = False
    selected = select(near, torch.arange(30).expand(B, 1, -1), some)
    assert selected[1, 7].isinf().all() and selected[1, :, 7].isinf().all() and near[1, 7].isfinite().sum() == 29
    twice = torch.arange(30).expand(B, 2, -1)
    assert select(near, twice, torch.ones(B, 2, 30, dtype=torch.bool)).shape == (2 * B, 30, 30)
