"""Mutual information of every ordered pair of modalities, and of both with the label, in every split.

Three terms belong to a pair: I(T;S), I(S;Y) and I(T;Y). Within one inner fold all are estimated from held-out
representations of the same patients, those with both modalities (for the label terms: of these, the ones whose
label may be used), so that their differences are paired. A fold's estimates are averaged over folds;
representations of different folds come from different encoders, whose axes are not aligned, and are never pooled.

Of the label, an estimator may take the held-out logits instead of the representation (`Estimator.first`): they are
of the same encoder and the same patients.

Of a representation the leading principal components enter, fitted within the fold without labels, and divided by one
number: their root mean variance. Single components are *not* standardised. The units are all tanh units, on one
scale; a component with little variance is mostly noise, which standardising would blow up until it fills the
neighbourhoods.

The sign of a small difference of such estimates is mostly the estimators' bias. Four things say so, all made here:

- a second estimator of I(T;S), of another kind (`cross_check`), with the same label terms;
- a bracket of the gap itself by a class-conditional model (`class_mixture`), of the whole split;
- simulated twins (`twin`) of the whole split: what the estimators say where the truth is zero, and how often their sign
  is wrong;
- drift: the gap with fewer samples, more neighbours and fewer components. Where it moves by more than its standard
  error allows, across zero, it is flagged.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import InformationConfig
from cch_omics.criteria.log_loss import held_out_losses
from cch_omics.errors import InputError
from cch_omics.information import twin
from cch_omics.information.class_mixture import class_mixture
from cch_omics.information.estimators import ESTIMATORS, Estimator, run
from cch_omics.information.result import Estimates
from cch_omics.information.subsampling import compress, half_samples, half_to_whole
from cch_omics.parallel import each_part
from cch_omics.pilots import linear_pilots
from cch_omics.predictions import Encoding
from cch_omics.splits import Splits

Floats = NDArray[np.float64]

# Bytes of the distances of all modalities that are held at once.
HELD = {"cpu": 2**28, "cuda": 2**33}

# What a row says, as sums of (I(T;S), I(S;Y), I(T;Y), I(T;S) by the second estimator).
COMBINATIONS = {
    "mi_teacher_student": (1.0, 0.0, 0.0, 0.0),
    "mi_student_label": (0.0, 1.0, 0.0, 0.0),
    "mi_teacher_label": (0.0, 0.0, 1.0, 0.0),
    "gap": (1.0, -1.0, 0.0, 0.0),
    "advantage": (0.0, -1.0, 1.0, 0.0),
    "gap_plus_advantage": (1.0, -2.0, 1.0, 0.0),
    "cross_check_teacher_student": (0.0, 0.0, 0.0, 1.0),
    "cross_check_gap": (0.0, -1.0, 0.0, 1.0),
}
# What is compared with the twins, as the same sums: a twin's truth has the second estimator's place filled by I(T;S).
CALIBRATED = ("gap", "cross_check_gap", "advantage", "mi_teacher_student", "mi_teacher_label")
# Ways to draw the folds of the bracket.
BRACKET_REPEATS = 2
# Flags that say why a fold has no estimate.
REASONS = ("deterministic", "too_few_samples")
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Folds:
    """One unordered pair (a, b) in F inner folds; the Q = 4 terms are I(A;B), I(A;Y), I(B;Y) and I(A;B) again, by the
    second estimator.

    Attributes
    ----------
    values
        (F, Q) nats, NaN where no estimate is possible.
    covariance
        (F, Q, Q) of the values, given the encoders; NaN where the half-samples do not tell.
    drifted
        (F, 3, Q), in the order of `keys.DRIFTS`: values with infinitely many samples (extrapolated in 1/n from the
        half-samples), with twice as many neighbours, with half as many components.
    bracket
        (F, 2, 2) ends of the gap by the class-conditional model: a teaching b, b teaching a. NaN but for the whole
        split.
    twin, truth
        (F, R, Q) values on the simulated twins, and what they should be. NaN but for the whole split.
    n_paired, n_labelled
        (F,) patients' samples behind I(A;B) and behind the label terms.
    flags
        By name, (F,).
    """

    values: Floats
    covariance: Floats
    drifted: Floats
    bracket: Floats
    twin: Floats
    truth: Floats
    n_paired: NDArray[np.int64]
    n_labelled: NDArray[np.int64]
    flags: dict[str, NDArray[np.bool_]]


ARRAYS = [field.name for field in fields(Folds) if field.name != "flags"]


def estimate_pairs(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    settings: InformationConfig,
    *,
    seed: int,
    inputs_of: Callable[[str], NDArray[np.float32] | None] | None = None,
    device: torch.device | str = "cpu",
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Estimate the three terms, the gap and the advantage of every ordered pair in every split.

    The mean over folds j has the weights w_j = n_j / sum n, n_j the paired samples of a fold. Its covariance is

        sum_j w_j^2 (V_j + T),  T = [ C - mean_j V_j ]_+

    V_j is the covariance of fold j's four estimates over half-samples (the same ones for all terms), scaled from
    half to whole; C is their covariance between folds; T, how much encoders differ, is what C has beyond V, with
    the negative eigenvalues set to zero. Every standard error in a row is that of a sum of the four terms under
    this one covariance.

    A fold contributes nothing, and is counted in `flags`, if a term cannot be estimated there (one class; fewer
    than k + 2 samples) or if most half-samples are too small for an estimate. Nothing is clipped; if no fold is
    left, values are NaN, but for I(T;S) if the label terms alone are to blame.

    Parameters
    ----------
    cohort, splits
        The samples and who is held out when.
    encodings
        By modality. One of every pair's modalities teaches the other, both ways round.
    settings
        Estimators, k, retained dimension, number of half-samples.
    seed
        Of the half-samples; a split and fold has the same ones for all pairs.
    inputs_of
        Modality -> `Encoding.inputs`, read when they are needed; by default those that the encodings have. Without them
        there is no pilot.
    device, threads
        Where to compute, and on how many cores.
    progress
        Called with (folds done, folds in total).

    Returns
    -------
    DataFrame
        A row per split and ordered pair: `repeat, fold` (-1, -1: the whole split), `teacher, student, estimator`;
        the columns of `COMBINATIONS`, each with `_se`, in nats; `gap_advantage_covariance`, nats squared;
        for each of `CALIBRATED`, `_at_zero` and `_twin_sd` (`twin.Calibration`), and for the gap `twin_bias,
        twin_coverage, twin_sign_errors`: NaN where the label estimator wants logits, which twins have not;
        `bracket_low, bracket_high`, the gap by `class_mixture`: twins and bracket are of the whole split only, NaN in
        the others; `log_loss_advantage`, `log_loss_benefit` and
        `log_loss_teacher_label`, each with `_se`, by `log_loss`; `pilot_gain` and its `_se`, by `pilots.linear_pilots`;
        `n_paired, n_labelled`, samples in the folds that
        contribute; `dim`; `flags`, separated by ";", "" if there is none: those of the estimators, and `keys.DRIFTS`.

    Raises
    ------
    InputError
        If an encoding lacks a training sample of its modality, or there are fewer than two encodings.
    """
    names = [name for name in cohort.modalities if name in encodings]
    if len(names) < 2:
        raise InputError(
            f"cohort {cohort.name}",
            f"encodings of {', '.join(names) or 'no modality'}",
            "encodings of at least two modalities",
            "A teacher and a student are two modalities.",
        )
    _check_encodings(cohort, splits, encodings, names)

    def estimate(number: int) -> dict[tuple[str, str], Folds]:
        return dict(_estimate_batch(cohort, splits, encodings, names, batches[number], settings, seed, device))

    def compare(s: int) -> dict[tuple[str, str], dict[str, float]]:
        return _by_log_loss(cohort, splits, encodings, names, s)

    batches = list(_batches(splits, len(names), torch.device(device).type))
    total, done = sum(map(len, batches)), 0
    estimated = {}
    for number, of_batch in each_part(estimate, range(len(batches)), threads=threads, device=device):
        estimated[number] = of_batch
        done += len(batches[number])
        progress(done, total)
    joined = {
        pair: _joined([estimated[number][pair] for number in range(len(batches))]) for pair in combinations(names, 2)
    }
    compared = dict(each_part(compare, range(len(splits.fold)), threads=threads, device="cpu"))

    rows = []
    for s in range(len(splits.fold)):
        of_split = slice(s * splits.n_inner, (s + 1) * splits.n_inner)
        for teacher in names:
            for student in names:
                if teacher == student:
                    continue
                swapped = names.index(student) < names.index(teacher)
                pair = (student, teacher) if swapped else (teacher, student)
                folds = _chosen(joined[pair], of_split)
                dim = min(settings.dimension, encodings[teacher].representation.shape[2])
                rows.append(
                    {
                        "repeat": int(splits.repeat[s]),
                        "fold": int(splits.fold[s]),
                        "teacher": teacher,
                        "student": student,
                        "estimator": f"{settings.teacher_student}-{settings.label}",
                        "cross_check_estimator": f"{settings.cross_check}-{settings.label}",
                        # Folds hold I(A;Y), I(B;Y); a row wants the student's first.
                        **_row(folds, settings.neighbours, first_teaches=not swapped),
                        **compared[s][teacher, student],
                        "dim": dim,
                    }
                )

    def ask(student: str) -> pd.DataFrame:
        inputs = encodings[student].inputs if inputs_of is None else inputs_of(student)
        return linear_pilots(cohort, splits, encodings, student, inputs)

    gains = dict(each_part(ask, names, threads=threads, device="cpu"))
    frame = pd.DataFrame(rows).merge(
        pd.concat([gains[name] for name in names]), on=["repeat", "fold", "teacher", "student"], how="left"
    )
    return frame[[column for column in frame.columns if column != "flags"] + ["flags"]]


def information_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole-split rows of `estimate_pairs`, one row per ordered pair and term: `information.tsv`.

    Intervals are the normal ones at 95%; the unit is nats.
    """
    whole = frame[frame["repeat"] == -1]
    rows = []
    for row in whole.to_dict("records"):
        between, label = str(row["estimator"]).split("-")
        for quantity in keys.QUANTITIES:
            estimate, se = float(row[f"mi_{quantity}"]), float(row[f"mi_{quantity}_se"])
            is_pair = quantity == "teacher_student"
            rows.append(
                {
                    "teacher": row["teacher"],
                    "student": row["student"],
                    "quantity": quantity,
                    "estimator": between if is_pair else label,
                    "estimate": estimate,
                    "se": se,
                    "ci_low": estimate - NORMAL_95 * se,
                    "ci_high": estimate + NORMAL_95 * se,
                    "n": row["n_paired"] if is_pair else row["n_labelled"],
                    "dim": row["dim"],
                    "unit": "nats",
                }
            )
    return pd.DataFrame(rows, columns=list(keys.INFORMATION_COLUMNS))


def _by_log_loss(
    cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], names: list[str], split: int
) -> dict[tuple[str, str], dict[str, float]]:
    """By teacher and student: what they know of the label by held-out log-loss, on labelled samples that have both."""
    found = {}
    for a, b in combinations(names, 2):
        both = splits.labelled[split] & cohort.profiled(a) & cohort.profiled(b)
        logits_a, logits_b = (encodings[name].logits[split, both].astype(np.float64) for name in (a, b))
        of = (cohort.labels[both], splits.inner[split, both], cohort.groups[both])
        losses = held_out_losses(logits_a, logits_b, *of)
        for pair, each in (((a, b), losses), ((b, a), losses.swapped)):
            quantities = {
                "log_loss_advantage": each.advantage(),
                "log_loss_benefit": each.benefit(),
                "log_loss_teacher_label": each.teacher_label(),
            }
            found[pair] = {
                name: number
                for quantity, numbers in quantities.items()
                for name, number in zip((quantity, f"{quantity}_se"), numbers, strict=True)
            }
    return found


def principal_components(points: Tensor, valid: Tensor, dimension: int) -> Tensor:
    """Leading principal components of the valid samples of each item, divided by their root mean variance.

    Parameters
    ----------
    points
        (B, n, r) float64, anything on padding.
    valid
        (B, n).
    dimension
        Components kept; with r or more, all.

    Returns
    -------
    Tensor
        (B, n, min(dimension, r)), zero on padding. Their signs are arbitrary: no distance depends on them.
    """
    count = valid.sum(-1).clamp(min=1)[:, None, None]
    held = points.masked_fill(~valid[..., None], 0.0)
    centred = (held - held.sum(1, keepdim=True) / count).masked_fill(~valid[..., None], 0.0)
    # Eigenvalues increase.
    axes = torch.linalg.eigh(centred.mT @ centred / count).eigenvectors[..., -dimension:]
    scores = centred @ axes
    scale = (scores.square().sum((1, 2), keepdim=True) / (count * scores.shape[-1])).sqrt()
    standardised: Tensor = scores / torch.where(scale > 0, scale, 1.0)
    return standardised


def average_folds(values: Floats, covariance: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean over folds and its covariance (random effects; see `estimate_pairs`).

    Parameters
    ----------
    values
        (F, q) estimates.
    covariance
        (F, q, q) of each fold's estimates.
    weights
        (F,) positive.

    Returns
    -------
    tuple
        (q,) and (q, q). With one fold nothing is known of how encoders differ: T = 0.
    """
    share = weights / weights.sum()
    between = np.zeros_like(covariance[0])
    if len(values) > 1:
        excess = np.cov(values, rowvar=False) - covariance.mean(0)
        eigenvalues, axes = np.linalg.eigh(excess)
        between = (axes * np.maximum(eigenvalues, 0)) @ axes.T
    return share @ values, np.einsum("j,jab->ab", share**2, covariance + between)


def _row(folds: Folds, neighbours: int, *, first_teaches: bool) -> dict[str, float | int | str]:
    """Average over folds."""
    # Terms in the order I(T;S), I(S;Y), I(T;Y), I(T;S).
    order = [0, 2, 1, 3] if first_teaches else [0, 1, 2, 3]
    values, covariance = folds.values[:, order], folds.covariance[:, order][:, :, order]

    def known(terms: int) -> NDArray[np.bool_]:
        finite = np.isfinite(values[:, :terms]).all(1) & np.isfinite(covariance[:, :terms, :terms]).all((1, 2))
        return np.asarray(finite)

    used = known(3) & (np.minimum(folds.n_paired, folds.n_labelled) >= neighbours + 2)
    flags = sorted(
        flag for flag, found in folds.flags.items() if found[used].any() or (flag in REASONS and found.any())
    )
    if not used.all():
        flags.append(f"folds_without_estimate:{int((~used).sum())}/{len(used)}")
    mean, spread, share = np.full(4, np.nan), np.full((4, 4), np.nan), np.zeros(len(used))
    if used.any():
        share[used] = folds.n_paired[used] / folds.n_paired[used].sum()
        # The second estimator may want more samples than a fold or half of it has; the first then stands alone.
        n_terms = 4 if known(4)[used].all() else 3
        mean[:n_terms], spread[:n_terms, :n_terms] = average_folds(
            values[used, :n_terms], covariance[used, :n_terms, :n_terms], share[used]
        )
    # I(T;S) needs no label: with too few of them it is what is left.
    alone = known(1) & (folds.n_paired >= neighbours + 2)
    if alone.any() and not used.any():
        mean[:1], spread[:1, :1] = average_folds(
            values[alone, :1], covariance[alone, :1, :1], folds.n_paired[alone].astype(np.float64)
        )

    def average(each: Floats) -> Floats:
        return np.asarray(np.tensordot(share[used], each[used], 1)) if used.any() else np.full(each.shape[1:], np.nan)

    row: dict[str, float | int | str] = {}
    for name in COMBINATIONS:
        row[name] = float(_combined(name, mean))
        variance = float(_combined(name, _combined(name, spread)))
        row[f"{name}_se"] = float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else np.nan
    row["gap_advantage_covariance"] = float(_combined("gap", _combined("advantage", spread)))

    estimates, truths = average(folds.twin[..., order]), average(folds.truth[..., order])
    for name in CALIBRATED:
        found = twin.calibrate(_combined(name, estimates), _combined(name, truths), se=float(row[f"{name}_se"]))
        row[f"{name}_at_zero"], row[f"{name}_twin_sd"] = found.at_zero, found.sd
        if name == "gap":
            row["twin_bias"], row["twin_coverage"] = found.bias, found.coverage
            row["twin_sign_errors"] = found.sign_errors
    row["bracket_low"], row["bracket_high"] = np.sort(average(folds.bracket)[0 if first_teaches else 1]).tolist()
    estimate = float(row["gap"])
    for flag, drifted in zip(keys.DRIFTS, _combined("gap", average(folds.drifted[..., order])), strict=True):
        if drifted * estimate < 0 and abs(drifted - estimate) > NORMAL_95 * float(row["gap_se"]):
            flags.append(flag)
    row["n_paired"] = int(folds.n_paired[used if used.any() else alone].sum())
    row["n_labelled"] = int(folds.n_labelled[used].sum())
    row["flags"] = ";".join(flags)
    return row


def _combined(name: str, terms: Floats) -> Floats:
    """(.., Q) -> (..) of `COMBINATIONS`. A term that does not enter may be missing."""
    weights = np.array(COMBINATIONS[name])
    entering = weights != 0
    return np.asarray(terms[..., entering] @ weights[entering])


def _joined(parts: list[Folds]) -> Folds:
    return Folds(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS},
        flags={flag: np.concatenate([part.flags[flag] for part in parts]) for flag in parts[0].flags},
    )


def _chosen(folds: Folds, chosen: slice) -> Folds:
    return Folds(
        **{name: getattr(folds, name)[chosen] for name in ARRAYS},
        flags={flag: found[chosen] for flag, found in folds.flags.items()},
    )


def _batches(splits: Splits, n_modalities: int, device: str) -> Iterator[list[tuple[int, int]]]:
    """(split, inner fold) in order, a split's at a time if memory holds them."""
    items = [(s, j) for s in range(len(splits.fold)) for j in range(splits.n_inner)]
    largest = max(int((splits.inner[s] == j).sum()) for s, j in items)
    step = min(splits.n_inner, max(1, HELD[device] // (8 * n_modalities * largest**2)))
    for start in range(0, len(items), step):
        yield items[start : start + step]


@dataclass(frozen=True)
class Members:
    """Samples of B inner folds, padded to n, and what is drawn for them.

    Attributes
    ----------
    sample
        (B, n) positions in the cohort.
    exists
        (B, n) False on padding.
    label
        (B, n) class, -1 where it is missing or may not be used.
    patient
        (B, n) in 0 .. n - 1.
    keys, starts
        (B, S, n) and (B, S), see `half_samples`.
    """

    sample: NDArray[np.int64]
    exists: NDArray[np.bool_]
    label: NDArray[np.int64]
    patient: NDArray[np.int64]
    keys: Floats
    starts: NDArray[np.int64]


def _members(cohort: Cohort, splits: Splits, batch: list[tuple[int, int]], subsamples: int, seed: int) -> Members:
    held_out = [np.flatnonzero(splits.inner[s] == j) for s, j in batch]
    shape = (len(batch), max(1, max(map(len, held_out))))
    members = Members(
        sample=np.zeros(shape, dtype=np.int64),
        exists=np.zeros(shape, dtype=bool),
        label=np.full(shape, -1),
        patient=np.zeros(shape, dtype=np.int64),
        keys=np.ones((shape[0], subsamples, shape[1])),
        starts=np.zeros((shape[0], subsamples), dtype=np.int64),
    )
    for item, ((s, j), samples) in enumerate(zip(batch, held_out, strict=True)):
        n = len(samples)
        members.sample[item, :n] = samples
        members.exists[item, :n] = True
        members.label[item, :n] = np.where(splits.labelled[s, samples], cohort.labels[samples], -1)
        members.patient[item, :n] = np.unique(cohort.groups[samples], return_inverse=True)[1]
        # Each fold has a generator of its own, so that it is the same whatever it is batched with.
        random = np.random.default_rng([seed, *splits.entropy(s), j])
        members.keys[item, :, :n] = random.random((subsamples, n))
        members.starts[item] = random.integers(0, 2, subsamples)
    return members


@dataclass(frozen=True)
class Space:
    """What the estimators need of the representation of one modality, in B items."""

    between: Tensor
    cross_check: Tensor
    label: Tensor


@dataclass(frozen=True)
class Suite:
    """The estimators in use: of I(A;B), of the same by another kind, and of I(A;Y)."""

    between: Estimator
    cross_check: Estimator
    label: Estimator

    def space(self, components: Tensor, valid: Tensor, logits: Tensor | None) -> Space:
        """Prepare (B, n, d) components and, if the label estimator wants them, (B, n, C) logits."""
        between = self.between.prepare(components, valid)

        def shared(estimator: Estimator) -> Tensor:
            return between if estimator.prepare is self.between.prepare else estimator.prepare(components, valid)

        label = shared(self.label) if logits is None else self.label.prepare(logits, valid)
        return Space(between, shared(self.cross_check), label)

    def terms(self, a: Space, b: Space, label: Tensor, selections: Tensor, *, neighbours: int) -> list[Estimates]:
        """(B, S, n) selections -> the four terms of the same samples, as far as they have labels."""
        pair, with_labels = compress(selections), compress(selections & (label >= 0)[:, None])
        return [
            run(self.between, a.between, b.between, *pair, neighbours=neighbours),
            run(self.label, a.label, label, *with_labels, neighbours=neighbours),
            run(self.label, b.label, label, *with_labels, neighbours=neighbours),
            run(self.cross_check, a.cross_check, b.cross_check, *pair, neighbours=neighbours),
        ]


def _estimate_batch(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    names: list[str],
    batch: list[tuple[int, int]],
    settings: InformationConfig,
    seed: int,
    device: torch.device | str,
) -> Iterator[tuple[tuple[str, str], Folds]]:
    """All pairs in some (split, inner fold) items."""
    members = _members(cohort, splits, batch, settings.subsamples, seed)
    suite = Suite(*(ESTIMATORS[name] for name in (settings.teacher_student, settings.cross_check, settings.label)))
    of_logits = suite.label.first == "logits"
    k = settings.neighbours

    def tensor(array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(array, device=device)

    label, patient, draws, starts = map(tensor, (members.label, members.patient, members.keys, members.starts))
    split = np.array([s for s, _ in batch])[:, None]
    # Bracket and twins, most of the work, belong to what a cohort's owner is told. Whether the advice is right is asked
    # in many other splits.
    of_whole = np.flatnonzero(split[:, 0] == splits.whole)
    has, components, space, reduced = {}, {}, {}, {}
    for name in names:
        has[name] = tensor(members.exists & cohort.profiled(name)[members.sample])
        points = tensor(encodings[name].representation[split, members.sample].astype(np.float64))
        held_out = encodings[name].logits[split, members.sample].astype(np.float64)
        logits = tensor(held_out) if of_logits else None
        components[name] = principal_components(points, has[name], settings.dimension)
        space[name] = suite.space(components[name], has[name], logits)
        # They increase in variance.
        fewer = components[name][..., -max(1, settings.dimension // 2) :]
        reduced[name] = suite.space(fewer, has[name], logits)

    for a, b in combinations(names, 2):
        paired = has[a] & has[b]
        labelled = paired & (label >= 0)
        label_of_pair = label.masked_fill(~paired, -1)
        whole = suite.terms(space[a], space[b], label, paired[:, None], neighbours=k)
        keep = half_samples(draws, starts, label_of_pair, patient, paired)
        halves = _values(suite.terms(space[a], space[b], label, keep, neighbours=k))
        possible, without_check = halves.isfinite().all(-1), halves[..., :3].isfinite().all(-1)
        flags = {"half_samples_without_estimate": ~without_check.all(-1)}
        for term in whole:
            for flag, found in term.flags.items():
                flags[flag] = flags[flag] | found[:, 0] if flag in flags else found[:, 0]
        covariance = _covariance(halves, possible)
        covariance[:, :3, :3] = _covariance(halves[..., :3], without_check)
        of_pair = _covariance(halves[..., :1], halves[..., 0].isfinite())
        covariance[:, :1, :1] = torch.where(covariance[:, :1, :1].isnan(), of_pair, covariance[:, :1, :1])
        covariance = covariance * half_to_whole(keep, paired)[:, None, None]
        value = _values(whole)[:, 0]
        mean_half = torch.where(without_check[..., None], halves, 0.0).sum(1) / without_check.sum(-1)[:, None]
        everyone = paired[:, None]
        drifted = [
            2 * value - mean_half,
            _values(suite.terms(space[a], space[b], label, everyone, neighbours=2 * k))[:, 0],
            _values(suite.terms(reduced[a], reduced[b], label, everyone, neighbours=k))[:, 0],
        ]
        bracket = np.full((len(batch), 2, 2), np.nan)
        twins, truth = (np.full((len(batch), settings.simulations, halves.shape[-1]), np.nan) for _ in range(2))
        if len(of_whole):
            at = torch.as_tensor(of_whole, device=device)
            ends = [
                class_mixture(
                    components[t][at], components[s][at], label[at], labelled[at], draws[at, :BRACKET_REPEATS]
                )
                for t, s in ((a, b), (b, a))
            ]
            bracket[of_whole] = (
                torch.stack([torch.stack([g.cross_fitted, g.extrapolated], -1) for g in ends], 1).cpu().numpy()
            )
        if len(of_whole) and not of_logits:
            random = [
                np.random.default_rng([seed, *splits.entropy(batch[item][0]), batch[item][1], *f"{a} {b}".encode()])
                for item in of_whole
            ]
            twins[of_whole], truth[of_whole] = _twins(
                components[a][at],
                components[b][at],
                label_of_pair[at],
                paired[at],
                suite,
                settings,
                random,
                members.exists[of_whole].sum(1).tolist(),
                len(cohort.classes),
            )
        yield (
            (a, b),
            Folds(
                values=value.cpu().numpy(),
                covariance=covariance.cpu().numpy(),
                drifted=torch.stack(drifted, 1).cpu().numpy(),
                bracket=bracket,
                twin=twins,
                truth=truth,
                n_paired=paired.sum(-1).cpu().numpy(),
                n_labelled=labelled.sum(-1).cpu().numpy(),
                flags={flag: found.cpu().numpy() for flag, found in flags.items()},
            ),
        )


def _twins(
    a: Tensor,
    b: Tensor,
    labels: Tensor,
    valid: Tensor,
    suite: Suite,
    settings: InformationConfig,
    random: list[np.random.Generator],
    sizes: list[int],
    n_classes: int,
) -> tuple[Floats, Floats]:
    """(B, n, p), (B, n, q) -> (B, R, Q) the terms on simulated twins, and their true values."""
    items, n, columns = *valid.shape, a.shape[-1] + b.shape[-1]
    model = twin.fit(a, b, labels, valid, n_classes=n_classes)
    strengths = twin.strengths(settings.simulations)
    points = np.random.default_rng(0).normal(size=(max(1, twin.DRAWS // n_classes), columns))
    # What is held at once of one twin: two matrices of distances for each item, and copies of them.
    step = max(1, HELD[valid.device.type] // (32 * items * n * n))
    values, truths = [], []
    # As many as the item has samples, whatever it is padded to.
    normals, uniforms = np.zeros((items, len(strengths), n, columns)), np.zeros((items, len(strengths), n))
    for item, (generator, size) in enumerate(zip(random, sizes, strict=True)):
        normals[item, :, :size] = generator.normal(size=(len(strengths), size, columns))
        uniforms[item, :, :size] = generator.random((len(strengths), size))
    for first in range(0, settings.simulations, step):
        part = slice(first, first + step)
        chosen = strengths[part]
        drawn = twin.simulate(model, labels, chosen, normals[:, part], uniforms[:, part], points)
        here = valid.repeat_interleave(len(chosen), 0)
        space_a, space_b = (
            suite.space(principal_components(x, here, x.shape[-1]), here, None) for x in (drawn.a, drawn.b)
        )
        terms = suite.terms(
            space_a, space_b, labels.repeat_interleave(len(chosen), 0), here[:, None], neighbours=settings.neighbours
        )
        values.append(_values(terms).view(items, len(chosen), -1))
        # Both estimators of I(A;B) have one truth.
        truths.append(drawn.truth[..., [0, 1, 2, 0]])
    return torch.cat(values, 1).cpu().numpy(), torch.cat(truths, 1).cpu().numpy()


def _values(terms: list[Estimates]) -> Tensor:
    """Q terms of (B, S) -> (B, S, Q)."""
    return torch.stack([term.value for term in terms], -1)


def _covariance(draws: Tensor, possible: Tensor) -> Tensor:
    """(B, S, q) and (B, S) -> (B, q, q) over the draws with an estimate; NaN where these are less than half."""
    count = possible.sum(-1)
    held = draws.masked_fill(~possible[..., None], 0.0)
    centred = (held - held.sum(1, keepdim=True) / count[:, None, None]).masked_fill(~possible[..., None], 0.0)
    covariance = centred.mT @ centred / (count - 1)[:, None, None]
    enough = (count > 1) & (2 * count >= possible.shape[1])
    return covariance.masked_fill(~enough[:, None, None], torch.nan)


def _check_encodings(cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], names: list[str]) -> None:
    for name in names:
        expected = splits.train & cohort.profiled(name)
        for needed in ("representation", "logits"):
            missing = expected & ~np.isfinite(getattr(encodings[name], needed)).all(-1)
            if missing.any():
                raise InputError(
                    f"cohort {cohort.name}, encoding of {name}",
                    f"no finite held-out {needed} of {int(missing.sum())} samples",
                    "one of each training sample that has the modality, in each split",
                    "Run the step `encode` again for this modality.",
                )
