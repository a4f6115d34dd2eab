"""What simulated cohorts truly share: mutual information by closed forms, integrals and draws from the densities."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from cch_omics.data.simulate.cohorts import CORNERS, EFFECT, PRIORS, Channel, Floats, Simulated

MONTE_CARLO = 200_000
# Nodes of integrals over a normal variable, and logarithms of (t / SCALE)^SHAPE of those over time.
NORMAL_NODES, NORMAL_WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
NORMAL_WEIGHTS = NORMAL_WEIGHTS / NORMAL_WEIGHTS.sum()
LOG_TIMES: Floats = np.linspace(-25.0, 8.0, 600)


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
    hazard, ending = np.exp(EFFECT * y), censoring_rate(censored) if censored else 0.0
    u = np.exp(LOG_TIMES)
    found = 0.0
    for density in (hazard, np.full_like(hazard, ending)) if ending else (hazard,):
        given = np.einsum("ij,j,iju->iu", density, NORMAL_WEIGHTS, np.exp(-(hazard + ending)[..., None] * u))
        whole = NORMAL_WEIGHTS @ given
        # Where both vanish, they add nothing.
        ratio = np.log(np.maximum(given, 1e-300) / np.maximum(whole, 1e-300))
        found += float(np.trapezoid(NORMAL_WEIGHTS @ (given * ratio) * u, LOG_TIMES))
    return found


def censoring_rate(censored: float) -> float:
    """Rate c with which follow-up ends, in the unit u, so that a fraction is censored: the mean of c / (c + h)."""

    def excess(log_rate: float) -> float:
        rate = np.exp(log_rate)
        return float(NORMAL_WEIGHTS @ (rate / (rate + np.exp(EFFECT * NORMAL_NODES)))) - censored

    return float(np.exp(brentq(excess, -30.0, 30.0)))


def _of_classes(cohort: Simulated) -> tuple[Floats, Floats]:
    """As `_of_number`, from densities at random draws."""
    rng = np.random.default_rng(0)
    channels = list(cohort.modalities.values())
    labels = rng.choice(len(cohort.classes), size=MONTE_CARLO, p=PRIORS)
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
