"""`tl.cch` in a notebook: the numbers of the steps, and tables that stay with the data."""

import re
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort
from scipy.spatial.distance import pdist

import cch_omics
from cch_omics import keys, tl
from cch_omics.cohort import Cohort
from cch_omics.config import (
    CriterionConfig,
    DistillationConfig,
    EncoderConfig,
    InformationConfig,
    SplitsConfig,
    make_row,
)
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.mudata import from_mudata, make_mudata, read_mudata, write_mudata
from cch_omics.errors import InputError
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.splits import make_splits
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.rule import choose_teachers, decide
from cch_omics.views import teachers_of, views_of

SETTINGS: dict[str, dict[str, Any]] = {
    "splits": {"repeats": 1, "folds": 2, "inner_folds": 3},
    "encoder": {"units": 4, "components": 6, "max_epochs": 8},
    "information": {"subsamples": 4, "simulations": 8, "dimension": 3},
}
NO_DISTILLATION = {"criterion": {"rule": "cch"}}
TARGETS = {"classification": "subtype", "regression": "score", "survival": "os"}
# What the audit says of cohorts as small as these.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:test_tl")


def of(cohort: Cohort) -> mudata.MuData:
    """The cohort as a person would have it."""
    modalities = {
        name: anndata.AnnData(
            modality.values,
            obs=pd.DataFrame(index=cohort.samples[modality.rows]),
            var=pd.DataFrame(index=modality.features),
        )
        for name, modality in cohort.modalities.items()
    }
    values: Any = cohort.target.values
    if cohort.target.task.name == "classification":
        values = np.array([*cohort.target.task.strata_names, None], dtype=object)[cohort.target.strata]
    names = [f"{cohort.target.name}{ending}" for ending in cohort.target.task.columns[0]]
    obs = pd.DataFrame(values.reshape(len(values), -1), columns=names, index=cohort.samples)
    return make_mudata(modalities, obs, {})


@pytest.fixture
def mdata() -> mudata.MuData:
    return of(make_cohort(n=72, n_classes=2))


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("rule", ["pilot", "cch"])
def test_numbers_are_those_of_the_steps(task: str, rule: str) -> None:
    cohort = make_cohort(n=72, n_classes=2, task=task, teachers=("rna", "cnv", "mutation", "rna+cnv"))
    data = of(cohort)
    table = tl.cch(data, target=TARGETS[task], teachers=cohort.teachers, criterion={"rule": rule}, **SETTINGS)
    assert tuple(table.columns) == keys.VERDICT_COLUMNS
    assert len(table) == 3 * 3
    pd.testing.assert_frame_equal(data.uns["cch"], table)

    splits = make_splits(cohort, SplitsConfig(**SETTINGS["splits"]), seed=0)
    networks, on = EncoderConfig(**SETTINGS["encoder"]), torch.device("cpu")
    encodings = {view: encode(cohort, splits, view, networks, seed=0, device=on) for view in views_of(cohort)}
    shared = estimate_pairs(cohort, splits, encodings, InformationConfig(**SETTINGS["information"]), seed=0)
    students = None
    if rule == "pilot":
        # With the controls that a notebook goes without.
        students = {
            name: distil(
                cohort,
                splits,
                encodings,
                name,
                teachers_of(cohort, name),
                DistillationConfig(),
                networks,
                seed=0,
                device=on,
            )
            for name in cohort.modalities
        }
    evidence = gather(cohort, splits, encodings, students, shared)
    criterion = CriterionConfig(rule=rule)
    pd.testing.assert_frame_equal(table, decide(evidence, criterion, cohort.target), rtol=1e-4, atol=1e-6)
    chosen = choose_teachers(evidence, criterion, cohort.target, cohort.modalities)
    pd.testing.assert_frame_equal(data.uns["cch_teachers"], chosen, rtol=1e-4, atol=1e-6)
    assert tuple(chosen.columns) == keys.TEACHER_COLUMNS and set(chosen["rule"]) == {rule}


def test_a_rule_that_needs_no_distillation_trains_no_student(
    mdata: mudata.MuData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a student was trained")

    monkeypatch.setattr(tl, "distil", refuse)
    table = tl.cch(mdata, target="subtype", **NO_DISTILLATION, **SETTINGS)
    assert table["pilot_gain"].isna().all() and (table["verdict"] == table["cch_verdict"]).all()
    assert len(mdata.uns["cch_teachers"]) == 3
    with pytest.raises(AssertionError, match="a student was trained"):
        tl.cch(mdata, target="subtype", **SETTINGS)


def test_views_teach_as_asked(mdata: mudata.MuData) -> None:
    table = tl.cch(
        mdata, target="subtype", teachers=["rna", "rna+cnv"], key_added="views", **NO_DISTILLATION, **SETTINGS
    )
    pairs = set(zip(table["teacher"], table["student"], strict=True))
    assert pairs == {
        *(("rna", student) for student in ("cnv", "mutation")),
        *(("rna+cnv", student) for student in ("rna", "cnv", "mutation")),
    }
    assert table["gap"].notna().all()
    pd.testing.assert_frame_equal(mdata.uns["views"], table)
    assert set(mdata.uns["views_teachers"]["student"]) == {"rna", "cnv", "mutation"}
    assert set(mdata.uns["views_teachers"]["teacher"]) <= {"", "rna", "rna+cnv"}


def test_modalities_and_classes_are_those_asked_for() -> None:
    data = of(make_cohort(n=120, n_classes=3))
    table = tl.cch(data, target="subtype", modalities=["rna", "cnv"], classes=["a", "b"], **NO_DISTILLATION, **SETTINGS)
    assert len(table) == 2 and set(table["teacher"]) == {"rna", "cnv"}
    all_classes = tl.cch(data, target="subtype", modalities=["rna", "cnv"], **NO_DISTILLATION, **SETTINGS)
    assert (table["gap"] != all_classes["gap"]).all()


def test_the_task_can_be_said_and_the_folds_asked_for_are_what_counts() -> None:
    # Twelve numbers are enough for these folds, not for the default ones.
    cohort = make_cohort(n=72, task="regression")
    data = of(cohort)
    few = np.flatnonzero(cohort.target.observed)[12:]
    data.obs.loc[cohort.samples[few], "score"] = np.nan
    ask = {"target": "score", "modalities": ["rna", "cnv"], **NO_DISTILLATION}
    assert len(tl.cch(data, task="regression", **ask, **SETTINGS)) == 2
    with pytest.raises(InputError, match="12 numbers"):
        tl.cch(data, task="regression", **ask, encoder=SETTINGS["encoder"], information=SETTINGS["information"])


def test_what_is_stored_is_written_with_the_data(mdata: mudata.MuData, tmp_path: Any) -> None:
    table = cch_omics.tl.cch(mdata, target="subtype", **SETTINGS)
    write_mudata(mdata, tmp_path / "cohort.h5mu")
    again = read_mudata(tmp_path / "cohort.h5mu")
    pd.testing.assert_frame_equal(mdata.uns["cch"], table)
    for key in ("cch", "cch_teachers", "cch_evidence"):
        before, after = mdata.uns[key], again.uns[key]
        assert isinstance(after, pd.DataFrame) and list(after.columns) == list(before.columns)
        for column in before:
            np.testing.assert_array_equal(after[column].to_numpy(), before[column].to_numpy(), err_msg=column)
    assert set(map(tuple, mdata.uns["cch_evidence"][["repeat", "fold"]].to_numpy())) == {(0, 0), (0, 1), (-1, -1)}
    assert dict(again.uns["cch_about"]) == mdata.uns["cch_about"]
    assert again.uns["cch_about"]["metric"] == "balanced_accuracy"
    for name in mdata.mod:
        np.testing.assert_array_equal(again[name].obsm["X_cch"], mdata[name].obsm["X_cch"])
    for draw in (cch_omics.pl.gap_matrix, cch_omics.pl.estimated_gaps, cch_omics.pl.pilot_gains):
        assert draw(again).get_figure() is not None
    cells = [[text.get_text() for text in cch_omics.pl.gap_matrix(given).texts] for given in (table, mdata, again)]
    assert cells[0] == cells[1] == cells[2] and len(cells[0]) == 2 * len(table)


def leaky(mdata: mudata.MuData) -> None:
    labels = (mdata.obs["subtype"] == "b").reindex(mdata["rna"].obs_names)
    mdata["rna"].X[:, 3] = labels + 0.01 * mdata["rna"].X[:, 3]


def layered(mdata: mudata.MuData) -> None:
    mdata["rna"].layers["counts"] = np.ones(mdata["rna"].shape)


def with_a_gene_twice(mdata: mudata.MuData) -> None:
    mdata["rna"].var_names = ["ENSG00000000000.1", "ENSG00000000000.2", *mdata["rna"].var_names[2:]]


@pytest.mark.filterwarnings("ignore:.*not unique:UserWarning")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (leaky, ["rna: the single feature rna3 predicts subtype"]),
        (layered, ["rna: .X was read, not .layers['counts']. To have one of these read, put it into .X."]),
        (
            with_a_gene_twice,
            [
                "rna: 2 names of features had versions, such as 'ENSG00000000000.1' and 1 more, that were taken off.",
                "rna: 1 features left out: the name of an earlier feature.",
            ],
        ),
        (lambda mdata: None, ["3 of 72 samples have no label"]),
    ],
)
def test_what_the_audit_says_is_warned_of_and_kept(
    mdata: mudata.MuData, change: Any, expected: list[str], tmp_path: Path
) -> None:
    change(mdata)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tl.cch(mdata, target="subtype", scale={"cnv": "continuous"}, **NO_DISTILLATION, **SETTINGS)
    said = [str(each.message) for each in caught if each.filename == __file__]
    assert all(any(text.startswith(start) for text in said) for start in expected)
    assert not any("sheet" in text for text in said)
    # Those of `cch ingest`, and no others.
    columns = {"cohort": "mdata", "source": "mdata", "target": "subtype"}
    report = audit(*assemble(from_mudata(mdata, "mdata"), make_row(columns, "")), SplitsConfig(**SETTINGS["splits"]))
    assert said == report["warnings"]

    write_mudata(mdata, tmp_path / "cohort.h5mu")
    for kept in (mdata.uns["cch_audit"], read_mudata(tmp_path / "cohort.h5mu").uns["cch_audit"]):
        assert kept["warnings"].tolist() == said
        assert (
            kept["scales"].loc[["rna", "cnv"], ["scale", "made", "warning"]].to_numpy().tolist()
            == [["continuous", "", ""]] * 2
        )
        assert kept["scales"]["asked"].to_dict() == {"cnv": True, "mutation": False, "rna": False}


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_of_data_with_nothing_odd_no_warning_is_kept(mdata: mudata.MuData, tmp_path: Path) -> None:
    mdata = mdata[mdata.obs["subtype"].notna()].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tl.cch(mdata, target="subtype", **NO_DISTILLATION, **SETTINGS)
    write_mudata(mdata, tmp_path / "cohort.h5mu")
    assert read_mudata(tmp_path / "cohort.h5mu").uns["cch_audit"]["warnings"].tolist() == []


def test_representations_are_held_out_and_on_common_axes(mdata: mudata.MuData) -> None:
    rna, cnv = mdata["rna"][::-1].copy(), mdata["cnv"].copy()
    rna.X[0] = np.nan  # a sample without a value is not used
    shuffled = make_mudata({"rna": rna, "cnv": cnv}, mdata.obs, {})
    tl.cch(shuffled, target="subtype", **NO_DISTILLATION, **SETTINGS)
    cohort, _ = assemble(
        from_mudata(shuffled, "mdata"), make_row({"cohort": "c", "source": "s", "target": "subtype"}, "")
    )
    splits = make_splits(cohort, SplitsConfig(**SETTINGS["splits"]), seed=0)
    encoding = encode(cohort, splits, "rna", EncoderConfig(**SETTINGS["encoder"]), seed=0, device=torch.device("cpu"))
    shown = rna.obsm["X_cch"]
    assert np.isnan(shown[0]).all() and np.isfinite(shown[1:]).all()
    rows = {name: row for row, name in enumerate(cohort.samples)}
    at = np.array([rows[name] for name in rna.obs_names[1:]])
    held_out, fold, shown = encoding.representation[-1][at], splits.inner[-1][at], shown[1:]
    common = np.asarray(encoding.network.representation(rna.X[1:]))
    for k in range(splits.n_inner):
        np.testing.assert_allclose(pdist(shown[fold == k]), pdist(held_out[fold == k]), atol=1e-5)

    def off(found: Any) -> float:
        return float(np.square(found - common).mean())

    assert off(shown) < 0.7 * off(held_out)


def test_a_bar_shows_how_far_it_is(
    mdata: mudata.MuData, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tl, "tqdm", partial(tl.tqdm, mininterval=0))
    tl.cch(mdata, target="subtype", **SETTINGS)
    said = re.findall(r"(\w[\w ]*?) +(\d+)%", capsys.readouterr().err)
    names = ["cnv", "mutation", "rna"]
    steps = [*(f"encode {name}" for name in names), "mutual information", *(f"distil {name}" for name in names)]
    assert list(dict.fromkeys(name for name, _ in said)) == [*steps, "done"]
    shares = [int(share) for _, share in said]
    assert shares == sorted(shares) and shares[-1] == 100
    tl.cch(mdata, target="subtype", progress=False, **NO_DISTILLATION, **SETTINGS)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"modalities": ["rna", "protein"]}, "mdata, `modalities`: found no modality 'protein'"),
        ({"teachers": ["rna+protein"]}, "cohort 'mdata', `teachers`: found 'protein'"),
        ({"splits": {"folds": 1}}, r"tl\.cch, argument splits\.folds: found 1"),
        ({"seed": -1}, r"tl\.cch, argument seed: found -1"),
        ({"target": "subtyp"}, r"column 'subtyp' \(`target`\)"),
        ({"task": "regression"}, "To predict classes, set `task` to `classification`"),
        (
            {"classes": ["a", "b"], "task": "regression"},
            r"argument classes: .*expected nothing\. .*leave one of the two empty",
        ),
        ({"splits": {"folds": 40}}, "Leave a class out with `classes`"),
    ],
)
def test_refusals_speak_of_arguments(mdata: mudata.MuData, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        tl.cch(mdata, **{"target": "subtype", **NO_DISTILLATION, **SETTINGS, **changed})
    assert not re.search(r"sheet|\bcell|\bthis row|\bkey\b", str(caught.value))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"target": "subtyp"}, "subtyp"),
        ({"encoder": {"unit": 3}}, "unit"),
        ({"criterion": {"rule": "gap"}}, "criterion.rule|rule"),
        ({"modalities": ["rna", "protein"]}, "protein"),
        ({"classes": ["a", "z"]}, "z"),
        ({"teachers": ["rna+protein"]}, "protein"),
        ({"task": "survival"}, "survival"),
        ({"task": "regression"}, "text"),
        ({"group": "patient"}, "patient"),
        ({"splits": {"folds": 40}}, "folds"),
        ({"information": {"dimension": 9}}, "information.dimension"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_stored(
    mdata: mudata.MuData, changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        tl.cch(mdata, **{"target": "subtype", **NO_DISTILLATION, **SETTINGS, **changed})
    assert not [key for key in mdata.uns if str(key).startswith("cch")]


def of_memory(mdata: mudata.MuData) -> dict[str, Any]:
    """What a refusal must leave as it was."""
    return {"obs": mdata.obs.copy(), "uns": dict(mdata.uns), **{name: mdata[name].copy() for name in mdata.mod}}


def along_features(mdata: mudata.MuData) -> mudata.MuData:
    return mudata.MuData({name: adata.copy() for name, adata in mdata.mod.items()}, axis=1)


def named_twice(mdata: mudata.MuData) -> mudata.MuData:
    rna = mdata["rna"].copy()
    rna.obs_names = [rna.obs_names[0], *rna.obs_names[:-1]]
    return mudata.MuData({"rna": rna, "cnv": mdata["cnv"].copy()})


NO_MUDATA = {
    "an AnnData": (lambda mdata, folder: mdata["rna"], "AnnData; expected MuData.*mudata.MuData\\("),
    "a path": (lambda mdata, folder: "cohort.h5mu", "str; expected MuData.*read_h5mu"),
    "a table": (lambda mdata, folder: pd.DataFrame(), "DataFrame; expected MuData"),
    "a dictionary": (lambda mdata, folder: dict(mdata.mod), "dict; expected MuData"),
    "nothing": (lambda mdata, folder: None, "NoneType; expected MuData"),
    "one modality": (lambda mdata, folder: mudata.MuData({"rna": mdata["rna"]}), "the modalities 'rna'"),
    "no modality": (lambda mdata, folder: mudata.MuData({}), "the modalities none"),
    "a sample twice": (lambda mdata, folder: named_twice(mdata), r"\.mod\['rna'\], \.obs_names: found"),
    "features shared": (lambda mdata, folder: along_features(mdata), "joined along axis 1"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NO_MUDATA)
def test_what_is_no_mudata_is_refused(mdata: mudata.MuData, name: str, tmp_path: Path) -> None:
    change, said = NO_MUDATA[name]
    with pytest.raises(InputError, match=said):
        tl.cch(change(mdata, tmp_path), target="subtype", **NO_DISTILLATION, **SETTINGS)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"target": "er status"}, "column 'er status'.*no such column"),
        ({"target": 3}, "tl.cch, target: found 3"),
        ({"target": ""}, "tl.cch, target"),
        ({"modalities": "rna"}, "tl.cch, modalities: found 'rna'; expected a list"),
        ({"modalities": ["rna"]}, "argument modalities: found only 'rna'"),
        ({"teachers": "rna"}, "tl.cch, teachers: found 'rna'; expected a list"),
        ({"teachers": ["prot"]}, "'prot'"),
        ({"teachers": [["rna", "cnv"]]}, "argument teachers"),
        ({"classes": "ab"}, "tl.cch, classes: found 'ab'; expected a list"),
        ({"classes": [0, 1]}, "`classes`: found no sample of class '0'"),
        ({"device": "gpu"}, "tl.cch, device: found 'gpu'"),
        ({"key_added": 3}, "tl.cch, key_added"),
        ({"criterion": "cch"}, "tl.cch, argument criterion: found 'cch'"),
        (
            {"splits": 3},
            "tl.cch, argument splits: found 3.*keys and values, with keys among repeats.*Write `KEY: VALUE`",
        ),
        ({"splits": {"repeats": True}}, "a number, not a switch"),
    ],
)
def test_a_refusal_leaves_the_data_as_they_were(mdata: mudata.MuData, changed: dict[str, Any], named: str) -> None:
    mdata.uns["cch"] = "of an earlier run"
    before = of_memory(mdata)
    with pytest.raises(InputError, match=named):
        tl.cch(mdata, **{"target": "subtype", **NO_DISTILLATION, **SETTINGS, **changed})
    pd.testing.assert_frame_equal(mdata.obs, before["obs"])
    assert dict(mdata.uns) == before["uns"]
    for name, adata in mdata.mod.items():
        np.testing.assert_array_equal(adata.X, before[name].X)
        pd.testing.assert_frame_equal(adata.obs, before[name].obs)


def test_classes_and_columns_of_any_kind(mdata: mudata.MuData) -> None:
    """The same labels in other types, under other names and in other places give the same table."""
    labels = mdata.obs["subtype"]
    is_b = (labels == "b").where(labels.notna())
    expected = tl.cch(mdata, target="subtype", **NO_DISTILLATION, **SETTINGS)
    assert len(expected) == 6
    for column, asked in (
        (is_b.astype("Int64"), []),
        (is_b.astype(float), [0, 1]),
        (is_b.astype("boolean").astype("category"), [False, True]),
        (labels.map({"a": "I, early", "b": 'II "late"'}), ["I, early", 'II "late"']),
    ):
        mdata.obs["er status/PR as is"] = column
        found = tl.cch(mdata, target="er status/PR as is", classes=asked, **NO_DISTILLATION, **SETTINGS)
        pd.testing.assert_series_equal(found["gap"], expected["gap"])


def test_a_column_of_one_modality(mdata: mudata.MuData) -> None:
    labels = mdata.obs.pop("subtype")
    mdata["rna"].obs["subtype"] = labels.reindex(mdata["rna"].obs_names)
    mdata["cnv"].obs["subtype"] = "other"
    with pytest.raises(InputError, match=r"contradicting values.*'rna:subtype'"):
        tl.cch(mdata, target="subtype", **NO_DISTILLATION, **SETTINGS)
    table = tl.cch(mdata, target="rna:subtype", **NO_DISTILLATION, **SETTINGS)
    assert len(table) == 6


@pytest.mark.filterwarnings("ignore")
def test_a_view_of_the_data(mdata: mudata.MuData) -> None:
    part = mdata[mdata.obs_names[:64]]
    table = tl.cch(part, target="subtype", **NO_DISTILLATION, **SETTINGS)
    pd.testing.assert_frame_equal(table, tl.cch(part.copy(), target="subtype", **NO_DISTILLATION, **SETTINGS))
    assert not [key for key in mdata.uns if str(key).startswith("cch")]
