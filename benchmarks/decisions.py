"""Is the advice right? Every criterion against its rivals, on every cohort, target, ordered pair and label budget.

    python benchmarks/decisions.py --data DIR --output DIR          (make benchmark-decisions DATA=DIR)
    python benchmarks/decisions.py --subset --output DIR            (one simulated cohort; less than a minute)

DIR of --data has the folders `tcga-paad`, `tcga-lgg`, `tcga-kipan`, `brca-paired` and `tcga-brca`. The steps:

    predict      train everything (decisions_predictions.py). Hours; can be stopped and started again
    scores       ask every criterion (decisions_scores.py)
    references   the reference models, of the first repeats
    extras       counterexamples, students of other sizes, several teachers, linear students (decisions_extras.py)
    page         write tables and figures into --page

Without a step: all of them, in this order. `page` takes what has been predicted so far, and says what that is.
"""

import argparse
import time
from pathlib import Path

from decisions_extras import run_extras
from decisions_page import write_page
from decisions_predictions import BUDGETS, SUBSET, SUBSET_BUDGETS, SUBSET_ENCODER, SUBSET_SPLITS, TASKS, run
from decisions_scores import score_rooms

from cch_omics.config import SplitsConfig

REPOSITORY = Path(__file__).resolve().parent.parent
STEPS = ("predict", "scores", "references", "extras", "page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="predictions, kept; not for the repository")
    parser.add_argument("--page", type=Path, help="default: docs/decisions.md; with --subset OUTPUT/decisions.md")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--budgets", type=float, nargs="+")
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--subset", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    steps = args.steps or list(STEPS)
    if unknown := set(steps) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}: choose from {', '.join(STEPS)}")
    if not args.subset and args.data is None and steps != ["page"]:
        parser.error("--data is needed, or --subset")
    tasks = SUBSET if args.subset else TASKS
    if args.only:
        tasks = tuple(task for task in tasks if {task.cohort, f"{task.cohort}/{task.target}"} & set(args.only))
    splits = SUBSET_SPLITS if args.subset else SplitsConfig(repeats=args.repeats, folds=args.folds)
    budgets = tuple(args.budgets or (SUBSET_BUDGETS if args.subset else BUDGETS))

    def say(what: str) -> None:
        print(time.strftime("%H:%M:%S"), what, flush=True)

    for step in [step for step in STEPS if step in steps]:
        if step in ("predict", "references"):
            run(
                tasks,
                budgets,
                args.data,
                args.output,
                splits,
                processes=args.threads,
                references=step == "references",
                encoder=SUBSET_ENCODER if args.subset else None,
                say=say,
            )
        if step == "scores":
            score_rooms(args.output, tasks, budgets, processes=args.threads, say=say)
        if step == "extras":
            run_extras(tasks, args.data, args.output, splits, processes=args.threads, say=say)
        if step == "page":
            page = args.page or (args.output / "decisions.md" if args.subset else REPOSITORY / "docs" / "decisions.md")
            write_page(args.output, tasks, budgets, page)
            say(f"wrote {page}")


if __name__ == "__main__":
    main()
