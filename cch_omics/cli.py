"""The command `cch`: one subcommand per step of the workflow, and a few for people.

A step's signature stands here and nowhere else: rules of the workflow pass what they have under the names of these
parameters. A subcommand imports what it needs when it runs, so that `cch --help` is quick.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import cch_omics
from cch_omics.config import Config, SheetRow, comma_list, section
from cch_omics.errors import InputError
from cch_omics.planning.steps import STEPS
from cch_omics.runtime import logs
from cch_omics.runtime.logs import logger

if TYPE_CHECKING:
    import torch

    from cch_omics.models.out_of_fold import Encoding, OutOfFold
    from cch_omics.runtime.resume import Folder


app = typer.Typer(
    help=cch_omics.__doc__,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a subcommand of a function: its signature is that of the function, its help the docstring.

    A step, which has a parameter `log`, keeps to one thread per process and logs what it was given. A failure is one
    message and the status 1, or 2 for input that its owner can mend.
    """

    @wraps(function)
    def run(**given: Any) -> None:
        step = "log" in given
        if step:
            _keep_to_one_thread()
        logs.start(_title(function.__name__, given), given.get("log"))
        if step:
            logs.header({name: value for name, value in given.items() if name not in {"log", "settings"}})
        try:
            function(**given)
        except InputError as error:
            logger.error("%s" if step else "error: %s", error)
            _set_aside_damaged(given)
            raise typer.Exit(2) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception:
            logger.exception("failed")
            _set_aside_damaged(given)
            raise typer.Exit(1) from None
        logger.debug("done")

    return app.command()(run)


def _print_version(asked: bool) -> None:
    if asked:
        print(cch_omics.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    pass


def _file(kind: str, text: str) -> Any:
    return typer.Option(metavar=kind, help=text)


CohortFile = Annotated[Path, _file("H5MU", "checked cohort, as `cch ingest` writes it")]
SplitsFile = Annotated[Path, _file("NPZ", "outer splits and inner folds, as `cch ingest` writes them")]
EncodingFiles = Annotated[list[Path], _file("NPZ", "encodings: one file per view, named by it; may be repeated")]
StudentFiles = Annotated[list[Path], _file("NPZ", "students: one file per student, named by it; may be repeated")]
Output = Annotated[Path, _file("PATH", "what is written")]
Row = Annotated[str, _file("JSON", "columns of a row of the sheet, such as cohort, source and target")]
Settings = Annotated[str, _file("JSON", "sections of the configuration that the step takes; defaults for the others")]
Seed = Annotated[int, typer.Option(help="seed of every random number")]
Threads = Annotated[int, typer.Option(help="processor cores to use")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one for this job, else the CPU")
]
Log = Annotated[Path | None, _file("FILE", "log file; the terminal shows progress only")]


# --- Where cohorts come from ------------------------------------------------------------------------------------------


@command
def demo(name: str, output: Output, log: Log = None) -> None:
    """Download a public cohort and write it as MuData."""
    from cch_omics.data.demo import download_demo

    download_demo(name, output)


@command
def download(
    source: Annotated[str, typer.Argument(help="cbioportal:STUDY or xena:COHORT")],
    output: Output,
    modalities: Annotated[str, typer.Option(help="comma list of those that are wanted")] = "",
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Download a study of cBioPortal or a cohort of UCSC Xena into a folder."""
    from cch_omics.data.download import download

    download(source, output, _sections("download", settings).download, comma_list(modalities))


@command
def simulate(name: str, output: Output, seed: Seed = 0, log: Log = None) -> None:
    """Write a simulated cohort with known mutual information as MuData."""
    from cch_omics.data.simulate import write_simulated

    write_simulated(name, output, seed=seed)


# --- Steps of a cohort and target -------------------------------------------------------------------------------------


@command
def ingest(
    row: Row,
    cohort: CohortFile,
    splits: SplitsFile,
    audit: Annotated[Path, _file("JSON", "what was found in the cohort, written")],
    settings: Settings = "{}",
    seed: Seed = 0,
    log: Log = None,
) -> None:
    """Read one row of the sheet into a checked cohort, draw its splits, and write what was found to the audit."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.data.sources import ingest
    from cch_omics.splits import make_splits, save_splits

    config = _sections("ingest", settings)
    ingest(section(SheetRow, _json(row, "--row"), "--row"), cohort, audit, config.ingest, config.splits)
    save_splits(make_splits(read_cohort(cohort), config.splits, seed=seed), splits)


@command
def encode(
    cohort: CohortFile,
    splits: SplitsFile,
    view: Annotated[str, typer.Option(help="one modality, or several joined by '+'")],
    output: Output,
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

    config = _sections("encode", settings).encoder
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
    output: Output,
    teachers: Annotated[Path | None, _file("TSV", "train students of the chosen teachers only")] = None,
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

    config = _sections("distil", settings)
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
    output: Output,
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
        _sections("baselines", settings).baselines,
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
    estimates: Annotated[Path, _file("TSV", "estimates of every split, written")],
    table: Annotated[Path, _file("TSV", "estimates of the full cohort, written")],
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
        _sections("information", settings).information,
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
    estimates: Annotated[Path, _file("TSV", "estimates of every split, as `cch information` writes them")],
    evidence: Annotated[Path, _file("TSV", "all that is known about a pair, written")],
    verdicts: Annotated[Path, _file("TSV", "one row per ordered pair and recipe, written")],
    teachers: Annotated[Path, _file("TSV", "one row per student: its teacher, written")],
    students: Annotated[
        list[Path] | None, _file("NPZ", "one file per student, for rules that need distillation; may be repeated")
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

    criterion = _sections("verdict", settings).criterion
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
    baselines: Annotated[Path, _file("NPZ", "baselines, as `cch baselines` writes them")],
    evidence: Annotated[Path, _file("TSV", "as `cch verdict` writes it")],
    verdicts: Annotated[Path, _file("TSV", "as `cch verdict` writes them")],
    teachers: Annotated[Path, _file("TSV", "as `cch verdict` writes them")],
    gains: Annotated[Path, _file("TSV", "gains per pair, recipe, control and test fold, written")],
    references: Annotated[Path, _file("TSV", "scores of the baselines per test fold, written")],
    scorecard: Annotated[Path, _file("TSV", "how well the criteria foretold the gains, written")],
    summary: Annotated[Path, _file("TSV", "mean gains, written")],
    performance: Annotated[Path, _file("TSV", "mean scores of every model, written")],
    comparisons: Annotated[Path, _file("TSV", "students against baselines, written")],
    criteria: Annotated[Path, _file("TSV", "score and decision of every criterion for every pair, written")],
    bundles: Annotated[Path, _file("DIR", "a folder per student with its model, written")],
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
        _sections("evaluate", settings).criterion,
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
    folder: Annotated[Path, _file("DIR", "results of one cohort and target")],
    output: Output,
    configuration: Annotated[str, _file("JSON", "the configuration, to be shown")] = "{}",
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Write the page of one cohort and target."""
    from cch_omics.report import write_report

    shown = _json(configuration, "--configuration")
    write_report(folder, output, _sections("report", settings).report, configuration=shown)


# --- All cohorts ------------------------------------------------------------------------------------------------------


@command
def pool(
    folders: Annotated[list[Path], _file("DIR", "results of a cohort and target; may be repeated")],
    scorecard: Annotated[Path, _file("TSV", "how well the criteria foretold the gains, written")],
    output: Output,
    unfinished: Annotated[list[str] | None, typer.Option(help="what to say of a missing cohort")] = None,
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Write the scorecard and the page of all cohorts together."""
    import pandas as pd

    from cch_omics.evaluation.scorecard import scorecard as score
    from cch_omics.report import write_pooled_report
    from cch_omics.runtime.files import read_table, write_table

    criteria = pd.concat([read_table(folder / "intermediate" / "criteria.tsv") for folder in folders])
    card = pd.concat([score(criteria, pooled=True), score(criteria, pooled=False)], ignore_index=True)
    write_table(card, scorecard)
    config = _sections("pool", settings).report
    write_pooled_report(folders, output, config, scorecard=card, unfinished=unfinished or [])


# --- For people -------------------------------------------------------------------------------------------------------


@command
def predict(
    student: Annotated[Path, _file("DIR", "folder of a student, results/COHORT/TARGET/students/MODALITY")],
    input: Annotated[Path, _file("FILE", "samples: .h5mu, .h5ad, .csv, .tsv or .parquet")],
    output: Output,
) -> None:
    """Predict from the weak omics alone."""
    from cch_omics.student import predict_file

    predict_file(student, input, output)


@command
def summary(results: Annotated[Path, typer.Argument(help="folder of results")] = Path("results")) -> None:
    """Print the verdicts as a small table, and where the report is."""
    from cch_omics.report.summary import overview

    print(overview(results))


@command
def schemas(output: Annotated[Path, _file("DIR", "folder of the schemas")] = Path("workflow/schemas")) -> None:
    """Write the JSON schemas of the configuration and of the sheet."""
    from cch_omics.config import schemas

    output.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (output / name).write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, 1 for a failure, 2 for input that its owner can mend."""
    try:
        app(arguments, prog_name="cch")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _sections(step: str, text: str) -> Config:
    """Sections of the configuration that a step takes, from JSON; defaults for what is left out."""
    taken = STEPS[step].sections
    given = _json(text, "--settings")
    for name in given:
        if name not in taken:
            raise InputError(
                "--settings", f"the section {name!r}", f"sections among {', '.join(taken)}", "Remove the section."
            )
    config = section(Config, {"cohorts": "", **given}, "--settings")
    for name in taken:
        logger.debug("%s: %s", name, getattr(config, name))
    return config


def _json(text: str, option: str) -> dict[str, Any]:
    """Read a JSON object of the command line."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(option, repr(text), f"JSON ({error})", 'For example: \'{"name": "value"}\'.') from None
    if not isinstance(content, dict):
        raise InputError(option, repr(text), "a JSON object", 'For example: \'{"name": "value"}\'.')
    return content


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


def _set_aside_damaged(given: Mapping[str, Any]) -> None:
    """Look whether a step failed because what earlier steps had written was damaged since."""
    from cch_omics.runtime.intact import set_aside_damaged

    each = [item for value in given.values() for item in (value if isinstance(value, list) else [value])]
    set_aside_damaged(path for path in each if isinstance(path, Path))


def _keep_to_one_thread() -> None:
    """Steps use more cores by processes. Numerical libraries read these when they are imported, which is later."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        os.environ[f"{variable}_NUM_THREADS"] = "1"


def _title(step: str, given: Mapping[str, Any]) -> str:
    """How lines on the terminal name a step: cohort and target from its paths, the command, and view or student."""
    file, folder = given.get("cohort"), given.get("folder")
    folder = file.parents[1] if file and file.parent.name == "intermediate" else folder
    of = [*folder.parts[-2:]] if folder else []
    about = [str(given[name]) for name in ("view", "student") if name in given and of]
    return " ".join([*of, step, *about])


if __name__ == "__main__":
    sys.exit(main())
