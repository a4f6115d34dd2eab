"""How people read the names and numbers of files: verdicts, models, rules, metrics.

`keys` has the names themselves. What is returned is plain text: whoever shows it escapes it.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cch_omics import keys
from cch_omics.models.recipes import MEMBERS, RECIPES
from cch_omics.tasks.base import Metric, Task
from cch_omics.verdict.criteria import CRITERIA

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = {keys.DISTIL: "distil", keys.DO_NOT_DISTIL: "do not distil", keys.UNDECIDED: "undecided"}
# What a gain is over, by control.
CONTROLS = {
    "none": "training alone",
    "self": "the self control (soft targets from its own modality)",
    "shuffled": "the shuffled control (the teacher's soft targets permuted over patients)",
}
# The columns that rules decide by, and how they are called.
QUANTITIES = {"p_gain_positive": "P(gain > 0)", "gap": "gap", "p_gap_positive": "P(gap > 0)"}

Row = Mapping[Any, Any] | Mapping[Hashable, Any]


def deciding(rule: str) -> str:
    """Return the column of verdicts.tsv that a rule decides by, one of `QUANTITIES`; "" if it reads none of them."""
    if rule == "cch":
        return "gap"
    return CRITERIA[rule].probability if rule in CRITERIA else ""


def quantity_value(column: str, row: Row) -> str:
    """Format one of `QUANTITIES` of a row: "97%", "+0.21 nats"."""
    if column != "gap":
        return probability(row.get(column))
    gap = number(row.get(column))
    return f"{signed(gap)} nats" if np.isfinite(gap) else "not estimated"


def rule_title(rule: str) -> str:
    """Name a rule, or another criterion, as a reader would."""
    return CRITERIA[rule].title if rule in CRITERIA else rule


# --- Models: `alone`, `self:RECIPE`, `RECIPE:TEACHER`, or the name of a baseline --------------------------------------


def model_of(recipe: str, teacher: str) -> str:
    """Name in performance.tsv of the student of a recipe and a teacher, "" for none."""
    return f"{recipe}:{teacher}" if teacher else "alone"


def model_kind(model: str) -> str:
    """One of `alone`, `self`, `taught`, `baseline`."""
    recipe, colon, _ = model.partition(":")
    if not colon:
        return "alone" if model == "alone" else "baseline"
    return "self" if recipe == "self" else "taught"


def model_name(model: str, task: Task) -> str:
    """Name a model in a table or figure."""
    recipe, _, teacher = model.partition(":")
    match model_kind(model):
        case "alone":
            return "trained alone"
        case "self":
            return "self control"
        case "taught":
            return f"{recipe_name(recipe)} from {teacher}"
    return task.baselines[model].title if model in task.baselines else model


def averaged(weights: Mapping[str, float]) -> str:
    """Say of which members a student is the average, from their weights by name."""
    kept, left = ([member.title for member in MEMBERS if (weights[member.name] > 0) == part] for part in (True, False))
    text = f"It is the average of {_listed(kept)}." if len(kept) > 1 else f"It is {kept[0]}."
    if not left:
        return text
    reason = "was left out: it is" if len(left) == 1 else "were left out: they are"
    return f"{text} {_listed(left).capitalize()} {reason} clearly worse on patients whose labels were held out."


def _listed(names: Sequence[str]) -> str:
    """Join names, as in: a, b and c."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def recipe_name(recipe: str) -> str:
    """Name a recipe in a few words: "soft targets"."""
    return recipe.replace("_", " ")


def recipe_title(recipe: str) -> str:
    """Describe the student of a recipe: "taught by soft targets"."""
    return RECIPES[recipe].title if recipe in RECIPES else recipe_name(recipe)


def pair_names(pairs: "pd.DataFrame") -> list[str]:
    """Name the pairs of a table with `keys.PAIR_COLUMNS`: "rna → cnv", with the recipe where there are several."""
    several = pairs["recipe"].nunique() > 1
    return [
        f"{row['teacher']} → {row['student']}" + (f", {recipe_name(row['recipe'])}" if several else "")
        for row in pairs.to_dict("records")
    ]


# --- Numbers ----------------------------------------------------------------------------------------------------------


def number(value: object) -> float:
    """Read a cell as a number, NaN where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def signed(value: float, digits: int = 2) -> str:
    """Format a number with a sign, a true minus among them; an en dash if it is missing."""
    if not np.isfinite(value):
        return "–"
    # "-0.00" has no sign that means anything, nor has "+0.00".
    text = f"{value:+z.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+")


def with_minus(text: str) -> str:
    """Write the minus of numbers in a sentence of the tables as `signed` does; hyphens of names stay."""
    return re.sub(r"(?<![\w.-])-(?=\d)", "−", text)


def probability(value: object) -> str:
    """Say a probability without claiming more than its standard error can tell."""
    p = number(value)
    if not np.isfinite(p):
        return "not estimated"
    return "> 99%" if p > 0.99 else "< 1%" if p < 0.01 else f"{100 * p:.0f}%"


def unsigned(value: float, digits: int) -> str:
    """Format a number; an en dash if it is missing."""
    return f"{value:z.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def heading(metric: Metric) -> str:
    """Title of a metric with the unit of its values."""
    unit = "%" if metric.unit == "points" else metric.unit
    return f"{metric.title}, {unit}" if unit else metric.title


def difference_heading(metric: Metric) -> str:
    """What a difference of two values of a metric is in: "points of balanced accuracy"."""
    return f"{metric.unit} of {metric.title}" if metric.unit else metric.title


def shown(metric: Metric, value: float) -> str:
    """Format a value of a metric."""
    return unsigned(metric.scale * value, metric.digits)


def difference(metric: Metric, value: float) -> str:
    """Format a difference of two values of a metric."""
    return signed(metric.scale * value, metric.digits)


def shows(metric: Metric, value: float) -> bool:
    """Whether a difference of two values of a metric is more than nothing in the digits that are shown."""
    return bool(np.isfinite(value)) and round(metric.scale * value, metric.digits) != 0


def is_harm(metric: Metric, gain: float, high: float) -> bool:
    """Whether a teacher did harm: the interval of its gain lies below 0, and the gain is not shown as 0."""
    return high < 0 and shows(metric, gain)


def better_than_chance(task: Task, mean: float, low: float) -> bool:
    """Whether the interval of a mean of the primary metric lies above chance; the best possible mean has none."""
    return low > task.chance or mean >= task.metrics[task.primary].high


def with_unit(metric: Metric, value: float) -> str:
    """Format a difference of two values of a metric and say in what it is: "+1.2 points", "+0.053 of R²"."""
    return f"{difference(metric, value)} {metric.unit or f'of {metric.title}'}"


def interval(show: Callable[[float], str], low: float, high: float) -> str:
    """Format an interval to stand behind its value: " (−0.3 to +2.7)", and nothing where there is none."""
    return f" ({show(low)} to {show(high)})" if np.isfinite([low, high]).all() else ""


def score(metric: Metric, value: float) -> str:
    """Say what a model reached: "balanced accuracy 74.4%", "Uno's C 0.621"."""
    unit = {"points": "%", "": ""}.get(metric.unit, f" {metric.unit}")
    return f"{metric.title} {shown(metric, value)}{unit}"


def compared(metric: Metric, value: float) -> str:
    """Say a difference of two values of a metric in words: "5.6 points higher", "0.030 lower", "the same"."""
    if not shows(metric, value):
        return "the same"
    amount = f"{unsigned(abs(metric.scale * value), metric.digits)} {metric.unit}".strip()
    return f"{amount} {'higher' if value > 0 else 'lower'}"
