"""What a sample's id says: of a TCGA barcode, or of another scheme that a regular expression describes.

TCGA's scheme is TCGA-SITE-PATIENT[-SAMPLE TYPE AND VIAL[-...]]
(https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/). Dots in place of dashes, as R writes column names, are
read too. Ids that do not match say nothing, and every sample is then its own patient.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_BARCODE = re.compile(
    r"TCGA[-.](?P<site>\w{2})[-.](?P<patient>\w{4})(?:[-.](?P<type>\d{2})[A-Z]?(?:[-.].*)?)?", re.IGNORECASE
)


class Id(NamedTuple):
    """What an id says.

    Attributes
    ----------
    patient
        The id itself where it is of another scheme.
    sample
        What the ids of different aliquots of a sample have in common; the patient, where the id stops there.
    site
        Tissue source site, "" where unknown.
    normal
        Whether it is of normal tissue or blood: in TCGA the sample types 10 to 19.
    known
        Whether it is of the scheme.
    """

    patient: str
    sample: str
    site: str = ""
    normal: bool = False
    known: bool = True


@lru_cache(maxsize=1 << 16)
def read_id(name: str, pattern: str = "") -> Id:
    """Read an id.

    Parameters
    ----------
    pattern
        Regular expression that a whole id matches, with the named group `patient`, and perhaps `sample` (what tells the
        samples of a patient apart, without what tells aliquots of one sample apart), `site`, and `normal` (anything in
        it means normal tissue). Without a group `sample`, the whole id tells samples apart. "" = TCGA barcodes.
    """
    match = (re.compile(pattern) if pattern else _BARCODE).fullmatch(name)
    if match is None:
        return Id(name, name, known=False)
    said = {group: value or "" for group, value in match.groupdict().items()}
    site, kind = said.get("site", ""), said.get("sample", "")
    if pattern:
        patient = said["patient"] or name
        return Id(patient, f"{patient}-{kind}" if kind else name, site, bool(said.get("normal")))
    patient, kind = f"TCGA-{site}-{said['patient']}".upper(), said["type"]
    return Id(patient, f"{patient}-{kind}" if kind else patient, site.upper(), kind.startswith("1"))
