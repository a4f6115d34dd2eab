"""Centred kernel alignment of two representations, linear and debiased.

CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), K = T T', L = S S' (Kornblith, Norouzi, Lee, Hinton 2019, ICML, arXiv
1905.00414), with the unbiased HSIC of Song et al. (2012, JMLR 13:1393, equation 5), without which any two
representations of few samples look alike. It looks at no label: it asks only whether teacher and student see the same.
"""

import numpy as np

from research.rivals.pair import Floats, Pair, fold_mean


def cka(pair: Pair) -> float:
    """Debiased linear CKA within inner folds; can be negative. NaN with fewer than four samples in every fold."""
    values, sizes = [], []
    for members in pair.folds():
        values.append(debiased_cka(pair.teacher_representation[members], pair.student_representation[members]))
        sizes.append(int(members.sum()))
    return fold_mean(values, sizes)


def debiased_cka(a: Floats, b: Floats) -> float:
    """Of (n, r) and (n, q); NaN where n < 4 or a representation has no variance beyond chance."""
    if len(a) < 4:
        return float("nan")
    k, m = a @ a.T, b @ b.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    own = unbiased_hsic(k, k) * unbiased_hsic(m, m)
    return float(unbiased_hsic(k, m) / np.sqrt(own)) if own > 0 else float("nan")


def unbiased_hsic(k: Floats, m: Floats) -> float:
    """HSIC_1 of two (n, n) kernel matrices with zero diagonals, n >= 4."""
    n = len(k)
    rows_k, rows_m = k.sum(0), m.sum(0)
    value = (k * m).sum() + rows_k.sum() * rows_m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_k @ rows_m)
    return float(value / (n * (n - 3)))
