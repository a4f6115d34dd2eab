"""The page of one cohort and target: what goes where, and no arithmetic beyond formatting."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cch_omics.config import ReportConfig
from cch_omics.report import figures, model_tables, pair_tables, sentences
from cch_omics.report.answers import answers
from cch_omics.report.audit import audit_tables, data_sources
from cch_omics.report.external import External, read_external
from cch_omics.report.render import render, write
from cch_omics.report.results import Results, read_results
from cch_omics.student.explain import read_features
from cch_omics.vocabulary import difference_heading


def write_report(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    settings: ReportConfig,
    *,
    configuration: Mapping[str, Any],
    validation: Path | None = None,
) -> None:
    """Write the page of one cohort and target.

    Parameters
    ----------
    folder
        `results/{cohort}/{target}`, with all tables of the earlier steps.
    output
        The page: one HTML file that needs nothing else. The same results make the same page.
    configuration
        The configuration used, to be shown; nothing is read from it.
    validation
        What was found on other patients: the JSON of `cch validation`, beside its tables.

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """
    results = read_results(Path(folder))
    external = read_external(validation, results.task) if validation else []
    students = Path(folder) / "students"
    learnt = {name: read_features(students / name) for name in results.students if (students / name).is_dir()}
    write(cohort_page(results, settings, configuration, external, learnt), Path(output))


def cohort_page(
    results: Results,
    settings: ReportConfig,
    configuration: Mapping[str, Any],
    external: Sequence[External] = (),
    learnt: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """Make the page of one cohort and target; `learnt` is what features weigh, by student."""
    given = answers(results)
    chosen = {answer.student: answer.model for answer in given}
    pairs, metric, task, audit = results.pairs, results.metric, results.task, results.audit
    return render(
        "cohort.html",
        settings,
        cohort=results.cohort,
        target=results.target,
        facts=sentences.facts(results),
        headline=sentences.headline(results, given),
        rule=sentences.rule_sentence(results.rule),
        left_out=[each["reason"] for each in audit["left_out"]],
        cards=given,
        metric=metric,
        gain_unit=difference_heading(metric),
        gap_matrix=figures.gap_matrix(results.verdicts),
        evidence_figure=figures.evidence(results.verdicts, metric),
        information_table=pair_tables.information_table(results.information),
        outcomes=sentences.outcome_sentences(pairs),
        gain_figure=figures.gap_against_gain(pairs, metric),
        pairs_table=pair_tables.pairs_table(pairs, metric, results.rule),
        reasons_table=pair_tables.reasons_table(pairs),
        scorecard_table=model_tables.scorecard_table(results.scorecard, metric),
        models_sentence=sentences.models_sentence(results, given),
        model_panels=figures.model_panels(results.performance, task, chosen),
        feature_panels=figures.feature_panels(learnt or {}),
        features_table=model_tables.features_table(learnt or {}),
        score_is=task.score_is,
        outcomes_of_students=figures.outcomes(results),
        comparisons_table=model_tables.comparisons_table(results, chosen),
        metrics_table=model_tables.metrics_table(results, chosen),
        external=external,
        audit_warnings=audit["warnings"],
        audit_tables=audit_tables(audit),
        folds=audit["folds"],
        n_splits=int(results.performance["n_splits"].max()),
        estimators=sentences.estimators(results.information),
        baselines=sentences.listed([baseline.title for baseline in task.baselines.values()]),
        transforms=task.transforms,
        sources=data_sources(audit),
        configuration=json.dumps(configuration, indent=2, ensure_ascii=False),
    )
