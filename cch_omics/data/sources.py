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
from cch_omics.data.folders import read_folder
from cch_omics.data.mudata import from_mudata, read_h5mu, write_cohort
from cch_omics.data.source import Source
from cch_omics.errors import InputError
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
