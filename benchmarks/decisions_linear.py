"""Would a linear student do better? Multinomial logistic regression, trained alone and with soft targets.

It takes what the network takes, the principal components of each training set, and learns from labels and from soft
targets by the same loss (lambda and temperature as networks have by default) with a ridge penalty, which is chosen on
inner folds as it is for reference models. Teachers are those of the main run: of each student the one with the largest
advantage by log-loss inside the outer training sets, for the network and the linear student alike.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from decisions_predictions import REFERENCE_REPEATS, Stored, Task, first_repeats, folder, load
from decisions_scores import measured_gains
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from cch_omics.config import LAMBDA
from cch_omics.evaluation import METRIC, corrected_interval, reference_table, score_held_out, score_models
from cch_omics.io.files import atomic
from cch_omics.predictions import load_inputs
from cch_omics.splits import Splits
from cch_omics.tasks.classification import METRICS

# Inverse penalties of a sum of losses, of inputs whose samples have a mean squared norm of one.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)
LINEAR_BUDGETS = (0.15,)
Floats = NDArray[np.float64]


def best_teachers(stored: Stored) -> dict[str, str]:
    """Of each student the teacher with the largest mean advantage by log-loss over the outer training sets."""
    scores = score_held_out(stored.cohort, stored.splits, stored.encodings, {}, ["advantage_log_loss"])
    mean = scores.groupby(["student", "teacher"])["score"].mean()
    return {student: str(mean[student].idxmax()) for student in stored.cohort.modalities if mean[student].notna().any()}


def predict_linear(task: Task, budget: float, output: Path) -> None:
    """Fit what is missing, in the first repeats."""
    room = folder(output, task, budget)
    stored = load(room)
    splits = first_repeats(stored.splits, REFERENCE_REPEATS)
    for student, teacher in best_teachers(stored).items():
        path = room / "linear" / f"{student}.npz"
        inputs = load_inputs(room / "encodings" / f"{student}.npz")
        if path.exists() or inputs is None:
            continue
        logits = np.full((2, *stored.encodings[student].logits[: len(splits.fold)].shape), np.nan, dtype=np.float32)
        rows = stored.cohort.modalities[student].rows
        for s in range(splits.whole):
            soft = stored.encodings[teacher].teaching(s)[:, rows]
            for kind, weight in enumerate((0.0, LAMBDA)):
                logits[kind, s, rows] = of_split(
                    inputs[s],
                    stored.cohort.labels[rows],
                    soft,
                    splits.inner[s, rows],
                    splits.labelled[s, rows],
                    weight,
                )
        with atomic(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, logits=logits, teacher=np.array(teacher))


def of_split(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    teacher_logits: NDArray[np.float32],
    inner: NDArray[np.int64],
    labelled: NDArray[np.bool_],
    weight: float,
) -> Floats:
    """(K + 1, n, k) inputs -> (n, C) logits: of inner folds by the model without it, of test samples by that of all.

    Teacher's logits are (K + 1, n, C): those for the model without inner fold g saw nothing of it either.
    The best penalty by log-loss on the inner folds makes all predictions; `weight` is lambda.
    """
    n_classes, n_inner = teacher_logits.shape[2], len(inputs) - 1
    taught = (inner >= 0) & np.isfinite(teacher_logits[-1]).all(1)
    soft = softmax(np.nan_to_num(teacher_logits.astype(np.float64)), axis=2)
    found = np.full((len(INVERSE_PENALTIES), len(labels), n_classes), np.nan)
    for g in range(n_inner + 1):
        train = (inner >= 0) & (inner != g)
        predicted = inner == g if g < n_inner else inner < 0
        z = inputs[g].astype(np.float64)
        z = z / np.sqrt((z[train] ** 2).sum(1).mean())
        for point, inverse in enumerate(INVERSE_PENALTIES):
            found[point, predicted] = _fit(
                z, labels, soft[g], train & labelled, train & taught, weight, inverse, z[predicted]
            )
    scored = labelled & (inner >= 0)
    loss = -log_softmax(found[:, scored], axis=2)[:, np.arange(scored.sum()), labels[scored]].sum(1)
    return np.asarray(found[loss.argmin()])


def _fit(
    z: Floats,
    labels: NDArray[np.int64],
    soft: Floats,
    labelled: NDArray[np.bool_],
    taught: NDArray[np.bool_],
    weight: float,
    inverse: float,
    predicted: Floats,
) -> Floats:
    """(1 - lambda) times the mean loss over labels + lambda times that over soft targets, as a weighted regression.

    A soft target is one weighted row for each class. Weights sum to the number of labelled samples, with soft targets
    to that of all samples that have either.
    """
    n_classes = soft.shape[1]
    parts = [(z[labelled], np.eye(n_classes)[labels[labelled]], (1 - weight) / max(labelled.sum(), 1))]
    size = labelled.sum()
    if weight:
        parts.append((z[taught], soft[taught], weight / max(taught.sum(), 1)))
        size = (labelled | taught).sum()
    x = np.concatenate([np.repeat(points, n_classes, axis=0) for points, _, _ in parts])
    y = np.concatenate([np.tile(np.arange(n_classes), len(points)) for points, _, _ in parts])
    weights = np.concatenate([(target * each).ravel() for _, target, each in parts]) * size
    kept = weights > 0
    seen = np.unique(y[kept])
    # A class that is nowhere to be learnt gets the probability of one sample among all.
    scores = np.full((len(predicted), n_classes), -np.log(size + n_classes))
    if len(seen) < 2:
        scores[:, seen] = 0.0
        return scores
    model = LogisticRegression(C=inverse, tol=1e-3, max_iter=500).fit(x[kept], y[kept], sample_weight=weights[kept])
    values = predicted @ model.coef_.T + model.intercept_
    values = np.hstack([np.zeros_like(values), values]) if values.shape[1] == 1 else values
    scores[:, seen] = log_softmax(values, axis=1)
    return scores


def linear_table(output: Path, task: Task, budget: float) -> pd.DataFrame:
    """One row a student: balanced accuracy, in points, of networks, linear students and reference models.

    On the same test patients; `alone`, and `distilled` by the same teacher; with the corrected interval of linear minus
    network, distilled both, and of the distilled linear student minus the linear one alone.
    """
    room = folder(output, task, budget)
    stored = load(room)
    splits: Splits = first_repeats(stored.splits, REFERENCE_REPEATS)
    folds = len(np.unique(splits.fold[:-1]))
    networks = measured_gains(stored, "default", room)
    networks = networks[
        (networks["metric"] == METRIC) & (networks["control"] == "none") & (networks["repeat"] < REFERENCE_REPEATS)
    ]
    fitted = None if stored.references is None else reference_table(stored.cohort, splits, stored.references)
    rows = []
    for student in stored.cohort.modalities:
        path = room / "linear" / f"{student}.npz"
        if not path.exists():
            continue
        with np.load(path, allow_pickle=False) as arrays:
            logits, teacher = arrays["logits"], str(arrays["teacher"])
        scores, _ = score_models(stored.cohort, splits, student, logits)
        alone, distilled = 100 * scores[:, :, list(METRICS).index(METRIC)]
        network = networks[(networks["student"] == student) & (networks["teacher"] == teacher)]
        network = network.sort_values(["repeat", "fold"])
        row: dict[str, object] = {"cohort": task.cohort, "target": task.target, "budget": budget, "student": student}
        row |= {
            "teacher": teacher,
            "network alone": 100 * network["baseline"].mean(),
            "network distilled": 100 * network["distilled"].mean(),
            "linear alone": alone.mean(),
            "linear distilled": distilled.mean(),
        }
        for name, difference in {
            "linear - network": distilled - 100 * network["distilled"].to_numpy(),
            "linear gain": distilled - alone,
        }.items():
            row[name], row[f"{name}_low"], row[f"{name}_high"] = corrected_interval(difference, folds)
        if fitted is not None:
            of_student = fitted[(fitted["metric"] == METRIC) & (fitted["modality"] == student)]
            row |= {str(name): 100 * value for name, value in of_student.groupby("reference")["value"].mean().items()}
        rows.append(row)
    return pd.DataFrame(rows)
