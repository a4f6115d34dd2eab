"""Views: one modality, or several together, in the role of a teacher.

The name of a view lists its modalities, joined by `+`: `rna`, `rna+methylation`. A sample has a view if it has all of
its modalities. Students are views of one modality.

Here, and nowhere else, is asked what a cohort leaves out (`Cohort.left_out`).
"""

from cch_omics.cohort import Cohort
from cch_omics.errors import InputError, near


def members(view: str) -> tuple[str, ...]:
    """Names of the modalities of a view, in its order."""
    return tuple(view.split("+"))


def views_of(cohort: Cohort) -> list[str]:
    """All views of a cohort that are used: its modalities, the students, and the views of several that teach."""
    return [*cohort.modalities, *(name for name in cohort.teachers if name not in cohort.modalities)]


def teachers_of(cohort: Cohort, student: str) -> list[str]:
    """Views that may teach a student: all teachers but the student itself and those of a pair that is left out."""
    return [
        name
        for name in cohort.teachers
        if name != student and not {(name, student), (student, name)} & cohort.left_out.keys()
    ]


def is_left_out(cohort: Cohort, view: str) -> bool:
    """Whether a view was asked for and is not used: there is then nothing to compute for it.

    Raises
    ------
    InputError
        If the cohort has not heard of it.
    """
    known, left_out = views_of(cohort), (view,) in cohort.left_out
    if view not in known and not left_out:
        where = f"cohort {cohort.name}, target {cohort.target.name}"
        raise InputError(where, f"no view {view!r}", "a view of this cohort", near(view, known))
    return left_out
