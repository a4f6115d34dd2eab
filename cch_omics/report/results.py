"""The results folder of one cohort and target, read into plain tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.errors import InputError
from cch_omics.evaluation import corrected_interval
from cch_omics.io.files import read_json, read_table
from cch_omics.predictions import Encoding
from cch_omics.splits import Splits

# The metric that gains and verdicts are judged by.
METRIC = "balanced_accuracy"
MODEL_COLUMNS = ("modality", "model", "metric", "mean", "ci_low", "ci_high")
SUMMARY_COLUMNS = ("teacher", "student", "control", "metric", "gain", "ci_low", "ci_high", "n_splits")
NAMES = (
    "cohort",
    "target",
    "teacher",
    "student",
    "modality",
    "model",
    "reference",
    "criterion",
    "estimator",
    "metric",
    "cch_verdict",
    "verdict",
    "reason",
)


@dataclass(frozen=True)
class Results:
    """What the page is made of.

    Attributes
    ----------
    verdicts, teachers, information, scorecard
        As in `keys`.
    summary
        Mean gain of each pair over each control, by metric, with its 95% interval.
    performance
        Mean of each model of each modality, by metric, with its 95% interval.
    deficits
        `modality`, `model`, `reference`, `mean`, `ci_low`, `ci_high`: `METRIC` of a neural student minus that of a
        reference model on the same test patients.
    audit
        `audit.json`.
    """

    cohort: str
    target: str
    verdicts: pd.DataFrame
    teachers: pd.DataFrame
    information: pd.DataFrame
    scorecard: pd.DataFrame
    summary: pd.DataFrame
    performance: pd.DataFrame
    deficits: pd.DataFrame
    audit: Mapping[str, Any]

    @property
    def modalities(self) -> list[str]:
        """Names, in the order of teachers.tsv, which has one row per modality."""
        return list(dict.fromkeys([*self.teachers["student"], *self.performance["modality"]]))

    @property
    def pairs(self) -> pd.DataFrame:
        """Verdicts with the realised gain.

        Columns `gain`, `ci_low`, `ci_high` are of the gain over training alone, with `self_` and `shuffled_` in front
        of that over those controls.
        """
        table = self.verdicts
        chosen = self.summary[self.summary["metric"] == METRIC]
        for control, prefix in zip(keys.CONTROLS, ("", "self_", "shuffled_"), strict=True):
            part = chosen.loc[chosen["control"] == control, ["teacher", "student", "gain", "ci_low", "ci_high"]]
            part = part.rename(columns={name: prefix + name for name in ("gain", "ci_low", "ci_high")})
            table = table.merge(part, on=["teacher", "student"], how="left", validate="one_to_one")
        return table.assign(outcome=outcome(table["ci_low"], table["ci_high"], table["self_ci_low"]))


@dataclass(frozen=True)
class View:
    """A representation in two dimensions.

    Attributes
    ----------
    points
        (n, 2) principal components.
    labels
        (n,) class, -1 where missing.
    usable
        (n,) whether the label was within the label budget.
    """

    modality: str
    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    usable: NDArray[np.bool_]


def outcome(ci_low: "pd.Series[float]", ci_high: "pd.Series[float]", self_low: "pd.Series[float]") -> NDArray[np.str_]:
    """Say what happened to each pair.

    "harmed" if the interval of the gain over training alone lies below 0, else "gained" if that of the gain over the
    self control lies above 0, else "no clear difference"; "not measured" without an interval.
    """
    measured = np.isfinite(ci_low.to_numpy(float)) & np.isfinite(ci_high.to_numpy(float))
    return np.select(
        [~measured, ci_high.to_numpy(float) < 0, self_low.to_numpy(float) > 0],
        ["not measured", "harmed", "gained"],
        "no clear difference",
    )


def read_results(folder: Path) -> Results:
    """Read `results/{cohort}/{target}`.

    Raises
    ------
    InputError
        If a file that the page is made of is missing, or lacks a column.
    """
    gains = _table(folder / "gains.tsv", keys.GAIN_COLUMNS)
    references = _table(folder / "references.tsv", keys.REFERENCE_COLUMNS)
    return Results(
        # The folder is where a reader looks them up.
        cohort=folder.resolve().parent.name,
        target=folder.resolve().name,
        verdicts=_table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS),
        teachers=_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS),
        information=_table(folder / "information.tsv", keys.INFORMATION_COLUMNS),
        scorecard=_table(folder / "scorecard.tsv", keys.SCORECARD_COLUMNS),
        summary=_table(folder / "intermediate" / "summary.parquet", SUMMARY_COLUMNS),
        performance=_table(folder / "intermediate" / "performance.parquet", MODEL_COLUMNS),
        deficits=deficits(gains, references),
        audit=read_json(folder / "audit.json"),
    )


def deficits(gains: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Compare each neural student with each reference model on the test patients of the same splits.

    Returns
    -------
    DataFrame
        `Results.deficits`.
    """
    gains = gains[(gains["metric"] == METRIC) & (gains["control"] == "none")]
    where = ["repeat", "fold"]
    alone = gains.assign(model="alone", value=gains["baseline"])
    distilled = gains.assign(model="distilled:" + gains["teacher"].astype(str), value=gains["distilled"])
    models = pd.concat([alone, distilled]).drop_duplicates(["student", "model", *where])
    both = models.merge(
        references[references["metric"] == METRIC],
        left_on=["student", *where],
        right_on=["modality", *where],
        suffixes=("", "_reference"),
    )
    rows = []
    for (modality, model, reference), part in both.groupby(["modality", "model", "reference"], sort=True):
        interval = corrected_interval((part["value"] - part["value_reference"]).to_numpy(), part["fold"].nunique())
        rows.append((modality, model, reference, *interval))
    return pd.DataFrame(rows, columns=["modality", "model", "reference", "mean", "ci_low", "ci_high"])


def held_out_view(cohort: Cohort, splits: Splits, encoding: Encoding, modality: str) -> View:
    """First two principal components of one inner fold of the whole split.

    One inner fold, because encoders of different folds have unaligned axes, and cannot be drawn together.
    """
    from sklearn.decomposition import PCA

    whole = splits.whole
    rows = np.flatnonzero((splits.inner[whole] == 0) & cohort.profiled(modality))
    values = encoding.representation[whole, rows].astype(np.float64)
    rows, values = rows[np.isfinite(values).all(1)], values[np.isfinite(values).all(1)]
    points = np.zeros((len(rows), 2))
    n_components = min(2, *values.shape)
    if n_components and len(rows) > 1:
        points[:, :n_components] = PCA(n_components, svd_solver="full").fit_transform(values)
    return View(modality, points, cohort.labels[rows], splits.labelled[whole, rows])


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if path.suffix == ".parquet":
        if not path.is_file():
            raise InputError(
                str(path), "no such file", "a file that an earlier step wrote", "Run `cch evaluate` first."
            )
        table = pd.read_parquet(path)
    else:
        table = read_table(path)
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(
            str(path), f"no column {', '.join(missing)}", f"the columns {', '.join(columns)}", "Run the step again."
        )
    # A column of names that happen to be numbers, or of nothing at all, is still one of names.
    names = [name for name in NAMES if name in table]
    return table.assign(**{name: table[name].fillna("").astype(str) for name in names})
