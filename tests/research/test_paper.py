"""The paper's experiments: exact gaps are those of the data, nothing of a test sample enters, and orders are found."""

import dataclasses
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import ndtr
from torch.nn import functional

from research.paper import __main__ as command
from research.paper import convolution, images, page, sound, synthetic
from research.paper.analysis import agreement, crossing, with_gains
from research.paper.experiment import Architecture, Draw, Setting, experiment
from research.paper.gaussian import World, label_information
from research.theory.model import gaussian_information

DATA = Path(__file__).parents[3] / "shared" / "data"
WORLD = World({"student": {"signal": 0.8, "own": 0.8}, "a": {"signal": 1.0, "beyond": 0.7}, "b": {"signal": 0.5}})
QUICK = Setting(weights=(0.75,), epochs=30)


def correlation_information(first: np.ndarray, second: np.ndarray) -> float:
    return float(-0.5 * np.log1p(-(np.corrcoef(first, second)[0, 1] ** 2)))


def as_images(draw: Draw) -> Draw:
    """With images of 9 x 9 pixels that are combinations of the features."""
    random = np.random.default_rng(0)
    modalities = {
        name: dataclasses.replace(
            each, values=(each.values @ random.normal(size=(each.values.shape[1], 81))).astype(np.float32)
        )
        for name, each in draw.cohort.modalities.items()
    }
    return dataclasses.replace(draw, cohort=dataclasses.replace(draw.cohort, modalities=modalities))


@pytest.mark.parametrize("teacher", ["a", "a+b"])
def test_exact_gaps_are_those_of_the_data(teacher: str) -> None:
    cohort = WORLD.draw("regression", 60, 60_000, seed=0).cohort
    x = cohort.modalities["student"].values
    t = np.concatenate([cohort.modalities[name].values for name in teacher.split("+")], 1)
    y = cohort.target.values
    covariance = np.cov(np.column_stack([t, x, y]), rowvar=False)
    of_t, of_x = list(range(t.shape[1])), list(range(t.shape[1], len(covariance) - 1))
    outputs = [of @ np.linalg.lstsq(of, y, rcond=None)[0] for of in (t, x)]
    student_label = correlation_information(outputs[1], y)
    exact = WORLD.exact(teacher, "regression")
    assert exact["exact_gap"] == pytest.approx(gaussian_information(covariance, of_t, of_x) - student_label, abs=0.01)
    assert exact["exact_gap_output"] == pytest.approx(correlation_information(*outputs) - student_label, abs=0.01)
    assert exact["exact_advantage"] == pytest.approx(correlation_information(outputs[0], y) - student_label, abs=0.01)


def test_information_with_a_class_is_that_of_the_best_probabilities() -> None:
    random = np.random.default_rng(0)
    share, n = 0.4, 400_000
    score = np.sqrt(share) * random.standard_normal(n)
    y = score + np.sqrt(1 - share) * random.standard_normal(n) > 0
    p = ndtr(score / np.sqrt(1 - share))
    gained = np.log(2) + np.log(np.where(y, p, 1 - p))
    assert label_information(share, "classes") == pytest.approx(gained.mean(), abs=0.004)
    assert label_information(share, "classes") < label_information(share, "regression")


def test_sweeps_cross_zero() -> None:
    for world, teachers in synthetic.WORLDS.values():
        for task in synthetic.TASKS:
            for gap in ("exact_gap", "exact_gap_output"):
                swept = [world.exact(name, task)[gap] for name in teachers if name.startswith(("signal", "part"))]
                assert swept == sorted(swept) and swept[0] < 0 < swept[-1]


def test_nothing_of_a_test_sample_enters_a_gap_or_a_student() -> None:
    draw = WORLD.draw("classes", 60, 40, seed=0)
    target, test = draw.cohort.target, draw.test
    assert test.sum() == 40 and not (test & draw.splits.labelled[0]).any()
    flipped = dataclasses.replace(target, values=np.where(test, 1 - target.values, target.values))
    other = Draw(dataclasses.replace(draw.cohort, target=flipped), draw.splits, draw.seed)
    pairs = [("a", "student"), ("a+b", "student"), ("student", "b")]
    first, second = (experiment([each], pairs, QUICK) for each in (draw, other))
    told = [name for name in map(str, first) if name.startswith(("mi_", "gap_"))]
    pd.testing.assert_frame_equal(first[told], second[told])
    np.testing.assert_allclose(first["taught"] + second["taught"], 1)
    assert len(first) == len(pairs)


@pytest.mark.parametrize("model", ["network", "linear", "convolutional"])
def test_a_draw_is_the_same_alone_and_beside_others(model: str) -> None:
    draws = [WORLD.draw("regression", 60, 30, seed=seed) for seed in range(2)]
    if model == "convolutional":
        draws = [as_images(draw) for draw in draws]
    setting = dataclasses.replace(QUICK, student=Architecture(model), teacher=Architecture(model))  # type: ignore[arg-type]
    both = experiment(draws, [("a", "student")], setting)
    (alone,) = experiment(draws[1:], [("a", "student")], setting).to_dict("records")
    beside = both[both["draw"] == 1].to_dict("records")[0]
    for name in ("gap_ksg", "alone", "taught", "self", "shuffled"):
        assert alone[name] == pytest.approx(beside[name], abs=1e-3), name


def test_convolutional_networks_are_those_of_torch() -> None:
    random = torch.Generator().manual_seed(0)
    networks = convolution.initialise([1, 2], 2, 14 * 14, 3, np.zeros((2, 4), np.float32), shared=False)
    for parameter in networks.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random)
    pixels = torch.randn(2, 5, 14 * 14, generator=random)
    found = networks.represent(pixels)
    for g, m in product(range(2), range(2)):
        filters = networks.filters[g, m].view(-1, 1, convolution.KERNEL, convolution.KERNEL)
        maps = functional.conv2d(
            pixels[g].view(-1, 1, 14, 14), filters, networks.filters_bias[g, m, :, 0], stride=convolution.STRIDE
        )
        hidden = torch.tanh(functional.linear(maps.relu().flatten(1), networks.weight[g, m], networks.bias[g, m, :, 0]))
        torch.testing.assert_close(found[g, m].T, hidden, atol=1e-4, rtol=1e-4)
    assert maps.shape == (5, convolution.FILTERS, 5, 5)


def test_pairs_within_a_class_share_the_class_alone() -> None:
    random = np.random.default_rng(0)
    classes, others = random.integers(0, 3, 30).astype(float), random.integers(0, 3, 90).astype(float)
    found = sound.paired_within(classes, others, random)
    assert (others[found] == classes).all() and len(set(found)) == len(found)
    again = sound.paired_within(classes, others, random)
    assert (found != again).any()


def test_views_of_an_image() -> None:
    digits = np.zeros((2, images.SIDE, images.SIDE))
    digits[:, 8:20, 12:16] = 1
    swept = [f"{name}{i}" for name, strengths in images.SWEEPS.items() for i in range(len(strengths))]
    names = ["clean", "top", "bottom", "right", *swept]
    views = images.views_of(digits, names, np.random.default_rng(0))
    clean = views["clean"].reshape(2, 14, 14)
    np.testing.assert_array_equal(np.hstack([views["top"], views["bottom"]]), views["clean"])
    np.testing.assert_array_equal(views["right"].reshape(2, 14, 7), clean[:, :, 7:])
    patches = images.textures(2, np.random.default_rng(0))
    strongest = views[f"texture{len(images.SWEEPS['texture']) - 1}"]
    np.testing.assert_allclose(strongest, images.pooled(np.abs(patches - digits)))
    spread = [views[f"blur{i}"].std() for i in range(len(images.SWEEPS["blur"]))]
    assert spread == sorted(spread, reverse=True)


def test_where_a_gain_changes_its_sign() -> None:
    gaps = np.array([0.3, -0.1, 0.1])
    assert crossing(gaps, np.array([2.0, -1.0, 1.0])) == pytest.approx(0.0)
    assert np.isnan(crossing(gaps, np.array([3.0, 1.0, 2.0]))) and np.isnan(crossing(gaps, np.array([-1.0, 1.0, 1.0])))
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        [
            {"draw": d, "teacher": f"t{x}", "student": "s", "gap_ksg": x + e, "gain": x - 1 + e}
            for d in range(20)
            for x, e in ((x, random.normal(scale=0.1)) for x in (-1, 0, 2, 3))
        ]
    )
    found = agreement(rows)
    assert found.spearman == 1 and found.ordered and not found.crosses_at_zero
    assert found.crossing == pytest.approx(1, abs=0.1) and 0 < found.error < 0.1
    assert agreement(rows.assign(gain=rows["gain"] + 1)).crosses_at_zero
    assert "no crossing" in str(agreement(rows.assign(gain=rows["gain"] + 9)))


def test_the_page_keeps_what_was_not_measured_again() -> None:
    rows = [
        {"draw": d, "question": "size", "value": "90", "n_train": 90, "teacher": "signal0", "student": "s"}
        for d in (0, 1)
    ]
    values = {"gap_ksg": 0.1, "gap_output": 0.1, "exact_gap": -1.0, "exact_gap_output": 1.0, "gain": 1.0}
    part = page.PARTS["questions"]
    frame = pd.DataFrame(rows).assign(**values)
    written = page.Written("questions", part.claims(frame), part.tables(frame), part.draw(frame))
    old = "| part | claim |\n|---|---|\n| sound | kept | yes |\n| questions | gone | no |"
    new = page.claims_of(old, [written])
    assert "| sound | kept | yes |" in new and "gone" not in new and "n = 90: 1.00" in new
    text = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb"
    assert page.between(text, "x", str.upper) == "a\n<!-- begin x -->\nOLD\n\n<!-- end x -->\nb"
    with pytest.raises(ValueError, match="begin y"):
        page.between(text, "y", str.upper)


@pytest.mark.slow
def test_the_small_run_finds_the_order_of_exact_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["synthetic", "questions"] + ["images", "sound"] * DATA.exists()
    arguments = ["--data", str(DATA), "--output", str(tmp_path), "--parts", ",".join(parts), "--quick"]
    command.main(arguments)
    printed = capsys.readouterr().out
    kept = json.loads((tmp_path / "quick" / "synthetic" / "single-network-regression.json").read_text(encoding="utf-8"))
    rows = with_gains(pd.DataFrame(kept["rows"])).query("weight == 0.75")
    means = rows.groupby("teacher")[["exact_gap", "gap_ksg", "gain"]].mean()
    assert (means.rank() == means.rank()[["exact_gap"]].to_numpy()).all(axis=None)
    for part in parts:
        assert f"## {part}" in printed and (tmp_path / "quick" / f"paper-{part}.png").stat().st_size > 1000
    # What is there is not measured again.
    command.main(arguments)
    assert capsys.readouterr().out == printed[printed.index("## ") :]
