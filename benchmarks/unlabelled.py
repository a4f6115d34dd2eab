"""Soft targets on unlabelled patients against soft targets on labelled patients only, with 15% of the training labels.

    python benchmarks/unlabelled.py --data DIR

DIR has the folder `brca-paired`. Prints gains in points of balanced accuracy, rna -> cnv, in Markdown.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, SheetRow, SplitsConfig
from cch_omics.distillation import distil
from cch_omics.encoders import encode
from cch_omics.evaluation import gains, summarise
from cch_omics.io import read_source
from cch_omics.io.assemble import assemble
from cch_omics.splits import make_splits

TEACHER, STUDENT = "rna", "cnv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows = [
        {"source": "simulated:complementary", "target": "subtype"},
        {"source": str(args.data / "brca-paired"), "target": "er_status", "classes": "Negative,Positive"},
    ]
    tables = []
    for row in rows:
        sheet_row = SheetRow(cohort=Path(row["source"]).name.replace(":", "-"), label_budget=0.15, **row)
        cohort, _ = assemble(read_source(sheet_row), sheet_row)
        tables.append(compare(cohort, args.repeats, args.threads))
    print(pd.concat(tables).to_markdown(index=False, floatfmt="+.1f"))


def compare(cohort: Cohort, repeats: int, threads: int) -> pd.DataFrame:
    """Gains of both ways over the student alone and over the self control."""
    cpu, encoder = torch.device("cpu"), EncoderConfig()
    splits = make_splits(cohort, SplitsConfig(repeats=repeats), seed=0)
    encodings = {
        name: encode(cohort, splits, name, encoder, seed=0, device=cpu, threads=threads) for name in (TEACHER, STUDENT)
    }
    tables = []
    for unlabelled in (True, False):
        settings = DistillationConfig(unlabelled=unlabelled)
        taught = distil(cohort, splits, encodings, STUDENT, settings, encoder, seed=0, device=cpu, threads=threads)
        table = summarise(gains(cohort, splits, encodings, {STUDENT: taught}))
        table.insert(0, "soft targets on", "all paired patients" if unlabelled else "labelled patients only")
        tables.append(table[table["metric"] == "balanced_accuracy"])
    result = pd.concat(tables)
    result.insert(0, "cohort", cohort.name)
    result[["gain", "ci_low", "ci_high"]] *= 100
    columns = ["cohort", "soft targets on", "control", "gain", "ci_low", "ci_high"]
    return result[columns].rename(columns={"control": "gain over"})


if __name__ == "__main__":
    main()
