"""Networks in one batch against a plain PyTorch loop over the same networks, and against the machine's product rate.

    python benchmarks/engine.py --data DIR

DIR has the folder `brca-paired`: four omics. Both sides start from the same principal components and weights and take
the same number of steps; the loop (nn.Module, nn.Dropout, autograd, torch.optim.AdamW, one network at a time) trains a
random part of the networks and is extrapolated by epochs. It is run once more with the batch's masks in place of
nn.Dropout, made before the clock starts: then both have to come to the same networks. Prints tables in Markdown;
engine.md beside this file has the last ones, and what a grid has to cost.

On a GPU: `python benchmarks/engine.py --data DIR --device cuda`.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cch_omics import distillation, encoders, ensemble, training
from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, SheetRow, SplitsConfig
from cch_omics.io import read_source
from cch_omics.io.assemble import assemble
from cch_omics.predictions import Encoding
from cch_omics.splits import Splits, make_splits

ENCODER, DISTILLATION = EncoderConfig(), DistillationConfig(lambdas=[0.5, 0.9], temperatures=[1.0, 3.0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 outer folds")
    parser.add_argument("--loop", type=int, default=4, help="points of each grid that the loop trains")
    parser.add_argument("--tf32", action="store_true", help="GPU: products of 10 bits mantissa, sums in float32")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(1)  # what is done beforehand is small
    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{args.threads} cores"
    row = SheetRow(
        cohort="brca-paired",
        target="er_status",
        classes="Negative,Positive",
        source=str(args.data / "brca-paired"),
    )
    cohort, _ = assemble(read_source(row), row)
    splits = make_splits(cohort, SplitsConfig(repeats=args.repeats), seed=0)
    random = np.random.default_rng(0)

    runs = []
    for run in range(args.runs):
        encodings, batches = encode_all(cohort, splits, device, args.threads)
        rows = [compare("encoders", batches, cohort, args, device, random)]
        batches = distil_all(cohort, splits, encodings, device, args.threads)
        rows.append(compare("students", batches, cohort, args, device, random))
        runs.append(pd.DataFrame(rows).assign(run=run))
    table = pd.concat(runs)
    print(f"Medians over {args.runs} runs, {name}.\n")
    medians = table.drop(columns="run").groupby("grid", sort=False).median(numeric_only=True).reset_index()
    print(medians.to_markdown(index=False, floatfmt=".3g"), "\n")
    print(products(batches, device, args.threads).to_markdown(index=False, floatfmt=".3g"))


@dataclass
class Batch:
    """What was trained as one batch on the training sets of a split: what went in, what came out."""

    sets: training.TrainingSets
    teaching: training.Teaching | None
    trained: ensemble.Trained

    def stops(self) -> Tensor:
        """(M,) epochs that the networks were trained for."""
        return (self.trained.epochs.amax(0) + training.PATIENCE).clamp(max=ENCODER.max_epochs)


@dataclass
class Batches:
    batches: list[Batch]
    seconds: float

    @property
    def network_epochs(self) -> float:
        return float(sum(len(batch.sets.train) * batch.stops().sum().item() for batch in self.batches))

    @property
    def flop(self) -> float:
        """Operations of the products of the first layer, forward and back, over the samples that are not padding."""
        return sum(
            4.0 * ENCODER.units * batch.sets.inputs.shape[2] * int(batch.sets.train.sum()) * batch.stops().sum().item()
            for batch in self.batches
        )


def recorded(
    module: object, work: Callable[[int], Encoding | None], threads: int
) -> tuple[Encoding | None, list[Batch], float]:
    """Do the work of a step against the clock, and once more in this process, to see what `training.fit` was given."""
    batches: list[Batch] = []

    def fit(sets, labels, n_classes, settings, teachings=None):  # type: ignore[no-untyped-def]
        fitted = training.fit(sets, labels, n_classes, settings, teachings)
        for i, trained in enumerate(fitted):
            batches.append(Batch(sets[i], None if teachings is None else teachings[i], trained))
        return fitted

    started = time.perf_counter()
    result = work(threads)
    seconds = time.perf_counter() - started
    with mock.patch.object(module, "fit", fit):
        work(1)
    return result, batches, seconds


def encode_all(
    cohort: Cohort, splits: Splits, device: torch.device, threads: int
) -> tuple[dict[str, Encoding], Batches]:
    """All encoders, from principal components that are fitted before the clock starts."""
    encodings, batches, total = {}, [], 0.0
    whole = Splits(*(each[-1:] for each in (splits.repeat, splits.fold, splits.inner, splits.labelled)))
    for name in cohort.modalities:
        options = {"seed": 0, "device": device, "without_pairs": True}
        ready = [training.training_sets(cohort, splits, s, name, ENCODER, **options) for s in range(len(splits.fold))]
        deployed = encoders.encode(cohort, whole, name, ENCODER, seed=0, device=device).network
        with (
            mock.patch.object(encoders, "training_sets", lambda *given, ready=ready, **_: ready[given[2]]),
            mock.patch.object(encoders, "fold_in", lambda *_, deployed=deployed: [deployed]),
        ):
            encoding, some, seconds = recorded(
                encoders,
                lambda threads, name=name: encoders.encode(
                    cohort, splits, name, ENCODER, seed=0, device=device, threads=threads
                ),
                threads,
            )
        encodings[name] = encoding
        batches += some
        total += seconds
    return encodings, Batches(batches, total)


def distil_all(
    cohort: Cohort, splits: Splits, encodings: dict[str, Encoding], device: torch.device, threads: int
) -> Batches:
    """All students of all teachers, controls and points of the grid."""
    batches, total = [], 0.0
    for name in cohort.modalities:
        _, some, seconds = recorded(
            distillation,
            lambda threads, name=name: distillation.distil(
                cohort, splits, encodings, name, DISTILLATION, ENCODER, seed=0, device=device, threads=threads
            ),
            threads,
        )
        batches += some
        total += seconds
    return Batches(batches, total)


def compare(
    grid: str,
    batches: Batches,
    cohort: Cohort,
    args: argparse.Namespace,
    device: torch.device,
    random: np.random.Generator,
) -> dict[str, object]:
    """A grid in a row: batched, and the loop over some of its networks."""
    chosen = []
    for _ in range(args.loop):
        batch = batches.batches[random.integers(len(batches.batches))]
        chosen.append((batch, int(random.integers(batch.trained.epochs.shape[1]))))
    n_epochs = sum(len(batch.sets.train) * int(batch.stops()[m]) for batch, m in chosen)
    seconds = {}
    for own in (True, False):
        # Operations so small may be faster on one thread: the loop has the better of the two.
        each = []
        for threads in sorted({1, args.threads}):
            torch.set_num_threads(threads)
            looped = [loop(batch, m, cohort, device, own_masks=own) for batch, m in chosen]
            each.append(sum(result.seconds for result in looped) / n_epochs)
        seconds[own] = min(each) * batches.network_epochs
    torch.set_num_threads(1)
    n_networks = sum(batch.trained.epochs.numel() for batch in batches.batches)
    rate = batches.flop / batches.seconds
    print(f"{grid}: {seconds[True] / batches.seconds:.1f}, {seconds[False] / batches.seconds:.1f}", file=sys.stderr)
    return {
        "grid": grid,
        "networks": n_networks,
        "epochs each": batches.network_epochs / n_networks,
        "batched, s": batches.seconds,
        "loop, s": seconds[True],
        "loop / batched": seconds[True] / batches.seconds,
        "loop given masks, s": seconds[False],
        "of it / batched": seconds[False] / batches.seconds,
        "networks looped": sum(len(batch.sets.train) for batch, _ in chosen),
        "same checkpoint": sum(result.same for result in looped),
        "largest difference of a logit": max(result.difference for result in looped),
        "first layers, GFLOP/s": rate / 1e9,
        "share of the product rate": rate / product_rate(device, args.threads),
    }


class Plain(nn.Module):
    """One network, as anybody would write it."""

    def __init__(self, start: ensemble.Networks, group: int) -> None:
        super().__init__()
        _, _, n_units, n_inputs = start.weight.shape
        self.dropout = nn.Dropout(ENCODER.dropout)
        self.first, self.head = nn.Linear(n_inputs, n_units), nn.Linear(n_units, start.head_bias.shape[2])
        with torch.no_grad():
            for parameter, value in zip(self.parameters(), start.parameters(), strict=True):
                parameter.copy_(value[group, 0].reshape(parameter.shape))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(self.dropout(inputs))))


@dataclass
class Looped:
    """Networks of one point of the grid on all training sets of a split, one after the other.

    `same` of them have the checkpoint that the batch chose; `difference` is the largest one of a logit, of any sample,
    between these and the batch's.
    """

    seconds: float
    same: int
    difference: float


def loop(batch: Batch, m: int, cohort: Cohort, device: torch.device, *, own_masks: bool) -> Looped:
    """Train the networks, keep each at every checkpoint, and choose as the workflow does.

    With masks of their own they are others than the batch's.
    """
    sets, n_epochs = batch.sets, int(batch.stops()[m])
    labels = torch.as_tensor(cohort.labels[sets.rows], device=device).clamp(min=0)
    one_hot = nn.functional.one_hot(labels, len(cohort.classes)).T.float()
    teaching = None if batch.teaching is None else batch.teaching.models(slice(m, m + 1))
    data = training._gather(sets, sets.train, one_hot, teaching)
    held_out = training._gather(sets, sets.predicted, one_hot, teaching)
    masked = ensemble._Inputs(data.inputs, list(sets.seeds), data.numbers, ENCODER.dropout)
    inputs = [data.inputs if own_masks else masked.at(epoch).clone() for epoch in range(1, n_epochs + 1)]
    start = ensemble.initialise(list(sets.seeds), 1, sets.inputs.shape[2], ENCODER.units, len(cohort.classes))
    start = start.to(device)

    synchronise(device)
    started = time.perf_counter()
    kept, losses = [], []
    for g in range(len(sets.train)):
        network = Plain(start, g).to(device)
        named = list(network.named_parameters())
        groups = [
            {"params": [parameter for name, parameter in named if name.endswith("weight")]},
            {"params": [parameter for name, parameter in named if name.endswith("bias")], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=ENCODER.learning_rate, weight_decay=ENCODER.weight_decay)
        kept.append([])
        for epoch in range(1, n_epochs + 1):
            network.train(own_masks)
            optimizer.zero_grad()
            logits = network(inputs[epoch - 1][g])
            loss = weighted_loss(logits, data, g)
            loss.backward()
            optimizer.step()
            if epoch % training.CHECKPOINT_EVERY == 0:
                network.eval()
                with torch.no_grad():
                    losses.append(weighted_loss(network(held_out.inputs[g]), held_out, g))
                kept[g].append({name: value.clone() for name, value in network.state_dict().items()})
    scores = (
        training.judges(sets.n_held_out, sets.pairs) @ torch.stack(losses).view(len(kept), -1).double().cpu().numpy()
    )
    checkpoints = scores.argmin(1)
    synchronise(device)
    seconds = time.perf_counter() - started

    network.eval()
    _, logits = training.predict_chosen(batch.trained, sets.inputs, np.full(len(kept), m))
    same, difference = 0, 0.0
    for g, checkpoint in enumerate(checkpoints):
        if training.CHECKPOINT_EVERY * (checkpoint + 1) == int(batch.trained.epochs[g, m]):
            network.load_state_dict(kept[g][checkpoint])
            with torch.no_grad():
                difference = max(difference, float((logits[g] - network(sets.inputs[g])).abs().max()))
            same += 1
    return Looped(seconds, same, difference)


def weighted_loss(logits: Tensor, data: ensemble.Samples, g: int) -> Tensor:
    """The loss in `ensemble.Samples` of one network, in PyTorch's own words."""
    each = nn.functional.cross_entropy(logits, data.labels[g].argmax(0), reduction="none")
    loss = (data.label_weight[g] * each).sum()
    if data.soft is None:
        return loss
    strength, temperature = data.lambdas[0], data.temperatures[0]
    each = nn.functional.kl_div((logits / temperature).log_softmax(1), data.soft[g, 0].T, reduction="none").sum(1)
    return (1 - strength) * loss + strength * temperature**2 * (data.soft_weight[g, 0] * each).sum()


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, times: int) -> float:
    """The least: rates are compared with what the machine can do."""
    found = []
    for _ in range(times):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - started)
    return min(found)


def product_rate(device: torch.device, threads: int) -> float:
    """Operations a second of a large float32 product: what this machine can do."""
    torch.set_num_threads(threads)
    n = 2048 if device.type == "cpu" else 8192
    left, right = torch.randn(2, n, n, device=device)
    return 2 * n**3 / seconds_of(lambda: left @ right, device, 7)


def products(batches: Batches, device: torch.device, threads: int) -> pd.DataFrame:
    """The products of the first layer alone, in the shape that they have in a batch, against the product rate."""
    batch = batches.batches[0]
    n_groups = len(batch.sets.train) * (1 if device.type == "cpu" else len(batches.batches) // 4)
    n, k = int(batch.sets.train.sum(1).max()), batch.sets.inputs.shape[2]
    rows = batch.trained.epochs.shape[1] * ENCODER.units
    weight, inputs = torch.randn(n_groups, rows, k, device=device), torch.randn(n_groups, n, k, device=device)
    error = torch.randn(n_groups, rows, n, device=device)
    rate = product_rate(device, threads)
    torch.set_num_threads(threads)
    shapes = {"W z": lambda: weight @ inputs.mT, "error z'": lambda: error @ inputs}
    return pd.DataFrame(
        {
            "product": f"{name}, {n_groups} x ({rows}, {k}, {n})",
            "GFLOP/s": 2 * n_groups * rows * n * k / seconds_of(work, device, 31) / 1e9,
            "share of the product rate": 2 * n_groups * rows * n * k / seconds_of(work, device, 31) / rate,
        }
        for name, work in shapes.items()
    )


if __name__ == "__main__":
    main()
