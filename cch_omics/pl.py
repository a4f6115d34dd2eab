"""Plots for notebooks: of what `cch_omics.tl` stored in a MuData, and of the results of the workflow.

Representations are drawn by scanpy itself: `sc.pp.neighbors(mdata["rna"], use_rep="X_cch")`.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Union

import pandas as pd

from cch_omics import keys
from cch_omics.errors import InputError, near
from cch_omics.report import model_plots, pair_plots
from cch_omics.report.results import EVIDENCE_COLUMNS, PAIR, by_gap, read_results
from cch_omics.report.style import axes
from cch_omics.student.explain import read_features
from cch_omics.tasks import make_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

__all__ = ["budget_curve", "estimated_gaps", "features", "gains", "gap_matrix", "models", "pilot_gains"]


def gap_matrix(data: Union["MuData", pd.DataFrame], *, key: str = "cch", ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair, teachers in rows and students in columns, with standard error and verdict.

    Parameters
    ----------
    data
        After `tl.cch`; reads the table of verdicts in `.uns[key]`. Or that table, or a `verdicts.tsv`.
    key
        Where the table is.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        Gaps in nats. Of several recipes of a pair the one whose pilots gained most is shown.

    Raises
    ------
    InputError
        If there is no table of verdicts.

    Examples
    --------
    >>> verdicts = cch_omics.tl.cch(mdata, target="er_status")
    >>> cch_omics.pl.gap_matrix(mdata)
    >>> cch_omics.pl.gap_matrix(verdicts)
    """
    return pair_plots.gap_matrix(_verdicts(data, key), ax=ax)


def estimated_gaps(data: "MuData", *, key: str = "cch", ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair as two estimators say it, and what they say where the gap is zero.

    Parameters
    ----------
    data
        After `tl.cch`; reads `.uns[key]` and the evidence in `.uns[f"{key}_evidence"]`.
    key
        Where the tables are.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        Gaps in nats with 95% of their standard errors, one row a pair; the pale bars are 95% of what each estimator
        says in simulations of the cohort without a gap.

    Raises
    ------
    InputError
        If there are no such tables.

    Examples
    --------
    >>> cch_omics.tl.cch(mdata, target="er_status")
    >>> cch_omics.pl.estimated_gaps(mdata)
    """
    columns = [*PAIR, *EVIDENCE_COLUMNS]
    evidence = _table(data, f"{key}_evidence", ("repeat", *columns))
    known = _verdicts(data, key).merge(evidence.loc[evidence["repeat"] == -1, columns], on=PAIR, how="left")
    rows = by_gap(known[known["gap"].notna()])
    ax = axes(ax)
    if len(rows):
        pair_plots.estimated_gaps(rows, ax=ax)
    return ax


def pilot_gains(data: "MuData", *, key: str = "cch", ax: "Axes | None" = None) -> "Axes":
    """Draw what the distilled students of the inner folds gained, with 95% intervals, one row a pair.

    Parameters
    ----------
    data
        After `tl.cch`; reads `.uns[key]` and `.uns[f"{key}_about"]`.
    key
        Where the tables are.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        Gains in the primary metric of the task, the largest gap first. Pairs without pilots are left out.

    Raises
    ------
    InputError
        If there is no table of verdicts, or it has no pilots.

    Examples
    --------
    >>> cch_omics.tl.cch(mdata, target="er_status")
    >>> cch_omics.pl.pilot_gains(mdata)
    """
    verdicts = _verdicts(data, key)
    rows = by_gap(verdicts[verdicts["pilot_gain"].notna()])
    if rows.empty:
        advice = "Run cch_omics.tl.cch with the rule `pilot`, the default."
        raise InputError("the table of verdicts", "no gain of a pilot", "pilots", advice)
    about = data.uns[f"{key}_about"]
    task = make_task(str(about["task"]), json.loads(about["task_parameters"]))
    ax = axes(ax)
    pair_plots.pilot_gains(rows, task.metrics[task.primary], ax=ax)
    return ax


def gains(results: str | os.PathLike[str], *, ax: "Axes | None" = None) -> "Axes":
    """Draw the gap of each pair against what distilling gained on test patients, as the report of the workflow does.

    Parameters
    ----------
    results
        Folder of the workflow's results, `results/COHORT/TARGET`.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        Gaps in nats, gains over training alone in the primary metric, each with its 95% interval. Points are numbered
        from the largest gap down.

    Raises
    ------
    InputError
        If a file of the results is missing.

    Examples
    --------
    >>> cch_omics.pl.gains("results/tcga-brca/pam50")
    """
    read, ax = read_results(Path(results)), axes(ax)
    pair_plots.gap_against_gain(read.pairs, read.metric, numbers=True, ax=ax)
    return ax


def models(results: str | os.PathLike[str], student: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how well every model of one omics predicted test patients, as the report of the workflow does.

    Parameters
    ----------
    results
        Folder of the workflow's results, `results/COHORT/TARGET`.
    student
        The omics.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        The primary metric with its 95% interval: trained alone, controls, taught by each teacher, baselines.

    Raises
    ------
    InputError
        If a file of the results is missing, or there is no such student.

    Examples
    --------
    >>> cch_omics.pl.models("results/tcga-brca/pam50", "mirna")
    """
    read = read_results(Path(results))
    if student not in read.students:
        raise InputError(
            "pl.models, argument student", repr(student), "a student of the results", near(student, read.students)
        )
    of_student = read.performance[
        (read.performance["metric"] == read.task.primary) & (read.performance["student"] == student)
    ]
    ax = axes(ax)
    model_plots.model_performance(of_student, read.task, chosen="", limits=None, ax=ax)
    return ax


def budget_curve(results: Collection[str | os.PathLike[str]], *, ax: "Axes | None" = None) -> "Axes":
    """Draw what following the advice gained on test patients, against how many labels there were.

    Parameters
    ----------
    results
        Folders of the workflow's results, `results/COHORT/TARGET`, of rows of the sheet that differ in their
        `label_budget`.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        A line for each student, with 95% intervals: the gain in the primary metric over training alone.

    Raises
    ------
    InputError
        If a file of the results is missing, there are fewer than two folders, or they are of several targets.

    Examples
    --------
    >>> cch_omics.pl.budget_curve(["results/our-brca-15/er_status", "results/our-brca/er_status"])
    """
    if isinstance(results, str | os.PathLike) or len(results) < 2:
        advice = "Give the folders of rows that differ in `label_budget` (docs/few_labels.md)."
        raise InputError("pl.budget_curve, argument results", repr(results), "a list of two folders or more", advice)
    read = [read_results(Path(folder)) for folder in results]
    if len(targets := {(each.target, each.task.primary) for each in read}) > 1:
        found = " and ".join(f"{target} ({metric})" for target, metric in sorted(targets))
        raise InputError("pl.budget_curve, argument results", found, "one target", "Give results of one target.")
    rows = [each.advised.assign(labels=each.audit["labelled"] * each.audit["label_budget"]["used"]) for each in read]
    ax = axes(ax)
    model_plots.budget_curve(pd.concat(rows, ignore_index=True), read[0].metric, ax=ax)
    return ax


def features(student: str | os.PathLike[str], *, n: int = 12, ax: "Axes | None" = None) -> "Axes":
    """Draw the features that weigh most in a student, taught and trained alone, as the report of the workflow does.

    Parameters
    ----------
    student
        Folder of the student, `results/COHORT/TARGET/students/MODALITY`.
    n
        How many.
    ax
        Where to draw; new Axes by default.

    Returns
    -------
    Axes
        What one standard deviation of each feature adds to the score of a class, to the number or to the risk, in
        standard deviations of that.

    Raises
    ------
    InputError
        If the folder has no table of features.

    Examples
    --------
    >>> cch_omics.pl.features("results/tcga-brca/pam50/students/mirna")
    """
    table, ax = read_features(student).head(n), axes(ax)
    model_plots.features(table, ax=ax)
    return ax


def _verdicts(data: Union["MuData", pd.DataFrame], key: str) -> pd.DataFrame:
    return _table(data, key, keys.VERDICT_COLUMNS)


def _table(data: Union["MuData", pd.DataFrame], key: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table that `tl.cch` returned or stored, with the columns that it has to have."""
    advice = "Run cch_omics.tl.cch(mdata, target=...) first."
    if isinstance(data, pd.DataFrame):
        where, found = "the table", data
    elif hasattr(data, "uns"):
        where, found = f"mdata.uns[{key!r}]", data.uns.get(key)
    else:
        raise InputError("data", type(data).__name__, "MuData, or the table that tl.cch returns", advice)
    if found is None:
        raise InputError(where, "nothing", "the table that tl.cch stores", advice)
    # A table that was written to a file and read again may have come back as a mapping of columns.
    table = found if isinstance(found, pd.DataFrame) else pd.DataFrame(dict(found))
    if missing := [column for column in columns if column not in table]:
        raise InputError(where, f"no column {', '.join(missing)}", "the table that tl.cch stores", advice)
    return table
