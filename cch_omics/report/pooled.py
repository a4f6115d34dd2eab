"""The page of all cohorts and targets. Gains in different metrics have different units: each metric has a part."""

import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cch_omics.config import ReportConfig
from cch_omics.evaluation.gains import concatenated
from cch_omics.report import figures, model_tables, pair_tables, sentences
from cch_omics.report.answers import Answer, answers
from cch_omics.report.render import render, write
from cch_omics.report.results import Results, by_gap, read_results
from cch_omics.vocabulary import difference_heading

Given = tuple[Results, list[Answer], str]


def write_pooled_report(
    folders: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    settings: ReportConfig,
    *,
    scorecard: pd.DataFrame,
    unfinished: Sequence[str] = (),
) -> None:
    """Write the page of all cohorts and targets.

    Parameters
    ----------
    folders
        `results/{cohort}/{target}` of each; where one has a page, that is linked.
    scorecard
        The pooled scorecard.
    unfinished
        What to say of cohorts that are missing.

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """
    output = Path(output)
    entries = []
    for folder in map(Path, folders):
        page = folder / "report.html"
        link = urllib.parse.quote(os.path.relpath(page, output.parent)) if page.is_file() else ""
        entries.append((read_results(folder), link))
    write(pooled_page(entries, settings, scorecard, unfinished), output)


def pooled_page(
    entries: Sequence[tuple[Results, str]], settings: ReportConfig, scorecard: pd.DataFrame, unfinished: Sequence[str]
) -> str:
    """Make the page of the results of all cohorts and targets, each with the link to its own page, "" for none."""
    given: list[Given] = [(results, answers(results), link) for results, link in entries]
    by_metric: dict[str, list[Given]] = {}
    for entry in given:
        by_metric.setdefault(entry[0].task.primary, []).append(entry)
    n_students = sum(len(of_student) for _, of_student, _ in given)
    n_pairs = sum(len(results.verdicts) for results, _ in entries)
    return render(
        "pooled.html",
        settings,
        unfinished=unfinished,
        facts=f"{len(entries)} cohorts and targets, {n_students} students, {n_pairs} pairs of teacher and student.",
        headlines=[
            {"name": f"{results.cohort}, {results.target}", "text": sentences.headline(results, of_student)}
            for results, of_student, _ in given
        ],
        rules={sentences.rule_sentence(results.rule) for results, _ in entries if results.rule},
        parts=[
            _part(number, part, scorecard[scorecard["metric"] == primary])
            for number, (primary, part) in enumerate(by_metric.items())
        ],
    )


def _part(number: int, given: Sequence[Given], scores: pd.DataFrame) -> dict[str, Any]:
    """What the page says of the cohorts and targets of one metric."""
    metric, rule = given[0][0].metric, given[0][0].rule
    tables = [results.pairs.assign(cohort=results.cohort, target=results.target) for results, *_ in given]
    pairs = by_gap(concatenated(tables, tuple(tables[0].columns)))
    return {
        "number": number,
        "title": metric.title,
        "gain_unit": difference_heading(metric),
        "answers_table": model_tables.answers_table(given, metric),
        "outcomes": sentences.outcome_sentences(pairs),
        "gain_figure": figures.gap_against_gain(pairs, metric, name=f"gains-{number}"),
        "pairs_table": pair_tables.pairs_table(pairs, metric, rule, where=True),
        "scorecard_table": model_tables.scorecard_table(scores, metric),
    }
