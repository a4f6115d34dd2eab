"""Is the advice right? Every criterion against its rivals, on every cohort, target, ordered pair and label budget.

    python -m research.benchmarks.decisions --data DIR --output DIR         (make benchmark-decisions DATA=DIR)
    python -m research.benchmarks.decisions --subset --output DIR           (one simulated cohort; a minute)
    python -m research.benchmarks.decisions --data DIR --output DIR --only brca-paired/er_status --budgets 0.15

DIR of --data has the folders `tcga-paad`, `tcga-lgg`, `tcga-kipan`, `brca-paired` and `tcga-brca`. The steps:

    predict      train everything (predictions.py). Hours; can be stopped and started again
    baselines    the baselines, of the first repeats
    scores       ask every criterion and rival (scores.py)
    page         write tables and figures into --page

Without a step: all of them, in this order. `page` takes what has been scored so far, and says what that is.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from cch_omics.config import EncoderConfig, SplitsConfig
from research.benchmarks.decisions.page import write_page
from research.benchmarks.decisions.predictions import (
    CASES,
    SUBSET,
    SUBSET_SETTINGS,
    Settings,
    complete,
    in_processes,
    predict,
    predict_baselines,
)
from research.benchmarks.decisions.scores import score

STEPS = ("predict", "baselines", "scores", "page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="predictions, kept; not for the repository")
    parser.add_argument("--page", type=Path, help="default: OUTPUT/decisions.md")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.15, 0.4, 1.0])
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--subset", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    steps = args.steps or list(STEPS)
    if unknown := set(steps) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}: choose from {', '.join(STEPS)}")
    if not args.subset and args.data is None and steps != ["page"]:
        parser.error("--data is needed, or --subset")
    cases = SUBSET if args.subset else CASES
    if args.only:
        cases = tuple(case for case in cases if {case.cohort, f"{case.cohort}/{case.target}"} & set(args.only))
    cases = tuple(replace(case, budget=budget) for budget in args.budgets for case in cases)
    settings = (
        SUBSET_SETTINGS
        if args.subset
        else Settings(SplitsConfig(repeats=args.repeats, folds=args.folds), EncoderConfig())
    )

    def say(what: str) -> None:
        print(time.strftime("%H:%M:%S"), what, flush=True)

    def each(work: object, chosen: list, *more: object) -> None:
        in_processes(work, [(case, args.data, args.output, *more) for case in chosen], processes=args.threads, say=say)

    if "predict" in steps:
        there = set(complete(cases, args.output))
        each(predict, [case for case in cases if case not in there], settings)
    if "baselines" in steps:
        left = [c for c in complete(cases, args.output) if not (c.room(args.output) / "baselines.npz").exists()]
        each(predict_baselines, left)
    if "scores" in steps:
        each(score, list(complete(cases, args.output)))
    if "page" in steps:
        page = args.page or args.output / "decisions.md"
        write_page(args.output, cases, page)
        say(f"wrote {page}")


if __name__ == "__main__":
    main()
