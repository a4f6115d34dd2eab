"""A run in which every text that its owner may write is hostile: Snakemake's report shows it, and runs none of it."""

import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from browser import HOSTILE, IN_SCRIPT, Read, needs_browser, ran, shown, shown_file

pytestmark = pytest.mark.slow
CONFIG = {
    "cohorts": "sheet.tsv",
    "ingest": {"patient_pattern": f"(?P<patient>.*)|{re.escape(IN_SCRIPT)}"},
    "splits": {"repeats": 1, "folds": 2, "inner_folds": 3},
    "encoder": {"units": 3, "components": 6, "max_epochs": 10},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "baselines": {"boosting": False},
    "report": {"title": f"{IN_SCRIPT}<!--<script>"},
}
# What a reader may open in the report: each category, each result, each rule.
DRIVER = """
setTimeout(() => {
  const views = [
    ...Object.keys(categories).map((name) => () => app.showCategory(name)),
    ...Object.keys(results).map((path) => () => app.showResultInfo(path)),
    ...Object.keys(rules).map((name) => () => app.setView({navbarMode: "ruleinfo", ruleinfo: name})),
    () => app.showReportInfo(),
  ];
  const seen = document.createElement("pre");
  document.body.appendChild(seen);
  const next = () => {
    seen.textContent += document.querySelector("#app").textContent;
    if (views.length) { views.shift()(); setTimeout(next, 20); }
    else { seen.textContent += "all seen"; }
  };
  next();
}, 500);
"""


def write_cohort(folder: Path) -> None:
    """Two omics of ninety patients; names of patients, features and classes are hostile."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    ids = [*HOSTILE[:3], "=1+1", "-2+3", *(f"P{number}" for number in range(85))]
    label = np.arange(len(ids)) % 2
    signal = label + random.normal(size=len(ids))
    for name, noise in (("rna", 0.5), ("cnv", 1.5)):
        features = [*HOSTILE[:6], HOSTILE[7], "GENE"]
        values = signal[:, None] + noise * random.normal(size=(len(ids), len(features)))
        pd.DataFrame(values, index=ids, columns=features).to_csv(folder / f"{name}.csv")
    classes = np.array([IN_SCRIPT, " ".join(HOSTILE[3:6])], dtype=object)
    pd.DataFrame({"y": classes[label]}, index=ids).to_csv(folder / "clinical.csv")


@needs_browser
def test_nothing_runs_in_the_reports_of_a_hostile_run(repository: Path, snakemake, tmp_path: Path) -> None:
    source = Path(f"x{IN_SCRIPT}") / "<img src=x onerror=alert(1)>'$(touch ran)\"; touch ran;` touch ran`é #$x"
    write_cohort(repository / source)
    (repository / "sheet.tsv").write_text(f"cohort\tsource\ttarget\nWorkflow_\t{source}\ty\n")
    (repository / "hostile.yaml").write_text(yaml.safe_dump(CONFIG))
    options = ["--configfile", "hostile.yaml"]
    done = snakemake(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(repository.rglob("ran"))

    made = snakemake(*options, "--report", "report.zip")
    assert made.returncode == 0, made.stdout + made.stderr
    with zipfile.ZipFile(repository / "report.zip") as archive:
        archive.extractall(tmp_path)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    document = shown(page, tmp_path, driver=DRIVER)
    assert not ran(document)
    said = Read(document).text
    # The title and the path of the source stand in parameters, as JSON.
    assert "all seen" in said and r"\u003c/script>\u003cscript >" in said and r"\u003c!--\u003cscript>" in said
    # The test would notice.
    assert ran(shown(page.replace(r"\\u003c", "<"), tmp_path))

    for file in tmp_path.rglob("data/raw/*/report.html"):
        document = shown_file(file, tmp_path)
        assert not ran(document)
        read = Read(document)
        # The script of the page itself.
        assert read.acting == ["<script>"] and IN_SCRIPT in read.text
    audit = json.loads((repository / "results" / "Workflow_" / "y" / "audit.json").read_text())
    assert audit["source"] == str(source) and IN_SCRIPT in audit["strata"]


@pytest.mark.parametrize("place", ["x</script><script >y", "x{y}", "<x"])
def test_folders_that_snakemake_would_fill_in_or_run_are_refused(snakemake, place: str) -> None:
    done = snakemake("-n", "--config", f"pathvars={{'results': '{place}'}}")
    assert done.returncode != 0
    assert "key pathvars.results: found" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
