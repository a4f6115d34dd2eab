"""Eight teachers of one cohort: what the rules say of each, what is true, and whether simulated students agree."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from research.theory.model import Floats, Problem, calibrated, covariance_of, information, make_problem
from research.theory.risk import (
    best_share,
    joint_loss_risk,
    least_squares_risk,
    least_squares_slope,
    ridge_risk,
    simulated_risk,
    tuned_penalty,
    tuned_slope,
    white_spectra,
)

# The cohort of the tables and figures: 40 labelled patients, 8 features, which explain a third of the label's variance.
DIMENSION, LABELLED, UNLABELLED = 8, 40, 160
SIGNAL, NOISE = 0.5, 1.0


def _teacher(
    *, aligned: float = 0.0, astray: float = 0.0, leaked: float = 0.0, private: float, scale: float | None = None
) -> Problem:
    """A teacher in the cohort of the tables; calibrated, unless `scale` says what else to multiply it by."""
    made = make_problem(DIMENSION, SIGNAL, NOISE, aligned=aligned, astray=astray, leaked=leaked, private=private)
    if scale is None:
        return calibrated(made)
    parts = {"aligned": aligned, "astray": astray, "leaked": leaked, "private": private}
    return make_problem(DIMENSION, SIGNAL, NOISE, **{name: scale * part for name, part in parts.items()})


TEACHERS: dict[str, Problem] = {
    # The label depends on the student's features only through the teacher's output.
    "knows all the student knows": _teacher(aligned=1, leaked=0.5, private=0.5),
    # Little but E[y|x], which the student could know with more patients.
    "denoiser": _teacher(aligned=1, private=0.2),
    # The student's signal under much noise of its own.
    "noisy view": _teacher(aligned=1, private=2**0.5),
    # Shares with the student what has little to do with the label.
    "misaligned": _teacher(aligned=0.2, astray=1, leaked=0.5, private=0.3),
    # Knows the label from what the student cannot see.
    "out of the student's sight": _teacher(leaked=0.95, private=(0.95 * 0.05) ** 0.5),
    # Was trained on the patients it now teaches.
    "remembers the labels": _teacher(aligned=1, leaked=1, private=0.05),
    # The first one, three times too large.
    "overconfident": _teacher(aligned=1, leaked=0.5, private=0.5, scale=3),
    # The first one, of other patients: the control `shuffled`.
    "permuted": _teacher(private=1, scale=1),
}


def teachers_table() -> pd.DataFrame:
    """What the rules say of each of `TEACHERS`, and what is true.

    Returns
    -------
    DataFrame
        A row per teacher: `teacher`; `gap, advantage, gap_plus_advantage`, nats; `signal_correlation,
        noise_correlation`; `least_squares_slope` and `tuned_slope`, negative where small weights help. Then the change
        of excess risk against the student alone, in per cent, with `LABELLED` patients: of the ridge student with the
        penalty that is best alone (`ridge`, lambda = 1), of least squares (`least_squares`, lambda = 1; `best`, at the
        best lambda) and of least squares with `UNLABELLED` more (`unlabelled`, `best_unlabelled`).
    """
    spectra = white_spectra(LABELLED, DIMENSION)
    rows = []
    for name, p in TEACHERS.items():
        known = information(p)
        ridge = ridge_risk(p, [0, 1], spectra, tuned_penalty(p))
        rows.append(
            {
                "teacher": name,
                "gap": known.gap,
                "advantage": known.advantage,
                "gap_plus_advantage": known.gap + known.advantage,
                "signal_correlation": p.signal_correlation,
                "noise_correlation": p.noise_correlation,
                "least_squares_slope": least_squares_slope(p, LABELLED),
                "tuned_slope": tuned_slope(p),
                "ridge": change(ridge),
                "least_squares": change(least_squares_risk(p, [0, 1], LABELLED)),
                "best": change(_risk_at_shares(p, [0, best_share(p, LABELLED)], 0)),
                "unlabelled": change(least_squares_risk(p, [0, 1], LABELLED, UNLABELLED)),
                "best_unlabelled": change(_risk_at_shares(p, [0, best_share(p, LABELLED, UNLABELLED)], UNLABELLED)),
            }
        )
    return pd.DataFrame(rows)


def change(risks: Floats) -> float:
    """(2,) risks alone and taught -> change in per cent."""
    return float(100 * (risks[1] / risks[0] - 1))


def _risk_at_shares(p: Problem, shares: ArrayLike, unlabelled: int) -> Floats:
    a = np.asarray(shares, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return least_squares_risk(p, a / (1 - a), LABELLED, unlabelled)


def simulation_table(*, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Closed forms beside simulated students of `TEACHERS`.

    Returns
    -------
    DataFrame
        A row per teacher, student (`least squares`, `unlabelled`, `joint loss`, `tuned ridge`) and lambda: `expected`
        excess risk, and the `simulated` one with its standard error `se`. Only `joint loss` is an approximation.
    """
    weights = np.array([0.0, 0.5, 1.0, 4.0])
    spectra = white_spectra(LABELLED, DIMENSION, draws=5000)
    rows = []
    for name, p in TEACHERS.items():
        penalty = tuned_penalty(p)
        students: dict[str, tuple[Floats, dict[str, Any]]] = {
            "least squares": (least_squares_risk(p, weights, LABELLED), {}),
            "unlabelled": (least_squares_risk(p, weights, LABELLED, UNLABELLED), {"unlabelled": UNLABELLED}),
            "joint loss": (
                joint_loss_risk(p, weights, LABELLED, UNLABELLED),
                {"unlabelled": UNLABELLED, "joint": True},
            ),
            "tuned ridge": (ridge_risk(p, weights, spectra, penalty), {"penalty": penalty}),
        }
        for student, (expected, settings) in students.items():
            mean, error = simulated_risk(covariance_of(p), weights, LABELLED, **settings, draws=draws, seed=seed)
            rows += [
                {"teacher": name, "student": student, "lambda": weight, "expected": e, "simulated": m, "se": s}
                for weight, e, m, s in zip(weights, expected, mean, error, strict=True)
            ]
    return pd.DataFrame(rows)


def agreement_table(simulation: pd.DataFrame) -> pd.DataFrame:
    """Summarise `simulation_table`: a row per student, the largest difference in standard errors and in per cent.

    Returns
    -------
    DataFrame
        `student, comparisons, largest_in_se, largest_in_percent`.
    """
    difference = (simulation["simulated"] - simulation["expected"]).abs()
    found = pd.DataFrame(
        {
            "student": simulation["student"],
            "largest_in_se": difference / simulation["se"],
            "largest_in_percent": 100 * difference / simulation["expected"],
        }
    )
    by_student = found.groupby("student", sort=False)
    return by_student.max().assign(comparisons=by_student.size()).reset_index()
