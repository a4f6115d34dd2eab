"""Pages of the site that are made from the code, and links between the repository's files and the site's pages.

Pages are written to docs/made/ before a build. What the code has and this file does not describe stops the build.
"""

import importlib
import inspect
import os
import re
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import typer

import cch_omics
from cch_omics import keys
from cch_omics.cli import app
from cch_omics.config import Config, Section, SheetRow
from cch_omics.config.base import Choice
from cch_omics.data.audit import audit
from cch_omics.data.scale import on_working_scale, scale_of
from cch_omics.information import averaging, pairs
from cch_omics.information.registry import TABLE
from cch_omics.models.recipes import RECIPES
from cch_omics.tasks import TASKS, task_class
from cch_omics.verdict import pilot
from cch_omics.verdict.criteria import CRITERIA

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MADE = DOCS / "made"

# Files of the repository that the site shows, by the page that they become.
SHOWN = {
    "config/README.md": "configuration.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{
        path.relative_to(ROOT).as_posix(): f"benchmarks/{path.name.replace('README', 'index')}"
        for path in sorted((ROOT / "research" / "benchmarks").glob("*.md"))
    },
}
# Public functions beside those of the faces for notebooks.
PUBLIC = {
    "cch_omics.student.bundle": ("read_student",),
    "cch_omics.student.predict": ("predict", "predict_file"),
    "cch_omics.student.validate": ("validate_file",),
    "cch_omics.data.demo": ("download_demo",),
    "cch_omics.data.simulate": ("simulate", "write_simulated", "known_information"),
}

TABLES = {
    "verdicts.tsv": ("What is advised for every teacher, student and recipe.", keys.VERDICT_COLUMNS),
    "teachers.tsv": ("The teacher of each student, or none.", keys.TEACHER_COLUMNS),
    "evidence.tsv": (
        "All else that is known of a pair: a row per outer training set, and one of the full cohort, where `repeat` "
        'and `fold` are -1. Also `mdata.uns["cch_evidence"]`.',
        tuple(
            dict.fromkeys(
                (
                    *keys.SPLIT_COLUMNS,
                    *keys.PAIR_COLUMNS,
                    *pairs.FIRST_COLUMNS,
                    *averaging.COLUMNS,
                    *("accuracy_difference", "margin", "margin_se", "teacher_information", "teacher_information_se"),
                    *("shared_information", "shared_information_se"),
                    *("p_gap_positive", "cross_check_p_gap_positive"),
                    *pilot.COLUMNS,
                    "p_gain_positive",
                )
            )
        ),
    ),
    "gains.tsv": ("What distillation gained on test patients, per fold.", keys.GAIN_COLUMNS),
    "references.tsv": ("Baselines on the same test patients.", keys.REFERENCE_COLUMNS),
    "information.tsv": ("Every estimate of mutual information of the full cohort.", keys.INFORMATION_COLUMNS),
    "scorecard.tsv": ("How well each criterion foretold the gains.", keys.SCORECARD_COLUMNS),
    "intermediate/summary.tsv": ("Mean gains over splits.", keys.SUMMARY_COLUMNS),
    "intermediate/performance.tsv": ("Mean scores of models on test patients.", keys.PERFORMANCE_COLUMNS),
    "intermediate/comparisons.tsv": ("Students against baselines, on the same test patients.", keys.COMPARISON_COLUMNS),
    "intermediate/members.tsv": ("Members of the model of the full cohort.", keys.MEMBER_COLUMNS),
    "students/STUDENT/features.tsv": (
        "What the features of a student weigh, and how much of that came with its teacher ([how](../students.md)).",
        keys.FEATURE_COLUMNS,
    ),
    "validation.tsv, validation/validation.tsv": (
        "Students and baselines on other patients, where the sheet names some; the second name is that of "
        "`cch validate`, which has no baselines.",
        keys.VALIDATION_COLUMNS,
    ),
    "intermediate/validation_features.tsv, validation/features.tsv": (
        "How far each feature of them is from the training; the second name is that of `cch validate`.",
        keys.SHIFT_COLUMNS,
    ),
    "intermediate/validation_predictions.tsv, validation/predictions.tsv": (
        "What was predicted for them, before the columns of the task; the second name is that of `cch validate`.",
        keys.VALIDATED_COLUMNS,
    ),
    "intermediate/predictions.tsv": (
        "Predictions of students for test patients, before the columns of the task.",
        keys.PREDICTION_COLUMNS,
    ),
    "intermediate/criteria.tsv": ("Every criterion about every pair, beside the realised gain.", keys.CRITERIA_COLUMNS),
    "intermediate/advised.tsv": ("What following each criterion gained.", keys.ADVISED_COLUMNS),
}
_SE = "Its standard error, nats."
COLUMNS = {
    "teacher": "View that teaches: an omics, or several joined by `+`; empty = none.",
    "student": "Omics that learns, and that the delivered model predicts from.",
    "recipe": "How the student is made; a name of the table of recipes.",
    "repeat": "Which drawing of the outer folds, from 0; -1 = the full cohort.",
    "fold": "Outer fold that is left out for testing, from 0; -1 = the full cohort.",
    "estimator": "Estimator of mutual information; a name of the table of estimators.",
    "cross_check_estimator": "The second estimator of I(T;S).",
    "dim": "Principal components of a representation that entered the estimator.",
    "mi_teacher_student": "I(T;S): what the representations of teacher and student share, nats.",
    "mi_teacher_student_se": _SE,
    "mi_student_label": "I(S;Y): what the student's representation says of the label, nats.",
    "mi_student_label_se": _SE,
    "mi_teacher_label": "I(T;Y): what the teacher's representation says of the label, nats.",
    "mi_teacher_label_se": _SE,
    "gap": "I(T;S) - I(S;Y), nats; never clipped.",
    "gap_se": _SE,
    "p_gap_positive": "Probability that the gap is positive, after correction by simulations of the cohort.",
    "cross_check_gap": "The gap by the second estimator of I(T;S), nats.",
    "cross_check_gap_se": _SE,
    "cross_check_p_gap_positive": "Probability that the gap is positive, by the second estimator.",
    "gap_at_zero": "What the estimator says in simulations of the cohort whose gap is zero, nats.",
    "gap_simulated_sd": "Its standard deviation over simulations, nats.",
    "cross_check_gap_at_zero": "What the second estimator says where the gap is zero, nats.",
    "cross_check_gap_simulated_sd": "Its standard deviation over simulations, nats.",
    "n_paired": "Samples that have both omics, in the folds that contribute.",
    "n_labelled": "Of these, samples with a label that may be used.",
    "flags": "What the estimators remarked, separated by `;`; empty = nothing.",
    "accuracy_difference": "Primary metric of the teacher minus that of the student, on held-out training samples.",
    "teacher_information": "A lower bound of I(T;Y) from held-out outputs of the teacher, nats.",
    "teacher_information_se": _SE,
    "shared_information": "I(T;S), nats; of the full cohort the mean of the outer training sets.",
    "shared_information_se": _SE,
    "pilot_gain": "What the distilled students of inner folds gained over training alone, in the primary metric.",
    "pilot_gain_se": "Its error as an estimate of what the one delivered student gains, in the primary metric.",
    "taught_information": "What the taught student's held-out outputs say of the label, nats.",
    "p_gain_positive": "Probability that distilling gains, from pilots and a prior around zero.",
    "cch_verdict": "What the paper's rule says: the sign of the gap.",
    "verdict": "What the rule in force says: `distil`, `do_not_distil` or `undecided`.",
    "reason": "Two sentences that say why.",
    "rule": "The criterion that decided.",
    "control": "What the gain is over: `none`, the student trained alone; `self`, taught by its own omics; `shuffled`, "
    "taught by permuted soft targets.",
    "metric": "Name of the metric.",
    "baseline": "Model that is compared with: its name, or its value of the metric on the test patients.",
    "distilled": "Value of the metric of the distilled student on the test patients.",
    "gain": "`distilled` minus `baseline`, so that more is better; in the metric.",
    "n_test": "Labelled test patients.",
    "value": "Value of the metric on the test patients.",
    "quantity": "`teacher_student`, I(T;S); `student_label`, I(S;Y); `teacher_label`, I(T;Y).",
    "of": "What of the teacher: its `representation`, or its `output`.",
    "estimate": "The estimate, nats; never clipped.",
    "se": _SE,
    "ci_low": "Lower end of the 95% interval.",
    "ci_high": "Upper end of the 95% interval.",
    "n": "Samples that entered.",
    "unit": "`nat`.",
    "cohort": "Name in the sheet; `all` = all cohorts with the same metric.",
    "target": "Name of the target.",
    "criterion": "Name of the criterion.",
    "n_pairs": "Pairs with a measured gain.",
    "spearman": "Rank correlation of the score with the mean gain.",
    "sign_accuracy": "Share of right decisions among the decided.",
    "abstention": "Share of undecided pairs.",
    "advised_gain": "Mean gain of following the criterion, chosen inside each outer training set.",
    "n_splits": "Outer splits behind the mean.",
    "model": "`alone`, `self:RECIPE`, `RECIPE:TEACHER`, or the name of a baseline.",
    "mean": "Mean value of the metric over outer splits.",
    "difference": "Primary metric of the student minus that of the baseline.",
    "sample": "Sample id.",
    "score": "The criterion's number, larger for a better teacher.",
    "decision": "The criterion's verdict on the full cohort.",
    "mi_output_student": "I(T's output; S): what the teacher's output and the student's representation share, nats.",
    "mi_output_student_se": _SE,
    "gap_output": "I(T's output; S) - I(S;Y), nats; never clipped.",
    "gap_output_se": _SE,
    "margin": "Slope of the teacher's output on what the student can know of the label, less that on what it cannot.",
    "margin_se": "Its standard error.",
    "member": "`network`, `linear` or `screened`.",
    "weight": "Of the member in the average; 0 = left out.",
    "minus": "Model from which the first differs by this much; empty = the value of the first.",
    "n_patients": "Patients behind the value.",
    "feature": "Name.",
    "class": "Class that the weight speaks for; empty where the target is none.",
    "weight_taught": "What one standard deviation of the feature adds to the score of the taught student, in standard "
    "deviations of that; empty where no teacher was chosen.",
    "weight_alone": "The same of the student trained alone.",
    "change": "`weight_taught` minus `weight_alone`.",
    "measured": "Share of samples with a value.",
    "training_mean": "Mean in the training.",
    "training_sd": "Standard deviation in the training.",
    "shift": "`mean` less `training_mean`, in `training_sd`.",
    "taught": "Share of outer training sets in which the criterion chose a teacher.",
}


def write_pages() -> None:
    """Write all pages; those that did not change keep their date, so that a second build is quick."""
    content = {
        "keys.md": keys_page(),
        "tables.md": tables_page(),
        "registries.md": registries_page(),
        "commands.md": commands_page(),
        "api.md": api_page(),
    }
    for source, page in SHOWN.items():
        content[page] = rewrite((ROOT / source).read_text(encoding="utf-8"), ROOT / source, MADE / page)
    content["benchmarks/index.md"] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    for name, text in content.items():
        file = MADE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for file in MADE.rglob("*.md"):
        if file.relative_to(MADE).as_posix() not in content:
            file.unlink()


def rewrite_source(app: Any, docname: str, source: list[str]) -> None:
    """Sphinx asks before it parses a page."""
    file = DOCS / f"{docname}.md"
    if not docname.startswith("made/"):
        source[0] = rewrite(source[0], file, file)


def rewrite(text: str, origin: Path, page: Path) -> str:
    """Let links of a Markdown file lead to pages of the site; one to another file of the repository becomes its name.

    A link to what does not exist stays, for Sphinx to complain of.
    """

    def link(found: re.Match[str]) -> str:
        said, target, anchor = found[1], found[2], found[3] or ""
        file = Path(os.path.normpath(origin.parent / target))
        inside = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
        if not file.exists() or not inside:
            return found[0]
        if inside in SHOWN:
            file = MADE / SHOWN[inside]
        elif not file.is_relative_to(DOCS):
            return said if inside in said or said.startswith("`") else f"{said} (`{inside}`)"
        return f"[{said}]({Path(os.path.relpath(file, page.parent)).as_posix()}{anchor})"

    return re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)", link, text)


def keys_page() -> str:
    """Every key of the configuration and every column of the sheet, from their models."""
    lines = [
        "# Every key and column",
        "",
        "Made from `cch_omics.config`; the schemas in `workflow/schemas` say the same. ",
    ]
    lines += ["[Configuration](configuration.md) says when to change what.", ""]
    lines += ["## The sheet", "", *_table(("column", "default", "meaning"), _fields(SheetRow, ""))]
    lines += ["## The configuration", "", *_table(("key", "default", "meaning"), _fields(Config, ""))]
    return "\n".join(lines) + "\n"


def _fields(model: type[Section], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _fields(field.annotation, f"{prefix}{name}.")
            continue
        if not field.description:
            raise ValueError(f"{prefix}{name} has no description")
        names = [f"`{each}`" for mark in field.metadata if isinstance(mark, Choice) for each in mark.names if each]
        meaning = field.description + (f" One of {', '.join(names)}." if names else "")
        default = "required" if field.is_required() else f"`{field.default}`" if field.default not in ("", None) else ""
        yield f"`{prefix}{name}`", default, meaning


def tables_page() -> str:
    """Columns of all tables, from `cch_omics.keys` and the code that makes them."""
    lines = [
        "# Tables and columns",
        "",
        "In `results/COHORT/TARGET`. Tab-separated; an empty cell is a missing value.",
        "",
    ]
    used: set[str] = set()
    for file, (what, columns) in TABLES.items():
        lines += [f"## {file}", "", what, "", *_table(("column", "meaning"), ((f"`{c}`", COLUMNS[c]) for c in columns))]
        used |= set(columns)
    if unused := COLUMNS.keys() - used:
        raise ValueError(f"no table has the columns {unused}")
    if undescribed := {name for name in vars(keys) if name.endswith("_COLUMNS")} - {
        *("SPLIT_COLUMNS", "PAIR_COLUMNS"),
        *(name for name in vars(keys) if any(vars(keys)[name] is columns for _, columns in TABLES.values())),
    }:
        raise ValueError(f"no page shows the columns keys.{undescribed}")
    lines += ["## audit.json", "", _first_line(audit), "", _returned(audit, "dict"), ""]
    lines += ["The `scale` of a modality:", "", f"- {_returned(scale_of, 'dict')}"]
    lines += [f"- {_returned(on_working_scale, 'scale')}"]
    return "\n".join(lines) + "\n"


def registries_page() -> str:
    """What the configuration offers, from the registries."""
    lines = ["# Criteria, estimators, recipes and tasks", "", "Made from the registries of the package.", ""]
    rows = (
        (f"`{each.name}`", each.meaning, "yes" if each.needs_distillation else "", each.reference)
        for each in CRITERIA.values()
    )
    lines += ["## Criteria", "", "`criterion.rule` names the one that decides.", ""]
    lines += _table(("name", "meaning", "waits for students", "from"), rows)
    lines += ["## Estimators of mutual information", ""]
    entries = ((f"`{each.name}`", each.estimates, each.needs, each.limits, each.reference) for each in TABLE)
    lines += _table(("name", "estimates", "needs", "limits", "from"), entries)
    lines += ["## Recipes", "", "How a student is made.", ""]
    lines += _table(("name", "a student"), ((f"`{each.name}`", each.title) for each in RECIPES.values()))
    lines += ["## Tasks", "", "Kinds of target.", ""]
    tasks = ((f"`{name}`", _first_line(task_class(name))) for name in TASKS)
    lines += _table(("name", "meaning"), tasks)
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Help of every command, as it prints it."""
    group = typer.main.get_command(app)
    context = click.Context(group, info_name="cch", terminal_width=100, max_content_width=100)
    lines = ["# Commands", "", "```text", group.get_help(context), "```", ""]
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
        of_command = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
        lines += [f"## cch {name}", "", "```text", command.get_help(of_command), "```", ""]
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """Public functions, for autodoc and numpydoc."""
    lines = ["# Python", "", "Faces for notebooks are imported with the package: `import cch_omics`.", ""]
    for name in (*(f"cch_omics.{face}" for face in cch_omics._FACES), *PUBLIC):
        module = importlib.import_module(name)
        lines += [f"## {name}", "", _first_line(module), "", "```{eval-rst}"]
        for function in PUBLIC.get(name) or _functions(module):
            lines += [f".. autofunction:: {name}.{function}", ""]
        lines += ["```", ""]
    return "\n".join(lines) + "\n"


def _functions(module: types.ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _returned(function: types.FunctionType, what: str) -> str:
    """What a docstring says of one of the things that a function returns."""
    section = re.search(r"Returns\n-+\n(.*?)(?=\n\w+\n-{3}|\Z)", inspect.getdoc(function) or "", re.DOTALL)
    said = re.search(rf"^{what}\n((?:    .*(?:\n|\Z))+)", section[1] if section else "", re.MULTILINE)
    if said is None:
        raise ValueError(f"{function.__qualname__} does not say what its {what} is")
    return inspect.cleandoc(said[1]).strip()


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    body = ["| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *body, ""]
