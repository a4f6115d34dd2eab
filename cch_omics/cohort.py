"""A checked cohort: aligned arrays of several omics, and one target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Task


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes
    ----------
    name
        As in the sheet.
    task
        What kind of target it is: everything that depends on the kind is asked of it.
    values
        (n, ...) as the task encodes them. Only the task looks into them; others pick rows.
    """

    name: str
    task: Task
    values: NDArray[Any]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a label."""
        return self.task.observed(self.values)

    @property
    def strata(self) -> NDArray[np.int64]:
        """(n,) position in `task.strata_names`, -1 without a label: what splits are stratified by."""
        return self.task.strata(self.values)


@dataclass(frozen=True)
class Modality:
    """One omics of a cohort.

    Attributes
    ----------
    values
        (n_profiled, p) float32; NaN marks a missing value.
    features
        (p,) feature names, unique.
    rows
        (n_profiled,) positions of the profiled samples among the cohort's samples, increasing.
    scale, made
        The scale of the table, a name of `data.working_scale.SCALES`; and whether the values are what it makes of the
        table's, not these themselves.
    """

    values: NDArray[np.float32]
    features: NDArray[np.str_]
    rows: NDArray[np.int64]
    scale: str = "continuous"
    made: bool = False


@dataclass(frozen=True)
class Cohort:
    """Samples of one cohort, their omics and one target.

    Attributes
    ----------
    name
        As in the sheet.
    samples
        (n,) sample ids, unique, sorted.
    groups
        (n,) patient ids: samples with the same patient never part in a split.
    sites
        (n,) tissue source site, "" where unknown.
    target
        What is to be predicted, of the n samples.
    modalities
        By name; a sample may lack any of them.
    teachers
        Names of the views that may teach (`cch_omics.views`).
    left_out
        What was asked for and is not used, with the reason as a sentence: a view, which neither teaches nor learns; or
        two views, which do not teach each other. Of a modality that is left out the cohort has no values.
    label_budget
        Fraction of each training set's labels that may be used.
    derived_from
        The modality that the target was defined from, "" if none is declared.
    """

    name: str
    samples: NDArray[np.str_]
    groups: NDArray[np.str_]
    sites: NDArray[np.str_]
    target: Target
    modalities: dict[str, Modality]
    teachers: tuple[str, ...]
    label_budget: float = 1.0
    derived_from: str = ""
    left_out: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def patients_by_stratum(self, samples: NDArray[np.bool_]) -> dict[str, int]:
        """Labelled patients among some samples (n,), by stratum of the target."""
        return {
            name: len(np.unique(self.groups[samples & (self.target.strata == position)]))
            for position, name in enumerate(self.target.task.strata_names)
        }

    def profiled(self, view: str) -> NDArray[np.bool_]:
        """(n,) whether a sample has all modalities of a view, such as `rna` or `rna+cnv`."""
        everyone = np.ones(len(self.samples), dtype=bool)
        for name in view.split("+"):
            has = np.zeros(len(self.samples), dtype=bool)
            has[self.modalities[name].rows] = True
            everyone &= has
        return everyone
