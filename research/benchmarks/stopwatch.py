"""A stopwatch in every Python process of a step: `steps.py` copies it to `sitecustomize.py`, which Python imports.

Processor seconds of a process go to the innermost of: importing a module, reading or writing a file by one of the
functions below, and computing, which is all else. What a process imports while it reads is importing.
"""

import atexit
import builtins
import json
import os
import sys
import time
from functools import wraps
from pathlib import Path

KINDS = ("starting", "reading", "computing", "writing")
FUNCTIONS = {
    "cch_omics.data.mudata": {"read_cohort": "reading", "read_h5mu": "reading", "write_cohort": "writing"},
    "cch_omics.splits": {"load_splits": "reading", "save_splits": "writing"},
    "cch_omics.models.out_of_fold": {
        "load_encoding": "reading",
        "load_out_of_fold": "reading",
        "load_by_student": "reading",
        "save_encoding": "writing",
        "save_out_of_fold": "writing",
        "save_by_student": "writing",
    },
    "cch_omics.runtime.formats": {
        "read_table": "reading",
        "read_json": "reading",
        "write_table": "writing",
        "write_json": "writing",
    },
    "cch_omics.student.bundle": {"write_student": "writing"},
}

spent = dict.fromkeys(KINDS, 0.0)
running = ["starting"]
since = 0.0  # a process starts with what Python itself took
plain_import = builtins.__import__
patched: set[str] = set()


def lap(*, enter: str = "") -> None:
    """Count the time since the last call for what was running; then that begins, or the one before goes on."""
    global since
    now = time.process_time()
    spent[running[-1]] += now - since
    since = now
    if enter:
        running.append(enter)
    else:
        running.pop()


def timed(function, kind):
    @wraps(function)
    def inner(*arguments, **named):
        lap(enter=kind)
        try:
            return function(*arguments, **named)
        finally:
            lap()

    return inner


def timed_import(name, *arguments, **named):
    known = name in sys.modules and running[-1] != "starting"
    if not known:
        lap(enter="starting")
    try:
        return plain_import(name, *arguments, **named)
    finally:
        for module in FUNCTIONS.keys() - patched:
            there = sys.modules.get(module)
            # Only when it is complete.
            if there is not None and all(hasattr(there, function) for function in FUNCTIONS[module]):
                patched.add(module)
                for function, kind in FUNCTIONS[module].items():
                    setattr(there, function, timed(getattr(there, function), kind))
        if not known:
            lap()


def say(*, job: bool) -> None:
    lap(enter="computing")
    step = next((word for word in sys.argv[1:] if word[:1] != "-"), "?")
    line = json.dumps({"step": step, "job": job, **spent})
    with Path(os.environ["STOPWATCH"], f"{os.getpid()}.json").open("a") as file:
        file.write(line + "\n")


def in_worker(_) -> None:
    """Multiprocessing ends its workers past `atexit`."""
    global since
    from multiprocessing.util import Finalize

    spent.update(dict.fromkeys(KINDS, 0.0))
    since = 0.0
    Finalize(None, say, kwargs={"job": False}, exitpriority=0)


if __name__ == "sitecustomize" and "cch_omics" in sys.orig_argv:
    from multiprocessing.util import register_after_fork

    builtins.__import__ = timed_import
    register_after_fork(in_worker, in_worker)
    atexit.register(say, job=True)
    running.append("computing")
