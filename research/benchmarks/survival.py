"""Survival where the truth is known: coverage of intervals of gains, hazards on new patients, the bound of I(S;Y).

    OMP_NUM_THREADS=1 python -m research.benchmarks.survival
    OMP_NUM_THREADS=1 python -m research.benchmarks.survival --sizes 200 --censored 0.5 --replicates 2      (small)

Cohorts are those of `simulated:survival`, rna and cnv, with other numbers of patients and fractions of censored ones.
Beside each stand new patients of the same population, who are in no training set and whose follow-up is complete. What
a trained model is worth is told by them, with an error of less than 0.002 in C. Settings are small: see `SPLITS` and
`ENCODER`. With permuted follow-up there is nothing to gain. Prints tables in Markdown; survival.md beside this file has
the last. Every cell is kept in research/build/ when it is done: an interrupted run goes on where it was.
"""

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import CriterionConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.data.simulate import draw, follow_up
from cch_omics.data.simulate.cohorts import SIMULATED
from cch_omics.data.simulate.information import information_of
from cch_omics.evaluation.gains import gains, summarise
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.out_of_fold import OutOfFold
from cch_omics.splits import Splits
from cch_omics.tasks.base import Task
from cch_omics.tasks.survival import Survival, metrics
from cch_omics.tasks.survival.hazards import encode as encode_follow_up
from cch_omics.tasks.survival.hazards import risk, survival
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.label_information import label_information
from cch_omics.verdict.rule import choose_teachers, decide
from research.benchmarks.cases import splits_of_some, trained
from research.benchmarks.information import kept

Array = NDArray[np.float64]
CENSORED = (0.2, 0.5, 0.8)
SIZES = (200, 400, 800)
OMICS = ("rna", "cnv")
NEW = 6000
# Cohorts that are kept together.
AT_ONCE = 10
MORE_OF = {"permuted": 2, "default folds": 3}
SPLITS = SplitsConfig(repeats=2, folds=3, inner_folds=3)
# Ten training sets with four fifths of the patients, as in a run, in place of six with two thirds: for the first size.
DEFAULT_SPLITS = SplitsConfig()
ENCODER = EncoderConfig(units=6, components=10, max_epochs=60)
INFORMATION = InformationConfig(subsamples=10, simulations=8)
NORMAL_95 = 1.959963984540054


# Cohorts, and new patients beside them


def made(
    n: int, censored: float, seed: int, *, budget: float = 1.0, permuted: bool = False, new: int = NEW
) -> tuple[Cohort, Array]:
    """A cohort of n patients and, after them, new ones without a label; and (n + new,) true times of the event."""
    entry = SIMULATED["survival"]
    omics = {name: entry.modalities[name] for name in OMICS}
    rng = np.random.default_rng([seed, n, round(100 * censored), permuted])
    mdata = draw(replace(entry, n=n + new, labelled=1.0, modalities=omics, censored=0.0), rng)
    event, known = mdata.obs["os_time"].to_numpy(), np.arange(n + new) < n
    values = follow_up(event, censored, rng)
    if permuted:
        values[known] = rng.permutation(values[known])
    values[~known] = np.nan
    samples = mdata.obs_names.to_numpy(dtype=str)
    modalities = {}
    for name, adata in mdata.mod.items():
        rows = mdata.obs_names.get_indexer(adata.obs_names)
        order = np.argsort(rows)
        modalities[name] = Modality(adata.X[order], adata.var_names.to_numpy(dtype=str), rows[order])
    cohort = Cohort(
        name="made",
        samples=samples,
        groups=samples,
        sites=np.full(len(samples), ""),
        target=Target("os", Survival.of(values), values),
        modalities=modalities,
        teachers=OMICS,
        label_budget=budget,
    )
    return cohort, event


def splits_of(cohort: Cohort, n: int, seed: int, settings: SplitsConfig = SPLITS) -> Splits:
    """Splits of the first n patients: the others are test patients of each, and of the full cohort too."""
    return splits_of_some(cohort, np.arange(len(cohort.samples)) < n, settings, seed=seed)


# What is true of trained models


def true_c(outputs: Array, event: Array, tau: float) -> float:
    """C until tau of (m, K) outputs for new patients whose follow-up is complete."""
    late = np.minimum(event, tau)
    beyond = int((event >= tau).sum())
    pairs, untold = len(event) * (len(event) - 1) / 2, beyond * (beyond - 1) / 2
    # Kendall's tau-b is (right - wrong) / sqrt of the pairs that differ in time and of those that differ in risk.
    difference = -kendalltau(late, risk(outputs)).statistic * np.sqrt(pairs / (pairs - untold))
    return float(0.5 + 0.5 * difference)


def true_gain(cohort: Cohort, splits: Splits, split: int, student: OutOfFold, name: str, event: Array) -> float:
    """Gain of the taught student of a split over the one trained alone, on the new patients that have its omics."""
    new = splits.test[splits.full] & cohort.profiled(name)
    train = splits.labelled[split] & cohort.profiled(name)
    tau = metrics.last_time(cohort.target.values[train], splits.task(cohort.target, split).horizon)
    taught = student.of(student.taught[0])[split, new].astype(np.float64)
    return true_c(taught, event[new], tau) - true_c(student.alone[split, new].astype(np.float64), event[new], tau)


def hazards_of(task: Task, outputs: Array, event: Array) -> dict[str, float]:
    """Events of new patients over those that hazards foretell: until the horizon, in parts of it, by risk."""
    assert isinstance(task, Survival)
    ends = task.ends
    lives = np.column_stack([np.ones(len(event)), survival(outputs, ends, ends)])
    foretold = lives[:, :-1] - lives[:, 1:]
    seen, _ = encode_follow_up(ends, np.column_stack([event, np.ones(len(event))]))
    order, thirds = np.argsort(risk(outputs)), np.array_split(np.arange(len(ends)), 3)
    fifths = np.array_split(order, 5)
    found = {"all": seen.sum() / foretold.sum()}
    found |= {f"third {k + 1}": seen[:, t].sum() / foretold[:, t].sum() for k, t in enumerate(thirds)}
    found |= {f"fifth {k}": seen[fifths[k - 1]].sum() / foretold[fifths[k - 1]].sum() for k in (1, 5)}
    return {name: float(value) for name, value in found.items()}


# One cohort


def judged(
    n: int, censored: float, seed: int, *, budget: float = 1.0, permuted: bool = False, settings: SplitsConfig = SPLITS
) -> list[dict[str, object]]:
    """A row for each student: gains, their intervals and what is true of them, hazards, information, the verdict."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cohort, event = made(n, censored, seed, budget=budget, permuted=permuted, new=0 if permuted else NEW)
    splits = splits_of(cohort, n, seed, settings)
    encodings, students = trained(cohort, splits, ENCODER, seed=seed)
    summary = summarise(gains(cohort, splits, students))
    summary = summary[(summary["metric"] == "uno_c") & (summary["control"] == "none")].set_index("student")
    shared = estimate_pairs(cohort, splits, encodings, INFORMATION, seed=seed)
    evidence = gather(cohort, splits, encodings, students, shared)
    of_pair = evidence[evidence["repeat"] == -1].set_index("student")
    verdicts = decide(evidence, CriterionConfig(), cohort.target).set_index("student")
    chosen = choose_teachers(evidence, CriterionConfig(), cohort.target, OMICS).set_index("student")
    entry = replace(SIMULATED["survival"], censored=censored)
    known = information_of(entry).drop_duplicates("student").set_index("student")["student_label"]
    rows = []
    for name, student in students.items():
        row: dict[str, object] = {
            "n": n,
            "censored": censored,
            "budget": budget,
            "seed": seed,
            "student": name,
            "gain": summary["gain"][name],
            "low": summary["ci_low"][name],
            "high": summary["ci_high"][name],
            "pilot": of_pair["pilot_gain"][name],
            "pilot_se": of_pair["pilot_gain_se"][name],
            "distil": verdicts["verdict"][name] == keys.DISTIL,
            "do_not_distil": verdicts["verdict"][name] == keys.DO_NOT_DISTIL,
            "guess": chosen["verdict"][name] == keys.UNDECIDED and chosen["teacher"][name] != "",
            "known": 0.0 if permuted else known[name],
        }
        full = splits.full
        rows_of = splits.labelled[full] & cohort.profiled(name)
        task, fold = splits.task(cohort.target, full), splits.inner[full, rows_of]
        bound = label_information(cohort, task, student.alone[full, rows_of], rows_of, fold)
        row |= dict(zip(("bound", "bound_se"), bound, strict=True))
        if not permuted:
            of_splits = [true_gain(cohort, splits, s, student, name, event) for s in range(full + 1)]
            row |= {"true, trained": float(np.mean(of_splits[:-1])), "true, full": of_splits[-1]}
            new = splits.test[full] & cohort.profiled(name)
            for kind, found in (("alone", student.alone), ("taught", student.of(student.taught[0]))):
                of_hazards = hazards_of(task, found[full, new].astype(np.float64), event[new])
                row |= {f"{kind}, {part}": value for part, value in of_hazards.items()}
        rows.append(row)
    return rows


def cell(folder: Path, n: int, censored: float, budget: float, kind: str, first: int, cohorts: int) -> pd.DataFrame:
    """Some cohorts of a cell."""

    def measured() -> pd.DataFrame:
        seeds = range(first, first + cohorts)
        splits = DEFAULT_SPLITS if kind == "default folds" else SPLITS
        options = {"budget": budget, "permuted": kind == "permuted", "settings": splits}
        return pd.DataFrame([row for seed in seeds for row in judged(n, censored, seed, **options)]).assign(kind=kind)

    return kept(folder, f"{n}-{censored}-{budget}-{kind}-{first}-{cohorts}", measured)


# Tables


def share(hit: "pd.Series[bool]") -> str:
    """A share, and its standard error over cohorts."""
    return f"{hit.mean():.3f} ± {np.sqrt(hit.mean() * (1 - hit.mean()) / len(hit)):.3f}"


def mean(values: "pd.Series[float]", digits: int = 4) -> str:
    return f"{values.mean():+.{digits}f} ± {values.std() / np.sqrt(len(values)):.{digits}f}"


def coverage(found: pd.DataFrame) -> dict[str, object]:
    """How often the intervals hold what is true of the trained models, and of students of such cohorts on average."""
    by = [found[name] for name in ("n", "censored", "budget", "student")]
    expected = {name: found[name].groupby(by).transform("mean") for name in ("true, trained", "true, full")}
    test = {
        "these models": found["true, trained"],
        "such models": expected["true, trained"],
        "the full cohort's": found["true, full"],
    }
    pilot = {"the full cohort's": found["true, full"], "such students": expected["true, full"]}
    arm = NORMAL_95 * found["pilot_se"]
    row: dict[str, object] = {"intervals": len(found), "true gain": mean(found["true, full"])}
    row |= {"mean gain": mean(found["gain"]), "pilot": mean(found["pilot"])}
    row |= {f"test: {name}": share((found["low"] <= t) & (t <= found["high"])) for name, t in test.items()}
    row |= {f"pilot: {name}": share((found["pilot"] - t).abs() <= arm) for name, t in pilot.items()}
    return row


def bound(found: pd.DataFrame) -> dict[str, object]:
    return {
        "cohorts": len(found),
        "known": f"{found['known'].iloc[0]:.3f}",
        "bound": mean(found["bound"], 3),
        "SD": f"{found['bound'].std():.3f}",
        "its error": f"{found['bound_se'].mean():.3f}",
        "above the known": share(found["bound"] > found["known"]),
        "above by 1.96 errors": share(found["bound"] - NORMAL_95 * found["bound_se"] > found["known"]),
    }


PARTS = ("all", "third 1", "third 2", "third 3", "fifth 1", "fifth 5")


def hazards(found: pd.DataFrame, kind: str) -> dict[str, object]:
    return {part: f"{found[f'{kind}, {part}'].mean():.2f} ± {found[f'{kind}, {part}'].std():.2f}" for part in PARTS}


def verdicts(found: pd.DataFrame) -> dict[str, object]:
    rates = {name: share(found[name].astype(bool)) for name in ("distil", "do_not_distil", "guess")}
    return {"students": len(found), **rates}


def table(found: pd.DataFrame, by: Sequence[str], row: Callable[[pd.DataFrame], dict[str, object]]) -> str:
    rows = [dict(zip(by, key, strict=True)) | row(part) for key, part in found.groupby(list(by))]
    return str(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


def report(found: pd.DataFrame) -> None:
    """Print all tables."""
    real, permuted = found[found["kind"] != "permuted"], found[found["kind"] == "permuted"]
    everything = real[(real["budget"] == 1) & (real["kind"] == "few folds")]
    print("\n## Coverage of the 95% intervals of a gain in C\n")
    print(table(everything, ["n", "censored"], coverage), "\n")
    print(table(everything, ["student"], coverage), "\n")
    print(table(everything, ["kind"], coverage), "\n")
    print(table(real.drop(everything.index), ["kind", "budget", "n", "censored"], coverage))
    print("\n## Events of new patients over those foretold\n")
    for kind in ("alone", "taught"):
        print(f"{kind}:\n\n{table(everything, ['student', 'n', 'censored'], partial(hazards, kind=kind))}\n")
    print("\n## The bound of I(S;Y), in nats\n")
    print(table(everything, ["student", "censored", "n"], bound))
    print("\n## Verdicts\n")
    print(table(everything, ["n", "censored"], verdicts), "\n")
    print("Permuted follow-up:\n\n" + table(permuted, ["budget", "n", "censored"], verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=10, help="cohorts of each cell; see MORE_OF")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--censored", type=float, nargs="+", default=CENSORED)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--kept", type=Path, default=Path("research/build/survival"))
    args = parser.parse_args()
    args.kept.mkdir(parents=True, exist_ok=True)
    cells = [(n, c, 1.0, "few folds") for n, c in product(args.sizes, args.censored)]
    cells += [(args.sizes[0], 0.5, 1.0, "default folds")]
    cells += [(n, 0.5, 0.25, "few folds") for n in args.sizes if n >= 400]
    cells += [(n, 0.5, 1.0, "permuted") for n in args.sizes]
    started = time.perf_counter()
    # The first cohorts of each cell come first.
    last = args.first + args.replicates
    jobs = [
        (args.kept, n, censored, budget, kind, start * times, min(AT_ONCE, last - start) * times)
        for start in range(args.first, last, AT_ONCE)
        for n, censored, budget, kind in cells
        for times in [MORE_OF.get(kind, 1)]
    ]
    with ProcessPoolExecutor(args.processes) as pool:
        found = pd.concat(pool.map(cell, *zip(*jobs, strict=True)), ignore_index=True)
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {args.processes} processes, "
        f"{time.perf_counter() - started:.0f} s for what was not kept; {args.replicates} cohorts of each cell."
    )
    report(found)


if __name__ == "__main__":
    main()
