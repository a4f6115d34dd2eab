"""The three commands of the tutorial, as they stand there: from raw counts and beta values to a validated student."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cch_omics import keys
from cch_omics.data.simulate import write_simulated
from cch_omics.runtime.formats import read_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Commands of the section."""
    section = re.split("^## ", PAGE.partition("## Three commands\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^%%bash\n(.*?)\n```$", section, re.DOTALL | re.MULTILINE)


def test_there_are_three() -> None:
    assert len(commands()) == 3
    assert all("\n" not in each for each in commands())


@pytest.mark.slow
def test_they_lead_from_raw_values_to_a_student_that_others_have_tested(tmp_path: Path) -> None:
    for name, file in re.findall(r'write_simulated\("(assays.*?)", "(.*?)"\)', PAGE):
        write_simulated(name, tmp_path / file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.h5mu", "theirs.h5mu"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    path = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
    for command in commands():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env={**kept, "PATH": path, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / ".cache")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    said = done.stdout
    audit = json.loads((tmp_path / "results" / "lab" / "subtype" / "audit.json").read_text())
    made = {name: each["scale"]["made"] for name, each in audit["modalities"].items()}
    assert made["rna"].startswith("log(1 + 1,000,000 x") and made["methylation"].startswith("M-values")
    student = json.loads((tmp_path / "results/lab/subtype/students/methylation/student.json").read_text())
    assert student["scale"] == "beta"
    scores = read_table(tmp_path / "validation" / "validation.tsv", keys.VALIDATION_COLUMNS)
    of_models = scores[(scores["metric"] == "balanced_accuracy") & scores["minus"].isna()].set_index("model")["value"]
    # One of three is chance, and another batch does not bring them down to it.
    assert set(of_models.index) == {"alone", "soft_targets:rna"} and of_models.min() > 0.45
    assert "soft targets from rna" in said and "minus trained alone" in said
