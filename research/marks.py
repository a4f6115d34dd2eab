"""Pages in which a command replaces tables, and a person writes the rest."""

from collections.abc import Callable


def between(text: str, name: str, new: Callable[[str], str]) -> str:
    """The text with something new in place of the old between `<!-- begin NAME -->` and `<!-- end NAME -->`."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, found, rest = text.partition(begin)
    old, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks {begin.strip()} and {end}")
    return f"{before}{begin}{new(old)}\n{end}{after}"
