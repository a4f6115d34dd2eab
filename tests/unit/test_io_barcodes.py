"""Barcodes: patient, site and sample type, from any level and in R's spelling."""

import pytest

from cch_omics.data.barcodes import Id, read_id

ALIQUOT = "TCGA-3C-AAAU-01A-11R-A41B-07"


@pytest.mark.parametrize(
    ("name", "patient", "sample", "site"),
    [
        ("TCGA-3C-AAAU", "TCGA-3C-AAAU", "TCGA-3C-AAAU", "3C"),
        ("TCGA-3C-AAAU-01", "TCGA-3C-AAAU", "TCGA-3C-AAAU-01", "3C"),
        (ALIQUOT, "TCGA-3C-AAAU", "TCGA-3C-AAAU-01", "3C"),
        ("tcga.3c.aaau.01A", "TCGA-3C-AAAU", "TCGA-3C-AAAU-01", "3C"),
        ("BRCA-C0001", "BRCA-C0001", "BRCA-C0001", ""),
        ("TCGA-notes", "TCGA-notes", "TCGA-notes", ""),
    ],
)
def test_barcodes(name, patient, sample, site):
    assert read_id(name) == Id(patient, sample, site, known=bool(site))


def test_normal_tissue_is_told_by_its_type():
    assert [read_id(f"TCGA-3C-AAAU-{kind}A").normal for kind in ("01", "06", "10", "11", "20")] == [
        False, False, True, True, False,
    ]  # fmt: skip


CPTAC = r"(?P<patient>C3[LN]-\d{5})(-(?P<sample>\d{2}))?(\.\d)?(?P<normal>-N)?"


@pytest.mark.parametrize(
    ("name", "patient", "sample", "normal", "known"),
    [
        ("C3L-00001-02.1", "C3L-00001", "C3L-00001-02", False, True),
        ("C3L-00001-02.2-N", "C3L-00001", "C3L-00001-02", True, True),
        ("C3N-00009", "C3N-00009", "C3N-00009", False, True),
        ("TCGA-3C-AAAU-11A", "TCGA-3C-AAAU-11A", "TCGA-3C-AAAU-11A", False, False),
    ],
)
def test_another_scheme(name, patient, sample, normal, known):
    assert read_id(name, CPTAC) == Id(patient, sample, "", normal, known)


def test_without_a_sample_group_the_whole_id_tells_samples_apart():
    assert read_id("x12a", r"(?P<site>\w)(?P<patient>\d+)[ab]") == Id("12", "x12a", "x")
