"""Discrete time: what a follow-up says of each interval, and what hazards say of a patient.

Time until the horizon is cut into K intervals (e_{k-1}, e_k], e_0 = 0. With hazards h_k = logistic(o_k) of the logits
o, a patient lives through interval k with probability 1 - h_k, and through a fraction f of it with (1 - h_k)^f, as with
a constant rate within an interval. So with d_k = 1 in the interval of the event and 0 else, and x_k the fraction of
interval k that was lived through, 1 in that of the event,

    log p(follow-up) = sum_k d_k o_k - x_k log(1 + exp o_k).

(Gensheimer & Narasimhan 2019, PeerJ 7:e6257; partial exposure as in piecewise exponential models, Friedman 1982, Annals
of Statistics 10:101.) An event after the horizon counts as survival of it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]

_STEPS = 30


def interval_ends(times: Floats, horizon: float, n: int) -> tuple[float, ...]:
    """(m,) event times -> n increasing ends of intervals, the last one the horizon, with about equal numbers of events.

    The others are event times before the horizon. An interval with a time at which many had an event has more than its
    share, and there are as many all the same: with too few different times, those until the first divide its time.
    """
    unique, events = np.unique(times[times < horizon], return_counts=True)
    more = max(n - 1 - len(unique), 0)
    first = unique[0] if len(unique) else horizon
    unique = np.concatenate([first * np.arange(1, more + 1) / (more + 1), unique])
    until = np.concatenate([np.zeros(more), np.cumsum(events)])
    k = np.arange(1, n)
    # The first time until which k / n of the events have happened; room is left for the ends that follow.
    place = np.minimum(np.searchsorted(until, events.sum() * k / n), len(unique) - n + k)
    place = np.maximum.accumulate(place - k) + k
    return (*unique[place].tolist(), horizon)


def softplus(logits: Floats) -> Floats:
    """Log(1 + exp o): the cumulative hazard of an interval, -log(1 - h)."""
    return np.asarray(np.logaddexp(0.0, logits))


def fractions(edges: Floats, times: Floats) -> Floats:
    """(m, K) part of each interval that lies before each of (m,) times."""
    lower = np.concatenate([[0.0], edges[:-1]])
    return np.asarray(np.clip((times[:, None] - lower) / (edges - lower), 0.0, 1.0))


def encode(edges: Floats, values: Floats) -> tuple[Floats, Floats]:
    """(n, 2) times and events -> (n, K) d and x; both are 0 without a label."""
    time, event = np.nan_to_num(values).T
    interval = np.searchsorted(edges, time, side="left")
    d = (event == 1)[:, None] & (interval[:, None] == np.arange(len(edges)))
    return d.astype(np.float64), np.where(d, 1.0, fractions(edges, time))


def log_likelihood(logits: Floats, d: Floats, x: Floats) -> Floats:
    """(..., n, K) logits and (n, K) d and x -> (..., n), in nats."""
    return np.asarray((d * logits - x * softplus(logits)).sum(-1))


def life_table(d: Floats, x: Floats) -> Floats:
    """(n, K) -> (K,) logits of the hazards of all n together, as Kaplan and Meier have them but for the intervals.

    Each interval has a pseudo-patient of the mean hazard, which keeps an interval without events finite.
    """
    mean = (d.sum() + 0.5) / (x.sum() + 1.0)
    return np.asarray(logit((d.sum(0) + mean) / (x.sum(0) + 1.0)))


def baseline(score: Floats, d: Floats, x: Floats) -> Floats:
    """(K,) b of the hazards logistic(b_k + score) that are most likely given (n,) scores; a pseudo-patient as above."""
    mean = (d.sum() + 0.5) / (x.sum() + 1.0)
    shifted, exposure = np.append(score, 0.0)[:, None], np.vstack([x, np.ones_like(x[:1])])
    events = d.sum(0) + mean
    b = np.full(d.shape[1], logit(mean) - np.median(shifted))
    for _ in range(_STEPS):
        hazard = expit(b + shifted)
        slope = (exposure * hazard * (1 - hazard)).sum(0)
        b = b + np.clip((events - (exposure * hazard).sum(0)) / np.maximum(slope, 1e-9), -2.0, 2.0)
    return np.asarray(b)


def survival(logits: Floats, edges: Floats, times: Floats) -> Floats:
    """(..., n, K) logits -> (..., n, m) probability to live beyond each of (m,) times, the horizon at most."""
    return np.asarray(np.exp(-softplus(logits) @ fractions(edges, times).T))


def expected(logits: Floats, edges: Floats, times: Floats) -> Floats:
    """(..., n, K) logits and (n,) times -> (..., n) each one's cumulative hazard until its own time."""
    return np.asarray((fractions(edges, times) * softplus(logits)).sum(-1))


def lived(logits: Floats, edges: Floats, times: Floats) -> Floats:
    """(..., n, K) logits and (n,) times -> (..., n) each one's probability to live beyond its own time."""
    return np.asarray(np.exp(-expected(logits, edges, times)))


def risk(logits: Floats) -> Floats:
    """(..., n, K) logits -> (..., n) logarithm of the expected mortality.

    That is the sum of the cumulative hazards at the ends of intervals (Ishwaran, Kogalur, Blackstone, Lauer 2008,
    Annals of Applied Statistics 2:841). Where one score moves all hazards it orders patients as the score does.
    """
    mortality = softplus(logits) @ np.arange(logits.shape[-1], 0.0, -1.0)
    return np.asarray(np.log(np.maximum(mortality, 1e-300)))
