"""The margin: does the teacher know the student's signal better than it knows the label's noise?

In the joint Gaussian model a small weight of the soft targets h helps the best ridge student if and only if
g'b / b'b > c / s_y (docs/theory.md, result 2): the regression of h on what the student can know of the label y, b'x,
against that on what it cannot, e_y. With held-out outputs m of the student in place of b'x these are two coefficients
of

    h = constant + u m + v (y - m) + error,

and u - v has the sign of the theory's margin, log(u / v) where both are positive; unlike it, it is a number for every
teacher. What the student could know and does not yet is in y - m, so that v is too large and the margin too small where
the student is poor.
"""

import numpy as np
from numpy.typing import NDArray

from cch_omics.tasks.base import Outputs, Task, Values
from cch_omics.tasks.influence import variance_over_patients


def margin(
    task: Task, teacher: Outputs, student: Outputs, values: Values, groups: NDArray[np.generic]
) -> tuple[float, float]:
    """Difference u - v of the formula above, and its standard error over patients.

    Parameters
    ----------
    teacher, student
        (n, C) held-out outputs of the same labelled samples.
    values, groups
        (n, ...) their labels, and (n,) patients.

    Returns
    -------
    tuple
        NaN where the student or the label does not vary, the error also with fewer than two patients.
    """
    known, label, weight = task.expected(student, values)
    soft, _, _ = task.expected(teacher, values)
    total = weight.sum(0)
    columns = np.stack([soft, known, label - known], -1)[:, total > 0]  # (n, C, 3)
    weight = weight[:, total > 0, None]
    columns = columns - (weight * columns).sum(0) / weight.sum(0) if len(columns) else columns
    h, z = columns[..., 0], columns[..., 1:]
    scatter = np.einsum("ncj,nck->jk", weight * z, z)
    if not np.isfinite(scatter).all() or np.linalg.matrix_rank(scatter) < 2:
        return float("nan"), float("nan")
    coefficients = np.linalg.solve(scatter, np.einsum("ncj,nc->j", weight * z, h))
    residual = h - z @ coefficients
    influence = np.einsum("ncj,nc->nj", weight * z, residual) @ np.linalg.solve(scatter, [1.0, -1.0])
    return float(coefficients[0] - coefficients[1]), float(np.sqrt(variance_over_patients(influence, groups)))
