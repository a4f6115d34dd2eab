"""Cohorts made by code, whose mutual information is known.

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

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import anndata
import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray
from scipy.optimize import brentq

from cch_omics.data.mudata import make_mudata, write_mudata
from cch_omics.errors import InputError

Floats = NDArray[np.float64]

CLASSES = ("A", "B", "C")
PRIORS = (0.4, 0.35, 0.25)
# Corners of the triangle, (classes, dimensions).
CORNERS: Floats = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
SITES = ("A1", "A2", "AC", "AN", "AR", "B6", "BH", "C8", "D8", "E2", "E9", "GM")
MONTE_CARLO = 200_000
# Of survival times: the logarithm of the hazard ratio of one standard deviation; Weibull's scale, in days, and shape.
EFFECT = 1.5
SCALE = 1500.0
SHAPE = 1.3
# Nodes of integrals over a normal variable, and logarithms of (t / SCALE)^SHAPE of those over time.
NORMAL_NODES, NORMAL_WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
NORMAL_WEIGHTS = NORMAL_WEIGHTS / NORMAL_WEIGHTS.sum()
LOG_TIMES: Floats = np.linspace(-25.0, 8.0, 600)


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
# Logarithms of the mean count of a feature and of its spread over libraries.
DEPTH, LIBRARIES = 5.0, 0.5

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


def simulate(name: str, *, seed: int = 0) -> MuData:
    """Draw a cohort of `SIMULATED`.

    Parameters
    ----------
    name
        One of `SIMULATED`, such as `complementary`.
    seed
        Of every random number.

    Returns
    -------
    MuData
        Modalities in `.mod`; the target in `.obs`, where most patients may lack it.

    Raises
    ------
    InputError
        If there is no cohort of that name.

    Examples
    --------
    >>> from cch_omics.data.simulate import simulate
    >>> mdata = simulate("complementary")
    """
    return draw(_cohort(name), np.random.default_rng([seed, *name.encode()]))


def draw(cohort: Simulated, rng: np.random.Generator) -> MuData:
    """Draw a cohort.

    Returns
    -------
    MuData
        Its modalities, samples with barcodes as in TCGA, each with at least one modality. `.obs` has the target (a
        categorical, a number, or a time in days and 1 for an event or 0; missing where the label is not known) and
        `tissue_source_site`. Of each modality, `.obsm["sufficient"]` holds z, (n, 2). `.uns["known_information"]` is
        the table of `information_of`.
    """
    n = cohort.n
    labels = _draw_labels(cohort, n, rng)
    place = CORNERS[labels] if cohort.classes else np.column_stack([labels, np.zeros(n)])
    state = rng.normal(size=place.shape)
    sites = rng.choice(SITES, size=n)
    samples = np.array([f"TCGA-{site}-{patient:04d}-01" for patient, site in enumerate(sites, start=cohort.first)])

    names = list(cohort.modalities)
    present = rng.random((n, len(names))) < [channel.present for channel in cohort.modalities.values()]
    # A patient without any modality is in no cohort.
    present[~present.any(1), rng.integers(len(names))] = True
    adatas = {}
    for (modality, channel), rows in zip(cohort.modalities.items(), present.T, strict=True):
        of_features = np.random.default_rng([*f"{cohort.assay} {modality}".encode()]) if cohort.assay else rng
        hidden = channel.label * place + channel.shared * state
        values, sufficient = _observe(channel, hidden, rng, of_features, cohort.batch)
        adatas[modality] = anndata.AnnData(
            values[rows].astype(np.float32),
            obs=pd.DataFrame(index=samples[rows]),
            var=pd.DataFrame(index=[f"{modality}_{j:03d}" for j in range(channel.features)]),
            obsm={"sufficient": sufficient[rows]},
        )
    known = rng.random(n) < cohort.labelled
    obs = _label_columns(cohort, labels, rng).set_index(samples).apply(lambda column: column.where(known))
    return make_mudata(
        adatas,
        obs.assign(tissue_source_site=sites.astype(object)),
        {"known_information": information_of(cohort)},
    )


def write_simulated(name: str, path: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write `simulate(name)` as `.h5mu`.

    Parameters
    ----------
    name, seed
        As of `simulate`.
    path
        The file, written whole or not at all.

    Examples
    --------
    >>> from cch_omics.data.simulate import write_simulated
    >>> write_simulated("complementary", "cohort.h5mu")
    """
    write_mudata(simulate(name, seed=seed), path)


def known_information(name: str) -> pd.DataFrame:
    """Mutual information of a cohort of `SIMULATED`, by quadrature and Monte Carlo.

    Parameters
    ----------
    name
        One of `SIMULATED`.

    Returns
    -------
    DataFrame
        As of `information_of`, in nats.

    Raises
    ------
    InputError
        If there is no cohort of that name.

    Examples
    --------
    >>> from cch_omics.data.simulate import known_information
    >>> known_information("complementary")
    """
    return information_of(_cohort(name))


def information_of(cohort: Simulated) -> pd.DataFrame:
    """True mutual information of the sufficient statistics.

    With a number as label it is exact: of jointly normal variables it is -1/2 log(1 - r^2) in each of the two
    dimensions, which are independent (Cover and Thomas 2006, Elements of Information Theory, section 8.5). With classes
    it is the mean over 200,000 draws of ratios of the densities, which are known: exact to about 0.003 nats. With a
    survival time it is that between the modalities of the number, and with the follow-up, time and whether it ended
    with the event, by numerical integration (`of_follow_up`).

    Returns
    -------
    DataFrame
        One row per ordered pair: `teacher, student, teacher_student, student_label, teacher_label, gap`, in nats.
    """
    between, with_label = (_of_classes if cohort.classes else _of_number)(cohort)
    rows = [
        {
            "teacher": teacher,
            "student": student,
            "teacher_student": between[t, s],
            "student_label": with_label[s],
            "teacher_label": with_label[t],
            "gap": between[t, s] - with_label[s],
        }
        for (t, teacher), (s, student) in permutations(enumerate(cohort.modalities), 2)
    ]
    return pd.DataFrame(rows)


def _of_number(cohort: Simulated) -> tuple[Floats, Floats]:
    """Information between M modalities (M, M), with nothing on the diagonal, and with the label (M,)."""
    channels = list(cohort.modalities.values())
    label = np.array([channel.label for channel in channels])
    rest = _covariance(channels)
    between = np.zeros_like(rest)
    # The first dimension shows the label, the second does not.
    for covariance in (rest + np.outer(label, label), rest):
        variance = covariance.diagonal()
        squared = covariance**2 / np.outer(variance, variance)
        np.fill_diagonal(squared, 0)
        between -= np.log1p(-squared) / 2
    if cohort.censored is None:
        return between, np.log1p(label**2 / rest.diagonal()) / 2
    correlation = np.sqrt(label**2 / (label**2 + rest.diagonal()))
    return between, np.array([of_follow_up(float(each), cohort.censored) for each in correlation])


def of_follow_up(correlation: float, censored: float) -> float:
    """Information, in nats, between a follow-up and a normal variable that has a correlation with the log-hazard y.

    With censored = 0 it is that with the time of the event itself. In the unit u = (t / SCALE)^SHAPE both times are
    exponential, and nothing of SCALE and SHAPE is left: with h = exp(EFFECT y), a follow-up that ends at u has density
    exp(-(h + c) u) times h if it ends with the event, and times c if not. Three integrals, over the variable, over y
    given the variable and over log u, are sums over nodes; a finer grid changes the fifth digit.
    """
    y = correlation * NORMAL_NODES[:, None] + np.sqrt(1 - correlation**2) * NORMAL_NODES
    hazard, ending = np.exp(EFFECT * y), _censoring_rate(censored) if censored else 0.0
    u = np.exp(LOG_TIMES)
    found = 0.0
    for density in (hazard, np.full_like(hazard, ending)) if ending else (hazard,):
        given = np.einsum("ij,j,iju->iu", density, NORMAL_WEIGHTS, np.exp(-(hazard + ending)[..., None] * u))
        whole = NORMAL_WEIGHTS @ given
        # Where both vanish, they add nothing.
        ratio = np.log(np.maximum(given, 1e-300) / np.maximum(whole, 1e-300))
        found += float(np.trapezoid(NORMAL_WEIGHTS @ (given * ratio) * u, LOG_TIMES))
    return found


def follow_up(event: Floats, censored: float, rng: np.random.Generator) -> Floats:
    """(n,) times of the event, as they are drawn here -> (n, 2) follow-up, of which the fraction `censored` is."""
    if not censored:
        return np.column_stack([event, np.ones(len(event))])
    last = SCALE * rng.exponential(1 / _censoring_rate(censored), size=len(event)) ** (1 / SHAPE)
    return np.column_stack([np.minimum(event, last), event <= last]).astype(np.float64)


def _censoring_rate(censored: float) -> float:
    """Rate c with which follow-up ends, in the unit u, so that a fraction is censored: the mean of c / (c + h)."""

    def excess(log_rate: float) -> float:
        rate = np.exp(log_rate)
        return float(NORMAL_WEIGHTS @ (rate / (rate + np.exp(EFFECT * NORMAL_NODES)))) - censored

    return float(np.exp(brentq(excess, -30.0, 30.0)))


def _of_classes(cohort: Simulated) -> tuple[Floats, Floats]:
    """As `_of_number`, from densities at random draws."""
    rng = np.random.default_rng(0)
    channels = list(cohort.modalities.values())
    labels = _draw_labels(cohort, MONTE_CARLO, rng)
    state = rng.normal(size=(MONTE_CARLO, CORNERS.shape[1]))
    z = [
        channel.label * CORNERS[labels] + channel.shared * state + channel.noise * rng.normal(size=state.shape)
        for channel in channels
    ]
    given_class = [_log_densities(one, [channel]) for one, channel in zip(z, channels, strict=True)]
    marginal = [_log_marginal(density) for density in given_class]
    with_label = [
        np.mean(given[np.arange(MONTE_CARLO), labels] - whole)
        for given, whole in zip(given_class, marginal, strict=True)
    ]
    between = np.zeros((len(z), len(z)))
    for one, two in combinations(range(len(z)), 2):
        both = _log_marginal(_log_densities(np.hstack([z[one], z[two]]), [channels[one], channels[two]]))
        between[one, two] = between[two, one] = np.mean(both - marginal[one] - marginal[two])
    return between, np.array(with_label)


def _cohort(name: str) -> Simulated:
    if name not in SIMULATED:
        raise InputError(
            "simulated cohort",
            repr(name),
            f"one of {', '.join(SIMULATED)}",
            "Write `simulated:NAME` with one of these.",
        )
    return SIMULATED[name]


def _draw_labels(cohort: Simulated, n: int, rng: np.random.Generator) -> NDArray[Any]:
    """(n,) classes from 0, or numbers."""
    return rng.choice(len(cohort.classes), size=n, p=PRIORS) if cohort.classes else rng.normal(size=n)


def _label_columns(cohort: Simulated, labels: NDArray[Any], rng: np.random.Generator) -> pd.DataFrame:
    """What is observed of (n,) labels: a class, a number, or a follow-up."""
    if cohort.classes:
        return pd.DataFrame({cohort.target: pd.Categorical(np.array(cohort.classes)[labels], list(cohort.classes))})
    if cohort.censored is None:
        return pd.DataFrame({cohort.target: labels})
    event = SCALE * (rng.exponential(size=len(labels)) * np.exp(-EFFECT * labels)) ** (1 / SHAPE)
    values = follow_up(event, cohort.censored, rng)
    return pd.DataFrame(values, columns=[f"{cohort.target}_time", f"{cohort.target}_event"])


def _observe(
    channel: Channel, hidden: Floats, rng: np.random.Generator, of_features: np.random.Generator, batch: float
) -> tuple[Floats, Floats]:
    """(n, 2) t -> (n, p) features, on scales and around means of their own as real ones are, and (n, 2) z."""
    p, (n, dimensions) = channel.features, hidden.shape
    carriers = channel.carriers or p
    axes = np.zeros((dimensions, p))
    axes[:, :carriers] = np.linalg.qr(of_features.normal(size=(carriers, dimensions)))[0].T
    axes *= np.sqrt(p)
    x = hidden @ axes + channel.noise * np.sqrt(p) * rng.normal(size=(n, p))
    shift = batch * channel.noise * np.sqrt(p) * rng.normal(size=p) if batch else 0.0
    values = of_features.normal(5, 2, size=p) + of_features.lognormal(sigma=0.3, size=p) * (x + shift)
    values = _ASSAYED[channel.scale]((values - 5) / np.sqrt(p), rng) if channel.scale in _ASSAYED else values
    values[rng.random(values.shape) < channel.missing] = np.nan
    return values, x @ axes.T / p


def _counts(logarithms: Floats, rng: np.random.Generator) -> Floats:
    sizes = rng.normal(DEPTH, LIBRARIES, size=(len(logarithms), 1))
    return rng.poisson(np.exp(sizes + logarithms)).astype(np.float64)


_ASSAYED: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "counts": _counts,
    "beta": lambda half_logits, _: 1 / (1 + np.exp(-2 * half_logits)),
}


def _covariance(channels: list[Channel]) -> Floats:
    """(M, M) covariance of z of M modalities, in either dimension, given the label."""
    shared = np.array([channel.shared for channel in channels])
    return np.outer(shared, shared) + np.diag([channel.noise**2 for channel in channels])


def _log_densities(z: Floats, channels: list[Channel]) -> Floats:
    """(n, 2 M) statistics of M modalities side by side -> (n, classes) log p(z | y)."""
    # The two dimensions are independent given the class.
    scale = np.linalg.cholesky(np.kron(_covariance(channels), np.eye(CORNERS.shape[1])))
    whiten = np.linalg.inv(scale).T
    means = np.hstack([channel.label * CORNERS for channel in channels])
    standardised = (z @ whiten)[:, None] - means @ whiten
    log_volume = np.log(np.diag(scale)).sum() + 0.5 * z.shape[1] * np.log(2 * np.pi)
    return np.asarray(-0.5 * np.square(standardised).sum(-1) - log_volume)


def _log_marginal(given_class: Floats) -> Floats:
    """(n, classes) log p(z | y) -> (n,) log p(z)."""
    return np.asarray(np.logaddexp.reduce(given_class + np.log(PRIORS), axis=1))
