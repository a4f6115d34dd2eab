"""Work in several processes: the same results, in whatever order, and no process left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from cch_omics.runtime.parallel import each_part


def test_every_part_is_done_once_each_on_one_thread():
    def work(part):
        return part**2, os.getpid(), torch.get_num_threads()

    before = torch.get_num_threads()
    for threads in (1, 3):
        done = dict(each_part(work, range(7), threads=threads, device="cpu"))
        assert {part: result[0] for part, result in done.items()} == {part: part**2 for part in range(7)}
        assert {result[2] for result in done.values()} == {1}
        here = {result[1] for result in done.values()} == {os.getpid()}
        assert here == (threads == 1)
    assert torch.get_num_threads() == before


def test_on_a_gpu_nothing_is_forked():
    done = dict(each_part(lambda part: os.getpid(), range(3), threads=3, device="cuda"))
    assert set(done.values()) == {os.getpid()}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_is_raised_and_what_was_not_begun_is_left(tmp_path: Path, threads: int):
    def work(part):
        (tmp_path / str(part)).touch()
        if part == 0:
            raise ValueError("no such part")

    with pytest.raises(ValueError, match="no such part"):
        list(each_part(work, range(500), threads=threads, device="cpu"))
    assert len(list(tmp_path.iterdir())) < 400


def test_a_process_that_is_killed_is_told_of():
    def work(part):
        if part == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match=r"killed.*mem_mb"):
        list(each_part(work, range(4), threads=2, device="cpu"))


def test_processes_end_with_their_parent(tmp_path: Path):
    script = """
        import os, pathlib, sys, time
        from cch_omics.runtime.parallel import each_part

        def work(part):
            (pathlib.Path(sys.argv[1]) / str(os.getpid())).touch()
            time.sleep(600)

        list(each_part(work, range(2), threads=2, device="cpu"))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)])
    try:
        until = time.monotonic() + 120
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        workers = [int(file.name) for file in tmp_path.iterdir()]
        assert len(workers) == 2
    finally:
        parent.kill()
        parent.wait()
    until = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    """Whether it runs. One that has ended may wait for somebody to ask how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
