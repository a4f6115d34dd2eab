"""The page of one cohort and target: what goes where, and no arithmetic beyond formatting."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cch_omics.config import ReportConfig
from cch_omics.report import figures, model_tables, pair_tables, sentences
from cch_omics.report.answers import answers
from cch_omics.report.audit import audit_tables, audit_warnings, data_sources
from cch_omics.report.material import Material, describe, read_views
from cch_omics.report.render import drawn, panels, render, write
from cch_omics.report.results import Results, read_results
from cch_omics.report.style import legend_marks
from cch_omics.vocabulary import difference_heading


def write_report(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    settings: ReportConfig | None = None,
    *,
    configuration: Mapping[str, Any] | None = None,
    date: str = "",
) -> None:
    """Write the page of one cohort and target.

    Parameters
    ----------
    folder
        `results/{cohort}/{target}`, with all files of the earlier steps.
    output
        The page: one HTML file that needs nothing else.
    configuration
        The configuration used, to be shown; nothing is read from it.
    date
        Shown as given, so that the same results make the same page.

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """
    results, material = read_folder(Path(folder), views=True)
    page = cohort_page(results, material, settings or ReportConfig(), configuration=configuration, date=date)
    write(page, Path(output))


def read_folder(folder: Path, *, views: bool) -> tuple[Results, Material]:
    """Read the results of a cohort and target, and what the page shows of the cohort itself."""
    from cch_omics.data.mudata import read_cohort
    from cch_omics.splits import load_splits

    files = folder / "intermediate"
    cohort, splits = read_cohort(files / "cohort.h5mu"), load_splits(files / "splits.npz")
    shown = read_views(cohort, splits, files / "encodings") if views else ()
    return read_results(folder, cohort.target.task), describe(cohort, splits, shown)


def cohort_page(
    results: Results,
    material: Material,
    settings: ReportConfig,
    *,
    configuration: Mapping[str, Any] | None = None,
    date: str = "",
) -> str:
    """Make the page of one cohort and target."""
    given = answers(results, material.counts)
    chosen = {answer.student: answer.model for answer in given}
    pairs, metric, task = results.pairs, results.metric, results.task
    return render(
        "cohort.html",
        settings,
        date,
        cohort=results.cohort,
        target=results.target,
        facts=material.facts,
        rules=sentences.rule_sentences(results.rules),
        headline=sentences.headline(given),
        warnings=sentences.cohort_warnings(results, material.counts),
        cards=given,
        metric=metric,
        gain_unit=difference_heading(metric),
        gap_matrix=drawn(figures.gap_matrix(results.verdicts)),
        evidence_sentences=sentences.evidence_sentences(results.verdicts),
        evidence_figure=drawn(figures.evidence(results.verdicts, metric)),
        evidence_table=pair_tables.evidence_table(results.verdicts, metric, settings),
        information_table=pair_tables.information_table(results.information, settings),
        outcome_sentences=sentences.outcome_sentences(pairs),
        gain_figure=drawn(figures.gap_against_gain(pairs, metric) if len(pairs) else ""),
        gain_caption=gain_caption(pairs, difference_heading(metric)),
        pairs_table=pair_tables.pairs_table(pairs, metric, settings),
        reasons_table=pair_tables.reasons_table(pairs, settings),
        scorecard_table=model_tables.scorecard_table(results.scorecard, metric, settings, name=False),
        models_sentence=sentences.models_sentence(results, chosen),
        losing=sentences.losing(results, chosen),
        model_panels=panels(figures.model_panels(results.performance, task, results.students, chosen)),
        comparisons_table=model_tables.comparisons_table(results, chosen, settings),
        metrics_table=model_tables.metrics_table(results, chosen, settings),
        view_panels=panels(figures.view_panels(material.views, task.strata_names)),
        strata_marks=legend_marks(task.strata_names),
        any_unlabelled=any((view.strata < 0).any() for view in material.views),
        any_hidden=any(((view.strata >= 0) & ~view.usable).any() for view in material.views),
        audit_warnings=audit_warnings(results.audit),
        audit_tables=audit_tables(results.audit, settings),
        audit_rest=json.dumps(results.audit, indent=2, ensure_ascii=False) if results.audit else "",
        design=material.design,
        estimators=sentences.estimators(results.information),
        baselines=sentences.listed([baseline.title for baseline in task.baselines.values()]),
        transforms=task.transforms,
        sources=data_sources(results.audit),
        configuration=json.dumps(configuration, indent=2, ensure_ascii=False) if configuration else "",
        versions_table=model_tables.versions_table(),
    )


def gain_caption(pairs: pd.DataFrame, unit: str) -> str:
    """What the figure of gaps and gains shows."""
    caption = (
        "One point per pair, both with 95% intervals. The gap is that of the full cohort; the gain is the mean over "
        f"outer test folds, in {unit}. If the sign of the gap foretold that of the gain, all points would lie lower "
        "left or upper right."
    )
    if figures.MAX_NAMED < len(pairs) <= figures.MAX_NUMBERED:
        caption += " Numbers are rows of the table below."
    return caption
