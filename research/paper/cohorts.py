"""What parts 4 to 6 share: every pair of a cohort, over its outer splits, and gaps beside gains.

A draw is an outer split of the cohort, whose networks have seeds of their own. Draws share patients, so that intervals
are those of the corrected resampled t (`evaluation.intervals`).
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cch_omics.cohort import Cohort
from cch_omics.config import SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.evaluation.intervals import corrected_interval
from cch_omics.report import style
from cch_omics.splits import Splits, make_splits
from research.benchmarks.cases import some_of
from research.paper.analysis import Claim, agreement, finish, markdown, spearman, yes
from research.paper.experiment import LARGE, SMALL, Draw, Pair, Setting, draws_of, experiment
from research.paper.sheet import MOSI, write_mosi

# Twenty outer splits, each with seeds of its own.
REPEATS, FOLDS = 4, 5
ESTIMATORS = ("ksg", "latent", "mine")
SETTING = Setting(estimators=ESTIMATORS)
# What is set against the gain: the gaps of representations, the gap of outputs, and the plainest rival.
SCORES = {f"gap_{name}": f"gap, {name}" for name in ESTIMATORS} | {
    "gap_output": "gap of the outputs, ksg",
    "teacher_ahead": "score of the teacher minus that of the student",
}


# Columns of the sheet but the source, by cohort.
ROWS = {
    "cmu-mosi": {"target": "sentiment", "group": "video", "modalities": ",".join(MOSI)},
    "brca-paired": {"target": "er_status", "classes": "Negative,Positive"},
    "tcga-brca": {"target": "pam50"},
}


def read_cohort(data: Path, name: str) -> Cohort:
    """The samples of a cohort that have every modality, read as the workflow does."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_mosi(data, Path(folder)) if name == "cmu-mosi" else data / name
        row = SheetRow.model_validate({"cohort": name, "source": str(source), **ROWS[name]})
        return with_all_modalities(assemble(read_source(row), row)[0])


def with_all_modalities(cohort: Cohort) -> Cohort:
    """The samples that have every modality, and the label, of a cohort."""
    kept = np.logical_and.reduce([cohort.target.observed, *map(cohort.profiled, cohort.modalities)])
    return some_of(cohort, kept)


def all_pairs(names: Sequence[str]) -> list[Pair]:
    """Ordered."""
    return [(teacher, student) for teacher, student in product(names, names) if teacher != student]


def cases_of(
    data: Path, pairs: Mapping[str, Sequence[Pair]], *, quick: bool
) -> Iterator[tuple[str, partial[pd.DataFrame]]]:
    """Each repeat of each cohort is a case; quick: one repeat, and one estimator."""
    for repeat in range(1 if quick else REPEATS):
        for name, of in pairs.items():
            yield f"{name}-{repeat}", partial(measured, data, name, of, repeat, quick=quick)


def measured(data: Path, name: str, pairs: Sequence[Pair], repeat: int, *, quick: bool = False) -> pd.DataFrame:
    """Rows of `experiment` for the outer splits of one repeat."""
    draws = draws_of_repeat(data, name, repeat)
    setting = replace(SETTING, estimators=ESTIMATORS[:1], epochs=20) if quick else SETTING
    rows = experiment(draws, pairs, setting)
    return rows.assign(draw=rows["draw"] + repeat * FOLDS, cohort=name, target=draws[0].cohort.target.name)


def draws_of_repeat(data: Path, name: str, repeat: int) -> list[Draw]:
    """The outer splits of one repeat of a cohort."""
    cohort = read_cohort(data, name)
    splits = make_splits(cohort, SplitsConfig(repeats=REPEATS, folds=FOLDS, inner_folds=3), seed=0)
    return draws_of(cohort, of_repeat(splits, repeat), seed=0)


def of_repeat(splits: Splits, repeat: int) -> Splits:
    """The outer splits of one repeat, and the full cohort."""
    kept = (splits.repeat == repeat) | (splits.repeat < 0)
    return Splits(splits.repeat[kept], splits.fold[kept], splits.inner[kept], splits.labelled[kept])


# --- The page ---------------------------------------------------------------------------------------------------------


def by_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per cohort, pair and weight: means over draws, and `COLUMN_low` and `COLUMN_high`, 95%."""
    columns = [*known_scores(rows), "alone", "gain", "over_self", "over_shuffled", "gain_loss"]
    found = []
    for names, part in rows.groupby(["cohort", "teacher", "student", "weight"], sort=False):
        said: dict[str, object] = dict(zip(("cohort", "teacher", "student", "weight"), names, strict=True))
        for column in columns:
            mean, low, high = corrected_interval(part[column].to_numpy(dtype=np.float64), FOLDS)
            said |= {column: mean, f"{column}_low": low, f"{column}_high": high}
        found.append(said)
    return pd.DataFrame(found)


def known_scores(rows: pd.DataFrame) -> list[str]:
    return [score for score in SCORES if score in rows]


def signs(pairs: pd.DataFrame, score: str, gain: str = "gain") -> tuple[int, int]:
    """Of the pairs whose gain is clear of 0: in how many it has the sign of the score, and how many there are."""
    clear = pairs[(pairs[f"{gain}_low"] > 0) | (pairs[f"{gain}_high"] < 0)]
    return int((np.sign(clear[gain]) == np.sign(clear[score])).sum()), len(clear)


def claims_of(rows: pd.DataFrame, about: str, why: Mapping[str, str]) -> list[Claim]:
    """Whether the gap has the order and the sign of the gain, by cohort; `why` is by cohort."""
    pairs, found = by_pair(rows), []
    gaps = [score for score in known_scores(rows) if score.removeprefix("gap_") in ESTIMATORS]
    for cohort in dict.fromkeys(rows["cohort"]):
        here, agrees = [], []
        for weight in (SMALL, LARGE):
            part = pairs[(pairs["cohort"] == cohort) & (pairs["weight"] == weight)]
            orders = [spearman(part[gap].to_numpy(), part["gain"].to_numpy()) for gap in gaps]
            told = [f"{gap.removeprefix('gap_')} {order:.2f}" for gap, order in zip(gaps, orders, strict=True)]
            right = [signs(part, gap)[0] for gap in gaps]
            clear = signs(part, gaps[0])[1]
            counted = f"; sign right in {', '.join(map(str, right))} of {clear}" if clear else ""
            gained, lost = int((part["gain_low"] > 0).sum()), int((part["gain_high"] < 0).sum())
            here.append(
                f"weight {weight:g}: of {len(part)} pairs {gained} gained and {lost} lost clearly; "
                f"Spearman {', '.join(told)}{counted}"
            )
            # Where all that is clear are losses, nothing says that a positive gap is followed by a gain.
            sign = (
                "nothing is clear" if clear == 0 else yes(right[0] == clear) + ("" if gained else ", of losses alone")
            )
            agrees.append(f"weight {weight:g}: order {yes(orders[0] > 0.8)}, sign {sign}")
        found.append(Claim(f"{about}, {cohort}", ". ".join(here), "; ".join(agrees), why.get(str(cohort), "")))
    return found


def tables_of(rows: pd.DataFrame) -> str:
    """Gaps and gains of each pair, and how scores and gains go together."""
    pairs = by_pair(rows)
    found = []
    for (cohort, teacher, student), part in pairs.groupby(["cohort", "teacher", "student"], sort=False):
        small, large = (part[part["weight"] == weight].iloc[0] for weight in (SMALL, LARGE))
        found.append(
            {"cohort": cohort, "teacher → student": f"{teacher} → {student}"}
            | {SCORES[score]: _shown(large, score, 1, 2) for score in known_scores(rows) if score != "teacher_ahead"}
            | {
                "alone": f"{100 * large['alone']:.1f}",
                "teacher ahead": f"{100 * large['teacher_ahead']:+.1f}",
                f"gain, weight {SMALL:g}": _shown(small, "gain", 100, 1),
                f"gain, weight {LARGE:g}": _shown(large, "gain", 100, 1),
                "over self": _shown(large, "over_self", 100, 1),
                "gain in log-loss": _shown(large, "gain_loss", 1, 3),
            }
        )
    orders = []
    for (cohort, weight), part in rows.groupby(["cohort", "weight"], sort=False):
        of_pairs = pairs[(pairs["cohort"] == cohort) & (pairs["weight"] == weight)]
        for score in known_scores(rows):
            order = agreement(part, score)
            others = [
                spearman(of_pairs[score].to_numpy(), of_pairs[of].to_numpy()) for of in ("over_self", "gain_loss")
            ]
            right = ["{} of {}".format(*signs(of_pairs, score, of)) for of in ("gain", "over_self")]
            orders.append(
                {
                    "cohort": cohort,
                    "weight": weight,
                    "score": SCORES[score],
                    "Spearman with the gain": f"{order.spearman:.2f} ({order.low:.2f} to {order.high:.2f})",
                    "over self": f"{others[0]:.2f}",
                    "in log-loss": f"{others[1]:.2f}",
                    "sign right, of clear gains": right[0],
                    "of clear ones over self": right[1],
                    "its sign is positive": f"{int((of_pairs[score] > 0).sum())} of {len(of_pairs)}",
                }
            )
    return f"{markdown(found)}\n\n{markdown(orders)}"


def _shown(row: "pd.Series[float]", column: str, scale: float, digits: int) -> str:
    """Mean and half of its 95% interval."""
    mean, high = scale * row[column], scale * row[f"{column}_high"]
    return f"{mean:+.{digits}f} ± {high - mean:.{digits}f}"


def draw_of(rows: pd.DataFrame, kind: "pd.Series[str]") -> Figure:
    """Each gap against the gain, with 95% intervals, for both weights; colours by the kind of a row."""
    pairs = by_pair(rows)
    kinds = rows.assign(kind=kind).drop_duplicates(["cohort", "teacher", "student"])
    pairs = pairs.merge(kinds[["cohort", "teacher", "student", "kind"]], on=["cohort", "teacher", "student"])
    gaps = [score for score in known_scores(rows) if score != "teacher_ahead"]
    figure = Figure(figsize=(3.6 * len(gaps), 7), layout="constrained")
    grid = figure.subplots(2, len(gaps), squeeze=False, sharey="row")
    for axes, weight in zip(grid, (SMALL, LARGE), strict=True):
        for ax, gap in zip(axes, gaps, strict=True):
            for number, (name, part) in enumerate(pairs[pairs["weight"] == weight].groupby("kind", sort=False)):
                errors = [
                    np.abs(part[[f"{column}_low", f"{column}_high"]].to_numpy().T - part[column].to_numpy()) * scale
                    for column, scale in ((gap, 1), ("gain", 100))
                ]
                ax.errorbar(
                    part[gap],
                    100 * part["gain"],
                    xerr=errors[0],
                    yerr=errors[1],
                    color=style.COLOURS[number],
                    marker="osD^"[number],
                    markersize=5,
                    linewidth=0.6,
                    linestyle="none",
                    label=str(name),
                )
            of_outputs = " of outputs" if gap == "gap_output" else ""
            finish(
                ax,
                f"{SCORES[gap]}; weight {weight:g}",
                "gain, points of balanced accuracy",
                gap=f"gap{of_outputs}, nats",
            )
            ax.title.set_fontsize("medium")
            ax.label_outer()
            if ax is not grid[0, 0]:
                ax.get_legend().remove()
    return figure
