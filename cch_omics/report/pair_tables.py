"""Tables of pairs of teacher and student: what was estimated, what was decided, what was gained."""

import numpy as np
import pandas as pd

from cch_omics.report.sentences import TERMS
from cch_omics.report.tables import Column, Row, Table
from cch_omics.tasks.base import Metric
from cch_omics.vocabulary import (
    QUANTITIES,
    deciding,
    difference,
    difference_heading,
    pair_names,
    probability,
    signed,
    unsigned,
)


def information_table(information: pd.DataFrame) -> Table:
    """Every estimate of mutual information."""
    rows = [
        Row(
            (
                f"{row['teacher']} → {row['student']}",
                TERMS[row["quantity"]] + (", of the output" if row["of"] == "output" else ""),
                row["estimator"],
                signed(row["estimate"], 3),
                f"{signed(row['ci_low'], 3)} to {signed(row['ci_high'], 3)}",
                unsigned(row["n"], 0),
            )
        )
        for row in information.to_dict("records")
    ]
    columns = (
        Column("Pair"),
        Column("Quantity"),
        Column("Estimator"),
        Column("Estimate, nats", number=True),
        Column("95% interval", number=True),
        Column("Samples", number=True),
    )
    return Table(
        "Mutual information from held-out representations, and from outputs where it says so",
        columns,
        rows,
        "information.tsv",
    )


def pairs_table(pairs: pd.DataFrame, metric: Metric, rule: str, *, where: bool = False) -> Table:
    """Verdict, evidence and realised gain side by side; `where` adds cohort and target."""
    decided_by = [column for column in (deciding(rule),) if column not in ("", "gap")]
    rows = []
    for number, (name, row) in enumerate(zip(pair_names(pairs), pairs.to_dict("records"), strict=True), start=1):
        error = unsigned(metric.scale * row["pilot_gain_se"], metric.digits)
        rows.append(
            Row(
                (
                    str(number),
                    name + (f"\n{row['cohort']}, {row['target']}" if where else ""),
                    row["verdict"],
                    *(probability(row[column]).replace("not estimated", "–") for column in decided_by),
                    f"{difference(metric, row['pilot_gain'])}\n± {error}",
                    f"{signed(row['gap'])}\n± {unsigned(row['gap_se'], 2)}",
                    gain_cell(metric, row["gain"], row["ci_low"], row["ci_high"]),
                    gain_cell(metric, row["self_gain"], row["self_ci_low"], row["self_ci_high"]),
                    gain_cell(metric, row["shuffled_gain"], row["shuffled_ci_low"], row["shuffled_ci_high"]),
                    row["outcome"],
                )
            )
        )
    columns = (
        Column("No."),
        Column("Teacher → student"),
        Column("Verdict", verdict=True),
        # On one line.
        *(Column(QUANTITIES[column].replace(" ", "\u00a0"), number=True) for column in decided_by),
        Column("Pilot's gain", number=True),
        Column("Gap, nats", number=True),
        Column("Gain over alone", number=True),
        Column("Gain over self", number=True),
        Column("Gain over shuffled", number=True),
        Column("Outcome"),
    )
    caption = (
        f"What decided and what was gained, ordered by gap; gains in {difference_heading(metric)}. The pilot's gain "
        "and the gap, as estimated, ± standard error; the other gains on test patients, with 95% intervals."
    )
    return Table(caption, columns, rows, "verdicts.tsv and gains.tsv")


def reasons_table(pairs: pd.DataFrame) -> Table:
    """Why each verdict was given."""
    rows = [
        Row((name, row["verdict"], row["reason"]))
        for name, row in zip(pair_names(pairs), pairs.to_dict("records"), strict=True)
    ]
    columns = (Column("Teacher → student"), Column("Verdict", verdict=True), Column("Reason", long=True))
    return Table("Reasons of the verdicts", columns, rows, "verdicts.tsv")


def gain_cell(metric: Metric, mean: float, low: float, high: float) -> str:
    """A difference, and below it its interval if it has one."""
    text = difference(metric, mean)
    return (
        f"{text}\n{difference(metric, low)} to {difference(metric, high)}" if np.isfinite([low, high]).all() else text
    )
