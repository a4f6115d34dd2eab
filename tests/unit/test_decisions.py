"""The benchmark of decisions: its smallest run, and its statistics by hand."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort

from cch_omics import evaluation, keys
from cch_omics.config import SplitsConfig
from cch_omics.predictions import Encoding, Network
from cch_omics.splits import make_splits

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def module(name: str) -> Any:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def scores() -> Any:
    return module("decisions_scores")


@pytest.fixture(scope="module")
def extras() -> Any:
    return module("decisions_extras")


def run(*arguments: str) -> str:
    command = [sys.executable, str(BENCHMARKS / "decisions.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_subset_runs_stops_where_it_was_and_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    common = ("--subset", "--budgets", "0.4", "--output", str(tmp_path))
    run("predict", *common)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert made
    lost = next(path for path in made if path.parent.name == "default")
    lost.unlink()
    run("predict", "references", *common)
    again = {path: path.stat().st_mtime_ns for path in made}
    # Only what was missing is made, both ways of a student at once; the labels are written with every visit.
    room = tmp_path / "simulated/subtype/0.4"
    remade = {path for path in made if made[path] != again[path]}
    assert remade <= {lost, room / "half" / lost.name, room / "cohort.npz"} and lost in remade
    assert (room / "references.npz").exists()

    page = tmp_path / "page.md"
    page.write_text("Mine.\n<!-- begin outcomes -->\nold\n<!-- end outcomes -->\nMine too.\n")
    run("page", *common, "--page", str(page))
    text = page.read_text()
    assert text.startswith("Mine.\n") and text.endswith("Mine too.\n") and "old" not in text
    table = pd.read_csv(tmp_path / "tables" / "criteria.tsv", sep="\t")
    assert set(table["way"]) == {"default", "half", "argmax"} and (table["n_pairs"] == 6).all()
    assert (table.set_index("criterion")["seconds"].drop(["always", "never"]) > 0).all()
    assert all((tmp_path / f"decisions-{name}.png").stat().st_size > 1000 for name in ("gap", "criteria", "budgets"))
    # Nothing of a patient is stored but ids, labels and predictions.
    with np.load(tmp_path / "simulated/subtype/0.4/cohort.npz") as stored:
        assert not any("values" in name for name in stored)


def by_hand() -> pd.DataFrame:
    """Cluster a: one student, right; cluster b: one student, wrong."""
    rows = [
        ("a", "s", "t1", 0.9, keys.DISTIL, 0.04, False, True),
        ("a", "s", "t2", -0.5, keys.DO_NOT_DISTIL, -0.06, True, False),
        ("b", "s", "t1", 0.3, keys.DISTIL, -0.02, False, False),
        ("b", "s", "t2", 0.1, keys.UNDECIDED, 0.02, False, False),
    ]
    table = pd.DataFrame(
        rows, columns=["cluster", "student", "teacher", "score", "decision", "gain", "harmed", "gained"]
    )
    return table.assign(
        cohort=table["cluster"],
        target="y",
        budget=1.0,
        way="default",
        criterion=evaluation.VERDICT,
        seconds=0.5,
        gain_over_self=[0.02, 0.01, 0.01, np.nan],
    )


def test_statistics_by_hand(scores: Any) -> None:
    row = scores.criteria_table(by_hand()).iloc[0]
    assert (row["n_pairs"], row["n_harmed"], row["n_gained"]) == (4, 1, 1)
    assert (row["auroc_harmed"], row["auroc_gained"]) == (1, 1)
    assert row["auroc_negative"] == pytest.approx(3 / 4)  # of (0.9, 0.1) x (-0.5, 0.3) one pair is the wrong way round
    assert (row["sign_accuracy"], row["abstention"]) == (pytest.approx(2 / 3), 0.25)
    assert row["sign_accuracy_self"] == pytest.approx(2 / 3)  # a's t1 and b's t1; a's t2 gained a little over self
    assert row["advice"] == pytest.approx(100 * (0.04 - 0.02) / 2)
    assert row["regret"] == pytest.approx(100 * (0.0 + 0.04) / 2)
    assert row["share_of_oracle"] == pytest.approx((0.04 - 0.02) / (0.04 + 0.02))
    # Two clusters: both, or one of them twice. Their advice is +4, +1 or -2.
    assert (row["advice_low"], row["advice_high"]) == (pytest.approx(-2), pytest.approx(4))
    same = scores.differences(by_hand()).iloc[0]
    assert (same["advice"], same["advice_low"], same["advice_high"]) == (0, 0, 0)


def test_where_nothing_is_allowed_the_better_guess_is_taken(scores: Any) -> None:
    table = by_hand()
    doubtful = table.assign(decision=[keys.UNDECIDED, keys.DO_NOT_DISTIL, keys.UNDECIDED, keys.UNDECIDED])
    # a: t1. b: t1, the larger score, although t2 would have gained.
    assert scores.criteria_table(doubtful).iloc[0]["advice"] == pytest.approx(100 * (0.04 - 0.02) / 2)
    below = doubtful.assign(score=[0.9, -0.5, -0.3, -0.1])
    assert scores.criteria_table(below).iloc[0]["advice"] == pytest.approx(100 * 0.04 / 2)


def test_one_cluster_has_no_interval_and_a_missing_score_is_not_a_low_one(scores: Any) -> None:
    table = by_hand()
    one = scores.criteria_table(table[table["cluster"] == "a"]).iloc[0]
    assert np.isnan(one["spearman_low"]) and one["auroc_harmed"] == 1
    unscored = table.assign(score=table["score"].mask(table["harmed"]))
    row = scores.criteria_table(unscored).iloc[0]
    assert np.isnan(row["auroc_harmed"]) and row["unscored"] == 0.25


def test_several_teachers_have_not_seen_the_label_of_whom_they_teach(extras: Any) -> None:
    cohort = make_cohort()
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    random = np.random.default_rng(0)
    nothing = Network(*(np.zeros(shape, dtype=np.float32) for shape in [(1,), (1, 1), (1,), (1, 3), (3,)]))
    encodings = {}
    for name in cohort.modalities:
        logits = random.normal(size=(*splits.inner.shape, 3)) + np.eye(3)[cohort.labels]
        logits[:, ~cohort.profiled(name)] = np.nan
        teaching = np.stack([np.where((splits.inner != g)[..., None], logits, np.nan) for g in range(4)], axis=1)
        encodings[name] = Encoding(logits[..., :2], logits, nothing, np.ones(3), teaching_logits=teaching)

    def taught_by(labels: Any, teaching: bool = False) -> dict[tuple[str, str], Any]:
        return {
            (student, way): each.teaching_logits if teaching else each.logits
            for student, way, each in extras.several_teachers(encodings, splits, labels)
        }

    first = taught_by(cohort.labels)
    assert set(first) == {(student, way) for student in cohort.modalities for way in ("pooled", "averaged")}
    held_out = splits.inner[0] == 1
    relabelled = np.where(held_out & (cohort.labels >= 0), (cohort.labels + 1) % 3, cohort.labels)
    changed = taught_by(relabelled)
    for before, after in zip(
        taught_by(cohort.labels, True).values(), taught_by(relabelled, True).values(), strict=True
    ):
        np.testing.assert_array_equal(before[0, 1], after[0, 1])
        assert np.isnan(before[0, 1, held_out]).all() and np.isfinite(before[0, 1]).any()
    for key, logits in first.items():
        np.testing.assert_array_equal(logits[0, held_out], changed[key][0, held_out])
        others = [name for name in cohort.modalities if name != key[0]]
        known = np.logical_and.reduce([cohort.profiled(name) for name in others])
        taught = np.isfinite(logits[0]).all(-1)
        assert (taught[splits.train[0]] == known[splits.train[0]]).all()
    other_fold = splits.inner[0] == 0
    assert not np.allclose(
        first["cnv", "pooled"][0, other_fold], changed["cnv", "pooled"][0, other_fold], equal_nan=True
    )


def test_the_counterexamples_are_what_they_say(extras: Any) -> None:
    cohort = make_cohort()
    labels = extras.permuted(cohort).labels
    assert ((labels < 0) == (cohort.labels < 0)).all() and (labels != cohort.labels).any()
    assert (np.bincount(labels[labels >= 0]) == np.bincount(cohort.labels[cohort.labels >= 0])).all()
    doubled = extras.doubles(replace(cohort, label_budget=0.5), strong="rna", weak="cnv")
    assert list(doubled.modalities) == ["rna", "cnv", "noise", "double"] and doubled.label_budget == 0.5
    weak, double = (doubled.modalities[name].values for name in ("cnv", "double"))
    assert (doubled.modalities["double"].rows == doubled.modalities["cnv"].rows).all()
    known = np.isfinite(weak)
    assert np.corrcoef(weak[known], double[known])[0, 1] == pytest.approx(0.5**0.5, abs=0.05)


def test_what_is_chosen_on_some_groups_is_scored_on_the_one_left_out(
    scores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_pairs(*_: Any, judge: Any, **__: Any) -> pd.DataFrame:
        """With a confidence above 0.6 group b is undecided about t1, which is wrong; group a is right at any."""
        table = by_hand().assign(gain=[0.04, -0.06, -0.02, -0.01])
        table.loc[3, "decision"] = keys.DO_NOT_DISTIL
        cautious = judge(None) > 0.6
        wrong = (table["cluster"] == "b") & (table["teacher"] == "t1")
        return table.assign(decision=table["decision"].mask(wrong & cautious, keys.UNDECIDED))

    monkeypatch.setattr(scores, "all_pairs", all_pairs)
    monkeypatch.setattr(scores, "decide", lambda _, settings, target: settings.confidence)
    table = scores.left_out(Path(), (), ()).set_index("left out")
    # Chosen on b: the first confidence that leaves t1 undecided. Chosen on a: the first of all.
    assert table.loc["a", "confidence"] == 0.7 and table.loc["b", "confidence"] == scores.CONFIDENCES[0]
    assert table.loc["a", "sign right"] == 1 and table.loc["b", "sign right"] == 0.5
    assert table.loc["each in turn", "pairs"] == 4
    assert table.loc["each in turn", "oracle"] == pytest.approx(100 * 0.04 / 2)


def test_a_linear_student_learns_from_soft_targets_and_not_from_the_labels_it_is_judged_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linear = module("decisions_linear")
    monkeypatch.setattr(linear, "INVERSE_PENALTIES", (10.0,))
    random = np.random.default_rng(0)
    n, k, folds = 400, 30, 3
    labels = random.integers(2, size=n)
    x = random.normal(size=(n, k)) + labels[:, None] * (np.arange(k) < 4)
    inputs = np.repeat(x[None], folds + 1, axis=0).astype(np.float32)
    inner = np.arange(n) % (folds + 1) - 1  # a quarter are test samples
    labelled = (inner >= 0) & (random.random(n) < 0.08)
    teacher = np.repeat(4.0 * np.eye(2, dtype=np.float32)[labels][None], folds + 1, axis=0)
    teacher[:, inner < 0] = np.nan

    def accuracy(labels_used: Any, weight: float) -> tuple[Any, float]:
        logits = linear.of_split(inputs, labels_used, teacher, inner, labelled, weight)
        assert np.isfinite(logits).all()
        return logits, float((logits.argmax(1) == labels)[inner < 0].mean())

    alone, of_alone = accuracy(labels, 0.0)
    _, of_taught = accuracy(labels, 0.9)
    assert of_taught > of_alone + 0.05
    flipped = np.where(inner == 1, 1 - labels, labels)
    changed, _ = accuracy(flipped, 0.0)
    np.testing.assert_array_equal(alone[inner == 1], changed[inner == 1])
    assert not np.allclose(alone[inner == 0], changed[inner == 0])


def test_a_split_by_itself(scores: Any) -> None:
    """By hand: two splits of one student with two teachers; in the second the scores are the wrong way round."""
    table = pd.DataFrame(
        {
            "cohort": "c",
            "target": "y",
            "budget": 1.0,
            "repeat": 0,
            "fold": [0, 0, 0, 1, 1, 1],
            "student": "s",
            "teacher": ["t1", "t2", "t3"] * 2,
            "decision": keys.UNDECIDED,
            "gain": [0.04, 0.0, -0.02, -0.03, 0.0, 0.01],
        }
    )
    for name in scores.WITHIN:
        table[name] = [3.0, 2.0, -1.0, 3.0, 2.0, -1.0]
    table["benefit"] = [-3.0, -2.0, -1.0, np.nan, -2.0, -1.0]
    found = scores.within_splits(table).set_index("criterion")
    assert found.loc["cch", "spearman"] == pytest.approx(0) and found.loc["cch", "spearman_error"] == pytest.approx(1)
    assert found.loc["cch", "advice"] == pytest.approx(100 * (0.04 - 0.03) / 2)
    # No teacher has a positive score: trained alone.
    assert found.loc["benefit", "advice"] == 0


def test_nobody_foretells_the_error_of_what_is_measured(scores: Any) -> None:
    gain = np.random.default_rng(0).standard_normal(2000)
    assert scores.ceilings(gain, np.zeros(2000), draws=5) == {"truth": (1.0, 1.0), "measured": (1.0, 1.0)}
    # Half of the variance is error: the truth has a correlation r of sqrt(1/2), what another measurement says one of
    # 1/2; of ranks, 6/pi arcsin(r/2).
    found = scores.ceilings(gain, np.full(2000, np.sqrt(0.5)), draws=40)
    for name, r in {"truth": np.sqrt(0.5), "measured": 0.5}.items():
        rank, sign = found[name]
        assert rank == pytest.approx(6 / np.pi * np.arcsin(r / 2), abs=0.02)
        # P(a sign is right) of all pairs; without the quarter nearest to zero it is more.
        assert 0.02 < sign - (0.5 + np.arcsin(r) / np.pi) < 0.13
    assert np.isnan(list(scores.ceilings(gain, np.full(2000, 2.0)).values())).all()


def made_up() -> SimpleNamespace:
    """What a folder of predictions would have of one pair: logits that know something of the label."""
    cohort = replace(make_cohort(n=200), label_budget=1.0)
    splits = make_splits(cohort, SplitsConfig(repeats=2, folds=2, inner_folds=3), seed=0)
    random = np.random.default_rng(1)
    n_classes = len(cohort.classes)
    truth = np.eye(n_classes)[cohort.labels]
    shape = (len(splits.fold), len(cohort.labels), n_classes)
    rows = cohort.modalities["cnv"].rows
    alone, taught = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    for logits, signal in ((alone, 0.8), (taught, 1.4)):
        logits[:, rows] = signal * truth[rows] + random.standard_normal((shape[0], len(rows), n_classes))
    return SimpleNamespace(
        cohort=cohort,
        splits=splits,
        encodings={"cnv": SimpleNamespace(logits=alone), "rna": SimpleNamespace(logits=taught)},
        taught={"default": {"cnv": SimpleNamespace(teachers=("rna",), logits=taught[None])}},
    )


def test_no_patient_is_judged_in_both_halves() -> None:
    """By hand: right answers of each patient over splits, mean over a class, mean over classes."""
    halves = module("decisions_halves")
    stored = made_up()
    cohort, splits = stored.cohort, stored.splits
    alone, taught = stored.encodings["cnv"].logits, stored.taught["default"]["cnv"].logits[0]
    table = halves._halves(stored)
    assert len(table) == 2 * halves.DRAWS and set(table["first"]) == {0, 1}
    # What is asked of one half is foretold of the other.
    mirrored = table.sort_values(["draw", "first"], ascending=[True, False])
    np.testing.assert_allclose(table["gain"], mirrored["gain_of_others"])
    assert (table["gain"] != table["gain_of_others"]).all()

    sums = halves._sums(stored, alone, taught, taught)
    members = np.arange(len(cohort.labels)) % 3 > 0
    for score, of in {"gain": splits.test, "teacher_minus_student_accuracy": splits.train}.items():
        recalls = []
        for c in range(len(cohort.classes)):
            of_class = members & (cohort.labels == c) & cohort.profiled("cnv")
            more = []
            for s in range(splits.whole):
                right = [
                    (each[s] + halves.class_offsets(each[s], cohort.labels, splits.labelled[s])).argmax(1) == c
                    for each in (alone, taught)
                ]
                more += (1.0 * right[1] - right[0])[of_class & of[s]].tolist()
            recalls.append(np.mean(more))
        assert halves._of_half(*sums[score], members) == pytest.approx(np.mean(recalls))


def test_error_of_a_gain_is_that_of_drawing_other_test_patients(scores: Any) -> None:
    stored = made_up()
    cohort, splits, n_classes = stored.cohort, stored.splits, len(stored.cohort.classes)
    alone, taught = stored.encodings["cnv"].logits, stored.taught["default"]["cnv"].logits[0]
    random = np.random.default_rng(2)
    (row,) = scores._patient_errors(stored, "default", offsets=False).to_dict("records")

    # Bootstrap of patients within classes.
    right = [(logits.argmax(2) == cohort.labels)[: splits.whole] for logits in (alone, taught)]
    tested = splits.test[: splits.whole] & cohort.profiled("cnv")
    found = []
    for _ in range(600):
        weight = np.zeros(len(cohort.labels))
        for c in range(n_classes):
            members = np.flatnonzero((cohort.labels == c) & cohort.profiled("cnv"))
            weight[members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)))
        of_class = [tested * weight * (cohort.labels == c) for c in range(n_classes)]
        gains = [(each * (1.0 * right[1] - right[0])).sum(1) / each.sum(1) for each in of_class]
        found.append(np.mean(gains))
    assert (row["teacher"], row["student"]) == ("rna", "cnv")
    assert row["gain_error"] == pytest.approx(np.std(found), rel=0.15)
