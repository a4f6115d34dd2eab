"""Cohorts made by code, whose mutual information is known.

The model: patients have a label y and a hidden state v, standard normal in two dimensions, that has nothing to do with
the label. A modality with p features shows a mixture of both,

    x = t A + r e,   t = label * m_y + shared * v,   A A' = p I,   r = noise * sqrt(p),   e standard normal.

A label is a class, and m_y a corner of a triangle around the origin, at distance one; or it is a number, standard
normal, and m_y = (y, 0). Of x, only z = x A' / p = t + noise * e' (e' standard normal, two dimensions) says anything of
y, of v or of another modality: z is a sufficient statistic, and the mutual information between two modalities, or with
the label, is that of their z. Given the class, the z of all modalities are jointly normal; with a number, they are
jointly normal with it.
"""

import os
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import anndata
import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray

from cch_omics.data.mudata import make_mudata, write_mudata
from cch_omics.errors import InputError

Floats = NDArray[np.float64]

CLASSES = ("A", "B", "C")
PRIORS = (0.4, 0.35, 0.25)
# Corners of the triangle, (classes, dimensions).
CORNERS: Floats = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
SITES = ("A1", "A2", "AC", "AN", "AR", "B6", "BH", "C8", "D8", "E2", "E9", "GM")
MONTE_CARLO = 200_000


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
    """

    features: int
    label: float
    shared: float
    noise: float
    present: float = 0.9
    missing: float = 0.0


@dataclass(frozen=True)
class Simulated:
    """A cohort of n patients, one sample each, of whom the fraction `labelled` have a known label: class or number."""

    n: int
    labelled: float
    modalities: dict[str, Channel]
    classes: tuple[str, ...] = CLASSES

    @property
    def target(self) -> str:
        """Name of the label's column."""
        return "subtype" if self.classes else "score"


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
    # The label is a number: rna knows it, cnv and rppa little of it; all is jointly Gaussian.
    "number": Simulated(
        n=400,
        labelled=0.35,
        modalities={
            "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
            "cnv": Channel(features=60, label=0.8, shared=1.0, noise=0.3),
            "rppa": Channel(features=40, label=0.5, shared=0.5, noise=0.6, missing=0.01),
        },
        classes=(),
    ),
}


def simulate(name: str, *, seed: int = 0) -> MuData:
    """Draw a cohort of `SIMULATED`.

    Returns
    -------
    MuData
        Modalities as in `SIMULATED`, samples with barcodes as in TCGA, each with at least one modality. `.obs` has the
        target (a categorical or a number, missing where the label is not known) and `tissue_source_site`. Of each
        modality, `.obsm["sufficient"]` holds z, (n, 2). `.uns["known_information"]` is the table of
        `known_information`.

    Raises
    ------
    InputError
        If there is no cohort of that name.
    """
    cohort = _cohort(name)
    rng = np.random.default_rng([seed, *name.encode()])
    n = cohort.n
    labels = _draw_labels(cohort, n, rng)
    place = CORNERS[labels] if cohort.classes else np.column_stack([labels, np.zeros(n)])
    state = rng.normal(size=place.shape)
    sites = rng.choice(SITES, size=n)
    samples = np.array([f"TCGA-{site}-{patient:04d}-01" for patient, site in enumerate(sites)])

    names = list(cohort.modalities)
    present = rng.random((n, len(names))) < [channel.present for channel in cohort.modalities.values()]
    # A patient without any modality is in no cohort.
    present[~present.any(1), rng.integers(len(names))] = True
    adatas = {}
    for (modality, channel), rows in zip(cohort.modalities.items(), present.T, strict=True):
        values, sufficient = _observe(channel, channel.label * place + channel.shared * state, rng)
        adatas[modality] = anndata.AnnData(
            values[rows].astype(np.float32),
            obs=pd.DataFrame(index=samples[rows]),
            var=pd.DataFrame(index=[f"{modality}_{j:03d}" for j in range(channel.features)]),
            obsm={"sufficient": sufficient[rows]},
        )
    label = pd.Series(labels, index=samples)
    if cohort.classes:
        label = label.map(dict(enumerate(cohort.classes))).astype(pd.CategoricalDtype(list(cohort.classes)))
    label = label.where(rng.random(n) < cohort.labelled)
    obs = pd.DataFrame({cohort.target: label, "tissue_source_site": sites.astype(object)}, index=samples)
    return make_mudata(adatas, obs, {"known_information": known_information(name)})


def write_simulated(name: str, path: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write `simulate(name)` as `.h5mu`."""
    write_mudata(simulate(name, seed=seed), path)


def known_information(name: str) -> pd.DataFrame:
    """True mutual information of the sufficient statistics of a cohort of `SIMULATED`.

    With a number as label it is exact: of jointly normal variables it is -1/2 log(1 - r^2) in each of the two
    dimensions, which are independent (Cover and Thomas 2006, Elements of Information Theory, section 8.5). With classes
    it is the mean over 200,000 draws of ratios of the densities, which are known: exact to about 0.003 nats.

    Returns
    -------
    DataFrame
        One row per ordered pair: `teacher, student, teacher_student, student_label, teacher_label, gap`, in nats.

    Raises
    ------
    InputError
        If there is no cohort of that name.
    """
    cohort = _cohort(name)
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
    return between, np.log1p(label**2 / rest.diagonal()) / 2


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


def _observe(channel: Channel, hidden: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(n, 2) t -> (n, p) features, on scales and around means of their own as real ones are, and (n, 2) z."""
    p, (n, dimensions) = channel.features, hidden.shape
    axes = np.linalg.qr(rng.normal(size=(p, dimensions)))[0].T * np.sqrt(p)
    x = hidden @ axes + channel.noise * np.sqrt(p) * rng.normal(size=(n, p))
    values = rng.normal(5, 2, size=p) + rng.lognormal(sigma=0.3, size=p) * x
    values[rng.random(values.shape) < channel.missing] = np.nan
    return values, x @ axes.T / p


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
