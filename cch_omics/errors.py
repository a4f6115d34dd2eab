"""Errors that a user can act on, and the words that their messages are made of."""

import difflib
from collections import Counter
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used, said so that its owner can mend it.

    Parameters
    ----------
    where
        The file, and the row, column or configuration key at fault.
    found
        What is there.
    expected
        What should be there.
    advice
        What to do about it.
    """

    def __init__(self, where: str, found: str, expected: str, advice: str) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.advice = advice
        super().__init__(f"{where}: found {found}; expected {expected}. {advice}")


def some(names: Iterable[object], limit: int = 5) -> str:
    """List the first few names for a message."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name) for name in listed[:limit]) + more if listed else "none"


def near(name: str, names: Iterable[object]) -> str:
    """Suggest the nearest of the names, or list them."""
    listed = [str(other) for other in names]
    by_lower = {other.lower(): other for other in reversed(listed)}
    close = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    return f"Did you mean {some(close)}?" if close else f"There are: {some(listed, 20)}."


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]
