"""The cohort sheet: one row per cohort and target."""

import csv
import io
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from cch_omics.config.base import Choice, Section, input_error, keys_of, near
from cch_omics.errors import InputError
from cch_omics.keys import SCALE_NAMES
from cch_omics.tasks import NO_TRANSFORM, TASKS, TRANSFORMS

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
# Names of files and folders are made of them; file systems take 255 bytes.
LONGEST_NAME = 100
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
# Beside the folders of cohorts, the workflow writes these.
_TAKEN = {"report.html", "scorecard.tsv", "verdicts_mqc.tsv", "pool.log"}
# Between the column of a target and its name.
_AS = " as "


class SheetRow(Section):
    """One row of the cohort sheet."""

    cohort: Name = Field(..., description="Name of the cohort: a folder name.")
    source: str = Field(
        ...,
        min_length=1,
        description="`.h5mu` file, folder, demo:NAME, simulated:NAME, cbioportal:STUDY or xena:COHORT.",
    )
    target: str = Field(
        ...,
        description="Label column of the clinical table or of `.obs`; of a survival time, what comes before `_time` "
        "and `_event` in the names of its two columns; COLUMN as NAME if that cannot name a folder.",
    )
    task: Annotated[str, Choice(("", *TASKS))] = Field(
        "", description="Kind of target; empty = seen from the column: text, booleans and few numbers are classes."
    )
    modalities: str = Field("", description="Comma list; empty = all.")
    group: str = Field("", description="Column of patient ids; empty = from the barcode.")
    classes: str = Field("", description="Comma list; other values count as missing; empty = all.")
    transform: Annotated[str, Choice(("", *TRANSFORMS["regression"]))] = Field(
        "", description="Of a number, fitted on training labels: models learn what it makes of them; empty = none."
    )
    label_budget: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Fraction of the labels that training may use."
    )
    derived_from: str = Field("", description="Modality that the target was defined from.")
    teachers: str = Field(
        "",
        description="Views that may teach, separated by `;`: modalities, or several joined by `+`; empty = every "
        "modality but `derived_from`.",
    )

    scale: str = Field(
        "",
        description="Scales of modalities, such as `rna=counts;methylation=beta`; empty = as told from the values.",
    )
    # Models of pydantic have a method of the column's name.
    others: str = Field(
        "",
        alias="validate",
        description="Source of other patients with the same omics and target, on whom the students are judged; empty = "
        "none.",
    )

    @field_validator("cohort")
    @classmethod
    def _is_free(cls, cohort: str) -> str:
        if cohort.lower() in _TAKEN:
            raise ValueError("a name that is not that of a file of the workflow")
        return cohort

    @field_validator("source", "others")
    @classmethod
    def _is_no_pattern(cls, source: str) -> str:
        if re.search(r"[{}]|<[a-z][a-z0-9_]*>", source):
            raise ValueError("a path without braces or <word>, which Snakemake fills in: rename the folder")
        return source

    @field_validator("target")
    @classmethod
    def _names_a_folder(cls, target: str) -> str:
        column, name = _column_and_name(target)
        if not column or not is_name(name):
            raise ValueError(
                f"a column whose name can be that of a folder ({NAME_RULE}), or COLUMN as NAME: write "
                f"`{target_cell(column or name)}`"
            )
        return target

    @property
    def target_column(self) -> str:
        """Column of the labels."""
        return _column_and_name(self.target)[0]

    @property
    def target_name(self) -> str:
        """What folders, tables and pages call the target."""
        return _column_and_name(self.target)[1]


NAME_RULE = f"letters, digits, '_', '.' and '-' only, a letter or digit first, at most {LONGEST_NAME}"
SHEET_COLUMNS = keys_of(SheetRow)


def is_name(text: str) -> bool:
    """Whether a text can be the name of a file or folder."""
    return len(text) <= LONGEST_NAME and re.fullmatch(NAME_PATTERN, text) is not None


def target_cell(column: str) -> str:
    """What the cell `target` says of any column: with a name made of its letters and digits."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_.-")[:LONGEST_NAME]
    return f"{column}{_AS}{name or 'target'}"


def _column_and_name(target: str) -> tuple[str, str]:
    """Column and name that a cell `target` says."""
    column, separator, name = target.rpartition(_AS)
    return (column.strip(), name.strip()) if separator else (target, target)


def make_row(columns: Mapping[str, object], where: str, kind: str = "key") -> SheetRow:
    """Check the columns of a row, each and together.

    Parameters
    ----------
    where, kind
        How an error names the row, and what a column is there.
    """
    try:
        row = SheetRow.model_validate(dict(columns))
    except ValidationError as error:
        raise input_error(error, SheetRow, where, kind) from None
    _check_row(row, where, kind)
    return row


def read_sheet(path: str | os.PathLike[str]) -> list[SheetRow]:
    """Read the cohort sheet: tab-separated, a header, one row per cohort and target; blank and # lines are skipped.

    Empty cells beyond the header and quotes around a cell, which spreadsheets write, do not count.

    Raises
    ------
    InputError
        If the sheet is missing, empty or not tab-separated, if a column is unknown or a required one is absent, if a
        cell cannot be used (the error names row and column), or if two rows have the same cohort and target.
    """
    path = Path(path)
    where = f"cohort sheet {path}"
    header, cells = _sheet_cells(path, where)
    rows: list[SheetRow] = []
    seen: dict[tuple[str, str], int] = {}
    for line, values in cells:
        here = f"{where}, row {line}"
        if len(values) < len(header) or any(values[len(header) :]):
            raise InputError(
                here,
                f"{len(values)} cells",
                f"{len(header)}, one for each column of the header ({', '.join(header)})",
                "Separate the cells by single tabs; an empty cell still needs its tab.",
            )
        row = make_row({column: value for column, value in zip(header, values, strict=False) if value}, here, "column")
        key = (row.cohort, row.target_name)
        if key in seen:
            raise InputError(
                here,
                f"cohort {row.cohort!r} with target {row.target_name!r} a second time (first in row {seen[key]})",
                "each pair of cohort and target once, because it names the folder of the results",
                "Give one of the rows another cohort name, or its target another name (COLUMN as NAME); rows with the "
                "same source share its download.",
            )
        seen[key] = line
        rows.append(row)
    if not rows:
        raise InputError(
            where, "a header and no row", "one row per cohort and target", "config/cohorts.tsv is an example."
        )
    return rows


def comma_list(cell: str) -> list[str]:
    """Items of a comma list, without the blanks around them; none for an empty cell.

    An item with a comma stands in quotes, as the module `csv` has them.
    """
    rows = csv.reader(io.StringIO(cell, newline=""), skipinitialspace=True)
    return [item.strip() for item in chain.from_iterable(rows) if item.strip()]


def comma_cell(items: Iterable[object]) -> str:
    """A comma list that `comma_list` reads."""
    return ",".join('"' + str(item).replace('"', '""') + '"' for item in items)


def teachers_of_row(row: SheetRow, modalities: list[str]) -> tuple[str, ...]:
    """Views that may teach the students of a row: those it asks for, or every modality but the one in `derived_from`.

    Parameters
    ----------
    modalities
        Names of the row's modalities.

    Returns
    -------
    tuple
        Names of views, such as `rna` or `rna+cnv`.

    Raises
    ------
    InputError
        If a view has a modality twice or one that the row does not have, or if two views have the same modalities.
    """
    views = _views(row.teachers)
    check_views(views, f"cohort {row.cohort!r}, `teachers`", modalities)
    others = [name for name in modalities if name != row.derived_from]
    return tuple(views or others or modalities)


def scales_of_row(row: SheetRow, modalities: Collection[str]) -> dict[str, str]:
    """Scales, names of `data.working_scale.SCALES`, that a row says of its modalities.

    Parameters
    ----------
    modalities
        Those of the row's source, of which it may not use all.

    Raises
    ------
    InputError
        If a modality is not among them.
    """
    return _scales(row.scale, f"cohort {row.cohort!r}, `scale`", modalities)


def check_views(views: list[str], where: str, modalities: list[str]) -> None:
    """Refuse views that are no views of some modalities (none = not known yet)."""
    seen: dict[frozenset[str], str] = {}
    for view in views:
        names = view.split("+")
        if len(view) > 2 * LONGEST_NAME:
            advice = "Its files are named by them: rename modalities in the source."
            raise InputError(where, f"a view of {len(view)} characters", f"at most {2 * LONGEST_NAME}", advice)
        for name in names:
            if not is_name(name):
                raise InputError(
                    where,
                    f"the view {view!r}",
                    "modalities joined by '+', views separated by ';'",
                    "Write for example `rna;rna+cnv`.",
                )
            if names.count(name) > 1:
                raise InputError(where, f"{name!r} twice in {view!r}", "every modality once", "Remove one of them.")
            if modalities and name not in modalities:
                raise InputError(
                    where,
                    f"{name!r} in {view!r}",
                    f"modalities among {', '.join(modalities)}",
                    near(name, modalities),
                )
        if frozenset(names) in seen:
            raise InputError(
                where,
                f"{seen[frozenset(names)]!r} and {view!r}, which are the same view",
                "every view once, whatever the order of its modalities",
                "Remove one of them.",
            )
        seen[frozenset(names)] = view


def check_modality(name: str, where: str) -> None:
    """Refuse a modality whose name cannot be part of a file name.

    Raises
    ------
    InputError
        If the name has anything but letters, digits, `_`, `.` and `-`, or is long.
    """
    if not is_name(name):
        raise InputError(where, f"the modality {name!r}", NAME_RULE, "Rename the modality in the source.")


def check_transform(transform: str, task: str, where: str) -> None:
    """Refuse a transform of a target whose task has none.

    Raises
    ------
    InputError
        If it is not one of the task's.
    """
    if transform not in {"", NO_TRANSFORM, *TRANSFORMS.get(task, ())}:
        raise InputError(
            where,
            f"{transform!r} beside the task {task!r}",
            "nothing",
            "Only the number of a regression is transformed: leave one of the two empty.",
        )


def _views(cell: str) -> list[str]:
    """Views of the column `teachers`, without blanks inside them; none for an empty cell."""
    return ["+".join(name.strip() for name in view.split("+")) for view in cell.split(";")] if cell.strip() else []


def _scales(cell: str, where: str, modalities: Collection[str]) -> dict[str, str]:
    """Scales by modality of the column `scale`; of any modalities, if none are given."""
    scales: dict[str, str] = {}
    for item in filter(None, map(str.strip, cell.split(";"))):
        name, _, scale = map(str.strip, item.partition("="))
        if scale not in SCALE_NAMES:
            expected = f"MODALITY=SCALE, with one of {', '.join(SCALE_NAMES)}"
            raise InputError(where, repr(item), expected, near(scale or name, SCALE_NAMES))
        if name in scales:
            raise InputError(where, f"{name!r} twice", "every modality once", "Remove one of them.")
        if modalities and name not in modalities:
            expected = f"one of {', '.join(sorted(modalities))}"
            raise InputError(where, f"the modality {name!r}", expected, near(name, modalities))
        scales[name] = scale
    return scales


def _sheet_cells(path: Path, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and numbered rows of a sheet."""
    try:
        mode = path.stat().st_mode
        found = "" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        text = "" if found else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = "no such file"
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        raise InputError(
            where,
            "bytes that are not UTF-8 text",
            "a tab-separated text file in UTF-8",
            "Save the sheet as tab-separated text, not as a spreadsheet.",
        ) from None
    if found:
        raise InputError(
            where,
            found,
            "a tab-separated table",
            f"Relative paths start at {Path.cwd()}; `--config cohorts=SHEET` names another sheet.",
        )
    numbered = ((number, _cells(line)) for number, line in enumerate(text.split("\n"), start=1))
    lines = [(number, cells) for number, cells in numbered if any(cells) and not cells[0].startswith("#")]
    columns = ", ".join(SHEET_COLUMNS)
    if not lines:
        raise InputError(
            where, "an empty file", f"a header with the columns {columns}", "config/cohorts.tsv is an example."
        )
    header = lines[0][1]
    while not header[-1]:
        header.pop()
    if len(header) == 1 and any(mark in header[0] for mark in ",;"):
        raise InputError(
            where,
            f"a header separated by commas or semicolons: {header[0]!r}",
            "tabs between the columns (commas separate items inside a cell)",
            "Save the sheet as tab-separated text.",
        )
    for column in header:
        if column not in SHEET_COLUMNS:
            raise InputError(
                where, f"the unknown column {column!r}", f"columns among {columns}", near(column, SHEET_COLUMNS)
            )
        if header.count(column) > 1:
            raise InputError(where, f"the column {column!r} twice", "every column once", "Remove one of them.")
    for column, field in SheetRow.model_fields.items():
        if field.is_required() and column not in header:
            raise InputError(
                where,
                f"no column {column!r} (there is {', '.join(header)})",
                f"a column {column!r}: {(field.description or '').rstrip('.')}",
                "Add the column to the header and a cell to every row.",
            )
    return header, lines[1:]


def _cells(line: str) -> list[str]:
    """Cells of a line, without blanks around them, and without the quotes that spreadsheets put around some."""
    cells = [cell.strip() for cell in line.split("\t")]
    quoted = [re.fullmatch('"((?:[^"]|"")*)"', cell) for cell in cells]
    return [match[1].replace('""', '"').strip() if match else cell for cell, match in zip(cells, quoted, strict=True)]


def _check_row(row: SheetRow, where: str, kind: str) -> None:
    """What two cells of a row say together."""
    modalities, classes = comma_list(row.modalities), comma_list(row.classes)
    for column, items in (("modalities", modalities), ("classes", classes)):
        for item in items:
            if items.count(item) > 1:
                raise InputError(
                    f"{where}, {kind} {column}", f"{item!r} twice", "every item once", "Remove one of them."
                )
        if len(items) == 1:
            raise InputError(
                f"{where}, {kind} {column}",
                f"only {items[0]!r}",
                "at least two items, or nothing for all",
                "A student needs another omics to learn from."
                if column == "modalities"
                else "One class leaves nothing to predict.",
            )
    if classes and row.task not in {"", "classification"}:
        raise InputError(
            f"{where}, {kind} classes",
            f"{row.classes!r} beside the task {row.task!r}",
            "nothing",
            "Only a classification has classes: leave one of the two empty.",
        )
    if row.others == row.source:
        raise InputError(
            f"{where}, {kind} validate",
            f"{row.others!r}, the source of the row itself",
            "other patients, or nothing",
            "Patients who train a student say nothing of others.",
        )
    if row.task:
        check_transform(row.transform, row.task, f"{where}, {kind} transform")
    for item in modalities:
        check_modality(item, f"{where}, {kind} modalities")
    check_views(_views(row.teachers), f"{where}, {kind} teachers", modalities)
    _scales(row.scale, f"{where}, {kind} scale", modalities)
    if row.derived_from and modalities and row.derived_from not in modalities:
        raise InputError(
            f"{where}, {kind} derived_from",
            repr(row.derived_from),
            f"one of the modalities {', '.join(modalities)}",
            near(row.derived_from, modalities),
        )
