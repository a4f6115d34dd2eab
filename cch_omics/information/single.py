"""Mutual information of one pair of variables."""

import math
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.errors import InputError
from cch_omics.information.estimators import ESTIMATORS, Estimator, run
from cch_omics.information.result import Estimate
from cch_omics.information.subsampling import (
    PARTS,
    compress,
    half_samples,
    half_to_whole,
    partition_variance,
    partitions,
)

WHERE = "mutual_information"
Uncertainty = Literal["half_sampling", "holmes_nemenman"]


def mutual_information(
    x: Any,
    y: Any,
    *,
    estimator: str = "auto",
    neighbours: int = 3,
    subsamples: int = 50,
    uncertainty: Uncertainty = "half_sampling",
    groups: Any = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Estimate:
    """Estimate I(X;Y) with its standard error, in nats.

    X, and Y where it is continuous, are each divided by one number, the root mean variance of their columns: the
    estimate does not depend on the scale of either. The relative scale of columns within one is left as it is and
    matters: standardise columns of different units first.

    Parameters
    ----------
    x
        (n,) or (n, d) numbers.
    y
        Numbers as x; or a label: (n,) integers, booleans, strings or a pandas Categorical. Integers are always a label;
        give counts as floats.
    estimator
        A name in `ESTIMATORS`; `auto` = `ross` for a label, `ksg` otherwise. (`crossentropy` takes a model's logits:
        `cross_entropy_bound`.)
    neighbours
        k.
    subsamples
        Half-samples, or partitions, behind the standard error; 0 for none.
    uncertainty
        Where the standard error is from: `half_sampling`; or `holmes_nemenman`, partitions into 2 to 6 parts, as a
        cross-check (`subsampling.partition_variance`).
    groups
        (n,) patients: the samples of one are drawn together. Default: each sample its own.
    seed
        Of the half-samples or partitions.
    device
        Where to compute.

    Returns
    -------
    Estimate
        `value` is never clipped at zero. Flags are those of the estimator and `half_samples_without_estimate` or
        `parts_without_estimate`, if some halves or parts were too small for one.

    Raises
    ------
    InputError
        If `uncertainty` or the estimator is unknown, the estimator does not fit the kind of y, shapes differ, a value
        is missing or infinite, or there are too few samples (n <= k; fewer than two classes of two; too many columns
        for a covariance; fewer than 20 or 50 for what is learned).
    """
    labels = _labels(y)
    chosen = _estimator(estimator, labels is not None)
    points = _points(x, "x")
    # A label has no columns.
    second = _points(y, "y") if labels is None else np.zeros((len(labels), 0))
    n = len(points)
    if len(second) != n:
        raise InputError(WHERE, f"{n} samples in x and {len(second)} in y", "as many", "Align x and y by sample.")
    if neighbours < 1 or n <= neighbours:
        raise InputError(
            WHERE, f"neighbours = {neighbours} with {n} samples", "1 <= neighbours < samples", "Lower `neighbours`."
        )
    _check_subsamples(subsamples)
    if uncertainty not in get_args(Uncertainty):
        raise InputError(
            f"{WHERE}, uncertainty",
            repr(uncertainty),
            f"one of {', '.join(get_args(Uncertainty))}",
            "Choose one of them.",
        )

    valid = torch.ones(1, n, dtype=torch.bool, device=device)
    prepared_x = chosen.prepare(_scaled(points, device), valid)
    if labels is None:
        prepared_y = chosen.prepare(_scaled(second, device), valid)
        strata = torch.zeros(1, n, dtype=torch.int64, device=device)
    else:
        strata = prepared_y = torch.as_tensor(labels, device=device)[None]
    return _estimate(
        chosen,
        prepared_x,
        prepared_y,
        strata=strata,
        groups=_groups(groups, n),
        dim=(points.shape[1], second.shape[1]),
        neighbours=neighbours,
        subsamples=subsamples,
        seed=seed,
        uncertainty=uncertainty,
    )


def cross_entropy_bound(
    logits: Any,
    labels: Any,
    *,
    subsamples: int = 50,
    groups: Any = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Estimate:
    """Estimate a lower bound of I(X;Y) with its standard error, in nats, from a model's class logits of X.

    H(Y) minus the cross-entropy (`crossentropy.crossentropy`). A bound only if the model has not seen the samples.

    Parameters
    ----------
    logits
        (n, C), one column per class.
    labels
        (n,) integers 0 .. C - 1 that name the columns, or a pandas Categorical with C categories in their order.
    subsamples, groups, seed, device
        As in `mutual_information`.

    Returns
    -------
    Estimate
        `value` may be negative; `dim` is (C, 0). Half-samples are stratified: in `se` the frequencies of the classes
        count as given. Flags: `class_of_one`, `half_samples_without_estimate`.

    Raises
    ------
    InputError
        If shapes differ, a value is missing or infinite, a label names no column, or there are fewer than two classes.
    """
    where = "cross_entropy_bound"
    points = _points(logits, "logits", where)
    if getattr(getattr(labels, "cat", labels), "codes", None) is None and np.asarray(labels).dtype.kind not in "iub":
        raise InputError(
            f"{where}, labels",
            f"{np.asarray(labels).dtype}",
            "integers or a pandas Categorical",
            "They have to say which column of the logits is whose.",
        )
    codes = _codes(labels, where)
    if len(codes) != len(points):
        raise InputError(
            where, f"{len(points)} samples in logits and {len(codes)} in labels", "as many", "Align them by sample."
        )
    columns = points.shape[1]
    if codes.min(initial=0) < 0 or codes.max(initial=0) >= columns:
        raise InputError(
            f"{where}, labels",
            f"labels from {codes.min()} to {codes.max()}",
            f"0 .. {columns - 1}, the columns of the logits",
            "Number the classes in the order of the columns.",
        )
    _check_subsamples(subsamples, where)
    chosen = ESTIMATORS["crossentropy"]
    valid = torch.ones(1, len(points), dtype=torch.bool, device=device)
    prepared_y = torch.as_tensor(codes, device=device)[None]
    return _estimate(
        chosen,
        chosen.prepare(torch.as_tensor(points, device=device)[None], valid),
        prepared_y,
        strata=prepared_y,
        groups=_groups(groups, len(points), where),
        dim=(columns, 0),
        neighbours=0,
        subsamples=subsamples,
        seed=seed,
        where=where,
    )


def _estimate(
    chosen: Estimator,
    x: Tensor,
    y: Tensor,
    *,
    strata: Tensor,
    groups: NDArray[np.int64],
    dim: tuple[int, int],
    neighbours: int,
    subsamples: int,
    seed: int,
    where: str = WHERE,
    uncertainty: Uncertainty = "half_sampling",
) -> Estimate:
    """From prepared X and Y: of the whole, and its standard error."""
    n, device = strata.shape[1], strata.device
    valid = torch.ones(1, n, dtype=torch.bool, device=device)
    full = run(chosen, x, y, *compress(valid[:, None]), neighbours=neighbours)
    value = float(full.value)
    if math.isnan(value):
        few_classes = chosen.second == "label"
        raise InputError(
            where,
            "fewer than two classes of two samples in y"
            if few_classes
            else f"{n} samples of {dim[0]} + {dim[1]} columns",
            f"{chosen.needs} for {chosen.name}",
            "Merge rare classes." if few_classes else "Use fewer columns, or an estimator by nearest neighbours.",
        )
    flags = {flag for flag, found in full.flags.items() if bool(found)}
    se = math.nan
    random = np.random.default_rng(seed)
    drawn_from = (strata, torch.as_tensor(groups, device=device)[None], valid)
    if subsamples and uncertainty == "holmes_nemenman":
        estimates = []
        for parts in PARTS:
            keys = torch.as_tensor(random.random((1, math.ceil(subsamples / len(PARTS)), n)), device=device)
            index = compress(partitions(keys, *drawn_from, parts))
            estimates.append(run(chosen, x, y, *index, neighbours=neighbours).value.view(-1, parts))
        if any(not bool(values.isfinite().all()) for values in estimates):
            flags.add("parts_without_estimate")
        se = math.sqrt(float(partition_variance(estimates)))
    elif subsamples:
        keep = half_samples(
            torch.as_tensor(random.random((1, subsamples, n)), device=device),
            torch.as_tensor(random.integers(0, 2, (1, subsamples)), device=device),
            *drawn_from,
        )
        halves = run(chosen, x, y, *compress(keep), neighbours=neighbours).value[0]
        possible = halves[halves.isfinite()]
        if len(possible) < len(halves):
            flags.add("half_samples_without_estimate")
        if 2 * len(possible) >= len(halves) and len(possible) > 1:
            se = float((possible.var() * half_to_whole(keep, valid)).sqrt())
    return Estimate(value=value, se=se, n=int(full.n), dim=dim, flags=tuple(sorted(flags)), estimator=chosen.name)


def _check_subsamples(subsamples: int, where: str = WHERE) -> None:
    if subsamples < 0:
        raise InputError(where, f"subsamples = {subsamples}", "0 or more", "Use 0 for no standard error.")


def _labels(y: Any) -> NDArray[np.int64] | None:
    """(n,) codes of a label, None if y is continuous."""
    categorical = getattr(getattr(y, "cat", y), "codes", None) is not None
    if not categorical and np.asarray(y).dtype.kind not in "iubUSOT":
        return None
    return np.asarray(np.unique(_codes(y, WHERE), return_inverse=True)[1], dtype=np.int64)


def _codes(y: Any, where: str) -> NDArray[np.int64]:
    """(n,) codes of a label: its categories', the integers themselves, or positions among sorted names."""
    name = "labels" if where != WHERE else "y"
    # A pandas Categorical, or a Series of one: pandas itself is not needed to see it.
    codes = getattr(getattr(y, "cat", y), "codes", None)
    if codes is not None:
        found = np.asarray(codes, dtype=np.int64)
        if (found < 0).any():
            raise InputError(
                f"{where}, {name}", f"{int((found < 0).sum())} missing labels", "none", "Leave those samples out."
            )
        return found
    values = np.asarray(y)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise InputError(
            f"{where}, {name}",
            f"{values.dtype} of shape {values.shape}",
            "one label per sample",
            "Integers are a label: convert a continuous y to floats.",
        )
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    if values.dtype.kind == "O":
        if any(value is None or value != value for value in values):
            raise InputError(f"{where}, {name}", "missing labels", "none", "Leave those samples out.")
        values = values.astype(str)
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def _estimator(name: str, discrete: bool) -> Estimator:
    if name == "auto":
        name = "ross" if discrete else "ksg"
    names = ["auto", *(entry.name for entry in ESTIMATORS.values() if entry.first == "representation")]
    if name not in ESTIMATORS:
        raise InputError(f"{WHERE}, estimator", repr(name), f"one of {', '.join(names)}", "Choose one of them.")
    estimator = ESTIMATORS[name]
    if estimator.first == "logits":
        raise InputError(
            f"{WHERE}, estimator",
            f"{name!r}, which takes the class logits of a model",
            "an estimator that takes x itself",
            "`cross_entropy_bound(logits, labels)` is this one.",
        )
    if discrete != (estimator.second == "label"):
        fitting = [
            other.name
            for other in ESTIMATORS.values()
            if (other.second == "label") == discrete and other.first == "representation"
        ]
        kind = "a label (integers, booleans, strings or a Categorical)" if discrete else "continuous"
        raise InputError(
            f"{WHERE}, estimator",
            f"{name!r}, which takes a {estimator.second} y, while y is {kind}",
            f"one of {', '.join(fitting)}",
            "Choose another estimator, or convert y: floats are continuous, integers are a label.",
        )
    return estimator


def _points(values: Any, name: str, where: str = WHERE) -> NDArray[np.float64]:
    """(n, d) float64."""
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{where}, {name}", f"{type(values).__name__} that holds no numbers", "numbers", "") from None
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputError(f"{where}, {name}", f"shape {points.shape}", "(samples,) or (samples, columns)", "Reshape it.")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(1).sum())
        raise InputError(
            f"{where}, {name}", f"{bad} samples with NaN or infinite values", "none", "Impute them or leave them out."
        )
    return points


def _scaled(points: NDArray[np.float64], device: torch.device | str) -> Tensor:
    """(1, n, d) with a mean variance of one over columns; a constant stays as it is."""
    scale = math.sqrt(points.var(0).mean())
    return torch.as_tensor(points / scale if scale > 0 else points, device=device)[None]


def _groups(groups: Any, n: int, where: str = WHERE) -> NDArray[np.int64]:
    """(n,) codes in 0 .. n - 1."""
    if groups is None:
        return np.arange(n)
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"{where}, groups", f"shape {values.shape}", f"({n},)", "Give one patient per sample.")
    return np.asarray(np.unique(values.astype(str), return_inverse=True)[1], dtype=np.int64)
