"""Texts that look the same and are not: of different Unicode forms, spaces, dashes or invisible characters."""

import unicodedata
from collections import Counter
from collections.abc import Iterable


def look_of(text: str) -> str:
    """What is seen of a text: without differences of Unicode form, of spaces and dashes, and invisible characters."""
    if text.isascii() and " " not in text:
        return text
    kinds = ((unicodedata.category(character), character) for character in unicodedata.normalize("NFKC", text))
    shown = ("-" if kind == "Pd" else character for kind, character in kinds if kind != "Cf")
    return " ".join("".join(shown).replace("\u2212", "-").split())


def difference(one: str, other: str) -> str:
    """Name the characters that tell two texts apart which look the same."""
    extra = [Counter(one) - Counter(other), Counter(other) - Counter(one)]
    return " against ".join(", ".join(map(_named, sorted(characters))) or "nothing" for characters in extra)


def unusual(texts: Iterable[str]) -> str:
    """Name the characters beyond ASCII of some texts, for a message; "" where there are none."""
    found = sorted({character for text in texts for character in text if not character.isascii()})
    return f" (among their characters: {', '.join(map(_named, found[:8]))})" if found else ""


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
