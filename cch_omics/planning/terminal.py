"""What Snakemake says on the terminal: one line when a job starts and one when it ends, in place of a page each.

Its log file in `.snakemake/log` keeps every word. With `--printshellcmds` or `--verbose` the terminal does so too.
"""

import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from cch_omics.runtime.logs import terminal_line

# Of Snakemake's messages, those that tell a user nothing.
NOISE = (
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Conda environments: ignored",
    "Execute ",
    # What the line of each job says.
    "Reasons:",
    "Rules with provenance triggered jobs",
    "Select jobs to execute",
    "Singularity containers: ignored",
    "Some jobs were triggered by provenance",
    "Touching output file",
    "Using shell: ",
    "host: ",
)
# Snakemake's events that are left out (`snakemake_interface_logger_plugins.common.LogEvent`).
SILENT = {"workflow_started", "resources_info", "job_started", "progress", "shellcmd", "group_info"}
# Rules whose name is not that of the command, and a rule that does nothing.
STEPS = {"report_cohort": "report", "download_demo": "demo"}
NOTHING = "all"


def one_line_per_job(logger: logging.Logger) -> None:
    """Let Snakemake's handler for the terminal write lines; nothing is changed where there is none of its own."""
    for handler in list(logger.handlers):
        chosen = handler.filters[0] if handler.filters else None
        if handler.name != "DefaultStreamHandler" or not isinstance(handler, logging.StreamHandler) or chosen is None:
            continue
        if getattr(chosen, "printshellcmds", True) or getattr(chosen, "verbose", True):
            continue
        lines = LineHandler(handler.stream)
        lines.name = handler.name
        lines.addFilter(chosen)
        lines.addFilter(is_worth_a_line)
        lines.setFormatter(
            Lines(
                dryrun=bool(getattr(chosen, "dryrun", False)),
                show_failed_logs=bool(getattr(handler.formatter, "show_failed_logs", False)),
            )
        )
        logger.removeHandler(handler)
        logger.addHandler(lines)


class LineHandler(logging.StreamHandler[Any]):
    """Writes the lines that are not empty."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a message."""
        try:
            if line := self.format(record):
                self.stream.write(line + self.terminator)
                self.flush()
        except Exception:
            self.handleError(record)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a message is for the terminal."""
    if _event(record) in SILENT:
        return False
    text = str(record.msg or "").strip()
    if text.startswith("RuleException:\nCalledProcessError"):
        return False  # The command once more.
    return bool(text) and (record.levelno > logging.INFO or not text.startswith(NOISE))


class Lines(logging.Formatter):
    """Makes lines of Snakemake's messages.

    Parameters
    ----------
    dryrun
        Whether jobs are only planned.
    show_failed_logs
        Whether the log of a job that failed is shown, and the warnings of others: where a job's own words do not reach
        this terminal.
    """

    def __init__(self, *, dryrun: bool = False, show_failed_logs: bool = False) -> None:
        super().__init__()
        self.dryrun = dryrun
        self.show_failed_logs = show_failed_logs
        self.jobs: dict[int, tuple[str, float]] = {}
        self.logs: dict[int, list[str]] = {}
        self.total = self.finished = 0

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or several for an error."""
        fields = vars(record)
        match _event(record):
            case "run_info":
                return self._plan(fields["stats"])
            case "job_info":
                return self._started(fields)
            case "job_finished":
                return self._finished(fields.get("job_id", -1))
            case "job_error":
                return self._failed(fields)
        # "Trying to restart job 3."
        return re.sub(r"\bjob (\d+)\b", lambda found: self._ended(int(found[1]))[0], str(record.msg).strip())

    def _plan(self, stats: Mapping[str, int]) -> str:
        self.total = stats["total"] - stats.get(NOTHING, 0)
        if self.dryrun and not self.jobs:
            return ""  # Said again below the jobs.
        counts = [f"{count} {STEPS.get(rule, rule)}" for rule, count in stats.items() if rule not in {"total", NOTHING}]
        return f"{self.total} {'job' if self.total == 1 else 'jobs'}: {', '.join(counts)}"

    def _started(self, fields: Mapping[str, Any]) -> str:
        label = _label(fields)
        self.jobs[fields["jobid"]] = (label, time.monotonic())
        if self.show_failed_logs and not fields.get("local"):
            self.logs[fields["jobid"]] = list(fields.get("log") or ())
        if fields["rule_name"] == NOTHING:
            return ""
        return f"{label}: {_kinds(fields['reason'])}" if self.dryrun else terminal_line("started", label)

    def _finished(self, jobid: int) -> str:
        label, seconds = self._ended(jobid)
        if label == NOTHING:
            return ""
        self.finished += 1
        lines = [line for log in self.logs.pop(jobid, []) for line in _content(log)]
        warned = [found[1] for line in lines if (found := re.fullmatch(r"\s*\S+ \S+ WARNING (.*)", line))]
        finished = terminal_line("finished", f"{label} in {seconds:.0f} s ({self.finished} of {self.total} jobs)")
        return "\n".join([*(terminal_line("warning", f"{label}: {text}") for text in warned), finished])

    def _failed(self, fields: Mapping[str, Any]) -> str:
        label, seconds = self._ended(fields["jobid"])
        logs = ", ".join(fields["log"])
        lines = [terminal_line("failed", f"{label} after {seconds:.0f} s, see {logs or 'the lines above'}")]
        if fields.get("shellcmd"):
            lines.append(f"    command: {fields['shellcmd']}")
        lines += [f"    {name}: {value}" for name, value in fields["aux"].items()]
        if self.show_failed_logs:
            lines += [line for log in fields["log"] for line in _content(log)]
        return "\n".join(lines)

    def _ended(self, jobid: int) -> tuple[str, float]:
        label, start = self.jobs.get(jobid, (f"job {jobid}", time.monotonic()))
        return label, time.monotonic() - start


def _event(record: logging.LogRecord) -> str:
    return str(getattr(record, "event", None) or "")


def _label(fields: Mapping[str, Any]) -> str:
    """Cohort and target, the step, and what it is about: as the lines of the step itself."""
    wildcards = dict(fields["wildcards"] or {})
    of = [wildcards.pop(name) for name in ("cohort", "target") if name in wildcards]
    return " ".join([*of, STEPS.get(fields["rule_name"], fields["rule_name"]), *wildcards.values()])


def _kinds(reasons: str) -> str:
    """Kinds of the reasons for a job, without the lists of files and parameters."""
    kinds = [reason.split(":")[0].lower() for reason in re.split(r"; (?=[A-Z])", reasons)]
    return ", ".join(dict.fromkeys(kinds))


def _content(log: str) -> list[str]:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return [f"    {line.rstrip()}" for line in file]
    except OSError:
        return [f"    {log} was not written"]
