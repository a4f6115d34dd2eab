"""All steps of a small cohort in one process: what is kept of an interrupted call, and what another one makes anew."""

import json
import logging
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from cohorts import make_cohort

from cch_omics.cli import analyse, main
from cch_omics.data import mudata
from cch_omics.models.out_of_fold import load_encoding
from cch_omics.planning.unfinished import failures, unfinished

pytestmark = pytest.mark.usefixtures("restored_logging")

NAMES = ("rna", "cnv")
TRAINED = {"encode/rna", "encode/cnv", "distil/rna", "distil/cnv", "baselines"}
ALL = TRAINED | {"information", "verdict", "evaluate"}
SETTINGS = {
    "encoder": {"units": 2, "components": 4, "max_epochs": 5},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "baselines": {"boosting": False},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of a cohort that was ingested."""
    cohort, source, folder = make_cohort(n=60), tmp_path / "tables", tmp_path / "results" / "made" / "subtype"
    source.mkdir()
    for name in NAMES:
        modality = cohort.modalities[name]
        table = pd.DataFrame(modality.values, index=cohort.samples[modality.rows], columns=modality.features)
        table.to_csv(source / f"{name}.csv")
    labels = [f"c{label:.0f}" if label == label else "" for label in cohort.target.values]
    pd.DataFrame({"subtype": labels}, index=cohort.samples).to_csv(source / "clinical.csv")
    row = {"cohort": "made", "source": str(source), "target": "subtype"}
    files = [f"--{name}={folder}/intermediate/{name}.{kind}" for name, kind in (("cohort", "h5mu"), ("splits", "npz"))]
    splits = json.dumps({"splits": {"repeats": 1, "folds": 2, "inner_folds": 3}})
    given = [f"--row={json.dumps(row)}", f"--settings={splits}", f"--audit={folder / 'audit.json'}"]
    assert main(["ingest", *given, *files]) == 0
    return folder


def call(folder: Path, *options: str, **settings: dict[str, object]) -> tuple[int, set[str], set[str]]:
    """Call the command: its status, the steps that it took, and those that it kept."""
    words = [f"--folder={folder}", f"--logs={folder.parent / 'logs'}", f"--settings={json.dumps(SETTINGS | settings)}"]
    words += [f"--{option}={name}" for option in ("views", "students") for name in NAMES]
    log = folder.parent / "logs" / "analyse.log"
    status = main(["analyse", *words, f"--log={log}", *options])
    for handler in logging.getLogger().handlers:
        handler.close()
    text = log.read_text()
    taken, kept = (set(re.findall(rf"DEBUG (\S+): {how}$", text, re.M)) for how in (r"[\d.]+ s", "kept"))
    return status, taken, kept


def forget_tables(folder: Path) -> None:
    """As Snakemake does before it starts a job again: it knows the tables, and not what they are made from."""
    for path in [*folder.glob("*.tsv"), *folder.glob("intermediate/*.tsv")]:
        path.unlink()


def test_another_call_makes_anew_what_its_settings_change_and_no_more(folder: Path) -> None:
    assert call(folder) == (0, ALL, set())
    arrays = {path: path.stat().st_mtime_ns for path in folder.rglob("analyse/**/*.npz")}
    assert len(arrays) == 5
    assert call(folder, "--threads=2") == (0, set(), ALL)
    forget_tables(folder)
    assert call(folder, criterion={"confidence": 0.9}) == (0, ALL - TRAINED, TRAINED)
    assert {path: path.stat().st_mtime_ns for path in arrays} == arrays
    status, taken, kept = call(folder, distillation={"weight": 0.5})
    assert status == 0
    assert {"distil/rna", "distil/cnv", "verdict"} <= taken
    assert kept >= {"encode/rna", "encode/cnv", "information", "baselines"}
    assert call(folder, "--seed=1", distillation={"weight": 0.5})[1] >= TRAINED
    # What was damaged since is made anew.
    (folder / "intermediate" / "analyse" / "encodings" / "cnv.npz").write_bytes(b"damaged")
    assert "encode/cnv" in call(folder, "--seed=1", distillation={"weight": 0.5})[1]


def test_edited_code_is_run_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(folder)
    before = analyse.code_hash
    monkeypatch.setattr(analyse, "code_hash", lambda step: before(step) + ("edited" if step == "evaluate" else ""))
    assert call(folder) == (0, {"evaluate"}, ALL - {"evaluate"})


def test_after_a_failure_it_goes_on_with_the_step_that_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is where the folder of the students should be."""
    (folder / "students").write_text("")
    assert call(folder) == (2, ALL - {"evaluate"}, set())
    logs, terminal = folder.parent / "logs", capsys.readouterr().err
    failed = unfinished("made", "subtype", folder / "report.html", logs)
    assert failed is not None
    assert list(failures(logs)) == [logs / "evaluate.log"]
    assert failed.step == "evaluate" and failed.reason.startswith("--bundles: found")
    assert "analyse: evaluate: --bundles: found" in terminal and "Traceback" not in terminal
    # Each step has its log, and the last line is its own.
    assert {path.relative_to(logs).with_suffix("").as_posix() for path in logs.rglob("*.log")} == ALL | {"analyse"}
    assert (logs / "encode" / "rna.log").read_text().endswith("DEBUG done\n")
    assert "ERROR evaluate: --bundles" in (logs / "analyse.log").read_text()
    (folder / "students").unlink()
    forget_tables(folder)
    assert call(folder) == (0, ALL - TRAINED, TRAINED)
    assert unfinished("made", "subtype", folder / "audit.json", logs) is None


def test_notes_that_cannot_be_read_cost_time_only_and_a_new_cohort_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    before_this = mudata.read_cohort
    monkeypatch.setattr(mudata, "read_cohort", lambda path: read.append(path) or before_this(path))
    call(folder)
    file = folder / "intermediate" / "cohort.h5mu"
    assert read == [file]
    encoded = folder / "intermediate" / "analyse" / "encodings" / "rna.npz"
    before = load_encoding(encoded).outputs.tobytes()
    (folder / "intermediate" / "analyse" / "made.json").write_text("[1")
    os.utime(file)
    assert call(folder) == (0, ALL, set())
    assert load_encoding(encoded).outputs.tobytes() == before
    assert read == [file, file]
