"""Survival times, numbers and a class of real cohorts: students against baselines, gains, and verdicts against them.

    python -m research.benchmarks.endpoints --data DIR --output DIR
    python -m research.benchmarks.endpoints --data DIR --output DIR --only tcga-lihc/age    (the smallest)
    python -m research.benchmarks.endpoints --output DIR --tables                           (of what is measured so far)

DIR of --data has the folders of `CASES`. Each cohort, target and label budget is one file of DIR of --output, and is
not measured again; neither is a permutation of its labels. Prints tables in Markdown; endpoints.md beside this file has
the last. Networks, folds, rule and baselines are those of the default configuration; standard errors of mutual
information are of fewer half-samples, and no control is trained on permuted soft targets.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, t

from cch_omics import keys
from cch_omics.cohort import Cohort, Target
from cch_omics.config import (
    BaselinesConfig,
    CriterionConfig,
    EncoderConfig,
    SheetRow,
    SplitsConfig,
)
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.evaluation import evaluate
from cch_omics.evaluation.intervals import CONFIDENCE
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.baselines import fit_baselines
from cch_omics.splits import make_splits
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.rule import choose_teachers, decide
from research.benchmarks.cases import CHOSEN, CLEAN, INFORMATION, SEED, trained
from research.benchmarks.kept import keep

PAIR = list(keys.PAIR_COLUMNS)
CASE = ["cohort", "target", "budget"]
BUDGETS = (1.0, 0.25)
# Beside the rule in force, the pilots.
CRITERIA = ("pilot", "cch", "accuracy_difference", "always", "never")
NUMBERS = ("purity_ihc", "purity_cpe", "age")
DRUGS = ("afatinib", "dabrafenib", "trametinib", "paclitaxel", "olaparib", "palbociclib")
DERIVED = "target derived from omics"


@dataclass(frozen=True)
class Case:
    """One cohort, target, label budget, and permutation of the labels (0: as they are).

    Attributes
    ----------
    kind
        `CLEAN`, or why the result is to be read apart.
    """

    cohort: str
    target: str
    kind: str = CLEAN
    budget: float = 1.0
    permutation: int = 0

    @property
    def name(self) -> str:
        permuted = f"-permuted{self.permutation}" if self.permutation else ""
        return f"{self.cohort}-{self.target}-{self.budget:g}{permuted}"

    def read(self, data: Path) -> Cohort:
        """Every omics may teach, also one that the target is derived from."""
        row = SheetRow(cohort=self.cohort, source=str(data / self.cohort), target=self.target, label_budget=self.budget)
        cohort = assemble(read_source(row), row)[0]
        return replace(cohort, target=permuted(cohort.target, self.permutation)) if self.permutation else cohort


# Features of RNA and methylation of the first four were chosen with a label; purity_cpe is the median of measures, one
# of which is made from RNA and one from copy numbers.
CASES = (
    *(Case(f"tcga-{name}", "os", CHOSEN) for name in ("brca", "kipan", "lgg", "paad")),
    *(Case(f"tcga-{name}", "os") for name in ("hnsc", "luad", "lihc")),
    *(Case("depmap-drugs", f"ic50_{drug}") for drug in DRUGS),
    *(
        Case(f"tcga-{name}", target, DERIVED if target == "purity_cpe" else CLEAN)
        for target, name in product(NUMBERS, ("hnsc", "luad", "lihc"))
    ),
    *(Case(f"tcga-{name}", "sex") for name in ("hnsc", "luad")),
)
# Their labels are permuted over patients: nothing is to be learnt.
PERMUTED = (Case("tcga-paad", "os", CHOSEN), Case("tcga-lihc", "purity_ihc"), Case("tcga-hnsc", "sex"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="a file for each case; not for the repository")
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--permutations", type=int, default=10, help="of the labels of three cohorts")
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 outer folds")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if not args.tables:
        if args.data is None:
            parser.error("--data is needed, or --tables")
        for case in wanted(args.only, args.budgets, args.permutations):
            settings = SplitsConfig(repeats=args.repeats)
            keep(args.output / f"{case.name}.json", partial(measure, case, args.data, settings))
    print("\n\n".join(tables(args.output)))


def wanted(only: list[str] | None, budgets: Sequence[float], permutations: int) -> Iterator[Case]:
    """The cases to measure, those with permuted labels last."""
    permuted = [replace(case, permutation=number + 1) for number in range(permutations) for case in PERMUTED]
    for case, budget in product((*CASES, *permuted), budgets):
        if only is None or {case.cohort, f"{case.cohort}/{case.target}"} & set(only):
            yield replace(case, budget=budget)


def permuted(target: Target, number: int) -> Target:
    """The labels, as they are, of other samples."""
    values, observed = target.values.copy(), np.flatnonzero(target.observed)
    values[observed] = values[np.random.default_rng((SEED, number)).permutation(observed)]
    return replace(target, values=values)


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(case: Case, data: Path, folds: SplitsConfig) -> dict[str, Any]:
    """Train everything of a case; its tables as lists of rows. Of permuted labels the verdicts alone."""
    begun = time.process_time()
    cohort = case.read(data)
    splits = make_splits(cohort, folds, seed=SEED)
    encodings, students = trained(cohort, splits, EncoderConfig())
    information = estimate_pairs(cohort, splits, encodings, INFORMATION, seed=SEED)
    evidence = gather(cohort, splits, encodings, students, information)
    rule = CriterionConfig()
    found = {
        "verdicts": decide(evidence, rule, cohort.target).drop(columns="reason"),
        "teachers": choose_teachers(evidence, rule, cohort.target, cohort.modalities),
    }
    if not case.permutation:
        baselines = fit_baselines(cohort, splits, BaselinesConfig(), seed=SEED)
        judged = evaluate(cohort, splits, encodings, students, baselines, evidence, rule)
        primary = cohort.target.task.primary
        found |= {
            "advice": judged.advised[judged.advised["criterion"] == rule.rule],
            "comparisons": judged.comparisons,
            "criteria": judged.criteria,
            "performance": judged.performance[judged.performance["metric"] == primary],
            "summary": judged.summary[judged.summary["metric"] == primary],
        }
    about = asdict(case) | {
        "task": cohort.target.task.name,
        "metric": cohort.target.task.primary,
        "omics": {name: len(each.rows) for name, each in cohort.modalities.items()},
        "labels": int(splits.labelled[splits.full].sum()),
        "seconds": time.process_time() - begun,
    }
    return {"about": about} | {name: json.loads(table.to_json(orient="records")) for name, table in found.items()}


# --- Tables -----------------------------------------------------------------------------------------------------------


def tables(output: Path) -> Iterator[str]:
    """What has been measured so far, in Markdown."""
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(output.glob("*.json"))]
    real = [each for each in measured if not each["about"]["permutation"]]
    if real:
        compared = rows_of(real, "comparisons").query("model == 'alone'")
        yield titled("Students alone against baselines, means over cohorts", against_baselines(compared))
        yield titled("Students alone against baselines, by cohort", by_cohort(real, compared))
        yield titled("What distilling gained, over pairs", gained(rows_of(real, "summary")))
        yield titled("Verdicts against outcomes", outcomes(rows_of(real, "criteria"), rows_of(real, "summary")))
        yield titled("Following the advice", followed(rows_of(real, "advice")))
        yield titled("Pairs called distil or do_not_distil, or with a gain beyond its interval", pairs(real))
    if without := [each for each in measured if each["about"]["permutation"]]:
        yield titled("Permuted labels", of_permuted(without))
    yield f"{len(measured)} cases, {sum(each['about']['seconds'] for each in measured) / 60:.0f} minutes of processor."


def titled(title: str, table: pd.DataFrame) -> str:
    return f"## {title}\n\n{table.to_markdown(index=False, floatfmt='.3f')}"


def rows_of(measured: list[dict[str, Any]], name: str) -> pd.DataFrame:
    """One table of all cases, with what a case is."""
    columns = [*CASE, "kind", "task", "metric"]
    parts = [
        pd.DataFrame(each[name]).assign(**{column: each["about"][column] for column in columns}) for each in measured
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def over_cohorts(table: pd.DataFrame, value: str) -> tuple[float, float, float]:
    """Mean over cohorts of the means of their rows, and its 95% interval: rows of one cohort are not independent."""
    means = table.groupby("cohort")[value].mean().dropna()
    if len(means) < 2:
        return float(means.mean()), float("nan"), float("nan")
    arm = float(t.ppf((1 + CONFIDENCE) / 2, len(means) - 1) * means.sem())
    return float(means.mean()), float(means.mean()) - arm, float(means.mean()) + arm


def shown(mean: float, low: float, high: float) -> str:
    return f"{mean:+.3f}" if np.isnan(low) else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def groups(table: pd.DataFrame, *more: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Parts of a table by task, label budget and whether they are clean, with the first columns of their rows."""
    for (metric, budget, kind, *rest), part in table.groupby(["metric", "budget", "kind", *more], sort=True):
        first = {"metric": metric, "labels": f"{budget:.0%}", "cohorts": kind}
        yield first | dict(zip(more, rest, strict=True)), part


def against_baselines(compared: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for first, part in groups(compared, "baseline"):
        ahead, behind = int((part["ci_low"] > 0).sum()), int((part["ci_high"] < 0).sum())
        rows.append(
            first
            | {
                "cohorts, students": f"{part['cohort'].nunique()}, {len(part)}",
                "student minus baseline": shown(*over_cohorts(part, "difference")),
                "wins, ties, losses": f"{ahead}, {len(part) - ahead - behind}, {behind}",
            }
        )
    return pd.DataFrame(rows)


def by_cohort(real: list[dict[str, Any]], compared: pd.DataFrame) -> pd.DataFrame:
    """The primary metric of each student that is trained alone, and of its baselines, at each label budget."""
    means = rows_of(real, "performance")
    models = ["alone", *sorted(compared["baseline"].unique())]
    rows = means[means["model"].isin(models)].pivot(index=[*CASE, "student"], columns="model", values="mean")[models]
    text = rows.apply(lambda row: ", ".join(f"{value:.3f}" for value in row), axis=1)
    lost = compared[compared["ci_high"] < 0].groupby([*CASE, "student"])["baseline"].agg(" and ".join)
    text += lost.reindex(text.index).map(lambda names: f"; loses to {names}", na_action="ignore").fillna("")
    table = text.unstack("budget").sort_index(axis=1, ascending=False)
    return table.rename(columns=lambda budget: f"{budget:.0%}: {', '.join(models)}").reset_index()


def gained(summary: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for first, part in groups(summary[summary["control"] == "none"]):
        up, down = int((part["ci_low"] > 0).sum()), int((part["ci_high"] < 0).sum())
        worst, best = (
            f"{pair['gain']:+.3f} ({pair['cohort']} {pair['target']}, {pair['teacher']} to {pair['student']})"
            for pair in part.sort_values("gain").iloc[[0, -1]].to_dict("records")
        )
        rows.append(
            first
            | {
                "pairs": len(part),
                "mean gain": shown(*over_cohorts(part, "gain")),
                "gains, ties, losses": f"{up}, {len(part) - up - down}, {down}",
                "best": best,
                "worst": worst,
            }
        )
    return pd.DataFrame(rows)


def outcomes(criteria: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Decided signs against the signs of mean gains; those against a gain that is beyond its interval as well."""
    intervals = summary[summary["control"] == "none"][[*CASE, *PAIR, "ci_low", "ci_high"]]
    table = criteria.merge(intervals, on=[*CASE, *PAIR])
    rows = []
    for first, part in groups(table, "criterion"):
        if first["criterion"] not in CRITERIA:
            continue
        distilled, refused = part["decision"] == keys.DISTIL, part["decision"] == keys.DO_NOT_DISTIL
        right = (distilled & (part["gain"] > 0)) | (refused & (part["gain"] <= 0))
        wrong = (distilled & (part["ci_high"] < 0)) | (refused & (part["ci_low"] > 0))
        rows.append(
            first
            | {
                "pairs": len(part),
                "distil": int(distilled.sum()),
                "do not": int(refused.sum()),
                "decided, sign right": f"{int(right.sum())} of {int((distilled | refused).sum())}",
                "wrong beyond the interval": int(wrong.sum()),
                "mean gain of distil": part.loc[distilled, "gain"].mean(),
                "Spearman": part["score"].rank().corr(part["gain"].rank()) if part["score"].nunique() > 1 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def followed(chosen: pd.DataFrame) -> pd.DataFrame:
    """Gain of the teacher, or of none, that was chosen inside each outer training set, on its test patients."""
    rows = []
    for first, part in groups(chosen):
        of_student = part.set_index(["cohort", "target", "student"])["advised_gain"]
        rows.append(
            first
            | {
                "students": len(of_student),
                "taught": f"{part['taught'].mean():.0%}",
                "mean gain": shown(*over_cohorts(part, "advised_gain")),
                "students better, worse": f"{int((of_student > 0).sum())}, {int((of_student < 0).sum())}",
            }
        )
    return pd.DataFrame(rows)


def pairs(real: list[dict[str, Any]]) -> pd.DataFrame:
    """The pairs of which something is known."""
    by = [*CASE, *PAIR]
    measured = rows_of(real, "summary").query("control == 'none'").set_index(by)
    judged = rows_of(real, "verdicts").set_index(by)
    table = judged[["pilot_gain", "pilot_gain_se", "gap", "verdict"]].join(measured[["gain", "ci_low", "ci_high"]])
    known = (table["verdict"] != keys.UNDECIDED) | (table["ci_low"] > 0) | (table["ci_high"] < 0)
    return table[known].reset_index().drop(columns="recipe")


def of_permuted(without: list[dict[str, Any]]) -> pd.DataFrame:
    """How often something is called distil where there is nothing to learn."""
    verdicts, students = rows_of(without, "verdicts"), rows_of(without, "teachers")
    rows = []
    for (task, budget), part in verdicts.groupby(["task", "budget"]):
        of_students = students[(students["task"] == task) & (students["budget"] == budget)]
        wrong, n = int((part["verdict"] == keys.DISTIL).sum()), len(part)
        interval = binomtest(wrong, n).proportion_ci()
        rows.append(
            {
                "metric": part["metric"].iloc[0],
                "labels": f"{budget:.0%}",
                "cohort": f"{part['cohort'].iloc[0]} {part['target'].iloc[0]}",
                "pairs": n,
                "distil": f"{wrong} ({interval.low:.1%} to {interval.high:.1%})",
                "do not": int((part["verdict"] == keys.DO_NOT_DISTIL).sum()),
                "mean pilot gain": part["pilot_gain"].mean(),
                "students": len(of_students),
                "students called distil": int((of_students["verdict"] == keys.DISTIL).sum()),
                "students with a teacher": int((of_students["teacher"] != "").sum()),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
