"""What every kind of source is read into, before a target is picked from it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Texts that stand for a missing value or label, as pandas has them.
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None")


@dataclass(frozen=True)
class Matrix:
    """A table of numbers.

    Attributes
    ----------
    ids
        (n,) sample ids, unique.
    features
        (p,) feature names, unique.
    values
        (n, p) float32; NaN marks a missing value.
    where
        The file it came from, for messages.
    turned
        Whether the file had features in its rows.
    """

    ids: NDArray[np.str_]
    features: NDArray[np.str_]
    values: NDArray[np.float32]
    where: str
    turned: bool = False


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
        Clinical columns that two modalities contradict each other about, with an example.
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
