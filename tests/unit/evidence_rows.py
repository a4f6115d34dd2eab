"""Rows of evidence.tsv for tests, made by hand."""

from typing import Any

import numpy as np
import pandas as pd

from cch_omics.cohort import Target
from cch_omics.config import CriterionConfig
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.verdict.evidence import with_pilots
from cch_omics.verdict.pilot import COLUMNS

CLASSES = Target("er_status", Classification(("negative", "positive")), np.zeros(0))
NUMBER = Target("score", Regression(), np.zeros(0))
SETTINGS = CriterionConfig(confidence=0.9)


def row(
    teacher: str = "rna",
    student: str = "cnv",
    *,
    gap: float = 0.3,
    gap_se: float = 0.05,
    pilot: float = 0.1,
    pilot_se: float = 0.01,
    p_gain: float = 0.999,
    p_gap: float = 0.999,
    cross_check: float = 0.999,
    at_zero: float = 0.0,
    knows: float = 0.2,
    taught_knows: float = 0.2,
    shared: float = 0.5,
    ahead: float = 0.05,
    repeat: int = -1,
    fold: int = -1,
    recipe: str = "soft_targets",
) -> dict[str, Any]:
    """A row in which everything speaks for distilling."""
    return {
        "repeat": repeat,
        "fold": fold,
        "teacher": teacher,
        "student": student,
        "recipe": recipe,
        "mi_teacher_student": 0.2 + gap,
        "mi_student_label": 0.2,
        "gap": gap,
        "gap_se": gap_se,
        "gap_at_zero": at_zero,
        "p_gap_positive": p_gap,
        "cross_check_p_gap_positive": cross_check,
        **{f"{name}{of}": value for name in ("gap_output", "margin") for of, value in (("", gap), ("_se", gap_se))},
        "mi_output_student": 0.2 + gap,
        "p_gap_output_positive": p_gap,
        "p_margin_positive": p_gap,
        "pilot_gain": pilot,
        "pilot_gain_se": pilot_se,
        "p_gain_positive": p_gain,
        "taught_information": taught_knows,
        "teacher_information": knows,
        "teacher_information_se": 0.02,
        "shared_information": shared,
        "shared_information_se": 0.05,
        "accuracy_difference": ahead,
    }


def piloted(*rows: dict[str, Any], target: Target = CLASSES) -> pd.DataFrame:
    """Evidence whose P(gain > 0) follows from the gains of its pilots."""
    evidence = pd.DataFrame(rows)
    return with_pilots(evidence, evidence[list(COLUMNS)], target.task)
