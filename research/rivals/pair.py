"""What a rival may look at: the held-out predictions of one pair inside one outer training set."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.models.out_of_fold import Encoding
from cch_omics.splits import Splits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Teacher and student on the n training samples that have both; nothing of a test sample.

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
    """

    teacher_representation: Floats
    student_representation: Floats
    teacher_logits: Floats
    student_logits: Floats
    labels: NDArray[np.int64]
    fold: NDArray[np.int64]
    n_student: int

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a label that may be used."""
        return np.asarray(self.labels >= 0)

    def folds(self) -> Iterator[NDArray[np.bool_]]:
        """(n,) members of each inner fold."""
        for fold in np.unique(self.fold):
            yield self.fold == fold


Score = Callable[[Pair], float]


def held_out_pair(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    split: int,
    teacher: str,
    student: str,
) -> Pair:
    """Read what is known of a pair inside the training set of a split."""
    known = {name: splits.train[split] & np.isfinite(encodings[name].outputs[split]).all(-1) for name in encodings}
    both = known[teacher] & known[student]
    labels = np.where(splits.labelled[split], cohort.target.strata, -1)

    def held(values: NDArray[np.floating]) -> Floats:
        return np.asarray(values[both], dtype=np.float64)

    return Pair(
        teacher_representation=held(encodings[teacher].representation[split]),
        student_representation=held(encodings[student].representation[split]),
        teacher_logits=held(encodings[teacher].outputs[split]),
        student_logits=held(encodings[student].outputs[split]),
        labels=labels[both],
        fold=splits.inner[split, both],
        n_student=int((known[student] & (labels >= 0)).sum()),
    )


def fold_mean(values: list[float], sizes: list[int]) -> float:
    """Mean over the inner folds that have a value, weighted by their samples; NaN if none has."""
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    return float(np.average(np.array(values)[known], weights=np.array(sizes)[known]))
