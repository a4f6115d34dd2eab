"""Files are written whole or not at all."""

import json

import numpy as np
import pandas as pd
import pytest

from cch_omics.errors import InputError
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import read_json, read_table, write_json, write_table


def fail_halfway(path, content):
    with atomic(path) as draft:
        draft.write_text(content)
        raise RuntimeError("interrupted")


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        fail_halfway(tmp_path / "a.txt", "half")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError):
        fail_halfway(tmp_path / "a.txt", "half")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_is_absent_until_the_block_ends_and_has_its_suffix(tmp_path):
    final = tmp_path / "new" / "a.npz"
    with atomic(final) as draft:
        np.savez(draft, x=np.arange(3))  # adds a suffix where there is none
        assert not final.exists()
    assert final.is_file()
    assert [file.name for file in final.parent.iterdir()] == ["a.npz"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("one", "two"):
        with atomic(tmp_path / "student") as draft:
            draft.mkdir()
            (draft / f"{content}.json").write_text(content)
    assert [file.name for file in (tmp_path / "student").iterdir()] == ["two.json"]
    assert len(list(tmp_path.iterdir())) == 1


def test_tables_round_trip_and_repeat_to_the_byte(tmp_path):
    frame = pd.DataFrame({"control": ["none", "NA", np.nan], "gain": [0.125, np.nan, -1e-7], "n_test": [1, 2, 3]})
    write_table(frame, tmp_path / "a.tsv")
    write_table(read_table(tmp_path / "a.tsv"), tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.tsv"), frame, check_dtype=False)
    assert (tmp_path / "a.tsv").read_text().splitlines()[3] == "\t-1e-07\t3"


def test_json_is_strict(tmp_path):
    content = {"n": np.int64(3), "share": np.float64("nan"), "list": np.array([1.5]), "truth": np.bool_(True)}
    write_json(content, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"n": 3, "share": None, "list": [1.5], "truth": True}
    assert list(json.loads((tmp_path / "a.json").read_text())) == list(content)
    with pytest.raises(ValueError):
        write_json({"x": float("inf")}, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("read", [read_json, read_table])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(InputError, match="gone"):
        read(tmp_path / "gone")
