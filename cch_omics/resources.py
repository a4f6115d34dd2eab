"""What a step needs of a machine, from the size of the files that it reads: for whoever schedules the steps.

    memory, MB    attempt * (base + factor * MB read)
    time, minutes attempt * splits / 11 * (base + factor * MB read)

where `splits` is the number of outer splits and the whole one, 11 by default, and attempt counts from 1: a job that was
killed for memory or time is tried again with more. Factors are about twice what `benchmarks/ingest.py` measured,
because a job that is killed costs more than one that waits; bases are what Python and its libraries take.
"""

from typing import NamedTuple

DEFAULT_SPLITS = 11


class Need(NamedTuple):
    """What one step needs.

    Attributes
    ----------
    megabytes, per_mb
        Memory whatever the cohort, and for every MB that is read.
    minutes, minutes_per_mb
        Time whatever the cohort, and for every MB that is read, at 11 splits.
    """

    megabytes: int
    per_mb: float
    minutes: int
    minutes_per_mb: float = 0.0


NEEDS = {
    "demo": Need(2000, 0, 30),
    "download": Need(4000, 0, 120),
    "simulate": Need(2000, 0, 10),
    # Text is held about six times while it is read, turned and joined.
    "ingest": Need(4000, 6, 20, 0.02),
    "split": Need(1500, 3, 10),
    # The cohort once, and its 5000 chosen features for each training set.
    "encode": Need(2000, 4, 30, 0.1),
    "distil": Need(2000, 4, 60, 0.2),
    "information": Need(3000, 3, 60, 0.02),
    # Reference models copy what they are fitted on, in double precision.
    "references": Need(2000, 8, 60, 0.2),
    "evaluate": Need(2000, 3, 20, 0.01),
    "verdict": Need(1500, 2, 10),
    "pilots": Need(1500, 4, 10),
    "student": Need(2000, 3, 10, 0.01),
    "report": Need(2000, 3, 20),
    "pool": Need(2000, 3, 20),
}


def memory_mb(step: str, size_mb: float, *, attempt: int = 1) -> int:
    """Memory of a step that reads files of a size, in MB."""
    need = NEEDS[step]
    return round(attempt * (need.megabytes + need.per_mb * size_mb))


def minutes(step: str, size_mb: float, *, attempt: int = 1, n_splits: int = DEFAULT_SPLITS) -> int:
    """Time that a step of a cohort may take, in minutes; never less than with the default number of splits."""
    need = NEEDS[step]
    return round(attempt * max(1.0, n_splits / DEFAULT_SPLITS) * (need.minutes + need.minutes_per_mb * size_mb))
