"""Convolutional networks for images: one layer of filters below the hidden layer that every network here has."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cch_omics.models.network import Networks

FILTERS, KERNEL, STRIDE = 8, 5, 2
# Of the filters, on one image of 14 x 14 pixels.
ACTIVATIONS = FILTERS * 5 * 5


class Convolutional(Networks):
    """G x M networks on square images of k pixels, each with filters of its own.

    Parameters
    ----------
    weight, bias
        (G, M, r, F * p) and (G, M, r, 1), of F filters at p places.
    head_weight, head_bias
        As of `Networks`.
    filters, filters_bias
        (G, M, F, KERNEL * KERNEL) and (G, M, F, 1).
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        head_weight: Tensor,
        head_bias: Tensor,
        filters: Tensor,
        filters_bias: Tensor,
    ) -> None:
        super().__init__(weight, bias, head_weight, head_bias)
        self.filters, self.filters_bias = nn.Parameter(filters), nn.Parameter(filters_bias)

    def _sigmoid(self, inputs: Tensor) -> Tensor:
        n_groups, n, pixels = inputs.shape
        # (G, KERNEL * KERNEL, p * n): a product of matrices is several times faster than a convolution here.
        patches = inputs.transpose(1, 2)[:, places(pixels)].flatten(2)
        maps = torch.baddbmm(self.filters_bias.flatten(1, 2), self.filters.flatten(1, 2), patches).relu()
        features = maps.view(n_groups * self.bias.shape[1], -1, n)
        product = torch.baddbmm(self.bias.flatten(0, 1), self.weight.flatten(0, 1), features, beta=2, alpha=2)
        return product.sigmoid().view(*self.bias.shape[:3], -1)


@cache
def places(pixels: int) -> Tensor:
    """(KERNEL * KERNEL, p) pixels of a square image that a filter meets at each of its p places."""
    side = round(pixels**0.5)
    kernel = (side * torch.arange(KERNEL)[:, None] + torch.arange(KERNEL)).flatten()
    corners = torch.arange(0, side - KERNEL + 1, STRIDE)
    return kernel[:, None] + (side * corners[:, None] + corners).flatten()


def initialise(
    seeds: Sequence[int], n_models: int, n_inputs: int, n_units: int, start: NDArray[np.float32], *, shared: bool
) -> Convolutional:
    """As `cch_omics.models.network.initialise`; the filters of a group are drawn first."""
    n_features, n_outputs, shape = FILTERS * places(n_inputs).shape[1], start.shape[1], (len(seeds), n_models)
    first, filters = [], []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)
        filters.append(torch.randn(FILTERS, KERNEL**2, generator=random) / KERNEL)
        first.append(torch.randn(n_units, n_features, generator=random) / n_features**0.5)

    def for_all(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts)[:, None].repeat(1, n_models, 1, 1)

    return Convolutional(
        weight=for_all(first),
        bias=torch.zeros(*shape, n_units, 1),
        head_weight=torch.zeros(*shape, 1 if shared else n_outputs, n_units),
        head_bias=torch.as_tensor(start)[:, None, :, None].repeat(1, n_models, 1, 1),
        filters=for_all(filters),
        filters_bias=torch.zeros(*shape, FILTERS, 1),
    )
