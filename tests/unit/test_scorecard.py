"""The scorecard says what a table made by hand says."""

import numpy as np
import pandas as pd
import pytest
from evidence_rows import CLASSES, piloted, row

from cch_omics import keys
from cch_omics.config import CriterionConfig
from cch_omics.evaluation.advised import advised_gains
from cch_omics.evaluation.intervals import corrected_interval
from cch_omics.evaluation.scorecard import criteria_table
from cch_omics.evaluation.scorecard import scorecard as of_tables

nan = float("nan")
ADVISED = pd.DataFrame(
    [("x", "y", "m", "rule", student, 0.5, gain, -0.01, 0.05, 4) for student, gain in [("a", 0.03), ("b", 0.01)]],
    columns=list(keys.ADVISED_COLUMNS),
)


def scorecard(criteria: pd.DataFrame, advised: pd.DataFrame = ADVISED, *, pooled: bool = False) -> pd.DataFrame:
    return of_tables(criteria, advised, pooled=pooled)


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
    assert row["advised_gain"] == pytest.approx(0.02)


def test_the_scorecard_turns_when_the_score_does() -> None:
    table = hand_made()
    decision = table["decision"].replace({keys.DISTIL: keys.DO_NOT_DISTIL, keys.DO_NOT_DISTIL: keys.DISTIL})
    row = scorecard(table.assign(score=-table["score"], decision=decision)).iloc[0]
    assert row["sign_accuracy"] == 0
    assert row["spearman"] == pytest.approx(-0.8)


def test_always_and_never() -> None:
    table = hand_made()
    always = scorecard(table.assign(score=1.0, decision=keys.DISTIL)).iloc[0]
    never = scorecard(table.assign(score=0.0, decision=keys.DO_NOT_DISTIL)).iloc[0]
    assert np.isnan(always["spearman"]) and np.isnan(never["spearman"])
    assert (always["sign_accuracy"], never["sign_accuracy"]) == (0.75, 0.25)


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
    assert np.isnan(scorecard(table, ADVISED.iloc[:0]).iloc[0]["advised_gain"])
    unknown = ADVISED.assign(advised_gain=[0.03, nan])
    assert np.isnan(scorecard(table, unknown).iloc[0]["advised_gain"])


def test_pooling_is_over_pairs_and_keeps_students_of_cohorts_apart() -> None:
    table = hand_made()
    other = table.assign(cohort="z", gain=-table["gain"])
    both = pd.concat([table, other], ignore_index=True)
    advised = pd.concat([ADVISED, ADVISED.assign(cohort="z", advised_gain=-0.01)], ignore_index=True)
    apart = scorecard(both, advised)
    assert list(apart["cohort"]) == ["x", "z"]
    assert apart["advised_gain"].tolist() == pytest.approx([0.02, -0.01])
    pooled = scorecard(both, advised, pooled=True)
    assert len(pooled) == 1
    row = pooled.iloc[0]
    assert (row["cohort"], row["target"], row["n_pairs"]) == ("all", "all", 8)
    assert row["advised_gain"] == pytest.approx(0.005)
    assert row["sign_accuracy"] == pytest.approx(0.5)


def test_pooling_never_mixes_units() -> None:
    table = hand_made()
    r2 = table.assign(cohort="z", metric="r2", gain=100 * table["gain"])
    advised = pd.concat([ADVISED, ADVISED.assign(cohort="z", metric="r2", advised_gain=3.0)], ignore_index=True)
    pooled = scorecard(pd.concat([table, r2], ignore_index=True), advised, pooled=True)
    assert pooled["metric"].tolist() == ["m", "r2"] and (pooled["n_pairs"] == 4).all()
    assert pooled["advised_gain"].tolist() == pytest.approx([0.02, 3.0])


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


# What following a criterion gained


def judged(*rows: tuple[str, str, tuple[float, float], tuple[float, float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evidence and gains of two outer splits; each of `rows` is teacher, student, what pilots gained, and the gains."""
    of_pilots, realised = [], []
    for teacher, student, piloted_gain, gain in rows:
        for fold, (pilot, true) in enumerate(zip(piloted_gain, gain, strict=True)):
            p = 0.99 if pilot > 0.05 else 0.01 if pilot < -0.05 else 0.5
            of_pilots.append(row(teacher, student, pilot=pilot, p_gain=p, repeat=0, fold=fold))
            common = (teacher, student, "soft_targets", "none", 0, fold)
            realised += [
                (*common, CLASSES.task.primary, 0.5, 0.5 + true, true, 10),
                (*common, "auroc", 0.5, 0.9, 0.4, 10),
            ]
    full = [row(teacher, student, pilot=0.5) for teacher, student, *_ in rows]
    return pd.DataFrame([*of_pilots, *full]), pd.DataFrame(realised, columns=list(keys.GAIN_COLUMNS))


def following(evidence: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    found = advised_gains("x", CLASSES, evidence, CriterionConfig(confidence=0.9), gains)
    assert tuple(found.columns) == keys.ADVISED_COLUMNS
    return found.set_index(["criterion", "student"])


def test_the_teacher_is_chosen_inside_each_training_set() -> None:
    """In fold 0 the pilots choose t1, in fold 1 t2; the best in hindsight, t3, is chosen by nobody."""
    found = following(*judged(
        ("t1", "a", (0.2, 0.1), (0.04, -0.02)),
        ("t2", "a", (0.1, 0.2), (0.01, 0.01)),
        ("t3", "a", (0.0, 0.0), (0.09, 0.09)),
    )).loc[("pilot", "a")]  # fmt: skip
    assert found["taught"] == 1
    mean, low, high = corrected_interval(np.array([0.04, 0.01]), 2)
    assert (found["advised_gain"], found["ci_low"], found["ci_high"], found["n_splits"]) == pytest.approx(
        (mean, low, high, 2)
    )


def test_training_alone_gains_nothing_and_a_guess_counts() -> None:
    found = following(*judged(("t1", "a", (-0.2, 0.01), (0.04, 0.03)), ("t2", "a", (-0.2, -0.01), (0.01, 0.08))))
    assert tuple(found.loc[("pilot", "a"), ["taught", "advised_gain"]]) == pytest.approx((0.5, 0.015))
    # Of equals the mean is taken: `always` has no favourite.
    assert found.loc[("always", "a"), "advised_gain"] == pytest.approx((0.025 + 0.055) / 2)
    assert tuple(found.loc[("never", "a"), ["taught", "advised_gain"]]) == (0, 0)


def test_a_choice_that_was_not_measured_is_no_mean_of_the_others() -> None:
    evidence, gains = judged(("t1", "a", (0.2, -0.2), (0.04, 0.03)), ("t2", "b", (0.2, 0.2), (0.01, 0.02)))
    found = following(evidence, gains[gains["teacher"] != "t1"])
    assert np.isnan(found.loc[("pilot", "a"), "advised_gain"])
    assert found.loc[("pilot", "b"), "advised_gain"] == pytest.approx(0.015)
    assert following(evidence.iloc[:0], gains).empty


def test_recipes_of_one_teacher_are_candidates_of_one_student() -> None:
    evidence, gains = judged(("t1", "a", (0.2, 0.2), (0.04, 0.04)))
    better = evidence.assign(recipe="imputed", pilot_gain=0.3), gains.assign(recipe="imputed", gain=0.07)
    found = following(*(pd.concat(each, ignore_index=True) for each in zip((evidence, gains), better, strict=True)))
    assert found.loc[("pilot", "a"), "advised_gain"] == pytest.approx(0.07)
