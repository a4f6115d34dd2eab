"""Whatever a command is told to write to, what is there and is not of the command stays."""

import os
import shutil
from pathlib import Path

import pytest
from fuzzing import fuzz
from hypothesis import assume, given
from hypothesis import strategies as st
from test_written import COMMANDS, options, run, snapshot, words

from cch_omics.cli.written import declared

pytestmark = pytest.mark.usefixtures("restored_logging")
PART = st.one_of(
    st.sampled_from(
        ["mine", "mine/deep", "table.tsv", "link", "link.tsv", "nowhere", "pipe", "new", "..", ".", "", "~"]
    ),
    st.sampled_from(
        ["x" * 254, "x" * 300, "a b", "-", "--help", "é", "\u202e", "*", "{x}", "$(touch precious)", "a\nb"]
    ),
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=12),
)
ENDING = st.sampled_from(["", "", "/", ".tsv", ".csv", ".parquet", ".h5mu", ".npz", ".html", ".log"])


def world(folder: Path) -> None:
    """Things of a user of each kind."""
    (folder / "mine" / "deep").mkdir(parents=True)
    for name in ("table.tsv", "mine/table.tsv", "mine/deep/a.npz", "mine/student.json", "students.html"):
        (folder / name).write_text("precious")
    (folder / "link").symlink_to(folder / "mine")
    (folder / "link.tsv").symlink_to(folder / "table.tsv")
    (folder / "nowhere").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe")


@fuzz(40)
@given(data=st.data())
def test_nothing_of_a_user_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    folder = tmp_path / "here"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    monkeypatch.chdir(folder)
    # `analyse` writes what its steps write, each of which is tried.
    others = {"explain", "summary", "power", "analyse", "demo", "download", "schemas", "simulate"}
    name = data.draw(st.sampled_from(sorted(COMMANDS.keys() - others)))
    base = options(name, folder)
    world(folder)
    for option in data.draw(st.sets(st.sampled_from(sorted(declared(COMMANDS[name]))), min_size=1)):
        parts = data.draw(st.lists(PART, min_size=1, max_size=3))
        path = "/".join(parts) + data.draw(ENDING)
        # The test itself stays within its folder.
        assume(Path(os.path.abspath(path)).is_relative_to(tmp_path))
        read = st.sampled_from(sorted(value for value in base.values() if value.startswith(str(folder))))
        base[option] = data.draw(st.one_of(st.just(path), st.just(str(folder / path)), read))
    base = {option: value for option, value in base.items() if not value.startswith("-")}
    before = snapshot(folder)
    # What is read is no file of its kind: nothing can be made of it.
    assert run(words(name, base)) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    # The log is the only thing that is written: a new file, or one that was named and is replaced.
    after, log = snapshot(folder), os.path.realpath(base["log"]) if "log" in base else ""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {os.path.realpath(path) for path in changed if not (path not in before and os.path.isdir(path))} <= {log}
