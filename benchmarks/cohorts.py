"""Run the workflow with its default settings on two cohorts of TCGA-BRCA: time, memory, and the criterion's score.

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
COHORTS = {
    "brca-paired": {"target": "er_status", "classes": "Negative,Positive"},
    "tcga-brca": {"target": "pam50", "derived_from": "rna"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="keep the results here")
    parser.add_argument("--cores", default="all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = (args.output or Path(scratch)).resolve()
        rows = [measure(name, args.data.resolve(), output / name, args.cores) for name in COHORTS]
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


def measure(name: str, data: Path, output: Path, cores: str) -> dict[str, object]:
    """One run of the workflow from nothing."""
    output.mkdir(parents=True)
    sheet = output / "cohorts.tsv"
    row = {"cohort": name, "source": str(data / name)} | COHORTS[name]
    sheet.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    started = time.monotonic()
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", output]
    command += ["--cores", cores, "--configfile", REPOSITORY / "config" / "config.yaml"]
    command += ["--config", f"cohorts={sheet}"]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    wall = time.monotonic() - started
    results = output / "results" / name / COHORTS[name]["target"]
    scorecard = pd.read_csv(results / "scorecard.tsv", sep="\t").set_index("criterion").loc["cch"]
    return {
        "cohort": name,
        "ordered pairs": scorecard["n_pairs"],
        "wall time, s": wall,
        # The largest process of all that have ended so far: of the cohorts before as well.
        "peak memory of a process, MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "harmed": scorecard["n_harmed"],
        "AUROC(gap, harmed)": scorecard["auroc_harmed"],
        "gained over self": scorecard["n_gained"],
        "AUROC(gap, gained)": scorecard["auroc_gained"],
        "Spearman(gap, gain)": scorecard["spearman"],
    }


if __name__ == "__main__":
    main()
