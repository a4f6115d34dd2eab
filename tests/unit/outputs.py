"""Outputs of encoders and students for tests, made by code: the label, more or less well seen, without training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.models import ensemble, linear
from cch_omics.models.out_of_fold import Encoding, Model, Network, OutOfFold
from cch_omics.models.recipes import MEMBERS
from cch_omics.splits import Splits


@contextmanager
def nothing_to_choose() -> Iterator[None]:
    """One penalty, and the average of all members: no inner fold has a share in a choice for another."""
    with mock.patch.object(linear, "PENALTIES", (0.03,)), mock.patch.object(ensemble, "CLEARLY", 1e9):
        yield


@contextmanager
def screening(n_features: int = 5) -> Iterator[None]:
    """The screened member takes so few features that cohorts of tests have others: there is something to choose."""
    with mock.patch.object(ensemble, "LINEAR", [None, n_features]):
        yield


def outputs_of(cohort: Cohort, splits: Splits, view: str, *, seed: int, signal: float) -> NDArray[np.float32]:
    """(S, n, C) outputs of a model with noise of its own in each split; NaN where a sample lacks the view."""
    random = np.random.default_rng(seed)
    task, strata = cohort.target.task, cohort.target.strata
    shape = (*splits.inner.shape, task.n_outputs)
    if cohort.target.values.ndim > 1:
        # Hazards that are higher, the earlier a patient's follow-up ends.
        late = np.log(np.where(cohort.target.observed, cohort.target.values[:, 0], np.nan))
        standard = np.nan_to_num((np.nanmean(late) - late) / np.nanstd(late))[:, None]
        heard = standard + random.standard_normal((*splits.inner.shape, 1)) / max(signal, 1e-9)
        values = np.repeat(heard * signal**2 / (1 + signal**2) - 2, task.n_outputs, axis=-1)
    elif task.n_outputs > 1:
        truth = np.eye(task.n_outputs)[strata] * (strata >= 0)[:, None]
        values = signal * truth + random.standard_normal(shape)
    else:
        known = cohort.target.values[cohort.target.observed]
        standard = np.nan_to_num((cohort.target.values - known.mean()) / known.std())[:, None]
        heard = standard + random.standard_normal(shape) / max(signal, 1e-9)
        values = known.mean() + known.std() * heard * signal**2 / (1 + signal**2)
    values[:, ~cohort.profiled(view)] = np.nan
    return values.astype(np.float32)


def encoding_of(cohort: Cohort, splits: Splits, view: str, *, seed: int, signal: float) -> Encoding:
    """An encoding with a representation of three units."""
    outputs = outputs_of(cohort, splits, view, seed=seed, signal=signal)
    random = np.random.default_rng((seed, 1))
    shape = (*splits.inner.shape, 3)
    # Standardised: the unit of the outputs is that of the target.
    known = outputs[:, cohort.profiled(view)]
    standard = (outputs - known.mean()) / known.std()
    representation = np.tanh(0.3 * (standard @ random.standard_normal((outputs.shape[-1], 3))))
    representation = (representation + 0.1 * random.standard_normal(shape)).astype(np.float32)
    representation[splits.test] = np.nan
    return Encoding(
        representation=representation,
        outputs=outputs,
        soft_targets=np.repeat(outputs[:, None], splits.n_inner + 1, axis=1),
        epochs=np.ones(len(splits.fold), dtype=np.int64),
        weights=np.full((len(splits.fold), len(MEMBERS)), 1 / len(MEMBERS)),
        network=network_of(outputs.shape[-1]),
    )


def network_of(n_outputs: int) -> Network:
    """A network that says nothing."""
    shapes = [(1,), (1,), (1, 1), (1,), (1, n_outputs), (n_outputs,), (1, n_outputs)]
    return Network(*(np.zeros(shape, dtype=np.float32) for shape in shapes))


def students_of(
    cohort: Cohort, splits: Splits, student: str, signals: Mapping[Model, float], *, seed: int = 0
) -> OutOfFold:
    """Models of one modality, each with noise of its own, by their signal."""
    outputs = np.stack(
        [
            outputs_of(cohort, splits, student, seed=100 * seed + number + 7, signal=signal)
            for number, signal in enumerate(signals.values())
        ]
    )
    return OutOfFold(
        models=tuple(signals),
        outputs=outputs,
        networks=(network_of(outputs.shape[-1]),) * len(signals),
        epochs=np.ones(outputs.shape[:2], dtype=np.int64),
        weights=np.full((*outputs.shape[:2], len(MEMBERS)), 1 / len(MEMBERS)),
    )


def with_controls(student: str, gains: Mapping[str, float], *, alone: float = 1.0) -> dict[Model, float]:
    """Signal of the models of one student: alone, taught by each teacher, by itself and by shuffled soft targets."""
    found = {Model("alone"): alone}
    found |= {Model("soft_targets", teacher): alone + gain for teacher, gain in gains.items()}
    found |= {Model("soft_targets", student, "self"): alone}
    return found | {Model("soft_targets", teacher, "shuffled"): 0.8 * alone for teacher in gains}
