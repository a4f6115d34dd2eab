"""Gains are paired and honest; the scorecard says what a hand-made table says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cch_omics import evaluation, keys
from cch_omics.cohort import Cohort, Modality
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.evaluation.gains import (
    corrected_interval,
    gains,
    pairs,
    performance,
    reference_table,
    score_held_out,
    scorecard,
    summarise,
)
from cch_omics.models.out_of_fold import Distillation, Encoding, Network
from cch_omics.models.baselines import References
from cch_omics.splits import Splits
from cch_omics.tasks.classification import METRICS, class_offsets
from cch_omics.tasks.classification import evaluate as score

N, C = 80, 3
MODALITIES = ("weak", "strong")
NETWORK = Network(*(np.zeros(shape, dtype=np.float32) for shape in [(1,), (1, 1), (1,), (1, C), (C,)]))


def cohort() -> Cohort:
    """`weak` is profiled in the first 60 of 80 samples; three labels are missing."""
    samples = np.array([f"S{i:02d}" for i in range(N)])
    labels = np.arange(N) % C
    labels[[3, 40, 70]] = -1

    def modality(n: int) -> Modality:
        return Modality(np.zeros((n, 1), dtype=np.float32), np.array(["f"]), np.arange(n))

    return Cohort(
        "made-up", "subtype", samples, samples, np.full(N, ""), labels, ("a", "b", "c"),
        {"weak": modality(60), "strong": modality(N)},
    )  # fmt: skip


def split(cohort: Cohort, *, repeats: int = 2, folds: int = 2) -> Splits:
    """Two inner folds; a third of the training labels may be used."""
    rng = np.random.default_rng(0)
    outer = [(r, f, test == f) for r in range(repeats) for test in [rng.permutation(N) % folds] for f in range(folds)]
    outer.append((-1, -1, np.zeros(N, dtype=bool)))
    inner = np.array([np.where(test, -1, rng.integers(0, 2, N)) for _, _, test in outer])
    labelled = (inner >= 0) & cohort.labelled & (rng.random(inner.shape) < 0.7)
    return Splits(np.array([r for r, _, _ in outer]), np.array([f for _, f, _ in outer]), inner, labelled)


def logits(cohort: Cohort, splits: Splits, modality: str, seed: int, signal: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(splits.fold), N, C)) + signal * np.eye(C)[cohort.labels]
    values[:, ~cohort.profiled(modality)] = np.nan
    return values.astype(np.float32)


def encoding(values: NDArray[np.float32]) -> Encoding:
    return Encoding(values[..., :2], values, NETWORK, np.ones(len(values), dtype=int))


def distillation(runs: dict[tuple[str, bool], NDArray[np.float32]]) -> Distillation:
    shape = (len(runs), len(next(iter(runs.values()))))
    return Distillation(
        teachers=tuple(teacher for teacher, _ in runs),
        shuffled=np.array([shuffled for _, shuffled in runs]),
        logits=np.stack(list(runs.values())),
        lambdas=np.arange(shape[0] * shape[1]).reshape(shape) / 100,
        temperatures=np.full(shape, 3.0),
        epochs=np.ones(shape, dtype=int),
        networks=(NETWORK,) * len(runs),
    )


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    people = cohort()
    splits = split(people)
    encodings = {
        "weak": encoding(logits(people, splits, "weak", 0, 0.5)),
        "strong": encoding(logits(people, splits, "strong", 1, 2.0)),
    }
    distillations = {}
    for k, student in enumerate(MODALITIES):
        other = MODALITIES[1 - k]
        runs = [(student, False), (other, False), (other, True)]
        distillations[student] = distillation(
            {run: logits(people, splits, student, 10 * k + i + 2, 1.0 - k / 2) for i, run in enumerate(runs)}
        )
    return {"cohort": people, "splits": splits, "encodings": encodings, "distillations": distillations}


def test_gains_agree_with_a_plain_loop(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    table = gains(people, splits, encodings, distillations)
    assert tuple(table.columns) == keys.GAIN_COLUMNS
    assert len(table) == 2 * 3 * 4 * len(METRICS)

    def by_hand(values: NDArray[np.float32], s: int, student: str) -> tuple[dict[str, Any], int]:
        test = np.array([splits.test[s, i] and people.profiled(student)[i] and people.labels[i] >= 0 for i in range(N)])
        return score(
            values[s, test], people.labels[test], class_offsets(values[s], people.labels, splits.labelled[s])
        ), int(test.sum())

    for student in MODALITIES:
        teacher = next(name for name in MODALITIES if name != student)
        taught = distillations[student]
        baselines = {"none": encodings[student].logits, "self": taught.logits[0], "shuffled": taught.logits[2]}
        for control, values in baselines.items():
            for s in range(4):
                distilled, n_test = by_hand(taught.logits[1], s, student)
                baseline, _ = by_hand(values, s, student)
                rows = table[
                    (table["teacher"] == teacher) & (table["student"] == student) & (table["control"] == control)
                    & (table["repeat"] == splits.repeat[s]) & (table["fold"] == splits.fold[s])
                ].set_index("metric")  # fmt: skip
                for metric in METRICS:
                    row = rows.loc[metric]
                    assert row["distilled"] == pytest.approx(float(distilled[metric]))
                    assert row["baseline"] == pytest.approx(float(baseline[metric]))
                    assert row["gain"] == row["distilled"] - row["baseline"]
                    assert (row["n_test"], row["lambda"], row["temperature"]) == (n_test, taught.lambdas[1, s], 3.0)


def test_training_labels_beyond_the_budget_do_not_touch_a_gain(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    before = gains(people, splits, encodings, distillations)
    hidden = splits.train[0] & ~splits.labelled[0]
    labels = np.where(hidden, (people.labels + 1) % C, people.labels)
    changed = Cohort(**{**vars(people), "labels": labels})
    after = gains(changed, splits, encodings, distillations)
    first = (before["repeat"] == splits.repeat[0]) & (before["fold"] == splits.fold[0])
    pd.testing.assert_frame_equal(before[first], after[first])
    assert not before.equals(after)


def test_a_student_without_a_prediction_has_no_score_and_harms_no_other(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    broken = distillations["weak"].logits.copy()
    broken[1, 2] = np.nan
    taught = Distillation(**{**vars(distillations["weak"]), "logits": broken})
    table = gains(people, splits, encodings, {"weak": taught})
    split_2 = (table["repeat"] == splits.repeat[2]) & (table["fold"] == splits.fold[2])
    assert table.loc[split_2, "gain"].isna().all() and table.loc[split_2, "baseline"].notna().all()
    assert table.loc[~split_2, "gain"].notna().all()
    assert (summarise(table)["n_splits"] == 3).all()


def test_the_interval_by_hand() -> None:
    # Variance 5/3 of four values, two folds: (1/4 + 1/1) * 5/3 = 2.08333; t(0.975, 3 df) = 3.18245.
    mean, low, high = corrected_interval(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    arm = 3.182446 * np.sqrt(2.083333)
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - arm, 2.5 + arm), rel=1e-5)
    # 2 x 5 folds: (1/10 + 1/4) * var; t(0.975, 9 df) = 2.262157.
    values = np.arange(10.0)
    _, low, high = corrected_interval(values, 5)
    assert high - low == pytest.approx(2 * 2.262157 * np.sqrt(0.35 * 82.5 / 9), rel=1e-6)


def test_an_interval_needs_two_values() -> None:
    assert corrected_interval(np.array([0.3, np.nan]), 5)[0] == pytest.approx(0.3)
    assert np.isnan(corrected_interval(np.array([0.3, np.nan]), 5)[1:]).all()
    assert np.isnan(corrected_interval(np.full(3, np.nan), 5)).all()
    assert corrected_interval(np.zeros(10), 5) == (0.0, 0.0, 0.0)


def test_the_interval_covers() -> None:
    """Ridge against a constant: mean difference of squared errors, whose truth is the mean over many cohorts."""
    rng = np.random.default_rng(0)
    n, d, folds, repeats, cohorts = 60, 3, 5, 2, 600
    x = rng.normal(size=(cohorts, n, d))
    y = x @ np.array([0.5, 0.2, 0.0]) + rng.normal(size=(cohorts, n))
    differences = []
    for _ in range(repeats):
        fold = rng.permutation(n) % folds
        for f in range(folds):
            train, test = fold != f, fold == f
            gram = x[:, train].transpose(0, 2, 1) @ x[:, train] + np.eye(d)
            weight = np.linalg.solve(gram, x[:, train].transpose(0, 2, 1) @ y[:, train, None])[..., 0]
            fitted = np.einsum("cnd,cd->cn", x[:, test], weight)
            constant = y[:, train].mean(1, keepdims=True)
            differences.append(((y[:, test] - constant) ** 2 - (y[:, test] - fitted) ** 2).mean(1))
    values = np.stack(differences, axis=1)  # (cohorts, 10)
    truth = values.mean()
    bounds = np.array([corrected_interval(each, folds)[1:] for each in values])
    covered = ((bounds[:, 0] < truth) & (truth < bounds[:, 1])).mean()
    plain = 2.262 * values.std(1, ddof=1) / np.sqrt(10)
    assert (np.abs(values.mean(1) - truth) < plain).mean() < 0.9  # what the correction is for
    assert 0.93 < covered < 0.995


def test_performance_is_of_every_model_once(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    references = References(
        ("logistic",), MODALITIES, np.stack([np.stack([encodings[name].logits for name in MODALITIES])])
    )
    gained, compared = gains(people, splits, encodings, distillations), reference_table(people, splits, references)
    assert tuple(compared.columns) == keys.REFERENCE_COLUMNS
    table = performance(gained, compared)
    assert tuple(table.columns) == evaluation.PERFORMANCE_COLUMNS
    assert (table["n_splits"] == 4).all()
    models = {name: set(part["model"]) for name, part in table.groupby("modality")}
    assert models == {
        "weak": {"alone", "self", "distilled:strong", "logistic"},
        "strong": {"alone", "self", "distilled:weak", "logistic"},
    }
    assert len(table) == 8 * len(METRICS)
    # The reference is the same model as the student trained alone, so that both rows have to agree.
    wide = table.pivot(index=["modality", "metric"], columns="model", values="mean")
    np.testing.assert_allclose(wide["alone"], wide["logistic"])
    weak = gained[(gained["student"] == "weak") & (gained["control"] == "none")]
    expected = weak[weak["metric"] == "log_loss"]["distilled"].mean()
    assert wide.loc[("weak", "log_loss"), "distilled:strong"] == pytest.approx(expected)


def test_a_student_alone_counts_once_however_many_teachers() -> None:
    rows = [
        (teacher, "s", "none", 0, fold, "auroc", 0.1 * fold, 0.5, 0.0, 9, 0.5, 1.0)
        for teacher in ("t1", "t2", "t3")
        for fold in range(4)
    ]
    table = pd.DataFrame(rows, columns=list(keys.GAIN_COLUMNS))
    alone = performance(table, pd.DataFrame(columns=list(keys.REFERENCE_COLUMNS))).set_index("model").loc["alone"]
    expected = corrected_interval(0.1 * np.arange(4), 4)
    assert (alone["mean"], alone["ci_low"], alone["ci_high"]) == pytest.approx(expected)
    assert alone["n_splits"] == 4


def test_without_offsets_the_largest_logit_decides_and_probabilities_stay(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    with_offsets = gains(people, splits, encodings, distillations)
    table = gains(people, splits, encodings, distillations, offsets=False)
    decided = table["metric"].isin(["balanced_accuracy", "macro_f1"])
    pd.testing.assert_frame_equal(table[~decided], with_offsets[~decided])
    assert (table.loc[decided, "gain"] != with_offsets.loc[decided, "gain"]).any()
    row = table[(table["student"] == "weak") & (table["metric"] == "balanced_accuracy")].iloc[0]
    test = splits.test[0] & people.profiled("weak") & people.labelled
    plain = METRICS["balanced_accuracy"].function(encodings["weak"].logits[0, test], people.labels[test])
    assert row["baseline"] == pytest.approx(float(np.asarray(plain)))


def verdicts(splits: Splits) -> pd.DataFrame:
    """strong -> weak: positive gap, our `distil` of the cohort alone; weak -> strong: undecided, no gap once."""
    rows = []
    for s in range(len(splits.fold)):
        whole = s == splits.whole
        row: dict[str, Any] = dict.fromkeys(keys.VERDICT_COLUMNS, np.nan)
        row |= {"repeat": splits.repeat[s], "fold": splits.fold[s], "estimator": "ksg"}
        up = {"teacher": "strong", "student": "weak", "gap": 99.0 if whole else 0.1 * s, "advantage": 0.5}
        up |= {"verdict": keys.DISTIL if whole else keys.DO_NOT_DISTIL}
        down = {"teacher": "weak", "student": "strong", "gap": np.nan if s == 1 else -0.3, "advantage": -0.5}
        down |= {"verdict": keys.UNDECIDED}
        up |= {"log_loss_benefit": 99.0 if whole else 0.1 * s, "log_loss_benefit_se": 0.2}
        down |= {"log_loss_benefit": -0.1, "log_loss_benefit_se": 0.2}
        rows += [row | up, row | down]
    return pd.DataFrame(rows)


def test_pairs_carry_scores_of_the_training_side_and_gains_of_the_test_side(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    summary = summarise(gains(people, splits, encodings, distillations))
    table = pairs(people, splits, encodings, distillations, verdicts(splits), summary)
    assert tuple(table.columns) == evaluation.PAIR_COLUMNS
    assert len(table) == len(CRITERIA) * 2
    up = table[table["teacher"] == "strong"].set_index("criterion")
    down = table[table["teacher"] == "weak"].set_index("criterion")
    # The whole split's 99 is no part of a score, the mean of 0, 0.1, 0.2, 0.3; its verdict is the pair's.
    assert up.loc["cch", "score"] == pytest.approx(0.15)
    assert down.loc["cch", "score"] == pytest.approx(-0.3)
    # Without a pilot the benefit, mean of 0, 0.1, 0.2, 0.3.
    assert up.loc["verdict", "score"] == pytest.approx(0.15)
    assert up.loc["gap_plus_advantage", "score"] == pytest.approx(0.65)
    assert (up.loc["cch", "decision"], down.loc["cch", "decision"]) == (keys.DISTIL, keys.DO_NOT_DISTIL)
    assert (up.loc["verdict", "decision"], down.loc["verdict", "decision"]) == (keys.DISTIL, keys.UNDECIDED)
    assert up.loc["teacher_minus_student_accuracy", "score"] > 0 > down.loc["teacher_minus_student_accuracy", "score"]
    assert up.loc["teacher_accuracy", "score"] > down.loc["teacher_accuracy", "score"] > 0
    row = summary[
        (summary["teacher"] == "strong") & (summary["control"] == "self") & (summary["metric"] == evaluation.METRIC)
    ].iloc[0]
    assert (up["gain_over_self"] == row["gain"]).all() and (up["gained"] == (row["ci_low"] > 0)).all()


def test_a_score_reads_nothing_of_test_samples_nor_labels_beyond_the_budget(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    first = [0, -1]
    one = Splits(splits.repeat[first], splits.fold[first], splits.inner[first], splits.labelled[first])
    known = score_held_out(people, one, encodings, distillations, CRITERIA)
    labels = np.where(splits.labelled[0], people.labels, (people.labels + 1) % C)
    hidden = {}
    for name, each in encodings.items():
        values, hidden_units = each.logits.copy(), each.representation.copy()
        values[0, splits.test[0]] = 9.0
        hidden_units[0, splits.test[0]] = 9.0
        hidden[name] = replace(each, logits=values, representation=hidden_units)
    changed = score_held_out(replace(people, labels=labels), one, hidden, distillations, CRITERIA)
    pd.testing.assert_frame_equal(known, changed)
    assert np.isfinite(known.loc[known["criterion"] == "pilot", "score"]).all()


def test_without_a_pilot_its_criteria_are_left_out(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    summary = summarise(gains(people, splits, encodings, distillations))
    table = pairs(people, splits, encodings, {}, verdicts(splits), summary)
    assert set(CRITERIA) - set(table["criterion"]) == {name for name, each in CRITERIA.items() if each.needs_pilot}


def hand_made() -> pd.DataFrame:
    """Two students with two teachers each.

    student a: gains +4 (gained) and -6 (harmed); student b: gains +1 and +2.
    """
    common = {"cohort": "x", "target": "y", "criterion": "rule", "ci_low": 0.0, "gain_over_self": 0.0}
    common |= {"self_ci_low": 0.0, "self_ci_high": 0.0, "ci_high": 0.0}
    rows = [
        ("a", "t1", 0.9, keys.DISTIL, 0.04, False, True),
        ("a", "t2", -0.5, keys.DO_NOT_DISTIL, -0.06, True, False),
        ("b", "t1", 0.3, keys.DISTIL, 0.01, False, False),
        ("b", "t2", 0.1, keys.UNDECIDED, 0.02, False, False),
    ]
    columns = ["student", "teacher", "score", "decision", "gain", "harmed", "gained"]
    return pd.DataFrame(rows, columns=columns).assign(**common)[list(evaluation.PAIR_COLUMNS)]


def test_the_scorecard_by_hand() -> None:
    row = scorecard(hand_made()).iloc[0]
    assert tuple(row.index) == keys.SCORECARD_COLUMNS
    assert (row["cohort"], row["target"], row["criterion"]) == ("x", "y", "rule")
    assert (row["n_pairs"], row["n_harmed"], row["n_gained"]) == (4, 1, 1)
    assert (row["auroc_harmed"], row["auroc_gained"]) == (1, 1)
    assert row["spearman"] == pytest.approx(0.8)  # ranks 4 1 3 2 and 4 1 2 3
    assert (row["sign_accuracy"], row["abstention"]) == (1, 0.25)
    assert row["regret"] == pytest.approx(0.005)  # a: the best; b: +1 instead of +2


def test_the_scorecard_turns_when_the_score_does() -> None:
    table = hand_made()
    decision = table["decision"].replace({keys.DISTIL: keys.DO_NOT_DISTIL, keys.DO_NOT_DISTIL: keys.DISTIL})
    row = scorecard(table.assign(score=-table["score"], decision=decision)).iloc[0]
    assert (row["auroc_harmed"], row["auroc_gained"], row["sign_accuracy"]) == (0, 0, 0)
    assert row["spearman"] == pytest.approx(-0.8)
    assert row["regret"] == pytest.approx(((0.04 + 0.06) + 0.02) / 2)  # a is taught by t2, b alone


def test_regret_of_harmful_teachers_and_of_a_second_best() -> None:
    table = hand_made()
    harmful = table.assign(gain=[-0.01, -0.02, -0.03, -0.04])
    # a is taught by t1 and b too; alone would have been best for both.
    assert scorecard(harmful).iloc[0]["regret"] == pytest.approx((0.01 + 0.03) / 2)
    willing = table.assign(decision=keys.DISTIL, gain=[0.01, 0.06, 0.01, 0.02])
    # Of two allowed teachers the one with the higher score teaches: t1 both times.
    assert scorecard(willing).iloc[0]["regret"] == pytest.approx((0.05 + 0.01) / 2)


def test_always_and_never() -> None:
    table = hand_made()
    always = scorecard(table.assign(score=1.0, decision=keys.DISTIL)).iloc[0]
    never = scorecard(table.assign(score=0.0, decision=keys.DO_NOT_DISTIL)).iloc[0]
    assert always["auroc_harmed"] == never["auroc_harmed"] == 0.5
    assert np.isnan(always["spearman"]) and np.isnan(never["spearman"])
    assert (always["sign_accuracy"], never["sign_accuracy"]) == (0.75, 0.25)
    # A teacher at random: (0.04 - (-0.01)) and (0.02 - 0.015).
    assert always["regret"] == pytest.approx((0.05 + 0.005) / 2)
    assert never["regret"] == pytest.approx((0.04 + 0.02) / 2)


def test_what_was_not_measured_or_not_estimated() -> None:
    table = hand_made()
    unmeasured = table.assign(gain=table["gain"].where(table["teacher"] != "t2"))
    row = scorecard(unmeasured).iloc[0]
    assert row["n_pairs"] == 2 and np.isnan(row["auroc_harmed"])
    missing = table["teacher"] == "t2"
    unscored = table.assign(
        score=table["score"].mask(missing), decision=table["decision"].mask(missing, keys.UNDECIDED)
    )
    row = scorecard(unscored).iloc[0]
    assert (row["n_pairs"], row["abstention"]) == (4, 0.5)
    assert np.isnan(row["auroc_harmed"]) and row["auroc_gained"] == 1


def test_pooling_is_over_pairs_and_keeps_students_of_cohorts_apart() -> None:
    table = hand_made()
    other = table.assign(cohort="z", gain=-table["gain"], harmed=table["gained"], gained=table["harmed"])
    both = pd.concat([table, other], ignore_index=True)
    assert list(scorecard(both)["cohort"]) == ["x", "z"]
    pooled = scorecard(both, pooled=True)
    assert len(pooled) == 1
    row = pooled.iloc[0]
    assert (row["cohort"], row["target"], row["n_pairs"], row["n_harmed"]) == ("all", "all", 8, 2)
    apart = scorecard(both)
    assert row["regret"] == pytest.approx(apart["regret"].mean())
    assert row["sign_accuracy"] == pytest.approx(0.5)


def test_no_pairs_make_empty_tables(made: dict[str, Any]) -> None:
    people, splits, encodings, distillations = made.values()
    alone = distillation({("weak", False): distillations["weak"].logits[0]})
    table = gains(people, splits, encodings, {"weak": alone})
    assert tuple(table.columns) == keys.GAIN_COLUMNS and table.empty
    summary = summarise(table)
    listed = pairs(people, splits, encodings, distillations, verdicts(splits).iloc[:0], summary)
    assert scorecard(listed).empty and tuple(scorecard(listed).columns) == keys.SCORECARD_COLUMNS
