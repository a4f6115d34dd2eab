"""Results folders made by code, with the tables that the report reads, for its tests and for a look at the page."""

from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.runtime.formats import write_json, write_table
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival

SUBTYPE = Classification(("LumA", "LumB", "Her2", "Basal"))
DOSE = Regression((-1.0, 0.25, 1.5))
OS = Survival((300.0, 800.0, 2000.0), (0.0, 500.0), (0.0, 900.0))
# The screened model was clearly worse.
MEMBER_WEIGHTS = (("network", 0.5), ("linear", 0.5), ("screened", 0.0))
# Tables of intermediate/.
INTERMEDIATE = ("summary", "performance", "comparisons", "members", "advised", "predictions")


def audit(modalities: list[str], task: Task = SUBTYPE) -> dict[str, object]:
    """Make what `cch_omics.data.audit.audit` returns."""
    strata = dict(zip(task.strata_names, (260, 140, 80, 117), strict=True))
    return {
        "source": "demo:made-up",
        "origin": {"source": "a made-up study", "license": "CC BY-NC-ND 4.0"},
        "task": task.name,
        "parameters": task.parameters,
        "samples": 659,
        "patients": 659,
        "group": "",
        "labelled": 597,
        "label_budget": {"asked": 0.15, "used": 0.15, "strata": dict.fromkeys(strata, 0.15)},
        "derived_from": modalities[0],
        "left_out": [],
        "strata": strata,
        "modalities": {
            name: {
                "samples": 600, "labelled": 540, "features": 2000, "constant_features": 3, "missing_fraction": 0.012,
                "strata": strata,
            }
            for name in modalities
        },
        "pairs": {one: {other: {"samples": 570, "labelled": 510} for other in modalities} for one in modalities},
        "complete": {"samples": 406, "labelled": 380},
        "folds": {"folds": 5, "inner_folds": 4},
        "join": {
            "level": "patient",
            "clinical": {"ids": 700, "in_no_table": 41},
            "tables": {
                name: {"ids": 610, "in_clinical": 600, "not_in_clinical": 0, "turned": False,
                       "left_out": {"not a tumour": 10}, "features_left_out": {}}
                for name in modalities
            },
        },
        "leakage": {
            name: {"feature": "ESR1", "stratum": "Basal" if task is SUBTYPE else "",
                   "measure": "AUROC" if task is SUBTYPE else "Spearman correlation", "value": 0.97,
                   "flagged": name == modalities[0], "defines_target": name == modalities[0]}
            for name in modalities
        },
        "site_confounding": {"sites": 30, "samples": 500, "measure": task.metrics[task.primary].title,
                             "value": 0.31, "chance": 0.25, "p_value": 0.02, "flagged": False},
        "warnings": ["62 of 659 samples have no label: they can carry soft targets only."],
    }  # fmt: skip


def verdicts(modalities: list[str], *, seed: int = 0) -> pd.DataFrame:
    """verdicts.tsv, with the columns of evidence.tsv."""
    random = np.random.default_rng(seed)
    strength = dict(zip(modalities, np.linspace(1.1, 0.3, len(modalities)), strict=True))
    rows = []
    for student in modalities:
        for teacher in modalities:
            if teacher == student:
                continue
            shared = 0.55 * (strength[teacher] + 0.2) + random.normal(0, 0.05)
            gap, ahead = shared - strength[student] + 0.15, strength[teacher] - strength[student]
            probability = float(1 / (1 + np.exp(-30 * (gap + 0.5 * ahead))))
            verdict = "distil" if probability > 0.9 else "do_not_distil" if probability < 0.1 else "undecided"
            rows.append({
                "repeat": -1, "fold": -1, "teacher": teacher, "student": student, "recipe": "soft_targets",
                "estimator": "ksg-ross", "mi_teacher_student": shared, "mi_student_label": strength[student],
                "mi_teacher_label": strength[teacher], "gap": gap, "gap_se": 0.06, "p_gap_positive": probability,
                "gap_at_zero": -0.04, "gap_simulated_sd": 0.05,
                "cross_check_estimator": "gaussian-ross", "cross_check_gap": gap + 0.1, "cross_check_gap_se": 0.07,
                "cross_check_gap_at_zero": 0.06, "cross_check_gap_simulated_sd": 0.05,
                "accuracy_difference": 0.2 * ahead, "pilot_gain": 0.1 * ahead, "pilot_gain_se": 0.01,
                "p_gain_positive": probability,
                "cch_verdict": "distil" if gap > 0 else "do_not_distil", "verdict": verdict,
                "reason": f"Pilots of {student}, taught by {teacher}, gained by {ahead:+.2f}.",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=None if rows else [*keys.VERDICT_COLUMNS, *keys.SPLIT_COLUMNS])


def teachers(table: pd.DataFrame, modalities: list[str], rule: str = "pilot") -> pd.DataFrame:
    rows = []
    for student in modalities:
        mine = table[table["student"] == student].sort_values("pilot_gain", ascending=False)
        if mine.empty:
            continue
        best = mine.iloc[0]
        taught = best["verdict"] == "distil"
        chosen = (best["teacher"], best["recipe"]) if taught else ("", "alone")
        rows.append((student, *chosen, rule, best["verdict"], best["p_gain_positive"], best["p_gap_positive"]))
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def information(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in table.to_dict("records"):
        for quantity in ("teacher_student", "student_label", "teacher_label"):
            value = row[f"mi_{quantity}"]
            estimator = "ksg" if quantity == "teacher_student" else "ross"
            pair = (row["teacher"], row["student"])
            rows.append(
                (*pair, quantity, "representation", estimator, value, 0.05, value - 0.1, value + 0.1, 400, 8, "nats")
            )
    return pd.DataFrame(rows, columns=list(keys.INFORMATION_COLUMNS))


def evaluation(table: pd.DataFrame, modalities: list[str], task: Task, *, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Summary, performance and comparisons that go with verdicts."""
    random = np.random.default_rng(seed + 1)
    summary, performance, comparisons, members = [], [], [], []
    height = dict(zip(modalities, np.linspace(0.82, 0.55, len(modalities)), strict=True))
    for metric, about in task.metrics.items():
        sign = 1.0 if about.higher_is_better else -1.0
        for student in modalities:
            base = height[student] if about.higher_is_better else 1.4 - height[student]
            models = {"alone": base, "self:soft_targets": base + 0.002 * sign}
            baselines = {"linear": base + 0.03 * sign, "boosting": base - 0.02 * sign}
            for row in table[table["student"] == student].to_dict("records"):
                effect = sign * (0.1 * row["gap"] + 0.2 * row["accuracy_difference"] + random.normal(0, 0.01))
                models[f"soft_targets:{row['teacher']}"] = base + effect
                pair = (row["teacher"], student, "soft_targets")
                for control, share in zip(keys.CONTROLS, (1.0, 0.8, 1.3), strict=True):
                    gain = effect * share + random.normal(0, 0.005)
                    summary.append((*pair, control, metric, gain, gain - 0.02, gain + 0.02, 10))
            if metric == task.primary:
                members += [(student, model, *of) for model in models for of in MEMBER_WEIGHTS]
            for model, mean in (models | baselines).items():
                performance.append((student, model, metric, mean, mean - 0.03, mean + 0.03, 10))
            if metric == task.primary:
                for model, mean in models.items():
                    for baseline, other in baselines.items():
                        low, high = mean - other - 0.01, mean - other + 0.01
                        comparisons.append((student, model, baseline, mean - other, low, high))
    return {
        "summary": pd.DataFrame(summary, columns=list(keys.SUMMARY_COLUMNS)),
        "performance": pd.DataFrame(performance, columns=list(keys.PERFORMANCE_COLUMNS)),
        "comparisons": pd.DataFrame(comparisons, columns=list(keys.COMPARISON_COLUMNS)),
        "members": pd.DataFrame(members, columns=list(keys.MEMBER_COLUMNS)),
    }


def predictions(teachers: pd.DataFrame, modalities: list[str], task: Task, *, n: int = 150) -> pd.DataFrame:
    """Predictions for n test samples of each student trained alone, and of the advised one."""
    random, chosen = np.random.default_rng(5), dict(zip(teachers["student"], teachers["teacher"], strict=True))
    truth, made = random.normal(size=n), []
    values = {
        "classification": np.arange(n) % 4.0,
        "regression": truth,
        "survival": np.column_stack([1500 * random.exponential(size=n) * np.exp(-truth), np.arange(n) % 3 > 0]),
    }[task.name].astype(float)
    every, place = np.ones(n, dtype=bool), {"student": "", "model": "", "repeat": 0, "fold": 0, "sample": "P"}
    for student in modalities:
        for model in ["alone", *(f"soft_targets:{name}" for name in [chosen.get(student)] if name)]:
            outputs = 0.8 * truth[:, None] + random.normal(size=(n, task.n_outputs)) - 1.0
            decision = np.ones(1) if task.name == "regression" else np.zeros(task.n_outputs)
            table = task.on_test(outputs, values, decision, every, every)
            made.append(table.assign(**{**place, "student": student, "model": model}))
    return pd.concat(made)


def features(student: str, task: Task, *, taught: bool) -> pd.DataFrame:
    """features.tsv of a student with 30 features."""
    random, names = np.random.default_rng(6), [f"{student}{j}" for j in range(30)]
    table = pd.DataFrame([(name, each) for name in names for each in task.scores], columns=["feature", "class"])
    alone, change = np.sort(random.exponential(size=(2, len(table))))[:, ::-1]
    table[[keys.WEIGHT_TAUGHT, keys.WEIGHT_ALONE, "change"]] = np.column_stack([alone + change, alone, change])
    return table if taught else table.assign(**{keys.WEIGHT_TAUGHT: np.nan, "change": np.nan})


def advised(teachers: pd.DataFrame, cohort: str, target: str, metric: str) -> pd.DataFrame:
    rows = [
        (cohort, target, metric, rule, student, share, share * 0.012, -0.002, 0.026, 10)
        for student, teacher, rule in teachers[["student", "teacher", "rule"]].itertuples(index=False)
        for share in [0.8 if teacher else 0.0]
    ]
    return pd.DataFrame(rows, columns=list(keys.ADVISED_COLUMNS))


def scorecard(cohort: str, target: str, metric: str, n_pairs: int) -> pd.DataFrame:
    rows = [
        (cohort, target, metric, name, n_pairs, spearman, 0.8, 0.2, 0.01)
        for name, spearman in [("pilot", 0.84), ("cch", 0.65), ("always", np.nan)]
    ]
    return pd.DataFrame(rows, columns=list(keys.SCORECARD_COLUMNS))


def tables(
    modalities: list[str],
    task: Task = SUBTYPE,
    *,
    seed: int = 0,
    cohort: str = "made-up",
    target: str = "subtype",
    rule: str = "pilot",
) -> dict[str, pd.DataFrame]:
    """Make all tables by name; `verdicts` has the columns of evidence.tsv too."""
    verdict = verdicts(modalities, seed=seed)
    chosen = teachers(verdict, modalities, rule)
    return {
        "verdicts": verdict,
        "teachers": chosen,
        "advised": advised(chosen, cohort, target, task.primary),
        "predictions": predictions(chosen, modalities, task),
        "information": information(verdict),
        "scorecard": scorecard(cohort, target, task.primary, len(verdict)),
        **evaluation(verdict, modalities, task, seed=seed),
    }


def write_results(
    folder: Path,
    modalities: list[str],
    task: Task = SUBTYPE,
    *,
    seed: int = 0,
    rule: str = "pilot",
    **given: pd.DataFrame,
) -> Path:
    """Write `results/{cohort}/{target}`, as far as reports read it; tables given by name replace the made-up ones."""
    names = {"cohort": folder.parent.name, "target": folder.name}
    content = tables(modalities, task, seed=seed, rule=rule, **names) | given
    content["evidence"] = content["verdicts"].drop(columns=["verdict", "reason", "cch_verdict"])
    content["verdicts"] = content["verdicts"][[name for name in keys.VERDICT_COLUMNS if name in content["verdicts"]]]
    for name, table in content.items():
        write_table(table, (folder / "intermediate" if name in INTERMEDIATE else folder) / f"{name}.tsv")
    chosen = dict(zip(content["teachers"]["student"], content["teachers"]["teacher"], strict=True))
    for student in modalities:
        table = features(student, task, taught=bool(chosen.get(student)))
        write_table(table, folder / "students" / student / "features.tsv")
    write_json(audit(modalities, task), folder / "audit.json")
    return folder
