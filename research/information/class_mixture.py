"""The gap itself, from a class-conditional Gaussian model of teacher and student representations.

By the chain rule, I(T;S) - I(S;Y) = I(T;S|Y) - I(S;Y|T) = E[log p(s|t) - log p(s|y)]: one expectation, in which what
the two terms share never enters. The model is quadratic discriminant analysis with covariances shrunk to the pooled
one (Friedman 1989, Regularized discriminant analysis, JASA 84, 165), evaluated on samples it was not fitted to.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.errors import InputError

Floats = NDArray[np.float64]

# Variance that is added, relative to the pooled one of a column: a constant column then cancels.
FLOOR = 1e-9


@dataclass(frozen=True)
class Gaps:
    """The gap of B items, in nats.

    Attributes
    ----------
    cross_fitted
        (B,) mean of log p(s|t) - log p(s|y) over held-out samples; NaN where it cannot be had. Errors of the model
        enter as -KL of s given t plus KL of s given y: usually the first is larger and this the lower end.
    extrapolated
        (B,) what that tends to with more samples, if the errors fall as 1/m with m training samples: the other end.
        They fall faster, and it overshoots, where a class has few samples for p + q columns: by 0.6 to 0.8 nats with
        p = q = 8, three classes and n = 100; by about 0.1 with n = 200 (benchmarks/information.md).
    cross_fitted_se, extrapolated_se
        (B,) standard errors from the spread over samples, as if the fitted models were given.
    n
        (B,) samples that entered.
    flags
        By name, (B,) each.
    """

    cross_fitted: Tensor
    extrapolated: Tensor
    cross_fitted_se: Tensor
    extrapolated_se: Tensor
    n: Tensor
    flags: dict[str, Tensor]


@dataclass(frozen=True)
class Gap:
    """The gap of one pair, as `Gaps`."""

    cross_fitted: float
    extrapolated: float
    cross_fitted_se: float
    extrapolated_se: float
    n: int
    flags: tuple[str, ...]


def class_mixture_gap(
    teacher: Any, student: Any, labels: Any, *, folds: int = 10, repeats: int = 5, seed: int = 0
) -> Gap:
    """Estimate I(T;S) - I(S;Y) of one pair, in nats.

    Parameters
    ----------
    teacher, student
        (n, p) and (n, q) numbers.
    labels
        (n,) integers.
    folds, repeats, seed
        Of the cross-fitting; `class_mixture` fits `folds` + 2 models per repeat.

    Returns
    -------
    Gap
        Flags: `class_left_out`, `too_few_samples`.

    Raises
    ------
    InputError
        If shapes differ, a value is missing, or `folds` is less than 3.
    """
    where = "class_mixture_gap"
    t, s, codes = as_arrays(where, teacher, student, labels)
    if folds < 3:
        raise InputError(where, f"folds = {folds}", "3 or more", "Two folds are the other end of the extrapolation.")
    keys = np.random.default_rng(seed).random((1, repeats, len(t)))
    found = class_mixture(
        torch.as_tensor(t)[None],
        torch.as_tensor(s)[None],
        torch.as_tensor(codes)[None],
        torch.ones(1, len(t), dtype=torch.bool),
        torch.as_tensor(keys),
        folds=folds,
    )
    return Gap(
        cross_fitted=float(found.cross_fitted),
        extrapolated=float(found.extrapolated),
        cross_fitted_se=float(found.cross_fitted_se),
        extrapolated_se=float(found.extrapolated_se),
        n=int(found.n),
        flags=tuple(sorted(flag for flag, present in found.flags.items() if present)),
    )


def as_arrays(where: str, teacher: Any, student: Any, labels: Any) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(n, p) and (n, q) numbers and (n,) classes 0 .. C - 1 of one pair, checked.

    Raises
    ------
    InputError
        If shapes differ, or a value is missing.
    """
    t, s = (np.asarray(points, dtype=np.float64).reshape(len(points), -1) for points in (teacher, student))
    codes = np.asarray(np.unique(np.asarray(labels), return_inverse=True)[1])
    if not len(t) == len(s) == len(codes):
        raise InputError(
            where, f"{len(t)}, {len(s)} and {len(codes)} samples", "as many of each", "Align them by sample."
        )
    for name, points in (("teacher", t), ("student", s)):
        bad = int((~np.isfinite(points)).any(1).sum())
        if bad:
            raise InputError(
                f"{where}, {name}", f"{bad} samples with NaN or infinite values", "none", "Leave them out."
            )
    return t, s, codes


def counted_classes(labels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Leave out classes of one: (B, n) labels and which are valid -> codes, what is counted, membership and classes.

    Returns
    -------
    tuple
        (B, n) classes, 0 on padding; (B, n) samples whose class has two or more; (B, n, C) float64, their classes; (B,)
        how many classes count.
    """
    codes = labels.masked_fill(~valid, 0)
    member = torch.nn.functional.one_hot(codes).double() * valid[..., None]
    size = member.sum(1)
    counted = valid & (size.gather(1, codes) > 1)
    return codes, counted, member * counted[..., None], (size > 1).sum(-1)


def class_mixture(t: Tensor, s: Tensor, labels: Tensor, valid: Tensor, keys: Tensor, *, folds: int = 10) -> Gaps:
    """E[log p(s|t) - log p(s|y)], cross-fitted in `folds` and in two folds, on B items at once.

    With e_K the mean over held-out samples from K folds, trained on m_K = n (K - 1) / K samples, and errors in
    proportion to 1/m: the limit is e_K + (e_K - e_2) m_2 / (m_K - m_2).

    Parameters
    ----------
    t, s
        (B, n, p) and (B, n, q) points, anything on padding.
    labels
        (B, n) classes 0 .. C - 1, anything on padding.
    valid
        (B, n) False on padding.
    keys
        (B, R, n) uniform random numbers: R ways to draw folds, over which results are averaged.
    folds
        K.

    Returns
    -------
    Gaps
        NaN where half of the samples are no more than p + q + C (flag `too_few_samples`) or fewer than two classes
        have two samples. A class of one is left out (flag `class_left_out`).
    """
    points = torch.cat([t, s], -1).double().masked_fill(~valid[..., None], 0.0)
    codes, counted, member, classes = counted_classes(labels, valid)
    n = counted.sum(-1)

    enough = n // 2 > points.shape[-1] + classes
    terms = {
        k: torch.stack(
            [_held_out(points, t.shape[-1], member, stratified(codes, counted, key, k), k) for key in keys.unbind(1)]
        ).mean(0)
        for k in (2, folds)
    }
    # m_2 / (m_K - m_2).
    share = 0.5 / ((folds - 1) / folds - 0.5)
    possible = enough & (classes >= 2)
    cross_fitted, cross_fitted_se = _mean(terms[folds], counted, possible)
    extrapolated, extrapolated_se = _mean(terms[folds] + share * (terms[folds] - terms[2]), counted, possible)
    flags = {"class_left_out": (valid & ~counted).any(-1), "too_few_samples": ~enough}
    return Gaps(cross_fitted, extrapolated, cross_fitted_se, extrapolated_se, n, flags)


def _mean(values: Tensor, counted: Tensor, possible: Tensor) -> tuple[Tensor, Tensor]:
    """(B, n) -> (B,) means over counted samples and their standard errors; NaN where not possible."""
    n = counted.sum(-1).clamp(min=2)
    mean = torch.where(counted, values, 0.0).sum(-1) / n
    deviation = torch.where(counted, values - mean[:, None], 0.0)
    se = (deviation.square().sum(-1) / (n * (n - 1))).sqrt()
    return torch.where(possible, mean, math.nan), torch.where(possible, se, math.nan)


def stratified(codes: Tensor, counted: Tensor, keys: Tensor, folds: int) -> Tensor:
    """(B, n) fold 0 .. folds - 1 of each sample, each class spread over them evenly; -1 for samples not counted."""
    rank = (codes + keys).masked_fill(~counted, math.inf).argsort(-1).argsort(-1)
    return (rank % folds).masked_fill(~counted, -1)


def _held_out(points: Tensor, p: int, member: Tensor, fold: Tensor, folds: int) -> Tensor:
    """(B, n, p + q) -> (B, n) log p(s|t) - log p(s|y) of each sample, by the model without its fold."""
    held = fold[:, None] == torch.arange(folds, device=fold.device)[:, None]
    items, n, d = points.shape
    everyone = points[:, None].expand(-1, folds, -1, -1).reshape(-1, n, d)
    of_class = member[:, None].expand(-1, folds, -1, -1).reshape(items * folds, n, -1)
    train = of_class * ~held.reshape(-1, n, 1)
    found = _log_ratio(everyone, p, train, of_class)
    return torch.where(held, found.view(items, folds, n), 0.0).sum(1)


def _log_ratio(points: Tensor, p: int, train: Tensor, of_class: Tensor) -> Tensor:
    """Fit to (B, n, C) training members; (B, n) log p(s|t) - log p(s|y) of all samples."""
    d = points.shape[-1]
    size = train.sum(1)
    mean = train.mT @ points / size.clamp(min=1)[..., None]
    residual = (points - train @ mean) * train.sum(-1, keepdim=True)
    scatter = torch.einsum("bnc,bnd,bne->bcde", train, residual, residual)
    freedom = (size.sum(-1) - (size > 0).sum(-1)).clamp(min=1)
    pooled = scatter.sum(1) / freedom[:, None, None]
    diagonal = pooled.diagonal(dim1=-2, dim2=-1)
    pooled = pooled + torch.diag_embed(torch.where(diagonal > 0, FLOOR * diagonal, 1.0))
    # As many pseudo-samples of the pooled covariance as there are dimensions.
    weight = d + 1.0
    covariance = (scatter + weight * pooled[:, None]) / ((size - 1).clamp(min=0) + weight)[..., None, None]

    centred = points[:, None] - mean[:, :, None]
    root: Tensor = torch.linalg.cholesky(covariance)
    # The leading block of a Cholesky factor is the factor of the leading block.
    whole = _log_normal(centred, root)
    teacher = _log_normal(centred[..., :p], root[..., :p, :p])
    student = _log_normal(centred[..., p:], torch.linalg.cholesky(covariance[..., p:, p:]))
    prior = (size / size.sum(-1, keepdim=True)).log()[..., None]
    given_t: Tensor = torch.logsumexp(prior + whole, 1) - torch.logsumexp(prior + teacher, 1)
    return given_t - torch.where(of_class.mT > 0, student, 0.0).sum(1)


def _log_normal(centred: Tensor, root: Tensor) -> Tensor:
    """(B, C, n, d) and Cholesky factors (B, C, d, d) -> (B, C, n) log-densities."""
    white: Tensor = torch.linalg.solve_triangular(root, centred.mT, upper=False)
    volume = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)[..., None]
    return -0.5 * white.square().sum(-2) - volume - 0.5 * root.shape[-1] * math.log(2 * math.pi)
