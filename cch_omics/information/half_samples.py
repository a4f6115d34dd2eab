"""Standard errors from half-samples without replacement.

Nearest-neighbour estimators cannot be bootstrapped: duplicated points are each other's nearest neighbours. A random
half of the patients has no duplicates, and its estimate varies by sqrt((1/b - 1/n) / (1/n)) = sqrt((n - b)/b) times
as much as the estimate from all n does (Politis, Romano, Wolf 1999, Subsampling, section 2.2 with the finite-sample
correction).
"""

import torch
from torch import Tensor


def half_samples(keys: Tensor, starts: Tensor, strata: Tensor, groups: Tensor, valid: Tensor) -> Tensor:
    """Draw halves of the patients, stratified.

    Patients are put in order, stratum by stratum and at random within one, and every second one is taken, from the
    first or from the second on. So each stratum, and the whole, is halved to within one patient, at random which
    way.

    Parameters
    ----------
    keys
        (B, S, n) uniform random numbers in [0, 1).
    starts
        (B, S) random 0 or 1.
    strata
        (B, n) integers; -1, a missing label, is a stratum like another.
    groups
        (B, n) patients, integers in 0 .. n - 1: the samples of one are drawn together, under its highest stratum.
    valid
        (B, n) samples that may be drawn.

    Returns
    -------
    Tensor
        (B, S, n) whether a sample is in the half-sample.
    """
    n = valid.shape[-1]
    position = torch.arange(n, device=valid.device).expand_as(valid)
    # The first valid sample of a patient stands for all of its samples.
    first = torch.full_like(groups, n).scatter_reduce(1, groups, position.masked_fill(~valid, n), "amin")
    highest = torch.full_like(strata, -1).scatter_reduce(1, groups, strata.masked_fill(~valid, -1), "amax")
    stands = first.gather(1, groups)
    place = (highest.gather(1, groups)[:, None] + keys).masked_fill((stands != position)[:, None], torch.inf)
    rank = place.argsort(-1).argsort(-1)
    taken = rank % 2 == starts[..., None]
    return taken.gather(-1, stands.clamp(max=n - 1)[:, None].expand_as(rank)) & valid[:, None]


def compress(keep: Tensor) -> tuple[Tensor, Tensor]:
    """(B, S, n) which samples -> (B, S, b) their positions, in order, and which of them are not padding."""
    size = max(int(keep.sum(-1).max()), 1)
    index = (~keep).byte().argsort(dim=-1, stable=True)[..., :size]
    return index, keep.gather(-1, index)


def half_to_whole(keep: Tensor, valid: Tensor) -> Tensor:
    """(B, S, n) and (B, n) -> (B,) b/(n - b), the factor from the variance over half-samples to that of the whole."""
    half = keep.sum(-1).double().mean(-1)
    return half / (valid.sum(-1) - half)
