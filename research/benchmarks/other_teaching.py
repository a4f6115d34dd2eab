"""What else could teach: the student itself on patients without the teacher's omics, omics together, and boosting.

    python -m research.benchmarks.other_teaching --data DIR --output DIR
    python -m research.benchmarks.other_teaching --output DIR          (of what is measured so far)

DIR of --data has the folders of the clean cases of `decisions.measure`. Each cohort, target and label budget is one
file of DIR of --output, and is not measured again. Splits, teaching, pilots and the choice by them are those of the
package; encoders and students are its linear members alone, averaged as the package averages members: they are made
fast. Prints a table in Markdown; recipes.md beside this file has the last.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import SplitsConfig
from cch_omics.models.distil import teaching
from cch_omics.models.encode import out_of_fold_soft_targets
from cch_omics.models.ensemble import CLEARLY, LINEAR, average
from cch_omics.models.linear import fit_linear
from cch_omics.models.out_of_fold import Encoding, Model, OutOfFold
from cch_omics.models.recipes import ALONE, SOFT_TARGETS
from cch_omics.models.training_sets import Teaching, TrainingSets
from cch_omics.splits import Splits, make_splits
from cch_omics.verdict.pilot import pilots
from research.benchmarks.cases import CLEAN, SEED, Case
from research.benchmarks.coverage import of_split
from research.benchmarks.decisions.measure import CASES
from research.benchmarks.decisions.page import CASE, over_patients, percent, shown
from research.benchmarks.kept import keep
from research.benchmarks.recipes import BUDGETS, DISTILLATION, primary, promised_most

# What a student may be taught by.
OTHER, WITH_OWN, TOGETHER, ALL = "another omics", "another and its own", "all others together", "all and its own"
BOOSTED = "another omics, boosting"
HALF = "another omics of half the patients"
HALF_AND_OWN, HALF_THEN_OWN = "the same, itself on the other half", "the same, then itself on the other half"
ITSELF, UNLABELLED = "itself", "itself on unlabelled patients"
# Among whom pilots may choose, for the advised gain.
ANY = "any of these"
CHOICES: Mapping[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in (OTHER, WITH_OWN, TOGETHER, ALL, BOOSTED)},
    ANY: (OTHER, WITH_OWN, TOGETHER, ALL, BOOSTED),
    **{kind: (kind,) for kind in (ITSELF, UNLABELLED, HALF, HALF_AND_OWN, HALF_THEN_OWN)},
}
# What each is compared with.
BEFORE = {kind: OTHER for kind in (WITH_OWN, TOGETHER, ALL, BOOSTED, ANY)} | {HALF_AND_OWN: HALF, HALF_THEN_OWN: HALF}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="without it nothing is measured")
    parser.add_argument("--output", type=Path, required=True, help="a file for each case; not for the repository")
    parser.add_argument("--only", nargs="+", metavar="COHORT[/TARGET]")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    args = parser.parse_args()
    cases = [judged.case for judged in CASES if judged.kind == CLEAN]
    for budget, case in product(args.budgets, cases if args.data else ()):
        if args.only is None or {case.cohort, f"{case.cohort}/{case.target}"} & set(args.only):
            path = args.output / f"{case.cohort}-{case.target}-{budget:g}.json"
            keep(path, partial(measure, replace(case, budget=budget), args.data))
    print("\n\n".join(tables(args.output)))


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(case: Case, data: Path | None) -> dict[str, Any]:
    """Gains of the students of a case, mean over outer splits, by what teaches them."""
    begun = time.process_time()
    cohort = case.read(data)
    splits = make_splits(cohort, SplitsConfig(repeats=1), seed=SEED)
    rows = [row for taught in taught_by(cohort, splits) for row in gains_of(cohort, splits, *taught)]
    about = {name: getattr(case, name) for name in ("cluster", "cohort", "target", "budget")}
    return {"about": about | {"seconds": time.process_time() - begun}, "rows": rows}


def taught_by(cohort: Cohort, splits: Splits) -> Iterator[tuple[str, dict[str, str], dict[str, Encoding]]]:
    """Of each student the kinds of its teachers by their names, and encodings of all of these and of itself."""
    names = list(cohort.modalities)
    less = fewer(cohort, half_of(cohort))
    linear = {name: encoding(cohort, splits, name, fitted) for name in names}
    halves = {name: encoding(less, splits, name, fitted) for name in names}
    trees = {name: encoding(cohort, splits, name, partial(boosted, cohort, name)) for name in names}
    fused: dict[str, Encoding] = {}
    for student in names:
        others = [name for name in names if name != student]
        kinds = {other: OTHER for other in others}
        with_own = [(WITH_OWN, [other, student]) for other in others]
        for kind, members in [*with_own, (TOGETHER, others), (ALL, names)]:
            view = "+".join(name for name in names if name in members)
            kinds[view] = kind
            if view not in fused:
                fused[view] = encoding(cohort, splits, view, fitted)
        own = linear[student]
        encodings = linear | fused
        for other in others:
            kinds |= {f"boosting {other}": BOOSTED, f"half {other}": HALF, f"half {other} and own": HALF_AND_OWN}
            encodings[f"boosting {other}"] = trees[other]
            encodings[f"half {other}"] = encodings[f"half {other}, then itself"] = halves[other]
            encodings[f"half {other} and own"] = filled(halves[other], own)
        labelled = splits.labelled[:, None, :, None]
        encodings["unlabelled"] = replace(own, soft_targets=np.where(labelled, np.float32(np.nan), own.soft_targets))
        yield student, kinds | {student: ITSELF, "unlabelled": UNLABELLED}, encodings


def half_of(cohort: Cohort) -> NDArray[np.bool_]:
    """(n,) one half of the patients."""
    patients, patient = np.unique(cohort.groups, return_inverse=True)
    chosen: NDArray[np.bool_] = np.random.default_rng(SEED).permutation(len(patients))[patient] < len(patients) // 2
    return chosen


def fewer(cohort: Cohort, some: NDArray[np.bool_]) -> Cohort:
    """The cohort in which only (n,) some samples have omics."""
    modalities = dict(cohort.modalities)
    for name, each in modalities.items():
        modalities[name] = replace(each, values=each.values[some[each.rows]], rows=each.rows[some[each.rows]])
    return replace(cohort, modalities=modalities)


def fitted(sets: TrainingSets, taught: Teaching | None = None) -> NDArray[np.float32]:
    """(G, M, n, C) outputs of averages of the linear members."""
    members = fit_linear(sets, taught, soft_weight=DISTILLATION.weight, screened=LINEAR)
    return average(sets, np.stack([each.predicted for each in members]), CLEARLY)[0]


def boosted(cohort: Cohort, name: str, sets: TrainingSets) -> NDArray[np.float32]:
    """(G, 1, n, C) outputs of boosted trees; rounds are chosen on the inner folds that a training set may look at."""
    values, path = cohort.modalities[name].values, sets.task.baselines["boosting"].path
    of_rounds = [list(path(values[usable], sets.values[usable], values, SEED)) for usable in sets.train & sets.labelled]
    outputs = np.array(of_rounds).swapaxes(0, 1)  # (R, G, n, C)
    loss = np.empty((len(outputs), sets.n_inner))
    for g in range(sets.n_inner):
        judged = sets.predicted[g] & sets.labelled
        loss[:, g] = sets.task.loss(outputs[:, g][:, judged], sets.values[judged]).sum(1)
    rounds = ((sets.judges()[:, : sets.n_inner] > 0) @ loss.T).argmin(1)
    return outputs[rounds, np.arange(len(rounds))][:, None].astype(np.float32)


def encoding(cohort: Cohort, splits: Splits, view: str, fit: Callable[[TrainingSets], NDArray[np.float32]]) -> Encoding:
    """What `models.encode.encode` says of a view, by other models: outputs and soft targets of the outer splits."""
    n_splits, n = splits.inner.shape
    outputs = np.full((n_splits, n, cohort.target.task.n_outputs), np.nan, dtype=np.float32)
    soft_targets = np.full((n_splits, splits.n_inner + 1, *outputs.shape[1:]), np.nan, dtype=np.float32)
    for s in range(splits.full):
        sets = of_split(cohort, splits, s, view, pairs=True)
        predicted = fit(sets)[:, 0]
        soft_targets[s][:, sets.rows] = out_of_fold_soft_targets(sets, predicted)
        for g in sets.singles:
            outputs[s, sets.rows[sets.predicted[g]]] = predicted[g, sets.predicted[g]]
    return Encoding(outputs[..., :0], outputs, soft_targets, np.zeros(n_splits, np.int64), np.zeros((n_splits, 0)))


def filled(teacher: Encoding, own: Encoding) -> Encoding:
    """What the teacher says; of samples without its omics, what the student itself says."""
    outputs, soft_targets = (
        np.where(np.isnan(said), instead, said)
        for said, instead in ((teacher.outputs, own.outputs), (teacher.soft_targets, own.soft_targets))
    )
    return replace(teacher, outputs=outputs, soft_targets=soft_targets)


def gains_of(
    cohort: Cohort, splits: Splits, student: str, kinds: Mapping[str, str], encodings: Mapping[str, Encoding]
) -> Iterator[dict[str, Any]]:
    """A row for each teacher, and for each choice of pilots among some: `advised`."""
    predicted = students(cohort, splits, student, kinds, encodings)
    kinds = {model.teacher: kinds.get(model.teacher, HALF_THEN_OWN) for model in predicted.taught}
    found = primary(cohort, splits, {student: predicted})
    scores = {model.teacher: np.array(each) for (_, model), each in found.items()}
    for teacher, kind in kinds.items():
        gain = float(np.nanmean(scores[teacher] - scores[""]))
        yield {"student": student, "teacher": teacher, "kind": kind, "advised": False, "gain": gain}
    gained = pilots(cohort, splits, encodings, {student: predicted})
    for name, among in CHOICES.items():
        chosen = promised_most(cohort, splits, gained[gained["teacher"].map(kinds).isin(among)])
        score = np.array([scores[model.teacher][s] for s, model in enumerate(chosen)])
        yield {"student": student, "kind": name, "advised": True, "gain": float(np.nanmean(score - scores[""]))}


def students(
    cohort: Cohort, splits: Splits, student: str, kinds: Mapping[str, str], encodings: Mapping[str, Encoding]
) -> OutOfFold:
    """The student trained alone, taught by each teacher, and once more by what it was made with half the patients."""
    models = [Model(ALONE.name), *(Model(SOFT_TARGETS.name, teacher) for teacher in kinds)]
    halves = [m for m, kind in enumerate(kinds.values()) if kind == HALF]
    more = [Model(SOFT_TARGETS.name, f"{models[1 + m].teacher}, then itself") for m in halves]
    own = encodings[student].outputs
    outputs = np.full((len(models) + len(more), *own.shape), np.nan, dtype=np.float32)
    outputs[0] = own
    for s in range(splits.full):
        sets = of_split(cohort, splits, s, student, pairs=False)
        taught = teaching(encodings, models[1:], splits, s, sets, DISTILLATION, seed=SEED)
        once = fitted(sets, taught)
        said, paired = once[:, halves].swapaxes(0, 1), taught.samples[halves]
        # Itself as it was taught: without a label and the teacher's omics, these samples had no share in that.
        said = np.where(paired[:, None, :, None], taught.outputs[halves], said)
        again = fitted(sets, Teaching(said, paired | (sets.train[-1] & ~sets.labelled)))
        for g, members in enumerate(sets.predicted):
            outputs[1:, s, sets.rows[members]] = np.concatenate([once[g], again[g]])[:, members]
    shape = outputs.shape[:2]
    return OutOfFold((*models, *more), outputs, (), np.zeros(shape, dtype=np.int64), np.zeros((*shape, 0)))


# --- Tables -----------------------------------------------------------------------------------------------------------


def tables(output: Path) -> Iterator[str]:
    """What has been measured so far, in Markdown."""
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(output.glob("*.json"))]
    if measured:
        rows = pd.concat([pd.DataFrame(each["rows"]).assign(**each["about"], draw=0, half=0) for each in measured])
        yield str(pd.DataFrame(by_kind(rows)).fillna("").to_markdown(index=False, disable_numparse=True))
    yield f"{len(measured)} cases, {sum(each['about']['seconds'] for each in measured) / 60:.0f} minutes of processor."


def by_kind(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    """A row for each budget and kind of teacher; means and intervals are over groups of patients, in points."""
    of_cases = rows.groupby(["cluster", *CASE, "advised", "kind"])["gain"].mean().unstack("kind")
    for budget, kind in product(sorted(rows["budget"].unique()), CHOICES):
        pairs = rows[(rows["budget"] == budget) & (rows["kind"] == kind) & ~rows["advised"].astype(bool)]["gain"]
        row = {"labels": percent(budget), "taught by": kind, "pairs": str(len(pairs))}
        for title, advised in (("mean gain", False), ("advised gain", True)):
            gain = of_cases.xs((budget, advised), level=("budget", "advised"), drop_level=False)
            row[title] = over_groups(gain[kind])
            row[f"{title}, more"] = over_groups(gain[kind] - gain[BEFORE[kind]]) if kind in BEFORE else ""
        # Harmed: more than a hundredth of balanced accuracy, R² or C lost.
        of_pairs = {"worst": f"{100 * pairs.min():+.1f}", "harmed": f"{(pairs < -0.01).mean():.0%}"}
        yield row | (of_pairs if len(pairs) else {})


def over_groups(gain: "pd.Series[float]") -> str:
    return "" if gain.isna().all() else shown(*over_patients(gain.rename("gain").reset_index(), "gain"))


if __name__ == "__main__":
    main()
