"""Outer splits, inner folds and label budgets: patients together, strata in every fold."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cohorts import make_cohort

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.errors import InputError
from cch_omics.splits import load_splits, make_splits, save_splits

SETTINGS = SplitsConfig(repeats=2, folds=3, inner_folds=4)


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def cohort(request: pytest.FixtureRequest) -> Cohort:
    """Two samples for each patient."""
    cohort = make_cohort(n=120, task=request.param)
    patients = np.array([f"patient{i // 2}" for i in range(120)])
    sites = np.array([f"site{i // 10}" for i in range(120)])
    return dataclasses.replace(cohort, groups=patients, sites=sites)


def test_every_sample_is_tested_once_a_repeat_and_never_in_the_full_cohort(cohort: Cohort) -> None:
    splits = make_splits(cohort, SETTINGS, seed=0)
    assert len(splits.fold) == 2 * 3 + 1 and splits.full == 6 and splits.n_inner == 4
    for repeat in range(2):
        assert (splits.test[splits.repeat == repeat].sum(0) == 1).all()
    assert not splits.test[splits.full].any()
    assert splits.fold[splits.full] == splits.repeat[splits.full] == -1
    np.testing.assert_array_equal(splits.train, ~splits.test)
    assert len({splits.entropy(s) for s in range(7)}) == 7 and min(min(splits.entropy(s)) for s in range(7)) == 0


def test_samples_of_a_patient_never_part(cohort: Cohort) -> None:
    splits = make_splits(cohort, SETTINGS, seed=0)
    for s in range(len(splits.fold)):
        for patient in np.unique(cohort.groups):
            assert len(np.unique(splits.inner[s, cohort.groups == patient])) == 1


def test_sites_stay_together_when_asked(cohort: Cohort) -> None:
    splits = make_splits(cohort, SETTINGS.model_copy(update={"by_site": True}), seed=0)
    for s in range(len(splits.fold)):
        for site in np.unique(cohort.sites):
            assert len(np.unique(splits.test[s, cohort.sites == site])) == 1


def test_a_patient_seen_at_two_sites_joins_one_of_them(cohort: Cohort) -> None:
    twice = cohort.groups.copy()
    twice[10] = twice[0]
    moved = dataclasses.replace(cohort, groups=twice)
    splits = make_splits(moved, SETTINGS.model_copy(update={"by_site": True}), seed=0)
    assert (splits.test[:, 0] == splits.test[:, 10]).all()


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_folds_are_stratified(task: str) -> None:
    cohort = make_cohort(n=300, task=task)
    splits = make_splits(cohort, SETTINGS, seed=0)
    strata, n_strata = cohort.target.strata, len(cohort.target.task.strata_names)
    for s in range(len(splits.fold)):
        everywhere = np.bincount(strata[(splits.inner[s] >= 0) & (strata >= 0)], minlength=n_strata)
        for fold in range(4):
            counts = np.bincount(strata[(splits.inner[s] == fold) & (strata >= 0)], minlength=n_strata)
            assert (np.abs(counts - everywhere / 4) <= 2).all()


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_label_budget_keeps_a_fraction_of_each_stratum_the_same_labels_in_every_split(task: str) -> None:
    cohort = make_cohort(n=300, label_budget=0.2, task=task)
    splits = make_splits(cohort, SETTINGS, seed=0)
    strata, observed = cohort.target.strata, cohort.target.observed
    kept = splits.labelled[splits.full]
    expected = np.maximum(np.round(0.2 * np.bincount(strata[observed])), SETTINGS.fewest_patients)
    np.testing.assert_array_equal(np.bincount(strata[kept]), expected)
    np.testing.assert_array_equal(splits.labelled, splits.train & kept)
    for s in range(splits.full):
        # Each training set has its part of them, and every inner fold some of each.
        of_split = np.bincount(strata[splits.labelled[s]], minlength=len(expected))
        assert (np.abs(of_split - expected * (1 - 1 / SETTINGS.folds)) <= 1).all()
        for fold in range(4):
            assert len(np.unique(strata[splits.labelled[s] & (splits.inner[s] == fold)])) == len(expected)


def test_other_draws_of_labels_leave_their_number_and_the_seed_of_the_splits_does_not_draw_them() -> None:
    cohort = make_cohort(n=300, label_budget=0.2)
    of_draw = [
        make_splits(cohort, SETTINGS.model_copy(update={"label_draw": draw}), seed=seed).labelled[-1]
        for draw, seed in [(0, 0), (0, 1), (1, 0)]
    ]
    np.testing.assert_array_equal(of_draw[0], of_draw[1])
    assert of_draw[0].sum() == of_draw[2].sum()
    assert (of_draw[0] != of_draw[2]).any()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_budget_is_the_one_asked_for_within_a_factor_of_two(task: str) -> None:
    near = make_splits(make_cohort(n=300, label_budget=0.06, task=task), SETTINGS, seed=0)
    assert near.labelled.sum(1).min() > 0.06 * near.train.sum(1).min()
    with pytest.raises(InputError, match=r"found 0\.10% of .* labels; expected a budget near .*4 inner folds"):
        make_splits(make_cohort(n=300, label_budget=0.001, task=task), SETTINGS, seed=0)


@pytest.mark.parametrize("budget", [0.05, 0.2, 0.7, 1.0])
def test_shares_of_labels_are_those_that_splits_keep(budget: float) -> None:
    cohort = make_cohort(n=300, label_budget=budget)
    splits = make_splits(cohort, SETTINGS, seed=0)
    labels = np.bincount(cohort.target.strata[cohort.target.observed]).tolist()
    used, by_stratum = SETTINGS.label_shares(dict(enumerate(labels)), budget)  # type: ignore[arg-type]
    kept, observed = splits.labelled[splits.full], cohort.target.observed
    assert kept.sum() / observed.sum() == pytest.approx(used)
    for stratum, share in by_stratum.items():
        here = cohort.target.strata == stratum
        assert (kept & here).sum() / (observed & here).sum() == pytest.approx(share)


def test_all_labels_are_kept_without_a_budget(cohort: Cohort) -> None:
    splits = make_splits(cohort, SETTINGS, seed=0)
    np.testing.assert_array_equal(splits.labelled, splits.train & cohort.target.observed)


def test_same_seed_same_splits_other_seed_others(cohort: Cohort) -> None:
    first, again, other = (make_splits(cohort, SETTINGS, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.inner, again.inner)
    assert (first.inner != other.inner).any()


def test_round_trip(cohort: Cohort, tmp_path: Path) -> None:
    splits = make_splits(cohort, SETTINGS, seed=0)
    save_splits(splits, tmp_path / "splits.npz")
    loaded = load_splits(tmp_path / "splits.npz")
    for field in dataclasses.fields(splits):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(splits, field.name))


def test_a_class_too_small_for_the_folds_is_named() -> None:
    cohort = make_cohort(n=120)
    labels = np.where(cohort.target.values == 2, np.nan, cohort.target.values)
    labels[:3] = 2
    small = dataclasses.replace(cohort, target=dataclasses.replace(cohort.target, values=labels))
    with pytest.raises(InputError, match=r"labels 'c': found 3 labelled patients; expected at least 6"):
        make_splits(small, SETTINGS, seed=0)


def test_sites_that_are_not_known_cannot_be_kept_together(cohort: Cohort) -> None:
    unknown = dataclasses.replace(cohort, sites=np.full(120, ""))
    with pytest.raises(InputError, match="120 of 120 samples without a tissue source site"):
        make_splits(unknown, SETTINGS.model_copy(update={"by_site": True}), seed=0)
