"""Simulated cohorts: the information is what it is said to be, and the files are as real ones."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from cch_omics.errors import InputError
from cch_omics.information import mutual_information
from cch_omics.simulation import SIMULATED, TARGET, known_information, simulate, write_simulated


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
    assert mdata.obs[TARGET].notna().mean() == pytest.approx(entry.labelled, abs=0.1)
    assert set(mdata.obs[TARGET].dropna()) == set(entry.classes)
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
    labels = mdata.obs[TARGET].array
    for row in known_information(name).to_dict("records"):
        z = {role: mdata[row[role]].obsm["sufficient"] for role in ("teacher", "student")}
        found = {
            "teacher_student": mutual_information(z["teacher"], z["student"], subsamples=10),
            "student_label": mutual_information(z["student"], labels, subsamples=10),
        }
        for quantity, estimate in found.items():
            # In two dimensions and with 1500 samples the estimators have next to no bias.
            assert estimate.value == pytest.approx(row[quantity], abs=4 * estimate.se + 0.03), (row, quantity)


def test_the_statistic_is_sufficient() -> None:
    # What is left of the features after regressing on z says nothing of the class: noise across the axes only.
    mdata = simulate("complementary")
    adata = mdata["rna"]
    z = np.c_[np.ones(adata.n_obs), adata.obsm["sufficient"]]
    residual = adata.X - z @ np.linalg.lstsq(z, adata.X, rcond=None)[0]
    label = mdata.obs.loc[adata.obs_names, TARGET]
    labelled = label.notna().to_numpy()
    leading = np.linalg.svd(residual[labelled], full_matrices=False)[0][:, :2]
    assert abs(mutual_information(leading, label[labelled].array).value) < 0.1


def test_what_the_cohorts_are_for() -> None:
    complementary = known_information("complementary").set_index(["teacher", "student"]).loc[("rna", "cnv")]
    assert complementary.gap > 0.5
    assert complementary.advantage > 0.5
    misleading = known_information("misleading").set_index(["teacher", "student"]).loc[("mutation", "rna")]
    assert misleading.teacher_label == pytest.approx(0, abs=1e-9)
    assert misleading.gap < -0.5
    unrelated = known_information("unrelated")
    assert (unrelated.gap > 0.5).all()
    np.testing.assert_allclose(unrelated.advantage, 0, atol=1e-9)


def test_known_information_obeys_its_identities() -> None:
    table = known_information("complementary")
    np.testing.assert_allclose(table.gap, table.teacher_student - table.student_label)
    np.testing.assert_allclose(table.advantage, table.teacher_label - table.student_label)
    swapped = table.set_index(["student", "teacher"]).loc[list(zip(table.teacher, table.student, strict=True))]
    # A different order of the same sums.
    np.testing.assert_allclose(table.teacher_student, swapped.teacher_student, atol=1e-9)


def test_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_simulated("complementary", tmp_path / "deep" / "cohort.h5mu")
    with mudata.set_options(pull_on_update=False):
        found = mudata.read(tmp_path / "deep" / "cohort.h5mu")
    expected = simulate("complementary")
    np.testing.assert_array_equal(found["rppa"].X, expected["rppa"].X)
    assert list(found.obs[TARGET].astype(str)) == list(expected.obs[TARGET].astype(str))
    pd.testing.assert_frame_equal(
        found.uns["known_information"], expected.uns["known_information"], check_index_type=False
    )


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(InputError, match="found 'nothing'; expected one of complementary, misleading"):
        simulate("nothing")
    with pytest.raises(InputError, match="found 'nothing'"):
        known_information("nothing")


def test_the_table_is_read_without_heavy_packages() -> None:
    code = "import sys, cch_omics.simulation; print([m for m in ('torch', 'anndata', 'mudata') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
