"""The deployable student: a folder with a model of one omics.

A bundle is `model.safetensors` (the arrays), `student.json` (everything needed to use and to judge it) and
`MODEL_CARD.md` (the same for a reader). Nothing in it is executable.
"""

import hashlib
import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError

import cch_omics
from cch_omics.errors import InputError
from cch_omics.models.out_of_fold import Network
from cch_omics.runtime.files import atomic, check_file, reading
from cch_omics.runtime.formats import write_json
from cch_omics.student.about import FORMAT, FORMAT_VERSION, About
from cch_omics.student.card import model_card
from cch_omics.tasks import TASKS, make_task
from cch_omics.tasks.base import Task

WEIGHTS_FILE = "model.safetensors"
ABOUT_FILE = "student.json"
CARD_FILE = "MODEL_CARD.md"

_COPY_AGAIN = "The bundle is damaged: copy the whole folder again, or make the student again with `cch evaluate`."


@dataclass(frozen=True)
class Student:
    """A model of one omics, ready to predict.

    Attributes
    ----------
    about
        What `student.json` says.
    task
        What is predicted.
    network
        On the p features of `about.features`.
    mean, sd
        (p,) of the training data as given, to notice another scale; `sd` is 0 for a feature that did not vary.
    """

    about: About
    task: Task
    network: Network
    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    @property
    def features(self) -> tuple[str, ...]:
        """Feature names, in the network's order."""
        return self.about.features

    @property
    def decision(self) -> NDArray[np.float64]:
        """(A,) how outputs become predictions, as `Task.decision` learnt it."""
        return np.asarray(self.about.decision, dtype=np.float64)


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
        write_json(about.model_dump(mode="json"), draft / ABOUT_FILE)
        (draft / CARD_FILE).write_text(model_card(about, student.task), encoding="utf-8")
        read_student(draft)


def read_student(folder: str | os.PathLike[str]) -> Student:
    """Read a bundle and check all of it.

    Parameters
    ----------
    folder
        `results/COHORT/TARGET/students/MODALITY`, or `alone` in it.

    Returns
    -------
    Student
        The network, its features and what is known of both.

    Raises
    ------
    InputError
        If a file is missing or damaged, is of another format version, or the files do not belong together.

    Examples
    --------
    >>> from cch_omics.student import read_student
    >>> student = read_student("results/our-brca/er_status/students/cnv")
    >>> student.features[:3]
    """
    room = Path(folder)
    about = _read_about(room / ABOUT_FILE)
    task = _make_task(about, os.fspath(room / ABOUT_FILE))
    arrays = _read_arrays(room / WEIGHTS_FILE, about, task.n_outputs)
    network = Network(**{field.name: arrays[field.name] for field in fields(Network)})
    return Student(about, task, network, arrays["mean"], arrays["sd"])


def _read_about(path: Path) -> About:
    where, text = os.fspath(path), _bytes(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        raise InputError(where, f"text that is not JSON ({error})", "a JSON object", _COPY_AGAIN) from error
    kind = content.get("format") if isinstance(content, dict) else None
    if kind != FORMAT:
        found = "nothing" if kind is None else repr(kind)
        raise InputError(f"{where}, format", found, repr(FORMAT), "Give the folder of a student that a run wrote.")
    if content.get("format_version") != FORMAT_VERSION:
        writer = (content.get("versions") or {}).get("cch_omics", "unknown")
        raise InputError(
            f"{where}, format_version",
            f"format version {content.get('format_version')!r}, written by cch_omics {writer}",
            f"format version {FORMAT_VERSION}, which this cch_omics {cch_omics.__version__} reads",
            f"Predict with cch_omics {writer}, or make the student again with `cch evaluate` of this version.",
        )
    try:
        return About.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(
            f"{where}, {'.'.join(map(str, problem['loc']))}",
            "nothing" if problem["type"] == "missing" else repr(problem["input"])[:80],
            "no such field" if problem["type"] == "extra_forbidden" else "what `cch evaluate` writes there",
            _COPY_AGAIN,
        ) from error


def _make_task(about: About, where: str) -> Task:
    """Make the task of a bundle, and see that it can use the decision."""
    try:
        task = make_task(about.task.name, about.task.parameters)
        task.predictions(np.zeros((1, task.n_outputs)), np.array(about.decision, dtype=np.float64))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}, task and decision",
            f"the task {about.task.name!r} with {len(about.decision)} numbers to decide by",
            f"one of {', '.join(TASKS)}, its parameters and its decision",
            _COPY_AGAIN,
        ) from error
    return task


def _read_arrays(path: Path, about: About, n_outputs: int) -> dict[str, NDArray[np.float32]]:
    where, content = os.fspath(path), _bytes(path)
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
    features, units = len(about.features), arrays["bias"].size if "bias" in arrays else 0
    shapes = {
        "weight": (features, units),
        "bias": (units,),
        "head_weight": (units, n_outputs),
        "head_bias": (n_outputs,),
        "skip_weight": (features, n_outputs),
        "fill": (features,),
        "bound": (features,),
        "mean": (features,),
        "sd": (features,),
    }
    for name, expected in shapes.items():
        found = arrays[name].shape if name in arrays else None
        if found != expected:
            raise InputError(
                f"{where}, tensor {name!r}",
                "no such tensor" if found is None else f"shape {found}",
                f"shape {expected}, from {features} features and {n_outputs} outputs in {ABOUT_FILE}",
                _COPY_AGAIN,
            )
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{where}, tensor {name!r}", "values that are not finite", "finite weights", _COPY_AGAIN)
    return arrays


def _bytes(path: Path) -> bytes:
    student = f"a student: a folder with {ABOUT_FILE} and {WEIGHTS_FILE}"
    check_file(path, student)
    with reading(path):
        return path.read_bytes()
