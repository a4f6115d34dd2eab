"""The command `cch`: one subcommand per step of the workflow, and a few for people.

A subcommand imports what it needs when it runs, so that `cch --help` is quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import cch_omics
from cch_omics.cli import analyse, cohorts, people, run, steps  # noqa: F401 (their subcommands register themselves)
from cch_omics.cli.command import app
from cch_omics.errors import refused_by_system


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
    status = 0
    try:
        try:
            app(arguments, prog_name="cch")
        except SystemExit as end:
            status = int(end.code or 0)
        sys.stdout.flush()
    except OSError as error:
        # What is still to be written cannot be, and would be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: {refused_by_system(error, 'standard output') or error}", file=sys.stderr)
        return 1
    return status
