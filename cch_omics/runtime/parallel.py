"""The parts of a step's work, in several processes.

Networks and neighbour searches are many short operations. Threads would wait for one another's Python between them;
processes do not (`research/benchmarks/engine.md`). They are forked: they start at once, and share the cohort.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

Part = TypeVar("Part")
Result = TypeVar("Result")

_work: Callable[[Any], Any]  # of a worker


def each_part(
    work: Callable[[Part], Result], parts: Sequence[Part], *, threads: int, device: "torch.device | str"
) -> Iterator[tuple[Part, Result]]:
    """Do the work of all parts, each on one core, and yield a part with its result as it is finished.

    The first failure ends it: parts that were not begun are left.

    Parameters
    ----------
    work
        May be a closure; what it changes is lost.
    parts
        Small: they are sent to the processes.
    threads
        How many processes, of one thread each.
    device
        Where the work is done. A GPU cannot be shared with a forked process, and elsewhere than on Linux forking is not
        safe: there the parts are done one after the other, in this process.

    Raises
    ------
    RuntimeError
        A process was killed.
    """
    processes = min(threads, len(parts))
    if processes <= 1 or not str(device).startswith("cpu") or sys.platform != "linux":
        before = _threads_of_torch(1)
        try:
            for part in parts:
                yield part, work(part)
        finally:
            _threads_of_torch(before)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _start_worker, (work,))
    try:
        part_of = {pool.submit(_do, part): part for part in parts}
        for future in as_completed(part_of):
            yield part_of[future], future.result()
    except BrokenProcessPool:
        raise RuntimeError(
            "a process of this step was killed before it had finished, most likely for want of memory: give the step "
            "more memory (mem_mb), or fewer threads"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _threads_of_torch(threads: int) -> int:
    """Set how many threads torch uses, and say how many it did; nothing loads it here where the work does without."""
    torch = sys.modules.get("torch")
    if torch is None:
        return threads
    before = int(torch.get_num_threads())
    torch.set_num_threads(threads)
    return before


def _start_worker(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    _threads_of_torch(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it as well, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(part: Any) -> Any:
    return _work(part)
