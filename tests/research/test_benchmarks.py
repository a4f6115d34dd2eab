"""The smallest runs of the benchmarks: they fit the package as it is, and what they compare agrees."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.splits import make_splits
from cch_omics.verdict.pilot import pilots
from research.benchmarks import endpoints, engine, gaps, growth, information, neighbours, recipes, validation
from research.benchmarks.cases import CPU, SEED
from research.benchmarks.decisions.__main__ import SUBSET_SETTINGS
from research.benchmarks.decisions.measure import SUBSET


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
    survival = growth.cohort(60, features=20, intervals=3)
    for work in (growth.networks(made), growth.components(made), growth.ksg(40), growth.linear(survival, 5)):
        assert growth.cpu_time(work) > 0
    assert survival.target.task.n_outputs == 3
    seconds, megabytes = growth.in_process([part.what for part in growth.PARTS].index("KSG"), 125, 1)
    assert seconds > 0 and megabytes >= 0
    assert growth.slope((1, 10, 100), (2.0, 20.0, 200.0)) == pytest.approx(1)


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


def test_endpoints_of_a_folder_are_measured_and_shown(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = pd.Index([f"S{number:02d}" for number in range(60)], name="sample")
    dose = random.normal(size=60)
    (tmp_path / "made").mkdir()
    for name in ("rna", "cnv"):
        values = random.normal(size=(60, 5)) + dose[:, None]
        pd.DataFrame(values, samples, [f"{name}{j}" for j in range(5)]).to_csv(tmp_path / "made" / f"{name}.csv")
    pd.DataFrame({"dose": dose}, samples).to_csv(tmp_path / "made" / "clinical.csv")
    case = endpoints.Case("made", "dose")
    for each in (case, replace(case, permutation=1)):
        found = endpoints.measure(each, tmp_path, SplitsConfig(repeats=1, folds=2, inner_folds=3))
        (tmp_path / f"{each.name}.json").write_text(json.dumps(found))
    shown = dict(part.split("\n\n", 1) for part in endpoints.tables(tmp_path) if "\n" in part)
    assert "| r2 " in shown["## Students alone against baselines, means over cohorts"]
    assert "made dose" in shown["## Permuted labels"]
    permuted = case.read(tmp_path).target
    moved = endpoints.permuted(permuted, 1).values
    assert sorted(moved) == sorted(permuted.values) and not np.array_equal(moved, permuted.values)


@pytest.mark.slow
def test_intervals_on_other_patients_are_counted() -> None:
    table = validation.condensed(pd.DataFrame(validation.coverage("number", 2)))
    assert {"r2", "calibration_slope"} <= set(table["metric"])
    assert table.loc[table["metric"] == "r2", "gain, coverage at 300"].isin([0, 0.5, 1]).all()


def test_students_are_made_in_every_way_and_scored(tmp_path: Path) -> None:
    case, settings = SUBSET[0].case, SUBSET_SETTINGS
    found = recipes.measure(case, None, settings)
    (tmp_path / "case.json").write_text(json.dumps(found))
    shown = dict(part.split("\n\n", 1) for part in recipes.tables(tmp_path) if "\n" in part)
    assert "| simulated subtype " in shown["## Students as advised, and baselines"]
    # What is called delivered is what the package delivers.
    cohort = case.read(None)
    splits = make_splits(cohort, settings.splits, seed=SEED)
    encodings = {
        name: encode(cohort, splits, name, settings.encoder, seed=SEED, device=CPU) for name in cohort.modalities
    }
    name, *others = cohort.modalities
    taught = distil(
        cohort,
        splits,
        encodings,
        name,
        others,
        DistillationConfig(),
        settings.encoder,
        seed=SEED,
        device=CPU,
    )
    ours = {
        (row["recipe"], row["teacher"], row["control"]): row["scores"]
        for row in found["rows"]
        if row["way"] == recipes.DELIVERED and row["student"] == name and row["recipe"] != recipes.ADVISED
    }
    for (_, model), scores in recipes.primary(cohort, splits, {name: taught}).items():
        np.testing.assert_allclose(ours[model.recipe, model.teacher, model.control], scores, atol=0.02)
    (advised,) = (
        row["scores"]
        for row in found["rows"]
        if (row["way"], row["student"], row["recipe"], row["control"])
        == (recipes.DELIVERED, name, recipes.ADVISED, "none")
    )
    gained = pilots(cohort, splits, encodings, {name: taught})
    for fold, score in enumerate(advised):
        expected, best = ours["alone", "", "none"][fold], 0.0
        for row in gained[gained["fold"] == fold].to_dict("records"):
            se = row["pilot_gain_se"]
            certainty = row["pilot_gain"] / (se * np.hypot(1, se / cohort.target.task.gain_sd))
            if certainty > best:
                expected, best = ours[row["recipe"], row["teacher"], "none"][fold], certainty
        assert score == expected
