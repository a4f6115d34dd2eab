"""Do linear models of counts, unlogged values and beta values get better where these are transformed first?

    python -m research.benchmarks.scales --data DIR
    python -m research.benchmarks.scales --data DIR --only tcga-paad/moffitt    (the smallest)

DIR has the folders of `CASES`, whose tables are logarithms and M-values. What these were made of is computed from them:
beta values; expression without its logarithm; and raw counts, as a sequencer with libraries of different depth would
have counted them. Each is used as it is and transformed, on the same splits, by the package's linear baseline. Prints
tables in Markdown; scales.md beside this file has the last.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.data.working_scale import SCALES
from cch_omics.evaluation.gains import score_models
from cch_omics.evaluation.intervals import corrected_interval
from cch_omics.models.baselines import fit_baselines
from cch_omics.splits import Splits, make_splits

SEED = 0
CASES = (
    *(f"tcga-paad/{target}" for target in ("moffitt", "vital_status")),
    *(f"tcga-lgg/{target}" for target in ("grade", "histology", "idh_codel")),
    *(f"tcga-brca/{target}" for target in ("her2_status", "histology", "er_status")),
    *("brca-paired/pr_status", "tcga-kipan/cancer_type", "tcga-lgg/os", "tcga-brca/pam50"),
)
# Standard deviation of the logarithm of library sizes, and their median.
DEPTHS, READS = 0.5, 3e7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="COHORT/TARGET", default=CASES)
    parser.add_argument("--budgets", type=float, nargs="+", default=(1.0, 0.25))
    parser.add_argument("--repeats", type=int, default=1, help="of the 5 outer folds")
    args = parser.parse_args()
    rows = []
    for budget, case in product(args.budgets, args.only):
        for row in measure(case, budget, args.data, SplitsConfig(repeats=args.repeats)):
            print(*row.values(), sep="\t", file=sys.stderr, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows)
    where = ["cohort/target", "omics", "labels", "published"]
    print(
        table.pivot(index=where, columns="way", values="difference")
        .reset_index()
        .to_markdown(index=False, floatfmt="+.3f")
    )
    print("\nMeans over cohorts and targets:\n")
    print(means(table).to_markdown(index=False, floatfmt="+.3f"))


def measure(case: str, budget: float, data: Path, folds: SplitsConfig) -> Iterator[dict[str, object]]:
    """The primary metric of the published values, and how much more each way has, with its 95% interval."""
    name, target = case.split("/")
    row = SheetRow(cohort=name, source=str(data / name), target=target, label_budget=budget)
    cohort = assemble(read_source(row), row)[0]
    splits = make_splits(cohort, folds, seed=SEED)
    for omics in ("rna", "mirna", "methylation"):
        if omics not in cohort.modalities:
            continue
        scores = {
            way: scored(replace(cohort, modalities={omics: replace(cohort.modalities[omics], values=values)}), splits)
            for way, values in made(cohort.modalities[omics].values, omics)
        }
        published = scores.pop("published")
        about = {"cohort/target": case, "omics": omics, "labels": f"{budget:.0%}", "published": published.mean()}
        for way, each in scores.items():
            mean, low, high = corrected_interval(each - published, folds.folds)
            yield about | {"way": way, "difference": mean, "low": low, "high": high}


def made(values: NDArray[np.float32], omics: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Values by the way in which they came about."""
    yield "published", values
    if omics == "methylation":
        beta = (1 / (1 + np.exp2(-values.astype(np.float64)))).astype(np.float32)
        yield "beta", beta
        for offset in (0.001, 0.01):
            yield f"M, offset {offset:g}", SCALES["beta"].make(beta, offset)
        return
    unlogged = np.exp2(values.astype(np.float64))
    yield "unlogged", unlogged.astype(np.float32)
    yield "log", SCALES["unlogged"].make(unlogged.astype(np.float32))
    counts = counted(unlogged).astype(np.float32)
    yield "counts", counts
    yield "log counts", np.log1p(counts)
    for per in (1e4, 1e6):
        yield f"log counts per {per:,.0f}", SCALES["counts"].make(counts, per)


def counted(expression: NDArray[np.float64]) -> NDArray[np.int64]:
    """Poisson counts of libraries of different depth."""
    draw = np.random.default_rng(SEED)
    depth = READS * np.exp(DEPTHS * draw.standard_normal((len(expression), 1)))
    return draw.poisson(np.nan_to_num(expression / np.nansum(expression, axis=1, keepdims=True) * depth))


def scored(cohort: Cohort, splits: Splits) -> NDArray[np.float64]:
    """(J,) primary metric of the linear baseline on the test patients of each outer split."""
    (omics,) = cohort.modalities
    fitted = fit_baselines(cohort, splits, BaselinesConfig(boosting=False), seed=SEED)[omics]
    task = cohort.target.task
    return score_models(cohort, splits, omics, fitted.outputs)[0][0, :, list(task.metrics).index(task.primary)]


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Mean difference over cohorts and targets, and how many rows have one beyond its interval."""
    known = table.assign(better=table["low"] > 0, worse=table["high"] < 0)
    by = known.groupby(["omics", "labels", "way"], sort=False)
    return by.agg(
        rows=("difference", "size"),
        mean=("difference", "mean"),
        least=("difference", "min"),
        most=("difference", "max"),
        better=("better", "sum"),
        worse=("worse", "sum"),
    ).reset_index()


if __name__ == "__main__":
    main()
