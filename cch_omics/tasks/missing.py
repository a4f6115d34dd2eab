"""What stands for a missing value: words, among labels and numbers alike, and numbers far outside the others."""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.tasks.looks import look_of

_NOT = (
    *(
        "annotated",
        "applicable",
        "ascertained",
        "assessable",
        "assessed",
        "available",
        "collected",
        "determined",
        "done",
    ),
    *("evaluable", "evaluated", "known", "measured", "performed", "provided", "recorded", "reported", "specified"),
    *("stated", "tested", "allowed to collect"),
)
_WORDS = (
    *("na", "nan", "null", "nil", "none", "missing", "undefined", "unavailable", "no data", "no value", r"\n"),
    *("#na", "#div0", "#name", "#null", "#num", "#ref", "#value", "1#ind", "1#qnan"),
)
# What stands for a missing value, without what separates its letters: codes of the GDC, cBioPortal, pandas, R, Excel,
# databases.
_MISSING = frozenset(word.replace(" ", "") for word in (*_WORDS, *(f"not {word}" for word in _NOT)))
_NOTHING = re.compile(r"[-.?_~/\\ ]*")
# Real classes at times; in square brackets, as cBioPortal and the TCGA have it, missing as well.
_DOUBTFUL = re.compile(
    r"\b(unknown|unk|unspecified|undetermined|indeterminate|inconclusive|equivocal|unclassified|unevaluable|others?|"
    r"discrepancy|pending|missing|insufficient|blank|empty|redacted|withheld|declined|tbd|to be determined|n/?d|n/?e|"
    rf"prefer not to \w+|not ({'|'.join(_NOT)})|[tnmg]?x)\b"
)
_WRAPPING = " \t'\"`\u2018\u2019\u201c\u201d()[]<>{}"
# How missing values are mostly spelt: what a parser of large tables is told, which knows no rule.
SPELLINGS = (
    *(
        "",
        "NA",
        "N/A",
        "n/a",
        "NaN",
        "nan",
        "-NaN",
        "-nan",
        "<NA>",
        "#N/A",
        "NULL",
        "null",
        "None",
        "'--",
        "-",
        ".",
        "?",
    ),
    *("[Not Available]", "[Not Applicable]", "[Not Evaluated]", "[Unknown]", "[Discrepancy]", "[Pending]"),
)

# A value is no measurement beside others if it is farther from them than so many times their range: by itself, by
# itself among at least a thousand others, and in three samples or more (the range is then that of its own column).
_FAR, _FAR_OF_MANY, _FAR_REPEATED = 1000.0, 100.0, 8.0
_MANY, _FEWEST_OTHERS, _REPEATED = 1000, 10, 3
# Codes by custom, which need be farther by this only: -99, and whole numbers of three nines or more of either sign.
_NINES, _FAR_NINES = re.compile(r"-99|-?999+"), 1.5
# Whole numbers from zero that reach further are counts, which a negative number is not.
_COUNTED = 100.0


def says_missing(text: str) -> bool:
    """Whether a text stands for a missing value, whatever its case, quotes, brackets and separators."""
    bare = _bare(text)
    in_brackets = text.strip().startswith("[") and _DOUBTFUL.fullmatch(bare) is not None
    # Whatever separates the letters: N/A, n.a., not-reported, NotReported.
    key = "".join(mark for mark in bare if mark not in " -./!?")
    return key in _MISSING or in_brackets or _NOTHING.fullmatch(bare) is not None


def says_doubtful(text: str) -> bool:
    """Whether a text, which may be a real class, sounds as if the value were not known."""
    return _DOUBTFUL.search(_bare(text)) is not None


def known_texts(texts: Sequence[str], real: Collection[str] = ()) -> list[str]:
    """Return texts, "" in place of those that stand for a missing value.

    Parameters
    ----------
    real
        Texts that are values, whatever they look like. Beside a plus, a minus is one too.
    """
    signs = {"-", "--", "\u2212"} if any(set(text) == {"+"} for text in texts) else set()
    different = {text: text if text in real or text in signs or not says_missing(text) else "" for text in set(texts)}
    return [different[text] for text in texts]


def _bare(text: str) -> str:
    """Return a text in lower case, without quotes and brackets around it; underscores are spaces."""
    return " ".join(look_of(text).strip(_WRAPPING).casefold().replace("_", " ").split())


class Code(NamedTuple):
    """A number that stands for a missing value: where it first occurs, in how many cells, and the others' extremes."""

    value: float
    row: int
    column: int
    cells: int
    low: float
    high: float

    def refused(self, where: str) -> InputError:
        """Say so."""
        return InputError(
            where,
            f"the number {self.value:g} ({self.cells} such), while all others are between {self.low:g} and "
            f"{self.high:g}",
            "measurements, or nothing where a value is missing",
            "If it is a code for a missing value, empty these cells; if it was measured, give values on a log scale.",
        )


def missing_code(values: NDArray[np.floating[Any]]) -> Code | None:
    """Find the number that stands for a missing value among those of (n, p) samples and features.

    It is the lowest or the highest of all, and far outside the others. Zero is none: nothing was found.
    """
    for extreme in (np.fmin, np.fmax):
        value = float(extreme.reduce(values, axis=None, initial=np.nan))
        if value == 0 or not np.isfinite(value):
            continue
        found = values == value
        columns = np.flatnonzero(found.any(axis=0))
        within = np.where(found[:, columns], np.nan, values[:, columns])
        low, high = np.fmin.reduce(within, axis=0).astype(float), np.fmax.reduce(within, axis=0).astype(float)
        others = {
            reduce: float(reduce.reduce(values, axis=None, where=~found, initial=np.nan))
            for reduce in (np.fmin, np.fmax)
        }
        count = values.size - int(found.sum()) - int(np.isnan(values).sum())
        span = others[np.fmax] - others[np.fmin]
        if count < _FEWEST_OTHERS or not span > 0:
            continue
        rows = np.flatnonzero(found.any(axis=1))
        varying = high > low
        apart = np.minimum(abs(value - low), abs(value - high))[varying] / (high - low)[varying]
        alone = min(abs(value - other) for other in others.values()) / span
        far = _FAR_NINES if _NINES.fullmatch(f"{value:.15g}") else _FAR_OF_MANY if count >= _MANY else _FAR
        repeated = len(rows) >= _REPEATED and (
            (len(apart) > 0 and float(np.median(apart)) >= _FAR_REPEATED)
            or (value < 0 <= others[np.fmin] and span > _COUNTED and bool((values % 1 == 0)[~np.isnan(values)].all()))
        )
        if repeated or alone >= far:
            row = int(rows[0])
            column = int(found[row].argmax())
            return Code(value, row, column, int(found.sum()), others[np.fmin], others[np.fmax])
    return None
