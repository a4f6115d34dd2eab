"""From the terms of a pair within inner folds to one row: averages over folds, standard errors, calibration."""

import numpy as np
from numpy.typing import NDArray

from cch_omics.information.simulations.base import calibrate
from cch_omics.information.terms import TERMS, Floats, Folds

# What a row says, as sums of (I(T;S), I(S;Y), I(T;Y), I(T;S) by the second estimator).
COMBINATIONS = {
    "mi_teacher_student": (1.0, 0.0, 0.0, 0.0),
    "mi_student_label": (0.0, 1.0, 0.0, 0.0),
    "mi_teacher_label": (0.0, 0.0, 1.0, 0.0),
    "gap": (1.0, -1.0, 0.0, 0.0),
    "cross_check_gap": (0.0, -1.0, 0.0, 1.0),
}
# What is compared with parametric simulations.
CALIBRATED = ("gap", "cross_check_gap")
# The same with the teacher's output in I(T;S), as sums of (I(output of T;S), I(S;Y)).
OF_OUTPUT = {"mi_output_student": (1.0, 0.0), "gap_output": (1.0, -1.0)}
# Columns of a row.
COLUMNS = (
    *(f"{name}{of}" for name in (*COMBINATIONS, *OF_OUTPUT) for of in ("", "_se")),
    *(f"{name}{of}" for name in CALIBRATED for of in ("_at_zero", "_simulated_sd")),
    "n_paired",
    "n_labelled",
    "flags",
)
# Flags that say why a fold has no estimate.
REASONS = ("deterministic", "too_few_samples")


def average_folds(values: Floats, covariance: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean over folds and its covariance, where encoders differ (random effects).

    With weights w_j that sum to one, the covariance of the mean is

        sum_j w_j^2 (V_j + T),  T = [ C - mean_j V_j ]_+

    V_j is the covariance of fold j's estimates; C is their covariance between folds; T, how much encoders differ, is
    what C has beyond V, with the negative eigenvalues set to zero.

    Parameters
    ----------
    values
        (F, q) estimates.
    covariance
        (F, q, q) of each fold's estimates.
    weights
        (F,) positive.

    Returns
    -------
    tuple
        (q,) and (q, q). With one fold nothing is known of how encoders differ: T = 0.
    """
    share = weights / weights.sum()
    between = np.zeros_like(covariance[0])
    if len(values) > 1:
        excess = np.cov(values, rowvar=False) - covariance.mean(0)
        eigenvalues, axes = np.linalg.eigh(excess)
        between = (axes * np.maximum(eigenvalues, 0)) @ axes.T
    return share @ values, np.einsum("j,jab->ab", share**2, covariance + between)


def row(folds: Folds, neighbours: int, fewest_labels: int, *, first_teaches: bool) -> dict[str, float | int | str]:
    """Average over the folds of one split, weighted by their paired samples.

    Parameters
    ----------
    folds
        Of the pair (a, b).
    neighbours
        k: a fold with fewer than k + 2 samples does not enter.
    fewest_labels
        Nor does one with fewer labels than that.
    first_teaches
        Whether a teaches b, or b teaches a.

    Returns
    -------
    dict
        `COLUMNS`.
    """
    # Terms in the order I(T;S), I(S;Y), I(T;Y), I(T;S).
    order = [0, 2, 1, 3] if first_teaches else [0, 1, 2, 3]
    values, covariance = folds.values[:, order], folds.covariance[:, order][:, :, order]

    def known(terms: int) -> NDArray[np.bool_]:
        finite = np.isfinite(values[:, :terms]).all(1) & np.isfinite(covariance[:, :terms, :terms]).all((1, 2))
        return np.asarray(finite)

    used = known(3) & (folds.n_paired >= neighbours + 2) & (folds.n_labelled >= fewest_labels)
    mean, spread, share = np.full(TERMS, np.nan), np.full((TERMS, TERMS), np.nan), np.zeros(len(used))
    if used.any():
        share[used] = folds.n_paired[used] / folds.n_paired[used].sum()
        # The second estimator may want more samples than a fold or half of it has; the first then stands alone.
        n_terms = TERMS if known(TERMS)[used].all() else 3
        mean[:n_terms], spread[:n_terms, :n_terms] = average_folds(
            values[used, :n_terms], covariance[used, :n_terms, :n_terms], share[used]
        )
    # I(T;S) needs no label: with too few of them it is what is left.
    alone = known(1) & (folds.n_paired >= neighbours + 2)
    if alone.any() and not used.any():
        mean[:1], spread[:1, :1] = average_folds(
            values[alone, :1], covariance[alone, :1, :1], folds.n_paired[alone].astype(np.float64)
        )

    found: dict[str, float | int | str] = {}

    def say(name: str, of: tuple[float, ...], mean: Floats, spread: Floats) -> None:
        found[name] = float(_combined(of, mean))
        variance = float(_combined(of, _combined(of, spread)))
        found[f"{name}_se"] = float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else np.nan

    for name, of in COMBINATIONS.items():
        say(name, of, mean, spread)
    taught = [TERMS if first_teaches else TERMS + 1, order[1]]
    of_output = folds.values[used][:, taught], folds.covariance[used][:, taught][:, :, taught]
    mean, spread = np.full(2, np.nan), np.full((2, 2), np.nan)
    if used.any() and all(np.isfinite(each).all() for each in of_output):
        mean, spread = average_folds(*of_output, share[used])
    for name, pair in OF_OUTPUT.items():
        say(name, pair, mean, spread)

    def average(each: Floats) -> Floats:
        return np.asarray(np.tensordot(share[used], each[used], 1)) if used.any() else np.full(each.shape[1:], np.nan)

    simulated, truth = (average(each[..., order]) for each in (folds.simulated, folds.truth))
    for name in CALIBRATED:
        found[f"{name}_at_zero"], found[f"{name}_simulated_sd"] = calibrate(
            _combined(COMBINATIONS[name], simulated), _combined(COMBINATIONS[name], truth)
        )
    found["n_paired"] = int(folds.n_paired[used if used.any() else alone].sum())
    found["n_labelled"] = int(folds.n_labelled[used].sum())
    flags = sorted(
        flag for flag, present in folds.flags.items() if present[used].any() or (flag in REASONS and present.any())
    )
    if not used.all():
        flags.append(f"folds_without_estimate:{int((~used).sum())}/{len(used)}")
    found["flags"] = ";".join(flags)
    return found


def _combined(weights: tuple[float, ...], terms: Floats) -> Floats:
    """(.., Q) -> (..) weighted sum. A term that does not enter may be missing."""
    entering = np.array(weights) != 0
    return np.asarray(terms[..., entering] @ np.array(weights)[entering])
