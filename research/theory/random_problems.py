"""Random problems: how well each criterion, known without error, foretells whether distilling helps."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from research.theory.model import Floats, Problem, gaussian_information, information, permuted, problem
from research.theory.risk import (
    least_squares_risk,
    margin,
    ridge_risk,
    tuned_penalty,
    tuned_slope,
    white_spectra,
)
from research.theory.teachers import DIMENSION, LABELLED, UNLABELLED


@dataclass(frozen=True)
class Drawn:
    """A random problem whose teacher is the best predictor from a representation.

    Attributes
    ----------
    problem
        Of the teacher's output h = E[y|t].
    representation
        I(t;x), nats: what teacher and student share altogether, the label's business or not.
    """

    problem: Problem
    representation: float


def random_problem(rng: np.random.Generator, *, dimension: int = DIMENSION, latents: int = 4) -> Drawn:
    """Draw loadings of features x, teacher's representation t (both of `dimension`) and label y on latents.

    x sees each latent with probability 0.6, and so does t; one at least they both see. Their strengths of signal are
    log-uniform in 0.3 to 3; all latents together explain 20 to 90% of the label.
    """
    weights = rng.normal(size=latents)
    explained = rng.uniform(0.2, 0.9)
    label = np.sqrt(explained) * weights / np.linalg.norm(weights)
    seen = np.zeros((2, latents), dtype=np.bool_)
    while not seen.all(0).any():
        seen = rng.random((2, latents)) < 0.6
    strengths = np.exp(rng.uniform(np.log(0.3), np.log(3), size=2)) / np.sqrt(dimension)
    views = [
        strength * rng.normal(size=(dimension, latents)) * columns
        for strength, columns in zip(strengths, seen, strict=True)
    ]
    loadings = np.vstack([*views, label])
    k = loadings @ loadings.T + np.diag([*np.ones(2 * dimension), 1 - explained])
    x, t, y = list(range(dimension)), list(range(dimension, 2 * dimension)), 2 * dimension
    readout = np.zeros((dimension + 2, len(k)))
    readout[x, x] = 1
    readout[-2, t] = np.linalg.solve(k[np.ix_(t, t)], k[t, y])
    readout[-1, y] = 1
    reduced = readout @ k @ readout.T
    return Drawn(problem(reduced), gaussian_information(k, t, x))


OUTCOMES = (
    "ridge, small weight",
    "ridge",
    "ridge, tuned again",
    "ridge, many patients",
    "least squares",
    "least squares, over permuted",
    "unlabelled",
    "unlabelled, over permuted",
)
# What the penalty that is best alone is multiplied by where it is tuned again.
FACTORS = np.geomspace(1 / 16, 16, 17)


def criteria_table(*, count: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How well each criterion, known without error, foretells harm in random problems.

    Outcomes: whether the excess risk is less than that of the student alone (or of the permuted teacher's student), at
    lambda = 1 unless said otherwise, with `LABELLED` patients. Ridge students have the penalty that is best alone, or
    for `tuned again` the best of `FACTORS` of it; `many patients` are ten times as many; `unlabelled` is least squares
    with `UNLABELLED` patients more.

    Returns
    -------
    DataFrame
        A row per criterion and outcome: `criterion, outcome, helped` (fraction of problems), `auroc`, and of the sign
        of the criterion `wrongly_distil` (fraction of the harmed that it would have distilled) and `missed` (of the
        helped that it would not).
    """
    rng = np.random.default_rng(seed)
    drawn = [random_problem(rng) for _ in range(count)]
    few, many = (white_spectra(n, DIMENSION) for n in (LABELLED, 10 * LABELLED))
    truth, scores = [], []
    for candidate in drawn:
        p = candidate.problem
        known, penalty = information(p), tuned_penalty(p)
        control = permuted(p)
        labelled, with_unlabelled = (
            [float(least_squares_risk(q, weight, LABELLED, m)) for q, weight in ((p, 1), (p, 0), (control, 1))]
            for m in (0, UNLABELLED)
        )
        again = min(float(ridge_risk(p, 1, few, penalty * factor)) for factor in FACTORS)
        truth.append(
            (
                tuned_slope(p) < 0,
                ridge_risk(p, 1, few, penalty) < ridge_risk(p, 0, few, penalty),
                again < ridge_risk(p, 0, few, penalty),
                ridge_risk(p, 1, many, penalty) < ridge_risk(p, 0, many, penalty),
                labelled[0] < labelled[1],
                labelled[0] < labelled[2],
                with_unlabelled[0] < with_unlabelled[1],
                with_unlabelled[0] < with_unlabelled[2],
            )
        )
        gap_of_representation = candidate.representation - known.student_label
        scores.append(
            {
                "gap": known.gap,
                "gap of representations": gap_of_representation,
                "advantage": known.advantage,
                "gap + advantage": known.gap + known.advantage,
                "gap + advantage of representations": gap_of_representation + known.advantage,
                "both positive": min(known.gap, known.advantage),
                "both positive, representations": min(gap_of_representation, known.advantage),
                "-I(S;Y given T)": -known.student_label_given_teacher,
                "-I(T;Y given S)": -known.teacher_label_given_student,
                "margin": _finite_margin(p),
            }
        )
    helped = np.array(truth, dtype=np.bool_)
    rows = []
    for criterion in scores[0]:
        score = np.array([row[criterion] for row in scores])
        for column, outcome in enumerate(OUTCOMES):
            yes = helped[:, column]
            rows.append(
                {
                    "criterion": criterion,
                    "outcome": outcome,
                    "helped": yes.mean(),
                    "auroc": _auroc(score, yes),
                    "wrongly_distil": float(np.mean(score[~yes] > 0)),
                    "missed": float(np.mean(score[yes] <= 0)),
                }
            )
    return pd.DataFrame(rows)


def _finite_margin(p: Problem) -> float:
    """`margin`, or where it is not a number the tuned student's gain per weight, which has its sign."""
    value = margin(p)
    return float(np.clip(-tuned_slope(p) if np.isnan(value) else value, -1e6, 1e6))


def _auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Probability that a random positive scores higher than a random negative, ties counting half."""
    return float(roc_auc_score(positive, score)) if positive.any() and not positive.all() else float("nan")
