"""Which views cannot teach or learn, which pairs have too little in common, and why: everything else goes on."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.views import members

# Values that differ by less, relative to their size, are one value with rounding errors.
_ROUNDING = 1e-5
# The first few features nearly always settle it.
_CHUNK = 256
# Strata that a sentence names.
_SHOWN = 5


def modalities_left_out(cohort: Cohort, splits: SplitsConfig) -> dict[tuple[str, ...], str]:
    """Modalities of which the folds would leave nothing to learn, with the reason."""
    reasons = {name: shortcoming(cohort, [name], splits) for name in cohort.modalities}
    return {(name,): f"{name} is left out: {reason}." for name, reason in reasons.items() if reason}


def teachers_left_out(cohort: Cohort, asked: Sequence[str], splits: SplitsConfig) -> dict[tuple[str, ...], str]:
    """Views that were asked for and cannot teach, and pairs of which too few patients have both, with the reason.

    Views of several modalities are measured as single ones are. A pair has the same patients in both directions and
    stands once.
    """
    found: dict[tuple[str, ...], str] = {}
    for view in asked:
        gone = [name for name in members(view) if name not in cohort.modalities]
        if reason := f"it needs {' and '.join(gone)}" if gone else shortcoming(cohort, [view], splits):
            found[view,] = f"{view} is left out: {reason}."
    for teacher, student in product([view for view in asked if (view,) not in found], cohort.modalities):
        if teacher == student or (student, teacher) in found:
            continue
        if reason := shortcoming(cohort, [teacher, student], splits):
            found[teacher, student] = f"{teacher} and {student} do not teach each other: {reason}."
    return found


def shortcoming(cohort: Cohort, views: Sequence[str], splits: SplitsConfig) -> str:
    """What is missing for the folds where some views are used together, "" where nothing is; without a view, of all.

    Of the labelled patients who have all of them, the folds need `SplitsConfig.fewest_patients` in every stratum, in
    each modality a feature that is not the same in all but fewer than that, and folds by site a second site.
    """
    omics = list(dict.fromkeys(name for view in views for name in members(view)))
    has = np.logical_and.reduce([cohort.target.observed, *map(cohort.profiled, omics)])
    fewest = splits.fewest_patients
    target, whose = cohort.target.name, f"patients with {' and '.join([*omics, ''])}"
    needed = f"which splits.folds = {splits.folds} and splits.inner_folds = {splits.inner_folds} need"
    counts = cohort.patients_by_stratum(has)
    few = [f"{name!r} ({found})" for name, found in counts.items() if found < fewest]
    if few:
        more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
        return f"fewer than {fewest} {whose}{target} {', '.join(few[:_SHOWN])}{more}, {needed}"
    if splits.by_site and len(np.unique(cohort.sites[has])) < 2:
        return f"{whose}a {target} from one site only, which splits.by_site keeps in one fold"
    same = [name for name in omics if not _varies(cohort, name, has, fewest)]
    if same:
        return f"no feature of {' or '.join(same)} that differs from its median in {fewest} {whose}a {target}, {needed}"
    return ""


def _varies(cohort: Cohort, name: str, samples: NDArray[np.bool_], fewest: int) -> bool:
    """Whether a feature differs from its median in enough patients of some samples (n,)."""
    modality = cohort.modalities[name]
    rows = np.flatnonzero(samples[modality.rows])
    patients = cohort.groups[modality.rows[rows]]
    for start in range(0, len(modality.features), _CHUNK):
        values = modality.values[rows, start : start + _CHUNK].astype(np.float64)
        values = values[:, ~np.isnan(values).all(axis=0)]
        median = np.nanmedian(values, axis=0)
        differs = np.abs(values - median) > _ROUNDING * (1 + np.abs(median))
        if any(len(np.unique(patients[each])) >= fewest for each in differs.T if each.sum() >= fewest):
            return True
    return False
