"""An interrupted training goes on where it was, and only from what is its own."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from cohorts import make_cohort

from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models import distil as distil_module
from cch_omics.models import encode as encode_module
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import save_encoding, save_out_of_fold
from cch_omics.runtime.resume import Folder
from cch_omics.splits import make_splits

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=4, components=6, max_epochs=10)


class Killed(Exception):
    pass


class Counting(Folder):
    """Notes the splits that had to be done; the work is killed before one too many."""

    def __init__(self, *given, killed_after: int = 100) -> None:
        super().__init__(*given)
        self.done: list[int] = []
        self.killed_after = killed_after

    def save(self, split, arrays) -> None:
        if len(self.done) == self.killed_after:
            raise Killed
        super().save(split, arrays)
        self.done.append(split)


@pytest.fixture(scope="module")
def work():
    """Both trainings as functions that write their file, and the number of splits."""
    cohort = make_cohort(n=60)
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=4, inner_folds=3), seed=0)
    encodings = {m: encode(cohort, splits, m, ENCODER, seed=0, device=CPU) for m in cohort.modalities}
    settings = DistillationConfig(weight=0.5)

    def encoding(path: Path, **options) -> None:
        save_encoding(encode(cohort, splits, "cnv", ENCODER, seed=0, device=CPU, **options), path)

    def distilling(path: Path, **options) -> None:
        done = distil(
            cohort, splits, encodings, "cnv", ["mutation", "rna"], settings, ENCODER, seed=0, device=CPU, **options
        )
        save_out_of_fold(done, path)

    return {"encode": encoding, "distil": distilling}, len(splits.inner)


@pytest.mark.parametrize("step", ["encode", "distil"])
@pytest.mark.parametrize("killed_after", [2, 3])
def test_what_was_done_is_not_done_again_and_the_file_is_the_same(
    step: str, killed_after: int, work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three splits are a batch: a part of one is done again, in the same batch as without the interruption."""
    for module in (encode_module, distil_module):
        monkeypatch.setattr(module, "splits_at_once", lambda *given: 3)
    steps, n_splits = work
    steps[step](tmp_path / "undisturbed.npz")
    output = tmp_path / "output.npz"
    first = Counting(output, [], [], killed_after=killed_after)
    with pytest.raises(Killed):
        steps[step](output, state=first)
    assert not output.exists()
    again = Counting(output, [], [])
    assert again.finished() == killed_after
    steps[step](output, state=again)
    assert first.done == list(range(killed_after))
    assert again.done == list(range(3 * (killed_after // 3), n_splits))
    assert output.read_bytes() == (tmp_path / "undisturbed.npz").read_bytes()
    again.remove()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".state"] == []


def test_a_damaged_split_is_done_again(work, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    steps, n_splits = work
    output = tmp_path / "output.npz"
    steps["encode"](output, state=Folder(output, [], []))
    whole = output.read_bytes()
    state = Counting(output, [], [])
    files = sorted(state.path.iterdir())
    assert len(files) == n_splits
    files[0].write_bytes(files[0].read_bytes()[:1000])
    content = bytearray(files[1].read_bytes())
    content[len(content) // 3] ^= 0xFF
    files[1].write_bytes(content)
    files[2].write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        steps["encode"](output, state=state)
    assert {0, 1, 2} <= set(state.done) < set(range(n_splits))
    assert sum("is damaged" in line for line in caplog.messages) == 3
    assert output.read_bytes() == whole


def test_the_fingerprint_changes_with_everything_it_is_told(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "output.npz"
    source.write_text("content")
    paths = [Folder(output, [], []).path, Folder(output, [source], []).path, Folder(output, [source], ["seed 0"]).path]
    paths += [Folder(output, [source], ["seed 1"]).path, Folder(output, [source], ["seed 1", ""]).path]
    source.write_text("contents")
    paths.append(Folder(output, [source], []).path)
    assert len(set(paths)) == len(paths)
    assert Folder(output, [source], []).path == paths[-1]


def test_removal_takes_older_fingerprints_but_not_those_of_other_outputs(tmp_path: Path) -> None:
    mine, old, other = (
        Folder(tmp_path / name, [], [text]) for name, text in (("a.npz", "new"), ("a.npz", "old"), ("b.npz", "new"))
    )
    for each in (mine, old, other):
        each.save(0, {"x": np.zeros(2)})
    mine.remove()
    assert not mine.path.exists()
    assert not old.path.exists()
    assert other.load(0) is not None
