"""Regression: metrics agree with scikit-learn and SciPy, units are those of the target, errors are what they say."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort, scrambled
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error

from cch_omics import keys
from cch_omics.cohort import Cohort, Target
from cch_omics.config import BaselinesConfig, DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.errors import InputError
from cch_omics.evaluation.predictions import predictions_on_test
from cch_omics.models.baselines import fit_baselines
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Encoding
from cch_omics.splits import Splits, make_splits
from cch_omics.student.bundle import read_student
from cch_omics.student.make import write_students
from cch_omics.student.predict import predict
from cch_omics.tasks import TRANSFORMS, make_task
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.regression import MIN_PER_STRATUM, STRATA, Regression
from cch_omics.tasks.regression.gain import r2_gain
from cch_omics.tasks.regression.metrics import coverage
from cch_omics.tasks.regression.pool import fit_pool
from cch_omics.tasks.regression.transform import LABELS_PER_POINT, MOST_POINTS, Transform

Floats = NDArray[np.float64]
TASK = Regression()
CPU = torch.device("cpu")
# Half the width of the intervals of two models.
HALVES = np.array([[2.0], [2.0]])
EVERY_TRANSFORM = pytest.mark.parametrize("name", TRANSFORMS["regression"])


def predictions(seed: int = 0, n: int = 80) -> tuple[Floats, Floats]:
    """(2, n, 1) numbers of two models and (n,) of the target, 5 on average."""
    random = np.random.default_rng(seed)
    values = 5 + 2 * random.standard_normal(n)
    noise = random.standard_normal((2, n)) * np.array([[1.0], [3.0]])
    return (values + noise)[..., None], values


# --- Metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_agree_with_scikit_learn_and_scipy() -> None:
    outputs, values = predictions()
    found = TASK.evaluate(outputs, values, HALVES, values)
    assert set(found) == set(TASK.metrics) and TASK.primary in found
    for v, predicted in enumerate(outputs[..., 0]):
        # The mean of the labels stands in for that of the training labels.
        assert found["r2"][v] == pytest.approx(r2_score(values, predicted))
        assert found["rmse"][v] == pytest.approx(root_mean_squared_error(values, predicted))
        assert found["spearman"][v] == pytest.approx(spearmanr(values, predicted).statistic)


def test_ranks_of_equal_numbers_are_shared() -> None:
    values, predicted = np.array([1.0, 2, 2, 3, 5]), np.array([0.0, 1, 1, 1, 0])
    found = TASK.evaluate(predicted[None, :, None], values, HALVES[:1], values)["spearman"]
    assert found[0] == pytest.approx(spearmanr(values, predicted).statistic)


def test_a_model_that_knows_nothing_but_the_training_mean_has_no_r2() -> None:
    _, values = predictions()
    train = values[:50] + 1
    outputs = np.stack([np.full((80, 1), train.mean()), np.full((80, 1), values.mean())])
    found = TASK.evaluate(outputs, values, HALVES, train)
    assert found["r2"][0] == pytest.approx(0, abs=1e-12) and found["r2"][1] > 0
    assert np.isnan(found["spearman"]).all()


def test_where_there_is_nothing_to_measure_a_metric_is_not_defined() -> None:
    for found in (
        TASK.evaluate(np.zeros((2, 0, 1)), np.zeros(0), HALVES, np.arange(3.0)),
        TASK.evaluate(np.zeros((2, 3, 1)), np.full(3, 4.0), HALVES, np.full(3, 4.0)),
    ):
        assert np.isnan(found["r2"]).all() and np.isnan(found["spearman"]).all()
    assert np.isnan(TASK.evaluate(np.zeros((2, 0, 1)), np.zeros(0), HALVES, np.arange(3.0))["coverage_95"]).all()


def test_coverage_is_the_share_of_numbers_within_their_intervals() -> None:
    outputs, values = predictions()
    found = TASK.evaluate(outputs, values, HALVES, values)["coverage_95"]
    np.testing.assert_allclose(found, (np.abs(outputs[..., 0] - values) <= 2).mean(1))
    assert np.isnan(coverage(np.full(3, np.nan), np.full(3, np.nan), np.arange(3.0)))


def test_the_loss_of_a_sample_is_its_squared_error() -> None:
    outputs, values = predictions()
    found = TASK.loss(outputs, values)
    assert found.shape == (2, 80)
    np.testing.assert_allclose(found.mean(1) ** 0.5, TASK.evaluate(outputs, values, HALVES, values)["rmse"])


# --- The target -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "n_strata"), [(12, 1), (25, 2), (39, 3), (500, STRATA)])
def test_strata_are_ranges_of_equal_size(n: int, n_strata: int) -> None:
    values = np.random.default_rng(0).exponential(size=n)
    values = np.append(values, np.nan)
    task = Regression.of(values)
    strata = task.strata(values)
    assert strata[-1] == -1 and len(task.strata_names) == len(set(task.strata_names)) == n_strata
    counts = np.bincount(strata[:-1], minlength=n_strata)
    assert counts.max() - counts.min() <= 1
    # Higher numbers are in higher strata.
    assert (np.diff(strata[:-1][values[:-1].argsort()]) >= 0).all()


@pytest.mark.parametrize(
    "values", [np.repeat([0.0, 1], [20, 30]), np.repeat([0.0, 1, 2], [5, 40, 5]), np.r_[[0.0] * 25, 1, [2.0] * 24]]
)
def test_equal_numbers_share_a_stratum_and_none_has_too_few(values: Floats) -> None:
    task = Regression.of(values)
    counts = np.bincount(task.strata(values), minlength=len(task.strata_names))
    assert counts.min() >= MIN_PER_STRATUM and counts.sum() == 50
    assert all(len(set(task.strata(values[values == number]))) == 1 for number in set(values))


def test_strata_have_as_many_samples_as_folds_need() -> None:
    texts = [str(number) for number in np.random.default_rng(0).normal(size=60)]
    names = [f"P{i}" for i in range(60)]
    task, values, left_out = Regression.read(LabelColumn("made up", names, texts, fewest=25))
    assert np.bincount(task.strata(values)).tolist() == [30, 30] and left_out == {}


@pytest.mark.parametrize("code", ["-9999", "999", "-2147483648", "1e30", "-999.0"])
def test_a_number_that_stands_for_a_missing_one_is_refused(code: str) -> None:
    texts = [*map(str, range(20, 90)), code, code, code]
    column = LabelColumn("column 'age'", [f"S{number}" for number in range(len(texts))], texts, fewest=5)
    with pytest.raises(InputError, match=r"the number .* \(3 such\), while all others are between 20 and 89") as error:
        Regression.read(column)
    assert error.value.where == "column 'age', row 'S70'"


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_are_read(seed: int) -> None:
    values = np.exp(2 * np.random.default_rng(seed).standard_t(3, size=300).clip(-5, 5))
    texts = [str(round(value, 4)) for value in values]
    column = LabelColumn("made up", [str(number) for number in range(300)], texts, fewest=5)
    np.testing.assert_allclose(Regression.read(column)[1], values, atol=1e-4)


def test_parameters_make_the_task_again() -> None:
    values = np.random.default_rng(0).normal(size=100) / 3
    normal_scores = Regression.of(values, transform="rank_normal")
    for task in (Regression(), Regression.of(values), normal_scores, normal_scores.trained_on(values)):
        assert make_task("regression", task.parameters) == task
        assert all(isinstance(each, str) for part in task.parameters.values() for each in part)


def test_values_are_numbers() -> None:
    values = np.array([1.5, np.nan, -2.0])
    assert TASK.observed(values).tolist() == [True, False, True]
    np.testing.assert_array_equal(TASK.label_points(values), values)
    assert TASK.n_outputs == 1 and TASK.strata_names == ("all",)
    table = TASK.predictions(np.array([[1.25], [3.0]], dtype=np.float32), np.array([0.5]))
    assert list(table) == ["prediction", "prediction_low_95", "prediction_high_95"]
    assert table.to_numpy().tolist() == [[1.25, 0.75, 1.75], [3.0, 2.5, 3.5]]


# --- Transforms -------------------------------------------------------------------------------------------------------


def skewed(n: int = 60, seed: int = 0) -> Floats:
    return np.exp(1.5 * np.random.default_rng(seed).standard_normal(n))


@EVERY_TRANSFORM
@pytest.mark.parametrize("n", [1, 2, 3, 7, 60, 1000])
def test_a_transform_increases_and_its_inverse_takes_it_back(name: str, n: int) -> None:
    transform = Transform(name).fitted(skewed(n))
    # Far beyond the training labels as well.
    values = np.sort(np.concatenate([skewed(500, seed=1), [1e-3, 1e3]]))
    scores = transform.forward(values)
    assert (np.diff(scores) > 0).all()
    np.testing.assert_allclose(transform.inverse(scores), values, rtol=1e-9)
    assert np.isnan(transform.forward(np.array([np.nan]))).all()


def test_normal_scores_are_those_of_the_ranks() -> None:
    values = skewed(500)
    ranks = (values.argsort().argsort() + 0.5) / 500
    fitted = Transform("rank_normal").fitted(np.append(values, np.nan))
    scores, known = fitted.forward(values), np.isin(values, fitted.labels)
    np.testing.assert_allclose(scores[known], norm.ppf(ranks[known]))
    np.testing.assert_allclose(scores, norm.ppf(ranks), atol=0.4)
    np.testing.assert_allclose(scores[abs(scores) < 2], norm.ppf(ranks)[abs(scores) < 2], atol=0.1)
    assert known[[values.argmin(), values.argmax()]].all() and known.sum() == MOST_POINTS + 2
    # Few labels are not all written into the student.
    assert len(Transform("rank_normal").fitted(values[:50]).labels) == 50 // LABELS_PER_POINT + 2


def test_equal_labels_share_a_score_and_beyond_all_the_line_from_the_median_goes_on() -> None:
    values = np.array([0.0] * 60 + list(range(1, 41)))
    fitted = Transform("rank_normal").fitted(values)
    assert (np.diff(fitted.labels) > 0).all() and (np.diff(fitted.scores) > 0).all()
    assert fitted.forward(np.zeros(1)) == pytest.approx(norm.ppf((np.arange(60) + 0.5) / 100).mean())
    median = fitted.inverse(np.zeros(1))[0]
    slope = (fitted.labels[-1] - median) / fitted.scores[-1]
    assert fitted.inverse(np.array([fitted.scores[-1] + 1]))[0] == pytest.approx(40 + slope)


def test_transforms_come_from_the_labels_that_may_be_used() -> None:
    """Neither test labels nor those beyond the budget move the unit in which a split is learnt."""
    cohort = make_cohort(n=90, task="regression", label_budget=0.6)
    task = Regression.of(cohort.target.values, transform="rank_normal")
    cohort = dataclasses.replace(cohort, target=Target("score", task, cohort.target.values))
    splits = make_splits(cohort, SplitsConfig(folds=3, repeats=1, inner_folds=3), seed=0)
    fitted = [splits.task(cohort.target, s) for s in range(4)]
    assert len({each.parameters["labels"][0] for each in fitted}) > 1
    for s, each in enumerate(fitted):
        assert each.transform == Transform("rank_normal").fitted(cohort.target.values[splits.labelled[s]])
        assert splits.task(scrambled(cohort, ~splits.labelled[s]).target, s) == each
        assert splits.task(scrambled(cohort, splits.labelled[s]).target, s) != each
    with pytest.raises(ValueError, match="fitted to training labels first"):
        task.loss(np.zeros((90, 1)), cohort.target.values)


@EVERY_TRANSFORM
def test_metrics_gains_and_predictions_are_in_the_unit_of_the_target(name: str) -> None:
    values, random = skewed(), np.random.default_rng(1)
    task = Regression.of(values, transform=name).trained_on(values)
    learnt = task.transform.forward(values)
    outputs = (learnt + 0.5 * random.standard_normal((3, len(values))))[..., None]
    predicted, halves = task.transform.inverse(outputs[..., 0]), np.full((3, 1), 0.7)
    found = task.evaluate(outputs, values, halves, values)
    for v in range(3):
        assert found["r2"][v] == pytest.approx(r2_score(values, predicted[v]))
        assert found["rmse"][v] == pytest.approx(root_mean_squared_error(values, predicted[v]))
        table = task.predictions(outputs[v], halves[v])
        np.testing.assert_allclose(table["prediction"], predicted[v], rtol=1e-5)
        ends = task.transform.inverse(outputs[v] + np.array([-0.7, 0.7]))
        np.testing.assert_allclose(table[["prediction_low_95", "prediction_high_95"]], ends, rtol=1e-5, atol=1e-5)
        inside = (ends[:, 0] <= values) & (values <= ends[:, 1])
        assert found["coverage_95"][v] == pytest.approx(inside.mean())
    gain = task.gain(*outputs, values, np.ones(len(values), dtype=bool), *np.tile(np.arange(len(values)), (2, 1)))
    direct = r2_gain(*predicted, values, np.arange(len(values)))
    assert (gain.value, gain.se) == (direct.value, direct.se)
    # Choices on inner folds, and information, are in the unit of what is learnt.
    np.testing.assert_allclose(task.loss(outputs, values), (outputs[..., 0] - learnt) ** 2)
    np.testing.assert_allclose(task.label_points(values), learnt)
    np.testing.assert_allclose(
        task.fit_pool(outputs[0][..., None], values).log_likelihood(outputs[0][..., None], values),
        fit_pool(outputs[0], learnt).log_likelihood(outputs[0][..., None], learnt),
    )


SPLITS = SplitsConfig(folds=2, repeats=1, inner_folds=3)
ENCODER = EncoderConfig(units=8, components=16, max_epochs=100, dropout=0.0, weight_decay=0.0)


def encoded(cohort: Cohort, *views: str) -> tuple[Splits, dict[str, Encoding]]:
    splits = make_splits(cohort, SPLITS, seed=0)
    return splits, {view: encode(cohort, splits, view, ENCODER, seed=0, device=CPU) for view in views}


def test_what_models_learn_of_a_number_by_its_logarithm_is_what_they_learn_of_the_logarithm() -> None:
    """Students, their teachers and baselines alike."""
    plain = make_cohort(n=80, task="regression")
    numbers = plain.target.values / 4
    learnt = {}
    for name, values in (("none", numbers), ("log", np.exp(numbers))):
        target = Target("score", Regression.of(values, transform=name), values)
        cohort = dataclasses.replace(plain, target=target)
        splits, encodings = encoded(cohort, "cnv", "rna")
        taught = distil(cohort, splits, encodings, "cnv", ["rna"], DistillationConfig(), ENCODER, seed=0, device=CPU)
        linear = fit_baselines(cohort, splits, BaselinesConfig(boosting=False), seed=0)["cnv"]
        learnt[name] = np.concatenate([taught.outputs, linear.outputs])
    np.testing.assert_allclose(learnt["log"], learnt["none"], atol=1e-4)


# --- Prediction intervals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "place"), [(18, None), (19, 19), (39, 38), (100, 96)])
def test_half_an_interval_is_the_conformal_quantile_of_residuals(n: int, place: int | None) -> None:
    residuals = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    outputs = np.concatenate([residuals * (-1) ** np.arange(n), [np.nan, 1e9, 1e9]])[:, None]
    values = np.concatenate([np.zeros(n + 2), [np.nan]])
    usable = np.arange(n + 3) != n + 1  # one lacks the omics, one is beyond the budget, one has no label
    found = TASK.decision(outputs, values, usable)
    assert found.shape == (1,)
    assert np.isnan(found[0]) if place is None else found[0] == place
    assert TASK.predictions(outputs[:3], found)["prediction_low_95"].isna().all() == (place is None)


def part(cohort: Cohort, chosen: NDArray[np.bool_]) -> Cohort:
    """Some samples of a cohort."""
    place = np.cumsum(chosen) - 1
    modalities = {
        name: dataclasses.replace(each, values=each.values[chosen[each.rows]], rows=place[each.rows[chosen[each.rows]]])
        for name, each in cohort.modalities.items()
    }
    samples = cohort.samples[chosen]
    target = dataclasses.replace(cohort.target, values=cohort.target.values[chosen])
    return dataclasses.replace(
        cohort, samples=samples, groups=samples, sites=cohort.sites[chosen], target=target, modalities=modalities
    )


def covered(seed: int, folder: Path, name: str, unit: Callable[[Floats], Floats], n: int = 150) -> list[float]:
    """Coverage, among 2,000 new patients, of the intervals of the students of a cohort: taught, and alone."""
    whole = make_cohort(n=n + 2000, seed=seed, task="regression")
    first, values = np.arange(n + 2000) < n, unit(whole.target.values)
    whole = dataclasses.replace(whole, target=Target("score", Regression.of(values[first], transform=name), values))
    cohort, new = part(whole, first), part(whole, ~first)
    splits, encodings = encoded(cohort, "cnv", "rna")
    students = {"cnv": distil(cohort, splits, encodings, "cnv", ["rna"], DistillationConfig(), ENCODER, seed=0,
                              device=CPU, shuffled_controls=False)}  # fmt: skip
    teachers = pd.DataFrame(
        [{"student": "cnv", "teacher": "rna", "recipe": "soft_targets", "rule": "always", "verdict": keys.DISTIL}]
    )
    nothing = pd.DataFrame(columns=["student", "criterion"])
    on_test = predictions_on_test(cohort, splits, students, teachers)
    write_students(cohort, splits, students, teachers, nothing, nothing, nothing, nothing, on_test, folder)
    cnv = new.modalities["cnv"]
    observed, found = new.target.values[cnv.rows], []
    for place in ("cnv", "cnv/alone"):
        table = predict(read_student(folder / place), new.samples[cnv.rows], cnv.features, cnv.values)
        known = np.isfinite(observed)
        inside = table["prediction_low_95"].le(observed) & table["prediction_high_95"].ge(observed)
        found.append(float(inside[known].mean()))
    return found


@pytest.mark.parametrize(("name", "unit"), [("none", lambda y: y), ("rank_normal", lambda y: np.exp(y / 3))])
def test_intervals_of_delivered_students_hold_the_numbers_of_new_patients(
    name: str, unit: Callable[[Floats], Floats], tmp_path: Path
) -> None:
    """95% of them on average. The coverage of one cohort varies by some 3%; with residuals in sample it is 87%."""
    found = np.array([covered(seed, tmp_path / str(seed), name, unit) for seed in range(12)])
    assert (np.abs(found.mean(0) - 0.95) < 0.025).all()


# --- Learning ---------------------------------------------------------------------------------------------------------


def test_units_come_from_the_labelled_members_of_each_group_alone() -> None:
    values = np.array([1.0, 2, 3, 10, 20, np.nan, 1e9])
    members = np.array([[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0], [0] * 7], dtype=bool)
    targets = TASK.group_targets(values, members)
    assert targets.values.shape == (4, 1, 7) and targets.values.dtype == np.float32
    np.testing.assert_allclose(targets.centre, [2, 15, 1, 0])
    # A single number, or none, has no spread.
    np.testing.assert_allclose(targets.scale, [np.std([1, 2, 3]), 5, 1, 1])
    again = targets.centre[:, None] + targets.scale[:, None] * targets.values[:, 0]
    np.testing.assert_allclose(again[:, :5], np.tile(values[:5], (4, 1)), rtol=1e-5)
    assert np.isfinite(targets.values).all()


def test_losses_are_squared_errors_of_given_weights() -> None:
    random = torch.Generator().manual_seed(0)
    output, soft = torch.randn(2, 2, 3, 1, 20, generator=random)
    output.requires_grad_()
    target, weight = torch.randn(2, 1, 20, generator=random), torch.rand(2, 20, generator=random)
    soft_weight = torch.rand(2, 3, 20, generator=random)
    labels, taught = TASK.label_loss(output, target, weight), TASK.soft_loss(output, soft, soft_weight, 7.0)
    assert torch.equal(TASK.soften(soft, 7.0), soft)
    for g in range(2):
        for m in range(3):
            by_label = (weight[g] * (output[g, m, 0] - target[g, 0]) ** 2).sum()
            by_teacher = (soft_weight[g, m] * (output[g, m, 0] - soft[g, m, 0]) ** 2).sum()
            torch.testing.assert_close(labels[g, m], by_label)
            torch.testing.assert_close(taught[g, m], by_teacher)
    (gradient,) = torch.autograd.grad(labels.sum() + taught.sum(), output)
    expected = 2 * weight[:, None, None] * (output - target[:, None]) + 2 * soft_weight[:, :, None] * (output - soft)
    torch.testing.assert_close(gradient, expected.detach())


# --- Pool and gain ----------------------------------------------------------------------------------------------------


def experts(seed: int = 0, n: int = 60) -> tuple[Floats, Floats]:
    """(n, 3) numbers of three experts and (n,) of the target."""
    random = np.random.default_rng(seed)
    values = 30 + 4 * random.standard_normal(n)
    return values[:, None] + np.array([2.0, 4.0, 8.0]) * random.standard_normal((n, 3)), values


def test_the_pool_is_a_ridge_towards_the_mean_of_experts() -> None:
    outputs, values = experts()
    pool = fit_pool(outputs, values)
    standard = np.column_stack([(outputs - values.mean()) / values.std(), np.ones(60)])
    prior = np.array([1 / 3, 1 / 3, 1 / 3, 0])
    residual = (values - values.mean()) / values.std() - standard @ prior
    ridge = Ridge(alpha=pool.noise, fit_intercept=False).fit(standard, residual)
    np.testing.assert_allclose(pool.coefficients, ridge.coef_ + prior, atol=1e-4)
    # Of noise as much as the target has around it.
    left = values - pool.mean(outputs)
    assert pool.noise * values.var() == pytest.approx(left @ left / (60 - 4), rel=0.05)


def test_the_likelihood_of_a_number_is_that_of_the_predictive_normal() -> None:
    outputs, values = experts()
    pool, (new, truth) = fit_pool(outputs, values), experts(1, n=7)
    found = pool.log_likelihood(new[:, None], truth)
    for i in range(7):
        design = np.append((new[i] - pool.centre) / pool.scale, 1)
        variance = pool.noise + design @ pool.covariance @ design
        mean = pool.centre + pool.scale * design @ pool.coefficients
        assert found[i] == pytest.approx(norm.logpdf(truth[i], mean, pool.scale * np.sqrt(variance)))
    # In nats of the target's own unit, and no others.
    scaled = TASK.fit_pool(10 * outputs[:, None], 10 * values).log_likelihood(10 * new[:, None], 10 * truth)
    np.testing.assert_allclose(scaled, found - np.log(10))


def test_pools_tell_how_much_an_expert_knows() -> None:
    """I(T;Y) = -1/2 log(1 - rho^2) of a joint normal, by likelihoods of new samples with the expert and with none."""
    covariance = np.array([[1.0, 0.7], [0.7, 1.0]])
    train, test = (multivariate_normal([0, 0], covariance, seed=s).rvs(20_000) for s in (0, 1))
    known, blind = (
        TASK.fit_pool(train[:, None, :k], train[:, 1]).log_likelihood(test[:, None, :k], test[:, 1]).mean()
        for k in (1, 0)
    )
    assert known - blind == pytest.approx(-0.5 * np.log(1 - 0.7**2), abs=0.02)


def test_a_pool_of_nothing_and_a_perfect_one_are_finite() -> None:
    outputs, values = experts()
    nothing = TASK.fit_pool(outputs[:0, None], values[:0])
    assert np.isfinite(nothing.log_likelihood(outputs[:, None], values)).all()
    perfect = TASK.fit_pool(np.stack([values, values], 1)[:, None], values)
    assert np.isfinite(perfect.log_likelihood(np.stack([values, values], 1)[:, None], values)).all()
    one = TASK.fit_pool(outputs[:1, None], values[:1])
    assert np.isfinite(one.log_likelihood(outputs[:, None], values)).all()


def gain_of(seed: int, n: int, budget: float) -> tuple[float, float]:
    """A gain whose truth is 0.75 - 0.5 = 0.25, and its error, with a part of the labels."""
    random = np.random.default_rng(seed)
    y = random.standard_normal(n)
    predicted = []
    for r2 in (0.5, 0.75, 0.85):
        # With the posterior mean of y as prediction, R2 is r2.
        heard = y + np.sqrt(1 / r2 - 1) * random.standard_normal(n)
        predicted.append((50 + 10 * r2 * heard)[:, None])
    usable = random.random(n) < budget
    gain = TASK.gain(*predicted, 50 + 10 * y, usable, *np.tile(np.arange(n), (2, 1)))
    direct = r2_gain(*(each[:, 0] for each in predicted), np.where(usable, 50 + 10 * y, np.nan), np.arange(n))
    assert (gain.value, gain.se) == (direct.value, direct.se)
    return gain.value, gain.se


@pytest.mark.parametrize("budget", [1.0, 0.25])
def test_intervals_of_a_gain_in_r2_hold_the_truth(budget: float) -> None:
    """95% intervals in 200 cohorts of 200: 90% to 99% of them, the standard error of that count being 1.5%."""
    values, errors = np.array([gain_of(seed, 200, budget) for seed in range(200)]).T
    covered = np.abs(values - 0.25) < 1.96 * errors
    assert 0.90 <= covered.mean() <= 0.99
    assert values.mean() == pytest.approx(0.25, abs=0.03)
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.2)


def test_an_influence_is_what_leaving_a_patient_out_does() -> None:
    """To first order in 1 / n: the correlation of both is nearly one, with all labels and with some."""
    random = np.random.default_rng(3)
    y = random.standard_normal(150)
    predicted = [y + noise * random.standard_normal(150) for noise in (1.0, 0.6, 0.4)]
    for share in (1.0, 0.4):
        values = np.where(np.arange(150) < share * 150, y, np.nan)
        gain = r2_gain(*predicted, values, np.arange(150))
        without = [
            r2_gain(*(np.delete(each, i) for each in predicted), np.delete(values, i), np.arange(149)).value
            for i in range(150)
        ]
        moved = gain.value - np.array(without)
        slope, _ = np.polyfit(gain.influence, moved, 1)
        assert np.corrcoef(gain.influence, moved)[0, 1] > 0.99 and slope == pytest.approx(1, abs=0.1)
