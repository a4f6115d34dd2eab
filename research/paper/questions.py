"""Part 7: what reviewers asked: samples, estimators, the size of representations, and unequal architectures."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cch_omics.report import style
from research.paper import images, synthetic
from research.paper.analysis import GAP, Claim, agreement, draw_points, finish
from research.paper.experiment import LARGE, Architecture, Setting

SEEDS = 20
ESTIMATORS = ("ksg", "latent", "mine")
SIZES = (90, 180, 360, 720)
BASE = Setting(weights=(LARGE,))
# Units of the representations, and how many dimensions of them are kept.
SHAPES = {
    f"{units} units, {dimension} kept": replace(
        BASE, student=Architecture(units=units), teacher=Architecture(units=units), dimension=dimension
    )
    for units, dimension in ((4, 4), (12, 2), (12, 8), (12, 12), (32, 8))
}
SHAPES["12 units, 8 kept, 5 folds"] = replace(BASE, folds=5)
# Of student and teacher.
CAPACITIES = {
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
    for n in SIZES:
        yield f"size-{n}", partial(of_gaussian, "size", str(n), BASE, "regression", n, SEEDS)
    every = replace(BASE, estimators=ESTIMATORS)
    yield "estimators", partial(of_gaussian, "estimators", "all", every, "regression", 360, SEEDS)
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
    setting = replace(images.SETTING, student=student, teacher=teacher, weights=(LARGE,))
    rows = images.measured(data, images.PAIRS["texture-forward"], SEEDS, setting)
    return rows.assign(question="capacity", value=capacity)


# --- The page ---------------------------------------------------------------------------------------------------------

WHY = {
    "size": "gaps of -0.10 to +0.14 are of the size of their errors; and estimates of large ones are too low",
    "estimators": "MINE is too low with so few samples: below 0 for I(S;Y)",
    "shape": "nor does the number of folds: teachers with 4/5 in place of 2/3 of the samples change no gain by 0.01",
    "capacity": "as among equals, but a small teacher, whose gaps are all below 0, harms as the rule says",
}


def wrong_signs(rows: pd.DataFrame) -> pd.DataFrame:
    """How often the sign of one draw is wrong, over all teachers of the sweep, by the number of training samples.

    The truth of a gain is that of its mean over draws.
    """
    found = []
    for n, part in rows[rows["question"] == "size"].groupby("n_train"):
        helped = part.groupby("teacher")["gain"].transform("mean") > 0
        found.append(
            {
                "n": n,
                "gap, of the exact one": np.mean((part[GAP] > 0) != (part["exact_gap"] > 0)),
                "gap of outputs, of the exact one": np.mean((part["gap_output"] > 0) != (part["exact_gap_output"] > 0)),
                "exact gap, of the gain": np.mean((part["exact_gap"] > 0) != helped),
                "gap, of the gain": np.mean((part[GAP] > 0) != helped),
                "gap of outputs, of the gain": np.mean((part["gap_output"] > 0) != helped),
                "helped": helped.mean(),
            }
        )
    return pd.DataFrame(found)


def claims(rows: pd.DataFrame) -> list[Claim]:
    """Answers to reviewers."""
    found = []
    wrong = wrong_signs(rows)
    if len(wrong):
        here = "; ".join(f"n = {row['n']:.0f}: {row['gap, of the exact one']:.2f}" for row in wrong.to_dict("records"))
        found.append(
            Claim(
                "the sign of the gap can be estimated (probability of a wrong one)",
                here,
                verdict(wrong),
                WHY["size"],
            )
        )
    for question, text in (
        ("estimators", "KSG, latent MI and MINE agree (agreement of each one's gap with the gain)"),
        ("shape", "the size of the representation does not matter (the same)"),
        ("capacity", "teacher and student need not be of one architecture (images under texture)"),
    ):
        if settings := of_question(rows, question):
            orders = {name: agreement(part, gap) for name, (part, gap) in settings.items()}
            here = "; ".join(f"{name} {each}{wrong_share(*settings[name])}" for name, each in orders.items())
            agree = sum(each.ordered for each in orders.values())
            found.append(Claim(text, here, f"order {agree} of {len(orders)}", WHY[question]))
    return found


def wrong_share(rows: pd.DataFrame, gap: str) -> str:
    """How often a gap has not the sign of the exact one, where that is known."""
    if "exact_gap" not in rows or rows["exact_gap"].isna().all():
        return ""
    return f", wrong sign {np.mean((rows[gap] > 0) != (rows['exact_gap'] > 0)):.2f}"


def verdict(wrong: pd.DataFrame) -> str:
    """At which sizes a wrong sign is rarer than one in ten."""
    enough = wrong[wrong["gap, of the exact one"] < 0.1]["n"]
    return f"from n = {enough.min():.0f}" if len(enough) else f"not up to n = {wrong['n'].max():.0f}"


def of_question(rows: pd.DataFrame, question: str) -> dict[str, tuple[pd.DataFrame, str]]:
    """The sweeps of a question, each with the gap that is asked for."""
    part = rows[rows["question"] == question]
    if question == "estimators" and len(part):
        return {name: (part, f"gap_{name}") for name in ESTIMATORS}
    return {str(value): (of_value, GAP) for value, of_value in part.groupby("value", sort=False)}


def tables(rows: pd.DataFrame) -> str:
    """Wrong signs by the number of samples."""
    return str(wrong_signs(rows).round(2).to_markdown(index=False))


def draw(rows: pd.DataFrame) -> Figure:
    """Wrong signs, estimators, shapes and capacities."""
    figure = Figure(figsize=(10, 8.4), layout="constrained")
    first, *others = figure.subplots(2, 2).flat
    wrong = wrong_signs(rows)
    for number, column in enumerate(wrong.columns[1:6] if len(wrong) else ()):
        first.plot(wrong["n"], wrong[column], color=style.COLOURS[number], marker="osD^v"[number], label=column)
    first.set(title="A wrong sign", xlabel="training samples", ylabel="probability", ylim=(0, 1), xscale="log")
    first.set_xticks(wrong["n"] if len(wrong) else [], labels=[f"{n:.0f}" for n in wrong.get("n", ())])
    first.minorticks_off()
    first.legend(fontsize=8)
    for ax, question in zip(others, ("estimators", "shape", "capacity"), strict=True):
        for number, (name, (part, gap)) in enumerate(of_question(rows, question).items()):
            draw_points(ax, part.assign(shown=part[gap]), label=name, number=number, gap="shown")
        finish(ax, question, "gain in accuracy" if question == "capacity" else "gain in R²")
    return figure
