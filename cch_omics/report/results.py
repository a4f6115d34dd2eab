"""The results folder of one cohort and target, read into plain tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.errors import InputError
from cch_omics.runtime.files import read_json, read_table
from cch_omics.tasks import make_task
from cch_omics.tasks.base import Metric, Task

PAIR = list(keys.PAIR_COLUMNS)
INTERVAL = ["gain", "ci_low", "ci_high"]
# Columns of evidence.tsv that the page uses beside those of verdicts.tsv.
EVIDENCE_COLUMNS = (
    "estimator",
    "gap_at_zero",
    "gap_simulated_sd",
    "cross_check_estimator",
    "cross_check_gap",
    "cross_check_gap_se",
    "cross_check_gap_at_zero",
    "cross_check_gap_simulated_sd",
    "accuracy_difference",
)
# Columns of names, in whatever table: one whose names happen to be numbers, or of none at all, is still one of names.
NAMES = (
    *keys.PAIR_COLUMNS,
    "cohort",
    "target",
    "rule",
    "model",
    "baseline",
    "criterion",
    "quantity",
    "estimator",
    "cross_check_estimator",
    "metric",
    "verdict",
    "reason",
)


@dataclass(frozen=True)
class Results:
    """What a page is made of.

    Attributes
    ----------
    task
        What is predicted: names metrics, baselines and strata.
    verdicts
        verdicts.tsv and `EVIDENCE_COLUMNS` of the full cohort.
    teachers, information, scorecard, summary, performance, comparisons
        As in `keys`.
    audit
        audit.json.
    """

    cohort: str
    target: str
    task: Task
    verdicts: pd.DataFrame
    teachers: pd.DataFrame
    information: pd.DataFrame
    scorecard: pd.DataFrame
    summary: pd.DataFrame
    performance: pd.DataFrame
    comparisons: pd.DataFrame
    audit: Mapping[str, Any]

    @property
    def metric(self) -> Metric:
        """The metric that gains and verdicts are in."""
        return self.task.metrics[self.task.primary]

    @property
    def students(self) -> list[str]:
        """Names, in the order of teachers.tsv; those that nothing could teach have no row there and come last."""
        return list(dict.fromkeys([*self.teachers["student"], *self.performance["student"]]))

    @property
    def rule(self) -> str:
        """The criterion that decided; "" if there was nothing to decide."""
        return str(self.teachers["rule"].iloc[0]) if len(self.teachers) else ""

    @property
    def pairs(self) -> pd.DataFrame:
        """Verdicts with the realised gain in the primary metric, from the largest gap down.

        Columns `gain`, `ci_low`, `ci_high` are of the gain over training alone, with `self_` and `shuffled_` in front
        of that over those controls. `outcome` is "harmed" if the interval over training alone lies below 0, else
        "gained" if that over the self control lies above 0, else "no clear difference"; "not measured" without one.
        """
        table = self.verdicts
        chosen = self.summary[self.summary["metric"] == self.task.primary]
        for control, prefix in zip(keys.CONTROLS, ("", "self_", "shuffled_"), strict=True):
            part = chosen.loc[chosen["control"] == control, [*PAIR, *INTERVAL]]
            part = part.rename(columns={name: prefix + name for name in INTERVAL})
            table = table.merge(part, on=PAIR, how="left", validate="one_to_one")
        outcome = np.select(
            [table["ci_high"].isna(), table["ci_high"] < 0, table["self_ci_low"] > 0],
            ["not measured", "harmed", "gained"],
            "no clear difference",
        )
        return by_gap(table.assign(outcome=outcome))


def by_gap(pairs: pd.DataFrame) -> pd.DataFrame:
    """Order pairs from the largest gap down."""
    return pairs.sort_values("gap", ascending=False, kind="stable", na_position="last").reset_index(drop=True)


def read_results(folder: Path) -> Results:
    """Read `results/{cohort}/{target}`.

    Raises
    ------
    InputError
        If a file that the page is made of is missing, or lacks a column.
    """
    files = folder / "intermediate"
    audit = read_json(folder / "audit.json")
    verdicts = _table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS)
    evidence = _table(folder / "evidence.tsv", (*keys.SPLIT_COLUMNS, *keys.PAIR_COLUMNS))
    of_cohort = evidence[evidence["repeat"] == -1].reindex(columns=[*PAIR, *EVIDENCE_COLUMNS])
    return Results(
        # The folder is where a reader looks them up.
        cohort=folder.resolve().parent.name,
        target=folder.resolve().name,
        task=make_task(audit["task"], audit["parameters"]),
        verdicts=verdicts.merge(of_cohort, on=PAIR, how="left", validate="one_to_one"),
        teachers=_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS),
        information=_table(folder / "information.tsv", keys.INFORMATION_COLUMNS),
        scorecard=_table(folder / "scorecard.tsv", keys.SCORECARD_COLUMNS),
        summary=_table(files / "summary.tsv", keys.SUMMARY_COLUMNS),
        performance=_table(files / "performance.tsv", keys.PERFORMANCE_COLUMNS),
        comparisons=_table(files / "comparisons.tsv", keys.COMPARISON_COLUMNS),
        audit=audit,
    )


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = read_table(path)
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(
            str(path), f"no column {', '.join(missing)}", f"the columns {', '.join(columns)}", "Run the step again."
        )
    return table.assign(**{name: table[name].fillna("").astype(str) for name in NAMES if name in table})
