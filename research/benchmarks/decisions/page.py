"""The page: tables and figures of what has been scored, put into a text that a person writes.

A table goes between the lines `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands outside of these is left as it
is.
"""

import datetime
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cch_omics import keys
from cch_omics.evaluation.advised import choice
from cch_omics.evaluation.scorecard import scorecard
from cch_omics.report import style
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import read_table
from cch_omics.splits import load_splits
from cch_omics.verdict.criteria import CRITERIA
from research.benchmarks.decisions.halves import SCORES
from research.benchmarks.decisions.predictions import Case
from research.benchmarks.decisions.scores import METRIC
from research.rivals import RIVALS

DRAWS = 2000
# Share of pairs that may be left undecided where the signs of one half of the patients are judged by the other.
UNDECIDED = 0.25
STATISTICS = {
    "spearman": "Spearman",
    "sign_accuracy": "sign right",
    "advice": "advice, points",
    "share": "share of oracle",
    "abstention": "undecided",
}


def write_page(output: Path, cases: tuple[Case, ...], page: Path) -> None:
    """Write tables, figures and the page from the tables of all cases."""
    found = [case for case in cases if (case.room(output) / "scores" / "pairs.tsv").exists()]
    if not found:
        raise SystemExit(f"nothing has been scored in {output}")
    tables = {
        name: pd.concat([read_table(case.room(output) / "scores" / f"{name}.tsv") for case in found], ignore_index=True)
        for name in ("pairs", "splits", "halves", "baselines")
    }
    pairs = tables["pairs"].assign(metric=METRIC)
    measured = criteria(pairs)
    blocks = {
        "made": made(output, found),
        "runs": markdown(runs(pairs)),
        "names": markdown(names()),
        "outcomes": markdown(outcomes(pairs)),
        "came of": markdown(came_of(pairs)),
        "criteria": criteria_blocks(measured),
        "advice": markdown(advice_by_cluster(pairs)),
        "within": markdown(within_splits(tables["splits"])),
        "halves": markdown(halves_table(tables["halves"])),
        "baselines": markdown(wins(tables["baselines"])) if len(tables["baselines"]) else "None have been fitted.",
    }
    text = page.read_text() if page.exists() else "# Is the advice right?\n" + "".join(map(empty_block, blocks))
    with atomic(page) as draft:
        draft.write_text(filled(text, blocks))
    with style.style():
        for name, figure in {"gap": gap_against_gain(pairs), "criteria": criterion_against_rivals(measured)}.items():
            with atomic(page.parent / f"decisions-{name}.png") as draft:
                figure.savefig(draft, dpi=110, format="png", facecolor="white", metadata={"Software": None})


def empty_block(name: str) -> str:
    return f"\n## {name.capitalize()}\n\n<!-- begin {name} -->\n<!-- end {name} -->\n"


def filled(text: str, blocks: dict[str, str]) -> str:
    """The text with its blocks replaced; a block that the text does not ask for is left out."""
    for name, block in blocks.items():
        pattern = rf"(<!-- begin {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)"
        text = re.sub(pattern, lambda found, block=block: f"{found[1]}\n{block}\n\n{found[2]}", text, flags=re.DOTALL)
    return text


def markdown(table: pd.DataFrame) -> str:
    """A table with two digits, and a dash where there is no number."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[_shown(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.2f}"
    return str(value)


def percent(share: float) -> str:
    return f"{share:.0%}"


def made(output: Path, cases: list[Case]) -> str:
    """Date, versions, machine, and the splits."""
    shapes = set()
    for case in cases:
        splits = load_splits(case.room(output) / "splits.npz")
        shapes.add(f"{splits.repeat.max() + 1} x {splits.fold.max() + 1}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch", "scikit-learn", "lightgbm"))
    return (
        f"Made on {datetime.date.today():%-d %B %Y} with Python {platform.python_version()}, {versions}, on a machine "
        f"with {os.cpu_count()} cores ({platform.machine()}, {sys.platform}). Outer splits: {' and '.join(shapes)}."
    )


def names() -> pd.DataFrame:
    """The criteria and the rivals."""
    rows = [(name, each.meaning, "by its own rule", each.reference) for name, each in CRITERIA.items()]
    for name, rival in RIVALS.items():
        says = "always: it only ranks" if np.isinf(rival.threshold) else f"above {rival.threshold:g}"
        rows.append((name, rival.title, says, rival.reference))
    return pd.DataFrame(rows, columns=["criterion", "score", "distil", "source"])


def runs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each target at each label budget."""
    one = pairs[pairs["criterion"] == "always"]
    counts = one.pivot_table(index=["cluster", "cohort", "target"], columns="budget", values="gain", aggfunc="size")
    counts.columns = [f"pairs at {percent(budget)}" for budget in counts.columns]
    return counts.fillna(0).astype(int).reset_index().rename(columns={"cluster": "patients"})


def outcomes(pairs: pd.DataFrame) -> pd.DataFrame:
    """What there was to foretell, in points; `resolution` is half the mean width of the gains' 95% intervals."""
    rows = []
    for budget, part in pairs[pairs["criterion"] == "always"].groupby("budget"):
        rows.append(
            {
                "labels": percent(budget),
                "pairs": len(part),
                "harmed": int((part["ci_high"] < 0).sum()),
                "gain > 0": int((part["gain"] > 0).sum()),
                "mean gain": 100 * part["gain"].mean(),
                "SD": 100 * part["gain"].std(),
                "resolution": 100 * (part["ci_high"] - part["ci_low"]).mean() / 2,
                "mean gain over self": 100 * part["gain_over_self"].mean(),
            }
        )
    return pd.DataFrame(rows)


def came_of(pairs: pd.DataFrame) -> pd.DataFrame:
    """What the rule by pilots said, and what came of it, in points over training alone and over self."""
    rows = []
    for (budget, decision), part in pairs[pairs["criterion"] == "pilot"].groupby(["budget", "decision"]):
        rows.append(
            {
                "labels": percent(budget),
                "verdict": decision,
                "pairs": len(part),
                "mean gain": f"{100 * part['gain'].mean():+.1f}",
                "gain > 0": percent((part["gain"] > 0).mean()),
                "over self": f"{100 * part['gain_over_self'].mean():+.1f}",
                "over self > 0": percent((part["gain_over_self"] > 0).mean()),
            }
        )
    return pd.DataFrame(rows)


def criteria(pairs: pd.DataFrame) -> pd.DataFrame:
    """`STATISTICS` of each criterion and label budget, with the 2.5 and 97.5% quantiles of resampled clusters."""
    rows = []
    for budget, part in pairs.groupby("budget"):
        table = statistics(part)
        drawn = [(statistics(sample), count) for sample, count in resampled(part)]
        for criterion, row in table.iterrows():
            ends = {}
            for name in STATISTICS:
                values = np.repeat([each.loc[criterion, name] for each, _ in drawn], [count for _, count in drawn])
                known = values[np.isfinite(values)]
                low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
                ends |= {f"{name}_low": low, f"{name}_high": high}
            rows.append({"budget": budget, "criterion": criterion, **row[list(STATISTICS)].to_dict(), **ends})
    return pd.DataFrame(rows)


def statistics(pairs: pd.DataFrame) -> pd.DataFrame:
    """`STATISTICS` by criterion, of one label budget. The advice is the mean gain of the choices, over students."""
    table = scorecard(pairs, pd.DataFrame(columns=list(keys.ADVISED_COLUMNS)), pooled=True).set_index("criterion")
    student = ["cohort", "target", "student"]
    best = pairs[pairs["criterion"] == "always"].groupby(student)["gain"].max().clip(lower=0)
    measured = pairs.dropna(subset="gain")
    advice = pd.Series(
        {
            name: float(np.mean([choice(each)[1] for _, each in part.groupby(student)]))
            for name, part in measured.groupby("criterion", sort=False)
        }
    )
    return table.assign(advice=100 * advice, share=advice / best.mean() if best.mean() > 0 else np.nan)


def resampled(pairs: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, int]]:
    """Different resamples of the clusters, and how often each was drawn; none of a single cluster."""
    clusters = sorted(pairs["cluster"].unique())
    if len(clusters) < 2:
        return
    drawn = np.sort(np.random.default_rng(0).choice(clusters, (DRAWS, len(clusters))), axis=1)
    for sample, count in Counter(map(tuple, drawn)).items():
        copies = [pairs[pairs["cluster"] == name] for name in sample]
        # Each copy of a cluster has students of its own.
        copies = [copy.assign(cohort=copy["cohort"] + f" {number}") for number, copy in enumerate(copies)]
        yield pd.concat(copies), count


def criteria_blocks(measured: pd.DataFrame) -> str:
    """One table for each label budget."""
    parts = []
    for budget, table in measured.groupby("budget"):
        rows = [
            {"criterion": row["criterion"]} | {title: _with_interval(row, name) for name, title in STATISTICS.items()}
            for _, row in table.iterrows()
        ]
        parts.append(f"**{percent(budget)} of the labels**\n\n{markdown(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def _with_interval(row: "pd.Series[float]", name: str) -> str:
    if np.isnan(row[f"{name}_low"]):
        return _shown(float(row[name]))
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def advice_by_cluster(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean gain of following the advice of the package's criteria, in points over students, by group of patients."""
    rows = []
    for (budget, cluster), part in pairs.groupby(["budget", "cluster"]):
        advice = statistics(part)["advice"]
        best = part[part["criterion"] == "always"].groupby(["cohort", "target", "student"])["gain"].max().clip(lower=0)
        row = {"labels": percent(budget), "patients": cluster}
        rows.append(row | {name: float(advice[name]) for name in CRITERIA} | {"oracle": 100 * float(best.mean())})
    return pd.DataFrame(rows)


def within_splits(splits: pd.DataFrame) -> pd.DataFrame:
    """Scores of each outer training set against the gains on its own test patients: means over splits.

    `advice`: in points, the gain on the test patients of the teacher that was chosen inside the training set, 0 for
    training alone, over students. Errors are those of independent splits.
    """
    shown: dict[str, dict[str, str]] = {}
    # Nothing can be said of a criterion that has no score inside a training set, or one for all.
    scored = splits[splits.groupby("criterion")["score"].transform("nunique") > 1]
    for (budget, criterion), part in scored.groupby(["budget", "criterion"], sort=False):
        found = []
        for _, one in part.groupby(["repeat", "fold"]):
            chosen = [choice(candidates)[1] for _, candidates in one.groupby(["cohort", "target", "student"])]
            found.append((rank_correlation(one["score"], one["gain"]), 100 * np.mean(chosen)))
        of_splits = pd.DataFrame(found)
        (rank, advice), errors = of_splits.mean(), of_splits.sem()
        row = shown.setdefault(criterion, {"criterion": criterion})
        row[f"Spearman, {percent(budget)}"] = f"{rank:.2f} ± {errors[0]:.2f}"
        row[f"advice, {percent(budget)}"] = f"{advice:+.2f} ± {errors[1]:.2f}"
    return pd.DataFrame(shown.values())


def rank_correlation(score: "pd.Series[float]", gain: "pd.Series[float]") -> float:
    """Spearman's, of the pairs that have a score; NaN for a constant one."""
    known = score.notna()
    return float(score[known].rank().corr(gain[known].rank())) if score[known].nunique() > 1 else float("nan")


def halves_table(halves: pd.DataFrame) -> pd.DataFrame:
    """How well each score of one half of the patients foretells the gain on the other, means over draws."""
    rows = []
    for budget, table in halves.groupby("budget"):
        for score in SCORES:
            found = []
            for _, draw in table.groupby(["draw", "first"]):
                foretold, gain = draw[score], draw["gain_of_others"]
                decided = foretold.abs() >= foretold.abs().quantile(UNDECIDED)
                right = ((foretold > 0) == (gain > 0))[decided].mean()
                found.append((rank_correlation(foretold, gain), right))
            rank, sign = np.mean(found, axis=0)
            rows.append({"labels": percent(budget), "score": score, "Spearman": rank, "sign right": sign})
    return pd.DataFrame(rows)


def wins(comparisons: pd.DataFrame) -> pd.DataFrame:
    """How many students are ahead of a baseline, even, and behind, by their corrected 95% intervals."""
    rows = []
    for (budget, baseline), part in comparisons.groupby(["budget", "baseline"]):
        row: dict[str, object] = {"labels": percent(budget), "baseline": baseline}
        for model, of_model in part.groupby("model"):
            ahead, behind = int((of_model["ci_low"] > 0).sum()), int((of_model["ci_high"] < 0).sum())
            row[f"{model}: wins, ties, losses"] = f"{ahead}, {len(of_model) - ahead - behind}, {behind}"
            row[f"{model}: mean difference, points"] = 100 * of_model["difference"].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def gap_against_gain(pairs: pd.DataFrame) -> Figure:
    """Every pair: its gap and its gain, a colour for each group of patients."""
    budgets = sorted(pairs["budget"].unique())
    figure, axes = style.figure(4 * len(budgets), 3.6, columns=len(budgets))
    clusters = sorted(pairs["cluster"].unique())
    for ax, budget in zip(axes, budgets, strict=True):
        part = pairs[(pairs["budget"] == budget) & (pairs["criterion"] == "cch")]
        for code, cluster in enumerate(clusters):
            colour, marker = style.COLOURS[code % len(style.COLOURS)], "os^DPX"[code % 6]
            own = part[part["cluster"] == cluster]
            ax.scatter(own["score"], 100 * own["gain"], color=colour, marker=marker, s=18, alpha=0.8, label=cluster)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        ax.set(title=f"{percent(budget)} of the labels", xlabel="gap (nats)", ylabel="gain (points)")
    axes[0].legend(fontsize=8)
    return figure


def criterion_against_rivals(measured: pd.DataFrame) -> Figure:
    """Spearman correlation with the gain of every criterion that scores, with intervals."""
    budgets = sorted(measured["budget"].unique())
    figure, axes = style.figure(4 * len(budgets), 5.6, columns=len(budgets))
    scored = set(measured.loc[measured["spearman"].notna(), "criterion"])
    order = [name for name in (*CRITERIA, *RIVALS) if name in scored][::-1]
    for ax, budget in zip(axes, budgets, strict=True):
        part = measured[measured["budget"] == budget].set_index("criterion").reindex(order)
        arms = np.nan_to_num([part["spearman"] - part["spearman_low"], part["spearman_high"] - part["spearman"]])
        colours = [style.BLUE if name in CRITERIA else style.GREY for name in order]
        for place, (name, colour) in enumerate(zip(order, colours, strict=True)):
            value = part.loc[name, "spearman"]
            ax.errorbar(value, place, xerr=arms[:, [place]].clip(min=0), color=colour, marker="o", markersize=5)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        ax.set_yticks(range(len(order)), labels=order if ax is axes[0] else [""] * len(order))
        ax.set(title=f"{percent(budget)} of the labels", xlabel="Spearman correlation with the gain")
    return figure
