"""Mutual information of every pair of teacher and student, and of both with the label, in every split.

Three terms belong to a pair: I(T;S), I(S;Y) and I(T;Y); and I(T;S) again, of the teacher's output in place of its
representation: its soft targets, which are what a student is taught (docs/theory.md). Within one inner fold all are
estimated from held-out
representations of the same patients (`terms`). A fold's estimates are averaged over folds (`averaging`);
representations of different folds come from different encoders, whose axes are not aligned, and are never pooled.

Of a representation the leading principal components enter, fitted within the fold without labels, and divided by one
number: their root mean variance. Single components are *not* standardised. The units are all tanh units, on one
scale; a component with little variance is mostly noise, which standardising would blow up until it fills the
neighbourhoods. A number as label is standardised.

The sign of a small difference of such estimates is mostly the estimators' bias. Two things tell: a second estimator of
I(T;S), of another kind (`cross_check`), with the same label terms; and parametric simulations of the full cohort
(`simulations`), which show what both estimators say where the truth is zero.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics import keys
from cch_omics.cohort import Cohort
from cch_omics.config import InformationConfig
from cch_omics.errors import InputError
from cch_omics.information import averaging
from cch_omics.information.folds import Batch, batches, members_of, principal_components
from cch_omics.information.half_samples import half_samples
from cch_omics.information.registry import ESTIMATORS
from cch_omics.information.terms import TERMS, Folds, Suite, on_simulations, with_covariance
from cch_omics.models.out_of_fold import Encoding
from cch_omics.runtime.parallel import each_part
from cch_omics.splits import Splits
from cch_omics.tasks.likelihood import likelihood_gains
from cch_omics.views import teachers_of, views_of

NORMAL_95 = 1.959963984540054
# Labels of a fold that have a mean gain of log-likelihood and an error of it.
FEWEST_GAINS = 2

Pair = tuple[str, str]
# Of a row, before those of `averaging`.
FIRST_COLUMNS = (*keys.SPLIT_COLUMNS, "teacher", "student", "estimator", "cross_check_estimator", "dim")


def estimate_pairs(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    settings: InformationConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Estimate the three terms and the gap of every teacher and student in every split.

    A row's values are means over inner folds; all standard errors in it are those of sums of its terms under one
    covariance (`averaging.average_folds`), which half-samples of the patients give (`half_samples`). A fold contributes
    nothing, and is counted in `flags`, if a term cannot be estimated there (one class; fewer than k + 2 samples, or
    labels unless it is by likelihood) or if most half-samples are too small for an estimate. Nothing is clipped; if no
    fold is left, values are NaN, but for I(T;S) if the label terms alone are to blame.

    Parameters
    ----------
    cohort, splits
        The samples and who is held out when.
    encodings
        By view: of all that teach or are taught.
    settings
        Estimators, k, retained dimension, numbers of half-samples and of simulations.
    seed
        Of half-samples and simulations; a split and fold has the same half-samples for all pairs.
    device, threads
        Where to compute, and on how many cores.
    progress
        Called with (folds done, folds in total).

    Returns
    -------
    DataFrame
        A row per split, teacher and student: `repeat, fold` (-1, -1: the full cohort), `teacher, student, estimator,
        cross_check_estimator`; the columns of `averaging.COMBINATIONS`, each with `_se`, in nats; for the gaps of both
        representations `_at_zero` and `_simulated_sd` (`simulations.base.calibrate`), NaN but for the full cohort;
        `n_paired, n_labelled`, samples in the folds that contribute; `dim`; `flags` of the estimators, separated by
        ";", "" if there is none. No row where there is no pair.

    Raises
    ------
    InputError
        If an encoding lacks a training sample of its view, or the label estimator does not fit the task.
    """
    pairs = [(t, s) for t in cohort.teachers for s in cohort.modalities if t in teachers_of(cohort, s)]
    columns = [*FIRST_COLUMNS, *averaging.COLUMNS]
    if not pairs:
        return pd.DataFrame(columns=columns)
    suite = Suite.of(settings, label := _label_estimator(settings, cohort, splits))
    place = {name: position for position, name in enumerate(views_of(cohort))}
    # Both directions of a pair share their estimates.
    unordered = sorted({_in_order(pair, place) for pair in pairs}, key=lambda pair: (place[pair[0]], place[pair[1]]))
    views = [name for name in place if any(name in pair for pair in unordered)]
    _check_encodings(cohort, splits, encodings, views)

    gains = {name: _gains(cohort, splits, encodings[name], name) for name in views} if suite.label.of_gains else {}
    parts: list[Batch] = list(batches(splits, len(views), torch.device(device).type))

    def estimate(number: int) -> dict[Pair, Folds]:
        of_batch = _estimate_batch(
            cohort, splits, encodings, views, unordered, parts[number], suite, gains, settings, seed, device
        )
        return dict(of_batch)

    total, done = sum(map(len, parts)), 0
    estimated = {}
    for number, of_batch in each_part(estimate, range(len(parts)), threads=threads, device=device):
        estimated[number] = of_batch
        done += len(parts[number])
        progress(done, total)
    joined = {pair: Folds.joined([estimated[number][pair] for number in range(len(parts))]) for pair in unordered}

    rows = []
    for s in range(len(splits.fold)):
        of_split = slice(s * splits.n_inner, (s + 1) * splits.n_inner)
        for teacher, student in pairs:
            first, second = _in_order((teacher, student), place)
            rows.append(
                {
                    "repeat": int(splits.repeat[s]),
                    "fold": int(splits.fold[s]),
                    "teacher": teacher,
                    "student": student,
                    "estimator": f"{settings.teacher_student}-{label}",
                    "cross_check_estimator": f"{settings.cross_check}-{label}",
                    "dim": min(settings.dimension, encodings[teacher].representation.shape[2]),
                    **averaging.row(
                        joined[first, second][of_split],
                        settings.neighbours,
                        FEWEST_GAINS if suite.label.of_gains else settings.neighbours + 2,
                        first_teaches=teacher == first,
                    ),
                }
            )
    return pd.DataFrame(rows, columns=columns)


def information_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Full-cohort rows of `estimate_pairs`, one row per teacher, student and term: `information.tsv`.

    Intervals are the normal ones at 95%; the unit is nats.
    """
    rows = []
    for pair in frame[frame["repeat"] == -1].to_dict("records"):
        between, label = str(pair["estimator"]).split("-")
        # A likelihood is one of outputs.
        of_label = "output" if ESTIMATORS[label].y == "any" else "representation"
        for quantity, of, column in (
            ("teacher_student", "representation", "mi_teacher_student"),
            ("teacher_student", "output", "mi_output_student"),
            ("student_label", of_label, "mi_student_label"),
            ("teacher_label", of_label, "mi_teacher_label"),
        ):
            estimate, se = float(pair[column]), float(pair[f"{column}_se"])
            is_pair = quantity == "teacher_student"
            rows.append(
                {
                    "teacher": pair["teacher"],
                    "student": pair["student"],
                    "quantity": quantity,
                    "of": of,
                    "estimator": between if is_pair else label,
                    "estimate": estimate,
                    "se": se,
                    "ci_low": estimate - NORMAL_95 * se,
                    "ci_high": estimate + NORMAL_95 * se,
                    "n": pair["n_paired"] if is_pair else pair["n_labelled"],
                    "dim": pair["dim"],
                    "unit": "nats",
                }
            )
    return pd.DataFrame(rows, columns=list(keys.INFORMATION_COLUMNS))


def _in_order(pair: Pair, place: Mapping[str, int]) -> Pair:
    """Return the views of a pair in the order of the cohort."""
    first, second = sorted(pair, key=place.__getitem__)
    return first, second


def _label_estimator(settings: InformationConfig, cohort: Cohort, splits: Splits) -> str:
    """Name of the estimator of I(S;Y): as configured; or the task's own, and likelihoods where labels are few.

    They are where half of an inner fold of the full cohort has fewer than k + 2, or fewer than two of each stratum:
    most folds would have no estimate, or no error, by neighbours.
    """
    name, task = settings.label, cohort.target.task
    if name == "auto":
        needed = 2 * max(settings.neighbours + 2, 2 * len(task.strata_names)) * splits.n_inner
        return task.label_estimator if splits.labelled[splits.full].sum() >= needed else "likelihood"
    kind = ESTIMATORS[task.label_estimator].y
    if ESTIMATORS[name].y not in {kind, "any"}:
        fitting = ", ".join(entry.name for entry in ESTIMATORS.values() if entry.y in {kind, "any"})
        raise InputError(
            "config key information.label",
            f"{name}, an estimator of {ESTIMATORS[name].y} labels, with a target of {task.name}",
            f"auto or an estimator of {kind} labels ({fitting})",
            "With `auto` each task has an estimator that fits.",
        )
    return name


def _gains(cohort: Cohort, splits: Splits, encoding: Encoding, view: str) -> NDArray[np.float64]:
    """(S, n) gains of log-likelihood of the labelled training samples that have the view; 0 elsewhere."""
    found = np.zeros(splits.inner.shape)
    for s, labelled in enumerate(splits.labelled & cohort.profiled(view)):
        found[s, labelled] = likelihood_gains(
            splits.task(cohort.target, s),
            encoding.outputs[s, labelled],
            cohort.target.values[labelled],
            splits.inner[s, labelled],
        )
    return found


def _estimate_batch(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    views: Iterable[str],
    pairs: Iterable[Pair],
    batch: Batch,
    suite: Suite,
    gains: Mapping[str, NDArray[np.float64]],
    settings: InformationConfig,
    seed: int,
    device: torch.device | str,
) -> Iterator[tuple[Pair, Folds]]:
    """All pairs in some inner folds."""
    members = members_of(cohort, splits, batch, subsamples=settings.subsamples, seed=seed)
    split = np.array([s for s, _ in batch])[:, None]
    # Simulations, most of the work, belong to what a cohort's owner is told. Whether the advice is right is asked in
    # many other splits.
    full = np.flatnonzero(split[:, 0] == splits.full)

    def tensor(array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(array, device=device)

    draws, starts, stratum, patient = map(tensor, (members.keys, members.starts, members.stratum, members.patient))
    label, labelled = tensor(members.label), tensor(members.labelled)
    labels = suite.labels(label, labelled)
    has, components, space, output = {}, {}, {}, {}
    for name in views:
        has[name] = tensor(members.exists & cohort.profiled(name)[members.sample])
        held_out = tensor(encodings[name].representation[split, members.sample].astype(np.float64))
        components[name] = principal_components(held_out, has[name], settings.dimension)
        gained = tensor(gains[name][split, members.sample][..., None]) if gains else None
        space[name] = suite.space(components[name], gained, has[name])
        # What a student is taught.
        soft = cohort.target.task.soften(tensor(encodings[name].outputs[split, members.sample]).double().mT, 1.0).mT
        output[name] = suite.between.prepare(principal_components(soft, has[name], settings.dimension), has[name])

    for a, b in pairs:
        paired = has[a] & has[b]
        keep = half_samples(draws, starts, stratum.masked_fill(~paired, -1), patient, paired)
        outputs = output[a], output[b]
        values, covariance, flags = with_covariance(suite, space[a], space[b], outputs, labels, labelled, paired, keep)
        simulated, truth = (np.full((len(batch), settings.simulations, TERMS), np.nan) for _ in range(2))
        # What is simulated is a representation and a label; there is no model of the encoder's outputs.
        if len(full) and not suite.label.of_gains:
            at = tensor(full)
            simulated[full], truth[full] = on_simulations(
                suite,
                components[a][at],
                components[b][at],
                label[at],
                labelled[at],
                paired[at],
                simulations=settings.simulations,
                random=[
                    np.random.default_rng([seed, *splits.entropy(batch[item][0]), batch[item][1], *f"{a} {b}".encode()])
                    for item in full
                ],
                sizes=members.exists[full].sum(1).tolist(),
                n_strata=len(cohort.target.task.strata_names),
            )
        yield (
            (a, b),
            Folds(
                values=values.cpu().numpy(),
                covariance=covariance.cpu().numpy(),
                simulated=simulated,
                truth=truth,
                n_paired=paired.sum(-1).cpu().numpy(),
                n_labelled=(paired & labelled).sum(-1).cpu().numpy(),
                flags={flag: found.cpu().numpy() for flag, found in flags.items()},
            ),
        )


def _check_encodings(cohort: Cohort, splits: Splits, encodings: Mapping[str, Encoding], views: Iterable[str]) -> None:
    for name in views:
        missing = splits.train & cohort.profiled(name)
        if name in encodings:
            missing = missing & ~np.isfinite(encodings[name].representation).all(-1)
        if missing.any():
            raise InputError(
                f"cohort {cohort.name}, encoding of {name}",
                f"no finite held-out representation of {int(missing.sum())} samples",
                "one of each training sample that has the view, in each split",
                "Run the step `encode` again for this view.",
            )
