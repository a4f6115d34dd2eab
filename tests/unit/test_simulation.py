"""Simulated cohorts: the information is what it is said to be, and the files are as real ones."""

from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from cch_omics.data.scale import told_scale
from cch_omics.data.simulate import draw, known_information, simulate, write_simulated
from cch_omics.data.simulate.cohorts import SIMULATED
from cch_omics.data.simulate.information import information_of, of_follow_up
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
    labels = mdata.obs.drop(columns="tissue_source_site").dropna()
    assert len(labels) / entry.n == pytest.approx(entry.labelled, abs=0.1)
    if entry.classes:
        assert set(labels[entry.target]) == set(entry.classes)
    elif entry.censored is None:
        assert labels[entry.target].std() == pytest.approx(1, abs=0.15)
    else:
        assert list(labels) == [f"{entry.target}_time", f"{entry.target}_event"]
        assert (labels["os_time"] > 0).all() and set(labels["os_event"]) == {0, 1}
        assert 1 - labels["os_event"].mean() == pytest.approx(entry.censored, abs=0.1)
    assert mdata.obs_names.str.fullmatch(r"TCGA-[A-Z0-9]{2}-\d{4}-01").all()
    assert mdata.obs_names.is_unique
    assert (mdata.obs_names.str.split("-").str[1] == mdata.obs["tissue_source_site"].astype(str)).all()


def test_a_seed_gives_one_cohort(tmp_path: Path) -> None:
    one, same, other = (simulate("misleading", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["rna"].X, same["rna"].X)
    assert one.obs.equals(same.obs)
    assert not np.array_equal(one["rna"].X[:200], other["rna"].X[:200])


@pytest.mark.parametrize("name", [name for name in SIMULATED if name != "survival"])
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


def follow_ups(censored: float, n: int) -> tuple[dict[str, np.ndarray], pd.DataFrame, pd.DataFrame]:
    """The statistics of n patients of `simulated:survival`, what became of them, and the known information."""
    entry = SIMULATED["survival"]
    everyone = {m: replace(channel, features=2, present=1.0) for m, channel in entry.modalities.items()}
    cohort = replace(entry, n=n, labelled=1.0, modalities=everyone, censored=censored)
    mdata = draw(cohort, np.random.default_rng(5))
    known = information_of(cohort).drop_duplicates("student").set_index("student")
    return {m: mdata[m].obsm["sufficient"] for m in everyone}, mdata.obs, known


def test_the_known_information_of_an_event_is_what_estimators_find() -> None:
    z, obs, known = follow_ups(0.0, 1500)
    assert (obs["os_event"] == 1).all()
    for modality, each in z.items():
        found = mutual_information(each, np.log(obs[["os_time"]].to_numpy()), subsamples=10)
        assert found.value == pytest.approx(known.student_label[modality], abs=4 * found.se + 0.03)


@pytest.mark.parametrize("censored", [0.2, 0.5, 0.8])
def test_the_known_information_of_a_follow_up_is_that_of_a_table_of_many(censored: float) -> None:
    """Of the table of the statistic's first dimension by time and event, 24 quantiles of each: a little is lost."""
    n, bins = 100_000, 24
    z, obs, known = follow_ups(censored, n)
    assert 1 - obs["os_event"].mean() == pytest.approx(censored, abs=0.005)
    time = pd.qcut(obs["os_time"], bins, labels=False) + bins * obs["os_event"]
    for modality, each in z.items():
        joint = pd.crosstab(pd.qcut(each[:, 0], bins, labels=False), time.to_numpy()).to_numpy() / n
        independent = joint.sum(1)[:, None] * joint.sum(0)
        filled = joint > 0
        found = (joint[filled] * np.log(joint[filled] / independent[filled])).sum()
        by_chance = (joint.shape[0] - 1) * (joint.shape[1] - 1) / (2 * n)
        assert found - by_chance == pytest.approx(known.student_label[modality], rel=0.05, abs=0.003)


def test_censoring_takes_information_and_nothing_known_leaves_none() -> None:
    of_event, *others = (of_follow_up(0.8, censored) for censored in (0.0, 0.2, 0.5, 0.8))
    assert of_event > others[0] > others[1] > others[2] > 0
    assert of_follow_up(0.0, 0.5) == pytest.approx(0, abs=1e-9)
    # Nothing can tell more of the event's time than the hazard itself does.
    assert of_follow_up(1.0, 0.0) > of_event


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
    for name in ("number", "survival"):
        of_pair = known_information(name).set_index(["teacher", "student"]).loc[("rna", "cnv")]
        assert of_pair.gap > 0.5
        assert of_pair.teacher_label > of_pair.student_label + (0.3 if name == "number" else 0.1)


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


def test_assays_measure_the_same_features_at_two_places_and_another_batch_shifts_them() -> None:
    here, there = simulate("assays"), simulate("assays-elsewhere")
    assert told_scale(here["rna"].X) == "counts" and told_scale(here["methylation"].X) == "fractions"
    assert not set(here.obs_names) & set(there.obs_names)
    for modality in here.mod:
        one, other, again = (np.log1p(each[modality].X) for each in (here, there, simulate("assays", seed=1)))
        means, spread = (each.mean(0) for each in (one, other, again)), one.std(0)
        first, elsewhere, of_other_patients = means
        assert np.corrcoef(first, of_other_patients)[0, 1] > 0.95 and np.corrcoef(first, elsewhere)[0, 1] > 0.6
        # Of two samples of the same batch they differ by a standard error of some 0.08 spreads.
        by_chance, by_batch = (np.median(np.abs(first - each) / spread) for each in (of_other_patients, elsewhere))
        assert by_chance < 0.1 and by_batch > 3 * by_chance
