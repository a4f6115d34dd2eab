"""Score, decision and gain of every criterion and rival for every pair: in each outer training set, and over all.

Nothing is trained here. The tables are kept beside the predictions of their case, below `scores`: delete these folders
after a change of a criterion, and `information.tsv` beside them after one of an estimator.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cch_omics import keys
from cch_omics.config import CriterionConfig, InformationConfig
from cch_omics.evaluation.gains import comparisons, gains, scores_of_models, summarise
from cch_omics.information.pairs import estimate_pairs
from cch_omics.runtime.formats import read_table, write_table
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.evidence import gather
from research.benchmarks.decisions.halves import halves
from research.benchmarks.decisions.predictions import BASELINE_REPEATS, SEED, Case, Stored, first_repeats, load
from research.rivals import RIVALS
from research.rivals.linear_pilot import linear_students
from research.rivals.pair import held_out_pair

PAIR = list(keys.PAIR_COLUMNS)
SPLIT = ["repeat", "fold"]
METRIC = "balanced_accuracy"
CONFIDENCE = CriterionConfig().confidence


def score(case: Case, data: Path | None, output: Path) -> None:
    """Write the tables of a case that are missing."""
    folder = case.room(output) / "scores"
    if (folder / "pairs.tsv").exists():
        return
    stored = load(case, data, output)
    evidence = gather(stored.cohort, stored.splits, stored.encodings, stored.students, information(stored, folder))
    measured = gains(stored.cohort, stored.splits, stored.students)
    judged = pd.concat([by_criteria(evidence), by_rivals(stored)], ignore_index=True)
    of_case = {"cohort": case.cohort, "target": case.target, "budget": case.budget, "cluster": case.cluster}
    tables = {
        "halves": halves(stored),
        "baselines": against_baselines(stored, judged),
        "splits": of_splits(judged, measured),
        "pairs": of_pairs(judged, measured),
    }
    for name, table in tables.items():
        write_table(table.assign(**of_case), folder / f"{name}.tsv")


def information(stored: Stored, folder: Path) -> pd.DataFrame:
    """Mutual information with the package's defaults."""
    path = folder.with_name("information.tsv")
    if not path.exists():
        settings = InformationConfig()
        units = min(each.representation.shape[2] for each in stored.encodings.values())
        settings = settings.model_copy(update={"dimension": min(settings.dimension, units)})
        write_table(estimate_pairs(stored.cohort, stored.splits, stored.encodings, settings, seed=SEED), path)
    return read_table(path).fillna({"flags": ""})


def by_criteria(evidence: pd.DataFrame) -> pd.DataFrame:
    """`criterion`, split, pair and recipe, `score, decision`, of the package's criteria; -1, -1 is the full cohort."""
    rows = [
        (name, *(row[key] for key in (*SPLIT, *PAIR)), criterion.score(row), criterion.decide(row, CONFIDENCE))
        for row in evidence.to_dict("records")
        for name, criterion in CRITERIA.items()
    ]
    return pd.DataFrame(rows, columns=["criterion", *SPLIT, *PAIR, "score", "decision"])


def by_rivals(stored: Stored) -> pd.DataFrame:
    """The same of the rivals; the full cohort has the mean score of the outer training sets."""
    splits, rows = stored.splits, []
    classes = stored.cohort.target.strata
    for student, predicted in stored.students.items():
        models = predicted.taught
        own, members = stored.encodings[student], stored.cohort.modalities[student].rows
        for s in range(splits.full):
            linear = np.full((len(models), *own.outputs[s].shape), np.nan)
            if own.inputs is not None:
                labels = np.where(splits.labelled[s], classes, -1)[members]
                soft = np.stack([stored.encodings[model.teacher].soft_targets[s, :-1, members] for model in models])
                # Indexing by position beside a slice puts the samples first.
                linear[:, members] = linear_students(
                    own.inputs[s], splits.inner[s, members], labels, np.swapaxes(soft, 1, 2)
                )
            for model, of_linear in zip(models, linear, strict=True):
                pair = held_out_pair(
                    stored.cohort,
                    splits,
                    stored.encodings,
                    s,
                    model.teacher,
                    student,
                    taught=predicted.of(model)[s],
                    linear=None if own.inputs is None else of_linear,
                )
                where = int(splits.repeat[s]), int(splits.fold[s]), model.teacher, student, model.recipe
                rows += [(name, *where, rival.score(pair)) for name, rival in RIVALS.items()]
    table = pd.DataFrame(rows, columns=["criterion", *SPLIT, *PAIR, "score"])
    mean = table.groupby(["criterion", *PAIR], sort=False)["score"].mean().reset_index().assign(repeat=-1, fold=-1)
    table = pd.concat([table, mean], ignore_index=True)
    threshold = table["criterion"].map({name: rival.threshold for name, rival in RIVALS.items()})
    decision = np.where(table["score"] > threshold, keys.DISTIL, keys.DO_NOT_DISTIL)
    return table.assign(decision=np.where(table["score"].isna(), keys.UNDECIDED, decision))


def of_pairs(judged: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Score and decision of each criterion for each pair, beside the mean gain over all outer splits.

    The score is the mean over outer training sets, which no test patient has entered, where there is one; the decision
    is that of the full cohort, which is what a cohort's owner is told.
    """
    of_sets = judged[judged["repeat"] >= 0].groupby(["criterion", *PAIR], sort=False)["score"].mean()
    full = judged[judged["repeat"] == -1].set_index(["criterion", *PAIR])
    table = full.assign(score=of_sets.reindex(full.index).fillna(full["score"])).drop(columns=SPLIT).reset_index()
    summary = summarise(measured)
    summary = summary[summary["metric"] == METRIC]
    alone = summary[summary["control"] == "none"].set_index(PAIR)
    over_self = summary[summary["control"] == "self"].set_index(PAIR)["gain"].rename("gain_over_self")
    table = table.join(alone[["gain", "ci_low", "ci_high"]], on=PAIR).join(over_self, on=PAIR)
    return table[table["gain"].notna()]


def of_splits(judged: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Score and decision of each criterion inside each outer training set, beside the gain on its test patients.

    One criterion more, `other folds`: the mean gain on the test patients of the other folds of the repeat, whom the
    test patients of this fold are not among either.
    """
    gain = measured[(measured["metric"] == METRIC) & (measured["control"] == "none")]
    gain = gain[[*SPLIT, *PAIR, "gain"]]
    of_repeat = gain.groupby(["repeat", *PAIR])["gain"]
    others = (of_repeat.transform("sum") - gain["gain"]) / (of_repeat.transform("size") - 1)
    decision = np.where(others > 0, keys.DISTIL, keys.DO_NOT_DISTIL)
    measured_elsewhere = gain[[*SPLIT, *PAIR]].assign(criterion="other folds", score=others, decision=decision)
    table = pd.concat([judged[judged["repeat"] >= 0], measured_elsewhere], ignore_index=True)
    return table.merge(gain, on=[*SPLIT, *PAIR])


def against_baselines(stored: Stored, judged: pd.DataFrame) -> pd.DataFrame:
    """Students against the baselines on the same test patients: `keys.COMPARISON_COLUMNS`; no rows without baselines.

    Of each student two models: `alone`; and `distilled` by the teacher with the largest mean pilot gain.
    """
    fitted = scores_of_models(
        stored.cohort, first_repeats(stored.splits, BASELINE_REPEATS), stored.baselines, column="baseline"
    )
    of_models = scores_of_models(stored.cohort, stored.splits, stored.students, column="model")
    table = (
        comparisons(of_models, fitted, METRIC) if len(fitted) else pd.DataFrame(columns=list(keys.COMPARISON_COLUMNS))
    )
    pilots = judged[(judged["criterion"] == "pilot") & (judged["repeat"] == -1)].dropna(subset="score")
    best = pilots.loc[pilots.groupby("student")["score"].idxmax()]
    chosen = set(zip(best["student"], best["recipe"] + ":" + best["teacher"], strict=True))
    named = [
        "alone" if model == "alone" else "distilled" if (student, model) in chosen else ""
        for student, model in zip(table["student"], table["model"], strict=True)
    ]
    return table.assign(model=named)[[name != "" for name in named]]
