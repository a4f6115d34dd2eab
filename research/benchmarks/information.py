"""Estimators of mutual information where the truth is known: bias, spread, coverage of the 95% interval, time.

    OMP_NUM_THREADS=1 python -m research.benchmarks.information
    OMP_NUM_THREADS=1 python -m research.benchmarks.information --sizes 100 --replicates 10 --part plain

Prints tables in Markdown; information.md beside this file has the last. Every cell is kept in research/build/ when it
is done: an interrupted run goes on where it was.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import logsumexp
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from cch_omics.config import EncoderConfig, InformationConfig, SplitsConfig, make_row
from cch_omics.data.assemble import assemble
from cch_omics.data.mudata import from_mudata
from cch_omics.data.simulate import draw
from cch_omics.data.simulate.cohorts import SIMULATED
from cch_omics.data.simulate.information import information_of
from cch_omics.information.estimators import run
from cch_omics.information.half_samples import compress, half_samples, half_to_whole
from cch_omics.information.pairs import estimate_pairs
from cch_omics.information.registry import ESTIMATORS
from cch_omics.models.encode import encode
from cch_omics.splits import make_splits
from research.benchmarks.information_families import CLUSTERS, FAMILIES, Array, clustered, truth_of
from research.information.classwise import QUANTITIES, classwise, classwise_selections

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
# Encoders are trained for these: cohorts of the package, and the part of their labels that may be used.
ENCODED = ("complementary", "number", "survival")
BUDGETS = (1.0, 0.15)
ENCODED_SIZES = (150, 400)
NORMAL_95 = 1.959963984540054


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
    entry, everyone = ESTIMATORS[name], torch.ones(x.shape[:2], dtype=torch.bool)
    estimator = entry.load()
    started = time.process_time()
    prepared = (estimator.prepare(x, everyone), y if entry.y == "discrete" else estimator.prepare(y, everyone))
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
    return [*by_neighbours, "gaussian"]


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
        terms = {
            "ksg": ("I(T;S)", *estimate("ksg", t, s, keep)),
            "gaussian": ("I(T;S)", *estimate("gaussian", t, s, keep)),
            "ross": ("I(S;Y)", *estimate("ross", s, y, keep)),
        }
        for estimator, (quantity, value, halves, seconds) in terms.items():
            add(quantity, estimator, value, se_of(halves, keep), seconds)
        gaps: dict[str, tuple[Array, Array]] = {}
        for between, label in (("ksg", "ross"), ("gaussian", "ross")):
            (_, a, halves_a, s_a), (_, b, halves_b, s_b) = terms[between], terms[label]
            gap = f"{between} - {label}"
            gaps[gap] = a - b, se_of(halves_a - halves_b, keep)
            add("gap", gap, *gaps[gap], s_a + s_b)

        everyone, folds = torch.ones_like(y, dtype=torch.bool), torch.as_tensor(rng.random((TOGETHER, 2, n)))
        started = time.process_time()
        full, halves = classwise(t, s, y, everyone, folds), classwise_selections(t, s, y, keep, folds)
        seconds = (time.process_time() - started) / TOGETHER
        found = {}
        for quantity, part in zip(("I(T;S)", "I(T;Y)", "I(S;Y)", "gap"), QUANTITIES, strict=True):
            found[quantity] = getattr(full, part).numpy(), se_of(getattr(halves, part).numpy(), keep)
            if quantity in truth:
                add(quantity, "classwise", *found[quantity], seconds)
        for gap in ("ksg - ross", "gaussian - ross"):
            add("gap", f"{gap} and classwise", *found["gap"], seconds, gaps[gap])
    return pd.concat(parts).assign(family=name, d=d, n=n)


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


def of_encoders(name: str, budget: float, n: int, replicates: int) -> pd.DataFrame:
    """I(S;Y) and the gap of rna and cnv of simulated cohorts, with encoders and folds of a run, by two estimators."""
    entry = SIMULATED[name]
    entry = replace(entry, n=n, labelled=1.0, modalities={omics: entry.modalities[omics] for omics in ("rna", "cnv")})
    truth = information_of(entry).set_index("student")
    rows = []
    for seed in range(replicates):
        given = {"cohort": "made", "source": "made", "target": entry.target, "label_budget": str(budget)}
        settings = SplitsConfig()
        source = from_mudata(draw(entry, np.random.default_rng([seed, n])), "made", ())
        cohort, _ = assemble(source, make_row(given, "here"), splits=settings)
        splits = make_splits(cohort, settings, seed=seed)
        parts = {part: getattr(splits, part)[-1:] for part in ("repeat", "fold", "inner", "labelled")}
        splits = replace(splits, **parts)  # the full cohort alone
        started = time.process_time()
        encodings = {
            view: encode(cohort, splits, view, EncoderConfig(), seed=seed, device=torch.device("cpu"))
            for view in cohort.modalities
        }
        for label in dict.fromkeys((cohort.target.task.label_estimator, "likelihood")):
            using = InformationConfig(label=label, subsamples=HALVES, simulations=8)
            for row in estimate_pairs(cohort, splits, encodings, using, seed=seed).to_dict("records"):
                between, with_label = row["estimator"].split("-")
                check, _ = row["cross_check_estimator"].split("-")
                for quantity, estimator, column, true in (
                    ("I(S;Y)", with_label, "mi_student_label", "student_label"),
                    ("gap", f"{between} - {with_label}", "gap", "gap"),
                    ("gap", f"{check} - {with_label}", "cross_check_gap", "gap"),
                ):
                    value, se = row[column], row[f"{column}_se"]
                    known = truth.loc[row["student"], true]
                    rows.append((row["student"], quantity, estimator, value, se, known))
        seconds = time.process_time() - started
    columns = ["student", "quantity", "estimator", "value", "se", "truth"]
    return pd.DataFrame(rows, columns=columns).assign(family=name, budget=budget, n=n, d=12, s=seconds)


# Tables


def summary_of_known(group: pd.DataFrame) -> str:
    """As `summary`, of those that have an estimate, and how many have none."""
    known = group[group["value"].notna()]
    without = f"; {len(group) - len(known)} of {len(group)} without" if len(known) < len(group) else ""
    return f"{summary(known)}{without}" if len(known) > 1 else f"none of {len(group)}"


def signs(group: pd.DataFrame) -> str:
    wrong = (np.sign(group["value"]) == -np.sign(group["truth"])).sum()
    return f"{wrong} / {group['value'].notna().sum()} / {group['value'].isna().sum()}"


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


PARTS = ("clusters", "plain", "one", "learned", "encoded")


def cells(part: str, args: argparse.Namespace) -> dict[tuple[object, ...], Callable[[], pd.DataFrame]]:
    """How each cell of a part is made."""
    made: dict[tuple[object, ...], Callable[[], pd.DataFrame]] = {}
    if part == "clusters":
        for n, d, name in product(args.sizes, DIMENSIONS, CLUSTERS):
            r = replicates(args, d, n)
            made[name, d, n, r] = partial(with_labels, name, d, n, r)
    elif part == "plain":
        for n, d, name in product(args.sizes, (1, *DIMENSIONS), FAMILIES):
            if d > 1 or name in {"normal, sparse", "counts"}:
                r = replicates(args, d, n)
                made[name, d, n, r] = partial(continuous, name, d, n, r, estimators_for(name))
    elif part == "one":
        for n in args.sizes:
            made[n, args.replicates] = partial(one_column, n, args.replicates)
    elif part == "encoded":
        for name, budget, n in product(ENCODED, BUDGETS, ENCODED_SIZES):
            made[name, budget, n, args.replicates] = partial(of_encoders, name, budget, n, args.replicates)
    else:
        few = args.learned_replicates
        for n, d, name in product(set(LEARNED_SIZES) & set(args.sizes), DIMENSIONS, FAMILIES):
            made[name, d, n, few] = partial(continuous, name, d, n, few, list(LEARNED))
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
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--part", choices=PARTS, help="one part only")
    parser.add_argument("--kept", type=Path, default=Path("research/build/information"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.kept.mkdir(parents=True, exist_ok=True)
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, one thread; torch "
        f"{torch.__version__}; {args.replicates} replicates of each setting, half as many with d >= {LARGE[0]} or "
        f"n >= {LARGE[1]}; {HALVES} half-samples; learned: {args.learned_replicates} and {LEARNED_HALVES}. "
        f"k = {NEIGHBOURS}. Nats throughout; times are of CPU."
    )
    timed = []
    for part in [args.part] if args.part else PARTS:
        named = {"-".join(map(str, (part, *key))): made for key, made in cells(part, args).items()}
        found = pd.concat([kept(args.kept, name, made) for name, made in named.items()])
        found = found.assign(error=found["value"] - found["truth"])
        report(part, found)
        if part != "encoded":
            timed.append(found if "quantity" not in found else found[found["quantity"] != "gap"])
    if not timed:
        return
    print("\n## Milliseconds of one estimate with its half-samples, d = 8\n")
    times = pd.concat(timed).query("d == 8 or estimator == 'scikit-learn, label'")
    print((1000 * times.groupby(["estimator", "n"], sort=False)["s"].mean().unstack("n")).to_markdown(floatfmt=".1f"))


def report(part: str, found: pd.DataFrame) -> None:
    """Print the tables of a part."""
    if part == "clusters":
        gaps = found[found["quantity"] == "gap"]
        both = gaps["estimator"].str.contains(" and ")
        print("\n## Clustered representations, terms: bias / SD / coverage of the 95% interval\n")
        terms = found[found["quantity"] != "gap"]
        print(table(terms, ["family", "d", "quantity", "truth", "estimator"], summary))
        print("\n## Clustered representations, the gap: bias / SD / coverage\n")
        print(table(gaps[~both], ["family", "d", "truth", "estimator"], summary))
        print("\n## Sign of the gap where |gap| >= 0.1: wrong / decided / undecided\n")
        print(table(gaps[gaps["truth"].abs() >= 0.1], ["d", "estimator"], decisions))
    elif part == "encoded":
        print("\n## I(S;Y) by trained encoders: bias / SD / coverage of the 95% interval\n")
        rows = ["family", "budget", "student", "truth", "estimator"]
        print(table(found[found["quantity"] == "I(S;Y)"], rows, summary_of_known))
        print("\n## The gap by trained encoders: bias / SD / coverage\n")
        print(table(found[found["quantity"] == "gap"], rows, summary_of_known))
        print("\n## Sign of that gap: wrong / estimated / not estimated\n")
        print(table(found[found["quantity"] == "gap"], rows[:2] + rows[-1:], signs))
    elif part == "one":
        print("\n## One column and a class: bias / SD / coverage, beside scikit-learn\n")
        print(table(found, ["truth", "estimator"], summary))
    else:
        learned = " by learned estimators" if part == "learned" else ""
        print(f"\n## I(X;Y) of two continuous variables{learned}: bias / SD / coverage of the 95% interval\n")
        print(table(found, ["family", "d", "truth", "estimator"], summary))


if __name__ == "__main__":
    main()
