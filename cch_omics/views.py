"""Views: one modality, or several together, in the role of a teacher.

The name of a view lists its modalities, joined by `+`: `rna`, `rna+methylation`. A sample has a view if it has all of
its modalities. Students are views of one modality.
"""

from cch_omics.cohort import Cohort


def members(view: str) -> tuple[str, ...]:
    """Names of the modalities of a view, in its order."""
    return tuple(view.split("+"))


def views_of(cohort: Cohort) -> list[str]:
    """All views of a cohort: its modalities, which are the students, and the views of several that teach."""
    return [*cohort.modalities, *(name for name in cohort.teachers if name not in cohort.modalities)]


def teachers_of(cohort: Cohort, student: str) -> list[str]:
    """Views that may teach a student: all teachers but the student itself."""
    return [name for name in cohort.teachers if name != student]
