"""Which samples each network learns from, predicts and is judged by."""

import dataclasses

import numpy as np
import pytest
import torch
from cohorts import make_cohort, scrambled

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig, SplitsConfig
from cch_omics.models.preprocess import fit_projection
from cch_omics.models.training_sets import (
    TrainingSets,
    mean_weights,
    side_by_side,
    stack_padded,
    training_sets,
)
from cch_omics.splits import Splits, make_splits

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=4, components=6)
# Which inner folds each training set goes without.
WITHOUT = [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, set()]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return make_cohort(n=72, teachers=("rna", "cnv", "mutation", "cnv+rna"))


@pytest.fixture(scope="module")
def splits(cohort: Cohort) -> Splits:
    return make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=0)


def made(cohort: Cohort, splits: Splits, view: str, s: int = 1, **options: bool) -> TrainingSets:
    return training_sets(cohort, splits, s, view, ENCODER, seed=0, device=CPU, **options)


@pytest.mark.parametrize("view", ["cnv", "cnv+rna", "mutation+cnv"])
def test_sets_go_without_folds_and_predict_them(cohort: Cohort, splits: Splits, view: str) -> None:
    sets, s = made(cohort, splits, view, without_pairs=True), 1
    has_all = np.logical_and.reduce([cohort.profiled(name) for name in view.split("+")])
    np.testing.assert_array_equal(sets.rows, np.flatnonzero(has_all))
    assert sets.n_inner == 3 and sets.singles == [0, 1, 2, 6]
    for g, folds in enumerate(WITHOUT):
        inner = splits.inner[s, sets.rows]
        np.testing.assert_array_equal(sets.train[g], (inner >= 0) & ~np.isin(inner, list(folds)))
        np.testing.assert_array_equal(sets.predicted[g], np.isin(inner, list(folds) or [-1]))
    np.testing.assert_array_equal(sets.labelled, splits.labelled[s, sets.rows])


def test_no_fold_judges_networks_that_predict_it(cohort: Cohort, splits: Splits) -> None:
    sets = made(cohort, splits, "cnv", without_pairs=True)
    judges = sets.judges()
    counts = [(sets.labelled & sets.predicted[g]).sum() for g in range(3)]
    for row, folds in zip(judges, WITHOUT, strict=True):
        assert row.tolist() == [0 if g in folds else counts[g] for g in range(3)] + [0, 0, 0, 0]
    np.testing.assert_array_equal(made(cohort, splits, "cnv").judges(), judges[np.ix_(sets.singles, [0, 1, 2, 6])])


def test_sets_without_one_fold_are_the_same_with_and_without_those_of_pairs(cohort: Cohort, splits: Splits) -> None:
    sets, singles = made(cohort, splits, "cnv", without_pairs=True), made(cohort, splits, "cnv")
    assert [sets.seeds[g] for g in sets.singles] == list(singles.seeds)
    assert len(set(sets.seeds)) == 7
    assert torch.equal(sets.inputs[sets.singles], singles.inputs)
    for g, folds in enumerate(WITHOUT):
        assert torch.equal(sets.inputs[g], singles.inputs[min(folds, default=3)])
    # Other splits and views have other seeds.
    others = [*made(cohort, splits, "cnv", s=0).seeds, *made(cohort, splits, "rna").seeds]
    assert not set(others) & set(singles.seeds)


def test_inputs_of_a_view_are_the_components_of_each_modality(cohort: Cohort, splits: Splits) -> None:
    """Fitted on training samples that have all of its modalities."""
    sets = made(cohort, splits, "cnv+rna")
    for g, members in enumerate(torch.as_tensor(sets.train)):
        parts = []
        for name in ("cnv", "rna"):
            modality = cohort.modalities[name]
            values = torch.as_tensor(modality.values[np.isin(modality.rows, sets.rows)])
            parts.append(fit_projection(values, members, ENCODER).apply(values))
        torch.testing.assert_close(sets.inputs[g], torch.cat(parts, 1))


def test_inputs_that_are_given_are_taken(cohort: Cohort, splits: Splits) -> None:
    plain = made(cohort, splits, "cnv", without_pairs=True)
    given = plain.inputs[plain.singles].numpy()
    for pairs in (False, True):
        again = training_sets(
            cohort, splits, 1, "cnv", ENCODER, seed=0, device=CPU, inputs=2 * given, without_pairs=pairs
        )
        expected = plain.inputs if pairs else plain.inputs[plain.singles]
        torch.testing.assert_close(again.inputs, 2 * expected)


@pytest.mark.parametrize("view", ["rna", "cnv", "cnv+rna"])
def test_values_of_other_samples_do_not_reach_the_inputs(cohort: Cohort, splits: Splits, view: str) -> None:
    """Of test samples none, of an inner fold not the inputs of the set without it; labels none at all."""
    before, s = made(cohort, splits, view), 1
    train = torch.as_tensor(before.train)
    after = made(scrambled(cohort, splits.test[s]), splits, view).inputs
    for g in range(4):
        assert torch.equal(before.inputs[g][train[g]], after[g][train[g]])
    assert not torch.equal(before.inputs, after)
    after = made(scrambled(cohort, splits.inner[s] == 1), splits, view).inputs
    assert torch.equal(before.inputs[1][train[1]], after[1][train[1]])
    assert not torch.equal(before.inputs[0][train[1]], after[0][train[1]])
    everyone = np.ones(len(cohort.samples), dtype=bool)
    assert torch.equal(before.inputs, made(scrambled(cohort, everyone, values=False), splits, view).inputs)


def test_sets_with_fewer_components_are_padded(cohort: Cohort, splits: Splits) -> None:
    many = EncoderConfig(components=20)
    few = np.flatnonzero(splits.train[1])[:24]
    inner = np.full_like(splits.inner, -1)
    inner[1, few] = np.repeat([0, 1, 2], [4, 8, 12])
    small = dataclasses.replace(splits, inner=inner)
    sets = training_sets(cohort, small, 1, "rna", many, seed=0, device=CPU)
    widths = [int((each != 0).any(0).sum()) for each in sets.inputs]
    assert widths == [19, 15, 11, 20] and sets.inputs.shape[2] == 20


def test_members_lie_side_by_side() -> None:
    chosen = np.array([[False, True, False, True], [True, False, False, False], [False] * 4])
    positions, exists = side_by_side(chosen)
    assert positions[0].tolist() == [1, 3] and positions[1, 0] == 0
    assert exists.tolist() == [[True, True], [True, False], [False, False]]
    weights = mean_weights(exists, CPU)
    assert weights.tolist() == [[0.5, 0.5], [1, 0], [0, 0]]


def test_shorter_ones_are_padded_with_zeros() -> None:
    stacked = stack_padded([torch.ones(1, 2, 3), torch.ones(2, 4, 1)], (1, 2))
    assert stacked.shape == (3, 4, 3)
    assert stacked[0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert stacked[2].tolist() == [[1, 0, 0]] * 4
