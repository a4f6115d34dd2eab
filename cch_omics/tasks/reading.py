"""What a column of labels looks like before a task reads it."""

import re
from collections.abc import Iterable

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


def has_decimal_comma(text: str) -> bool:
    """Whether a text would be a number with a point in place of its comma."""
    return text.count(",") == 1 and is_number(text.replace(",", "."))


def looks_continuous(texts: Iterable[str]) -> bool:
    """Whether most of the different labels are numbers, and more of these than classes would be."""
    different = {text for text in texts if text}
    numbers = sum(is_number(text) or is_infinite(text) or has_decimal_comma(text) for text in different)
    return numbers > MOST_CLASSES and 2 * numbers > len(different)


def guess_task(texts: Iterable[str]) -> str:
    """Name of the task that a column of labels seems to be meant for."""
    return "regression" if looks_continuous(texts) else "classification"
