"""The object that people have is read right: counts, beta values, sparse, layered, backed, names as they come."""

from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from cohort_files import sheet_row
from scipy import sparse
from test_predict import FEATURES
from test_predict import make_one as make_plain

from cch_omics import pp, tl
from cch_omics.cohort import Cohort
from cch_omics.config import make_row, scales_of_row
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.mudata import from_anndata, make_mudata, read_cohort, read_mudata, write_mudata
from cch_omics.data.scale import is_standardised
from cch_omics.data.sources import ingest, read_source
from cch_omics.data.working_scale import SCALES
from cch_omics.errors import InputError
from cch_omics.keys import SCALE_NAMES
from cch_omics.models.out_of_fold import Model, Network
from cch_omics.report.audit import audit_tables
from cch_omics.student.bundle import read_student, write_student
from cch_omics.student.make import Records, make_student
from cch_omics.student.predict import predict, predict_file
from cch_omics.student.validate import validate_file
from cch_omics.tasks.classification import Classification

N, GENES, SITES = 60, 64, 52
IDS = pd.Index([f"P{i:02d}" for i in range(N)])
# With versions, one name twice, and one that is no gene.
NAMES = [f"ENSG{j:011d}.{j % 7}" for j in range(GENES - 2)] + ["ENSG00000000003.9", "ERCC-00002"]
PLAIN = [f"ENSG{j:011d}" for j in range(GENES - 2)] + ["ERCC-00002"]
CPG = [f"cg{j:08d}" for j in range(SITES)]
SETTINGS: dict[str, Any] = {
    "splits": {"repeats": 1, "folds": 2, "inner_folds": 3},
    "encoder": {"units": 3, "components": 4, "max_epochs": 4},
    "information": {"subsamples": 4, "simulations": 8, "dimension": 2},
    "criterion": {"rule": "cch"},
}
SCALE = "rna=counts;methylation=beta"
# The last: what a notebook is told of these objects.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*not unique:UserWarning", "ignore:From 0.4:FutureWarning", "ignore::UserWarning:test_their_objects"
)


def counts() -> np.ndarray:
    """(N, GENES) of libraries of different size."""
    random = np.random.default_rng(0)
    mean = np.exp(random.normal(5, 1, GENES)) * np.exp(random.normal(0, 0.5, (N, 1)))
    return random.poisson(mean * np.exp(random.normal(0, 0.4, (N, GENES)))).astype(np.float32)


def beta() -> np.ndarray:
    return np.random.default_rng(1).beta(0.5, 0.5, (N, SITES)).astype(np.float32)


def theirs(**parts: Any) -> mudata.MuData:
    """Sparse counts, labels as categories in the `.obs` of a modality, layers, `.raw`, beta values of some patients."""
    rna = anndata.AnnData(
        sparse.csr_matrix(counts()),
        obs=pd.DataFrame({"subtype": pd.Categorical(np.where(np.arange(N) % 2, "basal", "luminal"))}, index=IDS),
        var=pd.DataFrame(index=pd.Index(NAMES)),
    )
    rna.raw = rna.copy()
    rna.layers["scaled"] = counts() - 300
    methylation = anndata.AnnData(beta()[10:], obs=pd.DataFrame(index=IDS[10:]), var=pd.DataFrame(index=CPG))
    modalities = {"rna": rna, "methylation": methylation} | parts
    return make_mudata(modalities, pd.DataFrame({"age": np.arange(N)}, index=IDS), {})


def write_h5mu(folder: Path) -> Path:
    write_mudata(theirs(), folder / "theirs.h5mu")
    return folder / "theirs.h5mu"


def write_h5ad(folder: Path) -> Path:
    for name, adata in theirs().mod.items():
        adata.write_h5ad(folder / f"{name}.h5ad")
    return write_clinical(folder)


def write_csv(folder: Path) -> Path:
    # Genes in the rows, as such tables are.
    pd.DataFrame(counts(), index=IDS, columns=NAMES).T.to_csv(folder / "rna.csv")
    pd.DataFrame(beta()[10:], index=IDS[10:], columns=CPG).to_csv(folder / "methylation.csv")
    return write_clinical(folder)


def write_parquet(folder: Path) -> Path:
    pd.DataFrame(counts(), index=IDS, columns=range(GENES)).T.set_axis(NAMES).to_parquet(folder / "rna.parquet")
    pd.DataFrame(beta()[10:], index=IDS[10:], columns=CPG).to_parquet(folder / "methylation.parquet")
    return write_clinical(folder)


def write_clinical(folder: Path) -> Path:
    theirs()["rna"].obs.rename_axis("sample").to_csv(folder / "clinical.csv")
    return folder


WRITERS = {"h5mu": write_h5mu, "h5ad": write_h5ad, "csv": write_csv, "parquet": write_parquet}


def logs(table: np.ndarray) -> np.ndarray:
    """What models learn from counts, of the first gene of each name."""
    kept = [j for j in range(GENES) if j != GENES - 2]
    return np.log1p(1e6 * table / table.sum(axis=1, keepdims=True, dtype=np.float64))[:, kept].astype(np.float32)


def m_values(table: np.ndarray) -> np.ndarray:
    return np.log2((table + 0.01) / (1.01 - table))


def check_values(cohort: Cohort) -> None:
    rna, methylation = cohort.modalities["rna"], cohort.modalities["methylation"]
    assert rna.features.tolist() == PLAIN and methylation.features.tolist() == CPG
    np.testing.assert_allclose(rna.values, logs(counts()), rtol=1e-5)
    np.testing.assert_allclose(methylation.values, m_values(beta()[10:]), rtol=1e-4, atol=1e-5)
    assert (rna.scale, rna.made, methylation.scale, methylation.made) == ("counts", True, "beta", True)
    assert cohort.target.task.strata_names == ("basal", "luminal")
    np.testing.assert_array_equal(cohort.target.values, np.arange(N) % 2 == 0)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_cohort_comes_of_every_file_and_the_audit_says_what_was_made(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    row = sheet_row(WRITERS[kind](tmp_path / "in"), scale=SCALE)
    report = ingest(row, tmp_path / "cohort.h5mu", tmp_path / "audit.json")
    # As the steps read it.
    check_values(read_cohort(tmp_path / "cohort.h5mu"))
    rna, methylation = (report["modalities"][name]["scale"] for name in ("rna", "methylation"))
    assert rna["name"] == "counts" and rna["asked"] and rna["made"] == "log(1 + 1,000,000 x / sum of the sample)"
    sums = counts().sum(axis=1)
    assert rna["library_sizes"] == pytest.approx([sums.min(), np.median(sums), sums.max()])
    assert methylation["made"].startswith("M-values")
    assert report["join"]["tables"]["rna"]["features_left_out"] == {"the name of an earlier feature": 1}
    said = report["warnings"]
    assert "rna: 1 features left out: the name of an earlier feature." in said
    assert (
        "rna: 63 names of features had versions, such as 'ENSG00000000000.0' and 62 more, that were taken off." in said
    )
    layers = "rna: .X was read, not .layers['scaled'], .raw. To have one of these read, put it into .X."
    assert (layers in said) == kind.startswith("h5")
    shown = audit_tables(report)[0]
    place = [column.name for column in shown.columns].index("Scale")
    assert [row.cells[place] for row in shown.rows[:2]] == [
        f"beta, as the sheet says; {methylation['made']}",
        f"counts, as the sheet says; {rna['made']}",
    ]


def test_counts_are_told_and_the_sheet_can_say_otherwise(tmp_path: Path) -> None:
    source = write_h5mu(tmp_path)
    cohort, notes = assemble(read_source(row := sheet_row(source)), row)
    rna, methylation = cohort.modalities["rna"], cohort.modalities["methylation"]
    np.testing.assert_allclose(rna.values, logs(counts()), rtol=1e-5)
    assert (methylation.scale, methylation.made) == ("fractions", False)
    assert any(
        text.startswith("rna: whole values") and "look like raw counts" in text
        for text in audit(cohort, notes)["warnings"]
    )
    cohort, notes = assemble(read_source(row := sheet_row(source, scale="rna=continuous")), row)
    np.testing.assert_array_equal(cohort.modalities["rna"].values, np.delete(counts(), GENES - 2, axis=1))
    assert not any("counts" in text for text in audit(cohort, notes)["warnings"])


def test_values_in_the_only_layer_are_read_and_of_several_none_is_guessed(tmp_path: Path) -> None:
    layered = theirs()["rna"]
    del layered.layers["scaled"], layered.raw
    layered.layers["counts"], layered.X = layered.X, None
    write_mudata(theirs(rna=layered), tmp_path / "theirs.h5mu")
    row = sheet_row(tmp_path / "theirs.h5mu", scale=SCALE)
    cohort, notes = assemble(read_source(row), row)
    check_values(cohort)
    assert "rna: .layers['counts'] was read." in notes.remarks
    layered.layers["more"] = counts()
    write_mudata(theirs(rna=layered), tmp_path / "theirs.h5mu")
    with pytest.raises(InputError, match=r"\.X: found nothing, beside \.layers\['counts'\] and \.layers\['more'\]"):
        read_source(row)


# --- Students ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of each omics, on all of its features."""
    room = tmp_path_factory.mktemp("bundles")
    row = sheet_row(write_h5mu(room), scale=SCALE)
    cohort, _ = assemble(read_source(row), row)
    random = np.random.default_rng(5)
    for name, modality in cohort.modalities.items():
        p = len(modality.features)
        shapes = {"fill": p, "weight": (p, 3), "bias": 3, "head_weight": (3, 2), "head_bias": 2}
        shapes["skip_weight"] = (p, 2)
        arrays = {key: random.normal(0, 0.2, shape).astype(np.float32) for key, shape in shapes.items()}
        network = Network(**arrays, bound=np.full(p, 1000, dtype=np.float32))
        records = Records({"verdict": "do_not_distil", "teacher": ""})
        kwargs: dict[str, Any] = {
            "labelled": cohort.target.observed,
            "epochs": 1,
            "members": {"network": 1.0, "linear": 0.0, "screened": 0.0},
            "records": records,
        }
        student = make_student(cohort, name, network, Model("alone"), decision=np.zeros(2), **kwargs)
        write_student(room / name, student)
    return room


def test_a_student_predicts_from_raw_tables_by_what_was_made_of_its_own(bundles: Path, tmp_path: Path) -> None:
    for name, raw, made in (("rna", counts(), logs(counts())), ("methylation", beta(), m_values(beta()))):
        student = read_student(bundles / name)
        names = NAMES if name == "rna" else CPG
        # Versions of another release, and other samples, change nothing.
        newer = [text.replace(".", ".1") for text in names]
        pd.DataFrame(raw[:7], index=IDS[:7], columns=newer).to_csv(tmp_path / "new.csv")
        frame = predict_file(bundles / name, tmp_path / "new.csv", tmp_path / "out.tsv")
        pd.DataFrame(raw[:7], index=IDS[:7], columns=newer).T.to_csv(tmp_path / "turned.csv")
        turned = predict_file(bundles / name, tmp_path / "turned.csv", tmp_path / "out.tsv")
        pd.testing.assert_frame_equal(turned, frame)
        outputs = student.network.outputs(made[:7].astype(np.float32))
        expected = student.task.predictions(outputs, np.zeros(2)).filter(like="probability_")
        np.testing.assert_allclose(frame.filter(like="probability_"), expected, rtol=1e-4)
        assert student.about.constants == ({"per_sample": 1e6} if name == "rna" else {"offset": 0.01})
        card = (bundles / name / "MODEL_CARD.md").read_text()
        assert student.about.transforms[0].startswith(f"x is {'raw counts' if name == 'rna' else 'beta values'}")
        assert student.about.transforms[0].partition("(")[0] in card


def test_a_new_h5ad_is_read_as_the_cohort_was(bundles: Path, tmp_path: Path) -> None:
    theirs()["rna"].write_h5ad(tmp_path / "new.h5ad")
    frame = predict_file(bundles / "rna", tmp_path / "new.h5ad", tmp_path / "out.tsv")
    expected = predict(read_student(bundles / "rna"), list(IDS), NAMES, counts())
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("name", ["rna", "methylation"])
def test_a_student_is_judged_on_raw_objects_of_another_release(bundles: Path, tmp_path: Path, name: str) -> None:
    adata = theirs()[name].copy()
    adata.obs["subtype"] = theirs()["rna"].obs["subtype"].reindex(adata.obs_names)
    adata.write_h5ad(tmp_path / "same.h5ad")
    # Versions of another release; and none, so that two of the counted have one name.
    for file, called in (
        ("newer", lambda text: text.replace(".", ".1")),
        ("none", lambda text: text.partition(".")[0]),
    ):
        adata.var_names = [called(text) for text in theirs()[name].var_names]
        adata.write_h5ad(tmp_path / f"{file}.h5ad")
    same, newer, none = (
        validate_file(bundles / name, tmp_path / f"{file}.h5ad", tmp_path / f"{file}.h5ad")
        for file in ("same", "newer", "none")
    )
    for other in (newer, none):
        pd.testing.assert_frame_equal(other.scores, same.scores)
        pd.testing.assert_frame_equal(other.features, same.features)
    assert any("had versions, such as" in text for text in newer.said) == (name == "rna")
    assert any(".X was read, not .layers['scaled'], .raw." in text for text in newer.said) == (name == "rna")
    assert set(newer.scores["n_patients"]) == {len(adata)} and (newer.features["measured"] == 1).all()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("rna", np.log1p, "a table of counts; expected whole numbers from 0: raw counts"),
        ("rna", lambda x: x / x.sum(axis=1, keepdims=True), "expected whole numbers from 0: raw counts"),
        ("rna", lambda x: x - 400, "expected whole numbers from 0"),
        ("methylation", m_values, "a table of beta; expected numbers from 0 to 1: beta values"),
        ("methylation", lambda x: 100 * x, "expected numbers from 0 to 1"),
    ],
)
def test_a_table_on_another_scale_than_the_bundle_is_refused(bundles: Path, name: str, change: Any, said: str) -> None:
    raw, names = (counts(), NAMES) if name == "rna" else (beta(), CPG)
    with pytest.raises(InputError) as refused:
        predict(read_student(bundles / name), list(IDS), names, change(raw))
    assert said in str(refused.value) and "The student learnt from" in str(refused.value)


def test_a_part_of_what_was_counted_is_said(bundles: Path, caplog: pytest.LogCaptureFixture) -> None:
    student = read_student(bundles / "rna")
    predict(student, list(IDS), NAMES, counts())
    assert not caplog.text
    # A panel: the genes that fill most of the libraries are not in the table.
    panel = np.argsort(counts().sum(axis=0))[: GENES - 24]
    predict(student, list(IDS), [NAMES[j] for j in panel], counts()[:, panel])
    assert "times the share of a sample's counts that they had in training" in caplog.text
    assert "Give the table with all features that were counted" in caplog.text


def test_a_table_that_is_told_to_be_on_another_scale_is_said(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(8, 1, (20, len(FEATURES))).astype(np.float32)
    student = make_plain(values, Classification(("a", "b")), np.arange(20) % 2, np.zeros(2))
    predict(student, list(IDS[:20]), FEATURES, values)
    assert not caplog.text
    predict(student, list(IDS[:20]), FEATURES, np.exp2(values).round())
    assert "the values look like counts (raw counts); the student learnt from continuous" in caplog.text


# --- Notebooks --------------------------------------------------------------------------------------------------------


def test_a_notebook_gets_the_same_verdicts_from_counts_from_a_backed_file_and_after_pp(tmp_path: Path) -> None:
    scale = {"rna": "counts", "methylation": "beta"}
    mdata = theirs()
    expected = tl.cch(mdata, target="subtype", scale=scale, **SETTINGS)
    assert expected["gap"].notna().all()

    write_mudata(theirs(), tmp_path / "theirs.h5mu")
    backed = mudata.read_h5mu(tmp_path / "theirs.h5mu", backed="r")
    assert backed.isbacked
    pd.testing.assert_frame_equal(tl.cch(backed, target="subtype", scale=scale, **SETTINGS), expected)

    table = pp.working_scale(mdata, scale=scale)
    assert table.loc["rna", ["scale", "asked", "made", "warning"]].tolist() == [
        "counts", True, "log(1 + 1,000,000 x / sum of the sample)", "",
    ]  # fmt: skip
    np.testing.assert_allclose(np.delete(mdata["rna"].X, GENES - 2, axis=1), logs(counts()), rtol=1e-5)
    pd.testing.assert_frame_equal(tl.cch(mdata, target="subtype", **SETTINGS), expected)
    assert not any("counts" in text for text in mdata.uns["cch_audit"]["warnings"])
    write_mudata(mdata, tmp_path / "after.h5mu")
    assert read_mudata(tmp_path / "after.h5mu").uns["cch_scales"]["scale"].tolist() == table["scale"].tolist()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_only_told_is_said_in_a_notebook() -> None:
    with pytest.warns(UserWarning, match="rna: whole values .* look like raw counts") as warned:
        tl.cch(theirs(), target="subtype", **SETTINGS)
    with pytest.warns(UserWarning, match=r"rna: \.X was read, not \.layers\['scaled'\], \.raw\. To have one") as of_pp:
        table = pp.working_scale(mdata := theirs())
    assert len(of_pp) == 1
    [of_scale] = [str(each.message) for each in warned if "look like" in str(each.message)]
    for said in (of_scale, table.loc["rna", "warning"]):
        assert "say so in `scale`; `continuous` for rna leaves values as they are" in said
        assert "sheet" not in said
    assert "look like raw counts" in table.loc["rna", "warning"] and table.loc["methylation", "made"] == ""
    np.testing.assert_array_equal(mdata["methylation"].X, beta()[10:])


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("missing", [0, 0.1])
def test_values_that_were_standardised_over_all_samples_are_said_loudly(ddof: int, missing: float) -> None:
    random = np.random.default_rng(6)
    scaled = np.log1p(counts())
    scaled[random.random(scaled.shape) < missing] = np.nan
    scaled[:, 5] = 3
    deviation = np.nanstd(scaled, axis=0, ddof=ddof)
    scaled = (scaled - np.nanmean(scaled, axis=0)) / np.where(deviation > 0, deviation, 1)
    # As with pp.scale's max_value.
    scaled[:, :20] = np.minimum(scaled[:, :20], 1)
    for values, standardised in ((scaled, True), (0.9 * scaled, False), (scaled + 0.1, False)):
        adata = theirs()["rna"].copy()
        adata.X, adata.layers["counts"] = values, counts()
        [said] = from_anndata(adata, "mdata").remarks
        assert said.startswith(".X was read, not .layers['scaled'], .layers['counts'], .raw. ")
        loud = "they were standardised over all samples, those of the test folds too. Put the counts, or"
        assert (loud in said) == standardised == ("To have one of these read, put it into .X." not in said)
    # Nothing else is there to read.
    assert not from_anndata(anndata.AnnData(scaled), "mdata").remarks
    assert not is_standardised(random.standard_normal((400, 300)).astype(np.float32))
    assert not is_standardised(np.full((4, 3), 2, dtype=np.float32))


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        ("counts", "scale: found 'counts'; expected scales by modality"),
        ({"rna": "count"}, "'count' of 'rna'; expected one of counts, unlogged.*Did you mean 'counts'"),
        ({"protein": "counts"}, "the modality 'protein'; expected one of"),
        (
            {"rna": "beta"},
            r"\.mod\['rna'\], column .* in a table of beta; .* numbers from 0 to 1.* in `scale`; `continuous` for rna",
        ),
    ],
)
def test_scales_that_cannot_be_are_refused_and_nothing_is_changed(scale: Any, said: str) -> None:
    mdata = theirs()
    for run in (
        lambda: tl.cch(mdata, target="subtype", scale=scale, **SETTINGS),
        lambda: pp.working_scale(mdata, scale=scale),
    ):
        with pytest.raises(InputError, match=said):
            run()
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), counts())
    assert not mdata.uns


@pytest.mark.parametrize("kind", ["a view", "a backed file", "an AnnData"])
def test_pp_changes_only_what_is_in_memory(kind: str, tmp_path: Path) -> None:
    mdata = theirs()
    if kind == "a backed file":
        write_mudata(mdata, tmp_path / "theirs.h5mu")
    given = {
        "a view": lambda: mdata[:30],
        "a backed file": lambda: mudata.read_h5mu(tmp_path / "theirs.h5mu", backed="r"),
        "an AnnData": lambda: mdata["rna"],
    }[kind]()
    with pytest.raises(InputError, match="expected MuData in memory"):
        pp.working_scale(given)


# --- The sheet --------------------------------------------------------------------------------------------------------


def test_the_sheet_knows_all_scales() -> None:
    assert tuple(SCALES) == SCALE_NAMES


def test_scales_of_the_sheet_may_have_blanks_and_be_of_any_modality() -> None:
    row = make_row(
        {"cohort": "c", "source": "s", "target": "t", "scale": " rna = counts ; methylation=beta; "}, "sheet"
    )
    assert scales_of_row(row, ["rna", "methylation", "cnv"]) == {"rna": "counts", "methylation": "beta"}
