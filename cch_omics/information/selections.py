"""Neighbours within many selections of the same samples, such as half-samples, from bits.

Of S selections of n samples, a dense computation compares S (n/2)^2 distances, and has to gather them before. But the
k-th nearest neighbour of a sample within a selection is one of its few nearest in the whole: going through these in
order, level by level, S bits a sample say in which selections the level is the k-th. There the selections share the
radius, so that one comparison of n distances serves all of them: its n bits, and those of a selection's members, have
the count in common. Everything is exact: distances are compared, never rounded.

For CPUs. On a GPU the dense computation is what the hardware is made for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Levels that are looked at one by one: beyond them, the few samples left are looked up on their own. With k = 3 and
# half of the samples, one of 500 is.
LEVELS_PER_NEIGHBOUR = 3
MORE_LEVELS = 7
# Distances of the rows that are worked on at once: about what a processor's cache holds.
ROWS = 2**18

Bits = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Selections:
    """S selections of the n samples of each of B items.

    Attributes
    ----------
    keep
        (B, S, n) whether a sample is in a selection.
    of_sample
        (B * n, S / 64) the selections that a sample is in, as bits.
    """

    keep: NDArray[np.bool_]
    of_sample: Bits

    @classmethod
    def of(cls, index: Tensor, valid: Tensor, n: int) -> "Selections":
        """From positions (B, S, b) and which of them are not padding."""
        items, selections, _ = index.shape
        keep = torch.zeros(items, selections, n + 1, dtype=torch.bool)
        keep.scatter_(2, index.masked_fill(~valid, n), True)
        kept = keep[..., :n].numpy()
        return cls(kept, packed(kept.swapaxes(1, 2).reshape(items * n, selections)))


def packed(values: NDArray[np.bool_]) -> Bits:
    """(R, m) -> (R, ceil(m / 64)) words."""
    rows, m = values.shape
    padded = np.zeros((rows, -(-m // 64) * 64), dtype=bool)
    padded[:, :m] = values
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def unpacked(words: Bits, m: int) -> NDArray[np.bool_]:
    """(R, W) words -> (R, m)."""
    return np.unpackbits(words.view(np.uint8), axis=1, count=m, bitorder="little").view(bool)


@dataclass(frozen=True)
class Found:
    """Some samples within some selections, P of them.

    Attributes
    ----------
    row, selection
        (P,) the sample, as item * n + position, and the selection, as item * S + its number.
    counts
        For each space, (P,) samples of the selection that are within the radius of the sample.
    """

    row: Counts
    selection: Counts
    counts: tuple[Counts, ...]


def within_nearest(
    nearest: NDArray[np.float64],
    spaces: Sequence[NDArray[np.float64]],
    members: Selections,
    counted: Sequence[Bits],
    wanted: Sequence[Bits],
    *,
    strictly: bool,
) -> Iterator[Found]:
    """Count the samples that are as near as the k-th nearest member, in several spaces.

    Parameters
    ----------
    nearest
        (B * n, n) distances by which members are near; infinite where one is no candidate.
    spaces
        (B * n, n) distances that are compared with the radius.
    members
        The selections.
    counted
        For each space, (B * S, n / 64) bits of the samples that are counted.
    wanted
        For each number of neighbours k = 1, 2, ..., (B * n, S / 64) bits: the selections in which the k-th one is the
        radius of the sample. Each bit is set for one k at most.
    strictly
        Whether a distance equal to the radius does not count.
    """
    n = nearest.shape[1]
    step = max(1, ROWS // n)
    for start in range(0, len(nearest), step):
        rows = slice(start, min(start + step, len(nearest)))
        yield from _rows(nearest, spaces, members, counted, wanted, strictly, rows)


def _rows(
    nearest: NDArray[np.float64],
    spaces: Sequence[NDArray[np.float64]],
    members: Selections,
    counted: Sequence[Bits],
    wanted: Sequence[Bits],
    strictly: bool,
    rows: slice,
) -> Iterator[Found]:
    n, n_selections = nearest.shape[1], members.keep.shape[1]
    levels = min(n, LEVELS_PER_NEIGHBOUR * len(wanted) + MORE_LEVELS)
    radii, neighbours = _smallest(nearest[rows], levels)
    item = np.arange(rows.start, rows.stop) // n
    neighbours += item[:, None] * n
    goals = [each[rows] for each in wanted]
    left = np.bitwise_or.reduce(goals)
    # reached[t]: the selections of which t + 1 members have been met.
    reached = [np.zeros_like(left) for _ in goals]
    for level in range(levels):
        if not left.any():
            return
        met = members.of_sample[neighbours[:, level]]
        met[~np.isfinite(radii[:, level])] = 0
        for t in range(len(goals) - 1, 0, -1):
            reached[t] |= reached[t - 1] & met
        reached[0] |= met
        found = np.zeros_like(left)
        for met_enough, goal in zip(reached, goals, strict=True):
            found |= met_enough & goal
        found &= left
        left &= ~found
        some = np.flatnonzero(found.any(1))
        if len(some) == 0:
            continue
        if 2 * len(some) > len(found):
            some = np.arange(len(found))
        here = slice(None) if len(some) == len(found) else some
        place, number = np.divmod(np.flatnonzero(unpacked(found[here], n_selections)), n_selections)
        selection = item[some[place]] * n_selections + number
        flags = np.zeros((len(some), -(-n // 64) * 64), dtype=bool)
        counts = []
        for space, bits in zip(spaces, counted, strict=True):
            compare = np.less if strictly else np.less_equal
            compare(space[rows][here], radii[here, level, None], out=flags[:, :n])
            near = np.packbits(flags, axis=1, bitorder="little").view(np.uint64)
            counts.append(_shared(near, place, bits, selection))
        yield Found(rows.start + some[place], selection, tuple(counts))
    if left.any():
        yield _one_by_one(nearest, spaces, members, counted, goals, left, strictly, rows.start)


def _smallest(distances: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], Counts]:
    """(R, count) smallest of each row, increasing, and where they are."""
    places = np.argpartition(distances, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(distances, places, 1)
    order = values.argsort(1)
    return np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)


def _shared(near: Bits, place: Counts, bits: Bits, selection: Counts) -> Counts:
    """(P,) number of bits that rows of the two have in common."""
    total = np.zeros(len(place), dtype=np.int64)
    for word in range(near.shape[1]):
        total += np.bitwise_count(near[:, word][place] & bits[:, word][selection])
    return total


def _one_by_one(
    nearest: NDArray[np.float64],
    spaces: Sequence[NDArray[np.float64]],
    members: Selections,
    counted: Sequence[Bits],
    goals: Sequence[Bits],
    left: Bits,
    strictly: bool,
    first: int,
) -> Found:
    """The same for samples whose neighbours are far down in their order."""
    n, n_selections = nearest.shape[1], members.keep.shape[1]
    place, number = np.nonzero(unpacked(left, n_selections))
    row = first + place
    item = row // n
    k = np.zeros(len(row), dtype=np.int64)
    for t, goal in enumerate(goals):
        k += (t + 1) * unpacked(goal, n_selections)[place, number]
    among = np.where(members.keep[item, number], nearest[row], np.inf)
    radius = np.take_along_axis(np.sort(among, axis=1), k[:, None] - 1, 1)
    selection = item * n_selections + number
    counts = []
    for space, bits in zip(spaces, counted, strict=True):
        near = space[row] < radius if strictly else space[row] <= radius
        counts.append((near & unpacked(bits[selection], n)).sum(1))
    return Found(row, selection, tuple(counts))
