"""The evidence: what its columns are, what it must not see, and information about the label that is known."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort
from outputs import encoding_of, students_of, with_controls
from scipy.special import expit
from scipy.stats import norm

from cch_omics import keys
from cch_omics.cohort import Cohort, Target
from cch_omics.config import CriterionConfig, InformationConfig, SplitsConfig
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival
from cch_omics.verdict.evidence import gather, with_pilots
from cch_omics.verdict.label_information import label_information
from cch_omics.verdict.pilot import pilots
from cch_omics.verdict.rule import choose_teachers, decide

SIGNALS = {"rna": 2.5, "cnv": 1.0, "mutation": 0.7}
SETTINGS = InformationConfig(subsamples=8, simulations=8, dimension=2)
PAIR = ["teacher", "student"]


@dataclass(frozen=True)
class Made:
    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    students: dict[str, OutOfFold]
    information: pd.DataFrame

    def gathered(self) -> pd.DataFrame:
        return gather(self.cohort, self.splits, self.encodings, self.students, self.information)


def make(task: str) -> Made:
    # Some labels are beyond the budget.
    cohort = make_cohort(n=150, task=task, n_classes=2, label_budget=0.6)
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    encodings = {
        name: encoding_of(cohort, splits, name, seed=seed, signal=signal)
        for seed, (name, signal) in enumerate(SIGNALS.items())
    }
    students = {}
    for seed, name in enumerate(("cnv", "mutation")):
        gains = {teacher: 0.8 if teacher == "rna" else 0.0 for teacher in SIGNALS if teacher != name}
        students[name] = students_of(cohort, splits, name, with_controls(name, gains), seed=seed)
    return Made(cohort, splits, encodings, students, estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0))


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def made(request: pytest.FixtureRequest) -> Made:
    return make(request.param)


@pytest.fixture(scope="module")
def evidence(made: Made) -> pd.DataFrame:
    return made.gathered()


def test_a_row_for_every_split_pair_and_recipe(made: Made, evidence: pd.DataFrame) -> None:
    assert list(evidence.columns[:5]) == ["repeat", "fold", *keys.PAIR_COLUMNS]
    assert len(evidence) == 3 * 6 and not evidence.duplicated(["repeat", "fold", *keys.PAIR_COLUMNS]).any()
    assert set(evidence["recipe"]) == {"soft_targets"}
    added = [
        "accuracy_difference", "teacher_information", "teacher_information_se", "shared_information",
        "shared_information_se", "p_gap_positive", "cross_check_p_gap_positive", "pilot_gain", "pilot_gain_se",
        "taught_information", "p_gain_positive", "margin", "margin_se", "p_margin_positive", "p_gap_output_positive",
    ]  # fmt: skip
    assert set(evidence) == {*made.information, *added, "recipe"}
    # What was estimated stays as it was.
    same = ["repeat", "fold", *PAIR]
    pd.testing.assert_frame_equal(
        evidence[list(made.information)].sort_values(same, ignore_index=True),
        made.information.sort_values(same, ignore_index=True),
    )


def test_verdicts_take_their_columns_from_it(evidence: pd.DataFrame) -> None:
    assert {*keys.VERDICT_COLUMNS} - {"verdict", "cch_verdict", "reason"} <= {*evidence}
    assert {*keys.TEACHER_COLUMNS} - {"rule", "verdict"} <= {*evidence}


def test_the_full_cohort_has_means_of_the_outer_training_sets_where_that_is_said(evidence: pd.DataFrame) -> None:
    full = evidence[evidence["repeat"] == -1].set_index(PAIR)
    means = evidence[evidence["repeat"] != -1].groupby(PAIR)
    for name in ("teacher_information", "shared_information"):
        for of in ("", "_se"):
            mean = means[name + of].mean().reindex(full.index)
            assert mean.notna().all()
            pd.testing.assert_series_equal(full[name + of], mean)
    assert (full["shared_information"] != full["mi_teacher_student"]).all()
    gain = means["pilot_gain"].mean().reindex(full.index).dropna()
    pd.testing.assert_series_equal(full["pilot_gain"].dropna(), gain)


def test_accuracy_difference_is_of_labelled_samples_that_have_both(made: Made, evidence: pd.DataFrame) -> None:
    people = made.cohort
    for s, part in enumerate(([0, 0], [0, 1], [-1, -1])):
        task = made.splits.task(people.target, s)
        both = made.splits.labelled[s] & people.profiled("rna") & people.profiled("cnv")
        values = people.target.values[both]
        score = []
        for name in ("rna", "cnv"):
            outputs = made.encodings[name].outputs[s, both]
            decision = task.decision(outputs, values, np.ones(len(values), dtype=bool))
            score.append(task.evaluate(outputs[None], values, decision[None], values)[task.primary][0])
        row = evidence[(evidence[["repeat", "fold"]] == part).all(axis=1)].set_index(PAIR).loc["rna", "cnv"]
        assert row["accuracy_difference"] == pytest.approx(score[0] - score[1])
    assert row["accuracy_difference"] > 0.05


def test_pilots_are_joined_and_pairs_without_a_student_have_none(made: Made, evidence: pd.DataFrame) -> None:
    assert (
        evidence.loc[evidence["student"] == "rna", ["pilot_gain", "pilot_gain_se", "p_gain_positive"]].isna().all(None)
    )
    assert evidence.loc[evidence["student"] != "rna", ["pilot_gain", "p_gain_positive"]].notna().all(None)
    none = gather(made.cohort, made.splits, made.encodings, None, made.information)
    of_pilots = ["pilot_gain", "pilot_gain_se", "taught_information", "p_gain_positive"]
    assert none[of_pilots].isna().all(None)
    pd.testing.assert_frame_equal(none.drop(columns=of_pilots), evidence.drop(columns=of_pilots))
    # They can be added later.
    gained = pilots(made.cohort, made.splits, made.encodings, made.students)
    again = with_pilots(none, gained, made.cohort.target.task)
    pd.testing.assert_frame_equal(again[list(evidence)], evidence)


def test_probability_of_a_gain_has_the_prior_of_the_task(made: Made, evidence: pd.DataFrame) -> None:
    row = evidence[evidence["pilot_gain"].notna()].iloc[0]
    gains = np.linspace(-0.6, 0.6, 120_001)
    task = made.cohort.target.task
    posterior = norm.pdf(gains, scale=task.gain_sd) * norm.pdf(row["pilot_gain"], gains, row["pilot_gain_se"])
    assert row["p_gain_positive"] == pytest.approx(posterior[gains > 0].sum() / posterior.sum(), abs=1e-4)


def test_probability_of_a_positive_gap_uses_simulations_where_there_are_some(
    made: Made, evidence: pd.DataFrame
) -> None:
    simulated = evidence["gap_at_zero"].notna()
    # The bound by likelihoods has no simulations.
    has_model = made.cohort.target.task.label_estimator != "likelihood"
    assert (simulated == (evidence["repeat"] == -1) & has_model).all()
    for name, column in (("gap", "p_gap_positive"), ("cross_check_gap", "cross_check_p_gap_positive")):
        plain = norm.cdf(evidence[name] / evidence[f"{name}_se"])
        np.testing.assert_allclose(evidence[column][~simulated], plain[~simulated])
        # The wider of the two errors counts.
        sd = np.maximum(evidence[f"{name}_se"], evidence[f"{name}_simulated_sd"])
        corrected = norm.cdf((evidence[name] - evidence[f"{name}_at_zero"]) / sd)
        np.testing.assert_allclose(evidence[column][simulated], corrected[simulated])
        assert (np.abs(corrected - plain)[simulated] > 0.01).any() == has_model
    # Correction, narrower and wider error by hand.
    changed = made.information.assign(
        gap=0.5, gap_se=0.1, gap_at_zero=np.nan, gap_simulated_sd=np.nan, cross_check_gap=np.nan
    )
    several = [(np.nan, np.nan), (0.4, 0.05), (0.4, 0.2), (0.6, 0.05), (np.nan, np.nan), (0.5, 0.3)]
    changed.loc[changed["repeat"] == -1, ["gap_at_zero", "gap_simulated_sd"]] = several
    found = gather(made.cohort, made.splits, made.encodings, None, changed)
    p = found.loc[found["repeat"] == -1, "p_gap_positive"].to_numpy()
    np.testing.assert_allclose(p, norm.cdf([5, 1, 0.5, -1, 5, 0]), atol=1e-12)
    assert found["cross_check_p_gap_positive"].isna().all()


def test_rows_of_a_split_see_nothing_of_its_test_patients_nor_of_labels_beyond_the_budget(
    made: Made, evidence: pd.DataFrame
) -> None:
    people, splits, s = made.cohort, made.splits, 1
    hidden = splits.test[s]
    random = np.random.default_rng(5)

    def garbled(array: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """Other numbers for some samples of a split; missing ones stay missing."""
        other = array.copy()
        other[..., samples, :] = np.where(np.isnan(other[..., samples, :]), np.nan, 7.0 + random.random())
        return other

    def of_split(outputs: np.ndarray) -> np.ndarray:
        """(..., S, n, C) with other numbers for test patients of split s only."""
        other = outputs.copy()
        other[..., s, :, :] = garbled(outputs[..., s, :, :], hidden)
        return other

    encodings = {
        name: replace(each, outputs=of_split(each.outputs), representation=of_split(each.representation))
        for name, each in made.encodings.items()
    }
    students = {name: replace(each, outputs=of_split(each.outputs)) for name, each in made.students.items()}
    values = people.target.values.copy()
    unused = ~splits.labelled[s]
    values[unused] = random.permutation(np.nan_to_num(values[unused])) + 9.0 * (people.target.task.n_outputs == 1)
    assert (values != people.target.values).sum() > 20
    other = replace(people, target=replace(people.target, values=values))
    information = estimate_pairs(other, splits, encodings, SETTINGS, seed=0)
    found = gather(other, splits, encodings, students, information)
    here = (evidence["repeat"] == splits.repeat[s]) & (evidence["fold"] == splits.fold[s])
    pd.testing.assert_frame_equal(found[here], evidence[here], check_exact=True)
    numbers = found.select_dtypes("number").columns
    assert not found.loc[~here, numbers].equals(evidence.loc[~here, numbers])


def test_a_verdict_is_made_of_it(made: Made, evidence: pd.DataFrame) -> None:
    judged = decide(evidence, CriterionConfig(), made.cohort.target)
    assert len(judged) == 6 and judged["reason"].str.endswith(".").all()
    found = choose_teachers(evidence, CriterionConfig(), made.cohort.target, made.cohort.modalities)
    assert found["student"].tolist() == list(made.cohort.modalities)


# Information about the label, where it is known


def people(target: Target, groups: np.ndarray | None = None) -> Cohort:
    n = len(target.values)
    samples = np.array([f"S{i:05d}" for i in range(n)])
    return Cohort("made", samples, samples if groups is None else groups, np.full(n, ""), target, {}, ())


def two_classes(seed: int, n: int, distance: float = 1.0, p: float = 0.3) -> tuple[Target, np.ndarray, float]:
    """Two normals at +- distance; the outputs of a model that knows the posterior, and I(X;Y) by integration."""
    random = np.random.default_rng(seed)
    label = (random.random(n) < p).astype(float)
    x = (2 * label - 1) * distance + random.standard_normal(n)
    outputs = np.stack([np.zeros(n), 2 * distance * x + np.log(p / (1 - p))], axis=1)
    grid = np.linspace(-9, 9, 20_001)
    of_class = np.stack([(1 - p) * norm.pdf(grid, -distance), p * norm.pdf(grid, distance)])
    ratio = of_class / of_class.sum(0) / np.array([[1 - p], [p]])
    truth = float(np.trapezoid((of_class * np.log(np.maximum(ratio, 1e-300))).sum(0), grid))
    return Target("y", Classification(("a", "b")), label), outputs, truth


def a_number(seed: int, n: int, rho: float = 0.6) -> tuple[Target, np.ndarray, float]:
    """A normal with correlation rho with what the model knows."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(n)
    y = 50 + 4 * (rho * x + np.sqrt(1 - rho**2) * random.standard_normal(n))
    return Target("y", Regression(), y), (50 + 4 * rho * x)[:, None], float(-0.5 * np.log(1 - rho**2))


def a_time(seed: int, n: int, slope: float = 1.5) -> tuple[Target, np.ndarray, float]:
    """Hazards that a normal score moves, in four intervals; patients are censored at the end of any of them."""
    random, base = np.random.default_rng(seed), np.array([-2.0, -1.5, -1.5, -1.0])
    logits = base + slope * random.standard_normal(n)[:, None]
    event = random.random((n, 4)) < expit(logits)
    first = np.where(event.any(1), event.argmax(1), 4)
    last = random.integers(1, 5, size=n)
    values = np.column_stack([np.minimum(first + 1, last), first < last]).astype(float)
    # I(S;Y) = sum_y of int p(s) p(y | s) log p(y | s) / p(y), averaged over when patients are censored.
    grid = np.linspace(-7, 7, 1401)
    hazard = expit(base + slope * grid[:, None])
    reached = np.cumprod(np.column_stack([np.ones(len(grid)), 1 - hazard]), axis=1)
    parts = []
    for end in range(1, 5):
        given = np.column_stack([reached[:, :end] * hazard[:, :end], reached[:, end]])
        marginal = np.trapezoid(norm.pdf(grid)[:, None] * given, grid, axis=0)
        parts.append(np.trapezoid((norm.pdf(grid)[:, None] * given * np.log(given / marginal)).sum(1), grid))
    return Target("y", Survival((1.0, 2.0, 3.0, 4.0)), values), logits, float(np.mean(parts))


KNOWN = pytest.mark.parametrize("draw", [two_classes, a_number, a_time])


def asked(target: Target, outputs: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    n = len(outputs)
    return label_information(people(target, groups), target.task, outputs, np.ones(n, dtype=bool), np.arange(n) % 3)


@KNOWN
def test_label_information_is_that_of_a_known_teacher(draw) -> None:
    target, outputs, truth = draw(0, 20_000)
    estimate, se = asked(target, outputs)
    assert truth > 0.2
    assert estimate == pytest.approx(truth, abs=3 * se) and se < 0.01
    # A bound: a pool puts right what is too sure or too timid, and nothing else.
    if draw is not a_time:  # there the baseline is not the expert's
        rescaled = asked(target, 3 * outputs)[0] if draw is two_classes else asked(target, 3 * outputs - 7)[0]
        assert rescaled == pytest.approx(estimate, abs=0.002)


@KNOWN
def test_label_information_of_a_teacher_of_noise_is_about_zero(draw) -> None:
    found = []
    for seed in range(60):
        target, outputs, _ = draw(seed, 60)
        noise = outputs[np.random.default_rng(1000 + seed).permutation(60)]
        found.append(asked(target, noise)[0])
    # A fitted pool costs a little where there is nothing to know: a lower bound.
    assert -0.06 < np.mean(found) < 0.0
    assert np.mean(np.array(found) > 0) < 0.35


@KNOWN
def test_error_of_label_information_is_its_spread_over_cohorts_and_counts_patients(draw) -> None:
    estimates, errors = np.array([asked(*draw(seed, 80)[:2]) for seed in range(150)]).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(estimates.std(ddof=1), rel=0.2)
    target, outputs, _ = draw(0, 600)
    twice = Target(target.name, target.task, np.repeat(target.values, 2, axis=0))
    patients = np.repeat(np.array([f"P{i}" for i in range(600)]), 2)
    fold = np.repeat(np.arange(600) % 3, 2)
    doubled = label_information(
        people(twice, patients), target.task, np.repeat(outputs, 2, axis=0), np.ones(1200, dtype=bool), fold
    )
    assert doubled == pytest.approx(asked(target, outputs), rel=0.02)


@KNOWN
def test_label_information_without_labels_is_missing(draw) -> None:
    target, outputs, _ = draw(0, 30)
    nobody = np.zeros(30, dtype=bool)
    assert np.isnan(
        label_information(people(target), target.task, outputs[nobody], nobody, np.zeros(0, dtype=int))
    ).all()
    one = np.arange(30) == 3
    estimate, se = label_information(people(target), target.task, outputs[one], one, np.zeros(1, dtype=int))
    assert np.isfinite(estimate) and np.isnan(se)


def test_evidence_of_a_cohort_without_a_usable_label_in_some_pair(made: Made) -> None:
    """A pair without labels has no difference, no pilot and no information, and harms no other."""
    nobody = made.splits.labelled & ~made.cohort.profiled("cnv")
    assert nobody.any()
    splits = replace(made.splits, labelled=nobody)
    found = gather(made.cohort, splits, made.encodings, made.students, made.information)
    of_cnv = (found[PAIR] == "cnv").any(axis=1)
    columns = ["accuracy_difference", "teacher_information", "p_gain_positive"]
    assert found.loc[of_cnv, columns].isna().all(None)
    # Of a few follow-ups there may be no two that can be compared, and no C.
    known = columns[1:2] if made.cohort.target.task.name == "survival" else columns[:2]
    assert found.loc[~of_cnv, known].notna().all(None)
