"""Estimators of mutual information where the truth is known: bias, spread, coverage of the 95% interval, time.

    OMP_NUM_THREADS=1 python benchmarks/information.py [--rivals PYTHON] [--data DIR]

Prints tables in Markdown; information.md beside this file has the last. Every cell is kept in benchmarks/build/ when it
is done: an interrupted run goes on where it was. PYTHON is the interpreter of an environment of its own, with
`latentmi` and `infomeasure` (the page has the versions); DIR has the cohort brca-paired. Without them their tables are
left out.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
from information_families import CLUSTERS, FAMILIES, MULTINORMAL, Array, clustered, truth_of
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cch_omics.information.class_mixture import class_mixture
from cch_omics.information.classwise import QUANTITIES, classwise, classwise_selections
from cch_omics.information.estimators import ESTIMATORS, run
from cch_omics.information.single import Uncertainty, mutual_information
from cch_omics.information.subsampling import compress, half_samples, half_to_whole

SIZES = (100, 200, 400, 800)
DIMENSIONS = (2, 8, 16, 32)
NEIGHBOURS = 3
HALVES = 30
# What is learned takes ten to a hundred times as long: fewer sizes, and a standard error where d is at most 8.
LEARNED = ("latent", "infonce", "mine")
LEARNED_SIZES = (100, 400)
LEARNED_HALVES = 10
# Large cells have half of the replicates.
LARGE = (16, 800)
# Replicates that are estimated at once.
TOGETHER = 10
NORMAL_95 = 1.959963984540054
LIMIT = "limit of class_mixture"


# Measuring


def halves_of(labels: torch.Tensor, rng: np.random.Generator, halves: int = HALVES) -> torch.Tensor:
    items, n = labels.shape
    return half_samples(
        torch.as_tensor(rng.random((items, halves, n))),
        torch.as_tensor(rng.integers(0, 2, (items, halves))),
        labels,
        torch.arange(n).expand(items, n),
        torch.ones(items, n, dtype=torch.bool),
    )


def estimate(name: str, x: torch.Tensor, y: torch.Tensor, keep: torch.Tensor | None) -> tuple[Array, Array, float]:
    """(B, n, d) -> (B,) estimates, (B, S) of half-samples (none without `keep`), seconds an item."""
    estimator, everyone = ESTIMATORS[name], torch.ones(x.shape[:2], dtype=torch.bool)
    started = time.process_time()
    prepared = (estimator.prepare(x, everyone), y if estimator.second == "label" else estimator.prepare(y, everyone))
    whole = run(estimator, *prepared, *compress(everyone[:, None]), neighbours=NEIGHBOURS).value[:, 0]
    halves = torch.empty(len(x), 0, dtype=torch.float64)
    if keep is not None:
        halves = run(estimator, *prepared, *compress(keep), neighbours=NEIGHBOURS).value
    return whole.numpy(), halves.numpy(), (time.process_time() - started) / len(x)


def se_of(halves: Array, keep: torch.Tensor | None) -> Array:
    if keep is None or not np.isfinite(halves).all():
        return np.full(len(halves), np.nan)
    factor = half_to_whole(keep, torch.ones(keep.shape[::2], dtype=torch.bool)).numpy()
    return np.asarray(np.sqrt(halves.var(axis=1, ddof=1) * factor))


def scaled(points: list[Array]) -> torch.Tensor:
    """(B, n, d), each divided by its root mean variance, as `mutual_information` does."""
    return torch.as_tensor(np.stack([p / np.sqrt(p.var(0).mean()) for p in points]))


def drawn_pairs(name: str, d: int, n: int, start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = [FAMILIES[name].draw(np.random.default_rng([start + i, n, d]), n, d) for i in range(count)]
    return scaled([z[:, :d] for z in drawn]), scaled([z[:, d:] for z in drawn])


def estimators_for(family: str) -> list[str]:
    # Without ties `mixed` is `ksg` plus 1 / (2n).
    by_neighbours = ["ksg", "mixed"] if family == "counts" else ["ksg"]
    return [*by_neighbours, "gaussian", "copula"]


def continuous(name: str, d: int, n: int, replicates: int, estimators: list[str]) -> pd.DataFrame:
    parts = []
    for start in range(0, replicates, TOGETHER):
        x, y = drawn_pairs(name, d, n, start, TOGETHER)
        keep = halves_of(torch.zeros(TOGETHER, n, dtype=torch.int64), np.random.default_rng(start))
        for estimator in estimators:
            used = keep[:, :LEARNED_HALVES] if estimator in LEARNED else keep
            if estimator in LEARNED and d > 8:
                used = None
            value, halves, seconds = estimate(estimator, x, y, used)
            parts.append(
                pd.DataFrame({"estimator": estimator, "value": value, "se": se_of(halves, used), "s": seconds})
            )
        if d == 1:
            started = time.process_time()
            theirs = [
                mutual_info_regression(a, b[:, 0], n_neighbors=NEIGHBOURS, random_state=0)[0]
                for a, b in zip(x.numpy(), y.numpy(), strict=True)
            ]
            seconds = (time.process_time() - started) / TOGETHER
            parts.append(pd.DataFrame({"estimator": "scikit-learn", "value": theirs, "se": np.nan, "s": seconds}))
    return pd.concat(parts).assign(family=name, d=d, n=n, truth=FAMILIES[name].truth(d))


def with_labels(name: str, d: int, n: int, replicates: int) -> pd.DataFrame:
    """The terms and the gap of clustered representations, with the same half-samples for all."""
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
        for between, label in (("ksg", "ross"), ("gaussian", "ross")):
            (_, a, halves_a, s_a), (_, b, halves_b, s_b) = terms[between], terms[label]
            gap = f"{between} - {label}"
            gaps[gap] = a - b, se_of(halves_a - halves_b, keep)
            add("gap", gap, *gaps[gap], s_a + s_b)

        everyone, folds = torch.ones_like(y, dtype=torch.bool), torch.as_tensor(rng.random((TOGETHER, 5, n)))
        started = time.process_time()
        whole, halves = classwise(t, s, y, everyone, folds[:, :2]), classwise_selections(t, s, y, keep, folds[:, :2])
        seconds = (time.process_time() - started) / TOGETHER
        found = {}
        for quantity, part in zip(("I(T;S)", "I(T;Y)", "I(S;Y)", "gap"), QUANTITIES, strict=True):
            found[quantity] = getattr(whole, part).numpy(), se_of(getattr(halves, part).numpy(), keep)
            if quantity in truth:
                add(quantity, "classwise", *found[quantity], seconds)
        if d <= 8:
            started = time.process_time()
            mixture = class_mixture(t, s, y, everyone, folds)
            seconds = (time.process_time() - started) / TOGETHER
            limit = mixture.extrapolated.numpy(), mixture.extrapolated_se.numpy()
            add("gap", LIMIT, *limit, seconds)
        for gap in ("ksg - ross", "gaussian - ross"):
            add("gap", f"{gap} and classwise", *found["gap"], seconds, gaps[gap])
    return pd.concat(parts).assign(family=name, d=d, n=n)


def held_out_logits(x: Array, y: NDArray[np.int64]) -> Array:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(LogisticRegression(), x, y, cv=folds, method="predict_log_proba"))


def one_column(n: int, replicates: int) -> pd.DataFrame:
    """Three classes at distance two, as scikit-learn's `mutual_info_classif` takes them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=400_000)
    x = 2 * y + rng.normal(size=len(y))
    given = np.stack([-0.5 * (x - 2 * c) ** 2 for c in range(3)])
    truth = float(np.mean(given[y, np.arange(len(y))] - logsumexp(given, axis=0)) + np.log(3))
    parts = []
    for start in range(0, replicates, TOGETHER):
        rng = np.random.default_rng([start, n])
        labels = rng.integers(0, 3, size=(TOGETHER, n))
        points = (2 * labels + rng.normal(size=labels.shape))[..., None]
        keep = halves_of(torch.as_tensor(labels), rng)
        value, halves, seconds = estimate("ross", torch.as_tensor(points), torch.as_tensor(labels), keep)
        started = time.process_time()
        theirs = [
            mutual_info_classif(a, b, n_neighbors=NEIGHBOURS, random_state=0)[0]
            for a, b in zip(points, labels, strict=True)
        ]
        their_seconds = (time.process_time() - started) / TOGETHER
        rows = (("ross", value, se_of(halves, keep), seconds), ("scikit-learn, label", theirs, np.nan, their_seconds))
        for name, found, se, each in rows:
            parts.append(pd.DataFrame({"estimator": name, "value": found, "se": se, "s": each}))
    return pd.concat(parts).assign(truth=truth, n=n, d=1, family="three classes")


def standard_errors(n: int, draws: int) -> pd.DataFrame:
    """Half-sampling and Holmes-Nemenman beside the spread over samples: two columns each, and three classes."""
    rows = []
    for draw in range(draws):
        z = FAMILIES["normal, sparse"].draw(np.random.default_rng([draw, n, 2]), n, 2)
        _, s, y = clustered(CLUSTERS["student weak"], np.random.default_rng([draw, n, 2]), n, 2)
        for estimator, a, b in (("ksg", z[:, :2], z[:, 2:]), ("gaussian", z[:, :2], z[:, 2:]), ("ross", s, y)):
            for way in get_args(Uncertainty):
                found = mutual_information(a, b, estimator=estimator, uncertainty=way, seed=draw)
                rows.append({"estimator": estimator, "n": n, "way": way, "value": found.value, "se": found.se})
    return pd.DataFrame(rows)


# Beside other packages


def elsewhere(python: str, package: str, x: torch.Tensor, y: torch.Tensor) -> tuple[Array, Array]:
    """Nats and seconds by another package, in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "data.npz", x=x.numpy(), y=y.numpy())
        script = Path(__file__).with_name("information_rivals.py")
        done = subprocess.run(
            [python, script, Path(folder) / "data.npz", package], check=True, capture_output=True, text=True
        )
    found = np.array(json.loads(done.stdout))
    return found[:, 0], found[:, 1]


def side_by_side(python: str, name: str, d: int, n: int) -> pd.DataFrame:
    """The same data to all."""
    if name in CLUSTERS:
        drawn = [clustered(CLUSTERS[name], np.random.default_rng([i, n, d]), n, d) for i in range(TOGETHER)]
        x, y = scaled([z[0] for z in drawn]), scaled([z[1] for z in drawn])
        truth = truth_of(CLUSTERS[name], d)["I(T;S)"]
    else:
        x, y = drawn_pairs(name, d, n, 0, TOGETHER)
        truth = FAMILIES[name].truth(d)
    parts = []
    for estimator in ("ksg", "gaussian", "latent"):
        value, _, seconds = estimate(estimator, x, y, None)
        parts.append(pd.DataFrame({"estimator": estimator, "value": value, "s": seconds}))
    for package, count in (("infomeasure", TOGETHER), ("latentmi", 1)):
        value, times = elsewhere(python, package, x[:count], y[:count])
        parts.append(pd.DataFrame({"estimator": package, "value": value, "s": times}))
    return pd.concat(parts).assign(family=name, d=d, n=n, truth=truth)


def components_of(folder: Path, count: int) -> dict[str, torch.Tensor]:
    """(n, count) leading principal components of each omics, standardised, of the patients who have all."""
    names = ("rna", "cnv", "rppa", "mutation")
    tables = [pd.read_csv(folder / f"{name}.csv.gz", index_col=0) for name in names]
    everyone = sorted(set.intersection(*(set(table.index) for table in tables)))
    found = {}
    for name, held in zip(names, tables, strict=True):
        values = held.loc[everyone].to_numpy(dtype=np.float64)
        values = np.where(np.isfinite(values), values, np.nanmean(values, axis=0))
        spread = values.std(0)
        values = (values - values.mean(0))[:, spread > 0] / spread[spread > 0]
        left, singular, _ = np.linalg.svd(values, full_matrices=False)
        found[name] = torch.as_tensor(left[:, :count] * singular[:count])
    return found


def all_pairs_of_a_cohort(python: str, folder: Path, count: int) -> pd.DataFrame:
    """Latent MI of all 6 pairs of four omics with 20 half-samples each, and then one call of `latentmi`."""
    held = components_of(folder, count)
    pairs = [(a, b) for i, a in enumerate(held) for b in list(held)[i + 1 :]]
    x, y = (scaled([held[pair[side]].numpy() for pair in pairs]) for side in (0, 1))
    keep = halves_of(torch.zeros(x.shape[:2], dtype=torch.int64), np.random.default_rng(0), 20)
    value, halves, seconds = estimate("latent", x, y, keep)
    theirs, their_seconds = elsewhere(python, "latentmi", x[:1], y[:1])
    rows = [
        {"pair": " - ".join(pair), "nats": each, "se": se, "latentmi": other, "n": x.shape[1], "components": count}
        for pair, each, se, other in zip(
            pairs, value, se_of(halves, keep), [*theirs, *[np.nan] * (len(pairs) - 1)], strict=True
        )
    ]
    return pd.DataFrame(rows).assign(seconds=seconds * len(pairs), latentmi_seconds=their_seconds[0])


# Tables


def summary(group: pd.DataFrame) -> str:
    covered = group["error"].abs() <= NORMAL_95 * group["se"]
    coverage = "-" if group["se"].isna().any() else f"{covered.mean():.2f}"
    if group["value"].isna().any():
        return "none"
    return f"{group['error'].mean():+.2f} / {group['value'].std():.2f} / {coverage}"


def decisions(group: pd.DataFrame) -> str:
    sides = [
        np.sign(group[name]) * (group[name].abs() > NORMAL_95 * group[se])
        for name, se in (("value", "se"), ("other", "other_se"))
    ]
    side = sides[0].where(sides[0] == sides[1], 0)
    wrong = (side * np.sign(group["value"] - group["error"]) < 0).sum()
    return f"{wrong} / {int((side != 0).sum())} / {int((side == 0).sum())}"


def table(frame: pd.DataFrame, rows: list[str], cell: Callable[[pd.DataFrame], str]) -> str:
    """One line per combination of `rows`, in order of appearance, one column per n."""
    lines: dict[tuple[object, ...], dict[str, str]] = {}
    for (*key, n), group in frame.sort_values("n", kind="stable").groupby([*rows, "n"], sort=False):
        lines.setdefault(tuple(key), {})[f"n = {n}"] = cell(group)
    # Cells are made size by size, and told setting by setting.
    order = {key: place for place, key in enumerate(FAMILIES | CLUSTERS)}
    told = sorted(lines.items(), key=lambda line: order.get(str(line[0][0]), 0))
    cells = [dict(zip(rows, key, strict=True)) | found for key, found in told]
    return str(pd.DataFrame(cells).fillna("").to_markdown(index=False, floatfmt=".2f"))


def met(frame: pd.DataFrame, limit: Callable[[pd.DataFrame], tuple[str, bool]]) -> str:
    """A line for each setting, with whether it is within its limit."""
    lines = []
    for key, group in frame.groupby(["family", "d", "n", "truth", "quantity", "estimator"], sort=False):
        said, within = limit(group)
        lines.append([*key, said, "yes" if within else "**no**"])
    columns = ["family", "d", "n", "truth", "quantity", "estimator", "measured", "met"]
    failed = [line for line in lines if line[-1] != "yes"]
    listed = str(pd.DataFrame(failed, columns=columns).to_markdown(index=False, floatfmt=".2f")) if failed else ""
    return f"Met by {len(lines) - len(failed)} of {len(lines)} settings{'.' if not failed else '; not by:'}\n\n{listed}"


def coverage(group: pd.DataFrame) -> tuple[str, bool]:
    found = (group["error"].abs() <= NORMAL_95 * group["se"]).mean()
    return f"{found:.2f}", bool(found >= 0.9)


def bias(group: pd.DataFrame) -> tuple[str, bool]:
    found = group["error"].mean()
    return f"{found:+.2f}", bool(abs(found) <= 0.1)


def requirements(plain: pd.DataFrame, labels: pd.DataFrame) -> None:
    """What is asked of the recommended estimators: `gaussian` or `copula` by family, `classwise` with labels."""
    chosen = plain[plain["estimator"] == plain["family"].map(lambda name: FAMILIES[name].recommended)]
    chosen = chosen.assign(quantity="I(X;Y)")
    with_classes = labels[(labels["estimator"] == "classwise") & labels["value"].notna()]
    both = pd.concat([chosen[chosen["family"].isin(MULTINORMAL)], with_classes])
    both = both[both["se"].notna()]
    print("\n## Coverage of the 95% interval is at least 0.90, multinormal and clustered\n")
    print(met(both, coverage))
    grouped = both.groupby(both["family"].isin(MULTINORMAL))
    pooled = grouped.apply(lambda each: (each["error"].abs() <= NORMAL_95 * each["se"]).mean(), include_groups=False)
    print(f"\nOver all settings: multinormal {pooled[True]:.3f}, clustered {pooled[False]:.3f}.")
    print("\n## Bias of the recommended estimator at n = 400, d = 8, truth at most 1.2 nats, is at most 0.1\n")
    every = pd.concat([chosen, with_classes]).query("n == 400 and d == 8 and abs(truth) <= 1.2")
    print(met(every, bias))
    fitting = {name for name, family in FAMILIES.items() if not family.recommended}
    print(f"\nNo estimator is recommended for: {', '.join(sorted(fitting))}.")


PARTS = ("clusters", "plain", "one", "learned", "errors", "others", "cohort")
BESIDE = [("normal, sparse", 8, 400), ("spiral, sparse", 8, 400), ("both know, share little", 8, 400)]


def cells(part: str, args: argparse.Namespace) -> dict[tuple[object, ...], Callable[[], pd.DataFrame]]:
    """How each cell of a part is made."""
    few, python = args.learned_replicates, args.rivals
    made: dict[tuple[object, ...], Callable[[], pd.DataFrame]] = {}
    if part == "clusters":
        for n, d, name in product(SIZES, DIMENSIONS, CLUSTERS):
            r = replicates(args, d, n)
            made[name, d, n, r] = partial(with_labels, name, d, n, r)
    elif part == "plain":
        for n, d, name in product(SIZES, (1, *DIMENSIONS), FAMILIES):
            if d > 1 or name in {"normal, sparse", "counts"}:
                r = replicates(args, d, n)
                made[name, d, n, r] = partial(continuous, name, d, n, r, estimators_for(name))
    elif part == "one":
        for n in SIZES:
            made[n, args.replicates] = partial(one_column, n, args.replicates)
    elif part == "learned":
        for n, d, name in product(LEARNED_SIZES, DIMENSIONS, FAMILIES):
            made[name, d, n, few] = partial(continuous, name, d, n, few, list(LEARNED))
    elif part == "errors":
        for n in (100, 400):
            made[n, 2 * args.replicates] = partial(standard_errors, n, 2 * args.replicates)
    elif part == "others" and python:
        for key in BESIDE:
            made[key] = partial(side_by_side, python, *key)
    elif part == "cohort" and python and args.data:
        for count in (8, 64):
            made[count,] = partial(all_pairs_of_a_cohort, python, args.data / "brca-paired", count)
    return made


def replicates(args: argparse.Namespace, d: int, n: int) -> int:
    large = d >= LARGE[0] or n >= LARGE[1]
    return max(TOGETHER, args.replicates // (2 * TOGETHER) * TOGETHER) if large else int(args.replicates)


def file_of(folder: Path, name: str) -> Path:
    return folder / ("".join(c if c.isalnum() else "_" for c in name) + ".tsv")


def kept(folder: Path, name: str, made: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A cell, from its file if it has one."""
    file = file_of(folder, name)
    if not file.exists():
        made().to_csv(file.with_suffix(".part"), sep="\t", index=False)
        file.with_suffix(".part").rename(file)
    return pd.read_csv(file, sep="\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=20, help=f"a multiple of {TOGETHER}")
    parser.add_argument("--learned-replicates", type=int, default=10, help=f"a multiple of {TOGETHER}")
    parser.add_argument("--rivals", help="interpreter with latentmi and infomeasure")
    parser.add_argument("--data", type=Path, help="folder with brca-paired")
    parser.add_argument("--kept", type=Path, default=Path(__file__).parent / "build" / "information")
    parser.add_argument("--as-is", action="store_true", help="print from the cells that there are, and make none")
    parser.add_argument("--part", choices=PARTS, help="make the cells of one part only, and print nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.kept.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[pd.DataFrame]] = {}
    for part in [args.part] if args.part else PARTS:
        named = {"-".join(map(str, (part, *key))): made for key, made in cells(part, args).items()}
        found[part] = [
            kept(args.kept, name, made)
            for name, made in named.items()
            if not args.as_is or file_of(args.kept, name).exists()
        ]
    if not args.part:
        report({part: pd.concat(each) if each else None for part, each in found.items()}, args)


def report(found: dict[str, pd.DataFrame | None], args: argparse.Namespace) -> None:
    parts = {
        name: frame.assign(error=frame["value"] - frame["truth"])
        for name, frame in found.items()
        if frame is not None and "truth" in frame
    }
    few = args.learned_replicates
    plain, labels = parts["plain"], parts["clusters"]
    learned, one = (parts.get(name, plain.iloc[:0]) for name in ("learned", "one"))
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, no GPU, one thread;", end=" ")
    print(f"torch {torch.__version__}; {args.replicates} replicates of each setting,")
    print(f"half as many with d >= {LARGE[0]} or n >= {LARGE[1]}; {HALVES} half-samples; learned: {few} and", end=" ")
    print(f"{LEARNED_HALVES}. k = {NEIGHBOURS}. Nats throughout; times are of CPU.")
    requirements(plain, labels)
    print("\n## I(X;Y) of two continuous variables: bias / SD / coverage of the 95% interval\n")
    print(table(plain, ["family", "d", "truth", "estimator"], summary))
    print("\n## The same by learned estimators\n")
    print(table(learned, ["family", "d", "truth", "estimator"], summary))
    print("\n## Clustered representations, terms: bias / SD / coverage\n")
    print(table(labels[labels["quantity"] != "gap"], ["family", "d", "quantity", "truth", "estimator"], summary))
    print("\n## Clustered representations, the gap: bias / SD / coverage\n")
    gaps = labels[(labels["quantity"] == "gap") & ~labels["estimator"].str.contains(" and ")]
    print(table(gaps, ["family", "d", "truth", "estimator"], summary))
    print("\n## Sign of the gap where |gap| >= 0.1: wrong / decided / undecided\n")
    clear = labels[(labels["quantity"] == "gap") & (labels["truth"].abs() >= 0.1)]
    print(table(clear, ["d", "estimator"], decisions))
    print("\n## One column and a label: bias / SD / coverage, beside scikit-learn\n")
    print(table(one, ["truth", "estimator"], summary))
    errors = found["errors"]
    if errors is not None:
        grouped = errors.groupby(["estimator", "n", "way"], sort=False)
        spread = grouped.agg(sd=("value", "std"), mean_se=("se", "mean"), sd_of_se=("se", "std"), draws=("se", "size"))
        print("\n## Standard errors by half-samples and by Holmes-Nemenman partitions, and the spread over samples\n")
        print(spread.reset_index().to_markdown(index=False, floatfmt=".3f"))
    if "others" in parts:
        grouped = parts["others"].groupby(["family", "d", "n", "truth", "estimator"], sort=False)
        columns = {
            "items": ("value", "size"),
            "bias": ("error", "mean"),
            "sd": ("value", "std"),
            "seconds": ("s", "mean"),
        }
        beside = grouped.agg(**columns).reset_index()
        print("\n## Beside other packages, the same data, without half-samples\n")
        print(
            beside.to_markdown(index=False, floatfmt=("", "", "", ".2f", "", "", "+.2f", ".2f", ".3f")).replace(
                " nan", "   -"
            )
        )
    cohorts = found["cohort"]
    for count, pairs in cohorts.groupby("components") if cohorts is not None else ():
        ours, theirs, estimates = pairs["seconds"].iloc[0], pairs["latentmi_seconds"].iloc[0], 21 * len(pairs)
        print(f"\n## Latent MI of all pairs of brca-paired, {count} components of each omics\n")
        print(
            pairs[["pair", "n", "nats", "se", "latentmi"]]
            .to_markdown(index=False, floatfmt=".2f")
            .replace(" nan", "   -")
        )
        print(f"\nAll {len(pairs)} pairs with 20 half-samples each, {estimates} estimates: {ours:.1f} s;", end=" ")
        print(f"{1000 * ours / estimates:.0f} ms each. One call of")
        print(f"`latentmi` on the first pair, with its defaults: {theirs:.1f} s,", end=" ")
        print(f"{theirs / ours * estimates:.0f} times one of these estimates.")
    print("\n## Milliseconds of one estimate with its half-samples, d = 8\n")
    terms = labels[(labels["quantity"] != "gap") | (labels["estimator"] == LIMIT)]
    times = pd.concat([plain, learned, terms, one]).query("d == 8 or estimator == 'scikit-learn, label'")
    mean = 1000 * times.groupby(["estimator", "n"], sort=False)["s"].mean().unstack("n")[list(SIZES)]
    print(mean.to_markdown(floatfmt=".1f").replace(" nan", "   -"))


if __name__ == "__main__":
    main()
