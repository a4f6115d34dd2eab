"""What the benchmark of decisions trains: every student of every cohort, target and label budget, once and for all.

A folder of predictions, OUTPUT/COHORT/TARGET/BUDGET, has everything that a criterion or a gain is computed from
(`load`), and no features of a patient. Files are written whole, and a file that is there is not made again.
"""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cch_omics.cohort import Cohort, Modality
from cch_omics.config import (
    DistillationConfig,
    EncoderConfig,
    ReferencesConfig,
    SheetRow,
    SplitsConfig,
)
from cch_omics.distillation import distil_grids
from cch_omics.encoders import encode
from cch_omics.io import read_source
from cch_omics.io.assemble import assemble
from cch_omics.io.files import atomic, write_json
from cch_omics.predictions import (
    Distillation,
    Encoding,
    load_distillation,
    load_encoding,
    save_distillation,
    save_encoding,
)
from cch_omics.references import References, fit_references, load_references, save_references
from cch_omics.splits import Splits, load_splits, make_splits, save_splits

SEED = 0
CPU = torch.device("cpu")
BUDGETS = (0.15, 0.4, 1.0)
# The two ways to distil whose gain is to be foretold: what the workflow ships, and less weight on softer targets.
DISTILLATIONS = {
    "default": DistillationConfig(),
    "half": DistillationConfig(lambdas=[0.5], temperatures=[3.0]),
}
# The reference models, which would cost as much as all else, are fitted on the first repeats only.
REFERENCE_REPEATS = 2


@dataclass(frozen=True)
class Task:
    """One cohort and target: a row of the cohort sheet, and which patients it shares with other cohorts.

    Attributes
    ----------
    cluster
        Cohorts of one cluster are not independent: they share patients, or are targets of the same ones.
    """

    cohort: str
    target: str
    cluster: str
    classes: str = ""
    derived_from: str = ""
    source: str = ""

    def row(self, data: Path | None) -> SheetRow:
        source = self.source or str((data or Path()) / self.cohort)
        return SheetRow(
            cohort=self.cohort,
            source=source,
            target=self.target,
            classes=self.classes,
            derived_from=self.derived_from,
        )


# The receptors and histology of tcga-brca are left out: they are those of brca-paired, of mostly the same patients.
TASKS = (
    Task("tcga-paad", "moffitt", "paad", derived_from="rna"),
    Task("tcga-lgg", "idh_codel", "lgg"),
    Task("tcga-lgg", "histology", "lgg"),
    Task("tcga-lgg", "grade", "lgg"),
    Task("tcga-kipan", "cancer_type", "kipan"),
    Task("brca-paired", "er_status", "brca", classes="Negative,Positive"),
    Task("brca-paired", "pr_status", "brca", classes="Negative,Positive"),
    Task("brca-paired", "her2_status", "brca", classes="Negative,Positive"),
    Task("tcga-brca", "pam50", "brca", derived_from="rna"),
    Task("brca-paired", "histology", "brca"),
    Task("tcga-paad", "vital_status", "paad"),
    Task("brca-paired", "vital_status", "brca"),
)
# Small enough for a test: it shows that everything runs, and nothing else.
SUBSET = (Task("simulated", "subtype", "simulated", source="simulated:complementary"),)
SUBSET_SPLITS = SplitsConfig(repeats=2, folds=2, inner_folds=3)
SUBSET_ENCODER = EncoderConfig(units=8, components=16, max_epochs=20)
SUBSET_BUDGETS = (0.4, 1.0)


@dataclass(frozen=True)
class Stored:
    """What `load` reads: one cohort, target and label budget.

    Attributes
    ----------
    cohort
        Without features.
    taught
        By way to distil (`DISTILLATIONS`), then by student.
    references
        None where they have not been fitted.
    seconds
        Processor time of each step.
    """

    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    taught: dict[str, dict[str, Distillation]]
    references: References | None
    seconds: dict[str, float]


def folder(output: Path, task: Task, budget: float) -> Path:
    return output / task.cohort / task.target / f"{budget:g}"


def read(task: Task, data: Path | None) -> Cohort:
    row = task.row(data)
    return assemble(read_source(row), row)[0]


def predict(
    cohort: Cohort,
    budget: float,
    room: Path,
    splits_settings: SplitsConfig,
    *,
    encoder: EncoderConfig,
) -> None:
    """Make what is missing in a folder of predictions, but for the reference models.

    Students are taught by every other omics and by their own. Those taught by permuted logits, which the workflow
    trains as well, enter no score here.
    """
    cohort = replace(cohort, label_budget=budget)
    if not (room / "splits.npz").exists():
        save_splits(make_splits(cohort, splits_settings, seed=SEED), room / "splits.npz")
    splits = load_splits(room / "splits.npz")
    _save_cohort(cohort, room / "cohort.npz")

    encodings = {}
    for name in cohort.modalities:
        path = room / "encodings" / f"{name}.npz"
        with _missing(path, f"encode {name}") as make:
            if make:
                save_encoding(encode(cohort, splits, name, encoder, seed=SEED, device=CPU), path)
        encodings[name] = load_encoding(path, inputs=True)

    for name in cohort.modalities:
        paths = [room / way / f"{name}.npz" for way in DISTILLATIONS]
        with _missing(paths[0], f"distil {name}", also=paths[1:]) as make:
            if make:
                taught = distil_grids(
                    cohort,
                    splits,
                    encodings,
                    name,
                    list(DISTILLATIONS.values()),
                    encoder,
                    seed=SEED,
                    device=CPU,
                    shuffled_controls=False,
                )
                for distillation, path in zip(taught, paths, strict=True):
                    save_distillation(distillation, path)


def predict_references(cohort: Cohort, budget: float, room: Path) -> None:
    """Fit the reference models of a folder of predictions, if they are missing."""
    path = room / "references.npz"
    with _missing(path, "references") as make:
        if make:
            splits = first_repeats(load_splits(room / "splits.npz"), REFERENCE_REPEATS)
            cohort = replace(cohort, label_budget=budget)
            save_references(fit_references(cohort, splits, ReferencesConfig(), seed=SEED), path)


def first_repeats(splits: Splits, repeats: int) -> Splits:
    """The outer splits of the first repeats, and the whole one."""
    kept = splits.repeat < repeats
    return Splits(splits.repeat[kept], splits.fold[kept], splits.inner[kept], splits.labelled[kept])


def is_complete(room: Path) -> bool:
    """Whether everything but the reference models is there."""
    if not (room / "cohort.npz").exists():
        return False
    names = _modalities(room)
    return all((room / kind / f"{name}.npz").exists() for kind in ("encodings", *DISTILLATIONS) for name in names)


def load(room: Path) -> Stored:
    """Read a folder of predictions."""
    cohort = _load_cohort(room / "cohort.npz")
    names = list(cohort.modalities)
    references = room / "references.npz"
    return Stored(
        cohort=cohort,
        splits=load_splits(room / "splits.npz"),
        encodings={name: load_encoding(room / "encodings" / f"{name}.npz") for name in names},
        taught={way: {name: load_distillation(room / way / f"{name}.npz") for name in names} for way in DISTILLATIONS},
        references=load_references(references) if references.exists() else None,
        seconds=spent_seconds(room),
    )


def spent_seconds(room: Path) -> dict[str, float]:
    """Processor seconds of each step."""
    return {path.stem: float(json.loads(path.read_text())["seconds"]) for path in sorted(room.glob("seconds/*.json"))}


@contextmanager
def _missing(path: Path, step: str, *, also: Iterable[Path] = ()) -> Iterator[bool]:
    """Whether files have still to be made; if they are, the processor time that took is written beside them."""
    make = not all(each.exists() for each in (path, *also))
    started = time.process_time()
    yield make
    if make and path.exists():
        room = path.parent if path.parent.joinpath("splits.npz").exists() else path.parent.parent
        write_json({"seconds": time.process_time() - started}, room / "seconds" / f"{step}.json")


def _save_cohort(cohort: Cohort, path: Path) -> None:
    arrays = {f"rows.{name}": modality.rows for name, modality in cohort.modalities.items()}
    with atomic(path) as draft, draft.open("wb") as file:
        np.savez(
            file,
            name=np.array(cohort.name),
            target=np.array(cohort.target),
            samples=cohort.samples,
            groups=cohort.groups,
            sites=cohort.sites,
            labels=cohort.labels,
            classes=np.array(cohort.classes),
            modalities=np.array(list(cohort.modalities)),
            label_budget=np.array(cohort.label_budget),
            derived_from=np.array(cohort.derived_from),
            **arrays,
        )


def _modalities(room: Path) -> list[str]:
    with np.load(room / "cohort.npz", allow_pickle=False) as arrays:
        return [str(name) for name in arrays["modalities"]]


def _load_cohort(path: Path) -> Cohort:
    with np.load(path, allow_pickle=False) as arrays:
        modalities = {
            str(name): Modality(
                values=np.zeros((len(arrays[f"rows.{name}"]), 0), dtype=np.float32),
                features=np.array([], dtype=np.str_),
                rows=arrays[f"rows.{name}"],
            )
            for name in arrays["modalities"]
        }
        return Cohort(
            name=str(arrays["name"]),
            target=str(arrays["target"]),
            samples=arrays["samples"],
            groups=arrays["groups"],
            sites=arrays["sites"],
            labels=arrays["labels"],
            classes=tuple(map(str, arrays["classes"])),
            modalities=modalities,
            label_budget=float(arrays["label_budget"]),
            derived_from=str(arrays["derived_from"]),
        )


def run(
    tasks: Iterable[Task],
    budgets: Iterable[float],
    data: Path | None,
    output: Path,
    splits_settings: SplitsConfig,
    *,
    processes: int,
    references: bool,
    encoder: EncoderConfig | None = None,
    say: Callable[[str], None],
) -> None:
    """Predictions of all tasks, or their reference models; budget by budget, a folder at a time on each process."""
    tasks, work = list(tasks), _references_of if references else _predictions_of
    jobs = []
    for budget in budgets:
        for task in tasks:
            room = folder(output, task, budget)
            if is_complete(room) if not references else (room / "references.npz").exists() or not is_complete(room):
                continue
            what = f"{task.cohort} {task.target}, {budget:.0%} of the labels"
            jobs.append((what, (task, budget, data, room, splits_settings, encoder or EncoderConfig())))
    in_processes(work, jobs, processes=processes, say=say)


def in_processes(
    work: Callable[..., None],
    jobs: Iterable[tuple[str, tuple[object, ...]]],
    *,
    processes: int,
    say: Callable[[str], None],
) -> None:
    """Do jobs, a name and arguments each, in processes of one thread, and say which are done."""
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )
    with pool:
        names = {pool.submit(work, *arguments): name for name, arguments in jobs}
        for done in as_completed(names):
            if done.exception() is not None:
                pool.shutdown(cancel_futures=True)
            done.result()
            say(names[done])


def _predictions_of(
    task: Task, budget: float, data: Path | None, room: Path, splits: SplitsConfig, encoder: EncoderConfig
) -> None:
    predict(read(task, data), budget, room, splits, encoder=encoder)


def _references_of(
    task: Task, budget: float, data: Path | None, room: Path, splits: SplitsConfig, encoder: EncoderConfig
) -> None:
    predict_references(read(task, data), budget, room)
