"""Survival: metrics are those of scikit-survival, likelihoods add up, errors are right, tables are read right."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sksurv.metrics import brier_score, concordance_index_ipcw, cumulative_dynamic_auc
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from cch_omics.errors import InputError
from cch_omics.tasks import make_task
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.survival import Survival, metrics, reading
from cch_omics.tasks.survival.gain import c_gain, concordance
from cch_omics.tasks.survival.hazards import (
    baseline,
    encode,
    fractions,
    interval_ends,
    life_table,
    lived,
    log_likelihood,
    risk,
    survival,
)

Floats = NDArray[np.float64]
ENDS = np.array([2.0, 5.0, 10.0])
TASK = Survival(tuple(ENDS), (0.0, 4.0), (0.0, 6.0))
NOTHING = np.zeros((2, 0))


def cohort(seed: int = 0, n: int = 200, *, ties: bool = False) -> tuple[Floats, Floats]:
    """(n, 2) follow-ups, half of them censored, and the (n,) log-hazard behind them."""
    random = np.random.default_rng(seed)
    score = random.standard_normal(n)
    death, last = random.exponential(8 * np.exp(-score)), random.exponential(8, size=n)
    values = np.column_stack([np.minimum(death, last) + 0.01, death <= last]).astype(np.float64)
    if ties:
        values[:, 0] = np.ceil(values[:, 0])
    return values, score


def structured(values: Floats) -> object:
    return Surv.from_arrays(values[:, 1] == 1, values[:, 0])


# --- Hazards ----------------------------------------------------------------------------------------------------------


def test_a_follow_up_is_encoded_by_interval() -> None:
    values = np.array([[1.0, 1], [2, 1], [3.5, 0], [7, 1], [10, 0], [12, 1], [12, 0], [np.nan, np.nan]])
    d, x = encode(ENDS, values)
    np.testing.assert_array_equal(
        d, [[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    )
    np.testing.assert_allclose(
        x, [[1, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
    )


def test_the_likelihood_is_that_of_the_distribution_of_the_event() -> None:
    """Over the intervals and beyond it sums to one, and of a censored patient it is the probability to live so long."""
    logits = np.random.default_rng(0).standard_normal((1, 3))
    hazard = expit(logits[0])
    ends = np.array([[1.0, 1], [3, 1], [9, 1], [10, 0]])
    likelihood = np.exp([float(log_likelihood(logits, *encode(ENDS, end[None]))[0]) for end in ends])
    expected = [hazard[0], (1 - hazard[0]) * hazard[1], np.prod(1 - hazard[:2]) * hazard[2], np.prod(1 - hazard)]
    np.testing.assert_allclose(likelihood, expected)
    assert likelihood.sum() == pytest.approx(1)
    times = np.array([0.5, 2.0, 3.5, 10.0])
    censored = [float(log_likelihood(logits, *encode(ENDS, np.array([[time, 0.0]])))[0]) for time in times]
    np.testing.assert_allclose(np.exp(censored), survival(logits, ENDS, times)[0])
    np.testing.assert_allclose(survival(logits, ENDS, np.array([0.0, 11.0]))[0], [1, np.prod(1 - hazard)])


def test_a_life_table_is_near_kaplan_meier() -> None:
    values, _ = cohort(n=5000)
    task = Survival.of(values)
    logits = life_table(*encode(task.ends, values))
    times, expected = kaplan_meier_estimator(values[:, 1] == 1, values[:, 0])
    at = task.ends
    np.testing.assert_allclose(
        survival(logits, at, at), expected[np.searchsorted(times, at, side="right") - 1], atol=0.01
    )
    # Finite where there is nothing to count.
    nothing = life_table(*encode(ENDS, values[:0]))
    assert np.isfinite(nothing).all() and np.isfinite(life_table(*encode(ENDS, np.array([[11.0, 0]])))).all()


def test_a_baseline_is_the_most_likely_one_for_its_scores() -> None:
    values, score = cohort(n=4000)
    d, x = encode(ENDS, values)
    b = baseline(score, d, x)
    best = log_likelihood(b + score[:, None], d, x).sum()
    for k in range(3):
        for step in (-0.1, 0.1):
            other = b + step * (np.arange(3) == k)
            assert log_likelihood(other + score[:, None], d, x).sum() < best
    np.testing.assert_allclose(baseline(score * 0, d, x), life_table(d, x), atol=0.01)
    np.testing.assert_allclose(baseline(score + 30, d, x), b - 30, atol=0.02)


def test_a_risk_is_ordered_as_the_score_and_does_not_overflow() -> None:
    score = np.array([-80.0, -1, 0, 2, 300])
    found = risk(np.array([-2.0, -3, -1]) + score[:, None])
    assert np.isfinite(found).all() and (np.diff(found) > 0).all()
    assert np.isfinite(risk(np.full((1, 3), -1e4))).all()


# --- Metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_agree_with_scikit_survival(ties: bool) -> None:
    values, score = cohort(ties=ties)
    train, test = values[:120], values[120:]
    # It refuses test times after the last training time.
    kept = test[:, 0] < train[:, 0].max()
    test, noisy = test[kept], np.random.default_rng(1).standard_normal(len(values))
    risks = np.stack([score, score + noisy, np.round(score)])[:, 120:][:, kept]
    tau = 9.0
    names = structured(train), structured(test)
    found = metrics.uno_c(risks, test, train, tau)
    np.testing.assert_allclose(found, [concordance_index_ipcw(*names, each, tau=tau)[0] for each in risks])
    found = metrics.auroc(risks, test, train, 4.0)
    np.testing.assert_allclose(found, [cumulative_dynamic_auc(*names, each, [4.0])[0][0] for each in risks])
    times = np.array([1.0, 3.5, 6.0])
    lives = survival(np.array([-1.0, -1, -1]) + risks[..., None], ENDS, times)
    found = metrics.brier(lives, test, train, times)
    np.testing.assert_allclose(found, [brier_score(*names, each, times)[1] for each in lives])


def test_all_metrics_are_there_and_right_on_what_is_known() -> None:
    values, score = cohort(n=3000)
    task = Survival.of(values)
    d, x = encode(task.ends, values)
    outputs = np.stack([baseline(score, d, x) + score[:, None], np.tile(life_table(d, x), (3000, 1))])
    found = task.evaluate(outputs, values, NOTHING, values)
    assert set(found) == set(task.metrics) and task.primary in found
    # That all are alike is calibrated too.
    assert (found.pop("d_calibration") < 0.02).all()
    for name, (known, blind) in found.items():
        assert known > blind if task.metrics[name].higher_is_better else known < blind
    assert found["uno_c"][1] == pytest.approx(0.5) and found["auroc"][1] == pytest.approx(0.5)
    np.testing.assert_allclose(found["log_likelihood"], -task.loss(outputs, values).mean(1))


def test_a_later_test_time_fails_nothing_and_changes_nothing() -> None:
    values, score = cohort()
    train, test = values[:120].copy(), values[120:].copy()
    train[:, 0] = np.minimum(train[:, 0], 8.0)
    # With an event at the end nobody is known to be censored by then, and later events would have a weight.
    train[train[:, 0] == 8, 1] = 1
    outputs = (np.array([-1.0, -1, -1]) + score[120:, None])[None]
    # Alive at the end of the training patients' follow-up, and then: an event, or much more time.
    late = np.flatnonzero(test[:, 0] > 8.0)
    assert len(late) > 3
    found = []
    for time, event in ((8.5, 0), (500.0, 1), (1e6, 0)):
        test[late] = time, event
        found.append(TASK.evaluate(outputs, test, NOTHING[:1], train))
    for name in ("uno_c", "integrated_brier", "auroc"):
        assert np.isfinite(found[0][name]).all()
        assert found[0][name] == found[1][name] == found[2][name]
    # The likelihood sees time until the horizon of the intervals, 10.
    assert found[1]["log_likelihood"] == found[2]["log_likelihood"]


def test_where_there_is_nothing_to_measure_a_metric_is_not_defined() -> None:
    values, _ = cohort(n=30)
    empty = TASK.evaluate(np.zeros((2, 0, 3)), values[:0], NOTHING, values)
    censored = TASK.evaluate(np.zeros((2, 30, 3)), values * [1, 0], NOTHING, values)
    untrained = TASK.evaluate(np.zeros((2, 30, 3)), values, NOTHING, values[:0])
    assert all(np.isnan(found["uno_c"]).all() for found in (empty, censored, untrained))
    assert np.isnan(censored["auroc"]).all() and np.isfinite(censored["log_likelihood"]).all()


def test_d_calibration_is_the_distance_of_shares_from_a_tenth_each() -> None:
    """By hand, with a censored patient spread over the tenths below; large samples of a right model are uniform."""
    survival_then = np.array([[0.95, 0.05, 0.25, 1.0]])
    died = np.array([True, True, False, False])
    shares = np.array([1 + 0.4 + 0.1, 0.4 + 0.1, 0.2 + 0.1, *[0.1] * 6, 1 + 0.1]) / 4
    expected = np.sqrt(((shares - 0.1) ** 2).mean())
    assert metrics.d_calibration(survival_then, died)[0] == pytest.approx(expected)
    worst = metrics.d_calibration(np.zeros((1, 5)), np.ones(5, dtype=bool))
    assert worst[0] == pytest.approx(metrics.WORST_SHARES)
    # Exponential times, which intervals with a constant rate describe exactly; half are censored, and at tau all.
    values, score = cohort(n=40_000)
    values[:, 0] -= 0.01
    right = np.log(np.expm1(np.diff([0.0, *ENDS]) / 8 * np.exp(score[:, None])))
    until = np.minimum(values[:, 0], 10.0)
    then = lived(np.stack([right, right + 1, 0.5 * right]), ENDS, until)
    found = metrics.d_calibration(then, (values[:, 1] == 1) & (values[:, 0] <= 10))
    assert found[0] < 0.003 and (found[1:] > 0.015).all()
    part = values[:300]
    (of_task,) = TASK.evaluate(right[None, :300], part, NOTHING[:1], part)["d_calibration"]
    of_part = metrics.d_calibration(then[:1, :300], (part[:, 1] == 1) & (part[:, 0] <= 10))
    assert of_task == pytest.approx(of_part[0])


def test_the_auroc_says_its_time_which_is_the_same_in_every_split() -> None:
    values, _ = cohort(n=400)
    task = Survival.of(values * [200, 1], unit="days")
    assert task.auroc_at in task.times and task.metrics["auroc"].title == f"AUROC at {task.auroc_at:g} days"
    early = task.trained_on(values[:100] * [20, 1])
    assert early.horizon < task.horizon and early.metrics == task.metrics
    # By hand, at that time; or at the end of what is judged, if it is earlier.
    outputs = np.random.default_rng(0).standard_normal((1, 400, task.n_outputs))
    for of, until in ((task, task.auroc_at), (early, early.horizon)):
        found = of.evaluate(outputs, values * [200, 1], NOTHING[:1], values * [200, 1])["auroc"]
        np.testing.assert_array_equal(found, metrics.auroc(risk(outputs), *[values * [200, 1]] * 2, until))


# --- The target -------------------------------------------------------------------------------------------------------


def test_intervals_end_at_quantiles_of_event_times_and_at_the_horizon() -> None:
    values, _ = cohort(n=600)
    task = Survival.of(np.vstack([values, [[np.nan, np.nan]]]))
    assert task.n_outputs == 10 and task.horizon == pytest.approx(np.quantile(values[:, 0], 0.9))
    counts = encode(task.ends, values)[0].sum(0)
    assert counts.max() - counts.min() <= 2
    few = Survival.of(cohort(n=40)[0])
    assert few.n_outputs < 4
    # All events are late: all of time is looked at.
    late = np.column_stack([np.arange(1.0, 401), np.arange(400) >= 390])
    assert Survival.of(late).horizon == 400


@pytest.mark.parametrize("ties", [False, True])
def test_a_split_has_the_intervals_of_its_training_patients_as_many_as_the_cohort(ties: bool) -> None:
    values, _ = cohort(n=600, ties=ties)
    task = Survival.of(values)
    assert task.trained_on(values) == task
    # Of nobody else, nor of the ends that the cohort has.
    some = np.vstack([values[::3], np.full((5, 2), np.nan)])
    other = replace(task, edges=tuple(3 * edge for edge in task.edges))
    trained = other.trained_on(some)
    assert trained == replace(task.trained_on(values[::3])) and trained.edges != task.edges
    assert trained.horizon == np.quantile(values[::3, 0], 0.9)
    assert (trained.strata_names, trained.n_outputs) == (task.strata_names, task.n_outputs)
    if not ties:
        counts = encode(trained.ends, values[::3])[0].sum(0)
        assert counts.max() - counts.min() <= 2
    # However few they are, or without an event: likelihoods, hazards and risks are finite.
    for few in (values[:0], values[:1], values[:4], values[values[:, 1] == 0][:50], values[:40] * [0, 1] + [5, 0]):
        trained = task.trained_on(few)
        assert trained.n_outputs == task.n_outputs and (np.diff(trained.edges) > 0).all()
        start = trained.group_targets(few, np.ones((1, len(few)), dtype=bool)).start[0]
        outputs = np.tile(start, (600, 1))
        assert np.isfinite(trained.loss(outputs, values)).all() and np.isfinite(risk(outputs)).all()
        assert np.isfinite(trained.fit_pool(outputs[: len(few), :, None], few).logits(outputs[..., None])).all()


def test_events_of_late_patients_leave_the_horizon_of_a_split_at_its_last_time() -> None:
    late = np.column_stack([np.arange(1.0, 401), np.arange(400) >= 390])
    assert Survival.of(late).trained_on(late[::2]).horizon == 399


def test_ends_of_intervals_are_event_times_and_divide_the_first_where_these_are_too_few() -> None:
    assert interval_ends(np.arange(1.0, 13), 20.0, 4) == (3, 6, 9, 20)
    assert interval_ends(np.array([1.0] * 8 + [2, 3, 4]), 5.0, 4) == (1, 2, 3, 5)
    assert interval_ends(np.array([1.0, 2, 3] + [4.0] * 8), 5.0, 4) == (2, 3, 4, 5)
    assert interval_ends(np.array([2.0, 2, 4, 30]), 5.0, 5) == (2 / 3, 4 / 3, 2, 4, 5)
    assert interval_ends(np.zeros(0), 6.0, 3) == (2, 4, 6)
    assert interval_ends(np.array([1.0, 2]), 3.0, 1) == (3,)


def test_strata_are_events_and_follow_up() -> None:
    values, _ = cohort(n=600)
    values[7] = np.nan
    task = Survival.of(values)
    strata = task.strata(values)
    assert strata[7] == -1 and len(task.strata_names) == 6 == len(set(task.strata_names))
    assert np.bincount(strata[strata >= 0]).min() > 50
    early = (values[:, 1] == 1) & (values[:, 0] <= task.horizon)
    assert (early[strata >= 0] == (strata[strata >= 0] < 3)).all()
    np.testing.assert_array_equal(task.label_points(values), strata)
    # Almost nobody is censored.
    values = cohort(n=60)[0]
    values[:, 1] = np.arange(60) > 2
    task = Survival.of(values)
    counts = np.bincount(task.strata(values))
    assert len(counts) == len(task.strata_names) == 3 and counts.min() > 15


def test_parameters_make_the_task_again() -> None:
    values, _ = cohort()
    for task in (TASK, Survival.of(values / 3, unit="months", event="2")):
        assert make_task("survival", task.parameters) == task
    for wrong in ({"edges": []}, {"edges": ["3", "2"]}, {"edges": ["0.0"]}):
        with pytest.raises(ValueError, match="do not increase"):
            make_task("survival", TASK.parameters | wrong)


def test_predictions_are_a_risk_and_probabilities_to_live() -> None:
    task = Survival((300.0, 900, 2000), unit="days")
    logits = np.array([[-2.0, -2, -2], [0, 0, 0]], dtype=np.float32)
    table = task.predictions(logits, np.zeros(0))
    assert list(table) == ["prediction", "survival_at_365", "survival_at_730", "survival_at_1095", "survival_at_1825"]
    assert table["prediction"][1] > table["prediction"][0]
    lives = table.iloc[:, 1:].to_numpy()
    assert (np.diff(lives, axis=1) < 0).all() and (lives[1] < lives[0]).all()
    np.testing.assert_allclose(lives, survival(logits.astype(float), task.ends, np.array(task.times)), rtol=1e-6)
    assert Survival((3.0, 7.0), unit="months").times == (3.5, 7.0)


# --- Learning ---------------------------------------------------------------------------------------------------------


def test_networks_start_from_the_hazards_of_their_own_samples() -> None:
    values, _ = cohort(n=60)
    values[50:] = np.nan
    members = np.zeros((3, 60), dtype=bool)
    members[0, :20] = members[1, 20:50] = True
    targets = TASK.group_targets(values, members)
    assert targets.values.shape == (3, 6, 60) and targets.values.dtype == np.float32 and targets.start.shape == (3, 3)
    for g in range(3):
        d, x = encode(ENDS, values[members[g]])
        np.testing.assert_allclose(targets.start[g], life_table(d, x), rtol=1e-6)
    d, x = encode(ENDS, values)
    np.testing.assert_allclose(targets.values[1], np.concatenate([d, x], 1).T, rtol=1e-6)
    assert not targets.values[:, :, 50:].any()


def test_the_loss_of_labels_is_minus_the_log_likelihood() -> None:
    values, _ = cohort(n=30)
    random = torch.Generator().manual_seed(0)
    output = torch.randn(2, 4, 3, 30, generator=random).double()
    weight = torch.rand(2, 30, generator=random).double()
    target = torch.as_tensor(TASK.group_targets(values, np.ones((2, 30), dtype=bool)).values.copy()).double()
    found = TASK.label_loss(output, target, weight)
    d, x = encode(ENDS, values)
    expected = -(log_likelihood(output.transpose(2, 3).numpy(), d, x) * weight[:, None].numpy()).sum(-1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_the_loss_to_soft_targets_is_the_cross_entropy_of_the_times_of_the_event() -> None:
    """Of the teacher's distribution over the intervals and beyond; at the minimum the student says what it says."""
    random = torch.Generator().manual_seed(1)
    teacher, student = torch.randn(2, 1, 1, 3, 5, generator=random).double()
    weight = torch.full((1, 1, 5), 0.2).double()

    def distribution(logits: torch.Tensor) -> torch.Tensor:
        hazard = logits[0, 0].sigmoid()
        left = torch.cumprod(1 - hazard, 0)
        return torch.cat([hazard * torch.cat([torch.ones(1, 5), left[:-1]]), left[-1:]])

    soft = TASK.soften(teacher, 1.0)
    found = TASK.soft_loss(student, soft, weight, 1.0)
    expected = -(distribution(teacher) * distribution(student).log()).sum(0).mean()
    torch.testing.assert_close(found[0, 0], expected)
    for temperature in (1.0, 3.0):
        output = teacher.clone().requires_grad_()
        loss = TASK.soft_loss(output, TASK.soften(teacher, temperature), weight, temperature)
        (gradient,) = torch.autograd.grad(loss.sum(), output)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)


# --- Pool and gain ----------------------------------------------------------------------------------------------------


def test_a_pool_of_nothing_is_the_life_table_and_one_of_an_expert_recalibrates_it() -> None:
    values, score = cohort(n=2000)
    task = Survival.of(values)
    d, x = encode(task.ends, values)
    sure = (life_table(d, x) + 5 * score[:, None])[..., None]
    blind, known = task.fit_pool(sure[..., :0], values), task.fit_pool(sure, values)
    np.testing.assert_allclose(blind.logits(sure[..., :0]), np.tile(life_table(d, x), (2000, 1)), atol=0.01)
    # Five times too sure.
    assert known.coefficients[0] == pytest.approx(0.2, abs=0.05)
    new, truth = cohort(seed=1, n=2000)
    heard = (life_table(d, x) + 5 * truth[:, None])[..., None]
    gained = known.log_likelihood(heard, new).mean() - blind.log_likelihood(heard[..., :0], new).mean()
    assert gained > 0.1
    nothing = task.fit_pool(sure[:0], values[:0])
    assert np.isfinite(nothing.log_likelihood(sure, values)).all()


def test_an_influence_is_what_leaving_a_patient_out_does() -> None:
    """To first order in 1 / n; by way of the estimate of censoring as well, without which the slope is another."""
    for ties, folds in ((False, 1), (True, 1), (False, 3)):
        values, score = cohort(seed=3, n=150, ties=ties)
        noisy, fold = score + np.random.default_rng(3).standard_normal(150), np.arange(150) % folds
        c, influence = concordance(noisy, values, fold, 12.0)
        if folds == 1:
            assert c == pytest.approx(concordance_index_ipcw(*[structured(values)] * 2, noisy, tau=12.0)[0])
        assert influence.sum() == pytest.approx(0, abs=1e-12)
        samples = [np.delete(np.arange(150), i) for i in range(150)]
        without = [concordance(noisy[rest], values[rest], fold[rest], 12.0)[0] for rest in samples]
        moved = c - np.array(without)
        slope, _ = np.polyfit(influence, moved, 1)
        assert np.corrcoef(influence, moved)[0, 1] > 0.995 and slope == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("folds", [1, 5])
def test_intervals_of_a_gain_in_c_hold_the_truth(folds: int) -> None:
    """95% intervals in 200 cohorts of 200: 90% to 99% of them, the standard error of that count being 1.5%."""

    def gain_of(seed: int, n: int) -> tuple[float, float]:
        values, score = cohort(seed=seed, n=n)
        noise = np.random.default_rng((1, seed)).standard_normal((2, n))
        usable = np.arange(n) % 5 > 0
        outputs = [(score + by * each)[:, None] - np.ones(3) for each, by in zip(noise, (1.5, 0.5), strict=True)]
        gain = TASK.gain(*outputs, outputs[0], values, usable, np.arange(n), np.arange(n) % folds)
        assert not gain.influence[~usable].any()
        return gain.value, gain.se

    truth, _ = gain_of(999, 2000)
    values, errors = np.array([gain_of(seed, 200) for seed in range(200)]).T
    covered = np.abs(values - truth) < 1.96 * errors
    assert 0.90 <= covered.mean() <= 0.99
    # In folds of 40 they are too large, never too small.
    ratio = np.sqrt((errors**2).mean()) / values.std(ddof=1)
    assert 0.85 < ratio < 1.15 if folds == 1 else 1.0 < ratio < 1.3


def test_risks_of_different_folds_are_not_compared() -> None:
    """Networks of other folds may give all their patients higher risks: nobody is ranked better or worse by that."""
    values, score = cohort(n=120)
    noisy, fold = score + np.random.default_rng(0).standard_normal(120), np.arange(120) % 4
    expected = c_gain(noisy, score, values, np.arange(120), fold, 10.0)
    shifted = c_gain(noisy + 3.0 * fold, score, values, np.arange(120), fold, 10.0)
    assert shifted.value == pytest.approx(expected.value) and shifted.se == pytest.approx(expected.se)
    apart = c_gain(noisy + 3.0 * fold, score, values, np.arange(120), np.zeros(120, dtype=np.int64), 10.0)
    assert apart.value > expected.value + 0.05


def test_a_gain_without_a_pair_is_missing_and_two_samples_of_a_patient_count_once() -> None:
    values, score = cohort(n=40)
    every, one = np.arange(40), np.zeros(40, dtype=np.int64)
    missing = c_gain(score, score, np.full((40, 2), np.nan), every, one, 10.0)
    assert np.isnan([missing.value, missing.se]).all() and not missing.influence.any()
    same = c_gain(score, score, values, every, one, 10.0)
    assert (same.value, same.se) == (0, 0)
    noisy = score + np.random.default_rng(0).standard_normal(40)
    once = c_gain(noisy, score, values, every, one, 10.0)
    twice = c_gain(*(np.repeat(each, 2, axis=0) for each in (noisy, score, values, every, one)), 10.0)
    assert twice.se == pytest.approx(once.se, rel=0.15)


# --- Reading ----------------------------------------------------------------------------------------------------------


def read(
    times: Sequence[object], events: Sequence[object], name: str = "os_time", fewest: int = 1
) -> tuple[Survival, Floats, dict[str, int]]:
    names = [f"P{i}" for i in range(len(times))]
    columns = (
        LabelColumn(
            f"table, column {column!r}",
            names,
            ["" if each is None else str(each) for each in of],
            fewest=fewest,
            name=column,
        )
        for column, of in ((name, times), ("os_event", events))
    )
    return Survival.read(*columns)


@pytest.mark.parametrize(
    ("no", "yes", "said"),
    [
        (0, 1, ""), ("0.0", "1.0", ""), (False, True, "True"), ("false", "TRUE", "TRUE"), ("1", "2", "2"),
        ("1.0", "2.0", "2.0"), ("alive", "dead", "dead"), ("Alive", "Dead", "Dead"), ("LIVING", "DECEASED", "DECEASED"),
        ("0:LIVING", "1:DECEASED", "1:DECEASED"), ("0:DiseaseFree", "1:Recurred/Progressed", "1:Recurred/Progressed"),
        ("censored", "event", "event"), ("no", "yes", "yes"), ("Disease Free", "Recurred", "Recurred"),
        ("progression_free", "Progression", "Progression"), ("0", "dead", "dead"),
    ],
)  # fmt: skip
def test_events_are_read_however_they_are_written(no: object, yes: object, said: str) -> None:
    events = [yes if i % 3 == 0 else no for i in range(40)]
    events[5] = None
    task, values, left_out = read(range(100, 140), events)
    expected = np.where(np.arange(40) % 3 == 0, 1.0, 0.0)
    known = np.arange(40) != 5
    np.testing.assert_array_equal(values[known, 1], expected[known])
    assert np.isnan(values[5]).all() and left_out == {"a time without an event or its absence": 1}
    assert task.event == said and any(said in remark for remark in task.remarks("os", values)[1:]) == bool(said)


def test_all_may_have_an_event() -> None:
    for codes in (["1"] * 40, ["2"] * 40, ["dead"] * 40):
        _, values, _ = read(range(1, 41), codes)
        assert (values[:, 1] == 1).all()


def test_a_few_times_that_are_not_above_zero_count_as_missing_and_are_named() -> None:
    times: list[object] = list(range(1, 101))
    times[3], times[4], times[5] = 0, "-12.5", None
    task, values, left_out = read(times, [i % 2 for i in range(100)])
    assert np.isnan(values[[3, 4, 5]]).all() and task.observed(values).sum() == 97
    assert left_out == {"0 of P3 as time": 1, "-12.5 of P4 as time": 1, "an event or its absence without a time": 1}


@pytest.mark.parametrize(
    ("times", "name", "unit"),
    [
        (np.linspace(30, 3000, 60), "os_time", "days"),
        (np.linspace(1, 210, 60), "os_time", "months"),
        (np.linspace(0.1, 12, 60), "os_time", "years"),
        (np.linspace(1, 60, 60), "OS_MONTHS", "months"),
        (np.linspace(0.1, 3, 60), "OS_MONTHS", "months"),
        (np.linspace(1, 90, 60), "days_to_death", "days"),
    ],
)
def test_the_unit_of_time_is_guessed_and_said(times: Floats, name: str, unit: str) -> None:
    task, values, _ = read([f"{time:.3f}" for time in times], [i % 2 for i in range(60)], name)
    assert task.unit == unit and f"seem to be {unit}" in task.remarks("os", values)[0]
    assert all(0 < time <= task.horizon for time in task.times)


def test_folds_and_strata_have_as_many_events_as_are_asked_for() -> None:
    task, values, _ = read(range(1, 81), [int(i < 9) for i in range(80)], fewest=8)
    assert np.bincount(task.strata(values)).min() >= 8
    with pytest.raises(InputError, match="9 events; expected at least 10"):
        read(range(1, 81), [int(i < 9) for i in range(80)], fewest=10)


# --- The audit --------------------------------------------------------------------------------------------------------


def test_a_summary_has_the_medians_of_kaplan_meier() -> None:
    values, _ = cohort(ties=True)
    found = Survival.of(values).summary(np.vstack([values, [[np.nan, np.nan]]]))
    assert found["n"] == 200 and found["events"] == values[:, 1].sum()
    for name, reverse in (("median_survival", False), ("median_follow_up", True)):
        times, probability = kaplan_meier_estimator(values[:, 1] == 1, values[:, 0], reverse=reverse)
        assert found[name] == times[np.flatnonzero(probability <= 0.5)[0]]
    assert np.isnan(reading.median_survival(np.column_stack([np.arange(1.0, 9), np.arange(8) < 2])))


def test_a_feature_that_gives_the_time_away_is_found() -> None:
    values, _ = cohort()
    random = np.random.default_rng(0)
    features = random.standard_normal((200, 30)).astype(np.float32)
    plain = TASK.single_feature(features, values, np.arange(200).astype(str))
    assert plain is not None and not plain.suspicious and plain.measure == "C" and abs(plain.value - 0.5) < 0.15
    features[:, 17] = values[:, 0]
    leak = TASK.single_feature(features, values, np.arange(200).astype(str))
    assert leak is not None and (leak.feature, leak.suspicious) == (17, True) and leak.value > 0.99
    assert TASK.single_feature(features[:12], values[:12], np.arange(12).astype(str)) is None


def test_a_site_where_patients_die_early_is_found() -> None:
    values, score = cohort()
    sites = np.where(score > 0.5, "A", "B")
    found = TASK.site_dependence(values, sites)
    assert found is not None and found.p_value < 0.02 and found.value > found.chance + 0.05
    chance = TASK.site_dependence(values, np.random.default_rng(0).permutation(sites))
    assert chance is not None and chance.p_value > 0.02
    assert TASK.site_dependence(values * [1, 0], sites) is None


def test_residuals_are_events_beyond_what_the_follow_up_expects() -> None:
    values, _ = cohort(ties=True)
    found = reading.martingale_residuals(values)
    assert found.sum() == pytest.approx(0) and found.max() < 1
    times = np.sort(np.unique(values[:, 0]))
    hazard = [((values[:, 0] == t) & (values[:, 1] == 1)).sum() / (values[:, 0] >= t).sum() for t in times]
    expected = values[:, 1] - np.cumsum(hazard)[np.searchsorted(times, values[:, 0])]
    np.testing.assert_allclose(found, expected)


# --- Baselines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_baselines_find_hazards_and_have_an_answer_where_there_is_little(name: str) -> None:
    values, score = cohort(n=400)
    random = np.random.default_rng(0)
    features = np.column_stack([score, random.standard_normal((400, 7))]).astype(np.float32)
    features[random.random(features.shape) < 0.05] = np.nan

    def path(*given: Any) -> Floats:
        return np.array(list(TASK.baselines[name].path(*given)))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = path(features[:300], values[:300], features[300:], 0)
    assert found.shape == (TASK.baselines[name].steps, 100, 3) and np.isfinite(found).all()
    loss = TASK.loss(found, values[300:]).mean(-1)
    blind = TASK.loss(np.tile(life_table(*encode(ENDS, values[:300])), (100, 1)), values[300:]).mean()
    assert loss.min() < blind - 0.1
    # As many events as there were are expected in each interval.
    d, x = encode(ENDS, values[:300])
    for logits in path(features[:300], values[:300], features[:300], 0):
        np.testing.assert_allclose((x * expit(logits)).sum(0), d.sum(0), rtol=0.02)
    for few in (values[:0], values[:1], values[:20] * [1, 0], np.tile(values[:1], (20, 1))):
        said = path(features[: len(few)], few, features[:5], 0)
        assert said.shape == (TASK.baselines[name].steps, 5, 3) and np.isfinite(said).all()
    assert path(features[:300], values[:300], features[:0], 0).shape == (TASK.baselines[name].steps, 0, 3)
    constant = path(np.ones((300, 2), dtype=np.float32), values[:300], np.full((5, 2), 9, dtype=np.float32), 0)
    np.testing.assert_allclose(
        constant, np.broadcast_to(life_table(*encode(ENDS, values[:300])), constant.shape), atol=0.01
    )


def test_fractions_of_intervals() -> None:
    np.testing.assert_allclose(
        fractions(ENDS, np.array([0.0, 1, 3.5, 20])), [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 1]]
    )
