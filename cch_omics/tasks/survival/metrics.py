"""Metrics of survival, all by inverse probability of censoring weights and all truncated at a time tau.

They take predictions of shape (V, n, ...) and follow-ups of shape (n, 2), times and events, and return (V,). What
happens at tau or later does not count, so that a test patient who is followed longer than any training patient does no
harm. G, the distribution of censoring, is that of the training patients, and is taken to be the same for all patients.
scikit-survival has the same definitions.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Risks that differ by less are equal.
TIED = 1e-8
# Times at which the Brier score is integrated.
GRID = 20
# Parts of the probabilities from 0 to 1, for D-calibration; and the largest error of their shares, all being in one.
PARTS = 10
WORST_SHARES = (PARTS - 1) ** 0.5 / PARTS


def censoring(values: Floats, times: Floats) -> Floats:
    """(m,) G(t) = P(not censored until t) at (m,) times, by Kaplan and Meier from (n, 2) follow-ups."""
    unique, inverse = np.unique(values[:, 0], return_inverse=True)
    events = np.bincount(inverse, values[:, 1] == 1, minlength=len(unique))
    censored = np.bincount(inverse, values[:, 1] == 0, minlength=len(unique))
    # Who has an event at a time is no longer at risk of being censored at it.
    at_risk = len(values) - np.concatenate([[0], np.cumsum(events + censored)[:-1]]) - events
    left = np.cumprod(1 - censored / np.maximum(at_risk, 1))
    return np.asarray(np.concatenate([[1.0], left])[np.searchsorted(unique, times, side="right")])


def last_time(train: Floats, horizon: float) -> float:
    """Tau: the horizon, or the last time of the training patients if that is earlier."""
    return min(horizon, float(train[:, 0].max(initial=0.0)))


def counted_events(values: Floats, train: Floats, tau: float) -> tuple[NDArray[np.int64], Floats]:
    """Positions of the events before tau, and their weights 1 / G(t)."""
    g = censoring(train, values[:, 0])
    counted = np.flatnonzero((values[:, 1] == 1) & (values[:, 0] < tau) & (g > 0))
    return counted, 1 / g[counted]


def later(values: Floats, events: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(E, n) whether a patient is known to have lived longer than each of some with an event."""
    time, event = values.T
    return np.asarray((time > time[events, None]) | ((time == time[events, None]) & (event == 0)))


def ahead(risk: Floats, events: NDArray[np.int64]) -> Floats:
    """(E, n) 1 where the patient with the event has the higher risk, 1/2 where both are equal."""
    difference = risk[events, None] - risk
    return np.where(np.abs(difference) <= TIED, 0.5, difference > 0)


def uno_c(risk: Floats, values: Floats, train: Floats, tau: float) -> Floats:
    """Uno's C: P(risk_i > risk_j | T_i < T_j, T_i < tau), over pairs that can be compared.

    Weights are 1 / G(T_i)^2 (Uno, Cai, Pencina, D'Agostino, Wei 2011, Statistics in Medicine 30:1105). NaN without such
    a pair.
    """
    events, weight = counted_events(values, train, tau)
    pairs = later(values, events) * (weight**2)[:, None]
    total = pairs.sum()
    if not total > 0:
        return np.full(len(risk), np.nan)
    return np.array([(pairs * ahead(each, events)).sum() / total for each in risk])


def auroc(risk: Floats, values: Floats, train: Floats, time: float) -> Floats:
    """AUROC of an event until a time against no event until then (cumulative/dynamic).

    Hung & Chiang 2010, Canadian Journal of Statistics 38:8. NaN where one side has nobody.
    """
    events, weight = counted_events(values, train, np.nextafter(time, np.inf))
    controls = values[:, 0] > time
    total = weight.sum() * controls.sum()
    if not total > 0:
        return np.full(len(risk), np.nan)
    return np.array([weight @ ahead(each, events)[:, controls].sum(1) / total for each in risk])


def brier(survival: Floats, values: Floats, train: Floats, times: Floats) -> Floats:
    """(V, n, m) probabilities to live beyond m times -> (V, m) Brier scores.

    Graf, Schmoor, Sauerbrei, Schumacher 1999, Statistics in Medicine 18:2529. Times are before tau.
    """
    time, event = values.T
    g_own, g_at = censoring(train, time), censoring(train, times)
    dead = ((time[:, None] <= times) & (event[:, None] == 1)) / np.where(g_own > 0, g_own, np.inf)[:, None]
    alive = (time[:, None] > times) / np.where(g_at > 0, g_at, np.inf)
    return np.asarray((survival**2 * dead + (1 - survival) ** 2 * alive).mean(1))


def d_calibration(survival: Floats, died: NDArray[np.bool_]) -> Floats:
    """(V, n) probabilities to live beyond the end of the own follow-up -> (V,) how far they are from uniform.

    If the probabilities are right, a tenth of the patients dies while theirs is in each tenth of 0 to 1. A patient who
    is censored, or lives until tau, at the probability s is spread over those below it: a part of width w counts w / s
    (Haider, Hoehn, Davis, Greiner 2020, Journal of Machine Learning Research 21:85). This is the root mean square of
    share - 1/10, not their p-value, which says how many patients there are: chi-squared is 100 n times its square.

    Parameters
    ----------
    died
        (n,) whether the follow-up ended with an event, at tau or before.
    """
    at = np.maximum(survival, 1e-12)[..., None]
    low = np.arange(PARTS) / PARTS
    spread = np.clip(at - low, 0, 1 / PARTS) / at
    hit = np.minimum((at * PARTS).astype(np.int64), PARTS - 1) == np.arange(PARTS)
    shares = np.where(died[:, None], hit, spread).mean(1)
    return np.asarray(np.sqrt(((shares - 1 / PARTS) ** 2).mean(1)))


def grid(tau: float) -> Floats:
    """(m,) times before tau, at equal distances."""
    return np.linspace(0, tau, GRID + 1)[1:] * (1 - 1e-9)


def integrated(scores: Floats, times: Floats) -> Floats:
    """(V, m) scores at (m,) times -> (V,) their mean over time from the first to the last."""
    return np.asarray(np.trapezoid(scores, times, axis=1) / (times[-1] - times[0]))
