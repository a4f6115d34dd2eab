"""Results folders made by code, with the tables that the report reads, for its tests and for a look at the page."""

from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.io.files import write_json, write_table
from cch_omics.tasks.classification import METRICS

CLASSES = ("LumA", "LumB", "Her2", "Basal")


def audit(modalities: list[str]) -> dict[str, object]:
    """Make what `cch_omics.audit.audit` returns."""
    classes = dict(zip(CLASSES, (260, 140, 80, 117), strict=True))
    return {
        "source": "demo:made-up",
        "origin": {"source": "a made-up study", "license": "CC BY-NC-ND 4.0"},
        "samples": 659,
        "patients": 659,
        "labelled": 597,
        "label_budget": 0.15,
        "derived_from": modalities[0],
        "classes": classes,
        "modalities": {
            name: {
                "samples": 600, "labelled": 540, "features": 2000, "constant_features": 3, "missing_fraction": 0.012,
                "classes": classes,
            }
            for name in modalities
        },
        "pairs": {one: {other: {"samples": 570, "labelled": 510} for other in modalities} for one in modalities},
        "complete": {"samples": 406, "labelled": 380},
        "join": {
            "level": "patient",
            "clinical": {"ids": 700, "in_no_table": 41},
            "tables": {
                name: {"ids": 610, "in_clinical": 600, "not_in_clinical": 0, "turned": False,
                       "left_out": {"not a tumour": 10}}
                for name in modalities
            },
        },
        "leakage": {
            name: {"feature": "ESR1", "class": "Basal", "auroc": 0.97, "flagged": name == modalities[0],
                   "defines_target": name == modalities[0]}
            for name in modalities
        },
        "site_confounding": {"sites": 30, "samples": 500, "balanced_accuracy": 0.31, "chance": 0.25, "p_value": 0.02,
                             "flagged": False},
        "warnings": ["62 of 659 samples have no label: they can carry soft targets only."],
    }  # fmt: skip


def verdicts(modalities: list[str], *, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    strength = dict(zip(modalities, np.linspace(1.1, 0.3, len(modalities)), strict=True))
    rows = []
    for student in modalities:
        for teacher in modalities:
            if teacher == student:
                continue
            shared = 0.55 * (strength[teacher] + 0.2) + random.normal(0, 0.05)
            gap, advantage = shared - strength[student] + 0.15, strength[teacher] - strength[student]
            probability = float(1 / (1 + np.exp(-30 * (gap + 0.5 * advantage))))
            verdict = "distil" if probability > 0.9 else "do_not_distil" if probability < 0.1 else "undecided"
            rows.append({
                "teacher": teacher, "student": student, "estimator": "ksg-ross",
                "mi_teacher_student": shared, "mi_student_label": strength[student],
                "mi_teacher_label": strength[teacher], "gap": gap, "gap_se": 0.06,
                "advantage": advantage, "log_loss_advantage": advantage, "log_loss_advantage_se": 0.05,
                "log_loss_benefit": advantage, "log_loss_benefit_se": 0.05, "p_benefit_positive": float(advantage > 0),
                "pilot_gain": 0.1 * advantage, "pilot_gain_se": 0.01, "p_gain_positive": float(advantage > 0),
                "p_gap_positive": probability, "p_advantage_positive": float(advantage > 0),
                "cross_check_estimator": "gaussian-ross", "cross_check_gap": gap + 0.1, "cross_check_gap_se": 0.07,
                "cross_check_gap_at_zero": 0.06, "cross_check_gap_twin_sd": 0.05,
                "cross_check_p_gap_positive": probability, "gap_at_zero": -0.04, "gap_twin_sd": 0.05,
                "bracket_low": gap - 0.3, "bracket_high": gap + 0.2,
                "twin_bias": -0.04, "twin_coverage": 0.9, "twin_sign_errors": 0.06, "flags": "",
                "cch_verdict": "distil" if gap > 0 else "do_not_distil", "verdict": verdict,
                "reason": f"The gap is {gap:+.2f} nats and {teacher} knows {advantage:+.2f} nats more than {student}.",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(keys.VERDICT_COLUMNS))


def teachers(table: pd.DataFrame, modalities: list[str]) -> pd.DataFrame:
    rows = []
    for student in modalities:
        mine = table[table["student"] == student].sort_values("gap", ascending=False)
        if mine.empty:
            continue
        best = mine.iloc[0]
        rows.append(
            (student, best["teacher"] if best["verdict"] == "distil" else "", best["verdict"], best["p_gap_positive"])
        )
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def information(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    columns = ("mi_teacher_student", "mi_student_label", "mi_teacher_label")
    for row in table.to_dict("records"):
        for quantity, column in zip(keys.QUANTITIES, columns, strict=True):
            value = row[column]
            estimator = "ksg" if quantity == "teacher_student" else "ross"
            rows.append(
                (
                    row["teacher"],
                    row["student"],
                    quantity,
                    estimator,
                    value,
                    0.05,
                    value - 0.1,
                    value + 0.1,
                    400,
                    8,
                    "nats",
                )
            )
    return pd.DataFrame(rows, columns=list(keys.INFORMATION_COLUMNS))


def evaluation(table: pd.DataFrame, modalities: list[str], *, seed: int = 0) -> dict[str, pd.DataFrame]:
    """gains, references, summary and performance that go with verdicts."""
    random = np.random.default_rng(seed + 1)
    gains, summary, performance, references = [], [], [], []
    outer = [(repeat, fold) for repeat in range(2) for fold in range(5)]
    height = dict(zip(modalities, np.linspace(0.82, 0.55, len(modalities)), strict=True))
    for metric, about in METRICS.items():
        sign = 1.0 if about.higher_is_better else -1.0
        for student in modalities:
            base = height[student] if about.higher_is_better else 1.4 - height[student]
            models = {
                "alone": base,
                "self": base + 0.002 * sign,
                "logistic": base + 0.03 * sign,
                "boosting": base - 0.02 * sign,
            }
            for row in table[table["student"] == student].to_dict("records"):
                effect = sign * (0.1 * row["gap"] + 0.04 * row["advantage"] + random.normal(0, 0.01))
                models[f"distilled:{row['teacher']}"] = base + effect
                for control, share in zip(keys.CONTROLS, (1.0, 0.8, 1.3), strict=True):
                    each = effect * share + random.normal(0, 0.015, len(outer))
                    gains += [
                        (row["teacher"], student, control, *where, metric, base, base + gain, gain, 70, 0.9, 3.0)
                        for where, gain in zip(outer, each, strict=True)
                    ]
                    summary.append(
                        (
                            row["teacher"],
                            student,
                            control,
                            metric,
                            each.mean(),
                            each.mean() - 0.02,
                            each.mean() + 0.02,
                            10,
                        )
                    )
            for model, mean in models.items():
                performance.append((student, model, metric, mean, mean - 0.03, mean + 0.03))
                if model in ("logistic", "boosting"):
                    each = mean + random.normal(0, 0.01, len(outer))
                    references += [
                        (student, model, *where, metric, v, 70) for where, v in zip(outer, each, strict=True)
                    ]
    return {
        "gains": pd.DataFrame(gains, columns=list(keys.GAIN_COLUMNS)),
        "references": pd.DataFrame(references, columns=list(keys.REFERENCE_COLUMNS)),
        "summary": pd.DataFrame(
            summary, columns=["teacher", "student", "control", "metric", "gain", "ci_low", "ci_high", "n_splits"]
        ),
        "performance": pd.DataFrame(performance, columns=["modality", "model", "metric", "mean", "ci_low", "ci_high"]),
    }


def scorecard(cohort: str, target: str, n_pairs: int) -> pd.DataFrame:
    rows = [
        (cohort, target, name, n_pairs, 2, 1, harmed, gained, spearman, 0.8, 0.2, 0.01)
        for name, harmed, gained, spearman in [
            ("cch_gap", 0.89, 0.68, 0.65),
            ("gap_and_advantage", 0.93, 0.88, 0.84),
            ("teacher_accuracy", 0.91, 0.82, 0.69),
            ("always", np.nan, np.nan, np.nan),
        ]
    ]
    return pd.DataFrame(rows, columns=list(keys.SCORECARD_COLUMNS))


def tables(
    modalities: list[str], *, seed: int = 0, cohort: str = "made-up", target: str = "subtype"
) -> dict[str, pd.DataFrame]:
    verdict = verdicts(modalities, seed=seed)
    return {
        "verdicts": verdict,
        "teachers": teachers(verdict, modalities),
        "information": information(verdict),
        "scorecard": scorecard(cohort, target, len(verdict)),
        **evaluation(verdict, modalities, seed=seed),
    }


def write_results(folder: Path, modalities: list[str], *, seed: int = 0, **given: pd.DataFrame) -> Path:
    """Write `results/{cohort}/{target}` without intermediate arrays; tables given by name replace the made-up ones."""
    content = tables(modalities, seed=seed, cohort=folder.parent.name, target=folder.name) | given
    (folder / "intermediate").mkdir(parents=True, exist_ok=True)
    for name, table in content.items():
        if name in ("summary", "performance"):
            table.to_parquet(folder / "intermediate" / f"{name}.parquet")
        else:
            write_table(table, folder / f"{name}.tsv")
    write_json(audit(modalities), folder / "audit.json")
    return folder
