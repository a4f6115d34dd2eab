"""The deployable student: a folder with a model of one omics, and predictions from it.

A bundle is `model.safetensors` (the arrays), `student.json` (everything needed to use and to judge it) and
`MODEL_CARD.md` (the same for a reader). Nothing in it is executable. `docs/students.md` explains every field.
"""

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import safetensors.numpy
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from scipy.special import softmax

from cch_omics import __version__
from cch_omics.cohort import Cohort, Modality
from cch_omics.errors import InputError
from cch_omics.io.files import atomic, write_json, write_table
from cch_omics.io.source import repeated, some
from cch_omics.io.tables import read_matrix
from cch_omics.model_card import model_card
from cch_omics.predictions import Distillation, Encoding, Network
from cch_omics.splits import Splits
from cch_omics.tasks.classification import class_offsets, decide

logger = logging.getLogger(__name__)

FORMAT = "cch_omics student"
# Raised whenever a bundle written by this code could not be used by the code before it.
FORMAT_VERSION = 1
WEIGHTS_FILE = "model.safetensors"
ABOUT_FILE = "student.json"
CARD_FILE = "MODEL_CARD.md"

# A table with a smaller share of the student's features is refused, and a sample with a smaller share of them measured
# is left without a prediction: what is filled in would outweigh what was measured.
MIN_COVERAGE = 0.5
# Standard deviations of the training data by which half of the features may lie off on average before a warning. A
# single sample like the training ones has about 0.7, a table on another scale (counts for logs, say) usually far more
# than 2.
LARGE_SHIFT = 2.0

TRANSFORMS = (
    "A missing value is replaced by the feature's `fill`, from the training samples.",
    "Standardisation and principal components are folded into `weight` and `bias`: give values as in the training "
    "table.",
    "logits = tanh(values @ weight + bias) @ head_weight + head_bias",
    "probabilities = softmax(logits / calibration_temperature)",
    "prediction = argmax(log_softmax(logits) + class_offsets)",
)
DATA_NOTE = (
    "The weights, and the mean, standard deviation and fill value of each feature, derive from the training cohort's "
    "data; no sample's own values are stored. The terms of those data (licence, consent, data use agreement) may "
    "cover what is derived from them: check them before passing this folder on."
)

Finite = Annotated[float, Field(allow_inf_nan=False)]
Cell = str | bool | int | Finite | None
Record = dict[str, Cell]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Training(_Part):
    """How the student was trained.

    `teacher` is "" for a student that was trained alone; then the settings of the distillation are null.
    """

    cohort: str
    target: str
    samples: int
    labelled_samples: int
    paired_samples: int | None
    label_budget: Finite
    derived_from: str
    teacher: str
    lambda_: Finite | None = Field(alias="lambda")
    distillation_temperature: Finite | None
    epochs: int


class About(_Part):
    """The content of `student.json`."""

    format: Literal["cch_omics student"]
    format_version: Literal[1]
    modality: str
    task: Literal["classification"]
    features: tuple[str, ...] = Field(min_length=1)
    transforms: tuple[str, ...]
    classes: tuple[str, ...] = Field(min_length=2)
    class_offsets: tuple[Finite, ...]
    calibration_temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    training: Training
    # The row of teachers.tsv; the rows of verdicts.tsv and of the evaluation that concern this modality.
    verdict: Record
    candidates: tuple[Record, ...]
    performance: tuple[Record, ...]
    gains: tuple[Record, ...]
    data: str
    versions: dict[str, str]
    weights_sha256: str = ""


@dataclass(frozen=True)
class Student:
    """A model of one omics, ready to predict.

    Attributes
    ----------
    about
        What `student.json` says.
    network
        On the p features of `about.features`.
    mean, sd
        (p,) of the training data as given, to notice another scale; `sd` is 0 for a feature that did not vary.
    """

    about: About
    network: Network
    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    @property
    def features(self) -> tuple[str, ...]:
        """Feature names, in the network's order."""
        return self.about.features

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the logits."""
        return self.about.classes


# --- Using a student --------------------------------------------------------------------------------------------------


def predict(
    student: Student,
    ids: Sequence[str] | NDArray[np.str_],
    features: Sequence[str] | NDArray[np.str_],
    values: ArrayLike,
    *,
    min_coverage: float = MIN_COVERAGE,
    where: str = "the table",
) -> pd.DataFrame:
    """Predict the class of samples from one omics.

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
    min_coverage
        Share of the student's features that the table must have, and that a sample must have measured.
    where
        What to call the table in messages.

    Returns
    -------
    One row per sample, in the order given: `sample`; `probability_CLASS` for each class, adding up to 1; `prediction`,
    which includes the class offsets and so need not be the most probable class; `feature_coverage`, the share of the
    student's features measured in the sample. A sample whose coverage is below `min_coverage` keeps its row, with
    neither probabilities nor prediction.

    Raises
    ------
    InputError
        If the table has too few of the student's features, names something twice, or has an infinite value.
    """
    if not 0 < min_coverage <= 1:
        raise InputError(
            "min_coverage", str(min_coverage), "a number above 0 and at most 1", f"The default is {MIN_COVERAGE}."
        )
    sample_ids, names = [str(name) for name in ids], [str(name) for name in features]
    aligned = _align(student, sample_ids, names, _numbers(values, sample_ids, names, where), min_coverage, where)
    coverage = (~np.isnan(aligned)).mean(axis=1)
    covered = coverage >= min_coverage
    if not covered.all():
        logger.warning(
            "%s: %d of %d samples have fewer than %.0f%% of the student's features measured and get no prediction.",
            where,
            np.count_nonzero(~covered),
            len(covered),
            100 * min_coverage,
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
    with np.errstate(over="ignore", invalid="ignore"):
        logits = student.network.logits(aligned).astype(np.float64)
    if not np.isfinite(logits).all():
        raise InputError(
            where, "values too large to compute with", "values on the training data's scale", "Check their unit."
        )
    probabilities = softmax(logits / student.about.calibration_temperature, axis=1)
    # The offsets were fitted on logits without calibration.
    decided = decide(logits, np.asarray(student.about.class_offsets))
    probabilities[~covered] = np.nan
    frame = pd.DataFrame({"sample": sample_ids})
    for position, name in enumerate(student.classes):
        # float32, as the logits: it survives a table with ten digits to the last bit.
        frame[f"probability_{name}"] = probabilities[:, position].astype(np.float32)
    chosen = np.asarray(student.classes, dtype=object)[decided]
    chosen[~covered] = None
    frame["prediction"] = chosen
    frame["feature_coverage"] = coverage
    return frame


def predict_file(
    student_folder: str | os.PathLike[str],
    input_file: str | os.PathLike[str],
    output_file: str | os.PathLike[str],
    *,
    min_coverage: float = MIN_COVERAGE,
) -> pd.DataFrame:
    """Predict for the samples of a file, write the table of `predict` as TSV, and return it.

    Parameters
    ----------
    student_folder
        A bundle, as `write_student` makes it.
    input_file
        `.h5mu` with the student's modality, or a table: `.h5ad`, `.csv[.gz]`, `.tsv[.gz]`, `.parquet`. A table that has
        the student's features in its rows is turned.
    output_file
        Written whole or not at all.

    Raises
    ------
    InputError
        As `read_student` and `predict`, and if the file cannot be read.
    """
    student = read_student(student_folder)
    matrix = read_matrix(input_file, modality=student.about.modality, features=student.features)
    if matrix.turned:
        logger.info("%s has features in rows: it was turned.", matrix.where)
    frame = predict(
        student, matrix.ids, matrix.features, matrix.values, min_coverage=min_coverage, where=os.fspath(input_file)
    )
    write_table(frame, output_file)
    return frame


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


def _align(
    student: Student, ids: list[str], features: list[str], table: NDArray[np.float32], min_coverage: float, where: str
) -> NDArray[np.float32]:
    """(n, p) the student's features in its order, NaN where the table has none."""
    column = {name: position for position, name in enumerate(features)}
    known = [position for position, name in enumerate(student.features) if name in column]
    if len(known) < min_coverage * len(student.features):
        missing = [name for name in student.features if name not in column]
        raise InputError(
            where,
            f"{len(known)} of the student's {len(student.features)} features; missing for example {some(missing)}",
            f"at least {min_coverage:.0%} of them (a table samples x features of the modality "
            f"{student.about.modality!r})",
            _naming_hint(student.features, ids, features, min_coverage)
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


def _naming_hint(wanted: Sequence[str], ids: list[str], features: list[str], min_coverage: float) -> str:
    """Why names that should match do not, if a simple reason explains it; otherwise an empty string."""
    enough = min_coverage * len(wanted)
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


def _scale_shift(student: Student, aligned: NDArray[np.float32]) -> float:
    """Median over features of |mean of the table - mean of the training data| / SD of the training data; 0 if none."""
    measured = ~np.isnan(aligned)
    usable = (student.sd > 0) & measured.any(axis=0)
    if not usable.any():
        return 0.0
    used = aligned[:, usable].astype(np.float64)
    shift = np.abs(np.nanmean(used, axis=0) - student.mean[usable]) / student.sd[usable]
    return float(np.median(shift))


# --- Reading a bundle -------------------------------------------------------------------------------------------------


def read_student(folder: str | os.PathLike[str]) -> Student:
    """Read a bundle and check all of it.

    Raises
    ------
    InputError
        If a file is missing or damaged, is of another format version, or the files do not belong together.
    """
    room = Path(folder)
    if not room.is_dir():
        raise InputError(
            os.fspath(folder),
            "no such folder",
            f"a student: a folder with {ABOUT_FILE} and {WEIGHTS_FILE}",
            "Check the path.",
        )
    about = _read_about(room / ABOUT_FILE)
    arrays = _read_arrays(room / WEIGHTS_FILE, about)
    network = Network(**{field.name: arrays[field.name] for field in fields(Network)})
    return Student(about, network, arrays["mean"], arrays["sd"])


_COPY_AGAIN = "The bundle is damaged: copy the whole folder again, or make the student again with `cch student`."


def _read_about(path: Path) -> About:
    where = os.fspath(path)
    try:
        content = json.loads(_bytes(path))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        raise InputError(where, f"text that is not JSON ({error})", "a JSON object", _COPY_AGAIN) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        kind = repr(content.get("format")) if isinstance(content, dict) else f"a JSON {type(content).__name__}"
        raise InputError(
            f"{where}, format", kind, repr(FORMAT), "Give the folder of a student that `cch student` wrote."
        )
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        versions = content.get("versions")
        writer = versions.get("cch_omics", "unknown") if isinstance(versions, dict) else "unknown"
        raise InputError(
            f"{where}, format_version",
            f"format version {version!r}, written by cch_omics {writer}",
            f"format version {FORMAT_VERSION}, which this cch_omics {__version__} reads",
            f"Predict with cch_omics {writer}, or make the student again with `cch student` of this version.",
        )
    try:
        about = About.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(
            f"{where}, {'.'.join(map(str, problem['loc']))}",
            "nothing" if problem["type"] == "missing" else repr(problem["input"])[:80],
            problem["msg"],
            _COPY_AGAIN,
        ) from error
    for key, names in (("features", about.features), ("classes", about.classes)):
        twice = repeated(names)
        if twice:
            raise InputError(f"{where}, {key}", f"{twice[0]!r} more than once", "unique names", _COPY_AGAIN)
    if len(about.class_offsets) != len(about.classes):
        raise InputError(
            f"{where}, class_offsets",
            f"{len(about.class_offsets)} offsets",
            f"one for each of the {len(about.classes)} classes",
            _COPY_AGAIN,
        )
    return about


def _read_arrays(path: Path, about: About) -> dict[str, NDArray[np.float32]]:
    where = os.fspath(path)
    content = _bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != about.weights_sha256:
        raise InputError(
            where,
            f"{len(content)} bytes with SHA-256 {digest[:12]}...",
            f"SHA-256 {about.weights_sha256[:12]}..., as {ABOUT_FILE} says",
            _COPY_AGAIN,
        )
    try:
        arrays: dict[str, NDArray[np.float32]] = safetensors.numpy.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(where, f"a file that cannot be read ({error})", "safetensors", _COPY_AGAIN) from error
    shape = arrays["weight"].shape if "weight" in arrays else ()
    units = shape[1] if len(shape) == 2 else 0
    for name, expected in _shapes(len(about.features), units, len(about.classes)).items():
        if name not in arrays:
            raise InputError(where, f"no tensor {name!r}", f"{name!r} of shape {expected}", _COPY_AGAIN)
        array = arrays[name]
        if array.shape != expected or array.dtype != np.float32:
            raise InputError(
                f"{where}, tensor {name!r}",
                f"{array.dtype} of shape {array.shape}",
                f"float32 of shape {expected}, from {len(about.features)} features and {len(about.classes)} classes",
                _COPY_AGAIN,
            )
        if not np.isfinite(array).all():
            raise InputError(f"{where}, tensor {name!r}", "values that are not finite", "finite weights", _COPY_AGAIN)
    return arrays


def _shapes(n_features: int, n_units: int, n_classes: int) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a bundle."""
    return {
        "weight": (n_features, n_units),
        "bias": (n_units,),
        "head_weight": (n_units, n_classes),
        "head_bias": (n_classes,),
        "fill": (n_features,),
        "mean": (n_features,),
        "sd": (n_features,),
    }


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(os.fspath(path), "no such file", f"the {path.name} of a student", _COPY_AGAIN)
    return path.read_bytes()


# --- Making a bundle --------------------------------------------------------------------------------------------------


def make_student(
    cohort: Cohort,
    modality: str,
    network: Network,
    *,
    offsets: ArrayLike,
    calibration_temperature: float = 1.0,
    labelled: NDArray[np.bool_],
    teacher: str = "",
    distillation_lambda: float | None = None,
    distillation_temperature: float | None = None,
    epochs: int,
    verdict: Mapping[str, Any],
    candidates: Sequence[Mapping[str, Any]] = (),
    performance: Sequence[Mapping[str, Any]] = (),
    gains: Sequence[Mapping[str, Any]] = (),
) -> Student:
    """Put together what a trained network needs in order to be used and judged elsewhere.

    Features that the network does not use (weights all zero, such as those dropped by variance) are left out, so that a
    new table need not have them.

    Parameters
    ----------
    network
        Trained on all samples of `cohort` that have `modality`, on its features in their order.
    offsets
        (C,) class offsets, added to log-probabilities before a decision.
    calibration_temperature
        Divides the logits before probabilities are made of them.
    labelled
        (n,) samples whose label was used.
    teacher, distillation_lambda, distillation_temperature
        "" and None for a student trained alone.
    verdict
        The student's row of `teachers.tsv`.
    candidates, performance, gains
        The rows of `verdicts.tsv` and of the evaluation that concern the student.
    """
    source = cohort.modalities[modality]
    used = np.flatnonzero(np.any(network.weight != 0, axis=1))
    if len(used) == 0:  # a student that learnt nothing still has features
        used = np.arange(len(source.features))
    mean, sd = _moments(source, used, network.fill)
    profiled = cohort.profiled(modality)
    about = About(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        modality=modality,
        task="classification",
        features=tuple(str(name) for name in source.features[used]),
        transforms=TRANSFORMS,
        classes=cohort.classes,
        class_offsets=tuple(np.asarray(offsets, dtype=float).tolist()),
        calibration_temperature=calibration_temperature,
        training=Training(
            cohort=cohort.name,
            target=cohort.target,
            samples=int(profiled.sum()),
            labelled_samples=int((profiled & labelled).sum()),
            paired_samples=int((profiled & cohort.profiled(teacher)).sum()) if teacher else None,
            label_budget=cohort.label_budget,
            derived_from=cohort.derived_from,
            teacher=teacher,
            lambda_=distillation_lambda,
            distillation_temperature=distillation_temperature,
            epochs=epochs,
        ),
        verdict=_record(verdict),
        candidates=tuple(map(_record, candidates)),
        performance=tuple(map(_record, performance)),
        gains=tuple(map(_record, gains)),
        data=DATA_NOTE,
        versions=_versions(),
    )
    kept = Network(
        fill=network.fill[used],
        weight=network.weight[used],
        bias=network.bias,
        head_weight=network.head_weight,
        head_bias=network.head_bias,
    )
    return Student(about, kept, mean, sd)


def write_students(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    teachers: pd.DataFrame,
    verdicts: pd.DataFrame,
    performance: pd.DataFrame,
    summary: pd.DataFrame,
    output_folders: Mapping[str, str | os.PathLike[str]],
) -> None:
    """Write a bundle for each modality: distilled from the teacher that `teachers` names, or trained alone.

    Parameters
    ----------
    encodings, distillations
        By modality.
    teachers, verdicts
        `teachers.tsv` and `verdicts.tsv`; an empty or missing teacher means alone.
    performance, summary
        What the evaluation measured, for the record and the model card.
    output_folders
        By modality; only these are written.

    Raises
    ------
    InputError
        If `teachers` has no row for a modality, or names a teacher that the modality was not distilled from.
    """
    for modality, folder in output_folders.items():
        rows = teachers[teachers["student"] == modality]
        if len(rows) != 1:
            raise InputError(
                "teachers.tsv", f"{len(rows)} rows for the student {modality!r}", "one", "Run `cch verdict` again."
            )
        verdict = _record(_rows(teachers, "student", modality)[0])
        teacher = str(verdict["teacher"] or "")
        trained: dict[str, Any]
        if teacher:
            network, logits, trained = _distilled(distillations[modality], modality, teacher, splits.whole)
        else:
            encoding = encodings[modality]
            network, logits = encoding.network, encoding.logits[splits.whole]
            trained = {"epochs": int(encoding.epochs[splits.whole])}
        labelled = splits.labelled[splits.whole]
        student = make_student(
            cohort,
            modality,
            network,
            offsets=class_offsets(logits, cohort.labels, labelled),
            labelled=labelled,
            verdict=verdict | {"teacher": teacher},
            candidates=_rows(verdicts, "student", modality),
            performance=_rows(performance, "modality", modality),
            gains=_rows(summary, "student", modality),
            **trained,
        )
        write_student(folder, student)
        logger.info("%s: student of %s, %s", folder, modality, f"taught by {teacher}" if teacher else "trained alone")


def _distilled(
    distillation: Distillation, modality: str, teacher: str, whole: int
) -> tuple[Network, NDArray[np.float32], dict[str, Any]]:
    """The network taught by `teacher`, its (n, C) held-out logits, and how it was trained."""
    variants = [
        variant
        for variant, name in enumerate(distillation.teachers)
        if name == teacher and not distillation.shuffled[variant]
    ]
    if len(variants) != 1:
        raise InputError(
            f"teachers.tsv, student {modality!r}",
            f"the teacher {teacher!r}",
            f"one of {sorted(set(distillation.teachers))}",
            "Run `cch distil` and `cch verdict` on the same cohort.",
        )
    (variant,) = variants
    trained = {
        "teacher": teacher,
        "distillation_lambda": float(distillation.lambdas[variant, whole]),
        "distillation_temperature": float(distillation.temperatures[variant, whole]),
        "epochs": int(distillation.epochs[variant, whole]),
    }
    return distillation.networks[variant], distillation.logits[variant, whole], trained


def _rows(frame: pd.DataFrame, column: str, name: str) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame[frame[column] == name].to_dict("records")]


def write_student(folder: str | os.PathLike[str], student: Student) -> None:
    """Write a bundle: all of the folder or nothing, taking the place of one that is there.

    Raises
    ------
    InputError
        If the student could not be read back, for example because a weight is not finite.
    """
    arrays = {field.name: getattr(student.network, field.name) for field in fields(Network)}
    arrays |= {"mean": student.mean, "sd": student.sd}
    tensors = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in sorted(arrays.items())}
    weights = safetensors.numpy.save(tensors)
    about = student.about.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    with atomic(folder) as draft:
        draft.mkdir()
        (draft / WEIGHTS_FILE).write_bytes(weights)
        write_json(about.model_dump(mode="json", by_alias=True), draft / ABOUT_FILE)
        (draft / CARD_FILE).write_text(model_card(about), encoding="utf-8")
        read_student(draft)


def _moments(
    source: Modality, used: NDArray[np.int64], fill: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and SD of each used feature over its measured values; `fill` and 0 where nothing was measured."""
    mean, sd = fill[used].astype(np.float32), np.zeros(len(used), dtype=np.float32)
    # In blocks: a double-precision copy of a whole methylation array would take gigabytes.
    for start in range(0, len(used), 4096):
        block = source.values[:, used[start : start + 4096]].astype(np.float64)
        measured = np.flatnonzero(~np.isnan(block).all(axis=0))
        mean[start + measured] = np.nanmean(block[:, measured], axis=0)
        sd[start + measured] = np.nanstd(block[:, measured], axis=0)
    return mean, sd


def _record(row: Mapping[str, Any]) -> Record:
    """A row of a table as JSON has it: plain values, null for a missing or infinite one."""

    def plain(value: Any) -> Cell:
        value = value.item() if isinstance(value, np.generic) else value
        missing = value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
        return None if missing else value

    return {key: plain(value) for key, value in row.items()}


def _versions() -> dict[str, str]:
    found = {"cch_omics": __version__}
    for package in ("numpy", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
