"""The audit of a cohort: what is in it, what fell out on the way, and what could make its results too good."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.data.audit_warnings import audit_warnings
from cch_omics.data.source import Notes

FORMAT_VERSION = 4
# What sites must predict beyond chance before a dependence on them is reported.
SITE_EXCESS = 0.05
# Equal rows with fewer different values than this may be equal by chance.
_TELLING = 10
_CHUNK = 2048
_DEFAULTS = SplitsConfig()


def audit(cohort: Cohort, notes: Notes, splits: SplitsConfig = _DEFAULTS) -> dict[str, Any]:
    """Count and check a cohort; the content of `audit.json`.

    A stratum is a class, or a range of a number (`Task.strata_names`); only labelled samples are in one.

    Parameters
    ----------
    splits
        Folds that the cohort will be cut into.

    Returns
    -------
    dict
        - `format_version`, `cohort`, `source`, `origin` (published source and license, where known)
        - `target`, `task` (its name) and its `parameters`, `task_guessed` (whether the sheet left it open)
        - `label_budget`: share of the labels training may use, `asked` and `used`, and used of each of the `strata`
        - `samples`, `patients`, `group` (the column that says whose a sample is, if one was named), `labelled`,
          `derived_from`, `teachers` (views that may teach)
        - `left_out`: what neither teaches nor learns: `views`, one view, or two that do not teach each other, and the
          `reason`, a sentence; nothing else is said of a modality that was left out
        - `strata`: samples by stratum
        - `summary`: of a number its `n`, `mean`, `sd`, `min`, `max`; empty for classes
        - `values_treated_as_missing`: samples by text of the target that says so, or was not asked for
        - `modalities`: by name `samples`, `labelled`, `features`, `constant_features`, `missing_fraction`, `strata`,
          `scale` (`cch_omics.data.scale.on_working_scale`)
        - `pairs`: by name and name `samples` and `labelled` that have both
        - `complete`: `samples` and `labelled` that have every modality
        - `folds`: `folds`, `inner_folds`; `patients`: by modality and stratum, those who have both; `per_inner_fold`:
          by modality and stratum, how many of them an inner fold will have whose label may be used
        - `duplicates`: by modality, pairs of samples of different patients that have the same values
        - `join`: `level`; `clinical` (`ids`, `in_no_table`); `unlabelled_samples`; `patients_with_several_samples`;
          `patients_with_different_labels`, who have them in several samples;
          `tables`: by modality `file`, `ids`, `in_clinical`, `not_in_clinical`, `turned`, `left_out` (rows by reason),
          `features_left_out` (by reason); `samples`: what each sample has; `left_out`: reasons by table and id
        - `leakage`: by modality `feature`, `stratum`, `measure`, `value`: the best single feature on held-out patients
          (`Task.single_feature`), the stratum that it tells from the rest ("" = it predicts the target as a whole),
          what `value` is (such as "AUROC"), and how much of it, all null with too few labels; `flagged`;
          `defines_target`; `named_like_target`: features that are called as the target or one of its columns is
        - `site_confounding`: `sites`, `samples`, `measure`, `value`, `chance`, `p_value`, `flagged`: how well the
          tissue source site alone predicts the target (`Task.site_dependence`); null where sites are unknown or labels
          too few
        - `at_sites`: sentences about what single sites have alone (`Task.at_sites`)
        - `warnings`: sentences
    """
    names = list(cohort.modalities)
    profiled = np.array([cohort.profiled(name) for name in names])
    target = cohort.target
    labelled = target.observed
    report: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "cohort": cohort.name,
        "source": notes.source,
        "origin": dict(notes.origin),
        "target": target.name,
        "task": target.task.name,
        "parameters": target.task.parameters,
        "task_guessed": notes.task_guessed,
        "samples": len(cohort.samples),
        "patients": len(np.unique(cohort.groups)),
        "group": notes.group,
        "labelled": int(labelled.sum()),
        "label_budget": _budget(cohort, splits),
        "derived_from": cohort.derived_from,
        "teachers": list(cohort.teachers),
        "left_out": [{"views": views, "reason": reason} for views, reason in cohort.left_out.items()],
        "strata": _strata_counts(cohort, labelled),
        "summary": target.task.summary(target.values),
        "values_treated_as_missing": dict(notes.values_treated_as_missing),
        "modalities": {name: _modality(cohort, name) | {"scale": notes.tables[name].scale} for name in names},
        "pairs": {
            name: {
                other: {"samples": int((one & two).sum()), "labelled": int((one & two & labelled).sum())}
                for other, two in zip(names, profiled, strict=True)
            }
            for name, one in zip(names, profiled, strict=True)
        },
        "complete": {
            "samples": int(profiled.all(axis=0).sum()),
            "labelled": int((profiled.all(axis=0) & labelled).sum()),
        },
        "folds": _folds(cohort, splits),
        "duplicates": {name: _duplicates(cohort, name) for name in names},
        "join": _join(cohort, notes),
        "leakage": {name: _leakage(cohort, name) for name in names},
        "site_confounding": _site_confounding(cohort),
        "at_sites": _at_sites(cohort),
    }
    report["warnings"] = [*notes.remarks, *audit_warnings(report)]
    return report


def _strata_counts(cohort: Cohort, samples: NDArray[np.bool_]) -> dict[str, int]:
    names = cohort.target.task.strata_names
    counts = np.bincount(cohort.target.strata[samples & cohort.target.observed], minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))


def _modality(cohort: Cohort, name: str) -> dict[str, Any]:
    modality = cohort.modalities[name]
    constant = n_missing = 0
    for start in range(0, len(modality.features), _CHUNK):
        chunk = modality.values[:, start : start + _CHUNK]
        n_missing += int(np.isnan(chunk).sum())
        constant += int((~(np.fmin.reduce(chunk, axis=0) < np.fmax.reduce(chunk, axis=0))).sum())
    return {
        "samples": len(modality.rows),
        "labelled": int(cohort.target.observed[modality.rows].sum()),
        "features": len(modality.features),
        "constant_features": constant,
        "missing_fraction": n_missing / modality.values.size,
        "strata": _strata_counts(cohort, cohort.profiled(name)),
    }


def _folds(cohort: Cohort, splits: SplitsConfig) -> dict[str, Any]:
    """Patients of each stratum, and how many an inner fold can expect within the label budget."""
    patients = {modality: cohort.patients_by_stratum(cohort.profiled(modality)) for modality in cohort.modalities}
    trained = (1 - 1 / splits.folds) / splits.inner_folds
    shares = _budget(cohort, splits)["strata"]
    return {
        "folds": splits.folds,
        "inner_folds": splits.inner_folds,
        "patients": patients,
        "per_inner_fold": {
            modality: {name: round(shares[name] * trained * count, 2) for name, count in counts.items()}
            for modality, counts in patients.items()
        },
    }


def _budget(cohort: Cohort, splits: SplitsConfig) -> dict[str, Any]:
    used, strata = splits.label_shares(_strata_counts(cohort, cohort.target.observed), cohort.label_budget)
    return {"asked": cohort.label_budget, "used": used, "strata": strata}


def _duplicates(cohort: Cohort, name: str) -> list[list[str]]:
    modality = cohort.modalities[name]
    first: dict[bytes, int] = {}
    pairs = []
    for row, values in enumerate(modality.values):
        other = first.setdefault(hashlib.blake2b(np.ascontiguousarray(values).data).digest(), row)
        one, two = modality.rows[other], modality.rows[row]
        if other != row and cohort.groups[one] != cohort.groups[two] and len(np.unique(values)) >= _TELLING:
            pairs.append([str(cohort.samples[one]), str(cohort.samples[two])])
    return pairs


def _join(cohort: Cohort, notes: Notes) -> dict[str, Any]:
    has = {"clinical": notes.in_clinical, "label": cohort.target.observed}
    has |= {name: cohort.profiled(name) for name in cohort.modalities}
    tables = {
        name: {
            "file": table.file,
            "ids": table.ids,
            "in_clinical": int(np.sum(has[name] & notes.in_clinical)),
            "not_in_clinical": int(np.sum(has[name] & ~notes.in_clinical)),
            "turned": table.turned,
            "left_out": dict(Counter(table.left_out.values())),
            "features_left_out": dict(table.features_left_out),
        }
        for name, table in notes.tables.items()
    }
    left_out = {"clinical": dict.fromkeys(notes.clinical_left_out, "in no table")}
    left_out |= {name: dict(table.left_out) for name, table in notes.tables.items()}
    return {
        "level": notes.level,
        "clinical": {"ids": notes.clinical_ids, "in_no_table": len(notes.clinical_left_out)},
        "unlabelled_samples": int((~cohort.target.observed).sum()),
        "patients_with_several_samples": int((np.unique(cohort.groups, return_counts=True)[1] > 1).sum()),
        "patients_with_different_labels": _with_different_labels(cohort),
        "tables": tables,
        "samples": {
            str(sample): ", ".join(name for name, member in has.items() if member[position])
            for position, sample in enumerate(cohort.samples)
        },
        "left_out": {name: reasons for name, reasons in left_out.items() if reasons},
    }


def _leakage(cohort: Cohort, name: str) -> dict[str, Any]:
    modality, target = cohort.modalities[name], cohort.target
    best = target.task.single_feature(modality.values, target.values[modality.rows], cohort.groups[modality.rows])
    return {
        "feature": None if best is None else str(modality.features[best.feature]),
        "stratum": None if best is None else best.stratum,
        "measure": None if best is None else best.measure,
        "value": None if best is None else best.value,
        "flagged": best is not None and best.suspicious,
        "defines_target": name == cohort.derived_from,
        "named_like_target": _named_like_target(cohort, name),
    }


def _named_like_target(cohort: Cohort, name: str) -> list[str]:
    target = cohort.target
    columns = {f"{target.name}{ending}".casefold() for endings in target.task.columns for ending in endings}
    return [str(feature) for feature in cohort.modalities[name].features if str(feature).casefold() in columns]


def _with_different_labels(cohort: Cohort) -> list[str]:
    known = cohort.target.observed
    patients, codes = np.unique(cohort.groups[known], return_inverse=True)
    labels = np.unique(np.column_stack([codes, cohort.target.values[known]]), axis=0)
    return [str(name) for name in patients[np.bincount(labels[:, 0].astype(np.int64), minlength=len(patients)) > 1]]


def _at_known_sites(cohort: Cohort) -> NDArray[np.int64]:
    """One labelled sample of each patient whose site is known."""
    known = cohort.target.observed & (cohort.sites != "")
    return np.flatnonzero(known)[np.unique(cohort.groups[known], return_index=True)[1]]


def _at_sites(cohort: Cohort) -> list[str]:
    first = _at_known_sites(cohort)
    target = cohort.target
    return target.task.at_sites(target.name, target.values[first], cohort.sites[first]) if len(first) else []


def _site_confounding(cohort: Cohort) -> dict[str, Any] | None:
    first = _at_known_sites(cohort)
    sites = cohort.sites[first]
    n_sites = len(np.unique(sites))
    found = cohort.target.task.site_dependence(cohort.target.values[first], sites) if n_sites > 1 else None
    if found is None:
        return None
    return {
        "sites": n_sites,
        "samples": len(first),
        "measure": found.measure,
        "value": found.value,
        "chance": found.chance,
        "p_value": found.p_value,
        "flagged": found.p_value <= 0.01 and found.value - found.chance >= SITE_EXCESS,
    }
