"""Simulated survival: what is true of trained models is told rightly; intervals, hazards and bound agree with it."""

import numpy as np
import pandas as pd
import pytest

from cch_omics.tasks.survival import Survival, metrics
from cch_omics.tasks.survival.hazards import risk, survival
from research.benchmarks import survival as benchmark

TASK = Survival((100.0, 400.0, 900.0))


def test_the_true_c_is_that_of_complete_follow_up() -> None:
    random = np.random.default_rng(0)
    score = random.standard_normal(500)
    event = random.exponential(300 * np.exp(-score))
    outputs = np.array([-2.0, -1, -1]) + (score + random.standard_normal(500))[:, None]
    complete = np.column_stack([event, np.ones(500)])
    for tau in (200.0, 900.0):
        (expected,) = metrics.uno_c(risk(outputs)[None], complete, complete, tau)
        assert benchmark.true_c(outputs, event, tau) == pytest.approx(expected, abs=1e-12)


def test_right_hazards_are_found_calibrated_and_wrong_ones_are_not() -> None:
    random = np.random.default_rng(1)
    logits = np.array([-2.0, -1, -1]) + random.standard_normal(20_000)[:, None]
    lives = survival(logits, TASK.ends, np.linspace(0, 900, 181))
    event = 5.0 * (lives > random.random(20_000)[:, None]).sum(1) - 2.5
    right, bold = (benchmark.hazards_of(TASK, each, event) for each in (logits, 2 * logits))
    assert all(0.9 < ratio < 1.1 for ratio in right.values())
    assert max(abs(np.log(ratio)) for ratio in bold.values()) > 0.2


def test_new_patients_are_in_no_training_set() -> None:
    cohort, event = benchmark.made(100, 0.5, 0, new=50)
    splits = benchmark.splits_of(cohort, 100, 0)
    assert len(event) == 150 and not splits.train[:, 100:].any() and not splits.labelled[:, 100:].any()
    assert splits.train[splits.full, :100].all()
    assert not cohort.target.observed[100:].any()


@pytest.mark.slow
def test_intervals_hazards_and_the_bound_hold_on_simulated_survival() -> None:
    """Twelve cohorts of 200, two students each: of 24 intervals at 0.95 four that miss would be rare (0.03)."""
    found = pd.DataFrame([row for seed in range(12) for row in benchmark.judged(200, 0.5, 1000 + seed)])
    true = found["true, trained"]
    assert ((found["low"] <= true) & (true <= found["high"])).sum() >= 21
    assert found["alone, all"].mean() == pytest.approx(1, abs=0.05)
    for _, part in found.groupby("student"):
        error = part["bound"].std() / np.sqrt(len(part))
        assert 0.2 * part["known"].iloc[0] < part["bound"].mean() < part["known"].iloc[0] + 2 * error
