"""Labels that mean nothing: no student may seem to gain from another omics more often than the nominal rate."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import CriterionConfig, DistillationConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.evaluation.gains import gains, summarise
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.splits import Splits, make_splits
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.pilot import pilots
from cch_omics.verdict.rule import choose_teachers, decide
from cch_omics.views import teachers_of

CPU = torch.device("cpu")
N_COHORTS = 8


def encoded(cohort: Cohort, splits: Splits, encoder: EncoderConfig, seed: int) -> dict[str, Encoding]:
    return {m: encode(cohort, splits, m, encoder, seed=seed, device=CPU) for m in cohort.modalities}


def taught(
    cohort: Cohort,
    splits: Splits,
    encodings: dict[str, Encoding],
    student: str,
    settings: DistillationConfig,
    encoder: EncoderConfig,
    seed: int,
) -> OutOfFold:
    return distil(
        cohort,
        splits,
        encodings,
        student,
        teachers_of(cohort, student),
        settings,
        encoder,
        seed=seed,
        device=CPU,
        shuffled_controls=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_permuted_labels_yield_no_gain_over_self_and_no_teacher(task: str) -> None:
    encoder = EncoderConfig(units=6, components=10, max_epochs=20)
    settings = DistillationConfig(weight=0.5, temperature=2.0)
    significant, students, pairs, plain, advised = [], [], [], [], []
    for seed in range(N_COHORTS):
        cohort = make_cohort(n=120, seed=seed, n_classes=2, task=task, permuted=True)
        splits = make_splits(cohort, SplitsConfig(repeats=2, folds=3, inner_folds=3), seed=seed)
        encodings = encoded(cohort, splits, encoder, seed)
        trained = {m: taught(cohort, splits, encodings, m, settings, encoder, seed) for m in cohort.modalities}
        summary = summarise(gains(cohort, splits, trained))
        over_self = summary[(summary["control"] == "self") & (summary["metric"] == cohort.target.task.primary)]
        significant += (over_self["ci_low"] > 0).tolist()
        shared = estimate_pairs(cohort, splits, encodings, InformationConfig(subsamples=20, simulations=8), seed=seed)
        evidence = gather(cohort, splits, encodings, trained, shared)
        verdicts = decide(evidence, CriterionConfig(), cohort.target)
        pairs += (verdicts["verdict"] == keys.DISTIL).tolist()
        plain += (verdicts["cch_verdict"] == keys.DISTIL).tolist()
        chosen = choose_teachers(evidence, CriterionConfig(), cohort.target, cohort.modalities)
        students += (chosen["verdict"] == keys.DISTIL).tolist()
        advised += (chosen["teacher"] != "").tolist()
    # One-sided 2.5% of 48 pairs, of which the six of a cohort are dependent: 1.2 expected. Five or more would be rare.
    assert len(significant) == N_COHORTS * 6
    assert sum(significant) <= 4
    # The plain rule is fooled, the verdict is not.
    assert np.mean(plain) > 0.5
    assert np.mean(pairs) <= 0.1
    assert np.mean(students) <= 0.15
    # Nor is a teacher the better guess, which by the sign of the pilots' gains alone it is for four students of five.
    # Over 40 cohorts it is 0.05 of classes, 0.02 of numbers, 0.19 of survival times: likelihoods exclude less of those.
    assert np.mean(advised) <= (0.4 if task == "survival" else 0.2)


def test_pilots_of_permuted_labels_gain_nothing_unless_their_teachers_pass_the_labels_on() -> None:
    encoder = EncoderConfig(units=6, components=10, max_epochs=40)
    settings = DistillationConfig(weight=0.9)
    found: dict[str, list[float]] = {"held out": [], "passed on": []}
    for seed in range(N_COHORTS):
        cohort = make_cohort(n=160, seed=seed, n_classes=2, permuted=True, label_budget=0.25)
        splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=seed)
        encodings = encoded(cohort, splits, encoder, seed)
        # Out-of-fold outputs come from encoders that were trained on the labels of the other folds.
        passing_on = {
            m: dataclasses.replace(each, soft_targets=np.repeat(each.outputs[:, None], splits.n_inner + 1, axis=1))
            for m, each in encodings.items()
        }
        for name, teachers in (("held out", encodings), ("passed on", passing_on)):
            trained = {"rna": taught(cohort, splits, teachers, "rna", settings, encoder, seed)}
            found[name] += pilots(cohort, splits, teachers, trained)["pilot_gain"].tolist()
    mean = {name: np.mean(gained) for name, gained in found.items()}
    # Their standard errors are 0.005; over 40 cohorts the means are 0.000 and 0.033.
    assert abs(mean["held out"]) < 0.015
    assert mean["passed on"] > 0.02


def test_a_teacher_of_noise_is_no_teacher() -> None:
    """Its students gain nothing, and it is said to know nothing; labels are real."""
    encoder = EncoderConfig(units=6, components=10, max_epochs=20)
    verdicts, knows = [], []
    for seed in range(6):
        cohort = make_cohort(n=120, seed=seed, n_classes=2, teachers=("cnv",))
        noise = np.random.default_rng(seed).standard_normal(cohort.modalities["cnv"].values.shape).astype(np.float32)
        cnv = dataclasses.replace(cohort.modalities["cnv"], values=noise)
        cohort = dataclasses.replace(cohort, modalities={**cohort.modalities, "cnv": cnv})
        splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=seed)
        encodings = encoded(cohort, splits, encoder, seed)
        students = {
            m: taught(cohort, splits, encodings, m, DistillationConfig(), encoder, seed) for m in ("rna", "mutation")
        }
        shared = estimate_pairs(cohort, splits, encodings, InformationConfig(subsamples=10, simulations=8), seed=seed)
        evidence = gather(cohort, splits, encodings, students, shared)
        knows += evidence.loc[evidence["repeat"] == -1, "teacher_information"].tolist()
        verdicts += decide(evidence, CriterionConfig(), cohort.target)["verdict"].tolist()
    assert np.mean(np.array(verdicts) == keys.DISTIL) <= 0.1
    assert np.mean(knows) < 0.01


def test_the_check_can_fail() -> None:
    """A teacher that was told the labels beyond the budget is seen to help."""
    encoder = EncoderConfig(units=6, components=10, max_epochs=60)
    cohort = make_cohort(n=400, seed=1, n_classes=3, signal=1.0, label_budget=0.05)
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=5, inner_folds=3), seed=0)
    encodings = encoded(cohort, splits, encoder, 0)
    told = np.where(np.arange(3) == cohort.target.strata[:, None], 4.0, 0.0)
    cnv = encodings["cnv"]
    shapes = {name: getattr(cnv, name).shape for name in ("outputs", "soft_targets")}
    everywhere = {name: np.broadcast_to(told, shape).astype(np.float32) for name, shape in shapes.items()}
    encodings["cnv"] = dataclasses.replace(cnv, **everywhere)
    trained = distil(
        cohort,
        splits,
        encodings,
        "rna",
        ["cnv", "mutation"],
        DistillationConfig(weight=0.9),
        encoder,
        seed=0,
        device=CPU,
    )
    summary = summarise(gains(cohort, splits, {"rna": trained}))
    found = summary.query("teacher == 'cnv' and metric == 'balanced_accuracy'").set_index("control")
    assert (found["gain"] > 0).all()
    assert found["ci_low"]["shuffled"] > 0
    assert isinstance(found, pd.DataFrame)
