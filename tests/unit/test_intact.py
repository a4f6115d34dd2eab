"""Files damaged after they had been written are found and set aside; whole ones and the user's own are not."""

from pathlib import Path

import numpy as np
import pytest

from cch_omics.cli import main
from cch_omics.runtime import intact
from cch_omics.runtime.intact import damage, set_aside_damaged

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    import h5py

    folder = tmp_path / "intermediate"
    folder.mkdir()
    paths = [folder / name for name in ("rna.npz", "cohort.h5mu")]
    with paths[0].open("wb") as file:
        np.savez(file, x=np.arange(1000.0))
    with h5py.File(paths[1], "w") as content:
        content["x"] = np.arange(1000.0)
    return paths


def test_whole_files_are_left_alone(files: list[Path]) -> None:
    assert [damage(file) for file in files] == ["", ""]
    assert set_aside_damaged(files) == []


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.98])
@pytest.mark.parametrize("position", [0, 1])
def test_a_truncated_file_is_set_aside(files: list[Path], position: int, kept: float) -> None:
    file = files[position]
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert set_aside_damaged([file.parent.parent]) == [file]
    assert not file.exists()
    assert file.with_name(f".{file.name}.damaged").is_file()


def test_zeros_in_the_middle_are_seen_by_the_checksum(files: list[Path]) -> None:
    content = bytearray(files[0].read_bytes())
    content[2000:2100] = bytes(100)
    files[0].write_bytes(content)
    assert "checksum" in damage(files[0])


def test_the_users_own_files_are_not_touched(tmp_path: Path) -> None:
    mine = tmp_path / "mine.h5mu"
    mine.write_bytes(b"no HDF5")
    assert damage(mine)
    assert set_aside_damaged([mine]) == []
    assert mine.is_file()


def test_a_step_that_meets_one_says_so_and_what_to_do(files: list[Path], tmp_path: Path) -> None:
    files[0].write_bytes(files[0].read_bytes()[:-20])
    log = tmp_path / "baselines.log"
    options = ["--cohort", str(files[1]), "--splits", str(files[0]), "--output", str(tmp_path / "output")]
    assert main(["baselines", "--log", str(log), *options]) in {1, 2}
    said = log.read_text()
    assert "rna.npz is damaged" in said
    assert "run the same command again" in said
    assert not files[0].exists() and files[1].exists()


def test_of_two_steps_that_meet_the_same_file_the_second_goes_on(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_aside_meanwhile(file: Path) -> str:
        file.unlink()
        return "cut short"

    monkeypatch.setattr(intact, "damage", set_aside_meanwhile)
    assert set_aside_damaged(files) == []
