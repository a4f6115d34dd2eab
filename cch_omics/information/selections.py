"""Neighbours within many selections of the same samples, such as half-samples, from what the selections share.

Of S selections of n samples, a dense computation compares S (n/2)^2 distances, and has to gather them before. But the
k-th nearest neighbour of a sample within a selection is one of its few nearest in the whole. These are gone through
in order, the levels: there are no more radii than levels, however many selections there are. Only few samples lie
within the largest radius that matters. For each of them, the first level whose radius takes it in is searched once,
and its row of the table of members, S numbers, added to that level's sums. Running sums over the levels are the
counts. Everything is exact: distances are compared, never rounded.

For CPUs. On a GPU the dense computation is what the hardware is made for.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Levels that are looked at one by one: beyond them, the few samples left are looked up on their own. With k = 3 and
# half of the samples, one of 500 is.
LEVELS_PER_NEIGHBOUR = 3
MORE_LEVELS = 7
# Of the rows that are worked on at once, distances of one space, and sums: about what a processor's cache holds, and
# enough to be worth the calls.
DISTANCES = 2**17
SUMS = 2**19

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


def members(index: Tensor, valid: Tensor, n: int) -> Flags:
    """(B, n, S) whether a sample is in a selection, from positions (B, S, b) and which of them are not padding."""
    items, selections, _ = index.shape
    keep = torch.zeros(items, n + 1, selections, dtype=torch.bool)
    keep.scatter_(1, index.masked_fill(~valid, n).mT, True)
    return keep[:, :n].numpy()


def within_nearest(
    nearest: Callable[[slice | Integers], Floats],
    spaces: Sequence[Floats],
    keep: Flags,
    counted: Sequence[Flags],
    wanted: NDArray[np.integer],
    *,
    strictly: bool,
) -> list[Integers] | None:
    """Count the samples that are as near as the k-th nearest member, in several spaces.

    Parameters
    ----------
    nearest
        Some of the B * n rows -> (R, n) distances by which members are near; infinite where one is no candidate.
    spaces
        (B * n, n) distances that are compared with the radius.
    keep
        (B, n, S) the members of S selections of each item.
    counted
        For each space, (B, n, S) the samples that are counted.
    wanted
        (B, n, S) which of the members, k = 1, 2, ..., is the radius of the sample in the selection; so many are
        candidates. 0 where the sample has none.
    strictly
        Whether a distance equal to the radius does not count.

    Returns
    -------
    list or None
        For each space, (B, n, S) counts; without meaning where the sample has no radius. None where samples coincide in
        a space.
    """
    _, n, selections = keep.shape
    levels = min(n, LEVELS_PER_NEIGHBOUR * int(wanted.max(initial=1)) + MORE_LEVELS)
    small = np.min_scalar_type(levels)
    goals = wanted.reshape(-1, selections).astype(small)
    # The k-th member is met at level k - 1 or later. (Without a sign, 0 - 1 is the largest number.)
    least = int((goals - small.type(1)).min(initial=levels - 1))
    table = keep.reshape(-1, selections).astype(small)
    # 24 bits hold every count exactly.
    tables = [torch.from_numpy(each.reshape(-1, selections).astype(np.float32)) for each in counted]
    counts = [np.empty(goals.shape, dtype=np.int64) for _ in spaces]
    far = np.empty(goals.shape, dtype=bool)
    step = max(1, min(DISTANCES // n, SUMS // (levels * selections)))
    for start in range(0, len(goals), step):
        rows = slice(start, min(start + step, len(goals)))
        if any(space[rows].min() == 0 for space in spaces):
            return None
        radii, neighbours = _smallest(nearest(rows), levels)
        shift = np.arange(rows.start, rows.stop) // n * n  # the first sample of the row's item
        neighbours += shift[:, None]
        radii = radii[:, least:]
        level = _levels(table, neighbours, goals[rows], least)
        np.equal(level, levels - least, out=far[rows])
        level *= ~far[rows]
        last = np.take_along_axis(radii, level.max(1, keepdims=True).astype(np.int64), 1)
        cell = np.arange(level.size).reshape(level.shape)
        cell += np.multiply(level, level.size, dtype=np.int64)
        for space, each, found in zip(spaces, tables, counts, strict=True):
            found[rows] = _sums(space[rows], radii, last, shift, each, strictly).ravel().take(cell)
    _one_by_one(np.flatnonzero(far), nearest, spaces, keep, counted, wanted, strictly, counts)
    return [found.reshape(keep.shape) for found in counts]


def _smallest(distances: Floats, count: int) -> tuple[Floats, Integers]:
    """(R, count) smallest of each row, increasing, and where they are."""
    # Values alone are partitioned in half the time that positions take.
    kth = np.partition(distances, count - 1, axis=1)[:, count - 1 : count]
    places: Integers = np.flatnonzero(distances <= kth)
    if len(places) == len(distances) * count:
        values = distances.ravel().take(places).reshape(-1, count)
        places = places.reshape(-1, count)
        places -= np.arange(len(distances))[:, None] * distances.shape[1]
    else:  # others are as far as the last
        places = np.argpartition(distances, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(distances, places, 1)
    order = values.argsort(1)
    return np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)


def _levels(
    table: NDArray[np.integer], neighbours: Integers, goals: NDArray[np.integer], least: int
) -> NDArray[np.integer]:
    """(R, S) level from `least` on at which so many members as wanted have been met; L - `least` where they have not.

    `table` (B * n, S) says which samples are members, `neighbours` (R, L) are its rows, nearest first.
    """
    met = table.take(neighbours.T, 0)
    for before, here in pairwise(met):
        here += before
    level: NDArray[np.integer] = (met[least:] < goals).view(np.uint8).sum(0, dtype=goals.dtype)
    return level


def _sums(
    space: Floats, radii: Floats, last: Floats, shift: Integers, table: Tensor, strictly: bool
) -> NDArray[np.float32]:
    """(L, R, S) how many of those that are counted are within the radius of each level, in each selection.

    `space` (R, n) are distances, `radii` (R, L) increase, `last` (R, 1) is the largest of them that matters, `table`
    (B * n, S) says which samples are counted, those of the row's item from its row `shift` (R,) on.
    """
    n, (size, levels) = space.shape[1], radii.shape
    limit = np.where(np.isinf(last), -np.inf, last)  # where it is infinite nothing is wanted
    near = np.flatnonzero(space < limit if strictly else space <= limit)
    row = (near.astype(np.int32) // np.int32(n)).astype(np.int64)
    sample = near + (shift - np.arange(size) * n).take(row)
    # The first level that takes a sample in, by bisection of 2^b of them.
    distance = space.ravel().take(near)
    width = 1 << (levels - 1).bit_length()
    padded = np.full((size, width), np.inf)
    padded[:, :levels] = radii
    padded = padded.ravel()
    outside = np.greater_equal if strictly else np.greater
    place = row * width
    half = width // 2
    while half:
        place += outside(distance, padded[half - 1 :].take(place)) * np.int64(half)
        half //= 2
    # All of a level and row together; numpy sorts 16 bits in linear time.
    bag = (place - row * width) * size + row
    order = bag.astype(np.min_scalar_type(levels * size)).argsort(kind="stable")
    bounds = np.zeros(levels * size + 1, dtype=np.int32)
    np.cumsum(np.bincount(bag, minlength=levels * size), out=bounds[1:])
    sums = (
        torch.nn.functional.embedding_bag(
            torch.from_numpy(sample.astype(np.int32).take(order)),
            table,
            torch.from_numpy(bounds),
            mode="sum",
            include_last_offset=True,
        )
        .numpy()
        .reshape(levels, size, -1)
    )
    for before, here in pairwise(sums):
        here += before
    return sums


def _one_by_one(
    far: Integers,
    nearest: Callable[[slice | Integers], Floats],
    spaces: Sequence[Floats],
    keep: Flags,
    counted: Sequence[Flags],
    wanted: NDArray[np.integer],
    strictly: bool,
    counts: Sequence[Integers],
) -> None:
    """Fill in the entries `far` of (B * n, S) counts: samples whose neighbours are far down in their order."""
    _, n, selections = keep.shape
    for some in np.array_split(far, len(far) * n // DISTANCES + 1):
        row, number = np.divmod(some, selections)
        item = row // n
        among = nearest(row)
        among[~keep[item, :, number]] = np.inf
        k = wanted.reshape(-1, selections)[row, number].astype(np.int64)
        radius = np.take_along_axis(np.partition(among, np.unique(k - 1), axis=1), k[:, None] - 1, 1)
        for space, each, found in zip(spaces, counted, counts, strict=True):
            near = space[row] < radius if strictly else space[row] <= radius
            found[row, number] = (near & each[item, :, number]).sum(1)
