"""Two simulated cohorts from the sheet to the report, as a user runs it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cch_omics import keys
from cch_omics.cli import main
from cch_omics.io.files import read_table
from cch_omics.simulation import SIMULATED

pytestmark = pytest.mark.end_to_end

COHORTS = {"complementary": ["cnv", "rna", "rppa"], "misleading": ["mutation", "rna"]}
CONFIG = {
    "cohorts": "two.tsv",
    "splits": {"repeats": 1, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 8, "max_epochs": 40},
    "information": {"dimension": 4, "subsamples": 10},
    "distillation": {"lambdas": [0.5, 0.9], "temperatures": [2.0]},
    "report": {"title": "Two simulated cohorts"},
}
TABLES = {
    "information.tsv": keys.INFORMATION_COLUMNS,
    "verdicts.tsv": keys.VERDICT_COLUMNS,
    "teachers.tsv": keys.TEACHER_COLUMNS,
    "gains.tsv": keys.GAIN_COLUMNS,
    "references.tsv": keys.REFERENCE_COLUMNS,
    "scorecard.tsv": keys.SCORECARD_COLUMNS,
}


@pytest.fixture(scope="module")
def run(repository: Path, snakemake) -> Path:
    """The results of one run of the workflow."""
    (repository / "two.yaml").write_text(yaml.safe_dump(CONFIG))
    rows = [f"{name}\tsimulated:{name}\tsubtype" for name in COHORTS]
    (repository / "two.tsv").write_text("\n".join(["cohort\tsource\ttarget", *rows]) + "\n")
    done = snakemake("--configfile", "two.yaml")
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return repository / "results"


@pytest.fixture(params=COHORTS)
def cohort(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_table_of_the_contract_is_there_with_its_columns(run: Path, cohort: str) -> None:
    for name, columns in TABLES.items():
        table = read_table(run / cohort / "subtype" / name)
        assert tuple(table.columns) == columns, name
        assert len(table), name


def test_every_pair_has_its_rows(run: Path, cohort: str) -> None:
    modalities = COHORTS[cohort]
    pairs = {(teacher, student) for teacher in modalities for student in modalities if teacher != student}
    folder = run / cohort / "subtype"
    verdicts = read_table(folder / "verdicts.tsv")
    assert sorted(zip(verdicts["teacher"], verdicts["student"], strict=True)) == sorted(pairs)
    assert set(verdicts["verdict"]) <= set(keys.VERDICTS)
    assert set(verdicts["cch_verdict"]) <= {keys.DISTIL, keys.DO_NOT_DISTIL}
    assert verdicts["reason"].str.len().gt(20).all()
    assert verdicts["p_gap_positive"].between(0, 1).all()
    gap = verdicts["mi_teacher_student"] - verdicts["mi_student_label"]
    assert (verdicts["gap"] - gap).abs().max() < 1e-6

    information = read_table(folder / "information.tsv")
    assert set(information["quantity"]) == set(keys.QUANTITIES)
    assert len(information) == len(pairs) * len(keys.QUANTITIES)
    assert set(information["unit"]) == {"nats"}

    teachers = read_table(folder / "teachers.tsv")
    assert sorted(teachers["student"]) == modalities
    named = teachers.dropna(subset="teacher")
    assert {*zip(named["teacher"], named["student"], strict=True)} <= pairs

    gains = read_table(folder / "gains.tsv")
    assert {*zip(gains["teacher"], gains["student"], strict=True)} == pairs
    assert set(gains["control"]) == set(keys.CONTROLS)
    assert set(gains["fold"]) == {0, 1, 2}
    assert (gains["gain"] - (gains["distilled"] - gains["baseline"])).abs().max() < 1e-6
    per_metric = gains.groupby("metric").size()
    assert (per_metric == len(pairs) * len(keys.CONTROLS) * 3).all()

    references = read_table(folder / "references.tsv")
    assert set(references["modality"]) == set(modalities)
    assert references["reference"].nunique() == 2
    assert set(references["metric"]) == set(gains["metric"])


def test_audit_counts_the_patients(run: Path, cohort: str) -> None:
    audit = json.loads((run / cohort / "subtype" / "audit.json").read_text())
    assert audit["patients"] == SIMULATED[cohort].n
    assert sorted(audit["modalities"]) == COHORTS[cohort]
    assert sum(audit["classes"].values()) == audit["labelled"] < audit["patients"]


def test_pooled_scorecard_has_every_cohort(run: Path) -> None:
    pooled = read_table(run / "scorecard.tsv")
    assert tuple(pooled.columns) == keys.SCORECARD_COLUMNS
    assert set(pooled["cohort"]) == {"all", *COHORTS}
    of_all = pooled["cohort"] == "all"
    counts = [pooled[rows].groupby("criterion")["n_pairs"].sum().to_dict() for rows in (of_all, ~of_all)]
    assert counts[0] == counts[1]


def test_every_student_predicts_from_its_omics_alone(run: Path, cohort: str, tmp_path: Path) -> None:
    from cch_omics.cli import main
    from cch_omics.io.mudata import read_mudata

    source = read_mudata(run.parent / "resources" / "simulated" / f"{cohort}.h5mu")
    for modality in COHORTS[cohort]:
        folder = run / cohort / "subtype" / "students" / modality
        assert {path.name for path in folder.iterdir()} == {"model.safetensors", "student.json", "MODEL_CARD.md"}
        json.loads((folder / "student.json").read_text())
        table = source[modality].to_df().iloc[:20]
        table.to_csv(tmp_path / "new.csv")
        output = tmp_path / f"{modality}.tsv"
        assert (
            main(["predict", "--student", str(folder), "--input", str(tmp_path / "new.csv"), "--output", str(output)])
            == 0
        )
        predicted = pd.read_csv(output, sep="\t")
        assert list(predicted["sample"]) == list(table.index)
        assert set(predicted["prediction"]) <= {"A", "B", "C"}
        assert predicted["feature_coverage"].between(0.9, 1).all()
        probabilities = predicted.drop(columns=["sample", "prediction", "feature_coverage"])
        assert probabilities.shape[1] == 3
        assert probabilities.sum(axis=1).sub(1).abs().max() < 1e-4


def test_every_step_has_a_log_and_a_benchmark(run: Path) -> None:
    logs = sorted((run.parent / "logs").rglob("*.log"))
    benchmarks = sorted((run.parent / "logs" / "benchmarks").rglob("*.tsv"))
    assert len(logs) == len(benchmarks) == 2 * (9 + 1) + 2 * (3 + 2) + 1
    for log in logs:
        text = log.read_text()
        assert "host " in text.splitlines()[0], log
        assert text.rstrip().endswith("done"), log


def test_no_pickle_anywhere(run: Path) -> None:
    for path in run.rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".joblib"}


def test_second_run_has_nothing_to_do(run: Path, snakemake) -> None:
    done = snakemake("-n", "--configfile", "two.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr


def rerun(snakemake, *options: str) -> set[str]:
    done = snakemake("-n", "--configfile", "two.yaml", *options)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return set(re.findall(r"^(?:local)?rule (\w+):$", said, re.MULTILINE))


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("report/words.py", {"report_cohort", "pool", "all"}),
        ("criteria/cch.py", {"verdict", "evaluate", "student", "report_cohort", "pool", "all"}),
        ("pl.py", set()),
    ],
)
def test_editing_a_submodule_reruns_what_uses_it(run: Path, snakemake, module: str, rules: set[str]) -> None:
    file = run.parent / "cch_omics" / module
    before = file.read_text()
    file.write_text(before + "# edited\n")
    try:
        assert rerun(snakemake) == rules
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("report={title: Another}", {"report_cohort", "pool", "all"}),
        ("criterion={confidence: 0.9}", {"verdict", "evaluate", "student", "report_cohort", "pool", "all"}),
        ("criterion={pilot: linear}", {"verdict", "evaluate", "student", "report_cohort", "pool", "all"}),
    ],
)
def test_a_changed_setting_reruns_what_uses_it(run: Path, snakemake, change: str, rules: set[str]) -> None:
    assert rerun(snakemake, "--config", change) == rules


def test_verdicts_ask_the_distilled_networks_or_linear_students(run: Path, cohort: str, tmp_path: Path) -> None:
    folder = run / cohort / "subtype"
    written = ["--output", "splits.parquet", "--verdicts", "verdicts.tsv", "--teachers", "teachers.tsv"]
    written = [each if each.startswith("--") else str(tmp_path / each) for each in written]
    judged = ["--information", str(folder / "intermediate" / "information.parquet"), "--target", "subtype"]
    assert main(["verdict", *judged, *written]) == 0
    network, linear = (read_table(place / "verdicts.tsv") for place in (folder, tmp_path))
    asked = pd.read_parquet(folder / "intermediate" / "pilots.parquet")
    assert tuple(network.columns) == tuple(linear.columns) == keys.VERDICT_COLUMNS
    same = ["teacher", "student"]
    of_whole = asked[asked["repeat"] == -1].merge(network[same], on=same)
    pd.testing.assert_series_equal(
        network.sort_values(same)["pilot_gain"].reset_index(drop=True),
        of_whole.sort_values(same)["pilot_gain"].reset_index(drop=True),
        rtol=1e-4,
    )
    assert network["pilot_gain"].notna().all() and (network["pilot_gain"] != linear["pilot_gain"]).any()
    same += ["gap", "log_loss_benefit", "p_gap_positive"]
    pd.testing.assert_frame_equal(network[same], linear[same])
    # In every outer split, from that split's own training patients.
    for splits in (folder / "intermediate" / "verdicts.parquet", tmp_path / "splits.parquet"):
        gained = pd.read_parquet(splits)
        assert gained["pilot_gain"].notna().all()
        assert gained.groupby(["teacher", "student"])["pilot_gain"].nunique().gt(1).any()


def digests(results: Path) -> dict[str, str]:
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.suffix in {".tsv", ".json", ".html", ".npz", ".safetensors"}
    }


MODULE = """
module cch:
    snakefile: "{repository}/workflow/Snakefile"
    config: {config}
    pathvars:
        results="cch/results",
        logs="cch/logs",
        benchmarks="cch/benchmarks",
        resources="cch/resources",

use rule * from cch as cch_*

rule mine:
    input: "cch/results/misleading/subtype/verdicts.tsv", "cch/results/misleading/subtype/students",
           "cch/results/misleading/subtype/report.html"
    output: "mine.txt"
    shell: "wc -l {{input[0]}} > {{output}}"
"""


def test_inside_another_workflow_with_all_paths_relocated_the_same_seed_gives_identical_tables(
    run: Path, snakemake, tmp_path: Path
) -> None:
    repository = run.parent
    config = CONFIG | {"cohorts": str(repository / "two.tsv")}
    (tmp_path / "Snakefile").write_text(MODULE.format(repository=repository, config=config))
    done = snakemake("mine", cwd=tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", ".snakemake", "cch", "mine.txt"}
    logs = {path.name for path in (tmp_path / "cch" / "logs").rglob("*.log")}
    assert {"rna.log", "references.log", "report.log"} <= logs
    assert list((tmp_path / "cch" / "benchmarks").rglob("encode/rna.tsv"))
    first = digests(run / "misleading" / "subtype")
    second = digests(tmp_path / "cch" / "results" / "misleading" / "subtype")
    assert len(first) > 12
    assert first.keys() == second.keys()
    # The audit and its page name the file that was read.
    assert {name for name in first if first[name] != second[name]} <= {"audit.json", "report.html"}


def test_snakemake_report_renders_for_all_cohorts_and_for_one(run: Path, snakemake) -> None:
    sizes = {}
    for name, targets in {"all": (), "one": ("results/misleading/subtype/report.html",)}.items():
        file = run.parent / f"{name}.zip"
        done = snakemake(*targets, "--configfile", "two.yaml", "--report", str(file))
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        with zipfile.ZipFile(file) as archive:
            text = b"".join(archive.read(member) for member in archive.namelist())
        sizes[name] = file.stat().st_size
        assert b"misleading" in text
        assert (b"complementary" in text) == (name == "all")
    # 20 cohorts: the frame once, and a cohort's share 20 times. docs/cluster.md has the share of a real cohort.
    share = sizes["all"] - sizes["one"]
    assert share > 0
    assert sizes["one"] + 19 * share < 20e6


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
# Hosts that the browser asks for by itself; it reaches none of them here.
OF_THE_BROWSER = {"clients2.google.com", "update.googleapis.com", "accounts.google.com"}


def browse(page: Path, room: Path) -> tuple[str, list[str], set[str]]:
    """Open a page: its elements after scripts have run, lines of the console, and the hosts that were asked for."""
    log = room / "net.json"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={room / 'profile'}", f"--log-net-log={log}",
        "--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=os.environ | {"HOME": str(room)})
    assert done.returncode == 0, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    hosts = set(re.findall(r'"url":"(?:https?|wss?)://([^/":]+)', log.read_text()))
    return done.stdout, console, hosts - OF_THE_BROWSER


@needs_chromium
def test_the_browser_would_see_an_error_and_a_request(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img src="http://example.org/x.png"><script>console.error("wrong")</script>')
    _, console, hosts = browse(page, tmp_path)
    assert hosts == {"example.org"}
    assert any("wrong" in line for line in console)


@needs_chromium
@pytest.mark.parametrize("page", ["report.html", *(f"{name}/subtype/report.html" for name in COHORTS)])
def test_report_opens_in_a_browser_and_asks_for_nothing(run: Path, page: str, tmp_path: Path) -> None:
    dom, console, hosts = browse(run / page, tmp_path)
    assert dom.rstrip().endswith("</html>")
    assert "<svg" in dom or "<img" in dom
    assert not console
    assert not hosts


def test_summary_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cch_omics.overview import overview

    text = overview(run)
    assert str(run / "report.html") in text
    assert len([line for line in text.splitlines() if "->" in line]) == 6 + 2
