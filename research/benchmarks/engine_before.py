"""The engine against the one with hand-written gradients that it replaced, on the same cohort and splits.

    git worktree add OLD db9837a
    python -m research.benchmarks.engine_before --data DIR --old OLD

DIR has the folder `brca-paired`. Both train the encoders of RNA and its students from three other omics in three
splits, with default settings and one thread, in turn and in processes of their own; principal components are part of
the encoders' time. Prints processor seconds in Markdown; engine.md beside this file has the last.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[2]

COMMON = """
import sys, time
from pathlib import Path
import torch
from cch_omics.config import DistillationConfig, EncoderConfig, SheetRow, SplitsConfig
from cch_omics.splits import Splits, make_splits
torch.set_num_threads(1)
row = SheetRow(cohort="brca-paired", target="er_status", classes="Negative,Positive", source=sys.argv[1])
"""
FIRST = """
cohort, _ = assemble(read_source(row), row)
drawn = make_splits(cohort, SplitsConfig(), seed=0)
drawn = Splits(*(each[-3:] for each in (drawn.repeat, drawn.fold, drawn.inner, drawn.labelled)))
options = {"seed": 0, "device": torch.device("cpu")}
encodings = {name: encode(cohort, drawn, name, EncoderConfig(), **options) for name in cohort.modalities}
started = time.process_time()
encode(cohort, drawn, "rna", EncoderConfig(), **options)
middle = time.process_time()
"""
LAST = "\nprint(middle - started, time.process_time() - middle)\n"
OLD = f"""{COMMON}
from cch_omics.distillation import distil
from cch_omics.encoders import encode
from cch_omics.io import read_source
from cch_omics.io.assemble import assemble
{FIRST}
distil(cohort, drawn, encodings, "rna", DistillationConfig(), EncoderConfig(), **options)
{LAST}"""
NEW = f"""{COMMON}
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
{FIRST}
teachers = [name for name in cohort.modalities if name != "rna"]
distil(cohort, drawn, encodings, "rna", teachers, DistillationConfig(), EncoderConfig(), **options)
{LAST}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--old", type=Path, required=True, help="a checkout of commit db9837a")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    source = str((args.data / "brca-paired").resolve())
    rows = []
    for _ in range(args.runs):
        for name, tree, code in (("old", args.old.resolve(), OLD), ("new", REPOSITORY, NEW)):
            environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-c", code, source]
            said = subprocess.run(command, check=True, env=environment, cwd=tree, capture_output=True, text=True).stdout
            rows.append((name, *map(float, said.split())))
    table = (
        pd.DataFrame(rows, columns=["engine", "encoders, s", "students, s"])
        .groupby("engine")
        .median()
        .loc[["old", "new"]]
    )
    table.loc["new / old"] = table.loc["new"] / table.loc["old"]
    print(table.to_markdown(floatfmt=".2f"))


if __name__ == "__main__":
    main()
