"""Part 2: digits as teacher and student, one of them under texture, blur or noise; and the halves of an image."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

from research.paper.analysis import (
    AS_GAP,
    GAP,
    Claim,
    agreement,
    along,
    draw_points,
    finish,
    interval,
    mark,
    markdown,
    sweeps_claim,
)
from research.paper.experiment import LARGE, SMALL, Architecture, Pair, Setting, experiment, make_draw, read

Floats = NDArray[np.float64]
TRAIN, TEST = 300, 500
SEEDS = 20
# Steps are larger than elsewhere, and fewer: the same accuracy in a third of the time.
SETTING = Setting(epochs=100, learning_rate=0.05)
_CONVOLUTIONAL = Architecture("convolutional")
CONVOLUTIONAL = replace(SETTING, student=_CONVOLUTIONAL, teacher=_CONVOLUTIONAL, learning_rate=0.01)
SIDE = 28
# By sweep, how strong: weight of the photograph in |weight * patch - digit|, which is MNIST-M at 1; standard deviation,
# in pixels, of a blur of such an image with weight 1; standard deviation of noise, with pixels in 0 to 1.
SWEEPS: dict[str, tuple[float, ...]] = {
    "texture": (0.1, 0.3, 0.5, 0.7, 1.0),
    "blur": (0.5, 1.0, 2.0, 3.0, 5.0),
    "noise": (0.1, 0.3, 0.6, 1.0, 2.0),
}
HALVES = (("top", "bottom"), ("bottom", "top"), ("left", "right"), ("right", "left"))
CLEAN = "clean"


def _pairs(sweep: str) -> tuple[list[Pair], list[Pair]]:
    """Clean images teach the corrupted ones of a sweep; and the reverse."""
    names = [f"{sweep}{i}" for i in range(len(SWEEPS[sweep]))]
    return [(CLEAN, name) for name in names], [(name, CLEAN) for name in names]


# By case and kind.
PAIRS: dict[str, dict[str, list[Pair]]] = {
    **{f"{sweep}-forward": {"forward": _pairs(sweep)[0]} for sweep in SWEEPS},
    **{f"{sweep}-reverse": {"reverse": _pairs(sweep)[1]} for sweep in SWEEPS},
    "halves": {"halves": list(HALVES)},
}
# With convolutional networks on both sides.
BY_CONVOLUTION = ("texture-forward", "texture-reverse")
CONVOLVED = ", convolutional"
ALL_SWEEPS = (*SWEEPS, f"texture{CONVOLVED}")


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    for name in ("halves",) if quick else PAIRS:
        yield name, partial(measured, data, PAIRS[name], 3 if quick else SEEDS)
    for name in () if quick else BY_CONVOLUTION:
        yield f"{name}-convolutional", partial(measured, data, PAIRS[name], SEEDS, CONVOLUTIONAL)


def measured(data: Path, pairs: Mapping[str, list[Pair]], seeds: int, setting: Setting = SETTING) -> pd.DataFrame:
    """Rows of `experiment` for pairs of some kinds, with the sweep that each belongs to."""
    kind = {pair: name for name, of_kind in pairs.items() for pair in of_kind}
    names = dict.fromkeys(name for pair in kind for name in pair)
    cohort = read(data, "mnist", "digit", "classification")
    draws = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        chosen = random.choice(len(cohort.samples), TRAIN + TEST, replace=False)
        digits = cohort.modalities["image"].values[chosen].reshape(-1, SIDE, SIDE) / 255
        views = views_of(digits, names, random)
        draws.append(
            make_draw(views, cohort.target.task, cohort.target.values[chosen], TRAIN, seed=seed, folds=setting.folds)
        )
    rows = experiment(draws, list(kind), setting)
    other = rows["teacher"].where(rows["teacher"] != CLEAN, rows["student"])
    sweep = other.str.extract(r"^([a-z]+)")[0]
    if setting.student.model == "convolutional":
        sweep += CONVOLVED
    return rows.assign(
        kind=[kind[pair] for pair in zip(rows["teacher"], rows["student"], strict=True)],
        sweep=sweep,
    )


def views_of(digits: Floats, names: Iterable[str], random: np.random.Generator) -> dict[str, Floats]:
    """Some views of (n, 28, 28) images in 0 to 1; (n, 14 * 14), or 14 * 7 of halves."""
    patches, noise, middle = textures(len(digits), random), random.standard_normal(digits.shape), SIDE // 2
    sweeps: dict[str, Callable[[float], Floats]] = {
        "texture": lambda weight: np.abs(weight * patches - digits),
        "blur": lambda sd: gaussian_filter(np.abs(patches - digits), (0, sd, sd)),
        "noise": lambda sd: digits + sd * noise,
    }
    whole = {
        CLEAN: digits,
        "top": digits[:, :middle],
        "bottom": digits[:, middle:],
        "left": digits[:, :, :middle],
        "right": digits[:, :, middle:],
    }
    found = {}
    for view in names:
        name, strength = strength_of(view)
        found[view] = pooled(whole[name] if strength is None else sweeps[name](strength))
    return found


def strength_of(view: str) -> tuple[str, float | None]:
    """The sweep of a view, and how strong it is there; None for one that is of no sweep."""
    name = view.rstrip("0123456789")
    return (name, SWEEPS[name][int(view[len(name) :])]) if name in SWEEPS else (name, None)


def textures(n: int, random: np.random.Generator) -> Floats:
    """(n, 28, 28) patches, in 0 to 1, of the two photographs that scikit-learn comes with."""
    photographs = [load_sample_image(name).mean(2) / 255 for name in ("china.jpg", "flower.jpg")]
    found = np.empty((n, SIDE, SIDE))
    for patch in found:
        photograph = photographs[random.integers(2)]
        row, column = (random.integers(size - SIDE) for size in photograph.shape)
        patch[:] = photograph[row : row + SIDE, column : column + SIDE]
    return found


def pooled(images: Floats) -> Floats:
    """(n, h, w) -> (n, h / 2 * w / 2) means of two by two pixels."""
    n, height, width = images.shape
    return np.asarray(images.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4)).reshape(n, -1))


# --- The page ---------------------------------------------------------------------------------------------------------

TITLES = {"forward": "clean image teaches corrupted", "reverse": "corrupted image teaches clean", "halves": "halves"}
WHY = {
    "forward": "students differ in what they have left to learn: the gap is largest where the student is as good as "
    "its teacher; 0.1: gains of about 0.01 or less",
    "reverse": "one student, worse and worse teachers: ordered until a teacher is near chance, whose flat outputs harm "
    "less than wrong ones; 0.1: the worst teachers help most, as smoother labels",
}


def of_sweeps(rows: pd.DataFrame, kind: str, weight: float) -> dict[str, pd.DataFrame]:
    """The sweeps of one direction."""
    chosen = rows[(rows["kind"] == kind) & (rows["weight"] == weight)]
    return {name: part for name in ALL_SWEEPS if len(part := chosen[chosen["sweep"] == name])}


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What the paper claims of image pairs."""
    found = []
    for kind in ("forward", "reverse"):
        sweeps = {
            f"{name}, {weight:g}": part
            for weight in (SMALL, LARGE)
            for name, part in of_sweeps(rows, kind, weight).items()
        }
        if sweeps:
            found.append(sweeps_claim(f"{TITLES[kind]}: {AS_GAP}", sweeps, WHY[kind]))
    return found


def tables(rows: pd.DataFrame) -> str:
    """Each sweep and the halves; and how gaps go together with gains over the self control."""
    return "\n\n".join(
        (
            "Along each sweep, from the weakest to the strongest corruption; accuracy is that of the corrupted side:",
            points_table(rows),
            "Agreement with the gain over the self control, which was not stated before:",
            orders_table(rows),
        )
    )


def points_table(rows: pd.DataFrame) -> str:
    found: list[dict[str, object]] = []
    named = rows.assign(sweep=rows["sweep"].where(rows["kind"] != "halves", ""))
    for (kind, name), both in named.groupby(["kind", "sweep"]):
        part = both[both["weight"] == LARGE]
        score = along(part, "teacher_score" if kind == "reverse" else "alone", 2).partition(" (")[0]
        title = {"forward": f"clean → {name}", "reverse": f"{name} → clean"}
        found.append(
            {
                "sweep": title.get(str(kind), ", ".join("→".join(pair) for pair in HALVES)),
                "accuracy": score.replace("+", ""),
                "gap": along(part, GAP, 2),
                "gain, 0.1": along(both[both["weight"] == SMALL], "gain"),
                "gain, 0.75": along(part, "gain"),
                "over self, 0.75": along(part, "over_self"),
            }
        )
    return markdown(found)


def pairs_table(rows: pd.DataFrame) -> str:
    found = []
    for (teacher, student), part in rows.groupby(["teacher", "student"], sort=False):
        once = part[part["weight"] == LARGE]
        row: dict[str, object] = {
            "teacher → student": f"{teacher} → {student}",
            "accuracy": f"{once['teacher_score'].mean():.2f} → {once['alone'].mean():.2f}",
            "gap": interval(once[GAP], 2),
            "of outputs": f"{once['gap_output'].mean():+.2f}",
        }
        row |= {f"gain, {weight:g}": interval(of["gain"]) for weight, of in part.groupby("weight")}
        row |= {"over self": interval(once["over_self"]), "over shuffled": f"{once['over_shuffled'].mean():+.2f}"}
        found.append(row)
    return markdown(found)


def orders_table(rows: pd.DataFrame) -> str:
    found = []
    for kind in ("forward", "reverse"):
        for weight in (SMALL, LARGE):
            sweeps = of_sweeps(rows, kind, weight)
            row: dict[str, object] = {"direction": TITLES[kind], "weight": weight}
            found.append(
                row
                | {
                    name: str(agreement(sweeps[name], gain="over_self")) if name in sweeps else ""
                    for name in ALL_SWEEPS
                }
            )
    return markdown(found)


def draw(rows: pd.DataFrame) -> Figure:
    """Gap against gain, in both directions and at both weights."""
    figure = Figure(figsize=(10, 8.4), layout="constrained")
    for axes, kind in zip(figure.subplots(2, 2), ("forward", "reverse"), strict=True):
        for ax, weight in zip(axes, (SMALL, LARGE), strict=True):
            for number, (name, part) in enumerate(of_sweeps(rows, kind, weight).items()):
                draw_points(ax, part, label=name, number=number)
                mark(ax, agreement(part), number)
            halves = rows[(rows["kind"] == "halves") & (rows["weight"] == weight)]
            if len(halves):
                draw_points(ax, halves, label="halves", number=len(ALL_SWEEPS), line=False)
            finish(ax, f"{TITLES[kind]}, weight {weight:g}", "gain in accuracy")
    return figure
