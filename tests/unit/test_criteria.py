"""Every criterion of the registry, on rows of evidence made by hand."""

import re
from typing import Any

import numpy as np
import pytest
from evidence_rows import row

from cch_omics import keys
from cch_omics.verdict.criteria import CRITERIA, Criterion
from cch_omics.verdict.criteria.base import DISTIL, DO_NOT_DISTIL, UNDECIDED, by_sign
from cch_omics.verdict.criteria.pilot import PILOT

CONFIDENCE = 0.9
EVERY_CRITERION = pytest.mark.parametrize("criterion", CRITERIA.values(), ids=list(CRITERIA))
nan = float("nan")


def said(**changed: Any) -> dict[str, Any]:
    """A row as `rule` gives it to the criteria."""
    found = row(**changed)
    return found | {
        "target": "er_status",
        "confidence": CONFIDENCE,
        "pilot_gain_shown": f"{100 * found['pilot_gain']:+.1f} points of balanced accuracy",
        "pilot_power_shown": "such pilots see a gain of 2.5 with probability 80%",
        "accuracy_difference_shown": f"{100 * found['accuracy_difference']:.1f} points of balanced accuracy ahead of",
    }


def judged(name: str, **changed: Any) -> tuple[str, str]:
    """Verdict and reason."""
    criterion, made = CRITERIA[name], said(**changed)
    verdict = criterion.decide(made, CONFIDENCE)
    return verdict, criterion.reason(made, verdict)


def sentences(text: str) -> list[str]:
    """Split text at the ends of its sentences; a decimal point is none."""
    return re.split(r"(?<=[.!?]) (?=[A-Z])", text)


def test_the_registry_has_its_entries_by_name_and_no_second_spelling_of_the_verdicts() -> None:
    assert all(name == criterion.name for name, criterion in CRITERIA.items())
    without = ["cch", "cch_calibrated", "gap_output", "margin", "accuracy_difference", "always", "never"]
    assert list(CRITERIA) == ["pilot", *without]
    assert (DISTIL, DO_NOT_DISTIL, UNDECIDED) == keys.VERDICTS
    assert [name for name, criterion in CRITERIA.items() if criterion.needs_distillation] == ["pilot"]


@EVERY_CRITERION
def test_a_criterion_says_what_it_is(criterion: Criterion) -> None:
    assert criterion.meaning.endswith(".") and criterion.title
    assert criterion.probability in {"", *row()}


@EVERY_CRITERION
def test_a_reason_is_one_sentence_in_every_case(criterion: Criterion) -> None:
    cases = [{}, {"gap": -0.3, "p_gap": 0.0, "cross_check": 0.0, "pilot": -0.1, "p_gain": 0.001, "ahead": -0.05}]
    cases += [{"p_gain": 0.6, "p_gap": 0.6}, {"knows": -0.02}, {"shared": 0.01}, {"cross_check": 0.5}]
    cases += [{"gap": nan, "gap_se": nan, "p_gap": nan, "cross_check": nan, "at_zero": nan}]
    cases += [{"pilot": nan, "pilot_se": nan, "p_gain": nan}, {"ahead": nan}, {"knows": nan}, {"shared": nan}]
    cases += [{"at_zero": nan}, {"cross_check": nan}]
    for case in cases:
        made = said(**case)
        (reason,) = sentences(criterion.reason(made, criterion.decide(made, CONFIDENCE)))
        assert reason[0].isupper() or reason.startswith(("rna", "cnv"))
        assert reason.endswith(".") and not re.search(r"\bnan\b", reason)


@EVERY_CRITERION
@pytest.mark.parametrize("column", [name for name, value in row().items() if isinstance(value, float)])
def test_nothing_breaks_where_a_number_is_missing(criterion: Criterion, column: str) -> None:
    made = said() | {column: nan}
    verdict = criterion.decide(made, CONFIDENCE)
    assert verdict in keys.VERDICTS
    assert isinstance(criterion.score(made), float)
    assert criterion.reason(made, verdict)
    everything = {name: nan if isinstance(value, float) else value for name, value in said().items()}
    expected = {"always": keys.DISTIL, "never": keys.DO_NOT_DISTIL}.get(criterion.name, keys.UNDECIDED)
    assert criterion.decide(everything, CONFIDENCE) == expected


@EVERY_CRITERION
def test_a_score_is_larger_for_a_better_teacher(criterion: Criterion) -> None:
    better, worse = said(), said(gap=0.1, pilot=0.02, ahead=0.01)
    if criterion.name in {"always", "never"}:
        assert criterion.score(better) == criterion.score(worse)
    else:
        assert criterion.score(better) > criterion.score(worse)


def test_by_sign_zero_is_no_gain_and_missing_is_a_doubt() -> None:
    decide = by_sign(lambda made: made["x"])
    assert [decide({"x": x}, CONFIDENCE) for x in (0.1, 0.0, -0.1, nan)] == [
        keys.DISTIL, keys.DO_NOT_DISTIL, keys.DO_NOT_DISTIL, keys.UNDECIDED,
    ]  # fmt: skip


# pilot


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({}, keys.DISTIL, "Pilots of cnv, taught by rna, gained +10.0 points"),
        ({"p_gain": 0.9}, keys.DISTIL, "Pilots of cnv"),
        ({"p_gain": 0.89}, keys.UNDECIDED, "Too close to call: pilots of cnv, taught by rna, gained +10.0"),
        ({"p_gain": 0.09, "pilot": -0.1}, keys.DO_NOT_DISTIL, "Pilots of cnv, taught by rna, gained -10.0"),
        ({"p_gain": 0.11}, keys.UNDECIDED, "Too close to call"),
        ({"pilot": nan, "pilot_se": nan, "p_gain": nan}, keys.UNDECIDED, "No pilot could be compared"),
        # Whatever the gap says.
        ({"gap": -1.0, "p_gap": 0.0}, keys.DISTIL, "Pilots of cnv"),
        ({"gap": nan, "p_gap": nan}, keys.DISTIL, "Pilots of cnv"),
    ],
)
def test_the_pilot_decides_by_its_probability_of_a_gain(changed: dict[str, Any], verdict: str, reason: str) -> None:
    found, why = judged("pilot", **changed)
    assert found == verdict
    assert why.startswith(reason)


def test_a_pilot_without_an_error_has_no_score() -> None:
    assert PILOT.score(said(pilot=0.1, pilot_se=0.0)) == 0.1
    assert np.isnan(PILOT.score(said(pilot=0.1, pilot_se=nan)))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"knows": -0.02}, "rna predicts er_status no better than no data at all, so"),
        ({"taught_knows": -0.02}, "cnv predicts er_status no better than no data at all, so"),
        ({"taught_knows": nan}, "What cnv knows of er_status could not be estimated"),
        ({"knows": 0.0}, "rna predicts er_status no better"),
        ({"knows": nan}, "What rna knows of er_status could not be estimated"),
        ({"shared": -0.01}, "cnv is not shown to share information with rna, so"),
        # To be more likely than not is not enough: at the confidence of 0.9 it takes 1.28 standard errors.
        ({"shared": 0.06}, "cnv is not shown to share information with rna (0.06 ± 0.05 nats)"),
        ({"shared": nan}, "What cnv shares with rna could not be estimated"),
    ],
)
def test_a_gain_is_luck_where_the_teacher_knows_nothing_or_shares_nothing(changed: dict[str, Any], reason: str) -> None:
    verdict, why = judged("pilot", **changed)
    assert verdict == keys.UNDECIDED
    assert why.startswith(reason) and why.endswith("so that a gain would be luck.")
    # A loss needs no such proof.
    assert judged("pilot", p_gain=0.01, pilot=-0.1, **changed)[0] == keys.DO_NOT_DISTIL
    assert judged("pilot", p_gain=0.4, pilot=-0.01, **changed)[1].startswith("Too close to call")
    # Of a doubtful gain it is said at once if teacher or student is at chance: it is then no guess either.
    at_chance = "shared" not in changed
    assert judged("pilot", p_gain=0.6, **changed)[1].startswith(reason if at_chance else "Too close to call")
    assert PILOT.score(said(p_gain=0.6, **changed)) == (0.0 if at_chance else 0.1)
    assert PILOT.score(said(p_gain=0.4, pilot=-0.01, **changed)) == -0.01


def test_of_the_teachers_knowledge_the_better_half_of_doubt_is_enough() -> None:
    assert judged("pilot", knows=0.001, taught_knows=0.001, shared=0.07)[0] == keys.DISTIL


# cch


def test_the_papers_rule_is_the_sign_of_the_gap() -> None:
    assert judged("cch") == (
        keys.DISTIL,
        "The gap is +0.30 ± 0.05 nats: rna and cnv share 0.50 nats, cnv and er_status 0.20 nats.",
    )
    # Estimates that are zero or negative within their error are no amounts.
    none = said(gap=0.16, gap_se=0.1) | {"mi_teacher_student": 0.0, "mi_student_label": -0.16}
    unseen = "no information that the estimator sees"
    assert CRITERIA["cch"].reason(none, keys.DISTIL) == (
        f"The gap is +0.16 ± 0.10 nats, not clear of zero: rna and cnv share {unseen}, cnv and er_status {unseen}."
    )
    within = said() | {"mi_teacher_student_se": 0.3, "mi_student_label_se": 0.05}
    assert f"share {unseen}, cnv and er_status 0.20 nats." in CRITERIA["cch"].reason(within, keys.DISTIL)
    assert judged("cch", gap=-0.001)[1].startswith("The gap is zero ± 0.05 nats, not clear of zero: ")
    assert judged("cch", gap_se=nan)[1].startswith("The gap is +0.30 nats: ")
    # Without a doubt, and without a correction.
    assert judged("cch", gap=-0.001, gap_se=9.0, p_gap=0.99)[0] == keys.DO_NOT_DISTIL
    assert judged("cch", gap=0.001, at_zero=9.0)[0] == keys.DISTIL
    assert judged("cch", gap=nan) == (
        keys.UNDECIDED,
        "The gap could not be estimated: too few patients have both modalities and a label.",
    )


# cch_calibrated


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (0.95, 0.95, keys.DISTIL),
        (0.9, 0.9, keys.DISTIL),
        (0.95, 0.5, keys.UNDECIDED),
        (0.5, 0.95, keys.UNDECIDED),
        (0.05, 0.05, keys.DO_NOT_DISTIL),
        (0.05, 0.95, keys.UNDECIDED),
        (0.05, 0.2, keys.UNDECIDED),
        (0.99, nan, keys.UNDECIDED),
        (nan, 0.99, keys.UNDECIDED),
    ],
)
def test_the_calibrated_rule_needs_both_estimators(first: float, second: float, verdict: str) -> None:
    assert judged("cch_calibrated", p_gap=first, cross_check=second)[0] == verdict


def test_the_calibrated_rule_takes_off_what_the_estimator_says_at_zero() -> None:
    assert CRITERIA["cch_calibrated"].score(said(gap=0.3, at_zero=0.25)) == pytest.approx(0.05)
    reason = judged("cch_calibrated", p_gap=0.995, cross_check=0.004)[1]
    assert "more than 99% by one estimator and less than 1% by another" in reason
    assert (
        "is 97% by one estimator and not known by another" in judged("cch_calibrated", p_gap=0.97, cross_check=nan)[1]
    )


def test_without_simulations_nothing_is_calibrated_and_nothing_decided() -> None:
    verdict, reason = judged("cch_calibrated", at_zero=nan)
    assert verdict == keys.UNDECIDED
    assert reason.startswith("The gap could not be calibrated")
    assert judged("cch_calibrated", gap=nan, gap_se=nan)[1].startswith("The gap could not be estimated")


# gap_output, margin


@pytest.mark.parametrize("name", ["gap_output", "margin"])
def test_a_probability_decides_and_doubt_is_undecided(name: str) -> None:
    verdicts = [judged(name, p_gap=p)[0] for p in (0.95, 0.9, 0.6, 0.4, 0.05, nan)]
    decided = [keys.DISTIL] * 2 + [keys.UNDECIDED] * 2 + [keys.DO_NOT_DISTIL]
    assert verdicts == [*decided, keys.UNDECIDED]
    assert CRITERIA[name].score(said(gap=-0.2)) == -0.2
    assert "could not be estimated" in judged(name, gap=nan, gap_se=nan)[1]


# accuracy_difference, always, never


def test_the_difference_of_accuracies_decides_by_its_sign() -> None:
    assert judged("accuracy_difference") == (
        keys.DISTIL,
        "On held-out patients rna is 5.0 points of balanced accuracy ahead of cnv.",
    )
    assert judged("accuracy_difference", ahead=-0.01)[0] == keys.DO_NOT_DISTIL
    assert judged("accuracy_difference", ahead=nan) == (
        keys.UNDECIDED,
        "Teacher and student could not be compared: too few patients have both modalities and a label.",
    )


def test_always_and_never_read_nothing() -> None:
    assert CRITERIA["always"].decide({}, CONFIDENCE) == keys.DISTIL
    assert CRITERIA["never"].decide({}, CONFIDENCE) == keys.DO_NOT_DISTIL
    assert CRITERIA["always"].reason({}, "") == CRITERIA["never"].reason({}, "") != ""
