"""Reading times and events from two columns of a clinical table, and what an audit asks of them."""

import dataclasses
import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError, some
from cch_omics.tasks.base import Association, Floats, LabelColumn, SiteDependence
from cch_omics.tasks.checks import best_feature, chunks, halves
from cch_omics.tasks.classification.reading import single_feature as telling_classes
from cch_omics.tasks.missing import missing_code
from cch_omics.tasks.reading import is_infinite, is_number, no_number
from cch_omics.tasks.regression.reading import single_feature as following_numbers
from cch_omics.tasks.regression.reading import site_dependence as number_at_sites
from cch_omics.tasks.survival.metrics import censoring, later

# A single feature that orders held-out patients better than this is suspicious.
SUSPICIOUS_C = 0.9
_FEWEST_EVENTS_IN_HALF = 5
# Times at or below zero are an accident of a few records; more of them are another quantity.
_MOST_UNUSABLE = 0.05
# The longest follow-up that is likely to be in years, or in months.
_LONGEST = {"years": 20.0, "months": 400.0}
# Half of a cohort is followed for no longer than this, in days, the smallest unit of time.
_LONGEST_MEDIAN = 60 * 365.25
# Events to be expected of a site from which it is said that it has none: chance does that in 5 of 100.
_EXPECTED_AT_SITE = 3.0

# What people call an event and its absence, beside 1 and 0. cBioPortal writes `1:DECEASED`.
EVENT = {
    *("dead", "died", "deceased", "death", "event", "yes", "true", "recurred", "relapsed", "relapse", "recurrence"),
    *("progressed", "progression", "recurred/progressed", "dead with tumor", "dead of disease", "uncensored"),
}
NO_EVENT = {
    *("alive", "living", "censored", "no", "false", "no event", "disease free", "diseasefree", "censor", "none"),
    *("no recurrence", "progression free", "no progression", "event free", "alive or dead tumor free"),
}
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*", re.DOTALL)


def read_follow_up(times: LabelColumn, events: LabelColumn) -> tuple[Floats, dict[str, int], str]:
    """Read (n, 2) times and events (1, or 0 where a patient was censored), NaN where either is missing.

    Returns
    -------
    tuple
        The follow-ups; samples by what they have in place of a usable follow-up; and what an event was written as, if
        that is anything but 1.

    Raises
    ------
    InputError
        If a time is text, a date, has a decimal comma, is infinite or stands for a missing one; if many are not above
        zero, or longer than a life; if events are not told as two values that are known, or in the column of times; if
        nobody, or too few, had an event; or if all times are equal or no event is before another patient's time.
    """
    if times.classes:
        raise InputError(
            f"{times.where}, `classes`",
            f"{len(times.classes)} classes for a survival time",
            "nothing",
            "Leave `classes` empty, or set `task` to `classification`.",
        )
    codes = {_plain(text) for text in times.texts if text}
    if codes and codes <= {"0", "1", "2"} | EVENT | NO_EVENT:
        raise InputError(
            times.where,
            f"codes of events in place of times: {some(sorted({text for text in times.texts if text}), 6)}",
            "times since diagnosis",
            f"Are this column and that of events ({events.name!r}) swapped? Rename them.",
        )
    time = _read_times(times)
    event, written = _read_events(events)
    has_time, has_event = np.isfinite(time), np.isfinite(event)
    unusable = has_time & ~(time > 0)
    if unusable.sum() > _MOST_UNUSABLE * has_time.sum():
        at = np.flatnonzero(unusable).tolist()
        raise InputError(
            times.where,
            f"{len(at)} of {has_time.sum()} times that are not above zero, such as "
            f"{some([f'{time[i]:g} of {times.samples[i]}' for i in at], 3)}",
            "times since diagnosis, above zero",
            "Are these times on a log scale, standardised, or counted from another day?",
        )
    _refuse_too_long(times, np.where(time > 0, time, np.nan))
    left_out = Counter(
        f"{times.texts[i].strip()} of {times.samples[i]} as time" for i in np.flatnonzero(unusable & has_event).tolist()
    )
    left_out["a time without an event or its absence"] = int((has_time & ~has_event).sum())
    left_out["an event or its absence without a time"] = int((has_event & ~has_time).sum())
    values = np.column_stack([time, event])
    values[~(has_time & has_event) | unusable] = np.nan
    _check(times, events, values)
    return values, dict(+left_out), written


def _refuse_too_long(column: LabelColumn, time: Floats) -> None:
    """Refuse codes for missing values, and numbers that are no lengths of follow-up."""
    if code := missing_code(time[:, None]):
        raise code.refused(f"{column.where}, row {column.samples[code.row]!r}")
    if (median := float(np.median(time[np.isfinite(time)] if np.isfinite(time).any() else 0.0))) > _LONGEST_MEDIAN:
        raise InputError(
            column.where,
            f"a median time of {median:.0f}, {median / 365.25:.0f} years even if these are days",
            "times since diagnosis, in days, months or years",
            "Are these dates as a spreadsheet or a database counts them, or ages? Subtract those at diagnosis.",
        )


def _read_times(column: LabelColumn) -> Floats:
    """(n,) times, NaN where missing."""
    bad = [row for row, text in enumerate(column.texts) if text and not (is_number(text) or is_infinite(text))]
    if bad:
        where, text = f"{column.where}, row {column.samples[bad[0]]!r}", column.texts[bad[0]]
        if _DATE.fullmatch(text.strip()):
            raise InputError(
                where,
                f"a date: {text[:60]!r} ({len(bad)} such in the column)",
                "the time from diagnosis to the event or the last contact, as a number",
                "Subtract the date of diagnosis, and write days or months.",
            )
        raise no_number(where, text, len(bad), "Write the time as a number, or leave the cell empty.")
    time = np.array([float(text) if text else np.nan for text in column.texts])
    if np.isinf(time).any():
        raise InputError(
            f"{column.where}, row {column.samples[int(np.isinf(time).argmax())]!r}",
            "an infinite time",
            "a finite number",
            "Of a patient who had no event write the time of the last contact.",
        )
    return time


def _read_events(column: LabelColumn) -> tuple[Floats, str]:
    """(n,) 1 or 0, NaN where missing; and what an event was written as, if that is anything but 1."""
    # A code before a colon says it, as in cBioPortal; numbers of tables with gaps have decimals.
    plain = [_plain(text) for text in column.texts]
    found = {text for text in plain if text}
    codes = {"0": 0.0, "1": 1.0} | dict.fromkeys(NO_EVENT, 0.0) | dict.fromkeys(EVENT, 1.0)
    if "2" in found and found <= {"1", "2"}:
        codes = {"1": 0.0, "2": 1.0}
    unknown = [row for row, text in enumerate(plain) if text and text not in codes]
    if unknown:
        raise InputError(
            f"{column.where}, row {column.samples[unknown[0]]!r}",
            f"{column.texts[unknown[0]][:60]!r} among {some(sorted({t for t in column.texts if t}), 6)}",
            "1 for an event and 0 for none (or 2 and 1, true and false, dead and alive, `1:DECEASED` and `0:LIVING`)",
            "Write 1 and 0. Of several kinds of events keep one, and count the others as none (censored).",
        )
    event = np.array([codes[text] if text else np.nan for text in plain])
    written = next((text for text, value in zip(column.texts, event, strict=True) if value == 1), "")
    return event, "" if _plain(written) == "1" and ":" not in written else written


def _plain(text: str) -> str:
    text = text.strip().casefold()
    code = re.fullmatch(r"([01]):.*", text, re.DOTALL)
    if code:
        return code[1]
    return text.partition(".")[0] if re.fullmatch(r"\d\.0*", text) else " ".join(text.replace("_", " ").split())


def _check(times: LabelColumn, events: LabelColumn, values: Floats) -> None:
    """Refuse what has nothing to learn from."""
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        raise InputError(
            f"{times.where} and {events.where}",
            "no follow-up of any sample in the tables",
            "a time and an event or its absence",
            "Choose another target, or fill it in.",
        )
    n_events = int(known[:, 1].sum())
    if n_events == 0:
        raise InputError(
            events.where,
            f"no event of any of {len(known)} samples: all are censored",
            "events",
            "Is 1 an event in this column? Else choose another target.",
        )
    if n_events < times.fewest:
        raise InputError(
            events.where,
            f"{n_events} events",
            f"at least {times.fewest}, so that every fold has some",
            "Choose a target with more events, or use fewer folds (section `splits` of the configuration).",
        )
    if np.ptp(known[:, 0]) == 0:
        raise InputError(
            times.where,
            f"the time {known[0, 0]:g} for all {len(known)} samples",
            "times that differ",
            "Equal times leave nothing to predict: choose another target.",
        )
    if known[known[:, 1] == 1, 0].min() == known[:, 0].max():
        raise InputError(
            f"{times.where} and {events.where}",
            f"all {n_events} events at {known[:, 0].max():g}, the longest time of all",
            "events before the last follow-up of other patients",
            "Nobody is known to have lived longer than another: do 1 and 0 mean an event and none here?",
        )


def guess_unit(column: str, times: Floats) -> str:
    """`months`, `days` or `years`: what the name of the column says, or else the longest of the times."""
    for unit in ("months", "days", "years"):
        if unit in column.casefold():
            return unit
    longest = float(np.nanmax(times))
    return next((unit for unit, limit in _LONGEST.items() if longest <= limit), "days")


def check_unit(column: LabelColumn, times: Floats, unit: str) -> None:
    """Refuse times (n,) of other patients that seem to be in another unit than those of the training."""
    if (found := guess_unit(column.name, times)) != unit:
        raise InputError(
            column.where,
            f"times that seem to be {found} (by the column's name, or else by the longest, {np.nanmax(times):g})",
            f"{unit}, as in the training",
            f"Turn them into {unit}. If they are {unit}, say so in the names of the columns, such as "
            f"{column.name.rpartition('_')[0] or 'os'}_{unit}_time and ..._event, and name that target.",
        )


def remarks(target: str, unit: str, times: Floats) -> list[str]:
    """Say that the name of a column and the times in it do not go together."""
    longest = float(np.nanmax(times))
    if longest > _LONGEST.get(unit, np.inf) or (unit == "days" and longest <= _LONGEST["years"]):
        return [
            f"The longest time of {target} is {longest:g}, which its column's name makes {unit}: more likely they are "
            f"{guess_unit('', times)}. Correct the name, or the times."
        ]
    return []


def at_sites(target: str, values: Floats, sites: NDArray[np.str_]) -> list[str]:
    """Say which sites have all events, or none where their follow-up lets some be expected (Nelson-Aalen)."""
    names, codes = np.unique(sites, return_inverse=True)
    events = np.bincount(codes, values[:, 1])
    expected = events - np.bincount(codes, martingale_residuals(values))
    if len(names) > 1 and (events > 0).sum() == 1:
        site = str(names[events.argmax()])
        return [f"All {events.sum():.0f} events of {target} are at site {site!r}, of {len(names)}."]
    none = np.flatnonzero((events == 0) & (expected >= _EXPECTED_AT_SITE))
    listed = ", ".join(f"{str(names[i])!r} ({expected[i]:.1f} expected)" for i in none.tolist())
    return [f"No event of {target} at sites {listed}: was follow-up recorded there?"] if listed else []


def median_follow_up(values: Floats) -> float:
    """Median time of follow-up by the reverse Kaplan-Meier estimator (Schemper & Smith 1996, Control. Clin. Trials)."""
    times = np.unique(values[:, 0])
    return _first(times, censoring(values, times) <= 0.5)


def median_survival(values: Floats) -> float:
    """Median time to the event by Kaplan and Meier; NaN if fewer than half had one."""
    times = np.unique(values[:, 0])
    # Events and censoring change places; at equal times the event is first.
    swapped = np.column_stack([values[:, 0], 1 - values[:, 1]])
    swapped[swapped[:, 1] == 1, 0] = np.nextafter(swapped[swapped[:, 1] == 1, 0], np.inf)
    return _first(times, censoring(swapped, times) <= 0.5)


def _first(times: Floats, reached: NDArray[np.bool_]) -> float:
    return float(times[reached.argmax()]) if reached.any() else float("nan")


def martingale_residuals(values: Floats) -> Floats:
    """(n,) event minus cumulative hazard at the end of follow-up (Nelson-Aalen): how much earlier than others."""
    unique, inverse = np.unique(values[:, 0], return_inverse=True)
    events = np.bincount(inverse, values[:, 1], minlength=len(unique))
    at_risk = len(values) - np.concatenate([[0], np.cumsum(np.bincount(inverse))[:-1]])
    return np.asarray(values[:, 1] - np.cumsum(events / at_risk)[inverse])


def single_feature(
    features: NDArray[np.float32], values: Floats, strata: NDArray[np.int64], groups: NDArray[np.str_]
) -> Association | None:
    """The feature that orders patients best, by Harrell's C (`Task.single_feature`).

    One that tells who had an event, by AUROC, or how long patients were followed, by Spearman correlation, comes first
    if it does so suspiciously well: both are known after the fact.
    """
    known = np.flatnonzero(strata >= 0)
    half = halves(strata[known], groups[known])
    sides = [known[half == side] for side in (0, 1)]
    if min((values[side, 1] == 1).sum() for side in sides) < _FEWEST_EVENTS_IN_HALF:
        return None
    scores = np.array([_concordances(features, values, side) for side in sides]) - 0.5
    feature, value = best_feature(scores)
    ordering = Association(feature, "", "C", 0.5 + value, 0.5 + value > SUSPICIOUS_C)
    events = np.where(strata >= 0, values[:, 1], -1).astype(np.int64)
    telling = telling_classes(features, events, groups, ("no event", "an event"))
    following = following_numbers(features, values[:, 0], strata, groups)
    if following is not None:
        following = dataclasses.replace(following, measure=f"{following.measure} with the time")
    found = (ordering, telling, following)
    return next((each for each in found if each is not None and each.suspicious), ordering)


def _concordances(features: NDArray[np.float32], values: Floats, rows: NDArray[np.int64]) -> Floats:
    """(p,) Harrell's C of each feature among some rows; 1/2 of a constant one."""
    events = np.flatnonzero(values[rows, 1] == 1)
    pairs = later(values[rows], events)
    found = np.full(features.shape[1], 0.5)
    if not pairs.any():
        return found
    for columns, chunk in chunks(features, rows):
        right = np.zeros(chunk.shape[1])
        for event, others in zip(events, pairs, strict=True):
            right += np.sign(chunk[event] - chunk[others]).sum(0)
        found[columns] = 0.5 + 0.5 * right / pairs.sum()
    return found


def site_dependence(values: Floats, sites: NDArray[np.str_]) -> SiteDependence | None:
    """How well the site alone predicts who has an event early, by the R2 of martingale residuals."""
    if (values[:, 1] == 1).sum() < 2 * _FEWEST_EVENTS_IN_HALF:
        return None
    found = number_at_sites(martingale_residuals(values), sites)
    return found and dataclasses.replace(found, measure="R² of martingale residuals")


def times_of(unit: str, horizon: float) -> tuple[float, ...]:
    """Times at which survival is told: 1, 2, 3, 5 and 10 years within the horizon; or else its half and itself."""
    year = {"days": 365.0, "months": 12.0, "years": 1.0}[unit]
    whole = tuple(year * number for number in (1, 2, 3, 5, 10) if year * number <= horizon)
    return whole or (horizon / 2, horizon)
