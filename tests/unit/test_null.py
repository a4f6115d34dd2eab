"""Labels that mean nothing: no student may seem to gain from another omics more often than the nominal rate."""

import dataclasses

import numpy as np
import torch
from cohorts import make_cohort

from cch_omics import keys
from cch_omics.config import CriterionConfig, DistillationConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.verdict.rule import ask_pilots, decide
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.evaluation.gains import gains, summarise
from cch_omics.information.pairs import estimate_pairs
from cch_omics.pilots import linear_pilots, network_pilots
from cch_omics.splits import make_splits

CPU = torch.device("cpu")
N_COHORTS = 8


def test_permuted_labels_yield_no_gain_over_self_and_no_teacher():
    encoder = EncoderConfig(units=6, components=10, max_epochs=20)
    significant, taught, plain = [], [], []
    for seed in range(N_COHORTS):
        cohort = make_cohort(n=120, seed=seed, n_classes=2, permuted=True)
        splits = make_splits(cohort, SplitsConfig(repeats=2, folds=3, inner_folds=3), seed=seed)
        encodings = {m: encode(cohort, splits, m, encoder, seed=seed, device=CPU) for m in cohort.modalities}
        settings = DistillationConfig(lambdas=[0.5], temperatures=[2.0])
        students = {
            m: distil(cohort, splits, encodings, m, settings, encoder, seed=seed, device=CPU) for m in cohort.modalities
        }
        summary = summarise(gains(cohort, splits, encodings, students))
        over_self = summary.query("control == 'self' and metric == 'balanced_accuracy'")
        significant += (over_self["ci_low"] > 0).tolist()
        pairs = estimate_pairs(cohort, splits, encodings, InformationConfig(subsamples=20), seed=seed)
        for asked in (pairs, ask_pilots(pairs, network_pilots(cohort, splits, encodings, students))):
            verdicts = decide(asked, CriterionConfig(), target="subtype").query("repeat == -1")
            taught += (verdicts["verdict"] == keys.DISTIL).tolist()
        plain += (verdicts["cch_verdict"] == keys.DISTIL).tolist()
    # One-sided 2.5% of 48 pairs, of which the six of a cohort are dependent: 1.2 expected. Five or more would be rare.
    assert len(significant) == N_COHORTS * 6
    assert sum(significant) <= 4
    # The plain rule is fooled, the verdict is not.
    assert np.mean(plain) > 0.5
    assert np.mean(taught) <= 0.1


def test_pilots_of_permuted_labels_gain_nothing_unless_their_teachers_pass_the_labels_on():
    encoder = EncoderConfig(units=6, components=10, max_epochs=40)
    settings = DistillationConfig(lambdas=[0.9], temperatures=[1.0])
    found: dict[str, list[float]] = {"held out": [], "passed on": []}
    for seed in range(N_COHORTS):
        cohort = make_cohort(n=160, seed=seed, n_classes=2, permuted=True)
        cohort = dataclasses.replace(cohort, label_budget=0.25)
        splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=seed)
        encodings = {m: encode(cohort, splits, m, encoder, seed=seed, device=CPU) for m in cohort.modalities}
        # Held-out logits come from encoders that were trained on the labels of the other folds.
        passing_on = {
            m: dataclasses.replace(each, teaching_logits=np.repeat(each.logits[:, None], splits.n_inner + 1, axis=1))
            for m, each in encodings.items()
        }
        for name, teachers in (("held out", encodings), ("passed on", passing_on)):
            taught = {"rna": distil(cohort, splits, teachers, "rna", settings, encoder, seed=seed, device=CPU)}
            found[name] += network_pilots(cohort, splits, teachers, taught)["pilot_gain"].tolist()
            inputs = encodings["rna"].inputs
            found[name] += linear_pilots(cohort, splits, teachers, "rna", inputs)["pilot_gain"].tolist()
    mean = {name: np.mean(gained) for name, gained in found.items()}
    # Their standard errors are 0.003.
    assert abs(mean["held out"]) < 0.01
    assert mean["passed on"] > 0.02


def test_the_check_can_fail():
    """A teacher that was told the labels beyond the budget is seen to help."""
    encoder = EncoderConfig(units=6, components=10, max_epochs=60)
    cohort = make_cohort(n=400, seed=1, n_classes=3, signal=1.0)
    cohort = dataclasses.replace(cohort, label_budget=0.05)
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=5, inner_folds=3), seed=0)
    encodings = {m: encode(cohort, splits, m, encoder, seed=0, device=CPU) for m in cohort.modalities}
    told = np.where(np.arange(3) == cohort.labels[:, None], 4.0, 0.0)
    cnv = encodings["cnv"]
    shapes = {name: getattr(cnv, name).shape for name in ("logits", "teaching_logits")}
    everywhere = {name: np.broadcast_to(told, shape).astype(np.float32) for name, shape in shapes.items()}
    encodings["cnv"] = dataclasses.replace(cnv, **everywhere)
    settings = DistillationConfig(lambdas=[0.9], temperatures=[1.0])
    taught = distil(cohort, splits, encodings, "rna", settings, encoder, seed=0, device=CPU)
    summary = summarise(gains(cohort, splits, encodings, {"rna": taught}))
    found = summary.query("teacher == 'cnv' and metric == 'balanced_accuracy'").set_index("control")
    assert (found["gain"] > 0).all()
    assert found["ci_low"]["shuffled"] > 0
