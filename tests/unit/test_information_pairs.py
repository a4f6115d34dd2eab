"""Information of all pairs: against plain loops, and what a row promises."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from information_oracle import Array, slow_gaussian, slow_ksg, slow_mixed, slow_ross
from numpy.typing import NDArray
from scipy.special import softmax

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import InformationConfig
from cch_omics.errors import InputError
from cch_omics.information.averaging import COMBINATIONS, average_folds
from cch_omics.information.folds import HELD
from cch_omics.information.pairs import estimate_pairs, information_table
from cch_omics.models.out_of_fold import Encoding
from cch_omics.splits import Splits
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.likelihood import likelihood_gains
from cch_omics.tasks.regression import Regression

UNITS = 4
SETTINGS = InformationConfig(dimension=2, subsamples=20, simulations=8)
VALUES = list(COMBINATIONS)
MODALITIES = ("rna", "cnv", "rppa")


def encoding_of(representation: NDArray[np.float64], splits: Splits, cohort: Cohort, view: str) -> Encoding:
    held = np.repeat(representation[None], len(splits.fold), 0).astype(np.float32)
    held[splits.test | ~cohort.profiled(view)] = np.nan
    # Outputs of three classes: the first units.
    return Encoding(
        held,
        held[..., :3].copy(),
        np.zeros(0, np.float32),
        np.ones(len(splits.fold), np.int64),
        np.zeros((len(splits.fold), 0)),
    )


def setting(
    n: int = 120,
    inner_folds: int = 2,
    missing: float = 0.15,
    seed: int = 0,
    teachers: tuple[str, ...] = MODALITIES,
    numbers: bool = False,
) -> tuple[Cohort, Splits, dict[str, Encoding]]:
    """Two outer splits and the full cohort; three modalities that see a class and a shared state, with noise.

    With `numbers`, the label is the first coordinate of the state, with noise.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 3, size=n)
    state = rng.normal(size=(n, 2)) + 1.5 * np.stack([labels == 0, labels == 1], 1)
    modalities = {
        name: Modality(np.zeros((len(rows), 1), np.float32), np.array(["f"]), rows)
        for name in MODALITIES
        for rows in [np.flatnonzero(rng.random(n) >= missing)]
    }
    samples = np.array([f"s{i:04d}" for i in range(n)])
    values = np.where(labels >= 0, labels, np.nan)
    inner = np.stack([rng.permutation(n) % inner_folds for _ in range(3)])
    outer = rng.permutation(n) % 2
    inner[0, outer == 0], inner[1, outer == 1] = -1, -1
    labelled = (inner >= 0) & (labels >= 0) & (rng.random((3, n)) < 0.9)
    splits = Splits(np.array([0, 0, -1]), np.array([0, 1, -1]), inner, labelled)
    points = {
        name: np.tanh(0.4 * (state + noise * rng.normal(size=(n, 2))) @ rng.normal(size=(2, UNITS)))
        for name, noise in (("rna", 0.3), ("cnv", 2.0), ("rppa", 1.0))
    }
    target = Target("subtype", Classification(("a", "b", "c")), values)
    if numbers:
        values = np.where(labels >= 0, 100 + 20 * (state[:, 0] + 0.5 * rng.normal(size=n)), np.nan)
        target = Target("response", Regression.of(values), values)
    cohort = Cohort("made", samples, samples, np.full(n, "A1"), target, modalities, teachers)
    encodings = {name: encoding_of(each, splits, cohort, name) for name, each in points.items()}
    for view in set(teachers) - set(MODALITIES):
        together = np.tanh(0.5 * sum(points[name] for name in view.split("+")))
        encodings[view] = encoding_of(together, splits, cohort, view)
    return cohort, splits, encodings


def components(points: Array, dimension: int) -> Array:
    """Principal components by singular values, over their root mean variance."""
    centred = points - points.mean(0)
    scores = centred @ np.linalg.svd(centred, full_matrices=False)[2][:dimension].T
    return np.asarray(scores / np.sqrt(scores.var(0).mean()))


@pytest.mark.parametrize(
    ("teacher_student", "label", "numbers"),
    [
        ("ksg", "ross", False),
        ("gaussian", "ross", False),
        ("mixed", "auto", False),
        ("ksg", "auto", True),
        ("ksg", "gaussian", True),
    ],
)
def test_values_are_the_loops_over_folds(teacher_student: str, label: str, numbers: bool) -> None:
    cohort, splits, encodings = setting(numbers=numbers, teachers=(*MODALITIES, "rna+rppa"))
    settings = SETTINGS.model_copy(update={"teacher_student": teacher_student, "label": label})
    frame = estimate_pairs(cohort, splits, encodings, settings, seed=0).set_index(
        ["repeat", "fold", "teacher", "student"]
    )
    assert len(frame) == 3 * 9
    used = label if label != "auto" else "ksg" if numbers else "ross"
    slow = {"ksg": lambda x, y: slow_ksg(x, y, 3), "gaussian": slow_gaussian, "mixed": lambda x, y: slow_mixed(x, y, 3)}
    for s, teacher, student in ((0, "rna", "cnv"), (2, "cnv", "rna"), (2, "rna+rppa", "cnv"), (2, "rna+rppa", "rna")):
        terms, weights, n_labelled = [], [], 0
        for j in range(splits.n_inner):
            held_out = splits.inner[s] == j
            reduced, rows = {}, {}
            for name in (teacher, student):
                rows[name] = np.flatnonzero(held_out & cohort.profiled(name)).tolist()
                points = components(encodings[name].representation[s, rows[name]].astype(float), 2)
                reduced[name] = dict(zip(rows[name], points, strict=True))
            paired = sorted(set(rows[teacher]) & set(rows[student]))
            labelled = [i for i in paired if splits.labelled[s, i]]
            # A number is in units of its deviation among the fold's labels.
            of_fold = cohort.target.values[held_out & splits.labelled[s]]
            y = cohort.target.values[labelled]
            standardised = ((y - of_fold.mean()) / of_fold.std())[:, None]

            def of(name: str, chosen: list[int], reduced: dict[str, dict[int, Array]] = reduced) -> Array:
                return np.array([reduced[name][i] for i in chosen])

            row = []
            for name in (student, teacher):
                if used == "ross":
                    row.append(slow_ross(of(name, labelled), y.astype(int), 3))
                else:
                    row.append(slow[used](of(name, labelled), standardised))
            # What a student is taught.
            taught = encodings[teacher].outputs[s, rows[teacher]].astype(float)
            soft = components(taught if numbers else softmax(taught, axis=1), 2)
            of_output = of(teacher, paired, {teacher: dict(zip(rows[teacher], soft, strict=True))})
            row.append(slow[teacher_student](of_output, of(student, paired)))
            terms.append([slow[teacher_student](of(teacher, paired), of(student, paired)), *row])
            weights.append(len(paired))
            n_labelled += len(labelled)
        found = frame.loc[(splits.repeat[s], splits.fold[s], teacher, student)]
        between, student_label, teacher_label, of_output = np.average(terms, axis=0, weights=weights)
        expected = {
            "mi_teacher_student": between,
            "mi_student_label": student_label,
            "mi_teacher_label": teacher_label,
            "gap": between - student_label,
            "mi_output_student": of_output,
            "gap_output": of_output - student_label,
        }
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-9), name
        assert found["n_paired"] == sum(weights)
        assert found["n_labelled"] == n_labelled
        assert found["dim"] == 2
        assert found["estimator"] == f"{teacher_student}-{used}"
        assert found["cross_check_estimator"] == f"gaussian-{used}"


def test_a_pair_shares_its_information_and_swaps_its_label_terms() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    one = frame[(frame.teacher == "rna") & (frame.student == "cnv")].reset_index()
    other = frame[(frame.teacher == "cnv") & (frame.student == "rna")].reset_index()
    for suffix in ("", "_se"):
        np.testing.assert_allclose(one[f"mi_teacher_student{suffix}"], other[f"mi_teacher_student{suffix}"], rtol=1e-9)
        np.testing.assert_allclose(one[f"mi_student_label{suffix}"], other[f"mi_teacher_label{suffix}"], rtol=1e-9)


def test_pairs_are_teachers_and_students_and_do_not_depend_on_the_others() -> None:
    every = estimate_pairs(*setting(teachers=(*MODALITIES, "rna+cnv")), SETTINGS, seed=0)
    some = estimate_pairs(*setting(teachers=("rppa", "rna+cnv")), SETTINGS, seed=0)
    asked = [("rppa", "rna"), ("rppa", "cnv"), ("rna+cnv", "rna"), ("rna+cnv", "cnv"), ("rna+cnv", "rppa")]
    assert list(zip(some.teacher, some.student, strict=True)) == 3 * asked
    columns = ["repeat", "fold", "teacher", "student"]
    both = some[columns].merge(every, on=columns)
    pd.testing.assert_frame_equal(some, both[some.columns], rtol=1e-9)
    # A sample has a view if it has all of its modalities.
    cohort = setting()[0]
    fused = some.query("repeat == -1 and teacher == 'rna+cnv' and student == 'rna'").iloc[0]
    assert fused.n_paired == (cohort.profiled("rna") & cohort.profiled("cnv")).sum()


def test_the_standard_errors_of_a_row_are_paired() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    assert (frame[[f"{name}_se" for name in VALUES]] > 0).all(axis=None)
    # Noise that the terms share cancels, or adds up.
    independent = np.sqrt(frame.mi_teacher_student_se**2 + frame.mi_student_label_se**2)
    assert not np.allclose(frame.gap_se, independent, rtol=1e-3)


def test_averaging_over_folds_by_hand() -> None:
    # One quantity, between-fold variance 0.5 (of 1 and 2), within 0.1 and 0.3: tau^2 = 0.3.
    mean, covariance = average_folds(np.array([[1.0], [2.0]]), np.array([[[0.1]], [[0.3]]]), np.array([30.0, 10.0]))
    assert mean == pytest.approx([1.25])
    assert covariance[0, 0] == pytest.approx(0.75**2 * 0.4 + 0.25**2 * 0.6)
    # Folds that differ less than their sampling explains: tau^2 = 0, not negative.
    _, covariance = average_folds(np.array([[1.0], [1.1]]), np.array([[[0.1]], [[0.3]]]), np.array([30.0, 10.0]))
    assert covariance[0, 0] == pytest.approx(0.75**2 * 0.1 + 0.25**2 * 0.3)
    # One fold: its own covariance.
    _, covariance = average_folds(np.array([[1.0]]), np.array([[[0.2]]]), np.array([7.0]))
    assert covariance[0, 0] == pytest.approx(0.2)


def test_encoders_that_differ_widen_the_interval() -> None:
    cohort, splits, encodings = setting(n=400, inner_folds=4, missing=0.0)
    noisy = encodings["rppa"].representation.copy()
    # In the full cohort, the encoders of two folds have learnt nothing.
    bad = splits.inner[2] < 2
    noisy[2, bad] = np.random.default_rng(1).normal(size=(bad.sum(), UNITS))
    changed = encodings | {"rppa": dataclasses.replace(encodings["rppa"], representation=noisy)}
    pair = "teacher == 'rna' and student == 'rppa' and repeat == -1"
    before = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0).query(pair).iloc[0]
    after = estimate_pairs(cohort, splits, changed, SETTINGS, seed=0).query(pair).iloc[0]
    assert after.mi_teacher_student_se > 1.5 * before.mi_teacher_student_se


@pytest.mark.slow
def test_intervals_cover_the_mean_over_cohorts() -> None:
    # The bias of the estimators is not in the standard error: compare with the mean estimate, not with the truth.
    frames = [
        estimate_pairs(*setting(n=160, seed=seed), SETTINGS, seed=seed).query("repeat == -1 and teacher == 'rna'")
        for seed in range(40)
    ]
    frame = pd.concat(frames).query("student == 'cnv'")
    for name in ("mi_teacher_student", "mi_teacher_label", "gap"):
        # Each cohort draws new weights for its encoders: the spread is at least what half-samples see.
        z = (frame[name] - frame[name].mean()) / frame[f"{name}_se"]
        assert (z.abs() < 1.96).mean() >= 0.8, name


def test_nothing_of_a_test_patient_enters_its_split() -> None:
    cohort, splits, encodings = setting()
    before = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0)
    values = cohort.target.values.copy()
    values[splits.test[0]] = (values[splits.test[0]] + 1) % 3
    held = encodings["rna"].representation.copy()
    held[1:, splits.test[0]] += 1
    after = estimate_pairs(
        dataclasses.replace(cohort, target=dataclasses.replace(cohort.target, values=values)),
        splits,
        encodings | {"rna": dataclasses.replace(encodings["rna"], representation=held)},
        SETTINGS,
        seed=0,
    )
    split = "repeat == 0 and fold == 0"
    pd.testing.assert_frame_equal(before.query(split), after.query(split), check_exact=True)
    assert not before.query("repeat == -1").equals(after.query("repeat == -1"))


def test_the_same_seed_gives_the_same_table_however_it_is_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = setting()
    calls: list[tuple[int, int]] = []
    before = estimate_pairs(*data, SETTINGS, seed=5, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 6), (4, 6), (6, 6)]
    monkeypatch.setattr("cch_omics.information.estimators.CHUNK", {"cpu": 1})
    monkeypatch.setitem(HELD, "cpu", 1)
    after = estimate_pairs(*data, SETTINGS, seed=5)
    pd.testing.assert_frame_equal(before, after, rtol=1e-9)
    assert not np.allclose(before.gap_se, estimate_pairs(*data, SETTINGS, seed=6).gap_se, rtol=1e-6)


def test_a_fold_without_an_estimate_is_counted_and_does_not_enter() -> None:
    cohort, splits, encodings = setting()
    labelled = splits.labelled.copy()
    # One class left in the first inner fold of the full cohort.
    labelled[2] &= ~((splits.inner[2] == 0) & (cohort.target.values != 1))
    frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, SETTINGS, seed=0)
    whole = frame.query("repeat == -1")
    assert whole["flags"].str.contains("folds_without_estimate:1/2").all()
    assert np.isfinite(whole[VALUES]).all(axis=None)
    assert (whole.n_paired < 0.6 * (splits.inner[2] >= 0).sum()).all()
    assert not frame.query("repeat == 0")["flags"].str.contains("folds_without").any()


def test_without_any_estimate_the_value_is_missing_and_flagged() -> None:
    cohort, splits, encodings = setting()
    labelled = splits.labelled & (cohort.target.values == 0)
    frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, SETTINGS, seed=0)
    # What two omics share needs no label.
    with_label = [name for name in VALUES if name not in ("mi_teacher_student",)]
    assert frame[with_label].isna().all(axis=None)
    assert frame["gap_se"].isna().all()
    assert frame["flags"].str.contains("folds_without_estimate:2/2").all()
    assert (frame["n_labelled"] == 0).all()
    known = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0)
    assert (frame["n_paired"] == known["n_paired"]).all()
    assert frame["mi_teacher_student"].to_numpy() == pytest.approx(known["mi_teacher_student"].to_numpy())
    assert (frame["mi_teacher_student_se"] > 0).all()


def test_too_few_samples_for_a_covariance_are_said() -> None:
    settings = InformationConfig(teacher_student="gaussian", dimension=4, subsamples=20)
    # Folds of six or so: four and four columns leave no degree of freedom.
    frame = estimate_pairs(*setting(n=12, missing=0.0), settings, seed=0)
    assert frame["gap"].isna().all()
    assert frame["flags"].str.contains("folds_without_estimate:2/2").all()
    assert frame["flags"].str.contains("too_few_samples").all()


@pytest.mark.parametrize("numbers", [False, True])
def test_simulations_are_of_the_full_cohort(numbers: bool) -> None:
    frame = estimate_pairs(*setting(numbers=numbers), SETTINGS, seed=0)
    columns = [f"{gap}_{what}" for gap in ("gap", "cross_check_gap") for what in ("at_zero", "simulated_sd")]
    full = frame["repeat"] == -1
    assert np.isfinite(frame.loc[full, columns]).all(axis=None)
    assert frame.loc[~full, columns].isna().all(axis=None)
    other = estimate_pairs(*setting(numbers=numbers), SETTINGS, seed=1)
    assert not np.allclose(frame.loc[full, columns], other.loc[full, columns], rtol=1e-3)


def test_simulations_find_no_bias_where_there_is_none() -> None:
    """Of jointly normal variables, the number among them, the Gaussian estimator has no bias."""
    rng = np.random.default_rng(0)
    cohort, splits, _ = setting(n=400, numbers=True, missing=0.0)
    points = {name: rng.normal(size=(400, UNITS)) for name in MODALITIES}
    points["cnv"][:, 0] = 0.8 * points["rna"][:, 0] + 0.6 * points["cnv"][:, 0]
    y = 0.8 * points["rna"][:, 1] + 0.6 * rng.normal(size=400)
    cohort = dataclasses.replace(cohort, target=Target("response", Regression.of(y), y), teachers=("rna", "cnv"))
    encodings = {name: encoding_of(each, splits, cohort, name) for name, each in points.items()}
    settings = InformationConfig(label="gaussian", dimension=UNITS, subsamples=20, simulations=64)
    full = estimate_pairs(cohort, splits, encodings, settings, seed=0).query("repeat == -1")
    assert (full["cross_check_gap_at_zero"].abs() < 0.03).all()
    pair = full.query("teacher == 'rna' and student == 'cnv'").iloc[0]
    # I(T;S) = 0.51 and I(S;Y) = 0.
    assert pair["cross_check_gap"] == pytest.approx(0.51, abs=0.15)


@pytest.mark.parametrize(
    ("numbers", "label", "message"),
    [
        (True, "ross", "label: found ross, an estimator of discrete labels, with a target of regression; .*ksg"),
        (False, "ksg", "label: found ksg, an estimator of continuous labels, with a target of classification; .*ross"),
    ],
)
def test_a_label_estimator_that_does_not_fit_the_task_is_named(numbers: bool, label: str, message: str) -> None:
    with pytest.raises(InputError, match=f"config key information.{message}"):
        estimate_pairs(*setting(numbers=numbers), SETTINGS.model_copy(update={"label": label}), seed=0)


def test_the_unit_of_a_number_does_not_matter() -> None:
    cohort, splits, encodings = setting(numbers=True)
    target = dataclasses.replace(cohort.target, values=1000 * cohort.target.values - 7)
    other = dataclasses.replace(cohort, target=dataclasses.replace(target, task=Regression.of(target.values)))
    frames = [estimate_pairs(each, splits, encodings, SETTINGS, seed=0) for each in (cohort, other)]
    pd.testing.assert_frame_equal(*frames, rtol=1e-6)


def test_a_second_estimator_that_wants_more_samples_does_not_take_the_first_one_down() -> None:
    # Half of a fold has eight samples; the Gaussian estimator wants more than 2 * 4 + 1.
    settings = SETTINGS.model_copy(update={"dimension": 4})
    frame = estimate_pairs(*setting(n=34, missing=0.0), settings, seed=0).query("repeat == -1")
    assert frame["gap_se"].notna().all()
    assert frame["cross_check_gap_se"].isna().all()
    same = settings.model_copy(update={"cross_check": "mixed"})
    other = estimate_pairs(*setting(n=34, missing=0.0), same, seed=0).query("repeat == -1")
    pd.testing.assert_series_equal(frame["gap"], other["gap"])
    assert other["cross_check_gap_se"].notna().all()


def test_few_labels_are_flagged() -> None:
    cohort, splits, encodings = setting(n=240)
    labelled = splits.labelled.copy()
    # Two samples of the last class in a fold: k has to be lowered; one: it is left out.
    for j, kept in ((0, 2), (1, 1)):
        where = np.flatnonzero((splits.inner[2] == j) & labelled[2] & (cohort.target.values == 2))
        both = [i for i in where if all(cohort.profiled(name)[i] for name in encodings)]
        labelled[2, where] = False
        labelled[2, both[:kept]] = True
    frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, SETTINGS, seed=0)
    assert frame.query("repeat == -1")["flags"].str.startswith("class_left_out;neighbours_lowered").all()
    assert (frame.query("repeat == 0")["flags"] == "").all()


def test_a_modality_that_nobody_shares_gives_no_estimate() -> None:
    cohort, splits, _ = setting()
    n = len(cohort.samples)
    rows = {"rna": np.arange(n // 2), "cnv": np.arange(n // 2, n)}
    apart = dataclasses.replace(
        cohort,
        modalities={name: Modality(np.zeros((len(r), 1), np.float32), np.array(["f"]), r) for name, r in rows.items()},
        teachers=tuple(rows),
    )
    points = np.random.default_rng(2).normal(size=(n, UNITS))
    encodings = {name: encoding_of(points, splits, apart, name) for name in rows}
    frame = estimate_pairs(apart, splits, encodings, SETTINGS, seed=0)
    assert frame["gap"].isna().all()


def test_the_table_of_the_full_cohort() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    table = information_table(frame)
    assert tuple(table.columns) == keys.INFORMATION_COLUMNS
    assert len(table) == 6 * 4
    assert set(table.unit) == {"nats"}
    first = frame.query("repeat == -1").iloc[0]
    rows = table.query("teacher == @first.teacher and student == @first.student").set_index(["quantity", "of"])
    expected = {
        ("teacher_student", "representation"): ("mi_teacher_student", "ksg", first.n_paired),
        ("teacher_student", "output"): ("mi_output_student", "ksg", first.n_paired),
        ("student_label", "representation"): ("mi_student_label", "ross", first.n_labelled),
        ("teacher_label", "representation"): ("mi_teacher_label", "ross", first.n_labelled),
    }
    assert list(rows.index) == list(expected)
    for which, (column, estimator, n) in expected.items():
        row = rows.loc[which]
        assert (row.estimator, row.n) == (estimator, n)
        assert row.estimate == first[column]
        assert row.ci_high - row.ci_low == pytest.approx(2 * 1.96 * row.se, rel=1e-4)


def test_an_encoding_that_lacks_samples_is_named() -> None:
    cohort, splits, encodings = setting()
    held = encodings["cnv"].representation.copy()
    held[2, cohort.modalities["cnv"].rows[:3]] = math.nan
    with pytest.raises(InputError, match="encoding of cnv: found no finite held-out representation of 3 samples"):
        estimate_pairs(
            cohort,
            splits,
            encodings | {"cnv": dataclasses.replace(encodings["cnv"], representation=held)},
            SETTINGS,
            seed=0,
        )
    with pytest.raises(InputError, match="encoding of cnv: found no finite held-out representation"):
        estimate_pairs(cohort, splits, {"rna": encodings["rna"], "rppa": encodings["rppa"]}, SETTINGS, seed=0)


def test_without_a_pair_there_is_no_row() -> None:
    cohort, splits, encodings = setting()
    rows = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0)
    alone = dataclasses.replace(cohort, modalities={"rna": cohort.modalities["rna"]}, teachers=("rna",))
    none = estimate_pairs(alone, splits, encodings, SETTINGS, seed=0)
    assert none.empty and none.columns.tolist() == rows.columns.tolist()
    assert information_table(none).columns.tolist() == list(keys.INFORMATION_COLUMNS)


@pytest.mark.parametrize("numbers", [False, True])
def test_where_labels_are_few_they_are_told_by_likelihoods_and_there_is_a_gap(numbers: bool) -> None:
    """With five labels in a fold neighbours have no estimate of the label terms, or no error of it."""
    cohort, splits, encodings = setting(n=150, inner_folds=5, missing=0.0, numbers=numbers)
    few = splits.labelled & (np.random.default_rng(0).random(150) < 0.2)
    assert 3 < few[splits.full].sum() / splits.n_inner < 7
    own = "ksg" if numbers else "ross"
    found = {}
    for name, labelled, label in (
        ("few", few, "auto"),
        ("few, by neighbours", few, own),
        ("all", splits.labelled, "auto"),
    ):
        using = SETTINGS.model_copy(update={"label": label})
        frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, using, seed=0)
        found[name] = frame[frame["repeat"] == -1]
    assert found["few, by neighbours"]["gap_se"].isna().all()
    assert (found["few"]["estimator"] == "ksg-likelihood").all()
    assert (found["few"]["gap_se"] > 0).all() and found["few"]["gap"].notna().all()
    assert not found["few"]["flags"].str.contains("folds_without_estimate:[2-9]").any()
    assert (found["all"]["estimator"] == f"ksg-{own}").all()


@pytest.mark.parametrize("numbers", [False, True])
def test_the_likelihood_bound_is_the_mean_gain_of_the_pooled_folds(numbers: bool) -> None:
    """Of each view's own model, in every task; its simulations are missing, and with them what they correct."""
    cohort, splits, encodings = setting(numbers=numbers)
    settings = SETTINGS.model_copy(update={"label": "likelihood"})
    frame = estimate_pairs(cohort, splits, encodings, settings, seed=0).set_index(["fold", "teacher", "student"])
    row = frame.loc[(1, "rna", "cnv")]
    both = cohort.profiled("rna") & cohort.profiled("cnv")
    for name, column in (("rna", "mi_teacher_label"), ("cnv", "mi_student_label")):
        own = np.flatnonzero(splits.labelled[1] & cohort.profiled(name))
        gained = np.full(len(cohort.samples), np.nan)
        gained[own] = likelihood_gains(
            cohort.target.task, encodings[name].outputs[1, own], cohort.target.values[own], splits.inner[1, own]
        )
        means, weights = [], []
        for j in range(splits.n_inner):
            fold = both & (splits.inner[1] == j)
            means.append(gained[fold & splits.labelled[1]].mean())
            weights.append(fold.sum())
        assert row[column] == pytest.approx(np.average(means, weights=weights))
        assert row[f"{column}_se"] > 0
    assert row["gap"] == pytest.approx(row["mi_teacher_student"] - row["mi_student_label"])
    assert row["estimator"] == "ksg-likelihood" and frame["gap_at_zero"].isna().all()
