"""The command says what is wrong in one message, and logs who ran what."""

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from cch_omics.cli import app, main
from cch_omics.cli.command import GROUPS, OTHERS
from cch_omics.data import simulate
from cch_omics.errors import InputError
from cch_omics.planning.steps import STEPS
from cch_omics.runtime import logs
from cch_omics.splits import load_splits

pytestmark = pytest.mark.usefixtures("restored_logging")
COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run `cch simulate` with another body: status, and what its log says."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        monkeypatch.setenv(f"{variable}_NUM_THREADS", "1")

    def run(body: Callable[..., None], *options: str) -> tuple[int, str]:
        monkeypatch.setattr(simulate, "write_simulated", body)
        log = tmp_path / "logs" / "simulate.log"
        status = main(["simulate", "made", "--output", "c.h5mu", "--log", str(log), *options])
        return status, log.read_text()

    return run


def test_wrong_input_is_one_message_and_status_2(run, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise InputError("c.h5mu, column y", "text", "numbers", "Mend it.")

    status, log = run(refuse)
    shown = capsys.readouterr().err
    assert status == 2
    assert shown.split(" ", 1)[1] == "error    simulate: c.h5mu, column y: found text; expected numbers. Mend it.\n"
    assert "Traceback" not in log
    assert "Mend it." in log


def test_a_failure_ends_the_log_with_its_traceback(run) -> None:
    def fail(*given: object, **named: object) -> None:
        raise ZeroDivisionError("deep inside")

    status, log = run(fail)
    assert status == 1
    assert "Traceback" in log
    assert log.rstrip().endswith("ZeroDivisionError: deep inside")


def test_the_log_opens_with_host_versions_and_parameters_and_ends_with_done(
    run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    status, log = run(lambda *given, **named: None, "--seed", "7")
    assert status == 0
    for words in ("host ", "Slurm job 4711", "Python 3.", "torch ", "name: made", "output: c.h5mu", "seed: 7"):
        assert words in log, words
    assert log.rstrip().endswith("done")
    assert capsys.readouterr().err == ""


def test_progress_reaches_terminal_and_log(run, capsys: pytest.CaptureFixture[str]) -> None:
    def work(*given: object, **named: object) -> None:
        report = logs.progress("networks", every=0)
        report(1, 4)
        report(4, 4)

    _, log = run(work)
    shown = capsys.readouterr().err
    assert "running  simulate: 1 of 4 networks in 0 s, about 0 s left" in shown
    assert "4 of 4 networks" in log


def test_what_is_done_in_a_moment_is_not_worth_a_line(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(lambda *given, **named: logs.progress("networks")(4, 4))
    assert capsys.readouterr().err == ""


def test_lines_on_the_terminal_name_cohort_target_step_and_view(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "brca" / "pam50" / "intermediate"
    files = ["--cohort", str(folder / "cohort.h5mu"), "--splits", str(folder / "splits.npz"), "--view", "rna+cnv"]
    assert main(["encode", *files, "--output", "o.npz", "--settings", "{}", "--log", str(tmp_path / "log")]) == 2
    assert " error    brca pam50 encode rna+cnv: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{folds: 3}", "JSON"),
        ("[3]", "a JSON object"),
        ("[" * 100_000, "a JSON object"),
        ('{"download": {}, "download": {}}', "'download' a second time"),
        ('{"download": {"xna": "x"}}', "Did you mean 'xena'?"),
        ('{"splits": {}}', "sections among download"),
        ('{"download": {"sha256": 3}}', "download.sha256"),
    ],
)
def test_wrong_settings(tmp_path: Path, settings: str, words: str) -> None:
    log = tmp_path / "log"
    options = ["--output", str(tmp_path / "x"), "--settings", settings, "--log", str(log)]
    assert main(["download", "xena:X", *options]) == 2
    assert words in log.read_text()
    assert "--settings" in log.read_text()


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/rna.csv"),
            2,
            "/data/rna.csv: found permission denied",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "found no space left on device"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "found file name too long"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "Traceback"),
        (ConnectionError("reset"), 1, "Traceback"),
    ],
)
def test_what_the_system_refuses_is_a_message(run, raised: OSError, status: int, words: str) -> None:
    def fail(*given: object, **named: object) -> None:
        raise raised

    ended, log = run(fail)
    assert ended == status and words in log
    assert ("Traceback" in log) == (status == 1)


def test_a_full_standard_output_is_a_message() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cch_omics", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output: found no space left on device")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, and with `cohort.h5mu`, `splits.npz` and `audit.json` made of it."""
    folder = tmp_path_factory.mktemp("ingested")
    simulate.write_simulated("unrelated", folder / "source.h5mu")
    assert main(["ingest", "--row", row(folder), *outputs(folder)]) == 0
    return folder


def row(folder: Path, **columns: object) -> str:
    return json.dumps({"cohort": "a", "source": str(folder / "source.h5mu"), "target": "subtype", **columns})


def outputs(folder: Path) -> list[str]:
    names = {"cohort": "cohort.h5mu", "splits": "splits.npz", "audit": "audit.json"}
    return [word for name, file in names.items() for word in (f"--{name}", str(folder / file))]


def test_a_refused_row_leaves_nothing_behind(
    ingested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it is the splits that cannot be drawn."""
    for columns, words in (
        ({"target": "er status"}, "write `er status as er_status`"),
        ({"target": "er status as er"}, "column 'er status' (`target`): found no such column"),
        ({"label_budget": 0.001}, "label_budget: found 0.10%"),
        ({"label_budget": "15%"}, "key label_budget: found '15%'"),
        ({"modalities": "rna,prot"}, "no modality 'prot'"),
        ({"modalities": "rna"}, "key modalities: found only 'rna'"),
        ({"teachers": "rna;prot"}, "'prot' in 'prot'"),
        ({"derived_from": "prot"}, "no modality 'prot'"),
        ({"source": "x" * 5000}, "file name too long"),
        ({"source": "a\0b"}, "control characters"),
        ({"cohort": "x" * 300}, "at most 100 characters"),
    ):
        assert main(["ingest", "--row", row(ingested, **columns), *outputs(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        assert words.lower() in said.lower() and "Traceback" not in said
        assert not (tmp_path / "out").exists()


def test_a_budget_that_the_folds_raise_is_said(
    ingested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "--row", row(ingested, label_budget=0.05), *outputs(tmp_path)]) == 0
    audit = json.loads((tmp_path / "audit.json").read_text())
    budget = audit["label_budget"]
    assert budget["asked"] == 0.05 < budget["used"] < 0.09 < max(budget["strata"].values()) < 0.12
    (sentence,) = (said for said in audit["warnings"] if "label_budget" in said)
    assert "asks for 5.0% of the labels" in sentence and f"{budget['used']:.1%} in all" in sentence
    assert sentence in capsys.readouterr().err


def test_files_that_no_step_wrote_are_named(ingested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = {name: str(ingested / file) for name, file in (("cohort", "cohort.h5mu"), ("splits", "splits.npz"))}
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "table.tsv").write_text("a\tb\n1\t2\n")
    np.savez(tmp_path / "other.npz", a=1)
    drawn = load_splits(ingested / "splits.npz")
    shorter = {name: getattr(drawn, name) for name in ("repeat", "fold")}
    np.savez(tmp_path / "short.npz", inner=drawn.inner[:, 1:], labelled=drawn.labelled[:, 1:], **shorter)

    def refuse(step: str, words: str, **files: str) -> None:
        given = [word for name, file in {**good, **files}.items() for word in (f"--{name}", file)]
        assert main([step, *given]) == 2
        said = capsys.readouterr().err
        assert words in said and "Traceback" not in said
        assert not (tmp_path / "out").exists()

    out = str(tmp_path / "out" / "o.npz")
    for name in ("text", "other", "short", "gone"):
        file = str(tmp_path / f"{name}.npz")
        refuse("encode", file, splits=file, view="rna", output=out)
        refuse("baselines", file, splits=file, output=out)
        refuse("distil", file, encodings=file, student="rna", output=out)
    refuse("encode", "no view 'prot'", view="prot", output=out)
    refuse("encode", "splits.npz", cohort=good["splits"], view="rna", output=out)
    table = str(tmp_path / "table.tsv")
    refuse("distil", "table.tsv", encodings=table, student="rna", output=out, teachers=table)
    tables = {name: str(tmp_path / "out" / f"{name}.tsv") for name in ("evidence", "verdicts", "teachers")}
    refuse("verdict", "table.tsv", encodings=str(tmp_path / "text.npz"), estimates=table, **tables)
    for words, folder in (("nowhere", "nowhere"), ("verdicts.tsv", str(ingested))):
        assert main(["report", "--folder", folder, "--output", out]) == 2
        assert words in capsys.readouterr().err


# Everything is imported while this is root, whose Python others may not read.
UNPRIVILEGED = """
import contextlib, io, json, os, sys
from cch_omics.cli import main
import cch_omics.data.sources, cch_omics.data.simulate, cch_omics.splits, cch_omics.report.summary, cch_omics.student
os.setuid(65534)
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(command)
    print(json.dumps([status, said.getvalue()]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_what_a_user_may_not_read_or_write_is_a_message(ingested: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    commands = [
        ["ingest", "--row", row(ingested), *outputs(closed / "out")],
        ["ingest", "--row", row(ingested, source=str(closed / "source.h5mu")), *outputs(Path("/tmp/never"))],
        ["summary", str(closed / "results")],
        ["predict", "--student", str(closed), "--input", "x.csv", "--output", "-"],
        ["report", "--folder", str(closed), "--output", "/tmp/never.html"],
        ["simulate", "unrelated", "--output", str(closed / "x.h5mu"), "--log", str(closed / "log")],
    ]
    words = [sys.executable, "-c", UNPRIVILEGED, json.dumps(commands)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(commands), done.stderr
    for command, (status, said) in zip(commands, results, strict=True):
        assert status == 2 and "Traceback" not in said, (command, said)
        assert "ermission denied" in said, (command, said)


def test_resolved_settings_are_in_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cch_omics.data import download

    seen = []
    monkeypatch.setattr(download, "download", lambda *given: seen.append(given))
    log = tmp_path / "log"
    settings = json.dumps({"download": {"xena": "https://mirror"}})
    options = ["--modalities", "rna, cnv", "--settings", settings, "--log", str(log)]
    assert main(["download", "xena:X", "--output", "x", *options]) == 0
    ((source, output, config, modalities),) = seen
    assert (source, output, config.xena, modalities) == ("xena:X", Path("x"), "https://mirror", ["rna", "cnv"])
    assert "download: cbioportal='https://datahub" in log.read_text()


def test_numerical_libraries_keep_to_one_thread_of_each_process(run) -> None:
    seen: dict[str, str] = {}
    run(lambda *given, **named: seen.update(os.environ))
    assert seen["OMP_NUM_THREADS"] == seen["MKL_NUM_THREADS"] == "1"


def test_help_lists_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert set(STEPS) < COMMANDS
    assert all(f"  {name} " in shown for name in COMMANDS)


def test_the_help_has_groups_and_their_examples_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    grouped = [name for names, _ in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped)) and set(grouped) < COMMANDS and not set(grouped) & {"encode", "evaluate"}
    for title, example in [*((title, example) for title, (_, example) in GROUPS.items()), OTHERS]:
        assert shown.index(f"{title}:\n") < shown.index(f"  {example}\n")
        _, name, *words = example.split()
        # An option that it lacks, or one that is missing, is an error.
        typer.main.get_command(app).commands[name].make_context(name, words)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert ("--log" in capsys.readouterr().out) == (name in STEPS)


def test_an_option_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "--cohort", "x"]) == 2
    assert "--splits" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import cch_omics

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == cch_omics.__version__


def test_commands_for_people_say_errors_without_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: ")
    assert logging.getLogger().handlers


def test_python_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "cch_omics", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout
