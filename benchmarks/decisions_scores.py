"""Scores of all criteria from stored predictions, and how well they foretold the gains.

Nothing is trained here, so that a criterion or a verdict can be changed and scored again in a minute:

    pairs = all_pairs(output, TASKS, BUDGETS, judge=my_judge)
    print(criteria_table(pairs))

where `my_judge(estimates)` returns verdicts as `criteria.cch.decide` does, from a table of `estimate_pairs`.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from decisions_predictions import (
    DISTILLATIONS,
    REFERENCE_REPEATS,
    SEED,
    Stored,
    Task,
    first_repeats,
    folder,
    in_processes,
    is_complete,
    load,
    spent_seconds,
)
from numpy.typing import NDArray
from scipy.stats import rankdata

from cch_omics import criteria, keys
from cch_omics.config import CriterionConfig, InformationConfig, SplitsConfig
from cch_omics.criteria import cch
from cch_omics.criteria.cch import ask_pilots, decide
from cch_omics.criteria.table import CRITERIA, VERDICT
from cch_omics.evaluation import (
    METRIC,
    corrected_interval,
    gains,
    held_out_pairs,
    join_scores,
    reference_table,
    summarise,
)
from cch_omics.information.pairs import estimate_pairs
from cch_omics.io.files import atomic
from cch_omics.pilots import linear_pilots, network_pilots
from cch_omics.predictions import load_inputs
from cch_omics.provenance import code_hash
from cch_omics.tasks.classification import class_offsets
from cch_omics.tasks.classification import decide as classes_of

# Estimates of mutual information (of `estimate_pairs`) -> verdicts (of `decide`).
Judge = Callable[[pd.DataFrame], pd.DataFrame]
# What the verdict is with `criterion.pilot: linear`, and its pilot's gain.
LINEAR = {VERDICT: "verdict_linear", "pilot_gain": "pilot_gain_linear"}
DRAWS = 2000
# What `left_out` chooses from, and how often it wants a decided sign to be right.
CONFIDENCES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
RIGHT = 0.95
# Of the outer splits by default.
REPEATS = SplitsConfig().repeats
# Share of pairs that may be left undecided where signs are judged.
UNDECIDED = 0.25
# The outcomes to be foretold: what was distilled how, and whether decisions are made with class offsets.
OUTCOMES = {"default": ("default", True), "half": ("half", True), "argmax": ("half", False)}
WHERE = ["cohort", "target", "budget", "way"]
# What `by_split` looks at.
TOGETHER, OTHER_FOLDS = "verdict and benefit", "gain on the other folds"
WITHIN = (
    VERDICT,
    LINEAR[VERDICT],
    "pilot_accuracy",
    "benefit",
    TOGETHER,
    "teacher_minus_student_accuracy",
    "cch",
    OTHER_FOLDS,
)


def default_judge(estimates: pd.DataFrame) -> pd.DataFrame:
    """Verdicts with the package's defaults."""
    return decide(estimates, CriterionConfig(), target="the label")


def rooms(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> Iterator[tuple[Task, float, Path]]:
    """What has been predicted so far."""
    for task in tasks:
        for budget in budgets:
            room = folder(output, task, budget)
            if is_complete(room):
                yield task, budget, room


def score_rooms(
    output: Path, tasks: Iterable[Task], budgets: Iterable[float], *, processes: int, say: Callable[[str], None]
) -> None:
    """Make what `all_pairs` keeps, a folder a process."""
    jobs = [
        (f"{task.cohort} {task.target}, {budget:.0%} of the labels, scores", (room,))
        for task, budget, room in rooms(output, tasks, budgets)
    ]
    in_processes(_score_room, jobs, processes=processes, say=say)


def _score_room(room: Path) -> None:
    stored = load(room)
    information(stored, room)
    for way in DISTILLATIONS:
        held_out_scores(stored, way, room)
    for outcome in OUTCOMES:
        asked_networks(stored, outcome, room)
        measured_gains(stored, outcome, room)
        patient_errors(stored, outcome, room)


def all_pairs(
    output: Path,
    tasks: Iterable[Task],
    budgets: Iterable[float],
    *,
    judge: Judge = default_judge,
    outcomes: Iterable[str] = tuple(OUTCOMES),
) -> pd.DataFrame:
    """Score, decision and gain of every criterion and pair: `evaluation.PAIR_COLUMNS`, and what tells them apart.

    The verdict asks the networks that were distilled on the inner folds, in the way whose gains are to be foretold;
    two more criteria, of `LINEAR`, ask linear students.

    Further columns: `budget`; `way`, of `OUTCOMES`; `cluster`, see `Task`; `seconds` of a processor that the score of
    one pair in one outer training set took, the encoders not counted; `gain_error`, see `patient_errors`;
    `alone`, the balanced accuracy of the student trained alone.
    """
    tables = []
    for task, budget, room in rooms(output, tasks, budgets):
        stored = load(room)
        estimates, of_information = information(stored, room)
        by_linear = judge(estimates)
        for outcome in outcomes:
            way, _ = OUTCOMES[outcome]
            scores = held_out_scores(stored, way, room)
            measured = measured_gains(stored, outcome, room)
            summary = summarise(measured)
            by_networks = verdicts(stored, outcome, room, judge=judge)
            table, other = (join_scores(stored.cohort, scores, each, summary) for each in (by_networks, by_linear))
            other = other[other["criterion"].isin(LINEAR)].replace({"criterion": LINEAR})
            table = pd.concat([table, other], ignore_index=True)
            table = table.merge(patient_errors(stored, outcome, room), on=["teacher", "student"], how="left")
            alone = measured[(measured["metric"] == METRIC) & (measured["control"] == "none")]
            table["alone"] = table["student"].map(alone.groupby("student")["baseline"].mean())
            seconds = scores.groupby("criterion")["seconds"].mean().to_dict() | _shared_seconds(stored, of_information)
            table["seconds"] = table["criterion"].map(seconds)
            tables.append(table.assign(budget=budget, way=outcome, cluster=task.cluster))
    return pd.concat(tables, ignore_index=True)


def verdicts(stored: Stored, outcome: str, room: Path, *, judge: Judge = default_judge) -> pd.DataFrame:
    """What is shipped: networks are asked."""
    estimates, _ = information(stored, room)
    return judge(ask_pilots(estimates, asked_networks(stored, outcome, room)))


def asked_networks(stored: Stored, outcome: str, room: Path) -> pd.DataFrame:
    """`pilots.network_pilots`, distilled and decided as the students of one outcome; kept until the code changes."""
    way, offsets = OUTCOMES[outcome]
    return kept(
        room / "scores" / f"pilots-{outcome}-{code_hash('pilots')}.parquet",
        lambda: network_pilots(stored.cohort, stored.splits, stored.encodings, stored.taught[way], offsets=offsets),
    )


def few_repeats(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """The cohort's verdict on each pair by the pilots of `REPEATS` repeats alone, as the workflow ships it.

    Columns: `cohort, target, budget, teacher, student, decision`.
    """
    tables = []
    for task, budget, room in rooms(output, tasks, budgets):
        stored = load(room)
        splits, first = first_repeats(stored.splits, REPEATS), stored.splits.repeat < REPEATS
        # A pilot's gain is of logits alone.
        encodings = {name: replace(each, logits=each.logits[first]) for name, each in stored.encodings.items()}
        taught = {name: replace(each, logits=each.logits[:, first]) for name, each in stored.taught["default"].items()}
        pilots = kept(
            room / "scores" / f"pilots-default-{REPEATS}-{code_hash('pilots')}.parquet",
            partial(network_pilots, stored.cohort, splits, encodings, taught),
        )
        judged = default_judge(ask_pilots(information(stored, room)[0], pilots))
        judged = judged.loc[judged["repeat"] == -1, ["teacher", "student", "verdict"]]
        judged = judged.rename(columns={"verdict": "decision"})
        tables.append(judged.assign(cohort=task.cohort, target=task.target, budget=budget))
    return pd.concat(tables, ignore_index=True)


def kept(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table from its file, or made and written."""
    if not path.exists():
        table = make()
        with atomic(path) as draft:
            table.to_parquet(draft)
    return pd.read_parquet(path)


def measured_gains(stored: Stored, outcome: str, room: Path) -> pd.DataFrame:
    """`evaluation.gains` of one outcome; kept until the code changes."""
    way, offsets = OUTCOMES[outcome]
    return kept(
        room / "scores" / f"gains-{outcome}-{code_hash('evaluate')}.parquet",
        lambda: gains(stored.cohort, stored.splits, stored.encodings, stored.taught[way], offsets=offsets),
    )


def patient_errors(stored: Stored, outcome: str, room: Path) -> pd.DataFrame:
    """Standard error of each pair's mean gain over training alone, from its test patients; kept until the code changes.

    It is what another draw of patients to test the same models on would change. In a split a patient's part of the gain
    is the difference of right answers over the patients of its class, and the classes; its sum over splits varies from
    patient to patient within a class.

    Returns
    -------
    DataFrame
        `teacher, student, gain_error`.
    """
    way, offsets = OUTCOMES[outcome]
    return kept(
        room / "scores" / f"errors-{outcome}-{code_hash('evaluate')}.parquet",
        lambda: _patient_errors(stored, way, offsets=offsets),
    )


def _patient_errors(stored: Stored, way: str, *, offsets: bool) -> pd.DataFrame:
    cohort, splits = stored.cohort, stored.splits
    n_classes = len(cohort.classes)
    patient = np.unique(cohort.groups, return_inverse=True)[1]

    def right(logits: NDArray[np.float32], tested: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = np.zeros(tested.shape)
        for j, test in enumerate(tested):
            shift = class_offsets(logits[j], cohort.labels, splits.labelled[j]) if offsets else np.zeros(n_classes)
            found[j, test] = classes_of(logits[j, test], shift) == cohort.labels[test]
        return found

    rows = []
    for student, taught in stored.taught[way].items():
        alone = stored.encodings[student].logits
        for teacher, logits in zip(taught.teachers, taught.logits, strict=True):
            if teacher == student:
                continue
            tested = splits.test[: splits.whole] & cohort.labelled & np.isfinite(alone + logits).all(2)[: splits.whole]
            of_class = np.stack([tested & (cohort.labels == c) for c in range(n_classes)])  # (C, J, n)
            counts = of_class.sum(2, keepdims=True)
            weight = (of_class / np.maximum(counts, 1)).sum(0) / np.maximum((counts > 0).sum(0), 1)
            part = (weight * (right(logits, tested) - right(alone, tested))).sum(0) / max(1, tested.any(1).sum())
            variance = 0.0
            for c in range(n_classes):
                members = of_class[c].any(0)
                sums = np.bincount(np.unique(patient[members], return_inverse=True)[1], weights=part[members])
                variance += len(sums) * sums.var(ddof=1) if len(sums) > 1 else 0.0
            rows.append((teacher, student, np.sqrt(variance)))
    return pd.DataFrame(rows, columns=["teacher", "student", "gain_error"])


def held_out_scores(stored: Stored, way: str, room: Path) -> pd.DataFrame:
    """`evaluation.score_held_out` with processor `seconds`; kept in the room until a criterion's source changes.

    Only a pilot depends on the way to distil.
    """
    folder = room / "scores"
    of_way = kept(folder / f"{way}-{_criteria_hash()}.parquet", lambda: _scores(stored, way, pilots=True))
    others = kept(folder / f"scores-{_criteria_hash()}.parquet", lambda: _scores(stored, way, pilots=False))
    return pd.concat([others, of_way], ignore_index=True)


def _scores(stored: Stored, way: str, *, pilots: bool) -> pd.DataFrame:
    chosen = {name: each for name, each in CRITERIA.items() if each.score and each.needs_pilot == pilots}
    rows = []
    splits = stored.splits
    for j in range(splits.whole):
        where = int(splits.repeat[j]), int(splits.fold[j])
        pairs = held_out_pairs(stored.cohort, splits, stored.encodings, stored.taught[way], j)
        for names, pair in pairs.items():
            for criterion, each in chosen.items():
                started = time.process_time()
                score = each.score(pair)
                rows.append((criterion, *names, *where, score, time.process_time() - started))
    return pd.DataFrame(rows, columns=["criterion", "teacher", "student", "repeat", "fold", "score", "seconds"])


def information(stored: Stored, room: Path) -> tuple[pd.DataFrame, dict[str, float]]:
    """Mutual information with the package's defaults, and processor seconds; kept until the code changes.

    The seconds are those of all, `seconds`, and of the pilots in it, `seconds_of_pilots`.
    """

    def make() -> pd.DataFrame:
        def inputs_of(name: str) -> NDArray[np.float32] | None:
            return load_inputs(room / "encodings" / f"{name}.npz")

        spent = 0.0
        for name in stored.cohort.modalities:
            inputs = inputs_of(name)
            started = time.process_time()
            linear_pilots(stored.cohort, stored.splits, stored.encodings, name, inputs)
            spent += time.process_time() - started
        started = time.process_time()
        table = estimate_pairs(
            stored.cohort,
            stored.splits,
            stored.encodings,
            InformationConfig(),
            seed=SEED,
            inputs_of=inputs_of,
        )
        return table.assign(seconds=time.process_time() - started, seconds_of_pilots=spent)

    table = kept(room / "scores" / f"information-{code_hash('information')}.parquet", make)
    spent = ["seconds", "seconds_of_pilots"]
    return table.drop(columns=spent), table[spent].iloc[0].to_dict()


def _shared_seconds(stored: Stored, information: dict[str, float]) -> dict[str, float]:
    """Processor seconds of a pair in a training set, of what was computed for all at once."""
    m, n_splits = len(stored.cohort.modalities), len(stored.splits.fold)
    n_estimates = m * (m - 1) * n_splits
    cost = {name: information["seconds"] / n_estimates for name, each in CRITERIA.items() if each.terms}
    linear = {LINEAR[VERDICT]: cost[VERDICT], LINEAR["pilot_gain"]: information["seconds_of_pilots"] / n_estimates}
    # A student is taught by M - 1 teachers and by itself, on K inner folds and on all samples.
    trained = sum(stored.seconds[f"distil {name}"] for name in stored.cohort.modalities) / m
    n_inner = stored.splits.n_inner
    of_pilot = trained / n_splits / m * n_inner / (n_inner + 1)
    pilots = {name: of_pilot for name, each in CRITERIA.items() if each.needs_pilot or name == "pilot_gain"}
    return cost | linear | pilots | {VERDICT: cost[VERDICT] + of_pilot}


def _criteria_hash() -> str:
    sources = sorted(Path(criteria.__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.stem != "cch"))
    return digest.hexdigest()[:12]


OF_PAIRS = ("score", "gain", "gain_over_self", "harmed", "gained", "decision", "cluster")


@dataclass(frozen=True)
class Foretold:
    """One criterion against all gains, as arrays: P pairs, Q students (of a cohort, target and budget).

    Attributes
    ----------
    score, gain, gain_over_self, harmed, gained, decision, cluster
        (P,).
    chosen, best
        (Q,) gain of the chosen teacher (0: alone) and of the best choice.
    student_cluster
        (Q,).
    """

    score: NDArray[np.float64]
    gain: NDArray[np.float64]
    gain_over_self: NDArray[np.float64]
    harmed: NDArray[np.bool_]
    gained: NDArray[np.bool_]
    decision: NDArray[np.str_]
    cluster: NDArray[np.str_]
    chosen: NDArray[np.float64]
    best: NDArray[np.float64]
    student_cluster: NDArray[np.str_]

    def of(self, clusters: tuple[str, ...]) -> "Foretold":
        """Those of some clusters, a cluster as often as it is named."""
        pairs = np.concatenate([np.flatnonzero(self.cluster == each) for each in clusters])
        students = np.concatenate([np.flatnonzero(self.student_cluster == each) for each in clusters])
        return Foretold(
            *(getattr(self, name)[pairs] for name in OF_PAIRS),
            *(getattr(self, name)[students] for name in ("chosen", "best", "student_cluster")),
        )


def foretold(part: pd.DataFrame, *, guess: bool = True) -> Foretold:
    """Of the rows of one criterion; `guess`: whether an undecided student gets the better guess (`cch.may_teach`)."""
    part = part[np.isfinite(part["gain"].to_numpy(dtype=np.float64))]
    student = part.groupby(["cohort", "target", "budget", "student"], sort=False).ngroup().to_numpy()
    gain, score = (part[name].to_numpy(dtype=np.float64) for name in ("gain", "score"))
    decision = part["decision"].to_numpy(dtype=str)
    clusters = part["cluster"].to_numpy(dtype=str)
    chosen, best, cluster = [], [], []
    for each in range(student.max(initial=-1) + 1):
        candidates = student == each
        willing = candidates.copy()
        willing[candidates] = (
            cch.may_teach(decision[candidates], score[candidates]) if guess else decision[candidates] == keys.DISTIL
        )
        # Equal scores: the mean, as for a teacher drawn at random.
        chosen.append(gain[willing & (score == score[willing].max())].mean() if willing.any() else 0.0)
        best.append(max(0.0, gain[candidates].max()))
        cluster.append(clusters[candidates][0])
    return Foretold(
        score=part["score"].to_numpy(dtype=np.float64),
        gain=gain,
        gain_over_self=part["gain_over_self"].to_numpy(dtype=np.float64),
        harmed=part["harmed"].to_numpy(dtype=bool),
        gained=part["gained"].to_numpy(dtype=bool),
        decision=part["decision"].to_numpy(dtype=str),
        cluster=part["cluster"].to_numpy(dtype=str),
        chosen=np.array(chosen),
        best=np.array(best),
        student_cluster=np.array(cluster),
    )


def separation(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve over the finite scores; NaN if there is one kind only."""
    known = np.isfinite(score)
    score, positive = score[known], positive[known]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    above = rankdata(score)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def spearman(score: NDArray[np.float64], gain: NDArray[np.float64]) -> float:
    known = np.isfinite(score)
    a, b = rankdata(score[known]), rankdata(gain[known])
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def sign_accuracy(decision: NDArray[np.str_], gain: NDArray[np.float64]) -> float:
    decided = (decision != keys.UNDECIDED) & np.isfinite(gain)
    right = (decision == keys.DISTIL) == (gain > 0)
    return float(right[decided].mean()) if decided.any() else float("nan")


def share_of_oracle(each: Foretold) -> float:
    return float(each.chosen.sum() / each.best.sum()) if each.best.sum() > 0 else float("nan")


# Gains of balanced accuracy are in points. Regret, share and advice are over students.
STATISTICS: dict[str, Callable[[Foretold], float]] = {
    "auroc_harmed": lambda each: separation(each.score, ~each.harmed),
    "auroc_gained": lambda each: separation(each.score, each.gained),
    "auroc_negative": lambda each: separation(each.score, each.gain > 0),
    "spearman": lambda each: spearman(each.score, each.gain),
    "sign_accuracy": lambda each: sign_accuracy(each.decision, each.gain),
    "sign_accuracy_self": lambda each: sign_accuracy(each.decision, each.gain_over_self),
    "abstention": lambda each: float((each.decision == keys.UNDECIDED).mean()),
    "regret": lambda each: float(100 * (each.best - each.chosen).mean()),
    "advice": lambda each: float(100 * each.chosen.mean()),
    "share_of_oracle": share_of_oracle,
}


def criteria_table(pairs: pd.DataFrame, *, by: tuple[str, ...] = ("way", "budget"), seed: int = 0) -> pd.DataFrame:
    """How well each criterion foretold the gains, with 95% intervals from resampled clusters of cohorts.

    Columns: `by`, `criterion`, `n_pairs, n_harmed, n_gained`, each of `STATISTICS` with `_low` and `_high`, `seconds`.
    With four clusters there are 35 different resamples: the intervals are rough, and NaN where there is one cluster.
    """
    rows = []
    for key, condition in pairs.groupby(list(by), sort=False):
        for name, part in condition.groupby("criterion", sort=False):
            each = foretold(part)
            row = dict(zip(by, key, strict=True)) | {
                "criterion": name,
                "n_pairs": len(each.gain),
                "n_harmed": int(each.harmed.sum()),
                "n_gained": int(each.gained.sum()),
                "unscored": float(np.isnan(each.score).mean()),
            }
            resampled = list(_resamples(each, seed))
            for statistic, function in STATISTICS.items():
                row[statistic] = function(each)
                low, high = _percentiles([(function(drawn), count) for drawn, count in resampled])
                row[f"{statistic}_low"], row[f"{statistic}_high"] = low, high
            row["seconds"] = float(part["seconds"].mean())
            rows.append(row)
    return pd.DataFrame(rows)


def outcomes_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """What there was to foretell, per way and budget.

    Columns: pairs, harmed, gained over self, pairs with a positive mean gain, mean and standard deviation of the mean
    gains in points; `resolution`, half the mean width of their 95% intervals; `error`, their mean standard error from
    the test patients; and what a criterion would reach that knew every pair's true gain, because the measured one is
    off by that error, and what one would that had measured it on as many other patients (`ceilings`).
    """
    rows = []
    for (way, budget), condition in pairs[pairs["criterion"] == "always"].groupby(["way", "budget"], sort=False):
        gain, error = (condition[name].to_numpy(dtype=np.float64) for name in ("gain", "gain_error"))
        ceiling = ceilings(gain, error)
        rows.append(
            {
                "way": way,
                "budget": budget,
                "pairs": len(condition),
                "harmed": int(condition["harmed"].sum()),
                "gained over self": int(condition["gained"].sum()),
                "gain > 0": int((gain > 0).sum()),
                "mean gain": 100 * gain.mean(),
                "SD": 100 * gain.std(ddof=1),
                "resolution": 100 * (condition["ci_high"] - condition["ci_low"]).mean() / 2,
                "error": 100 * np.sqrt((error**2).mean()),
                "best Spearman": ceiling["truth"][0],
                "best sign right": ceiling["truth"][1],
                "Spearman of other patients": ceiling["measured"][0],
                "sign right of other patients": ceiling["measured"][1],
            }
        )
    return pd.DataFrame(rows)


def ceilings(
    gain: NDArray[np.float64], error: NDArray[np.float64], *, draws: int = 400, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Spearman correlation with measured gains, and share of right signs, that can be hoped for.

    True gains are drawn from a normal of the mean of the measured ones and of their variance less that of the errors;
    a measured gain is a true one with an error. The quarter of pairs with the smallest scores is left undecided.

    Returns
    -------
    dict
        Of two scores: `truth`, the true gains; `measured`, what distilling gained on as many other patients, which is a
        true gain with another error. NaN where the errors leave nothing of the variance, or are not known.
    """
    variance = gain.var(ddof=1) - (error**2).mean() if len(gain) > 1 else np.nan
    if not variance > 0:
        return dict.fromkeys(("truth", "measured"), (float("nan"), float("nan")))
    random = np.random.default_rng(seed)
    true = gain.mean() + np.sqrt(variance) * random.standard_normal((draws, len(gain)))
    measured, other = true + error * random.standard_normal((2, *true.shape))
    found = {}
    for name, score in {"truth": true, "measured": other}.items():
        decided = np.abs(score) >= np.quantile(np.abs(score), UNDECIDED, axis=1, keepdims=True)
        rank = np.mean([spearman(a, b) for a, b in zip(score, measured, strict=True)])
        found[name] = float(rank), float(((score > 0) == (measured > 0))[decided].mean())
    return found


def _resamples(each: Foretold, seed: int) -> Iterator[tuple[Foretold, int]]:
    """Different resamples of the clusters, and how often each was drawn."""
    names = sorted(set(each.cluster))
    if len(names) < 2:
        return
    drawn = np.sort(np.random.default_rng(seed).choice(names, (DRAWS, len(names))), axis=1)
    for clusters, count in Counter(map(tuple, drawn)).items():
        yield each.of(clusters), count


def _percentiles(values: list[tuple[float, int]]) -> tuple[float, float]:
    """2.5 and 97.5 per cent of counted values; undefined ones are left out."""
    expanded = np.repeat([value for value, _ in values], [count for _, count in values])
    known = expanded[np.isfinite(expanded)]
    if len(known) == 0:
        return float("nan"), float("nan")
    return float(np.quantile(known, 0.025)), float(np.quantile(known, 0.975))


def differences(pairs: pd.DataFrame, reference: str = VERDICT, *, seed: int = 0) -> pd.DataFrame:
    """Each criterion's statistic minus that of a reference criterion, on the same pairs and resamples of clusters.

    Statistics of scores are over the pairs that both have a score for; those of decisions are over all.
    """
    rows = []
    for (way, budget), condition in pairs.groupby(["way", "budget"], sort=False):
        parts = {name: foretold(part) for name, part in condition.groupby("criterion", sort=False)}
        for name, each in parts.items():
            both = np.isfinite(each.score) & np.isfinite(parts[reference].score)
            couple = [replace(one, score=np.where(both, one.score, np.nan)) for one in (each, parts[reference])]
            resampled = list(zip(*(_resamples(one, seed) for one in couple), strict=True))
            row: dict[str, object] = {"way": way, "budget": budget, "criterion": name}
            for statistic, function in STATISTICS.items():
                row[statistic] = function(couple[0]) - function(couple[1])
                drawn = [(function(one) - function(other), count) for (one, count), (other, _) in resampled]
                row[f"{statistic}_low"], row[f"{statistic}_high"] = _percentiles(drawn)
            rows.append(row)
    return pd.DataFrame(rows)


def left_out(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """Choose how the verdict decides on some groups of patients, and score it on the one that was left out.

    Two things are chosen on the others, over all label budgets: whether an undecided student gets the better guess, by
    the mean gain of following the advice; and the confidence, the smallest of `CONFIDENCES` whose decided signs are
    right in `RIGHT` of the pairs, or the largest.

    Columns: `left out`, `confidence`, `guess`; of the group left out: `pairs`, `undecided`, `sign right`, `sign right,
    over self`, `advice` and `oracle` (mean gains over students, in points). The last row puts the groups together.
    """
    tasks, budgets = list(tasks), list(budgets)
    of_confidence = {}
    for confidence in CONFIDENCES:
        settings = CriterionConfig(confidence=confidence)
        pairs = all_pairs(
            output,
            tasks,
            budgets,
            judge=lambda table, settings=settings: decide(table, settings, target="the label"),
            outcomes=("default",),
        )
        of_confidence[confidence] = pairs[pairs["criterion"] == VERDICT]
    clusters = sorted(of_confidence[CONFIDENCES[0]]["cluster"].unique())
    rows, judged = [], {True: [], False: []}
    for cluster in clusters if len(clusters) > 1 else []:
        chosen = CONFIDENCES[-1]
        for confidence in CONFIDENCES:
            table = of_confidence[confidence]
            others = foretold(table[table["cluster"] != cluster])
            if sign_accuracy(others.decision, others.gain) >= RIGHT:
                chosen = confidence
                break
        table = of_confidence[chosen]
        here, rest = table[table["cluster"] == cluster], table[table["cluster"] != cluster]
        advice = {guess: foretold(rest, guess=guess).chosen.mean() for guess in (True, False)}
        guess = advice[True] > advice[False]
        judged[guess].append(here)
        rows.append(
            {"left out": cluster, "confidence": chosen, "guess": guess}
            | _left_out_scores([foretold(here, guess=guess)])
        )
    parts = [foretold(pd.concat(tables), guess=guess) for guess, tables in judged.items() if tables]
    if parts:
        rows.append({"left out": "each in turn", "confidence": np.nan, "guess": ""} | _left_out_scores(parts))
    return pd.DataFrame(rows)


def _left_out_scores(parts: list[Foretold]) -> dict[str, object]:
    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    decision = joined("decision")
    return {
        "pairs": len(decision),
        "undecided": float((decision == keys.UNDECIDED).mean()),
        "sign right": sign_accuracy(decision, joined("gain")),
        "sign right, over self": sign_accuracy(decision, joined("gain_over_self")),
        "advice": float(100 * joined("chosen").mean()),
        "oracle": float(100 * joined("best").mean()),
    }


def by_split(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """Scores of each outer training set beside the gain on its own test patients, as the workflow distils.

    Of a pair's mean score and mean gain over all splits the patients are the same, in other splits, and so is the
    chance of who they are; of one split they are not.

    Columns: `cohort, target, budget, repeat, fold, teacher, student`, `decision` of the verdict, `gain`, and scores:
    those of `WITHIN`; of verdict and benefit together, the mean of both in standard errors; and the pair's mean gain on
    the test patients of the other folds of the repeat, who are not those of this fold either.
    """
    where = ["repeat", "fold", "teacher", "student"]
    tables = []
    for task, budget, room in rooms(output, tasks, budgets):
        stored = load(room)
        estimates, _ = information(stored, room)
        by_networks = verdicts(stored, "default", room)
        table = by_networks[where].assign(
            decision=by_networks["verdict"],
            cch=by_networks["gap"],
            benefit=by_networks["log_loss_benefit"],
            **{VERDICT: cch.score(by_networks), LINEAR[VERDICT]: cch.score(default_judge(estimates))},
        )
        in_errors = [
            (by_networks[name] / by_networks[f"{name}_se"].where(by_networks[f"{name}_se"] > 0)).fillna(0)
            for name in ("pilot_gain", "log_loss_benefit")
        ]
        table[TOGETHER] = sum(in_errors) / 2
        scores = held_out_scores(stored, "default", room).pivot_table(index=where, columns="criterion", values="score")
        table = table.join(scores[["pilot_accuracy", "teacher_minus_student_accuracy"]], on=where)
        measured = measured_gains(stored, "default", room)
        measured = measured[(measured["metric"] == METRIC) & (measured["control"] == "none")]
        table = table.merge(measured[[*where, "gain"]], on=where)
        of_repeat = table.groupby(["repeat", "teacher", "student"])["gain"]
        table[OTHER_FOLDS] = (of_repeat.transform("sum") - table["gain"]) / (of_repeat.transform("size") - 1)
        tables.append(table.assign(cohort=task.cohort, target=task.target, budget=budget))
    return pd.concat(tables, ignore_index=True)


def within_splits(splits: pd.DataFrame) -> pd.DataFrame:
    """Of `by_split`, per budget and score: means over splits, and their errors if splits were independent.

    Columns: `budget`, `criterion`, `spearman` with the gains and `spearman_error`; `advice`, the mean gain in points of
    the teacher with the largest score, 0 where that is not positive, over students, and `advice_error`.
    """
    rows = []
    for budget, part in splits.groupby("budget"):
        for name in WITHIN:
            found = []
            for _, one in part.groupby(["repeat", "fold"]):
                score = one[name].fillna(-np.inf)
                best = one.loc[score.groupby([one["cohort"], one["target"], one["student"]]).idxmax()]
                rank = spearman(one[name].to_numpy(dtype=np.float64), one["gain"].to_numpy(dtype=np.float64))
                found.append((rank, 100 * best["gain"].where(best[name] > 0, 0.0).mean()))
            mean, error = pd.DataFrame(found).mean(), pd.DataFrame(found).sem()
            row = {"budget": budget, "criterion": name, "spearman": mean[0], "spearman_error": error[0]}
            rows.append(row | {"advice": mean[1], "advice_error": error[1]})
    return pd.DataFrame(rows)


def against_references(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """Students against the reference models on the same test patients, split by split.

    One row per cohort, target, budget, student and reference model: difference in balanced accuracy of the student
    alone and of the distilled student (of the teacher with the largest mean score of the verdict inside the outer
    training sets), with corrected 95% intervals. Of the tasks that have reference models.
    """
    rows = []
    for task, budget, room in rooms(output, tasks, budgets):
        stored = load(room)
        if stored.references is None:
            continue
        folds = len(np.unique(stored.splits.fold[:-1]))
        table = measured_gains(stored, "default", room)
        table = table[(table["metric"] == METRIC) & (table["control"] == "none")]
        fitted = reference_table(stored.cohort, first_repeats(stored.splits, REFERENCE_REPEATS), stored.references)
        fitted = fitted[fitted["metric"] == METRIC]
        judged = verdicts(stored, "default", room)
        judged = judged[judged["repeat"] >= 0]
        score = cch.score(judged).groupby([judged["student"], judged["teacher"]]).mean()
        for student in stored.cohort.modalities:
            known = score[student].dropna()
            if known.empty:
                continue
            teacher = str(known.idxmax())
            runs = table[(table["student"] == student) & (table["teacher"] == teacher)]
            for model, values in fitted[fitted["modality"] == student].groupby("reference"):
                both = runs.merge(values, on=["repeat", "fold"])
                row: dict[str, object] = {"cohort": task.cohort, "target": task.target, "budget": budget}
                row |= {"student": student, "teacher": teacher, "reference": model}
                for kind in ("baseline", "distilled"):
                    mean, low, high = corrected_interval((both[kind] - both["value"]).to_numpy(), folds)
                    name = "alone" if kind == "baseline" else kind
                    row |= {name: 100 * mean, f"{name}_low": 100 * low, f"{name}_high": 100 * high}
                rows.append(row)
    return pd.DataFrame(rows)


def seconds_table(output: Path, tasks: Iterable[Task], budgets: Iterable[float]) -> pd.DataFrame:
    """Processor seconds of every step of every task."""
    rows = []
    for task, budget, room in rooms(output, tasks, budgets):
        seconds = spent_seconds(room)
        for step in ("encode", "distil", "references"):
            spent = [value for name, value in seconds.items() if name.split(" ")[0] == step]
            if spent:
                rows.append((task.cohort, task.target, budget, step, sum(spent)))
    return pd.DataFrame(rows, columns=["cohort", "target", "budget", "step", "seconds"])
