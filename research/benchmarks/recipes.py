"""How students are made: each member, their averages, the baselines and the advised student, on test patients.

    python -m research.benchmarks.recipes --data DIR --output DIR
    python -m research.benchmarks.recipes --data DIR --output DIR --only tcga-hnsc/sex --budgets 0.15
    python -m research.benchmarks.recipes --output DIR --tables                  (of what is measured so far)

DIR of --data has the folders of `CASES`. Each cohort, target and label budget is one file of DIR of --output, and is
not measured again. Prints tables in Markdown; recipes.md beside this file has the last. Every omics may teach every
other. Scores are means over outer splits of the primary metric, then over students.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig, DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.evaluation.gains import score_models
from cch_omics.evaluation.intervals import corrected_interval
from cch_omics.models.baselines import fit_baselines
from cch_omics.models.distil import models_of, teaching
from cch_omics.models.encode import encode
from cch_omics.models.ensemble import Ensemble, average, fit_ensembles
from cch_omics.models.out_of_fold import Encoding, Model, OutOfFold
from cch_omics.models.recipes import ALONE, MEMBERS
from cch_omics.models.training_sets import TrainingSets, training_sets
from cch_omics.splits import Splits, make_splits
from cch_omics.verdict.evidence import with_pilots
from cch_omics.verdict.pilot import pilots
from research.benchmarks.cases import CPU, SEED, Case, Settings
from research.benchmarks.kept import keep

CASES = (
    Case("brca-paired", "her2_status", "brca", classes="Negative,Positive"),
    Case("depmap-drugs", "ic50_afatinib", "depmap"),
    Case("tcga-hnsc", "purity_cpe", "hnsc"),
    Case("brca-paired", "er_status", "brca", classes="Negative,Positive"),
    Case("tcga-luad", "sex", "luad"),
    Case("tcga-hnsc", "os", "hnsc"),
    Case("tcga-hnsc", "sex", "hnsc"),
    *(Case(f"tcga-{name}", "purity_cpe", name) for name in ("luad", "lihc")),
    *(Case("depmap-drugs", f"ic50_{drug}", "depmap") for drug in ("trametinib", "palbociclib")),
    *(Case(f"tcga-{name}", "os", name) for name in ("luad", "lihc")),
)
BUDGETS = (0.15, 0.4, 1.0)
DISTILLATION = DistillationConfig()
# Each member, the average of all, the one of the smallest held-out loss, and the average that leaves some out.
NETWORK, DELIVERED = "network", "average as delivered"
WAYS = (*(member.name for member in MEMBERS), "all", "one", DELIVERED)
PERCENT = ", %"
BASELINE = "baseline"
ADVISED = "advised"
CASE = ["metric", "labels, %", "case"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="a file for each case; not for the repository")
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--repeats", type=int, default=1, help="of the 5 outer folds")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if not args.tables:
        if args.data is None:
            parser.error("--data is needed, or --tables")
        settings = Settings(SplitsConfig(repeats=args.repeats), EncoderConfig())
        for budget, case in product(args.budgets, wanted(args.only)):
            path = args.output / f"{case.cohort}-{case.target}-{budget:g}.json"
            keep(path, partial(measure, replace(case, budget=budget), args.data, settings))
    print("\n\n".join(tables(args.output)))


def wanted(only: list[str] | None) -> list[Case]:
    return [case for case in CASES if only is None or {case.cohort, f"{case.cohort}/{case.target}"} & set(only)]


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(case: Case, data: Path | None, settings: Settings) -> dict[str, Any]:
    """Score everything of a case: rows of `way, student, recipe, teacher, control` and a score of each outer split."""
    begun = time.process_time()
    cohort = case.read(data)
    splits = make_splits(cohort, settings.splits, seed=SEED)
    encodings = {
        name: encode(cohort, splits, name, settings.encoder, seed=SEED, device=CPU) for name in cohort.modalities
    }
    students = {name: in_every_way(cohort, splits, encodings, name, settings) for name in cohort.modalities}
    rows = []
    for way in WAYS:
        of_way = {name: ways[way] for name, ways in students.items()}
        scores = primary(cohort, splits, of_way)
        rows += [
            {"way": way, "student": name, **asdict(model), "scores": each} for (name, model), each in scores.items()
        ]
        if way in (NETWORK, DELIVERED):
            rows += [{"way": way, **each} for each in advised(cohort, splits, encodings, of_way, scores)]
    scores = primary(cohort, splits, fit_baselines(cohort, splits, BaselinesConfig(), seed=SEED))
    rows += [
        {"way": BASELINE, "student": name, **asdict(model), "scores": each} for (name, model), each in scores.items()
    ]
    task = cohort.target.task
    about = {
        "cohort": case.cohort,
        "target": case.target,
        "budget": case.budget,
        "folds": settings.splits.folds,
        "metric": task.metrics[task.primary].title,
        "scale": task.metrics[task.primary].scale,
        "labels": int(splits.labelled[splits.full].sum()),
        "omics": {name: len(each.rows) for name, each in cohort.modalities.items()},
        "seconds": time.process_time() - begun,
    }
    return {"about": about, "rows": rows}


def in_every_way(
    cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], student: str, settings: Settings
) -> dict[str, OutOfFold]:
    """The students of one modality as `models.distil` makes them, of the outer splits, in each of the ways."""
    models = models_of(student, [name for name in cohort.modalities if name != student])
    shape = (len(WAYS), len(models), *splits.inner.shape, cohort.target.task.n_outputs)
    outputs = np.full(shape, np.nan, dtype=np.float32)
    kept = encodings[student].inputs
    for s in range(splits.full):
        inputs = None if kept is None else kept[s]
        sets = training_sets(cohort, splits, s, student, settings.encoder, seed=SEED, device=CPU, inputs=inputs)
        taught = teaching(encodings, models[1:], splits, s, sets, DISTILLATION, seed=SEED)
        soft = {"weight": DISTILLATION.weight, "temperature": DISTILLATION.temperature}
        ensembles = fit_ensembles([sets], settings.encoder) + fit_ensembles([sets], settings.encoder, [taught], **soft)
        predicted = np.concatenate([of_members(sets, ensemble) for ensemble in ensembles], axis=2)
        for g, rows in enumerate(sets.predicted):
            outputs[:, :, s, sets.rows[rows]] = predicted[:, g][:, :, rows]
    epochs, weights = np.zeros(shape[1:3], dtype=np.int64), np.zeros((*shape[1:3], 0))
    return {way: OutOfFold(models, each, (), epochs, weights) for way, each in zip(WAYS, outputs, strict=True)}


def of_members(sets: TrainingSets, ensemble: Ensemble) -> NDArray[np.float32]:
    """(W, G, M, n, C) outputs of the models of a split in each of the ways."""
    members = np.stack([ensemble.networks.predict(sets.inputs), *(each.predicted for each in ensemble.linear)])
    return np.stack([*members, members.mean(0), average(sets, members, 0.0)[0], ensemble.predicted])


def primary(cohort: Cohort, splits: Splits, predicted: Mapping[str, OutOfFold]) -> dict[tuple[str, Model], list[float]]:
    """Of each student and model, the primary metric on the test patients of each outer split."""
    place = list(cohort.target.task.metrics).index(cohort.target.task.primary)
    return {
        (student, model): [float(score) for score in scores[:, place]]
        for student, each in predicted.items()
        for model, scores in zip(each.models, score_models(cohort, splits, student, each.outputs)[0], strict=True)
    }


def advised(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    students: Mapping[str, OutOfFold],
    scores: Mapping[tuple[str, Model], list[float]],
) -> Iterator[dict[str, Any]]:
    """Of each student: taught by whom pilots promise most in each outer training set, or alone; and its controls."""
    gained = pilots(cohort, splits, encodings, students)
    for student in students:
        models = promised_most(cohort, splits, gained[gained["student"] == student])
        taught = [bool(model.teacher) for model in models]
        for control in keys.CONTROLS:
            controls = [
                replace(model, control=control, teacher=student if control == "self" else model.teacher)
                if model.teacher
                else model
                for model in models
            ]
            found = [scores[student, model][s] for s, model in enumerate(controls)]
            about = asdict(Model(ADVISED, control=control)) | {"taught": float(np.mean(taught))}
            yield {"student": student, **about, "scores": found}


def promised_most(cohort: Cohort, splits: Splits, gained: pd.DataFrame) -> list[Model]:
    """Of the pilots of one student (`gained`), what it is in each outer split.

    The teacher is that of the largest P(gain > 0), if it is above one half.
    """
    split, pair = list(keys.SPLIT_COLUMNS), list(keys.PAIR_COLUMNS)
    promising = with_pilots(gained[split + pair], gained, cohort.target.task).query("p_gain_positive > 0.5")
    best = promising.sort_values("p_gain_positive", kind="stable").drop_duplicates(split, keep="last")
    chosen = {(row["repeat"], row["fold"]): Model(row["recipe"], row["teacher"]) for row in best.to_dict("records")}
    outer = zip(splits.repeat.tolist(), splits.fold.tolist(), strict=True)
    return [chosen.get(where, Model(ALONE.name)) for where in outer][: splits.full]


# --- Tables -----------------------------------------------------------------------------------------------------------


def tables(output: Path) -> Iterator[str]:
    """What has been measured so far, in Markdown."""
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(output.glob("*.json"))]
    if measured:
        rows = pd.concat([scored(each) for each in measured], ignore_index=True)
        delivered = rows[rows["way"] == DELIVERED]
        yield titled("Trained alone, by what is delivered", levels(rows.query("kind == 'alone'")))
        yield titled("Taught, mean over teachers, by what is delivered", levels(rows.query("kind == 'taught'")))
        yield titled("Students as advised, and baselines", followed(rows))
        yield titled("Gain over training alone, and of controls in the teacher's place", controls(delivered))
        yield titled("Students against baselines: wins, ties, losses by 95% intervals (mean difference)", against(rows))
    yield f"{len(measured)} cases, {sum(each['about']['seconds'] for each in measured) / 60:.0f} minutes of processor."


def titled(title: str, table: pd.DataFrame) -> str:
    return f"## {title}\n\n{table.to_markdown(index=False, floatfmt='g')}"


def scored(measured: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of one case, with what a case is, the mean score, as it is shown, and the kind of the model."""
    about, rows = measured["about"], pd.DataFrame(measured["rows"])
    scale = about["scale"]
    metric = about["metric"] + (PERCENT if scale == 100 else "")
    case = metric, round(100 * about["budget"]), f"{about['cohort']} {about['target']}"
    kind = rows["recipe"].where(rows["recipe"].isin([ALONE.name, ADVISED]), "taught").where(rows["way"] != BASELINE, "")
    return rows.assign(
        **dict(zip(CASE, case, strict=True)),
        folds=about["folds"],
        kind=kind.where(rows["control"] == "none", rows["control"] + " " + kind),
        scores=[scale * np.array(each, dtype=np.float64) for each in rows["scores"]],
        score=[scale * np.nanmean(each) for each in rows["scores"]],
    )


def levels(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean score over students in each of the ways."""
    of_students = rows.groupby([*CASE, "student", "way"])["score"].mean()
    return with_means(of_students.groupby([*CASE, "way"]).mean().unstack("way")[list(WAYS)], cases=False)


def with_means(table: pd.DataFrame, *, cases: bool = True) -> pd.DataFrame:
    """Rows of cases if they are asked for, then their mean, of each metric and budget."""
    parts = []
    for key, part in table.groupby(CASE[:2]):
        mean = (
            part.mean().to_frame().T.set_axis(pd.MultiIndex.from_tuples([(*key, f"mean of {len(part)}")], names=CASE))
        )
        shown = [part] if len(part) == 1 else [part, mean] if cases else [mean]
        # Zero, and not minus zero.
        parts.append(pd.concat(shown).round(digits(str(key[0]))) + 0.0)
    return pd.concat(parts).reset_index()


def digits(metric: str) -> int:
    return 1 if metric.endswith(PERCENT) else 3


def followed(rows: pd.DataFrame) -> pd.DataFrame:
    index = [*CASE, "student"]

    def of(kind: str, way: str) -> pd.Series:
        return rows[(rows["kind"] == kind) & (rows["way"] == way)].set_index(index)["score"]

    baselines = rows[rows["way"] == BASELINE].pivot(index=index, columns="recipe", values="score")
    alone, student = of("alone", DELIVERED), of(ADVISED, DELIVERED)
    columns = {"alone": alone, "advised": student, "advised - alone": student - alone}
    columns |= {"networks alone": of("alone", NETWORK), "networks advised": of(ADVISED, NETWORK)}
    columns |= {f"{name} baseline": baselines[name] for name in baselines}
    columns["advised - best baseline"] = student - baselines.max(axis=1)
    return with_means(pd.DataFrame(columns).groupby(CASE).mean())


def controls(rows: pd.DataFrame) -> pd.DataFrame:
    index = [*CASE, "student"]
    score = rows.groupby([*index, "kind"])["score"].mean().unstack("kind")
    kinds = [name + kind for kind in ("taught", ADVISED) for name in ("", "self ", "shuffled ")]
    gained = score[kinds].sub(score["alone"], axis=0)
    gained["taught as advised, %"] = 100 * rows[rows["kind"] == ADVISED].set_index(index)["taught"]
    return with_means(gained.groupby(CASE).mean(), cases=False)


def against(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts over students, and the mean difference."""
    baselines = rows[rows["way"] == BASELINE]
    students = rows[rows["kind"].isin(["alone", ADVISED]) & rows["way"].isin([NETWORK, DELIVERED])]
    both = students.merge(baselines, on=[*CASE, "student"], suffixes=("", "_of"))
    found: dict[tuple[object, ...], str] = {}
    for key, part in both.groupby([*CASE[:2], "recipe_of", "kind", "way"]):
        each = [corrected_interval(*of) for of in zip(part["scores"] - part["scores_of"], part["folds"], strict=True)]
        mean, low, high = np.array(each).T
        ahead, behind = int((low > 0).sum()), int((high < 0).sum())
        difference = f"{mean.mean():+.{digits(str(key[0]))}f}"
        found[(*key[:3], f"{key[3]}, {key[4]}")] = f"{ahead}, {len(part) - ahead - behind}, {behind} ({difference})"
    return pd.Series(found).rename_axis([*CASE[:2], "baseline", "student"]).unstack("student").reset_index()


if __name__ == "__main__":
    main()
