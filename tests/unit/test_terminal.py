"""What Snakemake says of a job is one line when it starts and one when it ends."""

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cch_omics.planning.terminal import one_line_per_job

logger = logging.getLogger("test_terminal")


class Filter:
    """As Snakemake's own: says what was asked for on the command line."""

    def __init__(self, *, dryrun: bool = False, printshellcmds: bool = False, verbose: bool = False) -> None:
        self.dryrun, self.printshellcmds, self.verbose = dryrun, printshellcmds, verbose

    def filter(self, record: logging.LogRecord) -> bool:
        return "left out by Snakemake" not in str(record.msg)


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield stream
    logger.handlers.clear()


def start(*, show_failed_logs: bool = False, **asked: bool) -> None:
    formatter = logging.Formatter()
    formatter.show_failed_logs = show_failed_logs  # type: ignore[attr-defined]  # as Snakemake's own
    logger.handlers[0].setFormatter(formatter)
    logger.handlers[0].addFilter(Filter(**asked))
    one_line_per_job(logger)


def say(message: str | None, event: str | None = None, level: int = logging.INFO, **fields: Any) -> None:
    logger.log(level, message, extra={"event": event, **fields})


def job(number: int, rule: str, **wildcards: str) -> None:
    fields = {"reason": "Missing output files: a, b; Input files updated by another job: c", "wildcards": wildcards}
    say(f"Rule: {rule}", "job_info", jobid=number, rule_name=rule, **fields)


def lines(stream: io.StringIO) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in stream.getvalue().splitlines()]


def test_a_run(terminal: io.StringIO) -> None:
    start()
    say("SNAKEMAKE", "workflow_started")
    say("Building DAG of jobs...")
    say("Job stats:\n...", "run_info", stats={"encode": 1, "report_cohort": 1, "all": 1, "total": 3})
    say("Select jobs to execute...")
    job(3, "encode", cohort="brca", target="er", view="rna")
    say("Shell command: cch encode", "shellcmd")
    say(None, "job_started", jobs=[3])
    say("Finished jobid: 3", "job_finished", job_id=3)
    say("1 of 3 steps (33%) done", "progress", done=1, total=3)
    job(2, "report_cohort", cohort="brca", target="er")
    say("Finished jobid: 2", "job_finished", job_id=2)
    job(0, "all")
    say("Finished jobid: 0", "job_finished", job_id=0)
    say("left out by Snakemake")
    say("Complete log(s): x.log")
    assert lines(terminal) == [
        "2 jobs: 1 encode, 1 report",
        "started  brca er encode rna",
        "finished brca er encode rna in 0 s (1 of 2 jobs)",
        "started  brca er report",
        "finished brca er report in 0 s (2 of 2 jobs)",
        "Complete log(s): x.log",
    ]


def test_a_failure_shows_the_command_where_its_log_is_and_other_errors_in_full(terminal: io.StringIO) -> None:
    start()
    job(3, "encode", cohort="brca", target="er", view="rna")
    say("RuleException:\nCalledProcessError in file x", "error", logging.ERROR)
    failed = {"rule_name": "encode", "log": ["rna.log"], "shellcmd": "cch encode --seed 0", "aux": {"slurm": "7"}}
    say("Error in rule encode", "job_error", logging.ERROR, jobid=3, **failed)
    say("Trying to restart job 3.")
    say("WorkflowError:\nSomething else", "error", logging.ERROR)
    assert lines(terminal)[1:] == [
        "failed   brca er encode rna after 0 s, see rna.log",
        "    command: cch encode --seed 0",
        "    slurm: 7",
        "Trying to restart brca er encode rna.",
        "WorkflowError:",
        "Something else",
    ]


def test_warnings_of_jobs_elsewhere_are_shown_when_they_finish(terminal: io.StringIO, tmp_path: Path) -> None:
    start(show_failed_logs=True)
    said = ["2026-01-01 10:00:00,000 INFO 3 of 4", "2026-01-01 10:00:01,000 WARNING rna: raw counts", "WARNING other"]
    (tmp_path / "ingest.log").write_text("\n".join(said))
    log = [str(tmp_path / "ingest.log"), str(tmp_path / "gone.log")]
    for number, local in enumerate((False, True)):
        fields = {"reason": "", "wildcards": {"cohort": "a", "target": "b"}, "log": log, "local": local}
        say("Rule: ingest", "job_info", jobid=number, rule_name="ingest", **fields)
        say("Finished", "job_finished", job_id=number)
    started, finished = "started  a b ingest", "finished a b ingest in 0 s"
    expected = [started, "warning  a b ingest: rna: raw counts", finished, started, finished]
    assert [line.split(" (")[0] for line in lines(terminal)] == expected


def test_the_plan_says_each_job_and_why(terminal: io.StringIO) -> None:
    start(dryrun=True)
    stats = {"encode": 1, "all": 1, "total": 2}
    say("Job stats", "run_info", stats=stats)
    job(3, "encode", cohort="brca", target="er", view="rna")
    job(0, "all")
    say("Job stats", "run_info", stats=stats)
    assert lines(terminal) == [
        "brca er encode rna: missing output files, input files updated by another job",
        "1 job: 1 encode",
    ]


@pytest.mark.parametrize("asked", ["printshellcmds", "verbose"])
def test_who_asks_for_more_gets_snakemakes_own_words(terminal: io.StringIO, asked: str) -> None:
    start(**{asked: True})
    say("Building DAG of jobs...")
    assert lines(terminal) == ["Building DAG of jobs..."]


def test_the_names_that_it_uses_are_those_of_snakemake() -> None:
    from snakemake.logging import DefaultFilter, DefaultFormatter, LoggerManager
    from snakemake.settings.types import OutputSettings
    from snakemake_interface_logger_plugins.common import LogEvent

    from cch_omics.planning.terminal import SILENT, LineHandler

    assert {str(event) for event in LogEvent} >= SILENT | {"run_info", "job_info", "job_finished", "job_error"}
    assert {"printshellcmds", "verbose", "dryrun"} <= set(vars(DefaultFilter(None, False, False, False, False)))
    assert "show_failed_logs" in vars(DefaultFormatter())
    own = logging.getLogger("test_terminal_of_snakemake")
    LoggerManager(own, OutputSettings())
    one_line_per_job(own)
    assert isinstance(own.handlers[0], LineHandler)
