"""What benchmarks share: real cohorts, targets and label budgets; cohorts of some of their samples; training."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, InformationConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.splits import Splits, make_splits
from cch_omics.views import teachers_of

SEED = 0
CPU = torch.device("cpu")
# Half-samples behind the errors of mutual information fewer than the default, and parametric simulations as few as the
# configuration allows.
INFORMATION = InformationConfig(subsamples=20, simulations=8)
# Whether results of a case may stand in a headline.
CLEAN = "clean"
CHOSEN = "features chosen with a label"


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


def some_of(cohort: Cohort, some: NDArray[np.bool_]) -> Cohort:
    """The cohort of (n,) some samples."""
    position = np.cumsum(some) - 1
    modalities = {}
    for name, modality in cohort.modalities.items():
        known = some[modality.rows]
        modalities[name] = replace(modality, values=modality.values[known], rows=position[modality.rows[known]])
    return replace(
        cohort,
        samples=cohort.samples[some],
        groups=cohort.groups[some],
        sites=cohort.sites[some],
        target=replace(cohort.target, values=cohort.target.values[some]),
        modalities=modalities,
    )


def splits_of_some(cohort: Cohort, some: NDArray[np.bool_], settings: SplitsConfig, *, seed: int) -> Splits:
    """Splits of (n,) some samples as if there were no others: these are test samples of each, and of the full cohort.

    The label budget is that of the known samples.
    """
    drawn = make_splits(some_of(cohort, some), settings, seed=seed)
    shape = len(drawn.inner), len(some)
    inner, labelled = np.full(shape, -1, dtype=drawn.inner.dtype), np.zeros(shape, dtype=np.bool_)
    inner[:, some], labelled[:, some] = drawn.inner, drawn.labelled
    return replace(drawn, inner=inner, labelled=labelled)


def trained(
    cohort: Cohort, splits: Splits, encoder: EncoderConfig, *, seed: int = SEED, shuffled_controls: bool = False
) -> tuple[dict[str, Encoding], dict[str, OutOfFold]]:
    """Encodings and students of every modality, by the defaults; those of permuted soft targets if asked for."""
    encodings = {name: encode(cohort, splits, name, encoder, seed=seed, device=CPU) for name in cohort.modalities}
    students = {
        name: distil(
            cohort,
            splits,
            encodings,
            name,
            teachers_of(cohort, name),
            DistillationConfig(),
            encoder,
            seed=seed,
            device=CPU,
            shuffled_controls=shuffled_controls,
        )
        for name in cohort.modalities
    }
    return encodings, students
