"""What `student.json` says. `docs/students.md` explains every field."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Final = "cch_omics student"
# Raised whenever a bundle written by this code could not be used by the code before it.
FORMAT_VERSION: Final = 2

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


class About(_Part):
    """The content of `student.json`."""

    format: Literal["cch_omics student"]
    format_version: Literal[2]
    modality: str
    features: tuple[str, ...] = Field(min_length=1)
    task: TaskRecord
    # How outputs become predictions: numbers of `Task.decision`.
    decision: tuple[Finite, ...]
    transforms: tuple[str, ...]
    # "alone" and "" for a student that had no teacher.
    recipe: str
    teacher: str
    # The criterion that decided.
    rule: str
    training: Training
    # The row of teachers.tsv; the rows of verdicts.tsv and of the evaluation that concern this modality.
    verdict: Record
    candidates: tuple[Record, ...]
    performance: tuple[Record, ...]
    gains: tuple[Record, ...]
    data: str
    versions: dict[str, str]
    weights_sha256: str = ""
