"""The one description of the configuration and of the cohort sheet.

The JSON schemas in `workflow/schemas` are generated from these models (`cch schemas`); every default is stated here
once. Nothing in this file imports torch or anndata: Snakemake's own process reads it.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from cch_omics.errors import InputError

Fraction = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IngestConfig(Section):
    """How tables are joined, and how much may be missing from them."""

    patient_pattern: str = Field(
        "",
        description="Regular expression of a whole sample id with the group (?P<patient>...), and perhaps `sample`, "
        "`site` and `normal`; empty = TCGA barcodes.",
    )
    max_missing_feature: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="Features of which more is missing are left out."
    )
    max_missing_sample: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="Samples of which more is missing count as lacking the modality."
    )
    max_missing_modality: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.8, description="A modality of which more is missing is refused."
    )

    @field_validator("patient_pattern")
    @classmethod
    def _has_a_patient(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from None
        if pattern and "patient" not in groups:
            raise ValueError("a regular expression with the group (?P<patient>...)")
        return pattern


class DownloadConfig(Section):
    """Where `cbioportal:STUDY` and `xena:COHORT` are downloaded from."""

    cbioportal: str = Field(
        "https://datahub.assets.cbioportal.org", description="Folder of archives of studies, STUDY.tar.gz."
    )
    xena: str = Field(
        "https://tcga-xena-hub.s3.us-east-1.amazonaws.com/download",
        description="Folder of data sets, such as TCGA.BRCA.sampleMap/HiSeqV2.gz.",
    )
    sha256: dict[str, str] = Field(
        {}, description="Expected SHA-256 by the name of a file; other files are recorded, not compared."
    )


class SplitsConfig(Section):
    """Outer splits measure gains; inner folds give held-out representations and soft targets."""

    repeats: Annotated[int, Field(ge=1)] = Field(2, description="Times the outer folds are drawn anew.")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="Outer folds.")
    inner_folds: Annotated[int, Field(ge=3)] = Field(
        5,
        description="Inner folds of each outer training set, the same for every modality. At least 3: what teaches a "
        "student of an inner fold saw neither that fold nor its own.",
    )
    by_site: bool = Field(False, description="Keep all patients of a tissue source site in one outer fold.")


class EncoderConfig(Section):
    """The network: principal components -> one hidden layer (the representation) -> classes."""

    units: Annotated[int, Field(ge=1)] = Field(12, description="Units of the representation.")
    components: Annotated[int, Field(ge=1)] = Field(
        64, description="Principal components, fitted on training patients, that enter the network."
    )
    max_features: Annotated[int, Field(ge=1)] = Field(
        5000, description="Features kept by variance among training patients."
    )
    max_epochs: Annotated[int, Field(ge=1)] = Field(
        150, description="Full-batch steps; the number used is chosen on inner folds."
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.01, description="Adam's step size.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="Decoupled weight decay.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="Dropout of the network's inputs.")


class InformationConfig(Section):
    """Mutual information, in nats, from held-out representations."""

    teacher_student: Literal["ksg", "ksg2", "mixed", "gaussian", "copula", "latent", "infonce", "mine"] = Field(
        "ksg", description="Estimator of I(H_T;H_S)."
    )
    cross_check: Literal["ksg", "ksg2", "mixed", "gaussian", "copula", "latent", "infonce", "mine"] = Field(
        "gaussian",
        description="Second estimator of I(H_T;H_S), of another kind: the sign of a gap is shown where both agree on "
        "it.",
    )
    label: Literal["ross", "crossentropy"] = Field("ross", description="Estimator of I(H_S;Y) and I(H_T;Y).")
    neighbours: Annotated[int, Field(ge=1)] = Field(3, description="k of the estimators by nearest neighbours.")
    dimension: Annotated[int, Field(ge=1)] = Field(
        8, description="Principal components of a representation that enter an estimator."
    )
    subsamples: Annotated[int, Field(ge=2)] = Field(50, description="Half-samples behind a standard error.")
    simulations: Annotated[int, Field(ge=8)] = Field(
        32, description="Simulated twins of the cohort, on which the estimators are calibrated."
    )


class CriterionConfig(Section):
    """When a difference is believed."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95,
        description="Probability with which a gain must be positive for `distil`; with one minus it at most: "
        "`do_not_distil`.",
    )
    pilot: Literal["linear", "network"] = Field(
        "network",
        description="Pilot students that a verdict asks: `network`, the students that are distilled anyhow, on the "
        "inner folds; or `linear`, in closed form: worse, but verdicts need not wait for distillation.",
    )


# The weight of soft targets by default, which linear pilots and the benefit of a teacher have as well
# (benchmarks/weights.md).
LAMBDA = 0.75


class DistillationConfig(Section):
    """Soft targets."""

    lambdas: list[Fraction] = Field(
        [LAMBDA],
        min_length=1,
        description="Weights of the soft targets; of several, one is chosen for each teacher on inner folds.",
    )
    temperatures: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0], min_length=1, description="Temperatures of the soft targets, as `lambdas`."
    )
    unlabelled: bool = Field(True, description="Use soft targets of paired patients without a label.")


class ReferencesConfig(Section):
    """Models of the student modality that a distilled student has to beat."""

    logistic: bool = Field(True, description="Penalised logistic regression.")
    boosting: bool = Field(True, description="Gradient boosting.")


class ReportConfig(Section):
    """The HTML page."""

    title: str = Field("Cross-omics distillation", description="Heading of every page.")
    max_rows: Annotated[int, Field(ge=1)] = Field(200, description="Rows of a table shown.")


class Config(Section):
    """`config/config.yaml`. A key that is left out has its default."""

    cohorts: str = Field(..., description="The sheet: one row per cohort and target.")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of every random number.")
    download: DownloadConfig = DownloadConfig()
    ingest: IngestConfig = IngestConfig()
    splits: SplitsConfig = SplitsConfig()
    encoder: EncoderConfig = EncoderConfig()
    information: InformationConfig = InformationConfig()
    criterion: CriterionConfig = CriterionConfig()
    distillation: DistillationConfig = DistillationConfig()
    references: ReferencesConfig = ReferencesConfig()
    report: ReportConfig = ReportConfig()
    # Snakemake's own key, present when another workflow relocates this one's paths.
    pathvars: dict[str, Any] | None = Field(None, description="Snakemake's path variables.")


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class SheetRow(Section):
    """One row of the cohort sheet."""

    cohort: Name = Field(..., description="Name of the cohort: a folder name.")
    source: str = Field(
        ...,
        min_length=1,
        description="`.h5mu` file, folder, demo:NAME, simulated:NAME, cbioportal:STUDY or xena:COHORT.",
    )
    target: Name = Field(..., description="Label column of the clinical table or of `.obs`.")
    task: Literal["classification"] = Field("classification", description="Kind of target.")
    modalities: str = Field("", description="Comma list; empty = all.")
    group: str = Field("", description="Column of patient ids; empty = from the barcode.")
    classes: str = Field("", description="Comma list; other values count as missing; empty = all.")
    label_budget: Fraction = Field(1.0, description="Fraction of each training set's labels kept.")
    derived_from: str = Field("", description="Modality that the target was defined from.")


Model = TypeVar("Model", bound=Section)
SHEET_COLUMNS = tuple(SheetRow.model_fields)


def load_config(mapping: Mapping[str, Any], where: str = "the configuration") -> Config:
    """Check a configuration and fill in what is left out.

    Parameters
    ----------
    mapping
        What `config.yaml` and the command line say together.
    where
        How an error names the configuration.

    Raises
    ------
    InputError
        On a key that does not exist or a value that cannot be: names the key, what was found and what is valid.
    """
    config = section(Config, mapping, where)
    if config.information.dimension > config.encoder.units:
        raise InputError(
            f"{where}, key information.dimension",
            str(config.information.dimension),
            f"at most encoder.units, {config.encoder.units}",
            "A representation has no more principal components than units: lower the one or raise the other.",
        )
    return config


def section(model: type[Model], mapping: Mapping[str, Any], where: str) -> Model:
    """Check one section of the configuration, as `load_config` does the whole."""
    try:
        return model.model_validate(dict(mapping))
    except ValidationError as error:
        raise _input_error(error, model, where, "key") from None


def read_sheet(path: str | os.PathLike[str]) -> list[SheetRow]:
    """Read the cohort sheet: tab-separated, a header, one row per cohort and target; blank and # lines are skipped.

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
        if len(values) != len(header):
            raise InputError(
                here,
                f"{len(values)} cells",
                f"{len(header)}, one for each column of the header ({', '.join(header)})",
                "Separate the cells by single tabs; an empty cell still needs its tab.",
            )
        filled = {column: value for column, value in zip(header, values, strict=True) if value}
        try:
            row = SheetRow.model_validate(filled)
        except ValidationError as error:
            raise _input_error(error, SheetRow, here, "column") from None
        _check_row(row, here)
        key = (row.cohort, row.target)
        if key in seen:
            raise InputError(
                here,
                f"cohort {row.cohort!r} with target {row.target!r} a second time (first in row {seen[key]})",
                "each pair of cohort and target once, because it names the folder of the results",
                "Give one of the rows another cohort name; rows with the same source share its download.",
            )
        seen[key] = line
        rows.append(row)
    if not rows:
        raise InputError(
            where, "a header and no row", "one row per cohort and target", "config/cohorts.tsv is an example."
        )
    return rows


def comma_list(cell: str) -> list[str]:
    """Items of a comma list, without the blanks around them; none for an empty cell."""
    return [item.strip() for item in cell.split(",") if item.strip()]


def schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of the configuration and of a sheet row, by the name of their file in `workflow/schemas`."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        "config.schema.json": dialect | Config.model_json_schema(),
        "cohorts.schema.json": dialect | SheetRow.model_json_schema(),
    }


def _sheet_cells(path: Path, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and numbered rows of a sheet."""
    if not path.is_file():
        raise InputError(
            where,
            "no such file" if not path.exists() else "a folder",
            "a tab-separated table",
            f"Relative paths start at {Path.cwd()}; `--config cohorts=SHEET` names another sheet.",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            where,
            "bytes that are not UTF-8 text",
            "a tab-separated text file in UTF-8",
            "Save the sheet as tab-separated text, not as a spreadsheet.",
        ) from None
    lines = [
        (number, [cell.strip() for cell in line.split("\t")])
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    columns = ", ".join(SHEET_COLUMNS)
    if not lines:
        raise InputError(
            where, "an empty file", f"a header with the columns {columns}", "config/cohorts.tsv is an example."
        )
    header = lines[0][1]
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
                where, f"the unknown column {column!r}", f"columns among {columns}", _near(column, SHEET_COLUMNS)
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


def _check_row(row: SheetRow, where: str) -> None:
    """What two cells of a row say together."""
    modalities = comma_list(row.modalities)
    for column, items in (("modalities", modalities), ("classes", comma_list(row.classes))):
        for item in items:
            if items.count(item) > 1:
                raise InputError(
                    f"{where}, column {column}", f"{item!r} twice", "every item once", "Remove one of them."
                )
        if len(items) == 1:
            raise InputError(
                f"{where}, column {column}",
                f"only {items[0]!r}",
                "at least two items, or an empty cell for all",
                "A student needs another omics to learn from."
                if column == "modalities"
                else "One class leaves nothing to predict.",
            )
    for item in modalities:
        check_modality(item, f"{where}, column modalities")
    if row.derived_from and modalities and row.derived_from not in modalities:
        raise InputError(
            f"{where}, column derived_from",
            repr(row.derived_from),
            f"one of this row's modalities: {', '.join(modalities)}",
            _near(row.derived_from, modalities),
        )


def check_modality(name: str, where: str) -> None:
    """Refuse a modality whose name cannot be part of a file name.

    Raises
    ------
    InputError
        If the name has anything but letters, digits, `_`, `.` and `-`.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError(
            where,
            f"the modality {name!r}",
            "letters, digits, '_', '.' and '-' only",
            "Rename the modality in the source.",
        )


def _input_error(error: ValidationError, model: type[Section], where: str, kind: str) -> InputError:
    """Say the first of pydantic's complaints so that its owner can mend it; name how many more there are."""
    complaints = error.errors(include_url=False)
    first = complaints[0]
    place = ".".join(str(part) for part in first["loc"])
    owner, field = _locate(model, first["loc"])
    more = f" ({len(complaints) - 1} more to mend after this one.)" if len(complaints) > 1 else ""
    where = f"{where}, {kind} {place}"
    if first["type"] == "extra_forbidden":
        names = list(owner.model_fields)
        return InputError(
            where, "an unknown key", f"keys among {', '.join(names)}", _near(str(first["loc"][-1]), names) + more
        )
    description = f"{field.description}" if field is not None and field.description else "See config/README.md."
    if first["type"] == "missing":
        return InputError(where, "nothing", f"a value: {description.rstrip('.')}", f"Add the {kind}." + more)
    if first["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        keys = f" with keys among {', '.join(owner.model_fields)}" if owner is not model else ""
        return InputError(where, _shown(first["input"]), f"a section{keys}", "Indent its keys below it." + more)
    expected = _choices(field) or first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        expected = "letters, digits, '_', '.' and '-' only, a letter or digit first"
    return InputError(where, _shown(first["input"]), expected, description + more)


def _locate(model: type[Section], location: tuple[int | str, ...]) -> tuple[type[Section], FieldInfo | None]:
    """The section that a location in the configuration is in, and its field where it names one."""
    field: FieldInfo | None = None
    for part in location:
        found = model.model_fields.get(str(part))
        if found is None:
            break
        field = found
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            model = field.annotation
    return model, field


def _choices(field: FieldInfo | None) -> str:
    """Valid values of a field that has few, e.g. "'ksg'"."""
    if field is None or get_origin(field.annotation) is not Literal:
        return ""
    return "one of " + ", ".join(repr(choice) for choice in get_args(field.annotation))


def _near(name: str, names: Iterable[str]) -> str:
    """Advice about a name that does not exist."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else "Remove it, or see config/README.md for what there is."


def _shown(value: object) -> str:
    """A value as its owner wrote it, short, with its type where that is what is wrong."""
    text = repr(value)
    return (text if len(text) <= 60 else text[:57] + "...") + f" ({type(value).__name__})"
