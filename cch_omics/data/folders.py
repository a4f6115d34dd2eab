"""Folders of tables: one per modality, a study of cBioPortal, or matrices of UCSC Xena (https://xenabrowser.net).

See `cch_omics.planning.layout` for which file is which modality.
"""

from collections.abc import Collection
from pathlib import Path

from cch_omics.data.cbioportal import PATIENT, origin_of, read_clinical_tables, read_genes, read_mutations
from cch_omics.data.source import Source
from cch_omics.data.tables import read_clinical, read_matrix, read_xena_matrix
from cch_omics.errors import InputError, some
from cch_omics.planning.layout import TABLE_SUFFIXES, Layout, check_files, layout_of

# Columns of patients' ids in the hubs of TCGA and of the GDC.
_XENA_PATIENT = ("_PATIENT", "submitter_id", "case_submitter_id", "bcr_patient_barcode")
# By kind of folder: what is found, expected and advised where there is no table of a modality.
_NO_TABLE = {
    "tables": ("no table of a modality", f"MODALITY with one of {', '.join(TABLE_SUFFIXES)}", "Check the folder."),
    "cbioportal": (
        "a study without a table of a modality",
        "files such as data_mrna_seq_v2_rsem.txt, data_cna.txt, data_mutations.txt",
        "Download the whole study.",
    ),
    "xena": (
        "a clinical matrix of Xena and no matrix of a modality",
        "files such as HiSeqV2.gz or HumanMethylation450.gz",
        "Download them, or name them by modality (rna.tsv) with clinical.tsv.",
    ),
}


def read_folder(path: Path, modalities: Collection[str] = (), pattern: str = "") -> Source:
    """Read a folder of any kind that `layout_of` knows.

    Parameters
    ----------
    modalities
        Those that are wanted; none = all.
    pattern
        Of ids (`read_id`).

    Raises
    ------
    InputError
        When a table that is asked for, or the clinical table, is not there or cannot be read.
    """
    layout = layout_of(path)
    _check(path, layout)
    check_files(layout, modalities)
    wanted = {name: file for name, file in layout.tables.items() if not modalities or name in modalities}
    remarks = layout.not_read()
    conflicts: dict[str, str] = {}
    origin, patient_column = {}, ""
    if layout.kind == "cbioportal":
        clinical, conflicts = read_clinical_tables(layout.clinical)
        read = {
            name: read_mutations(file, layout.lists) if name == "mutation" else read_genes(file)
            for name, file in wanted.items()
        }
        matrices = {name: matrix for name, (matrix, _) in read.items()}
        remarks += [f"{name}: {sentence}" for name, (_, said) in read.items() for sentence in said]
        origin, patient_column = origin_of(path), PATIENT
    elif layout.kind == "xena":
        clinical = read_clinical(layout.clinical[0], "\t")
        matrices = {name: read_xena_matrix(file, clinical.index, pattern) for name, file in wanted.items()}
        origin = {"source": "UCSC Xena"}
        patient_column = next((name for name in _XENA_PATIENT if name in clinical.columns), "")
    else:
        clinical = read_clinical(layout.clinical[0])
        matrices = {name: read_matrix(file, samples=clinical.index, pattern=pattern) for name, file in wanted.items()}
    return Source(
        where=str(path),
        clinical=clinical,
        clinical_where=str(layout.clinical[0]),
        matrices=matrices,
        available=tuple(layout.tables),
        conflicts=conflicts,
        origin=origin,
        patient_column=patient_column,
        remarks=tuple(remarks),
    )


def _check(path: Path, layout: Layout) -> None:
    if not layout.clinical and layout.kind == "cbioportal":
        raise InputError(
            str(path),
            "a cBioPortal study without a clinical table",
            "data_clinical_sample.txt",
            "Download the whole study.",
        )
    if not layout.clinical:
        raise InputError(
            str(path),
            f"no clinical table (tables: {some(layout.tables)})",
            "clinical.csv or clinical.tsv beside one table per modality",
            " ".join(["Write one: first column the sample id, then the target.", *layout.not_read()]),
        )
    if not layout.tables:
        found, expected, advice = _NO_TABLE[layout.kind]
        raise InputError(str(path), found, expected, " ".join([advice, *layout.not_read()]))
