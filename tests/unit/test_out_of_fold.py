"""What travels between steps: round trips, views and recipes."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import make_cohort

from cch_omics.models.out_of_fold import (
    Encoding,
    Model,
    Network,
    OutOfFold,
    load_by_student,
    load_encoding,
    load_out_of_fold,
    save_by_student,
    save_encoding,
    save_out_of_fold,
)
from cch_omics.models.recipes import ALONE, RECIPES, TAUGHT
from cch_omics.views import members, teachers_of, views_of

S, N, K, P, R, C, E = 2, 5, 3, 4, 2, 3, 2
RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def network() -> Network:
    return Network(numbers(P), np.abs(numbers(P)), numbers(P, R), numbers(R), numbers(R, C), numbers(C), numbers(P, C))


def students(networks: bool = True) -> OutOfFold:
    models = Model("alone"), Model("soft_targets", "rna+cnv"), Model("soft_targets", "rna+cnv", "shuffled")
    outputs = numbers(3, S, N, C)
    outputs[:, :, 0] = np.nan
    epochs = np.arange(6).reshape(3, S)
    weights = np.abs(numbers(3, S, E)).astype(np.float64)
    return OutOfFold(models, outputs, tuple(network() for _ in range(3 * networks)), epochs, weights)


def assert_equal(one: OutOfFold, other: OutOfFold) -> None:
    assert one.models == other.models
    np.testing.assert_array_equal(one.outputs, other.outputs)
    np.testing.assert_array_equal(one.epochs, other.epochs)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert len(one.networks) == len(other.networks)
    for left, right in zip(one.networks, other.networks, strict=True):
        for name in ("fill", "bound", "weight", "bias", "head_weight", "head_bias", "skip_weight"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize("networks", [True, False])
def test_students_round_trip(tmp_path: Path, networks: bool) -> None:
    made, baselines = students(networks), students(networks=False)
    save_out_of_fold(made, tmp_path / "one.npz")
    assert_equal(load_out_of_fold(tmp_path / "one.npz"), made)
    none = OutOfFold((), numbers(0, S, N, C), (), np.zeros((0, S), dtype=np.int64), np.zeros((0, S, E)))
    by_student = {"rna": made, "a/b.c": baselines, "nothing": none}
    save_by_student(by_student, tmp_path / "all.npz")
    again = load_by_student(tmp_path / "all.npz")
    assert list(again) == list(by_student)
    for name, each in by_student.items():
        assert_equal(again[name], each)


@pytest.mark.parametrize("fused", [True, False])
def test_an_encoding_round_trips_with_inputs_where_asked(tmp_path: Path, fused: bool) -> None:
    arrays = numbers(S, N, R), numbers(S, N, C), numbers(S, K + 1, N, C), np.arange(S), np.ones((S, E))
    encoding = Encoding(*arrays, network=None if fused else network(), inputs=numbers(S, K + 1, N, P))
    save_encoding(encoding, tmp_path / "encoding.npz")
    plain, full = (load_encoding(tmp_path / "encoding.npz", inputs=inputs) for inputs in (False, True))
    assert plain.inputs is None and full.inputs is not None
    np.testing.assert_array_equal(full.inputs, encoding.inputs)
    for name in ("representation", "outputs", "soft_targets", "epochs", "weights"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(encoding, name))
    assert (plain.network is None) == fused
    if plain.network and encoding.network:
        np.testing.assert_array_equal(plain.network.weight, encoding.network.weight)
    without = Encoding(*arrays)
    save_encoding(without, tmp_path / "encoding.npz")
    assert load_encoding(tmp_path / "encoding.npz", inputs=True).inputs is None


def test_models_are_found_by_what_they_are() -> None:
    made = students()
    np.testing.assert_array_equal(made.alone, made.outputs[0])
    np.testing.assert_array_equal(made.of(Model("soft_targets", "rna+cnv", "shuffled")), made.outputs[2])
    assert made.taught == [Model("soft_targets", "rna+cnv")]


def test_a_network_fills_in_missing_values() -> None:
    made, values = network(), numbers(6, P)
    missing = RANDOM.random(values.shape) < 0.3
    filled = np.clip(np.where(missing, made.fill, values), made.fill - made.bound, made.fill + made.bound)
    assert (filled[~missing] != values[~missing]).any()
    expected = np.tanh(filled @ made.weight + made.bias) @ made.head_weight + filled @ made.skip_weight + made.head_bias
    np.testing.assert_allclose(made.outputs(np.where(missing, np.nan, values)), expected, rtol=1e-5)


def test_recipes_without_a_teacher_are_what_gains_are_counted_over() -> None:
    assert [recipe.name for recipe in RECIPES.values()] == list(RECIPES)
    assert ALONE.name in RECIPES and not ALONE.needs_teacher
    assert TAUGHT and all(recipe.needs_teacher for recipe in TAUGHT)


def test_views_are_one_modality_or_several() -> None:
    cohort = make_cohort(n=40, teachers=("rna", "cnv+mutation", "cnv+rna"))
    assert members("cnv+mutation") == ("cnv", "mutation") and members("rna") == ("rna",)
    assert views_of(cohort) == ["cnv", "mutation", "rna", "cnv+mutation", "cnv+rna"]
    assert teachers_of(cohort, "rna") == ["cnv+mutation", "cnv+rna"]
    assert teachers_of(cohort, "cnv") == ["rna", "cnv+mutation", "cnv+rna"]
    profiled = cohort.profiled("cnv+mutation")
    np.testing.assert_array_equal(profiled, cohort.profiled("cnv") & cohort.profiled("mutation"))
    assert 0 < profiled.sum() < cohort.profiled("cnv").sum()
