"""The scale of a table: told from its values alone, unless the sheet says it; and what models learn from instead."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.source import Matrix
from cch_omics.data.working_scale import SCALES, check_scale, library_sizes
from cch_omics.errors import InputError
from cch_omics.tasks.missing import missing_code

# No logarithm is larger; percentages end here.
_LARGE = 100
# Positive values whose mean is so many times their median are skewed (log-normal ones, from a standard deviation of the
# logarithm of 0.44).
_SKEWED = 1.1
# Features of which so many reach large values are of one kind with those that do not.
_MANY = 0.1
# Of so few features the sum is no size of a library: one of them alone may move it.
_FEW = 50
# Part of the values that lie at the largest one, where that is a ceiling: pixels, saturated scanners, percentages.
_CEILING = 0.01
# Two groups are on different scales where the gap between them is so wide: between typical deviations of samples
# (logarithm), between their medians (in interquartile ranges of a sample), and between means of features (logarithm).
# In small tables there are wider gaps by chance: so many samples, or features, double it.
_DEVIATION, _MEDIAN, _FEATURE = np.log(2), 1.0, np.log(4)
_DOUBLED = 10
# What is seldom, less than this part of all or than this number, has to lie so many times further off.
_GROUP, _MEMBERS, _ALONE = 0.05, 3, 5.0
# So far from 0 and 1 are mean and standard deviation of half of the features of a table that was standardised. A limit
# to values, as pp.scale has, or samples that were taken out later, move them; of normal numbers that were not
# standardised half have a mean that near only in 4500 samples or more.
_NEAR = 0.01
# Features of which samples are told, and at a time.
_ENOUGH, _CHUNK = 2000, 2048


def on_working_scale(matrix: Matrix, name: str, asked: str) -> tuple[Matrix, dict[str, Any]]:
    """Make of a table what models learn from.

    Parameters
    ----------
    name
        Of the modality, for messages.
    asked
        The scale that its owner says it has; "" = as told from the values. What is only told is made into something
        else where all of the table is on one scale.

    Returns
    -------
    matrix
        The table itself, where its values are used as they are.
    scale
        What `scale_of` says of the values as they were; `name` is the scale asked for; `asked`, whether it was;
        `made`, what was made of the values, "" for nothing; `library_sizes` of counts: the least, median and largest
        sum of a sample.

    Raises
    ------
    InputError
        If there is no value, a number stands for a missing one, or a value is not of the scale that was asked for.
    """
    values, ids, features = matrix.values, matrix.ids, matrix.features
    if code := missing_code(values):
        at = f"column {str(features[code.column])!r}, row {str(ids[code.row])!r}"
        raise code.refused(f"{matrix.where}, {at}")
    if np.isnan(np.fmin.reduce(values, axis=None)):
        raise InputError(matrix.where, "no value at all", "numbers", "Remove the table, or write it again.")
    scale = scale_of(values, features, ids) | {"asked": bool(asked), "made": ""}
    if asked:
        check_scale(asked, matrix.where, ids, features, values, _say_so(name))
        scale["name"] = asked
    known = SCALES[scale["name"]]
    if scale["name"] == "counts":
        scale["library_sizes"] = np.quantile(library_sizes(values), [0, 0.5, 1]).tolist()
    # A guess that may be right of a part of the table only is not acted on.
    unsure = scale["several"] or scale["min"] < known.low or (scale["name"] == "counts" and len(features) < _FEW)
    if not known.made or (unsure and not asked):
        return matrix, scale
    scale["made"] = known.formula(known.constants)
    return replace(matrix, values=known.make(values, **known.constants)), scale


def told_scale(values: NDArray[np.float32]) -> str:
    """The name, of `SCALES`, of the scale that (n, p) values seem to have, of which one is not missing."""
    return _told(values)[0]


def scale_of(values: NDArray[np.float32], features: NDArray[np.str_], samples: NDArray[np.str_]) -> dict[str, Any]:
    """Tell the scale of (n, p) values.

    Returns
    -------
    dict
        `name` (of `SCALES`), `min`, `max`, and `several`: None, or for two groups on different scales `of` ("samples"
        or "features"), `larger` and `smaller` (counts), `examples` (one of each), `ranges` (5% to 95% of its values).
    """
    name, low, high, size = _told(values)
    several = None
    if name not in {"counts", "integers"}:
        above = _samples_above(_some(values))
        several = _described("samples", above, values, samples)
        if several is None:
            several = _described("features", _features_above(size, high, len(values)), values.T, features)
    return {"name": name, "min": low, "max": float(np.nanmax(high)), "several": several}


def is_standardised(values: NDArray[np.float32]) -> bool:
    """Whether features of (n, p) values that vary have mean 0 and standard deviation 1 over the samples."""
    shown = _some(values)
    n = np.maximum((~np.isnan(shown)).sum(axis=0), 2)
    mean = np.nansum(shown, axis=0, dtype=np.float64) / n
    sum_of_squares = np.nansum((shown - mean) ** 2, axis=0)
    varies = sum_of_squares > 0
    if not varies.any():
        return False
    # Whoever standardises divides by n or by n - 1.
    off = np.minimum(*(np.abs(np.sqrt(sum_of_squares / by) - 1) for by in (n, n - 1)))
    return bool(max(np.median(np.abs(mean[varies])), np.median(off[varies])) < _NEAR)


def scale_warning(name: str, scale: Mapping[str, Any]) -> str:
    """Say what is wrong with the scale of a modality, or was guessed and acted on; "" where nothing is."""
    if several := scale["several"]:
        (one, two), ((a, b), (c, d)) = several["examples"], several["ranges"]
        number = several["larger"] + several["smaller"]
        what = (
            "A batch without logarithms, or in another unit? Bring all samples to one scale."
            if several["of"] == "samples"
            else "Take logarithms of the large ones, or make them a modality of their own. Where only the unit "
            "differs, leave them: each feature is brought to unit variance."
        )
        return (
            f"several scales in one table: {several['larger']} of {number} {several['of']} such as {one!r} (values "
            f"from {a:.3g} to {b:.3g}), and others such as {two!r} ({c:.3g} to {d:.3g}). {what}"
        )
    told = scale["name"]
    if scale["asked"] or not SCALES[told].made:
        return ""
    values = f"values from {scale['min']:.6g} to {scale['max']:.6g}"
    if told == "counts":
        low, middle, high = scale["library_sizes"]
        values = f"whole {values}, in samples of {low:,.0f} to {high:,.0f} (median {middle:,.0f}) in all,"
    like = f"{values} look like {SCALES[told].what}."
    if scale["made"]:
        return f"{like} Models learn from {scale['made']}. {_say_so(name)}"
    return f"{like} They are used as they are, so that few large values decide. Take log2(x + 1)."


def scale_table(scales: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """By modality `scale`, `asked`, `made`, `min` and `max` of what `on_working_scale` says, and its `warning`."""
    rows = {
        name: {"scale": scale["name"]}
        | {column: scale[column] for column in ("asked", "made", "min", "max")}
        | {"warning": scale_warning(name, scale)}
        for name, scale in scales.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _say_so(name: str) -> str:
    return f"If they are something else, say so in `scale`; `continuous` for {name} leaves values as they are."


def _some(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features enough to tell samples by."""
    return values[:, :: -(-values.shape[1] // _ENOUGH)]


def _told(values: NDArray[np.float32]) -> tuple[str, float, NDArray[np.float32], NDArray[np.float64]]:
    """The name of a scale, the smallest value, the largest of each feature, and the mean size of each."""
    # In one pass: the table may be as large as the memory allows.
    pieces = [_of_features(values[:, start : start + _CHUNK]) for start in range(0, values.shape[1], _CHUNK)]
    low, high, size, whole = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    least = float(np.nanmin(low))
    return _name(_some(values), least, high, whole=bool(whole.all())), least, high, size


def _of_features(values: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    """Smallest and largest value of each feature, mean size, and whether all are whole numbers."""
    observed = ~np.isnan(values)
    size = np.abs(values).sum(axis=0, where=observed, dtype=np.float64) / np.maximum(observed.sum(axis=0), 1)
    whole = ((values == np.rint(values)) | ~observed).all(axis=0)
    return np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0), size, whole


def _name(values: NDArray[np.float32], low: float, high: NDArray[np.float32], *, whole: bool) -> str:
    """Name the scale of a table by some of its values, the smallest value, and the largest of each feature."""
    observed = values[~np.isnan(values)]
    positive = observed[observed > 0]
    top = float(np.nanmax(high))
    large = (high > _LARGE).mean() >= _MANY
    if whole:
        at_top = int((positive == top).sum())
        ceiling = at_top >= _MEMBERS and at_top >= _CEILING * positive.size
        return "counts" if low >= 0 and large and not ceiling else "integers"
    if low >= 0 and top <= 1:
        return "fractions"
    # Some may be negative, where a background was subtracted.
    return "unlogged" if large and positive.mean(dtype=np.float64) > _SKEWED * np.median(positive) else "continuous"


def _samples_above(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) whether the values of a sample deviate more, or lie higher, than those of another group of samples."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # A sample may have none of these features.
        warnings.simplefilter("ignore", RuntimeWarning)
        quarter, median, three_quarters = np.nanquantile(values, [0.25, 0.5, 0.75], axis=1)
        deviation = np.log(np.nanmean(np.abs(values - median[:, None]), axis=1))
        width = np.nanmedian(three_quarters - quarter)
    by_chance = 1 + _DOUBLED / values.shape[0] + _DOUBLED / values.shape[1]
    above = _above(deviation, _DEVIATION * by_chance)
    return above if above.any() or not width > 0 else _above(median / width, _MEDIAN * by_chance)


def _features_above(size: NDArray[np.float64], high: NDArray[np.float32], n: int) -> NDArray[np.bool_]:
    """(p,) whether a feature is of a kind with large values, where most others are of one without."""
    with np.errstate(divide="ignore"):
        above = _above(np.log(size), _FEATURE * (1 + _DOUBLED / n + _DOUBLED / len(size)), alone=1)
    apart = above.any() and above.mean() <= 1 - _MANY and high[above].min() > _LARGE >= high[~above].max()
    return above if apart else np.zeros_like(above)


def _above(keys: NDArray[np.float64], gap: float, alone: float = _ALONE) -> NDArray[np.bool_]:
    """(n,) which keys lie above the widest gap between neighbours, if that is wide enough; else none."""
    known = np.sort(keys[np.isfinite(keys)])
    gaps = np.diff(known)
    below = np.arange(1, len(known))
    few = np.minimum(below, len(known) - below) < max(_MEMBERS, _GROUP * len(known))
    wide = np.where(gaps > gap * np.where(few, alone, 1), gaps, 0)
    return keys > known[wide.argmax()] if wide.any() else np.zeros(len(keys), dtype=bool)


def _described(
    of: str, above: NDArray[np.bool_], values: NDArray[np.float32], names: NDArray[np.str_]
) -> dict[str, Any] | None:
    if not above.any():
        return None
    examples = [int(np.flatnonzero(above)[0]), int(np.flatnonzero(~above)[0])]
    return {
        "of": of,
        "larger": int(above.sum()),
        "smaller": int((~above).sum()),
        "examples": [str(names[position]) for position in examples],
        "ranges": [np.nanquantile(values[position], [0.05, 0.95]).tolist() for position in examples],
    }
