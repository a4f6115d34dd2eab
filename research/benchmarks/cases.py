"""Real cohorts, targets and label budgets of the benchmarks, and cohorts of which only some patients are known."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.splits import Splits, make_splits

SEED = 0
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """One cohort, target and label budget.

    Attributes
    ----------
    cluster
        Cases of one cluster are not independent: they share patients, or are targets of the same ones.
    source
        As in the sheet; by default the folder of the cohort's name.
    """

    cohort: str
    target: str
    cluster: str
    classes: str = ""
    derived_from: str = ""
    source: str = ""
    budget: float = 1.0

    def read(self, data: Path | None) -> Cohort:
        """Every omics may teach, but those that the target is derived from."""
        row = SheetRow(
            cohort=self.cohort,
            source=self.source or str((data or Path()) / self.cohort),
            target=self.target,
            classes=self.classes,
            derived_from=self.derived_from,
            label_budget=self.budget,
        )
        return assemble(read_source(row), row)[0]


@dataclass(frozen=True)
class Settings:
    """How a case is split and encoded."""

    splits: SplitsConfig
    encoder: EncoderConfig


def splits_of_some(cohort: Cohort, some: NDArray[np.bool_], settings: SplitsConfig, *, seed: int) -> Splits:
    """Splits of (n,) some samples as if there were no others: these are test samples of each, and of the full cohort.

    The label budget is that of the known samples.
    """
    position = np.cumsum(some) - 1
    modalities = {}
    for name, modality in cohort.modalities.items():
        known = some[modality.rows]
        modalities[name] = replace(modality, values=modality.values[known], rows=position[modality.rows[known]])
    alone = replace(
        cohort,
        samples=cohort.samples[some],
        groups=cohort.groups[some],
        sites=cohort.sites[some],
        target=replace(cohort.target, values=cohort.target.values[some]),
        modalities=modalities,
    )
    drawn = make_splits(alone, settings, seed=seed)
    shape = len(drawn.inner), len(some)
    inner, labelled = np.full(shape, -1, dtype=drawn.inner.dtype), np.zeros(shape, dtype=np.bool_)
    inner[:, some], labelled[:, some] = drawn.inner, drawn.labelled
    return replace(drawn, inner=inner, labelled=labelled)
