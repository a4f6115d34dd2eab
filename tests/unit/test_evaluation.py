"""Gains are paired and honest, intervals cover, and criteria stand beside what was gained."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort
from evidence_rows import row
from numpy.typing import NDArray
from outputs import encoding_of, students_of, with_controls

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import CriterionConfig, SplitsConfig
from cch_omics.evaluation import Evaluation, evaluate
from cch_omics.evaluation.gains import comparisons, gains, model_name, performance, scores_of_models, summarise
from cch_omics.evaluation.intervals import corrected_interval
from cch_omics.evaluation.predictions import predictions_on_test
from cch_omics.evaluation.scorecard import SHOWN, criteria_table
from cch_omics.models.out_of_fold import Encoding, Model, OutOfFold
from cch_omics.splits import Splits, make_splits
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.pilot import pilots

nan = float("nan")
GAINS = {"cnv": {"rna": 1.0, "mutation": 0.0}, "mutation": {"rna": 0.5, "cnv": 0.0}, "rna": {"cnv": 0.0}}


@dataclass(frozen=True)
class Made:
    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    students: dict[str, OutOfFold]
    baselines: dict[str, OutOfFold]

    @property
    def metrics(self) -> list[str]:
        return list(self.cohort.target.task.metrics)

    def gains(self, **changed: Any) -> pd.DataFrame:
        of = {"cohort": self.cohort, "splits": self.splits, "students": self.students, **changed}
        return gains(of["cohort"], of["splits"], of["students"])

    def evidence(self) -> pd.DataFrame:
        """Evidence in which the gap is for cnv as a teacher, without pilots."""
        pairs = [(teacher, student) for student, gained in GAINS.items() for teacher in gained]
        rows = [
            row(
                teacher,
                student,
                gap=0.2 if teacher == "cnv" else -0.2,
                ahead=0.1 if teacher == "rna" else -0.1,
                repeat=int(repeat),
                fold=int(fold),
            )
            for repeat, fold in zip(self.splits.repeat, self.splits.fold, strict=True)
            for teacher, student in pairs
        ]
        return pd.DataFrame(rows).assign(pilot_gain=nan, pilot_gain_se=nan, p_gain_positive=nan)

    def evaluated(self, rule: str, evidence: pd.DataFrame) -> Evaluation:
        criterion = CriterionConfig(rule=rule)
        return evaluate(self.cohort, self.splits, self.encodings, self.students, self.baselines, evidence, criterion)


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def made(request: pytest.FixtureRequest) -> Made:
    cohort = make_cohort(n=120, task=request.param, label_budget=0.7)
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=2, inner_folds=3), seed=0)
    students = {
        name: students_of(cohort, splits, name, with_controls(name, gained), seed=seed)
        for seed, (name, gained) in enumerate(GAINS.items())
    }
    encodings = {
        name: encoding_of(cohort, splits, name, seed=seed, signal=2.0) for seed, name in enumerate(cohort.modalities)
    }
    baselines = {}
    for seed, name in enumerate(GAINS):
        fitted = students_of(cohort, splits, name, {Model("linear"): 1.0, Model("boosting"): 0.5}, seed=9 + seed)
        # The linear one is the student alone under another name.
        outputs = np.stack([students[name].alone, fitted.outputs[1]])
        baselines[name] = replace(fitted, outputs=outputs, networks=())
    return Made(cohort, splits, encodings, students, baselines)


# Gains


def test_gains_agree_with_a_plain_loop(made: Made) -> None:
    people, splits = made.cohort, made.splits
    table = made.gains()
    assert tuple(table.columns) == keys.GAIN_COLUMNS
    assert len(table) == 5 * 3 * 4 * len(made.metrics)
    values = people.target.values

    def by_hand(outputs: NDArray[np.float32], s: int, student: str) -> tuple[dict[str, float], int]:
        has = people.profiled(student)
        test = np.array([splits.test[s, i] and has[i] and np.isfinite(values[i]).all() for i in range(len(values))])
        task = splits.task(people.target, s)
        decision = task.decision(outputs[s], values, splits.labelled[s])
        train = values[splits.labelled[s] & has]
        found = task.evaluate(outputs[s][None, test], values[test], decision[None], train)
        return {name: float(each[0]) for name, each in found.items()}, int(test.sum())

    for student, gained in GAINS.items():
        of = made.students[student]
        for teacher in gained:
            baselines = {
                "none": Model("alone"),
                "self": Model("soft_targets", student, "self"),
                "shuffled": Model("soft_targets", teacher, "shuffled"),
            }
            pair = table[(table["teacher"] == teacher) & (table["student"] == student)]
            assert set(pair["recipe"]) == {"soft_targets"} and set(pair["control"]) == {*keys.CONTROLS}
            for control, model in baselines.items():
                for s in range(splits.full):
                    distilled, n_test = by_hand(of.of(Model("soft_targets", teacher)), s, student)
                    baseline, _ = by_hand(of.of(model), s, student)
                    rows = pair[
                        (pair["control"] == control)
                        & (pair["repeat"] == splits.repeat[s])
                        & (pair["fold"] == splits.fold[s])
                    ].set_index("metric")
                    for metric in made.metrics:
                        each = rows.loc[metric]
                        assert each["distilled"] == pytest.approx(distilled[metric])
                        assert each["baseline"] == pytest.approx(baseline[metric])
                        assert each["gain"] == each["distilled"] - each["baseline"]
                        assert each["n_test"] == n_test


def test_decisions_are_learnt_on_usable_labels_of_training_samples_only(made: Made) -> None:
    people, splits, task = made.cohort, made.splits, made.cohort.target.task
    before = made.gains()
    # Neither a training label beyond the budget nor an output for its sample touches a gain.
    hidden = splits.train[0] & ~splits.labelled[0]
    values = people.target.values.copy()
    values[hidden] = np.roll(values[hidden], 1)
    other = replace(people, target=replace(people.target, values=values))
    students = {}
    for name, each in made.students.items():
        outputs = each.outputs.copy()
        outputs[:, 0, hidden] = np.where(np.isnan(outputs[:, 0, hidden]), nan, 5.0)
        students[name] = replace(each, outputs=outputs)
    after = made.gains(cohort=other, students=students)
    first = (before["repeat"] == splits.repeat[0]) & (before["fold"] == splits.fold[0])
    pd.testing.assert_frame_equal(before[first], after[first])
    assert not before.equals(after)
    # Nor do the labels that decisions are judged by.
    unused = ~splits.labelled[0]
    values[unused] = np.roll(values[unused], 1)
    for outputs in made.students["cnv"].outputs[:, 0]:
        np.testing.assert_array_equal(
            task.decision(outputs, people.target.values, splits.labelled[0]),
            task.decision(outputs, values, splits.labelled[0]),
        )


def test_a_student_without_a_prediction_has_no_score_and_harms_no_other(made: Made) -> None:
    taught = made.students["cnv"]
    outputs = taught.outputs.copy()
    broken = taught.models.index(Model("soft_targets", "rna"))
    outputs[broken, 2] = nan
    table = made.gains(students={"cnv": replace(taught, outputs=outputs)})
    of_rna = table[(table["teacher"] == "rna") & (table["metric"] == made.cohort.target.task.primary)]
    lost = (of_rna["repeat"] == made.splits.repeat[2]) & (of_rna["fold"] == made.splits.fold[2])
    assert of_rna.loc[lost, "gain"].isna().all() and of_rna.loc[lost, "baseline"].notna().all()
    assert of_rna.loc[~lost, "gain"].notna().all()
    summary = summarise(table).set_index(["teacher", "metric"]).sort_index()
    primary = made.cohort.target.task.primary
    assert (summary.loc[("rna", primary), "n_splits"] == 3).all()
    assert (summary.loc[("mutation", primary), "n_splits"] == 4).all()


def test_without_shuffled_controls_there_are_no_gains_over_them(made: Made) -> None:
    taught = made.students["cnv"]
    kept = [v for v, model in enumerate(taught.models) if model.control != "shuffled"]
    fewer = replace(taught, models=tuple(taught.models[v] for v in kept), outputs=taught.outputs[kept])
    table, whole = made.gains(students={"cnv": fewer}), made.gains(students={"cnv": taught})
    assert set(table["control"]) == {"none", "self"}
    same = whole[whole["control"] != "shuffled"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, same)


def test_every_recipe_has_its_own_controls(made: Made) -> None:
    """Two recipes of one teacher: each is compared with its own self control, both with the one student alone."""
    taught = made.students["mutation"]
    second = [replace(model, recipe="imputed") for model in taught.models if model.recipe != "alone"]
    outputs = np.concatenate([taught.outputs, taught.outputs[1:] * np.float32(0.5)])
    both = replace(taught, models=(*taught.models, *second), outputs=outputs)
    table = made.gains(students={"mutation": both})
    keyed = table[table["teacher"] == "rna"].set_index(["recipe", "control", "repeat", "fold", "metric"])
    assert set(table["recipe"]) == {"soft_targets", "imputed"}
    pd.testing.assert_series_equal(
        keyed.loc["soft_targets"].loc["none", "baseline"], keyed.loc["imputed"].loc["none", "baseline"]
    )
    own = keyed["baseline"].drop("none", level="control")
    assert (own.loc["soft_targets"] != own.loc["imputed"]).any()
    assert len(summarise(table)) == 2 * 2 * 3 * len(made.metrics)


# Intervals


def test_the_interval_by_hand() -> None:
    # Variance 5/3 of four values, two folds: (1/4 + 1/1) * 5/3 = 2.08333; t(0.975, 3 df) = 3.18245.
    mean, low, high = corrected_interval(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    arm = 3.182446 * np.sqrt(2.083333)
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - arm, 2.5 + arm), rel=1e-5)
    # 2 x 5 folds: (1/10 + 1/4) * var; t(0.975, 9 df) = 2.262157.
    _, low, high = corrected_interval(np.arange(10.0), 5)
    assert high - low == pytest.approx(2 * 2.262157 * np.sqrt(0.35 * 82.5 / 9), rel=1e-6)


def test_an_interval_needs_two_values_and_two_folds() -> None:
    assert corrected_interval(np.array([0.3, nan]), 5)[0] == pytest.approx(0.3)
    assert np.isnan(corrected_interval(np.array([0.3, nan]), 5)[1:]).all()
    assert np.isnan(corrected_interval(np.array([0.3, 0.4]), 1)[1:]).all()
    assert np.isnan(corrected_interval(np.full(3, nan), 5)).all()
    assert corrected_interval(np.zeros(10), 5) == (0.0, 0.0, 0.0)
    # A split without a value is left out.
    assert corrected_interval(np.array([1.0, nan, 2.0]), 3) == corrected_interval(np.array([1.0, 2.0]), 3)


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


BOUNDS = {"share": (0.0, 1.0), "correlation": (-1.0, 1.0), "loss": (0.0, np.inf), "R2": (-np.inf, 1.0)}


@pytest.mark.parametrize(("low", "high"), BOUNDS.values(), ids=BOUNDS)
def test_the_interval_of_a_bounded_quantity_stays_within(low: float, high: float) -> None:
    random = np.random.default_rng(0)
    for _ in range(2000):
        distance = 10.0 ** random.uniform(-9, 0) * random.random(10) ** random.integers(1, 9)
        distance[random.random(10) < 0.3] = 0.0
        values = high - distance if np.isfinite(high) else low + distance
        if np.isfinite(low) and random.random() < 0.5:
            values = low + distance
        mean, start, end = corrected_interval(values, 5, low, high)
        if distance.any():
            assert low <= start <= mean <= end <= high
    # Values of which the mean is no longer within reach of a bound have the plain interval.
    values = 0.5 + 1e-6 * random.standard_normal(10)
    assert corrected_interval(values, 5, low, high) == pytest.approx(corrected_interval(values, 5), rel=1e-9)
    # All on a bound: there is no spread to make an interval of.
    for bound in (each for each in (low, high) if np.isfinite(each)):
        mean, *ends = corrected_interval(np.full(10, bound), 5, low, high)
        assert mean == bound and np.isnan(ends).all()


def test_the_interval_of_a_share_is_the_score_interval() -> None:
    """Of 10 independent folds it is Wilson's for n = m (1 - m) / error^2, with Student's t in place of the normal."""
    values = np.array([1.0, 0.95, 1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0, 0.85])
    mean, start, end = corrected_interval(values, 5, 0, 1)
    n = mean * (1 - mean) / (0.35 * values.var(ddof=1))
    z = 2.262157
    for p in (start, end):
        assert abs(p - mean) == pytest.approx(z * np.sqrt(p * (1 - p) / n), rel=1e-5)


def test_the_interval_of_a_bounded_quantity_covers_where_the_plain_one_does_not() -> None:
    """AUROC near 1, of a direction that is learnt."""
    random = np.random.default_rng(0)
    n, folds, cohorts, d = 60, 5, 300, 4
    y = np.arange(n) % 2
    x = random.normal(size=(cohorts, n, d))
    x[..., 0] += 3.5 * y
    scores = []
    for _ in range(2):
        fold = np.empty(n, dtype=int)
        for c in (0, 1):
            fold[y == c] = random.permutation(n // 2) % folds
        for f in range(folds):
            train, test = fold != f, fold == f
            centre = [x[:, train & (y == c)].mean(1) for c in (0, 1)]
            score = np.einsum("cnd,cd->cn", x[:, test], centre[1] - centre[0])
            scores.append((score[:, y[test] == 1, None] > score[:, None, y[test] == 0]).mean((1, 2)))
    values = np.stack(scores, axis=1)
    truth = values.mean()
    assert 0.97 < truth < 1

    def share(*bounds: float) -> float:
        ends = np.array([corrected_interval(each, folds, *bounds)[1:] for each in values])
        ends = ends[np.isfinite(ends).all(1)]
        return float(((ends[:, 0] < truth) & (truth < ends[:, 1])).mean())

    assert share() < 0.85
    assert share(0, 1) > 0.94


# Models beside each other


def test_performance_is_of_every_model_once(made: Made) -> None:
    scores = scores_of_models(made.cohort, made.splits, made.students, column="model")
    references = scores_of_models(made.cohort, made.splits, made.baselines, column="baseline")
    assert tuple(references.columns) == keys.REFERENCE_COLUMNS
    assert len(references) == 3 * 2 * 4 * len(made.metrics)
    table = performance(scores, references, made.cohort.target.task.metrics)
    assert tuple(table.columns) == keys.PERFORMANCE_COLUMNS
    models = {name: set(part["model"]) for name, part in table.groupby("student")}
    own = {"alone", "self:soft_targets", "linear", "boosting"}
    assert models == {name: own | {f"soft_targets:{teacher}" for teacher in gained} for name, gained in GAINS.items()}
    assert not table.duplicated(["student", "model", "metric"]).any()
    # The reference is the same model as the student trained alone, so that both rows have to agree.
    wide = table.pivot(index=["student", "metric"], columns="model", values="mean")
    np.testing.assert_allclose(wide["alone"], wide["linear"])
    # The same scores as behind the gains.
    gained = made.gains()
    primary = made.cohort.target.task.primary
    pair = gained[(gained["teacher"] == "rna") & (gained["student"] == "cnv") & (gained["control"] == "none")]
    pair = pair[pair["metric"] == primary]
    assert wide.loc[("cnv", primary), "soft_targets:rna"] == pytest.approx(pair["distilled"].mean())
    of_alone = table[(table["student"] == "cnv") & (table["model"] == "alone") & (table["metric"] == primary)].iloc[0]
    bounds = made.cohort.target.task.metrics[primary]
    expected = corrected_interval(pair["baseline"].to_numpy(), 2, bounds.low, bounds.high)
    assert (of_alone["mean"], of_alone["ci_low"], of_alone["ci_high"]) == pytest.approx(expected)
    assert of_alone["n_splits"] == 4


def test_names_of_models() -> None:
    models = [Model("alone"), Model("soft_targets", "rna+cnv"), Model("soft_targets", "cnv", "self"), Model("linear")]
    assert [model_name(each) for each in models] == ["alone", "soft_targets:rna+cnv", "self:soft_targets", "linear"]


def test_comparisons_are_paired_differences_in_the_primary_metric(made: Made) -> None:
    primary = made.cohort.target.task.primary
    scores = scores_of_models(made.cohort, made.splits, made.students, column="model")
    references = scores_of_models(made.cohort, made.splits, made.baselines, column="baseline")
    table = comparisons(scores, references, primary)
    assert tuple(table.columns) == keys.COMPARISON_COLUMNS
    assert len(table) == 2 * sum(2 + len(gained) for gained in GAINS.values())
    found = table.set_index(["student", "model", "baseline"])
    assert found.loc[("cnv", "alone", "linear")].tolist() == [0.0, 0.0, 0.0]
    # The linear baseline is the student trained alone: what is gained over one is gained over the other.
    summary = summarise(made.gains()).set_index(["student", "teacher", "control", "metric"])
    expected = summary.loc[("cnv", "rna", "none", primary), ["gain", "ci_low", "ci_high"]]
    assert found.loc[("cnv", "soft_targets:rna", "linear")].tolist() == pytest.approx(expected.tolist())
    assert comparisons(scores, references.iloc[:0], primary).empty


# Criteria beside what was gained


def test_criteria_carry_scores_of_the_training_side_and_gains_of_the_test_side(made: Made) -> None:
    people = made.cohort
    summary = summarise(made.gains())
    evidence = made.evidence()
    full = evidence["repeat"] == -1
    # The full cohort's gap is no part of a score where outer training sets have one; its verdict is the pair's.
    evidence.loc[full, "gap"] = np.where(evidence.loc[full, "teacher"] == "cnv", 99.0, -99.0)
    evidence.loc[~full & (evidence["teacher"] == "cnv"), "gap"] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    table = criteria_table(people.name, people.target, evidence, CriterionConfig(rule="cch"), summary)
    assert tuple(table.columns) == keys.CRITERIA_COLUMNS
    primary = people.target.task.primary
    assert set(table["metric"]) == {primary} and set(table["target"]) == {people.target.name}
    # There are no pilots.
    assert list(dict.fromkeys(table["criterion"])) == ["cch", "accuracy_difference", "always", "never"]
    assert len(table) == 4 * 5
    of_cch = table[table["criterion"] == "cch"].set_index(["teacher", "student"])
    outer = evidence[~full].groupby(["teacher", "student"])["gap"].mean()
    pd.testing.assert_series_equal(of_cch["score"], outer.reindex(of_cch.index), check_names=False)
    assert of_cch["score"].abs().max() < 1
    assert of_cch.loc[("cnv", "rna"), "decision"] == keys.DISTIL
    assert of_cch.loc[("rna", "cnv"), "decision"] == keys.DO_NOT_DISTIL
    realised = summary[(summary["metric"] == primary) & (summary["control"] == "none")]
    realised = realised.set_index(["teacher", "student"])["gain"]
    for _, part in table.groupby("criterion"):
        pd.testing.assert_series_equal(
            part.set_index(["teacher", "student"])["gain"].sort_index(), realised.sort_index()
        )


def test_a_criterion_without_a_score_in_outer_training_sets_has_that_of_the_full_cohort(made: Made) -> None:
    people, evidence = made.cohort, made.evidence()
    full = evidence["repeat"] == -1
    evidence["gap_at_zero"] = np.where(full, 0.1, nan)
    table = criteria_table(
        people.name, people.target, evidence, CriterionConfig(rule="cch_calibrated"), summarise(made.gains())
    )
    found = table[table["criterion"] == "cch_calibrated"]
    assert found["score"].tolist() == pytest.approx((evidence.loc[full, "gap"] - 0.1).tolist())


def test_the_rule_in_force_comes_first_and_once(made: Made) -> None:
    for rule in CRITERIA:
        criteria = made.evaluated(rule, made.evidence()).criteria["criterion"]
        assert list(dict.fromkeys(criteria)) == list(dict.fromkeys((rule, *SHOWN)))
        assert len(criteria) == 5 * criteria.nunique()


def test_where_the_rule_needs_no_pilots_those_of_the_students_are_scored_beside_it(made: Made) -> None:
    found = made.evaluated("cch", made.evidence()).criteria
    of_pilots = found[found["criterion"] == "pilot"].set_index(["teacher", "student"])["score"]
    asked = pilots(made.cohort, made.splits, made.encodings, made.students)
    means = asked[asked["repeat"] != -1].groupby(["teacher", "student"])["pilot_gain"].mean()
    pd.testing.assert_series_equal(of_pilots.sort_index(), means.sort_index(), check_names=False)
    # Pilots that were asked before stay as they are.
    evidence = made.evidence().assign(pilot_gain=0.5, pilot_gain_se=0.1, p_gain_positive=0.99)
    kept = made.evaluated("cch", evidence).criteria
    assert (kept.loc[kept["criterion"] == "pilot", "score"] == 0.5).all()


def test_only_the_students_that_were_distilled_are_scored(made: Made) -> None:
    """With `evaluate: chosen` other pairs have no gain: they are in no table."""
    cnv = made.students["cnv"]
    kept = [v for v, model in enumerate(cnv.models) if model.teacher != "mutation"]
    of_kept = {name: getattr(cnv, name)[kept] for name in ("outputs", "weights")}
    chosen = replace(cnv, models=tuple(cnv.models[v] for v in kept), **of_kept)
    alone = {
        name: replace(made.students[name], models=(Model("alone"),), weights=made.students[name].weights[:1])
        for name in ("rna", "mutation")
    }
    alone = {name: replace(each, outputs=each.outputs[:1]) for name, each in alone.items()}
    few = replace(made, students={"cnv": chosen, **alone})
    found = few.evaluated("cch", made.evidence())
    assert set(found.criteria["teacher"]) == {"rna"} and set(found.criteria["student"]) == {"cnv"}
    assert (found.scorecard["n_pairs"] == 1).all() and "pilot" in set(found.scorecard["criterion"])
    assert set(found.performance["student"]) == {"cnv", "rna", "mutation"}


def test_an_evaluation_has_every_table(made: Made) -> None:
    found = made.evaluated("pilot", made.evidence())
    columns = {
        "gains": keys.GAIN_COLUMNS, "references": keys.REFERENCE_COLUMNS, "summary": keys.SUMMARY_COLUMNS,
        "performance": keys.PERFORMANCE_COLUMNS, "comparisons": keys.COMPARISON_COLUMNS,
        "criteria": keys.CRITERIA_COLUMNS, "scorecard": keys.SCORECARD_COLUMNS,
    }  # fmt: skip
    for name, expected in columns.items():
        assert tuple(getattr(found, name).columns) == expected
        assert len(getattr(found, name))
    assert (found.scorecard["n_pairs"] == 5).all() and set(found.scorecard["metric"]) == {
        made.cohort.target.task.primary
    }


def test_no_pairs_make_empty_tables(made: Made) -> None:
    alone = {
        name: replace(each, models=each.models[:1], outputs=each.outputs[:1], weights=each.weights[:1])
        for name, each in made.students.items()
    }
    few = replace(made, students=alone, baselines={})
    found = few.evaluated("pilot", made.evidence())
    for name in ("gains", "references", "summary", "comparisons", "criteria", "scorecard"):
        assert getattr(found, name).empty, name
    assert tuple(found.scorecard.columns) == keys.SCORECARD_COLUMNS
    assert set(found.performance["model"]) == {"alone"}


def test_predictions_are_those_of_the_first_repeat_and_each_sample_stands_once(made: Made) -> None:
    cohort, splits, task = made.cohort, made.splits, made.cohort.target.task
    teachers = pd.DataFrame(
        [("cnv", "rna", "soft_targets"), ("mutation", nan, "alone")], columns=["student", "teacher", "recipe"]
    )
    table = predictions_on_test(cohort, splits, made.students, teachers)
    assert list(table.columns[:5]) == list(keys.PREDICTION_COLUMNS)
    of = set(table[["student", "model"]].itertuples(index=False, name=None))
    assert of == {("cnv", "alone"), ("cnv", "soft_targets:rna"), ("mutation", "alone"), ("rna", "alone")}
    assert set(table["repeat"]) == {0}
    for (student, model), part in table.groupby(["student", "model"]):
        known = cohort.profiled(student) & cohort.target.observed
        assert sorted(part["sample"]) == sorted(cohort.samples[known])
        outputs = made.students[student].of(Model("soft_targets", "rna") if model != "alone" else Model("alone"))
        for fold, of_fold in part.groupby("fold"):
            j = int(np.flatnonzero((splits.repeat == 0) & (splits.fold == fold))[0])
            test = np.flatnonzero(splits.test[j] & known)
            assert list(of_fold["sample"]) == list(cohort.samples[test])
            fitted = splits.task(cohort.target, j)
            decision = fitted.decision(outputs[j], cohort.target.values, splits.labelled[j])
            expected = fitted.predictions(outputs[j, test], decision)["prediction"]
            if task.name == "classification":
                assert list(of_fold["prediction"]) == list(expected)
            else:
                np.testing.assert_allclose(of_fold["prediction"], expected, rtol=1e-5)
