"""Where the processor seconds of a run go: starting, reading, computing, writing, step by step.

    python -m research.benchmarks.steps                                    # the demo, from nothing
    python -m research.benchmarks.steps --resources DIR                    # with downloads that are there already
    python -m research.benchmarks.steps --config cohorts=SHEET.tsv         # another sheet (the smallest: one row)
    python -m research.benchmarks.steps --repository CHECKOUT              # another version of the workflow

Runs the workflow once. Every Python process of a step, workers too, carries a stopwatch (`stopwatch.py` beside this
file) and says in the end what it used. Seconds are of the processor; what runs beside it on a core still makes them
longer, so run it on an idle machine. The rest is of Snakemake, the shells, and processes that end. Prints a table in
Markdown; steps.md beside this file has the last.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from research.benchmarks.stopwatch import KINDS

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, default=REPOSITORY)
    parser.add_argument("--resources", type=Path, help="a folder `resources` of an earlier run")
    parser.add_argument("--output", type=Path, help="keep the results here")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--config", nargs="*", default=[], help="as for Snakemake")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.output or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if args.resources:
            shutil.copytree(args.resources, folder / "resources")
        print(measure(args.repository.resolve(), folder, args.cores, args.config))


def measure(repository: Path, folder: Path, cores: str, config: list[str]) -> str:
    """Run the workflow of a repository in a folder; the tables of what it took."""
    watch = folder / "stopwatch"
    command = [sys.executable, "-m", "snakemake", "--snakefile", repository / "Snakefile", "--directory", folder]
    command += ["--cores", cores, "--configfile", repository / "config" / "config.yaml"]
    given = config if any(each.startswith("cohorts=") for each in config) else [*config, f"cohorts={sheet(repository)}"]
    environment = os.environ | start_stopwatch(watch) | {"OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    subprocess.run([*command, "--config", *given], check=True, stdout=sys.stderr, env=environment)
    wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = used.ru_utime + used.ru_stime
    said = f"{total:.0f} s of processor in {wall:.0f} s on {os.cpu_count()} cores"
    return f"{of_steps(watch, total)}\n\n{said}."


def start_stopwatch(folder: Path) -> dict[str, str]:
    """Put a stopwatch into a new folder: the variables by which every Python process of a step has it."""
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("stopwatch.py"), folder / "sitecustomize.py")
    return {"PYTHONPATH": str(folder), "STOPWATCH": str(folder)}


def of_steps(watch: Path, total: float) -> str:
    """Table of what the stopwatches of a run said, of `total` seconds of processor."""
    records = [json.loads(line) for file in watch.glob("*.json") for line in file.read_text().splitlines()]
    table = pd.DataFrame(records)
    steps = table.groupby("step")[list(KINDS)].sum()
    steps.insert(0, "jobs", table[table["job"]].groupby("step").size())
    steps["all"] = steps[list(KINDS)].sum(axis=1)
    steps = steps.sort_values("all", ascending=False)
    steps.loc["all steps"] = steps.sum()
    steps.loc["outside the steps", "all"] = total - steps.loc["all steps", "all"]
    steps.loc["all", "all"] = total
    shown = steps.map(lambda number: "" if np.isnan(number) else f"{number:.1f}")
    shown["jobs"] = shown["jobs"].str.removesuffix(".0")
    return shown.reset_index().to_markdown(index=False, disable_numparse=True, colalign=["left"] + ["right"] * 6)


def sheet(repository: Path) -> Path:
    """The demo's."""
    return repository / "config" / "cohorts.tsv"


if __name__ == "__main__":
    main()
