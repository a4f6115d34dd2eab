"""A copy of the repository in which the workflow runs, on Slurm or on this machine."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml
from cluster import Slurm

from cch_omics.planning.steps import STEPS

ROOT = Path(__file__).parents[2]
COPIED = ("workflow", "config", "envs", "cch_omics")
# GPUs are declared and counted, but CUDA sees none: auto, so that training goes on on the CPU.
ON_SLURM = (
    *("--workflow-profile", "workflow/profiles/slurm", "--slurm-status-command", "squeue", "--slurm-no-account"),
    *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1", "--latency-wait", "15"),
    *("--max-jobs-per-timespan", "100/1s"),
)
GPU_WITHOUT_CUDA = ("encode:gpu=1", "encode:device=auto", "distil:gpu=1", "distil:device=auto")


class Workplace:
    """A working directory."""

    def __init__(self, path: Path, slurm: Slurm) -> None:
        self.path = path
        self.slurm = slurm

    @classmethod
    def new(cls, path: Path, slurm: Slurm, config: dict[str, object], sheet: Sequence[str]) -> "Workplace":
        path.mkdir()
        shutil.copy2(ROOT / "Snakefile", path)
        for folder in COPIED:
            shutil.copytree(ROOT / folder, path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (path / "test.yaml").write_text(yaml.safe_dump({"cohorts": "test.tsv", **config}))
        place = cls(path, slurm)
        place.write_sheet(*sheet)
        return place

    def write_sheet(self, *rows: str) -> None:
        (self.path / "test.tsv").write_text("\n".join(["cohort\tsource\ttarget", *rows]) + "\n")

    def copy(self, path: Path) -> "Workplace":
        """The same, results and Snakemake's notes and all dates included."""
        shutil.copytree(self.path, path)
        return Workplace(path, self.slurm)

    def start(self, *options: str) -> "Run":
        command = [sys.executable, "-m", "snakemake", *options, "--configfile", "test.yaml"]
        kept = {name: value for name, value in self.slurm.env().items() if name != "PYTHONDONTWRITEBYTECODE"}
        # As anywhere, the copy of the package is compiled once and not in every job.
        environment = kept | {
            "XDG_CACHE_HOME": str(self.path / ".cache"),
            "MPLCONFIGDIR": str(Path.home() / ".cache" / "matplotlib"),
            "PYTHONUNBUFFERED": "1",
        }
        return Run(command, self.path, environment)

    def end_processes(self) -> None:
        """End what is left of jobs here: without control groups Slurm loses sight of some when a node goes down."""
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self.path) in command.read_bytes().decode(errors="replace"):
                    os.kill(int(command.parent.name), signal.SIGKILL)

    def on_slurm(self, *options: str, resources: Sequence[str] = ()) -> "Run":
        """Start the workflow with the profile for Slurm; `options` begin with targets."""
        given = ("--set-resources", *GPU_WITHOUT_CUDA, *resources)
        return self.start(*options, *ON_SLURM, *given)

    def here(self, *options: str) -> str:
        """Run the workflow on this machine."""
        return self.start(*options, "--cores", "2", "--workflow-profile", "none").finish()

    def files(self, *suffixes: str) -> dict[str, str]:
        """Digests of results, by their names."""
        folder = self.path / "results"
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.suffix in suffixes and not path.name.startswith(".")
        }

    def dates(self) -> dict[str, int]:
        """When each result was last changed."""
        folder = self.path / "results"
        return {
            path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
            for path in folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }

    def leftovers(self) -> list[str]:
        """Hidden files and folders among the results: drafts of files that were not finished, states of trainings."""
        folder = self.path / "results"
        hidden = [path for path in folder.rglob(".*") if path.name not in {".snakemake_timestamp", ".pooled"}]
        return sorted(path.relative_to(folder).as_posix() for path in hidden)


class Run:
    """A run of Snakemake that goes on beside the test."""

    def __init__(self, command: Sequence[str], path: Path, environment: dict[str, str]) -> None:
        # A file, not a pipe: nobody reads while it runs.
        self.output = path / f"said-{len(list(path.glob('said-*')))}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=path, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def finish(self, *, fails: bool = False, seconds: float = 600) -> str:
        """Wait for its end: what it said."""
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not finished within {seconds} s:\n{self.kill()[-6000:]}") from None
        said = self.kill()
        assert bool(status) == fails, said[-6000:]
        return said

    def kill(self) -> str:
        """`kill -9`, if it still runs: what it said."""
        self.process.kill()
        self.process.wait()
        return self.output.read_text()


def steps_run(said: str) -> list[str]:
    """Steps of the jobs that a run started, in order."""
    started = re.findall(r"^\d\d:\d\d:\d\d started  (.*)$", said, re.MULTILINE)
    return [next(word for word in line.split() if word in STEPS) for line in started]
