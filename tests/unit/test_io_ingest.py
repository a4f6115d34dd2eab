"""From sources to a cohort and back: nobody is lost, and every route gives the same cohort."""

import json
import os
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from cohort_files import make_mudata, make_tables, sheet_row, write_folder

from cch_omics.cli import main
from cch_omics.cohort import Cohort, Modality
from cch_omics.config import IngestConfig, SplitsConfig, teachers_of_row
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.mudata import from_mudata, read_cohort, write_cohort
from cch_omics.data.source import Notes
from cch_omics.data.sources import ingest, read_source
from cch_omics.errors import InputError
from cch_omics.planning.sources import modalities_of
from cch_omics.runtime.formats import read_json
from cch_omics.tasks.reading import guess_task

pytestmark = pytest.mark.filterwarnings("ignore:.*not unique:UserWarning", "ignore:Cannot join columns:UserWarning")
DATA = Path(os.environ.get("CCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

# Four patients of a class are enough for them.
FEW = SplitsConfig(folds=4, inner_folds=3)


@pytest.fixture(autouse=True)
def new_mudata():
    with mudata.set_options(pull_on_update=False):
        yield


def real(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"no data in {DATA / name}; set CCH_TEST_DATA to the folder of cohorts")
    return DATA / name


def same(one: Cohort, two: Cohort) -> None:
    for field in fields(Cohort):
        left, right = getattr(one, field.name), getattr(two, field.name)
        if field.name == "target":
            assert (left.name, left.task) == (right.name, right.task)
            np.testing.assert_array_equal(left.values, right.values)
        elif field.name != "modalities":
            np.testing.assert_array_equal(left, right, err_msg=field.name)
    assert list(one.modalities) == list(two.modalities)
    for name, left in one.modalities.items():
        for part in fields(Modality):
            a, b = getattr(left, part.name), getattr(two.modalities[name], part.name)
            np.testing.assert_array_equal(a, b, err_msg=f"{name}.{part.name}")
            assert np.asarray(a).dtype.kind == np.asarray(b).dtype.kind


def from_folder(folder, tables=None, **columns):
    write_folder(folder, tables or make_tables())
    row = sheet_row(folder, **columns)
    return assemble(read_source(row), row)


def reasons(notes: Notes, name: str) -> Counter:
    """Rows of a table that were left out, by reason."""
    return Counter(notes.tables[name].left_out.values())


def test_nobody_is_lost(tmp_path):
    tables = make_tables()
    cohort, notes = from_folder(tmp_path / "a", tables)
    assert cohort.samples.tolist() == tables.rna.index.tolist()
    assert cohort.target.task.strata_names == ("basal", "luminal")
    assert (~cohort.target.observed).nonzero()[0].tolist() == [5, 8, 39]
    assert cohort.target.strata[:4].tolist() == [1, 0, 1, 0]
    assert list(cohort.modalities) == ["cnv", "rna"]
    assert cohort.modalities["cnv"].rows.tolist() == list(range(10, 40))
    np.testing.assert_array_equal(cohort.modalities["rna"].values, tables.rna.to_numpy(dtype=np.float32))
    assert notes.in_clinical.tolist() == [True] * 39 + [False]
    assert cohort.groups.tolist() == cohort.samples.tolist()


def test_folder_mudata_and_mixed_folder_give_the_same_cohort(tmp_path):
    tables = make_tables()
    expected = from_folder(tmp_path / "a", tables)[0]
    shuffled = make_tables()
    shuffled.rna = shuffled.rna.sample(frac=1, random_state=1)
    shuffled.clinical = shuffled.clinical.sample(frac=1, random_state=2)
    folder = tmp_path / "mixed"
    folder.mkdir()
    shuffled.rna.T.to_csv(folder / "rna.tsv", sep="\t")
    shuffled.cnv.to_parquet(folder / "cnv.parquet")
    shuffled.clinical.to_csv(folder / "clinical.tsv", sep="\t")
    row = sheet_row(folder)
    same(assemble(read_source(row), row)[0], expected)
    same(assemble(from_mudata(make_mudata(tables), "memory"), row)[0], expected)


def test_a_label_in_a_modality_s_obs_is_found_and_contradictions_are_refused(tmp_path):
    tables = make_tables()
    mdata = make_mudata(tables)
    del mdata.obs["subtype"]
    for part in mdata.mod.values():
        part.obs["subtype"] = tables.clinical["subtype"].reindex(part.obs_names)
    row = sheet_row("memory")
    same(assemble(from_mudata(mdata, "memory"), row)[0], from_folder(tmp_path / "a", tables)[0])
    mdata["cnv"].obs.loc["S20", "subtype"] = "normal-like"
    with pytest.raises(InputError, match=r"contradict.*S20"):
        assemble(from_mudata(mdata, "memory"), row)


def test_a_cohort_survives_its_file_to_the_byte(tmp_path):
    cohort = replace(
        from_folder(tmp_path / "a", classes="luminal,basal", label_budget=0.15, derived_from="rna")[0],
        sites=np.array(["3C", ""] * 20),
    )
    for name in ("one", "two"):
        write_cohort(cohort, tmp_path / f"{name}.h5mu")
    assert (tmp_path / "one.h5mu").read_bytes() == (tmp_path / "two.h5mu").read_bytes()
    again = read_cohort(tmp_path / "one.h5mu")
    same(again, cohort)
    assert again.target.task.strata_names == ("luminal", "basal")
    assert again.label_budget == 0.15


def test_a_file_of_another_format_is_refused(tmp_path):
    make_mudata(make_tables()).write(tmp_path / "plain.h5mu")
    with pytest.raises(InputError, match="no cohort of this package"):
        read_cohort(tmp_path / "plain.h5mu")


def test_the_sheet_s_columns(tmp_path):
    tables = make_tables()
    tables.clinical["patient"] = [f"P{number // 2}" for number in range(39)]
    tables.clinical["tissue_source_site"] = "05"
    tables.clinical["grade"] = [("1.0", "2", "x")[number % 3] for number in range(39)]
    cohort, notes = from_folder(
        tmp_path / "a", tables, target="grade", classes="2, 1", group="patient", modalities="rna"
    )
    assert list(cohort.modalities) == ["rna"]
    assert cohort.target.task.strata_names == ("2", "1")
    assert cohort.target.strata[:4].tolist() == [1, 0, -1, 1]
    assert notes.values_treated_as_missing == {"x": 13}
    assert cohort.groups[[0, 1, 2, 39]].tolist() == ["P0", "P0", "P1", "S39"]
    assert cohort.sites[[0, 39]].tolist() == ["05", ""]


@pytest.mark.parametrize(
    "codes", [np.arange(40) % 3, (np.arange(40) % 3).astype(float), (np.arange(40) % 3).astype(str)]
)
def test_numeric_codes_become_class_names(codes):
    mdata = make_mudata(make_tables())
    mdata.obs["code"] = pd.Series(codes, index=[f"S{number:02d}" for number in range(40)]).reindex(mdata.obs_names)
    cohort, _ = assemble(from_mudata(mdata, "memory"), sheet_row("memory", target="code"))
    assert cohort.target.task.strata_names == ("0", "1", "2")
    assert cohort.target.strata[:4].tolist() == [0, 1, 2, 0]


def drugs(**columns):
    """Forty samples with an IC50, a few of them missing."""
    tables = make_tables()
    ic50 = np.random.default_rng(1).normal(size=len(tables.clinical)).round(6).astype(object)
    ic50[[2, 7]] = [None, "NA"]
    tables.clinical["ic50"] = ic50
    return tables, {"target": "ic50", **columns}


@pytest.mark.parametrize("task", ["", "regression"])
def test_numbers_are_a_regression(tmp_path, task):
    tables, columns = drugs(task=task)
    cohort, notes = from_folder(tmp_path / "a", tables, **columns)
    assert cohort.target.task.name == "regression"
    assert cohort.target.values.dtype == np.float64
    expected = pd.to_numeric(tables.clinical["ic50"], errors="coerce").reindex(tables.rna.index)
    np.testing.assert_array_equal(cohort.target.values, expected)
    assert cohort.target.observed.sum() == 37
    assert notes.values_treated_as_missing == {"NA": 1}
    # A guess is said, what the sheet says is not.
    guesses = [remark for remark in notes.remarks if "`task` can say otherwise" in remark]
    assert len(guesses) == (not task)
    assert all("ic50 has 37 different numbers and was taken for a regression" in guess for guess in guesses)
    for name in ("one", "two"):
        write_cohort(cohort, tmp_path / f"{name}.h5mu")
    assert (tmp_path / "one.h5mu").read_bytes() == (tmp_path / "two.h5mu").read_bytes()
    same(read_cohort(tmp_path / "one.h5mu"), cohort)


def test_a_number_is_the_same_from_mudata(tmp_path):
    tables, columns = drugs()
    mdata = make_mudata(tables)
    numbers = pd.to_numeric(tables.clinical["ic50"], errors="coerce")
    mdata.obs["ic50"] = numbers.reindex(mdata.obs_names)
    row = sheet_row("memory", **columns)
    same(assemble(from_mudata(mdata, "memory"), row)[0], from_folder(tmp_path / "a", tables, **columns)[0])


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["basal", "luminal"] * 20, "classification"),
        ([True, False] * 20, "classification"),
        ([number % 10 for number in range(40)], "classification"),
        ([number % 11 for number in range(40)], "regression"),
        ([number / 7 for number in range(40)], "regression"),
        ([f"{number},5" for number in range(40)], "regression"),
        (["<5", *range(39)], "regression"),
        ([f"P{number}" for number in range(40)], "classification"),
    ],
)  # fmt: skip
def test_the_task_is_seen_from_the_column(labels, task):
    assert guess_task(str(label) for label in [*labels, ""]) == task


def test_listed_classes_of_numbers_are_classes(tmp_path):
    tables = make_tables()
    tables.clinical["stage"] = np.arange(39) % 4
    cohort, notes = from_folder(tmp_path / "a", tables, target="stage", classes="1,2")
    assert cohort.target.task.strata_names == ("1", "2")
    assert not any("column 'task'" in remark for remark in notes.remarks)


def test_teachers_of_the_sheet(tmp_path):
    def teachers(**columns):
        return from_folder(tmp_path / "a", **columns)[0].teachers

    assert teachers() == ("cnv", "rna")
    assert teachers(derived_from="rna") == ("cnv",)
    assert teachers(derived_from="rna", teachers="rna; cnv + rna") == ("rna", "cnv+rna")
    assert teachers(modalities="rna", derived_from="rna") == ("rna",)
    row = sheet_row(tmp_path / "a", teachers="rna;rna+cnv")
    assert teachers_of_row(row, modalities_of(row)) == ("rna", "rna+cnv")


def test_barcodes_of_different_levels_are_joined(tmp_path):
    """Aliquots of one tumour meet, normal tissue and second vials are counted out, clinical rows are of patients."""
    people = [f"TCGA-{site}-A{number:03d}" for number, site in enumerate(["3C", "A1"] * 6)]
    random = np.random.default_rng(0)
    rna = pd.DataFrame(random.normal(size=(14, 3)), columns=list("abc"))
    rna.index = [f"{name}-01A-11R-A41B-07" for name in people] + [
        f"{people[0]}-11A-11R-A41B-07",
        f"{people[1]}-01B-11R-A41B-07",
    ]
    meth = pd.DataFrame(random.normal(size=(12, 3)), columns=list("abc"))
    meth.index = [f"{name}-01A-21D-A41Q-05" for name in people]
    clinical = pd.DataFrame({"subtype": ["x", "y", "y"] * 4}, index=pd.Index(people, name="patient"))
    rna.T.set_axis(rna.index.str.replace("-", "."), axis=1).to_csv(tmp_path / "rna.csv")
    meth.to_csv(tmp_path / "methylation.csv")
    clinical.to_csv(tmp_path / "clinical.csv")
    row = sheet_row(tmp_path)
    cohort, notes = assemble(read_source(row), row, splits=FEW)
    assert sorted(cohort.samples.tolist()) == sorted(f"{name}-01" for name in people)
    assert cohort.profiled("rna").all()
    assert cohort.profiled("methylation").all()
    assert set(cohort.groups.tolist()) == set(people)
    assert set(cohort.sites.tolist()) == {"3C", "A1"}
    assert cohort.target.observed.all()
    assert reasons(notes, "rna") == {"normal tissue": 1, "further aliquot of a sample": 1}
    chosen = cohort.modalities["rna"].values[cohort.samples.tolist().index(f"{people[1]}-01")]
    np.testing.assert_allclose(chosen, rna.iloc[1], rtol=1e-6)


def test_several_samples_of_a_patient_share_a_group(tmp_path):
    people = [f"TCGA-3C-A{number:03d}" for number in range(10)]
    ids = [f"{name}-{kind}" for name in people for kind in ("01", "06")]
    pd.DataFrame({"g": range(20)}, index=ids).to_csv(tmp_path / "rna.csv")
    pd.DataFrame({"subtype": ["x", "y"] * 5}, index=people).to_csv(tmp_path / "clinical.csv")
    cohort, _ = assemble(read_source(sheet_row(tmp_path)), sheet_row(tmp_path), splits=FEW)
    assert cohort.groups[:4].tolist() == [people[0], people[0], people[1], people[1]]
    assert cohort.target.strata[:4].tolist() == [0, 0, 1, 1]


def test_a_sample_without_any_value_is_not_profiled(tmp_path):
    tables = make_tables()
    tables.cnv = tables.cnv.astype(float)
    tables.cnv.iloc[0] = np.nan
    cohort, notes = from_folder(tmp_path / "a", tables)
    assert not cohort.profiled("cnv")[10]
    assert reasons(notes, "cnv") == {"no value": 1}


def test_ids_of_a_scheme_from_the_configuration(tmp_path):
    """Two samples of a patient stay and share a group; a second aliquot of a sample and normal tissue are counted."""
    ids = [f"C3L-{number:05d}-01" for number in range(12)]
    table = pd.DataFrame({"g": np.arange(16.0)}, index=[*ids, f"{ids[0]}.2", f"{ids[1]}-N", "C3L-00002-07", "odd"])
    table.to_csv(tmp_path / "rna.csv")
    table[:12].to_csv(tmp_path / "cnv.csv")
    clinical = pd.DataFrame({"subtype": ["x", "y"] * 6}, index=[name[:9] for name in ids])
    clinical.to_csv(tmp_path / "clinical.csv")
    pattern = r"(?P<patient>C3L-\d{5})(-(?P<sample>\d{2}))?(\.\d)?(?P<normal>-N)?"
    settings = IngestConfig(patient_pattern=pattern)
    row = sheet_row(tmp_path)
    cohort, notes = assemble(read_source(row, settings), row, settings, FEW)
    assert cohort.samples.tolist() == sorted([*ids, "C3L-00002-07", "odd"])
    assert cohort.groups.tolist().count("C3L-00002") == 2
    assert cohort.target.strata[cohort.samples.tolist().index("C3L-00002-07")] == 0
    assert reasons(notes, "rna") == {"further aliquot of a sample": 1, "normal tissue": 1}
    assert any("1 ids do not match" in remark and "'odd'" in remark for remark in notes.remarks)


def test_what_is_mostly_missing_is_left_out_and_counted(tmp_path):
    tables = make_tables()
    tables.rna.iloc[:, 0] = np.nan
    tables.rna.iloc[:21, 1] = np.nan
    tables.rna.iloc[7, 2:4] = np.nan
    tables.rna.iloc[:20, 5] = np.nan
    write_folder(tmp_path / "a", tables)
    row = sheet_row(tmp_path / "a")
    cohort, notes = assemble(read_source(row), row, IngestConfig(max_missing_sample=0.7))
    assert cohort.modalities["rna"].features.tolist() == ["GENE2", "GENE3", "GENE4", "GENE5"]
    assert notes.tables["rna"].features_left_out == {"no value": 1, "more than 50% missing": 1}
    assert "S07" not in cohort.samples
    assert reasons(notes, "rna") == {"more than 70% missing": 1}
    kept = tables.rna.drop(index="S07").iloc[:, 2:].to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(cohort.modalities["rna"].values, kept)
    report = audit(cohort, notes)
    assert "rna: 1 features left out: more than 50% missing." in report["warnings"]
    assert report["join"]["left_out"]["rna"] == {"S07": "more than 70% missing"}
    lenient = IngestConfig(max_missing_feature=0.6)
    assert assemble(read_source(row), row, lenient)[0].modalities["rna"].features.tolist()[0] == "GENE1"
    with pytest.raises(InputError, match=r"of the values missing.*max_missing_modality"):
        assemble(read_source(row), row, IngestConfig(max_missing_modality=0.1))


def test_a_file_that_may_have_been_meant_is_said(tmp_path):
    write_folder(tmp_path / "a", make_tables())
    meant = ["HiSeqV2.gz", "mirna", "protein.zarr", "rna.CSV?", "rna.csv.bak", "rna.csv.zip", "rna.part", "rppa.xlsx"]
    meant += ["snv.rds", "~$rna.xlsx"]
    hidden = ["._rna.csv", ".rna.csv.swp"]
    for name in (*meant, *hidden, "README.md", "plot.png", ".DS_Store", "run.log"):
        (tmp_path / "a" / name).touch()
    (tmp_path / "a" / "notes").mkdir()
    remarks = read_source(sheet_row(tmp_path / "a")).remarks
    assert remarks == (
        f"{', '.join(meant)} were not read: a table ends in one of .csv, .csv.gz, .tsv, .tsv.gz, .parquet, .h5ad.",
        f"{', '.join(hidden)} were not read: a hidden file.",
    )
    row = sheet_row(tmp_path / "a")
    assert list(remarks) == [text for text in audit(*assemble(read_source(row), row))["warnings"] if "not read" in text]


def test_what_is_not_wanted_may_be_gone(tmp_path):
    write_folder(tmp_path / "a", make_tables())
    (tmp_path / "a" / "rppa.csv").symlink_to("/scratch/gone.csv")
    row = sheet_row(tmp_path / "a", modalities="rna,cnv")
    assert modalities_of(row) == ["rna", "cnv"]
    assert sorted(read_source(row).matrices) == ["cnv", "rna"]
    with pytest.raises(InputError, match=r"rppa.csv: found a link to '/scratch/gone.csv'"):
        modalities_of(sheet_row(tmp_path / "a"))


@pytest.mark.parametrize("name", ["cohort.h5mu", "COHORT.H5MU", "cohort"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("gone")])
def test_planning_and_ingest_refuse_a_source_that_is_no_file(tmp_path, name, make):
    make(tmp_path / name)
    for read in (modalities_of, read_source):
        with pytest.raises(InputError, match=r"a pipe|a link to 'gone' that leads nowhere"):
            read(sheet_row(tmp_path / name))


@pytest.mark.usefixtures("restored_logging")
def test_ingest_says_its_warnings_once_and_the_size_of_the_cohort(tmp_path, monkeypatch, capsys):
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        monkeypatch.setenv(f"{variable}_NUM_THREADS", "1")
    tables = make_tables()
    tables.rna = np.exp2(8 + 2 * tables.rna).round()
    write_folder(tmp_path / "a", tables)
    for number in range(60):
        (tmp_path / "a" / f"file{number:02d}.zip").touch()
    written = {name: str(tmp_path / name) for name in ("cohort.h5mu", "splits.npz", "audit.json")}
    given = {"cohort": "small", "source": str(tmp_path / "a"), "target": "subtype"}
    words = ["ingest", "--row", json.dumps(given), "--settings", '{"splits": {"folds": 3, "inner_folds": 3}}']
    words += [word for name, path in written.items() for word in (f"--{name.split('.')[0]}", path)]
    assert main(words) == 0
    shown = capsys.readouterr().err
    warned = [line for line in shown.splitlines() if line.startswith("warning: ")]
    audited = read_json(written["audit.json"])["warnings"]
    assert len(warned) == len(audited) == len(set(audited))
    assert any("rna: whole values from" in line and "log2(x + 1)" in line for line in warned)
    assert all(len(line) < 500 for line in warned)
    assert "40 samples of 40 patients, 37 with a label; cnv (30 x 4), rna (40 x 6)" in shown
    assert f"Wrote {', '.join(written.values())}" in shown
    log = tmp_path / "ingest.log"
    monkeypatch.setattr("cch_omics.cli.steps._SHOWN", 2)
    assert main([*words, "--log", str(log)]) == 0
    shown = [line for line in capsys.readouterr().err.splitlines() if " warning " in line]
    assert len(shown) == 3
    assert shown[-1].endswith(f"{len(audited) - 2} more, which are in {written['audit.json']}")
    logged = log.read_text()
    assert [logged.count(text) for text in audited] == [1] * len(audited)


def with_labels(change, **columns):
    """The cohort whose 20 luminal and 17 basal labels are changed by their numbers, and its audit."""
    tables = make_tables()
    labels = tables.clinical["subtype"].astype(object)
    for position, label in change.items():
        labels.iloc[position] = label
    tables.clinical["subtype"] = labels
    cohort, notes = assemble(from_mudata(make_mudata(tables), "memory"), sheet_row("memory", **columns))
    return cohort, audit(cohort, notes)


@pytest.mark.parametrize("route", ["folder", "mudata"])
def test_codes_for_missing_labels_are_no_classes_and_are_counted(tmp_path, route):
    codes = {0: "'--", 1: "NOT REPORTED", 2: ".", 3: "?", 4: "not reported", 6: "[Unknown]", 7: "'--", 9: "#VALUE!"}
    if route == "mudata":
        cohort, audited = with_labels(codes)
    else:
        tables = make_tables()
        tables.clinical["subtype"] = [codes.get(row, text) for row, text in enumerate(tables.clinical["subtype"])]
        cohort, notes = from_folder(tmp_path / "a", tables)
        audited = audit(cohort, notes)
    assert cohort.target.task.strata_names == ("basal", "luminal")
    counted = {"'--": 2, "NOT REPORTED": 1, ".": 1, "?": 1, "not reported": 1, "[Unknown]": 1, "#VALUE!": 1}
    assert audited["values_treated_as_missing"] == counted
    assert any("treated as missing: " in said and "'NOT REPORTED' (1)" in said for said in audited["warnings"])


def test_what_may_be_a_class_is_one_and_is_said_unless_the_sheet_lists_it():
    unknown = dict.fromkeys(range(0, 20, 2), "Unknown")
    cohort, audited = with_labels(unknown)
    assert cohort.target.task.strata_names == ("Unknown", "basal", "luminal")
    assert any("sound like missing values: 'Unknown'" in said for said in audited["warnings"])
    cohort, audited = with_labels(unknown, classes="basal,luminal,Unknown")
    assert cohort.target.task.strata_names == ("basal", "luminal", "Unknown")
    assert not any("sound like" in said for said in audited["warnings"])


def test_a_listed_class_is_one_whatever_it_looks_like():
    cohort, audited = with_labels(dict.fromkeys(range(0, 20, 2), "None"), classes="None,basal")
    assert cohort.target.task.strata_names == ("None", "basal")
    assert audited["values_treated_as_missing"] == {"luminal": 10}
    cohort, audited = with_labels({0: "BASAL", 2: "Luminal"}, classes="basal,luminal")
    assert audited["values_treated_as_missing"] == {"BASAL": 1, "Luminal": 1}
    assert cohort.target.observed.sum() == 35


def test_plus_and_minus_are_classes():
    labels = {row: "+" if row % 2 else "-" for row in range(39)}
    cohort, _ = with_labels(labels)
    assert cohort.target.task.strata_names == ("+", "-")


def test_ids_that_differ_by_case_are_different_and_said(tmp_path):
    tables = make_tables()
    tables.rna.index = [name.lower() if number == 20 else name for number, name in enumerate(tables.rna.index)]
    cohort, notes = from_folder(tmp_path / "a", tables)
    assert len(cohort.samples) == 41
    assert any("1 ids differ from another by their case only ('S20' and 's20')" in said for said in notes.remarks)


def test_codes_for_missing_patients_are_no_patient():
    tables = make_tables()
    mdata = make_mudata(tables)
    mdata.obs["patient"] = ["Not Reported" if number < 3 else f"P{number // 2}" for number in range(40)]
    cohort, _ = assemble(from_mudata(mdata, "memory"), sheet_row("memory", group="patient"))
    assert cohort.groups[:4].tolist() == ["S00", "S01", "S02", "P1"]


def test_patients_that_look_the_same_are_refused():
    mdata = make_mudata(make_tables())
    mdata.obs["patient"] = [f"Zo\u00eb {number}" for number in range(39)] + ["Zoe\u0308 3"]
    with pytest.raises(InputError, match="COMBINING DIAERESIS") as error:
        assemble(from_mudata(mdata, "memory"), sheet_row("memory", group="patient"))
    assert error.value.where == "memory, .obs, column 'patient'"


def test_gaps_are_filled_where_a_table_says_that_it_does_not_know():
    mdata = make_mudata(make_tables())
    label = mdata.obs["subtype"].astype(object)
    del mdata.obs["subtype"]
    for name, code in (("rna", "[Not Available]"), ("cnv", "'--")):
        own = label.reindex(mdata[name].obs_names).copy()
        own.iloc[12:15] = code if name == "rna" else own.iloc[12:15]
        own.iloc[[20, 30] if name == "rna" else 20] = code
        mdata[name].obs["subtype"] = own
    cohort, notes = assemble(from_mudata(mdata, "memory"), sheet_row("memory"))
    assert cohort.target.observed[[12, 13, 14, 20]].all() and not cohort.target.observed[30]
    # Nobody knows of S30.
    assert notes.values_treated_as_missing == {"[Not Available]": 1}


def test_features_called_like_dates_are_said(tmp_path):
    tables = make_tables()
    tables.rna.columns = ["1-Dec", *tables.rna.columns[1:]]
    _, notes = from_folder(tmp_path / "a", tables)
    assert any(said.startswith("rna: 1 features are called like dates, such as '1-Dec'") for said in notes.remarks)


def test_thresholds_and_folds_reach_the_audit(tmp_path):
    tables = make_tables()
    tables.rna.iloc[:10, 0] = np.nan
    write_folder(tmp_path / "a", tables)
    settings, splits = IngestConfig(max_missing_feature=0.2), SplitsConfig(folds=3)
    ingest(sheet_row(tmp_path / "a"), tmp_path / "a.h5mu", tmp_path / "a.json", settings, splits)
    assert read_cohort(tmp_path / "a.h5mu").modalities["rna"].features.tolist()[0] == "GENE1"
    audited = read_json(tmp_path / "a.json")
    assert audited["join"]["tables"]["rna"]["features_left_out"] == {"more than 20% missing": 1}
    assert audited["folds"]["folds"] == 3


def test_ingest_writes_both_files(tmp_path):
    write_folder(tmp_path / "a", make_tables())
    ingest(sheet_row(tmp_path / "a"), tmp_path / "out" / "cohort.h5mu", tmp_path / "out" / "audit.json")
    assert sorted(os.listdir(tmp_path / "out")) == ["audit.json", "cohort.h5mu"]
    assert read_cohort(tmp_path / "out" / "cohort.h5mu").name == "small"
    assert read_json(tmp_path / "out" / "audit.json")["samples"] == 40


def test_a_relative_source_starts_at_the_working_directory(tmp_path, monkeypatch):
    write_folder(tmp_path / "a", make_tables())
    monkeypatch.chdir(tmp_path)
    assert read_source(sheet_row("a")).available == ("cnv", "rna")


@pytest.mark.parametrize("name", ["misleading", "number", "survival"])
def test_a_simulated_cohort_is_the_same_by_name_and_by_file(tmp_path, name):
    from cch_omics.data.simulate import write_simulated
    from cch_omics.data.simulate.cohorts import SIMULATED

    target = SIMULATED[name].target
    write_simulated(name, tmp_path / "a.h5mu")
    by_name, by_file = (sheet_row(source, target=target) for source in (f"simulated:{name}", tmp_path / "a.h5mu"))
    cohort, notes = assemble(read_source(by_name), by_name)
    same(cohort, assemble(read_source(by_file), by_file)[0])
    assert set(cohort.modalities) == set(SIMULATED[name].modalities)
    assert not any(table.left_out for table in notes.tables.values())


def test_h5ad_tables_in_a_folder(tmp_path):
    tables = make_tables()
    write_folder(tmp_path / "a", tables)
    (tmp_path / "a" / "rna.csv.gz").unlink()
    parts = make_mudata(tables).mod
    anndata.AnnData(parts["rna"].X, obs=parts["rna"].obs, var=parts["rna"].var).write_h5ad(tmp_path / "a" / "rna.h5ad")
    row = sheet_row(tmp_path / "a")
    same(assemble(read_source(row), row)[0], from_folder(tmp_path / "b", tables)[0])


def test_brca_paired(tmp_path):
    """Odd labels are the sheet's business, not the code's."""
    row = sheet_row(real("brca-paired"), target="er_status", classes="Negative,Positive")
    ingest(row, tmp_path / "cohort.h5mu", tmp_path / "audit.json")
    audit = read_json(tmp_path / "audit.json")
    scales = {name: modality["scale"] for name, modality in audit["modalities"].items()}
    names = {"cnv": "integers", "mutation": "integers", "rna": "continuous", "rppa": "continuous"}
    assert {name: scale["name"] for name, scale in scales.items()} == names
    assert not any(scale["several"] for scale in scales.values())
    assert audit["strata"] == {"Negative": 135, "Positive": 414}
    assert set(audit["values_treated_as_missing"]) == {"Indeterminate", "Not Performed", "Performed but Not Available"}
    assert audit["samples"] == audit["complete"]["samples"] == 705
    assert audit["labelled"] + sum(audit["values_treated_as_missing"].values()) <= 705


def test_tcga_brca(tmp_path):
    ingest(sheet_row(real("tcga-brca"), target="pam50"), tmp_path / "cohort.h5mu", tmp_path / "audit.json")
    cohort = read_cohort(tmp_path / "cohort.h5mu")
    shapes = {name: modality.values.shape for name, modality in cohort.modalities.items()}
    assert shapes == {
        "cnv": (406, 860), "methylation": (769, 3000), "mirna": (769, 503), "mutation": (406, 249), "rna": (769, 3000),
        "rppa": (406, 223),
    }  # fmt: skip
    assert cohort.target.task.strata_names == ("Basal", "Her2", "LumA", "LumB", "Normal")
    assert cohort.target.observed.sum() == 769
    audit = read_json(tmp_path / "audit.json")
    assert audit["complete"]["samples"] == 406
    assert audit["pairs"]["cnv"]["rna"] == {"samples": 406, "labelled": 406}
    assert audit["leakage"]["rna"]["flagged"]
    assert audit["site_confounding"]["sites"] == len(set(cohort.sites.tolist())) == 40


def test_tcga_brca_er_status_keeps_the_unlabelled(tmp_path):
    row = sheet_row(real("tcga-brca"), target="er_status", classes="Negative,Positive", modalities="rna,cnv")
    cohort, _ = assemble(read_source(row), row)
    assert len(cohort.samples) == 769
    assert list(cohort.modalities) == ["rna", "cnv"]
    assert cohort.target.observed.sum() == 271


def followed(names=("os_time", "os_event")):
    """Thirty-nine samples with a follow-up, of two of which a part is missing and one time is zero."""
    tables = make_tables()
    time = (100 + 11.5 * np.arange(39)).astype(object)
    event = (np.arange(39) % 2).astype(object)
    time[[2, 7]], event[3] = [None, 0], "NA"
    tables.clinical[names[0]], tables.clinical[names[1]] = time, event
    return tables


@pytest.mark.parametrize("task", ["", "survival"])
def test_two_columns_are_a_survival_time(tmp_path, task):
    cohort, notes = from_folder(tmp_path / "a", followed(), target="os", task=task)
    assert cohort.target.task.name == "survival" and cohort.target.values.shape == (40, 2)
    assert cohort.target.observed.sum() == 36 and not cohort.target.observed[[2, 3, 7, 39]].any()
    np.testing.assert_array_equal(cohort.target.values[10], [215, 0])
    assert notes.values_treated_as_missing == {
        "0 of S07 as time": 1,
        "NA": 1,
        "a time without an event or its absence": 1,
        "an event or its absence without a time": 1,
    }
    for name in ("one", "two"):
        write_cohort(cohort, tmp_path / f"{name}.h5mu")
    assert (tmp_path / "one.h5mu").read_bytes() == (tmp_path / "two.h5mu").read_bytes()
    same(read_cohort(tmp_path / "one.h5mu"), cohort)
    report = audit(cohort, notes)
    assert report["task"] == "survival" and report["summary"]["events"] == 17
    assert any("seem to be months" not in said and "seem to be days" in said for said in report["warnings"])


@pytest.mark.parametrize(("names", "target"), [(("OS_MONTHS", "OS_STATUS"), "OS"), (("PFI.time", "PFI"), "PFI")])
def test_columns_may_be_called_as_in_cbioportal_and_xena(tmp_path, names, target):
    tables = followed(names)
    if target == "OS":
        tables.clinical[names[1]] = ["1:DECEASED" if number % 2 else "0:LIVING" for number in range(39)]
    cohort, _ = from_folder(tmp_path / "a", tables, target=target, task="survival")
    assert cohort.target.task.name == "survival" and cohort.target.values[11].tolist() == [226.5, 1]
    assert cohort.target.task.unit == ("months" if target == "OS" else "days")


def test_a_column_of_the_targets_name_is_looked_at_first(tmp_path):
    tables = followed()
    tables.clinical["os"] = tables.clinical["subtype"]
    assert from_folder(tmp_path / "a", tables, target="os")[0].target.task.name == "classification"
    assert from_folder(tmp_path / "b", tables, target="os", task="survival")[0].target.task.name == "survival"


@pytest.mark.parametrize("target", ["os_time", "os_event"])
def test_a_part_of_a_survival_time_is_remarked_on(tmp_path, target):
    _, notes = from_folder(tmp_path / "a", followed(), target=target)
    said = [remark for remark in notes.remarks if "columns of a survival" in remark]
    assert len(said) == 1 and f"{target} is one of" in said[0]
    assert "set `target` to 'os' and `task` to 'survival'" in said[0]


def test_an_index_that_has_a_name_in_modalities_alone(tmp_path):
    mdata = make_mudata(make_tables())
    row = sheet_row("memory")
    expected = assemble(from_mudata(mdata, "memory"), row)[0]
    for adata in mdata.mod.values():
        adata.obs.index.name = "patient_id"
    mdata.obs.index.name = None
    mdata.write(tmp_path / "named.h5mu")
    row = sheet_row(tmp_path / "named.h5mu")
    same(assemble(read_source(row), row)[0], expected)
