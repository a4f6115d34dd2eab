"""Estimates by `latentmi` and `infomeasure`, which have an environment of their own; for benchmarks/information.py.

    PYTHON benchmarks/information_rivals.py FILE.npz latentmi|infomeasure

The file holds x and y, (items, n, d). Prints a JSON list of [nats, seconds of CPU], an item each.
"""

import contextlib
import io
import json
import sys
import time

import numpy as np
import torch


def by_latentmi(x: np.ndarray, y: np.ndarray) -> float:
    """With its defaults; it returns bits, and tells of its progress."""
    from latentmi import lmi

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pointwise = lmi.estimate(x, y)[0]
    return float(np.nanmean(pointwise) * np.log(2))


def by_infomeasure(x: np.ndarray, y: np.ndarray) -> float:
    import infomeasure

    return float(infomeasure.mutual_information(x, y, approach="ksg", k=3))


def main() -> None:
    held, chosen = np.load(sys.argv[1]), {"latentmi": by_latentmi, "infomeasure": by_infomeasure}[sys.argv[2]]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    if sys.argv[2] == "infomeasure":
        # It compiles some of itself at first.
        by_infomeasure(held["x"][0], held["y"][0])
    found = []
    for x, y in zip(held["x"], held["y"], strict=True):
        started = time.process_time()
        value = chosen(x, y)
        found.append([value, time.process_time() - started])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
