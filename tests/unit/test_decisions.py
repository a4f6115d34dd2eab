"""The benchmark of decisions: its smallest run, and its statistics by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cch_omics import evaluation, keys

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scores() -> object:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import decisions_scores
    finally:
        sys.path.remove(str(BENCHMARKS))
    return decisions_scores


def run(*arguments: str) -> str:
    command = [sys.executable, str(BENCHMARKS / "decisions.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_subset_runs_stops_where_it_was_and_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    common = ("--subset", "--budgets", "0.4", "--output", str(tmp_path))
    run("predict", *common)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert made
    lost = next(path for path in made if path.parent.name == "tuned")
    lost.unlink()
    run("predict", "references", *common)
    again = {path: path.stat().st_mtime_ns for path in made}
    # Only what was missing is made; the cohort's labels are written with every visit.
    assert {path for path in made if made[path] != again[path]} <= {lost, tmp_path / "simulated/subtype/0.4/cohort.npz"}

    page = tmp_path / "page.md"
    page.write_text("Mine.\n<!-- begin outcomes -->\nold\n<!-- end outcomes -->\nMine too.\n")
    run("page", *common, "--page", str(page))
    text = page.read_text()
    assert text.startswith("Mine.\n") and text.endswith("Mine too.\n") and "old" not in text
    table = pd.read_csv(tmp_path / "tables" / "criteria.tsv", sep="\t")
    assert set(table["way"]) == {"tuned", "fixed", "argmax"} and (table["n_pairs"] == 6).all()
    assert (table.set_index("criterion")["seconds"].drop(["always", "never"]) > 0).all()
    assert all((tmp_path / f"decisions-{name}.png").stat().st_size > 1000 for name in ("gap", "criteria", "budgets"))
    # Nothing of a patient is stored but ids, labels and predictions.
    with np.load(tmp_path / "simulated/subtype/0.4/cohort.npz") as stored:
        assert not any("values" in name for name in stored)


def by_hand() -> pd.DataFrame:
    """Cluster a: one student, right; cluster b: one student, wrong."""
    rows = [
        ("a", "s", "t1", 0.9, keys.DISTIL, 0.04, False, True),
        ("a", "s", "t2", -0.5, keys.DO_NOT_DISTIL, -0.06, True, False),
        ("b", "s", "t1", 0.3, keys.DISTIL, -0.02, False, False),
        ("b", "s", "t2", 0.1, keys.UNDECIDED, 0.02, False, False),
    ]
    table = pd.DataFrame(
        rows, columns=["cluster", "student", "teacher", "score", "decision", "gain", "harmed", "gained"]
    )
    return table.assign(
        cohort=table["cluster"], target="y", budget=1.0, way="tuned", criterion=evaluation.VERDICT, seconds=0.5
    )


def test_statistics_by_hand(scores: object) -> None:
    row = scores.criteria_table(by_hand()).iloc[0]  # type: ignore[attr-defined]
    assert (row["n_pairs"], row["n_harmed"], row["n_gained"]) == (4, 1, 1)
    assert (row["auroc_harmed"], row["auroc_gained"]) == (1, 1)
    assert row["auroc_negative"] == pytest.approx(3 / 4)  # of (0.9, 0.1) x (-0.5, 0.3) one pair is the wrong way round
    assert (row["sign_accuracy"], row["abstention"]) == (pytest.approx(2 / 3), 0.25)
    assert row["advice"] == pytest.approx(100 * (0.04 - 0.02) / 2)
    assert row["regret"] == pytest.approx(100 * (0.0 + 0.04) / 2)
    assert row["share_of_oracle"] == pytest.approx((0.04 - 0.02) / (0.04 + 0.02))
    # Two clusters: both, or one of them twice. Their advice is +4, +1 or -2.
    assert (row["advice_low"], row["advice_high"]) == (pytest.approx(-2), pytest.approx(4))
    same = scores.differences(by_hand()).iloc[0]  # type: ignore[attr-defined]
    assert (same["advice"], same["advice_low"], same["advice_high"]) == (0, 0, 0)


def test_one_cluster_has_no_interval_and_a_missing_score_is_not_a_low_one(scores: object) -> None:
    table = by_hand()
    one = scores.criteria_table(table[table["cluster"] == "a"]).iloc[0]  # type: ignore[attr-defined]
    assert np.isnan(one["spearman_low"]) and one["auroc_harmed"] == 1
    unscored = table.assign(score=table["score"].mask(table["harmed"]))
    row = scores.criteria_table(unscored).iloc[0]  # type: ignore[attr-defined]
    assert np.isnan(row["auroc_harmed"]) and row["unscored"] == 0.25
