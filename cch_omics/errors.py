"""Errors that a user can act on, and the words that their messages are made of."""

import difflib
import errno
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Scripts and emoji need these two; other characters of their kinds are not seen, but act.
_JOINERS = "\u200c\u200d"
_NOT_SEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


# What the system refuses because of a file's name, place or permissions, or for want of room.
_MENDABLE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EXDEV),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE),
}


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
        super().__init__(visible(f"{where}: found {found}; expected {expected}. {advice}"))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, ...]]:
        """An error of another process is raised in this one."""
        return type(self), (self.where, self.found, self.expected, self.advice)


def visible(text: str, keep: str = "") -> str:
    """Spell out what is not seen and could steer a terminal, break a line or turn letters around, as in `repr`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode()
        if unicodedata.category(each) in _NOT_SEEN and each not in keep + _JOINERS
        else each
        for each in text
    )


def refused_by_system(error: BaseException, where: str = "a file") -> InputError | None:
    """What a user can mend of an error that the operating system raised; None for other errors."""
    if not isinstance(error, OSError) or error.errno not in _MENDABLE:
        return None
    return InputError(
        str(error.filename) if error.filename else where,
        str(error.strerror).lower(),
        "a file or folder that can be read, or written with room left",
        "Change its name, place or permissions, or make room on the disk.",
    )


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
