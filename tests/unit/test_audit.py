"""The audit's counts are right, and its checks see what they are for and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_files import make_tables, sheet_row, write_folder
from sklearn.metrics import roc_auc_score

from cch_omics.audit import Notes, TableNotes, audit, single_feature, site_prediction
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import SplitsConfig
from cch_omics.io import read_source, write_json
from cch_omics.io.assemble import assemble


def make_cohort(n=200, p=50, seed=0, **changes) -> tuple[Cohort, Notes]:
    """Two omics of noise, the second of half the samples, two classes, ten sites."""
    random = np.random.default_rng(seed)
    samples = np.array([f"P{number:03d}" for number in range(n)])

    def omics(rows):
        values = random.normal(size=(len(rows), p)).astype(np.float32)
        return Modality(values, np.array([f"g{j}" for j in range(p)]), rows)

    cohort = Cohort(
        name="noise",
        target="status",
        samples=samples,
        groups=samples,
        sites=np.array([f"{number % 10:02d}" for number in range(n)]),
        labels=random.integers(0, 2, n),
        classes=("no", "yes"),
        modalities={"rna": omics(np.arange(n)), "cnv": omics(np.arange(0, n, 2))},
    )
    tables = {name: TableNotes(f"{name}.csv", len(m.rows), len(m.rows), 0) for name, m in cohort.modalities.items()}
    return replace(cohort, **changes), Notes("folder", "sample", n, 0, tables, {})


def test_counts(tmp_path):
    tables = make_tables()
    tables.rna["GENE5"] = 1.0
    tables.clinical.loc["S99"] = ["basal", 50.0]
    write_folder(tmp_path / "a", tables)
    row = sheet_row(tmp_path / "a", classes="basal,luminal", label_budget=0.5, derived_from="rna")
    report = audit(*assemble(read_source(row), row))
    assert (report["samples"], report["patients"], report["labelled"]) == (40, 40, 37)
    assert report["classes"] == {"basal": 18, "luminal": 19}
    assert report["modalities"]["rna"] == {
        "samples": 40,
        "labelled": 37,
        "features": 6,
        "constant_features": 1,
        "missing_fraction": pytest.approx(1 / 240),
        "classes": {"basal": 18, "luminal": 19},
    }
    assert report["pairs"]["rna"]["cnv"] == report["pairs"]["cnv"]["rna"] == {"samples": 30, "labelled": 29}
    assert report["pairs"]["rna"]["rna"] == {"samples": 40, "labelled": 37}
    assert report["complete"] == {"samples": 30, "labelled": 29}
    assert report["join"]["clinical"] == {"ids": 40, "in_no_table": 1}
    assert report["join"]["tables"]["rna"]["not_in_clinical"] == 1
    assert (report["label_budget"], report["derived_from"]) == (0.5, "rna")
    assert report["leakage"]["rna"]["defines_target"]
    text = " ".join(report["warnings"])
    for part in (
        "3 of 40 samples have no label",
        "1 rows of the clinical table",
        "rna: 1 features are constant",
        "defined from",
    ):
        assert part in text
    write_json(report, tmp_path / "audit.json")


def test_who_was_where_and_who_fell_out(tmp_path):
    tables = make_tables()
    tables.clinical.loc["S99"] = ["basal", 50.0]
    tables.cnv = tables.cnv.astype(float)
    tables.cnv.iloc[0] = np.nan
    write_folder(tmp_path / "a", tables)
    join = audit(*assemble(read_source(row := sheet_row(tmp_path / "a")), row))["join"]
    assert join["samples"]["S11"] == "clinical, label, cnv, rna"
    assert join["samples"]["S10"] == "clinical, label, rna"
    assert join["samples"]["S05"] == "clinical, rna"
    assert join["samples"]["S39"] == "cnv, rna"
    assert len(join["samples"]) == 40
    assert join["left_out"] == {"clinical": {"S99": "in no table"}, "cnv": {"S10": "no value"}}
    assert join["patients_with_several_samples"] == 0


def test_one_patient_under_two_ids_is_seen_and_equal_rare_events_are_not():
    cohort, notes = make_cohort()
    values = cohort.modalities["rna"].values.copy()
    values[70] = values[3]
    zeros = np.zeros_like(cohort.modalities["cnv"].values)
    changed = {"rna": replace(cohort.modalities["rna"], values=values),
               "cnv": replace(cohort.modalities["cnv"], values=zeros)}  # fmt: skip
    report = audit(replace(cohort, modalities=changed), notes)
    assert report["duplicates"] == {"rna": [["P003", "P070"]], "cnv": []}
    assert any("P003 and P070" in warning for warning in report["warnings"])
    groups = cohort.groups.copy()
    groups[70] = groups[3]
    one_patient = audit(replace(cohort, modalities=changed, groups=groups), notes)
    assert one_patient["duplicates"]["rna"] == []
    assert one_patient["join"]["patients_with_several_samples"] == 1


def test_classes_that_are_too_small_for_the_folds_are_said():
    cohort, notes = make_cohort()
    labels = np.zeros(200, dtype=np.int64)
    labels[:24] = 1
    folds = SplitsConfig(folds=4, inner_folds=6)
    report = audit(replace(cohort, labels=labels), notes, folds)
    # cnv has every second sample: 12 of the class, of which three quarters are in a training set.
    assert report["folds"]["patients"]["cnv"] == {"no": 88, "yes": 12}
    assert report["folds"]["per_inner_fold"]["cnv"]["yes"] == 1.5
    said = [warning for warning in report["warnings"] if "inner fold" in warning]
    assert len(said) == 1
    assert said[0].startswith("cnv: ") and "'yes' (1.5)" in said[0]
    few = audit(replace(cohort, labels=labels, label_budget=0.2), notes, folds)
    assert few["folds"]["per_inner_fold"]["rna"]["yes"] == pytest.approx(0.6)


def test_keys_are_those_of_the_docstring():
    report = audit(*make_cohort())
    for key in report:
        assert f"`{key}`" in audit.__doc__


def test_pairs_that_never_meet_and_classes_that_are_absent_are_said():
    cohort, notes = make_cohort()
    rna, cnv = cohort.modalities.values()
    labels = np.where(np.arange(200) < 100, cohort.labels, 0)
    apart = {"rna": replace(rna, values=rna.values[:100], rows=np.arange(100)),
             "cnv": replace(cnv, rows=np.arange(100, 200))}  # fmt: skip
    text = " ".join(audit(replace(cohort, labels=labels, modalities=apart), notes)["warnings"])
    assert "No sample has both rna and cnv" in text
    assert "cnv: no sample of class 'yes'" in text


def test_odd_classes_and_dropped_values_are_said():
    cohort, notes = make_cohort(classes=("no", "Not Performed"))
    report = audit(cohort, replace(notes, values_treated_as_missing={"Equivocal": 3}))
    text = " ".join(report["warnings"])
    assert "look like missing values: 'Not Performed'" in text
    assert "treated as missing: 'Equivocal' (3)" in text


def test_a_leaking_feature_is_named_in_either_direction():
    cohort, notes = make_cohort()
    values = cohort.modalities["rna"].values.copy()
    values[:, 17] = -3 * cohort.labels + 0.3 * values[:, 17]
    leaky = {**cohort.modalities, "rna": replace(cohort.modalities["rna"], values=values)}
    report = audit(replace(cohort, modalities=leaky), notes)
    assert report["leakage"]["rna"]["feature"] == "g17"
    assert report["leakage"]["rna"]["flagged"]
    assert report["leakage"]["rna"]["auroc"] > 0.99
    assert not report["leakage"]["cnv"]["flagged"]
    assert any("g17" in warning for warning in report["warnings"])


def test_the_best_of_many_noise_features_is_not_called_good():
    """In-sample the best of many noise features looks good; on held-out patients it is worth nothing."""
    areas = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        values, labels = random.normal(size=(60, 3000)), np.arange(60) % 2
        best = single_feature(values, labels, np.arange(60).astype(str), 2)
        assert best is not None
        areas.append(best[2])
        assert max(roc_auc_score(labels, column) for column in values.T[:200]) > 0.6
    # Two classes are each other's mirror, so that the better of both is the one measurement.
    assert abs(np.mean(areas) - 0.5) < 0.08


def test_a_known_auroc_is_found_among_three_classes():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 3000)
    values = random.normal(size=(3000, 5)).astype(np.float32)
    values[:, 3] -= 1.5 * (labels == 2)
    values[random.random(3000) < 0.1, 0] = np.nan
    feature, cls, area = single_feature(values, labels, np.arange(3000).astype(str), 3)
    assert (feature, cls) == (3, 2)
    assert area == pytest.approx(1 - roc_auc_score(labels == 2, values[:, 3]), abs=0.002)


def test_patients_are_not_torn_apart():
    """Twenty patients, five like samples of each: only a split by patient sees that nothing generalises."""
    random = np.random.default_rng(2)
    patients = np.repeat(np.arange(20), 5)
    labels = np.repeat(random.permutation(np.arange(20) % 2), 5)
    values = np.repeat(random.normal(size=(20, 2000)), 5, axis=0) + 0.01 * random.normal(size=(100, 2000))
    torn = single_feature(values, labels, np.arange(100).astype(str), 2)[2]
    kept = single_feature(values, labels, patients.astype(str), 2)[2]
    assert torn > 0.8
    assert kept < 0.75


def test_classes_too_small_for_the_check():
    assert single_feature(np.ones((12, 2), dtype=np.float32), np.arange(12) % 6, np.arange(12).astype(str), 6) is None


def test_sites_that_know_the_label_are_flagged_and_others_are_not():
    cohort, notes = make_cohort()
    site = np.where(np.random.default_rng(5).random(200) < 0.8, cohort.labels, 1 - cohort.labels)
    confounded = replace(cohort, sites=np.array([f"{code}{number % 3}" for number, code in enumerate(site)]))
    assert audit(confounded, notes)["site_confounding"]["flagged"]
    assert audit(confounded, notes)["site_confounding"]["balanced_accuracy"] == pytest.approx(0.8, abs=0.07)
    assert not audit(cohort, notes)["site_confounding"]["flagged"]
    assert audit(replace(cohort, sites=np.full(200, "")), notes)["site_confounding"] is None


def test_a_rare_class_is_predicted_from_its_sites():
    """Never the most frequent class anywhere, yet nine times as frequent at half of the sites."""
    random = np.random.default_rng(4)
    sites = random.integers(0, 4, 2000)
    labels = (random.random(2000) < np.where(sites < 2, 0.27, 0.03)).astype(np.int64)
    accuracy, chance, p_value = site_prediction(labels, sites.astype(str), permutations=19)
    assert accuracy > 0.65
    assert chance == pytest.approx(0.5, abs=0.03)
    assert p_value == pytest.approx(1 / 20)


def test_the_site_check_has_its_nominal_rate():
    p_values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        labels, sites = random.permutation(np.arange(90) % 3), random.integers(0, 15, 90).astype(str)
        _, chance, p_value = site_prediction(labels, sites, permutations=39)
        assert chance == pytest.approx(1 / 3, abs=0.05)
        p_values.append(p_value)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.13)


def test_an_audit_repeats_itself():
    assert audit(*make_cohort()) == audit(*make_cohort())
