"""The verdict on a pair: the Cross-modal Complementarity Hypothesis, and what a pilot says of it.

The paper's plain rule (Xie, Xu, Sanguinetti 2025, arXiv 2510.13182) is the sign of the gap I(H_T;H_S) - I(H_S;Y):
distil when teacher and student share more than the student knows of the label. By the chain rule of mutual information

    gap       = I(T;S|Y) - I(S;Y|T)
    advantage = I(T;Y) - I(S;Y) = I(T;Y|S) - I(S;Y|T)

so the gap never looks at I(T;Y|S), what the student could learn. With labels that mean nothing I(S;Y) is 0, the gap is
positive, and the plain rule says "distil". What the teacher would add is the benefit,

    benefit   = I(T;Y|S) - w I(S;Y|T),

what it knows of the label beyond the student, less the part w of what only the student knows, which the weight of the
soft targets decides. That is a paired difference of held-out log-losses (`criteria.log_loss`).

Neither says whether the student's omics can express what the teacher knows. A pilot does (`pilots`): a student that was
taught on inner folds, by teachers that have not seen the labels that it is judged by, and what it gained there. On real
cohorts that foretells the gain better than gap and benefit, and better than the combinations with them that were tried
(docs/decisions.md). So the verdict rests on the pilot's gain, and on the benefit where no pilot can be asked; what gap
and benefit say is reported beside it. Two things are asked for, because a gain without them is luck: that the teacher
more likely than not knows something of the label, I(T;Y) > 0, and that it is shown to share something with the student,
I(T;S) > 0.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cch_omics import keys
from cch_omics.config import CriterionConfig

# Confidence with which each of two estimators has to show the sign of a gap: with it no sign was wrong among 337 known
# ones (benchmarks/gaps.md).
SHOWN = 0.8

# Standard deviation of what distilling truly gains in balanced accuracy, over pairs: 0.035, 0.028 and 0.022 at the
# three label budgets of docs/decisions.md, 0.015 to 0.037 with any of the groups of patients left out. Beside it an
# estimate of 10 +- 10 points says next to nothing.
GAIN_SD = 0.03


def decide(pairs: pd.DataFrame, settings: CriterionConfig, *, target: str) -> pd.DataFrame:
    """Judge every pair in every split.

    P(gain > 0) is what a pilot's gain, with a normal error, leaves of a normal prior around zero of standard deviation
    `GAIN_SD`; without a pilot, it is that of a normal around the benefit. Pilots of the whole split are those of the
    outer training sets (`pilots.pilot_gains`). P(gap > 0) is that of a normal around what the estimator says beyond
    what it says where the truth is zero, learnt from simulated twins of the cohort (`information.twin`); its standard
    deviation is the twins' or the estimate's own standard error, whichever is wider.

    Let c be `settings.confidence`. A pair is

    - `do_not_distil` if P(gain > 0) <= 1 - c;
    - `distil` if P(gain > 0) >= c, P(I(T;S) > 0) >= c, and I(T;Y), by log-loss, is more likely positive than not; of
      the whole split these too are means over the outer training sets, if there are any;
    - `undecided` otherwise.

    Parameters
    ----------
    pairs
        As `information.pairs.estimate_pairs` returns it.
    target
        Name of the label, for the reasons.

    Returns
    -------
    DataFrame
        `repeat, fold` and `keys.VERDICT_COLUMNS`, a row for each of `pairs`; `cch_verdict` is the plain rule's.
    """
    rows = [
        _decide_pair(row, needed, settings, target)
        for row, needed in zip(pairs.to_dict("records"), _needed(pairs).to_dict("records"), strict=True)
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", *keys.VERDICT_COLUMNS])


def _needed(pairs: pd.DataFrame) -> pd.DataFrame:
    """What has to be positive for `distil`, with its errors; of the whole split the means of outer training sets."""
    names = [f"{name}{of}" for name in ("log_loss_teacher_label", "mi_teacher_student") for of in ("", "_se")]
    whole = pairs["repeat"] == -1
    means = pairs[~whole].groupby(["teacher", "student"])[names].mean()
    of_whole = means.reindex(pd.MultiIndex.from_frame(pairs[["teacher", "student"]])).set_index(pairs.index)
    return pairs[names].where(~whole | of_whole.isna().all(axis=1), of_whole)


def ask_pilots(pairs: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Rows of `information.pairs.estimate_pairs` with the gains of other pilots; NaN where these have none.

    Parameters
    ----------
    gains
        As `pilots.network_pilots` returns them.
    """
    held = pairs.drop(columns=["pilot_gain", "pilot_gain_se"])
    return held.merge(gains, on=["repeat", "fold", "teacher", "student"], how="left", validate="one_to_one")


def choose_teachers(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Choose for each student, among the teachers that may teach it, the one of the largest `score`.

    The student's verdict is `distil` if it has a teacher of that verdict, `do_not_distil` if no teacher is in doubt,
    and else `undecided`: it then has a teacher all the same if one is more likely ahead of it than not (`may_teach`).
    Without a teacher the student is to be trained alone; its `p_gap_positive` is that of the teacher of the largest
    score.

    Parameters
    ----------
    verdicts
        One row per pair, of one split.

    Returns
    -------
    DataFrame
        `keys.TEACHER_COLUMNS`, one row per student.
    """
    rows = []
    scored = verdicts.assign(score=score(verdicts).fillna(-np.inf))
    for student, candidates in scored.groupby("student", sort=True):
        allowed = candidates[may_teach(candidates["verdict"].to_numpy(), candidates["score"].to_numpy())]
        best = (candidates if allowed.empty else allowed).sort_values("score", ascending=False, kind="stable").iloc[0]
        if (candidates["verdict"] == keys.DISTIL).any():
            verdict = keys.DISTIL
        elif (candidates["verdict"] == keys.DO_NOT_DISTIL).all():
            verdict = keys.DO_NOT_DISTIL
        else:
            verdict = keys.UNDECIDED
        rows.append((student, "" if allowed.empty else best["teacher"], verdict, best["p_gap_positive"]))
    return pd.DataFrame(rows, columns=list(keys.TEACHER_COLUMNS))


def may_teach(verdict: NDArray[Any], score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of a student's candidates may teach it: those called `distil`, and if there are none, the best guesses.

    A guess is an undecided candidate with a score above zero: on the cohorts of docs/decisions.md training alone until
    one is sure cost more than it saved.

    Parameters
    ----------
    verdict, score
        (n,) of the candidates of one student.
    """
    allowed = verdict == keys.DISTIL
    return np.asarray(allowed if allowed.any() else (verdict == keys.UNDECIDED) & (score > 0))


def score(verdicts: pd.DataFrame) -> "pd.Series[float]":
    """Order pairs by what is to be gained: the pilot's gain; without a pilot, the benefit.

    Of the students of one omics all have pilots or none has.
    """
    known = verdicts["pilot_gain"].where(verdicts["pilot_gain_se"].notna())
    return known.fillna(verdicts["log_loss_benefit"])


def shown_sign(row: Mapping[Hashable, Any]) -> int:
    """1 or -1 where the gap of a row of `estimate_pairs` is shown to have that sign, else 0.

    At cohort size the sign of an estimated gap is mostly the estimators' bias. It is shown where P(gap > 0) is at least
    `SHOWN`, or at most one minus it, by two estimators of I(T;S) of different kinds, each corrected by twins, and does
    not drift across zero with fewer samples, more neighbours or fewer components (flags `drift_*`).
    """
    if any(flag in row["flags"] for flag in keys.DRIFTS):
        return 0
    each = [_probability_positive(row, name) for name in ("gap", "cross_check_gap")]
    if all(p >= SHOWN for p in each):
        return 1
    return -1 if all(p <= 1 - SHOWN for p in each) else 0


def _decide_pair(
    row: Mapping[Hashable, Any], needed: Mapping[Hashable, Any], settings: CriterionConfig, target: str
) -> dict[Hashable, Any]:
    benefit, pilot = _probability_positive(row, "log_loss_benefit"), _probability_gain(row)
    gain = benefit if np.isnan(pilot) else pilot
    verdict = _verdict(needed, gain, settings.confidence)
    plain = "" if np.isnan(row["gap"]) else keys.DISTIL if row["gap"] > 0 else keys.DO_NOT_DISTIL
    judged: dict[Hashable, Any] = {
        "p_gap_positive": _probability_positive(row, "gap"),
        "p_advantage_positive": _probability_positive(row, "log_loss_advantage"),
        "p_benefit_positive": benefit,
        "p_gain_positive": gain,
        "cross_check_p_gap_positive": _probability_positive(row, "cross_check_gap"),
        "cch_verdict": plain,
        "verdict": verdict,
        "reason": _reason(row, needed, verdict, gain, settings.confidence, target),
    }
    return dict(row) | judged


def _probability_positive(row: Mapping[Hashable, Any], quantity: str) -> float:
    """P(truth > 0) of a quantity; without twins, of a normal around the estimate."""
    estimate, se = row[quantity], row[f"{quantity}_se"]
    if np.isnan(estimate) or np.isnan(se):
        return float("nan")
    at_zero, sd = row.get(f"{quantity}_at_zero", np.nan), row.get(f"{quantity}_twin_sd", np.nan)
    if np.isnan(at_zero):
        at_zero, sd = 0.0, 0.0
    return _normal_positive(estimate - at_zero, max(se, sd))


def _probability_gain(row: Mapping[Hashable, Any]) -> float:
    gain, se = row["pilot_gain"], row["pilot_gain_se"]
    if np.isnan(gain) or np.isnan(se):
        return float("nan")
    # The posterior has mean gain s^2 / (s^2 + se^2) and variance s^2 se^2 / (s^2 + se^2), with s of the prior.
    return _normal_positive(gain, se * np.hypot(1, se / GAIN_SD))


def _normal_positive(mean: float, sd: float) -> float:
    if sd == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(norm.cdf(mean / sd))


def _verdict(needed: Mapping[Hashable, Any], gain: float, confidence: float) -> str:
    if np.isnan(gain):
        return keys.UNDECIDED
    if gain <= 1 - confidence:
        return keys.DO_NOT_DISTIL
    shared = _normal_positive(needed["mi_teacher_student"], needed["mi_teacher_student_se"])
    # A missing I(T;S) is not a likely one.
    luck = not (needed["log_loss_teacher_label"] > 0 and shared >= confidence)
    return keys.DISTIL if gain >= confidence and not luck else keys.UNDECIDED


def _reason(
    row: Mapping[Hashable, Any],
    needed: Mapping[Hashable, Any],
    verdict: str,
    gain: float,
    confidence: float,
    target: str,
) -> str:
    """The verdict in words, what it rests on first."""
    teacher, student = row["teacher"], row["student"]
    if np.isnan(gain):
        return (
            f"What {teacher} and {student} know of {target} could not be compared: too few patients have both omics "
            f"and a label ({row.get('n_labelled', 0)} could be used)."
        )

    def nats(name: str, of: Mapping[Hashable, Any] = row) -> str:
        return f"{of[name]:.2f} ± {of[f'{name}_se']:.2f} nats"

    adds = "adds to" if row["log_loss_benefit"] > 0 else "adds nothing to"
    evidence = [f"{teacher} {adds} what {student} knows of {target}: {nats('log_loss_benefit')}"]
    if not np.isnan(row["pilot_gain"]):
        points, error = 100 * row["pilot_gain"], 100 * row["pilot_gain_se"]
        evidence.insert(0, f"pilots of {student}, taught by {teacher}, gained {points:+.1f} ± {error:.1f} points")
    if np.isnan(row["gap"]):
        evidence.append(f"what {teacher} and {student} share could not be estimated with so few labels")
    else:
        more = "more than" if row["gap"] > 0 else "less than"
        sign = {1: "positive", -1: "negative", 0: "of no sure sign"}[shown_sign(row)]
        changing = [words for flag, words in keys.DRIFTS.items() if flag in row["flags"]]
        if changing:
            sign += f": it changes with {', '.join(changing)}"
        evidence.append(
            f"they share {nats('mi_teacher_student')}, {more} the {nats('mi_student_label')} that {student} knows of "
            f"{target} (the gap is {sign})"
        )
    if verdict == keys.UNDECIDED and gain >= confidence:
        if not needed["log_loss_teacher_label"] > 0:
            known = nats("log_loss_teacher_label", needed)
            first = f"{teacher} knows nothing of {target}, as far as training sets show ({known})"
        elif np.isnan(needed["mi_teacher_student"]):
            first = f"what {student} shares with {teacher} could not be estimated"
        else:
            shared = nats("mi_teacher_student", needed)
            first = f"{student} is not shown to share anything with {teacher} ({shared})"
        evidence.insert(0, f"{first}, so that a gain would be luck")
    elif verdict == keys.UNDECIDED:
        evidence[0] = f"too close to call: {evidence[0]}"
    text = "; ".join(evidence)
    # A modality keeps its name.
    return f"{text}." if text.startswith((f"{teacher} ", f"{student} ")) else f"{text[0].upper()}{text[1:]}."
