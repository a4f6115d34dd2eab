"""Metrics agree with scikit-learn; class offsets do what their docstring promises."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from cch_omics.tasks import classification
from cch_omics.tasks.classification import METRICS, class_offsets, decide, evaluate


def predictions(seed: int, n: int = 120, n_classes: int = 4) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    logits = rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    return logits, labels


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [2, 5])
def test_metrics_agree_with_scikit_learn(seed: int, n_classes: int) -> None:
    logits, labels = predictions(seed, n_classes=n_classes)
    p = probabilities(logits)
    called = logits.argmax(-1)
    expected = {
        "balanced_accuracy": reference.balanced_accuracy_score(labels, called),
        "macro_f1": reference.f1_score(labels, called, average="macro"),
        "auroc": reference.roc_auc_score(labels, p if n_classes > 2 else p[:, 1], multi_class="ovr"),
        "log_loss": reference.log_loss(labels, p),
    }
    for name, value in expected.items():
        assert METRICS[name].function(logits, labels) == pytest.approx(value, abs=1e-12), name


def test_an_absent_class_is_left_out_of_the_means() -> None:
    logits, labels = predictions(0)
    keep = labels != 2
    logits, labels = logits[keep], labels[keep]
    called = logits.argmax(-1)
    assert (called == 2).any()
    recall = [(called[labels == c] == c).mean() for c in (0, 1, 3)]
    f1 = reference.f1_score(labels, called, average="macro", labels=[0, 1, 3])
    area = [reference.roc_auc_score(labels == c, probabilities(logits)[:, c]) for c in (0, 1, 3)]
    assert classification.balanced_accuracy(logits, labels) == pytest.approx(np.mean(recall))
    assert classification.macro_f1(logits, labels) == pytest.approx(f1)
    assert classification.auroc(logits, labels) == pytest.approx(np.mean(area))


def test_one_class_has_no_roc_curve_and_no_samples_have_no_metric() -> None:
    logits = np.zeros((3, 2))
    assert np.isnan(classification.auroc(logits, np.zeros(3, dtype=np.int64)))
    for name, metric in METRICS.items():
        assert np.isnan(metric.function(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))), name


def test_a_batch_is_its_members() -> None:
    logits, labels = predictions(1)
    batch = np.stack([[logits, -logits, np.roll(logits, 1, axis=0)]])  # (1, 3, n, C)
    for name, metric in METRICS.items():
        each = [metric.function(member, labels) for member in batch[0]]
        np.testing.assert_allclose(metric.function(batch, labels), [each], rtol=1e-12, err_msg=name)


def test_calibration_error_by_hand() -> None:
    # Confidence 0.9 four times, three right: 4/5 * |0.75 - 0.9|; confidence 0.6 once, right: 1/5 * |1 - 0.6|. In one
    # bin too bold and too timid would cancel.
    p = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    labels = np.array([0, 0, 0, 1, 0])
    value = classification.expected_calibration_error(np.log(p), labels)
    assert value == pytest.approx(0.8 * 0.15 + 0.2 * 0.4)


def test_certain_predictions_are_scored_without_overflow() -> None:
    logits = np.array([[900.0, 0.0, 0.0], [800.0, 0.0, 0.0], [0.0, 700.0, 0.0]])
    labels = np.array([0, 1, 1])
    assert classification.log_loss(logits, labels) == pytest.approx(800 / 3)
    # Both first samples have probability one of class 0, yet the order between them is not lost.
    assert classification.auroc(logits, labels) == pytest.approx(1.0)


def imbalanced(seed: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Calibrated log-posteriors of two Gaussians, 85% and 15%."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.15).astype(np.int64)
    x = rng.normal(size=n) + 1.5 * labels
    return np.stack([np.full(n, np.log(0.85)), np.log(0.15) + 1.5 * x - 1.125], axis=-1), labels


def test_offsets_of_calibrated_predictions_are_the_optimum_of_balanced_accuracy() -> None:
    logits, labels = imbalanced(0, 20_000)
    offsets = class_offsets(logits, labels, np.ones(len(labels), dtype=bool))
    assert offsets == pytest.approx(-np.log([0.85, 0.15]), rel=0.25)
    test, truth = imbalanced(1, 20_000)
    best = 0.7734  # Phi(0.75): the threshold half-way between the two means
    assert classification.balanced_accuracy(test + offsets, truth) == pytest.approx(best, abs=0.01)
    assert classification.balanced_accuracy(test, truth) < best - 0.1
    assert (decide(test, offsets) == 1).mean() > (decide(test, np.zeros(2)) == 1).mean()


def test_offsets_see_usable_labelled_finite_samples_only() -> None:
    logits, labels = imbalanced(2, 300)
    usable = np.arange(300) < 200
    expected = class_offsets(logits[:200], labels[:200], np.ones(200, dtype=bool))
    logits[200:] *= -5
    labels = labels.copy()
    labels[200:] = 1 - labels[200:]
    np.testing.assert_array_equal(class_offsets(logits, labels, usable), expected)
    extra = np.concatenate([logits[:200], [[np.nan, np.nan], [3.0, -3.0]]])
    np.testing.assert_array_equal(
        class_offsets(extra, np.append(labels[:200], [0, -1]), np.ones(202, dtype=bool)), expected
    )


def test_few_samples_of_a_class_leave_tau_at_one() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [60, 3])
    for _ in range(20):
        logits = rng.normal(size=(63, 2)) * 3
        prior = probabilities(logits).mean(0)
        np.testing.assert_allclose(class_offsets(logits, labels, np.ones(63, dtype=bool)), -np.log(prior))


def test_bold_predictions_move_tau() -> None:
    # Four times too bold: offsets have to be four times as large, beyond the grid, so its end is taken.
    logits, labels = imbalanced(4, 5000)
    usable = np.ones(len(labels), dtype=bool)
    offsets = class_offsets(4 * logits, labels, usable)
    prior = probabilities(4 * logits).mean(0)
    np.testing.assert_allclose(offsets, -1.5 * np.log(prior))


def test_a_class_that_was_never_seen_is_not_favoured() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, size=80)
    logits = np.concatenate([np.eye(2)[labels] * 2, np.full((80, 1), -6.0)], axis=-1)
    offsets = class_offsets(logits, labels, np.ones(80, dtype=bool))
    assert offsets[2] == offsets[:2].min()
    assert not class_offsets(logits, labels, np.zeros(80, dtype=bool)).any()


def test_offsets_touch_decisions_and_leave_probabilities_alone() -> None:
    logits, labels = predictions(6)
    plain, shifted = (evaluate(logits, labels, offsets) for offsets in (np.zeros(4), np.array([9.0, 0, 0, 0])))
    for name, metric in METRICS.items():
        assert (plain[name] != shifted[name]) == metric.decides, name
