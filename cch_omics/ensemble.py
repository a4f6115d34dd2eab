"""Many small networks, trained as one batched computation.

Every network is softmax(V' tanh(W' z + b) + c): k inputs, one hidden layer of r units (the representation), C classes.
A group of networks shares its inputs z, so that their first layers are one matrix product. Samples are the last axis
throughout, which keeps every operand of every product contiguous. What an epoch has to cost is counted in
`benchmarks/engine.md`.

Axes: G groups, M networks of a group, n samples, k inputs, r units, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim.adamw import adamw

# What a CPU computes one after the other, in numbers of four bytes, so that it stays in a core's cache: activations of
# groups, and inputs of which some are dropped (four arrays of them).
CPU_ACTIVATIONS = 2**19
CPU_INPUTS = 2**17


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
    numbers
        (G, n) int32 that tell the samples of a group apart, for what is dropped of their inputs; by default their
        places in the group.
    """

    inputs: Tensor
    labels: Tensor
    label_weight: Tensor
    soft: Tensor | None = None
    soft_weight: Tensor | None = None
    lambdas: Tensor | None = None
    temperatures: Tensor | None = None
    numbers: Tensor | None = None


@dataclass(frozen=True)
class Networks:
    """Parameters of G x M networks.

    Attributes
    ----------
    weight
        (G, M, r, k).
    bias
        (G, M, r, 1).
    head_weight
        (G, M, C, r).
    head_bias
        (G, M, C, 1).
    """

    weight: Tensor
    bias: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight, self.bias, self.head_weight, self.head_bias

    def to(self, device: torch.device) -> "Networks":
        return Networks(*(parameter.to(device) for parameter in self.parameters()))

    def groups(self, chosen: slice) -> "Networks":
        return Networks(*(parameter[chosen] for parameter in self.parameters()))

    def represent(self, inputs: Tensor) -> Tensor:
        """(G, n, k) -> (G, M, r, n)."""
        hidden = torch.baddbmm(self.bias.flatten(1, 2), self.weight.flatten(1, 2), inputs.transpose(1, 2)).tanh_()
        return hidden.view(*self.bias.shape[:3], -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """(G, M, r, n) -> (G, M, C, n)."""
        flat = torch.baddbmm(self.head_bias.flatten(0, 1), self.head_weight.flatten(0, 1), hidden.flatten(0, 1))
        return flat.view(*self.head_bias.shape[:3], -1)


@dataclass(frozen=True)
class Trained:
    """Networks, each as it was at its best checkpoint.

    Attributes
    ----------
    networks
        Their parameters.
    epochs
        (G, M) steps taken until then.
    score
        (G, M) float64, the held-out label cross-entropy at that checkpoint, by which networks are compared.
    """

    networks: Networks
    epochs: Tensor
    score: Tensor

    def groups(self, chosen: slice, n_inputs: int) -> "Trained":
        """Some of the groups, without the inputs that were padding."""
        networks = self.networks.groups(chosen)
        trimmed = Networks(networks.weight[..., :n_inputs], *networks.parameters()[1:])
        return Trained(trimmed, self.epochs[chosen], self.score[chosen])


def join_models(parts: list[Trained]) -> Trained:
    """The networks of the same groups that were trained in several batches."""
    of_one_kind = zip(*(part.networks.parameters() for part in parts), strict=True)
    return Trained(
        Networks(*(torch.cat(parameters, 1) for parameters in of_one_kind)),
        torch.cat([part.epochs for part in parts], 1),
        torch.cat([part.score for part in parts], 1),
    )


def stack_networks(parts: list[Networks]) -> Networks:
    """Groups one after the other; where some have fewer inputs, the rest of their weights is zero."""
    n_inputs = max(part.weight.shape[3] for part in parts)
    weights = [torch.nn.functional.pad(part.weight, (0, n_inputs - part.weight.shape[3])) for part in parts]
    others = zip(*(part.parameters()[1:] for part in parts), strict=True)
    return Networks(torch.cat(weights), *(torch.cat(parameters) for parameters in others))


def stack_samples(parts: list[Samples]) -> Samples:
    """Groups one after the other; where some have fewer samples or inputs, the rest is zero."""
    if len(parts) == 1:
        return parts[0]
    n, k = (max(part.inputs.shape[axis] for part in parts) for axis in (1, 2))

    def joined(name: str) -> Tensor | None:
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is None:
            return None
        more = [(n - part.inputs.shape[1], k - part.inputs.shape[2]) for part in parts]
        pads = [(0, inputs, 0, samples) if name == "inputs" else (0, samples) for samples, inputs in more]
        return torch.cat([torch.nn.functional.pad(tensor, pad) for tensor, pad in zip(tensors, pads, strict=True)])

    per_group = ("inputs", "labels", "label_weight", "soft", "soft_weight", "numbers")
    return replace(parts[0], **{name: joined(name) for name in per_group})  # type: ignore[arg-type]


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
    shape = len(seeds), n_models
    return Networks(
        weight=torch.stack(weights)[:, None].repeat(1, n_models, 1, 1),
        bias=torch.zeros(*shape, n_units, 1),
        head_weight=torch.zeros(*shape, n_classes, n_units),
        head_bias=torch.zeros(*shape, n_classes, 1),
    )


@torch.no_grad()
def train(
    networks: Networks,
    samples: Samples,
    held_out: Samples,
    judges: Tensor,
    seeds: list[int],
    *,
    epochs: int,
    patience: int,
    checkpoint_every: int,
    learning_rate: float,
    weight_decay: float,
    dropout: float,
) -> Trained:
    """Train by full-batch AdamW (Loshchilov & Hutter 2019) with dropout of inputs; keep each network at its best.

    At checkpoints the networks are judged by what they are trained for: network (g, m) by sum_h judges[g, h] loss(h, m)
    over the groups h of its block, where loss is that of `Samples` on the held-out samples of the group. With few
    labels those with soft targets are many more, and say better when to stop. Where no network m of a block has had a
    new best for `patience` epochs, the block's networks m are finished: they leave the batch, which goes on with the
    others.

    Parameters
    ----------
    networks
        Where to start; not changed.
    samples
        No gradient comes from others.
    held_out
        On which the held-out losses are taken.
    judges
        (B, F, F) for B blocks of F groups each: G = B F.
    seeds
        One a group, of its dropout.
    """
    n_blocks, in_block = judges.shape[:2]
    judges = judges.double()
    n_groups, n_models = networks.bias.shape[:2]
    device = networks.weight.device
    current = Networks(*(parameter.clone() for parameter in networks.parameters()))
    best = Trained(
        networks=Networks(*(parameter.clone() for parameter in networks.parameters())),
        epochs=torch.zeros(n_groups, n_models, dtype=torch.int64, device=device),
        score=torch.full((n_groups, n_models), torch.inf, dtype=torch.float64, device=device),
    )
    first, second = ([torch.zeros_like(parameter) for parameter in current.parameters()] for _ in range(2))
    gradients = [torch.empty_like(parameter) for parameter in current.parameters()]
    steps = [torch.zeros((), device=device) for _ in gradients]
    objective = _objective(samples, n_models)
    judged = _held_out(held_out, n_models)
    least = torch.full_like(best.score, torch.inf)
    inputs = _Inputs(samples.inputs, seeds, samples.numbers, dropout)
    scratch = _Scratch(current, samples.inputs.shape[1])
    # Of each block in the batch: the number of its first group; which of its networks are in the batch, which of these
    # are finished and only fill it up, and the epoch of their last new best score.
    first_group = torch.arange(n_blocks, device=device) * in_block
    model = torch.arange(n_models, device=device).expand(n_blocks, -1)
    finished = torch.zeros_like(model, dtype=torch.bool)
    latest = torch.zeros_like(model)

    for epoch in range(1, epochs + 1):
        dropped = inputs.at(epoch)
        for groups in scratch.slices():
            _gradients(
                current.groups(groups),
                dropped[groups],
                objective.groups(groups),
                [gradient[groups] for gradient in gradients],
                scratch,
            )
        for parameter in (current.weight, current.head_weight):
            parameter.mul_(1 - learning_rate * weight_decay)
        adamw(
            list(current.parameters()),
            gradients,
            first,
            second,
            [],
            steps,
            fused=True,
            lr=learning_rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.0,  # decayed above, and biases not at all
            amsgrad=False,
            maximize=False,
        )
        if epoch % checkpoint_every and epoch != epochs:
            continue

        losses = torch.cat([judged.groups(part).losses(current.groups(part), scratch) for part in scratch.slices()], 1)
        # (groups, networks) each
        loss, score = (judges @ losses.double().view(2, len(judges), in_block, -1)).flatten(1, 2)
        group = (first_group[:, None] + torch.arange(in_block, device=device)).flatten()[:, None]
        number = model.repeat_interleave(in_block, 0)
        # A loss that is not a number is no better than any, but something has to be kept.
        better = (loss < least[group, number]) | (epoch <= checkpoint_every)
        better &= ~finished.repeat_interleave(in_block, 0)
        latest = latest.masked_fill(better.view(len(judges), in_block, -1).any(1), epoch)
        of_best = group.expand_as(number)[better], number[better]
        for kept, parameter in zip(best.networks.parameters(), current.parameters(), strict=True):
            kept[of_best] = parameter[better]
        least[of_best] = loss[better]
        best.score[of_best] = score[better]
        best.epochs[of_best] = epoch

        finished = finished | (epoch - latest >= patience)
        n_left = int((~finished).sum(1).max())
        if n_left == 0:
            break
        blocks = (~finished).any(1)
        if n_left < model.shape[1] or not blocks.all():
            # Blocks with fewer networks left than others are filled up with finished ones.
            stay = finished[blocks].byte().argsort(dim=1, stable=True)[:, :n_left]
            model, finished, latest = (each[blocks].gather(1, stay) for each in (model, finished, latest))
            first_group, judges = first_group[blocks], judges[blocks]
            remaining = blocks.repeat_interleave(in_block).nonzero()
            places = remaining, stay.repeat_interleave(in_block, 0)
            current = Networks(*_pick(list(current.parameters()), places))
            first, second = _pick(first, places), _pick(second, places)
            gradients = [torch.empty_like(parameter) for parameter in current.parameters()]
            objective, judged = objective.pick(places), judged.pick(places)
            if not blocks.all():
                inputs.keep(remaining[:, 0])
            scratch = _Scratch(current, samples.inputs.shape[1])
    return best


def _pick(tensors: list[Tensor], places: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Some networks of some groups, (g, 1) and (g, m) numbers, of (G, M, ...)."""
    return [tensor[places] for tensor in tensors]


@dataclass(frozen=True)
class _Objective:
    """The gradient of the loss in `Samples`, as far as it does not depend on the networks:

        d loss / d logits = label_scale softmax(logits) + soft_scale softmax(logits / T) - target,

    because d CE / d logits = probabilities - labels and d T^2 KL / d logits = T (probabilities at T - soft targets).

    Attributes
    ----------
    label_scale
        (G, M, 1, n).
    target
        (G, M, C, n).
    soft
        soft_scale (G, M, 1, n) and T (G, M, 1, 1); None for networks without a teacher.
    """

    label_scale: Tensor
    target: Tensor
    soft: tuple[Tensor, Tensor] | None = None

    def error(self, logits: Tensor) -> Tensor:
        """(G, M, C, n) -> (G, M, C, n)."""
        error = logits.softmax(2).mul_(self.label_scale)
        if self.soft is not None:
            soft_scale, temperatures = self.soft
            error.addcmul_((logits / temperatures).softmax(2), soft_scale)
        return error.sub_(self.target)

    def groups(self, chosen: slice) -> "_Objective":
        soft = None if self.soft is None else (self.soft[0][chosen], self.soft[1][chosen])
        return _Objective(self.label_scale[chosen], self.target[chosen], soft)

    def pick(self, places: tuple[Tensor, Tensor]) -> "_Objective":
        label_scale, target = _pick([self.label_scale, self.target], places)
        if self.soft is None:
            return _Objective(label_scale, target)
        soft_scale, temperatures = _pick(list(self.soft), places)
        return _Objective(label_scale, target, (soft_scale, temperatures))


def _objective(samples: Samples, n_models: int) -> _Objective:
    label_scale = samples.label_weight[:, None, None].expand(-1, n_models, -1, -1)
    labels = samples.labels[:, None]
    if samples.soft is None:
        return _Objective(label_scale, label_scale * labels)
    assert samples.soft_weight is not None and samples.lambdas is not None and samples.temperatures is not None
    label_scale = label_scale * (1 - samples.lambdas[:, None, None])
    soft_scale = (samples.soft_weight * (samples.lambdas * samples.temperatures)[:, None])[:, :, None]
    temperatures = samples.temperatures[:, None, None].expand(len(label_scale), -1, -1, -1)
    target = torch.addcmul(label_scale * labels, soft_scale, samples.soft)
    return _Objective(label_scale, target, (soft_scale, temperatures))


@dataclass(frozen=True)
class _HeldOut:
    """Samples on which networks are judged.

    Attributes
    ----------
    inputs
        (G, n, k).
    labels
        (G, 1, C, n) one-hot times their weight.
    soft
        (G, M, C, n) teachers' probabilities times lambda, T^2 and their weight; T (G, M, 1, 1); and 1 - lambda (G, M).
        None for networks without a teacher.
    """

    inputs: Tensor
    labels: Tensor
    soft: tuple[Tensor, Tensor, Tensor] | None = None

    def losses(self, networks: Networks, scratch: "_Scratch") -> Tensor:
        """(2, G, M): the loss in `Samples`, with cross-entropy for KL, a constant more; and that of labels alone."""
        n_models, n_units = networks.bias.shape[1:3]
        shape = len(self.inputs), n_models * n_units, self.inputs.shape[1]
        fits = torch.Size(shape).numel() <= scratch.size
        out = scratch.take(0, *shape) if fits else self.inputs.new_empty(shape)
        logits = _logits(networks, _hidden(networks, self.inputs, out))
        of_labels = -(logits.log_softmax(2) * self.labels).sum((2, 3))
        if self.soft is None:
            return torch.stack([of_labels, of_labels])
        soft, temperatures, label_part = self.soft
        of_soft = -((logits / temperatures).log_softmax(2) * soft).sum((2, 3))
        return torch.stack([label_part * of_labels + of_soft, of_labels])

    def groups(self, chosen: slice) -> "_HeldOut":
        soft = None if self.soft is None else tuple(each[chosen] for each in self.soft)
        return _HeldOut(self.inputs[chosen], self.labels[chosen], soft)  # type: ignore[arg-type]

    def pick(self, places: tuple[Tensor, Tensor]) -> "_HeldOut":
        group = places[0][:, 0]
        soft = None if self.soft is None else tuple(_pick(list(self.soft), places))
        return _HeldOut(self.inputs[group], self.labels[group], soft)  # type: ignore[arg-type]


def _held_out(samples: Samples, n_models: int) -> _HeldOut:
    labels = (samples.labels * samples.label_weight[:, None])[:, None]
    if samples.soft is None:
        return _HeldOut(samples.inputs, labels)
    assert samples.soft_weight is not None and samples.lambdas is not None and samples.temperatures is not None
    weight = samples.soft_weight * (samples.lambdas * samples.temperatures**2)[:, None]
    temperatures, label_part = (
        each.expand(len(samples.inputs), n_models) for each in (samples.temperatures, 1 - samples.lambdas)
    )
    soft = weight[:, :, None] * samples.soft, temperatures[..., None, None], label_part
    return _HeldOut(samples.inputs, labels, soft)


class _Scratch:
    """Memory for the activations and their gradients of as many groups as are computed at once."""

    def __init__(self, networks: Networks, n_samples: int) -> None:
        self.n_groups, n_models, n_units = networks.bias.shape[:3]
        rows = n_models * n_units
        at_once = self.n_groups
        if networks.bias.device.type == "cpu":
            at_once = min(at_once, max(1, CPU_ACTIVATIONS // max(1, rows * n_samples)))
        self.at_once = at_once
        self._memory = networks.bias.new_empty(2, at_once * rows * n_samples)

    @property
    def size(self) -> int:
        """Activations that there is room for."""
        return self._memory.shape[1]

    def slices(self) -> Iterator[slice]:
        """Groups that are computed at once."""
        for first in range(0, self.n_groups, self.at_once):
            yield slice(first, min(first + self.at_once, self.n_groups))

    def take(self, number: int, *shape: int) -> Tensor:
        """One of the two, in a shape."""
        return self._memory[number, : torch.Size(shape).numel()].view(shape)


def _hidden(networks: Networks, inputs: Tensor, out: Tensor) -> Tensor:
    """(G, n, k) -> (G, M, r, n) of s, where the representation is tanh(a) = 2 s - 1 with s = sigmoid(2 a).

    A sigmoid takes a tenth of the time of a tanh on a CPU, and the 2 and the 1 go into the small products around it.
    """
    bias, weight = networks.bias.flatten(1, 2), networks.weight.flatten(1, 2)
    torch.baddbmm(bias, weight, inputs.transpose(1, 2), beta=2, alpha=2, out=out)
    return out.sigmoid_().view(*networks.bias.shape[:3], -1)


def _logits(networks: Networks, sigmoid: Tensor) -> Tensor:
    """(G, M, r, n) of s -> (G, M, C, n): c + V' (2 s - 1)."""
    bias = (networks.head_bias - networks.head_weight.sum(3, keepdim=True)).flatten(0, 1)
    flat = torch.baddbmm(bias, networks.head_weight.flatten(0, 1), sigmoid.flatten(0, 1), alpha=2)
    return flat.view(*networks.head_bias.shape[:3], -1)


def _gradients(networks: Networks, inputs: Tensor, objective: _Objective, out: list[Tensor], scratch: _Scratch) -> None:
    """Of the loss in `Samples`, at inputs with dropout, in the order of `Networks.parameters`."""
    n_groups, n_samples, _ = inputs.shape
    n_models, n_units = networks.bias.shape[1:3]
    shape = n_groups, n_models * n_units, n_samples
    weight, bias, head_weight, head_bias = out
    sigmoid = _hidden(networks, inputs, scratch.take(0, *shape))
    error = objective.error(_logits(networks, sigmoid))

    torch.sum(error, 3, keepdim=True, out=head_bias)
    error, flat = error.flatten(0, 1), sigmoid.flatten(0, 1)
    torch.baddbmm(
        head_bias.flatten(0, 1), error, flat.transpose(1, 2), beta=-1, alpha=2, out=head_weight.flatten(0, 1)
    )  # error (2 s - 1)'
    hidden_error = scratch.take(1, *shape)
    back = networks.head_weight.flatten(0, 1).transpose(1, 2) * 4
    torch.bmm(back, error, out=hidden_error.view(flat.shape))
    # d tanh(a) / d a = 1 - (2 s - 1)^2 = 4 s (1 - s)
    torch.ops.aten.sigmoid_backward.grad_input(hidden_error, sigmoid.view(shape), grad_input=hidden_error)
    torch.bmm(hidden_error, inputs, out=weight.flatten(1, 2))
    torch.sum(hidden_error, 2, keepdim=True, out=bias.flatten(1, 2))


class _Inputs:
    """The inputs of each epoch, some of them dropped: one mask for all networks of a group.

    That keeps the comparison of its networks paired and the first layer one product. Whether an input is dropped is a
    function of the group's seed, the epoch and the numbers of sample and input. So it is the same in any batch and on
    any device, and costs a CPU a third of what drawing it from a generator does.
    """

    def __init__(self, inputs: Tensor, seeds: list[int], numbers: Tensor | None, dropout: float) -> None:
        n, k = inputs.shape[1:]
        # In units of the 23 random bits that are used.
        self._kept = round((1 - dropout) * 2**23)
        self._bits = (inputs * (2**23 / self._kept)).view(torch.int32)
        if dropout > 0:
            places, column = (torch.arange(size, dtype=torch.int32, device=inputs.device) for size in (n, k))
            group = torch.tensor([_signed(seed) for seed in seeds], dtype=torch.int32, device=inputs.device)
            sample = _mixed(_mixed(group)[:, None] + (places if numbers is None else numbers) + 1)
            self._places = _mixed(sample[:, :, None] + column + 1)  # (G, n, k)
            self._dropped = torch.empty_like(self._places)
            at_once = max(1, CPU_INPUTS // max(1, n * k)) if inputs.device.type == "cpu" else len(inputs)
            self._scratch = torch.empty_like(self._places[:at_once])

    def keep(self, groups: Tensor) -> None:
        """Forget the other groups."""
        self._bits = self._bits[groups]
        if self._kept < 2**23:
            self._places = self._places[groups]
            self._dropped = torch.empty_like(self._places)

    def at(self, epoch: int) -> Tensor:
        """(G, n, k); valid until the next call."""
        if self._kept == 2**23:
            return self._bits.view(torch.float32)
        at_once = len(self._scratch)
        for first in range(0, len(self._places), at_once):
            groups = slice(first, first + at_once)
            random = torch.add(self._places[groups], _signed(epoch * 0x9E3779B9), out=self._dropped[groups])
            mask = self._scratch[: len(random)]
            torch.bitwise_right_shift(random, 15, out=mask)
            random.bitwise_xor_(mask).mul_(_FACTORS[1])
            # The highest bits as a signed number; less what is kept, its sign is the mask: all bits set, or none.
            torch.bitwise_right_shift(random, 9, out=mask)
            mask.add_(2**22 - self._kept).bitwise_right_shift_(31)
            torch.bitwise_and(self._bits[groups], mask, out=random)
        return self._dropped.view(torch.float32)


def _signed(number: int) -> int:
    """The lowest 32 bits as a signed number: torch computes with these, modulo 2^32."""
    return (number + 2**31) % 2**32 - 2**31


_FACTORS = _signed(0x7FEB352D), _signed(0x846CA68B)


def _mixed(x: Tensor) -> Tensor:
    """Random bits from counters: the integer hash `lowbias32` (Wellons 2018, nullprogram.com/blog/2018/07/31)."""
    for shift, factor in ((16, _FACTORS[0]), (15, _FACTORS[1]), (16, 1)):
        x = (x ^ ((x >> shift) & (2 ** (32 - shift) - 1))) * factor
    return x
