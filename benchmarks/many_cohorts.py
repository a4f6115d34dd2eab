"""A pan-cancer sheet: what planning costs, how many jobs it makes, and how long a part takes on a Slurm of one node.

    python benchmarks/many_cohorts.py            # plan 1 to 33 cohorts x 2 targets x 5 omics
    python benchmarks/many_cohorts.py --run 3    # also run 3 of the cohorts on a real Slurm (root, slurm-wlm, munge)

Cohorts are simulated: 120 patients, five omics of 40 features, two targets. Planning is a dry run; its time is that of
its process on a processor, so that other work on the machine does not count, beside the time on the clock. The run has
very small settings (3 splits, 10 epochs): it shows what the workflow adds to the work, not the work. Prints tables in
Markdown; the last ones are in many_cohorts.md beside this file.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
OMICS = ("rna", "methylation", "cnv", "rppa", "mirna")
TARGETS = ("subtype", "stage")
PATIENTS, FEATURES = 120, 40
SETTINGS = {
    "splits": {"repeats": 1, "folds": 2, "inner_folds": 2},
    "encoder": {"units": 4, "components": 8, "max_epochs": 10},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "distillation": {"lambdas": [0.5], "temperatures": [2.0]},
    "references": {"boosting": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", nargs="*", type=int, default=[1, 3, 11, 33], metavar="N", help="sheets to plan")
    parser.add_argument("--run", type=int, default=0, metavar="N", help="cohorts to run on Slurm; 0: none")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="many-", dir="/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        prepare(place, max([*arguments.cohorts, arguments.run]))
        print(plans(place, arguments.cohorts))
        if arguments.run:
            print(run_on_slurm(place, arguments.run))


def prepare(place: Path, n_cohorts: int) -> None:
    """Copy the workflow, and write the cohorts as folders of tables."""
    shutil.copy(REPOSITORY / "Snakefile", place)
    for name in ("workflow", "config", "cch_omics", "envs"):
        shutil.copytree(REPOSITORY / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    random = np.random.default_rng(0)
    for number in range(n_cohorts):
        source = place / "data" / f"cohort{number:02d}"
        source.mkdir(parents=True)
        samples = pd.Index([f"P{number:02d}x{i:03d}" for i in range(PATIENTS)], name="sample")
        labels = random.integers(3, size=(PATIENTS, len(TARGETS)))
        clinical = pd.DataFrame([[f"c{code}" for code in row] for row in labels], samples, list(TARGETS))
        clinical.to_csv(source / "clinical.tsv", sep="\t")
        for name in OMICS:
            values = random.standard_normal((PATIENTS, FEATURES))
            values[:, :3] += labels[:, :1]
            values[:, 3:6] += labels[:, 1:]
            columns = [f"{name}{j}" for j in range(FEATURES)]
            pd.DataFrame(values, samples, columns).round(3).to_csv(source / f"{name}.tsv", sep="\t")


def write_sheet(place: Path, n_cohorts: int) -> Path:
    rows = [f"cohort{n:02d}\tdata/cohort{n:02d}\t{target}" for n in range(n_cohorts) for target in TARGETS]
    sheet = place / f"sheet{n_cohorts}.tsv"
    sheet.write_text("\n".join(["cohort\tsource\ttarget", *rows]) + "\n")
    return sheet


def snakemake(place: Path, sheet: Path, *options: str, **variables: str) -> tuple[str, float, float]:
    """Run Snakemake: what it said, seconds on the clock and on a processor."""
    command = [sys.executable, "-m", "snakemake", *options, "--configfile", "settings.yaml"]
    command += ["--config", f"cohorts={sheet.name}"]
    begun, used = time.perf_counter(), processor_seconds()
    done = subprocess.run(command, cwd=place, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return done.stdout + done.stderr, time.perf_counter() - begun, processor_seconds() - used


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def n_jobs(said: str) -> int:
    return int(re.search(r"^total +(\d+)$", said, re.MULTILINE).group(1))


def plans(place: Path, cohorts: list[int]) -> str:
    """Table of dry runs, with the exponent of their growth."""
    lines = ["| cohorts | rows of the sheet | jobs | plan, s of processor | s on the clock |", "|---|---|---|---|---|"]
    sizes, times = [], []
    # What starting Snakemake takes by itself.
    _, _, empty = snakemake(place, write_sheet(place, 1), "--version")
    for number in cohorts:
        said, clock, used = snakemake(
            place, write_sheet(place, number), "-n", "--quiet", "rules", "--cores", "1", "--workflow-profile", "none"
        )
        lines.append(f"| {number} | {number * len(TARGETS)} | {n_jobs(said)} | {used:.1f} | {clock:.1f} |")
        sizes.append(number)
        times.append(used - empty)
    text = "\n".join(lines) + f"\n\nStarting Snakemake takes {empty:.1f} s of these."
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes[-2:]), np.log(times[-2:]), 1)[0]
        text += f" The rest grows with the number of cohorts to the power {exponent:.2f} (last two rows)."
    return text + "\n"


def run_on_slurm(place: Path, n_cohorts: int) -> str:
    """Table of runs on a real Slurm of one node: single jobs, and job arrays."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "slurm"))
    from cluster import running_slurm, why_not
    from workplace import GPU_WITHOUT_CUDA, ON_SLURM

    if reason := why_not():
        raise SystemExit(reason)
    lines = ["| cohorts | jobs | in Slurm | as | s on the clock | s per job |", "|---|---|---|---|---|---|"]
    for way, options in {"single jobs": (), "job arrays": ("--slurm-array-jobs", "all")}.items():
        shutil.rmtree(place / "results", ignore_errors=True)
        shutil.rmtree(place / ".snakemake", ignore_errors=True)
        daemon = place / way.replace(" ", "_")
        daemon.mkdir()
        with running_slurm(daemon) as slurm:
            said, clock, _ = snakemake(
                place, write_sheet(place, n_cohorts), *ON_SLURM, *options, "--set-resources", *GPU_WITHOUT_CUDA,
                **slurm.env(),
            )  # fmt: skip
            submitted = len(slurm.jobs())
        jobs = n_jobs(said)
        lines.append(f"| {n_cohorts} | {jobs} | {submitted} | {way} | {clock:.0f} | {clock / jobs:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
