"""Which rows and columns of a table of numbers are used, and why others are not."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cch_omics.config import IngestConfig
from cch_omics.data.barcodes import read_id
from cch_omics.data.source import Matrix, TableNotes
from cch_omics.errors import InputError


class Part(NamedTuple):
    """What is used of a table: (n,) samples, sorted; (p,) features; (n, p) values; and notes on the rest."""

    samples: NDArray[np.str_]
    features: NDArray[np.str_]
    values: NDArray[np.float32]
    notes: TableNotes


def part_of(matrix: Matrix, *, by_patient: bool, settings: IngestConfig, every_feature: bool = False) -> Part:
    """Choose the rows, one per sample or patient, and the columns of a table, the first of each name.

    With `every_feature` no column is left out: the library size of counts is a sum over all of them.
    """
    missing = np.isnan(matrix.values)
    empty = np.asarray(missing.all(axis=1))
    chosen: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for position in np.argsort(matrix.ids, kind="stable").tolist():
        name = str(matrix.ids[position])
        said = read_id(name, settings.patient_pattern)
        if said.normal:
            left_out[name] = "normal tissue"
        elif empty[position]:
            left_out[name] = "no value"
        elif chosen.setdefault(said.patient if by_patient else said.sample, position) != position:
            # Barcodes sort primary tumours first, then first vials.
            left_out[name] = f"further aliquot of a {'patient' if by_patient else 'sample'}"
    if not chosen:
        counts = dict(Counter(left_out.values()))
        raise InputError(matrix.where, f"only rows left out ({counts})", "tumour samples", "Check the sample types.")
    samples = np.array(sorted(chosen), dtype=np.str_)
    rows = np.array([chosen[key] for key in samples.tolist()], dtype=np.int64)
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
    first = np.zeros(len(by_feature), dtype=bool)
    first[np.unique(matrix.features, return_index=True)[1]] = True
    used = (by_feature <= settings.max_missing_feature) & first
    columns = np.arange(len(used)) if every_feature else np.flatnonzero(used)
    hollow = int((first & (by_feature == 1)).sum())
    reasons = {
        "no value": hollow,
        f"more than {settings.max_missing_feature:.0%} missing": int(first.sum()) - len(columns) - hollow,
        "the name of an earlier feature": int((~first).sum()),
    }
    features_left_out = {} if every_feature else {why: count for why, count in reasons.items() if count}
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
    rows = rows[enough]
    if len(columns) < len(matrix.features):
        values = np.ascontiguousarray(matrix.values[np.ix_(rows, columns)])
    else:
        # Without a copy where that is all of the table in its order.
        values = matrix.values if np.array_equal(rows, np.arange(len(matrix.ids))) else matrix.values[rows]
    notes = TableNotes(matrix.where, len(matrix.ids), matrix.turned, left_out, features_left_out)
    return Part(samples[enough], matrix.features[columns], values, notes)
