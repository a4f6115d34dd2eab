"""The batched networks against plain PyTorch, and against themselves trained one at a time."""

import dataclasses

import pytest
import torch

from cch_omics import ensemble

G, M, N, K, R, C = 3, 4, 40, 7, 5, 3
OPTIONS = dict(epochs=12, checkpoint_every=5, learning_rate=0.01, weight_decay=0.1, dropout=0.2)


@pytest.fixture
def grid():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(G, N, K, generator=generator)
    labels = torch.nn.functional.one_hot(torch.randint(C, (N,), generator=generator), C).T.float()
    weights = (torch.rand(G, N, generator=generator) < 0.6).float()
    samples = ensemble.Samples(
        inputs=inputs,
        labels=labels.expand(G, -1, -1),
        label_weight=weights / weights.sum(1, keepdim=True),
        soft=torch.randn(G, M, C, N, generator=generator).softmax(2),
        soft_weight=torch.full((G, M, N), 1 / N),
        lambdas=torch.tensor([0.0, 0.3, 0.9, 1.0]),
        temperatures=torch.tensor([1.0, 2.0, 1.0, 4.0]),
    )
    rest = (1 - weights) / (1 - weights).sum(1, keepdim=True)
    return samples, ensemble.Samples(inputs, samples.labels, rest), list(range(G))


def start(seeds, n_models):
    return ensemble.initialise(seeds, n_models, K, R, C)


def loss_in_words(networks, samples):
    """The formula of `Samples`, one network after the other."""
    total = torch.zeros(())
    hidden = networks.represent(samples.inputs)
    logits = networks.logits(hidden).view(G, M, C, N)
    for g in range(G):
        for m in range(M):
            label_loss = -(samples.labels[g] * logits[g, m].log_softmax(0)).sum(0)
            temperature, weight = samples.temperatures[m], samples.lambdas[m]
            log_student = (logits[g, m] / temperature).log_softmax(0)
            soft_loss = (samples.soft[g, m] * (samples.soft[g, m].log() - log_student)).sum(0)
            total = total + (1 - weight) * (samples.label_weight[g] * label_loss).sum()
            total = total + weight * temperature**2 * (samples.soft_weight[g, m] * soft_loss).sum()
    return total


def test_gradients_are_those_of_the_stated_loss(grid):
    samples, _, seeds = grid
    networks = start(seeds, M)
    shifted = ensemble.Networks(*(p.clone().add_(0.1).requires_grad_() for p in networks.parameters()))
    # represent() works in place, which autograd does not see through: the first layer is written out.
    hidden = torch.tanh(shifted.bias + shifted.weight @ samples.inputs.transpose(1, 2)).view(G * M, R, N)

    class Plain:
        represent = staticmethod(lambda _: hidden)
        logits = staticmethod(shifted.logits)

    loss_in_words(Plain, samples).backward()
    with torch.no_grad():
        found = ensemble._gradients(shifted, samples.inputs, samples)
    for parameter, gradient in zip(shifted.parameters(), found, strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_a_network_is_the_same_in_a_batch_and_alone(grid):
    samples, held_out, seeds = grid
    together = ensemble.train(start(seeds, M), samples, held_out, seeds, **OPTIONS)
    g, m = 1, 2
    one = ensemble.Samples(
        inputs=samples.inputs[g : g + 1],
        labels=samples.labels[g : g + 1],
        label_weight=samples.label_weight[g : g + 1],
        soft=samples.soft[g : g + 1, m : m + 1],
        soft_weight=samples.soft_weight[g : g + 1, m : m + 1],
        lambdas=samples.lambdas[m : m + 1],
        temperatures=samples.temperatures[m : m + 1],
    )
    held_out_one = ensemble.Samples(
        held_out.inputs[g : g + 1], held_out.labels[g : g + 1], held_out.label_weight[g : g + 1]
    )
    alone = ensemble.train(start([g], 1), one, held_out_one, [g], **OPTIONS)
    torch.testing.assert_close(
        together.snapshots[-1].weight[g, m * R : (m + 1) * R], alone.snapshots[-1].weight[0], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(together.held_out_loss[:, g, m], alone.held_out_loss[:, 0, 0], atol=1e-5, rtol=1e-4)


def test_training_is_adamw_of_pytorch(grid):
    """One network without dropout takes the steps of torch.optim.AdamW."""
    samples, held_out, _ = grid
    alone = dataclasses.replace(samples, soft=None, soft_weight=None)
    trained = ensemble.train(start([0, 1, 2], 1), alone, held_out, [0, 1, 2], **OPTIONS | {"dropout": 0.0})

    first = start([0], 1)
    parameters = [p.clone().requires_grad_() for p in first.parameters()]
    decayed, plain = [parameters[0], parameters[2]], [parameters[1], parameters[3]]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=0.01
    )
    for _ in range(OPTIONS["epochs"]):
        optimizer.zero_grad()
        hidden = torch.tanh(parameters[1][0] + parameters[0][0] @ samples.inputs[0].T)
        logits = parameters[3][0] + parameters[2][0] @ hidden
        loss = -(samples.label_weight[0] * (samples.labels[0] * logits.log_softmax(0)).sum(0)).sum()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(trained.snapshots[-1].weight[0], parameters[0][0].detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trained.snapshots[-1].head_bias[0], parameters[3][0].detach(), atol=1e-5, rtol=1e-4)


def test_samples_of_no_weight_change_nothing(grid):
    samples, held_out, seeds = grid
    alone = dataclasses.replace(samples, soft=None, soft_weight=None)
    before = ensemble.train(start(seeds, 1), alone, held_out, seeds, **OPTIONS)
    changed = samples.inputs.clone()
    changed[samples.label_weight == 0] += 100
    alone = dataclasses.replace(alone, inputs=changed)
    after = ensemble.train(start(seeds, 1), alone, held_out, seeds, **OPTIONS)
    assert torch.equal(before.snapshots[-1].weight, after.snapshots[-1].weight)


def test_snapshots_are_of_their_own_epoch(grid):
    samples, held_out, seeds = grid
    trained = ensemble.train(start(seeds, M), samples, held_out, seeds, **OPTIONS)
    assert trained.epochs == (5, 10, 12)
    shorter = ensemble.train(start(seeds, M), samples, held_out, seeds, **OPTIONS | {"epochs": 5})
    assert torch.equal(trained.snapshots[0].weight, shorter.snapshots[-1].weight)
    assert not torch.equal(trained.snapshots[0].weight, trained.snapshots[1].weight)


def test_joined_parts_are_the_whole(grid):
    samples, held_out, seeds = grid
    whole = ensemble.train(start(seeds, M), samples, held_out, seeds, **OPTIONS)

    def part(groups):
        def cut(batch):
            per_group = ("inputs", "labels", "label_weight", "soft", "soft_weight")
            values = {name: getattr(batch, name) for name in per_group}
            return dataclasses.replace(batch, **{k: v[groups] for k, v in values.items() if v is not None})

        return ensemble.train(start(seeds[groups], M), cut(samples), cut(held_out), seeds[groups], **OPTIONS)

    joined = ensemble.join([part(slice(0, 1)), part(slice(1, 3))])
    torch.testing.assert_close(joined.snapshots[1].head_weight, whole.snapshots[1].head_weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(joined.held_out_loss, whole.held_out_loss, atol=1e-5, rtol=1e-4)
