"""All steps of a small cohort after `ingest` in one process: the commands that are jobs of a large one each."""

import inspect
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from cch_omics.cli.command import Device, Log, Seed, Settings, Threads, command, file, sections
from cch_omics.cli.steps import baselines, distil, encode, evaluate, information, verdict
from cch_omics.planning.code import code_hash
from cch_omics.planning.steps import STEPS
from cch_omics.planning.unfinished import failure
from cch_omics.runtime.logs import logger, logs_of_another_step
from cch_omics.verdict.criteria import CRITERIA

# Of `evaluate`: tables for people, and those that pages are made of.
_TABLES = ("gains", "references", "scorecard")
_OF_PAGES = ("summary", "performance", "comparisons", "members", "criteria", "advised", "predictions")


class _Call(NamedTuple):
    """A command, what its log is called, and the options of its own."""

    name: str
    command: Callable[..., None]
    options: dict[str, Any]


@command
def analyse(
    folder: Annotated[
        Path, file("DIR", "results of one cohort and target: what `cch ingest` wrote, and all that is made")
    ],
    logs: Annotated[Path, file("DIR", "where each step writes its log")],
    views: Annotated[list[str], typer.Option(help="views to encode; may be repeated")],
    students: Annotated[list[str], typer.Option(help="modalities of the students; may be repeated")],
    settings: Settings = "{}",
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 1,
    log: Log = None,
) -> None:
    """Take all steps of one cohort and target from the encoders to the gains, in this process.

    What an interrupted call made is kept, and so is what neither the settings nor the code of another call changes.
    """
    from cch_omics.runtime.resume import Made

    config = sections("analyse", settings)
    made = Made(folder / "intermediate" / "analyse" / "made.json")
    shared = {"seed": seed, "device": device, "threads": threads}
    needs_students = CRITERIA[config.criterion.rule].needs_distillation
    chosen = config.distillation.evaluate == "chosen"
    for name, step, own in _calls(folder, views, students, needs_students=needs_students, chosen=chosen):
        given = own | {key: value for key, value in shared.items() if key in inspect.signature(step).parameters}
        taken = STEPS[step.__name__].sections
        given["settings"] = json.dumps({key: getattr(config, key).model_dump() for key in taken})
        # Threads change no number.
        depends = [code_hash(step.__name__), *(f"{key}={given[key]}" for key in given if key != "threads")]
        if made.is_current(name, _paths(given), depends):
            logger.debug("%s: kept", name)
            continue
        begun = time.monotonic()
        try:
            with logs_of_another_step():
                step(**given, log=logs / f"{name}.log")
        except typer.Exit:
            logger.error("%s: %s", name, failure(logs / f"{name}.log"))
            raise
        made.note(name, _paths(given), depends)
        logger.debug("%s: %.1f s", name, time.monotonic() - begun)


def _calls(
    folder: Path, views: Sequence[str], students: Sequence[str], *, needs_students: bool, chosen: bool
) -> Iterator[_Call]:
    """The steps in their order.

    Arrays and estimates lie in a folder of their own: Snakemake, which does not know of them here, would take them for
    the outputs of its other rules.
    """
    tables, own = folder / "intermediate", folder / "intermediate" / "analyse"
    read: dict[str, Any] = {"cohort": tables / "cohort.h5mu", "splits": tables / "splits.npz"}
    encoded = {view: own / "encodings" / f"{view}.npz" for view in views}
    distilled = {student: own / "students" / f"{student}.npz" for student in students}
    fitted, estimates = own / "baselines.npz", own / "information.tsv"
    decided = {name: folder / f"{name}.tsv" for name in ("evidence", "verdicts", "teachers")}

    yield _Call("baselines", baselines, {**read, "output": fitted})
    for view, path in encoded.items():
        yield _Call(f"encode/{view}", encode, {**read, "view": view, "output": path})
    read |= {"encodings": list(encoded.values())}
    yield _Call("information", information, {**read, "estimates": estimates, "table": folder / "information.tsv"})
    decision = _Call("verdict", verdict, {**read, "estimates": estimates, **decided})
    if not needs_students:
        yield decision
    for student, path in distilled.items():
        teachers = {"teachers": decided["teachers"]} if chosen else {}
        yield _Call(f"distil/{student}", distil, {**read, **teachers, "student": student, "output": path})
    read |= {"students": list(distilled.values())}
    if needs_students:
        yield decision._replace(options=decision.options | read)
    given = {name: folder / f"{name}.tsv" for name in _TABLES} | {name: tables / f"{name}.tsv" for name in _OF_PAGES}
    yield _Call("evaluate", evaluate, {**read, "baselines": fitted, **decided, **given, "bundles": folder / "students"})


def _paths(given: dict[str, Any]) -> list[Path]:
    each = [item for value in given.values() for item in (value if isinstance(value, list) else [value])]
    return [item for item in each if isinstance(item, Path)]
