"""The command says what is wrong in one message, and logs who ran what."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cch_omics import cli, logs
from cch_omics.cli import COMMANDS, main
from cch_omics.config import SplitsConfig
from cch_omics.errors import InputError


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def run_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: object, *options: str) -> tuple[int, str]:
    """Run `cch split` with another body."""
    monkeypatch.setitem(COMMANDS, "split", cli._command(run, "cohort output seed", settings=SplitsConfig))  # type: ignore[arg-type]
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        monkeypatch.setenv(f"{variable}_NUM_THREADS", "1")
    log = tmp_path / "logs" / "split.log"
    status = main(["split", "--cohort", "c.h5mu", "--output", "s.npz", "--log", str(log), *options])
    return status, log.read_text()


def test_wrong_input_is_one_message_and_status_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(args: object) -> None:
        raise InputError("c.h5mu, column y", "text", "numbers", "Mend it.")

    status, log = run_split(monkeypatch, tmp_path, refuse)
    shown = capsys.readouterr().err
    assert status == 2
    assert shown == "[split] error: c.h5mu, column y: found text; expected numbers. Mend it.\n"
    assert "Traceback" not in log
    assert "Mend it." in log


def test_a_failure_ends_the_log_with_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(args: object) -> None:
        raise ZeroDivisionError("deep inside")

    status, log = run_split(monkeypatch, tmp_path, fail)
    assert status == 1
    assert "Traceback" in log
    assert log.rstrip().endswith("ZeroDivisionError: deep inside")


def test_the_log_opens_with_host_versions_and_resolved_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    status, log = run_split(monkeypatch, tmp_path, lambda args: None, "--settings", '{"folds": 3}', "--seed", "7")
    assert status == 0
    for words in ("host ", "Slurm job 4711", "Python 3.", "torch ", "folds=3 inner_folds=5", "seed: 7"):
        assert words in log, words
    assert capsys.readouterr().err == ""


def test_progress_reaches_terminal_and_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(args: object) -> None:
        report = logs.progress("networks", every=0)
        report(1, 4)
        report(4, 4)

    _, log = run_split(monkeypatch, tmp_path, work)
    shown = capsys.readouterr().err
    assert "[split] networks: 1 of 4" in shown
    assert "left" in shown
    assert "networks: 4 of 4" in log


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{folds: 3}", "JSON"),
        ("[3]", "a JSON object"),
        ('{"fold": 3}', "Did you mean 'folds'?"),
        ('{"folds": 1}', "greater than or equal to 2"),
    ],
)
def test_wrong_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str, words: str) -> None:
    status, log = run_split(monkeypatch, tmp_path, lambda args: None, "--settings", settings)
    assert status == 2
    assert words in log
    assert "--settings" in log


def test_numerical_libraries_keep_to_one_thread_of_each_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import os

    seen = {}
    run_split(monkeypatch, tmp_path, lambda args: seen.update(os.environ), "--threads", "3")
    assert seen["OMP_NUM_THREADS"] == seen["MKL_NUM_THREADS"] == "1"


def test_help_lists_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def write(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def test_summary_shows_verdicts_beside_gains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "brca" / "pam50"
    write(folder / "verdicts.tsv", "teacher\tstudent\tverdict\tp_gap_positive", "rna\tcnv\tdistil\t0.97",
          "cnv\trna\tdo_not_distil\t")  # fmt: skip
    write(folder / "teachers.tsv", "student\tteacher", "cnv\trna", "rna\t")
    write(
        folder / "gains.tsv",
        "teacher\tstudent\tcontrol\tmetric\tgain",
        "rna\tcnv\tnone\tbalanced_accuracy\t0.02",
        "rna\tcnv\tnone\tbalanced_accuracy\t0.04",
        "rna\tcnv\tself\tbalanced_accuracy\t0.9",
        "rna\tcnv\tnone\tlog_loss\t0.9",
    )
    write(tmp_path / "report.html", "")
    assert main(["summary", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["brca", "pam50", "rna", "->", "cnv", "distil", "0.97", "+3.0", "yes"]
    assert lines[2].split() == ["brca", "pam50", "cnv", "->", "rna", "do_not_distil"]
    assert lines[-1] == f"report: {tmp_path / 'report.html'}"


def test_summary_shows_what_a_verdict_rests_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "brca" / "pam50" / "verdicts.tsv"
    columns = "teacher\tstudent\tverdict\tp_gap_positive\tp_gain_positive"
    write(table, columns, "rna\tcnv\tdo_not_distil\t0.97\t0.08")
    assert main(["summary", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "verdict        p(gain > 0)  p(gap > 0)" in lines[0]
    assert lines[1].split()[-3:] == ["do_not_distil", "0.08", "0.97"]


def test_summary_calls_nothing_certain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "brca" / "pam50" / "verdicts.tsv"
    write(table, "teacher\tstudent\tverdict\tp_gap_positive\tp_gain_positive", "rna\tcnv\tdistil\t0.003\t0.9991")
    assert main(["summary", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-3:] == ["distil", ">0.99", "<0.01"]


def test_summary_of_nothing_names_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
