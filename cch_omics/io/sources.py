"""From a row of the cohort sheet to a checked cohort on disk."""

import os
import tempfile
from pathlib import Path

from cch_omics.audit import audit
from cch_omics.config import SheetRow
from cch_omics.errors import InputError
from cch_omics.io.assemble import assemble, requested
from cch_omics.io.files import write_json
from cch_omics.io.mudata import from_mudata, read_mudata, write_cohort
from cch_omics.io.source import Source
from cch_omics.io.tables import read_folder

SUPPORTED = "a .h5mu file, a folder of tables, demo:NAME or simulated:NAME"


def ingest(row: SheetRow, cohort_file: str | os.PathLike[str], audit_file: str | os.PathLike[str]) -> None:
    """Read a row's source, check it, and write the cohort (`.h5mu`) and its audit (JSON).

    Raises
    ------
    InputError
        When the source or the row cannot be used; nothing is written then.
    """
    cohort, notes = assemble(read_source(row), row)
    content = audit(cohort, notes)
    write_cohort(cohort, cohort_file)
    write_json(content, audit_file)


def read_source(row: SheetRow) -> Source:
    """Read the modalities that a row asks for, and all clinical columns, of any kind of source.

    A relative path starts at the working directory.
    """
    kind, _, name = row.source.partition(":")
    modalities = requested(row)
    if kind == "simulated":
        from cch_omics.simulation import simulate

        return from_mudata(simulate(name), row.source, modalities)
    if kind == "demo":
        from cch_omics.io.demo import download_demo

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.h5mu"
            download_demo(name, file)
            return from_mudata(read_mudata(file), row.source, modalities)
    path = Path(row.source)
    if path.is_dir():
        return read_folder(path, modalities)
    if path.suffix.lower() == ".h5mu":
        return from_mudata(read_mudata(path), row.source, modalities)
    if not path.exists():
        raise InputError(
            f"source {row.source!r} of cohort {row.cohort!r}",
            f"an unknown kind {kind!r}" if name else "nothing there",
            SUPPORTED,
            f"Check the path; it starts at {Path.cwd()}.",
        )
    raise InputError(
        f"source {row.source!r} of cohort {row.cohort!r}",
        "a file of another kind",
        SUPPORTED,
        "Put tables into a folder, one per modality, with clinical.csv; studies of cBioPortal and matrices of "
        "UCSC Xena have to be converted to such a folder.",
    )
