"""The page: of each part its claims, its tables and its figure, from the cases that have been measured."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

from cch_omics.report import style
from cch_omics.runtime.files import atomic
from research.marks import between
from research.paper import fusion, images, media, omics, questions, sound, synthetic
from research.paper.analysis import Claim, markdown, with_gains

# A part has `cases`, which measure; and of all their rows, with the column `case`: `claims`, `tables` and `draw`.
PARTS: dict[str, ModuleType] = {
    "synthetic": synthetic,
    "images": images,
    "sound": sound,
    "media": media,
    "omics": omics,
    "fusion": fusion,
    "questions": questions,
}


@dataclass(frozen=True)
class Written:
    """A part whose cases, or some of them, have been measured."""

    name: str
    claims: list[Claim]
    tables: str
    figure: Figure

    @property
    def text(self) -> str:
        return f"## {self.name}\n\n{markdown(self.rows)}\n\n{self.tables}"

    @property
    def rows(self) -> list[dict[str, object]]:
        return [{"part": self.name} | asdict(claim) for claim in self.claims]


def parts_of(output: Path, parts: Sequence[str]) -> list[Written]:
    """What is known of each part that has a case; half-measured parts say what they can."""
    found = []
    for name in parts:
        cases = []
        for path in sorted((output / name).glob("*.json")):
            kept = json.loads(path.read_text(encoding="utf-8"))
            cases.append(pd.DataFrame(kept["rows"]).assign(case=path.stem, seconds=kept["about"]["seconds"]))
        if not cases:
            continue
        rows, part = with_gains(pd.concat(cases, ignore_index=True)), PARTS[name]
        seconds = rows.drop_duplicates("case")["seconds"].sum()
        took = f"{len(cases)} cases, {seconds / 60:.0f} minutes of processor."
        with style.style():
            found.append(Written(name, part.claims(rows), f"{part.tables(rows)}\n\n{took}", part.draw(rows)))
    return found


def write_figures(parts: Sequence[Written], folder: Path) -> None:
    """Write `paper-PART.png` of each part."""
    for part in parts:
        with style.style(), atomic(folder / f"paper-{part.name}.png") as draft:
            part.figure.savefig(draft, format="png", dpi=90, facecolor="white", metadata={"Software": None})


def write_page(parts: Sequence[Written], page: Path) -> None:
    """Put the claims and tables of parts into the page; those of other parts stay."""
    text = page.read_text(encoding="utf-8")
    text = between(text, "claims", lambda old: claims_of(old, parts))
    for part in parts:
        text = between(text, part.name, lambda _, part=part: f"\n{part.tables}\n")  # type: ignore[misc]
    with atomic(page) as draft:
        draft.write_text(text, encoding="utf-8")


def claims_of(old: str, parts: Sequence[Written]) -> str:
    """The table of claims with new rows of some parts, in the order of the parts."""
    new = {part.name: markdown(part.rows).splitlines()[2:] for part in parts}
    kept = [line for line in old.splitlines() if line.startswith("| ")]
    of_part = {name: [line for line in kept if line.split("|")[1].strip() == name] for name in PARTS} | new
    head = "| part | " + " | ".join(field.name for field in fields(Claim)) + " |"
    return "\n".join(
        [head, "|---" * (len(fields(Claim)) + 1) + "|", *(line for name in PARTS for line in of_part[name])]
    )
