"""Cohorts made by code, whose mutual information is known.

The model: patients have a label y and a hidden state v, standard normal in two dimensions, that has nothing to do with
the label. A modality with p features shows a mixture of both,

    x = t A + r e,   t = label * m_y + shared * v,   A A' = p I,   r = noise * sqrt(p),   e standard normal.

A label is a class, and m_y a corner of a triangle around the origin, at distance one; or it is a number, standard
normal, and m_y = (y, 0). Of x, only z = x A' / p = t + noise * e' (e' standard normal, two dimensions) says anything of
y, of v or of another modality: z is a sufficient statistic, and the mutual information between two modalities, or with
the label, is that of their z. Given the class, the z of all modalities are jointly normal; with a number, they are
jointly normal with it.

`SIMULATED` can be read without torch, anndata or mudata.
"""

import os
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.runtime.files import atomic

if TYPE_CHECKING:
    import pandas as pd
    from mudata import MuData

Floats = NDArray[np.float64]

CLASSES = ("A", "B", "C")
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
    """A simulated cohort.

    Attributes
    ----------
    n
        Patients, one sample each.
    modalities
        By name.
    labelled
        Fraction of patients whose label is known.
    description
        What it is for.
    target
        Label column.
    classes, priors
        Its values and their probabilities; none if it is a number.
    """

    n: int
    modalities: dict[str, Channel]
    labelled: float
    description: str
    target: str = "subtype"
    classes: tuple[str, ...] = CLASSES
    priors: tuple[float, ...] = (0.4, 0.35, 0.25)


SIMULATED: dict[str, Simulated] = {
    "complementary": Simulated(
        n=400,
        modalities={
            "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
            "cnv": Channel(features=60, label=0.8, shared=1.0, noise=0.3),
            "rppa": Channel(features=40, label=1.0, shared=0.5, noise=0.6, missing=0.01),
        },
        labelled=0.35,
        description="rna knows the class, cnv little of it, and they share much beyond it: distil cnv from rna.",
    ),
    "misleading": Simulated(
        n=300,
        modalities={
            "rna": Channel(features=120, label=2.0, shared=0.3, noise=0.6),
            "mutation": Channel(features=60, label=0.0, shared=1.0, noise=1.0),
        },
        labelled=0.85,
        description="mutation knows nothing of the class, rna much: do not distil rna from mutation.",
    ),
    "unrelated": Simulated(
        n=300,
        modalities={
            "rna": Channel(features=120, label=0.0, shared=1.0, noise=0.5),
            "cnv": Channel(features=60, label=0.0, shared=1.0, noise=0.5),
        },
        labelled=0.85,
        description=(
            "The class has nothing to do with either modality, which share much: the gap is positive, the advantage "
            "zero, and no teacher helps."
        ),
    ),
    "number": Simulated(
        n=400,
        modalities={
            "rna": Channel(features=60, label=1.8, shared=1.0, noise=0.3),
            "cnv": Channel(features=60, label=0.8, shared=1.0, noise=0.3),
            "rppa": Channel(features=40, label=0.5, shared=0.5, noise=0.6, missing=0.01),
        },
        labelled=0.35,
        description="The label is a number: rna knows it, cnv and rppa little of it; all is jointly Gaussian.",
        target="score",
        classes=(),
        priors=(),
    ),
}


def simulate(name: str, *, seed: int = 0) -> "MuData":
    """Draw a simulated cohort.

    Parameters
    ----------
    name
        A name in `SIMULATED`.
    seed
        Of all that is random.

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
    import anndata
    import mudata
    import pandas as pd

    cohort = _cohort(name)
    rng = np.random.default_rng([seed, *name.encode()])
    n = cohort.n
    labels = _draw_labels(cohort, n, rng)
    state = rng.normal(size=(n, CORNERS.shape[1]))
    sites = rng.choice(SITES, size=n)
    samples = np.array([f"TCGA-{site}-{patient:04d}-01" for patient, site in enumerate(sites)])

    names = list(cohort.modalities)
    present = rng.random((n, len(names))) < [channel.present for channel in cohort.modalities.values()]
    # A patient without any modality is in no cohort.
    present[~present.any(1), rng.integers(len(names))] = True
    adatas = {}
    for column, (modality, channel) in enumerate(cohort.modalities.items()):
        values, sufficient = _observe(channel, _place(cohort, labels), state, rng)
        rows = present[:, column]
        adatas[modality] = anndata.AnnData(
            values[rows].astype(np.float32),
            obs=pd.DataFrame(index=samples[rows]),
            var=pd.DataFrame(index=[f"{modality}_{j:03d}" for j in range(channel.features)]),
            obsm={"sufficient": sufficient[rows]},
        )
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData(adatas)
    label = pd.Series(labels, index=samples)
    if cohort.classes:
        label = label.map(dict(enumerate(cohort.classes))).astype(pd.CategoricalDtype(list(cohort.classes)))
    label = label.where(rng.random(n) < cohort.labelled)
    obs = pd.DataFrame({cohort.target: label, "tissue_source_site": sites.astype(object)}, index=samples)
    obs = obs.loc[mdata.obs_names]
    for column in obs:
        mdata.obs[column] = obs[column]
    mdata.uns["known_information"] = known_information(name)
    return mdata


def write_simulated(name: str, path: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write `simulate(name)` as `.h5mu`."""
    import mudata

    with atomic(path) as temporary, mudata.set_options(pull_on_update=False):
        simulate(name, seed=seed).write(temporary)


def known_information(name: str) -> "pd.DataFrame":
    """True mutual information of a simulated cohort's sufficient statistics.

    With a number as label it is exact, from determinants of covariances (Cover and Thomas 2006, Elements of Information
    Theory, section 8.5). With classes it is the mean over 200,000 draws of ratios of the densities, which are known:
    exact to about 0.003 nats.

    Returns
    -------
    DataFrame
        One row per ordered pair: `teacher, student, teacher_student, student_label, teacher_label, gap`, in nats.

    Raises
    ------
    InputError
        If there is no cohort of that name.
    """
    import pandas as pd

    cohort = _cohort(name)
    between, with_label = _of_classes(cohort) if cohort.classes else _of_number(cohort)
    rows = [
        {
            "teacher": teacher,
            "student": student,
            "teacher_student": between[teacher, student],
            "student_label": with_label[student],
            "teacher_label": with_label[teacher],
            "gap": between[teacher, student] - with_label[student],
        }
        for teacher, student in permutations(cohort.modalities, 2)
    ]
    return pd.DataFrame(rows)


Pairs = dict[tuple[str, str], float]


def _of_number(cohort: Simulated) -> tuple[Pairs, dict[str, float]]:
    """Information between two modalities, and with the label: 1/2 log(|A| |B| / |A and B|) of covariances."""
    dimensions = CORNERS.shape[1]
    # z of a modality is linear in independent standard normal variables: y, v, and the noise of each modality.
    weights: dict[str, Floats] = {"": np.eye(1, 1 + dimensions * (1 + len(cohort.modalities)))}
    for position, (name, channel) in enumerate(cohort.modalities.items()):
        own = np.zeros((dimensions, weights[""].shape[1]))
        own[0, 0] = channel.label
        own[:, 1 : 1 + dimensions] = channel.shared * np.eye(dimensions)
        start = 1 + dimensions * (1 + position)
        own[:, start : start + dimensions] = channel.noise * np.eye(dimensions)
        weights[name] = own

    def information(one: str, two: str) -> float:
        parts = weights[one], weights[two], np.vstack([weights[one], weights[two]])
        log_one, log_two, log_both = (np.linalg.slogdet(part @ part.T)[1] for part in parts)
        return float(log_one + log_two - log_both) / 2

    between = {(one, two): information(one, two) for one, two in permutations(cohort.modalities, 2)}
    return between, {name: information(name, "") for name in cohort.modalities}


def _of_classes(cohort: Simulated) -> tuple[Pairs, dict[str, float]]:
    """Information between two modalities, and with the label, from densities at random draws."""
    rng = np.random.default_rng(0)
    priors = np.array(cohort.priors)
    classes = _draw_labels(cohort, MONTE_CARLO, rng).astype(np.int64)
    state = rng.normal(size=(MONTE_CARLO, CORNERS.shape[1]))
    z = {
        modality: _hidden(channel, CORNERS[classes], state) + channel.noise * rng.normal(size=state.shape)
        for modality, channel in cohort.modalities.items()
    }
    # log p(z | y), (draws, classes), and log p(z), (draws,).
    given_class = {
        names: _log_densities(np.hstack([z[name] for name in names]), [cohort.modalities[name] for name in names])
        for size in (1, 2)
        for names in permutations(z, size)
    }
    marginal = {names: np.logaddexp.reduce(density + np.log(priors), axis=1) for names, density in given_class.items()}
    with_label = {
        name: float(np.mean(given_class[(name,)][np.arange(MONTE_CARLO), classes] - marginal[(name,)])) for name in z
    }
    between = {
        (one, two): float(np.mean(marginal[one, two] - marginal[(one,)] - marginal[(two,)]))
        for one, two in permutations(z, 2)
    }
    return between, with_label


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
    return rng.choice(len(cohort.classes), size=n, p=cohort.priors) if cohort.classes else rng.normal(size=n)


def _place(cohort: Simulated, labels: NDArray[Any]) -> Floats:
    """(n, 2) m_y."""
    return CORNERS[labels] if cohort.classes else np.column_stack([labels, np.zeros_like(labels)])


def _hidden(channel: Channel, place: Floats, state: Floats) -> Floats:
    """(n, 2) t."""
    return channel.label * place + channel.shared * state


def _observe(channel: Channel, place: Floats, state: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(n, p) features, on scales and around means of their own as real ones are, and (n, 2) sufficient statistic."""
    p, dimensions = channel.features, place.shape[1]
    axes = np.linalg.qr(rng.normal(size=(p, dimensions)))[0].T * np.sqrt(p)
    hidden = _hidden(channel, place, state)
    x = hidden @ axes + channel.noise * np.sqrt(p) * rng.normal(size=(len(hidden), p))
    sufficient = x @ axes.T / p
    values = rng.normal(5, 2, size=p) + rng.lognormal(sigma=0.3, size=p) * x
    values[rng.random(values.shape) < channel.missing] = np.nan
    return values, sufficient


def _log_densities(z: Floats, channels: list[Channel]) -> Floats:
    """(n, 2 C) statistics of C modalities side by side -> (n, classes) log p(z | y)."""
    shared = np.array([channel.shared for channel in channels])
    covariance = np.outer(shared, shared) + np.diag([channel.noise**2 for channel in channels])
    # The two dimensions are independent given the class.
    scale = np.linalg.cholesky(np.kron(covariance, np.eye(CORNERS.shape[1])))
    whiten = np.linalg.inv(scale).T
    means = np.hstack([channel.label * CORNERS for channel in channels])
    standardised = (z @ whiten)[:, None] - means @ whiten
    log_volume = np.log(np.diag(scale)).sum() + 0.5 * z.shape[1] * np.log(2 * np.pi)
    return np.asarray(-0.5 * np.square(standardised).sum(-1) - log_volume)
