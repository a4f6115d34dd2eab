"""Classification: metrics agree with scikit-learn, losses with PyTorch; the logit adjustment does what it promises."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as reference
from torch.nn.functional import cross_entropy, kl_div, one_hot

from cch_omics.errors import InputError
from cch_omics.tasks import make_task
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.classification import Classification, metrics
from cch_omics.tasks.classification.logit_adjustment import logit_adjustment

METRICS = {name: getattr(metrics, name) for name in Classification.metrics}
TASK = Classification(("a", "b", "c"))


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
        assert METRICS[name](logits, labels) == pytest.approx(value, abs=1e-12), name


def test_an_absent_class_is_left_out_of_the_means() -> None:
    logits, labels = predictions(0)
    keep = labels != 2
    logits, labels = logits[keep], labels[keep]
    called = logits.argmax(-1)
    assert (called == 2).any()
    recall = [(called[labels == c] == c).mean() for c in (0, 1, 3)]
    f1 = reference.f1_score(labels, called, average="macro", labels=[0, 1, 3])
    area = [reference.roc_auc_score(labels == c, probabilities(logits)[:, c]) for c in (0, 1, 3)]
    assert metrics.balanced_accuracy(logits, labels) == pytest.approx(np.mean(recall))
    assert metrics.macro_f1(logits, labels) == pytest.approx(f1)
    assert metrics.auroc(logits, labels) == pytest.approx(np.mean(area))


def test_one_class_has_no_roc_curve_and_no_samples_have_no_metric() -> None:
    logits = np.zeros((3, 2))
    assert np.isnan(metrics.auroc(logits, np.zeros(3, dtype=np.int64)))
    for name, metric in METRICS.items():
        assert np.isnan(metric(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))), name


def test_a_batch_is_its_members() -> None:
    logits, labels = predictions(1)
    batch = np.stack([[logits, -logits, np.roll(logits, 1, axis=0)]])  # (1, 3, n, C)
    for name, metric in METRICS.items():
        each = [metric(member, labels) for member in batch[0]]
        np.testing.assert_allclose(metric(batch, labels), [each], rtol=1e-12, err_msg=name)


def test_calibration_error_by_hand() -> None:
    # Confidence 0.9 four times, three right: 4/5 * |0.75 - 0.9|; confidence 0.6 once, right: 1/5 * |1 - 0.6|. In one
    # bin too bold and too timid would cancel.
    p = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    labels = np.array([0, 0, 0, 1, 0])
    value = metrics.expected_calibration_error(np.log(p), labels)
    assert value == pytest.approx(0.8 * 0.15 + 0.2 * 0.4)


def test_certain_predictions_are_scored_without_overflow() -> None:
    logits = np.array([[900.0, 0.0, 0.0], [800.0, 0.0, 0.0], [0.0, 700.0, 0.0]])
    labels = np.array([0, 1, 1])
    assert metrics.log_loss(logits, labels) == pytest.approx(800 / 3)
    # Both first samples have probability one of class 0, yet the order between them is not lost.
    assert metrics.auroc(logits, labels) == pytest.approx(1.0)


def imbalanced(seed: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Calibrated log-posteriors of two Gaussians, 85% and 15%."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.15).astype(np.int64)
    x = rng.normal(size=n) + 1.5 * labels
    return np.stack([np.full(n, np.log(0.85)), np.log(0.15) + 1.5 * x - 1.125], axis=-1), labels


def test_adjustments_of_calibrated_predictions_are_the_optimum_of_balanced_accuracy() -> None:
    logits, labels = imbalanced(0, 20_000)
    adjustment = logit_adjustment(logits, labels, np.ones(len(labels), dtype=bool))
    assert adjustment == pytest.approx(-np.log([0.85, 0.15]), rel=0.25)
    test, truth = imbalanced(1, 20_000)
    best = 0.7734  # Phi(0.75): the threshold half-way between the two means
    assert metrics.balanced_accuracy(test + adjustment, truth) == pytest.approx(best, abs=0.01)
    assert metrics.balanced_accuracy(test, truth) < best - 0.1
    assert ((test + adjustment).argmax(1) == 1).mean() > (test.argmax(1) == 1).mean()


def test_an_adjustment_sees_usable_labelled_finite_samples_only() -> None:
    logits, labels = imbalanced(2, 300)
    usable = np.arange(300) < 200
    expected = logit_adjustment(logits[:200], labels[:200], np.ones(200, dtype=bool))
    logits[200:] *= -5
    labels = labels.copy()
    labels[200:] = 1 - labels[200:]
    np.testing.assert_array_equal(logit_adjustment(logits, labels, usable), expected)
    extra = np.concatenate([logits[:200], [[np.nan, np.nan], [3.0, -3.0]]])
    np.testing.assert_array_equal(
        logit_adjustment(extra, np.append(labels[:200], [0, -1]), np.ones(202, dtype=bool)), expected
    )


def test_few_samples_of_a_class_leave_tau_at_one() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [60, 3])
    for _ in range(20):
        logits = rng.normal(size=(63, 2)) * 3
        prior = probabilities(logits).mean(0)
        np.testing.assert_allclose(logit_adjustment(logits, labels, np.ones(63, dtype=bool)), -np.log(prior))


def test_bold_predictions_move_tau() -> None:
    # Four times too bold: it has to be four times as large, beyond the grid, so its end is taken.
    logits, labels = imbalanced(4, 5000)
    usable = np.ones(len(labels), dtype=bool)
    adjustment = logit_adjustment(4 * logits, labels, usable)
    prior = probabilities(4 * logits).mean(0)
    np.testing.assert_allclose(adjustment, -1.5 * np.log(prior))


def test_a_class_that_was_never_seen_is_not_favoured() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, size=80)
    logits = np.concatenate([np.eye(2)[labels] * 2, np.full((80, 1), -6.0)], axis=-1)
    adjustment = logit_adjustment(logits, labels, np.ones(80, dtype=bool))
    assert adjustment[2] == adjustment[:2].min()
    assert not logit_adjustment(logits, labels, np.zeros(80, dtype=bool)).any()


def test_an_adjustment_touches_decisions_and_leaves_probabilities_alone() -> None:
    logits, labels = predictions(6)
    task, train = Classification(("a", "b", "c", "d")), labels.astype(float)
    adjustments = np.array([[0.0, 0, 0, 0], [9.0, 0, 0, 0]])
    found = task.evaluate(np.stack([logits, logits]), labels.astype(float), adjustments, train)
    assert set(found) == set(task.metrics) and task.primary in found
    for name, (plain, shifted) in found.items():
        assert plain == pytest.approx(float(METRICS[name](logits, labels)))
        assert (plain != shifted) == (name in {"balanced_accuracy", "macro_f1"})


VALUES = np.array([0.0, 2.0, np.nan, 1.0])


def test_values_are_positions_of_classes() -> None:
    assert TASK.n_outputs == 3 and TASK.strata_names == ("a", "b", "c")
    assert TASK.observed(VALUES).tolist() == [True, True, False, True]
    assert TASK.strata(VALUES).tolist() == TASK.label_points(VALUES).tolist() == [0, 2, -1, 1]
    assert make_task("classification", TASK.parameters) == TASK


@pytest.mark.parametrize(
    "spellings",
    [("Basal", "BASAL"), ("Basal", "basal"), ("HER2 low", "HER2  low"), ("HER2 low", "her2\u00a0low"),
     ("caf\u00e9", "cafe\u0301"), ("Basal", "Ba\u200bsal"), ("Her2-low", "Her2\u2013low"), ("\uff21", "A")],
)  # fmt: skip
def test_classes_that_look_alike_are_refused_unless_the_sheet_lists_them(spellings: tuple[str, str]) -> None:
    one, other = spellings
    texts = [one] * 9 + [other] * 2 + ["Luminal"] * 9
    column = LabelColumn("made up", [str(number) for number in range(20)], texts)
    with pytest.raises(InputError, match="look alike") as error:
        Classification.read(column)
    assert f"{one!r} (9)" in error.value.found and f"{other!r} (2)" in error.value.found
    task, values, left_out = Classification.read(replace(column, classes=(one, "Luminal")))
    assert (task.classes, left_out) == ((one, "Luminal"), {other: 2})
    assert np.isnan(values[9:11]).all() and np.isfinite(np.delete(values, [9, 10])).all()


@pytest.mark.parametrize(
    ("classes", "odd"),
    [(("0", "1", "9"), "'9'"), (("-9", "0", "1"), "'-9'"), (("1", "2", "3", "99"), "'99'"),
     (("Basal", "999", "Her2"), "'999'"), (("Basal", "Other"), "'Other'"), (tuple("0123456789"), ""),
     (("-1", "0", "1"), ""), (("1", "2"), ""),
     (("0", "9"), ""), (("T1", "T2", "T3"), ""), (("10", "20", "40"), "")],
)  # fmt: skip
def test_classes_that_sound_like_missing_values_are_said(classes: tuple[str, ...], odd: str) -> None:
    said = Classification(classes).remarks("status", np.array([]))
    assert (len(said), f"sound like missing values: {odd};" in "".join(said)) == (bool(odd), bool(odd))


def test_classes_that_differ_in_what_is_seen_stay_apart() -> None:
    classes = ("HER2+", "HER2-", "Luminal A", "Luminal B", "LumA", "T1", "T2", "1", "10")
    texts = [name for name in classes for _ in range(6)]
    column = LabelColumn("made up", [str(number) for number in range(len(texts))], texts)
    assert Classification.read(column)[0].classes == tuple(sorted(classes))


def test_targets_of_networks_are_one_hot_in_no_unit() -> None:
    targets = TASK.group_targets(VALUES, np.ones((2, 4), dtype=bool))
    expected = [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert targets.values.dtype == np.float32 and targets.values.tolist() == [expected, expected]
    assert targets.centre.tolist() == [0, 0] and targets.scale.tolist() == [1, 1]


def test_losses_and_their_gradients_are_those_of_pytorch() -> None:
    random = torch.Generator().manual_seed(0)
    n_groups, n_models, n, temperature = 2, 3, 20, 2.5
    output = torch.randn(n_groups, n_models, 3, n, generator=random, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(3, (n_groups, n), generator=random)
    weight = torch.rand(n_groups, n, generator=random, dtype=torch.float64)
    teacher = torch.randn(n_groups, n_models, 3, n, generator=random, dtype=torch.float64)
    soft_weight = torch.rand(n_groups, n_models, n, generator=random, dtype=torch.float64)

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(loss.sum(), output)[0]

    found = TASK.label_loss(output, one_hot(labels, 3).mT.double(), weight)
    expected = cross_entropy(output.movedim(2, 1), labels[:, None].expand(-1, n_models, -1), reduction="none")
    expected = (expected * weight[:, None]).sum(2)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(found), gradient(expected))

    soft = TASK.soften(teacher, temperature)
    torch.testing.assert_close(soft, (teacher / temperature).softmax(2))
    found = TASK.soft_loss(output, soft, soft_weight, temperature)
    divergence = kl_div((output / temperature).log_softmax(2), soft, reduction="none").sum(2)
    expected = temperature**2 * (divergence * soft_weight).sum(2)
    entropy = temperature**2 * (-(soft * soft.log()).sum(2) * soft_weight).sum(2)
    torch.testing.assert_close(found, expected + entropy)
    torch.testing.assert_close(gradient(found), gradient(expected))


def test_the_loss_of_a_sample_is_its_surprise() -> None:
    logits, labels = predictions(3, n_classes=3)
    found = TASK.loss(np.stack([logits, 2 * logits]), labels.astype(float))
    assert found.shape == (2, 120)
    assert found.mean(1) == pytest.approx([float(METRICS["log_loss"](each, labels)) for each in (logits, 2 * logits)])


def test_a_decision_is_the_adjustment_of_usable_samples() -> None:
    logits, labels = predictions(2, n_classes=3)
    values, usable = np.where(np.arange(120) % 5 == 0, np.nan, labels), np.arange(120) < 90
    expected = logit_adjustment(logits, np.nan_to_num(values, nan=-1).astype(int), usable)
    assert TASK.decision(logits, values, usable).tolist() == expected.tolist()
    assert TASK.decision(np.full((3, 3), np.nan), np.zeros(3), np.ones(3, dtype=bool)).tolist() == [0, 0, 0]


def test_predictions_are_probabilities_and_a_class() -> None:
    logits, _ = predictions(4, n=10, n_classes=3)
    table = TASK.predictions(logits.astype(np.float32), np.array([0.0, 0.0, 50.0]))
    assert list(table) == ["probability_a", "probability_b", "probability_c", "prediction"]
    np.testing.assert_allclose(table.iloc[:, :3].to_numpy(float), probabilities(logits), rtol=1e-5)
    np.testing.assert_allclose(table.iloc[:, :3].sum(1), 1, rtol=1e-6)
    # Decided with the adjustment.
    assert set(table["prediction"]) == {"c"}
    plain = TASK.predictions(logits, np.zeros(3))["prediction"]
    assert plain.tolist() == [TASK.classes[c] for c in logits.argmax(1)]
    assert "prediction" in TASK.transforms[-1]
