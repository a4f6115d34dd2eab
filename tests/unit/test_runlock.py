"""The lock of a run that was killed is removed, and no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from cch_omics import runlock

RUN = """
import sys
from pathlib import Path
from cch_omics.runlock import note, release_stale
folder = Path(sys.argv[1])
print(len(release_stale(folder)), flush=True)
(folder / "locks").mkdir(exist_ok=True)
(folder / "locks" / "0.output.lock").write_text("results/x")
note(folder)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".snakemake"


def run(folder: Path) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "0\n"
    assert started.stdout.readline() == "locked\n"
    return started


def test_the_lock_of_a_killed_run_goes_and_that_of_a_live_one_stays(folder: Path) -> None:
    lock = folder / "locks" / "0.output.lock"
    with run(folder) as first:
        assert runlock.release_stale(folder) == []
        assert lock.is_file()
        first.kill()
    assert lock.is_file()
    assert runlock.release_stale(folder) == [lock]
    assert not lock.exists()


def test_a_lock_that_is_not_of_the_killed_run_stays(folder: Path) -> None:
    with run(folder) as first:
        first.kill()
    lock = folder / "locks" / "0.output.lock"
    lock.unlink()
    lock.with_name("0.input.lock").write_text("of somebody else")
    lock.write_text("made anew by somebody else")
    assert runlock.release_stale(folder) == []
    assert lock.is_file()


def test_of_another_host_nothing_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run(folder) as first:
        first.kill()
    monkeypatch.setattr(runlock.socket, "gethostname", lambda: "another")
    assert runlock.release_stale(folder) == []


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert runlock.release_stale(tmp_path / "file") == []
