"""What a sample's id says: of a TCGA barcode, or of another scheme that a regular expression describes.

TCGA's scheme is TCGA-SITE-PATIENT[-SAMPLE TYPE AND VIAL[-...]]
(https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/). Dots in place of dashes, as R writes column names, are
read too. Ids that do not match say nothing, and every sample is then its own patient.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

_BARCODE = re.compile(
    r"TCGA[-.](?P<site>\w{2})[-.](?P<patient>\w{4})(?:[-.](?P<type>\d{2})[A-Z]?(?:[-.].*)?)?", re.IGNORECASE
)

Level = Literal["sample", "patient"]


class Parts(NamedTuple):
    """What an id says: the patient, the site and the sample among the patient's ("" where unsaid), normal tissue."""

    patient: str
    site: str
    sample: str
    normal: bool


@dataclass(frozen=True)
class Scheme:
    """A scheme of sample ids.

    Attributes
    ----------
    pattern
        Regular expression that a whole id matches, with the named group `patient`, and perhaps `sample` (what tells the
        samples of a patient apart, without what tells aliquots of one sample apart), `site`, and `normal` (anything in
        it means normal tissue). "" stands for TCGA barcodes.
    """

    pattern: str = ""

    def parts(self, name: str) -> Parts | None:
        """Return what an id says, None if it is of another scheme."""
        return _parts(self.pattern, name)

    def patient(self, name: str) -> str:
        """Return the patient of a sample; the id itself where it is of another scheme."""
        parts = self.parts(name)
        return parts.patient if parts else name

    def site(self, name: str) -> str:
        """Return the tissue source site, "" where the id says none."""
        parts = self.parts(name)
        return parts.site if parts else ""

    def is_normal(self, name: str) -> bool:
        """Whether an id is of normal tissue or blood: in TCGA the sample types 10 to 19."""
        parts = self.parts(name)
        return parts is not None and parts.normal

    def is_patient(self, name: str) -> bool:
        """Whether an id of the scheme stops at the patient."""
        parts = self.parts(name)
        return parts is not None and not parts.sample and parts.patient == self._plain(name)

    def key(self, name: str, level: Level = "sample") -> str:
        """Return what ids of different aliquots have in common: patient and sample, or the patient alone."""
        parts = self.parts(name)
        if parts is None:
            return name
        if level == "patient":
            return parts.patient
        if parts.sample:
            return f"{parts.patient}-{parts.sample}"
        # Without a group `sample`, the whole id is what tells samples apart.
        return name if self.pattern else parts.patient

    def _plain(self, name: str) -> str:
        return name if self.pattern else name.replace(".", "-").upper()


TCGA = Scheme()


@lru_cache(maxsize=1 << 16)
def _parts(pattern: str, name: str) -> Parts | None:
    match = (re.compile(pattern) if pattern else _BARCODE).fullmatch(name)
    if match is None:
        return None
    if not pattern:
        kind = match["type"] or ""
        person = f"TCGA-{match['site']}-{match['patient']}".upper()
        return Parts(person, match["site"].upper(), kind, kind.startswith("1"))
    groups = {name: value or "" for name, value in match.groupdict().items()}
    return Parts(
        groups["patient"] or name, groups.get("site", ""), groups.get("sample", ""), bool(groups.get("normal"))
    )
