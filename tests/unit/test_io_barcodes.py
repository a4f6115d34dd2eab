"""Barcodes: patient, site and sample type, from any level and in R's spelling."""

import pytest

from cch_omics.io import barcodes

ALIQUOT = "TCGA-3C-AAAU-01A-11R-A41B-07"


@pytest.mark.parametrize(
    ("name", "patient", "site", "kind", "key"),
    [
        ("TCGA-3C-AAAU", "TCGA-3C-AAAU", "3C", "", "TCGA-3C-AAAU"),
        ("TCGA-3C-AAAU-01", "TCGA-3C-AAAU", "3C", "01", "TCGA-3C-AAAU-01"),
        (ALIQUOT, "TCGA-3C-AAAU", "3C", "01", "TCGA-3C-AAAU-01"),
        ("TCGA.3C.AAAU.11B", "TCGA-3C-AAAU", "3C", "11", "TCGA-3C-AAAU-11"),
        ("BRCA-C0001", "BRCA-C0001", "", "", "BRCA-C0001"),
        ("TCGA-notes", "TCGA-notes", "", "", "TCGA-notes"),
    ],
)
def test_fields(name, patient, site, kind, key):
    assert barcodes.patient(name) == patient
    assert barcodes.site(name) == site
    assert barcodes.sample_type(name) == kind
    assert barcodes.key(name) == key
    assert barcodes.key(name, "patient") == patient


def test_normal_tissue_and_patients_are_told_apart():
    assert [barcodes.is_normal(f"TCGA-3C-AAAU-{kind}A") for kind in ("01", "06", "10", "11", "20")] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert barcodes.is_patient("TCGA-3C-AAAU")
    assert not barcodes.is_patient(ALIQUOT)
    assert not barcodes.is_patient("P001")
