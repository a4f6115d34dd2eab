"""One half of a cohort's patients asks every criterion; its students are judged on the other half.

The half is treated as a cohort of its own: splits, encoders, students, pilots, verdicts and choices are made of it
alone, with its own label budget. What is measured is the estimand of a verdict: what the student that is made from this
cohort gains over the one that needs no teacher, on patients of whom nothing has been seen.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import CriterionConfig, InformationConfig
from cch_omics.errors import InputError
from cch_omics.evaluation.advised import choice
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.out_of_fold import Encoding, Model, OutOfFold
from cch_omics.models.recipes import ALONE
from cch_omics.splits import Splits
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.evidence import gather
from research.benchmarks.cases import CHOSEN, CLEAN, INFORMATION, SEED, Case, Settings, splits_of_some, trained
from research.benchmarks.kept import keep
from research.rivals import RIVALS
from research.rivals.pair import held_out_pair

CONFIDENCE = CriterionConfig().confidence
RECEPTOR = "Negative,Positive"


@dataclass(frozen=True)
class Judged:
    """A case, and whether its results may stand among those of the headline."""

    case: Case
    kind: str = CLEAN


# Purity by immunohistochemistry is measured beside the omics; the other purities are made from some of them.
CASES = (
    *(Judged(Case("brca-paired", f"{name}_status", "brca", classes=RECEPTOR)) for name in ("er", "pr", "her2")),
    Judged(Case("brca-paired", "histology", "brca")),
    *(
        Judged(Case(f"tcga-{name}", target, name))
        for target in ("sex", "purity_ihc", "os")
        for name in ("hnsc", "luad", "lihc")
    ),
    *(
        Judged(Case("depmap-drugs", f"ic50_{drug}", "depmap"))
        for drug in ("afatinib", "dabrafenib", "trametinib", "paclitaxel", "olaparib", "palbociclib")
    ),
    Judged(Case("tcga-brca", "pam50", "brca", derived_from="rna"), CHOSEN),
    Judged(Case("tcga-lgg", "idh_codel", "lgg"), CHOSEN),
    Judged(Case("tcga-kipan", "cancer_type", "kipan"), CHOSEN),
    Judged(Case("tcga-paad", "moffitt", "paad", derived_from="rna"), CHOSEN),
)
# Small enough for a test: it shows that everything runs, and nothing else.
SUBSET = (Judged(Case("simulated", "subtype", "simulated", source="simulated:complementary")),)


def half_of(cohort: Cohort, draw: int, half: int) -> NDArray[np.bool_]:
    """(n,) one half of the patients, drawn within the strata of the target."""
    folds = StratifiedGroupKFold(2, shuffle=True, random_state=draw)
    first, second = folds.split(cohort.samples, cohort.target.strata, cohort.groups)
    members = np.zeros(len(cohort.samples), dtype=np.bool_)
    members[(first, second)[half][1]] = True
    return members


def measure_once(judged: Judged, draw: int, half: int, data: Path | None, output: Path, settings: Settings) -> None:
    """Measure a case whose file is not there; say so where its labels are too few for the folds."""
    torch.set_num_threads(1)
    case = judged.case
    path = output / f"{case.cohort}-{case.target}-{case.budget:g}-{draw}-{half}.json"
    try:
        keep(path, partial(measure, judged, draw, half, data, settings))
    except InputError as error:
        print(f"{path.stem} is left out: {error}", flush=True)


def measure(judged: Judged, draw: int, half: int, data: Path | None, settings: Settings) -> dict[str, Any]:
    """Rows of pairs and of choices, as lists, and what they are about."""
    begun = time.process_time()
    case = judged.case
    cohort = case.read(data)
    known = half_of(cohort, draw, half)
    splits = splits_of_some(cohort, known, settings.splits, seed=SEED)
    encodings, students = trained(cohort, splits, settings.encoder)
    information = estimate_pairs(cohort, splits, encodings, _fitting(INFORMATION, encodings), seed=SEED)
    evidence = gather(cohort, splits, encodings, students, information)
    gained = pd.concat([outcomes(cohort, splits, name, each) for name, each in students.items()], ignore_index=True)
    pairs = evidence[evidence["repeat"] == -1].merge(gained, on=list(keys.PAIR_COLUMNS))
    scored = by_criteria(pairs)
    if cohort.target.task.name == "classification":
        scored = pd.concat([scored, by_rivals(cohort, splits, encodings, pairs)], ignore_index=True)
    task, labelled = cohort.target.task, splits.labelled[splits.full]
    metric = task.metrics[task.primary]
    values = cohort.target.values[known & cohort.target.observed]
    about = asdict(case) | {
        "kind": judged.kind,
        "draw": draw,
        "half": half,
        "task": task.name,
        "metric": metric.title,
        "patients": int(known.sum()),
        "labels": int(labelled.sum()),
        "classes": (np.bincount(values.astype(int)) / len(values)).tolist() if task.name == "classification" else [],
        "events": float((values[:, 1] == 1).mean()) if task.name == "survival" else None,
        "seconds": time.process_time() - begun,
    }
    tables = {
        "pairs": pairs[[*keys.PAIR_COLUMNS, *PAIR_NUMBERS]],
        "criteria": scored[["criterion", *keys.PAIR_COLUMNS, "score", "decision"]],
        "choices": choices(scored),
    }
    return {"about": about} | {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}


PAIR_NUMBERS = (
    *("pilot_gain", "pilot_gain_se", "p_gain_positive", "gap", "gap_se"),
    *("gain", "gain_se", "self_gain", "alone"),
)


def _fitting(settings: InformationConfig, encodings: Mapping[str, Encoding]) -> InformationConfig:
    """No more dimensions than representations have."""
    fewest = min(each.representation.shape[2] for each in encodings.values())
    return settings.model_copy(update={"dimension": min(settings.dimension, fewest)})


def outcomes(cohort: Cohort, splits: Splits, student: str, predicted: OutOfFold) -> pd.DataFrame:
    """What the students of the known half gained on the other half, over the one without a teacher.

    Returns
    -------
    DataFrame
        A row per pair: `gain` in the primary metric, its standard error `gain_se` over the other half's patients,
        `self_gain`, that of the student that its own omics taught, and the score `alone` of the one without a teacher.
    """
    target, full = cohort.target, splits.full
    usable, task = splits.labelled[full], splits.task(target, full)
    new = splits.test[full] & cohort.profiled(student) & target.observed
    values, outputs = target.values, predicted.outputs[:, full]
    decisions = np.stack([task.decision(each, values, usable) for each in outputs])
    trained_on = values[usable & cohort.profiled(student)]
    scores = task.evaluate(outputs[:, new], values[new], decisions, trained_on)[task.primary]
    place = {model: v for v, model in enumerate(predicted.models)}
    alone = place[Model(ALONE.name)]
    of_self = next(float(scores[v] - scores[alone]) for model, v in place.items() if model.control == "self")
    patient = np.unique(cohort.groups[new], return_inverse=True)[1]
    known, fold = np.ones(len(patient), dtype=np.bool_), np.zeros(len(patient), dtype=np.int64)
    rows = []
    for model in predicted.taught:
        taught = outputs[place[model], new]
        error = task.gain(outputs[alone, new], taught, taught, values[new], known, patient, fold).se
        gain = float(scores[place[model]] - scores[alone])
        rows.append((model.teacher, student, model.recipe, gain, error, of_self, float(scores[alone])))
    return pd.DataFrame(rows, columns=[*keys.PAIR_COLUMNS, "gain", "gain_se", "self_gain", "alone"])


def by_criteria(pairs: pd.DataFrame) -> pd.DataFrame:
    """`criterion`, pair, `score, decision, gain` of the package's criteria."""
    rows = [
        (name, *(row[key] for key in keys.PAIR_COLUMNS), each.score(row), each.decide(row, CONFIDENCE), row["gain"])
        for row in pairs.to_dict("records")
        for name, each in CRITERIA.items()
    ]
    return pd.DataFrame(rows, columns=["criterion", *keys.PAIR_COLUMNS, "score", "decision", "gain"])


def by_rivals(cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], pairs: pd.DataFrame) -> pd.DataFrame:
    """The same of the rivals, which are for classes."""
    rows = []
    for teacher, student, recipe, gain in pairs[[*keys.PAIR_COLUMNS, "gain"]].itertuples(index=False):
        pair = held_out_pair(cohort, splits, encodings, splits.full, teacher, student)
        for name, rival in RIVALS.items():
            score = rival.score(pair)
            decision = keys.DISTIL if score > rival.threshold else keys.DO_NOT_DISTIL
            rows.append((name, teacher, student, recipe, score, keys.UNDECIDED if np.isnan(score) else decision, gain))
    return pd.DataFrame(rows, columns=["criterion", *keys.PAIR_COLUMNS, "score", "decision", "gain"])


def choices(scored: pd.DataFrame) -> pd.DataFrame:
    """`criterion, student, taught, advised_gain`: what the student gained that each criterion chose."""
    rows = [(*key, *choice(part)) for key, part in scored.groupby(["criterion", "student"], sort=False)]
    return pd.DataFrame(rows, columns=["criterion", "student", "taught", "advised_gain"])
