"""The one experiment of every part: encode views, estimate gaps of pairs, distil, and score on test samples.

Encoders, training sets, teaching and estimators are those of the package. Two things are as in the paper and not as in
the package: a model is one network, or one linear model, and not an average of members; and the largest output decides.
A draw is one training set with test samples. Many draws are trained as one batch; errors are over draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import DistillationConfig, EncoderConfig, SheetRow
from cch_omics.data.assemble import assemble
from cch_omics.data.sources import read_source
from cch_omics.information.folds import principal_components
from cch_omics.information.registry import ESTIMATORS
from cch_omics.models.distil import models_of, teaching
from cch_omics.models.encode import out_of_fold_soft_targets
from cch_omics.models.fit import CPU_ACTIVATIONS, fit
from cch_omics.models.linear import fit_linear
from cch_omics.models.network import initialise
from cch_omics.models.out_of_fold import Encoding, Model
from cch_omics.models.recipes import SOFT_TARGETS
from cch_omics.models.training_sets import Teaching, TrainingSets, training_sets
from cch_omics.splits import Splits
from cch_omics.tasks.base import Task, Values
from research.paper import convolution

Array = NDArray[Any]
CPU = torch.device("cpu")
# (teacher, student); a teacher may be several modalities, as `image+audio`.
Pair = tuple[str, str]
# The weights of the teacher in the loss: small, as the paper's theorem has it; and that of the package.
SMALL, LARGE = 0.1, 0.75
NEIGHBOURS = 3
# Where an estimator cannot have a class as Y, what estimates I(S;Y) beside it. MINE takes classes as one-hot vectors.
OF_CLASSES = {"ksg": "ross", "latent": "ross", "mine": "mine"}


@dataclass(frozen=True)
class Architecture:
    """What a model is: a network, whose representation is its hidden layer; or linear, with its output as one.

    Inputs of a network are principal components, of a linear model all features, of a convolutional network the pixels
    of a square image.
    """

    model: Literal["network", "linear", "convolutional"] = "network"
    units: int = 12

    @property
    def activations(self) -> int:
        """Of one sample."""
        return self.units + (convolution.ACTIVATIONS if self.model == "convolutional" else 0)


@dataclass(frozen=True)
class Setting:
    """How an experiment is done.

    Attributes
    ----------
    student, teacher
        What they are; the same unless said otherwise, as in the paper.
    weights, temperature
        Of the soft targets: students are trained with each of the weights.
    estimators
        Of I(T;S) and I(S;Y), among `OF_CLASSES`.
    dimension
        Principal components of a representation that enter an estimator.
    folds
        Inner folds of a draw: a student is taught by teachers that went without one of them.
    components, epochs, learning_rate
        Of the networks, as in `EncoderConfig`; epochs are so many that stopping early is what ends most trainings.
    """

    student: Architecture = field(default_factory=Architecture)
    teacher: Architecture = field(default_factory=Architecture)
    weights: tuple[float, ...] = (SMALL, LARGE)
    temperature: float = 1.0
    estimators: tuple[str, ...] = ("ksg",)
    dimension: int = 8
    components: int = 32
    epochs: int = 300
    learning_rate: float = 0.01
    folds: int = 3

    def encoder(self, architecture: Architecture) -> EncoderConfig:
        return EncoderConfig(
            units=architecture.units,
            components=self.components,
            max_epochs=self.epochs,
            learning_rate=self.learning_rate,
        )


@dataclass(frozen=True)
class Draw:
    """A training set with test samples: a cohort and one split of it."""

    cohort: Cohort
    splits: Splits
    seed: int

    @property
    def test(self) -> NDArray[np.bool_]:
        """(n,) test samples with a label."""
        return np.asarray(self.splits.test[0] & self.cohort.target.observed)


@cache
def read(data: Path, cohort: str, target: str, task: str = "") -> Cohort:
    """A cohort of the folder of cohorts."""
    row = SheetRow(cohort=cohort, source=str(data / cohort), target=target, task=task)
    return assemble(read_source(row), row)[0]


def make_draw(
    views: Mapping[str, Array], task: Task, values: Values, n_train: int, *, seed: int, folds: int = 3
) -> Draw:
    """A draw of arrays (n, p) of the same n samples, of which the first are for training and the rest for testing."""
    samples, sites = np.array([f"s{i:06d}" for i in range(len(values))]), np.full(len(values), "")
    modalities = {
        name: Modality(of.astype(np.float32), np.arange(of.shape[1]).astype(str), np.arange(len(values)))
        for name, of in views.items()
    }
    cohort = Cohort("draw", samples, samples, sites, Target("y", task, values), modalities, tuple(views))
    inner = np.full((1, len(values)), -1, dtype=np.int64)
    # Samples are independent: there are no groups to keep together.
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(
        samples[:n_train], task.strata(values[:n_train])
    )
    for fold, (_, held_out) in enumerate(parts):
        inner[0, held_out] = fold
    return Draw(cohort, Splits(np.zeros(1, int), np.zeros(1, int), inner, inner >= 0), seed)


def draws_of(cohort: Cohort, splits: Splits, *, seed: int) -> list[Draw]:
    """A draw of each outer split of a cohort."""
    one = [slice(s, s + 1) for s in range(splits.full)]
    return [
        Draw(cohort, Splits(splits.repeat[s], splits.fold[s], splits.inner[s], splits.labelled[s]), seed) for s in one
    ]


def experiment(draws: Sequence[Draw], pairs: Sequence[Pair], setting: Setting) -> pd.DataFrame:
    """Estimate the gap of each pair in each draw, and what distilling gained there.

    Returns
    -------
    DataFrame
        A row per draw, pair and weight: `draw, teacher, student, weight`; of each estimator E, in nats,
        `mi_teacher_student_E`, `mi_student_label_E` and `gap_E`; `gap_output`, the same by the first estimator with the
        outputs of both in place of their representations; `mi_teacher_label`; and the primary metric on the test
        samples: `teacher_score`, and of the student `alone`, `taught` by its teacher, by itself (`self`) and by
        permuted outputs (`shuffled`); last `loss_alone` and `loss_taught`, the task's loss there.
    """
    students = list(dict.fromkeys(student for _, student in pairs))
    as_teacher = {
        teacher: encode(draws, teacher, setting.teacher, setting) for teacher in dict.fromkeys(t for t, _ in pairs)
    }
    found = []
    for student in students:
        teachers = [teacher for teacher, other in pairs if other == student]
        own = as_teacher.get(student) if setting.student == setting.teacher else None
        own = own or encode(draws, student, setting.student, setting)
        of_teachers = {teacher: as_teacher[teacher] for teacher in teachers}
        told = information(draws, of_teachers, own, setting)
        for weight in setting.weights:
            gained = distilled(draws, student, of_teachers, own, weight, setting)
            found.append(told.merge(gained, on=["draw", "teacher"]).assign(student=student, weight=weight))
    return pd.concat(found, ignore_index=True)


# --- Training ---------------------------------------------------------------------------------------------------------


def _sets(draw: Draw, view: str, config: EncoderConfig, **more: Any) -> TrainingSets:
    return training_sets(draw.cohort, draw.splits, 0, view, config, seed=draw.seed, device=CPU, **more)


def _pixels(draw: Draw, view: str) -> NDArray[np.float32]:
    """(K + 1, n, k) pixels, less the mean of those of training samples and divided by their standard deviation."""
    values = draw.cohort.modalities[view].values
    of_train = values[draw.splits.train[0]]
    return np.repeat(((values - of_train.mean()) / of_train.std())[None], draw.splits.n_inner + 1, axis=0)


def _trained(
    sets: Sequence[TrainingSets],
    architecture: Architecture,
    setting: Setting,
    teachings: Sequence[Teaching] | None,
    weight: float,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Outputs (G, M, n, C) and representations (G, n, r), of the first model, of some draws."""
    if architecture.model == "linear":
        for s, each in enumerate(sets):
            taught = None if teachings is None else teachings[s]
            (linear,) = fit_linear(each, taught, soft_weight=weight, screened=[None])
            yield linear.predicted, linear.predicted[:, 0]
        return
    fitted = fit(
        sets,
        setting.encoder(architecture),
        teachings,
        weight=weight,
        temperature=setting.temperature,
        initial=convolution.initialise if architecture.model == "convolutional" else initialise,
    )
    for each, networks in zip(sets, fitted, strict=True):
        hidden = networks.represent(each.inputs)[:, 0] if teachings is None else np.empty(0, dtype=np.float32)
        yield networks.predict(each.inputs), hidden


def _batches(draws: Sequence[Draw], n_sets: int, n_models: int, activations: int) -> Iterator[Sequence[Draw]]:
    """Draws that are one batch while their activations stay in a core's cache."""
    n_train = int(draws[0].splits.train.sum())
    step = max(1, CPU_ACTIVATIONS // (n_sets * n_models * activations * n_train))
    return (draws[first : first + step] for first in range(0, len(draws), step))


def encode(draws: Sequence[Draw], view: str, architecture: Architecture, setting: Setting) -> list[Encoding]:
    """As `models.encode.encode`, with one model in place of an average: held out, but for the outputs of tests."""
    n_inner, config = draws[0].splits.n_inner, setting.encoder(architecture)
    found = []
    for batch in _batches(draws, 1 + n_inner * (n_inner + 1) // 2, 1, architecture.activations):
        inputs = [_pixels(draw, view) if architecture.model == "convolutional" else None for draw in batch]
        sets = [
            _sets(draw, view, config, without_pairs=True, inputs=own) for draw, own in zip(batch, inputs, strict=True)
        ]
        trained = _trained(sets, architecture, setting, None, 0.0)
        for draw, each, (predicted, hidden) in zip(batch, sets, trained, strict=True):
            n, rows = len(draw.cohort.samples), each.rows
            representation = np.full((1, n, hidden.shape[2]), np.nan, dtype=np.float32)
            outputs = np.full((1, n, predicted.shape[3]), np.nan, dtype=np.float32)
            soft = np.full((1, n_inner + 1, n, predicted.shape[3]), np.nan, dtype=np.float32)
            soft[0, :, rows] = out_of_fold_soft_targets(each, predicted[:, 0]).swapaxes(0, 1)
            for g in each.singles:
                held_out = each.predicted[g]
                outputs[0, rows[held_out]] = predicted[g, 0, held_out]
                if g < n_inner:
                    representation[0, rows[held_out]] = hidden[g, held_out]
            nothing = np.zeros(1, dtype=np.int64), np.zeros((1, 1))
            used = each.inputs[each.singles].numpy()[None]
            found.append(Encoding(representation, outputs, soft, *nothing, inputs=used))
    return found


def distilled(
    draws: Sequence[Draw],
    student: str,
    teachers: Mapping[str, list[Encoding]],
    own: list[Encoding],
    weight: float,
    setting: Setting,
) -> pd.DataFrame:
    """Scores on test samples: a row per draw and teacher."""
    models = models_of(student, list(teachers))[1:]
    place = {model: m for m, model in enumerate(models)}
    settings, config = (
        DistillationConfig(weight=weight, temperature=setting.temperature),
        setting.encoder(setting.student),
    )
    rows, first = [], 0
    for batch in _batches(draws, draws[0].splits.n_inner + 1, len(models), setting.student.activations):
        numbers = range(first, first + len(batch))
        first += len(batch)
        sets = [_sets(draw, student, config, inputs=own[i].inputs[0]) for i, draw in zip(numbers, batch, strict=True)]  # type: ignore[index]
        teachings = [
            teaching(
                {name: of[i] for name, of in teachers.items()} | {student: own[i]},
                models,
                draw.splits,
                0,
                each,
                settings,
                seed=draw.seed,
            )
            for i, draw, each in zip(numbers, batch, sets, strict=True)
        ]
        trained = _trained(sets, setting.student, setting, teachings, weight)
        for i, draw, (predicted, _) in zip(numbers, batch, trained, strict=True):
            of_taught = np.full((len(models), *own[i].outputs.shape[1:]), np.nan, dtype=np.float32)
            of_taught[:, sets[i - numbers[0]].rows] = predicted[-1]
            outputs = np.concatenate([own[i].outputs, of_taught, *(of[i].outputs for of in teachers.values())])
            scores, losses = judged(draw, outputs)
            for number, teacher in enumerate(teachers):
                taught = 1 + place[Model(SOFT_TARGETS.name, teacher)]
                rows.append(
                    {
                        "draw": i,
                        "teacher": teacher,
                        "teacher_score": scores[1 + len(models) + number],
                        "alone": scores[0],
                        "taught": scores[taught],
                        "self": scores[1 + place[Model(SOFT_TARGETS.name, student, "self")]],
                        "shuffled": scores[1 + place[Model(SOFT_TARGETS.name, teacher, "shuffled")]],
                        "loss_alone": losses[0],
                        "loss_taught": losses[taught],
                    }
                )
    return pd.DataFrame(rows)


def judged(draw: Draw, outputs: NDArray[np.float32]) -> tuple[Array, Array]:
    """(V, n, C) outputs -> (V,) the primary metric and the loss on the test samples that all have outputs of."""
    target = draw.cohort.target
    rows = np.flatnonzero(draw.test & np.isfinite(outputs).all((0, 2)))
    task, values, train = draw.splits.task(target, 0), target.values[rows], target.values[draw.splits.labelled[0]]
    # No logit adjustment.
    decisions = np.zeros((len(outputs), outputs.shape[2]))
    scores = task.evaluate(outputs[:, rows], values, decisions, train)[task.primary]
    return scores, task.loss(outputs[:, rows], values).mean(1)


# --- Information ------------------------------------------------------------------------------------------------------


def information(
    draws: Sequence[Draw], teachers: Mapping[str, list[Encoding]], own: list[Encoding], setting: Setting
) -> pd.DataFrame:
    """Mutual information within inner folds, averaged over them: a row per draw and teacher."""
    return pd.concat(
        [
            pd.DataFrame(_terms(draws, of_teacher, own, setting)).assign(draw=range(len(draws)), teacher=teacher)
            for teacher, of_teacher in teachers.items()
        ],
        ignore_index=True,
    )


def _terms(
    draws: Sequence[Draw], teacher: list[Encoding], student: list[Encoding], setting: Setting
) -> dict[str, Array]:
    """(D,) of each term of one pair."""
    n_inner = draws[0].splits.n_inner
    items = [(draw, fold) for draw in range(len(draws)) for fold in range(n_inner)]
    both = [
        np.isfinite(t.representation[0]).all(-1) & np.isfinite(s.representation[0]).all(-1) & draw.splits.labelled[0]
        for draw, t, s in zip(draws, teacher, student, strict=True)
    ]
    chosen = [np.flatnonzero(both[d] & (draws[d].splits.inner[0] == fold)) for d, fold in items]
    index, valid = (
        np.zeros((len(items), max(map(len, chosen))), np.int64),
        np.zeros((len(items), max(map(len, chosen))), bool),
    )
    for item, rows in enumerate(chosen):
        index[item, : len(rows)], valid[item, : len(rows)] = rows, True
    known = torch.as_tensor(valid)
    task = draws[0].cohort.target.task

    def points(of: Sequence[Array]) -> Tensor:
        """(n, r) of each draw -> (B, m, d) components."""
        gathered = np.stack([of[d][rows] for (d, _), rows in zip(items, index, strict=True)]).astype(np.float64)
        return principal_components(torch.as_tensor(gathered), known, setting.dimension)

    hidden = [points([each.representation[0] for each in of]) for of in (teacher, student)]
    soft = [
        points([task.soften(torch.as_tensor(each.outputs[0]).T, 1.0).T.numpy() for each in of])
        for of in (teacher, student)
    ]
    labels = np.stack(
        [task.label_points(draws[d].cohort.target.values)[rows] for (d, _), rows in zip(items, index, strict=True)]
    )
    classes = task.label_estimator == "ross"
    as_points = (
        points([np.eye(task.n_outputs)[task.label_points(draw.cohort.target.values)] for draw in draws])
        if classes
        else (points([task.label_points(draw.cohort.target.values)[:, None] for draw in draws]))
    )

    def estimated(name: str, x: Tensor, y: Tensor) -> Array:
        """(D,) means over folds."""
        estimator = ESTIMATORS[name].load()
        prepared = [each if each.ndim == 2 else estimator.prepare(each, known) for each in (x, y)]
        value = estimator.estimate(*prepared, known, neighbours=NEIGHBOURS).value
        return np.asarray(value.view(len(draws), n_inner).mean(1).numpy())

    def with_label(name: str, x: Tensor) -> Array:
        of_label = OF_CLASSES[name] if classes else name
        return estimated(of_label, x, torch.as_tensor(labels) if of_label == "ross" else as_points)

    first = setting.estimators[0]
    found = {"mi_teacher_label": with_label(first, hidden[0])}
    for name in setting.estimators:
        between, own = estimated(name, *hidden), with_label(name, hidden[1])
        found |= {f"mi_teacher_student_{name}": between, f"mi_student_label_{name}": own, f"gap_{name}": between - own}
    return found | {"gap_output": estimated(first, *soft) - with_label(first, soft[1])}
