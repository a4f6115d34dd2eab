"""The audit of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cch_omics.cohort import Cohort


@dataclass(frozen=True)
class TableNotes:
    """How the rows of one modality's table were joined.

    Attributes
    ----------
    file
        Where the table came from.
    ids
        Rows of the table.
    in_clinical, not_in_clinical
        Rows kept that have, and have not, a row in the clinical table.
    turned
        Whether samples were in columns.
    left_out
        Rows left out, by reason.
    """

    file: str
    ids: int
    in_clinical: int
    not_in_clinical: int
    turned: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """What reading a source found that its cohort does not show.

    Attributes
    ----------
    source
        The file or folder.
    level
        "sample" or "patient": what ids were joined by.
    clinical_ids, clinical_only
        Rows of the clinical table, and those of them that no modality has.
    tables
        By modality.
    values_treated_as_missing
        Values of the target that are not among the classes, with counts.
    """

    source: str
    level: str
    clinical_ids: int
    clinical_only: int
    tables: Mapping[str, TableNotes]
    values_treated_as_missing: Mapping[str, int]


def audit(cohort: Cohort, notes: Notes) -> dict[str, Any]:
    """Count and check a cohort."""
    return {"cohort": cohort.name, "samples": len(cohort.samples), "labelled": int(np.sum(cohort.labelled))}
