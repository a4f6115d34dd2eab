"""Steps of one cohort and target.

A step's signature stands here and nowhere else: rules of the workflow pass what they have under the names of these
parameters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cch_omics.cli.command import (
    ArraysOutput,
    CohortFile,
    CohortOutput,
    Device,
    EncodingFiles,
    Log,
    PageOutput,
    Row,
    Seed,
    Settings,
    SplitsFile,
    StudentFiles,
    Threads,
    command,
    file,
    json_object,
    sections,
)
from cch_omics.cli.written import Written, is_students
from cch_omics.config import SheetRow, section
from cch_omics.runtime import logs
from cch_omics.runtime.logs import logger

if TYPE_CHECKING:
    import torch

    from cch_omics.models.out_of_fold import Encoding, OutOfFold
    from cch_omics.runtime.resume import Folder


@command
def ingest(
    row: Row,
    cohort: CohortOutput,
    splits: Annotated[Path, Written("NPZ", "outer splits and inner folds")],
    audit: Annotated[Path, Written("JSON", "what was found in the cohort")],
    settings: Settings = "{}",
    seed: Seed = 0,
    log: Log = None,
) -> None:
    """Read one row of the sheet into a checked cohort, draw its splits, and write what was found to the audit."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.data.sources import ingest
    from cch_omics.splits import make_splits, save_splits

    config = sections("ingest", settings)
    ingest(section(SheetRow, json_object(row, "--row"), "--row"), cohort, audit, config.ingest, config.splits)
    save_splits(make_splits(read_cohort(cohort), config.splits, seed=seed), splits)


@command
def encode(
    cohort: CohortFile,
    splits: SplitsFile,
    view: Annotated[str, typer.Option(help="one modality, or several joined by '+'")],
    output: ArraysOutput,
    settings: Settings = "{}",
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 1,
    log: Log = None,
) -> None:
    """Train the encoders of a view: out-of-fold representations, outputs and soft targets of every sample."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.models.encode import encode
    from cch_omics.models.out_of_fold import save_encoding
    from cch_omics.splits import load_splits

    config = sections("encode", settings).encoder
    chosen = _device(device)
    read, drawn = read_cohort(cohort), load_splits(splits)
    state = _state("encode", output, [cohort, splits], view, config.model_dump_json(), seed, chosen.type)
    encoding = encode(
        read,
        drawn,
        view,
        config,
        seed=seed,
        device=chosen,
        threads=threads,
        progress=logs.progress("splits"),
        state=state,
    )
    save_encoding(encoding, output)
    state.remove()


@command
def distil(
    cohort: CohortFile,
    splits: SplitsFile,
    encodings: EncodingFiles,
    student: Annotated[str, typer.Option(help="modality of the student")],
    output: ArraysOutput,
    teachers: Annotated[Path | None, file("TSV", "train students of the chosen teachers only")] = None,
    settings: Settings = "{}",
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 1,
    log: Log = None,
) -> None:
    """Train the students of one modality: alone, from every teacher by every recipe, and the controls."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.models.distil import distil
    from cch_omics.models.out_of_fold import save_out_of_fold
    from cch_omics.runtime.files import read_table
    from cch_omics.splits import load_splits
    from cch_omics.views import teachers_of

    config = sections("distil", settings)
    chosen = _device(device)
    read, drawn = read_cohort(cohort), load_splits(splits)
    views = teachers_of(read, student)
    if teachers is not None:
        table = read_table(teachers)
        views = list(table.loc[table["student"] == student, "teacher"].dropna())
    depends = (student, views, config.distillation.model_dump_json(), config.encoder.model_dump_json())
    state = _state("distil", output, [cohort, splits, *encodings], *depends, seed, chosen.type)
    students = distil(
        read,
        drawn,
        _encodings(encodings, inputs_of=student),
        student,
        views,
        config.distillation,
        config.encoder,
        seed=seed,
        device=chosen,
        threads=threads,
        progress=logs.progress("splits"),
        state=state,
    )
    save_out_of_fold(students, output)
    state.remove()


@command
def baselines(
    cohort: CohortFile,
    splits: SplitsFile,
    output: ArraysOutput,
    settings: Settings = "{}",
    seed: Seed = 0,
    threads: Threads = 1,
    log: Log = None,
) -> None:
    """Fit the baselines of every modality in the same splits."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.models.baselines import fit_baselines
    from cch_omics.models.out_of_fold import save_by_student
    from cch_omics.splits import load_splits

    fitted = fit_baselines(
        read_cohort(cohort),
        load_splits(splits),
        sections("baselines", settings).baselines,
        seed=seed,
        threads=threads,
        progress=logs.progress("fits"),
    )
    save_by_student(fitted, output)


@command
def information(
    cohort: CohortFile,
    splits: SplitsFile,
    encodings: EncodingFiles,
    estimates: Annotated[Path, Written("TSV", "estimates of every split")],
    table: Annotated[Path, Written("TSV", "estimates of the full cohort")],
    settings: Settings = "{}",
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 1,
    log: Log = None,
) -> None:
    """Estimate the mutual information of every ordered pair and with the label."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.information.pairs import estimate_pairs, information_table
    from cch_omics.runtime.files import write_table
    from cch_omics.splits import load_splits

    estimated = estimate_pairs(
        read_cohort(cohort),
        load_splits(splits),
        _encodings(encodings),
        sections("information", settings).information,
        seed=seed,
        device=_device(device),
        threads=threads,
        progress=logs.progress("splits and folds"),
    )
    write_table(estimated, estimates)
    write_table(information_table(estimated), table)


@command
def verdict(
    cohort: CohortFile,
    splits: SplitsFile,
    encodings: EncodingFiles,
    estimates: Annotated[Path, file("TSV", "estimates of every split, as `cch information` writes them")],
    evidence: Annotated[Path, Written("TSV", "all that is known about a pair")],
    verdicts: Annotated[Path, Written("TSV", "one row per ordered pair and recipe")],
    teachers: Annotated[Path, Written("TSV", "one row per student: its teacher")],
    students: Annotated[
        list[Path] | None, file("NPZ", "one file per student, for rules that need distillation; may be repeated")
    ] = None,
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Decide for every ordered pair, and choose a teacher for every student."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.runtime.files import read_table, write_table
    from cch_omics.splits import load_splits
    from cch_omics.verdict.evidence import gather
    from cch_omics.verdict.rule import choose_teachers, decide

    criterion = sections("verdict", settings).criterion
    read = read_cohort(cohort)
    distilled = _out_of_fold(students) if students else None
    gathered = gather(read, load_splits(splits), _encodings(encodings), distilled, read_table(estimates))
    decided = decide(gathered, criterion, read.target)
    write_table(gathered, evidence)
    write_table(decided, verdicts)
    write_table(choose_teachers(gathered, criterion, read.target, read.modalities), teachers)


@command
def evaluate(
    cohort: CohortFile,
    splits: SplitsFile,
    encodings: EncodingFiles,
    students: StudentFiles,
    baselines: Annotated[Path, file("NPZ", "baselines, as `cch baselines` writes them")],
    evidence: Annotated[Path, file("TSV", "as `cch verdict` writes it")],
    verdicts: Annotated[Path, file("TSV", "as `cch verdict` writes them")],
    teachers: Annotated[Path, file("TSV", "as `cch verdict` writes them")],
    gains: Annotated[Path, Written("TSV", "gains per pair, recipe, control and test fold")],
    references: Annotated[Path, Written("TSV", "scores of the baselines per test fold")],
    scorecard: Annotated[Path, Written("TSV", "how well the criteria foretold the gains")],
    summary: Annotated[Path, Written("TSV", "mean gains")],
    performance: Annotated[Path, Written("TSV", "mean scores of every model")],
    comparisons: Annotated[Path, Written("TSV", "students against baselines")],
    criteria: Annotated[Path, Written("TSV", "score and decision of every criterion for every pair")],
    bundles: Annotated[Path, Written("DIR", "a folder per student with its model", ours=is_students)],
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Score every student on the test patients and the criteria by the gains; save the chosen students."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.evaluation import evaluate
    from cch_omics.models.out_of_fold import load_by_student
    from cch_omics.runtime.files import read_table, write_table
    from cch_omics.splits import load_splits
    from cch_omics.student import write_students

    read, drawn, distilled = read_cohort(cohort), load_splits(splits), _out_of_fold(students)
    decided = read_table(verdicts)
    found = evaluate(
        read,
        drawn,
        _encodings(encodings),
        distilled,
        load_by_student(baselines),
        read_table(evidence),
        sections("evaluate", settings).criterion,
    )
    write_table(found.gains, gains)
    write_table(found.references, references)
    write_table(found.scorecard, scorecard)
    write_table(found.summary, summary)
    write_table(found.performance, performance)
    write_table(found.comparisons, comparisons)
    write_table(found.criteria, criteria)
    write_students(read, drawn, distilled, read_table(teachers), decided, found.performance, found.summary, bundles)


@command
def report(
    folder: Annotated[Path, file("DIR", "results of one cohort and target")],
    output: PageOutput,
    configuration: Annotated[str, file("JSON", "the configuration, to be shown")] = "{}",
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Write the page of one cohort and target."""
    from cch_omics.report import write_report

    shown = json_object(configuration, "--configuration")
    write_report(folder, output, sections("report", settings).report, configuration=shown)


def _device(asked: str) -> "torch.device":
    """The device to compute on; the log says which it is."""
    from cch_omics.runtime.device import choose_device, describe

    device = choose_device(asked)
    logger.debug("device: %s", describe(device))
    return device


def _encodings(files: Sequence[Path], *, inputs_of: str = "") -> "dict[str, Encoding]":
    """Encodings by view, which is the name of the file; of one, the networks' inputs as well."""
    from cch_omics.models.out_of_fold import load_encoding

    return {file.stem: load_encoding(file, inputs=file.stem == inputs_of) for file in files}


def _out_of_fold(files: Sequence[Path]) -> "dict[str, OutOfFold]":
    """Outputs of models by student, which is the name of the file."""
    from cch_omics.models.out_of_fold import load_out_of_fold

    return {file.stem: load_out_of_fold(file) for file in files}


def _state(step: str, output: Path, inputs: Sequence[Path], *depends: object) -> "Folder":
    """Where a long training keeps its finished splits; the code counts beside what is given."""
    from cch_omics.planning.code import code_hash
    from cch_omics.runtime.resume import Folder

    state = Folder(output, inputs, [code_hash(step), *map(str, depends)])
    if finished := state.finished():
        logger.info("going on from %d splits of an interrupted run, in %s", finished, state.path)
    return state
