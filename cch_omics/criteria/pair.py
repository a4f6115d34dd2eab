"""What a criterion may look at: the held-out predictions of one pair inside one outer training set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Teacher and student on the n training samples that have both modalities; nothing of a test sample.

    Attributes
    ----------
    teacher_representation, student_representation
        (n, r) and (n, q), by encoders that did not see the sample. Those of different inner folds have unaligned axes:
        whatever is computed from them is computed within a fold.
    teacher_logits, student_logits
        (n, C), by the same encoders. Their axes are the classes, so folds may be put together.
    labels
        (n,) class, -1 where there is none or it may not be used.
    fold
        (n,) inner fold.
    n_student
        Labelled training samples of the student's modality, paired or not.
    taught_logits
        (n, C) of students of this teacher that did not see the sample; None if no pilot student was trained.
    """

    teacher_representation: Floats
    student_representation: Floats
    teacher_logits: Floats
    student_logits: Floats
    labels: NDArray[np.int64]
    fold: NDArray[np.int64]
    n_student: int
    taught_logits: Floats | None = None

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a label that may be used."""
        return np.asarray(self.labels >= 0)

    def folds(self) -> Iterator[NDArray[np.bool_]]:
        """(n,) members of each inner fold."""
        for fold in np.unique(self.fold):
            yield self.fold == fold


Score = Callable[[Pair], float]


def fold_mean(values: list[float], sizes: list[int]) -> float:
    """Mean over the inner folds that have a value, weighted by their samples; NaN if none has."""
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    return float(np.average(np.array(values)[known], weights=np.array(sizes)[known]))
