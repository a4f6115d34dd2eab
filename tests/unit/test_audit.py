"""The audit's counts are right, and its checks see what they are for and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_files import make_tables, sheet_row, write_folder
from scipy import stats
from sklearn.metrics import roc_auc_score

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.scale import on_working_scale
from cch_omics.data.source import Matrix, Notes, TableNotes
from cch_omics.data.sources import read_source
from cch_omics.runtime.formats import write_json
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.classification.reading import single_feature, site_dependence
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.regression.reading import remarks as number_remarks
from cch_omics.tasks.regression.reading import site_dependence as regression_sites
from cch_omics.tasks.survival import Survival
from cch_omics.tasks.survival.reading import remarks as time_remarks


def make_cohort(n=200, p=50, seed=0, **changes) -> tuple[Cohort, Notes]:
    """Two omics of noise, the second of half the samples, two classes, ten sites."""
    random = np.random.default_rng(seed)
    samples = np.array([f"P{number:03d}" for number in range(n)])

    def omics(rows):
        values = random.normal(size=(len(rows), p)).astype(np.float32)
        return Modality(values, np.array([f"g{j}" for j in range(p)]), rows)

    cohort = Cohort(
        name="noise",
        samples=samples,
        groups=samples,
        sites=np.array([f"{number % 10:02d}" for number in range(n)]),
        target=status(random.integers(0, 2, n)),
        modalities={"rna": omics(np.arange(n)), "cnv": omics(np.arange(0, n, 2))},
        teachers=("rna", "cnv"),
    )
    tables = {name: TableNotes(f"{name}.csv", len(m.rows), scale=as_told(m)) for name, m in cohort.modalities.items()}
    return replace(cohort, **changes), Notes("folder", "sample", tables, np.ones(n, dtype=bool), n)


def as_told(modality):
    ids = np.array([f"P{row:03d}" for row in modality.rows])
    return on_working_scale(Matrix(ids, modality.features, modality.values, "t.csv"), "t", "")[1]


def status(labels, classes=("no", "yes")) -> Target:
    return Target("status", Classification(classes), np.asarray(labels, dtype=float))


def score(numbers) -> Target:
    return Target("score", Regression.of(numbers), numbers)


def test_counts(tmp_path):
    tables = make_tables()
    tables.rna["GENE5"] = 1.0
    tables.clinical.loc["S99"] = ["basal", 50.0]
    write_folder(tmp_path / "a", tables)
    row = sheet_row(tmp_path / "a", classes="basal,luminal", label_budget=0.5, derived_from="rna")
    report = audit(*assemble(read_source(row), row))
    assert (report["samples"], report["patients"], report["labelled"]) == (40, 40, 37)
    assert report["strata"] == {"basal": 18, "luminal": 19}
    assert report["modalities"]["rna"] == {
        "samples": 40,
        "labelled": 37,
        "features": 6,
        "constant_features": 1,
        "missing_fraction": pytest.approx(1 / 240),
        "strata": {"basal": 18, "luminal": 19},
        "scale": {
            "name": "continuous",
            "min": pytest.approx(tables.rna.min().min()),
            "max": pytest.approx(tables.rna.max().max()),
            "several": None,
            "asked": False,
            "made": "",
        },
    }
    assert report["pairs"]["rna"]["cnv"] == report["pairs"]["cnv"]["rna"] == {"samples": 30, "labelled": 29}
    assert report["pairs"]["rna"]["rna"] == {"samples": 40, "labelled": 37}
    assert report["complete"] == {"samples": 30, "labelled": 29}
    assert report["join"]["clinical"] == {"ids": 40, "in_no_table": 1}
    assert report["join"]["tables"]["rna"]["not_in_clinical"] == 1
    assert (report["label_budget"]["asked"], report["derived_from"]) == (0.5, "rna")
    assert report["leakage"]["rna"]["defines_target"]
    text = " ".join(report["warnings"])
    for part in (
        "3 of 40 samples have no label",
        "1 ids with clinical data have none",
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
    report = audit(replace(cohort, target=status(labels)), notes, folds)
    # cnv has every second sample: 12 of the class, of which three quarters are in a training set.
    assert report["folds"]["patients"]["cnv"] == {"no": 88, "yes": 12}
    assert report["folds"]["per_inner_fold"]["cnv"]["yes"] == 1.5
    said = [warning for warning in report["warnings"] if "inner fold" in warning]
    assert len(said) == 1
    assert said[0].startswith("cnv: ") and "'yes' (1.5)" in said[0]
    # A fifth of 18 labels would be 3.6: the folds need one each.
    few = audit(replace(cohort, target=status(labels), label_budget=0.2), notes, folds)
    assert few["folds"]["per_inner_fold"]["rna"]["yes"] == 1.0


def test_keys_are_those_of_the_docstring():
    report = audit(*make_cohort())
    for key in report:
        assert f"`{key}`" in audit.__doc__


def test_the_scale_of_each_modality_is_told_and_an_unfit_one_is_said(tmp_path):
    cohort, notes = make_cohort()
    rna, cnv = cohort.modalities.values()
    report = audit(cohort, notes)
    assert {modality["scale"]["name"] for modality in report["modalities"].values()} == {"continuous"}
    assert not any("log2" in warning or "scale" in warning for warning in report["warnings"])
    half = np.where(np.arange(100)[:, None] % 2, np.exp2(8 + cnv.values), 8 + cnv.values).astype(np.float32)
    counts = {"rna": replace(rna, values=np.exp2(8 + rna.values).round()), "cnv": replace(cnv, values=half)}
    tables = {name: replace(notes.tables[name], scale=as_told(each)) for name, each in counts.items()}
    report = audit(cohort, replace(notes, tables=tables))
    assert report["modalities"]["rna"]["scale"]["name"] == "counts"
    # The example of the larger values is the second sample that has cnv.
    assert report["modalities"]["cnv"]["scale"]["several"]["examples"] == ["P002", "P000"]
    said = [
        warning for warning in report["warnings"] if warning.startswith(("rna: whole values", "cnv: several scales"))
    ]
    assert len(said) == 2
    write_json(report, tmp_path / "audit.json")


def test_dropped_values_are_said():
    cohort, notes = make_cohort()
    report = audit(cohort, replace(notes, values_treated_as_missing={"Equivocal": 3}))
    text = " ".join(report["warnings"])
    assert "treated as missing: 'Equivocal' (3)" in text


def test_a_leaking_feature_is_named_in_either_direction():
    cohort, notes = make_cohort()
    values = cohort.modalities["rna"].values.copy()
    values[:, 17] = -3 * cohort.target.values + 0.3 * values[:, 17]
    leaky = {**cohort.modalities, "rna": replace(cohort.modalities["rna"], values=values)}
    report = audit(replace(cohort, modalities=leaky), notes)
    assert report["leakage"]["rna"]["feature"] == "g17"
    assert report["leakage"]["rna"]["flagged"]
    assert report["leakage"]["rna"]["value"] > 0.99
    assert not report["leakage"]["cnv"]["flagged"]
    assert any("g17" in warning for warning in report["warnings"])


def test_the_best_of_many_noise_features_is_not_called_good():
    """In-sample the best of many noise features looks good; on held-out patients it is worth nothing."""
    areas = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        values, labels = random.normal(size=(60, 3000)), np.arange(60) % 2
        best = single_feature(values, labels, np.arange(60).astype(str), ("a", "b"))
        assert best is not None
        areas.append(best.value)
        assert max(roc_auc_score(labels, column) for column in values.T[:40]) > 0.6
    # Two classes are each other's mirror, so that the better of both is the one measurement.
    assert abs(np.mean(areas) - 0.5) < 0.08


def test_a_known_auroc_is_found_among_three_classes():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 3000)
    values = random.normal(size=(3000, 5)).astype(np.float32)
    values[:, 3] -= 1.5 * (labels == 2)
    values[random.random(3000) < 0.1, 0] = np.nan
    best = single_feature(values, labels, np.arange(3000).astype(str), ("a", "b", "c"))
    assert (best.feature, best.stratum, best.measure) == (3, "c", "AUROC")
    assert best.value == pytest.approx(1 - roc_auc_score(labels == 2, values[:, 3]), abs=0.002)


def test_patients_are_not_torn_apart():
    """Twenty patients, five like samples of each: only a split by patient sees that nothing generalises."""
    random = np.random.default_rng(2)
    patients = np.repeat(np.arange(20), 5)
    labels = np.repeat(random.permutation(np.arange(20) % 2), 5)
    values = np.repeat(random.normal(size=(20, 2000)), 5, axis=0) + 0.01 * random.normal(size=(100, 2000))
    torn = single_feature(values, labels, np.arange(100).astype(str), ("a", "b")).value
    kept = single_feature(values, labels, patients.astype(str), ("a", "b")).value
    assert torn > 0.8
    assert kept < 0.75


def test_classes_too_small_for_the_check():
    values, labels = np.ones((12, 2), dtype=np.float32), np.arange(12) % 6
    assert single_feature(values, labels, np.arange(12).astype(str), tuple("abcdef")) is None
    assert site_dependence(labels, np.array(["x", "y"] * 6)) is None


def test_sites_that_know_the_label_are_flagged_and_others_are_not():
    cohort, notes = make_cohort()
    site = np.where(np.random.default_rng(5).random(200) < 0.8, cohort.target.values, 1 - cohort.target.values)
    confounded = replace(
        cohort, sites=np.array([f"{code}{number % 3}" for number, code in enumerate(site.astype(int))])
    )
    assert audit(confounded, notes)["site_confounding"]["flagged"]
    assert audit(confounded, notes)["site_confounding"]["value"] == pytest.approx(0.8, abs=0.07)
    assert not audit(cohort, notes)["site_confounding"]["flagged"]
    assert audit(replace(cohort, sites=np.full(200, "")), notes)["site_confounding"] is None


def test_a_rare_class_is_predicted_from_its_sites():
    """Never the most frequent class anywhere, yet nine times as frequent at half of the sites."""
    random = np.random.default_rng(4)
    sites = random.integers(0, 4, 2000)
    labels = (random.random(2000) < np.where(sites < 2, 0.27, 0.03)).astype(np.int64)
    found = site_dependence(labels, sites.astype(str), permutations=19)
    assert found.value > 0.65
    assert found.chance == pytest.approx(0.5, abs=0.03)
    assert found.p_value == pytest.approx(1 / 20)


def test_the_site_check_has_its_nominal_rate():
    p_values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        labels, sites = random.permutation(np.arange(90) % 3), random.integers(0, 15, 90).astype(str)
        found = site_dependence(labels, sites, permutations=39)
        assert found.chance == pytest.approx(1 / 3, abs=0.05)
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.13)


def test_an_audit_repeats_itself():
    assert audit(*make_cohort()) == audit(*make_cohort())


# --- Numbers ----------------------------------------------------------------------------------------------------------


def numbers(seed=3):
    return np.random.default_rng(seed).normal(10, 2, 200)


def test_a_number_is_counted_by_ranges_and_summarised():
    cohort, notes = make_cohort()
    known = numbers()
    known[:40] = np.nan
    report = audit(replace(cohort, target=score(known)), notes)
    assert report["task"] == "regression"
    assert list(report["strata"].values()) == [32] * 5
    assert sum(report["modalities"]["cnv"]["strata"].values()) == report["modalities"]["cnv"]["labelled"] == 80
    rest = known[40:]
    assert report["summary"] == pytest.approx(
        {"n": 160, "mean": rest.mean(), "sd": rest.std(ddof=1), "min": rest.min(), "max": rest.max()}
    )
    assert audit(cohort, notes)["summary"] == {}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_that_follows_the_number_is_named_in_either_direction(sign):
    cohort, notes = make_cohort()
    target = numbers()
    values = cohort.modalities["rna"].values.copy()
    # Any monotonous function of it will do.
    values[:, 17] = sign * np.exp(target) + values[:, 17]
    values[5:9, 17] = np.nan
    leaky = {**cohort.modalities, "rna": replace(cohort.modalities["rna"], values=values)}
    report = audit(replace(cohort, target=score(target), modalities=leaky), notes)
    found = report["leakage"]["rna"]
    assert (found["feature"], found["stratum"], found["measure"]) == ("g17", "", "absolute Spearman correlation")
    assert found["flagged"] and found["value"] > 0.95
    assert not report["leakage"]["cnv"]["flagged"]
    assert any("the single feature g17 predicts score, absolute Spearman" in said for said in report["warnings"])


def test_the_best_of_many_noise_features_follows_no_number():
    """In-sample the best of 2000 features correlates; on the other half of the patients it does not."""
    found = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        values, target = random.normal(size=(60, 2000)), random.normal(size=60)
        best = Regression().single_feature(values, target, np.arange(60).astype(str))
        found.append(best.value)
        assert max(abs(stats.spearmanr(target, column).statistic) for column in values.T[:200]) > 0.25
    assert abs(np.mean(found)) < 0.12


def test_a_known_spearman_correlation_is_found():
    random = np.random.default_rng(1)
    target = random.normal(size=3000)
    values = random.normal(size=(3000, 5)).astype(np.float32)
    values[:, 3] -= target.astype(np.float32)
    best = Regression().single_feature(values, target, np.arange(3000).astype(str))
    assert best.feature == 3
    assert best.value == pytest.approx(-stats.spearmanr(target, values[:, 3]).statistic, abs=0.01)


def test_too_few_numbers_for_the_checks():
    values, target = np.ones((12, 2), dtype=np.float32), np.arange(12.0)
    assert Regression().single_feature(values, target, np.arange(12).astype(str)) is None
    assert Regression().site_dependence(target, np.array(["x", "y"] * 6)) is None


def test_sites_that_know_the_number_are_flagged_and_others_are_not():
    cohort, notes = make_cohort()
    target = numbers()
    site = np.digitize(target + np.random.default_rng(5).normal(size=200), [8, 10, 12])
    confounded = replace(cohort, target=score(target), sites=np.array([f"S{code}" for code in site]))
    found = audit(confounded, notes)["site_confounding"]
    assert found["flagged"] and found["measure"] == "R²"
    # The share of variance between groups, by the textbook.
    within = sum(((target[site == code] - target[site == code].mean()) ** 2).sum() for code in set(site.tolist()))
    assert found["value"] == pytest.approx(1 - within / ((target - target.mean()) ** 2).sum())
    assert found["chance"] == pytest.approx(3 / 199, abs=0.01)
    assert not audit(replace(cohort, target=score(target)), notes)["site_confounding"]["flagged"]


def test_the_site_check_of_numbers_has_its_nominal_rate():
    p_values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        target, sites = np.exp(random.normal(size=90)), random.integers(0, 15, 90).astype(str)
        p_values.append(regression_sites(target, sites, permutations=39).p_value)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.13)


# --- Numbers and survival times ---------------------------------------------------------------------------------------


def followed(n=200, seed=0):
    random = np.random.default_rng(seed)
    return np.column_stack([random.exponential(1000, n) + 1, random.random(n) < 0.4])


def os(values) -> Target:
    return Target("os", Survival.of(values), values)


def said_of(cohort, notes) -> str:
    return " ".join(audit(cohort, notes)["warnings"])


def with_feature(cohort, name, values):
    rna = cohort.modalities["rna"]
    features, table = rna.features.astype("U20"), rna.values.copy()
    features[7], table[:, 7] = name, values
    return replace(cohort, modalities=cohort.modalities | {"rna": replace(rna, values=table, features=features)})


@pytest.mark.parametrize("column", [0, 1])
def test_the_time_and_the_event_among_the_features_are_named(column):
    values = followed()
    cohort, notes = make_cohort(target=os(values))
    leak = audit(with_feature(cohort, "x", values[:, column]), notes)["leakage"]["rna"]
    assert (leak["feature"], leak["flagged"]) == ("x", True)
    assert not audit(cohort, notes)["leakage"]["rna"]["flagged"]


def test_a_feature_called_like_the_target_is_named():
    values = followed()
    cohort, notes = make_cohort(target=os(values))
    assert "rna: features called like the target os: 'OS_Event'" in said_of(with_feature(cohort, "OS_Event", 0), notes)
    assert "called like the target" not in said_of(cohort, notes)


def test_events_of_one_site_and_sites_without_an_event_are_said():
    values = followed()
    cohort, notes = make_cohort(target=os(values))
    assert "event" not in " ".join(audit(cohort, notes)["at_sites"])
    at = cohort.sites == "03"
    one, none = values.copy(), values.copy()
    one[:, 1], none[at, 1] = at, 0
    assert f"All {at.sum()} events of os are at site '03', of 10." in said_of(replace(cohort, target=os(one)), notes)
    assert "No event of os at sites '03' (" in said_of(replace(cohort, target=os(none)), notes)


def test_a_class_of_one_site_is_said():
    cohort, notes = make_cohort()
    labels = (cohort.sites == "03").astype(int)
    assert "All 20 patients with status 'yes' are at site '03', of 10." in said_of(
        replace(cohort, target=status(labels)), notes
    )
    assert audit(cohort, notes)["at_sites"] == []


def test_a_patient_with_two_follow_ups_is_named():
    values = followed()
    cohort, notes = make_cohort(target=os(values))
    groups = cohort.groups.copy()
    groups[1] = groups[0]
    assert "1 patients have samples of which os differs, such as 'P000'" in said_of(
        replace(cohort, groups=groups), notes
    )
    values[1] = values[0]
    assert "differs" not in said_of(replace(cohort, groups=groups, target=os(values)), notes)


NORMAL = np.random.default_rng(0).normal(50, 10, 200)


@pytest.mark.parametrize(
    ("values", "transform", "said"),
    [
        (NORMAL, "none", ""),
        (NORMAL.round() % 4, "none", "only 4 different numbers: if they name classes"),
        (np.exp(NORMAL / 7), "none", "the `transform` `log` may suit"),
        (np.exp(NORMAL / 7), "log", ""),
        (np.exp(NORMAL / 7) - 100, "none", "the `transform` `rank_normal` makes it normal"),
        (np.exp(NORMAL / 7) - 100, "rank_normal", ""),
        (np.append(NORMAL, 800), "none", "numbers far from the others, half of which have a number between"),
        (np.maximum(NORMAL, 60), "none", "is 60 for 8"),
    ],
)
def test_what_is_odd_about_numbers_is_said(values, transform, said):
    remarks = " ".join(number_remarks("dose", values, transform))
    assert (said in remarks) if said else remarks == ""


@pytest.mark.parametrize(
    ("unit", "longest", "said"),
    [("months", 3650, "more likely they are days"), ("days", 12, "likely they are years"), ("months", 120, ""),
     ("days", 3650, "")],
)  # fmt: skip
def test_a_unit_that_does_not_go_with_the_times_is_said(unit, longest, said):
    remarks = " ".join(time_remarks("os", unit, np.linspace(1, longest, 50)))
    assert (said in remarks) if said else remarks == ""


def test_a_survival_that_is_guessed_is_said(tmp_path):
    tables = make_tables()
    tables.clinical["os_time"], tables.clinical["os_event"] = range(100, 100 + len(tables.clinical)), 1
    write_folder(tmp_path / "a", tables)
    row = sheet_row(tmp_path / "a", target="os")
    report = audit(*assemble(read_source(row), row))
    assert report["task_guessed"] and report["task"] == "survival"
    assert any(
        "os was taken for a survival because the columns 'os_time' and 'os_event'" in each
        for each in report["warnings"]
    )
