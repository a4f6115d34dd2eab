"""What reading a source found that its cohort does not show."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


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
        Reason by id of a row.
    features_left_out
        Features left out, by reason.
    """

    file: str
    ids: int
    in_clinical: int
    not_in_clinical: int
    turned: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    features_left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """How a cohort was read.

    Attributes
    ----------
    source
        The file or folder.
    level
        "sample" or "patient": what ids were joined by.
    clinical_ids
        Rows of the clinical table.
    tables
        By modality.
    values_treated_as_missing
        Samples by text of the target that was not asked for.
    task_guessed
        Whether the sheet left the task open.
    origin
        Published source and license, where the source says so.
    remarks
        What was not read, or read otherwise than it stands: sentences.
    in_clinical
        (n,) whether a sample of the cohort has a row in the clinical table; None where that was not looked at.
    clinical_left_out
        Ids of the clinical table that no modality has.
    """

    source: str
    level: str
    clinical_ids: int
    tables: Mapping[str, TableNotes]
    values_treated_as_missing: Mapping[str, int]
    task_guessed: bool = False
    origin: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    in_clinical: NDArray[np.bool_] | None = None
    clinical_left_out: tuple[str, ...] = ()
