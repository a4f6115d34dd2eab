"""A checked cohort: aligned arrays of several omics, and one target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    """

    values: NDArray[np.float32]
    features: NDArray[np.str_]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Cohort:
    """Samples of one cohort, their omics and one target of classification.

    Attributes
    ----------
    name, target
        As in the sheet.
    samples
        (n,) sample ids, unique, sorted.
    groups
        (n,) patient ids: samples with the same patient never part in a split.
    sites
        (n,) tissue source site, "" where unknown.
    labels
        (n,) position in `classes`, -1 where the label is missing.
    classes
        Class names.
    modalities
        By name; a sample may lack any of them.
    label_budget
        Fraction of each training set's labels that may be used.
    derived_from
        The modality that the target was defined from, "" if none is declared.
    """

    name: str
    target: str
    samples: NDArray[np.str_]
    groups: NDArray[np.str_]
    sites: NDArray[np.str_]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    modalities: dict[str, Modality]
    label_budget: float = 1.0
    derived_from: str = ""

    def profiled(self, modality: str) -> NDArray[np.bool_]:
        """(n,) whether a sample has the modality."""
        present = np.zeros(len(self.samples), dtype=bool)
        present[self.modalities[modality].rows] = True
        return present

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a label."""
        return self.labels >= 0
