"""Cohorts that a run could not finish: which step failed, and where its log is. Told from the logs alone."""

from pathlib import Path
from typing import NamedTuple

KILLED = "it was killed before it could say why"


class Unfinished(NamedTuple):
    """A cohort and target without current results.

    Attributes
    ----------
    cohort, target
        The row of the sheet.
    step
        The step that failed, such as `encode/rna`; empty where none left a log.
    log
        Its log; empty where none left one.
    reason
        The last line of that log that tells a reason.
    """

    cohort: str
    target: str
    step: str
    log: str
    reason: str

    def sentence(self) -> str:
        """What to tell people."""
        what = f"{self.cohort}, {self.target}"
        if not self.step:
            return f"{what}: no step of its own failed, see {self.log or 'the log of Snakemake'}"
        return f"{what}: {self.step} failed, see {self.log}" + (f" ({self.reason})" if self.reason else "")


def unfinished(cohort: str, target: str, page: Path, logs: Path) -> Unfinished | None:
    """Why a cohort is not finished; None where it is.

    A step's log ends with `done` if it succeeded. A cohort is finished if its page is there and no step failed since.

    Parameters
    ----------
    page
        The page of the cohort.
    logs
        Folder of its logs.
    """
    failed = failures(logs)
    if page.is_file() and not failed:
        return None
    if not failed:
        return Unfinished(cohort, target, "", "", "")
    log, reason = list(failed.items())[-1]
    step = log.relative_to(logs).with_suffix("").as_posix()
    return Unfinished(cohort, target, step, log.as_posix(), reason)


def failures(logs: Path) -> dict[Path, str]:
    """Logs of failed steps in a folder, the last one last, and why; of `analyse` only where no step says more."""
    found = sorted(logs.rglob("*.log"), key=lambda path: path.stat().st_mtime)
    failed = {path: reason for path in found if (reason := failure(path))}
    parents = [parent for path in failed if path.stem != "analyse" for parent in path.parents]
    return {path: why for path, why in failed.items() if path.stem != "analyse" or path.parent not in parents}


def failure(log: Path) -> str:
    """Why a step failed, "" if it did not: the last line that is an error, of its log or of a traceback in it."""
    lines = _last_lines(log)
    if lines[-1].endswith(" DEBUG done"):
        return ""
    for line in reversed(lines):
        if " ERROR " in line:
            return line.split(" ERROR ", 1)[1]
        if line and not line[0].isspace() and "Error" in line.split(":", 1)[0]:
            return line
    return KILLED


def _last_lines(path: Path, size: int = 20_000) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        text = file.read().decode("utf-8", errors="replace")
    return text.rstrip().splitlines() or [""]
