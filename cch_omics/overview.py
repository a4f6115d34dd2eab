"""The results in a small table for the terminal."""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from cch_omics.errors import InputError

COLUMNS = ("cohort", "target", "pair", "verdict", "p(gain > 0)", "p(gap > 0)", "gain", "chosen")


def overview(results: Path) -> str:
    """Where the report is, and one line per ordered pair: the verdict and the mean realised gain.

    Raises
    ------
    InputError
        If the folder holds no verdicts.
    """
    tables = sorted(results.glob("*/*/verdicts.tsv"))
    if not tables:
        raise InputError(
            str(results), "no */*/verdicts.tsv", "a folder of results", "Run the workflow first: snakemake --cores all"
        )
    lines = [COLUMNS, *(line for table in tables for line in _lines(table.parent))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    report = results / "report.html"
    pages = [report] if report.is_file() else sorted(results.glob("*/*/report.html"))
    return "\n".join(
        [
            text,
            "",
            "p(gain > 0): what the verdict rests on; p(gap > 0): the paper's gap",
            "gain: mean over test folds, in points of balanced accuracy over the student trained alone",
            *(f"report: {page.resolve()}" for page in pages),
        ]
    )


def _lines(folder: Path) -> list[tuple[str, ...]]:
    """Lines of one cohort and target."""
    gains: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _rows(folder / "gains.tsv"):
        if row["control"] == "none" and row["metric"] == "balanced_accuracy" and row["gain"]:
            gains[row["teacher"], row["student"]].append(float(row["gain"]))
    chosen = {(row["teacher"], row["student"]) for row in _rows(folder / "teachers.tsv")}
    lines: list[tuple[str, ...]] = []
    for row in _rows(folder / "verdicts.tsv"):
        pair = row["teacher"], row["student"]
        lines.append(
            (
                folder.parent.name,
                folder.name,
                " -> ".join(pair),
                row["verdict"],
                # Results of an earlier version have no P(gain > 0).
                *(_probability(row.get(name, "")) for name in ("p_gain_positive", "p_gap_positive")),
                f"{100 * fmean(gains[pair]):+.1f}" if gains[pair] else "",
                "yes" if pair in chosen else "",
            )
        )
    return lines


def _probability(value: str) -> str:
    """Two digits, and never a certainty, as in the report."""
    if not value:
        return ""
    p = float(value)
    return ">0.99" if p > 0.99 else "<0.01" if p < 0.01 else f"{p:.2f}"


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
