"""Predictions from a student: on a table of its omics, whatever order, further features and gaps the table has."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cch_omics.data.tables import read_matrix
from cch_omics.errors import InputError, repeated, some
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import is_formula, table_text
from cch_omics.student.bundle import ABOUT_FILE, Student, read_student
from cch_omics.tasks.missing import missing_code

logger = logging.getLogger(__name__)

# A table with a smaller share of the student's features is refused, and a sample with a smaller share of them measured
# is left without a prediction: what is filled in would outweigh what was measured.
MIN_COVERAGE = 0.5
# Standard deviations of the training data by which half of the features may lie off on average before a warning. A
# single sample like the training ones has about 0.7, a table on another scale (counts for logs, say) usually far more
# than 2.
LARGE_SHIFT = 2.0
_SEPARATORS = {".tsv": "\t", ".csv": ","}


def predict(
    student: Student,
    ids: Sequence[str] | NDArray[np.str_],
    features: Sequence[str] | NDArray[np.str_],
    values: ArrayLike,
    *,
    where: str = "the table",
) -> pd.DataFrame:
    """Predict the target of samples from one omics.

    Features are matched by name: their order does not matter, further ones are ignored, and a missing one (or a missing
    value) is filled in from the training data. A warning is logged when the values look to be on another scale than the
    training data: when the table's feature means lie more than `LARGE_SHIFT` training standard deviations off (median
    over features).

    Parameters
    ----------
    ids
        (n,) sample ids, unique.
    features
        (q,) feature names, unique.
    values
        (n, q) numbers, NaN where missing, on the scale of the training table.
    where
        What to call the table in messages.

    Returns
    -------
    One row per sample, in the order given: `sample`; the columns of `Task.predictions`, `prediction` among them;
    `feature_coverage`, the share of the student's features measured in the sample. A sample whose coverage is below
    `MIN_COVERAGE` keeps its row, without a prediction.

    Raises
    ------
    InputError
        If the table has too few of the student's features, names something twice, or has an infinite value or a number
        that stands for a missing one.
    """
    sample_ids, names = [str(name) for name in ids], [str(name) for name in features]
    aligned = align(student, sample_ids, names, _numbers(values, sample_ids, names, where), where)
    coverage = (~np.isnan(aligned)).mean(axis=1)
    covered = coverage >= MIN_COVERAGE
    if not covered.all():
        logger.warning(
            "%s: %d of %d samples have fewer than %.0f%% of the student's features measured and get no prediction.",
            where,
            np.count_nonzero(~covered),
            len(covered),
            100 * MIN_COVERAGE,
        )
    shift = _scale_shift(student, aligned[covered])
    if shift > LARGE_SHIFT:
        logger.warning(
            "%s: the values look to be on another scale than the training data: half of the features lie more than "
            "%.1f training standard deviations off. Check their unit, log transform and normalisation; predictions "
            "are unreliable.",
            where,
            shift,
        )
    frame = student.task.predictions(outputs_of(student, aligned, where), student.decision)
    frame = frame.where(pd.Series(covered), axis=0)
    frame.insert(0, "sample", sample_ids)
    return frame.assign(feature_coverage=coverage)


def predict_file(
    student_folder: str | os.PathLike[str], input_file: str | os.PathLike[str], output_file: str | os.PathLike[str]
) -> pd.DataFrame:
    """Predict for the samples of a file, write the table of `predict`, and return it.

    Parameters
    ----------
    student_folder
        A bundle, as `write_student` makes it.
    input_file
        `.h5mu` with the student's modality, or a table: `.h5ad`, `.csv[.gz]`, `.tsv[.gz]`, `.parquet`. A table that has
        the student's features in its rows is turned.
    output_file
        `.tsv`, `.csv` or `.parquet`, written whole or not at all; `-` for TSV on standard output. In text, a name that
        a spreadsheet would run as a formula gets an apostrophe in front, and a warning says so.

    Raises
    ------
    InputError
        As `read_student` and `predict`, and if the file cannot be read or the output has another ending.
    """
    output = os.fspath(output_file)
    ending = ".tsv" if output == "-" else os.path.splitext(output)[1].lower()
    if ending not in (".parquet", *_SEPARATORS):
        raise InputError(
            output, f"the ending {ending!r}", ".tsv, .csv or .parquet", "Rename it; - writes to standard output."
        )
    student = read_student(student_folder)
    matrix = read_matrix(input_file, modality=student.about.modality, features=student.features)
    if matrix.turned:
        logger.info("%s has features in rows: it was turned.", matrix.where)
    frame = predict(student, matrix.ids, matrix.features, matrix.values, where=os.fspath(input_file))
    separator = _SEPARATORS.get(ending)
    if separator:
        _warn_of_formulas(frame)
    if output == "-":
        sys.stdout.buffer.write(table_text(frame).encode())
        return frame
    with atomic(output) as draft:
        if separator:
            draft.write_bytes(table_text(frame, separator).encode())
        else:
            frame.to_parquet(draft, index=False)
    return frame


def _warn_of_formulas(frame: pd.DataFrame) -> None:
    """Say which names are written with an apostrophe in front."""
    for column in ("sample", "prediction"):
        run = {name for name in frame[column] if isinstance(name, str) and is_formula(name)}
        if run:
            logger.warning(
                "column %s: %d names that a spreadsheet would run as a formula are written with an apostrophe in "
                "front, for example %r. An output .parquet has them as they are.",
                column,
                len(run),
                min(run),
            )


def _numbers(values: ArrayLike, ids: list[str], features: list[str], where: str) -> NDArray[np.float32]:
    """(n, q) values as float32, after checks that do not need the student."""
    with np.errstate(over="ignore"):  # becomes infinite, and is refused where a feature is used
        table = np.asarray(values, dtype=np.float32)
    if table.shape != (len(ids), len(features)):
        raise InputError(
            where,
            f"values of shape {table.shape}",
            f"{len(ids)} samples x {len(features)} features",
            "Give one row per sample and one column per feature.",
        )
    for kind, names in (("sample id", ids), ("feature", features)):
        twice = repeated(names)
        if twice:
            raise InputError(
                where,
                f"the {kind} {twice[0]!r} more than once ({len(twice)} such)",
                f"unique {kind}s",
                "Keep one of each.",
            )
    return table


def outputs_of(student: Student, aligned: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """(n, p) values of the student's features, NaN where missing -> (n, C) finite outputs."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = student.network.outputs(aligned)
    if not np.isfinite(outputs).all():
        raise InputError(
            where, "values too large to compute with", "values on the training data's scale", "Check their unit."
        )
    return outputs


def align(
    student: Student,
    ids: list[str],
    features: list[str],
    table: NDArray[np.float32],
    where: str,
    *,
    partial: bool = False,
) -> NDArray[np.float32]:
    """(n, p) the student's features in its order, NaN where the table has none.

    A table with a smaller share of them than `MIN_COVERAGE` is refused; if it may be `partial`, only one that has none,
    or that spells them otherwise.
    """
    column = {name: position for position, name in enumerate(features)}
    known = [position for position, name in enumerate(student.features) if name in column]
    few = len(known) < MIN_COVERAGE * len(student.features)
    hint = _naming_hint(student.features, ids, features) if few else ""
    if few and (hint or not partial or not known):
        missing = [name for name in student.features if name not in column]
        raise InputError(
            where,
            f"{len(known)} of the student's {len(student.features)} features; missing for example {some(missing)}",
            f"{'some' if partial else f'at least {MIN_COVERAGE:.0%}'} of them (a table samples x features of the "
            f"modality {student.about.modality!r})",
            hint
            or f"The table's own features are for example {some(features)}; the student's are listed in {ABOUT_FILE}.",
        )
    aligned = np.full((len(ids), len(student.features)), np.nan, dtype=np.float32)
    aligned[:, known] = table[:, [column[student.features[position]] for position in known]]
    infinite = np.argwhere(np.isinf(aligned))
    if len(infinite):
        row, position = infinite[0]
        raise InputError(
            f"{where}, sample {ids[row]!r}, feature {student.features[position]!r}",
            f"an infinite value, or one too large for 32 bits ({len(infinite)} such)",
            "finite numbers, or nothing where a value is missing",
            "Mend or blank them; a logarithm of zero is a common cause.",
        )
    if code := missing_code(aligned):
        raise code.refused(f"{where}, sample {ids[code.row]!r}, feature {student.features[code.column]!r}")
    return aligned


# Ways in which the same features are often spelled differently.
_SPELLINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("upper and lower case", str.casefold),
    (
        "punctuation (R turns '-' and the like into '.' and puts X before a digit)",
        lambda name: re.sub(r"[^0-9A-Za-z]+", ".", re.sub(r"^X(?=\d)", "", name)),
    ),
    ("a prefix", lambda name: re.split(r"[:|_./-]", name, maxsplit=1)[-1]),
    ("a suffix, such as a version number", lambda name: re.split(r"[:|_./-](?=[^:|_./-]*$)", name, maxsplit=1)[0]),
)


def _naming_hint(wanted: Sequence[str], ids: list[str], features: list[str]) -> str:
    """Why names that should match do not, if a simple reason explains it; otherwise an empty string."""
    enough = MIN_COVERAGE * len(wanted)
    if len(set(wanted) & set(ids)) >= enough:
        return "The table's sample ids are the student's features: transpose it."
    for difference, spelling in _SPELLINGS:
        # One side may have the prefix, or both may have different ones.
        for ours in {spelling(name): name for name in wanted}, {name: name for name in wanted}:
            for theirs in {spelling(name): name for name in features}, {name: name for name in features}:
                common = ours.keys() & theirs.keys()
                if len(common) >= enough:
                    example = min(key for key in common if ours[key] != theirs[key])
                    return (
                        f"The names seem to differ only by {difference}: {theirs[example]!r} in the table, "
                        f"{ours[example]!r} in the student. Rename the table's features."
                    )
    return ""


def feature_shift(student: Student, aligned: NDArray[np.float32]) -> NDArray[np.float64]:
    """(p,) mean of the table minus mean of the training data, in SD of the latter; NaN where one is not known."""
    measured = ~np.isnan(aligned)
    usable = (student.sd > 0) & measured.any(axis=0)
    shift = np.full(len(usable), np.nan)
    mean = np.nanmean(aligned[:, usable].astype(np.float64), axis=0)
    shift[usable] = (mean - student.mean[usable]) / student.sd[usable]
    return shift


def _scale_shift(student: Student, aligned: NDArray[np.float32]) -> float:
    """Median size of `feature_shift` over features; 0 if none is known."""
    shift = np.abs(feature_shift(student, aligned))
    return float(np.nanmedian(shift)) if np.isfinite(shift).any() else 0.0
