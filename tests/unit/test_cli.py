"""The command says what is wrong in one message, and logs who ran what."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cch_omics.cli import app, main
from cch_omics.data import simulate
from cch_omics.errors import InputError
from cch_omics.planning.steps import STEPS
from cch_omics.runtime import logs

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
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "cch_omics", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout
