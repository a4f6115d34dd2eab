"""Simulated pilots: what is true of students is told by patients that nobody has seen; stated errors agree with it."""

import numpy as np
import pandas as pd
import pytest

from cch_omics.splits import make_splits
from research.benchmarks import coverage as benchmark


@pytest.mark.parametrize("kind", benchmark.KINDS)
def test_labels_are_truly_missing_and_new_patients_are_new(kind: str) -> None:
    cohort, new = benchmark.made(kind, 150, 0.15, 0, ["strong", "weak"])
    assert cohort.target.observed.sum() in (22, 23) and new.target.observed.all()
    assert not set(cohort.samples) & set(new.samples) and len(new.samples) == benchmark.NEW


def test_the_truth_is_of_the_students_of_the_whole_cohort() -> None:
    """Given the cohort itself as new patients, they answer as their split's training sets predict."""
    cohort, _ = benchmark.made("numbers", 150, 0.4, 0, ["strong", "weak"])
    splits = make_splits(cohort, benchmark.SPLITS, seed=0)
    sets = benchmark.of_split(cohort, splits, splits.full, "weak", pairs=False)
    outputs, of_new = benchmark.fitted(sets, None, cohort.modalities["weak"].values)
    np.testing.assert_allclose(of_new, outputs[-1], atol=1e-5)


def test_a_good_teacher_is_told_from_a_useless_one() -> None:
    found = benchmark.judged("numbers", 300, 0.15, 0, ["strong", "weak", "useless"])
    rows = benchmark.of_cohorts(found).set_index(["teacher", "student"])
    assert len(rows) == 6 and rows.loc[("strong", "weak"), "true"] > rows.loc[("useless", "weak"), "true"]
    assert rows.loc[("strong", "weak"), "pilot_gain"] > rows.loc[("useless", "weak"), "pilot_gain"]
    # With 15% of the labels all of it is the chance of training, and what is left unexplained comes on top.
    assert (rows["stated"] >= rows["of one pilot"] - 1e-12).all()
    assert "±" in benchmark.table(rows.reset_index(), ["labels"])
    benchmark.report(found)


@pytest.mark.slow
def test_intervals_of_mean_pilots_cover_where_labels_are_few() -> None:
    """Five cohorts of each kind, twelve pairs each, which share patients: the share has an error of about 0.04."""
    each = [benchmark.judged(kind, 150, 0.15, 500 + seed) for kind in benchmark.KINDS for seed in range(5)]
    rows = benchmark.of_cohorts(pd.concat(each, ignore_index=True))
    covered = rows["off"].abs() <= benchmark.NORMAL_95 * rows["stated"]
    assert covered.mean() > 0.87
    # Nor by errors that are far too large.
    assert np.sqrt((rows["stated"] ** 2).mean()) < 2 * np.sqrt((rows["off"] ** 2).mean())
