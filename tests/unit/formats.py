"""One cohort in every format that is read, for the tests of ingest."""

import gzip
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd

from cch_omics.data.simulate import simulate

TARGET = "subtype"


def make_cohort() -> mudata.MuData:
    """A simulated cohort with a fourth modality of mutations, 0 or 1, of patients whose TCGA barcodes say the site."""
    mdata = simulate("complementary")
    rppa = mdata["rppa"]
    values = (np.nan_to_num(rppa.X, nan=5) > np.nanmedian(rppa.X, axis=0) + 1).astype(np.float32)
    # Some were sequenced and have no mutation.
    values[::9] = 0
    # A gene that nobody has mutated is in no list of mutations.
    values = values[:, values.any(axis=0)]
    genes = [f"GENE{j}" for j in range(values.shape[1])]
    mutation = anndata.AnnData(values, obs=pd.DataFrame(index=rppa.obs_names), var=pd.DataFrame(index=genes))
    parts = {name: mdata[name].copy() for name in ("rna", "cnv", "rppa")} | {"mutation": mutation}
    with mudata.set_options(pull_on_update=False):
        whole = mudata.MuData(parts)
    whole.obs = mdata.obs.loc[whole.obs_names]
    return whole


def frame(mdata: mudata.MuData, name: str) -> pd.DataFrame:
    part = mdata[name]
    return pd.DataFrame(part.X, index=part.obs_names, columns=part.var_names)


def write_cbioportal(folder: Path, mdata: mudata.MuData) -> None:
    """A study: genes in rows, comments in the clinical tables, mutations as a list with what is no mutation of it."""
    folder.mkdir()
    (folder / "meta_study.txt").write_text("name: Simulated (test)\ncitation: None, 2026\n")

    def table(file: str, frame: pd.DataFrame) -> None:
        frame.to_csv(folder / file, sep="\t", index=False, na_rep="NA")

    def genes(name: str, **labels: list[str]) -> pd.DataFrame:
        turned = frame(mdata, name).T
        return pd.concat([pd.DataFrame(labels, index=turned.index), turned], axis=1)

    names = {name: mdata[name].var_names.tolist() for name in mdata.mod}
    numbers = [str(number) for number in range(len(names["rna"]))]
    table("data_mrna_seq_v2_rsem.txt", genes("rna", Hugo_Symbol=names["rna"], Entrez_Gene_Id=numbers))
    table("data_mrna_seq_v2_rsem_zscores_ref_all_samples.txt", pd.DataFrame({"Hugo_Symbol": ["no"]}))
    # The file's own name says nothing; its meta file does.
    table("data_levels.txt", genes("rppa", **{"Composite.Element.REF": names["rppa"]}))
    (folder / "meta_levels.txt").write_text(
        "genetic_alteration_type: PROTEIN_LEVEL\ndatatype: LOG2-VALUE\nstable_id: rppa\n"
        "data_filename: data_levels.txt\n"
    )
    table("data_linear_cna.txt", genes("cnv", Hugo_Symbol=names["cnv"]))
    table("data_cna.txt", pd.DataFrame({"Hugo_Symbol": ["no"], "Entrez_Gene_Id": ["1"]}))
    (folder / "case_lists").mkdir()
    sequenced = "\t".join(mdata["mutation"].obs_names)
    (folder / "case_lists" / "cases_sequenced.txt").write_text(f"stable_id: sim\ncase_list_ids: {sequenced}\n")
    long = frame(mdata, "mutation").stack()
    samples, mutated = zip(*long[long == 1].index, strict=True)
    listed = pd.DataFrame(
        {"Hugo_Symbol": mutated, "Variant_Classification": "Missense_Mutation", "Tumor_Sample_Barcode": samples}
    )
    silent = listed.head(3).assign(Hugo_Symbol="SILENT1", Variant_Classification="Silent")
    with (folder / "data_mutations.txt").open("w") as file:
        file.write("#version 2.4\n")
        pd.concat([silent, listed, listed.head(5)]).to_csv(file, sep="\t", index=False)

    obs = mdata.obs
    people = obs.index.str[:12]
    sample = pd.DataFrame({"PATIENT_ID": people, "SAMPLE_ID": obs.index, "SAMPLE_TYPE": "Primary"})
    patient = pd.DataFrame(
        {
            "PATIENT_ID": people,
            TARGET: obs[TARGET].astype(object).fillna("[Not Available]").to_numpy(),
            "TISSUE_SOURCE_SITE": obs["tissue_source_site"].to_numpy(),
        }
    ).sample(frac=1, random_state=0)
    for part, table_of in (("sample", sample), ("patient", patient)):
        with (folder / f"data_clinical_{part}.txt").open("w") as file:
            for line in ("names", "descriptions", "STRING", "1"):
                file.write("#" + "\t".join([line] * table_of.shape[1]) + "\n")
            table_of.to_csv(file, sep="\t", index=False)


def write_xena(folder: Path, mdata: mudata.MuData) -> None:
    """Matrices of a hub: features in rows, gzipped or not, and a clinical matrix by `sampleID`."""
    folder.mkdir()
    files = {
        "rna": "TCGA.SIM.sampleMap_HiSeqV2.gz",
        "cnv": "Gistic2_CopyNumber_Gistic2_all_data_by_genes.gz",
        "rppa": "RPPA_RBN.gz",
        "mutation": "SIM_mc3_gene_level.txt",
    }
    for name, file in files.items():
        text = frame(mdata, name).T.rename_axis("sample").to_csv(sep="\t", na_rep="NA").encode()
        (folder / file).write_bytes(gzip.compress(text, mtime=0) if file.endswith(".gz") else text)
    (folder / "HiSeqV2_percentile.gz").write_bytes(b"not read")
    (folder / "SIM_survival.txt").write_text("sample\tOS\n")
    obs = mdata.obs
    clinical = pd.DataFrame(
        {
            TARGET: obs[TARGET].astype(object).to_numpy(),
            "_PATIENT": obs.index.str[:12],
            "tissue_source_site": obs["tissue_source_site"].to_numpy(),
        },
        index=pd.Index(obs.index, name="sampleID"),
    )
    clinical.to_csv(folder / "SIM_clinicalMatrix", sep="\t")


def write_mixed(folder: Path, mdata: mudata.MuData) -> None:
    """Tables as colleagues send them: one transposed, one h5ad, one Parquet, one of aliquots."""
    folder.mkdir()
    aliquots = frame(mdata, "rna")
    aliquots.set_axis(aliquots.index + "A-11R-A41B-07", axis=0).to_csv(folder / "rna.csv.gz")
    frame(mdata, "cnv").T.to_csv(folder / "cnv.tsv", sep="\t")
    frame(mdata, "rppa").to_parquet(folder / "rppa.parquet")
    part = mdata["mutation"]
    anndata.AnnData(part.X, obs=part.obs[[]], var=part.var).write_h5ad(folder / "mutation.h5ad")
    clinical = mdata.obs[[TARGET, "tissue_source_site"]].astype(object)
    clinical.set_axis(clinical.index.str[:12], axis=0).rename_axis("patient").to_csv(folder / "clinical.tsv", sep="\t")


WRITERS = {"cbioportal": write_cbioportal, "xena": write_xena, "mixed": write_mixed}
