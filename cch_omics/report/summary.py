"""The results in a small table for the terminal."""

from pathlib import Path

import pandas as pd

from cch_omics import keys
from cch_omics.errors import InputError
from cch_omics.runtime.files import read_json, read_table
from cch_omics.tasks import task_class
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import VERDICTS, difference, difference_heading, number, pair_names, probability, rule_title

COLUMNS = ("cohort", "target", "pair", "verdict", "P(gain > 0)", "P(gap > 0)", "gain", "chosen")


def overview(results: Path) -> str:
    """One line per ordered pair: the verdict and the mean realised gain; and where the report is.

    Raises
    ------
    InputError
        If the folder holds no verdicts.
    """
    folders = sorted(table.parent for table in results.glob("*/*/verdicts.tsv"))
    if not folders:
        raise InputError(
            str(results), "no */*/verdicts.tsv", "a folder of results", "Run the workflow first: snakemake --cores all"
        )
    lines: list[tuple[str, ...]] = [COLUMNS]
    legend = []
    for folder in folders:
        task = task_class(read_json(folder / "audit.json")["task"])
        metric = task.metrics[task.primary]
        teachers = read_table(folder / "teachers.tsv")
        legend += [f"verdict: by {rule_title(rule)}" for rule in teachers["rule"].unique()]
        legend.append(
            f"gain, {task.name}: {difference_heading(metric)} over the student trained alone, mean over test folds"
        )
        lines += _lines(folder, teachers, task.primary, metric)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    report = results / "report.html"
    pages = [report] if report.is_file() else sorted(results.glob("*/*/report.html"))
    return "\n".join([text, "", *dict.fromkeys(legend), *(f"report: {page.resolve()}" for page in pages)])


def _lines(folder: Path, teachers: pd.DataFrame, primary: str, metric: Metric) -> list[tuple[str, ...]]:
    """Lines of one cohort and target."""
    verdicts, pair = read_table(folder / "verdicts.tsv"), list(keys.PAIR_COLUMNS)
    gains = {}
    if (summary := folder / "intermediate" / "summary.tsv").is_file():
        table = read_table(summary)
        table = table[(table["control"] == "none") & (table["metric"] == primary)]
        gains = dict(zip(table[pair].itertuples(index=False, name=None), table["gain"], strict=True))
    chosen = set(teachers[pair].itertuples(index=False, name=None))
    lines = []
    for name, row in zip(pair_names(verdicts), verdicts.to_dict("records"), strict=True):
        key = tuple(row[column] for column in pair)
        lines.append(
            (
                *folder.parts[-2:],
                name,
                VERDICTS[row["verdict"]],
                probability(row["p_gain_positive"]),
                probability(row["p_gap_positive"]),
                difference(metric, number(gains.get(key))),
                "yes" if key in chosen else "",
            )
        )
    return lines
