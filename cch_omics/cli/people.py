"""For people: predictions, a look at the results, the schemas."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cch_omics.cli.command import command, file, numbers
from cch_omics.cli.written import Written, is_schemas, is_validation


@command
def predict(
    student: Annotated[Path, file("DIR", "folder of a student, results/COHORT/TARGET/students/MODALITY")],
    input: Annotated[Path, file("FILE", "samples: .h5mu, .h5ad, .csv, .tsv or .parquet")],
    output: Annotated[Path, Written("FILE", "predictions, .tsv, .csv or .parquet", dash=True)],
) -> None:
    """Predict from the weak omics alone."""
    from cch_omics.student import predict_file

    predict_file(student, input, output)


@command
def validate(
    student: Annotated[Path, file("DIR", "folder of a student, results/COHORT/TARGET/students/MODALITY")],
    input: Annotated[Path, file("FILE", "samples of other patients: .h5mu, .h5ad, .csv, .tsv or .parquet")],
    labels: Annotated[Path, file("FILE", "their labels: a clinical table, .csv or .tsv, or .h5mu or .h5ad")],
    target: Annotated[str, typer.Option(help="column of the labels; that of the training")] = "",
    group: Annotated[str, typer.Option(help="column of patients' ids; as the samples' ids say")] = "",
    output: Annotated[Path, Written("DIR", "tables and page", ours=is_validation)] = Path("validation"),
) -> None:
    """Judge a student, and the one trained alone beside it, on patients who were in no training."""
    from cch_omics.report.external import write_validation_folder
    from cch_omics.student.validate import validate_file

    found = validate_file(student, input, labels, target=target, group=group)
    print(write_validation_folder(found, output))


@command
def explain(
    student: Annotated[Path, file("DIR", "folder of a student, results/COHORT/TARGET/students/MODALITY")],
    features: Annotated[int, typer.Option(min=1, help="how many are shown; the folder's features.tsv has all")] = 20,
) -> None:
    """Say which features a student uses, and which it came to use through its teacher."""
    from cch_omics.student.explain import explained

    print(explained(student, features))


@command
def summary(
    results: Annotated[Path, typer.Argument(help="folder of results")] = Path("results"),
    logs: Annotated[Path | None, typer.Argument(help="folder of logs; logs, beside the results")] = None,
) -> None:
    """Print the verdicts as a small table, what failed, is unfinished or was left out, and where the report is.

    The exit status is 1 if a step failed or its results cannot be read.
    """
    from cch_omics.report.summary import overview

    text, failed = overview(results, results.parent / "logs" if logs is None else logs)
    print(text)
    if failed:
        raise typer.Exit(1)


@command
def schemas(
    output: Annotated[Path, Written("DIR", "the schemas", ours=is_schemas)] = Path("workflow/schemas"),
) -> None:
    """Write the JSON schemas of the configuration and of the sheet."""
    from cch_omics.config import schemas
    from cch_omics.runtime.files import atomic

    for name, schema in schemas().items():
        with atomic(output / name) as draft:
            draft.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


@command
def power(
    patients: Annotated[int, typer.Option(help="patients that have both modalities, the teacher's and the student's")],
    labels: Annotated[float, typer.Option(help="share of them whose label is known")] = 1.0,
    classes: Annotated[str, file("LIST", "shares of the classes, such as 0.7,0.3; for a target that is a class")] = "",
    events: Annotated[
        float | None, typer.Option(help="share of the patients with an event; for a target that is a survival time")
    ] = None,
    gain: Annotated[
        float, typer.Option(help="a gain that you would care for: 0.02 is 2 points of balanced accuracy")
    ] = 0.02,
    confidence: Annotated[float, typer.Option(help="as criterion.confidence in the configuration")] = 0.95,
) -> None:
    """Say which gain a cohort could decide, before anyone trains.

    Without shares of classes or events the target is a number.
    """
    from cch_omics.config import CriterionConfig, section
    from cch_omics.report.power import plan
    from cch_omics.tasks.planned import planned_target

    asked = section(CriterionConfig, {"confidence": confidence}, "--confidence").confidence
    print(plan(*planned_target(numbers(classes, "--classes"), events), patients, labels, gain, asked))
