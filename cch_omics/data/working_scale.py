"""The scales that tables come in, and what models learn from instead: made of each sample by itself.

It depends on the sample and on constants alone. So it is made before samples are split, without a fold being crossed,
and in the same way of the tables of new patients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError, near

Values = NDArray[np.float32]
Names = Sequence[str] | NDArray[np.str_]


def library_sizes(values: Values) -> NDArray[np.float64]:
    """(n,) sums of the (n, p) counts that are known."""
    sizes: NDArray[np.float64] = values.sum(axis=1, where=np.isfinite(values), dtype=np.float64)
    return sizes


def _log_counts(values: Values, per_sample: float) -> Values:
    """As scanpy's `normalize_total(target_sum=per_sample)` and `log1p`; a sample without any count has no values."""
    sizes = library_sizes(values)[:, None]
    made = values * (per_sample / np.where(sizes > 0, sizes, np.nan)).astype(np.float32)
    return np.log1p(made, out=made)


def _log(values: Values) -> Values:
    return np.log1p(values)


def _m_values(values: Values, offset: float) -> Values:
    """Du et al. 2010, BMC Bioinformatics 11:587; the offset keeps 0 and 1 finite."""
    return np.log2((values + np.float32(offset)) / (1 - values + np.float32(offset)))


@dataclass(frozen=True)
class Scale:
    """One scale.

    Attributes
    ----------
    what
        What such values are.
    low, high, whole
        Bounds of its values, and whether they are whole numbers.
    made
        What is made of them, with the names of constants; "" where they are used as they are.
    make
        Makes it of (n, p) values and the constants.
    constants
        By name.
    alike
        Other scales that a table of few samples may be taken for.
    """

    what: str
    low: float = -np.inf
    high: float = np.inf
    whole: bool = False
    made: str = ""
    make: Callable[..., Values] = lambda values: values
    constants: Mapping[str, float] = field(default_factory=dict)
    alike: tuple[str, ...] = ()

    def apply(self, values: Values, constants: Mapping[str, float]) -> Values:
        """Make of (n, p) values what models learn from; columns that nobody uses may hold anything."""
        with np.errstate(all="ignore"):
            return self.make(values, **constants)

    def formula(self, constants: Mapping[str, float]) -> str:
        """What is made of the values, in symbols."""
        return self.made.format(**constants)


SCALES = {
    "counts": Scale(
        "raw counts",
        low=0,
        whole=True,
        made="log(1 + {per_sample:,.0f} x / sum of the sample)",
        make=_log_counts,
        constants={"per_sample": 1e6},
        alike=("integers",),
    ),
    "unlogged": Scale(
        "intensities, RPKM, TPM or concentrations without a logarithm",
        low=0,
        made="log(1 + x)",
        make=_log,
        alike=("counts",),
    ),
    "beta": Scale(
        "beta values of methylation",
        low=0,
        high=1,
        made="M-values, log2((x + {offset:g}) / (1 - x + {offset:g}))",
        make=_m_values,
        constants={"offset": 0.01},
        alike=("fractions", "integers"),
    ),
    "fractions": Scale("beta values and other fractions", low=0, high=1, alike=("integers",)),
    "integers": Scale("calls of copy number, mutations as 0 and 1, codes", whole=True),
    "continuous": Scale("logarithms, M-values, z-scores"),
}


def check_scale(name: str, where: str, ids: Names, features: Names, values: Values, advice: str) -> None:
    """Refuse (n, p) values that are not of a scale.

    Raises
    ------
    InputError
        Names the first of them, and how many there are.
    """
    scale = SCALES[name]
    wrong = (values < scale.low) | (values > scale.high)
    if scale.whole:
        wrong |= ~np.isnan(values) & (values != np.rint(values))
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0]
    bounds = [f"from {scale.low:g}" if scale.low > -np.inf else "", f"to {scale.high:g}" if scale.high < np.inf else ""]
    raise InputError(
        f"{where}, column {str(features[column])!r}, row {str(ids[row])!r}",
        f"{values[row, column]:g} ({int(wrong.sum())} such) in a table of {name}",
        " ".join(["whole numbers" if scale.whole else "numbers", *filter(None, bounds)]) + f": {scale.what}",
        advice,
    )


def named_scales(where: str, scale: object) -> dict[str, str]:
    """The argument `scale` of a function, once it is known to be names of scales by names.

    Raises
    ------
    InputError
        If it is not.
    """
    if scale is None:
        return {}
    if not isinstance(scale, Mapping):
        raise InputError(
            f"{where}, scale", repr(scale), "scales by modality", "Write scale={'rna': 'counts'}, for example."
        )
    for name, each in scale.items():
        if each not in SCALES:
            found = f"{each!r} of {name!r}"
            raise InputError(f"{where}, scale", found, f"one of {', '.join(SCALES)}", near(str(each), SCALES))
    return {str(name): str(each) for name, each in scale.items()}
