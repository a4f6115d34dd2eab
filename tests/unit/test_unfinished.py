"""Which cohorts are not finished, and why, is told from their logs."""

import os
from pathlib import Path

import pytest

from cch_omics.planning.unfinished import unfinished

DONE = "2026-01-01 00:00:00,000 DEBUG host a, process 1, Slurm job none\n2026-01-01 00:00:01,000 DEBUG done\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for number, name in enumerate(("ingest.log", "encode/rna.log", "report.log")):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(DONE)
        os.utime(file, (number, number))
    (tmp_path / "report.html").touch()
    return folder


def ask(logs: Path):
    return unfinished("a", "t", logs.parent / "report.html", logs)


def test_a_finished_cohort(logs: Path) -> None:
    assert ask(logs) is None


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("2026-01-01 00:00:01,000 ERROR error: column x: found nothing\n", "error: column x: found nothing"),
        ("2026 ERROR failed\nTraceback (most recent call last):\n  x = 1\nOSError: disk full\n", "OSError: disk full"),
        ("2026 INFO encoders of rna: 1 of 3 in 4 s\n", "it was killed before it could say why"),
        ("", "it was killed before it could say why"),
    ],
)
def test_a_step_that_failed_is_named_with_its_log_and_the_reason(logs: Path, end: str, reason: str) -> None:
    log = logs / "encode" / "rna.log"
    log.write_text(end)
    found = ask(logs)
    assert (found.step, found.log, found.reason) == ("encode/rna", str(log), reason)
    assert str(log) in found.sentence()


def test_of_several_the_last_one(logs: Path) -> None:
    for number, name in enumerate(("encode/rna.log", "ingest.log")):
        (logs / name).write_text("x ERROR first\n" if number == 0 else "x ERROR second\n")
        os.utime(logs / name, (10 + number, 10 + number))
    assert ask(logs).reason == "second"


def test_without_a_page_or_a_log(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").unlink()
    assert ask(logs).log == ""
    assert ask(logs)._replace(log="main.log").sentence() == "a, t: no step of its own failed, see main.log"
    assert unfinished("a", "t", tmp_path / "no.html", tmp_path / "nowhere").log == ""
