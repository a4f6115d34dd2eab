"""What a column of labels looks like before a task reads it."""

import re
from collections.abc import Iterable

from cch_omics.errors import InputError

# More different numbers than this are no classes.
MOST_CLASSES = 10
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)


def is_number(text: str) -> bool:
    """Whether a text is a finite number with a decimal point."""
    return _NUMBER.fullmatch(text) is not None


def is_infinite(text: str) -> bool:
    """Whether a text stands for infinity."""
    return _INFINITE.fullmatch(text) is not None


def has_comma(text: str) -> bool:
    """Whether a text would be a number but for its commas, decimal or of thousands."""
    return "," in text and is_number(text.replace(",", ""))


def no_number(where: str, text: str, count: int, advice: str) -> InputError:
    """Refuse text among numbers: the first of `count` texts of a column, and what to do if it is no number at all."""
    comma = has_comma(text.strip())
    return InputError(
        where,
        f"{'a decimal comma, or one of thousands' if comma else 'text'}: {text[:60]!r} ({count} such in the column)",
        "numbers, or nothing where a value is missing",
        "Write numbers with a decimal point and without separators of thousands." if comma else advice,
    )


def looks_continuous(texts: Iterable[str]) -> bool:
    """Whether most of the different labels are numbers, and more of these than classes would be."""
    different = {text for text in texts if text}
    numbers = sum(is_number(text) or is_infinite(text) or has_comma(text) for text in different)
    return numbers > MOST_CLASSES and 2 * numbers > len(different)


def guess_task(texts: Iterable[str]) -> str:
    """Name of the task that a column of labels seems to be meant for."""
    return "regression" if looks_continuous(texts) else "classification"
