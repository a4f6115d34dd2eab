"""Estimators of mutual information where the truth is known: bias, spread, coverage of the 95% interval, time.

    OMP_NUM_THREADS=1 python benchmarks/information.py

Prints tables in Markdown; information.md beside this file has the last. Families after Czyz et al. 2023 (Beyond
Normal), and clustered representations: a class, a state that teacher and student share, and noise.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, logsumexp
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cch_omics.information.class_mixture import class_mixture
from cch_omics.information.estimators import ESTIMATORS, run
from cch_omics.information.subsampling import compress, half_samples, half_to_whole

Array = NDArray[np.float64]
SIZES = (100, 200, 400)
DIMENSIONS = (2, 8)
NEIGHBOURS = 3
HALVES = 50
# Replicates that are estimated at once.
TOGETHER = 10


# Families with closed forms


def correlated(d: int, *, dense: bool) -> Array:
    """(2d, 2d) correlations: 0.5 everywhere, or 0.8 between the first two columns of X and of Y only."""
    if dense:
        return np.full((2 * d, 2 * d), 0.5) + 0.5 * np.eye(2 * d)
    matrix = np.eye(2 * d)
    for column in range(min(2, d)):
        matrix[column, d + column] = matrix[d + column, column] = 0.8
    return matrix


def of_gaussian(matrix: Array) -> float:
    d = len(matrix) // 2
    parts = (matrix[:d, :d], matrix[d:, d:], matrix)
    x, y, both = (np.linalg.slogdet(part)[1] for part in parts)
    return float(0.5 * (x + y - both))


def student_excess(freedom: float, d: int) -> float:
    """How much more a Student-t's columns share than the Gaussian's of the same dispersion: its common scale."""

    def entropy(k: int) -> float:
        half, total = freedom / 2, (freedom + k) / 2
        shape = gammaln(half) - gammaln(total) + k / 2 * np.log(freedom * np.pi)
        return float(shape + total * (digamma(total) - digamma(half)))

    return 2 * entropy(d) - entropy(2 * d)


@dataclass(frozen=True)
class Family:
    """(rng, n, d) -> 2d columns; d -> nats."""

    draw: Callable[[np.random.Generator, int, int], Array]
    truth: Callable[[int], float]


def normal(rng: np.random.Generator, n: int, d: int, *, dense: bool) -> Array:
    return rng.normal(size=(n, 2 * d)) @ np.linalg.cholesky(correlated(d, dense=dense)).T


def student(rng: np.random.Generator, n: int, d: int) -> Array:
    return normal(rng, n, d, dense=False) / np.sqrt(rng.chisquare(5, size=(n, 1)) / 5)


def half_cube(rng: np.random.Generator, n: int, d: int) -> Array:
    z = normal(rng, n, d, dense=False)
    return np.sign(z) * np.abs(z) ** 1.5


def counts(rng: np.random.Generator, n: int, d: int) -> Array:
    """Gao 2017: X uniform on 0 .. 4, Y uniform on [X, X + 2], in one column; the others are noise."""
    x, y = rng.normal(size=(2, n, d))
    x[:, 0] = rng.integers(0, 5, size=n)
    y[:, 0] = x[:, 0] + 2 * rng.random(n)
    return np.hstack([x, y])


SPARSE = {d: of_gaussian(correlated(d, dense=False)) for d in (1, *DIMENSIONS)}
FAMILIES = {
    "normal, dense": Family(
        lambda r, n, d: normal(r, n, d, dense=True), lambda d: of_gaussian(correlated(d, dense=True))
    ),
    "normal, sparse": Family(lambda r, n, d: normal(r, n, d, dense=False), lambda d: SPARSE[d]),
    "Student-t(5), sparse": Family(student, lambda d: SPARSE[d] + student_excess(5, d)),
    "half-cube, sparse": Family(half_cube, lambda d: SPARSE[d]),
    "asinh, sparse": Family(lambda r, n, d: np.arcsinh(3 * normal(r, n, d, dense=False)), lambda d: SPARSE[d]),
    "counts": Family(counts, lambda d: float(np.log(5) - 4 * np.log(2) / 5)),
}


# Clustered representations


@dataclass(frozen=True)
class Clusters:
    """t = a_t c_y + h + e, s = a_s c_y + h + e': corners c_y of a triangle, h ~ N(0, shared^2), e ~ N(0, noise^2)."""

    teacher: float
    student: float
    shared: float
    noise: float


CORNERS = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
CLUSTERS = {
    "both know, share little": Clusters(2.0, 2.0, 0.3, 0.6),
    "both know, share much": Clusters(1.5, 1.5, 0.8, 0.5),
    "teacher weak": Clusters(0.7, 2.0, 0.4, 0.7),
    "student weak": Clusters(2.0, 0.7, 0.5, 0.6),
}


def clustered(setting: Clusters, rng: np.random.Generator, n: int, d: int) -> tuple[Array, Array, NDArray[np.int64]]:
    y = rng.integers(0, 3, size=n)
    corner = np.pad(CORNERS[y], ((0, 0), (0, d - 2)))
    state = setting.shared * rng.normal(size=(n, d))
    t, s = (a * corner + state + setting.noise * rng.normal(size=(n, d)) for a in (setting.teacher, setting.student))
    return t, s, y


def truth_of(setting: Clusters, d: int, draws: int = 100_000) -> dict[str, float]:
    """I(T;S), I(S;Y) and the gap by the mean of log-ratios of the known densities: exact to about 0.005 nats."""
    t, s, y = clustered(setting, np.random.default_rng(0), draws, d)
    total, common = setting.shared**2 + setting.noise**2, setting.shared**2
    determinant = total**2 - common**2
    log_t, log_s, log_both = [], [], []
    for corner in np.pad(CORNERS, ((0, 0), (0, d - 2))):
        a, b = t - setting.teacher * corner, s - setting.student * corner
        squares = (total * (a * a + b * b) - 2 * common * a * b).sum(1) / determinant
        log_t.append(-0.5 * (a * a).sum(1) / total - 0.5 * d * np.log(total))
        log_s.append(-0.5 * (b * b).sum(1) / total - 0.5 * d * np.log(total))
        log_both.append(-0.5 * squares - 0.5 * d * np.log(determinant))
    p_t, p_s, p_both = (logsumexp(log, axis=0) - np.log(3) for log in (log_t, log_s, log_both))
    between, label = np.mean(p_both - p_t - p_s), np.mean(np.array(log_s)[y, np.arange(draws)] - p_s)
    return {"I(T;S)": float(between), "I(S;Y)": float(label), "gap": float(between - label)}


# Measuring


def halves_of(labels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    items, n = labels.shape
    return half_samples(
        torch.as_tensor(rng.random((items, HALVES, n))),
        torch.as_tensor(rng.integers(0, 2, (items, HALVES))),
        labels,
        torch.arange(n).expand(items, n),
        torch.ones(items, n, dtype=torch.bool),
    )


def estimate(name: str, x: torch.Tensor, y: torch.Tensor, keep: torch.Tensor) -> tuple[Array, Array, float]:
    """(B, n, d) -> (B,) estimates, (B, HALVES) of half-samples, seconds an item."""
    estimator, everyone = ESTIMATORS[name], torch.ones(x.shape[:2], dtype=torch.bool)
    started = time.perf_counter()
    prepared = (estimator.prepare(x, everyone), y if estimator.second == "label" else estimator.prepare(y, everyone))
    whole = run(estimator, *prepared, *compress(everyone[:, None]), neighbours=NEIGHBOURS).value[:, 0]
    halves = run(estimator, *prepared, *compress(keep), neighbours=NEIGHBOURS).value
    return whole.numpy(), halves.numpy(), (time.perf_counter() - started) / len(x)


def se_of(halves: Array, keep: torch.Tensor) -> Array:
    factor = half_to_whole(keep, torch.ones(keep.shape[::2], dtype=torch.bool)).numpy()
    return np.asarray(np.sqrt(np.nanvar(halves, axis=1, ddof=1) * factor))


def scaled(points: list[Array]) -> torch.Tensor:
    """(B, n, d), each divided by its root mean variance, as `mutual_information` does."""
    return torch.as_tensor(np.stack([p / np.sqrt(p.var(0).mean()) for p in points]))


def continuous(name: str, family: Family, d: int, n: int, replicates: int) -> pd.DataFrame:
    parts = []
    for start in range(0, replicates, TOGETHER):
        drawn = [family.draw(np.random.default_rng([start + i, n, d]), n, d) for i in range(TOGETHER)]
        x, y = scaled([z[:, :d] for z in drawn]), scaled([z[:, d:] for z in drawn])
        keep = halves_of(torch.zeros(TOGETHER, n, dtype=torch.int64), np.random.default_rng(start))
        for estimator in estimators_for(name):
            value, halves, seconds = estimate(estimator, x, y, keep)
            parts.append(
                pd.DataFrame({"estimator": estimator, "value": value, "se": se_of(halves, keep), "s": seconds})
            )
        if d == 1:
            started = time.perf_counter()
            theirs = [
                mutual_info_regression(a, b[:, 0], n_neighbors=NEIGHBOURS, random_state=0)[0]
                for a, b in zip(x.numpy(), y.numpy(), strict=True)
            ]
            seconds = (time.perf_counter() - started) / TOGETHER
            parts.append(pd.DataFrame({"estimator": "scikit-learn", "value": theirs, "se": np.nan, "s": seconds}))
    return pd.concat(parts).assign(family=name, d=d, n=n, truth=family.truth(d))


def estimators_for(family: str) -> tuple[str, ...]:
    # Without ties `mixed` is `ksg` plus 1 / (2n).
    return ("ksg", "ksg2", "mixed") if family == "counts" else ("ksg", "ksg2", "gaussian", "copula")


LIMIT = "limit of class_mixture"


def with_labels(name: str, d: int, n: int, replicates: int) -> pd.DataFrame:
    """The terms and the gap of clustered representations, with the same half-samples for both terms."""
    setting, parts = CLUSTERS[name], []
    truth = truth_of(setting, d)

    def add(
        quantity: str, estimator: str, value: Array, se: Array, seconds: float, other: tuple[Array, Array] | None = None
    ) -> None:
        """`other` is a second estimate and its standard error, which has to agree for a sign to be decided."""
        second, second_se = other or (value, se)
        columns = {"quantity": quantity, "estimator": estimator, "value": value, "se": se, "s": seconds}
        parts.append(pd.DataFrame(columns | {"other": second, "other_se": second_se, "truth": truth[quantity]}))

    for start in range(0, replicates, TOGETHER):
        drawn = [clustered(setting, np.random.default_rng([start + i, n, d]), n, d) for i in range(TOGETHER)]
        t, s = scaled([z[0] for z in drawn]), scaled([z[1] for z in drawn])
        y = torch.as_tensor(np.stack([z[2] for z in drawn]))
        rng = np.random.default_rng(start)
        keep = halves_of(y, rng)
        logits = torch.as_tensor(np.stack([held_out_logits(a, b) for _, a, b in drawn]))
        terms = {
            "ksg": ("I(T;S)", *estimate("ksg", t, s, keep)),
            "gaussian": ("I(T;S)", *estimate("gaussian", t, s, keep)),
            "copula": ("I(T;S)", *estimate("copula", t, s, keep)),
            "ross": ("I(S;Y)", *estimate("ross", s, y, keep)),
            "crossentropy": ("I(S;Y)", *estimate("crossentropy", logits, y, keep)),
        }
        for estimator, (quantity, value, halves, seconds) in terms.items():
            add(quantity, estimator, value, se_of(halves, keep), seconds)
        gaps: dict[str, tuple[Array, Array]] = {}
        for between, label in (("ksg", "ross"), ("ksg", "crossentropy"), ("gaussian", "ross")):
            (_, a, halves_a, s_a), (_, b, halves_b, s_b) = terms[between], terms[label]
            gap = f"{between} - {label}"
            gaps[gap] = a - b, se_of(halves_a - halves_b, keep)
            add("gap", gap, *gaps[gap], s_a + s_b)
        everyone, folds = torch.ones_like(y, dtype=torch.bool), torch.as_tensor(rng.random((TOGETHER, 5, n)))
        started = time.perf_counter()
        found = class_mixture(t, s, y, everyone, folds)
        seconds = (time.perf_counter() - started) / TOGETHER
        limit = found.extrapolated.numpy(), found.extrapolated_se.numpy()
        add("gap", LIMIT, *limit, seconds)
        # Decided only if both are.
        bracket = found.cross_fitted.numpy(), found.cross_fitted_se.numpy()
        add("gap", "both ends of class_mixture", *limit, seconds, bracket)
        for gap in ("ksg - ross", "gaussian - ross"):
            add("gap", f"{gap} and {LIMIT}", *limit, seconds, gaps[gap])
    return pd.concat(parts).assign(family=name, d=d, n=n)


def held_out_logits(x: Array, y: NDArray[np.int64]) -> Array:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(LogisticRegression(), x, y, cv=folds, method="predict_log_proba"))


# Tables


def summary(group: pd.DataFrame) -> str:
    covered = group["error"].abs() <= 1.959964 * group["se"]
    coverage = "-" if group["se"].isna().all() else f"{covered.mean():.2f}"
    return f"{group['error'].mean():+.2f} / {group['value'].std():.2f} / {coverage}"


def decisions(group: pd.DataFrame) -> str:
    sides = [
        np.sign(group[name]) * (group[name].abs() > 1.959964 * group[se])
        for name, se in (("value", "se"), ("other", "other_se"))
    ]
    side = sides[0].where(sides[0] == sides[1], 0)
    wrong = (side * np.sign(group["value"] - group["error"]) < 0).sum()
    return f"{wrong} / {int((side != 0).sum())} / {int((side == 0).sum())}"


def table(frame: pd.DataFrame, rows: list[str], cell: Callable[[pd.DataFrame], str]) -> str:
    """One line per combination of `rows`, in order of appearance, one column per n."""
    lines: dict[tuple[object, ...], dict[str, str]] = {}
    for (*key, n), group in frame.groupby([*rows, "n"], sort=False):
        lines.setdefault(tuple(key), {})[f"n = {n}"] = cell(group)
    cells = [dict(zip(rows, key, strict=True)) | found for key, found in lines.items()]
    return str(pd.DataFrame(cells).to_markdown(index=False, floatfmt=".2f"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=30, help=f"a multiple of {TOGETHER}")
    parser.add_argument("--raw", help="write every single estimate to this TSV file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    plain = pd.concat(
        continuous(name, family, d, n, args.replicates)
        for name, family in FAMILIES.items()
        for d in (*DIMENSIONS, *((1,) if name in {"normal, sparse", "counts"} else ()))
        for n in SIZES
    )
    labels = pd.concat(with_labels(name, d, n, args.replicates) for name in CLUSTERS for d in DIMENSIONS for n in SIZES)
    one = one_column(args.replicates)
    used = time.process_time() - started
    plain, labels, one = (frame.assign(error=frame["value"] - frame["truth"]) for frame in (plain, labels, one))
    if args.raw:
        pd.concat([plain, labels, one]).to_csv(args.raw, sep="\t", index=False)

    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, no GPU, one thread; torch", end=" "
    )
    print(f"{torch.__version__}; {used:.0f} s of CPU; {args.replicates} replicates of each setting, k = {NEIGHBOURS},")
    print(f"{HALVES} half-samples. Nats throughout.")
    print("\n## I(X;Y) of two continuous variables: bias / SD / coverage of the 95% interval\n")
    print(table(plain, ["family", "d", "truth", "estimator"], summary))
    print("\n## Clustered representations, terms: bias / SD / coverage\n")
    print(table(labels[labels["quantity"] != "gap"], ["family", "d", "quantity", "truth", "estimator"], summary))
    print("\n## Clustered representations, the gap: bias / SD / coverage\n")
    gaps = labels[(labels["quantity"] == "gap") & (labels["other"] == labels["value"])]
    print(table(gaps, ["family", "d", "truth", "estimator"], summary))
    print("\n## Sign of the gap where |gap| >= 0.1: wrong / decided / undecided\n")
    clear = labels[(labels["quantity"] == "gap") & (labels["truth"].abs() >= 0.1)]
    print(table(clear, ["d", "estimator"], decisions))
    print("\n## One column and a label: bias / SD / coverage, beside scikit-learn\n")
    print(table(one, ["truth", "estimator"], summary))
    print(f"\n## Milliseconds of one estimate with its half-samples ({LIMIT}: without)\n")
    times = pd.concat([plain, labels[labels["quantity"] != "gap"], gaps[gaps["estimator"] == LIMIT], one]).query(
        "d != 1"
    )
    mean = 1000 * times.groupby(["estimator", "n"], sort=False)["s"].mean().unstack("n")
    print(mean.to_markdown(floatfmt=".1f"))


def one_column(replicates: int) -> pd.DataFrame:
    """Three classes at distance two, as scikit-learn's `mutual_info_classif` takes them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=400_000)
    x = 2 * y + rng.normal(size=len(y))
    given = np.stack([-0.5 * (x - 2 * c) ** 2 for c in range(3)])
    truth = float(np.mean(given[y, np.arange(len(y))] - logsumexp(given, axis=0)) + np.log(3))
    parts = []
    for n in SIZES:
        for start in range(0, replicates, TOGETHER):
            rng = np.random.default_rng([start, n])
            labels = rng.integers(0, 3, size=(TOGETHER, n))
            points = (2 * labels + rng.normal(size=labels.shape))[..., None]
            keep = halves_of(torch.as_tensor(labels), rng)
            value, halves, seconds = estimate("ross", torch.as_tensor(points), torch.as_tensor(labels), keep)
            theirs = [
                mutual_info_classif(a, b, n_neighbors=NEIGHBOURS, random_state=0)[0]
                for a, b in zip(points, labels, strict=True)
            ]
            for name, found, se in (("ross", value, se_of(halves, keep)), ("scikit-learn, label", theirs, np.nan)):
                parts.append(pd.DataFrame({"estimator": name, "value": found, "se": se, "s": seconds, "n": n}))
    return pd.concat(parts).assign(truth=truth)


if __name__ == "__main__":
    main()
