"""The page of the benchmark of decisions: its tables and figures, put into a text that a person writes.

A table goes between the lines `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands outside of these is left as it
is.
"""

import datetime
import os
import platform
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from decisions_extras import extra_tables
from decisions_halves import halves_table
from decisions_predictions import Task
from decisions_scores import (
    LINEAR,
    OUTCOMES,
    REPEATS,
    against_references,
    all_pairs,
    by_split,
    criteria_table,
    differences,
    few_repeats,
    foretold,
    left_out,
    outcomes_table,
    rooms,
    seconds_table,
    within_splits,
)
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cch_omics import keys, plotting
from cch_omics.criteria.table import CRITERIA, VERDICT
from cch_omics.io.files import atomic, write_table
from cch_omics.splits import load_splits

CLUSTER_COLOURS = plotting.CLASS_COLOURS
STATISTIC_NAMES = {
    "auroc_harmed": "AUROC harmed",
    "auroc_gained": "AUROC gained over self",
    "auroc_negative": "AUROC gain > 0",
    "spearman": "Spearman",
    "sign_accuracy": "sign right",
    "sign_accuracy_self": "sign right, over self",
    "regret": "regret, points",
    "share_of_oracle": "share of oracle",
}
# Harm is done most where the most probable class is called; the rest is judged as the workflow ships it.
COMPARED = (
    ("auroc_harmed", "argmax"),
    ("auroc_negative", "default"),
    ("spearman", "default"),
    ("share_of_oracle", "default"),
)
# Criteria that a figure shows: those that score, each idea once.
SHOWN = [*LINEAR.values(), *(name for name in CRITERIA if name not in ("always", "never", "gap_plus_advantage"))]


def write_page(output: Path, tasks: tuple[Task, ...], budgets: tuple[float, ...], page: Path) -> None:
    """Score what has been predicted, and write tables, figures and the page; TSV tables go to OUTPUT/tables."""
    pairs = all_pairs(output, tasks, budgets)
    criteria = criteria_table(pairs)
    references = against_references(output, tasks, budgets)
    splits = by_split(output, tasks, budgets)
    tables = {
        "pairs": pairs,
        "criteria": criteria,
        "differences": differences(pairs[pairs["way"].isin({way for _, way in COMPARED})]),
        "outcomes": outcomes_table(pairs),
        "references": references,
        "left_out": left_out(output, tasks, budgets),
        "within": within_splits(splits),
        "halves": halves_table(output, tasks, budgets),
        "seconds": seconds_table(output, tasks, budgets),
    }
    for name, table in tables.items():
        write_table(table, output / "tables" / f"{name}.tsv")
    blocks = {
        "made": made(output, tasks, budgets),
        "runs": markdown(runs(pairs)),
        "names": markdown(names()),
        "outcomes": markdown(tables["outcomes"]),
        **{f"criteria {way}": criteria_blocks(criteria, way) for way in OUTCOMES},
        "better": better(tables["differences"]),
        "left out": markdown(tables["left_out"]),
        "halves": markdown(tables["halves"].rename(columns={"spearman": "Spearman", "sign_right": "sign right"})),
        "within": markdown(within(tables["within"])),
        "within decisions": markdown(within_decisions(splits)),
        "came of": markdown(came_of(pairs, few_repeats(output, tasks, budgets))),
        "advice": markdown(advice_by_cluster(pairs)),
        "promised": markdown(promised(pairs)),
        "misses": markdown(misses(pairs)),
        "references": markdown(wins(references)) if len(references) else "No reference model has been fitted.",
        "all references": markdown(all_wins(references)) if len(references) else "",
    }
    extras = extra_tables(output, tasks)
    for name, table in extras.items():
        write_table(table, output / "tables" / f"{name}.tsv")
    for name in ("permuted", "doubles", "units"):
        blocks[name] = markdown(counterexamples(extras[name])) if name in extras else "Not run."
    blocks["several"] = markdown(several(extras["several"])) if "several" in extras else "Not run."
    blocks["linear"] = markdown(linear(extras["linear"])) if "linear" in extras else "Not run."
    text = (
        page.read_text()
        if page.exists()
        else "# Is the advice right?\n" + "".join(f"\n<!-- begin {name} -->\n<!-- end {name} -->\n" for name in blocks)
    )
    with atomic(page) as draft:
        draft.write_text(filled(text, blocks))
    figures: dict[str, Callable[[], Figure]] = {
        "gap": lambda: gap_against_gain(pairs),
        "criteria": lambda: criterion_against_rivals(criteria),
        "budgets": lambda: gain_against_budget(pairs),
    }
    with matplotlib.rc_context(plotting.STYLE):
        for name, draw in figures.items():
            with atomic(page.parent / f"decisions-{name}.png") as draft:
                draw().savefig(draft, dpi=110, format="png", metadata={"Software": None})


def filled(text: str, blocks: dict[str, str]) -> str:
    """The text with its blocks replaced; a block that the text does not ask for is left out."""
    for name, block in blocks.items():
        pattern = rf"(<!-- begin {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)"
        text = re.sub(pattern, lambda found, block=block: f"{found[1]}\n{block}\n\n{found[2]}", text, flags=re.DOTALL)
    return text


def markdown(table: pd.DataFrame) -> str:
    """A table with two digits, and a dash where there is no number."""
    shown = pd.DataFrame(
        {name: [_shown(value) for value in column] for name, column in table.items()}, columns=table.columns
    )
    lines = [list(shown.columns), ["---"] * len(shown.columns), *shown.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.2f}"
    return str(value)


def percent(budget: float) -> str:
    return f"{budget:.0%}"


def made(output: Path, tasks: tuple[Task, ...], budgets: tuple[float, ...]) -> str:
    """Date, versions, machine, and the splits."""
    splits = sorted({_splits(room) for _, _, room in rooms(output, tasks, budgets)})
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch", "scikit-learn", "lightgbm"))
    shapes = " and ".join(f"{repeats} x {folds}" for repeats, folds in splits)
    return (
        f"Made on {datetime.date.today():%-d %B %Y} with Python {platform.python_version()}, {versions}, on a machine "
        f"with {os.cpu_count()} cores ({platform.machine()}, {sys.platform}). Outer splits: {shapes}."
    )


def _splits(room: Path) -> tuple[int, int]:
    splits = load_splits(room / "splits.npz")
    return len(np.unique(splits.repeat[:-1])), len(np.unique(splits.fold[:-1]))


def names() -> pd.DataFrame:
    """The criteria, as their table describes them."""
    rows = []
    for name, each in CRITERIA.items():
        says = {0.0: "above 0", -np.inf: "always: it only ranks"}.get(each.threshold, f"above {each.threshold:g}")
        rows.append((name, each.meaning, "by its own rule" if name == VERDICT else says, each.reference))
        if name == VERDICT:
            rows.append((LINEAR[name], "the same; its pilots are linear", rows[-1][2], "criterion.pilot: linear"))
        if name == "pilot_gain":
            rows.append((LINEAR[name], "the same of linear students in closed form", says, ""))
    return pd.DataFrame(rows, columns=["criterion", "score", "distil", "source"])


def runs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each target at each label budget."""
    one = pairs[(pairs["criterion"] == "always") & (pairs["way"] == "default")]
    counts = one.pivot_table(index=["cluster", "cohort", "target"], columns="budget", values="gain", aggfunc="size")
    counts.columns = [f"pairs at {percent(budget)}" for budget in counts.columns]
    return counts.fillna(0).astype(int).reset_index().rename(columns={"cluster": "patients"})


def _with_interval(row: pd.Series, name: str) -> str:
    if np.isnan(row[name]):
        return "–"
    if np.isnan(row[f"{name}_low"]):
        return f"{row[name]:.2f}"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def criteria_blocks(criteria: pd.DataFrame, way: str) -> str:
    """One table for each label budget."""
    parts = []
    for budget, table in criteria[criteria["way"] == way].groupby("budget"):
        rows = [
            {
                "criterion": f"**{row['criterion']}**" if row["criterion"] in ("cch", VERDICT) else row["criterion"],
                **{title: _with_interval(row, name) for name, title in STATISTIC_NAMES.items()},
                "undecided": row["abstention"],
                "ms a pair": f"{1000 * row['seconds']:.1f}",
            }
            for _, row in table.iterrows()
        ]
        first = table.iloc[0]
        head = (
            f"**{percent(budget)} of the labels**: {first['n_pairs']} pairs, {first['n_harmed']} harmed, "
            f"{first['n_gained']} gained over self."
        )
        parts.append(f"{head}\n\n{markdown(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def better(differences: pd.DataFrame) -> str:
    """Which criteria are above or below the verdict, outside the interval of the difference."""
    lines = []
    for statistic, way in COMPARED:
        for budget, table in differences[differences["way"] == way].groupby("budget"):
            above = table[table[f"{statistic}_low"] > 0]["criterion"].tolist()
            below = table[table[f"{statistic}_high"] < 0]["criterion"].tolist()
            if above or below:
                lines.append(
                    {
                        "score": STATISTIC_NAMES[statistic],
                        "way": way,
                        "labels": percent(budget),
                        "above the verdict": ", ".join(above) or "–",
                        "below the verdict": ", ".join(below) or "–",
                    }
                )
    return markdown(pd.DataFrame(lines)) if lines else "None is, either way."


def came_of(pairs: pd.DataFrame, few: pd.DataFrame) -> pd.DataFrame:
    """What the verdict said, and what came of it: gains in points, over training alone and over self.

    Parameters
    ----------
    few
        Of `few_repeats`: verdicts that fewer pilots were asked for, of the same gains.
    """
    said = pairs[(pairs["criterion"] == VERDICT) & (pairs["way"] == "default") & pairs["gain"].notna()]
    pair = ["cohort", "target", "budget", "teacher", "student"]
    rows = []
    for repeats, verdicts in {"all": said, str(REPEATS): said.drop(columns="decision").merge(few, on=pair)}.items():
        for (budget, decision), part in verdicts.groupby(["budget", "decision"]):
            rows.append(
                {
                    "pilots of repeats": repeats,
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


def within(table: pd.DataFrame) -> pd.DataFrame:
    """Each score within one split, a column for each label budget."""
    shown: dict[str, dict[str, str]] = {}
    for _, row in table.iterrows():
        of = shown.setdefault(row["criterion"], {"criterion": row["criterion"]})
        labels = percent(row["budget"])
        of[f"Spearman, {labels}"] = f"{row['spearman']:.2f} ± {row['spearman_error']:.2f}"
        of[f"advice, {labels}"] = f"{row['advice']:+.2f} ± {row['advice_error']:.2f}"
    return pd.DataFrame(shown.values())


def within_decisions(splits: pd.DataFrame) -> pd.DataFrame:
    """What the verdict said in each training set, and the mean gain, in points, on its test patients.

    `sign right`: of the decided ones, by the mean gain of the pair over all splits.
    """
    pair = ["cohort", "target", "budget", "teacher", "student"]
    splits = splits.assign(mean_gain=splits.groupby(pair)["gain"].transform("mean"))
    rows = []
    for budget, part in splits.groupby("budget"):
        row = {"labels": percent(budget)}
        for decision, those in part.groupby("decision"):
            row[f"{decision}, share"] = percent(len(those) / len(part))
            row[f"{decision}, gain"] = f"{100 * those['gain'].mean():+.2f}"
        decided = part["decision"] != keys.UNDECIDED
        right = (part["decision"] == keys.DISTIL) == (part["mean_gain"] > 0)
        rows.append(row | {"sign right": percent(right[decided].mean())})
    return pd.DataFrame(rows)


def advice_by_cluster(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean gain, in points, of following a criterion's advice (its teacher, or alone), over students."""
    rows = []
    for (way, budget, cluster), part in pairs.groupby(["way", "budget", "cluster"]):
        row: dict[str, object] = {"way": way, "labels": percent(budget), "patients": cluster}
        for name in (
            VERDICT,
            LINEAR[VERDICT],
            "cch",
            "teacher_minus_student_accuracy",
            "advantage",
            "pilot",
            "pilot_accuracy",
            "always",
        ):
            chosen = part[part["criterion"] == name]
            row[name] = 100 * foretold(chosen).chosen.mean() if len(chosen) else float("nan")
        row["oracle"] = 100 * foretold(part[part["criterion"] == "always"]).best.mean()
        rows.append(row)
    return pd.DataFrame(rows)


PROMISED = (
    ("brca-paired", "er_status", "rna", "cnv"),
    ("tcga-brca", "pam50", "rna", "rppa"),
    ("tcga-brca", "pam50", "rna", "mirna"),
)


def promised(pairs: pd.DataFrame) -> pd.DataFrame:
    """Gains of some pairs in points, over training alone and over self, and what training alone reaches."""
    one = pairs[(pairs["criterion"] == "cch") & (pairs["way"] == "default")]
    rows = []
    for cohort, target, teacher, student in PROMISED:
        found = one[
            (one["cohort"] == cohort)
            & (one["target"] == target)
            & (one["teacher"] == teacher)
            & (one["student"] == student)
        ]
        for _, row in found.sort_values("budget").iterrows():
            rows.append(
                {
                    "cohort": cohort,
                    "target": target,
                    "pair": f"{teacher} -> {student}",
                    "labels": percent(row["budget"]),
                    "alone": f"{100 * row['alone']:.1f}",
                    "gain": f"{100 * row['gain']:+.1f} ({100 * row['ci_low']:+.1f} to {100 * row['ci_high']:+.1f})",
                    "over self": f"{100 * row['gain_over_self']:+.1f} "
                    f"({100 * row['self_ci_low']:+.1f} to {100 * row['self_ci_high']:+.1f})",
                }
            )
    return pd.DataFrame(rows, columns=["cohort", "target", "pair", "labels", "alone", "gain", "over self"])


def misses(pairs: pd.DataFrame, each: int = 6) -> pd.DataFrame:
    """Where the sign of the gap is most wrong: the largest losses above 0 and the largest gains below."""
    wide = pairs[pairs["way"] == "default"].pivot_table(
        index=["cohort", "target", "budget", "teacher", "student"], columns="criterion", values="score"
    )
    gain = pairs[(pairs["way"] == "default") & (pairs["criterion"] == "always")]
    gain = gain.set_index(["cohort", "target", "budget", "teacher", "student"])[["gain", "ci_low", "ci_high"]]
    decided = pairs[(pairs["way"] == "default") & (pairs["criterion"] == VERDICT)]
    decided = decided.set_index(["cohort", "target", "budget", "teacher", "student"])["decision"]
    table = wide.join(gain).join(decided)
    wrong = [
        table[table["cch"] > 0].sort_values("gain").head(each),
        table[table["cch"] < 0].sort_values("gain", ascending=False).head(each),
    ]
    rows = []
    for part in wrong:
        for (cohort, target, budget, teacher, student), row in part.iterrows():
            rows.append(
                {
                    "cohort": f"{cohort} {target}",
                    "labels": percent(budget),
                    "pair": f"{teacher} -> {student}",
                    "gap": row["cch"],
                    "advantage": row["advantage"],
                    "-I(S;Y given T)": row["minus_student_given_teacher"],
                    "verdict": row["decision"],
                    "gain": f"{100 * row['gain']:+.1f} ({100 * row['ci_low']:+.1f} to {100 * row['ci_high']:+.1f})",
                }
            )
    return pd.DataFrame(rows)


def counterexamples(table: pd.DataFrame) -> pd.DataFrame:
    """Scores and gains, as `decisions_extras` has them."""
    shown = {"units": table["units"]} if "units" in table else {}
    return pd.DataFrame(
        {
            **shown,
            "labels": table["budget"].map(percent),
            "pair": table["teacher"] + " -> " + table["student"],
            "gap": table["cch"],
            "advantage": table["advantage"],
            "accuracy difference": table["teacher_minus_student_accuracy"],
            "pilot": table["pilot"],
            "verdict": table["decision"],
            "gain": [
                f"{gain:+.1f} ({low:+.1f} to {high:+.1f})"
                for gain, low, high in table[["gain", "ci_low", "ci_high"]].to_numpy()
            ],
            "over self": table["gain_over_self"].map("{:+.1f}".format),
        }
    )


def several(table: pd.DataFrame) -> pd.DataFrame:
    """Gains of mixtures of teachers, as `decisions_extras` has them, and their means."""

    def shown(row: pd.Series, name: str) -> str:
        return f"{row[name]:+.1f} ({row[f'{name}_low']:+.1f} to {row[f'{name}_high']:+.1f})"

    rows = [
        {
            "cohort": row["cohort"],
            "target": row["target"],
            "student": row["student"],
            "chosen": f"{row['chosen']:+.1f}",
            "best": f"{row['best']:+.1f}",
            **{name: shown(row, name) for name in ("pooled", "averaged", "pooled - chosen", "averaged - chosen")},
        }
        for _, row in table.iterrows()
    ]
    mean = {
        name: f"**{table[name].mean():+.1f}**"
        for name in rows[0]
        if name in table and name not in ("cohort", "target", "student")
    }
    return pd.DataFrame([*rows, {"cohort": "**mean**", "target": "", "student": "", **mean}])


def linear(table: pd.DataFrame) -> pd.DataFrame:
    """Balanced accuracy of networks, linear students and reference models, by target: means over students."""
    kinds = ["network alone", "network distilled", "linear alone", "linear distilled"]
    kinds += [name for name in ("logistic", "boosting") if name in table]
    rows = []
    for (cohort, target, budget), part in table.groupby(["cohort", "target", "budget"], sort=False):
        row: dict[str, object] = {"cohort": cohort, "target": target, "labels": percent(budget), "students": len(part)}
        row |= {name: f"{part[name].mean():.1f}" for name in kinds}
        for name, title in {
            "linear - network": "linear over network, distilled",
            "linear gain": "linear, gain",
        }.items():
            won, lost = int((part[f"{name}_low"] > 0).sum()), int((part[f"{name}_high"] < 0).sum())
            row[f"{title}: wins, ties, losses"] = f"{won}, {len(part) - won - lost}, {lost}"
        rows.append(row)
    return pd.DataFrame(rows)


def wins(references: pd.DataFrame) -> pd.DataFrame:
    """Students whose interval of the difference to a reference model is above, around and below 0, by target."""
    rows = []
    for (cohort, target, budget, model), part in references.groupby(["cohort", "target", "budget", "reference"]):
        row: dict[str, object] = {"cohort": cohort, "target": target, "labels": percent(budget), "reference": model}
        for kind in ("alone", "distilled"):
            won, lost = int((part[f"{kind}_low"] > 0).sum()), int((part[f"{kind}_high"] < 0).sum())
            row[f"{kind}: wins, ties, losses"] = f"{won}, {len(part) - won - lost}, {lost}"
            row[f"{kind}: mean difference"] = float(part[kind].mean())
        rows.append(row)
    return pd.DataFrame(rows)


def all_wins(references: pd.DataFrame) -> pd.DataFrame:
    """The same over all targets."""
    every = references.assign(cohort="all", target="all")
    return wins(every).drop(columns=["cohort", "target"])


def gap_against_gain(pairs: pd.DataFrame) -> Figure:
    """The gap of every pair against its gain, a panel a label budget."""
    budgets = sorted(pairs["budget"].unique())
    figure = Figure(figsize=(4 * len(budgets), 3.8), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(budgets), sharey=True))
    clusters = sorted(pairs["cluster"].unique())
    for ax, budget in zip(axes, budgets, strict=True):
        one = pairs[(pairs["criterion"] == "cch") & (pairs["way"] == "default") & (pairs["budget"] == budget)]
        for i, cluster in enumerate(clusters):
            part = one[one["cluster"] == cluster]
            ax.errorbar(
                part["score"],
                100 * part["gain"],
                yerr=100 * np.stack([part["gain"] - part["ci_low"], part["ci_high"] - part["gain"]]),
                fmt=plotting.CLASS_MARKERS[i % len(plotting.CLASS_MARKERS)],
                color=CLUSTER_COLOURS[i % len(CLUSTER_COLOURS)],
                markersize=4.5,
                elinewidth=0.5,
                alpha=0.75,
                label=cluster,
            )
        ax.axhline(0, color=plotting.INK, linewidth=0.8)
        ax.axvline(0, color=plotting.INK, linewidth=0.8)
        missing = int(one["score"].isna().sum())
        ax.set_title(f"{percent(budget)} of the labels" + (f" ({missing} without a gap)" if missing else ""))
        ax.set_xlabel("gap, nats")
    axes[0].set_ylabel("gain over training alone,\npoints of balanced accuracy")
    axes[-1].legend(frameon=False, fontsize=8)
    return figure


def criterion_against_rivals(criteria: pd.DataFrame) -> Figure:
    """Spearman, AUROC of a positive gain and share of the oracle's gain, a marker a label budget."""
    names = [name for name in SHOWN if name in set(criteria["criterion"])]
    shown = {"spearman": 0.0, "auroc_negative": 0.5, "share_of_oracle": 0.0}
    budgets = sorted(criteria["budget"].unique())
    figure = Figure(figsize=(12, 0.36 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True)
    for ax, (statistic, chance) in zip(axes, shown.items(), strict=True):
        for i, budget in enumerate(budgets):
            table = criteria[(criteria["way"] == "default") & (criteria["budget"] == budget)].set_index("criterion")
            table = table.reindex(names)
            y = np.arange(len(names)) + 0.24 * (i - (len(budgets) - 1) / 2)
            colour = CLUSTER_COLOURS[i]
            ax.hlines(y, table[f"{statistic}_low"], table[f"{statistic}_high"], color=colour, linewidth=1, alpha=0.6)
            ax.plot(
                table[statistic],
                y,
                plotting.CLASS_MARKERS[i],
                color=colour,
                markersize=4.5,
                label=f"{percent(budget)} of the labels",
            )
        ax.axvline(chance, color="#8a8a8a", linewidth=1, linestyle=(0, (2, 3)))
        ax.set_xlabel(STATISTIC_NAMES[statistic])
        ax.xaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_yticks(np.arange(len(names)), [name.replace("_", " ") for name in names])
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def gain_against_budget(pairs: pd.DataFrame) -> Figure:
    """Gain against the label budget, a panel a target: of each student, by the teacher whom the verdict ranks first."""
    scored = pairs[(pairs["criterion"] == VERDICT) & (pairs["way"] == "default") & pairs["score"].notna()]
    best = scored.loc[scored.groupby(["cohort", "target", "budget", "student"])["score"].idxmax()]
    targets = list(dict.fromkeys(zip(best["cohort"], best["target"], strict=True)))
    n_columns = min(4, len(targets))
    n_rows = -(-len(targets) // n_columns)
    figure = Figure(figsize=(3.1 * n_columns, 2.5 * n_rows + 0.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)).ravel()
    students = sorted(best["student"].unique())
    for ax, (cohort, target) in zip(axes, targets, strict=False):
        for student, part in best[(best["cohort"] == cohort) & (best["target"] == target)].groupby("student"):
            i = students.index(student)
            part = part.sort_values("budget")
            ax.errorbar(
                part["budget"] * 100 * 1.02 ** (i - len(students) / 2),
                100 * part["gain"],
                yerr=100 * np.stack([part["gain"] - part["ci_low"], part["ci_high"] - part["gain"]]),
                marker=plotting.CLASS_MARKERS[i % len(plotting.CLASS_MARKERS)],
                color=CLUSTER_COLOURS[i % len(CLUSTER_COLOURS)],
                linewidth=1.2,
                elinewidth=0.6,
                markersize=4.5,
                label=student,
            )
        ax.axhline(0, color=plotting.INK, linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xticks([15, 40, 100], ["15%", "40%", "100%"])
        ax.minorticks_off()
        ax.set_xlim(12, 125)
        ax.set_title(f"{cohort}, {target}", fontsize=9)
    for ax in axes[len(targets) :]:
        ax.set_axis_off()
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    figure.supylabel("gain over training alone, points", fontsize=10)
    return figure
