"""What the pages show of the cohort itself: how many labels there are, its splits, what representations look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.models.out_of_fold import Encoding
from cch_omics.splits import Splits
from cch_omics.views import views_of


@dataclass(frozen=True)
class LabelCounts:
    """Labels of the samples of one modality.

    Attributes
    ----------
    strata
        (K,) names: classes, or ranges of a number.
    usable
        (K,) labels of each stratum that a model could be trained on.
    known
        (K,) labels of each stratum, within the label budget or not.
    """

    strata: tuple[str, ...]
    usable: tuple[int, ...]
    known: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Held-out representations of a view in two dimensions.

    Attributes
    ----------
    points
        (n, 2) principal components.
    strata
        (n,) stratum of the label, -1 where missing.
    usable
        (n,) whether the label was within the label budget.
    """

    name: str
    points: NDArray[np.float64]
    strata: NDArray[np.int64]
    usable: NDArray[np.bool_]


@dataclass(frozen=True)
class Material:
    """What the page shows of the cohort itself.

    Attributes
    ----------
    counts
        Labels, by modality.
    views
        Representations in two dimensions.
    facts
        Sentence under the heading.
    design
        Sentence on splits and folds.
    """

    counts: Mapping[str, LabelCounts] = field(default_factory=dict)
    views: Sequence[View] = ()
    facts: str = ""
    design: str = ""


def read_views(cohort: Cohort, splits: Splits, folder: Path) -> list[View]:
    """Read the encodings `{view}.npz` of a folder and draw each in two dimensions."""
    from cch_omics.models.out_of_fold import load_encoding

    return [
        held_out_view(cohort, splits, load_encoding(folder / f"{name}.npz"), name)
        for name in views_of(cohort)
        if (folder / f"{name}.npz").is_file()
    ]


def describe(cohort: Cohort, splits: Splits, views: Sequence[View] = ()) -> Material:
    """Count labels, and say in words what the cohort and its splits are."""
    target = cohort.target
    return Material(
        {name: _counts(cohort, splits, name) for name in cohort.modalities},
        views,
        _facts(cohort, int(target.observed.sum())),
        f"{int(splits.fold.max()) + 1} outer folds, drawn {int(splits.repeat.max()) + 1} times, and {splits.n_inner} "
        "inner folds in each training set.",
    )


def _facts(cohort: Cohort, n_labelled: int) -> str:
    task = cohort.target.task
    patients, samples = len(np.unique(cohort.groups)), len(cohort.samples)
    facts = f"{patients} patients" + (f" ({samples} samples)" if samples != patients else "")
    facts += f", {len(cohort.modalities)} omics, {n_labelled} labelled samples"
    facts += f"; {task.name} ({', '.join(task.strata_names)})"
    if cohort.label_budget < 1:
        share = f"{100 * cohort.label_budget:.0f}%"
        facts += f"; training may use {share} of the labels, so that the others stand in for unlabelled patients"
    return facts + "."


def _counts(cohort: Cohort, splits: Splits, modality: str) -> LabelCounts:
    names, strata = cohort.target.task.strata_names, cohort.target.strata
    labelled = cohort.profiled(modality) & (strata >= 0)
    known, usable = (
        np.bincount(strata[labelled & among], minlength=len(names)).tolist()
        for among in (labelled, splits.labelled[splits.full])
    )
    return LabelCounts(names, tuple(usable), tuple(known))


def held_out_view(cohort: Cohort, splits: Splits, encoding: Encoding, name: str) -> View:
    """First two principal components of one inner fold of the full cohort.

    One inner fold, because encoders of different folds have unaligned axes, and cannot be drawn together.
    """
    from sklearn.decomposition import PCA

    full = splits.full
    rows = np.flatnonzero((splits.inner[full] == 0) & cohort.profiled(name))
    values = encoding.representation[full, rows].astype(np.float64)
    rows, values = rows[np.isfinite(values).all(1)], values[np.isfinite(values).all(1)]
    points = np.zeros((len(rows), 2))
    n_components = min(2, *values.shape)
    if n_components and len(rows) > 1:
        points[:, :n_components] = PCA(n_components, svd_solver="full").fit_transform(values)
    return View(name, points, cohort.target.strata[rows], splits.labelled[full, rows])
