import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig
from cch_omics.criteria.cch import GAIN_SD, choose_teachers, decide, score, shown_sign

SETTINGS = CriterionConfig(confidence=0.9)


def pair(
    teacher_student,
    student_label,
    teacher_label,
    *,
    second=None,
    log_loss=None,
    known=None,
    pilot=np.nan,
    se=0.05,
    at_zero=0.0,
    twin_sd=0.01,
    flags="",
    teacher="rna",
    student="cnv",
):
    """Estimates of a pair; `second`: I(T;S) by the second estimator, `log_loss` and `known`: benefit and I(T;Y).

    Without a pilot, unless its gain is given.
    """
    gap, advantage = teacher_student - student_label, teacher_label - student_label
    values = {
        "mi_teacher_student": teacher_student,
        "mi_student_label": student_label,
        "mi_teacher_label": teacher_label,
        "gap": gap,
        "advantage": advantage,
        "cross_check_gap": (teacher_student if second is None else second) - student_label,
        "log_loss_advantage": advantage,
        "log_loss_benefit": advantage if log_loss is None else log_loss,
        "log_loss_teacher_label": teacher_label if known is None else known,
        "pilot_gain": pilot,
    }
    return {
        "repeat": -1,
        "fold": -1,
        "teacher": teacher,
        "student": student,
        "estimator": "ksg-ross",
        **values,
        **{f"{name}_se": se for name in values},
        **{f"{name}_at_zero": at_zero if "gap" in name else 0.0 for name in values},
        **{f"{name}_twin_sd": twin_sd for name in values},
        "flags": flags,
        "n_labelled": 100,
    }


def judge(*pairs):
    return decide(pd.DataFrame(pairs), SETTINGS, target="er_status")


@pytest.mark.parametrize(
    ("terms", "pilot", "verdict", "plain", "said"),
    [
        ((0.5, 0.2, 0.6), 0.2, keys.DISTIL, keys.DISTIL, "Pilots of cnv, taught by rna, gained +20.0 ± 5.0 points"),
        # The pilot decides, whatever the benefit and the gap say.
        ((0.5, 0.3, 0.1), 0.2, keys.DISTIL, keys.DISTIL, "rna adds nothing to what cnv knows of er_status: -0.20"),
        ((0.1, 0.4, 0.6), 0.2, keys.DISTIL, keys.DO_NOT_DISTIL, "0.10 ± 0.05 nats, less than the 0.40"),
        ((0.5, 0.2, 0.6), -0.2, keys.DO_NOT_DISTIL, keys.DISTIL, "gained -20.0 ± 5.0 points"),
        ((0.5, 0.2, 0.6), 0.04, keys.UNDECIDED, keys.DISTIL, "Too close to call: pilots of cnv"),
        # Without a pilot, the benefit.
        ((0.5, 0.2, 0.6), np.nan, keys.DISTIL, keys.DISTIL, "rna adds to what cnv knows of er_status: 0.40 ± 0.05"),
        ((0.5, 0.3, 0.1), np.nan, keys.DO_NOT_DISTIL, keys.DISTIL, "rna adds nothing to what cnv knows of er_status"),
        ((0.6, 0.3, 0.32), np.nan, keys.UNDECIDED, keys.DISTIL, "Too close to call: rna adds"),
        ((0.3, 0.3, np.nan), np.nan, keys.UNDECIDED, keys.DO_NOT_DISTIL, "could not be compared"),
    ],
)
def test_verdicts(terms, pilot, verdict, plain, said):
    row = judge(pair(*terms, pilot=pilot)).iloc[0]
    assert row["verdict"] == verdict
    assert row["cch_verdict"] == plain
    assert said in row["reason"]


def test_the_probability_of_a_gain_is_the_pilots_or_else_that_of_the_benefit():
    asked, other = judge(pair(0.5, 0.2, 0.24, pilot=-0.1), pair(0.5, 0.2, 0.24)).itertuples()
    gains = np.linspace(-0.4, 0.4, 80001)
    posterior = norm.pdf(gains, scale=GAIN_SD) * norm.pdf(-0.1, gains, 0.05)
    assert asked.p_gain_positive == pytest.approx(posterior[gains > 0].sum() / posterior.sum(), abs=1e-4)
    assert other.p_gain_positive == other.p_benefit_positive == pytest.approx(0.7881, abs=1e-4)
    assert asked.p_benefit_positive == other.p_benefit_positive


def test_pairs_are_ordered_by_the_pilots_gain_or_else_by_the_benefit():
    sure = pair(0.9, 0.2, 0.9, pilot=0.0, se=0.0)
    found = score(judge(pair(0.9, 0.2, 0.3, pilot=0.9), pair(0.9, 0.2, 0.3), sure))
    assert found.tolist() == pytest.approx([0.9, 0.1, 0])


def test_without_a_gap_there_is_a_verdict():
    # Too few labels for a gap: what the two share needs none.
    row = judge(pair(0.5, np.nan, np.nan, log_loss=0.4, known=0.5)).iloc[0]
    assert row["verdict"] == keys.DISTIL
    assert row["cch_verdict"] == ""
    assert "could not be estimated with so few labels" in row["reason"]


def test_the_benefit_is_by_log_losses():
    assert judge(pair(0.5, 0.2, 0.6, log_loss=-0.4)).iloc[0]["verdict"] == keys.DO_NOT_DISTIL
    assert judge(pair(0.5, 0.2, 0.1, log_loss=0.4, known=0.5)).iloc[0]["verdict"] == keys.DISTIL


def test_the_gain_of_a_teacher_that_knows_nothing_is_luck():
    row = judge(pair(0.5, 0.2, 0.6, known=-0.02, pilot=0.2)).iloc[0]
    assert row["verdict"] == keys.UNDECIDED
    assert row["reason"].startswith("rna knows nothing of er_status, as far as training sets show (-0.02 ± 0.05 nats)")
    # It need not be shown: to be more likely than not is enough.
    assert judge(pair(0.5, 0.2, 0.6, known=0.01, pilot=0.2)).iloc[0]["verdict"] == keys.DISTIL
    # Nor is it needed for a loss.
    assert judge(pair(0.5, 0.2, 0.6, known=-0.02, pilot=-0.2)).iloc[0]["verdict"] == keys.DO_NOT_DISTIL


def test_the_gain_of_a_student_that_shares_nothing_is_luck():
    row = judge(pair(-0.01, 0.0, 0.6, pilot=0.2)).iloc[0]
    assert row["verdict"] == keys.UNDECIDED
    assert row["reason"].startswith("cnv is not shown to share anything with rna (-0.01 ± 0.05 nats)")
    # To be more likely than not is not enough: at the confidence of 0.9 it takes 1.28 standard errors.
    found = judge(pair(0.06, 0.0, 0.6, pilot=0.2), pair(0.07, 0.0, 0.6, pilot=0.2))
    assert found["verdict"].tolist() == [keys.UNDECIDED, keys.DISTIL]
    missing = judge(pair(np.nan, np.nan, np.nan, log_loss=0.4, known=0.5)).iloc[0]
    assert missing["verdict"] == keys.UNDECIDED
    assert missing["reason"].startswith("What cnv shares with rna could not be estimated")


def test_what_a_gain_needs_is_asked_of_the_training_sets_of_the_outer_splits():
    """Each of them of itself, the cohort of their means: here of I(T;Y) 0.3 and -0.2 in two, and -0.5 in the whole."""
    whole = pair(0.5, 0.2, 0.6, known=-0.5, pilot=0.2)
    first, second = (pair(0.5, 0.2, 0.6, known=each, pilot=0.2) | {"repeat": 0} for each in (0.3, -0.2))
    assert judge(first, second, whole)["verdict"].tolist() == [keys.DISTIL, keys.UNDECIDED, keys.DISTIL]
    found = judge(second, whole)
    assert found["verdict"].tolist() == [keys.UNDECIDED] * 2
    assert "(-0.20 ± 0.05 nats)" in found["reason"].iloc[1]
    # Another pair's training sets say nothing of it.
    other = first | {"teacher": "rppa"}
    assert judge(other, whole)["verdict"].tolist() == [keys.DISTIL, keys.UNDECIDED]


def test_probability_is_of_a_normal_error():
    row = judge(pair(0.5, 0.4, 0.6, se=0.1)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.8413, abs=1e-4)
    assert row["p_advantage_positive"] == row["p_benefit_positive"] == pytest.approx(0.9772, abs=1e-4)


def test_columns_are_the_contract():
    assert list(judge(pair(0.5, 0.2, 0.6)).columns) == ["repeat", "fold", *keys.VERDICT_COLUMNS]


def test_of_the_teachers_allowed_the_one_most_surely_ahead_is_chosen():
    verdicts = judge(
        pair(0.5, 0.2, 0.6, teacher="rna"),
        pair(0.6, 0.2, 0.7, teacher="rppa"),
        # The largest advantage of all, too uncertain to be allowed.
        pair(2.0, 0.2, 2.0, teacher="mirna", se=1.5),
    )
    assert choose_teachers(verdicts).to_dict("records") == [
        {"student": "cnv", "teacher": "rppa", "verdict": keys.DISTIL, "p_gap_positive": verdicts["p_gap_positive"][1]}
    ]


def test_without_a_teacher_a_doubt_is_said():
    refused = pair(0.5, 0.4, 0.2, teacher="rna")
    doubtful = pair(0.33, 0.3, 0.29, teacher="rppa")
    alone = choose_teachers(judge(refused)).iloc[0]
    assert (alone["teacher"], alone["verdict"]) == ("", keys.DO_NOT_DISTIL)
    in_doubt = choose_teachers(judge(refused, doubtful)).iloc[0]
    assert (in_doubt["teacher"], in_doubt["verdict"]) == ("", keys.UNDECIDED)
    assert in_doubt["p_gap_positive"] == pytest.approx(judge(doubtful)["p_gap_positive"][0])


def test_a_doubtful_teacher_is_the_better_guess_if_it_is_more_likely_ahead_than_not():
    ahead = pair(0.33, 0.3, 0.31, teacher="rppa")
    further = pair(0.33, 0.3, 0.32, teacher="mirna")
    behind = pair(0.33, 0.3, 0.29, teacher="methylation")
    refused = pair(0.5, 0.4, 0.2, teacher="rna")
    guess = choose_teachers(judge(refused, ahead, further, behind)).iloc[0]
    assert (guess["teacher"], guess["verdict"]) == ("mirna", keys.UNDECIDED)
    none = choose_teachers(judge(refused, behind)).iloc[0]
    assert (none["teacher"], none["verdict"]) == ("", keys.UNDECIDED)
    # A guess is none where a teacher is allowed, however large its own score.
    sure = pair(0.5, 0.2, 0.6, teacher="rna")
    assert choose_teachers(judge(sure, further)).iloc[0]["teacher"] == "rna"


def test_the_sign_of_a_gap_is_shown_by_two_estimators():
    assert [shown_sign(pair(*terms, second=second)) for terms, second in SIGNS] == [1, -1, 0, 0]
    assert shown_sign(pair(0.1, 0.4, 0.6, flags="ties;drift_dimension")) == 0
    for terms, word in (((0.5, 0.2, 0.6), "positive"), ((0.1, 0.4, 0.6), "negative"), ((0.4, 0.4, 0.6), "of no sure")):
        assert f"(the gap is {word}" in judge(pair(*terms)).iloc[0]["reason"]
    drifting = judge(pair(0.1, 0.4, 0.6, flags="ties;drift_dimension")).iloc[0]["reason"]
    assert "the gap is of no sure sign: it changes with the number of components" in drifting


# I(T;S), I(S;Y) and I(T;Y); I(T;S) by the second estimator.
SIGNS = (((0.5, 0.2, 0.6), None), ((0.1, 0.4, 0.6), None), ((0.5, 0.2, 0.6), 0.05), ((0.1, 0.4, 0.6), 0.4))


def test_what_the_estimator_says_at_zero_is_taken_off():
    row = judge(pair(0.5, 0.2, 0.6, at_zero=0.3)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.5)
    # The paper's plain rule stays what it is.
    assert row["cch_verdict"] == keys.DISTIL


def test_the_wider_of_the_two_errors_counts():
    assert judge(pair(0.5, 0.4, 0.6, se=0.1, twin_sd=0.2)).iloc[0]["p_gap_positive"] == pytest.approx(0.6915, abs=1e-4)
    assert judge(pair(0.5, 0.4, 0.6, se=0.2, twin_sd=0.1)).iloc[0]["p_gap_positive"] == pytest.approx(0.6915, abs=1e-4)


def test_without_twins_the_estimate_stands_alone():
    row = judge(pair(0.5, 0.4, 0.6, se=0.1, at_zero=np.nan, twin_sd=np.nan)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.8413, abs=1e-4)
