"""From a row of the cohort sheet to a checked cohort on disk."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cch_omics.cohort import Cohort
from cch_omics.config import IngestConfig, SheetRow, SplitsConfig, comma_list
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.cbioportal import read_clinical_tables
from cch_omics.data.folders import read_folder
from cch_omics.data.hdf5 import samples_of_h5mu
from cch_omics.data.mudata import from_mudata, read_h5mu, write_cohort
from cch_omics.data.source import Source
from cch_omics.data.tables import read_clinical
from cch_omics.errors import InputError
from cch_omics.planning.layout import layout_of
from cch_omics.runtime.apart import read_apart
from cch_omics.runtime.files import check_file, in_the_way
from cch_omics.runtime.formats import write_json

SUPPORTED = "a .h5mu file, a folder of tables, a study of cBioPortal, a folder of Xena, demo:NAME or simulated:NAME"
_DEFAULTS = IngestConfig()
_DEFAULT_SPLITS = SplitsConfig()


def ingest(
    row: SheetRow,
    cohort_file: str | os.PathLike[str],
    audit_file: str | os.PathLike[str],
    settings: IngestConfig = _DEFAULTS,
    splits: SplitsConfig = _DEFAULT_SPLITS,
    *,
    first: Callable[[Cohort], object] = lambda cohort: None,
) -> dict[str, Any]:
    """Read a row's source, check it, and write the cohort (`.h5mu`) and its audit (JSON), which is returned.

    `first` gets the cohort before anything is written, and may refuse it too.

    Raises
    ------
    InputError
        When the source or the row cannot be used; nothing is written then.
    """
    cohort, notes = assemble(read_source(row, settings), row, settings, splits)
    content = audit(cohort, notes, splits)
    first(cohort)
    write_cohort(cohort, cohort_file)
    write_json(content, audit_file)
    return content


def read_source(row: SheetRow, settings: IngestConfig = _DEFAULTS) -> Source:
    """Read the modalities that a row asks for, and all clinical columns, of any kind of source.

    A relative path starts at the working directory.
    """
    kind, _, name = row.source.partition(":")
    modalities = comma_list(row.modalities)
    if kind == "simulated":
        from cch_omics.data.simulate import simulate

        return from_mudata(simulate(name), row.source, modalities)
    if kind == "demo":
        from cch_omics.data.demo import download_demo

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.h5mu"
            download_demo(name, file)
            return read_h5mu(file, row.source, modalities)
    path = Path(row.source)
    if os.path.isdir(path):
        return read_folder(path, modalities, settings.patient_pattern)
    if path.suffix.lower() == ".h5mu":
        return read_h5mu(path, row.source, modalities)
    if kind in {"cbioportal", "xena"} and name:
        raise InputError(
            f"source {row.source!r} of cohort {row.cohort!r}",
            "a source that has to be downloaded first",
            "the folder that it was downloaded into",
            f"Run `cch download {row.source} --modalities ... --output FOLDER`, as the workflow does.",
        )
    if in_the_way(path) == "no such file":
        raise InputError(
            f"source {row.source!r} of cohort {row.cohort!r}",
            f"an unknown kind {kind!r}" if name else "nothing there",
            SUPPORTED,
            f"Check the path; it starts at {Path.cwd()}.",
        )
    if not os.path.isfile(path):
        check_file(path)
    raise InputError(
        f"source {row.source!r} of cohort {row.cohort!r}",
        "a file of another kind",
        SUPPORTED,
        "Put tables into a folder, one per modality, with clinical.csv.",
    )


def samples_of(source: str) -> int:
    """Samples that a source lists, without reading its tables of numbers; 0 of one that has to be downloaded first."""
    kind, _, name = source.partition(":")
    if kind == "simulated":
        from cch_omics.data.simulate.cohorts import SIMULATED

        return SIMULATED[name].n
    if kind == "demo":
        from cch_omics.data.demo import SAMPLES

        return SAMPLES[name]
    path = Path(source)
    if os.path.isdir(path):
        layout = layout_of(path)
        if layout.kind == "cbioportal":
            return len(read_clinical_tables(layout.clinical)[0])
        return len(read_clinical(layout.clinical[0], "\t" if layout.kind == "xena" else ""))
    return read_apart(path, lambda: samples_of_h5mu(path), "a MuData file (.h5mu)") if path.is_file() else 0
