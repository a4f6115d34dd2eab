"""The two pages: what goes where, and no arithmetic beyond formatting."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

import cch_omics
from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import ReportConfig
from cch_omics.io.files import atomic
from cch_omics.plotting import VERDICT_SYMBOLS, VERDICT_WORDS, legend_marks, order_models, signed
from cch_omics.report import figures, words
from cch_omics.report.audit import audit_tables, audit_warnings, data_sources
from cch_omics.report.results import METRIC, Results, View, held_out_view, read_results
from cch_omics.report.tables import Column, Row, Table, capped
from cch_omics.report.words import Answer, LabelCounts
from cch_omics.splits import Splits

# What the templates get as finished SVG.
FIGURES = ("gap_matrix", "evidence_figure", "gain_figure")
PACKAGES = (
    "cch_omics",
    "numpy",
    "scipy",
    "torch",
    "scikit-learn",
    "pandas",
    "anndata",
    "mudata",
    "scanpy",
    "matplotlib",
)


@dataclass(frozen=True)
class Material:
    """What the page shows of the cohort itself.

    Attributes
    ----------
    classes
        Class names.
    counts
        Labels, by modality.
    views
        Representations in two dimensions.
    facts
        Sentence under the heading.
    design
        Sentence on splits and folds.
    """

    classes: tuple[str, ...] = ()
    counts: Mapping[str, LabelCounts] = field(default_factory=dict)
    views: Sequence[View] = ()
    facts: str = ""
    design: str = ""


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
    folder = Path(folder)
    results = read_results(folder)
    page = cohort_page(
        results, read_material(folder, results), settings or ReportConfig(), configuration=configuration, date=date
    )
    _write(page, Path(output))


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
    every = []
    for folder in map(Path, folders):
        results = read_results(folder)
        page = folder / "report.html"
        link = Path(os.path.relpath(page, output.parent)).as_posix() if page.is_file() else ""
        every.append((results, read_material(folder, results, views=False), link))
    pooled = pooled_page(every, settings or ReportConfig(), scorecard=scorecard, unfinished=unfinished, date=date)
    _write(pooled, output)


def read_material(folder: Path, results: Results, *, views: bool = True) -> Material:
    """Read the cohort, its splits and its representations."""
    from cch_omics.io import read_cohort
    from cch_omics.predictions import load_encoding
    from cch_omics.splits import load_splits

    files = folder / "intermediate"
    cohort, splits = read_cohort(files / "cohort.h5mu"), load_splits(files / "splits.npz")
    shown = [
        held_out_view(cohort, splits, load_encoding(files / "encodings" / f"{name}.npz"), name)
        for name in (results.modalities if views else ())
    ]
    return describe(cohort, splits, shown)


def describe(cohort: Cohort, splits: Splits, views: Sequence[View] = ()) -> Material:
    """Count labels, and say in words what the cohort and its splits are."""
    usable = splits.labelled[splits.whole]
    counts = {}
    for name in cohort.modalities:
        profiled = cohort.profiled(name)
        known = np.bincount(cohort.labels[profiled & cohort.labelled], minlength=len(cohort.classes))
        used = np.bincount(cohort.labels[profiled & cohort.labelled & usable], minlength=len(cohort.classes))
        counts[name] = LabelCounts(cohort.classes, tuple(used.tolist()), tuple(known.tolist()), int(profiled.sum()))
    patients, samples = len(np.unique(cohort.groups)), len(cohort.samples)
    facts = f"{patients} patients"
    if samples != patients:
        facts += f" ({samples} samples)"
    facts += f", {len(cohort.modalities)} omics, {len(cohort.classes)} classes, "
    facts += f"{cohort.labelled.sum()} labelled samples"
    if cohort.label_budget < 1:
        share = f"{100 * cohort.label_budget:.0f}%"
        facts += f"; training may use {share} of the labels, so that the others stand in for unlabelled patients"
    folds, repeats = int(splits.fold.max()) + 1, int(splits.repeat.max()) + 1
    design = f"{folds} outer folds, drawn {repeats} times, and {splits.n_inner} inner folds in each training set."
    return Material(cohort.classes, counts, views, facts + ".", design)


def cohort_page(
    results: Results,
    material: Material,
    settings: ReportConfig,
    *,
    configuration: Mapping[str, Any] | None = None,
    date: str = "",
) -> str:
    """Make the page of one cohort and target."""
    given = words.answers(results, material.counts)
    pairs = results.pairs.sort_values("gap", ascending=False, kind="stable", na_position="last").reset_index(drop=True)
    chosen = {answer.student: answer.model for answer in given}
    return _render(
        "cohort.html",
        settings,
        date,
        cohort=results.cohort,
        target=results.target,
        facts=material.facts,
        headline=words.headline(given),
        warnings=words.cohort_warnings(results, material.counts),
        cards=given,
        gap_matrix=figures.gap_matrix(results.verdicts),
        evidence_figure=figures.gap_evidence(results.verdicts),
        evidence_table=_evidence_table(results.verdicts, settings) if len(results.verdicts) else None,
        information_table=_information_table(results.information, settings),
        outcome_sentence=words.outcome_sentence(pairs),
        gain_figure=figures.gap_against_gain(pairs) if len(pairs) else "",
        gain_caption=_gain_caption(pairs),
        pairs_table=_pairs_table(pairs, settings) if len(pairs) else None,
        reasons_table=_reasons_table(pairs, settings),
        scorecard_table=_scorecard_table(results.scorecard, settings, name=False),
        models_sentence=words.models_sentence(results, chosen),
        losing=words.losing(results, chosen),
        model_panels=figures.model_panels(results.performance, results.modalities, chosen),
        deficit_table=_deficit_table(results.deficits, chosen, settings),
        metrics_table=_metrics_table(results.performance, results.modalities, chosen, settings),
        view_panels=figures.view_panels(material.views, material.classes),
        class_marks=legend_marks(material.classes),
        any_unlabelled=any((view.labels < 0).any() for view in material.views),
        any_hidden=any(((view.labels >= 0) & ~view.usable).any() for view in material.views),
        audit_warnings=audit_warnings(results.audit),
        audit_tables=audit_tables(results.audit, settings),
        audit_rest=json.dumps(results.audit, indent=2, ensure_ascii=False) if results.audit else "",
        design=material.design,
        estimators=words.estimators(results.information),
        sources=data_sources(results.audit),
        configuration=json.dumps(configuration, indent=2, ensure_ascii=False) if configuration else "",
        versions_table=_versions_table(),
    )


def pooled_page(
    every: Sequence[tuple[Results, Material, str]],
    settings: ReportConfig,
    *,
    scorecard: pd.DataFrame | None = None,
    unfinished: Sequence[str] = (),
    date: str = "",
) -> str:
    """Make the page of all cohorts and targets; each comes with the link to its own page, or ""."""
    given = [(results, words.answers(results, material.counts), link) for results, material, link in every]
    pairs = pd.concat([results.pairs.assign(cohort=results.cohort, target=results.target) for results, _, _ in every])
    pairs = pairs.sort_values("gap", ascending=False, kind="stable", na_position="last").reset_index(drop=True)
    scores = scorecard if scorecard is not None else pd.concat([results.scorecard for results, _, _ in every])
    n_students = sum(len(answers) for _, answers, _ in given)
    # A row that sums up others is shown in the table, and is not one of the points.
    single = scores[scores["cohort"].isin([results.cohort for results, _, _ in every])]
    return _render(
        "pooled.html",
        settings,
        date,
        unfinished=unfinished,
        facts=f"{len(every)} cohorts and targets, {n_students} students, {len(pairs)} pairs of teacher and student.",
        headlines=[
            {"name": f"{results.cohort}, {results.target}", "text": words.headline(answers)}
            for results, answers, _ in given
        ],
        answers_table=_answers_table(given, settings),
        outcome_sentence=words.outcome_sentence(pairs),
        gain_figure=figures.gap_against_gain(pairs) if len(pairs) else "",
        gain_caption=_gain_caption(pairs),
        outcome_table=_outcome_table(pairs),
        pairs_table=_pairs_table(pairs, settings, where=True),
        score_panels=figures.score_panels(single) if len(single) else [],
        scorecard_table=_scorecard_table(scores, settings, name=True),
        versions_table=_versions_table(),
    )


def _information_table(information: pd.DataFrame, settings: ReportConfig) -> Table | None:
    if information.empty:
        return None
    meaning = {"teacher_student": "I(T;S)", "student_label": "I(S;Y)", "teacher_label": "I(T;Y)"}
    rows = [
        Row(
            (
                f"{row['teacher']} → {row['student']}",
                meaning.get(row["quantity"], row["quantity"]),
                str(row["estimator"]),
                signed(row["estimate"], 3),
                _number(row["se"], 3),
                _range(row["ci_low"], row["ci_high"], 3),
                _number(row["n"], 0),
                _number(row["dim"], 0),
            )
        )
        for row in information.to_dict("records")
    ]
    columns = (
        Column("Pair"),
        Column("Quantity"),
        Column("Estimator"),
        Column("Estimate, nats", number=True),
        Column("SE", number=True),
        Column("95% interval", number=True),
        Column("Samples", number=True),
        Column("Dimensions", number=True),
    )
    return capped("Mutual information from held-out representations", columns, rows, settings, "information.tsv")


def _with_error(estimate: float, se: float) -> str:
    return signed(estimate) + (f"\n± {se:.2f}" if np.isfinite(se) else "")


def _evidence_table(verdicts: pd.DataFrame, settings: ReportConfig) -> Table:
    rows = []
    for row in verdicts.sort_values("gap", ascending=False, kind="stable", na_position="last").to_dict("records"):
        cells = [f"{row['teacher']} → {row['student']}"]
        for quantity, p in (("gap", "p_gap_positive"), ("cross_check_gap", "cross_check_p_gap_positive")):
            cells += [
                _with_error(row[quantity], row[f"{quantity}_se"]),
                signed(row[f"{quantity}_at_zero"]),
                words.probability(row[p], short=True),
            ]
        cells += [
            _range(row["bracket_low"], row["bracket_high"], 2),
            signed(row["twin_bias"]),
            _percent(row["twin_coverage"]),
            _percent(row["twin_sign_errors"]),
            str(row["flags"] or "").replace(";", ", ").replace("_", " "),
            row["verdict"],
        ]
        rows.append(Row(tuple(cells)))
    first, second = ("" if verdicts.empty else verdicts[c].iloc[0] for c in ("estimator", "cross_check_estimator"))
    columns = (
        Column("Teacher → student"),
        Column(f"Gap, {first}", number=True),
        Column("It says at zero", number=True),
        Column("P(gap > 0)", number=True),
        Column(f"Gap, {second}", number=True),
        Column("It says at zero", number=True),
        Column("P(gap > 0)", number=True),
        Column("Bracket", number=True),
        Column("Twins: bias", number=True),
        Column("Twins: 95% interval covers", number=True),
        Column("Twins: sign wrong", number=True),
        Column("Remarks"),
        Column("Our verdict", verdict=True),
    )
    return capped(
        "Two estimators of the gap in nats, ± standard error; what each says on simulated twins of the cohort whose "
        "gap is zero; the bracket of a class-conditional model; bias, coverage and wrong signs of the first estimator "
        "on the twins.",
        columns,
        rows,
        settings,
        "verdicts.tsv",
    )


def _pairs_table(pairs: pd.DataFrame, settings: ReportConfig, *, where: bool = False) -> Table:
    rows = []
    for number, row in enumerate(pairs.to_dict("records"), start=1):
        cells = [
            str(number),
            f"{row['teacher']} → {row['student']}",
            _with_error(row["gap"], row["gap_se"]),
            {keys.DISTIL: "+", keys.DO_NOT_DISTIL: "−"}.get(row["cch_verdict"], "–"),
            _gain(row["gain"], row["ci_low"], row["ci_high"]),
            row["verdict"],
            _gain(row["self_gain"], row["self_ci_low"], row["self_ci_high"]),
            _gain(row["shuffled_gain"], row["shuffled_ci_low"], row["shuffled_ci_high"]),
            row["outcome"],
            signed(row["log_loss_benefit"]),
            signed(100 * row["pilot_gain"], 1),
            words.probability(row["p_gain_positive"], short=True),
            words.probability(row["p_gap_positive"], short=True),
        ]
        if where:
            cells[1] += f"\n{row['cohort']}, {row['target']}"
        rows.append(Row(tuple(cells)))
    columns = [
        Column("No."),
        Column("Teacher → student"),
        Column("Gap, nats", number=True),
        Column("Sign of gap"),
        Column("Gain over alone", number=True),
        Column("Our verdict", verdict=True),
        Column("Gain over self", number=True),
        Column("Gain over shuffled", number=True),
        Column("Outcome"),
        Column("Benefit, nats", number=True),
        Column("Pilot, points", number=True),
        Column("P(gain > 0)", number=True),
        Column("P(gap > 0)", number=True),
    ]
    return capped(
        "Sign of the gap (the paper's plain rule) and realised gain side by side, with our verdict; ordered by gap. "
        "Gap ± standard error; gains in points of balanced accuracy with 95% intervals.",
        columns,
        rows,
        settings,
        "verdicts.tsv and gains.tsv",
    )


def _reasons_table(pairs: pd.DataFrame, settings: ReportConfig) -> Table:
    rows = [
        Row((f"{row['teacher']} → {row['student']}", row["verdict"], row["reason"])) for row in pairs.to_dict("records")
    ]
    columns = (Column("Teacher → student"), Column("Our verdict", verdict=True), Column("Reason", long=True))
    return capped("Reasons of the verdicts", columns, rows, settings, "verdicts.tsv")


def _gain_caption(pairs: pd.DataFrame) -> str:
    caption = (
        "One point per ordered pair, both with 95% intervals. The gap is that of all patients, the gain the mean "
        "over outer test folds, in points of balanced accuracy. If the plain rule held, all points would lie lower "
        "left or upper right."
    )
    if figures.MAX_NAMED < len(pairs) <= figures.MAX_NUMBERED:
        caption += " Numbers are rows of the table below."
    return caption


def _scorecard_table(scorecard: pd.DataFrame, settings: ReportConfig, *, name: bool) -> Table | None:
    if scorecard.empty:
        return None
    rows = []
    for row in scorecard.to_dict("records"):
        cells = [
            str(row["criterion"]),
            _number(row["n_pairs"], 0),
            _number(row["n_harmed"], 0),
            _number(row["n_gained"], 0),
            _number(row["auroc_harmed"], 2),
            _number(row["auroc_gained"], 2),
            signed(row["spearman"]),
            _percent(row["sign_accuracy"]),
            _percent(row["abstention"]),
            _number(100 * row["regret"], 1),
        ]
        rows.append(Row((f"{row['cohort']}, {row['target']}", *cells) if name else tuple(cells)))
    columns = [
        Column("Criterion"),
        Column("Pairs", number=True),
        Column("Harmed", number=True),
        Column("Gained", number=True),
        Column("AUROC, harmed", number=True),
        Column("AUROC, gained", number=True),
        Column("Spearman", number=True),
        Column("Sign right", number=True),
        Column("Abstained", number=True),
        Column("Regret, points", number=True),
    ]
    if name:
        columns.insert(0, Column("Cohort, target"))
    return capped(
        "AUROC 0.5 and Spearman 0 know nothing; regret is what the chosen teacher gained less than the best one.",
        columns,
        rows,
        settings,
        "scorecard.tsv",
    )


def _deficit_table(deficits: pd.DataFrame, chosen: Mapping[str, str], settings: ReportConfig) -> Table | None:
    rows = []
    order = {student: place for place, student in enumerate(chosen)}
    for row in sorted(deficits.to_dict("records"), key=lambda row: order.get(row["modality"], len(order))):
        mine = chosen.get(row["modality"]) == row["model"]
        if mine or row["model"] == "alone":
            reading = "behind" if row["ci_high"] < 0 else "ahead" if row["ci_low"] > 0 else "no clear difference"
            cells = (
                row["modality"],
                words.model_words(row["model"]) + (" (recommended)" if mine else ""),
                words.REFERENCE_NAMES.get(row["reference"], row["reference"]),
                _gain(row["mean"], row["ci_low"], row["ci_high"]),
                reading,
            )
            rows.append(Row(cells, chosen=mine))
    if not rows:
        return None
    columns = (
        Column("Student"),
        Column("Neural model"),
        Column("Reference model"),
        Column("Difference, points", number=True),
        Column("The neural model is"),
    )
    caption = (
        "Balanced accuracy of the neural student minus that of the reference model on the same test patients, with 95% "
        "interval; shaded: recommended."
    )
    return capped(caption, columns, rows, settings, "gains.tsv and references.tsv")


def _metrics_table(
    performance: pd.DataFrame, modalities: Sequence[str], chosen: Mapping[str, str], settings: ReportConfig
) -> Table:
    metrics = [name for name in words.METRIC_NAMES if name in set(performance["metric"])]
    metrics += sorted(set(performance["metric"]) - set(metrics))
    values = {(row["modality"], row["model"], row["metric"]): row for row in performance.to_dict("records")}
    rows = []
    for modality in modalities:
        models = order_models(performance[(performance["modality"] == modality) & (performance["metric"] == METRIC)])
        rows.append(Row(group=modality))
        for model in models["model"]:
            cells = [words.model_words(model)]
            for metric in metrics:
                row = values.get((modality, model, metric))
                scale, digits = (100, 1) if metric in words.PERCENT else (1, 3)
                cells.append(
                    "–"
                    if row is None or not np.isfinite(row["mean"])
                    else f"{scale * row['mean']:.{digits}f}"
                    + (
                        f" ({scale * row['ci_low']:.{digits}f}–{scale * row['ci_high']:.{digits}f})"
                        if metric == METRIC
                        else ""
                    )
                )
            rows.append(Row(tuple(cells), chosen=chosen.get(modality) == model))
    columns = [Column("Model"), *(Column(words.METRIC_NAMES.get(name, name), number=True) for name in metrics)]
    caption = (
        "Means over outer test folds; balanced accuracy with its 95% interval; shaded: the model that the verdict "
        "recommends. Lower is better for log-loss and calibration error."
    )
    return capped(caption, columns, rows, settings, "performance.parquet")


def _answers_table(given: Sequence[tuple[Results, list[Answer], str]], settings: ReportConfig) -> Table:
    rows = []
    for results, answers, link in given:
        for answer in answers:
            gains = (
                [f"{gain.mean}\n{gain.interval}".strip() for gain in answer.realised.gains]
                if answer.realised
                else ["–", "–"]
            )
            rows.append(
                Row(
                    (
                        f"{results.cohort}, {results.target}",
                        answer.student,
                        answer.verdict,
                        answer.teacher or "–",
                        answer.candidate or "–",
                        *gains,
                        "; ".join(caveat.short for caveat in answer.caveats),
                        link,
                    )
                )
            )
    columns = (
        Column("Cohort, target"),
        Column("Student"),
        Column("Verdict", verdict=True),
        Column("Teacher"),
        Column("Gains are from"),
        Column("Gain over alone", number=True),
        Column("Gain over self", number=True),
        Column("Before you act on it", long=True),
        Column("Page", link=True),
    )
    caption = (
        "One row per student. Where no teacher is advised, the gains are those of the nearest candidate, had it been "
        "used all the same. Points of balanced accuracy on test patients."
    )
    return capped(caption, columns, rows, settings, "teachers.tsv")


def _outcome_table(pairs: pd.DataFrame) -> Table:
    outcomes = ("harmed", "no clear difference", "gained", "not measured")
    rows = []
    for verdict in keys.VERDICTS:
        part = pairs[pairs["verdict"] == verdict]
        counts = [int((part["outcome"] == outcome).sum()) for outcome in outcomes]
        rows.append(Row((f"{VERDICT_SYMBOLS[verdict]} {VERDICT_WORDS[verdict]}", *map(str, counts))))
    columns = (Column("Verdict"), *(Column(outcome.capitalize(), number=True) for outcome in outcomes))
    return Table("Pairs by verdict and realised outcome", columns, tuple(rows))


def _versions_table() -> Table:
    rows = [Row(("Python", platform.python_version()))]
    for package in PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = cch_omics.__version__ if package == "cch_omics" else "not installed"
        rows.append(Row((package, version)))
    return Table("Versions with which this page was written", (Column("Package"), Column("Version")), tuple(rows))


def _gain(mean: float, low: float, high: float) -> str:
    if not np.isfinite(mean):
        return "–"
    text = signed(100 * mean, 1)
    return f"{text}\n{signed(100 * low, 1)} to {signed(100 * high, 1)}" if np.isfinite([low, high]).all() else text


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if np.isfinite(value) else "–"


def _range(low: float, high: float, digits: int) -> str:
    return f"{signed(low, digits)} to {signed(high, digits)}" if np.isfinite([low, high]).all() else "–"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cch_omics.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, settings: ReportConfig, date: str, **content: Any) -> str:
    from markupsafe import Markup

    environment = _environment()
    css = environment.get_template("style.css").render()
    # matplotlib has escaped what it wrote into the figures.
    trusted: dict[str, Any] = {name: Markup(content[name]) for name in FIGURES if name in content}
    panels = {
        name: [figures.Panel(panel.name, Markup(panel.svg), panel.caption) for panel in content[name]]
        for name in ("model_panels", "view_panels", "score_panels")
        if name in content
    }
    return environment.get_template(template).render(
        title=settings.title,
        css=Markup(css),
        date=date,
        version=cch_omics.__version__,
        symbols=VERDICT_SYMBOLS,
        verdict_words=VERDICT_WORDS,
        **(content | trusted | panels),
    )


def _write(page: str, output: Path) -> None:
    with atomic(output) as draft:
        draft.write_text(page, encoding="utf-8")
