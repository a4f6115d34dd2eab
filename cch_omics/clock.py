"""Results from the future: what a clock that was ahead, and was set right since, leaves behind.

Snakemake compares dates. A result that is dated ahead of the clock is newer than whatever is made from it, so every job
that reads it fails at its end, until the clock has caught up.
"""

import logging
import os
import time
from pathlib import Path

logger = logging.getLogger("snakemake.logging")
# Clocks of a file server and its clients may differ by so many seconds without harm.
TOLERANCE = 5


def bring_back(folder: Path) -> list[Path]:
    """Date files and folders below `folder` that lie in the future to now; returns them."""
    now = time.time()
    ahead = [path for path in folder.rglob("*") if path.lstat().st_mtime > now + TOLERANCE]
    for path in ahead:
        os.utime(path, (now, now), follow_symlinks=False)
    if ahead:
        logger.warning("%d results are dated in the future, such as %s: dated to now.", len(ahead), ahead[0])
    return ahead
