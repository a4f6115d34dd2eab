"""Files of others are read in a process of their own, so that a crash of the library that reads them is a message.

The process is forked: it starts at once, has what was imported, and hands over what it read through memory.
"""

import contextlib
import faulthandler
import os
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, NoReturn, TypeVar

from cch_omics.errors import InputError
from cch_omics.runtime.files import check_file, reading

Result = TypeVar("Result")
# Seconds of processor time for a file and per byte of it: some hundred times what a whole one takes.
_SECONDS, _SECONDS_PER_BYTE = 120.0, 1e-6
_ADVICE = "Copy the file again, or write it again with the program that made it."
_MORE_MEMORY = "Use fewer features, or a machine (of a Slurm job: mem_mb) with more memory."


def read_apart(path: str | os.PathLike[str], read: Callable[[], Result], kind: str) -> Result:
    """Return what a function reads from a file that may be damaged.

    Elsewhere than on Linux forking is not safe: there the file is read in this process.

    Parameters
    ----------
    read
        May be a closure; what it changes is lost. What it returns can be pickled.
    kind
        What the file should be, such as "a Parquet file".

    Raises
    ------
    InputError
        Whatever goes wrong with the file or in the library.
    """
    where = os.fspath(path)
    if sys.platform != "linux":
        return read_here(path, read, kind)
    with os.fdopen(os.memfd_create("read"), "w+b") as memory:
        with warnings.catch_warnings():
            # Python warns of threads: what they hold, such as the locks of BLAS, reading does not need.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            _hand_over(memory, path, read, kind)
        try:
            _, status = os.waitpid(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        if status != 0:
            raise _died(where, os.waitstatus_to_exitcode(status), kind)
        memory.seek(0)
        outcome: Result | InputError = pickle.load(memory)
    if isinstance(outcome, InputError):
        raise outcome
    return outcome


def read_here(path: str | os.PathLike[str], read: Callable[[], Result], kind: str) -> Result:
    """Return what a function reads from a file that libraries do not crash on; `read_apart` has the rest."""
    where = os.fspath(path)
    check_file(path, kind)
    try:
        with reading(path):
            return read()
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(where, f"more than fits into memory ({error})", kind, _MORE_MEMORY) from error
    except Exception as error:  # on files that are damaged or hold something else the libraries raise anything
        said = f"a damaged or foreign file ({type(error).__name__}: {str(error)[:200]})"
        raise InputError(where, said, kind, _ADVICE) from error


def _hand_over(memory: IO[bytes], path: str | os.PathLike[str], read: Callable[[], object], kind: str) -> NoReturn:
    """Write what was read, or why not, and end the forked process, without what else is done at the end of one."""
    status = 1
    try:
        faulthandler.disable()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it as well, and ends this process
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with contextlib.suppress(OSError):
            # Where memory ends, this process goes first.
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        try:
            check_file(path, kind)
            signal.setitimer(signal.ITIMER_PROF, _SECONDS + _SECONDS_PER_BYTE * os.path.getsize(path))
            outcome = read_here(path, read, kind)
        except InputError as error:
            outcome = error
        pickle.dump(outcome, memory, protocol=5)
        memory.flush()
        status = 0
    finally:
        os._exit(status)


def _died(where: str, status: int, kind: str) -> InputError:
    """What is said of a process that ended by a signal, or by itself before it was done."""
    if status == -signal.SIGKILL:
        return InputError(where, "a file whose reading was killed, most likely for want of memory", kind, _MORE_MEMORY)
    if status == -signal.SIGPROF:
        return InputError(where, "a damaged file, whose reading has no end", kind, _ADVICE)
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return InputError(where, f"a damaged file, on which the library that reads it crashed ({how})", kind, _ADVICE)
