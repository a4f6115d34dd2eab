"""The margin: the closed form of the Gaussian model, its error, and what it must be in every task."""

import numpy as np
import pytest
from scipy.special import logit

from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival
from cch_omics.verdict.margin import margin


@pytest.mark.parametrize("g", [(1.0, 0.5), (0.2, -0.4)])
def test_it_is_the_closed_form_with_its_error(g: tuple[float, float]) -> None:
    """g'b / b'b - c / s_y (docs/theory.md, result 2; research.theory.risk.tuned_slope has it with the other sign)."""
    b, shared, noise, n = np.array([1.0, 0.5]), 0.3, 0.8, 300
    truth = np.dot(g, b) / np.dot(b, b) - shared / noise
    found = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        x, e = random.normal(size=(n, 2)), random.normal(size=(n, 2))
        e_y = np.sqrt(noise) * e[:, 0]
        e_h = shared / noise * e_y + 0.5 * e[:, 1]
        y, h = x @ b + e_y, 3 + x @ g + e_h
        found.append(margin(Regression(), h[:, None], (x @ b)[:, None], y, np.arange(n)))
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(len(values)))
    assert np.median(errors) == pytest.approx(values.std(), rel=0.15)


def people(task: str, n: int = 400) -> tuple[Task, np.ndarray, np.ndarray]:
    """A task, outputs that know a part of the label, and labels."""
    random = np.random.default_rng(0)
    signal = random.normal(size=n)
    if task == "classification":
        labels = (signal + random.normal(size=n) > 0).astype(float)
        return Classification(("a", "b")), np.stack([0 * signal, 1.5 * signal], 1), labels
    if task == "regression":
        return Regression(), signal[:, None], signal + random.normal(size=n)
    time = random.exponential(np.exp(-signal))
    follow_up = np.stack([np.minimum(time, 1.0), time < 1.0], 1)
    made = Survival.of(follow_up)
    return made, logit(0.1) + np.repeat(signal[:, None], made.n_outputs, 1), follow_up


@pytest.mark.parametrize("task", ["classification", "regression", "survival"])
def test_a_twin_has_one_a_permuted_teacher_none_and_one_who_knows_the_noise_less(task: str) -> None:
    made, student, labels = people(task)
    patients = np.arange(len(labels))
    assert margin(made, student, student, labels, patients) == pytest.approx((1.0, 0.0), abs=1e-8)
    others = np.random.default_rng(1).permutation(patients)
    permuted, error = margin(made, student[others], student, labels, patients)
    assert abs(permuted) < 3 * error
    mean, label, weight = made.expected(student, labels)
    assert mean.shape == label.shape == weight.shape and (weight >= 0).all()
    # The residual of the likelihood, in the direction of the outputs.
    knows_noise = student + 3 * weight * (label - mean)
    less, error = margin(made, knows_noise, student, labels, patients)
    assert less < 1 - 3 * error


def test_a_student_that_says_nothing_has_no_margin() -> None:
    made, student, labels = people("classification")
    assert np.isnan(margin(made, student, 0 * student, labels, np.arange(len(labels)))).all()
    assert np.isnan(margin(made, student[:0], student[:0], labels[:0], np.arange(0))).all()
