"""Beyond the pairs of real omics: counterexamples, students of other sizes, and several teachers at once.

- `permuted`: the labels of the patients are permuted. Nothing can be learnt, and nothing may be advised.
- `doubles`: two omics, a modality of noise that knows nothing, and one that is the weaker omics plus noise of its own.
- `units`: students of 4 and of 64 units taught by teachers of 12.
- `several`: soft targets of all other omics at once, as the plain mean of their log-probabilities, and as a
  logarithmic opinion pool whose weights are fitted to the labels of the other inner folds.
- `linear`: linear students, alone and taught (decisions_linear.py).

All at the settings of the main run, of which they use the splits and the teachers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from decisions_linear import LINEAR_BUDGETS, linear_table, predict_linear
from decisions_predictions import CPU, DISTILLATIONS, SEED, Task, folder, in_processes, is_complete, load, predict, read
from decisions_scores import Judge, all_pairs, default_judge, measured_gains
from numpy.typing import NDArray
from scipy.special import log_softmax

from cch_omics.cohort import Cohort, Modality
from cch_omics.config import EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.criteria.cch import ask_pilots
from cch_omics.criteria.log_loss import fit_pool
from cch_omics.distillation import distil
from cch_omics.encoders import encode
from cch_omics.evaluation import METRIC, corrected_interval, gains, join_scores, score_held_out, summarise
from cch_omics.information.pairs import estimate_pairs
from cch_omics.pilots import network_pilots
from cch_omics.predictions import (
    Encoding,
    load_distillation,
    load_encoding,
    save_distillation,
    save_encoding,
)
from cch_omics.splits import Splits

UNITS = (4, 64)
# The criteria that are shown for counterexamples.
SHOWN = ("cch", "verdict", "advantage", "teacher_minus_student_accuracy", "minus_student_given_teacher", "pilot")
SEVERAL = ("pooled", "averaged")


def permuted(cohort: Cohort) -> Cohort:
    """The labels, permuted among the labelled samples."""
    labels = cohort.labels.copy()
    known = labels >= 0
    labels[known] = np.random.default_rng(SEED).permutation(labels[known])
    return replace(cohort, labels=labels)


def doubles(cohort: Cohort, strong: str = "rna", weak: str = "mirna") -> Cohort:
    """Two omics; `noise`, which knows nothing; `double`, the weak one with noise of each feature's variance added."""
    random = np.random.default_rng(SEED)
    of_weak = cohort.modalities[weak]
    spread = np.nanstd(of_weak.values, axis=0)
    noise = random.standard_normal(of_weak.values.shape).astype(np.float32)
    modalities = {
        strong: cohort.modalities[strong],
        weak: of_weak,
        "noise": Modality(noise, of_weak.features, of_weak.rows),
        "double": Modality(
            of_weak.values + spread * random.standard_normal(of_weak.values.shape).astype(np.float32),
            of_weak.features,
            of_weak.rows,
        ),
    }
    return replace(cohort, modalities=modalities)


VARIANTS = {"permuted": permuted, "doubles": doubles}
# Where they are tried: the cheaper cohorts.
VARIED = ("tcga-lgg", "idh_codel")
VARIED_BUDGETS = (0.15, 1.0)
SEVERAL_BUDGETS = (0.15,)
SEVERAL_COHORTS = ("tcga-paad", "tcga-lgg", "tcga-kipan", "brca-paired")


def varied(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if (task.cohort, task.target) == VARIED]


def run_extras(
    tasks: Iterable[Task],
    data: Path | None,
    output: Path,
    splits: SplitsConfig,
    *,
    processes: int,
    say: Callable[[str], None],
) -> None:
    """Train all of it that is missing, of the tasks whose main run is there."""
    tasks = list(tasks)
    jobs: list[tuple[str, tuple[object, ...]]] = []
    for task in tasks:
        name = f"{task.cohort} {task.target}"
        for budget in LINEAR_BUDGETS:
            if is_complete(folder(output, task, budget)):
                what = f"{name}, {budget:.0%} of the labels, linear students"
                jobs.append((what, (predict_linear, task, budget, output)))
        for budget in SEVERAL_BUDGETS:
            if task.cohort in SEVERAL_COHORTS and is_complete(folder(output, task, budget)):
                what = f"{name}, {budget:.0%} of the labels, several teachers"
                jobs.append((what, (predict_several, task, budget, data, output)))
    for task in varied(tasks):
        name = f"{task.cohort} {task.target}"
        for budget in VARIED_BUDGETS:
            for variant in VARIANTS:
                what = f"{name}, {budget:.0%} of the labels, {variant}"
                jobs.append((what, (predict_variant, task, variant, budget, data, output, splits)))
        if is_complete(folder(output, task, SEVERAL_BUDGETS[0])):
            for units in UNITS:
                what = f"{name}, students of {units} units"
                jobs.append((what, (predict_units, task, SEVERAL_BUDGETS[0], units, data, output)))
    in_processes(_call, jobs, processes=processes, say=say)


def _call(function: Callable[..., None], *arguments: object) -> None:
    function(*arguments)


def extra_tables(output: Path, tasks: Iterable[Task], *, judge: Judge = default_judge) -> dict[str, pd.DataFrame]:
    """Every table of which something has been trained."""
    tasks = list(tasks)
    tables: dict[str, list[pd.DataFrame]] = {}
    for task in varied(tasks):
        for variant in VARIANTS:
            budgets = [b for b in VARIED_BUDGETS if is_complete(folder(output, variant_task(task, variant), b))]
            if budgets:
                tables.setdefault(variant, []).append(variant_table(output, task, variant, budgets, judge=judge))
        budget = SEVERAL_BUDGETS[0]
        for units in UNITS:
            if (folder(output, task, budget) / f"units{units}").exists():
                tables.setdefault("units", []).append(units_table(output, task, budget, units, judge=judge))
    for task in tasks:
        for budget in SEVERAL_BUDGETS:
            if (folder(output, task, budget) / "several").exists():
                tables.setdefault("several", []).append(several_table(output, task, budget))
        for budget in LINEAR_BUDGETS:
            if (folder(output, task, budget) / "linear").exists():
                tables.setdefault("linear", []).append(linear_table(output, task, budget))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def variant_task(task: Task, variant: str) -> Task:
    return replace(task, cohort=f"{task.cohort}-{variant}")


def predict_variant(
    task: Task, variant: str, budget: float, data: Path | None, output: Path, splits: SplitsConfig
) -> None:
    """A main run of the changed cohort."""
    room = folder(output, variant_task(task, variant), budget)
    if not is_complete(room):
        cohort = VARIANTS[variant](read(task, data))
        predict(cohort, budget, room, splits, encoder=EncoderConfig())


def variant_table(
    output: Path, task: Task, variant: str, budgets: Sequence[float], *, judge: Judge = default_judge
) -> pd.DataFrame:
    """Scores, verdict and gains in points, one row per pair."""
    return _wide(all_pairs(output, (variant_task(task, variant),), budgets, judge=judge, outcomes=("default",)))


def _wide(pairs: pd.DataFrame) -> pd.DataFrame:
    index = ["cohort", "target", "budget", "teacher", "student"]
    table = pairs[pairs["criterion"].isin(SHOWN)].pivot_table(
        index=index, columns="criterion", values="score", dropna=False
    )
    decided = pairs[pairs["criterion"] == "verdict"].set_index(index)
    table["decision"] = decided["decision"]
    for name in ("gain", "ci_low", "ci_high", "gain_over_self"):
        table[name] = 100 * decided[name]
    return table[table["gain"].notna()].reset_index()


def predict_units(task: Task, budget: float, units: int, data: Path | None, output: Path) -> None:
    """Students of another size, taught by the teachers of the main run."""
    room = folder(output, task, budget)
    base = load(room)
    cohort = None
    for student in base.cohort.modalities:
        encoded, taught = _units_files(room, units, student)
        if taught.exists():
            continue
        cohort = cohort or replace(read(task, data), label_budget=budget)
        settings = EncoderConfig(units=units)
        if not encoded.exists():
            made = encode(cohort, base.splits, student, settings, seed=SEED, device=CPU)
            save_encoding(made, encoded)
        encodings = base.encodings | {student: load_encoding(encoded)}
        way = DISTILLATIONS["default"]
        save_distillation(
            distil(cohort, base.splits, encodings, student, way, settings, seed=SEED, device=CPU),
            taught,
        )


def _units_files(room: Path, units: int, student: str) -> tuple[Path, Path]:
    return room / f"units{units}" / f"{student}.encoding.npz", room / f"units{units}" / f"{student}.npz"


def units_table(output: Path, task: Task, budget: float, units: int, *, judge: Judge = default_judge) -> pd.DataFrame:
    """As `variant_table`; the criteria read the representation of the student as it is."""
    room = folder(output, task, budget)
    base = load(room)
    tables = []
    for student in base.cohort.modalities:
        encoded, taught = _units_files(room, units, student)
        if not taught.exists():
            continue
        encodings = base.encodings | {student: load_encoding(encoded)}
        distillations = {student: load_distillation(taught)}
        scores = score_held_out(base.cohort, base.splits, encodings, distillations, SHOWN)
        settings = InformationConfig(dimension=min(units, InformationConfig().dimension))
        estimates = estimate_pairs(base.cohort, base.splits, encodings, settings, seed=SEED)
        asked = network_pilots(base.cohort, base.splits, encodings, distillations)
        verdicts = judge(ask_pilots(estimates, asked))
        summary = summarise(gains(base.cohort, base.splits, encodings, distillations))
        tables.append(join_scores(base.cohort, scores, verdicts, summary).assign(budget=budget))
    return _wide(pd.concat(tables, ignore_index=True)).assign(units=units)


def several_teachers(
    stored_encodings: dict[str, Encoding], splits: Splits, labels: NDArray[np.int64]
) -> Iterator[tuple[str, str, Encoding]]:
    """(student, way, teacher) of all other omics put together, on the samples that have them all.

    A teacher's held-out log-probabilities of an inner fold enter with weights fitted on the other inner folds, so that
    what teaches a sample has not seen its label; nor the labels of the fold that the student goes without.
    """
    for student, own in stored_encodings.items():
        others = [each for name, each in stored_encodings.items() if name != student]
        n_splits, n, n_classes = own.logits.shape
        made = {way: np.full((n_splits, splits.n_inner + 1, n, n_classes), np.nan, dtype=np.float32) for way in SEVERAL}
        for s in range(n_splits):
            logits = np.stack([each.teaching(s) for each in others], axis=-1)
            logp = log_softmax(logits.astype(np.float64), axis=-2)  # (K + 1, n, C, teachers)
            made["averaged"][s] = logp.mean(-1)
            for without in range(splits.n_inner + 1):
                known = np.isfinite(logp[without]).all((-2, -1)) & splits.train[s] & (splits.inner[s] != without)
                for fold in set(range(splits.n_inner)) - {without}:
                    held_out = known & (splits.inner[s] == fold)
                    fitted = known & (splits.inner[s] != fold) & splits.labelled[s]
                    pool = fit_pool(logp[without, fitted], labels[fitted])
                    made["pooled"][s, without, held_out] = pool.log_probabilities(logp[without, held_out])
        for way, teaching in made.items():
            yield student, way, replace(own, logits=teaching[:, -1], teaching_logits=teaching)


def predict_several(task: Task, budget: float, data: Path | None, output: Path) -> None:
    """Students of several teachers at once."""
    room = folder(output, task, budget)
    base = load(room)
    teachers: dict[str, dict[str, Encoding]] = {}
    for student, way, teacher in several_teachers(base.encodings, base.splits, base.cohort.labels):
        teachers.setdefault(student, {})[way] = teacher
    cohort = None
    for student, each in teachers.items():
        path = room / "several" / f"{student}.npz"
        if path.exists():
            continue
        cohort = cohort or replace(read(task, data), label_budget=budget)
        encodings = {student: base.encodings[student], **each}
        way = DISTILLATIONS["default"]
        settings = EncoderConfig()
        save_distillation(distil(cohort, base.splits, encodings, student, way, settings, seed=SEED, device=CPU), path)


def several_table(output: Path, task: Task, budget: float) -> pd.DataFrame:
    """Gains in points of both mixtures over training alone, and over single teachers on the same splits.

    `chosen`: the single teacher with the best held-out accuracy above the student's inside each outer training set,
    used whatever its sign; `best`: the one with the largest gain on the test patients, which nobody can know.
    """
    room = folder(output, task, budget)
    base = load(room)
    folds = len(np.unique(base.splits.fold[:-1]))
    singles = _of_splits(measured_gains(base, "default", room))
    scored = score_held_out(base.cohort, base.splits, base.encodings, {}, ["teacher_minus_student_accuracy"])
    scores = scored.set_index(["student", "repeat", "fold", "teacher"])["score"].sort_index()
    rows = []
    for student in base.cohort.modalities:
        path = room / "several" / f"{student}.npz"
        if not path.exists():
            continue
        mixed = _of_splits(gains(base.cohort, base.splits, base.encodings, {student: load_distillation(path)}))
        single = singles.loc[student]
        chosen = [single.loc[where, scores.loc[(student, *where)].idxmax()] for where in single.index]
        best = single[single.mean().idxmax()].to_numpy()
        row: dict[str, object] = {"cohort": task.cohort, "target": task.target, "budget": budget, "student": student}
        for way in SEVERAL:
            gain = mixed.loc[student].reindex(single.index)[way].to_numpy()
            for name, values in {way: gain, f"{way} - chosen": gain - chosen, f"{way} - best": gain - best}.items():
                mean, low, high = corrected_interval(100 * np.asarray(values, dtype=np.float64), folds)
                row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        row |= {"chosen": 100 * float(np.mean(chosen)), "best": 100 * float(np.mean(best))}
        rows.append(row)
    return pd.DataFrame(rows)


def _of_splits(table: pd.DataFrame) -> pd.DataFrame:
    """Gain over training alone: (student, repeat, fold) x teacher."""
    alone = table[(table["metric"] == METRIC) & (table["control"] == "none")]
    return alone.pivot_table(index=["student", "repeat", "fold"], columns="teacher", values="gain")
