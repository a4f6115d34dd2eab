"""Part 7: what reviewers asked: samples, estimators, the size of representations, and unequal architectures."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from research.paper import images, synthetic
from research.paper.experiment import LARGE, Architecture, Setting

SEEDS = 20
SIZES = (90, 180, 360, 720)
BASE = Setting(weights=(LARGE,))
# Units of the representations, and how many dimensions of them are kept.
SHAPES = {
    f"{units} units, {dimension} kept": replace(
        BASE, student=Architecture(units=units), teacher=Architecture(units=units), dimension=dimension
    )
    for units, dimension in ((4, 4), (12, 2), (12, 4), (12, 8), (12, 12), (32, 8))
}
# Of student and teacher.
CAPACITIES = {
    "equal": (Architecture(), Architecture()),
    "small student": (Architecture(units=2), Architecture(units=32)),
    "small teacher": (Architecture(units=32), Architecture(units=2)),
    "linear student": (Architecture("linear"), Architecture()),
    "linear teacher": (Architecture(), Architecture("linear")),
}
SIGNAL = tuple(name for name in synthetic.WORLDS["single"][1] if name.startswith("signal"))


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    if quick:
        yield "size-90", partial(of_gaussian, "size", "90", BASE, "regression", 90, 6)
        return
    for task in synthetic.TASKS:
        every = replace(BASE, estimators=("ksg", "latent", "mine"))
        yield f"estimators-{task}", partial(of_gaussian, "estimators", "all", every, task, 360, SEEDS)
    for n in SIZES:
        yield f"size-{n}", partial(of_gaussian, "size", str(n), BASE, "regression", n, 2 * SEEDS)
    for number, (name, setting) in enumerate(SHAPES.items()):
        yield f"shape-{number}", partial(of_gaussian, "shape", name, setting, "regression", 360, SEEDS)
    for number, name in enumerate(CAPACITIES):
        yield f"capacity-{number}", partial(of_images, data, name)


def of_gaussian(question: str, value: str, setting: Setting, task: str, n_train: int, seeds: int) -> pd.DataFrame:
    """The sweep of the teacher's signal."""
    rows = synthetic.measured("single", task, SIGNAL, seeds, setting=setting, n_train=n_train)
    return rows.assign(question=question, value=value)


def of_images(data: Path, capacity: str) -> pd.DataFrame:
    """Students of textured images, taught by clean ones."""
    student, teacher = CAPACITIES[capacity]
    setting = replace(BASE, student=student, teacher=teacher)
    pairs = [("clean", name) for name in images.CORRUPTED if name.startswith("texture")]
    rows = images.measured(data, {"forward": pairs}, SEEDS, setting)
    return rows.assign(question="capacity", value=capacity)
