"""Folders of UCSC Xena's matrices (https://xenabrowser.net): features in rows, and a clinical matrix by `sampleID`.

See `cch_omics.planning.layout` for which file is which modality.
"""

from collections.abc import Collection
from pathlib import Path

from cch_omics.data import barcodes
from cch_omics.data.source import Source
from cch_omics.data.tables import read_clinical, read_xena_matrix
from cch_omics.errors import InputError
from cch_omics.planning.layout import layout_of

# Columns of patients' ids in the hubs of TCGA and of the GDC.
_PATIENT = ("_PATIENT", "submitter_id", "case_submitter_id", "bcr_patient_barcode")


def read_xena(path: Path, modalities: Collection[str] = (), scheme: barcodes.Scheme = barcodes.TCGA) -> Source:
    """Read a folder with one Xena matrix per modality and a clinical matrix.

    Raises
    ------
    InputError
        When a table that is asked for cannot be read.
    """
    layout = layout_of(path)
    if not layout.tables:
        raise InputError(
            str(path),
            "a clinical matrix of Xena and no matrix of a modality",
            "files such as HiSeqV2.gz or HumanMethylation450.gz",
            "Download them, or name them by modality (rna.tsv) with clinical.tsv.",
        )
    clinical = read_clinical(layout.clinical[0], delimiter="\t")
    matrices = {
        modality: read_xena_matrix(file, clinical.index, scheme)
        for modality, file in layout.tables.items()
        if not modalities or modality in modalities
    }
    return Source(
        str(path),
        clinical,
        str(layout.clinical[0]),
        matrices,
        tuple(layout.tables),
        {},
        {"source": "UCSC Xena"},
        next((name for name in _PATIENT if name in clinical.columns), ""),
        tuple(f"{name} was not read: {why}." for name, why in layout.unused.items()),
    )
