"""Information of all pairs: against plain loops, and what a row promises."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from information_oracle import Array, slow_copula, slow_crossentropy, slow_gaussian, slow_ksg, slow_ross
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import InformationConfig
from cch_omics.criteria.log_loss import held_out_losses
from cch_omics.errors import InputError
from cch_omics.information.pairs import COMBINATIONS, average_folds, estimate_pairs, information_table
from cch_omics.predictions import Encoding, Network
from cch_omics.splits import Splits

Of = Callable[[str, list[int]], Array]
UNITS = 4
SETTINGS = InformationConfig(dimension=2, subsamples=20, simulations=8)
VALUES = [name for name in COMBINATIONS]


def network() -> Network:
    empty = np.zeros(0, dtype=np.float32)
    return Network(empty, empty, empty, empty, empty)


def encoding_of(representation: NDArray[np.float32], splits: Splits, cohort: Cohort, name: str) -> Encoding:
    held = np.repeat(representation[None], len(splits.fold), 0).astype(np.float32)
    held[splits.test | ~cohort.profiled(name)] = np.nan
    # Logits of three classes: the first units.
    return Encoding(held, held[..., :3].copy(), network(), np.ones(len(splits.fold), np.int64))


def setting(
    n: int = 120, inner_folds: int = 2, missing: float = 0.15, seed: int = 0
) -> tuple[Cohort, Splits, dict[str, Encoding]]:
    """Two outer splits and the whole one; three modalities that see a class and a shared state, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 3, size=n)
    state = rng.normal(size=(n, 2)) + 1.5 * np.stack([labels == 0, labels == 1], 1)
    modalities = {
        name: Modality(np.zeros((len(rows), 1), np.float32), np.array(["f"]), rows)
        for name in ("rna", "cnv", "rppa")
        for rows in [np.flatnonzero(rng.random(n) >= missing)]
    }
    samples = np.array([f"s{i:04d}" for i in range(n)])
    cohort = Cohort("made", "subtype", samples, samples, np.full(n, "A1"), labels, ("a", "b", "c"), modalities)
    inner = np.stack([rng.permutation(n) % inner_folds for _ in range(3)])
    outer = rng.permutation(n) % 2
    inner[0, outer == 0], inner[1, outer == 1] = -1, -1
    labelled = (inner >= 0) & (labels >= 0) & (rng.random((3, n)) < 0.9)
    splits = Splits(np.array([0, 0, -1]), np.array([0, 1, -1]), inner, labelled)
    encodings = {
        name: encoding_of(
            np.tanh(0.4 * (state + noise * rng.normal(size=(n, 2))) @ rng.normal(size=(2, UNITS))), splits, cohort, name
        )
        for name, noise in (("rna", 0.3), ("cnv", 2.0), ("rppa", 1.0))
    }
    return cohort, splits, encodings


def components(points: Array, dimension: int) -> Array:
    """Principal components by singular values, over their root mean variance."""
    centred = points - points.mean(0)
    scores = centred @ np.linalg.svd(centred, full_matrices=False)[2][:dimension].T
    return np.asarray(scores / np.sqrt(scores.var(0).mean()))


@pytest.mark.parametrize(
    ("teacher_student", "label"), [("ksg", "ross"), ("gaussian", "crossentropy"), ("copula", "ross")]
)
def test_values_are_the_loops_over_folds(teacher_student: str, label: str) -> None:
    cohort, splits, encodings = setting()
    settings = InformationConfig.model_validate(
        SETTINGS.model_dump() | {"teacher_student": teacher_student, "label": label}
    )
    slow_between = {"ksg": lambda x, y: slow_ksg(x, y, 3), "gaussian": slow_gaussian, "copula": slow_copula}
    frame = estimate_pairs(cohort, splits, encodings, settings, seed=0).set_index(
        ["repeat", "fold", "teacher", "student"]
    )
    assert len(frame) == 3 * 6
    for s, teacher, student in ((0, "rna", "cnv"), (2, "cnv", "rna"), (2, "rppa", "cnv")):
        terms, weights, n_labelled = [], [], 0
        for j in range(splits.n_inner):
            reduced = {}
            for name in (teacher, student):
                rows = np.flatnonzero((splits.inner[s] == j) & cohort.profiled(name))
                points = encodings[name].representation[s, rows].astype(float)
                reduced[name] = dict(zip(rows.tolist(), components(points, 2), strict=True))
            paired = sorted(set(reduced[teacher]) & set(reduced[student]))
            labelled = [i for i in paired if splits.labelled[s, i]]
            y = cohort.labels[labelled]

            def of(name: str, rows: list[int], reduced: dict[str, dict[int, Array]] = reduced) -> Array:
                return np.array([reduced[name][i] for i in rows])

            def with_label(
                name: str, s: int = s, labelled: list[int] = labelled, y: NDArray[np.int64] = y, of: Of = of
            ) -> float:
                if label == "ross":
                    return slow_ross(of(name, labelled), y, 3)
                logits = encodings[name].logits[s, labelled].astype(float)
                return slow_crossentropy(logits - np.log(np.exp(logits).sum(1, keepdims=True)), y)

            between = slow_between[teacher_student](of(teacher, paired), of(student, paired))
            terms.append([between, with_label(student), with_label(teacher)])
            weights.append(len(paired))
            n_labelled += len(labelled)
        row = frame.loc[(splits.repeat[s], splits.fold[s], teacher, student)]
        between, student_label, teacher_label = np.average(terms, axis=0, weights=weights)
        expected = {
            "mi_teacher_student": between,
            "mi_student_label": student_label,
            "mi_teacher_label": teacher_label,
            "gap": between - student_label,
            "advantage": teacher_label - student_label,
            "gap_plus_advantage": between + teacher_label - 2 * student_label,
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=1e-9), name
        assert row["n_paired"] == sum(weights)
        assert row["n_labelled"] == n_labelled
        assert row["dim"] == 2
        assert row["estimator"] == f"{teacher_student}-{label}"


def test_a_pair_shares_its_information_and_swaps_its_label_terms() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    one = frame[(frame.teacher == "rna") & (frame.student == "cnv")].reset_index()
    other = frame[(frame.teacher == "cnv") & (frame.student == "rna")].reset_index()
    for suffix in ("", "_se"):
        np.testing.assert_allclose(one[f"mi_teacher_student{suffix}"], other[f"mi_teacher_student{suffix}"], rtol=1e-9)
        np.testing.assert_allclose(one[f"mi_student_label{suffix}"], other[f"mi_teacher_label{suffix}"], rtol=1e-9)
    np.testing.assert_allclose(one.advantage, -other.advantage, rtol=1e-9)
    np.testing.assert_allclose(one.advantage_se, other.advantage_se, rtol=1e-9)


def test_the_standard_errors_of_a_row_belong_to_one_covariance() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    total = frame.gap_se**2 + frame.advantage_se**2 + 2 * frame.gap_advantage_covariance
    np.testing.assert_allclose(frame.gap_plus_advantage_se**2, total, rtol=1e-9)
    assert (frame[[f"{name}_se" for name in VALUES]] > 0).all(axis=None)
    # Paired: noise that the terms share cancels.
    independent = np.sqrt(frame.mi_teacher_label_se**2 + frame.mi_student_label_se**2)
    assert not np.allclose(frame.advantage_se, independent, rtol=1e-3)


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
    # In the whole split, the encoders of two folds have learnt nothing.
    bad = splits.inner[2] < 2
    noisy[2, bad] = np.random.default_rng(1).normal(size=(bad.sum(), UNITS))
    changed = encodings | {"rppa": dataclasses.replace(encodings["rppa"], representation=noisy)}
    pair = "teacher == 'rna' and student == 'rppa' and repeat == -1"
    before = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0).query(pair).iloc[0]
    after = estimate_pairs(cohort, splits, changed, SETTINGS, seed=0).query(pair).iloc[0]
    assert after.mi_teacher_student_se > 1.5 * before.mi_teacher_student_se


def test_intervals_cover_the_mean_over_cohorts() -> None:
    # The bias of the estimators is not in the standard error: compare with the mean estimate, not with the truth.
    frames = [
        estimate_pairs(*setting(n=160, seed=seed), SETTINGS, seed=seed).query("repeat == -1 and teacher == 'rna'")
        for seed in range(40)
    ]
    frame = pd.concat(frames).query("student == 'cnv'")
    for name in ("mi_teacher_student", "gap", "advantage", "gap_plus_advantage"):
        # Each cohort draws new weights for its encoders: the spread is at least what half-samples see.
        z = (frame[name] - frame[name].mean()) / frame[f"{name}_se"]
        assert (z.abs() < 1.96).mean() >= 0.8, name


def test_nothing_of_a_test_patient_enters_its_split() -> None:
    cohort, splits, encodings = setting()
    before = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0)
    labels = cohort.labels.copy()
    labels[splits.test[0]] = (labels[splits.test[0]] + 1) % 3
    held = encodings["rna"].representation.copy()
    held[1:, splits.test[0]] += 1
    after = estimate_pairs(
        dataclasses.replace(cohort, labels=labels),
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
    monkeypatch.setattr("cch_omics.information.pairs.HELD", {"cpu": 1})
    after = estimate_pairs(*data, SETTINGS, seed=5)
    pd.testing.assert_frame_equal(before, after, rtol=1e-9)
    assert not np.allclose(before.gap_se, estimate_pairs(*data, SETTINGS, seed=6).gap_se, rtol=1e-6)


def test_a_fold_without_an_estimate_is_counted_and_does_not_enter() -> None:
    cohort, splits, encodings = setting()
    labelled = splits.labelled.copy()
    # One class left in the first inner fold of the whole split.
    labelled[2] &= ~((splits.inner[2] == 0) & (cohort.labels != 1))
    frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, SETTINGS, seed=0)
    whole = frame.query("repeat == -1")
    assert whole["flags"].str.contains("folds_without_estimate:1/2").all()
    assert np.isfinite(whole[VALUES]).all(axis=None)
    assert (whole.n_paired < 0.6 * (splits.inner[2] >= 0).sum()).all()
    assert not frame.query("repeat == 0")["flags"].str.contains("folds_without").any()


def test_without_any_estimate_the_value_is_missing_and_flagged() -> None:
    cohort, splits, encodings = setting()
    labelled = splits.labelled & (cohort.labels == 0)
    frame = estimate_pairs(cohort, dataclasses.replace(splits, labelled=labelled), encodings, SETTINGS, seed=0)
    # What two omics share needs no label.
    with_label = [name for name in VALUES if name not in ("mi_teacher_student", "cross_check_teacher_student")]
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


def test_logits_are_needed() -> None:
    cohort, splits, encodings = setting()
    logits = encodings["cnv"].logits.copy()
    logits[2, cohort.modalities["cnv"].rows[:2]] = math.nan
    changed = encodings | {"cnv": dataclasses.replace(encodings["cnv"], logits=logits)}
    with pytest.raises(InputError, match="encoding of cnv: found no finite held-out logits of 2 samples"):
        estimate_pairs(cohort, splits, changed, SETTINGS, seed=0)


def test_the_advantage_by_log_loss_is_of_the_labelled_training_samples_that_have_both() -> None:
    cohort, splits, encodings = setting()
    frame = estimate_pairs(cohort, splits, encodings, SETTINGS, seed=0).set_index(
        ["repeat", "fold", "teacher", "student"]
    )
    both = splits.labelled[1] & cohort.profiled("rna") & cohort.profiled("cnv")
    of = (cohort.labels[both], splits.inner[1, both], cohort.groups[both])
    logits = {name: encodings[name].logits[1, both].astype(float) for name in ("rna", "cnv")}
    row, back = frame.loc[(0, 1, "rna", "cnv")], frame.loc[(0, 1, "cnv", "rna")]
    losses, swapped = (held_out_losses(*map(logits.get, names), *of) for names in (("rna", "cnv"), ("cnv", "rna")))
    expected = losses.advantage()
    assert (row["log_loss_advantage"], row["log_loss_advantage_se"]) == pytest.approx(expected)
    assert back["log_loss_advantage"] == pytest.approx(-expected[0])
    assert (row["log_loss_benefit"], row["log_loss_benefit_se"]) == pytest.approx(losses.benefit())
    assert back["log_loss_benefit"] == pytest.approx(swapped.benefit()[0])
    assert (back["log_loss_teacher_label"], back["log_loss_teacher_label_se"]) == pytest.approx(swapped.teacher_label())


def test_both_directions_of_a_pair_have_the_same_twins() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0).set_index(["repeat", "fold", "teacher", "student"])
    forth, back = frame.loc[(-1, -1, "rna", "cnv")], frame.loc[(-1, -1, "cnv", "rna")]
    # The advantage of one is minus that of the other, on every twin.
    assert forth["advantage_at_zero"] == pytest.approx(-back["advantage_at_zero"])
    assert forth["advantage_twin_sd"] == pytest.approx(back["advantage_twin_sd"])
    assert forth["gap_at_zero"] != pytest.approx(back["gap_at_zero"])
    assert 0 <= forth["twin_sign_errors"] <= 1
    assert forth["bracket_low"] <= forth["bracket_high"]
    others = frame.drop(index=-1, level="repeat")
    assert others[["bracket_low", "bracket_high", "gap_at_zero", "twin_sign_errors"]].isna().all(axis=None)


def test_twins_have_not_the_logits_that_a_label_estimator_may_want() -> None:
    frame = estimate_pairs(*setting(), SETTINGS.model_copy(update={"label": "crossentropy"}), seed=0)
    assert frame["gap"].notna().all()
    assert frame[["gap_at_zero", "gap_twin_sd", "twin_bias", "twin_coverage", "twin_sign_errors"]].isna().all(axis=None)


def test_a_second_estimator_that_wants_more_samples_does_not_take_the_first_one_down() -> None:
    # Half of a fold has eight samples; the Gaussian estimator wants more than 2 * 4 + 1.
    settings = SETTINGS.model_copy(update={"dimension": 4})
    frame = estimate_pairs(*setting(n=34, missing=0.0), settings, seed=0).query("repeat == -1")
    assert frame["gap_se"].notna().all()
    assert frame["cross_check_gap_se"].isna().all()
    same = settings.model_copy(update={"cross_check": "ksg2"})
    other = estimate_pairs(*setting(n=34, missing=0.0), same, seed=0).query("repeat == -1")
    pd.testing.assert_series_equal(frame["gap"], other["gap"])
    assert other["cross_check_gap_se"].notna().all()


def test_a_gap_that_changes_its_sign_with_the_dimension_is_flagged() -> None:
    """The sharing is in the components of least variance: with half of them nothing is shared."""
    rng = np.random.default_rng(0)
    n = 400
    cohort, splits, _ = setting(n=n, missing=0.0)
    shared, labels = rng.normal(size=(n, 1)), cohort.labels

    def points() -> Array:
        # Three classes, known from the first two columns, and what is shared in the last ones.
        corner = 3.0 * np.stack([labels == 0, labels == 1], 1)
        return np.hstack([corner + rng.normal(size=(n, 2)), 0.8 * (shared + 0.02 * rng.normal(size=(n, 2)))])

    alone = {name: encoding_of(points(), splits, cohort, name) for name in ("rna", "cnv")}
    settings = SETTINGS.model_copy(update={"dimension": 4})
    flags = estimate_pairs(cohort, splits, alone, settings, seed=0).query("repeat == -1")["flags"]
    assert flags.str.contains("drift_dimension").all()
    assert not flags.str.contains("drift_neighbours").any()


def test_few_labels_are_flagged() -> None:
    cohort, splits, encodings = setting(n=240)
    labelled = splits.labelled.copy()
    # Two samples of the last class in a fold: k has to be lowered; one: it is left out.
    for j, kept in ((0, 2), (1, 1)):
        where = np.flatnonzero((splits.inner[2] == j) & labelled[2] & (cohort.labels == 2))
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
    )
    points = np.random.default_rng(2).normal(size=(n, UNITS)).astype(np.float32)
    encodings = {name: encoding_of(points, splits, apart, name) for name in rows}
    frame = estimate_pairs(apart, splits, encodings, SETTINGS, seed=0)
    assert frame["gap"].isna().all()


def test_the_table_of_the_whole_split() -> None:
    frame = estimate_pairs(*setting(), SETTINGS, seed=0)
    table = information_table(frame)
    assert tuple(table.columns) == keys.INFORMATION_COLUMNS
    assert len(table) == 6 * 3
    assert set(table.unit) == {"nats"}
    first = frame.query("repeat == -1").iloc[0]
    rows = table.query("teacher == @first.teacher and student == @first.student").set_index("quantity")
    assert tuple(rows.index) == keys.QUANTITIES
    for quantity, estimator, n in (
        ("teacher_student", "ksg", first.n_paired),
        ("student_label", "ross", first.n_labelled),
        ("teacher_label", "ross", first.n_labelled),
    ):
        row = rows.loc[quantity]
        assert (row.estimator, row.n) == (estimator, n)
        assert row.estimate == first[f"mi_{quantity}"]
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
    with pytest.raises(InputError, match="found encodings of rna; expected encodings of at least two"):
        estimate_pairs(cohort, splits, {"rna": encodings["rna"]}, SETTINGS, seed=0)
