"""Downloads are planned once for all rows that want them, with the modalities of all."""

import re
from pathlib import Path


def test_a_download_is_shared_and_fetches_what_all_rows_want(snakemake, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    rows = [
        "cohort\tsource\ttarget\tmodalities",
        "a\tcbioportal:brca_metabric\tER_STATUS\trna,cnv",
        "b\tcbioportal:brca_metabric\tER_STATUS\trna,mutation",
        "c\txena:LUAD\tgender\trna,rppa",
    ]
    sheet.write_text("\n".join(rows) + "\n")
    done = snakemake("-n", "-p", "--config", f"cohorts={sheet}")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    commands = re.findall(r"^Shell command: cch (download .*?) --settings", said, re.MULTILINE)
    assert sorted(commands) == [
        "download cbioportal:brca_metabric --output resources/cbioportal/brca_metabric --modalities cnv,mutation,rna",
        "download xena:LUAD --output resources/xena/LUAD --modalities rna,rppa",
    ]
    assert len(re.findall(r'^Shell.*"source": "resources/cbioportal/brca_metabric"', said, re.MULTILINE)) == 2


def test_a_study_in_a_folder_is_planned_from_the_names_of_its_files(snakemake, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for name in ("meta_study.txt", "data_clinical_sample.txt", "data_cna.txt", "data_mrna_seq_v2_rsem.txt"):
        (study / name).write_text("content")
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(f"cohort\tsource\ttarget\nours\t{study}\tSUBTYPE\n")
    done = snakemake("-n", "-p", "--config", f"cohorts={sheet}", "one_job_below_mb=0")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert set(re.findall(r"encodings/(\w+)\.npz", said)) == {"cnv", "rna"}
