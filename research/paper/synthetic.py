"""Part 1: joint Gaussian data, whose gap is known, swept so that it crosses zero."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate, product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from research.paper.analysis import (
    AS_GAP,
    GAP,
    Claim,
    agreement,
    along,
    bounds,
    draw_points,
    finish,
    interval,
    mark,
    markdown,
    sweeps_claim,
)
from research.paper.experiment import LARGE, SMALL, Architecture, Setting, experiment
from research.paper.gaussian import TASKS as TASKS
from research.paper.gaussian import World

TRAIN, TEST = 240, 1000
SETTING = Setting()
SEEDS = {"network": 40, "linear": 20}
# The linear one is what the paper's theorem is of.
MODELS = {"network": Architecture(), "linear": Architecture("linear")}
MODEL_TITLES = {"network": "networks", "linear": "linear models"}
STUDENT = {"signal": 0.8, "own": 0.8, "nuisance": 1.5}
STRENGTHS = (0.0, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5, 5.0)
# By sweep, the teachers in order of the strength that is swept.
SWEEPS: dict[str, list[Mapping[str, float]]] = {
    # How well the teacher sees the student's signal: its correlation with the student.
    "signal": [{"signal": strength} for strength in STRENGTHS],
    # How much that is none of the label's business the teacher shares with the student.
    "nuisance": [{"signal": 0.3, "nuisance": strength} for strength in (0.0, 0.5, 1.0, 2.5, 5.0)],
    # How well the teacher knows of the label what the student cannot see.
    "beyond": [{"signal": 0.5, "beyond": strength} for strength in (0.0, 0.7, 1.5, 5.0)],
}
SINGLE = World({"student": STUDENT} | {f"{name}{i}": of for name, each in SWEEPS.items() for i, of in enumerate(each)})
# Teachers that see the signal under noise of their own; a teacher of the sweep is the first of them together.
PARTS = [f"part{i}" for i in range(6)]
SEVERAL = World({"student": STUDENT} | {name: {"signal": 0.5} for name in PARTS})
TOGETHER = list(accumulate(PARTS, "{}+{}".format))
SWEPT = (*SWEEPS, "part")
WORLDS = {"single": (SINGLE, [name for name in SINGLE.views if name != "student"]), "several": (SEVERAL, TOGETHER)}


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    if quick:
        yield (
            "single-network-regression",
            partial(measured, "single", "regression", ("signal0", "signal4", "signal7"), 6),
        )
        return
    for model, (name, (_, teachers)), task in product(MODELS, WORLDS.items(), TASKS):
        setting = Setting(MODELS[model], MODELS[model])
        yield f"{name}-{model}-{task}", partial(measured, name, task, tuple(teachers), SEEDS[model], setting=setting)


def measured(
    name: str,
    task: str,
    teachers: tuple[str, ...],
    seeds: int,
    *,
    setting: Setting = SETTING,
    n_train: int = TRAIN,
) -> pd.DataFrame:
    """Rows of `experiment` for some teachers of a world, with the exact gaps."""
    world = WORLDS[name][0]
    draws = [world.draw(task, n_train, TEST, seed=seed, folds=setting.folds) for seed in range(seeds)]
    rows = experiment(draws, [(teacher, "student") for teacher in teachers], setting)
    exact = pd.DataFrame([{"teacher": teacher} | world.exact(teacher, task) for teacher in teachers])
    sweep = rows["teacher"].str.extract(r"^([a-z]+)")[0]
    return rows.merge(exact, on="teacher").assign(task=task, model=setting.student.model, sweep=sweep, n_train=n_train)


# --- The page ---------------------------------------------------------------------------------------------------------

_TOO_LARGE = "0.75, regression: with 24 labels a feature this weight is too large (theory.md, result 1c), and harms"
_SHORT = "a short sweep (exact gaps of -0.06 to +0.07), whose gains are hardly larger than their errors"
WHY: dict[object, str] = {
    ("signal", "network"): "0.1: gains of less than 0.01, which permuted teachers have as well. "
    f"{_TOO_LARGE} but for the best teachers",
    ("signal", "linear"): f"0.1: differences of less than 0.01. {_TOO_LARGE} whatever the teacher",
    ("part", "network"): _SHORT,
    ("part", "linear"): _SHORT,
    "positive": "what is shared has nothing to do with the label; the gap of outputs stays below 0, and says no",
    "permuted": "a gain over the permuted teacher is not yet one over the student alone",
}


def swept(rows: pd.DataFrame, name: str, weight: float, **where: str) -> pd.DataFrame:
    """Rows of one of `SWEPT`."""
    chosen = rows[(rows["sweep"] == name) & (rows["weight"] == weight)]
    return chosen[(chosen[list(where)] == pd.Series(where)).all(axis=1)]


def by_task(rows: pd.DataFrame, name: str, weight: float, model: str) -> dict[str, pd.DataFrame]:
    """One sweep of each task that was measured."""
    found = {task: swept(rows, name, weight, model=model, task=task) for task in TASKS}
    return {task: each for task, each in found.items() if len(each)}


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims of the Gaussian model."""
    found = []
    of = {"signal": "one teacher, its view of the student's signal swept", "part": "one to six teachers together"}
    for name, model in product(of, MODELS):
        sweeps = {
            f"{task}, {weight:g}": each
            for weight in (SMALL, LARGE)
            for task, each in by_task(rows, name, weight, model).items()
        }
        if sweeps:
            found.append(
                sweeps_claim(f"Gaussian data, {of[name]}; {MODEL_TITLES[model]}: {AS_GAP}", sweeps, WHY[name, model])
            )
    taught = rows[(rows["weight"] == LARGE) & (rows["model"] == "network")]
    for name, claim, chosen in (
        ("positive", "a positive gap comes with a gain", taught[taught["sweep"] == "nuisance"]),
        ("permuted", "a teacher with a positive gap beats the same one permuted", taught[taught["sweep"] == "signal"]),
    ):
        above = chosen[chosen.groupby(["task", "teacher"])["exact_gap"].transform("min") > 0]
        if len(above):
            gain = "gain" if name == "positive" else "over_shuffled"
            of_tasks = {task: part.groupby("draw")[gain].mean() for task, part in above.groupby("task", sort=False)}
            here = "; ".join(f"{task!s}: {interval(each)}" for task, each in of_tasks.items())
            agree = [bounds(each)[0] > 0 for each in of_tasks.values()]
            where = "teachers that share a nuisance" if name == "positive" else "teachers of the student's signal"
            found.append(
                Claim(f"{claim} ({where}, weight {LARGE:g})", here, f"{sum(agree)} of {len(agree)}", WHY[name])
            )
    return found


def chosen_table(rows: pd.DataFrame) -> str:
    """What the teacher gains that is best by a criterion in each draw, among all the single ones; in thousandths."""
    found = []
    single = rows[(rows["sweep"] != "part") & (rows["weight"] == LARGE)]
    for (model, task), part in single.groupby(["model", "task"], sort=False):
        row: dict[str, object] = {"students": MODEL_TITLES[str(model)], "task": task}
        for name, column in (("gap", GAP), ("gap of outputs", "gap_output"), ("I(T;Y)", "mi_teacher_label")):
            best = part.loc[part.groupby("draw")[column].idxmax()]
            row[f"largest {name}"] = interval(1000 * best["gain"], 0)
        row["any"] = interval(1000 * part.groupby("draw")["gain"].mean(), 0)
        row["best on average"] = f"{1000 * part.groupby('teacher')['gain'].mean().max():+.0f}"
        found.append(row)
    return markdown(found)


def tables(rows: pd.DataFrame) -> str:
    """Gaps with gains along each sweep; and choosing among many teachers."""
    return "\n\n".join(
        (
            "Networks at weight 0.75, along each sweep; *of outputs*: of the best ones, and of those of the networks:",
            points_table(rows[rows["model"] == "network"]),
            "Many modalities: gain at weight 0.75, in thousandths, of the teacher that a draw chooses by a criterion:",
            chosen_table(rows),
        )
    )


def points_table(rows: pd.DataFrame) -> str:
    found: list[dict[str, object]] = []
    for task, sweep in product(TASKS, SWEPT):
        if len(part := swept(rows, sweep, LARGE, task=task)):
            found.append(
                {
                    "sweep": f"{task}, {sweep}",
                    "exact gap": along(part, "exact_gap", 2).partition(" (")[0],
                    "estimated": along(part, GAP, 2),
                    "exact, of outputs": along(part, "exact_gap_output", 2).partition(" (")[0],
                    "estimated, of outputs": along(part, "gap_output", 2),
                    "gain": along(part, "gain"),
                }
            )
    return markdown(found)


def draw(rows: pd.DataFrame) -> Figure:
    """Gap against gain over the sweeps, for each task and weight, of networks."""
    tasks = [task for task in TASKS if (rows["task"] == task).any()]
    figure = Figure(figsize=(10, 4.2 * len(tasks)), layout="constrained")
    grid = figure.subplots(len(tasks), 2, squeeze=False)
    for axes, task in zip(grid, tasks, strict=True):
        for ax, weight in zip(axes, (SMALL, LARGE), strict=True):
            for number, name in enumerate(SWEPT):
                if len(part := swept(rows, name, weight, model="network", task=task)):
                    draw_points(ax, part, label=name, number=number)
                    mark(ax, agreement(part), number)
            finish(ax, f"{task}, weight {weight:g}", "gain in R²" if task == "regression" else "gain in accuracy")
    return figure
