"""Tasks: what depends on the kind of target, and nothing else.

To add a task is to add a folder with a class that has the members of `base.Task`, and a line to `TASKS`. This file
imports none of them: the planning of a workflow reads the names.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cch_omics.tasks.base import Task

# Name -> module and class.
TASKS = {
    "classification": "cch_omics.tasks.classification:Classification",
    "regression": "cch_omics.tasks.regression:Regression",
    "survival": "cch_omics.tasks.survival:Survival",
}
# What the sheet's column `transform` may say of a target, by task.
NO_TRANSFORM, LOG, RANK_NORMAL = "none", "log", "rank_normal"
TRANSFORMS = {"regression": (NO_TRANSFORM, LOG, RANK_NORMAL)}


def task_class(name: str) -> "type[Task]":
    """Return the class of a task by its name in `TASKS`."""
    module, _, kind = TASKS[name].partition(":")
    found: type[Task] = getattr(import_module(module), kind)
    return found


def make_task(name: str, parameters: dict[str, list[str]]) -> "Task":
    """Make a task again from its name and what `Task.parameters` said."""
    return task_class(name).from_parameters(parameters)
