import numpy as np
import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.config import CriterionConfig
from cch_omics.criteria.cch import choose_teachers, decide

SETTINGS = CriterionConfig(confidence=0.9)


def pair(
    teacher_student,
    student_label,
    teacher_label,
    *,
    second=None,
    se=0.05,
    at_zero=0.0,
    twin_sd=0.01,
    flags="",
    teacher="rna",
    student="cnv",
):
    """Estimates of a pair; `second` is I(T;S) by the second estimator, if it differs."""
    gap, advantage = teacher_student - student_label, teacher_label - student_label
    values = {
        "mi_teacher_student": teacher_student,
        "mi_student_label": student_label,
        "mi_teacher_label": teacher_label,
        "gap": gap,
        "advantage": advantage,
        "cross_check_gap": (teacher_student if second is None else second) - student_label,
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
    ("terms", "verdict", "plain", "said"),
    [
        ((0.5, 0.2, 0.6), keys.DISTIL, keys.DISTIL, "share 0.50 ± 0.05 nats, more than the 0.20"),
        ((0.1, 0.4, 0.6), keys.DO_NOT_DISTIL, keys.DO_NOT_DISTIL, "share 0.10 ± 0.05 nats, less than the 0.40"),
        ((0.5, 0.3, 0.1), keys.DO_NOT_DISTIL, keys.DISTIL, "knows 0.10 ± 0.05 nats of er_status, less than cnv"),
        ((0.5, 0.0, 0.02), keys.DO_NOT_DISTIL, keys.DISTIL, "not been shown to know anything"),
        ((0.33, 0.3, 0.6), keys.UNDECIDED, keys.DISTIL, "Too close to call"),
        ((0.6, 0.3, 0.32), keys.UNDECIDED, keys.DISTIL, "Too close to call"),
        ((np.nan, 0.3, 0.32), keys.UNDECIDED, "", "could not be estimated"),
    ],
)
def test_verdicts(terms, verdict, plain, said):
    row = judge(pair(*terms)).iloc[0]
    assert row["verdict"] == verdict
    assert row["cch_verdict"] == plain
    assert said in row["reason"]


def test_probability_is_of_a_normal_error():
    row = judge(pair(0.5, 0.4, 0.6, se=0.1)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.8413, abs=1e-4)


def test_columns_are_the_contract():
    assert list(judge(pair(0.5, 0.2, 0.6)).columns) == ["repeat", "fold", *keys.VERDICT_COLUMNS]


def test_of_the_teachers_allowed_the_largest_gap_plus_advantage_is_chosen():
    verdicts = judge(
        pair(0.5, 0.2, 0.6, teacher="rna"),
        pair(0.6, 0.2, 0.7, teacher="rppa"),
        # The largest score of all, too uncertain to be allowed.
        pair(2.0, 0.2, 2.0, teacher="mirna", se=1.5),
    )
    assert choose_teachers(verdicts).to_dict("records") == [
        {"student": "cnv", "teacher": "rppa", "verdict": keys.DISTIL, "p_gap_positive": verdicts["p_gap_positive"][1]}
    ]


def test_without_a_teacher_a_doubt_is_said():
    refused = pair(0.1, 0.4, 0.6, teacher="rna")
    doubtful = pair(0.33, 0.3, 0.6, teacher="rppa")
    alone = choose_teachers(judge(refused)).iloc[0]
    assert (alone["teacher"], alone["verdict"]) == ("", keys.DO_NOT_DISTIL)
    in_doubt = choose_teachers(judge(refused, doubtful)).iloc[0]
    assert (in_doubt["teacher"], in_doubt["verdict"]) == ("", keys.UNDECIDED)
    assert in_doubt["p_gap_positive"] == pytest.approx(judge(doubtful)["p_gap_positive"][0])


def test_two_estimators_that_disagree_decide_nothing():
    agreed, torn = judge(pair(0.5, 0.2, 0.6)).iloc[0], judge(pair(0.5, 0.2, 0.6, second=0.1)).iloc[0]
    assert agreed["verdict"] == keys.DISTIL
    assert torn["verdict"] == keys.UNDECIDED
    assert torn["reason"].startswith("The two estimators disagree")
    # Against the teacher no less than for it.
    assert judge(pair(0.1, 0.4, 0.6, second=0.5)).iloc[0]["verdict"] == keys.UNDECIDED


def test_what_the_estimator_says_at_zero_is_taken_off():
    row = judge(pair(0.5, 0.2, 0.6, at_zero=0.3)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.5)
    assert row["verdict"] == keys.UNDECIDED
    # The paper's plain rule stays what it is.
    assert row["cch_verdict"] == keys.DISTIL


def test_the_wider_of_the_two_errors_counts():
    assert judge(pair(0.5, 0.4, 0.6, se=0.1, twin_sd=0.2)).iloc[0]["p_gap_positive"] == pytest.approx(0.6915, abs=1e-4)
    assert judge(pair(0.5, 0.4, 0.6, se=0.2, twin_sd=0.1)).iloc[0]["p_gap_positive"] == pytest.approx(0.6915, abs=1e-4)


def test_without_twins_the_estimate_stands_alone():
    row = judge(pair(0.5, 0.4, 0.6, se=0.1, at_zero=np.nan, twin_sd=np.nan)).iloc[0]
    assert row["p_gap_positive"] == pytest.approx(0.8413, abs=1e-4)


def test_a_gap_that_drifts_decides_nothing_but_the_advantage_may():
    drifting = judge(pair(0.5, 0.2, 0.6, flags="ties;drift_dimension")).iloc[0]
    assert drifting["verdict"] == keys.UNDECIDED
    assert drifting["reason"].startswith("The gap changes its sign with the number of components")
    assert judge(pair(0.1, 0.4, 0.6, flags="drift_samples")).iloc[0]["verdict"] == keys.UNDECIDED
    assert judge(pair(0.5, 0.4, 0.1, flags="drift_samples")).iloc[0]["verdict"] == keys.DO_NOT_DISTIL
