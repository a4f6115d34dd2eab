"""The batched networks against plain PyTorch, and against themselves trained one at a time."""

import dataclasses

import pytest
import torch

from cch_omics import ensemble

G, M, N, K, R, C = 3, 4, 40, 7, 5, 3
OPTIONS = dict(epochs=12, patience=100, checkpoint_every=5, learning_rate=0.01, weight_decay=0.1, dropout=0.2)
# Every group for itself.
ALONE = torch.ones(G, 1, 1)


@pytest.fixture
def grid():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(G, N, K, generator=generator)
    noisy = inputs @ torch.randn(K, C, generator=generator) + 2 * torch.randn(G, N, C, generator=generator)
    labels = torch.nn.functional.one_hot(noisy.argmax(2), C).mT.float()
    weights = (torch.rand(G, N, generator=generator) < 0.6).float()
    samples = ensemble.Samples(
        inputs=inputs,
        labels=labels,
        label_weight=weights / weights.sum(1, keepdim=True),
        soft=torch.randn(G, M, C, N, generator=generator).softmax(2),
        soft_weight=torch.full((G, M, N), 1 / N),
        lambdas=torch.tensor([0.0, 0.3, 0.9, 1.0]),
        temperatures=torch.tensor([1.0, 2.0, 1.0, 4.0]),
    )
    rest = (1 - weights) / (1 - weights).sum(1, keepdim=True)
    other = torch.randn(G, M, C, N, generator=generator).softmax(2)
    return samples, dataclasses.replace(samples, label_weight=rest, soft=other), list(range(G))


def start(seeds, n_models):
    return ensemble.initialise(seeds, n_models, K, R, C)


def losses_in_words(logits, samples):
    """(G, M) the formula of `Samples`, one network after the other."""
    rows = []
    for g in range(G):
        row = []
        for m in range(M):
            label_loss = -(samples.labels[g] * logits[g, m].log_softmax(0)).sum(0)
            temperature, weight = samples.temperatures[m], samples.lambdas[m]
            log_student = (logits[g, m] / temperature).log_softmax(0)
            soft_loss = (samples.soft[g, m] * (samples.soft[g, m].log() - log_student)).sum(0)
            of_labels = (1 - weight) * (samples.label_weight[g] * label_loss).sum()
            row.append(of_labels + weight * temperature**2 * (samples.soft_weight[g, m] * soft_loss).sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)


def judged_losses(networks, held_out):
    return losses_in_words(networks.logits(networks.represent(held_out.inputs)), held_out)


def without_teacher(samples):
    return dataclasses.replace(samples, soft=None, soft_weight=None, lambdas=None, temperatures=None)


def part(samples, groups, models=slice(None)):
    """Some groups and networks of a batch."""
    cut = {name: getattr(samples, name)[groups] for name in ("inputs", "labels", "label_weight")}
    if samples.soft is not None:
        cut |= {name: getattr(samples, name)[groups, models] for name in ("soft", "soft_weight")}
        cut |= {name: getattr(samples, name)[models] for name in ("lambdas", "temperatures")}
    return ensemble.Samples(**cut)


def assert_same(one, other):
    """To a millionth of the size of a parameter after a dozen steps, and the same choice of checkpoint."""
    for left, right in zip(one.networks.parameters(), other.networks.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one.score, other.score, atol=1e-5, rtol=1e-4)
    assert torch.equal(one.epochs, other.epochs)


def of_networks(trained, groups, models):
    return ensemble.Trained(
        ensemble.Networks(*(parameter[groups, models] for parameter in trained.networks.parameters())),
        trained.epochs[groups, models],
        trained.score[groups, models],
    )


def test_gradients_are_those_of_the_stated_loss(grid, monkeypatch):
    samples, _, seeds = grid
    shifted = ensemble.Networks(*(p.add(0.1).requires_grad_() for p in start(seeds, M).parameters()))
    # represent() works in place, which autograd does not see through: the first layer is written out.
    hidden = torch.tanh(shifted.bias + shifted.weight @ samples.inputs.transpose(1, 2)[:, None])
    losses_in_words(shifted.logits(hidden), samples).sum().backward()
    plain = ensemble.Networks(*(p.detach() for p in shifted.parameters()))
    found = [torch.empty_like(p) for p in plain.parameters()]
    scratch = ensemble._Scratch(plain, N)
    ensemble._gradients(plain, samples.inputs, ensemble._objective(samples, M), found, scratch)
    for parameter, gradient in zip(shifted.parameters(), found, strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_a_network_is_the_same_in_a_batch_and_alone(grid):
    samples, held_out, seeds = grid
    together = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **OPTIONS)
    for g in range(G):
        for m in range(M):
            groups, models = slice(g, g + 1), slice(m, m + 1)
            one, judged = part(samples, groups, models), part(held_out, groups, models)
            alone = ensemble.train(start([seeds[g]], 1), one, judged, ALONE[groups], [seeds[g]], **OPTIONS)
            assert_same(of_networks(together, groups, models), alone)


def test_a_network_is_the_same_though_others_finish_before_it(grid):
    """Blocks of unequal length, so that finished networks fill up a batch."""
    samples, held_out, _ = grid
    samples, held_out = part(samples, [0, 1, 2, 1]), part(held_out, [0, 1, 2, 1])
    seeds, blocks = [0, 1, 2, 3], torch.ones(2, 2, 2)
    options = OPTIONS | dict(epochs=90, checkpoint_every=3, patience=9, learning_rate=0.03)
    together = ensemble.train(start(seeds, M), samples, held_out, blocks, seeds, **options)
    # They did stop at different times.
    assert len(together.epochs.unique()) > 2 and together.epochs.max() < 80
    for b in range(2):
        groups = slice(2 * b, 2 * b + 2)
        for m in range(M):
            models = slice(m, m + 1)
            one, judged = part(samples, groups, models), part(held_out, groups, models)
            alone = ensemble.train(start(seeds[groups], 1), one, judged, blocks[:1], seeds[groups], **options)
            assert_same(of_networks(together, groups, models), alone)


@pytest.mark.parametrize("at_once", [1, 2])
def test_groups_one_after_the_other_are_those_at_once(grid, monkeypatch, at_once):
    samples, held_out, seeds = grid
    whole = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **OPTIONS)
    monkeypatch.setattr(ensemble, "CPU_ACTIVATIONS", at_once * M * R * N)
    assert_same(ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **OPTIONS), whole)


def test_training_is_adamw_of_pytorch(grid):
    """One network without dropout takes the steps of torch.optim.AdamW."""
    samples, held_out, _ = grid
    alone, held_out = without_teacher(samples), without_teacher(held_out)
    options = OPTIONS | {"dropout": 0.0, "checkpoint_every": 12}
    trained = ensemble.train(start([0, 1, 2], 1), alone, held_out, ALONE, [0, 1, 2], **options).networks

    parameters = [p[0, 0].clone().requires_grad_() for p in start([0], 1).parameters()]
    decayed, plain = [parameters[0], parameters[2]], [parameters[1], parameters[3]]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=0.01
    )
    for _ in range(OPTIONS["epochs"]):
        optimizer.zero_grad()
        hidden = torch.tanh(parameters[1] + parameters[0] @ samples.inputs[0].T)
        logits = parameters[3] + parameters[2] @ hidden
        loss = -(samples.label_weight[0] * (samples.labels[0] * logits.log_softmax(0)).sum(0)).sum()
        loss.backward()
        optimizer.step()
    for found, parameter in zip(trained.parameters(), parameters, strict=True):
        torch.testing.assert_close(found[0, 0], parameter.detach(), atol=1e-5, rtol=1e-4)


def test_samples_of_no_weight_change_nothing(grid):
    samples, held_out, seeds = grid
    alone, held_out = without_teacher(samples), without_teacher(held_out)
    before = ensemble.train(start(seeds, 1), alone, held_out, ALONE, seeds, **OPTIONS)
    changed = samples.inputs.clone()
    changed[samples.label_weight == 0] += 100
    alone = dataclasses.replace(alone, inputs=changed)
    after = ensemble.train(start(seeds, 1), alone, held_out, ALONE, seeds, **OPTIONS)
    assert torch.equal(before.networks.weight, after.networks.weight)


def test_the_best_checkpoint_is_kept(grid):
    """It is the one after which a training of so many epochs has the lowest loss, of labels and soft targets."""
    samples, held_out, seeds = grid
    options = OPTIONS | dict(epochs=40, checkpoint_every=4, learning_rate=0.03)
    kept = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **options)
    lasts = {
        epochs: ensemble.train(
            start(seeds, M), samples, held_out, ALONE, seeds, **options | dict(epochs=epochs, checkpoint_every=epochs)
        )
        for epochs in range(4, 41, 4)
    }
    losses = torch.stack([judged_losses(last.networks, held_out) for last in lasts.values()])
    assert torch.equal(kept.epochs, 4 * (1 + losses.argmin(0)))
    assert len(kept.epochs.unique()) > 1
    # What networks are compared by is of labels alone, and another checkpoint would have been the best for that.
    of_labels = torch.stack([last.score for last in lasts.values()])
    torch.testing.assert_close(kept.score, of_labels.gather(0, losses.argmin(0)[None])[0])
    assert not torch.equal(losses.argmin(0), of_labels.argmin(0))
    for g in range(G):
        for m in range(M):
            last = lasts[int(kept.epochs[g, m])]
            torch.testing.assert_close(kept.networks.weight[g, m], last.networks.weight[g, m])


def test_a_group_is_judged_as_its_judges_say(grid):
    """With all weight on another group's loss, a group's best checkpoint is that group's."""
    samples, held_out, seeds = grid
    options = OPTIONS | dict(epochs=60, checkpoint_every=2, learning_rate=0.05)
    own = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **options)
    others = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]])
    judged = ensemble.train(start(seeds, M), samples, held_out, others, seeds, **options)
    assert torch.equal(judged.epochs, own.epochs.roll(-1, 0))
    assert not torch.equal(judged.epochs, own.epochs)


def test_a_longer_patience_changes_only_what_it_finds_later(grid):
    samples, held_out, seeds = grid
    options = OPTIONS | dict(epochs=60, checkpoint_every=2, learning_rate=0.05)
    patient = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **options)
    hasty = ensemble.train(start(seeds, M), samples, held_out, ALONE, seeds, **options | dict(patience=6))
    assert (judged_losses(hasty.networks, held_out) >= judged_losses(patient.networks, held_out) - 1e-6).all()
    same = hasty.epochs == patient.epochs
    assert same.any()
    torch.testing.assert_close(hasty.networks.weight[same], patient.networks.weight[same], atol=1e-5, rtol=1e-4)


def test_what_is_dropped_is_a_function_of_seed_epoch_sample_and_input():
    inputs = torch.ones(2, 50, 9)
    dropped = ensemble._Inputs(inputs, [3, 2**32 - 5], None, 0.25)
    first, second = dropped.at(1).clone(), dropped.at(2).clone()
    some = torch.tensor([[7, 30, 2]], dtype=torch.int32)
    apart = ensemble._Inputs(inputs[1:, :3, :4], [2**32 - 5], some, 0.25)
    assert torch.equal(apart.at(2)[0], second[1, [7, 30, 2], :4])
    assert torch.equal(dropped.at(1), first)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])
    dropped.keep(torch.tensor([1]))
    assert torch.equal(dropped.at(2)[0], second[1])


def test_inputs_are_dropped_at_random_and_keep_their_mean():
    dropped = ensemble._Inputs(torch.ones(2, 200, 50), [0, 1], None, 0.2)
    masks = torch.stack([dropped.at(epoch).clone() for epoch in range(1, 101)]).double()  # (epochs, G, n, k)
    kept = masks > 0
    torch.testing.assert_close(
        masks[kept], torch.full((int(kept.sum()),), 1.25, dtype=torch.float64), rtol=1e-6, atol=0
    )
    # Means over any axis spread as those of independent draws do: within a tenth of the standard deviation.
    for axis in range(4):
        spread = kept.double().mean(axis).std() / (0.2 * 0.8 / kept.shape[axis]) ** 0.5
        if kept.shape[axis] > 2:
            assert abs(spread - 1) < 0.1
    assert abs(kept.double().mean() - 0.8) < 5 * (0.16 / kept.numel()) ** 0.5
    # Neighbours in any axis do not know of each other.
    for axis in range(4):
        left, right = (kept.narrow(axis, start, kept.shape[axis] - 1) for start in (0, 1))
        both = (left & right).double()
        assert abs(both.mean() - 0.64) < 5 * (0.64 * 0.36 / both.numel()) ** 0.5


def test_groups_of_different_sizes_are_padded(grid):
    samples, held_out, _ = grid
    alone, held_out = without_teacher(samples), without_teacher(held_out)
    small = dataclasses.replace(part(alone, slice(0, 1)), inputs=samples.inputs[:1, :30, :5])
    small = dataclasses.replace(small, labels=small.labels[..., :30], label_weight=small.label_weight[:, :30])
    judged = dataclasses.replace(part(held_out, slice(0, 1)), inputs=held_out.inputs[:1, :, :5])
    networks = ensemble.initialise([0], 1, 5, R, C)
    one = ensemble.train(networks, small, judged, ALONE[:1], [0], **OPTIONS)
    both = ensemble.train(
        ensemble.stack_networks([networks, start([1], 1)]),
        ensemble.stack_samples([small, part(alone, slice(1, 2))]),
        ensemble.stack_samples([judged, part(held_out, slice(1, 2))]),
        ALONE[:2],
        [0, 1],
        **OPTIONS,
    )
    assert_same(both.groups(slice(0, 1), 5), one)
