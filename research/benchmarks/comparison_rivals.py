"""What users would write instead of the package, for `comparison.py`: each of these runs in a process of its own.

The same outer splits, inner folds, pairs, controls and loss: teachers, out-of-fold soft targets, students. A label or a
soft target is a weight of a class, so that both are one cross-entropy. Every sample has to have every omics, without
missing values.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.evaluation.gains import score_models
from cch_omics.models.distil import models_of
from cch_omics.models.fit import CHECK_EVERY
from cch_omics.models.out_of_fold import Model
from cch_omics.models.train import EPSILON
from cch_omics.splits import Splits, make_splits
from cch_omics.views import teachers_of
from research.benchmarks.cases import SEED, Case, trained
from research.benchmarks.comparison import ROW, STUDENT, TEACHER
from research.benchmarks.engine import Plain, adamw

CASE = Case(**ROW, cluster=ROW["cohort"])
ENCODER, DISTILLATION = EncoderConfig(), DistillationConfig()

# The inner folds that a training set goes without; what is there for each training set of a split.
Without = frozenset[int]
Array = NDArray[np.floating[Any]]
BySet = Mapping[Without, Array]
# (M, S, n, C) by modality.
Outputs = Mapping[str, Array]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=("engine", "loop", "pipelines", "tables"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outer", type=int, help="the first outer splits, and the full cohort; by default all")
    parser.add_argument("--output", type=Path, required=True, help="where scores go, or tables for flexynesis")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cohort = CASE.read(args.data)
    every = make_splits(cohort, SplitsConfig(), seed=SEED)
    splits = some_splits(every, args.outer)
    done = f"{len(splits.fold)} of {len(every.fold)} splits"
    if args.rival == "tables":
        write_tables(cohort, splits, args.output)
        return
    begun = time.process_time()
    outputs = RIVALS[args.rival](cohort, splits)
    scores, _ = score_models(cohort, splits, STUDENT, outputs[STUDENT])
    place = list(cohort.target.task.metrics).index("balanced_accuracy")
    models = models_of(STUDENT, teachers_of(cohort, STUDENT))
    score = {model: float(of_model[:, place].mean()) for model, of_model in zip(models, scores, strict=True)}
    found = {
        "begun": begun,
        "share": len(splits.fold) / len(every.fold),
        "trained": f"{count_models(cohort, splits):,} {TRAINED[args.rival]}, {done}",
        "alone": score[Model("alone")],
        "taught": score[Model("soft_targets", TEACHER)],
    }
    args.output.write_text(json.dumps(found))


def some_splits(splits: Splits, n_outer: int | None) -> Splits:
    """The first outer splits and the full cohort."""
    chosen = [*[*range(splits.full)][:n_outer], splits.full]
    return replace(splits, **{each.name: getattr(splits, each.name)[chosen] for each in fields(splits)})


def count_models(cohort: Cohort, splits: Splits) -> int:
    """Teachers without one fold, without two, and of all samples; taught students without one fold, and of all."""
    n_singles = splits.n_inner + 1
    n_taught = sum(len(models_of(name, teachers_of(cohort, name))) - 1 for name in cohort.modalities)
    of_split = len(cohort.modalities) * (n_singles + comb(splits.n_inner, 2)) + n_taught * n_singles
    return len(splits.fold) * of_split


def of_engine(cohort: Cohort, splits: Splits) -> Outputs:
    """Encoders and students of the package, with those of permuted soft targets: each a network and ridge members."""
    _, students = trained(cohort, splits, ENCODER, shuffled_controls=True)
    return {name: each.outputs for name, each in students.items()}


@dataclass(frozen=True)
class Lesson:
    """What a model learns, of n samples and C classes.

    Attributes
    ----------
    label
        (n, C) one-hot; all zero without a label that may be used.
    soft
        (n, C) probabilities of the teacher, for each training set.
    """

    label: Array
    soft: BySet | None = None

    def weights(self, without: Without, members: NDArray[np.bool_]) -> Array:
        """(m, C) of the m members: the loss is minus their product with log-probabilities, added up."""
        label = self.label[members]
        label = label / max(label.sum(), 1)
        if self.soft is None:
            return label
        soft = self.soft[without][members]
        return (1 - DISTILLATION.weight) * label + DISTILLATION.weight * soft / max(len(soft), 1)


# (n, k) inputs for each training set, (n,) inner folds, a lesson -> (n, C) outputs of the model of each training set.
Learn = Callable[[BySet, NDArray[np.int64], Lesson], BySet]


def distilled(cohort: Cohort, splits: Splits, learn: Learn, jobs: int = 1) -> Outputs:
    """Outputs of the students of each modality, in the order of `models_of`."""
    work = joblib.delayed(distilled_in_split)
    parts = joblib.Parallel(jobs)(work(cohort, splits, s, learn) for s in range(len(splits.fold)))
    return {name: np.stack([part[name] for part in parts], axis=1) for name in cohort.modalities}


def distilled_in_split(cohort: Cohort, splits: Splits, s: int, learn: Learn) -> Outputs:
    """(M, n, C) of each modality."""
    inner, classes = splits.inner[s], np.arange(len(cohort.target.task.strata_names))
    label = ((cohort.target.strata[:, None] == classes) & splits.labelled[s][:, None]).astype(np.float64)
    sets = [Without(out) for size in (1, 2, 0) for out in combinations(range(splits.n_inner), size)]
    inputs, teachers, outputs = {}, {}, {}
    for name, modality in cohort.modalities.items():
        inputs[name] = {without: components(modality.values, train_of(inner, without)) for without in sets}
        teachers[name] = learn(inputs[name], inner, Lesson(label))
    for student in cohort.modalities:
        own = {without: values for without, values in inputs[student].items() if len(without) < 2}
        of_models = [out_of_fold(teachers[student], inner)]
        for model in models_of(student, teachers_of(cohort, student))[1:]:
            soft = {without: soft_targets(teachers[model.teacher], inner, without) for without in own}
            if model.control == "shuffled":
                soft = {without: permuted(each, inner, without) for without, each in soft.items()}
            of_models.append(out_of_fold(learn(own, inner, Lesson(label, soft)), inner))
        outputs[student] = np.stack(of_models)
    return outputs


def train_of(inner: NDArray[np.int64], without: Without) -> NDArray[np.bool_]:
    """(n,) the training samples."""
    return (inner >= 0) & ~np.isin(inner, list(without))


def components(values: Array, train: NDArray[np.bool_]) -> Array:
    """(n, p) -> (n, k) principal components, fitted on training samples; their mean variance is one."""
    n_components = min(ENCODER.components, values.shape[1], int(train.sum()) - 1)
    pipeline = make_pipeline(StandardScaler(), PCA(n_components, random_state=SEED)).fit(values[train])
    scores = pipeline.transform(values)
    return scores / scores[train].std()


def soft_targets(teacher: BySet, inner: NDArray[np.int64], without: Without) -> Array:
    """(n, C) of training and held-out samples: by the teacher that saw neither the sample's fold nor those left out."""
    soft = np.zeros_like(teacher[without])
    for fold in range(inner.max() + 1):
        soft[inner == fold] = softmax(teacher[without | {fold}][inner == fold], axis=1)
    return soft


def permuted(soft: Array, inner: NDArray[np.int64], without: Without) -> Array:
    """Among the training samples, and among those held out."""
    random, soft = np.random.default_rng(SEED), soft.copy()
    for members in (train_of(inner, without), np.isin(inner, list(without))):
        soft[members] = random.permutation(soft[members])
    return soft


def out_of_fold(outputs: BySet, inner: NDArray[np.int64]) -> Array:
    """(n, C): each inner fold by the model without it, test samples by that of all."""
    every = outputs[Without()].copy()
    for fold in range(inner.max() + 1):
        every[inner == fold] = outputs[Without({fold})][inner == fold]
    return every


def logistic_regressions(inputs: BySet, inner: NDArray[np.int64], lesson: Lesson) -> BySet:
    """By scikit-learn, with its default penalty: each sample stands once for each class that has a weight."""
    outputs = {}
    for without, values in inputs.items():
        train = train_of(inner, without)
        weights = lesson.weights(without, train)
        row, label = np.nonzero(weights)
        model = LogisticRegression(max_iter=1000)
        model.fit(values[train][row], label, sample_weight=weights[row, label] * train.sum())
        score = model.decision_function(values)
        # Of two classes it has one column.
        outputs[without] = score if score.ndim == 2 else np.stack([np.zeros_like(score), score], axis=1)
    return outputs


def networks(
    inputs: BySet,
    inner: NDArray[np.int64],
    lesson: Lesson,
    *,
    settings: EncoderConfig = ENCODER,
    seeds: Mapping[Without, int] | None = None,
) -> BySet:
    """By PyTorch, one after the other: those without one fold for all epochs, and their held-out losses say how many
    epochs each training set gets, where its own folds have no say."""
    looks = sorted({*range(CHECK_EVERY, settings.max_epochs + 1, CHECK_EVERY), settings.max_epochs})
    folds = range(inner.max() + 1)
    losses: list[list[float]] = [[] for _ in folds]
    kept: list[list[dict[str, torch.Tensor]]] = [[] for _ in folds]
    seeds = seeds or {without: place for place, without in enumerate(inputs)}

    def tensors(without: Without, members: NDArray[np.bool_]) -> tuple[torch.Tensor, torch.Tensor]:
        values, weights = inputs[without][members], lesson.weights(without, members)
        return torch.as_tensor(values, dtype=torch.float32), torch.as_tensor(weights, dtype=torch.float32)

    def made(without: Without, epochs: int) -> Plain:
        values, weights = tensors(without, train_of(inner, without))
        torch.manual_seed(seeds[without])
        first = torch.randn(settings.units, values.shape[1]) / values.shape[1] ** 0.5
        n_classes = weights.shape[1]
        start = [first, torch.zeros(settings.units), torch.zeros(n_classes, settings.units), torch.zeros(n_classes)]
        network = Plain(start, settings.dropout)
        optimizer = adamw(network, settings.learning_rate, settings.weight_decay, eps=EPSILON)
        held_out = tensors(without, inner == min(without)) if len(without) == 1 else None
        for epoch in range(1, epochs + 1):
            network.train()
            optimizer.zero_grad()
            (-(weights * network(values).log_softmax(1)).sum()).backward()
            optimizer.step()
            if held_out is not None and epoch in looks:
                network.eval()
                with torch.no_grad():
                    losses[min(without)].append(float(-(held_out[1] * network(held_out[0]).log_softmax(1)).sum()))
                kept[min(without)].append({name: value.clone() for name, value in network.state_dict().items()})
        return network.eval()

    chosen = {}
    for fold in folds:
        chosen[Without({fold})] = made(Without({fold}), settings.max_epochs)
    n_labels = np.array([lesson.label[inner == fold].sum() for fold in folds])
    outputs = {}
    for without in inputs:
        look = int((np.where(np.isin(folds, list(without)), 0, n_labels) @ np.array(losses)).argmin())
        if len(without) == 1:
            network = chosen[without]
            network.load_state_dict(kept[min(without)][look])
        else:
            network = made(without, looks[look])
        with torch.no_grad():
            outputs[without] = network(torch.as_tensor(inputs[without], dtype=torch.float32)).double().numpy()
    return outputs


def write_tables(cohort: Cohort, splits: Splits, folder: Path) -> None:
    """The first outer split as flexynesis reads it: labelled samples, features in rows."""
    labels = np.array(cohort.target.task.strata_names)[cohort.target.strata]
    for part, members in (("train", splits.train[0]), ("test", splits.test[0])):
        some = np.flatnonzero(members & cohort.target.observed)
        (folder / part).mkdir(parents=True)
        samples = pd.Index(cohort.samples[some])
        pd.DataFrame({cohort.target.name: labels[some]}, samples).to_csv(folder / part / "clin.csv")
        for name, modality in cohort.modalities.items():
            table = pd.DataFrame(modality.values[some].T, modality.features, samples)
            table.to_csv(folder / part / f"{name}.csv")


RIVALS: dict[str, Callable[[Cohort, Splits], Outputs]] = {
    "engine": of_engine,
    "loop": partial(distilled, learn=networks),
    "pipelines": partial(distilled, learn=logistic_regressions),
}
TRAINED = {
    "engine": "times a network and two ridge regressions",
    "loop": "networks",
    "pipelines": "logistic regressions",
}


if __name__ == "__main__":
    main()
