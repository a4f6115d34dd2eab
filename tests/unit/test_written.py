"""No command loses anything by what it writes."""

import inspect
import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import pytest

from cch_omics.cli import app, command, main, written
from cch_omics.cli.written import Written, declared, is_download, is_schemas, is_students, refusals
from cch_omics.student.about import FORMAT

pytestmark = pytest.mark.usefixtures("restored_logging")
COMMANDS = {each.callback.__name__: each.callback for each in app.registered_commands if each.callback}
WRITTEN = [(name, option) for name, function in COMMANDS.items() for option in declared(function)]


def snapshot(folder: Path) -> dict[str, str]:
    """All that is below a folder: content of files, targets of links."""
    return {
        str(each.relative_to(folder)): os.readlink(each)
        if each.is_symlink()
        else each.read_text()
        if each.is_file()
        else ""
        for each in folder.rglob("*")
        if "new" not in each.parts
    }


def is_path(hint: object) -> bool:
    return hint is Path or any(is_path(each) for each in get_args(hint) if each is not type(None))


def options(name: str, folder: Path) -> dict[str, str]:
    """Options of a command that would do but for their content: what is read is there, nothing is that is written."""
    function, given = COMMANDS[name], {}
    for option, hint in get_type_hints(inspect.unwrap(function)).items():
        if option == "row":
            (folder / "source.h5mu").write_text("precious source")
            given[option] = json.dumps({"cohort": "a", "target": "y", "source": str(folder / "source.h5mu")})
        elif option in declared(function):
            ending = ".tsv" if name == "predict" and option == "output" else ""
            given[option] = str(folder / "new" / f"{option}{ending}")
        elif is_path(hint):
            given[option] = str(folder / f"{option}.in")
            if option in {"folder", "folders", "logs"} or (name, option) == ("predict", "student"):
                (folder / f"{option}.in").mkdir()
                (folder / f"{option}.in" / "read.tsv").write_text("precious")
            else:
                (folder / f"{option}.in").write_text(f"precious {option}")
        elif option in {"name", "source", "view", "views", "students", "student"}:
            given[option] = "cbioportal:x" if option == "source" else "x"
    return given


def words(name: str, given: dict[str, str]) -> list[str]:
    arguments = ["name"] if name in {"demo", "simulate"} else ["source"] if name == "download" else []
    said = [name, *(given[each] for each in arguments)]
    return said + [word for each, value in given.items() if each not in arguments for word in (f"--{each}", value)]


def users_folder(folder: Path, given: dict[str, str]) -> Path:
    (folder / "mine" / "intermediate").mkdir(parents=True)
    (folder / "mine" / "intermediate" / "a.npz").write_text("precious, and no archive")
    return folder / "mine"


def link_to_a_file(folder: Path, given: dict[str, str]) -> Path:
    (folder / "precious.tsv").write_text("precious")
    (folder / "link.tsv").symlink_to(folder / "precious.tsv")
    return folder / "link.tsv"


def link_to_a_folder(folder: Path, given: dict[str, str]) -> Path:
    (folder / "link").symlink_to(users_folder(folder, given))
    return folder / "link"


def link_to_nothing(folder: Path, given: dict[str, str]) -> Path:
    (folder / "link").symlink_to(folder / "nothing")
    return folder / "link"


def pipe(folder: Path, given: dict[str, str]) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def device(folder: Path, given: dict[str, str]) -> Path:
    return Path("/dev/null")


def standard_output(folder: Path, given: dict[str, str]) -> Path:
    return Path("/dev/stdout")


def a_socket(folder: Path, given: dict[str, str]) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)  # names of sockets are short
        made.bind("socket")
        os.chdir(here)
    return folder / "socket"


def below_a_file(folder: Path, given: dict[str, str]) -> Path:
    (folder / "file").write_text("precious")
    return folder / "file" / "deep" / "a.tsv"


def long_name(folder: Path, given: dict[str, str]) -> Path:
    return folder / f"{'x' * 260}.tsv"


def long_name_of_a_folder(folder: Path, given: dict[str, str]) -> Path:
    return folder / "new" / ("ä" * 130) / "a.tsv"


def working_folder(folder: Path, given: dict[str, str]) -> Path:
    return Path()


# Tried with every parameter that is written, and with one of each sort.
CASES = (users_folder, link_to_a_file, link_to_a_folder, pipe)
MORE = (
    link_to_nothing, device, standard_output, a_socket, below_a_file, long_name, long_name_of_a_folder, working_folder,
)  # fmt: skip
SORTS = [("predict", "output"), ("ingest", "cohort"), ("evaluate", "bundles"), ("simulate", "log")]
TRIED = [(*each, case) for each in WRITTEN for case in CASES] + [(*each, case) for each in SORTS for case in MORE]


def run(arguments: list[str]) -> int:
    """Status of a command, whose log is closed."""
    status = main(arguments)
    for handler in logging.getLogger().handlers:
        handler.close()
    return status


def refused(name: str, option: str, given: dict[str, str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    before = snapshot(folder)
    assert run(words(name, given)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    # Of two that are the same, the first is named.
    assert f"--{option}: found '" in said.err or f"the same as --{option} '" in said.err
    assert "expected nothing there" in said.err
    assert "Traceback" not in said.err
    assert snapshot(folder) == before
    return said.err


def test_every_path_of_every_command_is_declared_as_read_or_as_written() -> None:
    # What `run` writes, commands of its jobs declare.
    assert {name for name, _ in WRITTEN} == COMMANDS.keys() - {"explain", "summary", "power", "run"}
    for name, function in COMMANDS.items():
        paths = {each for each, hint in get_type_hints(inspect.unwrap(function)).items() if is_path(hint)}
        assert declared(function).keys() <= paths, name
        assert not (paths - declared(function).keys()) & {"output", "log", "splits_file"}, name


@pytest.mark.parametrize(("name", "option", "case"), TRIED)
def test_what_is_there_and_is_not_of_the_command_stays(
    name: str, option: str, case: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    given = options(name, tmp_path)
    given[option] = str(case(tmp_path, given))
    said = refused(name, option, given, tmp_path, capsys)
    if "link" in case.__name__:
        assert f"symbolic link to '{os.readlink(given[option])}'" in said
    assert Path("/dev/null").is_char_device() and Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(("name", "option"), WRITTEN)
def test_nothing_that_is_read_or_written_by_another_option_is_written_over(
    name: str, option: str, tmp_path: Path, capsys
) -> None:
    base = options(name, tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path)
    paths = {each: value for each, value in base.items() if value.startswith(str(tmp_path)) and each != option}
    # Of those that are written as well, one.
    also = [each for each in paths if each in declared(COMMANDS[name])][1:]
    paths = {each: value for each, value in paths.items() if each not in also}
    paths |= {"row": str(tmp_path / "source.h5mu")} if "row" in base else {}
    for path in paths.values():
        # The same by another name.
        other = path.replace(str(tmp_path), str(tmp_path / "linked"))
        refused(name, option, base | {option: other}, tmp_path, capsys)
        if Path(path).is_dir():
            refused(name, option, base | {option: f"{path}/read.tsv"}, tmp_path, capsys)


@pytest.mark.parametrize(("name", "option"), [each for each in WRITTEN if declared(COMMANDS[each[0]])[each[1]].ours])
def test_a_file_is_no_folder(name: str, option: str, tmp_path: Path, capsys) -> None:
    given = options(name, tmp_path)
    (tmp_path / "mine.tsv").write_text("precious")
    assert "a file" in refused(name, option, given | {option: str(tmp_path / "mine.tsv")}, tmp_path, capsys)
    (tmp_path / "deep").mkdir()
    for each, value in given.items():
        if value.endswith(".in") and Path(value).is_file():
            inside = tmp_path / "deep" / "read"
            inside.write_text("precious")
            said = refused(name, option, given | {each: str(inside), option: str(tmp_path / "deep")}, tmp_path, capsys)
            assert "which holds" in said


def test_tables_of_a_source_are_read(tmp_path: Path, capsys) -> None:
    given = options("ingest", tmp_path)
    source = tmp_path / "tables"
    (source / "case_lists").mkdir(parents=True)
    for file in ("rna.csv", "case_lists/cases_sequenced.txt"):
        (source / file).write_text("precious")
        given["row"] = json.dumps({"cohort": "a", "target": "y", "source": str(source)})
        assert "--row" in refused("ingest", "audit", given | {"audit": str(source / file)}, tmp_path, capsys)


def test_a_write_protected_file_and_a_closed_folder_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    given = options("simulate", tmp_path)
    (tmp_path / "mine").write_text("precious")
    with monkeypatch.context() as patch:  # root may do anything
        patch.setattr(written.os, "access", lambda path, mode: mode != os.W_OK)
        assert "write-protected" in refused(
            "simulate", "output", given | {"output": str(tmp_path / "mine")}, tmp_path, capsys
        )

    def closed(**given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(written.tempfile, "TemporaryDirectory", closed)
    assert "Permission denied" in refused("simulate", "output", given, tmp_path, capsys)


@pytest.fixture
def made() -> Callable[..., dict[str, str]]:
    """What is refused of a command that writes a file, a page and a folder, and reads a folder."""

    def function(
        folder: Path,
        table: Annotated[Path, Written("TSV", "table")],
        page: Annotated[Path, Written("HTML", "page")],
        bundles: Annotated[Path, Written("DIR", "folder", ours=is_students)],
        log: command.Log = None,
    ) -> None: ...

    return lambda **given: {name: error.found for name, error in refusals(declared(function), given).items()}


def test_a_command_may_replace_what_it_wrote(made, tmp_path: Path) -> None:
    for file in ("results/page.html", "results/run.log", "out/table.tsv", "out/students/rna/student.json"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps({"format": FORMAT}))
    (tmp_path / "out" / "students" / ".snakemake_timestamp").touch()
    given = {
        "folder": tmp_path / "results",
        "table": tmp_path / "out" / "table.tsv",
        "page": tmp_path / "results" / "page.html",
        "bundles": tmp_path / "out" / "students",
        "log": tmp_path / "results" / "run.log",
    }
    assert made(**given) == {}
    assert "which lies in --folder" in made(**given | {"table": tmp_path / "results" / "page.html"})["table"]
    inside = tmp_path / "out" / "students" / "table.tsv"
    found = made(**given | {"table": inside})
    assert "which holds --table" in found["bundles"]
    (tmp_path / "out" / "students" / "rna" / "my predictions.tsv").touch()
    assert "other content" in made(**given)["bundles"]
    assert not [file for file in tmp_path.rglob(".*") if file.name != ".snakemake_timestamp"]


def test_what_a_command_made_is_told_from_what_others_did(tmp_path: Path) -> None:
    for folder in ("download", "schemas", "students"):
        (tmp_path / folder).mkdir()
    data, record = tmp_path / "download" / "rna.csv", tmp_path / "download" / "download.json"
    assert not is_download(tmp_path / "download")
    data.touch()
    record.write_text('{"source": "xena:BRCA", "files": {}}')
    assert is_download(tmp_path / "download")
    os.utime(data, (record.stat().st_mtime + 5,) * 2)
    assert not is_download(tmp_path / "download")
    (tmp_path / "schemas" / "a.schema.json").touch()
    assert is_schemas(tmp_path / "schemas")
    (tmp_path / "schemas" / "b.schema.json").symlink_to(data)
    assert not is_schemas(tmp_path / "schemas")
    (tmp_path / "students" / "rna").mkdir()
    (tmp_path / "students" / "rna" / "student.json").write_text("[]")
    assert not is_students(tmp_path / "students")


def test_people_are_told_what_was_written_and_steps_of_the_workflow_are_silent(tmp_path: Path, capsys) -> None:
    for _ in range(2):
        assert main(["schemas", "--output", str(tmp_path / "schemas")]) == 0
        assert capsys.readouterr().err == f"Wrote {tmp_path / 'schemas'}\n"
    simulate = ["simulate", "unrelated", "--output", str(tmp_path / "a.h5mu")]
    for _ in range(2):
        assert run([*simulate, "--log", str(tmp_path / "log")]) == 0
        assert capsys.readouterr().err == ""
        assert f" Wrote {tmp_path / 'a.h5mu'}\n" in (tmp_path / "log").read_text()
    assert main(simulate) == 0
    assert capsys.readouterr().err == f"Wrote {tmp_path / 'a.h5mu'}\n"


def test_help_says_which_is_a_file_and_which_a_folder(capsys) -> None:
    assert main(["evaluate", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "mean gains: a file, written" in said
    assert "a folder per student with its model: a folder, written" in said
