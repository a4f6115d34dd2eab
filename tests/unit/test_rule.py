"""The rule in force decides verdicts and teachers; others are shown beside it."""

import re

import numpy as np
import pandas as pd
import pytest
from evidence_rows import CLASSES, NUMBER, SETTINGS, piloted, row

from cch_omics import keys
from cch_omics.cohort import Target
from cch_omics.config import CriterionConfig
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.rule import choose_teachers, decide, may_teach

nan = float("nan")


def by(rule: str) -> CriterionConfig:
    return CriterionConfig(rule=rule, confidence=0.9)


def chosen(evidence: pd.DataFrame, rule: str = "pilot", students: tuple[str, ...] = ("cnv",)) -> pd.DataFrame:
    return choose_teachers(evidence, by(rule), CLASSES, students)


def at_odds() -> pd.DataFrame:
    """Pilots are for rna, the gap is for rppa, accuracy for mirna."""
    return piloted(
        row("rna", pilot=0.1, gap=-0.2, p_gap=0.01, cross_check=0.01, ahead=0.02),
        row("rppa", pilot=-0.1, gap=0.4, p_gap=0.99, cross_check=0.99, ahead=-0.03),
        row("mirna", pilot=0.0, pilot_se=0.001, gap=-0.1, p_gap=0.05, cross_check=0.4, ahead=0.08),
    )


def test_columns_are_the_contract_and_the_full_cohort_is_judged() -> None:
    evidence = piloted(row(), row(repeat=0, fold=0, pilot=-0.5), row("rppa"))
    assert list(evidence["repeat"]) == [-1, 0, -1]
    verdicts = decide(evidence, SETTINGS, CLASSES)
    assert tuple(verdicts.columns) == keys.VERDICT_COLUMNS
    assert verdicts["teacher"].tolist() == ["rna", "rppa"]
    assert verdicts["verdict"].tolist() == [keys.DISTIL] * 2
    assert tuple(chosen(evidence).columns) == keys.TEACHER_COLUMNS


@pytest.mark.parametrize(
    ("rule", "teacher", "verdicts"),
    [
        ("pilot", "rna", "+-?"),
        ("cch", "rppa", "-+-"),
        ("cch_calibrated", "rppa", "-+?"),
        ("gap_output", "rppa", "-+-"),
        ("margin", "rppa", "-+-"),
        ("accuracy_difference", "mirna", "+-+"),
        # All are equal: the first of the list.
        ("always", "rna", "+++"),
        ("never", "", "---"),
    ],
)
def test_the_rule_changes_verdicts_and_teachers(rule: str, teacher: str, verdicts: str) -> None:
    evidence = at_odds()
    said = {"+": keys.DISTIL, "-": keys.DO_NOT_DISTIL, "?": keys.UNDECIDED}
    judged = decide(evidence, by(rule), CLASSES)
    assert judged["verdict"].tolist() == [said[each] for each in verdicts]
    # The paper's rule is shown whatever decides.
    assert judged["cch_verdict"].tolist() == [keys.DO_NOT_DISTIL, keys.DISTIL, keys.DO_NOT_DISTIL]
    of_student = chosen(evidence, rule).iloc[0]
    assert (of_student["teacher"], of_student["rule"]) == (teacher, rule)
    assert of_student["recipe"] == ("soft_targets" if teacher else "alone")
    assert of_student["verdict"] == (keys.DISTIL if teacher else keys.DO_NOT_DISTIL)


OPENINGS = {
    "pilot": ("Pilots of cnv", "Too close to call: pilots", "No pilot could be compared"),
    "cch": ("The gap is", "The gap could not be estimated"),
    "cch_calibrated": ("The probability that the gap is positive", "The gap could not be estimated"),
    "gap_output": ("The gap of outputs is", "The gap of outputs could not be estimated"),
    "margin": ("The margin is", "The margin could not be estimated"),
    "accuracy_difference": ("On held-out patients", "Teacher and student could not be compared"),
    "always": ("The rule says so",),
    "never": ("The rule says so",),
}


@pytest.mark.parametrize("rule", CRITERIA)
@pytest.mark.parametrize("target", [CLASSES, NUMBER], ids=["classes", "number"])
def test_reasons_are_at_most_two_sentences_what_decided_first(rule: str, target: Target) -> None:
    missing = row("mutation", gap=nan, gap_se=nan, p_gap=nan, cross_check=nan, at_zero=nan, pilot=nan, pilot_se=nan)
    missing |= dict.fromkeys(("mi_teacher_student", "mi_student_label", "accuracy_difference"), nan)
    reasons = decide(piloted(*at_odds().to_dict("records"), missing, target=target), by(rule), target)["reason"]
    # Pilots beside the paper's rule, the paper's rule beside all others.
    beside = OPENINGS["pilot" if rule == "cch" else "cch"]
    for number, reason in enumerate(reasons):
        first, *others = re.split(r"(?<=\.) (?=[A-Z])", reason)
        assert first.startswith(OPENINGS[rule])
        # Where there are no pilots, nothing is said of them beside another rule.
        assert len(others) == (number < 3 or rule != "cch") and all(other.startswith(beside) for other in others)
        assert not re.search(r"\bnan\b", reason)


def test_gains_are_said_in_the_unit_of_the_metric() -> None:
    of_classes, of_number = (decide(at_odds(), by("pilot"), target)["reason"][0] for target in (CLASSES, NUMBER))
    assert "gained +10.0 ± 1.0 points of balanced accuracy." in of_classes
    assert "gained +0.100 ± 0.010 of R²." in of_number


@pytest.mark.parametrize(
    ("gain", "pilot", "ahead"),
    [
        (0.0, "gained nothing (± 1.0 points", "is as good as cnv."),
        (-0.0004, "gained nothing (± 1.0 points", "is as good as cnv."),
        (0.0004, "gained nothing (± 1.0 points", "is as good as cnv."),
        (-0.02, "gained -2.0 ± 1.0 points", "is 2.0 points of balanced accuracy behind cnv."),
        (0.02, "gained +2.0 ± 1.0 points", "is 2.0 points of balanced accuracy ahead of cnv."),
    ],
)
def test_what_is_shown_as_zero_is_no_difference(gain: float, pilot: str, ahead: str) -> None:
    evidence = piloted(row(pilot=gain, ahead=gain))
    assert pilot in decide(evidence, by("pilot"), CLASSES)["reason"][0]
    assert ahead in decide(evidence, by("accuracy_difference"), CLASSES)["reason"][0]


@pytest.mark.parametrize(
    ("n_paired", "more"), [(400, ", and one of 2.0 with some 690 patients like these."), (nan, ".")]
)
def test_an_undecided_verdict_says_what_could_be_decided(n_paired: float, more: str) -> None:
    evidence = piloted(row(pilot=0.01, pilot_se=0.012)).assign(n_paired=n_paired)
    decided = decide(evidence, by("pilot"), CLASSES).iloc[0]
    assert decided["verdict"] == keys.UNDECIDED
    assert (
        decided["reason"]
        .split(": ")[1]
        .split("; ")[1]
        .startswith("such pilots see a gain of 2.7 with probability 80%" + more)
    )


def test_without_pilots_a_rule_that_needs_none_says_nothing_of_them() -> None:
    evidence = at_odds().assign(pilot_gain=nan, pilot_gain_se=nan, p_gain_positive=nan)
    reasons = decide(evidence, by("cch"), CLASSES)["reason"]
    assert not reasons.str.contains("ilot").any()
    assert (decide(evidence, by("cch"), CLASSES)["verdict"] == decide(at_odds(), by("cch"), CLASSES)["verdict"]).all()


def test_without_a_gap_there_is_a_verdict_and_none_of_the_paper() -> None:
    judged = decide(piloted(row(gap=nan, gap_se=nan, p_gap=nan)), SETTINGS, CLASSES).iloc[0]
    assert (judged["verdict"], judged["cch_verdict"]) == (keys.DISTIL, "")


# Teachers


def test_every_student_has_a_row_also_without_candidates() -> None:
    found = chosen(piloted(row(), row("cnv", "rna", pilot=-0.1)), students=("rna", "cnv", "mirna"))
    assert found["student"].tolist() == ["rna", "cnv", "mirna"]
    assert found["teacher"].tolist() == ["", "rna", ""]
    assert found["recipe"].tolist() == ["alone", "soft_targets", "alone"]
    assert found["verdict"].tolist() == [keys.DO_NOT_DISTIL, keys.DISTIL, keys.DO_NOT_DISTIL]
    assert np.isnan(found["p_gain_positive"][2]) and found["p_gain_positive"][1] > 0.99


def test_of_those_allowed_the_largest_score_teaches() -> None:
    evidence = piloted(
        row("rna", pilot=0.05), row("rppa", pilot=0.08),
        # The largest gain of all, too uncertain to be allowed.
        row("mirna", pilot=0.5, pilot_se=0.9),
    )  # fmt: skip
    found = chosen(evidence).iloc[0]
    assert (found["teacher"], found["verdict"]) == ("rppa", keys.DISTIL)
    assert found["p_gain_positive"] == evidence["p_gain_positive"][1]


def test_without_a_teacher_the_probabilities_are_those_of_the_best_candidate() -> None:
    refused, doubtful = row("rna", pilot=-0.1), row("rppa", pilot=-0.001, pilot_se=0.02, p_gap=0.4)
    alone = chosen(piloted(refused)).iloc[0]
    assert (alone["teacher"], alone["verdict"]) == ("", keys.DO_NOT_DISTIL)
    in_doubt = chosen(piloted(refused, doubtful)).iloc[0]
    assert (in_doubt["teacher"], in_doubt["recipe"], in_doubt["verdict"]) == ("", "alone", keys.UNDECIDED)
    assert in_doubt["p_gap_positive"] == 0.4
    assert 0.4 < in_doubt["p_gain_positive"] < 0.5


def test_a_doubtful_teacher_is_the_better_guess_if_it_is_more_likely_ahead_than_not() -> None:
    doubtful = [row(name, pilot=gain, pilot_se=0.05) for name, gain in (("rppa", 0.01), ("mirna", 0.02), ("cn", -0.01))]
    guess = chosen(piloted(row("rna", pilot=-0.2), *doubtful)).iloc[0]
    assert (guess["teacher"], guess["recipe"], guess["verdict"]) == ("mirna", "soft_targets", keys.UNDECIDED)
    # A guess is none where a teacher is allowed, however large its own score.
    sure = row("rna", pilot=0.015, pilot_se=0.001)
    assert chosen(piloted(sure, *doubtful)).iloc[0]["teacher"] == "rna"


@pytest.mark.parametrize("at_chance", [{"knows": -0.01}, {"taught_knows": -0.01}, {"knows": nan}])
def test_no_teacher_is_a_guess_where_it_or_its_student_is_at_chance(at_chance: dict[str, float]) -> None:
    """Labels that mean nothing: a gain is a coin's difference, however large."""
    by_luck = [row(name, pilot=0.02, pilot_se=se, **at_chance) for name, se in (("rna", 0.05), ("rppa", 0.001))]
    found = chosen(piloted(*by_luck)).iloc[0]
    assert (found["teacher"], found["recipe"], found["verdict"]) == ("", "alone", keys.UNDECIDED)
    assert chosen(piloted(*by_luck, row("mirna", pilot=0.01, pilot_se=0.05))).iloc[0]["teacher"] == "mirna"


def test_a_teacher_without_a_score_is_no_teacher() -> None:
    unknown = row("rppa", pilot=nan, pilot_se=nan)
    found = chosen(piloted(unknown)).iloc[0]
    assert (found["teacher"], found["verdict"]) == ("", keys.UNDECIDED)
    assert chosen(piloted(unknown, row("rna", pilot=0.01, pilot_se=0.02))).iloc[0]["teacher"] == "rna"


def test_equal_scores_go_to_the_first_of_the_list() -> None:
    equals = [row(name, pilot=0.05) for name in ("rppa", "rna", "mirna")]
    assert chosen(piloted(*equals)).iloc[0]["teacher"] == "rppa"
    assert chosen(piloted(*equals[::-1])).iloc[0]["teacher"] == "mirna"


def test_a_recipe_travels_with_its_teacher() -> None:
    evidence = piloted(row("rna", pilot=0.05), row("rna", pilot=0.09, recipe="imputed"), row("rppa", pilot=0.07))
    found = chosen(evidence).iloc[0]
    assert (found["teacher"], found["recipe"]) == ("rna", "imputed")
    assert decide(evidence, SETTINGS, CLASSES)["recipe"].tolist() == ["soft_targets", "imputed", "soft_targets"]


def test_of_who_may_teach() -> None:
    verdict = np.array([keys.DISTIL, keys.UNDECIDED, keys.DO_NOT_DISTIL, keys.UNDECIDED])
    score = np.array([-1.0, 9.0, 9.0, -9.0])
    assert may_teach(verdict, score).tolist() == [True, False, False, False]
    assert may_teach(verdict[1:], score[1:]).tolist() == [True, False, False]
    assert may_teach(verdict[2:], score[2:]).tolist() == [False, False]
    assert may_teach(verdict[:0], score[:0]).tolist() == []
    assert may_teach(np.array([keys.UNDECIDED] * 2), np.array([np.nan, 0.0])).tolist() == [False, False]
