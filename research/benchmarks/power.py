"""Errors of pilots that `cch power` foretells, against those that pilots have.

    python -m research.benchmarks.power --decisions DIR

DIR has what `research.benchmarks.decisions` measured: pilots of one half of each cohort's patients, at every label
budget. Prints tables in Markdown; power.md beside this file has the last. From the patients of `CALIBRATION` come the
constants of the tasks; the others are foretold.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics.tasks import task_class
from cch_omics.tasks.base import Floats
from cch_omics.tasks.planned import planned_target
from cch_omics.verdict.power import expected_errors

# Groups of patients.
CALIBRATION = ("brca", "hnsc", "depmap")
CASE = ["cohort", "target", "budget", "half"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=Path, required=True)
    args = parser.parse_args()
    table = pd.concat([errors(path) for path in sorted(args.decisions.glob("*.json"))], ignore_index=True)
    judged = compared(table)
    print(constants(table).to_markdown(index=False, floatfmt=".4f"), "\n")
    print(by_task(judged).to_markdown(index=False, floatfmt=".2f"), "\n")
    print(judged.drop(columns=["inside", "pairs"]).to_markdown(index=False, disable_numparse=True))


def errors(path: Path) -> pd.DataFrame:
    """A row for each pair: the error of its pilots, and what `cch power` is told of the cohort."""
    measured = json.loads(path.read_text(encoding="utf-8"))
    about = measured["about"]
    told = {name: about[name] for name in ("cohort", "target", "budget", "half", "task", "patients", "labels")}
    classes, events = ",".join(map(str, about["classes"])), about["events"]
    told |= {"classes": classes, "events": float("nan") if events is None else events}
    return pd.DataFrame(measured["pairs"]).assign(**told, calibration=about["cluster"] in CALIBRATION)


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
