"""`config/config.yaml`: its sections and keys."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from cch_omics.config.base import Choice, Section, input_error
from cch_omics.errors import InputError
from cch_omics.information.registry import BETWEEN_VIEWS, WITH_LABEL
from cch_omics.verdict.criteria import CRITERIA

Model = TypeVar("Model", bound=Section)
Fraction = Annotated[float, Field(gt=0, le=1)]


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
        except (re.error, OverflowError, RecursionError) as error:
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
    """Outer splits measure gains; inner folds give out-of-fold representations and soft targets."""

    repeats: Annotated[int, Field(ge=1, le=100)] = Field(2, description="Times the outer folds are drawn anew.")
    folds: Annotated[int, Field(ge=2, le=50)] = Field(5, description="Outer folds.")
    inner_folds: Annotated[int, Field(ge=3, le=50)] = Field(
        5,
        description="Inner folds of each outer training set, the same for every modality. At least 3: what teaches a "
        "student of an inner fold saw neither that fold nor its own.",
    )
    by_site: bool = Field(False, description="Keep all patients of a tissue source site in one outer fold.")
    label_draw: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        0, description="Seed with which the labels of a `label_budget` are drawn, once for all splits of a cohort."
    )

    @property
    def fewest_patients(self) -> int:
        """Labelled patients that a stratum needs to reach every inner fold of a training set without an outer fold."""
        return max(self.folds, -(-self.inner_folds * self.folds // (self.folds - 1)))

    def labels_kept(self, labels: int, budget: float) -> int:
        """How many of the labels of a stratum of the cohort a budget keeps: at least as many as the folds need."""
        return min(labels, max(round(budget * labels), self.fewest_patients))

    def label_shares(self, labels: Mapping[str, int], budget: float) -> tuple[float, dict[str, float]]:
        """Share of the labels of a cohort, given by stratum, that a budget keeps: of all, and by stratum."""
        kept = {name: self.labels_kept(count, budget) for name, count in labels.items()}
        shares = {name: kept[name] / max(count, 1) for name, count in labels.items()}
        return sum(kept.values()) / max(sum(labels.values()), 1), shares


class EncoderConfig(Section):
    """The network: principal components -> one hidden layer (the representation) -> outputs of the task."""

    units: Annotated[int, Field(ge=1, le=1000)] = Field(12, description="Units of the representation.")
    components: Annotated[int, Field(ge=1, le=10_000)] = Field(
        64, description="Principal components, fitted on training patients, that enter the network."
    )
    max_features: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        5000, description="Features kept by variance among training patients."
    )
    max_epochs: Annotated[int, Field(ge=1, le=10_000)] = Field(
        150, description="Full-batch steps; the number used is chosen on inner folds."
    )
    learning_rate: Annotated[float, Field(ge=1e-6, le=1)] = Field(0.01, description="Adam's step size.")
    weight_decay: Annotated[float, Field(ge=0, le=10)] = Field(0.01, description="Decoupled weight decay.")
    dropout: Annotated[float, Field(ge=0, le=0.95)] = Field(0.2, description="Dropout of the network's inputs.")


class InformationConfig(Section):
    """Mutual information, in nats, from out-of-fold representations."""

    teacher_student: Annotated[str, Choice(BETWEEN_VIEWS)] = Field("ksg", description="Estimator of I(H_T;H_S).")
    cross_check: Annotated[str, Choice(BETWEEN_VIEWS)] = Field(
        "gaussian",
        description="Second estimator of I(H_T;H_S), of another kind: the sign of a gap is shown where both agree on "
        "it.",
    )
    label: Annotated[str, Choice(WITH_LABEL)] = Field(
        "auto", description="Estimator of I(H_S;Y) and I(H_T;Y); auto = that of the task, or of few labels."
    )
    neighbours: Annotated[int, Field(ge=1, le=100)] = Field(3, description="k of the estimators by nearest neighbours.")
    dimension: Annotated[int, Field(ge=1, le=1000)] = Field(
        8, description="Principal components of a representation that enter an estimator."
    )
    subsamples: Annotated[int, Field(ge=2, le=10_000)] = Field(50, description="Half-samples behind a standard error.")
    simulations: Annotated[int, Field(ge=8, le=1000)] = Field(
        32, description="Parametric simulations of the cohort, on which the estimators are calibrated."
    )


class CriterionConfig(Section):
    """What decides whether a student gets a teacher, and how sure it has to be."""

    rule: Annotated[str, Choice(tuple(CRITERIA))] = Field(
        "pilot", description="The criterion that decides: its verdicts choose the teachers of the students."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95,
        description="Probability with which a gain must be positive for `distil`; with one minus it at most: "
        "`do_not_distil`.",
    )


class DistillationConfig(Section):
    """How students are taught."""

    weight: Fraction = Field(0.75, description="Weight of the soft targets in the loss; the labels have the rest.")
    temperature: Annotated[float, Field(ge=0.01, le=100)] = Field(1.0, description="Temperature of the soft targets.")
    unlabelled: bool = Field(True, description="Use soft targets of paired patients without a label.")
    evaluate: Literal["all", "chosen"] = Field(
        "all",
        description="Students that are distilled and evaluated: those of all teachers, or those of the chosen teachers "
        "with their controls.",
    )


class BaselinesConfig(Section):
    """Models of the student's omics, without a teacher, that a distilled student has to beat."""

    linear: bool = Field(True, description="Penalised linear model.")
    boosting: bool = Field(True, description="Gradient boosting.")


class ReportConfig(Section):
    """The HTML page."""

    title: str = Field("Cross-omics distillation", description="Heading of every page.")
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = Field(200, description="Rows of a table shown.")


class Config(Section):
    """`config/config.yaml`. A key that is left out has its default."""

    cohorts: str = Field(..., description="The sheet: one row per cohort and target.")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(0, description="Seed of every random number.")
    one_job_below_mb: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        20,
        description="Cohorts whose files are smaller, in MB, take all steps after `ingest` in one job; 0: none.",
    )
    download: DownloadConfig = DownloadConfig()
    ingest: IngestConfig = IngestConfig()
    splits: SplitsConfig = SplitsConfig()
    encoder: EncoderConfig = EncoderConfig()
    information: InformationConfig = InformationConfig()
    criterion: CriterionConfig = CriterionConfig()
    distillation: DistillationConfig = DistillationConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    report: ReportConfig = ReportConfig()
    # Snakemake's own key, present when another workflow relocates this one's paths.
    pathvars: dict[str, Any] | None = Field(None, description="Snakemake's path variables.")


def load_config(mapping: Mapping[str, Any], where: str = "the configuration", kind: str = "key") -> Config:
    """Check a configuration and fill in what is left out.

    Parameters
    ----------
    mapping
        What `config.yaml` and the command line say together.
    where, kind
        How an error names the configuration, and what an entry is there: "key" or "argument".

    Raises
    ------
    InputError
        On a key that does not exist or a value that cannot be: names the key, what was found and what is valid. Also
        where two keys exclude each other.
    """
    config = section(Config, mapping, where, kind)
    if config.information.dimension > config.encoder.units:
        raise InputError(
            f"{where}, {kind} information.dimension",
            str(config.information.dimension),
            f"at most encoder.units, {config.encoder.units}",
            "A representation has no more principal components than units: lower the one or raise the other.",
        )
    rule = config.criterion.rule
    if config.distillation.evaluate == "chosen" and CRITERIA[rule].needs_distillation:
        free = [name for name, criterion in CRITERIA.items() if not criterion.needs_distillation]
        raise InputError(
            f"{where}, {kind} distillation.evaluate",
            f"'chosen' with criterion.rule {rule!r}",
            f"'all', or a rule that needs no distillation: {', '.join(free)}",
            f"The rule {rule!r} decides from the students of all teachers, so that all of them are distilled.",
        )
    return config


def section(model: type[Model], mapping: Mapping[str, Any], where: str, kind: str = "key") -> Model:
    """Check one section of the configuration, as `load_config` does the whole."""
    try:
        return model.model_validate(dict(mapping))
    except ValidationError as error:
        raise input_error(error, model, where, kind) from None
