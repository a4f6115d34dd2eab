"""Cohorts that a run could not finish: which step failed, and where its log is. Told from the logs alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


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
    found = sorted(logs.rglob("*.log"), key=lambda path: path.stat().st_mtime)
    failed = [path for path in found if not _last_lines(path)[-1].endswith(" done")]
    if page.is_file() and not failed:
        return None
    if not failed:
        return Unfinished(cohort, target, "", "", "")
    log = failed[-1]
    step = log.relative_to(logs).with_suffix("").as_posix()
    return Unfinished(cohort, target, step, log.as_posix(), _reason(_last_lines(log)))


def _reason(lines: Iterable[str]) -> str:
    """The last line that is an error: of the log, or the last one of a traceback."""
    for line in reversed(list(lines)):
        if " ERROR " in line:
            return line.split(" ERROR ", 1)[1]
        if line and not line[0].isspace() and "Error" in line.split(":", 1)[0]:
            return line
    return "it was killed before it could say why"


def _last_lines(path: Path, size: int = 20_000) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        text = file.read().decode("utf-8", errors="replace")
    return text.rstrip().splitlines() or [""]
