"""Reads the configuration and the sheet, and no more. Imports nothing of the package that needs torch or anndata."""

import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Rules call `cch` of the package that lies beside this workflow, installed or not, by the Python of this process or of the
# job's own environment. (Taken from a remote repository by another workflow, there is none beside it: then the installed
# one serves.) The processes of a cluster's jobs read this file too.
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if (BASE.parent / "cch_omics").is_dir():
    sys.path.insert(0, str(BASE.parent))
PATHS = [str(BASE / "scripts"), str(Path(sys.executable).parent), *os.get_exec_path()]
os.environ.update(PATH=os.pathsep.join(PATHS))

from cch_omics.config import NAME_PATTERN, load_config, read_sheet, teachers_of_row
from cch_omics.errors import InputError, refused_by_system
from cch_omics.planning.code import code_hash
from cch_omics.planning.given_once import check_given_once
from cch_omics.planning.sources import files_of, in_one_job, made_source, modalities_of, validation_row
from cch_omics.planning.steps import STEPS, memory_mb, minutes
from cch_omics.planning.terminal import one_line_per_job
from cch_omics.planning.unfinished import unfinished
from cch_omics.verdict.criteria import CRITERIA

NAME = NAME_PATTERN.strip("^$")

try:
    if workflow.is_main_process:
        arguments = workflow.config_settings.config_args
        check_given_once(workflow.configfiles, arguments if isinstance(arguments, list) else ())
    CONFIG = load_config(config)
    for name, place in (CONFIG.pathvars or {}).items():
        if set("{}<>") & set(re.sub("<[a-z][a-z0-9_]*>", "", str(place))):
            advice = "Braces and angle brackets are wildcards and path variables to Snakemake: choose another folder."
            raise InputError(f"the configuration, key pathvars.{name}", repr(place), "a path without them", advice)
    ROWS = {(row.cohort, row.target_name): row for row in read_sheet(CONFIG.cohorts)}
    # Every source is looked at before anything starts; a job looks at its own alone.
    MODALITIES = {key: modalities_of(row) for key, row in ROWS.items()} if workflow.is_main_process else {}
    TEACHERS = {key: teachers_of_row(ROWS[key], modalities) for key, modalities in MODALITIES.items()}
    VALIDATED = {key: validation_row(ROWS[key]) for key in MODALITIES}
    LARGE = {key[0] for key in MODALITIES if not in_one_job(ROWS[key], CONFIG.one_job_below_mb)}
except (InputError, OSError) as error:
    said = refused_by_system(error) or error
    # Snakemake would add the place in this file to a message that is about another one.
    raise SystemExit(f"error: {said}") from None

# Another workflow that uses this one as a module keeps its own way of telling what it does.
if workflow.is_main_process and Path(workflow.main_snakefile).parent in {BASE, BASE.parent}:
    one_line_per_job(logger)

# Where another workflow may have put them. Later, when a job is planned, its own places would be asked.
RESULTS, LOGS, RESOURCES = (workflow.pathvars.apply(f"<{name}>") for name in ("results", "logs", "resources"))

# A profile that gives a rule GPUs wants the GPU build of torch.
GIVEN = workflow.resource_settings.overwrite_resources.values()
HAS_GPU = any(given.get("gpu") or "gpu" in str(given.get("gres", "")) for given in GIVEN)
ENVIRONMENT = f"../../envs/{'gpu' if HAS_GPU else 'cpu'}.yaml"

# One outer split per fold and repeat, and the full cohort.
N_SPLITS = CONFIG.splits.repeats * CONFIG.splits.folds + 1

# Cohorts whose steps after `ingest` are one job. (What a job of a cluster is, has been decided.)
SMALL = "|".join(re.escape(cohort) for cohort, _ in ROWS if cohort not in LARGE) or "(?!)"

# With a rule that needs no distillation, verdicts wait for no student; then students may wait for the verdicts.
RULE_NEEDS_STUDENTS = CRITERIA[CONFIG.criterion.rule].needs_distillation
CHOSEN_ONLY = CONFIG.distillation.evaluate == "chosen"


def memory(step):
    """Megabytes for a job of a step, from the size of what it reads; more at every attempt."""
    return lambda wildcards, input, attempt: memory_mb(step, input.size_mb, attempt=attempt)


def runtime(step):
    """Minutes for a job of a step, likewise."""
    return lambda wildcards, input, attempt: minutes(step, input.size_mb, attempt=attempt, n_splits=N_SPLITS)


def cores_of_a_cohort(wildcards):
    """Cores for a small cohort: those of this machine, shared by all; of a node 4."""
    cores = workflow.resource_settings.cores if workflow.is_main_process else None
    return max(1, cores // len(ROWS)) if cores else 4


def table(name, label=""):
    """A table of a cohort and target, which Snakemake's own report shows as well."""
    return report(
        f"<results>/{{cohort}}/{{target}}/{name}.tsv",
        caption=f"../report/{name}.rst",
        category="{cohort}",
        subcategory="{target}",
        labels={"table": label or name},
    )


hash_of = cache(code_hash)


def as_json(content):
    """JSON for a parameter. Snakemake's report writes parameters into a script, which `</script>` in a name would end."""
    return json.dumps(content).replace("<", r"\u003c")


def cch(step, argument="", **options):
    """Parameters of a job that runs `cch STEP`: its options, the settings and the code that it uses, and the command.

    The command gets the named inputs and outputs of the job as options of the same name, and the only output, without a
    name, as `--output`. Snakemake runs a job again when a parameter changes; the command itself does not count, because it is
    a function of inputs and outputs. (It is no function of threads and resources: asked that early, these would not know
    the size of the inputs yet.)

    step        name of the subcommand
    argument    what stands without a name; wildcards are filled in
    options     more options: a value, a text with wildcards, or a function of the wildcards
    """
    sections = STEPS[step].sections

    def filled(value, wildcards):
        if callable(value):
            return value(wildcards)
        return value.format(**dict(wildcards.items())) if isinstance(value, str) else value

    def settings(wildcards):
        return as_json({name: getattr(CONFIG, name).model_dump() for name in sections})

    def command(wildcards, input, output):
        given = dict(input.items()) | dict(output.items())
        given |= {"output": str(output)} if len(output) == 1 and not output.keys() else {}
        given |= {name: filled(value, wildcards) for name, value in options.items()}
        given |= {"settings": settings(wildcards)} if sections else {}
        words = ["cch", step, *([filled(argument, wildcards)] if argument else [])]
        for name, value in given.items():
            for each in [value] if isinstance(value, (str, int)) else value:
                words += [f"--{name.replace('_', '-')}", str(each)]
        return " ".join(map(shlex.quote, words))

    depends = {name: lambda wildcards, value=value: filled(value, wildcards) for name, value in options.items()}
    # Found when a job is planned: each job of a cluster reads this file as well.
    return {**depends, "settings": settings, "code": lambda wildcards: hash_of(step), "command": command}


def configuration(wildcards):
    """What a page shows of the configuration: all that can change its numbers."""
    return as_json(CONFIG.model_dump(exclude={"cohorts", "one_job_below_mb", "pathvars"}))


def of_every_cohort(file):
    """A file of every row of the sheet."""
    return [f"<results>/{cohort}/{target}/{file}" for cohort, target in ROWS]


def folder_of(cohort, target):
    """Folder of the results of a row of the sheet."""
    return f"{RESULTS}/{cohort}/{target}"


def of_every_view(pattern):
    """A file of every view of the row that the wildcards name; `pattern` has {view}."""

    def files(wildcards):
        modalities, teachers = views(wildcards)
        return expand(pattern, view=[*modalities, *sorted(set(teachers) - set(modalities))], **dict(wildcards.items()))

    return files


def of_every_student(pattern):
    """A file of every modality of the row that the wildcards name; `pattern` has {student}."""
    return lambda wildcards: expand(pattern, student=views(wildcards)[0], **dict(wildcards.items()))


def views(wildcards):
    """Modalities and teachers of the row that the wildcards name."""
    key = (wildcards.cohort, wildcards.target)
    if key not in ROWS:
        raise WorkflowError(f"{CONFIG.cohorts} has no row with cohort {key[0]!r} and target {key[1]!r}.")
    return views_of_row(key)


def views_of_row(key):
    """Modalities and teachers of a row, by its cohort and target."""
    if key not in MODALITIES:
        MODALITIES[key] = modalities_of(ROWS[key])
        TEACHERS[key] = teachers_of_row(ROWS[key], MODALITIES[key])
        VALIDATED[key] = validation_row(ROWS[key])
    return MODALITIES[key], TEACHERS[key]


def source_files(wildcards):
    """What a row is read from."""
    views(wildcards)
    return files_of_row(ROWS[wildcards.cohort, wildcards.target])


def files_of_row(row):
    """Files of the source of a row, which another job may have to make."""
    made = made_source(row.source)
    return f"<resources>/{made}" if made else files_of(row)


def row_of(wildcards):
    """The row of the sheet that the wildcards name, as JSON; other rows do not matter to it."""
    return row_as_json(ROWS[wildcards.cohort, wildcards.target])


def row_as_json(row):
    """A row of the sheet as a step takes it, without whom it is validated on."""
    made = made_source(row.source)
    source = f"{RESOURCES}/{made}" if made else row.source
    return as_json(row.model_dump(exclude_defaults=True, exclude={"others"}) | {"source": source})


def other_files(wildcards):
    """What the other patients are read from, on whom the students of a row are validated."""
    views(wildcards)
    return files_of_row(VALIDATED[wildcards.cohort, wildcards.target])


def other_row(wildcards):
    """The row that names them, as JSON."""
    views(wildcards)
    return row_as_json(VALIDATED[wildcards.cohort, wildcards.target])


def if_validated(pattern):
    """A file of the row that the wildcards name, if its students are validated on other patients."""

    def files(wildcards):
        views(wildcards)
        there = VALIDATED[wildcards.cohort, wildcards.target]
        return expand(pattern, **dict(wildcards.items())) if there else []

    return files


def wanted_of_download(wildcards):
    """Modalities that rows of the sheet want of a download, as a comma list."""
    source = f"{wildcards.kind}:{wildcards.name}"
    return ",".join(
        sorted(
            {name for key, row in ROWS.items() if source in (row.source, row.others) for name in views_of_row(key)[0]}
        )
    )


def say_where_the_report_is():
    """After a run: the page of all cohorts, if it is current."""
    if Path(RESULTS, ".pooled").is_file():
        logger.info(f"Report: {Path(RESULTS, 'report.html').resolve()}")


def pool_finished(log):
    """After a run in which something failed: the pooled page of the cohorts that are there, which names the others."""
    results, logs = Path(RESULTS), Path(LOGS)
    folders = {key: results.joinpath(*key) for key in ROWS}
    missing = {key: unfinished(*key, folder / "report.html", logs.joinpath(*key)) for key, folder in folders.items()}
    there = [str(folders[key]) for key, found in missing.items() if not found]
    failed = [found if found.log else found._replace(log=log[0]) for found in missing.values() if found]
    for found in failed:
        print(f"Not finished: {found.sentence()}", file=sys.stderr)
    if not there or not failed:
        return
    page = results / "report.html"
    words = ["cch", "pool", "--scorecard", results / "scorecard.tsv", "--output", page, "--log", logs / "pool.log"]
    words += ["--multiqc", results / "verdicts_mqc.tsv"]
    words += ["--settings", json.dumps({"report": CONFIG.report.model_dump()})]
    words += [word for folder in there for word in ("--folders", folder)]
    words += [word for found in failed for word in ("--unfinished", found.sentence())]
    # Without it, the rule pools all once they are there, whatever else has changed.
    (results / ".pooled").unlink(missing_ok=True)
    if subprocess.run([str(word) for word in words]).returncode == 0:
        print(f"Pooled {len(there)} of {len(folders)}: {page}", file=sys.stderr)
