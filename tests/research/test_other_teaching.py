"""What else could teach students: nothing of it knows labels of held-out folds, or anything of test patients."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.splits import make_splits
from research.benchmarks import other_teaching as benchmark
from research.benchmarks.coverage import made

COHORT = made("classes", 120, 0.4, 0, ["strong", "weak", "useless"])[0]
SPLITS = make_splits(COHORT, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)


def changed(members: NDArray[np.bool_], *, values: bool) -> Cohort:
    """The cohort with other labels of (n,) members, and other values of their omics if asked."""
    target = replace(COHORT.target, values=np.where(members, 1 - COHORT.target.values, COHORT.target.values))
    modalities = dict(COHORT.modalities)
    for name, modality in COHORT.modalities.items() if values else ():
        modalities[name] = replace(modality, values=np.where(members[:, None], 5 - modality.values, modality.values))
    return replace(COHORT, target=target, modalities=modalities)


def test_boosted_soft_targets_of_students_without_a_fold_come_from_models_without_its_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one number of rounds, since models that saw the fold have a say in that choice, as in the one of epochs."""
    monkeypatch.setattr("cch_omics.tasks.boosting.ROUNDS", (20,))

    def soft_targets(cohort: Cohort) -> NDArray[np.float32]:
        return benchmark.encoding(cohort, SPLITS, "strong", partial(benchmark.boosted, cohort, "strong")).soft_targets

    before, split, fold = soft_targets(COHORT), 1, 2
    after = soft_targets(changed(SPLITS.inner[split] == fold, values=False))
    np.testing.assert_array_equal(before[split, fold], after[split, fold])
    # What teaches the others has seen them, but of a sample nothing is said by a model that saw its label.
    for others in (0, SPLITS.n_inner):
        assert (np.nan_to_num(before[split, others]) != np.nan_to_num(after[split, others])).any()
    own = SPLITS.labelled[split] & (SPLITS.inner[split] == 0)
    other = soft_targets(changed(own, values=False))
    np.testing.assert_array_equal(before[split, -1, own], other[split, -1, own])


def test_nothing_about_test_patients_reaches_what_students_say_of_training_patients() -> None:
    split = 1
    train = SPLITS.train[split]

    def said(cohort: Cohort) -> dict[tuple[str, str], NDArray[np.float32]]:
        return {
            (student, model.teacher): predicted.of(model)[split, train]
            for student, kinds, encodings in benchmark.taught_by(cohort, SPLITS)
            for predicted in [benchmark.students(cohort, SPLITS, student, kinds, encodings)]
            for model in predicted.models
        }

    before, after = said(COHORT), said(changed(~train, values=True))
    assert ("weak", "boosting strong") in before and ("weak", "half strong, then itself") in before
    for name, outputs in before.items():
        np.testing.assert_array_equal(outputs, after[name], err_msg=str(name))


def test_a_student_stands_in_for_its_teacher_where_that_has_no_omics() -> None:
    *_, (student, kinds, encodings) = benchmark.taught_by(COHORT, SPLITS)
    half = benchmark.half_of(COHORT)
    assert half.sum() == 60 and kinds["half weak"] == benchmark.HALF
    filled, teacher, own = (encodings[name] for name in ("half weak and own", "half weak", student))
    for name in ("outputs", "soft_targets"):
        for chosen, source in ((half, teacher), (~half, own)):
            expected = getattr(source, name)[:1, ..., chosen, :]
            assert np.isfinite(expected).any()
            np.testing.assert_array_equal(getattr(filled, name)[:1, ..., chosen, :], expected)


def test_gains_are_shown(tmp_path: Path) -> None:
    rows = [
        row
        for student, kinds, encodings in benchmark.taught_by(COHORT, SPLITS)
        for row in benchmark.gains_of(COHORT, SPLITS, student, kinds, encodings)
    ]
    about = {"cluster": "made", "cohort": "made", "target": "y", "budget": 0.4, "task": "classification", "seconds": 1}
    (tmp_path / "case.json").write_text(json.dumps({"about": about, "rows": rows}))
    table, _ = benchmark.tables(tmp_path)
    for kind in benchmark.CHOICES:
        assert f"| {kind} " in table
