"""Part 3: spoken and written digits that share the class alone, against pairs that share more than it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from research.paper.experiment import Pair, Setting, experiment, make_draw, read

TRAIN, TEST = 400, 600
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
    return experiment(draws, PAIRS[kind], Setting()).assign(kind=kind)


def paired_within(
    classes: NDArray[np.float64], others: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """For each of n samples another of `others` of the same class, none of them twice."""
    found = np.empty(len(classes), dtype=np.int64)
    for each in np.unique(classes):
        found[classes == each] = random.choice(np.flatnonzero(others == each), (classes == each).sum(), replace=False)
    return found
