"""A target of which nothing is known but what it is like: for plans, before there are data."""

from collections.abc import Sequence
from math import isclose

from cch_omics.errors import InputError
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival


def planned_target(classes: Sequence[float], events: float | None) -> tuple[Task, tuple[float, ...], float]:
    """Make the task of a target from the shares of its classes, or of patients with an event; a number has neither.

    Returns
    -------
    tuple
        The task; its shares, as `Task.imbalance` takes them; and the share of the rarest kind of labels.

    Raises
    ------
    InputError
        If both are given, or are no shares.
    """
    if not classes and events is None:
        return Regression(), (), 1.0
    if events is None:
        if len(classes) < 2 or min(classes) <= 0 or not isclose(sum(classes), 1, abs_tol=0.01):
            shown = ",".join(f"{share:g}" for share in classes)
            advice = "For example 0.7,0.3 for two classes."
            raise InputError("--classes", shown, "the shares of two classes or more, which add up to 1", advice)
        total = sum(classes)
        return Classification(tuple(map(str, range(len(classes))))), tuple(c / total for c in classes), min(classes)
    if classes:
        found = "shares of classes and of events"
        raise InputError(
            "--events", found, "one of --classes and --events", "A target is a class or a time: leave one out."
        )
    if not 0 < events < 1:
        advice = "Count the patients whose event is seen before the last tenth of all times."
        raise InputError("--events", f"{events:g}", "the share of patients with an event, above 0 and below 1", advice)
    return Survival((1.0,)), (events,), min(events, 1 - events)
