"""The model card of a student: what an analyst should know before using it."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cch_omics import keys

if TYPE_CHECKING:
    from cch_omics.student import About, Record

MODELS = {
    "alone": "the same network trained alone",
    "self": "the same network taught by its own omics (self control)",
    "logistic": "penalised logistic regression",
    "boosting": "gradient boosting",
}
# Name, and whether a larger value is a better model.
METRICS = {
    "balanced_accuracy": ("balanced accuracy", True),
    "macro_f1": ("macro F1", True),
    "auroc": ("AUROC", True),
    "log_loss": ("log-loss", False),
    "expected_calibration_error": ("calibration error", False),
}
CONTROLS = {
    "none": "training alone",
    "self": "the self control (soft labels from its own omics)",
    "shuffled": "the shuffled control (the teacher's predictions permuted)",
}
VERDICTS = {
    keys.DISTIL: "distil",
    keys.DO_NOT_DISTIL: "do not distil",
    keys.UNDECIDED: "undecided",
}
THIS = "**this student**"


def model_card(about: "About") -> str:
    """Markdown for a reader; everything in it is in `student.json` too."""
    training = about.training
    sections = (
        f"# {training.target} from {about.modality}: a student of the cohort {training.cohort}",
        f"Format {about.format_version}, written by cch_omics {about.versions['cch_omics']}. `student.json` has all "
        "of this for a program.",
        "## What it is for",
        f"It predicts `{training.target}` ({', '.join(about.classes)}) for samples of which only `{about.modality}` "
        f"was measured, from {len(about.features)} features, in research on samples like those of {training.cohort}: "
        "same tissue, same assay, values on the same scale.",
        "```\ncch predict --student THIS_FOLDER --input TABLE --output PREDICTIONS.tsv\n```",
        "## How it was trained",
        _training(about),
        "## Why",
        _why(about),
        "## How good it is",
        _performance(about),
        "## Limits",
        _circular(about) + _LIMITS,
        "## Data",
        about.data,
    )
    return "\n\n".join(sections) + "\n"


_LIMITS = """\
- Not a medical device. Not for decisions about a patient without validation on independent patients, at your own site
  and with your own assay.
- The figures above come from one cohort: another population, platform or normalisation can be much worse. Batch effects
  are not corrected.
- Values must be on the scale of the training table; `cch predict` warns when they look far off, and cannot notice a
  small shift.
- `feature_coverage` is the share of this student's features that were measured in a sample. What is missing is filled
  with the training mean, which pulls predictions towards the average patient: trust a sample less, the lower its
  coverage. Below one half there is no prediction.
- `prediction` weighs classes so that rare ones are found (class offsets); it need not be the class of the largest
  probability.
- The model always names one of its classes, also for a sample that belongs to none of them."""


def _circular(about: "About") -> str:
    training = about.training
    if training.derived_from != about.modality:
        return ""
    return (
        f"- `{training.target}` was itself defined from {about.modality}: how well it is predicted says little about a "
        "label found independently.\n"
    )


def _training(about: "About") -> str:
    training = about.training
    text = (
        f"On {training.samples} samples of {training.cohort} with {about.modality}, {training.labelled_samples} of "
        f"them with a label that could be used, in {training.epochs} full-batch steps."
    )
    if training.label_budget < 1:
        text += f" Only {training.label_budget:.0%} of the labels were used, on purpose (`label_budget`)."
    if not training.teacher:
        return text + " No teacher: it learnt from the labels alone."
    return text + (
        f" Its teacher was a model of {training.teacher}: it also learnt that model's held-out class probabilities "
        f"({training.paired_samples} samples were measured with both; lambda {training.lambda_:g}, temperature "
        f"{training.distillation_temperature:g})."
    )


def _why(about: "About") -> str:
    verdict = str(about.verdict.get("verdict"))
    text = f"Verdict: **{VERDICTS.get(verdict, verdict)}**."
    if verdict == keys.UNDECIDED and about.training.teacher:
        text += f" To distil from {about.training.teacher} was the better guess."
    elif not about.training.teacher:
        text += " So it was trained alone."
    if not about.candidates:
        return text + " There was no other omics that could have taught it."
    rows = (
        (
            row.get("teacher"),
            VERDICTS.get(str(row.get("verdict")), row.get("verdict")),
            _number(row.get("gap")),
            _number(row.get("advantage")),
            _number(row.get("p_gap_positive")),
            row.get("reason"),
        )
        for row in about.candidates
    )
    head = ("teacher", "verdict", "gap, nats", "advantage, nats", "probability that the gap is positive", "reason")
    return f"{text} The candidates:\n\n{_table(head, rows)}"


def _performance(about: "About") -> str:
    teacher = about.training.teacher
    mine = f"distilled:{teacher}" if teacher else "alone"
    # The student first; students of other teachers are in the report.
    order = [mine, *(name for name in MODELS if name != mine)]
    measured = {(str(row["model"]), str(row["metric"])): row for row in about.performance}
    models = [name for name in order if any(model == name for model, _ in measured)]
    if mine not in models:
        return "It was not measured on test patients."
    metrics = [name for name in METRICS if (mine, name) in measured]
    table = _table(
        ("model", *(METRICS[metric][0] for metric in metrics)),
        (
            (
                THIS if name == mine else MODELS[name],
                *(_interval(measured.get((name, metric)), "mean") for metric in metrics),
            )
            for name in models
        ),
    )
    parts = [
        "Mean over the outer test folds, with 95% interval. These are of students made in the same way without the "
        "test patients; this one was then trained on all patients.",
        table,
        _losses(mine, models, measured),
    ]
    gains = [row for row in about.gains if row.get("teacher") == teacher and row.get("metric") == "balanced_accuracy"]
    if teacher and gains:
        rows = ((CONTROLS.get(str(row["control"]), row["control"]), _interval(row, "gain")) for row in gains)
        parts += [
            "Gain in balanced accuracy on the same test patients. Only a gain over the self control comes from the "
            "other omics.",
            _table(("over", "gain (95% interval)"), rows),
        ]
    return "\n\n".join(parts)


def _losses(mine: str, models: Iterable[str], measured: Mapping[tuple[str, str], "Record"]) -> str:
    """Say which models do better in balanced accuracy; a reader should not have to find out from the table."""
    metric = "balanced_accuracy"
    own = _value(measured.get((mine, metric)), "mean")
    if own is None:
        return "Its balanced accuracy was not measured."
    better = {
        MODELS[name]: value
        for name in models
        if (value := _value(measured.get((name, metric)), "mean")) is not None and value > own
    }
    if not better:
        return "No model it was compared with does better in mean balanced accuracy."
    listed = "; ".join(f"{name} by {100 * (value - own):.1f} points" for name, value in better.items())
    return f"**It loses** in mean balanced accuracy to: {listed}. Consider using that instead."


def _interval(row: "Record | None", key: str) -> str:
    if row is None or _value(row, key) is None:
        return "not measured"
    return f"{_number(row[key])} ({_number(row.get('ci_low'))} to {_number(row.get('ci_high'))})"


def _value(row: "Record | None", key: str) -> float | None:
    value = row.get(key) if row else None
    return float(value) if isinstance(value, int | float) else None


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "not estimated"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Markdown table."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
