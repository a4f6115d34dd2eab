"""Networks in one batch against a plain PyTorch loop over the same networks.

    python -m research.benchmarks.engine --data DIR
    python -m research.benchmarks.engine --data DIR --device cuda
    python -m research.benchmarks.engine --data DIR --repeats 1 --folds 2 --loop 1      (the smallest run)

DIR has the folder `brca-paired`: four omics. What is timed is training alone (`cch_omics.models.train.train`), in
seconds of one thread of a CPU. The loop (nn.Module, nn.Dropout, autograd, torch.optim.AdamW, one network at a time)
starts from the same components and weights, takes the same number of steps, trains a random part of the networks and is
extrapolated by epochs. It is run once more with the batch's masks in place of nn.Dropout, drawn before it starts: then
both have to come to the same networks. Prints a table in Markdown; engine.md beside this file has the last.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cch_omics.config import DistillationConfig, EncoderConfig, SheetRow, SplitsConfig
from cch_omics.models import fit
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.network import InputDropout, Networks
from cch_omics.models.train import Samples, Schedule, train
from cch_omics.splits import make_splits
from cch_omics.views import teachers_of

ENCODER, DISTILLATION = EncoderConfig(), DistillationConfig()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--loop", type=int, default=4, help="networks on the training sets of a split that are looped")
    args = parser.parse_args()
    # Here, so that `gpu.py` does without AnnData.
    from cch_omics.data.assemble import assemble
    from cch_omics.data.sources import read_source

    device = torch.device(args.device)
    torch.set_num_threads(1)
    row = SheetRow(
        cohort="brca-paired", target="er_status", classes="Negative,Positive", source=str(args.data / "brca-paired")
    )
    cohort = assemble(read_source(row), row)[0]
    splits = make_splits(cohort, SplitsConfig(repeats=args.repeats, folds=args.folds), seed=0)
    random = np.random.default_rng(0)
    common: dict[str, Any] = {"seed": 0, "device": device}

    rows = []
    for _ in range(args.runs):
        encodings, calls = recorded(
            lambda: {name: encode(cohort, splits, name, ENCODER, **common) for name in cohort.modalities}
        )
        rows.append(compare("encoders", calls, args.loop, device, random))
        _, calls = recorded(
            lambda encodings=encodings: [
                distil(cohort, splits, encodings, name, teachers_of(cohort, name), DISTILLATION, ENCODER, **common)
                for name in cohort.modalities
            ]
        )
        rows.append(compare("students", calls, args.loop, device, random))
    print(
        f"Medians over {args.runs} runs on {torch.cuda.get_device_name() if device.type == 'cuda' else 'one core'}.\n"
    )
    medians = pd.DataFrame(rows).groupby("grid", sort=False).median().reset_index()
    print(medians.to_markdown(index=False, floatfmt=".3g"))


@dataclass
class Call:
    """What was trained as one batch: what went in, what came out, and how long it took.

    Attributes
    ----------
    start
        Parameters before training.
    dropout
        Arguments of `InputDropout`.
    weight, temperature
        Of the soft targets.
    trained, epochs
        The networks at their best, and the (G, M) epochs until then.
    """

    start: list[Tensor]
    samples: Samples
    held_out: Samples
    judges: Tensor
    dropout: tuple[Any, ...]
    schedule: Schedule
    weight: float
    temperature: float
    trained: Networks
    epochs: Tensor
    seconds: float

    @property
    def n_groups(self) -> int:
        """Training sets of a split."""
        return int(self.judges.shape[1])

    def stops(self) -> Tensor:
        """(G, M) epochs that the networks were trained for: those of a split stop together."""
        latest = self.epochs.unflatten(0, (-1, self.n_groups)).amax(1)
        return (latest + self.schedule.patience).clamp(max=self.schedule.epochs).repeat_interleave(self.n_groups, 0)


def recorded(work: Callable[[], Any]) -> tuple[Any, list[Call]]:
    """Do the work, and write down every call of `train`."""
    calls: list[Call] = []

    class Remembering(InputDropout):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.given = given

    def spy(
        networks: Networks,
        task: Any,
        samples: Samples,
        held_out: Samples,
        judges: Tensor,
        dropout: Remembering,
        schedule: Schedule,
        *,
        weight: float,
        temperature: float,
    ) -> tuple[Networks, Tensor]:
        start = [parameter.detach().clone() for parameter in networks.parameters()]
        started = clock(judges.device)
        trained, epochs = train(
            networks, task, samples, held_out, judges, dropout, schedule, weight=weight, temperature=temperature
        )
        seconds = clock(judges.device) - started
        given = start, samples, held_out, judges, dropout.given, schedule, weight, temperature
        calls.append(Call(*given, trained, epochs, seconds))
        return trained, epochs

    with mock.patch.object(fit, "train", spy), mock.patch.object(fit, "InputDropout", Remembering):
        return work(), calls


def compare(
    grid: str, calls: list[Call], n_looped: int, device: torch.device, random: np.random.Generator
) -> dict[str, object]:
    """A grid in a row: batched, and the loop over some of its networks."""
    network_epochs = float(sum(call.stops().sum().item() for call in calls))
    seconds = sum(call.seconds for call in calls)
    looped: dict[bool, list[Looped]] = {True: [], False: []}
    n_epochs = 0.0
    for _ in range(n_looped):
        call = calls[random.integers(len(calls))]
        split, m = int(random.integers(len(call.judges))), int(random.integers(call.epochs.shape[1]))
        n_epochs += float(call.stops()[split * call.n_groups : (split + 1) * call.n_groups, m].sum())
        for own_masks, results in looped.items():
            results.append(loop(call, split, m, device, own_masks=own_masks))
    whole = {own: sum(each.seconds for each in results) / n_epochs * network_epochs for own, results in looped.items()}
    n_networks = sum(call.epochs.numel() for call in calls)
    return {
        "grid": grid,
        "networks": n_networks,
        "epochs each": network_epochs / n_networks,
        "batched, s": seconds,
        "loop, s": whole[True],
        "loop / batched": whole[True] / seconds,
        "loop given masks, s": whole[False],
        "of it / batched": whole[False] / seconds,
        "networks looped": sum(each.networks for each in looped[False]),
        "same checkpoint": sum(each.same for each in looped[False]),
        "largest difference of an output": max(each.difference for each in looped[False]),
    }


class Plain(nn.Module):
    """One network, as anybody would write it."""

    def __init__(self, start: list[Tensor], rate: float) -> None:
        super().__init__()
        n_units, n_inputs = start[0].shape
        self.dropout = nn.Dropout(rate)
        self.first, self.head = nn.Linear(n_inputs, n_units), nn.Linear(n_units, len(start[3]))
        with torch.no_grad():
            for parameter, value in zip(self.parameters(), start, strict=True):
                parameter.copy_(value.reshape(parameter.shape))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(self.dropout(inputs))))


def adamw(network: Plain, learning_rate: float, weight_decay: float, *, eps: float = 1e-8) -> torch.optim.AdamW:
    """Weights decay, and biases do not."""
    named = list(network.named_parameters())
    return torch.optim.AdamW(
        [
            {"params": [parameter for name, parameter in named if name.endswith("weight")]},
            {"params": [parameter for name, parameter in named if name.endswith("bias")], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        weight_decay=weight_decay,
        eps=eps,
    )


@dataclass
class Looped:
    """Networks of one model on all training sets of a split, one after the other.

    `same` of them have the checkpoint that the batch chose; `difference` is the largest one of an output of any
    training sample between these and the batch's.
    """

    seconds: float
    networks: int
    same: int
    difference: float


def loop(call: Call, split: int, m: int, device: torch.device, *, own_masks: bool) -> Looped:
    """Train the networks, keep each at every checkpoint, and choose as the batch does.

    With masks of their own they are others than the batch's.
    """
    schedule, groups = call.schedule, range(split * call.n_groups, (split + 1) * call.n_groups)
    n_epochs = int(call.stops()[groups[0], m])
    inputs, drawn, seeds, rate = call.dropout
    masked = InputDropout(
        inputs[groups.start : groups.stop], drawn[groups.start : groups.stop], [seeds[g] for g in groups], rate
    )
    given = [] if own_masks else [masked.draw().clone() for _ in range(n_epochs)]

    started = clock(device)
    kept: list[dict[int, dict[str, Tensor]]] = []
    losses = []
    for f, g in enumerate(groups):
        network = Plain([parameter[g, m] for parameter in call.start], rate).to(device)
        optimizer = adamw(network, schedule.learning_rate, schedule.weight_decay)
        kept.append({})
        for epoch in range(1, n_epochs + 1):
            network.train(own_masks)
            optimizer.zero_grad()
            outputs = network(call.samples.inputs[g] if own_masks else given[epoch - 1][f])
            loss_of(outputs, call.samples, g, m, call).backward()
            optimizer.step()
            if epoch % schedule.check_every == 0 or epoch == schedule.epochs:
                network.eval()
                with torch.no_grad():
                    losses.append(loss_of(network(call.held_out.inputs[g]), call.held_out, g, m, call))
                kept[f][epoch] = {name: value.clone() for name, value in network.state_dict().items()}
    scores = call.judges[split].double().cpu() @ torch.stack(losses).view(len(groups), -1).double().cpu()
    best = [list(checkpoints)[int(each.argmin())] for checkpoints, each in zip(kept, scores, strict=True)]
    seconds = clock(device) - started

    same, difference = 0, 0.0
    with torch.no_grad():
        batched = call.trained(call.samples.inputs)
        for f, g in enumerate(groups):
            if best[f] != int(call.epochs[g, m]):
                continue
            same += 1
            network = Plain([parameter[g, m] for parameter in call.start], rate).to(device).eval()
            network.load_state_dict(kept[f][best[f]])
            difference = max(difference, float((batched[g, m].T - network(call.samples.inputs[g])).abs().max()))
    return Looped(seconds, len(groups), same, difference)


def loss_of(outputs: Tensor, data: Samples, g: int, m: int, call: Call) -> Tensor:
    """The loss of one network, in PyTorch's own words."""
    each = nn.functional.cross_entropy(outputs, data.target[g].T, reduction="none")
    loss = (data.label_weight[g] * each).sum()
    if data.soft is None or data.soft_weight is None:
        return loss
    each = nn.functional.cross_entropy(outputs / call.temperature, data.soft[g, m].T, reduction="none")
    soft_loss = call.temperature**2 * (data.soft_weight[g, m] * each).sum()
    return (1 - call.weight) * loss + call.weight * soft_loss


def clock(device: torch.device) -> float:
    """Seconds of this process's thread on a CPU, which others that use the machine do not count in; of a GPU all."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
