"""What a step says while it runs: who ran it, with what, how far it is, and how it ended."""

import logging
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Versions that numbers depend on.
NAMED_PACKAGES = ("cch_omics", "numpy", "scipy", "pandas", "scikit-learn", "torch", "anndata", "mudata")

logger = logging.getLogger("cch_omics")


def start(step: str, log_file: Path | None) -> None:
    """Send log lines and warnings to the terminal, and all of them with their time to `log_file`, where one is given.

    The file is written here, not by a redirection of the shell, so that long steps show their progress on the terminal
    as well and the exit status stays that of the step.
    """
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter(f"[{step}] %(message)s"))
    handlers: list[logging.Handler] = [terminal]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(log_file, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(file)
    root.handlers = handlers


def opening() -> None:
    """Log where a step runs: for the file, not for the terminal."""
    logger.debug("host %s, process %d, Slurm job %s", socket.gethostname(), os.getpid(), slurm_job(os.environ))


def header(device: str, parameters: Mapping[str, Any]) -> None:
    """Log device, versions and resolved parameters: for the file, not for the terminal."""
    logger.debug("device: %s", device)
    logger.debug("Python %s, %s", platform.python_version(), ", ".join(map(_version, NAMED_PACKAGES)))
    for name, value in parameters.items():
        logger.debug("%s: %s", name, value)


def slurm_job(environment: Mapping[str, str]) -> str:
    """Number of the Slurm job, with that of its task in an array; `none` outside."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "none")


def progress(what: str, every: float = 10.0) -> Callable[[int, int], None]:
    """Make a callback (done, total) that logs how far `what` is and the time left, at most every few seconds."""
    begun = time.monotonic()
    last = begun

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last < every:
            return
        last = now
        spent = now - begun
        left = f", about {spent / done * (total - done):.0f} s left" if 0 < done < total else ""
        logger.info("%s: %d of %d in %.0f s%s", what, done, total, spent, left)

    return report


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
