"""From the cohort to the verdict: whatever is true of a split's test patients, what is made for it is the same."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort, scrambled
from numpy.typing import NDArray
from outputs import screening

from cch_omics.cohort import Cohort
from cch_omics.config import (
    BaselinesConfig,
    CriterionConfig,
    DistillationConfig,
    EncoderConfig,
    InformationConfig,
    SplitsConfig,
)
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.baselines import fit_baselines
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.regression.transform import Transform
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.rule import decide

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=4, components=6, max_epochs=15)
STUDENT, VIEWS = "cnv", ("rna", "cnv", "cnv+rna")
SPLIT = 1


@pytest.fixture(scope="module", autouse=True)
def screened() -> Iterator[None]:
    with screening():
        yield


def fewer_omics(cohort: Cohort, members: NDArray[np.bool_]) -> Cohort:
    """The cohort in which half of the members lack each of the omics."""
    modalities = dict(cohort.modalities)
    for number, (name, modality) in enumerate(cohort.modalities.items()):
        kept = ~members[modality.rows] | ((modality.rows + number) % 2 == 0)
        modalities[name] = dataclasses.replace(modality, values=modality.values[kept], rows=modality.rows[kept])
    return dataclasses.replace(cohort, modalities=modalities)


def made_for_the_split(cohort: Cohort, splits: Splits, members: NDArray[np.bool_]) -> dict[str, Any]:
    """All that is fitted, estimated and decided for one split: arrays of the members, and tables."""
    encodings = {view: encode(cohort, splits, view, ENCODER, seed=0, device=CPU) for view in VIEWS}
    teachers = [view for view in VIEWS if view != STUDENT]
    students = {
        STUDENT: distil(cohort, splits, encodings, STUDENT, teachers, DistillationConfig(), ENCODER, seed=0, device=CPU)
    }
    settings = InformationConfig(subsamples=4, simulations=8, dimension=2)
    information = estimate_pairs(cohort, splits, encodings, settings, seed=0)
    evidence = gather(cohort, splits, encodings, students, information)
    here = (evidence["repeat"] == splits.repeat[SPLIT]) & (evidence["fold"] == splits.fold[SPLIT])
    baselines = fit_baselines(cohort, splits, BaselinesConfig(), seed=0)
    return {
        **{f"{name} of {view}": getattr(each, name)[SPLIT, members] for view, each in encodings.items()
           for name in ("representation", "outputs")},
        **{f"soft targets of {view}": each.soft_targets[SPLIT][:, members] for view, each in encodings.items()},
        **{f"epochs of {view}": each.epochs[SPLIT] for view, each in encodings.items()},
        "students": students[STUDENT].outputs[:, SPLIT, members],
        "epochs of students": students[STUDENT].epochs[:, SPLIT],
        **{f"baselines of {name}": each.outputs[:, SPLIT, members] for name, each in baselines.items()},
        "evidence": evidence[here].reset_index(drop=True),
        "verdicts": decide(evidence[here], CriterionConfig(), cohort.target).reset_index(drop=True),
    }  # fmt: skip


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_nothing_about_test_patients_reaches_what_is_made_for_their_split(task: str) -> None:
    """Their omics, their labels, and what the cohort's task has of these, to the last bit; and which omics they have.

    Neither what is made of training patients nor what is predicted for other test patients. Which omics they have to
    rounding: with fewer test samples matrices have other shapes, and sums another order.
    """
    cohort = make_cohort(n=72, task=task, n_classes=2, teachers=VIEWS, label_budget=0.7)
    target, of_two = cohort.target, {name: cohort.modalities[name] for name in ("rna", "cnv")}
    if isinstance(target.task, Regression):  # with something to be fitted to labels
        ranked = dataclasses.replace(target.task, transform=Transform("rank_normal"))
        target = dataclasses.replace(target, task=ranked)
    cohort = dataclasses.replace(cohort, target=target, modalities=of_two)
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    test = splits.test[SPLIT]
    some = test & (np.arange(72) % 2 == 0)
    before = made_for_the_split(cohort, splits, ~some)
    changed = {0: scrambled(cohort, some), 1e-3: fewer_omics(cohort, some)}
    for rounding, other in changed.items():
        after = made_for_the_split(other, splits, ~some)
        for name, found in before.items():
            if isinstance(found, pd.DataFrame):
                pd.testing.assert_frame_equal(found, after[name], rtol=rounding, atol=rounding, obj=name)
            else:
                np.testing.assert_allclose(found, after[name], rtol=rounding, atol=rounding, err_msg=name)
    # The check can fail: other labels of training patients are seen.
    other = made_for_the_split(scrambled(cohort, ~test, values=False), splits, ~some)
    for name in ("outputs of rna", "soft targets of cnv", "students", "baselines of cnv"):
        assert (np.nan_to_num(before[name]) != np.nan_to_num(other[name])).any(), name
    assert not before["evidence"].equals(other["evidence"])
