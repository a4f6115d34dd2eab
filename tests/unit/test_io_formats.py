"""Studies of cBioPortal, matrices of Xena and mixed folders: the same cohort from each, and nothing left out unsaid."""

from dataclasses import fields, replace

import formats
import mudata
import numpy as np
import pandas as pd
import pytest
from cohort_files import sheet_row

from cch_omics.cohort import Cohort, Modality
from cch_omics.config import SheetRow
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.cbioportal import SILENT
from cch_omics.data.sources import read_source
from cch_omics.planning.layout import layout_of
from cch_omics.planning.sources import files_of, modalities_of

pytestmark = pytest.mark.filterwarnings("ignore:.*not unique:UserWarning", "ignore:Cannot join columns:UserWarning")
MODALITIES = ["cnv", "mutation", "rna", "rppa"]


@pytest.fixture(scope="module")
def mdata():
    with mudata.set_options(pull_on_update=False):
        return formats.make_cohort()


@pytest.fixture(scope="module")
def expected(mdata, tmp_path_factory):
    file = tmp_path_factory.mktemp("h5mu") / "sim.h5mu"
    with mudata.set_options(pull_on_update=False):
        mdata.write(file)
    return read(file)[0]


def read(source, **columns):
    row = sheet_row(source, modalities=",".join(MODALITIES), **columns)
    return assemble(read_source(row), row)


def differences(one: Cohort, two: Cohort) -> list[str]:
    """Names of what is not the same to the last bit (features in any order)."""
    found = []
    for field in fields(Cohort):
        left, right = getattr(one, field.name), getattr(two, field.name)
        if field.name == "target":
            left, right = ([target.name, target.task, target.values.tobytes()] for target in (left, right))
            found += ["target"] * (left != right)
        elif field.name != "modalities" and not np.array_equal(left, right):
            found.append(field.name)
    for name, left in one.modalities.items():
        right = two.modalities[name]
        order = [right.features.tolist().index(feature) for feature in left.features.tolist()]
        same = np.array_equal(left.values, right.values[:, order], equal_nan=True)
        if not (same and len(order) == len(right.features) and np.array_equal(left.rows, right.rows)):
            found.append(name)
        assert left.values.flags.c_contiguous
        assert left.values.dtype == right.values.dtype == np.float32
    return found


@pytest.mark.parametrize("kind", formats.WRITERS)
def test_every_format_yields_the_cohort_of_the_h5mu_value_for_value(kind, mdata, expected, tmp_path):
    formats.WRITERS[kind](tmp_path / "data", mdata)
    cohort, notes = read(tmp_path / "data")
    assert differences(expected, cohort) == []
    assert isinstance(cohort.modalities["rna"], Modality)
    assert audit(cohort, notes)["labelled"] == int(expected.target.observed.sum())
    assert 0 < expected.target.observed.sum() < len(expected.samples)


def test_the_comparison_can_fail(expected):
    rna = expected.modalities["rna"]
    values = rna.values.copy()
    values[3, 4] = np.nextafter(values[3, 4], np.float32(9))
    changed = {**expected.modalities, "rna": Modality(values, rna.features, rna.rows)}
    assert differences(expected, replace(expected, modalities=changed)) == ["rna"]


@pytest.mark.parametrize("kind", formats.WRITERS)
def test_planning_knows_modalities_and_files_from_names_alone(kind, mdata, tmp_path):
    formats.WRITERS[kind](tmp_path / "data", mdata)
    row = sheet_row(tmp_path / "data")
    assert sorted(modalities_of(row)) == MODALITIES == sorted(read_source(row).available)
    files = files_of(row)
    assert len(files) == len(set(files)) == {"cbioportal": 7, "xena": 5, "mixed": 5}[kind]


def test_what_is_not_read_is_said(mdata, tmp_path):
    formats.write_cbioportal(tmp_path / "study", mdata)
    said = " ".join(audit(*read(tmp_path / "study"))["warnings"])
    assert "data_mrna_seq_v2_rsem_zscores_ref_all_samples.txt was not read: z-scores" in said
    assert "data_cna.txt was not read: cnv is read from data_linear_cna.txt" in said
    assert "3 silent mutations" in said
    formats.write_xena(tmp_path / "xena", mdata)
    said = " ".join(audit(*read(tmp_path / "xena"))["warnings"])
    assert "HiSeqV2_percentile.gz was not read: normalised" in said
    assert "SIM_survival.txt was not read" in said
    assert "turned" not in said


def test_a_study_is_named_in_the_audit(mdata, tmp_path):
    formats.write_cbioportal(tmp_path / "study", mdata)
    assert audit(*read(tmp_path / "study"))["origin"] == {"source": "cBioPortal: Simulated (test) (None, 2026)"}


def small_study(folder, **tables):
    """A study of six samples of three patients whose ids are of no known scheme."""
    folder.mkdir()
    ids = [f"s{number}" for number in range(6)]
    clinical = pd.DataFrame(
        {"SAMPLE_ID": ids, "PATIENT_ID": [f"p{number // 2}" for number in range(6)], "KIND": list("ababab")}
    )
    tables = {"data_clinical_sample.txt": clinical, **tables}
    for name, table in tables.items():
        table.to_csv(folder / name, sep="\t", index=False)
    return folder


def genes(**labels):
    n = len(next(iter(labels.values())))
    numbers = {f"s{number}": np.arange(n) + 10.0 * number for number in range(6)}
    return pd.DataFrame({**labels, **numbers})


def test_patients_of_a_study_stay_together_without_barcodes(tmp_path):
    ids = [f"s{number:02}" for number in range(20)]
    patients = [f"p{number // 2}" for number in range(20)]
    clinical = pd.DataFrame({"SAMPLE_ID": ids, "PATIENT_ID": patients, "KIND": list("ab" * 10)})
    table = pd.DataFrame({"Hugo_Symbol": ["A", "B"]} | {name: [n, n + 1.0] for n, name in enumerate(ids)})
    folder = small_study(tmp_path / "s", **{"data_cna.txt": table, "data_clinical_sample.txt": clinical})
    row = SheetRow(cohort="c", source=str(folder), target="KIND", classes="a,b")
    cohort, notes = assemble(read_source(row), row)
    assert cohort.groups.tolist() == patients
    assert audit(cohort, notes)["join"]["patients_with_several_samples"] == 10


def test_features_of_a_study_are_named_and_counted(tmp_path):
    table = genes(
        Hugo_Symbol=["A", "A", "", "B", "B", ""], Entrez_Gene_Id=["1", "2", "3", "4", "4", ""], Cytoband=["1p"] * 6
    )
    folder = small_study(tmp_path / "s", **{"data_log2_cna.txt": table})
    source = read_source(SheetRow(cohort="c", source=str(folder), target="KIND"))
    matrix = source.matrices["cnv"]
    assert matrix.features.tolist() == ["A|1", "A|2", "3", "B|4"]
    assert matrix.values[1].tolist() == [10, 11, 12, 13]
    assert "cnv: 1 rows without a name of their feature were left out." in source.remarks
    assert "cnv: 1 rows of a feature that was there before were left out." in source.remarks


def test_mutations_without_a_list_of_sequenced_samples(tmp_path):
    listed = pd.DataFrame(
        {
            "Hugo_Symbol": ["A", "B", "B", "C"],
            "Tumor_Sample_Barcode": ["s0", "s0", "s3", "s4"],
            "Variant_Classification": ["Nonsense_Mutation", "Missense_Mutation", "Silent", "Splice_Site"],
        }
    )
    assert "Silent" in SILENT
    folder = small_study(tmp_path / "s", **{"data_mutations.txt": listed})
    source = read_source(SheetRow(cohort="c", source=str(folder), target="KIND"))
    matrix = source.matrices["mutation"]
    # s3 has a silent mutation only: it was sequenced, and none of its genes is mutated.
    assert matrix.ids.tolist() == ["s0", "s3", "s4"]
    assert matrix.features.tolist() == ["A", "B", "C"]
    assert matrix.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert any("no list of sequenced samples" in remark for remark in source.remarks)
    panels = pd.DataFrame({"SAMPLE_ID": ["s0", "s1", "s2"], "mutations": ["X468", "X410", None]})
    panels.to_csv(folder / "data_gene_panel_matrix.txt", sep="\t", index=False)
    source = read_source(SheetRow(cohort="c", source=str(folder), target="KIND"))
    assert source.matrices["mutation"].ids.tolist() == ["s0", "s1", "s3", "s4"]
    assert any("gene panels" in remark for remark in source.remarks)


def test_meta_files_decide_where_names_do_not(tmp_path):
    for name, meta in {
        "data_a.txt": ("MRNA_EXPRESSION", "CONTINUOUS", "rna_seq_mrna"),
        "data_b.txt": ("MRNA_EXPRESSION", "Z-SCORE", "rna_seq_mrna_median_Zscores"),
        "data_mrna_seq_fpkm.txt": ("MRNA_EXPRESSION", "Z-SCORE", "z"),
        "data_c.txt": ("MRNA_EXPRESSION", "CONTINUOUS", "mirna"),
        "data_d.seg": ("COPY_NUMBER_ALTERATION", "SEG", "seg"),
        "data_e.txt": ("PROTEIN_LEVEL", "LOG2-VALUE", "protein_quantification"),
        "people.txt": ("CLINICAL", "PATIENT_ATTRIBUTES", ""),
        "data_gone.txt": ("METHYLATION", "CONTINUOUS", "methylation"),
    }.items():
        if name != "data_gone.txt":
            (tmp_path / name).touch()
        lines = zip(("genetic_alteration_type", "datatype", "stable_id", "data_filename"), (*meta, name), strict=True)
        (tmp_path / f"meta_{name.partition('.')[0]}.txt").write_text(
            "\n".join(f"{key}: {value}" for key, value in lines)
        )
    (tmp_path / "data_clinical_sample.txt").touch()
    layout = layout_of(tmp_path)
    tables = {modality: file.name for modality, file in layout.tables.items()}
    # What is named and not there is refused once its modality is wanted.
    assert tables == {
        "methylation": "data_gone.txt", "rna": "data_a.txt", "mirna": "data_c.txt", "protein": "data_e.txt"
    }  # fmt: skip
    assert [file.name for file in layout.clinical] == ["data_clinical_sample.txt", "people.txt"]
    assert set(layout.unused) == {"data_b.txt", "data_mrna_seq_fpkm.txt", "data_d.seg"}
    (tmp_path / "data_methylation.txt").touch()
    layout = layout_of(tmp_path)
    assert layout.tables["methylation"].name == "data_methylation.txt"
    assert layout.unused["data_gone.txt"] == "named by a meta file, but not there"


def test_every_file_of_a_study_is_read_or_said_not_to_be(tmp_path):
    genes, elements = "Hugo_Symbol\tEntrez_Gene_Id\ts1\n", "ENTITY_STABLE_ID\tNAME\tDESCRIPTION\tTRANSCRIPT_ID\ts1\n"
    read = {
        "data_clinical_sample.txt": "PATIENT_ID\tSAMPLE_ID\n",
        "data_clinical_patient.txt": "PATIENT_ID\n",
        "data_log2_cna.txt": genes,
        "data_methylation_hm450.txt": elements,
        "data_rppa.txt": "Composite.Element.REF\ts1\n",
        "data_mutations.txt": "Hugo_Symbol\tTumor_Sample_Barcode\n",
        "data_gene_panel_matrix.txt": "SAMPLE_ID\tmutations\n",
        "data_mrna_seq_v2_rsem.txt": genes,
    }
    unread = {
        "data_cna.txt": "#comment\nHugo_Symbol\tEntrez_Gene_Id\tSample_Id\tValue\n",
        "data_cna_hg19.seg": "ID\tchrom\n",
        "data_sv.txt": "Sample_Id\tSV_Status\n",
        "data_timeline_treatment.txt": "PATIENT_ID\tSTART_DATE\n",
        "data_resource_sample.txt": "RESOURCE_ID\n",
        "data_mutational_signatures_contribution_SBS.txt": elements,
        "data_treatment_ic50.txt": elements,
        "data_gsva_scores.txt": "geneset_id\ts1\n",
        "data_armlevel_cna.txt": elements,
        "data_rppa_zscores.txt": "Composite.Element.REF\ts1\n",
        "data_mrna_seq_v2_rsem_normal_samples.txt": genes,
        "data_mrna_seq_v2_rsem_zscores_ref_normal_samples.txt": genes,
        "data_gistic_genes_amp.txt": "x\n",
        "data_mutations.txt.gz": "x",
        "mine.csv": "x",
        "._data_cna.txt": "x",
    }
    for name, text in (read | unread | {"LICENSE": "x", "meta_study.txt": "name: x\n"}).items():
        (tmp_path / name).write_text(text)
    layout = layout_of(tmp_path)
    found = [file.name for file in (*layout.clinical, *layout.lists, *layout.tables.values())]
    assert sorted(found) == sorted(read)
    assert sorted(layout.unused) == sorted(unread)
    assert layout.unused["data_cna.txt"].startswith("a long table")
    assert {name for sentence in layout.not_read() for name in unread if name in sentence} == set(unread)


def test_a_long_table_of_copy_numbers_leaves_the_matrix_beside_it(tmp_path):
    long = pd.DataFrame({"Hugo_Symbol": ["A", "B"], "Sample_Id": ["s0", "s1"], "Value": [2, -2]})
    folder = small_study(tmp_path / "s", **{"data_cna.txt": long, "data_log2_cna.txt": genes(Hugo_Symbol=["A", "B"])})
    source = read_source(SheetRow(cohort="c", source=str(folder), target="KIND"))
    assert source.matrices["cnv"].values.shape == (6, 2)
    assert any(remark.startswith("data_cna.txt was not read: a long table") for remark in source.remarks)


@pytest.mark.parametrize(
    ("names", "kind", "tables"),
    [
        (
            ["meta_study.txt", "data_clinical_sample.txt", "data_RNA_Seq_v2_expression_median.txt", "data_CNA.txt",
             "data_methylation_hm27.txt", "data_methylation_hm450.txt", "data_mutations_extended.txt", "data_rppa.txt",
             "data_expression_miRNA.txt", "data_sv.txt", "data_rppa_Zscores.txt", "data_gistic_genes_amp.txt"],
            "cbioportal",
            {"rna": "data_RNA_Seq_v2_expression_median.txt", "cnv": "data_CNA.txt", "rppa": "data_rppa.txt",
             "methylation": "data_methylation_hm450.txt", "mutation": "data_mutations_extended.txt",
             "mirna": "data_expression_miRNA.txt"},
        ),
        (
            ["TCGA-LUAD.star_tpm.tsv.gz", "TCGA-LUAD.star_counts.tsv.gz", "TCGA-LUAD.methylation450.tsv.gz",
             "TCGA-LUAD.mirna.tsv.gz", "TCGA-LUAD.gene-level_absolute.tsv.gz", "TCGA-LUAD.protein.tsv.gz",
             "TCGA-LUAD.clinical.tsv.gz", "TCGA-LUAD.survival.tsv.gz"],
            "xena",
            {"rna": "TCGA-LUAD.star_tpm.tsv.gz", "methylation": "TCGA-LUAD.methylation450.tsv.gz",
             "mirna": "TCGA-LUAD.mirna.tsv.gz", "cnv": "TCGA-LUAD.gene-level_absolute.tsv.gz",
             "rppa": "TCGA-LUAD.protein.tsv.gz"},
        ),
        (["rna.csv", "cnv.h5ad", "clinical.tsv.gz", ".hidden.csv"], "tables", {"rna": "rna.csv", "cnv": "cnv.h5ad"}),
    ],
)  # fmt: skip
def test_which_file_is_which_modality(names, kind, tables, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    layout = layout_of(tmp_path)
    assert layout.kind == kind
    assert {modality: file.name for modality, file in layout.tables.items()} == tables
