"""Is the advice right? Every criterion and rival on one half of the patients, against gains on the other half.

    python -m research.benchmarks.decisions --data DIR --output DIR         (make benchmark-decisions DATA=DIR)
    python -m research.benchmarks.decisions --subset --output DIR           (one simulated cohort; seconds)
    python -m research.benchmarks.decisions --data DIR --output DIR --only brca-paired/er_status --budgets 0.15
    python -m research.benchmarks.decisions --output DIR --tables           (of what is measured so far)

DIR of --data has the folders of `measure.CASES`. Each case, label budget, draw of the halves, and half is one file of
DIR of --output, and is not measured again. Writes tables and figures into --pages. Networks, folds, rule and recipe are
those of the default configuration.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from cch_omics.config import EncoderConfig, SplitsConfig
from research.benchmarks.cases import Settings
from research.benchmarks.decisions.measure import CASES, SUBSET, measure_once
from research.benchmarks.decisions.page import write_page

SUBSET_SETTINGS = Settings(
    SplitsConfig(repeats=1, folds=2, inner_folds=3), EncoderConfig(units=8, components=16, max_epochs=20)
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="a file for each case; not for the repository")
    parser.add_argument("--pages", type=Path, nargs="+", metavar="PAGE", help="default: OUTPUT/decisions.md")
    parser.add_argument("--draws", type=int, default=1, help="of the halves, and so of the labels")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.15, 0.4, 1.0])
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--subset", action="store_true")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    if not (args.subset or args.tables) and args.data is None:
        parser.error("--data is needed, or --subset, or --tables")
    cases = SUBSET if args.subset else CASES
    settings = SUBSET_SETTINGS if args.subset else Settings(SplitsConfig(), EncoderConfig())
    if not args.tables:
        chosen = [
            (replace(judged, case=replace(judged.case, budget=budget)), draw, half)
            for draw, judged, budget, half in product(range(args.draws), cases, args.budgets, (0, 1))
            if args.only is None or {judged.case.cohort, f"{judged.case.cohort}/{judged.case.target}"} & set(args.only)
        ]
        with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
            for done in [pool.submit(measure_once, *each, args.data, args.output, settings) for each in chosen]:
                done.result()
    write_page(args.output, args.pages or [args.output / "decisions.md"])


if __name__ == "__main__":
    main()
