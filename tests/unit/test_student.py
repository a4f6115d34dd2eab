"""The student's bundle: what is written is what is read, and nothing that is damaged is believed."""

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from cch_omics import keys, student
from cch_omics.cohort import Cohort, Modality
from cch_omics.errors import InputError
from cch_omics.predictions import Distillation, Encoding, Network
from cch_omics.splits import Splits
from cch_omics.student import make_student, predict, read_student, write_student, write_students
from cch_omics.tasks.classification import class_offsets

N, UNITS, CLASSES = 40, 3, ("A", "B", "C")
SIZES = {"rna": 12, "cnv": 7}
N_RNA = 30


def make_network(seed: int, n_features: int) -> Network:
    random = np.random.default_rng(seed)
    shapes = ((n_features,), (n_features, UNITS), (UNITS,), (UNITS, len(CLASSES)), (len(CLASSES),))
    return Network(*(random.normal(size=shape).astype(np.float32) for shape in shapes))


def make_cohort() -> Cohort:
    random = np.random.default_rng(0)
    rows = {"rna": np.arange(N_RNA), "cnv": np.arange(N)}
    modalities = {}
    for name, size in SIZES.items():
        values = random.normal(5, 2, (len(rows[name]), size)).astype(np.float32)
        values[0, 0] = np.nan
        modalities[name] = Modality(values, np.array([f"{name}{j}" for j in range(size)]), rows[name])
    samples = np.array([f"P{i:02d}" for i in range(N)])
    labels = random.integers(0, len(CLASSES), N)
    labels[5] = -1
    return Cohort("sim", "subtype", samples, samples, np.full(N, ""), labels, CLASSES, modalities)


def make_splits(cohort: Cohort) -> Splits:
    inner = np.tile(np.arange(N) % 3, (3, 1))
    inner[0, : N // 2] = -1
    inner[1, N // 2 :] = -1
    labelled = (inner >= 0) & (cohort.labels >= 0)
    return Splits(np.array([0, 0, -1]), np.array([0, 1, -1]), inner, labelled)


def make_one(cohort: Cohort, network: Network | None = None) -> student.Student:
    return make_student(
        cohort,
        "cnv",
        network or make_network(1, SIZES["cnv"]),
        offsets=[0.0, 0.1, -0.2],
        calibration_temperature=1.5,
        labelled=cohort.labelled,
        teacher="rna",
        distillation_lambda=0.5,
        distillation_temperature=3.0,
        epochs=40,
        verdict={"student": "cnv", "teacher": "rna", "verdict": keys.DISTIL, "p_gap_positive": np.float64(0.97)},
        performance=[
            {
                "modality": "cnv",
                "model": model,
                "metric": "balanced_accuracy",
                "mean": mean,
                "ci_low": 0.4,
                "ci_high": np.nan,
            }
            for model, mean in (("alone", 0.55), ("distilled:rna", 0.6), ("logistic", 0.642))
        ],
    )


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
    network.weight[[0, 3]] = 0
    cohort = make_cohort()
    made = make_one(cohort, network)
    assert made.features == ("cnv1", "cnv2", "cnv4", "cnv5", "cnv6")
    values = cohort.modalities["cnv"].values
    np.testing.assert_allclose(
        made.network.logits(values[:, [1, 2, 4, 5, 6]]), network.logits(values), rtol=1e-4, atol=1e-5
    )


def test_a_student_that_learnt_nothing_keeps_its_features() -> None:
    network = make_network(1, SIZES["cnv"])
    network.weight[:] = 0
    assert len(make_one(make_cohort(), network).features) == SIZES["cnv"]


# --- Whole or not at all ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("already", [False, True], ids=["new", "replacing"])
def test_a_failure_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, already: bool) -> None:
    good = make_one(make_cohort())
    if already:
        write_student(tmp_path / "cnv", good)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def fail(_: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(student, "model_card", fail)
    with pytest.raises(OSError, match="disk full"):
        write_student(tmp_path / "cnv", good)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert already or list(tmp_path.iterdir()) == []


def test_a_student_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    made.network.bias[1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        write_student(tmp_path / "cnv", made)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_takes_the_place_of_the_old_one(bundle: Path) -> None:
    (bundle / "stray.txt").write_text("of the old one")
    other = make_one(make_cohort(), make_network(9, SIZES["cnv"]))
    write_student(bundle, other)
    assert not (bundle / "stray.txt").exists()
    np.testing.assert_array_equal(read_student(bundle).network.weight, other.network.weight)
    assert [entry.name for entry in bundle.parent.iterdir()] == ["cnv"]


def test_a_folder_that_the_workflow_made_beforehand_is_filled(tmp_path: Path) -> None:
    (tmp_path / "cnv").mkdir()
    write_student(tmp_path / "cnv", make_one(make_cohort()))
    read_student(tmp_path / "cnv")


# --- Damaged bundles --------------------------------------------------------------------------------------------------


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "no folder": (lambda b: b.rename(b.parent / "moved"), "cnv: found no such folder"),
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
    "json list": (lambda b: (b / "student.json").write_text("[]"), "student.json, format: found a JSON list"),
    "another format": (lambda b: edit(b, format="x"), "student.json, format: found 'x'; expected 'cch_omics student'"),
    "newer": (
        lambda b: edit(b, format_version=2, versions={"cch_omics": "9.1"}, novelty=1),
        r"format_version: found format version 2, written by cch_omics 9\.1; expected format version 1, .*"
        r"Predict with cch_omics 9\.1, or make the student again",
    ),
    "no version": (lambda b: edit(b, format_version=None), "format_version: found format version None"),
    "unknown key": (lambda b: edit(b, novelty=1), "student.json, novelty: found 1"),
    "temperature of zero": (lambda b: edit(b, calibration_temperature=0), "calibration_temperature: found 0"),
    "NaN offset": (lambda b: edit(b, class_offsets=[0, 0, float("nan")]), r"class_offsets\.2: found nan"),
    "too few offsets": (
        lambda b: edit(b, class_offsets=[0, 0]),
        "class_offsets: found 2 offsets; expected one for each of",
    ),
    "features twice": (lambda b: edit(b, features=["x"] * 7), "features: found 'x' more than once"),
    "classes twice": (lambda b: edit(b, classes=["A", "A", "B"]), "classes: found 'A' more than once"),
    "one feature fewer": (
        lambda b: edit(b, features=[f"cnv{j}" for j in range(6)]),
        r"tensor 'weight': found float32 of shape \(7, 3\); expected float32 of shape \(6, 3\), from 6 features",
    ),
    "truncated weights": (
        lambda b: truncate(b / "model.safetensors"),
        "model.safetensors: found .* bytes with SHA-256",
    ),
    "flipped bit": (lambda b: flip_a_bit(b / "model.safetensors"), "model.safetensors: found .* bytes with SHA-256"),
    "no tensor": (lambda b: edit_tensors(b, head_bias=None), "found no tensor 'head_bias'"),
    "no first tensor": (lambda b: edit_tensors(b, weight=None), "found no tensor 'weight'"),
    "wrong shape": (
        lambda b: edit_tensors(b, sd=np.ones(3, np.float32)),
        r"tensor 'sd': found float32 of shape \(3,\)",
    ),
    "wrong rank": (lambda b: edit_tensors(b, weight=np.ones(7, np.float32)), r"tensor 'weight': found .* shape \(7,\)"),
    "wrong type": (lambda b: edit_tensors(b, fill=np.ones(7)), "tensor 'fill': found float64"),
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


def test_weights_that_are_not_safetensors_are_refused_even_with_their_checksum(bundle: Path) -> None:
    (bundle / "model.safetensors").write_bytes(b"junk" * 10)
    edit(bundle, weights_sha256=hashlib.sha256(b"junk" * 10).hexdigest())
    with pytest.raises(InputError, match="expected safetensors"):
        read_student(bundle)


# --- Which network becomes the student --------------------------------------------------------------------------------


def write_all(tmp_path: Path, teacher: object) -> tuple[Cohort, Splits, Encoding, Distillation]:
    """Write the students of both modalities; `teacher` is that of cnv, and rna is trained alone."""
    cohort, random = make_cohort(), np.random.default_rng(3)
    splits = make_splits(cohort)
    teachers = ("rna", "cnv", "rna")
    logits = random.normal(size=(3, 3, N, len(CLASSES))).astype(np.float32)
    encodings = {
        name: Encoding(
            np.zeros((3, N, UNITS), np.float32), logits[0] + 3 * k, make_network(20 + k, size), np.array([5, 6, 7 + k])
        )
        for k, (name, size) in enumerate(SIZES.items())
    }
    distillation = Distillation(
        teachers,
        np.array([False, False, True]),
        logits,
        np.arange(9).reshape(3, 3) / 10,
        1 + np.arange(9.0).reshape(3, 3),
        np.arange(9).reshape(3, 3),
        tuple(make_network(10 + v, SIZES["cnv"]) for v in range(3)),
    )
    chosen = pd.DataFrame(
        [("rna", "", keys.DO_NOT_DISTIL, 0.01), ("cnv", teacher, keys.DISTIL, 0.99)], columns=list(keys.TEACHER_COLUMNS)
    )
    verdicts = pd.DataFrame(
        [("rna", "cnv", 0.2, np.nan, "because"), ("cnv", "rna", -0.2, 0.1, "not so")],
        columns=["teacher", "student", "gap", "gap_se", "reason"],
    )
    performance = pd.DataFrame(
        [("cnv", "alone", "auroc", 0.5, 0.4, 0.6)], columns=["modality", "model", "metric", "mean", "ci_low", "ci_high"]
    )
    summary = pd.DataFrame(
        [("rna", "cnv", "self", "auroc", 0.1, 0.0, 0.2)],
        columns=["teacher", "student", "control", "metric", "gain", "ci_low", "ci_high"],
    )
    folders = {name: tmp_path / name for name in SIZES}
    write_students(
        cohort,
        splits,
        encodings,
        {"cnv": distillation, "rna": distillation},
        chosen,
        verdicts,
        performance,
        summary,
        folders,
    )
    return cohort, splits, encodings["cnv"], distillation


def test_the_student_is_the_network_of_the_chosen_teacher(tmp_path: Path) -> None:
    cohort, splits, _, distillation = write_all(tmp_path, "rna")
    made = read_student(tmp_path / "cnv")
    np.testing.assert_array_equal(made.network.weight, distillation.networks[0].weight)
    expected = class_offsets(distillation.logits[0, 2], cohort.labels, splits.labelled[2])
    np.testing.assert_array_equal(made.about.class_offsets, expected)
    training = made.about.training
    assert (training.teacher, training.lambda_, training.distillation_temperature, training.epochs) == (
        "rna",
        0.2,
        3,
        2,
    )
    assert (training.samples, training.labelled_samples, training.paired_samples) == (N, N - 1, N_RNA)
    assert made.about.candidates == (
        {"teacher": "rna", "student": "cnv", "gap": 0.2, "gap_se": None, "reason": "because"},
    )
    assert [row["model"] for row in made.about.performance] == ["alone"]
    assert [row["control"] for row in made.about.gains] == ["self"]


@pytest.mark.parametrize("nobody", ["", None, np.nan])
def test_without_a_teacher_the_student_is_the_encoder(tmp_path: Path, nobody: object) -> None:
    cohort, splits, encoding, _ = write_all(tmp_path, nobody)
    made = read_student(tmp_path / "cnv")
    np.testing.assert_array_equal(made.network.weight, encoding.network.weight)
    expected = class_offsets(encoding.logits[2], cohort.labels, splits.labelled[2])
    np.testing.assert_array_equal(made.about.class_offsets, expected)
    training = made.about.training
    assert (training.teacher, training.lambda_, training.paired_samples, training.epochs) == ("", None, None, 8)
    assert made.about.verdict["teacher"] == ""


def test_a_teacher_that_nothing_was_learnt_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="student 'cnv': found the teacher 'protein'"):
        write_all(tmp_path, "protein")


# --- The model card ---------------------------------------------------------------------------------------------------


def test_the_card_says_how_it_was_trained_and_that_it_loses(bundle: Path) -> None:
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "Its teacher was a model of rna" in card
    assert "lambda 0.5, temperature 3" in card
    assert "**It loses** in mean balanced accuracy to: penalised logistic regression by 4.2 points." in card
    assert "0.600 (0.400 to not estimated)" in card
    assert "without validation" in card


def test_the_card_does_not_say_that_it_loses_when_it_wins(tmp_path: Path) -> None:
    made = make_one(make_cohort())
    won = tuple(row | {"mean": 0.5} if row["model"] == "logistic" else row for row in made.about.performance)
    write_student(tmp_path / "cnv", replace(made, about=made.about.model_copy(update={"performance": won})))
    assert "loses" not in (tmp_path / "cnv" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(("source", "warned"), [("cnv", True), ("rna", False), ("", False)])
def test_the_card_warns_of_a_target_defined_from_the_same_omics(tmp_path: Path, source: str, warned: bool) -> None:
    write_student(tmp_path / "cnv", make_one(replace(make_cohort(), derived_from=source)))
    assert ("was itself defined from cnv" in (tmp_path / "cnv" / "MODEL_CARD.md").read_text()) == warned


def test_a_student_of_one_omics_only_has_a_card(tmp_path: Path) -> None:
    cohort = make_cohort()
    alone = make_student(
        cohort,
        "rna",
        make_network(1, SIZES["rna"]),
        offsets=np.zeros(3),
        labelled=cohort.labelled,
        epochs=5,
        verdict={"student": "rna", "teacher": "", "verdict": keys.DO_NOT_DISTIL, "p_gap_positive": None},
    )
    write_student(tmp_path / "rna", alone)
    card = (tmp_path / "rna" / "MODEL_CARD.md").read_text()
    assert "No teacher" in card
    assert "not measured on test patients" in card
    values = cohort.modalities["rna"].values
    predict(alone, [str(i) for i in range(len(values))], alone.features, values)
