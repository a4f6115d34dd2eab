"""A real Slurm daemon for the tests of a file, where there can be one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Slurm, running_slurm, why_not


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    reason = why_not()
    if reason:
        pytest.skip(f"no Slurm for this test: {reason}")
    # A short path that every user may pass: sockets have short names, and munge looks at the folders above its own.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with running_slurm(folder) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)
