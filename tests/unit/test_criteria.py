import numpy as np
import pandas as pd
import pytest

from cch_omics import keys
from cch_omics.config import CriterionConfig
from cch_omics.criteria.cch import choose_teachers, decide

SETTINGS = CriterionConfig(confidence=0.9)


def pair(teacher_student, student_label, teacher_label, *, se=0.05, teacher="rna", student="cnv"):
    gap, advantage = teacher_student - student_label, teacher_label - student_label
    values = {
        "mi_teacher_student": teacher_student,
        "mi_student_label": student_label,
        "mi_teacher_label": teacher_label,
        "gap": gap,
        "advantage": advantage,
    }
    return {
        "repeat": -1,
        "fold": -1,
        "teacher": teacher,
        "student": student,
        "estimator": "ksg-ross",
        **values,
        **{f"{name}_se": se for name in values},
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
