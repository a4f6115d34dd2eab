"""Which device a step takes, and what it says when there is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cohorts import make_cohort

from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.errors import InputError
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.runtime import device
from cch_omics.runtime.device import choose_device, describe
from cch_omics.splits import make_splits
from cch_omics.views import teachers_of


@pytest.fixture(autouse=True)
def away_from_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", *device.GRANTED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "_held", set())


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """Let torch see a number of GPUs."""

    def see(n: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)

    return see


def test_auto_takes_what_there_is(gpus) -> None:
    gpus(0)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    gpus(1)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto") == torch.device("cuda", 0)


def test_in_a_job_of_slurm_auto_takes_a_gpu_only_if_the_job_was_given_one(gpus, monkeypatch) -> None:
    gpus(2)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setenv("SLURM_JOB_GPUS", "1")
    assert choose_device("auto") == torch.device("cuda", 0)
    # Slurm gave the card; steps of other jobs are none of its business.
    assert choose_device("auto") == torch.device("cuda", 0)


@pytest.mark.parametrize(("built", "words"), [(None, "a CPU build is installed"), ("13.0", "built for CUDA 13.0")])
def test_a_gpu_that_is_not_there_is_said_with_where_was_looked(gpus, monkeypatch, built, words) -> None:
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    with pytest.raises(InputError) as error:
        choose_device("cuda")
    said = str(error.value)
    for part in ("no GPU that torch can use", torch.__version__, words, "CUDA_VISIBLE_DEVICES 3", "SLURM_JOB_GPUS 0"):
        assert part in said
    assert ("Install a CUDA build" in said) == (built is None)


def test_the_name_says_what_slurm_gave(monkeypatch) -> None:
    assert describe(torch.device("cpu")) == "cpu"
    monkeypatch.setenv("SLURM_JOB_GPUS", "1")
    assert describe(torch.device("cpu")) == "cpu (Slurm gave SLURM_JOB_GPUS=1, but torch sees no GPU)"


HOLD = """
import sys
from pathlib import Path
from cch_omics.runtime.device import _lock
print(_lock(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_several_steps_do_not_pile_up_on_one_card(gpus, monkeypatch, tmp_path: Path) -> None:
    """The first card is held by a process of its own; when that is killed, the card is free again."""
    gpus(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    first = tmp_path / f"cch_omics-{device.os.getuid()}-gpu-4.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        assert choose_device("auto") == torch.device("cuda", 1)
        # The next step of this process takes the same one.
        assert choose_device("auto") == torch.device("cuda", 1)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            other.kill()
            other.wait()

        # Both are taken for another process: it waits until one is free.
        monkeypatch.setattr(device, "_held", set())
        monkeypatch.setattr(device.time, "sleep", sleep)
        assert choose_device("cuda") == torch.device("cuda", 0)
        assert slept


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_gpu_and_cpu_agree() -> None:
    """Stated tolerance: representations and outputs within 0.02, and the same classes for 99% of the samples.

    Single precision is summed in another order on a GPU; some tens of steps later an output has another third digit.
    """
    cohort = make_cohort(n=120)
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=0)
    settings = EncoderConfig(units=6, components=10, max_epochs=30)
    devices = [torch.device("cpu"), torch.device("cuda")]
    encodings = [
        {name: encode(cohort, splits, name, settings, seed=0, device=each) for name in cohort.modalities}
        for each in devices
    ]
    for name in cohort.modalities:
        on_cpu, on_gpu = (each[name] for each in encodings)
        np.testing.assert_allclose(on_gpu.outputs, on_cpu.outputs, atol=0.02)
        np.testing.assert_allclose(on_gpu.representation, on_cpu.representation, atol=0.02)
    taught = [
        distil(
            cohort,
            splits,
            encodings[0],
            "cnv",
            teachers_of(cohort, "cnv"),
            DistillationConfig(),
            settings,
            seed=0,
            device=each,
        )
        for each in devices
    ]
    known = np.isfinite(taught[0].outputs).all(-1)
    same = taught[0].outputs[known].argmax(-1) == taught[1].outputs[known].argmax(-1)
    assert same.mean() > 0.99
