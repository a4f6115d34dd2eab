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
from test_config import WRONG_CONFIGS, WRONG_SHEETS, WRONG_SOURCES
from test_student import DAMAGE, make_one
from test_student import make_cohort as student_cohort

import cch_omics
from cch_omics.cohort import Cohort
from cch_omics.config import IngestConfig, SheetRow, SplitsConfig, load_config, read_sheet, teachers_of_row
from cch_omics.data.mudata import read_cohort
from cch_omics.data.sources import ingest
from cch_omics.data.tables import read_matrix
from cch_omics.errors import InputError
from cch_omics.planning.sources import modalities_of
from cch_omics.splits import make_splits
from cch_omics.student.bundle import read_student, write_student
from cch_omics.student.predict import predict_file

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


def apart(folder: Path) -> None:
    """Only ten patients have both omics."""
    table = make_tables().rna
    table.iloc[:20].to_csv(folder / "rna.csv.gz")


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


def predicted(content: str, name: str = "new.csv") -> Callable[[], object]:
    def run() -> object:
        make_bundle(Path("cnv"))
        Path(name).write_text(content)
        return predict_file(Path("cnv"), Path(name), Path("out/predictions.tsv"))

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
    "a .gz that is not gzipped": (write("rna.csv.gz", "sample,a\nS01,1\n"), {}, ["rna.csv.gz", "damaged gzip"]),
    "a web page saved as a table": (write("rna.csv", HTML), {}, ["rna.csv", "HTML", "Download the file itself"]),
    "a pointer of Git LFS": (
        write("rna.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), {}, ["rna.csv", "git lfs pull"],
    ),
    "a spreadsheet renamed to .csv": (write("rna.csv", b"PK\x03\x04\x14\x00\xff\xfe"), {}, ["rna.csv", "UTF-8"]),
    "a table in UTF-16": (write("rna.csv", "sample,a\nS01,1\n".encode("utf-16")), {}, ["rna.csv", "UTF-8"]),
    "binary content": (write("rna.csv", b"sample,a\0\nS01,1\n"), {}, ["rna.csv", "binary"]),
    "a damaged Parquet file": (write("rna.parquet", b"PAR1 no more"), {}, ["rna.parquet", "damaged Parquet"]),
    "a damaged h5ad file": (write("rna.h5ad", b"\x89HDF\r\n\x1a\n no more"), {}, ["rna.h5ad", "damaged"]),
    "semicolons in .csv": (rna(lambda text: text.replace(",", ";")), {}, ["rna.csv", "semicolons", "commas"]),
    "tabs in .csv": (rna(lambda text: text.replace(",", "\t")), {}, ["rna.csv", "tabs", ".tsv"]),
    "one column": (rna(lambda text: "\n".join(row.split(",")[0] for row in text.splitlines())), {}, ["one column"]),
    "a short row": (rna(line(5, lambda row: row.rsplit(",", 2)[0])), {}, ["rna.csv", "different lengths", "row"]),
    "a long row": (rna(line(5, lambda row: row + ",1,2")), {}, ["rna.csv", "different lengths"]),
    "a sample twice": (rna(line(3, lambda row: row.replace("S02", "S01"))), {}, ["rna.csv", "'S01' more than once"]),
    "a row without an id": (rna(line(3, lambda row: row.replace("S02", ""))), {}, ["rna.csv, row 3", "no sample id"]),
    "a feature twice": (
        rna(line(0, lambda row: row.replace("GENE3", "GENE1"))), {}, ["rna.csv", "'GENE1'", "feature"],
    ),
    "a feature without a name": (
        rna(line(0, lambda row: row.replace("GENE3", ""))), {}, ["rna.csv, column 5", "no name"],
    ),
    "text among numbers": (cell("high"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "text: 'high'"]),
    "a decimal comma": (cell("1,5"), {}, ["rna.csv.gz", "'GENE1'", "'S02'", "decimal comma", "decimal point"]),
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
    "normal tissue only": (rna(normals), {}, ["rna.csv", "only rows left out", "normal tissue"]),
    "no table of a modality": (only_clinical, {}, ["no table of a modality"]),
    "two tables of a modality": (lambda folder: (folder / "cnv.csv").touch(), {}, ["cnv.csv and cnv.tsv"]),
    "a modality with a space": (
        lambda folder: (folder / "cnv.tsv").rename(folder / "copy number.tsv"), {}, ["'copy number'"],
    ),
}  # fmt: skip
CLINICAL = {
    "no clinical table": (lambda folder: (folder / "clinical.csv").unlink(), {}, ["no clinical table", "cnv", "rna"]),
    "a web page as clinical table": (write("clinical.csv", HTML), {}, ["clinical.csv", "HTML"]),
    "an empty clinical table": (write("clinical.csv", ""), {}, ["clinical.csv", "an empty file"]),
    "a clinical header and no rows": (clinical(lambda text: text.splitlines()[0]), {}, ["clinical.csv", "no rows"]),
    "tabs in clinical.csv": (clinical(lambda text: text.replace(",", "\t")), {}, ["clinical.csv", "tabs"]),
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
    "derived_from absent": (None, {"derived_from": "RNA"}, ["derived_from", "Did you mean 'rna'"]),
    "class absent": (None, {"classes": "basal,Luminal"}, ["classes", "'Luminal'", "Did you mean 'luminal'"]),
    "class twice": (None, {"classes": "basal,basal"}, ["'basal' more than once"]),
    "one class only": (
        clinical(lambda text: text.replace("luminal", "basal")), {}, ["'subtype'", "one class only ('basal')"],
    ),
    "one class asked for": (None, {"classes": "basal"}, ["one class only"]),
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
        dose("1,5"), {}, ["clinical.csv, column 'dose', row 'S03'", "decimal comma: '1,5'", "decimal point"],
    ),
    "numbers with a limit": (dose("<0.1"), {}, ["'dose', row 'S03'", "text: '<0.1'"]),
    "an infinite number": (dose("-inf"), {}, ["'dose', row 'S03'", "an infinite number", "logarithm"]),
    "a number beyond 32 bits": (dose("1e300"), {}, ["'dose', row 'S03'", "an infinite number"]),
    "a constant": (doses([2.5] * 39), {}, ["'dose'", "the number 2.5 for all 39 labelled samples", "constant"]),
    "too few numbers": (doses([*range(9), *[""] * 30]), {}, ["'dose'", "9 numbers", "at least 14", "fewer folds"]),
    "no number": (doses(["NA"] * 39), {}, ["'dose'", "no label of any sample"]),
    "classes of a number": (doses(range(39)), {"classes": "1,2"}, ["'classes' of the sheet", "2 classes", "empty"]),
    "text asked to be a number": (
        None, {"target": "subtype"}, ["'subtype', row 'S00'", "text: 'luminal'", "`classification`"],
    ),
    "a number asked to be a class": (
        None, {"target": "age", "task": "classification"},
        ["'age'", "39 different numbers among 39 labels", "`regression`"],
    ),
}  # fmt: skip
ROW_3 = ["clinical.csv", "row 'S03'"]
FOLLOW_UPS = {
    "a time that is text": (time("lost"), {}, [*ROW_3, "'os_time'", "text: 'lost'", "as a number"]),
    "a time with a limit": (time(">60"), {}, [*ROW_3, "text: '>60'"]),
    "a time with a decimal comma": (time("12,5"), {}, [*ROW_3, "decimal comma: '12,5'", "decimal point"]),
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
    "classes of a survival time": (follow_up(), {"classes": "0,1"}, ["'classes' of the sheet", "2 classes", "empty"]),
    "classes asked to be a survival time": (
        None, {"target": "subtype", "task": "survival"}, ["target 'subtype'", "no column 'subtype_time'"],
    ),
}  # fmt: skip
TEACHERS = {
    "a view of an unknown modality": ("rna+cnvs", ["column teachers", "'cnvs' in 'rna+cnvs'", "Did you mean 'cnv'"]),
    "a modality twice in a view": ("rna+rna", ["column teachers", "'rna' twice in 'rna+rna'"]),
    "a view twice": ("rna;rna", ["column teachers", "'rna' and 'rna', which are the same view"]),
    "a view twice, in another order": ("rna+cnv;cnv+rna", ["'rna+cnv' and 'cnv+rna', which are the same view"]),
    "an empty view": ("rna;", ["column teachers", "the view ''", "separated by ';'"]),
    "half a view": ("rna+", ["column teachers", "the view 'rna+'", "joined by '+'"]),
    "commas between views": ("rna,cnv", ["column teachers", "the view 'rna,cnv'", "separated by ';'"]),
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
    few = ("view 'rna+cnv'", "5 patients with subtype", "who have rna and cnv", "at least 7", "Leave the view out")
    add(section, "a view that too few patients have", spoilt(apart, {"teachers": "rna+cnv"}, {}), *few)

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
    for name, (lines, said) in WRONG_SHEETS.items():
        add("The sheet", name, sheet(lines), "cohorts.tsv", *said)
    for name, (source, modalities, said) in WRONG_SOURCES.items():
        add("Sources, when the work is planned", name, planned(source, modalities), *said)
    add("Sources, when the work is planned", "a download without modalities", planned("xena:BRCA", ""), "modalities")

    section = "Folds"
    add(section, "a class smaller than the folds", split(relabelled), "labels 'c'", "2 labelled patients", "at least")
    add(section, "more folds than patients of a class", split(lambda c: c, folds=40), "labels 'a'", "splits.folds = 40")
    add(section, "sites that are not known", split(lambda c: c, by_site=True), "splits.by_site", "90 of 90 samples")

    for name, (change, _) in DAMAGE.items():
        add("A student's folder", name, damaged(change), "cnv")
    section = "A new table for a student"
    genes = ",".join(f"cnv{j}" for j in range(7))
    add(section, "3% of the features", predicted("id,cnv1\nn1,0.5\n"), "new.csv", "1 of the student's 7 features")
    add(section, "features in other case", predicted(f"id,{genes.upper()}\nn1,1,2,3,4,5,6,7\n"), "upper and lower case")
    add(section, "an infinite value", predicted(f"id,{genes}\nn1,1,inf,3,4,5,6,7\n"), "new.csv", "'cnv1'", "'n1'")
    add(section, "text", predicted(f"id,{genes}\nn1,1,x,3,4,5,6,7\n"), "new.csv", "'cnv1'", "text: 'x'")
    add(section, "an unknown format", predicted("", "new.txt"), "new.txt", "unknown format")
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
