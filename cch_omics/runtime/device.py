"""The device that a step computes on, and which of several GPUs."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cch_omics.errors import InputError

if TYPE_CHECKING:
    import torch

# What Slurm says of the GPUs that it gave to a job or a step of it.
GRANTED = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS")
# Locks of this process.
_held: set[Path] = set()

logger = logging.getLogger(__name__)


def choose_device(asked: str) -> "torch.device":
    """The device to compute on.

    Parameters
    ----------
    asked
        `cpu`; `cuda`: a GPU or an error; `auto`: a GPU where there is one for this process, else the CPU. In a job of
        Slurm there is one if the job was given one, whatever else the node lets it see.

    Raises
    ------
    InputError
        If `cuda` is asked for and torch sees none: says where was looked.
    """
    import torch

    if asked == "cpu" or (asked == "auto" and not (_granted(os.environ) and torch.cuda.is_available())):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA: a CPU build is installed"
        seen = ", ".join(f"{name} {os.environ.get(name, 'not set')}" for name in ("CUDA_VISIBLE_DEVICES", *GRANTED[:2]))
        advice = "Install a CUDA build of torch" if not torch.version.cuda else "Ask for a GPU (gpu: 1 in the profile)"
        raise InputError(
            "--device cuda",
            f"no GPU that torch can use; torch {torch.__version__} was built for {built}; {seen}",
            "a visible CUDA device",
            f"{advice}, or use --device cpu, or auto, which takes the CPU where there is no GPU.",
        )
    return torch.device("cuda", _card(torch.cuda.device_count()))


def describe(device: "torch.device") -> str:
    """Name of a device for people."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    granted = [f"{name}={os.environ[name]}" for name in GRANTED if os.environ.get(name)]
    return f"cpu (Slurm gave {', '.join(granted)}, but torch sees no GPU)" if granted else "cpu"


def _granted(environment: Mapping[str, str]) -> bool:
    """Whether a GPU, if one is visible, is for this process."""
    if "SLURM_JOB_ID" not in environment:
        return True
    return any(environment.get(name) for name in ("CUDA_VISIBLE_DEVICES", *GRANTED))


def _card(n_cards: int) -> int:
    """Number of the visible GPU to use: outside Slurm, one that no other step on this machine uses, once there is one.

    Nothing else gives cards to jobs of one machine, and all would take the first one. A process keeps the one it has.
    """
    if "SLURM_JOB_ID" in os.environ:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_cards)))
    names = [name.strip() for name in visible.split(",")][:n_cards]
    locks = [Path(tempfile.gettempdir()) / f"cch_omics-{os.getuid()}-gpu-{name}.lock" for name in names]
    waiting = False
    while True:
        for card in sorted(range(len(locks)), key=lambda card: locks[card] not in _held):
            if locks[card] in _held or _lock(locks[card]):
                _held.add(locks[card])
                return card
        if not waiting:
            logger.info("waiting for a GPU: other steps use %s", "it" if n_cards == 1 else f"all {n_cards}")
            waiting = True
        time.sleep(1)


def _lock(path: Path) -> bool:
    """Lock a file until this process ends, however it ends; False where another one holds it."""
    # Closed by the end of the process, and by nothing before it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
