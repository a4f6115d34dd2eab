"""The results folder of one cohort and target, read into plain tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.runtime.formats import read_json, read_table
from cch_omics.tasks import make_task
from cch_omics.tasks.base import Metric, Task
from cch_omics.vocabulary import better_than_chance, is_harm, shows, with_minus

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
    "teacher_information",
    "taught_information",
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
    teachers, information, scorecard, summary, performance, comparisons, members
        As in `keys`.
    advised
        What following the rule in force gained: rows of `keys.ADVISED_COLUMNS`.
    predictions
        Of students that may be delivered, for test samples: `keys.PREDICTION_COLUMNS` and those of `Task.on_test`.
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
    members: pd.DataFrame
    advised: pd.DataFrame
    predictions: pd.DataFrame
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
    def at_chance(self) -> list[str]:
        """Students of which no model, baselines included, is shown to be better than chance on test patients."""
        of_metric = self.performance[self.performance["metric"] == self.task.primary].dropna(subset="mean")
        better = [
            better_than_chance(self.task, *ends) for ends in of_metric[["mean", "ci_low"]].itertuples(index=False)
        ]
        measured, known = set(of_metric["student"]), set(of_metric.loc[better, "student"])
        return [student for student in self.students if student in measured - known]

    @property
    def pairs(self) -> pd.DataFrame:
        """Verdicts with the realised gain in the primary metric, from the largest gap down.

        Columns `gain`, `ci_low`, `ci_high` are of the gain over training alone, with `self_` and `shuffled_` in front
        of that over those controls. `outcome` is "harmed" if the interval over training alone lies below 0, else
        "gained" if that over the self control lies above 0, else "no clear difference", as is what is shown as 0; "not
        measured" without one. `clear`: whether the gain over training alone is neither shown as 0 nor has an interval
        that includes it.
        """
        table, metric = self.verdicts, self.metric
        chosen = self.summary[self.summary["metric"] == self.task.primary]
        for control, prefix in zip(keys.CONTROLS, ("", "self_", "shuffled_"), strict=True):
            part = chosen.loc[chosen["control"] == control, [*PAIR, *INTERVAL]]
            part = part.rename(columns={name: prefix + name for name in INTERVAL})
            table = table.merge(part, on=PAIR, how="left", validate="one_to_one")
        shown, of_self = (table[name].map(lambda gain: shows(metric, gain)) for name in ("gain", "self_gain"))
        harmed = [is_harm(metric, *of) for of in table[["gain", "ci_high"]].itertuples(index=False)]
        outcome = np.select(
            [table["ci_high"].isna(), np.array(harmed, dtype=bool), of_self & (table["self_ci_low"] > 0)],
            ["not measured", "harmed", "gained"],
            "no clear difference",
        )
        clear = shown & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
        return by_gap(table.assign(outcome=outcome, clear=clear.astype(bool)))


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
    verdicts = checked_table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS)
    verdicts["reason"] = verdicts["reason"].map(with_minus)
    evidence = checked_table(folder / "evidence.tsv", (*keys.SPLIT_COLUMNS, *keys.PAIR_COLUMNS))
    of_cohort = evidence[evidence["repeat"] == -1].reindex(columns=[*PAIR, *EVIDENCE_COLUMNS])
    teachers = checked_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS)
    advised = checked_table(files / "advised.tsv", keys.ADVISED_COLUMNS)
    return Results(
        # The folder is where a reader looks them up.
        cohort=folder.resolve().parent.name,
        target=folder.resolve().name,
        task=make_task(audit["task"], audit["parameters"]),
        verdicts=verdicts.merge(of_cohort, on=PAIR, how="left", validate="one_to_one"),
        teachers=teachers,
        information=checked_table(folder / "information.tsv", keys.INFORMATION_COLUMNS),
        scorecard=checked_table(folder / "scorecard.tsv", keys.SCORECARD_COLUMNS),
        summary=checked_table(files / "summary.tsv", keys.SUMMARY_COLUMNS),
        performance=checked_table(files / "performance.tsv", keys.PERFORMANCE_COLUMNS),
        comparisons=checked_table(files / "comparisons.tsv", keys.COMPARISON_COLUMNS),
        members=checked_table(files / "members.tsv", keys.MEMBER_COLUMNS),
        advised=advised[advised["criterion"].isin(teachers["rule"])],
        predictions=checked_table(files / "predictions.tsv", keys.PREDICTION_COLUMNS),
        audit=audit,
    )


def checked_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table of a step, with names as text.

    Raises
    ------
    InputError
        If it is missing, cannot be read or lacks a column.
    """
    table = read_table(path, columns)
    return table.assign(**{name: table[name].fillna("").astype(str) for name in NAMES if name in table})
