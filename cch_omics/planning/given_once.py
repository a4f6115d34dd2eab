"""Keys that a configuration gives twice, of which Snakemake keeps the last and says nothing.

Snakemake's own process imports this file; it brings YAML with it.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import yaml

from cch_omics.errors import InputError, repeated


def check_given_once(files: Iterable[str | Path], arguments: Iterable[str]) -> None:
    """Refuse a key that a file, or the command line, gives twice. (That one overrides another is what they are for.)

    Parameters
    ----------
    files
        Of the configuration, as Snakemake has read them.
    arguments
        Those of `--config`, such as `seed=3`.

    Raises
    ------
    InputError
        Names the key.
    """
    for file in files:
        _refuse(_repeated(Path(file).read_text(encoding="utf-8-sig")), f"configuration {file}")
    given = [argument.partition("=") for argument in arguments]
    of_values = chain.from_iterable(_repeated(value, f"{key}.") for key, _, value in given)
    _refuse(chain(repeated(key for key, _, _ in given), of_values), "--config")


def _refuse(keys: Iterable[str], where: str) -> None:
    for key in keys:
        raise InputError(
            f"{where}, key {key}",
            "the key a second time",
            "every key once, with all that belongs to it",
            "Join the two: only the last would count.",
        )


def _repeated(text: str, prefix: str = "") -> Iterator[str]:
    """Keys that occur twice in one place of a YAML or JSON text, with those above them."""
    try:
        # JSON may be indented by tabs, which YAML does not have.
        node = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        # Snakemake has read it as something else, or not at all.
        return
    yield from _repeated_below(node, prefix, set())


def _repeated_below(node: "yaml.Node | None", prefix: str, seen: set[int]) -> Iterator[str]:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    # An alias can stand for what it lies in.
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_below(item, prefix, seen)
        return
    keys = [str(key.value) for key, _ in node.value]
    yield from (f"{prefix}{key}" for key in repeated(keys))
    for key, (_, value) in zip(keys, node.value, strict=True):
        yield from _repeated_below(value, f"{prefix}{key}.", seen)
