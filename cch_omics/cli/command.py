"""What subcommands share: the application, how one is made of a function, and the options that several have."""

import json
import os
from collections.abc import Callable, Mapping
from functools import wraps
from logging import DEBUG, INFO
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import typer.core

import cch_omics
from cch_omics.cli.written import Written, declared, outputs, refusals
from cch_omics.config import Config, comma_list, section
from cch_omics.errors import InputError, refused_by_system, repeated, some
from cch_omics.planning.steps import STEPS
from cch_omics.runtime import logs
from cch_omics.runtime.logs import logger

# Groups of commands in the help: their names, and an example. All others are those that rules call.
GROUPS = {
    "Run the workflow": (("run", "summary", "power"), "cch run MY_SHEET.tsv --configfile quick --dry-run"),
    "Use a student": (
        ("predict", "validate", "explain"),
        "cch validate --student results/our-brca/er_status/students/cnv --input others.csv --labels clinical.csv",
    ),
    "Get data": (("download", "demo", "simulate"), "cch download cbioportal:brca_metabric --output metabric"),
}
OTHERS = "Steps of the workflow", "cch report --folder results/our-brca/er_status --output report.html"


class Grouped(typer.core.TyperGroup):
    """The command, whose help has the subcommands in groups."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a list of each group, and its example."""
        grouped = {name for names, _ in GROUPS.values() for name in names}
        others = tuple(name for name in self.commands if name not in grouped)
        for title, (names, example) in {**GROUPS, OTHERS[0]: (others, OTHERS[1])}.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(200)) for name in names])
                formatter.write(f"\n{'':{formatter.current_indent}}{example}\n")


app = typer.Typer(
    cls=Grouped,
    help=cch_omics.__doc__,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a subcommand of a function: its signature is that of the function, its help the docstring.

    A step, which has a parameter `log`, keeps to one thread per process and logs what it was given. A failure is one
    message and the status 1, or 2 for input that its owner can mend. Nothing starts unless all that is written may be
    (`written`). In the end the command says what it wrote: to people, who give no log, or to the log.
    """
    written = declared(function)

    @wraps(function)
    def run(**given: Any) -> None:
        step = "log" in given
        if step:
            _keep_to_one_thread()
        refused = refusals(written, given)
        logs.start(_title(function.__name__, given), None if "log" in refused else given.get("log"))
        if step:
            logs.header({name: value for name, value in given.items() if name not in {"log", "settings"}})
        try:
            for refusal in refused.values():
                raise refusal
            function(**given)
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            said = error if isinstance(error, InputError) else refused_by_system(error)
            if said is None:
                logger.exception("failed")
            else:
                logger.error("%s" if step else "error: %s", said)
            if not refused:
                _set_aside_damaged(given)
            raise typer.Exit(1 if said is None else 2) from None
        if written.keys() - {"log"}:
            paths = ", ".join(str(path) for name, path in outputs(written, given).items() if name != "log")
            logger.log(INFO if given.get("log") is None else DEBUG, "Wrote %s", paths or "to standard output")
        logger.debug("done")

    return app.command()(run)


def file(kind: str, text: str) -> Any:
    """Option that is a file or folder and is read, or text in a format: its kind and its help."""
    return typer.Option(metavar=kind, help=text)


CohortFile = Annotated[Path, file("H5MU", "checked cohort, as `cch ingest` writes it")]
SplitsFile = Annotated[Path, file("NPZ", "outer splits and inner folds, as `cch ingest` writes them")]
EncodingFiles = Annotated[list[Path], file("NPZ", "encodings: one file per view, named by it; may be repeated")]
StudentFiles = Annotated[list[Path], file("NPZ", "students: one file per student, named by it; may be repeated")]
ArraysOutput = Annotated[Path, Written("NPZ", "what was computed")]
CohortOutput = Annotated[Path, Written("H5MU", "the cohort")]
PageOutput = Annotated[Path, Written("HTML", "the page")]
Row = Annotated[str, file("JSON", "columns of a row of the sheet, such as cohort, source and target")]
Settings = Annotated[str, file("JSON", "sections of the configuration that the step takes; defaults for the others")]
Seed = Annotated[int, typer.Option(help="seed of every random number")]
Threads = Annotated[int, typer.Option(help="processor cores to use")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one for this job, else the CPU")
]
Log = Annotated[Path | None, Written("LOG", "all that is said; the terminal shows progress only")]


def sections(step: str, text: str) -> Config:
    """Sections of the configuration that a step takes, from JSON; defaults for what is left out."""
    taken = STEPS[step].sections
    given = json_object(text, "--settings")
    for name in given:
        if name not in taken:
            raise InputError(
                "--settings", f"the section {name!r}", f"sections among {', '.join(taken)}", "Remove the section."
            )
    config = section(Config, {"cohorts": "", **given}, "--settings")
    for name in taken:
        logger.debug("%s: %s", name, getattr(config, name))
    return config


def json_object(text: str, option: str) -> dict[str, Any]:
    """Read a JSON object of the command line."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if double := repeated(name for name, _ in pairs):
            raise ValueError(f"{some(double)} a second time")
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=once)
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
    except (ValueError, RecursionError) as error:
        shown = repr(text if len(text) <= 60 else text[:57] + "...")
        example = 'For example: \'{"name": "value"}\'.'
        raise InputError(option, f"{shown} ({error})", "a JSON object, every name once", example) from None
    return content


def numbers(text: str, option: str) -> list[float]:
    """Read a comma list of numbers of the command line."""
    try:
        return [float(item) for item in comma_list(text)]
    except ValueError:
        raise InputError(option, repr(text), "numbers separated by commas", "For example 0.7,0.3.") from None


def _set_aside_damaged(given: Mapping[str, Any]) -> None:
    """Look whether a step failed because what earlier steps had written was damaged since."""
    from cch_omics.runtime.intact import set_aside_damaged

    each = [item for value in given.values() for item in (value if isinstance(value, list) else [value])]
    set_aside_damaged(path for path in each if isinstance(path, Path) and os.access(path, os.R_OK))


def _keep_to_one_thread() -> None:
    """Steps use more cores by processes. Numerical libraries read these when they are imported, which is later."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        os.environ[f"{variable}_NUM_THREADS"] = "1"


def _title(step: str, given: Mapping[str, Any]) -> str:
    """How lines on the terminal name a step: cohort and target from its paths, the command, and view or student."""
    cohort, folder = given.get("cohort"), given.get("folder")
    folder = cohort.parents[1] if cohort and cohort.parent.name == "intermediate" else folder
    of = [*folder.parts[-2:]] if folder else []
    about = [str(given[name]) for name in ("view", "student") if name in given and of]
    return " ".join([*of, step, *about])
