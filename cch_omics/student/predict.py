"""Predictions from a student: on a table of its omics, whatever order, further features and gaps the table has."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cch_omics.data.numbers import without_versions
from cch_omics.data.scale import told_scale
from cch_omics.data.source import Matrix
from cch_omics.data.tables import read_matrix
from cch_omics.data.working_scale import SCALES, check_scale
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
# Times the counts of a feature, in the share of a sample's sum, that biology does not change in half of the features.
LARGE_SHARE = 2.0
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

    Features are matched by name, without versions of Ensembl: their order does not matter, further ones are ignored,
    the first of several with one name counts, and a missing one (or a missing value) is filled in from the training
    data. What was made of the training table is made of this one. A warning is logged when the values look to be on
    another scale: when they are told to have another one; when the table's feature means lie more than `LARGE_SHIFT`
    training standard deviations off (median over features); or, of counts, by the factor `LARGE_SHARE`.

    Parameters
    ----------
    student
        Of `read_student`.
    ids
        (n,) sample ids, unique.
    features
        (q,) feature names.
    values
        (n, q) numbers, NaN where missing, on the scale of the training table. Of counts all that were counted: they are
        divided by the sum of a sample.
    where
        What to call the table in messages.

    Returns
    -------
    DataFrame
        (n,) rows, one per sample, in the order given:

        - `sample`, its id;
        - of classes: `probability_CLASS`, one column per class, which add up to 1; `prediction`, the class decided for,
          which need not be the most probable one, as rare ones are favoured;
        - of a number: `prediction`, and `prediction_low_95` and `prediction_high_95`, the ends of its interval, in the
          unit of the target;
        - of a survival time: `prediction`, the risk score, without a unit, higher is worse; `survival_at_TIME`, the
          probability to live beyond that time without the event, the time in the unit of the training;
        - `feature_coverage`, the share of the student's features measured in the sample. One in which it is below
          `MIN_COVERAGE`, 0.5, keeps its row, without a prediction.

    Raises
    ------
    InputError
        If the table has too few of the student's features, a sample twice, an infinite value, a number that stands for
        a missing one, or one that the scale of the training table cannot have.

    Examples
    --------
    >>> from cch_omics.student.predict import predict
    >>> cnv = mdata["cnv"].to_df()
    >>> predict(student, cnv.index, cnv.columns, cnv.to_numpy())
    """
    sample_ids, names = [str(name) for name in ids], [str(name) for name in features]
    table = Matrix(np.array(sample_ids), np.array(names), _numbers(values, sample_ids, names, where), where)
    aligned = align(student, table)
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
    shift, share = _scale_shift(student, aligned[covered])
    if student.about.scale == "counts" and student.about.constants and not 1 / LARGE_SHARE < share < LARGE_SHARE:
        logger.warning(
            "%s: the student's features have %.2g times the share of a sample's counts that they had in training. Give "
            "the table with all features that were counted: sums of samples are taken over them.",
            where,
            share,
        )
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

    Returns
    -------
    DataFrame
        What was written.

    Raises
    ------
    InputError
        As `read_student` and `predict`, and if the file cannot be read or the output has another ending.

    Examples
    --------
    >>> from cch_omics.student import predict_file
    >>> predict_file("results/our-brca/er_status/students/cnv", "new_patients.csv", "predictions.tsv")
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
    for remark in (*matrix.remarks, *without_versions(matrix)[1]):
        logger.info("%s: %s", matrix.where, remark)
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
    if twice := repeated(ids):
        raise InputError(
            where,
            f"the sample id {twice[0]!r} more than once ({len(twice)} such)",
            "unique sample ids",
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


def align(student: Student, given: Matrix, *, partial: bool = False) -> NDArray[np.float32]:
    """(n, p) the student's features in its order, as it learnt them, NaN where the table has none.

    A table with a smaller share of them than `MIN_COVERAGE` is refused; if it may be `partial`, only one that has none,
    or that spells them otherwise.
    """
    about, table = student.about, without_versions(given)[0]
    aligned, columns, known = _aligned(student, table, partial)
    scale, told = SCALES[about.scale], "" if np.isnan(aligned).all() else told_scale(aligned)
    if about.constants is None:
        made = aligned
    else:
        advice = f"The student learnt from {scale.what}, of which it makes what it needs: give the same."
        check_scale(about.scale, table.where, table.ids.tolist(), student.features, aligned, advice)
        made = np.full_like(aligned, np.nan)
        made[:, known] = scale.apply(table.values, about.constants)[:, columns]
    if told not in {"", about.scale, *scale.alike}:
        logger.warning(
            "%s: the values look like %s (%s); the student learnt from %s (%s). If they are, predictions are "
            "unreliable: give the table on the scale of the training table.",
            table.where,
            told,
            SCALES[told].what,
            about.scale,
            scale.what,
        )
    return made


def _aligned(student: Student, matrix: Matrix, partial: bool) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """(n, p) the student's features in its order, NaN where the table has none; columns of the table, and where to."""
    ids, features, table, where = matrix.ids.tolist(), matrix.features.tolist(), matrix.values, matrix.where
    known, columns = places(student.features, features)
    few = len(known) < MIN_COVERAGE * len(student.features)
    hint = _naming_hint(student.features, ids, features) if few else ""
    if few and (hint or not partial or not known):
        there = set(features)
        missing = [name for name in student.features if name not in there]
        raise InputError(
            where,
            f"{len(known)} of the student's {len(student.features)} features; missing for example {some(missing)}",
            f"{'some' if partial else f'at least {MIN_COVERAGE:.0%}'} of them (a table samples x features of the "
            f"modality {student.about.modality!r})",
            hint
            or f"The table's own features are for example {some(features)}; the student's are listed in {ABOUT_FILE}.",
        )
    aligned = np.full((len(ids), len(student.features)), np.nan, dtype=np.float32)
    aligned[:, known] = table[:, columns]
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
    return aligned, columns, known


def places(wanted: Sequence[str], there: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of the wanted names that are there, and where those are: the first of several with one name."""
    column = {name: len(there) - 1 - position for position, name in enumerate(reversed(there))}
    known = [position for position, name in enumerate(wanted) if name in column]
    return known, [column[wanted[position]] for position in known]


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


def _scale_shift(student: Student, aligned: NDArray[np.float32]) -> tuple[float, float]:
    """How far the means of the table's features lie from those of the training data.

    Returns
    -------
    tuple
        Median over features of the distance in SD of the training data, and of the ratio if values are logarithms; 0
        and 1 where no feature can tell.
    """
    known = np.isfinite(shift := feature_shift(student, aligned))
    if not known.any():
        return 0.0, 1.0
    with np.errstate(over="ignore"):
        return float(np.median(np.abs(shift[known]))), float(np.exp(np.median(shift[known] * student.sd[known])))
