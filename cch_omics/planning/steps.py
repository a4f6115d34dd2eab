"""What a step of the workflow is to whoever plans it.

Memory and time follow from the size of the files that a step reads:

    memory, MB    attempt * (base + factor * MB read)
    time, minutes attempt * splits / 11 * (base + factor * MB read)

where `splits` is the number of outer splits and the full cohort, 11 by default, and attempt counts from 1: a job that
was killed for memory or time is tried again with more. Factors are about twice what `research/benchmarks/ingest.py`
measured, because a job that is killed costs more than one that waits; bases are what Python and its libraries take.
"""

from typing import NamedTuple

DEFAULT_SPLITS = 11


class Step(NamedTuple):
    """What one step takes and needs.

    Attributes
    ----------
    layer
        Its code is in this layer of the package and in those below it (`code.LAYERS`); "" where a change of the code
        should not make the step run again.
    sections
        Sections of the configuration that it takes.
    megabytes, per_mb
        Memory whatever the cohort, and for every MB that is read.
    minutes, minutes_per_mb
        Time whatever the cohort, and for every MB that is read, at 11 splits.
    """

    layer: str
    sections: tuple[str, ...]
    megabytes: int
    per_mb: float
    minutes: int
    minutes_per_mb: float = 0.0


STEPS = {
    # A download is the same whatever the code, and may have taken hours.
    "demo": Step("", (), 2000, 0, 30),
    "download": Step("", ("download",), 4000, 0, 120),
    "simulate": Step("data", (), 2000, 0, 10),
    # Text is held about six times while it is read, turned and joined.
    "ingest": Step("splits", ("ingest", "splits"), 4000, 6, 20, 0.02),
    # The cohort once, and its 5000 chosen features for each training set.
    "encode": Step("models", ("encoder",), 2000, 4, 30, 0.1),
    "distil": Step("models", ("distillation", "encoder"), 2000, 4, 60, 0.2),
    # Baselines copy what they are fitted on, in double precision.
    "baselines": Step("models", ("baselines",), 2000, 8, 60, 0.2),
    "information": Step("information", ("information",), 3000, 3, 60, 0.02),
    "verdict": Step("verdict", ("criterion",), 2000, 3, 20, 0.01),
    # Baselines of the full cohort are fitted as in `baselines`.
    "validation": Step("student", ("ingest", "baselines"), 4000, 8, 60, 0.2),
    "evaluate": Step("student", ("criterion",), 2000, 3, 20, 0.01),
    # All from `encode` to `evaluate`, of a small cohort.
    "analyse": Step("student", ("encoder", "distillation", "baselines", "information", "criterion"), 3000, 8, 120, 0.5),
    "report": Step("report", ("report",), 2000, 3, 20),
    "pool": Step("report", ("report",), 2000, 3, 20),
}


def memory_mb(step: str, size_mb: float, *, attempt: int = 1) -> int:
    """Memory of a step that reads files of a size, in MB."""
    need = STEPS[step]
    return round(attempt * (need.megabytes + need.per_mb * size_mb))


def minutes(step: str, size_mb: float, *, attempt: int = 1, n_splits: int = DEFAULT_SPLITS) -> int:
    """Time that a step of a cohort may take, in minutes; never less than with the default number of splits."""
    need = STEPS[step]
    return round(attempt * max(1.0, n_splits / DEFAULT_SPLITS) * (need.minutes + need.minutes_per_mb * size_mb))
