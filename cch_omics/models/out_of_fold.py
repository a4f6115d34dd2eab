"""The container that travels from step to step: what models predict for samples that they have not seen.

Whoever made the models, encoders, students or baselines: training samples are predicted by the model that did not see
their inner fold, test samples by the model of the whole training set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.models.recipes import ALONE
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import read_arrays


@dataclass(frozen=True)
class Model:
    """What a model is.

    Attributes
    ----------
    recipe
        Name of its recipe, or of a baseline.
    teacher
        The view that taught it, "" without one.
    control
        `none` for a student as it is delivered; `self`: taught by its own omics; `shuffled`: taught by outputs that
        were permuted over samples.
    """

    recipe: str
    teacher: str = ""
    control: str = "none"


@dataclass(frozen=True)
class Network:
    """A trained model on raw features: tanh(x W + b) V + x U + c, with missing values of x filled in, others bounded.

    Standardisation, principal components and the unit of the target are folded into the weights. A linear model has no
    units, r = 0; a weighted mean of models has the units of all of them.

    Attributes
    ----------
    fill
        (p,) value that stands in for a missing one.
    bound
        (p,) how far from `fill` a value counts at most: further than in the training.
    weight, bias
        (p, r) and (r,): features to representation.
    head_weight, head_bias
        (r, C) and (C,): representation to outputs.
    skip_weight
        (p, C): features to outputs, past the units.
    """

    fill: NDArray[np.float32]
    bound: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    head_weight: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    skip_weight: NDArray[np.float32]

    def representation(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, p) features, NaN where missing -> (n, r)."""
        return np.asarray(np.tanh(self.bounded(values) @ self.weight + self.bias))

    def outputs(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, p) features, NaN where missing -> (n, C) outputs."""
        straight = self.bounded(values) @ self.skip_weight
        return np.asarray(self.representation(values) @ self.head_weight + straight + self.head_bias, dtype=np.float32)

    def bounded(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, p) features, NaN where missing -> (n, p) as they count: filled in and bounded."""
        filled = np.where(np.isnan(values), self.fill, values)
        return np.clip(filled, self.fill - self.bound, self.fill + self.bound)

    def lean(self) -> tuple["Network", NDArray[np.int64]]:
        """Return the model without units and features that change no output, and the positions of the features left."""
        units = (self.head_weight != 0).any(1)
        used = np.flatnonzero((self.weight[:, units] != 0).any(1) | (self.skip_weight != 0).any(1))
        if len(used) == 0:  # a model that learnt nothing still has features
            used = np.arange(len(self.fill))
        kept = replace(
            self,
            fill=self.fill[used],
            bound=self.bound[used],
            weight=self.weight[used][:, units],
            bias=self.bias[units],
            head_weight=self.head_weight[units],
            skip_weight=self.skip_weight[used],
        )
        return kept, used


@dataclass(frozen=True)
class OutOfFold:
    """V models of one student modality with S splits of n samples and C outputs.

    Attributes
    ----------
    models
        (V,) what each is.
    outputs
        (V, S, n, C) in the unit of the task; NaN where a sample lacks the modality.
    networks
        (V,) those of the full cohort; none for baselines, which are not deployed.
    epochs
        (V, S) steps taken by the networks of the whole training set; 0 for baselines.
    weights
        (V, S, E) of the members in the average of the whole training set (`recipes.MEMBERS`); E = 0 for baselines.
    """

    models: tuple[Model, ...]
    outputs: NDArray[np.float32]
    networks: tuple[Network, ...]
    epochs: NDArray[np.int64]
    weights: NDArray[np.float64]

    def of(self, model: Model) -> NDArray[np.float32]:
        """(S, n, C) outputs of one model."""
        return np.asarray(self.outputs[self.models.index(model)])

    @property
    def alone(self) -> NDArray[np.float32]:
        """(S, n, C) outputs of the student that was trained alone."""
        return self.of(Model(ALONE.name))

    @property
    def taught(self) -> list[Model]:
        """The students of real teachers."""
        return [model for model in self.models if model.teacher and model.control == "none"]


@dataclass(frozen=True)
class Encoding:
    """One view, encoded with S splits of n samples, C outputs and r units.

    Attributes
    ----------
    representation
        (S, n, r) of training samples, by the encoder that did not see their inner fold; NaN elsewhere. Encoders of
        different inner folds have unaligned axes: never pool them.
    outputs
        (S, n, C) as in `OutOfFold`.
    soft_targets
        (S, K + 1, n, C) out-of-fold soft targets: what may teach the students of each training set of each split, on
        its samples. Row g teaches students without inner fold g, and comes from encoders that have seen neither that
        fold's labels nor the sample's own; row K teaches the students of the whole training set. NaN elsewhere.
    epochs
        (S,) of the network of the whole training set.
    weights
        (S, E) of the members in the average of the whole training set.
    network
        The average of the full cohort; None for a view of several modalities, which is never deployed.
    inputs
        (S, K + 1, m, k) of the networks, for the m samples that have the view and each training set of each split:
        students of the view take the same. None where training sets differ in their number of components.
    """

    representation: NDArray[np.float32]
    outputs: NDArray[np.float32]
    soft_targets: NDArray[np.float32]
    epochs: NDArray[np.int64]
    weights: NDArray[np.float64]
    network: Network | None = None
    inputs: NDArray[np.float32] | None = None


# Of a view or a student that was left out: of no split, no sample and no model.
_NOTHING = np.zeros((0, 0, 0, 0), dtype=np.float32)
NO_ENCODING = Encoding(_NOTHING.sum(3), _NOTHING.sum(3), _NOTHING, np.zeros(0, dtype=np.int64), np.zeros((0, 0)))
NO_MODELS = OutOfFold((), _NOTHING, (), np.zeros((0, 0), dtype=np.int64), np.zeros((0, 0, 0)))


def save_encoding(encoding: Encoding, path: Path) -> None:
    """Write an encoding as `.npz`."""
    arrays = {
        name: getattr(encoding, name) for name in ("representation", "outputs", "soft_targets", "epochs", "weights")
    }
    if encoding.inputs is not None:
        arrays["inputs"] = encoding.inputs
    if encoding.network is not None:
        arrays |= network_arrays(encoding.network, "network")
    _save(path, arrays)


def load_encoding(path: Path, *, inputs: bool = False) -> Encoding:
    """Read what `save_encoding` wrote; the networks' inputs, most of the file, only where asked."""
    with read_arrays(path) as arrays:
        return Encoding(
            representation=arrays["representation"],
            outputs=arrays["outputs"],
            soft_targets=arrays["soft_targets"],
            epochs=arrays["epochs"],
            weights=arrays["weights"],
            network=network_of(arrays, "network") if "network.weight" in arrays else None,
            inputs=arrays["inputs"] if inputs and "inputs" in arrays else None,
        )


def save_out_of_fold(predicted: OutOfFold, path: Path) -> None:
    """Write an `OutOfFold` as `.npz`."""
    _save(path, _arrays(predicted))


def load_out_of_fold(path: Path) -> OutOfFold:
    """Read what `save_out_of_fold` wrote."""
    with read_arrays(path) as arrays:
        return _out_of_fold(arrays, "")


def save_by_student(predicted: Mapping[str, OutOfFold], path: Path) -> None:
    """Write the `OutOfFold` of each student as one `.npz`."""
    arrays: dict[str, NDArray[Any]] = {"students": np.array(list(predicted), dtype=np.str_)}
    for number, each in enumerate(predicted.values()):
        arrays |= _arrays(each, f"{number}.")
    _save(path, arrays)


def load_by_student(path: Path) -> dict[str, OutOfFold]:
    """Read what `save_by_student` wrote."""
    with read_arrays(path) as arrays:
        return {str(name): _out_of_fold(arrays, f"{number}.") for number, name in enumerate(arrays["students"])}


def _arrays(predicted: OutOfFold, prefix: str = "") -> dict[str, NDArray[Any]]:
    models = np.array([[m.recipe, m.teacher, m.control] for m in predicted.models], dtype=np.str_).reshape(-1, 3)
    arrays: dict[str, NDArray[Any]] = {
        f"{prefix}models": models,
        f"{prefix}outputs": predicted.outputs,
        f"{prefix}epochs": predicted.epochs,
        f"{prefix}weights": predicted.weights,
    }
    for v, network in enumerate(predicted.networks):
        arrays |= network_arrays(network, f"{prefix}network{v}")
    return arrays


def _out_of_fold(arrays: Mapping[str, NDArray[Any]], prefix: str) -> OutOfFold:
    models = tuple(Model(*(str(part) for part in row)) for row in arrays[f"{prefix}models"])
    deployed = range(len(models)) if f"{prefix}network0.weight" in arrays else ()
    return OutOfFold(
        models=models,
        outputs=arrays[f"{prefix}outputs"],
        networks=tuple(network_of(arrays, f"{prefix}network{v}") for v in deployed),
        epochs=arrays[f"{prefix}epochs"],
        weights=arrays[f"{prefix}weights"],
    )


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def network_arrays(network: Network, prefix: str) -> dict[str, NDArray[np.float32]]:
    """Parameters of a network as arrays PREFIX.NAME."""
    return {f"{prefix}.{field.name}": getattr(network, field.name) for field in fields(Network)}


def network_of(arrays: Mapping[str, NDArray[np.float32]], prefix: str) -> Network:
    """The network of arrays PREFIX.NAME."""
    return Network(**{field.name: arrays[f"{prefix}.{field.name}"] for field in fields(Network)})
