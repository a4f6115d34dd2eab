"""A pan-cancer sheet: what planning costs, how many jobs it makes, and how long all of it takes on a Slurm of one node.

    python -m research.benchmarks.many_cohorts                    # plan 1 to 33 cohorts x 2 targets x 5 omics
    python -m research.benchmarks.many_cohorts --cohorts 1        # the smallest run
    python -m research.benchmarks.many_cohorts --run 33           # run 33 on a real Slurm (root, slurm-wlm, munge)
    python -m research.benchmarks.many_cohorts --run 33 --arrays  # the same as job arrays

With `--folder F` a run is made in a folder that stays, and the same command, or one with more cohorts, goes on there.
Cohorts are made by code: 300 patients, five omics of 100 features, two targets: classes, and a number or a survival
time. One of several cohorts has a broken table. Settings are the defaults, and the node has two cores. Planning is a
dry run; its time is that of its process on a processor, so that other work on the machine does not count, beside the
time on the clock. Every Python process of a step has a stopwatch, as in `steps.py`. A job that fails does not stop the
others, and is named in the end. Prints tables in Markdown; many_cohorts.md beside this file has them.
"""

import argparse
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from research.benchmarks.memory import resident
from research.benchmarks.steps import of_steps, start_stopwatch

REPOSITORY = Path(__file__).resolve().parents[2]
OMICS = ("rna", "methylation", "cnv", "rppa", "mirna")
# The second target of a cohort: a number, or a survival time.
SECOND = ("score", "os")
PATIENTS, FEATURES = 300, 100
NODE_CORES = 2
# A cohort whose table of rna has a word among its numbers.
BROKEN = 7
# A run is looked at as often.
SECONDS = 20
PARTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", nargs="*", type=int, default=[1, 3, 11, 33], metavar="N", help="sheets to plan")
    parser.add_argument("--run", type=int, default=0, metavar="N", help="cohorts to run on Slurm, instead of planning")
    parser.add_argument("--arrays", action="store_true", help="submit job arrays instead of single jobs")
    parser.add_argument("--folder", type=Path, help="where to run, and go on if there has been a run; else below /tmp")
    arguments = parser.parse_args()
    # So that daemons are ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    given = arguments.folder
    with nullcontext(given) if given else tempfile.TemporaryDirectory(prefix="many-", dir="/tmp") as folder:
        place = Path(folder).resolve()
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
        prepare(place, arguments.run or max(arguments.cohorts))
        if arguments.run:
            print(run_on_slurm(place, arguments.run, arrays=arguments.arrays))
        else:
            print(plans(place, arguments.cohorts))


def prepare(place: Path, n_cohorts: int) -> None:
    """Copy the workflow, and write the cohorts as folders of tables; what is there stays."""
    if not (place / "Snakefile").exists():
        for name in ("workflow", "config", "cch_omics", "envs"):
            shutil.copytree(REPOSITORY / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "Snakefile", place)
    for number in range(n_cohorts):
        source = place / "data" / f"cohort{number:02d}"
        if (source / "clinical.tsv").exists():
            continue
        source.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(number)
        samples = pd.Index([f"P{number:02d}x{i:03d}" for i in range(PATIENTS)], name="sample")
        classes, score = random.integers(3, size=PATIENTS), random.standard_normal(PATIENTS)
        for name in OMICS:
            values = random.standard_normal((PATIENTS, FEATURES))
            values[:, :3] += classes[:, None]
            values[:, 3:6] += score[:, None]
            table = pd.DataFrame(values, samples, [f"{name}{j}" for j in range(FEATURES)]).round(3).astype(object)
            if number == BROKEN and name == "rna":
                table.iloc[40, 5] = "broken"
            table.to_csv(source / f"{name}.tsv", sep="\t")
        months, event = random.exponential(40 * np.exp(-score)), random.integers(2, size=PATIENTS)
        clinical = {"subtype": [f"c{code}" for code in classes], "score": score, "os_time": months, "os_event": event}
        pd.DataFrame(clinical, samples).round(3).to_csv(source / "clinical.tsv", sep="\t")


def write_sheet(place: Path, n_cohorts: int) -> Path:
    targets = {n: ("subtype", SECOND[n % len(SECOND)]) for n in range(n_cohorts)}
    rows = [f"cohort{n:02d}\tdata/cohort{n:02d}\t{target}" for n in targets for target in targets[n]]
    sheet = place / f"sheet{n_cohorts}.tsv"
    sheet.write_text("\n".join(["cohort\tsource\ttarget", *rows]) + "\n")
    return sheet


def command(sheet: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", *options, "--config", f"cohorts={sheet.name}"]


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Python may keep what it compiled, as anywhere."""
    return {name: value for name, value in (os.environ | variables).items() if name != "PYTHONDONTWRITEBYTECODE"}


def dry_run(place: Path, sheet: Path, *options: str) -> tuple[str, float, float]:
    """Let Snakemake plan: what it said, seconds on the clock and on a processor."""
    begun, used = time.perf_counter(), processor_seconds()
    done = subprocess.run(command(sheet, *options), cwd=place, env=environment({}), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return done.stdout + done.stderr, time.perf_counter() - begun, processor_seconds() - used


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def n_jobs(said: str) -> int:
    found = re.findall(r"^(\d+) jobs?: ", said, re.MULTILINE)
    if not found:
        raise SystemExit(said[-3000:])
    return int(found[-1])


def plans(place: Path, cohorts: list[int]) -> str:
    """Table of dry runs, with the exponent of their growth."""
    lines = ["| cohorts | rows of the sheet | jobs | plan, s of processor | s on the clock |", "|---|---|---|---|---|"]
    sizes, times = [], []
    # What starting Snakemake takes by itself.
    _, _, empty = dry_run(place, write_sheet(place, 1), "--version")
    for number in cohorts:
        said, clock, used = dry_run(
            place, write_sheet(place, number), "-n", "--cores", "1", "--workflow-profile", "none"
        )
        lines.append(f"| {number} | {2 * number} | {n_jobs(said)} | {used:.1f} | {clock:.1f} |")
        sizes.append(number)
        times.append(used - empty)
    text = "\n".join(lines) + f"\n\nStarting Snakemake takes {empty:.1f} s of these."
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes[-2:]), np.log(times[-2:]), 1)[0]
        text += f" The rest grows with the number of cohorts to the power {exponent:.2f} (last two rows)."
    return text + "\n"


class Moment(NamedTuple):
    """What had been done at a time of a run.

    Attributes
    ----------
    clock
        Seconds since its start.
    done
        Jobs that had ended well.
    main
        Seconds of processor of Snakemake's main process, without what it starts.
    megabytes
        Memory of that process at its largest.
    """

    clock: float
    done: int
    main: float
    megabytes: float


def run_on_slurm(place: Path, n_cohorts: int, *, arrays: bool) -> str:
    """Run on a real Slurm of one node: tables of the whole and of its parts, and what failed."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "slurm"))
    from cluster import running_slurm, why_not
    from workplace import GPU_WITHOUT_CUDA, ON_SLURM

    if reason := why_not():
        raise SystemExit(reason)
    # Daemons, and what they start, become children of this process, so that it can count their seconds of processor.
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    # All that is ready waits in Slurm, as docs/cluster.md advises for many cohorts.
    options = [*ON_SLURM, "--seconds-between-status-checks", "5", "--max-jobs-per-timespan", "1500/15s"]
    options += ["--jobs", "2000", "--resources", "gpu=2000", "--set-resources", *GPU_WITHOUT_CUDA]
    options += ["--set-threads", "analyse=1", "--retries", "1"]
    options += ["--slurm-array-jobs", "all"] if arrays else []
    used = processor_seconds()
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with running_slurm(Path(folder), NODE_CORES) as slurm:
            said, watch = place / "said.txt", place / "stopwatch"
            shutil.rmtree(watch, ignore_errors=True)
            variables = slurm.env() | start_stopwatch(watch)
            moments = watched(command(write_sheet(place, n_cohorts), *options), place, variables, said)
            submitted = slurm.last()
    reap()
    text = said.read_text()
    if "Nothing to be done" in text:
        return f"Nothing to be done in {place}.\n"
    planned, last = n_jobs(text), moments[-1]
    failed = sorted(set(re.findall(r"^\S+ failed .*", text, re.MULTILINE)))
    used = processor_seconds() - used
    lines = [
        "| cohorts | as | jobs | done | in Slurm | s on the clock | s of processor | a job | main process: s, MB |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| {n_cohorts} | {'job arrays' if arrays else 'single jobs'} | {planned} | {last.done} | {submitted} "
        f"| {last.clock:.0f} | {used:.0f} | {used / max(last.done, 1):.1f} | {last.main:.0f}, {last.megabytes:.0f} |",
        "",
        *parts(moments),
        "",
        of_steps(watch, used),
        "",
        *peaks(place),
    ]
    if last.done < planned:
        lines += ["", f"{planned - last.done} jobs not done; see {said}.", *failed]
    return "\n".join(lines) + "\n"


def watched(words: list[str], place: Path, variables: dict[str, str], said: Path) -> list[Moment]:
    """Run Snakemake, and look at it now and then."""
    begun = time.perf_counter()
    moments = [Moment(0.0, 0, 0.0, 0.0)]
    with said.open("w") as output:
        process = subprocess.Popen(
            words, cwd=place, env=environment(variables), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            while process.poll() is None:
                last = moments[-1]
                time.sleep(1)
                try:
                    main, megabytes = of_process(process.pid)
                except (OSError, KeyError):
                    main, megabytes = last.main, last.megabytes
                now = Moment(time.perf_counter() - begun, n_done(said), main, max(megabytes, last.megabytes))
                # The last look is kept whenever it was, the others every SECONDS.
                if len(moments) > 1 and last.clock - moments[-2].clock < SECONDS:
                    moments.pop()
                moments.append(now)
        finally:
            process.terminate()
            process.wait()
    moments[-1] = moments[-1]._replace(done=n_done(said))
    return moments


def of_process(number: int) -> tuple[float, float]:
    """Seconds of processor of a process, and MB of memory at its largest."""
    # After the name, which may hold blanks: user and system time are fields 14 and 15 of the line.
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), resident("VmHWM", number)


def n_done(said: Path) -> int:
    """Jobs that a run has finished, by what it said last."""
    found = re.findall(r"\((\d+) of \d+ jobs\)$", said.read_text(), re.MULTILINE)
    return int(found[-1]) if found else 0


def parts(moments: list[Moment]) -> list[str]:
    """Table of a run by parts of as many jobs each: does it get slower?"""
    lines = ["| jobs | s on the clock | jobs a minute | main process, s of processor a job |", "|---|---|---|---|"]
    total = moments[-1].done
    bounds = [next(each for each in moments if each.done >= total * part / PARTS) for part in range(PARTS + 1)]
    bounds[-1] = moments[-1]
    for first, last in pairwise(bounds):
        jobs, clock = last.done - first.done, last.clock - first.clock
        if jobs and clock:
            main = (last.main - first.main) / jobs
            lines.append(f"| {first.done + 1} to {last.done} | {clock:.0f} | {60 * jobs / clock:.1f} | {main:.2f} |")
    return lines


def peaks(place: Path) -> list[str]:
    """Table of the largest memory of a job of each step, as Snakemake saw it."""
    found: dict[str, list[float]] = {}
    for file in (place / "logs" / "benchmarks").rglob("*.tsv"):
        found.setdefault(file.stem, []).extend(pd.read_csv(file, sep="\t")["max_rss"])
    lines = ["| step | jobs | largest memory of a job, MB |", "|---|---|---|"]
    return [*lines, *(f"| {step} | {len(each)} | {max(each):.0f} |" for step, each in sorted(found.items()))]


def reap() -> None:
    """Wait for the daemons and for what they left, all of which end now, so that their time counts."""
    for _ in range(100):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
