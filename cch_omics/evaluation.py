"""What distillation gained on test patients, and how well the criteria foretold it.

Every comparison is paired: the same test patients of the same outer split, all of them that have the student's
modality and a label. Class decisions are made with the offsets of `tasks.classification.class_offsets`, fitted for each
model and split on its held-out predictions of the labelled training samples.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.criteria import cch
from cch_omics.criteria.pair import Pair
from cch_omics.criteria.table import CRITERIA, VERDICT
from cch_omics.predictions import Distillation, Encoding
from cch_omics.references import References
from cch_omics.splits import Splits
from cch_omics.tasks.classification import METRICS, class_offsets, evaluate

# The metric by which a pair is called harmed or gained.
METRIC = "balanced_accuracy"
CONFIDENCE = 0.95

SUMMARY_COLUMNS = ("teacher", "student", "control", "metric", "gain", "ci_low", "ci_high", "n_splits")
PERFORMANCE_COLUMNS = ("modality", "model", "metric", "mean", "ci_low", "ci_high", "n_splits")
PAIR_COLUMNS = (
    "cohort",
    "target",
    "criterion",
    "teacher",
    "student",
    "score",
    "decision",
    "gain",
    "ci_low",
    "ci_high",
    "gain_over_self",
    "self_ci_low",
    "self_ci_high",
    "harmed",
    "gained",
)


@dataclass(frozen=True)
class Evaluation:
    """The tables of a cohort: see the functions of the same names."""

    gains: pd.DataFrame
    references: pd.DataFrame
    summary: pd.DataFrame
    performance: pd.DataFrame
    pairs: pd.DataFrame
    scorecard: pd.DataFrame


def evaluate_cohort(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    references: References,
    verdicts: pd.DataFrame,
) -> Evaluation:
    """Make all tables; `verdicts` has one row per pair and outer split."""
    gained = gains(cohort, splits, encodings, distillations)
    compared = reference_table(cohort, splits, references)
    summary = summarise(gained)
    paired = pairs(cohort, splits, encodings, distillations, verdicts, summary)
    return Evaluation(
        gains=gained,
        references=compared,
        summary=summary,
        performance=performance(gained, compared),
        pairs=paired,
        scorecard=scorecard(paired),
    )


def score_models(
    cohort: Cohort, splits: Splits, modality: str, logits: NDArray[np.float32], *, offsets: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score models of one modality on the test samples of every outer split.

    Parameters
    ----------
    logits
        (V, S, n, C), as in `Encoding`, of V models.
    offsets
        Whether decisions are made with class offsets; else the largest logit decides.

    Returns
    -------
    scores
        (V, J, Q) for J outer splits and the Q metrics of `METRICS`; NaN where a model has no prediction for one of the
        test samples, or a metric is not defined on them.
    n_test
        (J,) test samples with the modality and a label.
    """
    scores = np.full((len(logits), splits.whole, len(METRICS)), np.nan)
    tested = splits.test[: splits.whole] & cohort.profiled(modality) & cohort.labelled  # (J, n)
    for j, test in enumerate(tested):
        complete = np.flatnonzero(np.isfinite(logits[:, j, test]).all((-2, -1)))
        shift = np.zeros((len(complete), logits.shape[-1]))
        if offsets and len(complete):
            shift = np.stack([class_offsets(logits[v, j], cohort.labels, splits.labelled[j]) for v in complete])
        if len(complete):
            values = evaluate(logits[complete, j][:, test], cohort.labels[test], shift)
            scores[complete, j] = np.stack(list(values.values()), axis=-1)
    return scores, tested.sum(1)


def gains(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    *,
    offsets: bool = True,
) -> pd.DataFrame:
    """Gain of every pair over every control, per outer split and metric.

    `distilled` is the student of the real teacher; `baseline` is the student trained alone (control `none`), taught by
    its own modality (`self`) or by the teacher's logits permuted over patients (`shuffled`). `gain` is distilled -
    baseline, also where lower is better. `lambda` and `temperature` are those of the distilled student. `offsets` is
    that of `score_models`.

    Returns
    -------
    DataFrame
        `keys.GAIN_COLUMNS`.
    """
    tables = []
    outer = np.repeat(np.arange(splits.whole), len(METRICS))
    names = np.tile(list(METRICS), splits.whole)
    for student, taught in distillations.items():
        scores, n_test = score_models(
            cohort,
            splits,
            student,
            np.concatenate([encodings[student].logits[None], taught.logits]),
            offsets=offsets,
        )
        # The student trained alone comes first.
        run = {(name, bool(s)): v for v, (name, s) in enumerate(zip(taught.teachers, taught.shuffled, strict=True))}
        for teacher in dict.fromkeys(taught.teachers):
            if teacher == student:
                continue
            v = run[teacher, False]
            baselines = {"none": -1, "self": run.get((student, False)), "shuffled": run.get((teacher, True))}
            for control in keys.CONTROLS:
                u = baselines[control]
                if u is None:
                    continue
                columns = {
                    "teacher": teacher,
                    "student": student,
                    "control": control,
                    "repeat": splits.repeat[outer],
                    "fold": splits.fold[outer],
                    "metric": names,
                    "baseline": scores[u + 1].ravel(),
                    "distilled": scores[v + 1].ravel(),
                    "gain": (scores[v + 1] - scores[u + 1]).ravel(),
                    "n_test": n_test[outer],
                    "lambda": taught.lambdas[v, outer],
                    "temperature": taught.temperatures[v, outer],
                }
                tables.append(pd.DataFrame(columns, columns=list(keys.GAIN_COLUMNS)))
    return _concat(tables, keys.GAIN_COLUMNS)


def reference_table(cohort: Cohort, splits: Splits, references: References) -> pd.DataFrame:
    """Score of every reference model, per modality, outer split and metric.

    Returns
    -------
    DataFrame
        `keys.REFERENCE_COLUMNS`.
    """
    tables = []
    outer = np.repeat(np.arange(splits.whole), len(METRICS))
    for m, modality in enumerate(references.modalities):
        scores, n_test = score_models(cohort, splits, modality, references.logits[:, m])
        for r, model in enumerate(references.models):
            columns = {
                "modality": modality,
                "reference": model,
                "repeat": splits.repeat[outer],
                "fold": splits.fold[outer],
                "metric": np.tile(list(METRICS), splits.whole),
                "value": scores[r].ravel(),
                "n_test": n_test[outer],
            }
            tables.append(pd.DataFrame(columns, columns=list(keys.REFERENCE_COLUMNS)))
    return _concat(tables, keys.REFERENCE_COLUMNS)


def corrected_interval(values: NDArray[np.float64], folds: int) -> tuple[float, float, float]:
    """Mean and 95% interval of a quantity measured once on each outer split: the corrected resampled t.

    The training sets of the splits overlap, so the J values are not independent and their variance over J is far too
    small for the variance of the mean. Nadeau & Bengio (2003, Machine Learning 52:239, section 3) put

        var(mean) = (1/J + n_test / n_train) * variance of the values,

    with J - 1 degrees of freedom; n_test / n_train is 1 / (folds - 1) in cross-validation, and J = repeats * folds
    (Bouckaert & Frank 2004). Bounds are NaN with fewer than two values or folds.

    Parameters
    ----------
    values
        (J,); NaN where the quantity is not defined on a split, which is left out.
    folds
        Outer folds of a repeat.

    Returns
    -------
    tuple
        mean, low, high.
    """
    known = values[np.isfinite(values)]
    n = len(known)
    mean = float(known.mean()) if n else float("nan")
    if n < 2 or folds < 2:
        return mean, float("nan"), float("nan")
    error = np.sqrt((1 / n + 1 / (folds - 1)) * known.var(ddof=1))
    arm = float(t.ppf((1 + CONFIDENCE) / 2, n - 1) * error)
    return mean, mean - arm, mean + arm


def summarise(gains: pd.DataFrame) -> pd.DataFrame:
    """Mean gain and its 95% interval (`corrected_interval`) for each teacher, student, control and metric.

    Returns
    -------
    DataFrame
        `SUMMARY_COLUMNS`; `n_splits` counts the splits on which the metric is defined.
    """
    return _intervals(gains, ["teacher", "student", "control", "metric"], "gain", SUMMARY_COLUMNS)


def performance(gains: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Mean score and its 95% interval of every model, per modality and metric.

    Models are `alone`, `self`, `distilled:TEACHER` and the reference models.

    Returns
    -------
    DataFrame
        `PERFORMANCE_COLUMNS`.
    """
    gains = gains.rename(columns={"student": "modality"})
    control = gains["control"]
    parts = [
        gains[control == "none"].assign(model="alone").rename(columns={"baseline": "value"}),
        gains[control == "self"].assign(model="self").rename(columns={"baseline": "value"}),
        gains[control == "none"]
        .assign(model="distilled:" + gains["teacher"].astype(str))
        .rename(columns={"distilled": "value"}),
        references.rename(columns={"reference": "model"}),
    ]
    columns = ["modality", "model", "metric", "repeat", "fold", "value"]
    # A student alone is the baseline of every teacher's row.
    scores = _concat([part[columns] for part in parts], tuple(columns)).drop_duplicates(columns[:-1])
    return _intervals(scores, ["modality", "model", "metric"], "value", PERFORMANCE_COLUMNS)


def _intervals(table: pd.DataFrame, by: list[str], value: str, columns: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for key, part in table.groupby(by, sort=False):
        values = part[value].to_numpy(dtype=np.float64)
        folds = int(part["fold"].nunique())
        rows.append((*key, *corrected_interval(values, folds), int(np.isfinite(values).sum())))
    return pd.DataFrame(rows, columns=list(columns))


def held_out_pairs(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    split: int,
) -> dict[tuple[str, str], Pair]:
    """(teacher, student) -> what is known of the pair inside the training set of a split.

    Parameters
    ----------
    distillations
        By student, for the criteria that need a pilot; a student or teacher may be absent.
    """
    train = splits.train[split]
    labels = np.where(splits.labelled[split], cohort.labels, -1)
    known = {name: train & np.isfinite(each.logits[split]).all(-1) for name, each in encodings.items()}
    found = {}
    for teacher in encodings:
        for student in encodings:
            if teacher == student:
                continue
            both = known[teacher] & known[student]
            found[teacher, student] = Pair(
                teacher_representation=encodings[teacher].representation[split, both].astype(np.float64),
                student_representation=encodings[student].representation[split, both].astype(np.float64),
                teacher_logits=encodings[teacher].logits[split, both].astype(np.float64),
                student_logits=encodings[student].logits[split, both].astype(np.float64),
                labels=labels[both],
                fold=splits.inner[split, both],
                n_student=int((known[student] & (labels >= 0)).sum()),
                taught_logits=_taught_logits(distillations.get(student), teacher, split, both),
            )
    return found


def _taught_logits(
    distillation: Distillation | None, teacher: str, split: int, samples: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    if distillation is None:
        return None
    for v, (name, shuffled) in enumerate(zip(distillation.teachers, distillation.shuffled, strict=True)):
        if name == teacher and not shuffled:
            return np.asarray(distillation.logits[v, split, samples], dtype=np.float64)
    return None


def score_held_out(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    criteria: Collection[str],
) -> pd.DataFrame:
    """Score every pair in every outer training set by criteria that read held-out predictions.

    Returns
    -------
    DataFrame
        `criterion, teacher, student, repeat, fold, score`; NaN where there is no score.
    """
    rows = []
    for j in range(splits.whole):
        where = int(splits.repeat[j]), int(splits.fold[j])
        for names, pair in held_out_pairs(cohort, splits, encodings, distillations, j).items():
            for criterion in criteria:
                score = CRITERIA[criterion].score
                if score is not None:
                    rows.append((criterion, *names, *where, score(pair)))
    return pd.DataFrame(rows, columns=["criterion", "teacher", "student", "repeat", "fold", "score"])


def pairs(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    distillations: Mapping[str, Distillation],
    verdicts: pd.DataFrame,
    summary: pd.DataFrame,
) -> pd.DataFrame:
    """Score and decision of every criterion of `criteria.table` for every pair, beside the realised gain.

    See `join_scores`, which this calls with the scores of `score_held_out`.

    Parameters
    ----------
    verdicts
        `repeat, fold` and `keys.VERDICT_COLUMNS`, of all splits.
    summary
        Of `summarise`.
    """
    scores = score_held_out(cohort, splits, encodings, distillations, CRITERIA)
    return join_scores(cohort, scores, verdicts, summary)


def join_scores(cohort: Cohort, scores: pd.DataFrame, verdicts: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Score and decision of every criterion for every pair, beside the realised gain in balanced accuracy.

    A score is estimated inside each outer training set and averaged over the outer splits that have one. The decision
    is `distil` above the criterion's threshold; that of `verdict` is the cohort's, which rests on the pilots of the
    outer training sets. A pair without a score is `undecided`. It is *harmed* if the 95% interval of its
    gain over the student alone lies below 0, and *gained* if that of its gain over the self control lies above 0.
    Criteria that need a pilot are left out where there is none.

    Parameters
    ----------
    scores
        Of `score_held_out`.
    verdicts, summary
        As for `pairs`.

    Returns
    -------
    DataFrame
        `PAIR_COLUMNS`, one row per criterion and pair.
    """
    where = ["teacher", "student"]
    measured = summary[summary["metric"] == METRIC]
    columns = ["gain", "ci_low", "ci_high"]
    alone = measured[measured["control"] == "none"][[*where, *columns]]
    over_self = measured[measured["control"] == "self"][[*where, *columns]]
    over_self = over_self.rename(columns={"gain": "gain_over_self", "ci_low": "self_ci_low", "ci_high": "self_ci_high"})
    table = alone.merge(over_self, on=where, how="left")
    table = table.assign(
        cohort=cohort.name,
        target=cohort.target,
        harmed=table["ci_high"].to_numpy(dtype=np.float64) < 0,
        gained=table["self_ci_low"].to_numpy(dtype=np.float64) > 0,
    )

    of_cohort = verdicts["repeat"] == -1
    judged = verdicts[~of_cohort]
    terms = judged.assign(gap_plus_advantage=judged["gap"] + judged["advantage"], score=cch.score(judged))
    used = list(dict.fromkeys(criterion.terms for criterion in CRITERIA.values() if criterion.terms))
    of_terms = terms.groupby(where, sort=False)[used].mean().reset_index()
    of_terms = of_terms.merge(verdicts.loc[of_cohort, [*where, "verdict"]], on=where, how="left")
    of_predictions = scores.groupby(["criterion", *where], sort=False)["score"].mean().reset_index()
    parts = []
    for name, criterion in CRITERIA.items():
        if criterion.terms:
            known = of_terms.assign(score=of_terms[criterion.terms])
        else:
            known = of_predictions[of_predictions["criterion"] == name]
        joined = table.merge(known.drop(columns="criterion", errors="ignore"), on=where, how="left")
        score = joined["score"].to_numpy(dtype=np.float64)
        if criterion.needs_pilot and np.isnan(score).all():
            continue
        if name == VERDICT:
            decision = joined["verdict"].where(np.isfinite(score), keys.UNDECIDED).to_numpy(dtype=str)
        else:
            decision = _by_threshold(score, criterion.threshold)
        parts.append(joined.assign(criterion=name, score=score, decision=decision)[list(PAIR_COLUMNS)])
    return _concat(parts, PAIR_COLUMNS)


def _by_threshold(score: NDArray[np.float64], threshold: float) -> NDArray[np.str_]:
    return np.select([np.isnan(score), score > threshold], [keys.UNDECIDED, keys.DISTIL], keys.DO_NOT_DISTIL)


def scorecard(pairs: pd.DataFrame, *, pooled: bool = False) -> pd.DataFrame:
    """How well each criterion foretold the realised gains.

    - `auroc_harmed`: probability that a pair that was not harmed has a higher score than one that was, ties one half;
      `auroc_gained`: that one that gained over self has a higher score than one that did not. NaN if there is one kind
      only. `spearman`: with the mean gain; NaN for a constant score. Over the pairs that have a score.
    - `sign_accuracy`: share of right decisions among the decided: `distil` is right if the mean gain is positive,
      `do_not_distil` if it is not. `abstention`: share of undecided pairs.
    - `regret`: mean over students of the best mean gain (training alone is 0) minus that of the choice: the teacher
      with the highest score among those that `cch.may_teach` allows (the mean of equals), alone if there is none.

    Parameters
    ----------
    pairs
        Of `pairs`, of one cohort and target or of several, put together. Pairs without a measured gain are not counted.
    pooled
        Over all cohorts and targets (named "all") instead of one row for each.

    Returns
    -------
    DataFrame
        `keys.SCORECARD_COLUMNS`, one row per criterion.
    """
    measured = pairs[np.isfinite(pairs["gain"].to_numpy(dtype=np.float64))]
    by = ["criterion"] if pooled else ["cohort", "target", "criterion"]
    rows = []
    for key, part in measured.groupby(by, sort=False):
        name = ("all", "all", *key) if pooled else key
        gain = part["gain"].to_numpy(dtype=np.float64)
        score = part["score"].to_numpy(dtype=np.float64)
        harmed, gained = part["harmed"].to_numpy(dtype=bool), part["gained"].to_numpy(dtype=bool)
        decision = part["decision"].to_numpy(dtype=str)
        scored, decided = np.isfinite(score), decision != keys.UNDECIDED
        right = (decision == keys.DISTIL) == (gain > 0)
        rows.append(
            (
                *name,
                len(part),
                int(harmed.sum()),
                int(gained.sum()),
                _separation(score[scored], ~harmed[scored]),
                _separation(score[scored], gained[scored]),
                _rank_correlation(score[scored], gain[scored]),
                float(right[decided].mean()) if decided.any() else float("nan"),
                float(1 - decided.mean()),
                float(np.mean([_regret(each) for _, each in part.groupby(["cohort", "target", "student"])])),
            )
        )
    return pd.DataFrame(rows, columns=list(keys.SCORECARD_COLUMNS))


def _separation(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    above = rankdata(score)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _regret(candidates: pd.DataFrame) -> float:
    """Of the choice for one student."""
    best = max(0.0, float(candidates["gain"].max()))
    allowed = candidates[cch.may_teach(candidates["decision"].to_numpy(), candidates["score"].to_numpy())]
    if allowed.empty:
        return best
    return best - float(allowed.loc[allowed["score"] == allowed["score"].max(), "gain"].mean())


def _concat(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))
