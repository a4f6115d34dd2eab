"""Run the workflow with its default settings on TCGA-BRCA: time, memory, and the criterion's score.

    python benchmarks/cohorts.py --data DIR

DIR has the folders `brca-paired` and `tcga-brca`. Prints a table in Markdown; README.md beside this file has the last.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = [
    {"cohort": "brca-paired", "target": "er_status", "classes": "Negative,Positive"},
    {"cohort": "tcga-brca", "target": "pam50", "derived_from": "rna"},
    {"cohort": "tcga-brca", "target": "er_status"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="keep the results here")
    parser.add_argument("--cores", default="all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = (args.output or Path(scratch)).resolve()
        rows = [measure(row, args.data.resolve(), output, args.cores) for row in ROWS]
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


def measure(row: dict[str, str], data: Path, parent: Path, cores: str) -> dict[str, object]:
    """One run of the workflow from nothing."""
    output = parent / f"{row['cohort']}-{row['target']}"
    output.mkdir(parents=True)
    sheet = output / "cohorts.tsv"
    row = row | {"source": str(data / row["cohort"])}
    sheet.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    started = time.monotonic()
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", output]
    command += ["--cores", cores, "--configfile", REPOSITORY / "config" / "config.yaml"]
    command += ["--config", f"cohorts={sheet}"]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    wall = time.monotonic() - started
    results = output / "results" / row["cohort"] / row["target"]
    scorecard = pd.read_csv(results / "scorecard.tsv", sep="\t").set_index("criterion")
    plain, verdict = scorecard.loc["cch"], scorecard.loc["verdict"]
    return {
        "cohort": row["cohort"],
        "target": row["target"],
        "ordered pairs": plain["n_pairs"],
        "wall time, s": wall,
        # The largest process of all that have ended so far: of the rows above as well.
        "peak memory of a process, MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "harmed": plain["n_harmed"],
        "AUROC(gap, harmed)": plain["auroc_harmed"],
        "gained over self": plain["n_gained"],
        "AUROC(gap, gained)": plain["auroc_gained"],
        "Spearman(gap, gain)": plain["spearman"],
        "sign right, gap": plain["sign_accuracy"],
        "sign right, verdict": verdict["sign_accuracy"],
        "undecided": verdict["abstention"],
    }


if __name__ == "__main__":
    main()
