"""Which rows and columns of a table of numbers are used, and why others are not."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cch_omics.config import IngestConfig
from cch_omics.data import barcodes
from cch_omics.data.source import Matrix
from cch_omics.errors import InputError


@dataclass(frozen=True)
class Part:
    """What is used of a table.

    Attributes
    ----------
    keys, rows
        Samples, sorted, and their rows in the table.
    columns
        Positions of the features that are kept.
    left_out
        Reasons by id of a row.
    features_left_out
        Features by reason.
    """

    keys: NDArray[np.str_]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    left_out: dict[str, str]
    features_left_out: dict[str, int]


def part_of(matrix: Matrix, level: barcodes.Level, scheme: barcodes.Scheme, settings: IngestConfig) -> Part:
    """Choose the rows and the columns of a table."""
    missing = np.isnan(matrix.values)
    empty = np.asarray(missing.all(axis=1))
    if empty.all():
        raise InputError(matrix.where, "no value at all", "numbers", "Remove the table, or write it again.")
    chosen: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for position in np.argsort(matrix.ids, kind="stable").tolist():
        name = str(matrix.ids[position])
        if scheme.is_normal(name):
            left_out[name] = "normal tissue"
        elif empty[position]:
            left_out[name] = "no value"
        elif chosen.setdefault(scheme.key(name, level), position) != position:
            # Barcodes sort primary tumours first, then first vials.
            left_out[name] = f"further aliquot of a {level}"
    if not chosen:
        counts = dict(Counter(left_out.values()))
        raise InputError(matrix.where, f"only rows left out ({counts})", "tumour samples", "Check the sample types.")
    keys = np.array(sorted(chosen), dtype=np.str_)
    rows = np.array([chosen[key] for key in keys.tolist()], dtype=np.int64)
    if len(rows) < len(missing):
        missing = missing[rows]
    by_feature = missing.mean(axis=0)
    if by_feature.mean() > settings.max_missing_modality:
        raise InputError(
            matrix.where,
            f"{by_feature.mean():.0%} of the values missing",
            f"at most {settings.max_missing_modality:.0%} (config key ingest.max_missing_modality)",
            "Remove the table, impute it with its own tools, or allow more.",
        )
    columns = np.flatnonzero(by_feature <= settings.max_missing_feature)
    hollow = int((by_feature == 1).sum())
    sparse = len(by_feature) - len(columns) - hollow
    limit = f"more than {settings.max_missing_feature:.0%} missing"
    features_left_out = {why: count for why, count in (("no value", hollow), (limit, sparse)) if count}
    if not len(columns):
        raise InputError(
            matrix.where,
            f"no feature that is left ({features_left_out})",
            f"features with at most {settings.max_missing_feature:.0%} missing (config key ingest.max_missing_feature)",
            "Remove the table, or allow more.",
        )
    by_sample = missing.sum(axis=1) if len(columns) == len(by_feature) else missing[:, columns].sum(axis=1)
    enough = by_sample <= settings.max_missing_sample * len(columns)
    for position in rows[~enough].tolist():
        left_out[str(matrix.ids[position])] = f"more than {settings.max_missing_sample:.0%} missing"
    if not enough.any():
        raise InputError(
            matrix.where,
            f"no sample with at most {settings.max_missing_sample:.0%} missing",
            "samples with values (config key ingest.max_missing_sample)",
            "Remove the table, or allow more.",
        )
    return Part(keys[enough], rows[enough], columns, left_out, features_left_out)


def selected(values: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows and columns of a table, without a copy where that is all of it in its order."""
    if len(columns) < values.shape[1]:
        return np.ascontiguousarray(values[np.ix_(rows, columns)])
    return values if np.array_equal(rows, np.arange(len(values))) else values[rows]
