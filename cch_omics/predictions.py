"""What the encoding and distillation steps hand on: predictions for samples that the model behind them did not see."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cch_omics.io.files import atomic


@dataclass(frozen=True)
class Network:
    """A trained network on raw features: softmax(tanh(x W + b) V + c), with missing values of x filled in.

    Standardisation and principal components are folded into W and b.

    Attributes
    ----------
    fill
        (p,) value that stands in for a missing one.
    weight, bias
        (p, r) and (r,): features to representation.
    head_weight, head_bias
        (r, C) and (C,): representation to logits.
    """

    fill: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    head_weight: NDArray[np.float32]
    head_bias: NDArray[np.float32]

    def represent(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, p) features, NaN where missing -> (n, r) representation."""
        filled = np.where(np.isnan(values), self.fill, values)
        return np.asarray(np.tanh(filled @ self.weight + self.bias), dtype=np.float32)

    def logits(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, p) features, NaN where missing -> (n, C) logits."""
        return np.asarray(self.represent(values) @ self.head_weight + self.head_bias, dtype=np.float32)


@dataclass(frozen=True)
class Encoding:
    """One modality, encoded with S splits of n samples, C classes and r units.

    Attributes
    ----------
    representation
        (S, n, r) of training samples, by the encoder that did not see their inner fold; NaN elsewhere. Encoders of
        different inner folds have unaligned axes: never pool them.
    logits
        (S, n, C): training samples by the encoder that did not see their inner fold, test samples by the encoder of the
        whole training set; NaN where a sample lacks the modality.
    network
        The encoder of all samples (the whole split).
    epochs
        (S,) chosen on inner folds.
    inputs
        (S, K + 1, m, k) of the networks, for the m samples that have the modality and each training set of each split:
        students on this modality take the same. None where they were not kept.
    teaching_logits
        (S, K + 1, n, C) what may teach the students of each training set of each split, on its samples: held-out of the
        inner fold that these students go without, and of the sample's own label. NaN elsewhere; None where nothing is
        taught.
    """

    representation: NDArray[np.float32]
    logits: NDArray[np.float32]
    network: Network
    epochs: NDArray[np.int64]
    inputs: NDArray[np.float32] | None = None
    teaching_logits: NDArray[np.float32] | None = None

    def teaching(self, split: int) -> NDArray[np.float32]:
        """(K + 1, n, C) of `teaching_logits`."""
        if self.teaching_logits is None:
            raise ValueError("an encoding without teaching logits cannot teach")
        return np.asarray(self.teaching_logits[split])


@dataclass(frozen=True)
class Distillation:
    """Students on one modality, taught V times.

    Attributes
    ----------
    teachers
        (V,) teacher modality; the student's own name is the self control.
    shuffled
        (V,) whether the teacher's logits were permuted over samples.
    logits
        (V, S, n, C), as in `Encoding`.
    lambdas, temperatures, epochs
        (V, S) of the students of all training samples.
    networks
        (V,) of the whole split.
    """

    teachers: tuple[str, ...]
    shuffled: NDArray[np.bool_]
    logits: NDArray[np.float32]
    lambdas: NDArray[np.float64]
    temperatures: NDArray[np.float64]
    epochs: NDArray[np.int64]
    networks: tuple[Network, ...]


def save_encoding(encoding: Encoding, path: Path) -> None:
    """Write an encoding as `.npz`."""
    _save(
        path,
        {
            "representation": encoding.representation,
            "logits": encoding.logits,
            "epochs": encoding.epochs,
            **{name: array for name in ("inputs", "teaching_logits") if (array := getattr(encoding, name)) is not None},
            **network_arrays(encoding.network, "network"),
        },
    )


def load_encoding(path: Path, *, inputs: bool = False) -> Encoding:
    """Read what `save_encoding` wrote; of the networks' inputs, most of the file, only where asked."""
    with np.load(path, allow_pickle=False) as arrays:
        return Encoding(
            representation=arrays["representation"],
            logits=arrays["logits"],
            network=network_of(arrays, "network"),
            epochs=arrays["epochs"],
            inputs=load_inputs(path) if inputs else None,
            teaching_logits=arrays.get("teaching_logits"),
        )


def load_inputs(path: Path) -> NDArray[np.float32] | None:
    """Read the networks' inputs alone of what `save_encoding` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        inputs: NDArray[np.float32] | None = arrays.get("inputs")
        return inputs


def save_distillation(distillation: Distillation, path: Path) -> None:
    """Write a distillation as `.npz`."""
    names = ("shuffled", "logits", "lambdas", "temperatures", "epochs")
    arrays = {name: getattr(distillation, name) for name in names}
    for v, network in enumerate(distillation.networks):
        arrays |= network_arrays(network, f"network{v}")
    _save(path, {"teachers": np.array(distillation.teachers), **arrays})


def load_distillation(path: Path) -> Distillation:
    """Read what `save_distillation` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Distillation(
            teachers=tuple(str(name) for name in arrays["teachers"]),
            shuffled=arrays["shuffled"],
            logits=arrays["logits"],
            lambdas=arrays["lambdas"],
            temperatures=arrays["temperatures"],
            epochs=arrays["epochs"],
            networks=tuple(network_of(arrays, f"network{v}") for v in range(len(arrays["teachers"]))),
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
