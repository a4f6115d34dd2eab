"""A survival time from a table to the report and to predictions, by the commands that the workflow calls."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import make_cohort

from cch_omics.cli import main
from cch_omics.runtime.formats import read_table
from cch_omics.student import read_student
from cch_omics.tasks.survival import Survival

pytestmark = pytest.mark.usefixtures("restored_logging")

SETTINGS = {
    "splits": {"repeats": 1, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 4, "components": 8, "max_epochs": 30},
    "information": {"dimension": 3, "subsamples": 5, "simulations": 8},
}
STUDENTS = ("cnv", "rna")
METRICS = {"uno_c", "integrated_brier", "auroc", "log_likelihood", "d_calibration"}


def write_tables(folder: Path) -> None:
    cohort = make_cohort(n=150, task="survival")
    folder.mkdir()
    for name in STUDENTS:
        modality = cohort.modalities[name]
        table = pd.DataFrame(modality.values, index=cohort.samples[modality.rows], columns=modality.features)
        table.to_csv(folder / f"{name}.csv")
    time, event = cohort.target.values.T
    words = np.where(np.isnan(event), "", np.where(event == 1, "1:DECEASED", "0:LIVING"))
    pd.DataFrame({"OS_MONTHS": time, "OS_STATUS": words}, index=cohort.samples).to_csv(folder / "clinical.csv")


def results(room: Path) -> Path:
    """Call every command, and return the folder of the results."""
    write_tables(room / "tables")
    out, between = room / "results" / "made" / "OS", room / "results" / "made" / "OS" / "intermediate"
    row = {"cohort": "made", "source": str(room / "tables"), "target": "OS", "task": "survival"}
    inputs = [f"--cohort={between / 'cohort.h5mu'}", f"--splits={between / 'splits.npz'}"]

    def run(step: str, *arguments: str, sections: tuple[str, ...] = ()) -> None:
        settings = json.dumps({name: SETTINGS[name] for name in sections})
        assert main([step, *arguments, f"--settings={settings}"]) == 0

    run("ingest", f"--row={json.dumps(row)}", *inputs, f"--audit={out / 'audit.json'}", sections=("splits",))
    encodings = [f"--encodings={between / 'encodings' / f'{name}.npz'}" for name in STUDENTS]
    students = [f"--students={between / 'students' / f'{name}.npz'}" for name in STUDENTS]
    for name, file in zip(STUDENTS, encodings, strict=True):
        output = file.replace("--encodings", "--output")
        run("encode", *inputs, f"--view={name}", output, "--device=cpu", sections=("encoder",))
    for name, file in zip(STUDENTS, students, strict=True):
        output = file.replace("--students", "--output")
        run("distil", *inputs, *encodings, f"--student={name}", output, "--device=cpu", sections=("encoder",))
    run("baselines", *inputs, f"--output={between / 'baselines.npz'}")
    estimates = f"--estimates={between / 'information.tsv'}"
    table = f"--table={out / 'information.tsv'}"
    run("information", *inputs, *encodings, estimates, table, "--device=cpu", sections=("information",))
    decided = [f"--{name}={out / f'{name}.tsv'}" for name in ("evidence", "verdicts", "teachers")]
    run("verdict", *inputs, *encodings, *students, estimates, *decided)
    tables = [f"--{name}={out / f'{name}.tsv'}" for name in ("gains", "references", "scorecard")]
    of_steps = ("summary", "performance", "comparisons", "members", "criteria", "advised", "predictions")
    tables += [f"--{name}={between / f'{name}.tsv'}" for name in of_steps]
    fitted, bundles = f"--baselines={between / 'baselines.npz'}", f"--bundles={out / 'students'}"
    run("evaluate", *inputs, *encodings, *students, fitted, *decided, *tables, bundles)
    run("report", f"--folder={out}", f"--output={out / 'report.html'}")
    return out


def every_table_is_filled(made: Path) -> None:
    verdicts, information = read_table(made / "verdicts.tsv"), read_table(made / "information.tsv")
    assert set(zip(verdicts["teacher"], verdicts["student"], strict=True)) == {("rna", "cnv"), ("cnv", "rna")}
    assert verdicts[["gap", "gap_se", "pilot_gain", "pilot_gain_se", "p_gain_positive"]].notna().all(None)
    labels = information[information["quantity"] != "teacher_student"]
    assert set(labels["estimator"]) == {"likelihood"} and (labels["se"] > 0).all()
    performance = read_table(made / "intermediate" / "performance.tsv")
    assert set(performance["metric"]) == set(METRICS) and performance["mean"].notna().all()
    c = performance[performance["metric"] == "uno_c"].set_index(["student", "model"])["mean"]
    assert c["rna", "alone"] > 0.6 and c["rna", "linear"] > 0.6
    audit = json.loads((made / "audit.json").read_text())
    assert audit["task"] == "survival" and audit["summary"]["events"] > 40
    assert any("seem to be months" in said for said in audit["warnings"])


def page_and_card_speak_of_survival(made: Path) -> None:
    for text in ((made / "report.html").read_text(), (made / "students/rna/MODEL_CARD.md").read_text()):
        assert "the time to an event, in months" in text and "penalised Cox regression" in text
        assert "balanced accuracy" not in text and "R²" not in text.replace("R² of martingale residuals", "")


def the_student_predicts_who_lives_longer(made: Path, tmp_path: Path) -> None:
    new, truth = make_cohort(n=150, task="survival"), tmp_path / "new.csv"
    rna = new.modalities["rna"]
    pd.DataFrame(rna.values, index=new.samples[rna.rows], columns=rna.features).to_csv(truth)
    arguments = [f"--student={made / 'students/rna'}", f"--input={truth}", f"--output={tmp_path / 'out.tsv'}"]
    assert main(["predict", *arguments]) == 0
    frame = read_table(tmp_path / "out.tsv")
    lives = frame.filter(like="survival_at_").to_numpy()
    assert lives.shape[1] >= 1 and (lives > 0).all() and (np.diff(lives, axis=1) <= 0).all()
    task, known = read_student(made / "students/rna").task, new.target.observed
    assert isinstance(task, Survival) and task.event == "1:DECEASED"
    early = frame.loc[known, "prediction"].corr(
        pd.Series(new.target.values[known, 0], index=frame.index[known]), "spearman"
    )
    assert early < -0.3


def one_process_makes_the_same_files(made: Path, room: Path) -> None:
    """To the last byte, as those of the steps one by one."""
    folder = room / made.name
    shutil.copytree(made / "intermediate", folder / "intermediate", ignore=shutil.ignore_patterns("*.tsv"))
    settings = {name: SETTINGS[name] for name in ("encoder", "information")}
    given = [f"--{option}={name}" for option in ("views", "students") for name in STUDENTS]
    given += [f"--folder={folder}", f"--logs={room / 'logs'}", f"--settings={json.dumps(settings)}", "--device=cpu"]
    assert main(["analyse", *given, "--threads=2"]) == 0
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kinds = {name.rpartition(".")[2] for name in files}
    assert kinds == {"h5mu", "npz", "tsv", "json", "safetensors", "md"} and len(files) > 30
    for name, path in files.items():
        if path.name != "made.json":
            assert path.read_bytes() == (made / name.replace("/analyse/", "/")).read_bytes(), name


def test_a_survival_time_goes_all_the_way(tmp_path: Path) -> None:
    made = results(tmp_path)
    one_process_makes_the_same_files(made, tmp_path / "one process")
    every_table_is_filled(made)
    page_and_card_speak_of_survival(made)
    the_student_predicts_who_lives_longer(made, tmp_path)
