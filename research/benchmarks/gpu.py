"""Does a GPU give the same numbers as a CPU, and how much faster is it? One table, at most eight minutes.

    make gpu-check                                            # with a CUDA build of torch: GPU_PYTHON=python3
    python -m research.benchmarks.gpu --device cpu --small    # the script itself, where there is no GPU

Needs numpy, scipy, pandas, pydantic and torch; no data: cohorts are made by code. Seconds are on the clock; of a CPU
one thread is used. Each row says how far the two may differ, and the exit status is 1 if they differ by more. A part
that would not begin in time is left out, and named. The table is for gpu.md beside this file.
"""

import argparse
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.errors import InputError
from cch_omics.information.estimators import run
from cch_omics.information.pairs import estimate_pairs
from cch_omics.information.registry import ESTIMATORS
from cch_omics.models import fit
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.runtime.device import choose_device, describe
from cch_omics.splits import Splits, make_splits
from cch_omics.views import teachers_of
from research.benchmarks import engine, growth

# No part begins after so many seconds: the longest takes two minutes.
LATEST = 360.0
CPU = torch.device("cpu")
# Single precision is summed in another order on a GPU; some tens of steps later an output has another third digit.
OUTPUTS = 0.02
# Checkpoints of single networks may be others, and estimates with them: mean over pairs and splits, in nats.
GAPS = 0.02
# Distances and counts are the same; only their mean is summed in another order.
KSG = 1e-6
# The same networks in batches of another size.
HALVES = 0.02


class Row(NamedTuple):
    """A row of the table; seconds that were not measured are NaN."""

    what: str
    other: str
    other_seconds: float
    seconds: float
    differs: float
    at_most: float
    note: str = ""

    def line(self) -> str:
        ratio = self.other_seconds / self.seconds
        numbers = [f"{each:.3g}" if np.isfinite(each) else "" for each in (self.other_seconds, self.seconds, ratio)]
        agrees = "yes" if self.differs <= self.at_most else "**no**"
        words = (self.what, self.other, *numbers, f"{self.differs:.2g}", f"{self.at_most:g}", agrees, self.note)
        return f"| {' | '.join(words)} |"


class Size(NamedTuple):
    """How much is computed: of a cohort, its splits, and one fold of neighbour searches."""

    patients: int
    features: int
    omics: int
    splits: SplitsConfig
    encoder: EncoderConfig
    information: InformationConfig
    fold: int
    looped: int


FULL = Size(769, 1000, 3, SplitsConfig(), EncoderConfig(), InformationConfig(), 1000, 2)
SMALL = Size(
    60,
    20,
    2,
    SplitsConfig(repeats=1, folds=3, inner_folds=3),
    EncoderConfig(units=4, components=8, max_epochs=30),
    InformationConfig(dimension=2, subsamples=2, simulations=8),
    60,
    1,
)


class Made(NamedTuple):
    """A cohort, its splits, and all that was made of it on one device, with the seconds of each part."""

    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    students: dict[str, OutOfFold]
    gaps: np.ndarray
    seconds: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: to try the script")
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    args = parser.parse_args(arguments)
    try:
        device = choose_device(args.device)
    except InputError as error:
        print(f"error: {error}\nNothing was measured. --device cpu --small tries the script itself.", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    begun, rows, left_out = time.monotonic(), [], []
    size = SMALL if args.small else FULL
    for part in (cohort_on_both, plain_loops, neighbours, halves):
        if time.monotonic() - begun > LATEST:
            left_out.append(part.__name__)
            continue
        print(f"{time.monotonic() - begun:4.0f} s: {part.__name__}", file=sys.stderr, flush=True)
        rows += part(size, device)
    print(table(rows, device, time.monotonic() - begun, left_out))
    return int(any(not row.differs <= row.at_most for row in rows))


def table(rows: list[Row], device: torch.device, seconds: float, left_out: list[str]) -> str:
    """The rows in Markdown, below a line that says when and where."""
    day = f"{datetime.now(UTC):%d %B %Y}"
    where = f"{describe(device)}, torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}, {platform.machine()}"
    lines = [
        f"**{day}, {where}**, in {seconds:.0f} s{'; left out: ' + ', '.join(left_out) if left_out else ''}.",
        "",
        "| what | against | its s | this device, s | ratio | differs by | at most | agrees | |",
        "|---|---|---:|---:|---:|---:|---:|---|---|",
    ]
    return "\n".join([*lines, *(row.line() for row in rows)])


def cohort_on_both(size: Size, device: torch.device) -> list[Row]:
    """A whole cohort on the CPU and on the device: encoders, students, information; and how far they differ."""
    made(SMALL, device)  # what a device does once
    other, ours = made(size, CPU), made(size, device)
    outputs = {
        "encoders": [(a.outputs, ours.encodings[name].outputs) for name, a in other.encodings.items()],
        "students": [(a.outputs, ours.students[name].outputs) for name, a in other.students.items()],
    }
    rows = []
    for name, pairs in outputs.items():
        # Where a network has another checkpoint, its outputs are others: nine tenths of all have to agree.
        far = [np.nanquantile(np.abs(a - b), 0.9) for a, b in pairs]
        same = np.mean([np.mean(a.argmax(-1) == b.argmax(-1)) for a, b in pairs])
        rows.append(row_of(name, other, ours, max(far), OUTPUTS, f"same class {100 * same:.2f}%; 90% of outputs"))
    far = float(np.nanmean(np.abs(other.gaps - ours.gaps)))
    rows.append(row_of("information", other, ours, far, GAPS, "mean difference of gaps, nats"))
    whole = [sum(each.seconds.values()) for each in (other, ours)]
    rows.append(
        Row("whole cohort", "CPU", *whole, max(far, 0.0), GAPS, f"{size.patients} patients, {size.omics} omics")
    )
    return rows


def row_of(name: str, other: Made, ours: Made, far: float, at_most: float, note: str) -> Row:
    return Row(name, "CPU", other.seconds[name], ours.seconds[name], float(far), at_most, note)


def made(size: Size, device: torch.device) -> Made:
    """All steps of a cohort."""
    cohort, splits = cohort_of(size)
    given: dict[str, Any] = {"seed": 0, "device": device}
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun = now(device)
        done = work()
        seconds[name] = now(device) - begun
        return done

    encodings = timed(
        "encoders", lambda: {name: encode(cohort, splits, name, size.encoder, **given) for name in cohort.modalities}
    )
    students = timed(
        "students",
        lambda: {
            name: distil(
                cohort, splits, encodings, name, teachers_of(cohort, name), DistillationConfig(), size.encoder, **given
            )
            for name in cohort.modalities
        },
    )
    found = timed("information", lambda: estimate_pairs(cohort, splits, encodings, size.information, **given))
    return Made(cohort, splits, encodings, students, found["gap"].to_numpy(), seconds)


def cohort_of(size: Size) -> tuple[Cohort, Splits]:
    cohort = growth.cohort(size.patients, size.features, size.omics)
    return cohort, make_splits(cohort, size.splits, seed=0)


def plain_loops(size: Size, device: torch.device) -> list[Row]:
    """Networks in one batch, and some of them one after the other in plain PyTorch, both on the device."""
    cohort, splits = cohort_of(size)
    name, *others = cohort.modalities
    given: dict[str, Any] = {"seed": 0, "device": device}
    encodings, encoders = engine.recorded(
        lambda: {each: encode(cohort, splits, each, size.encoder, **given) for each in (name, *others)}
    )
    _, students = engine.recorded(
        lambda: distil(cohort, splits, encodings, name, others, DistillationConfig(), size.encoder, **given)
    )
    rows = []
    for what, calls in {"encoders": encoders, "students": students}.items():
        found: dict[str, Any] = engine.compare(what, calls, size.looped, device, np.random.default_rng(0))
        same = f"{found['same checkpoint']} of {found['networks looped']} have the same checkpoint"
        far = found["largest difference of an output"]
        note = f"{found['networks']} networks, the loop from {found['networks looped']}; given the same masks {same}"
        rows.append(Row(what, "loop", found["loop, s"], found["batched, s"], far, OUTPUTS, note))
    return rows


def neighbours(size: Size, device: torch.device) -> list[Row]:
    """KSG with its half-samples in one fold."""
    random = np.random.default_rng(0)
    shared = random.standard_normal((size.fold, 3))
    points = [np.hstack([shared + random.standard_normal((size.fold, 3)), random.standard_normal((size.fold, 5))])]
    points.append(shared @ random.standard_normal((3, 8)) + random.standard_normal((size.fold, 8)))
    halves = np.array([[np.sort(random.permutation(size.fold)[: size.fold // 2]) for _ in range(growth.HALVES)]])
    entry, values, seconds = ESTIMATORS["ksg"].load(), [], []
    for on in (CPU, device, device):  # once more, after what a device does once
        x, y = (torch.tensor(each, device=on)[None] for each in points)
        index, exists = torch.tensor(halves, device=on), torch.ones(1, size.fold, dtype=torch.bool, device=on)
        begun = now(on)
        spaces = [entry.prepare(each, exists) for each in (x, y)]
        found = run(entry, *spaces, index, torch.ones_like(index, dtype=torch.bool), neighbours=3)
        values.append(found.value.cpu().numpy())
        seconds.append(now(on) - begun)
    far = float(np.abs(values[0] - values[2]).max())
    return [Row("KSG", "CPU", seconds[0], seconds[2], far, KSG, f"{growth.HALVES} halves of {size.fold} samples")]


def halves(size: Size, device: torch.device) -> list[Row]:
    """Encoders where memory holds about half of a batch, against those where it holds all."""
    cohort, splits = cohort_of(size)
    name = next(iter(cohort.modalities))

    def trained() -> np.ndarray:
        return encode(cohort, splits, name, size.encoder, seed=0, device=device).outputs

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    whole, said = trained(), Heard()
    with said, half_of_memory(device):
        halved = trained()
    far = float(np.nanquantile(np.abs(whole - halved), 0.9)) if said.lines else np.inf
    note = f"out of memory {len(said.lines)} times" if said.lines else "it was never out of memory"
    return [Row("half of the memory", "all", np.nan, np.nan, far, HALVES, note)]


class Heard(logging.Handler):
    """Warnings of the training."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> "Heard":
        fit.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        fit.logger.removeHandler(self)


@contextmanager
def half_of_memory(device: torch.device) -> Iterator[None]:
    """Let torch have six tenths of the memory that it took at most; on a CPU the first batch is said not to fit."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        took, (_, total) = torch.cuda.max_memory_allocated(device), torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(0.6 * took / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    train, refused = fit.train, []

    def first_refused(*given: Any, **named: Any) -> Any:
        if not refused:
            refused.append(True)
            raise torch.cuda.OutOfMemoryError
        return train(*given, **named)

    with mock.patch.object(fit, "train", first_refused):
        yield


def now(device: torch.device) -> float:
    """Seconds on the clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    sys.exit(main())
