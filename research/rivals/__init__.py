"""Rivals of the criterion: what else could tell whether a teacher's soft targets will help a student.

The score of a pair is one number, larger for a better teacher, from held-out predictions and representations inside an
outer training set (`pair.Pair`). They are for targets that are classes. To add a rival is to add an entry to `RIVALS`.
"""

from dataclasses import dataclass

from research.rivals import (
    accuracy,
    bias_variance,
    cka,
    conditional,
    decomposition,
    logme,
    modality_focusing,
)
from research.rivals.pair import Score

# A score without a zero of its own says which teacher is better, and never that none is good.
NO_THRESHOLD = -float("inf")


@dataclass(frozen=True)
class Rival:
    """One way to score a pair.

    Attributes
    ----------
    title
        In one line, for tables.
    score
        From held-out predictions; NaN where there is none.
    reference
        Where it is from; "" if from nowhere in particular.
    threshold
        `distil` is said above it.
    """

    title: str
    score: Score
    reference: str = ""
    threshold: float = 0.0


RIVALS = {
    "teacher_accuracy": Rival("held-out balanced accuracy of the teacher, above chance", accuracy.teacher_accuracy),
    "advantage": Rival("I(T;Y) - I(S;Y), by held-out log-loss", conditional.advantage),
    "teacher_given_student": Rival("I(T;Y given S), by held-out log-loss", conditional.teacher_given_student),
    "minus_student_given_teacher": Rival(
        "-I(S;Y given T), by held-out log-loss", conditional.minus_student_given_teacher, threshold=NO_THRESHOLD
    ),
    "benefit": Rival(
        "I(T;Y given S) - 9/16 I(S;Y given T), by held-out log-loss", conditional.benefit, "docs/theory.md"
    ),
    "redundancy": Rival(
        "redundant information of the predicted classes, I_min",
        decomposition.redundancy,
        "Williams & Beer 2010, arXiv 1004.2515; Dissanayake et al. 2024, arXiv 2411.07483",
        NO_THRESHOLD,
    ),
    "unique_information": Rival(
        "what only the teacher's predicted class tells of the label, I_min",
        decomposition.unique_information,
        "Dissanayake et al. 2024, arXiv 2411.07483",
    ),
    "modality_focusing": Rival(
        "share of modality-general decisive features",
        modality_focusing.modality_focusing,
        "Xue et al. 2023, arXiv 2206.06487",
        NO_THRESHOLD,
    ),
    "logme": Rival("LogME, teacher minus student", logme.logme, "You et al. 2021, arXiv 2102.11005"),
    "cka": Rival("debiased linear CKA", cka.cka, "Kornblith et al. 2019, arXiv 1905.00414", NO_THRESHOLD),
    "expected_gain": Rival(
        "bias and variance of the mixed target, linear model", bias_variance.expected_gain, "docs/theory.md"
    ),
}
