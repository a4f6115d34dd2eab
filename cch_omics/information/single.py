"""Mutual information of one pair of variables."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.information.estimators import ESTIMATORS, Estimator, run
from cch_omics.information.result import Estimate
from cch_omics.information.subsampling import compress, half_samples, half_to_whole

WHERE = "mutual_information"


def mutual_information(
    x: Any,
    y: Any,
    *,
    estimator: str = "auto",
    neighbours: int = 3,
    subsamples: int = 50,
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
        A name in `ESTIMATORS`; `auto` = `ross` for a label, `ksg` otherwise.
    neighbours
        k.
    subsamples
        Half-samples behind the standard error; 0 for none.
    groups
        (n,) patients: the samples of one are drawn together. Default: each sample its own.
    seed
        Of the half-samples.
    device
        Where to compute.

    Returns
    -------
    Estimate
        `value` is never clipped at zero. Flags: `ties`, `class_left_out`, `neighbours_lowered` (see the estimators) and
        `half_samples_without_estimate`, if some halves were too small for one.

    Raises
    ------
    InputError
        If the estimator is unknown or does not fit the kind of y, shapes differ, a value is missing or infinite, or
        there are too few samples (n <= k; fewer than two classes of two).
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
    if subsamples < 0:
        raise InputError(WHERE, f"subsamples = {subsamples}", "0 or more", "Use 0 for no standard error.")

    valid = torch.ones(1, n, dtype=torch.bool, device=device)
    prepared_x = chosen.prepare(_scaled(points, device), valid)
    if labels is None:
        prepared_y = chosen.prepare(_scaled(second, device), valid)
    else:
        prepared_y = torch.as_tensor(labels, device=device)[None]
    full = run(chosen, prepared_x, prepared_y, *compress(valid[:, None]), neighbours=neighbours)
    value = float(full.value)
    if math.isnan(value):
        raise InputError(WHERE, "fewer than two classes of two samples in y", "two or more", "Merge rare classes.")

    flags = {flag for flag, found in full.flags.items() if bool(found)}
    se = math.nan
    if subsamples:
        random = np.random.default_rng(seed)
        keep = half_samples(
            torch.as_tensor(random.random((1, subsamples, n)), device=device),
            torch.as_tensor(random.integers(0, 2, (1, subsamples)), device=device),
            torch.zeros(1, n, dtype=torch.int64, device=device) if labels is None else prepared_y,
            torch.as_tensor(_groups(groups, n), device=device)[None],
            valid,
        )
        halves = run(chosen, prepared_x, prepared_y, *compress(keep), neighbours=neighbours).value[0]
        possible = halves[~halves.isnan()]
        if len(possible) < len(halves):
            flags.add("half_samples_without_estimate")
        if 2 * len(possible) >= len(halves) and len(possible) > 1:
            se = float((possible.var() * half_to_whole(keep, valid)).sqrt())
    return Estimate(
        value=value,
        se=se,
        n=int(full.n),
        dim=(points.shape[1], second.shape[1]),
        flags=tuple(sorted(flags)),
        estimator=chosen.name,
    )


def _labels(y: Any) -> NDArray[np.int64] | None:
    """(n,) codes of a label, None if y is continuous."""
    # A pandas Categorical, or a Series of one: pandas itself is not needed to see it.
    codes = getattr(getattr(y, "cat", y), "codes", None)
    if codes is not None:
        found = np.asarray(codes, dtype=np.int64)
        if (found < 0).any():
            raise InputError(
                f"{WHERE}, y", f"{int((found < 0).sum())} missing labels", "none", "Leave those samples out of x and y."
            )
        return found
    values = np.asarray(y)
    if values.dtype.kind not in "iubUSOT":
        return None
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise InputError(
            f"{WHERE}, y",
            f"{values.dtype} of shape {values.shape}",
            "one label per sample",
            "Integers are a label: convert a continuous y to floats.",
        )
    if values.dtype.kind == "O":
        if any(value is None or value != value for value in values):
            raise InputError(f"{WHERE}, y", "missing labels", "none", "Leave those samples out of x and y.")
        values = values.astype(str)
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def _estimator(name: str, discrete: bool) -> Estimator:
    if name == "auto":
        name = "ross" if discrete else "ksg"
    if name not in ESTIMATORS:
        raise InputError(
            f"{WHERE}, estimator", repr(name), f"one of {', '.join(('auto', *ESTIMATORS))}", "Choose one of them."
        )
    estimator = ESTIMATORS[name]
    if discrete != (estimator.second == "label"):
        fitting = [other.name for other in ESTIMATORS.values() if (other.second == "label") == discrete]
        kind = "a label (integers, booleans, strings or a Categorical)" if discrete else "continuous"
        raise InputError(
            f"{WHERE}, estimator",
            f"{name!r}, which takes a {estimator.second} y, while y is {kind}",
            f"one of {', '.join(fitting)}",
            "Choose another estimator, or convert y: floats are continuous, integers are a label.",
        )
    return estimator


def _points(values: Any, name: str) -> NDArray[np.float64]:
    """(n, d) float64."""
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{WHERE}, {name}", f"{type(values).__name__} that holds no numbers", "numbers", "") from None
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputError(f"{WHERE}, {name}", f"shape {points.shape}", "(samples,) or (samples, columns)", "Reshape it.")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(1).sum())
        raise InputError(
            f"{WHERE}, {name}", f"{bad} samples with NaN or infinite values", "none", "Impute them or leave them out."
        )
    return points


def _scaled(points: NDArray[np.float64], device: torch.device | str) -> torch.Tensor:
    """(1, n, d) with a mean variance of one over columns; a constant stays as it is."""
    scale = math.sqrt(points.var(0).mean())
    return torch.as_tensor(points / scale if scale > 0 else points, device=device)[None]


def _groups(groups: Any, n: int) -> NDArray[np.int64]:
    """(n,) codes in 0 .. n - 1."""
    if groups is None:
        return np.arange(n)
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"{WHERE}, groups", f"shape {values.shape}", f"({n},)", "Give one patient per sample.")
    return np.asarray(np.unique(values.astype(str), return_inverse=True)[1], dtype=np.int64)
