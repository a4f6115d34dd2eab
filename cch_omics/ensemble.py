"""Many small networks, trained as one batched computation.

Every network is softmax(V' tanh(W' z + b) + c): k inputs, one hidden layer of r units (the representation), C classes.
A group of networks shares its inputs z, so that their first layers are one matrix product. Samples are the last axis
throughout, which keeps every operand of every product contiguous.

Axes: G groups, M networks of a group, n samples, k inputs, r units, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """What the networks learn from, or are judged on.

    The loss of network (g, m), with weights that sum to one over samples, is

        sum_i label_weight[g, i] (1 - lambda[m]) CE(label_i, softmax(logits))
        + sum_i soft_weight[g, m, i] lambda[m] T[m]^2 KL(soft[g, m, i] || softmax(logits / T[m]))

    (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2).

    Groups of fewer than n samples are padded with samples of no weight.

    Attributes
    ----------
    inputs
        (G, n, k).
    labels
        (G, C, n) one-hot; anything where the weight is 0.
    label_weight
        (G, n).
    soft
        (G, M, C, n) the teachers' probabilities at the networks' temperatures; None for networks without a teacher.
    soft_weight
        (G, M, n).
    lambdas, temperatures
        (M,).
    """

    inputs: Tensor
    labels: Tensor
    label_weight: Tensor
    soft: Tensor | None = None
    soft_weight: Tensor | None = None
    lambdas: Tensor | None = None
    temperatures: Tensor | None = None


@dataclass(frozen=True)
class Networks:
    """Parameters of G x M networks.

    Attributes
    ----------
    weight
        (G, M * r, k).
    bias
        (G, M * r, 1).
    head_weight
        (G * M, C, r).
    head_bias
        (G * M, C, 1).
    """

    weight: Tensor
    bias: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight, self.bias, self.head_weight, self.head_bias

    def copy(self) -> "Networks":
        return Networks(*(parameter.clone() for parameter in self.parameters()))

    def represent(self, inputs: Tensor) -> Tensor:
        """(G, n, k) -> (G * M, r, n)."""
        hidden = torch.baddbmm(self.bias, self.weight, inputs.transpose(1, 2)).tanh_()
        return hidden.view(len(self.head_bias), -1, inputs.shape[1])

    def logits(self, hidden: Tensor) -> Tensor:
        """(G * M, r, n) -> (G * M, C, n)."""
        return torch.baddbmm(self.head_bias, self.head_weight, hidden)


@dataclass(frozen=True)
class Trained:
    """Networks as they were at each checkpoint.

    Attributes
    ----------
    epochs
        Steps taken at each of E checkpoints.
    snapshots
        (E,).
    held_out_loss
        (E, G, M) label cross-entropy on the held-out samples, nats.
    """

    epochs: tuple[int, ...]
    snapshots: tuple[Networks, ...]
    held_out_loss: Tensor


def join(parts: list[Trained]) -> Trained:
    """One batch of groups that were trained in several."""

    def joined(snapshots: tuple[Networks, ...]) -> Networks:
        of_one_kind = zip(*(snapshot.parameters() for snapshot in snapshots), strict=True)
        return Networks(*(torch.cat(parameters) for parameters in of_one_kind))

    return Trained(
        epochs=parts[0].epochs,
        snapshots=tuple(joined(snapshots) for snapshots in zip(*(part.snapshots for part in parts), strict=True)),
        held_out_loss=torch.cat([part.held_out_loss for part in parts], dim=1),
    )


def initialise(seeds: list[int], n_models: int, n_inputs: int, n_units: int, n_classes: int) -> Networks:
    """Random networks, the same for all models of a group: what differs between them is then the teacher alone.

    Each group has a generator of its own, so that a group is the same whatever it is batched with. Heads start at zero:
    all classes are equally likely until the data speak. With few labels a random head is still there when training has
    to stop.
    """
    weights = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        weights.append(torch.randn(n_units, n_inputs, generator=generator) / n_inputs**0.5)
    return Networks(
        weight=torch.stack(weights).repeat(1, n_models, 1),
        bias=torch.zeros(len(seeds), n_models * n_units, 1),
        head_weight=torch.zeros(len(seeds) * n_models, n_classes, n_units),
        head_bias=torch.zeros(len(seeds) * n_models, n_classes, 1),
    )


def train(
    networks: Networks,
    samples: Samples,
    held_out: Samples,
    seeds: list[int],
    *,
    epochs: int,
    checkpoint_every: int,
    learning_rate: float,
    weight_decay: float,
    dropout: float,
) -> Trained:
    """Train by full-batch AdamW (Loshchilov & Hutter 2019) with dropout of inputs; keep a snapshot at checkpoints.

    Parameters
    ----------
    networks
        Where to start; not changed.
    samples
        No gradient comes from others.
    held_out
        On which the held-out loss is taken.
    seeds
        One a group, of its dropout.
    """
    networks = networks.copy()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in networks.parameters()]
    decays = (weight_decay, 0.0, weight_decay, 0.0)
    kept_epochs, snapshots, losses = [], [], []
    for epoch in range(1, epochs + 1):
        inputs = samples.inputs
        if dropout > 0:
            # One mask for all networks of a group, which keeps their comparison paired and the first layer one product.
            masks = torch.stack([torch.rand(inputs.shape[1:], generator=generator) for generator in generators])
            inputs = inputs * (masks.to(inputs.device) >= dropout) / (1 - dropout)
        gradients = _gradients(networks, inputs, samples)
        for parameter, gradient, (first, second), decay in zip(
            networks.parameters(), gradients, moments, decays, strict=True
        ):
            first.lerp_(gradient, 0.1)
            second.lerp_(gradient.square(), 0.001)
            step = first / (1 - 0.9**epoch) / ((second / (1 - 0.999**epoch)).sqrt_().add_(1e-8))
            parameter.mul_(1 - learning_rate * decay).sub_(step, alpha=learning_rate)
        if epoch % checkpoint_every == 0 or epoch == epochs:
            kept_epochs.append(epoch)
            snapshots.append(networks.copy())
            losses.append(_label_loss(networks, held_out))
    return Trained(tuple(kept_epochs), tuple(snapshots), torch.stack(losses))


def _gradients(networks: Networks, inputs: Tensor, samples: Samples) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the loss in `Samples`, at inputs with dropout, in the order of `Networks.parameters`."""
    n_groups, n_samples, _ = inputs.shape
    hidden = networks.represent(inputs)
    logits = networks.logits(hidden)
    n_classes = logits.shape[1]
    grouped = logits.view(n_groups, -1, n_classes, n_samples)

    # d CE / d logits = probabilities - labels;  d T^2 KL / d logits = T (probabilities at T - soft targets)
    error = (grouped.softmax(2) - samples.labels[:, None]) * samples.label_weight[:, None, None]
    if samples.soft is not None:
        assert samples.soft_weight is not None and samples.lambdas is not None and samples.temperatures is not None
        lambdas = samples.lambdas[:, None, None]
        temperatures = samples.temperatures[:, None, None]
        soft_error = ((grouped / temperatures).softmax(2) - samples.soft) * samples.soft_weight[:, :, None]
        error = (1 - lambdas) * error + lambdas * temperatures * soft_error
    error = error.reshape(logits.shape)

    head_weight = error @ hidden.transpose(1, 2)
    head_bias = error.sum(2, keepdim=True)
    # d tanh(a) / d a = 1 - tanh(a)^2
    hidden_error = torch.ops.aten.tanh_backward(networks.head_weight.transpose(1, 2) @ error, hidden)
    hidden_error = hidden_error.view(n_groups, -1, n_samples)
    weight = hidden_error @ inputs
    bias = hidden_error.sum(2, keepdim=True)
    return weight, bias, head_weight, head_bias


def _label_loss(networks: Networks, samples: Samples) -> Tensor:
    """(G, M) weighted label cross-entropy, nats."""
    n_groups, n_samples, _ = samples.inputs.shape
    logits = networks.logits(networks.represent(samples.inputs))
    log_probabilities = logits.view(n_groups, -1, logits.shape[1], n_samples).log_softmax(2)
    return -torch.einsum("gmcn,gcn,gn->gm", log_probabilities, samples.labels, samples.label_weight)
