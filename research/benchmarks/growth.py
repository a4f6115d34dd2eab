"""How the time of the costly steps grows with patients, features, omics and splits, with fitted exponents.

    python -m research.benchmarks.growth
    python -m research.benchmarks.growth --runs 1 --sizes 3      (the smallest run)

Cohorts are noise around three classes. A time is the CPU time on one thread, the median of some runs: on a machine that
others use it says more than a clock. The exponent is the slope of a straight line through log time against log size,
once more over the upper half of the sizes. Prints tables in Markdown; growth.md beside this file has the last ones.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from unittest import mock

import numpy as np
import pandas as pd
import torch

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.information.estimators import run
from cch_omics.information.registry import ESTIMATORS
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Network
from cch_omics.models.preprocess import as_tensor, fit_projection
from cch_omics.models.training_sets import training_sets
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.classification import Classification
from cch_omics.views import teachers_of

CPU = torch.device("cpu")
# So few epochs that no network stops before: the same number for all sizes.
ENCODER = EncoderConfig(max_epochs=30)
HALVES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="rows whose name has this")
    parser.add_argument("--sizes", type=int, default=5, help="how many of each row, the smallest first; 3 at least")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, limit, series in SERIES:
        if args.only and args.only not in name:
            continue
        sizes, seconds = [], []
        for size, work in islice(series(), args.sizes):
            work()
            sizes.append(size)
            seconds.append(statistics.median(cpu_time(work) for _ in range(args.runs)))
        upper = len(sizes) // 2
        rows.append(
            {
                "time of, against": name,
                "sizes": ", ".join(map(str, sizes)),
                "CPU seconds": ", ".join(f"{each:.3g}" for each in seconds),
                "exponent": slope(sizes, seconds),
                "upper half": slope(sizes[upper:], seconds[upper:]),
                "at most": limit,
            }
        )
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


def cpu_time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def slope(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def cohort(n: int, features: int = 300, omics: int = 2) -> Cohort:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=n)
    centres = random.standard_normal((omics, 3, features)) * 0.3
    samples = np.array([f"P{i:06d}" for i in range(n)])
    modalities = {
        f"omics{m}": Modality(
            values=(centres[m, labels] + random.standard_normal((n, features))).astype(np.float32),
            features=np.array([f"f{j}" for j in range(features)]),
            rows=np.arange(n),
        )
        for m in range(omics)
    }
    target = Target("class", Classification(("a", "b", "c")), labels.astype(np.float64))
    return Cohort("made", samples, samples, np.full(n, ""), target, modalities, tuple(modalities))


def splits_of(made: Cohort, repeats: int = 1) -> Splits:
    return make_splits(made, SplitsConfig(repeats=repeats, folds=2, inner_folds=3), seed=0)


def training(made: Cohort, splits: Splits) -> Callable[[], object]:
    """Encoders of one omics, from principal components that are there."""
    ready = [
        training_sets(made, splits, s, "omics0", ENCODER, seed=0, device=CPU, without_pairs=True)
        for s in range(len(splits.fold))
    ]
    nothing = Network(*(np.zeros(1, dtype=np.float32) for _ in range(7)))

    def work() -> None:
        with (
            mock.patch("cch_omics.models.encode.training_sets", lambda *given, **_: ready[given[2]]),
            mock.patch("cch_omics.models.encode.deployed", lambda *_: [nothing]),
        ):
            encode(made, splits, "omics0", ENCODER, seed=0, device=CPU)

    return work


def students(made: Cohort, splits: Splits) -> Callable[[], object]:
    """Students of all omics from all others, from themselves and from permuted soft targets."""
    encodings = {name: encode(made, splits, name, ENCODER, seed=0, device=CPU) for name in made.modalities}
    return lambda: [
        distil(
            made, splits, encodings, name, teachers_of(made, name), DistillationConfig(), ENCODER, seed=0, device=CPU
        )
        for name in encodings
    ]


def components(made: Cohort) -> Callable[[], object]:
    """The principal components of one training set."""
    values = as_tensor(made.modalities["omics0"].values, CPU)
    return lambda: fit_projection(values, torch.ones(len(values), dtype=torch.bool), ENCODER)


def ksg(n: int, omics: int = 2) -> Callable[[], object]:
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


def of_patients(what: Callable[[Cohort, Splits], Callable[[], object]]) -> Callable[[], Iterator]:
    def series() -> Iterator[tuple[int, Callable[[], object]]]:
        for n in (250, 500, 1000, 2000, 4000):
            made = cohort(n)
            yield n, what(made, splits_of(made))

    return series


SERIES = (
    ("KSG, patients of a fold", 2, lambda: ((n, ksg(n)) for n in (125, 250, 500, 1000, 2000))),
    ("KSG, pairs", 1, lambda: ((m * (m - 1), ksg(250, m)) for m in (2, 3, 4, 6))),
    ("encoders, patients", 1, of_patients(training)),
    ("students, patients", 1, of_patients(students)),
    ("principal components of 300 features, patients", 1, of_patients(lambda made, _: components(made))),
    (
        "principal components of 500 patients, features",
        1,
        lambda: ((p, components(cohort(500, p))) for p in (1000, 2000, 4000, 8000, 16000)),
    ),
    (
        "students, ordered pairs",
        1,
        lambda: (
            (m * (m - 1), students(made, splits_of(made))) for m in (2, 3, 4, 6) for made in [cohort(300, 100, m)]
        ),
    ),
    (
        "encoders, outer splits",
        1,
        lambda: ((2 * r + 1, training(made, splits_of(made, r))) for made in [cohort(300)] for r in (1, 2, 4, 8)),
    ),
    (
        "students, outer splits",
        1,
        lambda: ((2 * r + 1, students(made, splits_of(made, r))) for made in [cohort(300)] for r in (1, 2, 4, 8)),
    ),
)


if __name__ == "__main__":
    main()
