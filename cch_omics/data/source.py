"""What a source is read into before a target is picked from it, and notes on how a cohort was made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.tasks.missing import says_missing


def is_missing(value: Any) -> bool:
    """Whether a cell is empty or says that its value is missing."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value)) or says_missing(str(value))


@dataclass(frozen=True)
class Matrix:
    """A table of numbers.

    Attributes
    ----------
    ids
        (n,) sample ids, unique.
    features
        (p,) feature names; of those with one name the first counts.
    values
        (n, p) float32; NaN marks a missing value.
    where
        The file it came from, for messages.
    turned
        Whether the file had features in its rows.
    remarks
        What was read of several things there: sentences.
    """

    ids: NDArray[np.str_]
    features: NDArray[np.str_]
    values: NDArray[np.float32]
    where: str
    turned: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Tables of numbers by modality, and a clinical table.

    Attributes
    ----------
    where
        The file or folder, for messages.
    clinical
        Indexed by sample or patient id, unique; values as they were found.
    clinical_where
        The clinical table's own file or attribute, for messages.
    matrices
        By modality; only those that were asked for.
    available
        Names of all modalities of the source.
    conflicts
        Clinical columns that two tables contradict each other about, with an example.
    origin
        Where the data were published and their `license`, if the source says so.
    patient_column
        Clinical column of patients' ids that sources of this kind have, "" for none.
    remarks
        What was not read, or read otherwise than it stands: sentences.
    """

    where: str
    clinical: pd.DataFrame
    clinical_where: str
    matrices: dict[str, Matrix]
    available: tuple[str, ...]
    conflicts: dict[str, str] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    patient_column: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableNotes:
    """How one modality's table was read.

    Attributes
    ----------
    file
        Where the table came from.
    ids
        Rows of the table.
    turned
        Whether samples were in columns.
    left_out
        Reason by id of a row.
    features_left_out
        Features left out, by reason.
    scale
        As `on_working_scale` says.
    """

    file: str
    ids: int
    turned: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    features_left_out: Mapping[str, int] = field(default_factory=dict)
    scale: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """What reading a source found that its cohort does not show.

    Attributes
    ----------
    source
        The file or folder.
    level
        "sample" or "patient": what ids were joined by.
    tables
        By modality.
    in_clinical
        (n,) whether a sample of the cohort has a row in the clinical table.
    clinical_ids
        Rows of the clinical table.
    clinical_left_out
        Ids of the clinical table that no modality has.
    values_treated_as_missing
        Samples by text of the target that stands for a missing value, or was not asked for.
    task_guessed
        Whether the sheet left the task open.
    group
        Clinical column whose values count as patients; "" = as the source or the ids say.
    origin, remarks
        As of the source; remarks on the target too.
    """

    source: str
    level: str
    tables: Mapping[str, TableNotes]
    in_clinical: NDArray[np.bool_]
    clinical_ids: int
    clinical_left_out: tuple[str, ...] = ()
    values_treated_as_missing: Mapping[str, int] = field(default_factory=dict)
    task_guessed: bool = False
    group: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def fill_gaps(own: "pd.Series[Any]", other: "pd.Series[Any]") -> tuple["pd.Series[Any]", str | None]:
    """Fill gaps of a clinical column from another; also return the first sample that they contradict each other on."""
    said = [column.astype(object) for column in (own, other)]
    known = [column.mask(column.map(is_missing).to_numpy(dtype=bool)) for column in said]
    both = own.index.intersection(other.index)
    one, two = (column[both] for column in known)
    unlike = both[((one != two) & one.notna() & two.notna()).to_numpy(dtype=bool)]
    # Codes for missing values stay where nothing is known, to be counted.
    filled = known[0].combine_first(known[1]).combine_first(said[0]).combine_first(said[1])
    return filled, unlike[0] if len(unlike) else None
