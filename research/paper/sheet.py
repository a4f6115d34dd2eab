"""Two cohorts without omics for the workflow: what is said, heard and seen of a speaker, and digits seen and spoken.

`python -m research.paper.sheet --data DIR --output DIR` writes a folder of tables for each, and the sheet of both.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from research.paper.sound import paired_within

# The official test split: features of text and video saw the labels of the training split.
MOSI = ("text", "audio", "video")
SHEET = (
    "cohort\tsource\ttarget\ttask\tmodalities\tgroup\n"
    "mosi\t{folder}/mosi\tsentiment\tclassification\ttext,audio,video\tvideo\n"
    "digits\t{folder}/digits\tdigit\tclassification\timage,audio\t\n"
)


def write_mosi(data: Path, output: Path) -> Path:
    """Write `mosi/`: the 752 utterances whose labels no feature has seen; returns the folder."""
    clinical = _read(data / "cmu-mosi" / "clinical.csv")
    clinical = clinical[clinical["official_split"] == "test"]
    tables = {name: _read(data / "cmu-mosi" / f"{name}.csv.gz").loc[clinical.index] for name in MOSI}
    return _write(output / "mosi", clinical, tables)


def write_digits(data: Path, output: Path, pairs: int) -> Path:
    """Write `digits/`: images and recordings that are paired at random within the digit, each used once."""
    image, audio = _read(data / "mnist" / "image.csv.gz"), _read(data / "spoken-digits" / "audio.csv.gz")
    written, spoken = (_read(data / name / "clinical.csv")["digit"] for name in ("mnist", "spoken-digits"))
    random = np.random.default_rng(0)
    chosen = spoken.iloc[random.choice(len(spoken), pairs, replace=False)]
    digit = chosen.to_numpy(dtype=np.float64)
    other = written.index[paired_within(digit, written.to_numpy(dtype=np.float64), random)]
    tables = {"image": image.loc[other].set_axis(chosen.index), "audio": audio.loc[chosen.index]}
    return _write(output / "digits", chosen.to_frame(), tables)


def write_sheet(data: Path, output: Path, pairs: int) -> Path:
    """Write `mosi/`, `digits/` and `cohorts.tsv` into a folder; returns the sheet."""
    write_mosi(data, output)
    write_digits(data, output, pairs)
    sheet = output / "cohorts.tsv"
    sheet.write_text(SHEET.format(folder=output), encoding="utf-8")
    return sheet


def _write(folder: Path, clinical: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in {"clinical": clinical, **tables}.items():
        table.to_csv(folder / f"{name}.csv")
    return folder


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=1000, help="of digits")
    given = parser.parse_args()
    print(write_sheet(given.data, given.output, given.pairs))
