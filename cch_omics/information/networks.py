"""Small networks fitted side by side, each stopped by itself; shared by the estimators that learn.

Parameters and data have the network as their first axis. A loss is summed over networks, so that no network's gradient
knows of another's, and AdamW (Loshchilov, Hutter 2019, Decoupled weight decay regularization, ICLR) treats every number
alone: what a network becomes does not depend on what it is fitted beside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cch_omics.information.cross_fit import Part

# Steps between looks at the stopping loss.
CHECK_EVERY = 5
# Gradients far below this are rounding, which AdamW would else blow up to steps of full length: a result would depend
# on what a network is batched with.
SMALLEST = 1e-4


class Perceptrons(nn.Module):
    """M perceptrons of one hidden layer of tanh units.

    Parameters
    ----------
    sizes
        Columns of the input, hidden units, columns of the output.
    seeds
        Of the first weights of the networks of an item.
    items
        Each has one network of every seed: M = items * len(seeds), the networks of an item side by side.
    device
        Where they are.
    """

    def __init__(self, sizes: tuple[int, int, int], seeds: Sequence[int], items: int, device: torch.device) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def weight(n_in: int, n_out: int) -> nn.Parameter:
            drawn = torch.stack([torch.randn(n_in, n_out, generator=generator) for generator in generators])
            return nn.Parameter(drawn.to(device).repeat(items, 1, 1) / n_in**0.5)

        columns, units, out = sizes
        models = items * len(seeds)
        self.hidden, self.output = weight(columns, units), weight(units, out)
        self.hidden_bias = nn.Parameter(torch.zeros(models, 1, units, device=device))
        self.output_bias = nn.Parameter(torch.zeros(models, 1, out, device=device))

    def forward(self, points: Tensor) -> Tensor:
        """(M, n, columns) -> (M, n, out)."""
        hidden = torch.baddbmm(self.hidden_bias, points, self.hidden).tanh()
        return torch.baddbmm(self.output_bias, hidden, self.output)


@dataclass(frozen=True)
class Fitting:
    """Full-batch AdamW: at most `epochs` steps; `patience` steps without a lower stopping loss end it."""

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float


def fit(model: nn.Module, loss: Callable[[Part], Tensor], train: Part, stop: Part, settings: Fitting) -> Tensor:
    """Fit M networks, each until its own stopping loss has not fallen for a while; leave each where that was lowest.

    Parameters
    ----------
    model
        Its parameters are (M, ...).
    loss
        (M,) of the networks, each on its own samples.
    train, stop
        Gradients come from the one, when to stop from the other.
    settings
        Of the optimiser.

    Returns
    -------
    Tensor
        (M,) whether the stopping loss of a network had ceased to fall when the last step was taken.
    """
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, eps=SMALLEST
    )
    with torch.no_grad():
        best_loss = loss(stop)
    best = [parameter.detach().clone() for parameter in parameters]
    best_epoch = torch.zeros_like(best_loss, dtype=torch.int64)
    converged = torch.zeros_like(best_loss, dtype=torch.bool)
    for epoch in range(1, settings.epochs + 1):
        optimiser.zero_grad()
        loss(train).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if epoch % CHECK_EVERY and epoch < settings.epochs:
            continue
        with torch.no_grad():
            found = loss(stop)
            # A network that has converged goes on beside the others, and is not looked at again.
            better = (found < best_loss) & ~converged
            best_loss[better], best_epoch[better] = found[better], epoch
            for kept, parameter in zip(best, parameters, strict=True):
                kept[better] = parameter[better]
        converged |= epoch - best_epoch >= settings.patience
        if converged.all():
            break
    with torch.no_grad():
        for kept, parameter in zip(best, parameters, strict=True):
            parameter.copy_(kept)
    return converged
