"""The command `cch`: one subcommand per step of the workflow, and a few for people.

A subcommand imports what it needs when it runs, so that `cch --help` is quick.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

import cch_omics
from cch_omics.cli import cohorts, people, steps  # noqa: F401 (their subcommands register themselves)
from cch_omics.cli.command import app


def _print_version(asked: bool) -> None:
    if asked:
        print(cch_omics.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, 1 for a failure, 2 for input that its owner can mend."""
    try:
        app(arguments, prog_name="cch")
    except SystemExit as end:
        return int(end.code or 0)
    return 0
