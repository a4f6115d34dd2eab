"""Write the figure and the tables of docs/theory.md: `python -m research.theory --output DIR` (seconds)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import read_table, write_table
from research.theory.figure import draw
from research.theory.random_problems import OUTCOMES, criteria_table
from research.theory.teachers import agreement_table, simulation_table, teachers_table


def write_theory(folder: Path) -> None:
    """Write `theory.png`, `teachers.tsv`, `simulation.tsv`, `agreement.tsv` and `criteria.tsv` into a folder."""
    simulation = simulation_table()
    write_table(teachers_table(), folder / "teachers.tsv")
    write_table(simulation, folder / "simulation.tsv")
    write_table(agreement_table(simulation), folder / "agreement.tsv")
    write_table(criteria_table(), folder / "criteria.tsv")
    figure = draw()
    with atomic(folder / "theory.png") as draft:
        figure.savefig(draft, format="png", dpi=110, metadata={"Software": None})


def markdown(folder: Path) -> str:
    """The tables of `docs/theory.md`, from the folder that `write_theory` wrote.

    Rounded to what does not depend on the last bits of a processor.
    """
    teachers, criteria = (read_table(folder / f"{name}.tsv") for name in ("teachers", "criteria"))
    nats = ("gap", "advantage", "gap_plus_advantage")
    slopes = ("least_squares_slope", "tuned_slope")
    percents = ("ridge", "least_squares", "best", "unlabelled", "best_unlabelled")
    head = ["teacher", "gap", "advantage", "sum", "ρₓ", "ρₑ", "slope", "tuned slope"]
    lines = [_row([*head, "ridge", "OLS", "OLS, best", "unlabelled", "unlabelled, best"]), _row(["---"] * 13)]
    for row in teachers.to_dict("records"):
        cells = [_signed(row[name], 2) for name in nats]
        cells += [f"{row[name]:.2f}" for name in ("signal_correlation", "noise_correlation")]
        cells += [_signed(row[name], 2) for name in slopes] + [_signed(row[name], 0) for name in percents]
        lines.append(_row([str(row["teacher"]), *cells]))
    named = {"auroc": "AUROC", "wrongly_distil": "harmed, yet above 0", "missed": "helped, yet not above 0"}
    order = list(dict.fromkeys(criteria["criterion"]))
    helped = criteria.drop_duplicates("outcome").set_index("outcome")["helped"]
    for value, name in named.items():
        table = criteria.pivot(index="criterion", columns="outcome", values=value)
        lines += ["", _row([name, *OUTCOMES]), _row(["---"] * (len(OUTCOMES) + 1))]
        if value == "auroc":
            lines.append(
                _row(["share of problems that are helped", *(f"{helped[outcome]:.2f}" for outcome in OUTCOMES)])
            )
        for criterion in order:
            # The sign of what is never positive says nothing.
            if value == "auroc" or not criterion.startswith("-"):
                lines.append(_row([criterion, *(f"{table.loc[criterion, outcome]:.2f}" for outcome in OUTCOMES)]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for theory.png and the tables")
    output = parser.parse_args(arguments).output
    write_theory(output)
    print(markdown(output))


if __name__ == "__main__":
    main()
