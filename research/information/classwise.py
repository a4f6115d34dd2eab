"""The terms and the gap of teacher, student and label where each class is a Gaussian of the same covariance.

By the chain rule, with the label terms from class probabilities:

    I(T;S) = I(T;S|Y) + I(T;Y) + I(S;Y) - I(T,S;Y),    gap = I(T;S) - I(S;Y) = I(T;S|Y) - [ I(T,S;Y) - I(T;Y) ].

I(T;S|Y) is that of the deviations from class means, Gaussian with its degrees of freedom: unbiased. The label terms
are cross-entropies of linear discriminant analysis on held-out samples; they are bounded by H(Y), and so is their
error. What grows without bound is unbiased, and what is biased is bounded. Held-out densities are predictive
(Geisser 1964, Posterior odds for multivariate normal classifications, J. R. Stat. Soc. B 26, 69): those of plug-in
means and covariances are too sure of themselves in cohorts of this size.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.estimators import select_points
from cch_omics.information.gaussian import bias, by_canonical_correlations
from cch_omics.information.half_samples import compress, half_samples, half_to_whole
from cch_omics.information.masked import centred
from research.information.class_mixture import as_arrays, counted_classes, stratified
from research.information.single import Estimate

# Variance that is added, relative to that of a column: a constant column then cancels.
FLOOR = 1e-9
# Bytes of the points of the selections that are estimated from at once.
CHUNK = {"cpu": 2**22, "cuda": 2**28}
# Relative to the mean: a column that varies less is constant up to rounding.
FLAT = 1e-12


@dataclass(frozen=True)
class Terms:
    """Of B items, (B,) each, in nats; NaN where they cannot be had.

    Attributes
    ----------
    teacher_student, teacher_label, student_label, gap
        I(T;S), I(T;Y), I(S;Y) and I(T;S) - I(S;Y).
    n
        Samples that entered.
    flags
        By name.
    """

    teacher_student: Tensor
    teacher_label: Tensor
    student_label: Tensor
    gap: Tensor
    n: Tensor
    flags: dict[str, Tensor]


QUANTITIES = ("teacher_student", "teacher_label", "student_label", "gap")


def classwise(t: Tensor, s: Tensor, labels: Tensor, valid: Tensor, keys: Tensor, *, folds: int = 10) -> Terms:
    """The terms of B items at once; formulas at the head of this file.

    Parameters
    ----------
    t, s
        (B, n, p) and (B, n, q) points, anything on padding.
    labels
        (B, n) classes 0 .. C - 1, anything on padding.
    valid
        (B, n) False on padding.
    keys
        (B, R, n) uniform random numbers: R ways to draw folds, over which cross-entropies are averaged.
    folds
        Of the cross-fitting.

    Returns
    -------
    Terms
        NaN where a fold leaves no more than p + q + C samples (flag `too_few_samples`) or there are fewer than two
        classes of two. A class of one is left out (flag `class_left_out`). Other flags as `gaussian`.
    """
    codes, counted, member, classes = counted_classes(labels, valid)
    n = counted.sum(-1)
    points = _centred(torch.cat([t, s], -1).double(), counted)
    p, columns = t.shape[-1], points.shape[-1]

    around = points - member @ (member.mT @ points / member.sum(1).clamp(min=1)[..., None])
    a, b = around[..., :p], around[..., p:]
    plug_in, rank_a, rank_b = by_canonical_correlations(a, b, counted)
    # Around C class means, n - C + 1 takes the place of n.
    within = plug_in - bias(n + 1 - classes, rank_a, rank_b)
    entropy = label_entropy(member)
    known = {}
    for name, part in {"t": slice(0, p), "s": slice(p, None), "ts": slice(None)}.items():
        held_out = [
            _held_out(points[..., part], member, stratified(codes, counted, key, folds), folds)
            for key in keys.unbind(1)
        ]
        known[name] = entropy + torch.stack(held_out).mean(0)

    enough = (n - (n + folds - 1).div(folds, rounding_mode="floor") > columns + classes + 1) & (classes >= 2)

    def possible(value: Tensor) -> Tensor:
        return torch.where(enough, value, math.nan)

    gap = within - (known["ts"] - known["t"])
    flags = {
        "too_few_samples": ~enough,
        "class_left_out": (valid & ~counted).any(-1),
        "deterministic": within.isposinf(),
        "columns_left_out": (n > 0) & ((rank_a < a.shape[-1]) | (rank_b < b.shape[-1])),
    }
    return Terms(
        teacher_student=possible(gap + known["s"]),
        teacher_label=possible(known["t"]),
        student_label=possible(known["s"]),
        gap=possible(gap),
        n=n,
        flags=flags,
    )


def label_entropy(member: Tensor) -> Tensor:
    """H(Y) = -sum_c f_c log f_c + (K - 1) / (2 n) of (B, n, C) members: frequencies f_c, K classes that occur.

    The correction is Miller (1955), Note on the bias of information estimates.
    """
    counts = member.sum(1)
    n = counts.sum(-1)
    frequency = counts / n[:, None]
    plug_in: Tensor = -torch.special.xlogy(frequency, frequency).sum(-1)
    return plug_in + ((counts > 0).sum(-1) - 1) / (2 * n)


def _centred(points: Tensor, members: Tensor) -> Tensor:
    """(B, n, d) without their mean; zero on what is not a member, and in columns that are constant up to rounding."""
    around, mean = centred(points, members)
    return around.masked_fill(around.abs().amax(1, keepdim=True) <= FLAT * mean.abs(), 0.0)


def _held_out(points: Tensor, member: Tensor, fold: Tensor, folds: int) -> Tensor:
    """(B, n, d) -> (B,) mean log-probability of the samples' own classes, each by the samples of the other folds.

    What a fold's training samples sum to is what all sum to less the fold itself.
    """
    index, held = compress(fold[:, None] == torch.arange(folds, device=fold.device)[:, None])
    x = select_points(points, index, held).masked_fill(~held.flatten(0, 1)[..., None], 0.0)
    own = select_points(member, index, held) * held.flatten(0, 1)[..., None]

    def of_others(sums: Tensor) -> Tensor:
        each = sums.view(-1, folds, *sums.shape[1:])
        rest: Tensor = each.sum(1, keepdim=True) - each
        return rest.flatten(0, 1)

    size, totals, squares = of_others(own.sum(1)), of_others(own.mT @ x), of_others(x.mT @ x)
    log_probability = _log_probabilities(x, size, totals, squares)
    # Not a product: a class that no training sample is of has minus infinity.
    found: Tensor = torch.where(own > 0, log_probability, 0.0).sum((1, 2)).view(-1, folds).sum(1)
    return found / (fold >= 0).sum(-1)


def _log_probabilities(points: Tensor, size: Tensor, totals: Tensor, squares: Tensor) -> Tensor:
    """(M, b, d) points; (M, C) training samples n_y of a class, (M, C, d) their sums, (M, d, d) all their products.

    Returns (M, b, C) log p(y|x). p(x|y) is the Student-t of a Gaussian whose mean is known from n_y samples, its
    covariance from v = n - C degrees of freedom: in proportion to
    a^(d/2) [1 + a (x - m_y)' S^-1 (x - m_y)]^(-(v + 1)/2), a = n_y / (n_y + 1), S the scatter within classes.
    """
    mean = totals / size.clamp(min=1)[..., None]
    scatter = squares - totals.mT @ mean
    diagonal = scatter.diagonal(dim1=-2, dim2=-1)
    # A column that is constant within classes is no dimension, but for rounding.
    varies = diagonal > FLOOR * squares.diagonal(dim1=-2, dim2=-1)
    scatter = scatter + torch.diag_embed(torch.where(varies, FLOOR * diagonal, 1.0))
    root = torch.linalg.cholesky(scatter)
    white: Tensor = torch.linalg.solve_triangular(root, torch.cat([points, mean], 1).mT, upper=False).mT
    squared = torch.cdist(white[:, : points.shape[1]], white[:, points.shape[1] :]).square()
    d = varies.sum(-1)[:, None, None]
    share = (size / (size + 1))[:, None]
    freedom = (size.sum(-1) - (size > 0).sum(-1))[:, None, None]
    density = 0.5 * d * share.log() - 0.5 * (freedom + 1) * torch.log1p(share * squared)
    return torch.log_softmax(size.log()[:, None] + density, -1)


def classwise_information(
    teacher: Any, student: Any, labels: Any, *, subsamples: int = 50, repeats: int = 2, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate the terms and the gap of one pair with their standard errors, in nats.

    Parameters
    ----------
    teacher, student
        (n, p) and (n, q) numbers.
    labels
        (n,) integers.
    subsamples
        Half-samples, stratified, behind the standard errors; 0 for none.
    repeats, seed
        Ways to draw folds; of folds and half-samples.

    Returns
    -------
    dict
        `teacher_student`, `teacher_label`, `student_label` and `gap`; flags as `classwise`, and
        `half_samples_without_estimate`.

    Raises
    ------
    InputError
        If shapes differ, or a value is missing.
    """
    teacher, student, codes = as_arrays("classwise_information", teacher, student, labels)
    n = len(codes)
    random = np.random.default_rng(seed)
    t, s = (torch.as_tensor(points)[None] for points in (teacher, student))
    y, everyone = torch.as_tensor(codes)[None], torch.ones(1, n, dtype=torch.bool)
    whole = classwise(t, s, y, everyone, torch.as_tensor(random.random((1, repeats, n))))
    flags = {flag for flag, present in whole.flags.items() if bool(present)}
    errors = dict.fromkeys(QUANTITIES, math.nan)
    if subsamples:
        keep = half_samples(
            torch.as_tensor(random.random((1, subsamples, n))),
            torch.as_tensor(random.integers(0, 2, (1, subsamples))),
            y,
            torch.arange(n)[None],
            everyone,
        )
        halves = classwise_selections(t, s, y, keep, torch.as_tensor(random.random((1, repeats, n))))
        possible = halves.gap.isfinite()[0]
        if not possible.all():
            flags.add("half_samples_without_estimate")
        if 2 * int(possible.sum()) >= subsamples and int(possible.sum()) > 1:
            factor = half_to_whole(keep, everyone)
            for name in QUANTITIES:
                errors[name] = float((getattr(halves, name)[0][possible].var() * factor).sqrt())
    return {
        name: Estimate(
            value=float(getattr(whole, name)),
            se=errors[name],
            n=int(whole.n),
            dim=(t.shape[-1], s.shape[-1]),
            flags=tuple(sorted(flags)),
            estimator="classwise",
        )
        for name in QUANTITIES
    }


def classwise_selections(t: Tensor, s: Tensor, labels: Tensor, keep: Tensor, keys: Tensor) -> Terms:
    """(B, n, .) and (B, S, n) selections -> arrays (B, S), with the same keys (B, R, n) of folds for all."""
    index, members = compress(keep)
    columns = t.shape[-1] + s.shape[-1]
    step = max(1, CHUNK[t.device.type] // (8 * len(t) * index.shape[-1] * columns))
    parts = []
    for start in range(0, index.shape[1], step):
        chosen, kept = index[:, start : start + step], members[:, start : start + step]
        a, b, y, drawn = (select_points(points, chosen, kept) for points in (t, s, labels[..., None], keys.mT))
        parts.append(classwise(a, b, y[..., 0], kept.flatten(0, 1), drawn.mT))

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(part, name).view(len(t), -1) for part in parts], 1)

    return Terms(
        **{name: joined(name) for name in (*QUANTITIES, "n")},
        flags={flag: torch.cat([part.flags[flag].view(len(t), -1) for part in parts], 1) for flag in parts[0].flags},
    )
