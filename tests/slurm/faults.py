"""What the tests of this folder break, and what they find afterwards. The table in docs/cluster.md is made from it:

python tests/slurm/faults.py
"""

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
BEGIN, END = "<!-- made by tests/slurm/faults.py -->", "<!-- end -->"


class Fault(NamedTuple):
    """One way to break a run, and what is true of it: each entry is checked by its test in test_faults.py."""

    test: str
    broken: str
    seen: str
    lost: str
    redone: str


FAULTS = (
    Fault(
        "test_a_worker_is_killed",
        "`kill -9` of a job's process",
        "The job fails; Slurm gets it again in the same run (`retries`).",
        "The split that was being trained.",
        "That job, from the splits it had finished.",
    ),
    Fault(
        "test_a_job_is_cancelled",
        "`scancel` of a job",
        "The job fails; Slurm gets it again in the same run.",
        "The split that was being trained.",
        "That job, from the splits it had finished.",
    ),
    Fault(
        "test_a_node_goes_down_and_comes_back",
        "the node set down, later resumed",
        "Slurm requeues the job by itself; the run waits and goes on.",
        "The split that was being trained.",
        "That job, from the splits it had finished.",
    ),
    Fault(
        "test_the_main_process_is_killed",
        "`kill -9` of Snakemake itself",
        "Jobs in Slurm go on. The same command says that the directory is locked; after `snakemake --unlock` it starts "
        "again.",
        "Nothing: finished files stay, and so do finished splits.",
        "The job that was running, from the splits it had finished; not those before it.",
    ),
    Fault(
        "test_two_runs_in_one_directory",
        "a second run started in the same directory",
        "The second one stops at once: the directory is locked. The first one does not notice.",
        "Nothing.",
        "Nothing.",
    ),
    Fault(
        "test_the_wall_time_is_exceeded",
        "the wall time of a job exceeded",
        "Slurm ends the job; the same run asks for it again, with more time.",
        "The split that was being trained.",
        "That job, from the splits it had finished.",
    ),
    Fault(
        "test_out_of_memory",
        "more memory used than the job had asked for",
        "Slurm ends the job; the same run asks for it again, with more memory.",
        "What had not been finished.",
        "That job.",
    ),
    Fault(
        "test_the_disk_is_full",
        "the disk full while a job writes",
        "The job fails with `no space left on device`; no half-written file stays.",
        "What did not fit.",
        "With space again, by the same command: that job, from the splits it had finished.",
    ),
    Fault(
        "test_a_truncated_file",
        "a finished intermediate file cut short",
        "The step that reads it fails, says which file is damaged and sets it aside.",
        "That file.",
        "By the same command: the job that makes the file, and what is made from it.",
    ),
    Fault(
        "test_a_corrupt_cache",
        "stored splits of an interrupted training damaged, and Snakemake's notes on files emptied",
        "The log names each damaged split.",
        "The damaged splits.",
        "These splits, and those not finished.",
    ),
    Fault(
        "test_a_clock_in_the_past",
        "the clock in the past: results dated an hour ahead of it",
        "Each job that reads one fails at its end: `clock skew`. The same command with `--touch --forceall` dates all "
        "results to now; without them it then goes on.",
        "Nothing.",
        "Nothing of what was there, and what had failed.",
    ),
)


def table() -> str:
    """The table in Markdown."""
    lines = ["| broken | what one sees | lost | redone |", "|---|---|---|---|"]
    lines += [f"| {each.broken} | {each.seen} | {each.lost} | {each.redone} |" for each in FAULTS]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its table made anew."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
