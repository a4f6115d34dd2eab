"""The benchmark of decisions: its smallest run, and its statistics by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import SplitsConfig
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.splits import make_splits
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment
from cch_omics.verdict.criteria import CRITERIA
from research.benchmarks.decisions import halves, page, predictions
from research.benchmarks.decisions.scores import score
from research.rivals import RIVALS


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest run: one simulated cohort, two outer splits."""
    folder = tmp_path_factory.mktemp("decisions")
    (case,) = predictions.SUBSET
    predictions.predict(case, None, folder, predictions.SUBSET_SETTINGS)
    predictions.predict_baselines(case, None, folder)
    score(case, None, folder)
    return folder


def test_what_is_there_is_not_made_again(output: Path) -> None:
    (case,) = predictions.SUBSET
    made = {path: path.stat().st_mtime_ns for path in output.rglob("*.npz")}
    lost = case.room(output) / "students" / "cnv.npz"
    lost.unlink()
    predictions.predict(case, None, output, predictions.SUBSET_SETTINGS)
    assert {path for path, time in made.items() if path.stat().st_mtime_ns != time} == {lost}


def test_the_page_has_every_criterion_and_keeps_what_a_person_wrote(output: Path, tmp_path: Path) -> None:
    text = tmp_path / "page.md"
    text.write_text("Mine.\n<!-- begin criteria -->\nold\n<!-- end criteria -->\nMine too.\n")
    page.write_page(output, predictions.SUBSET, text)
    found = text.read_text()
    assert found.startswith("Mine.\n") and found.endswith("Mine too.\n") and "old" not in found
    for name in (*CRITERIA, *RIVALS):
        assert f"| {name} |" in found
    assert all((tmp_path / f"decisions-{name}.png").stat().st_size > 1000 for name in ("gap", "criteria"))
    # Without a page, one with all tables is made.
    page.write_page(output, predictions.SUBSET, tmp_path / "new.md")
    new = (tmp_path / "new.md").read_text()
    assert all(f"<!-- begin {name} -->" in new for name in ("outcomes", "came of", "within", "halves", "baselines"))


def test_scores_of_a_pair_are_those_of_its_training_sets(output: Path) -> None:
    folder = predictions.SUBSET[0].room(output) / "scores"
    pairs, splits = (pd.read_csv(folder / f"{name}.tsv", sep="\t") for name in ("pairs", "splits"))
    assert set(pairs["criterion"]) == {*CRITERIA, *RIVALS} and (pairs.groupby("criterion").size() == 6).all()
    where = ["criterion", *keys.PAIR_COLUMNS]
    mean = splits.groupby(where)[["score", "gain"]].mean()
    both = pairs.set_index(where).join(mean, rsuffix="_of_splits", how="inner").dropna(subset="score_of_splits")
    np.testing.assert_allclose(both["score"], both["score_of_splits"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(both["gain"], both["gain_of_splits"], rtol=1e-6, atol=1e-9)
    assert pairs.loc[pairs["criterion"].isin(RIVALS), "score"].notna().all()


def by_hand() -> pd.DataFrame:
    """Cluster a: one student, right; cluster b: one student, wrong."""
    rows = [
        ("a", "s", "t1", 0.9, keys.DISTIL, 0.04),
        ("a", "s", "t2", -0.5, keys.DO_NOT_DISTIL, -0.06),
        ("b", "s", "t1", 0.3, keys.DISTIL, -0.02),
        ("b", "s", "t2", 0.1, keys.UNDECIDED, 0.02),
    ]
    table = pd.DataFrame(rows, columns=["cluster", "student", "teacher", "score", "decision", "gain"])
    table = table.assign(cohort=table["cluster"], target="y", budget=1.0, metric="balanced_accuracy")
    always = table.assign(criterion="always", score=1.0, decision=keys.DISTIL)
    return pd.concat([table.assign(criterion="pilot"), always])


def test_statistics_by_hand() -> None:
    row = page.criteria(by_hand()).set_index("criterion").loc["pilot"]
    assert (row["sign_accuracy"], row["abstention"]) == (pytest.approx(2 / 3), 0.25)
    assert row["advice"] == pytest.approx(100 * (0.04 - 0.02) / 2)
    assert row["share"] == pytest.approx((0.04 - 0.02) / (0.04 + 0.02))
    # Two clusters: both, or one of them twice. Their advice is +4, +1 or -2.
    assert (row["advice_low"], row["advice_high"]) == (pytest.approx(-2), pytest.approx(4))
    one = page.criteria(by_hand().query("cluster == 'a'")).set_index("criterion").loc["pilot"]
    assert np.isnan(one["advice_low"]) and one["advice"] == pytest.approx(4)


def test_a_split_by_itself() -> None:
    """By hand: two splits of one student with three teachers; in the second the scores are the wrong way round."""
    table = pd.DataFrame(
        {
            "cohort": "c",
            "target": "y",
            "budget": 1.0,
            "criterion": "pilot",
            "repeat": 0,
            "fold": [0, 0, 0, 1, 1, 1],
            "student": "s",
            "teacher": ["t1", "t2", "t3"] * 2,
            "decision": [keys.UNDECIDED] * 3 + [keys.DISTIL, keys.UNDECIDED, keys.DO_NOT_DISTIL],
            "score": [3.0, 2.0, -1.0] * 2,
            "gain": [0.04, 0.0, -0.02, -0.03, 0.0, 0.01],
        }
    )
    (row,) = page.within_splits(table).to_dict("records")
    assert row["Spearman, 100%"] == "0.00 ± 1.00"
    assert row["advice, 100%"] == "+0.50 ± 3.50"


def made_up() -> SimpleNamespace:
    """What a folder of predictions would have of one pair: outputs that know something of the label."""
    n, n_classes = 200, 3
    random = np.random.default_rng(0)
    labels = random.integers(n_classes, size=n).astype(np.float64)
    labels[random.random(n) < 0.1] = np.nan
    samples = np.array([f"P{i:03d}" for i in range(n)])
    rows = np.sort(random.choice(n, size=160, replace=False))
    nothing = {
        "cnv": Modality(np.zeros((160, 1), np.float32), np.array(["f"]), rows),
        "rna": Modality(np.zeros((n, 1), np.float32), np.array(["f"]), np.arange(n)),
    }
    target = Target("subtype", Classification(("a", "b", "c")), labels)
    cohort = Cohort("made", samples, samples, np.full(n, ""), target, nothing, tuple(nothing))
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=2, inner_folds=3), seed=0)
    truth = np.eye(n_classes)[target.strata]
    shape = (len(splits.fold), n, n_classes)
    alone, taught = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    for outputs, signal in ((alone, 0.8), (taught, 1.4)):
        outputs[:, rows] = signal * truth[rows] + random.standard_normal((shape[0], len(rows), n_classes))
    models = (Model("alone"), Model("soft_targets", "rna"))
    students = {
        "cnv": OutOfFold(
            models, np.stack([alone, taught]), (), np.zeros((2, shape[0]), dtype=np.int64), np.zeros((2, shape[0], 0))
        )
    }
    return SimpleNamespace(
        cohort=cohort, splits=splits, students=students, encodings={"rna": SimpleNamespace(outputs=taught)}
    )


def test_no_patient_is_judged_in_both_halves() -> None:
    """By hand: right answers of each patient over splits, mean over a class, mean over classes."""
    stored = made_up()
    cohort, splits = stored.cohort, stored.splits
    alone, taught = stored.students["cnv"].outputs
    table = halves.halves(stored)
    assert len(table) == 2 * halves.DRAWS and set(table["first"]) == {0, 1}
    # What is asked of one half is foretold of the other.
    mirrored = table.sort_values(["draw", "first"], ascending=[True, False])
    np.testing.assert_allclose(table["gain"], mirrored["gain_of_others"])
    assert (table["gain"] != table["gain_of_others"]).all()

    sums = halves.sums_of(stored, alone, taught, taught)
    labels = cohort.target.strata
    members = np.arange(len(labels)) % 3 > 0
    for name, of in {"gain": splits.test, "accuracy_difference": splits.train}.items():
        recalls = []
        for c in range(3):
            of_class = members & (labels == c) & cohort.profiled("cnv")
            more = []
            for s in range(splits.full):
                right = [
                    (each[s] + logit_adjustment(each[s], labels, splits.labelled[s])).argmax(1) == c
                    for each in (alone, taught)
                ]
                more += (1.0 * right[1] - right[0])[of_class & of[s]].tolist()
            recalls.append(np.mean(more))
        assert halves.of_half(*sums[name], members) == pytest.approx(np.mean(recalls))


def test_baselines_are_fitted_in_the_first_repeats_only() -> None:
    splits = made_up().splits
    first = predictions.first_repeats(splits, 1)
    assert first.repeat.tolist() == [0, 0, -1]
    everything = predictions.first_repeats(splits, 2)
    for name, array in vars(everything).items():
        np.testing.assert_array_equal(array, getattr(splits, name))
    assert replace(splits).full == 4
