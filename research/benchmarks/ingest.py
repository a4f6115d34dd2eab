"""Time and peak memory of ingesting and encoding large cohorts, against features and patients.

    python -m research.benchmarks.ingest                          # up to 450,000 x 800 and 20,000 x 10,000
    python -m research.benchmarks.ingest 20000x1000 450000x800    # features x patients
    python -m research.benchmarks.ingest 1000x100                 # the smallest run

Each step is a command of its own, `cch ...`, on one thread; its peak is that of its process. The data are noise with a
hundred features that know the class. Encoding is measured with few folds (1 repeat, 2 folds, 2 inner folds: 9 training
sets instead of the 66 of the default configuration); its memory does not depend on their number, its time is
proportional to it. Prints a table in Markdown; the last one is in README.md beside this file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

REPOSITORY = Path(__file__).resolve().parents[2]
SHAPES = ["20000x1000", "450000x200", "450000x800", "20000x10000"]
SPLITS = {"repeats": 1, "folds": 2, "inner_folds": 3}
MEASURED = """
import resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(done.returncode, time.perf_counter() - start, peak / 2**20)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=SHAPES, metavar="FEATURESxPATIENTS")
    parser.add_argument("--format", choices=("parquet", "tsv"), default="parquet", help="of the large table")
    parser.add_argument("--ingest-only", action="store_true")
    args = parser.parse_args()
    print("| features x patients | table | float32 | step | seconds | peak, GiB |")
    print("|---|---|---|---|---|---|")
    for shape in args.shapes:
        n_features, n_patients = (int(number) for number in shape.split("x"))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_cohort(folder / "data", n_features, n_patients, args.format)
            size = f"{4 * n_features * n_patients / 2**30:.2f} GiB"
            for step, command in steps(folder, ingest_only=args.ingest_only).items():
                seconds, peak = measure(command)
                cells = f"{n_features:,} x {n_patients:,} | {args.format} | {size} | {step}"
                print(f"| {cells} | {seconds:.0f} | {peak:.1f} |", flush=True)


def write_cohort(folder: Path, n_features: int, n_patients: int, kind: str) -> None:
    """A methylation table with features in rows, as arrays are published, a small second omics, and labels."""
    folder.mkdir()
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, n_patients)
    ids = [f"TCGA-{number // 500:02d}-{number:04X}-01" for number in range(n_patients)]
    features = np.char.add("cg", np.arange(n_features).astype("U8"))
    columns = {"feature": pa.array(features)}
    for patient, name in enumerate(ids):
        values = random.random(n_features, dtype=np.float32)
        values[:100] += 0.5 * labels[patient]
        values[random.integers(0, n_features, n_features // 100)] = np.nan
        columns[name] = pa.array(values)
    table = pa.table(columns)
    if kind == "parquet":
        parquet.write_table(table, folder / "methylation.parquet", use_dictionary=False)
    else:
        from pyarrow import csv

        csv.write_csv(table, folder / "methylation.tsv", csv.WriteOptions(delimiter="\t"))
    small = random.normal(size=(n_patients, 50)) + labels[:, None]
    pd.DataFrame(small, index=ids, columns=[f"g{j}" for j in range(50)]).to_csv(folder / "rppa.csv")
    pd.DataFrame({"subtype": np.array(["a", "b"])[labels]}, index=ids).to_csv(folder / "clinical.csv")


def steps(folder: Path, *, ingest_only: bool) -> dict[str, list[str]]:
    cch = [sys.executable, "-m", "cch_omics"]
    written = ["--cohort", str(folder / "cohort.h5mu"), "--splits", str(folder / "splits.npz")]
    row = json.dumps({"cohort": "large", "source": str(folder / "data"), "target": "subtype"})
    settings = ["--settings", json.dumps({"splits": SPLITS})]
    ingest = [*cch, "ingest", "--row", row, *written, "--audit", str(folder / "audit.json"), *settings]
    if ingest_only:
        return {"ingest": ingest}
    output = ["--view", "methylation", "--output", str(folder / "encoding.npz"), "--device", "cpu"]
    return {"ingest": ingest, "encode": [*cch, "encode", *written, *output]}


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds, and GiB of the largest process."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    status, seconds, peak = done.stdout.split()[-3:]
    if status != "0":
        raise SystemExit(f"failed: {' '.join(command)}")
    return float(seconds), float(peak)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} seconds in all", file=sys.stderr)
