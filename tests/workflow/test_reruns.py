"""What another setting, another rule, an edit of the code or another place change, and what they do not."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from small import CONFIG

from cch_omics import keys
from cch_omics.runtime.formats import read_table

pytestmark = pytest.mark.slow
# As if both cohorts were large.
CHANGE = {"one_job_below_mb": 0}
FROM_VERDICT = {"verdict", "validation", "evaluate", "report_cohort", "pool"}
COHORTS = {"classes": "subtype", "numbers": "score"}


@pytest.fixture
def run(small_run: tuple[Path, str]) -> Path:
    return small_run[0]


def rerun(snakemake, *options: str) -> set[str]:
    done = snakemake("-n", "-p", "--configfile", "small.yaml", *options)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return set(re.findall(r"^(?:local)?rule (\w+):$", said, re.MULTILINE)) - {"all"}


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("report/page.py", {"report_cohort", "pool"}),
        ("verdict/rule.py", FROM_VERDICT),
        ("information/ksg.py", FROM_VERDICT | {"information"}),
        ("pl.py", set()),
    ],
)
def test_editing_a_file_reruns_what_uses_it(run: Path, snakemake, module: str, rules: set[str]) -> None:
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
        ("report={title: Another}", {"report_cohort", "pool"}),
        ("criterion={confidence: 0.9}", FROM_VERDICT),
        ("criterion={rule: cch}", FROM_VERDICT),
        ("distillation={weight: 0.5}", FROM_VERDICT | {"distil"}),
        ("baselines={boosting: false}", {"baselines", "validation", "evaluate", "report_cohort", "pool"}),
    ],
)
def test_a_changed_setting_reruns_what_uses_it(run: Path, snakemake, change: str, rules: set[str]) -> None:
    assert rerun(snakemake, "--config", change) == rules


def test_a_profile_of_more_threads_reruns_nothing(run: Path, snakemake) -> None:
    assert rerun(snakemake, "--set-threads", "encode=1", "distil=1", "--set-resources", "encode:device=cpu") == set()


@pytest.fixture(scope="module")
def of_always(small_run: tuple[Path, str], snakemake) -> tuple[Path, str]:
    """The same run with the rule `always`, and the students of the chosen teachers only: results, and what it said."""
    repository = small_run[0].parent
    shutil.copytree(repository / "results", repository / "always", copy_function=shutil.copy2)
    config = ["criterion={rule: always}", "distillation={evaluate: chosen}"]
    places = "pathvars={results: always, logs: always/logs}"
    for table in (repository / "always").rglob("*.tsv"):
        table.unlink()
    done = snakemake("--configfile", "small.yaml", "--config", *config, places)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return repository / "always", done.stdout + done.stderr


@pytest.mark.parametrize("cohort", COHORTS)
def test_another_rule_changes_teachers_students_cards_and_report(
    run: Path, of_always: tuple[Path, str], cohort: str
) -> None:
    before, after = (place / cohort / COHORTS[cohort] for place in (run, of_always[0]))
    teachers = [read_table(place / "teachers.tsv") for place in (before, after)]
    assert set(teachers[0]["rule"]) == {"pilot"} and set(teachers[1]["rule"]) == {"always"}
    assert teachers[1]["teacher"].notna().all()
    assert set(read_table(after / "verdicts.tsv")["verdict"]) == {keys.DISTIL}
    for row in teachers[1].to_dict("records"):
        about = json.loads((after / "students" / row["student"] / "student.json").read_text())
        assert row["teacher"] in json.dumps(about)
        assert row["teacher"] in (after / "students" / row["student"] / "MODEL_CARD.md").read_text()
    assert "always distil" in (after / "report.html").read_text()
    assert (before / "report.html").read_text() != (after / "report.html").read_text()


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_students_of_chosen_teachers_are_trained_after_the_verdict_and_no_others(
    of_always: tuple[Path, str], cohort: str
) -> None:
    results, said = of_always
    folder = results / cohort / COHORTS[cohort]
    chosen = read_table(folder / "teachers.tsv")
    gains = read_table(folder / "gains.tsv")
    assert {*zip(gains["teacher"], gains["student"], strict=True)} == {
        *zip(chosen["teacher"], chosen["student"], strict=True)
    }
    assert set(gains["control"]) == set(keys.CONTROLS)
    of = f"{cohort} {COHORTS[cohort]}"
    assert said.index(f"finished {of} verdict") < said.index(f"started  {of} distil")


def digests(results: Path) -> dict[str, str]:
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.suffix in {".tsv", ".json", ".html", ".npz", ".safetensors"}
    }


def test_one_job_for_a_small_cohort_makes_the_same_files_and_keeps_what_a_setting_does_not_change(
    run: Path, snakemake
) -> None:
    small = run.parent / "one_job"
    config = ["one_job_below_mb=20", f"pathvars={{results: {small.name}, logs: {small.name}/logs}}"]
    done = snakemake("--configfile", "small.yaml", "--config", *config)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    # The cohort that is validated on other patients has a job for each step all the same.
    assert "1 analyse" in said and said.count(" encode ") > 0
    apart, together = digests(run), {name.replace("/analyse/", "/"): found for name, found in digests(small).items()}
    assert together.keys() ^ apart.keys() == {"numbers/score/intermediate/made.json"}
    assert len(apart) > 50
    assert {name for name in apart if apart[name] != together[name]} == set()

    done = snakemake("--configfile", "small.yaml", "--config", *config, "criterion={confidence: 0.9}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 analyse" in done.stdout + done.stderr
    log = (small / "logs" / "numbers" / "score" / "analyse.log").read_text()
    assert re.findall(r"DEBUG (\w+)\S*: [\d.]+ s$", log, re.MULTILINE) == ["information", "verdict", "evaluate"]


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
    input: "cch/results/numbers/score/verdicts.tsv", "cch/results/numbers/score/students",
           "cch/results/numbers/score/report.html"
    output: "mine.txt"
    shell: "wc -l {{input[0]}} > {{output}}"
"""


def test_inside_another_workflow_with_all_paths_relocated_the_same_seed_gives_identical_tables(
    run: Path, snakemake, tmp_path: Path
) -> None:
    repository = run.parent
    config = CONFIG | CHANGE | {"cohorts": str(repository / "small.tsv")}
    (tmp_path / "Snakefile").write_text(MODULE.format(repository=repository, config=config))
    done = snakemake("mine", cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", ".snakemake", "cch", "mine.txt"}
    # The other workflow keeps its own way of telling what it does.
    assert "rule mine:" in said and "rule cch_encode:" in said
    logs = {path.name for path in (tmp_path / "cch" / "logs").rglob("*.log")}
    assert {"rna.log", "rna+cnv.log", "baselines.log", "report.log"} <= logs
    assert list((tmp_path / "cch" / "benchmarks").rglob("encode/rna.tsv"))
    first = digests(run / "numbers" / "score")
    second = digests(tmp_path / "cch" / "results" / "numbers" / "score")
    assert len(first) > 12
    assert first.keys() == second.keys()
    # The audit and its page name the file that was read.
    assert {name for name in first if first[name] != second[name]} <= {"audit.json", "report.html"}


def test_snakemake_report_renders_for_all_cohorts_and_for_one(run: Path, snakemake) -> None:
    sizes = {}
    for name, targets in {"all": (), "one": ("results/numbers/score/report.html",)}.items():
        file = run.parent / f"{name}.zip"
        done = snakemake(*targets, "--configfile", "small.yaml", "--report", str(file))
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        with zipfile.ZipFile(file) as archive:
            text = b"".join(archive.read(member) for member in archive.namelist())
        sizes[name] = file.stat().st_size
        assert b"numbers" in text
        assert (b"results/classes/subtype" in text) == (name == "all")
    # 20 cohorts: the frame once, and a cohort's share 20 times. docs/cluster.md has the share of a real cohort.
    share = sizes["all"] - sizes["one"]
    assert share > 0
    assert sizes["one"] + 19 * share < 20e6


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
# Hosts that the browser asks for by itself; it reaches none of them here.
OF_THE_BROWSER = {"clients2.google.com", "update.googleapis.com", "accounts.google.com", "www.google.com"}


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
@pytest.mark.parametrize("page", ["report.html", *(f"{name}/{target}/report.html" for name, target in COHORTS.items())])
def test_report_opens_in_a_browser_and_asks_for_nothing(run: Path, page: str, tmp_path: Path) -> None:
    dom, console, hosts = browse(run / page, tmp_path)
    assert dom.rstrip().endswith("</html>")
    assert "<svg" in dom or "<img" in dom
    assert not console
    assert not hosts
