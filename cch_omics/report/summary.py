"""The results on the terminal: verdicts in a small table, and what is there, failed, is unfinished or was left out."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.errors import InputError, visible
from cch_omics.models.recipes import ALONE
from cch_omics.planning.unfinished import KILLED, failures
from cch_omics.report.results import checked_table
from cch_omics.runtime.formats import read_json
from cch_omics.tasks import make_task
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import (
    VERDICTS,
    difference,
    difference_heading,
    interval,
    pair_names,
    probability,
    rule_title,
    score,
    shown,
    with_unit,
)

COLUMNS = ("cohort", "target", "pair", "verdict", "P(gain > 0)", "P(gap > 0)", "gain", "chosen")
# What the steps make for a cohort and target, in order.
MADE = ("audit.json", "intermediate", "information.tsv", "verdicts.tsv", "teachers.tsv", "gains.tsv", "students")
PAGE = "report.html"

Key = tuple[str, ...]


def overview(results: Path, logs: Path) -> tuple[str, bool]:
    """One line per ordered pair with its verdict and mean gain; what became of each cohort and target; the pages.

    Parameters
    ----------
    results
        The folder `results` of a run.
    logs
        The folder of its logs, which need not exist.

    Returns
    -------
    The text, and whether something failed: a step, or reading what one has written.

    Raises
    ------
    InputError
        If there is no such folder, or nothing of a run in it.
    """
    try:
        folders = _folders(results)
        failures = _failures(logs, folders)
    except OSError as error:
        raise _no_results(results, f"what cannot be read ({error.strerror}: {error.filename})") from None
    folders |= {key: results.joinpath(*key) for key in failures if key}
    if not folders and not failures:
        raise _no_results(results, f"no */*/{MADE[0]}")
    lines: list[Key] = [COLUMNS]
    legend: list[str] = []
    failed, states = bool(failures), failures.pop((), [])
    for key, folder in sorted(folders.items()):
        state = failures.get(key) or [_state(folder)]
        try:
            more, explained, said = _read(folder)
            lines, legend, state = lines + more, legend + explained, state + said
        except (OSError, LookupError, TypeError, ValueError) as error:
            ours = isinstance(error, InputError | OSError)
            why = str(error) if ours else f"{folder} holds something that no step writes ({error})"
            state, failed = [*state, f"its tables cannot be read: {why}"], True
        states += [f"{', '.join(key)}: {each}" for each in state]
    text = aligned(lines) if len(lines) > 1 else []
    report = results / PAGE
    pages = [report] if report.is_file() else sorted(page for folder in folders.values() for page in folder.glob(PAGE))
    said = [*text, "", *dict.fromkeys(legend), *states, *(f"report: {page.resolve()}" for page in pages)]
    return visible("\n".join(said).lstrip("\n"), keep="\n"), failed


def aligned(lines: Sequence[Key]) -> list[str]:
    """Lines of a table whose cells are below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _folders(results: Path) -> dict[Key, Path]:
    """Folders of cohorts and targets: those that hold something that a step makes."""
    if not results.is_dir():
        raise _no_results(results, "a file" if results.exists() else "no such folder")
    below = [each for cohort in results.iterdir() if cohort.is_dir() for each in cohort.iterdir() if each.is_dir()]
    return {each.parts[-2:]: each for each in below if {*MADE, PAGE} & {made.name for made in each.iterdir()}}


def _failures(logs: Path, folders: dict[Key, Path]) -> dict[Key, list[str]]:
    """Sentences about steps that failed, by cohort and target; by () about those that are of none."""
    found: dict[Key, list[str]] = defaultdict(list)
    for log, reason in failures(logs).items():
        inside = log.relative_to(logs)
        key = inside.parts[:2]
        if key not in folders and not logs.joinpath(*key, "ingest.log").is_file():
            key = ()
        step = Path(*inside.parts[len(key) :]).with_suffix("").as_posix()
        ended = "has not ended: it still runs, or it was killed" if reason == KILLED else f"failed: {reason}"
        found[key].append(f"{step} {ended} (see {log})")
    return found


def _state(folder: Path) -> str:
    """How far a cohort is of which no step failed."""
    if (folder / PAGE).is_file():
        return "finished"
    there = [name for name in MADE if (folder / name).exists()]
    return f"unfinished: there is {', '.join(there) or 'nothing'} yet, and no {PAGE}"


def _read(folder: Path) -> tuple[list[Key], list[str], list[str]]:
    """Lines of the table of one cohort and target, what explains them, what was left out, and what others show."""
    if not (folder / "audit.json").is_file():
        return [], [], []
    audit = read_json(folder / "audit.json")
    left_out = [each["reason"] for each in audit.get("left_out", [])]
    if not ((folder / "verdicts.tsv").is_file() and (folder / "teachers.tsv").is_file()):
        return [], [], left_out
    task = make_task(audit["task"], audit["parameters"])
    metric = task.metrics[task.primary]
    teachers = checked_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS)
    legend = [f"verdict: by {rule_title(rule)}" for rule in teachers["rule"].unique()]
    legend.append(
        f"gain, {task.name}: {difference_heading(metric)} over the student trained alone, mean over test folds, with "
        "its 95% interval"
    )
    others = _on_other_patients(folder, task.primary, metric)
    return _lines(folder, teachers, task.primary, metric), legend, left_out + others


def _lines(folder: Path, teachers: pd.DataFrame, primary: str, metric: Metric) -> list[Key]:
    """Lines of one cohort and target."""
    verdicts, pair = checked_table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS), list(keys.PAIR_COLUMNS)
    gains = {}
    if (summary := folder / "intermediate" / "summary.tsv").is_file():
        table = checked_table(summary, keys.SUMMARY_COLUMNS)
        table = table[(table["control"] == "none") & (table["metric"] == primary)]
        table = table.set_index(pair)[["gain", "ci_low", "ci_high"]].astype(float)
        gains = dict(zip(table.index, table.itertuples(index=False, name=None), strict=True))
    chosen = set(teachers[pair].itertuples(index=False, name=None))
    lines, show = [], partial(difference, metric)
    for name, row in zip(pair_names(verdicts), verdicts.to_dict("records"), strict=True):
        key = tuple(row[column] for column in pair)
        gain, low, high = gains.get(key, (np.nan,) * 3)
        lines.append(
            (
                *folder.parts[-2:],
                name,
                VERDICTS[row["verdict"]],
                probability(row["p_gain_positive"]),
                probability(row["p_gap_positive"]),
                with_unit(metric, gain) + interval(show, low, high) if np.isfinite(gain) else "–",
                "yes" if key in chosen else "",
            )
        )
    return lines


def _on_other_patients(folder: Path, primary: str, metric: Metric) -> list[str]:
    """What each student reached on the patients of another source, and how far teaching it took it there."""
    if not (folder / "validation.tsv").is_file():
        return []
    table = checked_table(folder / "validation.tsv", keys.VALIDATION_COLUMNS)
    said = []
    for student, part in table[table["metric"] == primary].groupby("student", sort=False):
        # The first model is the delivered one; the others, and what it is ahead of them, come after it.
        first = part.iloc[0]
        text = f"{student} on other patients: {score(metric, first['value'])}"
        text += interval(partial(shown, metric), first["ci_low"], first["ci_high"])
        for row in part[part["minus"] == ALONE.name].to_dict("records"):
            text += f"; over training alone {with_unit(metric, row['value'])}"
            text += interval(partial(difference, metric), row["ci_low"], row["ci_high"])
        said.append(text)
    return said


def _no_results(results: Path, found: str) -> InputError:
    return InputError(str(results), found, "a folder of results", "Run the workflow first: cch run SHEET.tsv")
