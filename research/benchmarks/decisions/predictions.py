"""What is trained: every student of every cohort, target and label budget, once and for all.

A folder of predictions, OUTPUT/COHORT/TARGET/BUDGET, has everything that a criterion or a gain is computed from
(`load`). Files are written whole, and a file that is there is not made again.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch

from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig, DistillationConfig, EncoderConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.models.baselines import fit_baselines
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import (
    Encoding,
    OutOfFold,
    load_by_student,
    load_encoding,
    load_out_of_fold,
    save_by_student,
    save_encoding,
    save_out_of_fold,
)
from cch_omics.splits import Splits, load_splits, make_splits, save_splits

SEED = 0
CPU = torch.device("cpu")
# The baselines, which would cost as much as all else, are fitted in the first repeats only.
BASELINE_REPEATS = 2


@dataclass(frozen=True)
class Case:
    """One cohort, target and label budget, and where its predictions are.

    Attributes
    ----------
    cluster
        Cases of one cluster are not independent: they share patients, or are targets of the same ones.
    """

    cohort: str
    target: str
    cluster: str
    classes: str = ""
    derived_from: str = ""
    source: str = ""
    budget: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.cohort} {self.target}, {self.budget:.0%} of the labels"

    def room(self, output: Path) -> Path:
        """The folder of predictions."""
        return output / self.cohort / self.target / f"{self.budget:g}"

    def read(self, data: Path | None) -> Cohort:
        row = SheetRow(
            cohort=self.cohort,
            source=self.source or str((data or Path()) / self.cohort),
            target=self.target,
            classes=self.classes,
            derived_from=self.derived_from,
            label_budget=self.budget,
        )
        cohort = assemble(read_source(row), row)[0]
        # Also the omics that the target is defined from: what they teach is to be foretold as well.
        return replace(cohort, teachers=tuple(cohort.modalities))


# The receptors and histology of tcga-brca are left out: they are those of brca-paired, of mostly the same patients.
CASES = (
    Case("tcga-paad", "moffitt", "paad", derived_from="rna"),
    Case("tcga-lgg", "idh_codel", "lgg"),
    Case("tcga-lgg", "histology", "lgg"),
    Case("tcga-lgg", "grade", "lgg"),
    Case("tcga-kipan", "cancer_type", "kipan"),
    Case("brca-paired", "er_status", "brca", classes="Negative,Positive"),
    Case("brca-paired", "pr_status", "brca", classes="Negative,Positive"),
    Case("brca-paired", "her2_status", "brca", classes="Negative,Positive"),
    Case("tcga-brca", "pam50", "brca", derived_from="rna"),
    Case("brca-paired", "histology", "brca"),
    Case("tcga-paad", "vital_status", "paad"),
    Case("brca-paired", "vital_status", "brca"),
)
# Small enough for a test: it shows that everything runs, and nothing else.
SUBSET = (Case("simulated", "subtype", "simulated", source="simulated:complementary"),)


@dataclass(frozen=True)
class Settings:
    """How a case is split and encoded."""

    splits: SplitsConfig
    encoder: EncoderConfig


SUBSET_SETTINGS = Settings(
    SplitsConfig(repeats=1, folds=2, inner_folds=3), EncoderConfig(units=8, components=16, max_epochs=20)
)


@dataclass(frozen=True)
class Stored:
    """What `load` reads of one case.

    Attributes
    ----------
    baselines
        By student; none where they have not been fitted.
    """

    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    students: dict[str, OutOfFold]
    baselines: dict[str, OutOfFold]


def predict(case: Case, data: Path | None, output: Path, settings: Settings) -> None:
    """Make what is missing in a folder of predictions, but for the baselines.

    Students are taught by every other omics and by their own. Those of permuted soft targets enter no score here.
    """
    cohort, room = case.read(data), case.room(output)
    if not (room / "splits.npz").exists():
        save_splits(make_splits(cohort, settings.splits, seed=SEED), room / "splits.npz")
    splits = load_splits(room / "splits.npz")
    encodings = {}
    for name in cohort.modalities:
        path = room / "encodings" / f"{name}.npz"
        if not path.exists():
            save_encoding(encode(cohort, splits, name, settings.encoder, seed=SEED, device=CPU), path)
        encodings[name] = load_encoding(path, inputs=True)
    for name in cohort.modalities:
        path = room / "students" / f"{name}.npz"
        if not path.exists():
            teachers = [teacher for teacher in cohort.modalities if teacher != name]
            taught = distil(
                cohort,
                splits,
                encodings,
                name,
                teachers,
                DistillationConfig(),
                settings.encoder,
                seed=SEED,
                device=CPU,
                shuffled_controls=False,
            )
            save_out_of_fold(taught, path)
    (room / "complete").touch()


def predict_baselines(case: Case, data: Path | None, output: Path) -> None:
    """Fit the baselines of a folder of predictions, in the first repeats."""
    room = case.room(output)
    splits = first_repeats(load_splits(room / "splits.npz"), BASELINE_REPEATS)
    save_by_student(fit_baselines(case.read(data), splits, BaselinesConfig(), seed=SEED), room / "baselines.npz")


def first_repeats(splits: Splits, repeats: int) -> Splits:
    """The outer splits of the first repeats, and the full cohort."""
    kept = splits.repeat < repeats
    return Splits(splits.repeat[kept], splits.fold[kept], splits.inner[kept], splits.labelled[kept])


def complete(cases: tuple[Case, ...], output: Path) -> Iterator[Case]:
    """The cases whose predictions are there."""
    return (case for case in cases if (case.room(output) / "complete").exists())


def load(case: Case, data: Path | None, output: Path) -> Stored:
    """Read a folder of predictions, and the cohort."""
    cohort, room = case.read(data), case.room(output)
    baselines = room / "baselines.npz"
    return Stored(
        cohort=cohort,
        splits=load_splits(room / "splits.npz"),
        encodings={name: load_encoding(room / "encodings" / f"{name}.npz", inputs=True) for name in cohort.modalities},
        students={name: load_out_of_fold(room / "students" / f"{name}.npz") for name in cohort.modalities},
        baselines=load_by_student(baselines) if baselines.exists() else {},
    )


def in_processes(
    work: Callable[..., None], jobs: list[tuple[object, ...]], *, processes: int, say: Callable[[str], None]
) -> None:
    """Do jobs, whose first argument is a case, in processes of one thread, and say which are done."""
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        cases = {pool.submit(work, *job): job[0] for job in jobs}
        for done in as_completed(cases):
            if done.exception() is not None:
                pool.shutdown(cancel_futures=True)
            done.result()
            case = cases[done]
            say(f"{work.__name__}: {case.name if isinstance(case, Case) else case}")
