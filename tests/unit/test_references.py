"""Reference models: fold-safe, exact after the rotation, and sane where labels are few."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from cch_omics import references as module
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import ReferencesConfig, SplitsConfig
from cch_omics.models.baselines import (
    INVERSE_PENALTIES,
    MODELS,
    ROUNDS,
    References,
    fit_references,
    load_references,
    logistic_path,
    predict_path,
    save_references,
)
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.classification import balanced_accuracy


def cohort(seed: int = 0, n: int = 90, label_budget: float = 1.0) -> Cohort:
    """Three classes; `wide` has more features than samples and a few missing values, `narrow` lacks samples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=n)
    centres = 2 * rng.normal(size=(3, 120)) * (np.arange(120) < 10)
    wide = (rng.normal(size=(n, 120)) + centres[labels]).astype(np.float32)
    wide[rng.random(wide.shape) < 0.02] = np.nan
    rows = np.flatnonzero(rng.random(n) < 0.7)
    narrow = (rng.normal(size=(len(rows), 6)) + centres[labels[rows], :6]).astype(np.float32)
    labels[rng.random(n) < 0.1] = -1
    samples = np.array([f"S{i:03d}" for i in range(n)])
    return Cohort(
        name="made-up",
        target="subtype",
        samples=samples,
        groups=samples,
        sites=np.full(n, ""),
        labels=labels,
        classes=("a", "b", "c"),
        modalities={
            "wide": Modality(wide, np.array([f"w{j}" for j in range(120)]), np.arange(n)),
            "narrow": Modality(narrow, np.array([f"n{j}" for j in range(6)]), rows),
        },
        label_budget=label_budget,
    )


SPLITS = SplitsConfig(repeats=1, folds=3, inner_folds=3)


@pytest.fixture(scope="module")
def made() -> tuple[Cohort, Splits, References]:
    made = cohort()
    splits = make_splits(made, SPLITS, seed=0)
    return made, splits, fit_references(made, splits, ReferencesConfig(), seed=0)


def test_every_profiled_sample_of_an_outer_split_is_predicted(made: tuple[Cohort, Splits, References]) -> None:
    cohort, splits, references = made
    assert references.models == ("logistic", "boosting")
    assert references.logits.shape == (2, 2, len(splits.fold), len(cohort.samples), 3)
    for m, modality in enumerate(references.modalities):
        finite = np.isfinite(references.logits[:, m]).all(-1)
        assert (finite[:, : splits.whole] == cohort.profiled(modality)).all()
        assert not finite[:, splits.whole].any()
    total = np.exp(references.logits[:, 0, : splits.whole].astype(float)).sum(-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_they_learn(made: tuple[Cohort, Splits, References]) -> None:
    cohort, splits, references = made
    for r, model in enumerate(references.models):
        for s in range(splits.whole):
            for part in (splits.test[s] & cohort.labelled, splits.labelled[s]):
                assert balanced_accuracy(references.logits[r, 0, s, part], cohort.labels[part]) > 0.75, model


def test_the_training_side_does_not_see_test_samples(made: tuple[Cohort, Splits, References]) -> None:
    cohort, splits, before = made
    s = 1
    test = splits.test[s]
    rng = np.random.default_rng(9)
    modalities = {}
    for name, modality in cohort.modalities.items():
        values = modality.values.copy()
        values[test[modality.rows]] = 50 * rng.normal(size=(int(test[modality.rows].sum()), values.shape[1]))
        modalities[name] = replace(modality, values=values)
    labels = np.where(test, (cohort.labels + 1) % 3, cohort.labels)
    after = fit_references(replace(cohort, labels=labels, modalities=modalities), splits, ReferencesConfig(), seed=0)
    np.testing.assert_array_equal(before.logits[:, :, s, ~test], after.logits[:, :, s, ~test])
    assert (before.logits[:, 0, s, test] != after.logits[:, 0, s, test]).any()
    # Test labels alone change nothing at all.
    relabelled = fit_references(replace(cohort, labels=labels), splits, ReferencesConfig(), seed=0)
    np.testing.assert_array_equal(before.logits[:, :, s], relabelled.logits[:, :, s])


def test_labels_beyond_the_budget_change_nothing() -> None:
    few = cohort(label_budget=0.4)
    splits = make_splits(few, SPLITS, seed=0)
    s = 0
    hidden = splits.train[s] & ~splits.labelled[s]
    assert hidden.sum() > 20
    changed = replace(few, labels=np.where(hidden, (few.labels + 1) % 3, few.labels))
    a, b = (fit_references(each, splits, ReferencesConfig(boosting=False), seed=0) for each in (few, changed))
    np.testing.assert_array_equal(a.logits[:, :, s], b.logits[:, :, s])


def test_a_sample_is_predicted_by_a_model_that_did_not_see_it() -> None:
    # Labels mean nothing: a model that had seen a sample would know it by heart.
    rng = np.random.default_rng(4)
    noise = cohort(n=120)
    noise = replace(noise, labels=rng.permutation(np.repeat([0, 1, 2], 40)))
    splits = make_splits(noise, SPLITS, seed=0)
    logits = fit_references(noise, splits, ReferencesConfig(), seed=0).logits
    for r in range(2):
        for s in range(splits.whole):
            train = splits.train[s]
            assert balanced_accuracy(logits[r, 0, s, train], noise.labels[train]) < 0.5


def test_threads_do_not_change_the_result(made: tuple[Cohort, Splits, References]) -> None:
    cohort, splits, one = made
    seen: list[tuple[int, int]] = []
    two = fit_references(
        cohort, splits, ReferencesConfig(), seed=0, threads=2, progress=lambda d, n: seen.append((d, n))
    )
    np.testing.assert_array_equal(one.logits, two.logits)
    assert seen == [(i, 12) for i in range(1, 13)]


def test_models_can_be_left_out(made: tuple[Cohort, Splits, References]) -> None:
    cohort, splits, both = made
    only = fit_references(cohort, splits, ReferencesConfig(boosting=False), seed=0)
    assert only.models == ("logistic",)
    np.testing.assert_array_equal(only.logits[0], both.logits[0])
    none = fit_references(cohort, splits, ReferencesConfig(logistic=False, boosting=False), seed=0)
    assert none.models == () and none.logits.shape[0] == 0


def test_saved_references_are_read_back(made: tuple[Cohort, Splits, References], tmp_path: Path) -> None:
    _, _, references = made
    save_references(references, tmp_path / "references.npz")
    again = load_references(tmp_path / "references.npz")
    assert (again.models, again.modalities) == (references.models, references.modalities)
    np.testing.assert_array_equal(again.logits, references.logits)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_rotation_is_exact(n_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLERANCE", 1e-9)
    rng = np.random.default_rng(1)
    labels = np.arange(40) % n_classes
    values = (rng.normal(size=(40, 150)) + labels[:, None] * (np.arange(150) < 9)).astype(np.float32)
    new = rng.normal(size=(7, 150)).astype(np.float32)
    path = log_softmax(logistic_path(values, labels, new, 0), axis=-1)
    scale = values.std(0, dtype=np.float64) * np.sqrt(150)
    train, test = ((x - values.mean(0, dtype=np.float64)) / scale for x in (values, new))
    for step, penalty in enumerate(INVERSE_PENALTIES):
        plain = LogisticRegression(C=penalty, tol=1e-9, max_iter=5000).fit(train, labels)
        np.testing.assert_allclose(
            path[step], plain.predict_log_proba(test), rtol=1e-3, atol=1e-3, err_msg=str(penalty)
        )


def test_constant_and_unobserved_features_are_dropped() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(30) % 2
    values = (rng.normal(size=(30, 4)) + labels[:, None]).astype(np.float32)
    new = rng.normal(size=(5, 4)).astype(np.float32)
    useless = np.tile(np.array([7.3, np.nan], dtype=np.float32), (30, 1))
    surprise = np.full((5, 2), 1e6, dtype=np.float32)
    plain = logistic_path(values, labels, new, 0)
    padded = logistic_path(np.hstack([values, useless]), labels, np.hstack([new, surprise]), 0)
    np.testing.assert_allclose(padded, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_feature_with_missing_values_is_used(name: str) -> None:
    rng = np.random.default_rng(6)
    labels = np.arange(100) % 2
    values = (10 + rng.normal(size=(100, 1)) + 6 * labels[:, None]).astype(np.float32)
    values[rng.random(100) < 0.2] = np.nan
    new = np.array([[10.0], [16.0], [np.nan]], dtype=np.float32)
    p = np.exp(predict_path(MODELS[name], values, labels, new, n_classes=2, seed=0))[-1]
    assert p[0, 0] > 0.9 and p[1, 1] > 0.9
    assert 0.2 < p[2, 1] < 0.8


@pytest.mark.parametrize("name", list(MODELS))
def test_absent_classes_have_a_floor(name: str) -> None:
    rng = np.random.default_rng(3)
    new = rng.normal(size=(6, 5)).astype(np.float32)

    def predict(labels: NDArray[np.int64]) -> NDArray[np.float64]:
        values = (rng.normal(size=(len(labels), 5)) + labels[:, None]).astype(np.float32)
        return np.exp(predict_path(MODELS[name], values, labels, new, n_classes=4, seed=0))

    two = predict(np.repeat([1, 3], 10))
    assert two.shape == (MODELS[name].steps, 6, 4)
    np.testing.assert_allclose(two.sum(-1), 1)
    np.testing.assert_allclose(two[..., [0, 2]], 1 / 24)
    assert (two[..., 3].max(-1) > two[..., 3].min(-1)).all()
    one = predict(np.full(8, 2))
    np.testing.assert_allclose(one, np.broadcast_to([1 / 12, 1 / 12, 9 / 12, 1 / 12], one.shape))
    np.testing.assert_allclose(predict(np.zeros(0, dtype=np.int64)), 0.25)


def test_boosting_sees_what_a_linear_model_cannot() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 8)).astype(np.float32)
    labels = (values[:, 0] * values[:, 1] > 0).astype(np.int64)
    new = rng.normal(size=(300, 8)).astype(np.float32)
    truth = (new[:, 0] * new[:, 1] > 0).astype(np.int64)
    accuracy = {
        name: balanced_accuracy(predict_path(model, values, labels, new, n_classes=2, seed=0), truth)
        for name, model in MODELS.items()
    }
    assert accuracy["boosting"].shape == (len(ROUNDS),)
    assert accuracy["boosting"][-1] > 0.8
    assert accuracy["logistic"].max() < 0.6
