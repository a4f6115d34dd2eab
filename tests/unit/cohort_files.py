"""A small cohort as its owner might have it, for the tests of ingest."""

from dataclasses import dataclass

import anndata
import mudata
import numpy as np
import pandas as pd

from cch_omics.config import SheetRow


@dataclass
class Tables:
    """Forty samples: all have rna, thirty have cnv, three lack the label, one of them in no clinical row."""

    rna: pd.DataFrame
    cnv: pd.DataFrame
    clinical: pd.DataFrame


def make_tables() -> Tables:
    random = np.random.default_rng(3)
    ids = pd.Index([f"S{number:02d}" for number in range(40)], name="sample")
    rna = pd.DataFrame(random.normal(size=(40, 6)).round(4), index=ids, columns=[f"GENE{j}" for j in range(6)])
    rna.iloc[4, 2] = np.nan
    cnv = pd.DataFrame(random.integers(-2, 3, size=(30, 4)), index=ids[10:], columns=["GENE0", "ERBB2", "MYC", "TP53"])
    subtype = np.where(np.arange(40) % 2, "basal", "luminal").astype(object)
    subtype[[5, 8]] = None
    clinical = pd.DataFrame({"subtype": subtype, "age": 50.5 + np.arange(40)}, index=ids).drop(index="S39")
    return Tables(rna, cnv, clinical)


def write_folder(folder, tables: Tables) -> None:
    folder.mkdir(exist_ok=True)
    tables.rna.to_csv(folder / "rna.csv.gz")
    tables.cnv.to_csv(folder / "cnv.tsv", sep="\t")
    tables.clinical.to_csv(folder / "clinical.csv")


def make_mudata(tables: Tables) -> mudata.MuData:
    """The same cohort, the label in MuData's own `.obs`."""
    parts = {
        name: anndata.AnnData(
            frame.to_numpy(dtype=np.float32), obs=pd.DataFrame(index=frame.index), var=pd.DataFrame(index=frame.columns)
        )
        for name, frame in (("rna", tables.rna), ("cnv", tables.cnv))
    }
    mdata = mudata.MuData(parts)
    mdata.obs["subtype"] = tables.clinical["subtype"].reindex(mdata.obs_names)
    return mdata


def sheet_row(source, **columns) -> SheetRow:
    return SheetRow(**{"cohort": "small", "source": str(source), "target": "subtype", **columns})
