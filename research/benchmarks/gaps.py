"""Signs of the gap where it is known: how often those that are shown are wrong, and how often none is.

    OMP_NUM_THREADS=1 python -m research.benchmarks.gaps
    OMP_NUM_THREADS=1 python -m research.benchmarks.gaps --samples 100 --replicates 1      (the smallest run)

Signs are shown by the criterion `cch_calibrated`. Prints tables in Markdown; gaps.md beside this file has the last.
Held-out representations are drawn from models whose densities are known, not from encoders: classes, a state that
teacher and student share, noise, and what an encoder may do to them (squash, stretch, twist and rotate them, among
units that are noise). `BUILT_WITH` was used while the rule was made. `UNSEEN` was written down, with `shared` set for
gaps between 0.1 and 0.5 nats, before the rule was run on any of it, and the rule was run on it as it stood.
"""

import argparse
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import CriterionConfig, InformationConfig
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.out_of_fold import Encoding
from cch_omics.splits import Splits
from cch_omics.tasks.classification import Classification
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.evidence import gather

Array = NDArray[np.float64]
UNITS = 12
DRAWS = 100_000
SMALLEST = 0.1


@dataclass(frozen=True)
class World:
    """t = teacher * c_y + h + e, s = student * c_y + h + e', in `latent` dimensions.

    Attributes
    ----------
    teacher, student
        How far apart the class centres c_y are, corners of a regular polygon.
    shared
        Standard deviation of h; with `states`, h is one of so many corners, at this distance from the origin.
    noise, student_noise
        Standard deviations of e and e'; with `spread`, they grow with the class, from 1 to 1 + spread times.
    classes, priors
        Equally frequent unless said.
    tails
        Degrees of freedom of a Student-t: h, e and e' of a patient are divided by one chi. 0: normal.
    shape
        What the encoder does to both: `linear`, `tanh`, `asinh`, `cube` (x|x|^(1/2)) or `swirl`.
    private
        Standard deviation of units that are noise.
    """

    teacher: float
    student: float
    shared: float
    noise: float
    student_noise: float = 0.0
    classes: int = 3
    priors: tuple[float, ...] = ()
    latent: int = 2
    states: int = 0
    spread: float = 0.0
    shape: str = "linear"
    private: float = 0.3


BUILT_WITH = {
    "both know, share little": World(2, 2, 0.3, 0.6),
    "both know, share much": World(1.5, 1.5, 0.8, 0.5),
    "teacher weak": World(0.7, 2, 0.4, 0.7),
    "student weak": World(2, 0.7, 0.5, 0.6),
    "student weak, shares much": World(1.8, 0.8, 1.0, 0.3),
    "teacher knows nothing": World(0, 2, 0.3, 0.6),
}
UNSEEN = {
    "two classes, shares": World(1.2, 0.8, 0.48, 0.6, classes=2),
    "two classes, teacher weak": World(0.5, 1.8, 0.73, 0.8, classes=2),
    "two classes, 1 in 5": World(0.5, 2.0, 0.3, 0.8, classes=2, priors=(0.8, 0.2)),
    "five classes": World(2.0, 1.6, 0.66, 0.5, classes=5),
    "five classes, teacher weak": World(0.8, 2.4, 0.94, 0.6, classes=5),
    "four latent dimensions": World(1.5, 1.0, 0.43, 0.6, latent=4),
    "four dimensions, share little": World(1.6, 1.6, 0.35, 0.8, latent=4),
    "three shared states": World(1.6, 1.0, 0.66, 0.5, states=3),
    "four states, teacher weak": World(0.6, 2.0, 0.9, 0.7, states=4),
    "classes of unlike spread": World(1.5, 1.2, 0.63, 0.5, spread=1.0),
    "unlike spread, share little": World(1.0, 2.0, 0.69, 0.5, spread=1.0),
    "saturated units": World(1.8, 1.0, 0.51, 0.5, shape="tanh"),
    "saturated, teacher weak": World(0.8, 2.2, 0.94, 0.7, shape="tanh"),
    "stretched units": World(1.5, 1.0, 0.65, 0.5, shape="cube"),
    "compressed, share little": World(1.4, 2.0, 0.3, 0.7, shape="asinh"),
    "twisted": World(1.6, 1.2, 0.45, 0.5, shape="swirl"),
    "twisted, teacher weak": World(0.7, 2.0, 0.8, 0.7, shape="swirl"),
    "noisy student": World(1.5, 1.0, 0.56, 0.3, student_noise=1.2),
}


def priors_of(world: World) -> Array:
    return np.array(world.priors or np.full(world.classes, 1 / world.classes))


def corners(count: int, dimensions: int) -> Array:
    """A regular polygon; of two, the ends of a line."""
    angle = 2 * np.pi * np.arange(count) / count
    return np.pad(np.stack([np.cos(angle), np.sin(angle)], 1), ((0, 0), (0, dimensions - 2)))


def components(world: World) -> list[tuple[float, int, Array, Array]]:
    """The normal components of (t, s): weight, class, mean, covariance."""
    k, centres = world.latent, corners(world.classes, world.latent)
    states = world.shared * corners(world.states, k) if world.states else np.zeros((1, k))
    shared = 0.0 if world.states else world.shared**2
    eye, found = np.eye(k), []
    for c, prior in enumerate(priors_of(world)):
        scale = (1 + world.spread * c / (world.classes - 1)) ** 2
        of_t = (shared + scale * world.noise**2) * eye
        of_s = (shared + scale * (world.student_noise or world.noise) ** 2) * eye
        covariance = np.block([[of_t, shared * eye], [shared * eye, of_s]])
        for state in states:
            mean = np.concatenate([world.teacher * centres[c] + state, world.student * centres[c] + state])
            found.append((prior / len(states), c, mean, covariance))
    return found


def draw(world: World, n: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """(n, 2 latent) t and s side by side, and the classes."""
    parts = components(world)
    which = rng.choice(len(parts), size=n, p=[weight for weight, *_ in parts])
    roots = np.stack([np.linalg.cholesky(covariance) for *_, covariance in parts])
    points = np.stack([mean for _, _, mean, _ in parts])[which]
    points = points + np.einsum("nij,nj->ni", roots[which], rng.normal(size=points.shape))
    return points, np.array([c for _, c, *_ in parts])[which]


def known(world: World) -> tuple[float, float]:
    """I(T;S) and I(S;Y), to about 0.005 nats: nothing that an encoder does here changes them."""
    points, y = draw(world, DRAWS, np.random.default_rng(0))
    parts, k = components(world), world.latent
    classes = np.array([c for _, c, *_ in parts])
    weights = np.log([weight for weight, *_ in parts])

    def logs(columns: slice) -> tuple[Array, Array]:
        """Log p(x), and log p(x | y) of each draw's class."""
        log = np.stack(
            [
                multivariate_normal(mean[columns], covariance[columns, columns]).logpdf(points[:, columns])
                for _, _, mean, covariance in parts
            ],
            1,
        )
        own = np.where(classes == y[:, None], log + weights, -np.inf)
        return logsumexp(log + weights, axis=1), logsumexp(own, axis=1) - np.log(priors_of(world))[y]

    (joint, _), (t, _), (s, s_y) = logs(slice(None)), logs(slice(0, k)), logs(slice(k, None))
    return float((joint - t - s).mean()), float((s_y - s).mean())


def encode(x: Array, world: World, rng: np.random.Generator) -> Array:
    """(n, latent) -> (n, UNITS)."""
    if world.shape == "tanh":
        x = np.tanh(x / 1.5)
    elif world.shape == "asinh":
        x = np.arcsinh(2 * x)
    elif world.shape == "cube":
        x = np.sign(x) * np.abs(x) ** 1.5
    elif world.shape == "swirl":
        angle = 0.5 * np.hypot(x[:, 0], x[:, 1])
        twisted = [np.cos(angle) * x[:, 0] - np.sin(angle) * x[:, 1], np.sin(angle) * x[:, 0] + np.cos(angle) * x[:, 1]]
        x = np.column_stack([*twisted, x[:, 2:]])
    units = np.hstack([x, world.private * rng.normal(size=(len(x), UNITS - x.shape[1]))])
    return np.asarray(units @ np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0])


def judge(name: str, world: World, n: int, replicate: int, confidence: float) -> dict[str, float | str]:
    """One draw: what the estimators say of it."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([replicate, n, *name.encode()])
    points, y = draw(world, n, rng)
    k = world.latent
    spaces = {"teacher": encode(points[:, :k], world, rng), "student": encode(points[:, k:], world, rng)}
    samples = np.array([f"{i:05d}" for i in range(n)])
    nothing = Modality(np.zeros((n, 1), np.float32), np.array(["f"]), np.arange(n))
    target = Target("class", Classification(tuple(map(str, range(world.classes)))), y.astype(np.float64))
    cohort = Cohort(
        name="known",
        samples=samples,
        groups=samples,
        sites=np.full(n, ""),
        target=target,
        modalities=dict.fromkeys(spaces, nothing),
        teachers=("teacher",),
    )
    splits = Splits(np.array([-1]), np.array([-1]), np.zeros((1, n), dtype=np.int64), np.ones((1, n), dtype=bool))
    outputs = np.zeros((1, n, world.classes), np.float32)
    encodings = {
        view: Encoding(
            space[None].astype(np.float32), outputs, outputs[:, None], np.zeros(1, dtype=np.int64), np.zeros((1, 0))
        )
        for view, space in spaces.items()
    }
    estimates = estimate_pairs(cohort, splits, encodings, InformationConfig(), seed=replicate)
    row = gather(cohort, splits, encodings, None, estimates).iloc[0].to_dict()
    between, student = known(world)
    return row | {
        "setting": name,
        "truth": between - student,
        "decision": SIGNS[CRITERIA["cch_calibrated"].decide(row, confidence)],
        "one_estimator": decided(row["p_gap_positive"], confidence),
        "uncorrected": decided(float(norm.cdf(row["gap"] / row["gap_se"])), confidence),
    }


SIGNS = {"distil": 1, "do_not_distil": -1, "undecided": 0}


def decided(p: float, confidence: float) -> int:
    """The sign that a probability of being positive gives, 0 if none."""
    return 1 if p >= confidence else -1 if p <= 1 - confidence else 0


def share(values: "pd.Series[bool]") -> str:
    return f"{int(values.sum())}/{len(values)}"


def summary(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, part in found.groupby("setting", sort=False):
        sign = np.sign(part["truth"].iloc[0])
        at_zero = part["gap"] - part["gap_at_zero"]
        rows.append(
            {
                "setting": name,
                "gap": f"{part['truth'].iloc[0]:+.2f}",
                "KSG - Ross": f"{part['gap'].mean():+.2f} ± {part['gap'].std():.2f}",
                "less what it says at zero": f"{at_zero.mean():+.2f}",
                "Gaussian - Ross": f"{part['cross_check_gap'].mean():+.2f}",
                "KSG - Ross wrong": share(np.sign(part["gap"]) == -sign),
                "its z-test wrong": share(part["uncorrected"] == -sign),
                "shown sign wrong": share(part["decision"] == -sign),
                "undecided": share(part["decision"] == 0),
            }
        )
    return pd.DataFrame(rows)


def totals(found: pd.DataFrame) -> pd.DataFrame:
    sign, rows = np.sign(found["truth"]), []
    for label, column in (
        ("KSG - Ross, its sign", np.sign(found["gap"])),
        ("KSG - Ross, z-test with half-samples", found["uncorrected"]),
        ("KSG - Ross and simulations", found["one_estimator"]),
        ("shown: both estimators and simulations", found["decision"]),
    ):
        taken = column != 0
        wrong = int((column == -sign).sum())
        rows.append(
            {
                "sign of the gap by": label,
                "decided": f"{int(taken.sum())} of {len(found)}",
                "undecided": f"{1 - taken.mean():.1%}",
                "wrong": wrong,
                "wrong of the decided": f"{wrong / max(int(taken.sum()), 1):.1%}",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--confidence", type=float, default=CriterionConfig().confidence)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--built-with", action="store_true", help="the settings that the rule was made with")
    args = parser.parse_args()
    settings = {
        name: world
        for name, world in (BUILT_WITH if args.built_with else UNSEEN).items()
        if abs(np.subtract(*known(world))) >= SMALLEST
    }
    started = time.perf_counter()
    jobs = [
        (name, world, args.samples, i, args.confidence)
        for name, world in settings.items()
        for i in range(args.replicates)
    ]
    with ProcessPoolExecutor(args.processes) as pool:
        found = pd.DataFrame(pool.map(judge, *zip(*jobs, strict=True), chunksize=5))
    machine = f"{args.processes} processes, {platform.processor() or platform.machine()}"
    print(
        f"{len(settings)} settings with |gap| >= {SMALLEST} nats, {args.replicates} draws of {args.samples} samples "
        f"each, confidence {args.confidence:g}; {time.perf_counter() - started:.0f} s, {machine}\n"
    )
    print(summary(found).to_markdown(index=False, disable_numparse=True), "\n")
    print(totals(found).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
