"""Pilots where the truth is known: coverage of the 95% interval of a gain, its error, and P(gain > 0).

    OMP_NUM_THREADS=1 python -m research.benchmarks.coverage
    OMP_NUM_THREADS=1 python -m research.benchmarks.coverage --sizes 150 --labels 0.15 --cohorts 4      (small)

Cohorts have four omics that share factors, and a target of two classes or a number of which some labels are truly
missing. Splits, teaching, pilots and their errors are those of the package. Encoders and students are its linear
members alone, averaged as the package averages members: they are made so fast that many cohorts can be. The truth is
the estimand: the gain, on new patients, of the student that was taught on the whole cohort over the one that was
trained alone on it. Prints tables in Markdown; coverage.md beside this file has the last. Every batch of cohorts is
kept in research/build/ when it is done: an interrupted run goes on where it was.
"""

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models.encode import out_of_fold_soft_targets
from cch_omics.models.ensemble import CLEARLY, average
from cch_omics.models.linear import fit_linear
from cch_omics.models.out_of_fold import Encoding, Model, OutOfFold
from cch_omics.models.recipes import ALONE, SOFT_TARGETS
from cch_omics.models.training_sets import Teaching, TrainingSets, training_sets
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.verdict.pilot import pilots
from research.benchmarks.cases import CPU
from research.benchmarks.information import kept

Array = NDArray[np.float64]
SIZES = (150, 300, 500, 769)
LABELS = (0.15, 0.4, 1.0)
KINDS = ("classes", "numbers")
# Patients on whom truth is measured: its error is some 0.002.
NEW = 20_000
AT_ONCE = 2
SPLITS, ENCODER, TAUGHT = SplitsConfig(), EncoderConfig(), DistillationConfig()
FEATURES = 30
# Features of the members: all, and some screened ones.
MEMBERS = (FEATURES, 8)
# What the features of each omics load on: what the label is of, and four other factors.
OMICS = MappingProxyType(
    {
        "strong": (0.9, 0.7, 0.0, 0.0, 0.3),
        "weak": (0.35, 0.7, 0.7, 0.0, 0.3),
        "misleading": (0.12, 0.0, 1.0, 0.5, 0.0),
        "useless": (0.0, 0.0, 0.0, 1.0, 0.0),
    }
)
NORMAL_95 = 1.959963984540054


def made(kind: str, n: int, labels: float, seed: int, omics: Sequence[str] = tuple(OMICS)) -> tuple[Cohort, Cohort]:
    """A cohort of n patients of whom a share of labels is there; and new patients, with all labels."""
    rng = np.random.default_rng([seed, n, round(100 * labels), KINDS.index(kind)])
    total = n + NEW
    factors = rng.standard_normal((total, 5))
    score = factors[:, 0] + 0.6 * rng.standard_normal(total)
    values = (score > 0.3).astype(np.float64) if kind == "classes" else score
    # Features are of each population: a cohort is one of many of it.
    modalities = {}
    for name in omics:
        loading = np.array(OMICS[name]) * rng.standard_normal((FEATURES, 5)) / 2
        modalities[name] = factors @ loading.T + rng.standard_normal((total, FEATURES))
    missing = rng.permutation(n)[round(labels * n) :]
    if kind == "classes":
        order = np.argsort(values[:n] + rng.random(n) / 2, kind="stable")
        # The same share of each class.
        missing = order[np.floor(np.arange(1, n + 1) * (1 - labels)) > np.floor(np.arange(n) * (1 - labels))]
    known = values.copy()
    known[missing] = np.nan
    task: Task = Classification(("a", "b")) if kind == "classes" else Regression.of(known[:n])

    def cohort(rows: slice) -> Cohort:
        of = {
            name: Modality(x[rows].astype(np.float32), np.arange(FEATURES).astype(str), np.arange(len(x[rows])))
            for name, x in modalities.items()
        }
        samples = np.array([f"P{i:06d}" for i in range(total)])[rows]
        target = Target("y", task, known[rows])
        return Cohort("made", samples, samples, np.full(len(samples), ""), target, of, tuple(of))

    return cohort(slice(n)), cohort(slice(n, None))


def of_split(cohort: Cohort, splits: Splits, s: int, name: str, *, pairs: bool) -> TrainingSets:
    """Training sets of linear models, which take no components."""
    none = np.zeros((splits.n_inner + 1, len(cohort.samples), 1), dtype=np.float32)
    return training_sets(cohort, splits, s, name, ENCODER, seed=0, device=CPU, inputs=none, without_pairs=pairs)


def fitted(
    sets: TrainingSets, teaching: Teaching | None, new: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(G, M, n, C) outputs of averages of the linear members; and (M, m, C) for new patients of the last ones."""
    members = fit_linear(sets, teaching, soft_weight=TAUGHT.weight, screened=MEMBERS)
    outputs, weights = average(sets, np.stack([each.predicted for each in members]), CLEARLY)
    if new is None:
        return outputs, outputs[-1]
    scaled = sets.scalings[0].apply(torch.as_tensor(new)).numpy()
    of_new = [scaled @ each.weight + each.intercept[:, None] for each in members]
    return outputs, np.einsum("me,emnc->mnc", weights[-1], np.stack(of_new)).astype(np.float32)


def trained(
    cohort: Cohort, splits: Splits, new: Cohort
) -> tuple[dict[str, Encoding], dict[str, OutOfFold], dict[str, NDArray[np.float32]]]:
    """Encodings, students, and by student the (V, m, C) outputs of those of the whole cohort for new patients."""
    n_splits, n = splits.inner.shape
    shape = n_splits, n, cohort.target.task.n_outputs
    nothing = np.zeros((n_splits, 0))
    names = list(cohort.modalities)
    encodings, of_new = {}, {}
    for name in names:
        outputs = np.full(shape, np.nan, dtype=np.float32)
        soft = np.full((n_splits, splits.n_inner + 1, *shape[1:]), np.nan, dtype=np.float32)
        for s in range(n_splits):
            sets = of_split(cohort, splits, s, name, pairs=True)
            last = new.modalities[name].values if s == splits.full else None
            predicted, of_new[name] = fitted(sets, None, last)
            soft[s] = out_of_fold_soft_targets(sets, predicted[:, 0])
            for g in sets.singles:
                outputs[s, sets.predicted[g]] = predicted[g, 0, sets.predicted[g]]
        encodings[name] = Encoding(
            np.zeros((n_splits, n, 0), np.float32), outputs, soft, np.zeros(n_splits, dtype=np.int64), nothing
        )
    students = {}
    for name in names:
        teachers = [other for other in names if other != name]
        taught = np.full((len(teachers), *shape), np.nan, dtype=np.float32)
        for s in range(n_splits):
            sets = of_split(cohort, splits, s, name, pairs=False)
            targets = np.stack([encodings[teacher].soft_targets[s] for teacher in teachers])
            held_out = np.stack([encodings[teacher].outputs[s] for teacher in teachers])
            for g, members in enumerate(sets.predicted[:-1]):
                targets[:, g, members] = held_out[:, members]
            teaching = Teaching(targets, np.repeat(sets.train[-1:], len(teachers), 0))
            last = new.modalities[name].values if s == splits.full else None
            predicted, after = fitted(sets, teaching, last)
            for g, members in enumerate(sets.predicted):
                taught[:, s, members] = predicted[g][:, members]
        models = (Model(ALONE.name), *(Model(SOFT_TARGETS.name, teacher) for teacher in teachers))
        every = np.concatenate([encodings[name].outputs[None], taught])
        students[name] = OutOfFold(models, every, (), np.zeros((len(models), n_splits), dtype=np.int64), nothing[None])
        of_new[name] = np.concatenate([of_new[name], after])
    return encodings, students, of_new


def true_gains(
    cohort: Cohort, splits: Splits, new: Cohort, student: OutOfFold, of_new: NDArray[np.float32]
) -> dict[str, float]:
    """By teacher the gain of the student of the whole cohort on new patients."""
    full, target = splits.full, cohort.target
    task, usable = splits.task(target, full), splits.labelled[full]
    decisions = np.stack([task.decision(each[full], target.values, usable) for each in student.outputs])
    scores = task.evaluate(of_new, new.target.values, decisions, new.target.values)[task.primary]
    return {model.teacher: float(scores[v] - scores[0]) for v, model in enumerate(student.models) if v}


def judged(kind: str, n: int, labels: float, seed: int, omics: Sequence[str] = tuple(OMICS)) -> pd.DataFrame:
    """A row for each pair of a cohort: the mean pilot with its error, and the true gain."""
    torch.set_num_threads(1)
    cohort, new = made(kind, n, labels, seed, omics)
    splits = make_splits(cohort, SPLITS, seed=seed)
    encodings, students, of_new = trained(cohort, splits, new)
    found = pilots(cohort, splits, encodings, students)
    true = {name: true_gains(cohort, splits, new, each, of_new[name]) for name, each in students.items()}
    found["true"] = [
        true[student][teacher] for student, teacher in zip(found["student"], found["teacher"], strict=True)
    ]
    return found.assign(kind=kind, n=n, labels=labels, seed=seed)


def cell(folder: Path, kind: str, n: int, labels: float, first: int, cohorts: int) -> pd.DataFrame:
    """Some cohorts of a cell."""

    def measured() -> pd.DataFrame:
        return pd.concat(judged(kind, n, labels, seed) for seed in range(first, first + cohorts))

    return kept(folder, f"{kind}-{n}-{labels}-{first}-{cohorts}", measured)


# Tables

COHORT, PAIR = ["kind", "n", "labels", "seed"], ["teacher", "student"]


def of_cohorts(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each pair of a cohort: how far the mean pilot is `off` the truth, and its errors by name."""
    rows = found[found["repeat"] < 0].set_index([*COHORT, *PAIR])
    each = found[found["repeat"] >= 0].assign(square=found["pilot_gain_se"] ** 2).groupby([*COHORT, *PAIR])["square"]
    errors = {"stated": rows["pilot_gain_se"], "of one pilot": np.sqrt(each.mean())}
    return rows.assign(off=rows["pilot_gain"] - rows["true"], **errors).reset_index()


# The package's, and that of one pilot by influences alone.
ERRORS = ("stated", "of one pilot")


def share(hit: "pd.Series[bool]", cohort: "pd.Series[str]") -> str:
    """A share, and its standard error over cohorts, whose pairs share patients."""
    of_cohort = hit.groupby(cohort).mean()
    return f"{hit.mean():.3f} ± {of_cohort.std() / np.sqrt(len(of_cohort)):.3f}"


def coverage(rows: pd.DataFrame) -> dict[str, object]:
    """How often 95% intervals hold the truth, and stated errors over the true one (root mean squares)."""
    cohort = rows[COHORT].astype(str).agg("/".join, axis=1)
    true = np.sqrt((rows["off"] ** 2).mean())
    row: dict[str, object] = {
        "cohorts": cohort.nunique(),
        "intervals": len(rows),
        "mean gain": f"{rows['true'].mean():+.3f}",
    }
    row |= {"mean off": f"{rows['off'].mean():+.3f}", "error": f"{true:.3f}"}
    row |= {f"{name}: covers": share(rows["off"].abs() <= NORMAL_95 * rows[name], cohort) for name in ERRORS}
    return row | {f"{name} / error": f"{np.sqrt((rows[name] ** 2).mean()) / true:.2f}" for name in ERRORS}


def reliability(rows: pd.DataFrame) -> str:
    """P(gain > 0) beside how often students gained."""
    shown = []
    for name in ERRORS:
        sd = rows[name] * np.hypot(1, rows[name] / Classification.gain_sd)
        p = pd.Series(ndtr(rows["pilot_gain"] / sd), index=rows.index)
        for band, part in rows.groupby(
            pd.cut(p, [0, 0.05, 0.2, 0.5, 0.8, 0.95, 1], include_lowest=True), observed=True
        ):
            gained = f"{(part['true'] > 0).mean():.2f}"
            shown.append(
                {
                    "error": name,
                    "P": str(band),
                    "pairs": len(part),
                    "mean P": f"{p[part.index].mean():.2f}",
                    "gained": gained,
                }
            )
    return str(pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True))


def table(rows: pd.DataFrame, by: list[str]) -> str:
    found = [dict(zip(by, key, strict=True)) | coverage(part) for key, part in rows.groupby(by)]
    return str(pd.DataFrame(found).to_markdown(index=False, disable_numparse=True))


def report(found: pd.DataFrame) -> None:
    """Print all tables."""
    rows = of_cohorts(found)
    # Of the population, so that the chance of a cohort does not choose its kind.
    mean = rows.groupby(["kind", "labels", "n", *PAIR])["true"].transform("mean")
    rows["teacher is"] = pd.cut(mean, [-np.inf, -0.005, 0.005, np.inf], labels=["harmful", "useless", "good"]).astype(
        str
    )
    for by in (["labels"], ["labels", "n"], ["labels", "kind"], ["labels", "teacher is"]):
        print(f"\n{table(rows, by)}")
    print(f"\n{reliability(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=10, help=f"of each cell, a multiple of {AT_ONCE}")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--labels", type=float, nargs="+", default=LABELS)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--kept", type=Path, default=Path("research/build/coverage"))
    args = parser.parse_args()
    args.kept.mkdir(parents=True, exist_ok=True)
    starts = range(0, args.cohorts, AT_ONCE)
    jobs = [
        (args.kept, kind, n, labels, first, AT_ONCE)
        for first, labels, n, kind in product(starts, args.labels, args.sizes, KINDS)
    ]
    started = time.perf_counter()
    with ProcessPoolExecutor(args.processes) as pool:
        found = pd.concat(pool.map(cell, *zip(*jobs, strict=True)), ignore_index=True)
    print(f"{time.strftime('%Y-%m-%d')}, {time.perf_counter() - started:.0f} s for what was not kept.")
    report(found)


if __name__ == "__main__":
    main()
