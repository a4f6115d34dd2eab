"""The terms of a pair of views within inner folds: values, covariance, and what they are on simulated cohorts.

The Q = 4 terms of (a, b) are I(A;B), I(A;Y), I(B;Y) and I(A;B) again, by the second estimator. Two more have an output
in place of a representation, that of the view which would teach: I(output of A;B) and I(output of B;A). All are
estimated from the same patients, those with both views; for the label terms, of these, the ones whose label may be
used. So their
differences are paired.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.config import InformationConfig
from cch_omics.information.estimators import Estimates, Estimator, run
from cch_omics.information.folds import HELD, principal_components
from cch_omics.information.half_samples import compress, half_to_whole
from cch_omics.information.masked import centred
from cch_omics.information.registry import ESTIMATORS
from cch_omics.information.simulations import continuous, discrete
from cch_omics.information.simulations.base import Model, strengths

Floats = NDArray[np.float64]
TERMS = 4


@dataclass(frozen=True)
class Folds:
    """A pair of views (a, b) in F inner folds.

    Attributes
    ----------
    values
        (F, Q + 2) nats, NaN where no estimate is possible.
    covariance
        (F, Q + 2, Q + 2) of the values, given the encoders; NaN where the half-samples do not tell.
    simulated, truth
        (F, R, Q) values on simulated cohorts, and what they should be. NaN but for the full cohort.
    n_paired, n_labelled
        (F,) samples behind I(A;B) and behind the label terms.
    flags
        By name, (F,).
    """

    values: Floats
    covariance: Floats
    simulated: Floats
    truth: Floats
    n_paired: NDArray[np.int64]
    n_labelled: NDArray[np.int64]
    flags: dict[str, NDArray[np.bool_]]

    def __getitem__(self, chosen: slice) -> "Folds":
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return Folds(**arrays, flags={flag: found[chosen] for flag, found in self.flags.items()})

    @classmethod
    def joined(cls, parts: Sequence["Folds"]) -> "Folds":
        """All folds of several batches."""
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
        return cls(
            **arrays, flags={flag: np.concatenate([part.flags[flag] for part in parts]) for flag in parts[0].flags}
        )


_ARRAYS = [field.name for field in fields(Folds) if field.name != "flags"]


# What the estimators need of the representation of one view, in B items, by how they prepare it.
Space = dict[Callable[[Tensor, Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class Suite:
    """The estimators in use: of I(A;B), of the same by another kind, and of I(A;Y); with k neighbours."""

    between: Estimator
    cross_check: Estimator
    label: Estimator
    neighbours: int

    @classmethod
    def of(cls, settings: InformationConfig, label: str) -> "Suite":
        """Load the estimators of the settings, and the one of the label's name."""
        names = (settings.teacher_student, settings.cross_check, label)
        between, cross_check, of_label = (ESTIMATORS[name].load() for name in names)
        return cls(between, cross_check, of_label, settings.neighbours)

    def space(self, components: Tensor, gains: Tensor | None, valid: Tensor) -> Space:
        """Prepare (B, n, d) components, and (B, n, 1) gains of log-likelihood if the label's estimator takes these."""
        ways = {self.between.prepare, self.cross_check.prepare}
        if gains is None:
            ways.add(self.label.prepare)
        space = {prepare: prepare(components, valid) for prepare in ways}
        return space if gains is None else space | {self.label.prepare: self.label.prepare(gains, valid)}

    def labels(self, points: Tensor, known: Tensor) -> Tensor:
        """(B, n) classes as they are; numbers standardised among those that are known, and prepared."""
        if not points.is_floating_point():
            return points
        return self.label.prepare(principal_components(points[..., None], known, 1), known)

    def terms(
        self,
        a: Space,
        b: Space,
        labels: Tensor,
        known: Tensor,
        selections: Tensor,
        outputs: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Estimate the terms.

        Parameters
        ----------
        labels, known
            As of `labels`, and (B, n) which of them may be used.
        selections
            (B, S, n) samples; for the label terms, those of them whose label may be used.
        outputs
            Of a and b, as the first estimator prepares them; without, the two terms that have them are left out.

        Returns
        -------
        tuple
            (B, S, Q) or (B, S, Q + 2), and flags (B, S).
        """
        pair, with_label = compress(selections), compress(selections & known[:, None])

        def between(estimator: Estimator, x: Tensor | None = None, y: Space = b) -> Estimates:
            first = a[estimator.prepare] if x is None else x
            return run(estimator, first, y[estimator.prepare], *pair, neighbours=self.neighbours)

        def of_label(space: Space) -> Estimates:
            return run(self.label, space[self.label.prepare], labels, *with_label, neighbours=self.neighbours)

        found = [between(self.between), of_label(a), of_label(b), between(self.cross_check)]
        if outputs is not None:
            found += [between(self.between, x, y) for x, y in zip(outputs, (b, a), strict=True)]
        flags: dict[str, Tensor] = {}
        for term in found:
            for flag, present in term.flags.items():
                flags[flag] = flags[flag] | present if flag in flags else present
        return torch.stack([term.value for term in found], -1), flags


def with_covariance(
    suite: Suite,
    a: Space,
    b: Space,
    outputs: tuple[Tensor, Tensor],
    labels: Tensor,
    known: Tensor,
    paired: Tensor,
    keep: Tensor,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Estimate the terms of B items and their covariance over half-samples.

    Parameters
    ----------
    outputs
        As `Suite.terms` takes them.
    labels, known
        As of `Suite.labels`, and (B, n) which of them may be used.
    paired
        (B, n) samples with both views.
    keep
        (B, S, n) half-samples of them, the same for all terms.

    Returns
    -------
    tuple
        (B, Q + 2), (B, Q + 2, Q + 2) scaled from half to all samples, and flags (B,). The second estimator may want
        more samples
        than half of a fold has, and the label terms more labels: the covariance of the terms before them is then that
        over the half-samples which have an estimate of these.
    """
    values, flags = suite.terms(a, b, labels, known, paired[:, None], outputs)
    halves, _ = suite.terms(a, b, labels, known, keep, outputs)
    first = [*range(3), *range(TERMS, TERMS + 2)]
    covariance = torch.full((len(halves), TERMS + 2, TERMS + 2), torch.nan, dtype=halves.dtype, device=halves.device)
    for block in (first, list(range(TERMS))):
        covariance[:, torch.tensor(block)[:, None], block] = _covariance(halves[..., block])
    covariance[:, :3, :3] = _covariance(halves[..., :3])
    alone = _covariance(halves[..., :1])
    covariance[:, :1, :1] = torch.where(covariance[:, :1, :1].isnan(), alone, covariance[:, :1, :1])
    flags["half_samples_without_estimate"] = ~halves[..., :3].isfinite().all(-1).all(-1, keepdim=True)
    covariance = covariance * half_to_whole(keep, paired)[:, None, None]
    return values[:, 0], covariance, {flag: found[:, 0] for flag, found in flags.items()}


def on_simulations(
    suite: Suite,
    a: Tensor,
    b: Tensor,
    label: Tensor,
    known: Tensor,
    paired: Tensor,
    *,
    simulations: int,
    random: Sequence[np.random.Generator],
    sizes: Sequence[int],
    n_strata: int,
) -> tuple[Floats, Floats]:
    """Estimate the terms on simulated cohorts.

    Parameters
    ----------
    a, b
        (B, n, p) and (B, n, q) components.
    label, known, paired
        (B, n) classes (int64) or numbers (float64); which of them may be used; samples with both views.
    simulations
        R.
    random, sizes
        A generator for each item, and the samples of the item, whatever it is padded to.
    n_strata
        Of discrete labels, in the whole cohort.

    Returns
    -------
    tuple
        (B, R, Q) the terms, and (B, R, Q) their true values.
    """
    items, n = paired.shape
    known = known & paired
    model: Model
    if label.is_floating_point():
        model = continuous.fit(a, b, label, known, paired)
    else:
        model = discrete.fit(a, b, label.masked_fill(~known, -1), paired, n_strata)
    strength = strengths(simulations)
    drawn = [model.noise(generator, simulations, size) for generator, size in zip(random, sizes, strict=True)]
    noise = np.zeros((items, simulations, n, drawn[0].shape[-1]))
    for item, numbers in enumerate(drawn):
        noise[item, :, : numbers.shape[1]] = numbers
    # What is held at once of one cohort: two matrices of distances for each item, and copies of them.
    step = max(1, HELD[paired.device.type] // (32 * items * n * n))
    values, truths = [], []
    for first in range(0, simulations, step):
        part = slice(first, first + step)
        found = model.simulate(strength[part], noise[:, part])
        count = len(strength[part])
        here, known_here = paired.repeat_interleave(count, 0), known.repeat_interleave(count, 0)
        space_a, space_b = (
            suite.space(principal_components(x, here, x.shape[-1]), None, here) for x in (found.a, found.b)
        )
        labels = suite.labels(found.label, known_here)
        terms, _ = suite.terms(space_a, space_b, labels, known_here, here[:, None])
        values.append(terms.view(items, count, TERMS))
        # Both estimators of I(A;B) have one truth.
        truths.append(found.truth[..., [0, 1, 2, 0]])
    return torch.cat(values, 1).cpu().numpy(), torch.cat(truths, 1).cpu().numpy()


def _covariance(draws: Tensor) -> Tensor:
    """(B, S, q) -> (B, q, q) over the draws with an estimate; NaN where these are less than half."""
    possible = draws.isfinite().all(-1)
    count = possible.sum(-1)
    around, _ = centred(draws, possible)
    covariance = around.mT @ around / (count - 1)[:, None, None]
    enough = (count > 1) & (2 * count >= possible.shape[1])
    return covariance.masked_fill(~enough[:, None, None], torch.nan)
