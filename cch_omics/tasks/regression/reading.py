"""Reading numbers from a column of labels, and what an audit asks of them."""

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError, some
from cch_omics.tasks import LOG, NO_TRANSFORM, RANK_NORMAL
from cch_omics.tasks.base import Association, Floats, LabelColumn, SiteDependence
from cch_omics.tasks.checks import PERMUTATIONS, best_feature, beyond_chance, chunks, halves
from cch_omics.tasks.missing import missing_code
from cch_omics.tasks.ranks import rankdata
from cch_omics.tasks.reading import MOST_CLASSES, is_infinite, is_number, no_number

# A single feature that follows the target more closely than this on held-out patients is suspicious.
SUSPICIOUS_SPEARMAN = 0.9
_FEWEST_IN_HALF = 10
# A distribution more skewed than this is said (that of an exponential one is 2).
_SKEWED = 2.0
# A number that is farther from the median than so many times the range of the middle half is said.
_FAR = 10.0
_LARGEST = float(np.finfo(np.float32).max)


def read_numbers(column: LabelColumn) -> Floats:
    """Read a column as (n,) numbers, NaN where missing.

    Raises
    ------
    InputError
        If classes are listed; if a label is text, has a comma or is infinite; if there are fewer than two for each
        fold; if all are equal, or nearly all; if one stands for a missing value; or if one has no
        logarithm and the transform asks for it.
    """
    if column.classes:
        raise InputError(
            f"{column.where}, `classes`",
            f"{len(column.classes)} classes for a regression",
            "nothing",
            "Leave `classes` empty, or set `task` to `classification`.",
        )
    bad = [row for row, text in enumerate(column.texts) if text and not (is_number(text) or is_infinite(text))]
    if bad:
        raise no_number(
            f"{column.where}, row {column.samples[bad[0]]!r}",
            column.texts[bad[0]],
            len(bad),
            "Correct it, or leave the cell empty."
            if any(is_number(text) for text in column.texts)
            else "To predict classes, set `task` to `classification`.",
        )
    values = np.array([float(text) if text else np.nan for text in column.texts])
    infinite = np.abs(values) > _LARGEST
    if infinite.any():
        raise InputError(
            f"{column.where}, row {column.samples[int(infinite.argmax())]!r}",
            "an infinite number (or one that 32 bits cannot hold)",
            "a finite number",
            "Was a logarithm of zero taken? Leave the cell empty where the value is not known.",
        )
    known = values[np.isfinite(values)]
    if not len(known):
        raise InputError(
            column.where, "no label of any sample in the tables", "numbers", "Choose another target, or fill it in."
        )
    if len(known) < 2 * column.fewest:
        raise InputError(
            column.where,
            f"{len(known)} numbers",
            f"at least {2 * column.fewest}, so that every fold has some",
            "Choose a target of more samples, or use fewer folds (section `splits` of the configuration).",
        )
    different, counts = np.unique(known, return_counts=True)
    if (others := len(known) - counts.max()) < column.fewest:
        of = f"{counts.max()} of " if others else "all "
        raise InputError(
            column.where,
            f"the number {different[counts.argmax()]:g} for {of}{len(known)} labelled samples",
            f"numbers that differ, of {column.fewest} samples at least",
            "A constant leaves nothing to predict: choose another target.",
        )
    if code := missing_code(values[:, None]):
        raise code.refused(f"{column.where}, row {column.samples[code.row]!r}")
    low = np.flatnonzero(values <= 0).tolist()
    if column.transform == LOG and low:
        raise InputError(
            f"{column.where}, `transform`",
            f"{LOG!r} with {len(low)} numbers at or below zero, the first of them {values[low[0]]:g} (rows "
            f"{some(column.samples[row] for row in low)})",
            "numbers above zero, which have a logarithm",
            "Set `transform` to `rank_normal`, leave it empty, or mend the numbers.",
        )
    return values


def remarks(target: str, values: Floats, transform: str) -> list[str]:
    """Say that numbers may be classes, that some are far from all others, and which transform would suit them."""
    known = values[np.isfinite(values)]
    if (different := len(np.unique(known))) <= MOST_CLASSES:
        return [
            f"{target} has only {different} different numbers: if they name classes, set `task` to `classification`."
        ]
    if transform == RANK_NORMAL:
        return []
    if transform == LOG:
        known = np.log(known)
    lower, median, upper = np.quantile(known, (0.25, 0.5, 0.75))
    if lower == upper:
        return [f"{target} is {median:g} for {(known == median).mean():.0%} of the samples that have a number."]
    from scipy.stats import skew  # here: it takes half a second to import

    skewed = transform == NO_TRANSFORM and abs(skew(known)) > _SKEWED
    what = "logarithm" if transform == LOG else "number"
    if skewed and known.min() > 0 and abs(skew(np.log(known))) < _SKEWED / 2:
        return [f"{target} is skewed ({skew(known):.1f}): the `transform` `log` may suit it better."]
    far = np.unique(known[np.abs(known - median) > _FAR * (upper - lower)])
    said = []
    if len(far):
        said.append(
            f"{target} has numbers far from the others, half of which have a {what} between {lower:.4g} and "
            f"{upper:.4g}: {some([f'{number:.4g}' for number in far], 3)}. Slips of the pen, codes or another unit?"
        )
    if skewed:
        said.append(f"{target} is skewed ({skew(known):.1f}): the `transform` `rank_normal` makes it normal.")
    return said


def summary(values: Floats) -> dict[str, float]:
    """Count, mean, standard deviation and extremes of the observed of (n,) values."""
    known = values[np.isfinite(values)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    found = {"mean": float(known.mean()), "sd": spread, "min": float(known.min()), "max": float(known.max())}
    return {"n": len(known), **found}


def single_feature(
    features: NDArray[np.float32], values: Floats, strata: NDArray[np.int64], groups: NDArray[np.str_]
) -> Association | None:
    """The feature that follows the number best, by absolute Spearman correlation (`Task.single_feature`).

    Parameters
    ----------
    strata
        (n,) ranges of the number, which both halves get alike; -1 = no number.
    """
    known = np.flatnonzero(strata >= 0)
    half = halves(strata[known], groups[known])
    sides = [known[half == side] for side in (0, 1)]
    if min(len(side) for side in sides) < _FEWEST_IN_HALF or any(np.ptp(values[side]) == 0 for side in sides):
        return None
    feature, value = best_feature(np.array([_correlations(features, values, side) for side in sides]))
    return Association(feature, "", "absolute Spearman correlation", value, value > SUSPICIOUS_SPEARMAN)


def site_dependence(
    values: Floats, sites: NDArray[np.str_], *, permutations: int = PERMUTATIONS
) -> SiteDependence | None:
    """How well the site alone predicts the number, by the R2 of the means of sites (`Task.site_dependence`).

    Means are of the samples that they predict, so that R2 is above zero by chance alone: values permuted over patients
    say how far.

    Parameters
    ----------
    values
        (n,) numbers of one sample per patient.
    """
    if len(values) < 2 * _FEWEST_IN_HALF or np.ptp(values) == 0:
        return None
    codes = np.unique(sites, return_inverse=True)[1]
    random = np.random.default_rng(0)
    return beyond_chance("R²", lambda drawn: _site_r2(drawn, codes), values, random, permutations)


def _correlations(features: NDArray[np.float32], values: Floats, rows: NDArray[np.int64]) -> Floats:
    """(p,) Spearman correlation of each feature with the values, among some rows; 0 of a constant feature."""
    target = rankdata(values[rows])
    target -= target.mean()
    found = np.zeros(features.shape[1])
    for columns, chunk in chunks(features, rows):
        ranks = rankdata(chunk, axis=0)
        ranks -= ranks.mean(axis=0)
        scale = np.sqrt(np.square(ranks).sum(axis=0) * np.square(target).sum())
        found[columns] = np.divide(target @ ranks, scale, out=np.zeros(len(scale)), where=scale > 0)
    return found


def _site_r2(values: Floats, sites: NDArray[np.int64]) -> float:
    centred = values - values.mean()
    sums = np.bincount(sites, centred)
    return float(np.sum(sums**2 / np.bincount(sites)) / np.sum(centred**2))
