"""Many small networks as one batched module.

Every network is V' tanh(W' z + b) + c: k inputs, one hidden layer of r units (the representation), C outputs. A group
of networks shares its inputs z, so that their first layers are one matrix product. Samples are the last axis: every
operand of every product is then contiguous.

Axes: G groups, M networks of a group, n samples, k inputs, r units, C outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Networks(nn.Module):
    """G x M networks.

    Parameters
    ----------
    weight, bias
        (G, M, r, k) and (G, M, r, 1).
    head_weight, head_bias
        (G, M, C, r), or (G, M, 1, r) where all outputs share their weights, and (G, M, C, 1).
    """

    def __init__(self, weight: Tensor, bias: Tensor, head_weight: Tensor, head_bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.head_weight, self.head_bias = nn.Parameter(head_weight), nn.Parameter(head_bias)

    def represent(self, inputs: Tensor) -> Tensor:
        """(G, n, k) -> (G, M, r, n)."""
        return 2 * self._sigmoid(inputs) - 1

    def forward(self, inputs: Tensor) -> Tensor:
        """(G, n, k) -> (G, M, C, n) outputs."""
        # tanh(a) = 2 s - 1: the 2 and the 1 go into the head's small product.
        bias = (self.head_bias - self.head_weight.sum(3, keepdim=True)).flatten(0, 1)
        hidden = self._sigmoid(inputs).flatten(0, 1)
        weight = self.head_weight.expand(-1, -1, self.head_bias.shape[2], -1)
        flat = torch.baddbmm(bias, weight.flatten(0, 1), hidden, alpha=2)
        return flat.view(*self.head_bias.shape[:3], -1)

    def _sigmoid(self, inputs: Tensor) -> Tensor:
        """S = sigmoid(2 a) of the hidden layer's a: on a CPU it takes a tenth of the time of a tanh."""
        product = torch.baddbmm(
            self.bias.flatten(1, 2), self.weight.flatten(1, 2), inputs.transpose(1, 2), beta=2, alpha=2
        )
        return product.sigmoid().view(*self.bias.shape[:3], -1)


def initialise(
    seeds: Sequence[int], n_models: int, n_inputs: int, n_units: int, start: NDArray[np.float32], *, shared: bool
) -> Networks:
    """Random networks, the same for all models of a group: what differs between them is then the teacher alone.

    Each group has a generator of its own, so that a group is the same whatever it is batched with. The weights of heads
    start at zero: no sample differs from another until the data speak. With few labels a random head would still be
    there when training has to stop.

    Parameters
    ----------
    start
        (G, C) outputs that networks start from.
    shared
        Whether outputs share the weights of the head.
    """
    first = [torch.randn(n_units, n_inputs, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    shape, n_outputs = (len(seeds), n_models), start.shape[1]
    return Networks(
        weight=(torch.stack(first) / n_inputs**0.5)[:, None].repeat(1, n_models, 1, 1),
        bias=torch.zeros(*shape, n_units, 1),
        head_weight=torch.zeros(*shape, 1 if shared else n_outputs, n_units),
        head_bias=torch.as_tensor(start)[:, None, :, None].repeat(1, n_models, 1, 1),
    )


@dataclass(frozen=True)
class Drawn:
    """What the masks of a group are drawn for.

    Attributes
    ----------
    n_samples, n_inputs
        Of the training set.
    samples
        (m,) positions among them of the samples that the networks learn from.
    """

    n_samples: int
    n_inputs: int
    samples: NDArray[np.int64]


class InputDropout:
    """Dropout of the inputs of each group, one mask an epoch for all networks of the group.

    That keeps the comparison of its networks paired and their first layer one product. Each group draws from a
    generator of its own, for all samples of its training set: the mask of a sample is the same whatever the group is
    batched with, whichever other samples the networks learn from, and on any device.

    Parameters
    ----------
    inputs
        (G, n, k), with samples and inputs of padding last.
    drawn
        (G,) what is not padding.
    seeds
        (G,).
    rate
        Share of inputs dropped, rounded to 1/256: a byte decides about an input.
    """

    def __init__(self, inputs: Tensor, drawn: Sequence[Drawn], seeds: Sequence[int], rate: float) -> None:
        self._threshold = min(round(256 * rate), 255)
        self._drawn = list(drawn)
        self._random = [np.random.SFC64(seed) for seed in seeds]
        self._hold(inputs * (256 / (256 - self._threshold)))

    def _hold(self, inputs: Tensor) -> None:
        self._inputs, self._left = inputs, torch.empty_like(inputs)
        self._bytes = np.zeros(inputs.shape, dtype=np.uint8)
        # On a CPU one group after the other, whose mask stays in the cache; elsewhere all at once.
        at_once = 1 if inputs.device.type == "cpu" else max(len(inputs), 1)
        self._kept = torch.empty_like(inputs[:at_once])
        self._parts = list(
            zip(
                *(torch.split(each, at_once) for each in (inputs, torch.from_numpy(self._bytes), self._left)),
                strict=True,
            )
        )

    def keep(self, groups: Tensor) -> None:
        """Forget all groups but these."""
        chosen = groups.tolist()
        self._drawn = [self._drawn[g] for g in chosen]
        self._random = [self._random[g] for g in chosen]
        self._hold(self._inputs[groups])

    def draw(self) -> Tensor:
        """(G, n, k) inputs of the next epoch; valid until the one after."""
        if self._threshold == 0:
            return self._inputs
        for mask, drawn, random in zip(self._bytes, self._drawn, self._random, strict=True):
            n, k = drawn.n_samples, drawn.n_inputs
            every = random.random_raw(-(-n * k // 8)).view(np.uint8)[: n * k].reshape(n, k)
            # Positions are in range: "clip" does without a copy.
            np.take(every, drawn.samples, axis=0, out=mask[: len(drawn.samples), :k], mode="clip")
        np.greater_equal(self._bytes, self._threshold, out=self._bytes.view(np.bool_))
        # 1 where an input is kept, 0 where it is dropped: a product is ten times faster than filling in zeros.
        for inputs, kept, left in self._parts:
            torch.mul(inputs, self._kept.copy_(kept), out=left)
        return self._left
