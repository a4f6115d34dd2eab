"""Standard errors from half-samples without replacement, and from partitions as a cross-check.

Nearest-neighbour estimators cannot be bootstrapped: duplicated points are each other's nearest neighbours. A random
half of the patients has no duplicates, and its estimate varies by sqrt((1/b - 1/n) / (1/n)) = sqrt((n - b)/b) times
as much as the estimate from all n does (Politis, Romano, Wolf 1999, Subsampling, section 2.2 with the finite-sample
correction).

Partitions into m parts (Holmes, Nemenman 2019, Estimation of mutual information for real-valued data with error bars
and controlled bias, Phys. Rev. E 100, 022404) have no sample in common, so that nothing need be corrected;
but the variance has to be carried from n/m samples to n.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Numbers of parts: with more, parts get too small for an estimator.
PARTS = (2, 3, 4, 5, 6)


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
    rank, everyone = _patients_in_order(keys, strata, groups, valid)
    taken = rank % 2 == starts[..., None]
    return taken.gather(-1, everyone) & valid[:, None]


def partitions(keys: Tensor, strata: Tensor, groups: Tensor, valid: Tensor, parts: int) -> Tensor:
    """Divide the patients into m parts, stratified: in order as for `half_samples`, every m-th one is of one part.

    Parameters
    ----------
    keys
        (B, R, n) uniform random numbers in [0, 1), of R partitions.
    strata, groups, valid
        As in `half_samples`.
    parts
        m.

    Returns
    -------
    Tensor
        (B, R * m, n) whether a sample is in the part, parts of one partition side by side.
    """
    rank, everyone = _patients_in_order(keys, strata, groups, valid)
    taken = (rank[:, :, None] % parts == torch.arange(parts, device=valid.device)[:, None]).flatten(1, 2)
    return taken.gather(-1, everyone[:, :1].expand_as(taken)) & valid[:, None]


def partition_variance(estimates: Sequence[Tensor]) -> Tensor:
    """Variance of the estimate from all n, from estimates of parts: the most likely b / n under variances b m / n.

    With s_m^2 the variance over the m parts of a partition, (m - 1) s_m^2 is distributed as (b m / n) chi^2(m - 1), so

        b / n = sum_m (m - 1) s_m^2 / m / sum_m (m - 1)

    (after Holmes & Nemenman 2019), the sums over partitions of all m.

    Parameters
    ----------
    estimates
        Of each m, (R, m) of R partitions. Partitions of which a part has no estimate (NaN) are left out.

    Returns
    -------
    Tensor
        A number; NaN if no partition is left.
    """
    total, freedom = estimates[0].new_zeros(()), 0
    for values in estimates:
        whole, parts = values[values.isfinite().all(-1)], values.shape[-1]
        deviations = whole - whole.mean(-1, keepdim=True)
        total = total + deviations.square().sum() / parts
        freedom += (parts - 1) * len(whole)
    return total / freedom if freedom else total + torch.nan


def _patients_in_order(keys: Tensor, strata: Tensor, groups: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(B, S, n) ranks of the samples that stand for a patient each, and (B, S, n) which of them stands for a sample."""
    n = valid.shape[-1]
    position = torch.arange(n, device=valid.device).expand_as(valid)
    # The first valid sample of a patient stands for all of its samples.
    first = torch.full_like(groups, n).scatter_reduce(1, groups, position.masked_fill(~valid, n), "amin")
    highest = torch.full_like(strata, -1).scatter_reduce(1, groups, strata.masked_fill(~valid, -1), "amax")
    stands = first.gather(1, groups)
    place = (highest.gather(1, groups)[:, None] + keys).masked_fill((stands != position)[:, None], torch.inf)
    rank = place.argsort(-1).argsort(-1)
    return rank, stands.clamp(max=n - 1)[:, None].expand_as(rank)


def compress(keep: Tensor) -> tuple[Tensor, Tensor]:
    """(B, S, n) which samples -> (B, S, b) their positions, in order, and which of them are not padding."""
    size = max(int(keep.sum(-1).max()), 1)
    index = (~keep).byte().argsort(dim=-1, stable=True)[..., :size]
    return index, keep.gather(-1, index)


def half_to_whole(keep: Tensor, valid: Tensor) -> Tensor:
    """(B, S, n) and (B, n) -> (B,) b/(n - b), the factor from the variance over half-samples to that of the whole."""
    half = keep.sum(-1).double().mean(-1)
    return half / (valid.sum(-1) - half)
