"""Runs of Snakemake in a copy of the repository, so that a test may break it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small import CONFIG, SHEET

ROOT = Path(__file__).parents[2]

Snakemake = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a run needs."""
    copy = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / "Snakefile", copy)
    for folder in ("workflow", "config", "envs", "cch_omics"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def snakemake(repository: Path) -> Snakemake:
    """Run Snakemake there, away from the user's profiles; the environment does not name the interpreter's folder.

    With `-p` it says all that it knows of a job in place of one line.
    """

    def run(*options: str, cwd: Path | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")},
            "XDG_CACHE_HOME": str(repository / ".cache"),
            "PATH": os.pathsep.join(part for part in os.get_exec_path() if part != str(Path(sys.executable).parent)),
            **variables,
        }
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--workflow-profile", "none", *options]
        return subprocess.run(command, cwd=cwd or repository, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def small_run(repository: Path, snakemake: Snakemake, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A run of two small cohorts there, `--configfile small.yaml`: its results, and what it said.

    A module may have a `CHANGE` of the configuration.
    """
    (repository / "small.yaml").write_text(yaml.safe_dump(CONFIG | getattr(request.module, "CHANGE", {})))
    (repository / "small.tsv").write_text("\n".join(SHEET) + "\n")
    done = snakemake("--configfile", "small.yaml")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    return repository / "results", said
