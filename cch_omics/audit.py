"""The audit of a cohort: what is in it, what fell out on the way, and what could make its results too good."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig

FORMAT_VERSION = 1
# A single feature that does better than this on held-out patients is reported.
SUSPICIOUS_AUROC = 0.95
# Balanced accuracy above chance from which a dependence on the tissue source site is reported.
SITE_EXCESS = 0.05
# Fraction of missing values of a modality from which it is reported.
SPARSE = 0.2
# Expected patients of a class in an inner fold, below which it is reported.
FEWEST_IN_FOLD = 2
# Equal rows with fewer different values than this may be equal by chance.
_TELLING = 10
_FEWEST_IN_HALF = 5
_DEFAULTS = SplitsConfig()
_CHUNK = 2048
# Parts of class names that speak of a missing value.
_UNCLEAR = (
    "not available",
    "not performed",
    "not evaluated",
    "unknown",
    "indeterminate",
    "equivocal",
    "missing",
    "not applicable",
)


@dataclass(frozen=True)
class TableNotes:
    """How the rows of one modality's table were joined.

    Attributes
    ----------
    file
        Where the table came from.
    ids
        Rows of the table.
    in_clinical, not_in_clinical
        Rows kept that have, and have not, a row in the clinical table.
    turned
        Whether samples were in columns.
    left_out
        Rows left out, by reason.
    features_left_out
        Features left out, by reason.
    rows_left_out
        Reason by id of a row.
    """

    file: str
    ids: int
    in_clinical: int
    not_in_clinical: int
    turned: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    features_left_out: Mapping[str, int] = field(default_factory=dict)
    rows_left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """What reading a source found that its cohort does not show.

    Attributes
    ----------
    source
        The file or folder.
    level
        "sample" or "patient": what ids were joined by.
    clinical_ids, clinical_only
        Rows of the clinical table, and those of them that no modality has.
    tables
        By modality.
    values_treated_as_missing
        Values of the target that are not among the classes, with counts.
    origin
        Published source and license, where the source says so.
    remarks
        What was not read, or read otherwise than it stands: sentences.
    in_clinical
        (n,) whether a sample of the cohort has a row in the clinical table; None where that was not looked at.
    clinical_left_out
        Ids of the clinical table that no modality has.
    """

    source: str
    level: str
    clinical_ids: int
    clinical_only: int
    tables: Mapping[str, TableNotes]
    values_treated_as_missing: Mapping[str, int]
    origin: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    in_clinical: NDArray[np.bool_] | None = None
    clinical_left_out: tuple[str, ...] = ()


def audit(cohort: Cohort, notes: Notes, splits: SplitsConfig = _DEFAULTS) -> dict[str, Any]:
    """Count and check a cohort; the content of `audit.json`.

    Parameters
    ----------
    splits
        Folds that the cohort will be cut into.

    Returns
    -------
    dict
        - `format_version`, `cohort`, `target`, `task`, `source`, `origin` (published source and license, where known)
        - `samples`, `patients`, `labelled`, `label_budget`, `derived_from`
        - `classes`: samples by class
        - `values_treated_as_missing`: samples by value of the target that is not a class
        - `modalities`: by name `samples`, `labelled`, `features`, `constant_features`, `missing_fraction`, `classes`
        - `pairs`: by name and name `samples` and `labelled` that have both
        - `complete`: `samples` and `labelled` that have every modality
        - `folds`: `folds`, `inner_folds`; `patients`: by modality and class, those who have both; `per_inner_fold`: by
          modality and class, how many of them an inner fold will have whose label may be used
        - `duplicates`: by modality, pairs of samples of different patients that have the same values
        - `join`: `level`; `clinical` (`ids`, `in_no_table`); `unlabelled_samples`; `patients_with_several_samples`;
          `tables`: by modality `file`, `ids`, `in_clinical`, `not_in_clinical`, `turned`, `left_out` (rows by reason),
          `features_left_out` (by reason); `samples`: what each sample has; `left_out`: reasons by table and id
        - `leakage`: by modality `feature`, `class`, `auroc` (see `single_feature`), `flagged`, `defines_target`; the
          first three are null where classes are too small
        - `site_confounding`: `sites`, `samples`, `balanced_accuracy`, `chance`, `p_value`, `flagged` (see
          `site_prediction`); null where sites are unknown or too few
        - `warnings`: sentences
    """
    names = list(cohort.modalities)
    profiled = np.array([cohort.profiled(name) for name in names])
    labelled = cohort.labelled
    report: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "cohort": cohort.name,
        "target": cohort.target,
        "task": "classification",
        "source": notes.source,
        "origin": dict(notes.origin),
        "samples": len(cohort.samples),
        "patients": len(np.unique(cohort.groups)),
        "labelled": int(labelled.sum()),
        "label_budget": cohort.label_budget,
        "derived_from": cohort.derived_from,
        "classes": _class_counts(cohort, labelled),
        "values_treated_as_missing": dict(notes.values_treated_as_missing),
        "modalities": {name: _modality(cohort, name) for name in names},
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
    }
    report["warnings"] = [*notes.remarks, *_warnings(report)]
    return report


def single_feature(
    values: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.str_], n_classes: int
) -> tuple[int, int, float] | None:
    """How well the best single feature tells one class from the rest, without the luck of the choice.

    Half of the patients choose feature and direction, the other half measure its AUROC, and the other way round; the
    mean of both is returned for the class where it is highest.

    Parameters
    ----------
    values
        (n, p); a missing value counts as the feature's median.
    labels
        (n,) classes from 0; -1 = not looked at.
    groups
        (n,) patients, kept on one side.

    Returns
    -------
    tuple or None
        Feature (the best over all samples), class, held-out AUROC; None when no class has enough samples.
    """
    known = np.flatnonzero(labels >= 0)
    half = _halves(labels[known], groups[known])
    member = labels[known, None] == np.arange(n_classes)
    inside = np.array([member[half == side].sum(axis=0) for side in (0, 1)])
    outside = np.array([(half == side).sum() for side in (0, 1)])[:, None] - inside
    usable = np.flatnonzero(np.minimum(inside, outside).min(axis=0) >= _FEWEST_IN_HALF)
    if not len(usable):
        return None
    by_half = [_areas(values, known[half == side], member[half == side][:, usable]) for side in (0, 1)]
    best: tuple[int, int, float] | None = None
    for position, cls in enumerate(usable.tolist()):
        areas = [by_half[side][position] for side in (0, 1)]
        chosen = [int(np.argmax(np.abs(area - 0.5))) for area in areas]
        measured = [
            0.5 + np.sign(areas[side][chosen[side]] - 0.5) * (areas[1 - side][chosen[side]] - 0.5) for side in (0, 1)
        ]
        area = float(np.mean(measured))
        if best is None or area > best[2]:
            best = int(np.argmax(np.abs(areas[0] + areas[1] - 1))), cls, area
    return best


def site_prediction(
    labels: NDArray[np.int64], sites: NDArray[np.str_], *, permutations: int = 199, seed: int = 0
) -> tuple[float, float, float]:
    """How well the tissue source site alone predicts the label, of one sample per patient.

    Each of five folds is predicted from the class frequencies of its site in the others (one pseudo-count, classes
    weighted equally); labels permuted over patients give chance.

    Returns
    -------
    tuple
        Balanced accuracy, its mean over permutations, and the p-value
        (1 + permutations that do as well) / (1 + permutations).
    """
    random = np.random.default_rng(seed)
    codes = np.unique(sites, return_inverse=True)[1]
    observed = _site_accuracy(labels, codes, random)
    null = np.array([_site_accuracy(random.permutation(labels), codes, random) for _ in range(permutations)])
    return observed, float(null.mean()), float((1 + (null >= observed).sum()) / (1 + permutations))


def _class_counts(cohort: Cohort, samples: NDArray[np.bool_]) -> dict[str, int]:
    counts = np.bincount(cohort.labels[samples & cohort.labelled], minlength=len(cohort.classes))
    return dict(zip(cohort.classes, counts.tolist(), strict=True))


def _modality(cohort: Cohort, name: str) -> dict[str, Any]:
    modality = cohort.modalities[name]
    constant = n_missing = 0
    for start in range(0, len(modality.features), _CHUNK):
        chunk = modality.values[:, start : start + _CHUNK]
        n_missing += int(np.isnan(chunk).sum())
        constant += int((~(np.fmin.reduce(chunk, axis=0) < np.fmax.reduce(chunk, axis=0))).sum())
    return {
        "samples": len(modality.rows),
        "labelled": int(cohort.labelled[modality.rows].sum()),
        "features": len(modality.features),
        "constant_features": constant,
        "missing_fraction": n_missing / modality.values.size,
        "classes": _class_counts(cohort, cohort.profiled(name)),
    }


def _folds(cohort: Cohort, splits: SplitsConfig) -> dict[str, Any]:
    """Patients of each class, and how many an inner fold can expect within the label budget."""
    patients = {}
    for name in cohort.modalities:
        has = cohort.profiled(name)
        members = [len(np.unique(cohort.groups[has & (cohort.labels == code)])) for code in range(len(cohort.classes))]
        patients[name] = dict(zip(cohort.classes, members, strict=True))
    share = cohort.label_budget * (1 - 1 / splits.folds) / splits.inner_folds
    return {
        "folds": splits.folds,
        "inner_folds": splits.inner_folds,
        "patients": patients,
        "per_inner_fold": {
            name: {cls: round(share * count, 2) for cls, count in counts.items()} for name, counts in patients.items()
        },
    }


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
    has: dict[str, NDArray[np.bool_]] = {}
    if notes.in_clinical is not None:
        has["clinical"] = notes.in_clinical
    has |= {"label": cohort.labelled} | {name: cohort.profiled(name) for name in cohort.modalities}
    tables = {}
    for name, table in notes.tables.items():
        tables[name] = asdict(table) | {"left_out": dict(table.left_out)}
        del tables[name]["rows_left_out"]
    left_out = {"clinical": dict.fromkeys(notes.clinical_left_out, "in no table")}
    left_out |= {name: dict(table.rows_left_out) for name, table in notes.tables.items()}
    return {
        "level": notes.level,
        "clinical": {"ids": notes.clinical_ids, "in_no_table": notes.clinical_only},
        "unlabelled_samples": int((~cohort.labelled).sum()),
        "patients_with_several_samples": int((np.unique(cohort.groups, return_counts=True)[1] > 1).sum()),
        "tables": tables,
        "samples": {
            str(sample): ", ".join(name for name, member in has.items() if member[position])
            for position, sample in enumerate(cohort.samples)
        },
        "left_out": {name: reasons for name, reasons in left_out.items() if reasons},
    }


def _leakage(cohort: Cohort, name: str) -> dict[str, Any]:
    modality = cohort.modalities[name]
    rows = modality.rows
    best = single_feature(modality.values, cohort.labels[rows], cohort.groups[rows], len(cohort.classes))
    feature, cls, area = best if best is not None else (None, None, None)
    return {
        "feature": None if feature is None else str(modality.features[feature]),
        "class": None if cls is None else cohort.classes[cls],
        "auroc": area,
        "flagged": area is not None and area > SUSPICIOUS_AUROC,
        "defines_target": name == cohort.derived_from,
    }


def _site_confounding(cohort: Cohort) -> dict[str, Any] | None:
    known = cohort.labelled & (cohort.sites != "")
    first = np.flatnonzero(known)[np.unique(cohort.groups[known], return_index=True)[1]]
    labels, sites = cohort.labels[first], cohort.sites[first]
    sizes = np.bincount(labels, minlength=len(cohort.classes))
    if len(np.unique(sites)) < 2 or (sizes > 0).sum() < 2 or sizes[sizes > 0].min() < _FEWEST_IN_HALF:
        return None
    accuracy, chance, p_value = site_prediction(labels, sites)
    return {
        "sites": len(np.unique(sites)),
        "samples": len(first),
        "balanced_accuracy": accuracy,
        "chance": chance,
        "p_value": p_value,
        "flagged": p_value <= 0.01 and accuracy - chance >= SITE_EXCESS,
    }


def _halves(labels: NDArray[np.int64], groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give patients to two sides, alternately within each class (of a patient's first sample)."""
    first, inverse = np.unique(groups, return_index=True, return_inverse=True)[1:]
    order = np.random.default_rng(0).permutation(len(first))
    side = np.empty(len(first), dtype=np.int64)
    for cls in np.unique(labels[first]):
        members = order[labels[first][order] == cls]
        side[members] = np.arange(len(members)) % 2
    return side[inverse]


def _areas(values: NDArray[np.float32], rows: NDArray[np.int64], member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """AUROC (C, p) of p features for the members (n, C) of each class among n rows (Mann-Whitney), chunk by chunk."""
    inside = member.sum(axis=0)[:, None]
    areas = np.empty((member.shape[1], values.shape[1]))
    for start in range(0, values.shape[1], _CHUNK):
        chunk = values[rows, start : start + _CHUNK]
        missing = np.isnan(chunk)
        if missing.any():
            median = np.nanmedian(np.where(missing.all(axis=0), 0, chunk), axis=0)
            chunk = np.where(missing, median, chunk)
        ranks = member.T.astype(float) @ stats.rankdata(chunk, axis=0)
        areas[:, start : start + _CHUNK] = (ranks - inside * (inside + 1) / 2) / (inside * (len(member) - inside))
    return areas


def _site_accuracy(labels: NDArray[np.int64], sites: NDArray[np.int64], random: np.random.Generator) -> float:
    n_classes = int(labels.max()) + 1
    order = np.lexsort((random.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % 5
    predicted = np.empty(len(labels), dtype=np.int64)
    for test in range(5):
        train = fold != test
        table = np.zeros((sites.max() + 1, n_classes))
        np.add.at(table, (sites[train], labels[train]), 1)
        size = table.sum(axis=0)
        # P(class | site) / P(class), shrunk towards 1 by one pseudo-count spread as the classes are.
        prior = size / size.sum()
        ratio = (table + prior) / np.maximum(prior, 1e-12)
        predicted[~train] = np.argmax(ratio, axis=1)[sites[~train]]
    hits = np.bincount(labels, predicted == labels, minlength=n_classes)
    sizes = np.bincount(labels, minlength=n_classes)
    return float(np.mean(hits[sizes > 0] / sizes[sizes > 0]))


def _warnings(report: dict[str, Any]) -> list[str]:
    said: list[str] = []
    join, total = report["join"], report["samples"]
    if (count := join["unlabelled_samples"]) > 0:
        said.append(f"{count} of {total} samples have no label: they can carry soft targets only.")
    if report["values_treated_as_missing"]:
        listed = ", ".join(f"{value!r} ({count})" for value, count in report["values_treated_as_missing"].items())
        said.append(f"Values of {report['target']} that were treated as missing: {listed}.")
    odd = [name for name in report["classes"] if any(word in name.lower() for word in _UNCLEAR)]
    if odd:
        said.append(
            f"Classes of {report['target']} that look like missing values: {', '.join(map(repr, odd))}; "
            "list the real classes in the sheet's column 'classes'."
        )
    if join["clinical"]["in_no_table"]:
        said.append(f"{join['clinical']['in_no_table']} rows of the clinical table have no omics and were left out.")
    for name, table in join["tables"].items():
        said += [f"{name}: {count} rows left out: {reason}." for reason, count in table["left_out"].items()]
        features = table["features_left_out"]
        said += [f"{name}: {count} features left out: {reason}." for reason, count in features.items()]
        if table["not_in_clinical"]:
            said.append(f"{name}: {table['not_in_clinical']} samples are not in the clinical table.")
        if table["turned"]:
            said.append(f"{name}: the table had samples in its columns and was turned.")
    for name, modality in report["modalities"].items():
        if modality["constant_features"]:
            said.append(f"{name}: {modality['constant_features']} features are constant.")
        if modality["missing_fraction"] > SPARSE:
            said.append(f"{name}: {modality['missing_fraction']:.0%} of its values are missing.")
        absent = [cls for cls, count in modality["classes"].items() if not count]
        if absent:
            said.append(f"{name}: no sample of class {', '.join(map(repr, absent))}.")
    if count := join["patients_with_several_samples"]:
        said.append(f"{count} patients have several samples: they stay together in every split.")
    for name, pairs in report["duplicates"].items():
        if pairs:
            listed = "; ".join(f"{one} and {two}" for one, two in pairs[:3])
            said.append(
                f"{name}: {len(pairs)} pairs of samples of different patients have the same values ({listed}): "
                "one patient under two ids would be in training and test."
            )
    for name, counts in report["folds"]["per_inner_fold"].items():
        few = [f"{cls!r} ({count:.1f})" for cls, count in counts.items() if 0 < count < FEWEST_IN_FOLD]
        if few:
            said.append(
                f"{name}: classes with fewer than {FEWEST_IN_FOLD} labelled patients in an inner fold on average: "
                f"{', '.join(few)}. Estimates of them are noisy; merge classes or use fewer folds."
            )
    names = list(report["pairs"])
    for position, name in enumerate(names):
        for other in names[position + 1 :]:
            if not report["pairs"][name][other]["samples"]:
                said.append(f"No sample has both {name} and {other}: neither can teach the other.")
    for name, leak in report["leakage"].items():
        if leak["defines_target"]:
            said.append(f"{name}: the target was defined from it, so its own accuracy is optimistic.")
        if leak["flagged"]:
            said.append(
                f"{name}: the single feature {leak['feature']} tells class {leak['class']!r} from the rest with an "
                f"AUROC of {leak['auroc']:.3f} on held-out patients: a leak of the label, or biology that defines it."
            )
    site = report["site_confounding"]
    if site is not None and site["flagged"]:
        said.append(
            f"Tissue source site alone predicts {report['target']} with a balanced accuracy of "
            f"{site['balanced_accuracy']:.2f} (chance {site['chance']:.2f}, p {site['p_value']:.3f}): "
            "consider splits by site."
        )
    return said
