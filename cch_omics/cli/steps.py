"""Steps of one cohort and target.

A step's signature stands here and nowhere else: rules of the workflow pass what they have under the names of these
parameters.
"""

from collections.abc import Sequence
from functools import lru_cache
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
from cch_omics.config import make_row
from cch_omics.errors import InputError
from cch_omics.keys import PAIR_COLUMNS, TEACHER_COLUMNS, VERDICT_COLUMNS
from cch_omics.runtime import logs
from cch_omics.runtime.logs import logger

if TYPE_CHECKING:
    import torch

    from cch_omics.cohort import Cohort
    from cch_omics.models.out_of_fold import Encoding, OutOfFold
    from cch_omics.runtime.resume import Folder
    from cch_omics.splits import Splits


# Warnings that the terminal shows, and letters of each.
_SHOWN, _LETTERS = 20, 400


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
    from cch_omics.data.sources import ingest
    from cch_omics.splits import make_splits, save_splits

    config = sections("ingest", settings)
    found = ingest(
        make_row(json_object(row, "--row"), "--row"),
        cohort,
        audit,
        config.ingest,
        config.splits,
        first=lambda made: save_splits(make_splits(made, config.splits, seed=seed), splits),
    )
    _warn(found["warnings"], audit, prefix="" if log else "warning: ")
    sizes = [f"{name} ({one['samples']} x {one['features']})" for name, one in found["modalities"].items()]
    people = f"{found['samples']} samples of {found['patients']} patients, {found['labelled']} with a label"
    logger.info("%s; %s", people, ", ".join(sizes))


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
    from cch_omics.models.encode import encode
    from cch_omics.models.out_of_fold import save_encoding

    config = sections("encode", settings).encoder
    chosen = _device(device)
    read, drawn = _read(cohort, splits)
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
    from cch_omics.models.distil import distil
    from cch_omics.models.out_of_fold import save_out_of_fold
    from cch_omics.runtime.formats import read_table
    from cch_omics.views import teachers_of

    config = sections("distil", settings)
    chosen = _device(device)
    read, drawn = _read(cohort, splits)
    views = teachers_of(read, student)
    if teachers is not None:
        table = read_table(teachers, TEACHER_COLUMNS)
        views = list(table.loc[table["student"] == student, "teacher"].dropna())
    depends = (student, views, config.distillation.model_dump_json(), config.encoder.model_dump_json())
    state = _state("distil", output, [cohort, splits, *encodings], *depends, seed, chosen.type)
    students = distil(
        read,
        drawn,
        _encodings(encodings, drawn, inputs_of=student),
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
    from cch_omics.models.baselines import fit_baselines
    from cch_omics.models.out_of_fold import save_by_student

    fitted = fit_baselines(
        *_read(cohort, splits),
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
    from cch_omics.information.pairs import estimate_pairs, information_table
    from cch_omics.runtime.formats import write_table

    read, drawn = _read(cohort, splits)
    estimated = estimate_pairs(
        read,
        drawn,
        _encodings(encodings, drawn),
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
    from cch_omics.runtime.formats import read_table, write_table
    from cch_omics.verdict.evidence import gather
    from cch_omics.verdict.rule import choose_teachers, decide

    criterion = sections("verdict", settings).criterion
    read, drawn = _read(cohort, splits)
    distilled = _out_of_fold(students, drawn) if students else None
    shared = read_table(estimates, PAIR_COLUMNS[:2])
    gathered = gather(read, drawn, _encodings(encodings, drawn), distilled, shared)
    decided = decide(gathered, criterion, read.target)
    write_table(gathered, evidence)
    write_table(decided, verdicts)
    write_table(choose_teachers(gathered, criterion, read.target, read.modalities), teachers)


@command
def validation(
    cohort: CohortFile,
    splits: SplitsFile,
    students: StudentFiles,
    teachers: Annotated[Path, file("TSV", "as `cch verdict` writes them")],
    row: Annotated[str, file("JSON", "columns of a row of the sheet, whose source has the other patients")],
    scores: Annotated[Path, Written("TSV", "metrics of every model on them, and differences")],
    about: Annotated[Path, Written("JSON", "what model cards and pages say of it")],
    features: Annotated[Path, Written("TSV", "how far each feature is from the training")],
    predictions: Annotated[Path, Written("TSV", "predictions, beside what was observed")],
    settings: Settings = "{}",
    seed: Seed = 0,
    log: Log = None,
) -> None:
    """Judge the students, and baselines fitted to the full cohort, on patients of another source."""
    from cch_omics.data.sources import read_source
    from cch_omics.runtime.formats import read_table
    from cch_omics.student.validate import validate_cohort, write_validation

    config = sections("validation", settings)
    given = json_object(row, "--row")
    # One omics is enough, unlike in a row that is trained on.
    wanted = str(given.pop("modalities", ""))
    of_row = make_row(given, "--row").model_copy(update={"modalities": wanted})
    read, drawn = _read(cohort, splits)
    chosen = read_table(teachers, TEACHER_COLUMNS)
    source = read_source(of_row, config.ingest)
    found = validate_cohort(
        *(read, drawn, _out_of_fold(students, drawn), chosen, source, of_row, config.ingest, config.baselines),
        seed=seed,
    )
    write_validation(found, scores, about, features, predictions)


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
    members: Annotated[Path, Written("TSV", "weights of the members of every model")],
    criteria: Annotated[Path, Written("TSV", "score and decision of every criterion for every pair")],
    advised: Annotated[Path, Written("TSV", "gain of following each criterion, for every student")],
    predictions: Annotated[Path, Written("TSV", "predictions of the students for test samples")],
    bundles: Annotated[Path, Written("DIR", "a folder per student with its model", ours=is_students)],
    validation: Annotated[Path | None, file("JSON", "of other patients, as `cch validation` writes it")] = None,
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Score every student on the test patients and the criteria by the gains; save the chosen students."""
    from cch_omics.evaluation import evaluate
    from cch_omics.evaluation.predictions import predictions_on_test
    from cch_omics.models.out_of_fold import load_by_student
    from cch_omics.runtime.formats import read_table, write_table
    from cch_omics.student import write_students
    from cch_omics.student.validate import read_validated

    read, drawn = _read(cohort, splits)
    distilled = _out_of_fold(students, drawn)
    decided = read_table(verdicts, VERDICT_COLUMNS)
    found = evaluate(
        read,
        drawn,
        _encodings(encodings, drawn),
        distilled,
        load_by_student(baselines),
        read_table(evidence, PAIR_COLUMNS),
        sections("evaluate", settings).criterion,
    )
    write_table(found.gains, gains)
    write_table(found.references, references)
    write_table(found.scorecard, scorecard)
    write_table(found.summary, summary)
    write_table(found.performance, performance)
    write_table(found.comparisons, comparisons)
    write_table(found.members, members)
    write_table(found.criteria, criteria)
    write_table(found.advised, advised)
    chosen = read_table(teachers, TEACHER_COLUMNS)
    on_test = predictions_on_test(read, drawn, distilled, chosen)
    write_table(on_test, predictions)
    measured = found.performance, found.summary, found.advised
    validated = read_validated(validation) if validation else {}
    write_students(read, drawn, distilled, chosen, decided, *measured, on_test, bundles, validated)


@command
def report(
    folder: Annotated[Path, file("DIR", "results of one cohort and target")],
    output: PageOutput,
    validation: Annotated[Path | None, file("JSON", "of other patients, as `cch validation` writes it")] = None,
    configuration: Annotated[str, file("JSON", "the configuration, to be shown")] = "{}",
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Write the page of one cohort and target."""
    from cch_omics.report import write_report

    shown = json_object(configuration, "--configuration")
    write_report(folder, output, sections("report", settings).report, configuration=shown, validation=validation)


def _warn(warnings: Sequence[str], file: Path, *, prefix: str) -> None:
    """Log warnings once each: the first on the terminal as well, shortened; all of them in full in the log."""
    once = list(dict.fromkeys(warnings))
    for number, text in enumerate(once):
        shown = text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."
        if number < _SHOWN:
            logger.warning("%s%s", prefix, shown)
        if number >= _SHOWN or shown != text:
            logger.debug("in full: %s", text)
    if len(once) > _SHOWN:
        logger.warning("%s%d more, which are in %s", prefix, len(once) - _SHOWN, file)


def _device(asked: str) -> "torch.device":
    """The device to compute on; the log says which it is."""
    from cch_omics.runtime.device import choose_device, describe

    device = choose_device(asked)
    logger.debug("device: %s", describe(device))
    return device


def _read(cohort: Path, splits: Path) -> "tuple[Cohort, Splits]":
    """A cohort and its splits."""
    from cch_omics.splits import load_splits

    read, drawn = _cohort(cohort, cohort.stat().st_mtime_ns if cohort.is_file() else 0), load_splits(splits)
    _check_origin(splits, drawn.inner.shape[1:], (len(read.samples),))
    return read, drawn


@lru_cache(maxsize=1)
def _cohort(file: Path, changed: int) -> "Cohort":
    """A cohort, read once by a process that takes several steps."""
    from cch_omics.data.mudata import read_cohort

    return read_cohort(file)


def _check_origin(file: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse results of another cohort, or of other splits of it."""
    if shape != expected:
        raise InputError(
            str(file),
            f"results of another cohort or of other splits ({shape} splits and samples in place of {expected})",
            "what the earlier steps made of the same cohort and splits",
            "Run them again, or give the files that belong together.",
        )


def _encodings(files: Sequence[Path], drawn: "Splits", *, inputs_of: str = "") -> "dict[str, Encoding]":
    """Encodings by view, the name of the file, but of views left out; of one, the networks' inputs as well."""
    from cch_omics.models.out_of_fold import load_encoding

    loaded = {file: load_encoding(file, inputs=file.stem == inputs_of) for file in files}
    used = {file: encoding for file, encoding in loaded.items() if len(encoding.epochs)}
    for path, encoding in used.items():
        _check_origin(path, encoding.outputs.shape[:2], drawn.inner.shape)
    return {file.stem: encoding for file, encoding in used.items()}


def _out_of_fold(files: Sequence[Path], drawn: "Splits") -> "dict[str, OutOfFold]":
    """Outputs of models by student, the name of the file, but of those left out."""
    from cch_omics.models.out_of_fold import load_out_of_fold

    loaded = {file: load_out_of_fold(file) for file in files}
    used = {file: predicted for file, predicted in loaded.items() if predicted.models}
    for path, predicted in used.items():
        _check_origin(path, predicted.outputs.shape[1:3], drawn.inner.shape)
    return {file.stem: predicted for file, predicted in used.items()}


def _state(step: str, output: Path, inputs: Sequence[Path], *depends: object) -> "Folder":
    """Where a long training keeps its finished splits; the code counts beside what is given."""
    from cch_omics.planning.code import code_hash
    from cch_omics.runtime.resume import Folder

    state = Folder(output, inputs, [code_hash(step), *map(str, depends)])
    if finished := state.finished():
        logger.info("going on from %d splits of an interrupted run, in %s", finished, state.path)
    return state
