"""Results dated in the future are dated to now, others keep their dates."""

import os
import time
from pathlib import Path

from cch_omics.clock import bring_back


def test_only_the_future_is_changed(tmp_path: Path) -> None:
    now = time.time()
    ages = {"old": -1000.0, "ahead": 3600.0, "folder/ahead": 10_000.0, "now": 0.0}
    for name, age in ages.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (now + age, now + age))
    assert {path.name for path in bring_back(tmp_path)} == {"ahead"}
    assert abs((tmp_path / "old").stat().st_mtime - (now - 1000)) < 1
    assert all(path.stat().st_mtime <= time.time() for path in tmp_path.rglob("*"))
    assert bring_back(tmp_path) == []


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert bring_back(tmp_path / "results") == []
