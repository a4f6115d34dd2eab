"""Draw cohorts whose mutual information is known: `cohorts` has the model, `information` what omics share."""

import os
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray

from cch_omics.data.mudata import make_mudata, write_mudata
from cch_omics.data.simulate.cohorts import CORNERS, EFFECT, PRIORS, SCALE, SHAPE, SIMULATED, Channel, Floats, Simulated
from cch_omics.data.simulate.information import censoring_rate, information_of
from cch_omics.errors import InputError

SITES = ("A1", "A2", "AC", "AN", "AR", "B6", "BH", "C8", "D8", "E2", "E9", "GM")
# Logarithms of the mean count of a feature and of its spread over libraries.
DEPTH, LIBRARIES = 5.0, 0.5


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
        Modalities in `.mod`, each with `.X` (m, p) float32, the m samples that have it x its p features, NaN where a
        value is missing: numbers without a unit, or counts or beta values where the cohort is seen through an assay. Of
        the n samples, `.obs` has `tissue_source_site` and the target, which most may lack: a class, a number, or in two
        columns a time in days, and 1 for an event or 0. `.obsm["sufficient"]` of a modality is (m, 2), all that its
        values say of the label and of other modalities; `.uns["known_information"]` the table of `known_information`.

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
        One row per ordered pair of the M modalities, M (M - 1) rows: `teacher`, `student`, and in nats
        `teacher_student`, what they share, `student_label` and `teacher_label`, what they say of the label, and `gap`,
        `teacher_student` less `student_label`.

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


def follow_up(event: Floats, censored: float, rng: np.random.Generator) -> Floats:
    """(n,) times of the event, as they are drawn here -> (n, 2) follow-up, of which the fraction `censored` is."""
    if not censored:
        return np.column_stack([event, np.ones(len(event))])
    last = SCALE * rng.exponential(1 / censoring_rate(censored), size=len(event)) ** (1 / SHAPE)
    return np.column_stack([np.minimum(event, last), event <= last]).astype(np.float64)


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
