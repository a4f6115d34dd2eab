"""`cch run`: the plan first, the workflow, and the verdicts last."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small import CONFIG

import cch_omics
from cch_omics.cli import run as command
from cch_omics.config import load_config, read_sheet
from cch_omics.data.demo import SAMPLES
from cch_omics.data.sources import samples_of
from cch_omics.errors import InputError
from cch_omics.planning.sources import DEMOS

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `cch run` in an empty folder, away from the user's profiles."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
        variables = {**kept, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
        words = (sys.executable, "-m", "cch_omics", "run", *words, "--cores", "2")
        return subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)

    return run


def sheet(folder: Path, *rows: str) -> Path:
    (folder / "sheet.tsv").write_text("\n".join(["cohort\tsource\ttarget\tteachers", *rows]) + "\n")
    return folder / "sheet.tsv"


def cells(text: str) -> list[list[str]]:
    """Cells of the lines of a table: they are two blanks apart."""
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_the_plan_counts_samples_and_makes_nothing(run: Run, tmp_path: Path) -> None:
    sheet(tmp_path, "a\tsimulated:number\tscore\trna;rna+cnv", "b\tdemo:tcga-brca\tpam50\t")
    done = run("sheet.tsv", "--dry-run")
    assert done.returncode == 0, done.stderr
    header, a, b = cells(done.stdout)[:3]
    assert tuple(header) == command.COLUMNS
    assert a[:5] == ["a", "score", "rna, cnv, rppa", "rna, rna+cnv", "400"] and 0.5 < float(a[5]) < 10
    assert b[:5] == ["b", "pam50", "methylation, mirna, rna", "methylation, mirna, rna", "769"]
    said = done.stdout + done.stderr
    assert "a score analyse: " in said and "download_demo" not in said and "Reasons" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"sheet.tsv", ".cache", ".snakemake"}


@pytest.mark.slow
def test_a_cohort_that_fails_stands_beside_the_verdicts_of_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    for name in ("rna", "cnv"):
        (tmp_path / "broken" / f"{name}.csv").write_text("sample,g1\np1,1\np2,oops\n")
    (tmp_path / "broken" / "clinical.csv").write_text("sample,y\np1,a\np2,b\n")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**CONFIG, "cohorts": "nowhere.tsv"}))
    sheet(tmp_path, "a\tsimulated:misleading\tsubtype\t", "b\tbroken\ty\t")
    done = run("sheet.tsv", "--configfile", "small.yaml")
    assert done.returncode == 1
    planned, _, last = done.stdout.partition("\n\n")
    assert cells(planned)[2][:5] == ["b", "y", "cnv, rna", "cnv, rna", "2"]
    assert {"rna → mutation", "mutation → rna"} == {line[2] for line in cells(last) if line[0] == "a" and len(line) > 5}
    assert "a, subtype: finished" in last and re.search("b, y: ingest failed: .*'oops'", last)
    assert last.rstrip().endswith(f"report: {tmp_path / 'results' / 'report.html'}")


def test_a_wrong_key_is_refused_before_snakemake_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "status_of", pytest.fail)
    (tmp_path / "typo.yaml").write_text("splits: {repeat: 2}")
    with pytest.raises(InputError, match="Did you mean 'repeats'"):
        command.run.__wrapped__(sheet(tmp_path, "a\tsimulated:number\tscore\t"), configfile="typo.yaml")
    with pytest.raises(InputError, match="found no such file"):
        command.run.__wrapped__(Path("nowhere.tsv"))


def test_later_files_override_earlier_ones_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = command.configurations("quick", ROOT)
    assert files == [ROOT / "config" / "config.yaml", ROOT / "config" / "quick.yaml"]
    config = load_config(command.merged(files))
    assert (config.splits.repeats, config.splits.label_draw, config.encoder.units) == (1, 0, 12)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("seed: 3")
    assert command.merged(command.configurations("", ROOT)) == {"seed": 3}


def test_a_package_without_the_workflow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cch_omics, "__file__", str(tmp_path / "cch_omics" / "__init__.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(InputError, match="no workflow/Snakefile in"):
        command.workflow_root()
    # Where a wheel puts it.
    (tmp_path / "share" / "cch_omics" / "workflow").mkdir(parents=True)
    (tmp_path / "share" / "cch_omics" / "workflow" / "Snakefile").touch()
    assert command.workflow_root() == tmp_path / "share" / "cch_omics"


def test_samples_of_every_kind_of_source(tmp_path: Path) -> None:
    from cch_omics.data.simulate import simulate, write_simulated

    write_simulated("misleading", tmp_path / "c.h5mu")
    assert samples_of(str(tmp_path / "c.h5mu")) == samples_of("simulated:misleading") == simulate("misleading").n_obs
    study = tmp_path / "study"
    study.mkdir()
    (study / "meta_study.txt").write_text("cancer_study_identifier: x\n")
    (study / "data_clinical_sample.txt").write_text("#a\tb\nPATIENT_ID\tSAMPLE_ID\np1\ts1\np2\ts2\np3\ts3\n")
    assert samples_of(str(study)) == 3
    assert samples_of("cbioportal:brca_metabric") == 0 and list(SAMPLES) == list(DEMOS)


def test_a_source_that_cannot_be_read_stops_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    for name in ("rna", "cnv", "clinical"):
        (tmp_path / "broken" / f"{name}.csv").write_text("sample,g1\np1,1\np1,2\n")
    rows = read_sheet(sheet(tmp_path, "a\tsimulated:number\tscore\t", "b\tbroken\ty\t"))
    lines = list(command.plan(rows, load_config({"cohorts": "sheet.tsv"}), Path("nowhere")))
    assert cells(lines[2])[0] == ["b", "y", "cnv, rna", "cnv, rna", "not known yet"]
    assert "samples are not known yet" in lines[-1]


def test_steps_that_are_jobs_of_their_own_take_longer(tmp_path: Path) -> None:
    (tmp_path / "sheet.tsv").write_text(
        "cohort\tsource\ttarget\tvalidate\n"
        "a\tsimulated:assays\tsubtype\t\n"
        "b\tsimulated:assays\tsubtype\tsimulated:assays-elsewhere\n"
    )
    rows = read_sheet(tmp_path / "sheet.tsv")

    def planned(below_mb: int) -> list[float]:
        config = load_config({"cohorts": "sheet.tsv", "one_job_below_mb": below_mb})
        return [float(line[-1]) for line in cells("\n".join(command.plan(rows, config, Path("nowhere"))))[1:3]]

    (small, validated), (large, _) = planned(20), planned(0)
    # Two encoders, two students and three steps more; and the job of other patients.
    assert large - small == pytest.approx(7 * command.SECONDS_A_JOB / 60, abs=0.1)
    assert validated - small == pytest.approx(8 * command.SECONDS_A_JOB / 60, abs=0.1)


def test_the_sheet_of_the_demo_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_config(command.merged(command.configurations("", ROOT)))
    assert len(list(command.plan(read_sheet(config.cohorts), config, Path("nowhere")))) == 1 + 2 + 1


# Ends a second after it was asked to, as Snakemake does with its jobs.
SLOW = """
import signal, sys, time
def end(number, frame):
    time.sleep(0.5)
    print("ended in order", flush=True)
    sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, end)
print("begun", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_order(number: signal.Signals) -> None:
    asked = "import sys; from cch_omics.cli.run import status_of; sys.exit(status_of(sys.argv[1:]))"
    words = [sys.executable, "-c", asked, sys.executable, "-c", SLOW]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(0.1)
        # A terminal sends the one to both, a batch system the other to the first.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        said = process.stdout.read()
    assert said == "ended in order\n" and process.returncode == 7
