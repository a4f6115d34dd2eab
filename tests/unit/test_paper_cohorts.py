"""The paper's experiments on cohorts as they are: which samples, which splits, and what is counted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort

from cch_omics.config import SplitsConfig
from cch_omics.splits import make_splits
from research.paper import cohorts, media, sheet
from research.paper.__main__ import main
from research.paper.analysis import with_gains
from research.paper.experiment import LARGE, SMALL, Setting, draws_of, experiment

DATA = Path(__file__).parents[3] / "shared" / "data"


def test_samples_that_lack_a_modality_or_the_label_are_left_out_of_all_arrays() -> None:
    cohort = make_cohort(n=80)
    first = replace(cohort, groups=np.repeat([f"p{i:02d}" for i in range(40)], 2))
    kept = cohorts.with_all_modalities(first)
    assert 20 < len(kept.samples) < 60
    assert np.isfinite(kept.target.values).all()
    place = [list(cohort.samples).index(name) for name in kept.samples]
    assert (kept.groups == first.groups[place]).all()
    assert (kept.target.values == first.target.values[place]).all()
    for name, of in kept.modalities.items():
        before = cohort.modalities[name]
        assert (of.rows == np.arange(len(place))).all()
        where = [list(before.rows).index(row) for row in place]
        np.testing.assert_array_equal(of.values, before.values[where])


def test_repeats_are_cases_and_together_all_outer_splits() -> None:
    cohort = cohorts.with_all_modalities(make_cohort(n=150))
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=3, inner_folds=3), seed=0)
    parts = [draws_of(cohort, cohorts.of_repeat(splits, repeat), seed=0) for repeat in range(2)]
    for repeat, draws in enumerate(parts):
        tested = np.stack([draw.test for draw in draws])
        assert (tested.sum(0) == 1).all()
        assert (tested == splits.test[3 * repeat : 3 * repeat + 3]).all()


def test_a_fusion_teaches_as_a_modality_does() -> None:
    cohort = cohorts.with_all_modalities(make_cohort(n=200, n_classes=2))
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    pairs = [("rna", "mutation"), ("cnv+rna", "mutation")]
    rows = experiment(draws_of(cohort, splits, seed=0), pairs, Setting(epochs=30, components=8))
    assert len(rows) == 2 * 2 * 2
    scores = rows.groupby("teacher")[["teacher_score", "alone"]].mean()
    assert (scores["teacher_score"] > scores["alone"] + 0.1).all()
    assert np.isfinite(rows.drop(columns=["teacher", "student"]).to_numpy(dtype=float)).all()


def test_signs_are_counted_where_a_gain_is_clear() -> None:
    gains = pd.DataFrame(
        [(0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (-0.2, -0.3, -0.1), (0.1, -0.1, 0.3)],
        columns=["gain", "gain_low", "gain_high"],
    )
    assert cohorts.signs(gains.assign(gap_ksg=[1.0, 1.0, -1.0, -1.0]), "gap_ksg") == (2, 3)


def test_another_utterance_is_of_the_same_video() -> None:
    groups = np.repeat(["a", "b", "c"], [4, 2, 5])
    other = media.another_of_the_group(groups, np.random.default_rng(0))
    assert (groups[other] == groups).all()
    assert sorted(other) == list(range(11)) and (other != np.arange(11)).all()


def test_digits_are_paired_within_the_class(tmp_path: Path) -> None:
    """The number in a feature is that of the class it was made for."""
    random = np.random.default_rng(0)
    for cohort, modality, n in (("mnist", "image", 200), ("spoken-digits", "audio", 60)):
        folder, digit = tmp_path / cohort, np.repeat(np.arange(10), n // 10)
        folder.mkdir()
        index = pd.Index([f"{modality}{i}" for i in range(n)], name="sample")
        pd.DataFrame({"digit": digit}, index=index).to_csv(folder / "clinical.csv")
        table = pd.DataFrame({"of": digit, "noise": random.normal(size=n)}, index=index)
        table.sample(frac=1, random_state=1).to_csv(folder / f"{modality}.csv.gz")
    folder = sheet.write_digits(tmp_path, tmp_path, 50)
    clinical, *tables = (pd.read_csv(folder / f"{name}.csv", index_col=0) for name in ("clinical", "image", "audio"))
    for table in tables:
        assert (table.index == clinical.index).all()
        assert (table["of"] == clinical["digit"]).all()
        assert table["noise"].is_unique
    assert len(clinical) == 50


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "cmu-mosi").is_dir(), reason=f"no cohorts in {DATA}")
def test_text_audio_and_video(tmp_path: Path) -> None:
    """Of the official test split alone; a network taught by audio loses what text knows, and the gap says so."""
    cohort = cohorts.read_cohort(DATA, "cmu-mosi")
    assert (len(cohort.samples), len(np.unique(cohort.groups))) == (752, 31)
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- begin {name} -->\n<!-- end {name} -->\n" for name in ("claims", "media")))
    main(["--data", str(DATA), "--output", str(tmp_path), "--parts", "media", "--quick", "--page", str(page)])
    assert "| cmu-mosi | audio → text " in page.read_text()
    assert (tmp_path / "paper-media.png").stat().st_size > 10_000
    kept = json.loads((tmp_path / "quick" / "media" / "cmu-mosi-0.json").read_text())
    rows = cohorts.by_pair(with_gains(pd.DataFrame(kept["rows"])))
    harmed = rows[(rows["teacher"] == "audio") & (rows["student"] == "text")].set_index("weight")
    assert (harmed["gap_ksg"] < 0).all()
    assert harmed.loc[LARGE, "gain_high"] < 0 < harmed.loc[SMALL, "gain_high"]
    assert harmed.loc[SMALL, "alone"] > 0.65
