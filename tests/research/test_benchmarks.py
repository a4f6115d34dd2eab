"""The smallest runs of the benchmarks: they fit the package as it is, and what they compare agrees."""

import numpy as np
import torch

from cch_omics.config import DistillationConfig, EncoderConfig
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from research.benchmarks import engine, gaps, growth, information, neighbours

CPU = torch.device("cpu")


def test_networks_of_a_batch_are_those_of_a_plain_loop() -> None:
    cohort = growth.cohort(60, features=20)
    splits = growth.splits_of(cohort)
    settings = EncoderConfig(units=4, components=8, max_epochs=30)
    encodings, encoders = engine.recorded(
        lambda: {name: encode(cohort, splits, name, settings, seed=0, device=CPU) for name in cohort.modalities}
    )
    _, students = engine.recorded(
        lambda: distil(
            cohort, splits, encodings, "omics0", ["omics1"], DistillationConfig(), settings, seed=0, device=CPU
        )
    )
    for calls in (encoders, students):
        row = engine.compare("grid", calls, 2, CPU, np.random.default_rng(0))
        assert row["same checkpoint"] == row["networks looped"]
        # Where classes are equally frequent, the first gradient of their biases is rounding: AdamW makes a step of it.
        assert float(str(row["largest difference of an output"])) < 0.01


def test_growth_is_measured() -> None:
    made = growth.cohort(60, features=20)
    for work in (growth.training(made, growth.splits_of(made)), growth.components(made), growth.ksg(40)):
        assert growth.cpu_time(work) > 0
    assert growth.slope([1, 10, 100], [2.0, 20.0, 200.0]) == 1


def test_the_sign_of_a_large_gap_is_shown() -> None:
    name = "five classes"
    row = gaps.judge(name, gaps.UNSEEN[name], 200, 0, 0.8)
    assert row["decision"] == 1 and row["truth"] > 0.4


def test_estimates_by_neighbour_searches_are_ours() -> None:
    (row,) = neighbours.large(200).to_dict("records")
    assert row["difference from scipy"] < 1e-12


def test_known_information_is_estimated() -> None:
    found = information.one_column(100, 10)
    ours, theirs = (found.loc[found["estimator"] == name, "value"] for name in ("ross", "scikit-learn, label"))
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    gap = information.with_labels("both know, share much", 2, 100, 10).query("quantity == 'gap'")
    assert (gap.groupby("estimator")["value"].mean() - gap["truth"].iloc[0]).abs().max() < 0.3
