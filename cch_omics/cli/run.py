"""The workflow on one machine: what is planned, Snakemake, and the verdicts."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

import cch_omics
from cch_omics.cli.command import command, file
from cch_omics.config import Config, SheetRow, load_config, read_sheet, teachers_of_row
from cch_omics.errors import InputError
from cch_omics.planning.sources import in_one_job, made_source, modalities_of

SNAKEFILE = Path("workflow", "Snakefile")
# Where Snakemake looks by itself, from the working directory.
CONFIGURATION = Path("config", "config.yaml")
COLUMNS = ("cohort", "target", "omics", "teachers", "samples", "minutes")
# Seconds of one core: for a row of the sheet, whatever its size; each job more where steps are jobs of their own; and
# for each sample, training set, and view or pair of views (measured in research/benchmarks/many_cohorts.md).
SECONDS, SECONDS_A_JOB, SECONDS_EACH = 16.0, 5.0, 0.00016


@command
def run(
    sheet: Annotated[Path, typer.Argument(help="the sheet, tab-separated: a row for each cohort and target")],
    snakemake: Annotated[list[str] | None, typer.Argument(help="options of Snakemake itself, after --")] = None,
    configfile: Annotated[
        str, file("YAML", "settings that differ from the defaults: a file, or quick or full, which come with cch_omics")
    ] = "",
    cores: Annotated[str, typer.Option(help="processor cores to use: a number, or all")] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="print the plan and the jobs, and do nothing")
    ] = False,
) -> None:
    """Run the workflow on this machine for the cohorts of a sheet: first the plan, last the verdicts.

    Results go to the folder results and logs to logs, in the working directory. A second call does only what is new.
    """
    from cch_omics.report.summary import overview

    root = workflow_root()
    files = configurations(configfile, root)
    config = load_config({**merged(files), "cohorts": str(sheet)})
    places = {name: Path((config.pathvars or {}).get(name, name)) for name in ("results", "logs", "resources")}
    print("\n".join(plan(read_sheet(sheet), config, places["resources"])), flush=True)
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(root / SNAKEFILE), "--cores", cores]
    words += ["--workflow-profile", "none", "--keep-going", "--rerun-incomplete", *(["--dry-run"] if dry_run else [])]
    words += ["--configfile", *map(str, files), "--config", f"cohorts={sheet}", *(snakemake or [])]
    status = status_of(words)
    if not dry_run and places["results"].is_dir():
        print(f"\n{overview(places['results'], places['logs'])[0]}")
    if status:
        raise typer.Exit(status)


def workflow_root() -> Path:
    """The folder with `workflow` and `config`: the repository, or where a wheel puts them.

    Raises
    ------
    InputError
        If the package was installed without them.
    """
    places = (Path(cch_omics.__file__).parents[1], Path(sys.prefix, "share", "cch_omics"))
    for place in places:
        if (place / SNAKEFILE).is_file():
            return place
    raise InputError(
        "cch run",
        f"no {SNAKEFILE} in {' or '.join(map(str, places))}",
        "the workflow beside the package",
        "Install the wheel with pip, or clone the repository and run it there.",
    )


def configurations(asked: str, root: Path) -> list[Path]:
    """Configuration files: that of the working directory, or else the defaults, and that asked for, which overrides it.

    Raises
    ------
    InputError
        If there is no such file.
    """
    files = [CONFIGURATION if CONFIGURATION.is_file() else root / CONFIGURATION]
    if asked:
        shipped = root / CONFIGURATION.with_name(f"{asked}.yaml")
        files.append(shipped if shipped.is_file() and not Path(asked).exists() else Path(asked))
        if not files[-1].is_file():
            known = ", ".join(sorted(each.stem for each in (root / CONFIGURATION.parent).glob("*.yaml")))
            raise InputError("--configfile", repr(asked), f"a YAML file, or one of {known}", "Correct the name.")
    return files


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """What configuration files say together, as Snakemake joins them."""
    from snakemake.utils import update_config  # type: ignore[import-untyped]

    found: dict[str, Any] = {}
    for file_ in files:
        try:
            content = yaml.safe_load(file_.read_text(encoding="utf-8-sig"))
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())
            raise InputError(str(file_), f"no YAML ({why})", "a configuration", "See config/README.md.") from None
        if not isinstance(content, dict | None):
            raise InputError(str(file_), "no keys", "a configuration", "See config/README.md.")
        update_config(found, content or {})
    return found


def plan(rows: Sequence[SheetRow], config: Config, resources: Path) -> Iterator[str]:
    """Lines of a table with a row for each cohort and target, and the time that all take."""
    from cch_omics.data.sources import samples_of
    from cch_omics.report.summary import aligned

    # The full cohort is trained on as well, and each training set whole beside its inner folds.
    trained = (config.splits.repeats * config.splits.folds + 1) * (config.splits.inner_folds + 1)
    lines, known = [COLUMNS], []
    for row in rows:
        modalities = modalities_of(row)
        teachers = teachers_of_row(row, modalities)
        pairs = [(teacher, student) for student in modalities for teacher in teachers if teacher != student]
        made = resources / made_source(row.source)
        try:
            samples = samples_of(str(made) if made.exists() and made != resources else row.source)
        except InputError:
            # The step that reads it says why, and others go on.
            samples = 0
        views = {*modalities, *teachers}
        # In place of one job encoders, students and four steps more, and perhaps that of other patients.
        jobs = len(views) + len(modalities) + 3 + bool(row.others)
        further = 0 if in_one_job(row, config.one_job_below_mb) else jobs
        computing = SECONDS_EACH * samples * trained * (len(views) + len(pairs))
        minutes = (SECONDS + SECONDS_A_JOB * further + computing) / 60
        known += [minutes] if samples else []
        counted = (str(samples), f"{minutes:.1f}") if samples else ("not known yet", "")
        lines.append((row.cohort, row.target_name, ", ".join(modalities), ", ".join(teachers), *counted))
    yield from aligned(lines)
    more = "" if len(known) == len(rows) else ", and those of the cohorts whose samples are not known yet"
    if known:
        yield f"\nMinutes of one core from nothing, within a factor of two; together {sum(known):.1f}{more}."


def status_of(words: Sequence[str]) -> int:
    """Run a command that ends by itself, in order, when somebody interrupts both; return its exit status."""
    with subprocess.Popen(words) as process:
        before = {
            signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        }
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
