"""What a student learnt: weights of its features against plain ones, and on cohorts where it is known."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_student import DOSE, SUBTYPE, TASKS, make_cohort, make_network, make_one, write_all

from cch_omics import keys, pl
from cch_omics.cli import main
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Network
from cch_omics.report import style
from cch_omics.runtime.formats import write_table
from cch_omics.splits import make_splits
from cch_omics.student.bundle import read_student, write_student
from cch_omics.student.explain import by_size, feature_table, read_features, slopes
from cch_omics.student.make import write_students
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.vocabulary import signed

pytestmark = pytest.mark.usefixtures("restored_logging")
CPU = torch.device("cpu")
N, P = 30, 6


def values_of(network: Network) -> np.ndarray:
    """Training values around the network's means, one of them missing, one beyond its bound."""
    random = np.random.default_rng(1)
    values = network.fill + random.normal(size=(N, P)).astype(np.float32)
    values[0, 0] = np.nan
    values[1, 1] += 1e4
    return values.astype(np.float32)


def attributions(network: Network, values: np.ndarray) -> np.ndarray:
    """(n, p, C) integrated gradients by autograd and the midpoint rule, of outputs written down once more."""
    parameters = {
        field.name: torch.tensor(getattr(network, field.name), dtype=torch.float64)
        for field in dataclasses.fields(Network)
    }

    def outputs(x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(x @ parameters["weight"] + parameters["bias"])
        return hidden @ parameters["head_weight"] + x @ parameters["skip_weight"] + parameters["head_bias"]

    moved = torch.tensor(network.bounded(values), dtype=torch.float64) - parameters["fill"]
    steps = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    found = np.zeros((*values.shape, network.head_bias.size))
    for i, row in enumerate(moved):
        x = (parameters["fill"] + steps[:, None] * row).requires_grad_()
        for c in range(found.shape[2]):
            (slope,) = torch.autograd.grad(outputs(x)[:, c].sum(), x)
            found[i, :, c] = (slope.mean(0) * row).numpy()
    return found


def small_network(seed: int = 0) -> Network:
    """One whose units are neither linear nor all saturated."""
    made = make_network(seed, P)
    return dataclasses.replace(made, weight=0.4 * made.weight, bias=made.bias - 0.4 * made.fill @ made.weight)


def test_weights_are_slopes_of_integrated_gradients() -> None:
    network, sd = small_network(), np.linspace(0.5, 2, P).astype(np.float32)
    values = values_of(network)
    a, d = attributions(network, values), network.bounded(values) - network.fill
    expected = sd[:, None] * np.einsum("ipc,ip->pc", a, d) / (d**2).sum(0)[:, None]
    np.testing.assert_allclose(slopes(network, values, sd), expected, rtol=1e-3, atol=1e-4)


def test_the_attributions_of_a_sample_add_up_to_its_outputs_less_those_of_the_mean_sample() -> None:
    """Of one sample the slope of the attribution is the attribution itself, over the distance from the mean."""
    network, sd = small_network(), np.full(P, 0.7, dtype=np.float32)
    for values in values_of(network)[:, None]:
        d = network.bounded(values) - network.fill
        added = (d / 0.7) @ slopes(network, values, sd)
        between = network.outputs(values) - network.outputs(network.fill[None])
        np.testing.assert_allclose(added, between, rtol=1e-3, atol=2e-4)


def test_the_weight_in_a_linear_model_is_the_coefficient_times_the_deviation() -> None:
    network, sd = small_network(), np.linspace(0, 2, P).astype(np.float32)
    network.head_weight[:] = 0
    expected = sd[:, None] * network.skip_weight
    np.testing.assert_array_equal(slopes(network, values_of(network), sd), expected)


def test_features_that_do_not_vary_and_units_that_do_not_move_have_plain_weights() -> None:
    network, sd = small_network(), np.array([0, *[1.0] * (P - 1)], dtype=np.float32)
    # Nothing varies: the slope of each unit is that at the mean.
    values = np.repeat(network.fill[None], N, axis=0)
    values[::2, 1] += 1e-4
    found = slopes(network, values, sd)
    at_mean = 1 - np.tanh(network.fill @ network.weight + network.bias) ** 2
    expected = network.skip_weight[1] + (network.weight[1] * at_mean) @ network.head_weight
    np.testing.assert_allclose(found[1], expected, rtol=1e-3)
    assert (found[0] == 0).all() and np.isfinite(found).all()


@TASKS
def test_what_is_explained_is_the_same_whatever_does_not_change_a_prediction(task: Task) -> None:
    """A constant in the log-probabilities of all classes; a number and a risk answer to every output alike."""
    shares = np.column_stack(list(task.scores.values()))
    assert shares.shape == (task.n_outputs, 3 if task is SUBTYPE else 1)
    assert list(task.scores) == (["A", "B", "C"] if task is SUBTYPE else [""])
    np.testing.assert_allclose(np.ones(task.n_outputs) @ shares, 0 if task is SUBTYPE else 1, atol=1e-12)
    (name,) = Classification(("no", "yes")).scores
    assert name == "yes"
    np.testing.assert_allclose(Classification(("no", "yes")).scores["yes"], [-0.5, 0.5])


# --- Where it is known what there is to learn ------------------------------------------------------------------------

CARRIERS = ["cnv3", "cnv17"]


def focal_cohort(n: int, labelled: int) -> Cohort:
    """Two of 50 features of `cnv` carry the label, each with its own noise; all features of `rna` do, with little."""
    random = np.random.default_rng(0)
    label = random.integers(2, size=n).astype(np.float64)
    sign = 2 * label[:, None] - 1
    rna = sign + random.standard_normal((n, 20))
    cnv = random.standard_normal((n, 50))
    cnv[:, [3, 17]] += 0.8 * sign * [1, -1]
    modalities = {
        name: Modality(
            values.astype(np.float32), np.array([f"{name}{j}" for j in range(values.shape[1])]), np.arange(n)
        )
        for name, values in (("rna", rna), ("cnv", cnv))
    }
    samples = np.array([f"P{i:03d}" for i in range(n)])
    known = np.where(np.arange(n) < labelled, label, np.nan)
    target = Target("status", Classification(("no", "yes")), known)
    return Cohort("made", samples, samples, np.full(n, ""), target, modalities, ("rna",))


def learnt(cohort: Cohort, folder: Path, *, teacher: str) -> pd.DataFrame:
    """What the delivered student of cnv learnt."""
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    settings = EncoderConfig(units=4, components=8, max_epochs=40)
    encodings = {name: encode(cohort, splits, name, settings, seed=0, device=CPU) for name in ("cnv", "rna")}
    students = distil(cohort, splits, encodings, "cnv", ["rna"], DistillationConfig(), settings, seed=0, device=CPU)
    recipe = "soft_targets" if teacher else "alone"
    teachers = pd.DataFrame([("cnv", teacher, recipe, "pilot", "distil", 0.9, 0.9)], columns=list(keys.TEACHER_COLUMNS))
    nothing = {
        name: pd.DataFrame(columns=columns)
        for name, columns in (
            ("verdicts", keys.VERDICT_COLUMNS),
            ("performance", keys.PERFORMANCE_COLUMNS),
            ("summary", keys.SUMMARY_COLUMNS),
            ("advised", keys.ADVISED_COLUMNS),
            ("on_test", keys.PREDICTION_COLUMNS),
        )
    }
    write_students(cohort, splits, {"cnv": students}, teachers, folder=folder, **nothing)
    return read_features(folder / "cnv")


def test_features_that_carry_the_label_are_at_the_top(tmp_path: Path) -> None:
    found = learnt(focal_cohort(150, 150), tmp_path / "students", teacher="")
    assert set(found["feature"][:2]) == set(CARRIERS)
    weight = found.set_index("feature")[keys.WEIGHT_ALONE]
    assert weight["cnv3"] > 0 > weight["cnv17"]
    # In standard deviations of the score, which two features that are independent given the label all but make up.
    assert 0.8 < np.linalg.norm(weight) < 1.2
    assert found[[keys.WEIGHT_TAUGHT, "change"]].isna().all(axis=None)
    assert (found["class"] == "yes").all() and len(found) == 50


def test_what_a_teacher_brings_in_is_a_change(tmp_path: Path) -> None:
    """With 16 labels and 134 paired samples without: carriers gain weight, the others lose it."""
    found = learnt(focal_cohort(150, 16), tmp_path / "students", teacher="rna")
    size = found.set_index("feature")[[keys.WEIGHT_TAUGHT, keys.WEIGHT_ALONE]].abs()
    grown = size[keys.WEIGHT_TAUGHT] - size[keys.WEIGHT_ALONE]
    assert (grown[CARRIERS] > 0).all() and grown.drop(CARRIERS).mean() < 0
    assert set(size.nlargest(2, keys.WEIGHT_TAUGHT).index) == set(CARRIERS)
    np.testing.assert_allclose(found["change"], found[keys.WEIGHT_TAUGHT] - found[keys.WEIGHT_ALONE], atol=1e-8)
    # The first ten of this student stand in its record and in its card.
    for place, column in (("", keys.WEIGHT_TAUGHT), ("alone", keys.WEIGHT_ALONE)):
        student = read_student(tmp_path / "students" / "cnv" / place)
        expected = by_size(found, column).head(10)["feature"]
        assert [row["feature"] for row in student.about.most_used] == list(expected)
        card = " ".join((tmp_path / "students" / "cnv" / place / "MODEL_CARD.md").read_text().split())
        assert f"Most weight have {expected[0]} for yes " in card
        assert f"in brackets, in the student {'taught by rna' if place else 'trained alone'}" in card


def test_the_command_says_what_is_used_and_what_the_teacher_raised_and_lowered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort, _, trained = write_all(tmp_path, "rna")
    folder = tmp_path / "students" / "cnv"
    assert main(["explain", "--student", str(folder), "--features", "2"]) == 0
    said, table = capsys.readouterr().out, read_features(folder)
    used, raised, lowered = re.split("Raised most by its teacher, rna:|Lowered most by its teacher:", said)
    table["growth"] = table[keys.WEIGHT_TAUGHT].abs() - table[keys.WEIGHT_ALONE].abs()
    assert table["growth"].is_unique
    assert "Most weight, of 7 features of cnv" in used and "the log-probability of the class" in used
    orders = (used, table), (raised, table.sort_values("growth")[::-1]), (lowered, table.sort_values("growth"))
    for part, rows in orders:
        *_, first, second = part.strip().splitlines()
        for line, row in zip((first, second), rows.head(2).itertuples(index=False), strict=True):
            numbers = [signed(each, 3) for each in (row.weight_taught, row.weight_alone, row.change)]
            assert line.split() == [row.feature, row[1], *numbers]
    # By class, of values in the order of the cohort's features.
    network, source = trained.networks[1], cohort.modalities["cnv"]
    weights, outputs = slopes(network, source.values, read_student(folder).sd), network.outputs(source.values)
    weights -= weights.mean(1, keepdims=True)
    weights /= (outputs - outputs.mean(1, keepdims=True)).std(0)
    found = table.pivot(index="feature", columns="class", values=keys.WEIGHT_TAUGHT)
    np.testing.assert_allclose(found.loc[source.features, list("ABC")], weights, atol=1e-4)
    # One that was trained alone has no change to speak of.
    assert main(["explain", "--student", str(tmp_path / "students" / "rna")]) == 0
    said = capsys.readouterr().out
    assert "weight_alone" in said and "change" not in said and "weight_taught" not in said


def test_students_that_learnt_nothing_are_said_to_weigh_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is known of classes that are none; a score that does not vary has no standard deviation to count in."""
    cohort = make_cohort(DOSE)
    made = make_one(cohort, network_without_weights())
    table = feature_table({keys.WEIGHT_TAUGHT: made, keys.WEIGHT_ALONE: made}, cohort.modalities["cnv"])
    assert (table[[keys.WEIGHT_TAUGHT, keys.WEIGHT_ALONE, "change"]] == 0).all(axis=None) and len(table) == 7
    write_student(tmp_path / "cnv", made)
    write_table(table, tmp_path / "cnv" / "features.tsv")
    assert main(["explain", "--student", str(tmp_path / "cnv")]) == 0
    said = capsys.readouterr().out
    assert said.count("cnv0") == 3 and "class" not in said and "the number, as the model learns it" in said
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pl.features(tmp_path / "cnv", ax=ax)


def network_without_weights() -> Network:
    made = make_network(1, 7, 1)
    return dataclasses.replace(made, weight=0 * made.weight, skip_weight=0 * made.skip_weight)
