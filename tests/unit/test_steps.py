"""What steps ask for grows with what they read, and with every attempt; each takes the sections that it uses."""

import pytest

from cch_omics.config import Config
from cch_omics.planning.steps import STEPS, memory_mb, minutes


@pytest.mark.parametrize("step", STEPS)
def test_a_small_cohort_asks_for_little_and_a_second_attempt_for_more(step: str) -> None:
    assert memory_mb(step, 1) <= 4100
    assert memory_mb(step, 1, attempt=2) >= 1.9 * memory_mb(step, 1)
    assert minutes(step, 1, attempt=2) >= 1.9 * minutes(step, 1)
    assert minutes(step, 1, n_splits=51) > 4 * minutes(step, 1)
    assert minutes(step, 1, n_splits=3) == minutes(step, 1)


@pytest.mark.parametrize(
    ("step", "size_mb", "peak_gib", "seconds"),
    [
        # research/benchmarks/README.md, large tables: encoding with 9 of 66 training sets.
        ("ingest", 1372, 4.7, 84),
        ("encode", 1372, 2.5, 66 * 66 / 9),
        ("encode", 768, 2.5, 461 * 66 / 9),
        ("encode", 72, 0.8, 18 * 66 / 9),
    ],
)
def test_what_was_measured_fits_in(step: str, size_mb: float, peak_gib: float, seconds: float) -> None:
    assert memory_mb(step, size_mb) > 1.2 * 1024 * peak_gib
    assert 60 * minutes(step, size_mb) > 1.2 * seconds


def test_every_section_of_the_configuration_is_taken_by_a_step() -> None:
    taken = {section for step in STEPS.values() for section in step.sections}
    assert taken == set(Config.model_fields) - {"cohorts", "one_job_below_mb", "seed", "pathvars"}
