"""Baselines: fold-safe, exact after the rotation, and sane where labels are few."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
from cohorts import make_cohort, scrambled
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig, SplitsConfig
from cch_omics.models.baselines import fit_baselines, fit_fold
from cch_omics.models.out_of_fold import Model, OutOfFold
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.base import Baseline, Task
from cch_omics.tasks.boosting import ROUNDS
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.classification import baselines as of_classes
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.regression.baselines import PENALTIES, ridge_path

SPLITS = SplitsConfig(repeats=1, folds=2, inner_folds=3)
BOTH = BaselinesConfig()
LINEAR = BaselinesConfig(boosting=False)


@dataclasses.dataclass
class Made:
    cohort: Cohort
    splits: Splits
    fitted: dict[str, OutOfFold]

    def fit(
        self, cohort: Cohort | None = None, settings: BaselinesConfig = BOTH, **options: Any
    ) -> dict[str, OutOfFold]:
        return fit_baselines(cohort or self.cohort, self.splits, settings, seed=0, **options)


def make(task: str, **options: Any) -> Made:
    cohort = make_cohort(task=task, **options)
    # One modality that all samples have, with more features than samples; one that some lack, with missing values.
    wide = dataclasses.replace(cohort.modalities["rna"], values=np.tile(cohort.modalities["rna"].values, (1, 3)))
    cohort = dataclasses.replace(cohort, modalities={"rna": wide, "cnv": cohort.modalities["cnv"]})
    return Made(cohort, make_splits(cohort, SPLITS, seed=0), {})


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def made(request: pytest.FixtureRequest) -> Made:
    made = make(request.param)
    made.fitted = made.fit()
    return made


def test_every_profiled_sample_of_an_outer_split_is_predicted(made: Made) -> None:
    splits, task = made.splits, made.cohort.target.task
    assert set(made.fitted) == {"rna", "cnv"}
    for modality, fitted in made.fitted.items():
        assert fitted.models == (Model("linear"), Model("boosting")) and fitted.networks == ()
        assert fitted.outputs.shape == (2, len(splits.fold), 90, task.n_outputs)
        finite = np.isfinite(fitted.outputs).all(-1)
        assert (finite[:, : splits.full] == made.cohort.profiled(modality)).all()
        assert not finite[:, splits.full].any()


def test_they_learn(made: Made) -> None:
    target, task = made.cohort.target, made.cohort.target.task
    for model in (Model("linear"), Model("boosting")):
        for s in range(made.splits.full):
            train = target.values[made.splits.labelled[s]]
            for part in (made.splits.test[s] & target.observed, made.splits.labelled[s]):
                outputs = made.fitted["rna"].of(model)[s, part]
                decision = np.zeros((1, 0 if task.name == "survival" else task.n_outputs))
                score = task.evaluate(outputs[None], target.values[part], decision, train)[task.primary]
                assert score[0] > {"classification": 0.7, "regression": 0.35, "survival": 0.57}[task.name], (model, s)


def test_the_training_side_does_not_see_test_samples(made: Made) -> None:
    s = 1
    test = made.splits.test[s]
    after = made.fit(scrambled(made.cohort, test))
    relabelled = made.fit(scrambled(made.cohort, test, values=False))
    for modality, before in made.fitted.items():
        np.testing.assert_array_equal(before.outputs[:, s, ~test], after[modality].outputs[:, s, ~test])
        assert (before.outputs[:, s, test] != after[modality].outputs[:, s, test]).any((1, 2)).all()
        # Test labels alone change nothing at all.
        np.testing.assert_array_equal(before.outputs[:, s], relabelled[modality].outputs[:, s])


def test_labels_beyond_the_budget_change_nothing() -> None:
    for task in ("classification", "regression", "survival"):
        made, s = make(task, label_budget=0.4), 0
        hidden = made.splits.train[s] & ~made.splits.labelled[s]
        assert hidden.sum() > 15
        one, other = (
            made.fit(each, LINEAR)["rna"].outputs
            for each in (made.cohort, scrambled(made.cohort, hidden, values=False))
        )
        np.testing.assert_array_equal(one[:, s], other[:, s])


def whole_path(baseline: Baseline, *given: Any) -> np.ndarray:
    """(steps, m, C) outputs."""
    return np.stack(list(baseline.path(*given)))


class Remembering:
    """A baseline whose second step knows training labels by heart and says nothing of others; the first says 1."""

    strata_names = ()

    def __init__(self, task: Task) -> None:
        self.task, self.calls = task, list[tuple[Any, ...]]()

    @property
    def baselines(self) -> dict[str, Baseline]:
        return {"linear": Baseline("made up", self.path, 2, "math")}

    def path(self, values: Any, target: Any, predicted: Any, seed: int) -> Any:
        self.calls.append((values[:, 0], target, predicted[:, 0]))
        known = dict(zip(values[:, 0].tolist(), target.tolist(), strict=True))
        by_heart = [known.get(value, 99.0) for value in predicted[:, 0].tolist()]
        return np.stack([np.ones(len(predicted)), by_heart])[..., None]

    def loss(self, outputs: Any, values: Any) -> Any:
        return self.task.loss(outputs, values)

    n_outputs = 1


def test_the_step_is_chosen_on_inner_folds_that_a_model_did_not_see() -> None:
    values, target = np.arange(12, dtype=np.float32)[:, None], np.linspace(0, 2, 12)
    inner = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, -1, -1, -1])
    usable = np.array([True, True, False] * 3 + [False] * 3)
    task = Remembering(Regression())
    outputs = fit_fold(task, "linear", values, target, inner, usable, 0)  # type: ignore[arg-type]
    assert (outputs == 1).all()
    for k, (trained, labels, predicted) in enumerate(task.calls):
        members = usable & (inner != k) if k < 3 else usable
        np.testing.assert_array_equal(trained, values[members, 0])
        np.testing.assert_array_equal(labels, target[members])
        np.testing.assert_array_equal(predicted, values[inner == (k if k < 3 else -1), 0])


def test_a_path_is_followed_no_further_than_the_held_out_loss_falls() -> None:
    asked: list[int] = []

    class Turning(Remembering):
        def path(self, values: Any, target: Any, predicted: Any, seed: int) -> Any:
            for step, said in enumerate((3.0, 1.0, 2.0, 1.0)):
                asked.append(step)
                yield np.full((len(predicted), 1), said)

    inner = np.array([0, 1] * 4 + [-1] * 2)
    values, target, usable = np.zeros((10, 1), dtype=np.float32), np.ones(10), inner >= 0
    outputs = fit_fold(Turning(Regression()), "linear", values, target, inner, usable, 0)  # type: ignore[arg-type]
    assert (outputs == 1).all()
    # Both inner folds until the loss rises, and the whole until the step that was chosen.
    assert asked == [0, 0, 1, 1, 2, 2, 0, 1]


def test_meaningless_labels_are_not_predicted() -> None:
    """A model that had seen a sample would know it by heart."""
    for task in ("classification", "regression", "survival"):
        made = make(task, n=120, permuted=True)
        target, fitted = made.cohort.target, made.fit()["rna"]
        for s in range(made.splits.full):
            part = made.splits.labelled[s]
            decisions = np.zeros((2, 0 if task == "survival" else target.task.n_outputs))
            found = target.task.evaluate(
                fitted.outputs[:, s, part], target.values[part], decisions, target.values[part]
            )
            most = {"classification": 0.5, "regression": 0.1, "survival": 0.65}[task]
            assert (found[target.task.primary] < most).all()


def test_threads_do_not_change_the_result(made: Made) -> None:
    seen: list[tuple[int, int]] = []
    two = made.fit(threads=2, progress=lambda done, total: seen.append((done, total)))
    for modality, one in made.fitted.items():
        np.testing.assert_array_equal(one.outputs, two[modality].outputs)
    assert seen == [(i, 8) for i in range(1, 9)]


def test_models_can_be_left_out(made: Made) -> None:
    only = made.fit(settings=LINEAR)["rna"]
    assert only.models == (Model("linear"),)
    np.testing.assert_array_equal(only.outputs[0], made.fitted["rna"].outputs[0])
    none = made.fit(settings=BaselinesConfig(linear=False, boosting=False))["rna"]
    assert none.models == () and none.outputs.shape[0] == 0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_rotation_of_logistic_regression_is_exact(n_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_classes, "TOLERANCE", 1e-9)
    values, new, labels, train, test = wide(n_classes)
    path = log_softmax(np.stack(list(of_classes.logistic_path(values, labels, new, 0))), axis=-1)
    for step, penalty in enumerate(of_classes.INVERSE_PENALTIES):
        plain = LogisticRegression(C=penalty, tol=1e-9, max_iter=5000).fit(train, labels)
        np.testing.assert_allclose(
            path[step], plain.predict_log_proba(test), rtol=1e-3, atol=1e-3, err_msg=str(penalty)
        )


def test_the_rotation_of_ridge_regression_is_exact() -> None:
    values, new, labels, train, test = wide(3)
    target = 100 + 3.0 * labels + values[:, 0]
    path = np.stack(list(ridge_path(values, target, new, 0)))
    for step, penalty in enumerate(PENALTIES):
        plain = Ridge(alpha=penalty).fit(train, target)
        np.testing.assert_allclose(path[step, :, 0], plain.predict(test), rtol=1e-6, err_msg=str(penalty))


def wide(n_classes: int) -> tuple[np.ndarray, ...]:
    """More features than samples, raw and standardised."""
    random = np.random.default_rng(1)
    labels = np.arange(40) % n_classes
    values = (random.normal(size=(40, 150)) + labels[:, None] * (np.arange(150) < 9)).astype(np.float32)
    new = random.normal(size=(7, 150)).astype(np.float32)
    scale = values.std(0, dtype=np.float64) * np.sqrt(150)
    train, test = ((x - values.mean(0, dtype=np.float64)) / scale for x in (values, new))
    return values, new, labels, train, test


TASKS: list[Task] = [Classification(("a", "b")), Regression()]
BASELINES = [(task, name) for task in TASKS for name in ("linear", "boosting")]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_constant_and_unobserved_features_are_dropped(task: Task) -> None:
    random = np.random.default_rng(2)
    labels = np.arange(30.0) % 2
    values = (random.normal(size=(30, 4)) + labels[:, None]).astype(np.float32)
    new = random.normal(size=(5, 4)).astype(np.float32)
    useless = np.tile(np.array([7.3, np.nan], dtype=np.float32), (30, 1))
    surprise = np.full((5, 2), 1e6, dtype=np.float32)
    path = partial(whole_path, task.baselines["linear"])
    plain = path(values, labels, new, 0)
    padded = path(np.hstack([values, useless]), labels, np.hstack([new, surprise]), 0)
    np.testing.assert_allclose(padded, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_gene_that_only_a_new_patient_expresses_is_one_among_others(task: Task) -> None:
    random = np.random.default_rng(2)
    labels = np.arange(60.0) % 2
    values = (random.normal(size=(60, 40)) + labels[:, None] * (np.arange(40) < 5)).astype(np.float32)
    values[:, -1] *= 0.001
    path = partial(whole_path, task.baselines["linear"])
    without, with_it, far = (values[:2].copy() for _ in range(3))
    without[0, -1], with_it[0, -1], far[0, -1] = 0, 10, 1e6
    said = [path(values, labels, new, 0) for new in (without, with_it, far)]
    np.testing.assert_array_equal(said[1], said[2])
    np.testing.assert_allclose(said[1][:, 1], said[0][:, 1], atol=1e-6)
    # Standardised without a bound it is 10,000, and a prediction beyond 100.
    assert 0 < np.abs(said[1][:3, 0] - said[0][:3, 0]).max() < 1


@pytest.mark.parametrize(("task", "name"), BASELINES)
def test_without_a_feature_that_varies_labels_are_all_there_is(task: Task, name: str) -> None:
    labels = np.repeat([0.0, 1.0], [24, 8])
    values = np.tile(np.array([7.3, np.nan], dtype=np.float32), (32, 1))
    said = whole_path(task.baselines[name], values, labels, np.full((5, 2), 1e6, dtype=np.float32), 0)
    one = np.exp(said[..., 1]) if task.n_outputs > 1 else said[..., 0]
    np.testing.assert_allclose(one, 0.25, atol=0.01)


@pytest.mark.parametrize(("task", "name"), BASELINES)
def test_a_feature_with_missing_values_is_used(task: Task, name: str) -> None:
    random = np.random.default_rng(6)
    labels = np.arange(100.0) % 2
    values = (10 + random.normal(size=(100, 1)) + 6 * labels[:, None]).astype(np.float32)
    values[random.random(100) < 0.2] = np.nan
    new = np.array([[10.0], [16.0], [np.nan]], dtype=np.float32)
    said = whole_path(task.baselines[name], values, labels, new, 0)[-1]
    one = np.exp(said[:, 1]) if task.n_outputs > 1 else said[:, 0]
    assert one[0] < 0.15 and one[1] > 0.85 and 0.2 < one[2] < 0.8


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_absent_classes_have_a_floor(name: str) -> None:
    random = np.random.default_rng(3)
    new = random.normal(size=(6, 5)).astype(np.float32)
    baseline = Classification(("a", "b", "c", "d")).baselines[name]

    def predict(labels: np.ndarray) -> np.ndarray:
        values = (random.normal(size=(len(labels), 5)) + labels[:, None]).astype(np.float32)
        return np.exp(whole_path(baseline, values, labels.astype(float), new, 0))

    two = predict(np.repeat([1, 3], 10))
    assert two.shape == (baseline.steps, 6, 4)
    np.testing.assert_allclose(two.sum(-1), 1)
    np.testing.assert_allclose(two[..., [0, 2]], 1 / 24)
    assert (two[..., 3].max(-1) > two[..., 3].min(-1)).all()
    one = predict(np.full(8, 2))
    np.testing.assert_allclose(one, np.broadcast_to([1 / 12, 1 / 12, 9 / 12, 1 / 12], one.shape))
    np.testing.assert_allclose(predict(np.zeros(0)), 0.25)


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_numbers_have_an_answer_where_there_is_little_to_learn_from(name: str) -> None:
    random = np.random.default_rng(3)
    new, baseline = random.normal(size=(6, 5)).astype(np.float32), Regression().baselines[name]

    def predict(target: np.ndarray) -> np.ndarray:
        values = random.normal(size=(len(target), 5)).astype(np.float32)
        return whole_path(baseline, values, target, new, 0)

    assert predict(np.zeros(0)).shape == (baseline.steps, 6, 1)
    np.testing.assert_allclose(predict(np.array([3.0])), 3)
    np.testing.assert_allclose(predict(np.full(30, 3.0)), 3)
    empty = whole_path(baseline, new, np.arange(6.0), new[:0], 0)
    assert empty.shape == (baseline.steps, 0, 1)


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_numbers_are_in_the_unit_of_the_target(name: str) -> None:
    random = np.random.default_rng(7)
    values, new = (random.normal(size=(n, 4)).astype(np.float32) for n in (60, 9))
    target, path = values @ np.arange(4.0), partial(whole_path, Regression().baselines[name])
    expected = 1e6 + 1e4 * path(values, target, new, 0)
    np.testing.assert_allclose(path(values, 1e6 + 1e4 * target, new, 0), expected, atol=1.0)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_boosting_sees_what_a_linear_model_cannot(task: Task) -> None:
    random = np.random.default_rng(5)
    values, new = (random.normal(size=(n, 8)).astype(np.float32) for n in (400, 300))
    labels, truth = ((each[:, 0] * each[:, 1] > 0).astype(float) for each in (values, new))
    boosted, linear = (
        task.loss(whole_path(task.baselines[name], values, labels, new, 0), truth).mean(-1)
        for name in ("boosting", "linear")
    )
    assert boosted.shape == (len(ROUNDS),)
    # Of a fair coin: log 2 or 1 / 4.
    coin = np.log(2) if task.name == "classification" else 0.25
    assert boosted[-1] < 0.75 * coin and linear.min() > 0.95 * coin
