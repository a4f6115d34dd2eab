"""The scorecard says what a table made by hand says."""

import numpy as np
import pandas as pd
import pytest
from evidence_rows import CLASSES, piloted, row

from cch_omics import keys
from cch_omics.config import CriterionConfig
from cch_omics.evaluation.scorecard import criteria_table, scorecard

nan = float("nan")


def hand_made() -> pd.DataFrame:
    """Two students with two teachers each. Student a: gains +4 and -6; student b: gains +1 and +2."""
    rows = [
        ("a", "t1", 0.9, keys.DISTIL, 0.04),
        ("a", "t2", -0.5, keys.DO_NOT_DISTIL, -0.06),
        ("b", "t1", 0.3, keys.DISTIL, 0.01),
        ("b", "t2", 0.1, keys.UNDECIDED, 0.02),
    ]
    common = {"cohort": "x", "target": "y", "metric": "m", "criterion": "rule", "recipe": "soft_targets"}
    found = pd.DataFrame(rows, columns=["student", "teacher", "score", "decision", "gain"]).assign(**common)
    return found[list(keys.CRITERIA_COLUMNS)]


def test_the_scorecard_by_hand() -> None:
    row = scorecard(hand_made()).iloc[0]
    assert tuple(row.index) == keys.SCORECARD_COLUMNS
    assert (row["cohort"], row["target"], row["metric"], row["criterion"]) == ("x", "y", "m", "rule")
    assert row["n_pairs"] == 4
    assert row["spearman"] == pytest.approx(0.8)  # ranks 4 1 3 2 and 4 1 2 3
    assert (row["sign_accuracy"], row["abstention"]) == (1, 0.25)
    assert row["regret"] == pytest.approx(0.005)  # a: the best; b: +1 instead of +2


def test_the_scorecard_turns_when_the_score_does() -> None:
    table = hand_made()
    decision = table["decision"].replace({keys.DISTIL: keys.DO_NOT_DISTIL, keys.DO_NOT_DISTIL: keys.DISTIL})
    row = scorecard(table.assign(score=-table["score"], decision=decision)).iloc[0]
    assert row["sign_accuracy"] == 0
    assert row["spearman"] == pytest.approx(-0.8)
    assert row["regret"] == pytest.approx(((0.04 + 0.06) + 0.02) / 2)  # a is taught by t2, b alone


def test_regret_of_harmful_teachers_and_of_a_second_best() -> None:
    table = hand_made()
    harmful = table.assign(gain=[-0.01, -0.02, -0.03, -0.04])
    # a is taught by t1 and b too; alone would have been best for both.
    assert scorecard(harmful).iloc[0]["regret"] == pytest.approx((0.01 + 0.03) / 2)
    willing = table.assign(decision=keys.DISTIL, gain=[0.01, 0.06, 0.01, 0.02])
    # Of two allowed teachers the one with the higher score teaches: t1 both times.
    assert scorecard(willing).iloc[0]["regret"] == pytest.approx((0.05 + 0.01) / 2)
    # Where nothing is decided the better guess teaches: t1 of a, t1 of b.
    unsure = table.assign(decision=keys.UNDECIDED)
    assert scorecard(unsure).iloc[0]["regret"] == pytest.approx((0.0 + 0.01) / 2)
    assert scorecard(unsure.assign(score=-1.0)).iloc[0]["regret"] == pytest.approx((0.04 + 0.02) / 2)


def test_always_and_never() -> None:
    table = hand_made()
    always = scorecard(table.assign(score=1.0, decision=keys.DISTIL)).iloc[0]
    never = scorecard(table.assign(score=0.0, decision=keys.DO_NOT_DISTIL)).iloc[0]
    assert np.isnan(always["spearman"]) and np.isnan(never["spearman"])
    assert (always["sign_accuracy"], never["sign_accuracy"]) == (0.75, 0.25)
    # A teacher at random: (0.04 - (-0.01)) and (0.02 - 0.015).
    assert always["regret"] == pytest.approx((0.05 + 0.005) / 2)
    assert never["regret"] == pytest.approx((0.04 + 0.02) / 2)


def test_what_was_not_measured_or_not_estimated() -> None:
    table = hand_made()
    unmeasured = table.assign(gain=table["gain"].where(table["teacher"] != "t2"))
    assert scorecard(unmeasured).iloc[0]["n_pairs"] == 2
    missing = table["teacher"] == "t2"
    unscored = table.assign(
        score=table["score"].mask(missing), decision=table["decision"].mask(missing, keys.UNDECIDED)
    )
    row = scorecard(unscored).iloc[0]
    assert (row["n_pairs"], row["abstention"], row["sign_accuracy"]) == (4, 0.5, 1)
    assert row["spearman"] == pytest.approx(1)
    nothing = scorecard(table.assign(score=nan, decision=keys.UNDECIDED)).iloc[0]
    assert np.isnan(nothing["spearman"]) and np.isnan(nothing["sign_accuracy"]) and nothing["abstention"] == 1
    assert nothing["regret"] == pytest.approx((0.04 + 0.02) / 2)


def test_recipes_of_one_teacher_are_candidates_of_one_student() -> None:
    table = hand_made()
    second = table.assign(recipe="imputed", score=table["score"] + 0.5, gain=table["gain"] + 0.03)
    row = scorecard(pd.concat([table, second], ignore_index=True)).iloc[0]
    assert row["n_pairs"] == 8
    # a: the best, +7; b: imputed from t1 with +4 where imputed from t2 has +5.
    assert row["regret"] == pytest.approx((0.0 + 0.01) / 2)


def test_pooling_is_over_pairs_and_keeps_students_of_cohorts_apart() -> None:
    table = hand_made()
    other = table.assign(cohort="z", gain=-table["gain"])
    both = pd.concat([table, other], ignore_index=True)
    assert list(scorecard(both)["cohort"]) == ["x", "z"]
    pooled = scorecard(both, pooled=True)
    assert len(pooled) == 1
    row = pooled.iloc[0]
    assert (row["cohort"], row["target"], row["n_pairs"]) == ("all", "all", 8)
    apart = scorecard(both)
    assert row["regret"] == pytest.approx(apart["regret"].mean())
    assert row["sign_accuracy"] == pytest.approx(0.5)


def test_pooling_never_mixes_units() -> None:
    table = hand_made()
    r2 = table.assign(cohort="z", metric="r2", gain=100 * table["gain"])
    pooled = scorecard(pd.concat([table, r2], ignore_index=True), pooled=True)
    assert pooled["metric"].tolist() == ["m", "r2"] and (pooled["n_pairs"] == 4).all()
    assert pooled["regret"].tolist() == pytest.approx([0.005, 0.5])


def test_a_table_of_criteria_without_pairs_is_empty() -> None:
    summary = pd.DataFrame(columns=list(keys.SUMMARY_COLUMNS))
    table = criteria_table("x", CLASSES, piloted(row()), CriterionConfig(), summary)
    assert table.empty and tuple(table.columns) == keys.CRITERIA_COLUMNS
    assert scorecard(table).empty


def test_a_lucky_pilot_is_scored_as_undecided() -> None:
    """Rows of evidence have no name of the target: decisions do not need one."""
    lucky = piloted(row("t1", "a", pilot=0.1, pilot_se=0.01, knows=-0.1))
    summary = pd.DataFrame(
        [("t1", "a", "soft_targets", "none", CLASSES.task.primary, 0.05, 0.0, 0.1, 10)],
        columns=list(keys.SUMMARY_COLUMNS),
    )
    table = criteria_table("x", CLASSES, lucky, CriterionConfig(), summary)
    assert table.set_index("criterion").loc["pilot", "decision"] == keys.UNDECIDED
