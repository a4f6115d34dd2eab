"""Do intervals on other patients hold, what did students gain there, and does recalibrating them help?

    python -m research.benchmarks.validation                      (simulated shifts; 8 minutes of one core)
    python -m research.benchmarks.validation --data DIR           (real cohorts in place of these; 3 minutes)
    python -m research.benchmarks.validation --draws 20           (the smallest)

Simulated: students of `cnv`, alone and taught by `rna`, are trained on 400 patients of a cohort whose features' axes
are known. New patients have the same axes, but another batch (each feature moved by a normal number of training
standard deviations and stretched), and labels of another distribution. 6,000 of them are the population: what they all
say is the truth, and validation cohorts are drawn from them with replacement.

Real: a cohort of DIR trains, another one of the same omics validates. Recalibration learns intercept and slope of a
class's logit (or a straight line of the number) on N labelled patients of the new cohort, and is judged on the others.
Prints tables in Markdown; validation.md beside this file has the last.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cch_omics.cohort import Cohort
from cch_omics.config import BaselinesConfig, DistillationConfig, EncoderConfig, IngestConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.external import OtherPatients, other_patients
from cch_omics.data.mudata import from_mudata
from cch_omics.data.simulate import draw
from cch_omics.data.simulate.cohorts import SIMULATED
from cch_omics.data.source import Source
from cch_omics.data.sources import read_source
from cch_omics.models.baselines import predict_others
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Model
from cch_omics.models.recipes import ALONE, SOFT_TARGETS
from cch_omics.splits import Splits, make_splits
from cch_omics.student.bundle import Student
from cch_omics.student.make import Records, full_cohort_student
from cch_omics.student.validate import aligned, in_order, validate
from cch_omics.tasks.base import Task
from cch_omics.tasks.calibration import fit

SEED = 0
N_TRAINED, N_OTHERS = 400, 6000
SIZES = (100, 300)
# Of those who train.
LABELLED = 0.35
# Of a batch: SD over features of their shift, in training SD, and of the logarithm of their stretch.
SHIFT, STRETCH = 0.4, 0.15
ORDER = (50, 100, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--draws", type=int, default=400, help="validation cohorts, and choices of N patients")
    parser.add_argument("--only", nargs="+", metavar="COHORT")
    args = parser.parse_args()
    if args.data is None:
        rows = [
            row for name in args.only or ("complementary", "number", "survival") for row in coverage(name, args.draws)
        ]
        print(condensed(pd.DataFrame(rows)).to_markdown(index=False, floatfmt=".3f"))
        return
    transfers = [each for each in TRANSFERS if not args.only or each.cohort in args.only]
    trained = [(each, *each.trained(args.data)) for each in transfers]
    print(pd.DataFrame([row for each in trained for row in gained(*each)]).to_markdown(index=False, floatfmt=".3f"))
    rows = [row for each in trained for row in recalibrated(*each, draws=args.draws)]
    print(f"\n{pd.DataFrame(rows).to_markdown(index=False, floatfmt='.3f')}")


def students_of(cohort: Cohort, name: str, teacher: str) -> tuple[Splits, dict[str, Student]]:
    """The student of an omics taught by another one, and the one trained alone, of the full cohort."""
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2), seed=SEED)
    device = torch.device("cpu")
    encodings = {
        view: encode(cohort, splits, view, EncoderConfig(), seed=SEED, device=device) for view in (name, teacher)
    }
    settings = DistillationConfig(), EncoderConfig()
    trained = distil(
        *(cohort, splits, encodings, name, [teacher], *settings), seed=SEED, device=device, shuffled_controls=False
    )
    models = {"taught": Model(SOFT_TARGETS.name, teacher), "alone": Model(ALONE.name)}
    records = Records({"teacher": teacher, "recipe": SOFT_TARGETS.name})
    return splits, {
        key: full_cohort_student(cohort, splits, name, trained, model, records) for key, model in models.items()
    }


# --- Simulated shifts -------------------------------------------------------------------------------------------------


def coverage(name: str, draws: int) -> Iterator[dict[str, object]]:
    """How often intervals of validation cohorts hold what all other patients say."""
    simulated = replace(SIMULATED[name], n=N_TRAINED + N_OTHERS, labelled=1.0)
    whole = from_mudata(
        draw(simulated, np.random.default_rng([SEED, *name.encode()])), f"simulated:{name}", ["rna", "cnv"]
    )
    first = whole.clinical.index[:N_TRAINED]
    # Most of those who train have no label, as in the cohort of that name.
    columns = [name for name in whole.clinical.columns if name.startswith(simulated.target)]
    hidden = np.random.default_rng(SEED + 3).random(N_TRAINED) > LABELLED
    whole.clinical.loc[first[hidden], columns] = np.nan
    row = SheetRow(cohort=name, source=whole.where, target=simulated.target, modalities="rna,cnv")
    cohort, _ = assemble(part(whole, first.tolist()), row)
    _, students = students_of(cohort, "cnv", "rna")
    later = whole.clinical.index[N_TRAINED:]
    everybody = shifted(
        other_patients(part(whole, later.tolist()), "cnv", simulated.target, next(iter(students.values())).task)
    )
    everybody = reweighted(everybody, next(iter(students.values())).task)
    # What it takes to know the error of so many is not needed: all are in two blocks.
    halves = (np.arange(len(everybody.samples)) % 2).astype(str)
    truth = scores(students, replace(everybody, groups=halves))
    random = np.random.default_rng(SEED)
    for n in SIZES:
        found = []
        for _ in range(draws):
            drawn = random.integers(len(everybody.samples), size=n)
            ids = np.array([f"P{number}" for number in range(n)])
            cohort_of = replace(everybody.part(drawn), samples=ids, groups=ids)
            found.append(scores(students, cohort_of))
        for key, true in truth.items():
            each = pd.DataFrame([table[key] for table in found])
            held = (each["ci_low"] <= true["value"]) & (true["value"] <= each["ci_high"])
            if each["ci_low"].notna().any():
                yield {
                    "cohort": name, "n": n, "metric": key[2],
                    "of": f"{key[0]} minus {key[1]}" if key[1] else key[0],
                    "truth": true["value"], "mean": each["value"].mean(), "SD": each["value"].std(),
                    "mean error": each["se"].mean(), "coverage": held.mean(), "undefined": each["ci_low"].isna().mean(),
                }  # fmt: skip


def condensed(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each cohort and metric: the truth of the taught student, and of its gain, and coverages."""
    found = found[found["of"] != "alone"]
    key = ["cohort", "metric"]
    columns = {}
    for of, name in (("taught", "taught"), ("taught minus alone", "gain")):
        each = found[found["of"] == of]
        columns[name] = each.groupby(key, sort=False)["truth"].first()
        for n in SIZES:
            columns[f"{name}, coverage at {n}"] = each[each["n"] == n].set_index(key)["coverage"]
    return (
        pd.DataFrame(columns).loc[list(dict.fromkeys(zip(*(found[name] for name in key), strict=True)))].reset_index()
    )


def part(source: Source, ids: list[str]) -> Source:
    """Some of the samples of a source."""
    matrices = {}
    for name, matrix in source.matrices.items():
        rows = np.isin(matrix.ids, ids)
        matrices[name] = replace(matrix, ids=matrix.ids[rows], values=matrix.values[rows])
    return replace(source, clinical=source.clinical.loc[ids], matrices=matrices)


def shifted(other: OtherPatients) -> OtherPatients:
    """Another batch."""
    random = np.random.default_rng(SEED + 1)
    p, sd, mean = len(other.features), np.nanstd(other.values, axis=0), np.nanmean(other.values, axis=0)
    stretch = random.lognormal(sigma=STRETCH, size=p)
    values = mean + random.normal(scale=SHIFT, size=p) * sd + (other.values - mean) * stretch
    return replace(other, values=values.astype(np.float32))


def reweighted(other: OtherPatients, task: Task) -> OtherPatients:
    """Fewer patients of the first stratum: a quarter of them."""
    few = task.strata(other.labels) == 0
    return other.part(~few | (np.random.default_rng(SEED + 2).random(len(few)) < 0.25))


def scores(students: dict[str, Student], other: OtherPatients) -> dict[tuple[str, str, str], dict[str, float]]:
    """Rows of validation.tsv by model, minus and metric."""
    rows = validate(students, other).scores.to_dict("records")
    return {(row["model"], row["minus"], row["metric"]): row for row in rows}


# --- Real cohorts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transfer:
    """A student of one cohort on another one; `shared`: trained on the features that both have."""

    cohort: str
    others: str
    target: str
    student: str
    teacher: str
    classes: str = ""
    shared: bool = False

    def trained(self, data: Path) -> tuple[Cohort, Splits, dict[str, Student], OtherPatients]:
        row = SheetRow(
            cohort=self.cohort,
            source=str(data / self.cohort),
            target=self.target,
            modalities=f"{self.teacher},{self.student}",
            classes=self.classes,
        )
        source = read_source(row)
        there = read_source(row.model_copy(update={"source": str(data / self.others), "modalities": self.student}))
        if self.shared:
            matrix = source.matrices[self.student]
            both = np.isin(matrix.features, there.matrices[self.student].features)
            kept = replace(matrix, features=matrix.features[both], values=matrix.values[:, both])
            source = replace(source, matrices=source.matrices | {self.student: kept})
        cohort, _ = assemble(source, row)
        splits, students = students_of(cohort, self.student, self.teacher)
        task = students["alone"].task
        return cohort, splits, students, other_patients(there, self.student, self.target, task, settings=IngestConfig())

    @property
    def title(self) -> str:
        said = f"{self.teacher} → {self.student}, {self.cohort} → {self.others}, {self.target}"
        return f"{said}, shared features" if self.shared else said


TRANSFERS = (
    *(
        Transfer("tcga-brca", "metabric-mutation", target, "mutation", "rna", classes, shared)
        for shared in (False, True)
        for target, classes in (
            ("er_status", "Positive,Negative"),
            ("pam50", "LumA,LumB,Her2,Basal"),
            ("os", ""),
        )
    ),
    *(
        Transfer(f"tcga-{one}", f"tcga-{other}", target, student, "rna")
        for one, other in (("hnsc", "luad"), ("luad", "hnsc"))
        for target in ("purity_cpe", "os")
        for student in ("cnv", "mutation")
    ),
)


def gained(
    transfer: Transfer, cohort: Cohort, splits: Splits, students: dict[str, Student], other: OtherPatients
) -> Iterator[dict[str, object]]:
    """The primary metric of students and baselines on the other cohort."""
    name = transfer.student

    def references(found: OtherPatients) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        values = in_order(found, cohort.modalities[name])
        return predict_others(cohort, splits, name, values, BaselinesConfig(), seed=SEED)

    table = validate(students, other, references).scores
    primary = table[table["metric"] == cohort.target.task.primary]
    of = {(row["model"], row["minus"]): row for row in primary.to_dict("records")}
    features = students["taught"].features
    difference = of["taught", "alone"]
    yield {
        "transfer": transfer.title,
        "metric": cohort.target.task.primary,
        "features": f"{np.isin(features, other.features).sum()} of {len(features)}",
        "patients": len(np.unique(other.groups)),
        **{model: of[model, ""]["value"] for model in ("taught", "alone", "linear", "boosting")},
        "taught minus alone": "{value:+.3f} ({ci_low:+.3f} to {ci_high:+.3f})".format(**difference),
    }


def recalibrated(
    transfer: Transfer,
    cohort: Cohort,
    splits: Splits,
    students: dict[str, Student],
    other: OtherPatients,
    *,
    draws: int,
) -> Iterator[dict[str, object]]:
    """Loss on the patients that did not recalibrate less the loss without it; classes of two, and numbers."""
    task, student = students["taught"].task, students["taught"]
    outputs = student.network.outputs(aligned(student, other)).astype(np.float64)
    if task.n_outputs > 2 or task.name == "survival":
        return
    two = task.n_outputs == 2
    score = outputs[:, 1] - outputs[:, 0] if two else outputs[:, 0]
    random = np.random.default_rng(SEED)
    for n in ORDER:
        for slope in (False, True):
            changes = []
            for _ in range(draws):
                chosen = random.permutation(len(score))
                few, rest = chosen[:n], chosen[n:]
                moved = recalibration(score[few], other.labels[few], two=two, slope=slope)(score[rest])
                mean = other.labels[rest].mean()
                nothing = np.full(len(rest), np.log(mean / (1 - mean)) if two else mean)
                compared = (loss(each, other.labels[rest], two=two) for each in (score[rest], moved, nothing))
                changes.append(tuple(compared))
            before, after, without = np.array(changes).T
            yield {
                "transfer": transfer.title, "N": n, "learnt": "intercept and slope" if slope else "intercept",
                "loss": "log-loss" if two else "RMSE", "no model": without.mean(), "before": before.mean(),
                "change": (after - before).mean(), "worse in": f"{(after > before).mean():.0%}",
            }  # fmt: skip


def recalibration(score, labels, *, two: bool, slope: bool):  # type: ignore[no-untyped-def]
    """Map scores to recalibrated ones; as they are where there is no fit."""
    if two:
        ones = np.ones((len(score), 1))
        design = np.column_stack([ones, score]) if slope else ones
        start = np.array([0.0, 1.0])[: design.shape[1]]
        found, _ = fit(design, np.zeros_like(score) if slope else score, labels, start, events=False)
        a, b = (found[0], found[1] if slope else 1.0) if np.isfinite(found).all() else (0.0, 1.0)
    else:
        b = np.polyfit(score, labels, 1)[0] if slope else 1.0
        a = (labels - b * score).mean()
    return lambda new: a + b * new


def loss(score, labels, *, two: bool) -> float:  # type: ignore[no-untyped-def]
    if not two:
        return float(np.sqrt(((score - labels) ** 2).mean()))
    return float(np.logaddexp(0.0, np.where(labels == 1, -score, score)).mean())


if __name__ == "__main__":
    main()
