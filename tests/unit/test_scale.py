"""The scale of a modality is told from its values, and what is no logarithm, score or call is said."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cch_omics.data import scale as scale_module
from cch_omics.data.scale import on_working_scale, scale_warning
from cch_omics.data.source import Matrix
from cch_omics.data.working_scale import SCALES
from cch_omics.errors import InputError

Values = NDArray[np.float64]


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def logs(n: int = 60, p: int = 80, seed: int = 0) -> Values:
    """Expression in log2: genes of different means, a tenth of the values zero."""
    random = draw(seed)
    values = np.maximum(random.normal(random.uniform(1, 13, p), 1.5, (n, p)), 0)
    values[random.random((n, p)) < 0.1] = 0
    return values


def table(values: Values) -> Matrix:
    n, p = values.shape
    names = (np.array([f"{letter}{k}" for k in range(size)]) for letter, size in (("s", n), ("g", p)))
    return Matrix(*names, values.astype(np.float32), "rna.csv")


def told(values: Values) -> dict[str, Any]:
    return on_working_scale(table(values), "rna", "")[1]


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
    assert scale_warning("rna", found) == found["made"] == ""


@pytest.mark.parametrize("name", UNFIT)
def test_values_that_have_to_be_mended_are_said(name: str) -> None:
    values, expected, of = UNFIT[name]
    found = told(values)
    several = found["several"] or {"of": ""}
    assert (found["name"], several["of"]) == (expected, of)
    warning = scale_warning("rna", found)
    assert warning.endswith(".")
    advised = ("log2(x + 1)", "one scale", "a modality of their own", "`continuous` for rna leaves values as they are")
    assert any(advice in warning for advice in advised)


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
        gaps[3, :70] = gaps[:, 5] = np.nan
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


def test_every_scale_that_can_be_told_has_an_example_here() -> None:
    told = {name for _, name in FIT.values()} | {name for _, name, _ in UNFIT.values()}
    assert told == set(SCALES) - {"beta"}


COUNTS = draw().negative_binomial(2, 0.004, (60, 80)) * np.geomspace(1, 9, 60).round()[:, None]


def test_counts_become_logarithms_of_counts_per_million_of_their_own_sample() -> None:
    counts = COUNTS.copy()
    counts[4, 7] = np.nan
    counts[9] = 0
    matrix, scale = on_working_scale(table(counts), "rna", "")
    sizes = np.nansum(counts, axis=1)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(matrix.values, np.log1p(1e6 * counts / sizes[:, None]), rtol=1e-5)
    assert np.isnan(matrix.values[4, 7]) and np.isnan(matrix.values[9]).all()
    assert scale["library_sizes"] == [0, np.median(sizes), sizes.max()]
    assert scale["made"] == "log(1 + 1,000,000 x / sum of the sample)"
    said = scale_warning("rna", scale)
    assert (
        f"in samples of 0 to {sizes.max():,.0f} (median {np.median(sizes):,.0f}) in all, look like raw counts" in said
    )
    # A sample does not depend on others, so that no fold is crossed and new tables may have any number of samples.
    alone, _ = on_working_scale(table(counts[20:21]), "rna", "counts")
    np.testing.assert_array_equal(alone.values, matrix.values[20:21])


def test_unlogged_and_beta_values_are_transformed_value_by_value() -> None:
    matrix, scale = on_working_scale(table(np.exp2(logs()) - 1), "rna", "")
    np.testing.assert_allclose(matrix.values, logs() * np.log(2), atol=1e-5)
    assert scale["made"] == "log(1 + x)"
    beta = np.array([[0, 0.2, 0.5, 1, np.nan]])
    matrix, scale = on_working_scale(table(beta), "methylation", "beta")
    expected = [np.log2(0.01 / 1.01), np.log2(0.21 / 0.81), 0, np.log2(1.01 / 0.01), np.nan]
    np.testing.assert_allclose(matrix.values[0], expected, rtol=1e-5, atol=1e-6)
    assert scale["made"] == "M-values, log2((x + 0.01) / (1 - x + 0.01))"


@pytest.mark.parametrize("name", ["fractions", "integers", "continuous"])
def test_other_scales_are_used_as_they_are(name: str) -> None:
    values = {"fractions": draw().random((9, 60)), "integers": COUNTS - 5.0, "continuous": COUNTS}[name]
    given = table(values)
    matrix, scale = on_working_scale(given, "rna", name)
    assert matrix is given and scale["made"] == scale_warning("rna", scale) == ""
    assert (scale["name"], scale["asked"]) == (name, True)


@pytest.mark.parametrize(
    "values",
    [COUNTS[:, :6], np.exp2(logs()) - 20, changed(logs(), slice(0, None, 2), ALL, np.exp2)],
    ids=["counts of six features", "intensities without their background", "half of the samples not in logarithms"],
)
def test_a_guess_that_may_be_wrong_is_not_acted_on(values: Values) -> None:
    given = table(values)
    matrix, scale = on_working_scale(given, "rna", "")
    assert matrix is given and scale["made"] == ""
    assert scale_warning("rna", scale)


def test_calls_with_few_large_ones_are_no_counts() -> None:
    copies = draw().poisson(2, (60, 80)).astype(float)
    copies[3, 5] = 130
    assert told(copies)["name"] == "integers"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("counts", -3, "whole numbers from 0: raw counts"),
        ("counts", 2.5, "whole numbers from 0: raw counts"),
        ("unlogged", -0.5, "numbers from 0: intensities"),
        ("beta", 1.25, "numbers from 0 to 1: beta values"),
        ("beta", -0.25, "numbers from 0 to 1: beta values"),
        ("fractions", 1.25, "numbers from 0 to 1: beta values and other fractions"),
        ("integers", 0.5, "whole numbers: calls"),
    ],
)
def test_values_that_are_not_of_the_scale_asked_for_are_refused(name: str, value: float, expected: str) -> None:
    values = draw().integers(0, 2, (9, 60)).astype(float)
    values[4, 2] = values[5, 1] = value
    with pytest.raises(InputError) as refused:
        on_working_scale(table(values), "rna", name)
    assert f"rna.csv, column 'g2', row 's4': found {value:g} (2 such) in a table of {name}" in str(refused.value)
    assert f"expected {expected}" in str(refused.value) and "`continuous` for rna leaves" in str(refused.value)
