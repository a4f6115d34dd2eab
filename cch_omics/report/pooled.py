"""The page of all cohorts and targets. Gains in different metrics have different units: each metric has a part."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cch_omics.config import ReportConfig
from cch_omics.report import figures, model_tables, pair_tables, sentences
from cch_omics.report.answers import Answer, answers
from cch_omics.report.material import Material
from cch_omics.report.page import gain_caption, read_folder
from cch_omics.report.render import drawn, render, write
from cch_omics.report.results import Results, by_gap
from cch_omics.vocabulary import difference_heading


@dataclass(frozen=True)
class Entry:
    """A cohort and target, and the link to its own page, "" if it has none."""

    results: Results
    material: Material
    link: str = ""


def write_pooled_report(
    folders: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    settings: ReportConfig | None = None,
    *,
    scorecard: pd.DataFrame | None = None,
    unfinished: Sequence[str] = (),
    date: str = "",
) -> None:
    """Write the page of all cohorts and targets.

    Parameters
    ----------
    folders
        `results/{cohort}/{target}` of each.
    scorecard
        The pooled scorecard; by default the rows of all.
    unfinished
        What to say of cohorts that are missing.
    date
        Shown as given.

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """
    output = Path(output)
    entries = []
    for folder in map(Path, folders):
        page = folder / "report.html"
        link = Path(os.path.relpath(page, output.parent)).as_posix() if page.is_file() else ""
        entries.append(Entry(*read_folder(folder, views=False), link))
    pooled = pooled_page(entries, settings or ReportConfig(), scorecard=scorecard, unfinished=unfinished, date=date)
    write(pooled, output)


def pooled_page(
    entries: Sequence[Entry],
    settings: ReportConfig,
    *,
    scorecard: pd.DataFrame | None = None,
    unfinished: Sequence[str] = (),
    date: str = "",
) -> str:
    """Make the page of all cohorts and targets."""
    given = [(entry.results, answers(entry.results, entry.material.counts), entry.link) for entry in entries]
    scores = scorecard if scorecard is not None else pd.concat([entry.results.scorecard for entry in entries])
    by_metric: dict[str, list[tuple[Results, list[Answer], str]]] = {}
    for each in given:
        by_metric.setdefault(each[0].task.primary, []).append(each)
    n_students = sum(len(of_student) for _, of_student, _ in given)
    n_pairs = sum(len(entry.results.verdicts) for entry in entries)
    return render(
        "pooled.html",
        settings,
        date,
        unfinished=unfinished,
        facts=f"{len(entries)} cohorts and targets, {n_students} students, {n_pairs} pairs of teacher and student.",
        headlines=[
            {"name": f"{results.cohort}, {results.target}", "text": sentences.headline(of_student)}
            for results, of_student, _ in given
        ],
        rules=sentences.rule_sentences(list(dict.fromkeys(rule for results, _, _ in given for rule in results.rules))),
        parts=[
            _part(number, part, scores[scores["metric"] == primary], settings)
            for number, (primary, part) in enumerate(by_metric.items())
        ],
        versions_table=model_tables.versions_table(),
    )


def _part(
    number: int, given: Sequence[tuple[Results, list[Answer], str]], scores: pd.DataFrame, settings: ReportConfig
) -> dict[str, Any]:
    """What the page says of the cohorts and targets of one metric."""
    metric = given[0][0].metric
    pairs = by_gap(
        pd.concat([results.pairs.assign(cohort=results.cohort, target=results.target) for results, *_ in given])
    )
    return {
        "number": number,
        "title": metric.title,
        "answers_table": model_tables.answers_table(given, metric, settings),
        "outcome_sentences": sentences.outcome_sentences(pairs),
        "gain_figure": drawn(figures.gap_against_gain(pairs, metric, name=f"gains-{number}") if len(pairs) else ""),
        "gain_caption": gain_caption(pairs, difference_heading(metric)),
        "pairs_table": pair_tables.pairs_table(pairs, metric, settings, where=True),
        "scorecard_table": model_tables.scorecard_table(scores, metric, settings, name=True),
    }
