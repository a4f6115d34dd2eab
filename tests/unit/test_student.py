"""The student's bundle: what is written is what is read, and nothing that is damaged is believed."""

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from cch_omics import keys
from cch_omics.cli.written import is_students
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.errors import InputError
from cch_omics.evaluation.predictions import predictions_on_test
from cch_omics.models.out_of_fold import Model, Network, OutOfFold
from cch_omics.models.recipes import MEMBERS
from cch_omics.splits import Splits
from cch_omics.student.about import Record
from cch_omics.student.bundle import Student, read_student, write_student
from cch_omics.student.card import escape
from cch_omics.student.make import Records, make_student, write_students
from cch_omics.student.predict import predict
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival
from cch_omics.vocabulary import difference, difference_heading

N, UNITS, CLASSES = 40, 3, ("A", "B", "C")
SIZES = {"rna": 12, "cnv": 7}
N_RNA = 30
SUBTYPE = Classification(CLASSES)
DOSE = Regression((-0.5, 0.5))
OS = Survival((2.0, 5.0, 9.0), (0.0, 3.0), (0.0, 4.0), "months", "1:DECEASED")
TASKS = pytest.mark.parametrize("task", [SUBTYPE, DOSE, OS], ids=lambda task: task.name)
TAUGHT = Model("soft_targets", "rna", "none")


def make_network(seed: int, n_features: int, n_outputs: int = len(CLASSES)) -> Network:
    random = np.random.default_rng(seed)
    of_features = ((n_features,), (n_features,), (n_features, UNITS))
    shapes = (*of_features, (UNITS,), (UNITS, n_outputs), (n_outputs,), (n_features, n_outputs))
    made = Network(*(random.normal(size=shape).astype(np.float32) for shape in shapes))
    return replace(made, bound=np.full(n_features, 100, dtype=np.float32))


def make_cohort(task: Task = SUBTYPE) -> Cohort:
    random = np.random.default_rng(0)
    rows = {"rna": np.arange(N_RNA), "cnv": np.arange(N)}
    modalities = {}
    for name, size in SIZES.items():
        values = random.normal(5, 2, (len(rows[name]), size)).astype(np.float32)
        values[0, 0] = np.nan
        modalities[name] = Modality(values, np.array([f"{name}{j}" for j in range(size)]), rows[name])
    samples = np.array([f"P{i:02d}" for i in range(N)])
    labels = random.integers(0, len(CLASSES), N).astype(np.float64) if task is SUBTYPE else random.normal(size=N)
    if task.name == "survival":
        labels = np.column_stack([random.exponential(5, size=N), random.integers(0, 2, N)])
    labels[5] = np.nan
    target = Target("subtype", task, labels)
    return Cohort("sim", samples, samples, np.full(N, ""), target, modalities, ("rna", "cnv"))


def make_splits(cohort: Cohort) -> Splits:
    inner = np.tile(np.arange(N) % 3, (3, 1))
    inner[0, : N // 2] = -1
    inner[1, N // 2 :] = -1
    labelled = (inner >= 0) & cohort.target.observed
    return Splits(np.array([0, 0, -1]), np.array([0, 1, -1]), inner, labelled)


def performance(task: Task, **means: float) -> list[Record]:
    return [
        {"student": "cnv", "model": model, "metric": metric, "mean": mean, "ci_low": 0.4, "ci_high": 0.7}
        for model, mean in means.items()
        for metric in task.metrics
    ]


def make_one(cohort: Cohort, network: Network | None = None, *, rule: str = "pilot") -> Student:
    task = cohort.target.task
    candidate: Record = {
        "teacher": "rna", "student": "cnv", "recipe": "soft_targets", "gap": 0.21, "p_gap_positive": 0.6,
        "p_gain_positive": 0.97, "verdict": keys.DISTIL, "reason": "Pilots gained +3.0 ± 1.0 points.",
    }  # fmt: skip
    return make_student(
        cohort,
        "cnv",
        network or make_network(1, SIZES["cnv"], task.n_outputs),
        TAUGHT,
        decision=np.array([0.0, 0.1, -0.2])[: 0 if task is OS else task.n_outputs],
        labelled=cohort.target.observed,
        epochs=40,
        members={"network": 0.5, "linear": 0.5, "screened": 0.0},
        records=Records(
            verdict={
                "student": "cnv", "teacher": "rna", "recipe": "soft_targets", "rule": rule, "verdict": keys.DISTIL,
                "p_gain_positive": 0.97, "p_gap_positive": 0.6,
            },
            candidates=[candidate],
            performance=performance(task, alone=0.55, **{"soft_targets:rna": 0.6}, linear=0.642),
        ),
    )  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_student(tmp_path / "cnv", make_one(make_cohort()))
    return tmp_path / "cnv"


def edit(bundle: Path, **changes: object) -> None:
    file = bundle / "student.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_tensors(bundle: Path, **changes: np.ndarray | None) -> None:
    """Change tensors as somebody would who also mends the checksum."""
    arrays = safetensors.numpy.load_file(bundle / "model.safetensors") | changes
    content = safetensors.numpy.save({name: array for name, array in arrays.items() if array is not None})
    (bundle / "model.safetensors").write_bytes(content)
    edit(bundle, weights_sha256=hashlib.sha256(content).hexdigest())


# --- Round trip -------------------------------------------------------------------------------------------------------


def test_what_is_read_is_what_was_written(bundle: Path) -> None:
    written, read = make_one(make_cohort()), read_student(bundle)
    assert read.about == written.about.model_copy(update={"weights_sha256": read.about.weights_sha256})
    for field in fields(Network):
        np.testing.assert_array_equal(getattr(read.network, field.name), getattr(written.network, field.name))
    np.testing.assert_array_equal(read.mean, written.mean)
    np.testing.assert_array_equal(read.sd, written.sd)


def test_the_same_student_has_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    write_student(tmp_path / "again", make_one(make_cohort()))
    for file in bundle.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_a_bundle_has_three_files_and_no_pickle(bundle: Path) -> None:
    assert sorted(file.name for file in bundle.iterdir()) == ["MODEL_CARD.md", "model.safetensors", "student.json"]
    for file in bundle.iterdir():
        assert not file.read_bytes().startswith((b"\x80", b"PK"))


def test_means_and_deviations_are_those_of_the_measured_values() -> None:
    cohort = make_cohort()
    made = make_one(cohort)
    np.testing.assert_allclose(made.mean, np.nanmean(cohort.modalities["cnv"].values, axis=0), rtol=1e-6)
    np.testing.assert_allclose(made.sd, np.nanstd(cohort.modalities["cnv"].values, axis=0), rtol=1e-5)


def test_a_feature_without_any_measured_value_does_not_spoil_the_bundle(tmp_path: Path) -> None:
    cohort = make_cohort()
    cohort.modalities["cnv"].values[:, 2] = np.nan
    made = make_one(cohort)
    assert made.mean[2] == made.network.fill[2]
    assert made.sd[2] == 0
    write_student(tmp_path / "cnv", made)


def test_features_that_the_network_does_not_use_are_left_out() -> None:
    network = make_network(1, SIZES["cnv"])
    network.weight[[0, 3]] = network.skip_weight[[0, 3]] = 0
    network.weight[1] = network.skip_weight[2] = network.head_weight[0] = 0
    cohort = make_cohort()
    made = make_one(cohort, network)
    assert made.features == ("cnv1", "cnv2", "cnv4", "cnv5", "cnv6")
    assert made.network.weight.shape == (5, UNITS - 1)
    values = cohort.modalities["cnv"].values
    np.testing.assert_allclose(
        made.network.outputs(values[:, [1, 2, 4, 5, 6]]), network.outputs(values), rtol=1e-4, atol=1e-5
    )


def test_a_student_that_learnt_nothing_keeps_its_features() -> None:
    network = make_network(1, SIZES["cnv"])
    network.weight[:] = network.skip_weight[:] = 0
    assert len(make_one(make_cohort(), network).features) == SIZES["cnv"]


# --- Whole or not at all ----------------------------------------------------------------------------------------------


def test_a_student_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    made.network.bias[1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        write_student(tmp_path / "cnv", made)
    assert list(tmp_path.iterdir()) == []


# --- Damaged bundles --------------------------------------------------------------------------------------------------


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "no folder": (lambda b: b.rename(b.parent / "moved"), "student.json: found no such file"),
    "no json": (lambda b: (b / "student.json").unlink(), "student.json: found no such file"),
    "no weights": (lambda b: (b / "model.safetensors").unlink(), "model.safetensors: found no such file"),
    "truncated json": (lambda b: truncate(b / "student.json"), "student.json: found text that is not JSON"),
    "binary json": (
        lambda b: (b / "student.json").write_bytes(b"\xff\xfe{"),
        "student.json: found text that is not JSON",
    ),
    "deep json": (
        lambda b: (b / "student.json").write_text("[" * 100_000),
        "student.json: found text that is not JSON",
    ),
    "json list": (lambda b: (b / "student.json").write_text("[]"), "student.json, format: found nothing"),
    "another format": (lambda b: edit(b, format="x"), "student.json, format: found 'x'; expected 'cch_omics student'"),
    "newer": (
        lambda b: edit(b, format_version=4, versions={"cch_omics": "9.1"}, novelty=1),
        r"format_version: found format version 4, written by cch_omics 9\.1; expected format version 3, .*"
        r"Predict with cch_omics 9\.1, or make the student again",
    ),
    "no version": (lambda b: edit(b, format_version=None), "format_version: found format version None"),
    "unknown key": (lambda b: edit(b, novelty=1), "student.json, novelty: found 1; expected no such field"),
    "an unknown scale": (lambda b: edit(b, scale="z"), "student.json, scale: found 'z'; expected what `cch evaluate`"),
    "constants of another scale": (
        lambda b: edit(b, constants={"offset": 1}),
        "student.json, constants: found {'offset'",
    ),
    "NaN in the decision": (
        lambda b: edit(b, decision=[0, 0, float("nan")]),
        r"decision\.2: found nan; expected what `cch evaluate` writes there",
    ),
    "too short a decision": (
        lambda b: edit(b, decision=[0, 0]),
        "task and decision: found the task 'classification' with 2 numbers",
    ),
    "another task": (
        lambda b: edit(b, task={"name": "divination", "parameters": {}}),
        "task and decision: found the task 'divination' .*; expected one of classification, regression",
    ),
    "a task without its parameters": (
        lambda b: edit(b, task={"name": "classification", "parameters": {}}),
        "task and decision: found the task 'classification'",
    ),
    "a transform that does not increase": (
        lambda b: edit(
            b,
            task={
                "name": "regression",
                "parameters": DOSE.parameters
                | {"transform": ["rank_normal"], "labels": ["0", "1", "1"], "scores": ["-1", "0", "1"]},
            },
            decision=[0.5],
        ),
        "task and decision: found the task 'regression' with 1 numbers",
    ),
    "no number for a class": (
        lambda b: edit(b, decision=[0, 0, None]),
        "task and decision: found the task 'classification' with 3 numbers",
    ),
    "a task that has other outputs": (
        lambda b: edit(b, task={"name": "regression", "parameters": DOSE.parameters}, decision=[0.5]),
        r"tensor 'head_weight': found shape \(3, 3\); expected shape \(3, 1\)",
    ),
    "one feature fewer": (
        lambda b: edit(b, features=[f"cnv{j}" for j in range(6)]),
        r"tensor 'weight': found shape \(7, 3\); expected shape \(6, 3\), from 6 features",
    ),
    "truncated weights": (
        lambda b: truncate(b / "model.safetensors"),
        "model.safetensors: found .* bytes with SHA-256",
    ),
    "flipped bit": (lambda b: flip_a_bit(b / "model.safetensors"), "model.safetensors: found .* bytes with SHA-256"),
    "not finite": (
        lambda b: edit_tensors(b, head_bias=np.array([0, np.inf, 0], np.float32)),
        "tensor 'head_bias': found values that are not finite",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_bundle_is_refused(bundle: Path, case: str) -> None:
    read_student(bundle)
    damage, message = DAMAGE[case]
    damage(bundle)
    with pytest.raises(InputError, match=message) as caught:
        read_student(bundle)
    assert str(bundle) in caught.value.where
    assert caught.value.advice


# --- Which network becomes the student --------------------------------------------------------------------------------


def write_all(
    tmp_path: Path, teacher: object, task: Task = SUBTYPE, *, ci_high: float = 0.2
) -> tuple[Cohort, Splits, OutOfFold]:
    """Write the students of both modalities; `teacher` is that of cnv, and rna is trained alone.

    `ci_high` is the upper end of the interval of what cnv gained over training alone.
    """
    cohort, random = make_cohort(task), np.random.default_rng(3)
    splits = make_splits(cohort)
    models = (
        Model("alone", "", "none"),
        TAUGHT,
        Model("soft_targets", "cnv", "self"),
        replace(TAUGHT, control="shuffled"),
    )
    students = {
        name: OutOfFold(
            models,
            random.normal(size=(4, 3, N, task.n_outputs)).astype(np.float32),
            tuple(make_network(10 * k + v, size, task.n_outputs) for v in range(4)),
            100 * k + np.arange(12).reshape(4, 3),
            np.full((4, 3, len(MEMBERS)), 1 / len(MEMBERS)),
        )
        for k, (name, size) in enumerate(SIZES.items())
    }
    chosen = pd.DataFrame(
        [
            # Nothing could teach rna: it has no row.
            ("cnv", teacher, "soft_targets", "pilot", keys.DISTIL, 0.99, 0.2),
        ],
        columns=list(keys.TEACHER_COLUMNS),
    )
    verdicts = pd.DataFrame(
        [("rna", "cnv", "soft_targets", 0.2, keys.DISTIL), ("cnv", "rna", "soft_targets", np.nan, keys.UNDECIDED)],
        columns=["teacher", "student", "recipe", "gap", "verdict"],
    ).reindex(columns=list(keys.VERDICT_COLUMNS))
    measured = pd.DataFrame(performance(task, alone=0.5, **{"soft_targets:rna": 0.45}))
    summary = pd.DataFrame(
        [
            ("rna", "cnv", "soft_targets", "self", task.primary, 0.1, 0.0, -0.2),
            ("rna", "cnv", "soft_targets", "none", task.primary, ci_high - 0.1, ci_high - 0.2, ci_high),
            ("rna", "cnv", "soft_targets", "none", "another", -0.1, -0.2, -0.1),
            ("rna", "cnv", "another", "none", task.primary, -0.1, -0.2, -0.1),
        ],
        columns=["teacher", "student", "recipe", "control", "metric", "gain", "ci_low", "ci_high"],
    )
    followed = [("x", "y", task.primary, "pilot", "cnv", 0.5, 0.034, 0.01, 0.06, 8)]
    followed += [("x", "y", task.primary, "always", "cnv", 1.0, 0.9, 0.8, 0.95, 8)]
    advised = pd.DataFrame(followed, columns=list(keys.ADVISED_COLUMNS))
    on_test = predictions_on_test(cohort, splits, students, chosen)
    folder = tmp_path / "students"
    write_students(cohort, splits, students, chosen, verdicts, measured, summary, advised, on_test, folder)
    return cohort, splits, students["cnv"]


@TASKS
def test_the_student_is_the_network_of_the_chosen_teacher(tmp_path: Path, task: Task) -> None:
    cohort, splits, trained = write_all(tmp_path, "rna", task)
    made = read_student(tmp_path / "students" / "cnv")
    task = splits.task(cohort.target, splits.full)
    assert made.task == task
    np.testing.assert_array_equal(made.network.weight, trained.networks[1].weight)
    expected = task.decision(trained.outputs[1, 2], cohort.target.values, splits.labelled[2])
    np.testing.assert_array_equal(made.decision, expected)
    about, training = made.about, made.about.training
    assert (about.recipe, about.teacher, about.rule, training.epochs) == ("soft_targets", "rna", "pilot", 105)
    assert (training.samples, training.labelled_samples, training.paired_samples) == (N, N - 1, N_RNA)
    (candidate,) = about.candidates
    assert (candidate["teacher"], candidate["gap"], candidate["gap_se"]) == ("rna", 0.2, None)
    assert {row["model"] for row in about.performance} == {"alone", "soft_targets:rna"}
    assert [row["control"] for row in about.gains] == ["self", "none", "none", "none"]
    # Of the rule in force only.
    assert about.followed["advised_gain"] == 0.034
    card = " ".join((tmp_path / "students" / "cnv" / "MODEL_CARD.md").read_text().split())
    metric = task.metrics[task.primary]
    shown = difference(metric, 0.034)
    assert f"The gain of following the rule over training alone, in {difference_heading(metric)}: {shown} (" in card
    assert "Inside each of 8 training sets it chose a teacher or none, and a teacher in 50% of them" in card


@pytest.mark.parametrize("nobody", ["", None, np.nan])
def test_without_a_teacher_the_student_is_the_one_trained_alone(tmp_path: Path, nobody: object) -> None:
    cohort, splits, trained = write_all(tmp_path, nobody)
    made = read_student(tmp_path / "students" / "cnv")
    np.testing.assert_array_equal(made.network.weight, trained.networks[0].weight)
    expected = SUBTYPE.decision(trained.outputs[0, 2], cohort.target.values, splits.labelled[2])
    np.testing.assert_array_equal(made.decision, expected)
    about = made.about
    assert (about.recipe, about.teacher, about.training.paired_samples, about.training.epochs) == (
        "alone",
        "",
        None,
        102,
    )


@pytest.mark.parametrize(("ci_high", "harmed"), [(0.2, False), (0.0, False), (np.nan, False), (-0.01, True)])
def test_a_taught_student_and_the_one_trained_alone_are_delivered_beside_each_other(
    tmp_path: Path, ci_high: float, harmed: bool
) -> None:
    """On top the taught one, or the one trained alone where the teacher did harm on test patients."""
    cohort, splits, trained = write_all(tmp_path, "rna", ci_high=ci_high)
    folder = tmp_path / "students" / "cnv"
    top, beside = folder, folder / ("taught" if harmed else "alone")
    assert [each for each in folder.iterdir() if each.is_dir()] == [beside]
    cards = []
    for place, v in ((top, 0 if harmed else 1), (beside, 1 if harmed else 0)):
        made = read_student(place)
        np.testing.assert_array_equal(made.network.weight, trained.networks[v].weight)
        expected = SUBTYPE.decision(trained.outputs[v, 2], cohort.target.values, splits.labelled[2])
        np.testing.assert_array_equal(made.decision, expected)
        assert made.about.teacher == ("rna" if v else "")
        # What was chosen stays what was chosen.
        assert made.about.verdict["teacher"] == "rna"
        cards.append((place / "MODEL_CARD.md").read_text())
    first, second = (" ".join(card.split()) for card in cards)
    assert "the folder above" in second and "the folder above" not in first
    assert f"lies in the folder `{beside.name}` beside this file" in first
    assert ("it did harm, so that the one trained alone is delivered" in first) is harmed
    assert ("it did harm, so that the one trained alone is delivered" in second) is harmed
    assert ("This is the one that did harm" in second) is harmed
    # Neither advises against itself without saying where the other lies; rna has one student only.
    assert ("**It loses**" in first, "**It loses**" in second) == (not harmed, harmed)
    assert [each.name for each in (tmp_path / "students" / "rna").iterdir() if each.is_dir()] == []
    # Of both, beside the one on top.
    assert (folder / "features.tsv").is_file() and not (beside / "features.tsv").exists()
    assert is_students(tmp_path / "students")
    (beside / "mine.txt").touch()
    assert not is_students(tmp_path / "students")


def test_a_student_at_chance_is_said_to_be(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    sentence = "**It is not shown to be better than chance**, which has balanced accuracy, %: 33.3."
    assert sentence not in card_of(tmp_path, made)
    for low, mean, said in ((0.33, 0.6, True), (0.34, 0.6, False), (None, 0.6, True), (None, 1.0, False)):
        measured = tuple(row | {"ci_low": low, "mean": mean} for row in made.about.performance)
        card = card_of(tmp_path, replace(made, about=made.about.model_copy(update={"performance": measured})))
        assert (sentence in card) is said


def test_every_student_is_written_and_what_was_there_goes(tmp_path: Path) -> None:
    (tmp_path / "students" / "old").mkdir(parents=True)
    write_all(tmp_path, "rna")
    assert sorted(folder.name for folder in (tmp_path / "students").iterdir()) == ["cnv", "rna"]


def test_a_teacher_that_nothing_was_learnt_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="student 'cnv': found the teacher 'protein'"):
        write_all(tmp_path, "protein")
    # rna, which is right, is not written either.
    assert list(tmp_path.iterdir()) == []


# --- The model card ---------------------------------------------------------------------------------------------------


def card_of(tmp_path: Path, made: Student) -> str:
    write_student(tmp_path / "it", made)
    return (tmp_path / "it" / "MODEL_CARD.md").read_text()


def section(card: str, title: str) -> str:
    return card.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


@TASKS
def test_the_card_says_how_it_was_trained_and_first_that_it_loses(tmp_path: Path, task: Task) -> None:
    card = card_of(tmp_path, make_one(make_cohort(task)))
    assert "taught by soft targets of a model of rna" in card
    metric, baseline = task.metrics[task.primary], task.baselines["linear"]
    loss, shown = ("4.2 points", "60.0 (40.0 to 70.0)") if task is SUBTYPE else ("0.042", "0.600 (0.400 to 0.700)")
    # A C of one half is chance, which its interval holds: that is said before.
    first = section(card, "How good it is").split("\n\n")[1 if task.chance > 0.4 else 0]
    assert first == (
        f"**It loses** in mean {metric.title} to: {baseline.title} by {loss}. Baselines are not delivered: "
        "`references.tsv` of the run has their scores."
    )
    assert f"| this student | {shown} |" in card
    assert "without validation" in card


@TASKS
def test_the_card_says_what_it_reached_of_which_labels_and_what_became_of_test_samples(
    tmp_path: Path, task: Task
) -> None:
    write_all(tmp_path, "rna", task)
    taught, alone = (tmp_path / "students" / "cnv" / place for place in (".", "alone"))
    card, others = ((folder / "MODEL_CARD.md").read_text() for folder in (taught, alone))
    reached = "balanced accuracy 45.0%: 5.0 points lower" if task is SUBTYPE else "0.450: 0.050 lower"
    assert f"{reached} than the same network trained alone." in section(card, "How good it is")
    assert "the same network trained alone." not in section(others, "How good it is")
    told = {"classification": "", "regression": "Calibration: observed", "survival": "Events (in brackets"}[task.name]
    said = [read_student(folder).about.on_test for folder in (taught, alone)]
    assert [told in " ".join(each) for each in said] == [True, True] and (said[0] != said[1]) == bool(told)
    assert ("On test samples: " in card) is bool(told) and escape(" ".join(said[0])) in card
    labels = read_student(taught).about.training.labels
    assert ("Its labels: " in section(card, "How it was trained")) is bool(labels) is (task is not SUBTYPE)
    if task.name == "survival":
        assert f"events {labels['events']}, median follow up " in card and f"horizon {labels['horizon']:.4g}." in card


def test_the_card_says_when_the_student_alone_does_better(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    measured = tuple(row | {"mean": 0.7 if row["model"] == "alone" else 0.6} for row in made.about.performance)
    card = card_of(tmp_path, replace(made, about=made.about.model_copy(update={"performance": measured})))
    assert (
        "**It loses** in mean balanced accuracy to: the same network trained alone by 10.0 points. The same network "
        "trained alone lies in the folder `alone` beside this file." in card
    )
    assert "instead" not in card


def test_the_card_does_not_say_that_it_loses_when_it_wins(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    # By 0.04 points, which are shown as 0.0, is by nothing.
    won = tuple(row | {"mean": 0.6004} if row["model"] == "linear" else row for row in made.about.performance)
    card = card_of(tmp_path, replace(made, about=made.about.model_copy(update={"performance": won})))
    assert "loses" not in card


@pytest.mark.parametrize(
    ("rule", "decided"),
    [
        ("pilot", ": P(gain > 0) 97%."),
        ("cch", "."),
        ("cch_calibrated", ": P(gap > 0) 60%."),
        ("always", "."),
    ],
)
def test_the_card_says_what_decided(tmp_path: Path, rule: str, decided: str) -> None:
    why = section(card_of(tmp_path, make_one(make_cohort(), rule=rule)), "Why").split("\n\n")[0]
    assert f"by the rule `{rule}` (" in why
    assert why.endswith(f"){decided} The candidates:")


@pytest.mark.parametrize(("source", "warned"), [("cnv", True), ("rna", False), ("", False)])
def test_the_card_warns_of_a_target_defined_from_the_same_omics(tmp_path: Path, source: str, warned: bool) -> None:
    card = card_of(tmp_path, make_one(replace(make_cohort(), derived_from=source)))
    assert ("was itself defined from cnv" in card) == warned


def test_the_card_shows_users_text_as_text(tmp_path: Path) -> None:
    evil = "a|b`c`\n# d <script>alert(1)</script>"
    cohort = make_cohort()
    made = make_one(replace(cohort, name=evil, target=replace(cohort.target, name=evil)))
    candidates = tuple(row | {"reason": evil} for row in made.about.candidates)
    card = card_of(tmp_path, replace(made, about=made.about.model_copy(update={"candidates": candidates})))
    assert evil.split("\n")[0] not in card
    assert "\n# d" not in card and "<script" not in card
    rows = [line for line in section(card, "Why").splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_a_student_of_one_omics_only_has_a_card(tmp_path: Path) -> None:
    cohort = make_cohort()
    alone = make_student(
        cohort,
        "rna",
        make_network(1, SIZES["rna"]),
        Model("alone", "", "none"),
        decision=np.zeros(3),
        labelled=cohort.target.observed,
        epochs=5,
        members={"network": 1.0, "linear": 0.0, "screened": 0.0},
        records=Records({"student": "rna", "teacher": "", "verdict": keys.DO_NOT_DISTIL, "p_gap_positive": None}),
    )
    card = card_of(tmp_path, alone)
    assert "had no teacher" in card
    assert "not measured on test patients" in card
    values = cohort.modalities["rna"].values
    predict(alone, [str(i) for i in range(len(values))], alone.features, values)
