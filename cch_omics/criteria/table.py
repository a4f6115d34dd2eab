"""All criteria by name: the Cross-modal Complementarity Hypothesis, our verdict, and what an analyst would do instead.

The score of a pair is one number, larger for a better teacher, estimated inside an outer training set. It comes from
the held-out predictions of the pair (`Criterion.score`), or is a sum of terms of mutual information that
`information.pairs` estimated (`Criterion.terms`).
"""

from dataclasses import dataclass

from cch_omics.criteria.accuracy import teacher_accuracy, teacher_minus_student_accuracy
from cch_omics.criteria.bias_variance import expected_gain
from cch_omics.criteria.cka import cka
from cch_omics.criteria.conditional import (
    advantage_log_loss,
    benefit,
    minus_student_given_teacher,
    teacher_given_student,
)
from cch_omics.criteria.decomposition import redundancy, unique_information
from cch_omics.criteria.logme import logme
from cch_omics.criteria.modality_focusing import modality_focusing
from cch_omics.criteria.pair import Pair, Score
from cch_omics.criteria.pilot import pilot, pilot_accuracy

# A score without a zero of its own says which teacher is better, and never that none is good.
NO_THRESHOLD = -float("inf")
# Names of the columns of `information.pairs.estimate_pairs` that are sums of its three terms.
VERDICT = "verdict"


@dataclass(frozen=True)
class Criterion:
    """One row of the table.

    Attributes
    ----------
    meaning
        In one line, for tables.
    reference
        Where it is from; "" if from nowhere in particular.
    threshold
        `distil` is said above it.
    score
        From held-out predictions; None if from mutual information.
    terms
        The column of `estimate_pairs` that is the score; "" if from held-out predictions.
    needs_pilot
        Whether students have to be trained for it.
    """

    meaning: str
    reference: str = ""
    threshold: float = 0.0
    score: Score | None = None
    terms: str = ""
    needs_pilot: bool = False


def always(pair: Pair) -> float:
    """Return 1: distil from every teacher."""
    return 1.0


def never(pair: Pair) -> float:
    """Return 0: train alone."""
    return 0.0


CRITERIA = {
    "cch": Criterion(
        "gap I(T;S) - I(S;Y): the paper's rule", "Xie, Xu, Sanguinetti 2025, arXiv 2510.13182", terms="gap"
    ),
    # Its decisions are not by a threshold on the score: see `criteria.cch`.
    VERDICT: Criterion(
        "ours: the pilot's gain; without a pilot, the benefit",
        "criteria/cch.py",
        terms="score",
    ),
    "benefit": Criterion("I(T;Y given S) - 9/16 I(S;Y given T), by held-out log-loss", score=benefit),
    "pilot_gain": Criterion(
        "the verdict's pilot: gain in balanced accuracy on inner folds, of samples without a label as well",
        terms="pilot_gain",
    ),
    "gap_plus_advantage": Criterion("I(T;S) + I(T;Y) - 2 I(S;Y)", terms="gap_plus_advantage"),
    "advantage": Criterion("I(T;Y) - I(S;Y), by the estimator of the label", terms="advantage"),
    "shared_information": Criterion("I(T;S)", threshold=NO_THRESHOLD, terms="mi_teacher_student"),
    "teacher_minus_student_accuracy": Criterion(
        "held-out balanced accuracy, teacher minus student", score=teacher_minus_student_accuracy
    ),
    "teacher_accuracy": Criterion("held-out balanced accuracy of the teacher, above chance", score=teacher_accuracy),
    "advantage_log_loss": Criterion("I(T;Y) - I(S;Y), by held-out log-loss", score=advantage_log_loss),
    "teacher_given_student": Criterion("I(T;Y given S), by held-out log-loss", score=teacher_given_student),
    "minus_student_given_teacher": Criterion(
        "-I(S;Y given T), by held-out log-loss", threshold=NO_THRESHOLD, score=minus_student_given_teacher
    ),
    "redundancy": Criterion(
        "redundant information of the predicted classes, I_min",
        "Williams & Beer 2010, arXiv 1004.2515; Dissanayake et al. 2024, arXiv 2411.07483",
        threshold=NO_THRESHOLD,
        score=redundancy,
    ),
    "unique_information": Criterion(
        "what only the teacher's predicted class tells of the label, I_min",
        "Dissanayake et al. 2024, arXiv 2411.07483",
        score=unique_information,
    ),
    "modality_focusing": Criterion(
        "share of modality-general decisive features",
        "Xue et al. 2023, arXiv 2206.06487",
        threshold=NO_THRESHOLD,
        score=modality_focusing,
    ),
    "logme": Criterion("LogME, teacher minus student", "You et al. 2021, arXiv 2102.11005", score=logme),
    "cka": Criterion(
        "debiased linear CKA", "Kornblith et al. 2019, arXiv 1905.00414", threshold=NO_THRESHOLD, score=cka
    ),
    "expected_gain": Criterion(
        "bias and variance of the mixed target, linear model", "docs/theory.md", score=expected_gain
    ),
    "pilot": Criterion("pilot student on inner folds, gain in log-loss", score=pilot, needs_pilot=True),
    "pilot_accuracy": Criterion(
        "pilot student on inner folds, gain in balanced accuracy on labelled samples",
        score=pilot_accuracy,
        needs_pilot=True,
    ),
    "always": Criterion("distil from every teacher", score=always),
    "never": Criterion("train alone", score=never),
}
