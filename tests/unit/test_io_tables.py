"""One table of numbers, the same from every format."""

import gzip

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from cohort_files import make_mudata, make_tables

from cch_omics.data.numbers import dates_as_names
from cch_omics.data.source import Matrix
from cch_omics.data.tables import read_clinical, read_matrix
from cch_omics.data.text import read_labelled
from cch_omics.errors import InputError

IDS = ["S00", "S01", "S02"]
FEATURES = ["GENE0", "1-Dec", "sample"]
VALUES = np.array([[1.5, np.nan, -3], [0, 2, 1e-7], [7, 8, np.nan]], dtype=np.float32)


def frame():
    return pd.DataFrame(VALUES.astype(float), index=pd.Index(IDS, name="sample"), columns=FEATURES)


def as_adata():
    return anndata.AnnData(VALUES, obs=pd.DataFrame(index=IDS), var=pd.DataFrame(index=FEATURES))


WRITERS = {
    "t.csv": lambda path: frame().to_csv(path),
    "t.csv.gz": lambda path: frame().to_csv(path),
    "t.tsv": lambda path: frame().to_csv(path, sep="\t", na_rep="NA"),
    "T.TSV.GZ": lambda path: frame().to_csv(path, sep="\t", compression="gzip"),
    "index.parquet": lambda path: frame().to_parquet(path),
    "columns.parquet": lambda path: frame().set_axis(["a", "b", "c"], axis=1).reset_index().to_parquet(path),
    "t.h5ad": lambda path: as_adata().write_h5ad(path),
    "windows.csv": lambda path: path.write_bytes(b"\xef\xbb\xbf" + frame().to_csv(lineterminator="\r\n").encode()),
    "old_mac.csv": lambda path: path.write_bytes(frame().to_csv(lineterminator="\r").encode()),
    "blank_lines_first.csv": lambda path: path.write_text("\n\n" + frame().to_csv()),
    "unpacked.csv.gz": lambda path: frame().to_csv(path, compression=None),
    "packed.csv": lambda path: frame().to_csv(path, compression="gzip"),
    "packed_twice.tsv.gz": lambda path: path.write_bytes(
        gzip.compress(gzip.compress(frame().to_csv(sep="\t").encode()))
    ),
    "from_r.tsv": lambda path: path.write_text(frame().to_csv(sep="\t").replace("sample\t", "", 1)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_matrix(tmp_path, name):
    WRITERS[name](tmp_path / name)
    matrix = read_matrix(tmp_path / name)
    assert matrix.ids.tolist() == IDS
    assert matrix.features.tolist() == (["a", "b", "c"] if name == "columns.parquet" else FEATURES)
    assert matrix.values.dtype == np.float32
    np.testing.assert_array_equal(matrix.values, VALUES)


def test_sparse_and_integer_matrices(tmp_path):
    from scipy import sparse

    counts = np.array([[0, 3], [1, 0]])
    for name, content in (("sparse", sparse.csr_matrix(counts)), ("dense", counts)):
        anndata.AnnData(content, obs=pd.DataFrame(index=["a", "b"])).write_h5ad(tmp_path / f"{name}.h5ad")
        np.testing.assert_array_equal(read_matrix(tmp_path / f"{name}.h5ad").values, counts)


def test_a_modality_of_mudata(tmp_path):
    tables = make_tables()
    with mudata.set_options(pull_on_update=False), pytest.warns(UserWarning, match="not unique"):
        make_mudata(tables).write(tmp_path / "a.h5mu")
    matrix = read_matrix(tmp_path / "a.h5mu", modality="cnv")
    assert matrix.ids.tolist() == tables.cnv.index.tolist()
    np.testing.assert_array_equal(matrix.values, tables.cnv.to_numpy())
    with pytest.raises(InputError, match=r"Did you mean 'rna'"):
        read_matrix(tmp_path / "a.h5mu", modality="rnaseq")


@pytest.mark.parametrize("known", [{"samples": ["S01", "S02", "P9"]}, {"features": ["GENE0", "1-Dec"]}])
def test_a_transposed_table_is_turned(tmp_path, known):
    frame().T.to_csv(tmp_path / "turned.csv")
    frame().to_csv(tmp_path / "upright.csv")
    turned, upright = (read_matrix(tmp_path / f"{name}.csv", **known) for name in ("turned", "upright"))
    assert (turned.turned, upright.turned) == (True, False)
    assert turned.ids.tolist() == IDS
    np.testing.assert_array_equal(turned.values, VALUES)
    np.testing.assert_array_equal(upright.values, VALUES)


def test_barcodes_of_another_level_turn_a_table_too(tmp_path):
    (tmp_path / "t.csv").write_text("gene,TCGA.3C.AAAU.01A,TCGA.3C.AALI.01A\nMYC,1,2\n")
    matrix = read_matrix(tmp_path / "t.csv", samples=["TCGA-3C-AAAU", "TCGA-3C-AALI"])
    assert matrix.features.tolist() == ["MYC"]


def test_a_row_longer_than_a_block(tmp_path):
    width = 40_000
    row = ",".join(["0." + "1234567890" * 6] * width)
    (tmp_path / "wide.csv").write_text("id," + ",".join(f"f{j}" for j in range(width)) + f"\na,{row}\nb,{row}\n")
    assert read_matrix(tmp_path / "wide.csv").values.shape == (2, width)


def test_clinical_values_stay_text(tmp_path):
    (tmp_path / "clinical.tsv").write_text("id\tcode\tname\n001\t01\t NA\n002\t1.0\tnone\n")
    table = read_clinical(tmp_path / "clinical.tsv")
    assert table.index.tolist() == ["001", "002"]
    assert table["code"].tolist() == ["01", "1.0"]
    assert table["name"].tolist() == [" NA", "none"]


# Codes of the GDC, cBioPortal, R, pandas and Excel; those of the second line are spelt as no list would have them.
CODES = ["'--", "NA", "n/a", "NaN", "None", "NULL", ".", "-", "?", "#VALUE!", "#N/A", "[Not Available]", "not reported"]
CODES += ["nOt RePorTed", "not_applicable", "[Unknown]", "<na>", "\u200b", "\u2014", '""', "Not\u00a0Done"]


@pytest.mark.parametrize("code", CODES)
def test_a_code_for_missing_values_is_missing_among_numbers(tmp_path, code):
    (tmp_path / "t.tsv").write_text(f"id\tx\ty\na\t1\t{code}\nb\t{code}\t-2e3\n")
    expected = np.array([[1, np.nan], [np.nan, -2000]], dtype=np.float32)
    np.testing.assert_array_equal(read_matrix(tmp_path / "t.tsv").values, expected)
    (tmp_path / "study.tsv").write_text(f"Hugo_Symbol\ta\tb\nX\t1\t{code}\nY\t{code}\t-2e3\n")
    np.testing.assert_array_equal(read_labelled(tmp_path / "study.tsv", {"hugo_symbol"})[1].values, expected)


def test_true_and_false_are_numbers_beside_a_code_too(tmp_path):
    (tmp_path / "t.csv").write_text("id,x,y\na,True,FALSE\nb,Not reported,true\n")
    np.testing.assert_array_equal(read_matrix(tmp_path / "t.csv").values, [[1, 0], [np.nan, 1]])


def test_a_clinical_cell_may_have_several_lines(tmp_path):
    (tmp_path / "clinical.csv").write_text('id,note,class\na,"first\nsecond, ""third""",x\nb,,y\n')
    table = read_clinical(tmp_path / "clinical.csv")
    assert table["class"].tolist() == ["x", "y"]
    assert table["note"].tolist()[0] == 'first\nsecond, "third"'


@pytest.mark.parametrize(
    "name", ["1-Dec", "Sep-02", "2-Sept", "2023-09-02", "3/1/2023", "1.03.2023", "DEC-1", "March-1"]
)
def test_features_that_a_spreadsheet_made_dates_are_said(name):
    matrix = Matrix(np.array(["a"]), np.array(["TP53", name]), np.zeros((1, 2), dtype=np.float32), "t.csv")
    (said,) = dates_as_names({"rna": matrix})
    assert said.startswith(f"rna: 1 features are called like dates, such as {name!r}")


def test_other_features_are_not_dates():
    names = [
        "MARCHF1",
        "SEPTIN2",
        "DEC1",
        "2-decanone",
        "3-octanol",
        "cg00000029",
        "1-methyladenosine",
        "HLA-A",
        "7440-44-0",
    ]
    matrix = Matrix(np.array(["a"]), np.array(names), np.zeros((1, len(names)), dtype=np.float32), "t.csv")
    assert dates_as_names({"rna": matrix}) == []
