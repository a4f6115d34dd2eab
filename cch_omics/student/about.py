"""What `student.json` says. `docs/students.md` explains every field."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cch_omics.config.base import Choice
from cch_omics.data.working_scale import SCALES
from cch_omics.tasks.base import Task
from cch_omics.vocabulary import is_harm, number

FORMAT: Final = "cch_omics student"
# Raised whenever a bundle written by this code could not be used by the code before it.
FORMAT_VERSION: Final = 3

# Folders inside that of a student with a teacher, for the one of the two that is not on top.
ALONE_FOLDER: Final = "alone"
TAUGHT_FOLDER: Final = "taught"

Finite = Annotated[float, Field(allow_inf_nan=False)]
Cell = str | bool | int | Finite | None
Record = dict[str, Cell]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskRecord(_Part):
    """Name and parameters of the task, from which `cch_omics.tasks.make_task` makes it again."""

    name: str
    parameters: dict[str, list[str]]


class Training(_Part):
    """What the student was trained on. `paired_samples` is null without a teacher."""

    cohort: str
    target: str
    samples: int
    labelled_samples: int
    paired_samples: int | None
    label_budget: Finite
    derived_from: str
    epochs: int
    # Numbers that describe the labels that were used, as `Task.summary` has them.
    labels: Record


class Validated(_Part):
    """What was found on other patients: who they are, sentences, and rows of validation.tsv."""

    source: str
    said: tuple[str, ...]
    scores: tuple[Record, ...]


def did_harm(chosen: Record, gains: Iterable[Record], task: Task) -> bool:
    """Whether the teacher that a row of teachers.tsv chooses did harm on test patients.

    Its gain over training alone is in rows of summary.tsv (`vocabulary.is_harm`).
    """
    of = (chosen["teacher"], chosen["recipe"], task.primary, "none")
    return any(
        (row["teacher"], row["recipe"], row["metric"], row["control"]) == of
        and is_harm(task.metrics[task.primary], number(row["gain"]), number(row["ci_high"]))
        for row in gains
    )


class About(_Part):
    """The content of `student.json`."""

    format: Literal["cch_omics student"]
    format_version: Literal[3]
    modality: str
    # Of the tables that it predicts from, and the constants of what is made of them; null = used as they are.
    scale: Annotated[str, Choice(tuple(SCALES))]
    constants: dict[str, Finite] | None
    features: tuple[str, ...] = Field(min_length=1)
    task: TaskRecord
    # How outputs become predictions: numbers of `Task.decision`; null is one that could not be learnt.
    decision: tuple[Finite | None, ...]
    transforms: tuple[str, ...]
    # "alone" and "" for a student that had no teacher.
    recipe: str
    teacher: str
    # Weights of the members that it is the average of.
    members: dict[str, Finite]
    # The rows of features.tsv with the largest weight in this student.
    most_used: tuple[Record, ...] = ()
    # The criterion that decided.
    rule: str
    training: Training
    # The row of teachers.tsv; the rows of verdicts.tsv and of the evaluation that concern this modality.
    verdict: Record
    candidates: tuple[Record, ...]
    performance: tuple[Record, ...]
    gains: tuple[Record, ...]
    # The row of advised.tsv: what following the rule gained; empty where no view could teach.
    followed: Record
    # Sentences on what was observed of test samples, beside what was predicted.
    on_test: tuple[str, ...]
    # Null where the sheet names no other patients.
    validation: Validated | None = None
    data: str
    versions: dict[str, str]
    weights_sha256: str = ""

    @field_validator("constants")
    @classmethod
    def _are_of_the_scale(cls, constants: dict[str, float] | None, info: ValidationInfo) -> dict[str, float] | None:
        if constants is not None and set(constants) != set(SCALES[info.data.get("scale", "continuous")].constants):
            raise ValueError("the constants of the scale")
        return constants
