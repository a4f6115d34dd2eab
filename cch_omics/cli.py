"""The command `cch`: one subcommand per step of the workflow, and a few for people.

A subcommand imports what it needs when it runs, so that `cch --help` is quick, and so that `provenance.code_hash` can
tell from this file which modules a step uses.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cch_omics
from cch_omics import logs
from cch_omics.config import (
    CriterionConfig,
    DistillationConfig,
    DownloadConfig,
    EncoderConfig,
    InformationConfig,
    IngestConfig,
    ReferencesConfig,
    ReportConfig,
    Section,
    SheetRow,
    SplitsConfig,
    section,
)
from cch_omics.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from cch_omics.predictions import Distillation, Encoding
    from cch_omics.resume import Folder

logger = logging.getLogger(__name__)


def demo(args: argparse.Namespace) -> None:
    """Download a public cohort and write it as MuData."""
    from cch_omics.io.demo import download_demo

    download_demo(args.name, args.output)


def download(args: argparse.Namespace) -> None:
    """Download a study of cBioPortal or a cohort of UCSC Xena into a folder."""
    from cch_omics.config import comma_list
    from cch_omics.io.download import download

    download(args.source, args.output, args.settings, comma_list(args.modalities))


def simulate(args: argparse.Namespace) -> None:
    """Write a simulated cohort with known mutual information as MuData."""
    from cch_omics.simulation import write_simulated

    write_simulated(args.name, args.output, seed=args.seed)


def ingest(args: argparse.Namespace) -> None:
    """Read one row of the sheet into a checked cohort, and write what was found to the audit."""
    from cch_omics.io.sources import ingest

    given = {column: getattr(args, column) for column in SheetRow.model_fields}
    row = section(SheetRow, {column: value for column, value in given.items() if value}, "the sheet row")
    ingest(row, args.output, args.audit, args.settings, args.splits_settings)


def split(args: argparse.Namespace) -> None:
    """Draw the outer splits and their inner folds."""
    from cch_omics.io.mudata import read_cohort
    from cch_omics.splits import make_splits, save_splits

    splits = make_splits(read_cohort(args.cohort), args.settings, seed=args.seed)
    save_splits(splits, args.output)


def encode(args: argparse.Namespace) -> None:
    """Train the encoders of one modality: held-out representations and logits of every sample."""
    from cch_omics.encoders import encode
    from cch_omics.io.mudata import read_cohort
    from cch_omics.predictions import save_encoding
    from cch_omics.splits import load_splits

    state = _state(args, [args.cohort, args.splits], [args.modality, _json(args.settings), args.device.type])
    encoding = encode(
        read_cohort(args.cohort),
        load_splits(args.splits),
        args.modality,
        args.settings,
        seed=args.seed,
        device=args.device,
        threads=args.threads,
        progress=logs.progress(f"encoders of {args.modality}"),
        state=state,
    )
    save_encoding(encoding, args.output)
    state.remove()


def information(args: argparse.Namespace) -> None:
    """Estimate the mutual information of every ordered pair and with the label."""
    from cch_omics.information.pairs import estimate_pairs, information_table
    from cch_omics.io.files import write_table
    from cch_omics.io.mudata import read_cohort
    from cch_omics.predictions import load_inputs
    from cch_omics.splits import load_splits

    files = {file.stem: file for file in args.encodings}
    estimates = estimate_pairs(
        read_cohort(args.cohort),
        load_splits(args.splits),
        _encodings(args.encodings),
        args.settings,
        seed=args.seed,
        inputs_of=lambda name: load_inputs(files[name]),
        device=args.device,
        threads=args.threads,
        progress=logs.progress("mutual information of splits and folds"),
    )
    _write_parquet(estimates, args.output)
    write_table(information_table(estimates), args.table)


def verdict(args: argparse.Namespace) -> None:
    """Decide for every ordered pair, and choose a teacher for every student."""
    import pandas as pd

    from cch_omics import keys
    from cch_omics.criteria.cch import ask_pilots, choose_teachers, decide
    from cch_omics.io.files import write_table

    pairs = pd.read_parquet(args.information)
    if args.pilots is not None:
        pairs = ask_pilots(pairs, pd.read_parquet(args.pilots))
    verdicts = decide(pairs, args.settings, target=args.target)
    whole = verdicts[verdicts["repeat"] == -1]
    _write_parquet(verdicts, args.output)
    write_table(whole[list(keys.VERDICT_COLUMNS)], args.verdicts)
    write_table(choose_teachers(whole), args.teachers)


def distil(args: argparse.Namespace) -> None:
    """Train the students of one modality from every teacher and every control."""
    from cch_omics.distillation import distil
    from cch_omics.io.mudata import read_cohort
    from cch_omics.predictions import save_distillation
    from cch_omics.splits import load_splits

    state = _state(
        args,
        [args.cohort, args.splits, *args.encodings],
        [args.student, _json(args.settings), _json(args.encoder_settings), args.device.type],
    )
    distillation = distil(
        read_cohort(args.cohort),
        load_splits(args.splits),
        _encodings(args.encodings, inputs_of=args.student),
        args.student,
        args.settings,
        args.encoder_settings,
        seed=args.seed,
        device=args.device,
        threads=args.threads,
        progress=logs.progress(f"students of {args.student}"),
        state=state,
    )
    save_distillation(distillation, args.output)
    state.remove()


def pilots(args: argparse.Namespace) -> None:
    """Compare the students of the inner folds with the students trained alone, for the verdicts."""
    from cch_omics.io.mudata import read_cohort
    from cch_omics.pilots import network_pilots
    from cch_omics.splits import load_splits

    gains = network_pilots(
        read_cohort(args.cohort),
        load_splits(args.splits),
        _encodings(args.encodings),
        _distillations(args.distillations),
    )
    _write_parquet(gains, args.output)


def references(args: argparse.Namespace) -> None:
    """Fit the reference models of every modality in the same folds."""
    from cch_omics.io.mudata import read_cohort
    from cch_omics.references import fit_references, save_references
    from cch_omics.splits import load_splits

    fitted = fit_references(
        read_cohort(args.cohort),
        load_splits(args.splits),
        args.settings,
        seed=args.seed,
        threads=args.threads,
        progress=logs.progress("reference models"),
    )
    save_references(fitted, args.output)


def evaluate(args: argparse.Namespace) -> None:
    """Score every student on the test patients, and the verdicts by the realised gains."""
    import pandas as pd

    from cch_omics.evaluation import evaluate_cohort
    from cch_omics.io.files import write_table
    from cch_omics.io.mudata import read_cohort
    from cch_omics.references import load_references
    from cch_omics.splits import load_splits

    evaluation = evaluate_cohort(
        read_cohort(args.cohort),
        load_splits(args.splits),
        _encodings(args.encodings),
        _distillations(args.distillations),
        load_references(args.references),
        pd.read_parquet(args.verdicts),
    )
    write_table(evaluation.gains, args.gains)
    write_table(evaluation.references, args.reference_table)
    write_table(evaluation.scorecard, args.scorecard)
    _write_parquet(evaluation.pairs, args.pairs)
    _write_parquet(evaluation.summary, args.summary)
    _write_parquet(evaluation.performance, args.performance)


def student(args: argparse.Namespace) -> None:
    """Save the deployable model of each modality."""
    import pandas as pd

    from cch_omics.io.files import read_table
    from cch_omics.io.mudata import read_cohort
    from cch_omics.splits import load_splits
    from cch_omics.student import write_students

    cohort = read_cohort(args.cohort)
    write_students(
        cohort,
        load_splits(args.splits),
        _encodings(args.encodings),
        _distillations(args.distillations),
        read_table(args.teachers),
        read_table(args.verdicts),
        pd.read_parquet(args.performance),
        pd.read_parquet(args.summary),
        {modality: args.output / modality for modality in cohort.modalities},
    )


def report(args: argparse.Namespace) -> None:
    """Write the page of one cohort and target."""
    from cch_omics.report import write_report

    configuration = json.loads(args.configuration)
    write_report(args.folder, args.output, args.settings, configuration=configuration)


def pool(args: argparse.Namespace) -> None:
    """Write the scorecard and the page of all cohorts together."""
    import pandas as pd

    from cch_omics.evaluation import scorecard
    from cch_omics.io.files import write_table
    from cch_omics.report import write_pooled_report

    pairs = pd.concat([pd.read_parquet(folder / "intermediate" / "pairs.parquet") for folder in args.folders])
    card = pd.concat([scorecard(pairs, pooled=True), scorecard(pairs)], ignore_index=True)
    write_table(card, args.scorecard)
    unfinished = json.loads(args.unfinished)
    write_pooled_report(args.folders, args.output, args.settings, scorecard=card, unfinished=unfinished)


def schemas(args: argparse.Namespace) -> None:
    """Write the JSON schemas of the configuration and of the sheet."""
    from cch_omics.config import schemas

    args.output.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (args.output / name).write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


def theory(args: argparse.Namespace) -> None:
    """Write where the rule holds in the joint Gaussian model: a figure and its tables."""
    from cch_omics.theory import write_theory

    write_theory(args.output)


def summary(args: argparse.Namespace) -> None:
    """Print where the report is and the verdicts as a small table."""
    from cch_omics.overview import overview

    print(overview(args.results))


def predict(args: argparse.Namespace) -> None:
    """Predict from the weak omics alone."""
    from cch_omics.student import predict_file

    predict_file(args.student, args.input, args.output)


def _device(asked: str) -> "tuple[torch.device, str]":
    """The device to compute on, and its name for people."""
    from cch_omics.device import choose_device, describe

    device = choose_device(asked)
    return device, describe(device)


def _encodings(files: Sequence[Path], *, inputs_of: str = "") -> "dict[str, Encoding]":
    """Encodings by modality, which is the name of the file; of one, the networks' inputs as well."""
    from cch_omics.predictions import load_encoding

    return {file.stem: load_encoding(file, inputs=file.stem == inputs_of) for file in files}


def _distillations(files: Sequence[Path]) -> "dict[str, Distillation]":
    """Distillations by student, which is the name of the file."""
    from cch_omics.predictions import load_distillation

    return {file.stem: load_distillation(file) for file in files}


def _write_parquet(frame: "pd.DataFrame", path: Path) -> None:
    from cch_omics.io.files import atomic

    with atomic(path) as draft:
        frame.to_parquet(draft, index=False)


def _state(args: argparse.Namespace, inputs: Sequence[Path], depends: Sequence[str]) -> "Folder":
    """Where a long training keeps its finished splits; the code and the seed count beside what is given."""
    from cch_omics.provenance import code_hash
    from cch_omics.resume import Folder

    state = Folder(args.output, inputs, [args.command, str(args.seed), code_hash(args.command), *depends])
    if finished := state.finished():
        logger.info("going on from %d splits of an interrupted run, in %s", finished, state.path)
    return state


def _json(settings: Section) -> str:
    return settings.model_dump_json()


@dataclass(frozen=True)
class Command:
    """A subcommand: its function, whose docstring is the help, and its options.

    Attributes
    ----------
    run
        Takes the parsed arguments.
    options
        Names in `OPTIONS`.
    settings
        Sections of the configuration that the command takes as JSON, by the name of the option.
    step
        Whether it is a step of the workflow, which logs to a file and keeps to its cores.
    """

    run: Callable[[argparse.Namespace], None]
    options: tuple[str, ...]
    settings: Mapping[str, type[Section]]
    step: bool = True


def _command(
    run: Callable[[argparse.Namespace], None], options: str, *, step: bool = True, **settings: type[Section]
) -> Command:
    return Command(run, tuple(options.split()), settings, step)


COMMANDS = {
    "demo": _command(demo, "name output"),
    "download": _command(download, "source modalities output", settings=DownloadConfig),
    "simulate": _command(simulate, "name output seed"),
    "ingest": _command(ingest, "row output audit", settings=IngestConfig, splits_settings=SplitsConfig),
    "split": _command(split, "cohort output seed", settings=SplitsConfig),
    "encode": _command(encode, "cohort splits modality output seed device", settings=EncoderConfig),
    "information": _command(
        information, "cohort splits encodings output table seed device", settings=InformationConfig
    ),
    "verdict": _command(verdict, "information pilots target output verdicts teachers", settings=CriterionConfig),
    "distil": _command(
        distil,
        "cohort splits encodings student output seed device",
        settings=DistillationConfig,
        encoder_settings=EncoderConfig,
    ),
    "pilots": _command(pilots, "cohort splits encodings distillations output"),
    "references": _command(references, "cohort splits output seed", settings=ReferencesConfig),
    "evaluate": _command(
        evaluate,
        "cohort splits encodings distillations references verdicts gains reference_table scorecard pairs summary "
        "performance",
    ),
    "student": _command(student, "cohort splits encodings distillations verdicts teachers summary performance output"),
    "report": _command(report, "folder output configuration", settings=ReportConfig),
    "pool": _command(pool, "folders scorecard output unfinished", settings=ReportConfig),
    "schemas": _command(schemas, "output", step=False),
    "theory": _command(theory, "output", step=False),
    "summary": _command(summary, "results", step=False),
    "predict": _command(predict, "student_folder input output", step=False),
}


# Every option of every command, as `add_argument` takes it.
OPTIONS: dict[str, dict[str, Any]] = {
    "audit": {"metavar": "JSON", "help": "what was found in the cohort, written"},
    "cohort": {"metavar": "H5MU", "help": "checked cohort, as `cch ingest` writes it"},
    "device": {
        "choices": ("auto", "cpu", "cuda"),
        "default": "auto",
        "help": "auto: a GPU where there is one for this job",
    },
    "distillations": {"metavar": "NPZ", "nargs": "+", "help": "one file per student, named by it"},
    "encodings": {"metavar": "NPZ", "nargs": "+", "help": "one file per modality, named by it"},
    "configuration": {"type": str, "default": "{}", "help": "the configuration as JSON, to be shown"},
    "folder": {"metavar": "DIR", "help": "results of one cohort and target"},
    "folders": {"metavar": "DIR", "nargs": "+", "help": "results of every cohort and target"},
    "gains": {"metavar": "TSV", "help": "gains per pair, control and test fold"},
    "information": {"metavar": "PARQUET", "help": "estimates of every split"},
    "pilots": {"metavar": "PARQUET", "default": None, "help": "gains of pilots, in place of those of linear ones"},
    "input": {"metavar": "FILE", "help": "samples: .h5mu, .h5ad, .csv, .tsv or .parquet"},
    "modalities": {"type": str, "default": "", "help": "comma list of those that are wanted"},
    "modality": {"type": str, "help": "the modality to encode"},
    "output": {"metavar": "PATH", "help": "what is written"},
    "pairs": {"metavar": "PARQUET", "help": "score and decision of every criterion beside the gain"},
    "performance": {"metavar": "PARQUET", "help": "mean score of every model"},
    "reference_table": {"metavar": "TSV", "help": "scores of the reference models per test fold"},
    "references": {"metavar": "NPZ", "help": "predictions of the reference models"},
    "results": {"metavar": "DIR", "help": "folder of results"},
    "scorecard": {"metavar": "TSV", "help": "how well the criterion foretold the gains"},
    "seed": {"type": int, "default": 0, "help": "seed of every random number"},
    "splits": {"metavar": "NPZ", "help": "splits, as `cch split` writes them"},
    "student": {"type": str, "help": "modality of the student"},
    "summary": {"metavar": "PARQUET", "help": "mean gain of every pair over every control"},
    "table": {"metavar": "TSV", "help": "estimates of the whole cohort, written"},
    "target": {"type": str, "help": "name of the label, for the reasons"},
    "teachers": {"metavar": "TSV", "help": "one row per student: its teacher"},
    "unfinished": {"type": str, "default": "[]", "help": "what to say of cohorts that are missing: a JSON list"},
    "verdicts": {"metavar": "TABLE", "help": "one row per ordered pair: its verdict"},
}
POSITIONAL = {
    "name": {"type": str, "metavar": "NAME", "help": "which of the known ones"},
    "source": {"type": str, "metavar": "SOURCE", "help": "cbioportal:STUDY or xena:COHORT"},
    "results": OPTIONS["results"],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, 1 for a failure, 2 for input that its owner can mend."""
    args = _parser().parse_args(arguments)
    command = COMMANDS[args.command]
    if command.step:
        _keep_to_one_thread()
    logs.start(_title(args), args.log if command.step else None)
    try:
        for option, model in command.settings.items():
            setattr(args, option, _settings(getattr(args, option), model, "--" + option.replace("_", "-")))
        if command.step:
            hidden = {"command", "log", "device"}
            logs.opening()
            if "device" in command.options:
                args.device, device = _device(args.device)
            else:
                device = "cpu"
            logs.header(device, {name: value for name, value in vars(args).items() if name not in hidden})
        command.run(args)
    except InputError as error:
        logger.error("error: %s", error)
        _set_aside_damaged(args)
        return 2
    except BrokenPipeError:
        return 1
    except Exception:
        logger.exception("failed")
        _set_aside_damaged(args)
        return 1
    logger.debug("done")
    return 0


def _set_aside_damaged(args: argparse.Namespace) -> None:
    """Look whether a step failed because what earlier steps had written was damaged since."""
    from cch_omics.io.intact import set_aside_damaged

    given = [each for value in vars(args).values() for each in (value if isinstance(value, list) else [value])]
    set_aside_damaged(path for path in given if isinstance(path, Path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cch", description=cch_omics.__doc__)
    parser.add_argument("--version", action="version", version=cch_omics.__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        text = (command.run.__doc__ or name).splitlines()[0]
        subparser = subparsers.add_parser(name, help=text, description=text)
        for option in command.options:
            _add_option(subparser, option)
        for option, model in command.settings.items():
            default = model().model_dump_json()
            subparser.add_argument(
                "--" + option.replace("_", "-"), metavar="JSON", default="{}", help=f"default: {default}"
            )
        if command.step:
            subparser.add_argument("--threads", type=int, default=1, help="processor cores to use")
            subparser.add_argument(
                "--log", type=Path, metavar="FILE", help="log file; the terminal shows progress only"
            )
    return parser


def _add_option(parser: argparse.ArgumentParser, option: str) -> None:
    if option == "row":
        for column, field in SheetRow.model_fields.items():
            text = f"column of the sheet: {field.description}"
            parser.add_argument("--" + column.replace("_", "-"), default="", required=field.is_required(), help=text)
    elif option in POSITIONAL:
        parser.add_argument(option, **({"type": Path} | POSITIONAL[option]))
    elif option == "student_folder":
        parser.add_argument("--student", type=Path, metavar="DIR", required=True, help="a student's folder")
    else:
        keywords = OPTIONS[option]
        typed = {} if "type" in keywords or "choices" in keywords else {"type": Path}
        parser.add_argument("--" + option.replace("_", "-"), required="default" not in keywords, **(typed | keywords))


def _settings(text: str, model: type[Section], option: str) -> Section:
    """A section of the configuration, from JSON."""
    try:
        mapping = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(option, repr(text), f"JSON ({error})", "For example: '{}' for the defaults.") from None
    if not isinstance(mapping, dict):
        raise InputError(option, repr(text), "a JSON object", "For example: '{}' for the defaults.")
    return section(model, mapping, option)


def _keep_to_one_thread() -> None:
    """Steps use more cores by processes. Numerical libraries read these when they are imported, which is later."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        os.environ[f"{variable}_NUM_THREADS"] = "1"


def _title(args: argparse.Namespace) -> str:
    """How lines on the terminal name a step: the command, and what it is about."""
    about = getattr(args, "modality", None) or getattr(args, "student", None) or getattr(args, "cohort", None)
    return f"{args.command} {about}" if isinstance(about, str) and about else str(args.command)


if __name__ == "__main__":
    sys.exit(main())
