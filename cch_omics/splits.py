"""Outer splits and the inner folds of each outer training set."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort, Target
from cch_omics.config import SplitsConfig
from cch_omics.errors import InputError
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import read_arrays
from cch_omics.tasks.base import Task

# Times a label budget that the folds may need; below it the audit says what was used.
MOST_OVER_BUDGET = 2


@dataclass(frozen=True)
class Splits:
    """S splits of n samples: repeats x folds outer splits, then the *full cohort*, which has no test samples.

    The full cohort is the cohort as its owner will use it: the verdict and the deployed students come from it, the
    gains from the others.

    Attributes
    ----------
    repeat, fold
        (S,) of each outer split; -1 for the full cohort.
    inner
        (S, n) inner fold of a training sample, -1 for a test sample.
    labelled
        (S, n) training samples whose label may be used: those within the label budget.
    """

    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    inner: NDArray[np.int64]
    labelled: NDArray[np.bool_]

    @property
    def train(self) -> NDArray[np.bool_]:
        """(S, n)."""
        return self.inner >= 0

    @property
    def test(self) -> NDArray[np.bool_]:
        """(S, n)."""
        return self.inner < 0

    @property
    def n_inner(self) -> int:
        """Number of inner folds."""
        return int(self.inner.max()) + 1

    @property
    def full(self) -> int:
        """Position of the full cohort, and number of outer splits."""
        return len(self.fold) - 1

    def task(self, target: Target, split: int) -> Task:
        """The task of a target as it is used in a split: fitted to the labels that may be used there."""
        return target.task.trained_on(target.values[self.labelled[split]])

    def entropy(self, split: int) -> tuple[int, int]:
        """Two non-negative numbers that name a split, for the seeds of what is random in it."""
        return int(self.repeat[split]) + 1, int(self.fold[split]) + 1


def make_splits(cohort: Cohort, settings: SplitsConfig, *, seed: int) -> Splits:
    """Draw the labels that may be used, the outer splits, and the inner folds of each.

    The labels are the same ones in every split: who has 15% of them has one set. Outer and inner folds are stratified
    by target (a label beyond the budget, and a missing one, are strata of their own) and keep the samples of one
    patient together; with `by_site` the outer folds keep a tissue source site together. Inner folds are drawn once for
    all modalities.

    Raises
    ------
    InputError
        If a stratum has fewer patients than a training set has inner folds, or sites are asked for and unknown.
    """
    _check_folds(cohort, settings)
    n = len(cohort.samples)
    outer_groups = _site_groups(cohort) if settings.by_site else cohort.groups
    strata = cohort.target.strata
    kept = _kept_labels(cohort, settings)
    outer_strata = np.where(kept | (strata < 0), strata, strata + len(cohort.target.task.strata_names))
    test = [
        (repeat, fold, folds == fold)
        for repeat in range(settings.repeats)
        for folds in [_folds(outer_strata, outer_groups, settings.folds, _seed(seed, 0, repeat))]
        for fold in range(settings.folds)
    ]
    test.append((-1, -1, np.zeros(n, dtype=bool)))

    inner = np.full((len(test), n), -1, dtype=np.int64)
    for s, (repeat, fold, is_test) in enumerate(test):
        train = np.flatnonzero(~is_test)
        usable = np.where(kept, strata, -1)[train]
        inner[s, train] = _folds(
            usable, cohort.groups[train], settings.inner_folds, _seed(seed, 2, repeat + 1, fold + 1)
        )
    return Splits(
        repeat=np.array([repeat for repeat, _, _ in test]),
        fold=np.array([fold for _, fold, _ in test]),
        inner=inner,
        labelled=(inner >= 0) & kept,
    )


def save_splits(splits: Splits, path: Path) -> None:
    """Write splits as `.npz`."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, repeat=splits.repeat, fold=splits.fold, inner=splits.inner, labelled=splits.labelled)


def load_splits(path: Path) -> Splits:
    """Read what `save_splits` wrote."""
    with read_arrays(path) as arrays:
        return Splits(**{name: arrays[name] for name in ("repeat", "fold", "inner", "labelled")})


def _folds(strata: NDArray[np.int64], groups: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) fold of each sample."""
    # Here, because most steps only read splits, and importing scikit-learn takes most of a second.
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(strata), dtype=np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A few missing labels are a small stratum, of which nothing is asked; the others are checked before.
        warnings.filterwarnings("ignore", message="The least populated class")
        for k, (_, held_out) in enumerate(splitter.split(strata, strata, groups)):
            fold[held_out] = k
    return fold


def _kept_labels(cohort: Cohort, settings: SplitsConfig) -> NDArray[np.bool_]:
    """(n,) whose labels are within the budget: the same fraction of each stratum, or as many as the folds need."""
    strata = cohort.target.strata
    if cohort.label_budget == 1:
        return strata >= 0
    patients, patient = np.unique(cohort.groups, return_inverse=True)
    order = np.random.default_rng(_seed(settings.label_draw, 1)).permutation(len(patients))[patient]
    kept = np.zeros(len(strata), dtype=bool)
    for stratum in range(len(cohort.target.task.strata_names)):
        members = np.flatnonzero(strata == stratum)
        first = members[np.argsort(order[members], kind="stable")]
        kept[first[: settings.labels_kept(len(members), cohort.label_budget)]] = True
    return kept


def _check_folds(cohort: Cohort, settings: SplitsConfig) -> None:
    needed = settings.fewest_patients
    for name, found in cohort.patients_by_stratum(cohort.target.observed).items():
        if found < needed:
            raise InputError(
                f"cohort {cohort.name}, target {cohort.target.name}, labels {name!r}",
                f"{found} labelled patients",
                f"at least {needed} for splits.folds = {settings.folds} and "
                f"splits.inner_folds = {settings.inner_folds}",
                "Leave a class out with `classes`, merge it with another, or use fewer folds.",
            )
    _check_budget(cohort, settings)
    if settings.by_site and (cohort.sites == "").any():
        unknown = int((cohort.sites == "").sum())
        raise InputError(
            f"cohort {cohort.name}, config key splits.by_site",
            f"{unknown} of {len(cohort.sites)} samples without a tissue source site",
            "a site for every sample",
            "Add a column tissue_source_site to the clinical table, or set splits.by_site to false.",
        )
    if settings.by_site and (found := len(np.unique(_site_groups(cohort)))) < settings.folds:
        raise InputError(
            f"cohort {cohort.name}, config key splits.by_site",
            f"patients of {found} tissue source sites",
            f"at least {settings.folds}, one for each fold (splits.folds)",
            "Use fewer folds, or set splits.by_site to false.",
        )


def _check_budget(cohort: Cohort, settings: SplitsConfig) -> None:
    """Refuse a budget that the inner folds more than double: results would be those of other labels than asked."""
    target = cohort.target
    counts = np.bincount(target.strata[target.observed], minlength=len(target.task.strata_names))
    labels = dict(zip(target.task.strata_names, counts.tolist(), strict=True))
    used, _ = settings.label_shares(labels, cohort.label_budget)
    if used > MOST_OVER_BUDGET * cohort.label_budget:
        raise InputError(
            f"cohort {cohort.name}, target {target.name}, label_budget",
            f"{cohort.label_budget:.2%} of {sum(labels.values())} labels",
            f"a budget near {used:.1%}, with which each of {settings.inner_folds} inner folds (splits.inner_folds) has "
            f"a label of each of {len(labels)} strata",
            "Ask for a larger budget, use fewer inner folds, or leave out rare classes with the column `classes`.",
        )


def _site_groups(cohort: Cohort) -> NDArray[np.str_]:
    """Groups that join the samples of a site and of a patient who was seen at several sites."""
    first_site = dict(zip(cohort.groups[::-1], cohort.sites[::-1], strict=True))
    return np.array([first_site[group] for group in cohort.groups])


def _seed(*parts: int) -> int:
    """A seed of its own for each purpose."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
