"""The pipeline's own code, on cohorts of the joint Gaussian model, has the risks that theory says.

Of its models one is linear, ridge regression, and one nearly so: the network without its tanh, trained until its own
loss is least, since early stopping is no part of the theory. Targets, losses, their mixture and the training loop are
the pipeline's. Both fit an intercept, which takes one patient's worth of data: the theory, which has none, says the
same of their slopes with n - 1 patients.
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cch_omics.models.network import Drawn, InputDropout, Networks, initialise
from cch_omics.models.train import Samples, Schedule, train
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.regression.baselines import PENALTIES, ridge_path
from research.theory.model import covariance_of, make_problem
from research.theory.risk import joint_loss_risk, least_squares_risk, ridge_risk, white_spectra

Floats = NDArray[np.float64]
TASK = Regression()
DIMENSION, LABELLED, COHORTS = 4, 30, 400
PROBLEM = make_problem(DIMENSION, 1.0, 1.0, aligned=0.9, astray=0.3, leaked=0.3, private=0.5)
COVARIANCE = covariance_of(PROBLEM)
TRUTH = COVARIANCE[:DIMENSION, -1]  # features are white
# Share of the teacher in the loss, `distillation.weight`: lambda / (1 + lambda).
SHARES = (0.0, 0.3, 0.7)


class Linear(Networks):
    """The networks of the pipeline, without the tanh."""

    def represent(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.weight @ inputs[:, None].mT + self.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head_weight @ self.represent(inputs) + self.head_bias


def cohorts(unlabelled: int) -> tuple[Floats, Floats, Floats]:
    """Features (R, n, d), teacher's outputs and labels (R, n), NaN where not known."""
    drawn = np.random.default_rng(0).normal(size=(COHORTS, LABELLED + unlabelled, DIMENSION + 2))
    z = drawn @ np.linalg.cholesky(COVARIANCE).T
    labels = z[..., -1].copy()
    labels[:, LABELLED:] = np.nan
    return z[..., :DIMENSION], z[..., DIMENSION], labels


def students(features: Floats, teacher: Floats, labels: Floats, share: float) -> Floats:
    """(R, d) slopes of the students that the training loop makes of R cohorts at once."""
    n, known = features.shape[1], np.isfinite(labels)
    of_cohort = [TASK.group_targets(10 + 5 * one, each[None]) for one, each in zip(labels, known, strict=True)]
    target, centre, scale = (
        np.concatenate([getattr(each, name) for each in of_cohort]) for name in ("values", "centre", "scale")
    )
    inputs = torch.as_tensor(features, dtype=torch.float32)
    soft = torch.as_tensor((10 + 5 * teacher - centre[:, None]) / scale[:, None], dtype=torch.float32)
    samples = Samples(
        inputs=inputs,
        target=torch.as_tensor(target),
        label_weight=torch.as_tensor(known / LABELLED, dtype=torch.float32),
        soft=TASK.soften(soft[:, None, None], 1.0),
        soft_weight=torch.full((COHORTS, 1, n), 1 / n),
    )
    start = initialise(range(COHORTS), 1, DIMENSION, 2 * DIMENSION, np.zeros((COHORTS, 1), np.float32), shared=False)
    networks, _ = train(
        Linear(*(parameter.detach() for parameter in start.parameters())),
        TASK,
        samples,
        samples,
        torch.ones(COHORTS, 1, 1),
        InputDropout(inputs, [Drawn(n, DIMENSION, np.arange(n))] * COHORTS, range(COHORTS), 0.0),
        Schedule(epochs=300, patience=300, check_every=50, learning_rate=0.01, weight_decay=0.0, dropout=0.0),
        weight=share,
    )
    slopes = (networks.head_weight @ networks.weight)[:, 0, 0].detach().numpy()
    return np.asarray(slopes * scale[:, None] / 5, dtype=np.float64)


def mean_risk(slopes: Floats) -> tuple[float, float]:
    """Mean excess risk of (R, d) slopes, and its standard error."""
    risk = ((slopes - TRUTH) ** 2).sum(1)
    return float(risk.mean()), float(risk.std(ddof=1) / np.sqrt(len(risk)))


@pytest.mark.parametrize("share", SHARES)
def test_distilled_linear_students_have_the_risk_of_theory(share: float) -> None:
    risk, error = mean_risk(students(*cohorts(0), share))
    assert risk == pytest.approx(float(least_squares_risk(PROBLEM, share / (1 - share), LABELLED - 1)), abs=3 * error)
    assert error < 0.05 * risk


@pytest.mark.parametrize("share", SHARES)
def test_and_so_they_have_with_unlabelled_patients(share: float) -> None:
    """The expansion leaves out terms of the order of 1 / n^2."""
    risk, error = mean_risk(students(*cohorts(60), share))
    expected = float(joint_loss_risk(PROBLEM, share / (1 - share), LABELLED - 1, 60))
    assert risk == pytest.approx(expected, abs=3 * error + 0.03 * expected)


def test_ridge_regression_has_the_risk_of_theory() -> None:
    """Of each penalty, on labels and on a mixture with the teacher's outputs; features are divided by sqrt(d)."""
    features, teacher, labels = (each[:200] for each in cohorts(0))
    spectra = white_spectra(LABELLED - 1, DIMENSION, draws=4000)
    origin_and_axes = np.vstack([np.zeros(DIMENSION), np.eye(DIMENSION)]).astype(np.float32)
    for share in SHARES[::2]:
        target = (1 - share) * labels + share * teacher
        paths = np.stack(
            [
                list(ridge_path(x.astype(np.float32), y, origin_and_axes, 0))
                for x, y in zip(features, target, strict=True)
            ]
        )[..., 0]
        for penalty, predicted in zip(PENALTIES, paths.swapaxes(0, 1), strict=True):
            risk, error = mean_risk(predicted[:, 1:] - predicted[:, :1])
            expected = float(ridge_risk(PROBLEM, share / (1 - share), spectra, penalty * DIMENSION))
            # Features are standardised by the cohort's own standard deviations.
            assert risk == pytest.approx(expected, abs=3 * error + 0.03 * expected), (share, penalty)
