"""Which weight and temperature of soft targets? The same ones throughout, or chosen for each teacher on inner folds.

    python benchmarks/weights.py --data DIR --output DIR

DIR of --data as for decisions.py, whose predictions in --output are needed; the first repeats of them are used. Prints
gains in points of balanced accuracy, in Markdown. What has been computed is kept in --output; weights.md beside this
file has the last result.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from decisions_predictions import (
    BUDGETS,
    CPU,
    SEED,
    TASKS,
    Task,
    first_repeats,
    folder,
    in_processes,
    read,
)
from decisions_scores import kept
from scipy.stats import spearmanr

from cch_omics.config import DistillationConfig, EncoderConfig
from cch_omics.distillation import distil_grids
from cch_omics.evaluation import METRIC, gains
from cch_omics.pilots import network_pilots
from cch_omics.predictions import load_encoding
from cch_omics.splits import load_splits

WEIGHTS, TEMPERATURES = (0.5, 0.75, 0.9), (1.0, 3.0)
GRIDS: Mapping[str, DistillationConfig] = {
    **{
        f"{weight:g}, {temperature:g}": DistillationConfig(lambdas=[weight], temperatures=[temperature])
        for weight in WEIGHTS
        for temperature in TEMPERATURES
    },
    "chosen of 4": DistillationConfig(lambdas=[0.5, 0.9], temperatures=[1.0, 3.0]),
    "chosen of 6": DistillationConfig(lambdas=list(WEIGHTS), temperatures=list(TEMPERATURES)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    jobs = [
        (
            f"{task.cohort} {task.target}, {budget:.0%} of the labels",
            (task, budget, args.data, args.output, args.repeats),
        )
        for budget in args.budgets
        for task in TASKS
    ]
    in_processes(pairs_of, jobs, processes=args.threads, say=lambda what: print(what, file=sys.stderr))
    tables = []
    for budget in args.budgets:
        parts = [pairs_of(task, budget, args.data, args.output, args.repeats) for task in TASKS]
        pairs = pd.concat(parts, ignore_index=True)
        tables.append(summary(pairs).assign(labels=f"{budget:.0%}"))
        print(f"{budget:.0%} of the labels, left-out group of patients: what the others choose, and its rank there")
        print(left_out(pairs).to_markdown(index=False, floatfmt=".2f"), end="\n\n")
    table = pd.concat(tables)
    print(table[["labels", *table.columns.drop("labels")]].to_markdown(index=False, floatfmt=".2f"))


def pairs_of(task: Task, budget: float, data: Path, output: Path, repeats: int) -> pd.DataFrame:
    """What `compare` returns, computed once."""
    room = folder(output, task, budget)
    return kept(room / f"weights-{repeats}.parquet", lambda: compare(task, budget, data, room, repeats))


def compare(task: Task, budget: float, data: Path, room: Path, repeats: int) -> pd.DataFrame:
    """Mean gain and mean gain of the pilot in points, of each ordered pair and grid."""
    stored = load_splits(room / "splits.npz")
    splits, first = first_repeats(stored, repeats), stored.repeat < repeats
    cohort = replace(read(task, data), label_budget=budget)
    encodings = {}
    for name in cohort.modalities:
        each = load_encoding(room / "encodings" / f"{name}.npz", inputs=True)
        assert each.teaching_logits is not None
        encodings[name] = replace(
            each,
            logits=each.logits[first],
            teaching_logits=each.teaching_logits[first],
            inputs=None if each.inputs is None else each.inputs[first],
        )
    tables = []
    for student in cohort.modalities:
        distilled = distil_grids(
            cohort,
            splits,
            encodings,
            student,
            list(GRIDS.values()),
            EncoderConfig(),
            seed=SEED,
            device=CPU,
            shuffled_controls=False,
        )
        for grid, taught in zip(GRIDS, distilled, strict=True):
            measured = gains(cohort, splits, encodings, {student: taught})
            measured = measured[(measured["metric"] == METRIC) & (measured["control"] == "none")]
            pilots = network_pilots(cohort, splits, encodings, {student: taught})
            pilots = pilots[pilots["repeat"] >= 0]
            pair = 100 * measured.groupby(["teacher", "student"])["gain"].mean().to_frame()
            pair["pilot_gain"] = 100 * pilots.groupby(["teacher", "student"])["pilot_gain"].mean()
            tables.append(pair.dropna().reset_index().assign(grid=grid))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(cluster=task.cluster, task=f"{task.cohort} {task.target}")


def followed(pairs: pd.DataFrame) -> pd.DataFrame:
    """(cluster, task) x grid: gain of the teacher with the best pilot, 0 if that lost, mean over students."""
    best = pairs.loc[pairs.groupby(["grid", "task", "student"])["pilot_gain"].idxmax()]
    best = best.assign(gain=best["gain"].where(best["pilot_gain"] > 0, 0.0))
    return best.pivot_table(index=["cluster", "task"], columns="grid", values="gain")[list(GRIDS)]


def summary(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row a grid; means over targets."""
    rows = []
    follow = followed(pairs).mean()
    for grid in GRIDS:
        own = pairs[pairs["grid"] == grid]
        rows.append(
            {
                "weight, temperature": grid,
                "best pilot followed": follow[grid],
                "best in hindsight": own.groupby(["task", "student"])["gain"].max().groupby("task").mean().mean(),
                "all pairs": own.groupby("task")["gain"].mean().mean(),
                "worst pair": own["gain"].min(),
                "mean pilot": own.groupby("task")["pilot_gain"].mean().mean(),
                "Spearman(pilot, gain)": float(spearmanr(own["pilot_gain"], own["gain"])[0]),
            }
        )
    return pd.DataFrame(rows)


def left_out(pairs: pd.DataFrame) -> pd.DataFrame:
    """What following the best pilot gained on the other groups of patients chooses the grid for each group."""
    groups = followed(pairs).groupby("cluster").mean()
    rows = []
    for name in groups.index:
        choice = str(groups.drop(name).mean().idxmax())
        rank = int((groups.loc[name] > groups.loc[name, choice]).sum()) + 1
        rows.append(
            {
                "patients": name,
                "others choose": choice,
                "gained": groups.loc[name, choice],
                "rank": f"{rank} of {len(GRIDS)}",
                "best there": np.max(groups.loc[name]),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
