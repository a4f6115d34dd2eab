"""What a step says while it runs: who ran it, with what, how far it is, and how it ended."""

import logging
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import cch_omics
from cch_omics.errors import visible

# Versions that numbers depend on.
NAMED_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "anndata", "mudata")

logger = logging.getLogger("cch_omics")
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def start(title: str, log_file: Path | None) -> None:
    """Send log lines and warnings to the terminal, and all of them with their time to `log_file`, where one is given.

    The file is written here, not by a redirection of the shell, so that long steps show their progress on the terminal
    as well and the exit status stays that of the step.

    Parameters
    ----------
    title
        How lines on the terminal name the step.
    log_file
        None for a command that people call, whose lines need neither time nor title.
    """
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(_Formatter())
    handlers: list[logging.Handler] = [terminal]
    if log_file is not None:
        terminal.setFormatter(_TerminalFormatter(title))
        log_file.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(log_file, mode="w", encoding="utf-8")
        file.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(file)
    root.handlers = handlers


@contextmanager
def logs_of_another_step() -> Iterator[None]:
    """Return to the log of this step after another one, begun within, has logged to its own."""
    root = logging.getLogger()
    before = root.handlers
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in before:
                handler.close()
        root.handlers = before


def terminal_line(what: str, text: str) -> str:
    """One line about a job: the time, what happened, and to which job."""
    return f"{time.strftime('%H:%M:%S')} {what:<8} {text}"


class _Formatter(logging.Formatter):
    """One line a message, whatever the names in it hold; tracebacks have more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(re.sub(r"\s*\n\s*", " ", record.message.strip()))
        return super().formatMessage(record)

    def formatException(self, ei: _Raised) -> str:
        return visible(super().formatException(ei), keep="\n")


class _TerminalFormatter(_Formatter):
    """Lines of a step among those of the other steps that run at the same time."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def format(self, record: logging.LogRecord) -> str:
        what = "running" if record.levelno == logging.INFO else record.levelname.lower()
        return terminal_line(what, f"{visible(self.title)}: {super().format(record)}")


def header(parameters: Mapping[str, Any]) -> None:
    """Log where a step runs, versions and parameters: for the file, not for the terminal."""
    logger.debug("host %s, process %d, Slurm job %s", socket.gethostname(), os.getpid(), slurm_job(os.environ))
    packages = ", ".join(map(_version, NAMED_PACKAGES))
    logger.debug("Python %s, cch_omics %s, %s", platform.python_version(), cch_omics.__version__, packages)
    for name, value in parameters.items():
        logger.debug("%s: %s", name, value)


def slurm_job(environment: Mapping[str, str]) -> str:
    """Number of the Slurm job, with that of its task in an array; `none` outside."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "none")


def progress(what: str, every: float = 10.0) -> Callable[[int, int], None]:
    """Make a callback (done, total) that logs how many `what` are done and the time left, at most every few seconds."""
    begun = time.monotonic()
    last = begun

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if (done < total and now - last < every) or now - begun < every:
            return
        last = now
        spent = now - begun
        left = f", about {spent / done * (total - done):.0f} s left" if 0 < done < total else ""
        logger.info("%d of %d %s in %.0f s%s", done, total, what, spent, left)

    return report


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
