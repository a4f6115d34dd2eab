"""The training loop against a plain loop over networks that keeps every checkpoint.

In double precision, so that what differs is not rounding.
"""

from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, logsigmoid

from cch_omics.models.network import Drawn, InputDropout, Networks, initialise
from cch_omics.models.train import EPSILON, EarlyStopping, Samples, Schedule, train
from cch_omics.tasks.base import Task
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival

B, F, M, N, K, R = 3, 2, 3, 30, 6, 4
G = B * F
SEEDS = list(range(G))
WEIGHT, TEMPERATURE = 0.6, 2.0
# The loss of every other group of a block judges, as inner folds do.
JUDGES = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(B, 1, 1)
TASKS: dict[str, Task] = {
    "classification": Classification(("a", "b", "c")),
    "regression": Regression(),
    "survival": Survival((1.0, 2.0, 3.0)),
}


def schedule(epochs: int = 60, patience: int = 9, check_every: int = 3, dropout: float = 0.25) -> Schedule:
    return Schedule(epochs, patience, check_every, learning_rate=0.05, weight_decay=0.3, dropout=dropout)


def start_of(task: Task, seeds: list[int], n_models: int) -> Networks:
    start = np.zeros((len(seeds), task.n_outputs), dtype=np.float32)
    return initialise(seeds, n_models, K, R, start, shared=task.shared_head)


@dataclass
class Problem:
    task: Task
    samples: Samples
    held_out: Samples

    def part(self, groups: list[int], models: slice = slice(None)) -> "Problem":
        def of(samples: Samples) -> Samples:
            soft = None if samples.soft is None else samples.soft[groups, models]
            weight = None if samples.soft_weight is None else samples.soft_weight[groups, models]
            return Samples(samples.inputs[groups], samples.target[groups], samples.label_weight[groups], soft, weight)

        return Problem(self.task, of(self.samples), of(self.held_out))

    def train(
        self,
        seeds: list[int] = SEEDS,
        judges: Tensor = JUDGES,
        given: Schedule | None = None,
    ) -> tuple[Networks, Tensor]:
        given = given or schedule()
        n_models = 1 if self.samples.soft is None else self.samples.soft.shape[1]
        start = start_of(self.task, seeds, n_models).double()
        dropout = InputDropout(self.samples.inputs, [Drawn(N, K, np.arange(N))] * len(seeds), seeds, given.dropout)
        return train(
            start,
            self.task,
            self.samples,
            self.held_out,
            judges,
            dropout,
            given,
            weight=WEIGHT,
            temperature=TEMPERATURE,
        )


def problem(kind: str) -> Problem:
    task, random = TASKS[kind], torch.Generator().manual_seed(0)
    truth = torch.randn(K, task.n_outputs, generator=random)

    def make() -> Samples:
        # Groups with more noise stop earlier.
        noise = torch.linspace(0.1, 3, G)[:, None, None]
        inputs = torch.randn(G, N, K, generator=random)
        outputs = inputs @ truth + noise * torch.randn(G, N, task.n_outputs, generator=random)
        target = outputs.mT
        if kind == "classification":
            target = torch.nn.functional.one_hot(outputs.argmax(2), task.n_outputs).mT.float()
        if kind == "survival":
            # Exposure to each interval, and the events in it.
            exposure = torch.rand(G, task.n_outputs, N, generator=random)
            target = torch.cat([exposure * (outputs.mT > 0), exposure], 1)
        labelled = (torch.rand(G, N, generator=random) < 0.6).float()
        taught = (torch.rand(G, M, N, generator=random) < 0.8).float()
        labelled[:, 20:24] = taught[..., 20:24] = 0
        # So do networks with a worse teacher.
        doubt = torch.tensor([0.5, 2, 10])[:, None, None]
        said = outputs.mT[:, None] + doubt * torch.randn(G, M, task.n_outputs, N, generator=random)
        return Samples(
            inputs=inputs.double(),
            target=target.double(),
            label_weight=(labelled / labelled.sum(1, keepdim=True)).double(),
            soft=task.soften(said, TEMPERATURE).double(),
            soft_weight=(taught / taught.sum(2, keepdim=True)).double(),
        )

    return Problem(task, make(), make())


@pytest.fixture(scope="module", params=list(TASKS))
def made(request: pytest.FixtureRequest) -> Problem:
    return problem(request.param)


def stated_loss(kind: str, outputs: Tensor, samples: Samples, g: int, m: int) -> Tensor:
    """(n, C) outputs of one network -> the loss in PyTorch's own words."""
    target, soft = samples.target[g].mT, samples.soft[g, m].mT
    if kind == "classification":
        labels = cross_entropy(outputs, target, reduction="none")
        taught = kl_div((outputs / TEMPERATURE).log_softmax(1), soft, reduction="none").sum(1) * TEMPERATURE**2
    elif kind == "regression":
        labels, taught = ((outputs - target) ** 2)[:, 0], ((outputs - soft) ** 2)[:, 0]
    else:

        def of_hazards(logits: Tensor, parts: Tensor) -> Tensor:
            events, exposure = parts.chunk(2, 1)
            return -(events * logsigmoid(logits) + (exposure - events) * logsigmoid(-logits)).sum(1)

        labels = of_hazards(outputs, target)
        taught = of_hazards(outputs / TEMPERATURE, soft) * TEMPERATURE**2
    return (1 - WEIGHT) * (samples.label_weight[g] * labels).sum() + WEIGHT * (samples.soft_weight[g, m] * taught).sum()


def plain(made: Problem, given: Schedule) -> tuple[Networks, Tensor, Tensor]:
    """Train each network by itself to the end, keep all of its checkpoints, and choose one at last.

    Returns the networks and epochs that should be kept, and the (B, M) epochs at which a block's networks finish.
    """
    kind, checks = made.task.name, [e for e in range(1, given.epochs + 1) if e % given.check_every == 0]
    losses, kept = torch.zeros(len(checks), G, M, dtype=torch.float64), {}
    for g in range(G):
        for m in range(M):
            start = [parameter[g, m] for parameter in start_of(made.task, SEEDS, M).parameters()]
            first, heads = torch.nn.Linear(K, R).double(), 1 if made.task.shared_head else made.task.n_outputs
            head = torch.nn.Linear(R, heads, bias=False).double()
            shift = torch.nn.Parameter(torch.zeros(made.task.n_outputs).double())
            parameters = first.weight, first.bias, head.weight, shift
            with torch.no_grad():
                for parameter, value in zip(parameters, start, strict=True):
                    parameter.copy_(value.reshape(parameter.shape))
            decayed = {"params": parameters[::2], "weight_decay": given.weight_decay}
            undecayed = {"params": parameters[1::2], "weight_decay": 0.0}
            optimizer = torch.optim.AdamW([decayed, undecayed], lr=given.learning_rate, eps=EPSILON)
            dropout = InputDropout(made.samples.inputs[[g]], [Drawn(N, K, np.arange(N))], [SEEDS[g]], given.dropout)
            for epoch in range(1, given.epochs + 1):
                optimizer.zero_grad()
                outputs = head(torch.tanh(first(dropout.draw()[0]))) + shift
                stated_loss(kind, outputs, made.samples, g, m).backward()
                optimizer.step()
                if epoch in checks:
                    with torch.no_grad():
                        outputs = head(torch.tanh(first(made.held_out.inputs[g]))) + shift
                        losses[checks.index(epoch), g, m] = stated_loss(kind, outputs, made.held_out, g, m)
                    kept[epoch, g, m] = [parameter.detach().clone() for parameter in parameters]
    scores = JUDGES.double() @ losses.view(len(checks), B, F, M)
    epochs, finish = torch.zeros(B, F, M, dtype=torch.int64), torch.full((B, M), given.epochs)
    for b in range(B):
        for m in range(M):
            latest, least = 0, torch.full((F,), torch.inf, dtype=torch.float64)
            for epoch, score in zip(checks, scores[:, b, :, m], strict=True):
                better = score < least
                least, latest = torch.minimum(score, least), epoch if better.any() else latest
                epochs[b, better, m] = epoch
                if epoch - latest >= given.patience:
                    finish[b, m] = epoch
                    break
    epochs = epochs.view(G, M)
    shapes = [parameter.shape[2:] for parameter in start_of(made.task, [0], 1).parameters()]
    chosen = [
        torch.stack([torch.stack([kept[int(epochs[g, m]), g, m][p].view(shape) for m in range(M)]) for g in range(G)])
        for p, shape in enumerate(shapes)
    ]
    return Networks(*chosen), epochs, finish


@pytest.fixture(scope="module")
def expected(made: Problem) -> tuple[Networks, Tensor, Tensor]:
    return plain(made, schedule())


def assert_same(one: Networks, other: Networks) -> None:
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(left.detach(), right.detach(), atol=1e-7, rtol=1e-7)


def test_networks_are_those_of_a_plain_loop_though_others_leave(
    made: Problem, expected: tuple[Networks, Tensor, Tensor]
) -> None:
    """Steps of AdamW, the best checkpoint, and the moments of those that go on when blocks and networks have left."""
    networks, epochs, finish = expected
    stays = []

    def leave(stopping: EarlyStopping, real: object = EarlyStopping.leave) -> object:
        leaving = real(stopping)  # type: ignore[operator]
        stays.append(None if leaving is None else tuple(leaving.models.shape))
        return leaving

    with mock.patch.object(EarlyStopping, "leave", leave):
        found, found_epochs = made.train()
    assert torch.equal(found_epochs, epochs)
    assert_same(found, networks)
    # Whole blocks left, and networks of a block; some had their best checkpoint afterwards.
    left = [shape for shape in stays if shape is not None]
    assert len({shape[0] for shape in left}) > 1 and len({shape[1] for shape in left if shape[0]}) > 1
    assert finish.min() < epochs.max() and len(epochs.unique()) > 3


def test_a_network_is_the_same_alone(made: Problem) -> None:
    together, epochs = made.train()
    for b in range(B):
        groups = [2 * b, 2 * b + 1]
        for m in range(M):
            models = slice(m, m + 1)
            alone, own_epochs = made.part(groups, models).train(SEEDS[2 * b : 2 * b + 2], JUDGES[:1])
            assert torch.equal(own_epochs, epochs[groups, models])
            assert_same(alone, Networks(*(parameter[groups, models] for parameter in together.parameters())))


def test_padding_changes_nothing(made: Problem) -> None:
    """Samples and inputs of zeros behind the others, as batches with larger splits have them."""
    networks, epochs = made.train()

    def padded(samples: Samples) -> Samples:
        assert samples.soft is not None and samples.soft_weight is not None
        more = [(0, 3, 0, 5), (0, 5), (0, 5), (0, 5), (0, 5)]
        tensors = samples.inputs, samples.target, samples.label_weight, samples.soft, samples.soft_weight
        return Samples(*(torch.nn.functional.pad(each, by) for each, by in zip(tensors, more, strict=True)))

    samples, held_out = padded(made.samples), padded(made.held_out)
    start = start_of(made.task, SEEDS, M).double()
    start = Networks(torch.nn.functional.pad(start.weight.detach(), (0, 3)), *list(start.parameters())[1:])
    dropout = InputDropout(samples.inputs, [Drawn(N, K, np.arange(N))] * G, SEEDS, schedule().dropout)
    options = {"weight": WEIGHT, "temperature": TEMPERATURE}
    found, found_epochs = train(start, made.task, samples, held_out, JUDGES, dropout, schedule(), **options)
    assert torch.equal(found_epochs, epochs)
    assert_same(Networks(found.weight[..., :K], *list(found.parameters())[1:]), networks)


def test_samples_of_no_weight_change_nothing(made: Problem) -> None:
    before, _ = made.train()
    assert made.samples.soft_weight is not None
    unused = (made.samples.label_weight == 0) & (made.samples.soft_weight == 0).all(1)
    assert unused.any()
    inputs, target = made.samples.inputs.clone(), made.samples.target.clone()
    inputs[unused] += 100
    target.mT[made.samples.label_weight == 0] = 7
    changed = Samples(inputs, target, made.samples.label_weight, made.samples.soft, made.samples.soft_weight)
    after, _ = Problem(made.task, changed, made.held_out).train()
    assert torch.equal(before.weight, after.weight) and torch.equal(before.head_bias, after.head_bias)


@pytest.fixture
def stopping() -> tuple[EarlyStopping, Networks]:
    networks = start_of(Regression(), [0, 1, 2], 1)
    # Groups 0 and 1 go without one fold each and are judged on the other one, group 2 on both.
    judges = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]])
    return EarlyStopping(networks, judges, 4), networks


def test_a_loss_judges_no_network_that_predicts_it(stopping: tuple[EarlyStopping, Networks]) -> None:
    """The first fold likes the first look best, the second one the third; of the test samples nothing is asked."""
    early, networks = stopping
    for epoch, losses in enumerate([[0.0, 5.0, 1.0], [1.0, 4.0, 0.0], [9.0, 3.0, 2.0]], start=1):
        early.look(epoch, torch.tensor(losses)[:, None], networks)
    assert early.epochs.flatten().tolist() == [3, 1, 1]
    early.look(4, torch.tensor([[1.0], [0.5], [9.0]]), networks)
    assert early.epochs.flatten().tolist() == [4, 1, 4]


def test_a_copy_is_kept_and_not_the_networks_themselves(stopping: tuple[EarlyStopping, Networks]) -> None:
    early, networks = stopping
    with torch.no_grad():
        networks.weight.fill_(1)
        early.look(1, torch.ones(3, 1), networks)
        networks.weight.fill_(2)
        early.look(2, 2 * torch.ones(3, 1), networks)
        networks.weight.fill_(3)
    assert (early.best["weight"] == 1).all()


def test_a_loss_that_is_no_number_is_kept_only_for_want_of_another(stopping: tuple[EarlyStopping, Networks]) -> None:
    early, networks = stopping
    early.look(1, torch.full((3, 1), torch.nan), networks)
    assert early.epochs.flatten().tolist() == [1, 1, 1]
    early.look(2, torch.ones(3, 1), networks)
    early.look(3, torch.full((3, 1), torch.nan), networks)
    assert early.epochs.flatten().tolist() == [2, 2, 2]


def test_patience_ends_a_block_when_none_of_its_groups_improves(stopping: tuple[EarlyStopping, Networks]) -> None:
    early, networks = stopping
    for epoch, losses in enumerate([[1.0, 1.0], [0.0, 2.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.0]], start=1):
        early.look(epoch, torch.tensor([*losses, 0.0])[:, None], networks)
        assert early.leave() is None  # the second group improved in the second epoch
    early.look(6, torch.full((3, 1), 2.0), networks)
    leaving = early.leave()
    assert leaving is not None and leaving.nobody
