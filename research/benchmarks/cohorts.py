"""Run the workflow with its default settings on real cohorts: time, memory, and the scores of the rules.

    python -m research.benchmarks.cohorts --data DIR
    python -m research.benchmarks.cohorts --data DIR --only tcga-brca/pam50 --repeats 10
    python -m research.benchmarks.cohorts --data DIR --only brca-paired/er_status --repeats 1      (the smallest)

DIR has the folders `brca-paired`, `tcga-brca` and `depmap-drugs`. Prints a table in Markdown, and the steps by the time
that they took; cohorts.md beside this file has the last. CPU time is that of all processes: on a machine that others
use it says what an idle one would take.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = [
    {"cohort": "brca-paired", "target": "er_status", "classes": "Negative,Positive"},
    {"cohort": "tcga-brca", "target": "pam50", "derived_from": "rna"},
    {"cohort": "tcga-brca", "target": "er_status"},
    {"cohort": "depmap-drugs", "target": "ic50_trametinib"},
    {"cohort": "depmap-drugs", "target": "ic50_paclitaxel"},
    {"cohort": "depmap-drugs", "target": "ic50_dabrafenib"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="keep the results here")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 outer folds")
    parser.add_argument("--only", help="COHORT/TARGET, one of `ROWS`")
    args = parser.parse_args()
    wanted = [row for row in ROWS if args.only in (None, f"{row['cohort']}/{row['target']}")]
    with tempfile.TemporaryDirectory() as scratch:
        output = (args.output or Path(scratch)).resolve()
        rows = [measure(row, args.data.resolve(), output, args.cores, args.repeats) for row in wanted]
        steps = pd.concat([steps_of(output, row) for row in wanted])
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"), "\n")
    print(steps.to_markdown(index=False, floatfmt=".0f"))


def steps_of(parent: Path, row: dict[str, str]) -> pd.DataFrame:
    """Time and memory of the steps of a run, from Snakemake's own measurements."""
    output = parent / f"{row['cohort']}-{row['target']}"
    parts = []
    measured = output / "logs" / "benchmarks" / row["cohort"] / row["target"]
    for file in sorted(measured.glob("**/*.tsv")):
        below = file.relative_to(measured)
        parts.append(pd.read_csv(file, sep="\t", na_values="-").assign(step=below.with_suffix("").parts[0]))
    every = pd.concat(parts)
    table = every.groupby("step").agg(
        jobs=("s", "size"), s=("s", "sum"), cpu=("cpu_time", "sum"), rss=("max_rss", "max")
    )
    table = table.sort_values("s", ascending=False).reset_index()
    table.columns = ["step", "jobs", "time of all jobs, s", "CPU time, s", "memory of the largest, MB"]
    table.insert(0, "cohort", f"{row['cohort']}/{row['target']}")
    return table


class Memory(threading.Thread):
    """The most memory that this process's children took together, sampled every second (proportional set size)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(1):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.peak = max(self.peak, total)


def measure(row: dict[str, str], data: Path, parent: Path, cores: str, repeats: int) -> dict[str, object]:
    """One run of the workflow from nothing."""
    output = parent / f"{row['cohort']}-{row['target']}"
    output.mkdir(parents=True)
    sheet = output / "cohorts.tsv"
    row = row | {"source": str(data / row["cohort"])}
    sheet.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    settings = output / "splits.yaml"
    settings.write_text(f"splits:\n  repeats: {repeats}\n")
    before, memory = cpu_seconds(), Memory()
    memory.start()
    started = time.monotonic()
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", output]
    command += ["--cores", cores, "--configfile", REPOSITORY / "config" / "config.yaml", settings]
    command += ["--config", f"cohorts={sheet}"]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    wall = time.monotonic() - started
    memory.done.set()
    results = output / "results" / row["cohort"] / row["target"]
    scorecard = pd.read_csv(results / "scorecard.tsv", sep="\t").set_index("criterion")
    paper, rule = scorecard.loc["cch"], scorecard.loc["pilot"]
    return {
        "cohort": row["cohort"],
        "target": row["target"],
        "ordered pairs": paper["n_pairs"],
        "outer splits": f"{repeats} x 5",
        "wall time, s": wall,
        "CPU time, s": cpu_seconds() - before,
        "peak memory of all processes, MB": memory.peak / 2**20,
        # The largest process of all that have ended so far: of the rows above as well.
        "peak memory of a process, MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "Spearman, gap": paper["spearman"],
        "Spearman, pilots": rule["spearman"],
        "sign right, gap": paper["sign_accuracy"],
        "sign right, pilots": rule["sign_accuracy"],
        "undecided, pilots": rule["abstention"],
    }


def cpu_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
