"""The model of simulated cohorts, and which there are.

The model: patients have a label y and a hidden state v, standard normal in two dimensions, that has nothing to do with
the label. A modality with p features shows a mixture of both,

    x = t A + r e,   t = label * m_y + shared * v,   A A' = p I,   r = noise * sqrt(p),   e standard normal.

A label is a class, and m_y a corner of a triangle around the origin, at distance one; or it is a number, standard
normal, and m_y = (y, 0). Of x, only z = x A' / p = t + noise * e' (e' standard normal, two dimensions) says anything of
y, of v or of another modality: z is a sufficient statistic, and the mutual information between two modalities, or with
the label, is that of their z. Given the class, the z of all modalities are jointly normal; with a number, they are
jointly normal with it.

In a cohort with survival times the number y is not seen. It is the log-hazard, in units of 1 / EFFECT, of an event at
time T, and follow-up ends at a time C that depends on nothing:

    P(T > t | y) = exp(-(t / SCALE)^SHAPE exp(EFFECT y)),   P(C > t) = exp(-c (t / SCALE)^SHAPE),

with c such that the stated fraction is censored. The label is the follow-up, min(T, C) and whether T <= C.

A modality may be seen through an assay: x / sqrt(p) is the logarithm of an expected count, of which Poisson counts of a
library of random size are made, or half the logit of a fraction. The known information is that of x, before counting.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES = ("A", "B", "C")
PRIORS = (0.4, 0.35, 0.25)
# Corners of the triangle, (classes, dimensions).
CORNERS: Floats = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
# Of survival times: the logarithm of the hazard ratio of one standard deviation; Weibull's scale, in days, and shape.
EFFECT = 1.5
SCALE = 1500.0
SHAPE = 1.3


@dataclass(frozen=True)
class Channel:
    """What a modality shows.

    Attributes
    ----------
    features
        p.
    label, shared, noise
        Weights of the label, of the hidden state and of the noise in z.
    present
        Fraction of patients who have the modality.
    missing
        Fraction of values that are missing; the known information is without any.
    scale
        "continuous", "counts" or "beta".
    carriers
        How many features, the first ones, show t: the others are noise. 0: all. The information is the same.
    """

    features: int
    label: float
    shared: float
    noise: float
    present: float = 0.9
    missing: float = 0.0
    scale: str = "continuous"
    carriers: int = 0


@dataclass(frozen=True)
class Simulated:
    """A cohort of n patients, one sample each, of whom the fraction `labelled` have a known label.

    It is a class; without `classes` a number; and with a fraction `censored` a survival time. Cohorts with one `assay`
    measure the same features alike, but for a shift of each, whose standard deviation over features is `batch` of that
    of the noise; patients count from `first`.
    """

    n: int
    labelled: float
    modalities: dict[str, Channel]
    classes: tuple[str, ...] = CLASSES
    censored: float | None = None
    assay: str = ""
    batch: float = 0.0
    first: int = 0

    @property
    def target(self) -> str:
        """Name of the target: of a survival time what comes before `_time` and `_event`."""
        return "subtype" if self.classes else "score" if self.censored is None else "os"


# The label is a number: rna knows it, cnv and rppa little of it; all is jointly Gaussian.
_NUMBER = Simulated(
    n=400,
    labelled=0.35,
    modalities={
        "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
        "cnv": Channel(features=60, label=0.8, shared=1.0, noise=0.3),
        "rppa": Channel(features=40, label=0.5, shared=0.5, noise=0.6, missing=0.01),
    },
    classes=(),
)
# What people have: raw counts and beta values, and a label of few.
_ASSAYS = Simulated(
    n=300,
    labelled=0.2,
    modalities={
        "rna": Channel(features=100, label=1.8, shared=1.0, noise=0.3, scale="counts"),
        "methylation": Channel(features=80, label=0.8, shared=1.0, noise=0.3, scale="beta"),
    },
    assay="assays",
)


SIMULATED: dict[str, Simulated] = {
    # rna knows the class, cnv little of it, and they share much beyond it: distil cnv from rna.
    "complementary": Simulated(
        n=400,
        labelled=0.35,
        modalities={
            "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
            "cnv": Channel(features=60, label=0.8, shared=1.0, noise=0.3),
            "rppa": Channel(features=40, label=1.0, shared=0.5, noise=0.6, missing=0.01),
        },
    ),
    # mutation knows nothing of the class, rna much: do not distil rna from mutation.
    "misleading": Simulated(
        n=300,
        labelled=0.85,
        modalities={
            "rna": Channel(features=120, label=2.0, shared=0.3, noise=0.6),
            "mutation": Channel(features=60, label=0.0, shared=1.0, noise=1.0),
        },
    ),
    # The class has nothing to do with either, which share much: the gap is positive, and no teacher helps.
    "unrelated": Simulated(
        n=300,
        labelled=0.85,
        modalities={
            "rna": Channel(features=120, label=0.0, shared=1.0, noise=0.5),
            "cnv": Channel(features=60, label=0.0, shared=1.0, noise=0.5),
        },
    ),
    # Four features of cnv show all that it knows of the class: what a student sees of them is what it takes.
    "focal": Simulated(
        n=400,
        labelled=0.35,
        modalities={
            "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
            "cnv": Channel(features=400, label=1.0, shared=0.5, noise=0.6, carriers=4),
        },
    ),
    "number": _NUMBER,
    # A survival time, whose log-hazard the modalities know as they know the number; half of the patients are censored.
    "survival": replace(_NUMBER, labelled=0.85, censored=0.5),
    # As `complementary`, seen through assays; and the same assays at another place, where all labels are known.
    "assays": _ASSAYS,
    "assays-elsewhere": replace(_ASSAYS, labelled=1.0, batch=0.5, first=5000),
}
