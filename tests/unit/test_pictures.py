"""What students predicted for test samples beside what was observed: tables, pictures, and where they are told."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_tables import DOSE, OS, SUBTYPE, write_results
from sksurv.nonparametric import kaplan_meier_estimator

from cch_omics import keys
from cch_omics.config import ReportConfig
from cch_omics.report import style
from cch_omics.report.answers import answers
from cch_omics.report.figures import outcomes
from cch_omics.report.outcome_plots import MAX_POINTS, outcome
from cch_omics.report.page import cohort_page
from cch_omics.report.results import read_results
from cch_omics.vocabulary import compared, score

N = 200
NOTHING = np.zeros(0)


def follow_ups(seed: int = 0, effect: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) logits and (N, 2) times and events, the hazard of which goes with the logits."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=N)
    time = 1500 * random.exponential(size=N) * np.exp(-effect * signal)
    return np.repeat(signal[:, None] - 1, 3, 1), np.column_stack([time, random.random(N) < 0.7]).astype(float)


TEST = np.arange(N) < 80


def test_risk_groups_are_cut_at_the_training_patients() -> None:
    outputs, values = follow_ups()
    found = OS.on_test(outputs, values, NOTHING, ~TEST, TEST)
    known = outputs[~TEST, 0]
    np.testing.assert_allclose(found["risk_quantile"], [(known < each).mean() for each in outputs[TEST, 0]])
    # Other test patients, whatever they are, move nobody to another group.
    other, others = outputs.copy(), values.copy()
    other[1:40], others[1:40] = 5.0, [1.0, 1.0]
    moved = OS.on_test(other, others, NOTHING, ~TEST, TEST)
    pd.testing.assert_frame_equal(moved.iloc[40:], found.iloc[40:])
    assert moved["risk_quantile"][0] == found["risk_quantile"][0]


def test_follow_ups_end_at_the_horizon_and_events_are_counted_beside_the_expected() -> None:
    outputs, values = follow_ups()
    found = OS.on_test(outputs, values, NOTHING, ~TEST, TEST)
    time, event = values[TEST].T
    np.testing.assert_array_equal(found["time"], np.minimum(time, OS.horizon))
    np.testing.assert_array_equal(found["event"], (event == 1) & (time <= OS.horizon))
    # A rate that is constant within each interval: the cumulative hazard is the sum over what was lived through.
    lower = np.array([0.0, *OS.edges[:-1]])
    lived = np.clip(time[:, None] - lower, 0, np.diff([0.0, *OS.edges])) / np.diff([0.0, *OS.edges])
    np.testing.assert_allclose(found["expected"], (lived * np.log1p(np.exp(outputs[TEST]))).sum(1))


def test_curves_are_those_of_the_groups_with_numbers_at_risk() -> None:
    outputs, values = follow_ups()
    table = OS.on_test(outputs, values, NOTHING, ~TEST, TEST)
    picture = OS.picture(table)
    assert picture is not None
    assert [series.name for series in picture.series] == ["low risk", "medium risk", "high risk"]
    high, part = picture.series[-1], table[table["risk_quantile"] >= 2 / 3]
    time, left = kaplan_meier_estimator(part["event"].to_numpy() == 1, part["time"].to_numpy())
    np.testing.assert_array_equal(high.x, [0, *time])
    np.testing.assert_array_equal(high.y, [1, *left])
    assert high.counts == tuple(int((part["time"] >= tick).sum()) for tick in picture.ticks)
    assert picture.ticks[0] == 0 and high.counts[0] == len(part)
    assert f"{part['event'].sum()} ({part['expected'].sum():.1f}) at high risk" in picture.said[-1]


@pytest.mark.parametrize("events", [0, 1, 29, 30])
def test_few_events_make_two_groups(events: int) -> None:
    outputs, values = follow_ups()
    table = OS.on_test(outputs, values, NOTHING, ~TEST, TEST)
    table["event"] = (np.arange(len(table)) < events).astype(int)
    picture = OS.picture(table)
    assert picture is not None
    assert len(picture.series) == (3 if events == 30 else 2)
    assert f"in {len(picture.series)} groups of risk" in picture.caption


def test_a_group_without_patients_and_a_table_without_rows() -> None:
    outputs, values = follow_ups()
    table = OS.on_test(outputs, values, NOTHING, ~TEST, TEST)
    picture = OS.picture(table.assign(risk_quantile=0.0))
    assert picture is not None and [series.name for series in picture.series] == ["low risk"]
    assert OS.picture(table.iloc[:0]) is None and DOSE.picture(pd.DataFrame(columns=["prediction", "observed"])) is None
    assert SUBTYPE.picture(pd.DataFrame()) is None
    assert len(outcome({"trained alone": picture}).axes) == 2


def test_predicted_against_observed_and_its_calibration() -> None:
    predicted = np.linspace(-1, 3, 100)
    picture = DOSE.picture(pd.DataFrame({"prediction": predicted, "observed": 0.5 * predicted - 2}))
    assert picture is not None and picture.identity
    points, means = picture.series
    np.testing.assert_allclose(points.y, 0.5 * points.x - 2)
    np.testing.assert_allclose(means.y, 0.5 * means.x - 2)
    assert "observed = -2 + 0.5 × predicted" in picture.said[0]
    constant = DOSE.picture(pd.DataFrame({"prediction": np.ones(9), "observed": np.arange(9.0)}))
    assert constant is not None and constant.said == ("All predictions are the same number.",)


def test_a_large_cohort_does_not_make_a_large_page() -> None:
    n = 20 * MAX_POINTS
    picture = DOSE.picture(pd.DataFrame({"prediction": np.arange(n), "observed": np.arange(n)}))
    assert picture is not None
    with style.style():
        text = style.svg(outcome({"alone": picture, "taught": picture}), name="x", alt="x", data=pd.DataFrame())
    assert len(text) < 200_000


@pytest.mark.parametrize("task", [SUBTYPE, DOSE, OS], ids=lambda task: task.name)
def test_the_page_shows_the_taught_student_beside_the_one_alone(tmp_path: Path, task) -> None:  # type: ignore[no-untyped-def]
    results = read_results(write_results(tmp_path / "c" / "t", ["rna", "cnv"], task))
    drawn = {each.student: list(each.said) for each in outcomes(results)}
    taught = {"rna": ["trained alone"], "cnv": ["trained alone", "soft targets from rna"]}
    assert drawn == ({} if task is SUBTYPE else taught)
    text = cohort_page(results, ReportConfig(), {})
    assert ("Survival of risk groups" in text) is (task is OS)
    assert ("Predicted against observed" in text) is (task is DOSE)
    # None is there before a result has any.
    nothing = dataclasses.replace(results, predictions=results.predictions.iloc[:0])
    assert outcomes(nothing) == []


def test_scores_are_said_in_words_and_in_their_own_unit(tmp_path: Path) -> None:
    for task, said in ((SUBTYPE, "balanced accuracy 64.7%: 9.7 points higher"), (OS, "Uno's C 0.647: 0.097 higher")):
        results = read_results(write_results(tmp_path / "c" / task.name, ["rna", "cnv"], task))
        cnv = next(answer for answer in answers(results) if answer.student == "cnv")
        assert cnv.score.startswith(f"{said} than trained alone, ")
        linear = task.baselines["linear"].title
        assert linear in cnv.score
    metric = DOSE.metrics["r2"]
    assert (score(metric, 0.5), compared(metric, 0.1), compared(metric, -0.1), compared(metric, 1e-9)) == (
        "R² 0.500", "0.100 higher", "0.100 lower", "the same",
    )  # fmt: skip


def test_columns_that_name_a_prediction_come_first() -> None:
    for task in (SUBTYPE, DOSE, OS):
        values = np.column_stack([np.ones(4), np.ones(4)]) if task is OS else np.zeros(4)
        every, decision = np.ones(4, dtype=bool), np.zeros(1 if task is DOSE else task.n_outputs)
        table = task.on_test(np.zeros((4, task.n_outputs)), values, decision, every, every)
        assert len(table) == 4 and not set(table) & set(keys.PREDICTION_COLUMNS)
