"""Reads the configuration and the sheet, and no more. Imports nothing of the package that needs torch or anndata."""

import json
import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Rules call `cch` of the package that lies beside this workflow, installed or not, by the Python of this process or of the
# job's own environment. (Taken from a remote repository by another workflow, there is none beside it: then the installed
# one serves.) The processes of a cluster's jobs read this file too.
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if (BASE.parent / "cch_omics").is_dir():
    sys.path.insert(0, str(BASE.parent))
PATHS = [str(BASE / "scripts"), str(Path(sys.executable).parent), *os.get_exec_path()]
os.environ.update(PATH=os.pathsep.join(PATHS))

from cch_omics.clock import bring_back
from cch_omics.config import NAME_PATTERN, load_config, read_sheet
from cch_omics.errors import InputError
from cch_omics.plan import files_of, made_source, modalities_of
from cch_omics.provenance import code_hash
from cch_omics.resources import memory_mb, minutes
from cch_omics.runlock import note, release_stale
from cch_omics.unfinished import unfinished

NAME = NAME_PATTERN.strip("^$")

try:
    CONFIG = load_config(config)
    ROWS = {(row.cohort, row.target): row for row in read_sheet(CONFIG.cohorts)}
    # Every source is looked at before anything starts; a job looks at its own alone.
    MODALITIES = {key: modalities_of(row) for key, row in ROWS.items()} if workflow.is_main_process else {}
except InputError as error:
    raise WorkflowError(str(error)) from None

# Before Snakemake looks: the lock of a run that was killed on this host goes, and results from the future come back.
if workflow.is_main_process:
    release_stale(Path(".snakemake"))
    bring_back(Path(workflow.pathvars.apply("<results>")))

# A profile that gives a rule GPUs wants the GPU build of torch.
GIVEN = workflow.resource_settings.overwrite_resources.values()
HAS_GPU = any(given.get("gpu") or "gpu" in str(given.get("gres", "")) for given in GIVEN)
TORCH_ENV = f"../../envs/torch-{'gpu' if HAS_GPU else 'cpu'}.yaml"


# One outer split per fold and repeat, and the whole one.
N_SPLITS = CONFIG.splits.repeats * CONFIG.splits.folds + 1


def memory(step):
    """Megabytes for a job of a step, from the size of what it reads; more at every attempt."""
    return lambda wildcards, input, attempt: memory_mb(step, input.size_mb, attempt=attempt)


def runtime(step):
    """Minutes for a job of a step, likewise."""
    return lambda wildcards, input, attempt: minutes(step, input.size_mb, attempt=attempt, n_splits=N_SPLITS)


def settings(name):
    """One section of the configuration as JSON: a rule depends on what it uses, not on the whole."""
    return lambda wildcards: getattr(CONFIG, name).model_dump_json()


hash_of = cache(code_hash)


def code_of(command):
    """Hash of the code of a command, found when a job of it is planned: each job of a cluster reads this file twice."""
    return lambda wildcards: hash_of(command)


def configuration(wildcards):
    """What a page shows of the configuration: all that can change its numbers."""
    return CONFIG.model_dump_json(exclude={"cohorts", "pathvars"})


def folders(wildcards, input):
    """Folders of the reports that are pooled."""
    return [str(Path(file).parent) for file in input.reports]


def of_every_cohort(file):
    """A file of every row of the sheet."""
    return [f"<results>/{cohort}/{target}/{file}" for cohort, target in ROWS]


def of_every_modality(pattern):
    """A file of every modality of the row that the wildcards name; `pattern` has {modality}."""

    def files(wildcards):
        names = modalities(wildcards)
        return [pattern.format(modality=name, **dict(wildcards.items())) for name in names]

    return files


def modalities(wildcards):
    """Modalities of the row that the wildcards name."""
    key = (wildcards.cohort, wildcards.target)
    if key not in ROWS:
        raise WorkflowError(f"{CONFIG.cohorts} has no row with cohort {key[0]!r} and target {key[1]!r}.")
    return modalities_of_row(key)


def modalities_of_row(key):
    """Modalities of a row, by its cohort and target."""
    if key not in MODALITIES:
        MODALITIES[key] = modalities_of(ROWS[key])
    return MODALITIES[key]


def source_files(wildcards):
    """What a row is read from."""
    modalities(wildcards)
    row = ROWS[wildcards.cohort, wildcards.target]
    made = made_source(row.source)
    return f"<resources>/{made}" if made else files_of(row)


def wanted_of_download(wildcards):
    """Modalities that rows of the sheet want of a download, as a comma list."""
    source = f"{wildcards.kind}:{wildcards.name}"
    return ",".join(
        sorted({name for key, row in ROWS.items() if row.source == source for name in modalities_of_row(key)})
    )


def row_options(wildcards, input):
    """The row of the sheet as options of `cch ingest`; other rows do not matter to it."""
    row = ROWS[wildcards.cohort, wildcards.target]
    source = input.source if made_source(row.source) else row.source
    cells = row.model_dump() | {"source": source}
    return " ".join(f"--{column.replace('_', '-')} {shlex.quote(str(cell))}" for column, cell in cells.items() if cell)


def pool_finished(log):
    """After a run in which something failed: the pooled page of the cohorts that are there, which names the others."""
    results, logs = (Path(workflow.pathvars.apply(name)) for name in ("<results>", "<logs>"))
    folders = {key: results.joinpath(*key) for key in ROWS}
    missing = {key: unfinished(*key, folder / "report.html", logs.joinpath(*key)) for key, folder in folders.items()}
    there = [str(folders[key]) for key, found in missing.items() if not found]
    failed = [found if found.log else found._replace(log=log[0]) for found in missing.values() if found]
    for found in failed:
        print(f"Not finished: {found.sentence()}", file=sys.stderr)
    if not there or not failed:
        return
    outputs = {"--scorecard": results / "scorecard.tsv", "--output": results / "report.html"}
    options = {"--unfinished": json.dumps([found.sentence() for found in failed]), "--log": logs / "pool.log"}
    options |= {"--settings": CONFIG.report.model_dump_json(), **outputs}
    words = ["cch", "pool", "--folders", *there, *(str(word) for option in options.items() for word in option)]
    # Without it, the rule pools all once they are there, whatever else has changed.
    (results / ".pooled").unlink(missing_ok=True)
    if subprocess.run(words).returncode == 0:
        print(f"Pooled {len(there)} of {len(folders)}: {outputs['--output']}", file=sys.stderr)
