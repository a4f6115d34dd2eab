"""Every kind of bad input that is refused: one list, which makes both the tests and `docs/bad_inputs.md`.

    python tests/unit/bad_inputs.py > docs/bad_inputs.md

A case works in an empty folder of its own, the working directory: it writes files there, and reads them. What is
refused must leave the folder `out` as it was, empty.
"""

import gzip
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from cohort_files import make_mudata, make_tables, sheet_row, write_folder
from cohorts import make_cohort
from test_config import TWICE, WRONG_CONFIGS, WRONG_SHEETS, WRONG_SOURCES
from test_student import DAMAGE, OS, make_one
from test_student import make_cohort as student_cohort

import cch_omics
from cch_omics.cli.command import numbers
from cch_omics.cli.run import configurations, merged, workflow_root
from cch_omics.cohort import Cohort
from cch_omics.config import IngestConfig, SheetRow, SplitsConfig, load_config, read_sheet, teachers_of_row
from cch_omics.data.mudata import read_cohort
from cch_omics.data.sources import ingest
from cch_omics.data.tables import read_matrix
from cch_omics.errors import InputError
from cch_omics.planning.given_once import check_given_once
from cch_omics.planning.sources import modalities_of, validation_row
from cch_omics.report.power import plan
from cch_omics.splits import make_splits
from cch_omics.student.bundle import read_student, write_student
from cch_omics.student.explain import explained
from cch_omics.student.predict import predict_file
from cch_omics.student.validate import validate_file
from cch_omics.tasks.planned import planned_target

HTML = "<!DOCTYPE html>\n<html><body>404</body></html>"
FOLDER = Path("cohort")
Change = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A bad input: what it is, what is done in an empty folder, and parts of what has to be said."""

    section: str
    title: str
    run: Callable[[], object]
    said: tuple[str, ...]


# --- How a good input is spoilt ---------------------------------------------------------------------------------------


def ingested(row: SheetRow, **settings: object) -> None:
    ingest(row, "out/cohort.h5mu", "out/audit.json", IngestConfig(**settings))


def spoilt(change: Change | None, columns: Mapping[str, object], settings: Mapping[str, object]) -> Callable[[], None]:
    """Ingest of a good folder after a change to it."""

    def run() -> None:
        write_folder(FOLDER, make_tables())
        if change is not None:
            change(FOLDER)
        ingested(sheet_row(FOLDER, **columns), **settings)

    return run


def write(name: str, content: str | bytes) -> Change:
    def spoil(folder: Path) -> None:
        for old in folder.glob(name.split(".")[0] + ".*"):
            old.unlink()
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def in_place_of(name: str, make: Callable[[Path], object]) -> Change:
    """Put something else where a file was."""

    def spoil(folder: Path) -> None:
        write(name, "")(folder)
        (folder / name).unlink()
        make(folder / name)

    return spoil


def linked(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def long_table(*, numbered: bool) -> Change:
    """A row per sample and gene, with the numbers of the rows in front or not."""

    def spoil(folder: Path) -> None:
        table = make_tables().rna.reset_index().melt("sample", var_name="gene", value_name="value")
        (folder / "rna.csv.gz").unlink()
        table.to_csv(folder / "rna.csv", index=numbered)

    return spoil


def sparse(part: str, value: int) -> Change:
    """Give the RNA table as a sparse matrix, one of whose positions is another."""

    def spoil(folder: Path) -> None:
        import anndata
        import h5py
        from scipy.sparse import csr_matrix

        (folder / "rna.csv.gz").unlink()
        table = make_tables().rna.fillna(0)
        anndata.AnnData(csr_matrix(table), obs=table[[]], var=table.T[[]]).write_h5ad(folder / "rna.h5ad")
        with h5py.File(folder / "rna.h5ad", "r+") as file:
            file[f"X/{part}"][1] = value

    return spoil


def elsewhere(folder: Path) -> None:
    """The RNA table is in another file than it seems."""
    import h5py

    sparse("indices", 0)(folder)
    with h5py.File(folder / "rna.h5ad", "r+") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink("other.h5", "/X")


def parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def spoil(folder: Path) -> None:
        (folder / "rna.csv.gz").unlink()
        change(make_tables().rna).to_parquet(folder / "rna.parquet")

    return spoil


def rna(change: Callable[[str], str]) -> Change:
    """Spoil the RNA table as text."""

    def spoil(folder: Path) -> None:
        text = gzip.decompress((folder / "rna.csv.gz").read_bytes()).decode()
        (folder / "rna.csv.gz").unlink()
        (folder / "rna.csv").write_text(change(text))

    return spoil


def clinical(change: Callable[[str], str]) -> Change:
    def spoil(folder: Path) -> None:
        (folder / "clinical.csv").write_text(change((folder / "clinical.csv").read_text()))

    return spoil


def frame(change: Callable[[pd.DataFrame], object]) -> Change:
    """Spoil the RNA table as numbers."""

    def spoil(folder: Path) -> None:
        table = make_tables().rna
        change(table)
        table.to_csv(folder / "rna.csv.gz")

    return spoil


def cell(value: object) -> Change:
    def change(table: pd.DataFrame) -> None:
        table["GENE1"] = table["GENE1"].astype(object)
        table.iloc[2, 1] = value

    return frame(change)


def column(value: object) -> Change:
    """The same in all cells of a feature."""
    return frame(lambda table: table.__setitem__("GENE1", value))


def codes(value: float) -> Change:
    """A number in three samples, each time of another feature."""

    def change(table: pd.DataFrame) -> None:
        for row, feature in ((2, 1), (9, 3), (20, 5)):
            table.iloc[row, feature] = value

    return frame(change)


def calls(folder: Path, value: int) -> None:
    """A number in four samples of the copy number table."""
    table = make_tables().cnv
    table.iloc[[1, 5, 9, 13], 2] = value
    table.to_csv(folder / "cnv.tsv", sep="\t")


def ids(here: str, there: str) -> Change:
    """Sample ids of the RNA table, and those of the other tables."""

    def spoil(folder: Path) -> None:
        def renamed(form: str) -> Callable[[str], str]:
            return lambda text: re.sub(r"(?m)^S(\d\d)", lambda match: form.format(match[1]), text)

        rna(renamed(here))(folder)
        for name in ("clinical.csv", "cnv.tsv"):
            (folder / name).write_text(renamed(there)((folder / name).read_text()))

    return spoil


def missing(fraction: float) -> Change:
    def change(table: pd.DataFrame) -> None:
        table[np.random.default_rng(0).random(table.shape) < fraction] = np.nan

    return frame(change)


def line(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """Change one line of a text."""

    def apply(text: str) -> str:
        lines = text.splitlines()
        lines[number] = change(lines[number])
        return "\n".join(lines) + "\n"

    return apply


def doses(values: Iterable[object]) -> Change:
    """Give the 39 samples of the clinical table a number each."""

    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / "clinical.csv", index_col=0)
        table["dose"] = list(values)
        table.to_csv(folder / "clinical.csv")

    return spoil


def dose(bad: object) -> Change:
    """All good numbers but one."""
    return doses([number / 7 if number != 3 else bad for number in range(39)])


def of_one_class(folder: Path) -> None:
    """Each omics has patients of another class."""
    tables = make_tables()
    tables.rna.iloc[::2].to_csv(folder / "rna.csv.gz")
    tables.cnv.iloc[1::2].to_csv(folder / "cnv.tsv", sep="\t")


def follow_up(
    times: Iterable[object] = (), events: Iterable[object] = (), names: tuple[str, str] = ("os_time", "os_event")
) -> Change:
    """Give the 39 samples of the clinical table a time and an event each, good ones where none are given."""

    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / "clinical.csv", index_col=0)
        table[names[0]] = list(times) or [100 + 11 * number for number in range(39)]
        table[names[1]] = list(events) or [number % 2 for number in range(39)]
        table.to_csv(folder / "clinical.csv")

    return spoil


def time(bad: object) -> Change:
    """All good times but one."""
    return follow_up([bad if number == 3 else 100 + number for number in range(39)])


def event(bad: object, codes: str = "01") -> Change:
    """All good events but one."""
    return follow_up(events=[bad if number == 3 else codes[number % 2] for number in range(39)])


def truncated(folder: Path) -> None:
    file = folder / "rna.csv.gz"
    file.write_bytes(file.read_bytes()[:200])


def only_clinical(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name != "clinical.csv":
            file.unlink()


def normals(text: str) -> str:
    return re.sub(r"(?m)^S(\d\d)", r"TCGA-3C-AA\1-11A", text)


def h5mu(change: Callable[[Path], object] | None = None, **columns: object) -> Callable[[], None]:
    """Ingest of a MuData file, or of what a change makes of it."""

    def run() -> None:
        import mudata

        with mudata.set_options(pull_on_update=False):
            make_mudata(make_tables()).write("cohort.h5mu")
        if change is not None:
            change(Path("cohort.h5mu"))
        ingested(sheet_row("cohort.h5mu", **columns))

    return run


def mudata_with(change: Callable[[object], object]) -> Callable[[Path], None]:
    def rewrite(file: Path) -> None:
        import mudata

        with mudata.set_options(pull_on_update=False):
            mdata = make_mudata(make_tables())
            change(mdata)
            mdata.write(file)

    return rewrite


def contradiction(mdata: object) -> None:
    del mdata.obs["subtype"]
    for name, value in (("rna", "basal"), ("cnv", "luminal")):
        mdata[name].obs["subtype"] = value


def study(change: Change | None = None) -> Callable[[], None]:
    """Ingest of a small study of cBioPortal."""

    def run() -> None:
        FOLDER.mkdir()
        ids = [f"s{number}" for number in range(12)]
        (FOLDER / "data_clinical_sample.txt").write_text(
            "#names\n#descriptions\nPATIENT_ID\tSAMPLE_ID\tsubtype\n"
            + "".join(f"p{name}\t{name}\t{'ab'[number % 2]}\n" for number, name in enumerate(ids))
        )
        (FOLDER / "data_clinical_patient.txt").write_text(
            "PATIENT_ID\tSEX\n" + "".join(f"p{name}\tFemale\n" for name in ids)
        )
        (FOLDER / "data_cna.txt").write_text(
            "\t".join(["Hugo_Symbol", *ids]) + "\nMYC\t" + "\t".join("010201020102") + "\n"
        )
        (FOLDER / "data_mutations.txt").write_text(
            "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nTP53\tMissense_Mutation\ts1\n"
        )
        if change is not None:
            change(FOLDER)
        ingested(sheet_row(FOLDER))

    return run


def text(name: str, change: Callable[[str], str]) -> Change:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text()))


def xena(change: Change) -> Callable[[], None]:
    def run() -> None:
        FOLDER.mkdir()
        ids = [f"s{number}" for number in range(12)]
        (FOLDER / "X_clinicalMatrix").write_text(
            "sampleID\tsubtype\n" + "".join(f"{name}\t{'ab'[number % 2]}\n" for number, name in enumerate(ids))
        )
        (FOLDER / "HiSeqV2.gz").write_bytes(
            gzip.compress(("\t".join(["sample", *ids]) + "\nMYC\t" + "\t".join("010201020102") + "\n").encode())
        )
        change(FOLDER)
        ingested(sheet_row(FOLDER))

    return run


def sheet(lines: list[str]) -> Callable[[], object]:
    def run() -> object:
        Path("cohorts.tsv").write_text("\n".join(lines) + "\n")
        return read_sheet("cohorts.tsv")

    return run


def configured(content: str) -> Callable[[], object]:
    def run() -> object:
        Path("config.yaml").write_text(content)
        return check_given_once(["config.yaml"], [])

    return run


def planned(source: str, modalities: str) -> Callable[[], object]:
    def run() -> object:
        for file in ("table.csv", "fake.h5mu", "bare/rna.csv", "single/rna.csv", "single/clinical.csv"):
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text("sample,x\n")
        for file in ("twice/rna.csv", "twice/rna.tsv", "twice/clinical.tsv"):
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text("")
        return modalities_of(SheetRow(cohort="a", source=source, target="y", modalities=modalities))

    return run


def planned_folder(change: Change) -> Callable[[], object]:
    def run() -> object:
        write_folder(FOLDER, make_tables())
        change(FOLDER)
        return modalities_of(sheet_row(FOLDER))

    return run


def planned_teachers(cell: str) -> Callable[[], object]:
    def run() -> object:
        write_folder(FOLDER, make_tables())
        row = sheet_row(FOLDER, teachers=cell)
        return teachers_of_row(row, modalities_of(row))

    return run


def split(change: Callable[[Cohort], Cohort], **settings: object) -> Callable[[], object]:
    return lambda: make_splits(change(make_cohort()), SplitsConfig(**settings), seed=0)


def make_bundle(folder: Path) -> None:
    """A student of three classes on seven features, cnv0 to cnv6."""
    write_student(folder, make_one(student_cohort()))


def damaged(change: Change) -> Callable[[], object]:
    def run() -> object:
        folder = Path("students/cnv")
        folder.parent.mkdir()
        make_bundle(folder)
        change(folder)
        return read_student(folder)

    return run


def explained_by(table: str, folder: str = "cnv") -> Callable[[], object]:
    """A student beside a table of features."""

    def run() -> object:
        Path(folder).parent.mkdir(exist_ok=True)
        make_bundle(Path(folder))
        if table:
            Path("cnv/features.tsv").write_text(table)
        return explained(folder, 10)

    return run


def predicted(content: str, name: str = "new.csv", scale: str = "") -> Callable[[], object]:
    """Of a student of logarithms, or of what was made of a scale."""

    def run() -> object:
        cohort = student_cohort()
        if scale:
            modalities = {key: replace(each, scale=scale, made=True) for key, each in cohort.modalities.items()}
            cohort = replace(cohort, modalities=modalities)
        write_student(Path("cnv"), make_one(cohort))
        Path(name).write_text(content)
        return predict_file(Path("cnv"), Path(name), Path("out/predictions.tsv"))

    return run


def study_of(
    patients: int, labels: float = 1.0, classes: str = "", events: float | None = None, gain: float = 0.02
) -> Callable[[], object]:
    """The plan of a study that nobody has made yet."""
    return lambda: plan(*planned_target(numbers(classes, "--classes"), events), patients, labels, gain)


def validated(labels: str, name: str = "labels.csv", *, header: str = "", os: bool = False) -> Callable[[], object]:
    """A student of classes or times on three patients, whose table and labels lie in files."""

    def run() -> object:
        write_student("cnv", make_one(student_cohort(OS) if os else student_cohort()))
        names = header or ",".join(f"cnv{j}" for j in range(7))
        Path("new.csv").write_text(f"id,{names}\nn1,1,2,3,4,5,6,7\nn2,2,2,3,4,5,6,7\nn3,1,2,3,4,5,6,8\n")
        Path(name).write_text(labels)
        return validate_file("cnv", "new.csv", name)

    return run


def planned_validation(source: str) -> Callable[[], object]:
    def run() -> object:
        write_folder(FOLDER, make_tables())
        for file in ("other/protein.csv", "other/clinical.csv"):
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text("sample,x\n")
        return validation_row(sheet_row(FOLDER, validate=source))

    return run


def settings_file(text: str) -> Callable[[], object]:
    def run() -> object:
        Path("mine.yaml").write_text(text)
        return merged(configurations("mine.yaml", workflow_root()))

    return run


def cut_cohort() -> object:
    write_folder(FOLDER, make_tables())
    ingest(sheet_row(FOLDER), "whole.h5mu", "audit.json")
    Path("cut.h5mu").write_bytes(Path("whole.h5mu").read_bytes()[:-1000])
    return read_cohort("cut.h5mu")


def of_another_format() -> object:
    import mudata

    with mudata.set_options(pull_on_update=False):
        make_mudata(make_tables()).write("plain.h5mu")
    return read_cohort("plain.h5mu")


def unknown_format() -> object:
    Path("new.xlsx").write_bytes(b"PK")
    return read_matrix("new.xlsx")


def at_three_sites(cohort: Cohort) -> Cohort:
    return replace(cohort, sites=np.array(["A1", "B2", "C3"] * 30))


def relabelled(cohort: Cohort) -> Cohort:
    labels = np.where(cohort.target.values == 2, np.nan, cohort.target.values)
    labels[np.flatnonzero(np.isnan(labels))[:2]] = 2
    return replace(cohort, target=replace(cohort.target, values=labels))


# --- The list ---------------------------------------------------------------------------------------------------------

# What is done to a good folder, the sheet's columns, and parts of the message.
TABLES = {
    "an empty file": (write("rna.csv", ""), {}, ["rna.csv", "an empty file"]),
    "an empty gzip file": (write("rna.csv.gz", b""), {}, ["rna.csv.gz", "an empty file"]),
    "a header and no rows": (rna(lambda text: text.splitlines()[0] + "\n"), {}, ["rna.csv", "no rows"]),
    "a truncated gzip file": (truncated, {}, ["rna.csv.gz", "damaged gzip", "again"]),
    "a web page saved as a table": (write("rna.csv", HTML), {}, ["rna.csv", "HTML", "Download the file itself"]),
    "a pointer of Git LFS": (
        write("rna.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), {}, ["rna.csv", "git lfs pull"],
    ),
    "a spreadsheet renamed to .csv": (write("rna.csv", b"PK\x03\x04\x14\x00\xff\xfe"), {}, ["UTF-8", "xlsx"]),
    "a Parquet file renamed to .csv": (write("rna.csv", b"PAR1\x15\x04\x15"), {}, ["rna.csv", "a Parquet file"]),
    "an h5ad file renamed to .tsv": (write("rna.tsv", b"\x89HDF\r\n\x1a\n"), {}, ["rna.tsv", "an HDF5 file"]),
    "a gzipped PDF renamed to .csv": (write("rna.csv", gzip.compress(b"%PDF-1.7")), {}, ["rna.csv", "a PDF"]),
    "a table in UTF-16": (write("rna.csv", "sample,a\nS01,1\n".encode("utf-16")), {}, ["rna.csv", "text in UTF-16"]),
    "a table in Latin-1": (
        write("rna.csv", "sample,a\nS01,1\nSé2,2\n".encode("latin-1")), {}, ["rna.csv, line 3", "UTF-8", "Latin-1"],
    ),
    "binary content": (write("rna.csv", b"sample,a\0\nS01,1\n"), {}, ["rna.csv, line 1", "binary"]),
    "a NUL far below": (rna(line(30, lambda row: row + "\0")), {}, ["rna.csv, line 31", "binary"]),
    "a damaged Parquet file": (write("rna.parquet", b"PAR1 no more"), {}, ["rna.parquet", "damaged", "a Parquet file"]),
    "a damaged h5ad file": (write("rna.h5ad", b"\x89HDF\r\n\x1a\n no more"), {}, ["rna.h5ad", "damaged"]),
    "a sparse matrix whose indices lie outside": (sparse("indices", 999), {}, ["rna.h5ad, .X", "damaged csr matrix"]),
    "a sparse matrix whose rows have no end": (sparse("indptr", 999), {}, ["rna.h5ad, .X", "damaged csr matrix"]),
    "a matrix in another file": (elsewhere, {}, ["rna.h5ad, X", "a link to another file", "values in this file"]),
    "lists in a Parquet file": (parquet(lambda table: table.assign(GENE1=[[1.0]] * len(table))), {},
        ["rna.parquet, column 'GENE1'", "type list", "numbers"]),
    "dates in a Parquet file": (parquet(lambda table: table.assign(GENE1=pd.Timestamp("2019-01-05"))), {},
        ["rna.parquet, column 'GENE1'", "type timestamp"]),
    "a Parquet file that has lost its ids": (parquet(lambda table: table.reset_index(drop=True)), {},
        ["rna.parquet, index or first column", "no sample id"]),
    "semicolons in .csv": (rna(lambda text: text.replace(",", ";")), {}, ["rna.csv", "semicolons", "commas"]),
    "tabs in .csv": (rna(lambda text: text.replace(",", "\t")), {}, ["rna.csv", "tabs", ".tsv"]),
    "one column": (rna(lambda text: "\n".join(row.split(",")[0] for row in text.splitlines())), {}, ["one column"]),
    "a short row": (rna(line(5, lambda row: row.rsplit(",", 2)[0])), {}, ["rna.csv, line 6", "different lengths"]),
    "a long row": (rna(line(5, lambda row: row + ",1,2")), {}, ["rna.csv, line 6", "9 fields, 7 in the header"]),
    "an unclosed quotation mark": (
        rna(line(7, lambda row: row.replace(",", ',"', 1))), {}, ["rna.csv, line 8", "quotation mark"],
    ),
    "the header once more": (
        rna(lambda text: text + text.splitlines()[0] + "\n"), {}, ["rna.csv, row 41", "header once more", "'sample'"],
    ),
    "a column of row numbers": (
        frame(lambda table: table.insert(0, "Unnamed: 0", range(40))), {}, ["rna.csv.gz, column 2", "'Unnamed: 0'"],
    ),
    "row numbers before the ids": (
        rna(lambda text: "".join(f"{number},{row}\n" for number, row in enumerate(text.splitlines()))), {},
        ["column 'sample', row '1'", "text: 'S00'", "The first column has to hold the sample ids"],
    ),
    "a sample twice": (rna(line(3, lambda row: row.replace("S02", "S01"))), {}, ["rna.csv", "'S01' more than once"]),
    "a row without an id": (rna(line(3, lambda row: row.replace("S02", ""))), {}, ["rna.csv, row 3", "no sample id"]),
    "a feature without a name": (
        rna(line(0, lambda row: row.replace("GENE3", ""))), {}, ["rna.csv, column 5", "no name"],
    ),
    "text among numbers": (cell("high"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "text: 'high'"]),
    "a decimal comma": (cell("1,5"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "decimal comma", "decimal point"]),
    "separators of thousands": (cell("1,234.5"), {}, ["'GENE1'", "'S02'", "of thousands: '1,234.5'"]),
    "separators as in Python": (cell("1_000"), {}, ["'GENE1'", "'S02'", "text: '1_000'"]),
    "digits of another script": (cell("٣"), {}, ["'GENE1'", "'S02'", "text: '٣'"]),
    "a percent sign": (cell("5%"), {}, ["'GENE1'", "'S02'", "text: '5%'", "percent signs"]),
    "a unit": (cell("5 mg"), {}, ["'GENE1'", "'S02'", "text: '5 mg'", "units"]),
    "a hexadecimal number": (cell("0x1F"), {}, ["'GENE1'", "'S02'", "text: '0x1F'"]),
    "a complex number": (cell("1+2j"), {}, ["'GENE1'", "'S02'", "text: '1+2j'"]),
    "a column of dates": (column("2019-01-05"), {}, ["'GENE1'", "'S00'", "text: '2019-01-05", "40 such", "dates"]),
    "a column of times": (column("12:30"), {}, ["'GENE1'", "'S00'", "text: '12:30", "40 such"]),
    "a code for missing values": (
        codes(-9999), {}, ["rna.csv.gz, column 'GENE1', row 'S02'", "-9999 (3 such)", "between -2.8282", "empty"],
    ),
    "the smallest integer": (cell(-(2**63)), {}, ["'GENE1'", "'S02'", "the number -9.22337e+18 (1 such)", "empty"]),
    "the largest 32-bit number": (cell(3.4028235e38), {}, ["'GENE1'", "'S02'", "the number 3.40282e+38"]),
    "nines among classes of copy number": (
        lambda folder: calls(folder, 99), {}, ["cnv.tsv", "the number 99 (4 such)", "between -2 and 2"],
    ),
    "a date among numbers": (cell("2019-01-05"), {}, ["'GENE1'", "'S02'", "'2019-01-05'"]),
    "a gene that a spreadsheet made a number": (cell("1.234.567"), {}, ["'GENE1'", "'1.234.567'"]),
    "minus infinity": (cell(-np.inf), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "infinite", "logarithm"]),
    "a number beyond 32 bits": (cell(1e300), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "infinite"]),
    "no value at all": (
        frame(lambda table: table.__setitem__(slice(None), np.nan)), {}, ["rna.csv.gz", "no value at all"],
    ),
    "five sixths missing": (
        frame(lambda table: table.__setitem__(table.columns[1:], np.nan)), {},
        ["rna.csv.gz", "83% of the values missing", "max_missing_modality"],
    ),
    "every feature mostly missing": (missing(0.7), {}, ["rna.csv.gz", "no feature", "max_missing_feature"]),
    "ids of another scheme": (
        rna(lambda text: re.sub(r"(?m)^S(\d\d)", r"patient-\1", text)), {},
        ["rna.csv", "'patient-00'", "'S00'", "clinical.csv"],
    ),
    "ids of two Unicode forms": (
        ids("Zo\u00eb{}", "Zoe\u0308{}"), {},
        ["rna.csv", "looks like", "cnv.tsv", "U+00EB LATIN SMALL LETTER E WITH", "U+0308 COMBINING DIAERESIS"],
    ),
    "ids with an invisible character": (ids("S{}", "S\u200b{}"), {}, ["nothing against U+200B ZERO WIDTH SPACE"]),
    "ids with a byte order mark": (ids("S{}", "\ufeffS{}"), {}, ["nothing against U+FEFF ZERO WIDTH NO-BREAK SPACE"]),
    "ids with another space": (ids("S {}", "S\u00a0{}"), {}, ["U+0020 SPACE against U+00A0 NO-BREAK SPACE"]),
    "ids with another dash": (ids("S-{}", "S\u2013{}"), {}, ["U+002D HYPHEN-MINUS against U+2013 EN DASH"]),
    "ids in another case": (ids("PT{}", "pt{}"), {}, ["rna.csv", "but for their case", "'PT00'", "'pt00'"]),
    "ids with a letter of another script": (
        ids("S{}", "\u0405{}"), {}, ["rna.csv", "no id in common", "U+0405 CYRILLIC CAPITAL LETTER DZE"],
    ),
    "normal tissue only": (rna(normals), {}, ["rna.csv", "only rows left out", "normal tissue"]),
    "no table of a modality": (only_clinical, {}, ["no table of a modality"]),
    "two tables of a modality": (lambda folder: (folder / "cnv.csv").touch(), {}, ["cnv.csv and cnv.tsv"]),
    "two tables that differ in upper and lower case": (
        lambda folder: (folder / "CNV.csv").touch(), {}, ["CNV.csv and cnv.tsv", "one table per modality"],
    ),
    "a link to a table that is gone": (
        in_place_of("rna.csv", linked("/scratch/gone/rna.csv")), {}, ["rna.csv", "'/scratch/gone/rna.csv'", "nowhere"],
    ),
    "a link to itself": (in_place_of("rna.csv", linked("rna.csv")), {}, ["rna.csv", "a link to 'rna.csv'"]),
    "a folder called rna.csv": (in_place_of("rna.csv", Path.mkdir), {}, ["rna.csv", "a folder", "a file with content"]),
    "a pipe": (in_place_of("rna.csv", os.mkfifo), {}, ["rna.csv", "a pipe"]),
    "a device": (in_place_of("rna.csv", linked("/dev/zero")), {}, ["rna.csv", "a device"]),
    "a long table": (long_table(numbered=False), {}, ["rna.csv", "a long table", "240 rows", "'gene'", "pivot"]),
    "a long table with row numbers": (long_table(numbered=True), {}, ["rna.csv", "a long table", "'sample'", "pivot"]),
    "a modality with a space": (
        lambda folder: (folder / "cnv.tsv").rename(folder / "copy number.tsv"), {}, ["'copy number'"],
    ),
}  # fmt: skip
CLINICAL = {
    "no clinical table": (lambda folder: (folder / "clinical.csv").unlink(), {}, ["no clinical table", "cnv", "rna"]),
    "a clinical table of another format": (
        lambda folder: (folder / "clinical.csv").rename(folder / "clinical.xlsx"), {},
        ["no clinical table", "clinical.csv or clinical.tsv", "clinical.xlsx was not read"],
    ),
    "two clinical tables": (
        lambda folder: (folder / "Clinical.tsv").touch(), {}, ["Clinical.tsv and clinical.csv", "one clinical table"],
    ),
    "a link to a clinical table that is gone": (
        in_place_of("clinical.csv", linked("/gone/clinical.csv")), {}, ["a link to '/gone/clinical.csv'", "nowhere"],
    ),
    "a pipe as clinical table": (in_place_of("clinical.csv", os.mkfifo), {}, ["clinical.csv", "a pipe"]),
    "a web page as clinical table": (write("clinical.csv", HTML), {}, ["clinical.csv", "HTML"]),
    "an empty clinical table": (write("clinical.csv", ""), {}, ["clinical.csv", "an empty file"]),
    "a clinical header and no rows": (clinical(lambda text: text.splitlines()[0]), {}, ["clinical.csv", "no rows"]),
    "tabs in clinical.csv": (clinical(lambda text: text.replace(",", "\t")), {}, ["clinical.csv", "tabs"]),
    "a short clinical row": (
        clinical(line(5, lambda row: row.split(",")[0])), {}, ["clinical.csv, line 6", "1 fields, 3 in the header"],
    ),
    "an unclosed clinical quotation mark": (
        clinical(line(5, lambda row: row.replace(",", ',"', 1))), {}, ["clinical.csv, line 6", "quotation mark"],
    ),
    "a clinical header once more": (
        clinical(lambda text: text + text.splitlines()[0] + "\n"), {}, ["clinical.csv, row 40", "header once more"],
    ),
    "a clinical table in Latin-1": (
        lambda folder: write("clinical.csv", "sample,subtype\nS01,a\nS02,\u00e9\n".encode("latin-1"))(folder), {},
        ["clinical.csv, line 3", "UTF-8"],
    ),
    "a long clinical row": (clinical(line(5, lambda row: row + ",x")), {}, ["clinical.csv", "different lengths"]),
    "a clinical id twice": (clinical(line(3, lambda row: row.replace("S02", "S01"))), {}, ["clinical.csv", "'S01'"]),
    "a clinical row without an id": (
        clinical(line(3, lambda row: row.replace("S02", ""))), {}, ["clinical.csv, row 3", "no sample id"],
    ),
    "a clinical column twice": (
        clinical(line(0, lambda row: row + ",age")), {}, ["clinical.csv", "'age' more than once"],
    ),
    "target absent": (None, {"target": "subtypes"}, ["clinical.csv, column 'subtypes'", "Did you mean 'subtype'"]),
    "group absent": (None, {"group": "patient"}, ["column 'patient'", "There are: 'subtype', 'age'"]),
    "modality absent": (None, {"modalities": "rna,cnvs"}, ["no modality 'cnvs'", "'cnv', 'rna'", "Did you mean 'cnv'"]),
    "modality twice": (None, {"modalities": "rna,rna"}, ["'rna' more than once"]),
    "a scale of an absent modality": (
        None, {"scale": "protein=counts"}, ["`scale`", "the modality 'protein'", "one of cnv, rna"],
    ),
    "counts with a fraction": (
        frame(lambda table: table.update(table.abs())), {"scale": "rna=counts"},
        ["rna.csv.gz, column 'GENE0', row 'S00'", "in a table of counts", "whole numbers from 0", "`continuous` for"],
    ),
    "counts below zero": (None, {"scale": "cnv=counts"}, ["cnv.tsv", "in a table of counts", "whole numbers from 0"]),
    "beta values beyond 0 and 1": (
        None, {"scale": "rna=beta"}, ["rna.csv.gz", "in a table of beta", "numbers from 0 to 1", "`continuous` for"],
    ),
    "derived_from absent": (None, {"derived_from": "RNA"}, ["derived_from", "Did you mean 'rna'"]),
    "class absent": (None, {"classes": "basal,Luminal"}, ["classes", "'Luminal'", "Did you mean 'luminal'"]),
    "class twice": (None, {"classes": "basal,basal"}, ["'basal' more than once"]),
    "one class only": (
        clinical(lambda text: text.replace("luminal", "basal")), {}, ["'subtype'", "one class only ('basal')"],
    ),
    "one class asked for": (None, {"classes": "basal"}, ["one class only"]),
    "one class beside a code for missing values": (
        clinical(lambda text: text.replace("basal", "[Not Available]")), {},
        ["one class only ('luminal')", "treated as missing: '[Not Available]' (18)"],
    ),
    "classes that differ by case": (
        clinical(line(3, lambda row: row.replace("luminal", "Luminal "))), {},
        ["'subtype'", "look alike: 'Luminal' (1), 'luminal' (18)", "one way of writing", "`classes`"],
    ),
    "classes of two Unicode forms": (
        clinical(lambda text: text.replace("luminal", "lum\u00e9").replace("lum\u00e9", "lume\u0301", 5)), {},
        ["'subtype'", "look alike", "U+0301 COMBINING ACUTE ACCENT"],
    ),
    "classes with another space": (
        clinical(lambda text: text.replace("luminal", "luminal a").replace("luminal a", "luminal\u00a0a", 4)), {},
        ["look alike: 'luminal a' (15), 'luminal\\xa0a' (4)", "U+00A0 NO-BREAK SPACE"],
    ),
    "a listed class of another Unicode form": (
        clinical(lambda text: text.replace("luminal", "lume\u0301")), {"classes": "basal,lum\u00e9"},
        ["no sample of class", "looks the same and differs", "U+00E9 LATIN SMALL LETTER E WITH ACUTE"],
    ),
    "no label": (clinical(lambda text: text.replace("luminal", "").replace("basal", "NA")), {}, ["no label"]),
    "values that are no classes": (
        clinical(lambda text: re.sub(r"(?m)^(S\d\d),\w*,", r"\1,of \1,", text)), {},
        ["'subtype'", "39 different values", "column of classes"],
    ),
}  # fmt: skip
# The target is a number, `dose`, unless the row says otherwise.
NUMBERS = {
    "text among numbers": (dose("high"), {}, ["clinical.csv, column 'dose', row 'S03'", "text: 'high'", "empty"]),
    "a decimal comma": (
        dose("1,5"), {}, ["clinical.csv, column 'dose', row 'S03'", "decimal comma", "'1,5'", "decimal point"],
    ),
    "separators of thousands": (dose("1,234"), {}, ["'dose', row 'S03'", "of thousands: '1,234'"]),
    "separators as in Python": (dose("1_000"), {}, ["'dose', row 'S03'", "text: '1_000'"]),
    "digits of another script": (dose("٣"), {}, ["'dose', row 'S03'", "text: '٣'"]),
    "a percent sign": (dose("5%"), {}, ["'dose', row 'S03'", "text: '5%'"]),
    "a date": (dose("2019-01-05"), {}, ["'dose', row 'S03'", "text: '2019-01-05'"]),
    "a code for missing numbers": (
        doses([-999, -999, -999, *range(36)]), {},
        ["column 'dose', row 'S00'", "the number -999 (3 such)", "between 0 and 35", "log scale"],
    ),
    "numbers with a limit": (dose("<0.1"), {}, ["'dose', row 'S03'", "text: '<0.1'"]),
    "an infinite number": (dose("-inf"), {}, ["'dose', row 'S03'", "an infinite number", "logarithm"]),
    "a number beyond 32 bits": (dose("1e300"), {}, ["'dose', row 'S03'", "an infinite number"]),
    "a constant": (doses([2.5] * 39), {}, ["'dose'", "the number 2.5 for all 39 labelled samples", "constant"]),
    "too few numbers": (doses([*range(9), *[""] * 30]), {}, ["'dose'", "9 numbers", "at least 14", "fewer folds"]),
    "no number": (doses(["NA"] * 39), {}, ["'dose'", "no label of any sample"]),
    "classes of a number": (doses(range(39)), {"classes": "1,2"}, ["`classes`", "2 classes", "expected nothing"]),
    "a number without a logarithm": (
        doses([0.5] * 20 + [0, -1] + [2.0] * 17), {"transform": "log"},
        ["'dose', `transform`", "2 numbers at or below zero", "rows 'S20', 'S21'", "`rank_normal`"],
    ),
    "a transform of classes": (
        None, {"target": "subtype", "task": "", "transform": "log"},
        ["'subtype', `transform`", "'log' beside the task 'classification'", "expected nothing"],
    ),
    "text asked to be a number": (
        None, {"target": "subtype"}, ["'subtype', row 'S00'", "text: 'luminal'", "`classification`"],
    ),
    "a number with its unit": (dose("12 mg"), {}, ["'dose', row 'S03'", "text: '12 mg'", "Correct it"]),
    "booleans as numbers": (doses([True, False, True] * 13), {}, ["'dose', row 'S00'", "'True'", "`classification`"]),
    "a complex number": (dose("1+2j"), {}, ["'dose', row 'S03'", "text: '1+2j'"]),
    "a fraction": (dose("1/2"), {}, ["'dose', row 'S03'", "text: '1/2'"]),
    "numbers of European spreadsheets": (
        doses([f"{number},5" for number in range(39)]), {}, ["'dose', row 'S00'", "decimal comma", "39 such"],
    ),
    "numbers with blanks between thousands": (dose("1 234"), {}, ["'dose', row 'S03'", "text: '1 234'"]),
    "an hexadecimal number": (dose("0x1F"), {}, ["'dose', row 'S03'", "text: '0x1F'"]),
    "an interval": (dose("1-5"), {}, ["'dose', row 'S03'", "text: '1-5'"]),
    "times as numbers": (dose("12:30:00"), {}, ["'dose', row 'S03'", "text: '12:30:00'"]),
    "lengths of time of pandas": (dose("365 days 00:00:00"), {}, ["'dose', row 'S03'", "text: '365 days"]),
    "a constant but for some": (
        doses([2.5] * 36 + [1, 2, 3]), {},
        ["'dose'", "the number 2.5 for 36 of 39 labelled samples", "numbers that differ, of 7 samples at least"],
    ),
    "a lone code of nines": (
        doses([-99, *(number - 19 for number in range(38))]), {},
        ["'dose', row 'S00'", "the number -99 (1 such)", "between -19 and 18"],
    ),
    "a lone 999 among ages": (
        doses([999, *(number + 40 for number in range(38))]), {}, ["'dose', row 'S00'", "the number 999 (1 such)"],
    ),
    "the smallest integer": (doses([-(2**31), *range(38)]), {}, ["'dose', row 'S00'", "the number -2.14748e+09"]),
    "a number asked to be a class": (
        None, {"target": "age", "task": "classification"},
        ["'age'", "39 different numbers among 39 labels", "`regression`"],
    ),
}  # fmt: skip
ROW_3 = ["clinical.csv", "row 'S03'"]
FOLLOW_UPS = {
    "a time that is text": (time("lost"), {}, [*ROW_3, "'os_time'", "text: 'lost'", "as a number"]),
    "a time with a limit": (time(">60"), {}, [*ROW_3, "text: '>60'"]),
    "a time with a decimal comma": (time("12,5"), {}, [*ROW_3, "a decimal comma, or one", "decimal point"]),
    "a time with its unit": (time("12 months"), {}, [*ROW_3, "text: '12 months'"]),
    "an infinite time": (time("inf"), {}, [*ROW_3, "an infinite time", "last contact"]),
    "a date": (time("2019-01-05"), {}, [*ROW_3, "a date: '2019-01-05'", "date of diagnosis"]),
    "a date of another country": (time("05.01.2019"), {}, [*ROW_3, "a date: '05.01.2019'"]),
    "a date with slashes": (time("1/5/19"), {}, [*ROW_3, "a date: '1/5/19'"]),
    "many negative times": (
        follow_up([number - 9.5 for number in range(39)]), {},
        ["'os_time'", "10 of 39 times that are not above zero", "-9.5 of S00", "another day"],
    ),
    "many times of zero": (follow_up([number % 5 for number in range(39)]), {}, ["'os_time'", "8 of 39", "0 of S00"]),
    "equal times": (follow_up([365] * 39), {}, ["'os_time'", "the time 365 for all 39 samples"]),
    "no time": (follow_up(["NA"] * 39), {}, ["os_time", "no follow-up of any sample"]),
    "times and events of different samples": (
        follow_up([*range(1, 20), *[""] * 20], [*[""] * 19, *[0, 1] * 10]), {}, ["no follow-up of any sample"],
    ),
    "all censored": (follow_up(events=[0] * 39), {}, ["'os_event'", "no event of any of 39 samples", "censored"]),
    "all alive": (follow_up(events=["alive"] * 39), {}, ["'os_event'", "no event of any of 39 samples"]),
    "fewer events than folds need": (
        follow_up(events=[1] * 6 + [0] * 33), {}, ["'os_event'", "6 events", "at least 7", "fewer folds"],
    ),
    "three kinds of events": (event("2"), {}, [*ROW_3, "'os_event'", "'2' among '0', '1', '2'", "count the others"]),
    "an event in words nobody knows": (event("perhaps"), {}, [*ROW_3, "'perhaps'", "1 for an event and 0 for none"]),
    "a number of events": (event("7"), {}, [*ROW_3, "'7'"]),
    "a cause of death": (event("other cause"), {}, [*ROW_3, "'other cause'", "keep one"]),
    "no column of events": (
        follow_up(names=("os_time", "dead")), {"task": "survival"},
        ["clinical.csv", "target 'os' of the task survival", "no column 'os_event'", "and 'os_event', or 'os_MONTHS'"],
    ),
    "a column in place of the prefix": (
        follow_up(), {"target": "os_time", "task": "survival"},
        ["no column 'os_time_time' or 'os_time_event'", "Write the target as 'os'"],
    ),
    "classes of a survival time": (follow_up(), {"classes": "0,1"}, ["`classes`", "2 classes", "expected nothing"]),
    "columns in each other's place": (
        follow_up([number % 2 for number in range(39)], range(100, 139)), {},
        ["'os_time'", "codes of events in place of times: '0', '1'", "'os_event'", "swapped"],
    ),
    "columns in each other's place, in words": (
        follow_up(["alive", "dead", "dead"] * 13, range(100, 139)), {}, ["'os_time'", "'alive', 'dead'", "swapped"],
    ),
    "events of 1 and 2 as times": (follow_up([1, 2, 2] * 13), {}, ["'os_time'", "in place of times: '1', '2'"]),
    "booleans as times": (follow_up([True, False, True] * 13), {}, ["'os_time'", "codes of events in place of times"]),
    "times as events": (follow_up(events=range(100, 139)), {}, ["'os_event'", "'100' among", "1 for an event"]),
    "a code for missing times": (
        follow_up([99999, 99999, 99999, *range(100, 136)]), {},
        ["'os_time', row 'S00'", "the number 99999 (3 such)", "between 100 and 135"],
    ),
    "a lone code for a missing time": (time("9999"), {}, ["'os_time', row 'S03'", "the number 9999 (1 such)"]),
    "dates as whole numbers": (
        follow_up([20190100 + number for number in range(39)]), {},
        ["'os_time'", "a median time of 20190119", "years even if these are days", "Are these dates"],
    ),
    "dates as a spreadsheet counts them": (
        follow_up([43400 + 30 * number for number in range(39)]), {}, ["a median time of 43970, 120 years"],
    ),
    "years of death": (time("2019-05"), {}, [*ROW_3, "text: '2019-05'", "as a number"]),
    "a date and a time of day": (time("2019-01-05 00:00:00"), {}, [*ROW_3, "a date: '2019-01-05 00:00:00'"]),
    "a length of time of pandas": (time("365 days 00:00:00"), {}, [*ROW_3, "text: '365 days 00:00:00'"]),
    "times on a log scale": (
        follow_up([number / 10 - 1 for number in range(39)]), {}, ["11 of 39 times that are not above", "log scale"],
    ),
    "all events at the end of the study": (
        follow_up([*range(100, 119), *[120] * 20], [0] * 19 + [1] * 20), {},
        ["'os_time'", "'os_event'", "all 20 events at 120, the longest time of all"],
    ),
    "events and their absence in place of each other, all alive": (
        follow_up(events=["0:LIVING"] * 39), {}, ["'os_event'", "no event of any of 39 samples"],
    ),
    "codes of events beyond 1": (event("2:OTHER"), {}, [*ROW_3, "'os_event'", "'2:OTHER'", "count the others"]),
    "a share as an event": (event("0.5"), {}, [*ROW_3, "'os_event'", "'0.5'"]),
    "a negative code of an event": (event("-1"), {}, [*ROW_3, "'os_event'", "'-1'"]),
    "no column of times": (
        follow_up(names=("days", "os_event")), {"task": "survival"}, ["target 'os'", "no column 'os_time'"],
    ),
    "half of a pair of cBioPortal": (
        follow_up(names=("OS_MONTHS", "DFS_STATUS")), {"target": "OS", "task": "survival"},
        ["target 'OS' of the task survival", "'OS_MONTHS' and 'OS_STATUS'"],
    ),
    "half of a pair of Xena": (
        follow_up(names=("OS.time", "PFI")), {"target": "OS", "task": "survival"},
        ["target 'OS' of the task survival", "'OS.time' and 'OS'"],
    ),
    "a logarithm of a survival time": (
        follow_up(), {"task": "survival", "transform": "log"}, ["`transform`", "'log'", "expected nothing"],
    ),
    "classes asked to be a survival time": (
        None, {"target": "subtype", "task": "survival"}, ["target 'subtype'", "no column 'subtype_time'"],
    ),
}  # fmt: skip
TEACHERS = {
    "a view of an unknown modality": ("rna+cnvs", ["`teachers`", "'cnvs' in 'rna+cnvs'", "Did you mean 'cnv'"]),
    "a modality twice in a view": ("rna+rna", ["`teachers`", "'rna' twice in 'rna+rna'"]),
    "a view twice": ("rna;rna", ["`teachers`", "'rna' and 'rna', which are the same view"]),
    "a view twice, in another order": ("rna+cnv;cnv+rna", ["'rna+cnv' and 'cnv+rna', which are the same view"]),
    "an empty view": ("rna;", ["`teachers`", "the view ''", "separated by ';'"]),
    "half a view": ("rna+", ["`teachers`", "the view 'rna+'", "joined by '+'"]),
    "commas between views": ("rna,cnv", ["`teachers`", "the view 'rna,cnv'", "separated by ';'"]),
}
PATTERN = "a pattern that matches no id"


def _cases() -> list[Case]:
    cases = []

    def add(section: str, title: str, run: Callable[[], object], *said: str) -> None:
        cases.append(Case(section, title, run, said))

    for section, listed in (("Tables of a folder", TABLES), ("Clinical table and row of the sheet", CLINICAL)):
        for title, (change, columns, said) in listed.items():
            add(section, title, spoilt(change, columns, {}), *said)
    add(section, PATTERN, spoilt(None, {}, {"patient_pattern": "(?P<patient>X.*)"}), "patient_pattern", "none", "'S10'")

    for title, (change, columns, said) in NUMBERS.items():
        row = {"target": "dose", "task": "regression", **columns}
        add("A number as target", title, spoilt(change, row, {}), *said)
    for title, (change, columns, said) in FOLLOW_UPS.items():
        add("A survival time as target", title, spoilt(change, {"target": "os", **columns}, {}), *said)
    section = "The sheet's column `teachers`"
    for title, (cell, said) in TEACHERS.items():
        add(section, title, planned_teachers(cell), *said)
    add(section, "a view of an unknown modality, when read", spoilt(None, {"teachers": "rna+cnvs"}, {}), "'cnvs'")

    section = "MuData and other sources"
    add(section, "no such file", lambda: ingested(sheet_row("gone.h5mu")), "gone.h5mu", "no such file")
    add(section, "no such folder", lambda: ingested(sheet_row("gone")), "gone", "nothing there", "it starts at")
    add(
        section,
        "a corrupt h5mu",
        h5mu(lambda file: file.write_bytes(b"\x89HDF\r\n\x1a\n no")),
        "cohort.h5mu",
        "damaged",
    )
    add(section, "text called .h5mu", h5mu(lambda file: file.write_bytes(b"sample,a\n")), "cohort.h5mu", "damaged")
    add(section, "a h5mu cut short", cut_cohort, "cut.h5mu", "damaged")
    add(section, "target absent from .obs", h5mu(target="subtypes"), ".obs", "'subtypes'", "Did you mean 'subtype'")
    add(section, "modality absent from .mod", h5mu(modalities="rna,cnvs"), "'cnvs'", "Did you mean 'cnv'")
    add(
        section,
        "modalities that contradict each other about the target",
        h5mu(mudata_with(contradiction)),
        "contradict",
    )
    add(section, "an infinite value in .X", h5mu(mudata_with(lambda m: m["rna"].X.__setitem__((2, 1), np.inf))),
        ".mod['rna']", "'GENE1'", "'S02'", "infinite")  # fmt: skip
    add(
        section,
        "a MuData file where a cohort is expected",
        of_another_format,
        "plain.h5mu",
        "no cohort of this package",
    )
    add(section, "a table as source", lambda: (Path("t.csv").touch(), ingested(sheet_row("t.csv"))), "another kind")
    add(section, "a table of an unknown format", unknown_format, "unknown format (.xlsx)", ".parquet")
    add(section, "an unknown demo", lambda: ingested(sheet_row("demo:tcga-brac")), "Did you mean 'tcga-brca'")
    add(section, "an unknown simulated cohort", lambda: ingested(sheet_row("simulated:x")), "complementary")
    add(section, "a study that was not downloaded", lambda: ingested(sheet_row("cbioportal:brca")), "downloaded first")

    section = "Studies of cBioPortal and matrices of Xena"
    sample, patient = "data_clinical_sample.txt", "data_clinical_patient.txt"
    add(section, "no table of samples", study(lambda f: ((f / "meta_study.txt").touch(), (f / sample).unlink(),
        (f / patient).unlink())), "cBioPortal", sample)  # fmt: skip
    add(section, "no SAMPLE_ID", study(text(sample, lambda t: t.replace("SAMPLE_ID", "SAMPLE"))), "SAMPLE_ID", sample)
    add(section, "a sample twice", study(text(sample, lambda t: t.replace("\ts2\t", "\ts1\t"))), "'s1' more than once")
    add(section, "a patient twice", study(text(patient, lambda t: t.replace("ps2", "ps1"))), "'ps1' more than once")
    add(section, "tables that contradict each other about the target",
        study(text(patient, lambda t: t.replace("SEX", "subtype"))), "contradict", "'s0'")  # fmt: skip
    add(
        section,
        "no column of genes",
        study(text("data_cna.txt", lambda t: t.replace("Hugo_Symbol", "X"))),
        "Hugo_Symbol",
    )
    add(section, "text among copy numbers", study(text("data_cna.txt", lambda t: t.replace("MYC\t0", "MYC\tgain"))),
        "data_cna.txt", "'s0'", "line 2", "'gain'")  # fmt: skip
    no_barcode = text("data_mutations.txt", lambda t: t.replace("Tumor_Sample_", ""))
    add(section, "no sample column of mutations", study(no_barcode), "Tumor_Sample_Barcode")
    add(section, "silent mutations only", study(text("data_mutations.txt", lambda t: t.replace("Missense_Mutation",
        "Silent"))), "data_mutations.txt", "no mutation that changes a protein")  # fmt: skip
    add(section, "a study without data", study(lambda f: [file.unlink() for file in f.glob("data_[!c]*")]
        and (f / "data_cna.txt").unlink()), "a study without a table")  # fmt: skip
    add(section, "a long table of copy numbers only", study(lambda f: ((f / "data_mutations.txt").unlink(),
        (f / "data_cna.txt").write_text("Hugo_Symbol\tSample_Id\tValue\nMYC\ts1\t2\n"))),
        "a study without a table", "data_cna.txt was not read: a long table")  # fmt: skip
    named = "genetic_alteration_type: MRNA_EXPRESSION\ndata_filename: data_rna.txt\n"
    add(section, "a table that is named by a meta file and not there",
        study(lambda f: (f / "meta_rna.txt").write_text(named)), "data_rna.txt", "no such file")  # fmt: skip
    add(section, "a link to a list of sequenced samples that is gone", study(lambda f: ((f / "case_lists").mkdir(),
        linked("/gone")(f / "case_lists" / "cases_sequenced.txt"))), "cases_sequenced.txt", "'/gone'")  # fmt: skip
    add(section, "a Xena matrix of other samples", xena(text("X_clinicalMatrix", lambda t: t.replace("\ns", "\nq"))),
        "HiSeqV2.gz", "no id in common with", "'s0', 's1'", "'q0'")  # fmt: skip
    add(section, "a Xena matrix cut short", xena(lambda f: (f / "HiSeqV2.gz").write_bytes(
        (f / "HiSeqV2.gz").read_bytes()[:40])), "HiSeqV2.gz", "damaged gzip")  # fmt: skip
    add(section, "no Xena matrix", xena(lambda f: (f / "HiSeqV2.gz").unlink()), "no matrix of a modality")

    for name, (mapping, said) in WRONG_CONFIGS.items():
        add("Configuration", name, lambda mapping=mapping: load_config(mapping), *said)
    for title, key, value, said in (
        ("a pattern that is no regular expression", "patient_pattern", "(", "regular expression"),
        ("a pattern without a patient", "patient_pattern", "S.*", "?P<patient>"),
        ("a threshold in percent", "max_missing_feature", 50, "less than 1"),
    ):
        wrong = {"cohorts": "x", "ingest": {key: value}}
        add("Configuration", title, lambda wrong=wrong: load_config(wrong), f"key ingest.{key}", said)
    for name, (content, key) in TWICE.items():
        add("Configuration", f"{name} given twice", configured(content), "config.yaml", key, "second time")
    for name, (lines, said) in WRONG_SHEETS.items():
        add("The sheet", name, sheet(lines), "cohorts.tsv", *said)
    for name, (source, modalities, said) in WRONG_SOURCES.items():
        add("Sources, when the work is planned", name, planned(source, modalities), *said)
    for name, (change, said) in {
        "a link to a table that is gone": (in_place_of("cnv.tsv", linked("/gone/cnv.tsv")), ["cnv.tsv", "nowhere"]),
        "a pipe as clinical table": (in_place_of("clinical.csv", os.mkfifo), ["clinical.csv", "a pipe"]),
        "an empty table": (in_place_of("cnv.tsv", Path.touch), ["cnv.tsv", "an empty file"]),
        "a workbook in place of a table": (
            lambda folder: (folder / "cnv.tsv").rename(folder / "cnv.xlsx"),
            ["1 modalities (rna)", "at least two", "cnv.xlsx was not read: a table ends in"],
        ),
    }.items():
        add("Sources, when the work is planned", name, planned_folder(change), *said)
    add("Sources, when the work is planned", "a download without modalities", planned("xena:BRCA", ""), "modalities")

    section = "Folds"
    add(section, "a class smaller than the folds", split(relabelled), "labels 'c'", "2 labelled patients", "at least")
    add(section, "more folds than patients of a class", split(lambda c: c, folds=40), "labels 'a'", "splits.folds = 40")
    few = (
        "rna is left out: fewer than 7 patients with rna and subtype 'basal' (0)",
        "cnv is left out",
        "use fewer folds",
    )
    add(section, "omics of one class each", spoilt(of_one_class, {}, {}), *few)
    add(
        section,
        "fewer sites than folds",
        split(at_three_sites, by_site=True),
        "splits.by_site",
        "3 tissue source sites",
    )
    said = ("label_budget", "0.10% of", "a budget near", "inner folds")
    add(
        section,
        "a label budget that the folds more than double",
        split(lambda c: replace(c, label_budget=0.001)),
        *said,
    )
    add(section, "sites that are not known", split(lambda c: c, by_site=True), "splits.by_site", "90 of 90 samples")

    for name, (change, _) in DAMAGE.items():
        add("A student's folder", name, damaged(change), "cnv")
    head = "feature\tclass\tweight_taught\tweight_alone\tchange\n"
    add(section := "A student's features", "no table of them", explained_by(""), "cnv/features.tsv", "no such file")
    add(section, "that of one of two models", explained_by(head, "cnv/alone"), "cnv/alone", "folder of one model")
    add(section, "text for a weight", explained_by(f"{head}cnv0\tA\tx\t1\t0\n"), "cnv/features.tsv", "'x'")
    add(section, "no weights", explained_by("feature\nERBB2\n"), "cnv/features.tsv", "no column class, weight_taught")
    section = "A new table for a student"
    genes = ",".join(f"cnv{j}" for j in range(7))
    add(section, "3% of the features", predicted("id,cnv1\nn1,0.5\n"), "new.csv", "1 of the student's 7 features")
    add(section, "features in other case", predicted(f"id,{genes.upper()}\nn1,1,2,3,4,5,6,7\n"), "upper and lower case")
    add(section, "an infinite value", predicted(f"id,{genes}\nn1,1,inf,3,4,5,6,7\n"), "new.csv", "'cnv1'", "'n1'")
    for title, scale, wrong in (("logarithms for counts", "counts", 2.5), ("M-values for beta values", "beta", -2.5)):
        table = f"id,{genes}\nn1,1,{wrong},0,0,0,1,1\n"
        add(
            section,
            title,
            predicted(table, scale=scale),
            "'cnv1'",
            "'n1'",
            f"in a table of {scale}",
            "The student learnt",
        )
    add(section, "text", predicted(f"id,{genes}\nn1,1,x,3,4,5,6,7\n"), "new.csv", "'cnv1'", "text: 'x'")
    add(section, "an unknown format", predicted("x", "new.txt"), "new.txt", "unknown format")
    section = "The plan of a study (`cch power`)"
    add(section, "shares that do not add up", study_of(400, classes="0.5,0.4"), "--classes", "0.5,0.4", "add up to 1")
    add(section, "names of classes", study_of(400, classes="Positive,Negative"), "--classes", "0.7,0.3")
    add(section, "classes and events", study_of(400, classes="0.5,0.5", events=0.3), "--events", "leave one out")
    add(section, "a number of events", study_of(400, events=120), "--events", "120", "the share of patients")
    add(section, "a number of labels", study_of(400, 60), "--labels", "60", "0.15")
    add(section, "fewer labels than folds", study_of(100, 0.1, "0.7,0.3"), "--patients", "3 labels", "at least 7")
    add(section, "a gain in points", study_of(400, gain=2), "--gain", "0.02 is 2 points")

    section = "Other patients, on whom a student is validated"
    good = "id,subtype\nn1,A\nn2,B\nn3,B\n"
    classes = "labels.csv, column 'subtype'"
    add(section, "classes in other case", validated(good.lower()), classes, "'a', which looks like the class 'A'")
    add(section, "no class that the student knows", validated("id,subtype\nn1,1\nn2,0\n"), classes, "'1' (1)", "'C'")
    add(section, "no column of labels", validated(good.replace("subtype", "group")), "'subtype'", "no such column")
    add(section, "labels of an unknown format", validated(good, "labels.xlsx"), "labels.xlsx", "(.xlsx)", ".h5ad")
    add(section, "other ids", validated(good.replace("n", "q")), "new.csv", "no id in common with labels.csv")
    add(section, "one patient with a label", validated("id,subtype\nn1,A\nn2,\n"), "labels.csv", "one patient")
    add(
        section, "no feature of the student", validated(good, header="a,b,c,d,e,f,g"), "new.csv", "0 of the student's 7"
    )
    add(
        section,
        "features in other case",
        validated(good, header="CNV0,CNV1,CNV2,CNV3,CNV4,CNV5,CNV6"),
        "upper and lower",
    )
    days = "id,subtype_time,subtype_event\nn1,400,1\nn2,900,0\nn3,950,1\n"
    add(section, "times in another unit", validated(days, os=True), "labels.csv, column 'subtype_time'",
        "seem to be days", "months, as in the training", "subtype_months_time")  # fmt: skip
    add(section, "times without events", validated("id,subtype_time\nn1,4\nn2,9\n", os=True), "'subtype_event'")
    add(section, "a source that is not there", planned_validation("nowhere"), "column validate", "'nowhere'")
    add(section, "a source of other omics", planned_validation("other"), "column validate", "protein", "cnv, rna")
    section = "Settings of `cch run`"
    add(section, "no such file", lambda: configurations("qick", workflow_root()), "--configfile", "'qick'", "quick")
    add(section, "no YAML", settings_file("a: [1"), "mine.yaml", "no YAML")
    add(section, "a list", settings_file("- 1"), "mine.yaml", "no keys")
    return cases


CASES = _cases()


# --- Running a case, and the page -------------------------------------------------------------------------------------


def message(case: Case, folder: Path) -> InputError:
    """What is said about a case, which works in an empty folder."""
    before = Path.cwd()
    (folder / "out").mkdir()
    os.chdir(folder)
    try:
        case.run()
    except InputError as error:
        return error
    finally:
        os.chdir(before)
        left = sorted(path.name for path in (folder / "out").iterdir())
        if left:
            raise AssertionError(f"{case.title}: wrote {left}")
    raise AssertionError(f"{case.title}: was not refused")


def page() -> str:
    """Markdown: a table per section."""
    lines = [
        "# Bad input",
        "",
        f"What is refused, and what is said then: {len(CASES)} cases. A message names file, row or column or key; what",
        "was found; what was expected; what to do. Nothing is written. Each case is a test",
        "(`tests/unit/test_bad_inputs.py`), and this page is made from the list of the tests:",
        "`python tests/unit/bad_inputs.py > docs/bad_inputs.md`.",
    ]
    section = ""
    for case in CASES:
        if case.section != section:
            section = case.section
            lines += ["", f"## {section}", "", "| input | message |", "|---|---|"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            said = _shown(str(message(case, folder)), folder)
        if case.section in {"Configuration", "The sheet"}:
            # What there is grows; the page need not.
            said = re.sub(r"\b(among|columns|one of) ('?\w+'?, [^.;]*|'\w+')(?=[.;])", r"\1 [...]", said)
        lines.append(f"| {case.title} | {said} |")
    return "\n".join(lines) + "\n"


def _shown(said: str, folder: Path) -> str:
    """A message without what differs between machines: folders, and what other libraries say."""
    said = said.replace(f"{folder}/", "").replace(str(folder), "the working directory")
    said = re.sub(r"(damaged [^(;]*|different lengths|no HDF5 file|not JSON) \([^;]*\)(?=;)", r"\1 (...)", said)
    said = re.sub(r"\(\w+Error: [^;]*\)(?=;)", "(...)", said)
    said = re.sub(
        r"\d+ bytes with SHA-256 [0-9a-f.]+; expected SHA-256 [0-9a-f.]+", "other bytes; expected those", said
    )
    said = said.replace(f"cch_omics {cch_omics.__version__}", "cch_omics")
    said = " ".join(said.split())
    return said.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(page())
