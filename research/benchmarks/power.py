"""Errors of pilots that `cch power` foretells, against those that pilots have.

    python -m research.benchmarks.power --data DIR --output DIR
    python -m research.benchmarks.power --data DIR --output DIR --only tcga-paad --budgets 1      (the smallest)

DIR of --data has the folders of `CALIBRATION` and `OTHERS`. Default networks and folds (2 x 5, inner 5). What is
trained is kept in DIR of --output, and not trained again. Prints tables in Markdown; power.md beside this file has the
last. From the cohorts of `CALIBRATION` come the constants of the tasks; those of `OTHERS` are foretold.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics.config import EncoderConfig, SplitsConfig
from cch_omics.runtime.formats import read_table, write_table
from cch_omics.tasks import task_class
from cch_omics.tasks.base import Floats
from cch_omics.tasks.planned import planned_target
from cch_omics.verdict.pilot import pilots
from cch_omics.verdict.power import expected_errors
from research.benchmarks.decisions.predictions import Case, Settings, load, predict

RECEPTOR = "Negative,Positive"
CALIBRATION = (
    Case("brca-paired", "er_status", "brca", classes=RECEPTOR),
    Case("brca-paired", "her2_status", "brca", classes=RECEPTOR),
    Case("tcga-hnsc", "sex", "hnsc"),
    Case("tcga-lgg", "grade", "lgg"),
    Case("tcga-hnsc", "purity_ihc", "hnsc"),
    Case("depmap-drugs", "ic50_trametinib", "depmap"),
    Case("tcga-hnsc", "os", "hnsc"),
    Case("tcga-lgg", "os", "lgg"),
)
OTHERS = (
    Case("tcga-paad", "moffitt", "paad"),
    Case("tcga-paad", "vital_status", "paad"),
    Case("tcga-lihc", "sex", "lihc"),
    Case("tcga-luad", "sex", "luad"),
    Case("tcga-kipan", "cancer_type", "kipan"),
    Case("tcga-lihc", "purity_ihc", "lihc"),
    Case("tcga-luad", "purity_ihc", "luad"),
    Case("tcga-paad", "os", "paad"),
    Case("tcga-lihc", "os", "lihc"),
    Case("tcga-luad", "os", "luad"),
    Case("tcga-kipan", "os", "kipan"),
)
CASE = ["cohort", "target", "budget"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="predictions, kept; not for the repository")
    parser.add_argument("--only", nargs="+", metavar="COHORT")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.15, 0.4, 1.0])
    args = parser.parse_args()
    tables = [
        errors(replace(case, budget=budget), args.data, args.output).assign(calibration=case in CALIBRATION)
        for case in (*CALIBRATION, *OTHERS)
        for budget in args.budgets
        if args.only is None or case.cohort in args.only
    ]
    table = pd.concat(tables, ignore_index=True)
    judged = compared(table)
    print(constants(table).to_markdown(index=False, floatfmt=".4f"), "\n")
    print(by_task(judged).to_markdown(index=False, floatfmt=".2f"), "\n")
    print(judged.drop(columns=["inside", "pairs"]).to_markdown(index=False, disable_numparse=True))


def errors(case: Case, data: Path, output: Path) -> pd.DataFrame:
    """A row for each pair: the error of its pilots, and what `cch power` is told of the cohort."""
    path = case.room(output) / "power.tsv"
    if not path.exists():
        predict(case, data, output, Settings(SplitsConfig(), EncoderConfig()))
        stored = load(case, data, output)
        gained = pilots(stored.cohort, stored.splits, stored.encodings, stored.students)
        target, labelled = stored.cohort.target, stored.splits.labelled[stored.splits.full]
        known = target.values[target.observed]
        classes, events = "", float("nan")
        if target.task.name == "classification":
            classes = ",".join(map(str, np.bincount(known.astype(int)) / len(known)))
        elif target.task.name == "survival":
            events = ((known[:, 1] == 1) & (known[:, 0] <= target.task.horizon)).mean()
        told = {"task": target.task.name, "patients": len(labelled), "labels": labelled.sum()}
        of_full = gained[gained["repeat"] == -1].assign(cohort=case.cohort, target=case.target, budget=case.budget)
        write_table(of_full.assign(**told, classes=classes, events=events), path)
    return read_table(path).fillna({"classes": ""})


def foretold(cohort: pd.DataFrame) -> Floats:
    """(3,) what `cch power` says of the cohort of some rows: low, typical, high."""
    row = cohort.iloc[0]
    classes = [float(share) for share in row["classes"].split(",") if share]
    task, shares, _ = planned_target(classes, None if np.isnan(row["events"]) else row["events"])
    return expected_errors(task, row["patients"], row["labels"], shares)


def constants(table: pd.DataFrame) -> pd.DataFrame:
    """`Task.pilot_variance` and `Task.pilot_label_power` of `CALIBRATION`, of which each case counts once."""
    rows = []
    for name, part in table[table["calibration"]].groupby("task", sort=False):
        task = task_class(str(name))
        typical = pd.concat([pd.Series(foretold(each)[1], each.index) for _, each in part.groupby(CASE)])
        ratio = np.log((part["pilot_gain_se"] / typical) ** 2)
        missing = np.log(part["patients"] / part["labels"])
        more, _ = np.polyfit(missing, ratio, 1, w=part.groupby(CASE)["pilot_gain_se"].transform("size") ** -0.5)
        units = task.pilot_variance[1] * np.exp(ratio - more * missing)
        spread = dict(zip(("a tenth", "half", "nine tenths"), units.quantile([0.1, 0.5, 0.9]), strict=True))
        rows.append({"task": name, **spread, "power of patients / labels": task.pilot_label_power + more})
    return pd.DataFrame(rows)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """What was foretold of each cohort and budget beside the errors that its pilots have."""
    rows = []
    for _, part in table.groupby(CASE, sort=False):
        (low, typical, high), found, row = foretold(part), part["pilot_gain_se"], part.iloc[0]
        inside = int(((found >= low) & (found <= high)).sum())
        rows.append(
            {
                "cohorts": "calibration" if row["calibration"] else "others",
                "task": row["task"],
                "cohort, target": f"{row['cohort']}, {row['target']}",
                "patients": row["patients"],
                "labels": row["labels"],
                "events": "" if np.isnan(row["events"]) else f"{row['events'] * row['labels']:.0f}",
                "expected (a tenth to nine tenths)": f"{typical:.4f} ({low:.4f} to {high:.4f})",
                "median of pilots": f"{found.median():.4f}",
                "ratio": round(found.median() / typical, 2),
                "within": f"{inside} of {len(found)}",
                "inside": inside,
                "pairs": len(found),
            }
        )
    return pd.DataFrame(rows)


def by_task(judged: pd.DataFrame) -> pd.DataFrame:
    """Ratios of the pilots' errors to what was expected, over cohorts and budgets."""
    return pd.DataFrame(
        {
            "cohorts": cohorts,
            "task": task,
            "cohorts and budgets": len(part),
            "median ratio": part["ratio"].median(),
            "lowest": part["ratio"].min(),
            "highest": part["ratio"].max(),
            "pairs within": part["inside"].sum() / part["pairs"].sum(),
        }
        for (cohorts, task), part in judged.groupby(["cohorts", "task"], sort=False)
    )


if __name__ == "__main__":
    main()
