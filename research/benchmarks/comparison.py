"""What a user would do instead, on the same cohort: seconds of the processor, on the clock, and memory.

    python -m research.benchmarks.comparison --data DIR --flexynesis VENV/bin/python
    python -m research.benchmarks.comparison --data DIR --outer 1 --only pipelines        (the smallest run)

DIR has the folder `brca-paired`: oestrogen receptor status from four omics, the default 2 x 5 outer splits with 5 inner
folds. One after the other, each in processes of its own with one thread, measured from outside: the package; its
encoders and students alone; a plain PyTorch loop and scikit-learn pipelines that make the same teachers and students
(`comparison_rivals.py`); one training of flexynesis 1.1.14 (DirectPred, all omics, the first outer split), whose
environment `pip install torch==2.13.0 flexynesis==1.1.14` makes. Prints a table in Markdown; comparison.md beside this
file has the last.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Nothing heavy is imported here: a process counts in its peak memory what the one that started it held.
OMICS = ("rna", "cnv", "mutation", "rppa")
ROW = {"cohort": "brca-paired", "target": "er_status", "classes": "Negative,Positive"}
# Whose balanced accuracy is shown.
STUDENT, TEACHER = "cnv", "rna"
# `--hpo_iter 1`: one draw of the hyperparameters, one training on 80% of the samples that stops by the other 20%.
ONE_TRAINING = ["--model_class", "DirectPred", "--fusion_type", "intermediate", "--hpo_iter", "1", "--threads", "1"]
ONE_TRAINING += ["--device", "cpu", "--disable_marker_finding", "--target_variables", ROW["target"]]
IMPORTS = "import flexynesis.main, flexynesis.data, flexynesis.utils, flexynesis.models.direct_pred"


@dataclass(frozen=True)
class Used:
    """By processes and their children: seconds of the processor and on the clock, and MB of the largest of them."""

    processor: float
    clock: float
    peak: float

    def __add__(self, other: "Used") -> "Used":
        return Used(self.processor + other.processor, self.clock + other.clock, max(self.peak, other.peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outer", type=int, help="outer splits of teachers and students, by default all")
    parser.add_argument("--flexynesis", type=Path, help="the Python of an environment that has it")
    parser.add_argument("--only", nargs="+", choices=tuple(RIVALS), default=tuple(RIVALS))
    args = parser.parse_args()
    if not (args.data / ROW["cohort"]).is_dir():
        parser.error(f"argument --data: no folder {ROW['cohort']} in {args.data}, so that nothing was measured")
    rows = []
    for title, measure, lacks in (RIVALS[name] for name in args.only):
        with tempfile.TemporaryDirectory() as scratch:
            rows.append({"by": title, **measure(args, Path(scratch)), "what it does not do": lacks})
        print(title, rows[-1], file=sys.stderr, flush=True)
    print(table(rows))


def measured(command: list[Any], folder: Path, *, ours: bool = True) -> Used:
    """Run a command in a folder, with one thread; what it says goes into the folder's file `log`."""
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment["PYTHONPATH"] = str(Path(__file__).parents[2]) if ours else ""
    started = time.monotonic()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed:\n{(folder / 'log').read_text()[-3000:]}")
    return Used(used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss / 1024)


def row(
    used: Used | None, trained: str, alone: object = "", taught: object = "", whole: float | None = None
) -> dict[str, Any]:
    """Of the table; `whole` are the processor seconds for all splits, where only some were done."""
    return {
        "processor, s": used.processor if used else "",
        "scaled to all splits, s": "" if whole is None else f"{whole:.0f}",
        "clock, s": used.clock if used else "",
        "peak, MB": used.peak if used else "",
        "trained": trained,
        f"{STUDENT} alone": alone,
        f"{STUDENT} taught by {TEACHER}": taught,
    }


def package(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What the workflow runs for a small cohort: `ingest` reads and audits it, `analyse` does all else."""
    (folder / "intermediate").mkdir()
    step = [sys.executable, "-m", "cch_omics"]
    given = json.dumps(ROW | {"source": str((args.data / ROW["cohort"]).resolve())})
    files = ["--cohort", "intermediate/cohort.h5mu", "--splits", "intermediate/splits.npz", "--audit", "audit.json"]
    omics = [word for name in OMICS for word in ("--views", name, "--students", name)]
    used = measured([*step, "ingest", "--row", given, *files], folder)
    used += measured([*step, "analyse", "--folder", ".", "--logs", "logs", *omics], folder)
    with (folder / "intermediate" / "performance.tsv").open() as file:
        lines = [line for line in csv.DictReader(file, delimiter="\t") if line["metric"] == "balanced_accuracy"]
    score = {(line["student"], line["model"]): float(line["mean"]) for line in lines}
    trained = "as below, of all splits, and the reference models"
    return row(used, trained, score[STUDENT, "alone"], score[STUDENT, f"soft_targets:{TEACHER}"])


def rival(name: str) -> Callable[[argparse.Namespace, Path], dict[str, Any]]:
    def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "research.benchmarks.comparison_rivals", name, "--data", args.data.resolve()]
        if args.outer:
            command += ["--outer", args.outer]
        used = measured([*command, "--output", "found.json"], folder)
        found = json.loads((folder / "found.json").read_text())
        whole = None
        if found["share"] < 1:
            whole = found["begun"] + (used.processor - found["begun"]) / found["share"]
        return row(used, found["trained"], found["alone"], found["taught"], whole)

    return measure


def importing(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    if not args.flexynesis:
        return row(None, "not measured: no --flexynesis")
    return row(measured([args.flexynesis.absolute(), "-c", IMPORTS], folder, ours=False), "nothing")


def flexynesis(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Its command, from tables to scores of the test fold; the tables are written before the clock starts."""
    if not args.flexynesis:
        return row(None, "not measured: no --flexynesis")
    command = [sys.executable, "-m", "research.benchmarks.comparison_rivals", "tables", "--data", args.data.resolve()]
    measured([*command, "--output", "tables"], folder)
    command = [args.flexynesis.absolute().parent / "flexynesis", "--data_path", "tables", "--outdir", "."]
    used = measured([*command, "--data_types", ",".join(OMICS), *ONE_TRAINING], folder, ours=False)
    model = json.loads((folder / "job.final_model_config.json").read_text())
    with (folder / "job.stats.csv").open() as file:
        score = {line["metric"]: float(line["value"]) for line in csv.DictReader(file)}["balanced_acc"]
    chosen = ", ".join(f"{key} {value:.3g}" for key, value in ((k, float(v)) for k, v in model["config"].items()))
    trained = f"1 network of all omics, {model['current_epoch']} epochs ({chosen})"
    return row(used, trained, f"(all omics, one fold: {score:.3f})")


def table(rows: list[dict[str, Any]]) -> str:
    digits = {"processor, s": 1, "clock, s": 0, "peak, MB": 0}

    def cell(name: str, value: object) -> str:
        return f"{value:,.{digits.get(name, 3)}f}" if isinstance(value, float) else str(value)

    lines = [list(rows[0]), ["---"] * len(rows[0]), *([cell(*each) for each in one.items()] for one in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


RIVALS: dict[str, tuple[str, Callable[[argparse.Namespace, Path], dict[str, Any]], str]] = {
    "package": ("**cch_omics**, `cch ingest` and `cch analyse`", package, ""),
    "engine": (
        "cch_omics, encoders and students alone",
        rival("engine"),
        "audit, reference models, mutual information, verdicts, intervals, bundles",
    ),
    "loop": (
        "plain PyTorch loop",
        rival("loop"),
        "as above; ridge members and their average; patients who lack an omics, missing values",
    ),
    "pipelines": (
        "scikit-learn pipelines in joblib",
        rival("pipelines"),
        "as the loop; a choice of the penalty (C = 1); representations",
    ),
    "import": ("flexynesis 1.1.14, importing it", importing, "train"),
    "flexynesis": (
        "flexynesis 1.1.14, one training",
        flexynesis,
        "students of one omics, controls, out-of-fold predictions, outer splits; its default of 100 trainings",
    ),
}


if __name__ == "__main__":
    main()
