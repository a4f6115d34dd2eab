"""What users would write instead of the package is the same work, and no teacher passes on a label it should not."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cch_omics.config import EncoderConfig
from cch_omics.evaluation.gains import score_models
from cch_omics.models.distil import models_of
from cch_omics.models.fit import fit
from cch_omics.models.training_sets import Teaching, training_sets
from research.benchmarks import comparison, growth
from research.benchmarks import comparison_rivals as rivals
from research.benchmarks.cases import CPU
from research.benchmarks.comparison_rivals import Lesson, Without, logistic_regressions, networks

# So fast that networks are best at different epochs, and no masks, which the two draw differently.
SETTINGS = EncoderConfig(units=4, components=8, max_epochs=40, learning_rate=0.05, dropout=0)
COHORT = growth.cohort(60, features=20)
SPLITS = rivals.some_splits(growth.splits_of(COHORT), 1)


def test_networks_of_a_plain_loop_are_those_of_the_package() -> None:
    sets = training_sets(COHORT, SPLITS, 0, "omics0", SETTINGS, seed=0, device=CPU, without_pairs=True)
    inner, label = SPLITS.inner[0], np.eye(3)[COHORT.target.strata]
    without = [Without({g}) for g in range(sets.n_inner)] + [Without(pair) for pair in sets.pairs] + [Without()]
    inputs = dict(zip(without, sets.inputs.numpy(), strict=True))
    random = np.random.default_rng(0)
    taught = random.normal(size=(1, len(without), *label.shape)).astype(np.float32)
    soft = {each: torch.as_tensor(taught[0, g]).softmax(1).numpy() for g, each in enumerate(without)}
    teaching = Teaching(taught, np.ones((1, len(label)), dtype=bool) & sets.train[-1])
    for lesson, teachings in ((Lesson(label), None), (Lesson(label, soft), [teaching])):
        (batched,) = fit([sets], SETTINGS, teachings, weight=rivals.DISTILLATION.weight if teachings else 0.0)
        looped = networks(inputs, inner, lesson, settings=SETTINGS, seeds=dict(zip(without, sets.seeds, strict=True)))
        for expected, each in zip(batched.predict(sets.inputs)[:, 0], without, strict=True):
            np.testing.assert_allclose(looped[each], expected, atol=0.01)
        assert len(batched.epochs.unique()) > 1 or teachings


# One look at the held-out loss: otherwise epochs are chosen by networks that were fitted to the other folds.
BRIEFLY = partial(networks, settings=SETTINGS.model_copy(update={"max_epochs": rivals.CHECK_EVERY}))


@pytest.mark.parametrize("learn", [BRIEFLY, logistic_regressions])
def test_soft_targets_know_no_label_of_their_own_fold_or_the_fold_left_out(learn: rivals.Learn) -> None:
    inner, values = SPLITS.inner[0], COHORT.modalities["omics0"].values
    folds = range(SPLITS.n_inner)
    sets = [*(Without({g}) for g in folds), *(Without({1, h}) for h in folds if h != 1)]
    inputs = {without: rivals.components(values, rivals.train_of(inner, without)) for without in sets}
    label = np.eye(3)[COHORT.target.strata]
    others = np.where(np.isin(inner, [0, 1])[:, None], np.roll(label, 1, axis=1), label)
    before, after = (
        rivals.soft_targets(learn(inputs, inner, Lesson(labels)), inner, Without({1})) for labels in (label, others)
    )
    # The labels of folds 0 and 1 are others: what is said of fold 0 is the same, and fold 0 teaches of the other folds.
    for fold in folds:
        assert np.array_equal(before[inner == fold], after[inner == fold]) == (fold == 0)


def test_students_of_a_cohort_are_distilled_and_scored() -> None:
    trained = 0

    def counted(inputs: rivals.BySet, inner: NDArray[np.int64], lesson: Lesson) -> rivals.BySet:
        nonlocal trained
        trained += len(inputs)
        return logistic_regressions(inputs, inner, lesson)

    outputs = rivals.distilled(COHORT, SPLITS, counted)
    assert trained == rivals.count_models(COHORT, SPLITS)
    scores, _ = score_models(COHORT, SPLITS, "omics0", outputs["omics0"])
    assert len(scores) == len(models_of("omics0", ["omics1"])) and np.isfinite(scores).all()


def test_what_children_of_a_process_hold_is_measured_and_a_failure_is_said(tmp_path: Path) -> None:
    # From a small process, as in the benchmark: a child begins with what the one that started it held.
    program = """
import sys, pathlib
from research.benchmarks.comparison import measured
child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
for held in ("None", "b'x' * (2 * 10**8)"):
    print(measured([sys.executable, "-c", child, held], pathlib.Path(sys.argv[1])).peak)
"""
    said = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    nothing, much = map(float, said.stdout.split())
    assert nothing < 100 and much > 190
    with pytest.raises(SystemExit, match="no such thing"):
        comparison.measured([sys.executable, "-c", "raise ValueError('no such thing')"], tmp_path)
