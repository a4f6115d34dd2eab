"""The results folder of one cohort and target, read into plain tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.errors import InputError
from cch_omics.runtime.files import read_json, read_table
from cch_omics.tasks.base import Metric, Task

PAIR = list(keys.PAIR_COLUMNS)
INTERVAL = ["gain", "ci_low", "ci_high"]
# Columns of evidence.tsv that the page shows beside those of verdicts.tsv.
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
    "teacher_information",
    "teacher_information_se",
    "flags",
)
# Columns of names, in whatever table: one whose names happen to be numbers, or of none at all, is still one of names.
NAMES = (
    "cohort",
    "target",
    "teacher",
    "student",
    "recipe",
    "rule",
    "model",
    "baseline",
    "criterion",
    "quantity",
    "estimator",
    "cross_check_estimator",
    "metric",
    "flags",
    "cch_verdict",
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
        verdicts.tsv and, where there is evidence.tsv, `EVIDENCE_COLUMNS` of the full cohort.
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
        """Names, in the order of teachers.tsv, which has one row per student."""
        return list(dict.fromkeys([*self.teachers["student"], *self.performance["student"]]))

    @property
    def rules(self) -> list[str]:
        """The criterion in force; more than one only if tables were put together by hand."""
        return [rule for rule in dict.fromkeys(self.teachers["rule"]) if rule]

    @property
    def pairs(self) -> pd.DataFrame:
        """Verdicts with the realised gain in the primary metric, from the largest gap down.

        Columns `gain`, `ci_low`, `ci_high` are of the gain over training alone, with `self_` and `shuffled_` in front
        of that over those controls. `outcome` is that of `outcome`.
        """
        table = self.verdicts
        chosen = self.summary[self.summary["metric"] == self.task.primary]
        for control, prefix in zip(keys.CONTROLS, ("", "self_", "shuffled_"), strict=True):
            part = chosen.loc[chosen["control"] == control, [*PAIR, *INTERVAL]]
            part = part.rename(columns={name: prefix + name for name in INTERVAL})
            table = table.merge(part, on=PAIR, how="left", validate="one_to_one")
        table = table.assign(outcome=outcome(table["ci_low"], table["ci_high"], table["self_ci_low"]))
        return by_gap(table)


def by_gap(pairs: pd.DataFrame) -> pd.DataFrame:
    """Order pairs from the largest gap down."""
    return pairs.sort_values("gap", ascending=False, kind="stable", na_position="last").reset_index(drop=True)


def outcome(ci_low: "pd.Series[float]", ci_high: "pd.Series[float]", self_low: "pd.Series[float]") -> NDArray[np.str_]:
    """Say what happened to each pair.

    "harmed" if the interval of the gain over training alone lies below 0, else "gained" if that of the gain over the
    self control lies above 0, else "no clear difference"; "not measured" without an interval.
    """
    measured = np.isfinite(ci_low.to_numpy(float)) & np.isfinite(ci_high.to_numpy(float))
    return np.select(
        [~measured, ci_high.to_numpy(float) < 0, self_low.to_numpy(float) > 0],
        ["not measured", "harmed", "gained"],
        "no clear difference",
    )


def read_results(folder: Path, task: Task) -> Results:
    """Read `results/{cohort}/{target}`.

    Raises
    ------
    InputError
        If a file that the page is made of is missing, or lacks a column.
    """
    files = folder / "intermediate"
    verdicts = _table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS)
    return Results(
        # The folder is where a reader looks them up.
        cohort=folder.resolve().parent.name,
        target=folder.resolve().name,
        task=task,
        verdicts=_with_evidence(verdicts, _table(folder / "evidence.tsv", (*keys.SPLIT_COLUMNS, *keys.PAIR_COLUMNS))),
        teachers=_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS),
        information=_table(folder / "information.tsv", keys.INFORMATION_COLUMNS),
        scorecard=_table(folder / "scorecard.tsv", keys.SCORECARD_COLUMNS),
        summary=_table(files / "summary.tsv", keys.SUMMARY_COLUMNS),
        performance=_table(files / "performance.tsv", keys.PERFORMANCE_COLUMNS),
        comparisons=_table(files / "comparisons.tsv", keys.COMPARISON_COLUMNS),
        audit=read_json(folder / "audit.json"),
    )


def _with_evidence(verdicts: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Put `EVIDENCE_COLUMNS` of the full cohort beside the verdicts; what was not computed is missing."""
    of_cohort = evidence[evidence["repeat"] == -1].reindex(columns=[*PAIR, *EVIDENCE_COLUMNS])
    joined = verdicts.merge(of_cohort, on=PAIR, how="left", validate="one_to_one")
    return _named(joined)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = read_table(path)
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(
            str(path), f"no column {', '.join(missing)}", f"the columns {', '.join(columns)}", "Run the step again."
        )
    return _named(table)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    names = [name for name in NAMES if name in table]
    return table.assign(**{name: table[name].fillna("").astype(str) for name in names})
