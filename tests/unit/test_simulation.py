"""Simulated cohorts: the information is what it is said to be, and the files are as real ones."""

from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from cch_omics.data.simulate import SIMULATED, known_information, simulate, write_simulated
from cch_omics.errors import InputError
from research.information.single import mutual_information


@pytest.mark.parametrize("name", SIMULATED)
def test_a_cohort_is_what_the_table_says(name: str) -> None:
    entry, mdata = SIMULATED[name], simulate(name)
    assert mdata.n_obs == entry.n
    assert set(mdata.mod) == set(entry.modalities)
    for modality, channel in entry.modalities.items():
        adata = mdata.mod[modality]
        assert adata.n_vars == channel.features
        assert 0.8 * entry.n < adata.n_obs < entry.n
        assert np.isnan(adata.X).mean() == pytest.approx(channel.missing, abs=0.005)
    assert mdata.obs[entry.target].notna().mean() == pytest.approx(entry.labelled, abs=0.1)
    if entry.classes:
        assert set(mdata.obs[entry.target].dropna()) == set(entry.classes)
    else:
        assert mdata.obs[entry.target].std() == pytest.approx(1, abs=0.15)
    assert mdata.obs_names.str.fullmatch(r"TCGA-[A-Z0-9]{2}-\d{4}-01").all()
    assert mdata.obs_names.is_unique
    assert (mdata.obs_names.str.split("-").str[1] == mdata.obs["tissue_source_site"].astype(str)).all()


def test_a_seed_gives_one_cohort(tmp_path: Path) -> None:
    one, same, other = (simulate("misleading", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["rna"].X, same["rna"].X)
    assert one.obs.equals(same.obs)
    assert not np.array_equal(one["rna"].X[:200], other["rna"].X[:200])


@pytest.mark.parametrize("name", SIMULATED)
def test_the_known_information_is_what_estimators_find_in_many_samples(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = SIMULATED[name]
    everyone = {modality: replace(channel, present=1.0) for modality, channel in entry.modalities.items()}
    monkeypatch.setitem(SIMULATED, name, replace(entry, n=1500, labelled=1.0, modalities=everyone))
    mdata = simulate(name)
    labels = mdata.obs[entry.target].array if entry.classes else mdata.obs[entry.target].to_numpy()[:, None]
    for row in known_information(name).to_dict("records"):
        z = {role: mdata[row[role]].obsm["sufficient"] for role in ("teacher", "student")}
        found = {
            "teacher_student": mutual_information(z["teacher"], z["student"], subsamples=10),
            "student_label": mutual_information(z["student"], labels, subsamples=10),
        }
        for quantity, estimate in found.items():
            # In two dimensions and with 1500 samples the estimators have next to no bias.
            assert estimate.value == pytest.approx(row[quantity], abs=4 * estimate.se + 0.03), (row, quantity)


def test_the_known_information_of_a_number_is_that_of_the_textbook() -> None:
    """Of joint normal variables it is -1/2 log(1 - R2); independent dimensions add up."""
    channels = SIMULATED["number"].modalities
    table = known_information("number").set_index(["teacher", "student"])
    for row in table.reset_index().to_dict("records"):
        for role in ("teacher", "student"):
            channel = channels[row[role]]
            signal, rest = channel.label**2, channel.shared**2 + channel.noise**2
            assert row[f"{role}_label"] == pytest.approx(0.5 * np.log(1 + signal / rest), rel=1e-12)
        one, two = channels[row["teacher"]], channels[row["student"]]
        # The first dimensions of z share y and v, the second ones v only; the two dimensions are independent.
        information = 0.0
        for weight in (1, 0):
            covariance = weight * one.label * two.label + one.shared * two.shared
            variances = [weight * each.label**2 + each.shared**2 + each.noise**2 for each in (one, two)]
            information -= 0.5 * np.log(1 - covariance**2 / np.prod(variances))
        assert row["teacher_student"] == pytest.approx(information, rel=1e-12)


def test_the_numbers_are_drawn_from_the_model_whose_information_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SIMULATED["number"]
    everyone = {modality: replace(channel, present=1.0) for modality, channel in entry.modalities.items()}
    monkeypatch.setitem(SIMULATED, "number", replace(entry, n=20_000, labelled=1.0, modalities=everyone))
    mdata = simulate("number")
    y = mdata.obs["score"].to_numpy()
    for row in known_information("number").to_dict("records"):
        one, two = (mdata[row[role]].obsm["sufficient"] for role in ("teacher", "student"))
        assert gaussian(one, two) == pytest.approx(row["teacher_student"], abs=0.03)
        assert gaussian(two, y[:, None]) == pytest.approx(row["student_label"], abs=0.03)


def gaussian(x: np.ndarray, y: np.ndarray) -> float:
    """Mutual information of joint normal variables, from sample covariances."""
    logs = [np.linalg.slogdet(np.atleast_2d(np.cov(part.T)))[1] for part in (x, y, np.hstack([x, y]))]
    return 0.5 * (logs[0] + logs[1] - logs[2])


def test_the_statistic_is_sufficient() -> None:
    # What is left of the features after regressing on z says nothing of the class: noise across the axes only.
    entry, mdata = SIMULATED["complementary"], simulate("complementary")
    adata = mdata["rna"]
    z = np.c_[np.ones(adata.n_obs), adata.obsm["sufficient"]]
    residual = adata.X - z @ np.linalg.lstsq(z, adata.X, rcond=None)[0]
    label = mdata.obs.loc[adata.obs_names, entry.target]
    labelled = label.notna().to_numpy()
    leading = np.linalg.svd(residual[labelled], full_matrices=False)[0][:, :2]
    assert abs(mutual_information(leading, label[labelled].array).value) < 0.1


def test_what_the_cohorts_are_for() -> None:
    complementary = known_information("complementary").set_index(["teacher", "student"]).loc[("rna", "cnv")]
    assert complementary.gap > 0.5
    assert complementary.teacher_label - complementary.student_label > 0.5
    misleading = known_information("misleading").set_index(["teacher", "student"]).loc[("mutation", "rna")]
    assert misleading.teacher_label == pytest.approx(0, abs=1e-9)
    assert misleading.gap < -0.5
    unrelated = known_information("unrelated")
    assert (unrelated.gap > 0.5).all()
    np.testing.assert_allclose(unrelated[["teacher_label", "student_label"]], 0, atol=1e-9)
    number = known_information("number").set_index(["teacher", "student"]).loc[("rna", "cnv")]
    assert number.gap > 0.5
    assert number.teacher_label - number.student_label > 0.3


def test_known_information_obeys_its_identities() -> None:
    table = known_information("complementary")
    np.testing.assert_allclose(table.gap, table.teacher_student - table.student_label)
    swapped = table.set_index(["student", "teacher"]).loc[list(zip(table.teacher, table.student, strict=True))]
    # A different order of the same sums.
    np.testing.assert_allclose(table.teacher_student, swapped.teacher_student, atol=1e-9)


def test_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_simulated("number", tmp_path / "deep" / "cohort.h5mu")
    with mudata.set_options(pull_on_update=False):
        found = mudata.read(tmp_path / "deep" / "cohort.h5mu")
    entry, expected = SIMULATED["number"], simulate("number")
    np.testing.assert_array_equal(found["rppa"].X, expected["rppa"].X)
    assert list(found.obs[entry.target].astype(str)) == list(expected.obs[entry.target].astype(str))
    pd.testing.assert_frame_equal(
        found.uns["known_information"], expected.uns["known_information"], check_index_type=False
    )


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(InputError, match="found 'nothing'; expected one of complementary, misleading"):
        simulate("nothing")
    with pytest.raises(InputError, match="found 'nothing'"):
        known_information("nothing")
