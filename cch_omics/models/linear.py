"""Linear members of students, in closed form: ridge regression on labels and soft targets.

What a label and a soft target say of a sample are responses (`Task.responses`). A sample that has both gets their
weighted mean: least squares see no difference, and no sample stands twice in a fit. All training sets, teachers,
outputs and penalties of a split share their matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cch_omics.models.training_sets import Teaching, TrainingSets
from cch_omics.tasks.base import Floats, Responses

# Of the mean squared norm of a training sample; the first is taken where no fold may be looked at.
PENALTIES = tuple(10.0 ** (1.5 - 0.75 * step) for step in range(7))


@dataclass(frozen=True)
class Linear:
    """The M linear models of one split, on n samples with q scaled features.

    Attributes
    ----------
    predicted
        (G, M, n, C) outputs.
    weight, intercept
        (M, q, C) and (M, C) of the models of all training samples.
    """

    predicted: NDArray[np.float32]
    weight: NDArray[np.float32]
    intercept: NDArray[np.float32]


# Responses, and a weight of each sample.
_Weighted = tuple[Floats, Floats]


@dataclass(frozen=True)
class _Problem:
    """The least squares of each training set and model: responses (G, M, n, R) and weights (G, M, n) that sum to one.

    Attributes
    ----------
    fitted
        To the training samples.
    screened
        The same of soft targets alone where there are some: features are screened by them.
    judged
        (K, M, n, R) and (K, M, n) of the inner fold that each of the first K training sets goes without.
    units
        Of each training set.
    """

    fitted: _Weighted
    screened: _Weighted
    judged: _Weighted
    units: list[Responses]


@dataclass(frozen=True)
class _Paths:
    """Solutions for each of P penalties.

    Attributes
    ----------
    predicted
        (P, G, M, n, R).
    weight, intercept
        (P, M, q, R) and (P, M, R) of the models of all training samples.
    """

    predicted: Floats
    weight: Floats
    intercept: Floats


def fit_linear(
    sets: TrainingSets, teaching: Teaching | None, *, soft_weight: float, screened: Sequence[int | None]
) -> list[Linear]:
    """Fit M linear models on each training set of a split, of each kind.

    The penalty of a training set is that of the smallest squared error, of labels and soft targets, on the inner folds
    that it may look at (`TrainingSets.judges`), as the epochs of networks are.

    Parameters
    ----------
    teaching
        None for one model without a teacher.
    soft_weight
        Of the soft targets.
    screened
        Of each kind, how many features a model takes: those of the largest correlation with its soft targets, or with
        the labels where it has no teacher. None: all.
    """
    problem = _problem(sets, teaching, soft_weight)
    scaled = sets.scaled.double()
    # Penalties are then the same for all omics.
    unit = float(scaled[torch.as_tensor(sets.train[-1], device=scaled.device)].square().sum(1).mean().clamp(min=1e-12))
    kinds = (_ridge(scaled, problem, unit) if k is None else _screened_ridge(scaled, problem, k) for k in screened)
    return [_as_outputs(sets, problem, paths) for paths in kinds]


def _problem(sets: TrainingSets, teaching: Teaching | None, soft_weight: float) -> _Problem:
    """What each training set and model is fitted to."""
    units = [sets.task.responses(sets.values, members & sets.labelled) for members in sets.train]
    n_models = 1 if teaching is None else len(teaching.samples)
    fitted, screened, judged = [], [], []
    for g, unit in enumerate(units):
        labels = np.nan_to_num(unit.values), unit.weight * sets.labelled
        for m in range(n_models):
            soft = None
            if teaching is not None:
                said, trust = sets.task.soft_responses(np.nan_to_num(teaching.outputs[m, g]), unit)
                soft = said, trust * teaching.samples[m]
            fitted.append(_mixed(labels, soft, sets.train[g], soft_weight))
            screened.append(_mixed(labels, soft, sets.train[g], 1.0))
            if g < sets.n_inner:
                judged.append(_mixed(labels, soft, sets.predicted[g], soft_weight))

    def by_set(pairs: list[_Weighted]) -> _Weighted:
        """(n, R) and (n,) of each training set and model -> (G, M, n, R) and (G, M, n)."""
        values, weights = (np.array(each) for each in zip(*pairs, strict=True))
        return values.reshape(-1, n_models, *values.shape[1:]), weights.reshape(-1, n_models, *weights.shape[1:])

    return _Problem(by_set(fitted), by_set(screened), by_set(judged), units)


def _mixed(labels: _Weighted, soft: _Weighted | None, members: NDArray[np.bool_], soft_weight: float) -> _Weighted:
    """(n, R) responses of the members by labels and soft targets, and (n,) weights that sum to one."""
    values, weight = labels[0], _normal(labels[1] * members)
    if soft is None:
        return values, weight
    of_soft = _normal(soft[1] * members)
    # Without a label, or without a soft target, the other has all of the weight.
    share = (soft_weight if weight.any() else 1.0) if of_soft.any() else 0.0
    both = (1 - share) * weight[:, None] * values + share * of_soft[:, None] * soft[0]
    weight = (1 - share) * weight + share * of_soft
    return both / np.maximum(weight, 1e-300)[:, None], weight


def _normal(weight: Floats) -> Floats:
    """Weights that sum to one, or are all zero."""
    return np.asarray(weight / max(weight.sum(), 1e-300))


def _ridge(scaled: Tensor, problem: _Problem, unit: float) -> _Paths:
    """Ridge regression on all features.

    Features and responses are centred by the weights w, which sum to one. Systems of equations have the size of the
    features or of the samples that are used, whichever are fewer.
    """
    (responses, weights), device = problem.fitted, scaled.device
    n_sets, n_models, n, n_responses = responses.shape
    gram = scaled @ scaled.T / unit if n < scaled.shape[1] else None
    predicted = np.empty((len(PENALTIES), n_sets, n_models, n, n_responses))
    weight = np.empty((len(PENALTIES), n_models, scaled.shape[1], n_responses))
    intercept = np.empty((len(PENALTIES), n_models, n_responses))
    for g in range(n_sets):
        # Models of the same samples and weights share a matrix.
        of_pattern: dict[bytes, list[int]] = {}
        for m, row in enumerate(weights[g]):
            of_pattern.setdefault(row.tobytes(), []).append(m)
        for models in of_pattern.values():
            row = weights[g, models[0]]
            used = torch.as_tensor(np.flatnonzero(row), device=device)
            w = torch.as_tensor(row[row > 0], device=device)
            y = torch.as_tensor(responses[g, models][:, row > 0].transpose(1, 0, 2), device=device).flatten(1)
            mean = w @ y
            if gram is None:
                along, slope = _by_features(scaled, used, w, y - mean, unit)
            else:
                along, slope = _by_samples(gram, used, w, y - mean)
            constant = mean - w @ along[:, used]
            shape = len(PENALTIES), -1, len(models), n_responses
            predicted[:, g, models] = (along + constant[:, None]).reshape(shape).permute(0, 2, 1, 3).cpu().numpy()
            if g == n_sets - 1:
                of_features = slope if gram is None else scaled[used].T / unit @ slope
                weight[:, models] = of_features.reshape(shape).permute(0, 2, 1, 3).cpu().numpy()
                intercept[:, models] = constant.reshape(len(PENALTIES), len(models), n_responses).cpu().numpy()
    return _Paths(predicted, weight, intercept)


def _by_samples(gram: Tensor, used: Tensor, w: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(P, n, R) predictions but for a constant, and (P, m, R) coefficients a of the m samples used.

    With S = diag(sqrt(w)) and the Gram matrix K of centred features, a = S (S K S + penalty I)^-1 S y; they sum to
    zero, and K a differs from the uncentred K a by a constant.
    """
    root, own = w.sqrt()[:, None], gram[used[:, None], used]
    column = own @ w
    centred = own - column[:, None] - column + w @ column
    coefficients = root * _for_penalties(root * centred * root.T, root * y)
    return _times(gram[:, used], coefficients), coefficients


def _by_features(scaled: Tensor, used: Tensor, w: Tensor, y: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """(P, n, R) predictions but for a constant, and (P, q, R) coefficients of the features.

    With A = diag(sqrt(w)) X of the centred features X, (A' A + penalty I)^-1 A' y = A' (A A' + penalty I)^-1 y.
    """
    own = scaled[used]
    centred = own - w @ own
    if len(used) < scaled.shape[1]:
        root = (w / unit).sqrt()[:, None]
        rows = root * centred
        coefficients = _times(rows.T, _for_penalties(rows @ rows.T, root * y))
    else:
        side = (w[:, None] * centred).T / unit
        coefficients = _for_penalties(side @ centred, side @ y)
    return _times(scaled, coefficients), coefficients


def _times(matrix: Tensor, coefficients: Tensor) -> Tensor:
    """(n, k), (P, k, R) -> (P, n, R): one product reads the matrix once, and not for each penalty."""
    n_penalties, k, n_responses = coefficients.shape
    product = matrix @ coefficients.permute(1, 0, 2).reshape(k, -1)
    return product.reshape(-1, n_penalties, n_responses).permute(1, 0, 2)


def _for_penalties(system: Tensor, right: Tensor) -> Tensor:
    """(P, k, R) solutions of (system + penalty I) x = right: one after the other, as all at once take more memory."""
    solutions = []
    for penalty in PENALTIES:
        penalised = system.clone()
        penalised.diagonal().add_(penalty)
        solutions.append(torch.cholesky_solve(right, torch.linalg.cholesky(penalised)))
    return torch.stack(solutions)


def _screened_ridge(scaled: Tensor, problem: _Problem, n_features: int) -> _Paths:
    """Ridge regression on the features of the largest correlation with what they are screened by."""
    n_sets, n_models, n, n_responses = problem.fitted[0].shape
    device = scaled.device
    n_features = min(n_features, scaled.shape[1])
    y, w, said, trust = (
        torch.as_tensor(each, device=device).flatten(0, 1) for each in (*problem.fitted, *problem.screened)
    )
    chosen = _correlated(scaled, said, trust, n_features)
    inputs = scaled.T[chosen].transpose(1, 2)  # (B, n, k) with B = G M
    centre, mean = torch.einsum("bn,bnk->bk", w, inputs), torch.einsum("bn,bnr->br", w, y)
    centred = inputs - centre[:, None]
    weighted = centred * w[:, :, None]
    unit = torch.einsum("bnk,bnk->b", weighted, centred).clamp(min=1e-12)
    values, axes = torch.linalg.eigh(weighted.transpose(1, 2) @ centred)
    along = axes.transpose(1, 2) @ (weighted.transpose(1, 2) @ (y - mean[:, None]))  # (B, k, R)
    penalties = torch.tensor(PENALTIES, dtype=torch.float64, device=device)[:, None, None] * unit[:, None]
    solved = axes @ (along / (values.clamp(min=0) + penalties)[..., None])  # (P, B, k, R)
    shape = len(PENALTIES), n_sets, n_models
    predicted = (centred @ solved + mean[:, None]).reshape(*shape, n, n_responses)
    last = slice((n_sets - 1) * n_models, None)
    weight = torch.zeros((len(PENALTIES), n_models, scaled.shape[1], n_responses), dtype=torch.float64, device=device)
    index = chosen[last][None, :, :, None].expand(len(PENALTIES), -1, -1, n_responses)
    weight.scatter_(2, index, solved[:, last])
    intercept = mean[last] - torch.einsum("bk,pbkr->pbr", centre[last], solved[:, last])
    return _Paths(predicted.cpu().numpy(), weight.cpu().numpy(), intercept.cpu().numpy())


def _correlated(scaled: Tensor, values: Tensor, weight: Tensor, n_features: int) -> Tensor:
    """(n, q), (B, n, R), (B, n) -> (B, k) positions of the features of the largest correlation with any response."""
    n_responses = values.shape[2]
    centred = values - torch.einsum("bn,bnr->br", weight, values)[:, None]
    spread = torch.einsum("bn,bnr->br", weight, centred.square()).clamp(min=1e-24).sqrt()
    side = (weight[:, :, None] * centred / spread[:, None]).permute(1, 0, 2).flatten(1)  # (n, B R)
    covariance = (scaled.T @ side).reshape(scaled.shape[1], len(values), n_responses).abs().amax(2)  # (q, B)
    variance = scaled.square().T @ weight.T - (scaled.T @ weight.T).square()
    # A feature that is constant in a training set says nothing there.
    correlation = torch.where(variance > 1e-9, covariance / variance.clamp(min=1e-9).sqrt(), 0.0)
    # Stable, so that the choice among equal correlations does not depend on the machine.
    return correlation.T.argsort(dim=1, descending=True, stable=True)[:, :n_features]


def _as_outputs(sets: TrainingSets, problem: _Problem, paths: _Paths) -> Linear:
    """Choose the penalty of each training set and model, and turn predictions into outputs."""
    values, weights = problem.judged
    off = paths.predicted[:, : sets.n_inner] - values
    error = np.einsum("kmn,pkmnr->kpm", weights, off**2)
    chosen = np.tensordot(sets.judges()[:, : sets.n_inner], error, 1).argmin(1)  # (G, M)
    models = np.arange(chosen.shape[1])
    predicted = []
    for g, (penalty, unit) in enumerate(zip(chosen, problem.units, strict=True)):
        said, known = paths.predicted[penalty, g, models], sets.train[g] & sets.labelled
        own = np.stack([sets.task.intercept(each[known], sets.values[known], unit) for each in said])
        predicted.append(said @ unit.slope + own[:, None])
    last, unit = chosen[-1], problem.units[-1]
    weight = paths.weight[last, models] @ unit.slope
    # Of the last training set, that of all samples.
    intercept = paths.intercept[last, models] @ unit.slope + own
    return Linear(*(each.astype(np.float32) for each in (np.stack(predicted), weight, intercept)))
