"""Barcodes: patient, site and sample type, from any level and in R's spelling."""

import pytest

from cch_omics.data import barcodes
from cch_omics.data.barcodes import TCGA

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
    assert TCGA.patient(name) == patient
    assert TCGA.site(name) == site
    parts = TCGA.parts(name)
    assert (parts.sample if parts else "") == kind
    assert TCGA.key(name) == key
    assert TCGA.key(name, "patient") == patient


def test_normal_tissue_and_patients_are_told_apart():
    assert [TCGA.is_normal(f"TCGA-3C-AAAU-{kind}A") for kind in ("01", "06", "10", "11", "20")] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert TCGA.is_patient("TCGA-3C-AAAU")
    assert not TCGA.is_patient(ALIQUOT)
    assert not TCGA.is_patient("P001")


CPTAC = barcodes.Scheme(r"(?P<patient>C3[LN]-\d{5})(-(?P<sample>\d{2}))?(\.\d)?(?P<normal>-N)?")


@pytest.mark.parametrize(
    ("name", "patient", "key", "normal", "stops"),
    [
        ("C3L-00001-02.1", "C3L-00001", "C3L-00001-02", False, False),
        ("C3L-00001-02.2-N", "C3L-00001", "C3L-00001-02", True, False),
        ("C3N-00009", "C3N-00009", "C3N-00009", False, True),
        ("TCGA-3C-AAAU-11A", "TCGA-3C-AAAU-11A", "TCGA-3C-AAAU-11A", False, False),
    ],
)
def test_another_scheme(name, patient, key, normal, stops):
    assert CPTAC.patient(name) == patient
    assert CPTAC.key(name) == key
    assert CPTAC.key(name, "patient") == patient
    assert CPTAC.is_normal(name) is normal
    assert CPTAC.is_patient(name) is stops
    assert CPTAC.site(name) == ""


def test_without_a_sample_group_the_whole_id_tells_samples_apart():
    scheme = barcodes.Scheme(r"(?P<site>\w)(?P<patient>\d+)[ab]")
    assert [scheme.key("x12a"), scheme.patient("x12a"), scheme.site("x12a")] == ["x12a", "12", "x"]
