"""The table of estimators, and the one way in which all of them are run on selections of samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cch_omics.information.copula import copula
from cch_omics.information.crossentropy import crossentropy, log_probabilities
from cch_omics.information.gaussian import gaussian
from cch_omics.information.infonce import infonce
from cch_omics.information.ksg import ksg_from_distances, ksg_of_selections
from cch_omics.information.ksg2 import ksg2_from_distances
from cch_omics.information.latent import latent
from cch_omics.information.mine import mine
from cch_omics.information.mixed import mixed_from_distances
from cch_omics.information.neighbours import chebyshev, select
from cch_omics.information.networks import bytes_of_one
from cch_omics.information.points import as_float64, select_points
from cch_omics.information.result import Estimates
from cch_omics.information.ross import ross_from_distances, ross_of_selections

# Bytes of what is estimated from at once: about a processor's cache, and enough to keep a GPU busy.
CHUNK = {"cpu": 2**22, "cuda": 2**28}


def bytes_of_distances(x: Tensor, y: Tensor, size: int) -> int:
    """Of one selection of so many samples: its distances in float64."""
    return 8 * size * size


# Selections from which on their samples are looked up together.
MANY = 8


@dataclass(frozen=True)
class Estimator:
    """An estimator of I(X;Y), in nats.

    Attributes
    ----------
    name
        As in the configuration and in the tables.
    first
        What it is given of X: the `representation`, or the `logits` of held-out class probabilities made from it.
    second
        Kind of Y: `continuous` points or a discrete `label`.
    estimates, needs, limits, reference
        What it estimates, the least it takes, where it fails, where it is from.
    prepare
        (B, n, d) points and (B, n) valid -> what the estimator needs of a space. Computed once, used by all selections.
    select
        What was prepared, (B, S, b) positions and (B, S, b) valid -> the same of B * S selections.
    estimate
        (x, y, valid, neighbours=k) of prepared spaces, or a space and (B, n) labels -> Estimates.
    memory
        (prepared x, prepared y, b) -> bytes of the largest array that a selection of b samples takes.
    of_selections
        (x, y, index, valid, neighbours=k) as of `run` -> its Estimates, by what many selections of the same samples
        share; None where that has no answer.
    """

    name: str
    first: Literal["representation", "logits"]
    second: Literal["continuous", "label"]
    estimates: str
    needs: str
    limits: str
    reference: str
    prepare: Callable[[Tensor, Tensor], Tensor]
    select: Callable[[Tensor, Tensor, Tensor], Tensor]
    estimate: Callable[..., Estimates]
    memory: Callable[[Tensor, Tensor, int], int] = bytes_of_distances
    of_selections: Callable[..., Estimates | None] | None = None


TABLE = (
    Estimator(
        name="ksg",
        first="representation",
        second="continuous",
        estimates="I(X;Y) of two continuous variables",
        needs="more than k samples",
        limits=(
            "Too low where dependence is strong or dimensions are many: reduce to the few that matter. Not "
            "invariant to the relative scale of columns within X or within Y."
        ),
        reference="Kraskov, Stoegbauer, Grassberger 2004, Phys. Rev. E 69, 066138, eq. 8",
        prepare=chebyshev,
        select=select,
        estimate=ksg_from_distances,
        of_selections=ksg_of_selections,
    ),
    Estimator(
        name="ksg2",
        first="representation",
        second="continuous",
        estimates="I(X;Y) of two continuous variables, in rectangles instead of squares",
        needs="more than k samples",
        limits="As ksg, and not invariant either.",
        reference="Kraskov, Stoegbauer, Grassberger 2004, Phys. Rev. E 69, 066138, eq. 9",
        prepare=chebyshev,
        select=select,
        estimate=ksg2_from_distances,
    ),
    Estimator(
        name="mixed",
        first="representation",
        second="continuous",
        estimates="I(X;Y) of variables that are partly continuous, partly discrete",
        needs="more than k samples",
        limits="As ksg, to which it is equal but for 1/(2n) where nothing ties. Meant for ties, such as counts.",
        reference="Gao, Kannan, Oh, Viswanath 2017, NeurIPS 30, algorithm 1",
        prepare=chebyshev,
        select=select,
        estimate=mixed_from_distances,
    ),
    Estimator(
        name="gaussian",
        first="representation",
        second="continuous",
        estimates="I(X;Y) of two jointly Gaussian variables, unbiased",
        needs="p + q < n - 1, for n samples and ranks p and q of X and Y",
        limits=(
            "Sees linear dependence only: too low where dependence is not, too high or too low where the "
            "distribution has classes or heavy tails."
        ),
        reference="Misra, Singh, Demchuk 2005, J. Multivariate Anal. 92, 324",
        prepare=as_float64,
        select=select_points,
        estimate=gaussian,
    ),
    Estimator(
        name="copula",
        first="representation",
        second="continuous",
        estimates="I(X;Y) of two variables with a Gaussian copula, whatever their columns' distributions",
        needs="p + q < n - 1, for n samples and ranks p and q of X and Y",
        limits=(
            "Sees monotone dependence only: too low where the columns share a scale (heavy tails) or the distribution "
            "has classes. The correction is exact for Gaussian data, not for their normal scores."
        ),
        reference="Ince et al. 2017, Human Brain Mapping 38, 1541",
        prepare=as_float64,
        select=select_points,
        estimate=copula,
    ),
    Estimator(
        name="latent",
        first="representation",
        second="continuous",
        estimates="a lower bound of I(X;Y) of two continuous variables: KSG of two learned dimensions of each",
        needs="20 samples, and half of them more than k",
        limits=(
            "Too low where X and Y share more than two dimensions, and with few samples, of which two in five train a "
            "network (by 0.7 of 1.0 nats with n = 100, d = 8; by 0.2 with n = 400). Not invariant to the relative "
            "scale of columns within X or within Y."
        ),
        reference="Gowri, Lun, Klein, Yin 2024, NeurIPS 37, arXiv 2409.02732",
        prepare=as_float64,
        select=select_points,
        estimate=latent,
        memory=bytes_of_one,
    ),
    Estimator(
        name="infonce",
        first="representation",
        second="continuous",
        estimates="a lower bound of I(X;Y), from a critic that tells joint samples from others",
        needs="50 samples",
        limits=(
            "At most log(n / 2), whatever the truth. Too low with few samples, as the critic is poor: by half with "
            "n = 400, d = 8."
        ),
        reference="van den Oord, Li, Vinyals 2018, arXiv 1807.03748; Poole et al. 2019, ICML",
        prepare=as_float64,
        select=select_points,
        estimate=infonce,
        memory=bytes_of_one,
    ),
    Estimator(
        name="mine",
        first="representation",
        second="continuous",
        estimates="I(X;Y) as Donsker and Varadhan's supremum over critics: a lower bound in the limit of many samples",
        needs="50 samples",
        limits=(
            "Too low with few samples, as infonce. Without a ceiling, but erratic where information is much: it rests "
            "on the mean of an exponential, and can be far below zero."
        ),
        reference="Belghazi et al. 2018, ICML; McAllester, Stratos 2020, AISTATS; Song, Ermon 2020, ICLR",
        prepare=as_float64,
        select=select_points,
        estimate=mine,
        memory=bytes_of_one,
    ),
    Estimator(
        name="ross",
        first="representation",
        second="label",
        estimates="I(X;Y) of a continuous variable and a label",
        needs="two classes of two samples or more",
        limits=(
            "Too low in many dimensions; shaky where a class has few samples: k is lowered in a class of at most "
            "k, a class of one is left out. Not invariant to the relative scale of the columns of X."
        ),
        reference="Ross 2014, PLoS ONE 9, e87357, eq. 6",
        prepare=chebyshev,
        select=select,
        estimate=ross_from_distances,
        of_selections=ross_of_selections,
    ),
    Estimator(
        name="crossentropy",
        first="logits",
        second="label",
        estimates="a lower bound of I(X;Y) of anything and a label, from a model's held-out class probabilities",
        needs="two classes",
        limits=(
            "Too low where the model is poor or badly calibrated. Against ksg it makes most gaps positive: its bias "
            "is not that of ksg."
        ),
        reference="Barber, Agakov 2003, NeurIPS 16",
        prepare=log_probabilities,
        select=select_points,
        estimate=crossentropy,
    ),
)
ESTIMATORS = {entry.name: entry for entry in TABLE}


def run(estimator: Estimator, x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int) -> Estimates:
    """Estimate from S selections of the samples of each of B items, in chunks that fit memory.

    Parameters
    ----------
    x
        What `estimator.prepare` made of X.
    y
        The same of Y, or (B, n) labels.
    index, valid
        (B, S, b) positions of the samples, and which of them are not padding.
    neighbours
        k.

    Returns
    -------
    Estimates
        Arrays (B, S). Whatever the estimator, flag `too_few_samples` where no estimate was possible.
    """
    found = _estimates(estimator, x, y, index, valid, neighbours=neighbours)
    return Estimates(found.value, found.n, {"too_few_samples": found.value.isnan()} | found.flags)


def _estimates(
    estimator: Estimator, x: Tensor, y: Tensor, index: Tensor, valid: Tensor, *, neighbours: int
) -> Estimates:
    """As `run`, with the estimator's own flags."""
    items, selections, size = index.shape
    if estimator.of_selections is not None and index.device.type == "cpu" and selections >= MANY:
        estimates = estimator.of_selections(x, y, index, valid, neighbours=neighbours)
        if estimates is not None:
            return estimates
    step = max(1, CHUNK[index.device.type] // (items * max(1, estimator.memory(x, y, size))))
    parts = []
    for start in range(0, selections, step):
        chosen, kept = index[:, start : start + step], valid[:, start : start + step]
        selected_x = estimator.select(x, chosen, kept)
        if estimator.second == "label":
            selected_y = y[:, None].expand(-1, chosen.shape[1], -1).gather(-1, chosen).flatten(0, 1)
        else:
            selected_y = estimator.select(y, chosen, kept)
        parts.append(estimator.estimate(selected_x, selected_y, kept.flatten(0, 1), neighbours=neighbours))
    return Estimates(
        value=torch.cat([part.value.view(items, -1) for part in parts], 1),
        n=torch.cat([part.n.view(items, -1) for part in parts], 1),
        flags={flag: torch.cat([part.flags[flag].view(items, -1) for part in parts], 1) for flag in parts[0].flags},
    )
