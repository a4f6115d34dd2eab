"""Part 3: spoken and written digits that share the class alone, against pairs that share more than it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from research.paper import images
from research.paper.analysis import GAP, Claim, bounds, draw_points, finish, interval
from research.paper.experiment import LARGE, SMALL, Pair, experiment, make_draw, read

TRAIN, TEST = 300, 500
SEEDS = 20
# Standard deviation of the noise of a recording's copy, in those of each feature.
NOISE = 2.0
# Written and spoken digits are paired at random within the class: given it, they are independent.
PAIRS: dict[str, list[Pair]] = {
    "class alone": [("image", "audio"), ("audio", "image")],
    "noisy copy": [("audio", "noisy"), ("noisy", "audio")],
    "halves": [("early", "late"), ("late", "early")],
}


def cases(data: Path, *, quick: bool) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """The name of each case and what measures it."""
    for kind in ("class alone",) if quick else PAIRS:
        yield kind.replace(" ", "-"), partial(measured, data, kind, 3 if quick else SEEDS)


def measured(data: Path, kind: str, seeds: int) -> pd.DataFrame:
    """Rows of `experiment` of one kind of pairs."""
    spoken, written = (read(data, name, "digit", "classification") for name in ("spoken-digits", "mnist"))
    audio, image = spoken.modalities["audio"], written.modalities["image"].values
    early = np.array([int(name[-2:]) < 10 for name in audio.features])
    draws = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        chosen = random.choice(len(spoken.samples), TRAIN + TEST, replace=False)
        digit, sound = spoken.target.values[chosen], audio.values[chosen]
        noise = sound.std(0) * random.standard_normal(sound.shape)
        views = {
            "audio": sound,
            "image": image[paired_within(digit, written.target.values, random)],
            "noisy": sound + NOISE * noise,
            "early": sound[:, early],
            "late": sound[:, ~early],
        }
        used = {name: views[name] for name in dict.fromkeys(name for pair in PAIRS[kind] for name in pair)}
        draws.append(make_draw(used, spoken.target.task, digit, TRAIN, seed=seed))
    return experiment(draws, PAIRS[kind], images.SETTING).assign(kind=kind)


def paired_within(
    classes: NDArray[np.float64], others: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """For each of n samples another of `others` of the same class, none of them twice."""
    found = np.empty(len(classes), dtype=np.int64)
    for each in np.unique(classes):
        found[classes == each] = random.choice(np.flatnonzero(others == each), (classes == each).sum(), replace=False)
    return found


# --- The page ---------------------------------------------------------------------------------------------------------

WHY = {
    "class alone": "I(T;S given Y) = 0, so that the gap is -I(S;Y given T)",
    "noisy copy": "the copy knows less of the digit than it shares with the recording",
    "halves": "they share less than each of them knows of the digit",
}


def claims(rows: pd.DataFrame) -> list[Claim]:
    """What follows from the class being all that is shared, and what does not where more is."""
    found = []
    for kind, part in rows.groupby("kind", sort=False):
        here, agree = [], []
        for (teacher, student), pair in part.groupby(["teacher", "student"], sort=False):
            gap, gained = pair.drop_duplicates("draw")[GAP], pair[pair["weight"] == LARGE]["over_self"]
            here.append(f"{teacher} → {student}: gap {interval(gap, 2)}, over self {interval(gained)}")
            agree.append((bounds(gap)[0] > 0) == (bounds(gained)[0] > 0))
        text = {
            "class alone": "pairs that share the class alone: gap not above 0, no gain over self",
            "noisy copy": "a recording and its noisy copy: gain over self where the gap is above 0",
            "halves": "two halves of a recording: gain over self where the gap is above 0",
        }[str(kind)]
        found.append(Claim(text, "; ".join(here), f"{sum(agree)} of {len(agree)}", WHY[str(kind)]))
    return found


def tables(rows: pd.DataFrame) -> str:
    """Each pair."""
    return images.pairs_table(rows)


def draw(rows: pd.DataFrame) -> Figure:
    """Gap against gain over self of all pairs."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for ax, weight in zip(figure.subplots(1, 2), (SMALL, LARGE), strict=True):
        for number, (kind, part) in enumerate(rows[rows["weight"] == weight].groupby("kind", sort=False)):
            draw_points(ax, part, label=str(kind), number=number, gain="over_self", line=False)
        finish(ax, f"spoken and written digits, weight {weight:g}", "gain in accuracy over the self control")
    return figure
