"""The page: tables and figures of what has been measured, put into a text that a person writes.

A table goes between the lines `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands outside of these is left as it
is. Gains are in points: hundredths of balanced accuracy, of R2, of C.
"""

import datetime
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest, t

from cch_omics import keys
from cch_omics.report import style
from cch_omics.runtime.files import atomic
from cch_omics.tasks import task_class
from cch_omics.verdict.criteria import CRITERIA
from research.benchmarks.cases import CLEAN
from research.marks import between
from research.rivals import RIVALS

ABOUT = ["cohort", "target", "cluster", "kind", "budget", "draw", "half", "task"]
# What a criterion sees at once: one half of the patients of a cohort, with one set of labels.
CASE = ["cohort", "target", "budget", "draw", "half"]
PAIR = list(keys.PAIR_COLUMNS)
NORMAL_95 = 1.959963984540054
BANDS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
GAIN = "gain on the other half (points)"


def write_page(output: Path, pages: Sequence[Path]) -> None:
    """Write tables of all cases that have been measured into the pages, and figures beside the first."""
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(output.glob("*.json"))]
    if not measured:
        raise SystemExit(f"nothing has been measured in {output}")
    pairs, judged, chosen = (rows_of(measured, name) for name in ("pairs", "criteria", "choices"))
    judged = judged.merge(pairs[[*CASE, *PAIR, "gain", "gain_se"]], on=[*CASE, *PAIR])
    tables = {"pairs": pairs, "judged": judged, "chosen": chosen}
    clean = {name: table[table["kind"] == CLEAN] for name, table in tables.items()}
    others = judged[judged["kind"] != CLEAN], chosen[chosen["kind"] != CLEAN]
    classes = clean["judged"]["task"] == "classification", clean["chosen"]["task"] == "classification"
    blocks = {
        "made": made(measured),
        "verdicts": markdown(verdicts(clean["judged"])),
        "criteria": markdown(by_criterion(clean["judged"], clean["chosen"], tuple(CRITERIA))),
        "rivals": markdown(
            by_criterion(
                clean["judged"][classes[0]],
                clean["chosen"][classes[1]],
                ("pilot", "accuracy_difference", *RIVALS),
            )
        ),
        "patients": markdown(by_patients(clean["chosen"])),
        "metrics": markdown(by_task(clean["pairs"], clean["chosen"])),
        "calibration": markdown(calibration(clean["pairs"])),
        "errors": markdown(pd.concat([errors(clean["pairs"]), of_best(clean["pairs"])])),
        "leaked": markdown(by_criterion(*others, ("pilot", "accuracy_difference", "cch", "always"))),
    }
    empty = "".join(f"\n## {name.capitalize()}\n\n<!-- begin {name} -->\n<!-- end {name} -->\n" for name in blocks)
    for page in pages:
        text = page.read_text(encoding="utf-8") if page.exists() else f"# Is the advice right?\n{empty}"
        with atomic(page) as draft:
            draft.write_text(filled(text, blocks), encoding="utf-8")
    with style.style():
        figures = {
            "gain": foretold_against_gain(clean["pairs"]),
            "advice": advice_of_criteria(clean["chosen"]),
            "calibration": reliability(clean["pairs"]),
        }
        for name, figure in figures.items():
            with atomic(pages[0].parent / f"decisions-{name}.png") as draft:
                figure.savefig(draft, dpi=110, format="png", facecolor="white", metadata={"Software": None})


def rows_of(measured: list[dict[str, Any]], name: str) -> pd.DataFrame:
    """One table of all cases, with what a case is."""
    return pd.DataFrame(row | {key: each["about"][key] for key in ABOUT} for each in measured for row in each[name])


def filled(text: str, blocks: dict[str, str]) -> str:
    """The text with its blocks replaced; a block that the text does not ask for is left out."""
    for name, block in blocks.items():
        if f"<!-- begin {name} -->" in text:
            text = between(text, name, lambda _, block=block: f"\n{block}\n")  # type: ignore[misc]
    return text


def markdown(table: pd.DataFrame) -> str:
    return str(table.to_markdown(index=False, disable_numparse=True)) if len(table) else "None were measured."


def percent(share: float) -> str:
    return f"{share:.0%}"


def made(measured: list[dict[str, Any]]) -> str:
    """Date, versions, machine, and how much was measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch", "scikit-learn"))
    minutes = sum(each["about"]["seconds"] for each in measured) / 60
    draws = 1 + max(each["about"]["draw"] for each in measured)
    return (
        f"Made on {datetime.date.today():%-d %B %Y} with Python {platform.python_version()}, {versions}, on a machine "
        f"with {os.cpu_count()} cores ({platform.machine()}, {sys.platform}): {len(measured)} halves of cohorts, "
        f"{draws} draw{'s' if draws > 1 else ''} of halves and labels, {minutes:.0f} minutes of processor."
    )


def over_patients(table: pd.DataFrame, value: str) -> tuple[float, float]:
    """Mean over groups of patients, in points, and the arm of its 95% interval.

    Targets of the same patients are not independent. Each case counts once within its group.
    """
    means = 100 * table.groupby(["cluster", *CASE])[value].mean().groupby("cluster").mean()
    arm = t.ppf(0.975, len(means) - 1) * means.sem() if len(means) > 1 else np.nan
    return float(means.mean()), float(arm)


def shown(mean: float, arm: float) -> str:
    return f"{mean:+.2f}" if np.isnan(arm) else f"{mean:+.2f} ± {arm:.2f}"


def verdicts(judged: pd.DataFrame) -> pd.DataFrame:
    """What the default rule said, and what came of it."""
    rows = []
    for budget, part in judged[judged["criterion"] == "pilot"].groupby("budget"):
        row: dict[str, object] = {"labels": percent(budget), "pairs": len(part)}
        for decision in (keys.DISTIL, keys.UNDECIDED, keys.DO_NOT_DISTIL):
            said = part[part["decision"] == decision]
            gained = f", gained {100 * said['gain'].mean():+.1f}" if len(said) else ""
            row[decision] = f"{len(said)}{gained}"
        decided = part[part["decision"] != keys.UNDECIDED]
        right = (decided["decision"] == keys.DISTIL) == (decided["gain"] > 0)
        row["decided, sign right"] = "–"
        if len(decided):
            low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
            row["decided, sign right"] = f"{right.sum()} of {len(right)} ({low:.0%} to {high:.0%})"
        wrong = ~right & (decided["gain"].abs() > NORMAL_95 * decided["gain_se"])
        row["wrong beyond the error"] = int(wrong.sum())
        rows.append(row)
    return pd.DataFrame(rows)


def by_criterion(judged: pd.DataFrame, chosen: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Advised gain, and Spearman within the pairs of a case, of each criterion at each label budget."""
    found: dict[str, dict[str, str]] = {name: {"criterion": name} for name in names}
    for budget in sorted(chosen["budget"].unique()):
        for name in names:
            part = judged[(judged["criterion"] == name) & (judged["budget"] == budget)]
            of_choice = chosen[(chosen["criterion"] == name) & (chosen["budget"] == budget)]
            found[name][f"advised gain, {percent(budget)}"] = shown(*over_patients(of_choice, "advised_gain"))
            found[name][f"Spearman, {percent(budget)}"] = _shown_rank(part, "score")
    row = {"criterion": "*the gain of the other half's students*"}
    for budget in sorted(chosen["budget"].unique()):
        part = judged[(judged["criterion"] == "always") & (judged["budget"] == budget)]
        hindsight = part.groupby([*CASE, "cluster", "student"])["gain"].max().clip(lower=0).reset_index()
        row[f"advised gain, {percent(budget)}"] = f"in hindsight {over_patients(hindsight, 'gain')[0]:+.2f}"
        twin = part.assign(half=1 - part["half"])[[*CASE, *PAIR, "gain"]].rename(columns={"gain": "twin"})
        row[f"Spearman, {percent(budget)}"] = _shown_rank(part.merge(twin, on=[*CASE, *PAIR]), "twin")
    return pd.DataFrame([*found.values(), row]) if len(chosen) else pd.DataFrame()


def _shown_rank(table: pd.DataFrame, score: str) -> str:
    """Spearman's correlation of a score with the gain within cases, mean over groups of patients; – for a constant."""
    ranks = pd.DataFrame(
        [(key[0], rank_correlation(part[score], part["gain"])) for key, part in table.groupby(["cluster", *CASE])],
        columns=["cluster", "rank"],
    ).dropna()
    means = ranks.groupby("cluster")["rank"].mean()
    return f"{means.mean():.2f}" if len(means) else "–"


def rank_correlation(score: "pd.Series[float]", gain: "pd.Series[float]") -> float:
    """Spearman's, of the pairs that have a score; NaN for a constant one."""
    known = score.notna()
    return float(score[known].rank().corr(gain[known].rank())) if score[known].nunique() > 1 else float("nan")


def by_patients(chosen: pd.DataFrame) -> pd.DataFrame:
    """Advised gain of the default rule in each group of patients; intervals over its cases, as if independent."""
    rows: dict[str, dict[str, str]] = {}
    for (cluster, budget), part in chosen[chosen["criterion"] == "pilot"].groupby(["cluster", "budget"]):
        means = 100 * part.groupby(CASE)["advised_gain"].mean()
        arm = t.ppf(0.975, len(means) - 1) * means.sem() if len(means) > 1 else np.nan
        row = rows.setdefault(cluster, {"patients": cluster})
        row[f"advised gain, {percent(budget)}"] = shown(float(means.mean()), float(arm))
    return pd.DataFrame(rows.values())


def by_task(pairs: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Level of the student alone, mean gain of all pairs, of own soft targets, and of the advice, by task."""
    rows = []
    for (task, budget), part in pairs.groupby(["task", "budget"]):
        advised = chosen[(chosen["task"] == task) & (chosen["budget"] == budget) & (chosen["criterion"] == "pilot")]
        rows.append(
            {
                "task": task,
                "labels": percent(budget),
                "targets, pairs": f"{part.groupby(['cohort', 'target']).ngroups}, {len(part)}",
                "alone": f"{100 * part.groupby([*CASE, 'student'])['alone'].first().mean():.1f}",
                "all pairs": shown(*over_patients(part, "gain")),
                "own soft targets": shown(*over_patients(part, "self_gain")),
                "advised": shown(*over_patients(advised, "advised_gain")),
            }
        )
    return pd.DataFrame(rows)


def calibration(pairs: pd.DataFrame) -> pd.DataFrame:
    """P(gain > 0) beside how often students gained."""
    rows = []
    known = pairs.dropna(subset="p_gain_positive")
    bands = pd.cut(known["p_gain_positive"], BANDS, include_lowest=True)
    for band, part in known.groupby(bands, observed=True):
        rows.append(
            {
                "P(gain > 0)": str(band),
                "pairs": len(part),
                "mean P": f"{part['p_gain_positive'].mean():.2f}",
                "gained": f"{(part['gain'] > 0).mean():.2f}",
                "mean gain": f"{100 * part['gain'].mean():+.1f}",
            }
        )
    return pd.DataFrame(rows)


def errors(pairs: pd.DataFrame) -> pd.DataFrame:
    """How far pilots of all pairs were off, in their own errors and those of the other half's patients."""
    return pd.DataFrame(
        {"labels": percent(budget), "pairs": f"all {len(part)}"}
        | off_by(part, part["pilot_gain"], part["pilot_gain_se"])
        for budget, part in pairs.groupby("budget")
    )


def of_best(pairs: pd.DataFrame) -> pd.DataFrame:
    """The same of each student's teacher with the largest pilot gain, with the prior and without.

    Who is the largest of several is so by chance too. The posterior of a gain knows of the others by its prior alone.
    """
    rows = []
    for budget, part in pairs.dropna(subset="pilot_gain").groupby("budget"):
        best = part.loc[part.groupby([*CASE, "student"])["pilot_gain"].idxmax()]
        gain, error = best["pilot_gain"], best["pilot_gain_se"]
        prior = best["task"].map(lambda task: task_class(task).gain_sd)
        kept = prior**2 / (prior**2 + error**2)
        first = {"labels": percent(budget)}
        rows.append(first | {"pairs": f"best of each student, {len(best)}"} | off_by(best, gain, error))
        rows.append(first | {"pairs": "the same, with the prior"} | off_by(best, kept * gain, kept**0.5 * error))
    return pd.DataFrame(rows)


def off_by(pairs: pd.DataFrame, said: "pd.Series[float]", error: "pd.Series[float]") -> dict[str, str]:
    """What was said of gains beside the gains on the other half."""
    off, stated = said - pairs["gain"], np.hypot(error, pairs["gain_se"])
    inside = off.abs() <= NORMAL_95 * stated
    of_case = inside.groupby([pairs[name] for name in CASE]).mean()
    return {
        "95% intervals that hold": f"{inside.mean():.3f} ± {of_case.sem():.3f}",
        "said minus gain": f"{100 * off.mean():+.2f}",
        "stated over true error": f"{np.sqrt((stated**2).mean() / (off**2).mean()):.2f}",
        "error of what is said": f"{100 * np.sqrt((error**2).mean()):.1f}",
        "of the other half": f"{100 * np.sqrt((pairs['gain_se'] ** 2).mean()):.1f}",
    }


def foretold_against_gain(pairs: pd.DataFrame) -> Figure:
    """Every pair: what pilots of one half gained, and the gain on the other half; a colour for a group of patients."""
    budgets = sorted(pairs["budget"].unique())
    figure, axes = style.figure(4 * len(budgets), 3.6, columns=len(budgets))
    for ax, budget in zip(axes, budgets, strict=True):
        for code, (cluster, own) in enumerate(pairs[pairs["budget"] == budget].groupby("cluster")):
            colour, marker = style.COLOURS[code % len(style.COLOURS)], "os^DPX"[code % 6]
            gain = 100 * own["pilot_gain"], 100 * own["gain"]
            ax.scatter(*gain, color=colour, marker=marker, s=14, alpha=0.7, label=cluster)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        ax.set(title=f"{percent(budget)} of the labels", xlabel="gain of pilots (points)", ylabel=GAIN)
    axes[0].legend(fontsize=8)
    return figure


def advice_of_criteria(chosen: pd.DataFrame) -> Figure:
    """Advised gain of each criterion, with its interval over groups of patients."""
    budgets = sorted(chosen["budget"].unique())
    figure, axes = style.figure(4 * len(budgets), 3.2, columns=len(budgets))
    order = [name for name in CRITERIA if name != "never"][::-1]
    for ax, budget in zip(axes, budgets, strict=True):
        for place, name in enumerate(order):
            part = chosen[(chosen["criterion"] == name) & (chosen["budget"] == budget)]
            mean, arm = over_patients(part, "advised_gain")
            colour = style.BLUE if name == "pilot" else style.GREY
            ax.errorbar(mean, place, xerr=np.nan_to_num(arm), color=colour, marker="o", markersize=5)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        ax.set_yticks(range(len(order)), labels=order if ax is axes[0] else [""] * len(order))
        ax.set(title=f"{percent(budget)} of the labels", xlabel="advised gain (points)")
    return figure


def reliability(pairs: pd.DataFrame) -> Figure:
    """P(gain > 0) against how often students gained, with 95% intervals of independent pairs."""
    figure, (ax,) = style.figure(4.4, 3.8, columns=1)
    known = pairs.dropna(subset="p_gain_positive")
    for _, part in known.groupby(pd.cut(known["p_gain_positive"], BANDS, include_lowest=True), observed=True):
        gained, n = int((part["gain"] > 0).sum()), len(part)
        low, high = binomtest(gained, n).proportion_ci(method="wilson")
        arms = [[max(gained / n - low, 0)], [max(high - gained / n, 0)]]
        ax.errorbar(part["p_gain_positive"].mean(), gained / n, yerr=arms, color=style.BLUE, marker="o", markersize=5)
        ax.annotate(f"{n}", (part["p_gain_positive"].mean(), gained / n), xytext=(5, -9), textcoords="offset points")
    ax.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8)
    ax.set(xlabel="P(gain > 0) from one half", ylabel="share that gained on the other half")
    return figure
