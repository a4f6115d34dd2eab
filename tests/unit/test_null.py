"""Labels that mean nothing: no student may seem to gain from another omics more often than the nominal rate."""

import dataclasses

import numpy as np
import torch
from cohorts import make_cohort

from cch_omics import keys
from cch_omics.config import CriterionConfig, DistillationConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.criteria.cch import decide
from cch_omics.distillation import distil
from cch_omics.encoders import encode
from cch_omics.evaluation import gains, summarise
from cch_omics.information.pairs import estimate_pairs
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
        verdicts = decide(pairs, CriterionConfig(), target="subtype").query("repeat == -1")
        taught += (verdicts["verdict"] == keys.DISTIL).tolist()
        plain += (verdicts["cch_verdict"] == keys.DISTIL).tolist()
    # One-sided 2.5% of 48 pairs, of which the six of a cohort are dependent: 1.2 expected. Five or more would be rare.
    assert len(significant) == N_COHORTS * 6
    assert sum(significant) <= 4
    # The plain rule is fooled, the verdict is not.
    assert np.mean(plain) > 0.5
    assert np.mean(taught) <= 0.1


def test_the_check_can_fail():
    """A teacher that was told the labels beyond the budget is seen to help."""
    encoder = EncoderConfig(units=6, components=10, max_epochs=60)
    cohort = make_cohort(n=400, seed=1, n_classes=3, signal=1.0)
    cohort = dataclasses.replace(cohort, label_budget=0.05)
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=5, inner_folds=3), seed=0)
    encodings = {m: encode(cohort, splits, m, encoder, seed=0, device=CPU) for m in cohort.modalities}
    told = np.where(np.arange(3) == cohort.labels[:, None], 4.0, 0.0)
    encodings["cnv"] = dataclasses.replace(
        encodings["cnv"], logits=np.broadcast_to(told, encodings["cnv"].logits.shape).astype(np.float32)
    )
    settings = DistillationConfig(lambdas=[0.9], temperatures=[1.0])
    taught = distil(cohort, splits, encodings, "rna", settings, encoder, seed=0, device=CPU)
    summary = summarise(gains(cohort, splits, encodings, {"rna": taught}))
    found = summary.query("teacher == 'cnv' and metric == 'balanced_accuracy'").set_index("control")
    assert (found["gain"] > 0).all()
    assert found["ci_low"]["shuffled"] > 0
