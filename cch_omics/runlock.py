"""A run that was killed leaves Snakemake's lock behind: here it is told from the lock of a run that goes on.

A file beside the lock is locked by the kernel for as long as Snakemake's main process lives, however that ends, and
notes the host and the lock files of the run. If the next run on that host can lock it, the one before is dead, and what
it noted can go. A lock that is not noted there, or of another host, is left alone: Snakemake then says what to do.
"""

import fcntl
import json
import logging
import os
import socket
from pathlib import Path

logger = logging.getLogger("snakemake.logging")
# Open as long as the process lives.
_claimed: list[int] = []


def release_stale(folder: Path) -> list[Path]:
    """Claim a working directory, and remove the lock files of a dead run on this host.

    Parameters
    ----------
    folder
        Snakemake's folder in the working directory, `.snakemake`.

    Returns
    -------
    The lock files that were removed.
    """
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / "cch_omics.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Another run goes on, or the file system has no such locks.
        os.close(descriptor)
        return []
    _claimed.append(descriptor)
    stale = [path for path in _noted(os.pread(descriptor, 2**20, 0).decode()) if path.is_file()]
    for path in stale:
        path.unlink()
    if stale:
        logger.warning("The run before was killed on this host; its lock is removed.")
    return stale


def note(folder: Path) -> None:
    """Note the lock files of this run, once Snakemake has made them."""
    if not _claimed:
        return
    locks = {str(path): path.stat().st_mtime_ns for path in (folder / "locks").glob("*.lock")}
    text = json.dumps({"host": socket.gethostname(), "locks": locks}).encode()
    os.truncate(_claimed[-1], 0)
    os.pwrite(_claimed[-1], text, 0)


def _noted(text: str) -> list[Path]:
    """Lock files of the run that noted them, as long as they are still the same."""
    try:
        noted = json.loads(text)
        if noted["host"] != socket.gethostname():
            return []
        return [
            Path(name)
            for name, stamp in noted["locks"].items()
            if Path(name).is_file() and Path(name).stat().st_mtime_ns == stamp
        ]
    except (ValueError, KeyError, TypeError):
        return []
