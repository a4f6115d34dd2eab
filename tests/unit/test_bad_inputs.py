"""Every kind of bad input has its own message, which says where, what and what to do; nothing is written."""

import gzip
import re

import numpy as np
import pytest
from cohort_files import make_tables, sheet_row, write_folder

from cch_omics.errors import InputError
from cch_omics.io import ingest, read_cohort, read_matrix

HTML = "<!DOCTYPE html>\n<html><body>404</body></html>"


def write(name, content):
    def spoil(folder):
        for old in folder.glob(name.split(".")[0] + ".*"):
            old.unlink()
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def rna(change):
    """Spoil the RNA table as text."""

    def spoil(folder):
        text = gzip.decompress((folder / "rna.csv.gz").read_bytes()).decode()
        (folder / "rna.csv.gz").unlink()
        (folder / "rna.csv").write_text(change(text))

    return spoil


def clinical(change):
    def spoil(folder):
        (folder / "clinical.csv").write_text(change((folder / "clinical.csv").read_text()))

    return spoil


def frame(change):
    """Spoil the RNA table as numbers."""

    def spoil(folder):
        table = make_tables().rna
        change(table)
        table.to_csv(folder / "rna.csv.gz")

    return spoil


def truncated(folder):
    file = folder / "rna.csv.gz"
    file.write_bytes(file.read_bytes()[:200])


def column(name, value):
    def change(table):
        table[name] = value

    return change


def cell(value):
    def change(table):
        table["GENE1"] = table["GENE1"].astype(object)
        table.iloc[2, 1] = value

    return frame(change)


def line(number, change):
    """Change one line of a text."""

    def apply(text):
        lines = text.splitlines()
        lines[number] = change(lines[number])
        return "\n".join(lines) + "\n"

    return apply


def no_clinical(folder):
    (folder / "clinical.csv").unlink()


def only_clinical(folder):
    for file in folder.iterdir():
        if file.name != "clinical.csv":
            file.unlink()


# What is done to a good folder, the sheet's columns, and what the message has to say.
FOLDERS = {
    "empty file": (write("rna.csv", ""), {}, ["rna.csv", "an empty file"]),
    "empty gzip file": (write("rna.csv.gz", b""), {}, ["rna.csv.gz", "an empty file"]),
    "header only": (rna(lambda text: text.splitlines()[0] + "\n"), {}, ["rna.csv", "no rows"]),
    "truncated gzip": (truncated, {}, ["rna.csv.gz", "damaged gzip", "again"]),
    "not gzip": (write("rna.csv.gz", "sample,a\nS01,1\n"), {}, ["rna.csv.gz", "damaged gzip"]),
    "web page": (write("rna.csv", HTML), {}, ["rna.csv", "HTML", "Download the file itself"]),
    "web page as clinical table": (write("clinical.csv", HTML), {}, ["clinical.csv", "HTML"]),
    "spreadsheet": (write("rna.csv", b"PK\x03\x04\x14\x00\x06\x00\xff\xfe"), {}, ["rna.csv", "UTF-8"]),
    "UTF-16": (write("rna.csv", "sample,a\nS01,1\n".encode("utf-16")), {}, ["rna.csv", "UTF-8"]),
    "damaged Parquet": (write("rna.parquet", b"PAR1 no more"), {}, ["rna.parquet", "damaged Parquet"]),
    "damaged h5ad": (write("rna.h5ad", b"\x89HDF\r\n\x1a\n no more"), {}, ["rna.h5ad", "damaged"]),
    "semicolons": (rna(lambda text: text.replace(",", ";")), {}, ["rna.csv", "semicolons", "commas"]),
    "tabs in csv": (rna(lambda text: text.replace(",", "\t")), {}, ["rna.csv", "tabs", ".tsv"]),
    "tabs in clinical csv": (clinical(lambda text: text.replace(",", "\t")), {}, ["clinical.csv", "tabs"]),
    "short row": (rna(line(5, lambda row: row.rsplit(",", 2)[0])), {}, ["rna.csv", "different lengths", "row"]),
    "long row": (rna(line(5, lambda row: row + ",1,2")), {}, ["rna.csv", "different lengths"]),
    "long clinical row": (clinical(line(5, lambda row: row + ",x")), {}, ["clinical.csv", "different lengths"]),
    "duplicate id": (rna(line(3, lambda row: row.replace("S02", "S01"))), {}, ["rna.csv", "'S01' more than once"]),
    "missing id": (rna(line(3, lambda row: row.replace("S02", ""))), {}, ["rna.csv, row 3", "no sample id"]),
    "duplicate feature": (
        rna(line(0, lambda row: row.replace("GENE3", "GENE1"))), {}, ["rna.csv", "'GENE1'", "feature"],
    ),
    "nameless feature": (rna(line(0, lambda row: row.replace("GENE3", ""))), {}, ["rna.csv, column 5", "no name"]),
    "duplicate clinical id": (clinical(line(3, lambda row: row.replace("S02", "S01"))), {}, ["clinical.csv", "'S01'"]),
    "duplicate clinical column": (
        clinical(line(0, lambda row: row + ",age")), {}, ["clinical.csv", "'age' more than once"],
    ),
    "text in numbers": (cell("high"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "text: 'high'"]),
    "decimal comma": (cell("1,5"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "decimal comma", "decimal point"]),
    "infinite value": (cell(-np.inf), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "infinite", "logarithm"]),
    "number beyond 32 bits": (cell(1e300), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "infinite"]),
    "empty table": (
        frame(lambda table: table.__setitem__(slice(None), np.nan)), {}, ["rna.csv.gz", "no value at all"],
    ),
    "ids of another scheme": (
        rna(lambda text: re.sub(r"(?m)^S(\d\d)", r"patient-\1", text)), {},
        ["rna.csv", "'patient-00'", "'S00'", "clinical.csv"],
    ),
    "no clinical table": (no_clinical, {}, ["no clinical table", "cnv", "rna"]),
    "no modality": (only_clinical, {}, ["no table of a modality"]),
    "two tables of a modality": (lambda folder: (folder / "cnv.csv").touch(), {}, ["cnv.csv and cnv.tsv"]),
    "cBioPortal study": (lambda folder: (no_clinical(folder), (folder / "meta_study.txt").touch()), {}, ["cBioPortal"]),
    "modality with a space": (
        lambda folder: (folder / "cnv.tsv").rename(folder / "copy number.tsv"), {}, ["'copy number'"],
    ),
    "target absent": (None, {"target": "subtypes"}, ["clinical.csv, column 'subtypes'", "Did you mean 'subtype'"]),
    "group absent": (None, {"group": "patient"}, ["column 'patient'", "There are: 'subtype', 'age'"]),
    "modality absent": (None, {"modalities": "rna,cnvs"}, ["no modality 'cnvs'", "'cnv', 'rna'", "Did you mean 'cnv'"]),
    "modality twice": (None, {"modalities": "rna,rna"}, ["'rna' more than once"]),
    "derived_from absent": (None, {"derived_from": "RNA"}, ["derived_from", "Did you mean 'rna'"]),
    "class absent": (None, {"classes": "basal,Luminal"}, ["classes", "'Luminal'", "Did you mean 'luminal'"]),
    "class twice": (None, {"classes": "basal,basal"}, ["'basal' more than once"]),
    "one class": (
        clinical(lambda text: text.replace("luminal", "basal")), {}, ["'subtype'", "one class only ('basal')"],
    ),
    "one class asked for": (None, {"classes": "basal"}, ["one class only"]),
    "no label": (clinical(lambda text: text.replace("luminal", "").replace("basal", "NA")), {}, ["no label"]),
    "continuous target": (None, {"target": "age"}, ["'age'", "39 different values"]),
}  # fmt: skip


def refused(row, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError) as caught:
        ingest(row, out / "cohort.h5mu", out / "audit.json")
    assert list(out.iterdir()) == []
    error = caught.value
    assert all((error.where, error.found, error.expected, error.advice))
    assert error.advice.rstrip().endswith((".", "?"))
    return str(error)


@pytest.mark.parametrize("case", FOLDERS)
def test_bad_folder(tmp_path, case):
    spoil, columns, said = FOLDERS[case]
    folder = tmp_path / "cohort"
    write_folder(folder, make_tables())
    if spoil is not None:
        spoil(folder)
    message = refused(sheet_row(folder, **columns), tmp_path)
    for part in said:
        assert part in message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.h5mu", None, ["gone.h5mu", "no such file"]),
        ("gone", None, ["gone", "nothing there", "it starts at"]),
        ("bad.h5mu", b"\x89HDF\r\n\x1a\n no more", ["bad.h5mu", "damaged"]),
        ("text.h5mu", b"sample,a\n", ["text.h5mu", "damaged"]),
        ("one_table.csv", b"sample,a\n", ["another kind", "folder"]),
    ],
)
def test_bad_source(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    message = refused(sheet_row(tmp_path / name), tmp_path)
    for part in said:
        assert part in message


@pytest.mark.parametrize(
    ("source", "said"),
    [("demo:tcga-brac", "Did you mean 'tcga-brca'"), ("cbioportal:brca_tcga", "downloaded first")],
)
def test_bad_scheme(tmp_path, source, said):
    assert said in refused(sheet_row(source), tmp_path)


def test_a_mudata_file_cut_short(tmp_path):
    write_folder(tmp_path / "cohort", make_tables())
    ingest(sheet_row(tmp_path / "cohort"), tmp_path / "whole.h5mu", tmp_path / "audit.json")
    whole = (tmp_path / "whole.h5mu").read_bytes()
    for share in (0.2, 0.6, 0.99):
        (tmp_path / "cut.h5mu").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"cut\.h5mu: found a damaged"):
            read_cohort(tmp_path / "cut.h5mu")


def test_nothing_is_written_when_the_audit_fails(tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("interrupted")

    monkeypatch.setattr("cch_omics.io.sources.audit", fail)
    write_folder(tmp_path / "cohort", make_tables())
    with pytest.raises(RuntimeError):
        ingest(sheet_row(tmp_path / "cohort"), tmp_path / "cohort.h5mu", tmp_path / "audit.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cohort"]


def test_a_good_folder_is_not_refused(tmp_path):
    write_folder(tmp_path / "cohort", make_tables())
    ingest(sheet_row(tmp_path / "cohort"), tmp_path / "cohort.h5mu", tmp_path / "audit.json")


def test_a_new_table_of_an_unknown_format(tmp_path):
    (tmp_path / "new.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"unknown format \(\.xlsx\).*\.parquet"):
        read_matrix(tmp_path / "new.xlsx")
