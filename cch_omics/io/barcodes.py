"""What a TCGA barcode says; ids of other schemes say nothing, and every sample is then its own patient.

The scheme is TCGA-SITE-PATIENT[-SAMPLE TYPE AND VIAL[-...]]
(https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/). Dots in place of dashes, as R writes column names, are
read too.
"""

import re
from typing import Literal

_BARCODE = re.compile(
    r"TCGA[-.](?P<site>\w{2})[-.](?P<patient>\w{4})(?:[-.](?P<type>\d{2})[A-Z]?(?:[-.].*)?)?", re.IGNORECASE
)

Level = Literal["sample", "patient"]


def patient(sample: str) -> str:
    """Return the patient of a sample: the first three fields of a TCGA barcode, the id itself otherwise."""
    match = _BARCODE.fullmatch(sample)
    return f"TCGA-{match['site']}-{match['patient']}".upper() if match else sample


def site(sample: str) -> str:
    """Return the tissue source site: the second field of a TCGA barcode, "" otherwise."""
    match = _BARCODE.fullmatch(sample)
    return match["site"].upper() if match else ""


def sample_type(sample: str) -> str:
    """Return the two digits of the sample type (01 primary tumour, 11 normal tissue), "" where the id has none."""
    match = _BARCODE.fullmatch(sample)
    return (match["type"] or "") if match else ""


def is_normal(sample: str) -> bool:
    """Whether a barcode is of normal tissue or blood: sample types 10 to 19."""
    return sample_type(sample).startswith("1")


def is_patient(sample: str) -> bool:
    """Whether an id is a TCGA barcode that stops at the patient."""
    match = _BARCODE.fullmatch(sample)
    return match is not None and match["type"] is None


def key(sample: str, level: Level = "sample") -> str:
    """Return what ids of different aliquots have in common: patient and sample type, or the patient alone."""
    kind = sample_type(sample)
    return patient(sample) if level == "patient" or not kind else f"{patient(sample)}-{kind}"
