"""The scale of a modality is told from its values, and what is no logarithm, score or call is said."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cch_omics.cohort import Modality
from cch_omics.data import scale as scale_module
from cch_omics.data.scale import SCALES, scale_of, scale_warning

Values = NDArray[np.float64]


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def logs(n: int = 60, p: int = 80, seed: int = 0) -> Values:
    """Expression in log2: genes of different means, a tenth of the values zero."""
    random = draw(seed)
    values = np.maximum(random.normal(random.uniform(1, 13, p), 1.5, (n, p)), 0)
    values[random.random((n, p)) < 0.1] = 0
    return values


def told(values: Values) -> dict[str, object]:
    n, p = values.shape
    modality = Modality(values.astype(np.float32), np.array([f"g{j}" for j in range(p)]), np.arange(n))
    return scale_of(modality, np.array([f"s{i}" for i in range(n)]))


def changed(values: Values, rows: object, columns: object, change: Callable[[Values], Values]) -> Values:
    values = values.copy()
    at = np.ix_(np.arange(values.shape[0])[rows], np.arange(values.shape[1])[columns])
    values[at] = change(values[at])
    return values


ALL = slice(None)
# Values as they should be, and their scale.
FIT: dict[str, tuple[Values, str]] = {
    "logarithms": (logs(), "continuous"),
    "a panel of six in logarithms": (logs(40, 6), "continuous"),
    "z-scores": (draw().normal(size=(50, 30)), "continuous"),
    "M-values": (np.log2(1 / draw().beta(0.5, 0.5, (50, 30)).clip(0.02, 0.98) - 1), "continuous"),
    "beta values": (draw().beta(0.5, 0.5, (50, 30)), "fractions"),
    "percentages": (100 * draw().beta(0.5, 0.5, (50, 30)).round(2), "integers"),
    "percentages with decimals": (100 * draw().beta(0.5, 2, (50, 30)), "continuous"),
    "calls of copy number": (draw().integers(-2, 3, (50, 30)), "integers"),
    "mutations": (1.0 * (draw().random((50, 30)) < 0.05), "integers"),
    "copy numbers of flat and of broken genomes": (
        1 + draw().normal(size=(60, 300)) * np.geomspace(0.02, 0.5, 60)[:, None], "continuous",
    ),
    "pixels": (np.minimum(draw().exponential(150, (50, 60)).round(), 255), "integers"),
    "log-power, all negative": (-8 + draw().normal(size=(50, 30)), "continuous"),
    "one constant": (np.full((20, 3), 7.5), "continuous"),
}  # fmt: skip
# Values that have to be mended first, their scale, and what differs.
UNFIT: dict[str, tuple[Values, str, str]] = {
    "counts": (draw().negative_binomial(2, 0.004, (60, 80)), "counts", ""),
    "counts around one number": (draw().poisson(100, (40, 6)), "counts", ""),
    "counts of few reads": (draw().negative_binomial(0.2, 0.005, (60, 80)), "counts", ""),
    "TPM": (np.exp2(logs()) - 1, "unlogged", ""),
    "intensities": (np.exp(draw().normal(7, 0.6, (50, 30))), "unlogged", ""),
    "intensities without their background": (np.exp2(logs()) - 20, "unlogged", ""),
    "half of the samples not in logarithms": (changed(logs(), slice(0, None, 2), ALL, np.exp2), "unlogged", "samples"),
    "a tenth of the samples not in logarithms": (changed(logs(), slice(0, 6), ALL, np.exp2), "unlogged", "samples"),
    "one sample not in logarithms": (changed(logs(), slice(7, 8), ALL, np.exp2), "unlogged", "samples"),
    "a batch of z-scores": (
        changed(logs(), slice(0, 30), ALL, lambda x: (x - x.mean(0)) / x.std(0)), "continuous", "samples",
    ),
    "a batch with another zero": (
        changed(8 + draw().normal(size=(60, 80)), slice(0, 25), ALL, lambda x: x - 8), "continuous", "samples",
    ),
    "a batch in log10": (changed(logs(), slice(0, 20), ALL, lambda x: x * np.log10(2)), "continuous", "samples"),
    "a batch in another unit": (
        changed(np.exp2(logs()), slice(0, 30), ALL, lambda x: 1000 * x), "unlogged", "samples",
    ),
    "beta and M-values": (
        changed(draw().beta(0.5, 0.5, (60, 200)).clip(0.02, 0.98), slice(0, 25), ALL, lambda x: np.log2(x / (1 - x))),
        "continuous", "samples",
    ),
    "a batch in percent": (
        changed(draw().beta(0.5, 0.5, (60, 80)), slice(0, 20), ALL, lambda x: 100 * x), "continuous", "samples",
    ),
    "laboratory values in mg beside logarithms": (
        changed(logs(), ALL, slice(0, 5), lambda x: draw().normal(400, 60, x.shape)), "continuous", "features",
    ),
    "half of the features in mg": (
        changed(draw().normal(size=(60, 80)), ALL, slice(0, 40), lambda x: 2000 * np.exp(x)), "unlogged",
        "features",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIT)
def test_nothing_is_said_of_values_that_are_fit(name: str) -> None:
    values, expected = FIT[name]
    found = told(values)
    assert (found["name"], found["several"]) == (expected, None)
    assert (found["min"], found["max"]) == pytest.approx((values.min(), values.max()))
    assert scale_warning(found) == ""


@pytest.mark.parametrize("name", UNFIT)
def test_values_that_have_to_be_mended_are_said(name: str) -> None:
    values, expected, of = UNFIT[name]
    found = told(values)
    several = found["several"] or {"of": ""}
    assert (found["name"], several["of"]) == (expected, of)
    warning = scale_warning(found)
    assert warning.endswith(".")
    assert any(advice in warning for advice in ("log2(x + 1)", "one scale", "a modality of their own"))


@pytest.mark.parametrize("seed", range(20))
def test_small_tables_of_one_scale_do_not_look_like_several_by_chance(seed: int) -> None:
    for n, p in ((12, 4), (12, 40), (40, 6), (100, 4)):
        assert told(logs(n, p, seed))["several"] is None
        assert told(draw(seed).normal(size=(n, p)))["several"] is None
        assert told(draw(seed).beta(0.5, 0.5, (n, p)))["several"] is None


def test_both_groups_are_counted_and_shown_by_example() -> None:
    several = told(changed(logs(), slice(0, 6), ALL, np.exp2))["several"]
    assert (several["larger"], several["smaller"], several["examples"]) == (6, 54, ["s0", "s6"])
    (_, high), (_, low) = several["ranges"]
    assert high > 1000 > 20 > low
    several = told(changed(logs(), ALL, slice(70, 75), lambda x: x + 5000))["several"]
    assert (several["of"], several["larger"], several["smaller"], several["examples"]) == (
        "features",
        5,
        75,
        ["g70", "g0"],
    )


def test_missing_values_do_not_count() -> None:
    for values, name in (
        (draw().poisson(300, (60, 80)), "counts"),
        (logs(), "continuous"),
        (np.exp2(logs()), "unlogged"),
    ):
        gaps = values.astype(float)
        gaps[draw().random(gaps.shape) < 0.4] = np.nan
        gaps[3, :70] = np.nan
        found = told(gaps)
        assert (found["name"], found["several"]) == (name, None)


def test_all_features_are_looked_at_not_only_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_module, "_CHUNK", 16)
    monkeypatch.setattr(scale_module, "_ENOUGH", 20)
    counts = draw().poisson(300, (60, 81)).astype(float)
    assert told(counts)["name"] == "counts"
    counts[5, 79] += 0.5
    assert told(counts)["name"] != "counts"
    found = told(changed(logs(60, 81), ALL, slice(78, 80), lambda x: x + 4000))
    assert found["several"]["of"] == "features"
    assert found["max"] > 4000


def test_every_scale_has_an_example_here() -> None:
    assert {name for _, name in FIT.values()} | {name for _, name, _ in UNFIT.values()} == set(SCALES)
