"""Mutual information of one pair of variables."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.errors import InputError
from cch_omics.information.estimators import run
from cch_omics.information.half_samples import compress, half_samples, half_to_whole
from cch_omics.information.registry import ESTIMATORS, Entry

WHERE = "mutual_information"


@dataclass(frozen=True)
class Estimate:
    """Mutual information of one pair of variables.

    Attributes
    ----------
    value
        Nats, never clipped at zero.
    se
        Standard error from half-samples, nats; NaN if none was asked for or too few half-samples allow an estimate.
    n
        Samples that entered.
    dim
        Columns of x and of y (0 for a label).
    flags
        What was not as the estimator assumes.
    estimator
        Name of the estimator.
    """

    value: float
    se: float
    n: int
    dim: tuple[int, int]
    flags: tuple[str, ...] = field(default=())
    estimator: str = ""


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
        Numbers as x; or classes: (n,) integers, booleans, strings or a pandas Categorical. Integers are always classes;
        give counts as floats.
    estimator
        A name in `registry.ESTIMATORS`; `auto` = `ross` for classes, `ksg` for numbers.
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
        `value` is never clipped at zero. Flags are those of the estimator and `half_samples_without_estimate`, if some
        halves were too small for one.

    Raises
    ------
    InputError
        If the estimator is unknown or does not fit the kind of y, shapes differ, a value is missing or infinite, or
        there are too few samples (`Entry.needs`).
    """
    classes = _classes(y)
    chosen = _estimator(estimator, "continuous" if classes is None else "discrete")
    points = _points(x, "x")
    second = _points(y, "y") if classes is None else np.zeros((len(classes), 0))
    n, dim = len(points), (points.shape[1], second.shape[1])
    if len(second) != n:
        raise InputError(WHERE, f"{n} samples in x and {len(second)} in y", "as many", "Align x and y by sample.")
    if neighbours < 1 or n <= neighbours:
        raise InputError(
            WHERE, f"neighbours = {neighbours} with {n} samples", "1 <= neighbours < samples", "Lower `neighbours`."
        )
    patients = np.arange(n) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    if len(patients) != n:
        raise InputError(f"{WHERE}, groups", f"{len(patients)} groups", f"{n}", "Give one patient per sample.")

    code, everyone = chosen.load(), torch.ones(1, n, dtype=torch.bool, device=device)
    strata = torch.as_tensor(np.zeros(n, dtype=np.int64) if classes is None else classes, device=device)[None]
    prepared_x = code.prepare(_scaled(points, device), everyone)
    prepared_y = code.prepare(_scaled(second, device), everyone) if classes is None else strata
    full = run(code, prepared_x, prepared_y, *compress(everyone[:, None]), neighbours=neighbours)
    value = float(full.value)
    if math.isnan(value):
        raise InputError(
            WHERE,
            f"{n} samples of {dim[0]} + {dim[1]} columns"
            if classes is None
            else f"{len(np.unique(classes))} classes in y, of which fewer than two have two samples",
            f"{chosen.needs} for {chosen.name}",
            "Use fewer columns, or an estimator by nearest neighbours." if classes is None else "Merge rare classes.",
        )
    flags = {flag for flag, found in full.flags.items() if bool(found)}
    se = math.nan
    if subsamples:
        random = np.random.default_rng(seed)
        keep = half_samples(
            torch.as_tensor(random.random((1, subsamples, n)), device=device),
            torch.as_tensor(random.integers(0, 2, (1, subsamples)), device=device),
            strata,
            torch.as_tensor(patients, device=device)[None],
            everyone,
        )
        halves = run(code, prepared_x, prepared_y, *compress(keep), neighbours=neighbours).value[0]
        possible = halves[halves.isfinite()]
        if len(possible) < len(halves):
            flags.add("half_samples_without_estimate")
        if 2 * len(possible) >= len(halves) and len(possible) > 1:
            se = float((possible.var() * half_to_whole(keep, everyone)).sqrt())
    return Estimate(value=value, se=se, n=int(full.n), dim=dim, flags=tuple(sorted(flags)), estimator=chosen.name)


def _classes(y: Any) -> NDArray[np.int64] | None:
    """(n,) positions among the sorted classes, None if y is continuous."""
    # A pandas Categorical, or a Series of one: pandas itself is not needed to see it.
    codes = getattr(getattr(y, "cat", y), "codes", None)
    values = np.asarray(y if codes is None else codes)
    if values.dtype.kind not in "iubUSOT":
        return None
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise InputError(
            f"{WHERE}, y",
            f"{values.dtype} of shape {values.shape}",
            "one class per sample",
            "Integers are classes: convert a continuous y to floats.",
        )
    missing = values < 0 if codes is not None else np.array([value is None or value != value for value in values])
    if missing.any():
        raise InputError(f"{WHERE}, y", f"{int(missing.sum())} missing labels", "none", "Leave those samples out.")
    if values.dtype.kind == "O":
        values = values.astype(str)
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def _estimator(name: str, kind: str) -> Entry:
    """Return the entry of a name that fits the kind of y."""
    fitting = [entry.name for entry in ESTIMATORS.values() if entry.y == kind]
    if name == "auto":
        name = "ross" if kind == "discrete" else "ksg"
    if name not in fitting:
        what = "classes (integers, booleans, strings or a Categorical)" if kind == "discrete" else "continuous"
        raise InputError(
            f"{WHERE}, estimator",
            f"{name!r}, while y is {what}",
            f"one of auto, {', '.join(fitting)}",
            "Choose another estimator, or convert y: floats are continuous, integers are classes.",
        )
    return ESTIMATORS[name]


def _points(values: Any, name: str) -> NDArray[np.float64]:
    """(n, d) float64."""
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{WHERE}, {name}", f"{type(values).__name__} that holds no numbers", "numbers", "Convert it."
        ) from None
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputError(f"{WHERE}, {name}", f"shape {points.shape}", "(samples,) or (samples, columns)", "Reshape it.")
    bad = int((~np.isfinite(points)).any(1).sum())
    if bad:
        raise InputError(
            f"{WHERE}, {name}", f"{bad} samples with NaN or infinite values", "none", "Impute them or leave them out."
        )
    return points


def _scaled(points: NDArray[np.float64], device: torch.device | str) -> Tensor:
    """(1, n, d) with a mean variance of one over columns; a constant stays as it is."""
    scale = math.sqrt(points.var(0).mean())
    return torch.as_tensor(points / scale if scale > 0 else points, device=device)[None]
