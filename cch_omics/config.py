"""The one description of the configuration and of the cohort sheet.

The JSON schemas in `workflow/schemas` are generated from these models (`cch schemas`); every default is stated here once.
Nothing in this file imports torch or anndata: Snakemake's own process reads it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitsConfig(Section):
    """Outer splits measure gains; inner folds give held-out representations and soft targets."""

    repeats: Annotated[int, Field(ge=1)] = Field(2, description="Times the outer folds are drawn anew.")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="Outer folds.")
    inner_folds: Annotated[int, Field(ge=2)] = Field(
        5, description="Inner folds of each outer training set, the same for every modality."
    )
    by_site: bool = Field(
        False, description="Keep all patients of a tissue source site in one outer fold."
    )


class EncoderConfig(Section):
    """The network: principal components -> one hidden layer (the representation) -> classes."""

    units: Annotated[int, Field(ge=1)] = Field(12, description="Units of the representation.")
    components: Annotated[int, Field(ge=1)] = Field(
        256, description="Principal components, fitted on training patients, that enter the network."
    )
    max_features: Annotated[int, Field(ge=1)] = Field(
        5000, description="Features kept by variance among training patients."
    )
    max_epochs: Annotated[int, Field(ge=1)] = Field(
        150, description="Full-batch steps; the number used is chosen on inner folds."
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.01, description="Adam's step size.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="Decoupled weight decay."
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="Dropout of the network's inputs."
    )


class InformationConfig(Section):
    """Mutual information, in nats, from held-out representations."""

    teacher_student: Literal["ksg"] = Field("ksg", description="Estimator of I(H_T;H_S).")
    label: Literal["ross"] = Field("ross", description="Estimator of I(H_S;Y) and I(H_T;Y).")
    neighbours: Annotated[int, Field(ge=1)] = Field(3, description="k of both estimators.")
    dimension: Annotated[int, Field(ge=1)] = Field(
        8, description="Principal components of a representation that enter an estimator."
    )
    subsamples: Annotated[int, Field(ge=2)] = Field(
        50, description="Half-samples behind a standard error."
    )


class CriterionConfig(Section):
    """When a difference is believed."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.9,
        description="Probability that the gap and the advantage must have for `distil`; below one minus it: `do_not_distil`.",
    )


class DistillationConfig(Section):
    """Soft targets."""

    lambdas: list[Fraction] = Field(
        [0.5, 0.9], min_length=1, description="Weights of the soft targets, chosen on inner folds."
    )
    temperatures: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0, 3.0], min_length=1, description="Temperatures, chosen on inner folds."
    )
    unlabelled: bool = Field(
        True, description="Use soft targets of paired patients without a label."
    )


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
    splits: SplitsConfig = SplitsConfig()
    encoder: EncoderConfig = EncoderConfig()
    information: InformationConfig = InformationConfig()
    criterion: CriterionConfig = CriterionConfig()
    distillation: DistillationConfig = DistillationConfig()
    references: ReferencesConfig = ReferencesConfig()
    report: ReportConfig = ReportConfig()
    # Snakemake's own key, present when another workflow relocates this one's paths.
    pathvars: dict[str, Any] | None = Field(None, description="Snakemake's path variables.")


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class SheetRow(Section):
    """One row of the cohort sheet."""

    cohort: Name = Field(..., description="Name of the cohort: a folder name.")
    source: str = Field(..., min_length=1, description="`.h5mu` file, table folder, demo:NAME or simulated:NAME.")
    target: Name = Field(..., description="Label column of the clinical table or of `.obs`.")
    task: Literal["classification"] = Field("classification", description="Kind of target.")
    modalities: str = Field("", description="Comma list; empty = all.")
    group: str = Field("", description="Column of patient ids; empty = from the barcode.")
    classes: str = Field("", description="Comma list; other values count as missing; empty = all.")
    label_budget: Fraction = Field(1.0, description="Fraction of each training set's labels kept.")
    derived_from: str = Field("", description="Modality that the target was defined from.")
