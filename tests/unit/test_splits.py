import dataclasses

import numpy as np
import pytest
from cohorts import make_cohort

from cch_omics.config import SplitsConfig
from cch_omics.errors import InputError
from cch_omics.splits import load_splits, make_splits, save_splits

SETTINGS = SplitsConfig(repeats=2, folds=3, inner_folds=4)


@pytest.fixture
def cohort():
    """Two samples for each patient."""
    cohort = make_cohort(n=120)
    patients = np.array([f"patient{i // 2}" for i in range(120)])
    sites = np.array([f"site{i // 10}" for i in range(120)])
    return dataclasses.replace(cohort, groups=patients, sites=sites)


def test_every_sample_is_tested_once_a_repeat_and_never_in_the_whole_split(cohort):
    splits = make_splits(cohort, SETTINGS, seed=0)
    assert len(splits.fold) == 2 * 3 + 1
    for repeat in range(2):
        assert (splits.test[splits.repeat == repeat].sum(0) == 1).all()
    assert not splits.test[splits.whole].any()
    assert splits.fold[splits.whole] == splits.repeat[splits.whole] == -1


def test_samples_of_a_patient_never_part(cohort):
    splits = make_splits(cohort, SETTINGS, seed=0)
    for s in range(len(splits.fold)):
        for patient in np.unique(cohort.groups):
            assert len(np.unique(splits.inner[s, cohort.groups == patient])) == 1


def test_sites_stay_together_when_asked(cohort):
    splits = make_splits(cohort, SETTINGS.model_copy(update={"by_site": True}), seed=0)
    for s in range(len(splits.fold)):
        for site in np.unique(cohort.sites):
            assert len(np.unique(splits.test[s, cohort.sites == site])) == 1


def test_folds_are_stratified():
    cohort = make_cohort(n=300)
    splits = make_splits(cohort, SETTINGS, seed=0)
    for s in range(len(splits.fold)):
        for fold in range(4):
            counts = np.bincount(cohort.labels[(splits.inner[s] == fold) & cohort.labelled], minlength=3)
            everywhere = np.bincount(cohort.labels[(splits.inner[s] >= 0) & cohort.labelled], minlength=3)
            assert (np.abs(counts - everywhere / 4) <= 2).all()


def test_label_budget_keeps_a_fraction_of_each_class_of_each_training_set():
    cohort = make_cohort(n=300, label_budget=0.2)
    splits = make_splits(cohort, SETTINGS, seed=0)
    assert not (splits.labelled & splits.test).any()
    assert not splits.labelled[:, ~cohort.labelled].any()
    for s in range(len(splits.fold)):
        training = cohort.labels[splits.train[s] & cohort.labelled]
        kept = cohort.labels[splits.labelled[s]]
        expected = np.maximum(np.round(0.2 * np.bincount(training)), 4)
        np.testing.assert_array_equal(np.bincount(kept), expected)


def test_all_labels_are_kept_without_a_budget(cohort):
    splits = make_splits(cohort, SETTINGS, seed=0)
    np.testing.assert_array_equal(splits.labelled, splits.train & cohort.labelled)


def test_same_seed_same_splits_other_seed_others(cohort):
    first, again, other = (make_splits(cohort, SETTINGS, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.inner, again.inner)
    assert (first.inner != other.inner).any()


def test_round_trip(cohort, tmp_path):
    splits = make_splits(cohort, SETTINGS, seed=0)
    save_splits(splits, tmp_path / "splits.npz")
    loaded = load_splits(tmp_path / "splits.npz")
    for field in dataclasses.fields(splits):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(splits, field.name))


def test_a_class_too_small_for_the_folds_is_named(cohort):
    labels = np.where(cohort.labels == 2, -1, cohort.labels)
    labels[:3] = 2
    with pytest.raises(InputError, match=r"class 'c': found 2 labelled patients; expected at least 6"):
        make_splits(dataclasses.replace(cohort, labels=labels), SETTINGS, seed=0)


def test_sites_that_are_not_known_cannot_be_kept_together(cohort):
    unknown = dataclasses.replace(cohort, sites=np.full(120, ""))
    with pytest.raises(InputError, match="120 of 120 samples without a tissue source site"):
        make_splits(unknown, SETTINGS.model_copy(update={"by_site": True}), seed=0)
