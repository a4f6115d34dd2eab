"""Mutual information of all pairs with half-samples, against loops over neighbour searches and other packages.

    python -m research.benchmarks.neighbours
    python -m research.benchmarks.neighbours --infomeasure PYTHON
    python -m research.benchmarks.neighbours --latentmi PYTHON
    python -m research.benchmarks.neighbours --large 10000

Points as a cohort of four omics has them: 8 columns an omics, six pairs, the inner folds of one split, 100 half-samples
of each. PYTHON is the interpreter of an environment of its own, as these packages cannot be installed with this one:

    python -m venv A; A/bin/pip install infomeasure==0.6.3
    python -m venv B; B/bin/pip install latentmi==0.1.3 torch==2.13.0 'numpy<2'

A loop takes a random part of the half-samples and is extrapolated. All must give the same numbers, except latent MI.
Prints tables in Markdown; neighbours.md beside this file has the last ones.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma
from sklearn.neighbors import KDTree
from torch import Tensor

from cch_omics.information.estimators import run
from cch_omics.information.registry import ESTIMATORS
from cch_omics.runtime.parallel import each_part

OMICS, COLUMNS, HALVES, K = 4, 8, 100, 3
Points = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loop", type=int, default=40, help="half-samples that a loop takes")
    parser.add_argument("--infomeasure", help="interpreter that has infomeasure")
    parser.add_argument("--latentmi", help="interpreter that has latentmi: latent MI instead")
    parser.add_argument("--large", type=int, default=0, help="memory and time of one pair of so many samples instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.large:
        print(large(args.large).to_markdown(index=False, floatfmt=".3g"))
        return
    if args.latentmi:
        runs = pd.concat([latent(args) for _ in range(args.runs)])
        print(f"Latent MI; medians over {args.runs} runs.\n")
        print(runs.groupby(["n", "by"], sort=False).median().reset_index().to_markdown(index=False, floatfmt=".3g"))
        return
    tables = [pd.concat([compare(n, args) for _ in range(args.runs)]) for n in (113, 500)]
    every = pd.concat(tables).groupby(["n of a fold", "by"], sort=False).median().reset_index()
    print(f"KSG, k = {K}; medians over {args.runs} runs, {args.threads} processes here, one in the loops.\n")
    print(every.to_markdown(index=False, floatfmt=".3g"))


def cohort(n: int, folds: int, seed: int = 0) -> Tensor:
    """(OMICS, folds, n, COLUMNS): what omics share, and noise; columns of decreasing variance."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((folds, n, 3))
    scale = np.array([3, 2, 1.5, 1, 0.8, 0.6, 0.5, 0.4])
    omics = [
        np.concatenate([shared + 0.7 * random.standard_normal(shared.shape), random.standard_normal((folds, n, 5))], 2)
        for _ in range(OMICS)
    ]
    return torch.tensor(np.stack(omics) * scale)


def halves(n: int, folds: int, seed: int = 1) -> Tensor:
    """(folds, HALVES, n / 2)."""
    random = np.random.default_rng(seed)
    return torch.tensor(
        np.array([[np.sort(random.permutation(n)[: n // 2]) for _ in range(HALVES)] for _ in range(folds)])
    )


def compare(n: int, args: argparse.Namespace) -> pd.DataFrame:
    """All pairs and half-samples of the folds of twenty splits, per estimate."""
    folds, splits = 5, 20
    omics, index = cohort(n, folds * splits), halves(n, folds * splits)
    pairs = list(combinations(range(OMICS), 2))
    ksg = ESTIMATORS["ksg"].load()

    def of_split(split: int) -> Points:
        here = slice(split * folds, (split + 1) * folds)
        exists = torch.ones(folds, n, dtype=torch.bool)
        chosen = torch.ones_like(index[here], dtype=torch.bool)
        spaces = [ksg.prepare(points[here], exists) for points in omics]
        found = [run(ksg, spaces[a], spaces[b], index[here], chosen, neighbours=K).value for a, b in pairs]
        return torch.stack(found).numpy()

    of_split(0)  # tables are there
    started, cpu = time.perf_counter(), cpu_time()
    done = dict(each_part(of_split, range(splits), threads=args.threads, device="cpu"))
    ours = np.concatenate([done[split] for split in range(splits)], 1)  # (pairs, folds, HALVES)
    seconds, cpu = (time.perf_counter() - started) / ours.size, (cpu_time() - cpu) / ours.size

    random = np.random.default_rng(2)
    some = [tuple(int(random.integers(size)) for size in ours.shape) for _ in range(args.loop)]
    points = omics.numpy()
    drawn = [
        tuple(points[omic, f][index[f, h].numpy()] for omic in pairs[p]) for p, f, h in some
    ]  # of each chosen one, (n / 2, COLUMNS) twice
    expected = np.array([ours[place] for place in some])
    rows = [row("cch_omics", (seconds, cpu), (seconds, cpu), np.zeros(1))]
    for name, estimate in {"scikit-learn": by_sklearn, "scipy": by_scipy}.items():
        started, used = time.perf_counter(), time.process_time()
        found = np.array([estimate(x, y) for x, y in drawn])
        each = (time.perf_counter() - started) / len(drawn)
        used = (time.process_time() - used) / len(drawn)
        rows.append(row(name, (each, used), (seconds, cpu), found - expected))
    if args.infomeasure:
        found, each, used = elsewhere(args.infomeasure, BY_INFOMEASURE, drawn)
        rows.append(row("infomeasure", (each, used), (seconds, cpu), np.array(found) - expected))
    return pd.DataFrame(rows).assign(**{"n of a fold": n})


def cpu_time() -> float:
    """Of this process and those that it has waited for."""
    return sum(os.times()[:4])


def row(name: str, each: tuple[float, float], ours: tuple[float, float], difference: Points) -> dict[str, object]:
    """From seconds and CPU seconds per estimate. Where cores are shared, the ratio of the latter is the steadier."""
    return {
        "by": name,
        "us per estimate": each[0] * 1e6,
        "CPU us": each[1] * 1e6,
        "ratio": each[0] / ours[0],
        "CPU ratio": each[1] / ours[1],
        "difference": float(np.abs(difference).max()),
    }


def by_sklearn(x: Points, y: Points) -> float:
    """KSG's first algorithm by k-d trees, as scikit-learn's own estimator does it for one feature."""
    both = np.hstack([x, y])
    radius = np.nextafter(KDTree(both, metric="chebyshev").query(both, K + 1)[0][:, -1], 0)
    n_x, n_y = (KDTree(z, metric="chebyshev").query_radius(z, radius, count_only=True) for z in (x, y))
    return float(digamma(K) + digamma(len(x)) - np.mean(digamma(n_x) + digamma(n_y)))


def by_scipy(x: Points, y: Points) -> float:
    both = np.hstack([x, y])
    radius = np.nextafter(cKDTree(both).query(both, K + 1, p=np.inf)[0][:, -1], 0)
    n_x, n_y = (cKDTree(z).query_ball_point(z, radius, p=np.inf, return_length=True) for z in (x, y))
    return float(digamma(K) + digamma(len(x)) - np.mean(digamma(n_x) + digamma(n_y)))


# Run by other interpreters: read arrays, estimate, write values, seconds and CPU seconds per estimate.
FRAME = """
import json, sys, time
import numpy as np
arrays = np.load(sys.argv[1])
pairs = [(arrays[f"x{i}"], arrays[f"y{i}"]) for i in range(len(arrays.files) // 2)]
{imports}
estimate(*pairs[0])
started, used = time.perf_counter(), time.process_time()
values = [float(estimate(x, y)) for x, y in pairs]
each = [(time.perf_counter() - started) / len(pairs), (time.process_time() - used) / len(pairs)]
with open(sys.argv[2], "w") as file:
    json.dump([values, *each], file)
"""
BY_INFOMEASURE = f"""
import infomeasure
def estimate(x, y):
    # Noise is for ties; here are none, and all have to give the same numbers.
    return infomeasure.mutual_information(x, y, approach="metric", k={K}, minkowski_p=float("inf"), noise_level=0)
"""
BY_LATENTMI = """
import torch
torch.set_num_threads(2)
from latentmi import lmi
def estimate(x, y):
    return np.nanmean(lmi.estimate(x, y, quiet=True)[0]) * np.log(2)  # from bits
"""


def elsewhere(python: str, imports: str, drawn: list[tuple[Points, Points]]) -> tuple[list[float], float, float]:
    """Estimates by another interpreter, seconds and CPU seconds for each."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.npz"
        np.savez(file, **{f"{side}{i}": z for i, both in enumerate(drawn) for side, z in zip("xy", both, strict=True)})
        result = Path(folder) / "result.json"
        command = [python, "-W", "ignore", "-c", FRAME.replace("{imports}", imports), str(file), str(result)]
        subprocess.run(command, check=True, capture_output=True)
        values, seconds, cpu = json.loads(result.read_text())
        return values, seconds, cpu


def latent(args: argparse.Namespace) -> pd.DataFrame:
    """Latent MI of half-samples of all pairs, in one batch, and of three of them by latentmi."""
    n, folds = 500, 1
    omics, index = cohort(n, folds), halves(n, folds)[:, :20]
    entry = ESTIMATORS["latent"].load()
    exists, chosen = torch.ones(folds, n, dtype=torch.bool), torch.ones_like(index, dtype=torch.bool)
    torch.set_num_threads(args.threads)
    started, cpu, values = time.perf_counter(), time.process_time(), []
    pairs = list(combinations(range(OMICS), 2))
    for a, b in pairs:
        x, y = (entry.prepare(omics[omic], exists) for omic in (a, b))
        values.append(run(entry, x, y, index, chosen, neighbours=K).value)
    count = len(pairs) * index.shape[1]
    seconds, cpu = (time.perf_counter() - started) / count, (time.process_time() - cpu) / count
    torch.set_num_threads(1)
    points = omics.numpy()
    drawn = [tuple(points[omic, 0][index[0, h].numpy()] for omic in pairs[0]) for h in range(3)]
    found, each, used = elsewhere(args.latentmi, BY_LATENTMI, drawn)
    rows = [
        {
            "by": "cch_omics",
            "s per estimate": seconds,
            "CPU s": cpu,
            "ratio": 1.0,
            "mean, nats": float(values[0].mean()),
        },
        {
            "by": "latentmi",
            "s per estimate": each,
            "CPU s": used,
            "ratio": each / seconds,
            "mean, nats": np.mean(found),
        },
    ]
    return pd.DataFrame(rows).assign(n=n // 2)


def large(n: int) -> pd.DataFrame:
    """One pair of n samples with half-samples: time, and the most memory that this process has taken."""
    omics, index, ksg = cohort(n, 1), halves(n, 1), ESTIMATORS["ksg"].load()
    exists, everyone = torch.ones(1, n, dtype=torch.bool), torch.arange(n)[None, None]
    started = time.perf_counter()
    x, y = (ksg.prepare(points, exists) for points in omics[:2])
    full = run(ksg, x, y, everyone, torch.ones_like(everyone, dtype=torch.bool), neighbours=K).value
    parts = run(ksg, x, y, index, torch.ones_like(index, dtype=torch.bool), neighbours=K).value
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    both = [points[0].numpy() for points in omics[:2]]
    difference = abs(float(full) - by_scipy(*both))
    return pd.DataFrame(
        [
            {
                "n": n,
                "half-samples": HALVES,
                "seconds": seconds,
                "peak memory, GiB": peak,
                "I(X;Y), nats": float(full),
                "of halves": float(parts.mean()),
                "difference from scipy": difference,
            }
        ]
    )


if __name__ == "__main__":
    main()
