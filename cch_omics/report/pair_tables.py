"""Tables of pairs of teacher and student: what was estimated, what was decided, what was gained."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.config import ReportConfig
from cch_omics.report.results import by_gap
from cch_omics.report.sentences import TERMS
from cch_omics.report.tables import Column, Row, Table, capped
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import difference, difference_heading, pair_names, probability, signed, unsigned

Cells = Mapping[Hashable, Any]


def information_table(information: pd.DataFrame, settings: ReportConfig) -> Table | None:
    """Every estimate of mutual information; None if there is none."""
    if information.empty:
        return None
    rows = [
        Row(
            (
                f"{row['teacher']} → {row['student']}",
                TERMS.get(row["quantity"], row["quantity"]),
                str(row["estimator"]),
                signed(row["estimate"], 3),
                unsigned(row["se"], 3),
                _range(row["ci_low"], row["ci_high"]),
                unsigned(row["n"], 0),
                unsigned(row["dim"], 0),
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


def evidence_table(verdicts: pd.DataFrame, metric: Metric, settings: ReportConfig) -> Table | None:
    """What stands behind each verdict, in numbers; None if there is no pair."""
    if verdicts.empty:
        return None
    table = by_gap(verdicts)
    rows = []
    for name, row in zip(pair_names(table), table.to_dict("records"), strict=True):
        cells = [name, _gain_with_error(row, metric), difference(metric, row["accuracy_difference"])]
        cells.append(_with_error(row["teacher_information"], row["teacher_information_se"]))
        for quantity in ("gap", "cross_check_gap"):
            at_zero, sd = row[f"{quantity}_at_zero"], row[f"{quantity}_simulated_sd"]
            cells += [_with_error(row[quantity], row[f"{quantity}_se"]), _with_error(at_zero, sd)]
        cells += [str(row["flags"]).replace(";", ", ").replace("_", " "), row["verdict"]]
        rows.append(Row(tuple(cells)))
    first, second = (table[column].iloc[0] for column in ("estimator", "cross_check_estimator"))
    columns = (
        Column("Teacher → student"),
        Column(f"Pilot's gain, {metric.unit}".rstrip(", "), number=True),
        Column(f"Teacher minus student, {metric.unit}".rstrip(", "), number=True),
        Column("Teacher's information, nats", number=True),
        Column(f"Gap, {first}", number=True),
        Column("It says at zero", number=True),
        Column(f"Gap, {second}", number=True),
        Column("It says at zero", number=True),
        Column("Remarks"),
        Column("Verdict", verdict=True),
    )
    caption = (
        f"What each verdict rests on, ± standard error. Pilot's gain and teacher minus student: {metric.title} on "
        "held-out patients of the inner folds. Teacher's information: how much better the teacher's held-out "
        "predictions are than none. Gap, in nats, by two estimators, and what each says in simulations whose gap is "
        "zero."
    )
    return capped(caption, columns, rows, settings, "evidence.tsv")


def pairs_table(pairs: pd.DataFrame, metric: Metric, settings: ReportConfig, *, where: bool = False) -> Table | None:
    """Gap and realised gain side by side; `where` adds cohort and target. None if there is no pair."""
    if pairs.empty:
        return None
    rows = []
    for number, (name, row) in enumerate(zip(pair_names(pairs), pairs.to_dict("records"), strict=True), start=1):
        rows.append(
            Row(
                (
                    str(number),
                    name + (f"\n{row['cohort']}, {row['target']}" if where else ""),
                    _with_error(row["gap"], row["gap_se"]),
                    {keys.DISTIL: "+", keys.DO_NOT_DISTIL: "−"}.get(row["cch_verdict"], "–"),
                    gain_cell(metric, row["gain"], row["ci_low"], row["ci_high"]),
                    row["verdict"],
                    gain_cell(metric, row["self_gain"], row["self_ci_low"], row["self_ci_high"]),
                    gain_cell(metric, row["shuffled_gain"], row["shuffled_ci_low"], row["shuffled_ci_high"]),
                    row["outcome"],
                    _gain_with_error(row, metric),
                    _short_probability(row["p_gain_positive"]),
                    _short_probability(row["p_gap_positive"]),
                )
            )
        )
    columns = [
        Column("No."),
        Column("Teacher → student"),
        Column("Gap, nats", number=True),
        Column("Sign of gap"),
        Column("Gain over alone", number=True),
        Column("Verdict", verdict=True),
        Column("Gain over self", number=True),
        Column("Gain over shuffled", number=True),
        Column("Outcome"),
        Column("Pilot's gain", number=True),
        Column(_unbroken("P(gain > 0)"), number=True),
        Column(_unbroken("P(gap > 0)"), number=True),
    ]
    caption = (
        "The sign of the gap (the paper's rule) and the realised gain side by side, with the verdict; ordered by gap. "
        f"Gap ± standard error in nats; gains in {difference_heading(metric)} with 95% intervals, the pilot's ± "
        "standard error."
    )
    return capped(caption, columns, rows, settings, "verdicts.tsv and gains.tsv")


def reasons_table(pairs: pd.DataFrame, settings: ReportConfig) -> Table:
    """Why each verdict was given."""
    rows = [
        Row((name, row["verdict"], row["reason"]))
        for name, row in zip(pair_names(pairs), pairs.to_dict("records"), strict=True)
    ]
    columns = (Column("Teacher → student"), Column("Verdict", verdict=True), Column("Reason", long=True))
    return capped("Reasons of the verdicts", columns, rows, settings, "verdicts.tsv")


def gain_cell(metric: Metric, mean: float, low: float, high: float) -> str:
    """A gain, and below it its interval if it has one."""
    text = difference(metric, mean)
    if not np.isfinite([mean, low, high]).all():
        return text
    return f"{text}\n{difference(metric, low)} to {difference(metric, high)}"


def _gain_with_error(row: Cells, metric: Metric) -> str:
    error = unsigned(metric.scale * row["pilot_gain_se"], metric.digits)
    return difference(metric, row["pilot_gain"]) + (f"\n± {error}" if np.isfinite(row["pilot_gain_se"]) else "")


def _with_error(estimate: float, se: float) -> str:
    return signed(estimate) + (f"\n± {se:.2f}" if np.isfinite(se) else "")


def _short_probability(value: object) -> str:
    text = probability(value)
    return "–" if text == "not estimated" else text


def _range(low: float, high: float) -> str:
    return f"{signed(low, 3)} to {signed(high, 3)}" if np.isfinite([low, high]).all() else "–"


def _unbroken(text: str) -> str:
    """Keep a heading on one line."""
    return text.replace(" ", "\u00a0")
