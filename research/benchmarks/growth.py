"""How time and memory of the costly parts grow with patients, features, omics, splits and outputs: fitted exponents.

    python -m research.benchmarks.growth
    python -m research.benchmarks.growth --runs 1 --sizes 3      (the smallest run)

Cohorts are noise around classes. A time is the CPU time on one thread, the median of some runs: on a machine that
others use it says more than a clock. Memory is what the first run takes at most beyond what was there before it, in a
process of its own (Linux). The exponent is the slope of a straight line through log time against log size, once more
over the upper half of the sizes. Prints a table in Markdown; growth.md beside this file has the last.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.information.estimators import run
from cch_omics.information.registry import ESTIMATORS
from cch_omics.models.baselines import fit_fold
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.fit import fit
from cch_omics.models.linear import fit_linear
from cch_omics.models.preprocess import as_tensor, fit_projection
from cch_omics.models.recipes import MEMBERS
from cch_omics.models.training_sets import training_sets
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.survival import Survival
from cch_omics.tasks.survival.hazards import interval_ends
from cch_omics.views import teachers_of
from research.benchmarks.memory import resident

CPU = torch.device("cpu")
# So few epochs that no network stops before: the same number for all sizes.
ENCODER = EncoderConfig(max_epochs=30)
HALVES = 100
SCREENED = max(member.screened or 0 for member in MEMBERS)

Work = Callable[[], object]


class Part(NamedTuple):
    """What is measured, against what, the largest exponent that is fine, sizes, and how the work of a size is made."""

    what: str
    against: str
    limit: int
    sizes: tuple[int, ...]
    work: Callable[[int], Work]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="parts whose name has this")
    parser.add_argument("--sizes", type=int, default=9, help="how many of each part, the smallest first; 3 at least")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for p, part in enumerate(PARTS):
        if args.only not in f"{part.what}, {part.against}":
            continue
        sizes = part.sizes[: args.sizes]
        seconds, megabytes = zip(*(in_process(p, size, args.runs) for size in sizes), strict=True)
        upper = len(sizes) // 2
        rows.append(
            {
                "of": part.what,
                "against": part.against,
                "sizes": ", ".join(map(str, sizes)),
                "CPU seconds": ", ".join(f"{each:.3g}" for each in seconds),
                "exponent": slope(sizes, seconds),
                "upper half": slope(sizes[upper:], seconds[upper:]),
                "at most": part.limit,
                "MB": ", ".join(f"{each:.0f}" for each in megabytes),
            }
        )
        print(pd.DataFrame(rows[-1:]).to_markdown(index=False, floatfmt=".2f").splitlines()[-1], flush=True)
    print("\n" + pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


def in_process(part: int, size: int, runs: int) -> tuple[float, float]:
    """`measured`, in a new process of a copy of this one."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(measured, (part, size, runs))


def measured(part: int, size: int, runs: int) -> tuple[float, float]:
    """Median CPU seconds, and megabytes that the first run needed at most."""
    work = PARTS[part].work(size)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak until now
    before = resident("VmRSS")
    work()
    peak = resident("VmHWM")
    return statistics.median(cpu_time(work) for _ in range(runs)), peak - before


def cpu_time(work: Work) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def slope(sizes: tuple[int, ...], seconds: tuple[float, ...]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def cohort(n: int, features: int = 300, omics: int = 2, classes: int = 3, intervals: int = 0) -> Cohort:
    """Of some classes; or of a survival time in some intervals, which the classes tell something of."""
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=n)
    samples = np.array([f"P{i:06d}" for i in range(n)])
    modalities = {}
    for m in range(omics):
        values = random.standard_normal((n, features), dtype=np.float32)
        values += (random.standard_normal((classes, features), dtype=np.float32) * np.float32(0.3))[labels]
        modalities[f"omics{m}"] = Modality(values, np.array([f"f{j}" for j in range(features)]), np.arange(n))
    target = Target("class", Classification(tuple(f"c{c}" for c in range(classes))), labels.astype(np.float64))
    if intervals:
        values = np.stack([random.exponential(1000.0 * (1 + labels)), random.random(n) < 0.7], axis=1)
        task = Survival.of(values)
        ends = interval_ends(values[values[:, 1] == 1, 0], task.edges[-1], intervals)
        target = Target("os", replace(task, edges=ends), values)
    return Cohort("made", samples, samples, np.full(n, ""), target, modalities, tuple(modalities))


def splits_of(made: Cohort, repeats: int = 1) -> Splits:
    return make_splits(made, SplitsConfig(repeats=repeats, folds=2, inner_folds=3), seed=0)


def networks(made: Cohort, repeats: int = 1) -> Work:
    """The networks of one omics' encoders in every split, from principal components that are there."""
    splits = splits_of(made, repeats)
    sets = [
        training_sets(made, splits, s, "omics0", ENCODER, seed=0, device=CPU, without_pairs=True)
        for s in range(len(splits.fold))
    ]
    return lambda: [fit([each], ENCODER) for each in sets]


def linear(made: Cohort, screened: int | None = None) -> Work:
    """A linear member of one omics' encoders in one split."""
    sets = training_sets(made, splits_of(made), 0, "omics0", ENCODER, seed=0, device=CPU, without_pairs=True)
    return lambda: fit_linear(sets, None, soft_weight=0.0, screened=[screened])


def students(made: Cohort, repeats: int = 1) -> Work:
    """Students of all omics from all others, from themselves and from permuted soft targets, with all their members."""
    splits = splits_of(made, repeats)
    encodings = {name: encode(made, splits, name, ENCODER, seed=0, device=CPU) for name in made.modalities}
    return lambda: [
        distil(
            made, splits, encodings, name, teachers_of(made, name), DistillationConfig(), ENCODER, seed=0, device=CPU
        )
        for name in encodings
    ]


def components(made: Cohort) -> Work:
    """The principal components of one training set."""
    values = as_tensor(made.modalities["omics0"].values, CPU)
    return lambda: fit_projection(values, torch.ones(len(values), dtype=torch.bool), ENCODER)


def baseline(made: Cohort, name: str) -> Work:
    """A baseline of one omics in one split."""
    splits, task = splits_of(made), made.target.task
    given = made.modalities["omics0"].values, made.target.values, splits.inner[0], splits.labelled[0]
    return lambda: fit_fold(task, name, *given, 0)


def ksg(n: int, omics: int = 2) -> Work:
    """KSG of all pairs with half-samples, in one fold."""
    random = np.random.default_rng(0)
    shared = random.standard_normal((n, 3))
    points = [
        torch.tensor(np.hstack([shared + random.standard_normal((n, 3)), random.standard_normal((n, 5))]))[None]
        for _ in range(omics)
    ]
    index = torch.tensor(np.array([[np.sort(random.permutation(n)[: n // 2]) for _ in range(HALVES)]]))
    chosen, exists = torch.ones_like(index, dtype=torch.bool), torch.ones(1, n, dtype=torch.bool)
    entry = ESTIMATORS["ksg"].load()

    def work() -> None:
        spaces = [entry.prepare(each, exists) for each in points]
        for a in range(omics):
            for b in range(a):
                run(entry, spaces[a], spaces[b], index, chosen, neighbours=3)

    return work


def omics_of(pairs: int) -> int:
    """M of M (M - 1) ordered pairs."""
    return round((1 + (1 + 4 * pairs) ** 0.5) / 2)


PATIENTS = (250, 500, 1000, 2000, 4000)
MANY = (500, 1000, 2000, 5000, 10_000)
PAIRS = (2, 6, 20, 56)
FEATURES = (500, 1000, 2000, 4000)
SPLITS = (3, 5, 9, 17)
OUTPUTS = (2, 4, 8, 16)

PARTS = (
    Part("KSG", "patients of a fold", 2, (125, 250, 500, 1000, 2000), ksg),
    Part("KSG", "ordered pairs", 1, PAIRS, lambda pairs: ksg(250, omics_of(pairs))),
    Part("principal components of 300 features", "patients", 1, MANY, lambda n: components(cohort(n, omics=1))),
    Part(
        "principal components of 500 patients",
        "features",
        1,
        (1000, 4000, 16_000, 64_000, 450_000),
        lambda p: components(cohort(500, p, omics=1)),
    ),
    Part("networks", "patients", 1, MANY, lambda n: networks(cohort(n, omics=1))),
    Part("linear members of 300 features", "patients", 1, MANY, lambda n: linear(cohort(n, omics=1))),
    Part("screened members of 300 features", "patients", 1, MANY, lambda n: linear(cohort(n, omics=1), SCREENED)),
    Part(
        "linear members of 5000 features", "patients", 1, (250, 500, 1000), lambda n: linear(cohort(n, 5000, omics=1))
    ),
    Part("linear members of 500 patients", "features", 1, FEATURES, lambda p: linear(cohort(500, p, omics=1))),
    Part(
        "screened members of 500 patients", "features", 1, FEATURES, lambda p: linear(cohort(500, p, omics=1), SCREENED)
    ),
    Part("logistic baseline", "patients", 1, PATIENTS[:4], lambda n: baseline(cohort(n, omics=1), "linear")),
    Part("boosting", "patients", 1, PATIENTS[:4], lambda n: baseline(cohort(n, omics=1), "boosting")),
    Part("boosting", "features", 1, FEATURES, lambda p: baseline(cohort(500, p, omics=1), "boosting")),
    Part("networks", "outer splits", 1, SPLITS, lambda s: networks(cohort(300, omics=1), s // 2)),
    Part("students", "patients", 1, PATIENTS, lambda n: students(cohort(n))),
    Part("students", "ordered pairs", 1, PAIRS, lambda pairs: students(cohort(300, 100, omics_of(pairs)))),
    Part("students", "outer splits", 1, SPLITS, lambda s: students(cohort(300), s // 2)),
    Part("students", "classes", 1, OUTPUTS, lambda c: students(cohort(600, 100, classes=c))),
    Part("students", "intervals of survival", 1, OUTPUTS, lambda k: students(cohort(600, 100, intervals=k))),
)


if __name__ == "__main__":
    main()
