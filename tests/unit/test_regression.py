"""Regression: metrics agree with scikit-learn and SciPy, units are those of the target, errors are what they say."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error

from cch_omics.errors import InputError
from cch_omics.tasks import make_task
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.regression import MIN_PER_STRATUM, STRATA, Regression
from cch_omics.tasks.regression.gain import r2_gain
from cch_omics.tasks.regression.pool import fit_pool

Floats = NDArray[np.float64]
TASK = Regression()
NOTHING = np.zeros((2, 0))


def predictions(seed: int = 0, n: int = 80) -> tuple[Floats, Floats]:
    """(2, n, 1) numbers of two models and (n,) of the target, 5 on average."""
    random = np.random.default_rng(seed)
    values = 5 + 2 * random.standard_normal(n)
    noise = random.standard_normal((2, n)) * np.array([[1.0], [3.0]])
    return (values + noise)[..., None], values


# --- Metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_agree_with_scikit_learn_and_scipy() -> None:
    outputs, values = predictions()
    found = TASK.evaluate(outputs, values, NOTHING, values)
    assert set(found) == set(TASK.metrics) and TASK.primary in found
    for v, predicted in enumerate(outputs[..., 0]):
        # The mean of the labels stands in for that of the training labels.
        assert found["r2"][v] == pytest.approx(r2_score(values, predicted))
        assert found["rmse"][v] == pytest.approx(root_mean_squared_error(values, predicted))
        assert found["spearman"][v] == pytest.approx(spearmanr(values, predicted).statistic)


def test_ranks_of_equal_numbers_are_shared() -> None:
    values, predicted = np.array([1.0, 2, 2, 3, 5]), np.array([0.0, 1, 1, 1, 0])
    found = TASK.evaluate(predicted[None, :, None], values, NOTHING[:1], values)["spearman"]
    assert found[0] == pytest.approx(spearmanr(values, predicted).statistic)


def test_a_model_that_knows_nothing_but_the_training_mean_has_no_r2() -> None:
    _, values = predictions()
    train = values[:50] + 1
    outputs = np.stack([np.full((80, 1), train.mean()), np.full((80, 1), values.mean())])
    found = TASK.evaluate(outputs, values, NOTHING, train)
    assert found["r2"][0] == pytest.approx(0, abs=1e-12) and found["r2"][1] > 0
    assert np.isnan(found["spearman"]).all()


def test_where_there_is_nothing_to_measure_a_metric_is_not_defined() -> None:
    for found in (
        TASK.evaluate(np.zeros((2, 0, 1)), np.zeros(0), NOTHING, np.arange(3.0)),
        TASK.evaluate(np.zeros((2, 3, 1)), np.full(3, 4.0), NOTHING, np.full(3, 4.0)),
    ):
        assert np.isnan(found["r2"]).all() and np.isnan(found["spearman"]).all()


def test_the_loss_of_a_sample_is_its_squared_error() -> None:
    outputs, values = predictions()
    found = TASK.loss(outputs, values)
    assert found.shape == (2, 80)
    np.testing.assert_allclose(found.mean(1) ** 0.5, TASK.evaluate(outputs, values, NOTHING, values)["rmse"])


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
    for task in (Regression(), Regression.of(values)):
        assert make_task("regression", task.parameters) == task
        assert all(isinstance(edge, str) for edge in task.parameters["edges"])


def test_values_are_numbers() -> None:
    values = np.array([1.5, np.nan, -2.0])
    assert TASK.observed(values).tolist() == [True, False, True]
    np.testing.assert_array_equal(TASK.label_points(values), values)
    assert TASK.n_outputs == 1 and TASK.strata_names == ("all",)
    table = TASK.predictions(np.array([[1.25], [3.0]], dtype=np.float32), np.zeros(0))
    assert list(table) == ["prediction"] and table["prediction"].tolist() == [1.25, 3.0]
    assert TASK.decision(np.zeros((2, 1)), np.zeros(2), np.ones(2, dtype=bool)).shape == (0,)


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
    pool, (new, truth) = TASK.fit_pool(outputs[:, None], values), experts(1, n=7)
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
    gain = TASK.gain(*predicted, 50 + 10 * y, usable, np.arange(n))
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
