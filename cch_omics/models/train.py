"""The training loop: full-batch AdamW with autograd, and early stopping of each network at its best.

Groups of networks come in B blocks of F groups (the training sets of one split); M networks of each group. Networks of
different groups never touch one another's weights: a block shares the decision when its networks stop.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from cch_omics.models.network import InputDropout, Networks
from cch_omics.tasks.base import Task

# Far below any gradient that means something: one that is rounding alone, as that of an intercept which has nothing to
# learn, must not become a step.
EPSILON = 1e-6
BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Samples:
    """What the networks learn from, or are judged on; weights sum to one over samples.

    The loss of network (g, m) is (1 - weight) label loss + weight soft loss, both by the task.

    Attributes
    ----------
    inputs
        (G, n, k).
    target
        (G, T, n) as `Task.group_targets` encodes them; anything where the weight is 0.
    label_weight
        (G, n).
    soft
        (G, M, S, n) soft targets; None for networks without a teacher.
    soft_weight
        (G, M, n).
    """

    inputs: Tensor
    target: Tensor
    label_weight: Tensor
    soft: Tensor | None = None
    soft_weight: Tensor | None = None

    def loss(self, task: Task, output: Tensor, weight: float, temperature: float) -> Tensor:
        """(G, M, C, n) outputs -> (G, M)."""
        labels = task.label_loss(output, self.target, self.label_weight)
        if self.soft is None or self.soft_weight is None:
            return labels
        soft = task.soft_loss(output, self.soft, self.soft_weight, temperature)
        return (1 - weight) * labels + weight * soft


@dataclass(frozen=True)
class Schedule:
    """How long networks are trained, and how.

    Attributes
    ----------
    epochs
        Steps at most.
    patience
        Epochs without a new best loss after which a network is finished.
    check_every
        Epochs between two looks at the held-out loss.
    """

    epochs: int
    patience: int
    check_every: int
    learning_rate: float
    weight_decay: float
    dropout: float


class EarlyStopping:
    """Keeps a copy of each network at its best, and says which are finished.

    Network (g, m) is judged by sum_h judges[g, h] loss(h, m) over the groups h of its block. The networks m of a block
    are finished together, when none of them has had a new best for `patience` epochs.

    Parameters
    ----------
    networks
        G x M networks to be trained.
    judges
        (B, F, F).
    """

    def __init__(self, networks: Networks, judges: Tensor, patience: int) -> None:
        n_blocks, self.n_groups = judges.shape[:2]
        self._judges, self._patience = judges.double(), patience
        self._shape = n_blocks, self.n_groups, networks.bias.shape[1]
        self.best = {name: parameter.detach().clone() for name, parameter in networks.named_parameters()}
        self.epochs = torch.zeros(self._shape, dtype=torch.int64, device=judges.device)
        self._least = torch.full(self._shape, torch.inf, dtype=torch.float64, device=judges.device)
        self._latest = torch.zeros(n_blocks, self._shape[2], dtype=torch.int64, device=judges.device)
        self._finished = torch.zeros_like(self._latest, dtype=torch.bool)
        # Of each block in the batch: its number, and the numbers of its networks that are in the batch.
        self._block = torch.arange(n_blocks, device=judges.device)
        self._model = torch.arange(self._shape[2], device=judges.device).expand(n_blocks, -1)

    def look(self, epoch: int, losses: Tensor, networks: Networks) -> None:
        """Copy the networks in the batch whose (groups, networks) held-out losses make them better than ever."""
        score = self._judges[self._block] @ losses.double().view(len(self._block), self.n_groups, -1)
        of_block = self._block[:, None], self._model
        group = torch.arange(self.n_groups, device=score.device)[:, None]
        place = self._block[:, None, None], group, self._model[:, None]
        # A loss that is not a number is no better than any, but something has to be kept.
        better = (score < self._least[place]) | (self.epochs[place] == 0)
        better &= ~self._finished[of_block][:, None]
        self._least[place] = torch.where(better, score.nan_to_num(nan=torch.inf), self._least[place])
        self.epochs[place] = torch.where(better, epoch, self.epochs[place])
        self._latest[of_block] = torch.where(better.any(1), epoch, self._latest[of_block])
        self._finished[of_block] |= epoch - self._latest[of_block] >= self._patience
        improved = tuple(index.expand_as(better)[better] for index in place)
        for name, parameter in networks.named_parameters():
            kept = self.best[name].view(*self._shape, *parameter.shape[2:])
            kept[improved] = parameter.detach().view(*better.shape, *parameter.shape[2:])[better]

    def leave(self) -> "Leaving | None":
        """Which networks stay in the batch; None if all do."""
        finished = self._finished[self._block[:, None], self._model]
        n_left = int((~finished).sum(1).max())
        blocks = (~finished).any(1)
        if n_left == finished.shape[1] and bool(blocks.all()):
            return None
        # Blocks with fewer networks left than others are filled up with finished ones.
        stay = finished[blocks].byte().argsort(dim=1, stable=True)[:, :n_left]
        self._block, self._model = self._block[blocks], self._model[blocks].gather(1, stay)
        return Leaving(blocks.nonzero()[:, 0], stay, self.n_groups)


@dataclass(frozen=True)
class Leaving:
    """Which part of a batch goes on: some blocks, and some networks of each.

    Attributes
    ----------
    blocks
        (b,) positions of the blocks that stay.
    models
        (b, m) positions of their networks that stay.
    n_groups
        F.
    """

    blocks: Tensor
    models: Tensor
    n_groups: int

    @property
    def nobody(self) -> bool:
        """Whether training is over."""
        return len(self.blocks) == 0

    @property
    def groups(self) -> Tensor:
        """(b * F,) positions of the groups that stay."""
        return (self.blocks[:, None] * self.n_groups + torch.arange(self.n_groups, device=self.blocks.device)).flatten()

    def of_networks(self, tensor: Tensor) -> Tensor:
        """(G, M, ...) -> (b * F, m, ...)."""
        return tensor[self.groups[:, None], self.models.repeat_interleave(self.n_groups, 0)]

    def of_samples(self, samples: Samples) -> Samples:
        groups = self.groups
        return Samples(
            inputs=samples.inputs[groups],
            target=samples.target[groups],
            label_weight=samples.label_weight[groups],
            soft=None if samples.soft is None else self.of_networks(samples.soft),
            soft_weight=None if samples.soft_weight is None else self.of_networks(samples.soft_weight),
        )


def train(
    networks: Networks,
    task: Task,
    samples: Samples,
    held_out: Samples,
    judges: Tensor,
    dropout: InputDropout,
    schedule: Schedule,
    *,
    weight: float = 0.0,
    temperature: float = 1.0,
) -> tuple[Networks, Tensor]:
    """Train by AdamW (Loshchilov & Hutter 2019) with dropout of inputs; keep each network at its best.

    Networks are judged by what they are trained for, the loss of labels and soft targets, on held-out samples: with few
    labels those with soft targets are many more, and say better when to stop. Finished networks leave the batch.

    Parameters
    ----------
    networks
        Where to start; changed.
    samples, held_out
        What is learnt from, and what judges.
    judges
        (B, F, F) weights of the held-out losses, see `EarlyStopping`.
    dropout
        Makes the inputs of `samples` for each epoch.
    weight, temperature
        Of the soft targets.

    Returns
    -------
    tuple
        The networks, each at its best, and the (G, M) epochs until then.
    """
    stopping = EarlyStopping(networks, judges, schedule.patience)
    moments = Moments.none(networks)
    for epoch in range(1, schedule.epochs + 1):
        networks.zero_grad()
        samples.loss(task, networks(dropout.draw()), weight, temperature).sum().backward()  # type: ignore[no-untyped-call]
        moments.step(networks, schedule)
        if epoch % schedule.check_every and epoch != schedule.epochs:
            continue
        with torch.no_grad():
            losses = held_out.loss(task, networks(held_out.inputs), weight, temperature)
            stopping.look(epoch, losses, networks)
            leaving = stopping.leave()
            if leaving is None:
                continue
            if leaving.nobody:
                break
            samples, held_out = leaving.of_samples(samples), leaving.of_samples(held_out)
            dropout.keep(leaving.groups)
            networks = type(networks)(*(leaving.of_networks(parameter) for parameter in networks.parameters()))
            moments = moments.of_networks(leaving)
    return type(networks)(**stopping.best), stopping.epochs.flatten(0, 1)


@dataclass(frozen=True)
class Moments:
    """What AdamW remembers of the gradients of networks.

    The function of `torch.optim` and not its class, which loads the compiler of torch: that takes longer than many a
    training.

    Attributes
    ----------
    first, second
        Running means of gradients and of their squares, by the name of a parameter.
    steps
        Taken so far, for each parameter.
    """

    first: dict[str, Tensor]
    second: dict[str, Tensor]
    steps: dict[str, Tensor]

    @classmethod
    def none(cls, networks: Networks) -> "Moments":
        zero = {name: torch.zeros_like(parameter) for name, parameter in networks.named_parameters()}
        steps = {name: torch.zeros((), device=each.device) for name, each in zero.items()}
        return cls(zero, {name: each.clone() for name, each in zero.items()}, steps)

    def of_networks(self, leaving: Leaving) -> "Moments":
        """Those of the networks that stay."""
        first, second = (
            {name: leaving.of_networks(each) for name, each in of.items()} for of in (self.first, self.second)
        )
        return Moments(first, second, self.steps)

    @torch.no_grad()
    def step(self, networks: Networks, schedule: Schedule) -> None:
        """Change networks by their gradients; weights decay, and biases do not."""
        for name, parameter in networks.named_parameters():
            assert parameter.grad is not None
            adamw(
                [parameter],
                [parameter.grad],
                [self.first[name]],
                [self.second[name]],
                [],
                [self.steps[name]],
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=schedule.learning_rate,
                weight_decay=0.0 if "bias" in name else schedule.weight_decay,
                eps=EPSILON,
                maximize=False,
            )
